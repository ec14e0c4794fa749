# Tests examples/stories: the same text from code in memory, from generated C and on a Cortex-M4, with caches that are
# not copied; and texts that are no prompt.
. "$(dirname "$0")/lib.sh"
example=$root/examples/stories
in_place='past_key_values.*=present.*:200'
bounds='--dim batch=1 --dim s=1..16 --dim past=0..200'
cp "$example/stories.onnx" .
for i in 0 1; do
    set=$example/test/test_data_set_$i
    check "data set $i" 0 '7 of 7 outputs as expected' "$fovea" run stories.onnx --data-set="$set" --expect="$set"
    check "data set $i, in place" 0 '7 of 7 outputs as expected' \
        "$fovea" run stories.onnx --state "$in_place" --data-set="$set" --expect="$set"
done
# shellcheck disable=SC2086
check 'C' 0 'workspace' "$fovea" compile stories.onnx $bounds --state "$in_place" -o stories.c
grep -q 'Nothing is allocated' stories.h && tell 'nothing is allocated' yes || tell 'nothing is allocated' no

# ---- what a step writes ----
# written STATE: by the kernels that make the first layer's keys and values of 150 characters and one more
written() {
    "$fovea" inspect stories.onnx --dim batch=1 --dim s=1 --dim past=150..199 --state "$1" --schedules |
        grep -A1 -E 'computes  `?(past_key_values|present)\.0\.(key|value)`?\[' | sed -n 's/.*writes //p' | tr '\n' ' '
}
[ "$(written "$in_place")" = '192 bytes 192 bytes ' ] && tell 'a row is written' yes || tell 'a row is written' no
[ "$(written "${in_place%:*}")" = '29 kB 29 kB ' ] && tell 'two buffers are a copy' yes || tell 'two buffers are a copy' no
for t in x86-64-v3 generic cortex-m4; do
    check "keys are read where they are stored, $t" 0 'reads keys where they are stored, without panels' \
        "$fovea" inspect stories.onnx --target=$t --state "$in_place" --why=/model/layers.0/Softmax
done

# ---- what programs say ----
many=$(printf '%0199d' 0 | tr 0 a)
{
    printf '\nAnna has a red kite.\nTom has a white lamp. He loses it in the\r\nZoe has a hat.\rBen has a hat\001\n'
    printf '%s\n%sa\nIda' "$many" "$many"
} >begun
sed "s/MANY/$many /" >told <<'T'
Nora has a blue kite. She gives it to Ben. He loses it in the garden. Max finds the blue kite in the garden. Now Max has the blue kite.
Anna has a red kite. She gives it to Dan. He gives it to Tom. Now Tom has the red kite.
Tom has a white lamp. He loses it in the meadow. Nora finds the white lamp in the meadow. She gives it to Ben. Now Ben has the white lamp.
line 4: character 1 is not in the alphabet
line 5: character 14 is not in the alphabet
MANY
line 6: the story does not end within 199 characters
line 7: it has more than 199 characters
Ida has a blue key. She gives it to Ben. He gives it to Max. Now Max has the blue key.
T
says() { # NAME PROGRAM...: what it answers; a line that has no story makes the status 1
    name=$1
    shift
    "$@" <begun >answered 2>&1
    status=$?
    cmp -s told answered && [ $status = 1 ] && tell "$name" yes || { cat answered; tell "$name: status $status" no; }
}
strict='-std=c99 -Wall -Wextra -Wshadow -Wconversion -Werror -pedantic -I.'
if [ "$(uname -m)" = x86_64 ] && grep -q avx2 /proc/cpuinfo && cc -std=c99 -O1 -march=x86-64-v3 -ffreestanding -c stories.c; then
    # shellcheck disable=SC2086
    cc $strict "$example/write_stories.c" stories.o -o c-stories && says 'as C' ./c-stories
    echo 'Ida has a blue bell.' | ./c-stories >one && [ "$(wc -l <one)" = 1 ] && tell 'status 0' yes || tell 'status 0' no
    mkdir small # a capacity that a story does not fit into
    # shellcheck disable=SC2086
    "$fovea" compile stories.onnx $bounds --state "${in_place%:*}:64" -q -o small/stories.c &&
        cc -std=c99 -O1 -march=x86-64-v3 -Ismall "$example/write_stories.c" small/stories.c -o small/stories
    check 'caches that are full' 1 'line 1: the story does not end within 63 characters' sh -c 'echo "Ida has a blue bell." | small/stories'
    good=no
    [ "$(head -c 64 one)" = "$(cat out)" ] && good=yes
    tell 'what fits is written' $good
fi
library=$(dirname "$fovea")
if [ -e "$library/libfovea.so" ] && ! grep -q __asan_init "$fovea"; then
    # shellcheck disable=SC2086
    cc $strict -I"$root/runtime" "$example/write_stories.c" "$example/write_stories_jit.c" -L"$library" -lfovea \
        -Wl,-rpath,"$library" -o jit-stories
    says 'in memory' ./jit-stories
    check 'what its README shows' 0 ' 0 failed' env -C "$example" python3 "$root/tests/checks/documents.py" "${library%/tools}" README.md
fi
if has_board; then
    mkdir board
    # shellcheck disable=SC2086
    "$fovea" compile stories.onnx $bounds --state "$in_place" --target=cortex-m4 -q -o board/stories.c
    board_link stories.elf -Iboard "$example/write_stories.c" board/stories.c
    printf '\004' >>begun
    says 'on a Cortex-M4' board_run stories.elf
    # The README's sizes, within a twentieth: compilers and C libraries differ.
    arm-none-eabi-size stories.elf | awk 'NR == 2 { print $1 + $2, $2 + $3 }' >sizes
    sed -n 's/.*It has \([0-9]*\) kB of code and weights and \([0-9]*\) kB of memory.*/\1 \2/p' "$example/README.md" >>sizes
    awk 'NR == 1 { code = $1; data = $2 } NR == 2 { good = near($1 * 1000, code) && near($2 * 1000, data) } END { exit !good }
        function near(a, b) { return a > 0.95 * b && a < 1.05 * b }' sizes && tell 'sizes' yes || { cat sizes; tell 'sizes' no; }
fi
finish
