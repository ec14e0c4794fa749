/* build.h - translates expressions and statements to bytecode; private to this folder. */
#ifndef FV_BACKEND_INTERP_BUILD_H
#define FV_BACKEND_INTERP_BUILD_H

#include "backend/interp/code.h"
#include "ir/base/ptrmap.h"

/* A growing array of bytes. */
typedef struct image {
    unsigned char *bytes;
    int n, cap;
} image;

/* Registers and slots of the variables and buffers of a kernel or program. */
typedef struct places {
    fv_ptrmap vars;    /* variable -> register */
    fv_ptrmap lets;    /* variable of a let -> its expression */
    fv_ptrmap bufs;    /* buffer -> slot */
    fv_ptrmap extents; /* parameter of a kernel -> registers of its extents */
} places;

typedef struct build {
    fv_arena *arena;
    const char *name; /* name of the kernel or program, for messages */
    bool by_hand;     /* whether the kernel was written by hand and not by a schedule */
    bool failed;      /* set after a diagnostic */
    insn *insns;
    int n, cap;
    uint32_t top, peak; /* next free byte of the register file; its largest value so far */
    image image;        /* bytes of the constants that are copied to each register file */
    places at;
    int nslots;
    struct {
        tile *all;
        int n, cap;
    } tiles; /* the memory of the kernel's tiles */
    /* builds statements of host programs; NULL for kernels */
    void (*host_stmt)(struct build *b, const fv_stmt *s);
    void *host;
} build;

void fv_i_build_init(build *b, fv_arena *a, const char *name);
void fv_i_fail(build *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Allocates a register for a value (fv_i_reg), or for n bytes. Setting `top` back to an earlier
 * value frees all registers that were allocated since. */
uint32_t fv_i_reg(build *b, fv_ktype type);
uint32_t fv_i_reg_bytes(build *b, uint32_t bytes, uint32_t align);
uint32_t fv_i_const(build *b, const void *value, uint32_t bytes);
uint32_t fv_i_const_int(build *b, int64_t value);
uint32_t fv_i_var(build *b, const fv_var *v);
void fv_i_set_var(build *b, const fv_var *v, uint32_t at);
int fv_i_slot(build *b, const fv_buf *buf);
int fv_i_new_slot(build *b, const fv_buf *buf);

insn *fv_i_emit(build *b, insn_fn fn);
/* Sets the target of the jump that is instruction number `jump` to instruction number `target`. */
void fv_i_aim(build *b, int jump, int target);

/* The register that holds the value of x. */
uint32_t fv_i_value(build *b, const fv_expr *x);
/* Computes x into register d. */
void fv_i_value_into(build *b, const fv_expr *x, uint32_t d);
/* Computes x into a register that is not shared with a constant. */
uint32_t fv_i_held(build *b, const fv_expr *x);
void fv_i_block(build *b, const fv_block *block);
/* fv_i_block without a scope: the variables of the block remain defined. */
void fv_i_statements(build *b, const fv_block *block);
/* The operand of a LOAD or STORE of `lanes` lanes, without mask. */
access *fv_i_access(build *b, const fv_buf *buf, fv_expr *const *index, int lanes);

/* Completes c: places constants after the registers and turns jumps into pointers. task: the number
 * of the first instruction of a task, or of the run of a host program. No code may be added
 * afterwards. */
void fv_i_finish(build *b, bytecode *c, int task);

#endif
