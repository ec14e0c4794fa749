# Tests `shard`, and runs of the parts in one process: an attention of five heads and two layers of products over 1 to 5 ranks.
. "$(dirname "$0")/lib.sh"
export FOVEA_CACHE_DIR=$work/cache # parts that several runs have are compiled once
floats weights.bin 20000
# Two layers: queries, keys and values from one product, five heads of 4, of which the mask hides some keys; then products
# of 20 by 23 by 20, with a gate.
{
    cat <<'T'
fovea-ir 1
module "m"
symbol batch 0..64
symbol seq 0..64
const @heads: i64[4] = [0, 0, 5, 4]
const @all: i64[3] = [0, 0, 20]
const @scale: f32[] = 0.5
const @parts: i64[3] = [20, 20, 20]
const @gain: f32[20] = file "weights.bin" 0 80
const @shift: f32[20] = file "weights.bin" 80 80
const @bqkv: f32[60] = file "weights.bin" 160 240
const @wqkv: f32[20, 60] = file "weights.bin" 400 4800
const @wo: f32[20, 20] = file "weights.bin" 5200 1600
const @bo: f32[20] = file "weights.bin" 6800 80
const @wup: f32[20, 23] = file "weights.bin" 6880 1840
const @wgate: f32[20, 23] = file "weights.bin" 8720 1840
const @bgate: f32[23] = file "weights.bin" 10560 92
const @wdown: f32[23, 20] = file "weights.bin" 10652 1840
const @wlast: f32[20, 7] = file "weights.bin" 12492 560
func @main(%x: f32[batch, seq, 20], %hidden: f32[batch, 1, 1, seq]) -> (%y) {
T
    from=x
    for i in 1 2; do
        cat <<T
  %n$i = LayerNormalization(%$from, @gain, @shift)
  %qkv0$i = MatMul(%n$i, @wqkv)
  %qkv$i = Add(%qkv0$i, @bqkv)
  %q0$i, %k0$i, %v0$i = Split(%qkv$i, @parts) {axis = 2}
  %q1$i = Reshape(%q0$i, @heads)
  %k1$i = Reshape(%k0$i, @heads)
  %v1$i = Reshape(%v0$i, @heads)
  %q$i = Transpose(%q1$i) {perm = [0, 2, 1, 3]}
  %k$i = Transpose(%k1$i) {perm = [0, 2, 3, 1]}
  %v$i = Transpose(%v1$i) {perm = [0, 2, 1, 3]}
  %s0$i = MatMul(%q$i, %k$i)
  %s1$i = Mul(%s0$i, @scale)
  %s2$i = Add(%s1$i, %hidden)
  %p$i = Softmax(%s2$i) {axis = -1}
  %o0$i = MatMul(%p$i, %v$i)
  %o1$i = Transpose(%o0$i) {perm = [0, 2, 1, 3]}
  %o2$i = Reshape(%o1$i, @all)
  %o3$i = MatMul(%o2$i, @wo)    loc("out$i")
  %o4$i = Add(%o3$i, @bo)
  %a$i = Add(%o4$i, %$from)
  %g0$i = MatMul(%a$i, @wgate)    loc("gate$i")
  %g1$i = Add(%g0$i, @bgate)
  %g2$i = Sigmoid(%g1$i)
  %u$i = MatMul(%a$i, @wup)
  %h$i = Mul(%g2$i, %u$i)
  %d$i = MatMul(%h$i, @wdown)    loc("down$i")
  %r$i = Add(%d$i, %a$i)
T
        from=r$i
    done
    printf '%s\n' '  %y = MatMul(%r2, @wlast)    loc("last")' '  return %y' '}'
} >m.fvir
dims='--dim batch=2 --dim seq=11'
check 'the whole model' 0 'y  f32' "$fovea" run m.fvir $dims -o whole

check 'standard input' 2 'the model is read for each rank' "$fovea" shard - --ranks 2 -o none
absent none
check 'a plan' 0 'cut +5 units, .*out1' "$fovea" shard m.fvir --ranks 4 --print-plan
said 'cut +23 units, .*: gate1 to down1'
said 'exchanges batch \* seq \* 80 bytes'
said "cut +7 units, .*: last to 'y'"
said 'exchanges batch \* seq \* 8 bytes'
said 'exchanges  5 in a run; a rank sends batch \* seq \* 328 bytes to each other rank'
said 'weights .* a rank has .*, the smallest '
for ranks in 1 2 3 4 5; do
    check "$ranks ranks" 0 "p$ranks/rank$((ranks - 1)).onnx " "$fovea" shard m.fvir --ranks $ranks -o p$ranks
    present p$ranks/parts.json p$ranks/rank0.onnx
    check "$ranks ranks give what the whole model gives" 0 'as expected' "$fovea" run p$ranks $dims --expect whole
    check "$ranks ranks" 0 'y  f32' "$fovea" run p$ranks $dims --threads=1 -o jit$ranks
    [ $ranks = 1 ] || [ $ranks = 3 ] || continue
    for other in '--backend=interp' '--backend=c' '--threads=7' '-O3' '-Os'; do
        check "$ranks ranks with $other" 0 'as expected' "$fovea" run p$ranks $dims $other --expect jit$ranks --atol=0 --rtol=0
    done
done
absent p2/rank2.onnx
# An output that is gathered: seven columns over seven and over three ranks, with an axis before and one after it.
sed 's/  return %y/  %z0 = Reshape(%y, @columns)\n  %z1 = Transpose(%z0) {perm = [0, 3, 1, 2]}\n  %z = Exp(%z1)\n  return %z/; s/-> (%y)/-> (%z)/; s/^const @heads:/const @columns: i64[4] = [0, 0, 1, 7]\n&/' m.fvir >out.fvir
check 'an output over seven ranks' 0 "cut +7 units, .*: last to 'z'" "$fovea" shard out.fvir --ranks 7 --print-plan -o out7
said 'exchanges batch \* seq \* 4 bytes'
check 'the whole model of that' 0 'z  f32' "$fovea" run out.fvir $dims -o whole_out
check 'seven ranks' 0 'as expected' "$fovea" run out7 $dims --threads=1 --expect whole_out
check 'an output over three ranks' 0 "cut +7 units, .*: last to 'z'" "$fovea" shard out.fvir --ranks 3 --print-plan -o out3
said 'exchanges batch \* seq \* 12 bytes'
check 'three ranks' 0 'as expected' "$fovea" run out3 $dims --threads=1 --expect whole_out
check 'six ranks: five heads are too few' 0 'has 5 units along the axis, fewer than ranks' "$fovea" shard m.fvir --ranks 6 --print-plan
said 'cut +23 units'

# Grouped heads: four heads of queries, two of keys and values, which Expand repeats.
cat >grouped.fvir <<'T'
fovea-ir 1
module "m"
symbol n 1..64
const @qheads: i64[3] = [0, 4, 4]
const @heads: i64[4] = [0, 2, 1, 4]
const @groups: i64[4] = [1, 1, 2, 1]
const @repeated: i64[3] = [-1, 4, 4]
const @all: i64[2] = [0, 16]
const @wq: f32[8, 16] = file "weights.bin" 0 512
const @wk: f32[8, 8] = file "weights.bin" 512 256
const @wv: f32[8, 8] = file "weights.bin" 768 256
const @wo: f32[16, 8] = file "weights.bin" 1024 512
func @main(%x: f32[n, 8]) -> (%y) {
  %q0 = MatMul(%x, @wq)
  %q1 = Reshape(%q0, @qheads)
  %q = Transpose(%q1) {perm = [1, 0, 2]}
  %k0 = MatMul(%x, @wk)
  %k1 = Reshape(%k0, @heads)
  %k2 = Expand(%k1, @groups)
  %k3 = Reshape(%k2, @repeated)
  %k = Transpose(%k3) {perm = [1, 2, 0]}
  %v0 = MatMul(%x, @wv)
  %v1 = Reshape(%v0, @heads)
  %v2 = Expand(%v1, @groups)
  %v3 = Reshape(%v2, @repeated)
  %v = Transpose(%v3) {perm = [1, 0, 2]}
  %s = MatMul(%q, %k)
  %p = Softmax(%s) {axis = -1}
  %o0 = MatMul(%p, %v)
  %o1 = Transpose(%o0) {perm = [1, 0, 2]}
  %o = Reshape(%o1, @all)
  %y = MatMul(%o, @wo)
  return %y
}
T
check 'grouped heads' 0 'cut +2 units' "$fovea" shard grouped.fvir --ranks 2 --print-plan -o grouped
check 'the whole model of grouped heads' 0 'y  f32' "$fovea" run grouped.fvir --dim n=9 -o whole_grouped
check 'grouped heads over two ranks' 0 'as expected' "$fovea" run grouped --dim n=9 --expect whole_grouped

# Nothing to cut.
layer one.fvir '%y = Softmax(%h)'
check 'nothing to cut' 0 'nothing can be cut: each rank runs the whole model' "$fovea" shard one.fvir --ranks 2 -o one
check 'the whole model' 0 'y  f32' "$fovea" run one.fvir -o whole_one
check 'two whole models' 0 'as expected' "$fovea" run one --expect whole_one --atol=0 --rtol=0

# Products that would be a partial sum and cut at once: %y from both of its sides, and %t by a transpose.
cat >both.fvir <<'T'
fovea-ir 1
module "m"
symbol n 0..64
const @w1: f32[8, 6] = file "weights.bin" 0 192
const @w2: f32[6, 6] = file "weights.bin" 192 144
const @w3: f32[6, 8] = file "weights.bin" 336 192
func @main(%x: f32[n, 8]) -> (%out) {
  %h = MatMul(%x, @w1)    loc("one")
  %y = MatMul(%h, @w2)    loc("two")
  %r = Relu(%y)
  %z = Add(%r, %h)
  %out = MatMul(%z, @w3)    loc("three")
  return %out
}
T
cat >turned.fvir <<'T'
fovea-ir 1
module "m"
symbol n 0..64
const @w1: f32[8, 6] = file "weights.bin" 0 192
const @w2: f32[6, 6] = file "weights.bin" 192 144
const @w3: f32[6, 8] = file "weights.bin" 336 192
func @main(%x: f32[n, 8]) -> (%out) {
  %h = MatMul(%x, @w1)    loc("one")
  %t = Transpose(%h) {perm = [1, 0]}
  %y = MatMul(@w2, %t)    loc("two")
  %z = Add(%y, %t)
  %back = Transpose(%z) {perm = [1, 0]}
  %out = MatMul(%back, @w3)    loc("three")
  return %out
}
T
for m in both turned; do
    check "$m: a partial sum is not cut" 0 "one: 'two' .fv.MatMul. would be a partial sum, and cut" \
        "$fovea" shard $m.fvir --ranks 2 --print-plan -o parts_$m
    check "$m: the whole model" 0 'out  f32' "$fovea" run $m.fvir --dim n=4 -o whole_$m
    check "$m: two ranks" 0 'as expected' "$fovea" run parts_$m --dim n=4 --expect whole_$m
done

# Random numbers have no operand that could be cut: each rank needs them as a whole.
cat >random.fvir <<'T'
fovea-ir 1
module "m"
const @w1: f32[8, 6] = file "weights.bin" 0 192
const @w3: f32[6, 9] = file "weights.bin" 336 216
func @main(%x: f32[4, 8]) -> (%out) {
  %h = MatMul(%x, @w1)    loc("one")
  %r = RandomUniformLike(%h) {seed = 5.0}    loc("draw")
  %z = Mul(%h, %r)
  %out = MatMul(%z, @w3)    loc("three")
  return %out
}
T
check 'random numbers' 0 "one: 'draw' .fv.Random. needs axis 1 as a whole" "$fovea" shard random.fvir --ranks 2 --print-plan

# The exchanges of all ranks have one order, also where others of their launches need less memory: the two cuts have shares
# of different sizes, 4 and 5 of 9 columns, 8 and 9 of 17.
cat >order.fvir <<'T'
fovea-ir 1
module "m"
const @a0: f32[8, 9] = file "weights.bin" 0 288
const @b0: f32[9, 8] = file "weights.bin" 288 288
const @a1: f32[8, 17] = file "weights.bin" 576 544
const @b1: f32[17, 8] = file "weights.bin" 1120 544
func @main(%x: f32[16, 8]) -> (%y) {
  %p0 = MatMul(%x, @a0)
  %q0 = Sigmoid(%p0)
  %p1 = MatMul(%x, @a1)
  %q1 = Sigmoid(%p1)
  %r0 = MatMul(%q0, @b0)
  %t0 = Softmax(%r0) {axis = -1}
  %r1 = MatMul(%q1, @b1)
  %t1 = Softmax(%r1) {axis = -1}
  %y = Sum(%t0, %t1)
  return %y
}
T
check 'two cuts side by side' 0 'exchanges  2 in a run' "$fovea" shard order.fvir --ranks 2 --print-plan -o parts_order
check 'the whole model of two cuts' 0 'y  f32' "$fovea" run order.fvir -o whole_order
for o in -O2 -Os; do
    check "two cuts with $o" 0 'as expected' "$fovea" run parts_order $o --expect whole_order
done

# A folder that has other parts: those of more ranks go, and nothing goes if the model cannot be cut.
cp -r p5 again
echo >again/rank1.onnx.data
echo >again/other.onnx
check 'a model that is missing' 1 'none.fvir' "$fovea" shard none.fvir --ranks 2 -o again
present again/parts.json again/rank4.onnx
check 'fewer ranks' 0 'rank1.onnx' "$fovea" shard m.fvir --ranks 2 -o again
present again/other.onnx
absent again/rank1.onnx.data again/rank2.onnx again/rank4.onnx
check 'the same files' 0 'rank1.onnx are identical' diff -rs -x other.onnx p2 again

# A quantized weight is cut; a product that cannot be cut is not divided.
cat >quantized.fvir <<'T'
fovea-ir 1
module "m"
const @q: i8[4, 2] = [1, 2, 3, 4, 5, 6, 7, 8]
const @scale: f32[] = 0.5
func @main(%x: f32[3, 4]) -> (%y) {
  %w = DequantizeLinear(@q, @scale)    loc("weight")
  %y = MatMul(%x, %w)    loc("product")
  return %y
}
T
check 'a quantized weight' 0 "cut +2 units, 8 bytes of weights: product to 'y'" "$fovea" shard quantized.fvir --ranks 2 --print-plan -o parts_quantized
check 'its whole model' 0 'y  f32' "$fovea" run quantized.fvir -o whole_quantized
check 'its parts' 0 'as expected' "$fovea" run parts_quantized --expect whole_quantized --atol=0 --rtol=0
layer thin.fvir '%a, %b, %c = Split(%h) {axis = 1, num_outputs = 3}' '%d = Add(%a, %b)' '%y = Mul(%c, %d)'
check 'a product that cannot be cut' 0 'nothing can be cut' "$fovea" shard thin.fvir --ranks 2 -o thin2
check 'its model for one rank' 0 'rank0.onnx' "$fovea" shard thin.fvir --ranks 1 -o thin1
check 'it is whole' 0 'are identical' diff -s thin1/rank0.onnx thin2/rank1.onnx

# Partial sums, a normalization and a product are no attention: the products keep their kernels.
cat >norm.fvir <<'T'
fovea-ir 1
module "m"
symbol n 0..64
const @up: f32[128, 256] = file "weights.bin" 0 131072
const @down: f32[256, 128] = file "weights.bin" 131072 131072
const @gain: f32[128] = file "weights.bin" 262144 512
func @main(%x: f32[n, 128]) -> (%y) {
  %a = MatMul(%x, @up)
  %b = Relu(%a)
  %c = MatMul(%b, @down)
  %d = Add(%c, %x)
  %e = LayerNormalization(%d, @gain, @gain)
  %f = MatMul(%e, @up)    loc("after")
  %g = Relu(%f)
  %h = MatMul(%g, @down)
  %y = Add(%h, %d)
  return %y
}
T
head -c 262656 /dev/zero >zeros.bin && sed -i 's/weights.bin/zeros.bin/' norm.fvir
check 'a product of what was normalized' 0 '' "$fovea" shard norm.fvir --ranks 2 -o norm
check 'its kernels' 0 '^kernels .* 4 contract' "$fovea" inspect norm/rank0.onnx --dim n=64

# What users get wrong.
check 'a folder without parts' 1 'bare: error: is a folder without parts.json' sh -c 'mkdir bare && "$0" run bare' "$fovea"
check 'parts are no model' 1 'p2: error: is a folder with the parts of a model, .* such as p2/rank0.onnx' "$fovea" inspect p2
check 'no number of ranks' 2 'into how many parts' "$fovea" shard m.fvir -o p
check 'too many ranks' 2 '1 to 1024' "$fovea" shard m.fvir --ranks 1025 -o p
check 'no folder' 2 'where to' "$fovea" shard m.fvir --ranks 2
check 'one part alone' 1 'its runs need a communicator' "$fovea" run p2/rank0.onnx $dims
check 'a state of parts' 1 "--state 'z=y': the model has no input 'z'" "$fovea" run p2 $dims --state z=y
cp -r p2 bad && head -c 3000 p2/rank1.onnx >bad/rank1.onnx
check 'a part that is truncated' 1 "rank 1: .*rank1.onnx' has 3000 bytes, expected" "$fovea" run bad $dims
rm -r bad && mkdir bad
cp parts_both/parts.json bad && cp parts_both/rank0.onnx bad/rank1.onnx && cp parts_both/rank1.onnx bad/rank0.onnx
check 'parts that are swapped' 1 "rank 0: .*rank0.onnx' has the checksum .*: it is not the part that was written" "$fovea" run bad --dim n=4
rm -r bad && cp -r p2 bad && cp p3/rank1.onnx bad/rank1.onnx
check 'a part of another cut' 1 'it is not the part that was written' "$fovea" run bad $dims
rm bad/rank1.onnx
check 'a part that is missing' 1 "cannot open '.*rank1.onnx'" "$fovea" run bad $dims
echo '{"ranks": 3, "parts": []}' >bad/parts.json
check 'a list without parts' 1 'expected as many parts as ranks' "$fovea" run bad $dims
echo '{"ranks": 1, "parts": [{"file": "../m.fvir", "bytes": 1}]}' >bad/parts.json
check 'a list with a file elsewhere' 1 'has no file in this folder' "$fovea" run bad $dims
echo '{' >bad/parts.json
check 'a list that is no JSON' 1 'parts.json' "$fovea" run bad $dims
cat >exchange.fvir <<'T'
fovea-ir 1
module "m"
func @main(%x: f32[2, 3]) -> (%y) {
  %y = com.microsoft.AllReduce(%x) {group_size = 2}    loc("sum")
  return %y
}
T
check 'a part is not cut again' 1 "'sum' .fv.AllGather.: exchanges data among ranks already" "$fovea" shard exchange.fvir --ranks 2 -o p
absent p/parts.json p/rank0.onnx

# Two weights have equal shares on the first rank only, and two others on the second rank: each rank makes all four exchanges.
{
    head -c 96 weights.bin
    for n in 2 3 2 4 5 6 7 6; do # the shares of both ranks, of each weight
        tail -c +$((48 * n + 1)) weights.bin | head -c 48
    done
} >four.bin
cat >four.fvir <<'T'
fovea-ir 1
module "four"
const @up: f32[4, 6] = file "four.bin" 0 96
const @d1: f32[6, 4] = file "four.bin" 96 96
const @d2: f32[6, 4] = file "four.bin" 192 96
const @d3: f32[6, 4] = file "four.bin" 288 96
const @d4: f32[6, 4] = file "four.bin" 384 96
func @main(%x: f32[3, 4]) -> (%y1, %y2, %y3, %y4) {
  %a = MatMul(%x, @up)    loc("up")
  %b = Relu(%a)
  %y1 = MatMul(%b, @d1)    loc("down1")
  %y2 = MatMul(%b, @d2)    loc("down2")
  %y3 = MatMul(%b, @d3)    loc("down3")
  %y4 = MatMul(%b, @d4)    loc("down4")
  return %y1, %y2, %y3, %y4
}
T
check 'weights with equal shares' 0 '' "$fovea" run four.fvir -o four --save-inputs four_in
check 'two ranks of them' 0 '' "$fovea" shard four.fvir --ranks 2 -o p4
check 'what they compute' 0 '4 of 4 outputs as expected' "$fovea" run p4 --data-set four_in --expect four
check 'its exchanges' 0 '"exchanges": 4,' "$fovea" bench p4 --seconds 0.05 --json
finish
