/* check_case.c - random instances of a pattern.
 *
 * Element types are drawn first. The values that must have the same type form a class: each name of
 * the pattern, and each type variable of each op, starts as one; an operand merges two classes,
 * constraints restrict the types of a class, and then a type is drawn for each class. Then the ops
 * are built from the leaves up, and attributes are drawn when the types of the operands are known.
 * If no legal op results, the attempt is given up, and the caller tries again. */
#include "passes/check_case.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "ir/base/limits.h"
#include "ir/base/whole.h"
#include "ir/catalogue/own.h"
#include "ir/graph/infer.h"
#include "ir/rule/parts.h"
#include "ir/type/float_bits.h"
#include "passes/check_attrs.h"
#include "passes/check_draw.h"

/* ---- random elements ---- */

static double random_float(fv_random *r, fv_elem e) {
    static const double special[] = {
        0, -0.0, 1, -1, 0.5, -2, 1e4, -1e30, (double)NAN, (double)INFINITY, -(double)INFINITY};
    int n = (int)(sizeof special / sizeof *special), pick = fv_random_below(r, 2 * n);
    if (pick < n)
        return special[pick];
    if (pick == n) /* picks the smallest denormal, or a larger one */
        return fv_float_decode(e, fv_random_one_in(r, 2) ? 1 : fv_random_next(r) & 7);
    return fv_random_real(r) * (fv_random_one_in(r, 2) ? 1 : 8);
}

static int64_t random_int(fv_random *r) {
    switch (fv_random_below(r, 6)) {
    case 0: return INT64_MIN >> (fv_random_below(r, 4) * 16);
    case 1: return (INT64_MAX >> (fv_random_below(r, 4) * 16)) - fv_random_below(r, 2);
    case 2: return (int64_t)fv_random_next(r);
    }
    return fv_random_below(r, 9) - 4;
}

void fv_random_fill(fv_random *r, fv_tensor *t) {
    for (size_t i = 0; i < t->count; i++)
        if (fv_elem_is_float(t->elem))
            fv_tensor_set_float(t, i, random_float(r, t->elem));
        else
            fv_tensor_set_int(t, i, t->elem == FV_BOOL ? fv_random_below(r, 2) : random_int(r));
}

/* ---- the instance ---- */

/* OFTEN_DRAWN: the largest rank that is drawn often even if no operator requires it */
enum { MAX_CLASSES = 256, LARGEST_DIM = 64, OFTEN_DRAWN = 2 };
const char *const fv_case_symbols[FV_CASE_SYMBOLS] = {"n", "m"};

typedef struct type_class {
    fv_elem_set set;
    int parent;
    fv_elem elem; /* the element type, set when it is drawn */
} type_class;

typedef struct name {
    const char *name;
    int class;
    fv_value *value;
} name;

/* The shape from which the shapes of other values are derived. */
typedef struct common_shape {
    int rank;
    const fv_dim *dims[FV_MAX_RANK];
    bool square; /* all shapes are [k, k], so that matrix products are legal */
} common_shape;

typedef struct maker {
    fv_random *r;
    fv_module *m;
    fv_region *body;
    const fv_rule *rule;
    int size;
    type_class classes[MAX_CLASSES];
    int nclasses;
    name names[FV_MAX_CAPTURES + 1];
    int nnames;
    struct captured_attr {
        const char *name;
        fv_attr attr;
    } attrs[FV_MAX_CAPTURES];
    int nattrs;
    struct typed_op {
        const fv_ast *p;
        int first; /* index of the first class of its type variables */
    } ops[MAX_CLASSES / FV_MAX_TYPEVARS];
    int nops;
    common_shape shape;
} maker;

/* ---- types ---- */

/* The types that are drawn: no types of less than a byte, no strings, no complex numbers. */
#define CASE_TYPES (FV_SET_NUMBER | FV_SET(BOOL) | FV_SET_FLOAT8)

static int new_class(maker *k, fv_elem_set set) {
    if (k->nclasses == MAX_CLASSES)
        return MAX_CLASSES - 1;
    k->classes[k->nclasses] = (type_class){set & CASE_TYPES, k->nclasses, FV_NO_ELEM};
    return k->nclasses++;
}

static int root_class(const maker *k, int c) {
    while (k->classes[c].parent != c)
        c = k->classes[c].parent;
    return c;
}

static void unite(maker *k, int a, int b) {
    a = root_class(k, a);
    b = root_class(k, b);
    k->classes[a].set &= k->classes[b].set;
    k->classes[b].parent = a;
}

static name *name_of(maker *k, const char *s) {
    for (int i = 0; i < k->nnames; i++)
        if (!strcmp(k->names[i].name, s))
            return &k->names[i];
    name *n = &k->names[k->nnames < FV_MAX_CAPTURES ? k->nnames++ : FV_MAX_CAPTURES];
    *n = (name){s, new_class(k, CASE_TYPES), NULL};
    return n;
}

/* The declaration of operand or result i; that of a variadic operand applies to all from its
 * position on. */
static const fv_operand_def *operand(const fv_opdef *d, int i) {
    while (i > 0 && (i >= FV_MAX_IN || !d->in[i].name))
        i--;
    return &d->in[i];
}

static const fv_operand_def *result_of(const fv_opdef *d, int i) {
    while (i > 0 && (i >= FV_MAX_OUT || !d->out[i].name))
        i--;
    return &d->out[i];
}

/* The class of a type variable; the classes of an op begin at `first`, in the order of the
 * variables in the catalogue's entry. */
static int variable(const fv_opdef *d, int first, const char *type) {
    int i = 0;
    while (i < FV_MAX_TYPEVARS - 1 && d->types[i].name && strcmp(d->types[i].name, type))
        i++;
    return first + i;
}

static bool is_about(const fv_ast *p, double *v) {
    bool is = fv_pattern_kind_of(p) == FV_PATTERN_ABOUT;
    if (is)
        *v = fv_rule_value(p->arg[0]);
    return is;
}

/* For result(i, op) of the notation: the op, and i in *result. */
static const fv_ast *op_of(const fv_ast *p, int *result) {
    bool one = fv_pattern_kind_of(p) == FV_PATTERN_RESULT;
    *result = one ? (int)p->arg[0]->i : 0;
    return one ? p->arg[1] : p;
}

static int type_op(maker *k, const fv_ast *p);

static void type_value(maker *k, const fv_ast *p, int class) {
    double v;
    if (p->kind == FV_AST_NAME && strcmp(p->name, "_"))
        unite(k, class, name_of(k, p->name)->class);
    else if (fv_rule_number(p, &v) || is_about(p, &v)) {
        if (!fv_is_whole(v))
            k->classes[root_class(k, class)].set &= FV_SET_FLOAT;
    } else if (p->kind == FV_AST_CALL)
        unite(k, class, type_op(k, p));
}

/* Merges the classes of an op's operands with those of its type variables; returns the class of its
 * result. */
static int type_op(maker *k, const fv_ast *p) {
    int result;
    p = op_of(p, &result);
    const fv_opdef *d = fv_op_get_in(k->m->session, p->name);
    int first = k->nclasses, operands = 0;
    for (int i = 0; i < FV_MAX_TYPEVARS; i++)
        new_class(k, d->types[i].name ? d->types[i].set : CASE_TYPES);
    if (k->nops < MAX_CLASSES / FV_MAX_TYPEVARS)
        k->ops[k->nops++] = (struct typed_op){p, first};
    for (int i = 0; i < p->n; i++)
        if (p->arg[i]->kind != FV_AST_NAMED)
            type_value(k, p->arg[i], variable(d, first, operand(d, operands++)->type));
    return variable(d, first, result_of(d, result)->type);
}

/* Is the condition type(x) == type(y)? */
static bool equates_types(const fv_ast *c) {
    return c->kind == FV_AST_BINARY && !strcmp(c->name, "==") && c->arg[0]->kind == FV_AST_CALL &&
           c->arg[1]->kind == FV_AST_CALL && !strcmp(c->arg[0]->name, "type") &&
           !strcmp(c->arg[1]->name, "type");
}

/* Restricts classes by the conditions of the rule on types. */
static void narrow_by(maker *k, const fv_ast *c) {
    fv_elem e;
    bool property = c->kind == FV_AST_BINARY && c->arg[0]->kind == FV_AST_CALL;
    if (c->kind == FV_AST_CALL && (!strcmp(c->name, "int") || !strcmp(c->name, "float"))) {
        int class = root_class(k, name_of(k, c->arg[0]->name)->class);
        k->classes[class].set &= c->name[0] == 'i' ? FV_SET_INT : FV_SET_FLOAT | FV_SET_FLOAT8;
    } else if (equates_types(c)) {
        unite(k, name_of(k, c->arg[0]->arg[0]->name)->class,
              name_of(k, c->arg[1]->arg[0]->name)->class);
    } else if (property && !strcmp(c->arg[0]->name, "bits")) {
        int class = root_class(k, name_of(k, c->arg[0]->arg[0]->name)->class);
        for (int t = 1; t < FV_ELEM_END; t++)
            if (fv_elem_bits((fv_elem)t) > fv_rule_value(c->arg[1]))
                k->classes[class].set &= ~((fv_elem_set)1 << t);
    } else if (property && !strcmp(c->arg[0]->name, "type") && !strcmp(c->name, "==") &&
               c->arg[1]->kind == FV_AST_NAME &&
               fv_elem_parse(c->arg[1]->name, strlen(c->arg[1]->name), &e)) {
        k->classes[root_class(k, name_of(k, c->arg[0]->arg[0]->name)->class)].set &= (fv_elem_set)1
                                                                                     << e;
    }
}

/* Draws a type of the set. Types that were drawn before are preferred, because otherwise rules that
 * require equal types would rarely match. */
static fv_elem draw(maker *k, fv_elem_set set) {
    for (int i = 0; i < k->nclasses && fv_random_one_in(k->r, 2); i++)
        if (k->classes[i].elem && (set >> k->classes[i].elem & 1))
            return k->classes[i].elem;
    if ((set & FV_SET(F32)) && fv_random_one_in(k->r, 3))
        return FV_F32;
    for (int tries = 0; tries < 1000; tries++) {
        int e = 1 + fv_random_below(k->r, FV_ELEM_END - 1);
        if (set >> e & 1)
            return (fv_elem)e;
    }
    return FV_NO_ELEM;
}

static bool draw_types(maker *k) {
    for (int i = 0; i < k->nclasses; i++) {
        type_class *c = &k->classes[root_class(k, i)];
        if (!c->elem && (!c->set || !(c->elem = draw(k, c->set))))
            return fv_error(k->m->session, "the pattern allows no element type");
    }
    return true;
}

static fv_elem elem_of(maker *k, int class) {
    return k->classes[root_class(k, class)].elem;
}

/* ---- shapes ---- */

/* Is it a condition `dim(x, axis) == 4`, or another comparison of a dim with a number? *n becomes
 * that number; for < the number before it, for > the one after it. */
static bool asks_for_dim(const fv_ast *c, int64_t *n) {
    double v;
    bool asks = c->kind == FV_AST_BINARY && c->arg[0]->kind == FV_AST_CALL &&
                !strcmp(c->arg[0]->name, "dim") && fv_rule_number(c->arg[1], &v) &&
                fv_is_whole(v) && v >= 0 && v <= (double)LARGEST_DIM;
    if (asks)
        *n = fv_whole(v) + (c->name[1] ? 0 : c->name[0] == '<' ? -1 : 1);
    return asks && *n >= 0;
}

/* The number that one of the rule's conditions on dims asks for (see asks_for_dim), drawn at
 * random; NULL: the rule has no such condition. */
static const fv_dim *wanted_dim(maker *k) {
    int64_t n;
    int all = 0, found = 0;
    for (int i = 0; i < k->rule->nwhere; i++)
        all += asks_for_dim(k->rule->where[i], &n);
    int pick = all ? fv_random_below(k->r, all) : -1;
    for (int i = 0; i < k->rule->nwhere; i++)
        if (asks_for_dim(k->rule->where[i], &n) && found++ == pick)
            return fv_dim_const(k->m->dims, n);
    return NULL;
}

static const fv_dim *random_dim(void *of) {
    maker *k = of;
    static const int64_t few[] = {1, 0, 2, 3, 5};
    const fv_dim *wanted = wanted_dim(k);
    if (wanted && fv_random_one_in(k->r, 2))
        return wanted;
    if (k->size > 0 && fv_random_one_in(k->r, 3))
        return fv_dim_symbol(k->m->dims, fv_case_symbols[fv_random_below(k->r, FV_CASE_SYMBOLS)]);
    return fv_dim_const(k->m->dims, few[fv_random_below(k->r, k->size > 1 ? 5 : 2)]);
}

/* Sets bounds of a new symbol. An instance has so few symbols that the table of dims has room for
 * all. */
static void bound(fv_dims *t, const fv_dim *symbol, int64_t lo, int64_t hi) {
    bool left = fv_dim_bound(t, symbol, lo, hi);
    assert(left);
    (void)left; /* an assert is empty in a release build, so the variable would be unused */
}

/* The smallest rank that all operands of the pattern's ops may have, except those whose rank is
 * limited above. */
static int least_rank(const maker *k) {
    int least = 0;
    for (int i = 0; i < k->nops; i++) {
        const fv_opdef *d = fv_op_get_in(k->m->session, k->ops[i].p->name);
        for (int j = 0; j < FV_MAX_IN && d->in[j].name; j++)
            if (!d->in[j].rank.most && d->in[j].rank.least > least)
                least = d->in[j].rank.least;
    }
    return least;
}

static void draw_shape(maker *k) {
    for (int i = 0; i < FV_CASE_SYMBOLS; i++) {
        const fv_dim *d = fv_dim_symbol(k->m->dims, fv_case_symbols[i]);
        if (fv_random_one_in(k->r, 2))
            bound(k->m->dims, d, fv_random_below(k->r, 2), 8);
    }
    int least = least_rank(k);
    k->shape.square = k->size > 0 && least <= OFTEN_DRAWN && fv_random_one_in(k->r, 6);
    k->shape.rank = k->shape.square ? 2 : fv_random_below(k->r, k->size + 1);
    if (least > OFTEN_DRAWN && k->shape.rank < least)
        k->shape.rank = least;
    for (int i = 0; i < k->shape.rank; i++)
        k->shape.dims[i] = k->shape.square && i ? k->shape.dims[0] : random_dim(k);
}

/* Draws the common shape, or one that broadcasts to it: its last axes, some of them with dim 1. */
static int part_of_shape(maker *k, const fv_dim **dims) {
    int drop = 0;
    bool whole = k->shape.square || !fv_random_one_in(k->r, 3);
    if (!whole)
        drop = fv_random_below(k->r, k->shape.rank + 1);
    for (int i = drop; i < k->shape.rank; i++)
        dims[i - drop] =
            !whole && fv_random_one_in(k->r, 3) ? fv_dim_const(k->m->dims, 1) : k->shape.dims[i];
    return k->shape.rank - drop;
}

/* ---- values ---- */

/* The name that a condition compares with a number: a of `a > 1`, and of `a / b > 1`, where b is
 * near 1. */
static const char *asked_name(const fv_ast *c) {
    const fv_ast *x = c->kind == FV_AST_BINARY ? c->arg[0] : c;
    bool divides = x->kind == FV_AST_BINARY && !strcmp(x->name, "/");
    x = divides ? x->arg[0] : x;
    return c->kind == FV_AST_BINARY && x->kind == FV_AST_NAME ? x->name : "";
}

/* A condition of the rule on the value of the constant that is called `s`. */
static const fv_ast *wanted_number(const fv_rule *r, const char *s) {
    double v;
    for (int i = 0; i < r->nwhere; i++) {
        const fv_ast *c = r->where[i];
        if (!strcmp(asked_name(c), s) && fv_rule_number(c->arg[1], &v))
            return c;
    }
    return NULL;
}

/* The condition `called` on the value whose name is `s`; NULL: there is none. */
static const fv_ast *condition_on(const fv_rule *r, const char *called, const char *s) {
    for (int i = 0; i < r->nwhere; i++) {
        const fv_ast *c = r->where[i];
        if (c->kind == FV_AST_CALL && c->arg[0]->kind == FV_AST_NAME &&
            !strcmp(c->arg[0]->name, s) && !strcmp(c->name, called))
            return c;
    }
    return NULL;
}

static bool wants_constant(const fv_rule *r, const char *s) {
    return condition_on(r, "const", s) || condition_on(r, "scalar", s);
}

/* A tensor that usually has one element, of rank 0 to 2. */
static fv_tensor *small_tensor(maker *k, fv_elem e) {
    int64_t dims[2] = {1, 1};
    if (fv_random_one_in(k->r, 4))
        dims[1] = 1 + fv_random_below(k->r, 3);
    return fv_tensor_new(k->m->arena, e, fv_random_one_in(k->r, 2) ? 0 : fv_random_below(k->r, 3),
                         dims);
}

static fv_value *uniform(maker *k, const char *stem, fv_elem e, double v) {
    fv_tensor *t = small_tensor(k, e);
    for (size_t i = 0; i < t->count; i++)
        if (fv_elem_is_float(e))
            fv_tensor_set_float(t, i, v == 0 && fv_random_one_in(k->r, 2) ? -v : v);
        else
            fv_tensor_set_int(t, i, fv_whole(v));
    return fv_const_new(k->m, stem, t);
}

/* A constant at or near v, on that side of v which the comparison asks for. It may equal v, so < >
 * and != do not always hold. */
static fv_value *number_for(maker *k, const char *stem, fv_elem e, char comparison, double v) {
    switch (comparison) {
    case '~':
        if (fv_elem_is_float(e))
            v = fv_float_decode(e, fv_float_encode(e, v) - FV_ABOUT_ULPS +
                                       (uint64_t)fv_random_below(k->r, 2 * FV_ABOUT_ULPS + 1));
        break;
    case '<': v -= fv_random_below(k->r, 3); break;
    case '>': v += fv_random_below(k->r, 3); break;
    case '!': v += fv_random_below(k->r, 5) - 2; break;
    }
    return uniform(k, stem, e, v);
}

/* Fills a constant with numbers between the positive ones of the condition. For a rule that is not
 * exact they are powers of two: products of these with small integers are exact, so that a sum in
 * which terms cancel is the same in every order and type. */
static void fill_between(maker *k, fv_tensor *t, const fv_ast *between, bool any) {
    int least = ilogb(fv_rule_value(between->arg[1])) + 1;
    int most = ilogb(fv_rule_value(between->arg[2]));
    for (size_t i = 0; i < t->count; i++) {
        int end = fv_random_one_in(k->r, 2) ? least : most, near = fv_random_below(k->r, 7) - 3;
        double digits =
            any && fv_random_one_in(k->r, 2) ? 1 + fv_random_below(k->r, 1000) / 1e3 : 1;
        fv_tensor_set_float(t, i, ldexp(digits, fv_random_one_in(k->r, 16) ? end : near));
    }
}

/* The constant that a condition same(constant, s) requires to equal the constant `s`; NULL: there
 * is no such condition, or the constant is not made yet. */
static fv_value *same_constant(maker *k, const char *s) {
    for (int i = 0; i < k->rule->nwhere; i++) {
        const fv_ast *c = k->rule->where[i];
        if (c->kind == FV_AST_CALL && !strcmp(c->name, "same") && !strcmp(c->arg[1]->name, s))
            return name_of(k, c->arg[0]->name)->value;
    }
    return NULL;
}

/* A constant whose shape is derived from the common one; NULL: that one has symbols. */
static fv_value *shaped_constant(maker *k, const char *stem, fv_elem e) {
    const fv_dim *dims[FV_MAX_RANK];
    int64_t n[FV_MAX_RANK];
    const fv_ast *between = condition_on(k->rule, "between", stem);
    int rank = between && fv_random_one_in(k->r, 2) ? 0 : part_of_shape(k, dims);
    for (int i = 0; i < rank; i++) {
        if (!fv_dim_is_const(dims[i]))
            return NULL;
        n[i] = dims[i]->value;
    }
    fv_tensor *t = fv_tensor_new(k->m->arena, e, rank, n);
    if (between && fv_elem_is_float(e))
        fill_between(k, t, between,
                     k->rule->exactness == FV_EXACT &&
                         !condition_on(k->rule, "powers_of_two", stem));
    else
        fv_random_fill(k->r, t);
    return fv_const_new(k->m, stem, t);
}

static fv_value *leaf(maker *k, const char *stem, fv_elem e) {
    const fv_ast *number = wanted_number(k->rule, stem);
    const fv_dim *dims[FV_MAX_RANK];
    if (number)
        return number_for(k, stem, e, number->name[0], fv_rule_value(number->arg[1]));
    if (wants_constant(k->rule, stem) && !condition_on(k->rule, "between", stem)) {
        fv_tensor *t = small_tensor(k, e);
        fv_random_fill(k->r, t);
        return fv_const_new(k->m, stem, t);
    }
    if (condition_on(k->rule, "fixed", stem) || condition_on(k->rule, "between", stem))
        return shaped_constant(k, stem, e);
    if (same_constant(k, stem))
        return same_constant(k, stem);
    int rank = part_of_shape(k, dims);
    return fv_param_new(k->body, stem, fv_tensor_type(k->m->arena, e, rank, dims));
}

static fv_value *build_op(maker *k, const fv_ast *p);

static fv_value *build_value(maker *k, const fv_ast *p, int class) {
    double v;
    if (p->kind == FV_AST_NAME) {
        bool any = !strcmp(p->name, "_");
        name *n = any ? NULL : name_of(k, p->name);
        if (any || !n->value) {
            fv_value *made = leaf(k, any ? "any" : p->name, elem_of(k, class));
            if (any)
                return made;
            n->value = made;
        }
        return n->value;
    }
    if (fv_rule_number(p, &v))
        return uniform(k, "c", elem_of(k, class), v);
    if (is_about(p, &v))
        return number_for(k, "c", elem_of(k, class), '~', v);
    return build_op(k, p);
}

/* ---- attributes ---- */

static bool is_captured(const fv_ast *p, const char *attr) {
    for (int i = 0; i < p->n; i++)
        if (p->arg[i]->kind == FV_AST_NAMED && !strcmp(p->arg[i]->name, attr))
            return true;
    return false;
}

static void draw_attr(maker *k, fv_op *op, const fv_attr_def *d) {
    int rank = op->nin && op->in[0] ? op->in[0]->type->rank : 0;
    int64_t axis = rank ? fv_random_below(k->r, 2 * rank) - rank : 0;
    if (d->kind == FV_ATTR_INT)
        fv_op_set_int(op, d->name, !strcmp(d->name, "axis") ? axis : fv_random_below(k->r, 3));
    else if (d->kind == FV_ATTR_FLOAT)
        fv_op_set_float(op, d->name, (float)(2 * fv_random_real(k->r)));
    else if (d->kind == FV_ATTR_INTS)
        fv_op_set_ints(op, d->name, 1, &axis);
}

static void set_literal(fv_op *op, const fv_attr_def *d, const fv_ast *x) {
    int64_t list[FV_MAX_RANK];
    for (int i = 0; i < x->n && x->kind == FV_AST_LIST; i++)
        list[i] = fv_whole(fv_rule_value(x->arg[i]));
    const double v = x->kind == FV_AST_LIST ? 0 : fv_rule_value(x);
    if (x->kind == FV_AST_LIST)
        fv_op_set_ints(op, d->name, x->n, list);
    else if (x->kind == FV_AST_STRING)
        fv_op_set_string(op, d->name, x->name);
    else if (d->kind == FV_ATTR_INT)
        fv_op_set_int(op, d->name, fv_whole(v));
    else
        fv_op_set_float(op, d->name, (float)v);
}

/* An attribute to which the pattern gives a name gets the same value wherever the name occurs. */
static void unite_attr(maker *k, fv_op *op, const fv_ast *named) {
    const char *captured = named->arg[0]->name;
    const fv_attr *drawn = fv_op_find_attr(op, named->name);
    int i = 0;
    while (i < k->nattrs && strcmp(k->attrs[i].name, captured) != 0)
        i++;
    if (i == k->nattrs) {
        if (drawn && k->nattrs < FV_MAX_CAPTURES && strcmp(captured, "_") != 0)
            k->attrs[k->nattrs++] = (struct captured_attr){captured, *drawn};
        return;
    }
    fv_attr same = k->attrs[i].attr;
    same.name = named->name;
    fv_op_attr(op, &same);
}

/* Attributes that check_attrs.c does not draw get a number, an axis or their default. */
static void draw_attrs(maker *k, const fv_ast *p, fv_op *op, fv_elem result) {
    const fv_attr_drawing drawing = {k->m, k->r, random_dim, k};
    bool drawn = fv_draw_attrs(&drawing, op, p->name, result);
    for (int i = 0; i < FV_MAX_ATTRS && op->def->attrs[i].name && !drawn; i++) {
        const fv_attr_def *d = &op->def->attrs[i];
        if (!d->until && (d->required || is_captured(p, d->name)))
            draw_attr(k, op, d);
    }
    for (int i = 0; i < p->n; i++)
        if (p->arg[i]->kind == FV_AST_NAMED && p->arg[i]->arg[0]->kind != FV_AST_NAME)
            set_literal(op, fv_opdef_attr(op->def, p->arg[i]->name), p->arg[i]->arg[0]);
        else if (p->arg[i]->kind == FV_AST_NAMED)
            unite_attr(k, op, p->arg[i]);
}

/* ---- ops ---- */

static int first_class(const maker *k, const fv_ast *p) {
    int i = 0;
    while (i < k->nops - 1 && k->ops[i].p != p)
        i++;
    return k->ops[i].first;
}

static fv_value *build_op(maker *k, const fv_ast *p) {
    int result;
    p = op_of(p, &result);
    const fv_opdef *d = fv_op_get_in(k->m->session, p->name);
    fv_value **in = FV_NEW(k->m->arena, fv_value *, p->n + 1);
    int first = first_class(k, p), n = 0;
    for (int i = 0; i < p->n; i++) {
        if (p->arg[i]->kind == FV_AST_NAMED)
            continue;
        int class = variable(d, first, operand(d, n)->type);
        if (!(in[n++] = build_value(k, p->arg[i], class)))
            return NULL;
    }
    const char *names[FV_MAX_OUT];
    int nout = fv_rule_results(d, result);
    for (int i = 0; i < nout; i++)
        names[i] = d->name;
    fv_op *op = fv_op_new(k->body, NULL, d, n, in, nout, names, fv_origin_of(k->m, d->name));
    draw_attrs(k, p, op, elem_of(k, variable(d, first, result_of(d, result)->type)));
    return fv_op_infer(op) ? op->out[result] : NULL;
}

static fv_value *build_instance(maker *k) {
    const fv_ast *p = fv_pattern_draw(k->m->arena, k->r, k->rule->pattern);
    type_op(k, p);
    for (int i = 0; i < k->rule->nwhere; i++)
        narrow_by(k, k->rule->where[i]);
    if (!draw_types(k))
        return NULL;
    draw_shape(k);
    return build_op(k, p);
}

fv_module *fv_rule_instance(fv_session *s, const fv_rule *r, fv_random *random, int size) {
    fv_module *m = fv_module_new(s, "instance");
    maker *k = FV_NEW(m->arena, maker, 1);
    *k = (maker){.r = random, .m = m, .rule = r, .size = size};
    k->body = fv_func_new(m, "main")->body;
    fv_value *result = build_instance(k);
    if (!result) {
        fv_module_free(m);
        return NULL;
    }
    fv_region_return(k->body, 1, &result);
    return m;
}
