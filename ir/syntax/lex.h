/* lex.h - tokens of the one notation, see ast.h. */
#ifndef FV_IR_SYNTAX_LEX_H
#define FV_IR_SYNTAX_LEX_H

#include "ir/base/diag.h"

typedef enum {
    FV_TOK_END,
    FV_TOK_NAME,
    FV_TOK_INT,
    FV_TOK_FLOAT,
    FV_TOK_STRING,
    FV_TOK_PUNCT,
    FV_TOK_ERROR
} fv_tok_kind;

typedef struct fv_token {
    fv_tok_kind kind;
    /* interned text: of a name (quotes removed, sigils % @ kept apart as PUNCT), of punctuation */
    const char *s;
    size_t n;  /* of a STRING: bytes, escapes done */
    int64_t i; /* INT; hex is allowed; overflow is an ERROR */
    double f;  /* FLOAT: decimal or C hex float; also inf and nan are NAMEs */
    int line, column;
    const char *start; /* in the text */
    bool newline_before;
    bool quoted; /* a NAME in backquotes: never a keyword */
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
/* diagnostic: expected X, found Y */
bool fv_lex_expect(fv_lexer *l, const char *punct_or_name) FV_MUST_USE;
const char *fv_lex_name(fv_lexer *l, const char *what); /* a NAME, or diagnostic and NULL */
/* Goes on at `s`, which lies behind the start of the current token: what another parser left. */
void fv_lex_resume(fv_lexer *l, const char *s);
/* an integer with optional minus */
bool fv_lex_int(fv_lexer *l, int64_t *out) FV_MUST_USE;
/* The bytes of a string of hexadecimal digits (what follows the word `hex`), aligned to 64; NULL
 * after a diagnostic. */
const void *fv_lex_hex(fv_lexer *l, fv_arena *a, size_t *bytes);
bool fv_lex_error(fv_lexer *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *fv_lex_found(const fv_lexer *l); /* the current token, for messages */

#endif
