# Tests that models larger than the memory are cut, and that a rank has its share of the weights in memory only; and parts whose
# constants are so large that they are not copied.
. "$(dirname "$0")/lib.sh"

# ---- values of large constants ----
# Queries, keys and values of four heads from one product, of which a rank has columns of blocks; the rows of the product
# after them; and columns of 4 bits.
python3 - <<'T'
import random, struct
random.seed(5)
n = 4 * 256 * 256
with open("w.bin", "wb") as f:
    f.write(struct.pack("<%df" % n, *(random.uniform(-0.1, 0.1) for i in range(n))))
    f.write(bytes(random.randrange(256) for i in range(2 * 256 * 640)))
T
cat >m.fvir <<'T'
fovea-ir 1
module "m"
symbol n 0..64
const @wqkv: f32[256, 768] = file "w.bin" 0 786432
const @wo: f32[256, 256] = file "w.bin" 786432 262144
const @codes: u4[256, 1280] = file "w.bin" 1048576 163840
const @down: u4[1280, 256] = file "w.bin" 1212416 163840
const @scale: f32[] = 0.01
const @zero: u4[] = 8
const @parts: i64[3] = [256, 256, 256]
const @heads: i64[3] = [0, 4, 64]
const @all: i64[2] = [0, 256]
func @main(%x: f32[n, 256]) -> (%y) {
  %qkv = MatMul(%x, @wqkv)
  %q0, %k0, %v0 = Split(%qkv, @parts) {axis = 1}
  %q1 = Reshape(%q0, @heads)
  %k1 = Reshape(%k0, @heads)
  %v1 = Reshape(%v0, @heads)
  %q = Transpose(%q1) {perm = [1, 0, 2]}
  %k = Transpose(%k1) {perm = [1, 2, 0]}
  %v = Transpose(%v1) {perm = [1, 0, 2]}
  %s = MatMul(%q, %k)
  %p = Softmax(%s) {axis = -1}
  %o0 = MatMul(%p, %v)
  %o1 = Transpose(%o0) {perm = [1, 0, 2]}
  %o = Reshape(%o1, @all)
  %a = MatMul(%o, @wo)
  %w1 = DequantizeLinear(@codes, @scale, @zero)
  %w2 = DequantizeLinear(@down, @scale, @zero)
  %b = MatMul(%a, %w1)
  %c = Relu(%b)
  %y = MatMul(%c, %w2)
  return %y
}
T
check 'the whole model' 0 'y  f32' "$fovea" run m.fvir --dim n=5 -o whole --save-inputs in
for ranks in 2 3 4; do
    check "$ranks ranks" 0 'rank1' "$fovea" shard m.fvir --ranks $ranks -o p$ranks
    check "what $ranks ranks compute" 0 'outputs as expected' "$fovea" run p$ranks --dim n=5 --data-set in --expect whole
done
check 'a simulation' 0 '^ +4 ' "$fovea" shard m.fvir --simulate --ranks 2,4 --link=1GB/s,1us

# ---- memory ----
# Eight layers with 1.6 GB of weights, which take no space on a disk; their parts take as much.
free=$(df --output=avail -k . | tail -n 1) memory=$(awk '/MemAvailable/ { print $2 }' /proc/meminfo 2>/dev/null || echo 0)
if [ "$free" -lt 3000000 ] || [ "${memory:-0}" -lt 4000000 ]; then
    echo 'skipped: memory, there are less than 3 GB on the disk or 4 GB of memory'
    finish
    exit
fi
python3 - >big.txt <<'T'
nodes, weights, at, x = [], [], 0, "x"
def node(op, inputs, output):
    nodes.append("node { op_type: \"%s\" %s output: \"%s\" }" % (op, " ".join('input: "%s"' % i for i in inputs), output))
for i in range(8):
    for name, rows, columns in ("gate", 2048, 8192), ("up", 2048, 8192), ("down", 8192, 2048):
        entries = {"location": "big.bin", "offset": at, "length": 4 * rows * columns}
        weights.append("initializer { name: \"%s%d\" dims: %d dims: %d data_type: 1 data_location: EXTERNAL %s }" % (
            name, i, rows, columns, " ".join('external_data { key: "%s" value: "%s" }' % e for e in entries.items())))
        at += 4 * rows * columns
    node("MatMul", [x, f"gate{i}"], f"g{i}")
    node("Sigmoid", [f"g{i}"], f"s{i}")
    node("MatMul", [x, f"up{i}"], f"u{i}")
    node("Mul", [f"s{i}", f"u{i}"], f"h{i}")
    node("MatMul", [f"h{i}", f"down{i}"], f"d{i}")
    node("Add", [f"d{i}", x], f"x{i}")
    x = f"x{i}"
def port(what, name):
    return what + ' { name: "%s" type { tensor_type { elem_type: 1 shape { dim { dim_param: "n" } dim { dim_value: 2048 } } } } }' % name
print("ir_version: 8 opset_import { version: 17 } graph { name: \"big\"")
print("\n".join(nodes + weights + [port("input", "x"), port("output", x), "}"]))
with open("big.bin", "wb") as f:
    f.truncate(at)
T
onnx big.onnx <big.txt
# Runs the command, and then appends the most kilobytes that it has had in memory to the file resident.txt. It is not printed, since
# mpirun may mix what two processes print at the same time within a line.
cat >resident.py <<'T'
import os, resource, subprocess, sys
status = subprocess.call(sys.argv[1:])
line = "%d\n" % resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
file = os.open("resident.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
os.write(file, line.encode())
os.close(file)
sys.exit(status)
T
# most_resident: the most kilobytes that a process had since the last call; 0 if none was measured
most_resident() {
    sort -n resident.txt 2>/dev/null | tail -n 1 | grep . || echo 0
    rm -f resident.txt
}
# below WHAT KILOBYTES: all processes since the last measurement had less in memory
below() {
    most=$(most_resident)
    [ "$most" -gt 0 ] && [ "$most" -lt "$2" ] && tell "$1" yes || { echo "$most kB, expected less than $2"; tell "$1" no; }
}
check 'a model of 1.6 GB is cut' 0 'rank1.onnx +805 MB' python3 resident.py "$fovea" shard big.onnx --ranks 2 -o big
below 'memory of cutting' 200000
cmp -s -n 805306368 big/rank0.onnx.data big/rank1.onnx.data && tell 'both parts have zeros' yes || tell 'both parts have zeros' no
check 'it is described' 0 '^weights +1.6 GB' python3 resident.py "$fovea" inspect big.onnx --shards --ranks 2
below 'memory of describing it' 800000 # of 805 MB of a rank, 537 MB are columns, which are copied
# The compiler itself takes memory, too: as much as with a small model.
check 'a small model' 0 'y  f32' python3 resident.py "$fovea" run p2 --dim n=1 --threads=1
own=$(most_resident)
check 'both parts in one process' 0 'x7  f32' python3 resident.py "$fovea" run big --dim n=1 --threads=1
below 'memory of two shares' $((1610612736 * 11 / 10000 + own))
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 # in a container, tests are root
if command -v mpirun >/dev/null && timeout 60 mpirun --oversubscribe -n 2 "$fovea" run p2 --dim n=1 >/dev/null 2>&1; then
    check 'a process for each part' 0 'x7  f32' timeout 200 mpirun --oversubscribe -n 2 python3 resident.py "$fovea" run big --dim n=1 \
        --threads=1
    below 'memory of a share' $((805306368 * 11 / 10000 + own))
else
    echo 'skipped: processes, there is no mpirun or the build has no MPI'
fi
finish
