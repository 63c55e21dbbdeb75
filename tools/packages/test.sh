#!/bin/sh
# Installs, upgrades, removes and purges the deb in dist/ with dpkg, and the rpm
# with rpm where it is there, in a copy of this system that is thrown away: an
# overlay in a mount namespace. Needs root and Debian. lintian judges the deb if
# it is installed. systemd does not run there: tools/vm tries that.
set -eu
cd "$(dirname "$0")/../.."
if [ "${1:-}" != inside ]; then
	scratch=$(mktemp -d)
	trap 'rm -rf "$scratch"' EXIT
	deb=$(ls dist/*_amd64.deb)
	if command -v lintian >/dev/null; then
		echo "== lintian"
		lintian --allow-root --fail-on error,warning "$deb"
	fi
	mkdir "$scratch/tmpfs"
	cp "$deb" "$scratch/agent.deb"
	! ls dist/*.x86_64.rpm >/dev/null 2>&1 || cp dist/*.x86_64.rpm "$scratch/agent.rpm"
	unshare --mount tools/packages/test.sh inside "$scratch"
	exit
fi

scratch=$2
mount -t tmpfs none "$scratch/tmpfs"
mkdir "$scratch/tmpfs/upper" "$scratch/tmpfs/work" "$scratch/tmpfs/root"
mount -t overlay none -o "lowerdir=/,upperdir=$scratch/tmpfs/upper,workdir=$scratch/tmpfs/work" "$scratch/tmpfs/root"
root=$scratch/tmpfs/root
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
mount -t tmpfs none "$root/run"
mount -t tmpfs none "$root/tmp"
cp "$scratch"/agent.* "$root/tmp"

in_root() { chroot "$root" "$@"; }
fail() { echo "FAILED: $*" >&2; exit 1; }
# owns PATH OWNER:GROUP MODE
owns() {
	found=$(in_root stat -c '%U:%G %a' "$1") || fail "$1 is missing"
	[ "$found" = "$2 $3" ] || fail "$1 is $found, and not $2 $3"
}
has() { [ -e "$root$1" ] || [ -L "$root$1" ] || fail "$1 is missing"; }
lacks() { ! [ -e "$root$1" ] && ! [ -L "$root$1" ] || fail "$1 is there"; }

# installed checks what both package formats install.
installed() {
	owns /usr/bin/agent root:root 755
	owns /etc/agent.conf root:root 644
	owns /usr/lib/systemd/system/agent.service root:root 644
	owns /var/lib/agent root:root 700
	owns /var/lib/agent-git agent-git:agent-git 700
	owns /var/lib/agent-plugins root:root 755
	owns /var/log/agent root:root 750
	in_root getent passwd agent-plugin agent-git >/dev/null || fail "the users are missing"
	in_root agent version >/dev/null || fail "agent version"
	for page in man1/agent.1.gz man5/agent.conf.5.gz; do has "/usr/share/man/$page"; done
	for file in bash-completion/completions/agent fish/vendor_completions.d/agent.fish doc/agent/third-party-notices.txt; do has "/usr/share/$file"; done
	! in_root agent check >/dev/null 2>&1 || fail "the config of the package is good before anybody has configured it"
}
# configured makes the config and the data of somebody who uses the agent.
configured() {
	sed -i -e 's|^#registryaddr = .*|registryaddr = "https://registry.example.com"|' -e 's|^#\(servers = .*:4150.*\)|\1|' "$root/etc/agent.conf"
	in_root agent check >/dev/null || fail "the config of the package with registryaddr and servers is refused"
	echo data >"$root/var/lib/agent/data"
}
kept() {
	grep -q registry.example.com "$root${1:-/etc/agent.conf}" || fail "the config is lost"
	has /var/lib/agent/data
}

echo "== dpkg: install"
in_root dpkg -i /tmp/agent.deb >/dev/null
installed
lacks /etc/systemd/system/multi-user.target.wants/agent.service # nobody has configured it: it would fail at each boot
has /usr/share/zsh/vendor-completions/_agent
configured

echo "== dpkg: upgrade"
in_root sh -c 'cd /tmp && dpkg-deb -R agent.deb new && sed -i "s/^Version: .*/&.1/" new/DEBIAN/control && echo "# new" >>new/etc/agent.conf &&
	dpkg-deb --root-owner-group -b new new.deb >/dev/null && dpkg -i --force-confold new.deb >/dev/null'
kept
owns /var/lib/agent-git agent-git:agent-git 700
has /etc/systemd/system/multi-user.target.wants/agent.service

echo "== dpkg: remove"
in_root dpkg -r agent >/dev/null
lacks /usr/bin/agent
lacks /usr/lib/systemd/system/agent.service
kept

echo "== dpkg: install again, purge"
in_root dpkg -i --force-confold /tmp/agent.deb >/dev/null
kept
in_root dpkg -P agent >/dev/null
for path in /usr/bin/agent /etc/agent.conf /etc/agent.conf.d /var/lib/agent /var/lib/agent-git /var/lib/agent-plugins /var/log/agent \
	/etc/systemd/system/multi-user.target.wants/agent.service /usr/share/doc/agent; do
	lacks "$path"
done
left=$(find "$scratch/tmpfs/upper" -newer "$root/tmp/agent.deb" -path '*agent*' ! -type c ! -path '*/var/lib/dpkg/*' ! -path '*/var/lib/systemd/*' | head)
[ -z "$left" ] || fail "purge has left: $left"

if [ -e "$root/tmp/agent.rpm" ] && command -v rpm >/dev/null; then
	echo "== rpm: install, upgrade, erase"
	in_root rpm --initdb
	in_root rpm -i --nodeps /tmp/agent.rpm
	installed
	has /usr/share/zsh/site-functions/_agent
	configured
	in_root rpm -U --nodeps --force /tmp/agent.rpm
	kept
	in_root rpm -e --nodeps agent
	lacks /usr/bin/agent
	kept /etc/agent.conf.rpmsave
fi
echo "== the packages can be installed, upgraded and removed"
