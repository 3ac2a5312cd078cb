#!/usr/bin/env bash
# Fuzzes one target, guided by coverage, and speaks the lines that crates/allocdb-testing/src/layer.rs
# describes.
#
# usage: scripts/torture/fuzz.sh TARGET [--goal N] [--seconds S] [--seed N] [--canary] [--asan]
#        scripts/torture/fuzz.sh TARGET --minimize
#        scripts/torture/fuzz.sh --build | --canaries | --help
#
#   TARGET       log, snapshot, request, response, options, commands, crash-recover
#   --goal N     executions (default 1000000)
#   --seconds S  stop after so long; 0 is no limit (default)
#   --seed N     what the changes of inputs are drawn from (default 1); with one process and no limit of
#                time it repeats a run
#   --canary     plant the target's bug: the run passes only if it is found
#   --asan       under AddressSanitizer and LeakSanitizer, at a fraction of the speed
#   --minimize   make the committed corpus of what the runs have gathered: the smallest inputs that
#                together reach all the code that they reach
#   --build      build all targets
#   --canaries   every target with its bug planted, a minute each at most
#
# The search starts from crates/allocdb-fuzz/corpus/TARGET, the target's own first inputs, and what
# earlier runs have gathered in target/fuzz/TARGET. Inputs that were found are kept beside that, and
# the line `found` says how to repeat one. The first two million executions count how often a piece of
# code is passed; those that follow look only whether it is, and are twice as fast.
#
# Needs the stable compiler and a C++ compiler (for libFuzzer, which comes with its crate).

set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

COUNTED_RUNS_MAX=2000000
NAMES=(log snapshot request response options commands crash-recover)
GOAL=1000000 SECONDS_MAX=0 SEED=1 MODE=fuzz ASAN=no

len_max() {
    case $1 in
        request) echo 192 ;;
        response | options) echo 256 ;;
        log | commands | crash-recover) echo 512 ;;
        snapshot) echo 1024 ;;
    esac
}

# ---------------------------------------------------------------- building

build() {
    if [ "$ASAN" = yes ]; then
        # Sanitizers are switched on by a flag that the stable compiler takes from those who ask twice.
        RUSTC_BOOTSTRAP=1 RUSTFLAGS='-Zsanitizer=address' \
            RUSTC_WORKSPACE_WRAPPER=$ROOT/scripts/torture/fuzz_rustc.sh \
            cargo build --quiet --manifest-path "$ROOT/Cargo.toml" --target-dir "$TARGET/fuzz-asan" \
            --target x86_64-unknown-linux-gnu --profile torture -p allocdb-fuzz --features libfuzzer
        PROGRAMS=$TARGET/fuzz-asan/x86_64-unknown-linux-gnu/torture
    else
        RUSTC_WORKSPACE_WRAPPER=$ROOT/scripts/torture/fuzz_rustc.sh \
            cargo build --quiet --manifest-path "$ROOT/Cargo.toml" --target-dir "$TARGET" \
            --profile torture -p allocdb-fuzz --features libfuzzer
        PROGRAMS=$TARGET/torture
    fi
}

# ---------------------------------------------------------------- one run

# phase LOG DONE_BEFORE FLAG...: runs the fuzzer; its progress, added to what was done before.
phase() {
    local log=$1 before=$2
    shift 2
    "$PROGRAM" -seed=$((SEED % 4294967295 + 1)) -max_len="$(len_max "$NAME")" -timeout=10 \
        -rss_limit_mb=2048 -artifact_prefix="$FOUND/" -print_final_stats=1 \
        "$@" "$WORK/corpus" "$COMMITTED" 2>"$log" |
        awk -v before="$before" '
            $1 == "progress" { print "progress", before + $2; fflush(); next } { print; fflush() }'
}

# executions LOG: how many there were, from the last line that has a number.
executions() { awk '/^#[0-9]+/ { sub(/^#/, "", $1); n = $1 } /number_of_executed/ { n = $2 } END { print n + 0 }' "$1"; }

last_of() { awk -v word="$2" '{ for (i = 1; i < NF; i++) if ($i == word) n = $(i + 1) } END { sub(/\/.*/, "", n); print n + 0 }' "$1"; }

tell_figures() {
    local done_count=$1 begin_ms=$2 elapsed_ms log
    elapsed_ms=$(($(now_ms) - begin_ms))
    log=$WORK/last.log
    say "progress $done_count"
    say "figure executions $done_count"
    say "figure edges $(last_of "$log" cov:)"
    say "figure corpus $(last_of "$log" corp:)"
    say "figure per_second $((done_count * 1000 / (elapsed_ms + 1)))"
    say "figure rss_mb $(awk '/peak_rss_mb/ { n = $2 } END { print n + 0 }' "$log")"
}

# tell_found LOG: what was found, and how to see it again.
tell_found() {
    local what artifact
    what=$(grep -A1 -E 'panicked at|ERROR: (libFuzzer|AddressSanitizer|LeakSanitizer)' "$1" | tr '\n' ' ')
    artifact=$(sed -n 's/.*Test unit written to //p' "$1" | tail -n 1)
    say "found $NAME: ${what:-it ended early, see $1}; again: $PROGRAM ${artifact:-}"
}

fuzz() {
    local begin_ms counted rest done_count=0 left=$SECONDS_MAX
    begin_ms=$(now_ms)
    counted=$((GOAL < COUNTED_RUNS_MAX ? GOAL : COUNTED_RUNS_MAX))
    rest=$((GOAL - counted))
    if ! phase "$WORK/last.log" 0 -runs="$counted" -max_total_time="$left"; then
        tell_figures "$(executions "$WORK/last.log")" "$begin_ms"
        tell_found "$WORK/last.log"
        return 1
    fi
    done_count=$(executions "$WORK/last.log")
    if [ "$SECONDS_MAX" != 0 ]; then left=$((SECONDS_MAX - ($(now_ms) - begin_ms) / 1000)); fi
    if [ "$rest" -gt 0 ] && { [ "$SECONDS_MAX" = 0 ] || [ "$left" -gt 0 ]; }; then
        local before=$done_count status=0
        phase "$WORK/last.log" "$before" -runs="$rest" -max_total_time="$left" -use_counters=0 ||
            status=$?
        done_count=$((before + $(executions "$WORK/last.log")))
        if [ "$status" != 0 ]; then
            tell_figures "$done_count" "$begin_ms"
            tell_found "$WORK/last.log"
            return 1
        fi
    fi
    tell_figures "$done_count" "$begin_ms"
}

# The bug must be found, by a search that keeps nothing.
canary() {
    local status=0
    WORK=$(mktemp -d) && mkdir -p "$WORK/corpus"
    FOUND=$WORK
    ALLOCDB_FUZZ_CANARY=1 phase "$WORK/last.log" 0 -runs="$GOAL" \
        -max_total_time="$((SECONDS_MAX > 0 ? SECONDS_MAX : 60))" >/dev/null || status=$?
    if [ "$status" != 0 ] && grep -q 'panicked at' "$WORK/last.log"; then
        say "log $NAME: the planted bug was found after $(executions "$WORK/last.log") executions"
        rm -rf "$WORK"
        return 0
    fi
    say "found $NAME: its planted bug was not found, status $status, see $WORK/last.log"
    return 1
}

minimize() {
    rm -rf "$WORK/merged" && mkdir -p "$WORK/merged"
    "$PROGRAM" -merge=1 -use_counters=0 -max_len="$(len_max "$NAME")" \
        "$WORK/merged" "$COMMITTED" "$WORK/corpus" 2>"$WORK/merge.log"
    rm -rf "$COMMITTED" && mkdir -p "$COMMITTED"
    cp "$WORK"/merged/* "$COMMITTED"
    say "$NAME: $(find "$COMMITTED" -type f | wc -l) inputs, $(cat "$COMMITTED"/* | wc -c) bytes"
}

# ---------------------------------------------------------------- the command line

prepare() {
    NAME=$1
    PROGRAM=$PROGRAMS/fuzz-$NAME
    [ -x "$PROGRAM" ] || fail "no target is called '$NAME'; see --help"
    WORK=$TARGET/fuzz/$NAME
    FOUND=$WORK/found
    COMMITTED=$ROOT/crates/allocdb-fuzz/corpus/$NAME
    mkdir -p "$WORK/corpus" "$FOUND" "$COMMITTED"
    ALLOCDB_FUZZ_SEEDS=$WORK/corpus "$PROGRAM" 2>/dev/null
}

canaries() {
    local status=0 count=0
    for NAME in "${NAMES[@]}"; do
        prepare "$NAME"
        (canary) || status=1
        count=$((count + 1))
        say "progress $count"
    done
    return "$status"
}

TARGET_NAME=
while [ $# -gt 0 ]; do
    case $1 in
        --goal) GOAL=$2; shift ;;
        --seconds) SECONDS_MAX=$2; shift ;;
        --seed) SEED=$2; shift ;;
        --canary) MODE=canary ;;
        --canaries) MODE=canaries ;;
        --minimize) MODE=minimize ;;
        --build) MODE=build ;;
        --asan) ASAN=yes ;;
        --help | -h) usage; exit 0 ;;
        -*) fail "unknown option '$1'; see --help" ;;
        *) TARGET_NAME=$1 ;;
    esac
    shift
done

build
case $MODE in
    build) exit 0 ;;
    canaries) GOAL=10000000 SECONDS_MAX=60; canaries; exit ;;
esac
[ -n "$TARGET_NAME" ] || fail "which target? See --help"
prepare "$TARGET_NAME"
"$MODE"
