# needs: shared
# Bits are equal among consumers, with every compiler in turn: attention layers and the dates model (for a fifth of the
# targets, in turn), and one of the standard's tests for each operator (for an eleventh of them); FOVEA_ALL=1: for all.
# tests/matrix/run does all of it.
# Usage: matrix.sh BUILD
set -u
quick=--quick
[ "${FOVEA_ALL:-0}" = 0 ] || quick=
# shellcheck disable=SC2086
FOVEA_BUILD=$1 exec tests/matrix/run $quick -j"$(nproc)" "$FOVEA_SHARED"/models/mha_* "$FOVEA_SHARED/models/aud_kwt_mcu" \
    "$PWD/examples/dates/dates.onnx" --cover=op "$FOVEA_SHARED/onnx-suite/node"
