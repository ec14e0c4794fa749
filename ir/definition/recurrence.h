/* recurrence.h - values that are made step by step: a state, what a step makes of it, and what it
 * leaves behind.
 *
 *   RNN over x: f32[T, n, m], with one layer of units
 *     along t < T
 *     state h[b, u] = h0[b, u]                                            before the first step
 *     step h[b, u] = tanh(x[t, b, u] + (sum k < m: before(h[b, k]) * r[u, k]))
 *     element y[t, b, u] = h[b, u]                                        in each step
 *     last y_h[b, u] = h[b, u]                                            after the last one
 *
 * Expressions are those of definitions. before(h[..]) is the state before the step, h[..] the one
 * that the step has made by then: steps are taken in their order. A state without a first value is
 * what a step makes for those below it. Each index variable is one axis of all states and elements
 * in which it stands. What does not depend on a state is no part of it: x is made before, for all
 * steps at once.
 *
 * An element is stored where its indices say: one of them, and no other, depends on the step, and
 * goes through the whole axis as the steps do. It is t or T - 1 - t; or select(c, p, q) of two such
 * ones, where c does not depend on the step; or select(t < n, n - 1 - t, t), which turns the first
 * n of them round. */
#ifndef FV_IR_DEFINITION_RECURRENCE_H
#define FV_IR_DEFINITION_RECURRENCE_H

#include "ir/definition/definition.h"

enum { FV_MAX_STATES = 16 };

typedef struct fv_state {
    fv_value *now, *before; /* as loads in expressions name them; before->now is `now` */
    fv_expr *first;         /* NULL: it has no value before a step */
    fv_expr *step;
    int rank;
    fv_var **index; /* variables of the recurrence, each once */
} fv_state;

typedef struct fv_emission {
    const fv_value *value; /* a result of the op */
    bool last;             /* after the last step; before the first one, where there is none */
    /* an index for each axis: variables of the recurrence, and what depends on the step */
    fv_expr **at;
    fv_expr *x;
} fv_emission;

typedef struct fv_recurrence {
    fv_op *op;
    fv_var *t;
    int nvars, cap_vars;
    fv_var **vars;
    int nstates, nelements;
    fv_state states[FV_MAX_STATES];
    fv_emission elements[FV_MAX_OUT];
} fv_recurrence;

/* ---- for .recur functions ---- */

fv_var *fv_recurrence_index(fv_definer *d, fv_recurrence *r, const char *name,
                            const fv_dim *extent);
/* A state over these indices, of the type that arithmetic on `e` is done in; `first` may be NULL.
 * Its step is to be set. */
fv_state *fv_recurrence_state(fv_definer *d, fv_recurrence *r, const char *name, fv_elem e,
                              int rank, fv_var *const *index, fv_expr *first);
fv_expr *fv_state_load(fv_definer *d, const fv_value *now_or_before, fv_expr *const *index);
/* Of result `out`, which is left out where the op has it not. */
void fv_recurrence_element(fv_definer *d, fv_recurrence *r, int out, fv_expr *const *at,
                           fv_expr *x);
void fv_recurrence_last(fv_definer *d, fv_recurrence *r, int out, fv_expr *const *at, fv_expr *x);

/* ---- */

/* The recurrence of an op that has .recur; NULL: after a diagnostic. */
fv_recurrence *fv_recur(fv_arena *a, fv_op *op) FV_MUST_USE;
/* Every expression of r, one after the other: `with` gives what it becomes. */
void fv_recurrence_rewrite(fv_recurrence *r, fv_expr *(*with)(void *user, fv_expr *x), void *user);
/* Which axis of an element depends on the step; -1: none. */
int fv_emission_axis(const fv_recurrence *r, const fv_emission *e);
/* Does that index go through all of its axis, each place once, as the steps go from 0 to the
 * last? */
bool fv_goes_through(const fv_recurrence *r, const fv_expr *x) FV_MUST_USE;

#endif
