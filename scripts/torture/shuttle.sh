#!/usr/bin/env bash
# Tries schedules of threads over the real queue, gate and engine: builds crates/allocdb-schedules for
# the seeded scheduler, lets it catch its planted bugs, and runs it.
#
# usage: scripts/torture/shuttle.sh [--goal N] [--seconds S] [--seed N] [--help]
#        scripts/torture/shuttle.sh --scenario NAME --chooser NAME --seed N
#
#   --goal N      schedules (default 10000)
#   --seconds S   stop after so long, 0 is no limit
#   --seed N      repeats a run
#   --scenario, --chooser
#                 one chunk of schedules, as a finding names it
#
# It prints the lines that crates/allocdb-testing/src/layer.rs describes. All is built a second time,
# for `--cfg shuttle`, into a directory of its own, so that nothing else is rebuilt because of it.

set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

case ${1:-} in
    --help | -h) usage; exit 0 ;;
esac

cd "$ROOT"
export CARGO_TARGET_DIR=$TARGET/shuttle RUSTFLAGS='--cfg shuttle'

# A harness that finds no planted bug has found nothing when it says so.
case " $* " in
    *' --scenario '*) ;;
    *)
        cargo test --quiet --profile torture -p allocdb-schedules --lib >&2
        say "figure canaries_caught $(grep -c '^fn canary_' crates/allocdb-schedules/src/tests.rs)" ;;
esac
cargo build --quiet --profile torture -p allocdb-schedules
exec "$CARGO_TARGET_DIR/torture/allocdb-schedules" "$@"
