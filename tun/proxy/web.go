package proxy

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"sync"
)

// webProxy speaks HTTP's proxy forms: CONNECT (RFC 9110, section 9.3.6), and
// requests with an absolute URI (RFC 9112, section 3.2.2). Other requests are
// refused: a web page that is led to this port by its name gets nothing.
type webProxy struct {
	server    *Server
	http      http.Server
	transport http.Transport
	accepted  chan *bufferedConn
	serving   sync.WaitGroup
}

func newWebProxy(s *Server) *webProxy {
	w := &webProxy{server: s, accepted: make(chan *bufferedConn)}
	silent := log.New(io.Discard, "", 0)
	w.transport = http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return s.config.dial(ctx, network, address)
		},
		DisableCompression: true, // what the client didn't ask for
		IdleConnTimeout:    handshake,
	}
	plain := &httputil.ReverseProxy{
		Rewrite:      func(r *httputil.ProxyRequest) { r.Out.Host = r.In.Host },
		Transport:    &w.transport,
		ErrorLog:     silent,
		ErrorHandler: func(rw http.ResponseWriter, _ *http.Request, err error) { refuse(rw, err) },
	}
	w.http = http.Server{
		ReadHeaderTimeout: handshake,
		IdleTimeout:       handshake,
		ErrorLog:          silent,
		Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			switch {
			case r.Method == http.MethodConnect:
				w.connect(rw, r)
			case r.URL.Scheme == "http" && r.URL.Host != "":
				plain.ServeHTTP(rw, r)
			default:
				http.Error(rw, "this is a proxy: it takes CONNECT and absolute http:// addresses", http.StatusBadRequest)
			}
		}),
	}
	w.serving.Go(func() { _ = w.http.Serve(w) })
	return w
}

func refuse(rw http.ResponseWriter, err error) {
	code := http.StatusBadGateway
	if errors.Is(err, context.DeadlineExceeded) {
		code = http.StatusGatewayTimeout
	}
	http.Error(rw, err.Error(), code)
}

// connect serves CONNECT.
func (w *webProxy) connect(rw http.ResponseWriter, r *http.Request) {
	dialing, cancel := context.WithTimeout(r.Context(), dialTimeout)
	defer cancel()
	remote, err := w.server.config.dial(dialing, "tcp", r.Host)
	if err != nil {
		refuse(rw, err)
		return
	}
	conn, buffered, err := http.NewResponseController(rw).Hijack()
	if err != nil {
		remote.Close()
		refuse(rw, err)
		return
	}
	client := &bufferedConn{conn, buffered.Reader}
	_, _ = io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n")
	relay(w.server.ctx, client, remote)
}

// serve hands a connection to the HTTP server and waits for its end.
func (w *webProxy) serve(c *bufferedConn) {
	closed := make(chan struct{})
	var once sync.Once
	served := &bufferedConn{&closeSignal{c.Conn, func() { once.Do(func() { close(closed) }) }}, c.r}
	select {
	case w.accepted <- served:
		<-closed
	case <-w.server.ctx.Done():
	}
}

// closeSignal is a connection that tells when it is closed.
type closeSignal struct {
	net.Conn
	signal func()
}

func (c *closeSignal) Close() error {
	defer c.signal()
	return c.Conn.Close()
}

func (c *closeSignal) CloseWrite() error { return closeWrite(c.Conn) }

// Accept implements net.Listener: it returns the connections given to serve.
func (w *webProxy) Accept() (net.Conn, error) {
	select {
	case c := <-w.accepted:
		return c, nil
	case <-w.server.ctx.Done():
		return nil, net.ErrClosed
	}
}

// Addr implements net.Listener.
func (w *webProxy) Addr() net.Addr { return w.server.Addr() }

// Close implements net.Listener. The Server's own end is what closes it.
func (w *webProxy) Close() error { return nil }

// close ends all connections that speak HTTP, those inside the tunnel too.
func (w *webProxy) close() {
	w.http.Close()
	w.serving.Wait()
	w.transport.CloseIdleConnections()
}
