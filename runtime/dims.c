/* dims.c - finds the values of symbolic dims from the shapes of inputs. The table contains dims as
 * text, which is parsed here: names, numbers, + - *, floordiv, ceildiv, mod, min, max, broadcast,
 * parentheses. It is evaluated with intervals, which are single numbers if the symbols have
 * values. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "ir/base/quoted.h"

/* ---- a dim's text ---- */

/* The values that an expression may have: one for each end of the bounds of its symbols, or equal
 * ones if the symbols have values. */
typedef struct range {
    int64_t lo, hi;
    int open; /* an end comes from a symbol without an upper bound, so it is none */
} range;

typedef struct reader {
    const char *s;
    const fv_model *model;
    const int64_t *dims; /* the values of the symbols; NULL: they have none */
    int bounded;         /* without values, whether symbols have their bounds */
    int failed, depth;
} reader;

static range sum(reader *r);

static void skip(reader *r) {
    while (*r->s == ' ')
        r->s++;
}

static int accept(reader *r, const char *word) {
    size_t n = strlen(word);
    skip(r);
    if (strncmp(r->s, word, n) != 0 || (isalpha((unsigned char)word[n - 1]) &&
                                        (isalnum((unsigned char)r->s[n]) || r->s[n] == '_')))
        return 0;
    r->s += n;
    return 1;
}

/* The index of the symbol that begins at s (in backquotes if it is not an identifier); -1: none. */
static int find_symbol(const fv_model *m, const char *s, size_t *length) {
    int quoted = *s == '`';
    size_t n = 0;
    if (quoted) {
        const char *end = fv_quoted_read(s + 1, '`', NULL, &n);
        n = (size_t)(end - s) + (*end == '`');
    } else if (!isdigit((unsigned char)*s)) {
        while (isalnum((unsigned char)s[n]) || s[n] == '_')
            n++;
    }
    *length = n;
    for (int i = 0; n && i < m->nsymbols; i++) {
        const char *name = m->symbols[i].name;
        if (quoted ? fv_quoted_is(s + 1, '`', name) : strlen(name) == n && !memcmp(name, s, n))
            return i;
    }
    return -1;
}

static range symbol(reader *r) {
    size_t n;
    int i = find_symbol(r->model, r->s, &n);
    r->s += n;
    r->failed |= i < 0 || (!r->dims && !r->bounded);
    if (r->failed)
        return (range){0, 0};
    if (r->dims)
        return (range){r->dims[i], r->dims[i]};
    const fv_symbol_info *s = &r->model->symbols[i];
    return (range){s->lo, s->hi, s->hi >= FV_DIM_MAX};
}

static int64_t floor_div(reader *r, int64_t a, int64_t b) {
    if (b == 0)
        return 0;
    if (b == -1 && a == INT64_MIN) {
        r->failed = 1;
        return 0;
    }
    int64_t q = a / b;
    return q - (a % b != 0 && (a < 0) != (b < 0));
}

static int64_t times(reader *r, int64_t a, int64_t b) {
    int64_t v = 0;
    r->failed |= __builtin_mul_overflow(a, b, &v);
    return v;
}

/* The range of an operation that is monotone in each operand: its ends are among its values at the
 * ends of the operands. */
static range at_ends(reader *r, int64_t (*of)(reader *r, int64_t a, int64_t b), range a, range b) {
    int64_t first = of(r, a.lo, b.lo);
    range v = {first, first, a.open || b.open};
    for (int i = 1; i < 4; i++) {
        int64_t x = of(r, i & 1 ? a.hi : a.lo, i & 2 ? b.hi : b.lo);
        v.lo = x < v.lo ? x : v.lo;
        v.hi = x > v.hi ? x : v.hi;
    }
    return v;
}

static range quotient(reader *r, range a, range b) {
    r->failed |= b.lo <= 0 && b.lo != b.hi; /* not monotone in b */
    range v = at_ends(r, floor_div, a, b);
    v.open = a.open; /* a large divisor makes no large quotient */
    return v;
}

/* a + b, or a - b */
static range add(reader *r, range a, range b, int minus) {
    range v = {.open = a.open || b.open};
    r->failed |= minus ? __builtin_sub_overflow(a.lo, b.hi, &v.lo) ||
                             __builtin_sub_overflow(a.hi, b.lo, &v.hi)
                       : __builtin_add_overflow(a.lo, b.lo, &v.lo) ||
                             __builtin_add_overflow(a.hi, b.hi, &v.hi);
    return v;
}

static range minus(reader *r, range a) {
    return add(r, (range){0, 0}, a, 1);
}

static range mod(reader *r, range a, range b) {
    if (b.lo == b.hi && (b.lo == 0 || b.lo == -1))
        return (range){0, 0};
    range q = quotient(r, a, b);
    if (b.lo == b.hi && q.lo == q.hi)
        return add(r, a, at_ends(r, times, q, b), 1);
    return b.lo > 0 ? (range){0, b.hi - 1, b.open} : (range){b.lo + 1, 0, b.open};
}

enum { MIN, MAX, BROADCAST };

static range combine(int which, range a, range b) {
    int64_t least = a.lo < b.lo ? a.lo : b.lo, most = a.hi > b.hi ? a.hi : b.hi;
    int open = a.open || b.open;
    if (which == MIN)
        return (range){least, a.hi < b.hi ? a.hi : b.hi, a.open && b.open};
    if (which == MAX)
        return (range){a.lo > b.lo ? a.lo : b.lo, most, open};
    if (a.lo > 1 || a.hi < 1)
        return a;
    return a.lo == 1 && a.hi == 1 ? b : (range){least, most, open};
}

static range call(reader *r, int which) {
    range v = sum(r);
    if (!accept(r, ","))
        r->failed = 1;
    do
        v = combine(which, v, sum(r));
    while (!r->failed && accept(r, ","));
    if (!accept(r, ")"))
        r->failed = 1;
    return v;
}

static range number(reader *r) {
    int64_t v = 0;
    while (isdigit((unsigned char)*r->s))
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, *r->s++ - '0', &v))
            r->failed = 1;
    return (range){v, v};
}

static range primary(reader *r) {
    range v = {0, 0};
    skip(r);
    if (r->failed || ++r->depth > 100) {
        r->failed = 1;
        return v;
    }
    if (accept(r, "-"))
        v = minus(r, primary(r));
    else if (accept(r, "(")) {
        v = sum(r);
        if (!accept(r, ")"))
            r->failed = 1;
    } else if (isdigit((unsigned char)*r->s))
        v = number(r);
    else if (accept(r, "min("))
        v = call(r, MIN);
    else if (accept(r, "max("))
        v = call(r, MAX);
    else if (accept(r, "broadcast("))
        v = call(r, BROADCAST);
    else
        v = symbol(r);
    r->depth--;
    return v;
}

static range product(reader *r) {
    range v = primary(r);
    for (;;) {
        if (accept(r, "*"))
            v = at_ends(r, times, v, primary(r));
        else if (accept(r, "floordiv"))
            v = quotient(r, v, primary(r));
        else if (accept(r, "ceildiv"))
            v = minus(r, quotient(r, minus(r, v), primary(r)));
        else if (accept(r, "mod"))
            v = mod(r, v, primary(r));
        else
            return v;
    }
}

static range sum(reader *r) {
    range v = product(r);
    for (;;)
        if (accept(r, "+"))
            v = add(r, v, product(r), 0);
        else if (accept(r, "-"))
            v = add(r, v, product(r), 1);
        else
            return v;
}

static int read_whole(reader *r, range *out) {
    *out = sum(r);
    skip(r);
    return !r->failed && !*r->s;
}

int fv_eval_dim_text(const fv_model *m, const int64_t *dims, const char *text, int64_t *out) {
    reader r = {.s = text, .model = m, .dims = dims};
    range v;
    int ok = read_whole(&r, &v);
    *out = v.lo;
    return ok;
}

int fv_bound_dim_text(const fv_model *m, const char *text, int64_t *out) {
    reader r = {.s = text, .model = m, .bounded = 1};
    range v;
    int ok = read_whole(&r, &v);
    *out = v.hi;
    return ok && !v.open;
}

int fv_dim_text_symbol(const fv_model *m, const char *text) {
    size_t n;
    int i = find_symbol(m, text, &n);
    return text[n] ? -1 : i;
}

int fv_dim_text_unknown(const fv_model *m, const char *text, const unsigned char *known) {
    size_t n;
    for (const char *s = text; *s; s += n ? n : 1) {
        int i = find_symbol(m, s, &n);
        if (i >= 0 && !known[i])
            return i;
    }
    return -1;
}

/* ---- values of symbols from shapes ---- */

static int check_types(const fv_model *m, const fv_array *inputs, const unsigned char *given,
                       fv_log *log) {
    for (int i = 0; i < m->ninputs; i++) {
        const fv_port_info *p = &m->inputs[i];
        if ((given && !given[i]) || (inputs[i].type == p->type && inputs[i].rank == p->rank))
            continue;
        char text[400];
        fv_log_add(log, "error: input '%s' is %s, expected %s of rank %d", p->name,
                   fv_array_text(&inputs[i], text, sizeof text), fv_type_text(p->type),
                   (int)p->rank);
        return FV_BAD_ARGUMENT;
    }
    return FV_OK;
}

/* Checks capacities: only a state that is in place may have one, along the axis along which it
 * grows. */
static int check_capacities(const fv_model *m, const fv_array *inputs, const unsigned char *given,
                            fv_log *log) {
    for (int i = 0; i < m->ninputs; i++) {
        const fv_port_info *p = &m->inputs[i];
        const fv_array *x = &inputs[i];
        if ((given && !given[i]) || !x->capacity ||
            (p->in_place && x->axis == p->in_place - 1 && x->capacity > 0))
            continue;
        if (!p->in_place)
            fv_log_add(log, "error: input '%s' is given with a capacity, expected a dense array",
                       p->name);
        else
            fv_log_add(
                log,
                "error: input '%s' is given with capacity %lld on axis %d, it has one on axis %d",
                p->name, (long long)x->capacity, (int)x->axis, (int)p->in_place - 1);
        return FV_BAD_ARGUMENT;
    }
    return FV_OK;
}

/* Sets each symbol that is a dim by itself. */
static void read_symbols(const fv_model *m, const fv_array *x, const fv_port_info *p, int64_t *dims,
                         unsigned char *known) {
    for (int k = 0; k < p->rank; k++) {
        int s = fv_dim_text_symbol(m, p->dims[k]);
        if (s < 0 || known[s])
            continue;
        known[s] = 1;
        dims[s] = x->dims[k];
    }
    int s = p->in_place && x->capacity ? fv_dim_text_symbol(m, p->capacity) : -1;
    if (s < 0 || known[s])
        return;
    known[s] = 1;
    dims[s] = x->capacity;
}

/* Sets symbol s to the value for which `text` is `want`, given the values of the others. Evaluates
 * it for 0 and 1: the dims that frameworks export are linear in their symbols. */
static int solve_for(const fv_model *m, int64_t *dims, int s, const char *text, int64_t want) {
    int64_t at0, at1, step, rest;
    dims[s] = 0;
    if (!fv_eval_dim_text(m, dims, text, &at0))
        return 0;
    dims[s] = 1;
    if (!fv_eval_dim_text(m, dims, text, &at1) || __builtin_sub_overflow(at1, at0, &step) ||
        __builtin_sub_overflow(want, at0, &rest) || step == 0 || (step == -1 && rest == INT64_MIN))
        return 0;
    dims[s] = rest / step;
    return 1;
}

static void solve_symbols(const fv_model *m, const fv_array *x, const fv_port_info *p,
                          int64_t *dims, unsigned char *known) {
    for (int k = 0; k < p->rank; k++)
        for (int s = 0; s < m->nsymbols; s++) {
            if (known[s])
                continue;
            int64_t before = dims[s];
            if (solve_for(m, dims, s, p->dims[k], x->dims[k]))
                known[s] = 1;
            else
                dims[s] = before;
        }
}

int fv_find_dims(const fv_model *m, const fv_array *inputs, const unsigned char *given,
                 int64_t *dims, unsigned char *known, fv_log *log) {
    int status = check_types(m, inputs, given, log);
    if (!status)
        status = check_capacities(m, inputs, given, log);
    if (status)
        return status;
    for (int i = 0; i < m->ninputs; i++)
        if (!given || given[i])
            read_symbols(m, &inputs[i], &m->inputs[i], dims, known);
    for (int i = 0; i < m->ninputs; i++)
        if (!given || given[i])
            solve_symbols(m, &inputs[i], &m->inputs[i], dims, known);
    return FV_OK;
}

void fv_name_dims(const fv_model *m, const int64_t *dims, char *out, size_t size) {
    size_t at = 0;
    out[0] = 0;
    for (int s = 0; s < m->nsymbols && at < size; s++)
        at += (size_t)snprintf(out + at, size - at, "%s%s = %lld", at ? ", " : " where ",
                               m->symbols[s].name, (long long)dims[s]);
}

/* " where batch = 3, seq = 4": the symbols that occur in a dim. */
static void name_values(const fv_model *m, const int64_t *dims, const char *text, char *out,
                        size_t size) {
    size_t at = 0;
    out[0] = 0;
    for (int s = 0; s < m->nsymbols && at < size; s++)
        if (strstr(text, m->symbols[s].name) && strcmp(text, m->symbols[s].name) != 0)
            at += (size_t)snprintf(out + at, size - at, "%s%s = %lld", at ? ", " : " where ",
                                   m->symbols[s].name, (long long)dims[s]);
}

static int check_input(const fv_model *m, const fv_array *x, const fv_port_info *p,
                       const int64_t *dims, fv_log *log) {
    for (int k = 0; k < p->rank; k++) {
        int64_t want = -1;
        int s = fv_dim_text_symbol(m, p->dims[k]);
        const fv_symbol_info *y = s < 0 ? NULL : &m->symbols[s];
        if (y && (x->dims[k] < y->lo || x->dims[k] > y->hi)) {
            fv_log_add(log, "error: input '%s' has %lld on axis %d, '%s' may be %lld to %lld",
                       p->name, (long long)x->dims[k], k, y->name, (long long)y->lo,
                       (long long)y->hi);
            return FV_BAD_DIM;
        }
        if (fv_eval_dim_text(m, dims, p->dims[k], &want) && want == x->dims[k])
            continue;
        char where[200], text[400];
        name_values(m, dims, p->dims[k], where, sizeof where);
        fv_log_add(log, "error: input '%s' is %s, expected %lld on axis %d%s%s%s", p->name,
                   fv_array_text(x, text, sizeof text), (long long)want, k,
                   isdigit((unsigned char)*p->dims[k]) ? "" : ": ",
                   isdigit((unsigned char)*p->dims[k]) ? "" : p->dims[k], where);
        return FV_BAD_DIM;
    }
    return FV_OK;
}

int fv_check_dims(const fv_model *m, const fv_array *inputs, const unsigned char *given,
                  const int64_t *dims, fv_log *log) {
    int status = FV_OK;
    for (int i = 0; i < m->ninputs && !status; i++)
        if (!given || given[i])
            status = check_input(m, &inputs[i], &m->inputs[i], dims, log);
    for (int s = 0; s < m->nsymbols && !status; s++) {
        const fv_symbol_info *y = &m->symbols[s];
        if (dims[s] >= y->lo && dims[s] <= y->hi)
            continue;
        fv_log_add(log, "error: dim '%s' is %lld, may be %lld to %lld", y->name, (long long)dims[s],
                   (long long)y->lo, (long long)y->hi);
        status = FV_BAD_DIM;
    }
    return status;
}

/* The capacity of a state; for an array without one, its size along the axis. */
static int64_t room_of(const fv_array *x, const fv_port_info *p) {
    return x->capacity ? x->capacity : x->dims[p->in_place - 1];
}

static void read_rooms(const fv_model *m, const fv_array *inputs, int64_t *dims,
                       const unsigned char *known) {
    for (int i = 0; i < m->ninputs; i++) {
        int s = m->inputs[i].in_place ? fv_dim_text_symbol(m, m->inputs[i].capacity) : -1;
        if (s >= 0 && !known[s])
            dims[s] = room_of(&inputs[i], &m->inputs[i]);
    }
}

static int check_rooms(const fv_model *m, const fv_array *inputs, const int64_t *dims,
                       fv_log *log) {
    for (int i = 0; i < m->ninputs; i++) {
        const fv_port_info *p = &m->inputs[i];
        int64_t want = -1, have = p->in_place ? room_of(&inputs[i], p) : 0;
        if (!p->in_place || (fv_eval_dim_text(m, dims, p->capacity, &want) && want == have))
            continue;
        fv_log_add(log, "error: input '%s' has capacity %lld on axis %d, expected %lld%s%s",
                   p->name, (long long)have, (int)p->in_place - 1, (long long)want,
                   isdigit((unsigned char)*p->capacity) ? "" : ": ",
                   isdigit((unsigned char)*p->capacity) ? "" : p->capacity);
        return FV_BAD_DIM;
    }
    return FV_OK;
}

int fv_solve_dims(const fv_model *m, const fv_array *inputs, int64_t *dims, fv_log *log) {
    unsigned char *known = calloc((size_t)m->nsymbols + 1, 1);
    if (!known)
        return FV_NO_MEMORY;
    for (int s = 0; s < m->nsymbols; s++)
        dims[s] = m->symbols[s].lo;
    int status = fv_find_dims(m, inputs, NULL, dims, known, log);
    if (!status)
        read_rooms(m, inputs, dims, known);
    free(known);
    if (!status)
        status = fv_check_dims(m, inputs, NULL, dims, log);
    return status ? status : check_rooms(m, inputs, dims, log);
}
