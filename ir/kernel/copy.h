/* copy.h - copying statements with substitutions. */
#ifndef FV_IR_KERNEL_COPY_H
#define FV_IR_KERNEL_COPY_H

#include "ir/base/ptrmap.h"
#include "ir/kernel/build.h"

/* Copies statements into the builder's block and substitutes what `map` has (fv_var by fv_expr,
 * fv_buf by fv_buf); adds the new lets, loops and tiles to `map`. Loops with constant bounds are
 * unrolled if they are FV_UNROLL loops of at most 4096 iterations or loops of at most one; other
 * loops become serial; an if with a known condition becomes the branch that runs. */
void fv_kb_copy(fv_kbuilder *b, const fv_block *block, fv_ptrmap *map);
void fv_kb_copy_stmt(fv_kbuilder *b, const fv_stmt *s, fv_ptrmap *map);

#endif
