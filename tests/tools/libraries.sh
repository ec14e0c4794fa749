# Tests libfovea-run as other programs use it: shared and static, from the build and as a part of their build, through
# pkg-config, CMake and Meson; and that two source folders give the same bytes.
# Usage: SCRIPT FOVEA ROOT PROTOC
. "$(dirname "$0")/lib.sh"
export CCACHE_NOHASHDIR=1
unset PKG_CONFIG_PATH LD_LIBRARY_PATH CFLAGS LDFLAGS
cat >use.c <<'T'
#include <fovea.h>
#include <stdio.h>
int main(void) {
    return puts(fv_status_name(FV_OK)) < 0;
}
T
# build_in FOLDER: builds libfovea-run in both kinds, in a copy of the sources
build_in() {
    mkdir -p "$1"
    (cd "$root" && cp -r meson.build meson_options.txt LICENSE README.md runtime ir python docs examples "$work/$1/")
    meson setup "$1/build" "$1" -Dcompiler=false -Dpython=true -Ddefault_library=both --prefix="$work/p" --libdir=lib --buildtype=debugoptimized \
        -Dc_args="-ffile-prefix-map=$work/$1/=" >out 2>err && ninja -C "$1/build" --quiet >>out 2>>err
}
build_in one && tell 'the library alone' yes || tell 'the library alone' no
name='the summary'
for option in $(sed -n "s/^option('\([a-z]*\)'.*/\1/p" "$root/meson_options.txt") default_library; do
    said "^ +$option *: "
done
for p in python3 /usr/bin/python3; do
    for prefix in /usr/local /usr "$("$p" -c 'import sys; print(sys.prefix)')"; do
        # a prefix that is not of this Python has its own folder, which this Python does not look into
        "$p" -c 'import sys; sys.exit(sys.argv[1] not in (sys.prefix, "/usr/local"))' "$prefix" || continue
        "$p" -c 'import site, sys; print(*site.getsitepackages(), sep="\n")' >out
        "$p" "$root/python/install_folder.py" "$prefix" >err
        grep -qxFf err out && tell "$p finds what is installed under $prefix" yes || tell "$p finds what is installed under $prefix" no
    done
done
meson install -C one/build --no-rebuild --quiet >out 2>err && tell 'is installed' yes || tell 'is installed' no
for file in lib/libfovea-run.so lib/libfovea-run.a include/fovea.h include/fovea.hpp lib/cmake/fovea/fovea-config.cmake share/doc/fovea/LICENSE \
    share/doc/fovea/docs/api.md share/doc/fovea/examples/dates/dates.c; do
    [ -s "p/$file" ] && tell "$file" yes || tell "$file" no
done
(cd "$(dirname "$(find p -name session.py)")" && ls | grep -v __pycache__) >out 2>err
(cd "$root/python/fovea" && ls | grep -v __pycache__) | cmp - out 2>>err && tell 'the whole Python package' yes || tell 'the whole Python package' no
name='the library alone'
absent p/bin p/lib/libfovea.so

# ---- pkg-config ----
links() { # NAME OPTION...: use.c is linked with what pkg-config says, and runs
    check "$1" 0 '^FV_OK$' sh -c "cc -std=c99 -Wall -Werror use.c -o use \$(pkg-config ${*:2} --cflags --libs fovea-run) && ./use"
}
PKG_CONFIG_PATH=$work/one/build/meson-uninstalled LD_LIBRARY_PATH=$work/one/build/runtime links 'in the build'
PKG_CONFIG_PATH=$work/p/lib/pkgconfig LD_LIBRARY_PATH=$work/p/lib links 'installed'
mkdir static && cp -r p/include p/lib static/ && rm static/lib/*.so*
PKG_CONFIG_PATH=$work/static/lib/pkgconfig links 'static' --static
readelf -d use >out
grep -q 'NEEDED.*fovea' out && tell 'needs no library of ours' no || tell 'needs no library of ours' yes

# ---- other languages: the program of the documents ----
cat >scale.fvir <<'T'
fovea-ir 1
module "scale"
symbol n 0..8
const @two: f32[] = [2.0]
func @main(%x: f32[n]) -> (%y) {
  %y = Mul(%x, @two)
  return %y
}
T
sed -n '/^import ctypes/,/^```/p' "$root/docs/api.md" | grep -v '^```' >flat.py
if "$fovea" compile scale.fvir -q -o libscale.so >out 2>err; then
    LD_LIBRARY_PATH=$work/p/lib check 'flat arguments in Python' 0 '^0 4 \[2.0, 4.0, 6.0, 8.0\]$' python3 flat.py
else
    echo 'skipped: flat arguments, there is no LLVM or linker'
fi

# ---- CMake ----
if command -v cmake >/dev/null; then
    mkdir c
    cp use.c c/
    cat >c/CMakeLists.txt <<'T'
cmake_minimum_required(VERSION 3.16)
project(use C)
find_package(fovea ${WANTED} REQUIRED COMPONENTS ${PARTS})
add_executable(use use.c)
target_link_libraries(use PRIVATE fovea::fovea-run)
T
    # cmake_uses NAME STATUS PATTERN OPTION...: configures the program
    cmake_uses() { check "CMake, $1" "$2" "$3" cmake -S c -B "c/$1" "${@:4}"; }
    for kind in p static; do
        cmake_uses $kind 0 'Build files' -DCMAKE_PREFIX_PATH="$work/$kind" -DPARTS=fovea-run -DWANTED=0.1
        check "CMake, $kind, runs" 0 '^FV_OK$' sh -c "cmake --build c/$kind >log && c/$kind/use"
    done
    # without pkg-config, from a place to which the installation was moved
    mkdir moved && cp -r p/include p/lib moved/
    cmake_uses moved 0 'Build files' -DCMAKE_PREFIX_PATH="$work/moved" -DPARTS=fovea-run -DWANTED=0.1 -DCMAKE_DISABLE_FIND_PACKAGE_PkgConfig=1
    check "CMake, moved, runs" 0 '^FV_OK$' sh -c "cmake --build c/moved >log && c/moved/use && ldd c/moved/use | grep -q moved/lib"
    cmake_uses newer 1 'compatible' -DCMAKE_PREFIX_PATH="$work/p" -DPARTS=fovea-run -DWANTED=9
    cmake_uses more 1 'library fovea of Fovea is not installed' -DCMAKE_PREFIX_PATH="$work/p" -DPARTS=fovea
else
    echo 'skipped: CMake, there is no cmake'
fi

# ---- a part of another build ----
mkdir -p m/subprojects
cp use.c m/
ln -s "$root" m/subprojects/fovea
cat >m/meson.build <<'T'
project('use', 'c')
executable('use', 'use.c', dependencies: dependency('fovea-run', fallback: 'fovea'))
T
check 'a subproject' 0 'Build targets' meson setup m/build m --wrap-mode=forcefallback -Dfovea:compiler=false
check 'a subproject runs' 0 '^FV_OK$' sh -c 'ninja -C m/build use >log && m/build/use'

# ---- for another machine ----
# the bits of one level with fused multiply-add are those of all others
if command -v aarch64-linux-gnu-gcc >/dev/null && command -v qemu-aarch64 >/dev/null && [ "$(uname -m)" = x86_64 ]; then
    sed -n '/^cat > aarch64.ini/,/^END$/p' "$root/docs/building.md" | sh && tell 'the file for a cross build' yes || tell 'the file for a cross build' no
    meson setup arm "$root" --cross-file aarch64.ini -Dcompiler=false -Dtests=disabled -Ddefault_library=static --werror >out 2>err &&
        ninja -C arm --quiet >>out 2>>err && tell 'libfovea-run for aarch64' yes || tell 'libfovea-run for aarch64' no
    aarch64-linux-gnu-gcc -O1 -Wall -Wextra -Werror -I"$root" "$root/tests/tools/systems_load.c" arm/runtime/libfovea-run.a -lm -ldl -pthread \
        -o load >out 2>err && tell 'a program for aarch64' yes || tell 'a program for aarch64' no
    for target in aarch64 x86-64-v3; do
        "$fovea" compile "$root/examples/dates/dates.onnx" --target=$target -q -o $target.so >out 2>err && tell "a library for $target" yes ||
            tell "a library for $target" no
    done
    check 'a library on aarch64' 0 '^aarch64: status 0' qemu-aarch64 -L /usr/aarch64-linux-gnu ./load ./aarch64.so 2
    tail -n +2 out >bits
    check 'of this machine there' 0 'x86-64-v3.so: error: cannot be loaded: it is for another kind of machine' \
        qemu-aarch64 -L /usr/aarch64-linux-gnu ./load ./x86-64-v3.so 2
    if grep -q avx2 /proc/cpuinfo; then
        cc -O1 -I"$root" "$root/tests/tools/systems_load.c" one/build/runtime/libfovea-run.a -lm -ldl -pthread -o load >out 2>err
        check 'a library on this machine' 0 '^x86-64-v3: status 0' ./load ./x86-64-v3.so 2
        tail -n +2 out | cmp -s - bits && [ -s bits ] && tell 'the same bits' yes || tell 'the same bits' no
    fi
else
    echo 'skipped: another machine, there is no aarch64-linux-gnu-gcc or no qemu-aarch64'
fi

# ---- two folders ----
build_in another/folder && tell 'from another folder' yes || tell 'from another folder' no
for file in libfovea-run.a libfovea-run.so; do
    check "the same bytes: $file" 0 '^$' sh -c "cmp one/build/runtime/$file another/folder/build/runtime/$file && echo"
done
grep -aq "$work\|$root" one/build/runtime/libfovea-run.so && tell 'names no folder' no || tell 'names no folder' yes
finish
