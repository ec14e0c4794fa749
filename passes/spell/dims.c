/* dims.c - dims as tensors of the model: finds tensors from which symbols can be read, and computes
 * dims from these. */
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "passes/spell/spell.h"

/* ---- where symbols are read ---- */

typedef struct source {
    enum { SHAPE, ELEMENT, VALUE } kind;
    /* ELEMENT: the fv.Bind that binds the symbol. Its operand is used, which remains correct if
     * another value replaces it */
    const fv_op *holder;
    fv_value *value; /* the value whose SHAPE or, without a holder, whose ELEMENT is read */
    int index;       /* SHAPE: the number of the axis; ELEMENT: the index of the element */
    const fv_dim *expression; /* VALUE: the expression whose value is known */
    int64_t times, plus;      /* SHAPE: the extent of the axis is symbol * times + plus */
} source;

static void found(fv_spelling *all, const fv_dim *symbol, source from) {
    void **at = fv_ptrmap_at(&all->sources, symbol);
    if (*at)
        return;
    source *kept = FV_NEW(all->arena, source, 1);
    *kept = from;
    *at = kept;
}

static const fv_dim *with(fv_dims *t, const fv_dim *d, const fv_dim *symbol, int64_t value) {
    fv_ptrmap memo = fv_ptrmap_in(fv_dims_arena(t));
    *fv_ptrmap_at(&memo, symbol) = (void *)(uintptr_t)fv_dim_const(t, value);
    return fv_dim_rebuild(t, d, &memo);
}

/* The only symbol of d if d = times * symbol + plus with constants; NULL: d has another form. */
static const fv_dim *solved(fv_dims *t, const fv_dim *d, int64_t *times, int64_t *plus) {
    const fv_dim *const *symbols, *only = NULL;
    int n = fv_dim_symbols(t, &symbols);
    for (int i = 0; i < n; i++) {
        if (!fv_dim_mentions(d, symbols[i]))
            continue;
        if (only)
            return NULL;
        only = symbols[i];
    }
    if (!only)
        return NULL;
    const fv_dim *at0 = with(t, d, only, 0), *at1 = with(t, d, only, 1);
    if (!fv_dim_is_const(at0) || !fv_dim_is_const(at1) || at1->value <= at0->value)
        return NULL;
    *plus = at0->value;
    *times = at1->value - at0->value;
    const fv_dim *line = fv_dim_add(t, fv_dim_mul(t, only, fv_dim_const(t, *times)), at0);
    return line == d ? only : NULL;
}

/* Records which dims can be read from a value: its elements that are symbols, and its extents. An
 * expression that is an extent of a value outside of blocks need not be computed, so a reader of
 * the model gets no more terms than before. If `lines` is set, records instead which symbols follow
 * from an extent that is linear in them. */
static void note_sources(fv_spelling *all, fv_dims *t, fv_value *v, bool lines) {
    if (!v || !v->type || v->type->kind != FV_TENSOR)
        return;
    for (int i = 0; i < v->type->rank; i++) {
        const fv_dim *d = v->type->dims[i];
        source from = {.kind = SHAPE, .value = v, .index = i, .times = 1};
        bool everywhere = !(v->def ? v->def->block : v->block)->parent;
        if (!lines && (d->kind == FV_DIM_SYMBOL || (d->n && everywhere)))
            found(all, d, from);
        const fv_dim *symbol =
            lines && !fv_dim_is_const(d) ? solved(t, d, &from.times, &from.plus) : NULL;
        if (symbol)
            found(all, symbol, from);
    }
    for (int i = 0; i < v->nelems && v->elems && !lines; i++)
        if (v->elems[i]->kind == FV_DIM_SYMBOL)
            found(all, v->elems[i], (source){.kind = ELEMENT, .value = v, .index = i});
}

fv_spelling fv_spelling_of(fv_arena *a, fv_func *f) {
    fv_spelling all = {a, fv_ptrmap_in(a)};
    for (int lines = 0; lines < 2; lines++)
        for (int i = 0; i < f->body->nparams; i++)
            note_sources(&all, f->module->dims, f->body->params[i], lines);
    return all;
}

void fv_spelling_enter(fv_spelling *all, fv_region *block) {
    for (int i = 0; i < block->nparams; i++)
        note_sources(all, block->func->module->dims, block->params[i], false);
}

void fv_spelling_saw(fv_spelling *all, fv_op *op) {
    int n;
    if (fv_op_is(op, FV_OP_fv_Bind)) {
        const fv_dim *const *symbols = fv_spell_attr(op, "symbols", &n);
        for (int i = 0; i < n; i++)
            if (symbols[i]->kind == FV_DIM_SYMBOL)
                found(all, symbols[i], (source){.kind = ELEMENT, .holder = op, .index = i});
    } else if (fv_op_is(op, FV_OP_fv_Let)) {
        const fv_dim *const *symbols = fv_spell_attr(op, "symbols", &n), *const *values =
                                                                             fv_spell_attr(op,
                                                                                           "values",
                                                                                           NULL);
        for (int i = 0; i < n; i++)
            found(all, symbols[i], (source){.kind = VALUE, .expression = values[i]});
    } else
        for (int i = 0; i < op->nout; i++)
            note_sources(all, fv_op_module(op)->dims, op->out[i], false);
}

/* ---- dims as tensors: each is an i64[1] ---- */

static fv_value *number(fv_speller *s, const fv_dim *d);

static const fv_type *one_type(fv_speller *s, fv_elem e) {
    const fv_dim *one = fv_dim_const(s->w.module->dims, 1);
    return fv_spell_type(s, e, 1, &one);
}

static fv_value *known(fv_value *v, const fv_dim *d) {
    if (v && !v->elems)
        fv_set_elems(v, 1, &d);
    return v;
}

static fv_value *literal(fv_speller *s, int64_t v) {
    return fv_const_ints(s->w.module, "dim", 1, &v);
}

static fv_value *arithmetic(fv_speller *s, fv_op_id id, fv_value *a, fv_value *b) {
    return fv_spell_op(s, id, one_type(s, FV_I64), 2, (fv_value *[]){a, b}, 0, NULL);
}

/* Writes Where(Equal(a, b), x, y). */
static fv_value *choose(fv_speller *s, fv_value *a, fv_value *b, fv_value *x, fv_value *y) {
    fv_value *c =
        fv_spell_op(s, FV_OP_Equal, one_type(s, FV_BOOL), 2, (fv_value *[]){a, b}, 0, NULL);
    return fv_spell_op(s, FV_OP_Where, one_type(s, FV_I64), 3, (fv_value *[]){c, x, y}, 0, NULL);
}

/* Writes a floordiv b. The standard's Div rounds towards 0 and its Mod has the sign of the divisor,
 * so a - a mod b, a multiple of b, is divided. For b = 0, which the standard leaves undefined, the
 * result is 0. */
static fv_value *quotient(fv_speller *s, const fv_dim *a, const fv_dim *b) {
    fv_value *x = number(s, a), *y = number(s, b),
             *zero = b->lo <= 0 && b->hi >= 0 ? literal(s, 0) : NULL;
    fv_value *by = zero ? choose(s, y, zero, literal(s, 1), y) : y;
    if (a->lo < 0 || b->lo < 0)
        x = arithmetic(s, FV_OP_Sub, x, arithmetic(s, FV_OP_Mod, x, by));
    fv_value *q = arithmetic(s, FV_OP_Div, x, by);
    return zero ? choose(s, y, zero, zero, q) : q;
}

static fv_value *remainder_of(fv_speller *s, const fv_dim *a, const fv_dim *b) {
    fv_value *x = number(s, a), *y = number(s, b);
    if (b->lo > 0 || b->hi < 0)
        return arithmetic(s, FV_OP_Mod, x, y);
    fv_value *zero = literal(s, 0);
    return choose(s, y, zero, zero,
                  arithmetic(s, FV_OP_Mod, x, choose(s, y, zero, literal(s, 1), y)));
}

static fv_value *extent(fv_speller *s, fv_value *v, int axis) {
    fv_attr a[2] = {fv_attr_int(s->w.module, "start", axis),
                    fv_attr_int(s->w.module, "end", axis + 1)};
    return known(fv_spell_op(s, FV_OP_Shape, one_type(s, FV_I64), 1, &v, 2, a),
                 v->type->dims[axis]);
}

static fv_value *element(fv_speller *s, fv_value *v, int i) {
    fv_module *m = s->w.module;
    int64_t first = 0;
    v = fv_spell_cast(s, v, FV_I64);
    if (v && !v->type->rank)
        return fv_spell_op(s, FV_OP_Unsqueeze, one_type(s, FV_I64), 2,
                           (fv_value *[]){v, fv_const_ints(m, "axes", 1, &first)}, 0, NULL);
    if (!v || fv_dim_is_one(v->type->dims[0]))
        return v;
    fv_value *in[4] = {v, literal(s, i), literal(s, i + 1), literal(s, 0)};
    return fv_spell_op(s, FV_OP_Slice, one_type(s, FV_I64), 4, in, 0, NULL);
}

static fv_value *symbol(fv_speller *s, const fv_dim *d) {
    const source *from = fv_ptrmap_get(&s->all->sources, d);
    fv_dims *t = s->w.module->dims;
    if (!from) {
        s->w.failed = true;
        fv_op_error(s->w.at,
                    "dim '%s' occurs in no shape of an input, and is no element of a tensor: "
                    "the model cannot read it",
                    fv_dim_str(s->w.module->arena, d));
        return NULL;
    }
    switch (from->kind) {
    case VALUE: return number(s, from->expression);
    case ELEMENT: return element(s, from->holder ? from->holder->in[0] : from->value, from->index);
    case SHAPE: break;
    }
    fv_value *v = extent(s, from->value, from->index);
    if (from->plus)
        v = known(arithmetic(s, FV_OP_Sub, v, literal(s, from->plus)),
                  fv_dim_mul(t, d, fv_dim_const(t, from->times)));
    return from->times == 1 ? v : arithmetic(s, FV_OP_Div, v, literal(s, from->times));
}

static fv_value *fold(fv_speller *s, fv_op_id id, const fv_dim *d) {
    fv_value *v = number(s, d->arg[0]);
    for (int i = 1; i < d->n; i++)
        v = arithmetic(s, id, v, number(s, d->arg[i]));
    return v;
}

static fv_value *compute(fv_speller *s, const fv_dim *d) {
    fv_dims *t = s->w.module->dims;
    const source *there = d->n ? fv_ptrmap_get(&s->all->sources, d) : NULL;
    if (there)
        return extent(s, there->value, there->index);
    switch (d->kind) {
    case FV_DIM_CONST: return literal(s, d->value);
    case FV_DIM_SYMBOL: return symbol(s, d);
    case FV_DIM_ADD: return fold(s, FV_OP_Add, d);
    case FV_DIM_MUL: return fold(s, FV_OP_Mul, d);
    case FV_DIM_MIN: return fold(s, FV_OP_Min, d);
    case FV_DIM_MAX_: return fold(s, FV_OP_Max, d);
    case FV_DIM_FLOORDIV: return quotient(s, d->arg[0], d->arg[1]);
    case FV_DIM_CEILDIV:
        return quotient(s, fv_dim_sub(t, fv_dim_add(t, d->arg[0], d->arg[1]), fv_dim_const(t, 1)),
                        d->arg[1]);
    case FV_DIM_MOD: return remainder_of(s, d->arg[0], d->arg[1]);
    case FV_DIM_BROADCAST: {
        fv_value *a = number(s, d->arg[0]);
        return choose(s, a, literal(s, 1), number(s, d->arg[1]), a);
    }
    }
    return NULL;
}

static fv_value *number(fv_speller *s, const fv_dim *d) {
    return s->w.failed ? NULL : known(compute(s, d), d);
}

/* Makes a vector of dims; consecutive numbers become one constant. */
fv_value *fv_spell_dims(fv_speller *s, int n, const fv_dim *const *dims) {
    fv_module *m = s->w.module;
    fv_arena *a = s->all->arena;
    fv_value **parts = FV_NEW(a, fv_value *, n + 1);
    int64_t *values = FV_NEW(a, int64_t, n + 1);
    int count = 0;
    for (int i = 0, k; i < n || !n; i += k) {
        for (k = 0; i + k < n && fv_dim_is_const(dims[i + k]); k++)
            values[k] = dims[i + k]->value;
        parts[count++] = k || !n ? fv_const_ints(m, "dims", k, values) : number(s, dims[i]);
        if (!n)
            break;
        k += !k;
    }
    if (count == 1 || s->w.failed)
        return s->w.failed ? NULL : parts[0];
    fv_attr axis = fv_attr_int(m, "axis", 0);
    const fv_dim *length = fv_dim_const(m->dims, n);
    fv_value *v =
        fv_spell_op(s, FV_OP_Concat, fv_spell_type(s, FV_I64, 1, &length), count, parts, 1, &axis);
    if (v)
        fv_set_elems(v, n, dims);
    return v;
}

fv_value *fv_spell_dim(fv_speller *s, const fv_dim *d) {
    fv_module *m = s->w.module;
    int64_t zero = 0;
    if (fv_dim_is_const(d))
        return fv_const_int(m, "dim", d->value);
    fv_value *in[2] = {number(s, d), fv_const_ints(m, "axes", 1, &zero)};
    return known(fv_spell_op(s, FV_OP_Squeeze, fv_spell_type(s, FV_I64, 0, NULL), 2, in, 0, NULL),
                 d);
}
