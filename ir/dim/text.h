/* text.h - dims as text. */
#ifndef FV_IR_DIM_TEXT_H
#define FV_IR_DIM_TEXT_H

#include "ir/dim/dim.h"

/* Text: "seq * 64 + 1", "(seq + 63) floordiv 64", "min(a, b)", "max(a, b)", "broadcast(a, b)".
 * A symbol that is no identifier is written in backquotes. Parsing prints back to itself. */
const char *fv_dim_str(fv_arena *a, const fv_dim *d);
/* Parses at *s, and advances it; NULL: *s is left at the fault and *error says what is wrong. */
const fv_dim *fv_dim_parse(fv_dims *t, const char **s, const char **error);

#endif
