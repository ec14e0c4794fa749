# Tests `bench` of a model in parts: what is sent is what the graph says, and what cannot be measured is refused.
. "$(dirname "$0")/lib.sh"
floats weights.bin 2000
cat >m.fvir <<'T'
fovea-ir 1
module "m"
symbol n 0..64
const @up: f32[8, 31] = file "weights.bin" 0 992
const @down: f32[31, 8] = file "weights.bin" 992 992
func @main(%x: f32[n, 8]) -> (%y, %b) {
  %a = MatMul(%x, @up)
  %b = Relu(%a)
  %c = MatMul(%b, @down)
  %y = Add(%c, %x)
  return %y, %b
}
T
# sends RANKS N BYTES: with these ranks and rows, a rank sends so many bytes to each other one
sends() {
    check "$1 ranks, $2 rows" 0 "\"link_bytes\": $3,\$" "$fovea" bench p$1 --at n=$2 --seconds 0.05 --json
    said "\"predicted_link_bytes\": $3\$"
    said '"exchanges": 2,$'
    said "\"rank\": $(($1 - 1)),\$"
}
for ranks in 1 2 3; do
    check "$ranks ranks" 0 "rank0.onnx" "$fovea" shard m.fvir --ranks $ranks -o p$ranks
done
# A rank sends a partial sum of n * 8 floats, and its columns of %b, filled up to the most that a rank has.
sends 2 5 $((5 * 8 * 4 + 5 * 16 * 4))
sends 2 0 0
sends 3 7 $((7 * 8 * 4 + 7 * 11 * 4))
check 'one rank' 0 '"link_bytes": 0,$' "$fovea" bench p1 --at n=4 --seconds 0.05 --json
check 'a table' 0 '^exchanges +2 in a run; a rank sends 380 bytes to each other rank, 760 bytes in all, as the graph says$' \
    "$fovea" bench p3 --at n=5 --seconds 0.05
said '^ +2 +[0-9.]+ ms +[0-9.]+ ms +[0-9.]+ ms +[0-9.]+%$'
for backend in interp c; do
    check "with $backend" 0 '"predicted_link_bytes": 480$' "$fovea" bench p2 --at n=5 --seconds 0.05 --json --backend=$backend
done

progress 'p2: measures 2 parts' "'$fovea' bench p2 --at n=4 --seconds 0.05"

# What passes or loops make of the exchanges of the graph: the first time, when they have changed it, and from the cache.
# parts NAME: a folder of two ranks with the graph on standard input; the message that refuses a checksum states it
parts() {
    mkdir "$1" && cat >"$1/rank0.fvir" && cp "$1/rank0.fvir" "$1/rank1.fvir"
    bytes=$(stat -c %s "$1/rank0.fvir") sum=0000000000000000
    for n in 1 2; do
        printf '{"ranks": 2, "parts": [{"file": "rank0.fvir", "bytes": %s, "xxh64": "%s"}, {"file": "rank1.fvir", "bytes": %s, "xxh64": "%s"}]}\n' \
            "$bytes" "$sum" "$bytes" "$sum" >"$1/parts.json"
        [ $n = 2 ] || sum=$("$fovea" run "$1" 2>&1 | sed -n '1s/.*has the checksum \([0-9a-f]*\),.*/\1/p')
    done
}
parts loop <<'T'
fovea-ir 1
module "loop"
const @three: i64[] = 3
func @main(%x: f32[4]) -> (%y) {
  %y = Loop(@three, _, %x) {body = ^(%i: i64[] = [t], %go: bool[] = [1], %h: f32[4]) {
    %sum = com.microsoft.AllReduce(%h) {group_size = 2}
    %half = Tanh(%sum)
    return %go, %half
  }}
  return %y
}
T
parts dup <<'T'
fovea-ir 1
module "dup"
func @main(%x: f32[4]) -> (%y) {
  %a = com.microsoft.AllReduce(%x) {group_size = 2}
  %b = com.microsoft.AllReduce(%x) {group_size = 2}
  %y = Mul(%a, %b)
  return %y
}
T
parts dead <<'T'
fovea-ir 1
module "dead"
func @main(%x: f32[4]) -> (%y) {
  %unused = com.microsoft.AllGather(%x) {group_size = 2}
  %y = com.microsoft.AllReduce(%x) {group_size = 2}
  return %y
}
T
for when in 'without a cache' 'the first time' 'from the cache'; do
    [ "$when" = 'without a cache' ] || export FOVEA_CACHE_DIR="$PWD/cached"
    check "exchanges in a loop, $when" 0 '^exchanges +3 in a run; a rank sends 48 bytes to each other rank, 48 bytes in all; how often depends on data$' \
        "$fovea" bench loop --seconds 0.05
    check "an exchange twice, which may differ on another rank, $when" 0 '^exchanges +2 in a run; .* in all, as the graph says$' \
        "$fovea" bench dup --seconds 0.05
    check "an exchange that nothing reads, $when" 0 '^exchanges +1 in a run; .* in all; passes have removed 16 bytes to each other rank$' \
        "$fovea" bench dead --seconds 0.05
    check "its document, $when" 0 '"link_bytes": 16,$' "$fovea" bench dead --seconds 0.05 --json
    said '"predicted_link_bytes": 32$'
done
export FOVEA_CACHE_DIR=

# What users get wrong.
for option in --against=c --profile --rounds=3 --threads=1,2; do
    check "parts with $option" 2 'several numbers of --threads are for one model: p2 holds the parts' "$fovea" bench p2 $option
done
check 'no time to wait' 2 'timeout takes seconds' "$fovea" bench p2 --timeout=0
check 'a folder without parts' 1 'is a folder without parts.json' "$fovea" bench .
cp -r p2 bad && head -c 300 p2/rank1.onnx >bad/rank1.onnx
check 'a part that is truncated' 1 'rank 1: .*has 300 bytes, expected' "$fovea" bench bad --at n=3
finish
