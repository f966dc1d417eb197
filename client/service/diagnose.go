package service

import (
	"context"

	"postern/client/diagnosis"
	"postern/client/localapi"
)

// diagnoses is how many probes and checks run at a time. Chosen here.
const diagnoses = 4

// Probe asks a gateway what it answers to. It sends to an address that the caller names,
// so it is for those who may connect too; without the service anybody can.
func (m *Manager) Probe(ctx context.Context, c localapi.Caller, r localapi.ProbeRequest) (*localapi.ProbeReport, error) {
	if err := m.rights.require(ctx, c, "probe gateways"); err != nil {
		m.refused(c, "probe", r.Host)
		return nil, err
	}
	leave, err := m.diagnose(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	return diagnosis.Probe(ctx, r)
}

// diagnose waits for a place among those that find something out.
func (m *Manager) diagnose(ctx context.Context) (leave func(), err error) {
	select {
	case m.diagnosing <- struct{}{}:
		return func() { <-m.diagnosing }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
