# Tests the distance of prefetches, which depends on the cache that holds the weights until they are read again: for
# x86-64-v3 the caches have 256 kB and 8 MB.
. "$(dirname "$0")/lib.sh"

truncate -s 9437184 large.bin
# model NAME: with a row times 9 MB beside what standard input says of %x
model() {
    {
        cat <<'M'
fovea-ir 1
module "m"
const @large: f32[1536, 1536] = file "large.bin" 0 9437184
const @w: f32[192, 192] = file "large.bin" 0 147456
const @wide: f32[192, 768] = file "large.bin" 0 589824
const @ih: f32[1, 768, 192] = file "large.bin" 0 589824
const @hh: f32[1, 768, 192] = file "large.bin" 0 589824
const @down: f32[9216, 256] = file "large.bin" 0 9437184
const @times: i64[] = 4
M
        cat
    } >"$1.fvir"
}
# ahead NAME KERNEL BYTES: of the kernels of that op, those of a single tile
ahead() {
    check "$1, $2" 0 "^$2_[0-9]*: contract .*prefetch_single = $3," "$fovea" inspect "$1.fvir" --schedules --target=x86-64-v3
}
model alone <<'M'
func @main(%x: f32[n, 192]) -> (%y) {
  %y = MatMul(%x, @wide)
  return %y
}
M
sed -i 's/^module.*/&\nsymbol n 1..64/' alone.fvir
ahead alone MatMul 2048
model beside <<'M'
func @main(%x: f32[1, 192], %z: f32[1, 1536]) -> (%a, %b) {
  %a = MatMul(%x, @w)
  %b = MatMul(%z, @large)
  return %a, %b
}
M
ahead beside MatMul 131072
# what a turn reads stays in the second-level cache, or in the last one
model loop <<'M'
func @main(%x: f32[1, 192], %z: f32[1, 1536]) -> (%y, %b) {
  %y = Loop(@times, _, %x) {body = ^(%i: i64[] = [t], %go: bool[] = [1], %h: f32[1, 192]) {
    %m = MatMul(%h, @w)
    %a = Tanh(%m)
    return %go, %a
  }}
  %r = MatMul(%z, @large)
  %b = Relu(%r)
  return %y, %b
}
M
ahead loop Tanh 0
ahead loop Relu 131072
# and what a step does
model steps <<'M'
func @main(%x: f32[9, 1, 192], %z: f32[1, 1536]) -> (%y, %b) {
  %y, _, _ = LSTM(%x, @ih, @hh) {hidden_size = 192}
  %b = MatMul(%z, @large)
  return %y, %b
}
M
ahead steps LSTM 2048
ahead steps MatMul 131072
# where a processor follows several streams of addresses, tiles of fewer rows than a whole one prefetch the next panel from several
# places in turn, if weights come from memory
truncate -s 44040192 huge.bin
cat >huge.fvir <<'M'
fovea-ir 1
module "m"
symbol n 1..64
const @huge: f32[3072, 3584] = file "huge.bin" 0 44040192
func @main(%x: f32[n, 3072]) -> (%y) {
  %y = MatMul(%x, @huge)
  return %y
}
M
# streams PROCESSOR: how many prefetches of its kernels take places in turn
streams() {
    "$fovea" compile huge.fvir --target=x86-64-v3 --processor="$1" --emit=kernels -q -o streams.fvk && grep -c 'prefetch .*k mod' streams.fvk
}
check "streams" 0 '^3$' streams zen3
check "no streams" 1 '^0$' streams zen4
# Zen 4 reads the panels of a single tile faster without prefetches
single() {
    "$fovea" inspect huge.fvir --schedules --target=x86-64-v4 --processor="$1"
}
check "prefetches of a single tile" 0 'prefetch_single = 131072,' single zen5
check "none of a single tile" 0 'prefetch_single = 0,' single zen4
# and those of bytes, which it multiplies as they are; panels of narrow floats, which tiles convert, it reads faster with prefetches
cat >own.profile <<'M'
fovea-processor 1 base "zen4" cpu "c" measured "2026-11-30" prefetch.single_bytes = 16384 prefetch.narrow_bytes = 4096 end
M
# distance TYPE BYTES OPTION...: of prefetches of weights of that type
distance() {
    case $1 in
    i8) sed 's/const @huge: f32/const @huge: i8/; s/%x: f32/%x: u8/; s/MatMul/MatMulInteger/; s/3584/14336/' huge.fvir >$1.fvir ;;
    f32) cp huge.fvir $1.fvir ;;
    *) sed "s/f32/$1/g; s/3584/7168/" huge.fvir >$1.fvir ;;
    esac
    check "distance of $1 ${*:3}" 0 "^MatMul_.*prefetch_single = $2," "$fovea" inspect $1.fvir --schedules --target=x86-64-v4 "${@:3}"
}
for type in f16 bf16; do
    distance $type 8192 --processor=zen4
    distance $type 131072 --processor=zen5
    distance $type 4096 --processor=./own.profile
done
for type in f32 i8; do
    distance $type 0 --processor=zen4
    distance $type 131072 --processor=zen5
    distance $type 16384 --processor=./own.profile
done
# a tile of one row converts so little that it is read as panels of f32 are, also where the run knows the number of rows
sed 's/^symbol n.*//; s/\[n, /[1, /' f16.fvir >one.fvir
one() {
    "$fovea" inspect one.fvir --schedules --target=x86-64-v4 --processor="$1"
}
check "one row of f16" 0 '^MatMul_.*prefetch_single = 0,' one zen4
check "one row of f16 with prefetches" 0 '^MatMul_.*prefetch_single = 16384,' one ./own.profile
# distances PROCESSOR: the distances that a kernel computes, for rows whose number is known in the run
distances() {
    "$fovea" compile f16.fvir --target=x86-64-v4 --processor="$1" --emit=kernels -q -o distances.fvk &&
        grep -o 'let ahead.*(.*' distances.fvk | sed 's/ *let ahead[_0-9]* = //' | tr '\n' ';'
}
check "the distance of a tile of one row" 0 '^min\(\(223 - panel\) \* 98304, 2048\);min\(\(223 - panel\) \* 98304, 8192\);$' distances ./own.profile
check "one distance" 0 '^[^;]*;$' distances zen5
sed 's/narrow_bytes = 4096/narrow_bytes = 0/' own.profile >single.profile
check "a distance for one row only" 0 '^min\(\(223 - panel\) \* 98304, 8192\);$' distances ./single.profile
check "a distance for several rows only" 0 '^min\(\(223 - panel\) \* 98304, 4096\);$' distances zen4
tiles() {
    distances zen4 && grep -c "^ *$1" distances.fvk
}
# of the tiles of 12, 8, 4, 2 and 1 rows, four prefetch, and the last one does not, not even what it reads now
check "four of five tiles prefetch" 0 ';4$' tiles 'prefetch .*, ahead\]'
check "none prefetches what it reads" 1 ';0$' tiles 'prefetch .*, 0\]'
# where it also does so for all tiles that share a panel, prefetches are of numbered lines, if weights come from memory: five tiles
# of 12, 8, 4, 2 and 1 rows prefetch two lines in each step; with a known number of rows there is only one tile
cat >few.profile <<'M'
fovea-processor 1 base "sapphire-rapids" cpu "c" measured "2026-11-27" last_level = 40000000 end
M
# shared PROCESSOR MODEL
shared() {
    "$fovea" compile "$2" --target=x86-64-v4 --processor="$1" --emit=kernels -q -o shared.fvk && grep -c '^ *prefetch .*line' shared.fvk
}
sed 's/^symbol n.*//; s/\[n, 3072\]/[8, 3072]/' huge.fvir >eight.fvir
check "shared prefetches" 0 '^10$' shared few.profile huge.fvir
check "one tile of eight rows" 0 '^2$' shared few.profile eight.fvir
check "weights that stay in a cache" 1 '^0$' shared sapphire-rapids huge.fvir
# an iteration has four steps, and two where it also computes which lines it prefetches
# unrolled STEPS MODEL: the loops with so many steps in an iteration
unrolled() {
    "$fovea" compile "$2" --target=x86-64-v4 --processor=few.profile --emit=kernels -q -o unrolled.fvk && grep -c "unroll step < $1 " unrolled.fvk
}
check "two steps with shared prefetches" 0 '^3$' unrolled 2 huge.fvir
check "four steps without" 0 '^3$' unrolled 4 huge.fvir
check "four steps of a known number of rows" 0 '^1$' unrolled 4 eight.fvir
# nothing is shared with less than three rows, in blocks after the first, and where the next panel would fill more than half of the
# second-level cache of 2 MB
sed 's/\[8, /[2, /' eight.fvir >two.fvir
check "two rows" 1 '^0$' shared few.profile two.fvir
sed 's/\[8, /[3, /' eight.fvir >three.fvir
check "three rows" 0 '^2$' shared few.profile three.fvir
sed 's/\[3072, 3584\]/[11008, 1000]/; s/44040192/44032000/; s/3072/11008/' eight.fvir >tall.fvir
check "a large panel" 1 '^0$' shared few.profile tall.fvir
sed 's/^symbol n.*/symbol n 1..4096/' huge.fvir >blocks_of_rows.fvir
check "blocks of rows" 0 '^10$' shared few.profile blocks_of_rows.fvir
check "the first of them" 0 'if whole <= 4 && 3 <= size && first == 0 ' cat shared.fvk
sed 's/^symbol n.*/symbol n 1024..4096/; s/\[3072, 3584\]/[768, 14336]/; s/3072/768/' huge.fvir >many_rows.fvir
check "many rows" 1 '^0$' shared few.profile many_rows.fvir
# a tuning may leave out the prefetches that tiles would share
few="--target=x86-64-v4 --processor=./few.profile"
check "its key" 0 'key       [0-9a-f]{16}$' "$fovea" inspect huge.fvir --schedules -v $few
key=$(sed -n 's/^ *key *//p' out)
check "its tuning" 0 '^end$' "$fovea" tune huge.fvir $few --seconds=0.001 -o -
{ sed 5q out; printf 'kernel "%s" contract {prefetch = 0, prefetch_single = 0}\nend\n' "$key"; } >few.tuning
check "none of them" 0 'contract .*prefetch = 0, prefetch_single = 0,' "$fovea" compile huge.fvir $few --tuning=few.tuning --emit=kernels -q -o -
# few queries prefetch values of a cache, which come from memory, 8 rows of 256 bytes ahead, unless the processor reads faster without
cat >cache.fvir <<'M'
fovea-ir 1
module "m"
symbol n 1..4096
symbol s 1..512
const @large: f32[1536, 1536] = file "large.bin" 0 9437184
func @main(%x: f32[s, 1536], %k: f32[24, n, 64], %v: f32[24, n, 64]) -> (%y) {
  %m = MatMul(%x, @large)
  %r = fv.Reshape(%m) {dims = [s, 24, 64]}
  %q = Transpose(%r) {perm = [1, 0, 2]}
  %t = Transpose(%k) {perm = [0, 2, 1]}
  %w = MatMul(%q, %t)
  %p = Softmax(%w) {axis = -1}
  %y = MatMul(%p, %v)
  return %y
}
M
# values MODEL OPTION...: the prefetches of values
values() {
    "$fovea" compile "$1" --target=x86-64-v3 --emit=kernels -q -o values.fvk "${@:2}" && grep -o 'prefetch v.*' values.fvk | tr '\n' ';' && echo .
}
check "values" 0 '^prefetch v\[b, k_[0-9]*, 512\];.*, 528\];.*, 544\];.*, 560\];\.$' values cache.fvir
check "values without prefetches" 0 '^\.$' values cache.fvir --processor=zen4
check "values without vectors" 0 '^\.$' values cache.fvir --target=cortex-m7
check "values in small code" 0 '^\.$' values cache.fvir -Os
sed 's/%v: f32\[24, n, 64\]/%v: f32[n, 24, 64]/; s/@main.*/&\n  %u = Transpose(%v) {perm = [1, 0, 2]}/; s/(%p, %v)/(%p, %u)/' cache.fvir >apart.fvir
check "values of heads side by side" 0 '^prefetch v\[k_[0-9]*, b, 12288\];' values apart.fvir
sed 's/f32\[1536, 1536\]/f32[16, 1536]/; s/9437184/98304/; s/\[s, 1536\]/[s, 16]/' cache.fvir >little.fvir
check "values that no weights displace" 0 '^\.$' values little.fvir
sed 's/MatMul(%p, %v)/MatMul(%p, %o)/; s/^  %p = .*/&\n  %o = Neg(%v)/' cache.fvir >made.fvir
check "values of this run" 0 '^\.$' values made.fvir
# tiles of 12, 8, 4, 2 and 1 rows also prefetch the scales of blocks, two lines of each, and their zero points
cat >blocks.fvir <<'M'
fovea-ir 1
module "m"
symbol n 1..64
const @w: u8[3072, 96, 16] = file "huge.bin" 0 4718592
const @scales: f32[3072, 96] = file "huge.bin" 0 1179648
const @zeros: u8[3072, 48] = file "huge.bin" 0 147456
func @main(%x: f32[n, 3072]) -> (%y) {
  %y = com.microsoft.MatMulNBits(%x, @w, @scales, @zeros) {K = 3072, N = 3072, bits = 4, block_size = 32, accuracy_level = 4}
  return %y
}
M
# terms PATTERN: the number of prefetches of these panels
terms() {
    "$fovea" compile blocks.fvir --target=x86-64-v4+vnni --emit=kernels -q -o terms.fvk && grep -c "prefetch $1" terms.fvk
}
check "scales of blocks, after their words" 0 '^10$' terms '`y_[0-9]*.panels`.panel, 0, b \* 5 + 4, ahead'
check "zero points of blocks" 0 '^5$' terms '`y_[0-9]*.panels`.panel, b, ahead '
# rows a multiple of 4 kB apart are copied where a processor gains by it
model down <<'M'
func @main(%x: f32[96, 9216]) -> (%y) {
  %y = MatMul(%x, @down)
  return %y
}
M
check "copied rows" 0 'contract .*copies = true' "$fovea" inspect down.fvir --schedules --target=x86-64-v4 --processor=sapphire-rapids
# of weights that are unpacked for several tiles of rows, rows are only copied for these
model half <<'M'
const @half: f16[1024, 1024] = file "large.bin" 0 2097152
func @main(%x: f32[n, 1024]) -> (%y) {
  %f = Cast(@half) {to = 1}
  %y = MatMul(%x, %f)
  return %y
}
M
sed -i 's/^module.*/&\nsymbol n 1..4096/' half.fvir
check "rows of f16 weights" 0 '^kernel .*MatMul' "$fovea" compile half.fvir --target=x86-64-v4 --processor=sapphire-rapids --emit=kernels -q -o -
check "rows that are not" 0 'contract .*copies = false' "$fovea" inspect down.fvir --schedules --target=x86-64-v4 --processor=zen4
# tiles convert f16 themselves where the processor does it while it multiplies, if the conversion is one instruction
# converted TARGET PROCESSOR: how often panels are converted for a block of rows
converted() {
    "$fovea" compile half.fvir --target="$1" --processor="$2" --emit=kernels -q -o half.fvk && grep -c 'tile unpacked' half.fvk
}
check "f16 for a block of rows" 0 '^1$' converted x86-64-v4 zen4
# blocks that convert have up to twelve tiles if there are 16 panels, and convert as many steps at a time as fit on the stack; others have
# as many rows as the second-level cache has room for
sed '/^symbol/d; s/\[1024, 1024\]/[4096, 256]/; s/\[n, 1024\]/[128, 4096]/' half.fvir >deep.fvir
sed '/Cast/d; s/f16\[4096, 256\]/f32[4096, 128]/; s/%f)/@half)/' deep.fvir >whole.fvir
check "a deep product of f16" 0 'contract .*block = 48, depth = 512' "$fovea" inspect deep.fvir --schedules --target=x86-64-v4 --processor=zen4
sed 's/4096, 256/2048, 512/; s/128, 4096/128, 2048/' deep.fvir >wide.fvir
check "one with 16 panels" 0 'contract .*block = 144, depth = 512' "$fovea" inspect wide.fvir --schedules --target=x86-64-v4 --processor=zen4
check "a deep product of f32" 0 'contract .*block = 36, depth = ' "$fovea" inspect whole.fvir --schedules --target=x86-64-v4 --processor=zen4
check "f16 in tiles" 1 '^0$' converted x86-64-v4 zen5
check "f16 without an instruction" 0 '^1$' converted x86-64-v2 zen5
# and where a block has few tiles, as a tuning may choose
rapids="--target=x86-64-v4 --processor=sapphire-rapids"
check "f16 for many tiles" 0 '^1$' converted x86-64-v4 sapphire-rapids
check "the key of f16" 0 'key       [0-9a-f]{16}$' "$fovea" inspect half.fvir --schedules -v $rapids
key=$(sed -n 's/^ *key *//p' out)
check "the tuning of f16" 0 '^end$' "$fovea" tune half.fvir $rapids --seconds=0.001 -o -
sed 5q out >half.head
# small BLOCK: how often panels are converted for blocks of so many rows
small() {
    { cat half.head; printf 'kernel "%s" contract {block = %s}\nend\n' "$key" "$1"; } >half.tuning
    "$fovea" compile half.fvir $rapids --tuning=half.tuning --emit=kernels -q -o half.fvk && grep -c 'tile unpacked' half.fvk
}
check "f16 in blocks of four tiles" 1 '^0$' small 48
check "f16 in blocks of five tiles" 0 '^1$' small 60
# small panels of words of four bytes are prefetched: 9 kB, of a first-level cache of 48 kB
cat >bytes.fvir <<'M'
fovea-ir 1
module "m"
const @w: i8[288, 8192] = file "large.bin" 0 2359296
func @main(%x: u8[96, 288]) -> (%y) {
  %y = MatMulInteger(%x, @w)
  return %y
}
M
sed 's/288/160/g; s/2359296/1310720/' bytes.fvir >few.fvir
check "a panel of 9 kB" 0 'contract .*prefetch = 2048' "$fovea" inspect bytes.fvir --schedules --target=x86-64-v4+vnni --processor=zen5
check "a panel of 5 kB" 0 'contract .*prefetch = 0' "$fovea" inspect few.fvir --schedules --target=x86-64-v4+vnni --processor=zen5
# a step of a decoder prefetches keys in the order of memory: with eight channels in a step, all four lines of one key of 64
# channels; with three steps for 24 channels, lines of three keys in each
cat >keys.fvir <<'M'
fovea-ir 1
module "m"
symbol n 1..4096
func @main(%q: f32[4, 4, 64], %k: f32[4, n, 64], %v: f32[4, n, 64]) -> (%y) {
  %kt = Transpose(%k) {perm = [0, 2, 1]}
  %s = MatMul(%q, %kt)
  %p = Softmax(%s)
  %y = MatMul(%p, %v)
  return %y
}
M
sed 's/, 64\]/, 24]/g' keys.fvir >channels.fvir
# keys MODEL: the lines that a step prefetches, as its key and first channel
keys() {
    "$fovea" compile "$1" --target=x86-64-v3 --emit=expanded -q -o - | sed -n 's/^ *prefetch k\[task, \(.*\)\]$/\1/p' | tr '\n' ';'
}
check "keys in order" 0 '^(j_1 [+] c0 floordiv 8, (0|16|32|48);){4}$' keys keys.fvir
check "keys of 24 channels" 0 '^([^;]*;){6}$' keys channels.fvir
# they are spread among its channels: two channels for each line, or four for three lines
groups() {
    "$fovea" compile "$1" --target=x86-64-v3 --emit=kernels -q -o - | grep -A 4 'unroll group'
}
check "lines among channels" 0 'unroll group < 4 ' groups keys.fvir
said 'unroll c < 2 '
check "three lines at a time" 0 'unroll group < 2 ' groups channels.fvir
said 'unroll line < 3 '
# a kernel prefetches the row of a large table that it gathers in the next iteration, up to its last element, which may be in a line
# of its own
cat >gathered.fvir <<'M'
fovea-ir 1
module "m"
symbol n 1..4096
const @large: f32[6144, 384] = file "large.bin" 0 9437184
const @types: f32[2, 384] = file "large.bin" 0 3072
const @w: f32[384, 384] = file "large.bin" 0 589824
const @positions: i64[4096] = file "large.bin" 0 32768
func @main(%ids: i64[n], %kinds: i64[n]) -> (%y) {
  %g = Gather(@large, %ids) {axis = 0}
  %t = Gather(@types, %kinds) {axis = 0}
  %a = Add(%g, %t)
  %s = Softmax(%a) {axis = -1}
  %y = MatMul(%s, @w)
  return %y
}
M
# gathered MODEL OPTION...: the prefetches of gathered rows and what they are computed from
gathered() {
    "$fovea" compile "$1" --target=x86-64-v3 --emit=kernels -q -o gathered.fvk "${@:2}" && sed -n 's/^ *//; /^let next = .* n - 1/p; /^let row.*next/p; /^prefetch .*\[row/p' gathered.fvk | tr '\n' ';' && echo .
}
row='let row = max\(min\(select\(ids\[next\] < 0, ids\[next\] \+ 6144, ids\[next\]\), 6143\), 0\);'
check "a gathered row" 0 "^let next = min\(\w+ \+ 1, n - 1\);${row}prefetch large\[row, line \* 16\] to 2;prefetch large\[row, 383\] to 2;\.\$" gathered gathered.fvir
check "its lines" 0 'unroll line < 24 ' cat gathered.fvk
check "a single row" 0 '^\.$' gathered gathered.fvir --dim=n=1
check "gathered rows without vectors" 0 '^\.$' gathered gathered.fvir --target=cortex-m7
check "gathered rows in small code" 0 '^\.$' gathered gathered.fvir -Os
# of f16, twice as many elements are in a line; of 8 kB, the first 64 lines are prefetched
sed 's/@large: f32/@large: f16/; s/9437184/4718592/; s/^  %g = .*/  %h = Gather(@large, %ids) {axis = 0}\n  %g = Cast(%h) {to = 1}/' gathered.fvir >narrow.fvir
check "a gathered row of f16" 0 'prefetch large\[row, line \* 32\] to 2;prefetch large\[row, 383\] to 2;\.$' gathered narrow.fvir
check "its lines" 0 'unroll line < 12 ' cat gathered.fvk
sed 's/6144, 384/1152, 2048/; s/2, 384/2, 2048/; s/384, 384/2048, 72/; s/3072/16384/' gathered.fvir >long.fvir
check "a long row" 0 'let row = [^;]*;prefetch large\[row, line \* 16\] to 2;\.$' gathered long.fvir
check "its first lines" 0 'unroll line < 64 ' cat gathered.fvk
# a table that the second-level cache holds is not prefetched, nor one whose rows no other weights displace, nor rows at constant indices
sed 's/6144, 384/128, 384/; s/9437184/196608/' gathered.fvir >held.fvir
check "rows of a small table" 0 '^\.$' gathered held.fvir
sed 's/384, 384/384, 16/; s/589824/24576/' gathered.fvir >alone.fvir
check "rows that no weights displace" 0 '^\.$' gathered alone.fvir
sed 's/(%ids: i64\[n\], /(/; s/%ids/@positions/; s/symbol n .*/symbol n 4096..4096/' gathered.fvir >placed.fvir
check "rows at constant indices" 0 '^\.$' gathered placed.fvir
# of two rows of one table, both are; elements that are gathered one by one are not
sed 's/@types, %kinds/@large, %kinds/' gathered.fvir >two.fvir
check "two rows of a table" 0 'let row = .*let row_1 = .*kinds\[next\].*prefetch large\[row_1, 383\] to 2;\.$' gathered two.fvir
sed 's/Gather(@large/GatherElements(@large/; s/%ids: i64\[n\]/%ids: i64[n, 384]/' gathered.fvir >elements.fvir
check "gathered elements" 0 '^\.$' gathered elements.fvir
# so does a kernel of several results, and one without sums; a row whose index the same kernel computes cannot be known before
sed 's/-> (%y)/-> (%a, %y)/; s/return %y/return %a, %y/' gathered.fvir >both.fvir
check "gathered rows of two results" 0 'prefetch large\[row, 383\] to 2;\.$' gathered both.fvir
check "their kernel" 0 '^kernel .* a: f32.* s: f32' cat gathered.fvk
sed 's/MatMul(%s/MatMul(%a/; /Softmax/d' both.fvir >plain.fvir
check "a gathered row without sums" 0 'prefetch large\[row, 383\] to 2;\.$' gathered plain.fvir
check "its kernel" 0 '^ *schedule map ' cat gathered.fvk
sed 's/%ids: i64\[n\]/%x: f32[n, 384]/; s/^  %g = /  %ids = ArgMax(%x) {axis = 1, keepdims = 0}\n&/; s/-> (%y)/-> (%ids, %y)/; s/return %y/return %ids, %y/' gathered.fvir >made.fvir
check "a row of an index of this kernel" 0 '^\.$' gathered made.fvir
# in the last iteration, the next row is the last one again; results have the same bits with and without prefetches, of negative
# indices, too, and the largest index of all is an error of the run only
npy() {
    { printf '\223NUMPY\001\000v\000%-117s\n' "{'descr': '<i8', 'fortran_order': False, 'shape': ($2,), }"; printf "$3"; } >"$1"
}
npy ids.npy 3 '\377\377\377\377\377\377\377\377\000\010\000\000\000\000\000\000\000\350\377\377\377\377\377\377'
npy kinds.npy 3 '\000\000\000\000\000\000\000\000\001\000\000\000\000\000\000\000\377\377\377\377\377\377\377\377'
npy far.npy 3 '\000\000\000\000\000\000\000\000\001\000\000\000\000\000\000\000\000\020\000\000\000\001\000\000'
npy most.npy 3 '\000\000\000\000\000\000\000\000\377\377\377\377\377\377\377\177\001\000\000\000\000\000\000\000'
seq 1 2000000 | head -c 9437184 >digits.bin # as floats, digits are from 1e-9 to 2e-4
sed 's/large.bin/digits.bin/' gathered.fvir >digits.fvir
for b in jit interp c; do
    check "gathered rows, $b" 0 '' "$fovea" run digits.fvir --backend=$b --input ids=ids.npy --input kinds=kinds.npy -o y_$b.npy
    for far in far most; do
        check "an index that is out of range ($far), $b" 1 'out of range' "$fovea" run digits.fvir --backend=$b --input ids=$far.npy --input kinds=kinds.npy
    done
done
check "without prefetches" 0 '' "$fovea" run digits.fvir --backend=jit -Os --input ids=ids.npy --input kinds=kinds.npy -o y_small.npy
for b in interp c small; do
    cmp -s y_jit.npy y_$b.npy && tell "the same bits, $b" yes || tell "the same bits, $b" no
done
finish
