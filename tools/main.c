/* main.c - the program `fovea`: finds the subcommand and executes it. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/base/diag.h"
#include "tools/command/command.h"

static const char tolerance_text[] =
    "Outputs may differ by atol + rtol * |reference|: 1e-4 each, for f16 outputs 1e-3, for bf16\n"
    "1e-2, unless --atol or --rtol are given. NaN equals NaN only; integers are compared "
    "exactly.\n";

#define SCRIPT "--script --pipeline --script-arg --script-memory --script-steps --unsafe-lua"

const fv_command fv_commands[] = {
    {"compile", "MODEL", 1, 1, "compile to native code, to C, or to text",
     "--output --emit --weights --name --passes --dump-after --dump-dir --time-passes --stop-after "
     "--changes --state --tuning --require-fused " SCRIPT,
     fv_cmd_compile,
     "The kind follows from the end of OUT: .so .o .a .c (with a header) .ll .s .fvir (graph)\n"
     ".fvk (kernels), or / for a folder of C with Makefile and self-test. Without -o it is "
     "MODEL.so\n"
     "in the current folder. The default target is x86-64-v3 there, elsewhere the baseline.\n"
     "\nexamples:\n"
     "  fovea compile bert.onnx -o bert.so\n"
     "  fovea compile kws.onnx -o kws.c --target=cortex-m4 --dim batch=1\n"},
    {"run", "MODEL", 1, 1, "run once, and print what comes out",
     "--backend --input --data-set --expect --output --format --seed --passes --state --stop-after "
     "--changes "
     "--tuning --attention-maps --labels " SCRIPT,
     fv_cmd_run,
     "MODEL may also be a library that `fovea compile` made. An input that is not given is "
     "random:\n"
     "indices stay in range, masks are ones. A dim that is not given is 1 for a batch, 128 for a\n"
     "sequence, 0 for a past, else 1; a note says so. -o writes each output to a file in OUT, or "
     "to\n"
     "OUT.npy or OUT.pb or `-` where there is one output; --expect takes the same.\n"
     "\n--attention-maps writes the weights of each attention to DIR, as .npy, and DIR/index.html, "
     "a page of heat\n"
     "maps. They come from a second module, in which weights are outputs; what is printed comes "
     "from the model\n"
     "as it is. F.json is a list of strings, one for each query or key, or {\"queries\": .., "
     "\"keys\": ..} of such\n"
     "lists, or of lists of them, one for each entry of a batch.\n"
     "\nWith --expect, outputs may differ by atol + rtol * |reference|, as in `fovea test`.\n"
     "\nexamples:\n"
     "  fovea run bert.onnx --dim seq=16 --input input_ids=ids.npy -o out/\n"
     "  fovea run bert.onnx --input input_ids=ids.npy --attention-maps maps/ --labels tokens.json\n"
     "  fovea run model.onnx --data-set test_data_set_0 --expect test_data_set_0\n"},
    {"test", "DIR...", 1, 0, "run folders in the ONNX backend-test layout, rules, or tests in Lua",
     "--backend --passes --seed --script-arg --script-memory --script-steps --unsafe-lua",
     fv_cmd_test,
     "A DIR holds model.onnx and test_data_set_0, ...; or is a folder of such folders; or is a "
     "model,\n"
     "which has no reference: then it runs on random inputs, and is compared with its naive "
     "schedule.\n"
     "F.rules: each rewrite rule is tried on random instances of its pattern; of one that does not "
     "hold\n"
     "the smallest is printed. F.lua: what it declares by fv.test is run (docs/lua.md).\n"
     "One line a failure: the folder, the backend, the reason. The last line counts.\n\n"},
    {"generate", "MODEL", 1, 1, "continue sequences of ids with a decoder",
     "--ids --tokens --temperature --top-k --top-p --seed --stop --prefill --backend --input "
     "--data-set --passes --state --tuning " SCRIPT,
     fv_cmd_generate,
     "MODEL is a decoder: its logits say which id follows. A line on standard output has the ids "
     "that follow a\n"
     "prompt, up to one of --stop, or --tokens of them. Inputs are found by their names: ids, "
     "attention_mask,\n"
     "position_ids, and caches such as past_key_values.0.key, whose next value is present.0.key. "
     "--state tells\n"
     "others, --input gives inputs that are the same in each run, as those of an encoder. A model "
     "without caches\n"
     "computes the whole sequence for each id.\n"
     "\nexamples:\n"
     "  fovea generate gpt2.onnx --ids 464,3280,318 --tokens 40\n"
     "  fovea generate llama.onnx --ids '1,15;1,27' --temperature 0.8 --top-p 0.95 --seed 7 --stop "
     "2\n"
     "  fovea generate whisper.onnx --input mel=mel.npy --ids 50258,50259 --stop 50257\n"},
    {"bench", "MODEL...", 1, 0, "time a model, against the machine's roof and another runtime",
     "--backend --rounds --seconds --profile --against --against-model --input --data-set --at "
     "--seed --passes "
     "--state --tuning " SCRIPT,
     fv_cmd_bench,
     "MODEL may also be a library that `fovea compile` made. Inputs and dims are as in `fovea "
     "run`; --dim\n"
     "compiles for a value, --at only runs with it. --threads takes a list: --threads=1,2. Buffers "
     "are made\n"
     "once; what is timed is the model's run. The roof is measured in each round: multiply-adds "
     "in\n"
     "registers, and reading from memory. --against compares with ONNX Runtime, with a library "
     "that was\n"
     "compiled before, or with another backend; exit status 1 also where outputs differ.\n"
     "\nexamples:\n"
     "  fovea bench bert.onnx --threads=1,2 --at seq=128 --profile\n"
     "  fovea bench bert.onnx --against=libonnxruntime.so.1 --rounds=9 --json\n"
     "  fovea bench bert.onnx --backend=c -O3 --against=jit\n"},
    {"tune", "MODEL", 1, 1, "find schedules of its kernels that are faster on this machine",
     "--output --backend --seconds --input --data-set --at --seed --passes --state " SCRIPT,
     fv_cmd_tune,
     "Tries other schedules for the costliest kernels, two programs in turns; what looks faster is "
     "measured\n"
     "again in 15 rounds, and kept where 12 are faster. OUT is a text that `compile`, `run`, "
     "`bench` and\n"
     "`inspect` take as --tuning=OUT, for this model, target, CPU and version. No schedule changes "
     "a bit of a\n"
     "result. Inputs and dims are as in `fovea bench`. No program is begun that --seconds may not "
     "suffice for,\n"
     "but the first.\n"
     "\nexamples:\n"
     "  fovea tune bert.onnx --seconds=300 --at seq=128 --threads=1 -o bert.tuning\n"
     "  fovea bench bert.onnx --at seq=128 --threads=1 --tuning=bert.tuning\n"},
    {"calibrate", "", 0, 0, "measure this machine, and keep its profile for the target native",
     "--output --seconds", fv_cmd_calibrate,
     "Measures caches, memory, arithmetic and threads, and tries other values of the properties "
     "that decide\n"
     "how kernels are made, each on a small model, two programs in turns; a value is kept where "
     "its "
     "program\n"
     "takes at most 0.98 of the time, twice. The profile is a text. It goes to the file that "
     "FOVEA_PROCESSOR\n"
     "names, else to ~/.config/fovea/processor, where --target=native finds it, or to OUT, which "
     "--processor=OUT\n"
     "takes. No property changes a bit of a result. Run it while the machine does nothing else.\n"
     "\nexamples:\n"
     "  fovea calibrate\n"
     "  fovea calibrate --seconds=600 -o server.txt && fovea compile m.onnx "
     "--processor=./server.txt\n"},
    {"inspect", "MODEL", 1, 1, "what is in a model, and what becomes of it",
     "--ops --memory --schedules --attention --why --passes --state --tuning " SCRIPT,
     fv_cmd_inspect,
     "Without --ops, --memory, --schedules, --attention and --why: a summary. --why NODE comes "
     "after the model, --why=NODE anywhere.\n"
     "\nexamples:\n"
     "  fovea inspect model.onnx --schedules --dim seq=128\n"
     "  fovea inspect model.onnx --attention\n"
     "  fovea inspect model.onnx --why\n"
     "  fovea inspect model.onnx --why /encoder/layer.0/Softmax\n"},
    {"opt", "MODEL", 1, 1, "run passes over the graph, and write it",
     "--output --emit --weights --passes --standard --list-passes --print-pipeline --only-node "
     "--explain --bisect --bisect-test --stop-after --changes --backend --input --data-set --seed "
     "--dump-after --dump-dir --time-passes --state " SCRIPT,
     fv_cmd_opt,
     "The graph goes to standard output, its larger constants left out; -o F.fvir writes a text "
     "that\n"
     "can be read again, with its constants in F.fvir.bin, -o - to standard output with all of "
     "them.\n"
     "-o F.onnx, or --emit=onnx, writes an ONNX model: what passes made of its operators, in the "
     "standard's.\n"
     "Weights of more than 1 GiB lie in F.onnx.data; --weights=file puts all there, "
     "--weights=object none.\n"
     "\n--bisect and --explain print no graph. --bisect leaves a folder: before and after the "
     "change, what repeats it.\n"
     "\nexamples:\n"
     "  fovea opt model.onnx -O1 --verify\n"
     "  fovea opt model.onnx --bisect --data-set test_data_set_0\n"
     "  fovea opt model.onnx --bisect-test './accuracy.sh' -o fault\n"
     "  fovea opt model.onnx --explain gelu-erf@/encoder/layer.0/Mul_1\n"
     "  fovea opt model.onnx --passes=legalise,simplify --dump-after=legalise -o model.fvir\n"
     "  fovea opt model.onnx -o smaller.onnx\n"
     "  fovea opt model.onnx --standard -o portable.onnx\n"
     "  fovea opt model.onnx --script mine.lua --script-arg limit=4 -v\n"},
    {"lua", "F.lua [ARG...]", 1, 0, "run a script: graphs, passes and experiments in Lua",
     "--output --script-arg --script-memory --script-steps --unsafe-lua", fv_cmd_lua,
     "Arguments after F.lua are the script's: `arg` and `...` there. It writes files under the "
     "folder of\n"
     "--output, which has to be there, and nowhere else. docs/lua.md is the language.\n"
     "\nexamples:\n"
     "  fovea lua count.lua model.onnx\n"
     "  fovea lua -o out --script-arg limit=4 shrink.lua model.onnx\n"},
    {"diff", "A [B]", 1, 2, "where two ways to run a model, or two models, come apart, op by op",
     "--backend --levels --passes --chunk --graph --input --data-set --seed --state " SCRIPT,
     fv_cmd_diff,
     "The sides are given by --backend=A,B, --schedule=naive,default, --levels=0,2 and "
     "--passes=A,B:C,D, of which\n"
     "one value is for both; without any, and with one model, the naive schedule at -O0 is "
     "compared with what\n"
     "`run` does. Inputs are as in `fovea run`, the same for both. Values are made visible as "
     "outputs, --chunk of\n"
     "them a run: one that is an output has memory of its own, so what was fused across it is not; "
     "with --chunk=1\n"
     "that is one value at a time. Of two models values are matched by node, else by name. Status "
     "1: they differ.\n"
     "-v lists all values, not only those that differ.\n"
     "\nexamples:\n"
     "  fovea diff model.onnx\n"
     "  fovea diff model.onnx --backend=jit,interp --data-set test_data_set_0\n"
     "  fovea diff model.onnx changed.onnx --atol=1e-3 --json\n"
     "  fovea diff model.onnx --graph --levels=0,2\n"},
    {"quantize", "MODEL", 1, 1, "make weights narrow, and measure what that changes",
     "--output --to --block --weights-only --calibrate --range --percentile --qdq --skip --budget "
     "--search --chart --weights --backend --input --data-set --at --seed",
     fv_cmd_quantize,
     "OUT is an ONNX model that other runtimes run, too, or graph IR (.fvir). Weights of int8 have "
     "a scale\n"
     "for each channel; activations are quantized in each run, or with --calibrate by ranges that "
     "were measured.\n"
     "int4 has a scale for each block; f16 and bf16 have none. DIR has folders with input_0.pb, "
     "...\n"
     "\nThe error of a value is the root of the sum of squared differences over that of its "
     "squares. The table\n"
     "shows it for the results of layers, and with --budget for the outputs if one layer alone is "
     "quantized. It is\n"
     "measured on the data sets, on --data-set or --input, or on random inputs.\n"
     "\nexamples:\n"
     "  fovea quantize bert.onnx -o bert-int8.onnx\n"
     "  fovea quantize llama.onnx --to=int4 --block=32 -o llama-int4.onnx\n"
     "  fovea quantize resnet.onnx --calibrate=images/ --range=entropy -o resnet-int8.onnx\n"
     "  fovea quantize bert.onnx --search --budget=0.02 --calibrate=data/ --chart=e.svg -o "
     "small.onnx\n"},
    {"reduce", "MODEL", 1, 1, "shrink a model on which a command fails", "--output --test",
     fv_cmd_reduce,
     "Takes away outputs, ops (what others read of them becomes an input or zero), makes dims and "
     "weights smaller, attributes\n"
     "what they are by default, as long as CMD fails: a status other than 0. A smaller model may "
     "fail for another reason, so\n"
     "CMD should ask for the one that is meant. OUT ends in .onnx or .fvir, and so does what CMD "
     "is given.\n"
     "\nexamples:\n"
     "  fovea reduce model.onnx --test '! fovea compile \"$1\" -o x.so 2>&1 | grep internal' -o "
     "small.onnx\n"
     "  fovea reduce model.onnx --test 'fovea diff \"$1\"' -o small.fvir\n"},
    {"view", "MODEL", 1, 1, "a page to look at: graphs, fusions, memory, time",
     "--output --profile --passes --state --tuning " SCRIPT, fv_cmd_view,
     "OUT is one HTML file that needs nothing else: the graph before and after the passes, what is "
     "computed in which kernel,\n"
     "kernels with their C, the workspace over a run. With --profile=F.json, as `fovea bench "
     "--profile=F.json` writes it\n"
     "of the same model and dims, times are measured ones. --json prints what such a page holds.\n"
     "\nexamples:\n"
     "  fovea view bert.onnx -o bert.html\n"
     "  fovea bench bert.onnx --at seq=128 --profile=bert.json\n"
     "  fovea view bert.onnx --dim seq=128 --profile=bert.json -o bert.html\n"},
    {"ops", "[NAME...]", 0, 0, "the operators that are supported", "--markdown", fv_cmd_ops,
     "With a NAME: that operator whole, with attributes, types and what it means.\n"},
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
    if (c && c->run == fv_cmd_test)
        fv_put_text(stdout, tolerance_text);
    if (args)
        return fv_script_help(args);
    return FV_EXIT_OK;
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
    return flush(run(argc, argv));
}
