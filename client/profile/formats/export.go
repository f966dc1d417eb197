package formats

import (
	"fmt"
	"strings"

	"postern/client/profile"
)

// exporter writes one format.
type exporter struct {
	name string

	// write says in notes what the format has no place for. The profile's secrets are
	// written only where secrets is true.
	write func(p *profile.Profile, secrets bool) ([]byte, []Note, error)
}

var exporters = []exporter{}

// ExportFormats lists the names of the formats that Export writes.
func ExportFormats() []string {
	var out []string
	for _, e := range exporters {
		out = append(out, e.name)
	}
	return out
}

// Export writes a profile in another client's format. The notes say what that format
// has no place for. Secrets are written only when asked for; the caller then keeps the
// file from others.
func Export(p *profile.Profile, format string, secrets bool) ([]byte, []Note, error) {
	for _, e := range exporters {
		if e.name == format {
			return e.write(p, secrets)
		}
	}
	return nil, nil, fmt.Errorf("%s is no format that can be written; there are %s", quoted(format), strings.Join(ExportFormats(), ", "))
}
