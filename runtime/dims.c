/* dims.c - values of symbolic dims from the shapes of inputs. The table tells dims as text; this
 * reads it: names, numbers, + - *, floordiv, ceildiv, mod, min, max, broadcast, parentheses. */
#include <ctype.h>
#include <string.h>

#include "internal.h"

typedef struct reader {
    const char *s;
    const fv_model *model;
    const int64_t *dims;
    int failed, depth;
} reader;

static int64_t sum(reader *r);

static void skip(reader *r) {
    while (*r->s == ' ')
        r->s++;
}

static int accept(reader *r, const char *word) {
    size_t n = strlen(word);
    skip(r);
    if (strncmp(r->s, word, n) != 0 ||
        (isalpha((unsigned char)word[0]) && (isalnum((unsigned char)r->s[n]) || r->s[n] == '_')))
        return 0;
    r->s += n;
    return 1;
}

static int64_t symbol(reader *r) {
    const char *name = r->s;
    size_t n = 0;
    if (*name == '`') {
        name = ++r->s;
        n = strcspn(name, "`");
        r->s += n + (name[n] == '`');
    } else {
        while (isalnum((unsigned char)name[n]) || name[n] == '_')
            n++;
        r->s += n;
    }
    for (int i = 0; n && i < r->model->nsymbols; i++)
        if (strlen(r->model->symbols[i].name) == n && !memcmp(r->model->symbols[i].name, name, n))
            return r->dims[i];
    r->failed = 1;
    return 0;
}

static int64_t floor_div(int64_t a, int64_t b) {
    if (b == 0 || b == -1)
        return b ? -a : 0;
    int64_t q = a / b;
    return q - (a % b != 0 && (a < 0) != (b < 0));
}

static int64_t call(reader *r, int which) {
    int64_t a = sum(r);
    if (!accept(r, ","))
        r->failed = 1;
    int64_t b = sum(r);
    while (accept(r, ",")) { /* min and max of several */
        int64_t c = sum(r);
        b = which == 0 ? (c < b ? c : b) : (c > b ? c : b);
    }
    if (!accept(r, ")"))
        r->failed = 1;
    return which == 0 ? (a < b ? a : b) : which == 1 ? (a > b ? a : b) : a == 1 ? b : a;
}

static int64_t primary(reader *r) {
    int64_t v = 0;
    skip(r);
    if (++r->depth > 100)
        r->failed = 1;
    if (r->failed)
        return 0;
    if (accept(r, "-"))
        v = -primary(r);
    else if (accept(r, "(")) {
        v = sum(r);
        if (!accept(r, ")"))
            r->failed = 1;
    } else if (isdigit((unsigned char)*r->s)) {
        while (isdigit((unsigned char)*r->s))
            if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, *r->s++ - '0', &v))
                r->failed = 1;
    } else if (accept(r, "min("))
        v = call(r, 0);
    else if (accept(r, "max("))
        v = call(r, 1);
    else if (accept(r, "broadcast("))
        v = call(r, 2);
    else
        v = symbol(r);
    r->depth--;
    return v;
}

static int64_t product(reader *r) {
    int64_t v = primary(r);
    for (;;) {
        if (accept(r, "*"))
            r->failed |= __builtin_mul_overflow(v, primary(r), &v);
        else if (accept(r, "floordiv"))
            v = floor_div(v, primary(r));
        else if (accept(r, "ceildiv"))
            v = -floor_div(-v, primary(r));
        else if (accept(r, "mod")) {
            int64_t m = primary(r);
            v = m ? v - m * floor_div(v, m) : 0;
        } else
            return v;
    }
}

static int64_t sum(reader *r) {
    int64_t v = product(r);
    for (;;)
        if (accept(r, "+"))
            r->failed |= __builtin_add_overflow(v, product(r), &v);
        else if (accept(r, "-"))
            r->failed |= __builtin_sub_overflow(v, product(r), &v);
        else
            return v;
}

int fv_eval_dim_text(const fv_model *m, const int64_t *dims, const char *text, int64_t *out) {
    reader r = {.s = text, .model = m, .dims = dims};
    *out = sum(&r);
    skip(&r);
    return !r.failed && !*r.s;
}

static int is_symbol(const fv_model *m, const char *text) {
    size_t n = strlen(text);
    if (*text == '`' && n >= 2) {
        text++;
        n -= 2;
    }
    for (int i = 0; i < m->nsymbols; i++)
        if (strlen(m->symbols[i].name) == n && !memcmp(m->symbols[i].name, text, n))
            return i;
    return -1;
}

static int check_types(const fv_model *m, const fv_array *inputs, fv_log *log) {
    for (int i = 0; i < m->ninputs; i++) {
        const fv_port_info *p = &m->inputs[i];
        if (inputs[i].type != p->type || inputs[i].rank != p->rank) {
            fv_log_add(log, "error: input '%s' has type %d and rank %d, expected type %d and rank %d",
                       p->name, inputs[i].type, inputs[i].rank, p->type, p->rank);
            return FV_BAD_ARGUMENT;
        }
    }
    return FV_OK;
}

/* First every dim that is a symbol alone; then all others must agree. A symbol that no input shows
 * alone is found by trying: its dim is linear in it in all that frameworks export. */
int fv_solve_dims(const fv_model *m, const fv_array *inputs, int64_t *dims, fv_log *log) {
    int status = check_types(m, inputs, log);
    if (status)
        return status;
    unsigned char known[256] = {0};
    for (int s = 0; s < m->nsymbols; s++)
        dims[s] = m->symbols[s].lo;
    for (int i = 0; i < m->ninputs; i++)
        for (int k = 0; k < m->inputs[i].rank; k++) {
            int s = is_symbol(m, m->inputs[i].dims[k]);
            if (s < 0 || s > 255 || known[s])
                continue;
            known[s] = 1;
            dims[s] = inputs[i].dims[k];
        }
    for (int i = 0; i < m->ninputs; i++)
        for (int k = 0; k < m->inputs[i].rank; k++)
            for (int s = 0; s < m->nsymbols && s < 256; s++) {
                int64_t at0, at1, want = inputs[i].dims[k];
                if (known[s])
                    continue;
                dims[s] = 0;
                if (!fv_eval_dim_text(m, dims, m->inputs[i].dims[k], &at0))
                    continue;
                dims[s] = 1;
                fv_eval_dim_text(m, dims, m->inputs[i].dims[k], &at1);
                dims[s] = at1 != at0 ? (want - at0) / (at1 - at0) : m->symbols[s].lo;
                known[s] = at1 != at0;
            }
    for (int i = 0; i < m->ninputs; i++)
        for (int k = 0; k < m->inputs[i].rank; k++) {
            int64_t want;
            if (fv_eval_dim_text(m, dims, m->inputs[i].dims[k], &want) && want == inputs[i].dims[k])
                continue;
            fv_log_add(log, "error: input '%s' has dim %lld on axis %d, expected %s = %lld",
                       m->inputs[i].name, (long long)inputs[i].dims[k], k, m->inputs[i].dims[k],
                       (long long)want);
            return FV_BAD_DIM;
        }
    return FV_OK;
}
