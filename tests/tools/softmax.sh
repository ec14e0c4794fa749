# Tests softmax as an operator, whose exponentials below the least normal number are 0, and as Exp, ReduceSum and Div, which
# keep denormal numbers: alone, and in attention with -O1, since with -O2 the pass merge-softmax makes a Softmax of these; with the
# same bits on all backends and targets.
. "$(dirname "$0")/lib.sh"
backends="jit interp c"
# each row of q selects the scores 0, -1, -60, ...; each column of v a weight
python3 - <<'P'
import struct
def write(name, rows):
    head = "{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }" % (len(rows), len(rows[0]))
    head += " " * (63 - (10 + len(head)) % 64) + "\n"
    with open(name, "wb") as f:
        f.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode())
        for row in rows:
            f.write(struct.pack("<%df" % len(row), *row))
scores = [0, -1, -60, -87, -88, -95, -103, -105]
write("q.npy", [[1, 0, 0, 0]] * 13)
write("k.npy", [[s, 2, 3, 4] for s in scores])
write("v.npy", [[float(s == c) for c in (-87, -88, -95, -103)] for s in scores])
P
cat >m.fvir <<'T'
fovea-ir 1
module "m"
symbol n 0..100
const @axis: i64[1] = [1]
func @main(%q: f32[n, 4], %x: f32[n, 4], %z: f32[n, 4], %k: f32[8, 4], %v: f32[8, 4]) -> (%op, %ops, %attention, %attentions) {
  %t = Transpose(%k) {perm = [1, 0]}
  %s = MatMul(%q, %t)
  %op = Softmax(%s) {axis = 1}
  %m = ReduceMax(%s, @axis) {keepdims = 1}
  %d = Sub(%s, %m)
  %e = Exp(%d)
  %l = ReduceSum(%e, @axis) {keepdims = 1}
  %ops = Div(%e, %l)
  %c = MatMul(%x, %t)
  %p = Softmax(%c) {axis = 1}
  %attention = MatMul(%p, %v)
  %o = MatMul(%z, %t)
  %f = ReduceMax(%o, @axis) {keepdims = 1}
  %g = Sub(%o, %f)
  %h = Exp(%g)
  %i = ReduceSum(%h, @axis) {keepdims = 1}
  %j = Div(%h, %i)
  %attentions = MatMul(%j, %v)
  return %op, %ops, %attention, %attentions
}
T
inputs="--input=q=q.npy --input=x=q.npy --input=z=q.npy --input=k=k.npy --input=v=v.npy"
"$fovea" run m.fvir $inputs --backend=jit >/dev/null 2>&1 || backends="interp c" # built without LLVM
# keeps LEVEL MINIMUM REST: with that level 'attentions' has that minimum, and the rest of its first line
keeps() {
    check "both are attention with -O$1" 0 '^attentions fused 2 of 2' "$fovea" inspect m.fvir -O$1 --attention
    check "serial loops with -O$1" 0 . "$fovea" run m.fvir $inputs -O$1 --backend=interp --schedule=naive -o serial$1
    said '^ops +f32\[13, 8\] +min 0 +max [0-9.]*  [0-9.]* [0-9.]* [0-9.]*e-27 [1-9][0-9.]*e-38 [1-9][0-9.]*e-39 '
    said '^attention +f32\[13, 4\] +min 0 +max [0-9.]*e-38  [1-9][0-9.]*e-38 0 0 0 '
    said "^attentions +f32\\[13, 4\\] +min $2 +max [0-9.]*e-38  [1-9][0-9.]*e-38 $3 "
}
keeps 1 '1\.4[0-9]*e-45' '[1-9][0-9.]*e-39 [1-9][0-9.]*e-42 1\.4[0-9]*e-45'
keeps 2 0 '0 0 0' # the scores of 'ops' have another reader, so it stays several operators
for level in 1 2; do
    for target in x86-64 x86-64-v3 x86-64-v4 aarch64; do
        check "interp, $target, -O$level" 0 '^4 of 4 outputs as expected' "$fovea" run m.fvir $inputs -O$level --backend=interp \
            --target=$target --expect serial$level --atol=0 --rtol=0
    done
    for backend in $backends; do
        check "$backend, -O$level" 0 '^4 of 4 outputs as expected' "$fovea" run m.fvir $inputs -O$level --backend=$backend --target=native \
            --expect serial$level --atol=0 --rtol=0
    done
done
finish
