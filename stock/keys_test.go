package stock

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/configfile"
)

func TestTheDocumentationListsEachKeyOfTheConfig(t *testing.T) {
	file, err := configfile.Parse("", nil)
	require.NoError(t, err)
	c := defaultConfig()
	c.read(file)

	content, err := os.ReadFile("../docs/configuration.md")
	require.NoError(t, err)
	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| `.*?\\|").FindAllString(string(content), -1) {
		for _, key := range regexp.MustCompile("`([a-z]+(?:\\.[a-z]+)+)`").FindAllStringSubmatch(row, -1) {
			documented = append(documented, key[1])
		}
	}
	slices.Sort(documented)
	keys := slices.DeleteFunc(file.Keys(), func(key string) bool { return key == "tags" }) // its keys are not fixed
	require.Equal(t, keys, documented)
}
