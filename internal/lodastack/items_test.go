package lodastack_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/lodastack"
	"github.com/lodastack/agent/internal/topic"
)

func parse(t *testing.T, items string) agent.Assignment {
	t.Helper()
	a, err := lodastack.ParseItems("web.shop", "id-1", []byte(items))
	require.NoError(t, err)
	return a
}

func TestItemsOfEveryKindBecomeOneAssignment(t *testing.T) {
	a := parse(t, `[
		{"measurement_type":"CPU","name":"cpu.idle","interval":"30"},
		{"measurement_type":"CPU","name":"cpu.user","interval":"20"},
		{"measurement_type":"CPU","name":"cpu.system","interval":"40"},
		{"measurement_type":"COREDUMP","name":"coredump","interval":"60"},
		{"measurement_type":"PORT","name":"PORT.sshd.22","port":"22","connect_timeout":"5","interval":"60"},
		{"measurement_type":"PORT","name":"http","port":"80","interval":"30"},
		{"measurement_type":"PROC","name":"PROC.nginx","bin_path":"/usr/sbin/nginx","interval":"60"},
		{"measurement_type":"PLUGIN","name":"PLUGIN.mysql","git":"git@git.test.com:XXX/mysql.git","interval":"60","parameters":"-servers x"},
		{"measurement_type":"PLUGIN","name":" backup ","git":"XXX/backup","interval":"0"}
	]`)
	require.Equal(t, agent.Assignment{
		Namespace: "web.shop",
		ID:        "id-1",
		Intervals: map[string]time.Duration{
			"CPU": 20 * time.Second, "COREDUMP": time.Minute, "PORT": 30 * time.Second, "PROC": time.Minute,
		},
		Plugins: []agent.Plugin{
			{Namespace: "web.shop", Name: "PLUGIN.mysql", Repo: "XXX/mysql", Interval: time.Minute, Args: []string{"-servers", "x"}},
			{Namespace: "web.shop", Name: "PLUGIN.backup", Repo: "XXX/backup"},
		},
		Ports: []agent.Port{
			{Name: "PORT.sshd.22", Port: 22, Timeout: 5 * time.Second},
			{Name: "PORT.http", Port: 80, Timeout: 3 * time.Second},
		},
		Processes: []agent.Process{{Name: "PROC.nginx", Path: "/usr/sbin/nginx"}},
	}, a)
}

func TestUnknownKindsAndKeysAreIgnored(t *testing.T) {
	a := parse(t, `[
		{"measurement_type":"API","name":"API.x","interval":"rubbish"},
		{"measurement_type":"LOG"}, {"measurement_type":"HEALTH","interval":-1}, {"measurement_type":"PS","x":{}},
		{"measurement_type":"MEM","interval":"10","_id":"1-2","comment":{"a":[1]},"alert":null}
	]`)
	require.Equal(t, agent.Assignment{
		Namespace: "web.shop", ID: "id-1", Intervals: map[string]time.Duration{"MEM": 10 * time.Second},
	}, a)
}

func TestValuesMayBeNumbersAndKindsLowerCase(t *testing.T) {
	a := parse(t, `[
		{"measurement_type":"cpu","interval":15},
		{"measurement_type":"Mem","interval":" 6e1 "},
		{"measurement_type":"NET"}, {"measurement_type":"DISK","interval":""}, {"measurement_type":"FS","interval":null},
		{"measurement_type":"PORT","name":"x","port":8080.0,"connect_timeout":1,"interval":60},
		{"measurement_type":"PLUGIN","name":"p","git":"a/p","interval":0,"parameters":true}
	]`)
	require.Empty(t, a.Problems)
	require.Equal(t, map[string]time.Duration{"CPU": 15 * time.Second, "MEM": time.Minute, "PORT": time.Minute}, a.Intervals)
	require.Equal(t, []agent.Port{{Name: "PORT.x", Port: 8080, Timeout: time.Second}}, a.Ports)
	require.Equal(t, []string{"true"}, a.Plugins[0].Args)
}

func TestBadIntervalLeavesTheDefault(t *testing.T) {
	// 18446744083 seconds overflow to nine as nanoseconds in 64 bits.
	for _, interval := range []string{`"0"`, `"-5"`, `"abc"`, `"1.5"`, `"86401"`, `"18446744083"`, `"1e300"`, `"NaN"`, `"Inf"`, `"10s"`, `{}`, `[1]`, `true`, `99999999999999999999`} {
		a := parse(t, `[
			{"measurement_type":"CPU","name":"cpu.idle","interval":`+interval+`},
			{"measurement_type":"PORT","name":"http","port":"80","interval":`+interval+`},
			{"measurement_type":"PROC","name":"nginx","bin_path":"/n","interval":`+interval+`}
		]`)
		require.Empty(t, a.Intervals, interval)
		require.Len(t, a.Problems, 3, interval)
		require.Contains(t, a.Problems[0], `item 1, CPU "cpu.idle": its interval`)
		require.Contains(t, a.Problems[0], "the default applies")
		require.Len(t, a.Ports, 1, "the port is watched all the same")
		require.Len(t, a.Processes, 1, "the process is watched all the same")
	}
}

func TestProcessesAndPortsHaveMoreThanAPathAndANumber(t *testing.T) {
	a, err := lodastack.ParseItems("web", "1", []byte(`[
		{"measurement_type":"PROC","name":"PROC.nginx"},
		{"measurement_type":"PROC","name":"kafka","cmdline":"kafka\\.Kafka","user":"kafka","unit":"kafka.service"},
		{"measurement_type":"PROC","name":"sshd","pidfile":"/run/sshd.pid","containers":"true"},
		{"measurement_type":"PORT","name":"dns","port":"53","address":"::1","protocol":"udp"},
		{"measurement_type":"PORT","name":"dns","port":"53","address":"::2","protocol":"udp"},
		{"measurement_type":"PROC","name":"kafka","cmdline":"other"},
		{"measurement_type":"PORT","name":"https","port":"443","tls":"true","tls_name":"www.example.com"},
		{"measurement_type":"PORT","name":"ssh","port":"22","listen":"true"},
		{"measurement_type":"PORT","name":"ssh","port":"22"}
	]`))
	require.NoError(t, err)
	require.Equal(t, []agent.Process{
		{Name: "PROC.nginx"}, {Name: "PROC.kafka", Cmdline: `kafka\.Kafka`, User: "kafka", Unit: "kafka.service"},
		{Name: "PROC.sshd", PIDFile: "/run/sshd.pid", Containers: true},
	}, a.Processes)
	require.Equal(t, []agent.Port{
		{Name: "PORT.dns", Port: 53, Timeout: 3 * time.Second, Address: "::1", Protocol: "udp"},
		{Name: "PORT.https", Port: 443, Timeout: 3 * time.Second, TLS: true, TLSName: "www.example.com"},
		{Name: "PORT.ssh", Port: 22, Timeout: 3 * time.Second, Listen: true},
	}, a.Ports)
	require.Len(t, a.Problems, 3)
	require.Contains(t, a.Problems[0], "conflict: PORT.dns is the name of port 53 with another address or protocol already")
	require.Contains(t, a.Problems[1], "conflict: PROC.kafka selects other processes already")
	require.Contains(t, a.Problems[2], "conflict: PORT.ssh is the name of port 22 already, which is tried in another way")
}

func TestBadItemIsLeftOutAloneAndNamed(t *testing.T) {
	for item, problem := range map[string]string{
		`"CPU"`:                                 "item 1: it is not a JSON object",
		`null`:                                  "item 1: it is not a JSON object",
		`[1]`:                                   "item 1: it is not a JSON object",
		`{}`:                                    "item 1: it has no measurement_type",
		`{"measurement_type":{}}`:               "item 1: it has no measurement_type",
		`{"measurement_type":" ","name":"x"}`:   "item 1: it has no measurement_type",
		`{"measurement_type":"PORT","name":""}`: `item 1, PORT "": it has no port`,
		`{"measurement_type":"PORT","name":"x","port":"0"}`:                                                   "port 0 is not between",
		`{"measurement_type":"PORT","name":"x","port":"65536"}`:                                               "port 65536 is not between",
		`{"measurement_type":"PORT","name":"x","port":"ssh"}`:                                                 `its port "ssh" is not a whole number`,
		`{"measurement_type":"PORT","name":"a b","port":"1"}`:                                                 `its name "a b" has characters other than`,
		`{"measurement_type":"PORT","name":"PORT.","port":"1"}`:                                               `its name "PORT." is empty`,
		`{"measurement_type":"PROC","name":"x","bin_path":"nginx"}`:                                           `its executable "nginx" is not an absolute path`,
		`{"measurement_type":"PROC","name":"x","cmdline":"("}`:                                                `its cmdline is not a regular expression`,
		`{"measurement_type":"PROC","name":"x","cmdline":["a"]}`:                                              `its cmdline is not a string`,
		`{"measurement_type":"PROC","name":"x","user":"a b"}`:                                                 `its user "a b" cannot be one`,
		`{"measurement_type":"PROC","name":"x","pidfile":"sshd.pid"}`:                                         `its pidfile "sshd.pid" is not an absolute path`,
		`{"measurement_type":"PROC","name":"x","containers":"some"}`:                                          `its containers "some" is neither true nor false`,
		`{"measurement_type":"PROC","name":"x","unit":"a/b"}`:                                                 `its unit "a/b" cannot be one`,
		`{"measurement_type":"PORT","name":"x","port":"1","address":"localhost"}`:                             `its address "localhost" is not an IP address`,
		`{"measurement_type":"PORT","name":"x","port":"1","tls":"true","listen":"true"}`:                      `its tls needs a TCP connection`,
		`{"measurement_type":"PORT","name":"x","port":"1","tls":"true","protocol":"udp"}`:                     `its tls needs a TCP connection`,
		`{"measurement_type":"PORT","name":"x","port":"1","tls_name":"a"}`:                                    `its tls_name needs tls`,
		`{"measurement_type":"PORT","name":"x","port":"1","tls":"true","tls_name":"a b"}`:                     `its tls_name "a b" is not a host name`,
		`{"measurement_type":"PORT","name":"x","port":"1","tls":"on"}`:                                        `its tls "on" is neither true nor false`,
		`{"measurement_type":"PORT","name":"x","port":"1","protocol":"sctp"}`:                                 `its protocol "sctp" is neither tcp nor udp`,
		`{"measurement_type":"PROC","name":"x","bin_path":"/"}`:                                               `not an absolute path`,
		`{"measurement_type":"PROC","name":"x","bin_path":"/a\u0000b"}`:                                       `not an absolute path`,
		`{"measurement_type":"PROC","name":"ü","bin_path":"/a"}`:                                              `its name "ü"`,
		`{"measurement_type":"PLUGIN","name":"x","git":"a/b"}`:                                                "it has no interval",
		`{"measurement_type":"PLUGIN","name":"x","git":"a/b","interval":"x"}`:                                 `its interval "x"`,
		`{"measurement_type":"PLUGIN","name":"x","git":"a/b","interval":"-1"}`:                                `an interval of -1s is negative`,
		`{"measurement_type":"PLUGIN","name":"x","git":"a/b","interval":"2678401"}`:                           `too long; the limit is 31 days`,
		`{"measurement_type":"PLUGIN","name":"x","git":"b","interval":"60"}`:                                  "is not ORG/PROJECT",
		`{"measurement_type":"PLUGIN","name":"x","git":["b"],"interval":"60"}`:                                "is not ORG/PROJECT",
		`{"measurement_type":"PLUGIN","name":"","git":"a/b","interval":"60"}`:                                 "is empty",
		`{"measurement_type":"PLUGIN","name":"x","git":"a/b","interval":"60","parameters":"-x ; rm"}`:         `argument 2, ";"`,
		`{"measurement_type":"PLUGIN","name":"` + strings.Repeat("x", 300) + `","git":"a/b","interval":"60"}`: "longer than 255",
	} {
		a := parse(t, `[`+item+`, {"measurement_type":"MEM","interval":"10"}]`)
		require.Len(t, a.Problems, 1, item)
		require.Contains(t, a.Problems[0], problem, item)
		require.Less(t, len(a.Problems[0]), 400, item)
		a.Problems = nil
		require.Equal(t, agent.Assignment{
			Namespace: "web.shop", ID: "id-1", Intervals: map[string]time.Duration{"MEM": 10 * time.Second},
		}, a, item)
	}
}

func TestPortWithABadTimeoutKeepsTheDefaultTimeout(t *testing.T) {
	for _, timeout := range []string{`"x"`, `"-1"`, `"61"`, `{}`} {
		a := parse(t, `[{"measurement_type":"PORT","name":"x","port":"1","connect_timeout":`+timeout+`}]`)
		require.Equal(t, []agent.Port{{Name: "PORT.x", Port: 1, Timeout: 3 * time.Second}}, a.Ports, timeout)
		require.Len(t, a.Problems, 1, timeout)
		require.Contains(t, a.Problems[0], "its connect_timeout")
	}
}

func TestSecondOfTwoThatShareANameIsAConflict(t *testing.T) {
	a := parse(t, `[
		{"measurement_type":"PLUGIN","name":"one","git":"a/mysql","interval":"60"},
		{"measurement_type":"PLUGIN","name":"two","git":"git@git.test.com:b/mysql.git","interval":"60"},
		{"measurement_type":"PORT","name":"x","port":"1"},
		{"measurement_type":"PORT","name":"PORT.x","port":"1"},
		{"measurement_type":"PORT","name":"x","port":"2"},
		{"measurement_type":"PROC","name":"x","bin_path":"/a"},
		{"measurement_type":"PROC","name":"x","bin_path":"//a/"},
		{"measurement_type":"PROC","name":"x","bin_path":"/b"}
	]`)
	require.Len(t, a.Plugins, 1)
	require.Equal(t, "a/mysql", a.Plugins[0].Repo)
	require.Len(t, a.Ports, 1)
	require.Equal(t, []agent.Process{{Name: "PROC.x", Path: "/a"}}, a.Processes)
	require.Equal(t, []string{
		`item 2, PLUGIN "two": conflict: PLUGIN.one (a/mysql) of this namespace has the project name mysql already, so b/mysql is not used`,
		`item 5, PORT "x": conflict: PORT.x is the name of port 1 already, so port 2 is not used`,
		`item 8, PROC "x": conflict: PROC.x is the name of /a already, so /b is not used`,
	}, a.Problems)
}

func TestPluginIntervalBelowTenSecondsIsRaised(t *testing.T) {
	a := parse(t, `[{"measurement_type":"PLUGIN","name":"x","git":"a/b","interval":"3"}]`)
	require.Equal(t, 10*time.Second, a.Plugins[0].Interval)
}

func TestNamespaceThatMakesNoDirectoryHasNoPlugins(t *testing.T) {
	for _, ns := range []string{"", "..", "a/b", "../x", ".agent", "a b", "a\nb", "a..b", "-x"} {
		a, err := lodastack.ParseItems(ns, "", []byte(`[
			{"measurement_type":"PLUGIN","name":"x","git":"a/b","interval":"60"},
			{"measurement_type":"PORT","name":"x","port":"1","interval":"60"}]`))
		require.NoError(t, err)
		require.Equal(t, ns, a.Namespace)
		require.Empty(t, a.Plugins)
		require.Len(t, a.Ports, 1)
		require.Contains(t, a.Problems[len(a.Problems)-1], "can have no plugins")
		if topic.CheckNamespace("", ns) != nil {
			require.Len(t, a.Problems, 2)
			require.Contains(t, a.Problems[0], "its name: ")
		}
	}
}

func TestAnswerThatIsNoListIsAnError(t *testing.T) {
	for _, list := range []string{``, `{}`, `"x"`, `[1,`, `[{}] x`, `{"a":[]}`, `7`} {
		_, err := lodastack.ParseItems("web", "", []byte(list))
		require.ErrorContains(t, err, `the items of namespace "web"`, list)
	}
	for _, list := range []string{`[]`, `null`} {
		a, err := lodastack.ParseItems("web", "", []byte(list))
		require.NoError(t, err)
		require.Equal(t, agent.Assignment{Namespace: "web"}, a)
	}
}

func TestProblemsOfARegistryFullOfRubbishAreBounded(t *testing.T) {
	a := parse(t, `[`+strings.Repeat(`{},`, 200_000)+`{}]`)
	require.Len(t, a.Problems, 101)
	require.Equal(t, fmt.Sprintf("and %d more problems", 200_001-100), a.Problems[100])
}

func FuzzParseItems(f *testing.F) {
	f.Add("web", []byte(`[{"measurement_type":"PORT","name":"PORT.sshd.22","port":"22","connect_timeout":"3","interval":"60"}]`))
	f.Add("web", []byte(`[{"measurement_type":"PROC","name":"PROC.nginx","bin_path":"/usr/sbin/nginx","interval":60}]`))
	f.Add("a/b", []byte(`[{"measurement_type":"PLUGIN","name":"x","git":"git@h:a/b.git","interval":"0","parameters":"-s x"}]`))
	f.Add("web", []byte(`[{"measurement_type":"CPU","interval":1e99},null,[],"x"]`))
	f.Fuzz(func(t *testing.T, ns string, list []byte) {
		a, err := lodastack.ParseItems(ns, "id", list)
		if err != nil {
			return
		}
		for kind, every := range a.Intervals {
			require.True(t, every >= time.Second && every <= 24*time.Hour, "%s %s", kind, every)
		}
		for _, p := range a.Ports {
			require.True(t, p.Port > 0 && p.Port < 65536 && p.Timeout > 0, "%+v", p)
			require.Regexp(t, `^PORT\.[0-9A-Za-z._-]+$`, p.Name)
		}
		for _, p := range a.Processes {
			require.Regexp(t, `^PROC\.[0-9A-Za-z._-]+$`, p.Name)
			require.NoError(t, agent.CheckProcess(p))
			require.Regexp(t, `^(/[^\x00\n].*)?$`, p.Path)
		}
		for _, p := range a.Plugins {
			require.Regexp(t, `^PLUGIN\.[0-9A-Za-z._-]+$`, p.Name)
			require.Regexp(t, `^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)+$`, p.Repo, "with subgroups")
			require.True(t, p.Interval == 0 || p.Interval >= 10*time.Second, p.Interval)
		}
	})
}
