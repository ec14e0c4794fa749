/* budget.h - limits of the flash and RAM that a model may take on a microcontroller
 * (--max-flash, --max-ram), and the smallest change of options with which it keeps them. */
#ifndef FV_TOOLS_SUBCOMMAND_BUDGET_H
#define FV_TOOLS_SUBCOMMAND_BUDGET_H

#include "tools/command/json.h"
#include "tools/model/device.h"

enum { FV_BUDGET_CHANGES = 5 }; /* the options as given, and changes of them */

/* A way to compile the model, and what it takes then. */
typedef struct fv_budget_try {
    const char *options; /* the options that are added, such as "-Os"; "": none */
    fv_device device;
} fv_budget_try;

typedef struct fv_budget {
    int64_t flash, ram; /* limits in bytes; INT64_MAX: none */
    fv_budget_try tried[FV_BUDGET_CHANGES];
    int ntried; /* the last one keeps the limits, if fv_budget_keep has succeeded */
} fv_budget;

/* Reads the limits from the arguments. False after a message. */
bool fv_budget_read(fv_context *c, fv_budget *b) FV_MUST_USE;
bool fv_budget_limits(const fv_budget *b) FV_MUST_USE; /* Is there a limit? */
/* Lowers the model with the options `o`, and as long as a limit is exceeded with further ones that
 * make it smaller, the smallest change first: an order of launches, small code, strips of rows, and
 * all of them. Sets the level, preference and disabled steps of *o, and the level of *args, to
 * those with which it fits. False after a diagnostic, also if it never fits: the diagnostic then
 * says what takes how much, and with --json a document does. A model whose dims are not fixed, and
 * a target that is no microcontroller, are left to the caller: nothing is tried. */
bool fv_budget_keep(fv_context *c, const char *model, fv_driver_options *o, fv_args *args,
                    fv_budget *b) FV_MUST_USE;
/* What was tried, for --json. */
json_t *fv_budget_json(const fv_budget *b);

int64_t fv_device_flash(const fv_device *d); /* bytes of code, tables and weights */
int64_t fv_device_ram(const fv_device *d);   /* bytes of workspace and stack */

#endif
