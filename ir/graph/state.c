/* state.c - which outputs are the state of which inputs. */
#include "ir/graph/state.h"

#include <string.h>

#include "ir/base/diag.h"
#include "ir/base/text.h"
#include "ir/dim/text.h"

/* ---- what is legal ---- */

static const char *shape_str(fv_arena *a, const fv_state_side *s) {
    fv_text t = {.arena = a};
    fv_text_printf(&t, "%s[", fv_elem_name(s->elem));
    for (int i = 0; i < s->rank; i++)
        fv_text_printf(&t, "%s%s", i ? ", " : "", fv_dim_str(a, s->dims[i]));
    fv_text_put(&t, "]");
    return t.s;
}

const char *fv_state_mismatch(fv_arena *a, const fv_state_side *in, const fv_state_side *out) {
    if (in->elem != out->elem || in->rank != out->rank)
        return fv_printf(a, "output '%s' is %s, input '%s' is %s: type and rank must be the same",
                         out->name, shape_str(a, out), in->name, shape_str(a, in));
    for (int i = 0; i < in->rank; i++)
        if (in->dims[i]->lo > out->dims[i]->hi || in->dims[i]->hi < out->dims[i]->lo)
            return fv_printf(a, "on axis %d output '%s' has %s, which input '%s' with %s never takes", i,
                             out->name, fv_dim_str(a, out->dims[i]), in->name,
                             fv_dim_str(a, in->dims[i]));
    return NULL;
}

static const char *result_name(const fv_func *f, int i) {
    return f->result_names ? f->result_names[i] : f->body->last->in[i]->name;
}

const char *fv_state_problem(fv_arena *a, const fv_func *f, int i, const fv_value *p) {
    const fv_type *t = f->body->last->in[i]->type;
    if (p->kind != FV_VALUE_PARAM || p->block != f->body)
        return fv_printf(a, "%s is no input", p->name);
    if (t->kind != FV_TENSOR || p->type->kind != FV_TENSOR)
        return fv_printf(a, "'%s' and '%s' are not both tensors", p->name, result_name(f, i));
    for (int k = 0; f->states && k < f->body->last->nin; k++)
        if (k != i && f->states[k] == p)
            return fv_printf(a, "input '%s' takes both '%s' and '%s'", p->name, result_name(f, k),
                             result_name(f, i));
    return fv_state_mismatch(a, &(fv_state_side){p->name, p->type->elem, p->type->rank, p->type->dims},
                    &(fv_state_side){result_name(f, i), t->elem, t->rank, t->dims});
}

/* ---- --state ---- */

static bool unknown(fv_module *m, const char *text, const char *what, const char *word,
                    const char *const *names) {
    const char *near = fv_nearest(word, names);
    return fv_error(m->session, "--state '%s': the model has no %s '%s'%s%s%s", text, what, word,
                    near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static int find(const char *word, const char *const *names) {
    for (int i = 0; names[i]; i++)
        if (!strcmp(names[i], word))
            return i;
    return -1;
}

static bool read_pair(fv_arena *a, const char *text, const char **in, const char **out) {
    const char *end = text, *quoted = fv_option_quoted(a, text, &end);
    const char *equals = strchr(end, '=');
    if (!equals || (quoted && equals != end))
        return false;
    *in = quoted ? quoted : fv_strndup(a, text, (size_t)(equals - text));
    quoted = fv_option_quoted(a, equals + 1, &end);
    *out = quoted && !*end ? quoted : equals + 1;
    return true;
}

bool fv_state_declare(fv_module *m, const char *text) {
    fv_func *f = m->funcs;
    int nin = f->body->nparams, nout = f->body->last->nin;
    const char **ins = FV_NEW(m->arena, const char *, nin + 1);
    const char **outs = FV_NEW(m->arena, const char *, nout + 1);
    for (int i = 0; i < nin; i++)
        ins[i] = f->body->params[i]->name;
    for (int i = 0; i < nout; i++)
        outs[i] = result_name(f, i);
    const char *in, *out;
    if (!read_pair(m->arena, text, &in, &out))
        return fv_error(m->session, "--state '%s': expected INPUT=OUTPUT", text);
    int i = find(in, ins), o = find(out, outs);
    if (i < 0 && o < 0 && find(in, outs) >= 0 && find(out, ins) >= 0)
        return fv_error(m->session, "--state '%s': the input comes first: --state %s=%s", text,
                        fv_option_name(m->arena, out), fv_option_name(m->arena, in));
    if (i < 0)
        return unknown(m, text, "input", in, ins);
    if (o < 0)
        return unknown(m, text, "output", out, outs);
    const char *problem = fv_state_problem(m->arena, f, o, f->body->params[i]);
    if (problem)
        return fv_error(m->session, "--state '%s': %s", text, problem);
    if (!f->states)
        f->states = FV_NEW(m->arena, const fv_value *, nout + 1);
    if (f->states[o] && f->states[o] != f->body->params[i])
        return fv_error(m->session, "--state '%s': output '%s' is the state of input '%s' already", text,
                        outs[o], f->states[o]->name);
    f->states[o] = f->body->params[i];
    return true;
}
