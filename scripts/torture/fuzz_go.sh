#!/usr/bin/env bash
# Fuzzes the response decoder of the Go package with Go's own coverage-guided fuzzer, and speaks the
# lines that crates/allocdb-testing/src/layer.rs describes.
#
# usage: scripts/torture/fuzz_go.sh [--goal N] [--seconds S] [--seed N] [--canary] [--help]
#
#   --goal N     executions of the decoders (default 1000000); 64 for each input that the fuzzer draws
#   --seconds S  stop after so long; 0 is no limit (default)
#   --seed N     taken and not used: Go's fuzzer draws its own; what it finds is a file, and repeats
#   --canary     a decoder that trusts a count, in place of the right ones: passes only if it is found
#
# Starts from the golden vectors and what earlier runs gathered in target/fuzz/go. An input that was
# found is written to bindings/go/testdata/fuzz, from where `go test` repeats it. Needs the staged tree.

set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

# What withNeighbours (bindings/go/fuzz_test.go) tries for each input; of the planted bug it is one.
NEIGHBOURS=64
GOAL=1000000 SECONDS_MAX=0 FUNCTION=FuzzResponse CANARY=no
while [ $# -gt 0 ]; do
    case $1 in
        --goal) GOAL=$2; shift ;;
        --seconds) SECONDS_MAX=$2; shift ;;
        --seed) shift ;;
        --canary) CANARY=yes FUNCTION=FuzzCanary NEIGHBOURS=1 ;;
        --help | -h) usage; exit 0 ;;
        *) fail "unknown option '$1'; see --help" ;;
    esac
    shift
done

command -v go >/dev/null || { say "skipped there is no Go"; exit 0; }
STAGE=${ALLOCDB_STAGE:-$STAGE}
[ -e "$STAGE/lib/libAllocDB.so" ] || fail "no staged tree in $STAGE; type scripts/stage.sh first"
export PKG_CONFIG_PATH=$STAGE/lib/pkgconfig LD_LIBRARY_PATH=$STAGE/lib CGO_ENABLED=1 GOWORK=off
export GOPROXY=off GOTOOLCHAIN=local
WORK=$TARGET/fuzz/go
mkdir -p "$WORK"
cd "$ROOT/bindings/go"
# An instrumented program, as `go test -fuzz` makes it, that can be run from anywhere.
go test -c -fuzz=Fuzz -o "$WORK/fuzz.test" .

begin_ms=$(now_ms)
status=0
timeout --signal=INT "$((SECONDS_MAX > 0 ? SECONDS_MAX : 86400))" \
    "$WORK/fuzz.test" -test.run='^$' -test.fuzz="^$FUNCTION\$" -test.fuzztime="$(((GOAL + NEIGHBOURS - 1) / NEIGHBOURS))x" \
    -test.parallel=1 -test.fuzzcachedir="$WORK/corpus" 2>&1 | tee "$WORK/last.log" |
    awk -v each="$NEIGHBOURS" 'match($0, /execs: [0-9]+/) {
        printf "progress %.0f\n", each * substr($0, RSTART + 7, RLENGTH - 7); fflush() }' ||
    status=${PIPESTATUS[0]}
executions=$(sed -n 's/.*execs: \([0-9]*\).*/\1/p' "$WORK/last.log" | tail -n 1)
executions=$((${executions:-0} * NEIGHBOURS))
say "progress ${executions:-0}"
say "figure executions ${executions:-0}"
say "figure interesting $(sed -n 's/.*(total: \([0-9]*\)).*/\1/p' "$WORK/last.log" | tail -n 1)"
say "figure per_second $((${executions:-0} * 1000 / ($(now_ms) - begin_ms + 1)))"
if grep -q -e '--- FAIL' "$WORK/last.log"; then
    if [ "$CANARY" = yes ]; then
        rm -rf testdata/fuzz/FuzzCanary
        say "log the planted bug was found after ${executions:-0} executions"
        exit 0
    fi
    say "found go: $(grep -A4 -e '--- FAIL' "$WORK/last.log" | tr '\n' ' ')"
    exit 1
fi
if [ "$CANARY" = yes ]; then say "found go: the planted bug was not found"; exit 1; fi
# The end of the time is no failure; anything else is.
if [ "$status" != 0 ] && [ "$status" != 124 ]; then fail "it ended with $status, see $WORK/last.log"; fi
