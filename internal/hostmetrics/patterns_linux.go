package hostmetrics

import (
	"hash/maphash"
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
	// now and before are the answers of this walk and the last one, by the hash of the
	// command line.
	now, before map[uint64][]string
}

// set sets the patterns. [agent.CheckProcess] has judged them; one that is none matches
// nothing.
func (p *patterns) set(texts []string) {
	if slices.Equal(p.texts, texts) {
		return
	}
	*p = patterns{seed: maphash.MakeSeed(), now: make(map[uint64][]string)}
	for _, text := range texts {
		if compiled, err := regexp.Compile(text); err == nil {
			p.texts, p.compiled = append(p.texts, text), append(p.compiled, compiled)
		}
	}
}

// of returns the patterns that match a command line.
func (p *patterns) of(line []byte) []string {
	hash := maphash.Bytes(p.seed, line)
	matching, known := p.now[hash]
	if !known {
		matching, known = p.before[hash]
	}
	if !known {
		for i, compiled := range p.compiled {
			if compiled.Match(line) {
				matching = append(matching, p.texts[i])
			}
		}
	}
	p.now[hash] = matching
	return matching
}

// forgetOld ends a walk. It forgets the command lines that no process has any more.
func (p *patterns) forgetOld() {
	if p.now != nil {
		p.before, p.now = p.now, make(map[uint64][]string, len(p.now))
	}
}
