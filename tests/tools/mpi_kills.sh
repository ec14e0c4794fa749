# Tests parts of which a process is killed, stopped or delayed at random, or a file is truncated: tools/scripts/kills.py makes
# FV_RUNS runs (14), which FV_SEED draws (1).
. "$(dirname "$0")/lib.sh"
command -v mpirun >/dev/null || { echo 'skipped: there is no mpirun'; exit 77; }
check 'runs' 0 ' 0 faults$' python3 "$root/tools/scripts/kills.py" "$fovea" "$root/examples/stories/stories.onnx" \
    --runs "${FV_RUNS:-14}" --seed "${FV_SEED:-1}" --timeout 5
cat out
finish
