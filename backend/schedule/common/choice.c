/* choice.c - chooses parameters of schedules, and computes the keys by which tuning files identify
 * kernels. */
#include "backend/schedule/common/choice.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "backend/lowering/storage.h"
#include "backend/lowering/why.h"
#include "ir/dim/text.h"
#include "ir/layout/layout.h"

enum { NAMED = 4 }; /* number of kernels that a warning names individually */

/* ---- keys ---- */

/* The text from which the key of a kernel is computed: its definition. Nodes, variables and values
 * are numbered in order of occurrence; names (except those of symbols) and literals of floats are
 * left out. Layers that are equal, or that differ in scales only, have the same key. */
typedef struct canon {
    fv_arena *arena;
    fv_text t;
    fv_ptrmap numbers;
    int n;
} canon;

static bool is_known(canon *c, const void *p, char kind) {
    void **at = fv_ptrmap_at(&c->numbers, p);
    bool known = *at != NULL;
    if (!known)
        *at = (void *)(intptr_t)++c->n;
    fv_text_printf(&c->t, " %c%d", kind, (int)(intptr_t)*at);
    return known;
}

static void put_var(canon *c, const fv_var *v) {
    if (!is_known(c, v, 'v') && v->dim)
        fv_text_printf(&c->t, "<%s", fv_dim_str(c->arena, v->dim));
}

static void put_value(canon *c, const fv_buf *b) {
    const fv_value *v = b->value;
    if (!v || is_known(c, v, 'b'))
        return;
    fv_text_printf(&c->t, ":%d:%s", (int)v->type->elem, v->kind == FV_VALUE_CONST ? "c" : "");
    for (int i = 0; i < v->type->rank; i++)
        fv_text_printf(&c->t, "[%s]", fv_dim_str(c->arena, v->type->dims[i]));
}

static void put_node(canon *c, const fv_expr *x) {
    if (x->n && is_known(c, x, 'x'))
        return;
    fv_text_printf(&c->t, "(%d.%d", x->op, x->type.elem);
    switch ((fv_expr_op)x->op) {
    case FV_X_CONST:
        if (!fv_elem_is_float((fv_elem)x->type.elem))
            fv_text_printf(&c->t, " %lld", (long long)x->u.i);
        break;
    case FV_X_VAR: put_var(c, x->u.var); break;
    case FV_X_DIM: fv_text_printf(&c->t, " %s", fv_dim_str(c->arena, x->u.dim)); break;
    case FV_X_LOAD:
    case FV_X_GUARD: put_value(c, x->u.buf); break;
    case FV_X_REDUCE:
        fv_text_printf(&c->t, " r%d", x->u.red.kind);
        for (int i = 0; i < x->u.red.nvars; i++)
            put_var(c, x->u.red.vars[i]);
        break;
    default: break;
    }
    for (int i = 0; i < x->n; i++)
        put_node(c, x->arg[i]);
    fv_text_put(&c->t, ")");
}

static const char *key_of(fv_lowerer *l, int n, const fv_definition *const *all) {
    fv_arena *a = fv_arena_new(l->session);
    canon c = {.arena = a, .t.arena = a, .numbers = fv_ptrmap_in(a)};
    for (int m = 0; m < n; m++) {
        const fv_definition *d = all[m];
        if (m)
            fv_text_put(&c.t, ";");
        for (int i = 0; i < d->rank; i++)
            put_var(&c, d->index[i]);
        put_node(&c, d->body);
        if (d->place)
            put_node(&c, d->place);
        if (n > 1) /* numbers this result, so that a later definition's load of it has a number */
            is_known(&c, d->value, 'b');
    }
    const char *key = fv_printf(l->arena, "%016llx", (unsigned long long)XXH3_64bits(c.t.s, c.t.n));
    fv_arena_free(a);
    return key;
}

/* ---- the schedule in a tuning ---- */

static bool is_of(fv_lowerer *l, const fv_tuned_kernel *k, const fv_value *v) {
    const fv_origin *o = fv_storage_origin(l, v);
    const fv_storage *s = fv_storage_of(l, v);
    bool is = !*k->node || !strcmp(v->name, k->node);
    if (k->form && (!s->def || s->def->form.kind != fv_form_find(k->form)))
        return false;
    for (int i = 0; i < o->n && !is; i++)
        is = !strcmp(o->nodes[i], k->node);
    return is;
}

/* The last entry of the tuning that names the node of v and has that schedule; NULL: there is none.
 * Earlier such entries count as used, too. */
static const fv_tuned_kernel *find_of_node(fv_lowerer *l, const fv_value *v,
                                           fv_schedule_kind kind) {
    const fv_tuning *u = l->options->tuning;
    const fv_tuned_kernel *found = NULL;
    for (int i = 0; u && i < u->n; i++) {
        const fv_tuned_kernel *k = &u->kernels[i];
        if (!k->node || k->schedule.kind != kind || !is_of(l, k, v))
            continue;
        *fv_ptrmap_at(&l->tuning.found, k) = l;
        found = k;
    }
    return found;
}

/* ---- choosing ---- */

fv_choosing fv_choose_for(fv_lowerer *l, const fv_definition *d, fv_schedule_kind kind) {
    return fv_choose_for_group(l, 1, &d, kind);
}

fv_choosing fv_choose_for_group(fv_lowerer *l, int n, const fv_definition *const *all,
                                fv_schedule_kind kind) {
    const fv_lower_options *o = l->options;
    fv_choosing c = {.l = l, .value = all[0]->value, .how.kind = kind};
    if (!o->tuning && !o->choices)
        return c;
    c.key = key_of(l, n, all);
    c.wish = o->tuning ? fv_tuning_find(o->tuning, c.key) : NULL;
    for (int m = 0; m < n && !c.wish; m++)
        c.wish = find_of_node(l, all[m]->value, kind);
    return c;
}

/* Reports that the schedule of a tuning's entry is not legal; once for each entry, however many
 * layers use it. */
static void refuse(fv_lowerer *l, const fv_tuned_kernel *wish, int line, int column,
                   const char *why) {
    const char *model = fv_diag_file_get(l->session);
    if (fv_ptrmap_get(&l->tuning.refused, wish))
        return;
    *fv_ptrmap_at(&l->tuning.refused, wish) = l;
    fv_diag_file(l->session, l->options->tuning->path);
    fv_error_at(l->session, line, column, "%s", why);
    fv_diag_file(l->session, model);
}

bool fv_wants_naive(fv_lowerer *l, const fv_value *v) {
    return find_of_node(l, v, FV_SCHEDULE_naive) != NULL;
}

void fv_refuse_naive(fv_lowerer *l, const fv_value *v, const char *why) {
    const fv_tuned_kernel *k = find_of_node(l, v, FV_SCHEDULE_naive);
    refuse(l, k, k->line, k->column, why);
}

int64_t fv_choose(fv_choosing *c, fv_parameter p, int64_t otherwise, int64_t least, int64_t most,
                  int64_t step) {
    const fv_tuned_kernel *w = c->wish;
    c->limits.choices |= 1u << p;
    c->limits.of[p].least = least;
    c->limits.of[p].most = most;
    c->limits.of[p].step = step;
    fv_schedule_set(&c->how, p, otherwise);
    if (!w || w->schedule.kind != c->how.kind)
        return otherwise;
    bool stated = fv_schedule_states(&w->schedule, p);
    if (stated)
        c->how.value[p] = w->schedule.value[p];
    const char *wrong = fv_schedule_wrong(c->l->arena, &c->limits, &c->how, p);
    /* a parameter that is not stated is reported at the entry: its default is not legal with the
     * stated ones */
    if (wrong) {
        refuse(c->l, w, stated ? w->places.at[p].line : w->line,
               stated ? w->places.at[p].column : w->column, wrong);
        c->how.value[p] = otherwise;
    }
    return c->how.value[p];
}

void fv_choose_layout(fv_choosing *c, const struct fv_layout *layout) {
    const fv_tuned_kernel *w = c->wish;
    fv_text t = {.arena = c->l->arena};
    c->has_layout |= layout != NULL;
    if (!w || !w->layout || !layout || fv_layout_equal(w->layout, layout))
        return;
    fv_text_put(&t, "the schedule reads its constant operand in '");
    fv_layout_print(&t, layout);
    fv_text_put(&t, "', not in '");
    fv_layout_print(&t, w->layout);
    fv_text_put(&t, "'");
    refuse(c->l, w, w->line, w->column, t.s);
}

static void check_wish(fv_choosing *c) {
    const fv_tuned_kernel *w = c->wish;
    fv_arena *a = c->l->arena;
    if (w->schedule.kind != c->how.kind)
        refuse(c->l, w, w->line, w->column,
               fv_printf(a, "the kernel's schedule is '%s', not '%s'",
                         fv_schedule_name(c->how.kind), fv_schedule_name(w->schedule.kind)));
    if (w->layout && !c->has_layout)
        refuse(c->l, w, w->line, w->column,
               "the schedule lays out no constant of this kernel: no layout can be requested");
    for (int p = 0; p < FV_NPARAMETERS; p++)
        if (fv_schedule_states(&w->schedule, (fv_parameter)p) &&
            !fv_is_choice(&c->limits, (fv_parameter)p))
            refuse(c->l, w, w->places.at[p].line, w->places.at[p].column,
                   fv_schedule_wrong(a, &c->limits, &w->schedule, (fv_parameter)p));
    *fv_ptrmap_at(&c->l->tuning.found, w) = c->l;
}

/* Records whether the tuning decided the schedule. (If a value was refused, lowering fails, so no
 * reasons are printed.) */
static void say_why(const fv_choosing *c) {
    fv_lowerer *l = c->l;
    fv_text t = {.arena = l->arena};
    if (!l->reasons || !l->options->tuning)
        return;
    if (!c->wish) {
        fv_declines(l, c->value, FV_WHY_not_tuned);
        return;
    }
    fv_schedule_print(&t, &c->wish->schedule);
    fv_takes(l, c->value, FV_WHY_tuned, fv_s(t.s));
}

void fv_chosen(fv_choosing *c, fv_schedule_kind kind) {
    fv_lowerer *l = c->l;
    c->how.kind = kind;
    if (c->wish)
        check_wish(c);
    say_why(c);
    fv_choices *list = l->options->choices;
    if (!list)
        return;
    int *last = &l->host.steps[l->host.nsteps - 1].launch.choice;
    fv_choice choice = {.key = c->key, .how = c->how, .limits = c->limits, .before = *last};
    FV_PUSH(l->arena, list->at, list->n, list->cap, choice);
    *last = list->n;
}

/* Reports entries of the tuning that name a node or a form, and that fit no kernel. They come from
 * a script, so this is an error; an entry with a key may belong to another level of
 * optimization. */
static void refuse_others(fv_lowerer *l, const fv_tuning *u) {
    for (int i = 0; i < u->n; i++) {
        const fv_tuned_kernel *k = &u->kernels[i];
        bool naive = k->schedule.kind == FV_SCHEDULE_naive;
        if (!k->node || !(*k->node || k->form) || fv_ptrmap_get(&l->tuning.found, k) ||
            fv_ptrmap_get(&l->tuning.refused, k))
            continue;
        if (k->form)
            refuse(l, k, k->line, k->column,
                   fv_printf(l->arena, "no kernel%s%s%s of form '%s' has schedule '%s'",
                             *k->node ? " of '" : "", k->node, *k->node ? "'" : "", k->form,
                             fv_schedule_name(k->schedule.kind)));
        else
            refuse(l, k, k->line, k->column,
                   fv_printf(l->arena,
                             "no kernel %s '%s'%s%s%s; `fovea inspect --schedules` lists them",
                             naive ? "makes" : "of", k->node, naive ? "" : " has schedule '",
                             naive ? "" : fv_schedule_name(k->schedule.kind), naive ? "" : "'"));
    }
}

/* Warns of entries of the tuning for kernels that the model does not have: names the first ones,
 * and counts the others. */
static void warn_of_others(fv_lowerer *l, const fv_tuning *u) {
    const char *model = fv_diag_file_get(l->session);
    int others = 0;
    fv_diag_file(l->session, u->path);
    for (int i = 0; i < u->n; i++) {
        const fv_tuned_kernel *k = &u->kernels[i];
        if (k->key && !fv_ptrmap_get(&l->tuning.found, k) && others++ < NAMED)
            fv_warning_at(
                l->session, k->line, k->column,
                "the model has no kernel \"%s\"; it may have with other --dim, --passes, --prefer, "
                "--relax or -O",
                k->key);
    }
    if (others > NAMED)
        fv_warning(l->session, "nor has the model %d more of its kernels", others - NAMED);
    fv_diag_file(l->session, model);
}

/* Sets the kernels of choices, and removes those of launches that are no longer made. */
static void find_kernels(const fv_lowerer *l, fv_choices *list) {
    int n = 0;
    for (int i = 0; i < l->host.nsteps; i++) {
        const fv_launch *launch = &l->host.steps[i].launch;
        for (int k = launch->choice; k; k = list->at[k - 1].before)
            list->at[k - 1].kernel = launch->kernel;
    }
    for (int i = 0; i < list->n; i++)
        if (list->at[i].kernel)
            list->at[n++] = list->at[i];
    list->n = n;
}

bool fv_choices_end(fv_lowerer *l) {
    const fv_tuning *u = l->options->tuning;
    if (l->options->choices)
        find_kernels(l, l->options->choices);
    if (u) {
        refuse_others(l, u);
        warn_of_others(l, u);
    }
    return l->tuning.refused.n == 0;
}
