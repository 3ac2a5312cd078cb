#!/usr/bin/env bash
# Tries to break AllocDB for as long as you like: runs every harness, shows how far each is, and ends
# with the table of what was tried.
#
# usage: scripts/torture.sh [--ci] [--minutes N] [--only LAYER]... [--seed N] [--jobs N] [--list] [--help]
#
#   (none)         each harness up to its long goal, two at a time; that takes hours
#   --minutes N    N minutes in all: each harness stops at its goal or at its share of the time
#   --only LAYER   only this one; may be given several times
#   --seed N       repeats a run (default 1)
#   --jobs N       how many run beside each other (default 2)
#   --ci           the goals of continuous integration: about five minutes
#   --list         the harnesses, what each tries, and their goals
#   --help         this text
#
# The table goes to target/figures/figures.md and figures.json, and what each harness said to a file
# of its name beside them. The exit status is 0 exactly if nothing was found.

set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

case ${1:-} in
    --help | -h) usage; exit 0 ;;
esac

cd "$ROOT"
scripts/setup.sh --tests
cargo build --quiet --profile torture -p allocdb-testing
TORTURE=$TARGET/torture/torture
if [ "${1:-}" = --list ]; then exec "$TORTURE" list; fi
# Built here, once: harnesses that run beside each other would wait for each other's builds.
case " $* " in *' --only '*) ;; *) scripts/torture/fuzz.sh --build ;; esac
# The harnesses outside Rust try the library as it is shipped.
[ -e "$STAGE/lib/libAllocDB.so" ] || scripts/stage.sh
exec "$TORTURE" run --out "$ROOT/target/figures" "$@"
