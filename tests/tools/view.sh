# Tests `view`: the page and its content, names from untrusted models, and models that cannot be shown. Opens the page
# in Chromium if it is installed.
. "$(dirname "$0")/lib.sh"
dates=$root/examples/dates/dates.onnx

# ops FILE: as other commands count them, of the model and after the passes
ops() {
    "$fovea" inspect "$1" --ops -q | awk '$1 == "all" { print $2 }'
    "$fovea" opt "$1" -q | sed -n '/^func/,$p' | grep -cE '^ *([%_].* = |fv\.[A-Za-z]+\()'
}
# shown FILE: as the page has them, both together
shown() { grep -o '"op":"' "$1" | wc -l; }
same() { [ "$2" = "$3" ] && tell "$1" yes || { echo "$2, expected $3"; tell "$1" no; }; }

# ---- a page of its own ----
check 'inspect counts as many ops' 0 '^operators +235 in the model: .*; 202 after the passes' "$fovea" inspect "$dates"
check 'dates' 0 '^ops +235, 202 after the passes' "$fovea" view "$dates" -o dates.html
said '^dates.html'
said '^kernels +[0-9]+, [0-9]+ launches'
same 'the ops of dates' "$(shown dates.html)" $(($(ops "$dates" | paste -sd+)))
grep -q '"predicted_ms":' dates.html && grep -q '"estimate":"the table of processors, ' dates.html && tell 'predicted times' yes || tell 'predicted times' no
grep -q 'src=\|href=\|https\?://\|@import\|url(' dates.html && tell 'it loads nothing' no || tell 'it loads nothing' yes
grep -q 'Content-Security-Policy" content="default-src .none' dates.html && tell 'it may load nothing' yes || tell 'it may load nothing' no
"$fovea" view "$dates" -q -o again.html >out 2>err
cmp -s dates.html again.html && tell 'the same bytes again' yes || tell 'the same bytes again' no
[ -s out ] || [ -s err ] && tell 'quiet' no || tell 'quiet' yes
check 'standard output' 0 '' "$fovea" view "$dates" -o -
cmp -s out dates.html && tell 'the page alone' yes || tell 'the page alone' no
check 'standard input' 0 'ops' sh -c '"$0" view - -o piped.html <"$1"' "$fovea" "$dates"
for how in -O0 --schedule=naive --target=cortex-m4 --passes=legalise; do
    check "dates $how" 0 'ops +235' "$fovea" view "$dates" $how -o how.html
done

# ---- what it holds ----
layer m.fvir '%r = Relu(%h)    loc("/block/relu")' '%y = Mul(%r, %r)    loc("/block/mul")'
check 'as json' 0 '"schema": 1' "$fovea" view m.fvir --json --dim n=4
said '"name": "Mul_0"'
said 'element %r\[i0, i1\] = max\(%h\[i0, i1\], 0.0\)'
said 'static M_KERNEL void m_Mul_0'
said '"/block/relu"'
same 'all ops are of the one kernel' "$(grep -A1 '"launches": \[' out | grep -c '^ *0$')" 3
layer two.fvir '%a = Softmax(%h) {axis = 1}' '%b = MatMul(%a, %h2)' '%y = Softmax(%b) {axis = 1}'
sed -i 's/^  %h = .*/&\n  %h2 = Transpose(%h)/' two.fvir
check 'memory' 0 '"bound": [1-9]' "$fovea" view two.fvir --json --dim n=4
said '"workspace": [1-9]'
cat >branch.fvir <<'T'
fovea-ir 1
module "branch"
symbol n 0..1000
func @main(%x: f32[n, 3], %c: bool[]) -> (%y) {
  %z = If(%c) {then_branch = ^() {
    %a = Relu(%x)
    return %a
  }, else_branch = ^() {
    %b = Concat(%x, %x) {axis = 0}
    return %b
  }}
  %y = Softmax(%z) {axis = 1}
  return %y
}
T
check 'branches' 0 '^ops +4, 4' "$fovea" view branch.fvir -o branch.html
same 'the ops of branches' "$(shown branch.html)" $(($(ops branch.fvir | paste -sd+)))
grep -q '"name":"else_branch"' branch.html && tell 'a box for a branch' yes || tell 'a box for a branch' no
printf '%s\n' 'fovea-ir 1' 'module "none"' 'func @main(%x: f32[2]) -> (%x) {' '  return %x' '}' >none.fvir
check 'a model without ops' 0 '^ops +0, 0' "$fovea" view none.fvir -o none.html

# exported models, where they are: an encoder, a decoder, one with an If, one with a Loop
shared=
for model in enc_bert_base_like dec_llama_gqa_past npm_silero_vad_v5 s2s_gru_bahdanau_loop; do
    file=${FOVEA_SHARED:-$root/../shared}/models/$model/model.onnx
    [ -f "$file" ] || continue
    shared="$shared $model"
    check "$model" 0 '^ops' "$fovea" view "$file" -o $model.html
    same "the ops of $model" "$(shown $model.html)" $(($(ops "$file" | paste -sd+)))
done
[ -n "$shared" ] || echo "exported models: skipped, there are none in ../shared"

# two layers of 31 ops, of which one reads a weight of the layer, and six ops in front of them
flat() {
    printf '%s\n' 'fovea-ir 1' 'module "flat"' 'const @`m.norm.weight`: f32[2] = [1, 2]'
    printf 'const @`m.layers.%d.ln.weight`: f32[2] = [1, 2]\n' 0 1
    printf 'func @main(%%x0: f32[2]) -> (%%y) {\n'
    for i in $(seq 68); do
        case $i in
        7 | 38) echo "%x$i = Mul(%x$((i - 1)), @\`m.layers.$((i / 38)).ln.weight\`) loc(\"$1/Mul_$i\")" ;;
        *) echo "%x$i = Sigmoid(%x$((i - 1))) loc(\"$1/Sigmoid_$i\")" ;;
        esac
    done
    printf '%%y = Mul(%%x68, @`m.norm.weight`) loc("%s/Mul_69")\nreturn %%y\n}\n' "$1"
}
for path in '' /m /m/n; do
    flat "$path" >flat.fvir
    check "layers by weights in '$path'" 0 '^ops +69, 69' "$fovea" view flat.fvir -o flat.html
    same 'both layers, in both graphs' "$(grep -o '"path":"'$path'/layers.[01]","parent":0,"op":-1,"ops":31' flat.html | sort | uniq -c | grep -c '^ *2 ')" 2
done

# ---- names ----
evil='</script><img src=x onerror=alert(1)><!--<script>'
sed "s|/block/relu|/$evil/$evil|; s|/block/mul|/\\\\x1b[31m\\\\xe2\\\\x80\\\\xae\\\\xff$evil/b|; s|module \"m\"|module \"$evil\"|" m.fvir >"evil&lt;.fvir"
check 'evil names' 0 'ops' "$fovea" view "evil&lt;.fvir" -o evil.html
same 'no tags but ours' "$(grep -o '<[/!]*[a-z-]*' evil.html | grep -c '<!-\|<img\|</script')" 2
LC_ALL=C grep -q "$(printf '[\033\177\377]')" evil.html && tell 'nothing that does not show' no || tell 'nothing that does not show' yes

# ---- a profile ----
trace() { printf '{"traceEvents": [%s]}' "$1" >profile.json; }
trace '{"name": "x", "dur": 1500, "args": {"kernel": "Mul_0"}}, {"name": "x", "dur": 500, "args": {"kernel": "Mul_0"}}'
check 'a profile' 0 '"ms": 2.0' "$fovea" view m.fvir --json --profile=profile.json
noted 'profile.json: states no dims and no target'
"$fovea" view m.fvir --json >out 2>err
name='no profile'
grep -q '"ms"\|run_ms' out && tell "$name: no times" no || tell "$name: no times" yes
cat >layers.fvir <<'T'
fovea-ir 1
module "layers"
symbol n 0..9
const @v: f32[2, 2] = [1, 2, 3, 4]
const @w: f32[2, 2] = [4, 3, 2, 1]
func @main(%x: f32[n, 2]) -> (%y) {
  %a = MatMul(%x, @v)    loc("/m/layer.0/up/MatMul")
  %b = Relu(%a)    loc("/m/layer.0/up/Relu")
  %c = MatMul(%b, @w)    loc("/m/layer.1/up/MatMul")
  %d = Relu(%c)    loc("/m/layer.1/up/Relu")
  %y = Softmax(%d) {axis = -1}    loc("/m/head")
  return %y
}
T
check 'names in the model' 0 '"label": "/m/layer.[*]/up"' "$fovea" view layers.fvir --json
same 'names of the launches' "$(sed -n '/^  "launches"/,/^  "memory"/p' out | grep -oE '"/m/(layer.[01]/up|head)"' | sort | uniq -c | awk '{ print $1, $2 }' | paste -sd' ')" \
    '2 "/m/head" 1 "/m/layer.0/up" 1 "/m/layer.1/up"'
said '"dims": "n = 1"'
check 'a dim of the run' 0 '"dims": "n = 5"' "$fovea" view layers.fvir --json --at n=5
check 'which it cannot have' 1 "'n'|n=10" "$fovea" view layers.fvir --json --at n=10
for wrong in n=-1 n n= =3; do
    check "malformed --at $wrong" 2 "--at '$wrong': expected NAME=N" "$fovea" view layers.fvir --json --at $wrong
done
# named A B LABEL: the two layers have these names, and the kernel that computes them this label
named() {
    sed "s|/m/layer.0/up/[A-Za-z]*|$1|; s|/m/layer.1/up/[A-Za-z]*|$2|" layers.fvir >names.fvir
    check "$1 and $2" 0 "^      \"label\": \"$3\"" "$fovea" view names.fvir --json
}
named /m/layeré/up /m/layerè/up '/m/layer[*]/up'
named /m/é /m/éé '/m/\\u00E9[*]'
named /m/0/left,right /m/1/left,right '/m/[*]/left,right'
named /first /second '/first, [.][.][.]'
named /m/first /n/second '/m/first, [.][.][.]'
check 'weights' 0 '"constants"' "$fovea" view layers.fvir --json
same 'each with its size' "$(sed -n '/"constants": \[/,/"live"/p' out | grep -c '"f32"')" 2
check 'a profile is made' 0 '' "$fovea" bench layers.fvir --backend=interp --at n=7 -q --rounds=1 --seconds=0.01 --profile=made.json
check 'its dims are those of the page' 0 '"dims": "n = 7"' "$fovea" view layers.fvir --json --profile=made.json
said '"run_ms"'
check 'the same dims again' 0 '"dims": "n = 7"' "$fovea" view layers.fvir --json --profile=made.json --at n=7
sed 's/"kernel": *"[^"]*"/"kernel": "Other_7"/' made.json >others.json
check 'dims are checked before kernels' 1 'others.json: was measured with n = 7' "$fovea" view layers.fvir -o p.html --profile=others.json --at n=6
check 'other kernels' 1 "others.json: its kernel 'Other_7' is none of this model's" "$fovea" view layers.fvir -o p.html --profile=others.json
sed 's/"n": *7/"n": 10/' made.json >large.json
check 'dims that the model cannot have' 1 'large.json: was measured with n = 10, which the model has within 0..9' "$fovea" view layers.fvir -o p.html --profile=large.json
for value in 7.5 '"7"' null; do
    sed "s/\"n\": *7/\"n\": $value/" made.json >odd.json
    check "the dim $value" 1 "odd.json: its dim 'n' is no integer" "$fovea" view layers.fvir -o p.html --profile=odd.json
done
cp made.json kept.json
check 'onto the profile' 1 '-o made.json would overwrite what was read' "$fovea" view layers.fvir --profile=made.json -o made.json
cmp -s made.json kept.json && tell 'the profile stays' yes || tell 'the profile stays' no
check 'other dims' 1 'made.json: was measured with n = 7, the page is for n = 6: without --at' "$fovea" view layers.fvir -o p.html --profile=made.json --at n=6
check 'a fixed dim' 1 'made.json: was measured with n = 7, the page is for no dims' "$fovea" view layers.fvir -o p.html --profile=made.json --dim n=7
case $(uname -m) in x86_64) other=x86-64-v2 ;; *) other=generic ;; esac
check 'another target' 1 "made.json: was measured for target .*, the page is for $other" "$fovea" view layers.fvir -o p.html --profile=made.json --target=$other

# ---- a compiled library ----
case $(uname -m) in x86_64) levels=x86-64,x86-64-v2 ;; *) levels=aarch64,aarch64+dotprod ;; esac
if "$fovea" compile layers.fvir --target=$levels -q -o layers.so 2>err; then
    check 'a library' 0 '^kernels +2, 3 launches$' "$fovea" view layers.so -o lib.html
    grep -q '"library":true' lib.html && tell 'it says so' yes || tell 'it says so' no
    grep -q 'src=\|href=\|https\?://\|@import\|url(' lib.html && tell 'its page loads nothing' no || tell 'its page loads nothing' yes
    check 'its names' 0 '"label": "/m/layer.[*]/up"' "$fovea" view layers.so --json
    said '"weights": [1-9]'
    check 'its dims' 0 '"dims": "n = 3"' "$fovea" view layers.so --json --dim n=3
    check 'a malformed dim of it' 2 "--at 'n=': expected NAME=N" "$fovea" view layers.so --json --at n=
    mkdir far
    "$fovea" compile layers.fvir --weights=file -q -o far/b.so
    cp far/b.weights kept.weights
    check 'onto the weights' 1 '-o far/b.weights would overwrite what was read' "$fovea" view far/b.so -o far/b.weights
    cmp -s far/b.weights kept.weights && tell 'the weights stay' yes || tell 'the weights stay' no
    check 'a profile of it' 0 '' "$fovea" bench layers.so --at n=7 -q --rounds=1 --seconds=0.01 --profile=lib.json
    check 'which the page shows' 0 '"run_ms"' "$fovea" view layers.so --json --profile=lib.json
    said '"dims": "n = 7"'
    check 'with other dims' 1 'was measured with n = 7, the page is for n = 6' "$fovea" view layers.so -o p.html --profile=lib.json --at n=6
    strip layers.so && check 'without symbols' 0 '"weights": null' "$fovea" view layers.so --json
    head -c 3000 layers.so >cut.so
    check 'a truncated library' 1 'cut.so: error: ' "$fovea" view cut.so -o p.html
else
    cat err
    echo 'a compiled library: skipped, none can be made'
fi
trace '{"name": "x", "dur": 1, "args": {"kernel": "Other_7"}}'
check 'of another model' 1 "profile.json: its kernel 'Other_7' is none of this model's" "$fovea" view m.fvir -o p.html --profile=profile.json
for event in '{"dur": 1, "args": {}}' '{"dur": 1, "args": 3}' '{"args": {"kernel": "Mul_0"}}' '{"dur": -1, "args": {"kernel": "Mul_0"}}' 7 null; do
    trace "$event"
    check "event $event" 1 'profile.json: an event of it names no kernel, or has no duration' "$fovea" view m.fvir -o p.html --profile=profile.json
done
trace ''
check 'no events' 1 'profile.json: holds no events' "$fovea" view m.fvir -o p.html --profile=profile.json
echo '{' >profile.json
check 'no JSON' 1 'profile.json: line [0-9]+:' "$fovea" view m.fvir -o p.html --profile=profile.json
check 'no profile there' 1 'absent.json' "$fovea" view m.fvir -o p.html --profile=absent.json
check 'no file named' 2 'of which file' "$fovea" view m.fvir -o p.html --profile
absent p.html

# ---- what cannot be shown ----
check 'nowhere to go' 2 'where to\? -o F.html' "$fovea" view m.fvir
check 'two places' 2 '--json .* -o does not apply' "$fovea" view m.fvir --json -o p.html
check 'no model' 2 'view' "$fovea" view
check 'two models' 2 'view' "$fovea" view m.fvir m.fvir -o p.html
check 'absent' 1 'absent.onnx' "$fovea" view absent.onnx -o p.html
echo nothing >broken.onnx
check 'broken' 1 'broken.onnx: error' "$fovea" view broken.onnx -o p.html
"$fovea" compile m.fvir -q -o m.fvk
check 'kernels' 1 'm.fvk: error: holds kernels; a page is of a graph' "$fovea" view m.fvk -o p.html
"$fovea" compile m.fvir -q --emit=definitions -o m.fvd
check 'definitions' 1 'holds definitions' "$fovea" view m.fvd -o p.html
check 'a text that is wrong' 1 'error' sh -c 'echo "fovea-ir 1" | "$0" view - -o p.html' "$fovea"
absent p.html
cp m.fvir kept.fvir
check 'onto the model' 1 'm.fvir' "$fovea" view m.fvir -o m.fvir
cmp -s m.fvir kept.fvir && tell 'the model stays' yes || tell 'the model stays' no
check 'a folder that is not there' 1 'absent/p.html' "$fovea" view m.fvir -o absent/p.html
check 'no such pass' 2 "there is no pass 'folde'" "$fovea" view m.fvir --passes=folde -o p.html
check 'help' 0 'fovea view bert.onnx -o bert.html' "$fovea" view --help

# ---- as a browser shows it ----
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome)
# opened FILE [PART]: what the document has become at that part of the page, or when all boxes are open
opened() {
    timeout 100 "$browser" --headless=new --no-sandbox --disable-gpu --user-data-dir="$work/browser" --virtual-time-budget=4000 --window-size=1280,800 \
        --dump-dom "file://$work/$1#${2:-graph&open=all}" 2>/dev/null
}
if [ -n "$browser" ] && opened none.html | grep -q 'data-ready'; then
    for page in dates branch evil none $([ -e lib.html ] && echo lib) $shared; do
        opened $page.html >dom
        same "$page: ops that are drawn" "$(grep -o 'data-drawn="[0-9]*"' dom | tr -dc '0-9\n' | paste -sd+ | { read -r sum && echo $((sum)); })" "$(shown $page.html)"
        grep -q '<img' dom && tell "$page: no element but ours" no || tell "$page: no element but ours" yes
    done
    opened dates.html kernels >dom
    grep -q '/model/encoder.\*/qkv' dom && tell 'kernels have names of the model' yes || tell 'kernels have names of the model' no
    if [ -e lib.html ]; then
        opened lib.html >dom
        grep -q 'Kernels in the order of their first launches' dom && grep -q 'A compiled library' dom && tell 'the page of a library' yes || tell 'the page of a library' no
    fi
    opened dates.html memory >dom
    grep -q 'Weights by size' dom && tell 'weights by size' yes || tell 'weights by size' no
else
    echo "as a browser shows it: skipped, there is no Chromium that starts"
fi
finish
