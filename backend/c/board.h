/* board.h - files that let the self-test of a folder run on a board without an operating system. */
#ifndef FV_BACKEND_C_BOARD_H
#define FV_BACKEND_C_BOARD_H

#include "backend/c/internal.h"

/* A board that QEMU emulates: its memory for code and weights, and for data. */
typedef struct fv_c_board {
    const char *target;  /* the name of the target's entry */
    const char *machine; /* the name by which QEMU knows the board */
    const char *code, *code_bytes, *data, *data_bytes;
    bool riscv; /* the processor is of that architecture; else of Arm's */
} fv_c_board;

/* The board on which code for the target runs. NULL: none is known, or weights are read from a
 * file, which needs an operating system. */
const fv_c_board *fv_c_board_of(const fv_cg *g);
/* Adds start code with the self-test's main function, and the script for the linker. */
void fv_c_add_board(fv_cg *g, fv_c_files *f, const fv_c_board *b);
/* The command that runs a program on the board. */
const char *fv_c_board_command(fv_cg *g, const fv_c_board *b);

#endif
