package configfile_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/configfile"
)

func parse(t *testing.T, content string) *configfile.File {
	t.Helper()
	f, err := configfile.Parse("f", []byte(content))
	require.NoError(t, err)
	return f
}

func TestEachKindOfValueIsRead(t *testing.T) {
	f := parse(t, `
s.string = "text"
s.strings = [ "a", "b" ]
s.bool = true
s.int = 5
s.size = "2KiB"
s.duration = "1m30s"
`)
	var (
		str  string
		strs []string
		yes  bool
		n    int
		size int64
		d    time.Duration
	)
	f.String("s.string", &str)
	f.Strings("s.strings", &strs)
	f.Bool("s.bool", &yes)
	f.Int("s.int", &n, 1, 5)
	f.Size("s.size", &size, 1, 2048)
	f.Duration("s.duration", &d, time.Second, time.Hour)
	require.NoError(t, f.Err())
	require.Equal(t, "text", str)
	require.Equal(t, []string{"a", "b"}, strs)
	require.True(t, yes)
	require.Equal(t, 5, n)
	require.EqualValues(t, 2048, size)
	require.Equal(t, 90*time.Second, d)
}

func TestAStringMayStandForAListOfOne(t *testing.T) {
	f := parse(t, "one = \"a\"\nlist = [ \"a\", \"b\" ]\nempty = \"\"\nwrong = 5\n")
	f.KeepSettings()
	var one, list, wrong []string
	empty := []string{"default"}
	f.StringOrStrings("one", &one)
	f.StringOrStrings("list", &list)
	f.StringOrStrings("empty", &empty)
	f.StringOrStrings("wrong", &wrong)
	require.EqualError(t, f.Err(), "f:4: wrong: 5 is a whole number; write a string in quotes, or a list of them")
	require.Equal(t, [][]string{{"a"}, {"a", "b"}, {"default"}, nil}, [][]string{one, list, empty, wrong})
	require.Equal(t, `"a"`, f.Settings()[0].Value)
	require.Equal(t, `[ "a", "b" ]`, f.Settings()[1].Value)
}

func TestWhatIsLeftOutKeepsItsValue(t *testing.T) {
	f := parse(t, "s.empty = \"\"\n")
	str, empty := "default", "default"
	f.String("s.missing", &str)
	f.String("s.empty", &empty)
	require.NoError(t, f.Err())
	require.Equal(t, "default", str)
	require.Equal(t, "default", empty)
}

func TestAValueThatCannotBeReadHasOneFault(t *testing.T) {
	f := parse(t, "s.n = \"x\"\n")
	n := 7
	f.Int("s.n", &n, 0, 1)
	f.Fail("s.n", "and something else")
	require.EqualError(t, f.Err(), `f:1: s.n: "x" is a string; write a whole number`)
	require.Equal(t, 7, n)
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]int64{
		`0`: 0, `"17"`: 17, `"1B"`: 1, `"1KiB"`: 1024, `"1.5 MiB"`: 3 << 19, `"2 GiB"`: 2 << 30, `"1TiB"`: 1 << 40,
		`"1kB"`: 1000, `"1 KB"`: 1000, `"1MB"`: 1e6, `"1GB"`: 1e9, `"1TB"`: 1e12,
	} {
		f := parse(t, "size = "+text)
		got := int64(-1)
		f.Size("size", &got, 0, 1<<50)
		require.NoError(t, f.Err())
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{`""`, `"B"`, `"-1"`, `"1 XiB"`, `"1Ki"`, `"NaN"`, `"Inf B"`, `"1e40"`, `true`, `1.5`, `-1`} {
		f := parse(t, "size = "+text)
		got := int64(-1)
		f.Size("size", &got, 0, 1<<50)
		require.Error(t, f.Err(), text)
		require.EqualValues(t, -1, got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("[a]\nb = 1\nc = { d = [ 2 ] }\n[[e]]\nf.g = \"h\"\n")
	f.Fuzz(func(t *testing.T, content string) {
		file, err := configfile.Parse("f", []byte(content))
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		var s string
		file.String("a", &s)
		file.String("a.b", &s)
		file.Skip("e")
		_ = file.Err()
	})
}

func TestWhatIsNoFileIsRefusedAtOnce(t *testing.T) {
	large := filepath.Join(t.TempDir(), "large")
	require.NoError(t, os.WriteFile(large, nil, 0o600))
	require.NoError(t, os.Truncate(large, 1<<40))
	for path, want := range map[string]string{
		t.TempDir():  "is not a regular file",
		os.DevNull:   "is not a regular file",
		large:        "is larger than 16 MiB",
		"/nonexists": "no such file",
	} {
		_, err := configfile.Read(path)
		require.ErrorContains(t, err, want)
	}
}
