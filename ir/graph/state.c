/* state.c - declares and checks states: which outputs are passed to which inputs of the next
 * run. */
#include "ir/graph/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ir/base/diag.h"
#include "ir/base/quoted.h"
#include "ir/base/text.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"

/* ---- which pairs of input and output may be a state ---- */

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
            return fv_printf(
                a, "on axis %d output '%s' has %s, which input '%s' with %s never takes", i,
                out->name, fv_dim_str(a, out->dims[i]), in->name, fv_dim_str(a, in->dims[i]));
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
    return fv_state_mismatch(a,
                             &(fv_state_side){p->name, p->type->elem, p->type->rank, p->type->dims},
                             &(fv_state_side){result_name(f, i), t->elem, t->rank, t->dims});
}

/* ---- results that can be stored in the memory of an input ---- */

/* The reason why the output of op cannot be stored in the memory of input p: none of its dims may
 * depend on data, and all but that of `axis` must be those of the input. NULL: it can. */
static const char *differs(fv_arena *a, const fv_op *op, const fv_value *p, int axis) {
    const fv_type *t = op->out[0]->type;
    for (int k = 0; k < t->rank; k++) {
        if (t->dims[k]->from_data)
            return fv_printf(a, "and data decide axis %d", k);
        if (k != axis && t->dims[k] != p->type->dims[k])
            return fv_printf(a, "and on axis %d it has %s, the input %s", k,
                             fv_dim_str(a, t->dims[k]), fv_dim_str(a, p->type->dims[k]));
    }
    return NULL;
}

/* Is the result of op its first operand with some elements replaced? */
static bool replaces(const fv_op *op) {
    return fv_op_is(op, FV_OP_TensorScatter) || fv_op_is(op, FV_OP_fv_WriteRows) ||
           fv_op_is(op, FV_OP_ScatterElements) || fv_op_is(op, FV_OP_ScatterND);
}

/* Finds an axis along which a memory has this size; false: there is none. */
static bool find_axis(const fv_type *t, const fv_dim *size, int *axis) {
    for (*axis = 0; *axis < t->rank; ++*axis)
        if (t->dims[*axis] == size)
            return true;
    return false;
}

static const char *not_replaced(const fv_func *f, int i, const fv_op *op, int *axis) {
    const fv_value *p = f->states[i];
    fv_arena *a = f->module->arena;
    if (!find_axis(p->type, f->capacity[i], axis))
        return fv_printf(
            a, "which leaves its size as it is, and no dim of the input is the capacity %s",
            fv_dim_str(a, f->capacity[i]));
    return p->nuses > 1 ? "and more reads the input" : differs(a, op, p, *axis);
}

static const char *not_added(const fv_func *f, int i, fv_op *op, int *axis) {
    const fv_value *p = f->states[i];
    const char *why = op->nin < 2 ? "expected the new elements after the input" : NULL;
    for (int k = 1; !why && k < op->nin; k++)
        why = op->in[k] == p ? "which has the input twice" : NULL;
    if (!why && !fv_infer_axis(op, fv_op_int(op, "axis"), op->out[0]->type->rank, axis))
        return "whose axis is none";
    why = why ? why : differs(f->module->arena, op, p, *axis);
    if (!why && fv_dim_is_one(f->capacity[i]) &&
        (op->nin > 2 || !fv_dim_is_one(op->in[1]->type->dims[*axis])))
        why = "and what is new is not known to be one, which is the capacity";
    return why;
}

const char *fv_state_not_written(const fv_func *f, int i, int *axis) {
    const fv_value *p = f->states[i], *v = f->body->last->in[i];
    fv_op *op = v->def;
    const fv_op *ret = f->body->last;
    if (p->type->kind == FV_TENSOR && fv_elem_is_packed(p->type->elem))
        return "and several of its elements share a byte";
    if (!op || op->block != f->body || !(fv_op_is(op, FV_OP_Concat) || replaces(op)))
        return "expected a Concat of the input and what is new, or a scatter into it";
    if (!op->nin || op->in[0] != p)
        return "whose first operand is not the input";
    for (int k = 0; k < ret->nin; k++)
        if (k != i && ret->in[k] == v)
            return "which is another output as well";
    for (int k = 0; k < ret->nin; k++)
        if (ret->in[k] == p)
            return "and the input is an output as well";
    return replaces(op) ? not_replaced(f, i, op, axis) : not_added(f, i, op, axis);
}

fv_op *fv_state_writer(const fv_func *f, int i, int *axis) {
    const fv_value *v = f->body->last->in[i], *p = f->states[i];
    const char *why = fv_state_not_written(f, i, axis), *what = "it is not computed";
    if (!why)
        return v->def;
    if (v->def && v->def->origin->n)
        what = fv_printf(f->module->arena, "node '%s' (%s) makes it",
                         fv_origin_str(f->module->arena, v->def->origin), v->def->def->name);
    else if (v->def)
        what = fv_printf(f->module->arena, "%s makes it", v->def->def->name);
    fv_error(f->module->session,
             "output '%s' cannot be written in the memory of input '%s': %s, %s; leave the "
             "capacity out, "
             "and they are two buffers",
             result_name(f, i), p->name, what, why);
    return NULL;
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

/* The parts of the text of an option --state, and the names of inputs and outputs. In a name in
 * backquotes `*` and `:` have no meaning. */
typedef struct option {
    const char *text, *in, *out, *capacity; /* the capacity; NULL: it is not given */
    bool in_is_quoted, out_is_quoted;
    const char **ins, **outs;
} option;

static bool read_pair(fv_arena *a, option *o) {
    const char *end = o->text, *quoted = fv_option_quoted(a, o->text, &end);
    const char *equals = strchr(end, '=');
    if (!equals || (quoted && equals != end))
        return false;
    o->in = quoted ? quoted : fv_strndup(a, o->text, (size_t)(equals - o->text));
    o->in_is_quoted = quoted != NULL;
    quoted = fv_option_quoted(a, equals + 1, &end);
    o->out_is_quoted = quoted && (!*end || *end == ':');
    o->out = o->out_is_quoted ? quoted : equals + 1;
    o->capacity = o->out_is_quoted && *end ? end + 1 : NULL;
    return true;
}

/* The text in `name` at the position of the '*' of the pattern; NULL: the name does not match the
 * pattern. */
static const char *star_of(fv_arena *a, const char *pattern, const char *name) {
    const char *star = strchr(pattern, '*');
    size_t before = (size_t)(star - pattern), after = strlen(star + 1), n = strlen(name);
    bool fits = n >= before + after && !strncmp(name, pattern, before) &&
                !strcmp(name + n - after, star + 1);
    return fits ? fv_strndup(a, name + before, n - before - after) : NULL;
}

static bool is_of_any(fv_arena *a, const char *pattern, const char *const *names) {
    bool any = false;
    for (int i = 0; strchr(pattern, '*') && names[i] && !any; i++)
        any = star_of(a, pattern, names[i]) != NULL;
    return any;
}

/* Splits the capacity off the name of the output, at its last colon, unless the output's name
 * contains the colon ("out:0"). */
static void split_capacity(fv_arena *a, option *o) {
    bool whole = o->out_is_quoted || find(o->out, o->outs) >= 0 || is_of_any(a, o->out, o->outs);
    const char *colon = whole ? NULL : strrchr(o->out, ':');
    if (!colon)
        return;
    o->capacity = colon + 1;
    o->out = fv_strndup(a, o->out, (size_t)(colon - o->out));
}

/* ---- a capacity ---- */

static bool has(const fv_dim *largest, const fv_dim *d) {
    for (int i = 0; largest->kind == FV_DIM_MAX_ && i < largest->n; i++)
        if (has(largest->arg[i], d))
            return true;
    return largest == d;
}

/* Is the output as large as the input, or proved to be so if its elements fit into the input's
 * memory? */
static bool keeps_size(const fv_type *in, const fv_type *out) {
    for (int k = 0; k < in->rank; k++)
        if (!has(out->dims[k], in->dims[k]))
            return false;
    return true;
}

/* The axis along which op writes; -1: not known. Caches of com.microsoft are [batch, heads,
 * positions, size]. */
static int axis_of_op(const fv_op *op, const fv_type *in) {
    int axis;
    if (op && replaces(op) && fv_opdef_attr(op->def, "axis"))
        return fv_infer_axis((fv_op *)(uintptr_t)op, fv_op_int(op, "axis"), in->rank, &axis) ? axis
                                                                                             : -1;
    return op && !strcmp(op->def->domain, "com.microsoft") && in->rank == 4 ? 2 : -1;
}

/* The axis to which the capacity applies: one along which input and output differ in size; else the
 * one along which the op writes; else the only axis whose dim is no constant; else one whose dim
 * equals the capacity. -1: none of these. */
static int axis_of_capacity(const fv_module *m, const fv_type *in, const fv_value *out,
                            const fv_dim *capacity) {
    int axis, open = -1, nopen = 0;
    for (axis = 0; axis < in->rank; axis++)
        if (out->type->dims[axis] != in->dims[axis])
            return axis;
    if ((axis = axis_of_op(out->def, in)) >= 0)
        return axis;
    for (axis = 0; axis < in->rank; axis++)
        if (!fv_dim_is_const(in->dims[axis])) {
            open = axis;
            nopen++;
        }
    if (nopen == 1)
        return open;
    for (axis = 0; axis < in->rank; axis++)
        if (fv_module_equal(m, in->dims[axis], capacity))
            return axis;
    return -1;
}

/* For a size max(a, room), the condition "a <= room" for a message. */
static const char *fits_str(fv_arena *a, const fv_dim *largest, const fv_dim *room) {
    if (largest->kind != FV_DIM_MAX_ || largest->n != 2 ||
        (largest->arg[0] != room && largest->arg[1] != room))
        return fv_printf(a, "%s within %s", fv_dim_str(a, largest), fv_dim_str(a, room));
    return fv_printf(a, "%s <= %s", fv_dim_str(a, largest->arg[largest->arg[0] == room]),
                     fv_dim_str(a, room));
}

/* Checks the capacity of a state and returns it. If the output is as large as the input, the
 * capacity must be the size of the memory, and becomes a dim of both; otherwise the output must not
 * be larger along an axis where the input has that size. NULL after a diagnostic. */
static const fv_dim *fixed_size(fv_module *m, const fv_func *f, const char *text, int i,
                                const fv_dim *capacity) {
    const fv_value *past = f->states[i], *v = f->body->last->in[i];
    if (!keeps_size(past->type, v->type)) {
        for (int k = 0; k < past->type->rank; k++)
            if (past->type->dims[k] == capacity && v->type->dims[k] != capacity) {
                fv_error(m->session,
                         "--state '%s': the capacity %s is what input '%s' has already, and output "
                         "'%s' has more",
                         text, fv_dim_str(m->arena, capacity), past->name, result_name(f, i));
                return NULL;
            }
        return capacity;
    }
    int axis = axis_of_capacity(m, past->type, v, capacity);
    const fv_dim *room = axis < 0 ? NULL : past->type->dims[axis];
    if (!room ||
        (room != capacity && (!fv_dim_is_const(capacity) ||
                              !fv_module_assume(m, room, capacity, "capacity of a state")))) {
        fv_error(m->session,
                 "--state '%s': input '%s' is %s, as large as its output; which of its dims is the "
                 "capacity? None is %s",
                 text, past->name, fv_type_str(m->arena, past->type),
                 fv_dim_str(m->arena, capacity));
        return NULL;
    }
    if (!fv_dim_is_const(room) && (room->kind != FV_DIM_SYMBOL || room->from_data)) {
        fv_error(m->session,
                 "--state '%s': the capacity of input '%s' is %s, expected a number or a symbol",
                 text, past->name, fv_dim_str(m->arena, room));
        return NULL;
    }
    for (int k = 0; k < past->type->rank; k++) {
        const fv_dim *in = past->type->dims[k], *out = v->type->dims[k];
        const char *says = fits_str(m->arena, out, in);
        if (!fv_module_require(m, out, in, "memory of a state", says)) {
            fv_error(m->session,
                     "--state '%s': output '%s' has %s on axis %d, more than input '%s'", text,
                     result_name(f, i), fv_dim_str(m->arena, out), k, past->name);
            return NULL;
        }
    }
    return !v->def || fv_op_infer(v->def) ? room : NULL;
}

/* Reads a capacity: a number, or the name of a symbol. NULL after a diagnostic. */
static const fv_dim *read_capacity(fv_module *m, const char *text, const char *s) {
    char *end;
    errno = 0;
    long long n = strtoll(s, &end, 10);
    if (*s >= '0' && *s <= '9' && !*end && !errno && n > 0 && n <= FV_DIM_MAX)
        return fv_dim_const(m->dims, n);
    const fv_dim *d = fv_is_name(s) ? fv_dim_find(m->dims, s) : NULL;
    if (d && d->from_data)
        fv_error(m->session, "--state '%s': the capacity '%s' is a dim that data decide", text, s);
    else if (d)
        return d->lo == d->hi ? fv_dim_const(m->dims, d->lo) : d;
    else if (fv_is_name(s))
        return fv_dim_fresh(m->dims, s, 0, FV_DIM_MAX, false);
    else
        fv_error(m->session,
                 "--state '%s': the capacity is '%s', expected a number from 1 on, or a name", text,
                 s);
    return NULL;
}

static bool declare(fv_module *m, const option *o, const char *in, const char *out) {
    fv_func *f = m->funcs;
    int p = find(in, o->ins), r = find(out, o->outs);
    if (p < 0 && r < 0 && find(in, o->outs) >= 0 && find(out, o->ins) >= 0)
        return fv_error(m->session, "--state '%s': the input comes first: --state %s=%s", o->text,
                        fv_option_name(m->arena, out), fv_option_name(m->arena, in));
    if (p < 0)
        return unknown(m, o->text, "input", in, o->ins);
    if (r < 0)
        return unknown(m, o->text, "output", out, o->outs);
    const fv_value *past = f->body->params[p];
    const char *problem = fv_state_problem(m->arena, f, r, past);
    if (problem)
        return fv_error(m->session, "--state '%s': %s", o->text, problem);
    if (f->states[r] && f->states[r] != past)
        return fv_error(m->session, "--state '%s': output '%s' is the state of input '%s' already",
                        o->text, out, f->states[r]->name);
    f->states[r] = past;
    if (!o->capacity)
        return true;
    const fv_dim *capacity = read_capacity(m, o->text, o->capacity);
    capacity = capacity ? fixed_size(m, f, o->text, r, capacity) : NULL;
    if (!f->capacity)
        f->capacity = FV_NEW(m->arena, const fv_dim *, f->body->last->nin + 1);
    if (capacity && f->capacity[r] && f->capacity[r] != capacity)
        return fv_error(m->session, "--state '%s': input '%s' has capacity %s already", o->text, in,
                        fv_dim_str(m->arena, f->capacity[r]));
    f->capacity[r] = capacity;
    return capacity != NULL;
}

/* Declares a state for each input whose name matches the pattern `in`. The output's name has the
 * same text in place of its `*`. */
static bool declare_all(fv_module *m, const option *o) {
    const char *star = o->out_is_quoted ? NULL : strchr(o->out, '*');
    if (!star || strchr(star + 1, '*') || strchr(strchr(o->in, '*') + 1, '*'))
        return fv_error(m->session,
                        "--state '%s': expected one * in the input's name and one in the output's",
                        o->text);
    bool any = false, good = true;
    for (int i = 0; good && o->ins[i]; i++) {
        const char *same = star_of(m->arena, o->in, o->ins[i]);
        any = any || same;
        good = !same || declare(m, o, o->ins[i],
                                fv_printf(m->arena, "%.*s%s%s", (int)(star - o->out), o->out, same,
                                          star + 1));
    }
    return any ? good
               : fv_error(m->session, "--state '%s': the model has no input '%s'", o->text, o->in);
}

bool fv_state_declare(fv_module *m, const char *text) {
    fv_func *f = m->funcs;
    int nin = f->body->nparams, nout = f->body->last->nin;
    option o = {.text = text,
                .ins = FV_NEW(m->arena, const char *, nin + 1),
                .outs = FV_NEW(m->arena, const char *, nout + 1)};
    for (int i = 0; i < nin; i++)
        o.ins[i] = f->body->params[i]->name;
    for (int i = 0; i < nout; i++)
        o.outs[i] = result_name(f, i);
    if (!read_pair(m->arena, &o))
        return fv_error(m->session, "--state '%s': expected INPUT=OUTPUT or INPUT=OUTPUT:CAPACITY",
                        text);
    split_capacity(m->arena, &o);
    if (!f->states)
        f->states = FV_NEW(m->arena, const fv_value *, nout + 1);
    bool is_pattern = !o.in_is_quoted && strchr(o.in, '*') && find(o.in, o.ins) < 0;
    return is_pattern ? declare_all(m, &o) : declare(m, &o, o.in, o.out);
}

bool fv_state_names_input(fv_arena *a, const char *text, const char *name) {
    option o = {.text = text};
    if (!read_pair(a, &o))
        return false;
    return !strcmp(o.in, name) ||
           (!o.in_is_quoted && strchr(o.in, '*') && star_of(a, o.in, name) != NULL);
}
