/* option.h - settings of dims on the command line: NAME=N, NAME=LO..HI, INPUT:AXIS=N,
 * INPUT:AXIS=LO..HI. A name may be written in backquotes, with escapes (ir/base/quoted.h). */
#ifndef FV_IR_DIM_OPTION_H
#define FV_IR_DIM_OPTION_H

#include "ir/base/arena.h"

typedef struct fv_dim_option {
    const char *text; /* the text of the setting */
    const char *flag; /* the option of the command that gave it; NULL: --dim */
    const char *name; /* the name of the symbol, or "INPUT:AXIS" if `input` is set */
    /* the input of INPUT:AXIS; NULL if `name` does not end with a colon and a number up to 255 */
    const char *input;
    int axis;
    int64_t lo, hi;
} fv_dim_option;

/* Parses a setting. Returns NULL, or a text that says what is wrong with it. */
const char *fv_dim_option_parse(fv_arena *a, const char *text, fv_dim_option *out);
/* Intersects lo..hi with the setting; false after a diagnostic if no value is left. */
bool fv_dim_option_apply(fv_session *s, const fv_dim_option *o, int64_t *lo,
                         int64_t *hi) FV_MUST_USE;
/* Reports that there is no such dim, and suggests the closest of `names` (NULL-terminated), or
 * lists the first of them. Returns false. */
bool fv_dim_option_unknown(fv_session *s, fv_arena *a, const fv_dim_option *o,
                           const char *const *names);
/* Reports `FLAG 'TEXT': WHAT`. Returns false. */
bool fv_dim_option_error(fv_session *s, const fv_dim_option *o, const char *what);

#endif
