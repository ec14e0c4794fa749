/* args.c - the arguments of all subcommands: one table of options. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "backend/c/emit.h"
#include "backend/lowering/options.h"
#include "ir/base/diag.h"
#include "ir/base/mapping.h"
#include "passes/quantize/quantize.h"
#include "tools/command/option.h"

/* functions that return the possible values of an option which has a few of them */
#define NAMES(function, ...)                                                                       \
    static const char *const *function(void) {                                                     \
        static const char *const names[] = {__VA_ARGS__, NULL};                                    \
        return names;                                                                              \
    }
NAMES(formats, "npy", "pb")
NAMES(colors, "auto", "always", "never")
NAMES(yes_no, "yes", "no")
NAMES(schedules, "naive", "default")
NAMES(ranges, "minmax", "percentile", "entropy")
NAMES(preferences, "time", "ram")

static const char *const *quantized_types(void) {
    return fv_quant_type_names;
}

#define AT(member) offsetof(fv_args, member)
static const fv_option options[] = {
    {"--output", "-o", FV_OPTION_TEXT, AT(result.output), "OUT",
     "file or folder for the result; `-` is standard output", false},
    {"--emit", NULL, FV_OPTION_TEXT, AT(result.emit), "KIND", NULL, false, fv_emit_names},
    {"--weights", NULL, FV_OPTION_TEXT, AT(result.weights), "WHERE",
     "where weights are stored: ", false, fv_weights_names},
    {"--replaceable", NULL, FV_OPTION_FLAG, AT(result.replaceable), NULL,
     "with --weights=file: accept each file of weights of the same layout, which `fovea weights` "
     "writes",
     false},
    {"--for", NULL, FV_OPTION_TEXT, AT(result.layout_of), "OLD",
     "the model that was compiled, or its file of weights: refuse weights of another layout",
     false},
    {"--header", NULL, FV_OPTION_TEXT, AT(result.header), "H",
     "whether a library or object gets a C header next to it: ", false, yes_no},
    {"--name", NULL, FV_OPTION_TEXT, AT(result.name), "P", "prefix of every name in the result",
     false},
    {"--backend", NULL, FV_OPTION_TEXT, AT(code.backend), "B",
     "what runs the model; `test` takes several, with commas: ", false, fv_backend_names},
    {"--passes", NULL, FV_OPTION_TEXT, AT(code.passes), "A,B",
     "run these passes instead of those of the level", false},
    {"--script", NULL, FV_OPTION_TEXT, AT(script.script), "F.lua",
     "run the passes that a script declares, then those of the level; or the script's pipeline",
     false},
    {"--pipeline", NULL, FV_OPTION_TEXT, AT(script.pipeline), "F.lua",
     "passes, steps of lowering and level of optimization, from a table that a script returns",
     false},
    {"--script-arg", NULL, FV_OPTION_LIST, AT(script.args), "K=V",
     "option K of the script; may be repeated", false},
    {"--tensors", NULL, FV_OPTION_LIST, AT(script.tensors), "DIR",
     "folder in which fv.tensor_file finds files; may be repeated", false},
    {"--script-memory", NULL, FV_OPTION_NUMBER, AT(script.memory), "MIB",
     "largest memory of a script, in MiB (1024)", false},
    {"--script-steps", NULL, FV_OPTION_NUMBER, AT(script.steps), "N",
     "largest number of instructions of a script, in millions (10000)", false},
    {"--unsafe-lua", NULL, FV_OPTION_FLAG, AT(script.unsafe), NULL,
     "allow the script all libraries of Lua: files, processes, bytecode", false},
    {"--standard", NULL, FV_OPTION_FLAG, AT(rewrite.standard), NULL,
     "run no passes of a level; replace operators of other domains, and attention, by those of "
     "the standard",
     false},
    {"--levels", NULL, FV_OPTION_TEXT, AT(diff.levels), "N,N", "the levels -O of the two sides",
     false},
    {"--chunk", NULL, FV_OPTION_NUMBER, AT(diff.chunk), "N",
     "number of values that become outputs in each run (64); these are not fused away", false},
    {"--graph", NULL, FV_OPTION_FLAG, AT(diff.graph), NULL,
     "compare the ops after the passes instead of values", false},
    {"--list-passes", NULL, FV_OPTION_FLAG, AT(rewrite.list_passes), NULL,
     "list the passes, and those of each level", false},
    {"--print-pipeline", NULL, FV_OPTION_FLAG, AT(rewrite.print_pipeline), NULL,
     "print the pipeline that would run, as a table for --pipeline", false},
    {"--only-node", NULL, FV_OPTION_TEXT, AT(rewrite.only_node), "NODE",
     "let rules and passes rewrite only ops of that node, or the op that computes that value",
     false},
    {"--explain", NULL, FV_OPTION_TEXT, AT(rewrite.explain), "RULE[@NODE]",
     "print where that rule of a pass was applied, and why it did not match elsewhere", false},
    {"--bisect", NULL, FV_OPTION_FLAG, AT(rewrite.bisect), NULL,
     "find the rewrite, step or schedule that makes outputs wrong", false},
    {"--bisect-test", NULL, FV_OPTION_TEXT, AT(rewrite.bisect_test), "CMD",
     "find the change with which the shell command CMD fails; FOVEA_FLAGS passes it how many "
     "changes to make",
     false},
    {"--test", NULL, FV_OPTION_TEXT, AT(rewrite.test), "CMD",
     "a shell command that fails on the model, whose path is \"$1\"", false},
    {"--stop-after", NULL, FV_OPTION_NUMBER, AT(rewrite.stop_after), "N",
     "make only the first N rewrites, optional steps of lowering and schedules; 0: none, as with "
     "-O0 --schedule=naive",
     false},
    {"--changes", NULL, FV_OPTION_TEXT, AT(rewrite.changes), "F",
     "write each change that --stop-after counts to F, before it is made", false},
    {"--dump-after", NULL, FV_OPTION_TEXT, AT(dump.after), "STEP",
     "print the module after that pass, or that step of lowering, on standard error", false},
    {"--time-passes", NULL, FV_OPTION_FLAG, AT(dump.times), NULL,
     "print how long each pass and each step of lowering took, on standard error", false},
    {"--dump-dir", NULL, FV_OPTION_TEXT, AT(dump.dir), "DIR",
     "write the module after each pass and step to DIR/01-count-turns.fvir and so on", false},
    {"--input", NULL, FV_OPTION_LIST, AT(data.inputs), "N=F",
     "read input N from F.npy or F.pb; strings, maps and sparse tensors also from F.json; may be "
     "repeated",
     false},
    {"--data-set", NULL, FV_OPTION_TEXT, AT(data.data_set), "DIR",
     "read inputs from DIR/input_0.pb, ...", false},
    {"--save-inputs", NULL, FV_OPTION_TEXT, AT(data.save_inputs), "DIR",
     "write the inputs of the run to DIR/input_0.pb, ...", false},
    {"--adapter", NULL, FV_OPTION_LIST, AT(data.adapters), "F",
     "read the values of inputs that are weights of a fine-tuning from F.onnx_adapter; may be "
     "repeated",
     false},
    {"--expect", NULL, FV_OPTION_TEXT, AT(data.expect), "DIR|F",
     "compare outputs with DIR/output_0.pb, ... or DIR/NAME.npy, or with F.npy or F.pb; maps also "
     "with .json",
     false},
    {"--format", NULL, FV_OPTION_TEXT, AT(data.format), "FORMAT",
     "format of the files that -o writes; maps are written as JSON or pb: ", false, formats},
    {"--seed", NULL, FV_OPTION_NUMBER, AT(data.seed), "N",
     "seed of random inputs, and of numbers and ids that are drawn", false},
    {"--ids", NULL, FV_OPTION_LIST, AT(data.generate.ids), "N,N",
     "a prompt, as ids of the vocabulary; several with semicolons, or repeated", false},
    {"--tokens", NULL, FV_OPTION_NUMBER, AT(data.generate.tokens), "N",
     "largest number of ids that a sequence gets (100)", false},
    {"--temperature", NULL, FV_OPTION_REAL, AT(data.generate.temperature), "X",
     "draw ids with probabilities of exp(logit / X); 0, the default: the most probable id", false},
    {"--top-k", NULL, FV_OPTION_NUMBER, AT(data.generate.top_k), "K",
     "draw from the K most probable ids", false},
    {"--top-p", NULL, FV_OPTION_REAL, AT(data.generate.top_p), "P",
     "draw from the most probable ids that together have probability P", false},
    {"--stop", NULL, FV_OPTION_LIST, AT(data.generate.stop), "N,N",
     "ids with which a sequence ends; may be repeated", false},
    {"--prefill", NULL, FV_OPTION_NUMBER, AT(data.generate.prefill), "N",
     "number of ids of a prompt that one run reads, if the model has caches (512)", false},
    {"--ranks", NULL, FV_OPTION_TEXT, AT(threads.shard.ranks), "N",
     "number of parts, each of which is run by a process or thread, a rank; --simulate and `view` "
     "take several: 1,2,4, or 8..1024, where each is twice the one before",
     false},
    {"--stages", NULL, FV_OPTION_NUMBER, AT(threads.shard.stages), "N",
     "number of stages, which run one after the other, each by as many ranks as --ranks says (1)",
     false},
    {"--simulate", NULL, FV_OPTION_FLAG, AT(threads.shard.simulate), NULL,
     "print how long a run would take with each number of ranks, and what a rank needs", false},
    {"--link", NULL, FV_OPTION_TEXT, AT(threads.shard.link), "25GB/s,2us",
     "bandwidth and latency of the network of the ranks, then direct, ring or tree", false},
    {"--print-plan", NULL, FV_OPTION_FLAG, AT(threads.shard.print_plan), NULL,
     "print the plan as a table for --plan, with what is exchanged, and why products are whole",
     false},
    {"--plan", NULL, FV_OPTION_TEXT, AT(threads.shard.plan), "F.lua",
     "cut as a table says that a script returns, and --print-plan prints", false},
    {"--timeout", NULL, FV_OPTION_REAL, AT(threads.shard.timeout), "X",
     "how many seconds a rank of a model in parts waits for the others (60)", false},
    {"--tuning", NULL, FV_OPTION_TEXT, AT(code.tuning), "F",
     "schedules of kernels, as `fovea tune` has written them", false},
    {"--at", NULL, FV_OPTION_LIST, AT(data.at), "S=N",
     "the value of a dim in the run (also INPUT:AXIS=N); the code is for all values", false},
    {"--rounds", NULL, FV_OPTION_NUMBER, AT(bench.rounds), "N",
     "number of rounds, in each of which all programs run (5)", false},
    {"--seconds", NULL, FV_OPTION_REAL, AT(bench.seconds), "X",
     "time of all rounds, at least one run in each (2); whole time of `tune` (60), `calibrate` "
     "(120)",
     false},
    {"--predict", NULL, FV_OPTION_FLAG, AT(bench.predict), NULL,
     "choose schedules by the cost model alone, also for other machines than this one; runs "
     "nothing",
     false},
    {"--profile", NULL, FV_OPTION_OPTIONAL, AT(bench.profile), NULL,
     "print the time of each kernel; --profile=F.json also writes a trace for Perfetto and `view`",
     false},
    {"--against", NULL, FV_OPTION_TEXT, AT(bench.against), "LIB",
     "compare with libonnxruntime.so, a compiled library, or a backend", false},
    {"--against-model", NULL, FV_OPTION_TEXT, AT(bench.against_model), "F.onnx",
     "the model for that library if MODEL is no ONNX file", false},
    {"--ops", NULL, FV_OPTION_FLAG, AT(inspect.ops), NULL,
     "print the operators in the model, and after the passes", false},
    {"--memory", NULL, FV_OPTION_FLAG, AT(inspect.memory), NULL,
     "print the sizes of weights, workspace and all buffers", false},
    {"--schedules", NULL, FV_OPTION_FLAG, AT(inspect.schedules), NULL,
     "print what each kernel computes, and its schedule", false},
    {"--attention", NULL, FV_OPTION_FLAG, AT(inspect.attention), NULL,
     "print for each softmax and gate which attention it is, and whether it is fused", false},
    {"--shards", NULL, FV_OPTION_FLAG, AT(inspect.shards), NULL,
     "print what is cut into --ranks N parts and why, what they exchange, and their memory", false},
    {"--attention-maps", NULL, FV_OPTION_TEXT, AT(data.attention_maps), "DIR",
     "write the weights of each attention to files, and a page that shows them", false},
    {"--labels", NULL, FV_OPTION_TEXT, AT(data.labels), "F.json",
     "names of queries and keys for that page", false},
    {"--require-fused", NULL, FV_OPTION_FLAG, AT(result.require_fused), NULL,
     "fail with status 1, and write nothing, if an attention is not one kernel", false},
    {"--max-flash", NULL, FV_OPTION_TEXT, AT(result.max_flash), "BYTES",
     "flash of a microcontroller, 64k is 65536; where more is needed, options are added that save "
     "it, and if these are not enough, fail with status 1, and write nothing",
     false},
    {"--max-ram", NULL, FV_OPTION_TEXT, AT(result.max_ram), "BYTES",
     "RAM for workspace and stack: like --max-flash", false},
    {"--layout", NULL, FV_OPTION_TEXT, AT(result.layout), "NAME",
     "build system whose files are added to a folder of C: ", false, fv_c_layout_names},
    {"--why", NULL, FV_OPTION_BEHIND, AT(inspect.why), "NODE",
     "print decisions about a node, value or kernel with their reasons; without NODE, about the "
     "costliest kernels",
     false},
    {"--to", NULL, FV_OPTION_TEXT, AT(quantize.to), "TYPE",
     "type of quantized weights; with --search several, with commas: ", false, quantized_types},
    {"--block", NULL, FV_OPTION_NUMBER, AT(quantize.block), "N",
     "a scale for each N terms, 16 to 256: for int4 (32), or for int8 instead of channels", false},
    {"--zero-points", NULL, FV_OPTION_FLAG, AT(quantize.zero_points), NULL,
     "give weights of int8 and int4 zero points: their codes cover the range from the smallest to "
     "the largest weight",
     false},
    {"--reduce-range", NULL, FV_OPTION_FLAG, AT(quantize.reduce_range), NULL,
     "use 7 bits of int8, except in depthwise convolutions: faster on x86 with AVX2 but without "
     "VNNI, and less accurate",
     false},
    {"--weights-only", NULL, FV_OPTION_FLAG, AT(quantize.weights_only), NULL,
     "do not quantize the activations of layers of int8", false},
    {"--calibrate", NULL, FV_OPTION_TEXT, AT(quantize.calibrate), "DIR",
     "quantize activations by their range on the data sets in DIR, not by that of each run", false},
    {"--range", NULL, FV_OPTION_TEXT, AT(quantize.range), "METHOD",
     "how --calibrate finds ranges: ", false, ranges},
    {"--percentile", NULL, FV_OPTION_REAL, AT(quantize.percentile), "P",
     "percent of the elements that --range=percentile keeps (99.99)", false},
    {"--qdq", NULL, FV_OPTION_FLAG, AT(quantize.qdq), NULL,
     "write weights in blocks by the standard's DequantizeLinear, not by operators of "
     "com.microsoft",
     false},
    {"--skip", NULL, FV_OPTION_LIST, AT(quantize.skip), "LAYER",
     "leave a layer f32: a node, an operator, or a pattern with *, ? and [...]; may be repeated",
     false},
    {"--budget", NULL, FV_OPTION_REAL, AT(quantize.budget), "X",
     "leave as many layers f32 as needed for an error of the outputs of at most X", false},
    {"--search", NULL, FV_OPTION_FLAG, AT(quantize.search), NULL,
     "give each layer the narrowest type of --to that --budget allows", false},
    {"--chart", NULL, FV_OPTION_TEXT, AT(quantize.chart), "F.svg",
     "draw the errors of layers as bars, or simulated times as lines", false},
    {"--markdown", NULL, FV_OPTION_FLAG, AT(inspect.markdown), NULL,
     "print the table of docs/operators.md", false},
    {"--target", NULL, FV_OPTION_TEXT, AT(code.target), "T",
     "the CPU that code is for: a name of this list, then -windows or -macos for another system "
     "than Linux, then +FEATURE for each further feature; `compile` takes several, with commas, "
     "for one library: ",
     true, fv_target_names},
    {"--processor", NULL, FV_OPTION_TEXT, AT(code.processor), "P",
     "family of processors on which code is to be fast: ", true, fv_processor_names},
    {"--dim", NULL, FV_OPTION_LIST, AT(code.dims), "S=N|LO..HI",
     "fix or bound a dim; also INPUT:AXIS=N", true},
    {"--state", NULL, FV_OPTION_LIST, AT(code.states), "IN=OUT[:N]",
     "output OUT is input IN of the next run; with N, both have one buffer of capacity N; * stands "
     "for the same text in both; may be repeated",
     false},
    {"--strict", NULL, FV_OPTION_FLAG, AT(code.strict), NULL,
     "refuse an ONNX model that departs from the standard", true},
    {"--threads", NULL, FV_OPTION_NUMBERS, AT(threads.first), "N", "number of threads; 0: all",
     true},
    {"-O", NULL, FV_OPTION_LEVEL, AT(code.level), "N",
     "-O0: only necessary passes; -O1: also rewrites that round nothing elsewhere; -O2, the "
     "default: all passes; -O3: more time for optimizing code; -Os: small code and a small "
     "workspace",
     true},
    {"--prefer", NULL, FV_OPTION_TEXT, AT(result.prefer), "WHAT",
     "what matters more; ram: the smallest workspace, also where a run then takes longer: ", true,
     preferences},
    {"--disable", NULL, FV_OPTION_LIST, AT(code.disable), "A,B",
     "leave out these passes, steps of lowering and rules; may be repeated", true},
    {"--enable", NULL, FV_OPTION_LIST, AT(code.enable), "A,B",
     "also run these passes, which no level runs; may be repeated", true},
    {"--schedule", NULL, FV_OPTION_TEXT, AT(code.schedule), "NAME",
     "how kernels are made; naive computes each operator alone, in serial loops: ", true,
     schedules},
    {"--relax", NULL, FV_OPTION_TEXT, AT(code.relax), "A,B",
     "compute these things otherwise than operators say, which changes bits of results: ", true,
     fv_relax_names},
    {"--random-limits", NULL, FV_OPTION_NUMBER, AT(code.random_limits), "SEED",
     "draw limits that concern speed at random, for tests; no bit of a result changes", true},
    {"--atol", NULL, FV_OPTION_REAL, AT(data.atol), "X", "absolute tolerance of comparisons", true},
    {"--rtol", NULL, FV_OPTION_REAL, AT(data.rtol), "X", "relative tolerance of comparisons", true},
    {"--verify", NULL, FV_OPTION_FLAG, AT(code.verify), NULL, "check the graph after every pass",
     true},
    {"--json", NULL, FV_OPTION_FLAG, AT(print.json), NULL, "print one JSON document", true},
    {"--quiet", "-q", FV_OPTION_FLAG, AT(print.quiet), NULL, "print results and errors only", true},
    {"--verbose", "-v", FV_OPTION_COUNT, AT(print.verbose), NULL, "print more", true},
    {"--color", NULL, FV_OPTION_TEXT, AT(print.color), "WHEN", "colours in messages: ", true,
     colors},
    {"--help", "-h", FV_OPTION_FLAG, AT(print.help), NULL, "print this text", true},
};
enum { NOPTIONS = sizeof options / sizeof *options };

/* ---- which options ---- */

static bool names_it(const char *list, const char *name) {
    size_t n = strlen(name);
    for (const char *p = list; p && (p = strstr(p, name)); p += n)
        if (p[n] == ' ' || !p[n])
            return true;
    return false;
}

bool fv_option_taken(const fv_command *c, const fv_option *o) {
    return names_it(o->common ? c->without : c->options, o->name) != o->common;
}

const fv_option *fv_option_at(int i) {
    return i < NOPTIONS ? &options[i] : NULL;
}

const fv_option *fv_option_find(const fv_command *c, const char *arg, bool any) {
    size_t n = strcspn(arg, "=");
    for (int i = 0; i < NOPTIONS; i++) {
        const fv_option *o = &options[i];
        if (!any && !fv_option_taken(c, o))
            continue;
        if (o->kind == FV_OPTION_LEVEL ? !strncmp(arg, "-O", 2)
                                       : (strlen(o->name) == n && !memcmp(o->name, arg, n)) ||
                                             (o->brief && !strcmp(o->brief, arg)))
            return o;
    }
    return NULL;
}

/* ---- messages ---- */

int fv_usage(const fv_args *a, const char *format, ...) {
    va_list args;
    fv_err("fovea %s: error: ", a->line.command);
    va_start(args, format);
    fv_verr(format, args);
    va_end(args);
    fv_err("\n");
    return FV_EXIT_USAGE;
}

/* Options that other programs have, and what is given here instead; NULL: it is none of them. */
static const char *instead_of(const fv_command *c, const char *word) {
    static const char *const others[][3] = {
        {"generate", "--prompt",
         "a prompt is given as ids of the vocabulary, --ids=1,2,3; a "
         "tokenizer of the model makes them of a text"},
        {"generate", "--text",
         "a prompt is given as ids of the vocabulary, --ids=1,2,3; a "
         "tokenizer of the model makes them of a text"},
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (!strcmp(c->name, others[i][0]) && !strcmp(word, others[i][1]))
            return others[i][2];
    return NULL;
}

static int unknown(const fv_args *a, const fv_command *c, const char *arg) {
    const char *names[NOPTIONS + 1], *near;
    int n = 0;
    char word[256];
    snprintf(word, sizeof word, "%.*s", (int)strcspn(arg, "="), arg);
    if (instead_of(c, word))
        return fv_usage(a, "there is no %s: %s", word, instead_of(c, word));
    if (fv_option_find(c, arg, true))
        return fv_usage(a, "there is no %s here; see `fovea %s --help`", word, c->name);
    for (int i = 0; i < NOPTIONS; i++)
        if (fv_option_taken(c, &options[i]))
            names[n++] = options[i].name;
    names[n] = NULL;
    near = fv_nearest(word, names);
    if (near)
        return fv_usage(a, "unknown option %s; did you mean %s?", word, near);
    return fv_usage(a, "unknown option %s; see `fovea %s --help`", word, c->name);
}

/* ---- values ---- */

static int set_number(fv_args *a, const fv_option *o, int *at, const char *value) {
    char *end;
    errno = 0;
    long v = strtol(value, &end, 10);
    if (*end || !*value || errno || v < 0 || v > INT_MAX)
        return fv_usage(a, "%s takes a number, not '%s'", o->name, value);
    *at = (int)v;
    return FV_EXIT_OK;
}

/* Parses "2" or "1,2,4" into the list of threads; *at gets the first number. */
static int set_numbers(fv_args *a, const fv_option *o, int *at, const char *value) {
    const char *p = value;
    bool more;
    a->threads.n = 0;
    do {
        char word[32];
        size_t n = strcspn(p, ",");
        if (a->threads.n == FV_MAX_THREAD_LIST || n >= sizeof word)
            return fv_usage(a, "%s takes up to %d numbers, not '%s'", o->name, FV_MAX_THREAD_LIST,
                            value);
        snprintf(word, sizeof word, "%.*s", (int)n, p);
        if (set_number(a, o, &a->threads.list[a->threads.n++], word))
            return FV_EXIT_USAGE;
        more = p[n] == ',';
        p += n + more;
    } while (more);
    *at = a->threads.list[0];
    return FV_EXIT_OK;
}

static int set_real(fv_args *a, const fv_option *o, double *at, const char *value) {
    char *end;
    double v = strtod(value, &end);
    if (*end || !*value || !(v >= 0))
        return fv_usage(a, "%s takes a number of at least 0, not '%s'", o->name, value);
    *at = v;
    return FV_EXIT_OK;
}

/* Appends the value of an option that may be given repeatedly to the list of its values. */
static int add_to_list(fv_args *a, const fv_option *o, const char *value) {
    fv_list_arg *list = (fv_list_arg *)((char *)a + o->offset);
    if (list->n == FV_MAX_LIST_ARGS)
        return fv_usage(a, "more than %d %s", FV_MAX_LIST_ARGS, o->name);
    list->at[list->n++] = value;
    return FV_EXIT_OK;
}

bool fv_option_takes_file(const char *value, const char **suffix) {
    bool any = !strcmp(value, "OUT") || !strcmp(value, "LIB") || !strcmp(value, "DIR|F");
    *suffix = *value == 'F' ? value + 1 : "";
    return any || (*value == 'F' && (!value[1] || value[1] == '.'));
}

/* Is the value of the option the path of a file or folder? */
static bool takes_path(const fv_option *o) {
    const char *suffix;
    return fv_option_takes_file(o->value, &suffix) || !strcmp(o->value, "DIR");
}

static int set_value(fv_args *a, const fv_option *o, const char *value) {
    void *at = (char *)a + o->offset;
    switch (o->kind) {
    case FV_OPTION_TEXT:
        if (!*value && takes_path(o))
            return fv_usage(a, "%s names no %s", o->name,
                            strcmp(o->value, "DIR") ? "file" : "folder");
        *(const char **)at = value;
        break;
    case FV_OPTION_OPTIONAL:
    case FV_OPTION_BEHIND: *(const char **)at = value ? value : ""; break;
    case FV_OPTION_NUMBER: return set_number(a, o, at, value);
    case FV_OPTION_NUMBERS: return set_numbers(a, o, at, value);
    case FV_OPTION_REAL: return set_real(a, o, at, value);
    case FV_OPTION_LIST: return add_to_list(a, o, value);
    case FV_OPTION_LEVEL:
        if (strlen(value) != 1 || !strchr("0123s", *value))
            return fv_usage(a, "there is no level -O%s; there are -O0 to -O3 and -Os", value);
        a->code.level = *value;
        break;
    case FV_OPTION_FLAG: *(bool *)at = true; break;
    case FV_OPTION_COUNT: ++*(int *)at; break;
    }
    return FV_EXIT_OK;
}

/* ---- parsing ---- */

static bool is_option(const char *arg) {
    return arg[0] == '-' && arg[1];
}

static int parse_one(fv_args *a, const fv_command *c, int argc, char **argv, int *i, bool lenient) {
    const char *arg = argv[*i], *equals = strchr(arg, '=');
    const fv_option *o = fv_option_find(c, arg, lenient);
    fv_args ignored = *a;
    if (!o)
        return unknown(a, c, arg);
    fv_args *to = fv_option_taken(c, o) ? a : &ignored;
    if (o->kind == FV_OPTION_LEVEL)
        return set_value(to, o, arg + 2);
    if (o->kind == FV_OPTION_FLAG || o->kind == FV_OPTION_COUNT)
        return equals ? fv_usage(a, "%s takes no value", o->name) : set_value(to, o, NULL);
    if ((o->kind == FV_OPTION_OPTIONAL || o->kind == FV_OPTION_BEHIND) && equals && !equals[1])
        return fv_usage(a, "%s names no %s; leave the '=' away", arg,
                        o->kind == FV_OPTION_OPTIONAL ? "file" : "node");
    /* the option's value may be left out, so the next word is its value only if it cannot be an
     * operand */
    bool word =
        o->kind == FV_OPTION_BEHIND && a->n >= c->min && *i + 1 < argc && !is_option(argv[*i + 1]);
    if (equals || o->kind == FV_OPTION_OPTIONAL || (o->kind == FV_OPTION_BEHIND && !word))
        return set_value(to, o, equals ? equals + 1 : NULL);
    if (*i + 1 >= argc)
        return fv_usage(a, "%s needs a value: %s", arg, o->value);
    return set_value(to, o, argv[++*i]);
}

/* Parses the options in FOVEA_FLAGS. Options that this subcommand does not take are ignored, since
 * the variable serves all subcommands. */
static int parse_environment(fv_args *a, const fv_command *c) {
    enum { MAX = 64 };
    const char *text = getenv("FOVEA_FLAGS");
    char *words[MAX], *rest = NULL;
    int n = 0, status = FV_EXIT_OK;
    if (!text || !*text)
        return FV_EXIT_OK;
    if (!(a->line.environment = strdup(text)))
        return fv_usage(a, "out of memory");
    for (char *w = strtok_r(a->line.environment, " \t\n", &rest); w;
         w = strtok_r(NULL, " \t\n", &rest)) {
        if (n == MAX)
            return fv_usage(a, "FOVEA_FLAGS: more than %d words", MAX);
        words[n++] = w;
    }
    for (int i = 0; i < n && !status; i++)
        status = is_option(words[i]) ? parse_one(a, c, n, words, &i, true)
                                     : fv_usage(a, "FOVEA_FLAGS: '%s' is no option", words[i]);
    return status;
}

static int check(const fv_args *a, const fv_command *c) {
    if (a->code.schedule && c->run != fv_cmd_diff && strcmp(a->code.schedule, "naive") &&
        strcmp(a->code.schedule, "default"))
        return fv_usage(a, "there is no schedule '%s'; there are naive and default",
                        a->code.schedule);
    if (a->result.prefer && strcmp(a->result.prefer, "time") && strcmp(a->result.prefer, "ram"))
        return fv_usage(a, "--prefer takes time or ram, not '%s'", a->result.prefer);
    if (a->print.color && strcmp(a->print.color, "auto") && strcmp(a->print.color, "always") &&
        strcmp(a->print.color, "never"))
        return fv_usage(a, "--color takes auto, always or never, not '%s'", a->print.color);
    if (a->data.format && strcmp(a->data.format, "npy") && strcmp(a->data.format, "pb"))
        return fv_usage(a, "--format takes npy or pb, not '%s'", a->data.format);
    if (a->threads.n > 1 && c->run != fv_cmd_bench)
        return fv_usage(a, "--threads takes one number here");
    if (a->script.memory < 1 || a->script.steps < 1)
        return fv_usage(a, "--script-%s takes a number of at least 1",
                        a->script.memory < 1 ? "memory" : "steps");
    for (int i = 0; i < a->script.args.n; i++)
        if (!strchr(a->script.args.at[i], '='))
            return fv_usage(a, "--script-arg %s: expected NAME=VALUE", a->script.args.at[i]);
    if (a->script.script && a->script.pipeline)
        return fv_usage(
            a, "--script and --pipeline: one of them; the file of a pipeline is a script, too");
    if (c->run != fv_cmd_lua && c->run != fv_cmd_test && !a->script.script && !a->script.pipeline &&
        (a->script.args.n || a->script.unsafe))
        return fv_usage(a, "%s needs --script or --pipeline",
                        a->script.unsafe ? "--unsafe-lua" : "--script-arg");
    if (a->print.help || a->rewrite.list_passes || a->rewrite.print_pipeline)
        return FV_EXIT_OK;
    if (a->n < c->min)
        return fv_usage(a, "%s is missing; see `fovea %s --help`", c->operands, c->name);
    if (c->max && a->n > c->max)
        return fv_usage(a, "one %s only, '%s' is too much", c->operands, a->operand[c->max]);
    return FV_EXIT_OK;
}

size_t fv_seed_of_draws(int seed) {
    const size_t given = (size_t)1 << 62; /* beyond the bits that count */
    return given | (size_t)seed;
}

/* Without --seed, only `run` and `generate` draw other numbers each time. What compares or measures
 * runs repeats them. */
static void choose_seeds(fv_args *a, const fv_command *c) {
    bool anew = a->data.seed < 0 && (c->run == fv_cmd_run || c->run == fv_cmd_generate);
    a->data.seed = a->data.seed < 0 ? 0 : a->data.seed;
    a->data.draws = anew ? 0 : fv_seed_of_draws(a->data.seed);
}

int fv_args_parse(fv_args *a, const fv_command *c, int argc, char **argv, const char **operands) {
    *a = (fv_args){.line.command = c->name,
                   .line.words = argv,
                   .line.nwords = argc,
                   .rewrite.stop_after = -1,
                   .data.atol = -1,
                   .data.rtol = -1,
                   .data.seed = -1,
                   .bench.rounds = -1,
                   .threads.shard.timeout = 60,
                   .diff.chunk = 64,
                   .data.generate = {.tokens = 100, .top_k = -1, .top_p = -1, .prefill = -1},
                   .bench.seconds = c->run == fv_cmd_calibrate ? 120
                                    : c->run == fv_cmd_tune    ? -1
                                                               : 2,
                   .quantize.budget = -1,
                   .quantize.percentile = -1,
                   .script.memory = 1024,
                   .script.steps = 10000,
                   .operand = operands};
    int status = parse_environment(a, c);
    bool options_end = false;
    for (int i = 0; i < argc && !status; i++) {
        /* `fovea lua`: words after the name of the script are arguments of the script */
        if (c->run == fv_cmd_lua && a->n)
            options_end = true;
        if (!options_end && !strcmp(argv[i], "--"))
            options_end = true;
        else if (options_end || !is_option(argv[i]))
            operands[a->n++] = argv[i];
        else
            status = parse_one(a, c, argc, argv, &i, false);
    }
    choose_seeds(a, c);
    return status ? status : check(a, c);
}

static bool is_about_the_work(const fv_option *o) {
    static const char *const names[] = {"--output",  "--emit",    "--weights",    "--json",
                                        "--quiet",   "--verbose", "--color",      "--stop-after",
                                        "--changes", "--bisect",  "--bisect-test"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(o->name, names[i]))
            return true;
    return false;
}

const char *const *fv_args_for(fv_arena *arena, const fv_args *a, const char *subcommand) {
    const fv_command *from = fv_commands, *to = fv_commands;
    const char **list = NULL;
    int n = 0, cap = 0;
    while (strcmp(from->name, a->line.command))
        from++;
    while (strcmp(to->name, subcommand))
        to++;
    /* values were parsed before; here only the number of words that each option takes matters */
    fv_args scratch = *a;
    scratch.n = 0;
    scratch.data.inputs.n = scratch.data.adapters.n = scratch.code.states.n = scratch.data.at.n =
        scratch.script.args.n = scratch.code.dims.n = scratch.code.enable.n =
            scratch.code.disable.n = 0;
    for (int i = 0; i < a->line.nwords && strcmp(a->line.words[i], "--"); i++) {
        int first = i;
        if (!is_option(a->line.words[i])) {
            scratch.n++;
            continue;
        }
        const fv_option *o = fv_option_find(from, a->line.words[i], false);
        if (parse_one(&scratch, from, a->line.nwords, a->line.words, &i, false) ||
            !fv_option_taken(to, o) || is_about_the_work(o))
            continue;
        for (int k = first; k <= i; k++)
            FV_PUSH(arena, list, n, cap, a->line.words[k]);
    }
    FV_PUSH(arena, list, n, cap, NULL);
    return list;
}

void fv_args_free(fv_args *a) {
    free(a->line.environment);
}

static bool same_file(const char *a, const char *b) {
    struct stat x, y;
    return !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino &&
           S_ISREG(x.st_mode);
}

bool fv_spares_file(const fv_context *c, const char *option, const char *path, const char *other,
                    const char *what) {
    return !same_file(other, path) ||
           fv_error(c->session, "%s%s would overwrite %s", option, path, what);
}

bool fv_spares_models(const fv_context *c, const char *option, const char *path) {
    for (int i = 0; i < c->args->n; i++)
        if (!fv_spares_file(c, option, path, c->args->operand[i], "the model"))
            return false;
    return !fv_file_is_read(c->session, path) ||
           fv_error(c->session, "%s%s would overwrite what was read", option, path);
}
