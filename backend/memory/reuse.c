/* reuse.c - stores values in the memory of other values.
 *
 * A result takes the memory of an operand that is not used afterwards, if its kernel reads each
 * element before it writes there. The same holds for two results of one kernel, of which one is
 * read by this kernel only. A value that becomes the state of a loop is computed in the memory of
 * the state, if the old state is not needed any more, or if the kernel may overwrite it. */
#include "backend/memory/reuse.h"

#include <string.h>

#include "backend/lowering/branches.h"
#include "backend/lowering/storage.h"
#include "backend/lowering/why.h"
#include "ir/definition/definitions.h"
#include "ir/graph/graph.h"
#include "ir/kernel/reuse.h"

static fv_storage *root_of(fv_lowerer *l, const fv_value *v) {
    return fv_storage_root(fv_storage_of(l, v));
}

/* Is s the memory of exactly one parameter of the launch? */
static bool is_once(fv_lowerer *l, const fv_launch *n, const fv_storage *s) {
    int found = 0;
    for (int i = 0; i < n->nargs; i++)
        found += root_of(l, n->args[i]) == s;
    return found == 1;
}

static bool is_returned(fv_lowerer *l, const fv_storage *s) {
    const fv_op *ret = l->func->body->last;
    for (int i = 0; i < ret->nin; i++)
        if (root_of(l, ret->in[i]) == s)
            return true;
    return false;
}

/* Are the sizes known when the first of the two is written? If they depend on data, they must have
 * the same dims. */
static bool same_dims(const fv_type *x, const fv_type *y) {
    if (!fv_any_from_data(x->rank, x->dims) && !fv_any_from_data(y->rank, y->dims))
        return true;
    return x->rank == y->rank && !memcmp(x->dims, y->dims, (size_t)x->rank * sizeof *x->dims);
}

/* The value about which reasons are recorded: for a group, the result that parameter `to` is. */
static const fv_value *reported_value(const fv_launch *n, int to) {
    bool group = n->made && fv_is_group(n->op);
    return group && n->args[to]->def == n->op ? n->args[to] : fv_launch_value(n);
}

static bool can_go_over(fv_lowerer *l, int step, const fv_value *made, const fv_storage *x,
                        const fv_storage *y) {
    const fv_launch *n = &l->host.steps[step].launch;
    const fv_fact operand = fv_v(x->value);
    if (x == y)
        return false;
    if (x->value->kind != FV_VALUE_RESULT)
        return fv_declines(l, made, FV_WHY_place_given, operand);
    if (x->last != step)
        return fv_declines(l, made, FV_WHY_place_needed, operand);
    if (y->first != step)
        return fv_declines(l, made, FV_WHY_place_begun, operand);
    if (!is_once(l, n, x) || !is_once(l, n, y))
        return fv_declines(l, made, FV_WHY_place_twice, operand);
    if (is_returned(l, x))
        return fv_declines(l, made, FV_WHY_place_returned, operand);
    if (fv_has_late_dims(x->value) && is_returned(l, y))
        return fv_declines(l, made, FV_WHY_place_late, operand);
    return same_dims(x->value->type, y->value->type) ||
           fv_declines(l, made, FV_WHY_place_dims, operand);
}

/* Is the kernel, which is about to change, launched by this step only? */
static bool is_own_kernel(const fv_lowerer *l, int step) {
    for (int i = 0; i < l->host.nsteps; i++)
        if (i != step && l->host.steps[i].kind == FV_STEP_LAUNCH &&
            l->host.steps[i].launch.kernel == l->host.steps[step].launch.kernel)
            return false;
    return true;
}

static void forget_arg(fv_launch *n, int i, fv_arena *a) {
    fv_value **args = FV_NEW(a, fv_value *, n->nargs);
    memcpy(args, n->args, (size_t)i * sizeof *args);
    memcpy(args + i, n->args + i + 1, (size_t)(n->nargs - i - 1) * sizeof *args);
    n->args = args;
    n->nargs--;
}

/* Do parameters `from` and `to` have the same type and extents, and is `from` an operand, or a
 * result that only this kernel reads? */
static bool is_candidate(fv_lowerer *l, int step, int from, int to) {
    const fv_launch *n = &l->host.steps[step].launch;
    if (!fv_kernel_alike(n->kernel, from, to))
        return false;
    const fv_storage *x = root_of(l, n->args[from]);
    return n->kernel->bufs[from]->role == FV_BUF_IN || (x->last == step && !is_returned(l, x));
}

/* Stores parameter `to` of the launch, y, in the memory of parameter `from`, x. The memory then
 * belongs to y, and x becomes a view of it. Returns false if that is not possible. */
static bool put_over(fv_lowerer *l, int step, int from, int to) {
    fv_launch *n = &l->host.steps[step].launch;
    fv_storage *x = root_of(l, n->args[from]), *y = root_of(l, n->args[to]);
    const fv_value *about = reported_value(n, to);
    if (!is_candidate(l, step, from, to) || !can_go_over(l, step, about, x, y) ||
        !is_own_kernel(l, step))
        return false;
    if (!fv_kernel_reuse(n->kernel, from, to))
        return fv_declines(l, about, FV_WHY_place_overlap, fv_v(x->value));
    fv_takes(l, about, FV_WHY_in_place, fv_v(x->value));
    forget_arg(n, from, l->arena);
    x->fate = FV_FATE_VIEW;
    x->of = y;
    y->first = x->first;
    y->over = x;
    fv_schedule *how = FV_NEW(l->arena, fv_schedule, 1);
    *how = *n->kernel->schedule;
    fv_schedule_set(how, FV_PARAMETER_in_place, true);
    n->kernel->schedule = how;
    return true;
}

/* Does the launch have no operand whose memory a result could take? */
static bool has_no_candidate(fv_lowerer *l, int step) {
    int n = l->host.steps[step].launch.nargs;
    for (int to = 0; to < n; to++)
        for (int from = 0; from < n; from++)
            if (is_candidate(l, step, from, to))
                return false;
    return true;
}

/* ---- states of loops ---- */

/* Is v stored in the memory of a state of a loop, where it must stay? */
static bool is_state(fv_lowerer *l, const fv_value *v) {
    const fv_op *gives = root_of(l, v)->value->def;
    return gives && gives->def == &fv_endloop_def;
}

/* The copy that makes a state of a loop from a value; NULL: the step is not such a copy. */
static const fv_launch *state_copy(fv_lowerer *l, const fv_step *s) {
    const fv_launch *n = &s->launch;
    bool copies =
        s->kind == FV_STEP_LAUNCH && n->made && fv_op_is(n->op, FV_OP_fv_Copy) && n->nargs == 2;
    return copies && is_state(l, n->made) ? n : NULL;
}

static bool touches(fv_lowerer *l, const fv_step *s, const fv_storage *memory) {
    int n;
    fv_value *const *values = fv_step_values(s, &n);
    for (int i = 0; i < n; i++)
        if (root_of(l, values[i]) == memory)
            return true;
    return false;
}

static int parameter_in(fv_lowerer *l, const fv_launch *n, const fv_storage *memory) {
    int i = 0;
    while (i < n->nargs && root_of(l, n->args[i]) != memory)
        i++;
    return i;
}

/* Lets the kernel that computes x, and that reads the state, store x in the memory of the state.
 * False, and nothing is changed: that is not possible. */
static bool makes_in_place(fv_lowerer *l, int step, fv_storage *state, fv_storage *x) {
    fv_launch *n = &l->host.steps[step].launch;
    if (l->host.steps[step].kind != FV_STEP_LAUNCH || n->args_odd || !is_once(l, n, state) ||
        !is_once(l, n, x))
        return false;
    int from = parameter_in(l, n, state), to = parameter_in(l, n, x);
    if (n->kernel->bufs[from]->role != FV_BUF_IN || !fv_kernel_alike(n->kernel, from, to) ||
        !is_own_kernel(l, step) || !fv_kernel_reuse(n->kernel, from, to))
        return false;
    forget_arg(n, from, l->arena);
    return true;
}

static bool is_laid_out_alike(fv_lowerer *l, const fv_launch *copy) {
    for (int i = 0; i < copy->nargs; i++)
        for (const fv_storage *s = fv_storage_of(l, copy->args[i]); s;
             s = s->fate == FV_FATE_VIEW ? s->of : NULL)
            if (s->inner >= 0)
                return false;
    return true;
}

/* Do the types have the same number of elements, by what is known before the run? An iteration
 * checks dims of a state only after computing it. */
static bool are_as_many(fv_lowerer *l, const fv_type *x, const fv_type *y) {
    fv_dims *t = l->module->dims;
    return fv_module_equal(l->module, fv_dim_product(t, x->rank, x->dims),
                           fv_dim_product(t, y->rank, y->dims));
}

/* Can x be computed in the memory of the state, so that the copy that `step` launches can be
 * omitted? x must have the dims and the layout of the state, and be neither returned nor read after
 * the copy; nothing may use the state between the computation of x and the copy. Changes the kernel
 * that computes x if it reads the state. */
static bool can_be_state(fv_lowerer *l, int step, fv_storage *x, fv_storage *state) {
    const fv_launch *copy = &l->host.steps[step].launch;
    const fv_value *about = copy->made;
    const fv_fact operand = fv_v(x->value);
    if (x == state || x->value->kind != FV_VALUE_RESULT)
        return fv_declines(l, about, FV_WHY_place_given, operand);
    /* if the size depends on data, each branch allocates it */
    if (x->value->def->def == &fv_endif_def)
        return fv_declines(l, about, FV_WHY_place_branches, operand);
    if (x->last != step)
        return fv_declines(l, about, FV_WHY_place_needed, operand);
    if (is_returned(l, x))
        return fv_declines(l, about, FV_WHY_place_returned, operand);
    if (!same_dims(x->value->type, state->value->type) ||
        !are_as_many(l, x->value->type, state->value->type) || !is_laid_out_alike(l, copy))
        return fv_declines(l, about, FV_WHY_place_dims, operand);
    for (int i = x->first + 1; i < step; i++)
        if (touches(l, &l->host.steps[i], state))
            return fv_declines(l, about, FV_WHY_place_state, operand);
    return !touches(l, &l->host.steps[x->first], state) || makes_in_place(l, x->first, state, x) ||
           fv_declines(l, about, FV_WHY_place_overlap, operand);
}

bool fv_spare_copy(fv_lowerer *l) {
    for (int i = 0; i < l->host.nsteps; i++) {
        const fv_launch *n = state_copy(l, &l->host.steps[i]);
        fv_storage *state = n ? root_of(l, n->made) : NULL,
                   *x = n ? root_of(l, n->args[n->args[0] == n->made]) : NULL;
        if (!n || !can_be_state(l, i, x, state))
            continue;
        fv_takes(l, x->value, FV_WHY_in_state, fv_v(state->value));
        x->fate = FV_FATE_VIEW;
        x->of = state;
        memmove(&l->host.steps[i], &l->host.steps[i + 1],
                (size_t)(l->host.nsteps - i - 1) * sizeof *l->host.steps);
        l->host.nsteps--;
        return true;
    }
    return false;
}

/* ---- results ---- */

/* Stores results of the launch over its operands. Returns whether there is such a result. */
static bool reuse_operands(fv_lowerer *l, int step) {
    const fv_launch *n = &l->host.steps[step].launch;
    bool any = false;
    if (!fv_launch_value(n)) /* it sends its operand */
        return false;
    if (is_state(l, fv_launch_value(n))) {
        /* a copy of a constant has no operand whose memory the state could take, so put_over
         * is not called, and records no reason */
        if (fv_op_is(n->op, FV_OP_fv_Copy) && n->nargs == 1)
            fv_declines(l, fv_launch_value(n), FV_WHY_place_unlike);
        return false;
    }
    if (l->reasons && has_no_candidate(l, step))
        fv_declines(l, fv_launch_value(n), FV_WHY_place_unlike);
    for (int to = 0; to < n->nargs; to++)
        for (int from = 0; from < n->nargs; from++)
            if (put_over(l, step, from, to)) {
                any = true;
                to = -1; /* parameters have new numbers, so start again */
                break;
            }
    return any;
}

/* An operator with custom kernels has several launches, and others may be between them. If one of
 * them stores a result over an operand, the reasons why others do not are dropped. */
void fv_reuse_memory(fv_lowerer *l) {
    fv_ptrmap taken = fv_ptrmap_in(l->exprs);
    int *marks = FV_NEW(l->exprs, int, l->host.nsteps + 1);
    for (int i = 0; i < l->host.nsteps; i++) {
        const fv_step *s = &l->host.steps[i];
        marks[i] = fv_why_mark(l);
        if (s->kind == FV_STEP_LAUNCH && reuse_operands(l, i))
            *fv_ptrmap_at(&taken, fv_launch_value(&s->launch)) = &marks[i];
    }
    marks[l->host.nsteps] = fv_why_mark(l);
    for (int i = 0; i < l->host.nsteps; i++) {
        const fv_step *s = &l->host.steps[i];
        if (s->kind == FV_STEP_LAUNCH && fv_launch_value(&s->launch) &&
            fv_ptrmap_get(&taken, fv_launch_value(&s->launch)))
            fv_why_settle_between(l, marks[i], marks[i + 1], true);
    }
}
