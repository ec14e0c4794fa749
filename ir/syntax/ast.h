/* ast.h - the one notation: tokens and expressions that kernel text, formulas, rules and attribute
 * lists share. What the names mean is up to the reader of the tree.
 *
 * Operators, loosest first, all left associative:
 *   ||   &&   |   ^   &   == !=   < <= > >=   << >>   + -   * / % floordiv ceildiv mod   unary - ! ~
 * || and && are | and & on bools; both sides are always evaluated.
 * Primary: number, name, `...`-quoted name, "string", name.., f(a, b, k=v), x[i, j],
 *   x[i, j] if c else v, x[i, j] else v, (e), [a, b],
 *   sum k < n, r.. : e   (also prod, min, max, any, all; extents may be left out; e reaches as far
 *   to the right as it can)
 * In an index, j:8 stands for 8 consecutive elements from j on. An `if` is part of the expression
 * only on the same line, and where its `else` follows. */
#ifndef FV_IR_SYNTAX_AST_H
#define FV_IR_SYNTAX_AST_H

#include "ir/base/diag.h"
#include "ir/base/limits.h"

typedef enum {
    FV_TOK_END, FV_TOK_NAME, FV_TOK_INT, FV_TOK_FLOAT, FV_TOK_STRING, FV_TOK_PUNCT, FV_TOK_ERROR
} fv_tok_kind;

typedef struct fv_token {
    fv_tok_kind kind;
    const char *s;  /* interned text: of a name (quotes removed, sigils % @ kept apart as PUNCT), of punctuation */
    size_t n;       /* of a STRING: bytes, escapes done */
    int64_t i;      /* INT; hex is allowed; overflow is an ERROR */
    double f;       /* FLOAT: decimal or C hex float; also inf and nan are NAMEs */
    int line, column;
    const char *start; /* in the text */
    bool newline_before;
    bool quoted;    /* a NAME in backquotes: never a keyword */
} fv_token;

/* Reads tokens; `#` starts a comment. Names are [A-Za-z_][A-Za-z0-9_]* (dots are PUNCT, so that
 * fv.Slice is three tokens); ".." and "..." are one token each. */
typedef struct fv_lexer {
    fv_session *session;
    fv_arena *arena;
    const char *text, *at;
    int line, column;
    int depth;    /* of nested expressions, limited by FV_MAX_EXPR_DEPTH */
    bool failed;  /* a diagnostic was given; everything after it is quiet */
    fv_token tok; /* the current token */
} fv_lexer;

void fv_lex_init(fv_lexer *l, fv_session *s, fv_arena *a, const char *text);
void fv_lex_next(fv_lexer *l);
bool fv_lex_is(const fv_lexer *l, const char *punct_or_name) FV_MUST_USE;
bool fv_lex_accept(fv_lexer *l, const char *punct_or_name) FV_MUST_USE;
bool fv_lex_expect(fv_lexer *l, const char *punct_or_name) FV_MUST_USE; /* diagnostic: expected X, found Y */
const char *fv_lex_name(fv_lexer *l, const char *what);     /* a NAME, or diagnostic and NULL */
/* Goes on at `s`, which lies behind the start of the current token: what another parser left. */
void fv_lex_resume(fv_lexer *l, const char *s);
bool fv_lex_int(fv_lexer *l, int64_t *out) FV_MUST_USE;                 /* an integer with optional minus */
/* The bytes of a string of hexadecimal digits (what follows the word `hex`), aligned to 64; NULL after a diagnostic. */
const void *fv_lex_hex(fv_lexer *l, fv_arena *a, size_t *bytes);
bool fv_lex_error(fv_lexer *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *fv_lex_found(const fv_lexer *l);                /* the current token, for messages */

/* Writing what the lexer reads back. */
bool fv_is_name(const char *s) FV_MUST_USE;
void fv_text_name(fv_text *t, const char *name);            /* in backquotes where it must be */
void fv_text_escaped(fv_text *t, const char *s, size_t n, char quote); /* see fv_char_escape */
void fv_text_string(fv_text *t, const char *s, size_t n);   /* "..." */
void fv_text_hex(fv_text *t, const void *data, size_t n);   /* hex "3f80" */
/* Names on the command line, `--dim NAME=5`: as they are, or in backquotes with escapes. The name in backquotes that
 * s begins with, and where it ends; NULL: s does not begin with one. */
const char *fv_option_quoted(fv_arena *a, const char *s, const char **end);
const char *fv_option_name(fv_arena *a, const char *name); /* how such a name may be typed */
void fv_text_double(fv_text *t, double v);                  /* shortest decimal that reads back: 0.1, 1e+30, 2.0, -inf, nan */
void fv_text_float(fv_text *t, float v);                    /* the same for a float */

typedef enum {
    FV_AST_INT, FV_AST_FLOAT, FV_AST_STRING,
    FV_AST_NAME,    /* name */
    FV_AST_GROUP,   /* name.. */
    FV_AST_CALL,    /* name(args); a named argument is a NAMED among them; "fv.Slice" is one name */
    FV_AST_NAMED,   /* name = arg[0] */
    FV_AST_INDEX,   /* name[args], with cond and otherwise, which may be NULL */
    FV_AST_UNARY,   /* name is the operator */
    FV_AST_BINARY,  /* name is the operator */
    FV_AST_REDUCE,  /* name: sum...; vars; arg[0] is the body */
    FV_AST_LIST,    /* [args] */
    FV_AST_LANES    /* arg[0]:i */
} fv_ast_kind;

typedef struct fv_ast fv_ast;
typedef struct fv_ast_var { /* of a reduction */
    const char *name;
    bool group;      /* r.. */
    fv_ast *extent;  /* or NULL */
} fv_ast_var;

struct fv_ast {
    fv_ast_kind kind;
    int line, column;
    int height;      /* of the tree, limited by FV_MAX_EXPR_HEIGHT: it may be walked recursively */
    const char *name;
    bool quoted;     /* the name stands in backquotes: no word of the language */
    int64_t i;
    double f;
    size_t len;      /* STRING */
    int n;
    fv_ast **arg;
    fv_ast *cond, *otherwise;
    int nvars;
    fv_ast_var *vars;
};

int fv_ast_level(const char *op); /* of a binary operator, 1 ... 10: the higher, the tighter; 0: it is none */
/* NULL after a diagnostic. */
fv_ast *fv_ast_parse(fv_lexer *l);
/* `name(args)`, `x[..]`: as printed back; for messages and tests. */
void fv_ast_print(fv_text *t, const fv_ast *e);

#endif
