//go:build unix

package main

// usualEditors are tried where a person names none.
var usualEditors = []string{"sensible-editor", "nano", "vi"}
