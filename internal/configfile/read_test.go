package configfile_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/configfile"
)

// readFiles reads a config of several files, which are below dir.
func readFiles(t *testing.T, files map[string]string) (f *configfile.File, dir string, err error) {
	t.Helper()
	dir = t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
	f, err = configfile.Read(filepath.Join(dir, "c"))
	return f, dir, err
}

func TestFilesOfTheDirectoryAreReadInTheOrderOfTheirNames(t *testing.T) {
	f, dir, err := readFiles(t, map[string]string{
		"c":              "[s]\na = \"0\"\nb = \"0\"\nlist = [ \"0\", \"1\" ]\n[[t]]\nx = \"0\"\n[[t]]\nx = \"1\"\n",
		"c.d/20.toml":    "s.a = \"20\"\n[[t]]\nx = \"20\"\ny = 1\n",
		"c.d/10.toml":    "[s]\na = \"10\"\nlist = [ \"10\" ]\n[new]\na = \"10\"\n",
		"c.d/.30.toml":   "s.a = \"hidden\"\n",
		"c.d/40.conf":    "s.a = \"no toml\"\n",
		"c.d/50.toml~":   "s.a = \"backup\"\n",
		"other.d/1.toml": "s.a = \"other\"\n",
	})
	require.NoError(t, err)
	require.Equal(t, []string{dir + "/c", dir + "/c.d/10.toml", dir + "/c.d/20.toml"}, f.Files())
	var a, b, n string
	var list, xs []string
	f.String("s.a", &a)
	f.String("s.b", &b)
	f.String("new.a", &n)
	f.Strings("s.list", &list)
	f.Tables("t", func(table *configfile.File) {
		var x string
		table.String("x", &x)
		xs = append(xs, x)
	})
	require.Equal(t, []string{"20", "0", "10"}, []string{a, b, n}, "the last wins")
	require.Equal(t, []string{"10"}, list, "lists are replaced")
	require.Equal(t, []string{"20"}, xs)
	require.EqualError(t, f.Err(), dir+"/c.d/20.toml:4: t.y: no such key; is t.x meant?")
}

func TestFaultsNameTheFileThatHasTheValue(t *testing.T) {
	f, dir, err := readFiles(t, map[string]string{
		"c":          "[s]\na = 1\nb = 1\nunknown = 1\n",
		"c.d/1.toml": "\n\n[s]\nb = 2\nwrong = 1\n",
	})
	require.NoError(t, err)
	var s string
	f.String("s.a", &s)
	f.String("s.b", &s)
	f.Fail("s.missing", "missing")
	require.EqualError(t, f.Err(), strings.ReplaceAll(`DIR/c:1: s.missing: missing
DIR/c:2: s.a: 1 is a whole number; write a string in quotes
DIR/c:4: s.unknown: no such key
DIR/c.d/1.toml:4: s.b: 2 is a whole number; write a string in quotes
DIR/c.d/1.toml:5: s.wrong: no such key`, "DIR", dir))
}

func TestAllFilesThatAreNoTOMLAreNamed(t *testing.T) {
	_, dir, err := readFiles(t, map[string]string{"c": "", "c.d/1.toml": "a = x\n", "c.d/2.toml": "", "c.d/3.toml": "\n[\n"})
	require.ErrorContains(t, err, dir+"/c.d/1.toml:1: not TOML: ")
	require.ErrorContains(t, err, "\n"+dir+"/c.d/3.toml:2: not TOML: ")
}

func TestAnEmptySectionHidesNothing(t *testing.T) {
	f, _, err := readFiles(t, map[string]string{"c": "[s]\na = \"0\"\n", "c.d/1.toml": "[s]\n"})
	require.NoError(t, err)
	var a string
	f.String("s.a", &a)
	require.Equal(t, "0", a)
	require.NoError(t, f.Err())
}

func TestVariablesAreTakenFromTheEnvironment(t *testing.T) {
	t.Setenv("CONFIGFILE_A", "x\"\n[s]\nevil = \"1")
	t.Setenv("CONFIGFILE_EMPTY", "")
	f, dir, err := readFiles(t, map[string]string{"c": `
s.a = "1 ${CONFIGFILE_A} 2"
s.list = [ "${CONFIGFILE_A}", "b" ]
s.literal = "$${CONFIGFILE_A} $ $$ $x {}"
s.empty = "${CONFIGFILE_EMPTY}"
s.file = "a ${file:SECRET} b"
[[t]]
x = "${CONFIGFILE_A}"
`})
	require.NoError(t, err)
	var a, literal, x, file string
	empty := "default"
	var list []string
	f.String("s.a", &a)
	f.Strings("s.list", &list)
	f.String("s.literal", &literal)
	f.String("s.empty", &empty)
	f.String("s.file", &file)
	f.Tables("t", func(table *configfile.File) { table.String("x", &x) })
	const value = "x\"\n[s]\nevil = \"1"
	require.Equal(t, "1 "+value+" 2", a, "a value is a text, whatever it contains")
	require.Equal(t, []string{value, "b"}, list)
	require.Equal(t, "${CONFIGFILE_A} $ $$ $x {}", literal)
	require.Equal(t, "default", empty, "an empty string counts as left out")
	require.Equal(t, value, x)
	require.EqualError(t, f.Err(), dir+`/c:6: s.file: ${file:SECRET}: "SECRET" is not an absolute path`)
}

func TestReferencesThatStandForNothingAreFaults(t *testing.T) {
	f, dir, err := readFiles(t, map[string]string{"c": `
s.a = "${CONFIGFILE_UNSET}"
s.b = [ "a", "${not a name}" ]
s.c = "${CONFIGFILE_A"
[[t]]
x = "${file:/nonexistent}"
`, "c.d/1.toml": "s.d = \"${CONFIGFILE_UNSET}\"\n"})
	require.NoError(t, err)
	var s string
	var list []string
	f.String("s.a", &s)
	f.Strings("s.b", &list)
	f.String("s.c", &s)
	f.String("s.d", &s)
	f.Fail("s.a", "and something else")
	f.Tables("t", func(table *configfile.File) {
		table.String("x", &s)
		table.Fail("x", "and something else")
	})
	require.EqualError(t, f.Err(), strings.ReplaceAll(`DIR/c:2: s.a: the environment has no variable CONFIGFILE_UNSET; set it, or write $${ for the text ${
DIR/c:3: s.b: ${not a name} is neither ${NAME} nor ${file:PATH}; write $${ for the text ${
DIR/c:4: s.c: ${CONFIGFILE_A has no }; write $${ for the text ${
DIR/c:6: t.x: ${file:/nonexistent}: open /nonexistent: no such file or directory
DIR/c.d/1.toml:1: s.d: the environment has no variable CONFIGFILE_UNSET; set it, or write $${ for the text ${`, "DIR", dir))
}

func TestAFileInAValueIsReadWithoutBlanksAtItsEnds(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, []byte(" s3cret\n"), 0o600))
	f, _, err := readFiles(t, map[string]string{"c": "s.a = \"https://u:${file:" + secret + "}@h\"\n"})
	require.NoError(t, err)
	var a string
	f.String("s.a", &a)
	require.Equal(t, "https://u:s3cret@h", a)
	require.Equal(t, []configfile.Reference{{Key: "s.a", Path: secret}}, f.References())
}

// FuzzRead reads two files, with references in their values.
func FuzzRead(f *testing.F) {
	f.Add("[a]\nb = \"${HOME}\"\n[[e]]\nf = [ \"$${x}\" ]\n", "a.b = 1\n[[e]]\nf = { g = \"${\" }\n")
	f.Fuzz(func(t *testing.T, first, second string) {
		dir := t.TempDir()
		require.NoError(t, os.Mkdir(dir+"/c.d", 0o700))
		require.NoError(t, os.WriteFile(dir+"/c", []byte(first), 0o600))
		require.NoError(t, os.WriteFile(dir+"/c.d/1.toml", []byte(second), 0o600))
		file, err := configfile.Read(dir + "/c")
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		file.KeepSettings()
		var s string
		file.String("a.b", &s)
		file.Tables("e", func(table *configfile.File) { table.String("f", &s) })
		file.Settings()
		_ = file.Err()
	})
}
