// Package editdistance compares names with what a person has typed.
package editdistance

// Of returns how many bytes have to be inserted, removed or replaced to make one text of
// the other: the distance of Levenshtein. It takes time in proportion to the product of
// their lengths.
func Of(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
