#!/bin/sh
# Checks of the installed agent on a booted Debian. run.sh puts it on the second
# disk, /checks, beside the deb or the binary. Each check prints PASS or FAIL.
conf=/etc/agent.conf
api=http://127.0.0.1:1232

pass() { echo "PASS $1"; }
fail() {
	echo "FAIL $1"
	systemctl --no-pager --lines=0 status agent | sed 's/^/  /'
	journalctl --no-pager -n 15 -o cat -u agent | sed 's/^/  | /'
}
# check SENTENCE COMMAND… passes if the command succeeds.
check() {
	sentence=$1
	shift
	if "$@" >/tmp/check.out 2>&1; then pass "$sentence"; else fail "$sentence" && sed 's/^/  > /' /tmp/check.out; fi
}
# within SECONDS COMMAND… tries again until it succeeds.
within() {
	n=$(($1 * 2))
	shift
	while ! "$@"; do
		n=$((n - 1))
		[ $n -gt 0 ] || return 1
		sleep 0.5
	done
}
not() { ! "$@"; }
property() { systemctl show -P "$1" agent; }
is() {
	value=$(property "$1")
	echo "$1=$value"
	[ "$value" = "$2" ]
}
answers() { curl -fsS -m 5 "$api/healthz"; }
configure() {
	cat >$conf <<CONF
agent.listen = "127.0.0.1:1232"
agent.registryaddr = "file:///etc/agent-registry.toml"
agent.git = "file:///srv/git/%s.git"
agent.pluginsdir = "/usr/local/agent-plugins"
output.servers = [ "127.0.0.1:4150" ]
api.namespaces = [ "load" ]
$1
CONF
}
# plugin NAME makes a repository whose plugin is what standard input has.
plugin() {
	dir=$(mktemp -d)
	cat >"$dir/plugin"
	chmod 755 "$dir/plugin"
	git -C "$dir" init -q -b release
	git -C "$dir" add -A
	git -C "$dir" -c user.name=x -c user.email=x@example.org commit -q -m x
	git clone -q --bare "$dir" "/srv/git/t/$1.git"
}
run_plugin() { curl -sS -m 200 -X POST "$api/plugins/run?ns=web&repo=t/$1&timeout=180"; }

systemctl --version | sed -n '1s/^/INFO /p'
mkdir -p /srv/git/t
[ ! -e /checks/agent.deb ] || dpkg -i --force-depends /checks/agent.deb >/tmp/dpkg 2>&1 || sed 's/^/  /' /tmp/dpkg
if ! [ -x /usr/bin/agent ]; then
	install -m 755 /checks/agent /usr/bin/agent
	sed 's,/usr/local/bin/agent,/usr/bin/agent,' /checks/agent.service >/etc/systemd/system/agent.service
fi
sed 's,/usr/local/bin/agent,/usr/bin/agent,' /checks/agent.socket >/etc/systemd/system/agent.socket
systemctl daemon-reload
printf '#!/bin/sh\nhead -c 300M /dev/zero | tail >/dev/null\necho "[]"\n' | plugin hog
printf '#!/bin/sh\ni=0; while [ $i -lt 600 ]; do sleep 300 & i=$((i+1)); done\necho "[]"\n' | plugin forks
printf '#!/bin/sh\nsetsid sleep 4242 & setsid sleep 4242 & sleep 4242\n' | plugin leaves
cat >/etc/agent-registry.toml <<'REG'
[[namespace]]
name = "web"
[[namespace.plugin]]
repo = "t/hog"
interval = 0
[[namespace.plugin]]
repo = "t/forks"
interval = 0
[[namespace.plugin]]
repo = "t/leaves"
interval = 0
REG
configure ""

check "a good config starts" systemctl start agent
check "a start has ended once the API listens" answers
check "systemd has a status" sh -c 'systemctl show -P StatusText agent | grep -i "collects for"'
check "the agent has a cgroup of its own" sh -c 'grep -q "agent.service/agent$" /proc/$(systemctl show -P MainPID agent)/cgroup'
check "the agent's own memory is limited" grep -q 268435456 /sys/fs/cgroup/system.slice/agent.service/agent/memory.max
within 60 sh -c 'curl -s http://127.0.0.1:1232/plugins/list | grep -q "\"installed\":true.*\"installed\":true.*\"installed\":true"' || echo "INFO plugins: $(curl -s $api/plugins/list | head -c 600)"

run_plugin hog >/tmp/hog &
hog=$!
sleep 1
check "the agent answers while a plugin takes 300 MiB" answers
wait $hog
check "a plugin that takes 300 MiB is killed at its limit" grep -q memory /tmp/hog
check "the agent was not restarted for it" is NRestarts 0
run_plugin forks >/tmp/forks
check "a plugin has at most 512 processes" sh -c '[ "$(pgrep -c sleep)" -lt 5 ] && grep -qiE "fork|resource|retry" /tmp/forks'

systemctl show -P StatusText agent | sed 's/^/INFO status: /'
main=$(property MainPID)
configure 'output.buffersize = 2000'
check "a good config is reloaded" systemctl reload agent
check "the same process goes on" is MainPID "$main"
configure 'output.format = "xml"'
check "a reload of a wrong config fails" not systemctl reload agent
check "the config before stays in force" answers
configure ""

(run_plugin leaves >/dev/null) &
within 10 pgrep -f 'sleep 4242' >/dev/null
check "systemctl stop leaves no process of a plugin" sh -c 'systemctl stop agent && ! pgrep -f "sleep 4242"'
check "a stop is no failure" is Result success

systemctl start agent
check "agent stop stops" agent stop
sleep 8
check "agent stop is not undone" is ActiveState inactive

systemctl start agent
main=$(property MainPID)
kill -9 "$main"
check "an agent that was killed is started again" within 30 sh -c "curl -fsS -m 5 $api/healthz && [ \$(systemctl show -P MainPID agent) != $main ]"

mkdir -p /run/systemd/system/agent.service.d
printf '[Service]\nWatchdogSec=10\n' >/run/systemd/system/agent.service.d/watchdog.conf
systemctl daemon-reload
systemctl restart agent
sleep 25
check "a watchdog of 10 s leaves an agent that works alone" is NRestarts 0
main=$(property MainPID)
kill -STOP "$main"
check "an agent that is frozen is started again" within 60 sh -c "curl -fsS -m 5 $api/healthz && [ \$(systemctl show -P MainPID agent) != $main ]"
rm -r /run/systemd/system/agent.service.d
systemctl daemon-reload
systemctl stop agent

configure 'output.format = "xml"'
check "a start with a wrong config fails" not systemctl start agent
sleep 8
check "it exits with 78" is ExecMainStatus 78
check "it is not tried again" is ActiveState failed
configure ""
systemctl reset-failed agent

systemd-run -q --unit=taken git daemon --listen=127.0.0.1 --port=1232 --base-path=/srv/git
sleep 2
check "a start with the port taken fails" not systemctl start agent
check "its reason is in the journal" sh -c 'journalctl -o cat -u agent | grep -q "another program listens on 127.0.0.1:1232"'
systemctl stop taken agent
systemctl reset-failed agent

check "systemd listens for the agent" systemctl start agent.socket
check "a connection starts the agent" within 20 answers
check "the agent has taken systemd's socket" sh -c '[ "$(ss -ltnH 2>/dev/null | grep -c :1232 || true)" -le 1 ] && systemctl is-active agent'
# Posts go on while the agent is upgraded: it is restarted as the package does.
accepted() { curl -s "$api/me/status" | sed -n 's/.*"load":{"accepted":\([0-9]*\).*/\1/p'; }
post() {
	ok=0
	i=0
	while [ $i -lt 150 ]; do
		i=$((i + 1))
		code=$(curl -s -m 30 -o /dev/null -w '%{http_code}' -d "[{\"name\":\"x\",\"timestamp\":$((1700000000 + i)),\"value\":$i}]" "$api/post?ns=load")
		[ "$code" = 200 ] && ok=$((ok + 1))
		[ "$code" = 200 ] || echo "$code" >>/tmp/refused
	done
	echo $ok >/tmp/ok
}
post &
posting=$!
sleep 2
if [ -e /checks/agent.deb ]; then dpkg -i --force-depends /checks/agent.deb >/dev/null 2>&1; else systemctl restart agent; fi
wait $posting
echo "INFO posts during an upgrade: $(cat /tmp/ok) answered with 200, others: $(sort /tmp/refused 2>/dev/null | uniq -c | tr '\n' ' ')"
check "each post during an upgrade that got 200 is accounted for" sh -c "[ \"\$(curl -s $api/me/status | sed -n 's/.*\"load\":{\"accepted\":\([0-9]*\).*/\1/p')\" -ge \$(cat /tmp/ok) ]"
curl -s "$api/me/status" | grep -o '"load":{[^}]*}' | sed 's/^/INFO /'
echo DONE
