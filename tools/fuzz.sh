#!/bin/sh
# Runs each fuzz target for FUZZTIME. What breaks one is kept in its testdata.
# Go minimizes an input for a minute by default: a target that uses files would
# do nothing else in its time.
set -eu
: "${GO:=go}" "${FUZZTIME:=2s}"

# ended_late tells whether the one complaint is that the time is over: before Go
# 1.27, a worker that is stopped at the end of FUZZTIME can count as failed
# (golang/go#75804).
ended_late() {
	echo "$1" | grep -q '^ *context deadline exceeded$' && ! echo "$1" | grep -q -e 'Failing input' -e '^panic' -e 'Error Trace'
}

for dir in $(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n 1 dirname | sort -u); do
	for target in $($GO test -list '^Fuzz' "$dir" | grep '^Fuzz'); do
		echo "== fuzz $dir $target for $FUZZTIME"
		log=$($GO test -run '^$' -fuzz "^$target\$" -fuzztime "$FUZZTIME" -fuzzminimizetime 10x "$dir" 2>&1) ||
			ended_late "$log" || { echo "$log"; exit 1; }
	done
done
