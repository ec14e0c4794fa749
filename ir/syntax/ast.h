/* ast.h - the syntax of expressions, which kernel text, formulas, rules and attribute lists share.
 * The tree holds names as they are written; its reader decides what they mean.
 *
 * Operators, loosest first, all left associative:
 *   ||   &&   |   ^   &   == !=   < <= > >=   << >>   + -   * / % floordiv ceildiv mod   unary - !
 *                                                           ~
 * || and && are | and & on bools; both sides are always evaluated.
 * Primary: number, name, `...`-quoted name, "string", name.., f(a, b, k=v), x[i, j], %x[i, j], @w,
 *   x[i, j] if c else v, x[i, j] else v, %x(a, b)[i, j], (e), [a, b],
 *   sum k < n, r.. : e   (also prod, min, max, any, all; extents may be left out; e extends as far
 *   to the right as possible)
 * In an index, j:8 means 8 consecutive elements from j on. An `if` belongs to the expression only
 * if it is on the same line and an `else` follows. */
#ifndef FV_IR_SYNTAX_AST_H
#define FV_IR_SYNTAX_AST_H

#include "ir/base/limits.h"
#include "ir/base/text.h"
#include "ir/syntax/lex.h"

typedef enum {
    FV_AST_INT,
    FV_AST_FLOAT,
    FV_AST_STRING,
    FV_AST_NAME,  /* a name */
    FV_AST_GROUP, /* a group of names, `name..` */
    /* a value of a graph, %name or @name; i is the sigil. It may have args, cond and otherwise as
     * INDEX has; if it has args, `view` may be the dims before them, a LIST, or NULL */
    FV_AST_VALUE,
    /* a call, name(args); a named argument is a NAMED node in args; "fv.Slice" is one name */
    FV_AST_CALL,
    FV_AST_NAMED,  /* a named argument, name = arg[0] */
    FV_AST_INDEX,  /* an element, name[args], with cond and otherwise, each of which may be NULL */
    FV_AST_UNARY,  /* a unary operator `name` applied to arg[0] */
    FV_AST_BINARY, /* a binary operator `name` applied to arg[0] and arg[1] */
    /* a reduction, such as `sum`; reduce.vars are its variables, arg[0] is its body; `chains`
     * chains along the last i variables, or parts of i terms, or pairs of terms, or tiles */
    FV_AST_REDUCE,
    FV_AST_LIST, /* a list, [args] */
    FV_AST_LANES /* lanes, arg[0]:i */
} fv_ast_kind;

typedef struct fv_ast fv_ast;
typedef struct fv_ast_var { /* a variable of a reduction */
    const char *name;
    bool group;     /* whether the variable is a group, `r..` */
    fv_ast *extent; /* the extent; NULL: it is not written */
} fv_ast_var;

/* The variables of a reduction, and the order of the sum. */
typedef struct fv_ast_reduce {
    fv_ast_var *vars;
    int nvars;
    int chains; /* number of chains; 0: no order is written */
    bool parts, pairs, tiles;
} fv_ast_reduce;

struct fv_ast {
    fv_ast_kind kind;
    int line, column;
    /* height of the tree below the node, at most FV_MAX_EXPR_HEIGHT, so that recursive walks are
     * safe */
    int height;
    const char *name;
    bool quoted; /* the name was written in backquotes, so it is not a keyword */
    int64_t i;
    double f;
    size_t len; /* STRING: number of bytes */
    int n;
    fv_ast **arg;
    fv_ast *cond, *otherwise, *view;
    fv_ast_reduce reduce;
};

/* The precedence of a binary operator, 1 (loosest) to 10; 0: `op` is not a binary operator. */
int fv_ast_level(const char *op);
/* Parses an expression at the current token; NULL after a diagnostic. */
fv_ast *fv_ast_parse(fv_lexer *l);
/* Parses the dims of a view, "(a, b)", as a LIST; NULL after a diagnostic. */
fv_ast *fv_ast_view(fv_lexer *l);
/* Appends the expression in the same notation: for messages and tests. */
void fv_ast_print(fv_text *t, const fv_ast *e);

#endif
