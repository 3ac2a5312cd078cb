#!/usr/bin/env bash
# Builds libAllocDB and stages it as an installed tree, which everything outside Rust builds against.
#
# usage: scripts/stage.sh [--help]
#
#   target/stage/include/allocdb.h, allocdb.hpp
#   target/stage/lib/libAllocDB.so -> libAllocDB.so.0 -> libAllocDB.so.0.2.0
#   target/stage/lib/libAllocDB.a
#   target/stage/lib/pkgconfig/allocdb.pc
#
# CARGO_TARGET_DIR is where cargo builds, as always; ALLOCDB_STAGE is where the tree goes, if not to
# target/stage.
#
# The static archive is relinked: all its objects become one, in which everything but the API is
# hidden, and the one symbol that cannot be hidden is renamed. Otherwise two Rust archives in one
# program define rust_eh_personality twice, and the linker refuses them.

set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

case ${1:-} in
    '') ;;
    --help | -h) usage; exit 0 ;;
    *) fail "unknown option '$1'; see --help" ;;
esac

STAGE=${ALLOCDB_STAGE:-$STAGE}
SYMBOLS=$ROOT/crates/allocdb-ffi/abi/symbols.txt
PERSONALITY=rust_eh_personality

# On a machine with an old LLVM plugin, binutils abort on the objects of a new Rust and list no symbols:
# name the compiler's own plugin where there is one.
PLUGIN=()
plugin=$(gcc -print-file-name=liblto_plugin.so 2>/dev/null || true)
if [ -n "$plugin" ] && [ -e "$plugin" ]; then PLUGIN=(--plugin "$plugin"); fi

api() { grep -v '^#' "$SYMBOLS"; }

# Builds both libraries; prints the system libraries that a program needs beside the archive: the
# compiler's own list, which cargo repeats when nothing has to be built.
build() {
    local log=$TARGET/stage.log
    mkdir -p "$TARGET"
    if ! (cd "$ROOT" && cargo rustc --release -p allocdb-ffi --lib \
        --crate-type cdylib,staticlib -- --print native-static-libs) 2>"$log"; then
        cat "$log" >&2
        fail "the build failed"
    fi
    sed -n 's/^note: native-static-libs: //p' "$log" | tail -n 1
}

# put FILE: makes it of the standard input, in one step, and only where it would differ: programs, and
# tests that run beside each other, may be using the tree that is there.
put() {
    cat >"$1.new"
    if cmp -s "$1.new" "$1"; then rm "$1.new"; else mv -f "$1.new" "$1"; fi
}

# link_to TARGET LINK, likewise.
link_to() {
    [ "$(readlink "$2" || true)" = "$1" ] || { ln -sfn "$1" "$2.new" && mv -fT "$2.new" "$2"; }
}

relink() {
    local from=$1 to=$2 work symbol undefined=() keep=()
    work=$(mktemp -d)
    # shellcheck disable=SC2064  # the directory of now
    trap "rm -rf '$work'" RETURN
    while read -r symbol; do
        undefined+=(-u "$symbol")
        keep+=("--keep-global-symbol=$symbol")
    done < <(api)
    [ ${#undefined[@]} -gt 0 ] || fail "no symbols in $SYMBOLS"
    ld "${PLUGIN[@]}" -r --gc-sections "${undefined[@]}" -o "$work/all.o" "$from"
    # In two steps: objcopy looks for the names to keep before it renames.
    objcopy -g \
        --redefine-sym "$PERSONALITY=allocdb_$PERSONALITY" \
        --redefine-sym "DW.ref.$PERSONALITY=DW.ref.allocdb_$PERSONALITY" \
        "$work/all.o" "$work/renamed.o"
    objcopy "${keep[@]}" "--keep-global-symbol=DW.ref.allocdb_$PERSONALITY" \
        "$work/renamed.o" "$work/AllocDB.o"
    (cd "$work" && ar "${PLUGIN[@]}" rcsD libAllocDB.a AllocDB.o)
    put "$to" <"$work/libAllocDB.a"
}

pkg_config_file() {
    local version=$1 libraries=$2
    cat <<FILE
prefix=\${pcfiledir}/../..
includedir=\${prefix}/include
libdir=\${prefix}/lib

Name: AllocDB
Description: Deterministic, embeddable database that allocates scarce resources under contention
Version: $version
Cflags: -I\${includedir}
Libs: -L\${libdir} -lAllocDB
Libs.private: $libraries
FILE
}

main() {
    local version soname libraries
    [ ! -x "$ROOT/scripts/setup.sh" ] || "$ROOT/scripts/setup.sh" --languages ""
    version=$(awk -F'"' '/^version = / { print $2; exit }' "$ROOT/Cargo.toml")
    # The part that promises compatibility: 0 while the version is 0.x.
    soname=libAllocDB.so.${version%%.*}
    libraries=$(build)
    [ -n "$libraries" ] || fail "the compiler did not name the native libraries"
    mkdir -p "$STAGE/include" "$STAGE/lib/pkgconfig"
    put "$STAGE/include/allocdb.h" <"$ROOT/include/allocdb.h"
    put "$STAGE/include/allocdb.hpp" <"$ROOT/bindings/c/include/allocdb.hpp"
    put "$STAGE/lib/libAllocDB.so.$version" <"$TARGET/release/libAllocDB.so"
    link_to "libAllocDB.so.$version" "$STAGE/lib/$soname"
    link_to "$soname" "$STAGE/lib/libAllocDB.so"
    relink "$TARGET/release/libAllocDB.a" "$STAGE/lib/libAllocDB.a"
    pkg_config_file "$version" "$libraries" | put "$STAGE/lib/pkgconfig/allocdb.pc"
    say "staged AllocDB $version in $STAGE"
}

main
