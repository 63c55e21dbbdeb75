#!/bin/sh
# Runs all benchmarks and prints their own figures: ratios to the raw limit of
# the same run, rates, CPU time, memory. Then measures the whole agent: idle
# for IDLE, and under posts.
set -eu
: "${GO:=go}" "${BENCHTIME:=1s}" "${IDLE:=2m}"
for dir in $(grep -rl --include='*_test.go' '^func Benchmark' . | xargs -n 1 dirname | sort -u); do
	[ "$dir" = . ] || [ ! -e "$dir/go.mod" ] || continue # a module of its own
	echo "== $dir"
	$GO test -run '^$' -bench . -benchmem -benchtime "$BENCHTIME" "$dir" | sed -n '/^Benchmark/p;/^FAIL/p;/^---/p'
done
failed=0
echo "== the idle agent, for $IDLE"
$GO run ./internal/bench/idle -for "$IDLE" || failed=1
echo "== the agent under posts"
$GO run ./internal/bench/postload || failed=1
exit $failed
