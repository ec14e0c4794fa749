/* text.h - dims as text. */
#ifndef FV_IR_DIM_TEXT_H
#define FV_IR_DIM_TEXT_H

#include "ir/dim/dim.h"

/* Text of a dim: "seq * 64 + 1", "(seq + 63) floordiv 64", "min(a, b)", "max(a, b)", "broadcast(a,
 * b)". A symbol whose name is not an identifier, or is a word of the notation, is written in
 * backquotes. Parsing the text gives the same dim. */
const char *fv_dim_str(fv_arena *a, const fv_dim *d);
/* Parses a dim at *s and moves *s to the character after it. Returns NULL for a malformed text: *s
 * is the place of the error, *error says what is wrong. */
const fv_dim *fv_dim_parse(fv_dims *t, const char **s, const char **error);

#endif
