#!/usr/bin/env bash
# Whether the hot paths have become longer: counts the instructions of fixed work and compares them with
# those that are committed.
#
# usage: scripts/check_perf.sh [--update] [--self-test] [--help]
#
#   (none)        counts every workload; fails if one needs 2 % more instructions a command than the
#                 baseline says; tells of one that needs 2 % less
#   --update      writes what was counted into the baseline
#   --self-test   plants a slowdown into one workload, and expects it caught
#   --help        this text
#
# Times are not looked at: a busy machine changes nothing. The work is in crates/allocdb-bench
# (src/instructions), built as it is shipped; callgrind counts what happens inside of one function, so
# neither preparations nor the kernel. The baseline, crates/allocdb-bench/perf-baseline.txt, is of one
# compiler: where another one builds, 10 % are allowed, and it is said; it is of one processor family
# too, and on another nothing is compared.
#
# Needs valgrind. It is installed where this user may do so; where it is not to be had, nothing is
# checked, and that is said; but in continuous integration ($CI) it is a failure.

set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

BASELINE=$ROOT/crates/allocdb-bench/perf-baseline.txt
# The one whose name callgrind looks for: crates/allocdb-bench/src/instructions.rs.
MEASURED=allocdb_bench_measured
# What glibc is to think that this processor lacks; names that a version of it does not know, it passes over.
PLAIN_COPIES=-AVX2,-AVX2_Usable,-AVX512F,-AVX512VL,-ERMS,-FSRM,-SSSE3,-AVX_Fast_Unaligned_Load
PLAIN_COPIES+=,-Prefer_ERMS,-Prefer_FSRM
# Permille by which a count may differ.
TOLERANCE=20
TOLERANCE_OTHER_COMPILER=100
# Turns of an empty loop that are planted: about 6 % of what a command of the core needs.
PLANTED_WORKLOAD=apply PLANTED_TURNS=30

MODE=check
case ${1:-} in
    '') ;;
    --update) MODE=update ;;
    --self-test) MODE=self-test ;;
    --help | -h) usage; exit 0 ;;
    *) fail "unknown option '$1'; see --help" ;;
esac

WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT

# skip WHY: nothing can be checked here, and nothing counts as passed.
skip() {
    say "skipped: $*"
    say "check_perf: 0 passed, 0 failed"
    exit 0
}

get_valgrind() {
    command -v valgrind >/dev/null && return
    # Wanted by nothing else that has to run: so got here, where this user may.
    if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
        apt-get update -qq >/dev/null 2>&1 || true
        DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends valgrind \
            >/dev/null 2>&1 || true
    fi
    command -v valgrind >/dev/null && return
    # Where everything has to be checked, what cannot be is a failure.
    [ -z "${CI:-}" ] || fail "instructions are not counted: no valgrind, and it cannot be installed"
    skip "instructions are not counted: no valgrind; type apt-get install valgrind"
}

target() { rustc -vV | sed -n 's/^host: \([^-]*\).*/\1/p'; }

# baseline NAME: what the baseline says of it.
baseline() { sed -n "s/^$1 //p" "$BASELINE"; }

# count WORKLOAD [ARGUMENT...]: instructions a command, to a tenth, into $WORK/WORKLOAD.
count() {
    local name=$1 commands instructions
    shift
    # The same work takes other ways where the environment lies otherwise on the stack, and where glibc
    # knows better instructions for copying: so there is no environment, and copying is plain.
    commands=$(env -i GLIBC_TUNABLES="glibc.cpu.hwcaps=$PLAIN_COPIES" "$(command -v valgrind)" \
        --tool=callgrind --toggle-collect="$MEASURED" \
        --callgrind-out-file="$WORK/$name.callgrind" "$PROGRAM" instructions "$name" "$@" \
        2>"$WORK/$name.log") || { tail -n 20 "$WORK/$name.log" >&2; return 1; }
    instructions=$(sed -n 's/^totals: //p' "$WORK/$name.callgrind")
    [ "${commands% *}" = "$name" ] && [ "${instructions:-0}" -gt 0 ] || return 1
    awk -v all="$instructions" -v commands="${commands#* }" \
        'BEGIN { printf "%.1f\n", all / commands }' >"$WORK/$name"
}

# count_all: every workload, two at a time.
count_all() {
    local names
    names=$("$PROGRAM" instructions)
    mapfile -t WORKLOADS <<<"$names"
    export -f count
    export MEASURED PLAIN_COPIES PROGRAM WORK
    printf '%s\n' "${WORKLOADS[@]}" | xargs -P 2 -I '{}' bash -c 'count {}' ||
        fail "a workload was not counted"
}

# compare WORKLOAD: a line of the table; passed or failed.
compare() {
    local name=$1 now before permille verdict=ok
    now=$(<"$WORK/$name") before=$(baseline "$name")
    if [ -z "$before" ]; then
        FAILED=$((FAILED + 1))
        printf 'FAILED %-12s %12s instructions a command, not in the baseline: --update\n' "$name" "$now"
        return
    fi
    permille=$(awk -v now="$now" -v before="$before" \
        'BEGIN { printf "%d", (now - before) * 1000 / before + (now < before ? -0.5 : 0.5) }')
    if [ "$permille" -gt "$ALLOWED" ]; then
        FAILED=$((FAILED + 1)) verdict=FAILED
    else
        PASSED=$((PASSED + 1))
        [ "$permille" -ge $((-ALLOWED)) ] || SHRUNK+=" $name"
    fi
    printf '%-6s %-12s %12s instructions a command, baseline %12s, %+6.1f %%\n' "$verdict" "$name" \
        "$now" "$before" "$(awk -v permille="$permille" 'BEGIN { print permille / 10 }')"
}

# read_compiler: sets ALLOWED, by whether the baseline is of this compiler.
read_compiler() {
    local compiler known
    compiler=$(rustc --version) known=$(baseline rustc)
    [ "rustc $known" = "$compiler" ] && { ALLOWED=$TOLERANCE; return; }
    ALLOWED=$TOLERANCE_OTHER_COMPILER
    say "the baseline is of rustc $known, this is $compiler: 10 % are allowed"
}

check() {
    local name
    [ "$(target)" = "$(baseline target)" ] ||
        skip "the baseline is of $(baseline target), this is $(target)"
    read_compiler
    SHRUNK=''
    for name in "${WORKLOADS[@]}"; do compare "$name"; done
    if [ -n "$SHRUNK" ]; then
        say "fewer than the baseline says:$SHRUNK; scripts/check_perf.sh --update lowers it"
    fi
}

update() {
    local name
    {
        say "# Instructions a command of fixed work; scripts/check_perf.sh compares, --update writes this."
        rustc --version
        say "target $(target)"
        for name in "${WORKLOADS[@]}"; do say "$name $(<"$WORK/$name")"; done
    } >"$WORK/baseline"
    cp "$WORK/baseline" "$BASELINE"
    grep -v '^#' "$BASELINE"
}

# With the slowdown a workload must fail, and without it pass: held against what it needs now, whatever
# is committed.
self_test() {
    local clean
    count "$PLANTED_WORKLOAD" || fail "$PLANTED_WORKLOAD was not counted"
    clean=$(<"$WORK/$PLANTED_WORKLOAD")
    BASELINE=$WORK/self-test.txt ALLOWED=$TOLERANCE
    say "$PLANTED_WORKLOAD $clean" >"$BASELINE"
    count "$PLANTED_WORKLOAD" || fail "$PLANTED_WORKLOAD was not counted"
    try "the same work is the same count" passes "$PLANTED_WORKLOAD"
    count "$PLANTED_WORKLOAD" --extra "$PLANTED_TURNS" || fail "$PLANTED_WORKLOAD was not counted"
    try "a planted slowdown fails" fails "$PLANTED_WORKLOAD"
}

passes() {
    compare "$1"
    [ "$FAILED" = 0 ]
}

fails() {
    compare "$1"
    [ "$FAILED" = 1 ]
}

cd "$ROOT"
get_valgrind
cargo build --quiet --release -p allocdb-bench
PROGRAM=$TARGET/release/allocdb-bench
case $MODE in
    check) count_all; check; tell_counts check_perf ;;
    update) count_all; update ;;
    self-test) self_test; tell_counts "check_perf --self-test" ;;
esac
