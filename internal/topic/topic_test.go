package topic_test

import (
	"strings"
	"testing"

	"github.com/nsqio/go-nsq"
	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/topic"
)

func TestNamespaceThatMakesATopicIsGood(t *testing.T) {
	for _, namespace := range []string{"a", "web.shop.example", "A-1_b", ".", "..", "-x", strings.Repeat("n", 56)} {
		require.NoError(t, topic.CheckNamespace("collect.", namespace), namespace)
	}
}

func TestNamespaceThatMakesNoTopicIsRefusedWithTheReason(t *testing.T) {
	for namespace, reason := range map[string]string{
		"":                      "the namespace is empty",
		"demo shop":             `namespace "demo shop" contains ' '; namespaces consist of a-z A-Z 0-9 . _ -`,
		"../../etc/passwd":      `contains '/'`,
		"café":                  `contains 'é'`,
		"a\xff":                 `contains '�'`,
		"a\nb":                  `contains '\n'`,
		"n#ephemeral":           `contains '#'`,
		strings.Repeat("n", 57): "has 57 characters; NSQ takes at most 56 here",
	} {
		require.ErrorContains(t, topic.CheckNamespace("collect.", namespace), reason, namespace)
	}
}

func TestPrefixMustLeaveRoomForANamespace(t *testing.T) {
	require.NoError(t, topic.CheckPrefix(""))
	require.NoError(t, topic.CheckPrefix(strings.Repeat("p", 63)))
	require.Error(t, topic.CheckPrefix(strings.Repeat("p", 64)))
	require.Error(t, topic.CheckPrefix("a b"))
	require.Error(t, topic.CheckNamespace(strings.Repeat("p", 65), "n"))
}

func FuzzCheckAcceptsOnlyTopicsOfNSQ(f *testing.F) {
	for _, name := range []string{"", "collect.web", "a b", "n#ephemeral", strings.Repeat("n", 65)} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		want := nsq.IsValidTopicName(name) && !strings.HasSuffix(name, "#ephemeral")
		require.Equal(t, want, topic.CheckNamespace("", name) == nil, "%q", name)
	})
}
