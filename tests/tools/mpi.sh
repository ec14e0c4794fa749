# Tests the parts of a model as processes of mpirun: the bits of one process, and what ends the run of all ranks.
. "$(dirname "$0")/lib.sh"
export FOVEA_CACHE_DIR=$work/cache # parts that several runs have are compiled once
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 # in a container, tests are root
command -v mpirun >/dev/null || { echo 'skipped: there is no mpirun'; exit 77; }
floats weights.bin 2000
cat >m.fvir <<'T'
fovea-ir 1
module "m"
symbol n 0..64
const @up: f32[8, 31] = file "weights.bin" 0 992
const @down: f32[31, 8] = file "weights.bin" 992 992
func @main(%x: f32[n, 8]) -> (%y) {
  %a = MatMul(%x, @up)
  %b = Relu(%a)
  %c = MatMul(%b, @down)
  %d = Add(%c, %x)
  %e = MatMul(%d, @up)
  %f = Sigmoid(%e)
  %y = MatMul(%f, @down)
  return %y
}
T
processes() {
    timeout 120 mpirun --oversubscribe "$@"
}
for ranks in 2 3; do
    check "$ranks ranks" 0 "rank1.onnx" "$fovea" shard m.fvir --ranks $ranks -o p$ranks
    check "$ranks ranks in one process" 0 'y  f32' "$fovea" run p$ranks --dim n=9 -o one$ranks
    for backend in jit interp c; do
        check "$ranks processes, $backend" 0 '1 of 1 outputs as expected' processes -n $ranks "$fovea" run p$ranks --dim n=9 \
            --threads=1 --backend=$backend --expect one$ranks --atol=0 --rtol=0
    done
done
[ "$(grep -c 'y  f32' out)" = 1 ] && tell 'one rank prints' yes || tell 'one rank prints' no
# Two products that do not need each other: the sum of the first one is exchanged while the second one is computed.
sed -e 's/^  %d = .*//' -e 's/MatMul(%d, @up)/MatMul(%x, @up)/' -e 's/  %y = .*/  %g = MatMul(%f, @down)\n  %y = Sub(%c, %g)/' m.fvir >beside.fvir
check 'products beside each other' 0 'rank1' "$fovea" shard beside.fvir --ranks 2 -o beside
check 'an exchange is started' 0 '^  start all_gather' "$fovea" compile beside/rank1.onnx --emit kernels -o -
check 'beside each other in one process' 0 'y  f32' "$fovea" run beside --dim n=40 -o one_beside
check 'beside each other, as before' 0 '1 of 1 outputs as expected' "$fovea" run beside --dim n=40 -Os --expect one_beside --atol=0 --rtol=0
for backend in jit interp c; do
    check "beside each other in two processes, $backend" 0 '1 of 1 outputs as expected' processes -n 2 "$fovea" run beside --dim n=40 \
        --threads=1 --backend=$backend --expect one_beside --atol=0 --rtol=0
done
check 'what these send' 0 '"link_bytes": 640,$' processes -n 2 "$fovea" bench beside --at n=10 --threads=1 --seconds 0.05 --json
# A decoder: each process has its own heads of the caches.
stories=$root/examples/stories/stories.onnx
check 'a decoder' 0 '' "$fovea" shard "$stories" --ranks 2 -o d2
check 'its caches in one process' 0 '' "$fovea" run d2 --dim batch=2 --dim past=5 --dim s=3 -o one_d
check 'its caches in two processes' 0 '7 of 7 outputs as expected' processes -n 2 "$fovea" run d2 --dim batch=2 --dim past=5 \
    --dim s=3 --expect one_d --atol=0 --rtol=0
check 'its ids' 0 '^26,13,1,20,13,29,1,13$' processes -n 2 "$fovea" generate d2 --ids 0,20,12 --tokens 8 -q
[ "$(grep -c '^26' out)" = 1 ] && tell 'one rank prints ids' yes || tell 'one rank prints ids' no
check 'what two processes send' 0 '"predicted_link_bytes": 576,?$' processes -n 2 "$fovea" bench p2 --at n=9 --threads=1 \
    --seconds 0.05 --json
said '"link_bytes": 576,$'
said '"processes": true,$'
[ "$(grep -c '"rank": ' out)" = 2 ] && tell 'one rank reports both' yes || tell 'one rank reports both' no
# both COMMAND0 COMMAND1: two ranks, which both fail. Each writes to a file of its own, and any status of mpirun other than that
# of the time limit is 1, because how mpirun ends and what it still forwards depends on which of the ranks it ends first.
both() {
    local rank status
    for rank in 0 1; do
        printf '#!/bin/sh\nexec "%s" %s 2>said.%s\n' "$fovea" "$1" $rank >both.$rank && chmod +x both.$rank
        shift
    done
    processes -n 1 ./both.0 : -n 1 ./both.1
    status=$?
    cat said.0 said.1 >&2
    [ $status = 0 ] || [ $status = 124 ] || return 1
    return $status
}

check 'a rank too few' 1 'p3: error: has parts for 3 ranks, and mpirun has started 2 processes|p3/parts.json: error: has parts for 3 ranks' \
    both 'run p3 --dim n=9' 'run p3 --dim n=9'
sed 's/Sigmoid/Tanh/' m.fvir >n.fvir
check 'another model' 0 'rank1.onnx' "$fovea" shard n.fvir --ranks 2 -o q2
check 'parts of two models' 1 'rank [01] has a list of other parts than rank [01]' \
    both 'run p2 --dim n=9' 'run q2 --dim n=9'
check 'other inputs' 1 'step 2: rank [01] has an all_gather of [0-9]+ bytes, rank [01] sends [0-9]+ bytes of all_gather: the parts or their inputs differ' \
    both 'run p2 --dim n=9' 'run p2 --dim n=8'
check 'a process that is killed' 137 'signal 9|non-zero exit code' processes -n 1 "$fovea" run p2 --dim n=9 : -n 1 sh -c 'kill -9 $$'
# The rank signals itself where it would run a C compiler by a shell, between the first exchange and the second one.
for signal in KILL STOP; do
    printf '#!/bin/sh\nread -r _ _ _ rank _ </proc/$PPID/stat\nkill -%s "$rank"\n' $signal >$signal && chmod +x $signal
done
check 'a rank that is killed' 137 'signal 9' \
    processes -n 1 "$fovea" run p2 --dim n=9 : -n 1 env CC="$PWD/KILL" "$fovea" run p2 --dim n=9 --backend=c
check 'a rank that stops' 1 'step 2: rank 0 has waited 2 s for rank 1' \
    processes -n 1 "$fovea" run p2 --dim n=9 --timeout=2 : -n 1 env CC="$PWD/STOP" "$fovea" run p2 --dim n=9 --timeout=2 --backend=c
check 'a process that does not connect' 1 'do not connect within --timeout' \
    processes -n 1 "$fovea" run p2 --dim n=9 --timeout=2 : -n 1 sleep 60
cp -r p2 bad && head -c 300 p2/rank1.onnx >bad/rank1.onnx
check 'a part that is truncated' 1 'rank 1: .*has 300 bytes, expected' processes -n 2 "$fovea" run bad --dim n=9
finish
