# Tests that more threads than the machine has cores, and numbers that do not divide the tasks, give the bits of one thread: products,
# convolutions, attention, rows, maps, and sums of a single vector.
. "$(dirname "$0")/lib.sh"

cat >many.fvir <<'M'
fovea-ir 1
module "many"
symbol n 1..512
func @main(%x: f32[n, 96], %w: f32[96, 200], %u: f32[200, 96], %b: f32[200], %q: f32[2, 3, n, 16], %k: f32[2, 3, n, 16], %v: f32[2, 3, n, 24], %image: f32[1, 24, 19, 23], %filter: f32[40, 24, 3, 3], %few: f32[24, 1, 3, 3]) -> (%rows, %whole, %attended, %convolved, %depthwise) {
  %h = MatMul(%x, %w)
  %hb = Add(%h, %b)
  %g = Gelu(%hb)
  %d = MatMul(%g, %u)
  %r = Add(%d, %x)
  %rows = Softmax(%r) {axis = -1}
  %whole = ReduceSum(%g) {keepdims = 0}
  %kt = Transpose(%k) {perm = [0, 1, 3, 2]}
  %s = MatMul(%q, %kt)
  %p = Softmax(%s) {axis = -1}
  %attended = MatMul(%p, %v)
  %c = Conv(%image, %filter) {pads = [1, 1, 1, 1]}
  %convolved = Relu(%c)
  %depthwise = Conv(%image, %few) {pads = [1, 1, 1, 1], group = 24}
  return %rows, %whole, %attended, %convolved, %depthwise
}
M
for n in 1 150; do
    check "one thread, $n rows" 0 '' "$fovea" run many.fvir --dim n=$n --threads=1 -o ref$n
    for threads in 3 5 8 64; do
        check "$threads threads, $n rows" 0 '5 of 5 outputs as expected' "$fovea" run many.fvir --dim n=$n --threads=$threads --expect ref$n --atol=0 --rtol=0
    done
done
check 'generated C, 5 threads' 0 '5 of 5 outputs as expected' "$fovea" run many.fvir --dim n=150 --backend=c --threads=5 --expect ref150 --atol=0 --rtol=0
# The cost model predicts as many threads as are asked for.
check 'an estimate for one thread' 0 '; an estimate for one thread by the table of processors, zen3$' "$fovea" inspect many.fvir --schedules -v --dim n=150 --target=x86-64-v3 --processor=zen3
check 'an estimate for 64 threads' 0 '; an estimate for 64 threads by the table of processors, zen3$' "$fovea" inspect many.fvir --schedules -v --dim n=150 --target=x86-64-v3 --processor=zen3 --threads=64
said '^  moves +[0-9.]+ [kM]?B into the caches of cores, [0-9.]+ ?[a-zM]* of it from memory$'
for threads in 1 2 64; do
    "$fovea" inspect many.fvir --json --dim n=150 --target=x86-64-v3 --processor=zen3 --threads=$threads >is$threads.json
done
cat >estimates.py <<'P'
import json
one, two, many = (json.load(open(f"is{n}.json"))["estimate"] for n in (1, 2, 64))
assert [e["threads"] for e in (one, two, many)] == [1, 2, 64]
assert 0 < two["predicted_ms"] < one["predicted_ms"], "two threads are faster"
assert one["into_cores_bytes"] < many["into_cores_bytes"], "each core has its own copies"
assert one["from_memory_bytes"] <= one["into_cores_bytes"]
print("consistent")
P
check 'estimates by threads' 0 '^consistent' python3 estimates.py
finish
