# Tests `fovea quantize`: the written model for each type, its errors, and wrong input.
. "$(dirname "$0")/lib.sh"
dates=$root/examples/dates/dates.onnx
sets=$root/examples/dates/test

# numbers COUNT SEED: a list of COUNT numbers between -1 and 1
numbers() {
    awk -v n="$1" -v s="$2" 'BEGIN { for (i = 0; i < n; i++) { s = (s * 16807) % 2147483647
        printf "%s%.4f", i ? ", " : "[", s / 1073741823.5 - 1 } print "]" }'
}
# one op of each kind: a table, products, a transposed product with factors, a convolution, a reader
# whose activation stays a float, and a weight in a branch
cat >m.fvir <<T
fovea-ir 1
module "m"
symbol n 1..1000
const @table: f32[10, 16] = $(numbers 160 1)
const @w: f32[16, 24] = $(numbers 384 2)
const @v: f32[16, 24] = $(numbers 384 3)
const @c: f32[16] = $(numbers 16 4)
const @k: f32[8, 4, 3, 3] = $(numbers 288 5)
const @b: f32[8] = $(numbers 8 6)
const @small: f32[2, 2] = [1.0, 2.0, 3.0, 4.0]
func @main(%ids: i64[n], %image: f32[1, 4, 6, 6], %s: f32[n, 2], %on: bool[]) -> (%y, %z, %t, %u) {
  %e = Gather(@table, %ids)    loc("embed")
  %h = MatMul(%e, @w)    loc("fc1")
  %g = Relu(%h)
  %y = Gemm(%g, @v, @c) {transB = 1, alpha = 0.5, beta = 2.0}    loc("fc2")
  %z = Conv(%image, @k, @b) {pads = [1, 1, 1, 1]}    loc("conv")
  %t = MatMul(%s, @small)    loc("tiny")
  %u = If(%on) {then_branch = ^() {
    %a = MatMul(%e, @w)    loc("inside")
    return %a
  }, else_branch = ^() {
    return %h
  }}
  return %y, %z, %t, %u
}
T
q() { "$fovea" quantize m.fvir --backend=interp --at n=5 "$@"; }
ops() { sed -n 's/.*= \([A-Za-z.0-9]*\)(.*/\1/p' "$1" | sort | uniq -c | awk '{ printf "%s %s, ", $2, $1 }'; }

# same NAME GOT EXPECTED
same() { [ "$2" = "$3" ] && tell "$1" yes || tell "$1: '$2', not '$3'" no; }

# ---- types ----
check 'int8' 0 'layers +int8 5' q -o q.fvir
said '^embed +Gather +f32\[10, 16\] +int8 +200 bytes +0.00'
said '^inside +MatMul .* int8 +480 bytes +-$'
said '^error +0.00[0-9]+ of the outputs, on random inputs'
grep -q '^tiny' out && tell 'a small weight is no layer' no || tell 'a small weight is no layer' yes
case $(ops q.fvir) in *'ConvInteger 1, '*'DynamicQuantizeLinear 4, '*'MatMulInteger 3'*) tell 'products of integers' yes ;; *) tell 'products of integers' no ;; esac
check 'what was written runs' 0 'y .*f32\[5, 16\]' "$fovea" run q.fvir --dim n=5
check 'weights only' 0 'layers +int8 5' q --weights-only -o w.fvir
case $(ops w.fvir) in *'DequantizeLinear 4, '*) tell 'weights only: no other op' yes ;; *) tell 'weights only: no other op' no ;; esac
awk '/DequantizeLinear/ { if (/^    /) inside = 1 } END { exit inside }' w.fvir && tell 'a weight of a branch is dequantized before it' yes || tell 'a weight of a branch is dequantized before it' no
check 'blocks of int4' 0 'layers +int4 5' q --to=int4 -o b.fvir
case $(ops b.fvir) in *'DequantizeLinear 1, '*'GatherBlockQuantized 1, '*'MatMulNBits 3, '*) tell 'operators of blocks' yes ;; *) tell 'operators of blocks' no ;; esac
check 'blocks of the standard' 0 'layers +int4 5' q --to=int4 --block=16 --qdq -o s.fvir
case $(ops s.fvir) in *'DequantizeLinear 5, '*) tell 'the standard has blocks' yes ;; *) tell 'the standard has blocks' no ;; esac
check 'blocks of int8' 0 'fc1 .* int8 +4[0-9]* bytes' q --block=16 -o b8.fvir
for t in f16 bf16; do
    check "$t" 0 "layers +$t 5" q --to=$t -o h.fvir
    said '^fc1 .* 768 bytes '
    grep -q "w\.$t.*: $t" h.fvir && tell "$t: constants" yes || tell "$t: constants" no
done

# ---- zero points ----
sed '/^const @w/s/-0\./0./g' m.fvir >above.fvir # weights from 0 to 1
above() { "$fovea" quantize above.fvir --backend=interp --at n=5 "$@"; }
for t in int8 int4; do
    above --to=$t --weights-only --json -o symmetric.fvir >symmetric.json 2>/dev/null
    check "$t: zero points" 0 '"layers"' above --to=$t --weights-only --zero-points --json -o zero.fvir
    python3 - symmetric.json out <<'P' && tell "$t: smaller errors" yes || tell "$t: smaller errors" no
import json, sys
a, b = ({l["layer"]: l["error"] for l in json.load(open(f))["layers"]} for f in sys.argv[1:])
sys.exit(not b["fc1"] < 0.9 * a["fc1"])
P
done
check 'zero points: products of integers' 0 'layers +int8 5' q --zero-points -o z.fvir
[ "$(grep -c 'MatMulInteger(.*zero' z.fvir)" = 3 ] && tell 'zero points of columns' yes || tell 'zero points of columns' no
grep -q 'ConvInteger(.*zero' z.fvir && tell 'filters have none' no || tell 'filters have none' yes
check 'zero points: what was written runs' 0 'y .*f32\[5, 16\]' "$fovea" run z.fvir --dim n=5
check 'floats have no zero points' 2 'bf16 has no zero points' q --to=bf16 --zero-points -o q.fvir

# ---- numbers that are as good as 0 ----
# scales FILE WEIGHT: the least scale of a weight is `small` below 1e-10
scales() { sed -n "s/^const @.$2\.scale.: .* = \[\(.*\)\]\$/\1/p" "$1" | tr -d ' ' | tr , '\n' | awk '{ if (!n++ || $1 < least) least = $1 } END { print !n ? "none" : least < 1e-10 ? "small" : "large" }'; }
tiny() { awk 'BEGIN { for (i = 0; i < 256; i++) printf "%s%s", i ? ", " : "[", i % 16 == '"$1"' ? "4e-9" : i % 7 - 3.5; print "]" }'; }
cat >good.fvir <<T
fovea-ir 1
module "g"
const @e: f32[16, 16] = $(tiny 3 | sed 's/4e-9/1.0/g; s/^\[\([^,]*, \)\{16\}/[4e-9, 3e-9, -4e-9, 1e-9, 4e-9, 3e-9, -4e-9, 1e-9, 4e-9, 3e-9, -4e-9, 1e-9, 4e-9, 3e-9, -4e-9, 1e-9, /')
const @w: f32[16, 16] = $(tiny 5)
func @main(%i: i64[4]) -> (%y) {
  %g = Gather(@e, %i)    loc("embed")
  %y = MatMul(%g, @w)    loc("fc")
  return %y
}
T
good() { "$fovea" quantize good.fvir --backend=interp "$@"; }
check 'as good as 0' 0 'layers +int8 2' good -o good8.fvir
same 'as good as 0: a row of a table has its own scale' "$(scales good8.fvir e)" small
same 'as good as 0: a column of a product of integers has a larger one' "$(scales good8.fvir w)" large
check 'as good as 0: weights only' 0 'layers +int8 2' good --weights-only -o good8.fvir
same 'as good as 0: weights only: each has its own' "$(scales good8.fvir w)" small

# ---- the weight of the states of a recurrence ----
cat >states.fvir <<T
fovea-ir 1
module "s"
const @w: f32[1, 288, 4] = $(numbers 1152 1)
const @r: i8[1, 288, 72] = $(awk 'BEGIN { for (i = 0; i < 20736; i++) printf "%s%d", i ? ", " : "[", i % 255 - 127; print "]" }')
const @s: f32[] = 0.01
func @main(%x: f32[5, 1, 4]) -> (%y) {
  %b = DequantizeLinear(@r, @s)
  %y, %h, %c = LSTM(%x, @w, %b) {hidden_size = 72}
  return %y
}
T
# floats OPTION...: are the weights floats before the run?
floats() { "$fovea" opt states.fvir -q "$@" -o floats.fvir >out 2>err && if grep -q 'fv.Dequantize(' floats.fvir; then echo no; else echo yes; fi; }
same 'states: floats' "$(floats)" yes
same 'states: bytes where code is to be small' "$(floats -Os)" no
same 'states: bytes on a microcontroller' "$(floats --target=cortex-m4)" no

# ---- tables that are read element by element, or several times ----
cat >tables.fvir <<T
fovea-ir 1
module "t"
const @bias: f32[3, 79] = $(numbers 237 1)
const @at: i64[40, 40] = $(awk 'BEGIN { for (i = 0; i < 1600; i++) { d = i % 40 - int(i / 40); printf "%s%d", i ? ", " : "[", d } print "]" }')
const @place: i8[40, 16] = $(awk 'BEGIN { for (i = 0; i < 640; i++) printf "%s%d", i ? ", " : "[", i % 255 - 127; print "]" }')
const @s: f32[40] = $(numbers 40 2 | sed 's/-//g')
func @main(%x: f32[3, 40, 16], %e: f32[40, 16]) -> (%y, %z) {
  %p = DequantizeLinear(@place, @s) {axis = 0}
  %g = Add(%e, %p)
  %h = Add(%x, %g)
  %t = Transpose(%x) {perm = [0, 2, 1]}
  %q = MatMul(%h, %t)
  %b = Gather(@bias, @at) {axis = 1}
  %m = Add(%q, %b)
  %a = Softmax(%m) {axis = 2}
  %y = MatMul(%a, %h)
  %c = Gather(@bias, @at) {axis = 1}
  %n = Mul(%q, %c)
  %z = Relu(%n)
  return %y, %z
}
T
# constants OPTION...: those of a table of 79 numbers, of its indices, and of codes, after the passes
constants() { "$fovea" opt tables.fvir -q "$@" -o tables.out.fvir >out 2>err && sed -n 's/^const @.*: \([a-z0-9]*\)\(\[.*\]\) = .*/\1\2/p' tables.out.fvir | sort | paste -sd' '; }
same 'tables: floats' "$(constants)" 'f32[3, 40, 40] f32[40, 16]'
same 'tables: read where code is to be small' "$(constants -Os)" 'f32[3, 79] f32[40, 1] i8[40, 16] u8[40, 40]'
same 'tables: read on a microcontroller' "$(constants --target=cortex-m4)" 'f32[3, 79] f32[40, 1] i8[40, 16] u8[40, 40]'
"$fovea" run tables.fvir -q --seed=1 --backend=interp >tables.O2 2>err && "$fovea" run tables.fvir -q --seed=1 -Os --backend=interp >tables.Os 2>err
[ -s tables.O2 ] && cmp -s tables.O2 tables.Os && tell 'tables: the same bits' yes || tell 'tables: the same bits' no
sed 's/^\(const @at: .* = \[\)[-0-9]*/\179/' tables.fvir >beyond.fvir
check 'tables: an index out of range' 0 '' "$fovea" opt beyond.fvir -Os -o beyond.out.fvir
noted 'an index is out of range, and all operands are constants'

# ---- codes of 7 bits ----
# codes FILE WEIGHT: the least and the largest code of a weight
codes() {
    sed -n "s/^const @.$2\.int8.: .* file \"\(.*\)\" \([0-9]*\) \([0-9]*\)\$/\1 \2 \3/p" "$1" | while read -r file at n; do
        od -An -v -t d1 -j "$at" -N "$n" "$file" | awk '{ for (i = 1; i <= NF; i++) { if ($i < least) least = $i; if ($i > most) most = $i } }
            END { print least + 0, most + 0 }'
    done
}
# dots FILE TARGET: the dot products of its kernels, and how many weights they read. Of the convolution, whose filters are few, pixels are
# the columns: the run packs them, as words of i16 with AVX2
dots() {
    "$fovea" compile "$1" --target="$2" -q --emit=kernels -o - |
        awk '/^kernel/ { split($2, name, "\140"); w = name[2] } match($0, /dot_[a-z0-9_]*/) { at = substr($0, RSTART, RLENGTH)
            if (!seen[w at]++) n[at]++ } END { for (d in n) print d, n[d] }' | sort | paste -sd,
}
check '7 bits: layers' 0 'layers +int8 5' q --reduce-range -o reduced.fvir
said '^fc1 .* 7 bits$'
said '^conv .* 7 bits$'
said '^inside .* 7 bits$'
said '^embed .* 8 bits: its product is not one of integers$'
for w in w v k; do same "7 bits: codes of $w" "$(codes reduced.fvir $w)" '-63 63'; done
same '7 bits: rows of a table keep 8' "$(codes reduced.fvir table)" '-127 127'
same '8 bits: codes' "$(codes q.fvir w)" '-127 127'
same '7 bits: dot products of AVX2' "$(dots reduced.fvir x86-64-v3)" 'dot_i16_i16 1,dot_u8_i8_sat 2'
same '8 bits: dot products of AVX2' "$(dots q.fvir x86-64-v3)" 'dot_i16_i16 3'
same '7 bits: dot products of VNNI' "$(dots reduced.fvir x86-64-v4+vnni)" 'dot_u8_i8 3'
check '8 bits: why AVX2 has no product of bytes' 0 'not by dot_u8_i8_sat, which saturates: a weight is below -64 or above 64' "$fovea" inspect q.fvir --why --target=x86-64-v3
check '7 bits: inspect reads the weights' 0 'words of 4 steps of the sum are multiplied by dot_u8_i8_sat' "$fovea" inspect reduced.fvir --why --target=x86-64-v3
check '7 bits: what was written runs' 0 'y .*f32\[5, 16\]' "$fovea" run reduced.fvir --dim n=5
"$fovea" run reduced.fvir --dim n=5 --target=x86-64-v3 --backend=interp -q -o reduced.out >/dev/null 2>&1
check '7 bits: nothing saturates' 0 '4 of 4 outputs as expected' "$fovea" run reduced.fvir --dim n=5 --target=x86-64-v4+vnni --backend=interp --expect reduced.out --atol=0 --rtol=0
check '7 bits with zero points' 0 'fc2 .* 7 bits$' q --reduce-range --zero-points -o reduced.fvir
same '7 bits: codes with zero points' "$(codes reduced.fvir w)" '-64 63'
same '7 bits with zero points: dot products of AVX2' "$(dots reduced.fvir x86-64-v3)" 'dot_i16_i16 1,dot_u8_i8_sat 2'
check '7 bits: json' 0 '"bits": 7' q --reduce-range --json -o q.fvir
said '"bits": 8'
# a depthwise convolution sums products one by one, the other one in words
cat >depthwise.fvir <<T
fovea-ir 1
module "d"
const @d: f32[32, 1, 3, 3] = $(numbers 288 1)
const @p: f32[32, 32, 1, 1] = $(numbers 1024 2)
func @main(%x: f32[1, 32, 8, 8]) -> (%y) {
  %h = Conv(%x, @d) {group = 32}    loc("depthwise")
  %c = Conv(%h, @p)    loc("pointwise")
  %y = GlobalAveragePool(%c)
  return %y
}
T
check '7 bits: convolutions' 0 '^depthwise .* 8 bits: it is a depthwise convolution$' "$fovea" quantize depthwise.fvir --backend=interp --reduce-range -o reduced.fvir
said '^pointwise .* 7 bits$'
same '7 bits: a depthwise convolution keeps 8' "$(codes reduced.fvir d)" '-127 127'
same '7 bits: convolutions of AVX2' "$(dots reduced.fvir x86-64-v3)" 'dot_u8_i8_sat 1'
check '7 bits: for int8 with channels' 2 'reduce-range is for int8' q --to=int4 --reduce-range -o q.fvir
check '7 bits: not with blocks' 2 'reduce-range is for int8' q --to=int8 --block=16 --reduce-range -o q.fvir
for b in 4 8; do
    q --to=int$b --block=16 --skip=embed --zero-points -o n.fvir >/dev/null 2>&1
    q --to=int$b --block=16 --skip=embed --zero-points --qdq -o s.fvir >/dev/null 2>&1
    "$fovea" run s.fvir --dim n=5 --backend=interp -q -o s.out >/dev/null 2>&1
    check "zero points of int$b: MatMulNBits and DequantizeLinear agree" 0 '4 of 4 outputs as expected' "$fovea" run n.fvir --dim n=5 --backend=interp --expect s.out --atol=1e-5
done

# blocks of 16 of a matrix are the same numbers in either form
q --to=int4 --block=16 --skip=embed -o n.fvir >/dev/null 2>&1
q --to=int4 --block=16 --skip=embed --qdq -o s.fvir >/dev/null 2>&1
"$fovea" run s.fvir --dim n=5 --backend=interp -q -o s.out >/dev/null 2>&1
check 'MatMulNBits and DequantizeLinear agree' 0 '4 of 4 outputs as expected' "$fovea" run n.fvir --dim n=5 --backend=interp --expect s.out --atol=1e-5

# ---- files ----
# large weights may have any alignment in an ONNX file: the longer name of a module moves them by a byte
head -c 120000 /dev/zero | tr '\0' '=' >equal.bin
for name in m mm; do
    cat >moved.fvir <<M
fovea-ir 1
module "$name"
const @w: f32[100, 300] = file "equal.bin" 0 120000
func @main(%x: f32[5, 100]) -> (%y) {
  %y = MatMul(%x, @w)
  return %y
}
M
    "$fovea" opt -q -O0 moved.fvir -o moved.onnx
    for form in '--to=int8' '--to=int4 --block=16' '--to=f16'; do
        check "weights moved in the file, $name $form" 0 'f32.100, 300' "$fovea" quantize moved.onnx $form -o moved-q.onnx
    done
done
check 'an ONNX model' 0 'size +[0-9.]+ kB, was [0-9.]+ kB' "$fovea" quantize "$dates" -o q.onnx
check 'it is read again' 0 'probs' "$fovea" inspect q.onnx
cp q.onnx first.onnx
"$fovea" quantize "$dates" -o q.onnx >/dev/null 2>&1
cmp -s q.onnx first.onnx && tell 'the same bytes again' yes || tell 'the same bytes again' no
if python3 -c 'import onnx' 2>/dev/null; then
    "$fovea" quantize "$dates" --calibrate="$sets" --zero-points -o c.onnx >/dev/null 2>&1
    python3 -c '
import onnx
for f in "q.onnx", "c.onnx":
    onnx.checker.check_model(onnx.load(f), full_check=True)' 2>err && tell 'onnx.checker' yes || tell 'onnx.checker' no
fi
check 'weights in a file' 0 'layers' "$fovea" quantize "$dates" --weights=file -o side.onnx
[ -s side.onnx.data ] && tell 'the file of weights' yes || tell 'the file of weights' no
q -q -o q.fvir >out 2>err
[ ! -s out ] && [ ! -s err ] && tell 'says nothing' yes || tell 'says nothing' no
check 'a fixed dim' 0 'layers' "$fovea" quantize m.fvir --backend=interp --dim n=5 -o q.fvir
grep -q '%ids: i64\[5\]' q.fvir && tell 'is fixed in the result' yes || tell 'is fixed in the result' no
check 'json' 0 '"type": "int8"' q --json -o q.fvir
said '"schema": 1'

# ---- calibration ----
for r in minmax percentile entropy; do
    check "static: $r" 0 'on 3 data sets' "$fovea" quantize "$dates" --backend=interp --calibrate="$sets" --range=$r -o c.fvir
done
case $(ops c.fvir) in *'QuantizeLinear 1'*) tell 'QDQ' yes ;; *) tell 'QDQ' no ;; esac
check 'one data set' 0 'on 1 data set$' "$fovea" quantize "$dates" --backend=interp --calibrate="$sets/test_data_set_1" -o c.fvir
mkdir -p cal/a cal/b empty
python3 - 2>/dev/null <<'P' && have_sets=yes || have_sets=no
import numpy as np, onnx.numpy_helper as h
def put(path, a, name):
    open(path, "wb").write(h.from_array(a, name).SerializeToString())
for d, n in ("a", 3), ("b", 7):
    put(f"cal/{d}/input_0.pb", np.arange(n, dtype=np.int64) % 10, "ids")
    put(f"cal/{d}/input_1.pb", np.ones((1, 4, 6, 6), np.float32) * n, "image")
    put(f"cal/{d}/input_2.pb", np.ones((n, 2), np.float32), "s")
    put(f"cal/{d}/input_3.pb", np.array(True), "on")
P
if [ $have_sets = yes ]; then
    s() { "$fovea" quantize m.fvir --backend=interp --calibrate=cal -o c.fvir "$@"; }
    check 'sets of other dims' 0 'on 2 data sets' s
    said '^inside .* weight only: it is in a branch'
    # 7 is the largest element of the image, so its scale is 7 / 255
    grep -q 'image\.scale.*: f32\[\] = 0.0274509' c.fvir && tell 'the range of an input' yes || tell 'the range of an input' no
    # what a layer reads the average of has codes of its own range, unless something else reads it as well
    cat >pooled.fvir <<T
fovea-ir 1
module "pooled"
const @k: f32[8, 4, 3, 3] = $(numbers 288 5)
const @w: f32[8, 24] = $(numbers 192 2)
func @main(%image: f32[1, 4, 6, 6]) -> (%y) {
  %c = Conv(%image, @k) {pads = [1, 1, 1, 1]}    loc("conv")
  %r = Relu(%c)
  %p = GlobalAveragePool(%r)
  %f = Flatten(%p)
  %y = MatMul(%f, @w)    loc("fc")
  return %y
}
T
    mkdir -p images/a && cp cal/a/input_1.pb images/a/input_0.pb
    pooled() { "$fovea" quantize "$1" --backend=interp --calibrate=images -o p.fvir; }
    check 'the operand of an average' 0 'layers +int8 2' pooled pooled.fvir
    [ "$(grep -c ' = QuantizeLinear(' p.fvir)" = 3 ] && grep -q 'GlobalAveragePool(%p_' p.fvir && tell 'it has codes' yes || tell 'it has codes' no
    check 'what was written runs' 0 'y .*f32\[1, 24\]' "$fovea" run p.fvir
    # a Cast to i32 of its own would be computed by the kernel of the convolution, and stored
    "$fovea" compile p.fvir --target=cortex-m4 -q --emit=definitions -o p.fvd
    grep -q 'GlobalSumPool' p.fvd && ! grep -q 'i32\[1, 8, 6, 6\]' p.fvd && tell 'its codes are added as they are stored' yes || tell 'its codes are added as they are stored' no
    # a range that is cut off would shift the average
    scale() { grep "^const @.r\.scale" p.fvir; }
    uncut=$(scale)
    check 'an average, other ranges cut off' 0 'layers +int8 2' "$fovea" quantize pooled.fvir --backend=interp --calibrate=images --range=percentile --percentile=60 -o p.fvir
    same 'the range of what is averaged is whole' "$(scale)" "$uncut"
    [ -n "$uncut" ] && tell 'and there is one' yes || tell 'and there is one' no
    sed 's/-> (%y)/-> (%y, %r)/; s/return %y/return %y, %r/' pooled.fvir >read.fvir
    check 'an operand that is an output' 0 'layers +int8 2' pooled read.fvir
    [ "$(grep -c ' = QuantizeLinear(' p.fvir)" = 2 ] && tell 'it has none' yes || tell 'it has none' no
    sed 's/GlobalAveragePool(%r)/AveragePool(%r) {kernel_shape = [6, 6]}/; s/Flatten(%p)/Squeeze(%p, @axes)/; s/^const @k/const @axes: i64[2] = [2, 3]\n&/' pooled.fvir >window.fvir
    check 'an average of a window' 0 'layers +int8 2' pooled window.fvir
    [ "$(grep -c ' = QuantizeLinear(' p.fvir)" = 3 ] && tell 'its operand has codes' yes || tell 'its operand has codes' no
    cp -r cal nan && python3 -c '
import numpy as np, onnx.numpy_helper as h
a = np.ones((1, 4, 6, 6), np.float32); a[0, 1, 0, 0] = np.nan
open("nan/b/input_1.pb", "wb").write(h.from_array(a, "image").SerializeToString())'
    check 'NaN in the data' 1 "error: node 'conv' \(Conv\): element 36 of its input 'image' is nan on data set 'nan/b'" "$fovea" quantize m.fvir --backend=interp --calibrate=nan -o none.fvir
    cp -r cal other && python3 -c '
import numpy as np, onnx.numpy_helper as h
open("other/b/input_1.pb", "wb").write(h.from_array(np.ones((1, 4, 6, 5), np.float32), "image").SerializeToString())'
    check 'data of another shape' 1 "input 'image'" "$fovea" quantize m.fvir --backend=interp --calibrate=other -o none.fvir
    noted "data set 'other/b' cannot be used"
    check 'static, 7 bits' 0 'fc1 .* 7 bits$' s --reduce-range
    said '^inside .* weight only: it is in a branch'
    said '^embed .* 8 bits: '
    same 'static, 7 bits: codes' "$(codes c.fvir v)" '-63 63'
    same 'static, 7 bits: dot products of AVX2' "$(dots c.fvir x86-64-v3)" 'dot_i16_i16 1,dot_u8_i8_sat 2'
    rm cal/b/input_3.pb
    check 'a file is missing' 1 'cal/b has 3 input_N.pb, the model has 4' s
fi
check 'no data sets' 1 'has no data sets: folders with input_0.pb' q --calibrate=empty -o none.fvir
check 'no folder' 1 'is no folder' q --calibrate=nowhere -o none.fvir

# ---- nothing to compare ----
cat >empty.fvir <<T
fovea-ir 1
module "empty"
symbol n 0..1000
const @w: f32[16, 24] = $(numbers 384 2)
func @main(%x: f32[n, 16]) -> (%y) {
  %y = MatMul(%x, @w)    loc("fc1")
  return %y
}
T
check 'no elements' 0 '^error +not measured: on random inputs the outputs have no element that is a number$' "$fovea" quantize empty.fvir --backend=interp --dim n=0 --chart=c.svg -o q.fvir
said '^fc1 .* -$'
grep -q 'all outputs' c.svg && tell 'no elements: the chart has no error' no || tell 'no elements: the chart has no error' yes
check 'no elements, as JSON' 0 '"error":null' sh -c "'$fovea' quantize empty.fvir --backend=interp --dim n=0 --json -o q.fvir | tr -d ' \n'"
rm -f q.fvir
check 'no elements and a budget' 1 'with these inputs the outputs have no element' "$fovea" quantize empty.fvir --backend=interp --dim n=0 --budget=0.1 -o q.fvir
[ ! -e q.fvir ] && tell 'no elements and a budget: nothing was written' yes || tell 'no elements and a budget: nothing was written' no

# ---- a budget ----
check 'a budget for all' 0 'layers +int4 5$' q --to=int4 --budget=10 -o q.fvir
said 'alone int4$'
check 'a budget for some' 0 'layers +int4 [1-4], f32' q --to=int4 --budget=0.05 -o q.fvir
said '^conv .* f32 .* kept for the budget$'
check 'a budget for none' 0 'layers +f32 5$' q --to=int4 --budget=0 -o q.fvir
said '^error +0 of'
check 'a search' 0 'layers .*int4 ' q --search --budget=0.05 -o q.fvir
said 'alone f16 +alone int8 +alone int4'
check 'a search among two' 0 'alone bf16 +alone int8$' q --search --to=int8,bf16 --budget=0.001 -o q.fvir
check 'a chart' 0 'layers' q --budget=0.05 --chart=c.svg -o q.fvir
grep -q '</svg>' c.svg && tell 'the chart' yes || tell 'the chart' no
grep -q '>conv<' c.svg && tell 'names in the chart' yes || tell 'names in the chart' no

# ---- layers that are skipped ----
check 'skip a node' 0 'fc1 .* f32 .* skipped' q --skip=fc1 -o q.fvir
check 'skip an operator' 0 'layers +int8 3, f32 2' q --skip=MatMul -o q.fvir
check 'skip a pattern' 0 'layers +int8 3, f32 2' q '--skip=fc*' -o q.fvir
check 'skip a set of characters' 0 'layers +int8 4, f32 1' q '--skip=fc[2-9]' -o q.fvir
check 'skip what is not there' 1 "there is no such layer; did you mean 'fc1'" q --skip=fc11 -o none.fvir

# ---- wrong options ----
check 'two backends' 2 '--backend takes one of' "$fovea" quantize m.fvir --backend=jit,interp -o q.fvir
check 'no such backend' 2 'there is no backend' "$fovea" quantize m.fvir --backend=gpu -o q.fvir
check 'no output' 2 '-o OUT is missing' q
check 'standard input' 2 'read several times' "$fovea" quantize - -o q.fvir
check 'no such type' 2 "--to takes int8, int4, bf16 or f16, not 'int3'" q --to=int3 -o q.fvir
check 'two types' 2 'several types only with --search' q --to=int8,int4 -o q.fvir
check 'blocks of floats' 2 'bf16 has no scales' q --to=bf16 --block=32 -o q.fvir
for b in 8 24 512; do
    check "blocks of $b" 2 'expected a power of two from 16 to 256' q --to=int4 --block=$b -o q.fvir
done
check 'search without a budget' 2 '--search needs --budget' q --search -o q.fvir
check 'a range without data' 2 '--range needs --calibrate' q --range=entropy -o q.fvir
check 'no such range' 2 'takes minmax, percentile or entropy' q --calibrate=empty --range=middle -o q.fvir
check 'a percentile of nothing' 2 '--percentile needs' q --calibrate=empty --percentile=99 -o q.fvir
check 'a percentile too small' 2 'from 50 to 100' q --calibrate=empty --range=percentile --percentile=9 -o q.fvir
check 'calibration of weights alone' 2 'nothing to calibrate' q --calibrate=empty --weights-only -o q.fvir
check 'two kinds of data' 2 'do not apply' q --calibrate=empty --data-set=x -o q.fvir
check 'another kind of file' 2 'ends in .onnx or .fvir' q -o q.so
check 'weights of a text' 2 '--weights takes' q --weights=file -o q.fvir
check 'over the model' 1 'm.fvir' q -o m.fvir

# ---- hostile weights ----
sed 's/^\(const @w: f32\[16, 24\] = \[\)[-0-9.]*/\1nan/' m.fvir >nan.fvir
check 'a NaN in a weight' 1 "node 'fc1' \(MatMul\): element 0 of the weight 'w' is nan" "$fovea" quantize nan.fvir --backend=interp -o none.fvir
check 'a NaN that is skipped' 0 'fc1 .* skipped' "$fovea" quantize nan.fvir --backend=interp --skip=fc1 --skip=inside -o q.fvir
sed 's/^\(const @w: f32\[16, 24\] = \[\)[-0-9.]*/\1 1e30/' m.fvir >large.fvir
check 'beyond f16' 1 'is 1e\+30, which f16 cannot be' "$fovea" quantize large.fvir --backend=interp --to=f16 -o none.fvir
check 'within int8' 0 'layers +int8 5' "$fovea" quantize large.fvir --backend=interp -o q.fvir
sed "s/^const @w: f32\[16, 24\] = .*/const @w: f32[16, 24] = [0.0$(awk 'BEGIN { for (i = 1; i < 384; i++) printf ", 0.0" }')]/" m.fvir >zero.fvir
for t in int8 int4; do
    check "a weight of zeros as $t" 0 "fc1 .* $t .* 0$" "$fovea" quantize zero.fvir --backend=interp --to=$t -o q.fvir
done
sed "s/^const @w: f32\[16, 24\] = .*/const @w: f32[16, 24] = [1e-44$(awk 'BEGIN { for (i = 1; i < 384; i++) printf ", 1e-44" }')]/" m.fvir >tiny.fvir
check 'denormal weights' 0 'layers +int8 5' "$fovea" quantize tiny.fvir --backend=interp -o q.fvir
cat >none.txt <<'T'
fovea-ir 1
module "none"
func @main(%x: f32[4]) -> (%y) {
  %y = Relu(%x)
  return %y
}
T
progress 'the model as it is' "'$fovea' quantize m.fvir --backend=interp --at n=5 -o q.fvir"
check 'no weights' 1 'has no weights of f32' "$fovea" quantize none.txt -o none.fvir
check 'no weights to skip' 1 'has no weights of f32' "$fovea" quantize none.txt --skip=Conv -o none.fvir
check 'no model' 1 'nowhere.onnx' "$fovea" quantize nowhere.onnx -o none.onnx
[ ! -e none.fvir ] && [ ! -e none.onnx ] && tell 'nothing was written' yes || tell 'nothing was written' no
finish
