# needs: shared
# Of each kernel and value of exported models `inspect --why` says why it is as it is: in full, in all its forms, and by any
# name that it mentions. Of the values, tests/reasons/models asks lowering itself. Usage: reasons.sh BUILD
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
