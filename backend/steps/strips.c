/* strips.c - chooses which chains of values are computed in strips of rows.
 *
 * The bytes that are alive at each kernel are estimated from the operands of definitions, in the
 * order of the ops. For each chain of up to six values, of which each but the last has one reader,
 * and several heights of strips, the estimate is made again as if the chain were computed in
 * strips: its kernels then run where the last value is made, and need a strip of each value but the
 * last. The chain with the least estimate is taken, and the search repeated, until nothing is
 * gained. */
#include "backend/steps/strips.h"

#include <string.h>

#include "backend/lowering/access.h"
#include "backend/lowering/define.h"
#include "backend/lowering/sizes.h"
#include "backend/lowering/storage.h"
#include "backend/steps/larger.h"
#include "backend/steps/pad.h"
#include "ir/base/divisor.h"
#include "ir/base/limits.h"
#include "ir/definition/definitions.h"
#include "ir/expr/affine.h"
#include "ir/expr/unique.h"
#include "ir/expr/visit.h"

enum {
    CHAINS = 32,    /* greatest number of chains that are taken */
    LEAST_ROWS = 4, /* rows of the last value below which there are no strips */
    /* a chain is taken if it saves at least 1 / LEAST_GAIN of what is alive at once */
    LEAST_GAIN = 16,
    /* bytes of memory that a kernel has to save, in addition to a share of all */
    KERNEL_BYTES = 128,
    KERNEL_SHARE = 128,
    /* the rows of a value that strips compute are at most so many times those that it has: strips
     * next to each other compute the rows that both read */
    MOST_WORK = 2,
    MANY = 400 /* number of kernels above which no chain is looked for */
};

/* What the estimate knows of a value's memory. */
typedef struct memory {
    const fv_storage *home;
    int64_t bytes;
    int64_t padded;  /* bytes with the border that readers need, if it is stored with one */
    bool apart;      /* whether it is not stored with a border, so that readers copy it */
    int first, last; /* the first and last step that uses it; first -1: none */
} memory;

/* A copy of a value with a border, which a kernel makes unless the value is stored with it. */
typedef struct copy {
    int memory;
    int64_t bytes;
} copy;

/* A kernel, or an op with kernels of its own. */
typedef struct step {
    fv_storage *made; /* the value that its kernel computes from a definition; NULL: others */
    int *uses, nuses, cap;
    int result; /* the memory of `made` */
    copy *copies;
    int ncopies, cap_copies;
    int64_t extra; /* bytes of strips */
    bool gone;     /* whether its kernel is part of a later step */
} step;

typedef struct chooser {
    fv_lowerer *l;
    memory *all;
    int nall, cap_all;
    step *steps;
    int nsteps, cap_steps;
    fv_ptrmap number;  /* storage of a home -> 1 + its index in `all` */
    fv_ptrmap step_of; /* storage -> 1 + the index of the step that makes it */
    fv_ptrmap readers; /* storage -> the number of definitions that load it */
    fv_ptrmap taken;   /* storages that are in a chain, but for its end */
} chooser;

/* ---- how rows are read ---- */

void fv_strip_rows(const fv_strip_chain *c, int s, fv_rows *rows) {
    const int end = c->n - 1;
    rows[end].first = s * c->height;
    rows[end].end = rows[end].first + c->height;
    if (rows[end].end > c->rows[end])
        rows[end].end = c->rows[end];
    for (int i = end; i > 0; i--) {
        const fv_strip_link *k = &c->link[i];
        int64_t first = k->least + k->by * rows[i].first,
                last = k->most - k->by * (c->rows[i] - rows[i].end);
        rows[i - 1].first = first > 0 ? first : 0;
        rows[i - 1].end = last + 1 < c->rows[i - 1] ? last + 1 : c->rows[i - 1];
    }
}

static bool is_const(const fv_dim *d, int64_t *n) {
    *n = d && fv_dim_is_const(d) ? d->value : 0;
    return d && fv_dim_is_const(d);
}

/* Does the buffer have the axes of the value of s in the order of memory, and not others? */
static bool is_whole_view(const fv_buf *b, const fv_storage *s) {
    bool same = b->rank == s->def->rank;
    int64_t n, m;
    for (int i = 0; i < b->rank && same; i++)
        same = fv_x_is_int(b->extent[i], &n) && is_const(s->def->index[i]->dim, &m) && n == m;
    return same;
}

/* Adds how the load x reads rows, along the variable y, to *out, of which n loads are known. */
static bool add_load(fv_lowerer *l, const fv_expr *x, const fv_var *y, int n, fv_strip_link *out) {
    fv_dims *t = l->module->dims;
    int axis = -1;
    for (int i = 0; i < x->u.buf->rank; i++)
        if (fv_x_uses(x->arg[i], y)) {
            if (axis >= 0)
                return false;
            axis = i;
        }
    if (axis < 0 || (n && axis != out->axis))
        return false;
    fv_affine f = fv_affine_of(&(fv_affines){.dims = t}, x->arg[axis]);
    int64_t by = 0, least, most;
    for (int i = 0; f.rest && i < f.n; i++)
        if (f.term[i].x->op == FV_X_VAR && f.term[i].x->u.var == y && !is_const(f.term[i].by, &by))
            return false;
    if (by <= 0 || (n && by != out->by) || !fv_affine_is_of_vars(&f) ||
        !is_const(fv_x_bound(t, x->arg[axis], false), &least) ||
        !is_const(fv_x_bound(t, x->arg[axis], true), &most))
        return false;
    *out = (fv_strip_link){axis, by, n && out->least < least ? out->least : least,
                           n && out->most > most ? out->most : most};
    return true;
}

bool fv_strip_link_of(fv_lowerer *l, const fv_storage *reader, int axis, const fv_storage *from,
                      fv_strip_link *out) {
    const fv_expr *x;
    int n = 0;
    for (fv_x_visitor v = fv_x_visit(l->current.scratch, reader->def->body); (x = fv_x_next(&v));) {
        if ((x->op != FV_X_LOAD && x->op != FV_X_GUARD) || fv_storage_loaded(l, x) != from)
            continue;
        if (x->u.buf->value != from->value || !is_whole_view(x->u.buf, from) ||
            !add_load(l, x, reader->def->index[axis], n++, out))
            return false;
    }
    return n > 0;
}

/* ---- the kernels and their memory ---- */

static bool is_outside(fv_lowerer *l, const fv_storage *home) {
    const fv_op *ret = l->func->body->last;
    for (int i = 0; i < ret->nin; i++)
        if (fv_storage_home(fv_storage_root(fv_storage_of(l, ret->in[i]))) == home)
            return true;
    return home->value->kind != FV_VALUE_RESULT;
}

static int number_of(chooser *c, const fv_value *v) {
    fv_storage *home = fv_storage_home(fv_storage_root(fv_storage_of(c->l, v)));
    void **at = fv_ptrmap_at(&c->number, home);
    if (!*at) {
        int64_t bytes = is_outside(c->l, home) ? 0 : fv_largest_bytes(home->value->type, 1);
        FV_PUSH(c->l->current.scratch, c->all, c->nall, c->cap_all,
                ((memory){.home = home, .bytes = bytes > 0 ? bytes : 0}));
        *at = (void *)(intptr_t)c->nall;
    }
    return (int)(intptr_t)*at - 1;
}

static void use(chooser *c, step *s, const fv_value *v) {
    int n = number_of(c, v);
    for (int i = 0; i < s->nuses; i++)
        if (s->uses[i] == n)
            return;
    FV_PUSH(c->l->current.scratch, s->uses, s->nuses, s->cap, n);
}

static void add_step(chooser *c, fv_op *op) {
    fv_lowerer *l = c->l;
    step s = {.result = -1};
    int n, kernels = 0;
    for (int i = 0; i < op->nout; i++) {
        fv_storage *made = op->out[i] ? fv_storage_of(l, op->out[i]) : NULL;
        if (!made || !(fv_storage_has_kernel(made) || fv_reads_memory(op)))
            continue;
        use(c, &s, op->out[i]);
        fv_value **loaded = made->def ? fv_values_loaded(l, made->def->body, &n) : NULL;
        for (int k = 0; loaded && k < n; k++) {
            use(c, &s, loaded[k]);
            void **count = fv_ptrmap_at(&c->readers, fv_storage_of(l, loaded[k]));
            *count = (void *)((intptr_t)*count + 1);
        }
        s.made = made;
        s.result = number_of(c, op->out[i]);
        kernels++;
    }
    for (int i = 0; i < op->nin && fv_reads_memory(op); i++)
        if (op->in[i])
            use(c, &s, op->in[i]);
    if (kernels != 1 || !s.made->def)
        s.made = NULL;
    if (!s.nuses)
        return;
    FV_PUSH(l->current.scratch, c->steps, c->nsteps, c->cap_steps, s);
    if (s.made)
        *fv_ptrmap_at(&c->step_of, s.made) = (void *)(intptr_t)c->nsteps;
}

/* ---- borders ---- */

/* The bytes of the elements that the guarded load x may read, outside of the value, too; 0: they
 * are not known. *last: whether some are beyond an end of the last axis. */
static int64_t covered(fv_lowerer *l, const fv_expr *x, bool *last) {
    fv_dims *t = l->module->dims;
    int64_t bytes = fv_elem_storage_bytes(x->u.buf->elem), least, most, n;
    for (int i = 0; i < x->u.buf->rank; i++) {
        if (!is_const(fv_x_bound(t, x->arg[i], false), &least) ||
            !is_const(fv_x_bound(t, x->arg[i], true), &most) ||
            !fv_x_is_int(x->u.buf->extent[i], &n))
            return 0;
        *last |= i == x->u.buf->rank - 1 && (least < 0 || most >= n);
        bytes *= most - least + 1;
    }
    return bytes;
}

/* Notes which copies with a border the kernel of the step makes, or what the values take with
 * it. */
static void find_borders(chooser *c, step *s) {
    const fv_expr *x;
    if (!s->made)
        return;
    const bool contracts = s->made->def->form.kind == FV_FORM_CONTRACT;
    for (fv_x_visitor v = fv_x_visit(c->l->current.scratch, s->made->def->body);
         (x = fv_x_next(&v));) {
        if (x->op != FV_X_LOAD && x->op != FV_X_GUARD)
            continue;
        const fv_storage *from = fv_storage_loaded(c->l, x);
        const int n = number_of(c, from->value);
        memory *m = &c->all[n];
        bool last = false;
        int64_t bytes = x->op == FV_X_GUARD && contracts ? covered(c->l, x, &last) : 0;
        m->apart |= !bytes || last || from->value->kind != FV_VALUE_RESULT ||
                    from->fate != FV_FATE_MEMORY || !fv_is_private(c->l, from->value) ||
                    !fv_pad_reads(c->l, s->made->def, x);
        m->padded = bytes > m->padded ? bytes : m->padded;
        if (bytes)
            FV_PUSH(c->l->current.scratch, s->copies, s->ncopies, s->cap_copies,
                    ((copy){n, bytes}));
    }
}

/* The bytes of the value's memory, with its border. */
static int64_t size_of(const memory *m) {
    return !m->apart && m->padded > m->bytes ? m->padded : m->bytes;
}

/* The bytes of copies that the kernel of the step makes. */
static int64_t copied(const chooser *c, const step *s) {
    int64_t bytes = 0;
    for (int i = 0; i < s->ncopies; i++)
        bytes += c->all[s->copies[i].memory].apart ? s->copies[i].bytes : 0;
    return bytes;
}

/* ---- the estimate ---- */

/* The bytes that a result takes which its kernel can store over an operand that ends with it. Only
 * elementwise kernels are expected to permit that. */
static int64_t shared(const chooser *c, int k) {
    const step *s = &c->steps[k];
    if (!s->made || s->extra || s->made->def->form.kind != FV_FORM_MAP)
        return 0;
    const memory *y = &c->all[s->result];
    for (int i = 0; i < s->nuses; i++) {
        const memory *x = &c->all[s->uses[i]];
        if (x != y && x->last == k && x->bytes == y->bytes && y->first == k)
            return y->bytes;
    }
    return 0;
}

/* The bytes of the values whose last users are the copies that step k makes: they are not alive
 * when its result is. */
static int64_t copied_last(const chooser *c, int k) {
    const step *s = &c->steps[k];
    int64_t bytes = 0;
    for (int i = 0; i < s->ncopies; i++) {
        const memory *m = &c->all[s->copies[i].memory];
        bool other = false;
        for (int n = 0; n < i; n++)
            other |= s->copies[n].memory == s->copies[i].memory;
        bytes += m->apart && m->last == k && !other ? size_of(m) : 0;
    }
    return bytes;
}

/* The bytes that are alive at step k: at its copies or at its kernel, whichever are more. */
static int64_t alive_at(const chooser *c, int k) {
    const step *s = &c->steps[k];
    int64_t live = s->extra + copied(c, s) - shared(c, k);
    for (int i = 0; i < c->nall; i++)
        live += c->all[i].first >= 0 && c->all[i].first <= k && k <= c->all[i].last
                    ? size_of(&c->all[i])
                    : 0;
    if (!s->ncopies || s->result < 0)
        return live;
    const memory *y = &c->all[s->result];
    int64_t made = y->first == k ? size_of(y) : 0, last = copied_last(c, k);
    return live - (made < last ? made : last);
}

/* The most bytes that are alive at once. */
static int64_t peak(chooser *c) {
    int64_t most = 0;
    for (int i = 0; i < c->nall; i++)
        c->all[i].first = -1;
    for (int k = 0; k < c->nsteps; k++)
        for (int i = 0; !c->steps[k].gone && i < c->steps[k].nuses; i++) {
            memory *m = &c->all[c->steps[k].uses[i]];
            m->first = m->first < 0 ? k : m->first;
            m->last = k;
        }
    for (int k = 0; k < c->nsteps; k++) {
        int64_t live = c->steps[k].gone ? 0 : alive_at(c, k);
        most = live > most ? live : most;
    }
    return most;
}

/* ---- chains ---- */

static bool is_gone(const chooser *c, const fv_storage *s) {
    return fv_ptrmap_get(&c->taken, s) != NULL;
}

/* Can the rows of s be computed by kernels of their own, wherever it is stored? */
static bool can_be_cut(chooser *c, fv_storage *s) {
    return fv_ptrmap_get(&c->step_of, s) && s->fate == FV_FATE_MEMORY && s->def &&
           s->value->kind == FV_VALUE_RESULT && !fv_is_group(s->value->def) && !is_gone(c, s) &&
           !fv_x_is_checked(s->def->body) && s->def->form.kind != FV_FORM_ATTENTION;
}

/* Is s read by one definition, and by nothing else? */
static bool has_one_reader(chooser *c, fv_storage *s) {
    return fv_is_private(c->l, s->value) && (intptr_t)fv_ptrmap_get(&c->readers, s) == 1;
}

static step *step_of(const chooser *c, const fv_storage *s) {
    return &c->steps[(intptr_t)fv_ptrmap_get(&c->step_of, s) - 1];
}

/* The bytes of so many rows of value i of the chain. */
static int64_t bytes_of(const chooser *c, const fv_strip_chain *k, int i, int64_t rows) {
    return size_of(&c->all[step_of(c, k->value[i])->result]) / k->rows[i] * rows;
}

/* The bytes of copies that the kernel of value i makes for so many of its rows. */
static int64_t copies_of(const chooser *c, const fv_strip_chain *k, int i, int64_t rows) {
    return copied(c, step_of(c, k->value[i])) / k->rows[i] * rows;
}

/* Sets the number of bytes of the strips; false: some strip has no rows of a value, or strips
 * compute too many rows again. */
static bool measure(const chooser *c, fv_strip_chain *k) {
    int64_t computed[FV_STRIPS_CHAIN] = {0};
    fv_rows rows[FV_STRIPS_CHAIN];
    k->bytes = 0;
    for (int s = 0; s < k->nstrips; s++) {
        fv_strip_rows(k, s, rows);
        for (int i = 0; i < k->n - 1; i++) {
            int64_t n = rows[i].end - rows[i].first, more = rows[i + 1].end - rows[i + 1].first;
            if (n <= 0)
                return false;
            computed[i] += n;
            int64_t bytes = bytes_of(c, k, i, n) +
                            (i + 2 < k->n ? bytes_of(c, k, i + 1, more) : 0) +
                            copies_of(c, k, i + 1, more);
            k->bytes = bytes > k->bytes ? bytes : k->bytes;
            bytes = i ? 0 : bytes_of(c, k, 0, n) + copies_of(c, k, 0, n);
            k->bytes = bytes > k->bytes ? bytes : k->bytes;
        }
    }
    for (int i = 0; i < k->n - 1; i++)
        if (computed[i] > MOST_WORK * k->rows[i])
            return false;
    return true;
}

/* The estimate if the chain were computed in strips. `keep`: the steps stay so. */
static int64_t peak_with(chooser *c, const fv_strip_chain *k, bool keep) {
    step *end = step_of(c, k->value[k->n - 1]), was = *end;
    memory *whole = &c->all[end->result];
    const bool apart = whole->apart;
    step own = {.made = was.made, .result = was.result, .extra = was.extra + k->bytes};
    for (int i = 0; i < k->n; i++) {
        step *s = step_of(c, k->value[i]);
        s->gone = true;
        for (int u = 0; u < s->nuses; u++) {
            bool within = false;
            for (int v = 0; v < k->n - 1; v++)
                within |= c->all[s->uses[u]].home == k->value[v];
            if (!within)
                use(c, &own, c->all[s->uses[u]].home->value);
        }
    }
    *end = own;
    whole->apart = true;
    int64_t bytes = peak(c);
    if (keep)
        return bytes;
    *end = was;
    whole->apart = apart;
    for (int i = 0; i < k->n; i++)
        step_of(c, k->value[i])->gone = false;
    return bytes;
}

typedef struct best {
    fv_strip_chain chain;
    int64_t most; /* an estimate above this one is not taken */
    double cost;
} best;

/* The estimate `bytes` and the cost of kernels: of two choices that need about the same memory, the
 * one with fewer strips takes less flash and time. */
static double cost_of(const fv_strip_chain *k, int64_t bytes) {
    double kernels = (double)k->nstrips * k->n;
    return (double)bytes * (1 + kernels / (double)KERNEL_SHARE) + kernels * (double)KERNEL_BYTES;
}

/* Tries several numbers of strips for the chain. */
static void try_heights(chooser *c, fv_strip_chain *k, best *b) {
    static const int numbers[] = {2, 3, 4, 5, 6, 8, 10, 12, FV_STRIPS_MOST};
    const int64_t rows = k->rows[k->n - 1];
    int64_t before = 0;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        k->height = fv_div_up(rows, numbers[i]);
        k->nstrips = (int)fv_div_up(rows, k->height);
        if (k->height == before || !measure(c, k))
            continue;
        before = k->height;
        int64_t bytes = peak_with(c, k, false);
        if (bytes <= b->most && (!b->chain.n || cost_of(k, bytes) < b->cost))
            *b = (best){*k, b->most, cost_of(k, bytes)};
    }
}

/* Puts `from`, which the first value of the chain reads by *link, before it. */
static fv_strip_chain preceded(const fv_strip_chain *k, fv_storage *from, fv_strip_link link) {
    fv_strip_chain r = {.n = k->n + 1};
    for (int i = 0; i < k->n; i++) {
        r.value[i + 1] = k->value[i];
        r.axis[i + 1] = k->axis[i];
        r.rows[i + 1] = k->rows[i];
        r.link[i + 1] = k->link[i];
    }
    r.value[0] = from;
    r.axis[0] = link.axis;
    r.link[1] = link;
    (void)is_const(from->def->index[link.axis]->dim, &r.rows[0]);
    return r;
}

/* Tries the chains that end with those of k, by putting operands of its first value before it. */
static void try_longer(chooser *c, const fv_strip_chain *k, best *b) {
    int n;
    if (k->n == FV_STRIPS_CHAIN)
        return;
    fv_value **loaded = fv_values_loaded(c->l, k->value[0]->def->body, &n);
    for (int i = 0; i < n; i++) {
        fv_storage *from = fv_storage_of(c->l, loaded[i]);
        fv_strip_link link;
        if (!can_be_cut(c, from) || !has_one_reader(c, from) ||
            !fv_strip_link_of(c->l, k->value[0], k->axis[0], from, &link))
            continue;
        fv_strip_chain longer = preceded(k, from, link);
        try_heights(c, &longer, b);
        try_longer(c, &longer, b);
    }
}

/* May the value be assembled of strips? Ops other than definitions find it by the op that they
 * read, which is replaced. */
static bool can_be_assembled(chooser *c, fv_storage *s) {
    const fv_value *v = s->value;
    for (int i = 0; i < v->nuses; i++)
        if (fv_reads_memory(v->uses[i].op) && v->uses[i].op != c->l->func->body->last)
            return false;
    return can_be_cut(c, s);
}

static void try_ends(chooser *c, best *b) {
    for (int i = 0; i < c->nsteps; i++) {
        fv_storage *s = c->steps[i].made;
        if (!s || c->steps[i].gone || c->steps[i].extra || !can_be_assembled(c, s))
            continue;
        for (int axis = 0; axis < s->def->rank; axis++) {
            fv_strip_chain k = {.n = 1, .value = {s}, .axis = {axis}};
            if (is_const(s->def->index[axis]->dim, &k.rows[0]) && k.rows[0] >= LEAST_ROWS)
                try_longer(c, &k, b);
        }
    }
}

/* Are there no branches, no loops, and not too many kernels? */
static bool is_simple(fv_lowerer *l) {
    int n = 0;
    for (const fv_op *op = l->func->body->first; op; op = op->next) {
        n += op->nout > 0 && op->out[0] && fv_storage_has_kernel(fv_storage_of(l, op->out[0]));
        if (fv_mark_depth(op) || op->def == &fv_else_def)
            return false;
    }
    return n <= MANY;
}

fv_strip_chain *fv_strips_choose(fv_lowerer *l, int *n, int64_t *before, int64_t *after) {
    fv_arena *a = l->current.scratch;
    chooser c = {.l = l,
                 .number = fv_ptrmap_in(a),
                 .step_of = fv_ptrmap_in(a),
                 .readers = fv_ptrmap_in(a),
                 .taken = fv_ptrmap_in(a)};
    fv_strip_chain *list = FV_NEW(a, fv_strip_chain, CHAINS);
    *n = 0;
    *before = *after = 0;
    if (!is_simple(l))
        return list;
    for (fv_op *op = l->func->body->first; op; op = op->next)
        add_step(&c, op);
    for (int i = 0; i < c.nsteps; i++)
        find_borders(&c, &c.steps[i]);
    *before = *after = peak(&c);
    while (*n < CHAINS) {
        best b = {.most = *after - *after / LEAST_GAIN};
        try_ends(&c, &b);
        if (!b.chain.n)
            break;
        *after = peak_with(&c, &b.chain, true);
        for (int i = 0; i < b.chain.n; i++)
            *fv_ptrmap_at(&c.taken, b.chain.value[i]) = b.chain.value[i];
        list[(*n)++] = b.chain;
    }
    return list;
}
