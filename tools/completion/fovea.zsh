#compdef fovea
# Completion of the words of `fovea` in zsh: the command itself says which words fit (fovea --complete).
local line word kept last=${(Q)PREFIX}
local -a given files plain open
(( CURRENT > 2 )) && given=("${(@Q)words[2,CURRENT-1]}")
local folders=no any=no
for line in ${(f)"$(FOVEA_FLAGS= command ${~words[1]} --complete "${given[@]}" "$last" 2>/dev/null)"}; do
    case $line in
    :files) any=yes ;;
    :files*) files=(${(s: :)line#:files }) ;;
    :folders) folders=yes ;;
    *)
        word=${line%%$'\t'*}
        [[ $last == *=* ]] && word=${word#"${last%"${last##*=}"}"}
        line=${word//:/\\:}:${line#*$'\t'}
        if [[ $word == *= ]]; then open+=("$line"); else plain+=("$line"); fi
        ;;
    esac
done
compset -P '*='
[[ $any == yes ]] && _files
(( $#files )) && _files -g "*(${(j:|:)files})(-.)"
[[ $folders == yes ]] && _files -/
(( $#plain )) && _describe -t words word plain
(( $#open )) && _describe -t words word open -S ''
return 0
