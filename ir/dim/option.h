/* option.h - what a user says about a dim: NAME=N, NAME=LO..HI, INPUT:AXIS=N. A name may stand in
 * backquotes, with escapes (ir/base/quoted.h). */
#ifndef FV_IR_DIM_OPTION_H
#define FV_IR_DIM_OPTION_H

#include "ir/base/arena.h"

typedef struct fv_dim_option {
    const char *text;  /* as it was given */
    const char *flag;  /* of the command that gave it; NULL: --dim */
    const char *name;  /* of the symbol; or INPUT:AXIS, where `input` is set */
    const char *input; /* NULL: name has no colon with a number behind it */
    int axis;
    int64_t lo, hi;
} fv_dim_option;

/* NULL, or what is wrong with the text. */
const char *fv_dim_option_parse(fv_arena *a, const char *text, fv_dim_option *out);
/* Narrows lo..hi; false after a diagnostic where nothing is left. */
bool fv_dim_option_apply(fv_session *s, const fv_dim_option *o, int64_t *lo,
                         int64_t *hi) FV_MUST_USE;
/* That there is no such dim, but `names` (NULL terminated). Returns false. */
bool fv_dim_option_unknown(fv_session *s, fv_arena *a, const fv_dim_option *o,
                           const char *const *names);
/* `FLAG 'TEXT': WHAT`. Returns false. */
bool fv_dim_option_error(fv_session *s, const fv_dim_option *o, const char *what);

#endif
