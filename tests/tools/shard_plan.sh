# Tests plans of cuts: --print-plan, and --plan, which reads the table again.
. "$(dirname "$0")/lib.sh"
export FOVEA_CACHE_DIR=$work/cache # parts that several runs have are compiled once
"$fovea" lua /dev/null 2>&1 | grep -q 'needs Lua' && { echo 'skipped: there is no Lua'; exit 77; }
floats weights.bin 400
cat >m.fvir <<'T'
fovea-ir 1
module "m"
symbol n 0..64
const @up: f32[4, 6] = file "weights.bin" 0 96
const @down: f32[6, 4] = file "weights.bin" 96 96
const @gate: f32[4, 6] = file "weights.bin" 192 96
const @one: i64[] = 1
func @main(%x: f32[n, 4]) -> (%y) {
  %a = MatMul(%x, @up)    loc("up")
  %b = Relu(%a)
  %c = MatMul(%b, @down)    loc("down")
  %d = Add(%c, %x)
  %e = MatMul(%d, @gate)    loc("gate \"1\"")
  %f = CumSum(%e, @one)
  %g = MatMul(%f, @down)    loc("last")
  %y = Mul(%g, %d)
  return %y
}
T
check 'the whole model' 0 'y  f32' "$fovea" run m.fvir --dim n=5 -o whole --save-inputs in

# plan RANKS ENTRY...: a plan with these entries
plan() {
    { printf 'return {ranks = %s, contractions = {\n' "$1"; shift; printf '  {%s},\n' "$@"; echo '}}'; } >p.lua
}

# What is printed is read again, for a small model and for a decoder.
check 'a plan' 0 'axis = "rows", collective = "all-reduce"' "$fovea" shard m.fvir --ranks 2 --print-plan
cp out printed.lua
said '^-- whole +96 bytes of weights: gate "1": '
said 'node = "gate \\"1\\"", axis = "whole"'
check 'a plan that was printed' 0 '' "$fovea" shard m.fvir --plan printed.lua -o again
check 'the parts without it' 0 '' "$fovea" shard m.fvir --ranks 2 -o direct
for file in rank0.onnx rank1.onnx; do
    check "$file of the plan" 0 'are identical' diff -s again/$file direct/$file
done
stories=$root/examples/stories/stories.onnx
check 'the plan of a decoder' 0 'axis = "batch"' "$fovea" shard "$stories" --ranks 3 --print-plan
cp out stories.lua
check 'its plan, read again' 0 '' "$fovea" shard "$stories" --plan stories.lua --print-plan
cp out again.lua
check 'is the same' 0 'are identical' diff -s again.lua stories.lua

# Plans that people write: shares that are gathered at once, products that stay whole, and entries that are left out.
plan 2 'node = "up", axis = "columns", collective = "all-gather"' 'node = "down", axis = "whole"' \
    'node = "gate \"1\"", axis = "columns", collective = "all-gather"'
check 'shares that are gathered' 0 "whole +96 bytes of weights: down: the plan does not cut it" \
    "$fovea" shard m.fvir --plan p.lua --print-plan -o gathered
said 'cut +6 units, 96 bytes of weights: gate "1" to '
said 'a rank has 192 bytes'
said '^-- exchanges +2 in a run; a rank sends n \* 24 bytes'
for ranks in 2 4; do # 4 ranks have uneven shares of 6 columns
    sed "s/ranks = 2/ranks = $ranks/" p.lua >q.lua
    check "gathered by $ranks ranks" 0 "rank$((ranks - 1)).onnx" "$fovea" shard m.fvir --plan q.lua -o g$ranks
    for backend in jit interp c; do
        check "gathered by $ranks ranks, $backend" 0 '1 of 1 outputs as expected' "$fovea" run g$ranks --dim n=5 --data-set in \
            --backend=$backend --expect whole --atol=0 --rtol=0
    done
done
plan 3 'node = "up", axis = "columns"'
check 'a plan of one entry' 0 'node = "down", axis = "rows", collective = "all-reduce"' \
    "$fovea" shard m.fvir --plan p.lua --print-plan -o one
said 'node = "last", axis = "whole"'
check 'its parts' 0 '1 of 1 outputs as expected' "$fovea" run one --dim n=5 --data-set in --expect whole
# A sum that is added in two steps has the bits of one that is added in one, also of elements that the ranks cannot divide evenly.
plan 3 'node = "up", axis = "columns"' 'node = "down", axis = "rows", collective = "reduce-scatter"'
check 'a sum in two steps' 0 'collective = "reduce-scatter"' "$fovea" shard m.fvir --plan p.lua --print-plan -o scattered
said '^--            exchanges n \* 4 \+ \(\(n \+ 2\) floordiv 3\) \* 4 bytes'
cp out scattered.lua
check 'its plan again' 0 '' "$fovea" shard m.fvir --plan scattered.lua -o again_scattered
check 'makes the same parts' 0 'rank0.* are identical' diff -rs again_scattered scattered
check 'the sum in one step' 0 'outputs as expected' "$fovea" run one --dim n=5 --data-set in --expect whole -o one.out
for backend in jit interp c; do
    check "the sum in two steps: $backend" 0 'outputs as expected' "$fovea" run scattered --dim n=5 --data-set in --backend=$backend \
        --expect one.out --atol=0 --rtol=0
done
check 'what it sends' 0 ' 2 in a run; a rank sends 56 bytes to each other rank' "$fovea" bench scattered --at n=5 --seconds 0.05
# The network decides: products are cut where that saves time.
check 'a slow network' 0 'nothing can be cut' "$fovea" shard m.fvir --ranks 2 --link=1GB/s,1ms --at n=64 -o slow
check 'a slow network, and a plan' 0 'axis = "columns"' "$fovea" shard m.fvir --plan p.lua --link=1GB/s,1ms --print-plan
plan 1 'node = "up", axis = "columns"'
check 'a plan for one rank' 0 'rank0.onnx' "$fovea" shard m.fvir --plan p.lua -o alone
cat >qkv.fvir <<'T'
fovea-ir 1
module "m"
symbol n 0..64
const @all: f32[4, 12] = file "weights.bin" 0 192
const @first: i64[1] = [0]
const @second: i64[1] = [6]
const @end: i64[1] = [12]
const @one: i64[1] = [1]
func @main(%x: f32[n, 4]) -> (%y) {
  %a = MatMul(%x, @all)    loc("both")
  %b = Slice(%a, @first, @second, @one)
  %c = Slice(%a, @second, @end, @one)
  %y = Mul(%b, %c)
  return %y
}
T
check 'products that are divided' 0 'node = "both' "$fovea" shard qkv.fvir --ranks 2 --print-plan
sed 's/ranks = 2/ranks = 1/' out >qkv.lua
check 'two products' 0 '^2$' grep -c 'node = "both' qkv.lua
check 'their plan for one rank' 0 'rank0.onnx' "$fovea" shard qkv.fvir --plan qkv.lua -o one_qkv
echo 'local list = {} for _, n in ipairs {"up", "last"} do list[#list + 1] = {node = n, axis = "whole"} end return {contractions = list}' >p.lua
check 'a plan that is computed' 0 'nothing is cut' "$fovea" shard m.fvir --ranks 2 --plan p.lua -o computed

# Plans that cannot be: node, axis and reason.
plan 2 'node = "gate \"1\"", axis = "columns"'
check 'an axis that is needed as a whole' 1 "'gate \"1\"' \(fv.MatMul\): the plan cuts its columns, .*: 'f_2' \(fv.Cumulate\) needs axis 1" \
    "$fovea" shard m.fvir --plan p.lua -o refused
plan 2 'node = "up", axis = "columns"' 'node = "down", axis = "whole"'
check 'a product that would have to be cut' 1 "'up' .* cuts its columns, and that cannot be done: the plan has 'down' .* whole" \
    "$fovea" shard m.fvir --plan p.lua -o refused
plan 2 'node = "down", axis = "rows"'
check 'a cut that begins with rows' 0 'cut +6 units, 192 bytes of weights: up to down' "$fovea" shard m.fvir --plan p.lua --print-plan
plan 2 'node = "last", axis = "rows"'
check 'rows that nothing cuts' 1 "'last' .* has axis 'rows', and the cuts of the other nodes make it 'whole'" \
    "$fovea" shard m.fvir --plan p.lua -o refused
plan 2 'node = "up", axis = "whole", collective = "all-reduce"'
check 'a collective of what stays whole' 1 "'up' .* axis 'whole' with collective 'all-reduce', which needs 'none'" \
    "$fovea" shard m.fvir --plan p.lua -o refused
plan 2 'node = "up", axis = "whole", collective = "none"'
check 'no collective of what stays whole' 0 'nothing is cut' "$fovea" shard m.fvir --plan p.lua -o none
plan 2 'node = "up", axis = "left rows"'
check 'left rows that are no weight' 1 "'up' .* has axis 'left rows', and the cuts of the other nodes make it 'whole'" \
    "$fovea" shard m.fvir --plan p.lua -o refused
plan 2 'node = "up", axis = "columns"' 'node = "down", axis = "rows", collective = "all-gather"'
check 'a collective that does not fit' 1 "'down' .* axis 'rows' with collective 'all-gather', which needs 'all-reduce'" \
    "$fovea" shard m.fvir --plan p.lua -o refused
plan 7 'node = "up", axis = "columns"'
check 'fewer units than ranks' 1 "'up' .* cuts its columns, .* 6 units along the axis, fewer than ranks" \
    "$fovea" shard m.fvir --plan p.lua -o refused
plan 2 'node = "over", axis = "columns"'
check 'an unknown node' 1 "the plan has node 'over', which is no contraction" "$fovea" shard m.fvir --plan p.lua -o refused
plan 2 'node = "up", axis = "columns"' 'node = "up", axis = "whole"'
check 'a node twice' 1 "node 'up' 2 times, which has 1 contraction" "$fovea" shard m.fvir --plan p.lua -o refused
absent refused/parts.json refused/rank0.onnx

# Files that are wrong.
plan 2 'node = "up", axis = "column"'
check 'an unknown axis' 1 "axis is 'column'.*did you mean 'columns'" "$fovea" shard m.fvir --plan p.lua --print-plan
plan 2 'node = "up", axis = "rows", collective = "broadcast"'
check 'an unknown collective' 1 "collective is 'broadcast'" "$fovea" shard m.fvir --plan p.lua --print-plan
plan 2 'node = "up"'
check 'no axis' 1 "entry 1, node 'up', has no axis" "$fovea" shard m.fvir --plan p.lua --print-plan
plan 2 'node = 7, axis = "rows"'
check 'a node that is no text' 1 'node is a number, expected a text' "$fovea" shard m.fvir --plan p.lua --print-plan
plan 2 'node = "up", axis = {}'
check 'an axis that is no text' 1 'axis is a table, expected a text' "$fovea" shard m.fvir --plan p.lua --print-plan
plan 2 'node = "up", axis = "rows", stages = 2'
check 'an unknown field' 1 "a contraction of a plan takes no 'stages'" "$fovea" shard m.fvir --plan p.lua --print-plan
plan '"2"' 'node = "up", axis = "rows"'
check 'ranks that are no number' 1 'ranks is a string, expected an integer' "$fovea" shard m.fvir --plan p.lua --print-plan
plan 0 'node = "up", axis = "rows"'
check 'no ranks' 1 'ranks is 0, expected 1' "$fovea" shard m.fvir --plan p.lua --print-plan
plan 1025 'node = "up", axis = "rows"'
check 'too many ranks' 1 'no number of ranks from 1 to 1024' "$fovea" shard m.fvir --plan p.lua --print-plan
echo 'return {ranks = 2, contractions = {3}}' >p.lua
check 'an entry that is no table' 1 'entry 1 is a number' "$fovea" shard m.fvir --plan p.lua --print-plan
echo 'return {ranks = 2, contractions = "up"}' >p.lua
check 'no list' 1 'contractions is a string, expected a list' "$fovea" shard m.fvir --plan p.lua --print-plan
echo 'return {ranks = 2, contractions = {up = {node = "up", axis = "columns"}}}' >p.lua
check 'an entry by name' 1 "contractions is a list of 0, and has an entry 'up'" "$fovea" shard m.fvir --plan p.lua --print-plan
echo 'return {ranks = 2, contractions = {{node = "up", axis = "columns"}, [3] = {node = "down", axis = "whole"}}}' >p.lua
check 'an entry after a gap' 1 "contractions is a list of 1, and has an entry '3'" "$fovea" shard m.fvir --plan p.lua --print-plan
echo 'return {ranks = 2, contractions = {{node = "up", axis = "columns"}, [{}] = 1}}' >p.lua
check 'an entry by a table' 1 'contractions is a list, and has a table as a key' "$fovea" shard m.fvir --plan p.lua --print-plan
cat >p.lua <<'T'
local list, entry = {}, {node = "up", axis = "columns"}
for i = 1, 64 do list[i] = entry end
for k = 6, 31 do list[1 << k] = entry list[(1 << k) + 1] = entry end
list[1 << 32] = entry
return {ranks = 2, contractions = list}
T
check 'a list of 2^32 entries' 1 'a list has 4294967296 entries, more than 1048576' "$fovea" shard m.fvir --plan p.lua --print-plan
echo 'return {ranks = 2, cuts = {}}' >p.lua
check 'an unknown table' 1 "a plan takes no 'cuts'" "$fovea" shard m.fvir --plan p.lua --print-plan
echo 'x = 1' >p.lua
check 'no table' 1 'expected a plan' "$fovea" shard m.fvir --plan p.lua --print-plan
sed '$d' printed.lua >p.lua
check 'a plan that is truncated' 1 'p.lua:[0-9]+: ' "$fovea" shard m.fvir --plan p.lua --print-plan
check 'a plan that is not there' 1 "none.lua" "$fovea" shard m.fvir --plan none.lua --print-plan
check 'no ranks on the command line' 2 'into how many parts' "$fovea" shard m.fvir --ranks 0 --plan printed.lua -o p
check 'another number of ranks' 1 "is a plan for 2 ranks, and --ranks says 3" "$fovea" shard m.fvir --ranks 3 --plan printed.lua -o p
finish
