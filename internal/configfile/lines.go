package configfile

import (
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// locator finds the lines of keys. The table that follows the second
// [[namespace]] has the key namespace[1]; so has an inline table in a list.
type locator struct {
	parser unstable.Parser
	lines  map[string]int
	length map[string]int // of the lists of tables so far
}

// locate returns the line of each key and table of content, which is good TOML.
func locate(content []byte) map[string]int {
	l := &locator{lines: map[string]int{}, length: map[string]int{}}
	l.parser.Reset(content)
	table := ""
	for l.parser.NextExpression() {
		switch e := l.parser.Expression(); e.Kind {
		case unstable.Table:
			table = l.key("", e.Key(), false) + "."
		case unstable.ArrayTable:
			table = l.key("", e.Key(), true) + "."
		case unstable.KeyValue:
			l.value(table, e)
		}
	}
	return l.lines
}

// value notes the lines of a key and of the keys in its value.
func (l *locator) value(table string, e *unstable.Node) {
	key := l.key(table, e.Key(), false)
	switch value := e.Value(); value.Kind {
	case unstable.InlineTable:
		l.inline(key+".", value)
	case unstable.Array:
		for elements := value.Children(); elements.Next(); {
			if element := elements.Node(); element.Kind == unstable.InlineTable {
				l.inline(l.next(key, l.lines[key])+".", element)
			}
		}
	}
}

func (l *locator) inline(table string, value *unstable.Node) {
	first := true
	for children := value.Children(); children.Next(); first = false {
		l.value(table, children.Node())
		if name := strings.TrimSuffix(table, "."); first && strings.HasSuffix(name, "]") {
			l.lines[name] = l.lines[l.key(table, children.Node().Key(), false)]
		}
	}
}

// key notes the line of a key and of the tables that it implies, and returns
// the whole key. A last part of list begins the next table of that list.
func (l *locator) key(table string, parts unstable.Iterator, list bool) string {
	key := strings.TrimSuffix(table, ".")
	for parts.Next() {
		part := parts.Node()
		key = strings.TrimPrefix(key+"."+string(part.Data), ".")
		line := l.parser.Shape(part.Raw).Start.Line
		if l.lines[key] == 0 {
			l.lines[key] = line
		}
		switch {
		case list && parts.IsLast():
			key = l.next(key, line)
		case l.length[key] > 0:
			key = fmt.Sprintf("%s[%d]", key, l.length[key]-1)
		}
	}
	return key
}

// next begins another table of the list.
func (l *locator) next(list string, line int) string {
	key := fmt.Sprintf("%s[%d]", list, l.length[list])
	l.length[list]++
	l.lines[key] = line
	return key
}
