/* copy.h - copies modules. */
#ifndef FV_IR_GRAPH_COPY_H
#define FV_IR_GRAPH_COPY_H

#include "ir/graph/graph.h"

/* A copy of the verified module m in session s. `dims`: settings of dims as --dim has them,
 * NULL-terminated; NULL: none. The copy uses the data of large constants of m, and operators that
 * m's session has declared, so m must outlive it. NULL after diagnostics. */
fv_module *fv_module_copy(fv_session *s, const fv_module *m, const char *const *dims);

#endif
