//go:build linux

package interop

import "time"

// How long a gateway or a client may take to refuse or to give up.
const waitForRefusal = 90 * time.Second

func removeBuilt() {}
