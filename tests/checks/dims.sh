#!/usr/bin/env bash
# Checks that exported models with dims too large for any memory are lowered, or refused with a reason, within limits of
# processor time and memory.
# Usage: dims.sh BUILD
# needs: shared
set -u
here=$(cd "$(dirname "$0")" && pwd)
shared=${FOVEA_SHARED:-$here/../../../shared}
exec python3 "$here/dims.py" "$1/tools/fovea" "$shared"
