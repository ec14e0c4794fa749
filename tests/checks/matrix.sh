# needs: shared
# Checks by tests/matrix/run that all consumers give the same bits, with every C compiler: for attention layers and the
# model of dates on a fifth of the targets, and for one of the standard's tests of each operator on an eleventh. Other
# targets take their turn with other models. FOVEA_ALL=1 takes all targets.
# Usage: matrix.sh BUILD
set -u
quick=--quick
[ "${FOVEA_ALL:-0}" = 0 ] || quick=
# shellcheck disable=SC2086
FOVEA_BUILD=$1 exec tests/matrix/run $quick -j"$(nproc)" "$FOVEA_SHARED"/models/mha_* "$FOVEA_SHARED/models/aud_kwt_mcu" \
    "$PWD/examples/dates/dates.onnx" --cover=op "$FOVEA_SHARED/onnx-suite/node"
