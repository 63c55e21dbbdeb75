//go:build race

package spool_test

// raceFactor is about how many times the memory a program takes with the race
// detector.
const raceFactor = 4
