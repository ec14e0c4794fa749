# Checks README.md, docs/ and the READMEs of folders: commands print what they show, blocks that are not run are listed with
# the reason, docs/operators.md is the catalogue, README.md states the number of operators, and links lead to existing files.
# Usage: readme.sh BUILD
set -u
build=$(cd "$1" && pwd)
fovea=$build/tools/fovea
passed=0 failed=0
good() { passed=$((passed + 1)); }
bad() { failed=$((failed + 1)); echo "FAILED $*"; }

out=$(mktemp)
trap 'rm -f "$out"' EXIT
python3 tests/checks/documents.py "$build" $(git ls-files README.md 'docs/*.md' '*/README.md' | grep -vE '^(examples|tests)/|docs/operators.md') >"$out" 2>&1
grep -v ' passed, ' "$out"
line=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$out" | tail -n 1)
f=${line#*, }
passed=${line%% *} failed=${f%% *}
[ -n "$line" ] || { passed=0; bad "documents.py gives no result"; }

python3 tests/checks/blocks.py tests/checks/blocks.txt $(git ls-files README.md 'docs/*.md') >"$out" 2>&1
grep -v ' passed, ' "$out"
line=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$out" | tail -n 1)
f=${line#*, }
[ -n "$line" ] && passed=$((passed + ${line%% *})) failed=$((failed + ${f%% *})) || bad "blocks.py gives no result"

"$fovea" ops --markdown >"$out"
if cmp -s "$out" docs/operators.md; then
    good
elif [ -n "${FOVEA_UPDATE_GOLDENS:-}" ]; then
    cp "$out" docs/operators.md
    good
else
    bad "docs/operators.md is not what \`fovea ops --markdown\` prints"
fi
n=$(sed -n 's/.* \([0-9]*\) operators of the standard.*/\1/p' "$out" | head -n 1)
[ -z "${FOVEA_UPDATE_GOLDENS:-}" ] || sed -i "s/[0-9]* of the standard's/$n of the standard's/" README.md
if grep -q "\b$n of the standard's" README.md; then good; else bad "README.md: the catalogue has $n of the standard's operators"; fi

# headings FILE: those of a document, as links name them
headings() {
    grep -E '^#+ ' "$1" | sed -E 's/^#+ //; s/[^A-Za-z0-9 _-]//g; s/ /-/g' | tr '[:upper:]' '[:lower:]'
}
for file in $(git ls-files '*.md'); do
    folder=$(dirname "$file")
    for link in $(grep -oE '\]\([^) ]+' "$file" | cut -c 3- | grep -v ://); do
        target=$folder/${link%%#*}
        [ "${link%%#*}" ] || target=$file
        if [ ! -e "$target" ]; then
            bad "$file: there is no $link"
        elif [ "$link" != "${link#*#}" ] && ! headings "$target" | grep -qx -- "${link#*#}"; then
            bad "$file: nothing in $target is called ${link#*#}"
        else
            good
        fi
    done
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
