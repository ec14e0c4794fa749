# Tests scripts through the command: where they run, what they are allowed to do, and which files exist after a failure.
. "$(dirname "$0")/../tools/lib.sh"
layer m.fvir '%r = Relu(%h)' '%y = Relu(%r)'
cp m.fvir before.fvir
cat >relu.lua <<'T'
local o = fv.options{which = {default = "Relu", doc = "what is taken out"}}
fv.pass{name = "relu-twice", purpose = "one is enough", run = function(m, pass)
  for op in m.main:walk(o.which) do
    local inner = op.inputs[1].op
    if inner and inner.name == o.which then op:replace(inner.output) pass:count(o.which) end
  end
  print("looked at", m)
end}
T

# ---- the same script everywhere ----
check opt 0 'looked at' "$fovea" opt m.fvir --script relu.lua --passes=relu-twice -v
noted '^looked at.module "m"$'
noted '^relu-twice: 1 Relu$'
said 'Relu\(%h\)'
[ "$(grep -c Relu out)" = 1 ] && tell 'opt: one Relu' yes || tell 'opt: one Relu' no
check compile 0 'looked at' "$fovea" compile m.fvir --script relu.lua -o m.fvk
check run 0 'looked at' "$fovea" run m.fvir --script relu.lua --backend=interp --dim n=2
cp out run.out
check 'run, without' 0 'f32' "$fovea" run m.fvir --backend=interp --dim n=2
cmp -s out run.out && tell 'run: the same result' yes || tell 'run: the same result' no
check bench 0 'looked at' "$fovea" bench m.fvir --script relu.lua --backend=interp --dim n=2 --rounds=1 --seconds=0.01 --json
python3 -c 'import json; json.load(open("out"))' 2>/dev/null && tell 'bench: one document' yes || tell 'bench: one document' no
check 'the level follows' 0 'legalise' "$fovea" opt m.fvir --script relu.lua -v
check 'a kernel is no graph' 1 'm.fvk: error: .*--script does not apply' "$fovea" run m.fvk --script relu.lua
check dump 0 '^# after relu-twice' "$fovea" opt m.fvir --script relu.lua --dump-after=relu-twice

# ---- options ----
check 'an option' 0 'looked at' "$fovea" opt m.fvir --script relu.lua --script-arg which=Abs --passes=relu-twice
[ "$(grep -c Relu out)" = 2 ] && tell 'an option: nothing taken out' yes || tell 'an option: nothing taken out' no
check 'help' 0 '^  which +what is taken out \(Relu\)' "$fovea" opt --help --script relu.lua
said '^  relu-twice +one is enough'
check 'an option that is not there' 1 "relu.lua: error: --script-arg whch=1: .*did you mean 'which'" "$fovea" opt m.fvir --script relu.lua --script-arg whch=1
echo 'fv.options{n = 1}' >one.lua
check 'an option of another type' 1 "option 'n' is an integer" "$fovea" opt m.fvir --script one.lua --script-arg n=x
check 'an option without a value' 2 'expected NAME=VALUE' "$fovea" opt m.fvir --script relu.lua --script-arg which
check 'options without a script' 2 'needs --script' "$fovea" opt m.fvir --script-arg which=1
check 'a pass that is not there' 2 "did you mean 'relu-twice'" "$fovea" opt m.fvir --script relu.lua --passes=relu-twise
check 'no memory at all' 2 'at least 1' "$fovea" opt m.fvir --script relu.lua --script-memory=0

# ---- fovea lua ----
cat >args.lua <<'T'
#!/usr/bin/env fovea-lua
print(#arg, arg[0], arg[1], arg[2], ...)
T
check 'arguments' 0 '^2.args.lua.a.--quiet.a.--quiet$' "$fovea" lua args.lua a --quiet
check 'no script' 1 'none.lua' "$fovea" lua none.lua
check 'a folder' 1 'error: ' "$fovea" lua .
printf 'a\0b' >zero.lua
check 'no text' 1 'zero.lua: error: .*byte 0' "$fovea" lua zero.lua
printf '\033Lua' >byte.lua
check 'bytecode' 1 'byte.lua: error: ' "$fovea" lua byte.lua
printf '%s\n' 'print("\27[31m", "a\tb")' >escape.lua
check 'no commands for the terminal' 0 '\\x1b\[31m|\\u001b|\\033|\\e' "$fovea" lua escape.lua
echo 'local m = fv.load(...) m:run{fv.level "1"} m:save "small.fvir" print "done"' >save.lua
check 'save without a folder' 1 'save.lua:1: error: .*--output' "$fovea" lua save.lua m.fvir
mkdir made
check 'save' 0 'done' "$fovea" lua --output=made save.lua m.fvir
check 'what was saved' 0 'MatMul' "$fovea" opt made/small.fvir -O0
for name in ../m.fvir /tmp/m.fvir m/../../m.fvir; do
    echo "fv.load('m.fvir'):save('$name')" >one.lua
    check "save to $name" 1 'does not lie under|no name of a file' "$fovea" lua --output=made one.lua
done
echo "fv.load('m.fvir'):save('m.fvir')" >one.lua
check 'save over the model' 1 'error: ' "$fovea" lua --output=. one.lua
echo "fv.load('relu.lua')" >one.lua
check 'a model that is none' 1 'relu.lua' "$fovea" lua one.lua
echo 'fv.load "m.fvir"' >one.lua
check 'load in a pass' 1 'only .fovea lua. and .fovea test. load' "$fovea" opt m.fvir --script one.lua

# ---- tensors in files ----
mkdir -p tensors/set other
check 'inputs are saved' 0 'y ' "$fovea" run m.fvir --backend=interp --dim n=3 --save-inputs=tensors/set -o tensors/y.npy
check 'saved inputs' 0 '1 of 1 outputs as expected' "$fovea" run m.fvir --backend=interp --data-set tensors/set --expect tensors/y.npy --atol=0 --rtol=0
check 'inputs over the model' 1 'error: ' "$fovea" run m.fvir --backend=interp --save-inputs=m.fvir
cat >files.lua <<'T'
local c = fv.compile(fv.load "m.fvir", {backend = "interp"})
local x = fv.tensor_file "set/input_0.pb"
print(x, select(2, fv.diff(fv.run(c, {x = x}), {y = fv.tensor_file "y.npy"}, {atol = 0, rtol = 0})))
for _, name in ipairs{"", "../m.fvir", "set/../y.npy", "./y.npy", "/etc/passwd", "set/", "set//input_0.pb"} do
  print("path", select(2, pcall(fv.tensor_file, name)):match "is no path within a folder")
end
print(pcall(fv.tensor_file, "none.npy"))
T
check 'tensors from files' 0 '^f32.3, 2..true$' "$fovea" lua --tensors=other --tensors=tensors files.lua
[ "$(grep -c 'path.is no path within' out)" = 7 ] && tell 'paths out of the folder' yes || tell 'paths out of the folder' no
said "there is no 'none.npy' in other or in the other folders"
check 'tensors without a folder' 1 'fv.tensor_file needs a folder: fovea lua --tensors=DIR' "$fovea" lua files.lua
for folder in '' nowhere m.fvir; do
    check "tensors in '$folder'" 2 "--tensors=$folder is no folder" "$fovea" lua --tensors="$folder" files.lua
done
ln -s ../m.fvir tensors/link.npy
ln -s y.npy tensors/near.npy
echo 'print(fv.tensor_file "near.npy") fv.tensor_file "link.npy"' >one.lua
check 'a link out of the folder' 1 "link.npy' cannot be opened within 'tensors': a link leads out" "$fovea" lua --tensors=tensors one.lua
said '^f32.3, 3.$'
cp m.fvir tensors/set/input_1.pb
check 'inputs into another data set' 1 'input_1.pb exists, and would belong to this data set of 1' "$fovea" run m.fvir --backend=interp --save-inputs=tensors/set
check 'results to standard output' 2 'output of lua is a folder' "$fovea" lua --output=- one.lua
check 'no folder for a script that does not exist' 1 'none.lua' "$fovea" lua --output=never none.lua
absent never
printf 'nonsense' >tensors/bad.npy
echo 'fv.tensor_file "bad.npy"' >one.lua
check 'a file that is no tensor' 1 'bad.npy' "$fovea" lua --tensors=tensors one.lua
mkfifo tensors/pipe.npy
echo 'fv.tensor_file "pipe.npy"' >one.lua
check 'a fifo' 1 'pipe.npy' timeout 20 "$fovea" lua --tensors=tensors one.lua
echo 'print "work" fv.save("a.json", {1})' >one.lua
check 'the folder of results is created' 0 work "$fovea" lua --output=fresh one.lua
present fresh/a.json
check 'a folder that cannot be created' 1 'cannot make the folder m.fvir' "$fovea" lua --output=m.fvir one.lua
grep -q work out && tell 'refused before the work' no || tell 'refused before the work' yes

# ---- experiments ----
head='local m = fv.load "m.fvir" local c = fv.compile(m, {backend = "interp"}) '
# wrong WHAT MESSAGE SCRIPT
wrong() {
    echo "$3" >one.lua
    check "$1" 1 "one.lua:1: error: .*$2" "$fovea" lua --output=made one.lua
}
cat >try.lua <<'T'
local m = fv.load "m.fvir"
local a, b = fv.compile(m, {backend = "interp"}), fv.compile(m, {level = 0, schedule = "naive", backend = "interp", dims = {n = 2}})
print(a.inputs[1].name, a.inputs[1].dims[1], b.inputs[1].dims[1], a.outputs[1].elem)
local x = fv.tensor("f32", {2, 2}, {1, 0, -1, 0})
print(table.concat(fv.run(a, {x = x}).y:list(), " "))
local rows, agree = fv.diff(a, b, {inputs = {x = x}})
print(rows[1].name, rows[1].absolute, agree)
print(select(2, fv.diff(fv.run(a, {x = x}), {y = fv.tensor("f32", {2, 3}, 1)})))
print(fv.diff({y = fv.tensor("f32", {2}, {0/0, 1/0})}, {y = fv.tensor("f32", {2}, 1)})[1].nan_in_a)
local t = fv.time{a, b, a, inputs = {x = x}, rounds = 2, seconds = 0.01}
print(#t, t[1].ratio, t[2].ratio > 0, t[3].runs > 0, t[1].won, t[2].won <= 2)
local d = fv.diff({y = fv.tensor("f32", {2}, {3, 4})}, {y = fv.tensor("f32", {2}, {4, 3})})[1]
print("spread", d.rms, d.of_range, string.format("%.2f", d.cosine))
d = fv.diff({y = fv.tensor("f32", {2}, {3, 3})}, {y = fv.tensor("f32", {2}, {0/0, 1})})[1]
print("undefined", d.rms, d.of_range, d.cosine)
local p = a:profile{dims = {n = 3}, threads = 1}
local slowest, nodes = p.launches[1], {}
for _, l in ipairs(p.launches) do nodes[#nodes + 1] = l.calls assert(l.median <= slowest.median and l.min <= l.median and l.min > 0) end
print("profile", p.runs >= 5, p.median > 0, #p.launches == #a:cost{dims = {n = 3}}.launches, table.concat(nodes, " "))
print(a:cost{dims = {n = 4}}.operations > a:cost{dims = {n = 2}}.operations, b:cost().known)
local k = m:copy()
k:run{fv.level "2"}
print(m.text ~= k.text, fv.diff(fv.compile(k, {backend = "interp"}), a, {dims = {n = 3}})[1].ulp)
m, k = nil, nil
collectgarbage()
print(fv.run(a, nil, {dims = {n = 1}, seed = 1, threads = 1}).y)
fv.save("t.json", {rows = rows, s = 'a"\1', none = 0/0, list = {1, 2.5, true}, x = x})
fv.save("t.csv", {{name = 'a "b"', ms = 0.1}, {name = "c", ms = 2}}, {"name", "ms"})
T
check experiments 0 '^x.n.2.f32$' "$fovea" lua --output=made try.lua
for line in '1.0 2.0 3.0 0.0 0.0 0.0' 'y.0.0.true' 'false' '3.1.0.true.true.0.true' 'spread.1.0.1.0.0.96' 'undefined.nil.nil.nil' 'profile.true.true.true.1.0.*' 'true.true' 'true.0' 'f32\[1, 3\]'; do said "^$line\$"; done
python3 -c 'import json; d = json.load(open("made/t.json")); assert d["s"] == "a\"\1" and d["none"] is None and d["list"] == [1, 2.5, True] and d["x"] == [1, 0, -1, 0]' &&
    tell 'JSON' yes || tell 'JSON' no
printf 'name,ms\r\n"a ""b""",0.1\r\nc,2\r\n' | cmp -s - made/t.csv && tell 'CSV' yes || tell 'CSV' no
cat >half.fvir <<'T'
fovea-ir 1
module "m"
func @main(%x: f16[64]) -> (%y) {
  %a = Exp(%x)
  %b = Mul(%a, %x)
  %y = Add(%b, %a)
  return %y
}
T
cat >relax.lua <<'T'
local m = fv.load "half.fvir"
local plain = fv.compile(m, {backend = "interp"})
local relaxed = fv.compile(m, {backend = "interp", relax = {"f16-intermediates", "bf16-products"}})
local other = fv.compile(m, {backend = "interp", relax = {"bf16-products"}, target = "generic"})
print(fv.diff(plain, relaxed, {atol = 0, rtol = 0})[1].absolute > 0, fv.diff(plain, other)[1].absolute)
T
check 'relax' 0 '^true.0.0$' "$fovea" lua relax.lua
wrong 'a relaxation that is none' "no relaxation 'fast'; there are f16-intermediates, bf16-products" 'fv.compile(fv.load "m.fvir", {relax = {"fast"}})'
wrong 'no list of relaxations' 'relax is a string' 'fv.compile(fv.load "m.fvir", {relax = "bf16-products"})'
wrong 'an option that is none' "fv.compile takes no 'levl'; did you mean 'level'" 'fv.compile(fv.load "m.fvir", {levl = 2})'
wrong 'a level that is none' "no level '7'" 'fv.compile(fv.load "m.fvir", {level = 7})'
wrong 'a backend that is none' "no backend 'gpu'; there are jit, c and interp" 'fv.compile(fv.load "m.fvir", {backend = "gpu"})'
wrong 'a schedule that is none' "no schedule 'fast'" 'fv.compile(fv.load "m.fvir", {schedule = "fast"})'
wrong 'a target that is none' "no target 'z80'" 'fv.compile(fv.load "m.fvir", {target = "z80"})'
wrong 'a processor of another target' 'processor .zen4. is' 'fv.compile(fv.load "m.fvir", {target = "aarch64", processor = "zen4"})'
wrong 'a step that is none' 'disable=nope: there is no such pass or step, and no rule' 'fv.compile(fv.load "m.fvir", {disable = {"nope"}})'
wrong 'no list of passes' 'passes is a string' 'fv.compile(fv.load "m.fvir", {passes = "simplify"})'
wrong 'a pass of the script' "pass 'p' is the script's" 'local p = fv.pass{name = "p", run = print} fv.compile(fv.load "m.fvir", {passes = {p}})'
wrong 'a graph that is not legal' 'cannot be compiled' 'fv.compile(fv.load "m.fvir", {passes = {}})'
wrong 'a dim that is none' "there is no dim 'k'" 'fv.compile(fv.load "m.fvir", {dims = {k = 4}})'
wrong 'half a dim' 'n is a number, expected an integer' 'fv.compile(fv.load "m.fvir", {dims = {n = 4.5}})'
wrong 'an input that is none' "there is no input 'z'" "$head fv.run(c, {z = fv.tensor('f32', {2, 2})})"
wrong 'an input that is no tensor' "input 'x' is a number" "$head fv.run(c, {x = 7})"
wrong 'an input of another type' "input 'x' is i32, expected f32" "$head fv.run(c, {x = fv.tensor('i32', {2, 2})})"
wrong 'an input of another rank' 'expected f32 of rank 2' "$head fv.run(c, {x = fv.tensor('f32', {2})})"
wrong 'a dim out of bounds' "may be 0 to 8" "$head fv.run(c, nil, {dims = {n = 9}})"
wrong 'bounds where a run takes a value' 'a run takes one value' "$head fv.run(c, nil, {dims = {n = '1..3'}})"
wrong 'a negative number of threads' 'threads is -1' "$head fv.run(c, nil, {threads = -1})"
wrong 'what was closed' 'was closed' "$head c:close() c:close() fv.run(c)"
wrong 'nothing to time' 'takes 1 to 64 compiled modules, found 0' 'fv.time{}'
wrong 'no rounds' 'rounds is 0' "$head fv.time{c, rounds = 0}"
wrong 'no time' 'expected more than 0' "$head fv.time{c, seconds = 0/0}"
wrong 'nothing to compare' 'and no nil' "$head fv.diff(c)"
wrong 'nothing in common' 'nothing of A is called' "$head fv.diff(c, {z = fv.tensor('f32')})"
wrong 'no such dim to profile' "there is no dim 'k'" "$head c:profile{dims = {k = 1}}"
wrong 'an option that profile lacks' "compiled:profile takes no 'rounds'" "$head c:profile{rounds = 1}"
wrong 'a tensor beyond the limit' 'tensor of such a size' "fv.tensor('f32', {1 << 62})"
wrong 'another suffix' 'neither in .json nor in .csv' 'fv.save("x.txt", {})'
wrong 'another folder' 'is no name of a file' 'fv.save("../x.json", {})'
wrong 'a circle' 'or in a circle' 'local t = {} t.t = t fv.save("x.json", t)'
wrong 'a function in a table' 'there is a function' 'fv.save("x.json", {print})'
wrong 'a cell that is none' 'a cell is a table' 'fv.save("x.csv", {{{}}})'
absent made/x.json
absent made/x.csv
echo 'fv.save("x.json", {})' >one.lua
check 'fv.save without a folder' 1 'fv.save needs a folder' "$fovea" lua one.lua
echo 'fv.pass{name = "p", run = function(m) fv.compile(m) end}' >one.lua
check 'compile in a pass' 1 'only .fovea lua. and .fovea test. compile' "$fovea" opt m.fvir --script one.lua

# ---- operators ----
cat >snake.lua <<'T'
fv.op{name = "Snake", domain = "com.example", attributes = {alpha = 1.0}, formula = "s = sin(alpha * X); Y = X + s * s / alpha"}
fv.op{name = "Twice", domain = "com.example", rule = "Twice(X) => Neg(com.example.Snake(Neg(X), alpha=0.5))"}
fv.op{name = "Rows", domain = "com.example", inputs = {{name = "X", rank = 2}, {name = "I", type = "i64", rank = 1}}, attributes = {first = 0},
  formula = "Y[i < dim(I, 0), j < dim(X, 1)] = X[I[i] + first, j]"}
fv.op{name = "Behind", domain = "com.example", inputs = {{name = "X", rank = 2}}, formula = "Y[i, j] = X[i + 1, j]"}
fv.rules{name = "find", ends = "each takes a Sin away",
  "rule s: Add(x, Mul(Sin(x), Sin(x))) where type(x) == f32 => com.example.Snake(x, alpha=1.0) rounding"}
T
cat >snake.fvir <<'T'
fovea-ir 1
module "snake"
symbol n 0..8
const @w: f32[2, 3] = [1, 2, 3, 4, 5, 6]
func @main(%x: f32[n, 2], %i: i64[2]) -> (%y, %z, %r) {
  %h = MatMul(%x, @w)
  %y = com.example.Snake(%h) {alpha = 2.0}
  %z = com.example.Twice(%h)
  %r = com.example.Rows(%x, %i) {first = 1}
  return %y, %z, %r
}
T
mkdir -p as
for how in --backend=jit --backend=c --backend=interp '--backend=interp --schedule=naive -O0' '--backend=interp -O1'; do
    rm -rf as/*
    check "operators: $how" 0 '^r  f32\[2, 2\]' "$fovea" run snake.fvir --script snake.lua --dim n=3 $how -o as
    [ -d as.first ] || cp -r as as.first
    diff -r as.first as >/dev/null && tell "operators: $how: the same bits" yes || tell "operators: $how: the same bits" no
done
check 'operators share a kernel' 0 '%y, %z = define' "$fovea" compile snake.fvir --script snake.lua --emit=definitions -o -
said 'let t0 = sin\(2.0 \* %h\(n \* 3\)\[i0\]\)'
onnx snake.onnx <<'T'
ir_version: 8
opset_import { domain: "" version: 17 }
opset_import { domain: "com.example" version: 1 }
graph {
  name: "g"
  node { op_type: "Snake" domain: "com.example" input: "x" output: "y" name: "s" attribute { name: "alpha" type: FLOAT f: 2 } }
  input { name: "x" type { tensor_type { elem_type: 1 shape { dim { dim_param: "n" } } } } }
  output { name: "y" type { tensor_type { elem_type: 1 shape { dim { dim_param: "n" } } } } }
}
T
check "a model's own domain" 0 '^y  f32\[3\]' "$fovea" run snake.onnx --script snake.lua --dim n=3 --backend=interp
check "a model's own domain, without" 1 'operator not in the catalogue' "$fovea" run snake.onnx --dim n=3 --backend=interp
echo 'require "snake" local m = fv.load "snake.fvir" local c = fv.compile(m, {backend = "interp"})
fv.run(c, {i = fv.tensor("i64", {2}, 9)}, {dims = {n = 3}})' >one.lua
check 'an index beyond the end' 1 'one.lua:2: error: .*out of range' "$fovea" lua one.lua
for backend in interp jit c; do
    echo 'require "snake" local m = fv.parse [[fovea-ir 1 module "m" symbol n 0..8 func @main(%x: f32[n, 2]) -> (%y) { %y = com.example.Behind(%x) return %y }]]
fv.run(fv.compile(m, {backend = "'$backend'"}), nil, {dims = {n = 3}})' >one.lua
    check "reading behind the end, $backend" 1 'one.lua:2: error: .*out of range' "$fovea" lua one.lua
done
op='fv.op{name = "A", domain = "x",'
wrong 'a name that a formula does not have' "the formula:1:9: formula of x.A: unknown name 'Z'" "$op formula = 'Y = X + Z'}"
wrong 'half a formula' 'the formula:1:8: expected an expression' "$op formula = 'Y = X +'}"
wrong 'a formula of something else' "does not define result 'Y'" "$op formula = 'Z = X'}"
wrong 'half a shape' 'expected INDEX < EXTENT' "$op formula = 'Y[i < 4, j] = X[i, j]'}"
wrong 'the dim of nothing' 'expected the name of an operand' "$op formula = 'Y[i < dim(Q, 0)] = X[i]'}"
wrong 'a negative dim' 'would have -6 elements' "$op inputs = {{name = 'X', rank = 1}}, formula = 'Y[i < dim(X, 0) - 9] = X[i]'}"
wrong 'no domain' 'is no domain' 'fv.op{name = "A", domain = "", formula = "Y = X"}'
wrong 'a domain that is taken' 'is no domain' 'fv.op{name = "A", domain = "fv", formula = "Y = X"}'
wrong 'a name that is none' 'is no name of an operator' 'fv.op{name = "A B", domain = "x", formula = "Y = X"}'
wrong 'an operator that is there' 'there is an operator .com.microsoft.Gelu. already' 'fv.op{name = "Gelu", domain = "com.microsoft", formula = "Y = X"}'
wrong 'twice' 'there is an operator .x.A. already' "$op formula = 'Y = X'} $op formula = 'Y = X'}"
wrong 'two meanings' 'a formula and a rule' "$op formula = 'Y = X', rule = 'A(X) => X'}"
wrong 'no meaning' 'neither a formula nor a rule' "$op}"
wrong 'in a circle' "there is no op 'x.A'" "$op rule = 'A(X) => x.A(X)'}"
wrong 'a rule of another type' 'its rule gives i64' "$op rule = 'A(X) => Shape(X)'}"
wrong 'a rule of another shape' 'its rule gives f32.6, 3., expected f32.3, 3.' "$op rule = 'A(X) => Concat(X, X, axis=0)'}"
wrong 'a rule of something else' 'expected A on the left' "$op rule = 'B(X) => Neg(X)'}"
wrong 'an attribute that is a text' 'expected a number' "$op attributes = {a = 'b'}, formula = 'Y = X'}"
wrong 'types that are none' "no element type 'q8'" "$op types = {'q8'}, formula = 'Y = X'}"
wrong 'no types' 'types is a table, expected a list' "$op types = {}, formula = 'Y = X'}"
wrong 'no inputs' 'inputs: 0 of them' "$op inputs = {}, formula = 'Y = X'}"
wrong 'an input twice' "there are two 'X'" "$op inputs = {'X', 'X'}, formula = 'Y = X'}"
wrong 'operands of another type' "input 'X' has type i32, expected float" \
    "$op formula = 'Y = X'} fv.parse[[fovea-ir 1 module \"m\" func @main(%x: i32[2]) -> (%y) { %y = x.A(%x) return %y }]]"
cat >sin.fvir <<'T'
fovea-ir 1
module "sin"
symbol n 0..8
func @main(%x: f32[n]) -> (%y) {
  %s = Sin(%x)
  %q = Mul(%s, %s)
  %y = Add(%x, %q)
  return %y
}
T
check 'what a rule makes' 0 '%y = com.example.Snake' "$fovea" opt sin.fvir --script snake.lua --passes=find

# ---- limits ----
echo 'while true do end' >loop.lua
check 'an endless loop' 1 'loop.lua:1: error: .*--script-steps' "$fovea" lua --script-steps=1 loop.lua
echo 'local t = {} while true do t[#t + 1] = ("x"):rep(1000) .. #t end' >hog.lua
check 'a memory hog' 1 'hog.lua: error: .*--script-memory' "$fovea" lua --script-memory=8 hog.lua
echo 'local s = ("x"):rep(1 << 40)' >rep.lua
check 'all at once' 1 'rep.lua.* error: ' "$fovea" lua --script-memory=8 rep.lua
cat >wait.lua <<'T'
print "begun" io.stdout:flush()
while true do end
T
check 'interrupted' 1 'wait.lua:2: error: interrupted' env --default-signal=INT timeout --foreground --preserve-status -s INT 1 "$fovea" lua wait.lua
noted 'wait.lua:2: note: in the main chunk'

# ---- limits from within coroutines, in one step of C, of all that is made ----
echo 'local c = coroutine.create(function() while true do end end) print(coroutine.resume(c)) print "caught"' >once.lua
check 'a coroutine that has no end' 1 'run as many instructions' "$fovea" lua --script-steps=1 once.lua
cat >many.lua <<'T'
local function body() for i = 1, 150 do local x = i end end
while true do coroutine.wrap(body)() end
T
check 'coroutines without end' 1 'run as many instructions' "$fovea" lua --script-steps=1 many.lua
echo 'table.move({}, 1, 1 << 60, 2)' >move.lua
check 'elements without end' 1 'run as many instructions' "$fovea" lua --script-steps=1 move.lua
echo 'table.insert(setmetatable({}, {__len = function() return 1 << 60 end}), 1, 1)' >shift.lua
check 'a length without end' 1 'run as many instructions' "$fovea" lua --script-steps=1 shift.lua
cat >buffers.lua <<'T'
local m = fv.parse "fovea-ir 1\nfunc @main(%x: f32[2]) -> (%y) {\n  %y = Neg(%x)\n  return %y\n}"
for i = 1, 40 do m:buffer("u8", {60 << 20}) end
T
check 'many buffers' 1 'more memory than the script may take' "$fovea" lua --script-memory=64 buffers.lua
cat >misuse.lua <<'T'
local one = fv.parse "fovea-ir 1\nfunc @main(%x: f32[2]) -> (%y) {\n  %y = Neg(%x)\n  return %y\n}"
local function said(f, ...) print((select(2, pcall(f, ...)))) end
said(one.dim, one, "q + 1")
said(one.dim, one, "q + 1")
local b, u = one:buffer("u8", {2}), one:buffer("u64", {2})
b[1] = 5
said(function() b[1] = 256 end)
said(function() u[1] = -1 end)
print(b[1], u[1])
said(fv.parse, 'fovea-ir 1\nconst @w: u8[1] = file "misuse.lua" 0 1\nfunc @main(%x: u8[1]) -> (%y) {\n  %y = Add(%x, @w)\n  return %y\n}')
local m = fv.parse [[fovea-ir 1
func @main(%c: bool[], %x: f32[2]) -> (%z) {
  %y = If(%c) {then_branch = ^() {
    %a = Exp(%x)
    return %a
  }, else_branch = ^() {
    %b = Neg(%x)
    return %b
  }}
  %z = Neg(%y)
  return %z
}]]
said(function() m:find("y").op:replace(m:find "a") end)
said(function() m:find("z").op:set_input(1, m:find "a") m:find("y").op:erase() end)
error("/etc/passwd:1: x near 'root:x'", 0)
T
check 'misuse' 1 '^misuse.lua: error: /etc/passwd:1: x' "$fovea" lua misuse.lua
[ "$(grep -c "no symbol 'q'" out)" = 2 ] && tell 'a symbol stays unknown' yes || tell 'a symbol stays unknown' no
for line in '256 is no u8' '.1 is no u64' '^5.0$' 'this text has no folder with side files' "'a' is in a region" "'a', in a region of this If"; do said "$line"; done

# ---- files ----
mkdir -p lib sub/inner
echo 'return {name = ...}' >lib/part.lua
echo 'local p = require "lib.part" print(p.name, require "lib.part" == p, require "fv" == fv)' >parts.lua
check require 0 '^lib.part.true.true$' "$fovea" lua parts.lua
check 'require elsewhere' 0 'lib.part' bash -c 'cd sub && exec "$0" lua ../parts.lua' "$fovea"
ln -s ../../before.fvir sub/inner/out.lua
echo 'require "inner.out"' >sub/link.lua
check 'require through a link' 1 'outside of the folder' "$fovea" lua sub/link.lua
echo 'require "circle"' >circle.lua
check 'require in a circle' 1 'requires itself' "$fovea" lua circle.lua
echo 'fv.pass{name = "p", run = function() require "lib.part" end}' >late.lua
check 'require too late' 1 'comes too late' "$fovea" opt m.fvir --script late.lua
echo 'local f = io.open("written", "w") f:write("x") f:close() print "done"' >write.lua
check 'no files' 1 'write.lua:1: error: ' "$fovea" lua write.lua
absent written
check 'files, where it is trusted' 0 'done' "$fovea" lua --unsafe-lua write.lua
present written

# ---- the cache ----
export FOVEA_CACHE_DIR=$work/cache
models() { find "$work/cache" -type f 2>/dev/null | wc -l; }
runs() { "$fovea" run m.fvir --dim n=2 "$@" >out 2>err; }
if runs -q && [ "$(models)" -gt 0 ]; then
    name=cache
    check 'cache: the first time' 0 'looked at' "$fovea" run m.fvir --dim n=2 --script relu.lua
    "$fovea" run m.fvir --dim n=2 --script relu.lua >out 2>err
    grep -q 'looked at' err && tell 'cache: the second time no pass runs' no || tell 'cache: the second time no pass runs' yes
    check 'cache: another option' 0 'looked at' "$fovea" run m.fvir --dim n=2 --script relu.lua --script-arg which=Abs
    echo '-- more' >>relu.lua
    check 'cache: another text' 0 'looked at' "$fovea" run m.fvir --dim n=2 --script relu.lua
    cat >clock.lua <<'T'
fv.pass{name = "p", run = function(m) print("it is", os.date("%Y")) end}
T
    "$fovea" run m.fvir --dim n=2 --script clock.lua >out 2>err
    check 'cache: what asks for the time is not kept' 0 'it is' "$fovea" run m.fvir --dim n=2 --script clock.lua
    echo 'print(require "lib.part".name) fv.pass{name = "p", run = function(m) print("p runs") end}' >needs.lua
    "$fovea" run m.fvir --dim n=2 --script needs.lua >out 2>err
    echo 'return {name = "other"}' >lib/part.lua
    check 'cache: what is required counts' 0 'p runs' "$fovea" run m.fvir --dim n=2 --script needs.lua
fi
cmp -s m.fvir before.fvir && tell 'the model is what it was' yes || tell 'the model is what it was' no
finish
