# Tests the cache of compiled models through the command: messages, equal results, and folders that cannot be written.
. "$(dirname "$0")/lib.sh"
"$fovea" run --backend=jit "$root/examples/dates/dates.onnx" -q 2>&1 | grep 'built without LLVM' && exit 77
export FOVEA_CACHE_DIR=$work/cache

# kept N: so many entries are there
kept() { n=$(ls cache 2>/dev/null | grep -c '\.model$'); [ "$n" = "$1" ] && tell "$name: $1 entries" yes || tell "$name: $n entries, not $1" no; }
# same FILE FILE
same() { cmp -s "$1" "$2" && tell "$name: $1 and $2 are equal" yes || tell "$name: $1 and $2 differ" no; }
# write FILE TEXT: writes a file, and waits until its times tell of another change
write() { printf "$2" >"$1"; sleep 0.03; }

# ---- the same outputs, inputs and messages ----
cp "$root/examples/dates/dates.onnx" .
sleep 0.03
check 'cold' 0 . "$fovea" run dates.onnx --json
mv out cold.json; mv err cold.err
kept 1
check 'warm' 0 . "$fovea" run dates.onnx --json
mv out warm.json; mv err warm.err
kept 1
same cold.json warm.json
same cold.err warm.err
check 'bench, warm' 0 'loading +[0-9.]+ ms, from the cache' "$fovea" bench dates.onnx --rounds=1 --seconds=0.1 --profile
said 'GFLOP'
said '^families +'
check 'JSON, warm' 0 '"cached": true' "$fovea" bench dates.onnx --rounds=1 --seconds=0.1 --json
check 'JSON, cold' 0 '"cached": false' "$fovea" bench dates.onnx --rounds=1 --seconds=0.1 --json -O1
check 'test' 0 '1 passed, 0 failed' "$fovea" test dates.onnx
check 'other backends' 0 . "$fovea" run dates.onnx --backend=interp
said probs

onnx gather.onnx <<'T'
ir_version: 8
opset_import { version: 17 }
graph {
  name: "g"
  node { name: "pick" op_type: "Gather" input: "table" input: "ids" output: "h" }
  node { op_type: "Neg" input: "h" output: "y" }
  value_info { name: "h" type { tensor_type { elem_type: 1 shape { dim { dim_value: 4 } dim { dim_value: 1 } } } } }
  initializer { name: "table" dims: 3 dims: 1 data_type: 1 float_data: 1 float_data: 2 float_data: 3 }
  input { name: "ids" type { tensor_type { elem_type: 7 shape { dim { dim_param: "n" } } } } }
  output { name: "y" type { tensor_type { elem_type: 1 shape { dim { dim_param: "n" } dim { dim_value: 1 } } } } }
}
T
sleep 0.03
npy bad.npy '<i8' '2,' '\1\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0'
npy good.npy '<i8' '2,' '\1\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0'
for way in cold warm; do
    check "an index out of range, $way" 1 "node '.*pick'.*out of range" "$fovea" run gather.onnx --input ids=bad.npy
    noted 'warning: .*declar'
    mv err $way.err
    check "an index, $way" 0 '-2 -3' "$fovea" run gather.onnx --input ids=good.npy
done
same cold.err warm.err
for way in cold warm; do # in range: the graph says how far that is
    check "random indices, $way" 0 'y  f32.1, 1. ' "$fovea" run gather.onnx
    mv out $way.out
done
same cold.out warm.out

name='standard input'
for way in cold warm; do
    "$fovea" run - --input ids=good.npy <gather.onnx >$way.out 2>$way.err || tell "$name, $way" no
done
same cold.out warm.out
same cold.err warm.err

# ---- files that change ----
onnx external.onnx <<'T'
ir_version: 8
opset_import { version: 17 }
graph {
  name: "g"
  node { op_type: "Add" input: "x" input: "w" output: "y" }
  initializer { name: "w" dims: 1 data_type: 1 data_location: EXTERNAL external_data { key: "location" value: "w.bin" } }
  input { name: "x" type { tensor_type { elem_type: 1 shape { dim { dim_value: 1 } } } } }
  output { name: "y" type { tensor_type { elem_type: 1 } } }
}
T
npy x.npy '<f4' '1,' '\0\0\0\0'
write w.bin '\0\0\200\077'
for way in cold warm; do check "external data, $way" 0 'y .* 1$' "$fovea" run external.onnx --input x=x.npy; done
write w.bin '\0\0\0\100'
for way in cold warm; do check "changed in place, $way" 0 'y .* 2$' "$fovea" run external.onnx --input x=x.npy; done
write other.bin '\0\0\100\100'
mv w.bin first.bin
ln -s first.bin w.bin
for way in cold warm; do check "behind a link, $way" 0 'y .* 2$' "$fovea" run external.onnx --input x=x.npy; done
ln -sf other.bin w.bin
check 'the link leads elsewhere' 0 'y .* 3$' "$fovea" run external.onnx --input x=x.npy
rm other.bin
check 'it leads nowhere' 1 "external data" "$fovea" run external.onnx --input x=x.npy

# ---- without it ----
name='turned off'
rm -rf cache
FOVEA_CACHE_DIR='' "$fovea" run dates.onnx -q || tell "$name" no
"$fovea" run dates.onnx -q --verify || tell "$name" no
kept 0
"$fovea" compile dates.onnx -o dates.so -q 2>/dev/null
check 'a library' 0 probs "$fovea" run ./dates.so
kept 0

# ---- full, and read-only: mounted where that is allowed ----
if unshare -m true 2>/dev/null; then mounting=-m; elif unshare -rm true 2>/dev/null; then mounting=-rm; else mounting=; fi
# mounted SIZE OPTIONS COMMAND: runs it in a folder of that size, then once more after remounting with OPTIONS
mounted() {
    unshare $mounting sh -ec "mount -t tmpfs -o size=$1,mode=700 none mounted; FOVEA_CACHE_DIR=\$PWD/mounted $3
        mount -o remount,$2 none mounted; FOVEA_CACHE_DIR=\$PWD/mounted $3; ls mounted"
}
if [ -n "$mounting" ]; then
    mkdir mounted
    check 'a full disk' 0 'mounted: warning: cannot keep what was compiled: No space' mounted 16k rw "$fovea run dates.onnx"
    said probs
    ! grep -q 'tmp\|model' out && tell 'nothing is left on it' yes || tell 'something is left on it' no
    check 'read-only, warm' 0 'model' mounted 4m ro "$fovea run dates.onnx"
    grep -q warning err && tell 'no warning' no || tell 'no warning' yes
    check 'read-only, cold' 0 'warning: cannot keep what was compiled: Read-only' mounted 4m ro "$fovea run dates.onnx \$(grep -q 'mounted.*ro,' /proc/mounts && echo -O1)"
else
    echo "nothing can be mounted here: full and read-only disks are left out"
fi
: >file
check 'no folder' 0 'file: warning: models are compiled without a cache: this is no folder' env FOVEA_CACHE_DIR=file "$fovea" run dates.onnx
check 'a size that is none' 0 "warning: FOVEA_CACHE_SIZE='many' is no size" env FOVEA_CACHE_SIZE=many "$fovea" run dates.onnx
check 'a size that is too small' 0 'small: warning: a compiled model of [1-9][0-9]* kB is not kept' env FOVEA_CACHE_SIZE=1000 FOVEA_CACHE_DIR=$work/small "$fovea" run dates.onnx
finish
