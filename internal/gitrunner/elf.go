package gitrunner

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

const elfMagic = "\x7fELF"

// machines are the values of e_machine that a kernel executes: its own and that
// of the 32-bit system it supports; see elf(5). Other architectures are not
// checked.
var machines = map[string][]uint16{
	"amd64": {62, 3},   // EM_X86_64, EM_386
	"386":   {3},       // EM_386
	"arm64": {183, 40}, // EM_AARCH64, EM_ARM
	"arm":   {40},      // EM_ARM
}

// checkELF checks that a program is for this processor, and that its dynamic
// loader exists.
func checkELF(file *os.File) error {
	head := make([]byte, 64)
	if _, err := file.ReadAt(head, 0); err != nil {
		return errors.New("its file plugin is a program (ELF) that is cut off")
	}
	known, ok := machines[runtime.GOARCH]
	if !ok || hasHandler(head) {
		return nil
	}
	machine := binary.LittleEndian.Uint16(head[18:])
	if head[5] != 1 || !slices.Contains(known, machine) { // ELFDATA2LSB
		return fmt.Errorf("its file plugin is a program for another processor than this host's (%s)", runtime.GOARCH)
	}
	loader := loaderOf(file, head)
	if loader == "" {
		return nil
	}
	if _, err := os.Stat(loader); errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("the dynamic loader %s that its file plugin needs is not on this host: build it for this system, or without libraries (CGO_ENABLED=0 for Go)", loader)
	}
	return nil
}

// loaderOf returns the path in the PT_INTERP segment, or "" if there is no
// valid one.
func loaderOf(file io.ReaderAt, head []byte) string {
	le := binary.LittleEndian
	wide := head[4] == 2 // ELFCLASS64
	table, entry, count := int64(le.Uint32(head[28:])), int64(le.Uint16(head[42:])), int64(le.Uint16(head[44:]))
	if wide {
		table, entry, count = int64(le.Uint64(head[32:])), int64(le.Uint16(head[54:])), int64(le.Uint16(head[56:]))
	}
	segment := make([]byte, 56)
	for i := range count {
		if _, err := file.ReadAt(segment, table+i*entry); err != nil {
			return ""
		}
		if le.Uint32(segment) != 3 { // PT_INTERP
			continue
		}
		offset, length := int64(le.Uint32(segment[4:])), int64(le.Uint32(segment[16:]))
		if wide {
			offset, length = int64(le.Uint64(segment[8:])), int64(le.Uint64(segment[32:]))
		}
		path := make([]byte, min(max(length, 0), 4096))
		if _, err := file.ReadAt(path, offset); err != nil {
			return ""
		}
		return strings.TrimRight(string(path), "\x00")
	}
	return ""
}

// hasHandler reports whether the kernel gives files with this beginning to a
// handler such as an emulator (binfmt_misc).
func hasHandler(head []byte) bool {
	entries, _ := filepath.Glob("/proc/sys/fs/binfmt_misc/*")
	return slices.ContainsFunc(entries, func(entry string) bool {
		text, err := os.ReadFile(entry)
		return err == nil && handles(string(text), head)
	})
}
