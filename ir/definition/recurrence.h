/* recurrence.h - values that are computed in steps: states, what a step computes from them, and the
 * results.
 *
 *   RNN over x: f32[T, n, m], with one layer of units
 *     along t < T
 *     state h[b, u] = h0[b, u]                                            before the first step
 *     step h[b, u] = tanh(x[t, b, u] + (sum k < m: before(h[b, k]) * r[u, k]))
 *     element y[t, b, u] = h[b, u]                                        in each step
 *     last y_h[b, u] = h[b, u]                                            after the last one
 *
 * Expressions are those of definitions. before(h[..]) is the state before the current step, h[..]
 * the one that this step has computed already: the steps of states run in their order. A state
 * without an initial value is an intermediate result for the states after it. Each index variable
 * is one axis of all states and elements in which it occurs. What does not depend on a state is not
 * part of the recurrence: here x is computed for all steps before.
 *
 * The indices of an element say where it is stored: exactly one of them depends on the step, and
 * takes each position of its axis once as the steps go from first to last. It is t, or T - 1 - t,
 * or select(c, p, q) of two such indices, where c does not depend on the step, or select(t < n, n -
 * 1 - t, t), which reverses the first n positions. */
#ifndef FV_IR_DEFINITION_RECURRENCE_H
#define FV_IR_DEFINITION_RECURRENCE_H

#include "ir/definition/definition.h"

enum { FV_MAX_STATES = 16 };

typedef struct fv_state {
    /* the values that represent the state after and before the step in expressions; before->now is
     * `now` */
    fv_value *now, *before;
    fv_expr *first; /* the value before the first step; NULL: there is none */
    fv_expr *step;
    int rank;
    fv_var **index; /* index variables of the state, all different */
} fv_state;

/* How one result of the op is computed: one of the lines `element` and `last` of the text. */
typedef struct fv_emission {
    const fv_value *value; /* the result of the op that the emission computes */
    /* whether the element is stored after the last step; if there are no steps, the initial state
     * is stored */
    bool last;
    /* the indices: variables of the recurrence, or 0 on an axis of one element; unless `last` is
     * set, one of them is computed from the step */
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
/* A state with these indices, of the arithmetic type of `e`; `first` may be NULL. The caller sets
 * its step. */
fv_state *fv_recurrence_state(fv_definer *d, fv_recurrence *r, const char *name, fv_elem e,
                              int rank, fv_var *const *index, fv_expr *first);
fv_expr *fv_state_load(fv_definer *d, const fv_value *now_or_before, fv_expr *const *index);
/* Sets the expression of result `out` in each step; ignored if the op does not have that result.
 * fv_recurrence_last sets the expression after the last step. */
void fv_recurrence_element(fv_definer *d, fv_recurrence *r, int out, fv_expr *const *at,
                           fv_expr *x);
void fv_recurrence_last(fv_definer *d, fv_recurrence *r, int out, fv_expr *const *at, fv_expr *x);

/* ---- for passes and for steps of lowering ---- */

/* The recurrence of an op that has .recur; NULL after a diagnostic. */
fv_recurrence *fv_recur(fv_arena *a, fv_op *op) FV_MUST_USE;
/* Replaces every expression x of r, one after the other, by with(user, x). */
void fv_recurrence_rewrite(fv_recurrence *r, fv_expr *(*with)(void *user, fv_expr *x), void *user);
/* The axis of an emission whose index depends on the step; -1: there is none. */
int fv_emission_axis(const fv_recurrence *r, const fv_emission *e);
/* Does the index x take each position of its axis once, as the steps go from first to last? */
bool fv_goes_through(const fv_recurrence *r, const fv_expr *x) FV_MUST_USE;

#endif
