# Tests how `shard` cuts what belongs to a vocabulary: tables of embeddings, and the last product together with what chooses or
# normalizes its numbers. Small weights are cut only where a plan says so.
. "$(dirname "$0")/lib.sh"
export FOVEA_CACHE_DIR=$work/cache # parts that several runs have are compiled once
python3 - <<'T'
import array, random, struct
random.seed(5)
w = array.array("f", (random.uniform(-0.4, 0.4) for i in range(300000)))
for i in range(0, 300000, 7):
    w[i] = -0.0
open("w.bin", "wb").write(w.tobytes())
open("b.bin", "wb").write(bytes(random.randrange(256) for i in range(300000)))
def npy(name, kind, shape, data):
    head = "{'descr': '%s', 'fortran_order': False, 'shape': %s, }" % (kind, shape)
    with open(name, "wb") as f:
        f.write(b"\x93NUMPY\x01\x00v\x00" + head.ljust(117).encode() + b"\n" + data)
npy("ids.npy", "<i8", "(2, 7)", struct.pack("<14q", 0, 1, 2, 3, 4, 5, 6, -1, -7, -3, 0, 0, 6, 2))
npy("at.npy", "<i4", "(7,)", struct.pack("<7i", *range(7)))
npy("bad.npy", "<i4", "(7,)", struct.pack("<7i", 0, 1, -8, 3, 4, 5, 6))
# Equal numbers, infinities and NaNs within shares of 2, 3 and 4 ranks, and across them.
nan, inf = float("nan"), float("inf")
rows = [[1, 5, 5, 2, 5, 0, 5, 1, 5], [nan, 1, 2, 3, nan, 5, 6, 7, nan], [1, 2, 3, 4, 5, 6, 7, 8, nan], [-inf] * 9,
        [0.0, -0.0, 0.0, -0.0, 0, 0, 0, -0.0, 0], [9, 1, 1, 1, 9, 1, 1, 1, 9], [inf, 1, inf, -inf, 2, inf, 3, 4, inf]]
npy("ties.npy", "<f4", "(7, 9)", struct.pack("<63f", *(x for r in rows for x in r)))
T
has_lua=yes
"$fovea" lua /dev/null 2>&1 | grep -q 'needs Lua' && has_lua=
consumers='' # besides code in memory, that the next runs compare
# runs NAME FOLDER REFERENCE ARGUMENT...: the parts give the reference, and the consumers the same bits
runs() {
    local what=$1 folder=$2 reference=$3
    shift 3
    check "$what" 0 'outputs as expected' "$fovea" run "$folder" "$@" --expect "$reference" -o "$folder.out" --threads=1
    for backend in $consumers; do
        check "$what: $backend" 0 'outputs as expected' "$fovea" run "$folder" "$@" --backend=$backend --expect "$folder.out" --atol=0 \
            --rtol=0
    done
}
# same NAME FOLDER REFERENCE OUTPUT...: the outputs have the same bytes
same() {
    local what=$1 folder=$2 reference=$3
    shift 3
    for output; do
        cmp -s "$folder.out/$output.npy" "$reference/$output.npy" && tell "$what: the bits of $output" yes ||
            tell "$what: the bits of $output" no
    done
}

# ---- large weights ----
# A table that is also the last product: by rows. Tokens are chosen without a gather of all numbers.
cat >tied.fvir <<'T'
fovea-ir 1
module "m"
symbol n 1..64
const @table: f32[8193, 33] = file "w.bin" 0 1081476
const @scale: f32[33] = file "w.bin" 400 132
const @k: i64[1] = [5]
func @main(%ids: i64[n], %label: i64[n, 1]) -> (%x, %chosen, %values, %places, %p, %score) {
  %x = Gather(@table, %ids) {axis = 0}    loc("embed")
  %h = Tanh(%x)
  %g = LayerNormalization(%h, @scale) {axis = -1}
  %t = Transpose(@table) {perm = [1, 0]}
  %y = MatMul(%g, %t)    loc("head")
  %chosen = ArgMax(%y) {axis = -1, keepdims = 0}    loc("chosen")
  %values, %places = TopK(%y, @k)
  %p = Softmax(%y) {axis = -1}    loc("p")
  %logp = LogSoftmax(%y) {axis = -1}    loc("logp")
  %score = GatherElements(%logp, %label) {axis = 1}    loc("score")
  return %x, %chosen, %values, %places, %p, %score
}
T
check 'a vocabulary' 0 'score' "$fovea" run tied.fvir --dim n=4 -o whole --save-inputs in
for ranks in 2 3 4; do
    check "a vocabulary over $ranks ranks" 0 'cut +8193 units, 1.1 MB of weights: head to p, logp, chosen, places, values, score, .p.' "$fovea" shard \
        tied.fvir --ranks $ranks --print-plan -o tied$ranks
    said 'node = "embed", axis = "table rows", collective = "all-reduce"'
    grep -v '^--' out >plan.lua
    [ $ranks = 3 ] && consumers='interp c' || consumers=''
    runs "its run over $ranks ranks" tied$ranks whole --dim n=4 --data-set in
    same "look-ups and choices over $ranks ranks" tied$ranks whole x chosen values places
    [ -z "$has_lua" ] && continue
    check 'its plan' 0 '' "$fovea" shard tied.fvir --plan plan.lua -o planned
    check 'the plan makes the same parts' 0 'rank0.* are identical' diff -rs planned tied$ranks
done
check 'a rank has one copy of its share' 0 'a rank has 361 kB' "$fovea" shard tied.fvir --ranks 3 --print-plan
check 'what it exchanges' 0 '^  0 all-reduce +16 bytes  p$' "$fovea" inspect tied.fvir --shards --ranks 3 --dim n=4
said '^  0 all-gather +16 bytes  chosen$'
said '^  0 all-gather +32 bytes  chosen$'
said '^  1 table rows  +embed$'
check 'the cost model' 0 '"link_bytes": [0-9]+,$' "$fovea" inspect tied.fvir --shards --ranks 3 --dim n=4 --json
bytes=$(grep -m 1 '"link_bytes": [0-9]*,$' out | tr -dc 0-9)
check 'what its parts send' 0 "\"link_bytes\": $bytes,\$" "$fovea" bench tied3 --at n=4 --seconds 0.05 --json
check 'stages of a vocabulary' 0 '' "$fovea" shard tied.fvir --ranks 2 --stages 2 -o staged
runs 'its stages' staged tied2.out --dim n=4 --data-set in

# A table of its own: by columns, which all ranks gather. A product of which some op needs all numbers is gathered at once.
cat >apart.fvir <<'T'
fovea-ir 1
module "m"
symbol n 1..64
const @table: f32[8193, 33] = file "w.bin" 0 1081476
const @head: f32[33, 8193] = file "w.bin" 4 1081476
const @scale: f32[33] = file "w.bin" 400 132
func @main(%ids: i64[n]) -> (%y) {
  %x = Gather(@table, %ids) {axis = 0}    loc("embed")
  %g = LayerNormalization(%x, @scale) {axis = -1}
  %l = MatMul(%g, @head)    loc("head")
  %y = CumSum(%l, @one)
  return %y
}
T
sed -i 's/^func/const @one: i64[] = 1\nfunc/' apart.fvir
rm -r whole in
check 'a table of its own' 0 'y  f32' "$fovea" run apart.fvir --dim n=4 -o whole --save-inputs in
for ranks in 2 4; do
    [ $ranks = 4 ] && consumers='interp c' || consumers=''
    check "a table over $ranks ranks" 0 'node = "embed", axis = "table columns", collective = "all-gather"' "$fovea" shard apart.fvir \
        --ranks $ranks --print-plan -o apart$ranks
    said 'node = "head", axis = "columns", collective = "all-gather"'
    runs "its run over $ranks ranks" apart$ranks whole --dim n=4 --data-set in
    same "what is gathered by $ranks ranks" apart$ranks whole y
done
check 'fewer columns than ranks' 0 'node = "embed", axis = "table rows"' "$fovea" shard apart.fvir --ranks 64 --print-plan
sed -i 's/table: f32\[8193, 33\]/table: f32[63, 33]/; s/ 0 1081476/ 0 8316/' apart.fvir
check 'a small table' 0 'node = "head", axis = "columns"' "$fovea" shard apart.fvir --ranks 2 --print-plan
grep -q embed out && tell 'is whole' no || tell 'is whole' yes

[ -n "$has_lua" ] || { finish; exit; }
# ---- small ones, by plans ----
# Every type of numbers: what no rank has changes no bit, of zeros and NaNs neither. Indices count from the end, too.
cat >types.fvir <<'T'
fovea-ir 1
module "m"
const @floats: f32[7, 5] = file "w.bin" 0 140
const @bytes: i8[7, 3] = file "b.bin" 0 21
const @words: u16[7, 3] = file "b.bin" 50 42
const @halves: f16[7, 2] = hex "0080007c00fc003c00bc01fe0100ff0300800000008000800040c642"
const @doubles: f64[7, 2] = file "b.bin" 99 112
func @main(%ids: i64[2, 7], %at: i32[7]) -> (%a, %b, %c, %d, %e) {
  %a = Gather(@floats, %ids) {axis = 0}    loc("a")
  %b = Gather(@bytes, %at) {axis = 0}    loc("b")
  %c = Gather(@words, %at) {axis = 0}    loc("c")
  %d = Gather(@halves, %at) {axis = 0}    loc("d")
  %t = Transpose(@doubles) {perm = [1, 0]}
  %e = Gather(%t, %at) {axis = 1}    loc("e")
  return %a, %b, %c, %d, %e
}
T
rm -r whole
check 'look-ups' 0 'e  f64' "$fovea" run types.fvir --input ids=ids.npy --input at=at.npy -o whole
for ranks in 2 3 4; do
    for axis in rows columns; do
        [ $axis$ranks = rows2 ] || [ $axis$ranks = columns2 ] || [ $axis = rows ] || continue
        lua="local list = {} for n in ('abcde'):gmatch '.' do list[#list + 1] = {node = n, axis = 'table $axis'} end"
        echo "$lua return {ranks = $ranks, contractions = list}" >p.lua
        check "look-ups, $axis over $ranks ranks" 0 "node = \"e\", axis = \"table $axis\"" "$fovea" shard types.fvir --plan p.lua \
            --print-plan -o types$ranks
        [ $ranks = 4 ] && consumers='' || consumers='interp c'
        runs "$axis over $ranks ranks" types$ranks whole --input ids=ids.npy --input at=at.npy
        same "$axis over $ranks ranks" types$ranks whole a b c d e
        for backend in jit $consumers; do
            check "an index that no rank has, $axis, $backend" 1 \
                "^types$ranks/rank[0-9]\.onnx: error: an index in the data is out of range \(FV_BAD_INDEX\)\$" "$fovea" run \
                types$ranks --input ids=ids.npy --input at=bad.npy --backend=$backend
        done
    done
done

# Equal numbers, infinities and NaNs.
cat >ties.fvir <<'T'
fovea-ir 1
module "m"
symbol n 1..16
const @one: f32[9, 9] = file "one.bin" 0 324
const @k: i64[1] = [2]
func @main(%x: f32[n, 9]) -> (%first, %last, %least, %values, %places, %low, %lows) {
  %z = MatMul(%z0, @one)    loc("head")
  %y = Add(%z, %x)
  %first = ArgMax(%y) {axis = 1, keepdims = 0}
  %last = ArgMax(%y) {axis = 1, select_last_index = 1}
  %least = ArgMin(%y) {axis = 1}
  %values, %places = TopK(%y, @k)
  %low, %lows = TopK(%y, @k) {largest = 0}
  return %first, %last, %least, %values, %places, %low, %lows
}
T
head -c 324 /dev/zero >one.bin
sed -i 's/  %z = /  %z0 = Sign(%zeros)\n  %z = /; s/(%x: f32\[n, 9\])/(%x: f32[n, 9], %zeros: f32[n, 9])/' ties.fvir
python3 -c 'print("", end="")
head = "{\"descr\": \"<f4\", \"fortran_order\": False, \"shape\": (7, 9), }".replace("\"", "\x27")
open("zeros.npy", "wb").write(b"\x93NUMPY\x01\x00v\x00" + head.ljust(117).encode() + b"\n" + bytes(252))'
rm -r whole
check 'ties' 0 'lows' "$fovea" run ties.fvir --input x=ties.npy --input zeros=zeros.npy -o whole
for ranks in 2 3 4; do
    echo "return {ranks = $ranks, contractions = {{node = 'head', axis = 'columns'}}}" >p.lua
    check "ties over $ranks ranks" 0 '' "$fovea" shard ties.fvir --plan p.lua --print-plan -o ties$ranks
    [ $ranks = 4 ] && consumers='interp c' || consumers=''
    runs "ties over $ranks ranks" ties$ranks whole --input x=ties.npy --input zeros=zeros.npy
    same "ties over $ranks ranks" ties$ranks whole first last least values places low lows
done
echo "return {ranks = 5, contractions = {{node = 'head', axis = 'columns'}}}" >p.lua
check 'more than a rank has' 1 "'head' .* cuts its columns, .* takes 2 elements, more than a rank has" "$fovea" shard ties.fvir \
    --plan p.lua --print-plan

# ---- plans that cannot be ----
lua='return {ranks = 2, contractions = {{node = "NODE", axis = "table rows"}}}'
echo "$lua" | sed 's/NODE/head/' >p.lua
check 'a product is no table' 1 "the plan has node 'head', which is no look-up in a table of constants" "$fovea" shard tied.fvir --plan \
    p.lua --print-plan
echo "$lua" | sed 's/NODE/embed/; s/ = 2/ = 100/; s/rows/columns/' >p.lua
check 'a table of too few columns' 1 "'embed' .* cuts its table columns, .* 33 units along the axis, fewer than ranks" "$fovea" shard \
    tied.fvir --plan p.lua --print-plan
echo "$lua" | sed 's/NODE/embed/; s/}}}/}, {node = "embed", axis = "table rows"}}}/' >p.lua
check 'a table twice' 1 "the plan has node 'embed' 2 times, which has 1 look-up" "$fovea" shard tied.fvir --plan p.lua --print-plan
echo "$lua" | sed 's/NODE/embed/; s/"}}}/", collective = "all-gather"}}}/' >p.lua
check 'a collective that does not fit' 1 "axis 'table rows' with collective 'all-gather', which needs 'all-reduce'" "$fovea" shard \
    tied.fvir --plan p.lua --print-plan
finish
