/* index.c - finds which index a REQUIRE refused: which values to look at is decided when the
 * bytecode is built, and they are evaluated if the condition fails.
 *
 * A condition consists of comparisons such as 0 <= t && t < n, where t is an element of a buffer,
 * or is computed from one; an index that may count from the end is select(i < 0, i + n, i). Or the
 * condition is a flag, itself an element of a buffer. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "backend/interp/build.h"

/* The values that are examined if a REQUIRE fails. Their registers are not those of constants. */
typedef struct question {
    uint32_t ok; /* register of the condition, with `lanes` lanes */
    uint16_t lanes;
    /* registers (i64); the value must be in [0, limit), or in [-limit, limit) if negative indices
     * are allowed */
    uint32_t value, limit;
    bool value_lanes, limit_lanes;
    bool wraps;
    bool is_flag;    /* whether the condition is a flag, so that there is no value and no limit */
    const char *why; /* not NULL: this text is reported instead of a value */
    const fv_buf *from; /* the parameter of the kernel from which the index was loaded, or NULL */
    bool direct;        /* whether the value is the loaded element itself, not computed from it */
    bool run;           /* whether the lanes are consecutive elements */
    uint32_t *index;
    bool *index_lanes;
} question;

static const fv_expr *meaning(build *b, const fv_expr *x) {
    for (;;) {
        const fv_expr *of = x->op == FV_X_VAR ? fv_ptrmap_get(&b->at.lets, x->u.var) : NULL;
        if (!of && (x->op == FV_X_SPLAT || x->op == FV_X_CONVERT))
            of = x->arg[0];
        if (!of)
            return x;
        x = of;
    }
}

/* The first comparison t < n in a condition; NULL: there is none. */
static const fv_expr *comparison(build *b, const fv_expr *x) {
    const fv_expr *found = NULL;
    x = meaning(b, x);
    if (x->op == FV_X_LT && x->arg[0]->type.elem == FV_I64)
        return x;
    for (int i = 0; i < x->n && !found && (x->op == FV_X_AND || x->op == FV_X_OR); i++)
        found = comparison(b, x->arg[i]);
    return found;
}

/* The i of select(i < 0, i + n, i); NULL: x has another form. */
static const fv_expr *before_wrapping(build *b, const fv_expr *x) {
    if (x->op != FV_X_SELECT)
        return NULL;
    const fv_expr *c = meaning(b, x->arg[0]), *sum = meaning(b, x->arg[1]);
    return c->op == FV_X_LT && sum->op == FV_X_ADD ? meaning(b, x->arg[2]) : NULL;
}

static const fv_expr *first_load(build *b, const fv_expr *x) {
    const fv_expr *found = NULL;
    x = meaning(b, x);
    if ((x->op == FV_X_LOAD || x->op == FV_X_GUARD) && fv_ptrmap_get(&b->at.extents, x->u.buf))
        return x;
    for (int i = 0; i < x->n && !found; i++)
        found = first_load(b, x->arg[i]);
    return found;
}

static void ask_where(build *b, question *q, const fv_expr *load) {
    const fv_buf *buf = load->u.buf;
    q->from = buf;
    q->index = FV_NEW(b->arena, uint32_t, buf->rank + 1);
    q->index_lanes = FV_NEW(b->arena, bool, buf->rank + 1);
    q->run = fv_access_kind(buf, load->arg, load->type.lanes) == FV_ACCESS_RUN;
    for (int i = 0; i < buf->rank; i++) {
        q->index[i] = fv_i_held(b, load->arg[i]);
        q->index_lanes[i] = load->arg[i]->type.lanes > 1;
    }
}

static void ask_flag(build *b, const fv_expr *flag, uint16_t lanes, uint32_t ok) {
    question *q = FV_NEW(b->arena, question, 1);
    *q = (question){.ok = ok, .lanes = lanes, .is_flag = true};
    ask_where(b, q, flag);
    fv_i_emit(b, fv_i_tell_index)->u.data = q;
}

void fv_i_ask_index(build *b, const fv_expr *cond, uint32_t ok) {
    const fv_expr *c = comparison(b, cond), *flag = meaning(b, cond);
    if (!c && first_load(b, flag) == flag)
        ask_flag(b, flag, cond->type.lanes, ok);
    if (!c && b->by_hand && first_load(b, flag) != flag) {
        question *q = FV_NEW(b->arena, question, 1);
        *q = (question){.why = "what it requires does not hold, or its loops would take too long"};
        fv_i_emit(b, fv_i_tell_index)->u.data = q;
    }
    if (!c)
        return;
    question *q = FV_NEW(b->arena, question, 1);
    const fv_expr *t = meaning(b, c->arg[0]), *plain = before_wrapping(b, t);
    const fv_expr *value = plain ? plain : t, *load = first_load(b, value);
    *q = (question){.ok = ok, .lanes = cond->type.lanes, .wraps = plain != NULL};
    if (value->type.elem != FV_I64) /* the loaded value was converted to i64 */
        value = plain ? t : c->arg[0];
    if (value->type.elem != FV_I64)
        return;
    q->direct = load && meaning(b, value) == load;
    q->value = fv_i_held(b, value);
    q->value_lanes = value->type.lanes > 1;
    q->limit = fv_i_held(b, c->arg[1]);
    q->limit_lanes = c->arg[1]->type.lanes > 1;
    if (load)
        ask_where(b, q, load);
    fv_i_emit(b, fv_i_tell_index)->u.data = q;
}

static int64_t lane_of(const frame *f, uint32_t at, bool lanes, int lane) {
    return AS(reg_i64, f, at)[lanes ? lane : 0];
}

const insn *fv_i_tell_index(frame *f, const insn *i) {
    const question *q = i->u.data;
    int lane = 0, none = 0;
    if (!f->refused || !atomic_compare_exchange_strong(&f->refused->taken, &none, 1))
        return i + 1;
    while (lane + 1 < q->lanes && AS(reg_u8, f, q->ok)[lane])
        lane++;
    refused_index *r = f->refused;
    if ((r->why = q->why)) {
        atomic_store(&r->taken, 2);
        return i + 1;
    }
    r->is_flag = q->is_flag;
    r->value = q->is_flag ? 0 : lane_of(f, q->value, q->value_lanes, lane);
    r->limit = q->is_flag ? 0 : lane_of(f, q->limit, q->limit_lanes, lane);
    r->wraps = q->wraps;
    r->direct = q->direct;
    r->from = q->from;
    for (int k = 0; q->from && k < q->from->rank; k++)
        r->at[k] = lane_of(f, q->index[k], q->index_lanes[k], lane) +
                   (q->run && !q->index_lanes[k] && k == q->from->rank - 1 ? lane : 0);
    atomic_store(&r->taken, 2);
    return i + 1;
}

/* ---- words ---- */

/* The name in the model of the value that a launch passes for a parameter. For a flag it is the
 * parameter's own name, because its memory may have held other values since. */
static const char *argument_name(const fv_interp *p, const site *at, const fv_buf *parameter,
                                 bool is_flag, const char **kind) {
    for (int i = 0; i < at->nargs; i++) {
        const fv_buf *b = p->bufs[at->slots[i]].buf;
        if (at->kernel->params[i].buf != parameter)
            continue;
        *kind = b->role == FV_BUF_INPUT ? "input" : b->role == FV_BUF_CONST ? "constant" : "value";
        return b->role == FV_BUF_INPUT   ? p->program->inputs[b->index].name
               : b->role == FV_BUF_CONST ? p->program->memory.constants[b->index].name
               : is_flag                 ? parameter->name
                                         : b->name;
    }
    return NULL;
}

static size_t put_place(char *text, size_t size, const refused_index *r) {
    size_t n = 0;
    for (int k = 0; k < r->from->rank && n < size; k++)
        n += (size_t)snprintf(text + n, size - n, "%s%" PRId64, k ? ", " : "[", r->at[k]);
    if (r->from->rank && n < size)
        n += (size_t)snprintf(text + n, size - n, "]");
    return n;
}

void fv_i_index_text(const fv_interp *p, const site *at, const refused_index *r, char *text,
                     size_t size) {
    if (at->kernel->by_hand) {
        size_t n = (size_t)snprintf(text, size, "kernel '%s': ", at->kernel->name);
        n = n < size ? n : size - 1;
        text += n;
        size -= n;
    }
    const char *kind = NULL,
               *name = r->from ? argument_name(p, at, r->from, r->is_flag, &kind) : NULL;
    char place[400] = "", range[64];
    if (name && !r->why)
        put_place(place, sizeof place, r);
    if (r->why) {
        snprintf(text, size, "%s%s%s%s", name ? kind : "", name ? " '" : "", name ? name : "",
                 name ? "': " : "");
        size_t n = strlen(text);
        snprintf(text + n, size - n, "%s", r->why);
        return;
    }
    int64_t least = r->wraps ? -r->limit : 0, most = r->limit - 1;
    if (r->limit > 0)
        snprintf(range, sizeof range, "may be %" PRId64 " to %" PRId64, least, most);
    else
        snprintf(range, sizeof range, "there are no elements");
    if (name && r->is_flag)
        snprintf(text, size, "%s '%s'%s is false", kind, name, place);
    else if (name && r->direct)
        snprintf(text, size, "%s '%s'%s is %" PRId64 ", out of range: %s", kind, name, place,
                 r->value, range);
    else if (name)
        snprintf(text, size, "index %" PRId64 ", computed of %s '%s'%s, out of range: %s", r->value,
                 kind, name, place, range);
    else
        snprintf(text, size, "index %" PRId64 ", out of range: %s", r->value, range);
}
