package fileregistry_test

import (
	"context"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/fileregistry"
)

const web, db = "[[namespace]]\nname = \"web\"\n", "[[namespace]]\nname = \"database\"\n"

func read(t *testing.T, r *fileregistry.Registry) {
	t.Helper()
	_, err := r.Assignments(t.Context(), agent.Host{})
	require.NoError(t, err)
}

// watched returns how often a change was told within 10 seconds after change, of a file that
// was read before.
func watched(t *testing.T, change func(t *testing.T, r *fileregistry.Registry, name string)) (told int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r, name := open(t, web)
		read(t, r)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			r.Watch(ctx, func() { told++ })
		}()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		require.Zero(t, told, "what was read has not changed")
		change(t, r, name)
		time.Sleep(10 * time.Second)
		cancel()
		<-ended
	})
	return told
}

func TestChangesOfTheFileAreTold(t *testing.T) {
	for what, change := range map[string]func(t *testing.T, r *fileregistry.Registry, name string){
		"another content": func(t *testing.T, _ *fileregistry.Registry, name string) {
			require.NoError(t, os.WriteFile(name, []byte(db), 0o600))
		},
		"another file in its place, of the same size and time": func(t *testing.T, _ *fileregistry.Registry, name string) {
			info, err := os.Stat(name)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(name+".new", []byte(web), 0o600))
			require.NoError(t, os.Chtimes(name+".new", info.ModTime(), info.ModTime()))
			require.NoError(t, os.Rename(name+".new", name))
		},
		"gone and there again": func(t *testing.T, _ *fileregistry.Registry, name string) {
			require.NoError(t, os.Remove(name))
			time.Sleep(10 * time.Second)
			require.NoError(t, os.WriteFile(name, []byte(db), 0o600))
		},
	} {
		t.Run(what, func(t *testing.T) { require.Equal(t, 1, watched(t, change)) })
	}
}

func TestAChangeThatWasReadIsNotTold(t *testing.T) {
	require.Zero(t, watched(t, func(t *testing.T, r *fileregistry.Registry, name string) {
		require.NoError(t, os.WriteFile(name, []byte(db), 0o600))
		read(t, r)
	}))
}

func TestAFileThatIsBeingWrittenIsToldAtItsEnd(t *testing.T) {
	require.Equal(t, 1, watched(t, func(t *testing.T, _ *fileregistry.Registry, name string) {
		for size := range len(db) {
			require.NoError(t, os.WriteFile(name, []byte(db)[:size], 0o600))
			time.Sleep(time.Second)
		}
		require.NoError(t, os.WriteFile(name, []byte(db), 0o600))
	}))
}

func BenchmarkLookAtTheFile(b *testing.B) {
	name := b.TempDir() + "/registry.toml"
	require.NoError(b, os.WriteFile(name, []byte(web), 0o600))
	for b.Loop() {
		_, err := os.Stat(name)
		require.NoError(b, err)
	}
}
