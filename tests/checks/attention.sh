#!/usr/bin/env bash
# Checks which attention `inspect --attention` finds in models, and what of it is fused, against the files of
# tests/attention.
# Usage: attention.sh BUILD
# needs: shared
set -u
here=$(cd "$(dirname "$0")" && pwd)
shared=${FOVEA_SHARED:-$here/../../../shared}
exec python3 "$here/attention.py" "$1" "$shared/models"
