# Tests the C header that `compile` writes next to a library or an object: programs that are compiled with it run, and it replaces
# no other file.
. "$(dirname "$0")/lib.sh"
case $(uname -m) in x86_64) low=x86-64-v2 high=x86-64-v3 ;; *) low=aarch64 high=aarch64+dotprod ;; esac
cat >fixed.fvir <<'IR'
fovea-ir 1
module "fixed"
const @w: f32[2, 2] = [1.0, 0.5, 0.0, 2.0]
func @main(%x: f32[1, 2]) -> (%y) {
  %y = MatMul(%x, @w)
  return %y
}
IR
cat >open.fvir <<'IR'
fovea-ir 1
module "open"
symbol n 0..8
func @main(%x: f32[n], %flag: bool[n]) -> (%y, %where) {
  %y = Add(%x, %x)
  %where = NonZero(%flag)
  return %y, %where
}
IR
cat >fixed_main.c <<'C'
#include "fixed.h"
#include <stdio.h>

int main(void) {
    FIXED_ALIGNED static unsigned char work[FIXED_WORKSPACE_BYTES];
    float x[2] = {1, 2}, y[FIXED_Y_SIZE];
    const void *inputs[1];
    void *outputs[1];
    inputs[0] = x;
    outputs[0] = y;
    int status = fixed_run(NULL, inputs, outputs, NULL, work, sizeof work, NULL);
    printf("%d: %g %g of %s\n", status, (double)y[0], (double)y[1], fixed_model()->name);
    return status;
}
C
cat >open_main.c <<'C'
#include "open.h"
#include <stdio.h>
#include <stdlib.h>

static void *take(void *user, size_t bytes) {
    (void)user;
    return aligned_alloc(64, (bytes + 63) / 64 * 64);
}

static void give(void *user, void *p) {
    (void)user;
    free(p);
}

int main(void) {
    open_dims dims = {3};
    open_out_dims actual;
    size_t bytes = 0;
    if (open_plan(&dims, &bytes, &actual) != FV_OK || actual.y.dim[0] != 3)
        return 1;
    void *work = bytes ? aligned_alloc(64, bytes) : NULL;
    float x[3] = {1, 2, 3}, y[OPEN_Y_MAX_SIZE];
    unsigned char flag[3] = {0, 1, 1};
    int64_t where[8];
    const void *inputs[2];
    void *outputs[2];
    fv_env env = {0};
    inputs[0] = x;
    inputs[1] = flag;
    outputs[0] = y;
    outputs[1] = where;
    env.size = sizeof env;
    env.alloc = take;
    env.free = give;
    actual.where.capacity = 8;
    int status = open_run(&dims, inputs, outputs, &actual, work, bytes, &env);
    printf("%d: %g, %d at %d %d\n", status, (double)y[2], (int)actual.where.dim[1], (int)where[0], (int)where[1]);
    dims.n = 9;
    printf("%d\n", open_plan(&dims, &bytes, &actual) == FV_BAD_DIM);
    free(work);
    return status;
}
C
# works NAME COMMAND...: it succeeds, whatever it says
works() {
    name=$1
    shift
    "$@" >out 2>err </dev/null && tell "$name" yes || tell "$name" no
}
cc=${CC:-cc}
warn='-Wall -Wextra -Wpedantic -Werror'
if ! "$fovea" compile fixed.fvir --target=$low -q -o fixed.o 2>err; then
    cat err
    echo "no object can be made: not tested"
    finish
    exit
fi

# ---- programs ----
for target in $low "$low,$high"; do
    for model in fixed open; do
        [ $model = fixed ] && says='0: 1 4.5 of fixed' || says='0: 6, 2 at 1 2'
        for file in $model.o $model.a lib$model.so; do
            rm -f $model.h
            check "$file for $target" 0 "^$model\.h " "$fovea" compile $model.fvir --target="$target" -o "$file"
            if [ "${file%.so}" = "$file" ]; then
                said "^call       int ${model}_run\(const ${model}_dims \*dims,"
            else
                said "^call       fv_load\(\"$file\", ...\) of fovea.h"
            fi
            works "C with $file for $target" $cc -std=c11 $warn ${model}_main.c "$file" -o main -Wl,-rpath,"$PWD"
            check "a program with $file for $target" 0 "$says" ./main
        done
    done
    [ "$(head -n 1 fixed.h)" = '/* fixed.h - the interface of a compiled library or object.' ] &&
        tell "the first line for $target" yes || tell "the first line for $target" no
done
grep -q "^ \* Needs: one of the targets$" open.h && grep -q "^ \*   $low, $high; round to nearest" open.h && tell 'all targets' yes || tell 'all targets' no
awk 'length($0) > 100 { bad = 1 } END { exit bad }' open.h && tell 'at most 100 columns' yes || tell 'at most 100 columns' no
if command -v c++ >/dev/null; then
    printf '#include "fixed.h"\n#include "open.h"\nint f() { return open_plan(NULL, NULL, NULL); }\n' >both.cpp
    works 'both in C++' c++ -std=c++11 $warn -c both.cpp -o both.o
fi
"$fovea" compile fixed.fvir --target=$low -q -o fixed.o && cp fixed.h object.h
"$fovea" compile fixed.fvir --target=$low -q -o libfixed.so && cmp -s fixed.h object.h && tell 'one header for all kinds' yes || tell 'one header for all kinds' no
check 'a prefix' 0 '^other.h ' "$fovea" compile fixed.fvir --target=$low --name=mine -o other.o
grep -q '^int mine_run(' other.h && tell 'the prefix is in the header' yes || tell 'the prefix is in the header' no
check 'weights in a file' 0 '^libw.weights ' "$fovea" compile fixed.fvir --target=$low --weights=file -o libw.so
grep -q 'Weights: in libw.weights' w.h && tell 'the header names the file of weights' yes || tell 'the header names the file of weights' no

# ---- sizes ----
cat >past.fvir <<'IR'
fovea-ir 1
module "past"
symbol batch 1..4
symbol past 0..100
symbol seq 2..28
func @main(%x: i4[batch, seq], %cache: f32[batch, past], %new: f32[batch, seq], %mask: f32[batch, total], %free: f32[free, 2]) -> (%y, %present, %f, %z) {
  %present = Concat(%cache, %new) {axis = 1}
  %y = Mul(%present, %mask)
  %f = Neg(%free)
  %z = Cast(%x) {to = 1}
  return %y, %present, %f, %z
}
IR
works 'bounded dims' "$fovea" compile past.fvir --target=$low -o past.o
sed -n 's/#define PAST_\(.*SIZE\)/\1/p' past.h >out
printf '%s\n' 'X_MAX_SIZE 56' 'CACHE_MAX_SIZE 400' 'NEW_MAX_SIZE 112' 'MASK_MAX_SIZE 512' 'Y_MAX_SIZE 512' 'PRESENT_MAX_SIZE 512' 'Z_MAX_SIZE 112' >want
cmp -s out want && tell 'the largest sizes; total is bounded by past and seq' yes || tell 'the largest sizes' no
works 'a capacity' "$fovea" compile past.fvir --target=$low --state=cache=present:200 -o past.o
grep -qx '#define PAST_PRESENT_MAX_SIZE 800' past.h && tell 'the capacity' yes || tell 'the capacity' no
works 'a capacity of the caller' "$fovea" compile past.fvir --target=$low --state=cache=present:room -o past.o
grep -q 'PRESENT_MAX_SIZE' past.h && tell 'nothing bounds the room' no || tell 'nothing bounds the room' yes
works 'fixed dims' "$fovea" compile past.fvir --target=$low --dim seq=3 --dim past=10 -o past.o
grep -qx '#define PAST_PRESENT_MAX_SIZE 52' past.h && grep -qx '#define PAST_MASK_MAX_SIZE 52' past.h && tell 'some fixed dims' yes || tell 'some fixed dims' no

cat >alike.fvir <<'IR'
fovea-ir 1
module "alike"
symbol n 1..400
symbol a 0..549755813888
symbol b 0..8388608
const @one: i64[1] = [1]
const @end: i64[1] = [9223372036854775807]
const @axis: i64[1] = [0]
func @main(%x_max: f32[4], %x: f32[n], %Yo: f32[n], %yo: f32[3], %open: f32[free], %big: u4[a, b]) -> (%o, %rest, %half, %z) {
  %o = Add(%x, %Yo)
  %rest = Slice(%open, @one, @end, @axis)
  %half = Sub(%yo, %yo)
  %z = Identity(%big)
  return %o, %rest, %half, %z
}
IR
works 'ports with similar names' "$fovea" compile alike.fvir --target=$low -o alike.o
sed -n 's/#define ALIKE_\(.*SIZE\) /\1 /p' alike.h >out
printf '%s\n' 'BIG_MAX_SIZE 2305843009213693952' 'O_MAX_SIZE 400' 'HALF_SIZE 3' 'Z_MAX_SIZE 2305843009213693952' >want
cmp -s out want && tell 'no macro that two ports may have, nor one without a bound' yes || tell 'no macro that two ports may have, nor one without a bound' no

# ---- other systems ----
if [ "$(uname -m)" = x86_64 ]; then
    check 'an object for Windows' 0 '^win.h ' "$fovea" compile open.fvir --target=x86-64-v3-windows -o win.obj
    check 'an object for macOS' 0 '^mac.h ' "$fovea" compile open.fvir --target=aarch64-macos -o mac.o
    if command -v x86_64-w64-mingw32-gcc >/dev/null; then
        printf '#include "win.h"\nint main(void) { return win_plan(NULL, NULL, NULL) == FV_OK; }\n' >win.c
        works 'a program for Windows' x86_64-w64-mingw32-gcc -std=c11 $warn win.c win.obj -o win.exe
    fi
fi
check 'an object for a microcontroller' 0 '^small.h ' "$fovea" compile fixed.fvir --target=cortex-m4 -o small.o

# ---- what is there already ----
rm -f fixed.h fixed.c
check 'no header' 0 '^fixed.o ' "$fovea" compile fixed.fvir --target=$low --header=no -o fixed.o
name='no header' && absent fixed.h
works 'C' "$fovea" compile fixed.fvir --target=generic -q -o fixed.c
cp fixed.h before.h
check 'the header of C stays' 0 'warning: fixed.h stays as it is: it was not written as the header of a library or an object; name the result otherwise, or say --header=no' \
    "$fovea" compile fixed.fvir --target=$low -o libfixed.so
said '^libfixed.so '
grep -q '^fixed.h ' out && tell 'it is not listed' no || tell 'it is not listed' yes
cmp -s fixed.h before.h && tell 'the header of C is the same' yes || tell 'the header of C is the same' no
works 'no warning without a header' "$fovea" compile fixed.fvir --target=$low --header=no -q -o libfixed.so
[ -s err ] && tell 'no warning' no || tell 'no warning' yes
rm fixed.h
"$fovea" compile fixed.fvir --target=$low -q -o fixed.o
works 'C replaces the header of an object' "$fovea" compile fixed.fvir --target=generic -q -o fixed.c
cmp -s fixed.h before.h && tell 'C has its header' yes || tell 'C has its header' no
echo 'mine' >open.h
check 'a file of the user stays' 0 'warning: open.h stays' "$fovea" compile open.fvir --target=$low -o open.o
[ "$(cat open.h)" = mine ] && tell 'it is unchanged' yes || tell 'it is unchanged' no
rm open.h && mkdir open.h
check 'a folder stays' 0 'warning: open.h stays' "$fovea" compile open.fvir --target=$low -o open.o
rmdir open.h
"$fovea" compile open.fvir --target=$low -q -o open.o && cp open.h before.h
mkdir new && check 'code that cannot be written leaves no header' 1 'cannot' "$fovea" compile open.fvir --target=$low -q -o none/open.o
absent none
mkdir open2.o
check 'a folder at the place of the object' 1 'open2.o' "$fovea" compile open.fvir --target=$low -q -o open2.o
absent open2.h
works 'standard output' "$fovea" compile open.fvir --target=$low --emit=obj -o -
absent -.h model.h
check 'another value' 2 "header takes yes or no, not 'maybe'" "$fovea" compile open.fvir --header=maybe -o open.o
check 'for C' 2 'header is for libraries and objects; C always has its header' "$fovea" compile open.fvir --header=no -o open.c
check 'for a text' 2 'header is for libraries and objects; other files have none' "$fovea" compile open.fvir --header=yes -o open.fvk
check 'JSON' 0 '"path": "open.h"' "$fovea" compile open.fvir --target=$low --json -o open.o

# ---- a header in the way, and files that cannot be renamed ----
onnx_of() { # FILE WEIGHT: a model, whose hash the weight changes
    onnx "$1" <<T
ir_version: 8 opset_import { version: 17 } graph { name: "g" node { op_type: "Add" input: "x" input: "w" output: "y" }
initializer { name: "w" dims: 1 data_type: 1 float_data: $2 }
input { name: "x" type { tensor_type { elem_type: 1 shape { dim { dim_value: 1 } } } } }
output { name: "y" type { tensor_type { elem_type: 1 shape { dim { dim_value: 1 } } } } } }
T
}
mkdir one two
onnx_of one/same.onnx 1
onnx_of two/same.onnx 2
works 'a model' "$fovea" compile one/same.onnx --target=$low -q -o same.o
works 'the same again' "$fovea" compile one/same.onnx --target=$low -o same.a
grep -q 'another model' err && tell 'no note for the same model' no || tell 'no note for the same model' yes
hash=$(sed -n 's/.*from a model with hash \([0-9a-f]*\).*/\1/p' same.h)
check 'another model of that name' 0 "note: same.h described another model, with hash $hash, and was replaced" \
    "$fovea" compile two/same.onnx --target=$low -o same.o
cp same.h kept.h
mkdir full.o # the code cannot be renamed to a folder
"$fovea" compile two/same.onnx --target=$low -q -o full.o >out 2>err
[ ! -e full.h ] && tell 'no header without its code' yes || tell 'no header without its code' no
cp kept.h full.h && "$fovea" compile one/same.onnx --target=$low -o full.o >out 2>err
cmp -s kept.h full.h && tell 'the header before is there again' yes || tell 'the header before is there again' no
grep -q 'another model' err && tell 'no note where nothing is replaced' no || tell 'no note where nothing is replaced' yes
# watch.so: after each renaming, is there a header? LINKS=no: hard links fail
cat >watch.c <<'C'
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int rename(const char *from, const char *to) {
    int (*next)(const char *, const char *) = (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename");
    int status = next(from, to);
    FILE *f = fopen(getenv("WATCHED"), "a");
    if (f && (strstr(from, ".h") || strstr(to, ".h")))
        fputs(access("same.h", F_OK) ? "gone\n" : "there\n", f);
    if (f)
        fclose(f);
    return status;
}

int link(const char *from, const char *to) {
    int (*next)(const char *, const char *) = (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "link");
    errno = EPERM;
    return !strcmp(getenv("LINKS"), "no") ? -1 : next(from, to);
}
C
if $cc -shared -fPIC -D_GNU_SOURCE -o watch.so watch.c -ldl 2>err && env LD_PRELOAD="$PWD/watch.so" LINKS=yes WATCHED=none "$fovea" --version >out 2>err; then
    for links in yes no; do
        case $links in yes) dir=one ;; no) dir=two ;; esac
        rm -f watched
        export LD_PRELOAD="$PWD/watch.so" LINKS=$links WATCHED=watched
        "$fovea" compile $dir/same.onnx --target=$low -o same.o >out 2>err
        status=$?
        cp kept.h full.h && "$fovea" compile one/same.onnx --target=$low -q -o full.o >out2 2>err2
        unset LD_PRELOAD
        [ $status = 0 ] && grep -q 'note: same.h described another model' err && tell "a header is replaced, links: $links" yes ||
            tell "a header is replaced, links: $links" no
        cmp -s kept.h full.h && tell "a header is kept, links: $links" yes || tell "a header is kept, links: $links" no
        grep -q there watched && tell "headers are watched, links: $links" yes || tell "headers are watched, links: $links" no
        [ $links = no ] || { grep -q gone watched && tell 'there is a header at any time' no || tell 'there is a header at any time' yes; }
    done
fi
[ -z "$(find . -maxdepth 1 -name '.fovea-*')" ] && tell 'nothing temporary is left' yes || tell 'nothing temporary is left' no

# ---- sizes without a bound, and of nothing ----
cat >divided.fvir <<'T'
fovea-ir 1
module "divided"
symbol n 1..100
symbol d 0..4
func @main(%x: f32[n floordiv d], %e: f32[d], %z: f32[0, 3]) -> (%y, %f, %g) {
  %y = Relu(%x)
  %f = Relu(%e)
  %g = Relu(%z)
  return %y, %f, %g
}
T
works 'a quotient by a dim from 0' "$fovea" compile divided.fvir --target=$low -q -o divided.o
grep -q 'X_MAX_SIZE\|Y_MAX_SIZE' divided.h && tell 'has no largest size' no || tell 'has no largest size' yes
grep -qx '#define DIVIDED_E_MAX_SIZE 4' divided.h && tell 'others have' yes || tell 'others have' no
grep -qx '#define DIVIDED_Z_SIZE 1 /\* it has no elements; an array must not be empty \*/' divided.h && tell 'no elements' yes || tell 'no elements' no
finish
