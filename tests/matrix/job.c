/* job.c - writes jobs, and reads results. */
#include <stdio.h>
#include <string.h>

#include "tests/matrix/job.h"
#include "tools/driver/driver.h"

static int64_t elements(const fv_array *x) {
    int64_t n = 1;
    for (int i = 0; i < x->rank; i++)
        n *= x->dims[i];
    return n;
}

static size_t padded(size_t bytes) {
    return (bytes + 63) / 64 * 64;
}

/* The plan's view of a set. */
static bool solve(const reference *r, const data_set *set, int64_t *dims) {
    fv_log *log = fv_log_new();
    bool ok = log && fv_solve_dims(r->model, set->inputs, dims, log) == FV_OK;
    fv_log_free(log);
    return ok;
}

size_t job_bytes(const reference *r) {
    size_t n = 4096;
    for (int i = 0; i < r->subject->nsets; i++)
        for (int k = 0; k < r->model->ninputs; k++)
            n += padded(fv_array_bytes(&r->subject->sets[i].inputs[k]));
    return n;
}

size_t job_largest_run(const reference *r) {
    subject *s = r->subject;
    size_t largest = 0;
    int64_t *dims = FV_NEW(s->arena, int64_t, r->model->nsymbols + 1);
    for (int i = 0; i < s->nsets; i++) {
        size_t n = 0;
        if (!solve(r, &s->sets[i], dims) || fv_driver_plan(r->program, dims, &n, NULL) != FV_OK)
            n = 0; /* it is refused */
        for (int k = 0; k < r->want[i].noutputs && !r->want[i].status; k++)
            n += padded(fv_array_bytes(&r->want[i].outputs[k]));
        largest = n > largest ? n : largest;
    }
    return largest;
}

static void words(fv_text *t, const int64_t *list, int n) {
    fv_text_putn(t, (const char *)list, (size_t)n * sizeof *list);
}

static void word(fv_text *t, int64_t w) {
    words(t, &w, 1);
}

static void head(fv_text *t, const reference *r, const int *threads) {
    const fv_model *m = r->model;
    int n = 0;
    while (threads[n])
        n++;
    word(t, 0); /* bytes: filled in at the end */
    word(t, r->subject->nsets);
    word(t, n);
    for (int i = 0; i < n; i++)
        word(t, threads[i]);
    word(t, m->nsymbols);
    word(t, m->ninputs);
    word(t, m->noutputs);
    for (int i = 0; i < m->noutputs; i++) {
        word(t, m->outputs[i].rank);
        word(t, fv_elem_bits((fv_elem)m->outputs[i].type));
    }
}

/* Writes the words of a data set, whose inputs will be stored from offset `at` on. */
static size_t put_set(fv_text *t, const reference *r, int which, size_t at) {
    const fv_model *m = r->model;
    const data_set *set = &r->subject->sets[which];
    int64_t *dims = FV_NEW(t->arena, int64_t, m->nsymbols + 1);
    solve(r, set, dims); /* where it cannot, the run says so as it does for everyone */
    words(t, dims, m->nsymbols);
    for (int i = 0; i < m->ninputs; i++) {
        size_t bytes = fv_array_bytes(&set->inputs[i]);
        word(t, bytes ? (int64_t)at : -1);
        at += padded(bytes);
    }
    for (int i = 0; i < m->noutputs; i++)
        word(t, r->want[which].status ? 4096 : elements(&r->want[which].outputs[i]));
    return at;
}

static void fill_up(fv_text *t, size_t to) {
    while (t->n < to)
        fv_text_putn(t, "", 1);
}

bool job_write(const reference *r, const int *threads, const char *path) {
    const fv_model *m = r->model;
    const subject *s = r->subject;
    fv_text t = {.arena = s->arena};
    head(&t, r, threads);
    size_t at = padded(t.n + (size_t)s->nsets * sizeof(int64_t) *
                                 (size_t)(m->nsymbols + m->ninputs + m->noutputs));
    size_t start = at;
    for (int i = 0; i < s->nsets; i++)
        at = put_set(&t, r, i, at);
    fill_up(&t, start);
    for (int i = 0; i < s->nsets; i++)
        for (int k = 0; k < m->ninputs; k++) {
            const fv_array *x = &s->sets[i].inputs[k];
            fv_text_putn(&t, x->data ? x->data : "", fv_array_bytes(x));
            fill_up(&t, padded(t.n));
        }
    int64_t all = (int64_t)t.n;
    memcpy(t.s, &all, sizeof all);
    FILE *f = fopen(path, "wb");
    bool ok = f && fwrite(t.s, 1, t.n, f) == t.n;
    return f && fclose(f) == 0 && ok;
}

/* ---- results ---- */

bool job_result_open(job_result *r, fv_arena *a, const char *path) {
    fv_text t = {.arena = a};
    char block[1 << 16];
    size_t n;
    FILE *f = fopen(path, "rb");
    while (f && (n = fread(block, 1, sizeof block, f)) > 0)
        fv_text_putn(&t, block, n);
    if (f)
        fclose(f);
    *r = (job_result){a, (unsigned char *)t.s, t.n, 0};
    return f && t.n;
}

static bool next(job_result *r, void *out, size_t bytes) {
    if (bytes > r->bytes - r->at)
        return false;
    memcpy(out, r->data + r->at, bytes);
    r->at += bytes;
    return true;
}

static bool next_output(job_result *r, const fv_port_info *port, fv_array *x) {
    *x = (fv_array){.type = port->type, .rank = port->rank};
    if (!next(r, x->dims, (size_t)x->rank * sizeof *x->dims))
        return false;
    size_t bytes = fv_array_bytes(x);
    if (bytes > r->bytes - r->at)
        return false;
    x->data = fv_alloc_aligned(r->arena, bytes + 1, 64);
    next(r, x->data, bytes);
    r->at += (8 - bytes % 8) % 8;
    return r->at <= r->bytes;
}

bool job_result_next(job_result *r, const fv_model *m, outcome *out) {
    int64_t status;
    if (!next(r, &status, sizeof status))
        return false;
    *out = (outcome){(int)status, m->noutputs, FV_NEW(r->arena, fv_array, m->noutputs + 1)};
    for (int i = 0; i < m->noutputs && !status; i++)
        if (!next_output(r, &m->outputs[i], &out->outputs[i]))
            return false;
    return true;
}
