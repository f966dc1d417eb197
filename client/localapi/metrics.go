package localapi

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// metrics answers in Prometheus' text format, version 0.0.4, with what the caller may
// know.
func (s *Server) metrics(w http.ResponseWriter, r *http.Request, c Caller) error {
	if err := query(r, nil); err != nil {
		return err
	}
	snap, _ := s.backend.Snapshot(c)
	s.send(w, http.StatusOK, "text/plain; version=0.0.4; charset=utf-8", exposition(snap, time.Now()))
	return nil
}

// states are all there are, so that a series ends at 0 and not in nothing.
var states = []State{Down, Resolving, Connecting, Authenticating, WaitingForInput, Configuring, Up, Rekeying, Reconnecting, Failed}

// exposition writes a snapshot as families of samples.
func exposition(snap Snapshot, now time.Time) []byte {
	var b families
	b.family("postern_build_info", "gauge", "The daemon that answers.")
	b.sample(1, "version", snap.Version, "mode", string(snap.Mode))

	b.family("postern_tunnel_info", "gauge", "A connection, its owner and its gateway.")
	for _, t := range snap.Tunnels {
		labels := []string{"tunnel", t.ID, "profile", t.Profile, "owner", t.Owner}
		if t.Gateway != nil {
			labels = append(labels, "gateway", t.Gateway.Name)
		}
		if t.Tunnel != nil {
			labels = append(labels, "interface", t.Tunnel.Interface)
		}
		b.sample(1, labels...)
	}
	b.family("postern_tunnel_state", "gauge", "1 for the state that a connection is in, 0 for the others.")
	for _, t := range snap.Tunnels {
		for _, state := range states {
			var is float64
			if t.State == state {
				is = 1
			}
			b.sample(is, "tunnel", t.ID, "state", string(state))
		}
	}
	b.family("postern_tunnel_state_since_timestamp_seconds", "gauge", "When the state began, in Unix time.")
	for _, t := range snap.Tunnels {
		b.sample(float64(t.Since.UnixMilli())/1000, "tunnel", t.ID)
	}
	b.traffic(snap.Tunnels)
	b.ages(snap.Tunnels, now)
	return b.Bytes()
}

// families are lines of the text format.
type families struct {
	bytes.Buffer
	name string // of the family
}

func (b *families) family(name, kind, help string) {
	b.name = name
	fmt.Fprintf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

// escape writes a label's value: a line end, a quote and a backslash bear a backslash.
var escape = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)

// sample writes a line with labels: name, value, name, value. Those without a value are
// left out, which means the same.
func (b *families) sample(value float64, labels ...string) {
	b.WriteString(b.name)
	open := byte('{')
	for pair := range slices.Chunk(labels, 2) {
		if pair[1] == "" {
			continue
		}
		b.WriteByte(open)
		fmt.Fprintf(b, `%s="%s"`, pair[0], escape.Replace(strings.ToValidUTF8(pair[1], "\ufffd")))
		open = ','
	}
	if open == ',' {
		b.WriteByte('}')
	}
	b.WriteString(" " + strconv.FormatFloat(value, 'f', -1, 64) + "\n")
}

// traffic writes the counters of the connections that have some.
func (b *families) traffic(tunnels []Tunnel) {
	each := func(count func(id, direction string, c TrafficCount)) {
		for _, t := range tunnels {
			if t.Traffic != nil {
				count(t.ID, "in", t.Traffic.In)
				count(t.ID, "out", t.Traffic.Out)
			}
		}
	}
	b.family("postern_tunnel_bytes_total", "counter", "Octets of inner packets since the tunnel came up.")
	each(func(id, direction string, c TrafficCount) {
		b.sample(float64(c.Octets), "tunnel", id, "direction", direction)
	})
	b.family("postern_tunnel_packets_total", "counter", "Inner packets since the tunnel came up.")
	each(func(id, direction string, c TrafficCount) {
		b.sample(float64(c.Packets), "tunnel", id, "direction", direction)
	})
	b.family("postern_tunnel_dropped_packets_total", "counter", "Packets that were dropped since the tunnel came up, by reason.")
	each(func(id, direction string, c TrafficCount) {
		for _, reason := range slices.Sorted(maps.Keys(c.Dropped)) {
			b.sample(float64(c.Dropped[reason]), "tunnel", id, "direction", direction, "reason", reason)
		}
	})
}

// ages writes how old the SAs are.
func (b *families) ages(tunnels []Tunnel, now time.Time) {
	age := func(since time.Time) float64 { return max(0, now.Sub(since).Round(time.Millisecond).Seconds()) }
	b.family("postern_ike_age_seconds", "gauge", "Age of the IKE SA.")
	for _, t := range tunnels {
		if t.IKE != nil {
			b.sample(age(t.IKE.Since), "tunnel", t.ID)
		}
	}
	b.family("postern_esp_age_seconds", "gauge", "Age of a pair of ESP SAs, by the SPI of the inbound one.")
	for _, t := range tunnels {
		for _, sa := range t.SAs {
			b.sample(age(sa.Since), "tunnel", t.ID, "spi", sa.Inbound)
		}
	}
}
