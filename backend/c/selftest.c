/* selftest.c - the self-test of a folder: runs the model on generated data, and compares with
 * results that were computed when the code was emitted. */
#include <stdlib.h>
#include <string.h>

#include "backend/c/internal.h"
#include "ir/expr/fold.h"

#include "backend/c/selftest_data.h"

extern const char *const fv_c_selftest_data_text; /* the text of selftest_data.h */

enum { GUARD = 64, UNBOUNDED = 4096, MOST_SIZES = 4 };

/* ---- sizes for the dims of the test ---- */

/* The number of elements of a port. Dims that are not known before the run count with their upper
 * bounds. */
static fv_expr *elements_of(fv_cg *g, const fv_port *port) {
    fv_expr *n = fv_x_int(g->arena, 1);
    if (fv_port_is_shared(port))
        return fv_port_elements(g->arena, g->p, port);
    for (int i = 0; i < port->rank; i++) {
        fv_expr *extent = port->extent && port->extent[i]
                              ? port->extent[i]
                              : fv_x_int(g->arena, fv_port_bound(port, i));
        n = fv_x_bin(g->arena, FV_X_MULSAT, n, extent);
    }
    return n;
}

static bool known(void *user, const fv_var *v, int64_t *value) {
    const int64_t *n = fv_ptrmap_get(user, v);
    *value = n ? *n : 0;
    return n != NULL;
}

static bool eval(fv_ptrmap *values, const fv_expr *x, int64_t *out) {
    return fv_x_value(x, known, values, out);
}

static void set_value(fv_cg *g, fv_ptrmap *values, const fv_var *v, int64_t value) {
    int64_t *at = FV_NEW(g->arena, int64_t, 1);
    *at = value;
    *fv_ptrmap_at(values, v) = at;
}

typedef struct test {
    /* the values of the symbols; the array out_dims of the run, with the capacities of outputs */
    int64_t *dims, *out_dims;
    int64_t workspace, heap; /* bytes of the workspace; bytes that the run allocates */
    /* numbers of elements of inputs, then of outputs; for an output of unknown size its capacity */
    int64_t *elements;
    int status;
    uint64_t sum;
    bool recorded;
} test;

static const fv_port *port_at(const fv_program *p, int i) {
    return i < p->ninputs ? &p->inputs[i] : &p->outputs[i - p->ninputs];
}

static bool has_capacity(const fv_program *p, int i) {
    return p->capacity && p->capacity[i];
}

/* The value nearest to `wish` within the bounds of the symbol. */
static int64_t within(const fv_var *symbol, int64_t wish) {
    return wish < symbol->lo ? symbol->lo : wish > symbol->hi ? symbol->hi : wish;
}

static bool is_shared(const fv_program *p, int output) {
    return fv_port_is_shared(&p->outputs[output]);
}

/* Raises capacities that are symbols, where they are lower, to the size that is needed plus 2,
 * within the bounds of the symbol; none if the options give the dims. */
static void choose_capacities(fv_cg *g, fv_ptrmap *values, test *t) {
    const fv_program *p = g->p;
    for (int i = 0; i < p->noutputs && !g->o->test_dims; i++) {
        const fv_buf *b = p->outputs[i].buf;
        int64_t need;
        int symbol;
        if (!is_shared(p, i) || b->extent[b->along]->op != FV_X_VAR ||
            !fv_program_symbol(p, b->extent[b->along]->u.var, &symbol) ||
            !eval(values, p->outputs[i].extent[b->along], &need) || need + 2 <= t->dims[symbol])
            continue;
        t->dims[symbol] = within(p->symbols.vars[symbol], need + 2);
        set_value(g, values, p->symbols.vars[symbol], t->dims[symbol]);
    }
}

/* Sets the sizes of a test. Dims that the options do not give are `usual` for the first symbol and
 * larger by `step` for each further one, within the bounds of the symbols. False: a size does not
 * fit. */
static bool sizes(fv_cg *g, int64_t usual, int64_t step, test *t) {
    const fv_program *p = g->p;
    fv_ptrmap values = fv_ptrmap_in(g->arena);
    t->dims = FV_NEW(g->arena, int64_t, p->symbols.n + 1);
    t->out_dims = FV_NEW(g->arena, int64_t, fv_out_dims_size(p) + 1);
    t->elements = FV_NEW(g->arena, int64_t, p->ninputs + p->noutputs + 1);
    for (int i = 0; i < p->symbols.n; i++) {
        t->dims[i] =
            g->o->test_dims ? g->o->test_dims[i] : within(p->symbols.vars[i], usual + step * i);
        set_value(g, &values, p->symbols.vars[i], t->dims[i]);
    }
    choose_capacities(g, &values, t);
    for (const fv_stmt *s = p->host.plan.first; s; s = s->next) {
        int64_t v;
        if (s->kind == FV_S_LET && s->var->type.elem != FV_F32 && eval(&values, s->x, &v))
            set_value(g, &values, s->var, v);
    }
    bool ok = eval(&values, p->memory.workspace, &t->workspace) && t->workspace < INT32_MAX;
    for (int i = 0; ok && i < p->ninputs + p->noutputs; i++) {
        bool unknown = i >= p->ninputs && has_capacity(p, i - p->ninputs);
        ok = eval(&values, elements_of(g, port_at(p, i)), &t->elements[i]);
        if (unknown && (t->elements[i] > UNBOUNDED || !fv_port_is_bounded(port_at(p, i))))
            t->elements[i] = UNBOUNDED;
        ok = ok && t->elements[i] < INT32_MAX;
        if (i >= p->ninputs)
            t->out_dims[fv_out_dims_at(p, i - p->ninputs)] = t->elements[i];
    }
    return ok;
}

/* ---- types ---- */

static selftest_type type_of(const fv_port *port) {
    fv_elem e = port->elem;
    selftest_type t = {.bytes = fv_elem_storage_bytes(e), .one = 1};
    if (fv_elem_is_packed(e))
        return (selftest_type){.bytes = 1, .one = fv_elem_bits(e) == 4 ? 0x11 : 0x55};
    switch (e) {
    case FV_F32: return (selftest_type){4, 1, 0, INT32_MAX, 0x7f800000u};
    case FV_F64: return (selftest_type){8, 1, 0, INT64_MAX, 0x7ff0000000000000u};
    case FV_F16: return (selftest_type){2, 0, 0x3c00, 0x7fff, 0x7c00};
    case FV_BF16: return (selftest_type){2, 0, 0x3f80, 0x7fff, 0x7f80};
    case FV_F8E4M3FN: return (selftest_type){1, 0, 0x38, 0x7f, 0x7e};
    case FV_F8E5M2: return (selftest_type){1, 0, 0x3c, 0x7f, 0x7c};
    case FV_F8E4M3FNUZ: return (selftest_type){1, 0, 0x40, 0, 0};
    case FV_F8E5M2FNUZ: return (selftest_type){1, 0, 0x40, 0, 0};
    case FV_F8E8M0: return (selftest_type){1, 0, 0x7f, 0, 0};
    default: return t;
    }
}

/* The number of array elements of the C type; for packed types, of bytes. */
static int64_t units(const fv_port *port, int64_t elements) {
    int bits = fv_elem_bits(port->elem);
    return bits >= 8 ? elements : (elements * bits + 7) / 8;
}

static int64_t bytes_at(const fv_program *p, const test *t, int i) {
    return units(port_at(p, i), t->elements[i]) * type_of(port_at(p, i)).bytes;
}

static int64_t bytes_of(const fv_program *p, const test *t) {
    int64_t n = t->workspace;
    for (int i = 0; i < p->ninputs + p->noutputs; i++)
        n += bytes_at(p, t, i);
    return n;
}

/* ---- recording ---- */

static uint32_t seed_of(int input) {
    return 12345u + 977u * (uint32_t)input;
}

/* The number of elements of an output after the run. */
static int64_t elements_after(const fv_program *p, const test *t, int output,
                              const int64_t *out_dims) {
    if (!has_capacity(p, output))
        return t->elements[p->ninputs + output];
    int64_t n = 1;
    for (int k = 0; k < p->outputs[output].rank; k++)
        n *= out_dims[fv_out_dims_at(p, output) + 1 + k];
    return n;
}

typedef struct heap {
    fv_arena *arena;
    int64_t used;
} heap;

/* Allocates as the self-test does (heap_text). h->used becomes the size of its memory. */
static void *heap_alloc(void *user, size_t bytes) {
    enum { MOST = 64 << 20 };
    heap *h = user;
    size_t n = (bytes + 63) / 64 * 64;
    if (bytes > (size_t)(MOST - h->used))
        return NULL;
    h->used += (int64_t)n;
    return fv_alloc_aligned(h->arena, n ? n : 1, 64);
}

static void heap_free(void *user, void *p) {
    (void)user;
    (void)p;
}

static void record(fv_cg *g, test *t) {
    const fv_program *p = g->p;
    heap h = {.arena = g->arena};
    fv_env env = {.size = sizeof env, .alloc = heap_alloc, .free = heap_free, .user = &h};
    const void **in = FV_NEW(g->arena, const void *, p->ninputs + 1);
    void **out = FV_NEW(g->arena, void *, p->noutputs + 1);
    for (int i = 0; i < p->ninputs; i++) {
        selftest_type type = type_of(&p->inputs[i]);
        unsigned char *data = fv_alloc_aligned(g->arena, (size_t)bytes_at(p, t, i) + GUARD, 64);
        selftest_fill(data, (size_t)units(&p->inputs[i], t->elements[i]), &type, seed_of(i));
        in[i] = data;
    }
    for (int i = 0; i < p->noutputs; i++)
        out[i] =
            is_shared(p, i)
                ? (void *)(uintptr_t)in[p->outputs[i].state_of - 1]
                : fv_alloc_aligned(g->arena, (size_t)bytes_at(p, t, p->ninputs + i) + GUARD, 64);
    int64_t *out_dims = FV_NEW(g->arena, int64_t, fv_out_dims_size(p) + 1);
    memcpy(out_dims, t->out_dims, (size_t)fv_out_dims_size(p) * sizeof *out_dims);
    t->status = g->o->reference(g->o->reference_user, p, t->dims, in, out, out_dims, &env);
    t->heap = h.used;
    t->sum = 14695981039346656037u;
    for (int i = 0; t->status == FV_OK && i < p->noutputs; i++) {
        selftest_type type = type_of(&p->outputs[i]);
        t->sum =
            selftest_sum(out[i], (size_t)units(&p->outputs[i], elements_after(p, t, i, out_dims)),
                         &type, t->sum);
    }
    t->recorded = true;
}

/* The sizes with which the self-test runs the model. */
typedef struct suite {
    test at[MOST_SIZES];
    int n;
} suite;

/* Chooses the first sizes: the dims of the options, or 1. If a run refuses dims of 1, as one of a
 * model that halves an image and doubles it again does, powers of two up to LARGEST are tried until
 * a run succeeds. If none does, the self-test expects the status of the first run. */
static bool choose(fv_cg *g, test *t) {
    enum { LARGEST = 64, MEMORY = 16 << 20 };
    if (!sizes(g, 1, 0, t))
        return fv_error(g->session,
                        "the self-test needs dims of a size that fits: give smaller ones");
    if (!g->o->reference)
        return true;
    record(g, t);
    bool more = t->status == FV_BAD_DIM && !g->o->test_dims;
    for (int64_t usual = 2; more && usual <= LARGEST; usual *= 2) {
        test other = {0};
        if (!sizes(g, usual, 0, &other) || bytes_of(g->p, &other) > MEMORY)
            return true;
        record(g, &other);
        more = other.status != FV_OK;
        *t = more ? *t : other;
    }
    return true;
}

static bool is_there(const suite *s, const test *t, int nsymbols) {
    for (int i = 0; i < s->n; i++)
        if (!memcmp(s->at[i].dims, t->dims, (size_t)nsymbols * sizeof *t->dims))
            return true;
    return false;
}

/* Are the sizes small enough for small machines and for a short test? Limits the memory, and the
 * bytes of weights that are read. */
static bool is_modest(fv_cg *g, const test *first, const test *t, int64_t usual) {
    enum { MEMORY = 256 << 10, PASSING = 8 << 20 };
    int64_t memory = bytes_of(g->p, t);
    return (memory <= MEMORY || memory <= 2 * bytes_of(g->p, first)) && memory <= 8 * MEMORY &&
           (int64_t)fv_weights_bytes(g->p) <= PASSING / usual;
}

static void add_size(fv_cg *g, suite *s, int64_t usual, int64_t step) {
    enum { HEAP = 1 << 20 };
    test t = {0};
    if (s->n == MOST_SIZES || !sizes(g, usual, step, &t) || is_there(s, &t, g->p->symbols.n) ||
        !is_modest(g, &s->at[0], &t, usual))
        return;
    record(g, &t);
    if (t.status == FV_OK && t.heap <= HEAP)
        s->at[s->n++] = t;
}

/* Chooses all sizes: the first ones, then those of which the first dim is an element of `usual`.
 * The other dims are larger by steps of 2, or, if the model refuses these or they are too large,
 * all dims are equal. */
static bool choose_all(fv_cg *g, suite *s) {
    static const int64_t usual[] = {3, 7, 4, 16, 19};
    if (!choose(g, &s->at[0]))
        return false;
    s->n = 1;
    if (!g->o->reference || g->o->test_dims || s->at[0].status != FV_OK)
        return true;
    for (int i = 0; i < (int)(sizeof usual / sizeof *usual) && g->p->symbols.n; i++) {
        int before = s->n;
        add_size(g, s, usual[i], 2);
        if (s->n == before)
            add_size(g, s, usual[i], 0);
    }
    return true;
}

/* ---- text ---- */

static int64_t most_bytes(const fv_program *p, const suite *s, int port) {
    int64_t most = 0;
    for (int i = 0; i < s->n; i++) {
        int64_t n = port < 0 ? s->at[i].workspace : bytes_at(p, &s->at[i], port);
        most = n > most ? n : most;
    }
    return most;
}

static int64_t most_heap(const suite *s) {
    enum { NOT_RECORDED = 1 << 20 };
    int64_t most = s->at[0].recorded ? 64 : NOT_RECORDED;
    for (int i = 0; i < s->n; i++)
        most = s->at[i].heap > most ? s->at[i].heap : most;
    return most;
}

static void put_arrays(fv_cg *g, const suite *s) {
    const fv_program *p = g->p;
    for (int i = 0; i < p->ninputs + p->noutputs; i++) {
        selftest_type y = type_of(port_at(p, i));
        bool in = i < p->ninputs;
        if (!in && is_shared(p, i - p->ninputs))
            continue;
        const char *kind = in ? "input" : "output";
        int n = in ? i : i - p->ninputs;
        int64_t bytes = most_bytes(p, s, i);
        fv_c_line(g, "/* %s */", fv_c_comment(g->arena, port_at(p, i)->name));
        fv_c_line(g,
                  "static const selftest_type %s_type_%d = {%d, %d, 0x%llxu, UINT64_C(0x%llx), "
                  "UINT64_C(0x%llx)};",
                  kind, n, y.bytes, y.is_float, (unsigned long long)y.one,
                  (unsigned long long)y.abs, (unsigned long long)y.nan);
        if (in)
            fv_c_line(g, "%s_ALIGNED static unsigned char input_%d[%lld];", g->NAME, n,
                      (long long)(bytes ? bytes : 1));
        else
            fv_c_line(g, "%s_ALIGNED static unsigned char output_%d[%lld + GUARD];", g->NAME, n,
                      (long long)bytes);
    }
    int64_t work = most_bytes(p, s, -1);
    fv_c_line(g, "%s_ALIGNED static unsigned char work[%lld];", g->NAME,
              (long long)(work ? work : 1));
    fv_c_line(g, "%s", "");
}

static const char *numbers(fv_cg *g, const int64_t *v, int n) {
    fv_text t = {.arena = g->arena};
    for (int i = 0; i < n; i++)
        fv_text_printf(&t, "%s%lld", i ? ", " : "", (long long)v[i]);
    return n ? t.s : "0";
}

static const char *numbered(fv_cg *g, const char *word, int n) {
    fv_text t = {.arena = g->arena};
    for (int i = 0; i < n; i++)
        fv_text_printf(&t, "%s%s_%d", i ? ", " : "", word, i);
    return n ? t.s : "NULL";
}

/* The arrays of the outputs; an output in the memory of an input is that array. */
static const char *outputs(fv_cg *g) {
    const fv_program *p = g->p;
    fv_text t = {.arena = g->arena};
    for (int i = 0; i < p->noutputs; i++)
        fv_text_printf(&t, "%s%s_%d", i ? ", " : "", is_shared(p, i) ? "input" : "output",
                       is_shared(p, i) ? p->outputs[i].state_of - 1 : i);
    return p->noutputs ? t.s : "NULL";
}

static int at_least_one(int n) {
    return n > 0 ? n : 1;
}

/* Returns, as a list in C, the number of array elements of each port; for packed types, its
 * bytes. */
static const char *units_of(fv_cg *g, const test *t, int from, int n) {
    int64_t *list = FV_NEW(g->arena, int64_t, n + 1);
    for (int i = 0; i < n; i++)
        list[i] = units(port_at(g->p, from + i), t->elements[from + i]);
    return numbers(g, list, n);
}

static void put_sizes(fv_cg *g, const suite *s) {
    const fv_program *p = g->p;
    fv_c_open(g, "typedef struct selftest_size");
    fv_c_line(
        g,
        "int64_t dims[%d], actual[%d]; /* actual: capacities, and room for the dims of outputs */",
        at_least_one(p->symbols.n), at_least_one(fv_out_dims_size(p)));
    fv_c_line(g, "int64_t inputs[%d], outputs[%d]; /* array elements */", at_least_one(p->ninputs),
              at_least_one(p->noutputs));
    fv_c_line(g, "int status; /* expected */");
    fv_c_line(g, "uint64_t sum; /* of outputs: what Fovea's interpreter computed */");
    g->indent--;
    fv_c_line(g, "} selftest_size;");
    fv_c_line(g, "%s", "");
    fv_c_open(g, "static const selftest_size sizes[] =");
    for (int i = 0; i < s->n; i++) {
        const test *t = &s->at[i];
        fv_c_line(g, "{{%s}, {%s}, {%s}, {%s}, %d, UINT64_C(0x%llx)},",
                  numbers(g, t->dims, p->symbols.n), numbers(g, t->out_dims, fv_out_dims_size(p)),
                  units_of(g, t, 0, p->ninputs), units_of(g, t, p->ninputs, p->noutputs), t->status,
                  (unsigned long long)t->sum);
    }
    g->indent--;
    fv_c_line(g, "};");
    fv_c_line(g, "enum { SIZES = %d };", s->n);
    fv_c_line(g, "%s", "");
}

static const char heap_text[] =
    "/* Memory for values inside the model that have no bound, where the caller gives none. */\n"
    "@NAME@_ALIGNED static unsigned char heap[@0@];\n"
    "static size_t heap_used;\n\n"
    "static void *heap_alloc(void *user, size_t bytes) {\n"
    "    (void)user;\n"
    "    if (bytes > sizeof heap - heap_used)\n"
    "        return NULL;\n"
    "    void *p = heap + heap_used;\n"
    "    heap_used += (bytes + 63) / 64 * 64;\n"
    "    return p;\n"
    "}\n\n"
    "static void heap_free(void *user, void *p) {\n"
    "    (void)user;\n"
    "    (void)p;\n"
    "}\n\n";

static void put_sum(fv_cg *g, int output) {
    const fv_program *p = g->p;
    int at = fv_out_dims_at(p, output);
    const fv_port *port = &p->outputs[output];
    fv_text n = {.arena = g->arena};
    /* compares all of the memory, since elements that are not written must be unchanged */
    if (is_shared(p, output)) {
        int input = port->state_of - 1;
        fv_c_line(g, "*sum = selftest_sum(input_%d, (size_t)t->inputs[%d], &input_type_%d, *sum);",
                  input, input, input);
        return;
    }
    fv_text_printf(&n, "(size_t)t->outputs[%d]", output);
    if (has_capacity(p, output)) {
        n = (fv_text){.arena = g->arena};
        fv_text_put(&n, "(size_t)(1");
        for (int k = 0; k < port->rank; k++)
            fv_text_printf(&n, " * actual[%d]", at + 1 + k);
        fv_text_put(&n, ")");
    }
    fv_c_line(g, "*sum = selftest_sum(output_%d, %s, &output_type_%d, *sum);", output, n.s, output);
    fv_c_line(g, "for (int i = 0; i < GUARD; i++)");
    fv_c_line(g, "    if (output_%d[t->outputs[%d] * %d + i] != background)", output, output,
              type_of(port).bytes);
    fv_c_line(g, "        return 4;");
}

static void put_own_env(fv_cg *g) {
    fv_c_line(
        g,
        "fv_env own = {sizeof own, NULL, NULL, heap_alloc, heap_free, NULL, NULL, NULL, 0, NULL};");
    fv_c_line(g, "heap_used = 0;");
    if (fv_c_weights_file(g)) {
        fv_c_line(g, "own.weights = env->weights;");
        fv_c_line(g, "own.weights_bytes = env->weights_bytes;");
    }
    fv_c_line(g, "if (!env%s)", fv_c_weights_file(g) ? "->alloc" : "");
    fv_c_line(g, "    env = &own;");
}

static void put_run(fv_cg *g) {
    const fv_program *p = g->p;
    fv_c_open(
        g,
        "static int run_once(const selftest_size *t, const fv_env *env, unsigned char background, "
        "uint64_t *sum)");
    fv_c_line(g, "static const void *const inputs[] = {%s};", numbered(g, "input", p->ninputs));
    fv_c_line(g, "static void *const outputs[] = {%s};", outputs(g));
    fv_c_line(g, "int64_t actual[sizeof t->actual / sizeof *t->actual];");
    fv_c_line(g, "for (size_t i = 0; i < sizeof actual / sizeof *actual; i++)");
    fv_c_line(g, "    actual[i] = t->actual[i];");
    for (int i = 0; i < p->noutputs; i++) {
        if (is_shared(p, i))
            continue;
        fv_c_line(g, "for (size_t i = 0; i < sizeof output_%d; i++)", i);
        fv_c_line(g, "    output_%d[i] = background;", i);
    }
    if (p->memory.uses_allocator)
        put_own_env(g);
    fv_c_line(
        g,
        "int status = %s_model()->run(t->dims, inputs, outputs, actual, work, sizeof work, env);",
        g->name);
    fv_c_line(g, "*sum = UINT64_C(14695981039346656037);");
    fv_c_line(g, "if (status != t->status)");
    fv_c_line(g, "    return 1;");
    fv_c_line(g, "if (status != FV_OK)");
    fv_c_line(g, "    return 0;");
    for (int i = 0; i < p->noutputs; i++)
        put_sum(g, i);
    if (!p->noutputs) {
        fv_c_line(g, "(void)background;");
        fv_c_line(g, "(void)selftest_sum;");
    }
    fv_c_line(g, "return 0;");
    fv_c_close(g);
    fv_c_line(g, "%s", "");
}

static void put_test(fv_cg *g, const suite *s) {
    fv_c_open(g, "static int test_size(const selftest_size *t, const fv_env *env)");
    fv_c_line(g, "uint64_t first, second;");
    for (int i = 0; i < g->p->ninputs; i++)
        fv_c_line(g, "selftest_fill(input_%d, (size_t)t->inputs[%d], &input_type_%d, %uu);", i, i,
                  i, seed_of(i));
    if (!g->p->ninputs)
        fv_c_line(g, "(void)selftest_fill;");
    fv_c_line(g, "int result = run_once(t, env, 0xa5, &first);");
    fv_c_line(g, "if (result == 0)");
    fv_c_line(g, "    result = run_once(t, env, 0x5a, &second);");
    fv_c_line(g, "if (result != 0)");
    fv_c_line(g, "    return result;");
    if (s->at[0].recorded) {
        fv_c_line(g, "if (t->status == FV_OK && first != t->sum)");
        fv_c_line(g, "    return 2;");
    }
    fv_c_line(g, "return first == second ? 0 : 3;");
    fv_c_close(g);
    fv_c_line(g, "%s", "");
    fv_c_open(g, "int %s_selftest(const fv_env *env)", g->name);
    fv_c_line(g, "int result = 0;");
    fv_c_line(g, "for (int i = 0; i < SIZES && result == 0; i++)");
    fv_c_line(g, "    result = test_size(&sizes[i], env);");
    fv_c_line(g, "return result;");
    fv_c_close(g);
}

static const char head[] =
    "/* @0@_selftest.c - runs the model on generated data and checks what comes out. No stdio, no\n"
    " * malloc: it runs wherever the model does. SPDX-License-Identifier: MIT-0 */\n"
    "#include \"@0@.h\"\n\n"
    "/* env @2@. 0: all is well. 1: the status is not the expected one. 2: outputs differ from\n"
    " * what was recorded when the code was made. 3: two runs differ. 4: something was written "
    "beyond an\n"
    " * output.@1@ */\n"
    "int @name@_selftest(const fv_env *env);\n\n";

bool fv_c_selftest(fv_cg *g, fv_text *out) {
    fv_text whole = {.arena = g->arena}, *t = &whole;
    suite made = {0};
    if (!choose_all(g, &made))
        return false;
    fv_c_fill(g, t, head, g->file,
              made.at[0].recorded ? "" : " Nothing was recorded, so that 2 is never given.",
              fv_c_weights_file(g) ? "gives the weights" : "may be NULL", NULL);
    fv_text_put(t, fv_c_selftest_data_text);
    fv_text_printf(t, "\nenum { GUARD = %d };\n\n", GUARD);
    g->out = t;
    put_arrays(g, &made);
    if (g->p->memory.uses_allocator)
        fv_c_fill(g, t, heap_text, fv_printf(g->arena, "%lld", (long long)most_heap(&made)), NULL);
    put_sizes(g, &made);
    put_run(g);
    put_test(g, &made);
    fv_c_put_own(g, out, "selftest", whole.s);
    return true;
}
