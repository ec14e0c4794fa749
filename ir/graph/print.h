/* print.h - graph IR as text. Its grammar is in the head of parse.c. */
#ifndef FV_IR_GRAPH_PRINT_H
#define FV_IR_GRAPH_PRINT_H

#include "ir/base/text.h"
#include "ir/graph/graph.h"

/* Constants of more than 16 elements go to `side` when it is given (then the text names the file
 * `side_name` and offset), and are elided as `...` when both are NULL (such text does not parse
 * back; for looking at). */
void fv_module_print(fv_text *t, const fv_module *m, const char *side_name, fv_text *side);
/* All in one text, which parses back: larger constants as `hex "..."`. */
void fv_module_print_whole(fv_text *t, const fv_module *m);
/* Does fv_module_print leave constants out where it has no `side`? */
bool fv_module_is_elided(const fv_module *m) FV_MUST_USE;
const char *fv_op_str(fv_arena *a, const fv_op *op); /* one line; regions elided */

void fv_dump(const fv_op *op); /* to stderr, for debuggers */

#endif
