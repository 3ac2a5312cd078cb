#!/usr/bin/env bash
# Types what the documents say, and compares what they promise.
#
# usage: scripts/doc_tests.sh [--help]
#
# A page for newcomers (bindings/c/README.md) is followed as it stands: a block after "Save this as
# `NAME`" becomes that file, a `sh` block is typed, and a `text` block must be what was printed. Only
# scripts/stage.sh is not typed again: this wants the staged tree. The Python of README.md is run twice.
#
# docs/api.md shows tasks in four languages. The blocks of one language become one program, which must
# print all `text` blocks in order: what begins with #include, static, package or func stands before
# `main`, the rest inside. Python runs with the environment of `scripts/setup.sh --tests` if it is there;
# Go with the package of the tree. The last line is the count.

set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

case ${1:-} in
    '') ;;
    --help | -h) usage; exit 0 ;;
    *) fail "unknown option '$1'; see --help" ;;
esac

STAGE=${ALLOCDB_STAGE:-$STAGE}
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
TRY_LOG=$WORK/log

# page_as_script FILE: the page as a shell script that says what it does.
page_as_script() {
    awk '
        # "Save this as", which may stand on two lines.
        { text = previous " " $0 }
        match(text, /Save this as `[^`]+`/) {
            name = substr(text, RSTART + 14, RLENGTH - 15)
        }
        { previous = $0 }
        /^```/ && !inside {
            inside = 1; kind = substr($0, 4)
            if (kind == "sh") print "{"
            else if (kind == "text") print "cat >expected.txt <<\"END OF BLOCK\""
            else if (name != "") print "cat >" name " <<\"END OF BLOCK\""
            else { print "echo \"line " FNR ": a block without a name\"; exit 1" ; kind = "" }
            next
        }
        /^```$/ {
            inside = 0
            if (kind == "sh") print "} >printed.txt; cat printed.txt"
            else if (kind != "") print "END OF BLOCK"
            if (kind == "text") print "diff expected.txt printed.txt"
            if (kind == "text") texts++
            name = ""; previous = ""
            next
        }
        inside && kind == "sh" && $0 == "scripts/stage.sh" { next }
        inside && kind != "" { print }
        END { if (texts < 3) print "echo \"too few blocks\"; exit 1" }
    ' "$1"
}

# follow PAGE: in a directory that looks like the repository.
follow() {
    local directory
    directory=$(mktemp -d "$WORK/page.XXXXXX")
    page_as_script "$1" >"$WORK/page.sh"
    mkdir -p "$directory/target"
    ln -s "$STAGE" "$directory/target/stage"
    cd "$directory"
    bash -eux "$WORK/page.sh"
}

# A page that promises something else must fail: a test that cannot fail proves nothing.
follow_changed() { # PAGE SED-PROGRAM
    sed "$2" "$1" >"$WORK/changed.md"
    ! cmp -s "$1" "$WORK/changed.md" || { say "nothing was changed"; return 1; }
    # A process of its own: in a condition bash would go on after a command that fails.
    if (follow "$WORK/changed.md") >"$WORK/changed.log" 2>&1; then
        say "a page with a wrong promise was accepted"
        return 1
    fi
}

# ---- docs/api.md ----

# blocks_of KIND WHERE FILE: the blocks of a kind; WHERE is top, body (see above) or all.
blocks_of() {
    awk -v kind="$1" -v where="$2" '
        $0 == "```" kind { inside = 1; first = 1; next }
        /^```$/ { if (inside && where != "all") print ""; inside = 0; next }
        inside && first { first = 0; is_top = /^(#include|static |package |func )/ }
        inside && (where == "all" || (where == "top") == is_top)
    ' "$3"
}

# In a directory of its own each: they open the same names.
program_directory() { # NAME
    rm -rf "${WORK:?}/$1"
    mkdir -p "$WORK/$1"
    cd "$WORK/$1"
}

prints_what_the_page_says() { # COMMAND...
    blocks_of text all "$PAGE" >expected.txt
    [ "$(wc -l <expected.txt)" -gt 20 ] || { say "the page promises too little"; return 1; }
    timeout 120 "$@" >printed.txt
    diff expected.txt printed.txt
}

# The statements in C, indented by nothing: a compiler does not mind.
c_program() {
    program_directory c
    { blocks_of c top "$PAGE"; say 'int main(void)' '{'; blocks_of c body "$PAGE"; say 'return 0;' '}'; } >api.c
    eval "flags=($(pkg-config --cflags --libs allocdb))"
    "${CC:-cc}" -std=gnu11 -Wall -Wextra -Werror api.c -o api "${flags[@]}" -pthread
    prints_what_the_page_says ./api
}

cpp_program() { # STANDARD
    program_directory "cpp-$1"
    { blocks_of cpp top "$PAGE"; say 'int main()' '{'; blocks_of cpp body "$PAGE"; say '}'; } >api.cpp
    eval "flags=($(pkg-config --cflags --libs allocdb))"
    "${CXX:-c++}" -std="$1" -Wall -Wextra -Wshadow -Werror api.cpp -o api "${flags[@]}" -pthread
    prints_what_the_page_says ./api
}

python_program() {
    local python=$ROOT/target/python-venv/bin/python
    program_directory python
    [ -x "$python" ] || python=python3
    blocks_of python all "$PAGE" >api.py
    export PYTHONPATH=$ROOT/bindings/python/src ALLOCDB_LIBRARY=$STAGE/lib/libAllocDB.so
    export PYTHONPYCACHEPREFIX=$WORK/pycache
    prints_what_the_page_says "$python" -W error::ResourceWarning api.py
}

go_program() {
    program_directory go
    { blocks_of go top "$PAGE"; say 'func main() {'; blocks_of go body "$PAGE"; say '}'; } >main.go
    export CGO_ENABLED=1 GOWORK=off GOPROXY=off GOTOOLCHAIN=local GOFLAGS=-mod=mod
    cat >go.mod <<MODULE
module api

go 1.24

require github.com/allocdb/allocdb-go v0.0.0

replace github.com/allocdb/allocdb-go => $ROOT/bindings/go
MODULE
    go vet .
    go build -o api .
    prints_what_the_page_says ./api
}

# A page that promises something else must fail in each language.
program_notices() { # PROGRAM ARGUMENT...
    sed 's/^resource_exists$/resource_gone/' "$PAGE" >"$WORK/changed-api.md"
    ! cmp -s "$PAGE" "$WORK/changed-api.md" || { say "nothing was changed"; return 1; }
    PAGE=$WORK/changed-api.md
    # A process of its own: in a condition bash would go on after a command that fails.
    if (set -e; "$@") >"$WORK/changed.log" 2>&1; then say "a wrong promise was accepted"; return 1; fi
    grep -q resource_gone "$WORK/changed.log"
}

try_programs() {
    PAGE=$ROOT/docs/api.md
    export PKG_CONFIG_PATH=$STAGE/lib/pkgconfig LD_LIBRARY_PATH=$STAGE/lib
    try "docs/api.md in C" c_program
    try "docs/api.md in C++17" cpp_program c++17
    try "docs/api.md in C++20" cpp_program c++20
    try "docs/api.md in Python" python_program
    try "docs/api.md in Go" go_program
    try "a wrong promise in docs/api.md is noticed" program_notices c_program
}

# The first page's Python: sold in the first run, and still sold in the second.
readme_python() {
    program_directory readme
    blocks_of python all "$ROOT/README.md" >seat.py
    export PYTHONPATH=$ROOT/bindings/python/src ALLOCDB_LIBRARY=$STAGE/lib/libAllocDB.so
    export PYTHONPYCACHEPREFIX=$WORK/pycache
    [ "$(python3 seat.py)" = "alice: DONE" ]
    [ "$(python3 seat.py)" = "alice: RESOURCE_BUSY" ]
}

main() {
    [ -f "$STAGE/include/allocdb.hpp" ] || fail "no staged tree in $STAGE; type scripts/stage.sh first"
    try "bindings/c/README.md can be followed" follow "$ROOT/bindings/c/README.md"
    try "a page that promises another answer is refused" \
        follow_changed "$ROOT/bindings/c/README.md" 's/^the seat: done$/the seat: sold/'
    try "a page with a program that does not compile is refused" \
        follow_changed "$ROOT/bindings/c/README.md" 's/allocdb_close(&db)/allocdb_shut(\&db)/'
    try "the Python in README.md sells its seat once" readme_python
    try_programs
    tell_counts "doc tests"
}

main
