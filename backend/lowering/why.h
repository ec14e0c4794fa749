/* why.h - reasons: the decisions of lowering about each value and the conditions that led to them,
 * recorded where they are taken.
 *
 *     if (users > FV_GROUPED_USERS)
 *         return fv_declines(l, v, FV_WHY_too_many_uses, fv_n(users), fv_n(FV_GROUPED_USERS));
 *
 * why.def is the table of all reasons. Each reason is recorded with facts, one for each {name} of
 * its sentence. Reasons are recorded only if the options request it. */
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
    const char *sentence;  /* contains {name} for each fact */
    const char *condition; /* the condition that held */
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

/* ---- reasons ---- */

enum { FV_MAX_FACTS = 5 };
typedef struct fv_reason {
    fv_why why;
    const fv_value *about;
    fv_fact facts[FV_MAX_FACTS];
    /* index in `all` of the previous reason about the same value, until fv_reasons_end; -1: there
     * is none */
    int before;
    bool dropped;
} fv_reason;

/* A launch of the program. */
typedef struct fv_reason_launch {
    const fv_kernel *kernel;
    /* the value that the launch computes; for an op with custom kernels, and for a group, the first
     * result */
    const fv_value *made;
    /* the group all of whose results the launch computes; NULL: it computes `made` only */
    const fv_op *group;
} fv_reason_launch;

typedef struct fv_reasons {
    fv_arena *arena;
    fv_module *module;
    /* the module was read as text after this step of lowering, so earlier steps have no reasons;
     * NULL: all steps were done */
    const char *after;
    /* the reasons in the order in which they were recorded, without those that were dropped */
    fv_reason *all;
    int n, cap;
    fv_ptrmap last;  /* value -> 1 + the index of its last reason, until fv_reasons_end */
    fv_ptrmap moved; /* op -> the op to which its results were moved */
    fv_reason_launch *launches;
    int nlaunches, cap_launches;
} fv_reasons;

/* The value that a launch computes; for an op with custom kernels the first result. NULL: its op
 * has no results. */
const fv_value *fv_launch_value(const fv_launch *n);

/* Record a decision about a value, with a fact for each {name} of the sentence. A reason that was
 * recorded already is not repeated. */
/* records that a change is made for `about`, and returns true */
bool fv_takes(fv_lowerer *l, const fv_value *about, fv_why why, ...);
/* records that a change is declined for `about`, and returns false */
bool fv_declines(fv_lowerer *l, const fv_value *about, fv_why why, ...);

/* For decisions that are tried first. fv_why_mark returns a mark. fv_why_settle keeps those of the
 * reasons recorded since the mark that agree with the outcome `taken`, drops the others, and
 * returns `taken`. */
int fv_why_mark(const fv_lowerer *l);
bool fv_why_settle(fv_lowerer *l, int mark, bool taken);
/* like fv_why_settle, for the reasons recorded from `mark` to before `end` */
void fv_why_settle_between(fv_lowerer *l, int mark, int end, bool taken);

/* Drops the reasons `why` that were recorded since the mark. */
void fv_why_drop(fv_lowerer *l, int mark, fv_why why);
/* Has a reason of the step `step` been recorded for v? */
bool fv_why_has(const fv_lowerer *l, const fv_value *v, const char *step) FV_MUST_USE;

/* Records that v becomes a result of op `to`, to which reasons about the op that computed v belong
 * from now on. */
void fv_why_moves(fv_lowerer *l, const fv_value *v, fv_op *to);
/* The op that has the results of `op` now; it may be `op` itself. */
const fv_op *fv_reasons_op(const fv_reasons *r, const fv_op *op);

/* fv_reasons_begin is called before the first step of lowering, fv_reasons_end when the launches
 * are known. */
void fv_reasons_begin(fv_lowerer *l);
void fv_reasons_end(fv_lowerer *l);

/* ---- reasons as text ---- */

/* The sentence with its facts; names are those of the model. */
const char *fv_reason_str(fv_arena *a, const fv_reason *r);
/* The name of the i-th fact in the sentence; NULL: there are no more. */
const char *fv_reason_fact(fv_arena *a, const fv_reason *r, int i);
/* The name of a value, or of the node from which an op was made; NULL: the fact is neither. */
const char *fv_fact_name(const fv_fact *f);
/* The text of a fact. */
const char *fv_fact_str(fv_arena *a, const fv_fact *f);

#endif
