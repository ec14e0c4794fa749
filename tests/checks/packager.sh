#!/usr/bin/env bash
# Runs the tasks of tests/packager, each of which prints `N passed, N failed`.
# Usage: packager.sh BUILD [TASK...]
set -u
cd "$(dirname "$0")/../.." || exit 1
build=$1
shift
[ $# -gt 0 ] || set -- partly parts environment project static minimal bytes
out=$(mktemp)
trap 'rm -f "$out"' EXIT
for task; do
    bash "tests/packager/$task.sh" . "$build" >"$out.one"
    status=$?
    grep -q '^[0-9]* passed, ' "$out.one" || printf 'FAILED %s ended with status %d\n0 passed, 1 failed\n' "$task" $status >>"$out.one"
    cat "$out.one" >>"$out"
done
rm -f "$out.one"
grep -v '^[0-9]* passed, ' "$out"
awk '/^[0-9]+ passed, / {p += $1; f += $3} END {printf "%d passed, %d failed\n", p, f; exit f > 0}' "$out"
