package tun

// Framing says how a socket's datagrams are told apart.
type Framing uint8

const (
	// ByRemotePort is a client's: what comes from port 500 is plain IKE, all else
	// is framed by RFC 3948.
	ByRemotePort Framing = iota
	// PlainIKE is a gateway's port 500: IKE without marker, and nothing else.
	PlainIKE
	// Encapsulated is a gateway's port 4500, or its own choice of a port:
	// everything is framed by RFC 3948.
	Encapsulated
)
