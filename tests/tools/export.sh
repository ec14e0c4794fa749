# Tests `fovea opt -o M.onnx`: the written model computes the same, and what ONNX cannot express is refused.
. "$(dirname "$0")/lib.sh"
dates=$root/examples/dates/dates.onnx
set=$root/examples/dates/test/test_data_set_0
text() { "$protoc" --proto_path="$root/frontend" --decode=onnx.ModelProto "$root/frontend/onnx.proto" <"$1"; }
# fine NAME COMMAND...: its status is 0, whatever it says
fine() {
    what=$1
    shift
    check "$what" 0 '^fine$' sh -c '"$@" && echo fine' sh "$@"
}
"$fovea" run "$dates" --backend=interp --data-set "$set" -o want >/dev/null
# same NAME FILE: the bits of the model that it was written from
same() {
    fine "$1: runs" "$fovea" run "$2" --backend=interp --data-set "$set" -o got
    cmp -s got/probs.npy want/probs.npy && tell "$1 gives the same bits" yes || tell "$1 gives the same bits" no
    rm -rf got
}

for o in -O2 -O0 --passes= --passes=legalise --standard; do
    fine "dates $o" "$fovea" opt -q "$dates" $o -o d.onnx
    same "dates $o" d.onnx
done
fine 'to standard output' sh -c "'$fovea' opt -q '$dates' --emit=onnx -o - | cmp - d2.onnx || '$fovea' opt -q '$dates' --emit=onnx -o - >d2.onnx"
same 'standard output' d2.onnx
check 'by --emit alone' 2 'where to\? -o OUT.onnx' "$fovea" opt "$dates" --emit=onnx
check 'two kinds' 2 'opt writes graph IR' "$fovea" opt "$dates" --emit=ir -o d.onnx
check 'by compile' 2 '`fovea opt` writes ONNX' "$fovea" compile "$dates" -o d.onnx
check 'help' 0 'standard +run no passes of a level' "$fovea" opt --help

# ---- weights ----
fine 'weights beside' "$fovea" opt -q "$dates" -o w.onnx --weights=file
present w.onnx.data
same 'weights beside' w.onnx
text w.onnx | grep -q 'value: "w.onnx.data"' && tell 'the model names its weights' yes || tell 'the model names its weights' no
[ "$(stat -c %s w.onnx)" -lt 60000 ] && tell 'the model is small' yes || tell 'the model is small' no
check 'over its own weights' 1 'would overwrite what was read' "$fovea" opt -q w.onnx --emit=onnx -o w.onnx.data
check 'over its own weights' 1 'would overwrite what was read' sh -c "cp w.onnx v.onnx; '$fovea' opt -q v.onnx -o w.onnx --weights=file"
same 'its weights are as they were' w.onnx
check 'over the model' 1 'would overwrite' "$fovea" opt -q w.onnx -o w.onnx
ln -s w.onnx link.onnx
check 'over the model by a link' 1 'would overwrite' "$fovea" opt -q w.onnx -o link.onnx
check 'weights beside nothing' 1 'which standard output is not' "$fovea" opt -q "$dates" --emit=onnx --weights=file -o -
for w in incbin text; do
    check "weights $w" 2 'takes object, in the model, and file, in a file next to it' "$fovea" opt "$dates" -o d.onnx --weights=$w
done
check 'weights of a text' 2 'weights is for ONNX' "$fovea" opt "$dates" -o d.fvir --weights=file
check 'a name that no model may have' 1 'is no name that a model may have' "$fovea" opt -q "$dates" -o 'a\b.onnx' --weights=file

# ---- files that are read, whatever option writes ----
weight() { # NAME FILE DIMS
    printf 'initializer { name: "%s" data_type: 1 %s data_location: 1 external_data { key: "location" value: "%s" } }\n' "$1" "$3" "$2"
}
side='dims: 4'
onnx e.onnx <<T
ir_version: 8 opset_import { version: 17 } graph { name: "g"
node { op_type: "Add" input: "x" input: "w" output: "y" }
$(weight w used.bin "$side") $(weight v unused.bin "$side") $(weight z empty.bin 'dims: 0')
input { name: "x" type { tensor_type { elem_type: 1 shape { dim { dim_value: 4 } } } } }
output { name: "y" type { tensor_type { elem_type: 1 shape { dim { dim_value: 4 } } } } } }
T
head -c 16 /dev/zero >used.bin
head -c 16 /dev/zero >unused.bin
: >empty.bin
"$fovea" run e.onnx --save-inputs=set -q >out 2>err || tell 'inputs' no
cp set/input_0.pb x.pb
for f in used.bin unused.bin empty.bin; do
    cp $f kept
    check "view over $f" 1 "would overwrite what was read" "$fovea" view e.onnx -o $f
    check "run over $f" 1 "would overwrite what was read" "$fovea" run e.onnx -o $f
    check "kernels over $f" 1 "would overwrite the model, of which $f is a part" "$fovea" compile e.onnx --emit=kernels -o $f
    check "a profile over $f" 1 "would overwrite what was read" "$fovea" bench e.onnx --seconds=0.01 --rounds=1 --profile=$f
    cmp $f kept >out 2>err && tell "$f is as it was" yes || tell "$f is as it was" no
done
for n in 1 2; do # the second time from the cache, which reads no model
    check "run over external data, cached, $n" 1 'would overwrite what was read' env FOVEA_CACHE_DIR="$PWD/cached" "$fovea" run e.onnx -o used.bin
done
check 'run over an input' 1 'would overwrite what was read' "$fovea" run e.onnx --input x=x.pb -o x.pb
check 'inputs to nowhere' 2 'save-inputs names no folder' "$fovea" run e.onnx --save-inputs=
check 'outputs to nowhere' 2 'output names no file' "$fovea" run e.onnx -o ''
check 'inputs over an input' 1 'would overwrite what was read' "$fovea" run e.onnx --input x=set/input_0.pb --save-inputs=set
cmp set/input_0.pb x.pb >out 2>err && tell 'the input is as it was' yes || tell 'the input is as it was' no
# what is compared with is read first, and stays
"$fovea" run e.onnx --input x=x.pb -q -o want.npy && "$fovea" run e.onnx --input x=x.pb -q -o setx.pb
mkdir exp && cp want.npy exp/y.npy && cp want.npy kept && mkdir expected && cp setx.pb expected/output_0.pb
check 'run over what it expects' 1 'would overwrite what was read' "$fovea" run e.onnx --input x=x.pb --expect=want.npy -o want.npy
check 'run over a folder that it expects' 1 'would overwrite what was read' "$fovea" run e.onnx --input x=x.pb --expect=exp -o exp/
check 'run over a data set that it expects' 1 'would overwrite what was read' "$fovea" run e.onnx --input x=x.pb --expect=expected -o expected/output_0.pb
check 'run where nothing is to be expected' 1 "cannot open 'new.npy'" "$fovea" run e.onnx --expect=new.npy -o new.npy
absent new.npy
"$fovea" run e.onnx --seed=77 --expect=want.npy -o want.npy >out 2>err
grep -q '^FAILED y' out && tell 'other outputs are not as expected' yes || tell 'other outputs are not as expected' no
cmp -s want.npy kept && cmp -s exp/y.npy kept && cmp -s expected/output_0.pb setx.pb && tell 'what was expected stays' yes || tell 'what was expected stays' no
fine 'outputs that differ are written elsewhere' sh -c "! '$fovea' run e.onnx --seed=77 -q --expect=want.npy -o diff.npy && [ -s diff.npy ]"

# libraries, and their files of weights
if "$fovea" compile "$dates" --weights=file --header=no -q -o far.so 2>err && "$fovea" compile "$dates" --header=no -q -o near.so 2>err; then
    cp far.so kept.so && cp far.weights kept.weights && cp near.so near.kept
    check 'run over the weights of a library' 1 'would overwrite what was read' "$fovea" run far.so -o far.weights
    check 'a profile over them' 1 'would overwrite what was read' "$fovea" bench far.so --seconds=0.01 --rounds=1 --profile=far.weights
    check 'a profile over the library of --against' 1 'would overwrite what was read' \
        "$fovea" bench "$dates" --seconds=0.01 --rounds=1 --against=./near.so --profile=./near.so
    check 'a profile over its weights' 1 'would overwrite what was read' \
        "$fovea" bench "$dates" --seconds=0.01 --rounds=1 --against=./far.so --profile=./far.weights
    cmp -s far.so kept.so && cmp -s far.weights kept.weights && cmp -s near.so near.kept && tell 'libraries stay' yes || tell 'libraries stay' no
fi
echo >pass.lua
check 'over the script' 1 'would overwrite what was read' "$fovea" opt e.onnx --script=pass.lua -q --emit=ir -o pass.lua
check 'view over its profile' 1 'would overwrite what was read' sh -c \
    "'$fovea' bench e.onnx --seconds=0.01 --rounds=1 --profile=p.json >/dev/null && '$fovea' view e.onnx --profile=p.json -o p.json"

# a file of holes, of which nothing is read
if truncate -s 2300000000 holes.bin 2>/dev/null; then
    printf 'fovea-ir 1\nmodule "m"\nconst @w: f32[575000000] = file "holes.bin" 0 2300000000\n' >large.fvir
    printf 'func @main(%%x: f32[575000000]) -> (%%y) {\n  %%y = Add(%%x, @w)\n  return %%y\n}\n' >>large.fvir
    check 'more than 2 GiB in a model' 1 'ONNX allows 2 GiB in one file; --weights=file' "$fovea" opt -q large.fvir --passes= -o l.onnx --weights=object
    check 'more than 1 GiB on standard output, where nothing lies beside' 1 'ONNX allows 2 GiB' "$fovea" opt -q large.fvir --passes= --emit=onnx -o -
    rm -f holes.bin
fi

# ---- files that cannot be written ----
if [ -c /dev/full ]; then
    check 'a full device' 1 'No space left' "$fovea" opt -q "$dates" --emit=onnx -o /dev/full
    check 'a full standard output' 1 'No space left' sh -c "'$fovea' opt -q '$dates' --emit=onnx -o - >/dev/full"
fi
mkdir full
check 'a disk that is full' 1 'cannot write' sh -c "ulimit -f 8; '$fovea' opt -q '$dates' -o full/d.onnx"
check 'weights on a disk that is full' 1 'cannot write' sh -c "ulimit -f 8; '$fovea' opt -q '$dates' -o full/d.onnx --weights=file"
[ -z "$(ls -A full)" ] && tell 'nothing is left behind' yes || tell "left behind: $(ls -A full)" no
check 'a folder that is not there' 1 'No such file' "$fovea" opt -q "$dates" -o nowhere/d.onnx
mkdir folder.onnx
check 'a folder' 1 'Is a directory' "$fovea" opt -q "$dates" -o folder.onnx

# ---- names ----
cat >names.fvir <<'T'
fovea-ir 1
module "a \"module\"\n"
symbol `my dim` 0..1000
const @`w of "weights"`: f32[3] = [1.0, 2.0, 3.0]
func @main(%`in put`: f32[`my dim`, 3], %`h`: f32[3]) -> (%`/out\nput`, %`again`, %`in put`, %`c`) {
  %`/h` = Add(%`in put`, @`w of "weights"`)    loc("same")
  %`again` = Mul(%`/h`, %h)    loc("same")
  return %`again`, %`again`, %`in put`, @`w of "weights"`
}
T
fine names "$fovea" opt -q names.fvir -o n.onnx
text n.onnx >n.txt
for p in 'dim_param: "my dim"' 'name: "in put"' 'name: "/out\nput"' 'name: "again"' 'name: "c"' 'name: "same"' 'name: "same_1"'; do
    grep -qF "$p" n.txt && tell "has $p" yes || tell "has $p" no
done
check 'names read back' 0 'again' "$fovea" run n.onnx --dim 'my dim=2'
printf 'fovea-ir 1\nmodule "m"\nfunc @main(%%`a\\xff`: f32[2]) -> (%%y) {\n  %%y = Neg(%%`a\\xff`)\n  return %%y\n}\n' >latin.fvir
check 'a name that is not UTF-8' 1 'is not UTF-8' "$fovea" opt -q latin.fvir -o l.onnx
absent l.onnx

# ---- a branch, with what it reads from around ----
cat >branch.fvir <<'T'
fovea-ir 1
module "branch"
symbol n 0..1000
const @two: f32[] = 2.0
func @main(%x: f32[n, 3], %c: bool[]) -> (%y) {
  %z = If(%c) {then_branch = ^() {
    %a = Mul(%x, @two)
    return %a
  }, else_branch = ^() {
    return %x
  }}
  %y = Softmax(%z) {axis = 1}
  return %y
}
T
printf '' >none
fine branch "$fovea" opt -q branch.fvir -o b.onnx
for seed in 1 2 3; do
    "$fovea" run -q branch.fvir --dim n=4 --seed=$seed >one 2>&1
    "$fovea" run -q b.onnx --dim n=4 --seed=$seed >two 2>&1
    cmp -s one two && tell "branch, seed $seed" yes || tell "branch, seed $seed" no
done

# ---- graphs that take a value, and read from around: as they are, in the standard's operators, as one that says the same ----
cat >flex.fvir <<'T'
fovea-ir 1
module "flex"
symbol n 4..100
const @low: f32[] = -inf
const @two: f32[] = 2.0
func @main(%q: f32[1, 2, n, 8], %m: bool[n, n], %b: f32[n]) -> (%y, %z) {
  %y = ai.onnx.preview.FlexAttention(%q, %q, %q) {scale = 0.5, score_mod = ^(%s: f32[1, 2, n, n]) {
    %t = Add(%s, %b)
    %u = Where(%m, %t, @low)
    return %u
  }, prob_mod = ^(%w: f32[1, 2, n, n]) {
    return %w
  }}
  %z = ai.onnx.preview.FlexAttention(%q, %q, %q) {scale = 0.5, score_mod = ^(%r: f32[1, 2, n, n]) {
    %o = Mul(%r, @two)
    return %o
  }}
  return %y, %z
}
T
"$fovea" run -q flex.fvir --dim n=9 --backend=interp --seed=5 -o want >/dev/null
for o in --passes= -O2 --standard; do
    fine "FlexAttention $o" "$fovea" opt -q flex.fvir $o -o flex.onnx
    check "FlexAttention $o: the same" 0 '2 of 2 outputs as expected' "$fovea" run flex.onnx --dim n=9 --seed=5 --expect want
    text flex.onnx >flex$o.txt
done
[ "$(grep -c 'op_type: "FlexAttention"' flex--passes=.txt)" = 2 ] && grep -q 'domain: "ai.onnx.preview"' flex--passes=.txt &&
    tell 'FlexAttention as it is' yes || tell 'FlexAttention as it is' no
grep -q 'op_type: "FlexAttention"' flex-O2.txt && tell 'FlexAttention in the standard' no || tell 'FlexAttention in the standard' yes
grep -q 'op_type: "Attention"' flex--standard.txt && tell 'FlexAttention as Attention' yes || tell 'FlexAttention as Attention' no

# ---- opsets ----
text d.onnx | grep -q '^  version: 17$' && tell 'the lowest opset' yes || tell 'the lowest opset' no
printf 'fovea-ir 1\nmodule "m"\nfunc @main(%%x: f32[2, 3]) -> (%%y, %%z) {\n  %%y = Gelu(%%x)\n  %%z = Cast(%%x) {to = 21}\n  return %%y, %%z\n}\n' >g.fvir
fine 'a later opset' "$fovea" opt -q g.fvir --passes= -o g.onnx
text g.onnx | grep -q '^ir_version: 10$' && text g.onnx | grep -q '^  version: 21$' && tell 'opset 21 of IR 10' yes || tell 'opset 21 of IR 10' no

# ---- what has no spelling ----
printf 'fovea-ir 1\nmodule "m"\nfunc @main(%%x: f32[2, 3, 3]) -> (%%y) {\n  %%y = com.microsoft.Inverse(%%x)\n  return %%y\n}\n' >i.fvir
check 'no spelling' 1 'fv.Inverse has no spelling.*--passes=' "$fovea" opt -q i.fvir -o i.onnx
absent i.onnx
fine 'as it is' "$fovea" opt -q i.fvir --passes= -o i.onnx
text i.onnx | grep -q 'domain: "com.microsoft"' && tell 'its domain is imported' yes || tell 'its domain is imported' no

# ---- what newer models have no operator for, and what other domains' are ----
cat >old.fvir <<'T'
fovea-ir 1
module "m"
func @main(%x: f32[3]) -> (%a, %b, %c, %d) {
  %a = Affine(%x) {alpha = 2.0, beta = 1.0}
  %b = Scale(%x) {scale = 3.0}
  %c = ScaledTanh(%x) {alpha = 2.0, beta = 0.5}
  %d = ParametricSoftplus(%x) {alpha = 2.0, beta = 0.5}
  return %a, %b, %c, %d
}
T
cat >foreign.fvir <<'T'
fovea-ir 1
module "m"
func @main(%x: f32[2, 3]) -> (%a, %b) {
  %a = com.microsoft.QuickGelu(%x) {alpha = 1.5}
  %b = com.microsoft.Trilu(%x) {upper = 0}
  return %a, %b
}
T
cat >versions.fvir <<'T'
fovea-ir 1
module "m"
func @main(%x: i64[3]) -> (%y, %z) {
  %y = ai.onnx.ml.LabelEncoder(%x) {keys_int64s = [1, 2], values_int64s = [3, 4], default_int64 = 7}
  %z = ai.onnx.ml.LabelEncoder(%x) {keys_tensor = tensor i64[2] [1, 2], values_tensor = tensor i64[2] [3, 4]}
  return %y, %z
}
T
alike() { # NAME OPTION...: what the model written from NAME.fvir prints is what that prints
    name=$1
    shift
    fine "$name" "$fovea" opt -q "$name.fvir" "$@" -o "$name.onnx"
    [ "$("$fovea" run -q --backend=interp "$name.fvir")" = "$("$fovea" run -q --backend=interp "$name.onnx")" ] &&
        tell "$name means the same" yes || tell "$name means the same" no
}
alike old
alike old --passes=
alike foreign --standard
alike versions --passes=
text versions.onnx | grep -A 1 'domain: "ai.onnx.ml"' | grep -q 'version: 4' && tell 'its version' yes || tell 'its version' no
cat >cdist.fvir <<'T'
fovea-ir 1
module "m"
func @main(%x: f32[2, 3], %y: f32[4, 3]) -> (%a) {
  %a = com.microsoft.CDist(%x, %y)
  return %a
}
T
check 'no spelling of another domain' 1 'com.microsoft.CDist has no spelling' "$fovea" opt -q cdist.fvir --standard -o cdist.onnx
absent cdist.onnx
check 'a level of none' 2 'standard runs the passes of no level: -O2 does not apply' "$fovea" opt -q cdist.fvir --standard -O2 -o cdist.onnx
finish
