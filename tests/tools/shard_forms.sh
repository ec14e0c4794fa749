# Tests which forms of models `shard` cuts: weights in blocks and of integers, heads merged with the batch, Einstein sums, experts,
# biases that are looked up, queries, keys and values in blocks, groups of heads, inputs of less than a byte.
. "$(dirname "$0")/lib.sh"
export FOVEA_CACHE_DIR=$work/cache # parts that several runs have are compiled once
python3 - <<'T'
import random, struct
random.seed(11)
with open("w.bin", "wb") as f:
    f.write(struct.pack("<20000f", *(random.uniform(-0.4, 0.4) for i in range(20000))))
with open("b.bin", "wb") as f:
    f.write(bytes(random.randrange(256) for i in range(40000)))
with open("ints.bin", "wb") as f: # small integers in bf16
    f.write(b"".join(struct.pack("<f", random.randrange(-2, 3))[2:] for i in range(20000)))
T
"$fovea" lua /dev/null 2>&1 | grep -q 'needs Lua' || echo yes >has_lua
touch has_lua
# model NAME CONST...: a graph of these constants, after which the function is on standard input
model() {
    file=$1.fvir
    shift
    {
        printf '%s\n' 'fovea-ir 1' 'module "m"' 'symbol batch 0..16' 'symbol n 1..64' 'symbol keys 1..64'
        printf 'const @%s\n' "$@"
        cat
    } >"$file"
}
# parts NAME RANKS PATTERN DIMS: cuts the model into that many parts; the plan says PATTERN, nothing is whole, and the parts give
# what the model gives, with the same bits by all consumers
parts() {
    [ -e "whole_$1" ] || check "$1" 0 'f32' "$fovea" run $1.fvir $4 -o whole_$1 --save-inputs in_$1
    check "$1 over $2 ranks" 0 "$3" "$fovea" shard $1.fvir --ranks $2 --print-plan -o $1.$2
    grep -q '^-- whole' out && tell "$1 over $2 ranks: nothing is whole" no
    grep -v '^--' out >plan.lua
    if grep -q . has_lua; then
        check "$1 over $2 ranks: its plan" 0 'rank1' "$fovea" shard $1.fvir --plan plan.lua -o planned
        check "$1 over $2 ranks: the plan makes the same parts" 0 'rank0.* are identical' diff -rs planned $1.$2
        rm -r planned
    fi
    check "$1 over $2 ranks: its run" 0 'outputs as expected' "$fovea" run $1.$2 $4 --data-set in_$1 --expect whole_$1
    check "$1 over $2 ranks: one thread" 0 '' "$fovea" run $1.$2 $4 --data-set in_$1 --threads=1 -o one_$1.$2
    for backend in interp c; do
        check "$1 over $2 ranks: $backend" 0 'outputs as expected' "$fovea" run $1.$2 $4 --data-set in_$1 --backend=$backend \
            --expect one_$1.$2 --atol=0 --rtol=0
    done
}

# Weights of bf16, two steps of which share a word where their number is even: of 90 rows, shares of 45 and 30.
model halves 'up: bf16[64, 90] = file "ints.bin" 0 11520' 'down: bf16[90, 30] = file "ints.bin" 11520 5400' <<'T'
func @main(%x: f32[batch, n, 64]) -> (%y) {
  %s = Sign(%x)
  %h = Cast(%s) {to = 16}
  %a = MatMul(%h, @up) loc("up")
  %b = Relu(%a)
  %d = MatMul(%b, @down) loc("down")
  %y = Cast(%d) {to = 1}
  return %y
}
T
for ranks in 2 3; do
    parts halves $ranks ': up to down' '--dim batch=2 --dim n=5'
done
check 'words of two bf16' 0 'u32\[2, 15, 16\]' "$fovea" compile halves.3/rank0.onnx --target=x86-64-v3 --emit=kernels -q -o -
check 'an odd number of steps' 0 'bf16\[2, 45, 16\]' "$fovea" compile halves.2/rank0.onnx --target=x86-64-v3 --emit=kernels -q -o -
# Weights of 4 bits in blocks of 16, with zero points: products of floats and of integers. Rows are cut between blocks.
for level in 0 4; do
    model blocks$level 'up: u8[96, 2, 8] = file "b.bin" 0 1536' 'sup: f32[192] = file "w.bin" 0 768' \
        'zup: u8[96] = file "b.bin" 4000 96' 'down: u8[30, 6, 8] = file "b.bin" 2000 1440' \
        'sdown: f32[180] = file "w.bin" 768 720' 'zdown: u8[90] = file "b.bin" 5000 90' <<T
func @main(%x: f32[batch, n, 32]) -> (%y) {
  %a = com.microsoft.MatMulNBits(%x, @up, @sup, @zup) {K = 32, N = 96, bits = 4, block_size = 16, accuracy_level = $level} loc("up")
  %b = Relu(%a)
  %y = com.microsoft.MatMulNBits(%b, @down, @sdown, @zdown) {K = 96, N = 30, bits = 4, block_size = 16, accuracy_level = $level} loc("down")
  return %y
}
T
    for ranks in 2 3; do # three bytes of zero points in a row
        parts blocks$level $ranks 'cut +3 units, .*: up to down' '--dim batch=2 --dim n=5'
    done
    sed 's/, @zup)/)/; s/, @zdown)/)/' blocks$level.fvir >middle$level.fvir
    parts middle$level 4 'cut +6 units, .*: up to down' '--dim batch=2 --dim n=5'
done
present blocks4.2/rank1.fvir blocks4.2/rank1.fvir.bin
# Parts of another form replace these, and their weights.
cp -r blocks4.2 again
layer onnx.fvir '%y = Relu(%h)'
check 'ONNX instead of text' 0 'rank0.onnx' "$fovea" shard onnx.fvir --ranks 1 -o again
ls again | grep -q 'fvir' && tell 'no text is left' no || tell 'no text is left' yes

# Columns in another order: each has the number of its block.
model order 'up: u8[24, 2, 8] = file "b.bin" 0 384' 'sup: f32[48] = file "w.bin" 0 192' \
    'index: i32[32] = [1,0,1,0,1,0,1,0,1,0,1,0,1,0,1,0,1,0,1,0,1,0,1,0,1,0,1,0,0,1,1,0]' \
    'down: f32[24, 8] = file "w.bin" 400 768' <<'T'
func @main(%x: f32[n, 32]) -> (%y) {
  %a = com.microsoft.MatMulNBits(%x, @up, @sup, _, @index) {K = 32, N = 24, bits = 4, block_size = 16}    loc("up")
  %b = Tanh(%a)
  %y = MatMul(%b, @down)    loc("down")
  return %y
}
T
parts order 3 'cut +24 units, .*: up to down' '--dim n=5'

# Constants of 4 bits: shares that begin within a byte are packed again.
model nibbles 'up: i4[5, 7] = hex "12345678a1b2c3d4e5f60718293a4b5c6d01"' 'sup: f32[7] = [0.5, 0.25, 1, 0.125, 0.5, 2, 1]' \
    'down: u4[7, 3] = hex "0123456789abcdef012304"' 'sdown: f32[] = 0.25' <<'T'
func @main(%x: f32[n, 5]) -> (%y) {
  %wa = DequantizeLinear(@up, @sup) {axis = 1}
  %a = MatMul(%x, %wa)    loc("up")
  %b = Tanh(%a)
  %wb = DequantizeLinear(@down, @sdown)
  %y = MatMul(%b, %wb)    loc("down")
  return %y
}
T
for ranks in 2 3; do
    parts nibbles $ranks 'cut +7 units, 57 bytes of weights: up to down' '--dim n=4'
done

# Integers: the sums are exact. Zero points that several weights share; a maximum and a minimum over the cut axis.
model dynamic 'up: i8[16, 12] = file "b.bin" 0 192' 'sup: f32[12] = file "w.bin" 0 48' 'zero: i8[] = 3' \
    'down: i8[12, 16] = file "b.bin" 192 192' 'sdown: f32[] = 0.0625' <<'T'
func @main(%x: f32[n, 16]) -> (%y) {
  %xq, %xs, %xz = DynamicQuantizeLinear(%x)
  %a0 = MatMulInteger(%xq, @up, %xz, @zero)    loc("up")
  %a1 = Cast(%a0) {to = 1}
  %a2 = Mul(%xs, @sup)
  %a = Mul(%a1, %a2)
  %b = Relu(%a)
  %bq, %bs, %bz = DynamicQuantizeLinear(%b)    loc("quantize")
  %c0 = MatMulInteger(%bq, @down, %bz, @zero)    loc("down")
  %c1 = Cast(%c0) {to = 1}
  %c2 = Mul(%bs, @sdown)
  %y = Mul(%c1, %c2)
  return %y
}
T
for ranks in 2 5; do
    parts dynamic $ranks 'cut +12 units, .*: up to quantize, quantize, down' '--dim n=6'
done
check 'a row cut of integers is exact' 0 'as expected' "$fovea" run dynamic.5 --dim n=6 --data-set in_dynamic --expect whole_dynamic --atol=0 --rtol=0
model qdq 'up: i8[16, 12] = file "b.bin" 0 192' 'sup: f32[12] = file "w.bin" 4000 48' 'zup: i8[12] = hex "010203040506fffefdfcfb00"' \
    'down: i8[12, 12] = file "b.bin" 192 144' 'scale: f32[] = 0.0625' 'zero: u8[] = 128' <<'T'
func @main(%x: f32[n, 16]) -> (%y) {
  %xq = QuantizeLinear(%x, @scale, @zero)
  %xd = DequantizeLinear(%xq, @scale, @zero)
  %wa = DequantizeLinear(@up, @sup, @zup) {axis = 1}
  %a = MatMul(%xd, %wa)    loc("up")
  %aq = QuantizeLinear(%a, @scale, @zero)
  %ad = DequantizeLinear(%aq, @scale, @zero)
  %wb = DequantizeLinear(@down, @sup, @zup) {axis = 1}
  %b = MatMul(%ad, %wb)    loc("down")
  %bq = QuantizeLinear(%b, @scale, @zero)
  %y = DequantizeLinear(%bq, @scale, @zero)
  return %y
}
T
parts qdq 3 'cut +12 units, .*: up to down' '--dim n=6'
model qlinear 'up: u8[16, 12] = file "b.bin" 0 192' 'sup: f32[12] = [1,2,1,3,1,1,2,1,1,1,1,2]' 'zup: u8[12] = file "b.bin" 600 12' \
    'down: u8[12, 8] = file "b.bin" 192 96' 'scale: f32[] = 0.5' 'large: f32[] = 4096' 'zero: u8[] = 120' <<'T'
func @main(%x: f32[n, 16]) -> (%y) {
  %xq = QuantizeLinear(%x, @scale, @zero)
  %a = QLinearMatMul(%xq, @scale, @zero, @up, @sup, @zup, @large, @zero)    loc("up")
  %b = QLinearMatMul(%a, @large, @zero, @down, @scale, @zero, @large, @zero)    loc("down")
  %y = DequantizeLinear(%b, @large, @zero)
  return %y
}
T
parts qlinear 4 'cut +12 units, .*: up to down' '--dim n=6'
check 'a row cut of quantized integers is exact' 0 'as expected' "$fovea" run qlinear.4 --dim n=6 --data-set in_qlinear --expect whole_qlinear --atol=0 --rtol=0

# Heads that are merged with the batch; a bias of heads that is looked up.
model merged 'wq: f32[20, 20] = file "w.bin" 0 1600' 'wk: f32[20, 20] = file "w.bin" 1600 1600' \
    'wv: f32[20, 20] = file "w.bin" 3200 1600' 'wo: f32[20, 20] = file "w.bin" 4800 1600' 'heads: i64[4] = [0, 0, 5, 4]' \
    'flat: i64[3] = [-1, 7, 4]' 'apart: i64[4] = [-1, 5, 7, 4]' 'all: i64[3] = [0, 0, 20]' 'buckets: f32[6, 5] = file "w.bin" 6400 120' \
    'scores: i64[4] = [-1, 5, 7, 7]' 'flat_scores: i64[3] = [-1, 7, 7]' <<'T'
func @main(%x: f32[batch, 7, 20], %far: i64[7, 7]) -> (%y) {
  %q0 = MatMul(%x, @wq)    loc("q")
  %q1 = Reshape(%q0, @heads)
  %q2 = Transpose(%q1) {perm = [0, 2, 1, 3]}
  %q = Reshape(%q2, @flat)
  %k0 = MatMul(%x, @wk)
  %k1 = Reshape(%k0, @heads)
  %k2 = Transpose(%k1) {perm = [0, 2, 1, 3]}
  %k3 = Reshape(%k2, @flat)
  %k = Transpose(%k3) {perm = [0, 2, 1]}
  %v0 = MatMul(%x, @wv)
  %v1 = Reshape(%v0, @heads)
  %v2 = Transpose(%v1) {perm = [0, 2, 1, 3]}
  %v = Reshape(%v2, @flat)
  %s0 = MatMul(%q, %k)
  %s1 = Reshape(%s0, @scores)
  %b0 = Gather(@buckets, %far) {axis = 0}
  %b = Transpose(%b0) {perm = [2, 0, 1]}
  %s2 = Add(%s1, %b)
  %s = Reshape(%s2, @flat_scores)
  %p = Softmax(%s) {axis = -1}
  %o0 = MatMul(%p, %v)
  %o1 = Reshape(%o0, @apart)
  %o2 = Transpose(%o1) {perm = [0, 2, 1, 3]}
  %o = Reshape(%o2, @all)
  %y = MatMul(%o, @wo)    loc("out")
  return %y
}
T
for ranks in 2 3; do
    parts merged $ranks 'cut +5 units, 6.5 kB of weights: q to out' '--dim batch=3'
done

# Queries, keys and values are three blocks of the columns of one product, as in vision transformers.
model vision 'w: f32[20, 60] = file "w.bin" 0 4800' 'b: f32[60] = file "w.bin" 4800 240' 'wo: f32[20, 20] = file "w.bin" 5200 1600' \
    'heads: i64[5] = [0, 0, 3, 5, 4]' 'one: i64[1] = [0]' 'all: i64[3] = [0, 0, 20]' <<'T'
func @main(%x: f32[batch, n, 20]) -> (%y) {
  %h0 = MatMul(%x, @w)    loc("qkv")
  %h1 = Add(%h0, @b)
  %h2 = Reshape(%h1, @heads)
  %h3 = Transpose(%h2) {perm = [2, 0, 3, 1, 4]}
  %q0, %k0, %v0 = Split(%h3) {axis = 0, num_outputs = 3}
  %q = Squeeze(%q0, @one)
  %k1 = Squeeze(%k0, @one)
  %v = Squeeze(%v0, @one)
  %k = Transpose(%k1) {perm = [0, 1, 3, 2]}
  %s = MatMul(%q, %k)
  %p = Softmax(%s) {axis = -1}
  %o0 = MatMul(%p, %v)
  %o1 = Transpose(%o0) {perm = [0, 2, 1, 3]}
  %o = Reshape(%o1, @all)
  %y = MatMul(%o, @wo)    loc("out")
  return %y
}
T
for ranks in 2 5; do
    parts vision $ranks 'cut +5 units, 6.. kB of weights: qkv to out' '--dim batch=2 --dim n=6'
done

# Einstein sums.
model einsum 'wq: f32[20, 5, 4] = file "w.bin" 0 1600' 'wk: f32[20, 5, 4] = file "w.bin" 1600 1600' \
    'wv: f32[20, 5, 4] = file "w.bin" 3200 1600' 'wo: f32[5, 4, 20] = file "w.bin" 4800 1600' <<'T'
func @main(%x: f32[batch, n, 20]) -> (%y) {
  %q = Einsum(%x, @wq) {equation = "...d,dhk->...hk"}    loc("q")
  %k = Einsum(%x, @wk) {equation = "bnd, dhk -> bnhk"}
  %v = Einsum(%x, @wv) {equation = "bnd,dhk->bnhk"}
  %s = Einsum(%q, %k) {equation = "bqhd,bkhd->bhqk"}
  %p = Softmax(%s) {axis = -1}
  %o = Einsum(%p, %v) {equation = "bhqk,bkhd->bqhd"}
  %y = Einsum(%o, @wo) {equation = "bqhd,hdm->bqm"}    loc("out")
  return %y
}
T
parts einsum 3 'cut +5 units, 6.4 kB of weights: q to out' '--dim batch=2 --dim n=6'

# Experts: each rank has some of the inner columns of all of them. Gates are every second column, or a half.
for fusion in 1 2; do
    model experts$fusion 'first: f32[4, 24, 8] = file "w.bin" 0 3072' 'bfirst: f32[4, 24] = file "w.bin" 3072 384' \
        'second: f32[4, 8, 12] = file "w.bin" 4000 1536' 'bsecond: f32[4, 8] = file "w.bin" 5600 128' <<T
func @main(%x: f32[n, 8], %r: f32[n, 4]) -> (%y) {
  %y = com.microsoft.MoE(%x, %r, @first, @bfirst, @second, @bsecond) {k = 2, activation_type = "swiglu", swiglu_fusion = $fusion} loc("experts")
  return %y
}
T
    for ranks in 2 3; do
        parts experts$fusion $ranks 'cut +12 units, 5.0 kB of weights: experts to experts' '--dim n=6'
    done
done

# Experts by experts: each rank has whole experts, four over 2, 3 and 4 ranks. No sum is divided, so no bit changes.
exactly() { # NAME RANKS DIMS: the parts give the bits of the model
    check "$1 over $2 ranks: the bits of the model" 0 'outputs as expected' "$fovea" run $1.$2 $3 --data-set in_$1 --expect whole_$1 \
        --atol=0 --rtol=0
}
# With weights of 4 bits in blocks of 16.
model qmoe 'first: u8[4, 64, 8] = file "b.bin" 0 2048' 'sfirst: f32[4, 64, 1] = file "w.bin" 0 1024' \
    'zfirst: u8[4, 64, 1] = file "b.bin" 9000 256' 'second: u8[4, 16, 16] = file "b.bin" 5000 1024' \
    'ssecond: f32[4, 16, 2] = file "w.bin" 4096 512' 'bsecond: f32[4, 16] = file "w.bin" 8192 256' <<'T'
func @main(%x: f32[n, 16], %r: f32[n, 4]) -> (%y) {
  %y = com.microsoft.QMoE(%x, %r, @first, @sfirst, _, @second, @ssecond, @bsecond, _, _, _, @zfirst) {k = 2, activation_type = "swiglu", swiglu_fusion = 1, block_size = 16} loc("experts")
  return %y
}
T
for ranks in 2 3 4; do # two blocks of inner columns: more ranks than these have copies of a block, and share its columns
    parts qmoe $ranks 'node = "experts", axis = "rows", collective = "all-reduce"' '--dim n=6'
done
if grep -q . has_lua; then
    cp experts1.fvir whole_experts.fvir
    check 'experts' 0 'f32' "$fovea" run whole_experts.fvir --dim n=6 -o whole_whole_experts --save-inputs in_whole_experts
    for ranks in 2 3 4; do
        echo "return {ranks = $ranks, contractions = {{node = 'experts', axis = 'experts'}}}" >p.lua
        check "experts by experts over $ranks ranks" 0 'cut +4 units, 5.1 kB of weights: experts to experts' "$fovea" shard whole_experts.fvir \
            --plan p.lua --print-plan -o whole_experts.$ranks
        said 'node = "experts", axis = "experts", collective = "all-reduce"'
        exactly whole_experts $ranks '--dim n=6'
    done
    for ranks in 2 3 4; do
        sed "s/ranks = 4/ranks = $ranks/" p.lua >q.lua
        check "quantized experts by experts over $ranks ranks" 0 'cut +4 units' "$fovea" shard qmoe.fvir --plan q.lua --print-plan \
            -o qmoe.$ranks
        exactly qmoe $ranks '--dim n=6'
    done
    sed 's/ranks = 4/ranks = 5/' p.lua >p5.lua
    check 'fewer experts than ranks' 1 "'experts' .* cuts it by experts, .* 4 units along the axis, fewer than ranks" "$fovea" shard \
        whole_experts.fvir --plan p5.lua --print-plan
    echo "return {contractions = {{node = 'up', axis = 'experts'}}}" >p.lua
    check 'what has no experts' 1 "'up' .* cuts it by experts, .*: it is no product with chosen experts" "$fovea" shard qdq.fvir --ranks 2 \
        --plan p.lua --print-plan
fi
# More ranks than inner columns: by experts, without a plan.
model narrow 'first: f32[4, 4, 8] = file "w.bin" 0 512' 'second: f32[4, 8, 2] = file "w.bin" 4000 256' <<'T'
func @main(%x: f32[n, 8], %r: f32[n, 4]) -> (%y) {
  %y = com.microsoft.MoE(%x, %r, @first, _, @second) {k = 2, activation_type = "swiglu", swiglu_fusion = 2} loc("experts")
  return %y
}
T
parts narrow 3 'node = "experts", axis = "experts", collective = "all-reduce"' '--dim n=6'
exactly narrow 3 '--dim n=6'

# Weights that are the left factor of a product, and weights for each product of a batch.
model left 'up: f32[12, 5] = file "w.bin" 0 240' 'down: f32[5, 12] = file "w.bin" 240 240' <<'T'
func @main(%x: f32[5, n]) -> (%y) {
  %a = MatMul(@up, %x)    loc("up")
  %b = Relu(%a)
  %y = MatMul(@down, %b)    loc("down")
  return %y
}
T
parts left 3 'node = "up", axis = "left rows"' '--dim n=4'
sed 's/MatMul(@up, %x)/Einsum(@up, %x) {equation = "ij,jk->ik"}/' left.fvir >sums.fvir
parts sums 3 'node = "up", axis = "left rows"' '--dim n=4'
model each 'up: f32[6, 4, 5] = file "w.bin" 0 480' 'down: f32[6, 5, 4] = file "w.bin" 480 480' 'axes: i64[1] = [0]' <<'T'
func @main(%x: f32[n, 4]) -> (%y) {
  %a = MatMul(%x, @up)    loc("up")
  %b = Relu(%a)
  %c = MatMul(%b, @down)    loc("down")
  %y = ReduceMax(%c, @axes) {keepdims = 0}
  return %y
}
T
parts each 4 'node = "up", axis = "batch"' '--dim n=3'

# Eight heads of queries, two of keys: more ranks than these have copies of a group, and share its queries.
model groups 'wq: f32[16, 32] = file "w.bin" 0 2048' 'wk: f32[16, 8] = file "w.bin" 2048 512' 'wv: f32[16, 8] = file "w.bin" 2560 512' \
    'wo: f32[32, 16] = file "w.bin" 3072 2048' 'qheads: i64[4] = [0, 0, 8, 4]' 'kheads: i64[4] = [0, 0, 2, 4]' \
    'one: i64[1] = [2]' 'repeats: i64[5] = [1, 1, 4, 1, 1]' 'repeated: i64[4] = [0, 8, -1, 4]' 'all: i64[3] = [0, 0, 32]' <<'T'
func @main(%x: f32[batch, n, 16], %`past_key_values.0.key`: f32[batch, 2, keys, 4], %`past_key_values.0.value`: f32[batch, 2, keys, 4]) -> (%y, %`present.0.key`, %`present.0.value`, %q) {
  %q0 = MatMul(%x, @wq)    loc("q")
  %q1 = Reshape(%q0, @qheads)
  %q = Transpose(%q1) {perm = [0, 2, 1, 3]}
  %k0 = MatMul(%x, @wk)
  %k1 = Reshape(%k0, @kheads)
  %k2 = Transpose(%k1) {perm = [0, 2, 1, 3]}
  %`present.0.key` = Concat(%`past_key_values.0.key`, %k2) {axis = 2}
  %k3 = Unsqueeze(%`present.0.key`, @one)
  %k4 = Expand(%k3, @repeats)
  %k5 = Reshape(%k4, @repeated)
  %k = Transpose(%k5) {perm = [0, 1, 3, 2]}
  %v0 = MatMul(%x, @wv)
  %v1 = Reshape(%v0, @kheads)
  %v2 = Transpose(%v1) {perm = [0, 2, 1, 3]}
  %`present.0.value` = Concat(%`past_key_values.0.value`, %v2) {axis = 2}
  %v3 = Unsqueeze(%`present.0.value`, @one)
  %v4 = Expand(%v3, @repeats)
  %v = Reshape(%v4, @repeated)
  %s = MatMul(%q, %k)
  %p = Softmax(%s) {axis = -1}
  %o0 = MatMul(%p, %v)
  %o1 = Transpose(%o0) {perm = [0, 2, 1, 3]}
  %o = Reshape(%o1, @all)
  %y = MatMul(%o, @wo)    loc("out")
  return %y, %`present.0.key`, %`present.0.value`, %q
}
T
parts groups 2 "cut +2 units, .*: q to out, 'q'" '--dim batch=2 --dim n=3 --dim keys=4'
for ranks in 3 4 5 8; do
    parts groups $ranks "cut +8 units in 2 groups, .*: q to out, 'q'" '--dim batch=2 --dim n=3 --dim keys=4'
done
check 'copies of shares' 0 '^\[1, 1, 1\] \[0, 0, 1\]$' python3 -c '
import json
s = json.load(open("groups.3/parts.json"))["shares"][0]
print(s["sizes"], s["firsts"])'
check 'more ranks than queries' 0 'whole .*: q: ' "$fovea" shard groups.fvir --ranks 9 --print-plan
sed -i 's/"firsts": \[/"firsts": [\n1,/' groups.3/parts.json
check 'shares that begin at too many elements' 1 'shares\[0\] has no name' "$fovea" run groups.3

python3 - <<'T'
import json
d = json.load(open("groups.4/parts.json"))
d["shares"][0]["firsts"] = [0, 0, 2, 2]
json.dump(d, open("groups.4/parts.json", "w"))
T
check 'shares with a gap' 1 'shares\[0\]: there are elements that no rank has' "$fovea" run groups.4

# Inputs of 4 bits with five heads, of which shares begin within a byte.
model packed 'wq: f32[8, 15] = file "w.bin" 0 480' 'wo: f32[15, 8] = file "w.bin" 480 480' 'heads: i64[3] = [0, 5, 3]' 'all: i64[2] = [0, 15]' \
    'scale: f32[] = 0.125' <<'T'
func @main(%x: f32[n, 8], %k4: i4[5, keys, 3], %v4: u4[keys, 5, 3]) -> (%y) {
  %q0 = MatMul(%x, @wq)    loc("q")
  %q1 = Reshape(%q0, @heads)
  %q = Transpose(%q1) {perm = [1, 0, 2]}
  %k0 = Cast(%k4) {to = 1}
  %k = Transpose(%k0) {perm = [0, 2, 1]}
  %v0 = Cast(%v4) {to = 1}
  %v = Transpose(%v0) {perm = [1, 0, 2]}
  %s0 = MatMul(%q, %k)
  %s = Mul(%s0, @scale)
  %p = Softmax(%s) {axis = -1}
  %o0 = MatMul(%p, %v)
  %o1 = Transpose(%o0) {perm = [1, 0, 2]}
  %o = Reshape(%o1, @all)
  %y = MatMul(%o, @wo)    loc("out")
  return %y
}
T
for ranks in 2 3 5; do
    parts packed $ranks "share of 'k4', 'v4'" '--dim n=4 --dim keys=7'
done

# Thirteen heads over four ranks.
model thirteen 'wq: f32[8, 26] = file "w.bin" 0 832' 'wk: f32[8, 26] = file "w.bin" 832 832' 'wo: f32[26, 8] = file "w.bin" 1664 832' \
    'heads: i64[3] = [0, 13, 2]' 'all: i64[2] = [0, 26]' <<'T'
func @main(%x: f32[n, 8]) -> (%y) {
  %q0 = MatMul(%x, @wq)    loc("q")
  %q1 = Reshape(%q0, @heads)
  %q = Transpose(%q1) {perm = [1, 0, 2]}
  %k0 = MatMul(%x, @wk)
  %k1 = Reshape(%k0, @heads)
  %k2 = Transpose(%k1) {perm = [1, 2, 0]}
  %v = Transpose(%k1) {perm = [1, 0, 2]}
  %s = MatMul(%q, %k2)
  %p = Softmax(%s) {axis = -1}
  %o0 = MatMul(%p, %v)
  %o1 = Transpose(%o0) {perm = [1, 0, 2]}
  %o = Reshape(%o1, @all)
  %y = MatMul(%o, @wo)    loc("out")
  return %y
}
T
parts thirteen 4 'cut +13 units, .*: q to out' '--dim n=5'
finish
