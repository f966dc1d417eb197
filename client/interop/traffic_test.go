//go:build linux

package interop

// The transfer service of a lab's hosts.
const servicePort = "7000"

// serve starts the transfer service on every host behind the gateway.
func (l *lab) serve() {
	l.t.Helper()
	p := l.inside.start(nil, "@serve", ":"+servicePort)
	l.eventually("the transfer service", func() bool { p.running(); return p.said.String() != "" })
}

// ping ends the test unless the node reaches the address, with a small packet and with one larger than any MTU
// on the way.
func (n *node) ping(address string) {
	n.lab.t.Helper()
	n.must("@ping", address, "56", patience.String())
	n.must("@ping", address, "3000", patience.String())
}

// carries ends the test unless traffic for the host flows through the tunnel: echo requests from both ends, and 1 MiB by
// TCP each way. The client's address inside the tunnel is inner.
func (l *lab) carries(inner, host string) {
	l.t.Helper()
	refused := l.counted("forward")
	l.client.ping(host)
	l.inside.ping(inner)
	l.client.must("@transfer", host+":"+servicePort, "1048576")
	if n := l.counted("forward") - refused; n != 0 {
		l.t.Errorf("%s: %d packets came to the gateway in clear", host, n)
	}
}

// staysOutside ends the test unless a packet for the host leaves the client in clear, to be dropped by the gateway.
func (l *lab) staysOutside(host string) {
	l.t.Helper()
	refused := l.counted("forward")
	if _, err := l.client.try("@ping", host, "56", "500ms"); err == nil {
		l.t.Errorf("%s is reached through the tunnel", host)
	}
	if l.counted("forward") == refused {
		l.t.Errorf("no packet for %s came to the gateway in clear", host)
	}
}
