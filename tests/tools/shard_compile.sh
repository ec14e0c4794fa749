# Tests `fovea compile` of a folder with parts: libraries, texts and C for each rank, which compute the bits of the parts, also
# with stages, states in place, dims and processes; and what is refused.
. "$(dirname "$0")/lib.sh"
export FOVEA_CACHE_DIR=$work/cache # parts that several runs have are compiled once
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 # in a container, tests are root
stories=$root/examples/stories/stories.onnx # three layers with caches of three heads
dims='--dim batch=2 --dim s=4 --dim past=5'
ids='^26,13,1,20,13,29,1,13$'
states='past_key_values.*=present.*:room'
expected='7 of 7 outputs as expected'
check 'two ranks' 0 '' "$fovea" shard "$stories" --ranks 2 -o ranks
check 'two stages of two ranks' 0 '' "$fovea" shard "$stories" --stages 2 --ranks 2 -o stages
check 'what they compute' 0 '' "$fovea" run ranks $dims -o whole --save-inputs in
# same FOLDER OPTION...: the folder has the outputs of the parts
same() {
    folder=$1
    shift
    check "$folder: outputs" 0 "$expected" "$fovea" run $folder --data-set in --expect whole --atol=0 --rtol=0 "$@"
}

# Libraries, with states in place or without.
check 'libraries' 0 '^call .*fovea run lib2.*fv_load\("lib2/rank0.so"' "$fovea" compile ranks -o lib2
said '^lib2/rank1.so '
said '^target '
present lib2/rank0.h lib2/rank1.h lib2/parts.json
same lib2
same lib2 $dims --threads=4
"$fovea" compile stages -o lib4/ --state "$states" --weights=file -q >out 2>err && [ ! -s out ] && tell 'libraries of stages' yes || tell 'libraries of stages' no
present lib4/rank3.weights
same lib4
same lib4 $dims --dim room=30
check 'too little room' 1 "lib4/rank0.so: error: input 'past_key_values.0.key' has capacity 8 on axis 2, output 'present.0.key' needs 9" \
    "$fovea" run lib4 $dims --dim room=8 --data-set in
check 'ids' 0 "$ids" "$fovea" generate lib4 --ids 0,20,12 --tokens 8 -q
check 'caches in place' 0 '"caches_in_place": 4' "$fovea" generate lib4 --ids 0,20 --tokens 2 --json
check 'ids without states' 0 "$ids" "$fovea" generate lib2 --ids 0,20,12 --tokens 8 -q
check 'times' 0 '^exchanges .*; what the graph says is not in a library' "$fovea" bench lib2 --at s=1 --seconds 0.05
check 'times of stages' 0 '^link +rank 0 sends .*; what the graph says is not in a library' "$fovea" bench lib4 --at s=1 --at past=3 --seconds 0.05
if command -v mpirun >/dev/null && [ -e "$(dirname "$(dirname "$fovea")")/runtime/libfovea-mpi.so.0" ]; then
    check 'processes' 0 "$expected" timeout 120 mpirun --oversubscribe -n 4 "$fovea" run lib4 --data-set in --expect whole --atol=0 --rtol=0
    check 'ids of processes' 0 "$ids" timeout 120 mpirun --oversubscribe -n 2 "$fovea" generate lib2 --ids 0,20,12 --tokens 8 -q
fi
check 'too little room for past values' 1 "^lib4/rank0.so: error: rank 0: input 'past_key_values.0.key' has 5 on axis 2, its capacity is 3" \
    "$fovea" run lib4 $dims --dim room=3 --data-set in
# States of parts that are compiled by the run.
same ranks --state "$states" --backend=interp
same stages --state 'past_key_values.0.key=present.0.key:room' --state 'past_key_values.2.key=present.2.key' --backend=interp
check 'states in bench' 0 'room = 9' "$fovea" bench stages --backend=interp --state "$states" --at s=4 --at past=5 --seconds 0.05
check 'a state of no stage' 1 "the model has no input 'past_key_values.4.key'" "$fovea" run stages --state 'past_key_values.4.key=present.0.key'
check 'a state of no stage, compiled' 1 "the model has no input 'past_key_values.4.key'" "$fovea" compile stages -o none \
    --state 'past_key_values.4.key=present.0.key'
absent none/parts.json

# Values of dims are those of the list as well, and several targets are in one library.
check 'with dims' 0 '' "$fovea" compile stages -o fixed $dims
same fixed
check 'the dims of the list' 0 '^ *"5",' grep -A 6 '"number": 1,' fixed/parts.json
# Dims may be named by an input: by one that some stages have, and by one that all have.
places='--dim input_ids:0=2 --dim input_ids:1=4 --dim past_key_values.0.key:2=5'
check 'dims of inputs' 0 '' "$fovea" compile stages -o places $places
same places
cmp fixed/parts.json places/parts.json && tell 'the same list' yes || tell 'the same list' no
same stages $places --backend=interp
same stages --dim past_key_values.2.key:2=5 --dim past_key_values.0.key:1=3 --dim past_key_values.2.key:3=16 --backend=interp
same ranks --dim past_key_values.2.key:2=1..5 --dim past_key_values.0.key:1=3 --backend=interp
check 'an axis of another size' 1 "--dim 'past_key_values.0.key:1=2': that dim is fixed to 3" "$fovea" run stages --dim past_key_values.0.key:1=2
check 'an axis that is not there' 1 "there is no dim 'past_key_values.0.key:4'" "$fovea" compile stages -o none --dim past_key_values.0.key:4=2
check 'two values of an axis' 1 "'past=6': that dim is" "$fovea" compile stages -o none --dim past_key_values.0.key:2=5 --dim past_key_values.2.key:2=6
check 'two targets' 0 '^targets +x86-64-v2, x86-64-v3' "$fovea" compile ranks -o levels --target=x86-64-v2,x86-64-v3
[ "$(uname -m)" = x86_64 ] && same levels

# Texts run as well, and C and objects are written for each rank.
for kind in ir definitions kernels expanded; do
    check "$kind" 0 'call .*fovea run' "$fovea" compile stages -o text --emit $kind
    same text --backend=interp
done
check 'folders of C' 0 'c/rank1/heads_rank1.h' "$fovea" compile ranks -o c --emit c --name heads
check 'names' 0 'heads_rank1_run' cat c/rank1/heads_rank1.h
absent c/parts.json
check 'objects' 0 'o/rank1.o' "$fovea" compile ranks -o o/ --emit obj
check 'JSON' 0 '"name": "rank1",' "$fovea" compile ranks -o lib2 --json
said '"path": "lib2/rank1.so",'
said '"folder": "lib2",'

# Parts by the C API: threads with a communicator, which load the library of their rank.
cat >load.c <<'END'
#include <fovea.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
static const char *folder;
static fv_ranks *ranks;
static float last[2];
static void *run(void *number) {
    int rank = *(int *)number;
    char path[4096];
    fv_artifact *part = NULL;
    fv_array in[8] = {0}, out[8] = {0};
    static int64_t ids[4] = {0, 20, 12, 3};
    static float cache[1];
    snprintf(path, sizeof path, "%s/rank%d.so", folder, rank);
    fv_env env = {.size = sizeof env, .communicator = fv_ranks_communicator(ranks, rank)};
    fv_run_options o = {.size = sizeof o, .env = &env, .threads = 1};
    fv_log *log = fv_log_new();
    int status = fv_load(path, log, &part);
    const fv_model *m = status ? NULL : fv_artifact_model(part);
    for (int i = 0; m && i < m->ninputs; i++) {
        in[i] = (fv_array){.type = m->inputs[i].type, .rank = m->inputs[i].rank, .data = cache};
        if (in[i].rank == 2)
            in[i] = (fv_array){.type = FV_TYPE_INT64, .rank = 2, .dims = {1, 4}, .data = ids};
        else /* [batch, heads of the rank, past, size] */
            sscanf(m->inputs[i].dims[1], "%lld", (long long *)&in[i].dims[1]), in[i].dims[0] = 1, in[i].dims[3] = 16;
    }
    status = status ? status : fv_artifact_run(part, in, out, &o, log);
    fv_ranks_stop(ranks, rank);
    if (status)
        fprintf(stderr, "rank %d: %s\n", rank, fv_log_text(log));
    else
        last[rank] = ((float *)out[0].data)[0];
    for (int i = 0; i < 8; i++)
        fv_array_free(&out[i]);
    fv_artifact_free(part);
    fv_log_free(log);
    return NULL;
}
int main(int argc, char **argv) {
    int numbers[2] = {0, 1};
    pthread_t other;
    folder = argv[argc - 1];
    ranks = fv_ranks_new(2, 60);
    if (!ranks || pthread_create(&other, NULL, run, &numbers[1]))
        return 1;
    run(&numbers[0]);
    pthread_join(other, NULL);
    fv_ranks_free(ranks);
    printf("%s %a\n", memcmp(&last[0], &last[1], 4) ? "differ" : "agree", (double)last[0]);
    return 0;
}
END
build=$(dirname "$(dirname "$fovea")")
cc -std=gnu11 -Wall -Wextra -Werror load.c -I"$root/runtime" -L"$build/runtime" -lfovea-run -pthread \
    -Wl,-rpath,"$build/runtime" -o load_ranks && tell 'a program' yes || tell 'a program' no
check 'ranks by fv_load' 0 '^agree [^ ]*$' ./load_ranks lib2
[ "$(cut -d ' ' -f 2 out)" = 0x0p+0 ] && tell 'they have computed' no || tell 'they have computed' yes
mv lib2/rank1.so lib2/gone.so
check 'a rank that cannot be loaded' 0 'rank 0: .*rank 1 has ended|rank 1: lib2/rank1.so' ./load_ranks lib2
mv lib2/gone.so lib2/rank1.so

# What is refused.
check 'no folder' 2 'ranks holds the parts of a model, each of which is compiled to a file of its own: -o DIR/' "$fovea" compile ranks
check 'one file' 2 'each of which is compiled to a file of its own' "$fovea" compile ranks -o one.so
check 'standard output' 2 'each of which is compiled to a file of its own' "$fovea" compile ranks -o - --emit ir
check 'the folder itself' 2 '-o ranks/ is the folder of the parts that are compiled' "$fovea" compile ranks -o ranks/
present ranks/parts.json ranks/rank0.onnx
# A command that fails changes nothing: the list and the libraries that were there stay, and no file and no folder is added.
check 'libraries that stay' 0 '' "$fovea" compile ranks -o stay
names() {
    find "$1" | sort >"$2"
    find "$1" -type f -exec cksum {} + | sort >>"$2"
}
names stay before
# stays NAME STATUS TEXT ARGUMENT...: the command is refused, with -o stay and with the name of a new folder
stays() {
    what=$1 code=$2 text=$3
    shift 3
    check "$what" "$code" "$text" "$fovea" compile "$@" -o stay
    names stay after
    cmp -s before after && tell "$what: the libraries stay" yes || tell "$what: the libraries stay" no
    check "$what: a new folder" "$code" "$text" "$fovea" compile "$@" -o fresh
    absent fresh
}
stays 'ONNX' 2 '.fovea opt. writes ONNX' ranks --emit onnx
stays 'an unknown place of weights' 2 '--weights bogus: there are' ranks --weights=bogus
stays 'an unknown header' 2 '--header takes yes or no' ranks --header=maybe
stays 'a layout' 2 '--layout is for a folder of C' ranks --layout=cmake
stays 'a limit that is none' 2 '--max-ram=zzz: give bytes' ranks --max-ram=zzz
stays 'an unknown state' 1 "the model has no input 'zzz'" ranks --state zzz=yyy
stays 'an unknown dim' 1 "there is no dim 'zzz'" ranks --dim zzz=1
stays 'a target without libraries' 1 '(stay|fresh): error: target cortex-m4 has no shared libraries' ranks --target=cortex-m4
stays 'libraries of libraries' 1 'lib2/rank0.so: error: is compiled already' lib2
cp -r ranks late && rm late/rank1.onnx
stays 'a part that is missing' 1 "late/rank1.onnx: error: cannot open 'late/rank1.onnx'" late --weights=file
mkdir late2 && cp ranks/rank0.onnx lib2/rank1.so late2
awk 'FNR == NR { if (/rank1.so/) { file = $0; getline bytes; getline sum }; next }
    /rank1.onnx/ { print file; print bytes; print sum; getline; getline; next } { print }' lib2/parts.json ranks/parts.json >late2/parts.json
stays 'a part that cannot be compiled' 1 '^late2/rank1.so: error: is compiled already' late2 --weights=file
stays 'an object of it' 1 '^late2/rank1.so: error: is compiled already' late2 --emit obj
stays 'C of it' 1 '^late2/rank1.so: error: is compiled already' late2 --emit c
mkdir killed && cp -r stay/* killed && mkdir -p killed/.fovea-abcdef/rank0/.fovea-ghijkl && touch killed/.fovea-abcdef/rank0/.fovea-ghijkl/file
check 'after a killed command' 0 '' "$fovea" compile ranks -o killed
absent killed/.fovea-abcdef
check 'a folder of parts' 1 'stages: error: its parts.json lists parts that .fovea compile. has not written' "$fovea" compile ranks -o stages
present stages/parts.json stages/rank0.fvir stages/rank3.fvir
touch plain
check 'a file' 1 '^plain: error: -o: cannot make the folder plain' "$fovea" compile ranks -o plain
touch c/rank1/own
names c before
check 'a folder of C with a file of another program' 1 "c/rank1. holds 'own'" "$fovea" compile ranks -o c --emit c --name legs
names c after
cmp -s before after && tell 'the folders of C stay' yes || tell 'the folders of C stay' no
rm c/rank1/own
check 'folders of C again' 0 '' "$fovea" compile ranks -o c --emit c --weights=incbin
present c/rank1/rank1.c c/rank1/rank1_weights.S
absent c/rank1/rank1_weights.c
# Weights of an earlier command are no weights of this one.
check 'objects with weights' 0 'w/rank1.weights' "$fovea" compile ranks -o w --emit obj --weights=file
check 'libraries without' 0 '' "$fovea" compile ranks -o w
absent w/rank0.weights w/rank1.weights
same w
check 'an unknown kind' 2 "--emit sos: did you mean 'so'" "$fovea" compile ranks -o x --emit sos
check 'no kind' 2 "--emit zzzzzz: there is no such kind" "$fovea" compile ranks -o x --emit zzzzzz
check 'a tuning' 2 '--tuning is for one model' "$fovea" compile ranks -o x --tuning=t
check 'a folder without parts' 1 'in: error: is a folder without parts.json' "$fovea" compile in -o x
cp -r ranks lost && rm lost/rank1.onnx
check 'a part that is missing' 1 'lost/rank1.onnx' "$fovea" compile lost -o x
absent x
cp -r ranks cut && truncate -s 900 cut/rank1.onnx
check 'a part that is truncated' 1 "rank 1: 'cut/rank1.onnx' has 900 bytes, expected" "$fovea" compile cut -o x
check 'another machine' 0 '' "$fovea" compile ranks -o other --target=$([ "$(uname -m)" = aarch64 ] && echo x86-64-v3 || echo aarch64)
check 'which cannot run here' 1 'other/rank0.so: error: cannot be loaded: it is for another kind of machine' "$fovea" run other --data-set in
rm lib2/rank1.so
check 'a library that is missing' 1 'lib2/rank1.so' "$fovea" run lib2 --data-set in
cp lib2/rank0.so lib2/rank1.so
check 'the library of another rank' 1 "rank 1: 'lib2/rank1.so' has" "$fovea" run lib2 --data-set in
printf x >>lib4/rank2.weights
check 'weights that were changed' 1 "rank 2: 'lib4/rank2.so' has" "$fovea" run lib4 --data-set in
# Parts in a folder of libraries replace them.
check 'parts again' 0 '' "$fovea" shard "$stories" --ranks 2 -o lib4
absent lib4/rank0.so lib4/rank0.h lib4/rank0.weights
same lib4 --backend=interp
finish
