# Tests the dims that commands assume where none are given: names that say nothing count as what operators use them for, and nothing is
# measured or compared where no output has an element.
. "$(dirname "$0")/lib.sh"
# model NAME INPUTS BODY: symbols a, b and c of any size; %y is the result
model() {
    printf 'fovea-ir 1\nmodule "%s"\nsymbol a 0..9999\nsymbol b 0..9999\nsymbol c 0..9999\nfunc @main(%s) -> (%%y) {\n%s\n  return %%y\n}\n' "$1" "$2" "$3" >"$1.fvir"
}
# gives NAME DIMS: run assumes sizes with which the result has these dims
gives() { check "$1" 0 "^y  f32\\[$2\\]" "$fovea" run "$1.fvir" --backend=interp; }
pool() { echo "  %y = MaxPool(%x) {kernel_shape = [$1], strides = [$1]}"; }
model signal '%x: f32[1, 1, a]' "$(pool 2)"
model wave '%x: f32[1, 1, a], %w: f32[1, 1, 400]' '  %y = Conv(%x, %w) {strides = [160]}'
model image '%x: f32[b, 1, a, c]' "$(pool '2, 2')"
model volume '%x: f32[1, 1, a, b, c]' "$(pool '2, 2, 2')"
model steps '%x: f32[a, b, 2], %w: f32[1, 3, 2], %r: f32[1, 3, 3]' '  %y, _ = RNN(%x, %w, %r) {hidden_size = 3}'
model rows '%x: f32[b, a, 4], %s: f32[4]' '  %y = LayerNormalization(%x, %s)'
model keys '%x: f32[c, b, a]' '  %y = Softmax(%x)'
model cache '%past: f32[b, a, 4], %x: f32[b, 3, 4]' '  %y = Concat(%past, %x) {axis = 1}'
model none '%x: f32[b, 3]' '  %e = Slice(%x, @zero, @zero, @one)
  %y = Identity(%e)'
sed -i 's/^func/const @zero: i64[1] = [0]\nconst @one: i64[1] = [1]\n&/' none.fvir
# as features of several sizes that are joined require it
sed 's/^func/assume a == 32 * (a floordiv 32) "joined"\nassume c == 60 * (c floordiv 60) "joined"\n&/; s/"image"/"pyramid"/' image.fvir >pyramid.fvir
model pixels '%x: f32[1, 1, a, c]' '  %p = MaxPool(%x) {kernel_shape = [1, 1]}
  %q = Reshape(%p, @rows)
  %k = Reshape(%p, @columns)
  %y = MatMul(%q, %k)'
sed -i 's/^func/const @rows: i64[2] = [-1, 1]\nconst @columns: i64[2] = [1, -1]\n&/' pixels.fvir
gives signal '1, 1, 64'
gives wave '1, 1, 1'
gives image '1, 1, 112, 112'
gives volume '1, 1, 32, 32, 32'
gives pyramid '1, 1, 112, 120'
gives steps '128, 1, 1, 3'
gives rows '1, 128, 4'
gives keys '1, 1, 128'
gives pixels '3136, 3136'
gives cache '1, 3, 4'
noted_dims() { noted "note: dim '$1' is not given, $2 is taken; --dim $1=N sets it"; }
noted_dims a 0
check 'a wave' 0 . "$fovea" run wave.fvir --backend=interp
noted_dims a 512
check 'a name that says more' 0 '^y  f32\[1, 1, 64\]' sh -c "sed 's/, a\\]/, batch_of_samples, seq]/; s/^symbol a.*/symbol seq 0..999\\nsymbol batch_of_samples 0..99/; s/f32\\[1, 1, batch_of_samples/f32[1, batch_of_samples/' signal.fvir >named.fvir; '$fovea' run named.fvir --backend=interp"
check 'a given side' 0 '^y  f32\[1, 1, 112, 5\]' "$fovea" run image.fvir --backend=interp --dim c=10
# ---- nothing to measure or to compare ----
for model in none image; do
    given='' where='b = 1'
    [ $model = none ] || { given='--dim a=0' where='c = 224'; }
    # shellcheck disable=SC2086
    for command in "bench $model.fvir" "tune $model.fvir --predict -o t.tuning" "tune $model.fvir -o t.tuning" "diff $model.fvir $model.fvir"; do
        check "$command" 1 "there is nothing to (measure|compare): no output has an element where .*$where.*; --dim NAME=N sets a dim" "$fovea" $command $given
    done
    absent t.tuning
done
check 'test of nothing' 1 'nothing to compare.*' "$fovea" test none.fvir --backend=interp
check 'run of nothing' 0 '^y  f32\[1, 0\]' "$fovea" run none.fvir --backend=interp
finish
