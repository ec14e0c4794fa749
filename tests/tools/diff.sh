# Tests `fovea diff`: it must name the op at which a planted difference begins.
. "$(dirname "$0")/lib.sh"
dates=$root/examples/dates/dates.onnx
set=$root/examples/dates/test/test_data_set_0
cat >m.fvir <<'T'
fovea-ir 1
module "m"
symbol n 0..1000
const @w: f32[3, 2] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
const @v: f32[2, 2] = [1.0, 2.0, 3.0, 4.0]
const @b: f32[2] = [0.5, -0.5]
func @main(%x: f32[n, 3]) -> (%y) {
  %h = MatMul(%x, @w)    loc("fc1")
  %a = Add(%h, @b)    loc("bias")
  %r = Relu(%a)    loc("relu")
  %g = MatMul(%r, @v)    loc("fc2")
  %y = Softmax(%g)    loc("softmax")
  return %y
}
T
one="--dim n=4 --backend=interp"

# ---- the same ----
check 'a model alone' 0 'values +5 compared, 0 differ' "$fovea" diff m.fvir --dim n=4 --backend=interp --levels=0,2
check 'schedules' 0 'A +m.fvir, interp, -O2, naive schedule' "$fovea" diff m.fvir $one --schedule=naive,default
said '^B +m.fvir, interp, -O2$'
check 'by default' 0 'A .*-O0, naive schedule' "$fovea" diff m.fvir --dim n=4
check 'one value at a time' 0 '5 compared, 0 differ' "$fovea" diff m.fvir $one --chunk=1
check 'all values' 0 '%h \(MatMul, node .fc1.\): 8 elements are equal' "$fovea" diff m.fvir $one -v
check 'pipelines' 0 'passes legalise,share' "$fovea" diff m.fvir $one --passes=legalise:legalise,share
check 'a data set' 0 ' 0 differ' "$fovea" diff "$dates" --data-set "$set" --backend=interp --levels=0,2

# ---- one weight is another ----
sed 's/3.0, 4.0\]$/3.0, 4.5]/' m.fvir >w.fvir
check 'a weight' 1 'first +%g \(MatMul, node .fc2.\): .* ulp$' "$fovea" diff m.fvir w.fvir $one
said '5 compared, 2 differ'
said 'DIFFERS +output y'
check 'within the tolerance' 0 '0 differ' "$fovea" diff m.fvir w.fvir $one --atol=100
check 'as json' 1 '"first": "g"' "$fovea" diff m.fvir w.fvir $one --json
if command -v python3 >/dev/null; then
    python3 -c '
import json, sys
d = json.load(open("out"))
v = {x["name"]: x for x in d["values"]}
assert d["compared"] == 5 and d["differing"] == 2 and v["g"]["ulp"] > 1000 and v["g"]["absolute"] > 0 and v["h"]["ulp"] == 0
assert v["y"]["output"] and not v["a"]["differs"]' && tell 'json says so' yes || tell 'json says so' no
fi
# the names of values are others: nodes tell which is which
sed 's/%h/%k/g; s/%g/%l/g' w.fvir >names.fvir
check 'by node' 1 'first +%g \(MatMul, node .fc2.\)' "$fovea" diff m.fvir names.fvir $one
# how far in ulps
sed 's/\[0.5, -0.5\]/[0.50001, -0.5]/' m.fvir >ulp.fvir
check 'ulps' 1 'first +%a .* relative .*, [1-9][0-9]* ulp$' "$fovea" diff m.fvir ulp.fvir $one --atol=0 --rtol=0

# ---- NaN in the middle, which the output does not show ----
cat >nan.fvir <<'T'
fovea-ir 1
module "nan"
const @zero: f32[] = 0.0
const @two: f32[] = 2.0
func @main(%x: f32[4]) -> (%y) {
  %z = Mul(%x, @zero)    loc("zero")
  %i = Div(@two, %z)    loc("divide")
  %n = Mul(%i, %z)    loc("spoilt")
  %c = IsNaN(%n)    loc("is")
  %y = Where(%c, %x, %n)    loc("pick")
  return %y
}
T
check 'NaN' 0 'first NaN +%n \(Mul, node .spoilt.\), of both' "$fovea" diff nan.fvir --backend=interp --passes=legalise,remove-dead
said 'first Inf +%i \(Div, node .divide.\), of both'
sed 's/@zero: f32\[\] = 0.0/@zero: f32[] = 1.0/' nan.fvir >fine.fvir
check 'NaN in one' 1 'first NaN +%n .*, of A only' "$fovea" diff nan.fvir fine.fvir --backend=interp --passes=legalise,remove-dead

# ---- graphs ----
check 'graphs' 0 '^0 of 5 ops are gone, 0 are new, 0 changed' "$fovea" diff m.fvir w.fvir --graph
check 'graphs of passes' 1 '^\+ %h = fv.MatMul' "$fovea" diff m.fvir --graph --passes=share:legalise
said '^- %h = MatMul'
check 'graphs as json' 1 '"change": "changed"' "$fovea" diff m.fvir --graph --passes=share:legalise --json
grep -v relu m.fvir | sed 's/%r/%a/' >less.fvir
check 'an op that is gone' 1 '^- %r = Relu' "$fovea" diff m.fvir less.fvir --graph
sed 's/return %y/return %g/; s/-> (%y)/-> (%g)/' m.fvir >returns.fvir
check 'what is returned' 1 '^- return %y' "$fovea" diff m.fvir returns.fvir --graph --passes=:
said '^0 of 5 ops are gone, 0 are new, 1 changed'
cat >branch.fvir <<'T'
fovea-ir 1
module "m"
func @main(%c: bool[], %x: f32[2]) -> (%y) {
  %y = If(%c) {then_branch = ^() {
    %a = Exp(%x)
    return %a
  }, else_branch = ^() {
    %b = Neg(%x)
    return %b
  }}
  return %y
}
T
sed 's/return %a/return %x/' branch.fvir >other.fvir
check 'what a branch returns' 1 '^- return %a  of then_branch of %y' "$fovea" diff branch.fvir other.fvir --graph --passes=:
said '^0 of 3 ops are gone, 0 are new, 1 changed'
check 'values of one only' 1 '1 are in A only' "$fovea" diff m.fvir less.fvir $one

# ---- what is no comparison ----
check 'three sides' 2 'takes one value, or one for each side' "$fovea" diff m.fvir --backend=interp,interp,interp
check 'a level that is none' 2 'there is no level -O7' "$fovea" diff m.fvir --levels=0,7
check 'a schedule that is none' 2 "there is no schedule 'fast'" "$fovea" diff m.fvir --schedule=fast,naive
check 'a pass that is none' 2 "there is no pass 'nothing'" "$fovea" diff m.fvir --passes=legalise:nothing
check 'chunks of none' 2 'at least 1' "$fovea" diff m.fvir --chunk=0
check 'states' 2 'state does not apply' "$fovea" diff m.fvir --state x=y
check 'three models' 2 'is too much' "$fovea" diff m.fvir m.fvir m.fvir
check 'a file that is not there' 1 'No such file' "$fovea" diff m.fvir nowhere.fvir
sed 's/%x/%other/' m.fvir | sed 's/MatMul(%x/MatMul(%other/' >inputs.fvir
check 'standard input' 2 'reads its models several times' sh -c "'$fovea' diff - <m.fvir"
check 'other inputs' 1 "an input 'other'" "$fovea" diff m.fvir inputs.fvir $one
sed 's/-> (%y)/-> (%z)/' m.fvir >outputs.fvir
check 'other outputs' 1 'the models have no outputs with the same name' "$fovea" diff m.fvir outputs.fvir $one
check 'kernels' 1 'holds kernels, no graph' sh -c "'$fovea' compile -q m.fvir -o m.fvk && '$fovea' diff m.fvk"
progress '2 of 5 values compared' "'$fovea' diff m.fvir $one --chunk=2"
finish
