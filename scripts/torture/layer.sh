# Shared by the layers in this directory; sourced, never run.
#
# Every layer is a program with one contract: `--goal N --seconds S --seed N` (0 seconds is no limit),
# lines `progress DONE`, `figure NAME VALUE`, `found TEXT` on standard output, and an exit status that is
# not zero when something was found or broken. What cannot be tried on a machine is said in one line
# that begins with `skipped`, and is no failure.
#
# shellcheck shell=bash
# shellcheck disable=SC2034  # the names are used by the scripts that source this file

# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

STAGE=${ALLOCDB_STAGE:-$STAGE}
C_TORTURE=$ROOT/bindings/c/torture
GOAL=0
SECONDS_MAX=0
SEED=1
FOUND=0
DONE=0
STARTED_S=$SECONDS

# read_layer_arguments NAME DEFAULT-GOAL ARGUMENT...: also makes the layer's directory, empty.
read_layer_arguments() {
    local name=$1
    GOAL=$2
    shift 2
    while [ $# -gt 0 ]; do
        case $1 in
            --goal) GOAL=${2:-} ;;
            --seconds) SECONDS_MAX=${2:-} ;;
            --seed) SEED=${2:-} ;;
            --help | -h) usage; exit 0 ;;
            *) fail "unknown option '$1'; see --help" ;;
        esac
        case ${2:-} in '' | *[!0-9]*) fail "$1 wants a number; see --help" ;; esac
        shift 2
    done
    [ -e "$STAGE/lib/libAllocDB.so" ] || fail "no staged tree in $STAGE; type scripts/stage.sh first"
    WORK=${TORTURE_WORK:-$ROOT/target/torture}/$name
    rm -rf "$WORK"
    mkdir -p "$WORK/bin"
    # Where a sync costs nothing, for what does not depend on the disk.
    MEMORY=$WORK
    [ ! -w /dev/shm ] || MEMORY=$(mktemp -d "/dev/shm/allocdb-$name-XXXXXX")
    export LD_LIBRARY_PATH=$STAGE/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
    export ALLOCDB_LIBRARY=$STAGE/lib/libAllocDB.so
    export PYTHONPATH=$ROOT/bindings/python/src${PYTHONPATH:+:$PYTHONPATH} PYTHONDONTWRITEBYTECODE=1
    trap leave EXIT
}

leave() {
    [ "$MEMORY" = "$WORK" ] || rm -rf "$MEMORY"
    # What was found stays to be looked at.
    [ "$FOUND" != 0 ] || rm -rf "$WORK"
}

# compile PROGRAM FILE...: into $WORK/bin.
compile() {
    local program=$1
    shift
    "${CC:-cc}" -std=c11 -g -O2 -Wall -Wextra -Wpedantic -Wshadow -Werror -I"$STAGE/include" \
        "${@/#/$C_TORTURE/}" -o "$WORK/bin/$program" -L"$STAGE/lib" -lAllocDB -pthread
}

compile_host() { compile host host.c witness.c; }
compile_auditor() { compile auditor auditor.c audit.c ledger.c witness.c files.c; }

found() {
    FOUND=$((FOUND + 1))
    say "found $*"
}

figure() { say "figure $1 $2"; }

advance() {
    DONE=$((DONE + ${1:-1}))
    say "progress $DONE"
}

is_over() {
    [ "$DONE" -ge "$GOAL" ] ||
        { [ "$SECONDS_MAX" != 0 ] && [ $((SECONDS - STARTED_S)) -ge "$SECONDS_MAX" ]; }
}

# skip WHY: nothing can be tried here.
skip() {
    say "skipped: $*"
    exit 0
}

# finish: the layer's last word.
finish() {
    [ "$FOUND" = 0 ] || say "the files are in $WORK"
    exit $((FOUND > 0))
}
