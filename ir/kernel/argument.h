/* argument.h - the arguments of a model's entry points, which host programs read (READ). */
#ifndef FV_IR_KERNEL_ARGUMENT_H
#define FV_IR_KERNEL_ARGUMENT_H

#include "ir/expr/expr.h"

typedef enum {
    /* the arguments of a run */
    FV_ARG_DIMS,
    FV_ARG_INPUTS,
    FV_ARG_OUTPUTS,
    FV_ARG_ACTUAL,
    FV_ARG_WORKSPACE,
    FV_ARG_BYTES,
    FV_ARG_ENV,
    FV_ARG_WEIGHTS, /* the first words of the file env.weights */
    FV_ARG_CPU,     /* bool: whether the CPU has the features of the target */
    FV_ARG_MOST,    /* the number of bytes that the machine can address */
    /* the number of ranks of env.communicator; 0: it is NULL, or does not have all members */
    FV_ARG_RANKS,
    FV_ARGS
} fv_argument;

typedef enum {
    FV_READ_VALUE,
    FV_READ_GIVEN,   /* bool: whether the pointer is not NULL */
    FV_READ_ALIGNED, /* bool: whether the pointer is not NULL and a multiple of `align` */
    /* OUTPUTS, bool: whether the pointer is NULL, or equal to that of the input whose state it
     * is */
    FV_READ_SAME
} fv_read_how;

enum {
#define ENV(id, name, kind) FV_ENV_##id,
#include "ir/kernel/env.def"
#undef ENV
    FV_ENV_MEMBERS
};

typedef struct fv_read {
    uint8_t how, of; /* an fv_read_how; an fv_argument */
    /* number of the dim, input or output; ACTUAL: number of the output; ENV: number of the member;
     * WEIGHTS: number of the word; -1: the argument itself */
    int at;
    int align;
} fv_read;

/* The type of the value: i64, u64 for sizes and words, bool. */
fv_ktype fv_read_ktype(const fv_read *r);
/* The bounds of the value before it is checked. */
void fv_read_bounds(const fv_read *r, int64_t *lo, int64_t *hi);
bool fv_read_equal(const fv_read *a, const fv_read *b) FV_MUST_USE;

const char *fv_argument_text(fv_argument of); /* the name of the argument, such as "dims" */
/* the argument of that name; FV_ARGS: there is none */
fv_argument fv_argument_from_text(const char *text);
/* the word for the way of reading, such as "given"; "" for VALUE */
const char *fv_read_how_text(fv_read_how how);
const char *fv_env_text(int member);    /* the name of the member of fv_env, such as "alloc" */
int fv_env_from_text(const char *text); /* the member of that name; -1: there is none */
bool fv_env_is_pointer(int member) FV_MUST_USE;

#endif
