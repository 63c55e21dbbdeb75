#!/bin/sh
# Prints what `make build` stamps into the program: version, commit and the time
# of the commit (UTC). Not the branch: two checkouts of a commit build the same
# bytes. Go's own -buildvcs does not work in a git worktree. Prints nothing where
# this is not a git repository.
set -eu
cd "$(dirname "$0")/.."
commit=$(git rev-parse HEAD 2>/dev/null) || exit 0
# Without a tag, the number of commits keeps versions in order.
version=$(git describe --tags --match 'v[0-9]*' --abbrev=12 --dirty 2>/dev/null) ||
	version=v0.0.0-$(git rev-list --count HEAD)-g$(git describe --always --abbrev=12 --dirty --exclude '*')
echo "$version $commit $(TZ=UTC0 git show -s --format=%cd --date=format-local:%Y-%m-%dT%H:%M:%SZ HEAD)"
