# Tests `shard` of models whose inputs and outputs are cut: caches of decoders, keys and masks of heads.
. "$(dirname "$0")/lib.sh"
export FOVEA_CACHE_DIR=$work/cache # parts that several runs have are compiled once
stories=$root/examples/stories/stories.onnx # three heads, so that ranks have one or two

# Caches in and out, with all consumers.
dims='--dim batch=2 --dim s=4 --dim past=5'
check 'the whole decoder' 0 'present.2.value' "$fovea" run "$stories" $dims -o whole --save-inputs in
check 'its ids' 0 '^26,13,1,20,13,29,1,13$' "$fovea" generate "$stories" --ids 0,20,12 --tokens 8 -q
for ranks in 1 2 3; do
    check "$ranks ranks" 0 '' "$fovea" shard "$stories" --ranks $ranks --print-plan -o p$ranks
    check "$ranks ranks give what the whole decoder gives" 0 '7 of 7 outputs as expected' "$fovea" run p$ranks $dims --data-set in \
        --expect whole
    check "$ranks ranks with one thread" 0 '' "$fovea" run p$ranks $dims --data-set in --threads=1 -o jit$ranks
    for other in '--backend=interp' '--backend=c' '--threads=7'; do
        check "$ranks ranks with $other" 0 '7 of 7 outputs as expected' "$fovea" run p$ranks $dims --data-set in $other \
            --expect jit$ranks --atol=0 --rtol=0
    done
    check "$ranks ranks generate" 0 '^26,13,1,20,13,29,1,13$' "$fovea" generate p$ranks --ids 0,20,12 --tokens 8 -q
    check "$ranks ranks keep their caches in place" 0 '"caches_in_place": 6' "$fovea" generate p$ranks --ids '0,20;0,12,9' \
        --tokens 3 --json
done
check 'a plan' 0 "each rank has its share of 'past_key_values.0.key', 'past_key_values.0.value', 'present.0.key', 'present.0.value'" \
    "$fovea" shard "$stories" --ranks 2 --print-plan
check 'the list of shares' 0 '"output": "present.2.value"' cat p2/parts.json
check 'the shares of three heads' 0 '^1 2 *$' python3 -c 'import json; print(*json.load(open("p2/parts.json"))["shares"][0]["sizes"])'
check 'one part has its heads' 0 'past_key_values.0.key.*f32\[batch, 1, past, 16\]' "$fovea" inspect p2/rank0.onnx

# Drawn ids, and prompts of several lengths.
check 'drawn ids' 0 '' "$fovea" generate "$stories" --ids '0,20;0,12,9;0,7' --tokens 9 --temperature 0.8 --top-k 5 --seed 3 -q
cp out drawn
check 'drawn ids of parts' 0 '' "$fovea" generate p3 --ids '0,20;0,12,9;0,7' --tokens 9 --temperature 0.8 --top-k 5 --seed 3 -q
cp out drawn_by_parts
check 'are the same' 0 'are identical' diff -s drawn drawn_by_parts

# Keys and values that are inputs, a mask for each head, and a state declared in the graph; five heads over two ranks.
cat >cross.fvir <<'T'
fovea-ir 1
module "m"
symbol n 1..64
symbol keys 0..64
const @heads: i64[3] = [0, 5, 4]
const @all: i64[2] = [0, 20]
const @wq: f32[8, 20] = file "weights.bin" 0 640
const @wo: f32[20, 8] = file "weights.bin" 640 640
const @scale: f32[5, 1, 1] = [0.5, 0.25, 1.0, 2.0, 0.125]
func @main(%x: f32[n, 8], %k: f32[5, keys, 4], %v: f32[5, keys, 4], %keep: bool[5, n, keys], %used: f32[5, 1, keys])
    -> (%y, %next state %used, %scores) {
  %q0 = MatMul(%x, @wq)    loc("query")
  %q1 = Reshape(%q0, @heads)
  %q2 = Transpose(%q1) {perm = [1, 0, 2]}
  %q = Mul(%q2, @scale)
  %kt = Transpose(%k) {perm = [0, 2, 1]}
  %s0 = MatMul(%q, %kt)
  %s = Where(%keep, %s0, @low)
  %p = Softmax(%s) {axis = -1}
  %u = ReduceSum(%p, @queries)
  %next = Add(%used, %u)
  %o0 = MatMul(%p, %v)
  %o1 = Transpose(%o0) {perm = [1, 0, 2]}
  %o = Reshape(%o1, @all)
  %y = MatMul(%o, @wo)    loc("out")
  %scores = Relu(%s)
  return %y, %next, %scores
}
T
sed -i 's/^const @heads/const @low: f32[] = -9.0\nconst @queries: i64[1] = [1]\n&/' cross.fvir
floats weights.bin 400
check 'keys that are inputs' 0 "share of 'k', 'v', 'keep', 'used', 'next'" "$fovea" shard cross.fvir --ranks 2 --print-plan -o cross
said "cut +5 units, .*: query to out, 'scores'"
said 'exchanges keys \* n \* 12 bytes'
check 'its whole model' 0 'scores' "$fovea" run cross.fvir --dim n=3 --dim keys=7 -o whole_cross --save-inputs in_cross
check 'its parts' 0 '3 of 3 outputs as expected' "$fovea" run cross --dim n=3 --dim keys=7 --data-set in_cross --expect whole_cross
npy k.npy '<f4' '4, 7, 4' ''
head -c 448 /dev/zero >>k.npy
check 'an input with too few heads' 1 "input 'k'.*4" "$fovea" run cross --dim n=3 --input k=k.npy

# A state whose next value is whole: its input is not cut.
sed 's/%next = Add(%used, %u)/%next = Softmax(%u0) {axis = 0}/; s/^  %o0 =/  %u0 = Add(%used, %u)\n&/' cross.fvir | awk '
    /%next = Softmax/ {held = $0; next} {print} /%u0 = Add/ {print held}' >mixed.fvir
check 'a state that needs all heads' 0 "whole .*: query: .* .Softmax. needs axis 0 of operand 0 as a whole" \
    "$fovea" shard mixed.fvir --ranks 2 --print-plan
sed 's/%next = Add(%used, %u)/%next = Exp(@zero)\n  %z = Add(%used, %u)/; s/%scores = Relu(%s)/%scores = Relu(%z)/;
    s/^const @heads/const @zero: f32[5, 1, 7] = [0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]\n&/;
    s/keys/7/g; /^symbol 7/d' cross.fvir >kept.fvir
check 'a state that is whole' 0 "whole .*: query: input 'used', axis 0, would be cut, but not output 'next'" \
    "$fovea" shard kept.fvir --ranks 2 --print-plan

# One head: an axis of one index before that of the positions, in the memory of the state.
cat >one.fvir <<'T'
fovea-ir 1
module "m"
symbol b 0..8
symbol p 0..64
symbol s 0..64
symbol room 0..128
func @main(%q: f32[b, 1, s, 16], %past: f32[b, 1, p, 16], %new: f32[b, 1, s, 16]) -> (%y, %present) {
  %present = Concat(%past, %new) {axis = 2}
  %t = Transpose(%present) {perm = [0, 1, 3, 2]}
  %y = MatMul(%q, %t)
  return %y, %present
}
T
dims='--dim b=2 --dim p=3 --dim s=2'
check 'one head' 0 '' "$fovea" compile one.fvir --emit=kernels -o one.fvk
check 'its run' 0 'present' "$fovea" run one.fvk $dims -o whole_one
sed '/^func/s/%present) {/%present state %past capacity room) {/' one.fvir >place.fvir
check 'one head in place' 0 '' "$fovea" compile place.fvir --emit=kernels -o place.fvk
for backend in jit interp c; do
    check "one head in place, $backend" 0 '2 of 2 outputs as expected' "$fovea" run place.fvk $dims --dim room=9 --backend=$backend \
        --expect whole_one --atol=0 --rtol=0
done

# Lists that are wrong.
broken() {
    rm -rf bad && cp -r p2 bad && python3 -c '
import json, sys
d = json.load(open("bad/parts.json"))
s = d["shares"][0]
exec(sys.argv[1])
json.dump(d, open("bad/parts.json", "w"))' "$2"
    check "$1" 1 "$3" "$fovea" run bad
}
broken 'a share without a name' 'del s["input"]' 'shares\[0\] has no name of an input or output'
broken 'a share without an axis' 's["axis"] = -1' 'shares\[0\] has no name of an input or output, no axis'
broken 'a share of too few ranks' 's["sizes"] = [3]' 'no sizes of 2 ranks'
broken 'a share of no size' 's["sizes"] = [1, "2"]' 'shares\[0\]: the size of rank 1 is no size of an axis'
broken 'a share of another size' 's["sizes"] = [2, 1]' "rank 0 has no input 'past_key_values.0.key' with 2 along axis 1"
broken 'a share of another input' 's["input"] = "past"' "rank 0 has no input 'past' with 1 along axis 1"
broken 'a share along another axis' 's["axis"] = 7' "rank 0 has no input 'past_key_values.0.key' with 1 along axis 7"
check 'a tuning of parts' 2 'tuning is for one model' "$fovea" generate p2 --ids 1 --tuning=none
check 'no time to wait' 2 'timeout takes seconds' "$fovea" generate p2 --ids 1 --timeout=0
check 'a folder without parts' 1 'is a folder without parts.json' "$fovea" generate in --ids 1
finish
