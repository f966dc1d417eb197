package localapi

import "net/http"

func (s *Server) metrics(w http.ResponseWriter, r *http.Request, c Caller) error {
	return Unsupported("count")
}
