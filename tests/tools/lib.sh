# lib.sh - sourced by the tests of the command, which are called as SCRIPT FOVEA ROOT PROTOC. Changes to a temporary
# folder.
set -u
# shellcheck disable=SC2034 # the scripts use them
fovea=$(realpath "$1") root=$2 protoc=$(command -v "$3")
unset FOVEA_FLAGS FOVEA_NUM_THREADS FOVEA_CACHE_SIZE
export FOVEA_CACHE_DIR='' FOVEA_PROCESSOR='' # none, but where a test says so
export ASAN_OPTIONS=detect_leaks=0:exitcode=99:allocator_may_return_null=1:${ASAN_OPTIONS:-} UBSAN_OPTIONS=halt_on_error=1:exitcode=99
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
tested=0 passing=0

# tell NAME GOOD: counts; what was said is shown where it is bad
tell() {
    tested=$((tested + 1))
    if [ "$2" = yes ]; then
        passing=$((passing + 1))
    else
        echo "FAILED $1"
        head -c 1000 out err
    fi
}
# check NAME STATUS PATTERN COMMAND...: it exits with STATUS, and says what matches PATTERN
check() {
    name=$1 want=$2 pattern=$3
    shift 3
    "$@" >out 2>err </dev/null
    status=$?
    good=no
    [ $status = "$want" ] && grep -Eq -- "$pattern" out err && good=yes
    [ -s err ] && grep -q 'ERROR: .*Sanitizer\|runtime error' err && good=no
    [ $good = yes ] || echo "status $status, expected $want and '$pattern': $*"
    tell "$name" $good
}
# said PATTERN / silent: about the command before, standard output / standard error
said() { grep -Eq -- "$1" out && tell "$name: says $1" yes || tell "$name: says $1" no; }
noted() { grep -Eq -- "$1" err && tell "$name: notes $1" yes || tell "$name: notes $1" no; }
absent() { for f; do [ -e "$f" ] && tell "$name: $f is not there" no || tell "$name: $f is not there" yes; done; }
present() { for f; do [ -s "$f" ] && tell "$name: $f is there" yes || tell "$name: $f is there" no; done; }

# progress PATTERN LINE: what the line of the shell shows on a terminal, and with -q does not
progress() {
    command -v script >/dev/null || { echo 'skipped: progress, there is no program script'; return; }
    TERM=xterm script -qec "$2" typescript >out 2>err </dev/null
    grep -aEq -- "$1" typescript && tell "progress '$1'" yes || tell "progress '$1'" no
    TERM=xterm script -qec "$2 -q" typescript >out 2>err </dev/null
    grep -aEq -- "$1" typescript && tell "no progress '$1' with -q" no || tell "no progress '$1' with -q" yes
}

# floats FILE N: random numbers between -0.4 and 0.4, the same in each run
floats() {
    python3 -c 'import random, struct, sys
random.seed(7)
n = int(sys.argv[2])
open(sys.argv[1], "wb").write(struct.pack("<%df" % n, *(random.uniform(-0.4, 0.4) for i in range(n))))' "$1" "$2"
}
# onnx FILE: a model, from its text on standard input
onnx() {
    "$protoc" --proto_path="$root/frontend" --encode=onnx.ModelProto "$root/frontend/onnx.proto" >"$1" || exit 1
}
# layer FILE OP...: a graph, of a product with a weight and these ops behind it, of which the last gives %y
layer() {
    file=$1
    shift
    {
        printf '%s\n' 'fovea-ir 1' 'module "m"' 'symbol n 0..8' 'const @w: f32[2, 3] = [1, 2, 3, 4, 5, 6]' 'func @main(%x: f32[n, 2]) -> (%y) {'
        printf '  %s\n' '%h = MatMul(%x, @w)' "$@" 'return %y'
        echo '}'
    } >"$file"
}
# npy FILE DESCR SHAPE BYTES: as printf writes the bytes
npy() {
    head="{'descr': '$2', 'fortran_order': False, 'shape': ($3), }"
    printf '\223NUMPY\001\000v\000%-117s\n' "$head" >"$1"
    printf "$4" >>"$1"
}
# The board of examples/board. has_board: are its tools there? board_link ELF OPTION|FILE...; board_run ELF: by its serial port
has_board() {
    command -v arm-none-eabi-gcc >/dev/null && command -v qemu-system-arm >/dev/null && return
    echo 'skipped: on a Cortex-M4, there is no arm-none-eabi-gcc or no qemu-system-arm'
    return 1
}
board_link() {
    elf=$1
    shift
    arm-none-eabi-gcc -std=gnu11 -O2 -Wall -Wextra -Werror -mcpu=cortex-m4 -mthumb -mfloat-abi=hard -mfpu=fpv4-sp-d16 "$@" \
        "$root/examples/board/board.c" -nostartfiles -T "$root/examples/board/board.ld" -o "$elf"
}
board_run() {
    timeout 120 qemu-system-arm -M mps2-an386 -display none -monitor none -serial stdio \
        -semihosting-config enable=on,target=native -kernel "$1"
}
finish() {
    echo "Tested: $tested | Passing: $passing | Failing: $((tested - passing)) "
    [ $passing = $tested ]
}
