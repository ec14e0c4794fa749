/* definitions_verify.c - what is legal between two steps of lowering. */
#include "ir/definition/definitions_verify.h"

#include <stdio.h>
#include <string.h>

#include "ir/base/limits.h"
#include "ir/base/ptrmap.h"
#include "ir/catalogue/op.h"
#include "ir/definition/inside.h"
#include "ir/dim/text.h"
#include "ir/expr/check.h"
#include "ir/graph/bounds.h"
#include "ir/kernel/printer.h"

enum { ENOUGH = 8, SETS = 64 }; /* messages; variables of one definition whose scopes are seen to */

typedef struct verifier {
    fv_module *m;
    fv_session *session;
    const fv_definitions *d;
    fv_arena *a;
    fv_ptrmap defined; /* value -> its fv_defined */
    fv_ptrmap parts;   /* value that is assembled -> how many elements its parts have */
    fv_ptrmap made;    /* value that is made above what is looked at -> itself */
    const fv_defined *at;
    fv_ptrmap free;    /* node -> set of the variables of reductions that are free in it */
    const fv_var *vars[SETS];
    int nvars, errors;
    fv_inside *inside; /* of the definition that is looked at */
    bool is_text;
} verifier;

static bool illegal(verifier *v, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool illegal(verifier *v, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    v->errors++;
    return fv_error(v->session, "illegal definition of %%%s: %s", v->at->value->name, text);
}

static const char *as_text(verifier *v, const fv_expr *x) {
    fv_text t = {.arena = v->a};
    fv_kprinter p;
    fv_kprinter_init(&p, &t, false);
    p.values = true;
    p.end = 200;
    fv_kp_expr(&p, x);
    return t.s;
}

/* ---- where a load reaches ---- */

/* Is there a variable of an empty axis in x? */
static bool never_runs(const fv_expr *x, fv_ptrmap *seen) {
    bool found = x->op == FV_X_VAR && x->u.var->dim && x->u.var->dim->hi <= 0;
    if (found || !x->n || *fv_ptrmap_at(seen, x))
        return found;
    *fv_ptrmap_at(seen, x) = (void *)(uintptr_t)x;
    for (int i = 0; i < x->n && !found; i++)
        found = never_runs(x->arg[i], seen);
    return found;
}

/* Is there, for some sizes within the bounds of all dims, an element of the loop at which the index is outside? Said where it is
 * certain: an index that is a sum of variables with factors reaches its bounds, whatever the sizes. */
static bool reaches_outside(verifier *v, const fv_expr *index, const fv_dim *extent, const char **how) {
    fv_dims *t = v->m->dims;
    for (int i = 0; v->at->def && i < v->at->def->rank; i++)
        if (v->at->def->index[i]->dim->hi <= 0)
            return false;
    if (never_runs(index, &(fv_ptrmap){.arena = v->a}))
        return false;
    const fv_dim *least = fv_x_bound(t, index, false), *most = fv_x_bound(t, index, true);
    const fv_dim *beyond = most ? fv_dim_sub(t, fv_dim_add(t, most, fv_dim_const(t, 1)), extent) : NULL;
    if (least && least->hi < 0)
        *how = fv_printf(v->a, "begins at %s", fv_dim_str(v->a, least));
    else if (beyond && beyond->lo > 0)
        *how = fv_printf(v->a, "goes to %s, the axis has %s", fv_dim_str(v->a, most), fv_dim_str(v->a, extent));
    else
        return false;
    return true;
}

/* Is a dim in it known at run time only? */
static bool has_data_dims(const fv_expr *x, fv_ptrmap *seen) {
    bool found = x->op == FV_X_DIM && x->u.dim->from_data;
    if (found || !x->n || *fv_ptrmap_at(seen, x))
        return found;
    *fv_ptrmap_at(seen, x) = (void *)(uintptr_t)x;
    for (int i = 0; i < x->n && !found; i++)
        found = has_data_dims(x->arg[i], seen);
    return found;
}

/* What bounds exclude is refused before. What is loaded is no index before it was asked; else what is made of a graph may rest on
 * what operators know of sizes, and nothing states. Of a text it is said. */
static bool check_inside(verifier *v, const fv_expr *x, const fv_dim *const *extent) {
    int rank = x->u.buf->rank, at = 0;
    bool guard = x->op == FV_X_GUARD;
    fv_expr *cond = guard ? x->arg[rank] : NULL;
    if ((guard || v->is_text) && fv_inside_load(v->inside, rank, x->arg, extent, cond, &at))
        return true;
    int bare = 0;
    while (bare < rank && !fv_inside_from_data(v->inside, x->arg[bare], cond))
        bare++;
    if (bare < rank && !(guard && !v->is_text && has_data_dims(x, &(fv_ptrmap){.arena = v->a})))
        return illegal(v, "`%s`: nothing says that index %d is inside of an axis of %s", as_text(v, x), bare,
                       fv_dim_str(v->a, extent[bare]));
    if (v->is_text)
        fv_warning(v->session, "definition of %%%s: `%s`: nothing says that index %d is inside of an axis of %s; no run asks",
                   v->at->value->name, as_text(v, x), at, fv_dim_str(v->a, extent[at]));
    return true;
}

/* The value in whose memory it lies. */
static const fv_value *memory_of(const verifier *v, const fv_value *x) {
    const fv_defined *d = fv_ptrmap_get(&v->defined, x);
    return d && d->fate == FV_FATE_VIEW ? d->of : x;
}

/* ---- parts ---- */

/* What is added to the index in x, which is nothing else but this sum; NULL: it is something else. */
static const fv_dim *offset_in(fv_dims *t, const fv_expr *x, const fv_var *index) {
    if (x->op == FV_X_VAR)
        return x->u.var == index ? fv_dim_const(t, 0) : NULL;
    for (int i = 0; i < 2 && x->op == FV_X_ADD; i++) {
        const fv_dim *offset = offset_in(t, x->arg[i], index), *least = fv_x_bound(t, x->arg[1 - i], false);
        if (offset && least && least == fv_x_bound(t, x->arg[1 - i], true))
            return fv_dim_add(t, offset, least);
    }
    return NULL;
}

/* Along that axis of memory, where does the part begin and end? */
static void part_range(const verifier *v, const fv_defined *part, int axis, const fv_dim **from, const fv_dim **to) {
    fv_dims *t = v->m->dims;
    *from = offset_in(t, part->def->place->arg[axis], part->def->index[axis]);
    *to = *from ? fv_dim_add(t, *from, part->def->index[axis]->dim) : NULL;
}

/* Is an index always before `from`, or from `to` on? */
static bool is_beside(verifier *v, fv_expr *index, const fv_dim *from, const fv_dim *to, const fv_dim *whole, fv_expr *cond) {
    fv_dims *t = v->m->dims;
    fv_expr *behind = fv_x_bin(v->a, FV_X_SUB, index, fv_x_dim(v->a, to));
    const fv_dim *rest = fv_dim_sub(t, whole, to);
    int at;
    return fv_inside_load(v->inside, 1, &index, &from, cond, &at) || fv_inside_load(v->inside, 1, &behind, &rest, cond, &at);
}

/* Of a value whose parts are not all made yet: does a load of it reach none of those that are not? */
static bool reaches_made_parts(verifier *v, const fv_expr *x, const fv_dim *const *extent) {
    int rank = x->u.buf->rank;
    fv_expr *cond = x->op == FV_X_GUARD ? x->arg[rank] : NULL;
    for (int i = 0; i < v->d->n; i++) {
        const fv_defined *part = &v->d->all[i];
        bool beside = part->fate != FV_FATE_PART || part->of != x->u.buf->value || fv_ptrmap_get(&v->made, part->value);
        for (int k = 0; k < rank && !beside; k++) {
            const fv_dim *from, *to;
            if (part->def->rank != rank || part->def->place->n != rank)
                break; /* which is illegal */
            part_range(v, part, k, &from, &to);
            beside = from && is_beside(v, x->arg[k], from, to, extent[k], cond);
        }
        if (!beside)
            return illegal(v, "`%s`: nothing says that it is outside of %%%s, which is not made before", as_text(v, x),
                           part->value->name);
    }
    return true;
}

static bool check_read(verifier *v, const fv_expr *x) {
    const fv_buf *b = x->u.buf;
    const fv_value *from = b->value;
    bool guard = x->op == FV_X_GUARD;
    const fv_defined *d = from ? fv_ptrmap_get(&v->defined, from) : NULL;
    if (!from || from->type->kind != FV_TENSOR)
        return illegal(v, "'%s' is no value of the graph", b->name);
    if (b->rank != from->type->rank || x->n != b->rank + (guard ? 2 : 0))
        return illegal(v, "`%s`: the value has %d axes", as_text(v, x), from->type->rank);
    if (b->elem != from->type->elem || x->type.elem != b->elem || x->type.lanes != 1)
        return illegal(v, "`%s`: the value is %s, it is loaded as %s", as_text(v, x), fv_elem_name(from->type->elem),
                       fv_elem_name((fv_elem)x->type.elem));
    if (from->kind != FV_VALUE_CONST && !fv_ptrmap_get(&v->made, from) && !(d && d->fate == FV_FATE_ASSEMBLED))
        return illegal(v, "`%s`: the value is not made before", as_text(v, x));
    if (d && d->fate == FV_FATE_ASSEMBLED && !fv_ptrmap_get(&v->parts, from))
        return illegal(v, "`%s`: the value is assembled of no parts", as_text(v, x));
    if (d && d->fate == FV_FATE_PART)
        return illegal(v, "`%s`: the value has no memory of its own, it is a part of %%%s", as_text(v, x), d->of->name);
    if (v->at->fate == FV_FATE_PART && memory_of(v, from) == v->at->of && x != v->at->def->place)
        return illegal(v, "`%s`: it is stored in what it reads", as_text(v, x));
    if (d && d->fate == FV_FATE_SUBSTITUTED && v->at->fate != FV_FATE_SUBSTITUTED)
        return illegal(v, "`%s`: the value is substituted, it has no memory", as_text(v, x));
    if (guard && (x->arg[b->rank]->type.elem != FV_BOOL || x->arg[b->rank + 1]->type.elem != x->type.elem))
        return illegal(v, "`%s`: condition or other value is of the wrong type", as_text(v, x));
    bool empty = false; /* then so is the result, which relations may tell, and bounds do not */
    for (int i = 0; i < b->rank; i++)
        empty |= from->type->dims[i]->hi <= 0;
    const fv_dim *extent[FV_MAX_RANK];
    for (int i = 0; i < b->rank; i++) {
        const char *how;
        int axis = fv_memory_axis(b->rank, d ? d->last : -1, i);
        if (x->arg[i]->type.elem != FV_I64)
            return illegal(v, "`%s`: index %d is no i64", as_text(v, x), i);
        if (!guard && !empty && reaches_outside(v, x->arg[i], from->type->dims[axis], &how))
            return illegal(v, "`%s`: index %d %s", as_text(v, x), i, how);
        extent[i] = from->type->dims[axis];
    }
    if (empty && !v->is_text)
        return true;
    bool early = v->is_text && d && d->fate == FV_FATE_ASSEMBLED && !fv_ptrmap_get(&v->made, from) && x != v->at->def->place;
    return check_inside(v, x, extent) && (!early || reaches_made_parts(v, x, extent));
}

/* ---- variables ---- */

/* The bit of a variable of a reduction; 0: one too many to be followed. */
static uint64_t bit_of(verifier *v, const fv_var *var) {
    int i = 0;
    while (i < v->nvars && v->vars[i] != var)
        i++;
    if (i == SETS)
        return 0;
    if (i == v->nvars)
        v->vars[v->nvars++] = var;
    return UINT64_C(1) << i;
}

static bool is_index(const fv_definition *d, const fv_var *var) {
    for (int i = 0; i < d->rank; i++)
        if (d->index[i] == var)
            return true;
    return false;
}

/* Behind the step that decides, each sum has its order; before it, none has. */
static bool check_order(verifier *v, const fv_expr *x) {
    bool open = x->u.red.order == FV_ORDER_OPEN;
    if (!fv_step_comes(v->d->after, "order"))
        return !open || !fv_x_is_ordered(x) || illegal(v, "`%s`: in no order", as_text(v, x));
    return open || illegal(v, "`%s`: in an order, and the step \"order\" is to come", as_text(v, x));
}

/* Node by node, parts first; *free: the variables of reductions that are free in it. */
static bool check_node(verifier *v, const fv_expr *x, uint64_t *free) {
    uint64_t *known = fv_ptrmap_get(&v->free, x), part;
    if (known) {
        *free = *known;
        return true;
    }
    *free = 0;
    for (int i = 0; i < x->n; i++) {
        if (!check_node(v, x->arg[i], &part))
            return false;
        *free |= part;
    }
    const char *problem = fv_x_problem(v->a, x);
    if (problem || x->type.lanes != 1)
        return illegal(v, "`%s`: %s", as_text(v, x), problem ? problem : "vectors are for kernels");
    if (x->op == FV_X_VAR && !is_index(v->at->def, x->u.var)) {
        if (!x->u.var->dim)
            return illegal(v, "'%s' is no index variable", x->u.var->name);
        *free |= bit_of(v, x->u.var);
    }
    if (x->op == FV_X_REDUCE && !check_order(v, x))
        return false;
    for (int i = 0; x->op == FV_X_REDUCE && i < x->u.red.nvars; i++) {
        const fv_var *var = x->u.red.vars[i];
        if (is_index(v->at->def, var))
            return illegal(v, "`%s`: '%s' indexes the result as well", as_text(v, x), var->name);
        *free &= ~bit_of(v, var);
    }
    if ((x->op == FV_X_LOAD || x->op == FV_X_GUARD) && !check_read(v, x))
        return false;
    known = FV_NEW(v->a, uint64_t, 1);
    *known = *free;
    *fv_ptrmap_at(&v->free, x) = known;
    return true;
}

/* Is no reduction over a variable that runs already? Reductions nest a few deep only. */
static bool check_nesting(verifier *v, const fv_expr *x, uint64_t running, fv_ptrmap *seen) {
    uint64_t *with = fv_ptrmap_get(seen, x);
    if (with && (running & ~*with) == 0)
        return true;
    if (!with)
        *fv_ptrmap_at(seen, x) = with = FV_NEW(v->a, uint64_t, 1);
    *with |= running;
    for (int i = 0; x->op == FV_X_REDUCE && i < x->u.red.nvars; i++) {
        uint64_t bit = bit_of(v, x->u.red.vars[i]);
        if (running & bit)
            return illegal(v, "`%s`: '%s' runs already", as_text(v, x), x->u.red.vars[i]->name);
        running |= bit;
    }
    for (int i = 0; i < x->n; i++)
        if (!check_nesting(v, x->arg[i], running, seen))
            return false;
    return true;
}

static bool check_expr(verifier *v, const fv_expr *x) {
    uint64_t free;
    v->free = fv_ptrmap_in(v->a);
    v->nvars = 0;
    if (!check_node(v, x, &free))
        return false;
    for (int i = 0; i < v->nvars; i++)
        if (free >> i & 1)
            return illegal(v, "'%s' is used outside of the reduction over it", v->vars[i]->name);
    fv_ptrmap seen = fv_ptrmap_in(v->a);
    return check_nesting(v, x, 0, &seen);
}

/* ---- one value ---- */

static bool check_indices(verifier *v) {
    const fv_definition *d = v->at->def;
    const fv_type *t = v->at->value->type;
    if (d->value != v->at->value || d->rank != t->rank)
        return illegal(v, "it has %d indices, the value %d axes", d->rank, t->rank);
    if (v->at->last >= d->rank)
        return illegal(v, "axis %d is last, of %d", v->at->last, d->rank);
    for (int i = 0; i < d->rank; i++) {
        int axis = fv_memory_axis(d->rank, v->at->last, i);
        if (d->index[i]->dim != t->dims[axis])
            return illegal(v, "index '%s' runs to %s, the axis has %s", d->index[i]->name, fv_dim_str(v->a, d->index[i]->dim),
                           fv_dim_str(v->a, t->dims[axis]));
        for (int k = 0; k < i; k++)
            if (d->index[k] == d->index[i])
                return illegal(v, "index '%s' stands for two axes", d->index[i]->name);
    }
    return true;
}

/* Does no element of one part lie where one of the other does? */
static bool are_apart(verifier *v, const fv_defined *a, const fv_defined *b) {
    const fv_dim *from[2], *to[2];
    for (int i = 0; i < a->def->rank; i++) {
        part_range(v, a, i, &from[0], &to[0]);
        part_range(v, b, i, &from[1], &to[1]);
        for (int k = 0; k < 2; k++)
            if (to[k] && from[!k] && fv_dim_at_most(v->m->dims, to[k], from[!k]))
                return true;
    }
    return false;
}

/* Is it a block of the whole: each of its elements at its own indices, and something added to them? Its axes are then those
 * of the whole, in the same order of memory. */
static bool check_block(verifier *v, const fv_defined *x, const fv_defined *home) {
    const fv_expr *place = x->def->place;
    int rank = x->def->rank;
    if (x->of->type->rank != rank)
        return illegal(v, "it has %d axes, and %%%s, which it is a part of, has %d", rank, x->of->name, x->of->type->rank);
    for (int i = 0; i < rank; i++) {
        const fv_dim *from, *to, *whole = x->of->type->dims[fv_memory_axis(rank, home->last, i)], *own = x->def->index[i]->dim;
        part_range(v, x, i, &from, &to);
        if (!from)
            return illegal(v, "it is stored at `%s`: index %d is not '%s', nor that and an offset", as_text(v, place), i,
                           x->def->index[i]->name);
        if (fv_memory_axis(rank, home->last, i) != fv_memory_axis(rank, x->last, i))
            return illegal(v, "its axes lie in another order in memory than those of %%%s, which it is a part of", x->of->name);
        if (fv_dim_is_one(whole) && !fv_dim_is_const(own)) /* such an axis is nobody's index */
            return illegal(v, "axis %d has %s elements, in an axis of 1", fv_memory_axis(rank, x->last, i), fv_dim_str(v->a, own));
    }
    return true;
}

static bool check_place(verifier *v) {
    const fv_defined *x = v->at, *home = fv_ptrmap_get(&v->defined, x->of);
    const fv_expr *place = x->def->place;
    if (!place || place->op != FV_X_LOAD || place->u.buf->value != x->of || !home || home->fate != FV_FATE_ASSEMBLED)
        return illegal(v, "it is stored in a value that is not assembled of parts");
    if (x->of->type->elem != x->value->type->elem)
        return illegal(v, "it is %s, and stored in %s", fv_elem_name(x->value->type->elem), fv_elem_name(x->of->type->elem));
    if (!check_expr(v, place) || !check_block(v, x, home))
        return false;
    for (const fv_defined *y = v->d->all; y < x; y++)
        if (y->fate == FV_FATE_PART && y->of == x->of && y->def->rank == x->def->rank && !are_apart(v, x, y))
            return illegal(v, "it is stored at `%s`, where %%%s may be, too", as_text(v, place), y->value->name);
    return true;
}

/* A text says why; steps may rest on what operators know. */
static bool are_as_many(verifier *v, const fv_dim *a, const fv_dim *b) {
    return v->is_text ? fv_module_equal(v->m, a, b) : fv_dim_compare(v->m->dims, a, b) != FV_DIM_DIFFERENT;
}

static bool check_view(verifier *v) {
    const fv_defined *x = v->at, *of = fv_ptrmap_get(&v->defined, x->of);
    const fv_type *a = x->value->type, *b = x->of->type;
    fv_dims *t = v->m->dims;
    if (x->of->kind != FV_VALUE_CONST && !fv_ptrmap_get(&v->made, x->of))
        return illegal(v, "it is a view of %%%s, which is not made before", x->of->name);
    if (of && of->fate != FV_FATE_MEMORY && of->fate != FV_FATE_ASSEMBLED)
        return illegal(v, "it is a view of %%%s, which has no memory of its own", x->of->name);
    if (of && of->fate == FV_FATE_ASSEMBLED && !fv_ptrmap_get(&v->parts, x->of))
        return illegal(v, "it is a view of %%%s, which is assembled of no parts", x->of->name);
    if (of && of->last >= 0)
        return illegal(v, "it is a view of %%%s, whose axes lie in another order in memory", x->of->name);
    if (a->kind != FV_TENSOR || b->kind != FV_TENSOR || a->elem != b->elem ||
        !are_as_many(v, fv_dim_product(t, a->rank, a->dims), fv_dim_product(t, b->rank, b->dims)))
        return illegal(v, "it is %s, and a view of %s", fv_type_str(v->a, a), fv_type_str(v->a, b));
    return true;
}

static const fv_dim *elements(verifier *v, const fv_type *t) { return fv_dim_product(v->m->dims, t->rank, t->dims); }

/* Parts are apart and inside: so they are all of it where they have as many elements. Of no parts is one that lies in another
 * one, as nobody's value. */
static bool check_assembled(verifier *v) {
    const fv_value *x = v->at->value;
    const fv_dim *parts = fv_ptrmap_get(&v->parts, x);
    for (int i = 0; i < v->d->n; i++)
        if (v->d->all[i].of == x && v->d->all[i].fate == FV_FATE_PART && !fv_ptrmap_get(&v->made, v->d->all[i].value))
            return illegal(v, "it is assembled above its part %%%s", v->d->all[i].value->name);
    return !parts || are_as_many(v, parts, elements(v, x->type)) ||
           illegal(v, "its parts have %s elements, it has %s", fv_dim_str(v->a, parts), fv_dim_str(v->a, elements(v, x->type)));
}

static bool check_defined(verifier *v, const fv_defined *x) {
    v->at = x;
    if (x->fate == FV_FATE_ASSEMBLED)
        return check_assembled(v);
    v->inside = x->def ? fv_inside_new(v->m, v->a, x->def) : NULL;
    if (x->fate == FV_FATE_VIEW && !check_view(v))
        return false;
    if (!x->def)
        return x->fate != FV_FATE_MEMORY || illegal(v, "there is no definition");
    fv_elem stored = x->value->type->elem, e = (fv_elem)x->def->body->type.elem;
    if (!check_indices(v) || !check_expr(v, x->def->body))
        return false;
    if (e != stored && e != fv_elem_arith(stored))
        return illegal(v, "it is %s, the value %s", fv_elem_name(e), fv_elem_name(stored));
    return x->fate != FV_FATE_PART || check_place(v);
}

/* ---- the module ---- */

static void count_part(verifier *v, const fv_defined *x) {
    const fv_dim *before = fv_ptrmap_get(&v->parts, x->of), *n = elements(v, x->value->type);
    *fv_ptrmap_at(&v->parts, x->of) = (void *)(uintptr_t)(before ? fv_dim_add(v->m->dims, before, n) : n);
}

static void note_made(verifier *v, const fv_value *x) { *fv_ptrmap_at(&v->made, x) = (void *)(uintptr_t)x; }

/* Is each result of an op that has no kernel defined, once it could be? */
static bool check_result(verifier *v, const fv_op *op, const fv_value *out) {
    const fv_defined *x = fv_ptrmap_get(&v->defined, out);
    if (x && op->def->kernel)
        return fv_op_error(op, "%%%s has a definition, and a kernel of its own", out->name);
    if (!x && !op->def->kernel && !op->def->has_effect)
        return fv_op_error(op, "%%%s has no definition", out->name);
    return !x || check_defined(v, x);
}

/* What is wrong in one is said of it, and not of who uses it. */
static bool check_op(verifier *v, const fv_op *op) {
    bool ok = true;
    for (int i = 0; i < op->nout; i++) {
        if (!op->out[i])
            continue;
        ok = ok && check_result(v, op, op->out[i]);
        note_made(v, op->out[i]);
    }
    return ok;
}

/* What is returned, or read by who knows no definitions, is in memory, and lies there as its type says. */
static bool check_uses(verifier *v, const fv_op *op) {
    bool reads = fv_reads_memory(op);
    for (int i = 0; i < op->nin && reads; i++) {
        const fv_defined *x = op->in[i] ? fv_ptrmap_get(&v->defined, op->in[i]) : NULL;
        bool hollow = x && x->fate == FV_FATE_ASSEMBLED && !fv_ptrmap_get(&v->parts, x->value);
        if (x && (hollow || x->fate == FV_FATE_SUBSTITUTED || x->fate == FV_FATE_PART || x->last >= 0))
            return fv_op_error(op, "reads %%%s, which is not in memory as its type says", op->in[i]->name);
    }
    return true;
}

/* Once the step "results" is done, each result has memory that a kernel writes, and no other one has. */
static bool check_results(verifier *v, const fv_op *ret) {
    for (int i = 0; i < ret->nin && !fv_step_comes(v->d->after, "results"); i++) {
        const fv_value *x = ret->in[i], *memory = memory_of(v, x);
        if (memory->kind != FV_VALUE_RESULT || !fv_type_is_told(x->type, memory->type))
            return fv_op_error(ret, "result %d, %s%s, has no memory of its own, and this is after \"%s\"", i,
                               x->kind == FV_VALUE_CONST ? "@" : "%", x->name, v->d->after);
        for (int k = 0; k < i; k++)
            if (memory_of(v, ret->in[k]) == memory)
                return fv_op_error(ret, "results %d and %d lie in the same memory, and this is after \"%s\"", k, i, v->d->after);
    }
    return true;
}

bool fv_definitions_verify(fv_module *m, const fv_definitions *d, const char *after) {
    if (!after && !fv_module_bound(m))
        return false;
    fv_arena *a = fv_arena_new(m->session);
    verifier v = {.m = m, .session = m->session, .d = d, .a = a, .is_text = !after,
                  .defined = fv_ptrmap_in(a), .parts = fv_ptrmap_in(a), .made = fv_ptrmap_in(a)};
    const fv_region *body = m->funcs->body;
    for (int i = 0; i < d->n; i++)
        *fv_ptrmap_at(&v.defined, d->all[i].value) = (void *)(uintptr_t)&d->all[i];
    for (int i = 0; i < d->n; i++)
        if (d->all[i].fate == FV_FATE_PART)
            count_part(&v, &d->all[i]);
    for (int i = 0; i < body->nparams; i++)
        note_made(&v, body->params[i]);
    for (const fv_op *op = body->first; op && v.errors < ENOUGH; op = op->next)
        v.errors += !check_op(&v, op) || !check_uses(&v, op) || (op == body->last && !check_results(&v, op));
    if (v.errors && after)
        fv_error(m->session, "step '%s' of lowering broke the definitions, see above", after);
    fv_arena_free(a);
    return v.errors == 0;
}
