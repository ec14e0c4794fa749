#!/usr/bin/env bash
# Fovea in programs of others.
# Usage: project.sh ROOT BUILD
. "$(dirname "$0")/lib.sh"
# ---- a subproject of Meson, by clang, whose warnings are errors: tools/check has no other build with clang ----
export CC=clang-19
mkdir -p m/subprojects
cp use.c m/
ln -s "$root" m/subprojects/fovea
cat >m/meson.build <<'T'
project('use', 'c')
fovea = dependency('fovea', fallback: 'fovea')
executable('use', 'use.c', dependencies: fovea)
T
try 'configure the project' meson setup m/build m -Dwerror=true -Dfovea:werror=true --buildtype=plain -Db_ndebug=false -Dc_args=-O0 -Dc_link_args=-fuse-ld=lld \
    --wrap-mode=forcefallback && try 'build it' ninja -C m/build --quiet && try 'it runs' prints '^1979-05-03$' m/build/use "$dates/dates.onnx"
unset CC
# ---- CMake, and pkg-config without an installation ----
DESTDIR=$work/i try 'install' meson install -C "$build" --no-rebuild --quiet --tags runtime,devel
prefix=$(dirname "$(dirname "$(find "$work/i" -name fovea.h)")") # the installation may be moved
if command -v cmake >/dev/null; then
    try 'configure by CMake' cmake -S . -B c -DCMAKE_PREFIX_PATH="$prefix" && try 'build by CMake' cmake --build c &&
        try 'it runs, too' prints '^1979-05-03$' env LD_LIBRARY_PATH="$(dirname "$(find "$work/i" -name libfovea.so)")" c/use "$dates/dates.onnx"
else
    echo 'skipped: CMake, there is no cmake'
fi
export PKG_CONFIG_PATH=$build/meson-uninstalled
# shellcheck disable=SC2016
try 'pkg-config in the build' sh -c 'cc use.c -o use $(pkg-config --cflags --libs fovea)' &&
    LD_LIBRARY_PATH=$build/tools try 'runs' prints '^1979-05-03$' ./use "$dates/dates.onnx"
ends
