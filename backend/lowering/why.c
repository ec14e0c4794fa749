/* why.c - see why.h. */
#include "backend/lowering/why.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

#include "ir/dim/text.h"

static const fv_why_info infos[] = {
    [FV_WHY_none] = {"none", "", FV_DECLINED, "", ""},
#define WHY(id, step, verdict, sentence, condition)                                                \
    [FV_WHY_##id] = {#id, step, FV_##verdict, sentence, condition},
#include "backend/lowering/why.def"
#undef WHY
};

const fv_why_info *fv_why_info_of(fv_why why) {
    return &infos[why];
}

/* ---- recording ---- */

static int count_facts(const char *sentence) {
    int n = 0;
    for (const char *p = sentence; (p = strchr(p, '{')); p++)
        n++;
    return n;
}

/* Do both have the same name in messages? A node may have become several ops. */
static bool is_same_node(const fv_op *a, const fv_op *b) {
    const fv_origin *x = a->origin, *y = b->origin;
    return a == b ||
           (x->n && y->n && (x->n > 1) == (y->n > 1) && !strcmp(x->nodes[0], y->nodes[0]));
}

static bool is_same(const fv_fact *a, const fv_fact *b) {
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case FV_FACT_NUMBER: return a->u.n == b->u.n;
    case FV_FACT_TEXT: return !strcmp(a->u.text, b->u.text);
    case FV_FACT_DIM: return a->u.dim == b->u.dim;
    case FV_FACT_VALUE: return a->u.value == b->u.value;
    case FV_FACT_OP: return is_same_node(a->u.op, b->u.op);
    }
    return false;
}

static bool is_known(const fv_reasons *r, const fv_reason *x, int nfacts) {
    for (int i = x->before; i >= 0; i = r->all[i].before) {
        const fv_reason *y = &r->all[i];
        int same = 0;
        while (same < nfacts && is_same(&x->facts[same], &y->facts[same]))
            same++;
        if (!y->dropped && y->why == x->why && same == nfacts)
            return true;
    }
    return false;
}

static void record(fv_reasons *r, const fv_value *about, fv_why why, va_list args) {
    fv_reason x = {.why = why, .about = about};
    int n = count_facts(infos[why].sentence);
    FV_HOLDS(fv_arena_session(r->arena), n <= FV_MAX_FACTS);
    for (int i = 0; i < n; i++)
        x.facts[i] = va_arg(args, fv_fact);
    void **last = fv_ptrmap_at(&r->last, about);
    x.before = (int)(intptr_t)*last - 1;
    if (is_known(r, &x, n))
        return;
    FV_PUSH(r->arena, r->all, r->n, r->cap, x);
    *last = (void *)(intptr_t)r->n;
}

bool fv_takes(fv_lowerer *l, const fv_value *about, fv_why why, ...) {
    va_list args;
    FV_HOLDS(fv_arena_session(l->arena), infos[why].verdict == FV_TAKEN);
    if (!l->reasons)
        return true;
    va_start(args, why);
    record(l->reasons, about, why, args);
    va_end(args);
    return true;
}

bool fv_declines(fv_lowerer *l, const fv_value *about, fv_why why, ...) {
    va_list args;
    FV_HOLDS(fv_arena_session(l->arena), infos[why].verdict == FV_DECLINED);
    if (!l->reasons)
        return false;
    va_start(args, why);
    record(l->reasons, about, why, args);
    va_end(args);
    return false;
}

int fv_why_mark(const fv_lowerer *l) {
    return l->reasons ? l->reasons->n : 0;
}

void fv_why_settle_between(fv_lowerer *l, int mark, int end, bool taken) {
    fv_reasons *r = l->reasons;
    for (int i = mark; r && i < end; i++)
        r->all[i].dropped |= infos[r->all[i].why].verdict != (taken ? FV_TAKEN : FV_DECLINED);
}

bool fv_why_settle(fv_lowerer *l, int mark, bool taken) {
    fv_why_settle_between(l, mark, fv_why_mark(l), taken);
    return taken;
}

void fv_why_drop(fv_lowerer *l, int mark, fv_why why) {
    fv_reasons *r = l->reasons;
    for (int i = mark; r && i < r->n; i++)
        r->all[i].dropped |= r->all[i].why == why;
}

bool fv_why_has(const fv_lowerer *l, const fv_value *v, const char *step) {
    const fv_reasons *r = l->reasons;
    bool found = false;
    for (int i = r ? (int)(intptr_t)fv_ptrmap_get(&r->last, v) - 1 : -1; i >= 0 && !found;
         i = r->all[i].before)
        found = !r->all[i].dropped && !strcmp(infos[r->all[i].why].step, step);
    return found;
}

/* ---- ops whose results were moved to other ops ---- */

void fv_why_moves(fv_lowerer *l, const fv_value *v, fv_op *to) {
    fv_op *from = v->def;
    if (!l->reasons)
        return;
    *fv_ptrmap_at(&l->reasons->moved, from) = to;
    if (!from->origin->n && from->out[0])
        from->origin = fv_origin_of(l->module, from->out[0]->name);
}

const fv_op *fv_reasons_op(const fv_reasons *r, const fv_op *op) {
    for (const fv_op *to; (to = fv_ptrmap_get(&r->moved, op));)
        op = to;
    return op;
}

/* ---- the reasons of one lowering ---- */

void fv_reasons_begin(fv_lowerer *l) {
    fv_reasons *r = l->reasons = l->options->reasons;
    if (r)
        *r = (fv_reasons){.arena = l->arena,
                          .module = l->module,
                          .last = fv_ptrmap_in(l->arena),
                          .moved = fv_ptrmap_in(l->arena),
                          .after = l->module->definitions ? l->module->definitions->after : NULL};
}

const fv_value *fv_launch_value(const fv_launch *n) {
    int first = 0;
    while (!n->made && first < n->op->nout - 1 && !n->op->out[first])
        first++;
    return n->made ? n->made : n->op->nout ? n->op->out[first] : NULL;
}

/* Does the launch compute a result of a group (and not an operand of the group's kernel)? */
static bool makes_group(const fv_launch *n) {
    bool made = false;
    for (int i = 0; fv_is_group(n->op) && i < n->op->nout; i++)
        made |= n->op->out[i] == n->made;
    return made;
}

void fv_reasons_end(fv_lowerer *l) {
    fv_reasons *r = l->reasons;
    for (int i = 0; r && i < l->host.nsteps; i++) {
        const fv_launch *n = &l->host.steps[i].launch;
        if (l->host.steps[i].kind != FV_STEP_LAUNCH || !fv_launch_value(n))
            continue;
        fv_reason_launch x = {n->kernel, fv_launch_value(n), makes_group(n) ? n->op : NULL};
        FV_PUSH(r->arena, r->launches, r->nlaunches, r->cap_launches, x);
    }
    int kept = 0;
    for (int i = 0; r && i < r->n; i++)
        if (!r->all[i].dropped)
            r->all[kept++] = r->all[i];
    if (r)
        r->n = kept;
}

/* ---- printing ---- */

static const char *op_name(const fv_op *op) {
    const fv_origin *o = op->origin;
    return o->n ? o->nodes[0] : op->nout && op->out[0] ? op->out[0]->name : NULL;
}

const char *fv_fact_name(const fv_fact *f) {
    return f->kind == FV_FACT_VALUE ? f->u.value->name
           : f->kind == FV_FACT_OP  ? op_name(f->u.op)
                                    : NULL;
}

static const char *op_str(fv_arena *a, const fv_op *op) {
    const char *name = op_name(op);
    return name ? fv_printf(a, "'%s'%s", name, op->origin->n > 1 ? " .." : "") : op->def->name;
}

const char *fv_fact_str(fv_arena *a, const fv_fact *f) {
    switch (f->kind) {
    case FV_FACT_NUMBER: return f->u.n < 0 ? "very many" : fv_printf(a, "%lld", (long long)f->u.n);
    case FV_FACT_TEXT: return f->u.text;
    case FV_FACT_DIM: return fv_dim_str(a, f->u.dim);
    case FV_FACT_VALUE: return fv_printf(a, "'%s'", f->u.value->name);
    case FV_FACT_OP: return op_str(a, f->u.op);
    }
    return "";
}

const char *fv_reason_fact(fv_arena *a, const fv_reason *r, int i) {
    const char *p = strchr(infos[r->why].sentence, '{');
    while (p && i-- > 0)
        p = strchr(p + 1, '{');
    return p ? fv_strndup(a, p + 1, strcspn(p + 1, "}")) : NULL;
}

const char *fv_reason_str(fv_arena *a, const fv_reason *r) {
    fv_text t = {.arena = a};
    const char *s = infos[r->why].sentence;
    fv_text_put(&t, "");
    for (int i = 0; *s; i++) {
        size_t n = strcspn(s, "{");
        fv_text_putn(&t, s, n);
        s += n;
        if (!*s)
            break;
        fv_text_put(&t, fv_fact_str(a, &r->facts[i]));
        s += strcspn(s, "}") + 1;
    }
    return t.s;
}
