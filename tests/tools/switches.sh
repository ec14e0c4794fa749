# Tests --disable and --enable: the names that they accept and refuse, what is then left out, and that outputs do not
# change.
. "$(dirname "$0")/lib.sh"
cat >weights.py <<'T'
import random, struct
random.seed(3)
with open("weights.bin", "wb") as f:
    f.write(struct.pack("<40000f", *(random.uniform(-0.2, 0.2) for i in range(40000))))
T
python3 weights.py
# Four heads of queries and two of keys and values, one weight transposed, a bias behind the heads, a scale of the queries, a causal
# mask made of positions, a gated layer, a norm of a sum, and a Concat.
cat >block.fvir <<'T'
fovea-ir 1
module "block"
symbol n 1..512
const @wq: f32[64, 64] = file "weights.bin" 0 16384
const @wk: f32[64, 32] = file "weights.bin" 16384 8192
const @wv: f32[32, 64] = file "weights.bin" 24576 8192
const @wo: f32[64, 64] = file "weights.bin" 32768 16384
const @wg: f32[64, 96] = file "weights.bin" 49152 24576
const @wu: f32[64, 96] = file "weights.bin" 73728 24576
const @wd: f32[96, 64] = file "weights.bin" 98304 24576
const @bq: f32[64] = file "weights.bin" 122880 256
const @bk: f32[32] = file "weights.bin" 123136 128
const @bv: f32[2, 16] = file "weights.bin" 123264 128
const @gain: f32[64] = file "weights.bin" 123392 256
const @shift: f32[64] = file "weights.bin" 123648 256
const @scale: f32[] = 0.25
const @hidden: f32[] = -inf
const @heads: i64[4] = [-1, 2, 2, 16]
const @groups: i64[4] = [-1, 2, 1, 16]
const @two: i64[3] = [-1, 2, 16]
const @one: i64[1] = [1]
const @columns: i64[2] = [-1, 64]
const @zero: i64[] = 0
const @next: i64[] = 1
func @main(%x: f32[n, 64]) -> (%z) {
  %q0 = MatMul(%x, @wq)
  %q1 = Add(%q0, @bq)
  %q2 = Reshape(%q1, @heads)
  %q3 = Transpose(%q2) {perm = [1, 2, 0, 3]}
  %q = Mul(%q3, @scale)
  %k0 = MatMul(%x, @wk)
  %k1 = Add(@bk, %k0)
  %k2 = Reshape(%k1, @groups)
  %k = Transpose(%k2) {perm = [1, 2, 3, 0]}
  %vt = Transpose(@wv) {perm = [1, 0]}
  %v0 = MatMul(%x, %vt)
  %v1 = Reshape(%v0, @two)
  %v2 = Add(%v1, @bv)
  %v3 = Unsqueeze(%v2, @one)
  %v = Transpose(%v3) {perm = [2, 1, 0, 3]}
  %s = MatMul(%q, %k)
  %shape = Shape(%x)
  %length = Gather(%shape, @zero)
  %keys = Range(@zero, %length, @next)
  %queries = Unsqueeze(%keys, @one)
  %seen = LessOrEqual(%keys, %queries)
  %masked = Where(%seen, %s, @hidden)
  %p = Softmax(%masked) {axis = -1}
  %o = MatMul(%p, %v)
  %o1 = Transpose(%o) {perm = [2, 0, 1, 3]}
  %o2 = Reshape(%o1, @columns)
  %o3 = MatMul(%o2, @wo)
  %r = Add(%o3, %x)
  %m, _, _ = LayerNormalization(%r, @gain, @shift)
  %g = MatMul(%m, @wg)
  %gs = Sigmoid(%g)
  %ga = Mul(%g, %gs)
  %u = MatMul(%m, @wu)
  %h = Mul(%ga, %u)
  %d = MatMul(%h, @wd)
  %y = Add(%d, %r)
  %t = Tanh(%m)
  %z = Concat(%y, %t) {axis = 1}
  return %z
}
T
backends="jit interp c"
"$fovea" run block.fvir --dim n=3 --backend=jit >/dev/null 2>&1 || backends="interp c" # built without LLVM

# ---- names ----

check 'an unknown name' 2 '--disable=fold: there is no such pass or step, and no rule of that name; there are .*legalise, .*merge-qkv, .*fuse-attention, fold-mask, .*join' "$fovea" inspect block.fvir --disable=share,fold
check 'an unknown name to enable' 2 '--enable=qkv: there is no such pass or step; there are .*legalise' "$fovea" run block.fvir --enable=qkv
check 'a pass that is needed' 2 "--disable=legalise: it cannot be left out: an operator without a definition" "$fovea" opt block.fvir --disable=legalise
check 'a step that is needed' 2 '--disable=order: it cannot be left out: the order decides the bits' "$fovea" compile block.fvir -o block.c --disable=join --disable=order
absent block.c
check 'on and off' 2 '--enable=share: it is disabled, too' "$fovea" run block.fvir --enable=share --disable=share
check 'beside a list of passes' 2 '--enable=merge-qkv: a list says which passes run' "$fovea" opt block.fvir --passes=legalise,remove-dead --enable=merge-qkv
check 'a step that is left out leaves nothing' 2 '--dump-after=attend: that step is not run' "$fovea" compile block.fvir -o block.c --dump-after=attend --disable=fuse-attention
check 'the list' 0 '^fuse-attention  scores, weights' "$fovea" opt --list-passes
said '^ +needed: kernels are made of definitions'
said '^ +where --enable names it: '
check 'the list for programs' 0 '"name": ?"fold-mask"' "$fovea" opt --list-passes --json
said '"asked_for"'
said '"needed"'

# ---- what is done ----

check 'all steps' 0 'attend' "$fovea" inspect block.fvir
check 'attention in three kernels' 0 'kernels' "$fovea" inspect block.fvir --disable=fuse-attention
grep -q attend out && tell "$name: no kernel attends" no || tell "$name: no kernel attends" yes
check 'a gate and the rest share a tile' 0 'group +yes +.h. has another contraction of the same rows' "$fovea" inspect block.fvir --why u
check 'masks are left out' 0 'fold +yes' "$fovea" inspect block.fvir --why o
check 'masks are computed' 0 'attend +yes' "$fovea" inspect block.fvir --why o --disable=fold-mask
grep -q 'fold  ' out && tell "$name: nothing is folded" no || tell "$name: nothing is folded" yes
check 'three are one' 0 '^merge-qkv: 1 three of one input' "$fovea" opt block.fvir -v --enable=merge-qkv
check 'and not where nobody asks' 0 '^func' "$fovea" opt block.fvir -v
grep -q merge-qkv err && tell "$name: no pass of that name runs" no || tell "$name: no pass of that name runs" yes
check 'what steps did' 0 '^fuse-attention: 1 attends' "$fovea" inspect block.fvir -v
noted '^fold-mask: 1 folds$'
check 'what is left out did nothing' 0 '^fold-mask: nothing to do' "$fovea" compile block.fvir -v -o block.fvk --disable=fuse-attention
grep -q '^fuse-attention' err && tell "$name: nor is it named" no || tell "$name: nor is it named" yes
check 'behind what it comes after, at the least level' 0 '^merge-qkv: 1 three of one input' "$fovea" opt block.fvir -O0 -v --enable=merge-qkv
[ "$(grep -o '^[a-z-]*:' err | head -3 | tr -d '\n')" = legalise:integers:merge-qkv: ] && tell "$name: there" yes || tell "$name: there" no
check 'from the environment' 0 '^merge-qkv: 1 three of one input' env FOVEA_FLAGS=--enable=merge-qkv "$fovea" opt block.fvir -v
check 'a pass less' 0 '^simplify' "$fovea" opt block.fvir -v --disable=share --disable=fold-constants
grep -q '^share\|^fold-constants' err && tell "$name: it does not run" no || tell "$name: it does not run" yes
check 'weights are there once' 0 '^weights +12[0-9] kB' "$fovea" inspect block.fvir --enable=merge-qkv
check 'no kernel puts them together' 0 '^const' "$fovea" compile block.fvir --enable=merge-qkv --emit=kernels -o -
grep -q '^kernel Concat.*wq' out && tell "$name: none does" no || tell "$name: none does" yes

# ---- what comes out ----

for n in 5 100; do
    mkdir -p ref$n
    check "the outputs for $n" 0 '' "$fovea" run block.fvir --dim n=$n --seed=7 --backend=interp -o ref$n/
    for backend in $backends; do
        check "merged, the same bits ($backend, $n)" 0 'output.* as expected' "$fovea" run block.fvir --dim n=$n --seed=7 --backend=$backend --enable=merge-qkv --expect ref$n --atol=0 --rtol=0
        few=fuse-attention,fold-mask,group,join
        [ $backend = c ] || few="fuse-attention fold-mask group concat-in-place layout join strip-rows pad-images widen stride-rows spare-empty split merge simplify fold-constants reduce-strength share $few"
        for name in $few; do
            [ $n = 5 ] && [ $backend != interp ] && continue
            check "without $name ($backend, $n)" 0 'output.* as expected' "$fovea" run block.fvir --dim n=$n --seed=7 --backend=$backend --disable=$name --expect ref$n
        done
    done
    check "merged, naive ($n)" 0 'output.* as expected' "$fovea" run block.fvir --dim n=$n --seed=7 --schedule=naive --enable=merge-qkv --expect ref$n
done
export FOVEA_CACHE_DIR=$work/cache
for options in '' --disable=fuse-attention --enable=merge-qkv --disable=join,share; do
    check "kept apart (${options:-all})" 0 'as expected' "$fovea" run block.fvir --dim n=100 --seed=7 $options --expect ref100
done
case $backends in *jit*) [ "$(find cache -name '*.o' -o -type f -name '*' | wc -l)" -ge 4 ] && tell 'an entry of the cache for each' yes || tell 'an entry of the cache for each' no ;; esac
finish
