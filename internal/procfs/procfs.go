// Package procfs reads the files in Linux's /proc that several packages of the
// agent need, and has functions to parse others without allocations.
//
// Only [ParseMounts] parses /proc/PID/mountinfo, and only [ParseStat] parses
// /proc/PID/stat. A [File] and a [PIDLister] have a buffer, and one goroutine
// may use them at a time. Nothing else here keeps state.
package procfs
