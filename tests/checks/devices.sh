# Checks folders of C for microcontrollers as a user meets them: `make check` builds each without edits, and runs its
# self-test on a board that QEMU emulates; and that other build systems take folders (--layout). Does nothing without
# arm-none-eabi-gcc and qemu-system-arm.
# Usage: devices.sh BUILD
set -u
export FOVEA_CACHE_DIR= # what is tested is compiled
fovea=$(realpath "$1")/tools/fovea
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
passed=0 failed=0
if ! command -v arm-none-eabi-gcc >/dev/null || ! command -v qemu-system-arm >/dev/null; then
    echo "skipped: all, there is no arm-none-eabi-gcc or no qemu-system-arm"
    echo "0 passed, 0 failed"
    exit 0
fi

# NAME STATUS TEXT: passed if the status is 0 and $dir/out contains the text
result() {
    if [ "$2" = 0 ] && grep -q "$3" "$dir/out"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED $1: status $2, $(tail -n 3 "$dir/out" | tr '\n' ' ')"
    fi
}

cat >"$dir/small.fvir" <<'FVIR'
fovea-ir 1
module "small"
symbol n 1..20
func @main(%x: f32[n, 16], %w: f32[16, 64], %v: f32[64, 3]) -> (%y) {
  %a = MatMul(%x, %w)
  %p = Softmax(%a) {axis = 1}
  %t = Tanh(%p)
  %y = MatMul(%t, %v)
  return %y
}
FVIR
for target in cortex-m0 cortex-m0plus cortex-m3 cortex-m4 cortex-m7 cortex-m33 cortex-m55 cortex-m85; do
    "$fovea" compile "$dir/small.fvir" --target=$target -q -o "$dir/$target/" >"$dir/out" 2>&1 &&
        make -C "$dir/$target" CROSS=arm-none-eabi- check >"$dir/out" 2>&1
    result "make check for $target" $? 'self-test, one thread: ok'
    grep -E '#include <(stdio|stdlib|string|pthread)' "$dir/$target"/*.[ch] >"$dir/out" && result "headers for $target" 1 .
done
for target in riscv32imac riscv32imafc esp32c3; do
    if ! command -v riscv64-unknown-elf-gcc >/dev/null || ! command -v qemu-system-riscv32 >/dev/null; then
        echo "skipped: $target, there is no riscv64-unknown-elf-gcc or no qemu-system-riscv32"
        continue
    fi
    "$fovea" compile "$dir/small.fvir" --target=$target -q -o "$dir/$target/" >"$dir/out" 2>&1 &&
        make -C "$dir/$target" CROSS=riscv64-unknown-elf- check >"$dir/out" 2>&1
    result "make check for $target" $? 'self-test, one thread: ok'
done
# a fault ends the run
if [ -d "$dir/riscv32imac" ]; then
    sed -i 's/int result = /__asm__ volatile("unimp"); &/' "$dir/riscv32imac/riscv32imac_board.c"
    ! timeout 20 make -C "$dir/riscv32imac" CROSS=riscv64-unknown-elf- check >"$dir/out" 2>&1
    result "a fault of a RISC-V" $? 'the processor reports a fault'
fi
"$fovea" compile examples/dates/dates.onnx --target=cortex-m4 -Os -q -o "$dir/dates/" >"$dir/out" 2>&1 &&
    make -C "$dir/dates" check CFLAGS=-Os RUN="timeout 60 qemu-system-arm -M mps2-an386 -display none -monitor none \
        -serial none -semihosting-config enable=on,target=native -kernel" >"$dir/out" 2>&1
result "make check of an example with another RUN" $? 'self-test, one thread: ok'
# int8: weights are bytes in flash, and tables are not repeated
"$fovea" quantize examples/dates/dates.onnx --calibrate=examples/dates/test -q -o "$dir/dates8.onnx" >"$dir/out" 2>&1 &&
    "$fovea" compile "$dir/dates8.onnx" --target=cortex-m4 -Os --max-flash=132000 --max-ram=46k -q -o "$dir/dates8/" >"$dir/out" 2>&1 &&
    make -C "$dir/dates8" check CFLAGS=-Os >"$dir/out" 2>&1
result "make check of an example in int8" $? 'self-test, one thread: ok'
# what the self-test finds is the status of make
sed -i 's/UINT64_C(0x[0-9a-f]*)},$/UINT64_C(0x1)},/' "$dir/dates/dates_selftest.c"
! make -C "$dir/dates" check >"$dir/out" 2>&1
result "wrong outputs" $? 'outputs differ from what was recorded'

# ---- instructions ----

# Products of bytes are words of the DSP extension: a product takes 1.0 instructions in a tile, 1.3 in the kernel, and 1.55 with the
# quantization of the input.
{
    printf 'fovea-ir 1\nmodule "bytes"\nconst @w: i8[64, 64] = [%s]\nconst @s: f32[] = 0.01\nconst @z: u8[] = 100\n' \
        "$(for _ in $(seq 32); do seq -s ', ' -64 63 | tr '\n' ','; done | sed 's/,$//')"
    printf 'func @main(%%x: f32[128, 64]) -> (%%y) {\n  %%q = QuantizeLinear(%%x, @s, @z)\n'
    printf '  %%f = DequantizeLinear(%%q, @s, @z)\n  %%v = DequantizeLinear(@w, @s)\n  %%p = MatMul(%%f, %%v)\n'
    printf '  %%y = QuantizeLinear(%%p, @s, @z)\n  return %%y\n}\n'
} >"$dir/bytes.fvir"
for target in cortex-m4 cortex-m33; do
    "$fovea" compile "$dir/bytes.fvir" --target=$target -q -o "$dir/bytes/" >"$dir/out" 2>&1 &&
        python3 tools/scripts/instructions.py "$dir/bytes" --kernels >"$dir/out" 2>&1
    result "instructions of products of bytes for $target" $? '[0-9] instructions'
    count=$(awk '$2 == "instructions" {print $1}' "$dir/out")
    [ "${count:-0}" -gt $((128 * 64 * 64)) ] && [ "$count" -lt $((128 * 64 * 64 * 16 / 10)) ]
    result "at most 1.6 for a product for $target" $? .
done

# ---- workspace ----

# For models whose dims can be fixed the workspace is within 2 % of its bound, or proved to be the smallest.
if [ -d "${FOVEA_SHARED:-../shared}/models" ]; then
    python3 tools/scripts/workspace.py "$1" aud_kwt_mcu aud_performer_favor trf_bart_bmm vis_mobilenetv3_hswish_se vis_nonlocal_embedded \
        >"$dir/out" 2>&1
    result "the workspace of five models" $? '5 passed, 0 failed'
    grep -q '^5 of 5 take no more' "$dir/out"
    result "no order takes less" $? '5 passed'
else
    echo "skipped: the workspace of models of the shared folder, which is missing"
fi

# ---- bits of models ----

# boards.py without these names is the sweep over all models.
if [ -d "${FOVEA_SHARED:-../shared}/models" ] && command -v riscv64-unknown-elf-gcc >/dev/null; then
    python3 tools/scripts/boards.py "$1" aud_efficient_attention s2s_gru_concat_attn_step q_bert_qlinearmatmul vis_se_linear \
        --targets=cortex-m0,generic32,cortex-m55,riscv32imafc --rounds=1 >"$dir/out" 2>&1
    result "bits of four models" $? '^4 models; 4 passed, 0 failed$'
else
    echo "skipped: bits of models of the shared folder; it or riscv64-unknown-elf-gcc is missing"
fi

# ---- examples ----

# Their READMEs show a run on one processor; what they print, bits of scores included, is the same on all.
python3 tests/checks/documents.py "$1" examples/keywords/README.md examples/anomaly/README.md >"$dir/out" 2>&1
result "READMEs of examples" $? ' 0 failed'
cp -r examples/board examples/keywords examples/anomaly examples/stories "$dir"
for example in keywords anomaly stories; do
    for target in cortex-m4 cortex-m33 cortex-m55 riscv32imafc x86-64-v3; do
        if [ $target = riscv32imafc ] && ! command -v riscv64-unknown-elf-gcc >/dev/null; then
            echo "skipped: $example for $target, there is no riscv64-unknown-elf-gcc"
            continue
        fi
        if [ $target = x86-64-v3 ] && ! grep -q ' avx2 .*' /proc/cpuinfo; then
            echo "skipped: $example for $target, this processor lacks AVX2"
            continue
        fi
        timeout 400 make -s -C "$dir/$example" run TARGET=$target FOVEA="$fovea" >"$dir/out" 2>&1
        result "$example for $target" $? 'bits of the scores'
        sed -n '/^said\|^healthy\|^Max has/,/bits of the scores/p' "$dir/out" >"$dir/$example.$target"
        cmp -s "$dir/$example.$target" "$dir/$example.cortex-m4"
        result "what $example prints for $target" $? 'bits of the scores'
    done
done
shown=$(sed -n '/^## Without a C library/,$p' examples/stories/README.md | grep -cxF -f "$dir/stories.cortex-m4")
[ "$shown" = 3 ]
result "what the README of stories shows" $? 'bits of the scores'

# ---- layouts ----

"$fovea" compile "$dir/small.fvir" --target=generic --layout=cmake -q -o "$dir/l_cmake/" >"$dir/out" 2>&1
if command -v cmake >/dev/null; then
    { cmake -S "$dir/l_cmake" -B "$dir/b_cmake" && cmake --build "$dir/b_cmake" && cd "$dir/b_cmake" && ctest; } \
        >"$dir/out" 2>&1
    result "a folder for CMake" $? '100% tests passed'
    cd "$OLDPWD" || exit 1
    "$fovea" compile "$dir/small.fvir" --target=cortex-m3 --layout=cmake --weights=incbin -q -o "$dir/l_board/" >"$dir/out" 2>&1 &&
        cmake -S "$dir/l_board" -B "$dir/b_board" -D CMAKE_SYSTEM_NAME=Generic -D CMAKE_C_COMPILER=arm-none-eabi-gcc >"$dir/out" 2>&1 &&
        cmake --build "$dir/b_board" >"$dir/out" 2>&1 && ctest --test-dir "$dir/b_board" >"$dir/out" 2>&1
    result "a folder for CMake on a board" $? '100% tests passed'
    # the functions of Zephyr and of ESP-IDF, as their documents describe them, in terms of CMake
    cat >"$dir/functions.cmake" <<'CMAKE'
macro(zephyr_library_named name)
    add_library(${name} STATIC)
    set(current ${name})
endmacro()
macro(zephyr_library_sources)
    target_sources(${current} PRIVATE ${ARGN})
endmacro()
macro(zephyr_library_include_directories)
    target_include_directories(${current} PRIVATE ${ARGN})
endmacro()
macro(zephyr_include_directories)
    target_include_directories(${current} PUBLIC ${ARGN})
endmacro()
function(idf_component_register)
    cmake_parse_arguments(PARSE_ARGV 0 of "" "" "SRCS;INCLUDE_DIRS")
    add_library(component STATIC ${of_SRCS})
    target_include_directories(component PUBLIC ${of_INCLUDE_DIRS})
endfunction()
CMAKE
    for layout in zephyr esp-idf; do
        mkdir "$dir/app_$layout"
        cat >"$dir/app_$layout/CMakeLists.txt" <<CMAKE
cmake_minimum_required(VERSION 3.13)
project(app C)
include($dir/functions.cmake)
add_subdirectory($dir/model_$layout model)
CMAKE
        "$fovea" compile "$dir/small.fvir" --target=generic --layout=$layout -q -o "$dir/model_$layout/" >"$dir/out" 2>&1 &&
            cmake -S "$dir/app_$layout" -B "$dir/b_$layout" >"$dir/out" 2>&1 &&
            cmake --build "$dir/b_$layout" >"$dir/out" 2>&1
        result "a folder for $layout" $? 'Built target'
    done
else
    echo "skipped: folders for CMake, Zephyr and ESP-IDF, there is no cmake"
fi
# the Arduino builder compiles every source in the folder
"$fovea" compile "$dir/small.fvir" --target=cortex-m0plus --layout=arduino -q -o "$dir/sketch/" >"$dir/out" 2>&1 &&
    for source in "$dir"/sketch/*.c; do
        arm-none-eabi-gcc -std=gnu11 -Os -mcpu=cortex-m0plus -mthumb -Wall -Werror -c "$source" -o "$dir/sketch.o" || break
    done >"$dir/out" 2>&1 && for key in name version author maintainer sentence paragraph category url architectures; do
        grep -q "^$key=." "$dir/sketch/library.properties" || break
    done && ls "$dir/sketch" >"$dir/out"
result "a folder for Arduino" $? '^sketch.h$'
grep -qE '_(selftest|board|threads)|Makefile' "$dir/out" && result "sources of an Arduino library" 1 .
"$fovea" compile "$dir/small.fvir" --layout=cmake -q -o "$dir/one.c" >"$dir/out" 2>&1
[ $? = 2 ]
result "a layout of a single file" $? 'is for a folder of C'
"$fovea" compile "$dir/small.fvir" --layout=cmake -q -o "$dir/test/" >"$dir/out" 2>&1
[ $? = 2 ]
result "a name that CMake reserves" $? "CMake reserves the name 'test'"
"$fovea" compile "$dir/small.fvir" --layout=esp-idf -q -o "$dir/test/" >"$dir/out" 2>&1 &&
    cp "$dir/test/CMakeLists.txt" "$dir/out"
result "that name for ESP-IDF, which names the target itself" $? idf_component_register
echo "$passed passed, $failed failed"
[ $failed = 0 ]
