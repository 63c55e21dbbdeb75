//go:build !amd64 && !arm64

package sandbox

import "errors"

// start is not written for this processor.
func (p *preExec) start(int, *int) (int, error) {
	return 0, errors.New("this build of the agent cannot do it on this processor")
}
