/* ast.h - the one notation: tokens and expressions that kernel text, formulas, rules and attribute
 * lists share. What the names mean is up to the reader of the tree.
 *
 * Operators, loosest first, all left associative:
 *   ||   &&   |   ^   &   == !=   < <= > >=   << >>   + -   * / % floordiv ceildiv mod   unary - !
 *                                                           ~
 * || and && are | and & on bools; both sides are always evaluated.
 * Primary: number, name, `...`-quoted name, "string", name.., f(a, b, k=v), x[i, j], %x[i, j], @w,
 *   x[i, j] if c else v, x[i, j] else v, (e), [a, b],
 *   sum k < n, r.. : e   (also prod, min, max, any, all; extents may be left out; e reaches as far
 *   to the right as it can)
 * In an index, j:8 stands for 8 consecutive elements from j on. An `if` is part of the expression
 * only on the same line, and where its `else` follows. */
#ifndef FV_IR_SYNTAX_AST_H
#define FV_IR_SYNTAX_AST_H

#include "ir/base/limits.h"
#include "ir/base/text.h"
#include "ir/syntax/lex.h"

typedef enum {
    FV_AST_INT,
    FV_AST_FLOAT,
    FV_AST_STRING,
    FV_AST_NAME,  /* name */
    FV_AST_GROUP, /* name.. */
    /* %name, @name: a value of a graph; i is the sigil; with args, cond and otherwise as an
     * INDEX */
    FV_AST_VALUE,
    FV_AST_CALL,   /* name(args); a named argument is a NAMED among them; "fv.Slice" is one name */
    FV_AST_NAMED,  /* name = arg[0] */
    FV_AST_INDEX,  /* name[args], with cond and otherwise, which may be NULL */
    FV_AST_UNARY,  /* name is the operator */
    FV_AST_BINARY, /* name is the operator */
    /* name: sum...; vars; arg[0] is the body; in so many chains, which run along the last i
     * variables, or in parts of i terms */
    FV_AST_REDUCE,
    FV_AST_LIST, /* [args] */
    FV_AST_LANES /* arg[0]:i */
} fv_ast_kind;

typedef struct fv_ast fv_ast;
typedef struct fv_ast_var { /* of a reduction */
    const char *name;
    bool group;     /* r.. */
    fv_ast *extent; /* or NULL */
} fv_ast_var;

struct fv_ast {
    fv_ast_kind kind;
    int line, column;
    int height; /* of the tree, limited by FV_MAX_EXPR_HEIGHT: it may be walked recursively */
    const char *name;
    bool quoted; /* the name stands in backquotes: no word of the language */
    int64_t i;
    double f;
    size_t len; /* STRING */
    int n;
    fv_ast **arg;
    fv_ast *cond, *otherwise;
    int nvars, chains; /* chains 0: nothing is said of them */
    bool parts;
    fv_ast_var *vars;
};

/* of a binary operator, 1 ... 10: the higher, the tighter; 0: it is none */
int fv_ast_level(const char *op);
/* NULL after a diagnostic. */
fv_ast *fv_ast_parse(fv_lexer *l);
/* `name(args)`, `x[..]`: as printed back; for messages and tests. */
void fv_ast_print(fv_text *t, const fv_ast *e);

#endif
