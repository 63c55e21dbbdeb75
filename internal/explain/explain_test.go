package explain_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/explain"
)

var now = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func before(d time.Duration) time.Time { return now.Add(-d) }

// healthy are the facts of a host on which all is well.
func healthy() explain.Facts {
	return explain.Facts{
		Now: now, Host: "h1", Namespaces: []string{"shop.db", "shop.web"},
		Registry: explain.Registry{InForce: true, Answered: before(time.Minute)},
		Measurements: []explain.Measurement{
			{Kind: "CPU", Name: "cpu.idle", Absent: "a processor was switched on"},
			{Kind: "CPU", Name: "cpu.user"},
			{Kind: "PORT", Name: "NAME"},
			{Kind: "PROC", Name: "NAME.cpu", Absent: "no such process runs"},
			{Kind: "TIME", Name: "time.offset", Off: "collect.disable names its kind TIME"},
		},
		Collectors: []explain.Collector{
			{Kind: "CPU", Interval: 10, LastRun: before(4 * time.Second), Runs: 9, Points: 23},
			{Kind: "PORT", Interval: 60, LastRun: before(4 * time.Second), Runs: 9, Points: 1},
			{Kind: "PROC", Interval: 60, LastRun: before(4 * time.Second), Runs: 9, Points: 5},
		},
		Items: []explain.Item{
			{Namespace: "shop.web", Kind: "PORT", Name: "PORT.sshd.22"},
			{Namespace: "shop.web", Kind: "PROC", Name: "PROC.nginx"},
			{Namespace: "shop.db", Kind: "PROC", Name: "PROC.nginx"},
		},
		Plugins: []explain.Plugin{{
			Namespace: "shop.db", Name: "PLUGIN.mysql", Repo: "infra/mysql", Interval: 60, Enabled: true, Installed: true,
			Commit: "0123456789abcdef", Signer: "ann@example.com",
			LastRun: &explain.Run{Time: before(12 * time.Second), Duration: 0.12, Result: "ok"},
		}},
		Accounts: map[string]explain.Account{
			"shop.db":  {Accepted: 10, Delivered: 9, Waiting: 1},
			"shop.web": {Accepted: 7, Delivered: 5, Dropped: map[string]int64{"too_large": 2}},
		},
		Output:    explain.Output{Topics: []explain.Topic{{Namespace: "shop.web", Topic: "collect.shop.web", Server: "nsq1:4150", Time: before(3 * time.Second)}}},
		Remembers: true,
		Series: []explain.Series{
			{Namespace: "shop.db", Name: "cpu.idle", Value: 97.5, Time: before(4 * time.Second).Unix()},
			{Namespace: "shop.web", Name: "cpu.idle", Value: 97.5, Time: before(4 * time.Second).Unix()},
			{Namespace: "shop.web", Name: "PORT.sshd.22", Value: 1.0, Time: before(4 * time.Second).Unix()},
			{Namespace: "shop.web", Name: "PROC.nginx.cpu", Value: 3.0, Time: before(5 * time.Second).Unix()},
			{Namespace: "shop.db", Name: "PLUGIN.mysql.threads", Value: 5.0, Time: before(12 * time.Second).Unix()},
			{Namespace: "shop.db", Name: "plugin.mysql", Value: 0.0, Time: before(12 * time.Second).Unix()},
			{Namespace: "shop.web", Name: "RUN.orders", Value: "many", Time: before(30 * time.Second).Unix()},
			{Namespace: "shop.web", Name: "other", Value: true, Time: before(30 * time.Second).Unix()},
		},
	}
}

const (
	webArrives = "Points of the namespace shop.web: 7 accepted = 5 delivered + 0 waiting + 2 dropped.\n" +
		"nsq1:4150 acknowledged the last ones for the topic collect.shop.web 3s ago."
	dbArrives = "Points of the namespace shop.db: 10 accepted = 9 delivered + 1 waiting + 0 dropped."
)

func TestWhatArrivesIsExplainedInTheOrderOfAPersonsQuestions(t *testing.T) {
	for name, test := range map[string]struct{ what, text string }{
		"cpu.idle": {explain.Metric, `The host's own measurements go to each of its namespaces: shop.db, shop.web.
The collector of the kind CPU makes it every 10s.
It was last made 4s ago; the value was 97.5.
` + dbArrives + "\n" + webArrives},
		"PORT.sshd.22": {explain.Metric, `The registry assigns PORT.sshd.22 to the namespace shop.web.
The collector of the kind PORT makes it every 60s.
It was last made 4s ago; the value was 1.
` + webArrives},
		"PROC.nginx.cpu": {explain.Metric, `The registry assigns PROC.nginx to the namespaces shop.web, shop.db.
The collector of the kind PROC makes it every 60s.
It was last made 5s ago; the value was 3.
` + webArrives + "\n" + dbArrives},
		"PLUGIN.mysql.threads": {explain.Metric, `The namespace shop.db wants the plugin PLUGIN.mysql, from infra/mysql.
It runs every 60s.
Its commit 01234567, signed by ann@example.com, is installed.
Its last run was 12s ago, took 120ms and went well.
It was last made 12s ago; the value was 5.
` + dbArrives},
		"plugin.mysql": {explain.Metric, `The namespace shop.db wants the plugin PLUGIN.mysql, from infra/mysql.
It says how each run went: 0 is well.
It was last made 12s ago; the value was 0.
` + dbArrives},
		"shop.db/infra/mysql": {explain.Program, `The namespace shop.db wants the plugin PLUGIN.mysql, from infra/mysql.
It runs every 60s.
Its commit 01234567, signed by ann@example.com, is installed.
Its last run was 12s ago, took 120ms and went well.
` + dbArrives},
		"RUN.orders": {explain.Metric, `Names that begin with RUN. are of metrics that other programs post to this agent.
Programs post it to the namespace shop.web.
It was last made 30s ago; the value was "many".
` + webArrives},
		"other": {explain.Metric, `Points of this name went to the namespace shop.web; what makes them is not known.
It was last made 30s ago; the value was true.
` + webArrives},
		"shop.web": {explain.Namespace, `shop.web is a namespace of this host (h1).
It gets the host's own measurements, 1 port, 1 process and 0 plugins.
` + webArrives},
	} {
		t.Run(name, func(t *testing.T) {
			answer, err := explain.Explain(name, healthy())
			require.NoError(t, err)
			require.Equal(t, test.what, answer.What)
			require.Equal(t, test.text, strings.Join(answer.Sentences, "\n"))
			require.Empty(t, answer.Reason)
		})
	}
	for _, name := range []string{"PLUGIN.mysql", "infra/mysql"} {
		answer, err := explain.Explain(name, healthy())
		require.NoError(t, err)
		require.Equal(t, explain.Program, answer.What)
	}
}

// reason is the explanation of a name after a change of the healthy facts.
type reason struct {
	name   string
	change func(f *explain.Facts)
	reason string
	then   []string // the sentences after the reason
}

func (r reason) check(t *testing.T) {
	t.Helper()
	f := healthy()
	r.change(&f)
	answer, err := explain.Explain(r.name, f)
	require.NoError(t, err)
	require.Equal(t, r.reason, answer.Reason, answer.Sentences)
	at := len(answer.Sentences) - len(r.then) - 1
	require.GreaterOrEqual(t, at, 0, answer.Sentences)
	require.Equal(t, append([]string{r.reason}, r.then...), answer.Sentences[at:])
	_, err = json.Marshal(answer)
	require.NoError(t, err)
}

func noSeries(f *explain.Facts) { f.Series = nil }

func cpu(change func(c *explain.Collector)) func(f *explain.Facts) {
	return func(f *explain.Facts) {
		f.Series = nil
		change(&f.Collectors[0])
	}
}

func plugin(change func(p *explain.Plugin)) func(f *explain.Facts) {
	return func(f *explain.Facts) { change(&f.Plugins[0]) }
}

func TestWhyAMeasurementOfACollectorDoesNotArrive(t *testing.T) {
	for name, r := range map[string]reason{
		"the kind is not assigned": {"cpu.idle", cpu(func(c *explain.Collector) { c.Interval = 0 }),
			"No namespace of this host assigns its kind CPU, which has no interval of its own.", nil},
		"the kind is disabled": {"time.offset", noSeries, "Nothing measures it here: collect.disable names its kind TIME.", nil},
		"an agent without such a collector": {"cpu.idle", func(f *explain.Facts) { f.Collectors = nil },
			"This agent has no collector of its kind CPU.", nil},
		"the collector failed": {"cpu.idle", cpu(func(c *explain.Collector) { c.Error = "read /proc/stat:\npermission denied" }),
			"The collector failed in its last run, 4s ago: read /proc/stat:; permission denied.", nil},
		"the collector has not run yet": {"cpu.idle", cpu(func(c *explain.Collector) { *c = explain.Collector{Kind: "CPU", Interval: 10} }),
			"The collector has not run yet.", nil},
		"the collector runs for the first time": {"cpu.idle", cpu(func(c *explain.Collector) { c.Runs, c.Running = 1, true }),
			"The collector is in its first run, which began 4s ago.", nil},
		"the collector hangs": {"cpu.idle", cpu(func(c *explain.Collector) { c.Running, c.LastRun = true, before(5*time.Minute) }),
			"The collector hangs: its run began 5m ago and has not ended.", nil},
		"the metric is invalid": {"cpu.idle", cpu(func(c *explain.Collector) { c.Invalid = `metric 3 ("cpu.idle"): the value is NaN` }),
			`The collector made a metric that cannot be sent in its last run, 4s ago: metric 3 ("cpu.idle"): the value is NaN.`, nil},
		"the run did not make it": {"cpu.idle", noSeries,
			"The collector ran 4s ago and made 23 points, but not this measurement.", []string{"It is absent when a processor was switched on."}},
		"the last runs did not make it": {"PROC.nginx.cpu", func(f *explain.Facts) { f.Series[3].Time = before(time.Hour).Unix() },
			"The collector ran 4s ago and made 5 points, but not this measurement, which was last made 1h0m ago.", []string{"It is absent when no such process runs."}},
		"no port of this name is assigned": {"PORT.ssh.22", noSeries, "No namespace of this host assigns a port that is called PORT.ssh.22.",
			[]string{"Similar names: PORT.sshd.22."}},
		"no process of this name is assigned": {"PROC.mysqld.cpu", noSeries, "No namespace of this host assigns a process that is called PROC.mysqld.cpu.",
			nil},
		"nobody has posted it": {"RUN.none", noSeries, "No program has posted it, as far as the agent remembers.", []string{"It takes metrics at /post, /write and /v1/metrics."}},
		"it may come by statsd": {"RUN.none", func(f *explain.Facts) {
			f.Series = nil
			f.Statsd = &explain.Statsd{Address: "127.0.0.1:8125", Packets: 9, PacketsDropped: 2, BadLines: 1, Problems: []string{"the last bad line was x"}}
		}, "No program has posted it, as far as the agent remembers.", []string{"It takes metrics at /post, /write and /v1/metrics."}},
		"nobody knows whether it is posted": {"RUN.none", func(f *explain.Facts) { f.Series, f.Remembers = nil, false },
			"Whether a program posts it is not known, because the agent remembers no points: api.page is false.", nil},
		"the post was refused": {"RUN.orders", func(f *explain.Facts) {
			f.RefusedPost = &explain.RefusedPost{Time: before(2 * time.Second), Namespace: "shop.web", Name: "RUN.orders", Error: `metric 0 ("orders"): the value is NaN`}
		}, `The last post with it, 2s ago to the namespace shop.web, was refused as a whole: metric 0 ("orders"): the value is NaN.`, nil},
		"the post was taken without it": {"RUN.orders", func(f *explain.Facts) {
			f.RefusedPost = &explain.RefusedPost{Time: before(2 * time.Second), Namespace: "shop.web", Name: "RUN.orders", Error: `metric 0 ("orders"): the value is NaN`, Partly: true}
		}, `The last post with it, 2s ago to the namespace shop.web, was taken without it: metric 0 ("orders"): the value is NaN.`, nil},
	} {
		t.Run(name, r.check)
	}
}

func TestWhyAPluginDoesNotArrive(t *testing.T) {
	failed := explain.Run{Time: before(3 * time.Second), Result: "timeout", Error: "plugin timed out after 10s", Stderr: "connecting\nno route to db\n"}
	refused := explain.Run{Time: before(3 * time.Second), Result: "policy", Error: "not installed: refused by policy.plugins: infra/mysql matches none of its globs"}
	for name, r := range map[string]reason{
		"disabled": {"PLUGIN.mysql", plugin(func(p *explain.Plugin) { p.Enabled, p.DisabledUntil = false, now.Add(time.Hour) }),
			"It is disabled until 2026-03-04 13:00 UTC, unless `agent plugin enable shop.db infra/mysql` ends that.", nil},
		"refused by the policy": {"PLUGIN.mysql", plugin(func(p *explain.Plugin) { p.Installed, p.LastRun = false, &refused }),
			"The host's own config does not let it run: not installed: refused by policy.plugins: infra/mysql matches none of its globs.", nil},
		"not installed": {"PLUGIN.mysql", plugin(func(p *explain.Plugin) { p.Installed, p.InstallError = false, "git clone: no such repository" }),
			"It is not installed: git clone: no such repository.", nil},
		"being installed": {"PLUGIN.mysql", plugin(func(p *explain.Plugin) { p.Installed = false }), "It is still being installed.", nil},
		"failed": {"PLUGIN.mysql", plugin(func(p *explain.Plugin) { p.LastRun = &failed }),
			"Its last run, 3s ago, failed (timeout): plugin timed out after 10s; it said: no route to db.", nil},
		"its measurement, failed": {"PLUGIN.mysql.threads", plugin(func(p *explain.Plugin) { p.LastRun = &failed }),
			"Its last run, 3s ago, failed (timeout): plugin timed out after 10s; it said: no route to db.", nil},
		"not yet run": {"PLUGIN.mysql", plugin(func(p *explain.Plugin) { p.LastRun = nil }), "It has not run yet.", nil},
		"in its first run": {"PLUGIN.mysql", plugin(func(p *explain.Plugin) { p.LastRun, p.Running = nil, true }),
			"Its first run is still under way.", nil},
		"on demand": {"PLUGIN.mysql", plugin(func(p *explain.Plugin) { p.Interval = 0 }),
			"It runs only when somebody calls it (agent plugin run shop.db infra/mysql), and then its output goes to the caller.", nil},
		"a metric is invalid": {"PLUGIN.mysql", plugin(func(p *explain.Plugin) { p.Invalid = `metric 1 ("a b"): the name has a blank` }),
			`A metric of its last output cannot be sent: metric 1 ("a b"): the name has a blank.`, []string{dbArrives}},
		"its measurement is invalid": {"PLUGIN.mysql.x", plugin(func(p *explain.Plugin) { p.Invalid = `metric 1 ("x"): the value is NaN` }),
			`A metric of its last output cannot be sent: metric 1 ("x"): the value is NaN.`, nil},
		"its measurement was not printed": {"PLUGIN.mysql.x", noSeries, "It has not printed this measurement, as far as the agent remembers.", nil},
		"its measurement has an old time": {"PLUGIN.mysql.threads", func(f *explain.Facts) { f.Series[4].Time = before(3 * time.Hour).Unix() },
			"Its last output did not have this measurement, or only with an old time: the newest point is from 3h0m ago.", nil},
		"not assigned": {"PLUGIN.mysq", noSeries, "No namespace of this host assigns a plugin that is called PLUGIN.mysq.",
			[]string{"Similar names: PLUGIN.mysql."}},
		"not assigned to this namespace": {"shop.web/infra/mysql", noSeries, "The namespace shop.web does not assign the plugin infra/mysql to this host.",
			[]string{"Similar names: shop.db/infra/mysql."}},
		"of a namespace that is not the host's": {"shop.mail/infra/mysql", noSeries,
			"shop.mail is not a namespace of this host (h1), which is in shop.db, shop.web.", nil},
	} {
		t.Run(name, r.check)
	}
}

func TestWhatAMeasurementLeavesOutIsExplained(t *testing.T) {
	f := healthy()
	f.Measurements[0].LeftOut = func() []string { return []string{`3: collect.exclude.cores has "3"`, "4: it sleeps"} }
	answer, err := explain.Explain("cpu.idle", f)
	require.NoError(t, err)
	require.Equal(t, `It leaves out 3: collect.exclude.cores has "3"; 4: it sleeps.`, answer.Sentences[2])
	require.Empty(t, answer.Reason)
	_, err = json.Marshal(answer)
	require.NoError(t, err)
}

func TestADaemonThatRunsArrives(t *testing.T) {
	f := healthy()
	p := &f.Plugins[0]
	p.Daemon, p.Interval, p.Running, p.LastRun, p.Signer = true, 0, true, nil, ""
	p.InstallError = "no such tag"
	answer, err := explain.Explain("PLUGIN.mysql", f)
	require.NoError(t, err)
	require.Equal(t, []string{
		"The namespace shop.db wants the plugin PLUGIN.mysql, from infra/mysql.",
		"It is a daemon, which the agent keeps running.",
		"Its commit 01234567 is installed.",
		"The last attempt to install another version failed: no such tag.",
		"It is running now.",
		dbArrives,
	}, answer.Sentences)
	require.Empty(t, answer.Reason)
}

func TestWhyWhatIsMadeIsNotDelivered(t *testing.T) {
	down := func(f *explain.Facts) {
		f.Output = explain.Output{Error: "nsqd a: connection refused\nnsqd b: no answer", Down: before(3 * time.Minute), Memory: 120, Disk: 3000, Oldest: before(4 * time.Minute)}
	}
	waits := "120 points in memory and 3000 on disk wait until it takes them; the oldest is from 4m ago."
	for name, r := range map[string]reason{
		"the output is down": {"cpu.idle", down, "The output has taken no points for 3m: nsqd a: connection refused; nsqd b: no answer.", []string{waits}},
		"down, of a plugin":  {"PLUGIN.mysql", down, "The output has taken no points for 3m: nsqd a: connection refused; nsqd b: no answer.", []string{waits}},
		"down, of a namespace": {"shop.web", func(f *explain.Facts) { f.Output = explain.Output{Error: "away"} },
			"The output takes no points: away.", nil},
		"dropped": {"cpu.idle", func(f *explain.Facts) {
			f.Drops = []explain.Drop{{Namespace: "shop.db", Reason: "bad_topic", Points: 12, Since: before(5 * time.Minute), Last: before(3 * time.Second), Error: "no topic", Advice: "rename it"}}
		}, "Points of the namespace shop.db are being dropped (bad_topic), 12 in the last 5m and the newest 3s ago: no topic; rename it.", strings.Split(webArrives, "\n")},
	} {
		t.Run(name, r.check)
	}
}

func TestWhyNothingIsAssigned(t *testing.T) {
	never := func(f *explain.Facts) {
		f.Registry, f.Namespaces, f.Items, f.Plugins, f.Series = explain.Registry{Error: "connection refused"}, nil, nil, nil, nil
	}
	for name, r := range map[string]reason{
		"the registry never answered": {"cpu.idle", never, "Nothing is collected yet, because the registry has not given an answer since the start: connection refused.", nil},
		"never, without an error": {"PLUGIN.mysql", func(f *explain.Facts) { never(f); f.Registry.Error = "" },
			"Nothing is collected yet, because the registry has not given an answer since the start.", nil},
		"the host is in no namespace": {"cpu.idle", func(f *explain.Facts) { f.Namespaces = nil },
			"Nothing is collected, because this host (h1) is in no namespace.", nil},
		"the registry is doubted": {"PORT.x", func(f *explain.Facts) { f.Registry.Doubted = before(2 * time.Minute) }, "No namespace of this host assigns a port that is called PORT.x.",
			[]string{"The registry gave another answer 2m ago, which is not believed yet because it would remove most of what runs here; `agent plan` prints it."}},
		"the registry fails now": {"PORT.x", func(f *explain.Facts) { f.Registry.Error = "502" }, "No namespace of this host assigns a port that is called PORT.x.",
			[]string{"The last question to the registry failed, so its answer from 60s ago is in force: 502."}},
		"the registry has failed since the start": {"PORT.x", func(f *explain.Facts) { f.Registry = explain.Registry{InForce: true, Error: "502"} },
			"No namespace of this host assigns a port that is called PORT.x.",
			[]string{"The registry has not answered since the start, so an answer from an earlier run of the agent is in force: 502."}},
		"one of several registries fails": {"PORT.x", func(f *explain.Facts) { f.Registry.Error, f.Registries = "502", map[string]string{"shop.db": "local"} },
			"No namespace of this host assigns a port that is called PORT.x.",
			[]string{"The last question to one of the registries failed, so what it assigned before is in force: 502."}},
		"a namespace that is not the host's": {"shop.mail", func(f *explain.Facts) { f.Accounts["shop.mail"] = explain.Account{Accepted: 1, Delivered: 1} },
			"shop.mail is not a namespace of this host (h1), which is in shop.db, shop.web.",
			[]string{"Points of the namespace shop.mail: 1 accepted = 1 delivered + 0 waiting + 0 dropped."}},
	} {
		t.Run(name, r.check)
	}
}

func TestAnUnknownNameIsAnsweredWithSimilarOnes(t *testing.T) {
	f := healthy()
	f.Names = []string{"PROC.nginx.cpu", "cpu.idle", "cpu.user"}
	for name, says := range map[string]string{
		"cpu.idel":  "did you mean cpu.idle?",
		"CPU":       "did you mean cpu.idle or cpu.user or PROC.nginx.cpu?",
		"shop.webb": "did you mean shop.web or shop.db?",
	} {
		_, err := explain.Explain(name, f)
		require.EqualError(t, err, `nothing here is called "`+name+`": it is no measurement, plugin or namespace that this agent knows; `+says)
	}
	f.Registry = explain.Registry{}
	_, err := explain.Explain("qqqqqqqq", f)
	require.EqualError(t, err, `nothing here is called "qqqqqqqq": it is no measurement, plugin or namespace that this agent knows; `+
		"the registry has not given an answer since the start, so namespaces and plugins are not known yet")
}

func TestWhatIsNotRememberedIsNotClaimed(t *testing.T) {
	f := healthy()
	f.Series, f.Remembers = nil, false
	for name, says := range map[string]string{
		"cpu.idle":             "Whether this measurement was among them is not known, because the agent remembers no points: api.page is false.",
		"PLUGIN.mysql.threads": "Whether it printed this measurement is not known, because the agent remembers no points: api.page is false.",
	} {
		answer, err := explain.Explain(name, f)
		require.NoError(t, err)
		require.Contains(t, answer.Sentences, says)
		require.Empty(t, answer.Reason)
	}
}
