# Tests manual pages: each says all that the help says, and is roff without faults.
# Usage: SCRIPT FOVEA ROOT PROTOC
. "$(dirname "$0")/lib.sh"
commands=$("$fovea" --help | sed -n '/^commands:/,/^$/s/^  \([a-z]*\) .*/\1/p')
[ "$(echo "$commands" | wc -l)" -gt 10 ] && tell 'there are commands' yes || tell 'there are commands' no
command -v mandoc >/dev/null || echo 'skipped: faults and words of manual pages, there is no mandoc'
for c in '' $commands; do
    check "page of fovea $c" 0 '^\.SH NAME$' "$fovea" --manual $c
    cp out page.1
    "$fovea" $c --help >help
    for option in $(sed -n 's/^  \(-[a-zA-Z], \)\?\(--[a-z-]*\).*/\2/p' help); do
        grep -Fq "\\fB${option//-/\\-}\\fR" page.1 || echo "$option is missing" >>missing
    done
    command -v mandoc >/dev/null || continue
    check "page of fovea $c has no faults" 0 '^$' sh -c 'mandoc -T lint page.1 && echo'
    mandoc -T utf8 -O width=400 page.1 | sed 's/.\x08//g' >text
    # the title of a list and the last line about pages stand in the help alone; backquotes become bold
    sed '/^usage:/d; /^[a-z ]*:$/d; /^`fovea COMMAND --help/,$d' help | tr -d '`' | tr -s ' ' '\n' | sort -u >words
    tr -s ' ' '\n' <text | sort -u | comm -23 words - | grep -vxE "|${commands//$'\n'/|}" >>missing
done
cp missing out
[ -s missing ] && tell 'pages say all that the help says' no || tell 'pages say all that the help says' yes
check 'no such page' 2 "did you mean 'compile'" "$fovea" --manual comple
finish
