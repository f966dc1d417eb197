package profile

// Weak says in short plain sentences what in p is weak.
func (p *Profile) Weak() []string { return nil }
