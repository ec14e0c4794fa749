/* types.c - every operator of the catalogue in every version, with every element type for every
 * type variable, and with attributes that are not their defaults.
 *
 *   types [--seed=S] [--share=N] [--only=OP] [-jN] [--show]
 *
 * An instance (instance.h) is either refused with a message, or compiled by the pipeline of -O2 and
 * by that of -O0 with the naive schedule, and both run on two sets of inputs: small numbers, and
 * numbers at the ends of their type. The JIT has to give the bits of the interpreter; it takes its
 * turn in one instance of JIT_TURN. The naive schedule has to give the same status, the same dims,
 * the same bits where no float is involved, and else floats that are as close as their type lets
 * them be (close_enough). --share=N takes one instance of N, which the seed decides, beyond those
 * that are always tried: each element type of each variable in the newest version.
 *
 * A dim of 0 acts alike when the model states it, when --dim fixes it, and when only the run knows
 * it: each dim of each instance of the newest version is 0 in these three ways. The first two are
 * refused both or give the same bits; what the third gives is the same, where it compiles at all.
 *
 * Each operator is tried in a process of its
 * own; what takes it down or does not come back is printed, and the next instance goes on. */
#include <inttypes.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/expand/expand.h"
#include "backend/have.h"
#include "frontend/frontend.h"
#include "instance.h"
#include "ir/base/diag.h"
#include "ir/base/text.h"
#include "tests/frontend/model_text.h"
#include "tests/matrix/matrix.h"
#include "tools/driver/driver.h"

enum {
    MAX_JOBS = 16,
    MAX_LINES = 16,
    JIT_TURN = 24,
    SETS = 2,
    /* of processor time that one instance may take; the slowest takes less than one */
    SECONDS = 60,
    MEMORY_GIB = 3
};

typedef struct options {
    uint64_t seed, share;
    const char *only;
    int jobs;
    bool show;
} options;

typedef struct shared { /* what all processes see */
    atomic_int passed, failed, refused, ran, same, close, jit, zeros;
    struct {
        int n;            /* instances of the operator before this one */
        char text[16384]; /* what is tried */
    } at[MAX_JOBS];
} shared;

typedef struct sweep {
    const options *o;
    shared *sh;
    const char *cases;
    int slot, skip, n;
} sweep;

/* ---- inputs ---- */

static double float_at(size_t i, int port, int set) {
    static const double wide[] = {0, -0.0, 1, -1, 0.3, -7.25, 100, 1000, -0.001, 2};
    return set ? wide[(i * 3 + (size_t)port) % 10]
               : ((double)((i * 7 + (size_t)port * 3) % 9) - 4) * 0.5;
}

static int64_t int_at(fv_elem e, size_t i, int port, int set) {
    int bits = fv_elem_bits(e);
    int64_t most = bits == 64 ? INT64_MAX : (INT64_C(1) << (bits - fv_elem_is_signed(e))) - 1;
    int64_t least = fv_elem_is_signed(e) ? -most - 1 : 0;
    int64_t wide[] = {0, 1, fv_elem_is_signed(e) ? -1 : 3, most, 2, least, 7, 100};
    return set ? wide[(i * 3 + (size_t)port) % 8] : (int64_t)((i * 5 + (size_t)port) % 3);
}

static void fill(fv_tensor *t, int port, int set) {
    for (size_t i = 0; i < t->count; i++)
        if (fv_elem_is_float(t->elem))
            fv_tensor_set_float(t, i, float_at(i, port, set));
        else if (fv_elem_is_int(t->elem) || t->elem == FV_BOOL)
            fv_tensor_set_int(t, i,
                              t->elem == FV_BOOL ? (int64_t)(i + (size_t)port) % 2
                                                 : int_at(t->elem, i, port, set));
        else /* complex numbers */
            for (size_t k = 0; k < (size_t)fv_elem_bits(t->elem) / 8; k += fv_elem_unit(t->elem)) {
                unsigned char *p =
                    (unsigned char *)(uintptr_t)t->data + i * (size_t)fv_elem_bits(t->elem) / 8 + k;
                double d = float_at(i + k, port, set);
                float f = (float)d;
                memcpy(p, fv_elem_unit(t->elem) == 8 ? (void *)&d : (void *)&f,
                       fv_elem_unit(t->elem));
            }
}

/* Named dims are `named`. False: a port is none of tensors of fixed size. */
static bool inputs_of(fv_arena *a, const fv_model *m, int set, int64_t named, data_set *out) {
    *out = (data_set){"data", FV_NEW(a, fv_array, m->ninputs + 1)};
    for (int i = 0; i < m->ninputs; i++) {
        const fv_port_info *p = &m->inputs[i];
        fv_array *x = &out->inputs[i];
        if (p->type == FV_STRING || strncmp(p->name, "in", 2) != 0 ||
            p->name[2 + strspn(p->name + 2, "0123456789")])
            return false;
        *x = (fv_array){.type = p->type, .rank = p->rank};
        for (int k = 0; k < p->rank; k++)
            x->dims[k] = p->dims[k][0] >= '0' && p->dims[k][0] <= '9'
                             ? strtoll(p->dims[k], NULL, 10)
                             : named;
        fv_tensor *t = fv_tensor_new(a, (fv_elem)p->type, p->rank, x->dims);
        fill(t, i, set);
        x->data = (void *)(uintptr_t)t->data;
    }
    for (int i = 0; i < m->noutputs; i++)
        if (m->outputs[i].type == FV_STRING)
            return false;
    return true;
}

/* ---- comparing ---- */

static double unit_of_type(fv_elem e) {
    return e == FV_F64                                  ? 0x1p-52
           : e == FV_F32 || e == FV_C64 || e == FV_C128 ? 0x1p-23
           : e == FV_F16                                ? 0x1p-10
           : e == FV_BF16                               ? 0x1p-7
           : fv_elem_is_float(e)                        ? 0x1p-1
                                                        : 0;
}

/* The rounding unit of the coarsest float type with which the naive schedule computes; 0: it
 * computes no floats. */
static double unit_of(const fv_program *naive) {
    double unit = 0;
    for (int i = 0; i < naive->memory.nbuffers; i++)
        unit = fmax(unit, unit_of_type(naive->memory.buffers[i]->elem));
    return unit;
}

static double element(const fv_array *x, size_t i, size_t count) {
    fv_tensor t = {.elem = (fv_elem)x->type,
                   .rank = x->rank,
                   .dims = x->dims,
                   .data = x->data,
                   .count = count,
                   .bytes = fv_array_bytes(x)};
    return fv_elem_is_float(t.elem) ? fv_tensor_float(&t, i) : (double)fv_tensor_int(&t, i);
}

/* Compares floats that were computed in different orders: they may differ by 64 rounding units of
 * the largest one. If the type has eight bits or less, or a float decides an integer, the last bit
 * may change everything, so only the dims of these outputs are compared. */
static const char *close_enough(fv_arena *a, const fv_model *m, double rounding,
                                const outcome *want, const outcome *got) {
    double unit = 64 * rounding;
    for (int i = 0; i < want->noutputs; i++) {
        const fv_array *x = &want->outputs[i], *y = &got->outputs[i];
        size_t count = 1;
        double largest = 1;
        if (x->type != y->type || x->rank != y->rank)
            return "type or rank";
        for (int k = 0; k < x->rank; k++)
            if (x->dims[k] != y->dims[k] && !m->outputs[i].depends_on_data)
                return "dims";
            else if (x->dims[k] != y->dims[k])
                return NULL; /* floats decide them */
            else
                count *= (size_t)x->dims[k];
        if (!fv_elem_is_float((fv_elem)x->type) || unit >= 1)
            continue;
        for (size_t k = 0; k < count; k++)
            if (isfinite(element(x, k, count)))
                largest = fmax(largest, fabs(element(x, k, count)));
        for (size_t k = 0; k < count; k++) {
            double p = element(x, k, count), q = element(y, k, count);
            if (p != q && !(isnan(p) && isnan(q)) && !(fabs(p - q) <= unit * largest))
                return fv_printf(a,
                                 "output '%s': element %zu is %.9g, the naive schedule gives %.9g",
                                 m->outputs[i].name, k, q, p);
        }
    }
    return NULL;
}

/* ---- one instance ---- */

static const char *said(fv_session *s, fv_arena *a) {
    fv_text t = {.arena = a};
    fv_text_put(&t, "");
    for (const fv_message *m = fv_messages(s); m; m = m->next)
        if (m->severity == FV_ERROR)
            fv_text_printf(&t, "%s; ", fv_message_str(a, m));
    return t.s;
}

/* dims: as --dim says them, or NULL */
static fv_program *lowered(fv_session *s, fv_text model, bool naive, const char *dim) {
    fv_driver_options o = {.target.of = fv_target_find("x86-64-v3"),
                           .target.given = true,
                           .level = naive ? '0' : '2',
                           .naive = naive,
                           .name = "m"};
    fv_import_options import = {.dims = &dim, .ndims = dim != NULL};
    fv_messages_clear(s);
    fv_source source = {.kind = FV_FILE_GRAPH,
                        .module = fv_onnx_import_bytes(s, model.s, model.n, NULL, "m", &import)};
    fv_program *p = source.module ? fv_driver_lower(s, &source, &o) : NULL;
    if (p)
        fv_program_expand(p);
    return p;
}

static bool is_memory(int status) {
    return status == FV_NO_MEMORY || status == FV_TOO_LARGE;
}

static const char *differ(sweep *w, fv_arena *a, const fv_model *m, double rounding,
                          const outcome *naive, const outcome *got) {
    const char *why = outcome_differs(a, m, naive, got);
    if (!why || is_memory(naive->status) || is_memory(got->status) ||
        /* of an element that no result needs */
        (naive->status == FV_BAD_INDEX && got->status == FV_OK)) {
        atomic_fetch_add(&w->sh->same, 1);
        return NULL;
    }
    if (naive->status != got->status || rounding == 0)
        return fv_printf(a, "against the naive schedule: %s", why);
    atomic_fetch_add(&w->sh->close, 1);
    return close_enough(a, m, rounding, naive, got);
}

/* NULL, or what is wrong. */
static const char *compare_runs(sweep *w, fv_session *s, fv_arena *a, fv_program *p,
                                fv_program *naive, bool jit) {
    fv_artifact *x = fv_driver_artifact(s, p, FV_BACKEND_INTERP, '2'),
                *y = fv_driver_artifact(s, naive, FV_BACKEND_INTERP, '0');
    jit = jit && FV_HAVE_LLVM && fv_target_runs_here(p->target);
    fv_artifact *z = x && y && jit ? fv_driver_artifact(s, p, FV_BACKEND_JIT, '2') : NULL;
    const char *why = !x || !y || (jit && !z) ? fv_printf(a, "no code: %s", said(s, a)) : NULL;
    for (int set = 0; set < SETS && !why; set++) {
        const fv_model *m = fv_artifact_model(x);
        data_set inputs;
        if (!inputs_of(a, m, set, 2, &inputs))
            break;
        outcome got = outcome_run(a, x, &inputs, 1), want = outcome_run(a, y, &inputs, 1);
        if (got.status == FV_INTERNAL || want.status == FV_INTERNAL)
            why = fv_printf(a, "stops at an %s", got.status == FV_INTERNAL ? got.said : want.said);
        else if (got.status && (!got.said || !*got.said))
            why = "a run fails and does not say why";
        else
            why = differ(w, a, m, unit_of(naive), &want, &got);
        if (z && !why) {
            outcome code = outcome_run(a, z, &inputs, 1);
            why = outcome_differs(a, m, &got, &code);
            why = why ? fv_printf(a, "code in memory: %s", why) : NULL;
            atomic_fetch_add(&w->sh->jit, 1);
        }
        atomic_fetch_add(&w->sh->ran, 1);
    }
    fv_artifact_free(x);
    fv_artifact_free(y);
    fv_artifact_free(z);
    return why;
}

static const char *judge(sweep *w, fv_session *s, fv_arena *a, const char *text, bool jit) {
    fv_text model = model_of_text(a, text);
    fv_program *p = lowered(s, model, false, NULL);
    const char *first = said(s, a);
    if (!p && (!*first || strstr(first, "internal")))
        return *first ? first : "refused without a message";
    fv_program *naive = lowered(s, model, true, NULL);
    if (!p != !naive)
        return fv_printf(a, "%s refuses it: %s", p ? "the naive schedule" : "-O2",
                         p ? said(s, a) : first);
    if (p)
        return compare_runs(w, s, a, p, naive, jit);
    atomic_fetch_add(&w->sh->refused, 1);
    return NULL;
}

static uint64_t mixed(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* always: whatever the share is. */
static void try_it(sweep *w, const instance *x, bool always) {
    fv_session *s = fv_session_new();
    fv_arena *a = fv_arena_new(s);
    fv_door door;
    int n = w->n++;
    const char *text = instance_text(a, x), *why;
    uint64_t h = w->o->seed;
    for (const char *c = text; *c; c++)
        h = mixed(h + (unsigned char)*c);
    if (n < w->skip || (!always && h % w->o->share)) {
        fv_session_free(s);
        return;
    }
    w->sh->at[w->slot].n = n;
    snprintf(w->sh->at[w->slot].text, sizeof w->sh->at[w->slot].text, "%s", text);
    setitimer(ITIMER_PROF, &(struct itimerval){.it_value = {.tv_sec = SECONDS}}, NULL);
    if (FV_DOOR_OPEN(s, &door))
        why = "takes too much memory";
    else {
        why = judge(w, s, a, text, h / w->o->share % JIT_TURN == 0);
        fv_door_close(s, &door);
    }
    if (w->o->show || why)
        printf("%s%s\n%s", why ? "FAILED " : "", why ? why : said(s, a), text);
    atomic_fetch_add(why ? &w->sh->failed : &w->sh->passed, 1);
    fflush(stdout);
    fv_session_free(s);
}

/* ---- dims of 0 ---- */

/* Every dim `value` of the instance's inputs is `dim` instead. False: it has none, or a constant
 * has it. */
static bool with_dim(instance *x, const char *value, const char *dim) {
    bool has = false;
    for (int i = 0; i < x->nin; i++)
        for (int k = 0; k < x->in[i].rank && !x->in[i].absent; k++)
            if (!strcmp(x->in[i].dims[k], value)) {
                if (x->in[i].content || x->in[i].holder)
                    return false;
                x->in[i].dims[k] = dim;
                has = true;
            }
    return has;
}

typedef struct way {
    const char *name, *dim, *option;
    outcome gives;
    const char *refused; /* NULL: it is not */
    const fv_model *model;
} way;

/* False: its inputs are none that are made here. */
static bool run_way(fv_session *s, fv_arena *a, instance x, const char *value, way *y) {
    data_set inputs;
    if (!with_dim(&x, value, y->dim))
        return false;
    fv_text model = model_of_text(a, instance_text(a, &x));
    fv_program *p = lowered(s, model, false, y->option);
    if (!p)
        return *(y->refused = said(s, a)) != 0;
    /* until the session ends */
    fv_artifact *artifact = fv_driver_artifact(s, p, FV_BACKEND_INTERP, '2');
    y->model = artifact ? fv_artifact_model(artifact) : NULL;
    if (!artifact || !inputs_of(a, y->model, 0, 0, &inputs))
        return false;
    y->gives = outcome_run(a, artifact, &inputs, 1);
    y->refused = y->gives.status ? y->gives.said : NULL;
    return true;
}

/* What only the run knows may be 0 where it compiles, and no relation leaves other bounds. A
 * position that no element of a result needs is looked at only then, and so are other ranks, which
 * are asked for nothing if the result is known to have no element. */
static bool may_be_zero(const way *y) {
    if (!y->model || y->gives.status == FV_BAD_INDEX || y->gives.status == FV_BAD_COMMUNICATOR)
        return false;
    for (int i = 0; i < y->model->nsymbols; i++)
        if (y->model->symbols[i].lo > 0)
            return false;
    return true;
}

static const char *ways_differ(fv_session *s, fv_arena *a, const instance *x, const char *value) {
    way ways[] = {{"stated", "0", NULL, {0}, NULL, NULL},
                  {"by --dim", "zz", "zz=0", {0}, NULL, NULL},
                  {"at run time", "zz", NULL, {0}, NULL, NULL}};
    for (int i = 0; i < 3; i++)
        if (!run_way(s, a, *x, value, &ways[i]))
            return NULL;
    for (int i = 1; i < 3; i++) {
        const char *why = NULL;
        if (ways[i].gives.status == FV_INTERNAL)
            why = ways[i].gives.said;
        else if (!ways[0].refused != !ways[i].refused)
            why = i == 2 && !may_be_zero(&ways[i])
                      ? NULL
                      : fv_printf(a, "%s: %s", ways[i].refused ? ways[i].name : "stated",
                                  ways[i].refused ? ways[i].refused : ways[0].refused);
        else if (!ways[0].refused)
            why = outcome_differs(a, ways[0].model, &ways[0].gives, &ways[i].gives);
        if (why)
            return fv_printf(a, "dim %s as 0, %s: %s", value, ways[i].name, why);
    }
    return NULL;
}

static void try_zero(sweep *w, const instance *x, const char *value) {
    fv_session *s = fv_session_new();
    fv_arena *a = fv_arena_new(s);
    fv_door door;
    int n = w->n++;
    if (n < w->skip) {
        fv_session_free(s);
        return;
    }
    const char *text = instance_text(a, x), *why = "takes too much memory";
    w->sh->at[w->slot].n = n;
    snprintf(w->sh->at[w->slot].text, sizeof w->sh->at[w->slot].text, "dim %s as 0\n%s", value,
             text);
    if (!FV_DOOR_OPEN(s, &door)) {
        why = ways_differ(s, a, x, value);
        fv_door_close(s, &door);
    }
    if (why)
        printf("FAILED %s\n%s", why, text);
    atomic_fetch_add(why ? &w->sh->failed : &w->sh->passed, 1);
    atomic_fetch_add(&w->sh->zeros, 1);
    fflush(stdout);
    fv_session_free(s);
}

static void try_zeros(sweep *w, const instance *x) {
    static const char *const values[] = {"1", "2", "3", "4", "5", "6", "7", "8", "12", "16", "24"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        instance y = *x;
        if (with_dim(&y, values[i], "0"))
            try_zero(w, x, values[i]);
    }
}

/* ---- element types ---- */

static const fv_elem elems[] = {
#define ELEM(id, name, number, bits, kind, arith) FV_##id,
#include "ir/type/type.def"
#undef ELEM
};
enum { NELEMS = sizeof elems / sizeof *elems };

static const char *variable_of(const fv_opdef *d, int i) {
    const fv_operand_def *o = fv_opdef_operand(d->in, FV_MAX_IN, i);
    return o ? o->type : "";
}

static const char *content_of(fv_arena *a, fv_elem e, const char *content) {
    fv_text t = {.arena = a};
    bool whole = !fv_elem_is_float(e);
    if (!content || e == FV_C64 || e == FV_C128)
        return NULL;
    fv_text_put(&t, "");
    for (const char *p = content; *p; p += strspn(p, " ")) {
        int n = (int)strcspn(p, " ");
        bool fits =
            strspn(p, "0123456789") >= (size_t)n && (n == 1 || fv_elem_bits(e) >= 32 || !whole);
        fv_text_printf(&t, "%s%.*s", t.n ? " " : "", fits || !whole ? n : 1,
                       fits || !whole   ? p
                       : e == FV_STRING ? "a"
                                        : "1");
        p += n;
    }
    return t.s;
}

/* The instance with that element type for all operands of the variable. */
static instance with_elem(fv_arena *a, const instance *x, const char *variable, fv_elem e) {
    instance y = *x;
    for (int i = 0; i < y.nin; i++)
        if (!y.in[i].absent && !strcmp(variable_of(x->def, i), variable)) {
            y.in[i].elem = fv_elem_name(e);
            y.in[i].content = content_of(a, e, y.in[i].content);
        }
    return y;
}

/* ---- attributes ---- */

static bool has_attr(const instance *x, const fv_attr_def *d) {
    return !d->until || x->version <= d->until;
}

static bool names_type(const fv_attr_def *d) {
    return d->kind == FV_ATTR_TYPE ||
           (d->kind == FV_ATTR_INT &&
            (strstr(d->name, "type") || strstr(d->name, "precision") || !strcmp(d->name, "to")));
}

/* All floats are others than by default. */
static instance with_floats(fv_arena *a, instance x, double v) {
    for (int i = 0; i < FV_MAX_ATTRS && x.def->attrs[i].name; i++)
        if (x.def->attrs[i].kind == FV_ATTR_FLOAT && has_attr(&x, &x.def->attrs[i]))
            instance_set(&x, x.def->attrs[i].name, fv_printf(a, "%.2f", v));
    return x;
}

static bool has_floats(const instance *x) {
    for (int i = 0; i < FV_MAX_ATTRS && x->def->attrs[i].name; i++)
        if (x->def->attrs[i].kind == FV_ATTR_FLOAT && has_attr(x, &x->def->attrs[i]))
            return true;
    return false;
}

static const char *const words[] = {
    "DCR",           "CRD",     "SAME_UPPER",    "SAME_LOWER",  "VALID",   "LEFT",
    "RIGHT",         "add",     "align_corners", "asymmetric",  "avg",     "bicubic",
    "bidirectional", "ceil",    "circular",      "constant",    "cubic",   "edge",
    "euclidean",     "floor",   "gated",         "gated_delta", "gelu",    "half_pixel",
    "linear",        "max",     "mean",          "min",         "mul",     "nearest",
    "none",          "reflect", "reflection",    "relu",        "reverse", "silu",
    "sum",           "tanh",    "wrap",          "zeros"};

static void try_attr(sweep *w, fv_arena *a, const instance *base, const fv_attr_def *d) {
    instance x = *base;
    const attribute *own = instance_attr(&x, d->name);
    int64_t usual = own && own->value ? strtoll(own->value, NULL, 10) : d->has_default ? d->i : 0;
    if (names_type(d))
        for (int i = 0; i < NELEMS; i++) {
            instance_set(&x, d->name, fv_printf(a, "%d", (int)elems[i]));
            try_it(w, &x, false);
        }
    else if (d->kind == FV_ATTR_INT)
        for (int i = 0; i < 2; i++) {
            int64_t v = i ? usual - 1 : usual == 1 ? 0 : usual + 1;
            instance_set(&x, d->name, fv_printf(a, "%" PRId64, v));
            try_it(w, &x, false);
        }
    else if (d->kind == FV_ATTR_STRING)
        for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
            instance_set(&x, d->name, fv_printf(a, "\"%s\"", words[i]));
            try_it(w, &x, false);
        }
}

static void try_attrs(sweep *w, fv_arena *a, const instance *x, bool always) {
    try_it(w, x, always);
    if (has_floats(x))
        for (int i = 0; i < 2; i++) {
            instance y = with_floats(a, *x, i ? 1.5 : 0.5);
            try_it(w, &y, always && !i);
        }
    for (int i = 0; i < FV_MAX_ATTRS && x->def->attrs[i].name; i++)
        if (has_attr(x, &x->def->attrs[i]))
            try_attr(w, a, x, &x->def->attrs[i]);
}

/* ---- one operator ---- */

static void try_line(sweep *w, fv_arena *a, const instance *line, bool newest) {
    const fv_opdef *d = line->def;
    try_attrs(w, a, line, newest);
    if (newest)
        try_zeros(w, line);
    for (int v = 0; v < FV_MAX_TYPEVARS && d->types[v].name; v++)
        for (int i = 0; i < NELEMS; i++) {
            instance x = with_elem(a, line, d->types[v].name, elems[i]);
            try_attrs(w, a, &x, newest && d->types[v].set >> elems[i] & 1);
            for (int u = v + 1; u < FV_MAX_TYPEVARS && d->types[u].name; u++)
                for (int k = 0; k < NELEMS; k++)
                    if (d->types[v].set >> elems[i] & 1 && d->types[u].set >> elems[k] & 1) {
                        instance both = with_elem(a, &x, d->types[u].name, elems[k]);
                        try_it(w, &both, false);
                    }
        }
}

static void try_operator(sweep *w, const fv_opdef *d) {
    fv_session *s = fv_session_new();
    fv_arena *a = fv_arena_new(s);
    for (int v = 0; v < FV_MAX_VERSIONS && d->since[v]; v++) {
        instance lines[MAX_LINES];
        int n = instance_lines(a, w->cases, d, d->since[v], lines, MAX_LINES);
        for (int i = 0; i < n; i++)
            try_line(w, a, &lines[i], v + 1 == FV_MAX_VERSIONS || !d->since[v + 1]);
    }
    fv_session_free(s);
}

/* ---- all of them ---- */

typedef struct job {
    pid_t pid;
    int op;
} job;

static void start(sweep *w, job *j, int slot, int op, int skip) {
    fflush(stdout);
    *j = (job){fork(), op};
    if (j->pid)
        return;
    setrlimit(RLIMIT_AS, &(struct rlimit){(rlim_t)MEMORY_GIB << 30, (rlim_t)MEMORY_GIB << 30});
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    w->slot = slot;
    w->skip = skip;
    try_operator(w, fv_op_at(op));
    fflush(stdout);
    _exit(0);
}

/* The number of the next operator that the options select; fv_op_count(): there is none. */
static int next_op(const options *o, int from) {
    fv_session *s = fv_session_new();
    fv_arena *a = fv_arena_new(s);
    while (from < fv_op_count() &&
           (!instance_is_onnx(&(instance){.def = fv_op_at(from)}) ||
            (o->only && strcmp(o->only, fv_opdef_qualified(a, fv_op_at(from))) != 0)))
        from++;
    fv_session_free(s);
    return from;
}

static void run_all(sweep *w) {
    job jobs[MAX_JOBS] = {0};
    int running = 0, next = next_op(w->o, 0), status;
    for (; running < w->o->jobs && next < fv_op_count(); running++, next = next_op(w->o, next + 1))
        start(w, &jobs[running], running, next, 0);
    int slots = running;
    while (running) {
        pid_t pid = wait(&status);
        int slot = 0;
        while (slot < slots && jobs[slot].pid != pid)
            slot++;
        if (slot == slots)
            continue;
        if (status) {
            printf("FAILED: the process ended: %s\n%s",
                   WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "status",
                   w->sh->at[slot].text);
            atomic_fetch_add(&w->sh->failed, 1);
            start(w, &jobs[slot], slot, jobs[slot].op, w->sh->at[slot].n + 1);
        } else if (next < fv_op_count()) {
            start(w, &jobs[slot], slot, next, 0);
            next = next_op(w->o, next + 1);
        } else
            running--;
    }
}

/* NULL: it cannot be read. */
static const char *read_cases(fv_arena *a) {
    FILE *f = fopen(FV_SOURCE_ROOT "/tests/catalogue/cases.txt", "r");
    fv_text t = {.arena = a};
    char line[8192];
    while (f && fgets(line, sizeof line, f))
        fv_text_put(&t, line);
    if (f)
        fclose(f);
    return t.s;
}

static bool read_options(options *o, int argc, char **argv) {
    *o = (options){.seed = 1, .share = 1, .jobs = 2};
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];
        if (!strncmp(arg, "--seed=", 7))
            o->seed = strtoull(arg + 7, NULL, 0);
        else if (!strncmp(arg, "--share=", 8) && strtoull(arg + 8, NULL, 0) > 0)
            o->share = strtoull(arg + 8, NULL, 0);
        else if (!strncmp(arg, "--only=", 7))
            o->only = arg + 7;
        else if (!strcmp(arg, "--show"))
            o->show = true;
        else if (!strncmp(arg, "-j", 2) && atoi(arg + 2) > 0 && atoi(arg + 2) <= MAX_JOBS)
            o->jobs = atoi(arg + 2);
        else
            return false;
    }
    return true;
}

int main(int argc, char **argv) {
    options o;
    if (!read_options(&o, argc, argv)) {
        fprintf(stderr, "usage: types [--seed=S] [--share=N] [--only=OP] [-jN] [--show]\n");
        return 2;
    }
    fv_session *s = fv_session_new();
    shared *sh = mmap(NULL, sizeof *sh, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (!s || sh == MAP_FAILED)
        return 2;
    sweep w = {.o = &o, .sh = sh, .cases = read_cases(fv_arena_new(s))};
    if (!w.cases)
        return 2;
    run_all(&w);
    printf("seed %" PRIu64 ", one of %" PRIu64
           ": %d refused, %d runs, of which %d of code in memory; against the naive schedule %d "
           "equal, %d close; %d with dims of 0\n",
           o.seed, o.share, sh->refused, sh->ran, sh->jit, sh->same, sh->close, sh->zeros);
    printf("%d passed, %d failed\n", sh->passed, sh->failed);
    fv_session_free(s);
    return sh->failed != 0;
}
