# Tests pipelines: those of the levels, printing and reading a pipeline, and leaving out rules and nodes.
. "$(dirname "$0")/lib.sh"
layer m.fvir '%a = Relu(%h) loc("first")' '%b = Relu(%a) loc("second")' '%y = Mul(%b, @one)'
sed -i 's/^const @w/const @one: f32[] = 1.0\n&/' m.fvir
lua=yes
echo 'return {"legalise"}' >least.lua
"$fovea" opt --help --script least.lua >out 2>&1 || lua=no # built without Lua

# ---- levels: data, and all of them in each build ----
for level in 0 1 2 3 s; do
    check "-O$level as a table" 0 '^return \{$' "$fovea" opt --print-pipeline -O$level
    said "^  code = \"$level\",$"
    cp out O$level.lua
    check "-O$level runs" 0 'f32\[2, 3\]' "$fovea" run m.fvir -O$level --dim n=2 --backend=interp
    [ $lua = yes ] || continue
    for file in O$level.lua "$root/passes/pipelines/O$level.lua"; do
        check "-O$level read by Lua" 0 'legalise' "$fovea" opt --print-pipeline --pipeline "$file"
        grep -v purpose O$level.lua | cmp -s - out && tell "$name: the same" yes || tell "$name: the same" no
    done
done
cat >gelu.fvir <<'T'
fovea-ir 1
module "gelu"
symbol n 0..8
const @root: f32[] = 1.41421354
const @one: f32[] = 1.0
const @half: f32[] = 0.5
func @main(%x: f32[n, 4]) -> (%y) {
  %d = Div(%x, @root)
  %e = Erf(%d)
  %a = Add(%e, @one)
  %m = Mul(%x, %a)
  %y = Mul(%m, @half)    loc("gelu")
  return %y
}
T
check 'what rounds elsewhere, -O2' 0 'Gelu\(' "$fovea" opt gelu.fvir -O2
check 'what rounds elsewhere, -O1' 0 'Erf\(' "$fovea" opt gelu.fvir -O1
check 'what is exact, -O1' 0 'legalise' "$fovea" opt m.fvir -O1 -v
noted '^simplify-exact: 1 mul-one'
if "$fovea" compile m.fvir -o m.o -q 2>/dev/null; then # built with LLVM
    "$fovea" compile m.fvir -O2 -o m.ll -q
    check '-O2: functions' 1 '^0$' grep -c optsize m.ll
    "$fovea" compile m.fvir -Os -o m.ll -q
    check '-Os: small functions' 0 'optsize' grep optsize m.ll
    printf '%s\n' 'kernel serial(A: f32[n], out B: f32[n]; n in 1..100000) { for i < n { B[i] = A[i] * 2.0 } }' >serial.fvk
    "$fovea" compile serial.fvk -O3 --target=x86-64-v3 -o serial.ll -q
    check '-O3: schedules alone make vectors' 1 '^0$' grep -c ' x float>' serial.ll
    for level in 2 s; do
        "$fovea" run "$root/examples/dates/dates.onnx" -O$level --data-set "$root/examples/dates/test/test_data_set_0" -o probs$level.npy -q
    done
    check '-Os: the same bits' 0 '^$' sh -c 'cmp probs2.npy probss.npy && echo'
fi

# ---- switches ----
check 'passes and steps that are left out' 0 '"legalise", "integers", "remove-dead",$' "$fovea" opt --print-pipeline -O1 --disable=fold-constants,simplify-exact,share,fold-mask
said 'steps = \{"define", "factor", "hoist", "group", "fuse-attention", "results", '
check 'what is asked for' 0 '"simplify", "merge-qkv", ' "$fovea" opt --print-pipeline --enable=merge-qkv
check 'a rule that is left out' 0 'Mul\(' "$fovea" opt m.fvir --disable=mul-one
check 'the others are not' 0 'Gelu\(' "$fovea" opt gelu.fvir --disable=mul-one,gelu-tanh
check 'a rule of another pass' 0 'Gelu\(' "$fovea" opt gelu.fvir --disable=scale-scores
check 'no rule' 2 '--disable=mul-two: there is no such pass or step, and no rule of that name' "$fovea" opt m.fvir --disable=mul-two
check 'a rule is not asked for' 2 '--enable=mul-one: there is no such pass or step; there are' "$fovea" opt m.fvir --enable=mul-one

# ---- the last steps: which axes schedules see ----
cat >groups.fvir <<'T'
fovea-ir 1
module "groups"
symbol b 0..8
func @main(%x: f32[b, 8, 3, 5], %w: f32[8, 4, 1, 1], %r: f32[b, 8, 3, 5]) -> (%y) {
  %c = Conv(%x, %w) {group = 2}
  %y = Add(%c, %r)
  return %y
}
T
check 'an axis that is read in groups' 0 'element %y\(b, 2, 4, 3, 5\)' "$fovea" compile groups.fvir --dump-after=split -o groups.fvk
check 'axes that are indexed together' 0 'element %y\(b, 2, 4, 15\)\[' "$fovea" compile groups.fvir --dump-after=merge -o groups.fvk
check 'neither' 0 'element %y\[' "$fovea" compile groups.fvir --dump-after=join -o groups.fvk
"$fovea" compile groups.fvir -q --emit=definitions -o groups.fvd
for options in '' --schedule=naive; do
    "$fovea" run groups.fvir --dim b=2 --seed=3 --backend=interp $options -q -o groups.npy
    check "the text after them, and ${options:-the model}" 0 'as expected' "$fovea" run groups.fvd --dim b=2 --seed=3 --backend=interp --expect groups.npy --atol=0 --rtol=0
done
sed 's/%x(b, 8, 15)/%x(b, 9, 15)/' groups.fvd >wrong.fvd
check 'a merge of more elements' 1 'the view is not proved to have as many elements' "$fovea" run wrong.fvd --dim b=2
sed 's/\(%x(b, 8, 15)\[[^,]*, [a-z0-9_]* \* \)4/\12/' groups.fvd >wrong.fvd
check 'groups that begin elsewhere: not the naive bits' 1 '^0 of 1 outputs as expected' "$fovea" run wrong.fvd --dim b=2 --seed=3 --backend=interp --expect groups.npy
sed 's/%x(b, 8, 15)/%x(b, 15, 8)/' groups.fvd >wrong.fvd
check 'axes in another order' 1 'reaches' "$fovea" run wrong.fvd --dim b=2

# ---- one node ----
layer two.fvir '%a = Mul(%h, @one) loc("first")' '%b = Relu(%a)' '%y = Mul(%b, @one) loc("second")'
sed -i 's/^const @w/const @one: f32[] = 1.0\n&/' two.fvir
check 'one node' 0 'loc\("first"\)' "$fovea" opt two.fvir --only-node=second -v
noted '^simplify: 1 mul-one$'
check 'a value' 0 'loc\("second"\)' "$fovea" opt two.fvir --only-node=a
check 'all of them' 0 'Relu' "$fovea" opt two.fvir -v
noted '^simplify: 2 mul-one$'
check 'no node' 2 "--only-node secnd: there is no such node or value; did you mean 'second'" "$fovea" opt two.fvir --only-node=secnd
check 'no node while it looks for a fault' 2 '--only-node does not apply' "$fovea" opt two.fvir --only-node=second --bisect

# ---- a pipeline of one's own ----
if [ $lua = yes ]; then
    cat >mine.lua <<'T'
local p = fv.level "2"
table.insert(p, 2, fv.pass{name = "look", purpose = "says what it sees", run = function(m) print("sees " .. tostring(m)) end})
table.remove(p.steps, 6)
p.code = "1"
p.purpose = 'with "quotes"'
return p
T
    check 'one that is changed' 0 '"count-turns", "look", "stack-turns"' "$fovea" opt --print-pipeline --pipeline mine.lua
    said '"fuse-attention", "results"'
    said 'code = "1"'
    check 'it runs' 0 'sees module "m"' "$fovea" run m.fvir --pipeline mine.lua --dim n=2 --backend=interp
    check 'a step that is left out' 2 'that step is not run' "$fovea" compile m.fvir --pipeline mine.lua --dump-after=fold -o m.c
    check '-O is of code then' 0 'code = "3"' "$fovea" opt --print-pipeline --pipeline mine.lua -O3
    check '--passes instead of its own' 0 '^  "legalise", "remove-dead",$' "$fovea" opt --print-pipeline --pipeline mine.lua --passes=legalise,remove-dead
    check 'a step to ask for that it leaves out' 2 '--enable=fold-mask: a list says which steps are done' "$fovea" opt m.fvir --pipeline mine.lua --enable=fold-mask
    refused() { # NAME PATTERN LINE
        printf '%s\n' "-- a pipeline" "$3" >wrong.lua
        check "$1" 1 "$2" "$fovea" opt m.fvir --pipeline wrong.lua
    }
    refused 'none' 'wrong.lua: error: the script returns a nil, expected a pipeline' 'local p = {"legalise"}'
    refused 'no pass' "wrong.lua: error: there is no pass 'simplfy'; did you mean 'simplify'" 'return {"legalise", "simplfy"}'
    refused 'no step' "wrong.lua:2: error: fv.pipeline: there is no step 'fold-msk' of lowering; did you mean 'fold-mask'" 'fv.pipeline{"legalise", steps = {"define", "fold-msk"}}'
    refused 'steps in another order' "step 'group' comes before 'layout'" 'return {"legalise", steps = {"define", "layout", "group"}}'
    refused 'a step twice' "step 'define' is named twice" 'return {"legalise", steps = {"define", "define"}}'
    refused 'a step that is needed' "step 'define' is left out: kernels are made of definitions" 'return {"legalise", steps = {"order"}}'
    refused 'steps that are no list' 'steps is a string, expected a list' 'return {"legalise", steps = "all"}'
    refused 'no code' "there is no code '9'" 'return {"legalise", code = "9"}'
    refused 'another name' "fv.pipeline takes no 'stps'; did you mean 'steps'" 'return {"legalise", stps = {}}'
    refused 'two' 'the script has a pipeline already' 'fv.pipeline{"legalise"} return {"legalise"}'
    echo 'return {"legalise", "reduce-strength", "simplify", "fold-constants", "remove-dead"}' >order.lua
    check 'another order' 0 "warning: pass 'reduce-strength' should run after 'simplify'" "$fovea" opt m.fvir --pipeline order.lua
    check 'a file that is not there' 1 'nothing.lua' "$fovea" opt m.fvir --pipeline nothing.lua
    check 'beside a script' 2 '--script and --pipeline: one of them' "$fovea" opt m.fvir --pipeline mine.lua --script mine.lua
else
    check 'a pipeline without Lua' 2 '--pipeline needs Lua' "$fovea" opt m.fvir --pipeline O2.lua
fi
finish
