//go:build !linux

package gui

import "errors"

func startsAtLogin() bool { return false }

func startAtLogin(bool) error { return errors.ErrUnsupported }
