package profile

import "errors"

// Find returns the path of a profile.
func Find(nameOrFile string) (string, error) { return "", errors.ErrUnsupported }
