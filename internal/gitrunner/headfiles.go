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

// headFile is a [HeadFile] that is not read yet.
type headFile struct {
	name, object string
	link         bool
	size         int64
}

// readFiles returns the files in a directory of a commit. It reads git's objects and no
// checked out files, so that nothing in the repository can change them.
func (c *client) readFiles(ctx context.Context, commit, dir, suffix string, maxFile int64) ([]HeadFile, error) {
	const longLine = 256 // nearly all paths need less
	out, err := c.gitUpTo(c.maxFiles*longLine, ctx, c.gitDir, "ls-tree", "-z", "--long", commit, "--", dir+"/")
	if err != nil {
		return nil, err
	}
	var listed []headFile
	for entry := range strings.SplitSeq(strings.TrimSuffix(out, "\x00"), "\x00") {
		about, name, _ := strings.Cut(entry, "\t")
		words := strings.Fields(about) // MODE TYPE OBJECT SIZE
		if len(words) != 4 || words[1] != "blob" || !strings.HasSuffix(name, suffix) {
			continue
		}
		f := headFile{name: path.Base(name), object: words[2], link: words[0] == "120000", size: sizeOf(entry)}
		if f.size > maxFile {
			return nil, fmt.Errorf("%s has %s; the limit is %s", name, size(f.size), size(maxFile))
		}
		listed = append(listed, f)
	}
	files := make([]HeadFile, 0, len(listed))
	for part := range slices.Chunk(listed, objectsAtOnce) {
		if files, err = c.printFiles(ctx, files, part); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// printFiles appends the files with their content.
func (c *client) printFiles(ctx context.Context, files []HeadFile, part []headFile) ([]HeadFile, error) {
	args, total := []string{"show", "--no-textconv"}, int64(0)
	for _, f := range part {
		args = append(args, f.object)
		total += f.size
	}
	if total > c.maxSize {
		return nil, c.tooLarge("its files together")
	}
	out, err := c.gitUpTo(int(total)+1, ctx, c.gitDir, args...)
	if err != nil {
		return nil, err
	}
	if int64(len(out)) != total {
		return nil, fmt.Errorf("git printed %d bytes of files that have %d", len(out), total)
	}
	rest := []byte(out)
	for _, f := range part {
		file := HeadFile{Name: f.name, Object: f.object, Link: f.link}
		if !f.link {
			file.Content = rest[:f.size:f.size]
		}
		files, rest = append(files, file), rest[f.size:]
	}
	return files, nil
}
