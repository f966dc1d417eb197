package profile

// NoFD is the value of Sources.FD when there is no descriptor to read.
const NoFD = -1

// Sources are the places that secrets come from beside the profile, named on
// this invocation.
type Sources struct {
	// FD is a file descriptor to read to its end and close, NoFD for none; 0
	// is the standard input. Lines: "secret=…", "password=…".
	FD int

	// CredentialsDirectory is a folder with the files NAME.secret and
	// NAME.password, $CREDENTIALS_DIRECTORY under systemd; "" for none.
	CredentialsDirectory string
}

// Resolve sets p.Secret and p.Password.
func (s Sources) Resolve(p *Profile) error { return nil }
