#!/usr/bin/env bash
# Every system call of the built C library failing, once and for good, and a kill at each of them.
#
# usage: scripts/torture/strace.sh [--goal RUNS] [--seconds N] [--seed N] [--help]
#
# The host in C (bindings/c/torture/host.c) opens a database, commits, makes a checkpoint and a backup
# and closes, under `strace -e inject`: the N-th fsync, pwrite64, openat ... fails with EIO, ENOSPC,
# EMFILE, EINTR, alone or with all that follow, or the process is killed on entering it. Two workloads:
# a fresh directory, and one that a host left without closing, so that recovery's calls are among them.
# After each run the database is audited without injection (nothing acknowledged lost, nothing refused
# there, every status a documented one, no failed sync of the log or the directory taken for done), and
# the next host must be able to go on with it.
#
# The runs are drawn without repetition; when all are done, the next seed's workload is taken. A lying
# kernel, which takes writes for done and forgets them, is the planted bug that must be found.

set -euo pipefail
# shellcheck source=scripts/torture/layer.sh
. "$(dirname "${BASH_SOURCE[0]}")/layer.sh"
read_layer_arguments strace 60 "$@"

HOST=$WORK/bin/host
DB=$MEMORY/db
SUBMISSIONS=8

# CALL:ERRNO..., each once and for good; what is not called by the workload costs nothing.
FAULTS=(
    "fdatasync EIO ENOSPC EINTR" "fsync EIO ENOSPC EINTR" "pwrite64 EIO ENOSPC EINTR EDQUOT"
    "pread64 EIO EINTR" "openat EIO EMFILE ENOSPC EACCES EINTR" "renameat EIO ENOSPC EINTR"
    "rename EIO ENOSPC" "unlink EIO" "unlinkat EIO" "mkdir EIO ENOSPC EACCES" "flock EIO EINTR ENOLCK"
    "ftruncate EIO ENOSPC EINTR" "fallocate EIO ENOSPC EINTR" "fstatfs EIO" "newfstatat EIO"
    "statx EIO" "getdents64 EIO" "mmap ENOMEM" "getrandom EINTR ENOSYS" "close EIO EINTR"
    "lseek EIO" "fstat EIO" "read EIO EINTR" "copy_file_range EIO ENOSPC" "linkat EIO"
)
KILLED_AT="fdatasync fsync pwrite64 openat renameat unlinkat unlink ftruncate flock mkdir close"
# What an opening may be refused with, whatever fails below it: never "corrupt".
REFUSALS="E_IO E_STORAGE_FULL E_NO_MEMORY E_LOCKED E_DIRECTORY_NOT_FOUND E_STORAGE_FAILURE"
declare -A COUNTS

if ! command -v strace >/dev/null; then
    # Small, and wanted by nothing else: so got here, where this user may.
    if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
        apt-get install -y --no-install-recommends strace >/dev/null 2>&1 || true
    fi
    command -v strace >/dev/null || skip "system calls are not failed: no strace"
fi
strace -f -o /dev/null -e inject=getpid:error=EIO true 2>/dev/null ||
    skip "system calls are not failed: strace may not trace here"

# prepare SCENARIO: the files and the witness that a run begins with.
prepare() {
    rm -rf "$DB" "$MEMORY/backup" "$MEMORY/witness"
    : >"$MEMORY/witness"
    if [ "$1" = dirty ]; then
        cp -r "$MEMORY/left" "$DB"
        cp "$MEMORY/left.witness" "$MEMORY/witness"
    fi
}

# host_under STRACE-OPTION...: its exit status in STATUS.
host_under() {
    STATUS=0
    # In braces: the shell's own remark about a killed job is not wanted.
    { timeout 30 strace -f -y -o "$MEMORY/trace" "$@" "$HOST" directory="$DB" \
        witness="$MEMORY/witness" life=2 seed="$WORKLOAD" submissions=$SUBMISSIONS finale=1 \
        backup="$MEMORY/backup" >"$MEMORY/said" 2>&1 || STATUS=$?; } 2>/dev/null
}

# The calls from the host's first word on, by name; those before it are the loader's.
count_calls() { # SCENARIO
    local name before all
    while read -r name before all; do
        COUNTS[$1/$name]="$before $all"
    done < <(sed -E 's/^[0-9]+ +//' "$MEMORY/trace" | awk -F'(' '
        /^[a-z_0-9]+\(/ { if ($1 == "write") begun = 1; all[$1]++; if (!begun) before[$1]++ }
        END { for (name in all) print name, before[name] + 0, all[name] }')
}

# learn: runs both workloads without a fault, and counts.
learn() {
    local scenario
    rm -rf "$MEMORY/left" "$MEMORY/left.witness"
    "$HOST" directory="$MEMORY/left" witness="$MEMORY/left.witness" life=1 seed="$WORKLOAD" \
        submissions=40 finale=1 leave=1
    COUNTS=()
    for scenario in fresh dirty; do
        prepare $scenario
        host_under
        [ "$STATUS" = 0 ] || fail "the workload fails without a fault: $(cat "$MEMORY/said")"
        count_calls $scenario
    done
}

# All runs of this workload, one a line: SCENARIO CALL N FAULT, in an order drawn from the seed.
matrix() {
    local scenario words call before all n fault
    for scenario in fresh dirty; do
        for words in "${FAULTS[@]}"; do
            call=${words%% *}
            read -r before all <<<"${COUNTS[$scenario/$call]:-0 0}"
            for ((n = before + 1; n <= all; n++)); do
                for fault in ${words#* }; do
                    say "$scenario $call $n error=$fault"
                    # Interrupted for ever is no kernel's answer; whoever repeats the call is right.
                    [ "$fault" = EINTR ] || say "$scenario $call $n+ error=$fault"
                done
                case " $KILLED_AT " in *" $call "*) say "$scenario $call $n signal=SIGKILL" ;; esac
            done
        done
    done | shuf --random-source=<(yes "$SEED $WORKLOAD")
}

audit() { # NAME of the run
    local status=0
    "$WORK/bin/auditor" directory="$DB" copy="$MEMORY/copy" witness="$MEMORY/witness" faults=1 \
        >"$MEMORY/audit" 2>&1 || status=$?
    [ "$status" = 0 ] || found "$1 (seed $SEED, workload $WORKLOAD): $(grep found "$MEMORY/audit" |
        head -n 2 | paste -sd ' ')"
}

check_refusal() { # NAME
    local status
    status=$(sed -n 's/^host: ALLOCDB_\(E_[A-Z_]*\):.*/\1/p' "$MEMORY/said")
    case " $REFUSALS " in
        *" $status "*) ;;
        *) found "$1: the opening was refused with '$(cat "$MEMORY/said")'" ;;
    esac
}

# Without a fault the next host goes on, if there is a database to go on with.
go_on() { # NAME
    local status=0
    timeout 60 "$HOST" directory="$DB" witness="$MEMORY/next" life=3 seed=5 submissions=2 \
        >"$MEMORY/said" 2>&1 || status=$?
    [ "$status" = 0 ] || found "$1: the next host ended with $status: $(head -n 1 "$MEMORY/said")"
}

# A sync of the log or of the database's directory that failed must not go by unnoticed; that of a file
# that is not there yet under its name may.
check_swallowed() { # NAME
    if grep -E '^[0-9 ]*f(data)?sync\(.*INJECTED' "$MEMORY/trace" | grep -v EINTR |
        grep -qE "<$DB(/wal\.adb)?>"; then
        found "$1: a failed sync was taken for done"
    fi
}

run() { # SCENARIO CALL N FAULT
    local name="$2 $3 $4 ($1)"
    prepare "$1"
    host_under -e "inject=$2:$4:when=$3"
    case $STATUS/$4 in
        0/error=*) SURVIVED=$((SURVIVED + 1)); check_swallowed "$name" ;;
        1/error=*) FAILED_CLOSE=$((FAILED_CLOSE + 1)) ;;
        3/error=*) REFUSED=$((REFUSED + 1)); check_refusal "$name" ;;
        5/error=*) HALTED=$((HALTED + 1)) ;;
        137/signal=*) KILLED=$((KILLED + 1)) ;;
        # A witness that cannot be opened is the host's own call.
        4/error=* | 4/signal=*) ;;
        *) found "$name: the host ended with $STATUS: $(tail -n 2 "$MEMORY/said" | paste -sd ' ')" ;;
    esac
    audit "$name"
    go_on "$name"
}

# A kernel that says "written" and writes nothing, from the middle of the commits on.
canary() {
    local before all
    prepare dirty
    read -r before all <<<"${COUNTS[dirty/pwrite64]}"
    host_under -e "inject=pwrite64:retval=512:when=$((before + (all - before) / 3))+"
    if "$WORK/bin/auditor" directory="$DB" copy="$MEMORY/copy" witness="$MEMORY/witness" faults=1 \
        >"$MEMORY/audit" 2>&1 || ! grep -q '^found ' "$MEMORY/audit"; then
        found "a kernel that forgets writes was not noticed"
    else
        figure canaries_caught 1
    fi
}

compile_host
compile_auditor
SURVIVED=0 FAILED_CLOSE=0 REFUSED=0 HALTED=0 KILLED=0
WORKLOAD=$SEED
learn
canary
until is_over; do
    mapfile -t RUNS < <(matrix)
    for line in "${RUNS[@]}"; do
        is_over && break
        # Words are wanted.
        # shellcheck disable=SC2086
        run $line
        DONE=$((DONE + 1))
        [ $((DONE % 10)) != 0 ] || say "progress $DONE"
    done
    is_over || { WORKLOAD=$((WORKLOAD + 1)); learn; }
done
say "progress $DONE"
figure runs_of_one_workload "${#RUNS[@]}"
figure workloads $((WORKLOAD - SEED + 1))
figure went_on "$SURVIVED"
figure halted "$HALTED"
figure opening_refused "$REFUSED"
figure close_failed "$FAILED_CLOSE"
figure killed "$KILLED"
[ "$DONE" -lt 60 ] || { [ "$SURVIVED" -gt 0 ] && [ "$HALTED" -gt 0 ] && [ "$KILLED" -gt 0 ]; } ||
    found "faults that change nothing"
finish
