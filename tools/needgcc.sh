#!/bin/sh
# The race detector is linked by a C compiler. Says so where there is none.
set -eu
: "${CC:=$(go env CC)}"
probe=$(mktemp -d)
trap 'rm -rf "$probe"' EXIT
printf '#include <stdlib.h>\nint main(void) { return EXIT_SUCCESS; }\n' >"$probe/main.c"
if ! $CC -o "$probe/main" "$probe/main.c" >"$probe/log" 2>&1; then
	echo "the race detector needs a C compiler and the headers of libc, and $CC does not work:" >&2
	cat "$probe/log" >&2
	echo "Debian, Ubuntu: apt-get install gcc libc6-dev; Fedora: dnf install gcc glibc-devel; Alpine: apk add gcc musl-dev" >&2
	exit 1
fi
