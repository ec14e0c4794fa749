/* option.h - the table of options, and the texts of help and manual pages. */
#ifndef FV_TOOLS_COMMAND_OPTION_H
#define FV_TOOLS_COMMAND_OPTION_H

#include "tools/command/command.h"

/* What an option takes, and the type of the member of fv_args that stores it. */
typedef enum {
    FV_OPTION_FLAG,     /* no value; bool */
    FV_OPTION_COUNT,    /* no value; the number of times that it is given */
    FV_OPTION_TEXT,     /* a text */
    FV_OPTION_OPTIONAL, /* a text after `=`, or no value */
    FV_OPTION_BEHIND,   /* as OPTIONAL; after the operands, the next word may be the value */
    FV_OPTION_NUMBER,   /* an integer of at least 0 */
    FV_OPTION_NUMBERS,  /* integers with commas: --threads */
    FV_OPTION_REAL,     /* a number of at least 0 */
    FV_OPTION_LIST,     /* a text; all texts are kept if the option is repeated */
    FV_OPTION_LEVEL     /* one character directly after the name: -O2 */
} fv_option_kind;

typedef struct fv_option {
    const char *name;  /* the name of the option, such as "--target" */
    const char *brief; /* the short name of the option, such as "-o"; NULL: it has none */
    fv_option_kind kind;
    size_t offset; /* offset in fv_args of the member that stores the value */
    /* Placeholder for the value in --help; NULL: there is no value. Completion of words in shells
     * follows it: F, OUT, LIB and DIR|F are files, F.lua is a file with that suffix, DIR is a
     * folder, S=N begins with the name of a dim, N=F is the name of an input with a file, and A,B
     * are names of passes. */
    const char *value;
    const char *doc;
    bool common; /* whether all subcommands take it, but those that name it in `without` */
    const char *const *(*names)(void); /* returns the values that --help lists after `doc` */
} fv_option;

/* Option number i of the table; NULL: there are no more. */
const fv_option *fv_option_at(int i);
/* Does the subcommand take the option? */
bool fv_option_taken(const fv_command *c, const fv_option *o) FV_MUST_USE;
/* The option that `arg` names; NULL: the subcommand does not take it (unless `any` is set), or
 * there is none. -O2 names -O. */
const fv_option *fv_option_find(const fv_command *c, const char *arg, bool any);

/* Does this placeholder stand for a file? Then *suffix is the one it names, such as ".lua"; "": any
 * file. */
bool fv_option_takes_file(const char *value, const char **suffix) FV_MUST_USE;

/* ---- texts: help.c, manual.c ---- */

typedef struct fv_help_row {
    const char *name; /* such as "FOVEA_FLAGS"; NULL ends a table */
    const char *doc;
} fv_help_row;
extern const fv_help_row fv_help_statuses[];  /* the exit statuses */
extern const fv_help_row fv_help_variables[]; /* the variables of the environment */
extern const char fv_help_models[];           /* what files a model may be */

/* Prints the help of subcommand c; c NULL: the help of the whole command. */
void fv_print_help(const fv_command *c);
/* Prints the manual page of subcommand c, in roff; c NULL: that of the whole command. Returns the
 * exit status. */
int fv_print_manual(const fv_command *c);
/* Prints the words that may complete the last of these n words of a command line, which begins
 * after `fovea`; tools/completion/README.md describes the lines. Returns the exit status. */
int fv_complete(int n, char **words);

#endif
