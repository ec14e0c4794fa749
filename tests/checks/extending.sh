# Checks the recipes of docs/extending.md: adds the code that they show to a copy of the sources, at the places that
# they name, builds the copy, and compares what its command prints with the document.
# Usage: extending.sh BUILD
set -u
export FOVEA_CACHE_DIR= # what is tested is compiled
# as in tests/packager/lib.sh
export CCACHE_NOHASHDIR=1 CCACHE_IGNOREOPTIONS='-ffile-prefix-map=* -isystem /usr/lib/llvm-*'
root=$PWD
copy=$(mktemp -d) || exit 1
trap 'rm -rf "$copy"' EXIT
git ls-files -z --cached | xargs -0 cp --parents -t "$copy"
cd "$copy" || exit 1
log=$copy/log
give_up() {
    tail -n 20 "$log"
    echo "FAILED $1"
    echo "0 passed, 1 failed"
    exit 1
}
python3 tests/checks/recipes.py docs/extending.md >"$log" 2>&1 || give_up "the recipes cannot be followed"
# as tests/packager/lib.sh configures its builds, with which this one shares objects through ccache
meson setup build -Dwerror=true --buildtype=plain -Dtests=disabled -Dc_args="-O0 -g1 -ffile-prefix-map=$copy/=" -Dc_link_args=-fuse-ld=lld >"$log" 2>&1 || give_up "meson"
ninja -C build >"$log" 2>&1 || give_up "it does not build"
python3 tests/checks/documents.py --kinds=console,text build docs/extending.md
status=$?
[ -z "${FOVEA_UPDATE_GOLDENS:-}" ] || cp docs/extending.md "$root/docs/extending.md"
exit $status
