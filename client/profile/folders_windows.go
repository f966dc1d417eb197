package profile

import (
	"path/filepath"

	"golang.org/x/sys/windows"
)

// adminFolder is where an administrator's files are, and nobody else's. It isn't taken
// from the environment, which is the person's own.
func adminFolder() string {
	data, err := windows.KnownFolderPath(windows.FOLDERID_ProgramData, 0)
	if err != nil {
		data = `C:\ProgramData`
	}
	return filepath.Join(data, "postern")
}

// StateFolder is where root's programs remember things.
func StateFolder() string { return filepath.Join(adminFolder(), "state") }
