package agent

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/lodastack/agent/internal/influxdb"
	"github.com/lodastack/agent/internal/manifest"
	"github.com/lodastack/agent/internal/pluginargs"
	"github.com/lodastack/agent/internal/pluginoutput"
	"github.com/lodastack/agent/internal/repopath"
	"github.com/lodastack/agent/internal/topic"
)

// pluginPrefix begins the name of every plugin.
const pluginPrefix = "PLUGIN."

// maxNamespaces bounds the namespaces of a host: each costs memory and a writer.
const maxNamespaces = 1000

// maxProblems bounds the problems of one assignment, and those of one answer.
const maxProblems = 100

// validate returns the valid part of a registry's answer, sorted by namespace. A bad item
// becomes a problem of its namespace, a bad namespace a problem of the answer.
func validate(answer []Assignment) (good []Assignment, problems []string) {
	for _, assignment := range answer {
		if err := topic.CheckNamespace("", assignment.Namespace); err != nil {
			problems = append(problems, fmt.Sprintf("ignored: %v", err))
			continue
		}
		good = append(good, validateItems(assignment))
	}
	slices.SortStableFunc(good, func(a, b Assignment) int { return strings.Compare(a.Namespace, b.Namespace) })
	good = slices.CompactFunc(good, func(a, b Assignment) bool {
		if a.Namespace != b.Namespace {
			return false
		}
		problems = append(problems, fmt.Sprintf("namespace %s occurs twice in the answer: the second one is ignored", a.Namespace))
		return true
	})
	if more := len(good) - maxNamespaces; more > 0 {
		problems = append(problems, fmt.Sprintf("%d namespaces are ignored: a host can be in %d, and the answer has more", more, maxNamespaces))
		good = good[:maxNamespaces]
	}
	return good, bounded(problems)
}

// validateItems returns the assignment without its bad items. It does not change the registry's
// own values.
func validateItems(a Assignment) Assignment {
	var problems []string
	bad := func(what, name string, err error) bool {
		if err != nil {
			problems = append(problems, fmt.Sprintf("%s %.100q is ignored: %v", what, name, err))
		}
		return err != nil
	}
	a.Intervals = maps.Clone(a.Intervals)
	for _, kind := range slices.Sorted(maps.Keys(a.Intervals)) {
		if bad("the interval of", kind, checkInterval(a.Intervals[kind], shortestInterval)) {
			delete(a.Intervals, kind)
		}
	}
	a.Plugins = slices.Clone(a.Plugins)
	for i := range a.Plugins {
		p := &a.Plugins[i]
		p.Namespace = cmp.Or(p.Namespace, a.Namespace)
	}
	a.Plugins = slices.DeleteFunc(a.Plugins, func(p Plugin) bool {
		if p.Namespace != a.Namespace {
			return bad("plugin", p.Name, fmt.Errorf("it is assigned to namespace %s, but names the namespace %.100q", a.Namespace, p.Namespace))
		}
		return bad("plugin", p.Name, CheckPlugin(p))
	})
	a.Ports = slices.DeleteFunc(slices.Clone(a.Ports), func(p Port) bool { return bad("port", p.Name, CheckPort(p)) })
	a.Processes = slices.DeleteFunc(slices.Clone(a.Processes), func(p Process) bool {
		return bad("process", p.Name, CheckProcess(p))
	})
	a.Problems = slices.Concat(a.Problems, bounded(problems))
	return a
}

// bounded returns problems, or the first of many and how many more there are.
func bounded(problems []string) []string {
	if len(problems) <= maxProblems {
		return problems
	}
	return append(problems[:maxProblems:maxProblems], fmt.Sprintf("and %d more problems", len(problems)-maxProblems))
}

// CheckPlugin returns an error if the agent would ignore a plugin that a registry assigns.
func CheckPlugin(p Plugin) error {
	name, prefixed := strings.CutPrefix(p.Name, pluginPrefix)
	if !prefixed {
		return fmt.Errorf("its name does not begin with %s", pluginPrefix)
	}
	if !repopath.ValidName(p.Namespace) {
		return fmt.Errorf("namespace %.80q can have no plugins, since they would be kept in a directory of that name", p.Namespace)
	}
	if len(name) > maxPluginName {
		return fmt.Errorf("its name has %d characters; the limit is %d", len(name), maxPluginName)
	}
	if err := influxdb.CheckName(name); err != nil {
		return err
	}
	if err := repopath.Check(p.Repo); err != nil {
		return fmt.Errorf("its repository %.100q: %w", p.Repo, err)
	}
	if p.Version != "" {
		if err := repopath.CheckVersion(p.Version); err != nil {
			return fmt.Errorf("its version %.100q: %w", p.Version, err)
		}
	}
	if err := pluginoutput.Format(p.Format).Check(); err != nil {
		return err
	}
	if err := manifest.CheckMode(p.Mode, pluginoutput.Format(p.Format)); err != nil {
		return err
	}
	if err := pluginargs.Check(p.Args); err != nil {
		return err
	}
	return checkInterval(p.Interval, 0)
}

// longestInterval bounds all intervals. Sums of longer ones could overflow.
const longestInterval = 31 * 24 * time.Hour

func checkInterval(interval, least time.Duration) error {
	if interval < 0 {
		return fmt.Errorf("an interval of %s is negative", interval)
	}
	if interval < least {
		return fmt.Errorf("an interval of %s is too short; the shortest is %s", interval, least)
	}
	if interval > longestInterval {
		return fmt.Errorf("an interval of %s is too long; the limit is 31 days", interval)
	}
	return nil
}

// maxPattern bounds the pattern of a command line, in bytes.
const maxPattern = 1024

// maxTLSName bounds a host name, in bytes (RFC 1035).
const maxTLSName = 253

// CheckPort returns an error if the agent would ignore a port that a registry assigns.
func CheckPort(p Port) error {
	if p.Port < 1 || p.Port > 65535 {
		return fmt.Errorf("its port %d is not between 1 and 65535", p.Port)
	}
	if p.Timeout < 0 {
		return fmt.Errorf("its timeout of %s is negative", p.Timeout)
	}
	if p.Address != "" {
		if address, err := netip.ParseAddr(p.Address); err != nil || address.Zone() != "" {
			return fmt.Errorf("its address %.100q is not an IP address such as 127.0.0.1 or ::1", p.Address)
		}
	}
	if p.Protocol != "" && p.Protocol != "tcp" && p.Protocol != "udp" {
		return fmt.Errorf("its protocol %.100q is neither tcp nor udp", p.Protocol)
	}
	if p.TLS && (p.Listen || p.Protocol == "udp") {
		return errors.New("its tls needs a TCP connection, which listen and udp do without")
	}
	if p.TLSName != "" && !p.TLS {
		return errors.New("its tls_name needs tls")
	}
	if len(p.TLSName) > maxTLSName || strings.ContainsFunc(p.TLSName, func(c rune) bool { return unicode.IsSpace(c) || unicode.IsControl(c) || c == '/' || c == ':' }) {
		return fmt.Errorf("its tls_name %.100q is not a host name such as www.example.com", p.TLSName)
	}
	return influxdb.CheckName(p.Name)
}

// CheckProcess returns an error if the agent would ignore a process that a registry assigns.
func CheckProcess(p Process) error {
	if p.Path != "" && (!path.IsAbs(p.Path) || path.Clean(p.Path) == "/" || strings.ContainsFunc(p.Path, unicode.IsControl)) {
		return fmt.Errorf("its executable %.100q is not an absolute path such as /usr/sbin/nginx", p.Path)
	}
	if p.PIDFile != "" && (!path.IsAbs(p.PIDFile) || strings.ContainsFunc(p.PIDFile, unicode.IsControl)) {
		return fmt.Errorf("its pidfile %.100q is not an absolute path such as /run/nginx.pid", p.PIDFile)
	}
	if len(p.Cmdline) > maxPattern {
		return fmt.Errorf("its cmdline has %d bytes; the limit is %d", len(p.Cmdline), maxPattern)
	}
	if _, err := regexp.Compile(p.Cmdline); err != nil {
		return fmt.Errorf("its cmdline is not a regular expression: %w", err)
	}
	for key, value := range map[string]string{"user": p.User, "unit": p.Unit} {
		if strings.ContainsFunc(value, func(c rune) bool { return unicode.IsSpace(c) || unicode.IsControl(c) || c == '/' || c == ':' }) {
			return fmt.Errorf("its %s %.100q cannot be one", key, value)
		}
	}
	if p.Name == "PROC." {
		return errors.New("its name is empty")
	}
	return influxdb.CheckName(p.Name)
}
