//go:build !race

package spool_test

const raceFactor = 1
