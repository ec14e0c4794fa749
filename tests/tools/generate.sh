# fovea generate: ids with and without caches, chunks, batches, draws; what cannot be generated.
. "$(dirname "$0")/lib.sh"
cp "$root/examples/stories/stories.onnx" .
export FOVEA_CACHE_DIR=$work/cache # most commands here compile the same
story='--ids 0,20,12,5 --tokens 30'
# ids COMMAND...: its standard output
ids() { "$@" -q 2>err </dev/null; }
# same NAME TEXT TEXT
same() { if [ -n "$2" ] && [ "$2" = "$3" ]; then tell "$1" yes; else echo "$2 | $3"; tell "$1" no; fi; }

# The reference: for each id the whole sequence is one prompt of a run of its own, so no cache is passed on.
reference=
for _ in 1 2 3 4 5 6 7 8; do
    id=$(ids "$fovea" generate stories.onnx --ids "0,20,12,5${reference:+,$reference}" --tokens 1 --prefill 100)
    reference=${reference:+$reference,}$id
done
found=$(ids "$fovea" generate stories.onnx --ids 0,20,12,5 --tokens 8)
same 'as without caches' "$reference" "$found"
all=$(ids "$fovea" generate stories.onnx $story)
for o in '--prefill 1' '--prefill 3' '--threads 2' '--backend=interp' '--schedule=naive' '--dim s=1' '--dim batch=1' '--dim batch=3' \
    '--state past_key_values.*=present.*' '--state past_key_values.*=present.*:33' '-O0'; do
    # shellcheck disable=SC2086
    same "$o" "$all" "$(ids "$fovea" generate stories.onnx $story $o)"
done
for states in '' '--state past_key_values.*=present.*' '--state past_key_values.*=present.*:40'; do
    # shellcheck disable=SC2086
    "$fovea" compile stories.onnx $states -q -o stories.so
    same "a library, ${states:-no states}" "$all" "$(ids "$fovea" generate ./stories.so $story)"
done
check 'times' 0 '^prefill  4 ids in [0-9.]+ ms, [0-9.]+ per second' "$fovea" generate stories.onnx $story
noted '^decode   29 ids in '
check 'as JSON' 0 '"caches_in_place": 6' "$fovea" generate stories.onnx $story --json --stop "${reference%%,*}"
said '"caches": 6'
said '"stopped": true'
said '"prefill_ids": 4'
said '"tokens_per_second": null'
same 'an id to stop at is the last one' "${found%%,*}" "$(ids "$fovea" generate stories.onnx $story --stop "35,${found%%,*}")"

for o in '--dim s=1' -O3 '--disable fold' '--script none.lua' '--pipeline none.lua'; do
    # shellcheck disable=SC2086
    check "a library with $o" 0 '^[0-9,]+$' "$fovea" generate ./stories.so $story $o
    case $o in -O3) o=-O ;; esac
    noted "stories.so: note: is compiled already, ${o%% *} does nothing"
done

# ---- several sequences ----
one=$(ids "$fovea" generate stories.onnx --ids 0,20 --tokens 6)
two=$(ids "$fovea" generate stories.onnx --ids 0,12,9 --tokens 6)
three=$(ids "$fovea" generate stories.onnx --ids 5,6 --tokens 6)
together=$(printf '%s\n' "$one" "$two" "$three")
same 'several prompts' "$together" "$(ids "$fovea" generate stories.onnx --ids '0,20;0,12,9' --ids 5,6 --tokens 6)"
same 'a batch of one' "$together" "$(ids "$fovea" generate stories.onnx --ids '0,20;0,12,9' --ids 5,6 --tokens 6 --dim batch=1)"

# ---- draws ----
drawn() { ids "$fovea" generate stories.onnx --tokens 12 --temperature 1.5 "$@"; }
first=$(drawn --ids 0,20 --seed 4)
same 'the same seed' "$first" "$(drawn --ids 0,20 --seed 4 --prefill 1 --backend=interp)"
same 'the first of several' "$first" "$(drawn --ids '0,20;5,6;1' --seed 4 | head -n 1)"
[ "$first" != "$(drawn --ids 0,20 --seed 5)" ] && tell 'another seed' yes || tell 'another seed' no
[ "$(drawn --ids '0,20;0,20' --seed 4 | sort -u | wc -l)" = 2 ] && tell 'each prompt has its own series' yes || tell 'each prompt has its own series' no
same 'top_k 1' "$(ids "$fovea" generate stories.onnx --ids 0,20 --tokens 12)" "$(drawn --ids 0,20 --top-k 1)"
same 'a small top_p' "$(ids "$fovea" generate stories.onnx --ids 0,20 --tokens 12)" "$(drawn --ids 0,20 --top-p 0.001)"

# ---- names of inputs, all of which a model adds up ----
# decoder FILE SYMBOLS INPUTS OPS [CONSTANTS]: logits favour the id whose number is %sum modulo 7
decoder() {
    {
        printf '%s\n' 'fovea-ir 1' 'module "m"'
        printf '%s\n' $2 | sed 's/:/ /g'
        printf '%s\n' 'const @seven: i64[] = 7' 'const @one: i64[] = 1' 'const @depth: i64[] = 7' 'const @values: f32[2] = [0, 1]'
        [ $# -lt 5 ] || printf '%s\n' "$5"
    } >"$1"
    printf 'func @main(%s) -> (%%logits) {\n%s\n' "$3" "$4" >>"$1"
    printf '%s\n' '  %next = Mod(%sum, @seven)' '  %logits = OneHot(%next, @depth, @values)' '  return %logits' '}' >>"$1"
}
decoder plus.fvir 'symbol:b:1..4 symbol:s:1..20' '%input_ids: i64[b, s]' '  %sum = Add(%input_ids, @one)'
check 'no caches' 0 '^4,5,6,0,1$' "$fovea" generate plus.fvir --ids 1,3 --tokens 5
noted 'note: the model has no caches: each run computes the whole sequence'
check 'too few positions' 1 'error: the model has at most 20 positions; a prompt of 2 ids and 20 more need 21' \
    "$fovea" generate plus.fvir --ids 1,3 --tokens 20
check 'all positions' 0 '^4,5,6(,[0-6]){16}$' "$fovea" generate plus.fvir --ids 1,3 --tokens 19
decoder fixed.fvir '' '%idx: i64[2, 6]' '  %sum = Add(%idx, @one)'
check 'a fixed length and batch' 0 '^4,5,6$' "$fovea" generate fixed.fvir --ids '1,3;6;2,2' --tokens 3
said '^0,1,2$'
said '^3,4,5$'
check 'longer than the fixed length' 1 'at most 6 positions' "$fovea" generate fixed.fvir --ids 1,3 --tokens 6
decoder mask.fvir 'symbol:b:1..4 symbol:s:1..20 symbol:t:0..20' \
    '%input_ids: i64[b, s], %attention_mask: i64[b, t], %position_ids: i64[b, s], %token_type_ids: i64[b, s], %use_cache_branch: bool[1]' \
    '  %ones = ReduceSum(%attention_mask) {keepdims = 0}
  %a = Add(%input_ids, %position_ids)
  %b = Add(%a, %token_type_ids)
  %c = Cast(%use_cache_branch) {to = 7}
  %d = Add(%b, %c)
  %sum = Add(%d, %ones)'
# 1 at position 0, one position: 2; 2 at 1, two positions: 5; 5 at 2, three: 10 = 3
check 'masks and positions' 0 '^2,5,3$' "$fovea" generate mask.fvir --ids 1 --tokens 3
for kind in bool i32 f32 f16 bf16; do
    case $kind in bool | i32) seen='Identity(%mask)' ;; *) seen='Equal(%mask, @zero)' ;; esac
    for shape in 's, t' '1, s, t'; do
        case $shape in 1*) mask='Squeeze(%attention_mask, @one_axis)' ;; *) mask='Identity(%attention_mask)' ;; esac
        decoder rows.fvir 'symbol:b:1..4 symbol:s:1..20 symbol:t:0..20' "%input_ids: i64[b, s], %attention_mask: ${kind}[b, $shape]" \
            "  %mask = $mask
  %seen = $seen
  %ones = Cast(%seen) {to = 7}
  %positions = ReduceSum(%ones, @last) {keepdims = 0}
  %sum = Add(%input_ids, %positions)" "const @one_axis: i64[1] = [1]
const @last: i64[1] = [-1]
const @zero: ${kind}[] = 0"
        # 1 at position 0 attends to one position: 2; 2 at 1 to two: 4; 4 at 2 to three: 7 = 0
        check "a mask of rows, ${kind}[b, $shape]" 0 '^2,4,0$' "$fovea" generate rows.fvir --ids 1 --tokens 3
    done
done
decoder ort.fvir 'symbol:b:1..4 symbol:s:1..20' \
    '%input_ids: i32[b, s], %seqlens_k: i32[b], %total_sequence_length: i32[], %past_sequence_length: i32[1]' \
    '  %ids = Cast(%input_ids) {to = 7}
  %last = ReduceSum(%seqlens_k) {keepdims = 0}
  %x = Add(%last, %total_sequence_length)
  %y = Add(%x, %past_sequence_length)
  %z = Cast(%y) {to = 7}
  %sum = Add(%ids, %z)'
# 1 + last 0 + total 1 + past 0 = 2; 2 + 1 + 2 = 5; 5 + 2 + 3 = 10 = 3
check 'lengths' 0 '^2,5,3$' "$fovea" generate ort.fvir --ids 1 --tokens 3
decoder given.fvir 'symbol:b:1..4 symbol:s:1..20' '%tokens: i64[b, s], %bias: i64[1]' '  %sum = Add(%tokens, %bias)'
npy bias.npy '<i8' '1,' '\2\0\0\0\0\0\0\0'
check 'an input of the caller' 0 '^3,5,0$' "$fovea" generate given.fvir --ids 1 --tokens 3 --input bias=bias.npy
check 'an input without value' 1 "^given.fvir: error: input 'bias' \\(i64\\[1\\]\\) cannot be filled: .*--input bias=FILE" \
    "$fovea" generate given.fvir --ids 1
check 'an input that is none' 1 "there is no input 'bais'; did you mean 'bias'" "$fovea" generate given.fvir --ids 1 --input bais=bias.npy
decoder rows.fvir 'symbol:b:1..4 symbol:s:1..20' '%tokens: i64[b, s], %bias: i64[b, 1]' '  %sum = Add(%tokens, %bias)'
npy rows.npy '<i8' '2, 1' '\2\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0'
npy row.npy '<i8' '1, 1' '\2\0\0\0\0\0\0\0'
check 'an entry of the batch for each prompt' 0 '^3,5,0$' "$fovea" generate rows.fvir --ids '1;1' --tokens 3 --input bias=rows.npy
said '^4,0,3$'
check 'one entry for all prompts' 0 '^3,5,0$' "$fovea" generate rows.fvir --ids '0,1;1' --tokens 3 --input bias=row.npy
check 'another batch' 1 "input 'bias' has a batch of 2, expected 1, or that many prompts of equal length" \
    "$fovea" generate rows.fvir --ids '1;2,1' --tokens 3 --input bias=rows.npy
check 'a batch of fewer prompts' 1 "input 'bias' has a batch of 2" "$fovea" generate rows.fvir --ids 1 --tokens 3 --input bias=rows.npy
check 'an input of another size' 1 "input 'bias' has" "$fovea" generate rows.fvir --ids 1 --tokens 3 --input bias=bias.npy
decoder cache.fvir 'symbol:b:1..4 symbol:s:1..20' '%tokens: i64[b, s], %past_k: f32[b, s, 2]' '  %sum = Add(%tokens, @one)'
check 'a cache without its next value' 1 "input 'past_k' .* cannot be filled: no output has the name of its next value.*--state past_k=OUTPUT" \
    "$fovea" generate cache.fvir --ids 1

# ---- caches that are told, and that are copied ----
cat >told.fvir <<'T'
fovea-ir 1
module "told"
symbol b 1..4
symbol s 1..20
symbol p 0..20
const @seven: i64[] = 7
const @depth: i64[] = 7
const @values: f32[2] = [0, 1]
const @axis: i64[1] = [1]
func @main(%tokens: i64[b, s], %old: i64[b, p]) -> (%logits, %new) {
  %new = Concat(%tokens, %old) {axis = 1}
  %sum = ReduceSum(%new, @axis) {keepdims = 1}
  %next = Mod(%sum, @seven)
  %logits = OneHot(%next, @depth, @values)
  return %logits, %new
}
T
sed 's/%old/%past/g; s/%new/%present/g' told.fvir >copied.fvir
check 'told' 0 '^3,6,5,3$' "$fovea" generate told.fvir --ids 1,2 --tokens 4 --state old=new
check 'not told' 1 'no input is a tensor of ids|cannot be filled' "$fovea" generate told.fvir --ids 1,2
check 'copied' 0 '^3,6,5,3$' "$fovea" generate copied.fvir --ids 1,2 --tokens 4
noted "note: each run copies the caches: output 'present' cannot be written in the memory of input 'past'"
check 'a capacity that it cannot have' 1 'leave the capacity out' "$fovea" generate told.fvir --ids 1,2 --state old=new:9

# ---- what is refused ----
check 'a prompt as text' 2 'there is no --prompt: a prompt is given as ids' "$fovea" generate stories.onnx --prompt=Once
check 'no prompt' 2 '^fovea generate: error: --ids is missing' "$fovea" generate stories.onnx
for wrong in '' 'x' '1,' ',1' '1,,2' '1 2' '1;' ';' '99999999999999999999'; do
    check "ids '$wrong'" 2 "--ids .*: expected ids with commas between them" "$fovea" generate stories.onnx --ids "$wrong"
done
check 'an id too high' 1 '^stories.onnx: error: prompt 2: id 36 is not in the vocabulary, of 0 to 35' "$fovea" generate stories.onnx --ids '1;2,36'
check 'a negative id' 1 'id -1 is not in the vocabulary' "$fovea" generate stories.onnx --ids=-1
check 'a stop too high' 1 'stop: id 36 is not in the vocabulary' "$fovea" generate stories.onnx --ids 1 --stop 36
check 'a stop that is none' 2 "--stop 'end': expected ids" "$fovea" generate stories.onnx --ids 1 --stop end
check 'no tokens' 2 '--tokens takes a number of at least 1' "$fovea" generate stories.onnx --ids 1 --tokens 0
check 'no chunk' 2 '--prefill takes a number of at least 1' "$fovea" generate stories.onnx --ids 1 --prefill 0
check 'top_k without temperature' 2 '--top-k needs --temperature' "$fovea" generate stories.onnx --ids 1 --top-k 3
check 'top_p without temperature' 2 '--top-p needs --temperature' "$fovea" generate stories.onnx --ids 1 --top-p 0.5
check 'top_p 0' 2 '--top-p takes a number above 0, of at most 1' "$fovea" generate stories.onnx --ids 1 --temperature 1 --top-p 0
check 'top_p 2' 2 '--top-p takes' "$fovea" generate stories.onnx --ids 1 --temperature 1 --top-p 2
check 'a negative temperature' 2 'number of at least 0' "$fovea" generate stories.onnx --ids 1 --temperature -1
check 'standard input' 2 'not from standard input' "$fovea" generate - --ids 1
check 'two backends' 2 '--backend takes one' "$fovea" generate stories.onnx --ids 1 --backend=jit,c
check 'runs of two ids' 1 'each run takes 2 ids' "$fovea" generate stories.onnx --ids 1 --dim s=2
check 'more than the capacity' 1 'at most 5 positions; a prompt of 1 ids and 6 more need 6' \
    "$fovea" generate stories.onnx --ids 1 --tokens 6 --state 'past_key_values.*=present.*:5'
check 'no decoder' 1 "output 'probs' is f32\\[1, 10, 11\\], expected logits" "$fovea" generate "$root/examples/dates/dates.onnx" --ids 1 --tokens 2
check 'no model' 1 '^none.onnx: error: ' "$fovea" generate none.onnx --ids 1
printf 'not a model' >text.onnx
check 'text' 1 '^text.onnx: error: ' "$fovea" generate text.onnx --ids 1
cat >late.fvir <<'T'
fovea-ir 1
module "late"
symbol b 1..4
symbol s 1..20
const @table: f32[4, 6] = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0]
func @main(%tokens: i64[b, s]) -> (%logits) {
  %logits = Gather(@table, %tokens)
  return %logits
}
T
check 'an index that is out of range in a later run' 1 'error: .*out of range' "$fovea" generate late.fvir --ids 0 --tokens 9
said '^1,2,3,4$'
# ---- adapters ----
# a file of ONNX Runtime with a: f32[3, 2] = 0 .. 5 and b: f32[2, 4] = 0, 0.25 .. 1.75
base64 -d >lora.onnx_adapter <<'T'
CAAAAFRPUlSM////AQAAAAEAAAABAAAABAAAAAIAAABoAAAABAAAAKz///9IAAAALAAAAAEAAAAEAAAAGAAAAAAAAAAAAIA/AAAA
QAAAQEAAAIBAAACgQAAAAAACAAAAAwAAAAAAAAACAAAAAAAAAAAAAAABAAAAYQAAAAwAFAAEAAgADAAQAAwAAABMAAAANAAAAAEA
AAAEAAAAIAAAAAAAAAAAAIA+AAAAPwAAQD8AAIA/AACgPwAAwD8AAOA/AAAAAAIAAAACAAAAAAAAAAQAAAAAAAAAAQAAAGIAAAA=
T
decoder lora.fvir 'symbol:n:1..4 symbol:s:1..20 symbol:r:0..8' '%input_ids: i64[n, s], %a: f32[3, r], %b: f32[r, 4]' \
    '  %product = MatMul(%a, %b)
  %largest = ReduceMax(%product) {keepdims = 0}
  %floor = Cast(%largest) {to = 7}
  %sum = Add(%input_ids, %floor)'
# the largest element of the product is 4 * 0.75 + 5 * 1.75 = 11.75
check 'an adapter' 0 '^5,2,6$' "$fovea" generate lora.fvir --ids 1 --tokens 3 --adapter lora.onnx_adapter
check 'without it' 1 "input 'a' \(f32\[3, r\]\) cannot be filled" "$fovea" generate lora.fvir --ids 1
check 'run with an adapter' 0 '^logits' "$fovea" run lora.fvir --adapter lora.onnx_adapter
check 'an adapter twice' 1 "error: input 'a' has a value already; the adapter has another one" \
    "$fovea" run lora.fvir --adapter lora.onnx_adapter --adapter=lora.onnx_adapter
check 'an adapter of another model' 1 "error: the adapter has a value of 'a', which is no input" \
    "$fovea" run plus.fvir --adapter lora.onnx_adapter
check 'no adapter' 1 'error: lora.fvir is no adapter' "$fovea" run lora.fvir --adapter lora.fvir
check 'an adapter that is not there' 1 'error: none cannot be read' "$fovea" bench lora.fvir --adapter none
progress 'compiles the model' "'$fovea' generate stories.onnx --ids 0,20 --tokens 3"
progress 'sequence 1 of 1: 2 of at most 3 ids' "'$fovea' generate stories.onnx --ids 0,20 --tokens 3 --json"
if command -v script >/dev/null; then
    TERM=xterm script -qec "'$fovea' generate '$root/examples/stories/stories.onnx' --ids 0,20,12 --tokens 4" typescript >out 2>err </dev/null
    grep -Eq '[0-9]+,[0-9]+,[0-9]+,[0-9]+' out && tell 'ids stay on the terminal' yes || tell 'ids stay on the terminal' no
fi
finish
