/* parse.c - graph IR from text.
 *
 *   module   fovea-ir 1  module "NAME" ["HASH"]  {symbol | assume | const | func}
 *   symbol   symbol NAME LO..HI [data]
 *   assume   assume DIM == DIM "WHY" ["SAYS"]            SAYS: the condition in words
 *   const    const @NAME: TYPE = CONTENT
 *   func     func @NAME(PARAM, ...) [-> (%RESULT [state %PARAM [capacity DIM]], ...)] BLOCK
 *   param    %NAME: TYPE [= [DIM, ...]]                  the elements of a small integer tensor
 *   block    { op ... return [VALUE, ...] }
 *   op       [%NAME | _, ... =] OP(VALUE | _, ...) [{NAME = ATTR, ...}]
 *            [: TYPE [= [DIM, ...]], ...] [loc("NODE", ...)]
 *   content  NUMBER | true | false | "TEXT" | [flat list of these] | file "NAME" OFFSET BYTES
 *            | hex "DIGITS"                            little-endian
 *   attr     INT | FLOAT | "TEXT" | [list] | [DIM, ...] | tensor TYPE CONTENT | TYPE
 *            | ^(PARAM, ...) BLOCK
 *   type     ELEM[DIM, ...] | seq(HELD) | optional(HELD) | map(ELEM, TYPE)
 *   held     ELEM[DIM | _, ...] | ELEM[*] | ELEM | seq(HELD) | optional(HELD)
 *                                                      _: axes, *: ranks may differ; ELEM alone:
 *     there are no elements
 *   value    %NAME | @NAME                               @: a constant
 *
 * Types of results may be left out; those that are written must not contradict what is inferred.
 * Which of the lists an attribute is, its entry in the catalogue says. */
#include "ir/graph/parse.h"

#include "ir/base/limits.h"
#include "ir/base/session.h"
#include "ir/base/text.h"
#include "ir/catalogue/own.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ir/graph/parse_data.h"
#include "ir/graph/settle.h"
#include "ir/graph/state.h"

#include <string.h>

static bool parse_block(fv_graph_reader *r, fv_region *region);

/* Growing lists of dims, values and names. */
typedef struct dim_list {
    const fv_dim **at;
    int n, cap;
} dim_list;

typedef struct value_list {
    int n, cap;
    fv_value **at;
} value_list;

typedef struct name_list {
    int n, cap;
    const char **at;
} name_list;

/* ---- values ---- */

/* Parses %NAME or @NAME, the use of a value that is defined above. `_` gives NULL if `optional`. */
static bool parse_use(fv_graph_reader *r, bool optional, fv_value **out) {
    fv_lexer *l = &r->l;
    *out = NULL;
    if (optional && fv_lex_accept(l, "_"))
        return true;
    bool is_const = fv_lex_is(l, "@");
    if (!is_const && !fv_lex_is(l, "%"))
        return fv_lex_error(l, "expected a value, found %s", fv_lex_found(l));
    fv_lex_next(l);
    const char *name = l->tok.kind == FV_TOK_NAME ? l->tok.s : NULL;
    fv_value *v = name ? fv_value_find(r->m, name) : NULL;
    if (name && (!v || (v->kind == FV_VALUE_CONST) != is_const))
        return fv_lex_error(l, "%c%s is not defined before its use", is_const ? '@' : '%', name);
    *out = v;
    return fv_lex_name(l, "the name of a value") != NULL;
}

/* Parses the name of a new value; NULL after a diagnostic. */
static const char *parse_new_name(fv_graph_reader *r, const char *sigil) {
    if (!fv_lex_expect(&r->l, sigil))
        return NULL;
    if (r->l.tok.kind == FV_TOK_NAME && fv_value_find(r->m, r->l.tok.s)) {
        fv_lex_error(&r->l, "%s%s is defined twice", sigil, r->l.tok.s);
        return NULL;
    }
    return fv_lex_name(&r->l, "the name of a value");
}

static bool parse_params(fv_graph_reader *r, fv_region *region) {
    if (!fv_lex_expect(&r->l, "("))
        return false;
    while (!fv_lex_is(&r->l, ")")) {
        fv_declared d;
        const char *name = parse_new_name(r, "%");
        if (!name || !fv_lex_expect(&r->l, ":") || !fv_read_declared(r, &d))
            return false;
        fv_value *v = fv_param_new(region, name, d.type);
        v->elems = d.elems;
        v->nelems = d.nelems;
        if (!fv_lex_accept(&r->l, ","))
            break;
    }
    return fv_lex_expect(&r->l, ")");
}

/* ---- attributes ---- */

/* Parses [NUMBER or STRING, ...]. `kind` is the catalogue's kind of the list, or INT for an
 * attribute that it does not have. */
static bool parse_list(fv_graph_reader *r, fv_attr *a, fv_attr_kind kind) {
    fv_arena *arena = r->m->arena;
    int64_t *ints = NULL;
    float *floats = NULL;
    fv_string *strings = NULL;
    int ni = 0, ci = 0, nf = 0, cf = 0, ns = 0, cs = 0;
    bool real = false;
    fv_lex_next(&r->l);
    while (!fv_lex_is(&r->l, "]")) {
        fv_number v = {0};
        if (r->l.tok.kind == FV_TOK_STRING) {
            fv_string s = {r->l.tok.s, r->l.tok.n};
            FV_PUSH(arena, strings, ns, cs, s);
            fv_lex_next(&r->l);
        } else if (fv_read_number(r, &v)) {
            FV_PUSH(arena, ints, ni, ci, v.i);
            FV_PUSH(arena, floats, nf, cf, (float)v.f);
            real |= v.is_float;
        } else {
            return false;
        }
        if (!fv_lex_accept(&r->l, ","))
            break;
    }
    if (ns && ni)
        return fv_lex_error(&r->l, "a list of both strings and numbers");
    bool empty = !ns && !ni, declared_list = kind >= FV_ATTR_INTS && kind <= FV_ATTR_STRINGS;
    a->kind = ns                                       ? FV_ATTR_STRINGS
              : empty && declared_list                 ? kind
              : real || (ni && kind == FV_ATTR_FLOATS) ? FV_ATTR_FLOATS
                                                       : FV_ATTR_INTS;
    a->n = ns ? ns : ni;
    if (a->kind == FV_ATTR_STRINGS)
        a->u.strings = strings;
    else if (a->kind == FV_ATTR_FLOATS)
        a->u.floats = floats;
    else
        a->u.ints = ints;
    return fv_lex_expect(&r->l, "]");
}

static bool parse_number_attr(fv_graph_reader *r, fv_attr *a, fv_attr_kind kind) {
    fv_number v;
    if (!fv_read_number(r, &v))
        return false;
    if (v.is_float || kind == FV_ATTR_FLOAT) {
        a->kind = FV_ATTR_FLOAT;
        a->u.f = (float)v.f;
    } else {
        a->kind = FV_ATTR_INT;
        a->u.i = v.i;
    }
    return true;
}

static bool parse_region(fv_graph_reader *r, fv_op *op, fv_attr *a) {
    a->kind = FV_ATTR_REGION;
    a->u.region = fv_region_new(op->block->func, op);
    fv_lex_next(&r->l);
    return parse_params(r, a->u.region) && parse_block(r, a->u.region);
}

static bool parse_tensor_attr(fv_graph_reader *r, fv_attr *a) {
    fv_lex_next(&r->l);
    const fv_type *type = fv_read_type(r);
    a->kind = FV_ATTR_TENSOR;
    return type && (a->u.tensor = fv_read_content(r, type)) != NULL;
}

static bool parse_attr(fv_graph_reader *r, fv_op *op) {
    fv_lexer *l = &r->l;
    fv_attr a = {.name = fv_lex_name(l, "the name of an attribute")};
    if (!a.name || !fv_lex_is(l, "="))
        return fv_lex_expect(l, "=");
    if (fv_op_find_attr(op, a.name))
        return fv_lex_error(l, "attribute '%s' is given twice", a.name);
    fv_lex_next(l);
    const fv_attr_def *def = fv_opdef_attr(op->def, a.name);
    fv_attr_kind kind = def ? def->kind : FV_ATTR_INT;
    bool ok;
    if (l->tok.kind == FV_TOK_STRING) {
        a.kind = FV_ATTR_STRING;
        a.u.s = (fv_string){fv_strndup(r->m->arena, l->tok.s, l->tok.n), l->tok.n};
        fv_lex_next(l);
        ok = true;
    } else if (fv_lex_is(l, "[") && kind == FV_ATTR_DIMS) {
        a.kind = FV_ATTR_DIMS;
        ok = fv_read_dims(r, &a.n, &a.u.dims);
    } else if (fv_lex_is(l, "[")) {
        ok = parse_list(r, &a, kind);
    } else if (fv_lex_is(l, "^")) {
        ok = parse_region(r, op, &a);
    } else if (fv_lex_is(l, "tensor")) {
        ok = parse_tensor_attr(r, &a);
    } else if (l->tok.kind == FV_TOK_NAME && !fv_lex_is(l, "inf") && !fv_lex_is(l, "nan")) {
        a.kind = FV_ATTR_TYPE;
        ok = (a.u.type = fv_read_held_type(r)) != NULL;
    } else {
        ok = parse_number_attr(r, &a, kind);
    }
    if (ok)
        fv_op_attr(op, &a);
    return ok;
}

static bool parse_attrs(fv_graph_reader *r, fv_op *op) {
    if (!fv_lex_accept(&r->l, "{"))
        return true;
    while (!fv_lex_is(&r->l, "}"))
        if (!parse_attr(r, op) || !fv_lex_accept(&r->l, ","))
            break;
    return fv_lex_expect(&r->l, "}");
}

/* ---- ops ---- */

/* Parses the names of results up to `=`; NULL stands for a result that is left out. */
static bool parse_result_names(fv_graph_reader *r, name_list *out) {
    if (!fv_lex_is(&r->l, "%") && !fv_lex_is(&r->l, "_"))
        return true;
    do {
        const char *name = NULL;
        if (!fv_lex_accept(&r->l, "_") && !(name = parse_new_name(r, "%")))
            return false;
        for (int i = 0; name && i < out->n; i++)
            if (out->at[i] == name)
                return fv_lex_error(&r->l, "%%%s is defined twice", name);
        FV_PUSH(r->m->arena, out->at, out->n, out->cap, name);
    } while (fv_lex_accept(&r->l, ",") && out->n < FV_MAX_OPERANDS);
    return fv_lex_expect(&r->l, "=");
}

static bool unknown_op(fv_graph_reader *r, const char *name) {
    int n = fv_op_all(r->m->session, NULL);
    const fv_opdef **all = FV_NEW(r->m->arena, const fv_opdef *, n);
    const char **names = FV_NEW(r->m->arena, const char *, n + 1);
    fv_op_all(r->m->session, all);
    for (int i = 0; i < n; i++)
        names[i] = fv_opdef_qualified(r->m->arena, all[i]);
    const char *near = fv_nearest(name, names);
    if (near)
        return fv_lex_error(&r->l, "operator '%s' is not known; did you mean '%s'?", name, near);
    return fv_lex_error(&r->l, "operator '%s' is not known", name);
}

/* Parses NAME.NAME...: the last name is the operator, the ones before it are the domain. */
static const fv_opdef *parse_opdef(fv_graph_reader *r) {
    fv_text domain = {.arena = r->m->arena};
    fv_token at = r->l.tok;
    const char *name = fv_lex_name(&r->l, "an operator"), *qualified = name;
    fv_text_put(&domain, "");
    while (name && fv_lex_accept(&r->l, ".")) {
        fv_text_printf(&domain, "%s%s", domain.n ? "." : "", name);
        name = fv_lex_name(&r->l, "the name of an operator");
        qualified = name ? fv_printf(r->m->arena, "%s.%s", domain.s, name) : NULL;
    }
    if (!name)
        return NULL;
    const fv_opdef *def = fv_op_find_in(r->m->session, domain.s, name);
    if (!def && r->dialect)
        def = r->dialect->op(qualified);
    if (!def && !r->l.failed) {
        r->l.tok = at;
        unknown_op(r, qualified);
    }
    return def;
}

static bool parse_uses(fv_graph_reader *r, const char *close, value_list *in) {
    while (!fv_lex_is(&r->l, close)) {
        fv_value *v;
        if (in->n == FV_MAX_OPERANDS)
            return fv_lex_error(&r->l, "more than %d operands", FV_MAX_OPERANDS);
        if (!parse_use(r, true, &v))
            return false;
        FV_PUSH(r->m->arena, in->at, in->n, in->cap, v);
        if (!fv_lex_accept(&r->l, ","))
            break;
    }
    return fv_lex_expect(&r->l, close);
}

/* Parses `: TYPE, ...`, one type for each result that is not left out. */
static bool parse_result_types(fv_graph_reader *r, const fv_op *op, fv_declared *types) {
    bool first = true;
    if (!fv_lex_is(&r->l, ":"))
        return true;
    for (int i = 0; i < op->nout; i++) {
        if (!op->out[i])
            continue;
        if (!fv_lex_expect(&r->l, first ? ":" : ",") || !fv_read_declared(r, &types[i]))
            return false;
        first = false;
    }
    return !first || fv_lex_error(&r->l, "a type, but no result");
}

bool fv_read_nodes(fv_graph_reader *r, const char *word, int *n, const char *const **out) {
    name_list nodes = {0};
    if (!fv_lex_accept(&r->l, word))
        return true;
    if (!fv_lex_expect(&r->l, "("))
        return false;
    do {
        if (r->l.tok.kind != FV_TOK_STRING)
            return fv_lex_error(&r->l, "expected the name of a node, found %s",
                                fv_lex_found(&r->l));
        const char *node = fv_internn(r->m->session, r->l.tok.s, r->l.tok.n);
        FV_PUSH(r->m->arena, nodes.at, nodes.n, nodes.cap, node);
        fv_lex_next(&r->l);
    } while (fv_lex_accept(&r->l, ","));
    *n = nodes.n;
    *out = nodes.at;
    return fv_lex_expect(&r->l, ")");
}

static bool parse_origin(fv_graph_reader *r, fv_op *op) {
    fv_origin o = *op->origin;
    if (!fv_read_nodes(r, "loc", &o.n, &o.nodes))
        return false;
    if (o.nodes != op->origin->nodes) {
        fv_origin *own = FV_NEW(r->m->arena, fv_origin, 1);
        *own = o;
        op->origin = own;
    }
    return true;
}

/* Infers the types of the results, against which the declared ones are checked, and keeps the
 * declared ones. */
static bool settle_types(fv_op *op, const fv_declared *types) {
    for (int i = 0; i < op->nout; i++)
        if (op->out[i]) {
            op->out[i]->type = types[i].type;
            op->out[i]->elems = types[i].elems;
            op->out[i]->nelems = types[i].nelems;
        }
    if (!fv_op_settle(op))
        return false;
    for (int i = 0; i < op->nout; i++)
        if (op->out[i] && !op->out[i]->type)
            return fv_op_error(op, "the type of %%%s is not known", op->out[i]->name);
    return true;
}

/* Infers the types of an op. Inference does not know the text, so its messages get the position of
 * the op. */
static bool infer_at(fv_graph_reader *r, fv_op *op, const fv_declared *types, const fv_token *at) {
    fv_session *s = r->m->session;
    fv_message *before = s->last;
    if (settle_types(op, types))
        return true;
    for (fv_message *m = before ? before->next : s->first; m; m = m->next) {
        m->line = at->line;
        m->column = at->column;
    }
    r->l.failed = true;
    return false;
}

/* Called after each op. Inference may add assumptions after an op that the text states as well, in
 * the lines after it: of two equal ones, that of the text is kept. */
static void take_over(fv_graph_reader *r, fv_op *op) {
    if (!fv_op_is(op, FV_OP_fv_Assume)) {
        r->inferred = op;
        r->nassumed = 0;
        for (const fv_op *added = op->next; added; added = added->next)
            r->nassumed++;
        return;
    }
    fv_op *added = r->nassumed ? r->inferred->next : NULL;
    for (int i = 0; i < r->nassumed; i++, added = added->next)
        if (fv_assume_same(added, op)) {
            fv_op_erase(added);
            r->nassumed--;
            return;
        }
}

static bool parse_op(fv_graph_reader *r, fv_region *region) {
    fv_token at = r->l.tok;
    name_list names = {0};
    value_list in = {0};
    if (!parse_result_names(r, &names))
        return false;
    const fv_opdef *def = parse_opdef(r);
    if (!def || !fv_lex_expect(&r->l, "(") || !parse_uses(r, ")", &in))
        return false;
    fv_op *op = fv_op_new(region, NULL, def, in.n, in.at, names.n, names.at, NULL);
    fv_declared *types = FV_NEW(r->m->arena, fv_declared, names.n);
    if (!parse_attrs(r, op) || !parse_result_types(r, op, types) || !parse_origin(r, op) ||
        !infer_at(r, op, types, &at) || (r->dialect && !r->dialect->after_op(r, op)))
        return false;
    take_over(r, op);
    return true;
}

/* Parses `return VALUE, ... }`. */
static bool parse_return(fv_graph_reader *r, fv_region *region) {
    value_list results = {0};
    if (!parse_uses(r, "}", &results))
        return false;
    for (int i = 0; i < results.n; i++)
        if (!results.at[i])
            return fv_lex_error(&r->l, "a result is left out");
    fv_region_return(region, results.n, results.at);
    return true;
}

static bool parse_block(fv_graph_reader *r, fv_region *region) {
    if (++r->depth > FV_MAX_DEPTH)
        return fv_lex_error(&r->l, "types and blocks nest more than %d deep", FV_MAX_DEPTH);
    if (!fv_lex_expect(&r->l, "{"))
        return false;
    while (!fv_lex_accept(&r->l, "return")) {
        if (fv_lex_is(&r->l, "}") || r->l.tok.kind == FV_TOK_END)
            return fv_lex_expect(&r->l, "return");
        if (!parse_op(r, region))
            return false;
    }
    r->depth--;
    return parse_return(r, region);
}

/* ---- the module ---- */

/* Parses a capacity: a number, or a symbol. */
static const fv_dim *parse_capacity(fv_graph_reader *r) {
    const fv_dim *d = fv_read_dim(r);
    if (d && !fv_dim_is_const(d) && d->kind != FV_DIM_SYMBOL)
        fv_lex_error(&r->l, "a capacity is a number or a symbol");
    return r->l.failed ? NULL : d;
}

/* Parses (%RESULT [state %PARAM [capacity DIM]], ...); states and capacities may be NULL. */
static bool parse_results(fv_graph_reader *r, name_list *results, value_list *states,
                          dim_list *capacity) {
    fv_lexer *l = &r->l;
    if (!fv_lex_expect(l, "("))
        return false;
    while (!fv_lex_is(l, ")")) {
        const char *result = fv_lex_expect(l, "%") ? fv_lex_name(l, "a result") : NULL;
        fv_value *state = NULL;
        const fv_dim *rows = NULL;
        if (!result || (fv_lex_accept(l, "state") &&
                        (!parse_use(r, false, &state) ||
                         (fv_lex_is(l, "capacity") && !(rows = parse_capacity(r))))))
            return false;
        FV_PUSH(r->m->arena, results->at, results->n, results->cap, result);
        FV_PUSH(r->m->arena, capacity->at, capacity->n, capacity->cap, rows);
        FV_PUSH(r->m->arena, states->at, states->n, states->cap, state);
        if (!fv_lex_accept(l, ","))
            break;
    }
    return fv_lex_expect(l, ")");
}

/* Sets the states of a function, once the types of its results are known; `at` is their position in
 * the text. */
static bool set_states(fv_graph_reader *r, fv_func *f, const value_list *states,
                       const dim_list *capacity, const fv_token *at) {
    const fv_value **list = FV_NEW(r->m->arena, const fv_value *, states->n + 1);
    for (int i = 0; i < states->n; i++) {
        if (!states->at[i])
            continue;
        const char *problem = fv_state_problem(r->m->arena, f, i, states->at[i]);
        f->states = list;
        list[i] = states->at[i];
        if (capacity->at[i])
            f->capacity = capacity->at;
        if (!problem)
            continue;
        r->l.tok = *at;
        return fv_lex_error(&r->l, "%s", problem);
    }
    return true;
}

/* Makes symbols for which the caller has chosen bounds, but which no line of the text declares. */
static void make_chosen(fv_graph_reader *r) {
    /* if there are several options for one name, the last one has the intersection of all bounds */
    for (int i = r->nchosen; i-- > 0;) {
        const fv_dim_option *o = &r->chosen[i];
        if (*o->name && !fv_dim_find(r->m->dims, o->name))
            fv_dim_fresh(r->m->dims, o->name, o->lo, o->hi, false);
    }
}

static bool parse_func(fv_graph_reader *r) {
    name_list results = {0};
    value_list states = {0};
    dim_list capacity = {0};
    make_chosen(r);
    if (!fv_lex_expect(&r->l, "@"))
        return false;
    const char *name = fv_lex_name(&r->l, "the name of a function");
    for (fv_func *f = r->m->funcs; name && f; f = f->next)
        if (f->name == name)
            return fv_lex_error(&r->l, "function @%s is defined twice", name);
    if (!name)
        return false;
    fv_func *f = fv_func_new(r->m, name);
    if (!parse_params(r, f->body))
        return false;
    bool named = fv_lex_accept(&r->l, "->");
    fv_token at = r->l.tok;
    if (named && !parse_results(r, &results, &states, &capacity))
        return false;
    if (!parse_block(r, f->body))
        return false;
    if (named && results.n != f->body->last->nin)
        return fv_lex_error(&r->l, "@%s names %d results and returns %d", name, results.n,
                            f->body->last->nin);
    f->result_names = named ? results.at : NULL;
    return set_states(r, f, &states, &capacity, &at);
}

static bool parse_const(fv_graph_reader *r) {
    const char *name = parse_new_name(r, "@");
    if (!name || !fv_lex_expect(&r->l, ":"))
        return false;
    const fv_type *type = fv_read_type(r);
    if (!type || !fv_lex_expect(&r->l, "="))
        return false;
    const fv_tensor *t = fv_read_content(r, type);
    if (t)
        fv_const_new(r->m, name, t);
    return t != NULL;
}

static bool parse_symbol(fv_graph_reader *r) {
    int64_t lo, hi;
    const char *name = fv_lex_name(&r->l, "the name of a symbol");
    if (!name || !fv_lex_int(&r->l, &lo) || !fv_lex_expect(&r->l, "..") || !fv_lex_int(&r->l, &hi))
        return false;
    if (fv_dim_find(r->m->dims, name))
        return fv_lex_error(&r->l, "symbol '%s' is declared twice, or after its use", name);
    if (lo > hi)
        return fv_lex_error(&r->l, "the bounds %lld..%lld of '%s' are empty", (long long)lo,
                            (long long)hi, name);
    bool data = fv_lex_accept(&r->l, "data");
    for (int i = 0; i < r->nchosen; i++)
        if (!strcmp(r->chosen[i].name, name)) {
            lo = r->chosen[i].lo;
            hi = r->chosen[i].hi;
        }
    fv_dim_fresh(r->m->dims, name, lo, hi, data);
    return true;
}

/* Parses assume DIM == DIM "WHY" ["SAYS"]; the current token is `assume`. */
static bool parse_assume(fv_graph_reader *r) {
    const fv_dim *a = fv_read_dim(r);
    if (a && !fv_lex_is(&r->l, "=="))
        return fv_lex_expect(&r->l, "==");
    const fv_dim *b = a ? fv_read_dim(r) : NULL;
    if (!b)
        return false;
    fv_token at = r->l.tok;
    if (at.kind != FV_TOK_STRING)
        return fv_lex_error(&r->l, "expected the reason, a string, found %s", fv_lex_found(&r->l));
    fv_lex_next(&r->l);
    const char *says = r->l.tok.kind == FV_TOK_STRING ? r->l.tok.s : NULL;
    if (says)
        fv_lex_next(&r->l);
    if (fv_module_require(r->m, a, b, at.s, says))
        return true;
    r->l.tok = at;
    if (says)
        return fv_lex_error(&r->l, "it never holds that %s: %s", says, at.s);
    return fv_lex_error(&r->l, "%s and %s are never equal: %s", fv_dim_str(r->m->arena, a),
                        fv_dim_str(r->m->arena, b), at.s);
}

static bool parse_header(fv_graph_reader *r) {
    fv_lexer *l = &r->l;
    int64_t format;
    int known = r->dialect ? r->dialect->format : FV_IR_FORMAT;
    if (!fv_lex_expect(l, "fovea") || !fv_lex_expect(l, "-") ||
        !fv_lex_expect(l, r->dialect ? r->dialect->word : "ir"))
        return false;
    if (l->tok.kind == FV_TOK_INT && l->tok.i != known)
        return fv_lex_error(l, "format %lld is not known; this is a reader of format %d",
                            (long long)l->tok.i, known);
    if (!fv_lex_int(l, &format) || (r->dialect && !r->dialect->begin(r)) ||
        !fv_lex_accept(l, "module"))
        return !l->failed;
    if (l->tok.kind != FV_TOK_STRING)
        return fv_lex_error(l, "expected the name of the module, a string, found %s",
                            fv_lex_found(l));
    if (!(r->m->name = fv_lex_text(l, "the name of the module")))
        return false;
    return l->tok.kind != FV_TOK_STRING ||
           (r->m->source.hash = fv_lex_text(l, "the hash of the module")) != NULL;
}

static bool parse_module(fv_graph_reader *r) {
    fv_lexer *l = &r->l;
    if (!parse_header(r))
        return false;
    while (l->tok.kind != FV_TOK_END) {
        bool ok = true, taken = false;
        if (r->dialect && !r->dialect->line(r, &taken))
            return false;
        if (taken)
            continue;
        if (fv_lex_is(l, "assume"))
            ok = parse_assume(r);
        else if (fv_lex_accept(l, "symbol"))
            ok = parse_symbol(r);
        else if (fv_lex_accept(l, "const"))
            ok = parse_const(r);
        else if (fv_lex_accept(l, "func")) {
            /* types in the function use dims that the assumptions before it make equal */
            fv_module_settle(r->m);
            ok = parse_func(r);
        } else
            ok = fv_lex_error(l, "expected 'symbol', 'assume', 'const' or 'func', found %s",
                              fv_lex_found(l));
        if (!ok)
            return false;
    }
    fv_module_settle(r->m); /* simplify dims by the assumptions that inference added */
    return !l->failed && (r->m->funcs || fv_lex_error(l, "there is no function")) &&
           (!r->dialect || r->dialect->end(r));
}

/* The arguments of a parser run. */
typedef struct reading {
    const char *text, *folder;
    const fv_graph_dialect *dialect;
    const fv_lent *lent;
} reading;

static fv_module *parse_text(fv_session *s, const reading *how, int nchosen,
                             const fv_dim_option *chosen) {
    fv_module *m = fv_module_new(s, "model");
    m->source.is_written = true;
    fv_graph_reader r = {.m = m,
                         .side = {.arena = m->arena, .folder = how->folder},
                         .chosen = chosen,
                         .nchosen = nchosen,
                         .dialect = how->dialect,
                         .lent = how->lent};
    r.end = how->text + strlen(how->text);
    fv_lex_init(&r.l, s, m->arena, how->text);
    if (parse_module(&r))
        return m;
    fv_module_free(m);
    return NULL;
}

fv_module *fv_module_parse(fv_session *s, const char *text, const char *folder) {
    return parse_text(s, &(reading){.text = text, .folder = folder}, 0, NULL);
}

/* ---- dims that the caller knows ---- */

/* The names of the symbols of inputs, NULL terminated: those for which a caller may choose
 * bounds. */
static const char *const *symbol_names(fv_arena *a, const fv_module *m) {
    const fv_dim *const *all;
    int n = fv_dim_symbols(m->dims, &all), k = 0;
    const char **names = FV_NEW(a, const char *, n + 1);
    for (int i = 0; i < n; i++)
        if (!all[i]->from_data)
            names[k++] = all[i]->name;
    return names;
}

static const fv_dim *dim_at(const fv_module *m, const fv_dim_option *o) {
    const fv_region *body = m->funcs->body;
    for (int i = 0; o->input && i < body->nparams; i++)
        if (!strcmp(body->params[i]->name, o->input) && o->axis < body->params[i]->type->rank)
            return body->params[i]->type->dims[o->axis];
    return NULL;
}

/* Replaces the name in option n by that of the symbol it refers to, and its bounds by the
 * intersection with those of earlier options for the same symbol. False after a diagnostic. */
static bool resolve(fv_session *s, fv_arena *a, const fv_module *m, const char *text,
                    fv_dim_option *all, int n) {
    fv_dim_option *o = &all[n];
    const char *problem = fv_dim_option_parse(a, text, o);
    if (problem)
        return fv_dim_option_error(s, o, problem);
    const fv_dim *d = fv_dim_find(m->dims, o->name);
    if (!d || d->from_data)
        d = dim_at(m, o);
    if (!d)
        return fv_dim_option_unknown(s, a, o, symbol_names(a, m));
    if (d->kind != FV_DIM_SYMBOL && !fv_dim_is_const(d))
        return fv_dim_option_error(s, o, "that dim is an expression over others: give those");
    int64_t lo = d->lo, hi = d->hi;
    o->name = d->name ? d->name : "";
    for (int i = 0; i < n; i++)
        if (!strcmp(all[i].name, o->name)) {
            lo = all[i].lo;
            hi = all[i].hi;
        }
    if (!fv_dim_option_apply(s, o, &lo, &hi))
        return false;
    o->lo = lo;
    o->hi = hi;
    return true;
}

static fv_module *parse_dims(fv_session *s, const reading *how, const char *const *dims) {
    int n = 0;
    while (dims && dims[n])
        n++;
    fv_module *m = parse_text(s, how, 0, NULL);
    if (!m || !n)
        return m;
    fv_arena *a = fv_arena_new(s);
    fv_dim_option *chosen = FV_NEW(a, fv_dim_option, n);
    bool ok = true;
    for (int i = 0; i < n && ok; i++)
        ok = resolve(s, a, m, dims[i], chosen, i);
    fv_module_free(m);
    m = ok ? parse_text(s, how, n, chosen) : NULL;
    fv_arena_free(a);
    return m;
}

fv_module *fv_module_parse_dims(fv_session *s, const char *text, const char *folder,
                                const char *const *dims) {
    return parse_dims(s, &(reading){.text = text, .folder = folder}, dims);
}

fv_module *fv_module_parse_as(fv_session *s, const char *text, const char *folder,
                              const char *const *dims, const fv_graph_dialect *dialect) {
    return parse_dims(s, &(reading){.text = text, .folder = folder, .dialect = dialect}, dims);
}

fv_module *fv_module_parse_lent(fv_session *s, const char *text, const fv_lent *lent,
                                const char *const *dims) {
    return parse_dims(s, &(reading){.text = text, .folder = ".", .lent = lent}, dims);
}
