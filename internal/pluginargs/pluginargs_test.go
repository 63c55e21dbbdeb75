package pluginargs_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/pluginargs"
)

func TestParametersAreSplitAtBlanks(t *testing.T) {
	for parameters, want := range map[string][]string{
		"":                     nil,
		" \t ":                 nil,
		"-servers x":           {"-servers", "x"},
		"  -a\t\t-b  c ":       {"-a", "-b", "c"},
		`-q "two words"`:       {"-q", `"two`, `words"`},
		"-u http://h/?a=1&b=2": {"-u", "http://h/?a=1&b=2"},
		"$HOME * ünï":          {"$HOME", "*", "ünï"},
	} {
		args, err := pluginargs.Split(parameters)
		require.NoError(t, err, "%q", parameters)
		require.Equal(t, want, args, "%q", parameters)
	}
}

func TestArgumentsThatAShellWouldActUponAreRefused(t *testing.T) {
	for _, arg := range []string{
		"a;b", ";", "a|b", "a<b", "a>b", "`id`", "a&&b", "&&", "a\nb", "a\x00b", "a\rb", "\x1b[2J", "a\x7fb", "a\u0085b",
	} {
		require.ErrorContains(t, pluginargs.Check([]string{"fine", arg}), "argument 2", "%q", arg)
		args, err := pluginargs.Split("fine " + arg)
		require.Error(t, err, "%q", arg)
		require.Nil(t, args)
	}
	require.Error(t, pluginargs.Check([]string{"a\tb"}), "a tab inside one argument is a control character")
	require.NoError(t, pluginargs.Check(nil))
	require.NoError(t, pluginargs.Check([]string{"", "a&b", "two words"}))
}
