/* changed_lines.h - the lines in which two texts differ. */
#ifndef FV_TOOLS_LAB_CHANGED_LINES_H
#define FV_TOOLS_LAB_CHANGED_LINES_H

#include "ir/base/arena.h"

/* The lines of x that y does not have, each after "- ", and those that only y has, after "+ ".
 * Lines that both have in the same order, as many as possible, are left out, so that changed lines
 * are next to what replaces them; "  ..." stands for such lines between two changes. Of a long list
 * only the first lines are returned, and the last one says how many others there are. */
const char *const *fv_changed_lines(fv_arena *a, int n, const char *const *x, int m,
                                    const char *const *y, int *count);

#endif
