#!/usr/bin/env bash
# Sells the 10,000 seats of a venue to 64 impatient buyers, kills the seller three times with
# kill -9, and proves that nothing was lost and nothing sold twice.
#
# usage: scripts/demo.sh [--seconds N] [--buyers N] [--kills N] [--seed N] [--out DIRECTORY]
#
#   --seconds N   how long the shop is open (default 45)
#   --buyers N    how many threads buy at once (default 64, at most 256)
#   --kills N     how often the seller is killed (default 3, at most 15)
#   --seed N      repeats a run's moments of killing and its buyers' choices (default: drawn)
#   --out DIR     where the run's files go (default target/demo); what was there is removed
#   --help        this text
#
# It builds the library, then compiles the C programs of bindings/c/examples against the staged
# tree and nothing else. Three processes work: the seller (seat_seller.c) sells out of a real
# database on a real disk, every commit synced; the witness (seat_witness.c) keeps every answer that
# the seller gave; when the shop has closed, the audit (seat_audit.c) holds the database against
# what the witness heard, prints the verdict and the figures, and draws the map of the sold seats.
#
# It leaves there: the database in db, the witness's journal in journal.txt, the map in seats.svg. It ends with 0 only if every check passed.

set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

SECONDS_OPEN=45
BUYERS=64
KILLS=3
SEED=
OUT=target/demo

while [ $# -gt 0 ]; do
    case $1 in
        --seconds) SECONDS_OPEN=${2:-} ;;
        --buyers) BUYERS=${2:-} ;;
        --kills) KILLS=${2:-} ;;
        --seed) SEED=${2:-} ;;
        --out) OUT=${2:-} ;;
        --help | -h) usage; exit 0 ;;
        *) fail "unknown option '$1'; see --help" ;;
    esac
    case $1/${2:-} in
        --out/?*) ;;
        */ | */*[!0-9]*) fail "$1 wants a value; see --help" ;;
    esac
    shift 2
done
[ "$SECONDS_OPEN" -ge 2 ] || fail "--seconds must be at least 2"
{ [ "$BUYERS" -ge 1 ] && [ "$BUYERS" -le 256 ]; } || fail "--buyers must be 1 to 256"
[ "$KILLS" -le 15 ] || fail "--kills must be at most 15"
SEED=${SEED:-$((SRANDOM % 32768))}

EXAMPLES=$ROOT/bindings/c/examples
VENUE=$EXAMPLES/venue.csv
case $OUT in /*) DEMO=$OUT ;; target/*) DEMO=$ROOT/$OUT ;; *) DEMO=$PWD/$OUT ;; esac
SELLER_PID=
WITNESS_PID=

clean_up() {
    # Only what this run started. Closing the pipe lets the witness keep what it has and end.
    exec 3>&- || true
    [ -z "$SELLER_PID" ] || kill -9 "$SELLER_PID" 2>/dev/null || true
    [ -z "$WITNESS_PID" ] || kill "$WITNESS_PID" 2>/dev/null || true
}

# compile PROGRAM FILE...: the one command that a user of the staged tree types.
compile() {
    local program=$1
    shift
    "${CC:-cc}" -std=c11 -O2 -Wall -Wextra -Wpedantic -I"$STAGE/include" \
        "${@/#/$EXAMPLES/}" -o "$DEMO/$program" \
        -L"$STAGE/lib" "-Wl,-rpath,$STAGE/lib" -lAllocDB -lm -pthread
}

build() {
    "$ROOT/scripts/setup.sh"
    say "building the library and the C programs (a minute or two the first time) ..."
    "$ROOT/scripts/stage.sh"
    compile seat_seller seat_seller.c seat_buyer.c seat_journal.c venue.c
    compile seat_audit seat_audit.c seat_journal.c seat_map.c venue.c
    compile seat_witness seat_witness.c
}

unix_ms() {
    local micros=${EPOCHREALTIME/[.,]/}
    printf '%s' "${micros%???}"
}

# The moments of killing, in milliseconds after the opening: one at random in each stretch of time,
# so that every life of the seller sells something.
draw_kills() {
    local i stretch=$((SECONDS_OPEN * 1000 / (KILLS + 1)))
    RANDOM=$SEED
    for ((i = 0; i < KILLS; i++)); do
        say $((stretch * i + stretch * 4 / 10 + (RANDOM * 32768 + RANDOM) % (stretch * 8 / 10)))
    done
}

# start_seller LIFE CLOSING_MS
start_seller() {
    "$DEMO/seat_seller" -d "$DEMO/db" -v "$VENUE" -n "$DEMO/notebook" -b "$BUYERS" -s "$SEED" \
        -l "$1" -u "$2" >&3 2>>"$DEMO/seller.log" 3>&- &
    SELLER_PID=$!
}

# wait_seller: its exit status, without the shell's own remark about a killed job.
wait_seller() {
    local status=0
    { wait "$SELLER_PID" || status=$?; } 2>/dev/null
    SELLER_PID=
    return "$status"
}

# sell_until_killed LIFE AT_MS OPENED_MS CLOSING_MS
sell_until_killed() {
    local left_ms status=0
    start_seller "$1" "$4"
    left_ms=$(($3 + $2 - $(unix_ms)))
    [ "$left_ms" -le 0 ] || sleep "$((left_ms / 1000)).$(printf '%03d' $((left_ms % 1000)))"
    kill -9 "$SELLER_PID" 2>/dev/null || true
    wait_seller || status=$?
    # 137 is death by kill -9; anything else happened before we came.
    [ "$status" = 137 ] ||
        { cat "$DEMO/seller.log" >&2; fail "the seller ended by itself ($status)"; }
    say "note ${1}. kill -9, $2 ms after the opening" >&3
}

run_shop() {
    local life=1 at_ms status=0 opened_ms closing_ms kills
    mapfile -t kills < <(draw_kills)
    mkfifo "$DEMO/answers"
    "$DEMO/seat_witness" "$DEMO/journal.txt" "$(($(wc -l <"$VENUE") - 1))" <"$DEMO/answers" &
    WITNESS_PID=$!
    # This script holds the pipe's writing end too, so that the witness hears no end of file while
    # one seller is dead and the next not yet born.
    exec 3>"$DEMO/answers"
    opened_ms=$(unix_ms)
    closing_ms=$((opened_ms + SECONDS_OPEN * 1000))
    for at_ms in ${kills[@]+"${kills[@]}"}; do
        sell_until_killed "$life" "$at_ms" "$opened_ms" "$closing_ms"
        life=$((life + 1))
    done
    start_seller "$life" "$closing_ms"
    wait_seller || status=$?
    exec 3>&-
    wait "$WITNESS_PID" || fail "the witness failed"
    WITNESS_PID=
    [ "$status" = 0 ] || { cat "$DEMO/seller.log" >&2; fail "the last seller failed ($status)"; }
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
    say "${BOLD}The shop opens: $BUYERS buyers, $SECONDS_OPEN seconds, $KILLS x kill -9," \
        "seed $SEED$PLAIN"
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
    say "${GREEN}demo passed${PLAIN}: killed $KILLS times, nothing lost, nothing sold twice (seed $SEED)"
}

main
