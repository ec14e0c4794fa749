/* cover.h - chooses models that have an operator which no earlier model had. */
#ifndef FV_TESTS_MATRIX_COVER_H
#define FV_TESTS_MATRIX_COVER_H

#include "ir/base/arena.h"

typedef struct cover cover;
/* types: an operator counts once for each element type of its operand and result. */
cover *cover_new(fv_arena *a, bool types);
/* Does the model have an operator that none before had? A model that cannot be read has none. */
bool cover_adds(cover *c, const char *model);

#endif
