package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// badValues has values for each key of the config that have the right type, but cannot be
// used.
func badValues() map[string][]string {
	values := map[string][]string{
		"agent.listen":          {`"127.0.0.1"`, `"127.0.0.1:99999"`, `"ho st:1232"`},
		"agent.ifaceprefix":     {`[ "" ]`, `[ "eth 0" ]`},
		"agent.registryaddr":    {`"/etc/agent-registry.toml"`, `"ftp://registry"`, `"http://"`, `"file://relative"`, `"git+ftp://git/fleet"`, `"git+https://git/fleet#a..b"`, `[ "https://r", "ftp://r" ]`, `[ "https://r", "https://r" ]`, `[ "" ]`, `[]`},
		"agent.pluginsdir":      {`"plugins"`, `"/"`, `"/etc/passwd"`, `"/tmp"`},
		"agent.pluginsuser":     {`"no-such-user"`},
		"agent.git":             {`"https://git.example.com/"`, `"ext::sh -c %s"`, `"-%s"`},
		"agent.gituser":         {`"no-such-user"`},
		"agent.gittimeout":      {`"0s"`, `"48h"`},
		"agent.gitmaxsize":      {`1`, `-1`},
		"agent.gitmaxfiles":     {`0`, `-1`},
		"agent.branch":          {`"-b"`, `"a..b"`, `"a b"`},
		"agent.datadir":         {`"data"`, `"/usr/lib/agent"`, `"/tmp"`},
		"agent.pidfile":         {`"agent.pid"`, `"/tmp"`},
		"agent.hostname":        {`'web\'`, `"web 1"`, "\"web\\n1\"", `"` + strings.Repeat("x", 70_000) + `"`},
		"agent.updateinterval":  {`"10"`, `"0s"`, `"48h"`, `-5`},
		"output.name":           {`"kafka"`},
		"output.servers":        {`[]`, `[ "nsqd" ]`, `[ ":4150" ]`, `[ "a:0" ]`, `[ "a:1", "a:1" ]`},
		"output.buffersize":     {`0`, `10000001`},
		"output.format":         {`"xml"`},
		"output.topicprefix":    {`"a b"`, `"` + strings.Repeat("x", 64) + `"`},
		"output.maxmessagesize": {`1`, `"1GB"`, `"much"`},
		"output.spoolsize":      {`1`, `-1`},
		"output.spoolage":       {`"1s"`, `"400d"`},
		"output.tls":            {`"yes"`},
		"output.tlsca":          {`"/nonexistent"`, `"/etc/passwd"`},
		"output.tlscert":        {`"/nonexistent"`},
		"output.tlskey":         {`"/nonexistent"`},
		"output.tlsservername":  {`"example.com"`}, // without output.tls
		"output.authsecretfile": {`"/nonexistent"`, `"/dev/null"`, `"/etc/passwd"`},
		"api.tokenfile":         {`"/nonexistent"`, `"/dev/zero"`, `"/etc/passwd"`},
		"api.tlscert":           {`"/nonexistent"`},
		"api.tlskey":            {`"/nonexistent"`},
		"api.clientca":          {`"/nonexistent"`},
		"api.socket":            {`"agent.sock"`, `"/` + strings.Repeat("x", 108) + `"`},
		"api.localcontrol":      {`"localhost"`, `"socket"`, `"token"`}, // there is neither socket nor token
		"api.hosts":             {`[ "" ]`, `[ "agent:1232" ]`, `[ "http://agent" ]`},
		"api.namespaces":        {`[ "" ]`, `[ "shop.[" ]`, `[ "shop web" ]`},
		"api.maxbody":           {`1`, `"1GiB"`},
		"api.headertimeout":     {`"0s"`, `"25h"`},
		"api.readtimeout":       {`"0s"`, `"25h"`},
		"api.writetimeout":      {`"0s"`, `"25h"`},
		"api.idletimeout":       {`"0s"`, `"25h"`},
		"api.maxconnections":    {`0`, `100001`},
		"api.page":              {`"no"`, `0`},
		"policy.calls":          {`"no"`, `0`},
		"policy.pinned":         {`"yes"`, `1`},
		"policy.plugin":         {`"infra/*"`},
		"policy.plugins":        {`[ "" ]`, `[ "infra" ]`, `[ "infra/[" ]`},
		"log.logdir":            {`"log"`, `"/etc/passwd"`, `"/tmp"`},
		"log.loglevel":          {`"LOUD"`},
		"log.logrotatenum":      {`-1`, `10001`},
		"log.logrotatesize":     {`1`, `"1 mile"`},
		"collect.disable":       {`[ "" ]`, `[ "CPUS" ]`},
		"collect.detail":        {`[ "" ]`, `[ "CPU" ]`, `[ "net" ]`},
		"time.servers":          {`[ "" ]`, `[ "a b" ]`},
		"collect.root":          {`"host"`},
		"statsd.listen":         {`"8125"`, `"127.0.0.1:99999"`, `"statsd.sock"`, `"/` + strings.Repeat("x", 107) + `"`},
		"statsd.namespace":      {`"web shop"`, `"web.shop"`}, // without statsd.listen
		"coredump.dir":          {`"cores"`},
		"policy.signers":        {`"signers"`, `"/etc/passwd"`, `"/tmp"`, `"/etc/no-such-file"`},
	}
	for _, name := range []string{"mounts", "fstypes", "rw", "disks", "interfaces", "sensors", "cores", "cgroups", "units"} {
		values["collect.include."+name] = []string{`[ "" ]`, `[ "[" ]`}
		values["collect.exclude."+name] = []string{`[ "" ]`, `[ "[" ]`}
	}
	return values
}

// keysOfTheDocumentation are all keys of docs/configuration.md. Another test compares them
// with the keys that are read.
func keysOfTheDocumentation(t *testing.T) []string {
	t.Helper()
	content, err := os.ReadFile("../../docs/configuration.md")
	require.NoError(t, err)
	var keys []string
	for _, row := range regexp.MustCompile("(?m)^\\| `.*?\\|").FindAllString(string(content), -1) {
		for _, key := range regexp.MustCompile("`([a-z]+(?:\\.[a-z]+)+)`").FindAllStringSubmatch(row, -1) {
			keys = append(keys, key[1])
		}
	}
	return keys
}

func TestCheckAndStartRefuseTheSameValuesOfEachKey(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	for _, key := range keysOfTheDocumentation(t) {
		values := badValues()[key]
		require.NotEmpty(t, values, "name a bad value of %s", key)
		for _, value := range append(values, `[ 1 ]`) { // and one of no key's type
			t.Run(fmt.Sprintf("%s=%.30s", key, value), func(t *testing.T) {
				h := newHost(t)
				config, err := os.ReadFile(h.config)
				require.NoError(t, err)
				lines := strings.Split(string(config), "\n")
				lines = slices.DeleteFunc(lines, func(line string) bool { return strings.HasPrefix(line, key+" =") })
				h.write(t, "agent.conf", strings.Join(lines, "\n")+key+" = "+value+"\n")

				var check, start strings.Builder
				require.Equal(t, exitFailed, run([]string{"check", "-f", h.config}, &check, &check))
				require.Contains(t, check.String(), ": "+strings.SplitN(key, ".", 2)[0]+".")
				require.Contains(t, check.String(), key)
				require.Equal(t, exitConfig, run([]string{"start", "-f", h.config}, &start, &start))
				refusal := func(command, text string) string {
					return text[strings.Index(text, command+"the config"):][len(command):]
				}
				require.Equal(t, refusal("agent check: ", check.String()), refusal("agent start: ", start.String()))
			})
		}
	}
}
