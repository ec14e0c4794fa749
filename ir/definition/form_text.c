/* form_text.c - see form_text.h. */
#include "ir/definition/form_text.h"

/* The outermost reduction in x that occurs first; NULL: there is none. */
static const fv_expr *first_sum(const fv_expr *x) {
    const fv_expr *found = x->op == FV_X_REDUCE ? x : NULL;
    for (int i = 0; i < x->n && !found; i++)
        found = first_sum(x->arg[i]);
    return found;
}

int fv_form_over(const fv_definition *d, fv_var *const **vars) {
    const fv_expr *sum = fv_form_words_of(d->form.kind).terms ? first_sum(d->body) : NULL;
    *vars = sum ? sum->u.red.vars : NULL;
    return sum ? sum->u.red.nvars : 0;
}

typedef struct putter {
    fv_text *t;
    void (*name)(void *user, const fv_var *v);
    void *user;
} putter;

static void put_name(const putter *p, const fv_var *v) {
    if (p->name)
        p->name(p->user, v);
    else
        fv_text_put(p->t, v->name);
}

static void put_vars(const putter *p, const char *word, int n, fv_var *const *vars,
                     uint32_t which) {
    bool any = false;
    for (int i = 0; i < n; i++)
        if (which >> i & 1) {
            fv_text_printf(p->t, any ? ", " : " %s ", word);
            put_name(p, vars[i]);
            any = true;
        }
}

void fv_form_put(fv_text *t, const fv_definition *d, void (*name)(void *user, const fv_var *v),
                 void *user) {
    const putter p = {t, name, user};
    const fv_form *f = &d->form;
    fv_form_words words = fv_form_words_of(f->kind);
    fv_var *const *over;
    int n = fv_form_over(d, &over);
    fv_text_put(t, fv_form_name(f->kind));
    put_vars(&p, words.rows, d->rank, d->index, f->rows);
    put_vars(&p, f->each ? "each" : words.columns, d->rank, d->index, f->columns);
    put_vars(&p, words.terms, n, over, UINT32_MAX);
}

const char *fv_form_text(fv_arena *a, const fv_definition *d) {
    fv_text t = {.arena = a};
    fv_form_put(&t, d, NULL, NULL);
    return t.s;
}
