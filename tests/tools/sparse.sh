# Tests sparse tensors as files, SparseTensorProto and JSON: with coordinates and with linear indices, and with faults.
. "$(dirname "$0")/lib.sh"
sparse() { "$protoc" --proto_path="$root/frontend" --encode=onnx.SparseTensorProto "$root/frontend/onnx.proto" >"$1" || exit 1; }
tensor() { "$protoc" --proto_path="$root/frontend" --encode=onnx.TensorProto "$root/frontend/onnx.proto" >"$1" || exit 1; }

mkdir -p m/test_data_set_0 m/test_data_set_1
onnx m/model.onnx <<'T'
ir_version: 8
opset_import { domain: "" version: 15 } opset_import { domain: "com.microsoft" version: 1 }
graph {
  name: "m"
  node { op_type: "SparseToDenseMatMul" domain: "com.microsoft" input: "a" input: "b" output: "y" }
  input { name: "a" type { sparse_tensor_type { elem_type: 1 shape { dim { dim_value: 3 } dim { dim_value: 4 } } } } }
  input { name: "b" type { tensor_type { elem_type: 1 shape { dim { dim_value: 4 } dim { dim_value: 2 } } } } }
  output { name: "y" type { tensor_type { elem_type: 1 shape { dim { dim_value: 3 } dim { dim_value: 2 } } } } }
}
T
# [[0, 2, 0, 0], [0, 0, 0, 0], [3, 0, 0, -1]] times [[1, 2], [3, 4], [5, 6], [7, 8]]
values='values { name: "a" dims: 3 data_type: 1 float_data: 2 float_data: 3 float_data: -1 }'
linear='indices { dims: 3 data_type: 7 int64_data: 1 int64_data: 8 int64_data: 11 }'
rows='indices { dims: 3 dims: 2 data_type: 7 int64_data: 0 int64_data: 1 int64_data: 2 int64_data: 0 int64_data: 2 int64_data: 3 }'
dims='dims: 3 dims: 4'
for i in 0 1; do
    tensor m/test_data_set_$i/output_0.pb <<'T'
dims: 3 dims: 2 data_type: 1 float_data: 6 float_data: 8 float_data: 0 float_data: 0 float_data: -4 float_data: -2
T
    tensor b.pb <<'T'
name: "b" dims: 4 dims: 2 data_type: 1 float_data: 1 float_data: 2 float_data: 3 float_data: 4 float_data: 5 float_data: 6 float_data: 7 float_data: 8
T
    cp b.pb m/test_data_set_$i/input_$((1 - i)).pb # by name in the second
done
echo "$values $linear $dims" | sparse m/test_data_set_0/input_0.pb
echo "$values $rows $dims" | sparse m/test_data_set_1/input_1.pb
check 'data sets' 0 '^6 passed, 0 failed' "$fovea" test m --backend=jit,c,interp

run() { "$fovea" run m/model.onnx --input b=b.pb --input "a=$1" --expect m/test_data_set_0/output_0.pb --backend=interp; }
wanted='^1 of 1 outputs as expected$'
check 'a file' 0 "$wanted" run m/test_data_set_0/input_0.pb
echo '{"dims": [3, 4], "indices": [1, 8, 11], "values": [2, 3, -1]}' >a.json
check 'JSON' 0 "$wanted" run a.json
echo '{"values": ["2", 3.0, -1], "indices": [[0, 1], [2, 0], [2, 3]], "dims": [3, 4]}' >a.json
check 'JSON, along each axis' 0 "$wanted" run a.json
echo '{"dims": [3, 4], "indices": [], "values": []}' >a.json
check 'none' 1 '^FAILED y: element 0 is 0, expected 6' run a.json
check 'random ones' 0 '^y  f32\[3, 2\]' "$fovea" run m/model.onnx --backend=interp

# What is wrong with a file. refused WHAT MESSAGE PROTO: a SparseTensorProto of that text
refused() {
    echo "$3" | sparse bad.pb
    check "$1" 1 "error: 'bad.pb'$2" run bad.pb
}
i64() { # DIMS NUMBER...
    printf 'indices { data_type: 7 %s' "$1"
    shift
    printf ' int64_data: %s' "$@"
    printf ' }'
}
refused 'a place too far' ": index 2 is 12, outside of dims \[3, 4\]$" "$values $(i64 'dims: 3' 1 8 12) $dims"
refused 'a place before the first' ": index 0 is -1, outside of dims \[3, 4\]$" "$values $(i64 'dims: 3' -1 8 11) $dims"
refused 'a column too far' ": index 1 is \[2, 4\], outside of dims \[3, 4\]$" "$values $(i64 'dims: 3 dims: 2' 0 1 2 4 2 3) $dims"
refused 'a row before the first' ": index 0 is \[-1, 1\], outside of dims \[3, 4\]$" "$values $(i64 'dims: 3 dims: 2' -1 1 2 0 2 3) $dims"
refused 'another order' ": index 2 is 7, not greater than the previous one, 8: they must ascend, and none is there twice$" "$values $(i64 'dims: 3' 1 8 7) $dims"
refused 'one twice' ": index 1 is 1, not greater than the previous one, 1" "$values $(i64 'dims: 3' 1 1 7) $dims"
refused 'another order along axes' ": index 1 is \[0, 0\], not greater than the previous one, \[0, 1\]" "$values $(i64 'dims: 3 dims: 2' 0 1 0 0 2 3) $dims"
refused 'fewer places' ": values f32\[3\] and indices i64\[2\] do not fit each other: f32\[n\] and i64\[n\] or i64\[n, 2\] do$" "$values $(i64 'dims: 2' 1 8) $dims"
refused 'more axes' ": values f32\[3\] and indices i64\[3, 3\] do not fit each other" "$values $(i64 'dims: 3 dims: 3' 0 0 1 0 2 0 0 2 3) $dims"
refused 'places of another type' ": values f32\[3\] and indices i32\[3\] do not fit each other" "$values indices { dims: 3 data_type: 6 int32_data: 1 int32_data: 8 int32_data: 11 } $dims"
refused 'another rank' ' holds a sparse tensor of rank 3, expected 2$' "$values $linear $dims dims: 1"
refused 'another type' ' holds a sparse tensor of f64, expected f32$' "values { dims: 1 data_type: 11 double_data: 1 } $(i64 'dims: 1' 0) $dims"
refused 'no places' ' holds a sparse tensor without indices$' "$values $dims"
refused 'dims whose product has no number' ': dims \[4611686018427387904, 4\] are negative or too large$' "$values $linear dims: 4611686018427387904 dims: 4"
refused 'negative dims' ': dims \[-3, 4\] are negative or too large$' "$values $linear dims: -3 dims: 4"
refused 'dims of 0' ': index 0 is 1, outside of dims \[0, 4\]$' "$values $linear dims: 0 dims: 4"
check 'a tensor' 1 "'b.pb' holds a tensor, expected a sparse tensor$" run b.pb
check 'a sparse tensor for another' 1 "input_0.pb' holds a sparse tensor, expected a tensor$" "$fovea" run m/model.onnx --input b=m/test_data_set_0/input_0.pb
echo "$values $rows dims: 70000000000 dims: 70000000" | sparse big.pb
check 'large dims make no dense tensor' 0 "$wanted" run big.pb
echo "$values $(i64 'dims: 3 dims: 2' 0 1 2 0 3 3) dims: 5 dims: 4" | sparse big.pb
check 'a place that the input does not have' 1 'is 3, out of range: may be -3 to 2$' run big.pb
wrong() { # WHAT MESSAGE JSON
    echo "$3" >a.json
    check "$1" 1 "error: '?a.json'?:$2" run a.json
}
wrong 'JSON: another order' " index 1 is 0, not greater than the previous one, 1" '{"dims": [3, 4], "indices": [1, 0], "values": [2, 3]}'
wrong 'JSON: a place too far' " index 1 is \[3, 0\], outside of dims \[3, 4\]$" '{"dims": [3, 4], "indices": [[0, 1], [3, 0]], "values": [2, 3]}'
wrong 'JSON: fewer values' " values f32\[1\] and indices i64\[2\] do not fit each other" '{"dims": [3, 4], "indices": [0, 1], "values": [2]}'
wrong 'JSON: no number' ' "values" 1 is no f32$' '{"dims": [3, 4], "indices": [0, 1], "values": [2, "x"]}'
wrong 'JSON: no integer' ' "indices" 0 is no i64$' '{"dims": [3, 4], "indices": [0.5, 1], "values": [2, 1]}'
wrong 'JSON: no row' ' "indices" 1 is no list of 2 numbers$' '{"dims": [3, 4], "indices": [[0, 1], [2]], "values": [2, 1]}'
wrong 'JSON: no dims' ' "dims" is no list$' '{"indices": [0, 1], "values": [2, 1]}'
wrong 'JSON: another name' ' "shape" is none of dims, indices and values$' '{"shape": [3, 4], "indices": [0, 1], "values": [2, 1]}'
wrong 'JSON: a list' ' it is no object of dims, indices and values$' '[1, 2]'
finish
