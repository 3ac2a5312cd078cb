#!/usr/bin/env bash
# Compiles the C and C++ examples against the staged tree, runs them, and tries the demo and its audit.
#
# usage: scripts/example_tests.sh [--help]
#
# The demo runs for a few seconds in several orders of its languages, each with a kill in every turn, so
# that each hands over to each. Then its audit is shown journals of such a run that were tampered with,
# each in another way: it must refuse every one, or its "ok" would mean nothing. Wants the staged tree
# (scripts/stage.sh). The last line is the count: `N passed, N failed`.

set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

case ${1:-} in
    '') ;;
    --help | -h) usage; exit 0 ;;
    *) fail "unknown option '$1'; see --help" ;;
esac

EXAMPLES=$ROOT/bindings/c/examples
OUT=$ROOT/target/example-tests
SHOP=$OUT/shop
TRY_LOG=$OUT/log

# Every file, by every compiler that is there, with every warning an error.
compile_strictly() {
    "$1" -std=c11 -O2 -Wall -Wextra -Wpedantic -Wshadow -Werror -I"$STAGE/include" -c "$2" \
        -o "$OUT/object.o"
}

compile_all() {
    local compiler file
    for compiler in gcc clang; do
        command -v "$compiler" >/dev/null || continue
        for file in "$EXAMPLES"/*.c; do
            try "$compiler compiles $(basename "$file")" compile_strictly "$compiler" "$file"
        done
    done
}

compile_cpp_strictly() { # COMPILER STANDARD FILE
    "$1" -std="$2" -O2 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -I"$STAGE/include" \
        -c "$3" -o "$OUT/object.o"
}

compile_all_cpp() {
    local compiler file standard
    for compiler in g++ clang++; do
        command -v "$compiler" >/dev/null || continue
        for file in "$EXAMPLES"/*.cpp; do
            for standard in c++17 c++20; do
                try "$compiler compiles $(basename "$file") as $standard" \
                    compile_cpp_strictly "$compiler" "$standard" "$file"
            done
        done
    done
}

# The command in the file's own comment, with the staged tree's pkg-config file. Its answer is words for
# a shell, with their blanks escaped.
build_ticket_counter() {
    local words flags
    words=$(PKG_CONFIG_PATH=$STAGE/lib/pkgconfig pkg-config --cflags --libs allocdb)
    eval "flags=($words)"
    "${CC:-cc}" -std=c11 "$EXAMPLES/ticket_counter.c" -o "$OUT/ticket_counter" "${flags[@]}" -pthread
}

run_ticket_counter() {
    LD_LIBRARY_PATH=$STAGE/lib "$OUT/ticket_counter" "$OUT/tickets.db" | tee "$OUT/tickets.txt"
    [ "$(tail -n 1 "$OUT/tickets.txt")" = "$1 of 100 seats sold" ]
}

build_lock_service() {
    local words flags
    words=$(PKG_CONFIG_PATH=$STAGE/lib/pkgconfig pkg-config --cflags --libs allocdb)
    eval "flags=($words)"
    "${CXX:-c++}" -std=c++17 "$EXAMPLES/lock_service.cpp" -o "$OUT/lock_service" "${flags[@]}" -pthread
}

# lock_service STATUS LINES [CRASH-AT]: runs it, and expects that exit status.
lock_service() {
    local status=0 wanted=$1
    shift
    LD_LIBRARY_PATH=$STAGE/lib timeout 120 "$OUT/lock_service" "$OUT/locks.db" "$OUT/ledger.txt" "$@" \
        >"$OUT/locks.txt" 2>&1 || status=$?
    cat "$OUT/locks.txt"
    [ "$status" = "$wanted" ] || { say "exit status $status, expected $wanted"; return 1; }
}

lock_service_dies() {
    lock_service 137 "$@"
    [ "$(wc -l <"$OUT/ledger.txt")" = "$2" ] || { say "the ledger does not end at line $2"; return 1; }
}

lock_service_goes_on() {
    lock_service 0 "$@"
    grep -q 'of an earlier life' "$OUT/locks.txt" || { say "no lease was left"; return 1; }
    grep -q "late write was refused" "$OUT/locks.txt"
    [ "$(wc -l <"$OUT/ledger.txt")" = "$1" ]
}

# The check at its end must see what two workers in one lock would do, and a token that falls.
lock_service_refuses() { # AWK-PROGRAM
    cp "$OUT/ledger.txt" "$OUT/ledger.sound"
    awk "$1" "$OUT/ledger.sound" >"$OUT/ledger.txt"
    lock_service 1 200
    cp "$OUT/ledger.sound" "$OUT/ledger.txt"
}

# shellcheck disable=SC2016  # the dollars are awk's
try_lock_service() {
    try "the lock service compiles with pkg-config" build_lock_service
    try "the lock service dies with the lock held" lock_service_dies 120 60
    try "the lock service goes on, and refuses a late write" lock_service_goes_on 120
    try "the lock service has nothing left to do" lock_service 0 120
    try "a number that was written twice is seen" lock_service_refuses '{ print } NR == 50'
    try "a token that falls is seen" lock_service_refuses 'NR == 50 { $2 = 1 } { print }'
}

# The README's program, by the README's command.
build_readme_example() {
    awk '/^```c$/ { on = 1; next } /^```$/ { on = 0 } on' "$ROOT/README.md" >"$OUT/seat.c"
    [ -s "$OUT/seat.c" ] || { say "the README has no C program"; return 1; }
    "${CC:-cc}" "$OUT/seat.c" -o "$OUT/seat" -I"$STAGE/include" -L"$STAGE/lib" -lAllocDB \
        -Wl,-rpath,"$STAGE/lib"
}

# run_readme_example CODE: what the first buyer is told.
run_readme_example() {
    (cd "$OUT" && ./seat) >"$OUT/seat.txt"
    [ "$(cat "$OUT/seat.txt")" = "buyer 1: $1"$'\n'"buyer 2: resource_busy" ]
}

run_demo() { "$ROOT/scripts/demo.sh" --seconds 9 --languages "$1" --out "$SHOP"; }

audit() { "$SHOP/seat_audit" "$SHOP/db" "$EXAMPLES/venue.csv" "$1"; }

# audit_refuses LAW AWK-PROGRAM: the journal, changed, must fail the audit, and at that law.
audit_refuses() {
    awk "$2" "$SHOP/journal.txt" >"$OUT/tampered.txt"
    ! cmp -s "$SHOP/journal.txt" "$OUT/tampered.txt" || { say "nothing was changed"; return 1; }
    if audit "$OUT/tampered.txt" >"$OUT/verdict.txt" 2>&1; then
        say "the audit accepted it"
        return 1
    fi
    grep -q "FAIL *.*$1" "$OUT/verdict.txt" || { cat "$OUT/verdict.txt"; return 1; }
}

# shellcheck disable=SC2016  # the dollars are awk's
try_audit() {
    # The same holder and seats under the next reservation id, as if they had been sold once more.
    try "a seat that was sold twice is seen" audit_refuses "no seat was sold twice" '
        { print } /^sale / && !done { $2 = substr($2, 1, 16) "00000000ffffffff"; print; done = 1 }'
    try "a sale that is not in the database is seen" audit_refuses "every acknowledged sale" '
        { print }
        /^hold / { seats = ""; for (i = 7; i <= NF; i++) seats = seats " " $i; held[$2] = seats }
        /^free / && !done { print "sale " $2 " " $3 " 99 0" held[$2]; done = 1 }'
    try "a sale to another holder is seen" audit_refuses "every acknowledged sale" '
        /^sale / && !id { id = $2 }
        { line[NR] = $0 }
        END { for (i = 1; i <= NR; i++) { n = split(line[i], f, " ")
            if (f[2] == id) sub(f[3], "000000000000000000000000000000ff", line[i]); print line[i] } }'
    try "a sale that nobody was told of is seen" audit_refuses "every sale in the database" '
        /^sale / && !id { id = $2 } $2 == id && /^sale / { next } { print }'
    try "an answer that changed is seen" audit_refuses "no two answers contradict" '
        { print } /^hold / && !done { $4 = sprintf("%.0f", $4 + 1); print; done = 1 }'
    try "a hold that ended early is seen" audit_refuses "before its hold was over" '
        /^hold / { $4 = sprintf("%.0f", $4 + 1000); $5 += 1000 } { print }'
    try "a retry with another answer is seen" audit_refuses "every retry" '
        /^stat / { sub(/ wrong=0/, " wrong=1") } { print }'
    try "a wrong owner is seen" audit_refuses "told the owner.s pid" '
        /^lock / { $3 += 1 } { print }'
    try "a hold that the next seller did not honour is seen" audit_refuses "kept holds" '
        /^busy / { next } { print }'
    try "a retry that the next seller did not know is seen" audit_refuses "answered retries" '
        /^(hold|sale|free) / { $(/^hold / ? 6 : 5) = 0 } { print }'
    try "a run without a sale is not taken for a proof" audit_refuses "something to check" '
        /^(open|lock|stat|note) / { print }'
}

main() {
    local order
    [ -f "$STAGE/include/allocdb.h" ] || fail "no staged tree; type scripts/stage.sh first"
    rm -rf "$OUT"
    mkdir -p "$OUT"
    compile_all
    compile_all_cpp
    try_lock_service
    try "the ticket counter compiles with pkg-config" build_ticket_counter
    try "the ticket counter sells all seats" run_ticket_counter 100
    try "the ticket counter started again sells none" run_ticket_counter 0
    try "the README's program compiles" build_readme_example
    try "the README's program sells its seat once" run_readme_example done
    try "the README's program started again finds it sold" run_readme_example resource_busy
    # The last run is the one that is tampered with: the default order, and so every hand-over of it.
    for order in "go python" "python c" "c go c" "c python go"; do
        try "the demo passes with sellers in $order" run_demo "$order"
    done
    if [ -f "$SHOP/journal.txt" ]; then try_audit; fi
    tell_counts "example tests"
}

main
