/* copy.h - copying statements, with replacements. */
#ifndef FV_IR_KERNEL_COPY_H
#define FV_IR_KERNEL_COPY_H

#include "ir/base/ptrmap.h"
#include "ir/kernel/build.h"

/* Copies statements into the builder's block, replacing what `map` says (fv_var by fv_expr, fv_buf
 * by fv_buf; it learns the new lets, loops and tiles). FV_UNROLL loops of known extent are
 * unrolled, other loops become serial; conditions that are known choose their branch. */
void fv_kb_copy(fv_kbuilder *b, const fv_block *block, fv_ptrmap *map);
void fv_kb_copy_stmt(fv_kbuilder *b, const fv_stmt *s, fv_ptrmap *map);

#endif
