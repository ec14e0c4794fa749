# needs: shared
# Bits are equal among consumers, for every target, with every compiler in turn: attention layers, the
# dates model, and one of the standard's tests for each operator (on a third of the targets, in turn).
# tests/matrix/run does all of it.
# Usage: matrix.sh BUILD
set -u
FOVEA_BUILD=$1 exec tests/matrix/run --quick -j"$(nproc)" "$FOVEA_SHARED"/models/mha_* "$FOVEA_SHARED/models/aud_kwt_mcu" \
    "$PWD/examples/dates/dates.onnx" --cover=op "$FOVEA_SHARED/onnx-suite/node"
