/* program_print.h - host programs as text, and the side file of their constants. */
#ifndef FV_IR_KERNEL_PROGRAM_PRINT_H
#define FV_IR_KERNEL_PROGRAM_PRINT_H

#include <stdio.h>

#include "ir/base/text.h"
#include "ir/kernel/program.h"

/* all: ports, plan, body, kernels, constants by name */
void fv_program_print(fv_text *t, const fv_program *p);
/* the larger constants, too: nothing lies beside it */
void fv_program_print_whole(fv_text *t, const fv_program *p);

/* Are there constants that fv_program_print leaves to the side file? */
bool fv_program_has_side(const fv_program *p) FV_MUST_USE;
/* Writes the constants that the text does not hold; false where writing fails. */
bool fv_program_write_side(const fv_program *p, FILE *f) FV_MUST_USE;

/* Is the statement that allocates the buffer where the text declares it: the only one, and in no
 * block? */
bool fv_program_declares(const fv_program *p, const fv_buf *buf) FV_MUST_USE;

#endif
