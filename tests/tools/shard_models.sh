# Tests models of several kinds in parts: ranks, stages, and stages of ranks have the bits of one process that runs the parts with
# code in memory; by the interpreter, by C, with several threads, and as processes of mpirun where there is one.
. "$(dirname "$0")/lib.sh"
export FOVEA_CACHE_DIR=$work/cache # parts that several runs have are compiled once
shared=${FOVEA_SHARED:-$root/../shared}/models
[ -d "$shared" ] || { echo "skipped: there is no $shared"; exit 77; }
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 # in a container, tests are root
command -v mpirun >/dev/null && mpi=1 || mpi=

more='' # other options of the runs that equals makes
# equals NAME FOLDER REFERENCE OUTPUTS ARGUMENT...: the parts in the folder give the outputs of the reference in all bits
equals() {
    local what=$1 folder=$2 reference=$3 outputs=$4
    shift 4
    check "$what" 0 "$outputs of $outputs outputs as expected" "$@" "$fovea" run "$folder" --data-set in --expect "$reference" --atol=0 \
        --rtol=0 $more
}
processes() { timeout 120 mpirun --oversubscribe "$@"; }
# kind NAME MODEL OUTPUTS RANKS STAGES ARGUMENT...: RANKS are the numbers of parts of each layer, which contain 1 and 2, STAGES those of
# parts of the sequence of layers; the last one of each also runs as processes of mpirun. Compiling a part takes most of the time: each
# number occurs in several models, not in all.
kind() {
    local of=$1 model=$2 outputs=$3 ranks stages all_ranks=$4 all_stages=$5
    shift 5
    rm -rf in whole
    check "$of" 0 '' "$fovea" run "$model" "$@" -o whole --save-inputs in
    for ranks in $all_ranks; do
        check "$of, $ranks ranks" 0 '' "$fovea" shard "$model" --ranks $ranks -o "$of$ranks"
        check "$of, $ranks ranks in one process" 0 "$outputs of $outputs outputs as expected" "$fovea" run "$of$ranks" \
            --data-set in --expect whole -o "$of.$ranks" --threads=1
        more='--backend=interp' equals "$of, $ranks ranks by the interpreter" "$of$ranks" "$of.$ranks" "$outputs"
    done
    for stages in $all_stages; do
        check "$of, $stages stages" 0 '' "$fovea" shard "$model" --stages $stages -o "$of.s$stages"
        more='--threads=3' equals "$of, $stages stages" "$of.s$stages" "$of.1" "$outputs"
    done
    check "$of, two stages of two ranks" 0 '' "$fovea" shard "$model" --stages 2 --ranks 2 -o "$of.22"
    more='' equals "$of, two stages of two ranks" "$of.22" "$of.2" "$outputs"
    more='--backend=interp' equals "$of, two stages of two ranks by the interpreter" "$of.22" "$of.2" "$outputs"
    [ "$of" != int4 ] && [ "$of" != experts ] ||
        more='--backend=c' equals "$of, two stages of two ranks by C" "$of.22" "$of.2" "$outputs"
    [ -n "$mpi" ] || return 0
    more='--threads=1' equals "$of, $ranks processes" "$of$ranks" "$of.$ranks" "$outputs" processes -n $ranks
    more='--threads=1' equals "$of, $stages processes, stages" "$of.s$stages" "$of.1" "$outputs" processes -n $stages
    more='--threads=1' equals "$of, two stages of two ranks as processes" "$of.22" "$of.2" "$outputs" processes -n 4
}

exported() { kind "$1" "$shared/$2/model.onnx" "${@:3}" --data-set "$shared/$2/test_data_set_0"; }
exported bert enc_bert_base_like 2 '1 2 3' '3 2'
exported gpt2 dec_gpt2_past 5 '1 2 3' 2
exported llama dec_llama_gqa_past 5 '1 2 4' 2

# Two layers of experts, and of weights of four bits in blocks.
floats w.bin 20000
head -c 20000 w.bin >q.bin
cat >experts.fvir <<'T'
fovea-ir 1
module "experts"
symbol n 0..64
const @first0: f32[4, 24, 8] = file "w.bin" 0 3072
const @second0: f32[4, 8, 12] = file "w.bin" 4000 1536
const @first1: f32[4, 24, 8] = file "w.bin" 8000 3072
const @second1: f32[4, 8, 12] = file "w.bin" 12000 1536
const @router: f32[8, 4] = file "w.bin" 16000 128
func @main(%x: f32[n, 8]) -> (%y) {
  %r0 = MatMul(%x, @router)    loc("router0")
  %a0 = com.microsoft.MoE(%x, %r0, @first0, _, @second0) {k = 2, activation_type = "swiglu", swiglu_fusion = 1} loc("experts0")
  %h = Add(%x, %a0)    loc("sum0")
  %r1 = MatMul(%h, @router)    loc("router1")
  %a1 = com.microsoft.MoE(%h, %r1, @first1, _, @second1) {k = 2, activation_type = "swiglu", swiglu_fusion = 1} loc("experts1")
  %y = Add(%h, %a1)    loc("sum1")
  return %y
}
T
kind experts experts.fvir 1 '1 2 4 3' 2 --dim n=6
cat >int4.fvir <<'T'
fovea-ir 1
module "int4"
symbol n 0..64
const @up0: u8[64, 2, 8] = file "q.bin" 0 1024
const @sup0: f32[64, 2] = file "w.bin" 0 512
const @down0: u8[32, 4, 8] = file "q.bin" 2000 1024
const @sdown0: f32[32, 4] = file "w.bin" 1000 512
const @up1: u8[64, 2, 8] = file "q.bin" 4000 1024
const @sup1: f32[64, 2] = file "w.bin" 4000 512
const @down1: u8[32, 4, 8] = file "q.bin" 6000 1024
const @sdown1: f32[32, 4] = file "w.bin" 5000 512
func @main(%x: f32[n, 32]) -> (%y) {
  %a0 = com.microsoft.MatMulNBits(%x, @up0, @sup0) {K = 32, N = 64, bits = 4, block_size = 16} loc("up0")
  %b0 = Relu(%a0)
  %c0 = com.microsoft.MatMulNBits(%b0, @down0, @sdown0) {K = 64, N = 32, bits = 4, block_size = 16} loc("down0")
  %h = Add(%x, %c0)    loc("sum0")
  %a1 = com.microsoft.MatMulNBits(%h, @up1, @sup1) {K = 32, N = 64, bits = 4, block_size = 16} loc("up1")
  %b1 = Relu(%a1)
  %c1 = com.microsoft.MatMulNBits(%b1, @down1, @sdown1) {K = 64, N = 32, bits = 4, block_size = 16} loc("down1")
  %y = Add(%h, %c1)    loc("sum1")
  return %y
}
T
kind int4 int4.fvir 1 '1 2 3 4' '4 3 2' --dim n=6

mpi='' # the others are larger, and are not run as processes
exported vit vis_vit_timm 1 '1 2' 4
exported t5 trf_t5_relative_bias 1 '1 2 3' 2
exported bart trf_bart_bmm 1 '1 2' 4

finish
