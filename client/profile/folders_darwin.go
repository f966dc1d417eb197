package profile

// adminFolder is where an administrator's files are, and nobody else's.
func adminFolder() string { return "/Library/Application Support/postern" }
