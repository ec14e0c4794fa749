# Tests the book, the site that tools/docs makes: all its links, anchors and pictures exist, it loads nothing from elsewhere,
# two copies of the sources give the same bytes; and a page with a wrong link, anchor or picture is refused.
# Usage: book.sh BUILD
set -u
passed=0 failed=0
good() { passed=$((passed + 1)); }
bad() { failed=$((failed + 1)); echo "FAILED $*"; }
python=python3
[ ! -x /usr/bin/python3 ] || python=/usr/bin/python3
if ! "$python" -c 'import sphinx, myst_parser' 2>/dev/null; then
    echo "skipped: $python has not both of the packages sphinx and myst_parser"
    echo "0 passed, 0 failed"
    exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if tools/docs -o "$work/site" >"$work/log" 2>&1 && [ "$(cat "$work/log")" = "$work/site/index.html" ]; then good; else bad "tools/docs: $(cat "$work/log")"; fi
if "$python" tests/checks/book.py "$work/site" >"$work/log"; then good; else bad "the site: $(cat "$work/log")"; fi

# A copy elsewhere gives the same bytes; then one mistake of each kind at a time.
copy=$work/copy
mkdir "$copy"
git ls-files -z | xargs -0 cp --parents -t "$copy" 2>/dev/null
if "$copy/tools/docs" -o "$work/site2" >/dev/null 2>&1 && diff -rq "$work/site" "$work/site2" >"$work/log"; then good; else bad "another path: $(head -n 3 "$work/log")"; fi
# refused LINE TEXT: docs/view.md with this line at its end is refused with a message that has the text
refused() {
    cp docs/view.md "$copy/docs/view.md"
    printf '\n%s\n' "$1" >>"$copy/docs/view.md"
    if "$copy/tools/docs" -o "$work/site2" >"$work/log" 2>&1; then
        bad "accepted: $1"
    elif ! grep -qF -- "$2" "$work/log"; then
        bad "$1: no message has $2: $(cat "$work/log")"
    elif [ ! -e "$work/site2/index.html" ]; then
        bad "$1: the site that was there is gone"
    else
        good
    fi
}
refused 'See [nothing](nothing.md).' 'docs/view.md: there is no nothing.md'
# two mistakes of which the site's generator tells, which takes as long for one of them
printf '# Alone\n' >"$copy/docs/alone.md"
refused 'See [nothing](cli.md#nothing).' 'cli.md#nothing'
if grep -q "alone.md.*isn't included in any toctree" "$work/log"; then good; else bad "a page in no contents: $(cat "$work/log")"; fi
rm "$copy/docs/alone.md"
refused '![nothing](nothing.png)' 'docs/view.md: there is no nothing.png'
refused 'See [the root](../../../etc/passwd).' 'docs/view.md: there is no ../../../etc/passwd'
printf 'outside\n' >"$work/outside.txt"
refused "See [a file]($work/outside.txt)." "docs/view.md: there is no $work/outside.txt"
if [ -e "$work/outside.txt.md" ]; then bad "a page is written outside of the folder of pages"; else good; fi

mkdir "$work/mine"
: >"$work/mine/file"
: >"$work/mine/searchindex.js" # another site
if tools/docs -o "$work/mine" >"$work/log" 2>&1 || [ ! -e "$work/mine/file" ]; then bad "a folder of the user is replaced"; else good; fi
tools/docs --nothing >/dev/null 2>&1
if [ $? = 2 ]; then good; else bad "a wrong option is no status 2"; fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
