// Package topic checks the names of NSQ topics, and of the namespaces in them. The root
// package, the configuration, the HTTP API, the registries and the NSQ output use it.
//
// https://nsq.io/overview/internals.html, go-nsq's IsValidTopicName
package topic

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// MaxLength is the length of the longest topic, in bytes.
const MaxLength = 64

// CheckNamespace returns an error if the points of a namespace cannot be published to the
// topic prefix+namespace. An unknown prefix is left empty; the real one may then still
// make the topic too long. Topics that end in "#ephemeral" are refused, because nsqd
// drops their messages while nobody listens.
func CheckNamespace(prefix, namespace string) error {
	return check("namespace", "namespaces", namespace, MaxLength-len(prefix))
}

// CheckPrefix returns an error if no topic can begin with this prefix. The empty prefix
// is valid.
func CheckPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	return check("topic prefix", "topic prefixes", prefix, MaxLength-1)
}

func check(kind, kinds, name string, most int) error {
	if name == "" {
		return errors.New("the " + kind + " is empty")
	}
	for i := range len(name) {
		if !allowed(name[i]) {
			char, _ := utf8.DecodeRuneInString(name[i:])
			return fmt.Errorf("%s %.80q contains %q; %s consist of a-z A-Z 0-9 . _ -", kind, name, char, kinds)
		}
	}
	if len(name) > most {
		return fmt.Errorf("%s %.80q has %d characters; NSQ takes at most %d here", kind, name, len(name), max(most, 0))
	}
	return nil
}

func allowed(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '_' || c == '-'
}
