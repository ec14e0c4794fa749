# Tests --weights: each kind of output with each storage of weights works, giving the same bits, or is refused.
. "$(dirname "$0")/lib.sh"
dates=$root/examples/dates/dates.onnx
set=$root/examples/dates/test/test_data_set_0
ours() { "$fovea" run "$1" --data-set "$set" -o "$2" >out 2>err; }
same() { cmp -s "$2/probs.npy" want/probs.npy && tell "$1 gives the same bits" yes || tell "$1 gives the same bits" no; }
"$fovea" run "$dates" --backend=interp --data-set "$set" -o want >/dev/null

check 'a place that is none' 2 'there are object, file, incbin, text' "$fovea" compile "$dates" -o x.c --weights=paper
check help 0 'weights=WHERE +where weights are stored: object, file, incbin, text' "$fovea" compile --help
for o in x.fvk x.fvir; do
    for w in object file incbin text; do
        check "$o with $w" 2 'the constants of a text are in a file next to it' "$fovea" compile "$dates" -o $o --weights=$w
    done
done

cat >nothing.fvir <<'T'
fovea-ir 1
module "nothing"
func @main(%x: f32[2]) -> (%y) {
  %y = Neg(%x)
  return %y
}
T
for w in object file incbin text; do
    check "C without weights, $w" 0 'nothing_run' "$fovea" compile nothing.fvir -o nothing.c --weights=$w
done
[ "$(echo nothing*)" = 'nothing.c nothing.fvir nothing.h' ] && tell 'no file of no weights' yes || tell "no file of no weights: $(echo nothing*)" no

# ---- a constant that the host program reads ----
cat >host.fvd <<'T'
fovea-definitions 1 after "order"
module "host"
symbol k 0..9 data
const @c: i64[2] = [3, 4]
func @main(%x: f32[8]) -> (%y) {
  fv.Bind(@c) {symbols = [k]}
  %y = define(%x) : f32[8] {
    element %y[i] = %x[i] if i < dim(k) else 0.0
  }
  return %y
}
T
for w in object file incbin text; do
    check "C whose host program reads a constant, $w" 0 'host_run' "$fovea" compile host.fvd --emit=c -o host/ --weights=$w
    check "its self-test, $w" 0 ': ok' make -s -C host check CFLAGS='-O1 -Wall -Wextra -Werror'
    make -s -C host clean
done

# ---- large constants at odd offsets: code in memory reads them where they are, without a copy ----
seq 1 10000000 | head -c 67200000 >odd.bin
at_offset() { # MODEL OFFSET: a table of 64 MB, and 300001 numbers, from one file
    onnx "$1" <<T
ir_version: 8
opset_import { version: 17 }
graph {
  name: "g"
  node { op_type: "Gather" input: "t" input: "i" output: "row" }
  node { op_type: "Add" input: "x" input: "c" output: "sum" }
  initializer { name: "t" dims: 1048576 dims: 16 data_type: 1 data_location: EXTERNAL
    external_data { key: "location" value: "odd.bin" } external_data { key: "offset" value: "$2" }
    external_data { key: "length" value: "67108864" } }
  initializer { name: "c" dims: 300001 data_type: 1 data_location: EXTERNAL
    external_data { key: "location" value: "odd.bin" } external_data { key: "offset" value: "$2" }
    external_data { key: "length" value: "1200004" } }
  input { name: "i" type { tensor_type { elem_type: 7 shape { dim { dim_value: 9 } } } } }
  input { name: "x" type { tensor_type { elem_type: 1 shape { dim { dim_value: 1 } } } } }
  output { name: "row" type { tensor_type { elem_type: 1 } } }
  output { name: "sum" type { tensor_type { elem_type: 1 } } }
}
T
}
resident() { # MODEL: MB that the interpreter has at most in memory
    python3 - "$fovea" run "$1" --seed=1 --backend=interp --threads=1 -o odd-interp -q <<'P'
import resource, subprocess, sys

subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1000)
P
}
peak() { # MODEL: MB that the process had at most while it compiled
    "$fovea" bench "$1" --seconds=0.01 --rounds=1 --threads=1 --json | sed -n 's/.*"compile_peak_bytes": *\([0-9]*\)[0-9]\{6\}[.0-9]*,*/\1/p'
}
at_offset odd.onnx 3
at_offset even.onnx 4
"$fovea" run odd.onnx --seed=1 -o odd-jit >/dev/null 2>err
"$fovea" run odd.onnx --seed=1 --backend=interp -o odd-interp >/dev/null 2>err
for out in row sum; do
    cmp -s odd-jit/$out.npy odd-interp/$out.npy && tell "odd offset: the same bits of $out" yes || tell "odd offset: the same bits of $out" no
done
odd=$(resident odd.onnx)
[ -n "$odd" ] && [ "$odd" -lt 64 ] && tell "odd offset: the interpreter makes no copy of the table" yes ||
    tell "odd offset: the interpreter makes no copy of the table: $odd MB" no
if "$fovea" run nothing.fvir --backend=jit >/dev/null 2>&1 && [ "$(uname -m)" = x86_64 ]; then
    odd=$(peak odd.onnx) even=$(peak even.onnx)
    [ -n "$odd" ] && [ -n "$even" ] && [ "$odd" -lt $((even + 40)) ] && tell "odd offset: no copy of the table" yes ||
        tell "odd offset: no copy of the table: $odd and $even MB" no
fi

# ---- files of the model that have the name of a result ----
onnx m.onnx <<'T'
ir_version: 8
opset_import { version: 17 }
graph {
  name: "g"
  node { op_type: "Add" input: "x" input: "w" output: "y" }
  initializer { name: "w" dims: 32 data_type: 1 data_location: EXTERNAL external_data { key: "location" value: "m_weights.bin" } }
  input { name: "x" type { tensor_type { elem_type: 1 shape { dim { dim_value: 32 } } } } }
  output { name: "y" type { tensor_type { elem_type: 1 } } }
}
T
head -c 128 "$dates" >m_weights.bin
cp m_weights.bin before.bin
check 'over external data' 1 'would overwrite the model, of which m_weights.bin is a part' "$fovea" compile m.onnx -o m.c --weights=incbin
cmp -s m_weights.bin before.bin && tell 'external data is as it was' yes || tell 'external data is as it was' no
absent m.c m.h
check 'beside external data' 0 'n_weights.bin' "$fovea" compile m.onnx -o n.c --weights=incbin
check 'into a folder, twice' 0 'm/m.c' sh -c "'$fovea' compile m.onnx -o m/ --weights=file && '$fovea' compile m.onnx -o m/ --weights=incbin"

# ---- libraries ----
llvm=no
"$fovea" compile "$dates" -q -o probe.so >/dev/null 2>&1 && llvm=yes
if [ $llvm = yes ]; then
    for o in x.so x.o x.a x.ll x.s; do
        for w in incbin text; do
            check "$o with $w" 2 "--weights=$w is for C" "$fovea" compile "$dates" -o $o --weights=$w
        done
    done
    absent x.so x.o x.weights
    check 'code where the weights would go' 1 'this is where the weights would go' "$fovea" compile "$dates" --emit=so -o x.weights --weights=file
    absent x.weights
    check 'beside standard output' 1 'name a file with -o' "$fovea" compile "$dates" --emit=asm -o - --weights=file
    for w in object file; do
        check "library with $w" 0 'libd\.so' "$fovea" compile "$dates" -o libd.so --weights=$w
        ours libd.so got_$w
        same "library with $w" got_$w
    done
    said 'probs' && present libd.weights
    [ "$(stat -c %s libd.so)" -lt 100000 ] && tell 'the library is small' yes || tell 'the library is small' no

    check 'library without weights' 0 'fv_load' "$fovea" compile nothing.fvir -o nothing.so --weights=file
    absent nothing.weights
    check 'library without weights runs' 0 'f32\[2\]' "$fovea" run nothing.so
    mkdir moved && cp libd.so moved
    check 'no weights' 1 'moved/libd.so: error: its weights, .*moved/libd.weights, cannot be used: No such file' "$fovea" run moved/libd.so
    head -c 1000 libd.weights >moved/libd.weights
    check 'cut weights' 1 'libd.weights, cannot be used: it is truncated' "$fovea" run moved/libd.so
    : >moved/libd.weights
    check 'empty weights' 1 'libd.weights, cannot be used: it is empty' "$fovea" run moved/libd.so
    rm moved/libd.weights && mkdir moved/libd.weights
    check 'a folder of weights' 1 'libd.weights, cannot be used: it is no regular file' "$fovea" run moved/libd.so
    rmdir moved/libd.weights && mkfifo moved/libd.weights
    check 'a pipe of weights' 1 'libd.weights, cannot be used: it is no regular file' "$fovea" run moved/libd.so
    rm moved/libd.weights
    cp "$dates" moved/libd.weights
    check 'no weights at all' 1 'it is no file of weights' "$fovea" run moved/libd.so
    cp libd.weights moved && printf X | dd of=moved/libd.weights bs=1 seek=5000 conv=notrunc status=none
    check 'changed weights' 1 'its content has changed' "$fovea" run moved/libd.so
    cat >other.fvir <<'T'
fovea-ir 1
module "other"
const @w: f32[2] = [1.0, 2.0]
func @main(%x: f32[2]) -> (%y) {
  %y = Add(%x, @w)
  return %y
}
T
    "$fovea" compile other.fvir -q -o other.so --weights=file && mv other.weights moved/libd.weights
    check 'weights of another' 1 'libd.weights, next to the library, holds the weights of another compilation' "$fovea" run moved/libd.so
    rm -r moved

    # ---- objects, archives, assembly: through the table ----
    cat >user.c <<'T'
#include <stdio.h>
#include "runtime/fovea_model.h"
const fv_model *x_model(void);
static int32_t text[40];
static float probs[110];
static _Alignas(64) unsigned char work[1 << 20], file[1 << 20];
int main(int argc, char **argv) {
    const void *in[] = {text};
    void *out[] = {probs};
    fv_env env = {.size = sizeof env};
    FILE *f = argc > 1 ? fopen(argv[1], "rb") : NULL;
    for (int i = 0; i < 40; i++)
        text[i] = i % 60 + 40;
    if (f) {
        env.weights = file;
        env.weights_bytes = fread(file, 1, sizeof file, f);
    }
    int status = x_model()->run(NULL, in, out, NULL, work, sizeof work, &env);
    if (status)
        return 20 + status;
    fwrite(probs, sizeof probs, 1, stdout);
    return 0;
}
T
    "$fovea" compile "$dates" -q --target=native -o x.o
    cc -I"$root" user.c x.o -o user && ./user >want.bin
    for o in x.o x.a x.s x.ll; do
        for w in object file; do
            rm -f x.* x_weights.o
            "$fovea" compile "$dates" -q --target=native -o $o --weights=$w
            link=$o
            [ $o = x.ll ] && link='' && clang-19 -O1 -fPIC -Wno-override-module -c x.ll -o x_ll.o 2>/dev/null && link=x_ll.o
            [ -z "$link" ] && continue # no clang
            [ -e x_weights.o ] && link="$link x_weights.o"
            cc -I"$root" user.c $link -o user 2>err && ./user $([ $w = file ] && echo x.weights) >got.bin &&
                cmp -s got.bin want.bin && tell "$o with $w" yes || tell "$o with $w" no
            [ $w = file ] || continue
            ./user >got.bin
            [ $? = 30 ] && tell "$o without its file" yes || tell "$o without its file" no
        done
    done
fi

# ---- a disk that has room for the code, and none for the weights ----
heavy=heavy.onnx # 2 MB of weights, digits as floats
onnx $heavy <<T
ir_version: 8
opset_import { version: 17 }
graph {
  name: "g"
  node { op_type: "Add" input: "x" input: "w" output: "y" }
  initializer { name: "w" dims: 512000 data_type: 1 raw_data: "$(seq 100000 500000 | tr -d '\n' | head -c 2048000)" }
  input { name: "x" type { tensor_type { elem_type: 1 shape { dim { dim_value: 512000 } } } } }
  output { name: "y" type { tensor_type { elem_type: 1 } } }
}
T
for w in object file incbin; do
    rm -rf f.* f_* f
    for o in f.c f/; do
        check "full disk, $o with $w" 1 "cannot write 'f.*weights" sh -c "ulimit -f 600; '$fovea' compile $heavy -o $o --weights=$w"
    done
    absent f.c f.h f f.weights f_weights.o f_weights.bin f_weights.S f_weights.c
done
if [ $llvm = yes ]; then
    check 'full disk, library' 1 'f.weights: cannot write' sh -c "ulimit -f 600; '$fovea' compile $heavy -o f.so --weights=file"
    check 'full disk, object' 1 'cannot' sh -c "ulimit -f 600; '$fovea' compile $heavy -o f.o --weights=object"
    absent f.so f.o f.weights
    [ -z "$(ls | grep '^f[.]')" ] && tell 'nothing is left' yes || tell 'nothing is left' no
fi

# ---- C, by each compiler ----
for cc in gcc clang-19; do
    command -v $cc >/dev/null || continue
    for w in object file incbin text; do
        rm -rf c && mkdir c
        check "C with $w" 0 'c/x\.c' "$fovea" compile "$dates" --target=generic -o c/x.c --weights=$w
        cat >c/user.c <<'T'
#include <stdio.h>
#include "x.h"
static int32_t text[1][40];
static float probs[1][10][11];
X_ALIGNED static unsigned char work[X_WORKSPACE_BYTES];
int main(void) {
    for (int i = 0; i < 40; i++)
        text[0][i] = i % 60 + 40;
#ifdef MAPPED
    fv_env env = {.size = sizeof env};
    int status = x_weights_open("c/x.weights", &env);
    status = status ? status : x_run(text, probs, work, &env);
#else
    int status = x_run(text, probs, work);
#endif
    fwrite(probs, sizeof probs, 1, stdout);
    return status;
}
T
        more=$(ls c/*_weights.[oScC] 2>/dev/null)
        [ $w = file ] && more="$more -DMAPPED"
        $cc -O1 -Ic -Wa,-Ic c/user.c c/x.c $more -o c/user 2>err && c/user >c/got.bin &&
            tell "C with $w runs" yes || tell "C with $w runs" no
        [ -e c.bin ] || cp c/got.bin c.bin
        cmp -s c/got.bin c.bin && tell "C with $w, $cc: the same bits" yes || tell "C with $w, $cc: the same bits" no
    done
done
finish
