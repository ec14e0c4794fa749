# Tests profiles of machines: measuring one, finding it for the target native, passing it to --processor, and refusing
# one that is damaged or of another CPU.
. "$(dirname "$0")/lib.sh"

cat >m.fvir <<'M'
fovea-ir 1
module "m"
symbol n 1..64
func @main(%x: f32[n, 192], %w: f32[192, 192]) -> (%y) {
  %y = MatMul(%x, %w)
  return %y
}
M
export XDG_CONFIG_HOME=$work/settings
unset FOVEA_PROCESSOR
check "no profile" 0 'target +native' "$fovea" inspect m.fvir --target=native
grep -q ' of 20' out && tell "there is none yet" no || tell "there is none yet" yes

check "measured" 0 'settings/fovea/processor +[0-9]+ of [0-9]+ values? kept' "$fovea" calibrate --seconds=0.001
said '^first-level cache +[0-9]+ kB, [0-9.]+ ns, [0-9.]+ GB/s'
said 'propert(y|ies) had no time'
if grep -q '^core' out; then
    said '^core +[0-9.]+ GHz, [0-9.]*[1-9][0-9.]* in the loop of a tile; in a cycle '
fi
present settings/fovea/processor
check "found by native" 0 "processor .* of $(date -u +%Y)-" "$fovea" inspect m.fvir --target=native
check "of the user alone" 0 '^drwx------' ls -ld settings/fovea
check "not for a level" 0 'target +x86-64-v2$' "$fovea" inspect m.fvir --target=x86-64-v2
check "none where the variable is empty" 0 'target +native' env FOVEA_PROCESSOR= "$fovea" inspect m.fvir --target=native
grep -q ' of 20' out && tell "it is not used" no || tell "it is not used" yes

check "to standard output" 0 '^fovea-processor 1$' "$fovea" calibrate --seconds=0.001 -o -
mv out p.txt
"$fovea" calibrate -q --seconds=0.001 -o a/b/p.txt >out 2>err
[ -s out ] && tell "quiet says nothing" no || tell "quiet says nothing" yes
name="of a folder that is made"
present a/b/p.txt
check "json" 0 '"l1_latency": ' "$fovea" calibrate --seconds=0.001 --json -o a/q.txt
mv out q.json
check "json is one document" 0 '^[0-9]+ 14 True$' python3 -c 'import json; d = json.load(open("q.json")); print(d["properties"]["block_tiles"], d["untried"], d["tile_clock"] >= 0)'

# the search for properties, which compares one program with several others
check "properties are searched" 0 '^m.profile +[0-9]+ of [0-9]+ values? kept' "$fovea" calibrate --seconds=12 -o m.profile
said '^block_tiles +[0-9]+'

# what the properties are is what kernels are made with
sed -i 's/^block_tiles = .*/block_tiles = 2/' p.txt
base=$(sed -n 's/^base "\(.*\)"/\1/p' p.txt)
sed -i 's/^base .*/base "generic"/' p.txt
check "for any level" 0 'processor generic of ' "$fovea" inspect m.fvir --target=x86-64-v3 --processor=./p.txt
check "its blocks" 0 'contract .*block = 12[,}]' "$fovea" inspect m.fvir --schedules --target=x86-64-v3 --processor=./p.txt
mkdir dates && cp -r "$root/examples/dates/test/test_data_set_0" dates/ && cp "$root/examples/dates/dates.onnx" dates/model.onnx
check "the same result" 0 '' "$fovea" test dates --processor=./p.txt

# steps in an iteration: where the sum has a multiple of them, and without other bits
for n in 1 4; do
    sed "s/^loop.unrolled_steps = .*/loop.unrolled_steps = $n/" p.txt >steps$n.txt
    for size in 192 190; do
        sed "s/192/$size/g" m.fvir >m$size.fvir
        "$fovea" compile m$size.fvir --emit=kernels --target=x86-64-v3 --processor=./steps$n.txt -q -o m$size.$n.fvk
        "$fovea" run m$size.fvir --dim n=29 --seed=3 --target=x86-64-v3 --processor=./steps$n.txt -o y$size.$n >out 2>err
    done
done
check "four steps in an iteration" 0 '^ *unroll step(_[0-9]+)? < 4' cat m192.4.fvk
check "no multiple of four steps" 1 '^0$' grep -c 'unroll step' m190.4.fvk
for size in 192 190; do
    check "the same bits, $size steps" 0 'identical' diff -rs y$size.1 y$size.4
done

# a tuning file of another profile
check "tuned" 0 '' "$fovea" tune m.fvir --seconds=0.1 --processor=./p.txt -o m.tuning
check "for that profile" 0 '' "$fovea" inspect m.fvir --target=native --processor=./p.txt --tuning=m.tuning
sed 's/^block_tiles = .*/block_tiles = 3/' p.txt >other.txt
check "not for another" 1 'was made for another target' "$fovea" inspect m.fvir --target=native --processor=./other.txt --tuning=m.tuning

# damaged, impossible, of another CPU
for wrong in 's/^end//' 's/^block_tiles.*/block_tiles = 0/' 's/^caches.l2_bytes.*/caches.l2_bytes = 0/' 's/fovea-processor 1/fovea-processor 9/'; do
    sed "$wrong" p.txt >bad.txt
    check "given: $wrong" 1 '^bad.txt:[0-9]+:[0-9]+: error: |/bad.txt:[0-9]+:[0-9]+: error: ' "$fovea" inspect m.fvir --processor=./bad.txt
    check "found: $wrong" 0 'note: the profile is damaged and not used: [0-9]+:[0-9]+: ' env FOVEA_PROCESSOR=bad.txt "$fovea" inspect m.fvir --target=native
done
sed 's/^cpu .*/cpu "Z80"/' p.txt >z80.txt
check "of another CPU" 0 'note: the profile is of another CPU and not used: "Z80"' env FOVEA_PROCESSOR=z80.txt "$fovea" inspect m.fvir --target=native
check "of another CPU, as wished" 0 'processor generic of' "$fovea" inspect m.fvir --target=native --processor=./z80.txt
if [ "$base" = zen3 ] || [ "$base" = zen4 ] || [ "$base" = zen5 ] || [ "$base" = haswell ]; then
    sed "s/^base .*/base \"$base\"/" p.txt >own.txt
    check "of another architecture" 2 "is of a processor of x86_64, the target aarch64 is not" "$fovea" inspect m.fvir --target=aarch64 --processor=./own.txt
fi
check "no such file" 1 'missing.txt: error: ' "$fovea" inspect m.fvir --processor=./missing.txt
mkfifo fifo
check "a fifo" 1 'error: ' timeout 20 "$fovea" inspect m.fvir --processor=./fifo
check "a folder" 1 'error: ' "$fovea" inspect m.fvir --processor=./a
check "no such name" 2 "there is no processor 'zne4'; did you mean 'zen4'" "$fovea" inspect m.fvir --processor=zne4
echo 'fv.compile(fv.load(arg[1]), {processor = "./p.txt"})' >s.lua
check "a script reads no profile" 1 "a script cannot read the profile './p.txt'" "$fovea" lua s.lua m.fvir

check "a model" 2 'no model to name' "$fovea" calibrate m.fvir
check "no time" 2 'seconds takes more than 0' "$fovea" calibrate --seconds=0
check "two texts" 2 'both want standard output' "$fovea" calibrate --json -o -
check "a file in place of a folder" 1 'cannot make the folder' "$fovea" calibrate --seconds=0.001 -o p.txt/below/q.txt
check "no folder for settings" 2 '-o is missing' env -u XDG_CONFIG_HOME HOME=/nowhere "$fovea" calibrate
finish
