# Checks that a release never ends the process: its libraries refer neither to the function that a failed assert calls
# nor to abort. There is one exception, running out of memory while no door is open (ir/base/arena.c); every function of
# the library opens one, which tests/memory checks by failing each allocation.
# Usage: aborts.sh BUILD, of buildtype release
set -u
build=$1
failed=0
bad() { echo "FAILED $*"; failed=1; }
has() { [ -e "$1" ] || bad "there is no $1"; }
has "$build/runtime/libfovea-run.so"
has "$build/tools/libfovea.so"
has "$build/tools/libfovea-all.a"
for library in "$build/runtime/libfovea-run.so" "$build/tools/libfovea.so"; do
    names=$(nm -D --undefined-only "$library" | sed 's/.* //; s/@.*//' | tr '\n' ' ')
    case " $names" in
    *" malloc "*) ;;
    *) bad "$library: nm shows no symbols" ;;
    esac
    case " $names" in
    *" __assert"*) bad "$library has asserts" ;;
    esac
done
nm -D --undefined-only "$build/runtime/libfovea-run.so" | grep -qE ' (abort|exit|_exit)(@|$)' && bad "libfovea-run ends processes"
members=$(nm -A --undefined-only "$build/tools/libfovea-all.a" 2>/dev/null | grep -E ' (abort|exit|_exit|quick_exit)$' | sed 's/: .*//; s/.*[:\/]//' | sort -u | tr '\n' ' ')
case $members in
*base_arena.c.o\ ) [ "${members% }" = "${members%% *}" ] || bad "these end processes: $members" ;;
*) bad "these end processes: $members, expected the arena alone" ;;
esac
[ $failed = 0 ] && echo "no asserts, no abort"
exit $failed
