package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/user"

	"postern/client"
	"postern/client/diagnosis"
	"postern/client/localapi"
	"postern/client/profile"
)

// visit gathers what a doctor looks at: the person's own programs read the profiles and
// the keyring, and the service tells what it alone may see.
type visit struct {
	diagnosis.Subject
	name   string // of the profile that was named; "": all
	served bool   // what was named is the service's to read
}

func (v *visit) clear() {
	for _, p := range v.Profiles {
		p.Clear()
	}
}

// readProfiles reads the profile that was named, or all that we may.
func (v *visit) readProfiles() error {
	if v.name == "" {
		for _, e := range profile.List() {
			if e.Profile != nil {
				e.Profile.Clear() // read again below, with all that belongs to it
			}
			if !e.Hidden && !(e.System && errors.Is(e.Problem, fs.ErrPermission)) {
				v.read(e.Name, e.File)
			}
		}
		return nil
	}
	path, err := profile.Find(v.name)
	switch {
	case errors.Is(err, profile.ErrNotFound) && profile.CheckName(v.name) == nil:
		v.served = true // it may know of it
		return nil
	case err != nil:
		return err
	}
	if err := v.read(v.name, path); isSystem(path) && errors.Is(err, fs.ErrPermission) {
		v.Own, v.served = nil, true
	}
	return nil
}

// read reads one profile; what is wrong with it is a check.
func (v *visit) read(name, path string) error {
	p, err := loadProfile(path, profile.NoFD, v.name != "")
	c := localapi.Check{ID: "profile", Title: "Profile", Profile: name, Verdict: localapi.VerdictOK, Found: shorten(path) + " can be used."}
	if p != nil {
		v.Profiles = append(v.Profiles, p)
		c.Profile = p.Name
	}
	if err != nil {
		r := client.Explain(err)
		c.Verdict, c.Found, c.Advice = localapi.VerdictFail, r.Message, r.Try
	}
	v.Own = append(v.Own, c)
	return err
}

// reportedLines is how much of the log goes into a report.
const reportedLines = 500

// askService asks the service for its view of things, if one answers.
func (v *visit) askService(ctx context.Context, g globals) error {
	api := g.service()
	defer api.Close()
	about := localapi.Check{ID: "service", Title: "Service", Verdict: localapi.VerdictOK}
	defer func() { v.Own = append([]localapi.Check{about}, v.Own...) }()
	snapshot, err := api.Snapshot(ctx)
	if err != nil {
		if v.served {
			return localapi.NoSuchProfile(v.name)
		}
		r := client.Explain(err)
		about.Verdict, about.Found, about.Advice = localapi.VerdictWarn, r.Message, r.Try
		if r.Code == localapi.CodeNoService {
			about.Advice = "Start it: sudo systemctl start postern. Without it there are postern run and, without privileges, postern run --rootless."
		}
		return nil
	}
	v.Snapshot = &snapshot
	about.Found = fmt.Sprintf("It answers at %s, version %s.", api.Socket(), snapshot.Version)
	switch {
	case !snapshot.Control:
		me := "$USER"
		if u, err := user.Current(); err == nil {
			me = localapi.Word(u.Username)
		}
		about.Verdict, about.Found = localapi.VerdictWarn, about.Found+" You may look, but not connect."
		about.Advice = "Have an administrator run this, then log in again: sudo usermod -aG " + localapi.Group + " " + me
	case snapshot.Version != v.Version:
		about.Verdict, about.Found = localapi.VerdictWarn, about.Found+" This program is "+v.Version+"."
		about.Advice = "Restart the service after an update: sudo systemctl restart postern."
	}
	return v.askDaemon(ctx, api)
}

// askDaemon has the daemon look too, and fetches the end of its log.
func (v *visit) askDaemon(ctx context.Context, api *localapi.Client) error {
	request := localapi.DoctorRequest{}
	if v.served {
		request.Tunnel = v.name
	}
	report, err := api.Doctor(ctx, request)
	switch {
	case err == nil:
		v.Daemon = report.Checks
	case v.served:
		return err // it names what isn't there
	case ctx.Err() != nil:
		return ctx.Err()
	default:
		v.Own = append(v.Own, localapi.Check{
			ID: "service_checks", Title: "The service's own checks", Verdict: localapi.VerdictSkipped, Found: client.Explain(err).Message,
		})
	}
	if !v.Bundle {
		return nil
	}
	for line, err := range api.Log(ctx, localapi.LogRequest{}) {
		if err != nil {
			break
		}
		v.Log = append(v.Log, line)
		if len(v.Log) > 2*reportedLines {
			v.Log = append(v.Log[:0], v.Log[len(v.Log)-reportedLines:]...)
		}
	}
	v.Log = v.Log[max(0, len(v.Log)-reportedLines):]
	return nil
}
