#!/usr/bin/env bash
# Two folders give the same bytes. An eighth of the objects, all with FOVEA_ALL=1, are compiled in both; ccache gives the second build
# the others.
# Usage: bytes.sh ROOT BUILD
. "$(dirname "$0")/lib.sh"
[ "${FOVEA_ALL:-0}" = 0 ] && apart=8 || apart=1
wheel=yes
command -v patchelf >/dev/null || { wheel=no; echo 'skipped: wheels, there is no patchelf'; }
sources one
mkdir another
cp -r one another/folder
for folder in one another/folder; do
    try "configure in $folder" setup "$folder" --prefix=/usr -Ddefault_library=both -Dpython=true || ends
    try "build in $folder" ninja -C "$folder/build" --quiet || ends
    if [ "$folder" != one ]; then
        find "$folder/build" -name '*.o' | sort | awk -v apart=$apart -v first="${FV_SEED:-1}" '(NR + first) % apart == 0' | xargs rm -f
        CCACHE_DISABLE=1 try "build objects again in $folder" ninja -C "$folder/build" --quiet || ends
    fi
    DESTDIR=$work/$folder/made try "install in $folder" meson install -C "$folder/build" --no-rebuild --quiet || ends
    [ $wheel = no ] || try "a wheel in $folder" ninja -C "$folder/build" wheel || ends
done
try 'the same files' diff -r one/made another/folder/made
for file in bin/fovea 'lib/*/libfovea.so.0' 'lib/*/libfovea-run.so.0' 'lib/*/libfovea.a' 'lib/*/libfovea-run.a' share/man/man1/fovea.1; do
    try "compared: $file" compgen -G "one/made/usr/$file"
done
try 'no file names a folder of the build' sh -c '! grep -rlaF "$1" one/made' sh "$work"
[ $wheel = no ] || try 'the same wheel' sh -c 'cmp one/build/python/*.whl another/folder/build/python/*.whl'
ends
