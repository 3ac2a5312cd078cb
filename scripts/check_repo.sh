#!/usr/bin/env bash
# The repository's guardrails: what can be checked about the tree without building it.
#
# usage: scripts/check_repo.sh [--list] [--only CHECK] [--self-test] [--help]
#
#   (none)         all checks; prints each problem as file:line, then the counts
#   --list         the checks' names
#   --only CHECK   one check
#   --self-test    plants a violation for every check into a copy of the tree, and expects it caught:
#                  a check that cannot fail proves nothing
#   --help         this text
#
# A check is a shell function `check_NAME` that prints a line for each problem and nothing else. It
# reads the files of the tree (what git knows, or would add) from the current directory. Needs bash,
# git or find, grep, sed and awk; no network, no compiler. The checks that need one are tests:
# the header's drift against the Rust source, the symbols and layouts of the built library.

set -uo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

CORE=crates/allocdb-core
CORE_FILE_LINES_MAX=500
FUNCTION_LINES_MAX=70
# A test may be a table of cases, which reads better whole than cut.
TEST_FUNCTION_LINES_MAX=140
LINE_COLUMNS_MAX=100

CHECKS=(
    core_dependencies pinned_versions binding_dependencies binding_versions core_file_size
    core_forbidden tree_forbidden function_size line_width file_openings file_names type_names
    modules unfinished status rules header links top_level shell machine_paths
)

# ---------------------------------------------------------------- reading the tree

# The tree's files, sorted: with git what is tracked or could be, without it all but what is built.
all_files() {
    if [ -e .git ]; then
        git ls-files --cached --others --exclude-standard | while IFS= read -r file; do
            # A file that is deleted but not yet committed is listed and gone.
            [ ! -f "$file" ] || printf '%s\n' "$file"
        done
    else
        find . -path ./target -prune -o -type f -print | sed 's|^\./||'
    fi | LC_ALL=C sort -u
}

# files REGEX: those whose path matches.
files() { grep -E "$1" <<<"$ALL_FILES" || true; }

is_test() {
    case $1 in
        */tests.rs | */tests/* | tests/* | *_test.go) return 0 ;;
        *) return 1 ;;
    esac
}

rust_sources() { files '^crates/.*\.rs$'; }
c_sources() { files '^bindings/c/.*\.(c|h)$'; }
cpp_sources() { files '^(bindings/c|include)/.*\.(cc|cpp|hpp)$'; }
python_sources() { files '^bindings/python/.*\.pyi?$'; }
go_sources() { files '^bindings/go/.*\.go$'; }

# FILE's code as `file:line:code`, with comments cut off: prose may name what code may not use.
code_of() {
    awk '{
        line = $0
        sub(/^[ \t]*\/\/.*$/, "", line)
        sub(/[ \t]\/\/.*$/, "", line)
        if (line !~ /^[ \t]*$/) print FILENAME ":" FNR ":" line
    }' "$@"
}

# ---------------------------------------------------------------- dependencies

# The dependencies named in a manifest's sections that reach into a build (dev-dependencies do not).
manifest_dependencies() {
    awk '
        /^\[/ {
            section = $0
            inside = section ~ /dependencies/ && section !~ /dev-dependencies/
            if (inside && match(section, /dependencies\.[A-Za-z0-9_-]+/))
                print substr(section, RSTART + 13, RLENGTH - 13)
            inside = inside && section ~ /dependencies["'\'']?\]$/
            next
        }
        inside && match($0, /^[A-Za-z0-9_-]+/) { print substr($0, RSTART, RLENGTH) }
    ' "$1" | LC_ALL=C sort -u
}

check_core_dependencies() {
    local found
    found=$(manifest_dependencies $CORE/Cargo.toml | tr '\n' ' ')
    [ "$found" = "crc32c " ] ||
        say "$CORE/Cargo.toml: the core depends on '${found% }', allowed is exactly 'crc32c'"
    grep -q 'forbid(unsafe_code)' $CORE/src/lib.rs ||
        say "$CORE/src/lib.rs: #![forbid(unsafe_code)] is not there"
}

# Every outside dependency is named once, in the workspace, at one exact version.
check_pinned_versions() {
    awk '
        /^\[/ { inside = $0 == "[workspace.dependencies]"; next }
        inside && /^[a-z]/ && $0 !~ /path *=/ && $0 !~ /"=[0-9]+\.[0-9]+\.[0-9]+/ {
            print FILENAME ":" FNR ": not pinned to one version (\"=1.2.3\"): " $0
        }' Cargo.toml
    local manifest
    for manifest in $(files '^crates/[^/]+/Cargo\.toml$'); do
        awk '
            /^\[/ { inside = $0 ~ /dependencies/; next }
            inside && /^[a-z]/ && /version *=|= *"/ && !/workspace *= *true/ {
                print FILENAME ":" FNR ": versions belong into the workspace: " $0
            }' "$manifest"
    done
    for manifest in $(files '^bindings/python/requirements.*\.txt$'); do
        grep -nvE '^(#.*|[A-Za-z0-9_.-]+==[0-9][0-9a-z.]*(;.*)?)?$' "$manifest" |
            sed "s|^\([0-9]*\):|$manifest:\1: not pinned to one version (name==1.2.3): |"
    done
}

# What a program gets with a binding is the language, the library and the binding. A Python package would
# name more in its manifest or import it; a Go module has to require it.
check_binding_dependencies() {
    local manifest sources
    for manifest in $(files '^bindings/python/pyproject\.toml$'); do
        awk '
            /^\[/ { project = $0 == "[project]" }
            project && /^dependencies *=/ && !/= *\[ *\] *$/ {
                print FILENAME ":" FNR ": a dependency at run time: " $0
            }' "$manifest"
    done
    sources=$(python_sources | grep '^bindings/python/src/')
    # shellcheck disable=SC2086
    [ -z "$sources" ] || imported_modules $sources | while IFS=: read -r file line module; do
        grep -qxF "$module" <<<"$PYTHON_MODULES" || say "$file:$line: imports '$module'"
    done
    for manifest in $(files '^bindings/go/(.*/)?go\.(mod|sum)$'); do
        case $manifest in *.sum) say "$manifest: a module without dependencies has none" ;; esac
        grep -nE '^(require|replace|tool)\b' "$manifest" | sed "s|^|$manifest:|; s|$|  (a dependency)|"
    done
}

# What the Python package may import: a list, so that each new module is a decision.
PYTHON_MODULES=$(tr ' ' '\n' <<'MODULES'
__future__ _ctypes allocdb abc argparse array atexit builtins collections contextlib copy ctypes dataclasses
datetime decimal enum errno functools hashlib heapq importlib io itertools json logging math numbers operator os pathlib
platform queue random re secrets shutil signal statistics string struct subprocess sys tempfile textwrap
threading time traceback types typing unittest uuid warnings weakref
MODULES
)

# imported_modules FILE...: file:line:top-level module, of its import statements; relative ones are its own.
imported_modules() {
    awk '
        FNR == 1 { inside = 0; checking = 0 }
        { count = gsub(/"""/, "\"\"\"") }
        inside { if (count % 2) inside = 0; next }
        count % 2 { inside = 1; next }
        # What only a type checker reads is no dependency.
        /^if TYPE_CHECKING:/ { checking = 1; next }
        checking && /^[^ ]/ { checking = 0 }
        checking && /^ +from typing_extensions / { next }
        /^[ ]*from [A-Za-z_]/ {
            name = $2; sub(/\..*/, "", name); print FILENAME ":" FNR ":" name
        }
        /^[ ]*import [A-Za-z_]/ {
            line = $0; sub(/^ *import /, "", line); sub(/ *#.*/, "", line)
            n = split(line, part, / *, */)
            for (i = 1; i <= n; i++) {
                name = part[i]; sub(/[. ].*/, "", name); print FILENAME ":" FNR ":" name
            }
        }' "$@"
}

workspace_version() {
    awk '/^\[workspace.package\]/ { inside = 1 } inside && /^version/ {
        gsub(/[" ]/, ""); sub(/version=/, ""); print; exit }' Cargo.toml
}

# A binding that names its version names the workspace's.
check_binding_versions() {
    local version file
    version=$(workspace_version)
    for file in $(files '^bindings/python/pyproject\.toml$'); do
        awk -v version="$version" '
            /^\[/ { project = $0 == "[project]" }
            project && /^version *=/ { seen = 1; if (index($0, "\"" version "\"") == 0)
                print FILENAME ":" FNR ": the workspace is at " version ": " $0 }
            project && /^dynamic *=.*"version"/ { seen = 1 }
            END { if (!seen) print FILENAME ": no version" }' "$file"
    done
    for file in $(python_sources | grep '/src/'; go_sources | grep -v _test.go; cpp_sources); do
        awk -v version="$version" '
            /^ *(__version__|(const )?Version|#define ALLOCDB_HPP_VERSION)( *:[^=]*)? *=? *"[0-9]/ {
                if (index($0, "\"" version "\"") == 0)
                    print FILENAME ":" FNR ": the workspace is at " version ": " $0
            }' "$file"
    done
}

# ---------------------------------------------------------------- size

check_core_file_size() {
    local file lines
    for file in $(files "^$CORE/src/.*\.rs\$"); do
        lines=$(wc -l <"$file")
        [ "$lines" -le $CORE_FILE_LINES_MAX ] ||
            say "$file: $lines lines, at most $CORE_FILE_LINES_MAX can be reviewed in one pass"
    done
}

# rustfmt and the C files' layout put a function's closing brace under its first column, so the
# indentation finds its end; a signature that ends in `;` has no body.
check_function_size() {
    local sources
    sources=$(rust_sources)
    # shellcheck disable=SC2086
    [ -z "$sources" ] || awk -v code_max=$FUNCTION_LINES_MAX -v test_max=$TEST_FUNCTION_LINES_MAX '
        FNR == 1 {
            delete begin; waiting = 0
            max = FILENAME ~ /(^|\/)(tests\/|tests\.rs$)/ ? test_max : code_max
        }
        {
            match($0, /^ */); indent = RLENGTH
            rest = substr($0, indent + 1)
        }
        rest ~ /^(pub(\([a-z ]+\))? )?(default )?(const )?(unsafe )?(extern "C" )?fn [a-zA-Z0-9_]+/ {
            if (rest ~ /[;}]$/) next
            name = rest; sub(/^.*fn /, "", name); sub(/[^a-zA-Z0-9_].*$/, "", name)
            begin[indent] = FNR; names[indent] = name; waiting = rest !~ /{$/
            next
        }
        waiting && rest ~ /;$/ && rest !~ /^[ \t]/ && rest ~ /^\)/ { delete begin[indent]; waiting = 0 }
        rest ~ /{$/ { waiting = 0 }
        rest == "}" && (indent in begin) {
            if (FNR - begin[indent] + 1 > max)
                print FILENAME ":" begin[indent] ": function " names[indent] " has " \
                    FNR - begin[indent] + 1 " lines, at most " max
            delete begin[indent]
        }
    ' $sources
    sources=$(c_sources; go_sources)
    # shellcheck disable=SC2086
    [ -z "$sources" ] || c_and_go_function_sizes $sources
    sources=$(cpp_sources)
    # shellcheck disable=SC2086
    [ -z "$sources" ] || cpp_function_sizes $sources
    sources=$(python_sources)
    # shellcheck disable=SC2086
    [ -z "$sources" ] || python_function_sizes $sources
}

# Both begin a function in the first column and end it there.
c_and_go_function_sizes() {
    awk -v code_max=$FUNCTION_LINES_MAX -v test_max=$TEST_FUNCTION_LINES_MAX '
        FNR == 1 {
            begin = 0; go = FILENAME ~ /\.go$/
            max = FILENAME ~ /_test\.go$/ ? test_max : code_max
        }
        go ? /^func / : /^[a-z].*\(/ && !/;$/ { begin = FNR; name = $0 }
        /^}$/ && begin {
            if (FNR - begin + 1 > max)
                print FILENAME ":" begin ": function has " FNR - begin + 1 " lines, at most " max ": " name
            begin = 0
        }
        /^};|^} [a-z]/ { begin = 0 }
    ' "$@"
}

# A C++ function may stand inside a class: it begins with a line that has parentheses, is no control
# statement and opens a brace, there or on the next line, and ends with a brace under its first column.
cpp_function_sizes() {
    awk -v code_max=$FUNCTION_LINES_MAX -v test_max=$TEST_FUNCTION_LINES_MAX '
        FNR == 1 { delete begin; previous = ""; max = FILENAME ~ /\/tests\// ? test_max : code_max }
        {
            match($0, /^ */); indent = RLENGTH
            rest = substr($0, indent + 1)
            head = rest == "{" ? previous : rest
        }
        rest ~ /{$/ && head ~ /\(|\)/ && head !~ /^(}? ?(if|else|for|while|switch|do|catch|try)\>|\/\/)/ {
            if (!(indent in begin)) { begin[indent] = FNR - (rest == "{"); names[indent] = head }
        }
        rest ~ /^}\)*[;,]?$/ && (indent in begin) {
            if (FNR - begin[indent] + 1 > max)
                print FILENAME ":" begin[indent] ": function has " FNR - begin[indent] + 1 \
                    " lines, at most " max ": " names[indent]
            delete begin[indent]
        }
        rest != "" { previous = rest }
    ' "$@"
}

# A Python function lasts while lines are indented deeper than its def; the lines of a string are indented
# as their author likes, so only a line of code ends it. Its docstring is documentation, not length.
python_function_sizes() {
    awk -v code_max=$FUNCTION_LINES_MAX -v test_max=$TEST_FUNCTION_LINES_MAX '
        function finish(depth,    i) {
            for (i in begin) if (i + 0 >= depth) {
                if (last - begin[i] + 1 - comment[i] > max)
                    print file ":" begin[i] ": function has " last - begin[i] + 1 - comment[i] \
                        " lines, at most " max ": " names[i]
                delete begin[i]
            }
        }
        FNR == 1 {
            if (NR > 1) finish(0)
            file = FILENAME; inside = 0; open = 0
            max = FILENAME ~ /\/tests\// ? test_max : code_max
        }
        {
            line = $0
            quotes = gsub(/"""/, "&", line)
            was_inside = inside
            if (quotes % 2) inside = !inside
            if (was_inside || quotes) { for (i in begin) comment[i]++; last = FNR; if (was_inside) next }
        }
        /^[ \t]*(#.*)?$/ { next }
        {
            match($0, /^ */); indent = RLENGTH
            rest = substr($0, indent + 1)
        }
        # The end of a signature on lines of its own: still the head.
        rest ~ /^[])}]/ { last = FNR; next }
        {
            finish(indent)
            last = FNR
        }
        rest ~ /^(async )?def / { begin[indent] = FNR; names[indent] = rest; comment[indent] = 0 }
        END { finish(0) }
    ' "$@"
}

check_line_width() {
    local sources locale=C.UTF-8
    # The header is generated: its source is checked.
    sources=$(rust_sources; c_sources; cpp_sources; python_sources; go_sources)
    # shellcheck disable=SC2086
    LC_ALL=$locale grep -nE "^.{$((LINE_COLUMNS_MAX + 1)),}" $sources /dev/null 2>/dev/null |
        sed -E "s/^([^:]+:[0-9]+):.*/\1: longer than $LINE_COLUMNS_MAX columns/"
}

# ---------------------------------------------------------------- constructs

# forbidden REASON REGEX FILE...
forbidden() {
    local reason=$1 regex=$2
    shift 2
    [ $# -gt 0 ] || return 0
    code_of "$@" | grep -E "^[^:]+:[0-9]+:.*($regex)" |
        sed -E "s/^([^:]+:[0-9]+):[ \t]*(.*)$/\1: $reason: \2/"
}

check_core_forbidden() {
    local all sources=() file
    mapfile -t all < <(files "^$CORE/.*\.rs\$")
    for file in "${all[@]}"; do is_test "$file" || sources+=("$file"); done
    forbidden "unsafe code" '\bunsafe\b' "${all[@]}"
    forbidden "async" '\basync\b|\.await\b' "${all[@]}"
    forbidden "a generic serializer" '\b(serde|bincode|prost|postcard|borsh|rkyv|ciborium)\b' "${all[@]}"
    forbidden "a map with a random seed" '\b(HashMap|HashSet|RandomState|DefaultHasher)\b' "${sources[@]}"
    forbidden "shared ownership" '\b(Arc|Rc|Mutex|RwLock|RefCell|OnceLock|Atomic[A-Z][A-Za-z0-9]*)\b' \
        "${sources[@]}"
    forbidden "a trait object" '\bdyn\b' "${sources[@]}"
    forbidden "the outside world" '\bstd::(fs|net|time|thread|process|env|io|os)\b' "${sources[@]}"
    forbidden "printing" '\be?print(ln)?!' "${sources[@]}"
}

check_tree_forbidden() {
    local sources manifests
    mapfile -t sources < <(rust_sources)
    mapfile -t manifests < <(files '(^|/)Cargo\.toml$')
    forbidden "async" '\basync (fn|move|\{)|\.await\b' "${sources[@]}"
    forbidden "a lock behind shared ownership" '\bArc<([a-z_]+::)*(Mutex|RwLock)\b' "${sources[@]}"
    forbidden "a cell behind shared ownership" '\bRc<([a-z_]+::)*RefCell\b' "${sources[@]}"
    grep -nE '^"?(tokio|async-std|smol|futures[a-z-]*|mio|actix[a-z-]*|bincode|prost|diesel|sqlx|sea-orm)\b' \
        "${manifests[@]}" /dev/null | sed 's/$/  (not a dependency of AllocDB)/'
}

# ---------------------------------------------------------------- style

check_file_openings() {
    local file first
    for file in $(rust_sources); do
        IFS= read -r first <"$file"
        case $first in '//!'*) ;; *) say "$file:1: does not open with what it is (//!)" ;; esac
    done
    for file in $(c_sources; cpp_sources; files '^include/.*\.h$'); do
        IFS= read -r first <"$file"
        case $first in '/*'* | '//'*) ;; *) say "$file:1: does not open with what it is" ;; esac
    done
    for file in $(python_sources); do
        first=$(sed '/^#!/d;q' "$file")
        case $first in '"""'?* | 'r"""'?* | '# '*) ;; *) say "$file:1: does not open with what it is" ;; esac
    done
    for file in $(go_sources); do
        first=$(sed -E '/^\/\/go:build|^$/d' "$file" | head -n 1)
        case $first in '// '* | '/*'*) ;; *) say "$file:1: does not open with what it is" ;; esac
    done
    for file in $(files '^(scripts/.*\.sh|\.ci/.*)$'); do
        sed '/^#!/d;q' "$file" | grep -q '^# ' || sed -n 2p "$file" | grep -q '^# ' ||
            say "$file:2: does not open with what it is"
    done
}

# A file is named for its subject: a ticket's number says nothing to whoever reads it next year.
check_file_names() {
    files '(^|/)[^/]*(issue|ticket|bug|fixes|pr|todo)[_-]?[0-9]+[^/]*$' |
        sed 's/$/: named after a ticket/'
    files '(^|/)(utils?|helpers?|misc|common)(_test)?\.(rs|c|h|cc|cpp|hpp|py|go)$' | sed 's/$/: named for nothing/'
}

check_type_names() {
    local sources
    mapfile -t sources < <(rust_sources)
    forbidden "no get_ in Rust" '\bfn get_([^m]|m[^u])' "${sources[@]}"
    mapfile -t sources < <(rust_sources; cpp_sources; python_sources; go_sources)
    forbidden "a name for nothing" \
        '\b(struct|enum|trait|mod|class|type) [A-Za-z_]*([Mm]anager|[Hh]elper|[Uu]til)' "${sources[@]}"
}

check_modules() {
    local sources
    mapfile -t sources < <(rust_sources)
    forbidden "a module elsewhere than its name says" '#\[path *=' "${sources[@]}"
}

check_unfinished() {
    local sources
    sources=$(rust_sources; c_sources; cpp_sources; python_sources; go_sources
        files '^(scripts|\.ci)/' | grep -v check_repo.sh)
    # shellcheck disable=SC2086
    grep -nE '\b(TODO|FIXME|XXX|HACK)\b|\b(todo|unimplemented|dbg)!' $sources /dev/null |
        sed 's/^/unfinished: /'
    # shellcheck disable=SC2086
    grep -nIE '^(<<<<<<<|>>>>>>>) ' $ALL_FILES /dev/null | sed 's/^/a merge was not finished: /'
}

# Paths of somebody's machine mean nothing on another one.
check_machine_paths() {
    local sources
    sources=$(grep -vE '(^|/)check_repo\.sh$|\.lock$' <<<"$ALL_FILES")
    # shellcheck disable=SC2086
    grep -nIE '(^|[^A-Za-z0-9_.])/(home|root|Users)/[A-Za-z0-9_.]+' $sources /dev/null |
        sed 's/^/a path of one machine: /'
}

# ---------------------------------------------------------------- documents

rule_ids() { sed -nE 's/^\*\*(R[0-9]+)\*\*.*/\1/p' docs/semantics.md; }

check_status() {
    local version id
    if [ ! -f docs/status.md ]; then say "docs/status.md: not there"; return; fi
    version=$(workspace_version)
    [ -n "$version" ] || say "Cargo.toml: no version"
    grep -qF "$version" docs/status.md || say "docs/status.md: does not name version $version"
    grep -qF "[$version]" CHANGELOG.md || grep -qF "$version" CHANGELOG.md ||
        say "CHANGELOG.md: does not name version $version"
    grep -oE '\bR[0-9]+\b' docs/status.md | sort -u >"$SCRATCH/named"
    for id in $(rule_ids); do
        grep -qx "$id" "$SCRATCH/named" || say "docs/status.md: does not name rule $id"
    done
}

# Each rule of docs/semantics.md is cited where it is enforced and where it is proven.
check_rules() {
    local id file sources=() tests=()
    rule_ids >"$SCRATCH/rules"
    [ -s "$SCRATCH/rules" ] || { say "docs/semantics.md: no rule (**R1** at a line's beginning)"; return; }
    sort "$SCRATCH/rules" | uniq -d | sed 's/^/docs\/semantics.md: twice the same id: /'
    for file in $(rust_sources; files '^bindings/[a-z]+/(.*/)?(tests/|[a-z_0-9]*_test\.go$)'); do
        if is_test "$file"; then tests+=("$file"); else
            case $file in crates/*/src/*) sources+=("$file") ;; esac
        fi
    done
    : >"$SCRATCH/in_code"; : >"$SCRATCH/in_tests"
    [ "${#sources[@]}" = 0 ] || grep -ohE '\bR[0-9]+\b' "${sources[@]}" | sort -u >"$SCRATCH/in_code"
    [ "${#tests[@]}" = 0 ] || grep -ohE '\bR[0-9]+\b' "${tests[@]}" | sort -u >"$SCRATCH/in_tests"
    while IFS= read -r id; do
        grep -qx "$id" "$SCRATCH/in_code" || say "rule $id: no code cites it"
        grep -qx "$id" "$SCRATCH/in_tests" || say "rule $id: no test cites it"
    done <"$SCRATCH/rules"
    sort -u "$SCRATCH/in_code" "$SCRATCH/in_tests" | grep -vxFf "$SCRATCH/rules" |
        sed 's/.*/rule &: cited, but docs\/semantics.md has no such rule/'
}

# The header, its version and the frozen list of symbols say the same. (That the header is what the
# Rust source generates is a test: generating it needs the whole build.)
check_header() {
    local header=include/allocdb.h list
    [ -f $header ] || { say "$header: not there"; return; }
    list=$(files '^crates/allocdb-ffi/(abi|tests)/.*symbols.*' | head -n 1)
    [ -n "$list" ] || { say "crates/allocdb-ffi: no frozen list of symbols"; return; }
    awk '!/^#/ && NF { print $1 }' "$list" | LC_ALL=C sort >"$SCRATCH/symbols"
    [ -s "$SCRATCH/symbols" ] || { say "$list: empty"; return; }
    # Declarations only: comments are cut out, then every allocdb_name before a parenthesis is one.
    awk '{ gsub(/\/\*[^*]*\*\//, "") } /\/\*/ { inside = 1 } !inside && !/^ *#/ { print }
         /\*\// { inside = 0 }' $header |
        tr '\n' ' ' | grep -oE '\ballocdb_[a-z0-9_]+ ?\(' | tr -d ' (' |
        LC_ALL=C sort -u >"$SCRATCH/declared"
    comm -23 "$SCRATCH/declared" "$SCRATCH/symbols" | sed "s|^|$list: declared in $header, not listed: |"
    comm -13 "$SCRATCH/declared" "$SCRATCH/symbols" | sed "s|^|$list: listed, not declared in $header: |"
    check_header_version $header
}

# The header's number is major * 1,000,000 + minor * 1,000 + patch.
check_header_version() {
    local value major minor patch
    value=$(sed -nE 's/^#define ALLOCDB_VERSION_NUMBER +([0-9]+).*/\1/p' "$1")
    IFS=. read -r major minor patch < <(sed -nE 's/^version = "([0-9.]+)"$/\1/p' Cargo.toml)
    [ "$value" = $((major * 1000000 + minor * 1000 + patch)) ] ||
        say "$1: ALLOCDB_VERSION_NUMBER is '$value', Cargo.toml says $major.$minor.$patch"
}

# Relative links in the documents lead to files of the tree.
check_links() {
    local file line link target
    while IFS=: read -r file line link; do
        target=${link#*](}; target=${target%)}; target=${target%% *}; target=${target%%#*}
        case $target in '' | http://* | https://* | mailto:*) continue ;; esac
        case $target in
            /*) say "$file:$line: a link from the root of the disk: $target" ;;
            *) [ -e "$(dirname "$file")/$target" ] || say "$file:$line: leads nowhere: $target" ;;
        esac
    done < <(files '\.md$' | while IFS= read -r file; do
        # Code may look like a link; its lines are emptied, so that the others keep their numbers.
        awk '/^```/ { code = !code } { print code ? "" : $0 }' "$file" |
            grep -noE '\]\([^)]+\)' | sed "s|^|$file:|"
    done)
}

check_top_level() {
    cut -d/ -f1 <<<"$ALL_FILES" | sort -u | grep -vE \
        '^(Cargo\.(toml|lock)|crates|include|bindings|docs|scripts|README\.md|LICENSE-(MIT|APACHE)|CHANGELOG\.md|clippy\.toml|rustfmt\.toml|\..*)$' |
        sed 's/$/: does not belong at the top level/'
    local name
    for name in Cargo.toml Cargo.lock README.md LICENSE-MIT LICENSE-APACHE CHANGELOG.md; do
        [ -f $name ] || say "$name: not there"
    done
}

check_shell() {
    local file
    for file in $(files '^(scripts/.*\.sh|\.ci/run)$'); do
        bash -n "$file" 2>&1
        case $file in scripts/lib.sh | scripts/torture/layer.sh) continue ;; esac
        [ -x "$file" ] || say "$file: not executable"
        case $file in .ci/*) continue ;; esac
        grep -q -- '--help' "$file" || say "$file: no --help"
    done
}

# ---------------------------------------------------------------- running

# run_check NAME: its problems on standard output.
run_check() { "check_$1" 2>&1; }

enter() {
    cd "$1" || exit 2
    ALL_FILES=$(all_files)
    [ -n "$ALL_FILES" ] || fail "no files in $1"
}

run_checks() {
    local name problems passed=0 failed=0
    for name in "$@"; do
        problems=$(run_check "$name")
        if [ -z "$problems" ]; then
            passed=$((passed + 1))
        else
            failed=$((failed + 1))
            say "check_repo: $name:"
            say "    ${problems//$'\n'/$'\n'    }"
        fi
    done
    say "check_repo: $passed passed, $failed failed"
    [ "$failed" = 0 ]
}

# ---------------------------------------------------------------- self-test

# For each check at least one line: CHECK|SHELL CODE that plants the violation in the current directory.
plants() {
    cat <<'PLANTS'
core_dependencies|printf '\n[dependencies.rand]\nworkspace = true\n' >>crates/allocdb-core/Cargo.toml
core_dependencies|sed -i 's/^\[dependencies\]$/&\nserde = { workspace = true }/' crates/allocdb-core/Cargo.toml
core_dependencies|printf '\n[build-dependencies]\ncc = { workspace = true }\n' >>crates/allocdb-core/Cargo.toml
core_dependencies|sed -i 's/forbid(unsafe_code)/deny(unsafe_code)/' crates/allocdb-core/src/lib.rs
pinned_versions|sed -i 's/^crc32c = .*/crc32c = "0.6"/' Cargo.toml
pinned_versions|sed -i 's/^\[dependencies\]$/&\nlibc = "=0.2.1"/' crates/allocdb-core/Cargo.toml
pinned_versions|mkdir -p bindings/python; echo 'pytest>=8' >>bindings/python/requirements-dev.txt
binding_dependencies|mkdir -p bindings/python; printf '[project]\ndependencies = ["requests"]\n' >bindings/python/pyproject.toml
binding_dependencies|mkdir -p bindings/python/src/allocdb; echo '    from numpy import array' >>bindings/python/src/allocdb/__init__.py
binding_dependencies|mkdir -p bindings/python/src/allocdb; echo 'import os, cffi.api' >>bindings/python/src/allocdb/__init__.py
binding_dependencies|mkdir -p bindings/go; echo 'require example.com/planted v1.0.0' >>bindings/go/go.mod
binding_dependencies|mkdir -p bindings/go; echo 'example.com/planted v1.0.0 h1:x=' >>bindings/go/go.sum
binding_versions|mkdir -p bindings/python; printf '[project]\nversion = "7.7.7"\n' >bindings/python/pyproject.toml
binding_versions|mkdir -p bindings/python/src/allocdb; echo '__version__ = "7.7.7"' >>bindings/python/src/allocdb/planted.py
binding_versions|mkdir -p bindings/go; echo 'const Version = "7.7.7"' >>bindings/go/planted.go
core_file_size|for i in $(seq 500); do echo '// x'; done >>crates/allocdb-core/src/lib.rs
function_size|{ echo 'fn planted('; echo ') {'; for i in $(seq 70); do echo '    ();'; done; echo '}'; } >>crates/allocdb-core/src/lib.rs
function_size|{ echo 'impl X {'; echo '    pub(crate) const fn planted() {'; for i in $(seq 70); do echo '        ();'; done; echo '    }'; echo '}'; } >>crates/allocdb-node/src/lib.rs
function_size|{ echo 'fn planted() {'; for i in $(seq 139); do echo '    ();'; done; echo '}'; } >>crates/allocdb-core/src/config/tests.rs
function_size|{ echo 'static int planted(void)'; echo '{'; for i in $(seq 70); do echo '    ;'; done; echo '}'; } >>bindings/c/examples/venue.c
function_size|mkdir -p bindings/go; { echo 'func planted() {'; for i in $(seq 70); do printf '\tx()\n'; done; echo '}'; } >>bindings/go/planted.go
function_size|mkdir -p bindings/go; { echo 'func TestPlanted(t *testing.T) {'; for i in $(seq 139); do printf '\tx()\n'; done; echo '}'; } >>bindings/go/planted_test.go
function_size|mkdir -p bindings/python/src; { echo 'class X:'; echo '    def planted('; echo '        self,'; echo '    ) -> None:'; for i in $(seq 68); do echo '        pass'; done; echo 'x = 1'; } >>bindings/python/src/planted.py
function_size|mkdir -p bindings/python/tests; { echo 'def planted():'; echo '    """x'; echo '    """'; for i in $(seq 140); do echo '    pass'; done; } >>bindings/python/tests/planted.py
function_size|{ echo 'class x {'; echo '    int planted() {'; for i in $(seq 69); do echo '        x();'; done; echo '    }'; echo '};'; } >>bindings/c/examples/planted.cpp
function_size|{ echo 'int planted()'; echo '{'; for i in $(seq 68); do echo '    if (x) {'; echo '    }'; done; echo '}'; } >>include/planted.hpp
line_width|mkdir -p bindings/python; printf '# %0100d\n' 0 >>bindings/python/planted.py
line_width|mkdir -p bindings/go; printf '// %0100d\n' 0 >>bindings/go/planted.go
line_width|printf '// %0100d\n' 0 >>bindings/c/examples/planted.cpp
line_width|printf '// %0100d\n' 0 >>crates/allocdb-core/src/lib.rs
core_forbidden|echo 'fn planted() { unsafe { } }' >>crates/allocdb-core/src/lib.rs
core_forbidden|echo 'async fn planted() {}' >>crates/allocdb-core/src/lib.rs
core_forbidden|echo 'use bincode::encode;' >>crates/allocdb-core/src/lib.rs
core_forbidden|echo 'use std::collections::HashMap;' >>crates/allocdb-core/src/lib.rs
core_forbidden|echo 'use std::hash::RandomState;' >>crates/allocdb-core/src/lib.rs
core_forbidden|echo 'struct Planted(Arc<Mutex<u8>>);' >>crates/allocdb-core/src/lib.rs
core_forbidden|echo 'struct Planted(Rc<RefCell<u8>>);' >>crates/allocdb-core/src/lib.rs
core_forbidden|echo 'fn planted(_: &dyn Fn()) {}' >>crates/allocdb-core/src/lib.rs
core_forbidden|echo 'fn planted() -> std::time::Instant { }' >>crates/allocdb-core/src/lib.rs
core_forbidden|echo 'fn planted() { println!("x"); }' >>crates/allocdb-core/src/lib.rs
tree_forbidden|echo 'pub async fn planted() {}' >>crates/allocdb-node/src/lib.rs
tree_forbidden|echo 'struct Planted(std::sync::Arc<std::sync::Mutex<u8>>);' >>crates/allocdb-node/src/lib.rs
tree_forbidden|echo 'struct Planted(Rc<RefCell<u8>>);' >>crates/allocdb-node/src/lib.rs
tree_forbidden|echo 'tokio = "=1.0.0"' >>crates/allocdb-node/Cargo.toml
file_openings|echo 'struct Planted;' >crates/allocdb-core/src/planted.rs
file_openings|echo 'int planted;' >bindings/c/examples/planted.c
file_openings|echo 'int planted;' >bindings/c/examples/planted.cpp
file_openings|mkdir -p bindings/python; printf '#!/usr/bin/env python3\nimport os\n' >bindings/python/planted.py
file_openings|mkdir -p bindings/go; printf '//go:build cgo\n\npackage planted\n' >bindings/go/planted.go
file_openings|printf '#!/usr/bin/env bash\nset -e\n' >scripts/planted.sh
file_names|echo '//! x' >crates/allocdb-core/src/issue_31_tests.rs
file_names|echo '//! x' >crates/allocdb-node/src/helpers.rs
file_names|mkdir -p bindings/go; echo '// x' >bindings/go/util.go
file_names|mkdir -p bindings/python; echo '# x' >bindings/python/helpers.py
type_names|mkdir -p bindings/go; echo 'type PlantedManager struct{}' >>bindings/go/planted.go
type_names|mkdir -p bindings/python; echo 'class PlantedHelper:' >>bindings/python/planted.py
type_names|echo 'class planted_util {};' >>bindings/c/examples/planted.hpp
type_names|echo 'fn get_planted() {}' >>crates/allocdb-node/src/lib.rs
type_names|echo 'struct LogManager;' >>crates/allocdb-node/src/lib.rs
modules|printf '#[path = "x.rs"]\nmod planted;\n' >>crates/allocdb-node/src/lib.rs
unfinished|echo '// TO''DO: later' >>crates/allocdb-node/src/lib.rs
unfinished|mkdir -p bindings/python; echo '# TO''DO: later' >>bindings/python/planted.py
unfinished|mkdir -p bindings/go; echo '// FIX''ME: later' >>bindings/go/planted.go
unfinished|printf '<<<<<<''< HEAD\n' >>docs/status.md
unfinished|echo 'fn planted() { unimplemented!() }' >>crates/allocdb-node/src/lib.rs
status|rm docs/status.md
status|sed -i 's/0\.[0-9]*\.[0-9]*/0.0.0/g' docs/status.md
status|sed -i 's/\bR3\b//g' docs/status.md
rules|echo '**R9999** A rule without code and test.' >>docs/semantics.md
rules|echo '// R9998: a rule that is nowhere' >>crates/allocdb-node/src/lib.rs
rules|mkdir -p bindings/go; echo '// R9997: a rule that is nowhere' >>bindings/go/planted_test.go
rules|echo '**R1** twice' >>docs/semantics.md
rules|find crates -name '*.rs' -path '*/src/*' ! -name tests.rs ! -path '*/tests/*' -exec sed -i 's/\bR7\b//g' {} +
rules|find crates bindings/c/tests \( -name tests.rs -o -path '*/tests/*' \) -type f -exec sed -i 's/\bR7\b//g' {} +
header|echo 'void allocdb_planted(void);' >>include/allocdb.h
header|sed -i 's/^allocdb_open\b.*//' $(ls crates/allocdb-ffi/abi/*symbols* crates/allocdb-ffi/tests/*symbols* 2>/dev/null)
header|sed -i 's/\(ALLOCDB_VERSION_NUMBER\) .*/\1 77/' include/allocdb.h
links|echo '[x](nowhere.md)' >>README.md
links|echo '[x](/etc/passwd)' >>docs/status.md
top_level|echo x >planted.txt
top_level|rm LICENSE-MIT
shell|echo 'if' >>scripts/setup.sh
shell|chmod -x scripts/setup.sh
shell|sed -i 's/--help//g' scripts/setup.sh
machine_paths|echo 'see /home/somebody/notes' >>docs/status.md
PLANTS
}

# One planted violation: the check must say more than it said before.
self_test_plant() {
    local check=$1 code=$2 before after
    rm -rf "$COPY"
    cp -a "$PRISTINE" "$COPY"
    # What it says of the tree as it is does not change from plant to plant.
    [ -e "$SCRATCH/before_$check" ] ||
        (enter "$PRISTINE" && run_check "$check") >"$SCRATCH/before_$check"
    before=$(<"$SCRATCH/before_$check")
    (cd "$COPY" && eval "$code") || { say "self-test: $check: cannot plant: $code"; return 1; }
    after=$(enter "$COPY" && run_check "$check")
    if [ -z "$after" ] || [ "$after" = "$before" ]; then
        say "self-test: $check did not catch: $code"
        return 1
    fi
}

self_test() {
    local check code passed=0 failed=0 tried=' '
    PRISTINE=$SCRATCH/pristine COPY=$SCRATCH/copy
    mkdir -p "$PRISTINE"
    tar -cf - -T - <<<"$ALL_FILES" | tar -xf - -C "$PRISTINE"
    while IFS='|' read -r check code; do
        tried+="$check "
        if self_test_plant "$check" "$code"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
    done < <(plants)
    for check in "${CHECKS[@]}"; do
        case $tried in *" $check "*) ;; *) say "self-test: nothing planted for $check"; failed=$((failed + 1)) ;; esac
    done
    say "check_repo --self-test: $passed passed, $failed failed"
    [ "$failed" = 0 ]
}

SCRATCH=$(mktemp -d)
trap 'rm -rf "$SCRATCH"' EXIT
ALL_FILES=

case ${1:-} in
    --help | -h) usage ;;
    --list) printf '%s\n' "${CHECKS[@]}" ;;
    --self-test) enter "$ROOT"; self_test ;;
    --only)
        declare -F "check_${2:-}" >/dev/null || fail "no such check '${2:-}'; see --list"
        enter "$ROOT"; run_checks "$2" ;;
    '') enter "$ROOT"; run_checks "${CHECKS[@]}" ;;
    *) fail "unknown option '$1'; see --help" ;;
esac
