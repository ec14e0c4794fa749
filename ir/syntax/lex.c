/* lex.c - splits a text into tokens of the notation described in ast.h. */
#include "ir/syntax/lex.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/base/quoted.h"

/* Punctuation, longest first, so that the first one that matches is the token. */
static const char *const puncts[] = {
    "...", "..", "->", "=>", "==", "!=", "<=", ">=", "<<", ">>", "&&", "||", "+",
    "-",   "*",  "/",  "%",  "&",  "|",  "^",  "~",  "!",  "<",  ">",  "=",  "(",
    ")",   "[",  "]",  "{",  "}",  ",",  ":",  ";",  ".",  "@",  "$",  "?",
};

bool fv_lex_error(fv_lexer *l, const char *format, ...) {
    if (l->failed)
        return false;
    char text[512]; /* messages quote at most 60 characters of a user's text */
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fv_error_at(l->session, l->tok.line, l->tok.column, "%s", text);
    l->failed = true;
    l->tok.kind = FV_TOK_ERROR;
    return false;
}

static bool is_name_start(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
static bool is_name_char(char c) {
    return is_name_start(c) || is_digit(c);
}

static void advance(fv_lexer *l, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (*l->at++ == '\n') {
            l->line++;
            l->column = 1;
        } else {
            l->column++;
        }
    }
}

static void skip_blanks(fv_lexer *l) {
    for (;;) {
        char c = *l->at;
        if (c == '#') {
            advance(l, strcspn(l->at, "\n"));
            continue;
        }
        if (c != ' ' && c != '\t' && c != '\r' && c != '\n')
            return;
        if (c == '\n')
            l->tok.newline_before = true;
        advance(l, 1);
    }
}

/* ---- numbers ---- */

static size_t span(const char *s, const char *accept) {
    return strspn(s, accept);
}

#define DIGITS     "0123456789"
#define HEX_DIGITS "0123456789abcdefABCDEF"

/* The length of an exponent at s, such as p+3 or e-5; 0: there is none. */
static size_t exponent_length(const char *s, char low, char up) {
    if (*s != low && *s != up)
        return 0;
    size_t sign = s[1] == '+' || s[1] == '-' ? 1 : 0;
    size_t digits = span(s + 1 + sign, DIGITS);
    return digits ? 1 + sign + digits : 0;
}

/* The length of a number at s. A dot is a part of a number only if a digit follows, so `0..n`
 * begins with the number 0. */
static size_t number_length(const char *s, bool *is_float) {
    bool hex = s[0] == '0' && (s[1] == 'x' || s[1] == 'X');
    const char *digits = hex ? HEX_DIGITS : DIGITS;
    size_t n = hex ? 2 : 0;
    n += span(s + n, digits);
    *is_float = false;
    size_t fraction = s[n] == '.' ? span(s + n + 1, digits) : 0;
    if (fraction) {
        n += 1 + fraction;
        *is_float = true;
    }
    size_t exponent = hex ? exponent_length(s + n, 'p', 'P') : exponent_length(s + n, 'e', 'E');
    *is_float = *is_float || exponent;
    return n + exponent;
}

/* Reads an integer. A hexadecimal integer may use all 64 bits; a decimal one must be below 2^63. */
static bool read_int(const char *s, size_t n, int64_t *out) {
    bool hex = n > 2 && (s[1] == 'x' || s[1] == 'X');
    uint64_t v = 0;
    for (size_t i = hex ? 2 : 0; i < n; i++) {
        char c = s[i];
        uint64_t digit = (uint64_t)(is_digit(c) ? c - '0' : (c | 32) - 'a' + 10);
        uint64_t base = hex ? 16 : 10;
        if (v > ((hex ? UINT64_MAX : INT64_MAX) - digit) / base)
            return false;
        v = v * base + digit;
    }
    *out = (int64_t)v;
    return true;
}

static void lex_number(fv_lexer *l) {
    bool is_float;
    size_t n = number_length(l->at, &is_float);
    if (is_name_char(l->at[n]) || (n == 2 && l->at[1] == 'x')) {
        fv_lex_error(l, "malformed number '%.*s'", (int)(n + 1), l->at);
        return;
    }
    char *text = fv_strndup(l->arena, l->at, n);
    l->tok.s = text;
    l->tok.n = n;
    if (is_float) {
        l->tok.kind = FV_TOK_FLOAT;
        l->tok.f = strtod(text, NULL);
        if (isinf(l->tok.f)) {
            fv_lex_error(l, "number '%.40s' is out of range", text);
            return;
        }
    } else {
        l->tok.kind = FV_TOK_INT;
        if (!read_int(text, n, &l->tok.i)) {
            fv_lex_error(l, "integer '%.40s' does not fit 64 bits", text);
            return;
        }
    }
    advance(l, n);
}

/* ---- strings and names ---- */

static void lex_quoted(fv_lexer *l, char quote) {
    size_t n;
    const char *end = fv_quoted_read(l->at + 1, quote, NULL, &n);
    if (*end == '\\') {
        advance(l, (size_t)(end - l->at));
        l->tok.line = l->line;
        l->tok.column = l->column;
        fv_lex_error(l, "unknown escape '\\%c' in a string", end[1] ? end[1] : ' ');
        return;
    }
    if (*end != quote) {
        fv_lex_error(l, "missing closing %c", quote);
        return;
    }
    if (quote == '`' && n == 0) {
        fv_lex_error(l, "a name is missing between the backquotes");
        return;
    }
    char *text = fv_alloc(l->arena, n + 1, 1);
    fv_quoted_read(l->at + 1, quote, text, &n);
    if (quote == '`' && strlen(text) != n) {
        fv_lex_error(l, "a name holds the byte 0");
        return;
    }
    l->tok.quoted = true;
    l->tok.n = n;
    l->tok.kind = quote == '"' ? FV_TOK_STRING : FV_TOK_NAME;
    l->tok.s = quote == '"' ? text : fv_internn(l->session, text, n);
    advance(l, (size_t)(end + 1 - l->at));
}

static void lex_name(fv_lexer *l) {
    size_t n = 0;
    while (is_name_char(l->at[n]))
        n++;
    l->tok.kind = FV_TOK_NAME;
    l->tok.s = fv_internn(l->session, l->at, n);
    l->tok.n = n;
    advance(l, n);
}

static void lex_punct(fv_lexer *l) {
    for (size_t i = 0; i < sizeof puncts / sizeof *puncts; i++) {
        size_t n = strlen(puncts[i]);
        if (*l->at != *puncts[i] || strncmp(l->at, puncts[i], n) != 0)
            continue;
        l->tok.kind = FV_TOK_PUNCT;
        l->tok.s = fv_internn(l->session, puncts[i], n);
        l->tok.n = n;
        advance(l, n);
        return;
    }
    unsigned char c = (unsigned char)*l->at;
    if (c >= 0x20 && c < 0x7f)
        fv_lex_error(l, "unexpected character '%c'", c);
    else
        fv_lex_error(l, "unexpected byte 0x%02x", c);
}

void fv_lex_next(fv_lexer *l) {
    if (l->failed) {
        l->tok.kind = FV_TOK_ERROR;
        return;
    }
    l->tok = (fv_token){.kind = FV_TOK_END, .s = "", .newline_before = l->at == l->text};
    skip_blanks(l);
    l->tok.line = l->line;
    l->tok.column = l->column;
    l->tok.start = l->at;
    char c = *l->at;
    if (c == '\0') {
        l->tok.newline_before = true;
        return;
    }
    if (is_digit(c))
        lex_number(l);
    else if (is_name_start(c))
        lex_name(l);
    else if (c == '"' || c == '`')
        lex_quoted(l, c);
    else
        lex_punct(l);
}

void fv_lex_resume(fv_lexer *l, const char *s) {
    size_t n = (size_t)(s - l->tok.start);
    l->at = l->tok.start;
    l->line = l->tok.line;
    l->column = l->tok.column;
    advance(l, n);
    fv_lex_next(l);
}

void fv_lex_init(fv_lexer *l, fv_session *s, fv_arena *a, const char *text) {
    memset(l, 0, sizeof *l);
    l->session = s;
    l->arena = a;
    l->text = l->at = text;
    l->line = l->column = 1;
    fv_lex_next(l);
}

/* ---- functions that parsers call ---- */

bool fv_lex_is(const fv_lexer *l, const char *what) {
    return (l->tok.kind == FV_TOK_NAME || l->tok.kind == FV_TOK_PUNCT) && !l->tok.quoted &&
           strcmp(l->tok.s, what) == 0;
}

bool fv_lex_accept(fv_lexer *l, const char *what) {
    if (!fv_lex_is(l, what))
        return false;
    fv_lex_next(l);
    return true;
}

const char *fv_lex_found(const fv_lexer *l) {
    switch (l->tok.kind) {
    case FV_TOK_END: return "the end of the text";
    case FV_TOK_STRING: return "a string";
    case FV_TOK_ERROR: return "an error";
    default: return fv_printf(l->arena, "'%.60s'", l->tok.s);
    }
}

bool fv_lex_expect(fv_lexer *l, const char *what) {
    if (fv_lex_accept(l, what))
        return true;
    return fv_lex_error(l, "expected '%s', found %s", what, fv_lex_found(l));
}

const char *fv_lex_name(fv_lexer *l, const char *what) {
    if (l->tok.kind != FV_TOK_NAME) {
        fv_lex_error(l, "expected %s, found %s", what, fv_lex_found(l));
        return NULL;
    }
    const char *name = l->tok.s;
    fv_lex_next(l);
    return name;
}

const char *fv_lex_text(fv_lexer *l, const char *what) {
    if (l->tok.kind != FV_TOK_STRING || strlen(l->tok.s) != l->tok.n) {
        if (l->tok.kind == FV_TOK_STRING)
            fv_lex_error(l, "%s holds a byte 0", what);
        else
            fv_lex_error(l, "expected %s in quotes, found %s", what, fv_lex_found(l));
        return NULL;
    }
    const char *text = l->tok.s;
    fv_lex_next(l);
    return text;
}

bool fv_lex_format(fv_lexer *l, const char *kind, int format) {
    int64_t is;
    if (!fv_lex_is(l, "fovea"))
        return fv_lex_error(l, "expected 'fovea-%s %d', found %s", kind, format, fv_lex_found(l));
    fv_lex_next(l);
    if (!fv_lex_expect(l, "-") || !fv_lex_expect(l, kind))
        return false;
    fv_token at = l->tok;
    if (!fv_lex_int(l, &is))
        return false;
    l->tok = is == format ? l->tok : at;
    return is == format || fv_lex_error(l, "the text has format %lld, this version reads %d",
                                        (long long)is, format);
}

bool fv_lex_int(fv_lexer *l, int64_t *out) {
    bool minus = fv_lex_accept(l, "-");
    if (l->tok.kind != FV_TOK_INT)
        return fv_lex_error(l, "expected an integer, found %s", fv_lex_found(l));
    *out = minus ? (int64_t)(0 - (uint64_t)l->tok.i) : l->tok.i;
    fv_lex_next(l);
    return true;
}

static int hex_value(char c) {
    if (is_digit(c))
        return c - '0';
    char low = (char)(c | 32);
    return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

const void *fv_lex_hex(fv_lexer *l, fv_arena *a, size_t *bytes) {
    if (l->tok.kind != FV_TOK_STRING) {
        fv_lex_error(l, "expected hexadecimal digits in quotes, found %s", fv_lex_found(l));
        return NULL;
    }
    const char *s = l->tok.s;
    size_t n = l->tok.n / 2;
    unsigned char *data = fv_alloc_aligned(a, n ? n : 1, 64);
    for (size_t i = 0; i < n; i++) {
        int hi = hex_value(s[2 * i]), lo = hex_value(s[2 * i + 1]);
        if (hi < 0 || lo < 0)
            break;
        data[i] = (unsigned char)(hi * 16 + lo);
    }
    if (l->tok.n % 2 || strspn(s, "0123456789abcdefABCDEF") != l->tok.n) {
        fv_lex_error(l,
                     "a string of bytes has an even number of hexadecimal digits and nothing else");
        return NULL;
    }
    fv_lex_next(l);
    *bytes = n;
    return data;
}
