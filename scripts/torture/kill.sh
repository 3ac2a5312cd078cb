#!/usr/bin/env bash
# kill -9 in a loop: hosts in C, Python and Go in turn on one database, with a witness outside.
#
# usage: scripts/torture/kill.sh [--goal KILLS] [--seconds N] [--seed N] [--help]
#
# bindings/c/torture/killer.c says how. One kill in five is on this tree's disk, where syncs take their
# time and deaths fall into them; the others are in memory, where more of them fit into a minute: the
# kernel keeps what a killed process wrote, wherever. Hosts in Python and Go take their turns where
# these languages are there. First it plants four bugs, one after the other, and each must be found:
# files put back as they were before the death, a command carried out twice, an expiry three slots
# early, a loser told that it won.

set -euo pipefail
# shellcheck source=scripts/torture/layer.sh
. "$(dirname "${BASH_SOURCE[0]}")/layer.sh"
read_layer_arguments kill 500 "$@"

HOSTS=("c=$WORK/bin/host")

build() {
    compile_host
    compile killer killer.c audit.c ledger.c witness.c files.c
    if command -v python3 >/dev/null; then
        HOSTS+=("python=$ROOT/bindings/python/torture/host.py" every_python=40)
    else
        say "skipped: hosts in Python (no python3)"
    fi
    if command -v go >/dev/null && command -v pkg-config >/dev/null; then
        (cd "$ROOT/bindings/go" && GOPROXY=off GOTOOLCHAIN=local GOWORK=off CGO_ENABLED=1 \
            PKG_CONFIG_PATH=$STAGE/lib/pkgconfig \
            go build -buildvcs=false -o "$WORK/bin/host_go" ./torture/host)
        HOSTS+=("go=$WORK/bin/host_go" every_go=8)
    else
        say "skipped: hosts in Go (no go, or no pkg-config)"
    fi
}

canaries() {
    local plant caught=0
    for plant in lost twice early winner; do
        if "$WORK/bin/killer" work="$MEMORY/$plant" copy="$MEMORY/copy" goal=200 seed="$SEED" \
            plant="$plant" c="$WORK/bin/host" >"$WORK/$plant.log"; then
            found "the planted bug '$plant' was not noticed in 200 kills"
        elif grep -q '^found ' "$WORK/$plant.log"; then
            caught=$((caught + 1))
        else
            found "the run with the planted bug '$plant' broke"
        fi
        rm -rf "${MEMORY:?}/$plant"
    done
    figure canaries_caught "$caught"
}

# on WHERE NAME KILLS BASE: its figures are kept for the sum, but for its speed.
on() {
    local left=0 status=0
    if [ "$SECONDS_MAX" != 0 ]; then
        left=$((SECONDS_MAX - (SECONDS - STARTED_S)))
        [ "$left" -gt 0 ] || return 0
        [ "$2" = memory ] || left=$(((left + 4) / 5))
    fi
    "$WORK/bin/killer" work="$1/$2" copy="$MEMORY/copy" goal="$3" base="$4" seconds="$left" \
        seed="$SEED" "${HOSTS[@]}" | tee "$WORK/$2.log" | sed -u '/^figure /d' || status=$?
    sed -n "s/^figure kills_a_second /figure kills_a_second_in_$2 /p" "$WORK/$2.log"
    [ "$status" = 0 ] || FOUND=$((FOUND + 1))
}

# The figures of both places, added up, in their order.
sum_figures() {
    cat "$WORK"/disk.log "$WORK"/memory.log 2>/dev/null | awk '
        $1 == "figure" && $2 != "kills_a_second" {
            if (!($2 in sum)) names[++count] = $2
            sum[$2] += $3
        }
        END { for (i = 1; i <= count; i++) print "figure", names[i], sum[names[i]] }'
}

build
canaries
on "$WORK" disk $((GOAL / 5)) 0
on "$MEMORY" memory $((GOAL - GOAL / 5)) $((GOAL / 5))
sum_figures
finish
