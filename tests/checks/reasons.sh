# needs: shared
# Checks that `inspect --why` explains each kernel and value of exported models: completely, in text and in JSON, and
# for any name that it mentions. tests/reasons/models checks the recorded reasons of all values.
# Usage: reasons.sh BUILD
set -u
export FOVEA_CACHE_DIR=
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
{
    printf '%s\n' x86-64-v3 cortex-m4 |
        xargs -P "$(nproc)" -I TARGET "$1/tests/reasons/models" TARGET "$FOVEA_SHARED"/models/*/model.onnx
    python3 tests/checks/reasons.py "$1/tools/fovea" backend/lowering/why.def x86-64-v3 "$FOVEA_SHARED"/models/*/model.onnx
} >"$log" 2>&1
grep -vE '^[0-9]+ passed, [0-9]+ failed$' "$log"
# all three have counted, or one came to an end before
awk '/^[0-9]+ passed, [0-9]+ failed$/ { p += $1; f += $3; n++ }
    END { f += 3 - n; print p + 0 " passed, " f " failed"; exit f > 0 }' "$log"
