/* command.h - the fovea command: its subcommands, their options, and what all of them need. */
#ifndef FV_TOOLS_COMMAND_COMMAND_H
#define FV_TOOLS_COMMAND_COMMAND_H

#include "tools/command/print.h"
#include "tools/driver/driver.h"

/* Exit statuses: done; the model or the data is at fault; the command line is; Fovea is. */
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
    char *environment;   /* the words of FOVEA_FLAGS, which options point into: fv_args_free */
    char **words;        /* after the subcommand */
    int nwords;
} fv_line_args;

/* What is printed, and how: context.c, report.c. */
typedef struct fv_print_args {
    const char *color;
    int verbose; /* how often the option was given */
    bool json, quiet, help;
} fv_print_args;

/* How the model is compiled: options.c, model.c. */
typedef struct fv_code_args {
    const char *target, *processor, *schedule, *tuning, *backend, *passes;
    fv_list_arg enable, disable, dims, states;
    char level;        /* 0: not given */
    int random_limits; /* a seed; 0: the usual limits */
    bool strict, verify;
} fv_code_args;

/* Where results of compilation go, and under which names: compile.c. */
typedef struct fv_result_args {
    const char *output, *emit, *weights, *name;
    bool require_fused;
} fv_result_args;

/* --threads, for runs: options.c, bench.c. */
typedef struct fv_thread_args {
    int first; /* of the list */
    int list[FV_MAX_THREAD_LIST], n;
} fv_thread_args;

/* The inputs of runs, and what becomes of outputs: inputs.c, outputs.c, maps.c. */
typedef struct fv_data_args {
    fv_list_arg inputs, at;
    const char *data_set, *expect, *format, *attention_maps, *labels;
    int seed;
    double atol, rtol; /* below 0: not given */
} fv_data_args;

/* Scripts in Lua: script.c. */
typedef struct fv_script_args {
    const char *script;   /* the passes that it declares are run */
    const char *pipeline; /* a script that returns a pipeline */
    fv_list_arg args;
    int memory; /* MiB */
    int steps;  /* millions of instructions */
    bool unsafe;
} fv_script_args;

/* What passes rewrite: opt.c, explain.c, stop.c, bisect.c. */
typedef struct fv_rewrite_args {
    const char *explain; /* "RULE" or "RULE@NODE" */
    const char *only_node;
    const char *changes;     /* a file that lists them */
    int stop_after;          /* the number of changes that are made; -1: all */
    const char *test;        /* of reduce: a command of the shell */
    const char *bisect_test; /* a command of the shell */
    bool bisect, standard, list_passes, print_pipeline;
} fv_rewrite_args;

/* What is printed between passes and steps of lowering: dump.c. */
typedef struct fv_dump_args {
    const char *after, *dir;
    bool times;
} fv_dump_args;

/* What `inspect` and `ops` show: inspect.c, why.c, ops.c. */
typedef struct fv_inspect_args {
    /* --why: "" for the costliest values and kernels, otherwise the name to explain */
    const char *why;
    bool ops, memory, schedules, attention, markdown;
} fv_inspect_args;

/* Measurements: bench.c, tune.c. */
typedef struct fv_bench_args {
    const char *against, *against_model;
    /* empty: the profile is printed; otherwise it is written to that file as well */
    const char *profile;
    int rounds;
    double seconds;
} fv_bench_args;

/* What `diff` compares: diff.c. */
typedef struct fv_diff_args {
    const char *levels; /* "0,2" */
    int chunk;
    bool graph;
} fv_diff_args;

/* The arguments of a subcommand; NULL, 0 and false where none was given. */
typedef struct fv_args {
    fv_line_args line;
    int n; /* operands: models, folders */
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
} fv_args;

/* One use of a subcommand: the session, with a door open, and memory that lives as long. */
typedef struct fv_context {
    fv_session *session;
    fv_arena *arena;
    const fv_args *args;
    struct fv_lua *script;          /* of --script, once it is read; script.c */
    const volatile int32_t *cancel; /* of runs; NULL: nobody ends them */
} fv_context;

typedef struct fv_command {
    const char *name;
    const char *operands; /* "MODEL", "DIR..." */
    int min, max;         /* how many; max 0: any number */
    const char *doc;
    const char *options;       /* names of the options it takes besides the common ones */
    int (*run)(fv_context *c); /* the exit status */
    const char *more;          /* paragraphs and examples below the options, or NULL */
} fv_command;

extern const fv_command fv_commands[]; /* ends with a NULL name */

/* ---- arguments: args.c ---- */

/* Parses argv after the subcommand, after the words of FOVEA_FLAGS. `operands` has room for argc.
 * Returns FV_EXIT_OK, or FV_EXIT_USAGE after a message. */
int fv_args_parse(fv_args *a, const fv_command *c, int argc, char **argv, const char **operands);
void fv_args_free(fv_args *a); /* also after a failure */
/* The options that were given, as words of another subcommand: those that it takes, but for what is
 * said about the work or where results go. NULL terminated, in the arena. */
const char *const *fv_args_for(fv_arena *arena, const fv_args *a, const char *subcommand);
void fv_print_help(const fv_command *c); /* NULL: of the command itself */
/* `fovea run: error: WHAT`: returns FV_EXIT_USAGE. */
int fv_usage(const fv_args *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- what the arguments mean: options.c ---- */

/* "a, b, c" */
const char *fv_names_str(fv_arena *a, const char *const *names);
/* Is every value of --dim, --input and --state well formed? False after a message. */
bool fv_args_check_lists(fv_context *c) FV_MUST_USE;
/* The driver's options; false after a message. `here`: the default target is this machine. */
bool fv_args_driver(fv_context *c, fv_driver_options *o, bool here) FV_MUST_USE;
/* "jit,c,interp" to kinds; returns how many, 0 after a message. */
int fv_args_backends(const fv_args *a, fv_backend_kind *out);
const char *fv_backend_name(fv_backend_kind b);
int fv_args_threads(const fv_args *a); /* --threads, else FOVEA_NUM_THREADS, else 0 */

/* ---- scripts: script.c, or no_script.c where Fovea is built without Lua ---- */

/* Reads --script or --pipeline, if one is given and not read yet, and has its passes run. False
 * after a diagnostic. */
bool fv_script_begin(fv_context *c, fv_driver_options *o) FV_MUST_USE;
/* What --help says of the options of the script. */
int fv_script_help(const fv_args *a); /* the exit status */
/* Status of a command whose options were refused: of the script, or of the command line. */
int fv_refused(const fv_context *c);

/* ---- looking at what is between passes and steps: dump.c ---- */

/* Sees to --dump-after and --dump-dir of a command that begins; false after a message. */
bool fv_dump_begin(fv_context *c, fv_driver_options *o, bool lowers) FV_MUST_USE;
/* Is what is dumped to come for that source? False after a diagnostic. */
bool fv_dump_applies(fv_context *c, const fv_source *source) FV_MUST_USE;

/* ---- a session around a subcommand, and its messages: context.c ---- */

int fv_run_command(const fv_command *command, const fv_args *args);
/* FV_EXIT_INTERNAL where an error is an internal one, else FV_EXIT_MODEL. */
int fv_failed(const fv_context *c);
/* The session's messages, on stderr; with --quiet the errors only. They are gone then. */
void fv_print_messages(const fv_context *c);
/* A line on stderr, but with --quiet: `FILE: note: ...`. */
void fv_note(const fv_context *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A line of a log, as it is, on stderr; "error:" in colour. */
void fv_print_line(const fv_args *a, const char *file, const char *line);
/* The lines of a log as messages of the session, after a call that failed. False. */
bool fv_say_log(const fv_context *c, const fv_log *log) FV_MUST_USE;
bool fv_is_terminal(int fd) FV_MUST_USE;
/* False after a diagnostic: the file at `path`, which `option` names, is one of the models. */
bool fv_spares_models(const fv_context *c, const char *option, const char *path) FV_MUST_USE;
/* "12.3 kB" */
const char *fv_size_str(fv_arena *a, uint64_t bytes);

int fv_cmd_bench(fv_context *c);
int fv_cmd_compile(fv_context *c);
int fv_cmd_run(fv_context *c);
int fv_cmd_test(fv_context *c);
int fv_cmd_inspect(fv_context *c);
int fv_cmd_lua(fv_context *c);
int fv_cmd_opt(fv_context *c);
int fv_cmd_ops(fv_context *c);
int fv_cmd_tune(fv_context *c);
int fv_cmd_diff(fv_context *c);
int fv_cmd_reduce(fv_context *c);
int fv_cmd_view(fv_context *c);

#endif
