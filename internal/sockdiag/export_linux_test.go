package sockdiag

// ParseDump returns the sockets in one part of an answer.
func ParseDump(answer []byte) ([]Listener, error) {
	listeners, _, err := parseDump(answer, nil)
	return listeners, err
}
