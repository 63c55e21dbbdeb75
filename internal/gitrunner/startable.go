package gitrunner

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// pluginPath is the PATH of plugins.
const pluginPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// checkStartable returns an error if the kernel would refuse to start dir/plugin, as far
// as that can be known without running it. See execve(2), and fs/binfmt_script.c and
// fs/binfmt_elf.c of the kernel.
func (r *Runner) checkStartable(dir string) error {
	path, err := executableOf(dir)
	if err != nil {
		return err
	}
	if noexec(dir) {
		return fmt.Errorf("%s is on a file system that is mounted with noexec, so no plugin can be started there: mount it without noexec, or set agent.pluginsdir to another directory", dir)
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	head := make([]byte, 256) // the kernel reads that much
	n, err := io.ReadFull(file, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading its file plugin: %w", err)
	}
	head = head[:n]
	switch {
	case len(head) == 0:
		return errors.New("its file plugin is empty")
	case bytes.HasPrefix(head, []byte("#!")):
		return checkScript(dir, head)
	case runtime.GOOS != "linux":
		return nil
	case bytes.HasPrefix(head, []byte(elfMagic)):
		return checkELF(file)
	case hasHandler(head):
		return nil
	}
	return notAProgram(head)
}

// notAProgram describes a file that begins neither with #! nor as ELF.
func notAProgram(head []byte) error {
	switch {
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf#!")):
		return errors.New("its file plugin has a byte order mark in front of #!: save it as UTF-8 without one")
	case bytes.HasPrefix(head, []byte("version https://git-lfs.github.com/spec/")):
		return errors.New("its file plugin is a pointer of Git LFS, not the file itself: commit the file, or install git-lfs on this host (git lfs install --system)")
	}
	return errors.New("its file plugin is neither a script that begins with #! nor a program for this system (ELF): let a script begin with a line such as #!/bin/sh")
}

// checkScript checks the line after #!.
func checkScript(dir string, head []byte) error {
	line, _, complete := bytes.Cut(head[2:], []byte("\n"))
	if bytes.HasSuffix(line, []byte("\r")) {
		return errors.New("the first line of its file plugin ends as on Windows (CRLF): save it with LF; with git, put \"plugin text eol=lf\" into .gitattributes")
	}
	words := strings.FieldsFunc(string(line), func(c rune) bool { return c == ' ' || c == '\t' })
	if len(words) == 0 {
		return errors.New("the first line of its file plugin has #! and no interpreter")
	}
	if !complete && len(head) == 256 && len(words) == 1 {
		return errors.New("the first line of its file plugin is longer than the 255 characters that the kernel reads")
	}
	if err := checkInterpreter(dir, words[0]); err != nil {
		return err
	}
	if filepath.Base(words[0]) != "env" {
		return nil
	}
	if name := commandOfEnv(words[1:]); name != "" {
		return checkCommand(dir, name)
	}
	return nil
}

// commandOfEnv returns the command that env(1) would run, or "" if that is not
// obvious.
func commandOfEnv(args []string) string {
	if len(args) > 0 && args[0] == "-S" {
		for _, arg := range args[1:] {
			if strings.Contains(arg, "=") {
				continue
			}
			if strings.HasPrefix(arg, "-") || strings.ContainsAny(arg, `"'$\`) {
				return ""
			}
			return arg
		}
		return ""
	}
	// Without -S all that follows is one argument.
	if len(args) != 1 || strings.HasPrefix(args[0], "-") || strings.Contains(args[0], "=") {
		return ""
	}
	return args[0]
}

// checkInterpreter checks that path is an executable file. A relative path is
// relative to the plugin's directory, in which the plugin runs.
func checkInterpreter(dir, path string) error {
	full := path
	if !filepath.IsAbs(path) {
		full = filepath.Join(dir, path)
	}
	info, err := os.Stat(full)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("the interpreter %s that its file plugin names is not on this host: install it, or name another one", path)
	case err != nil:
		return fmt.Errorf("the interpreter that its file plugin names: %w", err)
	case !info.Mode().IsRegular() || info.Mode()&0o111 == 0:
		return fmt.Errorf("the interpreter %s that its file plugin names is not an executable file", path)
	}
	return nil
}

// checkCommand checks that a command for env(1) exists.
func checkCommand(dir, name string) error {
	if strings.Contains(name, "/") {
		return checkInterpreter(dir, name)
	}
	for place := range strings.SplitSeq(pluginPath, ":") {
		if checkInterpreter(dir, filepath.Join(place, name)) == nil {
			return nil
		}
	}
	return fmt.Errorf("the interpreter %s that its file plugin names is not on the PATH of plugins (%s): install it, or name another one", name, pluginPath)
}
