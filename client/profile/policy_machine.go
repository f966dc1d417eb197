package profile

import (
	"bytes"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// Machine is what an administrator demands of all profiles on this machine: the file
// policy.toml in the folder of administrators' files, with the keys of [policy] and
// trusted_keys. On Windows a group policy takes its place, on macOS the managed
// preferences do.
type Machine struct {
	Policy // without locked, it locks nothing

	// TrustedKeys (trusted_keys) are minisign public keys that vouch for bundles, beside
	// those in trusted.d.
	TrustedKeys []string
}

// fileMachine is Machine as a file has it.
type fileMachine struct {
	filePolicy
	TrustedKeys []string `toml:"trusted_keys"`
}

// MachineKeys are the keys of the machine's policy.
func MachineKeys() []string {
	return []string{"locked", "preset", "save_secrets", "minimum_strength", "allowed_gateways", "expires", "trusted_keys"}
}

// AdminFolder is where an administrator's files are: profiles.d, trusted.d, policy.toml.
func AdminFolder() string { return adminFolder() }

// LoadMachine returns the machine's policy, nil where there is none. One that can't be
// read is an error: nothing is to be used then.
func LoadMachine() (*Machine, error) {
	if values, source, err := managedValues(); err != nil || values != nil {
		if err != nil {
			return nil, &Error{File: source, Problem: err.Error()}
		}
		return machineOf(values, source)
	}
	return loadMachine(filepath.Join(adminFolder(), "policy.toml"))
}

// machineOf reads a policy from somewhere that isn't a file of ours. There, words take
// the place of true and false.
func machineOf(values map[string]any, source string) (*Machine, error) {
	switch values["save_secrets"] {
	case "true":
		values["save_secrets"] = true
	case "false":
		values["save_secrets"] = false
	}
	document, err := toml.Marshal(values)
	if err != nil {
		return nil, &Error{File: source, Problem: "has a value of an unknown kind"}
	}
	return parseMachine(document, source)
}

func loadMachine(path string) (*Machine, error) {
	data, _, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return parseMachine(data, path)
}

// parseMachine reads the file.
func parseMachine(data []byte, name string) (*Machine, error) {
	document := bytes.TrimPrefix(data, []byte("\ufeff"))
	var stands map[string]any
	if err := toml.Unmarshal(document, &stands); err != nil {
		return nil, syntaxError(err, name, document)
	}
	r := &reader{name: name, lines: map[string]int{}}
	for key := range stands {
		r.lines[key] = 1
		if !isMachineKey(key) {
			return nil, &Error{File: name, Key: cutKey(key), Problem: "unknown key; there are " + strings.Join(MachineKeys(), ", ")}
		}
	}
	var in fileMachine
	if err := toml.Unmarshal(document, &in); err != nil {
		return nil, &Error{File: name, Problem: "has a value of the wrong kind: lists stand in brackets, texts in quotes"}
	}
	m := &Machine{Policy: *defaultPolicy(), TrustedKeys: in.TrustedKeys}
	m.Locked = nil // "all" would be all keys of every profile
	r.rules(&m.Policy, &in.filePolicy, "")
	if fault, ok := errors.AsType[*Error](r.err); ok {
		fault.Line = 0 // which isn't known
		return nil, fault
	}
	return m, nil
}

func isMachineKey(key string) bool {
	for _, k := range MachineKeys() {
		if k == key {
			return true
		}
	}
	return false
}
