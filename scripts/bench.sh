#!/usr/bin/env bash
# Puts AllocDB side by side with other systems that do the same job on this machine's disk.
#
# usage: scripts/bench.sh [--quick] [--only ROW] [--rounds N] [--out DIR] [--directory DIR]
#        [--lines FILE] [--no-install] [--help]
#
#   --quick          one round of moments: shows that everything works; its figures are worth nothing
#   --only ROW       latency, batches, sizes, tables, threads, race, bindings or parts
#   --rounds N       how often everything is measured, in turn; medians are quoted (default 5)
#   --out DIR        where the report goes (default target/figures/bench): table.md, figures.json, a plot
#                    (SVG) for each subject, and lines.jsonl, every figure of every run
#   --directory DIR  where the databases are made and deleted, so on which disk (default target)
#   --lines FILE     takes in the lines that another program printed; may be given again
#   --no-install     installs nothing; compares with what is there
#   --help           this text
#
# The rivals are SQLite, LMDB, Redis, PostgreSQL and a hash map that keeps nothing; what each is spared and
# how it is tuned stands at the top of its file in crates/allocdb-compare/src/peers. Every run is
# checked (winners, state at the end, recorded outcomes, retries, deadlines), and a wrong one fails the
# script. As root, or with a sudo that asks no password, missing Debian packages are installed; what
# cannot be had is skipped and named in the report. Servers are started in a directory of the run, on
# Unix sockets, and ended with it. The parts are what allocdb-bench measures of AllocDB alone: how the cost of
# a command and of an idle tick grows from 10,000 resources to 10 million, expiry, recovery, reads and
# checkpoints. A full run takes fifteen to thirty minutes, as the disk allows; let nothing else run.
#
# A line is a JSON object, as crates/allocdb-compare/src/line.rs describes it.

set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

QUICK=no ONLY='' ROUNDS=5 OUT=$ROOT/target/figures/bench DIRECTORY=$ROOT/target MAY_INSTALL=yes
LINES_GIVEN=()

while [ $# -gt 0 ]; do
    case $1 in
        --quick) QUICK=yes ROUNDS=1 ;;
        --no-install) MAY_INSTALL=no ;;
        --only | --rounds | --out | --directory | --lines)
            [ $# -ge 2 ] || fail "$1 wants a value; see --help"
            case $1 in
                --only) ONLY=$2 ;;
                --rounds) ROUNDS=$2 ;;
                --out) OUT=$(realpath -m "$2") ;;
                --directory) DIRECTORY=$(realpath -m "$2") ;;
                --lines)
                    [ -f "$2" ] || fail "--lines: no file '$2'"
                    LINES_GIVEN+=("$(realpath "$2")") ;;
            esac
            shift
            ;;
        --help | -h) usage; exit 0 ;;
        *) fail "unknown option '$1'; see --help" ;;
    esac
    shift
done
case $ONLY in
    '' | latency | batches | sizes | tables | threads | race | bindings | parts) ;;
    *) fail "--only: '$ONLY' is none of latency, batches, sizes, tables, threads, race, bindings, parts" ;;
esac
[[ $ROUNDS =~ ^[1-9][0-9]{0,2}$ ]] || fail "--rounds: '$ROUNDS' is not a number from 1 to 999"

# As fast as a release build, built in a quarter of its time; the library under test is the release.
PROFILE=torture
COMPARE=$TARGET/$PROFILE/allocdb-compare

has() { command -v "$1" >/dev/null 2>&1; }

has_redis() { has redis-server; }
has_postgres() { has postgres || compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null; }
has_sqlite_library() { pkg-config --exists sqlite3 2>/dev/null; }
has_postgres_library() { pkg-config --exists libpq 2>/dev/null; }

# note TEXT: a line for the end of the report, and for whoever watches.
note() {
    say "$*"
    printf '{"note": "%s"}\n' "$(sed 's/[\\"]/\\&/g' <<<"$*")" >>"$OUT/lines.jsonl"
}

install_packages() {
    local before='' packages=()
    has_redis || packages+=(redis-server)
    has_postgres || packages+=(postgresql)
    has_sqlite_library || packages+=(libsqlite3-dev pkg-config)
    has_postgres_library || packages+=(libpq-dev pkg-config)
    [ ${#packages[@]} -gt 0 ] || return 0
    if [ "$(id -u)" != 0 ]; then
        if ! sudo -n true 2>/dev/null; then
            say "not there, and not installed for want of the right: ${packages[*]}"
            say "type: sudo apt-get install --no-install-recommends ${packages[*]}"
            return 0
        fi
        before='sudo -n'
    fi
    has apt-get || { say "not there, and no apt-get to install it with: ${packages[*]}"; return 0; }
    say "installing: ${packages[*]}"
    # Run level 1: the packages' own services are not started, the run starts its own.
    # shellcheck disable=SC2086  # a word or none
    $before apt-get update -qq >/dev/null 2>&1 || true
    # shellcheck disable=SC2086
    $before env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y \
        --no-install-recommends "${packages[@]}" >"$OUT/install.log" 2>&1 ||
        say "not all could be installed: $OUT/install.log"
}

# What the program is built with: all rivals whose C libraries are there.
features() {
    local list=runner
    if has_sqlite_library; then list+=,sqlite; fi
    if has_postgres_library; then list+=,postgres; fi
    case $list in runner,sqlite,postgres) say peers ;; *) say $list ;; esac
}

build() {
    "$ROOT/scripts/stage.sh"
    (cd "$ROOT" && cargo build --quiet --profile $PROFILE -p allocdb-compare \
        --features "$(features)")
}

describe_machine() {
    local model commit system memory
    model=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
    commit=$(git -C "$ROOT" rev-parse --short HEAD 2>/dev/null || say unknown)
    # stat knows ext4 as ext2.
    system=$(findmnt -no FSTYPE -T "$DIRECTORY" 2>/dev/null || stat -f -c %T "$DIRECTORY")
    memory=$(awk '/^MemTotal/ { printf "%.0f GB", $2 / 1e6 }' /proc/meminfo)
    note "$(nproc) processors (${model:-unknown}), $memory, Linux $(uname -r), databases on $system," \
        "commit $commit, $(date -u +%Y-%m-%d)"
    if [ "$QUICK" = yes ]; then note "--quick: these figures are worth nothing"; fi
}

run_rivals() {
    local arguments=(--library "$STAGE/lib/libAllocDB.so" --directory "$WORK"
        --rounds "$ROUNDS")
    [ "$QUICK" = no ] || arguments+=(--quick)
    [ -z "$ONLY" ] || arguments+=(--only "$ONLY")
    "$COMPARE" run "${arguments[@]}" >>"$OUT/lines.jsonl"
}

run_python() {
    local arguments=(--runs "$ROUNDS" --json)
    has python3 || { note "skipped: the Python binding (no python3)"; return 0; }
    [ "$QUICK" = no ] || arguments+=(--quick)
    ALLOCDB_LIBRARY=$STAGE/lib/libAllocDB.so PYTHONPATH=$ROOT/bindings/python/src \
        PYTHONDONTWRITEBYTECODE=1 \
        python3 -m allocdb.bench "$WORK" "${arguments[@]}" >>"$OUT/lines.jsonl"
}

run_go() {
    local arguments=(-runs "$ROUNDS" -json)
    has go || { note "skipped: the Go binding (no go)"; return 0; }
    [ "$QUICK" = no ] || arguments+=(-quick)
    (
        cd "$ROOT/bindings/go"
        export PKG_CONFIG_PATH=$STAGE/lib/pkgconfig LD_LIBRARY_PATH=$STAGE/lib CGO_ENABLED=1
        export GOWORK=off GOPROXY=off GOTOOLCHAIN=local
        go run ./cmd/allocdb-bench "${arguments[@]}" "$WORK"
    ) >>"$OUT/lines.jsonl"
}

run_parts() {
    local part sizes=(10000 100000)
    [ "$QUICK" = yes ] || sizes+=(1000000 10000000)
    (cd "$ROOT" && cargo build --quiet --release -p allocdb-bench)
    measure_part apply --resources "$(IFS=, && say "${sizes[*]}")"
    [ "$QUICK" = no ] || return 0
    for part in expiry recovery reads memory checkpoint log-bytes; do measure_part "$part"; done
}

measure_part() {
    "$TARGET/release/allocdb-bench" "$@" --runs "$ROUNDS" --json --directory "$WORK" >>"$OUT/lines.jsonl"
}

main() {
    local file
    mkdir -p "$OUT" "$DIRECTORY"
    # Ours alone, and gone however this ends; PostgreSQL's user has to reach what is in it.
    WORK=$(mktemp -d "$DIRECTORY/bench-XXXXXX")
    chmod 755 "$WORK"
    trap 'rm -rf "$WORK"' EXIT
    : >"$OUT/lines.jsonl"
    if [ "$MAY_INSTALL" = yes ]; then install_packages; fi
    build
    case $ONLY in bindings | parts) ;; *) run_rivals ;; esac
    case $ONLY in '' | bindings) run_go; run_python ;; esac
    case $ONLY in '' | parts) run_parts ;; esac
    for file in "${LINES_GIVEN[@]}"; do grep '^ *{' "$file" >>"$OUT/lines.jsonl" || true; done
    describe_machine
    "$COMPARE" report "$OUT/lines.jsonl" --out "$OUT" --heading "AllocDB side by side"
    say
    cat "$OUT/table.md"
    say
    say "report: $OUT"
}

main
