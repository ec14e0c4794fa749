# Completion of the words of `fovea` in bash: the command itself says which words fit (fovea --complete).
_fovea() {
    local words=() word line last kept breaks='' i
    # bash divides words at = and :, which are put together again here
    for ((i = 1; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if ((i > 1)) && [[ $word == [=:]* || ${COMP_WORDS[i - 1]} == [=:]* ]]; then
            words[${#words[@]} - 1]+=$word
        else
            words+=("$word")
        fi
    done
    last=${words[${#words[@]} - 1]}
    [[ $COMP_WORDBREAKS == *:* ]] && breaks+=:
    [[ $COMP_WORDBREAKS == *=* ]] && breaks+='='
    # what stands before the last = or : is not replaced
    [[ $breaks ]] && kept=${last%"${last##*["$breaks"]}"}
    COMPREPLY=()
    while IFS= read -r line; do
        case $line in
        :files*)
            compopt -o filenames 2>/dev/null
            last=${last##*=}
            mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -d -- "$last")
            if [[ $line == :files ]]; then
                mapfile -t COMPREPLY < <(compgen -f -- "$last")
            else
                for word in ${line#:files}; do
                    mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -X "!*$word" -- "$last")
                done
            fi
            ;;
        :folders)
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -d -- "${last##*=}")
            ;;
        *)
            line=${line%%$'\t'*}
            COMPREPLY+=("${line#"$kept"}")
            ;;
        esac
    done < <(FOVEA_FLAGS='' command "${COMP_WORDS[0]/#\~/$HOME}" --complete "${words[@]}" 2>/dev/null)
    [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
    return 0
}
complete -F _fovea fovea
