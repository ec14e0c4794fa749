# Tests how tiles fit what they compute: the order in which results are stored, tiles that are wider because few columns
# exist, and prefetches of operands of the epilogue. All backends give the same bits.
. "$(dirname "$0")/lib.sh"
floats w.bin 73728
# model NAME: standard input is the function
model() { { echo 'fovea-ir 1'; echo 'module "m"'; cat; } >"$1.fvir"; }
# emits NAME COUNT PATTERN: so many lines of the kernels match
emits() {
    "$fovea" compile "$1.fvir" --target=${target:-x86-64-v4} --processor=zen4 --emit=kernels -q -o kernels.fvk
    found=$(grep -Ec -- "$3" kernels.fvk)
    [ "$found" = "$2" ] && good=yes || good=no
    [ $good = yes ] || echo "$found lines instead of $2 match '$3'"
    tell "$1: $3" $good
}
backends="interp jit c"
model one <<'M'
func @main(%x: f32[1]) -> (%y) {
  %y = Neg(%x)
  return %y
}
M
"$fovea" run one.fvir --backend=jit >/dev/null 2>&1 || backends="interp c" # built without LLVM
# bits NAME OPTION...: those of the tiles of another target, by interpreter, JIT and C
bits() {
    of=$1
    shift
    check "$of $*, other tiles" 0 . "$fovea" run "$of.fvir" "$@" --seed=3 --target=x86-64-v3 --backend=interp -o "$of.npy"
    for backend in $backends; do
        check "$of $*, bits of $backend" 0 . "$fovea" run "$of.fvir" "$@" --seed=3 --backend=$backend --target=native --expect "$of.npy" --atol=0 --rtol=0
    done
}

# the result of a convolution has pixels next to each other, so a column of a tile is stored before the next one
model image <<'M'
const @w: f32[32, 64, 3, 3] = file "w.bin" 0 73728
func @main(%x: f32[1, 64, 9, 14]) -> (%y) {
  %c = Conv(%x, @w) {pads = [1, 1, 1, 1]}
  %y = Sigmoid(%c)
  return %y
}
M
emits image 0 '^ *for r < '
# the sums of a tile are transposed in registers, and a column of 14 is stored as 8, 4 and 2
emits image 1 '^ *tile turned: f32\[32, 16\]$'
emits image 1 '^ *transpose block'
for lanes in 8 4 2; do
    emits image 1 "^ *vector r(_[0-9]+)? < $lanes \\{"
done
bits image
# the same with a residual, of a number of rows that is known and of one that the run decides
for rows in 9 n; do
    { [ $rows = 9 ] || echo 'symbol n 1..100'; cat; } <<M | model added$rows
const @w: f32[32, 64, 3, 3] = file "w.bin" 0 73728
func @main(%x: f32[1, 64, $rows, 14], %r: f32[1, 32, $rows, 14]) -> (%y) {
  %c = Conv(%x, @w) {pads = [1, 1, 1, 1]}
  %y = Add(%c, %r)
  return %y
}
M
done
emits added9 1 '^ *vector r(_[0-9]+)? < 8 '
emits addedn 1 '^ *vector r(_[0-9]+)? < 8 '
bits added9
for n in 1 3 10 29; do
    bits addedn --dim n=$n
done

# 40 columns are one tile of 48; 64 are two of 32, as two tiles of 48 have more padding columns
for n in 40 64; do
    model "columns$n" <<M
const @w: f32[100, $n] = file "w.bin" 0 $((400 * n))
func @main(%x: f32[100, 100]) -> (%y) {
  %y = MatMul(%x, @w)
  return %y
}
M
    bits "columns$n"
done
columns() { "$fovea" inspect "$1.fvir" --schedules --target=x86-64-v4 --processor=zen4; }
check "40 columns" 0 'contract .*columns = 48,' columns columns40
check "64 columns" 0 'contract .*columns = 32,' columns columns64
# in an attention, rows are those of its block of 12 queries
model heads <<'M'
func @main(%q: f32[1, 3, 128, 40], %k: f32[1, 3, 40, 128], %v: f32[1, 3, 128, 40]) -> (%y) {
  %s = MatMul(%q, %k)
  %p = Softmax(%s)
  %y = MatMul(%p, %v)
  return %y
}
M
check "heads of 40" 0 'attend \{rows = (6|8), columns = 48, score_rows = 12, .*block = 12' columns heads
bits heads

# a residual that the second-level cache need not hold is prefetched before the products of a tile
residual() {
    model "residual$1" <<M
const @w: f32[64, 96] = file "w.bin" 0 24576
func @main(%x: f32[$1, 64], %r: f32[$1, 96]) -> (%y) {
  %p = MatMul(%x, @w)
  %y = Add(%p, %r)
  return %y
}
M
}
residual 1000
emits residual1000 2 '^ *prefetch r\[i0 \+ r'
bits residual1000
residual 100
emits residual100 0 '^ *prefetch r\['
# and so are the lines of the results, and the rows of the next tile
emits residual1000 2 '^ *prefetch y\[i0 \+ r(_[0-9]+)?, '
emits residual1000 0 '^ *prefetch x\['
emits residual100 0 '^ *prefetch y\['
model rows <<'M'
const @w: f32[64, 32] = file "w.bin" 0 8192
func @main(%x: f32[1200, 64]) -> (%y) {
  %y = MatMul(%x, @w)
  return %y
}
M
emits rows 1 '^ *prefetch x\[after, k \* 12\]$'
# 100 tiles are 10 blocks of 10, which two threads share evenly, rather than 8 of 12 and one of 4
emits rows 1 'schedule contract \{rows = 12, .* block = 120,'
bits rows

# the rows of a tile are pixels of one line of the image if they can be: the second convolution of each model
lines() {
    model "lines$1" <<M
const @p: f32[32, 16, 1, 1] = file "w.bin" 0 2048
const @w: f32[32, 32, 3, 3] = file "w.bin" 0 36864
func @main(%x: f32[1, 16, $2, $1]) -> (%y) {
  %h = Conv(%x, @p)
  %c = Conv(%h, @w) {pads = [1, 1, 1, 1]}
  %y = GlobalMaxPool(%c)
  return %y
}
M
}
lines 28 5
emits lines28 1 '^ *let pixel = min\(`tile` mod 28, 14\)$'
emits lines28 0 '^ *prefetch '
bits lines28
lines 17 6 # no tile of 7 to 14 rows divides a line
emits lines17 0 '^ *let pixel'
bits lines17
lines 46 50 # the image does not stay near: its next line is prefetched
emits lines46 1 '^ *prefetch `h.padded`\[ahead, ahead_1, .* \* 2\]$'
# a residual is loaded from within the border that a convolution needs
model within <<'M'
const @p: f32[32, 16, 1, 1] = file "w.bin" 0 2048
const @w: f32[32, 32, 3, 3] = file "w.bin" 0 36864
func @main(%x: f32[1, 16, 6, 9]) -> (%y) {
  %h = Conv(%x, @p)
  %c = Conv(%h, @w) {pads = [1, 1, 1, 1]}
  %r = Relu(%c)
  %d = Conv(%r, @w) {pads = [1, 1, 1, 1]}
  %y = Add(%d, %h)
  return %y
}
M
emits within 1 'formula .* \+ .h.padded.\[i2 \+ 1, '
bits within
# strides, and rows of several images
model strided <<'M'
const @p: f32[32, 16, 1, 1] = file "w.bin" 0 2048
const @w: f32[32, 32, 3, 3] = file "w.bin" 0 36864
func @main(%x: f32[3, 16, 9, 27]) -> (%y) {
  %h = Conv(%x, @p)
  %c = Conv(%h, @w) {pads = [1, 1, 1, 1], strides = [2, 2]}
  %y = GlobalMaxPool(%c)
  return %y
}
M
emits strided 1 '^ *let pixel'
bits strided
# filters are columns, and pixels rows, if a line of pixels has more padding columns, or its pixels are not contiguous
few() {
    model "few$1" <<M
const @w: f32[$2, 16, 3, 3] = file "w.bin" 0 $(($2 * 576))
func @main(%x: f32[2, 16, 10, $3]) -> (%y) {
  %y = Conv(%x, @w) {pads = [1, 1, 1, 1], strides = [$4, $4]}
  return %y
}
M
    emits "few$1" "$5" '^ *tile turned'
    emits "few$1" "$6" 'schedule contract .*operand = packs'
    bits "few$1"
}
few narrow 32 14 1 1 0
few full 53 32 1 0 0
few strided 53 32 2 1 0
few filters 12 32 2 0 1 # fewer than a vector
few rest 32 34 2 1 0
emits fewrest 2 '^ *vector r(_[0-9]+)? < rows ' # 85 pixels, the last of which are not transposed
# tiles of 7 to 14 rows are also tried where the rows are the pixels of one line
model stem <<'M'
const @w: f32[32, 3, 7, 7] = file "w.bin" 0 18816
func @main(%x: f32[1, 3, 56, 56]) -> (%y) {
  %y = Conv(%x, @w) {pads = [3, 3, 3, 3], strides = [2, 2]}
  return %y
}
M
emits stem 1 'schedule contract \{rows = 14, columns = 32,'
bits stem

# several lines of a channel share the pixels that a tile loads; 1: each line is a tile of its own
single() {
    model "single$1" <<M
const @w: f32[12, 1, $2] = file "w.bin" 0 $((48 * $3))
func @main(%x: f32[2, 12, 13, 37]) -> (%y) {
  %y = Conv(%x, @w) {group = 12, pads = [$4], strides = [$5]}
  return %y
}
M
    emits "single$1" 1 "schedule contract \\{rows = $6, "
    bits "single$1"
    check "single$1, near" 0 . "$fovea" run "single$1.fvir" --seed=3 --schedule=naive --backend=interp --expect "single$1.npy" --atol=1e-5
}
single square '7, 7' 49 '3, 3, 3, 3' '1, 1' 9
single twice '5, 3' 15 '2, 1, 2, 1' '2, 1' 7
single valid '3, 3' 9 '0, 0, 0, 0' '1, 1' 11
single apart '2, 3' 6 '0, 1, 0, 1' '2, 1' 1 # windows of different lines have no common pixels
single flat '1, 9' 9 '0, 4, 0, 4' '1, 1' 1

# taps outside of the image are left out, of whole lines and of the first and last pixels of a line
border() {
    model "border$1" <<M
const @p: f32[32, 16, 1, 1] = file "w.bin" 0 2048
const @w: f32[32, 32, 3, 3] = file "w.bin" 0 36864
const @s: f32[] = $3
const @b: f32[32] = [$(printf -- "$4, %.0s" $(seq 31))$4]
func @main(%x: f32[1, 16, $2, $2]) -> (%y) {
  %t = Mul(%x, @s)
  %h = Conv(%t, @p)
  %f = Mul(@w, @s)
  %c = Conv(%h, %f$5) {pads = [$6]}
  %y = Transpose(%c) {perm = [0, 2, 3, 1]}
  return %y
}
M
    emits "border$1" "$7" '^ *for k = max\(1 - line, 0\) to min\([0-9]+ - line, 3\)'
    emits "border$1" "$8" '^ *unroll r(_[0-9]+)? = 1 to '
    bits "border$1"
    [ "$3" != 1e-30 ] || signs "border$1"
}
# signs NAME: zeros have the signs that products and sums in their order give them
signs() {
    "$fovea" run "$1.fvir" --seed=3 --schedule=naive --backend=interp -o naive.npy >/dev/null 2>&1
    for backend in $backends; do
        "$fovea" run "$1.fvir" --seed=3 --backend=$backend --target=native -o signs.npy >/dev/null 2>&1
        cmp -s signs.npy naive.npy && good=yes || good=no
        tell "$1, signs of zeros by $backend" $good
    done
}
border line 28 1.0 0.5 ', @b' '1, 1, 1, 1' 1 1
emits borderline 1 '^ *if pixel == 0 ' # of two tiles, each has one end of the line
emits borderline 1 '^ *if pixel == 14 '
border long 210 1.0 0.5 ', @b' '1, 1, 1, 1' 0 0 # the border is less than a hundredth
border side 14 1.0 0.5 ', @b' '1, 1, 1, 1' 1 1
border small 7 1.0 0.5 ', @b' '1, 1, 1, 1' 1 1
border wide 14 1.0 0.5 ', @b' '0, 1, 0, 1' 0 0
border none 14 1.0 0.5 '' '1, 1, 1, 1' 0 0
border minus 14 1.0 -0.0 ', @b' '1, 1, 1, 1' 0 0
# products that are too small for a denormal number
border tiny 14 1e-30 0.0 ', @b' '1, 1, 1, 1' 1 1
border tinyminus 14 1e-30 -0.0 ', @b' '1, 1, 1, 1' 0 0
border tinynone 14 1e-30 0.0 '' '1, 1, 1, 1' 0 0
# a reciprocal has the sign of a zero, whatever is added after it; of a product, the sum with a number has none
inverse() {
    model "border$1" <<M
const @p: f32[32, 16, 1, 1] = file "w.bin" 0 2048
const @w: f32[32, 32, 3, 3] = file "w.bin" 0 36864
const @s: f32[] = 1e-30
const @b: f32[32, 1, 1] = [$(printf -- "${5:-0.5}, %.0s" $(seq 31))${5:-0.5}]
func @main(%x: f32[1, 16, 14, 14]) -> (%y) {
  %t = Mul(%x, @s)
  %h = Conv(%t, @p)
  %f = Mul(@w, @s)
  %c = Conv(%h, %f) {pads = [1, 1, 1, 1]}
  %i = $2
  %a = ${4:-Add(%i, @b)}
  %y = Transpose(%a) {perm = [0, 2, 3, 1]}
  return %y
}
M
    emits "border$1" "$3" '^ *for k = max\(1 - line, 0\) to min\([0-9]+ - line, 3\)'
    signs "border$1"
}
inverse inverse 'Reciprocal(%c)' 0
inverse scaled 'Mul(%c, %c)' 1
# -0 less 0 is -0, and 0 less 0 is 0; less -0, or any other number, both are equal; -0 less them is not
backends=interp inverse mean 'Identity(%c)' 1 'Sub(%i, @b)'
backends=interp inverse less 'Identity(%c)' 0 'Sub(%i, @b)' 0.0
backends=interp inverse lessminus 'Identity(%c)' 1 'Sub(%i, @b)' -0.0
backends=interp inverse from 'Identity(%c)' 1 'Sub(@b, %i)' 0.0
backends=interp inverse fromminus 'Identity(%c)' 0 'Sub(@b, %i)' -0.0
# large weights may have any alignment in an ONNX file: the longer name of a module moves them by a byte
for name in m mm; do
    cat >moved.fvir <<M
fovea-ir 1
module "$name"
const @p: f32[64, 16, 1, 1] = file "w.bin" 0 4096
const @w: f32[64, 64, 3, 3] = file "w.bin" 0 147456
const @b: f32[64] = file "w.bin" 0 256
func @main(%x: f32[1, 16, 14, 14]) -> (%y) {
  %h = Conv(%x, @p)
  %c = Conv(%h, @w, @b) {pads = [1, 1, 1, 1]}
  %y = Transpose(%c) {perm = [0, 2, 3, 1]}
  return %y
}
M
    "$fovea" opt -q -O0 moved.fvir -o moved.onnx
    check "weights moved in the file, $name" 0 '^ *for k = max\(1 - line, 0\)' "$fovea" compile moved.onnx --target=x86-64-v4 --processor=zen4 --emit=kernels -q -o -
done
# 0 times infinity is no number
border infinite 14 1e39 0.5 ', @b' '1, 1, 1, 1' 0 0
# of integers if the border has zeros, whose sign is not flipped, as bytes or as i16
bytes() {
    model "bytes$1" <<M
const @p: i8[32, 32, 1, 1] = file "w.bin" 0 1024
const @w: i8[32, 32, 3, 3] = file "w.bin" 0 9216
const @s: f32[] = 0.01
const @t: f32[] = 1.0
const @z: $3[] = $4
const @o: i8[] = 0
func @main(%x: $3[1, 32, $2, $2]) -> (%y) {
  %h = QLinearConv(%x, @t, @z, @p, @s, @o, @t, @z)
  %c = QLinearConv(%h, @t, @z, @w, @s, @o, @t, @z) {pads = [1, 1, 1, 1], strides = [$5, $5]}
  %y = Transpose(%c) {perm = [0, 2, 3, 1]}
  return %y
}
M
    "$fovea" run "bytes$1.fvir" --seed=3 --schedule=naive --backend=interp -o naive.npy >/dev/null 2>&1
    for target in x86-64-v4 x86-64-v4+vnni; do
        emits "bytes$1" "$([ $target = x86-64-v4 ] && echo $6 || echo $7)" '^ *for k = max\(1 - (line|above), 0\) to '
        check "bytes$1 for $target" 0 . "$fovea" run "bytes$1.fvir" --seed=3 --target=$target --backend=interp --expect naive.npy --atol=0 --rtol=0
    done
    target=
    case " $backends " in *" jit "*)
        check "bytes$1, JIT" 0 . "$fovea" run "bytes$1.fvir" --seed=3 --backend=jit --expect naive.npy --atol=0 --rtol=0 ;;
    esac
}
bytes side 14 u8 0 1 1 1
bytes line 28 u8 0 1 1 1
bytes strided 14 u8 0 2 1 1
bytes moved 14 u8 3 1 0 0
bytes signed 14 i8 0 1 1 0
# scores: the last of the steps of a head follows the loop over the others, and each row is stored after its product
for steps in 32 129; do
    model scores$steps <<M
symbol n 1..100
func @main(%q: f32[n, $steps], %k: f32[n, $steps], %v: f32[n, $steps]) -> (%y) {
  %t = Transpose(%k) {perm = [1, 0]}
  %s = MatMul(%q, %t)
  %p = Softmax(%s) {axis = 1}
  %y = MatMul(%p, %v)
  return %y
}
M
done
# tiles of 12, 8, 4, 2 rows and of one
emits scores32 5 '^ *for k(_[0-9]+)? < 31 \{'
emits scores32 0 '^ *for k(_[0-9]+)? < 32 \{'
emits scores129 0 '^ *for k(_[0-9]+)? < 128 \{'
emits scores129 5 '^ *for k(_[0-9]+)? < 129 \{'
bits scores32 --dim=n=29
# one loop computes the maximum of a row, the exponentials of the row before it, and the weights of the one before that
emits scores32 1 '^ *for r(_[0-9]+)? < queries \+ 2 \{'
emits scores32 0 '^ *for r(_[0-9]+)? < queries \{'
# where a mask may hide keys, maxima come first; the passes with all keys are as without a mask, which there are two of
{ echo 'symbol n 1..100'; cat; } <<'M' | model masked
func @main(%q: f32[n, 128], %k: f32[n, 128], %v: f32[n, 128], %m: bool[1, n]) -> (%y) {
  %t = Transpose(%k) {perm = [1, 0]}
  %s = MatMul(%q, %t)
  %w = Where(%m, %s, @low)
  %p = Softmax(%w) {axis = 1}
  %y = MatMul(%p, %v)
  return %y
}
M
sed -i 's/^symbol/const @low: f32[] = -10000.0\n&/' masked.fvir
emits masked 1 '^ *for r(_[0-9]+)? < queries \+ 1 \{'
emits masked 2 '^ *for r(_[0-9]+)? < queries \+ 2 \{'
bits masked --dim=n=29
# without vectors, each pass is made for all rows
"$fovea" compile scores32.fvir --target=cortex-m7 --emit=kernels -q -o kernels.fvk
grep -Eq '^ *for r(_[0-9]+)? < queries \+' kernels.fvk && tell 'separate passes' no || tell 'separate passes' yes
# parts of the steps, the last of which is shorter, and filters of one pixel
{ echo 'symbol n 1..100'; cat; } <<'M' | model parts
const @w: f32[100, 70] = file "w.bin" 0 28000
func @main(%x: f32[n, 100]) -> (%y) {
  %y = MatMul(%x, @w)
  return %y
}
M
key=$("$fovea" inspect parts.fvir --schedules -v --target=x86-64-v4 --processor=zen4 | sed -n 's/^ *key *//p')
"$fovea" tune parts.fvir --target=x86-64-v4 --processor=zen4 --seconds=0.001 -o parts.tuning >/dev/null 2>&1
check "as a whole" 0 . "$fovea" run parts.fvir --dim=n=29 --seed=3 --target=x86-64-v3 --backend=interp -o parts.npy
for depth in 48 33; do
    { sed 5q parts.tuning; printf 'kernel "%s" contract {block = 96, depth = %s}\nend\n' "$key" $depth; } >own.tuning
    "$fovea" compile parts.fvir --target=x86-64-v4 --processor=zen4 --tuning=own.tuning --emit=kernels -q -o parts.fvk
    check "parts of $depth steps" 0 "min\(from \+ $depth, 100\) - 1" cat parts.fvk
    check "their bits" 0 . "$fovea" run parts.fvk --dim=n=29 --seed=3 --backend=interp --expect parts.npy --atol=0 --rtol=0
done
model pixel <<'M'
const @w: f32[70, 64, 1, 1] = file "w.bin" 0 17920
func @main(%x: f32[1, 64, 5, 7]) -> (%y) {
  %y = Conv(%x, @w)
  return %y
}
M
bits pixel
# small code for a microcontroller: the last tile repeats rows of the one before, and may begin anywhere in a line
model part <<'M'
const @s3: i64[3] = [0, 1, 3]
const @e3: i64[3] = [4, 29, 19]
const @s: i64[2] = [0, 0]
const @e: i64[2] = [85, 16]
const @h: i64[2] = [112, 16]
func @main(%x: f32[4, 30, 32], %v: f32[16, 32]) -> (%y) {
  %g = Slice(%x, @s3, @e3)
  %r = Reshape(%g, @h)
  %c = Slice(%r, @s, @e)
  %y = MatMul(%c, %v)
  return %y
}
M
check 'part, as it is defined' 0 . "$fovea" run part.fvir --seed=3 --target=x86-64-v3 --backend=interp -o part.npy
check 'part, small code' 0 . "$fovea" run part.fvir --seed=3 --target=cortex-m4 --backend=interp -Os --expect part.npy --atol=1e-4 --rtol=1e-4
finish
