#!/bin/sh
# Builds the disk of a Debian release for run.sh: image.sh bookworm|trixie DIR
# writes DIR/RELEASE.ext4, .kernel and .initrd. It needs root, mmdebstrap and
# mke2fs, and Debian's packages. What is there already is not built again.
set -eu
release=$1
dir=$2
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
if [ -e "$dir/$release.done" ]; then exit 0; fi
mkdir -p "$dir"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

nice -n 19 mmdebstrap --variant=minbase --format=tar --aptopt='APT::Install-Recommends "false"' \
	--include=systemd,systemd-sysv,dbus,git,curl,procps,ca-certificates,initramfs-tools,linux-image-cloud-amd64 \
	"$release" "$work/root.tar" "$mirror"
mkdir "$work/root"
tar -C "$work/root" -xf "$work/root.tar"

# The checks are a script on the second disk. When it ends, the machine does.
cat > "$work/root/etc/systemd/system/vm-checks.service" <<'UNIT'
[Unit]
Description=Checks of the agent
[Service]
Type=oneshot
ExecStartPre=/bin/mkdir -p /checks
ExecStartPre=/bin/mount -o ro /dev/vdb /checks
ExecStart=/bin/sh /checks/checks.sh
ExecStopPost=/bin/systemctl --no-block poweroff
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS0
TimeoutStartSec=infinity
[Install]
WantedBy=multi-user.target
UNIT
mkdir -p "$work/root/etc/systemd/system/multi-user.target.wants"
ln -sf ../vm-checks.service "$work/root/etc/systemd/system/multi-user.target.wants/"
ln -sf /dev/null "$work/root/etc/systemd/system/serial-getty@ttyS0.service"

cp "$work"/root/boot/vmlinuz-* "$dir/$release.kernel"
cp "$work"/root/boot/initrd.img-* "$dir/$release.initrd"
rm -f "$dir/$release.ext4"
nice -n 19 mke2fs -q -t ext4 -d "$work/root" "$dir/$release.ext4" 1400M
touch "$dir/$release.done"
