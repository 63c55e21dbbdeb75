// Package lodastack knows what the lodastack registry may ask of a host: the
// form of its items, the bounds of their values, and the message about an
// invalid item.
package lodastack

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/pluginargs"
	"github.com/lodastack/agent/internal/topic"
)

// ParseItems reads the registry's list of a namespace's items, a JSON list of
// objects, such as
//
//	{"measurement_type":"PORT","name":"PORT.sshd.22","port":"22","connect_timeout":"3","interval":"60"}
//
// Values are strings; numbers and booleans are taken as well. Unknown kinds
// and unknown keys are ignored, and null stands for the empty list. An invalid
// item is ignored and named in the assignment's problems. It is an error if
// list is not a JSON list.
func ParseItems(namespace, id string, list []byte) (agent.Assignment, error) {
	var raw []json.RawMessage
	if err := json.Unmarshal(list, &raw); err != nil {
		return agent.Assignment{}, fmt.Errorf("read the items of namespace %q: not a JSON list: %w", namespace, err)
	}
	b := NewBuilder(namespace, id)
	// The output checks the rest of the topic's name.
	b.Problem("its name", topic.CheckNamespace("", namespace))
	for i, r := range raw {
		it, err := parseItem(r)
		if err != nil {
			b.Problem(fmt.Sprintf("item %d", i+1), err)
			continue
		}
		it.addTo(b, fmt.Sprintf("item %d, %s %.80q", i+1, it.kind(), it.text("name")))
	}
	return b.Assignment(), nil
}

// item is one object of the registry's list. Its values are strings,
// json.Numbers, bools, or lists and objects, which no item should have.
type item map[string]any

func parseItem(raw []byte) (item, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var it item
	if err := dec.Decode(&it); err != nil || it == nil {
		return nil, errors.New("it is not a JSON object")
	}
	if kind := it.kind(); kind == "" || kind == notScalar {
		return nil, errors.New("it has no measurement_type")
	}
	return it, nil
}

// text returns the trimmed value of key, or "" if there is none.
func (it item) text(key string) string {
	switch v := it[key].(type) {
	case nil:
		return ""
	case string:
		return strings.TrimSpace(v)
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	default:
		return notScalar
	}
}

// notScalar stands for a list or an object where a string belongs. No field of
// an item accepts it.
const notScalar = "[…]"

func (it item) kind() string { return strings.ToUpper(it.text("measurement_type")) }

// addTo adds the item to b, or a problem with subject.
func (it item) addTo(b *Builder, subject string) {
	for _, key := range [...]string{"cmdline", "user", "unit", "pidfile", "address", "protocol", "tls_name"} {
		if it.text(key) == notScalar {
			b.Problem(subject, fmt.Errorf("its %s is not a string", key))
			return
		}
	}
	switch kind := it.kind(); kind {
	case "CPU", "MEM", "DISK", "NET", "FS", "KERNEL", "TIME", "DEV", "COREDUMP", "PSI", "VM", "CGROUP", "SYSTEMD":
		b.Problem(subject, it.addInterval(b))
	case "PORT":
		it.addPort(b, subject)
	case "PROC":
		it.addProcess(b, subject)
	case "PLUGIN":
		b.Problem(subject, it.addPlugin(b))
	}
}

// addInterval adds the item's interval, if it has one, to those of its kind.
func (it item) addInterval(b *Builder) error {
	if it.text("interval") == "" {
		return nil
	}
	every, err := it.seconds("interval")
	if err != nil {
		return fmt.Errorf("%w; the default applies", err)
	}
	return b.Interval(it.kind(), every)
}

func (it item) addProcess(b *Builder, subject string) {
	containers, err := it.flag("containers")
	if err == nil {
		err = b.Process(agent.Process{
			Name: it.text("name"), Path: it.text("bin_path"), Cmdline: it.text("cmdline"), User: it.text("user"), Unit: it.text("unit"),
			PIDFile: it.text("pidfile"), Containers: containers,
		})
	}
	if err != nil {
		b.Problem(subject, err)
		return
	}
	b.Problem(subject, it.addInterval(b))
}

func (it item) addPort(b *Builder, subject string) {
	port, err := it.number("port")
	if err != nil {
		b.Problem(subject, err)
		return
	}
	var timeout time.Duration
	if it.text("connect_timeout") != "" {
		timeout, err = it.seconds("connect_timeout")
		if err == nil && (timeout < 0 || timeout > maxTimeout) {
			err = fmt.Errorf("its connect_timeout of %s is not between 0 and 1 minute", timeout)
		}
		if err != nil {
			// The port can still be watched.
			b.Problem(subject, fmt.Errorf("%w; the default of 3 seconds applies", err))
			timeout = 0
		}
	}
	listen, listenErr := it.flag("listen")
	withTLS, tlsErr := it.flag("tls")
	if err = errors.Join(listenErr, tlsErr); err == nil {
		err = b.Port(agent.Port{
			Name: it.text("name"), Port: port, Timeout: timeout, Address: it.text("address"), Protocol: it.text("protocol"),
			Listen: listen, TLS: withTLS, TLSName: it.text("tls_name"),
		})
	}
	if err != nil {
		b.Problem(subject, err)
		return
	}
	b.Problem(subject, it.addInterval(b))
}

func (it item) addPlugin(b *Builder) error {
	if it.text("interval") == "" {
		return errors.New("it has no interval (0 is for a plugin that runs on demand only)")
	}
	every, err := it.seconds("interval")
	if err != nil {
		return err
	}
	args, err := pluginargs.Split(it.text("parameters"))
	if err != nil {
		return err
	}
	return b.Plugin(agent.Plugin{
		Name: it.text("name"), Repo: it.text("git"), Version: it.text("version"), Interval: every, Args: args, Format: it.text("format"), Mode: it.text("mode"),
	})
}

// seconds reads a whole number of seconds.
func (it item) seconds(key string) (time.Duration, error) {
	n, err := it.number(key)
	if err != nil {
		return 0, err
	}
	return time.Duration(n) * time.Second, nil
}

// flag reads true or false. A missing one is false.
func (it item) flag(key string) (bool, error) {
	text := it.text(key)
	if text == "" {
		return false, nil
	}
	is, err := strconv.ParseBool(text)
	if err != nil {
		return false, fmt.Errorf("its %s %.80q is neither true nor false", key, text)
	}
	return is, nil
}

// number reads a whole number of at most nine digits, so that a time.Duration
// of as many seconds cannot overflow.
func (it item) number(key string) (int, error) {
	text := it.text(key)
	if text == "" {
		return 0, fmt.Errorf("it has no %s", key)
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || n != math.Trunc(n) || math.Abs(n) > 999_999_999 {
		return 0, fmt.Errorf("its %s %.80q is not a whole number of a sensible size", key, text)
	}
	return int(n), nil
}
