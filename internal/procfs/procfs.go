// Package procfs reads the files of Linux's /proc that several rooms of the
// agent need, and has the tools to parse the others without allocating.
//
// [ParseMounts] is the one reader of /proc/PID/mountinfo, and [ParseStat] the
// one of /proc/PID/stat. Nothing here keeps state except the buffers of a
// [File] and of a [PIDLister], each of which one goroutine may use at a time.
package procfs
