# Tests the step `factor`: zero points are moved out of sums of products of integers, which become contractions; results
# equal those with each op computed alone; faults planted in what the step makes are detected by that comparison; and
# constant weights of 8 bits stay one byte each.
. "$(dirname "$0")/lib.sh"

cat >product.fvir <<'M'
fovea-ir 1
module "product"
symbol n 0..64
func @main(%a: u8[n, 24], %b: i8[24, 32], %za: u8[n], %zb: i8[32]) -> (%y) {
  %y = MatMulInteger(%a, %b, %za, %zb)
  return %y
}
M
cat >conv.fvir <<'M'
fovea-ir 1
module "conv"
symbol n 0..8
func @main(%x: u8[n, 3, 9, 9], %w: i8[16, 3, 3, 3], %z: u8[], %zw: i8[]) -> (%y) {
  %y = ConvInteger(%x, %w, %z, %zw) {pads = [1, 2, 0, 1], strides = [2, 1], dilations = [1, 2]}
  return %y
}
M
cat >scaled.fvir <<'M'
fovea-ir 1
module "scaled"
symbol n 0..8
func @main(%a: i8[n, 24], %b: u8[24, 16], %s: i64[n, 1], %z: i64[1, 16]) -> (%y) {
  %i = Cast(%a) {to = 7}
  %m = Mul(%i, %s)
  %o = Neg(%m)
  %j = Cast(%b) {to = 7}
  %d = Sub(%z, %j)
  %y = MatMul(%o, %d)
  return %y
}
M
# done_by COMMAND...: it succeeds
done_by() { "$@" >out 2>err </dev/null && tell "$name" yes || tell "$name" no; }
# outputs FOLDER MODEL OPTION...: of one run on inputs of one seed
outputs() {
    mkdir -p "$1"
    name=$1
    done_by "$fovea" run "$2" -q --dim n=5 --seed=7 --format=npy -o "$1" "${@:3}"
}
# same A B: have these folders the same bytes?
same() { for f in "$1"/*.npy; do cmp -s "$f" "$2/$(basename "$f")" || return 1; done; }
for m in product conv scaled; do
    check "$m: the step changes it" 0 'factor yes factored|multiplies integers as they are stored' "$fovea" inspect $m.fvir --why
    outputs $m.naive $m.fvir --schedule=naive
    check "$m: tiles compute it" 0 'schedule contract' "$fovea" compile $m.fvir -q --emit=kernels --target=x86-64-v3 -o -
    for b in interp c jit; do
        outputs $m.$b $m.fvir --backend=$b
        same $m.naive $m.$b && tell "$m by $b: the bits of the naive schedule" yes || tell "$m by $b: other bits" no
    done
    name="$m: texts"
    done_by "$fovea" compile $m.fvir -q --emit=definitions --dump-dir=$m.steps -o /dev/null
    text=$(ls $m.steps/*factor*.fvd)
    outputs $m.text "$text"
    same $m.naive $m.text && tell "$m: from the text" yes || tell "$m: other bits from the text" no
done

# Weights that are constants: panels in 8 bits that are packed when the model is compiled, for whole tiles, edges and a single row.
cat >weights.fvir <<'M'
fovea-ir 1
module "weights"
symbol n 0..64
const @w: i8[300, 60] = file "weights.bin" 0 18000
const @f: i8[20, 5, 3, 3] = file "weights.bin" 0 900
const @d: u8[5, 1, 3, 3] = file "weights.bin" 7 45
const @slid: i8[24, 1, 5, 4] = file "weights.bin" 11 480
const @last: i8[16, 24, 1, 1] = file "weights.bin" 5 384
const @z: u8[] = 113
const @sx: f32[] = 0.02
const @sw: f32[] = 0.01
const @sy: f32[] = 0.5
const @zw: i8[] = 2
func @main(%x: u8[n, 300], %i: u8[n, 5, 9, 11], %p: u8[n, 1, 13, 10]) -> (%y, %q, %c, %e, %g, %o, %r, %s) {
  %y = MatMulInteger(%x, @w, @z)
  %q = QLinearMatMul(%x, @sx, @z, @w, @sw, @zw, @sy, @z)
  %c = ConvInteger(%i, @f, @z, @zw) {pads = [1, 1, 1, 1]}
  %e = QLinearConv(%i, @sx, @z, @f, @sw, @zw, @sy, @z) {strides = [2, 1]}
  %g = ConvInteger(%i, @d, @z) {group = 5, pads = [1, 1, 1, 1]}
  %o1 = QLinearConv(%p, @sx, @z, @slid, @sw, @zw, @sy, @z) {pads = [2, 1, 3, 1], strides = [2, 2]}
  %r1 = QLinearConv(%p, @sx, @z, @slid, @sw, @zw, @sy, @z) {strides = [1, 3]}
  %s1 = QLinearConv(%p, @sx, @z, @slid, @sw, @zw, @sy, @z) {pads = [0, 2, 0, 2], dilations = [1, 2]}
  %o = QLinearConv(%o1, @sy, @z, @last, @sw, @zw, @sy, @z)
  %r = QLinearConv(%r1, @sy, @z, @last, @sw, @zw, @sy, @z)
  %s = QLinearConv(%s1, @sy, @z, @last, @sw, @zw, @sy, @z)
  return %y, %q, %c, %e, %g, %o, %r, %s
}
M
seq 1 5000 | tr '0-9' '\001\377\200\177\007\300\150\371\020\245' | head -c 18000 >weights.bin
check "padding becomes a zero point that is constant" 0 'else 113' "$fovea" compile weights.fvir -q --emit=definitions -o -
check "panels of weights have 8 bits, with two steps of the sum as neighbours" 0 'w.panels`: i8\[4, 150, 32\], `x.words`: i16\[n, 300\]' "$fovea" compile weights.fvir -q --emit=kernels --target=x86-64-v3 -o -
check "a window slides along words of a copy" 0 'bits_i32\(`p.words`\[.*, .* \* 2 \+ [a-z_0-9]* \* 4:4\]\)' "$fovea" compile weights.fvir -q --emit=kernels --target=x86-64-v4+vnni -o -
for n in 1 5 37; do
    for b in naive jit interp c generic; do
        case $b in
        naive) how=--schedule=naive ;;
        generic) how="--backend=c --target=generic" ;;
        *) how=--backend=$b ;;
        esac
        mkdir -p "weights.$n.$b"
        name="weights, $n rows by $b"
        # shellcheck disable=SC2086
        done_by "$fovea" run weights.fvir -q --dim n=$n --seed=7 --format=npy -o "weights.$n.$b" $how
        same "weights.$n.naive" "weights.$n.$b" && tell "$name: the bits of the naive schedule" yes || tell "$name: other bits" no
    done
done

# planted MODEL NAME SED: the fault is there, legal, and shows
planted() {
    text=$(ls "$1".steps/*factor*.fvd)
    sed "$3" "$text" >"$(dirname "$text")/planted.fvd"
    cmp -s "$text" "$(dirname "$text")/planted.fvd" && tell "$2: nothing is planted" no && return
    outputs "$1.planted" "$(dirname "$text")/planted.fvd"
    same "$1.naive" "$1.planted" && tell "$2: nobody sees it" no || tell "$2 shows" yes
}
planted product "a sign" '/element %y\[/s/- %`y.rows`/+ %`y.rows`/'
planted product "a sum that is left out" '/element %y\[/s/ - %`y.columns`\[[a-z]*\] \* %[a-z0-9_]*\[[^]]*\]//'
planted product "a number of terms" '/element %y\[/s/ \* 24$/ * 23/'
planted product "the sum of another factor" '/element %`y.rows`/s/i32(%a\[/-i32(%a[/'
planted conv "padding that is not the zero point" '/element %y\[/,/^  }/s/ else %z\[\]/ else u8(0)/'
planted scaled "a scale that is left out" '/element %y\[/s/%s\[i, 0\] \* -1/-1/'

finish
