# Tests --relax=winograd: convolutions in tiles have the same bits everywhere, and differ from direct ones by rounding.
. "$(dirname "$0")/lib.sh"
backends="jit interp c"
# Three convolutions in tiles: one with uneven padding and a Relu, one without padding, one of which an addition is the reader.
cat >m.fvir <<'T'
fovea-ir 1
module "m"
symbol n 0..4
symbol h 1..128
symbol w 1..128
const @first: f32[] = 1.0
const @last: f32[] = 5185.0
const @step: f32[] = 1.0
const @scale: f32[] = 0.1
const @shape: i64[4] = [24, 24, 3, 3]
const @bias: f32[24] = [1,-2,3,0,5,-6,7,8,9,10,-11,12,13,14,15,16,17,18,-19,20,21,22,23,24]
func @main(%x: f32[n, 24, h, w]) -> (%y) {
  %numbers = Range(@first, @last, @step)
  %sines = Sin(%numbers)
  %scaled = Mul(%sines, @scale)
  %k = Reshape(%scaled, @shape)
  %c = Conv(%x, %k, @bias) {pads = [3, 2, 2, 1]}    loc("first")
  %r = Relu(%c)
  %d = Conv(%r, %k)    loc("second")
  %e = Conv(%d, %k) {auto_pad = "SAME_UPPER"}    loc("third")
  %y = Add(%e, %d)
  return %y
}
T
# Many channels, few pixels, and more than 1 MiB of filters: tiles of 2 x 2 have smaller filters.
floats deep.bin 304704
cat >deep.fvir <<'T'
fovea-ir 1
module "deep"
symbol n 0..1
symbol h 1..14
symbol w 1..14
const @k: f32[184, 184, 3, 3] = file "deep.bin" 0 1218816
func @main(%x: f32[n, 184, h, w]) -> (%y) {
  %y = Conv(%x, @k) {pads = [0, 1, 2, 1]}
  return %y
}
T
sed 's/symbol h .*/symbol h 1..2/; s/symbol w .*/symbol w 1..2/' m.fvir >small.fvir
sed 's/%d = Conv(%r, %k)/%d = Conv(%r, %k) {strides = [2, 1]}/; s/auto_pad = "SAME_UPPER"/pads = [2, 2, 2, 2], dilations = [2, 2]/' m.fvir >forms.fvir
sed 's/: f32/: f64/' m.fvir >doubles.fvir
"$fovea" run m.fvir --dim n=1 --backend=jit >/dev/null 2>&1 || backends="interp c" # built without LLVM

said_of() {
    "$fovea" inspect "$@" --why 2>&1
}
check 'not by default' 0 '^kernels .* 3 contract' said_of m.fvir
grep -q Winograd out && tell 'not by default: says nothing' no || tell 'not by default: says nothing' yes
check 'all three' 0 '^kernels .* 6 custom, 3 contract' said_of m.fvir --relax=winograd
said "computed by Winograd's algorithm in square tiles of 4 pixels: 36 products a tile in place of 144"
check 'besides another departure' 0 '^kernels .* 6 custom, 3 contract' said_of m.fvir --relax=f16-intermediates,winograd
check 'smaller tiles' 0 'in square tiles of 2 pixels: 16 products a tile in place of 36' said_of deep.fvir --relax=winograd
check 'images that are too small' 0 'would take [0-9]+% of the time of the convolution, by the estimate, more than 90%' said_of small.fvir --relax=winograd
grep -q ' custom' out && tell 'images that are too small: none' no || tell 'images that are too small: none' yes
check 'strides and dilations' 0 '^kernels .* 2 custom, 3 contract' said_of forms.fvir --relax=winograd
said 'needs f32, constant filters of 3 x 3, strides and dilations of 1, and one group'
check 'f64' 0 'needs f32' said_of doubles.fvir --relax=winograd
grep -q ' custom' out && tell 'f64: none' no || tell 'f64: none' yes
check 'the summary' 0 '^relaxed +winograd$' "$fovea" compile m.fvir --relax=winograd -o m.fvk
check 'inspect' 0 '^relaxed +winograd$' "$fovea" inspect m.fvir --relax=winograd
check 'the help' 0 'bf16-products, winograd' "$fovea" compile --help

# images MODEL N H W: random ones, of which a run takes its dims, while those of --dim are known when the model is compiled
images() {
    rm -rf images direct
    "$fovea" run "$1" --dim "n=$2" --dim "h=$3" --dim "w=$4" --save-inputs=images -o direct/ >/dev/null
}

# Images that are larger and smaller than tiles, of odd sizes, and none at all: near the direct convolution.
for dims in 'deep.fvir 1 14 14' 'deep.fvir 1 1 2' 'm.fvir 1 29 30' 'm.fvir 3 7 5' 'm.fvir 2 4 1' 'm.fvir 1 1 2' 'm.fvir 3 16 16' 'm.fvir 0 5 5' \
    'm.fvir 2 6 5'; do
    images $dims
    check "$dims" 0 '1 of 1 outputs as expected' "$fovea" run "${dims%% *}" --input x=images/input_0.pb --relax=winograd --expect direct --atol=1e-4 --rtol=0
done
check 'other bits' 1 'FAILED y' "$fovea" run m.fvir --input x=images/input_0.pb --relax=winograd --expect direct --atol=0 --rtol=0

# The same bits everywhere.
sizes='--input x=images/input_0.pb --relax=winograd'
exact='--expect ref --atol=0 --rtol=0'
"$fovea" run m.fvir $sizes --backend=interp --target=x86-64-v3 -o ref/ >/dev/null
for target in x86-64-v4 aarch64; do
    check "interp, $target" 0 '1 of 1 outputs as expected' "$fovea" run m.fvir $sizes --backend=interp --target=$target $exact
done
for backend in $backends; do
    check "$backend" 0 '1 of 1 outputs as expected' "$fovea" run m.fvir $sizes --backend=$backend --target=native --threads=2 $exact
done
# Sizes that are known, of which matrices of tiles would be 6 kB apart: a row more is between them.
known='--dim n=1 --dim h=29 --dim w=29'
images m.fvir 1 29 29
"$fovea" run m.fvir $sizes --backend=interp --target=x86-64-v3 -o ref/ >/dev/null
"$fovea" compile m.fvir $known --relax=winograd --target=x86-64-v3 --emit=kernels -o known.fvk >/dev/null
check 'a spare row' 0 'f32\[36, 65, 24\]' cat known.fvk
check 'a spare row, run' 0 '1 of 1 outputs as expected' "$fovea" run known.fvk ${sizes% --relax*} --backend=interp $exact
check 'a spare row, limits' 0 '1 of 1 outputs as expected' "$fovea" run m.fvir $known $sizes --backend=interp --random-limits=3 $exact
# Constants of bytes are converted in the run where memory is to be saved, and otherwise in advance, which makes 1.1 MB of them.
floats bytes.bin 40960
{
    printf 'fovea-ir 1\nmodule "bytes"\nconst @k: f32[64, 64, 3, 3] = file "bytes.bin" 0 147456\n'
    for i in $(seq 0 16); do printf 'const @b%s: i8[128, 128] = file "bytes.bin" %s 16384\n' $i $((i * 7)); done
    printf 'func @main(%%x: f32[1, 64, 7, 7], %%s0: f32[128, 128]) -> (%%y, %%s17) {\n  %%y = Conv(%%x, @k) {pads = [1, 1, 1, 1]}\n'
    for i in $(seq 0 16); do printf '  %%c%s = Cast(@b%s) {to = 1}\n  %%s%s = Add(%%s%s, %%c%s)\n' $i $i $((i + 1)) $i $i; done
    printf '  return %%y, %%s17\n}\n'
} >bytes.fvir
for options in '' --target=cortex-m7 --prefer=ram; do
    check "other constants $options" 0 "Winograd's algorithm in square tiles of 4" "$fovea" inspect bytes.fvir --relax=winograd --why $options
done
"$fovea" compile m.fvir --relax=winograd --emit=definitions -o m.fvd >/dev/null
check 'from the text' 0 '1 of 1 outputs as expected' "$fovea" run m.fvd ${sizes% --relax*} $exact
check 'serial loops' 0 '1 of 1 outputs as expected' "$fovea" run m.fvd ${sizes% --relax*} --schedule=naive --backend=interp $exact
check 'random limits' 0 '1 of 1 outputs as expected' "$fovea" run m.fvir $sizes --random-limits=7 $exact
"$fovea" run m.fvir $sizes --backend=interp --target=x86-64-v2 -o ref2/ >/dev/null
check 'without fma' 0 '1 of 1 outputs as expected' "$fovea" run m.fvir $sizes --backend=c --target=generic --expect ref2 --atol=0 --rtol=0
finish
