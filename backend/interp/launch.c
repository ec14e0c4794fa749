/* launch.c - runs the tasks of a kernel: on one register file, one after the other, or, if the
 * caller's env has a parallel_for, each on a register file of its own. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "backend/interp/code.h"

typedef struct launch {
    const bytecode *code;
    /* the register file in which the part of the code that is executed once per launch was
     * executed */
    const unsigned char *kept;
    const slot *args;
    const volatile int32_t *cancel;
    int64_t left; /* number of iterations that each frame may execute */
    fault_text *fault;
    refused_index *refused;
    _Atomic int status; /* status of the first task that failed, otherwise FV_OK */
    _Atomic int required;
} launch;

/* Allocates the register file and the slots as one block of memory. */
bool fv_i_frame_new(frame *f, const bytecode *c, fault_text *fault) {
    size_t slots_at = (c->file.bytes + 63) / 64 * 64;
    size_t bytes = slots_at + ((size_t)c->nslots * sizeof(slot) + 63) / 64 * 64;
    *f = (frame){.code = c, .fault = fault, .left = INT64_MAX};
    f->r = aligned_alloc(64, bytes + 64);
    if (!f->r)
        return false;
    f->slots = (slot *)(void *)(f->r + slots_at);
    memset(f->slots, 0, (size_t)c->nslots * sizeof(slot));
    if (c->file.image_bytes)
        memcpy(f->r + c->file.image_at, c->file.image, c->file.image_bytes);
    for (int i = 0; i < c->ntiles; i++)
        f->slots[c->tiles[i].slot] = (slot){f->r + c->tiles[i].at, c->tiles[i].bytes};
    return true;
}

static bool frame_new(frame *f, const launch *l) {
    if (!fv_i_frame_new(f, l->code, l->fault))
        return false;
    f->cancel = l->cancel;
    f->left = l->left;
    f->refused = l->refused;
    if (l->code->nparams)
        memcpy(f->slots, l->args, (size_t)l->code->nparams * sizeof(slot));
    return true;
}

static void stop(launch *l, int status) {
    int ok = FV_OK;
    atomic_compare_exchange_strong(&l->status, &ok, status);
}

static void run_task(launch *l, frame *f, int64_t task) {
    *AS(reg_i64, f, l->code->task_at) = task;
    int status = --f->left < 0 ? FV_CANCELLED : fv_i_exec(f, l->code->task);
    if (status != FV_OK)
        stop(l, status);
    if (f->required)
        atomic_store(&l->required, 1);
}

/* Runs one task, on any thread. */
static void task_alone(void *arg, int64_t task) {
    launch *l = arg;
    frame f;
    if (atomic_load(&l->status) != FV_OK)
        return;
    if (!frame_new(&f, l)) {
        stop(l, FV_NO_MEMORY);
        return;
    }
    memcpy(f.r, l->kept, l->code->file.kept);
    run_task(l, &f, task);
    free(f.r);
}

/* Is the memory of an argument as large as the kernel declares? */
static bool holds(frame *f, const param *p, const slot *s) {
    uint64_t need = p->size;
    for (int k = 0; k < p->rank; k++) {
        int64_t extent = reg_int(f, p->extent[k]);
        if (extent == 0)
            return true;
        if (extent < 0 || __builtin_mul_overflow(need, (uint64_t)extent, &need))
            need = UINT64_MAX / 2;
    }
    if (need <= s->bytes)
        return true;
    fv_i_fault(f, "buffer %s needs %" PRIu64 " bytes, is given %zu", p->buf->name, need, s->bytes);
    return false;
}

static void run_tasks(launch *l, frame *f, const fv_env *env) {
    int64_t n = reg_int(f, l->code->tasks_at);
    if (env && env->parallel_for && n > 1) {
        env->parallel_for(env->user, task_alone, l, n);
        return;
    }
    for (int64_t i = 0; i < n && atomic_load(&l->status) == FV_OK; i++)
        run_task(l, f, i);
}

int fv_i_launch(const bytecode *k, const int64_t *dims, const slot *args, const fv_env *env,
                fault_text *fault, refused_index *refused, int64_t *left) {
    launch l = {.code = k,
                .args = args,
                .fault = fault,
                .refused = refused,
                .left = *left,
                .cancel = env ? env->cancel : NULL};
    frame f;
    if (!frame_new(&f, &l))
        return FV_NO_MEMORY;
    for (int i = 0; i < k->ndims; i++)
        *AS(reg_i64, &f, k->dim_at[i]) = dims[i];
    fv_i_exec(&f, k->insns);
    l.kept = f.r;
    bool legal = true;
    for (int i = 0; i < k->nparams && legal; i++)
        legal = holds(&f, &k->params[i], &args[i]);
    if (legal)
        run_tasks(&l, &f, env);
    *left = f.left;
    free(f.r);
    int status = legal ? atomic_load(&l.status) : FV_INTERNAL;
    return status == FV_OK && atomic_load(&l.required) ? FV_BAD_INDEX : status;
}

int fv_interp_kernel(fv_arena *a, const fv_kernel *k, const int64_t *dims, const fv_span *bufs,
                     const fv_env *env, const char **fault) {
    fault_text *text = FV_NEW(a, fault_text, 1);
    if (fault)
        *fault = NULL;
    const bytecode *c = fv_i_compile_kernel(a, k);
    if (!c)
        return FV_INTERNAL;
    slot *args = FV_NEW(a, slot, k->nbufs);
    for (int i = 0; i < k->nbufs; i++)
        args[i] = (slot){bufs[i].data, bufs[i].bytes};
    int status = fv_i_launch(c, dims, args, env, text, NULL, &(int64_t){INT64_MAX});
    if (fault && atomic_load(&text->taken))
        *fault = text->text;
    return status;
}
