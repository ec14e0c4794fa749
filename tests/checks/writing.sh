# needs: shared
# ONNX that `fovea opt` writes: read back it gives the same bits, with attention as an operator the same numbers; the standard's
# checker takes it, where a python has the package onnx; ONNX Runtime gives the same outputs, where FOVEA_ORT names its library.
# A sample of exported models and of the standard's tests (all of it: SAMPLE=1). Usage: writing.sh BUILD
set -u
export FOVEA_CACHE_DIR= # what is tested is compiled
python=
for p in python3 /usr/bin/python3; do
    "$p" -c 'import onnx' 2>/dev/null && python=$p && break
done
[ -n "$python" ] || echo "skipped: no python has the package onnx, its checker is not asked"
[ -n "${FOVEA_ORT:-}" ] || echo "skipped: FOVEA_ORT names no library, ONNX Runtime is not asked"
"${python:-python3}" "$(dirname "$0")/writing.py" "$1/tools/fovea" "$FOVEA_SHARED" "${SAMPLE:-20}" "${FOVEA_ORT:-}"
