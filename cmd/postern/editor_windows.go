package main

// usualEditors are tried where a person names none.
var usualEditors = []string{"notepad.exe"}
