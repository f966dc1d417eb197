package localapi

// ProbeRequest asks what a gateway answers to.
type ProbeRequest struct {
	Host string `json:"host"` // a name or address, with ":port" where it isn't 500
	// Identity is a group's name for Aggressive Mode, where it is known.
	Identity string `json:"identity,omitempty"`
}

// ProbeReport is what a gateway answered to.
type ProbeReport struct {
	Schema  int    `json:"schema"` // 1
	Host    string `json:"host"`
	Address string `json:"address"`
}

// DoctorRequest asks for checks and a redacted report.
type DoctorRequest struct {
	Tunnel string `json:"tunnel,omitempty"` // a connection or system profile; "" for all
}

// DoctorReport is what was checked, with advice. There is no secret in it.
type DoctorReport struct {
	Schema int `json:"schema"` // 1
}
