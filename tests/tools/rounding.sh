# Tests conversions of floats to integers whose range follows from the constants that launches pass: they need no
# saturation, and one instruction rounds and converts. All backends and targets compute the same bits, also where layers
# share a kernel, and where a scale makes numbers so large that they do saturate.
. "$(dirname "$0")/lib.sh"
/usr/bin/python3 -c 'import random
random.seed(5)
open("w.bin", "wb").write(bytes(random.randrange(256) for _ in range(64 * 64)))'
# layers NAME SCALE: two layers with zero points of their own, and the sum of the second one and a residual
layers() {
    cat >"$1.fvir" <<T
fovea-ir 1
module "layers"
symbol n 1..64
const @w: i8[64, 64] = file "w.bin" 0 4096
const @scale: f32[64] = [$(/usr/bin/python3 -c "print(', '.join(str($2 * (1 + i / 64)) for i in range(64)))")]
const @one: f32[] = 1.0
const @small: f32[] = 0.5
const @zero: u8[] = 121
const @other: u8[] = 57
func @main(%x: u8[n, 64]) -> (%y, %r) {
  %s = MatMulInteger(%x, @w)
  %f = Cast(%s) {to = 1}
  %m = Mul(%f, @scale)
  %q = QuantizeLinear(%m, @one, @zero)
  %t = MatMulInteger(%q, @w)
  %g = Cast(%t) {to = 1}
  %o = Mul(%g, @scale)
  %y = QuantizeLinear(%o, @one, @other)
  %d = DequantizeLinear(%y, @one, @other)
  %e = DequantizeLinear(%q, @one, @zero)
  %a = Add(%d, %e)
  %r = QuantizeLinear(%a, @small, @zero)
  return %y, %r
}
T
}
layers usual 0.004
layers large 1e30
# Roots of negative numbers are NaN, and powers are infinite; the kernels of both inputs are one, which gets the limits and
# zero points. As i32, a NaN that was not replaced differs from 0.
cat >special.fvir <<'T'
fovea-ir 1
module "special"
symbol n 1..64
const @many: f32[] = 200.0
const @scale: f32[] = 0.07
const @zero: u8[] = 121
const @other: u8[] = 57
const @low: f32[] = -40.0
const @high: f32[] = 50.0
const @less: f32[] = -300.0
const @more: f32[] = 70.0
func @main(%x: f32[n, 64], %z: f32[n, 64]) -> (%a, %b, %c, %d, %k, %l) {
  %e = Mul(%x, @many)
  %f = Mul(%z, @many)
  %g = Sqrt(%e)
  %h = Sqrt(%f)
  %i = Exp(%e)
  %j = Exp(%f)
  %a = QuantizeLinear(%g, @scale, @zero)
  %b = QuantizeLinear(%h, @scale, @other)
  %c = QuantizeLinear(%i, @scale, @zero)
  %d = QuantizeLinear(%j, @scale, @other)
  %o = Round(%g)
  %p = Round(%h)
  %q = Clip(%o, @low, @high)
  %r = Clip(%p, @less, @more)
  %k = Cast(%q) {to = 6}
  %l = Cast(%r) {to = 6}
  return %a, %b, %c, %d, %k, %l
}
T
backends="jit interp c"
"$fovea" run usual.fvir --dim n=3 --backend=jit >/dev/null 2>&1 || backends="interp c" # built without LLVM
targets="x86-64-v2 x86-64-v3 native"
"$fovea" run usual.fvir --dim n=3 --target=x86-64-v4 >/dev/null 2>&1 && targets="$targets x86-64-v4"
for model in usual large special; do
    "$fovea" run $model.fvir --dim n=13 --backend=interp --target=generic -o $model-ref/ >/dev/null 2>err
    for backend in $backends; do
        for target in $targets; do
            check "$model, $backend, $target" 0 ' outputs as expected' "$fovea" run $model.fvir --dim n=13 --backend=$backend \
                --target=$target --expect $model-ref --atol=0 --rtol=0
        done
    done
done
# with 32 registers, the two vectors of a row are converted without a loop
apart() { "$fovea" compile usual.fvir --target="$1" --emit=kernels -o - | grep -c 'unroll v < 2'; }
check 'rows of two vectors, 32 registers' 0 '^[1-9]' apart x86-64-v4+vnni
check 'rows of two vectors, 16 registers' 1 '^0$' apart x86-64-v3
case $backends in
jit*)
    # instructions MODEL PATTERN
    instructions() { "$fovea" compile "$1.fvir" --target=x86-64-v4 -q -o "$1.s" && grep -Ec "$2" "$1.s"; }
    check 'one instruction rounds and converts' 0 '^[1-9]' instructions usual 'vcvtps2dq.*%zmm'
    check 'and no other' 1 '^0$' instructions usual '(vrndscaleps|vcvttps2dq).*%zmm'
    check 'limits that launches pass: one instruction' 0 '^[1-9]' instructions special 'vcvtps2dq.*%zmm'
    check 'NaN is replaced' 0 '^[1-9]' instructions special 'vcmpordps.*%zmm'
    check 'and nothing saturates' 1 '^0$' instructions special '(vrndscaleps|vcvttps2dq).*%zmm'
    check 'numbers that may be infinite saturate' 0 '^[1-9]' instructions large 'vcmpordps.*%zmm'
    ;;
esac
finish
