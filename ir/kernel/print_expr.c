/* print_expr.c - gives names in a printed text that are unique, and prints expressions. */
#include "ir/expr/visit.h"
#include "ir/kernel/print.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ir/dim/text.h"
#include "ir/graph/print.h"
#include "ir/kernel/printer.h"
#include "ir/kernel/words.h"
#include "ir/syntax/ast.h"

/* Words that begin a statement of a kernel or have a meaning in expressions; names that are such
 * words are quoted. fv_text_name quotes the operators, `if` and `else`. */
static const char *const keywords[] = {
    "for",   "parallel", "vector", "unroll",  "let",  "tile",  "prefetch", "transpose",
    "while", "outline",  "matrix", "comment", "call", "check", "launch",   "alloc",
    "free",  "setdim",   "out",    "inout",   "true", "false", "inf",      "nan",
    "sum",   "prod",     "min",    "max",     "any",  "all",   NULL};

static bool is_keyword(const char *name) {
    for (int i = 0; keywords[i]; i++)
        if (keywords[i][0] == name[0] && strcmp(keywords[i], name) == 0)
            return true;
    return false;
}

/* ---- names ---- */

void fv_kprinter_init(fv_kprinter *p, fv_text *t, bool canonical) {
    *p = (fv_kprinter){.t = t, .arena = t->arena, .canonical = canonical};
    p->names = p->taken = p->next = fv_ptrmap_in(t->arena);
}

void fv_kp_name(fv_kprinter *p, const char *name) {
    if (!is_keyword(name))
        fv_text_name(p->t, name);
    else
        fv_text_printf(p->t, "`%s`", name);
}

static void *counted(uintptr_t n) {
    return (void *)n;
}

/* The name, with the first suffix that makes it unique in this scope if it is taken. */
static const char *free_name(fv_kprinter *p, const char *name) {
    fv_session *s = fv_arena_session(p->arena);
    const char *unique = fv_intern(s, name);
    if (!fv_ptrmap_get(&p->taken, unique))
        return unique;
    const char *stem = unique;
    uintptr_t n = (uintptr_t)fv_ptrmap_get(&p->next, stem);
    do {
        char suffix[24];
        snprintf(suffix, sizeof suffix, "_%" PRIuPTR, ++n);
        unique = fv_intern(s, fv_printf(p->arena, "%s%s", stem, suffix));
    } while (fv_ptrmap_get(&p->taken, unique));
    *fv_ptrmap_at(&p->next, stem) = counted(n);
    return unique;
}

void fv_kp_declare(fv_kprinter *p, const void *what, const char *name, char letter) {
    const char *given;
    if (p->canonical)
        given = fv_printf(p->arena, "%c%d", letter, p->counter++);
    else
        given = free_name(p, name);
    *fv_ptrmap_at(&p->names, what) = (void *)given;
    if (!p->canonical) {
        FV_PUSH(p->arena, p->scope, p->nscope, p->cap_scope, given);
        void **taken = fv_ptrmap_at(&p->taken, given);
        *taken = counted((uintptr_t)*taken + 1);
    }
    fv_kp_name(p, given);
}

void fv_kp_close_scope(fv_kprinter *p, int mark) {
    while (p->nscope > mark) {
        void **taken = fv_ptrmap_at(&p->taken, p->scope[--p->nscope]);
        *taken = counted((uintptr_t)*taken - 1);
    }
}

const char *fv_kp_name_of(fv_kprinter *p, const void *what, const char *name) {
    const char *given = fv_ptrmap_get(&p->names, what);
    /* the name was not declared: an expression of a definition or a part of a kernel is
     * printed, or the kernel is malformed */
    return given ? given : name;
}

/* ---- expressions ---- */

enum { ANYWHERE = 0, UNARY_LEVEL = 11, PRIMARY = 12 };

static void expr_at(fv_kprinter *p, const fv_expr *x, int level);

void fv_kp_put_name(fv_kprinter *p, const void *what, const char *name) {
    fv_kp_name(p, fv_kp_name_of(p, what, name));
}

void fv_kp_int(fv_kprinter *p, int64_t v) {
    if (v == INT64_MIN)
        fv_text_put(p->t, "0x8000000000000000");
    else
        fv_text_printf(p->t, "%" PRId64, v);
}

static void put_literal(fv_kprinter *p, const fv_expr *x) {
    switch ((fv_elem)x->type.elem) {
    case FV_F32: fv_text_float(p->t, (float)x->u.f); break;
    case FV_F64: fv_text_double(p->t, x->u.f); break;
    case FV_BOOL: fv_text_put(p->t, x->u.i ? "true" : "false"); break;
    case FV_U64:
        if (x->u.i < 0)
            fv_text_printf(p->t, "0x%" PRIx64, (uint64_t)x->u.i);
        else
            fv_kp_int(p, x->u.i);
        break;
    default: fv_kp_int(p, x->u.i); break;
    }
}

/* Can constant x be printed without its type? `typed_by_place`: the context already determines the
 * type. */
static bool is_bare(const fv_expr *x, bool typed_by_place) {
    switch ((fv_elem)x->type.elem) {
    case FV_I64:
    case FV_BOOL: return true;
    case FV_F32: return isfinite(x->u.f);
    case FV_F64: return typed_by_place && isfinite(x->u.f);
    default: return typed_by_place;
    }
}

static void put_const(fv_kprinter *p, const fv_expr *x, bool typed_by_place) {
    bool bare = is_bare(x, typed_by_place);
    if (!bare)
        fv_text_printf(p->t, "%s(", fv_elem_name((fv_elem)x->type.elem));
    put_literal(p, x);
    if (!bare)
        fv_text_put(p->t, ")");
}

/* Is x a constant, or a vector whose lanes are the same constant? */
static bool is_literal(const fv_expr *x) {
    return x->op == FV_X_CONST || (x->op == FV_X_SPLAT && x->arg[0]->op == FV_X_CONST);
}

static void put_typed_literal(fv_kprinter *p, const fv_expr *x, bool typed_by_place) {
    if (x->op == FV_X_SPLAT)
        fv_text_printf(p->t, "splat%d(", x->type.lanes);
    put_const(p, x->op == FV_X_SPLAT ? x->arg[0] : x, typed_by_place);
    if (x->op == FV_X_SPLAT)
        fv_text_put(p->t, ")");
}

/* Does an argument that is not a literal determine the type, so that literals are printed without
 * type? */
static bool types_its_literals(const fv_expr *x) {
    for (int i = x->op == FV_X_SELECT; i < x->n; i++)
        if (!is_literal(x->arg[i]))
            return true;
    return false;
}

static void put_arg(fv_kprinter *p, const fv_expr *x, int i, int level) {
    const fv_expr *arg = x->arg[i];
    if (is_literal(arg))
        put_typed_literal(p, arg, types_its_literals(x) && !(x->op == FV_X_SELECT && i == 0));
    else
        expr_at(p, arg, level);
}

static void put_call(fv_kprinter *p, const char *name, const fv_expr *x) {
    fv_text_printf(p->t, "%s(", name);
    bool same = fv_expr_op_info((fv_expr_op)x->op)->nargs > 1;
    for (int i = 0; i < x->n; i++) {
        if (i)
            fv_text_put(p->t, ", ");
        if (same)
            put_arg(p, x, i, ANYWHERE);
        else
            expr_at(p, x->arg[i], ANYWHERE);
    }
    fv_text_put(p->t, ")");
}

/* Prints a conversion. The parser gives a literal in it the type in which arithmetic on the target
 * type is done; a literal of another type is printed with its type. */
static void put_conversion(fv_kprinter *p, const fv_expr *x) {
    fv_elem to = (fv_elem)x->type.elem, from = (fv_elem)x->arg[0]->type.elem;
    bool said = x->arg[0]->op == FV_X_CONST && is_bare(x->arg[0], false) && to != FV_BOOL &&
                fv_elem_arith(to) != from;
    fv_text_printf(p->t, "%s(", fv_elem_name(to));
    if (said)
        fv_text_printf(p->t, "%s(", fv_elem_name(from));
    expr_at(p, x->arg[0], ANYWHERE);
    fv_text_put(p->t, said ? "))" : ")");
}

/* Is x the state of a recurrence as it was before the step? */
static bool is_before(const fv_kprinter *p, const fv_expr *x) {
    return p->values && x->u.buf->value && ((const fv_value *)x->u.buf->value)->now;
}

static void put_buffer(fv_kprinter *p, const fv_buf *b) {
    const fv_value *v = b->value;
    if (p->values)
        fv_put_value(p->t, v->now ? v->now : v);
    else
        fv_kp_put_name(p, b, b->name);
    if (p->view.put)
        p->view.put(p->view.user, p->t, b);
}

void fv_kp_index(fv_kprinter *p, const fv_buf *b, fv_expr *const *index, int lanes) {
    put_buffer(p, b);
    if (b->role == FV_BUF_TILE && b->rank == 0)
        return;
    bool consecutive = lanes > 1 && b->lanes <= 1;
    for (int i = 0; i < b->rank; i++)
        consecutive = consecutive && index[i]->type.lanes == 1;
    fv_text_put(p->t, "[");
    for (int i = 0; i < b->rank; i++) {
        if (i)
            fv_text_put(p->t, ", ");
        expr_at(p, index[i], ANYWHERE);
    }
    if (consecutive)
        fv_text_printf(p->t, ":%d", lanes);
    fv_text_put(p->t, "]");
}

/* Prints the condition of a guard, in parentheses if it ends in an index: the parser would take the
 * `else` after it as that of the index. */
static void put_condition(fv_kprinter *p, const fv_expr *x) {
    const size_t at = p->t->n;
    expr_at(p, x, 1);
    const size_t n = p->t->n - at;
    if (!n || p->t->s[p->t->n - 1] != ']')
        return;
    fv_text_put(p->t, "()");
    memmove(p->t->s + at + 1, p->t->s + at, n);
    p->t->s[at] = '(';
}

static void put_guard(fv_kprinter *p, const fv_expr *x) {
    int rank = x->u.buf->rank;
    fv_kp_index(p, x->u.buf, x->arg, x->type.lanes);
    fv_text_put(p->t, " if ");
    put_condition(p, x->arg[rank]);
    fv_text_put(p->t, " else ");
    if (is_literal(x->arg[rank + 1]))
        put_typed_literal(p, x->arg[rank + 1], true);
    else
        expr_at(p, x->arg[rank + 1], ANYWHERE);
}

static bool mentions(fv_arena *a, const fv_expr *root, const fv_var *v) {
    const fv_expr *x;
    for (fv_x_visitor nodes = fv_x_visit(a, root); (x = fv_x_next(&nodes));)
        if (x->op == FV_X_VAR && x->u.var == v)
            return true;
    return false;
}

static bool binds_name(const fv_expr *x, const char *name) {
    for (int i = 0; x->op == FV_X_REDUCE && i < x->u.red.nvars; i++)
        if (!strcmp(x->u.red.vars[i]->name, name))
            return true;
    return false;
}

/* If v were printed as `name`, would it be confused with another variable of the expression? An
 * inner reduction may bind the same name if v is not used within it. */
static bool is_mistaken(fv_kprinter *p, const fv_expr *root, const fv_var *v, const char *name) {
    const fv_expr *x;
    for (fv_x_visitor nodes = fv_x_visit(p->arena, root); (x = fv_x_next(&nodes));) {
        bool other = x->op == FV_X_VAR && x->u.var != v, binds = binds_name(x, name);
        if ((other && !strcmp(fv_kp_name_of(p, x->u.var, x->u.var->name), name)) ||
            (binds && mentions(p->arena, x->arg[0], v)))
            return true;
        if (binds)
            fv_x_skip(&nodes);
    }
    return false;
}

/* Names the variables of a reduction so that they are unambiguous: k, k_1, ... */
static void name_indices(fv_kprinter *p, const fv_expr *x) {
    /* backwards, so that the first variable keeps its own name */
    for (int i = x->u.red.nvars; i-- > 0;) {
        fv_var *v = x->u.red.vars[i];
        const char *name = v->name;
        bool taken = true;
        for (int n = 1; taken; n++) {
            taken = is_mistaken(p, x->arg[0], v, name);
            for (int k = i + 1; k < x->u.red.nvars; k++)
                taken |= !strcmp(fv_kp_name_of(p, x->u.red.vars[k], x->u.red.vars[k]->name), name);
            if (taken)
                name = fv_printf(p->arena, "%s_%d", v->name, n);
        }
        *fv_ptrmap_at(&p->names, v) = (void *)(uintptr_t)name;
    }
}

static void put_reduce(fv_kprinter *p, const fv_expr *x) {
    static const char *const names[] = {"sum", "prod", "min", "max", "any", "all"};
    if (!p->values)
        name_indices(p, x);
    fv_text_printf(p->t, "%s ", names[x->u.red.kind]);
    for (int i = 0; i < x->u.red.nvars; i++) {
        fv_var *v = x->u.red.vars[i];
        if (i)
            fv_text_put(p->t, ", ");
        fv_kp_put_name(p, v, v->name);
        if (v->dim)
            fv_text_printf(p->t, " < %s", fv_dim_str(p->arena, v->dim));
    }
    if (x->u.red.order == FV_ORDER_CHAINS)
        fv_text_printf(p->t, " in %d chains", FV_CHAINS);
    if (x->u.red.order == FV_ORDER_CHAINS && x->u.red.along > 1)
        fv_text_printf(p->t, " along %d", x->u.red.along);
    if (x->u.red.order == FV_ORDER_PARTS)
        fv_text_printf(p->t, " in parts of %d", FV_PART);
    if (x->u.red.order == FV_ORDER_PAIRS)
        fv_text_put(p->t, " in pairs");
    if (x->u.red.order == FV_ORDER_TILES)
        fv_text_put(p->t, " in tiles");
    fv_text_put(p->t, ": ");
    expr_at(p, x->arg[0], ANYWHERE);
}

static void put_dim(fv_kprinter *p, const fv_dim *d) {
    bool plain = d->kind == FV_DIM_SYMBOL || d->kind == FV_DIM_CONST;
    fv_text_printf(p->t, plain ? "%s" : p->values ? "dim(%s)" : "(%s)", fv_dim_str(p->arena, d));
}

static const char *unary_text(const fv_expr *x) {
    if (x->op == FV_X_NEG)
        return "-";
    return x->op == FV_X_NOT ? (x->type.elem == FV_BOOL ? "!" : "~") : NULL;
}

static const char *binary_text(const fv_expr *x) {
    bool logical = x->type.elem == FV_BOOL;
    if (logical && x->op == FV_X_AND)
        return "&&";
    return logical && x->op == FV_X_OR ? "||" : fv_expr_op_text((fv_expr_op)x->op);
}

static int level_of(const fv_expr *x) {
    if (x->n == 2 && fv_ast_level(binary_text(x)))
        return fv_ast_level(binary_text(x));
    if (x->op == FV_X_GUARD || x->op == FV_X_REDUCE)
        return ANYWHERE;
    return unary_text(x) ? UNARY_LEVEL : PRIMARY;
}

/* Has the formula reached its maximum length, so that the last expression was printed as "..."? */
static bool is_left_out(const fv_kprinter *p) {
    return p->end && p->t->n > p->end && !strcmp(p->t->s + p->t->n - 3, "...");
}

static void put_operator(fv_kprinter *p, const fv_expr *x) {
    const char *text = binary_text(x);
    int level = fv_ast_level(text);
    if (x->n != 2 || level == 0) {
        put_call(p, text, x);
        return;
    }
    put_arg(p, x, 0, level);
    if (is_left_out(p))
        return; /* drops the rest of a chain of operators */
    fv_text_printf(p->t, " %s ", text);
    put_arg(p, x, 1, level + 1);
}

static void expr_bare(fv_kprinter *p, const fv_expr *x) {
    const char *elem = fv_elem_name((fv_elem)x->type.elem);
    switch ((fv_expr_op)x->op) {
    case FV_X_CONST: put_const(p, x, false); break;
    case FV_X_VAR: fv_kp_put_name(p, x->u.var, x->u.var->name); break;
    case FV_X_LOAD:
    case FV_X_GUARD:
        fv_text_put(p->t, is_before(p, x) ? "before(" : "");
        if (x->op == FV_X_GUARD)
            put_guard(p, x);
        else
            fv_kp_index(p, x->u.buf, x->arg, x->type.lanes);
        fv_text_put(p->t, is_before(p, x) ? ")" : "");
        break;
    case FV_X_NEG:
    case FV_X_NOT:
        fv_text_put(p->t, unary_text(x));
        expr_at(p, x->arg[0], UNARY_LEVEL);
        break;
    case FV_X_CONVERT: put_conversion(p, x); break;
    case FV_X_CONVSAT: put_call(p, fv_printf(p->arena, "sat_%s", elem), x); break;
    case FV_X_BITCAST: put_call(p, fv_printf(p->arena, "bits_%s", elem), x); break;
    case FV_X_SPLAT: put_call(p, fv_printf(p->arena, "splat%d", x->type.lanes), x); break;
    case FV_X_RAMP: put_call(p, fv_printf(p->arena, "ramp%d", x->type.lanes), x); break;
    case FV_X_EVEN: put_call(p, fv_printf(p->arena, "even%d", (int)x->u.i), x); break;
    case FV_X_ODD: put_call(p, fv_printf(p->arena, "odd%d", (int)x->u.i), x); break;
    case FV_X_DIM: put_dim(p, x->u.dim); break;
    case FV_X_REDUCE: put_reduce(p, x); break;
    default: put_operator(p, x); break;
    }
}

/* The shorter expression that is printed instead of x in a formula for people; NULL: x itself. */
static const char *short_form(const fv_kprinter *p, const fv_expr *x) {
    const char *name =
        p->terms.names && x != p->terms.whole ? fv_ptrmap_get(p->terms.names, x) : NULL;
    return name ? name : p->end && p->t->n > p->end && x->n ? "..." : NULL;
}

static void expr_at(fv_kprinter *p, const fv_expr *x, int level) {
    const char *instead = short_form(p, x);
    if (instead) {
        fv_text_put(p->t, instead);
        return;
    }
    bool parentheses = level_of(x) < level;
    if (parentheses)
        fv_text_put(p->t, "(");
    expr_bare(p, x);
    if (parentheses)
        fv_text_put(p->t, ")");
}

void fv_kp_expr(fv_kprinter *p, const fv_expr *x) {
    expr_at(p, x, ANYWHERE);
}

void fv_kp_condition(fv_kprinter *p, const fv_expr *x) {
    expr_at(p, x, 1);
}

void fv_kp_stored(fv_kprinter *p, const fv_expr *x) {
    if (is_literal(x))
        put_typed_literal(p, x, true);
    else
        fv_kp_expr(p, x);
}

void fv_kp_exprs(fv_kprinter *p, int n, fv_expr *const *list) {
    for (int i = 0; i < n; i++) {
        if (i)
            fv_text_put(p->t, ", ");
        expr_at(p, list[i], ANYWHERE);
    }
}

void fv_expr_print(fv_text *t, const fv_expr *x) {
    fv_kprinter p;
    fv_kprinter_init(&p, t, false);
    fv_kp_expr(&p, x);
}
