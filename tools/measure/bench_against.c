/* bench_against.c - opens the program with which `fovea bench` compares: ONNX Runtime, another
 * backend of Fovea, or a library that was compiled before. */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/measure/bench.h"

/* ---- the program compared with ---- */

static bool find_backend(const char *name, fv_backend_kind *out) {
    static const fv_backend_kind all[] = {FV_BACKEND_JIT, FV_BACKEND_C, FV_BACKEND_INTERP};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        *out = all[i];
        if (!strcmp(name, fv_backend_name(all[i])))
            return true;
    }
    return false;
}

/* Is the file a library that `fovea compile` made? */
static bool is_ours(const char *path) {
    char *full = access(path, F_OK) ? NULL : realpath(path, NULL);
    /* RTLD_NOW: a missing symbol is reported here; if it were resolved later, it would end this
     * process */
    void *lib = full && !fv_library_fault(full) ? dlopen(full, RTLD_NOW | RTLD_LOCAL) : NULL;
    bool ours = lib && dlsym(lib, "fovea_model");
    free(full);
    if (ours)
        dlclose(lib); /* only our own library is closed, since closing others may crash */
    return ours;
}

bool fv_against_is_other(const char *against) {
    fv_backend_kind backend;
    return against && !find_backend(against, &backend) && !is_ours(against);
}

/* ---- one of ours ---- */

static bool takes_the_same(fv_bench *b, const fv_subject *other) {
    const fv_model *t = b->m.table, *o = other->table;
    bool same = t->ninputs == o->ninputs && t->noutputs == o->noutputs;
    for (int i = 0; same && i < t->ninputs; i++)
        same = t->inputs[i].type == o->inputs[i].type && t->inputs[i].rank == o->inputs[i].rank;
    return same ||
           fv_error(b->c->session, "--against: %s has other inputs or outputs", other->path);
}

/* Gives the other program the inputs of the first one; the values of its dims follow from them. */
static bool share_inputs(fv_bench *b, fv_subject *other) {
    fv_log *log = fv_log_new();
    memcpy(other->data.inputs, b->m.data.inputs,
           (size_t)other->table->ninputs * sizeof *other->data.inputs);
    for (int i = 0; i < other->table->ninputs; i++) {
        fv_array *x = &other->data.inputs[i];
        if (!other->table->inputs[i].in_place || !x->data)
            /* an input that a run writes to is copied, so that each program has its own */
            continue;
        size_t bytes = fv_array_bytes(x);
        void *own = fv_alloc_aligned(b->c->arena, bytes + 1, 64);
        x->data = memcpy(own, x->data, bytes);
    }
    bool ok = fv_solve_dims(other->table, other->data.inputs, other->data.dims, log) == FV_OK ||
              fv_say_log(b->c, log);
    fv_log_free(log);
    return ok;
}

static bool open_subject(fv_bench *b) {
    const char *against = b->c->args->bench.against;
    fv_backend_kind backend = FV_BACKEND_JIT;
    bool named = find_backend(against, &backend);
    double start = fv_now_ms();
    if (b->other)
        return true;
    b->other = FV_NEW(b->c->arena, fv_subject, 1);
    if (!fv_subject_open(b->c, named ? b->m.path : against, backend, b->other))
        return false;
    b->other_ms = fv_now_ms() - start;
    return takes_the_same(b, b->other) && share_inputs(b, b->other);
}

static bool open_ours(fv_bench *b, fv_measurement *m) {
    fv_runner *r = FV_NEW(b->c->arena, fv_runner, 1);
    m->theirs.ours = r;
    if (!open_subject(b) || !fv_runner_open(b->c, b->other, m->threads, r))
        return false;
    m->against = fv_printf(b->c->arena, "fovea %s", b->c->args->bench.against);
    m->against_load_ms = b->other_ms;
    return true;
}

/* ---- ONNX Runtime ---- */

static bool open_ort(fv_bench *b, fv_measurement *m) {
    const fv_args *a = b->c->args;
    const char *model = a->bench.against_model ? a->bench.against_model : b->m.path;
    fv_ort *o = fv_ort_open(b->c, a->bench.against, model, m->threads);
    m->theirs.theirs = o;
    if (!o || !fv_ort_bind(o, b->m.table, b->m.data.inputs))
        return false;
    fv_note_read(b->c, a->bench.against);
    fv_note_read(b->c, model);
    m->against = fv_ort_name(o);
    m->against_load_ms = fv_ort_load_ms(o);
    return true;
}

/* ---- all ---- */

bool fv_against_open(fv_bench *b, fv_measurement *m) {
    const char *against = b->c->args->bench.against;
    if (!against)
        return true;
    return fv_against_is_other(against) ? open_ort(b, m) : open_ours(b, m);
}

static bool output_of(fv_bench *b, const fv_measurement *m, int i, fv_array *out) {
    if (m->theirs.theirs)
        return fv_ort_output(m->theirs.theirs, i, out);
    *out = b->other->data.outputs[i];
    return true;
}

bool fv_against_compare(fv_bench *b, fv_measurement *m) {
    const fv_args *a = b->c->args;
    if (!m->against)
        return true;
    m->differences = FV_NEW(b->c->arena, fv_difference, b->m.table->noutputs + 1);
    for (int i = 0; i < b->m.table->noutputs; i++) {
        fv_array theirs;
        if (!output_of(b, m, i, &theirs))
            return false;
        m->differences[i] =
            fv_differ(b->c->arena, &b->m.data.outputs[i], &theirs, a->data.atol, a->data.rtol);
    }
    return true;
}

void fv_against_close(fv_measurement *m) {
    fv_ort_close(m->theirs.theirs);
    if (m->theirs.ours && m->theirs.ours->m)
        fv_runner_close(m->theirs.ours);
    m->theirs.theirs = NULL;
    m->theirs.ours = NULL;
}
