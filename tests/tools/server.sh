# Tests examples/server: what its README shows.
. "$(dirname "$0")/lib.sh"
library=$(dirname "$fovea")
if [ -e "$library/libfovea.so" ] && ! grep -q __asan_init "$fovea"; then
    check 'what its README shows' 0 ' 0 failed' env -C "$root" python3 tests/checks/documents.py "${library%/tools}" examples/server/README.md
fi
finish
