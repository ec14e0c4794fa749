# Tests libraries and objects for Windows and macOS: what is in them; and that those for Windows give the bits of Linux, under wine.
. "$(dirname "$0")/lib.sh"
dates=$root/examples/dates/dates.onnx
llvm() { command -v "llvm-$1" || command -v "llvm-$1-19" || echo /usr/lib/llvm-19/bin/"llvm-$1"; }
has_llvm() { [ -x "$(llvm nm)" ] && [ -x "$(llvm readobj)" ]; }
# compiles TARGET FILE...
compiles() {
    target=$1
    shift
    for file; do
        "$fovea" compile "$dates" --target="$target" --name=dates -q -o "$file" >out 2>err && [ -s "$file" ] && tell "$file" yes || tell "$file" no
    done
}
if ! command -v lld-link >/dev/null && ! command -v lld-link-19 >/dev/null; then
    echo 'skipped: there is no lld-link'
    finish
    exit
fi

# ---- files ----
compiles x86-64-v3-windows v3.dll v3.obj v3.lib
compiles x86-64-v2-windows v2.dll
compiles aarch64-windows arm.dll arm.obj
compiles x86-64-v3-macos v3.dylib v3.o v3.a
compiles aarch64-macos arm.dylib arm.o arm.a
mkdir default && (cd default && "$fovea" compile "$dates" --target=x86-64-v3-windows -q) && name='the default file' && present default/dates.dll
ls -A >out
grep -v '^default$\|^err$\|^out$\|^\(v[23]\|arm\)\.' out >err
[ -s err ] && tell 'nothing else is written' no || tell 'nothing else is written' yes
if has_llvm; then
    for file in v3.obj arm.obj v3.lib v3.o v3.a arm.o arm.a; do
        "$(llvm nm)" -u "$file" 2>&1 | grep ' U ' >out
        [ -s out ] && tell "$file refers to nothing" no || tell "$file refers to nothing" yes
    done
    for file in v3.dll arm.dll; do
        check "$file exports" 0 'Name: fovea_model' "$(llvm readobj)" --coff-exports "$file"
        said 'Name: dates_run'
        grep -c 'Name: .' out | grep -qx 4 && tell "$file exports no more" yes || tell "$file exports no more" no
    done
    for file in v3.dylib arm.dylib; do
        "$(llvm nm)" -g "$file" 2>&1 | sed 's/.* //' | sort | tr '\n' ' ' >out
        grep -qx '_dates_model _dates_plan _dates_run _fovea_model ' out && tell "$file exports" yes || tell "$file exports" no
    done
    for file in v3.a arm.a v3.lib; do
        check "$file has an index" 0 'dates_run in model.o' "$(llvm nm)" --print-armap "$file"
    done
    check 'the system of Mach-O' 0 'Platform: macos' "$(llvm readobj)" --macho-version-min arm.o
else
    echo 'skipped: what is in the files, there is no llvm-nm or llvm-readobj'
fi

# ---- messages ----
check 'a .dll on Linux' 1 'v3.dll: error: cannot be loaded: it is a library for Windows' "$fovea" run v3.dll
check 'a .dylib on Linux' 1 'arm.dylib: error: cannot be loaded: it is a library for macOS' "$fovea" run arm.dylib
check 'a .dll for Linux' 1 'x.dll: libraries for target x86-64-v3 are .so files' "$fovea" compile "$dates" --target=x86-64-v3 -o x.dll
check 'a .so for Windows' 1 'x.so: libraries for target x86-64-v3-windows are .dll files' "$fovea" compile "$dates" --target=x86-64-v3-windows -o x.so
check 'a system for a microcontroller' 2 "target 'cortex-m4' has no system 'windows'" "$fovea" compile "$dates" --target=cortex-m4-windows -o x.dll
check 'features that cannot be checked' 2 "'aarch64-macos' takes no features" "$fovea" compile "$dates" --target=aarch64-macos+dotprod -o x.dylib
check 'weights in an object of their own' 1 'no object format is known for target x86-64-v3-windows' \
    "$fovea" compile "$dates" --target=x86-64-v3-windows --weights=object -o x.s
absent x.dll x.so x.dylib x.s
check 'no linker' 1 'install lld-link' env PATH=/none "$fovea" compile "$dates" --target=x86-64-v3-windows -o x.dll

# ---- C ----
# c_for LEVEL: C for Windows has no warnings of the compilers that are there; makes LEVEL.mingw.o and LEVEL.microsoft.o
c_for() {
    flags="-std=c11 -O1 -march=$1 -ffreestanding -Wall -Wextra -Wpedantic -Werror -Wno-unknown-warning-option"
    "$fovea" compile "$dates" --target="$1-windows" -q -o dates.c >out 2>err && tell "C, $1" yes || tell "C, $1" no
    if command -v x86_64-w64-mingw32-gcc >/dev/null; then
        x86_64-w64-mingw32-gcc $flags -c dates.c -o "$1.mingw.o" >out 2>err && tell "MinGW, $1" yes || tell "MinGW, $1" no
    fi
    clang=$(command -v clang-19 || command -v clang)
    if [ -n "$clang" ]; then
        "$clang" --target=x86_64-pc-windows-msvc $flags -c dates.c -o "$1.microsoft.o" >out 2>err && tell "clang for Microsoft's, $1" yes ||
            tell "clang for Microsoft's, $1" no
        "$clang" --driver-mode=cl --target=x86_64-pc-windows-msvc /W4 /WX /GS- /Zl -Xclang -ffreestanding -march="$1" /c dates.c /Fo"$1.cl.o" >out 2>err &&
            tell "clang-cl /W4, $1" yes || tell "clang-cl /W4, $1" no
    fi
}
for level in x86-64 x86-64-v2 x86-64-v3 x86-64-v4; do c_for $level; done
# C for aarch64-windows: the headers of Windows are not needed, so clang checks it; its bits are those of the same C on Linux.
# wide.fvir has what dates lacks: f64, and all roundings
cat >wide.fvir <<'T'
fovea-ir 1
module "wide"
func @main(%x: f64[7], %y: f32[7]) -> (%a, %b) {
  %f = Floor(%x)
  %c = Ceil(%f)
  %r = Round(%x)
  %s = Sqrt(%x)
  %e = Exp(%s)
  %g = Add(%r, %e)
  %a = Add(%g, %c)
  %h = Floor(%y)
  %i = Ceil(%y)
  %j = Round(%y)
  %k = Sqrt(%y)
  %l = Add(%h, %i)
  %m = Add(%j, %k)
  %b = Mul(%l, %m)
  return %a, %b
}
T
for model in "$dates" wide.fvir; do
    check 'C for aarch64-windows' 0 . "$fovea" compile "$model" --target=aarch64-windows --name=arm -o arm.c
    [ -n "$clang" ] && for system in windows-gnu pc-windows-msvc; do
        check "clang, aarch64-$system" 0 '^$' sh -c "'$clang' --target=aarch64-$system -std=c11 -ffreestanding -fsyntax-only -Wall -Wextra \
            -Wpedantic -Werror arm.c && echo"
    done
done
check 'a folder of C for aarch64-windows' 0 '^CROSS .= aarch64-w64-mingw32-$' \
    sh -c "'$fovea' compile wide.fvir --target=aarch64-windows --name=arm -q -o arm/ && cat arm/Makefile"
if command -v aarch64-linux-gnu-gcc >/dev/null && command -v qemu-aarch64 >/dev/null; then
    make -C arm CC=aarch64-linux-gnu-gcc AR=ar LDFLAGS='-static -lm' check RUN=qemu-aarch64 >out 2>err
    cat err >>out
    [ "$(grep -c ': ok' out)" = 2 ] && tell 'the self-test on aarch64' yes || tell 'the self-test on aarch64' no
fi
check 'weights of C in an object' 1 'makes ELF, which target x86-64-v3-windows does not use' \
    "$fovea" compile "$dates" --target=x86-64-v3-windows --weights=object -o x.c
check 'weights of C in a file' 1 'is for POSIX; for target x86-64-v3-windows choose text' \
    "$fovea" compile "$dates" --target=x86-64-v3-windows --weights=file -o x.c
check 'a folder of C' 0 'folder/Makefile' "$fovea" compile "$dates" --target=x86-64-v2-windows -o folder/
present folder/folder_threads.c
absent x.c

# ---- wine ----
wine=$(command -v wine64 || ls /usr/lib/wine/wine64 2>/dev/null)
if [ -z "$wine" ] || ! command -v x86_64-w64-mingw32-gcc >/dev/null; then
    echo 'skipped: running on Windows, there is no wine64 or no x86_64-w64-mingw32-gcc'
    finish
    exit
fi
export WINEPREFIX=$work/wine WINEDEBUG=-all WINEDLLOVERRIDES='mscoree=;mshtml='
trap 'WINEPREFIX=$work/wine "$(dirname "$wine")/wineserver" -k 2>/dev/null; rm -rf "$work"' EXIT
use=$root/tests/tools/systems_use.c
x86_64-w64-mingw32-gcc -O1 -Wall -Wextra -Werror -I"$root" "$use" -o use.exe >out 2>err && tell 'a program for Windows' yes || tell 'a program for Windows' no
cc -O1 -I"$root" "$use" -o use -ldl
"$wine" use.exe >out 2>&1 # makes its folder
# same NAME: NAME.dll gives the bits of NAME.so
same() {
    ./use "./$1.so" >linux 2>&1
    "$wine" use.exe "$1.dll" >out 2>err
    sed -i 's/\r//; s/-windows//' out
    grep -q 'status 0' linux && cmp -s linux out && tell "$1.dll gives the same bits" yes || tell "$1.dll gives the same bits" no
}
compiles x86-64-v2 v2.so
same v2
if grep -q avx2 /proc/cpuinfo; then
    compiles x86-64-v3 v3.so
    same v3
fi
# the linker of MinGW, where there is none of LLVM
mkdir only && ln -s "$(command -v x86_64-w64-mingw32-ld)" only/
env PATH="$work/only" "$fovea" compile "$dates" --target=x86-64-v2-windows --name=dates -q -o ld.dll >out 2>err
cp v2.so ld.so && same ld
# same_c LEVEL COMPILER: C gives the bits of the library of that level
same_c() {
    [ -s "$1.$2.o" ] || return
    x86_64-w64-mingw32-gcc -O1 -DLINKED_MODEL=dates_model -I"$root" "$use" "$1.$2.o" -Wl,--defsym=__chkstk=___chkstk_ms -o linked.exe >out 2>err
    "$wine" linked.exe none >out 2>err
    sed -i 's/\r//; s/-windows//' out
    ./use "./v${1#x86-64-v}.so" >linux 2>err
    grep -q 'status 0' linux && cmp -s linux out && tell "C of $2, $1: the same bits" yes || tell "C of $2, $1: the same bits" no
}
for compiler in mingw microsoft cl; do
    same_c x86-64-v2 $compiler
    if grep -q avx2 /proc/cpuinfo; then same_c x86-64-v3 $compiler; fi
done
if command -v make >/dev/null; then
    make -C folder CFLAGS=-O1 >out 2>err && make -C folder check CFLAGS=-O1 RUN="$wine" >out 2>>err
    grep -q 'one thread: ok' out && grep -q 'thread pool: ok' out && tell 'the self-test' yes || tell 'the self-test' no
fi
if ! grep -q avx512f /proc/cpuinfo; then
    compiles x86-64-v4-windows v4.dll
    check 'a CPU that lacks features' 0 'status 3' "$wine" use.exe v4.dll
fi
# ---- libfovea-run ----
if command -v x86_64-w64-mingw32-gcc-posix >/dev/null; then
    printf '%s\n' '[binaries]' "c = 'x86_64-w64-mingw32-gcc-posix'" "ar = 'x86_64-w64-mingw32-ar'" '[host_machine]' "system = 'windows'" \
        "cpu_family = 'x86_64'" "cpu = 'x86_64'" "endian = 'little'" >cross.ini
    meson setup run "$root" --cross-file cross.ini -Dcompiler=false -Dtests=disabled -Ddefault_library=static --werror >out 2>err &&
        ninja -C run --quiet >out 2>err && tell 'libfovea-run for Windows' yes || tell 'libfovea-run for Windows' no
    x86_64-w64-mingw32-gcc-posix -O1 -Wall -Wextra -Werror -I"$root" "$root/tests/tools/systems_load.c" run/runtime/libfovea-run.a -static \
        -pthread -o load.exe >out 2>err && tell 'a program that loads' yes || tell 'a program that loads' no
    "$fovea" compile "$dates" --target=x86-64-v2-windows --weights=file -q -o apart.dll
    ./use ./v2.so >linux 2>err
    for call in 'v2.dll 1' 'v2.dll 4' 'apart.dll 2'; do
        "$wine" load.exe $call >out 2>err
        sed -i 's/\r//; s/-windows//' out
        cmp -s linux out && tell "fv_load, $call: the same bits" yes || tell "fv_load, $call: the same bits" no
    done
    check 'a .so on Windows' 0 'v2.so: error: cannot be loaded: it is a library for Linux' "$wine" load.exe v2.so
    # names outside of every code page of bytes
    odd='zażółć 模型'
    mkdir "$odd" && cp v2.dll "$odd/模型.dll"
    "$fovea" compile "$dates" --target=x86-64-v2-windows --weights=file -q -o "$odd/datę.dll"
    for file in 模型.dll datę.dll; do
        LC_ALL=C.UTF-8 "$wine" load.exe "$odd/$file" 2 >out 2>err
        sed -i 's/\r//; s/-windows//' out
        cmp -s linux out && tell "fv_load, $odd/$file: the same bits" yes || tell "fv_load, $odd/$file: the same bits" no
    done
    check 'its name in a message' 0 "^$odd/無.dll: error: cannot be loaded: No such file" env LC_ALL=C.UTF-8 "$wine" load.exe "$odd/無.dll"
    check 'a name that is not UTF-8' 0 'error: cannot be loaded: (Invalid or incomplete multibyte|Illegal byte sequence)' "$wine" load.exe broken
    check 'no file' 0 'none.dll: error: cannot be loaded: No such file' "$wine" load.exe none.dll
    check 'of another machine' 0 'arm.dll: error: cannot be loaded: it is for another kind of machine' "$wine" load.exe arm.dll
    head -c 9000 v2.dll >cut.dll
    check 'a truncated .dll' 0 'cut.dll: error: cannot be loaded: ' "$wine" load.exe cut.dll
    printf x | dd of=apart.weights bs=1 seek=9000 conv=notrunc 2>err
    check 'weights that have changed' 0 'cannot be used: its content has changed' "$wine" load.exe apart.dll
    if [ -s v4.dll ]; then
        check 'the features that are missing' 0 'v4.dll: error: was compiled for .*, and this CPU lacks avx512f' "$wine" load.exe v4.dll
    fi
fi

# its local array is larger than the pages after which a stack of Windows ends at first
cat >frame.fvk <<'T'
kernel frame(x: f32[16000], out y: f32[16000]) {
  tile t: f32[16000]
  for i < 16000 {
    t[i] = x[i * 7 mod 16000] * 2.0
  }
  for i < 16000 {
    y[i] = t[15999 - i]
  }
}
T
for file in frame.so frame.dll; do
    "$fovea" compile frame.fvk --target=x86-64-v2$([ $file = frame.dll ] && echo -windows) -q -o $file >out 2>err || tell $file no
done
same frame
finish
