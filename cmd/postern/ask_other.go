//go:build !unix

package main

import (
	"errors"
	"os"
)

// openTerminal fails: a Windows console is two files, and neither has deadlines.
func openTerminal() (*os.File, error) {
	return nil, errors.New("asking on this system's console is not yet possible")
}
