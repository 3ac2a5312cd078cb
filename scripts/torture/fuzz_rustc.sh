#!/usr/bin/env bash
# The compiler for the fuzz programs: the stable one, with LLVM's coverage pass switched on.
#
# usage: [--help]
#        RUSTC_WORKSPACE_WRAPPER=scripts/torture/fuzz_rustc.sh cargo build ...
#
# Cargo calls it for the crates of the workspace alone: what they depend on is compiled as for every
# other program, and is not searched. Comparisons are not traced: the targets put checksums and
# lengths right themselves, and tracing costs two thirds of the speed.
set -euo pipefail
case ${1:-} in
    --help) awk 'NR > 1 && /^#/ { sub(/^# ?/, ""); print; next } NR > 1 { exit }' "$0"; exit 0 ;;
esac
exec "$@" -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=3 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table
