/* values.c - see values.h. */
#include "backend/cost/values.h"

#include <math.h>
#include <string.h>

#include "ir/expr/fold.h"
#include "ir/expr/visit.h"

fv_values fv_values_new(fv_arena *a) {
    return (fv_values){.arena = a,
                       .numbers = fv_ptrmap_in(a),
                       .steering = fv_ptrmap_in(a),
                       .tiles = fv_ptrmap_in(a),
                       .vectors = fv_ptrmap_in(a)};
}

fv_variable_value *fv_values_of_variable(fv_values *w, const fv_var *v) {
    void **at = fv_ptrmap_at(&w->numbers, v);
    if (!*at)
        *at = FV_NEW(w->arena, fv_variable_value, 1);
    return *at;
}

/* ---- what steers ---- */

static bool steers(const fv_values *w, const fv_buf *tile) {
    return fv_ptrmap_get(&w->steering, tile) != NULL;
}

void fv_values_steer(fv_values *w, const fv_expr *root) {
    const fv_expr *x;
    for (fv_x_visitor v = fv_x_visit(w->arena, root); (x = fv_x_next(&v));) {
        bool reads = x->op == FV_X_LOAD || x->op == FV_X_GUARD;
        bool tile = reads && w->usual && x->u.buf->role == FV_BUF_TILE;
        if (x->op == FV_X_VAR)
            fv_values_of_variable(w, x->u.var)->steers = true;
        if (tile)
            *fv_ptrmap_at(&w->steering, x->u.buf) = w;
        if (reads && !tile)
            fv_x_skip(
                &v); /* a loaded value is not known, so variables in its indices do not count */
    }
}

bool fv_values_concern(fv_values *w, const fv_stmt *s) {
    if (s->kind == FV_S_LET)
        return fv_values_of_variable(w, s->var)->steers;
    return (s->kind == FV_S_STORE || s->kind == FV_S_TILE) && steers(w, s->buf);
}

/* ---- scalars ---- */

static bool known(void *user, const fv_var *v, int64_t *value) {
    const fv_variable_value *n = fv_values_of_variable(user, v);
    *value = n->value;
    return n->known;
}

bool fv_values_evaluate(fv_values *w, const fv_expr *x, int64_t *out) {
    fv_lanes value = {0};
    if (!w->usual || !fv_x_has_load(x))
        return fv_x_value(x, known, w, out);
    if (x->type.lanes > 1 || fv_elem_is_float((fv_elem)x->type.elem))
        return false;
    fv_values_of(w, x, &value);
    *out = value.at[0].is.i;
    return value.at[0].known;
}

/* ---- tiles ---- */

/* The numbers that a tile contains; the lanes of an element are contiguous. */
typedef struct cells {
    int64_t n;
    fv_lane *at;
} cells;

static cells *cells_of(fv_values *w, const fv_buf *tile) {
    void **at = fv_ptrmap_at(&w->tiles, tile);
    if (*at)
        return *at;
    cells *c = FV_NEW(w->arena, cells, 1);
    c->n = tile->lanes > 1 ? tile->lanes : 1;
    for (int i = 0; i < tile->rank; i++)
        c->n *= fv_x_int_value(tile->extent[i]);
    c->at = FV_NEW(w->arena, fv_lane, c->n);
    *at = c;
    return c;
}

/* The first of `lanes` numbers at the indices; NULL: they are not known. */
static fv_lane *cell(fv_values *w, const fv_buf *tile, fv_expr *const *index, int lanes) {
    cells *c = cells_of(w, tile);
    int64_t at = 0, value;
    for (int i = 0; i < tile->rank; i++) {
        if (!fv_values_evaluate(w, index[i], &value))
            return NULL;
        at = at * fv_x_int_value(tile->extent[i]) + value;
    }
    at *= tile->lanes > 1 ? tile->lanes : 1;
    return at >= 0 && at + lanes <= c->n ? c->at + at : NULL;
}

/* ---- operations ---- */

static fv_lane real(double f) {
    return (fv_lane){.known = true, .is.f = f};
}

static fv_lane whole(int64_t i) {
    return (fv_lane){.known = true, .is.i = i};
}

static fv_lane compare(fv_expr_op op, double a, double b) {
    switch ((int)op) {
    case FV_X_LT: return whole(a < b);
    case FV_X_LE: return whole(a <= b);
    case FV_X_EQ: return whole(a == b);
    case FV_X_NE: return whole(a != b);
    default: return (fv_lane){0};
    }
}

static fv_lane of_floats(const fv_expr *x, double a, double b) {
    switch ((int)x->op) {
    case FV_X_ADD: return real(a + b);
    case FV_X_SUB: return real(a - b);
    case FV_X_MUL: return real(a * b);
    case FV_X_MIN: return real(a < b ? a : b);
    case FV_X_MAX: return real(a > b ? a : b);
    case FV_X_NEG: return real(-a);
    case FV_X_ABS: return real(fabs(a));
    case FV_X_CONVERT:
        return x->type.elem == FV_BOOL                   ? whole(a != 0)
               : fv_elem_is_float((fv_elem)x->type.elem) ? real(a)
                                                         : (fv_lane){0};
    default: return compare((fv_expr_op)x->op, a, b);
    }
}

static fv_lane convert_whole(const fv_expr *x, int64_t a) {
    fv_elem e = (fv_elem)x->type.elem;
    if (fv_elem_is_float(e))
        return real((double)a);
    return whole(e == FV_BOOL ? a != 0 : fv_fold_wrap(e, a));
}

/* One operand may decide an `and` or an `or`. */
static fv_lane of_bools(const fv_expr *x, fv_lane a, fv_lane b) {
    int64_t decides = x->op == FV_X_OR;
    if ((a.known && a.is.i == decides) || (b.known && b.is.i == decides))
        return whole(decides);
    return (fv_lane){.known = a.known && b.known, .is.i = !decides};
}

static fv_lane operate(const fv_expr *x, fv_lane a, fv_lane b) {
    fv_elem of = (fv_elem)x->arg[0]->type.elem;
    int64_t i;
    if (x->type.elem == FV_BOOL && of == FV_BOOL && (x->op == FV_X_AND || x->op == FV_X_OR))
        return of_bools(x, a, b);
    if (x->op == FV_X_NOT && a.assumed)
        return a;
    if (!a.known || !b.known)
        return (fv_lane){0};
    if (fv_elem_is_float(of))
        return of_floats(x, a.is.f, b.is.f);
    if (x->op == FV_X_CONVERT)
        return convert_whole(x, a.is.i);
    return fv_fold_ints(of, (fv_expr_op)x->op, a.is.i, b.is.i, &i) ? whole(i) : (fv_lane){0};
}

/* The bits of an f32 as an integer of 32 bits, or the other way round. */
static fv_lane other_type(const fv_expr *x, fv_lane a) {
    fv_elem to = (fv_elem)x->type.elem, from = (fv_elem)x->arg[0]->type.elem;
    float f;
    int32_t i;
    if (!a.known || (to != FV_F32 && from != FV_F32) || fv_elem_storage_bytes(to) != 4 ||
        x->type.lanes != x->arg[0]->type.lanes)
        return (fv_lane){0};
    if (from == FV_F32) {
        f = (float)a.is.f;
        memcpy(&i, &f, sizeof i);
        return whole(fv_fold_wrap(to, i));
    }
    i = (int32_t)a.is.i;
    memcpy(&f, &i, sizeof f);
    return real((double)f);
}

/* ---- expressions ---- */

static fv_lane literal(const fv_expr *x) {
    return fv_elem_is_float((fv_elem)x->type.elem) ? real(x->u.f) : whole(x->u.i);
}

static void variable(fv_values *w, const fv_var *v, fv_lanes *out) {
    const fv_lanes *lanes = fv_ptrmap_get(&w->vectors, v);
    const fv_variable_value *n = fv_values_of_variable(w, v);
    if (lanes)
        memcpy(out->at, lanes->at, v->type.lanes * sizeof *out->at);
    else if (v->type.lanes == 1)
        out->at[0] = (fv_lane){.known = n->known, .is.i = n->value};
}

/* Sets the usual value of a load from a parameter: 0 for floats, 1 or true for other types. */
static void load_usual(const fv_expr *x, fv_lanes *out) {
    for (int i = 0; i < x->type.lanes; i++) {
        out->at[i] = fv_elem_is_float((fv_elem)x->type.elem) ? real(0) : whole(1);
        out->at[i].assumed = x->type.elem == FV_BOOL;
    }
}

static void load(fv_values *w, const fv_expr *x, fv_lanes *out) {
    const fv_lane *from = NULL;
    if (x->u.buf->role != FV_BUF_TILE)
        load_usual(x, out);
    if (x->u.buf->role == FV_BUF_TILE && steers(w, x->u.buf))
        from = cell(w, x->u.buf, x->arg, x->type.lanes);
    if (from)
        memcpy(out->at, from, x->type.lanes * sizeof *from);
}

/* Sets the value of a guarded load, lane by lane: that of its last operand where the condition is
 * known to be false. */
static void load_guarded(fv_values *w, const fv_expr *x, fv_lanes *out) {
    const fv_expr *condition = x->arg[x->u.buf->rank];
    fv_lanes c = {0}, other = {0};
    load(w, x, out);
    fv_values_of(w, condition, &c);
    fv_values_of(w, x->arg[x->u.buf->rank + 1], &other);
    for (int i = 0; i < x->type.lanes; i++) {
        fv_lane by = c.at[condition->type.lanes > 1 ? i : 0];
        if (by.known && !by.assumed && by.is.i == 0)
            out->at[i] = other.at[i];
    }
}

static void spread(fv_values *w, const fv_expr *x, fv_lanes *out) {
    fv_lanes a = {0};
    fv_values_of(w, x->arg[0], &a);
    for (int i = 0; i < x->type.lanes; i++) {
        out->at[i] = a.at[0];
        if (x->op == FV_X_RAMP)
            out->at[i].is.i += i;
    }
}

static void choose(fv_values *w, const fv_expr *x, fv_lanes *out) {
    fv_lanes c = {0}, a = {0}, b = {0};
    bool is_float = fv_elem_is_float((fv_elem)x->type.elem);
    bool keeps = w->storing && x->arg[1]->op == FV_X_LOAD && x->arg[1]->u.buf == w->storing;
    fv_values_of(w, x->arg[0], &c);
    fv_values_of(w, x->arg[1], &a);
    fv_values_of(w, x->arg[2], &b);
    for (int i = 0; i < x->type.lanes; i++) {
        fv_lane by = c.at[x->arg[0]->type.lanes > 1 ? i : 0];
        bool first = by.known ? by.is.i != 0 : keeps;
        if (by.assumed && is_float && a.at[i].known && b.at[i].known)
            first = a.at[i].is.f > b.at[i].is.f;
        out->at[i] = first ? a.at[i] : b.at[i];
    }
}

static void each_lane(fv_values *w, const fv_expr *x, fv_lanes *out) {
    fv_lanes a = {0}, b = {0};
    if (x->n < 1 || x->n > 2)
        return;
    fv_values_of(w, x->arg[0], &a);
    if (x->n == 2)
        fv_values_of(w, x->arg[1], &b);
    for (int i = 0; i < x->type.lanes; i++)
        out->at[i] = x->op == FV_X_BITCAST ? other_type(x, a.at[i])
                                           : operate(x, a.at[i], x->n == 2 ? b.at[i] : a.at[i]);
}

void fv_values_of(fv_values *w, const fv_expr *x, fv_lanes *out) {
    if (x->type.lanes > FV_MOST_LANES)
        return;
    memset(out->at, 0, x->type.lanes * sizeof *out->at);
    switch ((int)x->op) {
    case FV_X_CONST:
        for (int i = 0; i < x->type.lanes; i++)
            out->at[i] = literal(x);
        break;
    case FV_X_VAR: variable(w, x->u.var, out); break;
    case FV_X_LOAD: load(w, x, out); break;
    case FV_X_GUARD: load_guarded(w, x, out); break;
    case FV_X_SPLAT:
    case FV_X_RAMP: spread(w, x, out); break;
    case FV_X_SELECT: choose(w, x, out); break;
    case FV_X_EVEN:
    case FV_X_ODD: break;
    default: each_lane(w, x, out); break;
    }
}

/* ---- statements ---- */

static void follow_let(fv_values *w, const fv_stmt *s) {
    void **at = fv_ptrmap_at(&w->vectors, s->var);
    if (!*at)
        *at = FV_NEW(w->arena, fv_lanes, 1);
    fv_values_of(w, s->x, *at);
}

static void follow_tile(fv_values *w, const fv_stmt *s) {
    cells *c = cells_of(w, s->buf);
    fv_lanes first = {0};
    if (s->x)
        fv_values_of(w, s->x, &first);
    for (int64_t i = 0; i < c->n; i++)
        c->at[i] = first.at[s->x && s->x->type.lanes > 1 ? i % s->x->type.lanes : 0];
}

static void follow_store(fv_values *w, const fv_stmt *s) {
    cells *c = cells_of(w, s->buf);
    fv_lane *to = cell(w, s->buf, s->index, s->x->type.lanes);
    fv_lanes value = {0};
    w->storing = s->buf;
    fv_values_of(w, s->x, &value);
    w->storing = NULL;
    if (to && !s->mask)
        memcpy(to, value.at, s->x->type.lanes * sizeof *to);
    else
        memset(c->at, 0, (size_t)c->n * sizeof *c->at);
}

static void follow_number(fv_values *w, const fv_stmt *s) {
    fv_variable_value *n = fv_values_of_variable(w, s->var);
    bool lacks = w->usual && !n->steers && fv_x_has_load(s->x);
    n->known = !lacks && fv_values_evaluate(w, s->x, &n->value);
}

void fv_values_follow(fv_values *w, const fv_stmt *s) {
    bool concerns = w->usual && fv_values_concern(w, s);
    if (s->kind == FV_S_LET)
        follow_number(w, s);
    if (!concerns)
        return;
    if (s->kind == FV_S_LET)
        follow_let(w, s);
    else if (s->kind == FV_S_TILE)
        follow_tile(w, s);
    else
        follow_store(w, s);
}
