# Tests the targets without operating system: for each of them, the C of a quantized network is compiled. For Cortex-M its
# self-test, which compares bits with what the interpreter computes, runs under an emulator; code for RISC-V and generic32 is
# compiled only.
. "$(dirname "$0")/lib.sh"
start=$root/tests/tools/device_start.c
numbers() { seq -s ', ' "$@"; }
cat >kws.fvir <<T
fovea-ir 1
module "kws"
const @s: f32[] = 0.02
const @z: i8[] = -3
const @v: i8[8, 4, 3, 3] = [$(for _ in 1 2 3 4 5 6 7 8; do numbers -17 18 | tr '\n' ','; done | sed 's/,$//')]
const @vs: f32[8] = [0.004, 0.005, 0.006, 0.007, 0.004, 0.005, 0.006, 0.007]
const @u: i8[8, 5] = [$(numbers -19 20)]
const @us: f32[] = 0.05
func @main(%x: f32[1, 4, 9, 7]) -> (%y) {
  %q = QuantizeLinear(%x, @s, @z)
  %f = DequantizeLinear(%q, @s, @z)
  %w = DequantizeLinear(@v, @vs) {axis = 0}
  %c = Conv(%f, %w) {pads = [1, 1, 1, 1]}
  %r = Relu(%c)
  %q1 = QuantizeLinear(%r, @s, @z)
  %f1 = DequantizeLinear(%q1, @s, @z)
  %m = GlobalAveragePool(%f1)
  %g = Flatten(%m)
  %w1 = DequantizeLinear(@u, @us)
  %h = MatMul(%g, %w1)
  %y = Softmax(%h)
  return %y
}
T

# products of bytes of all signs, with sums that fill words of 4 or 16 bytes and others, over a window and without one; and
# numbers of all sizes, infinite ones and NaN, that are rounded to integers
cat >exact.fvir <<T
fovea-ir 1
module "exact"
const @s: f32[] = 0.0078125
const @zu: u8[] = 128
const @zi: i8[] = 0
const @wu: u8[10, 5] = [$(numbers 201 250)]
const @wi: i8[10, 5] = [$(numbers -128 -79)]
const @vu: u8[12, 3] = [$(numbers 220 255)]
const @vi: i8[12, 3] = [$(numbers -128 -93)]
const @tu: u8[32, 8] = [$(numbers 0 255)]
const @ti: i8[32, 8] = [$(numbers -128 127)]
const @si: i8[45, 9] = [$(for _ in 1 2 3; do numbers -67 67 | tr '\n' ','; done | sed 's/,$//')]
const @f: i8[6, 1, 3, 4] = [$(numbers -36 35)]
const @by: f32[8] = [nan, 127.5, 255.0, 1e9, 1e10, -1e10, inf, 510.0]
func @main(%x: f32[7, 10], %v: f32[7, 12], %i: f32[1, 1, 9, 11], %r: f32[5, 8], %w: f32[5, 32], %k: f32[4, 45]) -> (%a, %b, %c, %d, %e, %g, %h, %m1, %m2, %m3, %m4, %m5) {
  %u = QuantizeLinear(%x, @s, @zu)
  %n = QuantizeLinear(%x, @s, @zi)
  %vq = QuantizeLinear(%v, @s, @zi)
  %vp = QuantizeLinear(%v, @s, @zu)
  %a = MatMulInteger(%u, @wi)
  %b = MatMulInteger(%n, @wu)
  %c = MatMulInteger(%vq, @vi)
  %d = MatMulInteger(%vp, @vu)
  %p32 = QuantizeLinear(%w, @s, @zu)
  %n32 = QuantizeLinear(%w, @s, @zi)
  %p45 = QuantizeLinear(%k, @s, @zu)
  %m1 = MatMulInteger(%n32, @ti)
  %m2 = MatMulInteger(%p32, @ti)
  %m3 = MatMulInteger(%n32, @tu)
  %m4 = MatMulInteger(%p32, @tu)
  %m5 = MatMulInteger(%p45, @si)
  %iq = QuantizeLinear(%i, @s, @zu)
  %e = ConvInteger(%iq, @f) {strides = [2, 2], pads = [1, 1, 1, 2]}
  %t = Mul(%r, @by)
  %m = Round(%t)
  %g = Cast(%m) {to = 6}
  %l = Clip(%m, @lo, @hi)
  %h = Cast(%l) {to = 6}
  return %a, %b, %c, %d, %e, %g, %h, %m1, %m2, %m3, %m4, %m5
}
T
sed -i 's/^const @s:/const @lo: f32[] = -128.0\nconst @hi: f32[] = 127.0\n&/' exact.fvir

# code_for TARGET [MODEL]: writes C of the model, by default kws.fvir, to the folder TARGET/kws; its options are in $flags
code_for() {
    mkdir -p "$1"
    check "$1 ${2-}" 0 '^workspace' "$fovea" compile "${2-kws.fvir}" --target="$1" -o "$1/kws/"
    flags=$(sed -n 's/^FLAGS = -std=c99 -Wall -Wextra -Wpedantic \(.*\) \$(CFLAGS)/\1/p' "$1/kws/Makefile")
}

# compiles COMMAND...
compiles() { "$@" -std=c99 -O2 -Wall -Wextra -Wpedantic -Werror -ffreestanding -c -o kws.o && echo compiled; }

# ---- Cortex-M ----

# runs TARGET MACHINE CODE DATA: the addresses where the machine has memory, and prints how the self-test ends. The
# model is $model, C or an object.
model=kws.c
runs() {
    address=$(printf '0x%x' $(($3 + 0x1000)))
    stack=$(printf '0x%x' $(($4 + 0x40000)))
    # shellcheck disable=SC2086 # the options are several words
    arm-none-eabi-gcc -std=gnu11 -O1 -Wall -Wextra -Werror $flags -ffreestanding -nostdlib "$1/kws/$model" "$1/kws/kws_selftest.c" "$start" \
        -lgcc -Wl,--section-start=.vectors="$3" -Wl,-Ttext="$address" -Wl,-Tdata="$4" -Wl,--defsym=stack_end="$stack" \
        -Wl,-e,reset -Wl,-z,noexecstack -o kws.elf || return 9
    timeout 60 qemu-system-arm -M "$2" -nographic -monitor none -serial none -semihosting-config enable=on,target=native \
        -kernel kws.elf
    echo "ends with $?"
}
if command -v arm-none-eabi-gcc >/dev/null && command -v qemu-system-arm >/dev/null; then
    while read -r target machine code data; do
        code_for "$target"
        check "$target on $machine" 0 'ends with 0' runs "$target" "$machine" "$code" "$data"
        code_for "$target" exact.fvir
        check "$target, exact numbers" 0 'ends with 0' runs "$target" "$machine" "$code" "$data"
        check "$target, an object" 0 '^workspace' "$fovea" compile exact.fvir --target="$target" --name kws -o "$target/kws/kws.o"
        model=kws.o
        check "$target, exact numbers of an object" 0 'ends with 0' runs "$target" "$machine" "$code" "$data"
        model=kws.c
    done <<T
cortex-m0 mps2-an385 0 0x20000000
cortex-m0plus mps2-an385 0 0x20000000
cortex-m3 mps2-an385 0 0x20000000
cortex-m4 mps2-an386 0 0x20000000
cortex-m7 mps2-an500 0 0x20000000
cortex-m33 mps2-an505 0x10000000 0x38000000
cortex-m55 mps3-an547 0 0x21000000
cortex-m85 mps3-an547 0 0x21000000
T
    # a wrong byte is found
    sed -i 's/UINT64_C(0x[0-9a-f]*)/UINT64_C(1)/' cortex-m85/kws/kws_selftest.c
    check 'a result that differs' 0 'ends with 2' runs cortex-m85 mps3-an547 0 0x21000000
else
    echo 'skipped: Cortex-M, there is no arm-none-eabi-gcc or no qemu-system-arm'
fi

# ---- RISC-V ----

if command -v clang-19 >/dev/null; then
    for target in esp32c3 riscv32imac riscv32imafc; do
        code_for "$target"
        # shellcheck disable=SC2086 # the options are several words
        check "$target" 0 compiled compiles clang-19 --target=riscv32-linux-gnu $flags "$target/kws/kws.c"
    done
else
    echo 'skipped: RISC-V, there is no clang-19'
fi

# ---- any machine of 32 bits ----

code_for generic32
sed -n '/KERNEL void/,$p' generic32/kws/kws.c | grep -q 'for (int64_t' && tell 'indices of 32 bits' no || tell 'indices of 32 bits' yes
if echo 'int main(void) { return 0; }' | gcc -m32 -ffreestanding -c -x c - -o 32.o 2>/dev/null; then
    check 'generic32 by gcc' 0 compiled compiles gcc -m32 -msse2 -mfpmath=sse generic32/kws/kws.c
fi
check 'generic32 has no objects' 1 'target generic32 is C for any machine' "$fovea" compile kws.fvir --target=generic32 -o kws.o
check 'generic32 does not run here' 1 'this machine cannot run its code' "$fovea" run kws.fvir --target=generic32

# ---- memory and time, before anything is written ----

# number NAME: of the document that `compile --json` has written
number() { sed -n "s/^ *\"$1\": \([0-9]*\).*/\1/p" numbers.json; }
check 'estimates' 0 'code .*estimated, without a C compiler' env PATH=/nowhere "$fovea" compile kws.fvir --target=cortex-m4 -o kws.c
said '^RAM .*workspace.*stack'
said '^time .*cycles, estimated'
rm -f kws.c kws.h
# three digits of 999600 are those of a million
cat >relu.fvir <<'T'
fovea-ir 1
module "relu"
func @main(%x: f32[999600]) -> (%y) {
  %y = Relu(%x)
  return %y
}
T
check 'a number that is rounded up to a million' 0 ' 1 million operations on floats' \
    env PATH=/nowhere "$fovea" compile relu.fvir --target=cortex-m4 -o relu.c
rm -f relu.c relu.h
env PATH=/nowhere "$fovea" compile kws.fvir --target=cortex-m4 -o kws.c --json >numbers.json
guess=$(number code_bytes)
if command -v arm-none-eabi-gcc >/dev/null; then
    "$fovea" compile kws.fvir --target=cortex-m4 -o kws.c --json >numbers.json
    arm-none-eabi-gcc -std=c99 -ffreestanding -O2 -mcpu=cortex-m4 -mthumb -mfloat-abi=hard -mfpu=fpv4-sp-d16 -c kws.c
    all=$(arm-none-eabi-size kws.o | awk 'NR == 2 {print $1 + $2}') code=$(number code_bytes) flash=$(number flash_bytes)
    [ $((all - flash)) -gt -64 ] && [ $((all - flash)) -lt 64 ] && good=yes || good=no
    tell "the object has $all bytes, $flash are printed" $good
    [ $((guess * 10)) -gt $((code * 6)) ] && [ $((guess * 10)) -lt $((code * 16)) ] && good=yes || good=no
    tell "the estimate, $guess bytes, is near $code" $good
fi
rm -f kws.c kws.h
check 'too much flash' 1 'max-flash=1400: it takes [0-9]+ bytes.*: [0-9]+ of weights, [0-9]+ of code.*largest weights are .*without other options [0-9]+, with ' \
    "$fovea" compile kws.fvir --target=cortex-m4 -q -o kws.c --max-flash=1400
absent kws.c kws.h
check 'too much RAM' 1 'max-ram=600: it takes [0-9]+ bytes.*: [0-9]+ of workspace, .*launch [0-9]+ of [0-9]+, .* needs [^;]* [0-9]+' \
    "$fovea" compile kws.fvir --target=cortex-m4 -q -o kws.c --max-ram=600
absent kws.c kws.h
check 'enough of both' 0 '^workspace' "$fovea" compile kws.fvir --target=cortex-m4 -o kws.c --max-ram=2k --max-flash=1M
present kws.c
spotter=$root/examples/keywords/keywords.onnx
check 'strips that fit' 0 '^fits +with --prefer=ram; as it is it takes .* 63 kB of RAM' "$fovea" compile "$spotter" --target=cortex-m4 -o kws.c --max-ram=40k
check 'strips in the file' 0 'rows1' cat kws.c
check 'no change' 0 '^RAM' "$fovea" compile "$spotter" --target=cortex-m4 -o kws.c --max-ram=80k
sh -c '! grep -q ^fits "$0"' "$PWD/out" && tell 'nothing is said of it' yes || tell 'nothing is said of it' no
check 'small code that fits' 0 '^fits +with -Os; as it is' "$fovea" compile "$spotter" --target=cortex-m4 -o kws.c --max-flash=36k --max-ram=80k
check 'both as JSON' 0 '"options": "-Os --prefer=ram"' \
    "$fovea" compile "$spotter" --target=cortex-m4 -o kws.c --max-flash=40k --max-ram=40k --json
said '"fits": true'
rm -f kws.c kws.h
check 'what fits one limit exceeds the other' 1 'with -Os [0-9]+ \([0-9]+ of RAM\)' \
    "$fovea" compile "$spotter" --target=cortex-m4 -o kws.c --max-flash=34k --max-ram=40k
check 'a refusal as JSON' 1 '"fits": false' "$fovea" compile "$spotter" --target=cortex-m4 -o kws.c --max-ram=8k --json
said '"alive": '
absent kws.c kws.h
check 'limits of standard input' 1 'read the model several times' sh -c '"$0" compile - --target=cortex-m4 -o kws.c --max-ram=8k <kws.fvir' "$fovea"
check 'folders above' 0 '^workspace' "$fovea" compile kws.fvir --target=cortex-m4 -o deep/er/kws/
present deep/er/kws/Makefile
check 'no microcontroller' 1 'for a microcontroller, .* the target is x86-64' "$fovea" compile kws.fvir --target=x86-64 -o kws.c --max-ram=1k
check 'no number' 2 'give bytes' "$fovea" compile kws.fvir --target=cortex-m4 -o kws.c --max-ram=1kg

for kind in kws.fvir kws.fvd kws.fvk kws.so; do
    check "limits and $kind" 2 'are for C' "$fovea" compile kws.fvir --target=cortex-m4 -o out-$kind --max-ram=1
    absent out-$kind
done
sed 's/f32\[1, 4, 9, 7\]/f32[n, 4, 9, 7]/; s/^const @s:/symbol n 1..64\n&/' kws.fvir >n.fvir
check 'limits and dims' 1 'fixed dims: --dim fixes those of n = 1' "$fovea" compile n.fvir --target=cortex-m4 -o n.c --max-ram=1M
absent n.c
check 'limits and a fixed dim' 0 '^workspace' "$fovea" compile n.fvir --target=cortex-m4 -o n.c --dim n=2 --max-ram=1M
check 'no temporary folder' 0 'estimates' env TMPDIR=/nowhere "$fovea" compile kws.fvir --target=cortex-m4 -o kws.c
present kws.c

# ---- small memory ----

# Four products of one operand: with --prefer=ram each is used before the next one is computed, and all backends agree.
{
    printf 'fovea-ir 1\nmodule "four"\nfunc @main(%%x: f32[16, 16], %%w: f32[16, 64], %%v: f32[16, 64], %%k: f32[64, 2]) -> (%%y) {\n'
    printf '  %%a = MatMul(%%x, %%w)\n  %%b = MatMul(%%x, %%v)\n  %%p = Softmax(%%a) {axis = 0}\n  %%q = Softmax(%%b) {axis = 0}\n'
    printf '  %%s = MatMul(%%p, %%k)\n  %%t = MatMul(%%q, %%k)\n  %%y = Sub(%%s, %%t)\n  return %%y\n}\n'
} >four.fvir
check 'the usual workspace' 0 'least_alive_bytes": null' "$fovea" inspect four.fvir --memory --json --target=cortex-m4
said 'workspace_bytes": 8448,'
check 'the smallest workspace' 0 'least_alive_bytes": 4352' "$fovea" inspect four.fvir --memory --json --target=cortex-m4 --prefer=ram
said 'workspace_bytes": 4352,'
check 'what is proved of it' 0 'every order of the launches needs at least 4.4 kB' "$fovea" inspect four.fvir --memory --target=cortex-m4 --prefer=ram
# A value has the memory of an output, whatever the order of the nodes: the product precedes the softmax that is stored over it.
{
    printf 'fovea-ir 1\nmodule "over"\nsymbol n 1..100000000\nfunc @main(%%x: f32[n, 64], %%w: f32[64, 64]) -> (%%y, %%z) {\n'
    printf '  %%a = MatMul(%%x, %%w)\n  %%y = Softmax(%%a) {axis = 1}\n  %%z = MatMul(%%a, %%w)\n  return %%y, %%z\n}\n'
} >over.fvir
sed -n '1,5p; 7p; 6p; 8,$p' over.fvir >under.fvir
for order in over under; do
    check "over an output: $order" 0 'least_alive_bytes": 0,' \
        "$fovea" inspect $order.fvir --memory --json --target=cortex-m4 --prefer=ram --dim n=64
    said 'workspace_bytes": 0,'
    said 'order_kept": null'
done
check 'no bytes in any order' 0 'every order of the launches needs at least 0 bytes' \
    "$fovea" inspect over.fvir --memory --target=cortex-m4 --prefer=ram --dim n=64
# What every order needs is not known for all dims, and sizes without bounds keep the order.
check 'a range of dims' 0 'least_alive_bytes": null' "$fovea" inspect over.fvir --memory --json --target=cortex-m4 --prefer=ram --dim n=1..64
said 'order_kept": null'
sed 's/100000000$/10000000000000/' over.fvir >wide.fvir
check 'no bounds' 0 'put into another order: the sizes of values have no bounds' \
    "$fovea" inspect wide.fvir --memory --target=cortex-m4 --prefer=ram
check 'no bounds as json' 0 'order_kept": "the sizes of values have no bounds"' \
    "$fovea" inspect wide.fvir --memory --json --target=cortex-m4 --prefer=ram
{
    printf 'fovea-ir 1\nmodule "grow"\nsymbol p 0..100\nfunc @main(%%x: f32[1, 8], %%old: f32[p, 8], %%w: f32[8, 8]) -> (%%y, %%new) {\n'
    printf '  %%new = Concat(%%old, %%x) {axis = 0}\n  %%a = MatMul(%%new, %%w)\n  %%y = Softmax(%%a) {axis = 0}\n  return %%y, %%new\n}\n'
} >grow.fvir
check 'a state with room' 0 'put into another order: an output grows in the memory of an input' \
    "$fovea" inspect grow.fvir --state old=new:101 --memory --target=cortex-m4 --prefer=ram
check 'no bounds, for time' 0 'order_kept": null' "$fovea" inspect wide.fvir --memory --json --target=cortex-m4
check 'time is preferred by default' 0 'workspace +8.4 kB' "$fovea" inspect four.fvir --target=cortex-m4 --prefer=time
"$fovea" run four.fvir --backend=interp --target=cortex-m4 -q -o ref/ --save-inputs in
for level in 0 1 2 3 s; do
    check "the same bits at -O$level" 0 '1 of 1 outputs as expected' \
        "$fovea" run four.fvir --backend=c --target=native -O$level --prefer=ram --data-set in --expect ref --atol=0 --rtol=0
done
check 'no such preference' 2 "prefer takes time or ram, not 'rma'" "$fovea" inspect four.fvir --prefer=rma
check 'a preference for a library' 0 'prefer does nothing' sh -c '"$0" compile four.fvir -q -o four.so && "$0" run four.so --prefer=ram' "$fovea"

# ---- names ----

for pair in cortex-m4f:cortex-m4 cortex-m23:cortex-m0 stm32f407:cortex-m4 rp2040:cortex-m0plus riscv32:riscv32imac esp32c6:esp32c3 \
    ch32v203:riscv32imac ch32v307:riscv32imafc \
    RP2040:cortex-m0plus STM32F407:cortex-m4 cortex-m0+:cortex-m0plus rv32imc:esp32c3 ESP32-C6:esp32c3; do
    check "${pair%:*}" 2 "did you mean '${pair#*:}'" "$fovea" compile kws.fvir --target="${pair%:*}" -o kws.c
done
finish
