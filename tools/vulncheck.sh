#!/bin/sh
# Looks for known vulnerabilities that this code can reach. The database is the
# module golang.org/x/vulndb, which the module proxy serves: no other host is
# asked, and the same commit gives the same answer on every day. Raise VULNDB,
# and the toolchain in go.mod with it, when a new one is out:
#   go list -m golang.org/x/vulndb@latest
set -eu
: "${GO:=go}" "${VULNDB:=v0.0.0-20261105234957-e22db6528018}"
# In a directory without a go.mod, so that no module comes to depend on it.
dir=$(cd / && $GO mod download -json "golang.org/x/vulndb@$VULNDB" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
if [ -z "$dir" ]; then
	echo "golang.org/x/vulndb@$VULNDB cannot be downloaded: is the module proxy reachable (go env GOPROXY)?" >&2
	exit 1
fi
# A directory of OSV files is a database, too (golang.org/x/vuln, newHybridSource).
exec $GO tool -modfile=tools/go.mod govulncheck -db "file://$dir/data/osv" ./...
