package agenttest

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
)

// RegistrySubject is a registry to be tested, with the source of its answers: a
// server or a file. Functions may be nil, and then some tests are skipped.
type RegistrySubject struct {
	Registry agent.Registry
	// Host is the host that asks.
	Host agent.Host
	// Want is the expected answer, in any order. Nil: nothing is assigned. The
	// problems of assignments are not compared.
	Want []agent.Assignment
	// Break makes the source give bad answers. Hang makes it give none. Mend
	// ends all of that.
	Break, Hang, Mend func()
	// BreakNamespace makes the answer for one namespace of Want bad.
	BreakNamespace func(namespace string)
}

// TestRegistry checks the promises in the comments of [agent.Registry], and of
// [agent.Reporter] if the registry is one. open makes a new subject for each
// subtest, and closes it in a t.Cleanup. No other tests may run in parallel,
// because the suite reports goroutines that are left.
func TestRegistry(t *testing.T, open func(t *testing.T) RegistrySubject) {
	for name, test := range map[string]func(*testing.T, RegistrySubject){
		"AnswersWhatIsAssigned":               testAssignments,
		"AnswersSensibleAssignments":          testSensible,
		"FailsWhereThereIsNoAnswer":           testAssignmentsBroken,
		"AnswersTheOthersBesideAPartialError": testPartial,
		"ReturnsSoonAfterItsContextEnds":      testAssignmentsReturnSoon,
		"TakesReports":                        testReports,
	} {
		subtest(t, name, func(t *testing.T) { test(t, open(t)) })
	}
}

func testAssignments(t *testing.T, s RegistrySubject) {
	for range 2 {
		got, err := s.Registry.Assignments(bounded(t), s.Host)
		require.NoError(t, err)
		require.Equal(t, inOneForm(s.Want), inOneForm(got), "the answer is not RegistrySubject.Want")
	}
}

func testSensible(t *testing.T, s RegistrySubject) {
	assignments, err := s.Registry.Assignments(bounded(t), s.Host)
	require.NoError(t, err)
	seen := make(map[string]bool)
	for _, a := range assignments {
		assert.NotEmpty(t, a.Namespace)
		assert.False(t, seen[a.Namespace], "namespace %s is assigned twice", a.Namespace)
		seen[a.Namespace] = true
		for kind, interval := range a.Intervals {
			assert.Positive(t, interval, "interval of %s", kind)
		}
		for _, p := range a.Plugins {
			assert.Equal(t, a.Namespace, p.Namespace, "namespace of %s", p.Name)
			assert.True(t, strings.HasPrefix(p.Name, "PLUGIN."), "name of plugin %s", p.Name)
			assert.Positive(t, strings.Count(p.Repo, "/"), "%s: the repository %s is not ORG/PROJECT", p.Name, p.Repo)
			assert.GreaterOrEqual(t, p.Interval, time.Duration(0), "interval of %s", p.Name)
		}
		for _, p := range a.Ports {
			assert.NotEmpty(t, p.Name)
			assert.True(t, 0 < p.Port && p.Port < 1<<16, "%s: port %d", p.Name, p.Port)
			assert.GreaterOrEqual(t, p.Timeout, time.Duration(0), "timeout of %s", p.Name)
		}
		for _, p := range a.Processes {
			assert.NotEmpty(t, p.Name)
			assert.True(t, p.Path == "" || strings.HasPrefix(p.Path, "/"), "%s: the path %s is not absolute", p.Name, p.Path)
		}
		for _, problem := range a.Problems {
			assert.NotEmpty(t, problem)
		}
	}
}

func testAssignmentsBroken(t *testing.T, s RegistrySubject) {
	turn(t, "Break", s.Break)
	got, err := s.Registry.Assignments(bounded(t), s.Host)
	require.Error(t, err)
	require.Empty(t, got)

	s.Mend()
	got, err = s.Registry.Assignments(bounded(t), s.Host)
	require.NoError(t, err, "once mended")
	require.Equal(t, inOneForm(s.Want), inOneForm(got))
}

func testPartial(t *testing.T, s RegistrySubject) {
	if s.BreakNamespace == nil || len(s.Want) < 2 {
		t.Skip("the subject cannot break one namespace of several")
	}
	broken := s.Want[0].Namespace
	s.BreakNamespace(broken)
	got, err := s.Registry.Assignments(bounded(t), s.Host)
	var partial *agent.PartialError
	require.ErrorAs(t, err, &partial)
	require.Len(t, partial.Namespaces, 1)
	require.Error(t, partial.Namespaces[broken])
	require.ErrorContains(t, err, broken)
	require.Equal(t, inOneForm(s.Want[1:]), inOneForm(got))
}

func testAssignmentsReturnSoon(t *testing.T, s RegistrySubject) {
	turn(t, "Hang", s.Hang)
	defer s.Mend()
	returnsSoon(t, "Assignments", func(ctx context.Context) {
		_, err := s.Registry.Assignments(ctx, s.Host)
		require.Error(t, err)
	})
	reporter, ok := s.Registry.(agent.Reporter)
	if !ok {
		return
	}
	returnsSoon(t, "Report", func(ctx context.Context) {
		require.Error(t, reporter.Report(ctx, sampleReport(s)))
	})
}

func testReports(t *testing.T, s RegistrySubject) {
	reporter, ok := s.Registry.(agent.Reporter)
	if !ok {
		t.Skip("the registry is not an agent.Reporter")
	}
	require.NoError(t, reporter.Report(bounded(t), sampleReport(s)))
	require.NoError(t, reporter.Report(bounded(t), agent.Report{Host: s.Host, Previous: s.Host, Time: time.Now()}),
		"a first report, of a host without namespaces")
	if s.Break == nil {
		return
	}
	s.Break()
	require.Error(t, reporter.Report(bounded(t), sampleReport(s)))
	s.Mend()
}

// sampleReport returns a report of the subject's host.
func sampleReport(s RegistrySubject) agent.Report {
	previous := s.Host
	previous.Hostname = "old-" + previous.Hostname
	r := agent.Report{Host: s.Host, Previous: previous, Changed: true, Build: agent.ReadBuild(), Time: time.Now()}
	for _, a := range s.Want {
		r.Namespaces = append(r.Namespaces, a.Namespace)
		r.IDs = append(r.IDs, a.ID)
	}
	return r
}

// inOneForm returns assignments in a fixed order, without problems, and with
// nil in place of empty values.
func inOneForm(assignments []agent.Assignment) []agent.Assignment {
	clones := make([]agent.Assignment, 0, len(assignments))
	for _, a := range assignments {
		a = cloneAssignment(a)
		a.Problems = nil
		if len(a.Intervals) == 0 {
			a.Intervals = nil
		}
		for i := range a.Plugins {
			a.Plugins[i].Args = orNil(a.Plugins[i].Args)
		}
		a.Plugins, a.Ports, a.Processes = orNil(a.Plugins), orNil(a.Ports), orNil(a.Processes)
		clones = append(clones, a)
	}
	slices.SortFunc(clones, func(a, b agent.Assignment) int { return strings.Compare(a.Namespace, b.Namespace) })
	return clones
}

func orNil[T any](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	return list
}
