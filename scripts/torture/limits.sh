#!/usr/bin/env bash
# The limits that a real system sets: a full disk, too few descriptors, too little memory, files that may
# not grow, directories that may not be written.
#
# usage: scripts/torture/limits.sh [--goal RUNS] [--seconds N] [--seed N] [--help]
#
# Each run starts the host in C (bindings/c/torture/host.c) under one limit, on a fresh directory and on
# one that a host left without closing; then audits it, and without the limit the next host goes on.
#
#   full     a tmpfs of a given size, from one page to enough: commands are refused with E_STORAGE_FULL,
#            reads go on, nothing halts
#   relief   the same, filled up by a ballast that the host removes when it has been refused three
#            times: from then on it is served again, without reopening
#   nofile   RLIMIT_NOFILE, before opening and after it (checkpoints and backups open files)
#   as       RLIMIT_AS before opening: E_NO_MEMORY, and the host lives
#   fsize    RLIMIT_FSIZE with SIGXFSZ ignored: EFBIG
#   access   a directory that is read-only or closed, a read-only file system, a file in its place
#
# A tmpfs of a given size needs root or user namespaces; where neither is to be had, that part is
# skipped with a line. The runs are drawn without repetition, then with the next seed's workload.

set -euo pipefail
# shellcheck source=scripts/torture/layer.sh
. "$(dirname "${BASH_SOURCE[0]}")/layer.sh"

if [ "${1:-}" = --inside ]; then
    # In a mount namespace of its own: what is mounted there is gone with it.
    shift
    INSIDE=yes
else
    INSIDE=no
    case ${1:-} in --help | -h) usage; exit 0 ;; esac
    if unshare -rm true 2>/dev/null; then
        exec unshare -rm "$0" --inside "$@"
    fi
    say "skipped: full disks and read-only file systems (no right to mount a tmpfs)"
fi
read_layer_arguments limits 60 "$@"

HOST=$WORK/bin/host
PLACE=$MEMORY/place # where a file system is mounted
declare -A SEEN=()

# All runs, one a line: KIND STATE VALUE.
matrix() {
    local n state
    for state in fresh dirty; do
        for n in {4..12}; do say "nofile $state $n"; say "nofile-late $state $n"; done
        for n in 0 64 256 512 1024 2048 4096 6144 8192 12288 16384 24576 32768; do
            say "as $state $((n * 1024))"
        done
        for n in 256 512 4095 4096 8192 16384 32768 65536 69631 69632 73728 98304 135168; do
            say "fsize $state $n"
            say "fsize-late $state $n"
        done
        if [ "$CAN_BE_DENIED" = yes ]; then
            for n in read-only-directory closed-directory; do say "access $state $n"; done
        fi
        [ "$INSIDE" = yes ] || continue
        say "access $state read-only-system"
        for ((n = 4; n <= 320; n += 12)); do say "full $state $n"; done
        for n in {1..12}; do say "relief $state $n"; done
    done
    say "access fresh file"
}

# lay_out STATE DIRECTORY: the files and the witness that a run begins with.
lay_out() {
    : >"$MEMORY/witness"
    if [ "$1" = dirty ]; then
        cp -r "$MEMORY/left/." "$2" 2>/dev/null || return 1
        cp "$MEMORY/left.witness" "$MEMORY/witness"
    fi
}

# host OPTION...: its exit status in STATUS, what it said in $MEMORY/said. The witness is a pipe to a
# program that no limit binds.
host() {
    STATUS=0
    { { timeout 60 "${AS_USER[@]}" "$HOST" directory="$DB" witness=/dev/stdout seed="$WORKLOAD" \
        life=2 "$@" 2>"$MEMORY/said" || say "$?" >"$MEMORY/status"
    } | cat >>"$MEMORY/witness"; } 2>/dev/null
    [ ! -e "$MEMORY/status" ] || { STATUS=$(cat "$MEMORY/status"); rm "$MEMORY/status"; }
}

audit() { # NAME
    local status=0
    [ -d "$DB" ] || return 0
    "$WORK/bin/auditor" directory="$DB" copy="$MEMORY/copy" witness="$MEMORY/witness" faults=1 \
        >"$MEMORY/audit" 2>&1 || status=$?
    SEEN[commands_refused]=$((${SEEN[commands_refused]:-0} + $(sed -n 's/^figure rejected //p' "$MEMORY/audit")))
    [ "$status" = 0 ] || found "$1 (workload $WORKLOAD): $(grep found "$MEMORY/audit" | head -n 2 |
        paste -sd ' ')"
}

go_on() { # NAME
    local status=0
    [ -d "$DB" ] || return 0
    timeout 60 "$HOST" directory="$DB" witness="$MEMORY/next" life=3 seed=5 submissions=2 \
        >"$MEMORY/said" 2>&1 || status=$?
    [ "$status" = 0 ] || found "$1: the next host ended with $status: $(head -n 1 "$MEMORY/said")"
}

# judge NAME STATUSES-OF-A-REFUSED-OPENING: what the host's end may be.
judge() {
    local status
    local ends=([0]=went_on [3]=opening_refused [5]=halted) end
    end=${ends[$STATUS]:-ended_otherwise}
    SEEN[$end]=$((${SEEN[$end]:-0} + 1))
    status=$(sed -n 's/^host: ALLOCDB_\(E_[A-Z_]*\):.*/\1/p' "$MEMORY/said")
    case $STATUS in
        0 | 5) ;;
        3) case " $2 " in
            *" $status "*) SEEN[$status]=$((${SEEN[$status]:-0} + 1)) ;;
            *) found "$1: the opening was refused with '$(cat "$MEMORY/said")'" ;;
        esac ;;
        *) found "$1: the host ended with $STATUS: $(head -n 1 "$MEMORY/said")" ;;
    esac
}

run_limit() { # KIND STATE VALUE
    local name="$1 $3 ($2)" late=0 expected=
    rm -rf "$DB" "$MEMORY/backup"
    mkdir "$DB"
    lay_out "$2" "$DB"
    case $1 in *-late) late=1 ;; esac
    case $1 in
        nofile*) expected="E_IO" ;;
        as) expected="E_NO_MEMORY" ;;
        fsize*) expected="E_STORAGE_FULL E_IO" ;;
    esac
    host submissions=40 finale=1 limit="${1%-late}:$3" late=$late backup="$MEMORY/backup"
    judge "$name" "$expected"
    audit "$name"
    go_on "$name"
}

# on_tmpfs SIZE-KIB: the database is there until off_tmpfs.
on_tmpfs() {
    mkdir -p "$PLACE"
    mount -t tmpfs -o "size=${1}k" tmpfs "$PLACE"
    DB=$PLACE/db
    mkdir "$DB"
}

off_tmpfs() {
    umount "$PLACE"
    DB=$MEMORY/db
}

# The next host goes on when the disk has grown.
run_full() { # STATE SIZE-KIB
    local name="full $2 KiB ($1)"
    on_tmpfs "$2"
    if lay_out "$1" "$DB"; then
        host submissions=250 log_bytes=4194304
        judge "$name" "E_STORAGE_FULL"
        audit "$name"
        mount -o remount,size=4m "$PLACE"
        go_on "$name"
    fi
    off_tmpfs
}

run_relief() { # STATE SEED
    local name="relief $2 ($1)" free
    on_tmpfs 1024
    lay_out "$1" "$DB"
    # Opens with room, so that it is full when the log has to grow; checkpoints find no room either.
    free=$((84 + ($2 * 20) % 160))
    [ "$1" = fresh ] || free=$((free - 64))
    fallocate -l "$(($(stat -f -c '%a * %S' "$PLACE") - free * 1024))" "$PLACE/ballast"
    host submissions=250 log_bytes=4194304 ballast="$PLACE/ballast"
    judge "$name" "E_STORAGE_FULL"
    [ -e "$PLACE/ballast" ] || SEEN[relieved]=$((${SEEN[relieved]:-0} + 1))
    audit "$name"
    rm -f "$PLACE/ballast"
    go_on "$name"
    off_tmpfs
}

# Root may write everywhere: so somebody else tries, where there is one.
run_access() { # STATE WHICH
    local name="$2 ($1)"
    rm -rf "$DB"
    mkdir "$DB"
    lay_out "$1" "$DB"
    case $2 in
        read-only-directory) chmod 555 "$DB" ;;
        closed-directory) chmod 000 "$DB" ;;
        file) rm -rf "$DB"; : >"$DB" ;;
        read-only-system)
            on_tmpfs 4096
            lay_out "$1" "$DB"
            mount -o remount,ro "$PLACE"
            ;;
    esac
    case $2 in *-directory) AS_USER=("${NOBODY[@]}") ;; esac
    host submissions=40 finale=1
    AS_USER=()
    # Files that are there may be written in a directory that takes no new ones.
    [ "$STATUS" != 0 ] || [ "$2" = read-only-directory ] || found "$name: the host worked on it"
    judge "$name" "E_IO E_NOT_A_DATABASE E_DIRECTORY_NOT_FOUND"
    case $2 in
        *-directory) chmod 755 "$DB" ;;
        file) rm "$DB"; return ;;
        read-only-system) mount -o remount,rw "$PLACE" ;;
    esac
    audit "$name"
    go_on "$name"
    [ "$2" != read-only-system ] || off_tmpfs
}

run() { # KIND STATE VALUE
    case $1 in
        full) run_full "$2" "$3" ;;
        relief) run_relief "$2" "$3" ;;
        access) run_access "$2" "$3" ;;
        *) run_limit "$1" "$2" "$3" ;;
    esac
}

# Root may write everywhere, unless it gives its capabilities up.
find_nobody() {
    NOBODY=()
    if [ "$(id -u)" = 0 ]; then NOBODY=(setpriv --bounding-set=-all --inh-caps=-all); fi
    CAN_BE_DENIED=no
    mkdir "$MEMORY/closed"
    chmod 555 "$MEMORY/closed"
    if "${NOBODY[@]}" true 2>/dev/null && ! "${NOBODY[@]}" touch "$MEMORY/closed/file" 2>/dev/null; then
        CAN_BE_DENIED=yes
    else
        say "skipped: directories without rights (this user has all of them)"
    fi
    chmod 755 "$MEMORY/closed"
    rm -rf "$MEMORY/closed"
}

# A host that tells losers that they won, on a disk with room: the audit is awake.
canary() {
    local before=$FOUND
    rm -rf "$DB"
    mkdir "$DB"
    lay_out fresh "$DB"
    host submissions=200 plant=winner
    audit "the planted bug" >/dev/null
    if [ "$FOUND" = "$before" ]; then
        found "a host that lies was not noticed"
    else
        FOUND=$before
        figure canaries_caught 1
    fi
}

compile_host
compile_auditor
find_nobody
AS_USER=()
DB=$MEMORY/db
WORKLOAD=$SEED
canary
until is_over; do
    rm -rf "$MEMORY/left" "$MEMORY/left.witness"
    "$HOST" directory="$MEMORY/left" witness="$MEMORY/left.witness" life=1 seed="$WORKLOAD" \
        submissions=30 finale=1 leave=1
    mapfile -t RUNS < <(matrix | shuf --random-source=<(yes "$SEED $WORKLOAD"))
    for line in "${RUNS[@]}"; do
        is_over && break
        # Words are wanted.
        # shellcheck disable=SC2086
        run $line
        DONE=$((DONE + 1))
        [ $((DONE % 10)) != 0 ] || say "progress $DONE"
    done
    WORKLOAD=$((WORKLOAD + 1))
done
say "progress $DONE"
figure runs_of_one_workload "${#RUNS[@]}"
for name in "${!SEEN[@]}"; do figure "$name" "${SEEN[$name]}"; done
finish
