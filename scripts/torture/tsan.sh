#!/usr/bin/env bash
# ThreadSanitizer over the C API: the tests of threads and of closing races, program and library both
# instrumented.
#
# usage: scripts/torture/tsan.sh [--goal N] [--seconds S] [--seed N] [--help]
#
#   --goal N      runs of a program (default 3: the planted race, then each program once)
#   --seconds S   stop after S seconds, between two runs; 0 (default) is no limit
#   --seed N      taken as every layer takes one; nothing here is drawn
#
# A layer of scripts/torture.sh. Stable Rust has a std that is not instrumented, and no sources to build
# one from, so a plain instrumented library is reported for what std's locks protect: dozens of
# reports, none of them a race. Under `--cfg tsan` the library tells the sanitizer of each lock and
# unlock (crates/allocdb-node/src/sync/tsan.rs); nothing is suppressed. First a bug is planted, a
# flag that is stored and polled without ordering, which does no harm that any other test would see: it has to
# be reported, inside the library.

set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

GOAL=3 SECONDS_MAX=0
while [ $# -gt 0 ]; do
    case $1 in
        --goal) GOAL=$2; shift 2 ;;
        --seconds) SECONDS_MAX=$2; shift 2 ;;
        --seed) shift 2 ;;
        --help | -h) usage; exit 0 ;;
        *) fail "unknown option '$1'; see --help" ;;
    esac
done

cd "$ROOT"
TESTS=$ROOT/bindings/c/tests
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
CC=${CC:-cc}
TRIPLE=$(rustc -vV | sed -n 's/^host: //p')
RUNTIME=$(rustc --print sysroot)/lib/rustlib/$TRIPLE/lib/librustc-stable_rt.tsan.a
DONE=0 FOUND=0 CAUGHT=0 CLEAN=0 REPORTS=0

if [ ! -e "$RUNTIME" ]; then
    say "skipped: this Rust comes without ThreadSanitizer's runtime"
    exit 0
fi

found() { # TEXT
    FOUND=$((FOUND + 1))
    say "found $1"
    tail -n 60 "$WORK/log" | sed 's/^/    /'
}

build_library() {
    RUSTC_BOOTSTRAP=1 RUSTFLAGS='--cfg tsan -Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer' \
        cargo rustc --quiet --profile torture -p allocdb-ffi --features torture --lib \
        --crate-type cdylib --target "$TRIPLE" --target-dir "$TARGET/tsan"
    cp "$TARGET/tsan/$TRIPLE/torture/libAllocDB.so" "$WORK/libAllocDB.so.0"
    ln -s libAllocDB.so.0 "$WORK/libAllocDB.so"
}

build_program() { # NAME
    local file objects=()
    for file in "${1}_test" check; do
        objects+=("$WORK/$1-$file.o")
        "$CC" -g -O1 -fsanitize=thread -std=c11 -Iinclude -c -o "${objects[-1]}" "$TESTS/$file.c" \
            "-DALLOCDB_VECTORS=\"$ROOT/crates/allocdb-node/vectors\""
    done
    # One runtime for both sides, rustc's, whole: the library finds it in the program.
    "$CC" -o "$WORK/$1" "${objects[@]}" -pthread "-L$WORK" -lAllocDB "-Wl,-rpath,$WORK" -rdynamic \
        -Wl,--whole-archive "$RUNTIME" -Wl,--no-whole-archive -ldl -lrt -lm
}

# run_program NAME [VARIABLE=VALUE...]: under the sanitizer, whose reports end up in $WORK/log.
run_program() {
    local name=$1
    shift
    env "$@" TSAN_OPTIONS=exitcode=66 timeout -k 1 300 "$WORK/$name" >"$WORK/log" 2>&1
}

is_over() {
    [ "$DONE" -ge "$GOAL" ] || { [ "$SECONDS_MAX" -gt 0 ] && [ "$SECONDS" -ge "$SECONDS_MAX" ]; }
}

ran() {
    DONE=$((DONE + 1))
    say "progress $DONE"
}

# The planted race is reported, and it is the one that was planted.
try_canary() {
    local status=0
    run_program threads 'ALLOCDB_CANARY=done unordered' || status=$?
    if [ "$status" = 66 ] && grep -q 'WARNING: ThreadSanitizer: data race' "$WORK/log" \
        && grep -q '#[0-9]* .*queue' "$WORK/log"; then
        CAUGHT=1
    else
        found "canary: a flag polled without ordering is not reported ($status)"
    fi
    ran
}

try_program() { # NAME
    local status=0 reports
    run_program "$1" ALLOCDB_ROUNDS=2 || status=$?
    reports=$(grep -c '^WARNING: ThreadSanitizer' "$WORK/log") || true
    REPORTS=$((REPORTS + reports))
    if [ "$status" = 0 ]; then CLEAN=$((CLEAN + 1)); else found "$1: $reports reports ($status)"; fi
    ran
}

build_library
build_program threads
build_program race
try_canary
while ! is_over; do
    try_program threads
    if ! is_over; then try_program race; fi
done
say "figure clean_runs $CLEAN"
say "figure reports $REPORTS"
say "figure canaries_caught $CAUGHT"
[ "$FOUND" = 0 ]
