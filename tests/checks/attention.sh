#!/usr/bin/env bash
# attention.sh BUILD - what attention is called, and what of it is fused: tests/attention.
# needs: shared
set -u
here=$(cd "$(dirname "$0")" && pwd)
shared=${FOVEA_SHARED:-$here/../../../shared}
exec python3 "$here/attention.py" "$1" "$shared/models"
