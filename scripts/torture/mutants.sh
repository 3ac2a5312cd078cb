#!/usr/bin/env bash
# Changes the core in one place at a time, and asks whether a test notices.
#
# usage: scripts/torture/mutants.sh [--since REVISION] [--goal N] [--seconds S] [--jobs N] [--help]
#
#   (none)             every mutant of the core: one to two hours on two cores
#   --since REVISION   only those of lines that have changed since: minutes, for a change under way
#   --goal N           only so many, spread evenly over the core
#   --seconds S        stop after so long; what was tried until then is told
#   --jobs N           how many at a time (default 2)
#
# Three passes, so that most mutants cost seconds: all of them meet the core's quick unit tests;
# who survives, all tests of the core; who survives those, the histories, models and forged snapshots
# of allocdb-testing. What is left needs a test, or a reason why nobody can tell the difference: those
# stand in .cargo/mutants.toml, each with its reason, and are not tried. A mutant that never ends is
# caught: a test that does not come back is noticed.
#
# A layer of scripts/torture.sh (see scripts/torture/layer.sh for what it prints), with one finding for
# each survivor. Needs cargo-mutants, and installs it where it is missing.

set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

MUTANTS_VERSION=27.1.0
GOAL=0 SECONDS_MAX=0 JOBS=2 SINCE=''
while [ $# -gt 0 ]; do
    case $1 in
        --since) SINCE=${2:?--since wants a revision}; shift 2 ;;
        --goal) GOAL=${2:?--goal wants a number}; shift 2 ;;
        --seconds) SECONDS_MAX=${2:?--seconds wants a number}; shift 2 ;;
        --jobs) JOBS=${2:?--jobs wants a number}; shift 2 ;;
        --seed) shift 2 ;;
        --help | -h) usage; exit 0 ;;
        *) fail "unknown option '$1'; see --help" ;;
    esac
done

cd "$ROOT"
OUT=$ROOT/target/mutants
REPORT=$OUT/mutants.out

if ! cargo mutants --version >/dev/null 2>&1; then
    say "installing cargo-mutants $MUTANTS_VERSION ..." >&2
    cargo install --quiet --locked "cargo-mutants@$MUTANTS_VERSION" >&2 || {
        say "skipped: cargo-mutants is not to be had"
        exit 0
    }
fi

# Unoptimized code is compiled in a third of the time, and most mutants meet one test.
export CARGO_PROFILE_DEV_DEBUG=0

rm -rf "$OUT"
mkdir -p "$OUT"
CHOICE=()
if [ -n "$SINCE" ]; then
    git diff "$SINCE" -- crates/allocdb-core/src >"$OUT/since.diff"
    CHOICE=(--in-diff "$OUT/since.diff")
fi
NAMES=$(cargo mutants -p allocdb-core --list "${CHOICE[@]}")
if [ "$GOAL" -gt 0 ]; then
    # By name: what a pass leaves out must not change what the next one draws. Deleted fields, some
    # fifteen mutants, are always added: the tool does not ask them for their names.
    NAMES=$(awk -v goal="$GOAL" '{ name[NR] = $0 }
        END { for (i = 1; i <= goal && i <= NR; i++) print name[int((i - 1) * NR / goal) + 1] }' \
        <<<"$NAMES" | sort -u)
    CHOICE+=(-F "^($(sed 's/[][\.*^$()+?{}|/]/\\&/g' <<<"$NAMES" | paste -sd'|'))\$")
fi
TOTAL=$(grep -c . <<<"$NAMES") || true

count_of() { cat "$REPORT/$1.txt" 2>/dev/null | wc -l; }

# pass OPT-LEVEL CARGO-MUTANTS-ARGUMENT...: whoever survived so far meets these tests.
pass() {
    local level=$1 status=0 limit=()
    shift
    [ "$SECONDS_MAX" = 0 ] || limit=(timeout -s INT "$((SECONDS_MAX - SECONDS > 1 ? SECONDS_MAX - SECONDS : 1))")
    CARGO_PROFILE_DEV_OPT_LEVEL=$level "${limit[@]}" cargo mutants -p allocdb-core -j "$JOBS" \
        --baseline skip --build-timeout 300 --no-shuffle --iterate -o "$OUT" "${CHOICE[@]}" "$@" >&2 ||
        status=$?
    # 2: some survived; 3: some never ended; 124: the time is over.
    case $status in 0 | 2 | 3 | 124) ;; *) say "found cargo mutants ended with $status"; exit 1 ;; esac
    say "progress $((TOTAL - $(count_of missed)))"
}

pass 0 --timeout 25 -- --lib --test texts -- --skip every_flipped_bit_gives \
    --skip every_truncation_gives --skip log::scan::tests::crash::no_
pass 1 --timeout 60
pass 1 --timeout 120 --test-package allocdb-testing -- --test model --test equivalence \
    --test acceptance --test growth --test hostile_snapshot

# Every pass names anew what it tried; who was caught before is in one list of its own.
CAUGHT=$(cat "$REPORT"/{caught,previously_caught}.txt 2>/dev/null | sort -u | wc -l)
ENDLESS=$(count_of timeout)
SURVIVED=$(count_of missed)
say "figure mutants $((CAUGHT + ENDLESS + SURVIVED))"
say "figure caught $CAUGHT"
say "figure caught_by_not_ending $ENDLESS"
say "figure survived $SURVIVED"
while IFS= read -r mutant; do
    say "found a mutant that no test notices: $mutant"
done < <(cat "$REPORT/missed.txt" 2>/dev/null)
[ "$SURVIVED" = 0 ]
