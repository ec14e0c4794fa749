/* compile.h - what the files of `fovea compile` share. */
#ifndef FV_TOOLS_SUBCOMMAND_COMPILE_H
#define FV_TOOLS_SUBCOMMAND_COMPILE_H

#include "tools/command/json.h"

/* The parts of a model that are compiled, and what is printed about them after all are. */
typedef struct fv_compiled_parts {
    /* the temporary folder in which files are written, and the one to which they are moved after
     * all parts are compiled */
    const char *staging, *folder;
    const char **files; /* the lines of the summary with the files */
    int nfiles, cap_files;
    json_t *documents;   /* with --json, what was written for each part */
    const char *targets; /* the line of the summary with their target or targets; NULL: none */
} fv_compiled_parts;

/* Compiles the model of the command's operand to files, as its options say. `parts`: it is a part,
 * whose summary is added to that of the others, and whose memory is freed; NULL: prints a summary.
 * Returns the exit status, after messages. */
typedef int fv_compile_one(fv_context *c, fv_compiled_parts *parts);
/* Compiles the parts in the folder of the command's operand, each by `one` to files of its own.
 * Returns the exit status, after messages. */
int fv_compile_parts(fv_context *c, fv_compile_one *one) FV_MUST_USE;

#endif
