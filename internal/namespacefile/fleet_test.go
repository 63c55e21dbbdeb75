package namespacefile_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/namespacefile"
)

func TestAHostIsInANamespaceByItsName(t *testing.T) {
	for hosts, c := range map[string]struct{ in, out string }{
		``:                           {in: "web-1 x", out: ""},
		`hosts = ["web-*"]`:          {in: "web-1 web-", out: "db-1 xweb-1"},
		`hosts = ["web-*","!web-9"]`: {in: "web-1", out: "web-9 db-1"},
		`hosts = ["!web-9","web-*"]`: {in: "web-1", out: "web-9 db-1"},
		`hosts = ["!web-9"]`:         {in: "web-1 db-1", out: "web-9"},
		`hosts = ["db-[0-9]"]`:       {in: "db-1", out: "db-x db-12"},
		`hosts = ["db-?"]`:           {in: "db-1 db-x", out: "db- db-12"},
	} {
		ns, err := namespacefile.ParseFleet("f", []byte("name = \"n\"\n"+hosts), "")
		require.NoError(t, err)
		for name := range strings.FieldsSeq(c.in) {
			require.True(t, ns.Has(name), "%s has %s", hosts, name)
		}
		for name := range strings.FieldsSeq(c.out) {
			require.False(t, ns.Has(name), "%s has not %s", hosts, name)
		}
	}
}

func TestEachFaultOfAFleetsFileHasItsLine(t *testing.T) {
	_, err := namespacefile.ParseFleet("f", []byte("name = 5\nhosts = []\n\n[[port]]\nname = \"sshd\"\nprot = 22\n"), "")
	for _, want := range []string{"f:1: name: 5 is a whole number", "f:2: hosts: is empty", "f:6: port.prot: no such key; is port.port meant?"} {
		require.ErrorContains(t, err, want)
	}
	require.Equal(t, "f:3", namespacefile.WhereName("f", []byte("# ours\n\nname = \"n\"\n")))
}

func FuzzParseFleet(f *testing.F) {
	f.Add("name = \"n\"\nhosts = [ \"web-*\", \"!web-9\" ]\n[intervals]\nCPU = \"10s\"\n[[port]]\nname = \"sshd\"\nport = 22\n")
	f.Add("name = \"n\"\n[[plugin]]\nrepo = \"ops/mysql\"\nhosts = { a = 1 }\n")
	f.Fuzz(func(t *testing.T, content string) {
		ns, err := namespacefile.ParseFleet("f", []byte(content), "collect.")
		if err != nil {
			require.Contains(t, err.Error(), "f:")
			return
		}
		require.NotEmpty(t, ns.Assignment.Namespace)
		require.Empty(t, ns.Assignment.Problems)
		require.True(t, strings.HasPrefix(namespacefile.WhereName("f", []byte(content)), "f:"))
		ns.Has("web-1")
	})
}
