package profile

import "path/filepath"

// adminFolder is where an administrator's files are, and nobody else's.
func adminFolder() string { return "/Library/Application Support/postern" }

// StateFolder is where root's programs remember things.
func StateFolder() string { return filepath.Join(adminFolder(), "state") }
