//go:build linux

package main

import (
	"bytes"
	"strconv"
	"sync"
)

// points knows what has become of each point that was posted. Points are
// numbered from 0. It is safe for concurrent use.
type points struct {
	mu         sync.Mutex
	known      []mark // guarded by mu
	duplicates int    // guarded by mu
	strange    []byte // a message that is none of ours; guarded by mu
}

// mark says what happened to a point.
type mark uint8

const (
	acknowledged mark = 1 << iota // its post was answered with 200
	arrived                       // it came out of NSQ
)

// next returns the number of the first of n new points.
func (p *points) next(n int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	first := len(p.known)
	p.known = append(p.known, make([]mark, n)...)
	return first
}

// acknowledge marks n points.
func (p *points) acknowledge(first, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range n {
		p.known[first+i] |= acknowledged
	}
}

// arrive marks the points of a message, whose values are their numbers.
func (p *points) arrive(message []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for line := range bytes.Lines(message) {
		_, value, _ := bytes.Cut(line, []byte(" value="))
		value, _, _ = bytes.Cut(value, []byte(" "))
		number, err := strconv.ParseFloat(string(value), 64)
		if err != nil || number < 0 || int(number) >= len(p.known) {
			p.strange = bytes.Clone(line)
			continue
		}
		if p.known[int(number)]&arrived != 0 {
			p.duplicates++
		}
		p.known[int(number)] |= arrived
	}
}

// tally counts points.
type tally struct {
	posted, acknowledged, arrived, duplicates, missing int
	strange                                            string
}

func (p *points) tally() tally {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := tally{posted: len(p.known), duplicates: p.duplicates, strange: string(p.strange)}
	for _, m := range p.known {
		if m&acknowledged != 0 {
			t.acknowledged++
		}
		if m&arrived != 0 {
			t.arrived++
		}
		if m == acknowledged {
			t.missing++
		}
	}
	return t
}
