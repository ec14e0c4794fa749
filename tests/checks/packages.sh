#!/usr/bin/env bash
# Builds the Debian packages, has lintian read them, and installs them in small Debian systems, which tests/checks/packages.py
# makes of files of this machine: one for each test of debian/tests, with what the test declares to need and nothing else. The test
# runs there. Then all packages are purged, and no file may be left or missing.
# Objects come from ccache where another build made them: tools/check makes the one without images and Lua with the same flags.
# Usage: packages.sh [BUILD], of which nothing is needed; FOVEA_DEBS=FOLDER takes packages that were built before.
set -u
cd "$(dirname "$0")/../.." || exit 1
passed=0 failed=0
good() { passed=$((passed + 1)); }
bad() {
    failed=$((failed + 1))
    echo "FAILED $1"
    [ -z "${2:-}" ] || tail -n 30 "$2"
}
ends() {
    echo "$passed passed, $failed failed"
    [ $failed = 0 ]
    exit
}
skip() {
    echo "skipped: $1"
    ends
}
for tool in dpkg-buildpackage dh dh_python3 dh_sphinxdoc lintian; do
    command -v $tool >/dev/null || skip "there is no $tool"
done
# Debian's programs, not those of a version manager
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
missing=$(dpkg-checkbuilddeps 2>&1) || skip "$missing"
new=(unshare --mount --pid --fork)
[ "$(id -u)" = 0 ] || new+=(--map-root-user)
"${new[@]}" true 2>/dev/null || skip 'this machine allows no namespaces'

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
tmp=$work/tmp
mkdir "$tmp" "$work/fovea"

# ---- build ----
debs=${FOVEA_DEBS:-$work}
if [ "$debs" = "$work" ]; then
    git ls-files -z | xargs -0 cp --parents -t "$work/fovea"
    # dh gives the build another home, which would have a cache of its own. The folder that -ffile-prefix-map names gets into
    # debug information only, which packages do not have.
    CCACHE_DIR=${CCACHE_DIR:-$(ccache -k cache_dir 2>/dev/null)} CCACHE_NOHASHDIR=1 \
        CCACHE_IGNOREOPTIONS='-ffile-prefix-map=*' DEB_CFLAGS_APPEND=-Werror \
        DEB_BUILD_OPTIONS="nocheck noautodbgsym parallel=$(nproc)" \
        sh -c 'cd "$1" && dpkg-buildpackage -us -uc -b' sh "$work/fovea" >"$work/log" 2>&1 || { bad 'dpkg-buildpackage' "$work/log"; ends; }
    good
    lintian --allow-root --fail-on error,warning "$work"/*.changes >"$work/log" 2>&1 && [ ! -s "$work/log" ] && good || bad 'lintian' "$work/log"
    find debian -name '*overrides*' | grep -q . && bad 'there are overrides of lintian' || good
fi
expected='fovea fovea-doc libfovea-dev libfovea-run0 libfovea0 python3-fovea'
[ "$(cd "$debs" && printf '%s\n' *.deb | sed 's/_.*//' | sort | xargs)" = "$expected" ] && good || bad "other packages than $expected: $(ls "$debs")"
# Two packages have no file in common, and paths of the build are in none.
for deb in "$debs"/*.deb; do
    dpkg-deb -c "$deb" | awk '$1 !~ /^d/ {print $6}'
done | sort | uniq -d >"$work/log"
[ ! -s "$work/log" ] && good || bad 'files that two packages have' "$work/log"
mkdir "$work/all"
for deb in "$debs"/*.deb; do
    dpkg-deb -x "$deb" "$work/all"
done
# has NAME FILE...: they are in the packages, and not empty
has() {
    local file
    for file in "${@:2}"; do
        compgen -G "$work/all/usr/$file" >/dev/null && [ -s "$(compgen -G "$work/all/usr/$file" | head -n 1)" ] || { bad "$1: there is no $file"; return; }
    done
    good
}
has 'licences' 'share/doc/fovea/copyright' 'share/doc/libfovea0/copyright'
has 'the site' 'share/doc/fovea/html/index.html' 'share/doc/fovea/html/searchindex.js'
has 'documents and examples' 'share/doc/fovea/README.md' 'share/doc/fovea/docs/api.md' 'share/doc/fovea/examples/dates/dates.onnx'
has 'manual pages' 'share/man/man1/fovea.1.gz' 'share/man/man1/fovea-compile.1.gz'
has 'declarations for editors' 'share/fovea/stubs/fv.lua'
has 'words for shells' 'share/bash-completion/completions/fovea' 'share/zsh/vendor-completions/_fovea' 'share/fish/vendor_completions.d/fovea.fish'
has 'for other builds' 'lib/*/pkgconfig/fovea.pc' 'lib/*/cmake/fovea/fovea-config.cmake' 'lib/*/libfovea.a' 'lib/*/libfovea-run.a' 'include/fovea.h'
has 'the Python package' 'lib/python3/dist-packages/fovea/__init__.py'
grep -rlaF "$work" "$work/all" >"$work/log" && bad 'paths of the build are in packages' "$work/log" || good

# ---- the file of a container ----
# Each instruction is one that such files may have, and each command is one that a shell can read.
sed -e ':a; /\\$/{N; s/\\\n//; ba}' Containerfile | grep -v '^#' | grep . >"$work/instructions"
grep -vE '^(ARG|CMD|COPY|ENTRYPOINT|FROM|RUN|WORKDIR) .' "$work/instructions" >"$work/log" && bad 'Containerfile' "$work/log" || good
sed -n 's/^RUN //p' "$work/instructions" >"$work/commands"
[ "$(wc -l <"$work/commands")" -ge 2 ] && sh -n "$work/commands" >"$work/log" 2>&1 && good || bad 'commands of Containerfile' "$work/log"
grep -E '[a-z0-9-]+\.(com|io|org|dev|net)\b' Containerfile >"$work/log" && bad 'Containerfile names a host' "$work/log" || good

# ---- install, test, purge ----
# in_system COMMAND...: runs it in $work/root, with its own processes, and devices that only read and write
in_system() {
    # shellcheck disable=SC2016
    "${new[@]}" sh -c 'root=$1; shift
        mount -t proc proc "$root/proc" && for d in null zero full urandom; do mount --bind /dev/$d "$root/dev/$d" || exit 1; done
        exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 DEBIAN_FRONTEND=noninteractive AUTOPKGTEST_TMP=/tmp \
            chroot "$root" "$@"' sh "$work/root" "$@"
}
# files: all of the system but what dpkg and ldconfig write about it
files() { (cd "$work/root" && find . -path ./var/lib/dpkg -prune -o -path ./var/log -prune -o -path ./var/cache/ldconfig -prune -o -printf '%y %m %s %p\n' | sort); }
make_system() { # DEPENDENCY...
    rm -rf "$work/root"
    mkdir "$work/root"
    python3 tests/checks/packages.py "$work/root" "$debs" "$@" >"$work/built" 2>"$work/log" || { bad "a system with $*" "$work/log"; return 1; }
    mkdir -p "$work/root"/{dev,proc,tmp,debs}
    touch "$work/root/dev"/{null,zero,full,urandom}
    in_system ldconfig
    xargs -r cp -t "$work/root/debs" <"$work/built"
}
# The container file installs the packages that fovea needs, and no others.
make_system fovea && {
    patterns=$(sed -n 's/^COPY --from=build \(.*\) .*/\1/p' "$work/instructions")
    for pattern in $patterns; do
        compgen -G "$debs$pattern"
    done | sort | cmp - <(sort "$work/built") >"$work/log" 2>&1 && good || bad "Containerfile copies other packages: $patterns"
}
[ "$(grep -c ^Tests: debian/tests/control)" = "$(find debian/tests -type f ! -name control | wc -l)" ] && good || bad 'debian/tests/control does not list all tests'
while IFS='|' read -r test needs; do
    IFS=', ' read -ra list <<<"$needs"
    make_system "${list[@]}" || continue
    cp "debian/tests/$test" "$work/root/tmp/"
    files >"$work/before"
    in_system sh -c 'dpkg -i /debs/*.deb' >"$work/log" 2>&1 && good || { bad "$test: installs its packages" "$work/log"; continue; }
    files | grep -q 'fovea/copyright\|libfovea' && good || bad "$test: nothing is installed"
    in_system "/tmp/$test" >"$work/log" 2>&1 && good || bad "$test" "$work/log"
    find "$work/root/tmp" -mindepth 1 ! -name "$test" -delete
    # shellcheck disable=SC2046
    in_system dpkg --purge $(sed 's/.*\///; s/_.*//' "$work/built") >"$work/log" 2>&1 && good || bad "$test: purges its packages" "$work/log"
    files | diff "$work/before" - >"$work/log" && good || bad "$test: files are left or missing" "$work/log"
done < <(sed -n '/^Tests: /{s///;h}; /^Depends: /{s///;H;x;s/\n/|/p}' debian/tests/control)
ends
