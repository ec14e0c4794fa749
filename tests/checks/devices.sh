# Checks folders of C for microcontrollers as a user meets them: `make check` builds each without edits, and runs its
# self-test on a board that QEMU emulates. Does nothing without arm-none-eabi-gcc and qemu-system-arm.
# Usage: devices.sh BUILD
set -u
export FOVEA_CACHE_DIR= # what is tested is compiled
fovea=$(realpath "$1")/tools/fovea
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
passed=0 failed=0
if ! command -v arm-none-eabi-gcc >/dev/null || ! command -v qemu-system-arm >/dev/null; then
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
"$fovea" compile examples/dates/dates.onnx --target=cortex-m4 -Os -q -o "$dir/dates/" >"$dir/out" 2>&1 &&
    make -C "$dir/dates" check CFLAGS=-Os RUN="timeout 60 qemu-system-arm -M mps2-an386 -display none -monitor none \
        -serial none -semihosting-config enable=on,target=native -kernel" >"$dir/out" 2>&1
result "make check of an example with another RUN" $? 'self-test, one thread: ok'
# what the self-test finds is the status of make
sed -i 's/UINT64_C(0x[0-9a-f]*)},$/UINT64_C(0x1)},/' "$dir/dates/dates_selftest.c"
make -C "$dir/dates" check >"$dir/out" 2>&1
[ $? != 0 ]
result "wrong outputs" $? 'outputs differ from what was recorded'
echo "$passed passed, $failed failed"
[ $failed = 0 ]
