package gitrunner

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/lodastack/agent/internal/configfile"
	"github.com/lodastack/agent/internal/safefile"
)

// maxEnvFile bounds a file of variables, in bytes. The kernel accepts at most 128 KiB for
// one variable, and a quarter of the stack's limit for all.
const maxEnvFile = 64 << 10

// CheckEnvFile returns an error if the file of a rule's variables cannot be used. The
// error contains no value.
func CheckEnvFile(path string) error {
	_, err := readEnvFile(path)
	return err
}

// readEnvFile returns the variables, NAME=VALUE, of a file. The file must belong to root
// or the process's user, and only its owner may read it. A link is followed if nobody
// else can change it: Kubernetes mounts its secrets with links.
func readEnvFile(path string) ([]string, error) {
	if err := safefile.CheckFile(path, true); err != nil {
		return nil, err
	}
	real := safefile.Resolve(path)
	if info, err := os.Stat(real); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s may be read or changed by others than its owner (mode %#o); run chmod 0600 %s", real, info.Mode().Perm(), real)
	}
	content, err := safefile.Read(real, maxEnvFile)
	if err != nil {
		return nil, err
	}
	env, err := parseEnv(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return env, nil
}

// parseEnv reads lines NAME=VALUE. The value is everything after the first =, unchanged.
// Empty lines and lines that begin with # are ignored.
func parseEnv(content []byte) (env []string, err error) {
	names := map[string]bool{}
	number := 0
	for line := range bytes.Lines(content) {
		number++
		text := strings.TrimLeft(strings.TrimSuffix(string(line), "\n"), " \t")
		if text == "" || text[0] == '#' {
			continue
		}
		name, value, found := strings.Cut(text, "=")
		switch {
		case strings.HasSuffix(text, "\r"):
			err = errors.New("the line ends as on Windows (CRLF); save the file with LF")
		case !found || !configfile.IsVariable(name):
			err = errors.New("this is not NAME=VALUE; a NAME has only letters, digits and _, and does not begin with a digit")
		case names[name]:
			err = fmt.Errorf("%s is set twice", name)
		case strings.ContainsRune(value, 0):
			err = fmt.Errorf("the value of %s contains a zero byte, which a variable cannot hold", name)
		default:
			err = checkVariable(name)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		names[name] = true
		env = append(env, text)
	}
	return env, nil
}

// checkVariable refuses variables that the agent sets itself, and variables that make the
// dynamic loader (ld.so(8)) execute other files than the plugin's.
func checkVariable(name string) error {
	switch {
	case slices.Contains([]string{"PATH", "HOME", "LANG"}, name), strings.HasPrefix(name, "AGENT_"):
		return fmt.Errorf("%s is set by the agent; use another name", name)
	case strings.HasPrefix(name, "LD_"), name == "GCONV_PATH", name == "GLIBC_TUNABLES":
		return fmt.Errorf("%s is refused: it makes the loader execute other files than the plugin's", name)
	}
	return nil
}
