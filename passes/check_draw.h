/* check_draw.h - draws one concrete pattern from a pattern: decides alternatives, optional ops and
 * the number of operands. */
#ifndef FV_PASSES_CHECK_DRAW_H
#define FV_PASSES_CHECK_DRAW_H

#include "ir/syntax/ast.h"
#include "passes/check_case.h"

/* The result is allocated in `a` and consists of ops, names, numbers, `~e` and result(i, op)
 * only. */
fv_ast *fv_pattern_draw(fv_arena *a, fv_random *r, const fv_ast *pattern);

#endif
