# Tests the annotations of ONNX that state how devices share tensors: `shard -o M.onnx` writes them, and `shard` without --ranks and
# --plan cuts as they say.
. "$(dirname "$0")/lib.sh"
export FOVEA_CACHE_DIR=$work/cache # parts that several runs have are compiled once
floats weights.bin 400
cat >m.fvir <<'T'
fovea-ir 1
module "m"
symbol n 0..64
const @up: f32[4, 7] = file "weights.bin" 0 112
const @down: f32[7, 4] = file "weights.bin" 112 112
const @last: f32[4, 3] = file "weights.bin" 224 48
func @main(%x: f32[n, 4]) -> (%y) {
  %a = MatMul(%x, @up)    loc("up")
  %b = Relu(%a)    loc("relu")
  %c = MatMul(%b, @down)    loc("down")
  %d = Add(%c, %x)    loc("add")
  %e = MatMul(%d, @last)    loc("last")
  %y = Softmax(%e) {axis = 1}
  return %y
}
T
decode() { "$protoc" --proto_path="$root/frontend" --decode=onnx.ModelProto "$root/frontend/onnx.proto" <"$1"; }
have_protoc() { decode "$1" >/dev/null 2>&1; }
check 'the whole model' 0 'y  f32' "$fovea" run m.fvir --dim n=5 -o whole --save-inputs in
check 'an annotated model' 0 '^a.onnx +4 tensors are annotated for 2 devices' "$fovea" shard m.fvir --ranks 2 -o a.onnx
check 'it computes the same' 0 '1 of 1 outputs as expected' "$fovea" run a.onnx --dim n=5 --data-set in --expect whole --atol=0 --rtol=0
protoc=$(command -v protoc || command -v protoc-c)
if have_protoc a.onnx; then
    decode a.onnx | tr -s ' \n' ' ' >text
    for part in 'ir_version: 1[1-9]' 'configuration { name: "ranks" num_devices: 2 }' \
        'name: "up" op_type: "MatMul" device_configurations { configuration_id: "ranks" sharding_spec { tensor_name: "up" device: 0 device: 1 sharded_dim { axis: 1 simple_sharding { dim_value: 7 num_shards: 2 } } } sharding_spec { tensor_name: "a"' \
        'tensor_name: "down" device: 0 device: 1 sharded_dim { axis: 0 '; do
        grep -Eq "$part" text && tell "annotation $part" yes || tell "annotation $part" no
    done
    grep -q 'tensor_name: "[cdey]"\|tensor_name: "last"' text && tell 'what is whole has none' no || tell 'what is whole has none' yes
else
    echo 'skipped: the text of the annotations, there is no protoc that decodes'
fi
"$fovea" opt m.fvir -q -o plain.onnx
check 'asks for ranks' 2 'into how many parts' "$fovea" shard plain.onnx -o p

# Read again, they are the plan.
check 'the plan of the model' 0 '' "$fovea" shard m.fvir --ranks 2 --print-plan
cp out direct
check 'the plan of its annotations' 0 '' "$fovea" shard a.onnx --print-plan
grep -v '^--' out >of_them; grep -v '^--' direct | cmp -s - of_them && tell 'are the same' yes || tell 'are the same' no
check 'its parts' 0 'rank1.onnx' "$fovea" shard a.onnx -o p
check 'what they compute' 0 'outputs as expected' "$fovea" run p --dim n=5 --data-set in --expect whole
check 'inspect' 0 '^ranks +2$' "$fovea" inspect a.onnx --shards --dim n=5
check 'another number of ranks' 0 'ranks = 3' "$fovea" shard a.onnx --ranks 3 --print-plan
check 'annotated again' 0 'again.onnx' "$fovea" shard a.onnx -o again.onnx
check 'the plan of these annotations' 0 '' "$fovea" shard again.onnx --print-plan
grep -v '^--' out | cmp -s - of_them && tell 'is the same, too' yes || tell 'is the same, too' no
stories=$root/examples/stories/stories.onnx
check 'a decoder' 0 's.onnx' "$fovea" shard "$stories" --ranks 3 -o s.onnx
check 'its parts by annotations' 0 'rank2.onnx' "$fovea" shard s.onnx -o s3
check 'its parts by the search' 0 'rank2.onnx' "$fovea" shard "$stories" --ranks 3 -o t3
check 'a run' 0 'logits' "$fovea" run s3 --dim past=3 -o out3
grep -q warning err && tell 'parts have the shapes that they declare' no || tell 'parts have the shapes that they declare' yes
check 'the same bits' 0 '7 of 7 outputs as expected' "$fovea" run t3 --dim past=3 --expect out3 --atol=0 --rtol=0
check 'nothing to cut' 0 'note: nothing can be cut: no tensor is annotated' "$fovea" shard m.fvir --ranks 64 -o none.onnx

# Written by others: factors with exchanged axes, negative axes, several configurations of a node, and blocks.
# model DEVICES SPEC_OF_UP [SPEC_OF_DOWN]; model_text: its text; named_m: with two nodes of the same name
spec() { printf 'sharding_spec { tensor_name: "%s" sharded_dim { axis: %s simple_sharding { num_shards: %s } } }' "$@"; }
# axis AXIS NUM_SHARDS...: an axis with that many entries; entries TENSOR FIELDS: a specification
axis() {
    printf 'sharded_dim { axis: %s' "$1"
    shift
    printf ' simple_sharding { num_shards: %s }' "$@"
    printf ' }'
}
entries() { printf 'sharding_spec { tensor_name: "%s" %s }' "$@"; }
model_text() {
    cat <<T
ir_version: 11 opset_import { version: 17 }
configuration { name: "two" num_devices: $1 } configuration { name: "four" num_devices: 4 }
graph { name: "g"
  input { name: "x" type { tensor_type { elem_type: 1 shape { dim { dim_param: "n" } dim { dim_value: 2 } } } } }
  output { name: "y" type { tensor_type { elem_type: 1 shape { dim { dim_param: "n" } dim { dim_value: 2 } } } } }
  initializer { name: "up" dims: 4 dims: 2 data_type: 1 float_data: [1, 2, 3, 4, 5, 6, 7, 8] }
  initializer { name: "down" dims: 4 dims: 2 data_type: 1 float_data: [8, 7, 6, 5, 4, 3, 2, 1] }
  node { op_type: "Gemm" name: "up" input: "x" input: "up" output: "a" attribute { name: "transB" i: 1 type: INT }
    device_configurations { configuration_id: "four" $(spec up 1 4) } device_configurations { configuration_id: "two" $2 } }
  node { op_type: "Relu" name: "relu" input: "a" output: "b" }
  node { op_type: "MatMul" name: "down" input: "b" input: "down" output: "y" device_configurations { configuration_id: "two" ${3-} } }
}
T
}
model() { model_text "$@" | onnx other.onnx; }
nothing_noted() { [ -s err ] && tell "$name: notes nothing" no || tell "$name: notes nothing" yes; }
named_m() { model_text "$@" | sed 's/name: "[a-z]*" input/name: "m" input/' | onnx other.onnx; }
model 2 "$(spec up -2 2)"
check 'columns of a factor that is transposed' 0 'node = "up", axis = "columns"' "$fovea" shard other.onnx --print-plan
said 'node = "down", axis = "rows", collective = "all-reduce"'
model 2 "$(spec up 0 2)" "$(spec b 1 2) $(spec down -2 2)"
check 'two factors that agree' 0 'node = "down", axis = "rows"' "$fovea" shard other.onnx --print-plan
noted "warning: node 'down': the sharding of 'b' is ignored: the model does not state its rank"
model 2 "$(spec up 1 1)" "$(spec down 1 2)"
check 'an axis of one share is whole' 0 'node = "down", axis = "columns", collective = "all-gather"' "$fovea" shard other.onnx --print-plan
said 'node = "up", axis = "whole"'
model 2 "$(entries up "device: [0, 1] $(axis 0 2)")"
check 'devices in order' 0 'node = "up", axis = "columns"' "$fovea" shard other.onnx --print-plan
nothing_noted
model 2 "$(entries up 'device: -1 index_to_device_group_map { key: -1 value: [1, 0] }')" "$(spec down 1 2)"
check 'copies of a factor on a group' 0 'node = "up", axis = "whole"' "$fovea" shard other.onnx --print-plan
model 2 "$(entries up "$(axis 0 1 2)")"
check 'an axis in blocks' 0 'node = "up", axis = "columns"' "$fovea" shard other.onnx --print-plan
named_m 2 "$(spec up 0 2)" "$(spec down 0 2)"
check 'two nodes of one name' 0 'node = "m", axis = "rows", collective = "all-reduce"' "$fovea" shard other.onnx --print-plan
said 'node = "m", axis = "columns"}'
named_m 2 '' "$(spec down 1 2)"
check 'of two nodes the second' 0 'node = "m", axis = "columns", collective = "all-gather"' "$fovea" shard other.onnx --print-plan
grep 'node = "m"' out | head -n 1 | grep -q '"whole"' && tell 'the first one is whole' yes || tell 'the first one is whole' no
said 'whole .*: m: no sharding of its factors was read'
nothing_noted
named_m 2 "$(spec up 0 2)" "$(spec down 1 2)"
check 'of two nodes of one name the second is not dropped' 1 "the annotations have axis 'columns'" "$fovea" shard other.onnx --print-plan

# Nothing is stated of a factor.
model 2 "$(spec a 1 2)" "$(spec y 1 2)"
check 'shares of results only' 0 'whole .*: up: no sharding of its factors was read' "$fovea" shard other.onnx --print-plan
noted '^other.onnx: warning: the annotations share no factor of a product among the devices, so no product is cut$'
check 'parts that are whole' 0 'note: nothing is cut: each rank runs the whole model' "$fovea" shard other.onnx -o uncut
check 'no annotations again' 0 'note: nothing is cut: no tensor is annotated' "$fovea" shard other.onnx -o again.onnx
model 2 '' "$(spec b 1 2)"
check 'one factor, of no stated rank' 0 'whole .*: down: no sharding of its factors was read' "$fovea" shard other.onnx --print-plan
noted "warning: node 'down': the sharding of 'b' is ignored"
grep -q 'share no factor' err && tell 'is said once' no || tell 'is said once' yes
model 1 ''
check 'one device' 0 'ranks = 1' "$fovea" shard other.onnx --print-plan
nothing_noted

# What cannot be.
model 2 "$(spec up 0 3)"
check 'another number of shares' 1 "node 'up': the sharding of 'up' has 3 shards, and the configuration 2 devices" "$fovea" shard other.onnx -o q
model 2 "$(spec up 2 2)"
check 'an axis that is not there' 1 "the sharding of 'up' has axis 2 of a tensor of rank 2" "$fovea" shard other.onnx -o q
model 2 "$(entries up "$(axis 0 2) $(axis 1 2)")"
check 'two axes' 1 "the sharding of 'up' shares two axes; one can be cut" "$fovea" shard other.onnx -o q
model 2 "$(entries up "$(axis 0 2) $(axis -2 2)")"
check 'an axis twice' 1 "the sharding of 'up' divides axis 0 twice; it can be cut once" "$fovea" shard other.onnx -o q
for devices in 2 4; do
    model $devices "$(entries up "device: [0, 1, 2, 3] $(axis 0 2 2)")"
    check "2 x 2 shares, $devices devices" 1 "node 'up': the sharding of 'up' divides axis 0 twice; it can be cut once" "$fovea" shard other.onnx -o q
done
model 2 "$(spec up 0 0)"
check 'no shares' 1 "the sharding of 'up' has 0 shards, and the configuration 2 devices" "$fovea" shard other.onnx -o q
model 2 "$(entries up "device: [1, 0] $(axis 0 2)")"
check 'devices in another order' 1 "node 'up': the sharding of 'up' gives share 0 to device 1; only device 0 can have it" "$fovea" shard other.onnx -o q
model 2 "$(entries up "device: [0, 0] $(axis 0 2)")"
check 'a device twice' 1 "the sharding of 'up' gives share 1 to device 0; only device 1 can have it" "$fovea" shard other.onnx -o q
model 2 "$(entries up "device: 0 $(axis 0 2)")"
check 'fewer devices than shares' 1 "node 'up': the sharding of 'up' lists 1 device for 2 shards" "$fovea" shard other.onnx -o q
model 2 "$(entries up "device: [0, 1, 2] $(axis 0 2)")"
check 'more devices than shares' 1 "the sharding of 'up' lists 3 devices for 2 shards" "$fovea" shard other.onnx -o q
model 2 "$(entries up "device: [-1, 1] index_to_device_group_map { key: -1 value: [0, 2] } $(axis 0 2)")"
check 'groups of devices' 1 "node 'up': the sharding of 'up' has groups of devices; a share can be that of one device only" "$fovea" shard other.onnx -o q
model 2 "$(spec up 0 2) $(spec x 1 2)"
check 'factors that disagree' 1 "node 'up': the shardings of its factors are along" "$fovea" shard other.onnx -o q
model 2 "$(spec up 1 2)"
check 'rows of an input that is whole' 1 "'up' .* the annotations have axis 'rows', and the cuts of the other nodes make it 'whole'" "$fovea" shard other.onnx -o q
model 0 ''
check 'no devices' 1 "configuration 'two' has 0 devices" "$fovea" shard other.onnx -o q
model 5000 "$(spec up 0 5000)"
check 'too many devices' 1 'annotated for 5000 devices, more than 1024 ranks' "$fovea" shard other.onnx -o q
model 7 "$(spec up 0 7)"
check 'fewer units than devices' 1 "'up' .* the annotations cut its columns, .* 4 units along the axis, fewer than ranks" "$fovea" shard other.onnx -o q
absent q/parts.json
check 'over the model' 1 'a.onnx would overwrite' "$fovea" shard a.onnx -o a.onnx
check 'a folder that is not there' 1 'absent/b.onnx' "$fovea" shard a.onnx -o absent/b.onnx
check 'not written' 0 '' "$fovea" shard a.onnx --print-plan
finish
