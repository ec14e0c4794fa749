# Completion of the words of `fovea` in fish: the command itself says which words fit (fovea --complete).
function __fovea_complete
    set -l words (commandline -opc)
    set -l last (commandline -ct)
    set -l kept (string replace -r '[^=]*$' '' -- $last)
    set -l rest (string replace -r '^.*=' '' -- $last)
    for line in (FOVEA_FLAGS= command $words[1] --complete $words[2..] "$last" 2>/dev/null)
        switch $line
            case :files :folders ':files *'
                set -l suffixes (string split ' ' -- $line)
                for path in (__fish_complete_path $rest)
                    set -l name (string replace -r '\t.*' '' -- $path)
                    if test $line = :files; or string match -q '*/' -- $name
                        echo $kept$path
                    else
                        for suffix in $suffixes[2..]
                            string match -q "*$suffix" -- $name; and echo $kept$path
                        end
                    end
                end
            case '*'
                echo $line
        end
    end
end
complete -c fovea -f -a '(__fovea_complete)'
