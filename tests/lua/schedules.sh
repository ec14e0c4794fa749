# Tests schedules that scripts request, and the scripts of inspect, diff and tune.
. "$(dirname "$0")/../tools/lib.sh"
layer m.fvir '%r = Relu(%h) loc("act")' '%y = Exp(%r)'
sed -i 's/%h = MatMul(%x, @w)/& loc("fc")/' m.fvir
cat >attend.fvir <<'T'
fovea-ir 1
module "attend"
symbol n 0..64
func @main(%q: f32[2, n, 16], %k: f32[2, 16, n], %v: f32[2, n, 16]) -> (%y) {
  %s = MatMul(%q, %k)
  %p = Softmax(%s) {axis = -1} loc("/softmax")
  %y = MatMul(%p, %v) loc("/values")
  return %y
}
T
wish() { echo "fv.schedule{$1}" >w.lua; }
kernels() { "$fovea" compile "$1" --script w.lua --target=x86-64-v3 --emit=kernels -o -; }

wish 'match = "fc", name = "contract", params = {rows = 2, outline = false}'
check 'of a node' 0 'schedule contract \{rows = 2, .*outline = false' kernels m.fvir
wish 'match = "y", name = "contract", params = {rows = 3}'
check 'of a value' 0 'schedule contract \{rows = 3, ' kernels m.fvir
wish 'name = "contract", params = {rows = 1}'
check 'of all' 0 'schedule contract \{rows = 1, ' kernels m.fvir
wish 'match = "fc", name = "contract"} fv.schedule{match = "fc", name = "contract", params = {rows = 4}'
check 'the last counts' 0 'schedule contract \{rows = 4, ' kernels m.fvir
wish 'match = "fc", name = "naive"'
check 'serial loops' 0 'schedule naive' kernels m.fvir
wish 'match = "/values", name = "attend", params = {block = 48}'
check 'of attention' 0 'schedule attend \{.*block = 48' kernels attend.fvir
for n in 1 7; do
    wish 'match = "fc", name = "contract", params = {rows = 1}'
    "$fovea" run m.fvir --dim n=$n -o a.npy -q
    "$fovea" run m.fvir --dim n=$n -o b.npy -q --script w.lua
    check "the same bits ($n)" 0 '^$' sh -c 'cmp a.npy b.npy && echo'
done
cat >long.lua <<'T'
local list, wish = {}, {match = "fc", name = "naive"}
for i = 1, 64 do list[i] = wish end
for k = 6, 31 do list[1 << k] = wish list[(1 << k) + 1] = wish end
list[1 << 32] = wish
fv.compile(fv.load "m.fvir", {schedules = list})
T
check 'a list with gaps' 1 'a list has 4294967296 entries, more than 1048576' "$fovea" lua long.lua
cat >bits.lua <<'T'
local m = fv.load "m.fvir"
local plain = fv.compile(m)
for _, how in ipairs{{match = "fc", name = "contract", params = {rows = 5}}, {match = "y", name = "naive"}} do
  local other = fv.compile(m, {schedules = {how}})
  for _, n in ipairs{0, 1, 2, 5, 8} do
    local _, agree = fv.diff(plain, other, {dims = {n = n}, atol = 0, rtol = 0})
    assert(agree, how.name .. " of " .. n)
  end
end
assert(not pcall(fv.compile, m, {schedules = {{match = "nope", name = "contract"}}}))
assert(not pcall(fv.compile, m, {schedules = {{name = "map"}}, schedule = "naive"}))
print(select(2, pcall(fv.compile, m, {schedules = {{match = "fc", name = "contract", params = {rows = 3}}, 7}})))
print(select(2, pcall(fv.compile, m, {schedules = 7})))
T
check 'the same bits, dims of the run' 0 'a schedule is a number, expected a table' "$fovea" lua bits.lua
said 'schedules is a number, expected a list'

refused() { # NAME STATUS PATTERN WISH
    wish "$4"
    check "$1" "$2" "$3" kernels "${5:-m.fvir}"
    noted 'w.lua:1: error'
}
refused 'no such node' 1 "no kernel of 'fd' has schedule 'contract'" 'match = "fd", name = "contract"'
refused 'no such node, serial' 1 "no kernel makes 'fd'" 'match = "fd", name = "naive"'
refused 'another schedule' 1 "no kernel of 'fc' has schedule 'map'" 'match = "fc", name = "map"'
refused 'no schedule' 1 "'contrct'" 'match = "fc", name = "contrct"'
refused 'no parameter' 1 "'rws' is no parameter; did you mean 'rows'" 'name = "contract", params = {rws = 1}'
refused 'of another schedule' 1 "'score_rows'" 'name = "contract", params = {score_rows = 1}'
refused 'no choice' 1 "no choice" 'name = "contract", params = {in_place = true}'
refused 'far too large' 1 "'rows' is 1000000, expected 1 to 64" 'name = "contract", params = {rows = 1000000}'
refused 'too large for the kernel' 1 "'rows' is 64, expected" 'match = "fc", name = "contract", params = {rows = 64}'
refused 'no number' 1 'params: rows is a string' 'name = "contract", params = {rows = "x"}'
refused 'half a number' 1 'params: rows is a number, expected an integer' 'name = "contract", params = {rows = 1.5}'
refused 'no table' 1 'params is a number' 'name = "contract", params = 3'
refused 'without a name' 1 'name is a nil' 'match = "fc"'
refused 'a name of anything' 1 "is no name of a schedule" 'name = "contract {"'
refused 'another field' 1 "takes no 'nam'; did you mean 'name'" 'nam = "contract"'
refused 'attention as serial loops' 1 'serial loops would take its inner sums again' 'match = "/values", name = "naive"' attend.fvir
echo 'fv.pass{name = "p", run = function() fv.schedule{name = "map"} end}' >late.lua
check 'in a pass' 1 'late.lua:1: error: pass .p.: fv.schedule: schedules are declared while' "$fovea" opt m.fvir --script late.lua
wish 'name = "map"'
if "$fovea" run m.fvir --dim n=1 -q --backend=jit >/dev/null 2>&1; then # built with LLVM
    "$fovea" tune m.fvir --seconds=0.01 -o m.tuning -q
    check 'beside a tuning' 2 '--tuning and a script that says schedules' "$fovea" run m.fvir --script w.lua --tuning m.tuning
    check 'what is tuned' 2 'which are what is looked for' "$fovea" tune m.fvir --script w.lua --seconds=0.01 -o no.tuning
    absent no.tuning
fi
check 'the naive schedule, with a note' 0 "note: with --schedule=naive the schedules of w.lua have no effect" "$fovea" run m.fvir --dim n=1 --script w.lua --schedule=naive --backend=interp
"$fovea" diff m.fvir --script w.lua --dim n=1 --schedule=naive,default >out 2>err
grep -q 'have no effect' err && tell 'no note by diff' no || tell 'no note by diff' yes
check 'of the naive schedule there is none' 0 'schedule naive' sh -c "'$fovea' compile m.fvir --script w.lua --schedule=naive --emit=kernels -o -"

# ---- scripts of other commands ----
cat >wrong.lua <<'T'
fv.pass{name = "wrong", purpose = "a Relu is an Abs", run = function(m)
  for op in m.main:ops "Relu" do op:replace(op:before("Abs", op.inputs[1])) end
end}
T
check 'inspect' 0 '1 Abs|Abs' "$fovea" inspect m.fvir --script wrong.lua --ops --dim n=2
check 'diff finds what a pass breaks' 1 '^first +%r ' "$fovea" diff m.fvir --script wrong.lua --dim n=3
check 'diff of one side each' 0 ' 0 differ' "$fovea" diff m.fvir --script wrong.lua --schedule=naive,default --dim n=3
wish 'match = "fc", name = "contract", params = {rows = 1}'
check 'inspect, schedules' 0 'contract' "$fovea" inspect m.fvir --script w.lua --schedules --target=x86-64-v3 --dim n=4
check 'the reason' 0 'tuning +yes +the tuning states it: contract' "$fovea" inspect m.fvir --script w.lua --why=y --target=x86-64-v3 --dim n=4
# Both sides of a comparison have the operators that one script declares, with any schedules, levels and consumers of the sides.
cat >operator.lua <<'T'
fv.op{name = "Snake", domain = "lab", formula = "s = sin(X); Y = X + s * s"}
T
cat >operator.fvir <<'T'
fovea-ir 1
module "operator"
symbol n 1..4
func @main(%x: f32[n]) -> (%y) {
  %s = lab.Snake(%x)
  %y = Exp(%s)
  return %y
}
T
for sides in '' operator.fvir --levels=0,3 --backend=interp,jit --schedule=naive,default --chunk=1; do
    check "diff of an operator of the script: $sides" 0 '2 compared, 0 differ' "$fovea" diff operator.fvir $sides --script operator.lua --dim n=3
done
check 'diff of graphs with an operator of the script' 0 '0 of 2 ops are gone' "$fovea" diff operator.fvir --graph --script operator.lua
cat >prints.lua <<'T'
print "read"
fv.op{name = "Snake", domain = "lab", formula = "s = sin(X); Y = X + s * s"}
fv.pass{name = "speaks", purpose = "prints", run = function(m) print "in a pass" end}
T
check 'diff of a script that prints' 0 '2 compared, 0 differ' "$fovea" diff operator.fvir --levels=0,3 --script prints.lua --dim n=3
grep -q 'in a pass' err && tell 'a pass of both sides prints' yes || tell 'a pass of both sides prints' no
echo 'fv.nothing()' >bad.lua
for command in inspect diff 'opt --bisect' 'tune -o x'; do
    check "a script that fails, of $command" 1 'bad.lua:1: error' "$fovea" $command m.fvir --script bad.lua
done

# ---- kernels by hand ----
cat >hand.lua <<'T'
fv.kernel [[
kernel Exp_0(x: f32[n, 2], w: f32[2, 3], out y: f32[n, 3]; n in 0..8) {
  for i < n {
    for j < 3 {
      tile acc: f32 = 0.0
      for k < 2 {
        acc = fma(x[i, k], w[k, j], acc)
      }
      let r = acc
      y[i, j] = exp(max(r, 0.0))
    }
  }
}]]
T
"$fovea" compile m.fvir --target=x86-64-v3 --emit=kernels -o m.fvk -q
sed -n 's/^\(kernel Exp_0(.*)\)$/\1/p' m.fvk >./head # what stands in panels there
sed -i "s/^kernel .* {$/$(sed 's/[&/\\]/\\&/g' head) {/" hand.lua
case $(cat head) in *w.panels*) sed -i 's/ w\[k, j\]/ `w.panels`[j floordiv WIDTH, k, j mod WIDTH]/' hand.lua ;; esac
sed -i "s/WIDTH/$(sed -n 's/.*w.panels`: f32\[[0-9]*, [0-9]*, \([0-9]*\)\].*/\1/p' head)/g" hand.lua
by_hand() { "$fovea" compile m.fvir --target=x86-64-v3 --emit=kernels -o - --script "$1"; }
check 'by hand' 0 'y\[i, j\] = exp' by_hand hand.lua
check 'in C' 0 'hand.c' "$fovea" compile m.fvir --target=x86-64-v3 --script hand.lua -o hand.c
changed() { # NAME PATTERN SED
    sed "$3" hand.lua >changed.lua
    check "$1" 1 "$2" by_hand changed.lua
    noted 'changed.lua:1: error'
}
changed 'other bits' "gives other bits than the one that it replaces: y where n = [0-9]+: element [0-9]+ is" 's/max(r, 0.0)/max(r, 0.5)/'
changed 'a last row that is left out' 'gives other bits' 's/i < n/i < n - 1/'
changed 'a row too many' 'reaches outside of what it is given where n' 's/i < n/i < n + 1/'
changed 'no such kernel' "there is no kernel 'Exp_9'; did you mean 'Exp_0'" 's/Exp_0/Exp_9/'
changed 'other parameters' 'it is `kernel Exp_0.*, the kernel that it replaces `kernel Exp_0' 's/0\.\.8/0..9/'
echo 'fv.kernel "kernel x("' >changed.lua
check 'no text of a kernel' 1 "changed.lua:1: error: the kernel's text:1:10" by_hand changed.lua
echo 'fv.kernel(7)' >changed.lua
check 'no kernel' 1 "changed.lua:1: error: the kernel's text:1:1" by_hand changed.lua
cat >pad.fvir <<'T'
fovea-ir 1
module "pad"
symbol n 0..8
const @by: i64[4] = [0, 1, 0, 1]
func @main(%x: f32[n, 4]) -> (%y) {
  %y = Pad(%x, @by)
  return %y
}
T
cat >inner.lua <<'T'
fv.kernel [[
kernel Pad_0(x: f32[n, 4], out y: f32[n, 6]; n in 0..8) {
  for i < n {
    for j < 4 {
      y[i, j + 1] = x[i, j]
    }
  }
}]]
T
check 'zeros that it leaves to others' 1 "gives other bits than the one that it replaces: y where n = [0-9]+: element 0 is .*, expected 0" \
    "$fovea" compile pad.fvir --script inner.lua --emit=kernels -o -
"$fovea" compile attend.fvir --target=x86-64-v3 --emit=kernels -o attend.fvk -q
for kernel in $(sed -n 's/^kernel \([A-Za-z]*_[0-9]*\)(.*/\1/p' attend.fvk); do
    { echo 'fv.kernel [['; sed -n "/^kernel $kernel(/,/^}/p" attend.fvk; echo ']]'; } >same.lua
    check "$kernel, of which one dim tells another" 0 "kernel $kernel" "$fovea" compile attend.fvir --target=x86-64-v3 --script same.lua --emit=kernels -o -
done
# What makes integers that others find elements by, or is one of the kernels of an operator, which take each other at their word,
# only a script that is trusted replaces: even by the same text.
cat >found.fvir <<'T'
fovea-ir 1
module "found"
symbol n 0..8
const @axis: i64[] = 0
const @two: i64[1] = [2]
func @main(%x: f32[n, 6], %w: f32[64, 5], %i: i64[n]) -> (%y, %z, %v) {
  %at = CumSum(%i, @axis)
  %g = Gather(%w, %at)
  %y = Softmax(%g)
  %z = Exp(%x)
  %v, %u = TopK(%x, @two)
  return %y, %z, %v
}
T
"$fovea" compile found.fvir --target=x86-64-v3 --emit=kernels -o found.fvk -q
same() { "$fovea" compile found.fvir --target=x86-64-v3 --script same.lua --emit=kernels -o - "$@"; }
for name in Softmax Exp Cumulate order_fill order; do
    kernel=$(sed -n "s/^kernel \($name\_[0-9]*\)(.*/\1/p" found.fvk)
    { echo 'fv.kernel [['; sed -n "/^kernel $kernel(/,/^}/p" found.fvk; echo ']]'; } >same.lua
    case $name in
    Softmax | Exp) check "$name, which nobody relies on" 0 "kernel $kernel" same ;;
    *) check "$name, on which others rely" 1 "same.lua:1: error: kernel '$kernel' makes what others find elements by: --unsafe-lua" same ;;
    esac
done
check 'on which others rely, by a script that is trusted' 0 'kernel order_' same --unsafe-lua
cat >compiled.lua <<'T'
local m = fv.load "m.fvir"
local text = io.read "a":match "%[%[(.*)%]%]"
local plain, hand = fv.compile(m, {target = "x86-64-v3", backend = "interp"}), fv.compile(m, {target = "x86-64-v3", backend = "interp", kernels = {text}})
for _, n in ipairs{0, 1, 3, 8} do assert(select(2, fv.diff(plain, hand, {dims = {n = n}, atol = 0, rtol = 0}))) end
print(hand:cost().launches[1].schedule == "", pcall(fv.compile, m, {kernels = {text}, schedule = "naive"}))
print(pcall(fv.compile, m, {kernels = {"kernel x("}}))
T
check 'of fv.compile' 0 '^true	false	kernels by hand are for another schedule' sh -c "'$fovea' lua compiled.lua <hand.lua"
said '^false	.*expected a buffer, found the end of the text'
finish
