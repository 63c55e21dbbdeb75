package hostmetrics

import "strings"

// tagText is the value of a tag as it is sent: with hyphens in place of blanks.
func tagText(s string) string { return strings.Join(strings.Fields(s), "-") }

// distinct replaces tags that would be the same series: each becomes the result
// of tell for its index.
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
