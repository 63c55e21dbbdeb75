//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/lodastack/agent"
)

// process is one life of the agent.
type process struct {
	address string
	command *exec.Cmd
	ended   chan struct{} // closed when it has ended
	err     error         // of its end
}

func startProcess(binary, config, address string, stderr io.Writer) (*process, error) {
	p := &process{address: address, command: exec.Command(binary, "start", "-f", config), ended: make(chan struct{})}
	p.command.Stderr = stderr
	if err := p.command.Start(); err != nil {
		return nil, fmt.Errorf("start the agent: %w", err)
	}
	go func() {
		p.err = p.command.Wait()
		close(p.ended)
	}()
	return p, nil
}

// signal sends a signal and waits for the end that it brings.
func (p *process) signal(s os.Signal, patience time.Duration) error {
	if err := p.command.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.ended:
		return nil
	case <-time.After(patience):
		return fmt.Errorf("the agent has not ended %s after %v", patience, s)
	}
}

// running reports whether it has not ended.
func (p *process) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// get returns the body of an answer with the status 200.
func (p *process) get(path string) ([]byte, error) {
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get("http://" + p.address + path)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", path, response.Status, strings.TrimSpace(string(body)))
	}
	return body, err
}

// await asks path until the answer is good.
func (p *process) await(path string, patience time.Duration) (err error) {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if _, err = p.get(path); err == nil {
			return nil
		}
		if !p.running() {
			return fmt.Errorf("the agent has ended by itself: %w", p.err)
		}
	}
	return fmt.Errorf("no good answer within %s: %w", patience, err)
}

// accounts returns those of /me/status, once they are checked.
func (p *process) accounts() (map[string]agent.Account, error) {
	body, err := p.get("/me/status")
	if err != nil {
		return nil, err
	}
	var status struct {
		Accounts map[string]agent.Account `json:"accounts"`
	}
	if err := json.Unmarshal(body, &status); err != nil {
		return nil, fmt.Errorf("read the status: %w", err)
	}
	var wrong []error
	for namespace, account := range status.Accounts {
		if !balanced(account) {
			wrong = append(wrong, fmt.Errorf("the account of %s does not balance: %+v", namespace, account))
		}
	}
	return status.Accounts, errors.Join(wrong...)
}

func balanced(a agent.Account) bool {
	dropped := int64(0)
	for _, points := range a.Dropped {
		if points < 0 {
			return false
		}
		dropped += points
	}
	return a.Accepted == a.Delivered+a.Waiting+dropped && a.Delivered >= 0 && a.Waiting >= 0
}
