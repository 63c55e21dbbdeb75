package gitrunner

import (
	"io/fs"

	"github.com/lodastack/agent/internal/cell"
)

func uidOf(fs.FileInfo) uint32 { return 0 }

func giveTree(string, cell.User) error { return nil }
