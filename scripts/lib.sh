# Shared by the scripts in this directory; sourced, never run.
#
# It finds the tree (ROOT) and the build directory (TARGET), makes visible a Rust that rustup put under
# the user's home, for a shell that did not read the profile, and the Go and the Python that setup.sh
# found outside PATH, and gives the few words that all scripts speak with: `say`, `fail`, `usage`, and
# `try` for those that count tests. Nothing here writes to the disk but what `try` keeps of a test.
#
# shellcheck shell=bash
# shellcheck disable=SC2034  # the names are used by the scripts that source this file

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
TARGET=${CARGO_TARGET_DIR:-$ROOT/target}
case $TARGET in /*) ;; *) TARGET=$PWD/$TARGET ;; esac
# The staged tree stands in target/ of the tree whatever the build directory is: docs and users name it so.
STAGE=$ROOT/target/stage
# Programs that setup.sh has fetched, and links to those that it found outside PATH.
TOOLS=$ROOT/target/tools
PATH=$TOOLS/bin:$PATH

case :$PATH: in
    *":${HOME:-/}/.cargo/bin:"*) ;;
    *) [ ! -d "${HOME:-}/.cargo/bin" ] || PATH=$PATH:${HOME:-}/.cargo/bin ;;
esac

# Go keeps what it has built in the user's home; where there is none, in the tree.
if [ ! -w "${HOME:-/nowhere}" ]; then
    export GOCACHE=${GOCACHE:-$ROOT/target/go/cache} GOPATH=${GOPATH:-$ROOT/target/go/path}
fi

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    BOLD=$'\e[1m' GREEN=$'\e[32m' RED=$'\e[31m' PLAIN=$'\e[0m'
else
    BOLD='' GREEN='' RED='' PLAIN=''
fi

say() { printf '%s\n' "$*"; }

fail() {
    printf '%s%s: %s%s\n' "$RED" "$(basename "$0")" "$*" "$PLAIN" >&2
    exit 1
}

# A script's usage is the comment that opens it: what is read first cannot fall behind what is printed.
usage() { awk 'NR == 1 { next } /^#/ { sub(/^# ?/, ""); print; next } { exit }' "$0"; }

# Milliseconds since an arbitrary moment, without starting a process.
now_ms() {
    local micros=${EPOCHREALTIME/[.,]/}
    printf '%s' "${micros%???}"
}

# ---- for scripts that count tests ----

PASSED=0
FAILED=0
# What the test under way prints; a script may keep it elsewhere.
TRY_LOG=/dev/null

# try NAME COMMAND...: one test, which passes when the command does; what a failed one said is shown.
try() {
    local name=$1 status=0
    shift
    # In a condition bash would go on after a command that fails: so not in one.
    set +e
    (set -e; "$@") >"$TRY_LOG" 2>&1
    status=$?
    set -e
    if [ "$status" = 0 ]; then
        PASSED=$((PASSED + 1))
        say "ok     $name"
    else
        FAILED=$((FAILED + 1))
        say "FAILED $name"
        tail -n 60 "$TRY_LOG" | sed 's/^/    /'
    fi
}

# tell_counts NAME: the last line, and the script's exit status.
tell_counts() {
    say "$1: $PASSED passed, $FAILED failed"
    [ "$FAILED" = 0 ]
}
