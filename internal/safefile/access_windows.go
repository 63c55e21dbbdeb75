package safefile

// CheckDir is for systems whose files have an owner and a mode.
func CheckDir(string) error { return nil }

// CheckFile is for systems whose files have an owner and a mode.
func CheckFile(string, bool) error { return nil }

// CheckWritable is for systems whose files have an owner and a mode.
func CheckWritable(string) error { return nil }
