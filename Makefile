# postern: `make demo` runs the main job, `make test` proves it. `make help` lists the rest.
#
# Needs git, make and Go 1.26, or a Go newer than 1.21 that may fetch the toolchain named in go.mod.

GO       ?= go
FUZZTIME ?= 60s
ARGS     ?=

GOFUMPT     = $(GO) run mvdan.cc/gofumpt@v0.9.2
STATICCHECK = $(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2

# How a program gets root: it has it, or sudo gives it without a question. Empty when neither is so.
AS_ROOT = $(shell if [ "$$(id -u)" = 0 ]; then echo env; elif sudo -n true 2>/dev/null; then echo sudo -n env; fi)

# The race detector links against C. Empty on a machine without a C compiler.
RACE = $(shell command -v "$$($(GO) env CC)" >/dev/null && echo -race)

# Packages with tests that need root: compiled by the person, and only run through sudo. Root itself has run ./tun already.
ROOT_TESTS = $(if $(filter sudo,$(AS_ROOT)),./tun/...) ./client/interop

# Root with all packages has no reason to skip.
REQUIRE = $(shell [ "$$(id -u)" = 0 ] && packaging/test-deps --check && echo POSTERN_REQUIRE_PEERS=1)

.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: dist packages help demo build test fuzz prove hostile weather day soak bench-connect bench bench-crypto gui pictures bench-window lint clean
.PHONY: tools deps unit cross window peers

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

demo: tools ## connect to the embedded gateway through a real tunnel; no root, no C compiler (ARGS="--mode aggressive --keep")
	@CGO_ENABLED=0 $(GO) run ./cmd/postern demo $(ARGS)

build: tools ## bin/postern and bin/concentrator (TAGS=pkcs11 for keys in tokens, which needs a C compiler)
	$(if $(TAGS),CGO_ENABLED=1 $(GO) build -tags '$(TAGS)',CGO_ENABLED=0 $(GO) build) -trimpath -o bin/ ./cmd/...

# One set of flags wherever the window is built: with another, OpenGL's bindings are compiled anew, for minutes.
gui: build ## bin/postern-gui, the window; needs a C compiler and the headers that packaging/test-deps installs
	CGO_ENABLED=1 $(GO) build -tags gui -o bin/ ./cmd/postern-gui

test: FUZZTIME = 2s
test: tools deps lint unit cross fuzz window peers ## everything, real gateways included; installs what it needs from Debian's packages

lint: tools ## gofumpt, go vet, staticcheck
	@unformatted=$$($(GOFUMPT) -l $$(git ls-files '*.go')) || exit 1; \
	if [ -n "$$unformatted" ]; then printf 'not as gofumpt writes it (remedy: $(GOFUMPT) -w FILE):\n%s\n' "$$unformatted" >&2; exit 1; fi
	$(GO) vet ./...
	CGO_ENABLED=0 $(GO) vet -tags gui,ci ./cmd/postern-gui
	$(if $(RACE),$(GO) vet -tags pkcs11 ./client/ ./client/token)
	$(STATICCHECK) ./...

fuzz: tools ## each fuzz target for FUZZTIME (60s)
	@GO='$(GO)' packaging/fuzz $(FUZZTIME)

prove: tools hostile weather ## what takes too long for every day, by seed (POSTERN_SEED=1)

# The hostile part of `make prove`: every order of six messages, keyed fuzzing, floods, races, secrets.
KEYED  = 20000
FLOOD  = 1000000
RACES  = 1000
RACING = TestWholeConnection|TestEndOfSAEndsExchanges|TestDoubledMessagesDontEcho|TestOwnMessagesComeBack|TestRequestOvertakesMainMode6|TestNothingOutlivesTheSA|TestAcceptIsCancelled|TestDialIsCancelled
hostile: tools
	POSTERN_ORDERS=6 $(GO) test -count 1 -v -timeout 0 -run 'TestOrders' ./client/concentrator
	POSTERN_KEYED=$(KEYED) $(GO) test -count 1 -v -timeout 0 -run 'TestKeyed$$' ./client/concentrator
	POSTERN_FLOOD=$(FLOOD) $(GO) test -count 1 -v -timeout 0 -run 'TestFlood$$' ./client
	$(GO) test -count 1 -v -timeout 0 -run 'TestFragmentFlood$$' ./ike
	$(GO) test $(RACE) -count $(RACES) -timeout 0 -run '^($(RACING))$$' ./ike
	@GO='$(GO)' packaging/canaries

# The weather's part of `make prove`: every fault in every mode, 20,000 storms, connections opened and closed for THRASH,
# and what real gateways make of it.
THRASH = 15m
weather: build
	POSTERN_PROVE=1 $(GO) test -count 1 -v -timeout 0 -run 'TestEveryFaultIsSurvived$$|TestNATRebindsAtEveryStep$$|TestStorm$$' ./client
	POSTERN_THRASH=$(THRASH) $(GO) test $(RACE) -count 1 -v -timeout 0 -run 'TestThrash$$' ./client
	@if [ -z "$(AS_ROOT)" ] || ! packaging/test-deps --check; then \
		echo 'skipped: storms before strongSwan need root and its packages; remedy: sudo -v && make prove'; exit; \
	fi; \
	$(GO) test -count 1 -v -timeout 0 -parallel 20 -run 'TestStormBeforeStrongSwan$$|TestNoBlackHole$$' \
		-exec '$(AS_ROOT) POSTERN_PROVE=1 POSTERN_REQUIRE_PEERS=1 POSTERN_BIN=$(CURDIR)/bin' ./client/interop

DAY = 10e9
day: tools ## a day's traffic in miniature through each kind of lanes: DAY (10e9) octets, byte-equal at the other end
	POSTERN_DAY=$(DAY) $(GO) test -count 1 -v -timeout 0 -run 'TestDay$$' ./tun

SOAK = 30m
soak: build ## a connection with SAs of seconds for SOAK (30m), then 200 renewals against strongSwan where root may run it
	POSTERN_SOAK=$(SOAK) $(GO) test -count 1 -v -timeout 0 -run 'TestSoak$$' ./client
	@if [ -z "$(AS_ROOT)" ] || ! packaging/test-deps --check; then \
		echo 'skipped: renewals against strongSwan need root and its packages; remedy: sudo -v && make soak'; exit; \
	fi; \
	$(GO) test -count 1 -v -timeout 15m -run 'AgainstStrongSwan$$' \
		-exec '$(AS_ROOT) POSTERN_LONG=1 POSTERN_REQUIRE_PEERS=1 POSTERN_BIN=$(CURDIR)/bin' ./client/interop

ROUNDS = 11
bench-connect: build ## start to first ping: postern, vpnc and strongSwan, ROUNDS (11) times without loss and with 10 %
	POSTERN_BENCH_CONNECT=$(ROUNDS) $(GO) test -count 1 -v -timeout 0 -run 'TestConnectTimes$$' \
		-exec '$(AS_ROOT) POSTERN_BENCH_CONNECT=$(ROUNDS) POSTERN_REQUIRE_PEERS=1 POSTERN_BIN=$(CURDIR)/bin' ./client/interop

bench: ROUNDS = 7
bench: tools ## tunnels measured: postern, wireguard-go, vpnc, strongSwan (ROUNDS=7 CANDIDATES= TIER= OUT=docs/bench); needs root
	@exec env GO='$(GO)' ROUNDS='$(ROUNDS)' CANDIDATES='$(CANDIDATES)' TIER='$(TIER)' OUT='$(OUT)' packaging/bench/run

bench-crypto: ROUNDS = 31
bench-crypto: tools ## sealing and opening compared with OpenSSL's on one core (ROUNDS=31 OUT=docs/bench); needs a C compiler
	@exec env GO='$(GO)' ROUNDS='$(ROUNDS)' OUT='$(OUT)' packaging/bench/crypto/run

dist: tools ## dist/: programs for every system, archives, packages, bill of materials, checksums (MINISIGN_KEY=FILE signs them)
	$(GO) run ./packaging/release -o dist

packages: tools ## the Debian packages checked, installed, used, upgraded and purged on a fresh Debian 12; needs root
	@GO='$(GO)' packaging/check/run

clean: ## remove what the other targets made
	rm -rf bin dist
	$(GO) clean -testcache -fuzzcache

# The parts of `make test`.

unit:
	$(if $(RACE),,@echo 'go test runs without the race detector: no C compiler here')
	$(REQUIRE) $(GO) test $(RACE) -timeout 30m $$($(GO) list ./... | grep -v '/client/interop$$')
	$(GO) test $(RACE) -run Replay ./client/interop
	$(if $(RACE),$(GO) test -run TestEncryptedKey ./client/profile/bundle)
	$(if $(RACE),$(GO) test -run TestOrders ./client/concentrator)
	$(if $(RACE),$(REQUIRE) $(GO) test $(RACE) -tags pkcs11 ./client/token,@echo 'keys in tokens are untested: no C compiler here')
	$(if $(RACE),$(REQUIRE) $(GO) test $(RACE) -tags pkcs11 -run Token ./client)

# Where the command and the service run: what releases are built for.
TARGETS = linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64
cross:
	CGO_ENABLED=0 GOOS=darwin $(GO) build -tags ci ./... # ci: Fyne without C
	CGO_ENABLED=0 GOOS=windows $(GO) build -tags gui,ci ./...
	@set -e; for target in $(TARGETS); do \
		echo "build for $$target"; \
		CGO_ENABLED=0 GOOS=$${target%/*} GOARCH=$${target#*/} $(GO) build -trimpath -o /dev/null ./cmd/postern ./cmd/concentrator; \
	done

deps:
	@packaging/test-deps

# The window on displays of its own, driven by its keys.
WINDOW_TEST = POSTERN_GUI=$(CURDIR)/bin/postern-gui $(GO) test -count 1 -v -timeout 30m ./cmd/postern-gui

window:
	@if ! packaging/test-deps --check; then \
		echo 'skipped: the tests of the window need packages; remedy: sudo packaging/test-deps'; \
		[ "$${CI:-}" != true ]; exit; \
	fi; \
	$(MAKE) gui && POSTERN_REQUIRE_PEERS=1 $(WINDOW_TEST)

bench-window: gui ## the window: first paint, processor in a minute of idling, connected and not, and memory
	$(WINDOW_TEST) -run TestIdle -idle 1m

pictures: gui ## docs/screens anew: the window in its scenes, light and dark, once and twice the size
	$(WINDOW_TEST) -update

# Last, so that its closing lines are the last of all. The tests wait more than they compute: six at once.
peers: build
	@if [ -z "$(AS_ROOT)" ] || ! packaging/test-deps --check; then \
		echo 'skipped: tests against real gateways need root and their packages; remedy: sudo -v && make test'; \
		[ "$${CI:-}" != true ]; exit; \
	fi; \
	$(GO) test $(RACE) -count 1 -p 1 -parallel 6 -timeout 20m \
		-exec '$(AS_ROOT) POSTERN_REQUIRE_PEERS=1 POSTERN_BIN=$(CURDIR)/bin' $(ROOT_TESTS)

tools:
	@command -v git >/dev/null || { echo 'git is missing; remedy: install it, on Debian by: sudo apt-get install git' >&2; exit 1; }
	@command -v $(GO) >/dev/null || { echo 'Go is missing; remedy: install Go 1.26 or later and put its bin folder on your PATH' >&2; exit 1; }
	@case "$$($(GO) env GOVERSION 2>/dev/null)" in \
		go1.2[6-9]*|go1.[3-9][0-9]*|go[2-9]*|devel*) ;; \
		*) echo "Go 1.26 is needed, and $$(cd / && $(GO) version | cut -d' ' -f3) cannot fetch it; remedy: install Go 1.26 or later, or from Go 1.21 on allow it: $(GO) env -w GOTOOLCHAIN=auto" >&2; exit 1;; \
	esac
