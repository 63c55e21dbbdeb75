package spool_test

func childMain() bool { return false }
