/* parse.h - graph IR from text. Its grammar is in the head of parse.c. */
#ifndef FV_IR_GRAPH_PARSE_H
#define FV_IR_GRAPH_PARSE_H

#include "ir/graph/graph.h"

#define FV_IR_FORMAT 1
/* `folder`: where side files are looked for. NULL after diagnostics. */
fv_module *fv_module_parse(fv_session *s, const char *text, const char *folder);
/* With dims fixed or bounded, as --dim says it (ir/dim/option.h); NULL terminated, or NULL. */
fv_module *fv_module_parse_dims(fv_session *s, const char *text, const char *folder,
                                const char *const *dims);

#endif
