/* board.c - the boards for microcontrollers that QEMU emulates, and the files for them. */
#include "backend/c/board.h"

#include <string.h>

/* files of text/ */
extern const char *const fv_c_board_c_text;
extern const char *const fv_c_board_riscv_c_text;
extern const char *const fv_c_board_ld_text;

/* Addresses and sizes of a board's memories, for code and for data. The core of a board may be
 * another one than the target's, if it has the same instructions or more: a Cortex-M3 runs code for
 * a Cortex-M0, and a Cortex-M55 code for a Cortex-M85. */
#define LOW             "0x00000000", "4M", "0x20000000", "4M"
#define SECURE          "0x10000000", "4M", "0x38000000", "4M"
#define TIGHTLY_COUPLED "0x00000000", "512K", "0x31000000", "4M"
#define VIRTUAL         "0x80000000", "4M", "0x80400000", "4M", .riscv = true
static const fv_c_board boards[] = {
    {"cortex-m0", "mps2-an385", LOW},
    {"cortex-m0plus", "mps2-an385", LOW},
    {"cortex-m3", "mps2-an385", LOW},
    {"cortex-m4", "mps2-an386", LOW},
    {"cortex-m7", "mps2-an500", LOW},
    {"cortex-m33", "mps2-an505", SECURE},
    {"cortex-m55", "mps3-an547", TIGHTLY_COUPLED},
    {"cortex-m85", "mps3-an547", TIGHTLY_COUPLED},
    {"esp32c3", "virt", VIRTUAL},
    {"riscv32imac", "virt", VIRTUAL},
    {"riscv32imafc", "virt", VIRTUAL},
};
enum { BOARDS = sizeof boards / sizeof *boards };

const fv_c_board *fv_c_board_of(const fv_cg *g) {
    if (fv_c_weights_file(g))
        return NULL;
    for (int i = 0; i < BOARDS; i++)
        if (!strcmp(boards[i].target, g->p->target->entry))
            return &boards[i];
    return NULL;
}

void fv_c_add_board(fv_cg *g, fv_c_files *f, const fv_c_board *b) {
    fv_text code = {.arena = g->arena}, script = {.arena = g->arena};
    fv_c_fill(g, &code, b->riscv ? fv_c_board_riscv_c_text : fv_c_board_c_text, g->file, b->machine,
              NULL);
    fv_c_fill(g, &script, fv_c_board_ld_text, g->file, b->machine, b->code, b->code_bytes, b->data,
              b->data_bytes, NULL);
    fv_c_files_add(f, fv_printf(g->arena, "%s_board.c", g->file), code.s, code.n);
    fv_c_files_add(f, fv_printf(g->arena, "%s_board.ld", g->file), script.s, script.n);
}

const char *fv_c_board_command(fv_cg *g, const fv_c_board *b) {
    return fv_printf(g->arena,
                     "%s -M %s -display none -monitor none -serial none "
                     "-semihosting-config enable=on,target=native -kernel",
                     b->riscv ? "qemu-system-riscv32 -bios none" : "qemu-system-arm", b->machine);
}
