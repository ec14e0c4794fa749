/* formula.c - evaluates the statements of an operator's formula for one op, whose ranks, dims and
 * attributes are known, which gives definitions. */
#include "ir/definition/formula_parts.h"

#include "ir/graph/infer.h"

#include <string.h>

/* ---- statements ---- */

typedef struct statement {
    fv_ast *left, *right;
} statement;

static bool parse(fv_session *s, fv_arena *a, const char *text, statement *out, int *n) {
    fv_lexer l;
    fv_lex_init(&l, s, a, text);
    *n = 0;
    while (l.tok.kind != FV_TOK_END) {
        if (*n == FV_F_MAX_NAMES)
            return fv_lex_error(&l, "more than %d statements", FV_F_MAX_NAMES);
        statement st;
        if (!(st.left = fv_ast_parse(&l)) || !fv_lex_expect(&l, "=") ||
            !(st.right = fv_ast_parse(&l)))
            return false;
        if (st.left->kind != FV_AST_NAME && st.left->kind != FV_AST_GROUP &&
            st.left->kind != FV_AST_INDEX)
            return fv_error_at(s, st.left->line, st.left->column,
                               "expected NAME, NAME[indices] or NAME.. on the left of =");
        out[(*n)++] = st;
        if (!fv_lex_accept(&l, ";") && l.tok.kind != FV_TOK_END)
            return fv_lex_expect(&l, ";");
    }
    return true;
}

/* Does an item on the left have the form `i < n`, which states that the axis over which i runs has
 * n elements? */
static bool states_dim(const fv_ast *item) {
    return item->kind == FV_AST_BINARY && !strcmp(item->name, "<") &&
           item->arg[0]->kind == FV_AST_NAME;
}

/* Binds the names on the left of `Y[a.., j] = ...` to the index variables of the result. */
static bool bind_left(fv_fenv *e, fv_ast *left, fv_definition *def) {
    int at = 0;
    bool fits = true;
    for (int i = 0; i < left->n && fits; i++) {
        fv_ast *item = states_dim(left->arg[i]) ? left->arg[i]->arg[0] : left->arg[i];
        int axis, count;
        if (item->kind == FV_AST_NAME) {
            if (!(fits = at < def->rank))
                break;
            def->index[at]->name = item->name;
            fv_f_add_name(e, item, item->name)->var = def->index[at++];
            continue;
        }
        if (item->kind != FV_AST_GROUP || !fv_f_axes(e, left, i, def->rank, &axis, &count))
            return fv_f_error(e, item, "expected an index");
        if (!(fits = at + count <= def->rank))
            break;
        fv_fgroup *g = fv_f_find_group(e, item->name);
        if (!g)
            g = fv_f_add_group(e, item, item->name);
        g->rank = count;
        g->ranked = true;
        for (int k = 0; k < count; k++, at++) {
            def->index[at]->name =
                count > 1 ? fv_printf(e->arena, "%s%d", item->name, k) : item->name;
            g->var[k] = def->index[at];
            g->index[k] = fv_x_var(e->arena, def->index[at]);
        }
    }
    if (!fits || at != def->rank)
        fv_f_error(e, left, "'%s' has rank %d here", left->name, def->rank);
    return !e->failed;
}

/* Defines `g..` by its rank e; a negative e counts from the rank of the result, as negative axes
 * do. */
static bool define_group(fv_fenv *e, const statement *st, int rank) {
    const fv_dim *d;
    if (!fv_f_dim(e, st->right, &d))
        return false;
    if (!fv_dim_is_const(d))
        return fv_f_error(e, st->right, "the rank of '%s..' is not known", st->left->name);
    int64_t r = d->value < 0 ? d->value + rank : d->value;
    if (r < 0 || r > FV_MAX_RANK)
        return fv_f_error(e, st->left, "'%s..' would have rank %lld", st->left->name, (long long)r);
    fv_fgroup *g = fv_f_add_group(e, st->left, st->left->name);
    g->rank = (int)r;
    g->ranked = true;
    return true;
}

static bool define_body(fv_fenv *e, const statement *st, fv_elem want, fv_definition *def) {
    fv_fvalue v = fv_f_eval(e, st->right);
    fv_elem arith = fv_elem_arith(want);
    if (e->failed)
        return false;
    def->body = v.weak ? fv_f_give(e, v, arith) : v.x;
    return def->body->type.elem == want || def->body->type.elem == arith ||
           fv_f_error(e, st->right, "'%s' would be %s, expected %s", st->left->name,
                      fv_elem_name(def->body->type.elem), fv_elem_name(want));
}

/* e: memory for the names of the formula; define overwrites it. */
static bool define(fv_fenv *e, fv_definer *d, const statement *st, int n, int which, int out,
                   const char *text) {
    *e = (fv_fenv){.d = d, .op = d->op, .arena = d->arena, .session = d->module->session};
    fv_definition *def = fv_definition_new(d, out);
    def->text = text;
    e->result = def;
    for (int i = 0; i < n; i++)
        if (st[i].left->kind == FV_AST_GROUP && !define_group(e, &st[i], def->rank))
            return false;
    if (st[which].left->kind == FV_AST_INDEX && !bind_left(e, st[which].left, def))
        return false;
    for (int i = 0; i < n; i++)
        if (st[i].left->kind == FV_AST_NAME &&
            fv_f_operand(d->op->def->out, FV_MAX_OUT, st[i].left->name) < 0)
            fv_f_add_name(e, st[i].left, st[i].left->name)->ast = st[i].right;
    return define_body(e, &st[which], d->op->out[out]->type->elem, def);
}

static bool parse_meaning(fv_definer *d, const char *formula, statement *st, int *n) {
    fv_session *s = d->module->session;
    const char *before = fv_diag_file_get(s);
    fv_diag_file(s, fv_opdef_source(d->op->def));
    bool parsed = parse(s, d->arena, formula, st, n);
    fv_diag_file(s, before);
    return parsed;
}

/* The number of the statement that defines result `out`; -1 after a diagnostic. */
static int statement_of(const fv_op *op, const statement *st, int n, int out) {
    const fv_operand_def *outs = op->def->out;
    for (int i = 0; i < n; i++)
        if (st[i].left->kind != FV_AST_GROUP &&
            fv_f_operand(outs, FV_MAX_OUT, st[i].left->name) == out)
            return i;
    fv_op_error(op, "its formula does not define result '%s'", outs[out].name);
    return -1;
}

bool fv_formula_define(fv_definer *d, const char *formula) {
    statement st[FV_F_MAX_NAMES];
    int n;
    if (!parse_meaning(d, formula, st, &n))
        return false;
    /* the names take 50 KB, which no definition keeps */
    fv_arena *tmp = fv_arena_new(d->module->session);
    fv_fenv *e = FV_NEW(tmp, fv_fenv, 1);
    bool ok = true;
    for (int out = 0; ok && out < d->op->nout; out++) {
        int which = d->op->out[out] ? statement_of(d->op, st, n, out) : 0;
        ok = which >= 0 && (!d->op->out[out] || define(e, d, st, n, which, out, formula));
    }
    fv_arena_free(tmp);
    return ok;
}

/* ---- dims of results ---- */

static bool infer_result(fv_definer *d, const statement *st, int out) {
    const fv_dim *dims[FV_MAX_RANK];
    fv_ast *left = st->left;
    fv_fenv *e = FV_NEW(d->arena, fv_fenv, 1);
    *e = (fv_fenv){.d = d, .op = d->op, .arena = d->arena, .session = d->module->session};
    if (left->kind != FV_AST_INDEX || left->n > FV_MAX_RANK)
        return fv_f_error(e, left, "the dims of '%s' are not stated", left->name);
    for (int i = 0; i < left->n; i++)
        if (!states_dim(left->arg[i]))
            return fv_f_error(e, left->arg[i], "expected INDEX < EXTENT, as of the other axes");
        else if (!fv_f_dim(e, left->arg[i]->arg[1], &dims[i]))
            return false;
    fv_infer_out(d->op, out, fv_in_type(d->op, 0)->elem, left->n, dims);
    return true;
}

bool fv_infer_by_formula(fv_op *op) {
    fv_module *m = fv_op_module(op);
    fv_definer d = {.module = m, .arena = fv_arena_new(m->session), .op = op};
    statement st[FV_F_MAX_NAMES];
    int n;
    bool ok = parse_meaning(&d, op->def->formula, st, &n);
    for (int out = 0; ok && out < op->nout; out++) {
        int which = op->out[out] ? statement_of(op, st, n, out) : 0;
        ok = which >= 0 && (!op->out[out] || infer_result(&d, &st[which], out));
    }
    fv_arena_free(d.arena);
    return ok;
}

/* Does `is` hold for the left side of any statement of the formula? */
static bool any_left(fv_session *s, const char *formula, bool (*is)(const fv_ast *left)) {
    fv_arena *a = fv_arena_new(s);
    statement st[FV_F_MAX_NAMES];
    int n;
    bool found = false;
    if (parse(s, a, formula, st, &n))
        for (int i = 0; i < n; i++)
            found |= is(st[i].left);
    fv_arena_free(a);
    return found;
}

static bool has_indices(const fv_ast *left) {
    return left->kind == FV_AST_INDEX;
}

static bool has_dims(const fv_ast *left) {
    bool has = false;
    for (int i = 0; i < left->n && left->kind == FV_AST_INDEX; i++)
        has |= states_dim(left->arg[i]);
    return has;
}

bool fv_formula_states_dims(fv_session *s, const char *formula) {
    return any_left(s, formula, has_dims);
}

bool fv_formula_is_elementwise(fv_session *s, const char *formula) {
    return !any_left(s, formula, has_indices);
}

bool fv_formula_check(fv_session *s, const char *formula) {
    fv_arena *a = fv_arena_new(s);
    statement st[FV_F_MAX_NAMES];
    int n;
    bool ok = parse(s, a, formula, st, &n);
    fv_arena_free(a);
    return ok;
}
