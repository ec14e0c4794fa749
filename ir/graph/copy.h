/* copy.h - a module once more. */
#ifndef FV_IR_GRAPH_COPY_H
#define FV_IR_GRAPH_COPY_H

#include "ir/graph/graph.h"

/* A module of its own that is like m, in session s, with dims fixed or bounded as --dim says it
 * (NULL terminated, or NULL). Its large constants lie where those of m do, which has to outlive it,
 * and so have operators that m's session has declared. m is verified. NULL after diagnostics. */
fv_module *fv_module_copy(fv_session *s, const fv_module *m, const char *const *dims);

#endif
