# Scripts, by the command: where they run, what they may, and what is left when they fail.
. "$(dirname "$0")/../tools/lib.sh"
cat >m.fvir <<'T'
fovea-ir 1
module "m"
symbol n 0..8
const @w: f32[2, 3] = [1, 2, 3, 4, 5, 6]
func @main(%x: f32[n, 2]) -> (%y) {
  %h = MatMul(%x, @w)
  %r = Relu(%h)
  %y = Relu(%r)
  return %y
}
T
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
check 'options without a script' 2 'goes with --script' "$fovea" opt m.fvir --script-arg which=1
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
echo 'print("\27[31m", "a\tb")' >escape.lua
check 'no commands for the terminal' 0 '\\x1b\[31m|\\u001b|\\033|\\e' "$fovea" lua escape.lua
echo 'local m = fv.load(...) m:run{fv.level "1"} m:save "small.fvir" print "done"' >save.lua
check 'save without a folder' 1 'save.lua:1: error: .*--output' "$fovea" lua save.lua m.fvir
mkdir made
check 'save' 0 done "$fovea" lua --output=made save.lua m.fvir
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
check 'load in a pass' 1 'only .fovea lua. loads' "$fovea" opt m.fvir --script one.lua

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

# ---- files ----
mkdir -p lib sub/inner
echo 'return {name = ...}' >lib/part.lua
echo 'local p = require "lib.part" print(p.name, require "lib.part" == p, require "fv" == fv)' >parts.lua
check require 0 '^lib.part.true.true$' "$fovea" lua parts.lua
check 'require elsewhere' 0 'lib.part' bash -c 'cd sub && exec "$0" lua ../parts.lua' "$fovea"
ln -s ../../before.fvir sub/inner/out.lua
echo 'require "inner.out"' >sub/link.lua
check 'require through a link' 1 'outside the folder' "$fovea" lua sub/link.lua
echo 'require "circle"' >circle.lua
check 'require in a circle' 1 'requires itself' "$fovea" lua circle.lua
echo 'fv.pass{name = "p", run = function() require "lib.part" end}' >late.lua
check 'require too late' 1 'comes too late' "$fovea" opt m.fvir --script late.lua
echo 'local f = io.open("written", "w") f:write("x") f:close() print "done"' >write.lua
check 'no files' 1 'write.lua:1: error: ' "$fovea" lua write.lua
absent written
check 'files, where it is trusted' 0 done "$fovea" lua --unsafe-lua write.lua
present written

# ---- the cache ----
export FOVEA_CACHE_DIR=$work/cache
models() { find "$work/cache" -type f 2>/dev/null | wc -l; }
runs() { "$fovea" run m.fvir --dim n=2 -q "$@" >out 2>err; }
if runs && [ "$(models)" -gt 0 ]; then
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
