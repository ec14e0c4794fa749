# Tests stages as processes of mpirun: processes that are killed, delayed or stopped at random, and parts that are truncated, end the
# run of all within --timeout, and no run gives a wrong result. FV_RUNS=N makes N runs (20), FV_SEED=S draws others.
. "$(dirname "$0")/lib.sh"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 # in a container, tests are root
command -v mpirun >/dev/null || { echo 'skipped: there is no mpirun'; exit 77; }
stories=$root/examples/stories/stories.onnx seed=${FV_SEED:-1} ranks=4 limit=10
RANDOM=$seed
echo "FV_SEED=$seed"
dims='--dim batch=2 --dim s=4 --dim past=5'
check 'two stages of two ranks' 0 'rank3.fvir' "$fovea" shard "$stories" --stages 2 --ranks 2 -o parts
check 'in one process' 0 '' "$fovea" run parts $dims -o whole --save-inputs in
check 'four processes' 0 '7 of 7 outputs as expected' timeout 120 mpirun --oversubscribe -n $ranks "$fovea" run parts --data-set in \
    --expect whole --atol=0 --rtol=0
check 'ids of four processes' 0 '^26,13,1,20$' timeout 120 mpirun --oversubscribe -n $ranks "$fovea" generate parts --ids 0,20,12 \
    --tokens 4 -q

# A list that states another type or rank of an output than the part of another rank computes.
for damage in 's/"f32"/"i32"/' 's/^\( *\)"16"/\1"4", "4"/'; do
    cp -r parts other
    sed -i "$damage" other/parts.json
    check "a list with $damage" 1 "rank 1 has an output 'present.0.key' of another type or rank than the list says" timeout 120 \
        mpirun --oversubscribe -n $ranks "$fovea" run other $dims
    rm -r other
done

# The process of a rank: what is done to it, and after how many hundredths of a second.
cat >rank.sh <<'T'
#!/bin/sh
what=$1 delay=$2
shift 2
[ "$what" = none ] || case $what in
late) sleep "$delay" ;;
*) (sleep "$delay" && kill -"$what" $$ 2>/dev/null) & ;;
esac
exec "$@"
T
chmod +x rank.sh
for ((run = 0; run < ${FV_RUNS:-20}; run++)); do
    victim=$((RANDOM % ranks)) folder=parts
    case $((RANDOM % 4)) in
    0) what=KILL ;;
    1) what=STOP ;;
    2) what=late ;;
    3) what=none folder=cut$run ;;
    esac
    delay=$(printf '0.%02d' $((RANDOM % 100)))
    if [ $folder != parts ]; then
        cp -r parts $folder
        file=$folder/rank$victim.fvir bytes=$(stat -c %s parts/rank$victim.fvir)
        truncate -s $((RANDOM % bytes)) $file
    fi
    command=()
    for ((rank = 0; rank < ranks; rank++)); do
        [ $rank = 0 ] || command+=(:)
        [ $rank = $victim ] && command+=(-n 1 ./rank.sh "$what" "$delay") || command+=(-n 1 ./rank.sh none 0)
        command+=("$fovea" run "$folder" --data-set in --expect whole --atol=0 --rtol=0 "--timeout=$limit" --threads=1)
    done
    begin=$SECONDS
    timeout -k 5 60 mpirun --oversubscribe "${command[@]}" >out 2>err
    status=$? name="run $run: rank $victim, $what after $delay s"
    # A process that is stopped at its end, or never, does no harm; all others end the run.
    ok=yes
    # Open MPI's mpirun itself may hang after all ranks have ended; then only KILL ends it, and the ranks have left a message.
    took=$((SECONDS - begin))
    [ $status != 124 ] && { [ $took -le 40 ] || { [ $status = 137 ] && grep -q 'fovea: error:' err; }; } || ok=no
    [ $status != 0 ] || grep -q '7 of 7 outputs as expected' out || ok=no
    [ $status = 0 ] || ! grep -q 'of 7 outputs as expected' out || [ $what = KILL ] || [ $what = STOP ] || ok=no
    [ $folder = parts ] || [ $status != 0 ] || ok=no
    [ $folder = parts ] || grep -q "rank $victim: .* expected" err || ok=no
    [ $what != late ] || [ $status = 0 ] || ok=no
    tell "$name" $ok
    [ $ok = yes ] || echo "status $status after $took s: $(tail -n 3 err)"
    rm -rf cut$run
done
finish
