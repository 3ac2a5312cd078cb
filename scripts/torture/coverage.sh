#!/usr/bin/env bash
# Which lines of the core the tests run: its own, and the histories of allocdb-testing.
#
# usage: scripts/torture/coverage.sh [--help]
#
# Prints the lines that no test runs, and fails below 98 %. Test code and the switch of the planted bugs
# do not count. The report, line by line, is target/coverage.txt. Needs cargo-llvm-cov and the compiler's
# own llvm-tools, and installs them where they are missing.

set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

LLVM_COV_VERSION=0.9.1
LEAST_PERCENT=98
# Not the core, or not of what is shipped of it.
LEFT_OUT='/allocdb-(node|testing)/|/tests\.rs|/tests/|/fixture\.rs|/canary\.rs'
while [ $# -gt 0 ]; do
    case $1 in
        --goal | --seconds | --seed) shift 2 ;;
        --help | -h) usage; exit 0 ;;
        *) fail "unknown option '$1'; see --help" ;;
    esac
done

# get_tools: whether both are there, or could be installed.
get_tools() {
    cargo llvm-cov --version >/dev/null 2>&1 || {
        say "installing cargo-llvm-cov $LLVM_COV_VERSION ..." >&2
        cargo install --quiet --locked "cargo-llvm-cov@$LLVM_COV_VERSION" >&2 || return
    }
    [ -x "$(rustc --print target-libdir)/../bin/llvm-cov" ] || rustup --quiet component add llvm-tools >&2
}

cd "$ROOT"
get_tools || { say "skipped: cargo-llvm-cov or llvm-tools is not to be had"; exit 0; }
mkdir -p target
REPORT=$ROOT/target/coverage.txt
LOG=$(mktemp) SUMMARY=$(mktemp)
trap 'rm -f "$LOG" "$SUMMARY"' EXIT
cargo llvm-cov clean --profraw-only
cargo llvm-cov test --no-report -p allocdb-core -p allocdb-testing --lib --tests \
    -- --skip damage::tests --skip crashes --skip simulator --skip fuzz --skip failing >"$LOG" 2>&1 ||
    { tail -n 30 "$LOG"; exit 1; }
cargo llvm-cov report --text --output-path "$REPORT" --ignore-filename-regex "$LEFT_OUT" 2>/dev/null
cargo llvm-cov report --json --summary-only --output-path "$SUMMARY" \
    --ignore-filename-regex "$LEFT_OUT" 2>/dev/null
# `  54|      0|    text`, below the file's name.
awk -F'|' '/^\// { file = $0 } $2 ~ /^ *0$/ { sub(/.*crates/, "crates", file); printf "    %s%d:%s\n", file, $1, $3 }' \
    "$REPORT"
COUNTS=$(sed -E 's/.*"totals":.*"lines":\{"count":([0-9]+),"covered":([0-9]+).*/\1 \2/' "$SUMMARY")
LINE_COUNT=${COUNTS% *} COVERED=${COUNTS#* }
[[ $COUNTS =~ ^[0-9]+\ [0-9]+$ ]] || fail "no figures in the report"
PERCENT=$(awk -v covered="$COVERED" -v lines="$LINE_COUNT" 'BEGIN { printf "%.2f", covered * 100 / lines }')
say "figure percent $PERCENT"
say "figure lines_covered $COVERED"
say "figure lines $LINE_COUNT"
awk -v percent="$PERCENT" -v least="$LEAST_PERCENT" 'BEGIN { exit !(percent >= least) }' ||
    { say "found $PERCENT % of the lines, wanted are $LEAST_PERCENT %"; exit 1; }
