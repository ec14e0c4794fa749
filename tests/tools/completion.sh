# Tests the completion of words: what the command suggests, and that bash, zsh and fish put it into the line.
# Usage: SCRIPT FOVEA ROOT PROTOC
. "$(dirname "$0")/lib.sh"
PATH=$(dirname "$fovea"):$PATH
cat >model.fvir <<'M'
fovea-ir 1
module "m"
symbol batch 0..8
symbol seq 0..64
func @main(%ids: f32[batch, seq], %mask: f32[batch, seq]) -> (%y) {
  %y = Add(%ids, %mask)
  return %y
}
M
mkdir models
: >models/bert.onnx
: >mine.lua

# ---- what the command suggests ----
# suggests NAME PATTERN WORD...: a line for the last word
suggests() {
    name=$1 pattern=$2
    shift 2
    check "$name" 0 "$pattern" "$fovea" --complete "$@"
}
only() { [ "$(wc -l <out)" = "$1" ] && tell "$name: $1 lines" yes || tell "$name: $1 lines" no; }
suggests 'a command' '^inspect	describe a model' insp
only 1
suggests 'all commands' '^ops	' ''
only $(($("$fovea" --help | sed -n '/^commands:/,/^$/p' | grep -c '^ ') + 3))
suggests 'an option' '^--memory	print the sizes' inspect --mem
only 1
suggests 'an option with a value' '^--target=	the CPU that code is for: a name of this list, .*for one library$' run -v --targ
suggests 'all options' '^-Os	' run -
for c in $("$fovea" --help | sed -n '/^commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'); do
    "$fovea" --complete "$c" - | sed 's/[=	].*//' | grep -v '^-O' | sort >suggested
    "$fovea" "$c" --help | sed -n 's/^  \(-[a-zA-Z], \)\?\(--[a-z-]*\).*/\2/p' | sort >out
    cmp suggested out 2>err && tell "the options of $c" yes || tell "the options of $c" no
done
suggests 'a target after =' '^--target=x86-64-v4	' compile m.onnx --target=x86-64-v
suggests 'a target as a word' '^x86-64-v4	' compile m.onnx --target x86-64-v
suggests 'a further target' '^--target=x86-64-v4,x86-64-v2	' compile m.onnx --target=x86-64-v4,x86
only 3
suggests 'a further target as a word' '^x86-64-v2,x86-64-v4	' compile m.onnx --target x86-64-v2,x86-64-v4
suggests 'values with commas' '^--backend=jit,interp	' test --backend=jit,in
suggests 'a pass' '^--passes=legalise,share	' opt --passes=legalise,sha
suggests 'a level' '^-O3	' run -O3
suggests 'a dim' '^--dim=seq=	dim of the model' run model.fvir --dim=
only 2
suggests 'a dim as a word' '^batch=	' bench --threads 2 model.fvir --at ba
only 1
suggests 'an input' '^mask=	' run model.fvir --input ma
suggests 'a file of values' '^:files .npy .pb .json$' run model.fvir --input mask=
suggests 'models' '^:files .onnx .fvir .fvk .so$' run ''
suggests 'a script' '^:files .lua$' opt model.fvir --script ''
suggests 'a folder' '^:folders$' run model.fvir --data-set=
suggests 'any file' '^:files$' compile model.fvir -o ''
suggests 'an operator' '^MatMul	' ops MatM
# nothing NAME WORD...: there is no suggestion, and no message
nothing() {
    name=$1
    shift
    "$fovea" --complete "$@" >out 2>err
    status=$?
    [ $status = 0 ] && [ ! -s out ] && [ ! -s err ] && tell "$name" yes || tell "$name" no
}
nothing 'targets of another architecture' compile m.onnx --target=x86-64-v4,aarch
nothing 'a list of targets of a command that takes one' run m.onnx --target=x86-64-v4,x86
nothing 'after what is no target' compile m.onnx --target=x86-64-v9,x86
nothing 'an option of others' run --markd
nothing 'no such command' frobnicate ''
nothing 'no such option' run --frob=
nothing 'a number' run --seed ''
nothing 'a dim of no model' run models/bert.onnx --dim ''
nothing 'a dim of nothing' run --dim ''
nothing 'no operand' calibrate ''

# ---- shells ----
# typed NAME WORDS: the words that the last command line had
typed() {
    tr '\n' ' ' <args >out 2>err
    [ "$(cat out)" = "$2 " ] && tell "$1" yes || tell "$1" no
    rm -f args
}
# in_terminal SHELL LINE...: types the lines; `fovea` writes its words to the file args
in_terminal() {
    shell=$1
    shift
    { printf '%b\n' "$@"; echo exit; } | timeout 60 script -qec "$shell" /dev/null >terminal 2>&1
}
say_words='fovea() { printf "%s\n" "$@" >args; }'
echo "PS1='$ '; . '$root/tools/completion/fovea.bash'; $say_words" >bashrc
bash='bash --noprofile --rcfile bashrc -i'
in_terminal "$bash" 'fovea insp\t--mem\tmodel.f\t--dim=se\t4'
typed 'bash' 'inspect --memory model.fvir --dim=seq=4'
in_terminal "$bash" 'fovea opt models/be\t --passes=legalise,sha\t--script=mi\t'
typed 'bash: lists, files after =' 'opt models/bert.onnx --passes=legalise,share --script=mine.lua'
if command -v zsh >/dev/null; then
    mkdir functions
    cp "$root/tools/completion/fovea.zsh" functions/_fovea
    echo "fpath=('$work/functions' \$fpath); autoload -Uz compinit; compinit -u -D; PS1='$ '; $say_words" >.zshrc
    zsh="env ZDOTDIR=$work zsh -d -i"
    in_terminal "$zsh" 'fovea insp\t--mem\tmodel.f\t--dim=se\t4'
    typed 'zsh' 'inspect --memory model.fvir --dim=seq=4'
    in_terminal "$zsh" 'fovea opt models/be\t --passes=legalise,sha\t--script=mi\t'
    typed 'zsh: lists, files after =' 'opt models/bert.onnx --passes=legalise,share --script=mine.lua'
else
    echo 'skipped: completion in zsh, there is no zsh'
fi
if command -v fish >/dev/null; then
    export HOME=$work # where fish writes
    # in_fish PATTERN LINE: what fish suggests for the end of the line
    in_fish() { check "fish: $2" 0 "$1" fish --no-config -c "source $root/tools/completion/fovea.fish; complete -C '$2'"; }
    in_fish '^inspect	describe a model' 'fovea insp'
    in_fish '^--memory	' 'fovea inspect --mem'
    in_fish '^--dim=seq=	' 'fovea run model.fvir --dim=se'
    in_fish '^model.fvir' 'fovea run mod'
    in_fish '^models/bert.onnx' 'fovea run models/'
    in_fish '^--script=mine.lua' 'fovea opt --script=mi'
    in_fish '^--data-set=models/' 'fovea run --data-set=mod'
    check 'fish: no other files' 1 '^$' sh -c "fish --no-config -c \"source $root/tools/completion/fovea.fish; complete -C 'fovea run '\" | grep lua || { echo; exit 1; }"
else
    echo 'skipped: completion in fish, there is no fish'
fi
finish
