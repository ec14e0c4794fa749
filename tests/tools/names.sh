# Tests names from untrusted models: whatever bytes they have, only printable characters reach the terminal and files,
# no name can imitate a line of the output, and every name can be given on the command line.
. "$(dirname "$0")/lib.sh"

# ESC, BEL, CR, newline, DEL, tab, a backslash, a backquote, quotes, ends of comments, a trigraph, marks of direction,
# (a name that is no UTF-8 is refused)
evil='\033[31m\007\r\nerror: forged\177\t\\`'"\\'"'\"*/?\?/\342\200\256\342\201\246\342\200\217'
onnx evil.onnx <<T
ir_version: 8
opset_import { version: 17 }
producer_name: "p$evil"
doc_string: "doc$evil"
metadata_props { key: "k$evil" value: "v$evil" }
graph {
  name: "g$evil"
  node { name: "n$evil" op_type: "MatMul" input: "x$evil" input: "w$evil" output: "m$evil" doc_string: "d$evil" }
  node { name: "a$evil" op_type: "Add" input: "m$evil" input: "z=$evil" output: "y$evil" }
  node { name: "s$evil" op_type: "NonZero" input: "y$evil" output: "nz$evil" }
  initializer { name: "w$evil" dims: 2 dims: 2 data_type: 1 float_data: 1 float_data: 2 float_data: 3 float_data: 4 }
  input { name: "x$evil" type { tensor_type { elem_type: 1 shape { dim { dim_param: "d$evil" } dim { dim_value: 2 } } } } }
  input { name: "z=$evil" type { tensor_type { elem_type: 1 shape { dim { dim_param: "d$evil" } dim { dim_value: 2 } } } } }
  output { name: "y$evil" type { tensor_type { elem_type: 1 shape { dim { dim_param: "d$evil" } dim { dim_value: 2 } } } } }
  output { name: "nz$evil" type { tensor_type { elem_type: 7 } } }
}
T
# as the command prints it, and as it may be typed
typed='\x1b[31m\x07\x0d\nerror: forged\x7f\x09\\\`'"'"'"*/??/\xe2\x80\xae\xe2\x81\xa6\xe2\x80\x8f'

# clean NAME FILE...: nothing but printable ASCII, tabs of Makefiles and line ends
clean() {
    name=$1
    shift
    LC_ALL=C grep -nq "[^ -~$(printf '\t')]" "$@" && tell "$name: bytes that do not show" no || tell "$name: all of it shows" yes
    grep -q '^error: forged' "$@" && tell "$name: a forged line" no || tell "$name: no forged line" yes
}
# checked NAME STATUS PATTERN COMMAND...: and what it says is clean
checked() {
    what=$1
    check "$@"
    clean "$what" out err
}

backends="jit interp c"
"$fovea" run "$root/examples/dates/dates.onnx" --backend=jit >/dev/null 2>&1 || backends="interp c"
for b in $backends; do
    checked "run $b" 0 'forged.* is not given' "$fovea" run evil.onnx --backend=$b
    checked "run $b with a dim" 0 'f32\[3, 2\]' "$fovea" run evil.onnx --backend=$b --dim "\`d$typed\`=3"
    checked "run $b with a place" 0 'f32\[3, 2\]' "$fovea" run evil.onnx --backend=$b --dim "\`x$typed\`:0=3"
    checked "bench $b" 0 'forged' "$fovea" bench evil.onnx --backend=$b --seconds=0.01 --rounds=1 --profile
    checked "test $b" 0 '1 passed' "$fovea" test evil.onnx --backend=$b
done
escaped="\\'"
raw=$(printf "d${evil/"$escaped"/"'"}")
checked 'a dim, byte for byte' 0 'f32\[3, 2\]' "$fovea" run evil.onnx --backend=interp --dim "$raw=3"
npy x.npy '<f4' '1, 2' '\0\0\200\77\0\0\0\100'
checked 'an input' 0 'f32\[1, 2\]' "$fovea" run evil.onnx --backend=interp --input "\`x$typed\`=x.npy" --input "\`z=$typed\`=x.npy"
checked 'a state' 0 'next run' "$fovea" inspect evil.onnx --state "\`x$typed\`=\`y$typed\`"
checked 'no such state' 1 'has no output' "$fovea" inspect evil.onnx --state "\`x$typed\`=\`q$typed\`"
checked 'no such dim' 1 'there is no dim' "$fovea" run evil.onnx --dim "\`q$typed\`=3"
checked 'no such input' 1 'there is no input' "$fovea" run evil.onnx --dim "\`d$typed\`=1" --input "\`q$typed\`=x.npy"
checked 'half a name' 2 'expected NAME=N' "$fovea" run evil.onnx --dim '`a`b=3'
checked 'outputs' 0 ' -> ' "$fovea" run evil.onnx --backend=interp -o out.d
checked 'inspect' 0 'forged' "$fovea" inspect evil.onnx --ops --memory --schedules
checked 'summary' 0 'forged' "$fovea" inspect evil.onnx
checked 'inspect --json' 0 'forged' "$fovea" inspect evil.onnx --json
checked 'why' 0 'forged' "$fovea" inspect evil.onnx --why -v
checked 'why of a node' 0 'forged' "$fovea" inspect evil.onnx --why "\`n$typed\`"
said 'contract'
checked 'why of no node' 1 'the nearest are' "$fovea" inspect evil.onnx --why "\`q$typed\`"
checked 'why --json' 0 'forged' "$fovea" inspect evil.onnx --why --json
checked 'run --json' 0 'forged' "$fovea" run evil.onnx --json --backend=interp
checked 'opt' 0 'forged' "$fovea" opt evil.onnx -v --dump-after=legalise
checked 'options' 2 'unknown option' "$fovea" run evil.onnx "--a$raw"
place=${raw//\//}$(printf '\377')
checked 'a file' 1 'forged' "$fovea" run "none$place"
checked 'a command' 2 'forged' "$fovea" "$raw"
onnx unknown.onnx <<T
ir_version: 8
opset_import { version: 17 }
opset_import { domain: "dom$evil" version: 1 }
graph {
  name: "g"
  node { name: "n$evil" op_type: "Op$evil" domain: "dom$evil" input: "x$evil" output: "y" }
  input { name: "x$evil" type { tensor_type { elem_type: 1 shape { dim { dim_value: 2 } } } } }
  output { name: "y" type { tensor_type { elem_type: 1 } } }
}
T
checked 'an operator' 1 'forged' "$fovea" run unknown.onnx
mkdir "folder$place" && cp unknown.onnx "folder$place/model.onnx"
checked 'a failing test' 1 'FAILED.*forged' "$fovea" test "folder$place"

# ---- files: each is clean, means the same, and compilers take it ----
for kind in fvir fvk c/ c o ll s so; do
    target=m.$kind
    [ $kind = c/ ] && target=folder/
    [ "$backends" = 'interp c' ] && case $kind in o | ll | s | so) continue ;; esac
    checked "compile to $kind" 0 'call|target' "$fovea" compile evil.onnx --name=m -o "$target"
done
check 'compile to C for any machine' 0 'target' "$fovea" compile evil.onnx --name=m --target=generic -o generic.c
for f in m.fvir m.fvk m.c m.h generic.? m.ll m.s folder/*.c folder/*.h folder/Makefile; do
    [ -e "$f" ] && clean "$f" "$f"
done
check 'the C' 0 'good' sh -c "${CC:-cc} -std=c99 -Wall -Wextra -Wtrigraphs -Wcomment -Werror -fsyntax-only generic.c && echo good"
check 'the folder' 0 'good' sh -c 'make -s -C folder m_selftest && echo good'
for m in m.fvir m.fvk m.so; do
    [ -e $m ] && checked "run $m" 0 'f32\[3, 2\]' "$fovea" run $m --dim "\`d$typed\`=3"
done
"$fovea" opt m.fvir -O0 --passes= >again.fvir 2>err
"$fovea" opt again.fvir -O0 --passes= 2>err | cmp -s - again.fvir && tell 'a graph reads back' yes || tell 'a graph reads back' no
"$fovea" compile m.fvk --name=m -o again.fvk >out 2>err
cmp -s m.fvk again.fvk && tell 'a program reads back' yes || tell 'a program reads back' no
check 'a file that no #include can name' 1 'no name for C' "$fovea" compile evil.onnx --name=m -o 'a"b.c'
absent 'a"b.c'
printf 'fovea-ir 1\nfunc @main(%%x: f32[1]) -> (%%`выход`, %%y) {\n  %%`выход` = Neg(%%x)\n  %%y = Abs(%%x)\n  return %%`выход`, %%y\n}\n' >columns.fvir
check 'columns of characters' 0 '^выход  f32' "$fovea" run columns.fvir --backend=interp
said '^y      f32'

# constants that are called as what the C itself declares
# named CONSTANT...: a model that reads constants of these names
named() {
    local c i=0
    printf 'fovea-ir 1\nmodule "m"\nsymbol n 1..4096\n'
    for c in "$@"; do printf 'const @%s: f32[2] = [1, 2.5]\n' "$c"; done
    printf 'func @main(%%x0: f32[n, 2], %%i: i64[n]) -> (%%y, %%k) {\n'
    for c in "$@"; do printf '  %%x%d = Add(%%x%d, @%s)\n' $((i + 1)) $i "$c" && i=$((i + 1)); done
    printf '  %%y = Softmax(%%x%d) {axis = 0}\n  %%k = NonZero(%%i)\n  return %%y, %%k\n}\n' $i
}
for target in x86-64-v3 x86-64-v3-windows; do
    cc="${CC:-cc} -march=x86-64-v3"
    [ $target = x86-64-v3 ] || cc="x86_64-w64-mingw32-gcc -march=x86-64-v3"
    command -v ${cc%% *} >/dev/null || continue
    named one >c.fvir
    check "C for $target" 0 '' "$fovea" compile c.fvir --name=m --target=$target -o c.c
    words=$(sed -nE 's/^(static|extern|    [a-z]).*[^A-Za-z0-9_]([a-z][a-z0-9_]*)(\(|\[|;| =).*/\2/p' c.c | sort -u |
        grep -vE '^(m_.*|x[0-9]*|[iky]|one|int|if|for|return|sizeof)$')
    [ "$(echo "$words" | wc -l)" -ge 20 ] && tell "names of the C for $target" yes || tell "names of the C for $target" no
    named $words >c.fvir
    check "constants of these names for $target" 0 '' "$fovea" compile c.fvir --name=m --target=$target -o c.c
    check "the C with these names for $target" 0 'good' sh -c "$cc -std=c99 -Wall -Wextra -Werror -fsyntax-only c.c && echo good"
done
finish
