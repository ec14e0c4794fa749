# Tests the programs of examples/embed as a user builds them, with an installed Fovea that pkg-config finds, and what the READMEs of
# examples/embed and examples/faults show.
# Usage: SCRIPT FOVEA ROOT PROTOC BUILD
. "$(dirname "$0")/lib.sh"
build=$4
DESTDIR=$work/i meson install -C "$build" --no-rebuild --quiet >out 2>err && tell install yes || tell install no
pc=$(dirname "$(find i -name fovea.pc)")
LD_LIBRARY_PATH=$work/$(dirname "$pc")
export LD_LIBRARY_PATH PKG_CONFIG_PATH=$work/$pc PKG_CONFIG_SYSROOT_DIR=$work/i
installed=$(find "$work/i" -name fovea -type f -path '*/bin/*')
for tool in make pkg-config c++; do
    command -v $tool >/dev/null || { echo "skipped: there is no $tool"; finish; exit; }
done
check 'the programs build' 0 . make -C "$root/examples/embed" OUT="$work/out_of_make" FOVEA="$installed" CFLAGS=-Werror CXXFLAGS=-Werror
check 'the programs work' 0 'no fifth row' make -C "$root/examples/embed" OUT="$work/out_of_make" FOVEA="$installed" check
present out_of_make/own_threads out_of_make/guess out_of_make/window
check 'a status for a wrong model' 1 '^FV_BAD_FILE: none.fvir: error: cannot open' out_of_make/guess none.fvir one
check 'no model for the pool' 1 'none.onnx: error: cannot open' out_of_make/own_threads none.onnx
check 'make clean' 0 . make -C "$root/examples/embed" OUT="$work/out_of_make" clean
absent out_of_make
[ -z "$(git -C "$root" status --porcelain examples/embed 2>/dev/null)" ] && tell 'nothing is left in the sources' yes ||
    tell 'nothing is left in the sources' no

unset PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR LD_LIBRARY_PATH
for name in embed faults; do
    check "what the README of examples/$name shows" 0 ' 0 failed' env -C "$root" python3 tests/checks/documents.py "$build" "examples/$name/README.md"
done
finish
