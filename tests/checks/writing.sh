# needs: shared
# Checks the ONNX models that `fovea opt` writes: read again, they give the same bits, or, with attention written as an
# operator, the same numbers; the checker of the package onnx accepts them, if there is a python with it; and ONNX
# Runtime gives the same outputs, if FOVEA_ORT names its library. Takes a sample of the exported models and of the
# standard's tests; SAMPLE=1 takes all.
# Usage: writing.sh BUILD
set -u
export FOVEA_CACHE_DIR= # what is tested is compiled
python=
for p in python3 /usr/bin/python3; do
    "$p" -c 'import onnx' 2>/dev/null && python=$p && break
done
[ -n "$python" ] || echo "skipped: no python has the package onnx, its checker is not asked"
[ -n "${FOVEA_ORT:-}" ] || echo "skipped: FOVEA_ORT names no library, ONNX Runtime is not asked"
"${python:-python3}" "$(dirname "$0")/writing.py" "$1/tools/fovea" "$FOVEA_SHARED" "${SAMPLE:-20}" "${FOVEA_ORT:-}"
