# Tests `shard --simulate`: the exchanges of each number of ranks, the network's time for them, the chart, and wrong options.
. "$(dirname "$0")/lib.sh"
head -c 20000 /dev/zero >weights.bin
cat >m.fvir <<'T'
fovea-ir 1
module "m"
symbol n 0..64
const @up: f32[40, 60] = file "weights.bin" 0 9600
const @down: f32[60, 40] = file "weights.bin" 9600 9600
func @main(%x: f32[n, 40]) -> (%y) {
  %a = MatMul(%x, @up)
  %b = Relu(%a)
  %c = MatMul(%b, @down)
  %y = Add(%c, %x)
  return %y
}
T
# figure RANKS MEMBER: of the JSON document that was printed
figure() {
    python3 -c 'import json, sys
for p in json.load(open("out"))["points"]:
    if p["ranks"] == int(sys.argv[1]): print("%.9g" % p[sys.argv[2]])' "$1" "$2"
}
# is RANKS MEMBER VALUE
is() { [ "$(figure "$1" "$2")" = "$3" ] && tell "$name: $2 of $1 ranks" yes || tell "$name: $2 of $1 ranks is $(figure "$1" "$2")" no; }

# A rank sends a partial sum of n * 40 floats to each other one. One GB/s: a nanosecond for each byte.
for topology in direct ring tree; do
    case $topology in
    direct) messages=3 steps=1 ;;
    ring) messages=3 steps=3 ;;
    tree) messages=2 steps=2 ;;
    esac
    check "a network, $topology" 0 '' "$fovea" shard m.fvir --simulate --ranks 2,4 --link=1GB/s,10us,$topology --at n=8 --json
    is 1 exchanging_ms 0
    is 1 efficiency 1
    is 1 weights_bytes 19200
    is 2 link_bytes 1280
    is 2 exchanging_ms 0.01128
    is 2 weights_bytes 9600
    is 4 exchanges 1
    is 4 messages $messages
    is 4 exchanging_ms "$(python3 -c "print('%.9g' % ($steps * 0.01 + 3 * 0.00128))")"
    [ "$(figure 4 ms)" = "$(python3 -c "print('%.9g' % ($(figure 4 computing_ms) + $(figure 4 exchanging_ms)))")" ] &&
        tell 'the time is a sum' yes || tell 'the time is a sum' no
done
check 'a range' 0 '^ +64 ' "$fovea" shard m.fvir --simulate --ranks 2..64 --link=8Gbit/s,0s --chart=c.svg
[ "$(grep -c ' ms .*%' out)" = 7 ] && tell 'seven numbers' yes || tell 'seven numbers' no
said '^network +1 GB/s, 0 us, direct; 1 thread for each rank$'
check 'its chart' 0 'drawn' python3 -c 'import xml.dom.minidom as d; t = d.parse("c.svg")
assert len(t.getElementsByTagName("path")) == 3, "three lines"
assert any(e.firstChild.data == "64" for e in t.getElementsByTagName("text"))
print("drawn")'
check 'a range that does not double to its end' 0 '^ +12 ' "$fovea" shard m.fvir --simulate --ranks 3..12 --link=1GB/s,1us
[ "$(grep -c ' ms .*%' out)" = 4 ] && tell 'four numbers' yes || tell 'four numbers' no

# Stages: their times add up, they send what the plan says, and a stage waits while the others compute.
stories=$root/examples/stories/stories.onnx
check 'stages' 0 '' "$fovea" shard "$stories" --simulate --stages 3 --ranks 1,2 --link=1GB/s,10us --at batch=1 --at s=5 --json
is 1 exchanging_ms 0
# stage RANKS STAGE EXPRESSION: of a stage, and of the run it belongs to
stage() {
    python3 -c 'import json, sys
for run in json.load(open("out"))["points"]:
    if run["ranks"] == int(sys.argv[1]):
        stages = run["stages"]
        s = stages[int(sys.argv[2])]
        print(eval(sys.argv[3]))' "$1" "$2" "$3"
}
[ "$(stage 3 0 's["sent_bytes"]')" = 960 ] && tell 'what a stage sends to the next one' yes || tell 'what a stage sends to the next one' no
[ "$(stage 3 2 's["sent_bytes"], s["messages"]')" = '(288, 2)' ] && tell 'the outputs' yes || tell 'the outputs' no
for ranks in 3 6; do
    [ "$(stage $ranks 1 'abs(sum(x["ms"] for x in stages) - run["ms"]) < 1e-9')" = True ] && tell 'the times add up' yes || tell 'the times add up' no
    [ "$(stage $ranks 1 'abs(s["waiting"] - 1 + s["ms"] / run["ms"]) < 1e-9')" = True ] && tell 'waiting' yes || tell 'waiting' no
    [ "$(stage $ranks 1 'max(x["weights_bytes"] for x in stages) == run["weights_bytes"]')" = True ] && tell 'weights' yes || tell 'weights' no
done
check 'what the parts of a stage send' 0 '^link +rank 0 sends 960 bytes to rank 1' sh -c "'$fovea' shard '$stories' --stages 3 -o s3 -q &&
    '$fovea' bench s3 --at batch=1 --at s=5 --seconds 0.05"
check 'a table' 0 '^6 ranks in 3 stages$' "$fovea" shard "$stories" --simulate --stages 3 --ranks 2 --link=1GB/s,10us --chart=stages.svg
said '^ +2 .* ms .*%'
present stages.svg
check 'stages alone' 0 '^3 ranks in 3 stages$' "$fovea" shard "$stories" --simulate --stages 3 --link=1GB/s,10us
check 'one stage' 0 '' "$fovea" shard "$stories" --simulate --stages 1 --ranks 2 --link=1GB/s,10us
[ "$(grep -c 'stages$' out)" = 0 ] && tell 'no table of one stage' yes || tell 'no table of one stage' no
check 'a stage with nothing to cut' 0 'nothing can be cut for 100 ranks: each rank of a stage runs the whole stage' "$fovea" shard m.fvir \
    --simulate --stages 2 --ranks 100 --link=1GB/s,10us

# What is simulated is sent: as many bytes as a run of the parts has.
check 'the parts' 0 '' "$fovea" shard m.fvir --ranks 3 -o p3
check 'what they send' 0 '"link_bytes": 1280,$' "$fovea" bench p3 --at n=8 --seconds 0.05 --json
check 'what the simulation has' 0 '"link_bytes": 1280,$' "$fovea" shard m.fvir --simulate --ranks 3 --link=1GB/s,1us --at n=8 --json

# Other machines, more threads, and models that have nothing to cut.
check 'another target' 0 '^network .*; 3 threads for each rank$' "$fovea" shard m.fvir --simulate --ranks 2 --link=1GB/s,1us \
    --target=x86-64-v3 --threads=3
check 'the network as JSON' 0 '"topology": "ring"' "$fovea" shard m.fvir --simulate --ranks 2 --link=1GB/s,1us,ring --threads=3 --json
said '"threads": 3'
check 'nothing to cut' 0 'note: nothing can be cut for 64 ranks: each runs the whole model' "$fovea" shard m.fvir --simulate \
    --ranks 2,64 --link=1GB/s,1us
[ "$(grep -c 'nothing can be cut' err)" = 1 ] && tell 'said of 64 ranks alone' yes || tell 'said of 64 ranks alone' no

# What users get wrong.
simulate() { "$fovea" shard m.fvir --simulate "$@"; }
for link in 25 GB/s,2us 25GB/s '25GB/s,' 25GB/s,2 25GB,2us 25GB/s,2us,star 0GB/s,2us -1GB/s,2us '25GB/s,2us,' 25xB/s,2us \
    infGB/s,2us 1GB/s,infs 1e400GB/s,2us 1e-320B/s,1us; do
    check "a link $link" 2 '--link takes a bandwidth and a latency' simulate --ranks 2 "--link=$link"
done
for ranks in x 2.. ..4 4..2 2,2 4,2 2,,4 1..4..8 2x; do
    check "ranks $ranks" 2 '--ranks' simulate --ranks $ranks --link=1GB/s,1us
done
check 'too many ranks' 2 '1 to 1024' simulate --ranks 8..2048 --link=1GB/s,1us
check 'many numbers of ranks' 2 '--ranks takes at most 32 numbers' simulate --ranks "$(seq -s, 33)" --link=1GB/s,1us
check 'no network' 2 'needs --ranks or --stages, and a network' simulate --ranks 2
check 'no ranks' 2 'needs --ranks or --stages, and a network' simulate --link=1GB/s,1us
check 'a simulation that would write' 2 'cuts nothing: -o' simulate --ranks 2 --link=1GB/s,1us -o p
check 'too many stages' 2 'into how many stages' simulate --ranks 2,512 --link=1GB/s,1us --stages 3
check 'stages that are not there' 1 'cannot be cut into 9 stages' simulate --link=1GB/s,1us --stages 9
check 'a chart without a simulation' 2 '--chart needs --simulate' "$fovea" shard m.fvir --ranks 2 --chart=c.svg -o p
check 'dims without a network' 2 '--at needs --link or --simulate' "$fovea" shard m.fvir --ranks 2 --at n=8 -o p
check 'a wrong network without a simulation' 2 '--link takes a bandwidth' "$fovea" shard m.fvir --ranks 2 --link=fast -o p
check 'several numbers of parts' 2 'into how many parts' "$fovea" shard m.fvir --ranks 2,4 -o p
check 'a chart over the model' 1 'm.fvir' simulate --ranks 2 --link=1GB/s,1us --chart=m.fvir
check 'an unknown dim' 1 "there is no dim 'm'" simulate --ranks 2 --link=1GB/s,1us --at m=3
check 'standard input' 2 'not from standard input' "$fovea" shard - --simulate --ranks 2 --link=1GB/s,1us
absent p/parts.json
finish
