#!/usr/bin/env bash
# Tests the Go package against the staged tree.
#
# usage: scripts/go_tests.sh [--help] [GO-TEST-ARGUMENT...]
#
# gofmt, go vet, then all tests of bindings/go with the race detector and with cgo's own check of what is
# handed to C (GODEBUG=cgocheck=1), linked by pkg-config against the staged tree (scripts/stage.sh).
# Arguments go to `go test`, and then nothing else is run. The last line is the count:
# `N passed, N failed`; a test with subtests counts as each of them and itself.

set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

case ${1:-} in --help | -h) usage; exit 0 ;; esac

STAGE=${ALLOCDB_STAGE:-$STAGE}
MODULE=$ROOT/bindings/go
LOG=$ROOT/target/go-tests.log
TRY_LOG=$ROOT/target/go-try.log

is_formatted() {
    local files
    files=$(gofmt -l .)
    [ -z "$files" ] || { say "not as gofmt writes it:" "$files"; return 1; }
}

# run_tests ARGUMENT...
run_tests() {
    local status=0 passed failed
    GODEBUG=cgocheck=1 go test -count=1 -v "$@" ./... >"$LOG" 2>&1 || status=$?
    cat "$LOG"
    passed=$(grep -c '^ *--- PASS' "$LOG" || true)
    failed=$(grep -c '^ *--- FAIL' "$LOG" || true)
    # A panic, a race after the last test or a program that does not compile is in no count.
    if [ "$status" != 0 ] && [ "$failed" = 0 ]; then failed=1; fi
    if [ "$status" = 0 ] && [ "$passed" = 0 ]; then say "FAILED: there are no tests"; failed=1; fi
    PASSED=$((PASSED + passed))
    FAILED=$((FAILED + failed))
}

main() {
    local skipped
    [ -e "$STAGE/lib/libAllocDB.so" ] || fail "no staged tree in $STAGE; type scripts/stage.sh first"
    command -v go >/dev/null || fail "no Go; type scripts/setup.sh first"
    mkdir -p "$ROOT/target"
    export PKG_CONFIG_PATH=$STAGE/lib/pkgconfig LD_LIBRARY_PATH=$STAGE/lib CGO_ENABLED=1 GOWORK=off
    # The module needs no other, so nothing has to be fetched: neither a module nor a toolchain.
    export GOPROXY=off GOTOOLCHAIN=local
    cd "$MODULE"
    if [ $# -gt 0 ]; then exec go test "$@"; fi
    try "gofmt" is_formatted
    try "go vet" go vet ./...
    run_tests -race
    # What the race detector changes, such as allocations, is tried without it.
    skipped=$(sed -nE 's/^--- SKIP: ([A-Za-z0-9_]+).*/\1/p' "$LOG" | paste -sd'|')
    [ -z "$skipped" ] || run_tests -run "^($skipped)\$"
    tell_counts "Go tests"
}

main "$@"
