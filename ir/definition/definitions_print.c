/* definitions_print.c - prints definitions so that they can be parsed; the grammar is in
 * definitions.h. An expression that occurs several times in a definition gets a name, unless it is
 * no longer than a name. */
#include "ir/definition/definitions_print.h"

#include <string.h>

#include "ir/base/ptrmap.h"
#include "ir/catalogue/op.h"
#include "ir/definition/definitions_parse.h"
#include "ir/definition/form_text.h"
#include "ir/definition/recurrence.h"
#include "ir/definition/view.h"
#include "ir/dim/text.h"
#include "ir/graph/print.h"
#include "ir/kernel/printer.h"

enum {
    VARS = 64,
    /* smallest number of nodes (counted as a tree) for which an expression that occurs several
     * times gets a name (a reduction always gets one); a shorter one is printed again, and the
     * parser makes it one node */
    WORTH_A_NAME = 5,
    DEEPEST = 60
};

static const char *const heads[] = {
    [FV_FATE_MEMORY] = "    element ",      [FV_FATE_SUBSTITUTED] = "    substituted ",
    [FV_FATE_VIEW] = "    view ",           [FV_FATE_PART] = "    element ",
    [FV_FATE_ASSEMBLED] = "    assembled ",
};

typedef struct printer {
    fv_graph_printer graph;
    const fv_module *module;
    const fv_definitions *definitions;
    fv_ptrmap defined; /* value -> its fv_defined */
    fv_ptrmap whole;   /* ops that are printed as ops and not as definitions -> themselves */
    fv_ptrmap shown;   /* values that are printed in a line -> themselves */
} printer;

/* ---- one definition ---- */

/* Properties of a subexpression of the definition that is printed. */
typedef struct node {
    const fv_expr *x;
    int uses, depth;
    /* sets of bits: the variables of the reductions within x; the reduction variables that are free
     * in x */
    uint64_t vars, free;
    bool named;
} node;

/* The first VARS variables of reductions. */
typedef struct reduced_vars {
    fv_var *all[VARS];
    /* for each variable: the set of variables that must have other names, since their reductions
     * are nested with its own */
    uint64_t apart[VARS];
    int n;
} reduced_vars;

typedef struct namer {
    printer *p;
    fv_arena *arena;
    fv_ptrmap nodes; /* expression -> node */
    fv_ptrmap terms; /* expression -> its name, if it has one */
    fv_ptrmap taken; /* interned names that are in use */
    fv_ptrmap vars;  /* variable -> its name */
    reduced_vars reduced;
    /* the nodes with names; the name of a part precedes the names of expressions that contain it */
    node **order;
    int n, cap, counter, nlines;
    struct {
        const fv_var **all;
        int n, cap;
    } far;         /* further variables of reductions, after the first VARS */
    uint64_t free; /* bits of the variables that occur free in named expressions */
} namer;

/* Do all variables that are printed as `name` belong to reductions that are not nested with that of
 * variable `number`? */
static bool name_is_apart(const namer *n, const char *name, int number) {
    for (int i = 0; i < n->reduced.n; i++)
        if ((n->reduced.apart[number] >> i & 1) &&
            fv_ptrmap_get(&n->vars, n->reduced.all[i]) == name)
            return false;
    return true;
}

/* May v be printed with that name? It may be the name of a variable of another reduction with the
 * same extent that is not nested with this one: a reader makes one variable of both. */
static bool is_free(namer *n, const char *name, const fv_var *v, int number) {
    const void *owner = fv_ptrmap_get(&n->taken, name);
    if (!owner)
        return true;
    for (int i = 0; i < n->reduced.n && number >= 0; i++)
        if (owner == n->reduced.all[i])
            return n->reduced.all[i]->dim == v->dim && name_is_apart(n, name, number);
    return false;
}

static void name_var(namer *n, const fv_var *v, int number) {
    if (fv_ptrmap_get(&n->vars, v))
        return;
    fv_session *s = fv_arena_session(n->arena);
    const char *name = fv_intern(s, v->name);
    for (int i = 1; !is_free(n, name, v, number); i++)
        name = fv_intern(s, fv_printf(n->arena, "%s_%d", v->name, i));
    if (!fv_ptrmap_get(&n->taken, name))
        *fv_ptrmap_at(&n->taken, name) = (void *)(uintptr_t)v;
    *fv_ptrmap_at(&n->vars, v) = (void *)(uintptr_t)name;
}

/* The bit of a reduction variable. The last bit is shared by all variables for which there is no
 * bit left; these get unique names. */
static uint64_t bit_of(namer *n, fv_var *v) {
    int i = 0;
    while (i < n->reduced.n && n->reduced.all[i] != v)
        i++;
    if (i == VARS && !fv_ptrmap_get(&n->vars, v)) {
        name_var(n, v, -1);
        FV_PUSH(n->arena, n->far.all, n->far.n, n->far.cap, v);
    } else if (i == n->reduced.n && i < VARS)
        n->reduced.all[n->reduced.n++] = v;
    return UINT64_C(1) << (i < VARS ? i : VARS - 1);
}

/* The bit that bit_of gave to the variable; 0 for an index of the result. */
static uint64_t known_bit(const namer *n, const fv_var *v) {
    for (int i = 0; i < n->reduced.n; i++)
        if (n->reduced.all[i] == v)
            return UINT64_C(1) << i;
    for (int i = 0; i < n->far.n; i++)
        if (n->far.all[i] == v)
            return UINT64_C(1) << (VARS - 1);
    return 0;
}

static void name_term(namer *n, const fv_expr *x) {
    const char *name;
    do
        name = fv_intern(fv_arena_session(n->arena), fv_printf(n->arena, "t%d", n->counter++));
    while (fv_ptrmap_get(&n->taken, name));
    *fv_ptrmap_at(&n->taken, name) = n;
    *fv_ptrmap_at(&n->terms, x) = (void *)(uintptr_t)name;
}

static node *look_at(namer *n, const fv_expr *x) {
    node *known = fv_ptrmap_get(&n->nodes, x);
    if (known) {
        known->uses++;
        return known;
    }
    known = FV_NEW(n->arena, node, 1);
    *known = (node){.x = x, .uses = 1};
    *fv_ptrmap_at(&n->nodes, x) = known;
    for (int i = 0; x->op == FV_X_REDUCE && i < x->u.red.nvars; i++)
        known->vars |= bit_of(n, x->u.red.vars[i]);
    uint64_t own = known->vars;
    known->free = x->op == FV_X_VAR ? known_bit(n, x->u.var) : 0;
    for (int i = 0; i < x->n; i++) {
        node *part = look_at(n, x->arg[i]);
        known->vars |= part->vars;
        known->free |= part->free;
        if (part->depth >= DEEPEST)
            /* an expression as deep as this counts as used once more, so that it gets a name */
            part->uses++;
        int depth = part->uses > 1 ? 1 : part->depth + 1;
        known->depth = depth > known->depth ? depth : known->depth;
    }
    known->free &= ~(own & ~(UINT64_C(1) << (VARS - 1)));
    for (int i = 0; i < n->reduced.n; i++) {
        n->reduced.apart[i] |= own >> i & 1 ? known->vars : 0;
        n->reduced.apart[i] |= known->vars >> i & 1 ? own : 0;
    }
    return known;
}

static bool has_name(const node *k) {
    return k->uses > 1 && (k->x->op == FV_X_REDUCE || k->x->size >= WORTH_A_NAME);
}

/* Gives names to subexpressions of x that are used several times, parts before the expressions that
 * contain them. */
static void name_parts(namer *n, const fv_expr *x) {
    node *k = fv_ptrmap_get(&n->nodes, x);
    if (k->named)
        return;
    k->named = true;
    for (int i = 0; i < x->n; i++)
        name_parts(n, x->arg[i]);
    if (has_name(k)) {
        name_term(n, x);
        n->free |= k->free;
        FV_PUSH(n->arena, n->order, n->n, n->cap, k);
    }
}

/* Prints the axes with which b represents its value, if they are not the value's own. */
static void put_view(void *user, fv_text *t, const fv_buf *b) {
    const printer *p = user;
    const fv_value *v = b->value;
    const fv_defined *d = fv_ptrmap_get(&p->defined, v);
    const fv_dim *dims[FV_MAX_RANK];
    fv_buf_dims(p->module->dims, b, dims);
    fv_view_put(t, v->type, d ? d->last : -1, b->rank, dims);
}

static void put_expr(namer *n, const fv_expr *x) {
    fv_kprinter k;
    fv_kprinter_init(&k, n->p->graph.t, false);
    k.values = true;
    k.view.put = put_view;
    k.view.user = n->p;
    k.names = n->vars;
    k.terms.names = &n->terms;
    k.terms.whole = x;
    fv_kp_expr(&k, x);
}

static void put_name(namer *n, const char *name) {
    fv_kprinter k;
    fv_kprinter_init(&k, n->p->graph.t, false);
    fv_kp_name(&k, name);
}

static void put_left(namer *n, const fv_defined *d) {
    fv_text *t = n->p->graph.t;
    fv_text_put(t, heads[d->fate]);
    fv_put_value(t, d->value);
    const fv_dim *dims[FV_MAX_RANK];
    for (int i = 0; i < d->def->rank; i++)
        dims[i] = d->def->index[i]->dim;
    fv_view_put(t, d->value->type, d->last, d->def->rank, dims);
    for (int i = 0; i < d->def->rank; i++) {
        fv_text_put(t, i ? ", " : "[");
        put_name(n, fv_ptrmap_get(&n->vars, d->def->index[i]));
    }
    fv_text_put(t, d->def->rank ? "]" : "[]");
    if (d->last >= 0)
        fv_text_printf(t, " last %d", d->last);
}

/* Begins a part of a definition: on the line of its left side if it is the first part and no
 * expression has a name, otherwise on a new line. */
static void begin(namer *n, const char *word) {
    bool first = !n->n && !n->nlines;
    fv_text_printf(n->p->graph.t, first ? " %s " : "\n      %s ", word);
    n->nlines++;
}

static void put_index(namer *n, const fv_var *v) {
    begin(n, "index");
    put_name(n, fv_ptrmap_get(&n->vars, v));
    fv_text_printf(n->p->graph.t, " < %s", fv_dim_str(n->arena, v->dim));
}

static void put_var_name(void *user, const fv_var *v) {
    namer *n = user;
    put_name(n, fv_ptrmap_get(&n->vars, v));
}

static void put_form(namer *n, const fv_definition *d) {
    if (d->form.kind == FV_FORM_NONE)
        return;
    fv_text_put(n->p->graph.t, n->n ? "\n      as " : " as ");
    fv_form_put(n->p->graph.t, d, put_var_name, n);
}

/* In a group: takes the names of the first result's index variables, and reserves them. */
static void take_names(namer *n, const fv_defined *d, const namer *first, const fv_definition *of) {
    for (int i = 0; first && i < of->rank; i++) {
        char *name = fv_ptrmap_get(&first->vars, of->index[i]);
        *fv_ptrmap_at(&n->taken, name) = of->index[i];
        if (fv_definition_axis(d->def, of->index[i]) < d->def->rank)
            *fv_ptrmap_at(&n->vars, of->index[i]) = name;
    }
}

/* A namer in whose scope only the symbols have names. */
static namer new_namer(printer *p) {
    fv_arena *a = p->graph.t->arena;
    namer n = {.p = p,
               .arena = a,
               .nodes = fv_ptrmap_in(a),
               .terms = fv_ptrmap_in(a),
               .taken = fv_ptrmap_in(a),
               .vars = fv_ptrmap_in(a)};
    const fv_dim *const *symbols;
    int nsymbols = fv_dim_symbols(p->module->dims, &symbols);
    for (int i = 0; i < nsymbols; i++)
        *fv_ptrmap_at(&n.taken, fv_intern(fv_arena_session(a), symbols[i]->name)) = p;
    return n;
}

/* Prints a definition. `first`: the names of the first result of its group; NULL: it is the first
 * result, or in no group. */
static namer put_definition(printer *p, const fv_defined *d, const namer *first,
                            const fv_definition *of) {
    fv_text *t = p->graph.t;
    namer n = new_namer(p);
    take_names(&n, d, first, of);
    for (int i = 0; i < d->def->rank; i++)
        name_var(&n, d->def->index[i], -1);
    look_at(&n, d->def->body);
    if (d->fate == FV_FATE_PART)
        look_at(&n, d->def->place);
    for (int i = 0; i < n.reduced.n; i++)
        name_var(&n, n.reduced.all[i], i);
    name_parts(&n, d->def->body);
    if (d->fate == FV_FATE_PART)
        name_parts(&n, d->def->place);
    put_left(&n, d);
    for (int i = 0; i < n.reduced.n; i++)
        if (n.free >> i & 1)
            put_index(&n, n.reduced.all[i]);
    for (int i = 0; i < n.far.n && n.free >> (VARS - 1) & 1; i++)
        put_index(&n, n.far.all[i]);
    for (int i = 0; i < n.n; i++) {
        begin(&n, "let");
        fv_text_printf(t, "%s = ", (const char *)fv_ptrmap_get(&n.terms, n.order[i]->x));
        put_expr(&n, n.order[i]->x);
    }
    if (d->fate == FV_FATE_PART) {
        begin(&n, "at");
        put_expr(&n, d->def->place);
    }
    if (d->fate == FV_FATE_VIEW) {
        begin(&n, "of");
        fv_put_value(t, d->of);
    }
    begin(&n, "=");
    /* the body as a whole has a name if the expressions of the place use it, too */
    if (fv_ptrmap_get(&n.terms, d->def->body))
        fv_text_put(t, fv_ptrmap_get(&n.terms, d->def->body));
    else
        put_expr(&n, d->def->body);
    put_form(&n, d->def);
    fv_text_put(t, "\n");
    return n;
}

static void put_defined(printer *p, const fv_defined *d) {
    fv_text *t = p->graph.t;
    if (d->def) {
        put_definition(p, d, NULL, NULL);
        return;
    }
    fv_text_put(t, heads[d->fate]);
    fv_put_value(t, d->value);
    if (d->last >= 0)
        fv_text_printf(t, " last %d", d->last);
    if (d->fate == FV_FATE_VIEW || (d->fate == FV_FATE_ASSEMBLED && d->of)) {
        fv_text_put(t, d->fate == FV_FATE_VIEW ? " of " : " over ");
        fv_put_value(t, d->of);
    }
    fv_text_put(t, "\n");
}

/* ---- ops ---- */

/* Is op a state of the model that grows in the memory of an input? */
static bool is_state(const fv_op *op) {
    return fv_op_is(op, FV_OP_fv_Extend) && op->in[0]->kind == FV_VALUE_PARAM;
}

/* Prints the values that x loads as operands, each once. */
static void find_operands(const printer *p, const fv_expr *x, fv_ptrmap *seen, fv_text *t) {
    if (*fv_ptrmap_at(seen, x))
        return;
    *fv_ptrmap_at(seen, x) = (void *)(uintptr_t)x;
    const fv_value *v = x->op == FV_X_LOAD || x->op == FV_X_GUARD ? x->u.buf->value : NULL;
    const fv_defined *d = v ? fv_ptrmap_get(&p->defined, v) : NULL;
    /* an assembled value is printed after its parts, so it is no operand */
    bool below = d && d->fate == FV_FATE_ASSEMBLED && !d->value->def->def->kernel;
    if (v && !*fv_ptrmap_at(seen, v) && !below) {
        *fv_ptrmap_at(seen, v) = (void *)(uintptr_t)v;
        fv_text_put(t, t->n && t->s[t->n - 1] != '(' ? ", " : "");
        fv_put_value(t, v);
    }
    for (int i = 0; i < x->n; i++)
        find_operands(p, x->arg[i], seen, t);
}

static void put_block(printer *p, const fv_op *op) {
    bool any = false;
    for (int i = 0; i < op->nout; i++) {
        const fv_defined *d = op->out[i] ? fv_ptrmap_get(&p->defined, op->out[i]) : NULL;
        if (!d)
            continue;
        fv_text_put(p->graph.t, any ? "" : " {\n");
        put_defined(p, d);
        any = true;
    }
    fv_text_put(p->graph.t, any ? "  }\n" : "\n");
}

/* Prints one `define` with n results; n > 1: a group. */
static void put_define(printer *p, const fv_op *op, int n, fv_value *const *out) {
    fv_text *t = p->graph.t;
    fv_ptrmap seen = fv_ptrmap_in(t->arena);
    fv_text operands = {.arena = t->arena};
    const fv_defined *first = fv_ptrmap_get(&p->defined, out[0]);
    for (int i = 0; i < n && n > 1; i++)
        *fv_ptrmap_at(&seen, out[i]) = out[i]; /* a result of the op is not its operand */
    for (int i = 0; i < n; i++) {
        const fv_defined *d = fv_ptrmap_get(&p->defined, out[i]);
        if (d->def)
            find_operands(p, d->def->body, &seen, &operands);
    }
    for (int i = 0; i < n; i++) {
        fv_text_put(t, i ? ", " : "  ");
        fv_put_value(t, out[i]);
    }
    fv_text_printf(t, " = define(%s)", operands.n ? operands.s : "");
    if (strcmp(fv_op_stem(op), fv_define_def.name))
        fv_text_printf(t, " {op = \"%s\"}", fv_op_stem(op));
    for (int i = 0; i < n; i++) {
        fv_text_put(t, i ? ", " : " : ");
        fv_put_type_of(t, out[i]);
    }
    fv_put_nodes(t, "    loc(", first->origin->n, first->origin->nodes);
    fv_put_nodes(t, " checks(", first->nchecks, first->checks);
    fv_text_put(t, " {\n");
    namer names = n > 1 ? put_definition(p, first, NULL, NULL) : (namer){0};
    for (int i = 1; i < n; i++)
        put_definition(p, fv_ptrmap_get(&p->defined, out[i]), &names, first->def);
    if (n == 1)
        put_defined(p, first);
    fv_text_put(t, "  }\n");
}

/* ---- recurrences ---- */

static const fv_recurrence *recurrence_of(const printer *p, const fv_op *op) {
    for (int i = 0; i < p->definitions->nrecurrences; i++)
        if (p->definitions->recurrences[i]->op == op)
            return p->definitions->recurrences[i];
    return NULL;
}

static void each_expr(const fv_recurrence *r, void (*with)(void *user, fv_expr *x), void *user) {
    for (int i = 0; i < r->nstates; i++) {
        if (r->states[i].first)
            with(user, r->states[i].first);
        with(user, r->states[i].step);
    }
    for (int i = 0; i < r->nelements; i++) {
        for (int k = 0; k < r->elements[i].value->type->rank; k++)
            with(user, r->elements[i].at[k]);
        with(user, r->elements[i].x);
    }
}

static void look_at_it(void *user, fv_expr *x) {
    look_at(user, x);
}

static void put_var(namer *n, const char *word, const fv_var *v) {
    fv_text_printf(n->p->graph.t, "    %s ", word);
    put_name(n, fv_ptrmap_get(&n->vars, v));
    fv_text_printf(n->p->graph.t, " < %s\n", fv_dim_str(n->arena, v->dim));
}

static void put_state(namer *n, const char *word, const fv_state *s) {
    fv_text *t = n->p->graph.t;
    fv_text_printf(t, "    %s ", word);
    fv_put_value(t, s->now);
    fv_text_put(t, "[");
    for (int i = 0; i < s->rank; i++) {
        fv_text_put(t, i ? ", " : "");
        put_name(n, fv_ptrmap_get(&n->vars, s->index[i]));
    }
    fv_text_put(t, "]");
}

static void put_emission(namer *n, const fv_emission *e) {
    fv_text *t = n->p->graph.t;
    fv_text_put(t, e->last ? "    last " : "    element ");
    fv_put_value(t, e->value);
    fv_text_put(t, "[");
    for (int i = 0; i < e->value->type->rank; i++) {
        fv_text_put(t, i ? ", " : "");
        put_expr(n, e->at[i]);
    }
    fv_text_put(t, "] = ");
    put_expr(n, e->x);
    fv_text_put(t, "\n");
}

static void put_steps(printer *p, const fv_recurrence *r) {
    fv_text *t = p->graph.t;
    namer n = new_namer(p);
    name_var(&n, r->t, -1);
    for (int i = 0; i < r->nvars; i++)
        name_var(&n, r->vars[i], -1);
    each_expr(r, look_at_it, &n);
    for (int i = 0; i < n.reduced.n; i++)
        name_var(&n, n.reduced.all[i], i);
    put_var(&n, "along", r->t);
    for (int i = 0; i < r->nvars; i++)
        put_var(&n, "index", r->vars[i]);
    for (int i = 0; i < r->nstates; i++) {
        const fv_state *s = &r->states[i];
        put_state(&n, "state", s);
        fv_text_printf(t, ": %s%s", fv_elem_name(s->now->type->elem), s->first ? " = " : "\n");
        if (s->first) {
            put_expr(&n, s->first);
            fv_text_put(t, "\n");
        }
    }
    for (int i = 0; i < r->nstates; i++) {
        put_state(&n, "step", &r->states[i]);
        fv_text_put(t, " = ");
        put_expr(&n, r->states[i].step);
        fv_text_put(t, "\n");
    }
    for (int i = 0; i < r->nelements; i++)
        put_emission(&n, &r->elements[i]);
}

typedef struct operands {
    const printer *p;
    fv_ptrmap seen;
    fv_text t;
} operands;

static void find_its_operands(void *user, fv_expr *x) {
    operands *o = user;
    find_operands(o->p, x, &o->seen, &o->t);
}

static void put_recurrence(printer *p, const fv_recurrence *r) {
    fv_text *t = p->graph.t;
    operands o = {p, fv_ptrmap_in(t->arena), {.arena = t->arena}};
    for (int i = 0; i < r->nstates; i++) { /* a state of the recurrence is not its operand */
        *fv_ptrmap_at(&o.seen, r->states[i].now) = (void *)(uintptr_t)r;
        *fv_ptrmap_at(&o.seen, r->states[i].before) = (void *)(uintptr_t)r;
    }
    each_expr(r, find_its_operands, &o);
    for (int i = 0; i < r->nelements; i++) {
        fv_text_put(t, i ? ", " : "  ");
        fv_put_value(t, r->elements[i].value);
    }
    fv_text_printf(t, " = recurrence(%s)", o.t.n ? o.t.s : "");
    if (strcmp(fv_op_stem(r->op), fv_recurrence_def.name))
        fv_text_printf(t, " {op = \"%s\"}", fv_op_stem(r->op));
    for (int i = 0; i < r->nelements; i++) {
        fv_text_put(t, i ? ", " : " : ");
        fv_put_type_of(t, r->elements[i].value);
    }
    fv_put_nodes(t, "    loc(", r->op->origin->n, r->op->origin->nodes);
    fv_text_put(t, " {\n");
    put_steps(p, r);
    fv_text_put(t, "  }\n");
}

/* ---- which ---- */

/* Decides which ops are printed as ops, and which values get a line: all that are not substituted,
 * and the operands of ops that are printed. */
static void choose(printer *p) {
    for (const fv_op *op = p->module->funcs->body->last; op; op = op->prev) {
        bool whole = true, shown = op->nout == 0;
        for (int i = 0; i < op->nout; i++) {
            const fv_defined *d = op->out[i] ? fv_ptrmap_get(&p->defined, op->out[i]) : NULL;
            if (d && (d->fate != FV_FATE_SUBSTITUTED || fv_ptrmap_get(&p->shown, op->out[i]))) {
                *fv_ptrmap_at(&p->shown, op->out[i]) = op->out[i];
                whole &= d->asked || d->fate == FV_FATE_VIEW || d->fate == FV_FATE_ASSEMBLED ||
                         is_state(op);
            } else if (d) {
                whole = false;
            }
            /* the op gets a line at this place if one of its results does */
            shown |= op->out[i] && (!d || fv_ptrmap_get(&p->shown, op->out[i]));
        }
        if (!whole || !shown)
            continue;
        *fv_ptrmap_at(&p->whole, op) = (void *)(uintptr_t)op;
        for (int i = 0; i < op->nin; i++)
            if (op->in[i])
                *fv_ptrmap_at(&p->shown, op->in[i]) = op->in[i];
    }
}

static void put_op(printer *p, const fv_op *op) {
    const fv_recurrence *r = recurrence_of(p, op);
    if (r) {
        put_recurrence(p, r);
        return;
    }
    if (fv_ptrmap_get(&p->whole, op)) {
        fv_op with = *op;
        const fv_defined *d = op->nout == 1 ? fv_ptrmap_get(&p->defined, op->out[0]) : NULL;
        with.origin = d ? d->origin : op->origin;
        fv_text_put(p->graph.t, "  ");
        fv_put_op(&p->graph, &with);
        put_block(p, op);
        return;
    }
    if (fv_is_group(op)) {
        put_define(p, op, op->nout, op->out);
        return;
    }
    for (int i = 0; i < op->nout; i++)
        if (op->out[i] && fv_ptrmap_get(&p->shown, op->out[i]))
            put_define(p, op, 1, &op->out[i]);
}

/* ---- the module ---- */

static void note_constants(const fv_expr *x, fv_ptrmap *used) {
    if (*fv_ptrmap_at(used, x))
        return;
    *fv_ptrmap_at(used, x) = (void *)(uintptr_t)x;
    if (x->op == FV_X_LOAD || x->op == FV_X_GUARD)
        *fv_ptrmap_at(used, x->u.buf->value) = (void *)(uintptr_t)x;
    for (int i = 0; i < x->n; i++)
        note_constants(x->arg[i], used);
}

/* Prints the constants that a printed definition or op reads. */
static void put_constants(printer *p) {
    fv_ptrmap used = fv_ptrmap_in(p->graph.t->arena);
    for (int i = 0; i < p->definitions->n; i++) {
        const fv_defined *d = &p->definitions->all[i];
        if (!fv_ptrmap_get(&p->shown, d->value))
            continue;
        if (d->def)
            note_constants(d->def->body, &used);
        if (d->of) /* a view of a constant does not load it */
            *fv_ptrmap_at(&used, d->of) = (void *)(uintptr_t)d;
    }
    for (const fv_op *op = p->module->funcs->body->first; op; op = op->next)
        for (int i = 0; i < op->nin && fv_ptrmap_get(&p->whole, op); i++)
            if (op->in[i])
                *fv_ptrmap_at(&used, op->in[i]) = op->in[i];
    for (int i = 0; i < p->module->nconsts; i++)
        if (fv_ptrmap_get(&used, p->module->consts[i]))
            fv_put_const(&p->graph, p->module->consts[i]);
}

static void note_expr(fv_ptrmap *seen, const fv_expr *x) {
    if (*fv_ptrmap_at(seen, x))
        return;
    *fv_ptrmap_at(seen, x) = (void *)(uintptr_t)x;
    if (x->op == FV_X_DIM)
        fv_note_dim(seen, x->u.dim);
    for (int i = 0; x->op == FV_X_REDUCE && i < x->u.red.nvars; i++)
        fv_note_dim(seen, x->u.red.vars[i]->dim);
    for (int i = 0; i < x->n; i++)
        note_expr(seen, x->arg[i]);
}

static void note_it(void *user, fv_expr *x) {
    note_expr(user, x);
}

/* Notes the dims of ports and definitions, so that their symbols are declared. The types of
 * operands are printed where those are defined. */
static void note_dims(const printer *p, fv_ptrmap *seen) {
    const fv_definitions *d = p->definitions;
    for (int i = 0; d->in && i < p->module->funcs->body->nparams; i++)
        fv_note_type(seen, d->in[i]);
    for (int i = 0; d->out && i < p->module->funcs->body->last->nin; i++)
        fv_note_type(seen, d->out[i]);
    for (int i = 0; i < d->nrecurrences; i++) {
        each_expr(d->recurrences[i], note_it, seen);
        fv_note_dim(seen, d->recurrences[i]->t->dim);
        for (int k = 0; k < d->recurrences[i]->nvars; k++)
            fv_note_dim(seen, d->recurrences[i]->vars[k]->dim);
    }
    for (int i = 0; i < d->n; i++) {
        if (!d->all[i].def || !fv_ptrmap_get(&p->shown, d->all[i].value))
            continue;
        note_expr(seen, d->all[i].def->body);
        if (d->all[i].def->place)
            note_expr(seen, d->all[i].def->place);
    }
}

static void put_packed(printer *p, const char *what, int n, const fv_type *const *types) {
    fv_text *t = p->graph.t;
    for (int i = 0; types && i < n; i++)
        if (types[i])
            fv_text_printf(t, "%s %s %d: %s\n",
                           fv_elem_is_packed(types[i]->elem) ? "packed" : "valid", what, i,
                           fv_type_str(t->arena, types[i]));
}

void fv_definitions_print(fv_text *t, const fv_module *m, const fv_definitions *d,
                          const char *side_name, fv_graph_side *side, bool whole) {
    printer p = {.graph = {.t = t,
                           .side_name = side_name,
                           .side = side_name ? side : NULL,
                           .whole = whole,
                           .indent = 1},
                 .module = m,
                 .definitions = d,
                 .defined = fv_ptrmap_in(t->arena),
                 .whole = fv_ptrmap_in(t->arena),
                 .shown = fv_ptrmap_in(t->arena)};
    const fv_func *f = m->funcs;
    for (int i = 0; i < d->n; i++)
        *fv_ptrmap_at(&p.defined, d->all[i].value) = &d->all[i];
    choose(&p);
    fv_text_printf(t, "fovea-definitions %d after ", FV_DEFINITIONS_FORMAT);
    fv_text_string(t, d->after, strlen(d->after));
    fv_text_put(t, "\n");
    fv_ptrmap seen = fv_ptrmap_in(t->arena);
    note_dims(&p, &seen);
    fv_put_module_head(t, m, &seen);
    put_packed(&p, "input", f->body->nparams, d->in);
    put_packed(&p, "output", f->body->last->nin, d->out);
    put_constants(&p);
    fv_put_func_head(&p.graph, f);
    fv_text_put(t, "{\n");
    for (const fv_op *op = f->body->first; op; op = op->next)
        put_op(&p, op);
    fv_text_put(t, "}\n");
}

static printer printer_of_one(fv_text *t, const fv_module *m) {
    return (printer){
        .graph = {.t = t, .indent = 1}, .module = m, .defined = fv_ptrmap_in(t->arena)};
}

void fv_defined_print(fv_text *t, const fv_module *m, const fv_defined *d) {
    printer p = printer_of_one(t, m);
    put_definition(&p, d, NULL, NULL);
}

void fv_recurrence_print(fv_text *t, const fv_module *m, const fv_recurrence *r) {
    printer p = printer_of_one(t, m);
    put_steps(&p, r);
}
