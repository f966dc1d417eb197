package tun

// anyName makes the system choose the number.
const anyName = "utun"

func remedy(error) string { return "" }
