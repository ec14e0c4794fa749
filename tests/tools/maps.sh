# Tests `run --attention-maps`: the weights and the page, with labels that fit and labels that do not.
. "$(dirname "$0")/lib.sh"
dates=$root/examples/dates/dates.onnx
set=$root/examples/dates/test/test_data_set_0
evil='../../<script>alert(1)</script>\033[31m\n"'"'"'&/\342\200\256'
# Scores are the products of the rows of x: what the weights have to be is known.
model() {
    cat <<T
fovea-ir 1
module "m"
symbol batch 0..8
symbol n 0..1000
func @main(%x: f32[batch, 2, n, 4]) -> (%y) {
  %t = Transpose(%x) {perm = [0, 1, 3, 2]}
  %s = MatMul(%x, %t)
  %w = Softmax(%s) {axis = -1}    loc("$1")
  %y = MatMul(%w, %x)
  %r = MatMul(%y, %t)
  %u = Softmax(%r) {axis = -1}    loc("$2")
  %z = MatMul(%u, %x)
  return %z
}
T
}
model first second >m.fvir
one="--dim batch=1 --dim n=3"

# ---- files ----
check 'maps' 0 'first -> maps/first.npy' "$fovea" run m.fvir $one --attention-maps maps
said 'second -> maps/second.npy'
said 'page -> maps/index.html'
present maps/first.npy maps/second.npy maps/index.html
grep -q "'shape': (1, 2, 3, 3)" maps/first.npy && tell 'their shape' yes || tell 'their shape' no
[ "$(grep -c '<figure>' maps/index.html)" = 4 ] && tell 'a picture for each head' yes || tell 'a picture for each head' no
grep -q 'self attention, 2 heads of 4; mask: none. Rows are queries (3), columns keys (3)' maps/index.html && tell 'what it is' yes || tell 'what it is' no
# equal inputs have equal weights: a third; and no consumer or number of threads makes other ones
npy same.npy '<f4' '1, 2, 3, 4' "$(printf '\\0%.0s' $(seq 96))"
for how in --backend=interp --backend=c --threads=2 -O0; do
    check "maps $how" 0 'index.html' "$fovea" run m.fvir $one --attention-maps "maps$how" $how
    cmp -s maps/first.npy "maps$how/first.npy" && cmp -s maps/second.npy "maps$how/second.npy" && cmp -s maps/index.html "maps$how/index.html" &&
        tell "$name: the same bits" yes || tell "$name: the same bits" no
done
check 'weights that are known' 0 'index' "$fovea" run m.fvir $one --input x=same.npy --attention-maps same
[ "$(tail -c 72 same/first.npy | od -An -v -tx4 | tr -s '[:space:]' '\n' | sort -u | tr -d '\n')" = 3eaaaaab ] &&
    tell 'thirds' yes || tell 'thirds' no
[ "$(grep -c '<span>0 to 0.333; entropy 1.58 of at most 1.58 bits</span>' same/index.html)" = 4 ] && tell 'their entropy' yes || tell 'their entropy' no
grep -q 'prefers-color-scheme: dark' same/index.html && tell 'dark colours' yes || tell 'dark colours' no
# one key has the whole weight: rows of 100 at different places
npy sharp.npy '<f4' '1, 2, 2, 4' "$(printf '\\0\\0\\310B%s' "$(printf '\\0%.0s' $(seq 16))")$(printf '\\0\\0\\310B%s' "$(printf '\\0%.0s' $(seq 8))")$(printf '\\0%.0s' $(seq 32))"
check 'sharp weights' 0 'index' "$fovea" run m.fvir --input x=sharp.npy --attention-maps sharp
grep -q '<figure>.*head 0 <span>0 to 1; entropy 0.00 of at most 1.00 bits</span>' sharp/index.html && tell 'no entropy' yes || tell 'no entropy' no
npy no_number.npy '<f4' '1, 2, 3, 4' "$(printf '\\0\\0\\300\\177%.0s' $(seq 24))"
check 'weights that are no numbers' 0 'index' "$fovea" run m.fvir $one --input x=no_number.npy --attention-maps no_number
grep -q 'entropy' no_number/index.html && tell 'these have no entropy' no || tell 'these have no entropy' yes
"$fovea" run m.fvir $one -q >plain
"$fovea" run m.fvir $one -q --attention-maps quiet >mapped
cmp -s plain mapped && tell 'outputs stay' yes || tell 'outputs stay' no
check 'as json' 0 '"softmax": "second"' "$fovea" run m.fvir $one --attention-maps maps --json
said '"file": "maps/index.html"'
check 'outputs to standard output' 0 '' "$fovea" run m.fvir $one --attention-maps maps -o -
grep -aq 'maps/' out && tell 'nothing between them' no || tell 'nothing between them' yes
check 'a data set' 0 'model_reader_1_Softmax.npy' "$fovea" run "$dates" --data-set "$set" --attention-maps dates --expect "$set"
said '1 of 1 outputs as expected'
grep -q 'cross attention, 3 heads of 16; mask: padding. Rows are queries (10), columns keys (40)' dates/index.html && tell 'the reader' yes || tell 'the reader' no
grep -q 'src="\|https\?://' dates/index.html && tell 'a page of its own' no || tell 'a page of its own' yes

# ---- names that nobody vouches for ----
model "first" "$(echo "$evil" | sed "s/\\\\033/\\\\x1b/; s/\\\\342\\\\200\\\\256/\\\\xe2\\\\x80\\\\xae/; s/\"/\\\\\"/g")" >evil.fvir
check 'an evil name' 0 'page -> evil/index.html' "$fovea" run evil.fvir $one --attention-maps evil
[ "$(ls evil | LC_ALL=C tr -d 'a-zA-Z0-9_.\n')" = '' ] && [ "$(ls evil | wc -l)" = 3 ] && tell 'safe names' yes || tell 'safe names' no
grep -q '<script>alert\|^"' evil/index.html && tell 'no script but ours' no || tell 'no script but ours' yes
grep -q '&lt;script&gt;alert' evil/index.html && tell 'shown as it is' yes || tell 'shown as it is' no
LC_ALL=C grep -q "$(printf '\033')" evil/index.html && tell 'nothing that does not show' no || tell 'nothing that does not show' yes
model "a/b" "A.b" >case.fvir
check 'names that differ in case' 0 'A.b -> case/A_b_1.npy' "$fovea" run case.fvir $one --attention-maps case
model "index" "index" >index.fvir
check 'two nodes of one name' 0 'index -> twice/index_1.npy' "$fovea" run index.fvir $one --attention-maps twice/

# ---- sizes ----
check 'several entries' 0 'index' "$fovea" run m.fvir --dim batch=3 --dim n=5 --attention-maps entries
grep -q 'entry 2, head 1' entries/index.html && tell 'entries and heads' yes || tell 'entries and heads' no
check 'large maps' 0 'index' "$fovea" run m.fvir --dim batch=1 --dim n=600 --attention-maps large
grep -q 'Each pixel is the largest of 3 x 3 weights' large/index.html && tell 'blocks are told' yes || tell 'blocks are told' no
npy empty.npy '<f4' '1, 2, 0, 4' ''
check 'none' 0 'index' "$fovea" run m.fvir --input x=empty.npy --attention-maps none
grep -q 'It has no weights' none/index.html && tell 'nothing to see' yes || tell 'nothing to see' no
sed 's/f32\[batch/f16[batch/' m.fvir >half.fvir
check 'halves' 0 'index' "$fovea" run half.fvir $one --attention-maps half
grep -q "'<f2'" half/first.npy && tell 'their type' yes || tell 'their type' no
printf '\0\0\300\177%92s' '' | tr ' ' '\0' >nan
{ head -c 128 same.npy; cat nan; } >nan.npy
check 'what is no number' 0 'index' "$fovea" run m.fvir $one --input x=nan.npy --attention-maps nan.d
grep -q 'and what is no number' nan.d/index.html && tell 'told' yes || tell 'told' no

# ---- labels ----
labelled() { check "$1" "$2" "$3" "$fovea" run m.fvir --dim batch=2 --dim n=3 --attention-maps labelled --labels l.json; }
echo '["the", " ", "<b>"]' >l.json
labelled 'labels' 0 'index'
grep -q '>the</text>.*>␣</text>.*>&lt;b&gt;</text>' labelled/index.html && tell 'on the axes' yes || tell 'on the axes' no
echo '[["a", "b", "c"], ["d", "e", "f"]]' >l.json
labelled 'labels of entries' 0 'index'
grep 'entry 0, head 1' labelled/index.html | grep -q '>b</text>' && grep 'entry 1, head 0' labelled/index.html | grep -q '>f</text>' &&
    tell 'each its own' yes || tell 'each its own' no
echo '{"keys": ["a", "b", "c"]}' >l.json
labelled 'labels of keys' 0 'index'
rm -r labelled
badly() {
    echo "$1" >l.json
    labelled "bad labels $1" 1 "$2"
    absent labelled
}
badly '["a"]' 'l.json: its 1 labels fit no axis: .first. has 3 queries, 3 keys and 2 entries'
badly '[["a", "b", "c"]' 'l.json:2:[0-9]+: is no JSON'
badly '[["a"], ["b", "c"]]' 'all as long'
badly '[1, 2]' 'the document is neither a list of strings'
badly '[]' 'its 0 labels fit no axis'
badly '"a"' 'is no JSON'
badly '{}' 'neither a list nor an object'
badly '{"rows": ["a"]}' 'neither a list nor an object'
badly '{"keys": 1}' 'keys is neither'
badly '[["a", "b", "c"], ["a", "b", "c"], ["a", "b", "c"]]' 'its 3 labels of 3 entries fit no axis'
badly '{"keys": ["a", "b", "c"], "queries": ["a"]}' 'its 1 labels fit no axis'
check 'no labels' 1 'none.json' "$fovea" run m.fvir $one --attention-maps labelled --labels none.json
check 'labels alone' 2 'needs --attention-maps' "$fovea" run m.fvir $one --labels l.json

# ---- what has no maps ----
cat >plain.fvir <<'T'
fovea-ir 1
module "m"
func @main(%x: f32[2, 4]) -> (%y) {
  %y = Softmax(%x)
  return %y
}
T
check 'no attention' 1 'no attention whose weights could be mapped' "$fovea" run plain.fvir --attention-maps plain.d
absent plain.d
check 'standard input' 2 'not from standard input' "$fovea" run - --attention-maps d
"$fovea" compile plain.fvir -q -o plain.fvk && check 'kernels' 1 'needs a graph: it holds kernels' "$fovea" run plain.fvk --attention-maps d
"$fovea" compile plain.fvir -q -o plain.fvd && check 'definitions' 1 'needs a graph: it holds definitions' "$fovea" run plain.fvd --attention-maps d
touch file

# ---- in loops: turns are queries where a turn has one; a loop in a loop; keys that grow, and a branch ----
cat >loop.fvir <<'T'
fovea-ir 1
module "loop"
symbol t 0..1000 data
symbol u 0..1000 data
symbol v 0..1000 data
symbol k 0..1000 data
const @three: i64[] = 3
const @two: i64[] = 2
const @yes: bool[] = true
const @axes: i64[1] = [1]
func @main(%x: f32[2, 1, 4], %keys: f32[2, 4, 5], %m: i64[]) -> (%y, %z, %h, %g) {
  %y = Loop(@three, @yes, %x) {body = ^(%i: i64[] = [t], %c: bool[] = [1], %s: f32[2, 1, 4]) {
    %p = MatMul(%s, %keys)
    %w = Softmax(%p)    loc("one")
    %back = Transpose(%keys) {perm = [0, 2, 1]}
    %r = MatMul(%w, %back)
    %in = Loop(@two, @yes, %r) {body = ^(%j: i64[] = [u], %d: bool[] = [1], %e: f32[2, 1, 4]) {
      %p_1 = MatMul(%e, %keys)
      %w_1 = Softmax(%p_1)    loc("inner")
      %r_1 = MatMul(%w_1, %back)
      return %d, %r_1
    }}
    return %c, %in
  }}
  %z, %h = Loop(@two, @yes, %x, %keys) {body = ^(%l: i64[] = [v], %f: bool[] = [1], %n: f32[2, 1, 4], %all: f32[2, 4, k]) {
    %p_2 = MatMul(%n, %all)
    %w_2 = Softmax(%p_2)    loc("grows")
    %back_2 = Transpose(%all) {perm = [0, 2, 1]}
    %r_2 = MatMul(%w_2, %back_2)
    %t_2 = Transpose(%r_2) {perm = [0, 2, 1]}
    %more = Concat(%all, %t_2) {axis = 2}
    return %f, %r_2, %more
  }}
  %go = Cast(%m) {to = 9}
  %g = If(%go) {then_branch = ^() {
    %p_3 = MatMul(%x, %keys)
    %w_3 = Softmax(%p_3)    loc("branch")
    %back_3 = Transpose(%keys) {perm = [0, 2, 1]}
    %r_3 = MatMul(%w_3, %back_3)
    return %r_3
  }, else_branch = ^() {
    return %x
  }}
  return %y, %z, %h, %g
}
T
check 'maps of loops' 0 'one -> loops/one.npy' "$fovea" run loop.fvir --attention-maps loops
grep -q "no map of 'grows': each iteration of a loop has other keys" err && tell 'keys that grow' yes || tell 'keys that grow' no
grep -q "no map of 'branch': it is in a branch" err && tell 'a branch' yes || tell 'a branch' no
grep -q "'shape': (3, 2, 1, 5)" loops/one.npy && tell 'a row for each turn' yes || tell 'a row for each turn' no
grep -q "'shape': (3, 2, 2, 1, 5)" loops/inner.npy && tell 'of both loops' yes || tell 'of both loops' no
grep -q 'Rows are queries (3), columns keys (5)' loops/index.html && grep -q 'Rows are queries (2), columns keys (5)' loops/index.html &&
    tell 'turns are queries' yes || tell 'turns are queries' no

check 'no folder' 1 'cannot make the folder file' "$fovea" run m.fvir $one --attention-maps file
check 'nowhere' 1 'cannot make the folder' "$fovea" run m.fvir $one --attention-maps no/such/folder
mkdir spared && cp m.fvir spared/index.html
check 'the model is spared' 1 'would overwrite the model' "$fovea" run spared/index.html $one --attention-maps spared
finish
