# Tests examples/translate: the same digits from code in memory, from generated C and on a Cortex-M4; and the attention
# map.
. "$(dirname "$0")/lib.sh"
example=$root/examples/translate
cp "$example/numbers.onnx" .
for i in 0 1 2; do
    set=$example/test/test_data_set_$i
    check "data set $i" 0 '2 of 2 outputs as expected' "$fovea" run numbers.onnx --data-set="$set" --expect="$set"
done
check 'C' 0 'workspace' "$fovea" compile numbers.onnx --dim n=1..80 -o numbers.c
grep -q 'Nothing is allocated' numbers.h && tell 'nothing is allocated' yes || tell 'nothing is allocated' no

# ---- what programs say ----
cat >spelled <<'T'
two hundred and forty-seven thousand and twelve
Twelve hundred

seven
nine hundred ninety-nine thousand, nine hundred ninety-nine
this line has more than eighty characters, which is more than any number of six digits has
T
printf '247012\n1200\n7\n999999\n?\n' >digits
says() { # NAME PROGRAM...: what it answers; a line that is too long makes the status 1
    name=$1
    shift
    "$@" <spelled >answered
    status=$?
    cmp -s digits answered && [ $status = 1 ] && tell "$name" yes || { cat answered; tell "$name: status $status" no; }
}
cc -std=c99 -O1 -march=x86-64-v3 -ffreestanding -c numbers.c 2>/dev/null && [ "$(uname -m)" = x86_64 ] && grep -q avx2 /proc/cpuinfo &&
    cc -std=c99 -Wall -Wextra -Werror -pedantic -I. "$example/read_numbers.c" numbers.o -o c-numbers && says 'as C' ./c-numbers
library=$(dirname "$fovea")
if [ -e "$library/libfovea.so" ] && ! grep -q __asan_init "$fovea"; then
    cc -std=c99 -Wall -Wextra -Werror -I. -I"$root/runtime" "$example/read_numbers.c" "$example/read_numbers_jit.c" \
        -L"$library" -lfovea -Wl,-rpath,"$library" -o jit-numbers
    says 'in memory' ./jit-numbers
    check 'what its README shows' 0 ' 0 failed' env -C "$example" python3 "$root/tests/checks/documents.py" "${library%/tools}" README.md
fi
if has_board; then
    mkdir board
    "$fovea" compile numbers.onnx --dim n=1..80 --target=cortex-m4 -q -o board/numbers.c
    board_link numbers.elf -Iboard "$example/read_numbers.c" board/numbers.c
    printf '\004' >>spelled
    says 'on a Cortex-M4' board_run numbers.elf
fi

# ---- its map ----
check 'map' 0 'decoder_Softmax.npy' "$fovea" run numbers.onnx --data-set="$example/test/test_data_set_1" --attention-maps maps
grep -q "'shape': (5, 1, 14)" maps/decoder_Softmax.npy && tell 'a row for each digit and the end' yes || tell 'a row for each digit and the end' no
grep -q 'Rows are queries (5), columns keys (14)' maps/index.html && tell 'turns are queries' yes || tell 'turns are queries' no
finish
