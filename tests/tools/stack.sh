# Tests the command under limits of the stack (ulimit -s): it does the same work with any limit, and says what is missing if it
# cannot have a stack of the size that it needs.
. "$(dirname "$0")/lib.sh"
examples=$root/examples
# under KB COMMAND...: with a limit of the stack that no process below may raise
under() (
    ulimit -s "$1"
    shift
    exec "$@"
)
# works NAME COMMAND...: it ends with status 0
works() {
    done=$1
    shift
    "$@" >out 2>err </dev/null && tell "$done" yes || tell "$done" no
}
for model in "$examples/anomaly/bands.onnx" "$examples/dates/dates.onnx"; do
    what=$(basename "$model")
    works "$what without a limit" "$fovea" run "$model" -q --format=npy -o free --seed 1
    for limit in 32 128 1024; do
        backends='interp jit'
        [ $limit = 1024 ] && backends+=' c' # the compiler of C needs a stack, too
        for backend in $backends; do
            works "$what, $backend, $limit kB" under $limit "$fovea" run "$model" -q --format=npy -o limited --seed 1 --backend=$backend --threads=2
            diff -r free limited >out 2>err && tell "$what, $backend, $limit kB: the same bits" yes || tell "$what, $backend, $limit kB: the same bits" no
            rm -rf limited
        done
    done
    rm -rf free
done
dates=$examples/dates/dates.onnx
works 'compile' under 64 "$fovea" compile -q "$dates" -o dates.so
works 'a library' under 64 "$fovea" run -q dates.so
check 'inspect' 0 '^inputs +text: i32' under 64 "$fovea" inspect "$dates"
check 'the exit status' 2 'no command' under 64 "$fovea" nothing
check 'the status of a model' 1 'No such file' under 64 "$fovea" run nowhere.onnx
# in memory in which the command starts, but which has no 8 MB more
for memory in $(seq 4000 1000 900000); do
    (ulimit -v "$memory" && exec "$fovea" --version) >out 2>err && break
done
check 'no memory for the stack' 1 'the limit of the stack is 64 kB .* 8192 kB that are needed' \
    bash -c "ulimit -s 64 && ulimit -v $((memory + 2000)) && exec '$fovea' run '$dates'"
finish
