/* text.c - prints dims as text, and parses them. A symbol whose name is not a plain identifier or
 * is a word of the notation is written in backquotes. */
#include "ir/dim/text.h"

#include "ir/base/limits.h"
#include "ir/base/quoted.h"
#include "ir/base/text.h"
#include "ir/dim/poly.h"

#include <stdio.h>
#include <string.h>

/* ---- printing ---- */

/* How tightly the operators of a printed dim bind, from a sum to an atom. */
enum { LOOSE, PRODUCT, TIGHT };

static const char *const words[] = {"floordiv", "ceildiv", "mod", "min", "max", "broadcast", NULL};

static const char *word_of(fv_dim_kind k) {
    switch (k) {
    case FV_DIM_FLOORDIV: return "floordiv";
    case FV_DIM_CEILDIV: return "ceildiv";
    case FV_DIM_MOD: return "mod";
    case FV_DIM_MIN: return "min";
    case FV_DIM_MAX_: return "max";
    case FV_DIM_BROADCAST: return "broadcast";
    case FV_DIM_CONST:
    case FV_DIM_SYMBOL:
    case FV_DIM_ADD:
    case FV_DIM_MUL: break;
    }
    return NULL;
}

static void put(fv_text *t, const fv_dim *d, int around);

static void put_symbol(fv_text *t, const char *name) {
    bool reserved = false;
    for (int i = 0; words[i]; i++)
        reserved |= strcmp(name, words[i]) == 0;
    if (!reserved) {
        fv_text_name(t, name);
        return;
    }
    fv_text_printf(t, "`%s`", name);
}

static void put_magnitude(fv_text *t, int64_t v) {
    fv_text_printf(t, "%lld", -(long long)v);
}

static void put_factors(fv_text *t, const fv_dim *d, int n) {
    for (int i = 0; i < n; i++) {
        if (i)
            fv_text_put(t, " * ");
        put(t, d->arg[i], i ? TIGHT : PRODUCT);
    }
}

/* Prints a term of a sum; its minus, if it has one, has been printed. */
static void put_term(fv_text *t, const fv_dim *d) {
    if (!fv_dim_is_minus(d)) {
        put(t, d, PRODUCT);
        return;
    }
    if (d->kind == FV_DIM_CONST) {
        put_magnitude(t, d->value);
        return;
    }
    int64_t c = d->arg[1]->value;
    put(t, d->arg[0], PRODUCT);
    if (c != -1) {
        fv_text_put(t, " * ");
        put_magnitude(t, c);
    }
}

static void put_sum(fv_text *t, const fv_dim *d) {
    int lead = fv_dim_lead(d);
    if (fv_dim_is_minus(d->arg[lead]))
        fv_text_put(t, "-");
    put_term(t, d->arg[lead]);
    for (int i = 0; i < d->n; i++) {
        if (i == lead)
            continue;
        fv_text_put(t, fv_dim_is_minus(d->arg[i]) ? " - " : " + ");
        put_term(t, d->arg[i]);
    }
}

/* Prints a sum or product that has no normal form, with its two arguments. */
static void put_opaque(fv_text *t, const fv_dim *d) {
    put(t, d->arg[0], TIGHT);
    fv_text_put(t, d->kind == FV_DIM_ADD ? " + " : " * ");
    put(t, d->arg[1], TIGHT);
}

static void put_call(fv_text *t, const fv_dim *d) {
    fv_text_printf(t, "%s(", word_of(d->kind));
    for (; d->arg[1]->kind == d->kind; d = d->arg[1]) { /* min(a, min(b, c)) is min(a, b, c) */
        put(t, d->arg[0], LOOSE);
        fv_text_put(t, ", ");
    }
    put(t, d->arg[0], LOOSE);
    fv_text_put(t, ", ");
    put(t, d->arg[1], LOOSE);
    fv_text_put(t, ")");
}

static int holds(const fv_dim *d) {
    switch (d->kind) {
    case FV_DIM_CONST: return d->value < 0 ? LOOSE : TIGHT;
    case FV_DIM_ADD: return LOOSE;
    case FV_DIM_MUL: return fv_dim_is_minus(d) || d->opaque ? LOOSE : PRODUCT;
    case FV_DIM_FLOORDIV:
    case FV_DIM_CEILDIV:
    case FV_DIM_MOD: return LOOSE;
    case FV_DIM_SYMBOL:
    case FV_DIM_MIN:
    case FV_DIM_MAX_:
    case FV_DIM_BROADCAST: break;
    }
    return TIGHT;
}

static void put_bare(fv_text *t, const fv_dim *d) {
    if (d->opaque) {
        put_opaque(t, d);
        return;
    }
    switch (d->kind) {
    case FV_DIM_CONST: fv_text_printf(t, "%lld", (long long)d->value); return;
    case FV_DIM_SYMBOL: put_symbol(t, d->name); return;
    case FV_DIM_ADD: put_sum(t, d); return;
    case FV_DIM_MUL:
        if (fv_dim_is_minus(d)) {
            fv_text_put(t, "-");
            put_term(t, d);
        } else {
            put_factors(t, d, d->n);
        }
        return;
    case FV_DIM_FLOORDIV:
    case FV_DIM_CEILDIV:
    case FV_DIM_MOD:
        put(t, d->arg[0], TIGHT);
        fv_text_printf(t, " %s ", word_of(d->kind));
        put(t, d->arg[1], TIGHT);
        return;
    case FV_DIM_MIN:
    case FV_DIM_MAX_:
    case FV_DIM_BROADCAST: put_call(t, d); return;
    }
}

static void put(fv_text *t, const fv_dim *d, int around) {
    bool parens = holds(d) < around;
    if (parens)
        fv_text_put(t, "(");
    put_bare(t, d);
    if (parens)
        fv_text_put(t, ")");
}

const char *fv_dim_str(fv_arena *a, const fv_dim *d) {
    fv_text t = {.arena = a};
    put(&t, d, LOOSE);
    return t.s;
}

/* ---- parsing ---- */

typedef struct dim_reader {
    fv_dims *dims;
    const char *s;
    const char *error; /* the first error; later ones are not recorded */
    int depth;
} dim_reader;

static const fv_dim *fail(dim_reader *r, const char *error) {
    r->error = r->error ? r->error : error;
    return NULL;
}

static void skip_blanks(dim_reader *r) {
    while (*r->s == ' ' || *r->s == '\t' || *r->s == '\n' || *r->s == '\r')
        r->s++;
}

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static size_t word_length(const char *s) {
    size_t n = 0;
    while (is_letter(s[n]) || (n && is_digit(s[n])))
        n++;
    return n;
}

static bool accept(dim_reader *r, char c) {
    skip_blanks(r);
    if (*r->s != c)
        return false;
    r->s++;
    return true;
}

static bool accept_word(dim_reader *r, const char *word) {
    size_t n = strlen(word);
    skip_blanks(r);
    if (word_length(r->s) != n || memcmp(r->s, word, n) != 0)
        return false;
    r->s += n;
    return true;
}

static const fv_dim *parse_sum(dim_reader *r);

/* Reads the digits of a number; `minus`: a minus was read before. Both are read together because
 * -2^63 is a number and 2^63 is not. */
static const fv_dim *parse_number(dim_reader *r, bool minus) {
    const char *start = r->s;
    uint64_t v = 0, limit = (uint64_t)INT64_MAX + minus;
    for (; is_digit(*r->s); r->s++) {
        uint64_t digit = (uint64_t)(*r->s - '0');
        if (v > (limit - digit) / 10) {
            r->s = start;
            return fail(r, "integer does not fit 64 bits");
        }
        v = v * 10 + digit;
    }
    return fv_dim_const(r->dims, (int64_t)(minus ? 0 - v : v));
}

static const fv_dim *parse_quoted(dim_reader *r) {
    size_t n;
    const char *end = fv_quoted_read(r->s + 1, '`', NULL, &n);
    if (*end == '\\')
        return fail(r, "unknown escape in the name of a symbol");
    if (*end != '`')
        return fail(r, "missing closing `");
    char *name = fv_alloc(fv_dims_arena(r->dims), n + 1, 1);
    fv_quoted_read(r->s + 1, '`', name, &n);
    if (n == 0 || strlen(name) != n)
        return fail(r, "malformed name of a symbol");
    r->s = end + 1;
    return fv_dim_symbol(r->dims, name);
}

static const fv_dim *parse_args(dim_reader *r,
                                const fv_dim *(*make)(fv_dims *, const fv_dim *, const fv_dim *)) {
    if (!accept(r, '('))
        return fail(r, "expected '('");
    const fv_dim *d = parse_sum(r), *next;
    int n = 1;
    for (; d && accept(r, ','); n++)
        d = (next = parse_sum(r)) ? make(r->dims, d, next) : NULL;
    if (!d)
        return NULL;
    if (n < 2)
        return fail(r, "expected ','");
    return accept(r, ')') ? d : fail(r, "expected ')'");
}

static const fv_dim *parse_name(dim_reader *r) {
    if (accept_word(r, "min"))
        return parse_args(r, fv_dim_min);
    if (accept_word(r, "max"))
        return parse_args(r, fv_dim_max);
    if (accept_word(r, "broadcast"))
        return parse_args(r, fv_dim_broadcast);
    size_t n = word_length(r->s);
    const char *name = fv_strndup(fv_dims_arena(r->dims), r->s, n);
    for (int i = 0; words[i]; i++)
        if (strcmp(name, words[i]) == 0)
            return fail(r, "an operator where a dim is expected");
    r->s += n;
    return fv_dim_symbol(r->dims, name);
}

static const fv_dim *parse_primary(dim_reader *r, bool minus) {
    const fv_dim *d;
    skip_blanks(r);
    if (is_digit(*r->s))
        return parse_number(r, minus);
    if (*r->s == '`')
        d = parse_quoted(r);
    else if (is_letter(*r->s))
        d = parse_name(r);
    else if (accept(r, '(')) {
        d = parse_sum(r);
        if (d && !accept(r, ')'))
            d = fail(r, "expected ')'");
    } else {
        return fail(r, "expected a dim");
    }
    return d && minus ? fv_dim_sub(r->dims, fv_dim_const(r->dims, 0), d) : d;
}

static const fv_dim *parse_factor(dim_reader *r) {
    bool minus = false;
    while (accept(r, '-'))
        minus = !minus;
    return parse_primary(r, minus);
}

static const fv_dim *parse_product(dim_reader *r) {
    const fv_dim *(*make)(fv_dims *, const fv_dim *, const fv_dim *);
    const fv_dim *d = parse_factor(r), *next;
    while (d) {
        if (accept(r, '*'))
            make = fv_dim_mul;
        else if (accept_word(r, "floordiv"))
            make = fv_dim_floordiv;
        else if (accept_word(r, "ceildiv"))
            make = fv_dim_ceildiv;
        else if (accept_word(r, "mod"))
            make = fv_dim_mod;
        else
            break;
        d = (next = parse_factor(r)) ? make(r->dims, d, next) : NULL;
    }
    return d;
}

static const fv_dim *parse_sum(dim_reader *r) {
    if (++r->depth > FV_MAX_DIM_SIZE)
        return fail(r, "too deeply nested");
    const fv_dim *d = parse_product(r), *next;
    for (bool plus; d && ((plus = accept(r, '+')) || accept(r, '-'));)
        d = (next = parse_product(r))
                ? (plus ? fv_dim_add(r->dims, d, next) : fv_dim_sub(r->dims, d, next))
                : NULL;
    r->depth--;
    return d;
}

const fv_dim *fv_dim_parse(fv_dims *t, const char **s, const char **error) {
    dim_reader r = {.dims = t, .s = *s};
    const fv_dim *d = parse_sum(&r);
    *s = r.s;
    *error = r.error;
    return d;
}
