package profile

import (
	"errors"
	"slices"

	"golang.org/x/sys/windows/registry"
)

// policyPath is where a group policy writes what packaging/windows/postern.admx offers.
// Only administrators can write there.
const policyPath = `SOFTWARE\Policies\Postern`

// managedValues is what a group policy says of the machine's policy, nil where none does.
func managedValues() (values map[string]any, source string, err error) {
	source = `HKLM\` + policyPath
	k, err := registry.OpenKey(registry.LOCAL_MACHINE, policyPath, registry.QUERY_VALUE)
	if errors.Is(err, registry.ErrNotExist) {
		return nil, source, nil
	}
	if err != nil {
		return nil, source, err
	}
	defer k.Close()
	names, err := k.ReadValueNames(0)
	if err != nil {
		return nil, source, err
	}
	for _, name := range names {
		if name == "" {
			continue
		}
		if values == nil {
			values = map[string]any{}
		}
		list, _, err := k.GetStringsValue(name)
		if err == nil {
			values[name] = slices.DeleteFunc(list, func(s string) bool { return s == "" })
			continue
		}
		text, _, err := k.GetStringValue(name)
		if err != nil {
			return nil, source, errors.New(name + " is neither text nor a list of texts")
		}
		values[name] = text
	}
	return values, source, nil
}
