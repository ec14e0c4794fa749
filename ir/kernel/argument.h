/* argument.h - the arguments of a model's entry points, which host programs read (READ). */
#ifndef FV_IR_KERNEL_ARGUMENT_H
#define FV_IR_KERNEL_ARGUMENT_H

#include "ir/expr/expr.h"

typedef enum {
    /* arguments of a run */
    FV_ARG_DIMS,
    FV_ARG_INPUTS,
    FV_ARG_OUTPUTS,
    FV_ARG_ACTUAL,
    FV_ARG_WORKSPACE,
    FV_ARG_BYTES,
    FV_ARG_ENV,
    FV_ARG_WEIGHTS, /* the first words of the file env.weights */
    FV_ARG_CPU,     /* does the CPU have what the target needs? */
    FV_ARG_MOST,    /* bytes that the machine can address */
    FV_ARGS
} fv_argument;

typedef enum {
    FV_READ_VALUE,
    FV_READ_GIVEN,   /* bool: is the pointer not NULL? */
    FV_READ_ALIGNED, /* bool: is it not NULL and a multiple of `align`? */
    FV_READ_SAME     /* OUTPUTS, bool: is it NULL, or the input whose state it is? */
} fv_read_how;

enum {
#define ENV(id, name, kind) FV_ENV_##id,
#include "ir/kernel/env.def"
#undef ENV
    FV_ENV_MEMBERS
};

typedef struct fv_read {
    uint8_t how, of; /* fv_read_how, fv_argument */
    /* number of the dim, input or output; ACTUAL: of the output; ENV: the member; WEIGHTS: the
     * word; -1: the argument itself */
    int at;
    int align;
} fv_read;

/* The type of the value: i64, u64 for sizes and words, bool. */
fv_ktype fv_read_ktype(const fv_read *r);
/* The bounds of the value before it is checked. */
void fv_read_bounds(const fv_read *r, int64_t *lo, int64_t *hi);
bool fv_read_equal(const fv_read *a, const fv_read *b) FV_MUST_USE;

const char *fv_argument_text(fv_argument of);        /* "dims" */
fv_argument fv_argument_from_text(const char *text); /* FV_ARGS: there is none */
const char *fv_read_how_text(fv_read_how how);       /* "given"; "" for VALUE */
const char *fv_env_text(int member);                 /* "alloc" */
int fv_env_from_text(const char *text);              /* -1: there is none */
bool fv_env_is_pointer(int member) FV_MUST_USE;

#endif
