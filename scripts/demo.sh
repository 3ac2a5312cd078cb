#!/usr/bin/env bash
# Sells the 10,000 seats of a venue to 64 impatient buyers: a C, a Python and a Go program take turns on
# one database, each is killed once with kill -9, and nothing is lost and nothing sold twice.
#
# usage: scripts/demo.sh [--languages LIST] [--seconds N] [--buyers N] [--kills N] [--seed N]
#                        [--out DIRECTORY]
#
#   --languages LIST   whose turn it is, in this order (default "c python go"; at most 8 turns)
#   --seconds N        how long the shop is open in all (default 60)
#   --buyers N         how many threads or goroutines buy at once (default 64; 3 to 256)
#   --kills N          how often each seller is killed in its turn (default 1, at most 7)
#   --seed N           repeats a run's moments of killing and its buyers' choices (default: drawn)
#   --out DIR          where the run's files go (default target/demo); what was there is removed
#   --help             this text
#
# It builds the library, then the programs of bindings/*/examples against the staged tree and nothing
# else. The seller (seat_seller, the same in three languages) sells out of a real database on a real
# disk, every commit synced. One process owns the database at a time: while one does, the next in turn
# tries to open it too, is told the owner's pid, and waits. At the end of its turn a seller leaves behind holds
# that are not confirmed and commands whose answer nobody heard; the next one honours the holds, and
# answers the commands when they are sent again. The witness (seat_witness.c) keeps every answer that
# the sellers gave; when the shop has closed, the audit (seat_audit.c) holds the database against what
# the witness heard, prints the verdict and the figures, and draws the map of the sold seats.
#
# It leaves there: the database in db, the witness's journal in journal.txt, the map in seats.svg. It ends
# with 0 only if every check passed.

set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

LANGUAGES="c python go"
SECONDS_OPEN=60
BUYERS=64
KILLS=1
SEED=
OUT=target/demo

while [ $# -gt 0 ]; do
    case $1 in
        --languages) LANGUAGES=${2:-} ;;
        --seconds) SECONDS_OPEN=${2:-} ;;
        --buyers) BUYERS=${2:-} ;;
        --kills) KILLS=${2:-} ;;
        --seed) SEED=${2:-} ;;
        --out) OUT=${2:-} ;;
        --help | -h) usage; exit 0 ;;
        *) fail "unknown option '$1'; see --help" ;;
    esac
    case $1/${2:-} in
        --out/?* | --languages/?*) ;;
        */ | */*[!0-9]*) fail "$1 wants a value; see --help" ;;
    esac
    shift 2
done
read -ra TURNS <<<"$LANGUAGES"
for language in "${TURNS[@]}"; do
    case $language in c | python | go) ;; *) fail "--languages: '$language' is none of c, python, go" ;; esac
done
{ [ ${#TURNS[@]} -ge 1 ] && [ ${#TURNS[@]} -le 8 ]; } || fail "--languages must be 1 to 8 turns"
[ "$SECONDS_OPEN" -ge $((2 * ${#TURNS[@]})) ] || fail "--seconds must be at least 2 for each turn"
# One in three leaves in each of three ways at a hand-over, which the audit wants to see.
{ [ "$BUYERS" -ge 3 ] && [ "$BUYERS" -le 256 ]; } || fail "--buyers must be 3 to 256"
[ "$KILLS" -le 7 ] || fail "--kills must be at most 7"
SEED=${SEED:-$((SRANDOM % 32768))}

C_EXAMPLES=$ROOT/bindings/c/examples
VENUE=$C_EXAMPLES/venue.csv
case $OUT in /*) DEMO=$OUT ;; target/*) DEMO=$ROOT/$OUT ;; *) DEMO=$PWD/$OUT ;; esac
LIFE_MS_MIN=400
TURN_MS=$((SECONDS_OPEN * 1000 / ${#TURNS[@]}))
# Only the last life of a turn ends by the clock: one that is to be killed must not close before.
FOR_LONG_MS=600000
FIRST_LIFE_MS=$((KILLS > 0 ? FOR_LONG_MS : TURN_MS))
STARTED_PID=
SELLER_PID=
NEXT_PID=
WITNESS_PID=

clean_up() {
    # Only what this run started. Closing the pipe lets the witness keep what it has and end.
    exec 3>&- || true
    local pid
    for pid in $SELLER_PID $NEXT_PID; do kill -9 "$pid" 2>/dev/null || true; done
    [ -z "$WITNESS_PID" ] || kill "$WITNESS_PID" 2>/dev/null || true
}

takes_part() { case " $LANGUAGES " in *" $1 "*) return 0 ;; *) return 1 ;; esac; }

# compile PROGRAM FILE...: the one command that a user of the staged tree types.
compile() {
    local program=$1
    shift
    "${CC:-cc}" -std=c11 -O2 -Wall -Wextra -Wpedantic -I"$STAGE/include" \
        "${@/#/$C_EXAMPLES/}" -o "$DEMO/$program" \
        -L"$STAGE/lib" "-Wl,-rpath,$STAGE/lib" -lAllocDB -lm -pthread
}

build_go() {
    (cd "$ROOT/bindings/go" && GOPROXY=off GOTOOLCHAIN=local GOWORK=off CGO_ENABLED=1 \
        PKG_CONFIG_PATH=$STAGE/lib/pkgconfig \
        go build -buildvcs=false -o "$DEMO/seat_seller_go" ./examples/seat_seller)
}

build() {
    "$ROOT/scripts/setup.sh" --languages "$LANGUAGES"
    say "building the library and the programs (a minute or two the first time) ..."
    "$ROOT/scripts/stage.sh"
    compile seat_seller seat_seller.c seat_buyer.c seat_handover.c seat_journal.c venue.c
    compile seat_audit seat_audit.c seat_report.c seat_journal.c seat_map.c venue.c
    compile seat_witness seat_witness.c
    ! takes_part go || build_go
    # What an installed library and package would find by themselves.
    export LD_LIBRARY_PATH=$STAGE/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
    export ALLOCDB_LIBRARY=$STAGE/lib/libAllocDB.so
    export PYTHONPATH=$ROOT/bindings/python/src${PYTHONPATH:+:$PYTHONPATH}
    export PYTHONPYCACHEPREFIX=$ROOT/target/pycache
}

# The words that start LANGUAGE's seller.
program_of() {
    case $1 in
        c) PROGRAM=("$DEMO/seat_seller") ;;
        python) PROGRAM=(python3 "$ROOT/bindings/python/examples/seat_seller.py") ;;
        go) PROGRAM=("$DEMO/seat_seller_go") ;;
    esac
}

unix_ms() {
    local micros=${EPOCHREALTIME/[.,]/}
    printf '%s' "${micros%???}"
}

sleep_until_ms() {
    local left_ms=$(($1 - $(unix_ms)))
    [ "$left_ms" -le 0 ] || sleep "$((left_ms / 1000)).$(printf '%03d' $((left_ms % 1000)))"
}

# The turns and lives are counted through, so that the next seller can be started before its turn.
turn_of_life() { printf '%s' $((($1 - 1) / (KILLS + 1) + 1)); }

# start_seller LIFE CLOSING-OPTION...: into STARTED_PID. What it hears on standard input is its turn.
start_seller() {
    local PROGRAM life=$1 turn hand_over=-o
    turn=$(turn_of_life "$life")
    shift
    [ "$turn" -lt ${#TURNS[@]} ] || hand_over=
    program_of "${TURNS[turn - 1]}"
    "${PROGRAM[@]}" -d "$DEMO/db" -v "$VENUE" -n "$DEMO/notebook" -b "$BUYERS" -s "$SEED" \
        -l "$life" -t "$turn" "$@" $hand_over <&4 >&3 2>>"$DEMO/seller.log" 3>&- 4>&- &
    STARTED_PID=$!
}

# wait_seller: its exit status, without the shell's own remark about a killed job.
wait_seller() {
    local status=0
    { wait "$SELLER_PID" || status=$?; } 2>/dev/null
    SELLER_PID=
    return "$status"
}

seller_failed() {
    cat "$DEMO/seller.log" >&2
    fail "$1"
}

# wait_for WORD COUNT PID: until the witness has heard so many such lines.
wait_for() {
    local tries=0
    until [ "$(grep -c "^$1 " "$DEMO/journal.txt" 2>/dev/null)" = "$2" ]; do
        kill -0 "$3" 2>/dev/null && [ "$tries" -lt 1200 ] || seller_failed "no '$1' from process $3"
        tries=$((tries + 1))
        sleep 0.05
    done
}

kill_seller() {
    local status=0 killed=$SELLER_PID
    kill -9 "$SELLER_PID" 2>/dev/null || true
    wait_seller || status=$?
    # 137 is death by kill -9; anything else happened before we came.
    [ "$status" = 137 ] || seller_failed "the seller ended by itself ($status)"
    say "note kill -9 to process $killed" >&3
}

# take_turn TURN: its seller is at the door already, or the first of all. Its time begins when it has
# opened the database. Its kills come one at random in each stretch of that time, so that every life of
# it sells something; while it is there, the next seller knocks.
take_turn() {
    local turn=$1 life=$((($1 - 1) * (KILLS + 1) + 1)) begin_ms kill_ms stretch i status=0
    SELLER_PID=$STARTED_PID
    wait_for open "$life" "$SELLER_PID"
    begin_ms=$(unix_ms)
    if [ "$turn" -lt ${#TURNS[@]} ]; then
        start_seller $((life + KILLS + 1)) -c "$FIRST_LIFE_MS" -k
        NEXT_PID=$STARTED_PID
        wait_for lock "$turn" "$NEXT_PID"
    fi
    stretch=$((TURN_MS / (KILLS + 1)))
    for ((i = 0; i < KILLS; i++)); do
        kill_ms=$((begin_ms + stretch * i + stretch * 4 / 10 +
            (RANDOM * 32768 + RANDOM) % (stretch * 8 / 10)))
        sleep_until_ms "$kill_ms"
        kill_seller
        life=$((life + 1))
        start_seller "$life" -u $((begin_ms + TURN_MS)) -c $((i + 1 < KILLS ? FOR_LONG_MS : LIFE_MS_MIN))
        SELLER_PID=$STARTED_PID
        # A seller that is killed before it has opened, or at once, shows nothing.
        wait_for open "$life" "$SELLER_PID"
        sleep_until_ms $(($(unix_ms) + LIFE_MS_MIN))
    done
    wait_seller || status=$?
    [ "$status" = 0 ] || seller_failed "the ${TURNS[turn - 1]} seller failed ($status)"
    STARTED_PID=$NEXT_PID
    NEXT_PID=
}

run_shop() {
    local turn
    mkfifo "$DEMO/answers" "$DEMO/door"
    "$DEMO/seat_witness" "$DEMO/journal.txt" "$(($(wc -l <"$VENUE") - 1))" <"$DEMO/answers" &
    WITNESS_PID=$!
    # This script holds the pipe's writing end too, so that the witness hears no end of file while
    # one seller is gone and the next not yet born.
    exec 3>"$DEMO/answers" 4<>"$DEMO/door"
    RANDOM=$SEED
    start_seller 1 -c "$FIRST_LIFE_MS"
    for ((turn = 1; turn <= ${#TURNS[@]}; turn++)); do
        [ "$turn" = 1 ] || say "" >&4
        take_turn "$turn"
    done
    exec 3>&- 4>&-
    wait "$WITNESS_PID" || fail "the witness failed"
    WITNESS_PID=
}

main() {
    # Only a directory that an earlier run made is removed.
    if [ -e "$DEMO" ] && [ ! -e "$DEMO/seller.log" ] && [ -n "$(ls -A "$DEMO")" ]; then
        fail "$OUT is not empty, and no run of this script has made it"
    fi
    rm -rf "$DEMO"
    mkdir -p "$DEMO"
    : >"$DEMO/seller.log"
    build
    say ""
    say "${BOLD}The shop opens: $BUYERS buyers, $SECONDS_OPEN seconds, sellers in turn: $LANGUAGES," \
        "each killed $KILLS x, seed $SEED$PLAIN"
    trap clean_up EXIT
    run_shop
    trap - EXIT
    say ""
    say "${BOLD}The audit${PLAIN}"
    "$DEMO/seat_audit" "$DEMO/db" "$VENUE" "$DEMO/journal.txt" "$DEMO/seats.svg" ||
        fail "the audit failed; seed $SEED, everything is kept in $OUT"
    say "  map                    $OUT/seats.svg"
    say "  witness's journal      $OUT/journal.txt"
    say ""
    say "${GREEN}demo passed${PLAIN}: $((${#TURNS[@]} * KILLS)) x kill -9, $((${#TURNS[@]} - 1)) hand-overs," \
        "nothing lost, nothing sold twice (seed $SEED)"
}

main
