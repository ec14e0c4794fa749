/* words.h - keywords in the texts of kernels and programs: format, roles, statuses. */
#ifndef FV_IR_KERNEL_WORDS_H
#define FV_IR_KERNEL_WORDS_H

#include "ir/expr/expr.h"

#define FV_KERNEL_FORMAT 1 /* version of the text format of kernels and programs */
/* constants with more bytes than this are stored in the side file of a program */
#define FV_INLINE_BYTES 256
#define FV_SIDE_ALIGN   64

const char *fv_role_text(fv_buf_role role); /* the word for a role, such as "work" */
const char *fv_status_word(int status);     /* the word for a status, such as "BAD_DIM" */
int fv_status_from_word(const char *text);  /* the status for a word; -1: it is unknown */

#endif
