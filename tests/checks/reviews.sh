# needs: shared
# Checks generated C as a review of it does: gcc and clang give no warning of a long list for any file of a folder, clang-tidy
# finds nothing, and MISRA C:2012 is kept but for the deviations that docs/misra.md states. Takes a sample of models, and other ones by
# FOVEA_SEED; FOVEA_ALL=1 takes all. What is not installed (cross compilers, cppcheck, clang-tidy) is left out,
# which a line says.
# Usage: reviews.sh BUILD
set -u
export FOVEA_CACHE_DIR= # what is tested is compiled
fovea=$1/tools/fovea seed=${FOVEA_SEED:-1} shared=${FOVEA_SHARED:-../shared} all=${FOVEA_ALL:-0}
warnings="-Wall -Wextra -Wconversion -Wcast-align -Wfloat-equal -Wunused-macros -Wshadow -Wpedantic"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
passed=0 failed=0 skipped=' '
[ "$all" = 0 ] && every=29 || every=1

result() { # NAME FILE: passed if the file is empty
    if [ -s "$2" ]; then
        failed=$((failed + 1))
        echo "FAILED $1: $(grep -m 3 -E 'warning|error|misra' "$2" | tr '\n' ' ')"
    else
        passed=$((passed + 1))
    fi
}

# COMPILER...: no file of the folder $dir/m gives a warning; files that need a system are left out for bare metal
warns() {
    if ! command -v "$1" >/dev/null; then
        case $skipped in *" $1 "*) ;; *)
            skipped="$skipped$1 "
            echo "skipped: warnings of $1, which is not installed"
            ;;
        esac
        return 0
    fi
    for file in "$dir"/m/*.c; do
        case $file in
        *_main.c | *_threads.c | *_weights.c) [ "$hosted" = 1 ] || continue ;;
        esac
        # shellcheck disable=SC2086
        "$@" -std=c99 $warnings -fsyntax-only "$file" >>"$dir/out" 2>&1 || echo "error: status $?" >>"$dir/out"
    done
}

# TARGET: the compilers for it
compilers() {
    arm="-mcpu=cortex-m4 -mthumb -mfpu=fpv4-sp-d16 -mfloat-abi=hard -ffreestanding"
    x86="-mavx2 -mfma -mf16c"
    # shellcheck disable=SC2086
    case $1 in
    cortex-m4)
        hosted=0
        warns arm-none-eabi-gcc $arm
        warns clang-19 --target=armv7em-none-eabi $arm
        ;;
    x86-64-v3)
        hosted=1
        warns gcc $x86
        warns clang-19 $x86
        ;;
    generic32)
        hosted=0
        warns gcc -m32 -msse2 -mfpmath=sse -ffreestanding
        ;;
    *)
        hosted=1
        warns clang-19
        ;;
    esac
}

# The rules of MISRA C that cppcheck finds violated and that docs/misra.md does not list as deviations
misra() {
    cppcheck --addon=misra --enable=style --platform=arm32-wchar_t4 --std=c99 -q -D__GNUC__=12 -DFLT_EVAL_METHOD=0 \
        -D__ARM_FEATURE_FMA=1 -D__ARM_FEATURE_SIMD32=1 --template='{id} line {line}' "$dir/m/m.c" 2>&1 |
        sed -n 's/^misra-c2012-\([0-9.]*\) line \([0-9]*\)$/\1 \2/p' >"$dir/found"
    [ -s "$dir/found" ] || echo "misra: cppcheck found nothing" >"$dir/out"
    while read -r rule line; do
        grep -qE "^\\| ([0-9., ]*, )?${rule}[, ][^|]*\\|" docs/misra.md || echo "misra rule $rule line $line: $(sed -n "${line}p" "$dir/m/m.c")"
    done <"$dir/found" >>"$dir/out"
}

# What clang-tidy finds in the C of the folder, compiled with these options. Checks that are left out, and why: memory of the caller is
# cast through `void *`, which says that its alignment was checked; sizes of members of fv_env, some of which are pointers, say which of them
# a caller has; `status = ...` is assigned where it is compared; order and types of parameters, and names with `_`, are those of the model;
# products of indices fit into int, as the bounds of dims say; x <= x tells a NaN; and the analyzer does not know that the loop that fills a
# tile has the bounds of the one that reads it.
tidy() {
    clang-tidy-19 --quiet --checks='-*,clang-analyzer-*,-clang-analyzer-core.uninitialized.Assign,bugprone-*,cert-*,misc-*,performance-*,portability-*,
        -bugprone-casting-through-void,-bugprone-sizeof-expression,-bugprone-assignment-in-if-condition,-bugprone-easily-swappable-parameters,
        -bugprone-reserved-identifier,-cert-dcl37-c,-cert-dcl51-cpp,-bugprone-implicit-widening-of-multiplication-result,
        -misc-include-cleaner,-misc-redundant-expression' "$dir/m/m.c" -- -std=c99 "$@" 2>/dev/null |
        grep -E '(warning|error): ' >>"$dir/out"
}

n=0
for model in examples/dates/dates.onnx "$shared"/models/*/model.onnx; do
    n=$((n + 1))
    [ "$n" = 1 ] || [ $(((n + seed) % every)) = 0 ] || continue
    name=$(basename "$(dirname "$model")")
    for target in cortex-m4 x86-64-v3 generic32 generic; do
        rm -rf "$dir/m"
        : >"$dir/out"
        "$fovea" compile "$model" --target=$target -q -o "$dir/m/" >"$dir/out" 2>&1 && compilers $target
        [ -f "$dir/m/m.c" ] || echo "error: no C was written" >>"$dir/out"
        result "$name for $target" "$dir/out"
    done
done
if command -v cppcheck >/dev/null; then
    rm -rf "$dir/m"
    : >"$dir/out"
    "$fovea" compile "$shared/models/s2s_lstm_bahdanau_static/model.onnx" --target=cortex-m4 -q -o "$dir/m/" \
        >"$dir/out" 2>&1 && misra
    result "MISRA C" "$dir/out"
else
    echo "skipped: MISRA C, there is no cppcheck"
fi
if command -v clang-tidy-19 >/dev/null; then
    for target in cortex-m4 x86-64-v3; do
        rm -rf "$dir/m"
        "$fovea" compile examples/dates/dates.onnx --target=$target -q -o "$dir/m/" >"$dir/out" 2>&1
        [ -f "$dir/m/m.c" ] || echo "error: no C was written" >>"$dir/out"
        if [ $target = x86-64-v3 ]; then
            tidy -mavx2 -mfma -mf16c
        else
            tidy --target=armv7em-none-eabi -mcpu=cortex-m4 -mthumb -mfpu=fpv4-sp-d16 -mfloat-abi=hard -ffreestanding
        fi
        result "clang-tidy for $target" "$dir/out"
    done
    # it finds a mistake
    printf 'int m(int *p);\nint m(int *p) {\n    int x = 0;\n    if (!p)\n        x = *p;\n    return x;\n}\n' >"$dir/m/m.c"
    : >"$dir/out"
    tidy
    grep -q NullDereference "$dir/out" && : >"$dir/out" || echo "error: a null pointer was not found" >"$dir/out"
    result "clang-tidy finds a mistake" "$dir/out"
else
    echo "skipped: clang-tidy, there is no clang-tidy-19"
fi
echo "$passed passed, $failed failed"
[ $failed = 0 ]
