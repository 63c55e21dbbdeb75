package hostmetrics

import "strings"

// tagText is a tag's value as it is sent: blanks become hyphens.
func tagText(s string) string { return strings.Join(strings.Fields(s), "-") }

// distinct changes what would be one series in tags although it is several:
// each of these becomes what tell returns for its index.
func distinct(tags []string, tell func(i int) string) {
	count := make(map[string]int, len(tags))
	for _, tag := range tags {
		count[tagText(tag)]++
	}
	for i, tag := range tags {
		if count[tagText(tag)] > 1 {
			tags[i] = tell(i)
		}
	}
}
