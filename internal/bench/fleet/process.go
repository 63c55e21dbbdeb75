//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/lodastack/agent/internal/bench/usage"
)

// process is the process of the agents.
type process struct {
	command *exec.Cmd
	input   io.WriteCloser
	answers *json.Decoder
}

// start starts the agents.
func start(o orders) (*process, error) {
	encoded, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	p := &process{command: exec.Command(os.Args[0], "-play", string(encoded))}
	p.command.Stderr = os.Stderr
	if p.input, err = p.command.StdinPipe(); err != nil {
		return nil, err
	}
	output, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.answers = json.NewDecoder(output)
	return p, p.command.Start()
}

func (p *process) report() (r report, err error) {
	if _, err := fmt.Fprintln(p.input); err != nil {
		return r, err
	}
	return r, p.answers.Decode(&r)
}

func (p *process) usage() (usage.Usage, error) { return usage.Read(p.command.Process.Pid) }

// stop stops the agents and returns their last report.
func (p *process) stop() (r report, err error) {
	if err := p.input.Close(); err != nil {
		return r, err
	}
	if err := p.answers.Decode(&r); err != nil {
		return r, err
	}
	return r, p.command.Wait()
}

// kill ends the agents if they still run.
func (p *process) kill() {
	if p.command.ProcessState == nil {
		_ = p.command.Process.Kill()
		_ = p.command.Wait()
	}
}
