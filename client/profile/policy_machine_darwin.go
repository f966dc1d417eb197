package profile

import (
	"errors"
	"io/fs"

	"howett.net/plist"
)

// preferences is where the management of a Mac puts what
// packaging/macos/io.postern.Postern.plist describes. Only root can write there.
const preferences = "/Library/Managed Preferences/io.postern.Postern.plist"

// managedValues is what the managed preferences say of the machine's policy, nil where
// there are none.
func managedValues() (values map[string]any, source string, err error) {
	data, _, err := readFile(preferences)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, preferences, nil
	}
	if err != nil {
		return nil, preferences, err
	}
	if _, err := plist.Unmarshal(data, &values); err != nil {
		return nil, preferences, errors.New("isn't a property list of keys and values")
	}
	return values, preferences, nil
}
