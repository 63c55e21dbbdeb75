package fileregistry_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
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

// watched returns how often a change was told within 4 seconds after change, of a file that
// was read before.
func watched(t *testing.T, change func(t *testing.T, r *fileregistry.Registry, name string)) (told int) {
	t.Helper()
	if testing.Short() {
		t.Skip("takes seconds")
	}
	t.Parallel()
	r, name := open(t, web)
	read(t, r)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	tellings, ended := make(chan struct{}, 100), make(chan struct{})
	go func() {
		defer close(ended)
		r.Watch(ctx, func() { tellings <- struct{}{} })
	}()
	change(t, r, name)
	select {
	case <-tellings:
		told++
	case <-time.After(4 * time.Second):
	}
	select {
	case <-tellings:
		told++
	case <-time.After(2 * time.Second):
	}
	cancel()
	<-ended
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
		"another target of a link": func(t *testing.T, _ *fileregistry.Registry, name string) { // as Kubernetes mounts a ConfigMap
			dir := filepath.Dir(name)
			for i, content := range []string{web, db} {
				version := filepath.Join(dir, strconv.Itoa(i))
				require.NoError(t, os.Mkdir(version, 0o700))
				require.NoError(t, os.WriteFile(filepath.Join(version, filepath.Base(name)), []byte(content), 0o600))
				require.NoError(t, os.Symlink(version, filepath.Join(dir, "new")))
				require.NoError(t, os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, "data")))
			}
			require.NoError(t, os.Symlink("data/"+filepath.Base(name), name+".new"))
			require.NoError(t, os.Rename(name+".new", name))
		},
		"gone and there again": func(t *testing.T, _ *fileregistry.Registry, name string) {
			require.NoError(t, os.Remove(name))
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
			time.Sleep(100 * time.Millisecond)
		}
		require.NoError(t, os.WriteFile(name, []byte(db), 0o600))
	}))
}

func TestWithoutHelpOfTheSystemTheFileIsLookedAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "later")
		r, err := fileregistry.New(fileregistry.Config{Address: "file://" + dir + "/registry.toml"})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan int)
		go func() {
			told := 0
			r.Watch(ctx, func() { told++ })
			ended <- told
		}()
		time.Sleep(time.Minute)
		require.NoError(t, os.Mkdir(dir, 0o700)) // it could not be watched
		require.NoError(t, os.WriteFile(filepath.Join(dir, "registry.toml"), []byte(web), 0o600))
		time.Sleep(time.Minute)
		cancel()
		require.Equal(t, 1, <-ended)
	})
}
