/* program_print.h - prints host programs, and writes the side file of their constants. */
#ifndef FV_IR_KERNEL_PROGRAM_PRINT_H
#define FV_IR_KERNEL_PROGRAM_PRINT_H

#include <stdio.h>

#include "ir/base/text.h"
#include "ir/kernel/program.h"

/* Prints the whole program: ports, plan, body, kernels, and constants, whose data are left to the
 * side file if they are large. */
void fv_program_print(fv_text *t, const fv_program *p);
/* fv_program_print with the data of all constants in the text. */
void fv_program_print_whole(fv_text *t, const fv_program *p);

/* Prints the program without the elements of its constants, the name of the program and the hash of
 * the model: two expanded programs with equal layouts have the same code, if code does not depend
 * on the elements (fv_program_memory.is_replaceable). The text cannot be parsed. */
void fv_program_print_layout(fv_text *t, const fv_program *p);

/* Does fv_program_print leave data of constants to a side file? */
bool fv_program_has_side(const fv_program *p) FV_MUST_USE;
/* Writes the side file; false if writing fails. */
bool fv_program_write_side(const fv_program *p, FILE *f) FV_MUST_USE;

#endif
