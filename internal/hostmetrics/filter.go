package hostmetrics

import (
	"errors"
	"fmt"
	"path"
	"slices"
)

// Globs are patterns of [path.Match] for the names of what a host has several of: a *
// stands for any text without a slash.
type Globs struct {
	// Mounts are mount points, FSTypes the types of file systems.
	Mounts, FSTypes []string
	// RW are the mount points where fs.files.rw writes.
	RW []string
	// Disks, Interfaces, Sensors and Cores have the names that are in the tags device,
	// interface, sensor and core.
	Disks, Interfaces, Sensors, Cores []string
	// Cgroups are control groups, by path or by the last part of it. None is measured that
	// Include does not name.
	Cgroups []string
	// Units are units of systemd. The state of none is measured that Include does not name.
	Units []string
}

// CheckGlob returns an error if a glob matches nothing or is not valid.
func CheckGlob(glob string) error {
	if glob == "" {
		return errors.New(`"" matches nothing; write "*" for every name, or leave the key out`)
	}
	if _, err := path.Match(glob, ""); err != nil {
		return fmt.Errorf("%q is not a glob: a [ needs its ], and a \\ the character after it", glob)
	}
	return nil
}

// filter selects by name. Its zero value allows every name.
type filter struct {
	key              string // the last word of its keys in the config
	include, exclude []string
}

// allows reports whether something is measured, as far as the config says.
func (f filter) allows(name string) bool {
	return !f.excludes(name) && (len(f.include) == 0 || f.names(name))
}

// names reports whether the config asks for something by name. It is then measured even if
// it is left out by default.
func (f filter) names(name string) bool { return slices.ContainsFunc(f.include, matches(name)) }

func (f filter) excludes(name string) bool { return slices.ContainsFunc(f.exclude, matches(name)) }

// why says why something is not allowed, as a clause. Empty: it is allowed.
func (f filter) why(name string) string {
	if i := slices.IndexFunc(f.exclude, matches(name)); i >= 0 {
		return fmt.Sprintf("collect.exclude.%s has %q", f.key, f.exclude[i])
	}
	if !f.allows(name) {
		return fmt.Sprintf("collect.include.%s does not name it", f.key)
	}
	return ""
}

// matches returns whether a glob matches the name. CheckGlob has checked the glob.
func matches(name string) func(glob string) bool {
	return func(glob string) bool {
		ok, err := path.Match(glob, name)
		return ok && err == nil
	}
}

func (c Config) mounts() filter  { return filter{"mounts", c.Include.Mounts, c.Exclude.Mounts} }
func (c Config) fsTypes() filter { return filter{"fstypes", c.Include.FSTypes, c.Exclude.FSTypes} }
func (c Config) rw() filter      { return filter{"rw", c.Include.RW, c.Exclude.RW} }
func (c Config) disks() filter   { return filter{"disks", c.Include.Disks, c.Exclude.Disks} }
func (c Config) sensors() filter { return filter{"sensors", c.Include.Sensors, c.Exclude.Sensors} }
func (c Config) cores() filter   { return filter{"cores", c.Include.Cores, c.Exclude.Cores} }
func (c Config) cgroups() filter { return filter{"cgroups", c.Include.Cgroups, c.Exclude.Cgroups} }
func (c Config) units() filter   { return filter{"units", c.Include.Units, c.Exclude.Units} }
func (c Config) interfaces() filter {
	return filter{"interfaces", c.Include.Interfaces, c.Exclude.Interfaces}
}
