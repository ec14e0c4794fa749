# Tests the vectors of Helium, which targets cortex-m55 and cortex-m85 use for integers, and for floats only where no denormal
# matters: which loops have them, and that the bits are those that the interpreter computes, under an emulator.
. "$(dirname "$0")/lib.sh"
numbers() { seq -s ', ' "$@"; }
repeated() { for _ in $(seq "$1"); do printf '%s, ' "$2"; done | sed 's/, $//'; }

# Convolutions of bytes whose sums are converted by f32, with ties (0.5, 0.25, 1.5), and with scales or biases that are denormal;
# operations on bytes, on a multiple of 16 of them and on 45; a pool; quantized numbers, some of which are denormal.
cat >vectors.fvir <<T
fovea-ir 1
module "vectors"
const @zu: u8[] = 128
const @z0: u8[] = 0
const @s: f32[] = 0.0078125
const @dw: i8[16, 1, 3, 3] = [$(repeated 16 "$(numbers -4 4)")]
const @cw: i8[8, 2, 4, 2] = [$(numbers -64 63)]
const @mw: i8[32, 12] = [$(for _ in 1 2 3; do numbers -64 63 | tr '\n' ','; done | sed 's/,$//')]
const @ones: f32[16, 1, 1] = [$(repeated 4 '0.0625, 0.03125, 0.5, 0.001')]
const @bias: f32[16, 1, 1] = [$(repeated 4 '0.5, -0.25, 128.0, 63.7')]
const @small: f32[16, 1, 1] = [$(repeated 4 '0.0625, 0.03125, 1e-40, 0.001')]
const @tiny: f32[16, 1, 1] = [$(repeated 4 '0.5, 1e-45, -1e-40, 0.5')]
const @scale8: f32[8, 1, 1] = [0.5, 0.25, 0.125, 1.5, 0.01, 0.003, 1e-9, 1e-37]
const @scale12: f32[12] = [0.5, 0.25, 0.125, 1.5, 0.01, 0.003, 1e-9, 1e-20, 0.75, 0.5, 0.0, -0.5]
const @bias12: f32[12] = [0.5, 0.25, 0.125, 1.5, 3.0, 255.5, 1e-9, 127.5, -1.0, 100.5, 0.5, 200.0]
const @flips: u8[] = 128
const @one: f32[] = 1.0
const @c69: f32[] = 69.137
const @denormals: f32[1, 8] = [5e-39, -5e-39, 1.2e-38, 1e-45, 4.9e-39, 5.1e-39, 1.4e-38, 0.0]
const @scale38: f32[] = 1e38
const @axes: i64[2] = [2, 3]
func @main(%x: f32[1, 16, 7, 7], %i: f32[1, 2, 9, 8], %m: f32[6, 32], %a: u8[6, 64], %b: u8[6, 64], %c: i8[45], %d: i8[45], %q: f32[6, 8]) -> (%o1, %o2, %o3, %o4, %o5, %o6, %o7, %o8, %o9, %p1, %p2, %p3, %p4, %p5) {
  %xq = QuantizeLinear(%x, @s, @zu)
  %sums = ConvInteger(%xq, @dw, @zu) {group = 16, pads = [1, 1, 1, 1]}
  %f1 = Cast(%sums) {to = 1}
  %f2 = Mul(%f1, @ones)
  %f3 = Add(%f2, @bias)
  %o1 = QuantizeLinear(%f3, @one, @z0)
  %sums2 = ConvInteger(%xq, @dw, @zu) {group = 16, strides = [2, 2]}
  %g1 = Cast(%sums2) {to = 1}
  %g2 = Mul(%g1, @small)
  %g3 = Add(%g2, @bias)
  %o2 = QuantizeLinear(%g3, @one, @z0)
  %sums3 = ConvInteger(%xq, @dw, @zu) {group = 16}
  %h1 = Cast(%sums3) {to = 1}
  %h2 = Mul(%h1, @ones)
  %h3 = Add(%h2, @tiny)
  %o3 = QuantizeLinear(%h3, @one, @z0)
  %iq = QuantizeLinear(%i, @s, @zu)
  %sums4 = ConvInteger(%iq, @cw, @zu) {pads = [2, 1, 1, 0], strides = [2, 1]}
  %i1 = Cast(%sums4) {to = 1}
  %i2 = Mul(%i1, @scale8)
  %o4 = QuantizeLinear(%i2, @s, @zu)
  %mq = QuantizeLinear(%m, @s, @zu)
  %sums5 = MatMulInteger(%mq, @mw, @zu)
  %j1 = Cast(%sums5) {to = 1}
  %j2 = Mul(%j1, @scale12)
  %j3 = Add(%j2, @bias12)
  %o5 = QuantizeLinear(%j3, @one, @z0)
  %o6 = Max(%a, %b)
  %o7 = Min(%c, %d)
  %o8 = BitwiseXor(%a, @flips)
  %o9 = Mul(%c, %d)
  %p1 = Sub(%a, %b)
  %wide = Cast(%xq) {to = 6}
  %p2 = ReduceSum(%wide, @axes) {keepdims = 0}
  %qs = Mul(%q, @c69)
  %qr = Round(%qs)
  %p3 = Cast(%qr) {to = 6}
  %all = Concat(%q, @denormals) {axis = 0}
  %ds = Mul(%all, @scale38)
  %dr = Round(%ds)
  %p4 = Cast(%dr) {to = 6}
  %p5 = Identity(%all)
  return %o1, %o2, %o3, %o4, %o5, %o6, %o7, %o8, %o9, %p1, %p2, %p3, %p4, %p5
}
T

# has KERNEL TEXT, lacks KERNEL TEXT: does the expanded kernel of that name contain the text?
"$fovea" compile vectors.fvir --target=cortex-m55 --emit=expanded -q -o vectors.fvk
of_kernel() { awk -v of="$1(" '/^kernel /{on = index($2, of) == 1} on' vectors.fvk >out; }
has() {
    of_kernel "$1"
    grep -qF -- "$2" out && tell "$1 has $2" yes || tell "$1 has $2" no
}
lacks() {
    of_kernel "$1"
    [ -s out ] && ! grep -qF -- "$2" out && tell "$1 has no $2" yes || tell "$1 has no $2" no
}
has Quantize_2 ':4] = u8(max(min(i32(rint(f32('
has Quantize_10 ':4] = u8(max(min(i32(rint(f32('              # sums of 16 products each, converted four at a time
lacks Quantize_3 ':4] = u8('                                     # a scale is denormal
lacks Quantize_4 ':4] = u8('                                     # a bias is denormal
lacks Quantize_7 ':4] = u8('                                 # products may be denormal before they are rounded
has Max_11 'max(v, v_1)'
has Max_11 ':16] = v - v_1'
has Min_12 'for i0 = 0 to 32 step 16'                        # and 13 bytes one by one
has Cast_13 'i32(rint(q[i0:4] * splat4(69.137)))'            # a denormal times 69 is rounded to 0
lacks Concat_14 'i32(rint(all'
has Reduce_0 'acc[c:4] = acc[c:4] + i32('

# each float is an operand of the next one twice
{
    printf 'fovea-ir 1\nmodule "chain"\nconst @one: f32[] = 1.0\nconst @s: f32[] = 0.001\nconst @z: u8[] = 0\n'
    printf 'func @main(%%x: i32[6, 64]) -> (%%y) {\n  %%v0 = Cast(%%x) {to = 1}\n'
    for i in $(seq 60); do
        printf '  %%w%d = Add(%%v%d, @one)\n  %%v%d = Add(%%v%d, %%w%d)\n' "$i" $((i - 1)) "$i" $((i - 1)) "$i"
    done
    printf '  %%t = Mul(%%v60, @s)\n  %%y = QuantizeLinear(%%t, @s, @z)\n  return %%y\n}\n'
} >chain.fvir
check 'a chain of sums' 0 '^kernel' timeout 60 "$fovea" compile chain.fvir --target=cortex-m55 --emit=expanded -q -o -

if command -v arm-none-eabi-gcc >/dev/null && command -v qemu-system-arm >/dev/null; then
    for target in cortex-m55 cortex-m85; do
        for level in -O1 -O2 -O3 -Os; do
            "$fovea" compile vectors.fvir --target=$target --name vectors -q $([ $level = -Os ] && echo $level) -o $target$level/
            check "$target $level" 0 'one thread: ok' make -C $target$level check \
                CFLAGS="$level -Wconversion -Wcast-align -Wfloat-equal -Wunused-macros -Wshadow -Werror"
        done
    done
    # another scale gives other bits, which the self-test finds
    sed 's/\(const @ones: f32.16, 1, 1. = .\)0.0625/\10.1875/' vectors.fvir >other.fvir
    "$fovea" compile other.fvir --target=cortex-m55 --name vectors -q -o other/
    cp other/vectors.c cortex-m55-O2/vectors.c
    check 'another model' 2 'differ|error' make -C cortex-m55-O2 check
    # an object, which LLVM makes: it computes floats one by one
    "$fovea" compile vectors.fvir --target=cortex-m85 --name vectors -q -o cortex-m85-O2/vectors.o
    present cortex-m85-O2/vectors.o
else
    echo 'skipped: there is no arm-none-eabi-gcc or no qemu-system-arm'
fi
if command -v clang-19 >/dev/null; then
    "$fovea" compile vectors.fvir --target=cortex-m55 --name vectors -q -o clang/
    compiles() { "$@" && echo compiled; }
    check 'clang' 0 'compiled' compiles clang-19 --target=thumbv8.1m.main-none-eabihf -mcpu=cortex-m55+nomve.fp -mfloat-abi=hard -std=c99 \
        -O2 -Wall -Wextra -Wpedantic -Werror -ffreestanding -c clang/vectors.c -o clang.o
else
    echo 'skipped: there is no clang-19'
fi
finish
