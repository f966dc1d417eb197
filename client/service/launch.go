package service

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"strconv"

	"postern/client"
	"postern/client/localapi"
	"postern/client/profile"
)

// launch is what a tunnel is made of.
type launch struct {
	id, name string
	owner    owner
	person   string
	gateway  profile.Gateway
	order    order
	secrets  map[string]localapi.Octets // a copy; cleared once it is sent
}

// prepare turns a request into what a worker is told. The secrets are copied.
func (m *Manager) prepare(c localapi.Caller, r localapi.ConnectRequest) (*launch, error) {
	l := &launch{owner: ofSystem, name: r.Profile, id: r.Profile, secrets: make(map[string]localapi.Octets)}
	l.order = order{NoPrompt: r.NoPrompt, Debug: m.config.Debug, StateDir: m.config.StateDir, FirstPrompt: (1 + rand.Uint64N(1<<32)) << 16}
	system := m.config.Mode == localapi.ModeSystem
	switch {
	case system && (r.Proxy != "" || len(r.Forwards) > 0):
		return nil, localapi.Unsupported("offer a proxy or forward ports, for it changes the network of the whole machine")
	case !system:
		l.order.Rootless = &client.Rootless{Proxy: r.Proxy, Forwards: r.Forwards}
	}
	document := r.Document
	if document != nil {
		l.owner, l.person, l.name = owner(c.UID), c.Name, document.Name
		l.id = l.owner.String() + ":" + document.Name
	} else if document = m.demo(r.Profile); document == nil {
		p, err := m.folder.read(r.Profile)
		if errors.Is(err, profile.ErrNotFound) {
			return nil, localapi.NoSuchProfile(r.Profile)
		}
		if err != nil {
			return nil, err
		}
		l.gateway = p.Gateway
		p.Clear()
	}
	if m.folder.path != "" {
		l.order.Path, l.order.Credentials = m.folder.file(l.name), m.folder.credentials
	}
	l.order.ID = guardID(l.id)
	l.order.Known = m.known(l.owner)
	if document != nil {
		p, isManaged, err := m.folder.own(document)
		if err != nil {
			return nil, err
		}
		l.gateway = p.Gateway
		if isManaged {
			p.Clear() // else what is in it is the request's
		}
		l.order.Document = &localapi.Document{Name: document.Name, TOML: document.TOML}
		copySecrets(l.secrets, documentSecret, document.Secrets)
		copySecrets(l.secrets, documentFile, document.Files)
	}
	if err := takeSecrets(new(profile.Profile), r.Secrets); err != nil {
		return nil, err
	}
	copySecrets(l.secrets, onceSecret, r.Secrets)
	return l, nil
}

// guardID is the ID of a tunnel's kill switch, which has an octet's bound.
func guardID(id string) string {
	if len(id) <= maxGuardID {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:])
}

const maxGuardID = 100 // octets

func copySecrets(to map[string]localapi.Octets, kind string, from map[string]localapi.Octets) {
	for key, s := range from {
		to[kind+key] = bytes.Clone(s)
	}
}

// demo is a profile of the daemon's own; nil: there is none of that name.
func (m *Manager) demo(name string) *localapi.Document {
	for i, d := range m.config.Demo {
		if d.Name == name {
			return &m.config.Demo[i]
		}
	}
	return nil
}

func (o owner) String() string { return strconv.FormatInt(int64(o), 10) }
