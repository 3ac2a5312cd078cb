#!/usr/bin/env bash
# Tests the Python package against the staged tree.
#
# usage: scripts/python_tests.sh [--help] [PYTEST-ARGUMENT...]
#
# pytest over bindings/python/tests, the examples in the docstrings as doctests, and mypy in strict mode
# over the package and its examples, all with the environment of `scripts/setup.sh --tests`, the package
# from its sources and the library from the staged tree (scripts/stage.sh). Arguments go to pytest, and
# then nothing else is run. The last line is the count: `N passed, N failed`.

set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

case ${1:-} in --help | -h) usage; exit 0 ;; esac

STAGE=${ALLOCDB_STAGE:-$STAGE}
PACKAGE=$ROOT/bindings/python
PYTHON=$ROOT/target/python-venv/bin/python
CACHE=$ROOT/target/python-tests
TRY_LOG=$CACHE/log

# pytest_run NAME ARGUMENT...: its own output, then its counts added to the sum.
pytest_run() {
    local name=$1 status=0 passed failed
    shift
    "$PYTHON" -m pytest -q -rfE -o cache_dir="$CACHE/pytest" "$@" >"$TRY_LOG" 2>&1 || status=$?
    cat "$TRY_LOG"
    read -r passed failed < <(tail -n 1 "$TRY_LOG" | awk '{
        passed = failed = 0
        for (i = 2; i <= NF; i++) {
            if ($i ~ /^passed/) passed = $(i - 1)
            if ($i ~ /^(failed|errors?)/) failed += $(i - 1)
        }
        print passed, failed }')
    # No count and no success: it did not even begin. 5 is pytest's word for "no tests".
    if [ "$status" != 0 ] && [ "$failed" = 0 ]; then failed=1; fi
    PASSED=$((PASSED + passed))
    FAILED=$((FAILED + failed))
    say "---- $name: $passed ok, $failed not"
}

strict_types() { "$PYTHON" -m mypy --strict --python-version 3.10 --cache-dir "$CACHE/mypy" "$@"; }

main() {
    [ -e "$STAGE/lib/libAllocDB.so" ] || fail "no staged tree in $STAGE; type scripts/stage.sh first"
    [ -x "$PYTHON" ] || fail "no target/python-venv; type scripts/setup.sh --tests first"
    mkdir -p "$CACHE"
    export ALLOCDB_LIBRARY=$STAGE/lib/libAllocDB.so PYTHONPATH=$PACKAGE/src
    export PYTHONPYCACHEPREFIX=$CACHE/pycache MYPYPATH=$PACKAGE/src
    cd "$PACKAGE"
    if [ $# -gt 0 ]; then exec "$PYTHON" -m pytest -o cache_dir="$CACHE/pytest" "$@"; fi
    pytest_run tests tests
    pytest_run doctests --doctest-modules src
    try "mypy --strict on the package" strict_types src
    try "mypy --strict on the host under torture" strict_types torture
    try "mypy --strict on the tests" strict_types tests
    if compgen -G "examples/*.py" >/dev/null; then
        try "mypy --strict on the examples" strict_types examples/*.py
    fi
    tell_counts "Python tests"
}

main "$@"
