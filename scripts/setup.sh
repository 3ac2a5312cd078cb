#!/usr/bin/env bash
# Checks that this machine has what AllocDB is built and tested with, and gets what is missing.
#
# usage: scripts/setup.sh [--tests] [--languages LIST] [--check] [--help]
#
#   (none)             what building and the demo need: Rust 1.88 or newer, a C compiler, binutils,
#                      Python 3.10 or newer, Go 1.24 or newer, pkg-config
#   --languages LIST   only these languages beside Rust and C (default "python go"; "" is none)
#   --tests            also what the tests need: a C++ compiler, rustfmt, clippy, git, and a Python
#                      environment in target/python-venv with the pinned pytest and mypy
#   --check            install nothing; only say what is missing
#   --help             this text
#
# Missing packages are installed with the system's package manager (apt, dnf, apk, pacman or zypper)
# where this user may do so: as root, or with a sudo that asks no password. Otherwise the script
# prints the exact command to type and exits with 1. With everything there it takes about a second
# and prints one line. clang and valgrind are used by the tests where they are installed, and
# are not installed for them; only scripts/check_perf.sh, which is nothing without valgrind, gets it.
#
# Many systems package a Go that is too old (Debian 12: 1.19). Then, in this order: any newer one that
# stands on this machine; a package that is new enough; the toolchain that a Go of 1.21 or later fetches
# by itself; the Go project's release archive, pinned and checked by SHA-256; the packaged old Go, which
# fetches the new toolchain as the module that it is. What is found or fetched outside PATH is linked
# into target/tools/bin, which the other scripts look into first. Nothing outside target/ is changed but
# by a package manager or rustup, and by Go in its own module cache.

set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

RUST_MINOR_MIN=88
PYTHON_MINOR_MIN=10
GO_MINOR_MIN=24
# The release that is fetched where there is none; its archives' SHA-256, as the Go project publishes them.
GO_RELEASE=1.26.1
GO_SHA256_AMD64=031f088e5d955bab8657ede27ad4e3bc5b7c1ba281f05f245bcc304f327c987a
GO_SHA256_ARM64=a290581cfe4fe28ddd737dde3095f3dbeb7f2e4065cab4eae44dfc53b760c2f7
GO_DOWNLOAD=https://dl.google.com/go

VENV=$ROOT/target/python-venv
REQUIREMENTS=$ROOT/bindings/python/requirements-dev.txt

FOR_TESTS=no
MAY_INSTALL=yes
LANGUAGES="python go"

while [ $# -gt 0 ]; do
    case $1 in
        --tests) FOR_TESTS=yes ;;
        --check) MAY_INSTALL=no ;;
        --languages)
            [ $# -ge 2 ] || fail "--languages wants a list; see --help"
            LANGUAGES=$2
            shift
            ;;
        --help | -h) usage; exit 0 ;;
        *) fail "unknown option '$1'; see --help" ;;
    esac
    shift
done
for language in $LANGUAGES; do
    case $language in
        c | c++ | python | go) ;;
        *) fail "--languages: '$language' is none of c, c++, python, go" ;;
    esac
done

wants() { case " $LANGUAGES " in *" $1 "*) return 0 ;; *) return 1 ;; esac; }

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

# ---------------------------------------------------------------- Python

# python_serves PROGRAM: new enough, with the modules that are used; a name may stand there with nothing
# behind it, so it is run.
python_serves() {
    local modules=ctypes
    [ "$FOR_TESTS" = no ] || modules="ctypes, ensurepip, venv"
    "$1" -c "import sys, $modules; sys.exit(sys.version_info < (3, $PYTHON_MINOR_MIN))" \
        >/dev/null 2>&1
}

# The first Python that serves, of the names that a system may have for it.
find_python() {
    local name
    for name in python3 python3.{14,13,12,11,10} /usr/bin/python3 /usr/local/bin/python3; do
        name=$(command -v "$name") || continue
        if python_serves "$name"; then say "$name"; return 0; fi
    done
    return 1
}

# The environment is as new as what it was made from: the pinned versions, and the Python itself.
venv_stamp() {
    "$(find_python)" -c 'import sys; print(sys.version, sys.base_prefix)'
    cat "$REQUIREMENTS"
}

venv_is_current() {
    [ -x "$VENV/bin/python" ] && "$VENV/bin/python" -c 'import mypy, pytest' 2>/dev/null &&
        [ "$(cat "$VENV/stamp.txt" 2>/dev/null)" = "$(venv_stamp)" ]
}

make_venv() {
    say "making target/python-venv ..."
    rm -rf "$VENV"
    mkdir -p "$(dirname "$VENV")"
    "$(find_python)" -m venv "$VENV" || return 1
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check -r "$REQUIREMENTS" || return 1
    venv_stamp >"$VENV/stamp.txt"
}

# ---------------------------------------------------------------- Go

# The second number of PROGRAM's version, without letting it fetch another one: 19 of go1.19.8.
go_minor() {
    local version
    version=$(GOTOOLCHAIN=local "$1" env GOVERSION 2>/dev/null) || return 1
    version=${version#go1.}
    version=${version%%[!0-9]*}
    [ -n "$version" ] && say "$version"
}

go_serves() {
    local minor
    minor=$(go_minor "$1") && [ "$minor" -ge "$GO_MINOR_MIN" ]
}

# Where a Go may stand: PATH, the archive's usual place, Debian's versioned packages, the user's own.
go_programs() {
    local name
    for name in "$(command -v go || true)" "$TOOLS/go/bin/go" /usr/local/go/bin/go \
        /usr/lib/go-1.*/bin/go /usr/lib/go/bin/go \
        "${HOME:-/nowhere}"/{go,.local/go,.go}/bin/go "${HOME:-/nowhere}"/sdk/go1.*/bin/go; do
        [ ! -x "$name" ] || say "$name"
    done
}

find_go() {
    local name
    while IFS= read -r name; do
        if go_serves "$name"; then say "$name"; return 0; fi
    done < <(go_programs)
    return 1
}

go_architecture() {
    case $(uname -m) in
        x86_64) say amd64 ;;
        aarch64) say arm64 ;;
        *) return 1 ;;
    esac
}

# The packaged Go that is new enough, if the package lists tell of one.
go_package() {
    local name candidate
    if [ "$1" != apt-get ]; then
        case $1 in dnf) say golang ;; apk | pacman | zypper) say go ;; esac
        return 0
    fi
    for name in golang-go golang-1.{30,29,28,27,26,25,24}-go; do
        candidate=$(apt-cache policy "$name" 2>/dev/null |
            sed -nE 's/^ *Candidate: ([0-9]+:)?1\.([0-9]+).*/\2/p')
        if [ "${candidate:-0}" -ge "$GO_MINOR_MIN" ]; then say "$name"; return 0; fi
    done
}

# fetch URL FILE, with what is there to fetch with.
fetch() {
    if has curl; then curl --proto '=https' -fsSL --connect-timeout 20 -o "$2" "$1"
    elif has wget; then wget -q --timeout=20 --tries=2 -O "$2" "$1"
    else "$(find_python)" -c 'import sys, urllib.request
urllib.request.urlretrieve(sys.argv[1], sys.argv[2])' "$1" "$2"; fi
}

# The Go project's archive, into target/tools/go; nothing is unpacked that has not the published sum.
go_from_archive() {
    local architecture archive sum
    architecture=$(go_architecture) || return 1
    case $architecture in amd64) sum=$GO_SHA256_AMD64 ;; arm64) sum=$GO_SHA256_ARM64 ;; esac
    archive=go$GO_RELEASE.linux-$architecture.tar.gz
    mkdir -p "$TOOLS"
    say "fetching $GO_DOWNLOAD/$archive ..."
    fetch "$GO_DOWNLOAD/$archive" "$TOOLS/$archive" || { rm -f "$TOOLS/$archive"; return 1; }
    if ! printf '%s  %s\n' "$sum" "$TOOLS/$archive" | sha256sum --check --quiet -; then
        rm -f "$TOOLS/$archive"
        say "$archive is not the published one"
        return 1
    fi
    rm -rf "$TOOLS/go"
    tar -xzf "$TOOLS/$archive" -C "$TOOLS" && rm -f "$TOOLS/$archive"
}

# go_from_go PROGRAM: an older Go fetches the toolchain and checks it against Go's checksum database. From
# 1.21 on it does so by itself; before, the toolchain is a module like another, but for the permission
# to run it, which module archives do not carry: so it is copied, and that is given.
go_from_go() {
    local root module architecture
    architecture=$(go_architecture) || return 1
    say "letting $("$1" version | cut -d' ' -f3) fetch Go $GO_RELEASE ..."
    if [ "$(go_minor "$1")" -ge 21 ]; then
        root=$(GOTOOLCHAIN=go$GO_RELEASE "$1" env GOROOT) || return 1
        mkdir -p "$TOOLS"
        ln -sfn "$root" "$TOOLS/go"
        return 0
    fi
    module=golang.org/toolchain@v0.0.1-go$GO_RELEASE.linux-$architecture
    (cd / && GOFLAGS='' GO111MODULE=on "$1" mod download "$module") || return 1
    mkdir -p "$TOOLS"
    rm -rf "$TOOLS/go"
    cp -r "$("$1" env GOMODCACHE)/$module" "$TOOLS/go" || return 1
    chmod -R u+w "$TOOLS/go"
    chmod +x "$TOOLS"/go/bin/* "$TOOLS"/go/pkg/tool/*/*
}

# Each way is tried until one has given a Go that serves.
install_go() {
    local manager=$1 package name
    [ "$manager" != apt-get ] || refresh_package_lists
    package=$(go_package "$manager")
    if [ -n "$package" ]; then install_packages "$manager" "$package" || true; fi
    find_go >/dev/null && return 0
    while IFS= read -r name; do
        [ "$(go_minor "$name")" -ge 21 ] && go_from_go "$name" && find_go >/dev/null && return 0
    done < <(go_programs)
    go_from_archive && find_go >/dev/null && return 0
    [ -n "$(go_programs)" ] || install_packages "$manager" golang-go || true
    name=$(go_programs | head -n 1)
    [ -n "$name" ] && go_from_go "$name"
}

# ---------------------------------------------------------------- what PATH does not show

# link NAME PROGRAM: the scripts find PROGRAM as NAME from now on, unless they do already.
link() {
    [ "$(command -v "$1" || true)" != "$2" ] || return 0
    mkdir -p "$TOOLS/bin"
    ln -sfn "$2" "$TOOLS/bin/$1"
    hash -r
}

link_found() {
    local program
    if wants python && program=$(find_python); then
        # The interpreter itself, not a switch that chooses one by its own name.
        [ "$(command -v python3 || true)" = "$program" ] ||
            link python3 "$("$program" -c 'import sys; print(sys.executable)')"
    fi
    if wants go && program=$(find_go); then
        link go "$program"
        [ ! -x "$(dirname "$program")/gofmt" ] || link gofmt "$(dirname "$program")/gofmt"
    fi
}

# ---------------------------------------------------------------- what is there, and packages

# The names of what is missing, in this script's words; `package_of` turns them into packages.
missing() {
    rust_is_new_enough || say rust
    if ! c_compiles || ! c_headers_are_there; then say c; fi
    { has nm && has objcopy && has ld && has ar; } || say binutils
    if wants python && ! find_python >/dev/null; then say python; fi
    if wants go; then
        has pkg-config || say pkg-config
        find_go >/dev/null || say go
    fi
    [ "$FOR_TESTS" = yes ] || return 0
    { has c++ || has g++ || has clang++; } || say c++
    has pkg-config || wants go || say pkg-config
    has git || say git
    if wants python && find_python >/dev/null && ! venv_is_current; then say python-venv; fi
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
        apt-get/python) say python3 python3-venv ;;
        pacman/python) say python ;;
        */python) say python3 ;;
        */rust | */rustfmt | */clippy | */go | */python-venv) ;;
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

refresh_package_lists() {
    local before
    [ "$LISTS_ARE_NEW" = no ] || return 0
    LISTS_ARE_NEW=yes
    # shellcheck disable=SC2086
    if before=$(privilege); then $before apt-get update -qq >/dev/null 2>&1 || true; fi
}
LISTS_ARE_NEW=no

install_packages() {
    local manager=$1 before
    shift
    [ "$manager" != none ] || return 1
    before=$(privilege) || return 1
    say "installing: $*"
    # Word splitting is wanted: `before` and the install command are words, not one name.
    # shellcheck disable=SC2046,SC2086
    if [ "$manager" = apt-get ]; then
        refresh_package_lists
        $before env DEBIAN_FRONTEND=noninteractive $(install_command apt-get) "$@"
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
            go) install_go "$manager" || true ;;
        esac
    done
    # Last: a Python that was just installed is what the environment is made of.
    if [ "$FOR_TESTS" = yes ] && wants python && find_python >/dev/null && ! venv_is_current; then
        make_venv || true
    fi
}

tell_go() {
    local architecture
    architecture=$(go_architecture) || architecture=ARCHITECTURE
    say "    curl -fLO https://go.dev/dl/go$GO_RELEASE.linux-$architecture.tar.gz"
    say "    sudo tar -C /usr/local -xzf go$GO_RELEASE.linux-$architecture.tar.gz"
    say "        (Go 1.$GO_MINOR_MIN or newer; or your distribution's package, if it is that new)"
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
            python)
                say "    (Python 3.$PYTHON_MINOR_MIN or newer with ctypes, venv and ensurepip: the package below"
                say "    if it is that new; else https://www.python.org/downloads/, as python3 on PATH)"
                ;;
            python-venv)
                say "    python3 -m venv target/python-venv"
                say "    target/python-venv/bin/pip install -r bindings/python/requirements-dev.txt"
                say "        (or start this script without --check, which does the same)"
                ;;
            go) tell_go ;;
        esac
    done
    if [ "${#packages[@]}" -gt 0 ]; then
        if [ "$manager" = none ]; then
            say "    (your system's way to install: a C and C++ compiler, binutils, pkg-config, git, Python)"
        else
            say "    sudo $(install_command "$manager") ${packages[*]}"
        fi
    fi
    say "then start this script again."
}

versions() {
    rustc --version | cut -d' ' -f1-2
    cc --version 2>/dev/null | head -n 1 || say "C compiler"
    if wants python; then "$(find_python)" --version; fi
    if wants go; then GOTOOLCHAIN=local "$(find_go)" env GOVERSION; fi
}

main() {
    [ "$(uname -s)" = Linux ] || fail "AllocDB runs on Linux; this is $(uname -s)"
    local things manager
    mapfile -t things < <(missing)
    manager=$(package_manager)
    if [ "${#things[@]}" -gt 0 ] && [ "$MAY_INSTALL" = yes ]; then
        install_missing "$manager" "${things[@]}"
        mapfile -t things < <(missing)
    fi
    if [ "${#things[@]}" -gt 0 ]; then
        tell "$manager" "${things[@]}" >&2
        exit 1
    fi
    [ "$MAY_INSTALL" = no ] || link_found
    say "setup: $(versions | paste -sd, - | sed 's/,/, /g')"
}

main
