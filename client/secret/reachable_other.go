//go:build !linux

package secret

import (
	"fmt"
	"runtime"
	"time"
)

// reachable knows that these systems always have a keyring, which may ask a person.
func reachable() (time.Duration, error) {
	switch runtime.GOOS {
	case "darwin", "windows":
		return personLimit, nil
	}
	return 0, fmt.Errorf("%w: none is known for %s", ErrNone, runtime.GOOS)
}
