package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Server is a listener with its connections.
type Server struct {
	config   Config
	listener net.Listener
	handle   func(ctx context.Context, conn net.Conn) // one connection, until its end
	end      func()                                   // more to do for Close; may be nil

	ctx    context.Context // done when the Server is closed
	cancel context.CancelFunc
	conns  sync.WaitGroup
}

// listen opens the listener.
func listen(address string, c Config) (*Server, error) {
	address = onLoopback(address)
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, listenError(address, err)
	}
	s := &Server{config: c, listener: l}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

const loopback = "127.0.0.1"

// onLoopback adds the loopback address to a port without a host. A host of *
// means all addresses.
func onLoopback(address string) string {
	switch {
	case !strings.Contains(address, ":"):
		return net.JoinHostPort(loopback, address)
	case strings.HasPrefix(address, ":"):
		return loopback + address
	}
	return strings.TrimPrefix(address, "*")
}

// wsaeAddrInUse is what Windows calls EADDRINUSE.
const wsaeAddrInUse = syscall.Errno(10048)

func listenError(address string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, wsaeAddrInUse) {
		return fmt.Errorf("proxy: %s is in use by another program: %w", address, err)
	}
	return fmt.Errorf("proxy: cannot listen on %s: %w", address, err)
}

// Addr returns what the server listens on.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Serve accepts connections until Close, and then returns nil.
func (s *Server) Serve() error {
	for {
		conn, err := s.listener.Accept()
		switch {
		case err == nil:
			if !s.start(conn) {
				conn.Close()
				return nil
			}
		case s.ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("proxy: accepting: %w", err)
		default: // no file descriptor left, or the client is gone again
			select {
			case <-s.ctx.Done():
				return nil
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
}

// start serves a connection in its own goroutine. false: the server is closed.
func (s *Server) start(conn net.Conn) bool {
	if s.ctx.Err() != nil {
		return false
	}
	s.conns.Go(func() {
		defer conn.Close()
		stop := context.AfterFunc(s.ctx, func() { conn.Close() })
		defer stop()
		s.handle(s.ctx, conn)
	})
	return true
}

// Close ends the listener and all connections, and waits for them.
func (s *Server) Close() error {
	s.cancel()
	err := s.listener.Close()
	if s.end != nil {
		s.end()
	}
	s.conns.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// relay copies between two connections until both directions have ended, or ctx
// has. It closes both.
func relay(ctx context.Context, a, b net.Conn) {
	stop := context.AfterFunc(ctx, func() {
		a.Close()
		b.Close()
	})
	defer stop()
	defer a.Close()
	defer b.Close()
	var back sync.WaitGroup
	back.Go(func() { copyStream(b, a) })
	copyStream(a, b)
	back.Wait()
}

// copyStream copies until the source ends, and ends the destination then. An
// error ends both: nothing that follows would arrive.
func copyStream(to, from net.Conn) {
	_, err := io.Copy(to, from)
	if err != nil || closeWrite(to) != nil {
		to.Close()
		from.Close()
	}
}

// closeWrite ends a stream in one direction, where it can.
func closeWrite(c net.Conn) error {
	if c, ok := c.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return c.Close()
}
