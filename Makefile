# `make help` lists what there is to make.

GO := go
# go.mod names the toolchain, whose standard library has the latest security
# fixes. Go downloads it where the installed one is older; to build with what
# is installed: make GOTOOLCHAIN=local build
export GOTOOLCHAIN := auto
STATICCHECK := $(GO) tool -modfile=tools/go.mod staticcheck
# A platform is GOOS/GOARCH. The agent measures Linux hosts; the library must
# build everywhere. Another one: make cross PLATFORMS=freebsd/amd64
PLATFORMS := linux/arm64 darwin/arm64 windows/amd64

# Two builds of one commit are the same, whatever the directory. Go's own stamp
# is off, because tools/stamp.sh says more.
LDFLAGS = -s -w -buildid= -X 'github.com/lodastack/agent.stamp=$(shell tools/stamp.sh)'

.PHONY: help run build check test format vet staticcheck vulncheck race quick fuzz cross chaos bench compare fleet pictures packages deb packages-test reproducible vm

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 15

run: ## measure this host and show what goes through a real nsqd, until Ctrl-C
	@CGO_ENABLED=0 $(GO) run ./examples/pipeline

build: ## build ./agent
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags "$(LDFLAGS)" -o agent ./cmd/agent

check: format vet quick ## run the quick checks
	@echo "== the quick checks have passed; make test runs them all"

test: format vet staticcheck vulncheck cross fuzz race ## run every check
	@echo "== all checks have passed"

format:
	@echo "== gofmt"
	@unformatted=$$(gofmt -l $$(git ls-files --cached --others --exclude-standard '*.go')) && \
	if [ -n "$$unformatted" ]; then echo "not formatted (run gofmt -w):"; echo "$$unformatted"; exit 1; fi

vet:
	@echo "== go vet"
	@$(GO) vet ./...

staticcheck:
	@echo "== staticcheck"
	@$(STATICCHECK) ./...

vulncheck: ## look for known vulnerabilities that the code can reach
	@echo "== govulncheck"
	@GO=$(GO) tools/vulncheck.sh

cross:
	@for platform in $(PLATFORMS); do \
		echo "== build for $$platform"; \
		export CGO_ENABLED=0 GOOS=$${platform%/*} GOARCH=$${platform#*/}; \
		$(GO) build ./... || exit 1; \
	done
	@echo "== vet for darwin/arm64: the tests, too, build where there is no Linux"
	@CGO_ENABLED=0 GOOS=darwin GOARCH=arm64 $(GO) vet ./...

fuzz: ## look for inputs that break a parser or encoder, a few seconds each
	@GO=$(GO) tools/fuzz.sh

quick:
	@echo "== go test -short"
	@CGO_ENABLED=0 $(GO) test -short ./...

race: ## run the tests with the race detector
	@tools/needgcc.sh
	@echo "== go test -race: all packages, the examples and the import rules among them"
	@# Three at a time on two cores: many tests wait for processes. A program that the
	@# detector watches sleeps for a second when it exits, and many tests run themselves.
	@GORACE=atexit_sleep_ms=0 $(GO) test -race -p $$(($$(nproc) + 1)) -timeout 8m ./...

chaos: ## kill, freeze and damage everything for some minutes, and count the points
	$(GO) run ./internal/chaos -kills 100 -for 10m

bench: ## measure the agent against the raw limits in the same run
	@GO=$(GO) tools/bench.sh

compare: ## compare with node_exporter and free, df, ss, ps in the same second
	@GO=$(GO) tools/compare.sh

AGENTS := 1000
fleet: ## play a fleet of AGENTS agents in one process, and its bad day (some 12 minutes); GIT=1: half of them have a fleet repository
	$(GO) run ./internal/bench/fleet -agents $(AGENTS) $(if $(GIT),-git)

pictures: ## make the pictures of the page in docs/pictures anew (needs chromium)
	$(GO) test -count=1 -run TestPicturesOfThePage ./internal/page -pictures ../../docs/pictures

packages: ## build all packages, archives and the container image, in dist/
	LDFLAGS="$(LDFLAGS)" $(GO) -C tools/packages run .

deb: ## build the deb for amd64, in dist/
	LDFLAGS="$(LDFLAGS)" $(GO) -C tools/packages run . -deb

packages-test: ## install, upgrade and remove the packages in dist/ (root, Debian)
	tools/packages/test.sh

reproducible: ## build the deb twice, in two directories, and compare (some minutes)
	tools/packages/reproducible.sh

vm: deb ## boot Debian 12 and 13 in qemu and try the installed deb there (slow; root)
	tools/vm/run.sh bookworm
	tools/vm/run.sh trixie
