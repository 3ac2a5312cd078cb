#!/usr/bin/env bash
# Fuzzes the response decoder of the Python package, guided by coverage; speaks the lines that
# crates/allocdb-testing/src/layer.rs describes.
#
# usage: scripts/torture/fuzz_python.sh [--goal N] [--seconds S] [--seed N] [--canary] [--help]
#
#   --goal N     executions (default 1000000)
#   --seconds S  stop after so long; 0 is no limit (default)
#   --seed N     repeats a run (default 1)
#   --canary     plant a bug: the run passes only if it is found
#
# The loop is bindings/python/torture/fuzz_codec.py; any Python from 3.10 on will do, without packages.

set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

case ${1:-} in --help | -h) usage; exit 0 ;; esac
PYTHON=$ROOT/target/python-venv/bin/python
[ -x "$PYTHON" ] || PYTHON=$(command -v python3) || { say "skipped there is no Python"; exit 0; }
exec "$PYTHON" "$ROOT/bindings/python/torture/fuzz_codec.py" "$@"
