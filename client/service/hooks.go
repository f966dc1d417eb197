package service

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"postern/client"
	"postern/client/localapi"
)

// hooks are programs of the administrator's, called as vpnc calls its script: the same
// variables, the same reasons. They run with the daemon's rights, one after the other,
// in the order of their names.
type hooks struct {
	folder string // "": there are none
	log    func(owner, localapi.LogLine)
}

// The reasons.
const (
	preInit          = "pre-init"          // before the connection is begun
	connected        = "connect"           // it is up
	disconnected     = "disconnect"        // it was up, and has ended
	attemptReconnect = "attempt-reconnect" // it was lost
	reconnected      = "reconnect"         // it is up again
)

// Limits of a hook. Chosen here.
const (
	hookTimeout = 30 * time.Second
	hookOutput  = 200 // lines
	hookText    = 500 // characters of a line, and of what a gateway said
)

// hookName is what run-parts(8) takes too, with a suffix allowed.
var hookName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)

// list returns the programs that may run, and says of the others why not.
func (h *hooks) list() (programs []string, problems []error) {
	entries, err := os.ReadDir(h.folder)
	if err != nil {
		return nil, []error{err}
	}
	for _, e := range entries {
		path := filepath.Join(h.folder, e.Name())
		info, err := os.Lstat(path)
		switch {
		case !hookName.MatchString(e.Name()) || leftover(e.Name()):
			continue
		case err == nil:
			err = trusted(path)
		}
		if err != nil {
			problems = append(problems, err)
			continue
		}
		if info.Mode().Perm()&0o100 != 0 {
			programs = append(programs, path)
		}
	}
	return programs, problems
}

// leftover says whether a package manager or an editor put a file aside.
func leftover(name string) bool {
	for _, end := range []string{".dpkg-old", ".dpkg-new", ".dpkg-dist", ".dpkg-tmp", ".rpmsave", ".rpmnew", ".rpmorig", ".bak", ".orig", ".swp"} {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return false
}

// call runs all programs.
func (h *hooks) call(t *tunnel, reason string, st client.Status) {
	programs, problems := h.list()
	say := func(level, text string, attrs map[string]string) {
		h.log(t.owner, localapi.LogLine{Time: time.Now(), Level: level, Tunnel: t.id, Message: text, Attrs: attrs})
	}
	for _, p := range problems {
		h.log(ofDaemon, localapi.LogLine{Time: time.Now(), Level: "warn", Message: "a hook " + p.Error()})
	}
	for _, p := range programs {
		name := filepath.Base(p)
		lines := 0
		err := runHook(p, hookEnvironment(reason, st), hookTimeout, func(line string) {
			if lines++; lines <= hookOutput {
				say("info", clean(line, hookText), map[string]string{"hook": name})
			}
		})
		if err != nil {
			say("warn", "a hook failed", map[string]string{"hook": name, "reason": reason, "error": err.Error()})
		}
	}
}

// hookEnvironment is all that a hook is told: of vpnc's variables those that are known.
// Nothing of the daemon's own environment is in it.
func hookEnvironment(reason string, st client.Status) []string {
	env := []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"reason=" + reason,
		fmt.Sprintf("VPNPID=%d", os.Getpid()),
		"POSTERN_PROFILE=" + st.Profile,
	}
	set := func(name, value string) {
		if value = clean(value, hookText); value != "" {
			env = append(env, name+"="+value)
		}
	}
	if st.Gateway != nil && st.Gateway.Address.IsValid() {
		set("VPNGATEWAY", st.Gateway.Address.Addr().String())
	}
	t := st.Tunnel
	if t == nil {
		return env
	}
	set("TUNDEV", t.Interface)
	set("INTERNAL_IP4_MTU", fmt.Sprint(t.MTU))
	four, six := lists(t.DNS)
	nbns, _ := lists(t.NBNS)
	if a := t.Address; a.Is4() {
		set("INTERNAL_IP4_ADDRESS", a.String())
		set("INTERNAL_IP4_NETMASK", "255.255.255.255")
		set("INTERNAL_IP4_NETMASKLEN", "32")
		set("INTERNAL_IP4_NETADDR", a.String())
	} else if a.Is6() {
		set("INTERNAL_IP6_ADDRESS", a.String())
		set("INTERNAL_IP6_NETMASK", a.String()+"/128")
	}
	set("INTERNAL_IP4_DNS", four)
	set("INTERNAL_IP6_DNS", six)
	set("INTERNAL_IP4_NBNS", nbns)
	set("CISCO_DEF_DOMAIN", strings.Join(domains(t.Search), " "))
	set("CISCO_SPLIT_DNS", strings.Join(domains(t.SplitDNS), ","))
	set("CISCO_BANNER", t.Banner)
	env = append(env, splitEnvironment("INC", t.Networks)...)
	return append(env, splitEnvironment("EXC", t.Exclude)...)
}

// lists are the addresses of each family, with blanks in between.
func lists(addresses []netip.Addr) (four, six string) {
	var both [2][]string
	for _, a := range addresses {
		family := 1
		if a.Is4() {
			family = 0
		}
		both[family] = append(both[family], a.String())
	}
	return strings.Join(both[0], " "), strings.Join(both[1], " ")
}

var domainName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*$`)

// domains are those of a gateway's words that are domain names.
func domains(names []string) (out []string) {
	for _, n := range names {
		if n = strings.Trim(n, "."); domainName.MatchString(n) {
			out = append(out, n)
		}
	}
	return out
}

// splitEnvironment lists networks: their count, then each by its number. Without any,
// and with one that is everything, there is no split.
func splitEnvironment(kind string, networks []netip.Prefix) (env []string) {
	counts := map[bool]int{}
	for _, n := range networks {
		if n.Bits() == 0 {
			continue
		}
		four := n.Addr().Is4()
		name := fmt.Sprintf("CISCO_SPLIT_%s_%d", kind, counts[four])
		if !four {
			name = fmt.Sprintf("CISCO_IPV6_SPLIT_%s_%d", kind, counts[four])
		}
		counts[four]++
		env = append(env, name+"_ADDR="+n.Masked().Addr().String())
		if four {
			env = append(env, name+"_MASK="+net.IP(net.CIDRMask(n.Bits(), 32)).String())
		}
		env = append(env, fmt.Sprintf("%s_MASKLEN=%d", name, n.Bits()))
	}
	for four, prefix := range map[bool]string{true: "CISCO_SPLIT_", false: "CISCO_IPV6_SPLIT_"} {
		if counts[four] > 0 {
			env = append(env, fmt.Sprintf("%s%s=%d", prefix, kind, counts[four]))
		}
	}
	return env
}

// hookEvents turns a tunnel's states into reasons to call hooks, which run one after
// the other beside the connection.
type hookEvents struct {
	mu    sync.Mutex
	queue chan func()
	ended chan struct{}
	up    client.Status // as it was up last
	state string        // the last reason
}

// open is before the connection begins, and waits for the hooks of that.
func (e *hookEvents) open(t *tunnel) {
	if t.m.hooks.folder == "" {
		return
	}
	e.mu.Lock()
	queue, ended := make(chan func(), 64), make(chan struct{})
	e.queue, e.ended, e.state = queue, ended, preInit
	e.mu.Unlock()
	t.m.hooks.call(t, preInit, client.Status{Profile: t.profile})
	go func() {
		defer close(ended)
		for f := range queue {
			f()
		}
	}()
}

// saw takes a status.
func (e *hookEvents) saw(t *tunnel, st client.Status) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.queue == nil {
		return
	}
	before := e.state
	switch {
	case st.State == client.Up && before == preInit:
		e.state = connected
	case st.State == client.Up && before == attemptReconnect:
		e.state = reconnected
	case st.State == client.Reconnecting && (before == connected || before == reconnected):
		e.state = attemptReconnect
	}
	if st.State == client.Up {
		e.up = st
	}
	if e.state == before {
		return
	}
	reason, st := e.state, e.up
	select {
	case e.queue <- func() { t.m.hooks.call(t, reason, st) }:
	default: // they don't keep up
	}
}

// close is after the connection's end, and waits for the hooks.
func (e *hookEvents) close(t *tunnel) {
	e.mu.Lock()
	queue, up, was := e.queue, e.up, e.state
	e.queue = nil
	e.mu.Unlock()
	if queue == nil {
		return
	}
	close(queue)
	<-e.ended
	if was != preInit {
		t.m.hooks.call(t, disconnected, up)
	}
}

// runHook runs one program. say is called for each line of its output.
func runHook(path string, env []string, limit time.Duration, say func(string)) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	err := runGroup(ctx, path, env, say)
	if ctx.Err() != nil {
		return fmt.Errorf("took longer than %v and was killed", limit)
	}
	return err
}
