/* ast.c - expressions of the one notation: parser and printer, see ast.h. */
#include "ir/syntax/ast.h"

#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct binary_op {
    const char *text;
    int level; /* precedence; a higher level binds tighter */
} binary_op;

static const binary_op binary_ops[] = {
    {"||", 1}, {"&&", 2}, {"|", 3},  {"^", 4},  {"&", 5},         {"==", 6},       {"!=", 6},
    {"<", 7},  {"<=", 7}, {">", 7},  {">=", 7}, {"<<", 8},        {">>", 8},       {"+", 9},
    {"-", 9},  {"*", 10}, {"/", 10}, {"%", 10}, {"floordiv", 10}, {"ceildiv", 10}, {"mod", 10},
};
enum { LOOSEST = 0, SHIFT_LEVEL = 8, UNARY_LEVEL = 11 };

static const binary_op *find_binary(const char *text) {
    for (size_t i = 0; i < sizeof binary_ops / sizeof *binary_ops; i++)
        if (strcmp(binary_ops[i].text, text) == 0)
            return &binary_ops[i];
    return NULL;
}

int fv_ast_level(const char *op) {
    const binary_op *found = find_binary(op);
    return found ? found->level : 0;
}

/* ---- nodes ---- */

static fv_ast *node_at(fv_lexer *l, fv_ast_kind kind, const fv_token *t) {
    fv_ast *e = FV_NEW(l->arena, fv_ast, 1);
    e->kind = kind;
    e->line = t->line;
    e->column = t->column;
    e->name = t->s;
    e->i = t->i;
    e->f = t->f;
    e->len = t->n;
    return e;
}

static void note_height(fv_lexer *l, fv_ast *e, const fv_ast *child) {
    if (child->height + 1 > e->height)
        e->height = child->height + 1;
    if (e->height > FV_MAX_EXPR_HEIGHT)
        fv_lex_error(l, "the expression is too large: more than %d operators in a row",
                     FV_MAX_EXPR_HEIGHT);
}

/* A growing list of the arguments of the node that is being parsed. */
typedef struct arg_list {
    fv_ast **arg;
    int n, cap;
} arg_list;

static void add_arg(fv_lexer *l, fv_ast *e, arg_list *list, fv_ast *arg) {
    FV_PUSH(l->arena, list->arg, list->n, list->cap, arg);
    e->arg = list->arg;
    e->n = list->n;
    note_height(l, e, arg);
}

static fv_ast *parse_level(fv_lexer *l, int level);
static fv_ast *parse_expr(fv_lexer *l) {
    return parse_level(l, LOOSEST);
}

/* ---- primaries ---- */

static bool is_reduction(const fv_lexer *l) {
    return fv_lex_is(l, "sum") || fv_lex_is(l, "prod") || fv_lex_is(l, "min") ||
           fv_lex_is(l, "max") || fv_lex_is(l, "any") || fv_lex_is(l, "all");
}

/* Is the current token a word that cannot begin an expression: an operator, `if` or `else`? */
static bool is_word(const fv_lexer *l) {
    return fv_lex_is(l, "floordiv") || fv_lex_is(l, "ceildiv") || fv_lex_is(l, "mod") ||
           fv_lex_is(l, "if") || fv_lex_is(l, "else");
}

static bool starts_reduction(fv_lexer *l) {
    if (!is_reduction(l))
        return false;
    fv_lexer ahead = *l;
    fv_lex_next(&ahead);
    return ahead.tok.kind == FV_TOK_NAME && !ahead.tok.newline_before && !is_word(&ahead);
}

/* Parses the order of a sum: `in 16 chains [along 2]`, `in parts of 512`, `in pairs` or
 * `in tiles`. */
static bool parse_order(fv_lexer *l, fv_ast *e) {
    int64_t chains;
    if (!fv_lex_accept(l, "in"))
        return true;
    if (fv_lex_accept(l, "parts")) {
        e->reduce.parts = true;
        return fv_lex_expect(l, "of") && fv_lex_int(l, &e->i);
    }
    if (fv_lex_accept(l, "pairs"))
        return e->reduce.pairs = true;
    if (fv_lex_accept(l, "tiles"))
        return e->reduce.tiles = true;
    if (!fv_lex_int(l, &chains) || !fv_lex_expect(l, "chains"))
        return false;
    e->i = 1;
    if (chains < 1 || chains > INT_MAX)
        return fv_lex_error(l, "%lld chains", (long long)chains);
    e->reduce.chains = (int)chains;
    return !fv_lex_accept(l, "along") || fv_lex_int(l, &e->i);
}

static fv_ast *parse_reduction(fv_lexer *l) {
    fv_ast *e = node_at(l, FV_AST_REDUCE, &l->tok);
    int cap = 0;
    fv_lex_next(l);
    do {
        fv_ast_var v = {.name = fv_lex_name(l, "an index variable")};
        if (!v.name)
            return NULL;
        v.group = fv_lex_accept(l, "..");
        if (fv_lex_accept(l, "<")) {
            v.extent = parse_level(l, SHIFT_LEVEL);
            if (!v.extent)
                return NULL;
            note_height(l, e, v.extent);
        }
        FV_PUSH(l->arena, e->reduce.vars, e->reduce.nvars, cap, v);
    } while (fv_lex_accept(l, ","));
    if (!parse_order(l, e) || !fv_lex_expect(l, ":"))
        return NULL;
    fv_ast *body = parse_expr(l);
    arg_list list = {0};
    if (!body)
        return NULL;
    add_arg(l, e, &list, body);
    return e;
}

/* Parses one argument of a call: e, or name = e. */
static fv_ast *parse_argument(fv_lexer *l) {
    if (l->tok.kind == FV_TOK_NAME) {
        fv_lexer ahead = *l;
        fv_lex_next(&ahead);
        if (fv_lex_is(&ahead, "=")) {
            fv_ast *e = node_at(l, FV_AST_NAMED, &l->tok);
            arg_list list = {0};
            fv_lex_next(l);
            fv_lex_next(l);
            fv_ast *value = parse_expr(l);
            if (!value)
                return NULL;
            add_arg(l, e, &list, value);
            return e;
        }
    }
    return parse_expr(l);
}

/* Parses one index: e, or e:lanes. */
static fv_ast *parse_index(fv_lexer *l) {
    fv_ast *first = parse_expr(l);
    if (!first || !fv_lex_is(l, ":"))
        return first;
    fv_ast *e = node_at(l, FV_AST_LANES, &l->tok);
    arg_list list = {0};
    fv_lex_next(l);
    add_arg(l, e, &list, first);
    return fv_lex_int(l, &e->i) ? e : NULL;
}

/* Parses a list of items up to and including the closing bracket; the opening one was read. */
static bool parse_list(fv_lexer *l, fv_ast *e, const char *close, fv_ast *(*item)(fv_lexer *)) {
    arg_list list = {0};
    if (fv_lex_accept(l, close))
        return true;
    do {
        fv_ast *arg = item(l);
        if (!arg)
            return false;
        add_arg(l, e, &list, arg);
    } while (fv_lex_accept(l, ","));
    return fv_lex_expect(l, close);
}

static bool parse_else(fv_lexer *l, fv_ast *e) {
    fv_lex_next(l);
    e->otherwise = parse_expr(l);
    if (!e->otherwise)
        return false;
    note_height(l, e, e->otherwise);
    return true;
}

/* Parses what may follow x[..]: `if c else v` or `else v`. An `if` without `else` is not a part of
 * this expression. */
static bool parse_guard(fv_lexer *l, fv_ast *e) {
    if (l->tok.newline_before)
        return true;
    if (fv_lex_is(l, "else"))
        return parse_else(l, e);
    if (!fv_lex_is(l, "if"))
        return true;
    fv_lexer before = *l;
    fv_lex_next(l);
    fv_ast *cond = parse_expr(l);
    if (!cond)
        return false;
    if (!fv_lex_is(l, "else") || l->tok.newline_before) {
        *l = before;
        return true;
    }
    e->cond = cond;
    note_height(l, e, cond);
    return parse_else(l, e);
}

/* Parses what follows the first word of a name, e->name: words after dots, as in fv.Slice, are
 * appended to it, and a `(` has to follow them. A name without dots stays as it is. */
static bool parse_dotted(fv_lexer *l, fv_ast *e) {
    bool dotted = false;
    while (fv_lex_is(l, ".")) {
        fv_lex_next(l);
        const char *part = fv_lex_name(l, "a name after '.'");
        if (!part)
            return false;
        e->name = fv_intern(l->session, fv_printf(l->arena, "%s.%s", e->name, part));
        dotted = true;
    }
    if (dotted && !fv_lex_is(l, "("))
        return fv_lex_error(l, "expected '(' after '%.60s', found %s", e->name, fv_lex_found(l));
    return true;
}

static fv_ast *parse_name(fv_lexer *l) {
    fv_ast *e = node_at(l, FV_AST_NAME, &l->tok);
    e->quoted = l->tok.quoted;
    fv_lex_next(l);
    if (!parse_dotted(l, e))
        return NULL;
    if (fv_lex_accept(l, "..")) {
        e->kind = FV_AST_GROUP;
    } else if (fv_lex_accept(l, "(")) {
        e->kind = FV_AST_CALL;
        if (!parse_list(l, e, ")", parse_argument))
            return NULL;
    } else if (fv_lex_is(l, "[") && !l->tok.newline_before) {
        e->kind = FV_AST_INDEX;
        fv_lex_next(l);
        if (!parse_list(l, e, "]", parse_index) || !parse_guard(l, e))
            return NULL;
    }
    return e;
}

fv_ast *fv_ast_view(fv_lexer *l) {
    fv_ast *list = node_at(l, FV_AST_LIST, &l->tok);
    return fv_lex_expect(l, "(") && parse_list(l, list, ")", parse_expr) ? list : NULL;
}

/* Parses the dims of a view, which precede its indices. */
static bool parse_view(fv_lexer *l, fv_ast *e) {
    e->view = fv_ast_view(l);
    if (!e->view)
        return false;
    note_height(l, e, e->view);
    return fv_lex_is(l, "[") || fv_lex_error(l, "expected '[' after the dims of '%.60s', found %s",
                                             e->name, fv_lex_found(l));
}

/* Parses a value of a graph: %x, %x(n * 4)[i], @w[i, j] if c else v. */
static fv_ast *parse_value(fv_lexer *l) {
    fv_ast *e = node_at(l, FV_AST_VALUE, &l->tok);
    e->i = *l->tok.s;
    fv_lex_next(l);
    e->name = fv_lex_name(l, "the name of a value");
    if (!e->name)
        return NULL;
    if (fv_lex_is(l, "(") && !l->tok.newline_before && !parse_view(l, e))
        return NULL;
    if (!fv_lex_is(l, "[") || l->tok.newline_before)
        return e;
    fv_lex_next(l);
    return parse_list(l, e, "]", parse_index) && parse_guard(l, e) ? e : NULL;
}

static fv_ast *parse_token(fv_lexer *l, fv_ast_kind kind) {
    fv_ast *e = node_at(l, kind, &l->tok);
    fv_lex_next(l);
    return e;
}

static fv_ast *parse_primary(fv_lexer *l) {
    switch (l->tok.kind) {
    case FV_TOK_INT: return parse_token(l, FV_AST_INT);
    case FV_TOK_FLOAT: return parse_token(l, FV_AST_FLOAT);
    case FV_TOK_STRING: return parse_token(l, FV_AST_STRING);
    case FV_TOK_NAME:
        if (is_word(l))
            break;
        return starts_reduction(l) ? parse_reduction(l) : parse_name(l);
    case FV_TOK_PUNCT:
    case FV_TOK_END:
    case FV_TOK_ERROR: break;
    }
    if (fv_lex_accept(l, "(")) {
        fv_ast *e = parse_expr(l);
        return e && fv_lex_expect(l, ")") ? e : NULL;
    }
    if (fv_lex_is(l, "%") || fv_lex_is(l, "@"))
        return parse_value(l);
    if (fv_lex_is(l, "[")) {
        fv_ast *e = parse_token(l, FV_AST_LIST);
        return parse_list(l, e, "]", parse_expr) ? e : NULL;
    }
    fv_lex_error(l, "expected an expression, found %s", fv_lex_found(l));
    return NULL;
}

/* ---- operators ---- */

static fv_ast *parse_unary(fv_lexer *l) {
    if (l->depth >= FV_MAX_EXPR_DEPTH) {
        fv_lex_error(l, "the expression is nested deeper than %d", FV_MAX_EXPR_DEPTH);
        return NULL;
    }
    l->depth++;
    fv_ast *e;
    if (fv_lex_is(l, "-") || fv_lex_is(l, "!") || fv_lex_is(l, "~")) {
        e = parse_token(l, FV_AST_UNARY);
        arg_list list = {0};
        fv_ast *x = parse_unary(l);
        if (x)
            add_arg(l, e, &list, x);
        else
            e = NULL;
    } else {
        e = parse_primary(l);
    }
    l->depth--;
    return l->failed ? NULL : e;
}

static const binary_op *binary_here(const fv_lexer *l) {
    bool may = l->tok.kind == FV_TOK_PUNCT || (l->tok.kind == FV_TOK_NAME && !l->tok.quoted);
    return may ? find_binary(l->tok.s) : NULL;
}

/* Parses operators of at least this precedence level, by precedence climbing. */
static fv_ast *parse_level(fv_lexer *l, int level) {
    fv_ast *left = parse_unary(l);
    const binary_op *op;
    while (left && (op = binary_here(l)) && op->level >= level) {
        fv_ast *e = parse_token(l, FV_AST_BINARY);
        arg_list list = {0};
        fv_ast *right = parse_level(l, op->level + 1);
        if (!right)
            return NULL;
        add_arg(l, e, &list, left);
        add_arg(l, e, &list, right);
        left = l->failed ? NULL : e;
    }
    return left;
}

fv_ast *fv_ast_parse(fv_lexer *l) {
    fv_ast *e = parse_expr(l);
    return l->failed ? NULL : e;
}

/* ---- printing ---- */

static void print_at(fv_text *t, const fv_ast *e, int level);

static void print_list(fv_text *t, const fv_ast *e) {
    for (int i = 0; i < e->n; i++) {
        if (i)
            fv_text_put(t, ", ");
        print_at(t, e->arg[i], LOOSEST);
    }
}

static void print_index(fv_text *t, const fv_ast *e) {
    if (e->kind == FV_AST_VALUE)
        fv_text_printf(t, "%c", (char)e->i);
    fv_text_name(t, e->name);
    if (e->view) {
        fv_text_put(t, "(");
        print_list(t, e->view);
        fv_text_put(t, ")");
    }
    fv_text_put(t, "[");
    print_list(t, e);
    fv_text_put(t, "]");
    if (e->cond) {
        fv_text_put(t, " if ");
        print_at(t, e->cond, LOOSEST + 1);
    }
    if (e->otherwise) {
        fv_text_put(t, " else ");
        print_at(t, e->otherwise, LOOSEST);
    }
}

static void print_reduce(fv_text *t, const fv_ast *e) {
    fv_text_printf(t, "%s ", e->name);
    for (int i = 0; i < e->reduce.nvars; i++) {
        if (i)
            fv_text_put(t, ", ");
        fv_text_name(t, e->reduce.vars[i].name);
        if (e->reduce.vars[i].group)
            fv_text_put(t, "..");
        if (e->reduce.vars[i].extent) {
            fv_text_put(t, " < ");
            print_at(t, e->reduce.vars[i].extent, SHIFT_LEVEL);
        }
    }
    if (e->reduce.chains)
        fv_text_printf(t, " in %d chains", e->reduce.chains);
    if (e->reduce.chains && e->i != 1)
        fv_text_printf(t, " along %lld", (long long)e->i);
    if (e->reduce.parts)
        fv_text_printf(t, " in parts of %lld", (long long)e->i);
    if (e->reduce.pairs)
        fv_text_put(t, " in pairs");
    if (e->reduce.tiles)
        fv_text_put(t, " in tiles");
    fv_text_put(t, ": ");
    print_at(t, e->arg[0], LOOSEST);
}

static void print_call(fv_text *t, const fv_ast *e) {
    if (strchr(e->name, '.'))
        fv_text_put(t, e->name);
    else
        fv_text_name(t, e->name);
    fv_text_put(t, "(");
    print_list(t, e);
    fv_text_put(t, ")");
}

/* The precedence of a node. It is printed in parentheses where its context needs a higher level. */
static int level_of(const fv_ast *e) {
    switch (e->kind) {
    case FV_AST_BINARY: return find_binary(e->name)->level;
    case FV_AST_UNARY: return UNARY_LEVEL;
    case FV_AST_REDUCE: return 0;
    case FV_AST_INDEX:
    case FV_AST_VALUE: return e->otherwise ? 0 : UNARY_LEVEL + 1;
    default: return UNARY_LEVEL + 1;
    }
}

static void print_bare(fv_text *t, const fv_ast *e) {
    switch (e->kind) {
    case FV_AST_INT:
    /* printed with the digits of the text that was parsed */
    case FV_AST_FLOAT: fv_text_put(t, e->name); break;
    case FV_AST_STRING: fv_text_string(t, e->name, e->len); break;
    case FV_AST_NAME: fv_text_name(t, e->name); break;
    case FV_AST_GROUP:
        fv_text_name(t, e->name);
        fv_text_put(t, "..");
        break;
    case FV_AST_CALL: print_call(t, e); break;
    case FV_AST_NAMED:
        fv_text_name(t, e->name);
        fv_text_put(t, " = ");
        print_at(t, e->arg[0], LOOSEST);
        break;
    case FV_AST_INDEX:
    case FV_AST_VALUE: print_index(t, e); break;
    case FV_AST_UNARY:
        fv_text_put(t, e->name);
        print_at(t, e->arg[0], UNARY_LEVEL);
        break;
    case FV_AST_BINARY: {
        int level = find_binary(e->name)->level;
        print_at(t, e->arg[0], level);
        fv_text_printf(t, " %s ", e->name);
        print_at(t, e->arg[1], level + 1);
        break;
    }
    case FV_AST_REDUCE: print_reduce(t, e); break;
    case FV_AST_LIST:
        fv_text_put(t, "[");
        print_list(t, e);
        fv_text_put(t, "]");
        break;
    case FV_AST_LANES:
        print_at(t, e->arg[0], LOOSEST);
        fv_text_printf(t, ":%lld", (long long)e->i);
        break;
    }
}

/* Prints a node in a context that needs `level`. At LOOSEST, within brackets or between commas,
 * nothing needs parentheses. */
static void print_at(fv_text *t, const fv_ast *e, int level) {
    bool parentheses = level_of(e) < level;
    if (parentheses)
        fv_text_put(t, "(");
    print_bare(t, e);
    if (parentheses)
        fv_text_put(t, ")");
}

void fv_ast_print(fv_text *t, const fv_ast *e) {
    print_at(t, e, LOOSEST);
}
