#!/usr/bin/env bash
# Tests the staged tree from C and C++: as a program that links libAllocDB sees it.
#
# usage: scripts/c_tests.sh [--help] [NAME...]
#
#   NAME   run only these programs of bindings/c/tests, such as "calls" (C) or "commands" (C++)
#
# The header compiles alone and twice, as C99 and as C++17, pedantic and without a warning, under
# every compiler that is there; offsets, sizes, numbers and symbols are those of the frozen lists in
# crates/allocdb-ffi/abi; the test programs run; one of them also links the static archive, beside
# another Rust library, and runs under valgrind where that is installed; a consumer is built the way
# the documentation says. The same for allocdb.hpp as C++17 and C++20, with and without exceptions, and
# its programs once more under the sanitizers. Needs the tree of scripts/stage.sh. The last line is the sum.

set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

case ${1:-} in
    --help | -h) usage; exit 0 ;;
    -*) fail "unknown option '$1'; see --help" ;;
esac

STAGE=${ALLOCDB_STAGE:-$STAGE}
TESTS=$ROOT/bindings/c/tests
ABI=$ROOT/crates/allocdb-ffi/abi
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
WARNINGS=(-Wall -Wextra -Wpedantic -Werror)
TRY_LOG=$WORK/log

[ -e "$STAGE/lib/libAllocDB.so" ] || fail "no staged tree in $STAGE; type scripts/stage.sh first"
export PKG_CONFIG_PATH=$STAGE/lib/pkgconfig
# pkg-config answers words for a shell, with their blanks escaped.
eval "FLAGS=($(pkg-config --cflags --libs allocdb))"
CC=${CC:-cc}
CXX=${CXX:-c++}
CXX_WARNINGS=("${WARNINGS[@]}" -Wshadow -Wconversion)

# The lines of a list without its comments; a list that is empty proves nothing.
list() {
    local lines
    lines=$(grep -v '^#' "$ABI/$1") || true
    [ -n "$lines" ] || fail "$1 is empty"
    printf '%s\n' "$lines"
}

# ---- the header ----

header_compiles() { # COMPILER STANDARD LANGUAGE
    printf '#include "allocdb.h"\n#include "allocdb.h"\n' >"$WORK/twice.$3"
    "$1" -std="$2" "${WARNINGS[@]}" -I"$STAGE/include" -fsyntax-only "$WORK/twice.$3"
}

test_header() {
    local compiler
    for compiler in gcc clang; do
        if command -v "$compiler" >/dev/null; then
            try "the header is C99 under $compiler" header_compiles "$compiler" c99 c
        fi
    done
    for compiler in g++ clang++; do
        if command -v "$compiler" >/dev/null; then
            try "the header is C++17 under $compiler" header_compiles "$compiler" c++17 cpp
        fi
    done
}

cpp_header_compiles() { # COMPILER STANDARD FLAG...
    local compiler=$1 standard=$2
    shift 2
    printf '#include "allocdb.hpp"\n#include "allocdb.hpp"\n#include "allocdb.h"\n' >"$WORK/twice.cpp"
    "$compiler" -std="$standard" "${CXX_WARNINGS[@]}" "$@" -I"$STAGE/include" -fsyntax-only \
        "$WORK/twice.cpp"
}

# Two translation units of one program, with inline functions of the header in both.
cpp_header_links_twice() {
    printf '#include <allocdb.hpp>\nint one() { return allocdb::database().is_open(); }\n' \
        >"$WORK/one.cpp"
    printf '#include <allocdb.hpp>\nint one();\nint main() {%s}\n' \
        ' return one() + allocdb::database().is_open(); ' >"$WORK/two.cpp"
    "$CXX" -std=c++17 "${CXX_WARNINGS[@]}" -o "$WORK/units" "$WORK/one.cpp" "$WORK/two.cpp" \
        "${FLAGS[@]}" -Wl,-rpath,"$STAGE/lib"
    "$WORK/units"
}

# The C header first is refused, with words.
c_header_first_is_refused() {
    printf '#include "allocdb.h"\n#include "allocdb.hpp"\n' >"$WORK/first.cpp"
    ! "$CXX" -std=c++17 -I"$STAGE/include" -fsyntax-only "$WORK/first.cpp" 2>"$WORK/said"
    grep -q 'include allocdb.hpp before allocdb.h' "$WORK/said"
}

test_cpp_header() {
    local compiler standard
    for compiler in g++ clang++; do
        command -v "$compiler" >/dev/null || continue
        for standard in c++17 c++20; do
            try "allocdb.hpp is $standard under $compiler" \
                cpp_header_compiles "$compiler" "$standard" -O2
            try "allocdb.hpp is $standard under $compiler without exceptions" \
                cpp_header_compiles "$compiler" "$standard" -fno-exceptions -fno-rtti
        done
    done
    try "allocdb.hpp links in two translation units" cpp_header_links_twice
    try "allocdb.h before allocdb.hpp is refused with words" c_header_first_is_refused
}

# ---- the frozen lists ----

# Every offset, size and number as a static assertion.
write_assertions() {
    printf '#include <allocdb.h>\n'
    list layouts.txt | while read -r struct field offset size; do
        if [ "$field" = - ]; then
            printf '_Static_assert(sizeof(%s) == %s, "%s");\n' "$struct" "$size" "$struct"
        else
            printf '_Static_assert(offsetof(%s, %s) == %s, "%s.%s");\n' \
                "$struct" "$field" "$offset" "$struct" "$field"
            printf '_Static_assert(sizeof(((%s *)0)->%s) == %s, "%s.%s");\n' \
                "$struct" "$field" "$size" "$struct" "$field"
        fi
    done
    list numbers.txt | while read -r name value; do
        printf '_Static_assert(%s == %s, "%s");\n' "$name" "$value" "$name"
    done
}

lists_hold_in_c() {
    write_assertions >"$WORK/lists.c"
    [ "$(grep -c _Static_assert "$WORK/lists.c")" -gt 300 ] || return 1
    "$CC" -std=c11 "${WARNINGS[@]}" -I"$STAGE/include" -fsyntax-only "$WORK/lists.c"
}

# nm with the compiler's own plugin: binutils may choke on another one.
symbols_of() { # NM-OPTION FILE
    local plugin
    plugin=$(gcc -print-file-name=liblto_plugin.so 2>/dev/null || true)
    if [ -n "$plugin" ] && [ -e "$plugin" ]; then
        nm --plugin "$plugin" "$1" --defined-only "$2"
    else
        nm "$1" --defined-only "$2"
    fi | awk 'NF == 3 { print $3 }' | sort
}

symbols_are() { # NM-OPTION FILE [SYMBOL-ALLOWED]
    local actual wanted
    actual=$(symbols_of "$1" "$2" | grep -vxF "${3:-none}") || true
    wanted=$(list symbols.txt | sort)
    [ -n "$actual" ] || { say "no symbols found"; return 1; }
    diff <(printf '%s\n' "$wanted") <(printf '%s\n' "$actual")
}

header_declares_the_symbols() {
    local declared
    declared=$(grep -oE '^[a-z][a-z_0-9 ]* \*?allocdb_[a-z_0-9]+\(' "$STAGE/include/allocdb.h" \
        | grep -v '^typedef' | grep -oE 'allocdb_[a-z_0-9]+\($' | tr -d '(' | sort)
    [ -n "$declared" ] || { say "no functions found"; return 1; }
    diff <(list symbols.txt | sort) <(printf '%s\n' "$declared")
}

soname_is_right() {
    readelf -d "$STAGE/lib/libAllocDB.so" | grep -q 'SONAME.*libAllocDB\.so\.0\]' \
        && readelf -d "$STAGE/lib/libAllocDB.so" | grep -q NODELETE
}

test_lists() {
    try "offsets, sizes and numbers are the frozen ones" lists_hold_in_c
    try "the shared library exports the frozen symbols" symbols_are -D "$STAGE/lib/libAllocDB.so"
    try "the static archive shows the frozen symbols" symbols_are -g "$STAGE/lib/libAllocDB.a" \
        DW.ref.allocdb_rust_eh_personality
    try "the header declares the frozen symbols" header_declares_the_symbols
    try "soname and nodelete are set" soname_is_right
}

# ---- the programs ----

# compile OUT SOURCE...: against the shared library.
compile() {
    local out=$1
    shift
    "$CC" -std=c11 -g -O1 "${WARNINGS[@]}" -o "$out" "$@" "$TESTS/check.c" \
        -DALLOCDB_VECTORS="\"$ROOT/crates/allocdb-node/vectors\"" \
        "${FLAGS[@]}" -pthread -Wl,-rpath,"$STAGE/lib"
}

# compile_cpp OUT SOURCE FLAG...: the same for C++, by $CXX or what a flag after the source says.
compile_cpp() {
    local out=$1 source=$2
    shift 2
    "$CXX" -g -O1 "${CXX_WARNINGS[@]}" -o "$out" "$source" "$@" \
        -DALLOCDB_VECTORS="\"$ROOT/crates/allocdb-node/vectors\"" \
        "${FLAGS[@]}" -pthread -Wl,-rpath,"$STAGE/lib"
}

run_program() { # NAME [FLAG...]: a C program, or a C++ one with these flags
    local status=0 counts name=$1 compiler=compile source=$TESTS/$1_test.c
    shift
    if [ -e "$TESTS/${name}_test.cpp" ]; then
        compiler=compile_cpp source=$TESTS/${name}_test.cpp
    fi
    if ! "$compiler" "$WORK/$name" "$source" "$@" >"$WORK/log" 2>&1; then
        FAILED=$((FAILED + 1))
        say "FAILED $(basename "$source") does not compile ($*)"
        cat "$WORK/log"
        return
    fi
    say "${name}_test${*:+ ($CXX $*)}"
    timeout 300 "$WORK/$name" 2>&1 | tee "$WORK/log" | sed '/ passed, .* failed$/d' || status=$?
    counts=$(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$WORK/log" | tail -n 1)
    # A program that ends without its count has crashed.
    [ -n "$counts" ] || { counts="0 1"; say "FAILED ${name}_test crashed ($status)"; }
    PASSED=$((PASSED + ${counts% *}))
    FAILED=$((FAILED + ${counts#* }))
}

test_programs() {
    local name
    for name in "$@"; do run_program "$name"; done
}

# Whether programs can be built with these flags, and run: a compiler may come without its run times.
can_run() { # FLAG...
    printf 'int main() { return 0; }\n' >"$WORK/trial.cpp"
    "$CXX" "$@" -o "$WORK/trial" "$WORK/trial.cpp" >/dev/null 2>&1 && "$WORK/trial" >/dev/null 2>&1
}

test_cpp_programs() {
    local name sanitizers=(-fsanitize=address,undefined -fno-sanitize-recover=undefined)
    for name in commands values failures lifetime hotpath; do run_program "$name" -std=c++17; done
    for name in commands values failures; do run_program "$name" -std=c++17 -fno-exceptions; done
    if can_run "${sanitizers[@]}"; then
        for name in commands values failures lifetime; do
            run_program "$name" -std=c++20 "${sanitizers[@]}"
        done
    fi
    # The other compiler, where there is one.
    if command -v clang++ >/dev/null && CXX=clang++ can_run -std=c++20; then
        for name in commands values failures lifetime hotpath; do
            CXX=clang++ run_program "$name" -std=c++20
        done
    fi
}

# ---- static, beside another Rust library ----

static_beside_rust() {
    cat >"$WORK/other.rs" <<'RUST'
//! Another Rust library in the same program, with a panic that it catches itself.
#[unsafe(no_mangle)]
pub extern "C" fn other_answer() -> u32 {
    std::panic::set_hook(Box::new(|_| ()));
    let caught = std::panic::catch_unwind(|| panic!("caught"));
    let words: Vec<String> = (0..6).map(|number| number.to_string()).collect();
    if caught.is_err() { words.join("").len() as u32 * 7 } else { 0 }
}
RUST
    cat >"$WORK/both.c" <<'C'
#include "check.h"
extern unsigned other_answer(void);
static void both_libraries_work(void)
{
    allocdb *db = open_small();
    allocdb_outcome outcome;

    CHECK_EQUAL(42, other_answer());
    CHECK_STATUS(ALLOCDB_OK,
                 allocdb_create_resource(db, 1, next_operation(), id_of(1), &outcome, NULL));
    CHECK_EQUAL(42, other_answer());
    CHECK_STATUS(ALLOCDB_OK, allocdb_close(&db));
}
int main(void)
{
    static const struct test tests[] = {TEST(both_libraries_work)};
    return RUN_TESTS(tests);
}
C
    local libraries
    libraries=$(sed -n 's/^Libs.private: //p' "$STAGE/lib/pkgconfig/allocdb.pc")
    rustc --edition 2024 -O -C lto --crate-type staticlib -o "$WORK/libother.a" "$WORK/other.rs"
    # shellcheck disable=SC2086  # words
    "$CC" -std=c11 "${WARNINGS[@]}" -I"$TESTS" -I"$STAGE/include" -o "$WORK/both" "$WORK/both.c" \
        "$TESTS/check.c" "$STAGE/lib/libAllocDB.a" "$WORK/libother.a" -pthread $libraries
    if ldd "$WORK/both" | grep -q libAllocDB; then return 1; fi
    "$WORK/both"
}

# ---- as the documentation says ----

consumer_builds() {
    mkdir -p "$WORK/consumer"
    # The program at the top of the header, by the command that stands under it.
    sed -n '/^ \*     #include <allocdb.h>/,/^ \*     }$/s/^ \*     \?//p' \
        "$STAGE/include/allocdb.h" >"$WORK/consumer/venue.c"
    [ "$(wc -l <"$WORK/consumer/venue.c")" -gt 15 ] || return 1
    cd "$WORK/consumer"
    "$CC" venue.c "${FLAGS[@]}"
    [ "$(LD_LIBRARY_PATH=$STAGE/lib ./a.out)" = "yours for a minute" ]
    [ "$(LD_LIBRARY_PATH=$STAGE/lib ./a.out)" = "taken" ]
}

cpp_consumer_builds() {
    mkdir -p "$WORK/cpp_consumer"
    sed -n '/^ \*     #include <allocdb.hpp>/,/^ \*     }$/s/^ \*     \?//p' \
        "$STAGE/include/allocdb.hpp" >"$WORK/cpp_consumer/venue.cpp"
    [ "$(wc -l <"$WORK/cpp_consumer/venue.cpp")" -gt 12 ] || return 1
    cd "$WORK/cpp_consumer"
    "$CXX" -std=c++17 "${CXX_WARNINGS[@]}" venue.cpp "${FLAGS[@]}"
    [ "$(LD_LIBRARY_PATH=$STAGE/lib ./a.out)" = "yours for a minute" ]
    [ "$(LD_LIBRARY_PATH=$STAGE/lib ./a.out)" = "taken" ]
}

valgrind_is_silent() { # C|C++
    if [ "$1" = C ]; then
        compile "$WORK/valgrind" "$TESTS/calls_test.c"
    else
        compile_cpp "$WORK/valgrind" "$TESTS/commands_test.cpp" -std=c++17
    fi
    valgrind --quiet --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite \
        "$WORK/valgrind"
}

main() {
    if [ $# -gt 0 ]; then
        test_programs "$@"
    else
        test_header
        test_cpp_header
        test_lists
        try "the archive links beside another Rust library" static_beside_rust
        try "the header's own example builds and runs" consumer_builds
        try "allocdb.hpp's own example builds and runs" cpp_consumer_builds
        if command -v valgrind >/dev/null; then
            try "valgrind finds nothing" valgrind_is_silent C
            try "valgrind finds nothing in C++" valgrind_is_silent C++
        fi
        test_programs calls names misuse rejection files growth backup reader threads crash fork race interrupt \
            network exit unload allocation memory
        test_cpp_programs
    fi
    tell_counts "C and C++ tests"
}

main "$@"
