package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/addresstest"
)

// fences are the blocks of code in a document: a language and its lines.
func fences(document string) [][]string {
	return regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$").FindAllStringSubmatch(document, -1)
}

// figures match the numbers and names that differ from host to host.
func figures(line string) string {
	line = regexp.MustCompile(`host=[^, ]+`).ReplaceAllString(line, "host=HOST")
	line = regexp.MustCompile(`SHA256:[0-9A-Za-z+/]+`).ReplaceAllString(line, "SHA256:KEY")
	line = regexp.MustCompile(`commit [0-9a-f]+`).ReplaceAllString(line, "commit ID")
	line = regexp.MustCompile(`\d+`).ReplaceAllString(line, "N")
	return strings.Join(strings.Fields(line), " ")
}

func TestTheGuidesFiveMinutesGoAsWritten(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	t.Parallel()
	output := followGuide(t, "plugins.md", "Five minutes", "tour")
	require.Contains(t, output, `\"hidden\"`, "the update is what the run by hand ran")
}

func TestASignedFleetIsSetUpAsWritten(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	t.Parallel()
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		t.Skip("there is no ssh-keygen")
	}
	followGuide(t, "security.md", "A signed fleet in ten minutes", "fleet")
}

// followGuide runs the commands of a document's section, which work in /tmp/agent-NAME. It
// requires the output that the section shows, and returns the whole output.
func followGuide(t *testing.T, document, section, name string) string {
	t.Helper()
	for _, program := range []string{"git", "curl"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("there is no %s", program)
		}
	}
	guide, err := os.ReadFile("../../docs/" + document)
	require.NoError(t, err)
	_, tour, found := strings.Cut(string(guide), "\n## "+section+"\n")
	require.True(t, found)
	tour, _, found = strings.Cut(tour, "\n## ")
	require.True(t, found)

	temp := openTempDir(t)
	place := filepath.Join(temp, name)
	tour = strings.NewReplacer("127.0.0.1:1232", addresstest.Free(t), "/tmp/agent-"+name, place).Replace(tour)
	var steps, want []string
	for _, fence := range fences(tour) {
		if fence[1] == "sh" {
			steps = append(steps, fence[2])
			continue
		}
		for line := range strings.Lines(fence[2]) {
			want = append(want, figures(line))
		}
	}
	require.GreaterOrEqual(t, len(steps), 7)
	require.GreaterOrEqual(t, len(want), 7)

	defer execute(t, "stop", "-f", place+"/agent.conf") // if a step before the last failed
	shell := exec.CommandContext(t.Context(), "timeout", "60", "sh", "-eu")
	shell.Stdin = strings.NewReader(strings.Join(steps, "\n"))
	shell.Dir = temp
	shell.Env = append(os.Environ(), "PATH="+agentOnPath(t)+":"+os.Getenv("PATH"),
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=me", "GIT_AUTHOR_EMAIL=me@example.com", "GIT_COMMITTER_NAME=me", "GIT_COMMITTER_EMAIL=me@example.com")
	output, err := shell.CombinedOutput()
	require.NoError(t, err, "%s", output)
	var got []string
	for line := range strings.Lines(string(output)) {
		got = append(got, figures(line))
	}
	require.Subset(t, got, want, "%s", output)
	require.NoDirExists(t, place)
	return string(output)
}

// agentOnPath makes a directory in which this test binary is the program agent.
func agentOnPath(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\n%s=yes exec %q \"$@\"\n", beAgent, os.Args[0])
	require.NoError(t, os.WriteFile(filepath.Join(dir, "agent"), []byte(script), 0o755))
	return dir
}

func TestTheGuideNamesExamplesThatExist(t *testing.T) {
	guide, err := os.ReadFile("../../docs/plugins.md")
	require.NoError(t, err)
	links := regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllStringSubmatch(string(guide), -1)
	require.GreaterOrEqual(t, len(links), 5)
	for _, link := range links {
		require.FileExists(t, filepath.Join("../../docs", link[1]))
	}
}
