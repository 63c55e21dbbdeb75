package procfs_test

import (
	"testing"

	"github.com/lodastack/agent/internal/procfs"
	"github.com/stretchr/testify/require"
)

func TestMountsAreReadWithTheirOptionalFieldsAndEscapes(t *testing.T) {
	mounts, err := procfs.ParseMounts([]byte(`36 35 98:0 /sub /mnt\0402 rw,noatime master:1 propagate_from:2 - ext3 /dev/root rw,errors=continue
40 36 0:33 / /a\134040b\012c\043 ro - tmpfs  ro,size=4k
41 36 0:38 /docker/x /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct
`))
	require.NoError(t, err)
	require.Equal(t, []procfs.Mount{
		{ID: 36, Parent: 35, Device: "98:0", Root: "/sub", Point: "/mnt 2", Options: []string{"rw", "noatime"},
			Type: "ext3", Source: "/dev/root", SuperOptions: []string{"rw", "errors=continue"}},
		{ID: 40, Parent: 36, Device: "0:33", Root: "/", Point: "/a\\040b\nc#", Options: []string{"ro"},
			Type: "tmpfs", Source: "", SuperOptions: []string{"ro", "size=4k"}},
		{ID: 41, Parent: 36, Device: "0:38", Root: "/docker/x", Point: "/sys/fs/cgroup/cpu", Options: []string{"rw"},
			Type: "cgroup", Source: "cgroup", SuperOptions: []string{"rw", "cpu", "cpuacct"}},
	}, mounts)
	require.False(t, mounts[0].ReadOnly())
	require.True(t, mounts[1].ReadOnly())
}

func TestALineThatDescribesNoMountCostsOnlyItself(t *testing.T) {
	for _, bad := range []string{"", "x", "36 35 98:0 / /mnt rw ext3 /dev/root rw", "a 35 98:0 / /mnt rw - ext3 /dev/root rw", "36 35 98:0 / /mnt rw - ext3"} {
		mounts, err := procfs.ParseMounts([]byte("1 0 8:1 / / rw - ext4 /dev/sda1 rw\n" + bad + "\n2 1 8:2 / /x rw - ext4 /dev/sda2 rw\n"))
		require.ErrorContains(t, err, "a line is not in the format of mountinfo", bad)
		require.Len(t, mounts, 2, bad)
	}
}

func TestAMissingMountTableIsAnError(t *testing.T) {
	mounts, err := procfs.ReadMounts("/nowhere/mountinfo")
	require.ErrorContains(t, err, "/nowhere/mountinfo")
	require.Empty(t, mounts)
}
