//go:build unix

package profile

import "io/fs"

// isPrivate says whether neither the file's group nor others may do anything
// with it.
func isPrivate(info fs.FileInfo) bool { return info.Mode().Perm()&0o077 == 0 }
