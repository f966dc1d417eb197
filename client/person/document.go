package person

import (
	"postern/client/localapi"
	"postern/client/profile"
)

// Document is a profile whose secrets and files are read (profile.Sources.Resolve), for
// the daemon. It shares the octets of the profile's. The error is a *profile.Error.
func Document(p *profile.Profile) (*localapi.Document, error) {
	for key, path := range map[string]string{"certificate": p.Certificate, "key": p.Key} {
		if profile.InToken(path) {
			return nil, &profile.Error{File: p.File, Key: key, Problem: "is in a token, which the service can't open for you; use: postern run " + localapi.Word(p.Name)}
		}
	}
	parts := p.Parts()
	return &localapi.Document{Name: p.Name, TOML: string(parts.TOML), Secrets: octets(parts.Secrets), Files: octets(parts.Files)}, nil
}

func octets(m map[string][]byte) map[string]localapi.Octets {
	out := make(map[string]localapi.Octets, len(m))
	for k, v := range m {
		out[k] = localapi.Octets(v)
	}
	return out
}
