#!/bin/sh
# Measures the agent at its default intervals, with a real nsqd beside it that
# takes its points: how soon the first one is there, and then for MEASURE
# seconds its CPU time and its memory.
set -eu
: "${GO:=go}" "${MEASURE:=120}"
[ -r /proc/self/stat ] || { echo "there is no /proc here: not measured"; exit 0; }
dir=$(mktemp -d)
pids=
trap 'kill $pids 2>/dev/null || true; wait; rm -rf "$dir"' EXIT
CGO_ENABLED=0 $GO build -trimpath -ldflags '-s -w' -o "$dir/agent" ./cmd/agent
(cd tools && $GO build -o "$dir/nsqd" github.com/nsqio/nsq/apps/nsqd)

mkdir "$dir/queue"
"$dir/nsqd" -tcp-address 127.0.0.1:14150 -http-address 127.0.0.1:14151 -data-path "$dir/queue" 2>/dev/null &
pids=$!
until curl -fs 127.0.0.1:14151/ping >/dev/null; do kill -0 $pids && sleep 0.05; done
printf '[[namespace]]\nname = "idle"\n' >"$dir/registry.toml"
cat >"$dir/agent.conf" <<CONF
[agent]
	listen = "127.0.0.1:0"
	registryaddr = "file://$dir/registry.toml"
	pluginsdir = "$dir/plugins"
	pidfile = "$dir/agent.pid"
[output]
	servers = [ "127.0.0.1:14150" ]
[log]
	logdir = "$dir/log"
CONF
began=$(date +%s%N)
"$dir/agent" start -f "$dir/agent.conf" &
agent=$!
pids="$agent $pids"
until curl -fs '127.0.0.1:14151/stats?format=json&topic=collect.idle' | grep -q '"message_count":[1-9]'; do
	kill -0 "$agent" && sleep 0.02
done
echo "first point in nsqd after $((($(date +%s%N) - began) / 1000000)) ms"

# utime and stime of the process, in ticks: fields 14 and 15 of proc_pid_stat(5).
ticks() { sed 's/.*) //' "/proc/$agent/stat" | awk '{ print $12 + $13 }'; }
sleep 5 # what is done once
before=$(ticks)
sleep "$MEASURE"
used=$(($(ticks) - before))
awk -v ticks=$used -v hz="$(getconf CLK_TCK)" -v s="$MEASURE" \
	'BEGIN { printf "CPU time: %.0f ms a minute\n", ticks * 1000 / hz * 60 / s }'
awk '/^VmRSS/ { printf "resident: %.1f MiB\n", $2 / 1024 } /^VmHWM/ { printf "resident at most: %.1f MiB\n", $2 / 1024 }' "/proc/$agent/status"
