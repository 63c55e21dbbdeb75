package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// memberTimeout bounds one of several registries. It leaves time for reports when one of
// them hangs.
const memberTimeout = updateTimeout / 2

// Registries joins registries: a host that belongs to its fleet's namespaces may have
// others of its own. If several assign a namespace, the first of them wins, and a problem of
// the namespace names the others.
//
// They are asked at the same time. While one fails, what it assigned before stays in force,
// and the others' answers are used: see [PartialError.Registries]. Each that is a [Reporter]
// gets reports with only its own namespaces.
//
// A registry that is a [fmt.Stringer] has its string as its name, in [Assignment.Registry]
// and [RegistryStatus.Members]. The name should not change: after a restart, the agent knows
// by it who assigned what. Others are named by their position, "registry 1".
func Registries(registries ...Registry) Registry {
	j := &joined{}
	for _, r := range registries {
		if inner, ok := r.(*joined); ok {
			for _, m := range inner.members {
				j.add(m.name, m.part.registry)
			}
			continue
		}
		name := fmt.Sprintf("registry %d", len(j.members)+1)
		if named, ok := r.(fmt.Stringer); ok {
			name = named.String()
		}
		j.add(name, r)
	}
	return j
}

// joined is several registries, in the order of precedence.
type joined struct {
	members []*member

	mu     sync.Mutex
	status []RegistryMember // guarded by mu; of each member
}

// member is one of several registries.
type member struct {
	name string
	part registryPart
}

// memberAnswer is what a member has answered.
type memberAnswer struct {
	registryAnswer
	err error
}

// add adds a member, under another name if there is one of that name already.
func (j *joined) add(name string, r Registry) {
	taken := func(name string) bool {
		return slices.ContainsFunc(j.members, func(m *member) bool { return m.name == name })
	}
	unique := name
	for n := 2; taken(unique); n++ {
		unique = fmt.Sprintf("%s (%d)", name, n)
	}
	j.members = append(j.members, &member{unique, newRegistryPart(r)})
	j.status = append(j.status, RegistryMember{Name: unique})
}

// check returns an error unless there is a registry, and none is nil.
func (j *joined) check() error {
	if len(j.members) == 0 {
		return errors.New("there is no registry in Registries")
	}
	for i, m := range j.members {
		if m.part.registry == nil {
			return fmt.Errorf("the registry %d of Registries is nil", i+1)
		}
	}
	return nil
}

// Assignments asks all members and joins their answers.
func (j *joined) Assignments(ctx context.Context, host Host) ([]Assignment, error) {
	ctx, cancel := context.WithTimeout(ctx, memberTimeout)
	defer cancel()
	answers := make([]memberAnswer, len(j.members)) // each goroutine has its own
	var all sync.WaitGroup
	for i, m := range j.members {
		all.Go(func() {
			answers[i].registryAnswer, answers[i].err = m.part.ask(ctx, host)
			j.note(i, answers[i])
		})
	}
	all.Wait()
	return j.join(answers)
}

// note keeps what the status says of a member.
func (j *joined) note(i int, a memberAnswer) {
	j.mu.Lock()
	defer j.mu.Unlock()
	status := &j.status[i]
	status.Asked, status.Error, status.RegistryDetails = time.Now(), errorText(a.err), a.details
	if a.err == nil {
		status.Answered = status.Asked
	}
}

// memberStatus returns what the status says of the members.
func (j *joined) memberStatus() []RegistryMember {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.status)
}

// join returns the assignments of all answers, and a [*PartialError] if one has an error.
func (j *joined) join(answers []memberAnswer) (union []Assignment, err error) {
	partial := &PartialError{Namespaces: make(map[string]error)}
	winner := make(map[string]int) // index in union by namespace
	failed := false
	for i, a := range answers {
		name := j.members[i].name
		missing, whole := missingOf(a.err)
		failed = failed || a.err != nil
		partial.Registries = append(partial.Registries, RegistryError{name, whole})
		for _, assignment := range a.assignments {
			ns := assignment.Namespace
			if at, taken := winner[ns]; taken && union[at].Registry != name {
				first := &union[at]
				first.Problems = append(slices.Clone(first.Problems),
					fmt.Sprintf("%s has this namespace, too, which is ignored: %s comes before it", name, first.Registry))
				continue
			}
			if partial.Namespaces[ns] != nil {
				continue // it is that of an earlier registry, which cannot read it now
			}
			assignment.Registry = name
			winner[ns] = len(union)
			union = append(union, assignment)
		}
		for ns, reason := range missing {
			if _, taken := winner[ns]; !taken && partial.Namespaces[ns] == nil {
				partial.Namespaces[ns] = fmt.Errorf("%s: %w", name, reason)
			}
		}
	}
	if failed {
		return union, partial
	}
	return union, nil
}

// missingOf splits the error of an answer: the namespaces that it could not read, or the
// error of the answer as a whole.
func missingOf(err error) (missing map[string]error, whole error) {
	var partial *PartialError
	if errors.As(err, &partial) && len(partial.Registries) == 0 {
		return partial.Namespaces, nil
	}
	return nil, err
}
