# Tests --replaceable: code reads each file of weights of its layout, which `fovea weights` writes from another model of the
# graph, and computes the bits of that model; whatever differs otherwise is refused, with the first difference.
. "$(dirname "$0")/lib.sh"
bytes() { # FILE SEED COUNT
    python3 -c 'import random, sys
random.seed(int(sys.argv[2]))
open(sys.argv[1], "wb").write(bytes(random.randrange(256) for _ in range(int(sys.argv[3]))))' "$@"
}
numbers() { # SEED COUNT SCALE: a list of floats
    python3 -c 'import random, sys
seed, n, scale = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
random.seed(seed)
print(", ".join(repr(scale * random.uniform(0.25, 1)) for _ in range(n)))' "$@"
}

# Layers of bytes whose sums are multiplied by scales and saturate if these are large: code for known constants would not
# saturate those of `usual`. NAME SEED SCALE
bytes_layers() {
    bytes "$1.bin" "$2" 4096
    cat >"$1.fvir" <<T
fovea-ir 1
module "$1"
symbol n 1..8
const @w: i8[64, 64] = file "$1.bin" 0 4096
const @scale: f32[64] = [$(numbers "$2" 64 "$3")]
const @bias: f32[64] = [$(numbers "$2" 64 1.5)]
const @one: f32[] = 1.0
const @zero: u8[] = 121
func @main(%x: u8[n, 64]) -> (%y, %z) {
  %s = MatMulInteger(%x, @w)
  %f = Cast(%s) {to = 1}
  %m = Mul(%f, @scale)
  %o = Add(%m, @bias)
  %y = QuantizeLinear(%o, @one, @zero)
  %z = Cast(%o) {to = 6}
  return %y, %z
}
T
}
# Sums times scales as integers: code for known scales saturates nothing. NAME SEED SCALE
casts_layers() {
    bytes "$1.bin" "$2" 4096
    cat >"$1.fvir" <<T
fovea-ir 1
module "$1"
symbol n 1..8
const @w: i8[64, 64] = file "$1.bin" 0 4096
const @scale: f32[64] = [$(numbers "$2" 64 "$3")]
func @main(%x: u8[n, 64]) -> (%y) {
  %s = MatMulInteger(%x, @w)
  %f = Cast(%s) {to = 1}
  %m = Mul(%f, @scale)
  %y = Cast(%m) {to = 6}
  return %y
}
T
}
# Two products, a convolution, a normalization and a table with a constant index. NAME SEED SCALE
floats_layers() {
    cat >"$1.fvir" <<T
fovea-ir 1
module "$1"
const @a: f32[16, 24] = [$(numbers "$2" 384 "$3")]
const @b: f32[24] = [$(numbers $(($2 + 1)) 24 "$3")]
const @k: f32[4, 1, 3] = [$(numbers $(($2 + 2)) 12 "$3")]
const @g: f32[24] = [$(numbers $(($2 + 3)) 24 1)]
const @h: f32[24] = [$(numbers $(($2 + 4)) 24 "$3")]
const @t: f32[9, 24] = [$(numbers $(($2 + 5)) 216 "$3")]
const @i: i64[4] = [$4]
const @c: i64[1] = [1]
func @main(%x: f32[4, 16]) -> (%y, %z) {
  %p = MatMul(%x, @a)
  %q = Add(%p, @b)
  %r = Relu(%q)
  %n = LayerNormalization(%r, @g, @h)
  %e = Gather(@t, @i)
  %y = Add(%n, %e)
  %l = Unsqueeze(%x, @c)
  %z = Conv(%l, @k)
  return %y, %z
}
T
}
# The floats of Helium, which are vectors where no constant is denormal. NAME SEED SCALE
helium_layers() {
    bytes "$1.bin" "$2" 144
    four="$3, $3, $3, $3"
    cat >"$1.fvir" <<T
fovea-ir 1
module "$1"
const @w: i8[16, 1, 3, 3] = file "$1.bin" 0 144
const @scale: f32[16, 1, 1] = [$four, $four, $four, $four]
const @bias: f32[16, 1, 1] = [$four, $four, $four, $four]
const @one: f32[] = 1.0
const @zero: u8[] = 0
func @main(%x: u8[1, 16, 7, 7]) -> (%y) {
  %s = ConvInteger(%x, @w) {group = 16, pads = [1, 1, 1, 1]}
  %f = Cast(%s) {to = 1}
  %m = Mul(%f, @scale)
  %o = Add(%m, @bias)
  %y = QuantizeLinear(%o, @one, @zero)
  return %y
}
T
}
bytes_layers bytes_old 1 0.004
bytes_layers bytes_new 2 1e30
casts_layers casts_old 1 0.004
casts_layers casts_new 2 1e30
floats_layers floats_old 1 0.5 '0, 2, 4, 6'
floats_layers floats_new 20 3e4 '8, 1, 0, 1'
helium_layers helium_old 1 0.5
helium_layers helium_new 2 1e-39
graphs='bytes casts floats helium'
llvm=no
"$fovea" compile bytes_old.fvir -q -o probe.so >/dev/null 2>&1 && llvm=yes

# ---- code does not depend on the elements ----
# The texts that generated C and LLVM's IR have for the two models differ in the hash of the model only.
plain() { sed -E 's/[0-9a-f]{32,}/HASH/g; s/[a-z]+_(old|new)/MODEL/g' "$1"; }
for m in $graphs; do
    for target in generic x86-64-v3 x86-64-v4+vnni aarch64 cortex-m4 cortex-m55; do
        rm -rf old new w.weights
        for v in old new; do
            mkdir $v
            "$fovea" compile ${m}_$v.fvir --target=$target --name=m --weights=file --replaceable -q -o $v/m.c >out 2>err
            plain $v/m.c >$v.txt
        done
        cmp -s old.txt new.txt && [ -s old.txt ] && tell "$m: one C for $target" yes || tell "$m: one C for $target" no
        cmp -s old/m.weights new/m.weights && tell "$m: two files, $target" no || tell "$m: two files, $target" yes
        check "$m: weights for $target" 0 '^w.weights$' "$fovea" weights ${m}_new.fvir --for=${m}_old.fvir --target=$target -o w.weights
        cmp -s w.weights new/m.weights && tell "$m: the file of compile, $target" yes || tell "$m: the file of compile, $target" no
        [ $llvm = yes ] || continue
        for v in old new; do
            "$fovea" compile ${m}_$v.fvir --target=$target --name=m --weights=file --replaceable -q -o $v/m.ll >out 2>err
            plain $v/m.ll >$v.txt
        done
        cmp -s old.txt new.txt && [ -s old.txt ] && tell "$m: one IR for $target" yes || tell "$m: one IR for $target" no
    done
done

# the same without --replaceable: code for known elements, where these models have other code
known() { # GRAPH TARGET SUFFIX
    for v in old new; do
        "$fovea" compile "$1_$v.fvir" --target="$2" --name=m --weights=file -q -o "$v/m.$3" >out 2>err
        plain "$v/m.$3" | sed -E 's/-?[0-9]{15,}//g' >$v.txt
    done
    cmp -s old.txt new.txt && tell "$1: known elements matter for $2" no || tell "$1: known elements matter for $2" yes
}
known helium cortex-m55 c
[ $llvm = no ] || known casts x86-64-v3 ll

# ---- the bits are those of the new model ----
if [ $llvm = yes ]; then
    for m in $graphs; do
        for v in old new; do
            "$fovea" run ${m}_$v.fvir --seed=3 --backend=interp -q -o want_$v >/dev/null 2>err
        done
        check "$m: a library" 0 'libm.weights' "$fovea" compile ${m}_old.fvir --weights=file --replaceable --header=no -o libm.so
        check "$m: weights by the file next to it" 0 'new.weights' "$fovea" weights ${m}_new.fvir --for=libm.weights -o new.weights
        for v in old new; do
            [ $v = new ] && cp new.weights libm.weights
            check "$m: runs with the $v ones" 0 '' "$fovea" run libm.so --seed=3 -o got_$v
            diff -r want_$v got_$v >/dev/null && tell "$m: bits of the $v ones" yes || tell "$m: bits of the $v ones" no
        done
        diff -r want_old want_new >/dev/null && tell "$m: other bits" no || tell "$m: other bits" yes
        rm -rf want_* got_*
    done
fi

# generated C, for this machine, and for a Cortex-M4 that has the file in flash
cat >user.c <<'T'
#include <stdio.h>
#include <string.h>
#include "m.h"
static float x[4][16], y[4][24], z[4][4][14];
M_ALIGNED static unsigned char work[M_WORKSPACE_BYTES + 64];
#ifdef FLASH
__asm__(".section .rodata\n.balign 64\nfile:\n.incbin \"flash.weights\"\nfile_end:\n.text\n");
extern const unsigned char file[], file_end[];
#else
_Alignas(64) static unsigned char file[1 << 16];
#endif
static void print(const float *v, int n) {
    for (int i = 0; i < n; i++) {
        unsigned word;
        memcpy(&word, &v[i], sizeof word);
        printf("%08x\n", word);
    }
}
int main(void) {
    fv_env env = {0};
    env.size = sizeof env;
    env.weights = file;
#ifdef FLASH
    env.weights_bytes = (size_t)(file_end - file);
#else
    FILE *f = fopen("flash.weights", "rb");
    if (!f)
        return 1;
    env.weights_bytes = fread(file, 1, sizeof file, f);
    fclose(f);
#endif
    for (int i = 0; i < 64; i++)
        x[i / 16][i % 16] = (float)(i % 7) - 2.5f;
    printf("status %d\n", m_run(x, y, z, work, &env));
    print(y[0], 96);
    print(z[0][0], 224);
    return 0;
}
T
run_c() { # CODE WEIGHTS: what the program prints is in out
    rm -f user
    cp "$2" flash.weights
    if [ $target = cortex-m4 ]; then
        board_link user -DFLASH -I"$1" user.c "$1/m.c" 2>err && board_run user >out 2>err </dev/null
    else
        cc -O1 -I"$1" user.c "$1/m.c" -lm -o user 2>err && ./user >out
    fi
}
gives() { # NAME STATUS CODE WEIGHTS
    run_c "$3" "$4"
    [ "$(head -n 1 out | tr -d '\r')" = "status $2" ] && [ "$(wc -l <out)" -ge 321 ] && tell "C: $1, $target" yes || tell "C: $1, $target" no
}
for target in generic cortex-m4; do
    [ $target = generic ] || has_board || continue
    for v in old new; do
        "$fovea" compile floats_$v.fvir --target=$target --name=m --weights=file --replaceable -q -o $v/m.c
        gives "the $v model" 0 $v $v/m.weights
        mv out $v.bits
    done
    "$fovea" weights floats_new.fvir --target=$target -q -o w.weights
    gives 'other weights' 0 old w.weights
    cmp -s out new.bits && tell "C: the bits of the new model, $target" yes || tell "C: the bits of the new model, $target" no
    cmp -s old.bits new.bits && tell "C: other bits, $target" no || tell "C: other bits, $target" yes
    "$fovea" compile floats_old.fvir --target=$target --name=m --weights=file -q -o new/m.c
    gives 'a file for other code' 10 old new/m.weights
    gives 'code without --replaceable' 10 new w.weights
    "$fovea" weights bytes_new.fvir --target=$target -q -o w.weights
    gives 'another layout' 10 old w.weights
done

# ---- what is refused ----
differs() { # NAME PATTERN SED: the old model, changed
    sed -E "$3" floats_old.fvir >changed.fvir
    rm -f c.weights
    check "$1" 1 "the layout differs from that of floats_old.fvir: it has .*$2" "$fovea" weights changed.fvir --for=floats_old.fvir -o c.weights
    absent c.weights
}
differs 'another shape of a constant' "constant \"k.*\" bytes [0-9]+', not 'constant \"k.*\" bytes [0-9]+'" 's/@k: f32\[4, 1, 3\] = \[/@k: f32[5, 1, 3] = [1, 2, 3, /'
differs 'another name of a constant' "constant \"gain\" .*not 'constant \"g\"" 's/@g\b/@gain/g'
differs 'another op' "'kernel Sigmoid.*not 'kernel Relu" 's/Relu\(%q\)/Sigmoid(%q)/'
differs 'another scalar' "[+] 0.125.*not .*[+] 1e-05.*, in kernel Add_1$" 's/(LayerNormalization\(.*\))/\1 {epsilon = 0.125}/'
differs 'another input' "f32\\[5, 16\\]|80" 's/%x: f32\[4, 16\]/%x: f32[5, 16]/; s/@i: i64\[4\] = \[/@i: i64[5] = [1, /'
check 'other options' 1 'the layout differs from that of floats_old.weights; --for with the model' sh -c \
    "'$fovea' compile floats_old.fvir --target=x86-64-v2 --weights=file --replaceable -q -o floats_old.c && '$fovea' weights floats_new.fvir --target=cortex-m4 --for=floats_old.weights -o w.weights"
check 'a file for other code' 1 'is a file of weights of code without --replaceable' sh -c \
    "'$fovea' compile floats_old.fvir --target=generic --weights=file -q -o plain.c && '$fovea' weights floats_new.fvir --for=plain.weights -o w.weights"
check 'no such file' 1 'none.fvir' "$fovea" weights floats_new.fvir --for=none.fvir -o w.weights
check 'over the model' 1 'would overwrite|is the model' "$fovea" weights floats_new.fvir -o floats_new.fvir
check 'over the old model' 1 'overwrite' "$fovea" weights floats_new.fvir --for=floats_old.fvir -o floats_old.fvir
check 'without -o' 2 '-o OUT is missing' "$fovea" weights floats_new.fvir
check 'no folder' 1 "cannot write 'none/w.weights'" "$fovea" weights floats_new.fvir -o none/w.weights
check 'without a file' 2 'say --weights=file' "$fovea" compile floats_old.fvir --replaceable -o x.c
check 'text weights' 2 'say --weights=file' "$fovea" compile floats_old.fvir --replaceable --weights=text -o x.c
check 'several targets' 2 'takes one target' "$fovea" compile floats_old.fvir --replaceable --weights=file --target=x86-64-v2,x86-64-v3 -o x.so
check 'a full disk' 1 "cannot write 'w2.weights'" sh -c "ulimit -f 1; '$fovea' weights floats_new.fvir -o w2.weights"
absent x.c x.so w2.weights
cat >none.fvir <<'T'
fovea-ir 1
module "none"
func @main(%x: f32[2]) -> (%y) {
  %y = Neg(%x)
  return %y
}
T
check 'no weights' 1 'the model has no weights' "$fovea" weights none.fvir -o w2.weights
if [ $llvm = yes ]; then
    "$fovea" compile floats_old.fvir --weights=file --replaceable -q -o libm.so
    "$fovea" weights bytes_new.fvir -q -o other.weights
    cp libm.weights kept.weights && cp other.weights libm.weights
    check 'another layout at a run' 1 'holds the weights of another' "$fovea" run libm.so
    "$fovea" weights floats_new.fvir -q -o libm.weights && printf X | dd of=libm.weights bs=1 seek=500 conv=notrunc status=none
    check 'changed content' 1 'its content has changed' "$fovea" run libm.so
    head -c 192 kept.weights >libm.weights
    check 'cut content' 1 'it is truncated' "$fovea" run libm.so
fi
finish
