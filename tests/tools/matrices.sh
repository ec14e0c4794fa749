# Tests products of matrices of bytes by tile registers (AMX): the code for them on any machine, and, where this one has
# them, the bits that they compute, and what happens if Linux does not permit their use.
. "$(dirname "$0")/lib.sh"

amx=x86-64-v4+vnni+amx-int8
# All signs; 150 terms are two products of words and a last word that is not full, 70 columns are no whole groups.
awk 'BEGIN { srand(5); for (i = 0; i < 150 * 70; i++) printf "%s%d", i ? "," : "", int(rand() * 256) - 128 }' >signed
awk 'BEGIN { srand(6); for (i = 0; i < 150 * 70; i++) printf "%s%d", i ? "," : "", int(rand() * 256) }' >unsigned
{
    printf 'fovea-ir 1\nmodule "m"\nsymbol n 0..200\nconst @w: i8[150, 70] = [%s]\n' "$(cat signed)"
    printf 'const @u: u8[150, 70] = [%s]\nconst @z: i8[] = 5\nconst @y: u8[] = 7\n' "$(cat unsigned)"
    printf 'func @main(%%x: u8[n, 150], %%s: i8[n, 150]) -> (%%a, %%b, %%c, %%d) {\n'
    printf '  %%a = MatMulInteger(%%x, @w, @y)\n  %%b = MatMulInteger(%%s, @w, @z)\n'
    printf '  %%c = MatMulInteger(%%x, @u, @y)\n  %%d = MatMulInteger(%%s, @u, @z)\n  return %%a, %%b, %%c, %%d\n}\n'
} >m.fvir

# Weights of 4 and 8 bits in blocks, the last of which is not full, with and without zero points of their own; 200 blocks of 16
# are unpacked in several parts, and more than 128 rows are several blocks of rows.
awk 'BEGIN { srand(7); for (i = 0; i < 40 * 200 * 8; i++) printf "%s%d", i ? "," : "", int(rand() * 256) }' >packed
awk 'BEGIN { srand(8); for (i = 0; i < 40 * 200; i++) printf "%s%.3f", i ? "," : "", rand() * 0.02 - 0.01 }' >scales
{
    printf 'fovea-ir 1\nmodule "b"\nsymbol n 0..300\nconst @b: u8[40, 200, 8] = [%s]\n' "$(cat packed)"
    printf 'const @c: u8[40, 5, 32] = [%s]\n' "$(cut -d, -f1-6400 packed)"
    printf 'const @s: f32[40, 200] = [%s]\nconst @t: f32[40, 5] = [%s]\n' "$(cat scales)" "$(cut -d, -f1-200 scales)"
    printf 'const @z: u8[40, 100] = [%s]\n' "$(cut -d, -f1-4000 packed)"
    printf 'func @main(%%x: f32[n, 3200], %%y: f32[n, 150]) -> (%%p, %%q, %%r) {\n'
    printf '  %%p = com.microsoft.MatMulNBits(%%x, @b, @s, @z) {K = 3200, N = 40, bits = 4, block_size = 16, accuracy_level = 4}\n'
    printf '  %%q = com.microsoft.MatMulNBits(%%x, @b, @s) {K = 3200, N = 40, bits = 4, block_size = 16, accuracy_level = 4}\n'
    printf '  %%r = com.microsoft.MatMulNBits(%%y, @c, @t) {K = 150, N = 40, bits = 8, block_size = 32, accuracy_level = 4}\n'
    printf '  return %%p, %%q, %%r\n}\n'
} >b.fvir

# A product with a long epilogue, during which the next of its three panels is prefetched.
head -c 24576 b.fvir >weight
{
    printf 'fovea-ir 1\nmodule "e"\nsymbol n 0..200\nconst @w: i8[256, 96] = file "weight" 0 24576\nconst @s: f32[] = 1.0e-6\n'
    printf 'func @main(%%x: u8[n, 256]) -> (%%y) {\n  %%a = MatMulInteger(%%x, @w)\n  %%b = Cast(%%a) {to = 1}\n'
    printf '  %%c = Mul(%%b, @s)\n  %%y = Erf(%%c)\n  return %%y\n}\n'
} >e.fvir

# count NAME NUMBER PATTERN FILE: so many lines of the file match
count() { [ "$(grep -Ec -- "$3" "$4")" = "$2" ] && tell "$1" yes || { grep -E -- "$3" "$4" >out; tell "$1" no; }; }

check 'assembly' 0 . "$fovea" compile m.fvir --target=$amx -o m.s
for instruction in tdpbusd tdpbsud tdpbssd tdpbuud; do # for 32 and for 16 rows, alone and added; 4 products in 32 x 32, 2 in 16 x 32
    count "$instruction" 12 "^[[:space:]]$instruction" m.s
done
count 'registers are released once in each kernel' 4 '^[[:space:]]tilerelease' m.s
count 'Linux is asked' 1 '^[[:space:]]syscall' m.s
check 'C' 0 . "$fovea" compile m.fvir --target=$amx -o m.c
count 'C releases them, too' 4 '_tile_release\(\);' m.c
count 'C asks' 1 'volatile\("syscall"' m.c
# kernels whose only product is in an outline, and with numbers of rows that are constant and below 0
product='{ for g < 2 { for c < 16 { tile acc: i32 = 0
    for q < 16 { acc = dot_u8_i8(bits_i32(A[r, 4 * q:4]), bits_i32(B[q, (g * 16 + c) * 4:4]), acc) }
    S[r, 16 * g + c] = acc } } }'
for kernel in outlined below; do
    case $kernel in outlined) body="outline { matrix { for r < n $product } }" ;; *) body="matrix { for r < -4294967288 $product }" ;; esac
    printf 'kernel %s(A: u8[n, 64], B: i8[16, 128], out S: i32[n, 32]; n in 0..32) { %s }\n' $kernel "$body" >$kernel.fvk
    check "C, $kernel" 0 . "$fovea" compile $kernel.fvk --target=$amx -o $kernel.c
    count "C, $kernel: the product" 1 '^ +multiply_tdpbusd\(' $kernel.c
done
for cc in gcc clang; do
    echo | $cc -mamx-tile -mamx-int8 -E - >/dev/null 2>&1 || continue
    check "$cc compiles it without warnings" 0 '^$' sh -c "$cc -std=c99 -O2 -march=x86-64-v4 -mavx512vnni -mamx-tile -mamx-int8 \
        -Wall -Wextra -Wpedantic -Wconversion -Wno-sign-conversion -Wshadow -Werror -c m.c -o m.o && echo"
    for kernel in outlined below; do
        check "$cc compiles $kernel without warnings" 0 '^$' sh -c "$cc -std=c99 -O2 -march=x86-64-v4 -mavx512vnni -mamx-tile -mamx-int8 \
            -Wall -Wextra -Wpedantic -Wconversion -Wno-sign-conversion -Wshadow -Werror -c $kernel.c -o $kernel.o && echo"
    done
done
check 'without the flags' 1 'compile with .*-mamx-tile -mamx-int8' sh -c 'cc -std=c99 -march=x86-64-v4 -mavx512vnni -c m.c -o m.o || exit 1'
check 'no code where others are asked' 2 "registers for which only Linux is asked, the target is 'x86-64-v4-windows'" \
    "$fovea" compile m.fvir --target=x86-64-v4-windows+amx-int8 -o m.dll
check 'a target with fewer features' 0 . "$fovea" compile m.fvir --target=x86-64-v4+vnni -o no.s
count 'has no such code' 0 'tdpb|tilerelease|syscall' no.s
check 'blocks: code' 0 . "$fovea" compile b.fvir --target=$amx -o b.s
# of unsigned elements, and of signed ones from which the zero point was subtracted, in tiles of 16 and of 32 rows
count 'blocks are matrices' 4 '^[^[:space:]]*tdp[^:]*:$' b.s
# Few rows are multiplied by dot products of vectors: more of them where weights come from the last-level cache.
for few in 'sapphire-rapids 9' 'generic 4'; do
    check "few rows: ${few% *}" 0 . "$fovea" compile m.fvir --target=$amx --processor=${few% *} --emit=kernels -o few.fvk
    count "few rows: fewer than ${few#* }" 2 "if rows < ${few#* } " few.fvk
done
count 'few rows: no word of a panel is read twice' 4 'if rows <= [12] ' few.fvk
# Weights that no second-level cache holds: the tiles of a block of rows prefetch words and scales of the next panel.
seq 400000 | head -c 2097152 >words
yes '<=<;<>' | tr -d '\n' | head -c 524288 >factors
{
    printf 'fovea-ir 1\nmodule "f"\nsymbol n 0..300\nconst @b: u8[4096, 32, 16] = file "words" 0 2097152\n'
    printf 'const @s: f32[4096, 32] = file "factors" 0 524288\nfunc @main(%%x: f32[n, 1024]) -> (%%y) {\n'
    printf '  %%y = com.microsoft.MatMulNBits(%%x, @b, @s) {K = 1024, N = 4096, bits = 4, block_size = 32, accuracy_level = 4}\n'
    printf '  return %%y\n}\n'
} >f4.fvir
check 'far blocks: kernels' 0 . "$fovea" compile f4.fvir --target=$amx --emit=kernels -o f4.fvk
count 'far blocks: words and scales are prefetched' 1 'prefetch `y_[0-9]*.panels`\[next, b, 0, line \* 64\] to 2' f4.fvk
count 'far blocks: eight lines of words and two of scales' 1 'if line < 10 ' f4.fvk
# Products of many bytes prefetch the next panel while they multiply, and load rows past the cache that holds the columns.
seq 500000 | head -c 2621440 >many
{
    printf 'fovea-ir 1\nmodule "g"\nsymbol n 0..300\nconst @w: i8[1024, 2560] = file "many" 0 2621440\n'
    printf 'func @main(%%x: u8[n, 1024]) -> (%%y) {\n  %%y = MatMulInteger(%%x, @w)\n  return %%y\n}\n'
} >g.fvir
sapphire="--target=$amx --processor=sapphire-rapids"
check 'far products: kernels' 0 . "$fovea" compile g.fvir $sapphire --emit=kernels -o g.fvk
count 'far products: columns are prefetched' 1 '^ +prefetch `w.panels`\[next, 0, from \+ line \* 64\] to 2' g.fvk
check 'far products: assembly' 0 . "$fovea" compile g.fvir $sapphire -o g.s
count 'far products: rows are not kept' 3 '^[[:space:]]tileloaddt1' g.s
check 'long epilogue' 0 . "$fovea" compile e.fvir --target=$amx --emit=kernels -o e.fvk
count 'the next panel is prefetched' 1 'prefetch `w.panels`\[next, 0, min\(r \* share \+ line, 127\) \* 64\] to 2' e.fvk
# The interpreter executes the loops of a product on any machine.
for model in 'm 0' 'm 9' 'm 33' 'b 4' 'b 31'; do
    rm -rf expected
    "$fovea" run ${model% *}.fvir --target=x86-64-v3 --backend=interp --dim n=${model#* } -o expected >/dev/null 2>err
    check "interpreted: $model" 0 'outputs as expected' "$fovea" run ${model% *}.fvir --target=$amx --backend=interp --dim n=${model#* } --expect expected --atol=0 --rtol=0
done
rm -rf expected # outputs of another model are no part of what follows

grep -q amx_int8 /proc/cpuinfo 2>/dev/null && grep -q avx512_vnni /proc/cpuinfo || { finish; exit; }
check 'native has it' 0 . "$fovea" inspect m.fvir --target=native
case $(cat out) in *+amx-int8*) ;; *) finish; exit ;; esac # the system does not permit it
check 'a library' 0 . "$fovea" compile m.fvir --target=$amx -o one.so
check 'a library for three targets' 0 . "$fovea" compile m.fvir --target=x86-64-v3,x86-64-v4+vnni,$amx -o all.so
for n in 0 1 2 3 5 8 9 15 16 17 32 33 63 200; do
    check "$n rows, x86-64-v3" 0 '^d ' "$fovea" run m.fvir --target=x86-64-v3 --dim n=$n -o expected
    for how in "m.fvir --target=native" "m.fvir --target=native --threads=2" "m.fvir --target=$amx --backend=c" \
        "m.fvir --target=$amx --backend=interp" one.so all.so; do
        check "$n rows, $how" 0 '^d ' "$fovea" run $how --dim n=$n -o result
        diff -r expected result >out && tell "$n rows, $how: the same bits" yes || tell "$n rows, $how: the same bits" no
    done
done
for n in 0 1 3 4 31 130 300; do
    check "blocks: $n rows, x86-64-v3" 0 '^p ' "$fovea" run b.fvir --target=x86-64-v3 --dim n=$n -o expected
    for how in --target=native "--target=native --threads=2" "--target=$amx --backend=c" "--target=$amx --backend=interp"; do
        check "blocks: $n rows, $how" 0 '^p ' "$fovea" run b.fvir $how --dim n=$n -o result
        diff -r expected result >out && tell "blocks: $n rows, $how: the same bits" yes || tell "blocks: $n rows, $how: the same bits" no
    done
done
check 'far blocks, x86-64-v3' 0 '^y ' "$fovea" run f4.fvir --target=x86-64-v3 --dim n=133 -o expected
check 'far blocks, native' 0 '^y ' "$fovea" run f4.fvir --target=native --dim n=133 -o result
diff -r expected result >out && tell 'far blocks: the same bits' yes || tell 'far blocks: the same bits' no

check 'far products, x86-64-v3' 0 '^y ' "$fovea" run g.fvir --target=x86-64-v3 --dim n=133 -o expected
check 'far products, native' 0 '^y ' "$fovea" run g.fvir --target=native --dim n=133 -o result
diff -r expected result >out && tell 'far products: the same bits' yes || tell 'far products: the same bits' no

# What only reads the model or writes files asks Linux for nothing, and neither does code without such products.
{
    printf 'fovea-ir 1\nmodule "f"\nsymbol n 0..200\nconst @w: f32[2, 2] = [1, 2, 3, 4]\n'
    printf 'func @main(%%x: f32[n, 2]) -> (%%y) {\n  %%y = MatMul(%%x, @w)\n  return %%y\n}\n'
} >f.fvir
cc "$root/tests/tools/matrices_refused.c" -o deny 2>/dev/null && ./deny refuse true || { finish; exit; }
silent() { name=$1; shift; check "asks nothing: $name" 0 . ./deny kill "$@"; }
silent 'inspect' "$fovea" inspect m.fvir --target=native
count 'native has it all the same' 1 '^target +native .*\+amx-int8' out
silent 'a file' "$fovea" compile m.fvir --target=native -o native.so
silent 'its interpretation' "$fovea" run m.fvir --target=native --backend=interp --dim n=2
silent 'floats' "$fovea" run f.fvir --dim n=3
silent 'floats in C' "$fovea" run f.fvir --dim n=3 --target=$amx --backend=c
silent 'a library of floats' sh -c "'$fovea' compile f.fvir --target=$amx -o f.so && '$fovea' run f.so --dim n=3"
silent 'a library of floats for two targets' \
    sh -c "'$fovea' compile f.fvir --target=x86-64-v3,$amx -o f2.so && '$fovea' run f2.so --dim n=3"
./deny kill "$fovea" run m.fvir --target=native --dim n=2 >out 2>&1 && tell 'products ask' no || tell 'products ask' yes

for n in 2 9 200; do
    check "long epilogue: $n rows, x86-64-v3" 0 '^y ' "$fovea" run e.fvir --target=x86-64-v3 --dim n=$n -o expected
    check "long epilogue: $n rows, native" 0 '^y ' "$fovea" run e.fvir --target=native --dim n=$n -o result
    diff -r expected result >out && tell "long epilogue: $n rows: the same bits" yes || tell "long epilogue: $n rows: the same bits" no
done

# A process whose request Linux refuses, as old versions do, runs other code.
for n in 1 2; do # the second time from the cache, which has code for a process that may use the registers
    check "refused: native, $n" 0 '^d ' env FOVEA_CACHE_DIR="$PWD/kept" ./deny refuse "$fovea" run m.fvir --target=native --dim n=200 -o result
    count "refused: native says so, $n" 1 'note: target native is without amx-tile, amx-int8(, amx-bf16)? \(the system refuses this process' err
    diff -r expected result >out && tell "refused: native, the same bits, $n" yes || tell "refused: native, the same bits, $n" no
    check "native is cached, $n" 0 '^d ' env FOVEA_CACHE_DIR="$PWD/kept" "$fovea" run m.fvir --target=native --dim n=200 -o result
done
# Sums of bf16 in tiles ask as well, other ones of bf16 do not.
cat >k.fvir <<'T'
fovea-ir 1
module "k"
symbol n 0..100
const @w: bf16[6, 4] = [1.5,2,3,4,-5,6,0.375,8,9,-10,11,12,13,0.0625,15,16,1,2,-3,4,5,6,7,8]
func @main(%x: bf16[n, 6]) -> (%y) {
  %m = MatMul(%x, @w)
  %y = Cast(%m) {to = 1}
  return %y
}
T
silent 'bf16' "$fovea" run k.fvir --target=native --dim n=33
rm -rf tiles apart
check 'bf16 in tiles' 0 '^y ' "$fovea" run k.fvir --target=x86-64-v3 --backend=interp --relax=bf16-tiles --dim n=33 -o tiles
check 'refused: bf16 in tiles' 0 '^y ' env FOVEA_CACHE_DIR= ./deny refuse "$fovea" run k.fvir --target=native --relax=bf16-tiles --dim n=33 -o apart
diff -r tiles apart >out && tell 'refused: bf16 in tiles, the same bits' yes || tell 'refused: bf16 in tiles, the same bits' no
check 'refused: the library' 1 'this CPU lacks amx-tile, amx-int8 \(the system refuses this process tile registers\)' ./deny refuse "$fovea" run one.so --dim n=33
check 'refused: inspect of the library' 0 'lacks amx-tile, amx-int8 \(the system refuses' ./deny refuse "$fovea" inspect one.so
check 'refused: a lower target' 0 '"target": "x86-64-v4\+vnni"' ./deny refuse "$fovea" bench all.so --dim n=2 --seconds=0.01 --rounds=1 --json
check 'refused: its bits' 0 '^d ' ./deny refuse "$fovea" run all.so --dim n=200 -o result
diff -r expected result >out && tell 'refused: the same bits' yes || tell 'refused: the same bits' no
check 'refused: code in memory' 1 'lacks amx' ./deny refuse "$fovea" run m.fvir --target=$amx --dim n=33
check 'refused: C' 1 'lacks amx' ./deny refuse "$fovea" run m.fvir --target=$amx --backend=c --dim n=33
check 'refused: floats run' 0 . ./deny refuse "$fovea" run f.so --dim n=3
finish
