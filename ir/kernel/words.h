/* words.h - keywords of the texts of kernels and programs: format, roles, statuses. */
#ifndef FV_IR_KERNEL_WORDS_H
#define FV_IR_KERNEL_WORDS_H

#include "ir/expr/expr.h"

#define FV_KERNEL_FORMAT 1   /* version of the text format */
#define FV_INLINE_BYTES  256 /* constants of a program with more bytes are in the side file */
#define FV_SIDE_ALIGN    64

const char *fv_role_text(fv_buf_role role); /* "work" */
const char *fv_status_word(int status);     /* "BAD_DIM" */
int fv_status_from_word(const char *text);  /* -1: unknown */

#endif
