/* product.c - searches from the weights towards the outputs for the product that sums weights times
 * values over the keys. */
#include "passes/attention/parts.h"

enum { MANY = 256 }; /* largest number of values that are visited */

typedef struct walk {
    fv_finder *f;
    fv_attention_site *s;
    fv_scores *x;
    /* the current value of the weights; after heads were mixed, this is another value */
    const fv_value *w;
    int axis; /* the axis of the keys in w */
    fv_ptrmap seen;
    int n;
} walk;

/* The first load of w in x; NULL: there is none. */
static const fv_expr *weights_in(const walk *k, fv_expr *x) {
    fv_expr *loads[FV_SOME_LOADS];
    int n = x ? fv_element_loads(k->f->e.arena, x, loads, FV_SOME_LOADS) : 0;
    for (int i = 0; i < n; i++)
        if (fv_loaded(loads[i]) == k->w)
            return loads[i];
    return NULL;
}

/* Does x load w at different positions, so that several weights are combined? */
static bool has_several(const walk *k, fv_expr *x) {
    fv_expr *loads[FV_SOME_LOADS];
    int n = fv_element_loads(k->f->e.arena, x, loads, FV_SOME_LOADS);
    const fv_expr *first = weights_in(k, x);
    for (int i = 0; i < n; i++)
        if (fv_loaded(loads[i]) == k->w && !fv_x_equal(loads[i], first))
            return true;
    return false;
}

/* May x be a factor of weights, such as a mask, or a number that is the same for all keys of a row?
 * It must not contain a product of two computed values that varies with the key. */
static bool may_scale(const walk *k, fv_expr *x, const fv_var *key) {
    fv_expr *loads[FV_SOME_LOADS];
    int n = fv_element_loads(k->f->e.arena, x, loads, FV_SOME_LOADS);
    for (int i = 0; i < n; i++) {
        fv_summed sum;
        if (fv_load_uses(loads[i], key) && fv_is_product(k->f, loads[i], &sum))
            return false;
    }
    return true;
}

/* Is x a multiple of one weight for each key, or composed of such multiples by sums, min, max,
 * rounding and selects? */
static bool is_weight(const walk *k, fv_expr *x, const fv_var *key) {
    fv_expr *const *a = x->arg;
    bool in[3] = {false};
    if (fv_is_load(x) && fv_loaded(x) == k->w)
        return true;
    for (int i = 0; i < x->n && i < 3; i++)
        in[i] = weights_in(k, a[i]) != NULL;
    switch ((fv_expr_op)x->op) {
    case FV_X_CONVERT:
    case FV_X_CONVSAT:
    case FV_X_NEG:
    case FV_X_RINT:
    case FV_X_FLOOR: return is_weight(k, a[0], key);
    case FV_X_ADD:
    case FV_X_SUB:
    case FV_X_MIN:
    case FV_X_MAX:
        return (!in[0] || is_weight(k, a[0], key)) && (!in[1] || is_weight(k, a[1], key));
    case FV_X_MUL:
        return in[0] != in[1] && is_weight(k, a[in[1]], key) && may_scale(k, a[in[0]], key);
    case FV_X_DIV: return in[0] && !in[1] && is_weight(k, a[0], key) && may_scale(k, a[1], key);
    case FV_X_SELECT: /* a select may replace a NaN */
        return (!in[0] || (a[0]->op == FV_X_NE && a[0]->arg[0] == a[0]->arg[1])) &&
               (!in[1] || is_weight(k, a[1], key)) && (!in[2] || is_weight(k, a[2], key));
    default: return false; /* the result of another operation is not a weight */
    }
}

static bool binds(const fv_expr *reduce, const fv_expr *x) {
    for (int i = 0; i < reduce->u.red.nvars; i++)
        if (x->op == FV_X_VAR && x->u.var == reduce->u.red.vars[i])
            return true;
    return false;
}

static bool weigh(walk *k, const fv_value *from);

/* Continues the search with y, a mixture of the weights of several heads. */
static bool weigh_mixed(walk *k, const fv_value *y, int axis) {
    const fv_value *w = k->w;
    int was = k->axis;
    k->w = y;
    k->axis = axis;
    bool found = weigh(k, y);
    if (!found) {
        k->w = w;
        k->axis = was;
    }
    k->s->traits.mixed |= found;
    return found;
}

static bool is_product_of_weights(walk *k, const fv_value *y, const fv_summed *sum) {
    fv_finder *f = k->f;
    const fv_expr *a = weights_in(k, sum->f), *b = weights_in(k, sum->g), *load = a ? a : b;
    fv_expr *weight = a ? sum->f : sum->g, *other = a ? sum->g : sum->f;
    if (!load)
        return false;
    if (a && b)
        return fv_stops(k->s, y->def, "the weights are multiplied by themselves");
    const fv_expr *at = load->arg[k->axis];
    if (!binds(sum->reduce, at)) {
        int axis = at->op == FV_X_VAR ? fv_definition_axis(sum->def, at->u.var) : sum->def->rank;
        if (axis < sum->def->rank && other && !fv_is_computed(f->e.arena, other) &&
            is_weight(k, weight, at->u.var))
            return weigh_mixed(k, y, axis);
        return fv_stops(k->s, y->def,
                        "the weights are summed over another axis than that of the softmax");
    }
    if (!other || !fv_x_uses(other, at->u.var))
        return false; /* y is a sum of weights over the keys */
    if (!fv_is_computed(f->e.arena, other))
        return fv_stops(k->s, y->def, "the values are constants");
    if (!is_weight(k, weight, at->u.var))
        return fv_stops(k->s, y->def,
                        "the values are multiplied by something other than the weights");
    k->s->of.product = y;
    k->s->traits.combined = has_several(k, weight);
    k->x->product.values = other;
    k->x->product.weight = weight;
    k->x->product.summed = at->u.var;
    k->x->product.weight_load = load;
    return true;
}

static bool try_value(walk *k, const fv_value *y) {
    fv_summed sum;
    fv_elements_stop(&k->f->e, k->w);
    const fv_definition *d = fv_element_definition(&k->f->e, y);
    if (!d)
        return false;
    if (!d->body->binds)
        return weigh(k, y);
    return fv_element_sum(&k->f->e, y, &sum) && is_product_of_weights(k, y, &sum);
}

static bool weigh(walk *k, const fv_value *from) {
    for (int i = 0; i < from->nuses; i++) {
        const fv_op *op = from->uses[i].op;
        for (int o = 0; o < op->nout && k->n < MANY; o++) {
            const fv_value *y = op->out[o];
            if (!y || *fv_ptrmap_at(&k->seen, y))
                continue;
            *fv_ptrmap_at(&k->seen, y) = (void *)y;
            k->n++;
            if (try_value(k, y))
                return true;
        }
    }
    return false;
}

bool fv_find_product(fv_finder *f, fv_attention_site *s, fv_scores *x) {
    walk k = {
        .f = f, .s = s, .x = x, .w = s->weights, .axis = s->axis, .seen = fv_ptrmap_in(f->e.arena)};
    bool found = weigh(&k, s->weights);
    fv_elements_stop(&f->e, NULL);
    return found || fv_stops(s, s->softmax, "nothing sums the weights with values");
}
