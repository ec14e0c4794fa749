# Tests `fovea bench`: its text, its JSON, profiles and traces, and libraries that are not ONNX Runtime.
. "$(dirname "$0")/lib.sh"
dates=$root/examples/dates/dates.onnx
short="--rounds=2 --seconds=0.02"
cat >add.fvir <<'T'
fovea-ir 1
module "add"
symbol n 0..8
func @main(%x: f32[n, 2], %z: f32[2]) -> (%y) {
  %y = Add(%x, %z) : f32[n, 2]    loc("add node")
  return %y
}
T
backends="jit interp c"
"$fovea" run add.fvir --backend=jit >/dev/null 2>&1 || backends="interp c" # built without LLVM
first=${backends%% *}

# valid FILE: is it JSON?
valid() {
    if command -v python3 >/dev/null; then
        python3 -c 'import json, sys; json.load(open(sys.argv[1]))' "$1" && tell "$name: $1 is JSON" yes || tell "$name: $1 is JSON" no
    fi
}

# ---- times ----
for b in $backends; do
    check "times $b" 0 '^time +[0-9.]+ ms, [0-9.]+ at best, half of the runs within' "$fovea" bench add.fvir --at n=5 --backend=$b $short
    said '^add.fvir  n = 5'
    said '^threads +[0-9]+: peak [0-9]+ GFLOP/s, reading [0-9.]+ GB/s'
    said '^rate +1e-08 GFLOP at .*; 8.8e-05 MB at .*% of the roof'
    said 'workspace 0 bytes'
    check "profile $b" 0 ' add node \((add|Add_0)(, [a-z, 0-9]*)?\)$' "$fovea" bench add.fvir --backend=$b $short --profile
    said '^profile .* 1 launch of 1 kernel$'
    said '^ +ms +share +least +predicted +GFLOP/s '
    said '^ +[0-9.e-]+ +[0-9.]+% ' # also of a kernel that is shorter than a step of the clock
    [ $b = interp ] || said '^predicted +([01] of the 1 kernels over 1% of the time within 15%|no kernel takes longer than a step of the clock)$'
done
check 'threads' 0 '^threads +3: ' "$fovea" bench "$dates" $short --threads=1,3 --backend=interp
said '^threads +1: '
check 'several models' 0 '^add.fvir' "$fovea" bench "$dates" add.fvir $short --backend=$first
said '^.*dates.onnx'
check 'each launch' 0 'encoder.1/qkv.* \(' "$fovea" bench "$dates" $short --backend=$first --profile -v
check 'a kernel' 0 '^profile' "$fovea" bench "$dates" $short --backend=$first --profile --schedule=naive

# ---- JSON ----
check 'json' 0 '"median_ms"' "$fovea" bench "$dates" $short --json --profile --backend=$first
for key in schema model version target cpu threads dims runs min_ms median_ms p95_ms gflop gflops peak_gflops peak_gdots peak_matrix_gdots nodes; do
    said "\"$key\": "
done
cp out one.json
valid one.json
said '"predicted_near": '
if [ $first != interp ]; then
    cat >predictions.py <<'P'
import json, math, sys
p = json.load(open(sys.argv[1]))["profile"]
assert p["clock_ns"] > 0.5, p
for row in p["kernels"] + p["launches"]:
    assert 0 <= row["waiting_ms"] <= row["predicted_ms"] > 0, row
    assert row["least_ms"] <= row["ms"] * (1 + 1e-9), row
total = lambda rows, key: sum(row[key] for row in rows)
for key in "predicted_ms", "waiting_ms", "ms", "least_ms":
    assert math.isclose(total(p["kernels"], key), total(p["launches"], key), rel_tol=1e-9), key
near = lambda row: abs(row["predicted_ms"] / row["least_ms"] - 1) < 0.15
judged = [row for row in p["kernels"] if row["share"] > 0.01 and row["least_ms"] > 0]
assert p["predicted"] == len(judged) and p["predicted_near"] == sum(map(near, judged)), p
print("consistent")
P
    check 'each kernel has a prediction' 0 '^consistent' python3 predictions.py one.json
fi
check 'json of several' 0 '"results"' "$fovea" bench add.fvir $short --json --threads=1,2 --backend=$first
cp out several.json
valid several.json
check 'json of nothing' 1 'cannot open' "$fovea" bench missing.onnx --json
[ ! -s out ] && tell "$name: no document" yes || tell "$name: no document" no
check 'json of some' 1 '"median_ms"' "$fovea" bench missing.onnx add.fvir $short --json --backend=$first

# ---- traces ----
check 'trace' 0 . "$fovea" bench "$dates" $short --profile=trace.json --backend=$first
valid trace.json
grep -q '"name":"/model/encoder.0/Softmax.*"ph":"X"' trace.json && tell 'trace names nodes' yes || tell 'trace names nodes' no
check 'trace to nowhere' 1 "cannot write 'none/trace.json'" "$fovea" bench add.fvir $short --profile=none/trace.json --backend=$first
absent none

# ---- compiled libraries ----
if [ "$first" = jit ]; then
    "$fovea" compile add.fvir -o add.so >/dev/null
    check 'library' 0 '^loading' "$fovea" bench add.so $short --at n=3 --profile
    said '^memory .* while loading, '
    said 'add node'
    check 'library and the other' 2 'is no ONNX file: --against-model=F.onnx' "$fovea" bench add.so --against=lib.so
fi

# ---- another runtime ----
check 'standard input twice' 2 '.*--against opens the model twice' "$fovea" bench - $short --against=interp
check 'no library' 1 'cannot be loaded: .*none.so' "$fovea" bench "$dates" $short --against=./none.so --backend=$first
check 'no ELF' 1 'cannot be loaded' "$fovea" bench "$dates" $short --against="$dates" --backend=$first
for other in $(ldconfig -p 2>/dev/null | sed -n 's/.*libm.so.6 .*=> //p' | head -n 1); do
    [ -e "$other" ] || continue
    check "no ONNX Runtime: $other" 1 'is no ONNX Runtime: it has no OrtGetApiBase' "$fovea" bench "$dates" $short --against="$other" --backend=$first
done
# theirs NAME PATTERN: a library that has OrtGetApiBase, of C on standard input, and is something else
theirs() {
    { echo '#include <stddef.h>'
      echo 'typedef struct base { const void *const *(*api)(unsigned); const char *(*version)(void); } base;'
      cat; } >theirs.c
    cc -shared -fPIC theirs.c -o theirs.so && check "$1" 1 "$2" "$fovea" bench "$dates" $short --against=./theirs.so --backend=$first
}
if command -v cc >/dev/null; then
    theirs 'an API of nothing' "is no ONNX Runtime: its OrtGetApiBase gives nothing" <<'C'
const base *OrtGetApiBase(void) { return NULL; }
C
    theirs 'an API without functions' "is no ONNX Runtime: its OrtGetApiBase gives nothing" <<'C'
const base *OrtGetApiBase(void) { static const base b; return &b; }
C
    theirs 'an old API' "is ONNX Runtime 1.2.3, 1.13 or newer is needed" <<'C'
static const void *const *api(unsigned n) { (void)n; return NULL; }
static const char *version(void) { return "1.2.3"; }
const base *OrtGetApiBase(void) { static const base b = {api, version}; return &b; }
C
    theirs 'an API with holes' "is no ONNX Runtime: its table has no [a-z_]+" <<'C'
static const void *const *api(unsigned n) { static const void *const t[200]; (void)n; return t; }
static const char *version(void) { return NULL; }
const base *OrtGetApiBase(void) { static const base b = {api, version}; return &b; }
C
    theirs 'one that needs another' "cannot be loaded: .*undefined symbol: nowhere" <<'C'
extern int nowhere(void);
const base *OrtGetApiBase(void) { return nowhere() ? NULL : NULL; }
C
    head -c 5000 theirs.so >cut.so
    check 'a truncated library' 1 "'./cut.so' cannot be loaded: the file is truncated" "$fovea" bench "$dates" $short --against=./cut.so --backend=$first
fi
check 'a folder' 1 'cannot be loaded' "$fovea" bench "$dates" $short --against=. --backend=$first
if [ -e "${FOVEA_ONNXRUNTIME:-}" ]; then
    check 'against' 0 '^ratio +[0-9.]+ of theirs' "$fovea" bench "$dates" $short --against="$FOVEA_ONNXRUNTIME" --backend=$first
    said '1 of 1 agree'
    check 'against, exactly' 1 'DIFFERS' "$fovea" bench "$dates" $short --against="$FOVEA_ONNXRUNTIME" --atol=0 --rtol=0 --backend=$first
    printf '%s\n' 'fovea-ir 1' 'symbol room 1..64' 'const @n: i32[1] = [3]' 'const @t: i32[] = 4' \
        'func @main(%q: f32[1, 1, 32], %k: f32[1, 1, 16], %key: f32[1, 2, room, 8], %value: f32[1, 2, room, 8]) -> (%y, %keys, %values) {' \
        '  %y, %keys, %values = com.microsoft.GroupQueryAttention(%q, %k, %k, %key, %value, @n, @t) {num_heads = 4, kv_num_heads = 2}' \
        '  return %y, %keys, %values' '}' >placed.fvir
    "$fovea" opt placed.fvir --passes=share -o placed.onnx >/dev/null || tell 'a cache is written as ONNX' no
    # which it has in its own memory, and leaves as it is but for one row
    check 'against, in place' 0 'outputs +3 of 3 agree' "$fovea" bench placed.onnx $short --against="$FOVEA_ONNXRUNTIME" --at room=9 \
        --state key=keys:room --state value=values:room --backend=$first
    check 'against, JSON' 0 '"ratio"' "$fovea" bench "$dates" $short --against="$FOVEA_ONNXRUNTIME" --json --backend=$first
    check 'refused' 1 'onnxruntime [0-9.]+ refuses the model' "$fovea" bench add.fvir $short --against="$FOVEA_ONNXRUNTIME" --against-model=add.fvir --backend=$first
    check 'another model' 1 'sees 1 inputs in the model, we see 2' "$fovea" bench add.fvir $short --against="$FOVEA_ONNXRUNTIME" --against-model="$dates" --backend=$first
fi

check 'itself' 0 '^ratio ' "$fovea" bench "$dates" $short --against=interp --backend=$first --rtol=0 --atol=0
said '1 of 1 agree within 0 \+ 0'
said 'fovea interp, opened in'
if [ "$first" = jit ]; then
    check 'another build' 0 'fovea add.so' "$fovea" bench add.fvir $short --at n=7 --against=add.so --threads=1,2
    said '1 of 1 agree'
    check 'another model of ours' 1 'add.so has other inputs or outputs' "$fovea" bench "$dates" $short --against=add.so
fi

# ---- the command line ----
check 'no model' 2 'MODEL... is missing' "$fovea" bench
check 'no rounds' 2 '--rounds takes more than 0' "$fovea" bench "$dates" --rounds=0
check 'no time' 2 '--seconds takes more than 0' "$fovea" bench "$dates" --seconds=0
check 'against nothing' 2 '--against names no file' "$fovea" bench "$dates" --against=
check 'a trace without a name' 2 'names no file' "$fovea" bench "$dates" --profile=
check 'a trace to standard output' 2 'is no file' "$fovea" bench "$dates" --profile=-
check 'no number' 2 '--rounds takes a number' "$fovea" bench "$dates" --rounds=few
check 'no time' 2 '--seconds takes a number' "$fovea" bench "$dates" --seconds=-1
check 'bad list' 2 '--threads takes a number' "$fovea" bench "$dates" --threads=1,
check 'no list elsewhere' 2 'takes one number here' "$fovea" run "$dates" --threads=1,2
check 'two backends' 2 'takes one of' "$fovea" bench "$dates" --backend=jit,c
check 'bad value' 2 "--at 'n': expected" "$fovea" bench add.fvir --at n
check 'no such dim' 1 "--at 'm=3': there is no dim 'm'; the model has 'n'" "$fovea" bench add.fvir --at m=3 --backend=$first
check 'at a place' 0 '^add.fvir  n = 5' "$fovea" bench add.fvir --at x:0=5 --backend=$first $short
check 'at a place that is fixed so' 0 '^add.fvir  n = 1' "$fovea" bench add.fvir --at x:1=2 --backend=$first $short
check 'at a place that is fixed' 1 "--at 'z:0=3': that dim is 2" "$fovea" bench add.fvir --at z:0=3 --backend=$first
check 'at no place' 1 "--at 'z:1=3': there is no dim 'z:1'" "$fovea" bench add.fvir --at z:1=3 --backend=$first
check 'out of bounds' 1 'n' "$fovea" bench add.fvir --at n=9 --backend=$first
check 'model without library' 2 'it is missing' "$fovea" bench add.fvir --against-model=x.onnx
progress '1 thread: round 2 of 2' "'$fovea' bench add.fvir --at n=5 --backend=interp --threads=1 $short"
# ---- tools/bench ----
if command -v python3 >/dev/null; then
    echo 'raise SystemExit("error: none is written")' >none.py
    measure() { python3 "$root/tools/scripts/performance.py" --fovea "$fovea" --writer none.py --folder measured --out measured "$@"; }
    aim() { python3 "$root/tools/scripts/aims.py" --fovea "$fovea" --writer nowhere.py --folder measured --aims "$root/tools/scripts/aims.txt" "$@"; }
    check 'a point that there is not' 2 "nothing that is measured has 'bret' in its name; there are bert-base" measure --only bret
    check 'no rounds for the points' 2 'take more than 0' measure --rounds 0
    check 'a point without its model' 0 'skipped: there is no nowhere.py, which writes mcu' measure --writer nowhere.py --only mcu --quick
    check 'a part without its model' 0 'skipped: there is no nowhere.py, which writes bert-base' measure --writer nowhere.py --only activations --quick
    if /usr/bin/python3 -c 'import onnx, numpy' 2>/dev/null; then
        check 'a point that cannot be measured' 1 'FAILED: the model could not be written' measure --only mcu --quick
        check 'a part that cannot be measured' 1 'FAILED: the model could not be written' measure --only activations --quick
    else
        check 'models that cannot be written' 0 'skipped: python3-onnx and python3-numpy' measure --only mcu --quick
    fi
    if grep -q avx512_vnni /proc/cpuinfo 2>/dev/null && [ $first = llvm ]; then
        check 'products of bytes' 0 '^integers' measure --only integers --quick
        cp measured/performance.md out
        said '^\| x86-64-v4\+vnni \| [0-9.]+ ms, [0-9]+ of [0-9]+, '
    fi
    check 'an aim without its model' 0 'skipped' aim --only gpt2
    check 'an aim of the roof without its model' 0 '^[|] minilm int8, 128: roof [|].*[|] skipped [|]' \
        aim --aims "$root/tools/scripts/widths.txt" --only 'minilm int8, 128'
    printf 'spotter | dscnn-qdq | --threads=1 | at least 0.1 of the roof\n' >roof.txt
    if /usr/bin/python3 -c 'import onnx, numpy' 2>/dev/null && [ $first = llvm ]; then
        check 'the roof of convolutions' 1 'the products of bytes of a convolution are not counted' aim --aims roof.txt --rounds 1 --seconds 0.1
        printf 'spotter | dscnn-qdq | --threads=1 | at most 1000 of dscnn\n' >own.txt
        check 'a model that is quantized statically' 0 '^[|] spotter [|].*[|] met [|]' aim --aims own.txt --rounds 1 --seconds 0.1
    fi
    printf 'spotter | dscnn | --threads=1 | at least some of the roof\n' >wrong.txt
    check 'an aim without a number' 2 'wrong.txt:1: is not' aim --aims wrong.txt
fi
finish
