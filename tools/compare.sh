#!/bin/sh
# Compares what the agent measures with node_exporter and the system's own tools. Without an
# installed node_exporter, a pinned version is built.
set -eu
: "${GO:=go}" "${NODE_EXPORTER_VERSION:=v1.9.1}"
for name in node_exporter prometheus-node-exporter; do
	if command -v "$name" >/dev/null; then
		exec $GO run ./internal/bench/compare -node-exporter "$name"
	fi
done
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
echo "== build node_exporter $NODE_EXPORTER_VERSION"
CGO_ENABLED=0 GOBIN="$dir" $GO install "github.com/prometheus/node_exporter@$NODE_EXPORTER_VERSION"
$GO run ./internal/bench/compare -node-exporter "$dir/node_exporter"
