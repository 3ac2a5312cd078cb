#!/usr/bin/env bash
# Checks that this machine has what AllocDB is built and tested with, and gets what is missing.
#
# usage: scripts/setup.sh [--tests] [--check] [--help]
#
#   (none)    what building and the demo need: Rust 1.88 or newer, a C compiler, binutils
#   --tests   also what the tests need: a C++ compiler, rustfmt, clippy, pkg-config, git
#   --check   install nothing; only say what is missing
#   --help    this text
#
# Missing packages are installed with the system's package manager (apt, dnf, apk, pacman or zypper)
# where this user may do so: as root, or with a sudo that asks no password. Otherwise the script
# prints the exact command to type and exits with 1. With everything there it takes a fraction of a
# second and prints one line. clang and valgrind are used by the tests where they are installed, and
# are not installed for them.

set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

RUST_MINOR_MIN=88
FOR_TESTS=no
MAY_INSTALL=yes

for argument in "$@"; do
    case $argument in
        --tests) FOR_TESTS=yes ;;
        --check) MAY_INSTALL=no ;;
        --help | -h) usage; exit 0 ;;
        *) fail "unknown option '$argument'; see --help" ;;
    esac
done

has() { command -v "$1" >/dev/null 2>&1; }

rust_is_new_enough() {
    has cargo && has rustc || return 1
    local version
    # rustc's number counts: a rustup shim of cargo may stand there with no toolchain behind it.
    version=$(rustc --version 2>/dev/null) || return 1
    version=${version#rustc }
    local major=${version%%.*} rest=${version#*.}
    [ "$major" -gt 1 ] || [ "${rest%%.*}" -ge "$RUST_MINOR_MIN" ]
}

c_compiles() { has cc || has gcc || has clang; }

# A compiler without the C library's headers is what a bare image often has: try, do not guess.
c_headers_are_there() {
    local compiler
    compiler=$(command -v cc || command -v gcc || command -v clang) || return 1
    printf '#include <stdio.h>\n#include <pthread.h>\n' | "$compiler" -E -x c - >/dev/null 2>&1
}

# The names of what is missing, in this script's words; `package_of` turns them into packages.
missing() {
    rust_is_new_enough || say rust
    if ! c_compiles || ! c_headers_are_there; then say c; fi
    { has nm && has objcopy && has ld && has ar; } || say binutils
    [ "$FOR_TESTS" = yes ] || return 0
    { has c++ || has g++ || has clang++; } || say c++
    has pkg-config || say pkg-config
    has git || say git
    if rust_is_new_enough; then
        cargo fmt --version >/dev/null 2>&1 || say rustfmt
        cargo clippy --version >/dev/null 2>&1 || say clippy
    fi
}

package_manager() {
    local name
    for name in apt-get dnf apk pacman zypper; do
        if has "$name"; then say "$name"; return 0; fi
    done
    say none
}

# package_of MANAGER THING: the package's name, or nothing where the distribution has none that serves.
package_of() {
    case $1/$2 in
        apt-get/c) say gcc libc6-dev ;;
        apt-get/c++) say g++ ;;
        apk/c) say gcc musl-dev ;;
        pacman/c | pacman/c++) say gcc ;;
        */c) say gcc glibc-devel ;;
        apk/c++) say g++ ;;
        */c++) say gcc-c++ ;;
        dnf/pkg-config) say pkgconf-pkg-config ;;
        pacman/pkg-config | apk/pkg-config) say pkgconf ;;
        */binutils | */git | */pkg-config) say "$2" ;;
        */rust | */rustfmt | */clippy) ;;
    esac
}

install_command() {
    case $1 in
        apt-get) say "apt-get install -y --no-install-recommends" ;;
        dnf) say "dnf install -y" ;;
        apk) say "apk add" ;;
        pacman) say "pacman -S --needed --noconfirm" ;;
        zypper) say "zypper --non-interactive install" ;;
    esac
}

# The word to put before a command that needs root: nothing, `sudo -n`, or failure where there is no right.
privilege() {
    if [ "$(id -u)" = 0 ]; then return 0; fi
    if has sudo && sudo -n true 2>/dev/null; then say "sudo -n"; return 0; fi
    return 1
}

install_packages() {
    local manager=$1 before
    shift
    before=$(privilege) || return 1
    say "installing: $*"
    # Word splitting is wanted: `before` and the install command are words, not one name.
    # shellcheck disable=SC2046,SC2086
    if [ "$manager" = apt-get ]; then
        DEBIAN_FRONTEND=noninteractive $before apt-get update -qq || true
        DEBIAN_FRONTEND=noninteractive $before $(install_command apt-get) "$@"
    else
        $before $(install_command "$manager") "$@"
    fi
}

# Rust: rustup where it is there or packaged (it can hold any version), else the distribution's own.
install_rust() {
    local manager=$1
    if ! has rustup; then
        case $manager in
            apt-get | apk | pacman | zypper) install_packages "$manager" rustup || true ;;
            dnf) install_packages dnf rust cargo rustfmt clippy || true ;;
        esac
    fi
    if has rustup && ! rust_is_new_enough; then
        rustup toolchain install stable --profile minimal --component rustfmt --component clippy || true
        rustup default stable || true
    fi
    hash -r
}

install_missing() {
    local manager=$1 thing packages=()
    shift
    for thing in "$@"; do
        # shellcheck disable=SC2207
        packages+=($(package_of "$manager" "$thing"))
    done
    if [ "${#packages[@]}" -gt 0 ]; then install_packages "$manager" "${packages[@]}" || true; fi
    for thing in "$@"; do
        case $thing in
            rust) install_rust "$manager" ;;
            rustfmt | clippy) if has rustup; then rustup component add "$thing" || true; fi ;;
        esac
    done
}

# What a person has to type, for everything that is still missing.
tell() {
    local manager=$1 thing packages=()
    shift
    say "missing: $*"
    say "type:"
    for thing in "$@"; do
        # shellcheck disable=SC2207
        packages+=($(package_of "$manager" "$thing"))
        case $thing in
            rust)
                say "    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"
                say "        (Rust 1.$RUST_MINOR_MIN or newer; or your distribution's package, if it is that new)"
                ;;
            rustfmt | clippy)
                say "    rustup component add $thing    (or your distribution's package of that name)" ;;
        esac
    done
    if [ "${#packages[@]}" -gt 0 ]; then
        if [ "$manager" = none ]; then
            say "    (your system's way to install: a C and C++ compiler, binutils, pkg-config, git)"
        else
            say "    sudo $(install_command "$manager") ${packages[*]}"
        fi
    fi
    say "then start this script again."
}

main() {
    [ "$(uname -s)" = Linux ] || fail "AllocDB runs on Linux; this is $(uname -s)"
    local things manager
    mapfile -t things < <(missing)
    manager=$(package_manager)
    if [ "${#things[@]}" -gt 0 ] && [ "$MAY_INSTALL" = yes ] && [ "$manager" != none ] &&
        privilege >/dev/null; then
        install_missing "$manager" "${things[@]}"
        mapfile -t things < <(missing)
    fi
    if [ "${#things[@]}" -gt 0 ]; then
        tell "$manager" "${things[@]}" >&2
        exit 1
    fi
    say "setup: $(rustc --version | cut -d' ' -f1-2), $(cc --version 2>/dev/null | head -n 1 || say 'C compiler')"
}

main
