#!/bin/sh
# Boots a Debian release in qemu, without KVM, and runs checks.sh there with the
# deb in dist/: run.sh bookworm|trixie [CACHE]. It prints PASS or FAIL for each
# check, and exits with 1 if one failed or the machine did not come so far. The
# console's full output is in CACHE/RELEASE.log. Needs root for the image,
# mmdebstrap, mke2fs, dpkg and qemu-system-x86_64. Only the cache stays.
set -eu
release=$1
cache=${2:-${XDG_CACHE_HOME:-$HOME/.cache}/agent-vm}
here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/../.." && pwd)
"$here/image.sh" "$release" "$cache"

deb=$(ls "$repo"/dist/*_amd64.deb) # of make deb
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/disk" "$work/new"
cp "$deb" "$work/disk/agent.deb"
dpkg-deb -R "$deb" "$work/new"
sed -i 's/^Version: .*/&.1/' "$work/new/DEBIAN/control"
dpkg-deb -Znone --root-owner-group -b "$work/new" "$work/disk/new.deb" >/dev/null
CGO_ENABLED=0 GOARCH=amd64 go -C "$repo" build -trimpath -ldflags "-s -w" -o "$work/disk/nsqd" ./internal/nsqdtest/nsqd
cp "$here/checks.sh" "$work/disk/"
mke2fs -q -t ext4 -d "$work/disk" "$work/disk.ext4" 100M

# Writes to the first disk outlive a restart of the machine, but not qemu
# (snapshot=on).
timeout "${VM_TIMEOUT:-1500}" nice qemu-system-x86_64 -accel tcg -m 1024 -smp 2 -display none -nic none \
	-kernel "$cache/$release.kernel" -initrd "$cache/$release.initrd" \
	-append "root=/dev/vda rw console=ttyS0 quiet systemd.show_status=false" \
	-drive "file=$cache/$release.ext4,format=raw,if=virtio,snapshot=on" \
	-drive "file=$work/disk.ext4,format=raw,if=virtio,readonly=on" \
	-serial "file:$work/console" </dev/null || true

log=$cache/$release.log
tr -d '\r' < "$work/console" > "$log"
grep -E '^(PASS|FAIL|INFO) ' "$log" || true
if grep -q '^FAIL ' "$log" || ! grep -q '^DONE$' "$log"; then
	echo "$release: see $log" >&2
	exit 1
fi
