/* attention.c - `inspect --attention`: the attentions that passes find in a graph, and how each was
 * lowered, according to the recorded reasons. */
#include "tools/model/attention.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "ir/catalogue/op.h"

enum {
    SHOWN = 400, /* number of characters of a formula that are printed */
    FAR = 400
}; /* number of values that are followed, beginning with the scores */

void fv_attention_begin(fv_attention_query *q, fv_context *c, fv_driver_options *o) {
    *q = (fv_attention_query){.c = c};
    if (!o->answers.reasons)
        o->answers.reasons = FV_NEW(c->arena, fv_reasons, 1);
    q->reasons = o->answers.reasons;
    o->answers.attentions = &q->sites;
}

/* ---- which kernel makes a value ---- */

static void find_kernels(fv_attention_query *q) {
    const fv_reasons *r = q->reasons;
    q->kernels = fv_ptrmap_in(q->c->arena);
    /* if a value has several launches, the first one counts */
    for (int i = r->nlaunches; i-- > 0;) {
        const fv_reason_launch *l = &r->launches[i];
        *fv_ptrmap_at(&q->kernels, l->made) = (void *)(uintptr_t)l->kernel;
        for (int k = 0; l->group && k < l->group->nout; k++)
            if (l->group->out[k])
                *fv_ptrmap_at(&q->kernels, l->group->out[k]) = (void *)(uintptr_t)l->kernel;
    }
}

static const fv_kernel *kernel_of(const fv_attention_query *q, const fv_value *v) {
    return fv_ptrmap_get(&q->kernels, v);
}

typedef struct holders {
    const fv_value *value; /* the first value that has a kernel */
    const fv_kernel *kernel;
    bool several;
    fv_ptrmap seen;
} holders;

/* Finds the kernels in which v is computed: its own, or those of the values computed from it. */
static void find_holders(const fv_attention_query *q, const fv_value *v, holders *h) {
    const fv_kernel *k = kernel_of(q, v);
    if (*fv_ptrmap_at(&h->seen, v))
        return;
    *fv_ptrmap_at(&h->seen, v) = (void *)v;
    if (k) {
        h->several |= h->kernel && h->kernel != k;
        h->value = h->value ? h->value : v;
        h->kernel = h->kernel ? h->kernel : k;
        return;
    }
    for (int i = 0; i < v->nuses; i++) {
        const fv_op *use = fv_reasons_op(q->reasons, v->uses[i].op);
        /* the last result of a group is computed from the others, so it is examined first */
        for (int o = use->nout; o-- > 0;)
            if (use->out[o])
                find_holders(q, use->out[o], h);
    }
}

/* ---- decisions ---- */

static const fv_reason *reason_about(const fv_attention_query *q, const fv_value *v,
                                     const char *step, bool taken) {
    const fv_reasons *r = q->reasons;
    for (int i = r->n - 1; i >= 0; i--) {
        const fv_why_info *info = fv_why_info_of(r->all[i].why);
        if (r->all[i].about == v && !strcmp(info->step, step) &&
            (info->verdict == FV_TAKEN) == taken)
            return &r->all[i];
    }
    return NULL;
}

const char *fv_attention_name(const fv_attention_site *s) {
    const fv_origin *o = s->softmax->origin;
    return o->n ? o->nodes[0] : s->weights->name;
}

static const char *node_of(const fv_value *v) {
    const fv_origin *o = v->def ? v->def->origin : NULL;
    return o && o->n ? o->nodes[o->n - 1] : v->name;
}

/* Finds the reason of lowering that best explains why the attention is not one kernel. */
static void explain(const fv_attention_query *q, fv_attention_fate *f, const fv_value *holder) {
    const fv_attention_site *s = f->site;
    const fv_value *about[] = {holder, s->of.product, s->weights, s->weighted, s->of.score};
    const fv_reason *r = NULL;
    fv_arena *a = q->c->arena;
    for (int i = 0; i < 2 && !r; i++)
        r = about[i] ? reason_about(q, about[i], "attend", false) : NULL;
    for (int i = 4; i > 0 && !r; i--) /* a value that has memory, so that a kernel ends with it */
        if (about[i] && kernel_of(q, about[i]))
            r = reason_about(q, about[i], "group", false);
    for (int i = 0; i < 5 && !r; i++)
        r = about[i] ? reason_about(q, about[i], "schedule", true) : NULL;
    f->why = r ? fv_reason_str(a, r) : "scores or weights are stored in memory";
    f->code = r ? fv_why_info_of(r->why)->name : NULL;
    f->stopped_at = r ? node_of(r->about) : node_of(s->of.product);
}

/* The search for values that are computed from the scores and lead to the product with values. */
typedef struct between {
    const fv_attention_query *q;
    const fv_value *product;
    /* value -> the value itself, if it leads to the product; otherwise another address */
    fv_ptrmap seen;
    const fv_value *stored; /* a value on the way that has a kernel; NULL: none has */
    int n;
} between;

static bool leads_to_product(between *b, const fv_value *v) {
    if (v == b->product)
        return true;
    const void *known = fv_ptrmap_get(&b->seen, v);
    if (known || b->n++ > FAR)
        return known == v;
    *fv_ptrmap_at(&b->seen, v) = b;
    bool leads = false;
    for (int i = 0; i < v->nuses; i++) {
        const fv_op *use = fv_reasons_op(b->q->reasons, v->uses[i].op);
        for (int o = 0; o < use->nout; o++)
            leads |= use->out[o] && leads_to_product(b, use->out[o]);
    }
    if (leads)
        *fv_ptrmap_at(&b->seen, v) = (void *)v;
    if (leads && kernel_of(b->q, v))
        b->stored = v;
    return leads;
}

/* Has lowering recorded this reason about any value that kernel k computes? If an attention returns
 * several results, only one of them has the reason. */
static bool attends_since(const fv_attention_query *q, const fv_kernel *k, fv_why why) {
    for (int i = 0; i < q->reasons->n; i++) {
        const fv_reason *r = &q->reasons->all[i];
        if (r->why == why && kernel_of(q, r->about) == k)
            return true;
    }
    return false;
}

static void judge_softmax(const fv_attention_query *q, fv_attention_fate *f) {
    const fv_attention_site *s = f->site;
    holders h = {.seen = fv_ptrmap_in(q->c->arena)};
    find_holders(q, s->of.product, &h);
    f->kernel = h.several ? NULL : h.kernel;
    const fv_reason *attends = h.value ? reason_about(q, h.value, "attend", true) : NULL;
    between b = {.q = q, .product = s->of.product, .seen = fv_ptrmap_in(q->c->arena)};
    f->by_rows = f->kernel && attends_since(q, f->kernel, FV_WHY_joins_attention);
    f->keeps = f->kernel && attends_since(q, f->kernel, FV_WHY_joins_weights);
    bool leads = leads_to_product(&b, s->of.score ? s->of.score : s->weighted),
         attended = attends && attends->why == FV_WHY_attends;
    f->fused = f->kernel && (f->by_rows || f->keeps || (!b.stored && (leads || attended)));
    const fv_reason *mask = h.value ? reason_about(q, h.value, "fold", true) : NULL;
    f->folds = mask != NULL;
    mask = mask ? mask : h.value ? reason_about(q, h.value, "fold", false) : NULL;
    f->folded = mask && s->traits.mask ? fv_reason_str(q->c->arena, mask) : NULL;
    if (!f->fused)
        explain(q, f, h.value);
}

static bool same_type(const fv_value *a, const fv_value *b) {
    bool same = a->type->rank == b->type->rank;
    for (int i = 0; same && i < a->type->rank; i++)
        same = a->type->dims[i] == b->type->dims[i];
    return same;
}

static void judge_gate(const fv_attention_query *q, fv_attention_fate *f) {
    const fv_op *product = f->site->of.product->def;
    holders h = {.seen = fv_ptrmap_in(q->c->arena)};
    find_holders(q, f->site->of.product, &h);
    f->kernel = h.several ? NULL : h.kernel;
    f->fused = f->kernel != NULL;
    for (int i = 0; i < product->nin; i++)
        if (product->in[i] != f->site->weighted && same_type(product->in[i], f->site->weighted) &&
            kernel_of(q, product->in[i])) {
            f->fused = false;
            f->why = "the gate is in memory, with the size of the map";
            f->stopped_at = node_of(product->in[i]);
        }
    if (!f->fused && !f->why) {
        f->why = "the product of map and gate is made in several kernels";
        f->stopped_at = node_of(f->site->of.product);
    }
}

static int order_of(const fv_attention_site *s) {
    return s->kind == FV_ATTENTION_NONE ? 2 : s->gate;
}

void fv_attention_judge(fv_attention_query *q) {
    if (!q->sites.n)
        return;
    find_kernels(q);
    q->fates = FV_NEW(q->c->arena, fv_attention_fate, q->sites.n + 1);
    for (int order = 0; order < 3; order++)
        for (int i = 0; i < q->sites.n; i++) {
            const fv_attention_site *s = &q->sites.all[i];
            fv_attention_fate *f = &q->fates[q->n];
            if (order_of(s) != order)
                continue;
            *f = (fv_attention_fate){.site = s};
            q->n++;
            q->softmaxes += !s->gate;
            if (order == 0) {
                judge_softmax(q, f);
                q->attentions++;
                q->fused += f->fused;
            } else if (order == 1)
                judge_gate(q, f);
        }
}

const char *fv_attention_count(const fv_attention_query *q) {
    return q->attentions ? fv_printf(q->c->arena, "%d of %d", q->fused, q->attentions) : NULL;
}

bool fv_attention_require(const fv_attention_query *q) {
    bool all = true;
    for (int i = 0; i < q->attentions; i++) {
        const fv_attention_fate *f = &q->fates[i];
        if (!f->fused)
            all = fv_error(q->c->session,
                           "--require-fused: the attention of '%s' is not one kernel; at '%s': %s",
                           f->site->softmax->origin->n ? f->site->softmax->origin->nodes[0]
                                                       : f->site->weights->name,
                           f->stopped_at, f->why);
    }
    return all;
}

/* ---- the report ---- */

static bool value_of(void *ctx, const fv_dim *symbol, int64_t *out) {
    const fv_subject *m = ctx;
    for (int i = 0; i < m->table->nsymbols; i++)
        if (!strcmp(m->table->symbols[i].name, symbol->name)) {
            *out = m->data.dims[i];
            return true;
        }
    return false;
}

/* Bytes of memory that the scores would take if the attention were not fused; -1: data decide them,
 * or the scores have memory. */
static int64_t spared(const fv_attention_fate *f, const fv_subject *m) {
    const fv_type *t = f->site->weighted->type;
    int64_t n = fv_elem_storage_bytes(t->elem), d;
    if (f->by_rows || f->keeps)
        return -1;
    for (int i = 0; i < t->rank; i++)
        if (!fv_dim_eval(t->dims[i], value_of, (void *)(uintptr_t)m, &d) ||
            __builtin_mul_overflow(n, d, &n))
            return -1;
    return n;
}

const char *fv_attention_masks_str(fv_arena *a, unsigned mask) {
    fv_text t = {.arena = a};
    fv_text_put(&t, mask ? "" : "none");
    for (int i = 0; i < FV_NMASKS; i++)
        if (mask & 1U << i)
            fv_text_printf(&t, "%s%s", t.n ? ", " : "", fv_mask_name(i));
    return t.s;
}

const char *fv_attention_heads_str(fv_arena *a, const fv_attention_site *s) {
    fv_text t = {.arena = a};
    if (!s->heads.query)
        return "more heads than can be counted";
    fv_text_printf(&t, "%" PRId64 " head%s", s->heads.query, s->heads.query == 1 ? "" : "s");
    if (s->heads.kv != s->heads.query)
        fv_text_printf(&t, " (%" PRId64 " of keys and values)", s->heads.kv);
    if (s->heads.size)
        fv_text_printf(&t, " of %" PRId64, s->heads.size);
    return t.s;
}

static const char *brief(fv_arena *a, const char *formula) {
    size_t n = strcspn(formula, "\n");
    return n > SHOWN ? fv_printf(a, "%.*s ...", (int)SHOWN, formula) : fv_strndup(a, formula, n);
}

static void print_attention(const fv_attention_query *q, const fv_attention_fate *f,
                            const fv_subject *m) {
    const fv_attention_site *s = f->site;
    fv_arena *a = q->c->arena;
    int64_t bytes = spared(f, m);
    fv_out("\n%s: %s attention, %s%s%s%s%s\n", fv_attention_name(s),
           fv_attention_kind_name(s->kind), fv_attention_heads_str(a, s),
           s->traits.mixed ? ", mixed" : "", s->traits.combined ? ", several combined" : "",
           s->traits.sink ? ", with a sink" : "", s->traits.past ? ", with a past" : "");
    fv_out("  %-9s %s%s%s\n", "mask", fv_attention_masks_str(a, s->traits.mask),
           f->folded ? ": " : "", f->folded ? f->folded : "");
    if (isfinite(s->scale))
        fv_out("  %-9s %g\n", "scale", s->scale);
    fv_out("  %-9s %s\n", "score", brief(a, s->formula));
    fv_out("  %-9s %s\n", "merged",
           s->traits.merged ? "yes: queries, keys and values of one input are one product" : "no");
    if (f->fused)
        fv_out("  %-9s yes: kernel %s%s", "fused", f->kernel->name,
               f->by_rows ? ", a query at a time"
               : f->keeps ? "; other ops read its weights, which are stored in memory"
                          : "");
    else
        fv_out("  %-9s no: %s", "fused", f->why);
    if (f->fused && bytes >= 0)
        fv_out("; %s of scores need no memory", fv_size_str(a, (uint64_t)bytes));
    fv_out("\n");
    if (!f->fused)
        fv_out("  %-9s %s\n", "stopped", f->stopped_at);
    fv_out("  %-9s %s\n", "nodes", fv_origin_str(a, s->nodes));
}

static void print_gate(const fv_attention_query *q, const fv_attention_fate *f) {
    const fv_attention_site *s = f->site;
    fv_out("\n%s: %s gate\n", fv_attention_name(s), fv_attention_kind_name(s->kind));
    if (f->fused)
        fv_out("  %-9s yes: kernel %s\n", "fused", f->kernel->name);
    else
        fv_out("  %-9s no: %s\n", "fused", f->why);
    fv_out("  %-9s %s\n", "nodes", fv_origin_str(q->c->arena, s->nodes));
}

void fv_attention_print(const fv_attention_query *q, const fv_subject *m) {
    if (!m->source.module || m->source.module->definitions)
        fv_out("\nattention is not searched for: the file is from a stage after the graph\n");
    else if (!q->n)
        fv_out("\nthere is neither a softmax nor a gate\n");
    for (int i = 0; i < q->n; i++) {
        const fv_attention_fate *f = &q->fates[i];
        if (order_of(f->site) == 0)
            print_attention(q, f, m);
        else if (f->site->gate)
            print_gate(q, f);
        else
            fv_out("\n%s: no attention\n  %-9s %s\n", fv_attention_name(f->site), "why",
                   f->site->why);
    }
}

/* ---- as JSON ---- */

static json_t *masks_json(unsigned mask) {
    json_t *list = json_array();
    for (int i = 0; i < FV_NMASKS; i++)
        if (mask & 1U << i)
            fv_json_append(list, fv_json_text(fv_mask_name(i)));
    return list;
}

static json_t *number_json(int64_t n) {
    return n > 0 ? json_integer(n) : json_null();
}

static json_t *attention_json(const fv_attention_fate *f, const fv_subject *m) {
    const fv_attention_site *s = f->site;
    json_t *o = json_object(), *nodes = json_array();
    int64_t bytes = s->gate ? -1 : spared(f, m);
    fv_json_set_bool(o, "fused", f->fused);
    fv_json_set_text(o, "kind", fv_attention_kind_name(s->kind));
    fv_json_set_bool(o, "gate", s->gate);
    fv_json_set_text(o, "softmax", fv_attention_name(s));
    fv_json_set(o, "query_heads", number_json(s->heads.query));
    fv_json_set(o, "kv_heads", number_json(s->heads.kv));
    fv_json_set(o, "head_size", number_json(s->heads.size));
    fv_json_set(o, "scale", s->gate ? json_null() : fv_json_real(s->scale));
    fv_json_set(o, "mask", masks_json(s->traits.mask));
    fv_json_set_bool(o, "mask_folded", f->folds);
    fv_json_set(o, "score", fv_json_text(s->formula));
    fv_json_set_bool(o, "sink", s->traits.sink);
    fv_json_set_bool(o, "mixed", s->traits.mixed);
    fv_json_set_bool(o, "combined", s->traits.combined);
    fv_json_set_bool(o, "past", s->traits.past);
    fv_json_set_bool(o, "qkv_merged", s->traits.merged);
    for (int i = 0; i < s->nodes->n; i++)
        fv_json_append(nodes, fv_json_text(s->nodes->nodes[i]));
    fv_json_set(o, "nodes", nodes);
    fv_json_set(o, "kernel", f->kernel ? fv_json_text(f->kernel->name) : json_null());
    fv_json_set(o, "spared_bytes", f->fused && bytes >= 0 ? json_integer(bytes) : json_null());
    if (!f->fused) {
        fv_json_set_text(o, "why", f->why);
        fv_json_set(o, "code", fv_json_text(f->code));
        fv_json_set_text(o, "stopped_at", f->stopped_at);
    }
    return o;
}

void fv_attention_json(const fv_attention_query *q, const fv_subject *m, json_t *document) {
    json_t *list = json_array();
    for (int i = 0; i < q->n; i++)
        if (q->fates[i].site->kind != FV_ATTENTION_NONE)
            fv_json_append(list, attention_json(&q->fates[i], m));
    fv_json_set_int(document, "softmax_total", q->softmaxes);
    fv_json_set_int(document, "softmax_fused", q->fused);
    fv_json_set(document, "attention", list);
}
