#!/bin/sh
# Checks of the deb on a booted Debian. run.sh puts this script on the second
# disk, /checks, beside the deb, the same deb with a higher version, and an nsqd.
# Each check prints PASS or FAIL. A machine without KVM is slow: nothing here
# depends on a duration that a fast machine would not reach, too.
#
# The machine starts three times: it reboots after the first part and loses its
# power after the second. The directory $state outlives both.
export state=/var/lib/vm-checks
conf=/etc/agent.conf
api=http://127.0.0.1:1232
unit=/sys/fs/cgroup/system.slice/agent.service

pass() { echo "PASS $1"; }
fail() {
	echo "FAIL $1"
	sed 's/^/  > /' /tmp/check.out
	systemctl --no-pager --lines=0 status agent | sed 's/^/  /'
	journalctl --no-pager -n 15 -o cat -u agent | sed 's/^/  | /'
}
# check SENTENCE COMMAND… passes if the command succeeds.
check() {
	sentence=$1
	shift
	if "$@" >/tmp/check.out 2>&1; then pass "$sentence"; else fail "$sentence"; fi
}
# within SECONDS COMMAND… tries again until it succeeds.
within() {
	end=$(($(date +%s) + $1))
	shift
	while ! "$@"; do
		[ "$(date +%s)" -lt $end ] || return 1
		sleep 0.5
	done
}
# took SECONDS COMMAND… succeeds if the command does so in that time.
took() {
	start=$(date +%s)
	limit=$1
	shift
	"$@" || return 1
	seconds=$(($(date +%s) - start))
	echo "took $seconds s"
	[ $seconds -le "$limit" ]
}
not() { ! "$@"; }
all() { for command in "$@"; do $command || return 1; done; }
property() { systemctl show -P "$1" agent; }
is() {
	value=$(property "$1")
	echo "$1=$value"
	[ "$value" = "$2" ]
}
answers() { curl -fsS -m 5 "$api/healthz"; }
# restarted PID succeeds if the agent answers and is another process than PID.
restarted() { answers && ! is MainPID "$1"; }
said() { journalctl -o cat -u agent | grep -F "$1"; }
# empty succeeds if the unit's cgroup and those below have no process.
empty() { ! [ -d $unit ] || ! cat $(find $unit -name cgroup.procs) | grep .; }
configure() {
	cat >$conf <<CONF
agent.listen = "127.0.0.1:1232"
agent.registryaddr = "file:///etc/agent-registry.toml"
agent.git = "file:///srv/git/%s.git"
agent.datadir = "/var/lib/agent"
agent.pluginsdir = "/var/lib/agent-plugins"
agent.pluginsuser = "agent-plugin"
agent.gituser = "agent-git"
output.servers = [ "127.0.0.1:4150" ]
api.namespaces = [ "load" ]
$1
CONF
}
# plugin NAME makes a repository whose plugin is what standard input has, and
# assigns it.
plugin() {
	dir=$(mktemp -d)
	cat >"$dir/plugin"
	chmod 755 "$dir/plugin"
	git -C "$dir" init -q -b release
	git -C "$dir" add -A
	git -C "$dir" -c user.name=x -c user.email=x@example.org commit -q -m x
	git clone -q --bare "$dir" "/srv/git/t/$1.git"
	printf '[[namespace.plugin]]\nrepo = "t/%s"\ninterval = 0\n' "$1" >>/etc/agent-registry.toml
}
run_plugin() { curl -sS -m 200 -X POST "$api/plugins/run?ns=web&repo=t/$1&timeout=180"; }
installed() { [ "$(curl -s $api/plugins/list | grep -o '"installed":true' | wc -l)" = "$1" ]; }
# post N posts a point. Its number is in /tmp/accepted if the answer was 200.
post() {
	code=$(curl -s -m 30 -o /dev/null -w '%{http_code}' -d "[{\"name\":\"x\",\"timestamp\":$((1700000000 + $1)),\"value\":$1}]" "$api/post?ns=load")
	echo "$1" >>"$state/answered.$code"
	sync "$state/answered.$code"
}
post_all() {
	while [ -e /tmp/posting ]; do
		n=$((n + 1))
		post $n
	done
}
# delivered succeeds if each point that was answered with 200 is in the output.
delivered() {
	sed -n 's/^RUN\.x,.* value=\([0-9]*\).*/\1/p' /tmp/points | sort -u >/tmp/points.numbers
	sort -u $state/answered.200 | comm -23 - /tmp/points.numbers >/tmp/lost
	echo "of $(wc -l <$state/answered.200) points, $(wc -l </tmp/lost) are not in the output: $(head -n 5 /tmp/lost | tr '\n' ' ')"
	! [ -s /tmp/lost ]
}

first_part() {
	systemctl --version | sed -n '1s/^/INFO /p'
	echo "INFO Linux $(uname -r)"
	mkdir -p /srv/git/t
	printf '[[namespace]]\nname = "web"\n' >/etc/agent-registry.toml
	printf '#!/bin/sh\nhead -c 1G /dev/zero | tail >/dev/null\necho "[]"\n' | plugin hog
	printf '#!/bin/sh\ni=0; while [ $i -lt 600 ]; do sleep 300 & i=$((i+1)); done\necho "[]"\n' | plugin forks
	printf '#!/bin/sh\nsetsid sleep 4242 & setsid sleep 4242 & sleep 4242\n' | plugin leaves
	printf '#!/bin/sh\ncat /proc/self/cgroup\nid -un\n' | plugin where

	check "the deb is installed" dpkg -i /checks/agent.deb
	chown -R agent-git /srv/git # git reads only repositories of its own user
	check "an agent that nobody has configured is not enabled" all "not systemctl is-enabled agent" "is ActiveState inactive"
	check "it cannot be started" not systemctl start agent
	check "the reason is in the journal" said "agent.registryaddr"
	systemctl reset-failed agent

	configure ""
	check "a good config starts, at boot as well" systemctl enable --now agent
	check "a start has ended once the API listens" answers
	check "systemd waits for the agent's word" is Type notify
	check "the agent was started once" is NRestarts 0
	check "systemd has a status" within 60 sh -c 'systemctl show -P StatusText agent | grep "Collects for 1 namespace"'
	check "the agent has a cgroup of its own" sh -c 'grep "agent.service/agent$" /proc/$(systemctl show -P MainPID agent)/cgroup'
	check "the agent's own memory is limited" grep 268435456 $unit/agent/memory.max
	exposure=$(systemd-analyze security --no-pager agent.service | sed -n 's/.*Overall exposure level for agent.service: \([0-9.]*\).*/\1/p')
	check "systemd-analyze security rates it $exposure, below 5" test "${exposure%.*}" -lt 5

	check "the plugins are installed" within 120 installed 4
	run_plugin where >/tmp/where
	check "a plugin runs in a cgroup of its own below the unit" grep -E '0::/system.slice/agent.service/agent-sandbox-[^/]+/[0-9]+' /tmp/where
	check "a plugin runs as its own user" grep agent-plugin /tmp/where
	main=$(property MainPID)
	run_plugin hog >/tmp/hog &
	hog=$!
	sleep 1
	check "the agent answers while a plugin takes 1 GiB" answers
	wait $hog
	check "a plugin that takes 1 GiB is killed with the result memory" grep '"result":"memory"' /tmp/hog
	check "the agent is unharmed" all "is MainPID $main" "is NRestarts 0" answers
	run_plugin forks >/tmp/forks
	check "a plugin has at most 512 processes" said "Cannot fork"
	check "none of them is left" sh -c '[ "$(pgrep -c sleep)" -lt 5 ]'

	main=$(property MainPID)
	configure 'output.buffersize = 2000'
	check "a good config is reloaded" systemctl reload agent
	check "the same process goes on" is MainPID "$main"
	configure 'output.format = "xml"'
	check "a reload of a wrong config fails" not systemctl reload agent
	check "its reason is in the journal" said 'agent.conf:10: output.format: "xml"'
	check "the config before stays in force" all answers "is MainPID $main" "is ActiveState active"
	configure ""

	run_plugin leaves >/dev/null 2>&1 &
	within 20 pgrep -f 'sleep 4242' >/dev/null
	check "systemctl stop takes at most 10 s" took 10 systemctl stop agent
	check "it leaves no process" all empty "not pgrep -f 'sleep 4242'"
	check "a stop is not a failure" is Result success

	systemctl start agent
	run_plugin leaves >/dev/null 2>&1 &
	within 20 pgrep -f 'sleep 4242' >/dev/null
	check "agent stop takes at most 10 s" took 10 agent stop
	check "it, too, leaves no process" within 5 empty
	sleep 7
	check "agent stop is not undone" is ActiveState inactive

	systemctl start agent
	for n in 1 2 3 4 5 6 7 8 9 10; do post $n; done
	main=$(property MainPID)
	kill -9 "$main"
	check "an agent that was killed is started again" within 60 restarted "$main"
	check "systemd has counted that" is NRestarts 1

	mkdir -p /run/systemd/system/agent.service.d
	printf '[Service]\nWatchdogSec=10\n' >/run/systemd/system/agent.service.d/watchdog.conf
	systemctl daemon-reload
	systemctl restart agent
	sleep 25
	check "a watchdog of 10 s leaves an agent that works alone" is NRestarts 0
	main=$(property MainPID)
	kill -STOP "$main"
	check "the watchdog starts a frozen agent again" within 60 restarted "$main"
	rm -r /run/systemd/system/agent.service.d
	systemctl daemon-reload
	systemctl stop agent

	configure 'output.format = "xml"'
	check "a start with a wrong config fails" not systemctl start agent
	sleep 7
	check "it exits with 78, is not tried again, and the unit has failed" all "is ExecMainStatus 78" "is NRestarts 0" "is ActiveState failed"
	configure ""
	systemctl reset-failed agent

	systemd-run -q --unit=taken git daemon --listen=127.0.0.1 --port=1232 --base-path=/srv/git
	sleep 2
	check "a start with the port taken fails" not systemctl start agent
	check "its reason, too, is in the journal" said "another program listens on 127.0.0.1:1232"
	systemctl stop taken agent
	systemctl reset-failed agent

	check "systemd listens for the agent" systemctl start agent.socket
	check "the agent is not started for that" is ActiveState inactive
	check "a connection starts the agent" within 30 answers
	systemctl stop agent
	check "it does so again after a stop" within 30 answers
	systemctl stop agent.socket agent

	systemctl start agent
	for n in 11 12 13 14 15; do post $n; done
}

second_part() {
	check "an enabled agent starts at boot" within 60 answers
	check "its plugins are installed still" installed 4
	for n in 16 17 18 19 20; do post $n; done
}

last_part() {
	# Posts go on while the agent is upgraded. What was posted before and nobody has
	# taken yet, because there was no nsqd, is delivered now, too.
	check "the agent starts at boot after a power loss" within 60 answers
	systemd-run -q --unit=nsqd --working-directory=/tmp -p StandardOutput=append:/tmp/points /checks/nsqd /tmp collect.load
	main=$(property MainPID)
	n=100
	touch /tmp/posting
	post_all &
	posting=$!
	sleep 3
	check "the deb is upgraded" dpkg -i /checks/new.deb
	check "the new agent runs" within 60 restarted "$main"
	sleep 3
	rm /tmp/posting
	wait $posting
	echo "INFO answers to posts during the upgrade, 000 is a refused connection: $(cd $state && wc -l answered.* | grep -v total | tr -s '\n ' ' ')"
	check "a post gets 200 or a refused connection" sh -c 'cd $state && [ "$(echo answered.*)" = "answered.000 answered.200" ] || [ "$(echo answered.*)" = answered.200 ]'
	check "each point that was answered with 200 is delivered, over kill -9, stops, a reboot, a power loss and the upgrade" within 60 delivered

	configure 'output.format = "xml"'
	main=$(property MainPID)
	check "an upgrade to a version that refuses the config succeeds" dpkg -i /checks/new.deb
	check "the agent before goes on" all "is MainPID $main" answers
	configure ""

	check "the deb is removed" dpkg -r agent
	check "the agent is stopped, and config and data stay" all "not pgrep -x agent" empty "test -e $conf" "test -d /var/lib/agent"
	check "it is purged" dpkg -P agent
	check "nothing is left" not ls -d $conf $conf.d /var/lib/agent /var/lib/agent-git /var/lib/agent-plugins /var/log/agent /etc/systemd/system/*/agent.service
	check "the host has no failed unit" sh -c '! systemctl --failed --no-legend | grep agent'
}

# begun PART succeeds if the part was begun before; it is begun now.
begun() {
	[ -e "$state/$1" ] && return
	touch "$state/$1"
	sync "$state/$1" "$state"
	return 1
}
mkdir -p $state
if ! begun first; then
	first_part
	systemctl reboot
elif ! begun second; then
	second_part
	echo b >/proc/sysrq-trigger # no file system is written or unmounted
else
	last_part
	echo DONE
	exit
fi
sleep infinity # until the machine is down
