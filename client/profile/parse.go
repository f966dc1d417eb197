package profile

import "errors"

// Load reads the profile in a file.
func Load(path string) (*Profile, error) { return nil, errors.ErrUnsupported }

// Parse reads a profile.
func Parse(data []byte, name string) (*Profile, error) { return nil, errors.ErrUnsupported }
