/* check_draw.h - of a pattern one of the patterns that it stands for: without alternatives,
 * wrappers that may not be there, and operands of any number. */
#ifndef FV_PASSES_CHECK_DRAW_H
#define FV_PASSES_CHECK_DRAW_H

#include "ir/syntax/ast.h"
#include "passes/check_case.h"

/* Of ops, names, numbers, `~e` and result(i, op) only. In the arena. */
fv_ast *fv_pattern_draw(fv_arena *a, fv_random *r, const fv_ast *pattern);

#endif
