# Tests strips of rows (--prefer=ram): the workspace is smaller, and all backends compute the bits of the model without strips.
. "$(dirname "$0")/lib.sh"
numbers() { seq -s ', ' -f %g "$@"; }
backends="jit interp c"

# Layers whose rows overlap, with odd borders, a stride, a dilation, a depthwise layer, poolings and a sum of two images.
cat >net.fvir <<T
fovea-ir 1
module "net"
const @a: f32[8, 3, 3, 3] = [$(numbers -1 0.01 1.15)]
const @d: f32[8, 1, 5, 3] = [$(numbers -0.6 0.01 0.59)]
const @e: f32[24, 8, 1, 1] = [$(numbers -0.96 0.01 0.95)]
const @f: f32[4, 24, 2, 3] = [$(numbers -2.88 0.01 2.87)]
func @main(%x: f32[1, 3, 37, 19]) -> (%y, %z) {
  %h = Conv(%x, @a) {kernel_shape = [3, 3], pads = [2, 1, 0, 1]}
  %r = HardSwish(%h)
  %g = Conv(%r, @d) {kernel_shape = [5, 3], pads = [2, 1, 2, 1], group = 8}
  %s = Add(%g, %h)
  %b = Conv(%s, @e) {kernel_shape = [1, 1]}
  %p = MaxPool(%b) {kernel_shape = [3, 2], strides = [2, 1], pads = [1, 0, 1, 0]}
  %q = Conv(%p, @f) {kernel_shape = [2, 3], dilations = [3, 1]}
  %y = AveragePool(%q) {kernel_shape = [2, 2], strides = [2, 2]}
  %z = GlobalMaxPool(%q)
  return %y, %z
}
T
"$fovea" run net.fvir --backend=jit >/dev/null 2>&1 || backends="interp c" # built without LLVM
# $1 before the name of a member of numbers.json: its number
number() { sed -n "s/.*\"$1\": \([0-9]*\).*/\1/p" numbers.json; }
spotter=$root/examples/keywords/keywords.onnx
"$fovea" quantize "$spotter" --calibrate="$root/examples/keywords/test" -q -o bytes.onnx
for model in net.fvir "$spotter" bytes.onnx; do
    name=$(basename "$model")
    "$fovea" inspect "$model" --memory --json --target=cortex-m4 >numbers.json
    usual=$(number workspace_bytes)
    "$fovea" inspect "$model" --memory --json --target=cortex-m4 --prefer=ram >numbers.json
    small=$(number workspace_bytes)
    [ "$(number strips)" -gt 0 ] && [ $((small * 10)) -lt $((usual * 7)) ] && good=yes || good=no
    tell "$name: $usual bytes, with strips $small" $good
    rm -rf in ref
    "$fovea" run "$model" --backend=interp --target=x86-64-v3 -q --save-inputs in -o ref/
    for backend in $backends; do
        check "$name, the same bits ($backend)" 0 'outputs? as expected' \
            "$fovea" run "$model" --backend=$backend --target=native --prefer=ram --data-set in --expect ref --atol=0 --rtol=0
    done
    check "$name for cortex-m4" 0 'outputs? as expected' \
        "$fovea" run "$model" --backend=interp --target=cortex-m4 -Os --prefer=ram --data-set in --expect ref --atol=0 --rtol=0
    "$fovea" compile "$model" --prefer=ram --emit=definitions -q -o strips.fvd
    check "$name, from definitions" 0 'outputs? as expected' \
        "$fovea" run strips.fvd --data-set in --expect ref --atol=0 --rtol=0
    check "$name without the step" 0 '"strips": 0' "$fovea" inspect "$model" --memory --json --prefer=ram --disable=strip-rows
done
check 'threads and random limits' 0 'outputs? as expected' \
    "$fovea" run bytes.onnx --threads=3 --random-limits=7 --prefer=ram --data-set in --expect ref --atol=0 --rtol=0
check 'the report' 0 'chains? of values in strips of rows; without strips about 63 kB' "$fovea" inspect "$spotter" --memory --target=cortex-m4 --prefer=ram
check 'a value' 0 'strip +yes +it is computed in [0-9]+ strips of rows' "$fovea" inspect "$spotter" --why=deep2.relu --target=cortex-m4 --prefer=ram
check 'time is preferred' 0 '"strips": 0' "$fovea" inspect "$spotter" --memory --json --target=cortex-m4 -Os
# the bits of one level are those of all that have the same definitions
for level in 0 1 2 3 s; do
    rm -rf ref
    "$fovea" run net.fvir -O$level --backend=interp --target=x86-64-v3 -q --save-inputs in -o ref/
    check "level $level" 0 '2 of 2 outputs as expected' \
        "$fovea" run net.fvir -O$level --target=native --prefer=ram --data-set in --expect ref --atol=0 --rtol=0
done
# A convolution with one output channel copies an image whose channels are innermost, with its border: both are alive at once, and
# more than %m, for which strips do not help.
cat >copied.fvir <<T
fovea-ir 1
module "copied"
const @a: f32[32, 1, 5, 5] = [$(numbers -4 0.01 3.99)]
const @b: f32[1, 32, 3, 3] = [$(numbers -1.44 0.01 1.43)]
func @main(%x: f32[1, 1, 40, 32], %w: f32[250, 64], %v: f32[64, 256], %u: f32[256, 4]) -> (%y, %z) {
  %c = Conv(%x, @a) {kernel_shape = [5, 5], pads = [2, 2, 2, 2]}
  %h = Relu(%c)
  %d = Conv(%h, @b) {kernel_shape = [3, 3], pads = [1, 1, 1, 1]}
  %y = Sigmoid(%d)
  %m = MatMul(%w, %v)
  %s = Softmax(%m) {axis = 0}
  %z = MatMul(%s, %u)
  return %y, %z
}
T
check 'an image that is copied' 0 '"strips": 1' "$fovea" inspect copied.fvir --memory --json --target=cortex-m4 --prefer=ram
said 'workspace_bytes": 257024,'
rm -rf in ref
"$fovea" run copied.fvir --backend=interp --target=x86-64-v3 -q --save-inputs in -o ref/
check 'its bits' 0 '2 of 2 outputs as expected' \
    "$fovea" run copied.fvir --target=native --prefer=ram --data-set in --expect ref --atol=0 --rtol=0
finish
