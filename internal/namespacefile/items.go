package namespacefile

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/configfile"
	"github.com/lodastack/agent/internal/lodastack"
)

// readNamespace returns the assignment of one [[namespace]].
func readNamespace(t *configfile.File, name string) agent.Assignment {
	b := lodastack.NewBuilder(name, "")
	for _, kind := range t.Names("intervals") {
		key := "intervals." + kind
		if err := readInterval(b, t, kind); err != nil {
			b.Problem(t.Where(key).String()+": intervals."+kind, err)
		}
	}
	t.Tables("plugin", func(t *configfile.File) { readItem(b, t, "plugin", readPlugin) })
	t.Tables("port", func(t *configfile.File) { readItem(b, t, "port", readPort) })
	t.Tables("process", func(t *configfile.File) { readItem(b, t, "process", readProcess) })
	return b.Assignment()
}

// readItem reads one table of a list. read returns the item's name.
func readItem(b *lodastack.Builder, t *configfile.File, kind string, read func(*lodastack.Builder, *configfile.File) (string, error)) {
	if name, err := read(b, t); err != nil {
		b.Problem(fmt.Sprintf("%s: %s %.80q", t.Where(""), kind, name), err)
	}
}

func readInterval(b *lodastack.Builder, t *configfile.File, kind string) error {
	every, _, err := t.Time("intervals." + kind)
	if err != nil {
		return fmt.Errorf("%w; the default applies", err)
	}
	return b.Interval(strings.ToUpper(kind), every)
}

func readPlugin(b *lodastack.Builder, t *configfile.File) (name string, err error) {
	var p agent.Plugin
	t.String("name", &p.Name)
	t.String("repo", &p.Repo)
	t.String("version", &p.Version)
	t.Strings("args", &p.Args)
	t.String("format", &p.Format)
	t.String("mode", &p.Mode)
	p.Interval, err = readTime(t, "interval")
	if p.Name == "" {
		p.Name = strings.TrimSuffix(path.Base(p.Repo), ".git")
	}
	if p.Repo == "" {
		return p.Name, errors.New("it has no repo")
	}
	if err != nil {
		return p.Name, err
	}
	return p.Name, b.Plugin(p)
}

func readPort(b *lodastack.Builder, t *configfile.File) (name string, err error) {
	var p agent.Port
	t.String("name", &p.Name)
	t.Int("port", &p.Port, -1<<31, 1<<31-1)
	t.String("address", &p.Address)
	t.String("protocol", &p.Protocol)
	t.Bool("listen", &p.Listen)
	t.Bool("tls", &p.TLS)
	t.String("tls_name", &p.TLSName)
	if p.Timeout, err = readTime(t, "timeout"); err != nil {
		return p.Name, err
	}
	return p.Name, b.Port(p)
}

func readProcess(b *lodastack.Builder, t *configfile.File) (name string, err error) {
	var p agent.Process
	t.String("name", &p.Name)
	t.String("path", &p.Path)
	t.String("cmdline", &p.Cmdline)
	t.String("user", &p.User)
	t.String("unit", &p.Unit)
	t.String("pidfile", &p.PIDFile)
	t.Bool("containers", &p.Containers)
	return p.Name, b.Process(p)
}

func readTime(t *configfile.File, key string) (time.Duration, error) {
	d, _, err := t.Time(key)
	if err != nil {
		return 0, fmt.Errorf("its %s %w", key, err)
	}
	return d, nil
}
