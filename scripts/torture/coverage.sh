#!/usr/bin/env bash
# Which lines of the core the tests run: its own, and the histories of allocdb-testing.
#
# usage: scripts/torture/coverage.sh [--help]
#
# Prints the lines that no test runs, and fails below 98 %. Test code and the switch of the planted bugs
# do not count. The report is target/coverage/cobertura.xml. Needs cargo-tarpaulin, and installs it where
# it is missing.

set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

TARPAULIN_VERSION=0.37.5
LEAST_PERCENT=98
while [ $# -gt 0 ]; do
    case $1 in
        --goal | --seconds | --seed) shift 2 ;;
        --help | -h) usage; exit 0 ;;
        *) fail "unknown option '$1'; see --help" ;;
    esac
done

cd "$ROOT"
if ! cargo tarpaulin --version >/dev/null 2>&1; then
    say "installing cargo-tarpaulin $TARPAULIN_VERSION ..." >&2
    cargo install --quiet --locked "cargo-tarpaulin@$TARPAULIN_VERSION" >&2 || {
        say "skipped: cargo-tarpaulin is not to be had"
        exit 0
    }
fi

OUT=$ROOT/target/coverage
mkdir -p "$OUT"
cargo tarpaulin --engine llvm --target-dir "$OUT" --out xml --output-dir "$OUT" --timeout 600 \
    -p allocdb-core -p allocdb-testing --lib --tests \
    --include-files 'crates/allocdb-core/src/*' --exclude-files '*/tests.rs' --exclude-files '*/tests/*' \
    --exclude-files '*/fixture.rs' --exclude-files '*/canary.rs' \
    -- --skip damage::tests --skip crashes --skip simulator --skip fuzz --skip failing >"$OUT/log.txt" 2>&1 ||
    { tail -n 30 "$OUT/log.txt"; exit 1; }
# `98.12% coverage, 3043/3101 lines covered`
LINE=$(grep -E '^[0-9.]+% coverage' "$OUT/log.txt" | tail -n 1)
[ -n "$LINE" ] || fail "no figure in $OUT/log.txt"
sed -n '/Uncovered Lines/,/Tested\/Total/p' "$OUT/log.txt" | sed 's/^/    /'
say "figure percent ${LINE%%%*}"
COUNTS=$(sed -E 's/.* ([0-9]+)\/([0-9]+) lines.*/\1 \2/' <<<"$LINE")
say "figure lines_covered ${COUNTS% *}"
say "figure lines ${COUNTS#* }"
awk -v percent="${LINE%%%*}" -v least="$LEAST_PERCENT" 'BEGIN { exit !(percent >= least) }' ||
    { say "found ${LINE%%,*}, wanted are $LEAST_PERCENT %"; exit 1; }
