#!/usr/bin/env bash
# Tries the C API the hard way: every C and C++ test under AddressSanitizer with an instrumented library
# and under valgrind, races and forks over and over, panics inside the engine, planted bugs.
#
# usage: scripts/torture/abi.sh [--goal N] [--seconds S] [--seed N] [--help]
#
#   --goal N      runs of a program (default 22: one of each kind; from 75 on every program in every
#                 way; beyond, races and forks are repeated)
#   --seconds S   stop after S seconds, between two runs; 0 (default) is no limit
#   --seed N      taken as every layer takes one; nothing here is drawn
#   --help        this text
#
# A layer of scripts/torture.sh: prints "progress DONE", "figure NAME VALUE" and "found TEXT"; the exit
# status is 0 exactly if nothing was found. Needs the staged tree, and for what is instrumented a build
# of its own, with a compiler flag that stable Rust allows under RUSTC_BOOTSTRAP. The library that
# bugs are planted in exists for these runs alone.
#
# gcc's sanitizer with the plain library sees the caller's mistakes and is blind inside the library:
# so the library is instrumented too, and both sides use the runtime that comes with rustc. Each tool
# first shows that it sees into the library: five buffers that are shorter than said must be reported.

set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

GOAL=22 SECONDS_MAX=0
while [ $# -gt 0 ]; do
    case $1 in
        --goal) GOAL=$2; shift 2 ;;
        --seconds) SECONDS_MAX=$2; shift 2 ;;
        --seed) shift 2 ;;
        --help | -h) usage; exit 0 ;;
        *) fail "unknown option '$1'; see --help" ;;
    esac
done

STAGE=${ALLOCDB_STAGE:-$STAGE}
TESTS=$ROOT/bindings/c/tests
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
CC=${CC:-cc} CXX=${CXX:-c++}
TRIPLE=$(rustc -vV | sed -n 's/^host: //p')
RUNTIME=$(rustc --print sysroot)/lib/rustlib/$TRIPLE/lib/librustc-stable_rt.asan.a
C_PROGRAMS=(calls names misuse rejection files growth backup reader threads crash
    fork race interrupt network exit unload)
CPP_PROGRAMS=(commands values failures lifetime)
DONE=0 FOUND=0
declare -A FIGURES=()

[ -e "$STAGE/lib/libAllocDB.so" ] || fail "no staged tree in $STAGE; type scripts/stage.sh first"

# ---- the layer's words ----

is_over() {
    [ "$DONE" -ge "$GOAL" ] \
        || { [ "$SECONDS_MAX" -gt 0 ] && [ "$SECONDS" -ge "$SECONDS_MAX" ]; }
}

# ran KIND: one run is done.
ran() {
    DONE=$((DONE + 1))
    FIGURES[$1]=$((${FIGURES[$1]:-0} + 1))
    say "progress $DONE"
}

found() { # TEXT [LOG]
    FOUND=$((FOUND + 1))
    say "found $1"
    if [ $# -gt 1 ]; then tail -n 40 "$2" | sed 's/^/    /'; fi
}

conclude() {
    local name
    for name in "${!FIGURES[@]}"; do say "figure $name ${FIGURES[$name]}"; done | sort
    [ "$FOUND" = 0 ]
}

# ---- building ----

# The instrumented library, in which bugs can be planted: a tree to link against, as the staged one.
build_tried() {
    TRIED=$TARGET/abi-tried
    if [ ! -e "$RUNTIME" ]; then
        say "skipped: this Rust comes without AddressSanitizer's runtime"
        return 1
    fi
    if ! (cd "$ROOT" && RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address cargo rustc --quiet \
        --profile torture -p allocdb-ffi --features torture --lib --crate-type cdylib \
        --target "$TRIPLE" --target-dir "$TRIED") >"$WORK/build.log" 2>&1; then
        found "the instrumented library does not build" "$WORK/build.log"
        return 1
    fi
    mkdir -p "$WORK/tried"
    cp "$TRIED/$TRIPLE/torture/libAllocDB.so" "$WORK/tried/libAllocDB.so.0"
    ln -s libAllocDB.so.0 "$WORK/tried/libAllocDB.so"
}

# build NAME WAY: a test program against the staged library (plain) or the instrumented one (asan).
build() {
    local name=$1 way=$2 compiler=$CC standard=c11 source=$TESTS/$1_test.c file
    local flags=(-g -O1 -fno-omit-frame-pointer "-I$STAGE/include")
    local link=(-pthread) sources
    [ ! -e "$WORK/$way-$name" ] || return 0
    sources=("$source" "$TESTS/check.c")
    if [ ! -e "$source" ]; then
        compiler=$CXX standard=c++17 sources=("$TESTS/${name}_test.cpp")
    fi
    flags+=("-std=$standard" "-DALLOCDB_VECTORS=\"$ROOT/crates/allocdb-node/vectors\"")
    if [ "$way" = asan ]; then
        # What is undefined ends the program where it stands: no second runtime.
        flags+=(-fsanitize=address,undefined -fsanitize-undefined-trap-on-error)
        link+=("-L$WORK/tried" -lAllocDB "-Wl,-rpath,$WORK/tried" -rdynamic
            -Wl,--whole-archive "$RUNTIME" -Wl,--no-whole-archive -ldl -lrt -lm)
    else
        link+=("-L$STAGE/lib" -lAllocDB "-Wl,-rpath,$STAGE/lib")
    fi
    local objects=()
    for file in "${sources[@]}"; do
        objects+=("$WORK/$way-$name-$(basename "$file").o")
        "$compiler" "${flags[@]}" -c -o "${objects[-1]}" "$file" || return 1
    done
    "$compiler" -o "$WORK/$way-$name" "${objects[@]}" "${link[@]}"
}

built() { # NAME WAY
    build "$@" >"$WORK/build.log" 2>&1 || { found "$1 does not build ($2)" "$WORK/build.log"; false; }
}

# ---- runs ----

# What wants a limit that the tool needs for itself: address space, descriptors.
LIMITED_BY_TOOL='too_little_memory_[a-z_]*$\|too_many_open_files_is_an_error$'
LIMITED_BY_TOOL+='\|what_the_machine_does_not_give_is_told$'

# passed STATUS LOG: it ended by itself, and nothing failed but for the tool's sake.
passed() {
    [ "$1" -le 1 ] && grep -q ' passed, [0-9]* failed$' "$2" \
        && ! grep '^FAILED' "$2" | grep -qv "$LIMITED_BY_TOOL"
}

# asan NAME: the program with the instrumented library.
asan() {
    local status=0
    built "$1" asan || return 0
    timeout 300 "$WORK/asan-$1" >"$WORK/log" 2>&1 || status=$?
    if ! passed "$status" "$WORK/log" || grep -q 'SUMMARY: .*Sanitizer' "$WORK/log"; then
        found "$1 with the instrumented library ($status)" "$WORK/log"
    fi
    ran asan_runs
}

# asan_sees N: the N-th buffer that is too short is reported, inside of the library.
asan_sees() {
    built overrun asan || return 0
    ! timeout 60 "$WORK/asan-overrun" "$1" >"$WORK/log" 2>&1 \
        && grep -q 'AddressSanitizer: heap-buffer-overflow' "$WORK/log" \
        && grep -q '#[1-3] .*AllocDB\|#[1-3] .*allocdb_' "$WORK/log" \
        || found "canary: AddressSanitizer does not see mistake $1" "$WORK/log"
    ran canaries_caught
}

# alone TEST PROGRAM CANARY: one test, with this bug planted or with none, in a shell of its own, which
# says to nobody how the program ended.
alone() {
    (ALLOCDB_TEST=$1 ALLOCDB_CANARY=$3 timeout -k 1 8 "$WORK/asan-$2" >"$WORK/log" 2>&1) 2>/dev/null
}

# caught_by PROGRAM TEST CANARY: with this bug planted the test does not pass, and without it does. A
# hang is a catch too, where there is none without the bug.
caught_by() {
    built "$1" asan || return 0
    if ! alone "$2" "$1" "" || ! grep -q '^1 passed, 0 failed$' "$WORK/log"; then
        found "control: $2 does not pass by itself" "$WORK/log"
    fi
    if alone "$2" "$1" "$3"; then found "canary: $2 does not notice '$3'" "$WORK/log"; fi
    if grep -q 'no such bug' "$WORK/log"; then found "canary: '$3' is unknown" "$WORK/log"; fi
    ran canaries_caught
}

has_valgrind() {
    command -v valgrind >/dev/null || { say "skipped: valgrind is not installed"; false; }
}

# memcheck NAME: the program with the staged library under valgrind, which takes what
# belongs to threads that a forked child does not have for leaks.
memcheck() {
    local status=0 kinds=definite
    built "$1" plain || return 0
    case $1 in lifetime | fork) kinds=none ;; esac
    # A signal every 50 us leaves no time for anything else here.
    ALLOCDB_PAUSE_US=20000 timeout 900 valgrind --quiet --error-exitcode=99 --leak-check=full --show-leak-kinds="$kinds" \
        --errors-for-leak-kinds="$kinds" "$WORK/plain-$1" >"$WORK/log" 2>&1 || status=$?
    if ! passed "$status" "$WORK/log" || grep -q '^==[0-9]*== [A-Z]' "$WORK/log"; then
        found "$1 under valgrind ($status)" "$WORK/log"
    fi
    ran memcheck_runs
}

memcheck_sees() { # N
    built overrun plain || return 0
    timeout 300 valgrind --quiet --error-exitcode=99 "$WORK/plain-overrun" "$1" \
        >"$WORK/log" 2>&1 || true
    grep -q 'Invalid \(read\|write\)' "$WORK/log" \
        || found "canary: valgrind does not see mistake $1" "$WORK/log"
    ran canaries_caught
}

# beside WAY: the static archive in one program with another Rust library.
beside() {
    local status=0 order flags=() lto=off libraries
    libraries=$(sed -n 's/^Libs.private: //p' "$STAGE/lib/pkgconfig/allocdb.pc")
    order=("$STAGE/lib/libAllocDB.a" "$WORK/libbeside.a")
    case $1 in
        second) order=("${order[1]}" "${order[0]}") ;;
        lto) lto=fat ;;
        collected) flags=(-Wl,--gc-sections) ;;
        static) flags=(-static) libraries=${libraries//-lgcc_s/-lgcc_eh} ;;
        static-pie) flags=(-static-pie -fPIE) libraries=${libraries//-lgcc_s/-lgcc_eh} ;;
    esac
    # shellcheck disable=SC2086  # words
    if rustc --edition 2024 -O -C lto=$lto --crate-type staticlib -o "$WORK/libbeside.a" \
        "$TESTS/beside.rs" >"$WORK/log" 2>&1 \
        && "$CC" -std=c11 -g -O1 "${flags[@]}" "-I$STAGE/include" -o "$WORK/beside" \
            "$TESTS/beside_test.c" "$TESTS/check.c" "${order[@]}" -pthread $libraries \
            >"$WORK/log" 2>&1; then
        timeout 60 "$WORK/beside" >"$WORK/log" 2>&1 || status=$?
        [ "$status" = 0 ] || found "beside another Rust library, $1 ($status)" "$WORK/log"
    else
        found "beside another Rust library, $1: it does not link" "$WORK/log"
    fi
    ran linked_beside_rust
}

# again NAME ROUNDS: what has to be met by chance, with the library as it is shipped.
again() {
    local status=0
    built "$1" plain || return 0
    ALLOCDB_ROUNDS=$2 timeout 900 "$WORK/plain-$1" >"$WORK/log" 2>&1 || status=$?
    [ "$status" = 0 ] || found "$1 in $2 rounds ($status)" "$WORK/log"
    FIGURES[rounds]=$((${FIGURES[rounds]:-0} + $2))
    ran repeated_runs
}

# ---- the order: one of each kind, then everything, then again and again ----

CANARIES=("fork a_child_that_lives_on_does_not_keep_a_dead_parent_s_lock child keeps lock"
    "misuse the_log_callback_must_not_call callback may call"
    "interrupt a_cancelled_thread_finishes_whatever_call_it_is_in cancelled inside"
    "race closing_waits_for_the_call_that_is_inside close does not wait")

list_runs() {
    local name number
    if [ "$HAS_ASAN" = 1 ]; then
        say "asan overrun"
        for number in 1 2 3 4 5; do say "asan_sees $number"; done
        for name in panic fork race interrupt misuse unload exit; do say "asan $name"; done
        for name in "${CANARIES[@]}"; do say "caught_by $name"; done
    fi
    for name in first static; do say "beside $name"; done
    if [ "$HAS_VALGRIND" = 1 ]; then
        for number in 1 4; do say "memcheck_sees $number"; done
        say "memcheck calls"
        for number in 2 3 5; do say "memcheck_sees $number"; done
    fi
    for name in second lto collected static-pie; do say "beside $name"; done
    if [ "$HAS_ASAN" = 1 ]; then
        for name in "${C_PROGRAMS[@]}" "${CPP_PROGRAMS[@]}"; do say "asan $name"; done
    fi
    if [ "$HAS_VALGRIND" = 1 ]; then
        for name in overrun "${C_PROGRAMS[@]}" "${CPP_PROGRAMS[@]}"; do say "memcheck $name"; done
    fi
    while :; do
        for name in fork race interrupt exit unload; do say "again $name 5"; done
        if [ "$HAS_ASAN" = 1 ]; then
            for name in panic race fork; do say "asan $name"; done
        fi
    done
}

main() {
    local what name rest
    HAS_ASAN=0 HAS_VALGRIND=0
    if build_tried; then HAS_ASAN=1; fi
    if has_valgrind; then HAS_VALGRIND=1; fi
    while ! is_over && read -r what name rest; do
        case $what in
            caught_by) caught_by "$name" "${rest%% *}" "${rest#* }" ;;
            *) "$what" "$name" ${rest:+"$rest"} ;;
        esac
    done < <(list_runs 2>/dev/null)
    conclude
}

main
