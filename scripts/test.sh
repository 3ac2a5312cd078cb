#!/usr/bin/env bash
# Runs every test of the tree.
#
# usage: scripts/test.sh [--quick] [--help]
#
#   --quick   only what needs no release build: format, clippy, Rust tests, repository checks
#   --help    this text
#
# Steps: setup; the repository's guardrails and their self-test; rustfmt; clippy; all Rust tests with the
# doc examples, the golden vectors and the header's drift among them; the staged tree; the instructions
# of the hot paths against their baseline, and that check's self-test; then, two at a time, C and C++
# with the examples, a short demo and the documents on one side, Go and Python on the other; at last
# every harness of scripts/torture.sh at its goal for continuous integration. Each step prints its
# seconds and its counts; what a failed step said is shown, the rest is in
# target/test-logs. The last line is the sum: `N passed, N failed`. All steps run even if one fails; the
# exit status is 0 only if all passed.

set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

QUICK=no
case ${1:-} in
    '') ;;
    --quick) QUICK=yes ;;
    --help | -h) usage; exit 0 ;;
    *) fail "unknown option '$1'; see --help" ;;
esac

LOGS=$ROOT/target/test-logs
# A line "PASSED FAILED" for each step: steps that run beside each other are processes of their own.
COUNTS=$LOGS/counts

# counts_of LOG all|last: "PASSED FAILED", added up over the log's count lines, or of the last one
# alone where a script prints its own sum; nothing where the log has none.
counts_of() {
    awk -v which="$2" '
        match($0, /[0-9]+ passed[;,] [0-9]+ failed/) {
            split(substr($0, RSTART, RLENGTH), part, " ")
            if (which == "last") passed = failed = 0
            passed += part[1]; failed += part[3]; seen = 1
        }
        END { if (seen) print passed + 0, failed + 0 }' "$1"
}

# step NAME all|last COMMAND...: runs it, counts its tests. A step without counts is one test itself.
step() {
    local name=$1 which=$2 log=$LOGS/${1// /_}.log begin_ms status=0 passed failed
    shift 2
    begin_ms=$(now_ms)
    "$@" >"$log" 2>&1 </dev/null || status=$?
    read -r passed failed < <(counts_of "$log" "$which") || true
    if [ -z "${passed:-}" ]; then passed=1 failed=0; [ "$status" = 0 ] || passed=0; fi
    # A step that fails has a failure, whatever it counted: a crash prints no count.
    if [ "$status" != 0 ] && [ "$failed" = 0 ]; then failed=1; fi
    say "$passed $failed" >>"$COUNTS"
    # One write for all that is said, since another step may be speaking.
    say "$(
        printf '%-22s %6s s  %6d passed, %d failed\n' "$name" \
            "$(seconds $(($(now_ms) - begin_ms)))" "$passed" "$failed"
        if [ "$failed" != 0 ]; then show_failure "$name" "$log"; fi
    )"
}

seconds() { printf '%d.%d' $(($1 / 1000)) $(($1 % 1000 / 100)); }

show_failure() {
    say "$RED---- $1 failed; the end of $(basename "$2"):$PLAIN"
    grep -nE 'panicked at|FAILED|^error|error\[' "$2" | head -n 30 || true
    tail -n 60 "$2"
    say "$RED----$PLAIN"
}

c_side() {
    step "C and C++ tests" last scripts/c_tests.sh
    step "examples, demo" last scripts/example_tests.sh
    step "documents" last scripts/doc_tests.sh
}

bindings_side() {
    step "Go tests" last scripts/go_tests.sh
    step "Python tests" last scripts/python_tests.sh
}

main() {
    local begin_ms other_side passed failed
    begin_ms=$(now_ms)
    cd "$ROOT"
    mkdir -p "$LOGS"
    : >"$COUNTS"
    scripts/setup.sh --tests
    step "repository checks" last scripts/check_repo.sh
    step "checks' self-test" last scripts/check_repo.sh --self-test
    step rustfmt all cargo fmt --all --check
    step clippy all cargo clippy --workspace --all-targets --quiet -- -D warnings
    step "Rust tests" all cargo test --workspace --no-fail-fast
    if [ "$QUICK" = no ]; then
        step "staged tree" all scripts/stage.sh
        # Here: what it builds with is built, and nothing runs beside it yet that it would keep waiting.
        step perf last scripts/check_perf.sh
        step "perf's self-test" last scripts/check_perf.sh --self-test
        # Both wait for the disk and for their own threads more than for a processor.
        c_side &
        # Now: a process substitution in a step sets $! as well.
        other_side=$!
        bindings_side
        wait "$other_side" || say "0 1" >>"$COUNTS"
        step torture last scripts/torture.sh --ci
    fi
    read -r passed failed < <(awk '{ passed += $1; failed += $2 } END { print passed, failed }' "$COUNTS")
    say "logs: target/test-logs; $(seconds $(($(now_ms) - begin_ms))) s in all"
    say "$passed passed, $failed failed"
    [ "$failed" = 0 ]
}

main
