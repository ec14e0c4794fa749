/* attend.c - see attend.h. */
#include "tests/ops/attend.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "backend/consumer/consumer.h"
#include "backend/expand/expand.h"
#include "backend/interp/interp.h"
#include "backend/lower.h"
#include "ir/graph/parse.h"
#include "ir/kernel/program_print.h"
#include "ir/kernel/verify.h"
#include "passes/passes.h"
#include "tests/kernel/support.h"
#include "tests/sample.h"

pattern hides;
float fill;
bool poisoned;
spoiled_element spoiled;

/* Vector bits, registers, second-level cache: blocks of one tile to four. */
static const struct tiling {
    int bits, registers, l2_bytes;
} tilings[TILINGS] = {{512, 32, 1 << 20},
                      {512, 32, 1 << 10},
                      {256, 16, 1 << 15},
                      {128, 16, 1 << 12},
                      {0, 16, 1 << 16}};

fv_target tiled(size_t t) {
    fv_target target = *fv_target_find("x86-64-v3");
    target.vector_bits = tilings[t].bits;
    target.vector_registers = tilings[t].registers;
    target.caches.l2_bytes = tilings[t].l2_bytes;
    return target;
}

static fv_program *lower_without(const char *const *steps, const char *body, const char *returned,
                                 const fv_target *target) {
    const char *at = strstr(body, "(%y)");
    cr_assert(at);
    const char *text = fv_printf(
        arena,
        "fovea-ir 1\nmodule \"m\"\nsymbol n 0..4096\nsymbol m 0..4096\n%.*s(%s)%s  return %s\n}\n",
        (int)(at - body), body, returned, at + 4, returned);
    fv_module *g = fv_module_parse(session, text, NULL);
    fv_pipeline_options po = {.verify = true};
    fv_lower_options lo = {.target = target, .without = steps};
    cr_assert(g && fv_run_passes(g, fv_pipeline('2'), &po), "%s", said());
    fv_program *p = fv_lower(g, &lo);
    cr_assert(p && fv_program_verify(session, p), "%s", said());
    fv_program_expand(p);
    return p;
}

fv_program *lower(const char *body, const char *returned, const fv_target *target) {
    return lower_without(NULL, body, returned, target);
}

/* In kernels of their own. */
fv_program *lower_apart(const char *body, const char *returned, const fv_target *target) {
    static const char *const steps[] = {"join", NULL};
    return lower_without(steps, body, returned, target);
}

int attends(const fv_program *p) {
    int n = 0;
    for (int i = 0; i < p->nkernels; i++)
        n += p->kernels[i]->schedule->kind == FV_SCHEDULE_attend;
    return n;
}

static int64_t count_of(const fv_program *p, const fv_port *port, const int64_t *dims) {
    int64_t n = 1;
    for (int i = 0; i < port->rank; i++) {
        int64_t d = port->dims[i]->value;
        for (int k = 0; k < p->symbols.n; k++)
            d = port->dims[i] == p->symbols.all[k] ? dims[k] : d;
        n *= d;
    }
    return n;
}

bool is_seen(int64_t e, int64_t n, int64_t m) {
    int64_t i = m ? e / m % (n ? n : 1) : 0, j = m ? e % m : 0;
    switch (hides) {
    case SEVENTHS: return e % 7 != 0;
    case CAUSAL: return j <= i + (m > n ? m - n : 0);
    case WINDOW: return j <= i && j > i - 9;
    case LATE: return j >= m - 10;
    case MIDDLE: return j >= m / 3 && j < m / 2;
    case NONE: return true;
    case ALL: return false;
    case ROWS: return j <= i && i % 5 != 3;
    case PATTERNS: break;
    }
    return true;
}

double element(const fv_port *port, int i, int64_t e, int64_t n, int64_t m) {
    if (spoiled.name && !strcmp(port->name, spoiled.name) && e == spoiled.at)
        return spoiled.is;
    if (!strcmp(port->name, "hide"))
        return is_seen(e, n, m) ? 0 : (double)fill;
    bool of_key = !strcmp(port->name, "k") || !strcmp(port->name, "v");
    if (poisoned && of_key && hides == LATE && e / port->dims[port->rank - 1]->value < m - 10)
        return e % 3 ? NAN : INFINITY;
    return sin((double)(e * 7 + i * 131) * 0.7) * 1.25;
}

/* That result. */
static void *run_for(int result, const fv_program *p, int n, int m, size_t *size) {
    int64_t dims[4], out_dims[16];
    const void *in[8];
    void *out[4];
    size_t bytes;
    /* r and s: of a mask that may be broadcast along n or m */
    for (int i = 0; i < p->symbols.n; i++)
        switch (p->symbols.all[i]->name[0]) {
        case 'n': dims[i] = n; break;
        case 'm': dims[i] = m; break;
        case 'r': dims[i] = n % 2 ? n : 1; break;
        default: dims[i] = m % 5 && m ? m : 1; break;
        }
    for (int i = 0; i < p->ninputs; i++) {
        int64_t count = count_of(p, &p->inputs[i], dims);
        bool wide = p->inputs[i].elem == FV_F64, flag = p->inputs[i].elem == FV_BOOL;
        in[i] = FV_NEW(arena, double, count + 1);
        for (int64_t e = 0; e < count; e++) {
            double x = flag ? 0 : element(&p->inputs[i], i, e, n, m);
            if (flag)
                ((bool *)in[i])[e] = is_seen(e, n, m);
            else if (wide)
                ((double *)in[i])[e] = x;
            else
                ((float *)in[i])[e] = (float)x;
        }
    }
    fv_interp *interp = fv_interp_new(arena, p);
    cr_assert(interp && fv_interp_plan(interp, dims, &bytes, out_dims) == 0);
    for (int i = 0; i < p->noutputs; i++) {
        int64_t count = 1;
        const int64_t *d = out_dims + fv_out_dims_at(p, i) + 1; /* behind the capacity */
        for (int k = 0; k < p->outputs[i].rank; k++)
            count *= d[k];
        out[i] = FV_NEW(arena, double, count + 1);
        if (i == result)
            *size = (size_t)(count * fv_elem_storage_bytes(p->outputs[i].elem));
    }
    int status = fv_interp_run(interp, dims, in, out, out_dims,
                               fv_alloc_aligned(arena, bytes + 64, 64), bytes, NULL);
    cr_assert_eq(status, 0, "%s", fv_interp_fault(interp));
    return out[result];
}

void *run(const fv_program *p, int n, int m, size_t *size) {
    return run_for(0, p, n, m, size);
}

bool same(const void *a, const void *b, size_t size, bool wide) {
    for (size_t i = 0; i < size; i += wide ? 8 : 4) {
        const char *x = (const char *)a + i, *y = (const char *)b + i;
        double u = wide ? *(const double *)x : (double)*(const float *)x,
               v = wide ? *(const double *)y : (double)*(const float *)y;
        if (!(isnan(u) && isnan(v)) && memcmp(x, y, wide ? 8 : 4) != 0)
            return false;
    }
    return true;
}

pair lower_pair(const char *body, const fv_target *target) {
    pair p = {lower(body, "%y, %p", target), lower_apart(body, "%y, %p", target)};
    cr_assert_eq(attends(p.kept), 1, "%s", body);
    cr_assert_eq(attends(p.apart), 0);
    return p;
}

void check_kept(const pair *p, const char *body, int n, int m) {
    for (int i = 0; i < 2; i++) {
        size_t a, b;
        const void *x = run_for(i, p->kept, n, m, &a), *y = run_for(i, p->apart, n, m, &b);
        cr_assert_eq(a, b);
        cr_assert(same(x, y, a, p->kept->outputs[i].elem == FV_F64),
                  "result %d, n = %d, m = %d\n%s", i, n, m, body);
    }
}

void check_either(const char *body, bool kept) {
    static const int sizes[][2] = {{29, 37}, {5, 64}, {50, 3}, {1, 17}, {1, 130},
                                   {1, 3},   {13, 1}, {0, 5},  {4, 0},  {1, 0}};
    for (size_t t = 0; t < TILINGS; t++) {
        if (!sample_has(body, t, 4, 8))
            continue;
        const fv_target target = tiled(t);
        const fv_program *one = lower(body, "%y", &target),
                         *three = lower_apart(body, "%y, %p", &target);
        cr_assert_eq(attends(one), 1, "tiling %zu", t);
        cr_assert_eq(attends(three), 0);
        pair both = kept ? lower_pair(body, &target) : (pair){NULL, NULL};
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes && kept; i++)
            check_kept(&both, body, sizes[i][0], sizes[i][1]);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            size_t a, b;
            const void *x = run(one, sizes[i][0], sizes[i][1], &a),
                       *y = run(three, sizes[i][0], sizes[i][1], &b);
            cr_assert_eq(a, b);
            cr_assert(same(x, y, a, one->outputs[0].elem == FV_F64), "tiling %zu, n = %d, m = %d",
                      t, sizes[i][0], sizes[i][1]);
        }
    }
}

void check(const char *body) {
    check_either(body, true);
}
