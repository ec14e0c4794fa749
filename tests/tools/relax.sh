# Tests --relax: each departure makes other definitions, of which all backends and targets compute the same bits.
. "$(dirname "$0")/lib.sh"
backends="jit interp c"
cat >m.fvir <<'T'
fovea-ir 1
module "m"
symbol n 0..100
const @w: bf16[6, 4] = [1.5,2,3,4,-5,6,0.375,8,9,-10,11,12,13,0.0625,15,16,1,2,-3,4,5,6,7,8]
func @main(%x: bf16[n, 6], %r: bf16[n, 4]) -> (%y) {
  %m = MatMul(%x, @w)
  %a = Add(%m, %r)
  %b = Relu(%a)
  %y = Cast(%b) {to = 1}
  return %y
}
T
"$fovea" run m.fvir --dim n=3 --backend=jit >/dev/null 2>&1 || backends="interp c" # built without LLVM

text() {
    "$fovea" compile m.fvir --emit=definitions -o - "$@" 2>/dev/null | grep element
}
check 'values are rounded' 0 'bf16.max.f32.bf16.f32.bf16.sum k < 6: ' text
check 'values are not rounded' 0 '= max..sum k < 6: ' text --relax=f16-intermediates
check 'products in pairs' 0 'bf16.max.f32.bf16.f32.bf16.sum k < 6 in pairs: ' text --relax=bf16-products
check 'both' 0 '= max..sum k < 6 in pairs: ' text --relax=bf16-products,f16-intermediates
check 'products in tiles' 0 'bf16.max.f32.bf16.f32.bf16.sum k < 6 in tiles: ' text --relax=bf16-tiles
check 'tiles take the place of pairs' 0 'sum k < 6 in tiles: ' text --relax=bf16-products,bf16-tiles
check 'the help' 0 'bf16-products, winograd, bf16-tiles' "$fovea" compile --help
check 'a name that is none' 2 "no 'bf17-products'; there are f16-intermediates" "$fovea" compile m.fvir --relax=bf17-products -o m.fvk
check 'the summary' 0 '^relaxed +bf16-products$' "$fovea" compile m.fvir --relax=bf16-products -o m.fvk
check 'inspect' 0 '^relaxed +f16-intermediates$' "$fovea" inspect m.fvir --relax=f16-intermediates
check 'inspect as JSON' 0 '"relaxed": "f16-intermediates"' "$fovea" inspect m.fvir --relax=f16-intermediates --json

for relax in f16-intermediates bf16-products f16-intermediates,bf16-products bf16-tiles f16-intermediates,bf16-tiles; do
    rm -rf ref
    "$fovea" run m.fvir --dim n=29 --backend=interp --target=x86-64-v3 --relax=$relax -o ref/ >/dev/null
    for target in x86-64-v4+avx512bf16 x86-64-v4+amx-bf16 x86-64-v4 x86-64-v3 aarch64 cortex-m4; do
        check "$relax, interp, $target" 0 '1 of 1 outputs as expected' "$fovea" run m.fvir --dim n=29 --backend=interp --target=$target --relax=$relax --expect ref --atol=0 --rtol=0
    done
    for backend in $backends; do
        check "$relax, $backend" 0 '1 of 1 outputs as expected' "$fovea" run m.fvir --dim n=29 --backend=$backend --target=native --relax=$relax --expect ref --atol=0 --rtol=0
    done
    "$fovea" compile m.fvir --relax=$relax --emit=definitions -o m.fvd >/dev/null
    check "$relax, from the text" 0 '1 of 1 outputs as expected' "$fovea" run m.fvd --dim n=29 --expect ref --atol=0 --rtol=0
    check "$relax, serial loops" 0 '1 of 1 outputs as expected' "$fovea" run m.fvd --dim n=29 --schedule=naive --backend=interp --expect ref --atol=0 --rtol=0
done

# Blocks of 32 products with a last one that is shorter, one row and many, few columns and many, a row that is copied,
# and axes of which several are one in the schedule.
awk 'BEGIN { srand(9); for (i = 0; i < 150 * 70; i++) printf "%s%.3g", i ? "," : "", rand() * 4 - 2 }' >numbers
{
    printf 'fovea-ir 1\nmodule "k"\nsymbol n 0..200\nconst @a: bf16[150, 70] = [%s]\n' "$(cat numbers)"
    printf 'const @b: bf16[64, 5] = [%s]\nconst @c: bf16[30, 33] = [%s]\n' "$(cut -d, -f1-320 numbers)" "$(cut -d, -f1-990 numbers)"
    printf 'const @d: bf16[1, 5, 20, 40] = [%s]\nconst @g: bf16[64, 1] = [%s]\n' "$(cut -d, -f1-4000 numbers)" "$(cut -d, -f1-64 numbers)"
    printf 'func @main(%%x: bf16[n, 150], %%y: bf16[n, 64], %%z: bf16[30, n], %%q: bf16[n, 5, 20]) -> (%%r, %%s, %%t, %%u, %%v) {\n'
    printf '  %%x1 = MatMul(%%x, @a)\n  %%r = Cast(%%x1) {to = 1}\n  %%y1 = MatMul(%%y, @b)\n  %%s = Cast(%%y1) {to = 1}\n'
    printf '  %%z1 = Transpose(%%z) {perm = [1, 0]}\n  %%z2 = MatMul(%%z1, @c)\n  %%z3 = Relu(%%z2)\n  %%t = Cast(%%z3) {to = 1}\n'
    printf '  %%q1 = Einsum(%%q, @d) {equation = "nkl,aklj->nj"}\n  %%u = Cast(%%q1) {to = 1}\n'
    printf '  %%g1 = MatMul(%%y, @g)\n  %%v = Cast(%%g1) {to = 1}\n  return %%r, %%s, %%t, %%u, %%v\n}\n'
} >k.fvir
check 'blocks: definitions' 0 . "$fovea" compile k.fvir --relax=bf16-tiles --emit=definitions -o k.fvd
[ "$(grep -c ' in tiles: ' k.fvd)" = 4 ] && tell 'blocks: sums' yes || { cp k.fvd out; tell 'blocks: sums' no; }
for n in 0 1 2 3 33 130; do
    rm -rf ref
    "$fovea" run k.fvd --dim n=$n --backend=interp --target=x86-64-v3 --schedule=naive -o ref/ >/dev/null
    for how in interp,x86-64-v3 interp,x86-64-v4+amx-bf16 interp,cortex-m4 jit,native jit,x86-64-v4 c,native c,x86-64-v3; do
        case " $backends " in *" ${how%%,*} "*) ;; *) continue ;; esac
        check "blocks: $n rows, $how" 0 '5 of 5 outputs as expected' "$fovea" run k.fvir --dim n=$n --backend=${how%%,*} --target=${how#*,} \
            --relax=bf16-tiles --expect ref --atol=0 --rtol=0
    done
    check "blocks: $n rows, other limits" 0 '5 of 5 outputs as expected' "$fovea" run k.fvir --dim n=$n --target=native --threads=2 \
        --random-limits=$((n + 1)) --relax=bf16-tiles --expect ref --atol=0 --rtol=0
done
# where this machine and its system have the instruction, it computes the same bits
case $("$fovea" inspect k.fvir --target=native) in
*+amx-bf16*)
    check 'assembly' 0 '[[:space:]]tdpbf16ps' sh -c "'$fovea' compile k.fvir --target=native --relax=bf16-tiles -o k.s -q && cat k.s" ;;
esac

# Rows whose elements are apart in memory become words of their bits.
cat >z.fvir <<'T'
fovea-ir 1
module "z"
symbol n 0..100
const @w: bf16[6, 4] = [1.5,2,3,4,-5,6,0.375,8,9,-10,11,12,13,0.0625,15,16,1,2,-3,4,5,6,7,8]
func @main(%x: bf16[6, n]) -> (%y) {
  %t = Transpose(%x) {perm = [1, 0]}
  %m = MatMul(%t, @w)
  %y = Cast(%m) {to = 1}
  return %y
}
T
for relax in bf16-products bf16-tiles; do
    rm -rf ref
    "$fovea" compile z.fvir --relax=$relax --emit=definitions -o z.fvd >/dev/null
    "$fovea" run z.fvd --dim n=33 --backend=interp --schedule=naive -o ref/ >/dev/null
    for target in x86-64-v4+avx512bf16 x86-64-v4+amx-bf16 x86-64-v3 aarch64 cortex-m4; do
        check "elements apart, $relax, $target" 0 '1 of 1 outputs as expected' "$fovea" run z.fvir --dim n=33 --backend=interp --target=$target --relax=$relax --expect ref --atol=0 --rtol=0
    done
done

# One constant is read in pairs, as words of two bf16, and in one chain, as integers of which two elements are parts.
cat >s.fvir <<'T'
fovea-ir 1
module "s"
symbol n 0..100
const @w: bf16[6, 4] = [1.5,2,3,4,-5,6,0.375,8,9,-10,11,12,13,0.0625,15,16,1,2,-3,4,5,6,7,8]
func @main(%x: bf16[n, 6], %q: bf16[1, 6]) -> (%y, %z) {
  %m = MatMul(%x, @w)
  %y = Cast(%m) {to = 1}
  %o = MatMul(%q, @w)
  %z = Cast(%o) {to = 1}
  return %y, %z
}
T
rm -rf ref
"$fovea" compile s.fvir --relax=bf16-products --emit=definitions -o s.fvd >/dev/null
"$fovea" run s.fvd --dim n=9 --backend=interp --schedule=naive -o ref/ >/dev/null
for target in x86-64-v4 aarch64; do
    check "two readers, $target" 0 '2 of 2 outputs as expected' "$fovea" run s.fvir --dim n=9 --backend=interp --target=$target --relax=bf16-products --expect ref --atol=0 --rtol=0
done
finish
