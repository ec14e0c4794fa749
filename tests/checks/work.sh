# needs: shared
# Checks that neither fusion nor layout multiplies operations: for exported models, random graphs of filters, norms,
# softmaxes and reductions along every axis, and the graphs of tests/work/graphs, kernels compute at most 1.5 times the
# operations that the operators need, where a sum counts once (tests/work). Models are only lowered, not run. The target
# is generic, because it pads tiles least. FOVEA_SEED chooses other graphs, FOVEA_GRAPHS sets their number.
# Usage: work.sh BUILD
set -u
graphs=$1/tests/matrix/graphs
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/graphs"
if [ -x "$graphs" ]; then # built with libelf only
    "$graphs" --dump="$dir/graphs" --count="${FOVEA_GRAPHS:-300}" --seed="${FOVEA_SEED:-1}" --family=images >/dev/null
fi
# a graph has few elements: 300 of them take as long as the models
{
    ls "$FOVEA_SHARED"/models/*/model.onnx "$(dirname "$0")"/../work/graphs/*.fvir
    find "$dir/graphs" -name '*.fvir' | sort -V
} | xargs -n 64 -P "$(nproc)" "$1/tests/work/work" generic >"$dir/log" 2>&1
grep -vE '^[0-9]+ passed, [0-9]+ failed$' "$dir/log"
# each of the lists has counted, or one came to an end before
awk -v models="$(ls "$FOVEA_SHARED"/models/*/model.onnx | wc -l)" '/^[0-9]+ passed, [0-9]+ failed$/ { p += $1; f += $3 }
    END { if (p + f < models - 2) f++; print p + 0 " passed, " f + 0 " failed"; exit f > 0 }' "$dir/log"
