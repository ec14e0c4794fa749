/* command.h - the fovea command: its subcommands, their options, and functions that all of them
 * use. */
#ifndef FV_TOOLS_COMMAND_COMMAND_H
#define FV_TOOLS_COMMAND_COMMAND_H

#include "tools/command/print.h"
#include "tools/driver/driver.h"

/* Exit statuses: success; an error in the model or the data; an error in the command line; an
 * internal error. */
enum { FV_EXIT_OK = 0, FV_EXIT_MODEL = 1, FV_EXIT_USAGE = 2, FV_EXIT_INTERNAL = 3 };

enum { FV_MAX_LIST_ARGS = 64, FV_MAX_THREAD_LIST = 16 };

/* The values of an option that may be repeated; at[n] is NULL. */
typedef struct fv_list_arg {
    int n;
    const char *at[FV_MAX_LIST_ARGS + 1];
} fv_list_arg;

/* The command line as it was given. */
typedef struct fv_line_args {
    const char *command; /* the name of the subcommand */
    /* a copy of FOVEA_FLAGS, split into words, to which options point; freed by fv_args_free */
    char *environment;
    char **words; /* the words of the command line after the subcommand */
    int nwords;
} fv_line_args;

/* Options that decide what is printed, and how: context.c, report.c. */
typedef struct fv_print_args {
    const char *color;
    int verbose; /* number of times that -v was given */
    bool json, quiet, help;
} fv_print_args;

/* Options that decide how the model is compiled: options.c, model.c. */
typedef struct fv_code_args {
    const char *target, *processor, *schedule, *tuning, *backend, *passes, *relax;
    fv_list_arg enable, disable, dims, states;
    char level;        /* the level of -O, '0' to '3' or 's'; 0: not given */
    int random_limits; /* the seed of --random-limits; 0: the usual limits */
    bool strict, verify;
} fv_code_args;

/* Options that decide where results of compilation go, and under which names: compile.c. */
typedef struct fv_result_args {
    const char *output, *emit, *weights, *header, *name;
    bool require_fused, replaceable;
    const char *layout_of; /* the model or file of weights with whose layout weights must agree */
    const char *max_flash, *max_ram;
    const char *prefer; /* what matters more: "time" or "ram"; NULL: "time" */
    const char *layout;
} fv_result_args;

/* Options for models that are cut into parts: subcommand/shard.c, model/parts.c. */
typedef struct fv_shard_args {
    const char *ranks; /* "4", or "8..1024" */
    const char *link;  /* the network of --simulate */
    int stages;        /* 0: not given */
    double timeout;
    const char *plan; /* path of a script that returns a plan */
    bool print_plan, simulate;
} fv_shard_args;

/* Options for threads, and for the ranks of a model in parts: options.c, bench.c. */
typedef struct fv_thread_args {
    int first; /* the first number in the list of --threads */
    int list[FV_MAX_THREAD_LIST], n;
    fv_shard_args shard;
} fv_thread_args;

/* Options of `generate`: generate.c. */
typedef struct fv_generate_args {
    fv_list_arg ids, stop;
    double temperature, top_p;
    int tokens, top_k, prefill;
} fv_generate_args;

/* Options for the inputs of runs and the use of the outputs: inputs.c, outputs.c, maps.c. */
typedef struct fv_data_args {
    fv_list_arg inputs, adapters, at;
    const char *data_set, *save_inputs, *expect, *format, *attention_maps, *labels;
    int seed;          /* of random inputs */
    size_t draws;      /* for fv_env.seed; 0: each run of a model draws other numbers */
    double atol, rtol; /* tolerances of comparisons; negative: not given */
    fv_generate_args generate;
} fv_data_args;

/* Options for Lua scripts: script.c. */
typedef struct fv_script_args {
    const char *script;   /* path of a script that declares passes, which are run */
    const char *pipeline; /* path of a script that returns a pipeline */
    fv_list_arg args;
    fv_list_arg tensors; /* folders from which a script reads tensors */
    int memory;          /* limit of memory in MiB */
    int steps;           /* limit of instructions, in millions */
    bool unsafe;
} fv_script_args;

/* Options that decide which rewrites passes make: opt.c, explain.c, stop.c, bisect.c. */
typedef struct fv_rewrite_args {
    const char *explain; /* value of --explain: "RULE" or "RULE@NODE" */
    const char *only_node;
    const char *changes;     /* the file to which the list of changes is written */
    int stop_after;          /* the number of changes that are made; -1: all */
    const char *test;        /* `fovea reduce`: the shell command that tests a model */
    const char *bisect_test; /* `opt --bisect-test`: the shell command that tests a model */
    bool bisect, standard, list_passes, print_pipeline;
} fv_rewrite_args;

/* Options for printing between passes and steps of lowering: dump.c. */
typedef struct fv_dump_args {
    const char *after, *dir;
    bool times;
} fv_dump_args;

/* Options of `inspect` and `ops`: inspect.c, why.c, ops.c. */
typedef struct fv_inspect_args {
    /* --why: "" for the costliest values and kernels, otherwise the name to explain */
    const char *why;
    bool ops, memory, schedules, attention, shards, markdown;
} fv_inspect_args;

/* Options for measurements: bench.c, tune.c. */
typedef struct fv_bench_args {
    const char *against, *against_model;
    const char *profile;
    int rounds;     /* negative: not given */
    double seconds; /* of `tune`: negative if not given */
    bool predict;
} fv_bench_args;

/* Options that decide what `diff` compares: diff.c. */
typedef struct fv_diff_args {
    const char *levels; /* levels of the two sides, such as "0,2" */
    int chunk;
    bool graph;
} fv_diff_args;

/* Options of `quantize`: tools/quantize/command.c. */
typedef struct fv_quantize_args {
    const char *to, *calibrate, *range, *chart;
    fv_list_arg skip;
    int block;                 /* 0: not given */
    double percentile, budget; /* negative: not given */
    bool weights_only, zero_points, reduce_range, qdq, search;
} fv_quantize_args;

/* The arguments of a subcommand. A member whose option was not given is NULL, 0 or false, or has
 * the default that fv_args_parse sets. */
typedef struct fv_args {
    fv_line_args line;
    int n; /* number of operands, such as models, folders or names of operators */
    const char **operand;
    fv_print_args print;
    fv_code_args code;
    fv_result_args result;
    fv_thread_args threads;
    fv_data_args data;
    fv_script_args script;
    fv_rewrite_args rewrite;
    fv_dump_args dump;
    fv_inspect_args inspect;
    fv_bench_args bench;
    fv_diff_args diff;
    fv_quantize_args quantize;
} fv_args;

/* One execution of a subcommand: its session, in which a door is open, and an arena that lives as
 * long as the session. */
typedef struct fv_context {
    fv_session *session;
    fv_arena *arena;
    const fv_args *args;
    /* the script of --script or --pipeline, after it was read (script.c); NULL: there is none */
    struct fv_lua *script;
    /* the states of the model, as --state takes them; NULL: those of --state */
    const char *const *states;
    /* the settings of dims, as --dim takes them, NULL terminated; NULL: those of --dim */
    const char *const *dims;
    /* becomes not 0 when runs should stop (fv_env.cancel); NULL: they cannot be stopped */
    const volatile int32_t *cancel;
} fv_context;

typedef struct fv_command {
    const char *name;
    const char *operands; /* operands as --help shows them: "MODEL", "DIR..." */
    int min, max;         /* smallest and largest number of operands; max 0: any number */
    const char *doc;
    /* names of the options that the subcommand takes in addition to the common ones */
    const char *options;
    int (*run)(fv_context *c); /* executes the subcommand; returns the exit status */
    /* paragraphs and examples that --help prints below the options; NULL: none */
    const char *more;
    /* names of those common options that would do nothing in the subcommand, so that it does not
     * take them; NULL: it takes all */
    const char *without;
} fv_command;

extern const fv_command fv_commands[]; /* the subcommands, ended by an entry without a name */

/* ---- arguments: args.c ---- */

/* Parses the words of FOVEA_FLAGS and then argv, which begins after the subcommand. `operands` must
 * have room for argc pointers. Returns FV_EXIT_OK, or FV_EXIT_USAGE after a message. */
int fv_args_parse(fv_args *a, const fv_command *c, int argc, char **argv, const char **operands);
void fv_args_free(fv_args *a); /* must be called also after a failure of fv_args_parse */
/* The options of the command line, without those of FOVEA_FLAGS, as arguments for another
 * subcommand: those that it takes, except the ones about messages, output files and bisection. NULL
 * terminated, in the arena. */
const char *const *fv_args_for(fv_arena *arena, const fv_args *a, const char *subcommand);
/* Prints `fovea run: error: WHAT` and returns FV_EXIT_USAGE. */
int fv_usage(const fv_args *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Checks that the file at `path`, which option `option` would write, is none of the models and none
 * of the files that the session has read: external data, inputs, adapters, scripts, profiles. False
 * after a diagnostic. */
bool fv_spares_models(const fv_context *c, const char *option, const char *path) FV_MUST_USE;
/* Checks that the file at `path`, which option `option` would write, is not the file at `other`,
 * which the diagnostic calls `what`. False after that diagnostic. */
bool fv_spares_file(const fv_context *c, const char *option, const char *path, const char *other,
                    const char *what) FV_MUST_USE;

/* ---- what the arguments mean: options.c ---- */

/* Checks the syntax of all values of --dim, --at, --input and --state. False after a message. */
bool fv_args_check_lists(fv_context *c) FV_MUST_USE;
/* Sets the driver's options from the command line. False after a message. `here`: the default
 * target is this machine. */
bool fv_args_driver(fv_context *c, fv_driver_options *o, bool here) FV_MUST_USE;
/* The callbacks of the options, as a copy that the caller may change. */
fv_watch *fv_args_watch(fv_context *c, fv_driver_options *o);
enum { FV_MOST_BACKENDS = 3 }; /* largest number of backends that --backend names */
/* Parses the value of --backend, such as "jit,c,interp", or its default, into `out`, which has room
 * for FV_MOST_BACKENDS. Returns the number of backends, 0 after a message. */
int fv_args_backends(const fv_args *a, fv_backend_kind *out);
const char *fv_backend_name(fv_backend_kind b);
/* the first number that --threads gives, or, if that is 0 or not given, the number in
 * FOVEA_NUM_THREADS, otherwise 0 */
int fv_args_threads(const fv_args *a);
/* The value of fv_env.seed for a seed that was given, 0 too. */
size_t fv_seed_of_draws(int seed);

/* ---- scripts: script.c, or no_script.c where Fovea is built without Lua ---- */

/* Reads the script of --script or --pipeline, if there is one and it has not been read, and adds
 * its passes to the options. False after a diagnostic. */
bool fv_script_begin(fv_context *c, fv_driver_options *o) FV_MUST_USE;
/* Prints the options that the script declares, for --help. */
int fv_script_help(const fv_args *a); /* returns the exit status */
/* The exit status if options of the script or of the command line were refused. */
int fv_refused(const fv_context *c);

/* ---- looking at what is between passes and steps: dump.c ---- */

/* Prepares --dump-after, --dump-dir and --time-passes. `lowers`: the command also lowers the model.
 * False after a message. */
bool fv_dump_begin(fv_context *c, fv_driver_options *o, bool lowers) FV_MUST_USE;
/* Will the pass or step of --dump-after, or for --dump-dir and --time-passes any pass or step, run
 * on this source? False after a diagnostic. */
bool fv_dump_applies(fv_context *c, const fv_source *source) FV_MUST_USE;

/* ---- a session around a subcommand, and its messages: context.c ---- */

int fv_run_command(const fv_command *command, const fv_args *args);
/* The exit status after a failure: FV_EXIT_INTERNAL if one of the messages is an internal error,
 * otherwise FV_EXIT_MODEL. */
int fv_failed(const fv_context *c);
/* Prints the session's messages on stderr, with --quiet errors only, and removes them. */
void fv_print_messages(const fv_context *c);
/* Prints a line on stderr unless --quiet is given: `FILE: note: ...`. */
void fv_note(const fv_context *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Prints the name of the file (NULL: none) and a line on stderr; if colours are wanted, the first
 * word of the line that names a severity ("error:", "warning:", "note:") is in colour. */
void fv_print_line(const fv_args *a, const char *file, const char *line);
/* Turns the lines of a log into errors of the session, after a call of the library failed. Returns
 * false. */
bool fv_say_log(const fv_context *c, const fv_log *log) FV_MUST_USE;
/* a number of bytes as text, such as "12.3 kB" */
const char *fv_size_str(fv_arena *a, uint64_t bytes);

int fv_cmd_bench(fv_context *c);
int fv_cmd_compile(fv_context *c);
int fv_cmd_run(fv_context *c);
int fv_cmd_test(fv_context *c);
int fv_cmd_generate(fv_context *c);
int fv_cmd_inspect(fv_context *c);
int fv_cmd_lua(fv_context *c);
int fv_cmd_opt(fv_context *c);
int fv_cmd_ops(fv_context *c);
int fv_cmd_quantize(fv_context *c);
int fv_cmd_shard(fv_context *c);
int fv_cmd_tune(fv_context *c);
int fv_cmd_calibrate(fv_context *c);
int fv_cmd_diff(fv_context *c);
int fv_cmd_reduce(fv_context *c);
int fv_cmd_view(fv_context *c);
int fv_cmd_weights(fv_context *c);

#endif
