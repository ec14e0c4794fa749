# Tests `inspect --shards` and `view --ranks`: what would be cut, what the ranks would send, and what a rank would need.
. "$(dirname "$0")/lib.sh"
head -c 40000 /dev/zero >weights.bin
cat >m.fvir <<'T'
fovea-ir 1
module "m"
symbol n 0..64
const @up: f32[40, 61] = file "weights.bin" 0 9760
const @down: f32[61, 40] = file "weights.bin" 9760 9760
const @last: f32[40, 3] = file "weights.bin" 0 480
func @main(%x: f32[n, 40]) -> (%y) {
  %a = MatMul(%x, @up)    loc("up")
  %b = Relu(%a)
  %c = MatMul(%b, @down)    loc("down")
  %d = Add(%c, %x)
  %e = MatMul(%d, @last)    loc("last")
  %y = Softmax(%e) {axis = 1}
  return %y
}
T
# figure PATH: a member of the JSON document that was printed, as "run.messages"
figure() {
    python3 -c 'import json, sys
d = json.load(open("out"))
for key in sys.argv[1].split("."): d = d[int(key) if key.isdigit() else key]
print(json.dumps(d))' "$1"
}
# is PATH VALUE
is() { [ "$(figure "$1")" = "$2" ] && tell "$name: $1" yes || tell "$name: $1 is $(figure "$1")" no; }
inspect() { "$fovea" inspect m.fvir --shards "$@"; }

# Two ranks have 30 and 31 of the 61 columns of 40 floats, and as many rows of 40; both have the last product.
check 'two ranks' 0 '^ranks +2$' inspect --ranks 2 --dim n=8
said '^weights +20 kB; rank 1 has the most: 10 kB, with [0-9.]+ (kB|bytes) of workspace, and 1.4 kB of inputs and outputs'
said '^exchanges +1 in a run; a rank sends 1.3 kB in 1 message, 1.3 kB to each other rank'
said '^  0 61 +20 kB  up to down$'
said '^  0 columns    up$'
said '^  0 rows       down$'
said '^    whole      last$'
said '^  0 all-reduce +1.3 kB  down$'
said "^ +480 bytes  last: 'y' \\(Softmax\\) needs axis 1"
said '^0 +10 kB$'
grep -q '^time' out && tell 'no time without a network' no || tell 'no time without a network' yes
check 'a network' 0 '^time +[0-9.]+ ms, of which exchanges take 0.000 ms \(1000 GB/s, 0.001 us, ring\)' inspect --ranks 2 --dim n=8 \
    --link=1TB/s,1ns,ring
said '^  0 all-reduce +1.3 kB  down$'
check 'a network that is too slow' 0 '^cut +nothing: each rank runs the whole model' inspect --ranks 2 --dim n=8 --link=1GB/s,12us
said '^ +9.8 kB  up: its exchanges would take 13.3 us, and the cut would save 0?[.0-9e-]+ us$'
check 'many bytes' 0 '^  0 reduce-scatter +640 bytes  down$' inspect --ranks 4 --dim n=16 --link=25GB/s,0s
said '^  0 all-gather +640 bytes  down$'
said '^  0 rows       down$'
check 'ranks with equal shares' 0 '^0 to 1 +' inspect --ranks 3
said '^ranks +3 \(n = 1\)$'
check 'as JSON' 0 '"schema": 1' inspect --ranks 3 --dim n=8 --json --link=1TB/s,1ns
is shards.ranks 3
is shards.dims '""'
is shards.all_weights_bytes 20000
is shards.weights_bytes '[6880, 6880, 7200]'
is shards.run.rank 2
is shards.run.weights_bytes 7200
is shards.run.ports_bytes 1376
is shards.run.exchanges 1
is shards.run.messages 2
is shards.run.link_bytes 1280
is shards.run.sent_bytes 2560
is shards.run.exchanging_ms 3.5600000000000002e-06
is shards.network '"1000 GB/s, 0.001 us, direct"'
is shards.cuts.0.units 61
is shards.cuts.0.groups 0
is shards.cuts.0.first '"up"'
is shards.cuts.0.exchanges '[{"collective": "all-reduce", "node": "down", "link_bytes": 1280}]'
is shards.contractions.0 '{"node": "up", "axis": "columns", "collective": "none", "cut": 0}'
is shards.contractions.2 '{"node": "last", "axis": "whole", "collective": "none", "cut": null}'
is shards.whole.0.node '"last"'
# The same as a part has, and as its run sends.
check 'the parts' 0 '' "$fovea" shard m.fvir --ranks 3 -o p3
check 'what they send' 0 '"link_bytes": 1280,$' "$fovea" bench p3 --at n=8 --seconds 0.05 --json
check 'one rank' 0 '^exchanges +0 in a run; a rank sends 0 bytes in 0 messages' inspect --ranks 1
check 'nothing to cut' 0 '^cut +nothing: each rank runs the whole model' inspect --ranks 64
said '^0 to 63 +20 kB$'
stories=$root/examples/stories/stories.onnx
check 'a decoder' 0 "each rank has its share of 'past_key_values.0.key'" "$fovea" inspect "$stories" --shards --ranks 3
said "all-gather +[0-9]+ bytes  /head/Gemm"
if "$fovea" lua /dev/null >out 2>&1 || ! grep -q 'needs Lua' out; then
    echo 'return {ranks = 2, contractions = {{node = "last", axis = "columns", collective = "all-gather"}}}' >p.lua
    check 'a plan' 0 "up: the plan does not cut it" inspect --plan p.lua
    said '^  0 columns    last$'
    said '^  0 all-gather +8 bytes  last$'
    check 'a plan for others' 1 "is a plan for 2 ranks, and --ranks says 3" inspect --plan p.lua --ranks 3
fi

# ---- stages ----
check 'stages' 0 '^ranks +2 in 2 stages$' inspect --stages 2 --dim n=8
said '^exchanges +2 in a run; a rank sends at most 2.0 kB$'
said '^    0 +9.8 kB +[0-9.]+ (kB|bytes) +1    2.0 kB$'
said '^    1 +10 kB +[0-9.]+ (kB|bytes) +1  96 bytes  down$'
said '^    0     1     2.0 kB  b$'
said '^    1     0   96 bytes  output y$'
grep -q contraction out && tell 'no cuts among one rank' no || tell 'no cuts among one rank' yes
check 'ranks of stages' 0 '^ranks +4 in 2 stages' "$fovea" inspect "$stories" --shards --stages 2 --ranks 2 --link=1TB/s,1ns
said '^time +[0-9.]+ ms, of which exchanges take 0.000 ms'
said '^  0 all-reduce +192 bytes  /model'
check 'stages as JSON' 0 '' inspect --stages 2 --dim n=8 --json
is shards.ranks 2
is shards.stages.1.begins '"down"'
is shards.stages.1.sent_bytes 96
is shards.transfers.0.to 1
is shards.transfers.1.output true
grep -q waiting out && tell 'no waiting without a network' no || tell 'no waiting without a network' yes

# ---- the page ----
check 'a page' 0 '^ops' "$fovea" view m.fvir --ranks 1..4 --link=1GB/s,12us --at n=8 -o p.html
check 'its content' 0 '' "$fovea" view m.fvir --ranks 1..4 --link=1GB/s,12us --at n=8 --json
is shards.ranks 4
is shards.run.messages 3
is shards.topology '"direct"'
is shards.threads 1
is shards.points.1.ranks 2
is shards.points.1.exchanging_ms 0.01328
grep -q '"chart": "<svg ' out && tell 'a chart' yes || tell 'a chart' no
check 'a page of stages' 0 '^ops' "$fovea" view "$stories" --stages 2 --ranks 1,2 --link=1GB/s,12us -o stages.html
check 'its content' 0 '' "$fovea" view "$stories" --stages 2 --ranks 1,2 --link=1GB/s,12us --json
is shards.ranks 4
is shards.points.2.ranks 4
is shards.stages.0.stage 0
check 'no network' 0 '' "$fovea" view m.fvir --ranks 2 --json
is shards.ranks 2
grep -q '"chart"' out && tell 'no chart without a network' no || tell 'no chart without a network' yes
check 'no ranks' 0 '' "$fovea" view m.fvir --json
grep -q '"shards"' out && tell 'nothing of ranks' no || tell 'nothing of ranks' yes
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome)
if [ -n "$browser" ] && timeout 100 "$browser" --headless=new --no-sandbox --disable-gpu --user-data-dir="$work/browser" \
    --virtual-time-budget=4000 --dump-dom "file://$work/p.html#ranks" 2>/dev/null >dom && grep -q data-ready dom; then
    for text in 'Cut for 4 ranks' 'Time of a run, simulated' '<table id="exchanges">' '<table id="points">' 'Whole on each rank'; do
        grep -q "$text" dom && tell "the page has $text" yes || tell "the page has $text" no
    done
else
    echo 'skipped: as a browser shows it, there is no Chromium that starts'
fi

# ---- what users get wrong ----
check 'no number of ranks' 2 '--ranks N: into how many parts' inspect
check 'ranks without --shards' 2 'need --shards' "$fovea" inspect m.fvir --ranks 2
check 'stages without --shards' 2 'need --shards' "$fovea" inspect m.fvir --stages 2
check 'no stages' 2 "takes a number, not '-1'" inspect --stages=-1
check 'too many stages' 1 'expected 1 to 1024 ranks in all' inspect --stages 600 --ranks 2
check 'more stages than ops' 1 'stages' inspect --stages 9
check 'another section' 2 'parts of the model: --ops' inspect --ranks 2 --ops
check 'no ranks' 2 '1 to 1024' inspect --ranks 0
check 'a wrong network' 2 '--link takes a bandwidth and a latency' inspect --ranks 2 --link=1GB/s
check 'a wrong network of a page' 2 '--link takes a bandwidth and a latency' "$fovea" view m.fvir --ranks 2 --link=fast -o q.html
check 'a network without ranks' 2 'needs --ranks' "$fovea" view m.fvir --link=1GB/s,1us -o q.html
check 'a dim that is not there' 1 "there is no dim 'm'" inspect --ranks 2 --dim m=3
check 'standard input' 2 'not from standard input' sh -c '"$0" view - --ranks 2 -o q.html <m.fvir' "$fovea"
check 'kernels' 1 'holds kernels' sh -c 'printf "kernel k(A: f32[4], out B: f32[4]) {\n  parallel i < 4 {\n    B[i] = A[i]\n  }\n}\n" >k.fvk; "$0" inspect k.fvk --shards --ranks 2' "$fovea"
absent q.html
finish
