// Package manifest reads plugin.toml, the file beside plugin in which a plugin's
// author says what the plugin prints and what it needs:
//
//	format = "nagios"   # or json (the default), influx, prometheus
//	mode = "run"        # or daemon
//	signal = "stdin"    # a daemon is to measure when it reads a newline
//	timeout = "5s"      # for one run
//	memory = "64 MiB"   # for one run
//	pids = 16
//
// The format in the registry's item takes precedence. For the rest, the policy and the
// interval do: a plugin can only ask for less than they allow.
package manifest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/lodastack/agent/internal/configfile"
	"github.com/lodastack/agent/internal/pluginoutput"
)

// Name of the file.
const Name = "plugin.toml"

// maxSize of the file, in bytes.
const maxSize = 64 << 10

// The modes of a plugin. An empty one is Run.
const (
	Run    = "run"    // it is run at its interval
	Daemon = "daemon" // it is started once and kept running
)

// Stdin is the signal of a daemon that measures when it reads a newline from its
// standard input, as those for Telegraf's execd with the same signal.
const Stdin = "stdin"

// checkSignal returns an error unless a plugin of the mode can have the signal.
func checkSignal(signal, mode string) error {
	switch {
	case signal != "" && signal != Stdin:
		return fmt.Errorf("there is no signal %.100q: there is %s", signal, Stdin)
	case signal != "" && mode != Daemon:
		return fmt.Errorf("only a daemon has one: set mode = %q, too", Daemon)
	}
	return nil
}

// CheckMode returns an error unless there is such a mode for a plugin of the format.
func CheckMode(mode string, format pluginoutput.Format) error {
	switch {
	case mode != "" && mode != Run && mode != Daemon:
		return fmt.Errorf("there is no mode %.100q: there are %s and %s", mode, Run, Daemon)
	case mode == Daemon && format == pluginoutput.Nagios:
		return errors.New("a Nagios check ends with its result: it is not a daemon")
	}
	return nil
}

// Manifest is the content of the file. A field that the file leaves out is zero.
type Manifest struct {
	Format pluginoutput.Format
	Mode   string
	// Signal is [Stdin] if a daemon wants a newline at each interval. Empty: its
	// standard input is empty.
	Signal string
	// Timeout of one run. A daemon has none.
	Timeout time.Duration
	// Memory in bytes that all processes of a run may use together.
	Memory int64
	// Pids is how many processes and threads a run may have.
	Pids int
}

// Read reads the file in the plugin's directory. Without a file, the Manifest is zero.
// The error names each fault with its line. The file may be a link, but must not lead out
// of the directory: it is read with the agent's rights, and errors quote its lines.
func Read(dir string) (Manifest, error) {
	if _, err := os.Lstat(filepath.Join(dir, Name)); errors.Is(err, fs.ErrNotExist) {
		return Manifest{}, nil // one system call before each run of most plugins
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return Manifest{}, err
	}
	defer root.Close()
	file, err := root.OpenFile(Name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return Manifest{}, nil
	}
	if err != nil {
		return Manifest{}, err
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return Manifest{}, errors.Join(err, errors.New(Name+" is not a regular file"))
	}
	content, err := io.ReadAll(io.LimitReader(file, maxSize+1))
	switch {
	case err != nil:
		return Manifest{}, err
	case len(content) > maxSize:
		return Manifest{}, errors.New(Name + " is larger than 64 KiB")
	}
	return parse(content)
}

func parse(content []byte) (m Manifest, err error) {
	file, err := configfile.Parse(Name, content)
	if err != nil {
		return Manifest{}, err
	}
	var format string
	file.String("format", &format)
	file.String("mode", &m.Mode)
	file.String("signal", &m.Signal)
	file.Duration("timeout", &m.Timeout, time.Second, 31*24*time.Hour)
	file.Size("memory", &m.Memory, 1<<20, 1<<40)
	file.Int("pids", &m.Pids, 1, 1<<20)
	m.Format = pluginoutput.Format(format)
	if err := m.Format.Check(); err != nil {
		file.Fail("format", err.Error())
	}
	if err := CheckMode(m.Mode, m.Format); err != nil {
		file.Fail("mode", err.Error())
	}
	if err := checkSignal(m.Signal, m.Mode); err != nil {
		file.Fail("signal", err.Error())
	}
	if m.Mode == Daemon && m.Timeout > 0 {
		file.Fail("timeout", "a daemon has none")
	}
	if err := file.Err(); err != nil {
		return Manifest{}, err
	}
	return m, nil
}
