/* index.c - finds which index a REQUIRE refused, and describes it: which values to look at is
 * decided when the bytecode is built (build_expr.c), and they are evaluated if the condition
 * fails. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "backend/interp/code.h"

static int64_t lane_of(const frame *f, uint32_t at, bool lanes, int lane) {
    return AS(reg_i64, f, at)[lanes ? lane : 0];
}

static bool is_within(const frame *f, const question *q, int lane) {
    int64_t value = lane_of(f, q->value, q->value_lanes, lane),
            limit = lane_of(f, q->limit, q->limit_lanes, lane);
    return value < limit && value >= (q->wraps ? -limit : 0);
}

const insn *fv_i_record_refused(frame *f, const insn *i) {
    const question *q = i->u.data;
    int lane = 0, none = 0;
    while (lane + 1 < q->lanes && AS(reg_u8, f, q->ok)[lane])
        lane++;
    if ((q->among && is_within(f, q, lane)) || !f->refused ||
        !atomic_compare_exchange_strong(&f->refused->taken, &none, 1))
        return i + 1;
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
