# Tests scripts that try to exceed their limits: each must end with an error that matches its first line, and leave no
# file.
# Usage: SCRIPT FOVEA ROOT PROTOC
. "$(dirname "$0")/../tools/lib.sh"
scripts=$root/tests/lua/escape
mkdir kept empty
cd empty || exit 1

# With sanitizers, scripts that repeat something until their steps are used up take ten times as long as without.
sanitized=no
grep -q __asan_init "$fovea" && sanitized=yes
# bounded COMMAND...: none of these takes minutes
bounded() { timeout -k 5 240 "$@"; }
for script in "$scripts"/*.lua; do
    name=$(basename "$script" .lua)
    [ "$name" = kernel ] && continue
    case $name in *_often | *_in_vain | index_chains | next_of_emptied) [ $sanitized = no ] || continue ;; esac
    pattern=$(sed -n '1s/^-- //p' "$script")
    bounded "$fovea" lua --output=../kept --script-steps=1 --script-memory=256 "$script" >../out 2>../err </dev/null
    status=$?
    good=no
    [ $status = 1 ] && grep -Eq -- "$pattern" ../err && ! grep -Eq 'escaped|Sanitizer|runtime error' ../out ../err && good=yes
    [ -z "$(find . ../kept -type f)" ] || good=no
    [ $good = yes ] || { echo "status $status, expected 1 and '$pattern'" && cp ../out ../err .; }
    tell "$name" $good
    rm -f ./* ../kept/*
done
cd ..

# ---- one Ctrl-C ----
interrupt() { # NAME SCRIPT: it is interrupted once it has said that it begins
    name=$1
    printf 'io.stderr:write [[begins ]]\n%s\n' "$2" >endless.lua
    : >err
    # In the foreground, the signal reaches the command once. A second process of the test, killed after its fork and before it
    # became another program, would execute the trap of this shell, which removes the folder.
    timeout --foreground -s KILL 120 "$fovea" lua --script-steps=100000000 endless.lua >out 2>err </dev/null &
    pid=$!
    for _ in $(seq 600); do grep -q begins err && break || sleep 0.1; done
    sleep 0.2
    kill -INT $pid
    wait $pid
    status=$?
    [ $status = 1 ] && grep -q interrupted err && tell "Ctrl-C: $name" yes || { echo "status $status" && tell "Ctrl-C: $name" no; }
}
interrupt 'a loop' 'while true do end'
interrupt 'a pattern' 'string.find(("a"):rep(1000000), ".-.-.-.-.-.-.-.-b")'
interrupt 'nothing, often' 'while true do string.rep("", 1 << 62) end'
interrupt 'metamethods' 'table.concat(setmetatable({}, {__index = table.concat}), "", 1, 1 << 62)'
interrupt 'a sort' 'table.sort(setmetatable({}, {__index = rawlen, __newindex = rawlen, __len = function() return 1 << 30 end}))'
finish
