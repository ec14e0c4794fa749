#!/usr/bin/env bash
# Static libraries alone, and programs that are linked with them.
# Usage: static.sh ROOT BUILD
. "$(dirname "$0")/lib.sh"
sources s
try 'configure' setup s --prefix="$work/p" --libdir=lib -Ddefault_library=static || ends
try 'build' ninja -C s/build --quiet || ends
try 'install' meson install -C s/build --no-rebuild --quiet || ends
try 'both libraries, and no shared one' prints '^libfovea-run.a libfovea.a $' sh -c 'cd p/lib && ls | grep "^libfovea[-.r]" | grep -v mpi | tr "\n" " "'
for from in "$work/p/lib/pkgconfig" "$work/s/build/meson-uninstalled"; do
    # shellcheck disable=SC2016
    PKG_CONFIG_PATH=$from try "pkg-config in $from" sh -c 'cc -Wall -Werror use.c -o use $(pkg-config --static --cflags --libs fovea)' &&
        try 'the program runs' prints '^1979-05-03$' ./use "$dates/dates.onnx"
done
readelf -d use >dynamic
try 'and needs no library of ours' sh -c '! grep "NEEDED.*fovea" dynamic'
if command -v cmake >/dev/null; then
    try 'CMake' cmake -S . -B c -DCMAKE_PREFIX_PATH="$work/p" && try 'CMake builds' cmake --build c &&
        try 'and the program runs' prints '^1979-05-03$' c/use "$dates/dates.onnx"
else
    echo 'skipped: CMake, there is no cmake'
fi
try 'the command runs' prints '^fovea 0' p/bin/fovea --version
ends
