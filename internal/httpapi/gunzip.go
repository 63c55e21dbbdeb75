package httpapi

import (
	"bufio"
	"compress/gzip"
	"errors"
	"io"
)

// errTrailing means that a body does not end with its gzip data.
var errTrailing = errors.New("bytes after the gzip data")

// gunzip reads gzip data of one or more members. Like gzip(1) it ignores zeros at the end,
// which fill a block. It reports other bytes there as trailing. ([gzip.Reader] takes fewer
// than ten bytes at the end for data that was cut off.)
type gunzip struct {
	member *gzip.Reader
	from   *bufio.Reader
}

func newGunzip(body io.Reader) (*gunzip, error) {
	from := bufio.NewReader(body)
	member, err := gzip.NewReader(from)
	if err != nil {
		return nil, err
	}
	member.Multistream(false)
	return &gunzip{member, from}, nil
}

// Read reads on in the next member at the end of one.
func (g *gunzip) Read(p []byte) (int, error) {
	n, err := g.member.Read(p)
	if errors.Is(err, io.EOF) {
		err = g.next()
	}
	return n, err
}

// next begins the next member. It returns [io.EOF] if there is none.
func (g *gunzip) next() error {
	padded := false
	first, err := g.from.ReadByte()
	for ; err == nil && first == 0; first, err = g.from.ReadByte() {
		padded = true
	}
	if err != nil {
		return err
	}
	const firstOfMember, secondOfMember = 0x1f, 0x8b // RFC 1952, 2.3.1
	if err := g.from.UnreadByte(); err != nil {
		return err
	}
	magic, err := g.from.Peek(2)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if padded || first != firstOfMember || len(magic) == 2 && magic[1] != secondOfMember {
		return errTrailing
	}
	if err := g.member.Reset(g.from); err != nil {
		if errors.Is(err, gzip.ErrHeader) {
			return errTrailing
		}
		return err
	}
	g.member.Multistream(false)
	return nil
}
