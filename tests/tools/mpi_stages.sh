# Tests stages as processes of mpirun: they compute what the ranks of one process compute.
. "$(dirname "$0")/lib.sh"
export FOVEA_CACHE_DIR=$work/cache # parts that several runs have are compiled once
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 # in a container, tests are root
command -v mpirun >/dev/null || { echo 'skipped: there is no mpirun'; exit 77; }
stories=$root/examples/stories/stories.onnx ranks=4
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

finish
