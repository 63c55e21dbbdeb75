package gitrunner

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
)

// objectsAtOnce is how many files one call of git prints: their ids are its arguments.
const objectsAtOnce = 1000

// HeadFile is an entry of a directory of a [Head].
type HeadFile struct {
	Name   string // without the directory
	Object string // git's id of the content
	// Instead is what it is, if it is no file: "symbolic link", "directory" or
	// "submodule". It has no content then.
	Instead string
	Content []byte
}

// listedFile is a file whose content is not read yet.
type listedFile struct {
	HeadFile
	size int64
}

// readFiles returns the files in a directory of a commit whose names end in suffix, and all
// directories and submodules there. It reads git's objects and no checked out files, so that
// nothing in the repository can change them.
func (c *client) readFiles(ctx context.Context, commit, dir, suffix string, maxFile int64) ([]HeadFile, error) {
	const longLine = 256 // nearly all paths need less
	out, err := c.gitUpTo(c.maxFiles*longLine, ctx, c.gitDir, "ls-tree", "-z", "--long", commit, "--", dir+"/")
	if err != nil {
		return nil, err
	}
	var all, withContent []*listedFile
	for entry := range strings.SplitSeq(strings.TrimSuffix(out, "\x00"), "\x00") {
		about, name, _ := strings.Cut(entry, "\t")
		words := strings.Fields(about) // MODE TYPE OBJECT SIZE
		if len(words) != 4 || words[1] == "blob" && !strings.HasSuffix(name, suffix) {
			continue
		}
		f := &listedFile{HeadFile{Name: path.Base(name), Object: words[2], Instead: instead(words[0])}, sizeOf(entry)}
		if f.size > maxFile {
			return nil, fmt.Errorf("%s has %s; the limit is %s", name, size(f.size), size(maxFile))
		}
		all = append(all, f)
		if f.Instead == "" {
			withContent = append(withContent, f)
		}
	}
	for part := range slices.Chunk(withContent, objectsAtOnce) {
		if err := c.readContents(ctx, part); err != nil {
			return nil, err
		}
	}
	files := make([]HeadFile, len(all))
	for i, f := range all {
		files[i] = f.HeadFile
	}
	return files, nil
}

// instead returns what an entry of a mode is, if it is no file.
func instead(mode string) string {
	switch mode {
	case "120000":
		return "symbolic link"
	case "040000":
		return "directory"
	case "160000":
		return "submodule"
	}
	return ""
}

// readContents reads the contents of files.
func (c *client) readContents(ctx context.Context, files []*listedFile) error {
	args, total := []string{"show", "--no-textconv"}, int64(0)
	for _, f := range files {
		args = append(args, f.Object)
		total += f.size
	}
	if total > c.maxSize {
		return c.tooLarge("its files together")
	}
	out, err := c.gitUpTo(int(total)+1, ctx, c.gitDir, args...)
	if err != nil {
		return err
	}
	if int64(len(out)) != total {
		return fmt.Errorf("git printed %d bytes of files that have %d", len(out), total)
	}
	rest := []byte(out)
	for _, f := range files {
		f.Content, rest = rest[:f.size:f.size], rest[f.size:]
	}
	return nil
}
