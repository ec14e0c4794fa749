# Tests `fovea reduce`: the reduced model is small, and the command still fails on it. The faults are linked into the
# command (planted.c).
. "$(dirname "$0")/lib.sh"
export fovea
constants() { printf 'const @%s: f32[%s] = [' "$1" "$2"; awk -v n="$3" -v s="$4" 'BEGIN { srand(s); for (i = 0; i < n; i++) printf "%s%.3f", i ? ", " : "", rand() * 0.6 - 0.3; print "]" }'; }
# Twelve layers, two results, one of them behind a Softmax with an axis of its own.
{
    printf 'fovea-ir 1\nmodule "deep"\nsymbol n 0..1000\n'
    constants g 16 16 1
    for i in 0 1 2 3 4 5 6 7 8 9 10 11; do constants "w$i" '16, 16' 256 $((i + 10)); done
    printf 'func @main(%%x: f32[n, 16], %%k: f32[n, 4]) -> (%%y, %%z) {\n'
    x=x i=0
    for f in Sin Tanh Erf Cos Softplus Sigmoid Atan Sinh Softsign Elu Selu Asinh; do
        cat <<L
  %h$i = MatMul(%$x, @w$i)    loc("fc$i")
  %f$i = $f(%h$i)    loc("act$i")
  %r$i = Relu(%f$i)    loc("relu$i")
  %s$i = Add(%r$i, %$x)    loc("residual$i")
  %l$i = LayerNormalization(%s$i, @g) {axis = -1}    loc("norm$i")
L
        x=l$i i=$((i + 1))
    done
    printf '  %%y = Exp(%%%s)\n  %%z = Softmax(%%k) {axis = 0}\n  return %%y, %%z\n}\n' $x
} >deep.fvir
ops() { grep -c '^  %.* = ' "$1"; }

check 'one op of twelve layers' 0 '^small.fvir: [12] of 62 ops' "$fovea" reduce deep.fvir --test 'if grep -q "Softplus" "$1"; then exit 1; fi' -o small.fvir
check 'it is a model' 0 'Softplus' "$fovea" opt small.fvir --passes=
check 'and its dims are small' 0 'f32\[1(, 1)?\]' cat small.fvir
check 'two that hang together' 0 '^two.fvir: [2-6] of 62 ops' "$fovea" reduce deep.fvir --test 'if grep -q Softplus "$1" && grep -q MatMul "$1" && grep -q "16, 16" "$1"; then exit 1; fi' -o two.fvir
check 'dims that have to stay' 0 '16, 16' cat two.fvir
check 'an attribute that has to stay' 0 '^axis.fvir: 1 of' "$fovea" reduce deep.fvir --test 'if grep -q "Softmax.*axis = 0" "$1"; then exit 1; fi' -o axis.fvir -v
check 'it is there' 0 'Softmax\(.*axis = 0' cat axis.fvir
printf 'fovea-ir 1\nmodule "elu"\nfunc @main(%%x: f32[n, 3]) -> (%%y) {\n  %%a = Elu(%%x) {alpha = 0.5}\n  %%y = Neg(%%a)\n  return %%y\n}\n' >elu.fvir
check 'one that need not' 0 '^e.fvir: 1 of 2' "$fovea" reduce elu.fvir --test 'if grep -q Elu "$1"; then exit 1; fi' -o e.fvir
grep -q 'alpha' e.fvir && tell 'it is gone' no || tell 'it is gone' yes

# ---- a fault of a pass: what differs goes on to differ ----
export FV_PLANTED=share
check 'a fault' 0 '^fault.onnx: ([1-9]) of 62 ops' "$fovea" reduce deep.fvir --test 'if "$fovea" diff "$1" --backend=interp --levels=0,2 2>&1 | grep -q DIFFERS; then exit 1; fi' -o fault.onnx
check 'it is there' 1 DIFFERS "$fovea" diff fault.onnx --backend=interp --levels=0,2
unset FV_PLANTED
check 'and was planted' 0 ' 0 differ' "$fovea" diff fault.onnx --backend=interp --levels=0,2

# ---- ONNX, and branches ----
dates=$root/examples/dates/dates.onnx
check 'ONNX' 0 '^small.onnx: [1-9] of [0-9]+ ops' "$fovea" reduce "$dates" --test 'if "$fovea" opt "$1" --passes= 2>&1 | grep -q "Softmax("; then exit 1; fi' -o small.onnx
check 'that can be read' 0 'Softmax\(' "$fovea" opt small.onnx --passes=
cat >branch.fvir <<'T'
fovea-ir 1
module "branch"
func @main(%x: f32[n, 3], %c: bool[]) -> (%y) {
  %a = Exp(%x)
  %z = If(%c) {then_branch = ^() {
    %b = Relu(%a)
    return %b
  }, else_branch = ^() {
    return %x
  }}
  %y = Neg(%z)
  return %y
}
T
check 'a branch' 0 '^b.fvir: 1 of 3 ops' "$fovea" reduce branch.fvir --test 'if grep -q Relu "$1"; then exit 1; fi' -o b.fvir

# ---- bad input ----
check 'nothing wrong' 1 'the command does not fail' "$fovea" reduce deep.fvir --test true -o o.fvir
check 'always wrong' 0 '^o.fvir: 0 of|^o.fvir: 1 of' "$fovea" reduce deep.fvir --test false -o o.fvir
check 'no such command' 0 '^o.fvir' "$fovea" reduce deep.fvir --test 'no-such-command-here' -o o.fvir
check 'no test' 2 '--test is missing' "$fovea" reduce deep.fvir -o o.fvir
check 'no place' 2 'where to\?' "$fovea" reduce deep.fvir --test false
check 'another kind' 2 'reduce writes .onnx and .fvir' "$fovea" reduce deep.fvir --test false -o o.so
check 'the model itself' 1 'would overwrite the model' "$fovea" reduce deep.fvir --test false -o deep.fvir
check 'no model' 1 'none.fvir' "$fovea" reduce none.fvir --test false -o o.fvir
"$fovea" compile -q deep.fvir --emit=kernels -o k.fvk
check 'kernels' 1 'holds kernels, and no graph' "$fovea" reduce k.fvk --test false -o o.fvir
check 'elsewhere' 2 'there is no --test here' "$fovea" run deep.fvir --test false
# ---- progress ----
progress 'try 1' "'$fovea' reduce deep.fvir --test=true -o o.fvir"
finish
