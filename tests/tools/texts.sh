# Tests `fovea test` with files of rules and with scripts.
. "$(dirname "$0")/lib.sh"
cat >good.rules <<'T'
# two that hold
rule add-self:  Add(x, x)  where float(x)  =>  Mul(x, 2)  exact
rule relu-relu: Relu(Relu(x))  =>  Relu(x)  exact
T
cat >bad.rules <<'T'
rule add-zero:  Add(x, 0)  where float(x)  =>  x  exact
rule neg-neg:   Neg(Neg(x))  =>  x  exact
rule shape:     Not(x)  =>  Shape(x)  exact
T
check 'rules that hold' 0 '^2 passed, 0 failed$' "$fovea" test good.rules
check 'rules that do not' 1 '^1 passed, 2 failed$' "$fovea" test bad.rules
said '^FAILED bad.rules:1 \(add-zero\): it does not hold$'
said '^  x.* = -0$'
said '^  by the rule.* = -0$'
said '^FAILED bad.rules:3 \(shape\): of 20000 random instances of its pattern it rewrites 0: the right side is i64.*, expected bool'
check 'the shipped ones' 0 '^2 passed, 0 failed' "$fovea" test "$root/passes/strength.rules"
check 'another seed, more rules' 0 '^2 passed, 0 failed$' "$fovea" test good.rules --seed=7
check 'rules as json' 1 '"failed": 2' "$fovea" test bad.rules --json
python3 -c '
import json
d = json.load(open("out"))
assert d["failures"][0]["rule"] == "add-zero" and "element 0 differs" in d["failures"][0]["more"], d' && tell "$name: reads" yes || tell "$name: reads" no
echo 'rule nope: Nope(x) => x exact' >no.rules
check 'what is no rule' 1 "no.rules:1:.*error: .*Nope" "$fovea" test no.rules
said '^0 passed, 1 failed$'
printf '# nothing\n' >none.rules
check 'no rules' 1 'none.rules \(-\): it holds no rules' "$fovea" test none.rules
printf 'rule a: Relu(x) => x exact\0' >nul.rules
check 'a byte 0' 1 'holds a byte 0' "$fovea" test nul.rules
check 'rules that are not there' 1 'neither a folder nor a model' "$fovea" test nothing.rules

cat >t.lua <<'T'
local o = fv.options{n = 1}
print("read")
fv.test("passes", function() assert(1 + 1 == 2) end)
fv.test("fails", function()
  local t = {}
  assert(t.x == o.n, "x is not there")
end)
fv.test("raises a table", function() error({}) end)
fv.test("is not stopped by others", function() assert(o.n == 1) end)
T
"$fovea" test t.lua >out 2>&1
if grep -q 'needs Lua' out; then
    check 'a script without Lua' 1 '^0 passed, 1 failed$' "$fovea" test t.lua
    finish
    exit
fi
check 'a script' 1 '^2 passed, 2 failed$' "$fovea" test t.lua
said '^FAILED t.lua \(fails\): x is not there$'
said '^  t.lua:6: error: x is not there$'
said '^FAILED t.lua \(raises a table\): the error is a table, and no text$'
noted '^read$'
check 'a script as json' 1 '"test": "fails"' "$fovea" test t.lua --json
python3 -c 'import json; json.load(open("out"))' && tell "$name: reads" yes || tell "$name: reads" no
check 'options' 1 '^1 passed, 3 failed$' "$fovea" test t.lua --script-arg n=2
check 'rules and a script' 1 '^4 passed, 2 failed$' "$fovea" test good.rules t.lua
one() { # NAME STATUS PATTERN LINE
    printf '%s\n' "-- a test" "$4" >one.lua
    check "$1" "$2" "$3" "$fovea" test one.lua --script-steps=10
}
one 'no tests' 1 'it declares no tests: fv.test' 'local x = 1'
one 'a script that ends' 1 "one.lua:2: error: attempt to call a nil value" 'nothing()'
one 'no function' 1 'bad argument #2 .*function expected' 'fv.test("a", 1)'
one 'a name twice' 1 "there is a test 'a' already" 'fv.test("a", print) fv.test("a", print)'
one 'a test in a test' 1 'tests are declared while the script is read' 'fv.test("a", function() fv.test("b", print) end)'
one 'no end' 1 'one.lua .a.: .*instructions' 'fv.test("a", function() while true do end end)'
one 'passes of the script' 0 '^1 passed' 'local p = fv.pass{name = "p", run = function(m, p) p:count "x" end} fv.test("a", function() fv.parse("fovea-ir 1\nmodule \"m\"\nfunc @main(%x: f32[2]) -> (%x) {\n  return %x\n}"):run{p} end)'
one 'other commands pass them over' 0 '^1 passed' 'fv.test("a", function() end)'
check 'lua' 0 '' sh -c "'$fovea' lua t.lua"
finish
