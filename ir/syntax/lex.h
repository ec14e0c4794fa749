/* lex.h - the lexer of the notation described in ast.h. */
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
    /* interned text of a name (without backquotes) or of punctuation; the sigils % and @ are PUNCT
     * tokens of their own */
    const char *s;
    size_t n;  /* STRING: number of its bytes after escapes are replaced */
    int64_t i; /* INT: the integer; one that does not fit into 64 bits is an ERROR */
    double f;  /* FLOAT: the number, decimal or a hexadecimal float of C; inf and nan are NAMEs */
    int line, column;
    const char *start; /* where the token begins in the text */
    bool newline_before;
    bool quoted; /* NAME: whether it was written in backquotes, so that it is never a keyword */
} fv_token;

/* The state of a lexer. `#` starts a comment. Names are [A-Za-z_][A-Za-z0-9_]*; a dot is a PUNCT,
 * so fv.Slice is three tokens; ".." and "..." are one token each. */
typedef struct fv_lexer {
    fv_session *session;
    fv_arena *arena;
    const char *text, *at;
    int line, column;
    int depth;    /* current nesting of expressions, at most FV_MAX_EXPR_DEPTH */
    bool failed;  /* whether a diagnostic was reported; later ones are suppressed */
    fv_token tok; /* the current token */
} fv_lexer;

void fv_lex_init(fv_lexer *l, fv_session *s, fv_arena *a, const char *text);
void fv_lex_next(fv_lexer *l);
bool fv_lex_is(const fv_lexer *l, const char *punct_or_name) FV_MUST_USE;
bool fv_lex_accept(fv_lexer *l, const char *punct_or_name) FV_MUST_USE;
/* Skips the current token if it is the expected one; otherwise reports the diagnostic "expected X,
 * found Y". */
bool fv_lex_expect(fv_lexer *l, const char *punct_or_name) FV_MUST_USE;
/* Returns the current NAME and skips it; NULL after a diagnostic. */
const char *fv_lex_name(fv_lexer *l, const char *what);
/* Returns the current STRING, which must not contain a byte 0, and skips it; NULL after a
 * diagnostic. `what` describes it in messages. */
const char *fv_lex_text(fv_lexer *l, const char *what);
/* Reads the first line of a text, such as `fovea-tuning 1`: its kind and the version of its format,
 * which must be `format`. */
bool fv_lex_format(fv_lexer *l, const char *kind, int format) FV_MUST_USE;
/* Continues at `s`, the position up to which another parser has read. */
void fv_lex_resume(fv_lexer *l, const char *s);
/* Reads an integer with an optional minus. */
bool fv_lex_int(fv_lexer *l, int64_t *out) FV_MUST_USE;
/* Reads a string of hexadecimal digits (which follows the word `hex`) into bytes aligned to 64;
 * NULL after a diagnostic. */
const void *fv_lex_hex(fv_lexer *l, fv_arena *a, size_t *bytes);
bool fv_lex_error(fv_lexer *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *fv_lex_found(const fv_lexer *l); /* describes the current token in messages */

#endif
