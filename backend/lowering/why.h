/* why.h - reasons: what lowering decided for each value, and why, recorded where it is decided.
 *
 *     if (users > MAX_SHARED)
 *         return fv_declines(l, v, FV_WHY_too_many_uses, fv_n(users), fv_n(MAX_SHARED));
 *
 * why.def is the table of all reasons. What the condition saw comes along as facts, one for each
 * {name} of the sentence there. Nothing is recorded but where the options ask for it. */
#ifndef FV_BACKEND_LOWERING_WHY_H
#define FV_BACKEND_LOWERING_WHY_H

#include "backend/lowering/lowering.h"
#include "ir/base/text.h"

typedef enum fv_why {
    FV_WHY_none,
#define WHY(id, step, verdict, sentence, condition) FV_WHY_##id,
#include "backend/lowering/why.def"
#undef WHY
    FV_NWHYS
} fv_why;

typedef enum fv_verdict { FV_TAKEN, FV_DECLINED } fv_verdict;

typedef struct fv_why_info {
    const char *name, *step;
    fv_verdict verdict;
    const char *sentence;  /* with {name} where a fact stands */
    const char *condition; /* that held */
} fv_why_info;
const fv_why_info *fv_why_info_of(fv_why why);

/* ---- facts ---- */

typedef enum { FV_FACT_NUMBER, FV_FACT_TEXT, FV_FACT_DIM, FV_FACT_VALUE, FV_FACT_OP } fv_fact_kind;
typedef struct fv_fact {
    fv_fact_kind kind;
    union {
        int64_t n;
        const char *text;
        const fv_dim *dim;
        const fv_value *value;
        const fv_op *op;
    } u;
} fv_fact;

static inline fv_fact fv_n(int64_t n) {
    return (fv_fact){FV_FACT_NUMBER, {.n = n}};
}
static inline fv_fact fv_s(const char *text) {
    return (fv_fact){FV_FACT_TEXT, {.text = text}};
}
static inline fv_fact fv_d(const fv_dim *dim) {
    return (fv_fact){FV_FACT_DIM, {.dim = dim}};
}
static inline fv_fact fv_v(const fv_value *v) {
    return (fv_fact){FV_FACT_VALUE, {.value = v}};
}
static inline fv_fact fv_o(const fv_op *op) {
    return (fv_fact){FV_FACT_OP, {.op = op}};
}

/* ---- what was decided ---- */

enum { FV_MAX_FACTS = 5 };
typedef struct fv_reason {
    fv_why why;
    const fv_value *about;
    fv_fact facts[FV_MAX_FACTS];
    int before; /* the one before about the same value, in `all`; -1: none */
    bool dropped;
} fv_reason;

/* A launch of the program, in their order. */
typedef struct fv_reason_launch {
    const fv_kernel *kernel;
    /* what it is for; of an op with its own kernels, and of a group, its first result */
    const fv_value *made;
    const fv_op *group; /* of which it makes all results; NULL: it makes that one */
} fv_reason_launch;

typedef struct fv_reasons {
    fv_arena *arena; /* the program's */
    fv_module *module;
    /* steps up to this one were done before the module was read: of those there is nothing; NULL:
     * none */
    const char *after;
    /* in the order in which they were taken; without those that are dropped */
    fv_reason *all;
    int n, cap;
    fv_ptrmap last;  /* value -> 1 + its last reason */
    fv_ptrmap moved; /* op -> the one that gives a result of it by now */
    fv_reason_launch *launches;
    int nlaunches, cap_launches;
} fv_reasons;

/* What a launch is for; of an op with its own kernels the first result. */
const fv_value *fv_launch_value(const fv_launch *n);

/* Record a decision about a value, with a fact for each place in the sentence; once, however often
 * it is said. */
bool fv_takes(fv_lowerer *l, const fv_value *about, fv_why why, ...);    /* true */
bool fv_declines(fv_lowerer *l, const fv_value *about, fv_why why, ...); /* false */

/* What is tried before it is decided: of what was recorded since the mark only that stays which
 * speaks for the outcome. Returns `taken`. */
int fv_why_mark(const fv_lowerer *l);
bool fv_why_settle(fv_lowerer *l, int mark, bool taken);

/* ... and none of that reason. */
void fv_why_drop(fv_lowerer *l, int mark, fv_why why);
/* Has that step said something about v? */
bool fv_why_told(const fv_lowerer *l, const fv_value *v, const char *step) FV_MUST_USE;

/* v becomes a result of that op. */
void fv_why_moves(fv_lowerer *l, const fv_value *v, fv_op *to);
/* The op that gives results of op by now; itself. */
const fv_op *fv_reasons_op(const fv_reasons *r, const fv_op *op);

/* Before the first step, and when the launches are known. */
void fv_reasons_begin(fv_lowerer *l);
void fv_reasons_end(fv_lowerer *l);

/* ---- telling them ---- */

/* The sentence with its facts; names are as the model has them. */
const char *fv_reason_str(fv_arena *a, const fv_reason *r);
/* The i-th fact: its name, as text; NULL: there are no more. */
const char *fv_reason_fact(fv_arena *a, const fv_reason *r, int i);
/* Of a value, or of the node that an operator is from; NULL: it is neither. */
const char *fv_fact_name(const fv_fact *f);
/* A fact as text. */
const char *fv_fact_str(fv_arena *a, const fv_fact *f);

#endif
