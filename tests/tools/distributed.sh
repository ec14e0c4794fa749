# Tests examples/distributed: the program decodes over 2, 3 and 4 processes, with the ids of one process.
. "$(dirname "$0")/lib.sh"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 # in a container, tests are root
command -v mpirun >/dev/null || { echo 'skipped: there is no mpirun'; exit 77; }
build=$(dirname "$(dirname "$fovea")")
mkdir -p place/include place/lib place/bin
cp "$root"/runtime/fovea*.h place/include
ln -s "$build"/tools/libfovea.so* "$build"/runtime/libfovea-mpi.so* place/lib
ln -s "$fovea" place/bin/fovea
export LD_LIBRARY_PATH=$work/place/lib:$build/runtime:$build/tools
cp "$root"/examples/distributed/* .
ids=26,13,1,20,13,29,1,13,1,14,23,13
for ranks in 2 3 4; do
    check "$ranks ranks" 0 "^$ids\$" timeout 120 make run RANKS=$ranks FOVEA="$work/place" LDFLAGS="-Wl,-rpath-link,$build/runtime" \
        MODEL="$root/examples/stories/stories.onnx" CFLAGS='-O1 -Wall -Wextra -Werror -pedantic'
    [ "$(grep -c "^$ids" out)" = 1 ] && tell 'one rank prints' yes || tell 'one rank prints' no
    [ "$(grep -c "of $ranks: 6 caches in place" err)" = $ranks ] && tell 'caches in place' yes || tell 'caches in place' no
done
make_run() {
    timeout 120 make run "$@" FOVEA="$work/place" LDFLAGS="-Wl,-rpath-link,$build/runtime" \
        MODEL="$root/examples/stories/stories.onnx" CFLAGS='-O1 -Wall -Wextra -Werror -pedantic'
}
for ranks in 1 2; do
    check "two stages of $ranks" 0 "^$ids\$" make_run RANKS=$ranks STAGES=2
    [ "$(grep -c "caches in place" err)" = $((2 * ranks)) ] && tell 'each rank of a stage' yes || tell 'each rank of a stage' no
done
check 'libraries' 0 '' "$fovea" compile parts1x4 -o libraries --state 'past_key_values.*=present.*:room'
check 'four ranks by libraries' 0 "^$ids\$" timeout 120 mpirun --oversubscribe -n 4 ./decode libraries 0,20,12 12
[ "$(grep -c 'of 4: 6 caches in place' err)" = 4 ] && tell 'states of libraries' yes || tell 'states of libraries' no
check 'no list of ids' 2 'usage: mpirun' ./decode parts1x2 0,x 3
check 'a part that is not there' 1 'none/rank0.onnx' ./decode none 0 3
check 'one process for two parts' 1 'communicator' ./decode parts1x2 0,20 3
finish
