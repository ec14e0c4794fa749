# The line that commands show on a terminal while they work: in all that may take long, never wider than the terminal, and erased
# before anything else is printed.
. "$(dirname "$0")/lib.sh"
command -v script >/dev/null || { echo 'skipped: there is no program script'; finish; exit; }
command -v python3 >/dev/null || { echo 'skipped: there is no python3'; finish; exit; }
f="'$fovea'"
layer m.fvir '%y = Relu(%h)'
mkdir -p parts
"$fovea" shard m.fvir --ranks 2 -q -o parts >/dev/null
echo 'fv.run(fv.compile(fv.load("m.fvir")))' >s.lua

# ---- every command ----
progress 'm.fvir: reads the model' "$f run m.fvir --backend=interp"
progress 'm.fvir: group' "$f run m.fvir --backend=interp"
progress 'm.fvir: code of 1 kernel' "$f run m.fvir --backend=interp"
progress 'm.fvir: runs' "$f run m.fvir --backend=interp"
progress 'parts: runs 2 parts' "$f run parts --backend=interp"
progress 'm.fvir: fold-constants' "$f view m.fvir -o m.html"
progress 'm.fvir: C of 1 kernel' "$f view m.fvir -o m.html"
progress 'm.fvir: order' "$f inspect m.fvir"
progress 'm.fvir: group' "$f inspect m.fvir --why"
progress 'part 2 of 2: writes cut/' "$f shard m.fvir --ranks 2 -o cut"
progress 'm.fvir: finds the cuts' "$f shard m.fvir --ranks 2 --print-plan"
progress 'm.fvir: simplify' "$f opt m.fvir"
progress 'm.fvir: writes o.onnx' "$f opt m.fvir -o o.onnx"
progress 'm.fvir: runs for the first time' "$f bench m.fvir --backend=interp --threads=1 --rounds=1 --seconds=0.001"
progress '1 thread: profile' "$f bench m.fvir --backend=interp --threads=1 --rounds=1 --seconds=0.001 --profile"
progress '\(interp\): group' "$f test m.fvir --backend=interp"
TERM=xterm script -qec "$f lua s.lua" typescript >out 2>err </dev/null
grep -aq 's.lua: fold-constants' typescript && tell 'a script' yes || tell 'a script' no
TERM=xterm script -qec "$f lua -q s.lua" typescript >out 2>err </dev/null
grep -aq 'fold-constants' typescript && tell 'a script, quietly' no || tell 'a script, quietly' yes
progress 'm.fvir: writes m.c|1 kernel, written to m.c' "$f compile m.fvir --target=x86-64-v2 -o m.c"
progress 'measures arithmetic' "$f calibrate --seconds=0.001 -o p.txt"

# A model from the cache has no passes, also on a terminal.
if FOVEA_CACHE_DIR=$work/cache "$fovea" run m.fvir --backend=jit >/dev/null 2>&1; then
    TERM=xterm FOVEA_CACHE_DIR=$work/cache script -qec "$f run m.fvir --backend=jit" typescript >out 2>err </dev/null
    grep -aq 'fold-constants' typescript && tell 'from the cache' no || tell 'from the cache' yes
    grep -aq 'm.fvir: runs' typescript && tell 'from the cache, it runs' yes || tell 'from the cache, it runs' no
fi

# ---- where it does not belong ----
quiet_when() { # NAME LINE
    TERM=${terminal:-xterm} script -qec "$2" typescript >out 2>err </dev/null
    grep -aq -- 'reads the model' typescript && tell "none: $1" no || tell "none: $1" yes
}
quiet_when 'where -o - writes to the terminal' "$f run m.fvir --backend=interp -o -"
quiet_when 'where standard error is a file' "$f run m.fvir --backend=interp 2>file"
terminal=dumb quiet_when 'on a terminal that cannot erase' "$f run m.fvir --backend=interp"
progress 'm.fvir: runs' "$f run m.fvir --backend=interp -o - >file.npy"

# ---- width, and erasure ----
cat >screen.py <<'END'
"""Shows what was written to a terminal. Usage: screen.py TYPESCRIPT COLUMNS

Prints the lines that are on the screen at the end, and fails if the cursor was ever beyond the column."""
import re
import sys
import unicodedata

text = open(sys.argv[1], "rb").read().decode().split("\n", 1)[1].rsplit("\nScript done", 1)[0]
columns, lines, line, column = int(sys.argv[2]), [], [], 0
for c in re.findall(r"\x1b\[[0-9;]*[A-Za-z]|.|\n", text, re.S):
    if c == "\x1b[K":
        del line[column:]
    elif c == "\r":
        column = 0
    elif c == "\n":
        lines.append("".join(line))
        line, column = [], 0
    elif c[0] != "\x1b" and not unicodedata.combining(c):
        width = 2 if unicodedata.east_asian_width(c) in "WF" else 1
        line[column:column + width] = [c] + [""] * (width - 1)
        column += width
        if column >= columns:
            sys.exit("column %d: %r" % (column, "".join(line)))
print("\n".join(lines + ["".join(line)]).rstrip("\n"))
END
on_screen() { # NAME COLUMNS LINE: says what is left
    TERM=xterm LC_ALL=C script -qec "stty cols $2; $3" typescript >out 2>err </dev/null
    python3 screen.py typescript "$2" >out 2>err && tell "$1: fits into $2 columns" yes || tell "$1: fits into $2 columns" no
}
name='模型-ñé-模型模型模型模型模型模型.fvir'
cp m.fvir "$name"
for columns in 12 27 28 29 30 31 60 200; do
    on_screen "wide characters, $columns" $columns "$f run '$name' --dim n=2 --backend=interp -o r.npy >file"
    grep -q 'reads\|runs' out && tell "$columns: it is erased" no || tell "$columns: it is erased" yes
done
grep -aq '模型-ñé-模型模型模型模型模型模型.fvir: runs' typescript && tell 'whole where it fits' yes || tell 'whole where it fits' no
printf 'm\xcc\x81\x01.fvir' >names
marked=$(cat names)
cp m.fvir "$marked"
on_screen 'a mark and a control character' 80 "$f run '$marked' --backend=interp -o r.npy >file"
grep -aq 'ḿ\\x01.fvir: runs' typescript && tell 'escaped' yes || tell 'escaped' no
on_screen 'notes' 80 "$f run m.fvir --backend=interp"
grep -qx 'm.fvir: note: .*' out && tell 'a note begins a line' yes || tell 'a note begins a line' no
grep -q '^y *f32' out && tell 'a result begins a line' yes || tell 'a result begins a line' no
on_screen 'an error' 80 "$f run m.fvir --backend=interp --input x=none.npy"
grep -q '^m.fvir: error: ' out && tell 'an error begins a line' yes || tell 'an error begins a line' no
echo 'io.write("a, ") fv.run(fv.compile(fv.load("m.fvir"))) print("b")' >half.lua
on_screen 'a line that a script did not end' 80 "$f lua half.lua"
grep -qx 'a, b' out && tell 'is kept' yes || tell 'is kept' no
echo 'fv.run(fv.compile(fv.load("m.fvir"))) print("b")' >whole.lua
on_screen 'a line of a script' 80 "$f lua whole.lua"
[ "$(cat out)" = b ] && tell 'is alone' yes || tell 'is alone' no
finish
