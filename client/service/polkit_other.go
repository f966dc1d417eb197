//go:build !linux

package service

import (
	"context"

	"postern/client/localapi"
)

// systemPolkit is nobody: there is no polkit on this system.
func systemPolkit(context.Context, localapi.Caller, bool) (verdict, error) { return denied, nil }
