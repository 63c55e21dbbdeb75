#!/bin/sh
# Runs all benchmarks and prints their own figures: ratios to the raw limit of
# the same run, rates, CPU time, memory. Then measures an idle agent.
set -eu
: "${GO:=go}" "${BENCHTIME:=1s}"
for dir in $(grep -rl --include='*_test.go' '^func Benchmark' . | xargs -n 1 dirname | sort -u); do
	$GO list "$dir" >/dev/null 2>&1 || continue # a module of its own
	echo "== $dir"
	$GO test -run '^$' -bench . -benchmem -benchtime "$BENCHTIME" "$dir" | sed -n '/^Benchmark/p;/^FAIL/p;/^---/p'
done
echo "== the idle agent"
tools/idle.sh
