/* parts.c - compiles code in memory on several threads: the kernels of a program are distributed
 * over modules, each with an LLVM context of its own.
 *
 * The distribution depends on the program only, and therefore so do the objects. Emitting LLVM IR
 * takes little of the time and allocates from the session, so the calling thread does it for one
 * module after the other. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "backend/llvm/emit.h"

/* Smallest number of statements for which another module is created, since a module costs about a
 * millisecond. */
#define WORTH_A_PART 150

/* ---- distribution over modules ---- */

static int count_statements(const fv_block *b) {
    int n = 0;
    for (const fv_stmt *s = b->first; s; s = s->next)
        n += 1 + count_statements(&s->body) + count_statements(&s->other);
    return n;
}

typedef struct load {
    int kernel, statements;
} load;

/* Orders kernels by size, the largest first; equal ones by number. */
static int by_size(const void *a, const void *b) {
    const load *x = a, *y = b;
    return x->statements != y->statements ? y->statements - x->statements : x->kernel - y->kernel;
}

static int least(const int *sum, int n) {
    int at = 0;
    for (int i = 1; i < n; i++)
        if (sum[i] < sum[at])
            at = i;
    return at;
}

/* Assigns each kernel to the module with the fewest statements so far. Module 0 begins with the
 * statements of the run and the plan. Returns the number of modules. */
static int deal_out(fv_arena *a, const fv_program *p, unsigned char *part_of) {
    load *all = FV_NEW(a, load, p->nkernels + 1);
    int sum[FV_LL_MOST_PARTS] = {count_statements(&p->host.body) + count_statements(&p->host.plan)},
        total = sum[0];
    for (int i = 0; i < p->nkernels; i++) {
        all[i] = (load){i, count_statements(&p->kernels[i]->body)};
        total += all[i].statements;
    }
    int n = total / WORTH_A_PART < 1                  ? 1
            : total / WORTH_A_PART > FV_LL_MOST_PARTS ? FV_LL_MOST_PARTS
                                                      : total / WORTH_A_PART;
    qsort(all, (size_t)p->nkernels, sizeof *all, by_size);
    for (int i = 0; i < p->nkernels; i++) {
        int part = least(sum, n);
        part_of[all[i].kernel] = (unsigned char)part;
        sum[part] += all[i].statements;
    }
    return n;
}

bool fv_ll_parts_emit(fv_ll_parts *ps, fv_session *s, const fv_program *p,
                      const fv_llvm_options *o) {
    fv_arena *a = fv_arena_new(s);
    unsigned char *part_of = FV_NEW(a, unsigned char, p->nkernels + 1);
    ps->n = deal_out(a, p, part_of);
    bool ok = true;
    for (int i = 0; i < ps->n && ok; i++) {
        ps->module[i].part.number = i;
        ps->module[i].part.of = ps->n > 1 ? part_of : NULL;
        ok = fv_ll_open(&ps->module[i], s, p, o, true) && fv_ll_emit(&ps->module[i]);
    }
    fv_arena_free(a);
    return ok;
}

/* ---- compiling ---- */

typedef struct work {
    fv_ll_parts *parts;
    atomic_int next;
} work;

static void *compile_some(void *arg) {
    work *w = arg;
    for (int i; (i = atomic_fetch_add(&w->next, 1)) < w->parts->n;)
        w->parts->object[i] = fv_ll_make_object(&w->parts->module[i]);
    return NULL;
}

/* The number of cores that the process may use; FV_LL_MOST_PARTS if it is not known, as with more
 * than 1024 cores. */
static int cores(void) {
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) ? FV_LL_MOST_PARTS : CPU_COUNT(&set);
}

bool fv_ll_parts_compile(fv_ll_parts *ps) {
    work w = {.parts = ps};
    pthread_t thread[FV_LL_MOST_PARTS];
    int most = cores(), started = 0;
    bool ok = true;
    while (started < ps->n - 1 && started < most - 1 &&
           pthread_create(&thread[started], NULL, compile_some, &w) == 0)
        started++;
    compile_some(&w);
    for (int i = 0; i < started; i++)
        pthread_join(thread[i], NULL);
    for (int i = 0; i < ps->n; i++)
        ok = fv_ll_report(&ps->module[i]) && ok;
    return ok;
}

void fv_ll_parts_close(fv_ll_parts *ps) {
    for (int i = 0; i < ps->n; i++) {
        if (ps->object[i])
            LLVMDisposeMemoryBuffer(ps->object[i]);
        ps->object[i] = NULL;
        fv_ll_close(&ps->module[i]);
    }
}
