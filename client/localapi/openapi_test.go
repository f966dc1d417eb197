package localapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/google/go-cmp/cmp"

	"postern/client/prompt"
)

// described is what openapi.json says of a call beside its types.
type described struct {
	summary  string
	request  any
	query    map[string]string // type by name
	response any               // "": text; lines: one a line
	lines    bool
}

var descriptions = map[string]described{
	"/v1/status":       {summary: "Everything that the caller may know, whole", response: Snapshot{}},
	"/v1/watch":        {summary: "The snapshot, now and after each change: at most ten a second, counters once a second while a tunnel is up, a blank line after 30 seconds of silence", response: Snapshot{}, lines: true},
	"/v1/profiles":     {summary: "The system's profiles", response: ProfilesReply{}},
	"/v1/connect":      {summary: "Begin a connection", request: ConnectRequest{}, response: ConnectReply{}},
	"/v1/disconnect":   {summary: "End a connection, or all that the caller may control", request: TunnelRequest{}, response: struct{}{}},
	"/v1/reconnect":    {summary: "Make a connection anew", request: TunnelRequest{}, response: struct{}{}},
	"/v1/answer":       {summary: "Answer a prompt, or cancel it", request: AnswerRequest{}, response: struct{}{}},
	"/v1/log":          {summary: "Lines of the daemon's log that the caller may read; with follow the coming ones too. A line {\"error\": …} is the last one, and says why", query: map[string]string{"tunnel": "string", "follow": "boolean"}, response: LogLine{}, lines: true},
	"/v1/probe":        {summary: "What a gateway answers to", request: ProbeRequest{}, response: ProbeReport{}},
	"/v1/doctor":       {summary: "Checks with advice, and a report without secrets", request: DoctorRequest{}, response: DoctorReport{}},
	"/v1/metrics":      {summary: "Counters in Prometheus' text format, version 0.0.4", response: ""},
	"/v1/version":      {summary: "Which daemon answers", response: VersionReply{}},
	"/v1/openapi.json": {summary: "This description", response: map[string]any(nil)},
}

const about = `HTTP and JSON over a Unix socket: /run/postern/postern.sock for the system's daemon, $XDG_RUNTIME_DIR/postern.sock for a person's own (named pipes on Windows: \\.\pipe\postern). The kernel says who calls; there is no password. Try: curl --unix-socket /run/postern/postern.sock http://postern/v1/status

The Host header is "postern" or empty. Requests with Origin, Referer or Sec-Fetch-Site, with unknown fields, a field twice, another Content-Type than application/json or more than 64 KiB are refused. Requests aren't pipelined. Answers may get further fields: ignore those that you don't know.`

type object = map[string]any

// describe writes openapi.json: paths from the table above, types by reflection, words
// from the comments.
func describe(t *testing.T) []byte {
	w := &writer{comments: comments(t), schemas: object{}}
	paths := object{}
	for path, d := range descriptions {
		operation := object{
			"operationId": strings.Trim(strings.NewReplacer("/v1/", "", ".json", "").Replace(path), "/"),
			"summary":     d.summary,
			"responses": object{
				"200":     object{"description": "It worked", "content": w.content(d)},
				"default": object{"description": "It didn't", "content": object{"application/json": object{"schema": w.schema(reflect.TypeFor[failure](), "")}}},
			},
		}
		if d.request != nil {
			w.strict = true
			operation["requestBody"] = object{"required": true, "content": object{"application/json": object{"schema": w.schema(reflect.TypeOf(d.request), "")}}}
			w.strict = false
		}
		var parameters []object
		for _, name := range slices.Sorted(maps.Keys(d.query)) {
			parameters = append(parameters, object{"name": name, "in": "query", "schema": object{"type": d.query[name]}})
		}
		if parameters != nil {
			operation["parameters"] = parameters
		}
		paths[path] = object{strings.ToLower(calls[path].method): operation}
	}
	out, err := json.MarshalIndent(object{
		"openapi":    "3.0.3",
		"info":       object{"title": "postern's local API", "version": "1", "description": about},
		"servers":    []object{{"url": "http://" + Host}},
		"paths":      paths,
		"components": object{"schemas": w.schemas},
	}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(out, '\n')
}

// writer turns types into schemas.
type writer struct {
	comments map[string]string // by "Type" and "Type.Field"
	schemas  object
	strict   bool // unknown fields are refused
}

func (w *writer) content(d described) object {
	switch {
	case d.response == "":
		return object{"text/plain": object{"schema": object{"type": "string"}}}
	case d.lines:
		return object{"application/x-ndjson": object{"schema": w.schema(reflect.TypeOf(d.response), "")}}
	}
	return object{"application/json": object{"schema": w.schema(reflect.TypeOf(d.response), "")}}
}

// plain are the types that are one value in JSON.
var plain = map[reflect.Type]object{
	reflect.TypeFor[time.Time]():      {"type": "string", "format": "date-time"},
	reflect.TypeFor[time.Duration]():  {"type": "integer", "format": "int64"},
	reflect.TypeFor[Octets]():         {"type": "string", "format": "byte"},
	reflect.TypeFor[netip.Addr]():     {"type": "string"},
	reflect.TypeFor[netip.AddrPort](): {"type": "string"},
	reflect.TypeFor[netip.Prefix]():   {"type": "string"},
	reflect.TypeFor[State]():          {"type": "string", "enum": states},
	reflect.TypeFor[Mode]():           {"type": "string", "enum": []Mode{ModeSystem, ModeUser, ModeDemo}},
	reflect.TypeFor[Verdict]():        {"type": "string", "enum": []Verdict{VerdictOK, VerdictWarn, VerdictFail, VerdictSkipped}},
	reflect.TypeFor[prompt.Kind]():    {"type": "string", "enum": []prompt.Kind{prompt.Text, prompt.Secret, prompt.Passcode, prompt.NewPIN, prompt.YesNo}},
}

// schema describes a type, with a comment.
func (w *writer) schema(t reflect.Type, comment string) object {
	out := object{}
	if comment != "" {
		out["description"] = comment
	}
	if p, ok := plain[t]; ok {
		maps.Copy(out, p)
		return out
	}
	switch t.Kind() {
	case reflect.Pointer:
		return w.schema(t.Elem(), comment)
	case reflect.Bool:
		out["type"] = "boolean"
	case reflect.String:
		out["type"] = "string"
	case reflect.Int, reflect.Int32, reflect.Int64:
		out["type"] = "integer"
	case reflect.Uint16, reflect.Uint32, reflect.Uint64:
		out["type"], out["minimum"] = "integer", 0
	case reflect.Slice:
		out["type"], out["items"] = "array", w.schema(t.Elem(), "")
	case reflect.Map:
		out["type"] = "object"
		if t.Elem().Kind() != reflect.Interface {
			out["additionalProperties"] = w.schema(t.Elem(), "")
		}
	case reflect.Struct:
		if t.Name() == "" {
			out["type"] = "object"
			return out
		}
		w.object(t)
		// In 3.0 nothing stands beside a $ref.
		ref := object{"$ref": "#/components/schemas/" + schemaName(t)}
		if comment == "" {
			return ref
		}
		out["allOf"] = []object{ref}
	default:
		panic("no schema for " + t.String())
	}
	return out
}

func schemaName(t reflect.Type) string {
	return strings.ToUpper(t.Name()[:1]) + t.Name()[1:]
}

// object describes a struct type among the components.
func (w *writer) object(t reflect.Type) {
	name := schemaName(t)
	if _, there := w.schemas[name]; there {
		return
	}
	properties := object{}
	out := object{"type": "object", "properties": properties}
	if c := w.comments[t.Name()]; c != "" {
		out["description"] = c
	}
	if w.strict {
		out["additionalProperties"] = false
	}
	w.schemas[name] = out
	var required []string
	for _, f := range reflect.VisibleFields(t) {
		if f.Anonymous {
			continue
		}
		tag, option, _ := strings.Cut(f.Tag.Get("json"), ",")
		owner := t
		if len(f.Index) > 1 {
			owner = t.FieldByIndex(f.Index[:1]).Type
		}
		property := w.schema(f.Type, w.comments[owner.Name()+"."+f.Name])
		if option == "" && !slices.Contains(required, tag) {
			required = append(required, tag)
			if f.Type.Kind() == reflect.Slice || f.Type.Kind() == reflect.Map {
				property["nullable"] = true
			}
		}
		properties[tag] = property
	}
	if required != nil {
		out["required"] = required
	}
}

// comments are those of the types in JSON and of their fields.
func comments(t *testing.T) map[string]string {
	out := map[string]string{}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, "../prompt/prompt.go") {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range g.Specs {
				s, ok := spec.(*ast.TypeSpec)
				if !ok {
					continue
				}
				out[s.Name.Name] = comment(g.Doc)
				if body, ok := s.Type.(*ast.StructType); ok {
					fieldComments(out, s.Name.Name, body)
				}
			}
		}
	}
	return out
}

func fieldComments(out map[string]string, name string, body *ast.StructType) {
	for _, f := range body.Fields.List {
		for _, n := range f.Names {
			both := []string{comment(f.Doc), comment(f.Comment)}
			both = slices.DeleteFunc(both, func(s string) bool { return s == "" })
			out[name+"."+n.Name] = strings.Join(both, " ")
		}
	}
}

func comment(g *ast.CommentGroup) string { return strings.Join(strings.Fields(g.Text()), " ") }

func TestOpenAPIIsFresh(t *testing.T) {
	if diff := cmp.Diff(slices.Sorted(maps.Keys(calls)), slices.Sorted(maps.Keys(descriptions))); diff != "" {
		t.Fatalf("calls (-served +described):\n%s", diff)
	}
	made := describe(t)
	if *update {
		if err := os.WriteFile("openapi.json", made, 0o644); err != nil {
			t.Fatal(err)
		}
		openAPI = made
	}
	if diff := cmp.Diff(string(openAPI), string(made)); diff != "" {
		t.Errorf("openapi.json is stale; write it anew with go test ./client/localapi -run OpenAPI -update (-old +new):\n%s", diff)
	}
}

// specification is openapi.json as a program in another language reads it.
var specification = sync.OnceValues(func() (*openapi3.T, error) {
	spec, err := openapi3.NewLoader().LoadFromData(openAPI)
	if err != nil {
		return nil, err
	}
	return spec, spec.Validate(context.Background())
})

func TestOpenAPIDescribesEachCall(t *testing.T) {
	spec, err := specification()
	if err != nil {
		t.Fatal(err)
	}
	for path, call := range calls {
		item := spec.Paths.Value(path)
		if item == nil || item.GetOperation(call.method) == nil {
			t.Errorf("%s %s isn't described", call.method, path)
		}
	}
	for path, item := range spec.Paths.Map() {
		for method := range item.Operations() {
			if c, ok := calls[path]; !ok || c.method != method {
				t.Errorf("%s %s is described, and isn't served", method, path)
			}
		}
	}
}

// checked holds each call against openapi.json: a request that is answered with success,
// and every answer, line for line.
type checked struct {
	t     testing.TB
	inner http.RoundTripper
	mu    sync.Mutex
	seen  map[string]int // answers by path
}

func (c *checked) RoundTrip(r *http.Request) (*http.Response, error) {
	spec, err := specification()
	if err != nil {
		return nil, err
	}
	var body []byte
	if r.Body != nil {
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	answer, err := c.inner.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	item := spec.Paths.Value(r.URL.Path)
	if item == nil {
		return answer, nil
	}
	c.mu.Lock()
	if c.seen == nil {
		c.seen = map[string]int{}
	}
	c.seen[r.URL.Path]++
	c.mu.Unlock()
	question := r.Clone(context.Background())
	question.Body = io.NopCloser(bytes.NewReader(body))
	input := &openapi3filter.RequestValidationInput{
		Request: question,
		Route:   &routers.Route{Spec: spec, Path: r.URL.Path, PathItem: item, Method: r.Method, Operation: item.GetOperation(r.Method)},
	}
	if answer.StatusCode == http.StatusOK {
		if err := openapi3filter.ValidateRequest(context.Background(), input); err != nil {
			c.t.Errorf("%s: request: %v", r.URL.Path, err)
		}
		if content := input.Route.Operation.Responses.Status(http.StatusOK).Value.Content.Get("application/x-ndjson"); content != nil {
			answer.Body = &checkedLines{ReadCloser: answer.Body, t: c.t, schema: content.Schema.Value}
			return answer, nil
		}
	}
	return answer, c.response(input, answer)
}

func (c *checked) response(input *openapi3filter.RequestValidationInput, answer *http.Response) error {
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	answer.Body = io.NopCloser(bytes.NewReader(b))
	output := &openapi3filter.ResponseValidationInput{RequestValidationInput: input, Status: answer.StatusCode, Header: answer.Header}
	output.SetBodyBytes(b)
	if err := openapi3filter.ValidateResponse(context.Background(), output); err != nil {
		c.t.Errorf("%s: response: %v", input.Route.Path, err)
	}
	return nil
}

// checkedLines holds each line of a stream against a schema.
type checkedLines struct {
	io.ReadCloser
	t      testing.TB
	schema *openapi3.Schema
	rest   []byte
}

func (c *checkedLines) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.rest = append(c.rest, p[:n]...)
	for {
		line, rest, ok := bytes.Cut(c.rest, []byte("\n"))
		if !ok {
			return n, err
		}
		c.rest = rest
		if len(line) == 0 || bytes.HasPrefix(line, []byte(`{"error"`)) {
			continue
		}
		var value any
		if bad := json.Unmarshal(line, &value); bad != nil {
			c.t.Error(fmt.Errorf("line: %w", bad))
		} else if bad := c.schema.VisitJSON(value); bad != nil {
			c.t.Error(fmt.Errorf("line: %w", bad))
		}
	}
}
