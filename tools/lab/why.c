/* why.c - `inspect --why`: reports the decisions of lowering by value: about one name, or about the
 * kernels with the largest estimated time. */
#include "tools/lab/why.h"

#include <stdlib.h>
#include <string.h>

#include "backend/cost/cost.h"

enum { MOST = 10, SUGGESTIONS = 3 };

/* ---- before it is lowered ---- */

static void look_for(void *user, const char *step, const fv_module *m, const fv_definitions *d) {
    fv_why_query *q = user;
    if (d || !q->name)
        return;
    bool was = q->is;
    q->is = fv_module_has_name(m, q->name);
    if (was && !q->is)
        q->gone = step;
}

void fv_why_begin(fv_why_query *q, fv_context *c, fv_driver_options *o) {
    *q = (fv_why_query){.c = c};
    if (!c->args->inspect.why)
        return;
    fv_watch *w = fv_args_watch(c, o);
    w->user = q;
    w->look = look_for;
    q->reasons = o->answers.reasons = FV_NEW(c->arena, fv_reasons, 1);
    if (*c->args->inspect.why)
        q->name = fv_name_given(c->arena, c->args->inspect.why);
}

void fv_why_read(fv_why_query *q, const fv_source *source) {
    if (!q->name || !source->module)
        return;
    const fv_module *m = source->module;
    fv_list_names(q->c->arena, &q->names, m);
    q->is = fv_module_has_name(m, q->name);
}

/* ---- values with decisions ---- */

typedef struct subject {
    const fv_value *value;
    const fv_reason **reasons;
    int n, cap;
    /* the kernel that computes the value; NULL: it has no kernel of its own */
    const fv_kernel *kernel;
    bool shown;
    /* 1 + the index of an entry for the same value with another kernel (an operator may have
     * several); 0: none */
    int also;
} subject;

typedef struct kernel_time {
    const fv_kernel *kernel;
    double cycles;
    bool known;
    int launches;
} kernel_time;

typedef struct answer {
    fv_why_query *q;
    fv_arena *arena;
    subject *all;
    int n, cap;
    fv_ptrmap index;      /* value -> 1 + its index in `all` */
    kernel_time *kernels; /* the kernels, those with the largest estimated time first */
    int nkernels, cap_kernels;
    double cycles;     /* estimated cycles of the whole program */
    bool kernels_only; /* whether the program was read as kernels, so that there are no decisions */
    /* the reason why nothing can be reported about the name; NULL: something can be reported */
    const char *nothing;
    int left; /* number of kernels that are not reported */
} answer;

static subject *subject_of(answer *w, const fv_value *v) {
    void **at = fv_ptrmap_at(&w->index, v);
    if (!*at) {
        FV_PUSH(w->arena, w->all, w->n, w->cap, ((subject){.value = v}));
        *fv_ptrmap_at(&w->index, v) = (void *)(intptr_t)w->n;
        return &w->all[w->n - 1];
    }
    return &w->all[(intptr_t)*at - 1];
}

/* The entry of value v with kernel k. If it does not exist, it is created with all decisions about
 * the value. */
static subject *subject_with(answer *w, const fv_value *v, const fv_kernel *k) {
    subject *s = subject_of(w, v);
    while (s->kernel && s->kernel != k && s->also)
        s = &w->all[s->also - 1];
    if (!s->kernel || s->kernel == k)
        return s;
    subject other = {.value = v};
    for (int i = 0; i < s->n; i++)
        FV_PUSH(w->arena, other.reasons, other.n, other.cap, s->reasons[i]);
    s->also = w->n + 1;
    FV_PUSH(w->arena, w->all, w->n, w->cap, other);
    return &w->all[w->n - 1];
}

static kernel_time *time_of(answer *w, const fv_kernel *k) {
    for (int i = 0; i < w->nkernels; i++)
        if (w->kernels[i].kernel == k)
            return &w->kernels[i];
    FV_PUSH(w->arena, w->kernels, w->nkernels, w->cap_kernels,
            ((kernel_time){.kernel = k, .known = true}));
    return &w->kernels[w->nkernels - 1];
}

static int by_time(const void *a, const void *b) {
    const kernel_time *x = a, *y = b;
    return x->cycles != y->cycles ? (x->cycles < y->cycles ? 1 : -1)
                                  : strcmp(x->kernel->name, y->kernel->name);
}

static void add_launch(answer *w, const fv_reason_launch *l, const fv_launch_cost *cost,
                       const fv_target *t) {
    subject *s = subject_with(w, l->made, l->kernel);
    kernel_time *k = time_of(w, l->kernel);
    double cycles = cost && cost->known ? fv_cost_cycles(&cost->cost, t) : 0;
    s->kernel = l->kernel;
    for (int i = 0; l->group && i < l->group->nout; i++)
        subject_with(w, l->group->out[i], l->kernel)->kernel = l->kernel;
    k->cycles += cycles;
    k->known &= cost && cost->known;
    k->launches++;
    w->cycles += cycles;
}

static void gather(answer *w, const fv_subject *m, const fv_launch_cost *costs, int ncosts) {
    const fv_reasons *r = w->q->reasons;
    for (int i = 0; i < r->n; i++) {
        subject *s = subject_of(w, r->all[i].about);
        FV_PUSH(w->arena, s->reasons, s->n, s->cap, &r->all[i]);
    }
    for (int i = 0; i < r->nlaunches; i++)
        add_launch(w, &r->launches[i], i < ncosts ? &costs[i] : NULL, m->program->target);
    if (w->nkernels)
        qsort(w->kernels, (size_t)w->nkernels, sizeof *w->kernels, by_time);
}

/* ---- which kernels a value without one is computed in ---- */

typedef void visit_fn(void *user, subject *s);

/* Calls `visit` for the kernels in which v, which has no kernel of its own, is computed: those that
 * compute its users, or in turn their users. */
static void each_holder(answer *w, const fv_value *v, fv_ptrmap *seen, visit_fn *visit,
                        void *user) {
    for (int i = 0; i < v->nuses; i++) {
        const fv_op *use = fv_reasons_op(w->q->reasons, v->uses[i].op);
        for (int k = 0; k < use->nout; k++) {
            const fv_value *y = use->out[k];
            if (!y || *fv_ptrmap_at(seen, y))
                continue;
            *fv_ptrmap_at(seen, y) = (void *)y;
            subject *s = subject_of(w, y);
            if (!s->kernel)
                each_holder(w, y, seen, visit, user);
            for (; s && s->kernel; s = s->also ? &w->all[s->also - 1] : NULL)
                visit(user, s);
        }
    }
}

typedef struct kernel_list {
    fv_text text;
    const fv_kernel *known[MOST];
    int n;
} kernel_list;

static void list_kernel(void *user, subject *s) {
    kernel_list *list = user;
    for (int i = 0; i < list->n; i++)
        if (list->known[i] == s->kernel)
            return;
    if (list->n == MOST)
        return;
    list->known[list->n++] = s->kernel;
    fv_text_printf(&list->text, "%s%s", list->n > 1 ? ", " : "", s->kernel->name);
}

/* The names of the kernels in which v is computed, "Attention_1, Add_7"; "": there are none. */
static const char *holders(answer *w, const fv_value *v) {
    fv_ptrmap seen = fv_ptrmap_in(w->arena);
    kernel_list list = {.text = {.arena = w->arena}};
    fv_text_put(&list.text, "");
    each_holder(w, v, &seen, list_kernel, &list);
    return list.text.s;
}

/* ---- which values are reported ---- */

static void show(void *user, subject *s) {
    (void)user;
    s->shown = true;
}

/* Does the kernel write a buffer with that name? Kernels of recurrences have buffers for states,
 * which are not values of the graph. */
static bool writes(const fv_kernel *k, const char *name) {
    for (int i = 0; i < k->nbufs; i++)
        if (k->bufs[i]->role != FV_BUF_IN && !strcmp(k->bufs[i]->name, name))
            return true;
    return false;
}

/* Marks the entries of the node, value or kernel with that name, and those of the kernels in which
 * they are computed. */
static bool choose_named(answer *w, const char *name) {
    bool any = false;
    fv_ptrmap seen = fv_ptrmap_in(w->arena);
    for (int i = 0, n = w->n; i < n; i++) {
        const fv_kernel *k = w->all[i].kernel;
        bool kernel = k && (!strcmp(k->name, name) || writes(k, name));
        if (!kernel && !fv_value_is_called(w->all[i].value, name))
            continue;
        any = w->all[i].shown = true;
        if (!w->all[i].kernel)
            each_holder(w, w->all[i].value, &seen, show, NULL);
    }
    for (int i = 0; i < w->n; i++) /* the name may be that of a kernel */
        if (!w->all[i].kernel && strstr(fv_printf(w->arena, ", %s, ", holders(w, w->all[i].value)),
                                        fv_printf(w->arena, ", %s, ", name)))
            w->all[i].shown = true;
    return any;
}

/* Is there no earlier entry of the same kernel with a decision for this reason? */
static bool is_new(const answer *w, const fv_kernel *k, int before, const fv_reason *r) {
    for (int s = 0; s < before; s++)
        for (int i = 0; w->all[s].kernel == k && i < w->all[s].n; i++)
            if (w->all[s].reasons[i]->why == r->why)
                return false;
    return true;
}

/* If a kernel is launched several times, its first entry keeps all decisions, and the others keep
 * only decisions that differ. */
static void merge_launches(answer *w, const fv_kernel *k) {
    int first = -1;
    for (int i = 0; i < w->n; i++) {
        subject *s = &w->all[i];
        if (s->kernel != k || !s->shown)
            continue;
        if (first < 0) {
            first = i;
            continue;
        }
        int kept = 0;
        for (int j = 0; j < s->n; j++)
            if (is_new(w, k, i, s->reasons[j]))
                s->reasons[kept++] = s->reasons[j];
        s->n = kept;
        s->shown = kept > 0;
    }
}

/* Marks the entries of the kernels with the largest estimated time (of all kernels with -v).
 * Returns how many kernels are left out. */
static int choose_slowest(answer *w) {
    int n = w->q->c->args->print.verbose || w->nkernels < MOST ? w->nkernels : MOST;
    for (int k = 0; k < n; k++) {
        for (int i = 0; i < w->n; i++)
            w->all[i].shown |= w->all[i].kernel == w->kernels[k].kernel;
        merge_launches(w, w->kernels[k].kernel);
    }
    return w->nkernels - n;
}

/* ---- a name that there is not ---- */

static const char *suggestions(answer *w) {
    fv_why_query *q = w->q;
    fv_text t = {.arena = w->arena};
    for (int i = 0; i < w->n; i++)
        if (w->all[i].kernel)
            FV_PUSH(w->arena, q->names.at, q->names.n, q->names.cap, w->all[i].kernel->name);
    FV_PUSH(w->arena, q->names.at, q->names.n, q->names.cap, NULL);
    fv_text_put(&t, "");
    for (int n = 0; n < SUGGESTIONS; n++) {
        const char *near = fv_nearest(q->name, q->names.at);
        for (int i = 0; !near && i < q->names.n - 1; i++)
            near = strlen(q->name) > 2 && strstr(q->names.at[i], q->name) ? q->names.at[i] : NULL;
        if (!near)
            break;
        fv_text_printf(&t, "%s%s", n ? ", " : "", fv_option_name(w->arena, near));
        for (int i = 0; i < q->names.n - 1; i++)
            if (q->names.at[i] == near || !strcmp(q->names.at[i], near))
                q->names.at[i] = "";
    }
    return t.s;
}

/* Finds out why there are no decisions about the name. False after a message: neither a node nor a
 * value has that name. */
static bool explain_absence(answer *w) {
    fv_why_query *q = w->q;
    const char **why = &w->nothing;
    if (fv_module_has_constant(q->reasons->module, q->name))
        *why = "a constant: what reads it has the decisions";
    else if (q->gone)
        *why = fv_printf(w->arena,
                         "after the pass %s there is nothing of it: it was computed, replaced, or "
                         "nothing needed it",
                         q->gone);
    else if (q->is && q->reasons->after)
        *why = fv_printf(w->arena,
                         "it was decided about before '%s', after which the model was written",
                         q->reasons->after);
    else if (q->is)
        *why = "an input, or an operator that binds dims: nothing is decided about it";
    if (*why)
        return true;
    const char *near = suggestions(w);
    return *near ? fv_error(q->c->session,
                            "there is no node, value or kernel '%s'; the nearest are %s", q->name,
                            near)
                 : fv_error(q->c->session,
                            "there is no node, value or kernel '%s'; --schedules lists kernels",
                            q->name);
}

/* ---- printed ---- */

static double share(const answer *w, double cycles) {
    return w->cycles > 0 ? 100 * cycles / w->cycles : 0;
}

static void print_head(answer *w, const subject *s) {
    const fv_op *op = s->value->def;
    const char *nodes = op ? fv_origin_str(w->arena, op->origin) : "",
               *held = s->kernel ? "" : holders(w, s->value);
    fv_out("\n%s:", s->value->name);
    if (*nodes)
        fv_out(" of %s,", nodes);
    if (s->kernel) {
        const kernel_time *k = time_of(w, s->kernel);
        fv_out(" kernel %s, %s", s->kernel->name,
               s->kernel->schedule ? fv_schedule_brief(w->arena, s->kernel->schedule)
                                   : "as written");
        fv_out(k->known ? "; %d launch%s, %.3g %% of the estimated time\n"
                        : "; %d launch%s, whose cost data decides\n",
               k->launches, k->launches == 1 ? "" : "es", share(w, k->cycles));
    } else
        fv_out(*held ? " no kernel of its own, in %s\n" : " no kernel of its own%s\n", held);
}

static void print_subject(answer *w, const subject *s, json_t *list) {
    (void)list;
    print_head(w, s);
    for (int i = 0; i < s->n; i++) {
        const fv_why_info *info = fv_why_info_of(s->reasons[i]->why);
        fv_out("  %-9s %-4s %s\n", info->step, info->verdict == FV_TAKEN ? "yes" : "no",
               fv_reason_str(w->arena, s->reasons[i]));
        if (w->q->c->args->print.verbose)
            fv_out("  %-9s %-4s   %s: %s\n", "", "", info->name, info->condition);
    }
}

typedef void tell_fn(answer *w, const subject *s, json_t *list);

/* Reports the marked entries: by the time of their kernels if no name was given, otherwise in the
 * order of the program. */
static void tell(answer *w, tell_fn *fn, json_t *list) {
    for (int k = 0; k < w->nkernels && !w->q->name; k++)
        for (int i = 0; i < w->n; i++)
            if (w->all[i].kernel == w->kernels[k].kernel && w->all[i].shown)
                fn(w, &w->all[i], list);
    for (int i = 0; i < w->n && w->q->name; i++)
        if (w->all[i].shown)
            fn(w, &w->all[i], list);
}

bool fv_why_find(fv_why_query *q, const fv_subject *m, const fv_launch_cost *costs, int ncosts) {
    answer *w = q->answer = FV_NEW(q->c->arena, answer, 1);
    *w = (answer){.q = q,
                  .arena = q->c->arena,
                  .index = fv_ptrmap_in(q->c->arena),
                  .kernels_only = !m->source.module};
    if (w->kernels_only)
        return true;
    gather(w, m, costs, ncosts);
    if (!q->name)
        w->left = choose_slowest(w);
    return !q->name || choose_named(w, q->name) || explain_absence(w);
}

void fv_why_print(const fv_why_query *q) {
    answer *w = q->answer;
    if (w->kernels_only)
        fv_out("\nno decisions: the file holds kernels, which are what was decided\n");
    if (!w->kernels_only && q->reasons->after)
        fv_out("\nsteps up to '%s' were done before the model was written: their decisions are not "
               "in it\n",
               q->reasons->after);
    if (w->nothing)
        fv_out("\n%s: %s\n", q->name, w->nothing);
    tell(w, print_subject, NULL);
    if (w->left)
        fv_out("\n%d more kernel%s; -v has all, --why NODE those of a node, a value or a kernel\n",
               w->left, w->left == 1 ? "" : "s");
}

/* ---- as JSON ---- */

static json_t *fact_json(fv_arena *a, const fv_fact *f) {
    return f->kind == FV_FACT_NUMBER ? (f->u.n < 0 ? json_null() : json_integer(f->u.n))
           : fv_fact_name(f)         ? fv_json_text(fv_fact_name(f))
                                     : fv_json_text(fv_fact_str(a, f));
}

static json_t *reason_json(fv_arena *a, const fv_reason *r) {
    const fv_why_info *info = fv_why_info_of(r->why);
    json_t *o = json_object(), *values = json_object();
    const char *name;
    fv_json_set_text(o, "step", info->step);
    fv_json_set_bool(o, "taken", info->verdict == FV_TAKEN);
    fv_json_set_text(o, "code", info->name);
    fv_json_set_text(o, "says", fv_reason_str(a, r));
    fv_json_set_text(o, "condition", info->condition);
    for (int i = 0; (name = fv_reason_fact(a, r, i)); i++)
        fv_json_set(values, name, fact_json(a, &r->facts[i]));
    fv_json_set(o, "values", values);
    return o;
}

static void add_subject(answer *w, const subject *s, json_t *list) {
    json_t *o = json_object(), *nodes = json_array(), *decisions = json_array();
    const fv_origin *from = s->value->def ? s->value->def->origin : NULL;
    fv_json_set_text(o, "value", s->value->name);
    for (int i = 0; from && i < from->n; i++)
        fv_json_append(nodes, fv_json_text(from->nodes[i]));
    fv_json_set(o, "nodes", nodes);
    fv_json_set_text(o, "kernel", s->kernel ? s->kernel->name : NULL);
    if (s->kernel) {
        const kernel_time *k = time_of(w, s->kernel);
        fv_text how = {.arena = w->arena};
        if (s->kernel->schedule)
            fv_schedule_print(&how, s->kernel->schedule);
        fv_json_set_text(o, "schedule", s->kernel->schedule ? how.s : "as written");
        fv_json_set_int(o, "launches", k->launches);
        fv_json_set(o, "share", k->known ? fv_json_real(share(w, k->cycles) / 100) : json_null());
    } else
        fv_json_set_text(o, "in", holders(w, s->value));
    for (int i = 0; i < s->n; i++)
        fv_json_append(decisions, reason_json(w->arena, s->reasons[i]));
    fv_json_set(o, "decisions", decisions);
    fv_json_append(list, o);
}

void fv_why_json(const fv_why_query *q, json_t *document) {
    answer *w = q->answer;
    json_t *list = w->kernels_only ? json_null() : json_array();
    tell(w, add_subject, list);
    fv_json_set(document, "why", list);
    if (!w->kernels_only && q->reasons->after)
        fv_json_set_text(document, "why_after", q->reasons->after);
    if (w->nothing)
        fv_json_set_text(document, "why_nothing", w->nothing);
}
