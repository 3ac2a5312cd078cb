#!/usr/bin/env bash
# Types what the documents say, and compares what they promise.
#
# usage: scripts/doc_tests.sh [--help]
#
# A page for newcomers (bindings/c/README.md) is followed as it stands: a block after "Save this as
# `NAME`" becomes that file, a `sh` block is typed, and a `text` block must be what was printed. Only
# scripts/stage.sh is not typed again: this wants the staged tree. The last line is the count.

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
PASSED=0
FAILED=0

# try NAME COMMAND...: one test, which passes when the command does.
try() {
    local name=$1 status=0
    shift
    set +e
    (set -e; "$@") >"$WORK/log" 2>&1
    status=$?
    set -e
    if [ "$status" = 0 ]; then
        PASSED=$((PASSED + 1))
        say "ok     $name"
    else
        FAILED=$((FAILED + 1))
        say "FAILED $name"
        tail -n 60 "$WORK/log" | sed 's/^/    /'
    fi
}

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

main() {
    [ -f "$STAGE/include/allocdb.hpp" ] || fail "no staged tree in $STAGE; type scripts/stage.sh first"
    try "bindings/c/README.md can be followed" follow "$ROOT/bindings/c/README.md"
    try "a page that promises another answer is refused" \
        follow_changed "$ROOT/bindings/c/README.md" 's/^the seat: done$/the seat: sold/'
    try "a page with a program that does not compile is refused" \
        follow_changed "$ROOT/bindings/c/README.md" 's/allocdb_close(&db)/allocdb_shut(\&db)/'
    say "doc tests: $PASSED passed, $FAILED failed"
    [ "$FAILED" = 0 ]
}

main
