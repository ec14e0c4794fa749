# Checks the structure of the sources: which folders include which, without cycles; the size and the subject of files;
# and that each header compiles on its own.
# Usage: house.sh [BUILD], build/gcc by default
set -u
set -- "${1:-build/gcc}"
passed=0 failed=0
good() { passed=$((passed + 1)); }
bad() { failed=$((failed + 1)); echo "FAILED $*"; }

# folder: folders that it may include besides itself. The binary interface of compiled models, and their files, are a
# contract between what emits code and what runs it, so backend may include the four headers that have it; names have one form, and its
# file needs libc only, so runtime may include that, the table of features of CPUs, and the mark of answers that can refuse.
allowed() {
    case $1 in
    ir) echo "" ;;
    ops) echo "ir" ;;
    frontend) echo "ir ops" ;;
    backend) echo "ir" ;;
    passes) echo "ir ops backend" ;;
    runtime) echo "" ;;
    tools) echo "ir ops frontend backend passes runtime" ;;
    esac
}
for part in ir ops frontend backend passes runtime tools; do
    wrong=$(git ls-files "$part/*.c" "$part/*.h" | xargs grep -nE '^#include "(ir|ops|frontend|backend|passes|runtime|tools)/' |
        grep -Ev '^backend/[^:]*:[0-9]*:#include "runtime/(fovea_model|weights_file|table_members|table_sum).h"' |
        grep -Ev '^runtime/[^:]*:[0-9]*:#include "ir/(base/quoted|base/answer|target/lacking).h"' |
        awk -v part=$part -v list=" $part $(allowed $part) " '{
            split($0, a, "#include \""); split(a[2], b, "/")
            if (index(list, " " b[1] " ") == 0) print }')
    if [ -n "$wrong" ]; then bad "$part includes what it may not: $wrong"; else good; fi
done

# The rooms of each part, from the ground up: what each may include of its own part besides itself; and no circles of files.
rooms() {
    cat <<'END'
ir/base:
ir/syntax: ir/base
ir/dim: ir/base ir/syntax
ir/type: ir/base ir/syntax ir/dim
ir/schedule: ir/base ir/syntax
ir/target: ir/base ir/syntax
ir/layout: ir/base ir/syntax
ir/catalogue: ir/base ir/type
ir/graph: ir/base ir/syntax ir/dim ir/type ir/catalogue
ir/expr: ir/base ir/dim ir/type ir/target
ir/kernel: ir/base ir/syntax ir/dim ir/type ir/schedule ir/target ir/graph ir/expr
ir/definition: ir/base ir/syntax ir/dim ir/type ir/schedule ir/target ir/catalogue ir/graph ir/expr ir/kernel
ir/rule: ir/base ir/syntax ir/dim ir/type ir/catalogue ir/graph
ops:
ops/common:
ops/recurrent: ops/common
ops/matrix: ops/common
ops/reduce: ops/common
ops/sequence: ops/common
ops/training: ops/common
ops/attention: ops ops/common
ops/control: ops/common ops/recurrent
ops/spectral: ops/attention ops/common
ops/tensor: ops/attention ops/common
ops/text: ops/attention ops/common
ops/elementwise: ops/common ops/text
ops/nn: ops/attention ops/common ops/elementwise
ops/ml: ops/attention ops/common ops/sequence ops/tensor ops/text
ops/search: ops/attention ops/common ops/elementwise ops/tensor
ops/image: ops/attention ops/common ops/nn ops/tensor
ops/quantize: ops/common ops/matrix ops/nn
ops/contrib: ops/common ops/elementwise ops/matrix ops/quantize
backend/consumer:
backend/library:
backend/lowering:
backend/math:
backend/axes: backend/lowering
backend/c: backend/consumer
backend/cost: backend/expand
backend/schedule/common: backend/lowering
backend/expand: backend/consumer backend/math
backend/fuse: backend/axes backend/lowering
backend/interp: backend/consumer backend/library
backend/llvm: backend/consumer backend/library
backend/memory: backend/consumer backend/lowering
backend/schedule/rows: backend/axes backend/lowering backend/schedule/common
backend/schedule/operands: backend/axes backend/lowering backend/schedule/common backend/schedule/rows
backend/schedule/contract: backend/axes backend/consumer backend/fuse backend/lowering backend/schedule/common backend/schedule/operands
backend/schedule/attend: backend/axes backend/fuse backend/lowering backend/schedule/common backend/schedule/contract backend/schedule/operands backend/schedule/rows
backend/schedule/recur: backend/lowering backend/schedule/common backend/schedule/contract backend/schedule/operands backend/schedule/rows
backend/schedule: backend/axes backend/lowering backend/schedule/attend backend/schedule/common backend/schedule/contract backend/schedule/operands backend/schedule/recur backend/schedule/rows
backend/steps: backend/axes backend/fuse backend/lowering backend/schedule backend/schedule/attend backend/schedule/contract backend/schedule/rows
backend: backend/consumer backend/expand backend/fuse backend/lowering backend/memory backend/schedule backend/schedule/common backend/steps
passes/spell:
passes/shard:
passes: passes/spell passes/attention
passes/attention: passes
passes/quantize:
passes/lua: passes passes/quantize passes/shard
passes/padding: passes passes/attention
frontend:
runtime:
tools/driver:
tools/embed:
tools/generate: tools/driver
tools/command: tools/driver
tools: tools/command
tools/data: tools/command
tools/model: tools/command tools/data
tools/lab: tools/command tools/data tools/model
tools/maps: tools/data tools/model
tools/measure: tools/command tools/data tools/driver tools/model
tools/script: tools/command tools/data tools/driver tools/measure tools/model
tools/quantize: tools/command tools/data tools/driver tools/model
tools/view: tools/command tools/model tools/subcommand
tools/subcommand: tools/command tools/data tools/generate tools/lab tools/maps tools/model tools/script
END
}
if rooms | python3 tests/checks/rooms.py; then good; else bad "rooms"; fi
# No circles of calls between the files of a folder, but those that are listed with their reason.
if python3 tests/checks/calls.py "$1"; then good; else bad "calls"; fi
# No struct of more than 15 members, but those that are listed with their reason, and the public interface's.
if python3 tests/checks/structs.py; then good; else bad "structs"; fi

# An answer that can refuse is not ignored: functions of headers that return a bool carry the attribute that has the
# compiler say so, but those that only say something, and always or mostly return false for it.
says='fv_say|fv_takes|fv_declines|fv_why_settle|fv_([a-z_0-9]+_)?(error|error_at|error_node|warning|warning_at|warn|illegal|unknown|departs)'
wrong=$(git ls-files 'ir/*.h' 'ops/*.h' 'frontend/*.h' 'backend/*.h' 'passes/*.h' 'runtime/*.h' 'tools/*.h' | xargs awk '
    FNR == 1 { open = 0 }
    /^bool [a-z_0-9]+\(/ { open = 1; text = ""; at = FILENAME ":" FNR }
    open { text = text " " $0 }
    open && /;/ { open = 0; if (text !~ /FV_MUST_USE *;/) print at ":" text }
    open && /{/ { open = 0 }' | grep -Ev "^[^ ]* bool ($says)\(")
if [ -n "$wrong" ]; then bad "without FV_MUST_USE: $wrong"; else good; fi
wrong=$(awk '/^int [a-z_0-9]+\(/ { open = 1; text = "" } open { text = text " " $0 }
    open && /;/ { open = 0; if (text !~ /FV_ANSWER *;/) print text }' runtime/fovea.h)
if [ -n "$wrong" ]; then bad "without FV_ANSWER: $wrong"; else good; fi
printf '#include "ir/dim/dim.h"\nvoid f(fv_dims *t, const fv_dim *n);\nvoid f(fv_dims *t, const fv_dim *n) { fv_dim_bound(t, n, 1, 2); }\n' >"$1/ignored.c"
if gcc -std=c11 -Werror -O0 -I. -c "$1/ignored.c" -o "$1/ignored.o" 2>/dev/null; then bad "an ignored answer compiles"; else good; fi

# An operator is asked for by its identity, not by a name that the compiler cannot check.
wrong=$(git ls-files 'ir/*.c' 'ops/*.c' 'frontend/*.c' 'backend/*.c' 'passes/*.c' 'tools/*.c' |
    xargs grep -nE 'fv_op_get\("|fv_op_find\("[^"]*", *"|strcmp\([a-z>.-]*def->name, "')
if [ -n "$wrong" ]; then bad "an operator by its name: $wrong"; else good; fi

# What a target is stands in its members: no code asks its triple, or, for an opinion, its toolchain or the width of its pointers, which are
# for addresses, for LLVM and for the names of tools.
wrong=$(git ls-files 'ir/*.c' 'ops/*.c' 'backend/*.c' 'passes/*.c' 'tools/*.c' | grep -v '^ir/target/' |
    xargs grep -nE 'str(n?cmp|str)\([^)]*triple|[!(&|] *[a-z>.-]*c\.tools *[&|?)]')
wrong=$wrong$(git ls-files 'backend/*.c' 'passes/*.c' 'tools/*.c' | grep -v '^backend/\(llvm\|consumer\|c\)/\|^tools/driver/cache_key.c$' | xargs grep -n 'pointer_bits')
if [ -n "$wrong" ]; then bad "asks a target's triple, tools or pointers: $wrong"; else good; fi

# What the command prints passes one border.
wrong=$(git ls-files 'tools/*.c' | grep -v '^tools/\(command/print\|command/json\|embed/embed\|embed/embed_pipeline\).c$' |
    xargs grep -nE '\b(v?printf|puts|putchar|perror) ?\(|\b(v?fprintf|fput[cs]) ?\(.*std(out|err)')
if [ -n "$wrong" ]; then bad "prints past tools/command/print.h: $wrong"; else good; fi

# .clang-format is how our C looks; tables (.def) have lines as long as their rows.
if git ls-files '*.c' '*.h' | xargs -n 80 -P "$(nproc)" clang-format-19 --dry-run -Werror 2>"$1/format.log"; then good; else bad "format: $(head -n 3 "$1/format.log")"; fi
wrong=$(git ls-files '*.c' '*.h' | xargs awk 'length > 100 { print FILENAME ":" FNR }')
if [ -n "$wrong" ]; then bad "lines of more than 100 columns: $wrong"; else good; fi

for file in $(git ls-files '*.c' '*.h' '*.def'); do
    lines=$(wc -l <"$file")
    if [ "$lines" -gt 900 ]; then bad "$file has $lines lines, more than 900"; else good; fi
done

llvm=$(llvm-config-19 --includedir 2>/dev/null)
lua=$(pkg-config --cflags lua5.4 2>/dev/null)
cache=$(command -v ccache) # a header that is the same as in an earlier run is not compiled again
for header in $(git ls-files 'ir/*.h' 'ops/*.h' 'frontend/*.h' 'backend/*.h' 'passes/*.h' 'runtime/*.h'); do
    if $cache gcc -std=c11 -D_GNU_SOURCE -c -o "$1/header.o" -I. -I"$1" ${llvm:+-isystem "$llvm"} $lua -x c "$header" 2>/dev/null; then good; else bad "$header does not compile alone"; fi
done
for header in runtime/fovea.h runtime/fovea_model.h; do
    printf '#include "%s"\nint main(void) { return 0; }\n' "$header" >"$1/header.c"
    for how in "gcc -std=c99" "g++ -std=c++11 -x c++"; do
        if $how -Wall -Wextra -Wpedantic -Wconversion -Werror -fsyntax-only -I. -Iruntime "$1/header.c"; then
            good
        else
            bad "$header with $how"
        fi
    done
done
echo "$passed passed, $failed failed"
[ $failed = 0 ]
