# Tests sums of products of bytes whose columns are packed as words in the run, and images whose channels become words:
# results equal those of the naive schedule, for all signs, with zero points, with steps that do not fill words, and where there
# are no rows or columns; on targets with a dot product of bytes, of i16, and with none, by all consumers.
. "$(dirname "$0")/lib.sh"

machine=$(uname -m)
# a target of this machine, which the JIT compiles for, and others, which the interpreter runs
case $machine in x86_64) native=x86-64-v3 others='x86-64-v2 x86-64-v4+vnni x86-64-v3+avxvnniint8 aarch64+dotprod' ;; *) native="$machine" others='x86-64-v3' ;; esac
if [ "$machine" = x86_64 ] && grep -q avx512_vnni /proc/cpuinfo; then
    native=x86-64-v4+vnni others="${others/ x86-64-v4+vnni/ x86-64-v3}"
fi

# bytes N: N bytes in hexadecimal digits, the same in each run
bytes() { awk -v n="$1" 'BEGIN { srand(11); for (i = 0; i < n; i++) printf "%02x", int(rand() * 256) }'; }
# outputs FOLDER MODEL OPTION...: of one run on inputs of one seed
outputs() {
    mkdir -p "$1"
    name="$2 in $1"
    "$fovea" run "$2" -q --dim n="$rows" --seed=7 --format=npy -o "$1" "${@:3}" >out 2>err </dev/null || tell "$name" no
}
# same A B: have these folders the same bytes?
same() {
    for f in "$1"/*.npy; do
        [ -s "$2/$(basename "$f")" ] && cmp -s "$f" "$2/$(basename "$f")" || return 1
    done
}
# compare MODEL ROWS: all schedules and consumers
compare() {
    rows=$2
    rm -rf naive one
    outputs naive "$1" --schedule=naive
    outputs one "$1" --target="$native" --backend=jit --threads=2
    same naive one && tell "$1 for $native" yes || tell "$1 with $rows rows for $native: other bits" no
    for t in $others; do
        outputs one "$1" --target="$t" --backend=interp
        same naive one && tell "$1 for $t" yes || tell "$1 with $rows rows for $t: other bits" no
    done
}
# c MODEL ROWS: the code in C
in_c() {
    rows=$2
    rm -rf naive one
    outputs naive "$1" --schedule=naive
    outputs one "$1" --backend=c --target="$native"
    same naive one && tell "$1 in C" yes || tell "$1 in C: other bits" no
}
# product NAME A B K COLUMNS [ZEROS]: a matrix product whose second factor is an input
product() {
    printf '%s\n' 'fovea-ir 1' "module \"$1\"" 'symbol n 0..64' \
        "func @main(%a: $2[n, $4], %b: $3[$4, $5]${6:+, $6}) -> (%y) {" \
        "  %y = MatMulInteger(%a, %b${6:+, %za, %zb})" '  return %y' '}' >"$1.fvir"
}

for signs in 'u8 i8' 'i8 i8' 'u8 u8' 'i8 u8'; do
    a=${signs% *} b=${signs#* }
    for size in '64 48' '67 33' '3 16'; do
        k=${size% *} j=${size#* }
        product "plain_${a}_${b}_${k}_$j" "$a" "$b" "$k" "$j"
        compare "plain_${a}_${b}_${k}_$j.fvir" 19
    done
    product "zeros_${a}_${b}" "$a" "$b" 66 40 "%za: ${a}[], %zb: ${b}[]"
    compare "zeros_${a}_${b}.fvir" 37
    in_c "zeros_${a}_${b}.fvir" 37
    product "each_${a}_${b}" "$a" "$b" 36 51 "%za: ${a}[n], %zb: ${b}[51]"
    compare "each_${a}_${b}.fvir" 23
    for n in 0 1 4; do compare "each_${a}_${b}.fvir" $n; done
    # steps that follow each other in memory: words of the columns are transposed
    for k in 64 68 66; do
        cat >"scores_${a}_${b}_$k.fvir" <<M
fovea-ir 1
module "scores"
symbol n 0..64
func @main(%q: ${a}[2, 3, n, $k], %k: ${b}[2, 3, n, $k], %zq: ${a}[], %zk: ${b}[]) -> (%y) {
  %t = Transpose(%k) {perm = [0, 1, 3, 2]}
  %y = MatMulInteger(%q, %t, %zq, %zk)
  return %y
}
M
        compare "scores_${a}_${b}_$k.fvir" 21
        compare "scores_${a}_${b}_$k.fvir" 48
    done
    in_c "scores_${a}_${b}_64.fvir" 33
done
product none u8 i8 0 16
compare none.fvir 8
product no_columns u8 i8 16 0
compare no_columns.fvir 8
check 'words are packed' 0 'u8 and i8: words of 4 steps' "$fovea" inspect plain_u8_i8_64_48.fvir --why --target=x86-64-v4+vnni
said 'packs'
check 'their bytes are flipped' 0 'dot_u8_i8' "$fovea" compile plain_i8_i8_64_48.fvir -q --emit=kernels --target=x86-64-v4+vnni -o -
said '\^ -2139062144'

# image NAME X W SHAPE FILTERS ATTRIBUTES: a quantized convolution with constant filters
image() {
    n=1
    for d in ${5//,/ }; do n=$((n * d)); done
    printf '%s\n' 'fovea-ir 1' "module \"$1\"" 'symbol n 0..8' "const @w: $3[$5] = hex \"$(bytes $n)\"" 'const @s: f32[] = 0.02' \
        'const @t: f32[] = 0.01' 'const @r: f32[] = 1.5' "const @z: $2[] = 7" "const @zw: $3[] = ${7:-0}" \
        "func @main(%x: $2[n, $4]) -> (%y) {" "  %y = QLinearConv(%x, @s, @z, @w, @t, @zw, @r, @z) {$6}" '  return %y' '}' >"$1.fvir"
}
for signs in 'u8 i8' 'i8 i8' 'u8 u8'; do
    x=${signs% *} w=${signs#* }
    image "point_${x}_$w" "$x" "$w" '32, 9, 11' '48, 32, 1, 1' ''
    image "odd_${x}_$w" "$x" "$w" '37, 9, 5' '19, 37, 1, 1' '' 3
    image "window_${x}_$w" "$x" "$w" '64, 9, 21' '40, 64, 3, 3' 'pads = [1, 1, 1, 1]' 2
    image "stride_${x}_$w" "$x" "$w" '20, 14, 19' '33, 20, 3, 3' 'pads = [1, 2, 0, 1], strides = [2, 2]'
    image "colour_${x}_$w" "$x" "$w" '3, 17, 33' '32, 3, 3, 3' 'pads = [1, 1, 1, 1], strides = [2, 2]'
    image "depth_${x}_$w" "$x" "$w" '48, 9, 13' '48, 1, 3, 3' 'pads = [1, 1, 1, 1], group = 48'
    image "five_${x}_$w" "$x" "$w" '16, 9, 23' '16, 1, 5, 5' 'group = 16'
    image "group_${x}_$w" "$x" "$w" '32, 9, 10' '32, 8, 3, 3' 'pads = [1, 1, 1, 1], group = 4'
    image "wide_${x}_$w" "$x" "$w" '16, 40, 4' '24, 16, 3, 3' 'dilations = [2, 1]'
    for m in point odd window stride colour depth five group wide; do
        compare "${m}_${x}_$w.fvir" 2
    done
    in_c "window_${x}_$w.fvir" 1
    in_c "point_${x}_$w.fvir" 1
    compare "window_${x}_$w.fvir" 0
done
cat >filters.fvir <<'M'
fovea-ir 1
module "filters"
symbol n 0..8
func @main(%x: u8[n, 3, 9, 9], %w: i8[16, 3, 3, 3], %v: u8[n, 16, 6, 6], %p: i8[24, 16, 1, 1]) -> (%y, %u) {
  %y = ConvInteger(%x, %w) {pads = [1, 2, 0, 1], strides = [2, 1], dilations = [1, 2]}
  %u = ConvInteger(%v, %p)
  return %y, %u
}
M
compare filters.fvir 3
finish
