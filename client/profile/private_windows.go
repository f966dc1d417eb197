package profile

import "io/fs"

// isPrivate is true: the mode bits that Go reports on Windows say nothing about
// the access list, and a user's folder there is closed to other users.
func isPrivate(fs.FileInfo) bool { return true }
