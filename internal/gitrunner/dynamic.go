package gitrunner

import (
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/lodastack/agent/internal/sandbox"
)

// DynamicUser as [Config.User], or as the user of a rule, gives the plugins of each
// namespace a user of their own. That user is not in the host's user database.
const DynamicUser = "dynamic"

// The range of the dynamic users' uids. https://systemd.io/UIDS-GIDS/ calls the range
// from 0x70000000 to 0x7fffffff unused, but systemd 258 uses it from 0x7ffe0000 on for
// files of foreign systems.
const (
	FirstDynamicUID = 0x70000000
	LastDynamicUID  = 0x7ffdffff
)

// dynamicUsers gives each namespace a user and a group with the same number, a hash of
// the namespace's name. If two namespaces have the same hash, the second gets the next
// free number.
type dynamicUsers struct {
	mu    sync.Mutex
	uids  map[string]uint32 // guarded by mu: by namespace
	taken map[uint32]bool   // guarded by mu
}

func newDynamicUsers() *dynamicUsers {
	return &dynamicUsers{uids: map[string]uint32{}, taken: map[uint32]bool{}}
}

// owner returns the user of a namespace. It has only its own group: with a common group,
// one namespace could read the plugins of another.
func (d *dynamicUsers) owner(namespace string) owner {
	uid := d.uid(namespace)
	return owner{name: fmt.Sprintf("%s (uid %d)", DynamicUser, uid), user: &sandbox.User{UID: uid, GID: uid}}
}

func (d *dynamicUsers) uid(namespace string) uint32 {
	d.mu.Lock()
	defer d.mu.Unlock()
	uid, known := d.uids[namespace]
	if known {
		return uid
	}
	for uid = preferredUID(namespace); d.taken[uid] || isListed(uid); {
		if uid++; uid > LastDynamicUID {
			uid = FirstDynamicUID
		}
	}
	d.uids[namespace], d.taken[uid] = uid, true
	return uid
}

func preferredUID(namespace string) uint32 {
	hash := fnv.New32a()
	hash.Write([]byte(namespace))
	return FirstDynamicUID + hash.Sum32()%(LastDynamicUID-FirstDynamicUID+1)
}

// recall gives the namespaces in a plugins directory the numbers that their files
// have from an earlier run of the agent. Otherwise a namespace that happens to start
// first could get the number of another namespace, and with it that one's files.
func (d *dynamicUsers) recall(pluginsDir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	state := filepath.Join(pluginsDir, stateName)
	for _, root := range []string{state, filepath.Join(state, tmpName), pluginsDir} {
		paths, err := fs.Glob(os.DirFS(root), "*/*")
		if err != nil {
			return fmt.Errorf("looking for the users of namespaces in %s: %w", root, err)
		}
		for _, path := range paths {
			info, err := os.Lstat(filepath.Join(root, path))
			if err != nil {
				return fmt.Errorf("looking for the users of namespaces: %w", err)
			}
			d.remember(filepath.Dir(path), gidOf(info))
		}
	}
	return nil
}

// remember notes the group of a namespace's file. The caller holds mu.
func (d *dynamicUsers) remember(namespace string, gid uint32) {
	if gid < FirstDynamicUID || gid > LastDynamicUID {
		return
	}
	if _, known := d.uids[namespace]; !known && !d.taken[gid] && !isListed(gid) {
		d.uids[namespace] = gid
	}
	d.taken[gid] = true
}

// isListed reports whether the host knows a user or a group with this number.
func isListed(id uint32) bool {
	text := strconv.FormatUint(uint64(id), 10)
	_, noUser := user.LookupId(text)
	_, noGroup := user.LookupGroupId(text)
	return noUser == nil || noGroup == nil
}

// checkDynamicUsers returns an error if the kernel does not map the numbers, as in a
// container that maps only some (user_namespaces(7)).
func checkDynamicUsers() error {
	for _, path := range []string{"/proc/self/uid_map", "/proc/self/gid_map"} {
		mapping, err := os.ReadFile(path)
		if err == nil && !mapsDynamicUsers(string(mapping)) { // else there are no user namespaces
			return fmt.Errorf("%q needs the users and groups %d to %d, which this container does not have (%s); name a user, or map them",
				DynamicUser, FirstDynamicUID, LastDynamicUID, path)
		}
	}
	return nil
}

// mapsDynamicUsers reads lines of three numbers: the first id inside the namespace, the
// first outside, and how many there are.
func mapsDynamicUsers(mapping string) bool {
	for line := range strings.Lines(mapping) {
		var inside, outside, count uint64
		if n, _ := fmt.Sscan(line, &inside, &outside, &count); n == 3 && inside <= FirstDynamicUID && inside+count > LastDynamicUID {
			return true
		}
	}
	return false
}
