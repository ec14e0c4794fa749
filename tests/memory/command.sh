# Tests the command while memory runs out: whichever allocation fails, alone or with all later ones, the command ends
# with its result, or with a message and status 1; no signal ends it, and no incomplete file is left.
# Usage: SCRIPT FOVEA ROOT PROTOC PRELOAD
. "$(dirname "$0")/../tools/lib.sh"
preload=$(cd "$OLDPWD" && realpath "$4")
export FAIL_REPORT=$work/report
dates=$root/examples/dates/dates.onnx
layer m.fvir '%y = Relu(%h)'

# once N ON COMMAND...: false where something is wrong
once() {
    n=$1 on=$2
    shift 2
    rm -f report
    FAIL_AT=$n FAIL_ON=$on LD_PRELOAD=$preload "$@" >out 2>err </dev/null
    status=$?
    [ -e report ] || { echo "allocation $n ($on): no end, status $status: $*"; return 1; }
    if [ $status -gt 1 ]; then
        echo "allocation $n ($on): status $status: $*"
        return 1
    fi
    [ $status = 0 ] || [ -s err ] || grep -q 'out of memory' out || { echo "allocation $n ($on): no word about status $status: $*"; return 1; }
    if [ $status = 0 ] && [ "$expected" != any ] && ! cmp -s out want && ! grep -q 'no memory for the summary' err; then
        echo "allocation $n ($on): another result: $*"
        return 1
    fi
    [ $status = 0 ] || [ -z "$(ls | grep '^x[.]')" ] || { echo "allocation $n ($on): left $(ls x.*): $*"; return 1; }
    rm -f x.* x_*
}
# each NAME COMMAND...: all allocations, some of many
each() {
    name=$1
    shift
    good=yes tried=0
    "$@" >want 2>err
    rm -f x.* x_*
    for on in 0 1; do
        i=1
        while :; do
            once $i $on "$@" || { good=no; cp out out.bad; break; }
            [ "$(cat report)" = 1 ] || break
            tried=$((tried + 1))
            i=$((i + 1 + i / 2))
        done
    done
    [ $tried -gt 5 ] || { echo "only $tried"; good=no; }
    tell "$name" $good
}

# every NAME COMMAND...: the last forty allocations, of what is told when the work is done
every() {
    name=$1
    shift
    good=yes last=1
    "$@" >want 2>err
    rm -f x.* x_*
    while once $last 0 "$@" && [ "$(cat report)" = 1 ]; do last=$((last + 8)); done
    i=$((last > 40 ? last - 40 : 1))
    while [ $i -lt $last ]; do
        for on in 0 1; do once $i $on "$@" || good=no; done
        i=$((i + 1))
    done
    [ $last -gt 40 ] || { echo "only $last"; good=no; }
    tell "$name" $good
}

expected=same
export FOVEA_CACHE_DIR=
each 'run, interpreter' "$fovea" run m.fvir --backend=interp
each 'run, JIT' "$fovea" run m.fvir
export FOVEA_CACHE_DIR=$work/cache
each 'run, cache' "$fovea" run "$dates" -q
each opt "$fovea" opt m.fvir
each ops "$fovea" ops
each inspect "$fovea" inspect m.fvir --schedules --memory --ops
each 'inspect, JSON' "$fovea" inspect m.fvir --json
mkdir t && cp "$dates" t/model.onnx && cp -r "$root/examples/dates/test/test_data_set_0" t/test_data_set_0
each test "$fovea" test t --backend=interp
each 'compile, C' "$fovea" compile m.fvir -o x.c
every 'compile, C, to the end' "$fovea" compile m.fvir -o x.c
each 'compile, kernels' "$fovea" compile m.fvir -o x.fvk
if "$fovea" compile m.fvir -q -o m.so --weights=file 2>/dev/null; then
    each 'run, library' "$fovea" run m.so
    expected=any # the summary may be shorter
    each 'compile, object' "$fovea" compile m.fvir -o x.o --weights=file
    each 'compile, library' "$fovea" compile m.fvir -o x.so
fi
if "$fovea" lua --help >/dev/null 2>&1 && ! "$fovea" lua x.none 2>&1 | grep -q 'needs Lua'; then
    cat >s.lua <<'T'
fv.pass{name = "p", purpose = "q", options = {o = {default = 1, doc = "d"}}, run = function(m, p)
  local op = m:find("h").op
  local y = op:before("Softmax", op.inputs[1], {axis = 0}, {"soft"})
  op:set_input(1, y)
  local r = m:find("y").op
  r:replace(r:before("Identity", r.inputs[1]))
  print(y.type:dim(0) * 2, op, m:dim "n + 1", m:const("c", "f32", {2}, 1).tensor[1])
  p:count "thing"
  m:verify()
end}
T
    echo 'local m = fv.load "m.fvir" m:run{fv.level "1"} print(m.text)' >l.lua
    expected=same
    each 'opt, script' "$fovea" opt m.fvir --script s.lua
    each lua "$fovea" lua l.lua
    cat >t.lua <<'T'
fv.op{name = "A", domain = "x", attributes = {k = 2}, formula = "Y = X * k"}
fv.op{name = "B", domain = "x", rule = "B(X) => x.A(Neg(X), k=3)"}
local m = fv.load "m.fvir"
m:find("y").op:set_input(1, m:find("y").op:before("x.B", m:find "h"))
local a = fv.compile(m, {backend = "interp"})
local b <close> = fv.compile(m:copy(), {backend = "interp", schedule = "naive", dims = {n = 2}})
print(fv.run(a, {x = fv.tensor("f32", {2, 2}, 1)}).y[1], fv.diff(a, b)[1].ulp, a:cost().operations)
print(#fv.time{a, b, dims = {n = 2}, rounds = 1, seconds = 0.001, threads = 1})
fv.save("t.json", a.inputs)
T
    mkdir -p lab
    each 'lua, experiments' "$fovea" lua --output=lab t.lua
fi
expected=any
each bench "$fovea" bench m.fvir --backend=interp --rounds=1 --seconds=0.01 --json
finish
