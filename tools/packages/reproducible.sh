#!/bin/sh
# Builds the deb of the last commit twice and compares the bytes: in two
# directories, with another umask and time zone, and the second time without
# Go's cache. It takes some minutes.
set -eu
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git clone -q . "$work/one"
git clone -q . "$work/another directory"
(umask 022 && make -C "$work/one" deb)
(umask 077 && TZ=Asia/Kathmandu GOCACHE=$work/cache make -C "$work/another directory" deb)
cd "$work"
sha256sum one/dist/*.deb "another directory"/dist/*.deb
cmp one/dist/*.deb "another directory"/dist/*.deb
echo "== two builds are the same"
