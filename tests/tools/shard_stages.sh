# Tests `shard --stages`: what stages compute has the bits of the model that is not cut into stages, and plans, caches and lists.
. "$(dirname "$0")/lib.sh"
export FOVEA_CACHE_DIR=$work/cache # parts that several runs have are compiled once
# unsaid TEXT: the last command has not printed it
unsaid() { grep -Eq -- "$1" out && tell "$name: does not say $1" no || tell "$name: does not say $1" yes; }
stories=$root/examples/stories/stories.onnx # three layers with caches of three heads

# A decoder in stages, alone and with ranks, by all consumers; each stage has the caches of its layers.
dims='--dim batch=2 --dim s=4 --dim past=5'
check 'the whole decoder' 0 'present.2.value' "$fovea" run "$stories" $dims -o whole1 --save-inputs in
check 'two ranks' 0 '' "$fovea" shard "$stories" --ranks 2 -o ranks2
check 'their outputs' 0 '' "$fovea" run ranks2 $dims --data-set in -o whole2
for cut in '2 1' '3 1' '2 2' '3 2'; do
    set -- $cut
    check "$1 stages of $2 ranks" 0 "rank$(($1 * $2 - 1)).fvir" "$fovea" shard "$stories" --stages $1 --ranks $2 -o s$1$2
    for backend in jit interp; do
        check "$1 stages of $2 ranks, $backend" 0 '7 of 7 outputs as expected' "$fovea" run s$1$2 $dims --data-set in \
            --backend=$backend --expect whole$2 --atol=0 --rtol=0
    done
    check "$1 stages of $2 ranks with seven threads" 0 '7 of 7 outputs as expected' "$fovea" run s$1$2 $dims --data-set in \
        --threads=7 --expect whole$2 --atol=0 --rtol=0
    check "$1 stages of $2 ranks generate" 0 '^26,13,1,20,13,29,1,13$' "$fovea" generate s$1$2 --ids 0,20,12 --tokens 8 -q
done
check 'with C' 0 '7 of 7 outputs as expected' "$fovea" run s22 $dims --data-set in --backend=c --expect whole2 --atol=0 --rtol=0
check 'a part has the caches of its stage' 0 'past_key_values.2.key.*f32\[batch, 1, past, 16\]' "$fovea" inspect s32/rank4.fvir
unsaid 'past_key_values.1.key'
check 'and those in place' 0 '"caches_in_place": 2' "$fovea" generate s31 --ids 0,20 --tokens 2 --json
check 'the list of ports' 0 '"stage": 2,' cat s32/parts.json
check 'the number of stages' 0 '"stages": 3,' cat s32/parts.json

# What is sent is what the graph says.
check 'links' 0 '^link +rank 0 sends 960 bytes to rank 1 in a run, as the graph says$' "$fovea" bench s31 --at batch=1 --at s=5 \
    --seconds 0.05
said '^link +rank 2 sends 144 bytes to rank 0 in a run, as the graph says$'
check 'links as JSON' 0 '"predicted_bytes": 192' "$fovea" bench s32 --at batch=1 --at s=1 --seconds 0.05 --json
said '"stages": 3,$'

# Plans.
check 'a plan' 0 '^-- stage 1 +.*, 2 states, begins with /model/layers.1/norm/ReduceMean$' "$fovea" shard "$stories" --stages 3 \
    --ranks 2 --print-plan
said '^-- +each rank sends batch \* s \* 192 bytes to stage 1: /model/layers.0/Add_1$'
said '^-- +each rank sends batch \* 144 bytes to stage 1: output /head/Gemm$'
cp out plan.lua
check 'the plan again' 0 'rank5.fvir' "$fovea" shard "$stories" --plan plan.lua -o again
for rank in 0 3 5; do
    check "part $rank of the plan" 0 'are identical' diff -s s32/rank$rank.fvir again/rank$rank.fvir
done
echo 'return {stages = {"/model/layers.2/norm/ReduceMean"}}' >two.lua
check 'a plan of stages alone' 0 '^-- stage 1 ' "$fovea" shard "$stories" --plan two.lua --print-plan
said '^  ranks = 1,$'
check 'with ranks' 0 'rank3.fvir' "$fovea" shard "$stories" --plan two.lua --ranks 2 -o two
check 'what it computes' 0 '7 of 7 outputs as expected' "$fovea" run two $dims --data-set in --expect whole2 --atol=0 --rtol=0
check 'a plan of ranks alone' 0 '' "$fovea" shard "$stories" --ranks 2 --print-plan
cp out ranks.lua
check 'with stages' 0 'rank5.fvir' "$fovea" shard "$stories" --plan ranks.lua --stages 3 -o both
for rank in 0 2 5; do
    check "part $rank of both" 0 'are identical' diff -s s32/rank$rank.fvir both/rank$rank.fvir
done
refused() {
    echo "return {$2}" >bad.lua
    check "$1" 1 "$3" "$fovea" shard "$stories" --plan bad.lua --print-plan
}
refused 'an unknown node' 'stages = {"none"}' "begins a stage with node 'none': the model has none"
refused 'stages in the wrong order' 'stages = {"/model/layers.2/norm/ReduceMean", "/model/layers.1/norm/ReduceMean"}' \
    'begins stage 2 with node .*, which is not after those of the stage before'
refused 'a stage without caches' 'stages = {"/head/Gemm"}' 'stage 1 of the plan has no state of the model'
refused 'stages that are no list' 'stages = 2' 'stages is a number, expected a list of nodes'
refused 'an entry that is no node' 'stages = {2}' 'entry 1 of stages is a number, expected a node'
refused 'another key' 'stages = {a = "b"}' "stages is a list of 0, and has an entry 'a'"
refused 'nothing' '' 'the plan has neither contractions nor stages'
check 'two numbers of stages' 1 'is a plan for 2 stages, and --stages says 3' "$fovea" shard "$stories" --plan two.lua --stages 3 \
    --print-plan
check 'more stages than caches' 1 'cannot be cut into 7 stages: .* with a state of the model in each stage' "$fovea" shard "$stories" \
    --stages 7 --print-plan
check 'too many ranks' 1 '600 stages of 2 ranks: expected 1 to 1024 ranks in all' "$fovea" shard "$stories" --stages 600 --ranks 2 \
    --print-plan
check 'no number' 2 'stages takes a number' "$fovea" shard "$stories" --stages -1 -o none
check 'one stage' 0 'rank1.onnx' "$fovea" shard "$stories" --stages 1 --ranks 2 -o one

# A graph whose sizes data decide is cut where that is over; an output of the first stage, and one that two stages share.
floats weights.bin 2000
cat >m.fvir <<'T'
fovea-ir 1
module "m"
symbol n 1..64
const @w0: f32[8, 8] = file "weights.bin" 0 256
const @w1: f32[8, 8] = file "weights.bin" 256 256
const @w2: f32[8, 8] = file "weights.bin" 512 256
const @zero: f32[] = 0.0
func @main(%x: f32[n, 8], %keep: bool[n, 1]) -> (%early, %mask, %y, %same) {
  %m = Where(%keep, %x, @zero)
  %a = MatMul(%m, @w0)    loc("first")
  %i = NonZero(%a)
  %p = Transpose(%i)
  %early = GatherND(%a, %p)
  %s = ReduceSum(%early) {keepdims = 0}
  %b = Add(%a, %s)
  %c = MatMul(%b, @w1)    loc("second")
  %mask = Not(%keep)
  %d = Where(%keep, %c, %x)
  %y = MatMul(%d, @w2)    loc("third")
  %same = Identity(%y)
  return %early, %mask, %y, %same
}
T
check 'an output of a size that data decide' 1 "output 'early' cannot be sent to all stages" "$fovea" shard m.fvir --stages 2 -o none
sed -e 's/%early, //' m.fvir >sized.fvir
check 'the model' 0 '' "$fovea" run sized.fvir --dim n=7 -o sized --save-inputs sized_in
for stages in 2 3; do
    check "$stages stages" 0 '' "$fovea" shard sized.fvir --stages $stages -o sized$stages
    check "$stages stages compute the same" 0 '3 of 3 outputs as expected' "$fovea" run sized$stages --data-set sized_in --expect sized \
        --atol=0 --rtol=0
done
check 'what is repeated' 0 '' "$fovea" shard sized.fvir --stages 3 --print-plan
unsaid 'output .*Not'
said 'to stage 0: output '

# States with a dim of their own, to which no input of another stage gives a value: with it the output has the dim, or only the state.
for y in present.1.key c; do
    cat >own.fvir <<T
fovea-ir 1
module "own"
symbol p 0..100
symbol q 0..100
symbol n 1..100
const @w0: f32[8, 8] = file "weights.bin" 0 256
const @w1: f32[8, 8] = file "weights.bin" 256 256
func @main(%x: f32[n, 8], %\`past_key_values.0.key\`: f32[p, 8], %\`past_key_values.1.key\`: f32[q, 8]) -> (%y, %\`present.0.key\`, %\`present.1.key\`) {
  %a = MatMul(%x, @w0)    loc("first")
  %\`present.0.key\` = Concat(%\`past_key_values.0.key\`, %a) {axis = 0}
  %s = ReduceSum(%\`present.0.key\`) {keepdims = 0}
  %b = Add(%a, %s)
  %c = MatMul(%b, @w1)    loc("second")
  %\`present.1.key\` = Concat(%\`past_key_values.1.key\`, %c) {axis = 0}
  %y = Relu(%\`$y\`)
  return %y, %\`present.0.key\`, %\`present.1.key\`
}
T
    check "a state with a dim of its own, y of $y" 1 "state 'past_key_values.0.key' of stage 0 has the dim 'p', and no input of stage 1 gives" \
        "$fovea" shard own.fvir --stages 2 -o none
    absent none/parts.json
    check 'the other dim' 1 "state 'past_key_values.1.key' of stage 1 has the dim 'q', and no input of stage 0" "$fovea" shard own.fvir \
        --stages 2 --dim p=3 --print-plan
    check 'numbers' 0 '' "$fovea" shard own.fvir --stages 2 --dim p=3 --dim q=5 -o own$y
    check 'with them, the model' 0 '' "$fovea" run own.fvir --dim n=2 --dim p=3 --dim q=5 -o own$y.out --save-inputs own$y.in
    check 'and the stages' 0 '3 of 3 outputs as expected' "$fovea" run own$y --data-set own$y.in --expect own$y.out --atol=0 --rtol=0
done

# Lists that were damaged.
damage() {
    cp -r s31 bad$1 && sed "$2" s31/parts.json >bad$1/parts.json
    check "$3" 1 "$4" "$fovea" run bad$1 $dims
}
damage 0 's/"stages": 3/"stages": 2/' 'stages that do not divide the ranks' 'expected stages with as many ranks each, of 3 ranks'
damage 1 '0,/"stage": 0/s//"stage": 9/' 'a stage that is not there' 'shares\[0\] has no stage below 3'
damage 2 '0,/"stage": 0/s//"stage": 1/' 'another stage' "rank 0 has the input 'past_key_values.0.key', or the list has no place"
damage 3 '0,/"type": "f32"/s//"type": "f33"/' 'an unknown type' 'not the number, type and dims of its port'
damage 4 '0,/"number": 1/s//"number": 90/' 'a number beyond the inputs' 'or the list has no place for it'
damage 5 's/"present.0.key"/"present.0.value"/' 'two entries of an output' "shares.3.: the output 'present.0.value' has an entry already"
damage 6 's/"past_key_values.0.value"/"past_key_values.0.key"/' 'two entries of an input' \
    "shares.2.: the input 'past_key_values.0.key' has an entry already"
finish
