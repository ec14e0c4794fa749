# Tests that wrong forms, orders of sums, layouts and places in the workspace are detected. Forms: the verifier derives
# them again after each later step, and refuses a text that states another one. Orders: the verifier derives them after
# the step `order`. Layouts: constants at other places than those that a kernel reads give other results than the naive
# schedule. Places: the verifier of programs detects that a value is overwritten. The faults are linked into the command
# (planted.c).
. "$(dirname "$0")/lib.sh"

# numbers N: some, the same each time
numbers() { awk -v n="$1" 'BEGIN { for (i = 0; i < n; i++) printf "%s%d", i ? ", " : "", (i * 37 + 11) % 23 - 11 }'; }
model() { { printf 'fovea-ir 1\nmodule "%s"\nsymbol n 1..1024\n' "$1"; cat; } >"$1.fvir"; }
model contract <<'M'
func @main(%x: f32[n, 20], %w: f32[20, 40]) -> (%y) {
  %y = MatMul(%x, %w)
  return %y
}
M
model panels <<M
const @w: f32[20, 40] = [$(numbers 800)]
func @main(%x: f32[n, 20]) -> (%y) {
  %y = MatMul(%x, @w)
  return %y
}
M
model scaled <<M
const @q: i8[20, 40] = [$(numbers 800)]
const @s: f32[40] = [$(numbers 40)]
func @main(%x: f32[n, 20]) -> (%y) {
  %d = DequantizeLinear(@q, @s) {axis = 1}
  %y = MatMul(%x, %d)
  return %y
}
M
model each <<'M'
func @main(%x: f32[1, 8, n, 9], %w: f32[8, 1, 3, 3]) -> (%y) {
  %y = Conv(%x, %w) {group = 8, pads = [1, 1, 1, 1]}
  return %y
}
M
model attention <<'M'
func @main(%q: f32[n, 16], %k: f32[n, 16], %v: f32[n, 16]) -> (%y) {
  %t = Transpose(%k) {perm = [1, 0]}
  %s = MatMul(%q, %t)
  %p = Softmax(%s)
  %y = MatMul(%p, %v)
  return %y
}
M
model row <<'M'
func @main(%x: f32[n, 24]) -> (%y) {
  %y = Softmax(%x)
  return %y
}
M
model transpose <<'M'
func @main(%x: f32[n, 3, 8]) -> (%y) {
  %t = Transpose(%x) {perm = [1, 2, 0]}
  %y = Neg(%t)
  return %y
}
M
model chain <<'M'
func @main(%x: f32[n, 24], %w: f32[24, 24], %v: f32[24, 8]) -> (%y, %z) {
  %a = MatMul(%x, %w)
  %b = MatMul(%a, %w)
  %c = MatMul(%b, %w)
  %d = MatMul(%c, %w)
  %y = Add(%d, %a)
  %z = MatMul(%a, %v)
  return %y, %z
}
M
model map <<'M'
func @main(%x: f32[n, 24]) -> (%y) {
  %y = Exp(%x)
  return %y
}
M
# plant FAULT COMMAND...: runs it with that fault
plant() {
    fault=$1
    shift
    FV_PLANTED=$fault "$@"
}
compiled() { "$fovea" compile "$1.fvir" --verify --emit=definitions -o -; }

# ---- forms, after each step ----
for m in contract each attention row transpose map; do
    check "$m: legal" 0 "as ($m|contract)" compiled $m
    form=$m
    [ $m = each ] && form=contract
    for step in form order join merge; do
        for kind in contract attention row transpose map; do
            [ $kind = $form ] ||
                check "$m: $kind after $step" 3 "step '$step' of lowering broke a form" plant "form $kind after $step" compiled $m
        done
        case $form in
        contract) faults='rows columns each' ;;
        attention | transpose) faults='rows columns' ;;
        *) faults= ;;
        esac
        for fault in $faults; do
            check "$m: $fault after $step" 3 "step '$step' of lowering broke a form" plant "$fault after $step" compiled $m
        done
    done
done

# ---- forms, in texts: each variable that a form names is replaced by each other one, or left out ----
cat >mutants.py <<'P'
import re, sys
text, stem = open(sys.argv[1]).read(), sys.argv[2]
at = re.search(r" as (contract|attention|transpose) [^\n]*", text)
form = at.group(0)
variables = sorted(set(re.findall(r"\b[a-z]\w*(?= <)", text)) | set(re.search(r"element %\w+\[([^]]*)\]", text).group(1).split(", ")))
words = form.split(" ")
mutants = {form.replace("contract", "row"), form.replace("contract", "attention"), form.replace("attention", "contract"),
           form.replace("transpose", "contract"), " as map"}
for i, word in enumerate(words):
    bare = word.rstrip(",")
    for other in variables if bare in variables else ():
        mutants.add(" ".join(words[:i] + [other + word[len(bare):]] + words[i + 1:]))
    if word in ("rows", "columns", "over", "queries", "features", "keys", "each"):
        mutants.add(" ".join(words[:i] + words[i + 2:]))
for i, mutant in enumerate(sorted(mutants - {form})):
    open(f"{stem}.{i}.fvd", "w").write(text.replace(form, mutant))
    print(f"{stem}.{i}.fvd{mutant}")
P
for m in contract each attention transpose; do
    "$fovea" compile $m.fvir -q --emit=definitions --dump-dir=$m.steps -o $m.fvd >out 2>err
    for step in form order join; do
        text=$(ls $m.steps/*$step.fvd)
        check "$m: the text after $step" 0 " as $m|as contract" "$fovea" compile "$text" -q --emit=definitions -o -
        python3 mutants.py "$text" $m.$step >mutants
        [ "$(wc -l <mutants)" -ge 4 ] && tell "$m: mutants after $step" yes || tell "$m: mutants after $step" no
        while read -r file form; do
            check "$m after $step: $form" 1 'is called|is no axis|is not over|expected' "$fovea" compile "$file" -q --emit=definitions -o /dev/null
        done <mutants
    done
done

# ---- orders ----
for pair in contract:chains contract:parts each:chains each:parts attention:chains attention:parts row:chain row:parts; do
    m=${pair%:*} order=${pair#*:}
    check "$m: order $order" 3 "step 'order' of lowering broke an order" plant "order $order after order" compiled $m
done
check "contract: the order that it has" 0 'as contract' plant "order chain after order" compiled contract

# ---- the workspace ----
check "chain: legal" 0 'work at' "$fovea" compile chain.fvir -q --emit=kernels -o -
check "chain: place" 1 "'a' is read after 'c', which overlaps it, was written" plant place "$fovea" compile chain.fvir -q --emit=kernels -o -

# ---- layouts ----
# result FOLDER MODEL OPTION...: the result of one run on inputs of one seed; a run that fails has none
result() { "$fovea" run "$2.fvir" -q --dim n=7 --seed=3 --backend=interp --target=x86-64-v3 --format=npy -o "$1" "${@:3}" >out 2>err </dev/null; }
differ() { ! cmp -s "$1"/y.npy "$2"/y.npy; }
for m in panels scaled; do
    result $m.naive $m --schedule=naive
    result $m.right $m
    differ $m.naive $m.right && tell "$m: the bits of the naive schedule" no || tell "$m: the bits of the naive schedule" yes
    faults='order stride bits width'
    [ $m = scaled ] && faults="$faults companion"
    for fault in $faults; do
        plant "layout $fault" result "$m.$fault" $m
        differ $m.naive "$m.$fault" && tell "$m: layout $fault" yes || tell "$m: layout $fault does not show" no
    done
done
finish
