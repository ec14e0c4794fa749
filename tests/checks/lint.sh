#!/usr/bin/env bash
# Checks all scripts by shellcheck, and all Python by flake8: .shellcheckrc, tests/.shellcheckrc and .flake8 state what is allowed,
# and why. The types of the Python package are checked by tests/python/test_source.py, manual pages by tests/tools/manual.sh.
# Usage: lint.sh
set -u
cd "$(dirname "$0")/../.." || exit 1
passed=0 failed=0
# lint NAME COMMAND...: it prints nothing and succeeds
lint() {
    local said
    if said=$("${@:2}" 2>&1) && [ -z "$said" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED %s\n%s\n' "$1" "$said"
    fi
}
if command -v shellcheck >/dev/null; then
    named=() unnamed=() # scripts whose first line names their shell; those that are bash without such a line
    while read -r file; do
        if head -n 1 "$file" | grep -qaE '^#!.*[/ ](ba|da)?sh( |$)'; then
            named+=("$file")
        elif [[ $file == *.sh || $file == *.bash ]]; then
            unnamed+=("$file")
        fi
    done < <(git ls-files)
    lint "the scripts that name a shell, of which there are ${#named[@]}" shellcheck -f gcc "${named[@]}"
    lint "other scripts, of which there are ${#unnamed[@]}" shellcheck -s bash -f gcc "${unnamed[@]}"
    # shellcheck disable=SC2016
    lint 'a planted fault of a script' eval '! printf "#!/bin/sh\nrm \$1\n" | shellcheck - >/dev/null'
else
    echo 'skipped: scripts, there is no shellcheck'
fi
if command -v flake8 >/dev/null; then
    mapfile -t files < <(git ls-files '*.py')
    lint 'Python' flake8 "${files[@]}"
    lint 'a planted fault in Python' eval '! echo "import os" | flake8 - >/dev/null'
else
    echo 'skipped: Python, there is no flake8'
fi
echo "$passed passed, $failed failed"
[ $failed = 0 ]
