package concentrator

import _ "embed"

// Example is an annotated configuration file that shows every keyword.
//
//go:embed example.conf
var Example string
