# Tests arithmetic of f16 and bf16, which rounds after each operator: all backends and targets compute the same bits, also
# of sums, products, quotients and roots that are denormal or overflow, and where values are stored as f32 (the step widen).
. "$(dirname "$0")/lib.sh"
backends="jit interp c"
numbers='0,-0.0,inf,-inf,nan,65504,-65504,65472,32,-16,6e-8,-6e-8,1.2e-7,6.1e-5,-6.1e-5,6.097555e-5,1,-1,1.000977,0.9995117,3,0.3333,-5.656,0.1,2049,-1023.5,0.00048828125,1e-4,300,-0.007,1.5e-6,24'
cat >ops.fvir <<T
fovea-ir 1
module "ops"
symbol n 0..100
const @a: f16[32, 1] = [$numbers]
const @b: f16[1, 32] = [$numbers]
func @main(%x: f16[n, 1, 1]) -> (%sum, %difference, %product, %quotient, %root, %chain, %least) {
  %s = Mul(%x, @a)
  %t = Add(%x, @b)
  %sum = Add(%s, @b)
  %difference = Sub(@a, %t)
  %product = Mul(%s, @b)
  %quotient = Div(%t, %s)
  %q = Abs(%t)
  %root = Sqrt(%q)
  %u = Sub(%quotient, @b)
  %v = Mul(%u, @a)
  %chain = Add(%v, %t)
  %w = Min(%v, @b)
  %f = Floor(%w)
  %least = Max(%f, %t)
  return %sum, %difference, %product, %quotient, %root, %chain, %least
}
T
encoder() { # TYPE
    cat <<T
fovea-ir 1
module "layer"
symbol n 1..100
func @main(%x: $1[n, 40], %a: $1[40, 32], %b: $1[40, 32], %c: $1[40, 32], %d: $1[32, 40], %e: $1[40, 24]) -> (%y, %r) {
  %q = MatMul(%x, %a)
  %k = MatMul(%x, %b)
  %v = MatMul(%x, %c)
  %t = Transpose(%k) {perm = [1, 0]}
  %s = MatMul(%q, %t)
  %p = Softmax(%s) {axis = -1}
  %o = MatMul(%p, %v)
  %m = MatMul(%o, %d)
  %r = Add(%m, %x)
  %g = Gelu(%r)
  %l = Softmax(%g) {axis = -1}
  %y = MatMul(%l, %e)
  return %y, %r
}
T
}
encoder f16 >f16.fvir
encoder bf16 >bf16.fvir
# weights of bf16 two steps of which share a word, and a quotient that becomes a product
cat >pairs.fvir <<'T'
fovea-ir 1
module "pairs"
symbol n 0..100
const @a: bf16[66, 37] = file "pairs.bin" 0 4884
const @b: bf16[37, 50] = file "pairs.bin" 1184 3700
const @c: bf16[] = 3.0
func @main(%x: bf16[n, 66]) -> (%y, %q) {
  %h = MatMul(%x, @a)
  %q = Div(%h, @c)
  %y = MatMul(%q, @b)
  return %y, %q
}
T
seq 1 2000 | head -c 4884 >pairs.bin
"$fovea" run f16.fvir --dim n=3 --backend=jit >/dev/null 2>&1 || backends="interp c" # built without LLVM

for model in ops f16 bf16 pairs; do
    rm -rf ref
    "$fovea" run $model.fvir --dim n=29 --backend=interp --target=x86-64-v3 -o ref/ >/dev/null
    for target in x86-64-v4+avx512fp16 x86-64-v4 aarch64; do
        check "$model, interp, $target" 0 ' outputs as expected' "$fovea" run $model.fvir --dim n=29 --backend=interp --target=$target --expect ref --atol=0 --rtol=0
    done
    for backend in $backends; do
        check "$model, $backend" 0 ' outputs as expected' "$fovea" run $model.fvir --dim n=29 --backend=$backend --target=native --expect ref --atol=0 --rtol=0
        check "$model, $backend, not widened" 0 ' outputs as expected' "$fovea" run $model.fvir --dim n=29 --backend=$backend --disable=widen --expect ref --atol=0 --rtol=0
    done
done
case $backends in
jit*)
    code() { "$fovea" compile ops.fvir --target="$1" -q -o ops.s && grep -c 'v[a-z]*ph[^a-z0-9]' ops.s; }
    check 'a word of two bf16' 0 'u32\[3, 33, 16\]' "$fovea" compile pairs.fvir --target=x86-64-v3 --emit=kernels -o -
    check 'arithmetic of f16' 0 '^[1-9]' code x86-64-v4+avx512fp16
    check 'no arithmetic of f16' 1 '^0$' code x86-64-v4
    ;;
esac
# a sum of more steps than a tile takes at once, of weights of bf16 two steps of which share a word
cat >long.fvir <<'T'
fovea-ir 1
module "long"
symbol n 0..100
const @w: bf16[1102, 21] = file "long.bin" 0 46284
func @main(%x: bf16[n, 1102]) -> (%y) {
  %y = MatMul(%x, @w)
  return %y
}
T
seq 1 20000 | head -c 46284 >long.bin
check 'a long sum: words of two bf16' 0 'u32\[1, 551, 32\]' "$fovea" compile long.fvir --target=x86-64-v4 --emit=kernels -o -
for n in 1 7 40; do
    rm -rf ref
    "$fovea" run long.fvir --dim n=$n --backend=interp --schedule=naive -o ref/ >/dev/null
    for target in x86-64-v3 x86-64-v4; do
        check "a long sum, interp, $target, $n" 0 ' outputs as expected' "$fovea" run long.fvir --dim n=$n --backend=interp --target=$target --expect ref --atol=0 --rtol=0
    done
    for backend in $backends; do
        check "a long sum, $backend, $n" 0 ' outputs as expected' "$fovea" run long.fvir --dim n=$n --backend=$backend --expect ref --atol=0 --rtol=0
        check "a long sum, $backend, two threads, $n" 0 ' outputs as expected' "$fovea" run long.fvir --dim n=$n --backend=$backend --threads=2 --expect ref --atol=0 --rtol=0
    done
done
# all f16 divided by constants, as Python computes it
mkdir quotients
python3 - <<'P'
import math, struct
divisors = {"zero": 0.0, "least": 6e-8, "third": 3.0, "seven": -7.0, "scale": 11.3137085, "inverse": 0.1, "huge": 65504.0, "infinite": math.inf, "nan": math.nan}
def write(path, codes):
    head = "{'descr': '<f2', 'fortran_order': False, 'shape': (65536,), }"
    head += " " * (63 - (10 + len(head)) % 64) + "\n"
    open(path, "wb").write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + struct.pack("<65536H", *codes))
def half(x):  # the code of the f16 nearest to x
    try:
        return struct.unpack("<H", struct.pack("<e", x))[0]
    except OverflowError:
        return 0x7c00 | (0x8000 if x < 0 else 0)
def quotient(x, d):  # in f32, as the quotient of f64 rounds to the same
    if d == 0:
        return math.nan if x == 0 or x != x else math.copysign(math.inf, x) * math.copysign(1, d)
    try:
        return struct.unpack("<f", struct.pack("<f", x / d))[0]
    except OverflowError:
        return math.copysign(math.inf, x / d)
every = [struct.unpack("<e", struct.pack("<H", i))[0] for i in range(65536)]
write("every.npy", range(65536))
for name, d in divisors.items():
    d = struct.unpack("<e", struct.pack("<e", d))[0]
    write("quotients/%s.npy" % name, [half(quotient(x, d)) for x in every])
with open("quotients.fvir", "w") as f:
    f.write('fovea-ir 1\nmodule "quotients"\n')
    f.writelines("const @%s_by: f16[] = %r\n" % kv for kv in divisors.items())
    f.write("func @main(%x: f16[65536]) -> (" + ", ".join("%" + n for n in divisors) + ") {\n")
    f.writelines("  %%%s = Div(%%x, @%s_by)\n" % (n, n) for n in divisors)
    f.write("  return " + ", ".join("%" + n for n in divisors) + "\n}\n")
P
for how in '--backend=interp --schedule=naive' '--backend=interp --target=x86-64-v4+avx512fp16' '--backend=interp --target=aarch64'; do
    # shellcheck disable=SC2086
    check "quotients, $how" 0 '^9 of 9 outputs as expected' "$fovea" run quotients.fvir --input=x=every.npy $how --expect quotients --atol=0 --rtol=0
done
for backend in $backends; do
    check "quotients, $backend" 0 '^9 of 9 outputs as expected' "$fovea" run quotients.fvir --input=x=every.npy --backend=$backend --expect quotients --atol=0 --rtol=0
done
# a depthwise window of bytes: where there are 16 registers, its columns are multiplied one after the other, with the same bits
cat >window.fvir <<'IR'
fovea-ir 1
module "window"
const @w: i8[16, 1, 3, 3] = file "window.bin" 0 144
func @main(%x: u8[1, 9, 7, 16]) -> (%y) {
  %t = Transpose(%x) {perm = [0, 3, 1, 2]}
  %s = ConvInteger(%t, @w) {group = 16}
  %y = Transpose(%s) {perm = [0, 2, 3, 1]}
  return %y
}
IR
seq 1 100 | head -c 144 >window.bin
unrolled() { "$fovea" compile window.fvir --target="$1" --emit=kernels -o - | grep -c 'unroll step < 3'; }
check 'a window with 16 registers' 0 '^1$' unrolled x86-64-v3
check 'a window with 32 registers' 1 '^0$' unrolled x86-64-v4
"$fovea" run window.fvir --backend=interp --target=x86-64-v4 -o window-ref >/dev/null 2>err
for backend in $backends; do
    "$fovea" run window.fvir --backend=$backend --target=x86-64-v3 -o window-out >/dev/null 2>err
    cmp -s window-ref/y.npy window-out/y.npy && tell "a window, $backend: the same bits" yes || tell "a window, $backend: the same bits" no
done
# bf16.py: numbers of f16 are rounded to bf16, ties to even; casts and types of ports follow
if /usr/bin/python3 -c 'import onnx, numpy' 2>/dev/null; then
    onnx halves.onnx <<'T'
ir_version: 8
opset_import { version: 17 }
graph {
  name: "g"
  node { op_type: "Cast" input: "x" output: "h" attribute { name: "to" type: INT i: 10 } }
  node { op_type: "Add" input: "h" input: "w" output: "sum" }
  node { op_type: "Cast" input: "sum" output: "y" attribute { name: "to" type: INT i: 1 } }
  initializer { name: "w" dims: 6 data_type: 10 int32_data: [15360, 15361, 15364, 15372, 48128, 31744] }
  input { name: "x" type { tensor_type { elem_type: 1 shape { dim { dim_value: 1 } } } } }
  output { name: "sum" type { tensor_type { elem_type: 10 } } }
  output { name: "y" type { tensor_type { elem_type: 1 } } }
}
T
    /usr/bin/python3 -c 'import numpy; numpy.save("zero.npy", numpy.zeros(1, "f"))'
    /usr/bin/python3 "$root/tools/scripts/bf16.py" halves.onnx narrow.onnx && tell 'f16 becomes bf16' yes || tell 'f16 becomes bf16' no
    check 'its types and numbers' 0 'sum +bf16.* 1 1 1 1\.01562 -1 inf$' "$fovea" run narrow.onnx --input=x=zero.npy
fi
# -Os: a copy for a product takes less memory than a value that is stored as f32
cat >chain.fvir <<'IR'
fovea-ir 1
module "chain"
const @w: f16[64, 64] = file "chain.bin" 0 8192
func @main(%x: f16[64, 64]) -> (%y) {
  %a = MatMul(%x, @w)
  %b = Relu(%a)
  %c = MatMul(%b, @w)
  %d = Relu(%c)
  %y = MatMul(%d, @w)
  return %y
}
IR
head -c 8192 /dev/zero >chain.bin
for options in -Os '-Os --disable=widen'; do
    # shellcheck disable=SC2086
    "$fovea" compile chain.fvir --target=cortex-m4 $options -o chain.c | grep '^workspace' >>sizes
done
[ "$(sort -u sizes | wc -l)" = 1 ] && tell 'no more memory with -Os' yes || tell 'no more memory with -Os' no
finish
