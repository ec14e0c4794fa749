/* The memory plan: tests/ops/plan.txt states which value is stored in which buffer, and how kernels
 * are launched. Values of these programs that are alive at the same time must not overlap, for all
 * sizes, and the workspace must be hardly larger than they are. tests/ops/order.txt states the
 * order of axes in memory, tests/ops/group.txt what one kernel computes, tests/ops/rows.txt what
 * the passes over a row keep. */
#include <criterion/criterion.h>
#include <string.h>

#include "backend/consumer/consumer.h"
#include "backend/lower.h"
#include "ir/base/ptrmap.h"
#include "ir/expr/rewrite.h"
#include "ir/graph/parse.h"
#include "ir/kernel/build.h"
#include "ir/kernel/print.h"
#include "ir/kernel/verify.h"
#include "passes/passes.h"
#include "tests/kernel/support.h"

TestSuite(plan, .init = open_session, .fini = close_session);

static fv_program *lower(const char *text) {
    fv_module *m =
        fv_module_parse(session, fv_printf(arena, "fovea-ir 1\nmodule \"m\"\n%s", text), NULL);
    fv_pipeline_options po = {.verify = true};
    fv_lower_options lo = {.target = fv_target_find("x86-64-v3")};
    cr_assert(m && fv_run_passes(m, fv_pipeline('2'), &po), "%s", said());
    fv_program *p = fv_lower(m, &lo);
    cr_assert(p && fv_program_verify(session, p), "%s", said());
    fv_program_number(p);
    return p;
}

/* ---- for some sizes ---- */

typedef struct sized {
    const fv_program *p;
    fv_ptrmap values;
    int64_t *at, *end, total; /* of each buffer of the workspace */
    int *first, *last;        /* launches, from 1 on; 0: none */
    int nlaunches;
} sized;

static int64_t number(sized *z, const fv_expr *x) {
    fv_ptrmap memo = fv_ptrmap_in(arena);
    int64_t n = -1;
    cr_assert(fv_x_is_int(fv_x_subst(arena, x, &z->values, &memo), &n));
    return n;
}

static void find_lives(sized *z) {
    z->first = FV_NEW(arena, int, z->p->memory.nbuffers + 1);
    z->last = FV_NEW(arena, int, z->p->memory.nbuffers + 1);
    for (const fv_stmt *s = z->p->host.body.first; s; s = s->next) {
        if (s->kind != FV_S_LAUNCH)
            continue;
        z->nlaunches++;
        for (int i = 0; i < s->call.kernel->nbufs; i++) {
            int b = s->call.args[i]->id;
            z->first[b] = z->first[b] ? z->first[b] : z->nlaunches;
            z->last[b] = z->nlaunches;
        }
    }
}

static sized at_size(const fv_program *p, const int64_t *dims) {
    sized z = {.p = p,
               .values = fv_ptrmap_in(arena),
               .at = FV_NEW(arena, int64_t, p->memory.nbuffers + 1),
               .end = FV_NEW(arena, int64_t, p->memory.nbuffers + 1)};
    for (int i = 0; i < p->symbols.n; i++)
        *fv_ptrmap_at(&z.values, p->symbols.vars[i]) = fv_x_int(arena, dims[i]);
    for (const fv_stmt *s = p->host.plan.first; s; s = s->next)
        if (s->kind == FV_S_LET && !fv_ptrmap_get(&z.values, s->var))
            *fv_ptrmap_at(&z.values, s->var) = fv_x_int(arena, number(&z, s->x));
    for (int i = 0; i < p->memory.nbuffers; i++)
        if (p->memory.buffers[i]->role == FV_BUF_WORK) {
            z.at[i] = number(&z, p->memory.buffers[i]->offset);
            if (__builtin_add_overflow(z.at[i], number(&z, p->memory.buffers[i]->bytes), &z.end[i]))
                z.end[i] = INT64_MAX;
        }
    z.total = number(&z, p->memory.workspace);
    find_lives(&z);
    return z;
}

/* What lives at once takes so much, each buffer a multiple of 64. */
static int64_t bound_of(const sized *z) {
    int64_t most = 0;
    for (int k = 1; k <= z->nlaunches; k++) {
        int64_t sum = 0;
        for (int b = 0; b < z->p->memory.nbuffers; b++)
            if (z->first[b] && z->first[b] <= k && k <= z->last[b])
                sum += (z->end[b] - z->at[b] + 63) / 64 * 64;
        most = sum > most ? sum : most;
    }
    return most;
}

static void check_apart(const sized *z) {
    for (int i = 0; i < z->p->memory.nbuffers; i++) {
        cr_expect(z->at[i] >= 0 && z->at[i] % 64 == 0 && z->end[i] <= z->total);
        for (int k = 0; k < i; k++) {
            bool together = z->first[i] && z->first[k] && z->first[i] <= z->last[k] &&
                            z->first[k] <= z->last[i];
            bool apart = z->end[i] <= z->at[k] || z->end[k] <= z->at[i];
            cr_expect(!together || apart, "%s at %lld and %s at %lld",
                      z->p->memory.buffers[i]->name, (long long)z->at[i],
                      z->p->memory.buffers[k]->name, (long long)z->at[k]);
        }
    }
}

/* For all sizes of symbols with a few, and some of the others. */
static void check_sizes(const fv_program *p, int64_t *dims, int n) {
    static const int64_t some[] = {0, 1, 2, 7, 16, 128, 1000};
    if (n == p->symbols.n) {
        sized z = at_size(p, dims);
        check_apart(&z);
        return;
    }
    const fv_dim *d = p->symbols.all[n];
    for (int64_t i = d->lo; i <= d->hi && d->hi - d->lo <= 64; i++) {
        dims[n] = i;
        check_sizes(p, dims, n + 1);
    }
    for (size_t i = 0; i < sizeof some / sizeof *some && d->hi - d->lo > 64; i++) {
        dims[n] = some[i];
        if (d->lo <= some[i] && some[i] <= d->hi)
            check_sizes(p, dims, n + 1);
    }
}

/* ---- what lies where ---- */

static void put_list(fv_text *t, const char *what, int n, const char *const *names) {
    for (int i = 0; i < n; i++)
        fv_text_printf(t, "%s%s", i ? ", " : what, names[i]);
}

static const char *plan(const char *options, const char *input) {
    static const char *const roles[] = {[FV_BUF_INPUT] = "input",
                                        [FV_BUF_OUTPUT] = "output",
                                        [FV_BUF_CONST] = "const",
                                        [FV_BUF_WORK] = "work",
                                        [FV_BUF_HEAP] = "heap"};
    const fv_program *p = lower(input);
    int64_t dims[8];
    fv_text t = {.arena = arena};
    check_sizes(p, dims, 0);
    for (int i = 0; i < p->memory.nbuffers; i++) {
        const fv_buf *b = p->memory.buffers[i];
        fv_text_printf(&t, "%s %s", roles[b->role], b->name);
        put_list(&t, ", over ", b->sharing.nover, b->sharing.over);
        put_list(&t, ", parts ", b->sharing.nparts, b->sharing.parts);
        if (b->role == FV_BUF_WORK && strstr(options, "offsets")) {
            fv_text_put(&t, " at ");
            fv_expr_print(&t, b->offset);
        }
        fv_text_put(&t, "\n");
    }
    for (const fv_stmt *s = p->host.body.first; s; s = s->next) {
        if (s->kind != FV_S_LAUNCH)
            continue;
        fv_text_printf(&t, "%s(", s->call.kernel->name);
        for (int i = 0; i < s->call.kernel->nbufs; i++)
            fv_text_printf(&t, "%s%s%s", i ? ", " : "",
                           s->call.kernel->bufs[i]->role == FV_BUF_IN      ? ""
                           : s->call.kernel->bufs[i]->role == FV_BUF_INOUT ? "inout "
                                                                           : "out ",
                           s->call.args[i]->name);
        fv_text_put(&t, ")\n");
    }
    return t.s;
}

Test(plan, what_lies_where) {
    check_golden("../ops/plan.txt", plan);
}

/* Names are for people: two values may have the same one. */
Test(plan, names_tell_nothing) {
    fv_module *m = fv_module_parse(session,
                                   "fovea-ir 1\nmodule \"m\"\nsymbol n 0..1000\n"
                                   "func @main(%x: f32[n, 16, 9, 9], %u: f32[n, 16, 9, 9], %w: "
                                   "f32[16, 16, 3, 3]) -> (%y, %z) {\n"
                                   "  %a = Tanh(%x)\n  %b = Tanh(%u)\n  %y = Conv(%a, %w) {pads = "
                                   "[1, 1, 1, 1]}\n  %z = Conv(%b, %w) {pads = [1, 1, 1, 1]}\n"
                                   "  return %y, %z\n}\n",
                                   NULL);
    fv_pipeline_options po = {.verify = true};
    fv_lower_options lo = {.target = fv_target_find("x86-64-v3")};
    cr_assert(m && fv_run_passes(m, fv_pipeline('2'), &po), "%s", said());
    fv_op *first = m->funcs->body->first;
    cr_assert(fv_op_is(first, FV_OP_Tanh) && fv_op_is(first->next, FV_OP_Tanh));
    first->next->out[0]->name = first->out[0]->name;
    fv_program *p = fv_lower(m, &lo);
    cr_assert(p && fv_program_verify(session, p), "%s", said());
    const fv_buf *read[2];
    int n = 0;
    for (const fv_stmt *s = p->host.body.first; s; s = s->next)
        if (s->kind == FV_S_LAUNCH && s->call.kernel->schedule->kind == FV_SCHEDULE_contract &&
            n < 2)
            read[n++] = s->call.args[1]->role == FV_BUF_WORK ? s->call.args[1] : s->call.args[0];
    cr_assert_eq(n, 2);
    cr_expect_neq(read[0]->role, FV_BUF_INPUT);
    cr_expect_neq(read[0], read[1], "both read the windows of %s", read[0]->name);
}

/* ---- orders ---- */

static const char *kernels(const char *options, const char *input) {
    (void)options;
    const fv_program *p = lower(input);
    fv_text t = {.arena = arena};
    for (int i = 0; i < p->nkernels; i++)
        fv_text_printf(&t, "%s\n  %s\n", p->kernels[i]->formula,
                       fv_schedule_brief(arena, p->kernels[i]->schedule));
    return t.s;
}

Test(plan, which_axis_lies_last) {
    check_golden("../ops/order.txt", kernels);
}
Test(plan, what_is_one_kernel) {
    check_golden("../ops/group.txt", kernels);
}

/* ---- rows ---- */

/* Kernels, with what each keeps and what it stores. */
static const char *kept(const char *options, const char *input) {
    (void)options;
    const fv_program *p = lower(input);
    fv_text t = {.arena = arena};
    for (int i = 0; i < p->nkernels; i++) {
        const fv_kernel *k = p->kernels[i];
        fv_text body = {.arena = arena};
        fv_text_printf(&t, "%s: %s\n", k->name, fv_schedule_brief(arena, k->schedule));
        if (k->schedule->kind == FV_SCHEDULE_contract || k->schedule->kind == FV_SCHEDULE_pack)
            continue;
        fv_kernel_print(&body, k);
        for (const char *line = strstr(body.s, "} {\n"), *end; line && (end = strchr(line, '\n'));
             line = end + 1) {
            int n = (int)(end - line), indent = (int)strspn(line, " ");
            bool let =
                !strncmp(line + indent, "let kept", 8) || !strncmp(line + indent, "let held", 8);
            bool store = memchr(line, '[', (size_t)n) && strncmp(line + indent, "acc", 3) &&
                         strncmp(line + indent, "let", 3) && strncmp(line + indent, "tile", 4);
            if (let || store)
                fv_text_printf(&t, "  %.*s\n", n - indent, line + indent);
        }
    }
    return t.s;
}

Test(plan, what_a_row_keeps) {
    check_golden("../ops/rows.txt", kept);
}

/* ---- sizes ---- */

static const char block[] =
    "func @main(%x: f32[n, 32], %wq: f32[32, 32], %wk: f32[32, 32], %wv: f32[32, 32], %wo: f32[32, "
    "32]) -> (%y) {\n"
    "  %q = MatMul(%x, %wq)\n  %k = MatMul(%x, %wk)\n  %v = MatMul(%x, %wv)\n"
    "  %kt = Transpose(%k) {perm = [1, 0]}\n  %s = MatMul(%q, %kt)\n  %p = Softmax(%s) {axis = "
    "-1}\n"
    "  %o = MatMul(%p, %v)\n  %h = MatMul(%o, %wo)\n  %r = Add(%h, %x)\n  %m = ReduceMean(%r) "
    "{keepdims = 1}\n"
    "  %c = Sub(%r, %m)\n  %g = MatMul(%c, %wo)\n  %t = Tanh(%g)\n  %u = MatMul(%t, %wq)\n  %y = "
    "Add(%u, %r)\n"
    "  return %y\n}\n";

Test(plan, bounded_dims_have_constant_offsets) {
    const fv_program *p = lower(fv_printf(arena, "symbol n 1..64\n%s", block));
    int64_t n, dims[1];
    int work = 0;
    cr_expect(fv_x_is_int(p->memory.workspace, &n));
    for (const fv_stmt *s = p->host.plan.first; s; s = s->next)
        cr_expect(s->kind != FV_S_LET || s->var == p->symbols.vars[0], "%s", s->var->name);
    for (int i = 0; i < p->memory.nbuffers; i++)
        if (p->memory.buffers[i]->role == FV_BUF_WORK) {
            cr_expect(fv_x_is_int(p->memory.buffers[i]->offset, &n), "%s",
                      p->memory.buffers[i]->name);
            work++;
        }
    cr_expect_gt(work, 4);
    for (dims[0] = 1; dims[0] <= 64; dims[0]++) {
        sized z = at_size(p, dims);
        check_apart(&z);
        if (dims[0] == 64)
            cr_expect_leq(z.total, bound_of(&z) * 11 / 10);
    }
}

/* Sums that saturate are no places that overlap, but a workspace that no run has. */
Test(plan, sizes_beyond_all_memory) {
    /* 2^62, 2^68, 2^82 bytes a value */
    static const char *const sizes[] = {"1073741824", "8589934592", "1099511627775"};
    for (int i = 0; i < 3; i++) {
        const char *n = sizes[i];
        const fv_program *p =
            lower(fv_printf(arena,
                            "func @main(%%x: f32[%s, %s]) -> (%%y) {\n"
                            "  %%t = Softmax(%%x) {axis = 0}\n  %%s = Softmax(%%t) {axis = 1}\n"
                            "  %%u = MatMul(%%x, %%s)\n  %%v = MatMul(%%t, %%u)\n"
                            "  %%y = MatMul(%%v, %%t)\n  return %%y\n}\n",
                            n, n));
        int64_t most;
        cr_expect(fv_x_is_int(p->memory.workspace, &most) && most > FV_MOST_BYTES, "%s", n);
    }
    const fv_program *p =
        lower("symbol n 0..1099511627776\nfunc @main(%x: f32[n, 64]) -> (%y) {\n"
              "  %t = Transpose(%x) {perm = [1, 0]}\n  %s = MatMul(%x, %t)\n"
              "  %p = Softmax(%s) {axis = 0}\n  %y = MatMul(%p, %x)\n  return %y\n}\n");
    for (int64_t n = INT64_C(1) << 24; n < INT64_C(1) << 40; n *= 2)
        cr_expect((at_size(p, &n).total > FV_MOST_BYTES) == (n >= INT64_C(1) << 31), "%lld",
                  (long long)n);
}

/* A negative dim is found when the run gets to it; values that are computed before need memory. */
Test(plan, a_dim_that_may_be_negative) {
    const fv_program *p = lower(
        "symbol n 0..1099511627776\nconst @k: i64[2] = [1000, 0]\n"
        "func @main(%x: f32[n, 64], %z: f32[64], %u: f32[64, 64]) -> (%y) {\n"
        "  %a = MatMul(%u, %u)\n  %b = MatMul(%a, %u)\n  %s = Shape(%x)\n  %m = Sub(%s, @k)\n  %e "
        "= Expand(%z, %m)\n"
        "  %p = Softmax(%e) {axis = 0}\n  %q = Softmax(%p) {axis = 1}\n  %t = Transpose(%q) {perm "
        "= [1, 0]}\n"
        "  %g = MatMul(%t, %q)\n  %h = MatMul(%g, %b)\n  %y = MatMul(%h, %a)\n  return %y\n}\n");
    int64_t sizes[] = {0, 900, 999, 1000, 1001, 2000};
    for (int i = 0; i < 6; i++) {
        sized z = at_size(p, &sizes[i]);
        check_apart(&z);
        cr_expect_leq(z.total, 1 << 20);
    }
}

Test(plan, unbounded_dims_have_computed_offsets) {
    static const char *const symbols[] = {"symbol n 0..1099511627776\n", "symbol n 0..1000000\n"};
    for (int i = 0; i < 2; i++) { /* no bound; one that says little */
        const fv_program *p = lower(fv_printf(arena, "%s%s", symbols[i], block));
        int64_t n, dims[1];
        cr_expect_not(fv_x_is_int(p->memory.workspace, &n));
        for (dims[0] = 0; dims[0] <= 300; dims[0]++) {
            sized z = at_size(p, dims);
            check_apart(&z);
            if (dims[0] >= 64)
                cr_expect_leq(z.total, bound_of(&z) * 11 / 10, "%lld: %lld, %lld",
                              (long long)dims[0], (long long)z.total, (long long)bound_of(&z));
        }
    }
}
