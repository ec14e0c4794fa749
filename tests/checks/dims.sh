#!/usr/bin/env bash
# dims.sh BUILD - exported models with dims that no memory holds: lowered, or refused with a reason, at once.
# needs: shared
set -u
here=$(cd "$(dirname "$0")" && pwd)
shared=${FOVEA_SHARED:-$here/../../../shared}
exec python3 "$here/dims.py" "$1/tools/fovea" "$shared"
