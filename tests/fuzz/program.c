/* program.c - texts of kernels and programs, and what must hold for every legal one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/consumer/protocol.h"
#include "backend/expand/expand.h"
#include "backend/interp/interp.h"
#include "ir/base/limits.h"
#include "ir/kernel/parse.h"
#include "ir/kernel/print.h"
#include "ir/kernel/program_print.h"
#include "ir/kernel/verify.h"
#include "tests/fuzz/fuzz.h"
#include "tools/driver/driver.h"

enum {
    MAX_SYMBOLS = 32,
    MAX_PORTS = 64,
    MAX_ELEMENTS = 1 << 16,
    WORKSPACE = 1 << 24,
    ITERATIONS = 50000,
    RUNS = 2
};

/* ---- text ---- */

static const char *program_text(fv_arena *a, const fv_program *p) {
    fv_text t = {.arena = a};
    fv_program_print(&t, p);
    return t.s;
}

/* The bytes of the program's side file; NULL: there is no memory for them. */
static const char *side_of(fv_arena *a, const fv_program *p, size_t *n) {
    char *bytes = NULL;
    const char *copy = NULL;
    FILE *f = open_memstream(&bytes, n);
    if (f && fv_program_write_side(p, f) && fclose(f) == 0)
        copy = fv_strndup(a, bytes, *n);
    free(bytes);
    return copy;
}

static void print_again(fv_session *s, const fv_program *p) {
    fv_arena *a = fv_arena_new(s);
    size_t n;
    const char *side = side_of(a, p, &n);
    if (side) {
        const char *once = program_text(a, p);
        const fv_program *again = fv_program_parse_over(a, once, side, n);
        if (!again)
            fuzz_finding(s, "what is printed does not parse:\n%s", once);
        const char *twice = program_text(a, again);
        fuzz_same_text(s, once, twice);
        if (!fv_program_verify(s, again))
            fuzz_finding(s, "legal, but not when read again:\n%s", once);
    }
    fv_arena_free(a);
}

/* ---- a run ---- */

typedef struct symbols {
    const fv_program *program;
    int64_t value[MAX_SYMBOLS];
} symbols;

static bool value_of(void *ctx, const fv_dim *symbol, int64_t *out) {
    const symbols *c = ctx;
    for (int i = 0; i < c->program->symbols.n; i++)
        if (c->program->symbols.all[i] == symbol) {
            *out = c->value[i];
            return true;
        }
    return false;
}

/* Small, and within its bounds if those are within reach. */
static int64_t choose_dim(const fv_dim *symbol, uint64_t *random) {
    int64_t v = (int64_t)fuzz_below(random, 8);
    if (symbol->lo > 0)
        v = symbol->lo + (v > symbol->hi - symbol->lo ? 0 : v);
    return v > symbol->hi ? symbol->hi : v;
}

/* Not from an arena, whose door would be a way out of the run. */
static void *allocate(void *user, size_t bytes) {
    (void)user;
    size_t whole = (bytes + FV_BUFFER_ALIGN - 1) / FV_BUFFER_ALIGN * FV_BUFFER_ALIGN;
    return bytes > WORKSPACE ? NULL : aligned_alloc(FV_BUFFER_ALIGN, whole);
}

static void give_back(void *user, void *p) {
    (void)user;
    free(p);
}

/* Memory for a port; NULL: its dims are not known, or more than a run here should have. */
static fv_tensor *tensor_of(fv_arena *a, const fv_port *port, symbols *c) {
    int64_t dims[FV_MAX_RANK], count = 1;
    for (int i = 0; i < port->rank; i++) {
        if (!fv_dim_eval(port->dims[i], value_of, c, &dims[i]) || dims[i] > MAX_ELEMENTS)
            return NULL;
        count *= dims[i];
        if (count < 0 || count > MAX_ELEMENTS)
            return NULL;
    }
    return fv_tensor_new(a, port->elem, port->rank, dims);
}

/* Small numbers: they serve as indices, and sums of them are exact. */
static void fill(fv_tensor *t, uint64_t *random) {
    for (size_t i = 0; i < t->count; i++) {
        int64_t v = (int64_t)fuzz_below(random, 7) - 2;
        if (t->elem == FV_BOOL)
            fv_tensor_set_int(t, i, v > 0);
        else if (fv_elem_is_float(t->elem))
            fv_tensor_set_float(t, i, (double)v / 2);
        else
            fv_tensor_set_int(t, i, v);
    }
}

static bool make_inputs(fv_arena *a, const fv_program *p, symbols *c, uint64_t *random,
                        const void **out) {
    for (int i = 0; i < p->ninputs; i++) {
        fv_tensor *t = tensor_of(a, &p->inputs[i], c);
        if (!t)
            return false;
        fill(t, random);
        out[i] = t->data;
    }
    return true;
}

/* As large as the plan says, or as the capacity that is given where it cannot. */
static bool make_outputs(fv_arena *a, const fv_program *p, int64_t *out_dims, void **out) {
    for (int i = 0; i < p->noutputs; i++) {
        int64_t *capacity = &out_dims[fv_out_dims_at(p, i)];
        if (*capacity == INT64_MAX && p->capacity[i])
            *capacity = MAX_ELEMENTS / 16;
        if (*capacity < 0 || *capacity > MAX_ELEMENTS)
            return false;
        out[i] = fv_alloc_aligned(a, (size_t)*capacity * 16, FV_BUFFER_ALIGN);
    }
    return true;
}

static void run_once(fv_session *s, fv_interp *interp, const fv_program *p, bool trusted,
                     uint64_t *random) {
    fv_arena *a = fv_arena_new(s);
    fv_env env = {.size = sizeof env, .alloc = allocate, .free = give_back};
    symbols c = {.program = p};
    size_t bytes = 0;
    int64_t *out_dims = FV_NEW(a, int64_t, fv_out_dims_size(p) + 1);
    const void **in = FV_NEW(a, const void *, p->ninputs + 1);
    void **out = FV_NEW(a, void *, p->noutputs + 1);
    for (int i = 0; i < p->symbols.n; i++)
        c.value[i] = choose_dim(p->symbols.all[i], random);
    int status = fv_interp_plan(interp, c.value, &bytes, out_dims);
    if (status == FV_OK && bytes <= WORKSPACE && make_inputs(a, p, &c, random, in) &&
        make_outputs(a, p, out_dims, out))
        status = fv_interp_run(interp, c.value, in, out, out_dims,
                               fv_alloc_aligned(a, bytes, FV_BUFFER_ALIGN), bytes, &env);
    if (status == FV_INTERNAL && trusted)
        fuzz_finding(s, "%s\n%s", fv_interp_fault(interp), program_text(a, p));
    fv_arena_free(a);
}

void fuzz_program(fv_session *s, fv_program *p, bool trusted, uint64_t seed) {
    print_again(s, p);
    fv_program_expand(p);
    fv_interp *interp = fv_interp_new(p->arena, p);
    if (!interp)
        fuzz_finding(s, "legal, but the interpreter does not take it");
    fv_interp_limit(interp, ITERATIONS);
    for (int i = 0; i < RUNS && p->symbols.n <= MAX_SYMBOLS; i++)
        run_once(s, interp, p, trusted, &seed);
}

/* ---- texts ---- */

static void kernel_again(fv_session *s, fv_arena *a, const fv_kernel *k) {
    fv_text once = {.arena = a}, twice = {.arena = a};
    fv_kernel_print(&once, k);
    const fv_kernel *again = fv_kernel_parse(a, once.s);
    if (!again)
        fuzz_finding(s, "what is printed does not parse:\n%s", once.s);
    fv_kernel_print(&twice, again);
    fuzz_same_text(s, once.s, twice.s);
}

static fv_program *read_text(fv_session *s, fv_arena *a, const char *text,
                             const fv_target *target) {
    if (fv_driver_kind(text, strlen(text)) != FV_FILE_KERNEL)
        return fv_program_parse(a, text, NULL);
    const fv_kernel *k = fv_kernel_parse(a, text);
    if (!k)
        return NULL;
    kernel_again(s, a, k);
    return fv_kernel_verify(s, k) ? fv_driver_wrap_kernel(s, text, target) : NULL;
}

void fuzz_kernel(fv_session *s, const uint8_t *data, size_t size) {
    static const char *const targets[] = {"x86-64-v3", "x86-64-v4", "generic", "cortex-m4"};
    fv_arena *a = fv_arena_new(s);
    uint64_t hash = fuzz_hash(data, size);
    const char *text = fuzz_text(a, data, size);
    fv_program *p = text ? read_text(s, a, text, fv_target_find(targets[hash % 4])) : NULL;
    if (text && !p != (fv_error_count(s) > 0))
        fuzz_finding(s, "%s", p ? "read, with errors" : "refused without a word");
    if (!p)
        return;
    if (!p->target)
        p->target = fv_target_find(targets[hash % 4]);
    /* the checks that every program text must pass before it runs */
    if (fv_program_verify(s, p) && fv_program_keeps_protocol(s, p))
        fuzz_program(s, p, false, hash);
}
