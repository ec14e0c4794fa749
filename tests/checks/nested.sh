#!/usr/bin/env bash
# Checks that no command takes time or memory that grows exponentially with the depth to which branches, loops, scans,
# maps over sequences and functions nest, and that graphs which are nested deeper than the limit are refused.
# Usage: nested.sh BUILD
set -u
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 "$here/nested.py" "$1/tools/fovea" "$folder"
