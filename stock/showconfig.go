package stock

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/configfile"
)

// Setting is a key of the config with the value that is in force.
type Setting struct {
	// Key, such as agent.listen or policy.plugin[0].match.
	Key string `json:"key"`
	// Value as the config would have it. Passwords in addresses, and what comes
	// from a file, are hidden.
	Value string `json:"value"`
	// Origin is FILE:LINE, with the references ${…} in the value, or "default".
	Origin string `json:"origin"`
}

// Settings returns all keys of the config file at path, and of the files in
// PATH.d, with the values that are in force. The error is that of
// [ReadConfigValues]; what could be read is returned beside it.
func Settings(path string) ([]Setting, error) {
	file, err := configfile.Read(path)
	if err != nil {
		return nil, err
	}
	file.KeepSettings()
	c, err := takeConfig(file, path, false, agent.Parts{})
	var all []Setting
	for _, s := range file.Settings() {
		all = append(all, Setting{Key: s.Key, Value: shownValue(c, s), Origin: origin(s)})
	}
	return all, err
}

// shownValue returns a value without its secrets, and what stands in for an
// empty one.
func shownValue(c Config, s configfile.Setting) string {
	for _, reference := range s.From {
		if strings.HasPrefix(reference, "${file:") {
			return strconv.Quote("hidden")
		}
	}
	value := hidePasswords(s.Value, len(s.From) > 0)
	if value != `""` {
		return value
	}
	switch s.Key {
	case "agent.datadir":
		return strconv.Quote(c.DataDir())
	case "agent.hostname":
		name, _ := os.Hostname() // the agent says why it has none
		return strconv.Quote(name)
	}
	return value
}

// hidePasswords hides the password of an address, and also a user's name if it
// may be a token, because part of the value comes from the environment.
func hidePasswords(value string, fromElsewhere bool) string {
	value = regexp.MustCompile(`(://[^/@:"]*):[^/"]*@`).ReplaceAllString(value, "$1:hidden@")
	if fromElsewhere {
		value = regexp.MustCompile(`(https?://)[^/@:"]+@`).ReplaceAllString(value, "${1}hidden@")
	}
	return value
}

func origin(s configfile.Setting) string {
	if s.Place == (configfile.Place{}) {
		return "default"
	}
	return strings.TrimSpace(fmt.Sprint(s.Place, " ", strings.Join(s.From, " ")))
}
