/* command.h - the fovea command: options common to all subcommands, and the table of these. */
#ifndef FV_TOOLS_COMMAND_H
#define FV_TOOLS_COMMAND_H

#include "tools/driver/driver.h"

/* Exit statuses. */
enum { FV_EXIT_OK = 0, FV_EXIT_MODEL = 1, FV_EXIT_USAGE = 2, FV_EXIT_INTERNAL = 3 };

enum { FV_MAX_DIM_ARGS = 64, FV_MAX_OPERANDS_ARGS = 4096 };

typedef struct fv_args {
    const char *command;
    int n;                     /* operands: models, folders */
    const char *operand[FV_MAX_OPERANDS_ARGS];
    /* common */
    const char *target, *schedule, *color;
    const char *dims[FV_MAX_DIM_ARGS + 1];
    int ndims, threads, verbose;
    char level;
    bool verify, json, quiet, help;
    double atol, rtol;
    /* of some subcommands */
    const char *output, *emit, *name, *backend, *passes, *pipeline, *data_set, *expect, *dump_after;
    const char *inputs[FV_MAX_DIM_ARGS + 1];
    int ninputs;
    bool list_passes, ops, memory, schedules, attention;
} fv_args;

typedef struct fv_command {
    const char *name;
    const char *operands; /* "MODEL", "DIR..." */
    const char *doc;
    const char *options;  /* names of the options it takes besides the common ones */
    int (*run)(fv_args *a);
    const char *examples;
} fv_command;

extern const fv_command fv_commands[]; /* ends with a NULL name */

/* Parses argv after the subcommand. Returns FV_EXIT_OK, or FV_EXIT_USAGE after a message. */
int fv_args_parse(fv_args *a, const fv_command *c, int argc, char **argv);
void fv_print_help(const fv_command *c); /* NULL: of the command itself */

/* The driver's options from the arguments; false after a message. `native`: the default target. */
bool fv_args_driver(const fv_args *a, fv_driver_options *o, bool native);
/* "jit,c,interp" to kinds; returns how many, 0 after a message. */
int fv_args_backends(const fv_args *a, const char *otherwise, fv_backend_kind *out);
const char *fv_backend_name(fv_backend_kind b);
/* Prints the session's messages to stderr. */
void fv_print_messages(fv_session *s, const fv_args *a);

int fv_cmd_test(fv_args *a);
int fv_cmd_run(fv_args *a);
int fv_cmd_compile(fv_args *a);
int fv_cmd_inspect(fv_args *a);
int fv_cmd_opt(fv_args *a);
int fv_cmd_ops(fv_args *a);

#endif
