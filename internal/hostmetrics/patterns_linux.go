package hostmetrics

import (
	"hash/maphash"
	"maps"
	"regexp"
	"slices"
)

// patterns matches command lines. It remembers for each command line which patterns match,
// because hundreds of patterns take longer than all the rest of a walk. The zero value has no
// patterns.
type patterns struct {
	seed     maphash.Seed
	texts    []string
	compiled []*regexp.Regexp // of texts
	round    int
	known    map[uint64]answer // by the hash of the command line
}

// answer are the patterns that match a command line.
type answer struct {
	matching []string
	asked    int // the last round in which a process had the command line
}

// set sets the patterns. [agent.CheckProcess] has checked them; one that is none matches
// nothing.
func (p *patterns) set(texts []string) {
	if slices.Equal(p.texts, texts) {
		return
	}
	*p = patterns{seed: maphash.MakeSeed(), known: make(map[uint64]answer)}
	for _, text := range texts {
		if compiled, err := regexp.Compile(text); err == nil {
			p.texts, p.compiled = append(p.texts, text), append(p.compiled, compiled)
		}
	}
}

// of returns the patterns that match a command line.
func (p *patterns) of(line []byte) []string {
	hash := maphash.Bytes(p.seed, line)
	a, known := p.known[hash]
	if !known {
		for i, compiled := range p.compiled {
			if compiled.Match(line) {
				a.matching = append(a.matching, p.texts[i])
			}
		}
	}
	a.asked = p.round
	p.known[hash] = a
	return a.matching
}

// forgetOld ends a walk. It forgets the command lines that no process has any more.
func (p *patterns) forgetOld() {
	p.round++
	maps.DeleteFunc(p.known, func(_ uint64, a answer) bool { return p.round-a.asked > lookEvery })
}
