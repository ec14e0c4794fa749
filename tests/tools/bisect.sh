# Tests `fovea opt --bisect`: faults of rules, passes, steps, schedules and the memory plan in a model of twelve layers,
# each of which must be found in at most 15 compilations. The faults are linked into the command (planted.c); FV_PLANTED
# selects one.
. "$(dirname "$0")/lib.sh"
constants() { printf 'const @%s: f32[%s] = [' "$1" "$2"; awk -v n="$3" -v s="$4" 'BEGIN { srand(s); for (i = 0; i < n; i++) printf "%s%.3f", i ? ", " : "", rand() * 0.6 - 0.3; print "]" }'; }
# Twelve layers of a product, a bias, an activation and a norm; each has another function, so that a fault can be in one of them.
{
    printf 'fovea-ir 1\nmodule "deep"\nsymbol n 0..1000\nconst @one: f32[] = 1.0\nconst @half: f32[] = 0.5\nconst @root: f32[] = 1.41421354\n'
    constants g '8' 8 1
    for i in 0 1 2 3 4 5 6 7 8 9 10 11; do
        constants "w$i" '8, 8' 64 $((i + 10))
        constants "b$i" 8 8 $((i + 40))
    done
    printf 'func @main(%%x: f32[n, 8]) -> (%%y) {\n'
    x=x i=0
    for f in Sin Tanh Erf Cos Softplus Sigmoid Atan Sinh Softsign Elu Selu Asinh; do
        cat <<L
  %h$i = MatMul(%$x, @w$i)    loc("fc$i")
  %a$i = Add(%h$i, @b$i)    loc("bias$i")
  %f$i = $f(%a$i)    loc("act$i")
  %d$i = Div(%f$i, @root)
  %e$i = Erf(%d$i)
  %p$i = Add(%e$i, @one)
  %m$i = Mul(%f$i, %p$i)
  %u$i = Mul(%m$i, @half)    loc("gelu$i")
  %r$i = Relu(%u$i)    loc("relu$i")
  %o$i = Mul(%r$i, @one)    loc("scale$i")
  %s$i = Add(%o$i, %$x)    loc("residual$i")
  %l$i = LayerNormalization(%s$i, @g)    loc("norm$i")
L
        x=l$i i=$((i + 1))
    done
    printf '  %%planted = Sub(%%%s, %%x)    loc("last")\n  %%y = Exp(%%planted)    loc("exp")\n  return %%y\n}\n' $x
} >deep.fvir
run="--dim n=3 --backend=interp"
check 'no fault' 0 'with all [0-9]+ changes outputs are as without any' "$fovea" opt deep.fvir --bisect $run

# found NAME CHANGE COMMAND...: that change is named, in at most 15 runs; what it has left fails, and without it does not
found() {
    what=$1 change=$2
    shift 2
    rm -rf bisect-deep
    check "$what" 1 "^$change: change [0-9]+ of [0-9]+, found in ([1-9]|1[0-5]) runs$" "$@"
    sh bisect-deep/repeat.sh >again 2>&1 && tell "$what: is repeated" no || tell "$what: is repeated" yes
    n=$(sed -n 's/.*change \([0-9]*\) of.*/\1/p' out)
    sed "s/--stop-after=$n/--stop-after=$((n - 1))/" bisect-deep/repeat.sh >before.sh
    sh before.sh >again 2>&1 && tell "$what: is good before" yes || tell "$what: is good before" no
}
planted() {
    export FV_PLANTED=$1
    found "$1" "$2" "$fovea" opt deep.fvir --bisect $run
    unset FV_PLANTED
}

# ---- rules and passes of a script ----
if "$fovea" opt deep.fvir --script /dev/null 2>&1 | grep -q 'without Lua'; then
    echo 'no Lua: faults of scripts are not tried'
else
    rule() { printf 'fv.rules{name = "mine", purpose = "a wrong rule", ends = "each makes another op",\n  fv.rule("rule wrong: %s exact", {check = false})}\n' "$2" >"$1.lua"; }
    while read -r name place text; do
        rule "$name" "$text"
        found "rule $name" "mine: wrong at %$place .*" "$fovea" opt deep.fvir --bisect $run --script "$name.lua"
    done <<'R'
sin f0 Sin(x) => x
softplus f4 Softplus(x) => Relu(x)
softsign f8 Softsign(x) => Tanh(x)
elu f9 Elu(x) => Selu(x)
asinh f11 Asinh(x) => Atan(x)
R
    present bisect-deep/before/model.fvir bisect-deep/after/model.fvir bisect-deep/changes.txt
    said '^  - +%f11 = Asinh'
    said '^  \+ +%f11 = Atan'
    said "FAILED y: element"
    cat >swap.lua <<'T'
fv.pass{name = "swap", purpose = "turns a difference around", run = function(m)
  for op in m.main:walk("Sub") do
    local a, b = op.inputs[1], op.inputs[2]
    op:set_input(1, b)
    op:set_input(2, a)
  end
end}
T
    found 'a pass of a script' swap "$fovea" opt deep.fvir --bisect $run --script swap.lua
    said '^  - +%planted = Sub'
    cat >drop.lua <<'T'
fv.pass{name = "drop", purpose = "a residual is lost", run = function(m)
  for op in m.main:walk("Add") do
    if op.origin[1] == "residual5" then op:replace(op.inputs[1]) end
  end
end}
T
    found 'another one' drop "$fovea" opt deep.fvir --bisect $run --script drop.lua
fi

# ---- passes, steps, schedules, memory ----
planted fold-constants 'fold-constants'
planted share 'share'
planted simplify 'simplify'
said '^after +cannot be written'
planted reduce-strength 'reduce-strength'
said "pass 'reduce-strength'|reduce-strength"
planted group 'group'
present bisect-deep/before/model.fvd bisect-deep/after/model.fvd
planted attend 'fuse-attention'
planted fold 'fold-mask'
planted concat 'concat-in-place'
planted layout 'layout'
planted order 'order'
planted join 'join'
planted split 'split'
planted merge 'merge'
planted schedule "schedule at %y \(Exp, node .exp.\)"
planted memory 'memory'

# ---- a command of the user ----
"$fovea" run deep.fvir $run -q -o good.npy
export FV_PLANTED=join
found 'a command' 'join' "$fovea" opt deep.fvir --bisect-test "$fovea run deep.fvir $run -q -o now.npy --expect=good.npy" --dim n=3
unset FV_PLANTED
check 'it succeeds' 0 'the command succeeds' "$fovea" opt deep.fvir --bisect-test true
check 'it always fails' 1 'fails without any change as well' "$fovea" opt deep.fvir --bisect-test false

# ---- the first N alone ----
for backend in interp jit; do
    "$fovea" run deep.fvir --dim n=3 --backend=$backend --stop-after=0 -q -o first.npy && "$fovea" run deep.fvir --dim n=3 --backend=$backend -O0 --schedule=naive -q -o naive.npy
    cmp first.npy naive.npy && tell "none of them, $backend" yes || tell "none of them, $backend" no
    "$fovea" run deep.fvir --dim n=3 --backend=$backend --stop-after=1000 -q -o all.npy && "$fovea" run deep.fvir --dim n=3 --backend=$backend -q -o as.npy
    cmp all.npy as.npy && tell "all of them, $backend" yes || tell "all of them, $backend" no
done
"$fovea" run deep.fvir --dim n=3 -q -o expected.npy
"$fovea" opt deep.fvir --changes=list -o all.fvir
n=0 wrong=
while [ $n -le "$(wc -l <list)" ]; do
    "$fovea" run deep.fvir --dim n=3 --backend=interp --verify -q --expect=expected.npy --stop-after=$n >out 2>err || wrong="$wrong $n"
    n=$((n + 4))
done
[ -z "$wrong" ] && tell 'any number of them' yes || tell "any number of them:$wrong" no
check 'where it stops' 0 '^stopped before simplify: mul-one at %o0 \(Mul, node .scale0.\)$' "$fovea" opt deep.fvir --stop-after="$(($(grep -n 'mul-one at %o0 ' list | cut -d: -f1) - 1))" -v -o less.fvir
check 'its effect' 0 '%o0 = Mul' cat less.fvir

# ---- bad input ----
check 'standard input' 2 'standard input cannot be' "$fovea" opt - --bisect
check 'another answer' 2 '--bisect does not take --explain' "$fovea" opt deep.fvir --bisect --explain mul-one
check 'inputs of none' 2 '--input needs --bisect' "$fovea" opt deep.fvir --input x=x.npy
check 'inputs of a command' 2 'the command says what runs: --input' "$fovea" opt deep.fvir --bisect-test true --input x=x.npy
"$fovea" compile -q deep.fvir --emit=kernels -o k.fvk
check 'kernels' 1 'there is no change to find' "$fovea" opt k.fvk --bisect
check 'no model' 1 'none.fvir' "$fovea" opt none.fvir --bisect
touch taken
check 'no folder' 1 "cannot make the folder 'taken'" "$fovea" opt deep.fvir --bisect -o taken
check 'a dim that is none' 1 'nothing to compare with' "$fovea" opt deep.fvir --bisect --dim n=2000
check 'no number' 2 "--stop-after takes a number, not 'x'" "$fovea" run deep.fvir --stop-after=x
check 'no list' 2 '--changes=none/f' "$fovea" run deep.fvir --changes=none/f
check 'the model as a list' 1 'would overwrite the model' "$fovea" run deep.fvir --changes=deep.fvir
# ---- progress ----
progress 'run [0-9]+, with [0-9]+ of [0-9]+ changes' "'$fovea' opt deep.fvir --bisect-test=false"
progress 'run 1, which lists the changes' "'$fovea' opt deep.fvir --bisect-test=false"
progress 'run 1, which computes the expected outputs' "'$fovea' opt deep.fvir --bisect"
finish
