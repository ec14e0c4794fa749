# Tests libraries with code for several targets: which of them a CPU runs, what it computes, how large they are, and what
# is refused. Other CPUs are those of qemu-user, which has no AVX-512: the highest target is run where this machine has it.
. "$(dirname "$0")/lib.sh"

machine=$(uname -m)
case $machine in x86_64) low=x86-64-v2 high=x86-64-v3 top=x86-64-v4+vnni ;; *) low=aarch64 high=aarch64+dotprod top=aarch64+dotprod+i8mm ;; esac
all=$top,$low,$high # the order does not matter

# A product with more columns than a panel has, but no whole number of tiles; two layers, so that one has a long sum.
awk 'BEGIN { srand(7); for (i = 0; i < 700 * 100; i++) printf "%s%.6f", i ? "," : "", rand() - 0.5 }' >numbers
{
    printf 'fovea-ir 1\nmodule "m"\nsymbol n 0..64\nconst @w: f32[700, 100] = [%s]\n' "$(cat numbers)"
    printf 'const @v: f32[100, 40] = [%s]\n' "$(cut -d, -f1-4000 numbers)"
    printf 'func @main(%%x: f32[n, 700]) -> (%%y) {\n  %%a = MatMul(%%x, @w)\n  %%b = Tanh(%%a)\n  %%y = MatMul(%%b, @v)\n  return %%y\n}\n'
} >m.fvir

check 'a library for three targets' 0 "^targets    $low, $high, [^ ]*; the highest that a CPU has is used" "$fovea" compile m.fvir --target="$all" -o all.so
said '^weights    .*, the same for all targets'
check 'as JSON' 0 '"unshared_bytes": 0' "$fovea" compile m.fvir --target="$all" -o all.so --json
said '"targets": \['
check 'the library lists them' 0 "^targets    $low, $high, [^ ,]*; the highest that a CPU has is used$" "$fovea" inspect all.so
for kind in o a ll s; do
    check "a .$kind for three targets" 0 "^targets    $low, $high, [^ ]*;" "$fovea" compile m.fvir --target="$all" -o all.$kind
done

# The workspace is the largest one.
cat >s.fvir <<'IR'
fovea-ir 1
module "s"
func @main(%q: f32[1, 4, 100, 32], %k: f32[1, 4, 32, 100], %v: f32[1, 4, 100, 32]) -> (%y) {
  %a = MatMul(%q, %k)
  %b = Softmax(%a)
  %y = MatMul(%b, %v)
  return %y
}
IR
largest=0
for level in $low $high $top; do
    check "the workspace of $level" 0 'workspace_bytes' "$fovea" compile s.fvir --target="$level" -o one.so --json
    bytes=$(sed -n 's/.*"workspace_bytes": \([0-9]*\).*/\1/p' out)
    [ "$bytes" -gt $largest ] && largest=$bytes
done
check 'the workspace of all' 0 "\"workspace_bytes\": ${largest}[,}]?\$" "$fovea" compile s.fvir --target="$all" -o s.so --json
check 'steps are listed once' 0 . "$fovea" compile m.fvir --target="$all" -o all.so --time-passes
cat out err >one-list
"$fovea" compile m.fvir --target="$low" -o one.so --time-passes >list 2>&1
[ "$(grep -c schedule one-list)" = "$(grep -c schedule list)" ] && tell 'one list' yes || tell 'one list' no

# Constants of equal bytes are stored once, also those of one target.
{
    printf 'fovea-ir 1\nmodule "d"\nsymbol n 0..64\n'
    for w in w u; do printf 'const @%s: f32[64, 64] = [%s]\n' $w "$(cut -d, -f1-4096 numbers)"; done
    printf 'func @main(%%x: f32[n, 64]) -> (%%y) {\n  %%a = MatMul(%%x, @w)\n  %%b = Tanh(%%a)\n  %%y = MatMul(%%b, @u)\n  return %%y\n}\n'
} >d.fvir
check 'equal weights' 0 '"unshared_bytes": 0[,}]?$' "$fovea" compile d.fvir --target="$all" -o d.so --json
said '"weight_bytes": 16384[,}]?$'
check 'attention of all targets' 0 '^attentions fused 1 of 1' "$fovea" compile s.fvir --target="$all" --require-fused -o s.so
check 'which is not fused' 1 "is not one kernel.*for target $high" "$fovea" compile s.fvir --target="$all" --require-fused --disable=fuse-attention -o no.so
check 'not from standard input' 1 'several targets reads the model twice' "$fovea" compile - --target="$all" --require-fused -o no.so
"$fovea" compile m.fvir --target="$all" -q -o again/all.so 2>/dev/null || { mkdir again && "$fovea" compile m.fvir --target="$all" -q -o again/all.so; }
cmp -s all.so again/all.so && tell 'the same bytes' yes || tell 'the same bytes' no

# ---- what is refused ----
check 'two architectures' 2 "'x86-64-v2' and 'aarch64' have different architectures or systems" "$fovea" compile m.fvir --target=x86-64-v2,aarch64 -o no.so
check 'two systems' 2 'have different architectures or systems' "$fovea" compile m.fvir --target=x86-64-v2,x86-64-v3-windows -o no.so
check 'an unknown target' 2 "there is no target 'x86-64-v9'" "$fovea" compile m.fvir --target=x86-64-v2,x86-64-v9 -o no.so
check 'a target twice' 2 "targets 'x86-64-v3' and 'x86-64-v3' are the same" "$fovea" compile m.fvir --target=x86-64-v3,x86-64-v3 -o no.so
check 'an empty target' 2 "a target of the list 'x86-64-v2,' is empty" "$fovea" compile m.fvir --target=x86-64-v2, -o no.so
check 'this machine' 2 "target 'native' is that of this machine" "$fovea" compile m.fvir --target=native,x86-64-v3 -o no.so
check 'no levels' 2 "code cannot find out whether a CPU is a 'cortex-m4'" "$fovea" compile m.fvir --target=cortex-m4,cortex-m7 -o no.so
check 'C' 2 'several targets are for libraries and objects' "$fovea" compile m.fvir --target="$all" -o no.c
check 'a folder of C' 2 'several targets are for libraries and objects' "$fovea" compile m.fvir --target="$all" -o no/
check 'kernels' 2 'several targets are for libraries and objects' "$fovea" compile m.fvir --target="$all" -o no.fvk
check 'a graph' 2 'a graph and definitions have no target' "$fovea" compile m.fvir --target="$all" -o no.fvir
check 'definitions' 2 'a graph and definitions have no target' "$fovea" compile m.fvir --target="$all" -o no.fvd
check 'a tuning' 2 'a tuning and handwritten kernels are for one target' "$fovea" compile there-is-none --target="$all" --tuning=no -o no.so
check 'a run' 2 'is a list of targets, which only libraries and objects in files can have' "$fovea" run m.fvir --target=x86-64-v2,x86-64-v3
check 'kernels to read' 0 . "$fovea" compile m.fvir -o m.fvk
check 'from kernels' 1 'holds kernels, which were made for one target' "$fovea" compile m.fvk --target="$all" -o no.so
check 'definitions to read' 0 . "$fovea" compile m.fvir -o m.fvd
check 'from definitions' 1 'holds definitions' "$fovea" compile m.fvd --target="$all" -o no.so
absent no.so no.c no no.fvk no.fvir no.fvd

# ---- other systems ----
for system in windows macos; do
    case $system in windows) suffix=dll ;; *) suffix=dylib ;; esac
    if ! "$fovea" compile m.fvir --target=x86-64-v3-$system -q -o one.$suffix 2>err && grep -q 'lld' err; then
        echo "no linker for $system: its libraries are not tested"
        continue
    fi
    check "a library for $system" 0 '^targets    x86-64-v2-' "$fovea" compile m.fvir --target=x86-64-v2-$system,x86-64-v3-$system -o all.$suffix
done

# ---- weights in a file, and weights that levels cannot share ----
check 'weights in a file' 0 '^far.weights ' "$fovea" compile m.fvir --target="$all" --weights=file -o far.so
check 'which a run maps' 0 '^y ' "$fovea" run far.so --dim n=3
{
    printf 'fovea-ir 1\nmodule "q"\nsymbol n 0..64\nconst @z: u8[] = 3\n'
    printf 'const @q: i8[64, 64] = [%s]\n' "$(awk 'BEGIN { srand(3); for (i = 0; i < 4096; i++) printf "%s%d", i ? "," : "", rand() * 100 - 50 }')"
    printf 'func @main(%%x: u8[n, 64]) -> (%%y) {\n  %%y = MatMulInteger(%%x, @q, @z)\n  return %%y\n}\n'
} >q.fvir
check 'integers' 0 '^weights    .* of them in several layouts' "$fovea" compile q.fvir --target="$all" -o q.so
check 'a run of integers' 0 '^y ' "$fovea" run q.so --dim n=5 -o q-all
"$fovea" run q.fvir --dim n=5 -q -o q-one >/dev/null 2>&1
cmp -s q-all/y.npy q-one/y.npy && tell 'the same integers' yes || tell 'the same integers' no

# ---- what a CPU computes ----
# runs LEVEL COMMAND...: the library gives the bits of the library for that level
runs() {
    level=$1
    shift
    "$fovea" compile m.fvir --target="$level" -q -o one.so
    "$@" "$fovea" run one.so --dim n=37 -q -o one >/dev/null 2>&1
    check "$level is run: $*" 0 '^y ' "$@" "$fovea" run all.so --dim n=37 -o several
    cmp -s one/y.npy several/y.npy && tell "$level: the same bits" yes || tell "$level: the same bits" no
    check "$level is timed" 0 "\"target\": \"$level\"" "$@" "$fovea" bench all.so --dim n=2 --seconds=0.01 --rounds=1 --json
}
if [ "$machine" = x86_64 ] && command -v qemu-x86_64 >/dev/null && ! grep -q __asan_init "$fovea"; then
    runs x86-64-v2 qemu-x86_64 -cpu Nehalem
    runs x86-64-v3 qemu-x86_64 -cpu Haswell
    check 'a CPU below the lowest target' 1 'all.so: error: was compiled for target x86-64-v2, and this CPU lacks cx16, sse4.1, sse4.2, popcnt' \
        qemu-x86_64 -cpu Conroe "$fovea" run all.so
else
    echo "qemu-x86_64 is not installed, or of no use here: other CPUs are not tested"
fi
check 'this machine runs it' 0 '^y ' "$fovea" run all.so --dim n=37 -o several
check 'and tells the target' 0 '"target": ' "$fovea" bench all.so --dim n=2 --seconds=0.01 --rounds=1 --json
here=$(sed -n 's/.*"target": "\([^"]*\)".*/\1/p' out)
check "the library for $here" 0 . "$fovea" compile m.fvir --target="$here" -o one.so
check 'runs, too' 0 '^y ' "$fovea" run one.so --dim n=37 -o one
cmp -s one/y.npy several/y.npy && tell "$here: the same bits" yes || tell "$here: the same bits" no

# ---- what the highest target of this machine computes: the bits of its own library, and of the interpreter ----
w() { cut -d, -f"$1" numbers; } # numbers A-B
{
    printf 'fovea-ir 1\nmodule "lstm"\nsymbol t 1..32\nconst @w: f32[1, 160, 24] = [%s]\n' "$(w 1-3840)"
    printf 'const @r: f32[1, 160, 40] = [%s]\nfunc @main(%%x: f32[t, 2, 24]) -> (%%y) {\n' "$(w 3841-10240)"
    printf '  %%y, _, _ = LSTM(%%x, @w, @r) {hidden_size = 40}\n  return %%y\n}\n'
} >lstm.fvir
{
    printf 'fovea-ir 1\nmodule "conv"\nsymbol n 1..4\nconst @w: f32[40, 20, 3, 3] = [%s]\nconst @d: f32[40, 1, 3, 3] = [%s]\n' "$(w 1-7200)" "$(w 7201-7560)"
    printf 'func @main(%%x: f32[n, 20, 19, 23]) -> (%%y) {\n  %%c = Conv(%%x, @w) {pads = [1, 1, 1, 1]}\n  %%a = Relu(%%c)\n'
    printf '  %%y = Conv(%%a, @d) {group = 40, strides = [2, 2]}\n  return %%y\n}\n'
} >conv.fvir
{
    printf 'fovea-ir 1\nmodule "bytes"\nsymbol n 1..64\nconst @z: i8[] = 2\nconst @s: f32[100] = [%s]\n' "$(w 1-100)"
    printf 'const @q: i8[70, 100] = [%s]\n' "$(awk 'BEGIN { srand(5); for (i = 0; i < 7000; i++) printf "%s%d", i ? "," : "", rand() * 255 - 128 }')"
    printf 'func @main(%%x: f32[n, 70]) -> (%%y) {\n  %%u, %%us, %%uz = DynamicQuantizeLinear(%%x)\n  %%p = MatMulInteger(%%u, @q, %%uz, @z)\n'
    printf '  %%f = Cast(%%p) {to = 1}\n  %%g = Mul(%%f, %%us)\n  %%h = Mul(%%g, @s)\n  %%y = Gelu(%%h)\n  return %%y\n}\n'
} >bytes.fvir
sed 's/f32\[\(1, \|t, \)/f16[\1/' lstm.fvir >lstm16.fvir
[ "$here" = $top ] || echo "this machine has no $top, and runs $here"
for model in m:37 m:1 s: lstm:9 conv:2 bytes:33 bytes:1 lstm16:9; do
    size=${model#*:} model=${model%:*}
    "$fovea" compile $model.fvir --target="$all" -q -o several.so && "$fovea" compile $model.fvir --target="$here" -q -o one.so
    set -- ${size:+--dim} ${size:+"$([ $model = lstm ] || [ $model = lstm16 ] && echo t || echo n)=$size"}
    "$fovea" run one.so "$@" -q -o one >/dev/null && "$fovea" run $model.fvir --target="$here" --backend=interp "$@" -q -o meant >/dev/null
    check "$model runs $*" 0 '^y ' "$fovea" run several.so "$@" -o several
    cmp -s one/y.npy several/y.npy && tell "$here, $model $*: the bits of its own library" yes || tell "$here, $model $*: the bits of its own library" no
    cmp -s meant/y.npy several/y.npy && tell "$here, $model $*: those of the interpreter" yes || tell "$here, $model $*: those of the interpreter" no
done

# the program of examples/cpus on CPUs that QEMU emulates
library=$(dirname "$fovea")
if [ "$machine" = x86_64 ] && command -v qemu-x86_64 >/dev/null && [ -e "$library/libfovea.so" ] && ! grep -q __asan_init "$fovea"; then
    check 'what the README of examples/cpus shows' 0 ' 0 failed' env -C "$root" python3 tests/checks/documents.py "${library%/tools}" examples/cpus/README.md
fi

# A program that is linked with the archive, and calls functions by their names.
if command -v cc >/dev/null && [ "$machine" = x86_64 ]; then
    cat >main.c <<'C'
#include "runtime/fovea_model.h"
#include <stdio.h>
int all_plan(const int64_t *dims, size_t *bytes, int64_t *out);
int all_run(const int64_t *, const void *const *, void *const *, int64_t *, void *, size_t, const fv_env *);
const fv_model *all_model(void);
extern const char all_targets[];
int main(void) {
    static float x[2][700], y[2][40];
    _Alignas(64) static char work[1 << 20];
    int64_t dims[] = {2};
    size_t bytes;
    x[0][0] = 1;
    int plan = all_plan(dims, &bytes, NULL);
    int run = plan || bytes > sizeof work ? -1 : all_run(dims, (const void *[]){x}, (void *[]){y}, NULL, work, bytes, NULL);
    printf("%d %d %s %d %s\n", plan, run, all_model()->target, y[0][0] != 0 && y[1][0] == 0, all_targets);
    return run;
}
C
    cc -c all.s -o from-s.o && tell 'assembly is assembled' yes || tell 'assembly is assembled' no
    cc -I"$root" main.c all.o -o main && tell 'a program with the object' yes || tell 'a program with the object' no
    check 'runs with the object' 0 '^0 0 x86-64-v[234][+a-z]* 1 x86-64-v2,x86-64-v3,x86-64-v4\+vnni$' ./main
    cc -I"$root" main.c all.a -o main && tell 'a program with the archive' yes || tell 'a program with the archive' no
    check 'runs' 0 '^0 0 x86-64-v[234][+a-z]* 1' ./main
    if command -v qemu-x86_64 >/dev/null; then
        check 'on Nehalem' 0 '^0 0 x86-64-v2 1' qemu-x86_64 -cpu Nehalem ./main
        check 'on Haswell' 0 '^0 0 x86-64-v3 1' qemu-x86_64 -cpu Haswell ./main
        check 'below' 3 '^0 3 x86-64-v2 0' qemu-x86_64 -cpu Conroe ./main
    fi
fi
finish
