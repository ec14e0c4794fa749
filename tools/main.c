/* main.c - the program `fovea`: finds the subcommand and executes it. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/base/diag.h"
#include "tools/command/option.h"
#include "tools/command/stack.h"

#define SCRIPT "--script --pipeline --script-arg --script-memory --script-steps --unsafe-lua"

/* common options that concern runs and comparisons, or how models are lowered to code */
#define NO_RUNS "--threads --atol --rtol"
#define NO_CODE                                                                                    \
    "--target --processor -O --prefer --disable --enable --schedule --relax --random-limits "      \
    "--verify"

const fv_command fv_commands[] = {
    {"compile", "MODEL", 1, 1, "compile to native code, to C, or to text",
     "--output --emit --weights --replaceable --header --name --passes --dump-after --dump-dir "
     "--time-passes "
     "--stop-after --changes --state --tuning --require-fused --max-flash --max-ram "
     "--layout " SCRIPT,
     fv_cmd_compile,
     "The suffix of OUT decides the kind of the files: .so .o .a .c (all with a header) .ll .s "
     ".fvir (graph)\n"
     ".fvk (kernels), or / for a folder of C with Makefile and self-test; for Windows .dll .obj "
     ".lib, for\n"
     "macOS .dylib. Without -o, OUT is MODEL.so in the current folder. The default target is "
     "x86-64-v3 on\n"
     "an x86-64 machine, otherwise the baseline of its architecture. Of a folder with the parts of "
     "a model, which\n"
     "`fovea shard` made, each is compiled to a library in the folder OUT, or to files of the kind "
     "of --emit.\n"
     "\nexamples:\n"
     "  fovea compile bert.onnx -o bert.so\n"
     "  fovea compile kws.onnx -o kws.c --target=cortex-m4 --dim batch=1\n",
     .without = NO_RUNS},
    {"run", "MODEL", 1, 1, "run a model once, and print its outputs",
     "--backend --input --data-set --save-inputs --adapter --expect --output --format --seed "
     "--passes --state --stop-after --changes --tuning --attention-maps --labels --timeout " SCRIPT,
     fv_cmd_run,
     "MODEL may also be a library that `fovea compile` made, or a folder with the parts that "
     "`fovea "
     "shard` or `fovea compile` made:\n"
     "then all ranks run at the same time, each on a thread of its own. Inputs that are not given "
     "are "
     "random:\n"
     "indices are in range, masks are ones. A dim that is not given is 1 for a batch, 128 for a\n"
     "sequence, 0 for a past, 224 for a side of an image, 64 for one of a volume, otherwise 1, "
     "which a note "
     "reports.\n"
     "-o writes each output to a file "
     "in the\n"
     "folder OUT, or a single output to OUT.npy, OUT.pb or `-`; --expect reads the same forms.\n"
     "\n--attention-maps writes the weights of each attention to DIR, as .npy files and as a page "
     "of heat maps,\n"
     "DIR/index.html. They come from a second module whose outputs include the weights; the "
     "printed outputs come\n"
     "from the unchanged model. F.json of --labels is a list of strings, one for each query or "
     "key; or a list of such\n"
     "lists, one for each entry of a batch; or {\"queries\": .., \"keys\": ..} with two of these.\n"
     "\nWith --expect, outputs may differ by atol + rtol * |reference|, as in `fovea test`.\n"
     "\nexamples:\n"
     "  fovea run bert.onnx --dim seq=16 --input input_ids=ids.npy -o out/\n"
     "  fovea run bert.onnx --input input_ids=ids.npy --attention-maps maps/ --labels tokens.json\n"
     "  fovea run model.onnx --data-set test_data_set_0 --expect test_data_set_0\n"},
    {"test", "DIR...", 1, 0,
     "run tests: folders in the layout of ONNX's backend tests, rules, or scripts in Lua",
     "--backend --passes --seed --script-arg --script-memory --script-steps --unsafe-lua",
     fv_cmd_test,
     "DIR is a folder with model.onnx and test_data_set_0, ..., a folder of such folders, or a "
     "model. A model\n"
     "without test data runs on random inputs, and is compared with its naive schedule. A compiled "
     "library is\n"
     "tested on test_data_set_0, ... in its folder.\n"
     "F.rules: tests each rewrite rule on random instances of its pattern, and prints the smallest "
     "instance\n"
     "for which a rule does not hold. F.lua: runs the tests that it declares by fv.test "
     "(docs/lua.md).\n"
     "Prints a line for each failure, with folder, backend and reason, and last the numbers of "
     "tests.\n"
     "\nOutputs may differ by atol + rtol * |reference|: 1e-4 each, for f16 outputs 1e-3, for "
     "bf16\n"
     "1e-2, unless --atol or --rtol are given. NaN equals NaN only; integers are compared "
     "exactly.\n"},
    {"generate", "MODEL", 1, 1, "continue sequences of ids with a decoder",
     "--ids --tokens --temperature --top-k --top-p --seed --stop --prefill --backend --input "
     "--data-set --adapter --passes --state --tuning --timeout " SCRIPT,
     fv_cmd_generate,
     "MODEL is a decoder, whose logits decide the next id, or a folder with its parts, as `fovea "
     "shard` made. Prints for each prompt a line with the "
     "ids that follow it, up to one of\n"
     "--stop, or --tokens of them. Inputs are found by their names: ids, attention_mask, "
     "position_ids, and caches such as\n"
     "past_key_values.0.key, whose next value is the output present.0.key. --state declares other "
     "caches; --input gives inputs\n"
     "that are the same in each run, such as those of an encoder. A model without caches computes "
     "the whole sequence for each id.\n"
     "\nexamples:\n"
     "  fovea generate gpt2.onnx --ids 464,3280,318 --tokens 40\n"
     "  fovea generate llama.onnx --ids '1,15;1,27' --temperature 0.8 --top-p 0.95 --seed 7 --stop "
     "2\n"
     "  fovea generate whisper.onnx --input mel=mel.npy --ids 50258,50259 --stop 50257\n"
     "  fovea generate phi.onnx --adapter travel.onnx_adapter --ids 1,15\n",
     .without = "--atol --rtol"},
    {"bench", "MODEL...", 1, 0,
     "measure the time of a model, and compare it with the machine's peak and another runtime",
     "--backend --rounds --seconds --profile --against --against-model --input --data-set "
     "--adapter --at "
     "--seed --passes "
     "--state --tuning --timeout " SCRIPT,
     fv_cmd_bench,
     "MODEL may also be a library that `fovea compile` made. Inputs and dims are as in `fovea "
     "run`; --dim\n"
     "compiles for a value, --at only runs with it. --threads takes a list: --threads=1,2. Only "
     "runs are\n"
     "timed; buffers and threads are made before. The peak of the machine (its roof) is measured "
     "in each round:\n"
     "multiply-adds in registers, and reading from memory. --against compares with ONNX Runtime, "
     "with a compiled\n"
     "library, or with another backend; the exit status is 1 if outputs differ. Of a folder with "
     "the parts of a\n"
     "model, all ranks run at the same time, also under mpirun; the table has the time of each, "
     "and what they send.\n"
     "\nexamples:\n"
     "  fovea bench bert.onnx --threads=1,2 --at seq=128 --profile\n"
     "  fovea bench bert.onnx --against=libonnxruntime.so.1 --rounds=9 --json\n"
     "  fovea bench bert.onnx --backend=c -O3 --against=jit\n"},
    {"tune", "MODEL", 1, 1, "find schedules for a model's kernels that are faster on this machine",
     "--output --backend --seconds --predict --input --data-set --adapter --at --seed --passes "
     "--state " SCRIPT,
     fv_cmd_tune,
     "Tries other schedules for the costliest kernels, by timing two programs alternately. At the "
     "end, the\n"
     "program with all that were faster is measured in 15 rounds, and they are kept if it is "
     "faster "
     "in 12.\n"
     "`compile`, `run`, `bench` and `inspect` read the result by --tuning=OUT, for the same model, "
     "target, CPU and version. No "
     "schedule changes\n"
     "a bit of a result. Inputs and dims are as in `fovea bench`. The command stops when --seconds "
     "do not suffice\n"
     "for another program.\n"
     "\nWith --predict nothing is measured: the cost model predicts all schedules, and those that "
     "it predicts\n"
     "to be clearly faster are chosen. The target may be another machine; a profile that `fovea "
     "calibrate`\n"
     "has written there states its speeds.\n"
     "\nexamples:\n"
     "  fovea tune bert.onnx --seconds=300 --at seq=128 --threads=1 -o bert.tuning\n"
     "  fovea bench bert.onnx --at seq=128 --threads=1 --tuning=bert.tuning\n"
     "  fovea tune bert.onnx --predict --target=aarch64 --processor=board.txt --at seq=128 -o "
     "b.tuning\n",
     .without = "--atol --rtol"},
    {"calibrate", "", 0, 0, "measure this machine, and store its profile for the target native",
     "--output --seconds", fv_cmd_calibrate,
     "Measures caches, memory, arithmetic and threads. Then tries other values of the properties "
     "of the processor\n"
     "that decide how kernels are made, each on a small model, by timing two programs alternately; "
     "a value is kept\n"
     "if its program takes at most 0.98 of the time, in two measurements. The profile is a text. "
     "It is written to\n"
     "the file that FOVEA_PROCESSOR names, by default ~/.config/fovea/processor, which "
     "--target=native reads; or to\n"
     "OUT, for --processor=OUT. No property changes a bit of a result. The machine should do "
     "nothing else meanwhile.\n"
     "\nexamples:\n"
     "  fovea calibrate\n"
     "  fovea calibrate --seconds=600 -o server.txt && fovea compile m.onnx "
     "--processor=./server.txt\n",
     .without = NO_CODE " --dim --strict --atol --rtol"},
    {"inspect", "MODEL", 1, 1, "describe a model, and how it is compiled",
     "--ops --memory --schedules --attention --why --shards --ranks --stages --plan --link "
     "--passes "
     "--state "
     "--tuning " SCRIPT,
     fv_cmd_inspect,
     "Without --ops, --memory, --schedules, --attention, --why and --shards, prints a summary. "
     "--shards with\n"
     "--ranks N or --stages N describes the parts into which `fovea shard` would cut the model, or "
     "the plan of --plan;\n"
     "with --link also\n"
     "the time of a run. --why NODE "
     "must follow the model; --why=NODE may be anywhere. MODEL may be a compiled library, also one "
     "for another CPU\n"
     "of this architecture: then the summary is what the library stores, and --schedules lists its "
     "kernels.\n"
     "--threads is the number of threads that the times of --schedules -v and --json are estimated "
     "for; without it one.\n"
     "\nexamples:\n"
     "  fovea inspect model.onnx --schedules --dim seq=128\n"
     "  fovea inspect model.onnx --schedules -v --threads=16\n"
     "  fovea inspect model.onnx --attention\n"
     "  fovea inspect model.onnx --why\n"
     "  fovea inspect model.onnx --why /encoder/layer.0/Softmax\n"
     "  fovea inspect model.onnx --shards --ranks 4 --link=25GB/s,2us\n",
     .without = "--atol --rtol"},
    {"opt", "MODEL", 1, 1, "run passes on the graph of a model, and write it",
     "--output --emit --weights --passes --standard --list-passes --print-pipeline --only-node "
     "--explain --bisect --bisect-test --stop-after --changes --backend --input --data-set --seed "
     "--dump-after --dump-dir --time-passes --state " SCRIPT,
     fv_cmd_opt,
     "Prints the graph without its larger constants. -o F.fvir writes a text that can be read "
     "again, with its\n"
     "constants in F.fvir.bin; -o - prints that text with all constants. -o F.onnx, or "
     "--emit=onnx, writes an ONNX\n"
     "model of the operators that the passes left, in terms of the standard's operators. Weights "
     "of more than 1 GiB\n"
     "are stored in F.onnx.data; --weights=file stores all weights there, --weights=object none.\n"
     "\n--bisect and --explain print no graph. --bisect writes a folder with the texts before and "
     "after the change,\n"
     "and with what is needed to repeat it.\n"
     "\nexamples:\n"
     "  fovea opt model.onnx -O1 --verify\n"
     "  fovea opt model.onnx --bisect --data-set test_data_set_0\n"
     "  fovea opt model.onnx --bisect-test './accuracy.sh' -o fault\n"
     "  fovea opt model.onnx --explain gelu-erf@/encoder/layer.0/Mul_1\n"
     "  fovea opt model.onnx --passes=legalise,simplify --dump-after=legalise -o model.fvir\n"
     "  fovea opt model.onnx -o smaller.onnx\n"
     "  fovea opt model.onnx --standard -o portable.onnx\n"
     "  fovea opt model.onnx --script mine.lua --script-arg limit=4 -v\n"},
    {"lua", "F.lua [ARG...]", 1, 0,
     "run a script in Lua, which can change graphs, declare passes and make experiments",
     "--output --tensors --script-arg --script-memory --script-steps --unsafe-lua", fv_cmd_lua,
     "Arguments after F.lua are passed to the script, as `arg` and `...`. The script can write "
     "files in the folder\n"
     "of --output only, which is created, and read tensors in the folders of --tensors. "
     "docs/lua.md describes\n"
     "the functions of scripts.\n"
     "\nexamples:\n"
     "  fovea lua count.lua model.onnx\n"
     "  fovea lua -o out --script-arg limit=4 shrink.lua model.onnx\n",
     .without = NO_CODE " --json --atol --rtol"},
    {"diff", "A [B]", 1, 2, "find where two ways to run a model, or two models, differ, op by op",
     "--backend --levels --passes --chunk --graph --input --data-set --adapter --seed "
     "--state " SCRIPT,
     fv_cmd_diff,
     "--backend=A,B, --schedule=naive,default, --levels=0,2 and --passes=A,B:C,D determine the two "
     "sides; a single\n"
     "value applies to both. Without these, and with one model, the naive schedule at -O0 is "
     "compared with what\n"
     "`run` does. Inputs are as in `fovea run`, the same for both sides. Values become additional "
     "outputs, --chunk\n"
     "of them in each run. A value that is an output has memory, so ops are not fused across it; "
     "with --chunk=1 that\n"
     "concerns one value at a time. Values of two models are matched by node, otherwise by name. "
     "The status is 1 if\n"
     "values differ. -v lists all values, not only those that differ.\n"
     "\nexamples:\n"
     "  fovea diff model.onnx\n"
     "  fovea diff model.onnx --backend=jit,interp --data-set test_data_set_0\n"
     "  fovea diff model.onnx changed.onnx --atol=1e-3 --json\n"
     "  fovea diff model.onnx --graph --levels=0,2\n"},
    {"quantize", "MODEL", 1, 1, "give weights a narrower type, and measure the errors",
     "--output --to --block --zero-points --reduce-range --weights-only --calibrate --range "
     "--percentile --qdq "
     "--skip --budget "
     "--search --chart --weights --backend --input --data-set --at --seed",
     fv_cmd_quantize,
     "OUT is an ONNX model that other runtimes run, too, or graph IR (.fvir). Weights of int8 have "
     "a scale for each\n"
     "channel, and activations are quantized by their range in each run, or, with --calibrate, by "
     "ranges measured\n"
     "before. int4 has a scale for each block; f16 and bf16 have none. DIR of --calibrate contains "
     "folders with\n"
     "input_0.pb, ...\n"
     "\nThe error of a value is the root of the sum of squared differences, divided by that of "
     "squared values. The\n"
     "table shows the errors of the results of layers, and with --budget the error of the outputs "
     "if only that layer\n"
     "is quantized. Errors are measured on the data sets, on --data-set or --input, or on random "
     "inputs.\n"
     "\nexamples:\n"
     "  fovea quantize bert.onnx -o bert-int8.onnx\n"
     "  fovea quantize llama.onnx --to=int4 --block=32 -o llama-int4.onnx\n"
     "  fovea quantize resnet.onnx --calibrate=images/ --range=entropy -o resnet-int8.onnx\n"
     "  fovea quantize bert.onnx --search --budget=0.02 --calibrate=data/ --chart=e.svg -o "
     "small.onnx\n",
     .without = "--atol --rtol"},
    {"reduce", "MODEL", 1, 1, "find a smaller model on which a command still fails",
     "--output --test", fv_cmd_reduce,
     "Removes outputs and ops (their results become inputs or zeros), makes dims and weights "
     "smaller, and removes\n"
     "attributes, as long as CMD fails, that is, has a status other than 0. A smaller model may "
     "fail for another\n"
     "reason, so CMD should test for the intended one. OUT ends in .onnx or .fvir, and the path "
     "that CMD gets has\n"
     "the same suffix.\n"
     "\nexamples:\n"
     "  fovea reduce model.onnx --test '! fovea compile \"$1\" -o x.so 2>&1 | grep internal' -o "
     "small.onnx\n"
     "  fovea reduce model.onnx --test 'fovea diff \"$1\"' -o small.fvir\n",
     .without = NO_CODE " --json " NO_RUNS},
    {"view", "MODEL", 1, 1, "write a page that shows graphs, fused ops, kernels, memory and times",
     "--output --at --profile --ranks --stages --plan --link --passes --state --tuning " SCRIPT,
     fv_cmd_view,
     "OUT is one HTML file that needs no other files. It shows the graph before and after the "
     "passes, which kernel\n"
     "computes which ops, the kernels and their C code, and the workspace during a run. With "
     "--profile=F.json, which\n"
     "`fovea bench --profile=F.json` writes for the same model, it shows measured times, with the "
     "dims of the profile.\n"
     "With --ranks N or --stages N it shows how the model is cut into parts, and with "
     "--link=25GB/s,2us the "
     "times that\n"
     "`fovea shard --simulate` predicts for each number of --ranks.\n"
     "--json prints the content of the page, instead of -o. Of a compiled library, the page shows "
     "the kernels.\n"
     "\nexamples:\n"
     "  fovea view bert.onnx -o bert.html\n"
     "  fovea bench bert.onnx --at seq=128 --profile=bert.json\n"
     "  fovea view bert.onnx --profile=bert.json -o bert.html\n"
     "  fovea view bert.onnx --ranks 1..16 --link=25GB/s,2us -o bert.html\n",
     .without = NO_RUNS},
    {"shard", "MODEL", 1, 1,
     "cut a model into parts that several processes or threads run together",
     "--output --ranks --stages --print-plan --plan --simulate --link --chart --at", fv_cmd_shard,
     "Writes an ONNX model for each rank to the folder OUT, and parts.json, which lists them; "
     "`fovea "
     "run OUT`\n"
     "runs them. A rank has a share of the heads of each attention and of the inner columns of "
     "products that\n"
     "follow each other; the ranks exchange partial sums and add them in a fixed order "
     "(docs/distributed.md).\n"
     "All parts have the inputs and outputs of the model; of caches, a part has the heads of its "
     "rank.\n"
     "-o F.onnx writes one model with annotations of what each rank shares (ONNX IR version 11). "
     "Without\n"
     "--ranks and --plan, an ONNX model is cut as its annotations say.\n"
     "With --link=25GB/s,2us, products are cut only where that saves time on such a network.\n"
     "With --stages, each rank has some of the layers only, and sends what it computes to the next "
     "stage.\n"
     "\nexamples:\n"
     "  fovea shard bert.onnx --ranks 4 --print-plan > plan.lua\n"
     "  fovea shard bert.onnx --plan plan.lua -o parts\n"
     "  fovea shard bert.onnx --stages 2 --ranks 2 -o parts\n"
     "  fovea shard bert.onnx --simulate --ranks 1..64 --link=25GB/s,2us --chart=times.svg\n"
     "  fovea shard bert.onnx --ranks 4 -o parts && fovea run parts --dim seq=16\n",
     .without = "--atol --rtol -O --prefer --disable --enable --schedule --relax --random-limits "
                "--verify"},
    {"weights", "MODEL", 1, 1,
     "write the weights of a model as a file for code that was compiled with --replaceable",
     "--output --for --name --passes --state --tuning " SCRIPT, fv_cmd_weights,
     "MODEL has the graph of the model that was compiled, and other weights, for example after it "
     "was trained\n"
     "again. The options are those of that compilation. Code accepts the file if the two layouts "
     "are equal: the\n"
     "kernels, and the types and sizes of all constants. With --for=OLD, the model that was "
     "compiled, weights of\n"
     "another layout are refused with the first difference; OLD may also be the file of weights "
     "next to the code.\n"
     "\nexamples:\n"
     "  fovea compile kws.onnx --weights=file --replaceable -o libkws.so\n"
     "  fovea weights trained.onnx --for=kws.onnx -o kws.weights\n",
     .without = NO_RUNS " --json"},
    {"ops", "[NAME...]", 0, 0, "list the operators that are supported", "--markdown", fv_cmd_ops,
     "With a NAME, prints all about that operator: attributes, types, and its definition.\n",
     .without = NO_CODE " --dim --strict " NO_RUNS},
    {0}};

static const fv_command *find(const char *name) {
    for (const fv_command *c = fv_commands; c->name; c++)
        if (!strcmp(c->name, name))
            return c;
    return NULL;
}

static int unknown(const char *name) {
    const char *names[32] = {0};
    for (int i = 0; fv_commands[i].name && i < 31; i++)
        names[i] = fv_commands[i].name;
    const char *near = fv_nearest(name, names);
    if (near)
        fv_err("fovea: error: there is no command '%s'; did you mean '%s'?\n", name, near);
    else
        fv_err("fovea: error: there is no command '%s'; see `fovea --help`\n", name);
    return FV_EXIT_USAGE;
}

/* Flushes standard output. If that fails, the exit status becomes that of an error, whatever else
 * happened. */
static int flush(int status) {
    errno = 0;
    if (!fflush(stdout) && !ferror(stdout))
        return status;
    fv_err("fovea: error: cannot write to standard output: %s\n",
           errno ? strerror(errno) : "writing failed");
    return status ? status : FV_EXIT_MODEL;
}

static int help(const char *name, const fv_args *args) {
    const fv_command *c = name ? find(name) : NULL;
    if (name && !c)
        return unknown(name);
    fv_print_help(c);
    if (args)
        return fv_script_help(args);
    return FV_EXIT_OK;
}

static int manual(const char *name) {
    const fv_command *c = name ? find(name) : NULL;
    return name && !c ? unknown(name) : fv_print_manual(c);
}

static int run(int argc, char **argv) {
    const fv_command *c = find(argv[1]);
    if (!c)
        return unknown(argv[1]);
    const char **operands = calloc((size_t)argc + 1, sizeof *operands);
    fv_args args;
    if (!operands) {
        fv_err("fovea: error: out of memory\n");
        return FV_EXIT_MODEL;
    }
    int status = fv_args_parse(&args, c, argc - 2, argv + 2, operands);
    if (!status)
        status = args.print.help ? help(c->name, &args) : fv_run_command(c, &args);
    fv_args_free(&args);
    free(operands);
    return status;
}

int main(int argc, char **argv) {
    /* writing a file that becomes too large then fails instead of ending the process */
    signal(SIGXFSZ, SIG_IGN);
    if (argc < 2) {
        fv_err("usage: fovea COMMAND [OPTIONS] ...; see `fovea --help`\n");
        return FV_EXIT_USAGE;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
        return flush(help(argc > 2 ? argv[2] : NULL, NULL));
    if (!strcmp(argv[1], "--version")) {
        fv_out("fovea %s\n", FV_VERSION);
        return flush(FV_EXIT_OK);
    }
    if (!strcmp(argv[1], "--complete"))
        return flush(fv_complete(argc - 2, argv + 2));
    if (!strcmp(argv[1], "--manual"))
        return flush(manual(argc > 2 ? argv[2] : NULL));
    return flush(fv_with_stack(run, argc, argv));
}
