# Tests maps and sequences of maps as files: of a classifier as exporters write it, and of operators that read maps.
. "$(dirname "$0")/lib.sh"
message() { "$protoc" --proto_path="$root/frontend" --encode="onnx.$1" "$root/frontend/onnx.proto" >"$2" || exit 1; }
decoded() { "$protoc" --proto_path="$root/frontend" --decode="onnx.$1" "$root/frontend/onnx.proto" <"$2"; }
number() { printf 'tensor_values { data_type: 1 raw_data: "%s" } ' "$1"; } # of f32
zero='\000\000\000\000' one='\000\000\200?' two='\000\000\000@' half='\000\000\000?'

mkdir -p clf/test_data_set_0
onnx clf/model.onnx <<'T'
ir_version: 8
opset_import { domain: "" version: 15 } opset_import { domain: "ai.onnx.ml" version: 1 }
graph {
  name: "clf"
  node { op_type: "LinearClassifier" domain: "ai.onnx.ml" input: "X" output: "label" output: "scores"
    attribute { name: "coefficients" type: FLOATS floats: 1 floats: 0 floats: 0 floats: 1 floats: 1 floats: 1 }
    attribute { name: "intercepts" type: FLOATS floats: 0 floats: 0 floats: 0 }
    attribute { name: "classlabels_ints" type: INTS ints: 0 ints: 10 ints: -7 }
    attribute { name: "post_transform" type: STRING s: "NONE" } }
  node { op_type: "Normalizer" domain: "ai.onnx.ml" input: "scores" output: "probabilities" attribute { name: "norm" type: STRING s: "L1" } }
  node { op_type: "ZipMap" domain: "ai.onnx.ml" input: "probabilities" output: "output_probability"
    attribute { name: "classlabels_int64s" type: INTS ints: 0 ints: 10 ints: -7 } }
  input { name: "X" type { tensor_type { elem_type: 1 shape { dim { dim_param: "N" } dim { dim_value: 2 } } } } }
  output { name: "label" type { tensor_type { elem_type: 7 shape { dim { dim_param: "N" } } } } }
  output { name: "output_probability" type { sequence_type { elem_type { map_type { key_type: 7 value_type { tensor_type { elem_type: 1 } } } } } } }
}
T
set=clf/test_data_set_0
message TensorProto $set/input_0.pb <<T
dims: 2 dims: 2 data_type: 1 raw_data: "$one$zero$zero$one"
T
message TensorProto $set/output_0.pb <<T
dims: 2 data_type: 7 int64_data: 0 int64_data: 10
T
# in another order than the labels, as whoever sorts keys writes them
sequence() { # VALUE VALUE: of the keys of the first map, 0 and 10
    printf 'elem_type: 4 map_values { key_type: 7 keys: -7 keys: 0 keys: 10 values { elem_type: 1 %s %s %s } }' "$(number $half)" "$(number $1)" "$(number $2)"
    printf 'map_values { key_type: 7 keys: -7 keys: 0 keys: 10 values { elem_type: 1 %s %s %s } }' "$(number $half)" "$(number $zero)" "$(number $half)"
}
sequence $half $zero | message SequenceProto $set/output_1.pb
check 'a classifier, its outputs in .pb' 0 '^3 passed, 0 failed' "$fovea" test clf --backend=jit,c,interp
check 'naive' 0 '^1 passed, 0 failed' "$fovea" test clf --backend=interp --schedule=naive
sequence $half $half | message SequenceProto $set/output_1.pb
check 'another value' 1 "output 'output_probability' values, by ascending keys: element 2 is 0, expected 0.5" "$fovea" test clf --backend=interp
sequence $half $zero | sed 's/keys: 10/keys: 11/' | message SequenceProto $set/output_1.pb
check 'another key' 1 "output 'output_probability' keys, by ascending keys: element 2 is 10, expected 11" "$fovea" test clf --backend=interp
printf 'elem_type: 4' | message SequenceProto $set/output_1.pb
check 'fewer maps' 1 "output 'output_probability' ends of maps" "$fovea" test clf --backend=interp

run() { "$fovea" run clf/model.onnx --input X=$set/input_0.pb "$@"; }
check 'printed' 0 '^output_probability  seq\(map\(i64, f32\)\)\[2\]  \{ 0: 0.5, 10: 0, -7: 0.5 \} \{ 0: 0, 10: 0.5, -7: 0.5 \}$' run
check 'as json' 0 '"10": 0.5' run --json
said '"type": "seq\(map\(i64, f32\)\)"'
check 'written' 0 'output_probability -> o/output_probability.json' run -o o
grep -qx '\[{"0": 0.5, "10": 0.0, "-7": 0.5}, {"0": 0.0, "10": 0.5, "-7": 0.5}\]' o/output_probability.json && tell 'JSON' yes || tell 'JSON' no
check 'as expected' 0 '^2 of 2 outputs as expected$' run --expect o
check 'written as pb' 0 'output_probability.pb' run -o p --format=pb
decoded SequenceProto p/output_probability.pb >text
grep -q 'keys: -7' text && grep -q 'key_type: 7' text && grep -q 'elem_type: 4' text && tell 'a SequenceProto' yes || tell 'a SequenceProto' no
check 'pb as expected' 0 '^2 of 2 outputs as expected$' run --expect p
echo '[{"10": 0, "0": 0.5, "-7": 0.5}, {"0": 0, "10": 0.5}]' >o/output_probability.json
check 'a key missing' 1 'FAILED output_probability: ends of maps' run --expect o
"$fovea" opt -q clf/model.onnx --passes= -o again.onnx
check 'written again' 0 'elem_type \{ *$' decoded ModelProto again.onnx
said 'map_type'
check 'and read' 0 '10: 0.5' "$fovea" run again.onnx --input X=$set/input_0.pb

# labels that are strings are as many bytes a row: nothing is for the run to tell
cat >words.fvir <<'T'
fovea-ir 1
module "words"
symbol n 0..100
func @main(%x: f32[n, 2]) -> (%z) {
  %z = ai.onnx.ml.ZipMap(%x) {classlabels_strings = ["yes", "no"]}
  return %z
}
T
check 'C' 0 'Nothing is allocated; env->alloc is never called' sh -c "'$fovea' compile -q words.fvir -o words.c && cat words.h"
check 'no rows' 0 '^z  seq\(map\(string, f32\)\)\[0\] $' "$fovea" run words.fvir --dim n=0
check 'npy' 1 "'z' is seq\(map\(string, f32\)\), which .npy does not hold: give .json or .pb" "$fovea" run words.fvir --dim n=1 -o z.npy
check 'one file' 0 'z -> z.json' "$fovea" run words.fvir --dim n=1 -o z.json
check 'standard output' 0 '^\[\{"yes": ' "$fovea" run words.fvir --dim n=1 -q -o -

# ---- maps that are read ----
cat >read.fvir <<'T'
fovea-ir 1
module "read"
func @main(%m: map(string, f32[]), %i: map(u8, i64[]), %s: seq(map(i64, string[])), %b: map(i16, bool[]), %u: map(u64, u64[])) -> (%y, %i, %s, %b, %u) {
  %y = ai.onnx.ml.DictVectorizer(%m) {string_vocabulary = ["b", "a", "c"]}
  return %y, %i, %s, %b, %u
}
T
echo '{"a": 1, "b": 2.5, "ü": "-inf"}' >m.json
echo '{"3": -4, "255": 9223372036854775807}' >i.json
echo '[{"-1": "x\u00fc", "5": ""}, {}, {"9223372036854775807": "z"}]' >s.json
echo '{"1": true, "-32768": false}' >b.json
echo '{"18446744073709551615": "18446744073709551615", "0": 1}' >u.json
all() { "$fovea" run read.fvir --backend=interp --input i=i.json --input s=s.json --input b=b.json --input u=u.json "$@"; }
check 'JSON in' 0 '^y  f32\[1, 3\] .* 2.5 1 0$' all --input m=m.json
said '^i  map\(u8, i64\)\[2\]  \{ 3: -4, 255: 9223372036854775807 \}$'
said '^s  seq\(map\(i64, string\)\)\[3\]  \{ -1: "xü", 5: "" \} \{ \} \{ 9223372036854775807: "z" \}$'
said '^b  map\(i16, bool\)\[2\]  \{ 1: 1, -32768: 0 \}$'
said '^u  map\(u64, u64\)\[2\]  \{ 18446744073709551615: 18446744073709551615, 0: 1 \}$'
for format in pb json; do
    [ $format = pb ] && all -q --input m=m.json -o r$format --format=pb >out 2>err || all -q --input m=m.json -o r$format >out 2>err
    for v in i s b u; do mv r$format/$v.$format $v.in.$format; done
    check "$format in, as it was written" 0 '18446744073709551615: 18446744073709551615' "$fovea" run read.fvir --backend=interp --input m=m.json \
        --input i=i.in.$format --input s=s.in.$format --input b=b.in.$format --input u=u.in.$format
    said '\{ -1: "xü", 5: "" \} \{ \} \{ 9223372036854775807: "z" \}$'
done
check 'a map needs a file' 1 "input 'm' is a map, of which no random one is made: give --input m=F.json" all
bad() { # NAME PATTERN JSON: as m
    echo "$3" >bad.json
    check "$1" 1 "$2" all --input m=bad.json
}
bad 'no object' 'bad.json: it is no object' '[1]'
bad 'a key twice' 'bad.json.*(duplicate|twice)' '{"a": 1, "a": 2}'
bad 'no number' "bad.json: the value of 'a' is no f32" '{"a": "one"}'
bad 'a list' "bad.json: the value of 'a' is no f32" '{"a": [1]}'
bad 'no JSON' 'bad.json:2: ' '{'
badly() { # NAME PATTERN INPUT JSON
    echo "$4" >bad.json
    check "$1" 1 "$2" all --input m=m.json --input "$3=bad.json"
}
badly 'a key that does not fit' "bad.json: the key '256' is no u8" i '{"256": 1}'
badly 'a key below 0' "bad.json: the key '-1' is no u64" u '{"-1": 1}'
badly 'a key that is no number' "bad.json: the key '1x' is no u8" i '{"1x": 1}'
badly 'a key without digits' "bad.json: the key '' is no u8" i '{"": 1}'
badly 'one integer twice' "'bad.json' holds a map with the key 1 twice" i '{"1": 1, "01": 2}'
badly 'a value that is no integer' "bad.json: the value of '1' is no i64" i '{"1": 1.5}'
badly 'no list' 'bad.json: it is no list of objects' s '{"1": "a"}'
badly 'a value that is no string' "bad.json: the value of '1' is no string" s '[{"1": 1}]'
badly 'a value that is no bool' "bad.json: the value of '1' is no bool" b '{"1": 1}'
worse() { # NAME PATTERN TEXT: a MapProto as m
    printf '%s' "$3" | message MapProto bad.pb
    check "$1" 1 "$2" all --input m=bad.pb
}
worse 'keys of another type' "'bad.pb' holds a map with keys of i64, expected string" "key_type: 7 keys: 1 values { $(number $one) }"
worse 'keys of both kinds' 'keys that are integers, and others that are strings' "key_type: 8 keys: 1 string_keys: 'a' values { $(number $one) $(number $one) }"
worse 'more keys than values' 'holds a map with 2 keys and 1 values' "key_type: 8 string_keys: 'a' string_keys: 'b' values { $(number $one) }"
worse 'no values' 'holds a map with 1 keys and 0 values' "key_type: 8 string_keys: 'a'"
worse 'a key twice in pb' "'bad.pb' holds a map with the key 'a' twice" "key_type: 8 string_keys: 'a' string_keys: 'a' values { $(number $one) $(number $two) }"
worse 'values of another type' 'a map to 1 elements of i64, expected one of f32' "key_type: 8 string_keys: 'a' values { tensor_values { data_type: 7 int64_data: 1 } }"
worse 'several values for a key' 'a map to 2 elements of f32, expected one of f32' "key_type: 8 string_keys: 'a' values { tensor_values { dims: 2 data_type: 1 float_data: 1 float_data: 2 } }"
printf 'elem_type: 1 tensor_values { data_type: 1 float_data: 1 }' | message SequenceProto bad.pb
check 'tensors' 1 "'bad.pb' holds something else than maps in a sequence" all --input m=m.json --input s=bad.pb
printf 'key_type: 2 keys: 256 values { tensor_values { data_type: 7 int64_data: 1 } }' | message MapProto bad.pb
check 'a key that does not fit, in pb' 1 "'bad.pb' holds the key 256, which is no u8" all --input m=m.json --input i=bad.pb

# ---- by their parts ----
cat >twice.fvir <<'T'
fovea-ir 1
module "twice"
func @main(%m: map(i64, f32[])) -> (%y, %m) {
  %y = ai.onnx.ml.CastMap(%m)
  return %y, %m
}
T
npy k.npy '<i8' '2,' '\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0'
npy v.npy '<f4' '2,' '\0\0\200?\0\0\0@'
npy w.npy '<f4' '1,' '\0\0\200?'
npy l.npy '<i8' '2,' '\2\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0'
for backend in interp jit c; do
    check "parts, $backend" 0 '^y .* 2 1$' "$fovea" run twice.fvir --backend=$backend --input m.keys=l.npy --input m.values=v.npy
    check "a key twice, $backend" 1 'no key is there twice' "$fovea" run twice.fvir --backend=$backend --input m.keys=k.npy --input m.values=v.npy
    check "fewer values than keys, $backend" 1 "m.entries|m.values" "$fovea" run twice.fvir --backend=$backend --input m.keys=k.npy --input m.values=w.npy
done
finish
