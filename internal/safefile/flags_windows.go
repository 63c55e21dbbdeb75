package safefile

// noFollowOrWait has no like on Windows; Lstat finds links and pipes there.
const noFollowOrWait = 0
