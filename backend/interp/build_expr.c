/* build_expr.c - translates expressions to bytecode. Expressions are trees: every operation is
 * computed into a register, which is released when its statement ends. */
#include "backend/interp/build.h"

static int width(const fv_expr *x) {
    return fv_elem_storage_bytes((fv_elem)x->type.elem);
}

static uint32_t constant(build *b, const fv_expr *x) {
    if (x->type.elem == FV_F32) {
        float f = (float)x->u.f;
        return fv_i_const(b, &f, sizeof f);
    }
    if (x->type.elem == FV_F64)
        return fv_i_const(b, &x->u.f, sizeof x->u.f);
    int8_t i8 = (int8_t)x->u.i;
    int16_t i16 = (int16_t)x->u.i;
    int32_t i32 = (int32_t)x->u.i;
    switch (width(x)) {
    case 1: return fv_i_const(b, &i8, 1);
    case 2: return fv_i_const(b, &i16, 2);
    case 4: return fv_i_const(b, &i32, 4);
    default: return fv_i_const(b, &x->u.i, 8);
    }
}

/* Is the value already in a register, so that no instruction is needed? */
static bool is_leaf(const fv_expr *x) {
    return x->type.lanes == 1 ? x->op == FV_X_CONST || x->op == FV_X_VAR : x->op == FV_X_VAR;
}

static uint32_t leaf(build *b, const fv_expr *x) {
    return x->op == FV_X_CONST ? constant(b, x) : fv_i_var(b, x->u.var);
}

uint32_t fv_i_value(build *b, const fv_expr *x) {
    if (is_leaf(x))
        return leaf(b, x);
    if (x->op == FV_X_BITCAST)
        /* a bitcast needs no instruction, since registers have no types */
        return fv_i_value(b, x->arg[0]);
    uint32_t d = fv_i_reg(b, x->type);
    fv_i_value_into(b, x, d);
    return d;
}

static void unary(build *b, insn_fn fn, const fv_expr *x, uint32_t d) {
    uint32_t from = fv_i_value(b, x->arg[0]);
    insn *i = fv_i_emit(b, fn);
    i->d = d;
    i->a = from;
    i->lanes = x->type.lanes;
}

/* Adds the instruction of an operation that has a table of functions by type. */
static void arithmetic(build *b, const fv_expr *x, uint32_t d) {
    fv_elem e = (fv_elem)x->arg[0]->type.elem;
    bool is_float = e == FV_F32 || e == FV_F64, vector = x->type.lanes > 1;
    insn_fn fn = is_float ? fv_i_float_op((fv_expr_op)x->op, e, vector)
                          : fv_i_int_op((fv_expr_op)x->op, e, vector);
    if (!fn) {
        fv_i_fail(b, "no '%s' of %s", fv_expr_op_text((fv_expr_op)x->op), fv_elem_name(e));
        return;
    }
    uint32_t at[3] = {0, 0, 0};
    for (int k = 0; k < x->n && k < 3; k++) {
        at[k] = fv_i_value(b, x->arg[k]);
        if (x->arg[k]->type.lanes != x->type.lanes)
            fv_i_fail(b, "'%s' of different lanes", fv_expr_op_text((fv_expr_op)x->op));
    }
    insn *i = fv_i_emit(b, fn);
    i->d = d;
    i->a = at[0];
    i->b = at[1];
    i->c = at[2];
    i->lanes = x->type.lanes;
}

static void dot16(build *b, const fv_expr *x, uint32_t d) {
    uint32_t at[3];
    for (int i = 0; i < 3; i++)
        at[i] = fv_i_value(b, x->arg[i]);
    insn *i = fv_i_emit(b, fv_i_dot16((fv_expr_op)x->op));
    i->d = d;
    i->a = at[0];
    i->b = at[1];
    i->c = at[2];
    i->lanes = 1;
}

static void select_lanes(build *b, const fv_expr *x, uint32_t d) {
    uint32_t c = fv_i_value(b, x->arg[0]);
    uint32_t then = fv_i_value(b, x->arg[1]), otherwise = fv_i_value(b, x->arg[2]);
    if (x->arg[0]->type.lanes != x->type.lanes)
        fv_i_fail(b, "a select whose condition has %d lanes, not %d", x->arg[0]->type.lanes,
                  x->type.lanes);
    insn *i = fv_i_emit(b, fv_i_select(width(x)));
    i->d = d;
    i->a = c;
    i->b = then;
    i->c = otherwise;
    i->lanes = x->type.lanes;
}

static void blocks(build *b, const fv_expr *x, uint32_t d) {
    uint32_t first = fv_i_value(b, x->arg[0]), second = fv_i_value(b, x->arg[1]);
    insn *i = fv_i_emit(b, x->op == FV_X_EVEN ? fv_i_even(width(x)) : fv_i_odd(width(x)));
    i->d = d;
    i->a = first;
    i->b = second;
    i->lanes = x->type.lanes;
    i->u.imm = x->u.i;
}

static void convert(build *b, const fv_expr *x, uint32_t d) {
    fv_elem from = (fv_elem)x->arg[0]->type.elem, to = (fv_elem)x->type.elem;
    fv_lane_fn lane = fv_instruction_lane((fv_expr_op)x->op, from, to);
    if (lane) {
        unary(b, fv_i_by_lane(width(x->arg[0]), width(x)), x, d);
        b->insns[b->n - 1].u.lane = lane;
        return;
    }
    insn_fn fn = from == to ? fv_i_copy(width(x)) : fv_i_convert(from, to);
    if (!fn || x->op == FV_X_CONVSAT)
        fv_i_fail(b, "a conversion of %s to %s was not expanded", fv_elem_name(from),
                  fv_elem_name(to));
    else
        unary(b, fn, x, d);
}

static void copy(build *b, const fv_expr *x, uint32_t from, uint32_t d) {
    insn *i = fv_i_emit(b, fv_i_copy(width(x)));
    i->d = d;
    i->a = from;
    i->lanes = x->type.lanes;
}

/* ---- loads ---- */

/* The register of an extent. Extents of a kernel's parameters were computed before its tasks; those
 * of tiles and of a host program's buffers are computed here. */
static uint32_t extent_of(build *b, const fv_buf *buf, int axis) {
    const uint32_t *known = fv_ptrmap_get(&b->at.extents, buf);
    return known ? known[axis] : fv_i_value(b, buf->extent[axis]);
}

access *fv_i_access(build *b, const fv_buf *buf, fv_expr *const *index, int lanes) {
    access *m = FV_NEW(b->arena, access, 1);
    m->buf = buf;
    m->slot = fv_i_slot(b, buf);
    m->rank = buf->rank;
    m->size = (uint32_t)fv_elem_storage_bytes(buf->elem) * (buf->lanes > 1 ? buf->lanes : 1);
    m->index = FV_NEW(b->arena, uint32_t, buf->rank);
    m->extent = FV_NEW(b->arena, uint32_t, buf->rank);
    m->vector = FV_NEW(b->arena, bool, buf->rank);
    m->run = fv_access_kind(buf, index, lanes) == FV_ACCESS_RUN;
    if (m->run && buf->rank == 0)
        fv_i_fail(b, "%d lanes of '%s', which has no axis", lanes, buf->name);
    for (int k = 0; k < buf->rank; k++) {
        m->index[k] = fv_i_value(b, index[k]);
        m->extent[k] = extent_of(b, buf, k);
        m->vector[k] = index[k]->type.lanes > 1;
        if (index[k]->type.elem != FV_I64)
            fv_i_fail(b, "an index of '%s' is no i64", buf->name);
    }
    return m;
}

static void load(build *b, const fv_expr *x, uint32_t d) {
    const fv_buf *buf = x->u.buf;
    bool guard = x->op == FV_X_GUARD;
    if (buf->role == FV_BUF_OUT)
        fv_i_fail(b, "a load from '%s', which is only written", buf->name);
    access *m = fv_i_access(b, buf, x->arg, x->type.lanes);
    uint32_t c = 0, otherwise = 0;
    if (guard) {
        c = fv_i_value(b, x->arg[buf->rank]);
        otherwise = fv_i_value(b, x->arg[buf->rank + 1]);
        m->masked = true;
        m->mask_vector = x->arg[buf->rank]->type.lanes > 1;
    }
    insn *i = fv_i_emit(b, fv_i_load(m, buf->elem, x->type.lanes));
    i->d = d;
    i->b = otherwise;
    i->c = c;
    i->lanes = x->type.lanes;
    i->is_access = true;
    i->u.access = m;
}

/* ---- requirements ----
 *
 * If a condition fails, its index is computed for the message (index.c). A condition consists of
 * comparisons such as 0 <= t && t < n, where t is an element of a buffer, or is computed from one;
 * an index that may count from the end is select(i < 0, i + n, i). Or the condition is a flag,
 * itself an element of a buffer. */

uint32_t fv_i_held(build *b, const fv_expr *x) {
    uint32_t d = fv_i_reg(b, x->type), top = b->top;
    fv_i_value_into(b, x, d);
    b->top = top;
    return d;
}

/* The value of the let, splat or conversion x; NULL: x is something else. */
static const fv_expr *inner(build *b, const fv_expr *x) {
    const fv_expr *of = x->op == FV_X_VAR ? fv_ptrmap_get(&b->at.lets, x->u.var) : NULL;
    return !of && (x->op == FV_X_SPLAT || x->op == FV_X_CONVERT) ? x->arg[0] : of;
}

static const fv_expr *meaning(build *b, const fv_expr *x) {
    for (const fv_expr *of; (of = inner(b, x));)
        x = of;
    return x;
}

/* Is the index x the element that is loaded, and not a conversion of it that may change it, such as
 * that of a float? */
static bool is_element(build *b, const fv_expr *x, const fv_expr *load) {
    for (; x && x != load; x = inner(b, x))
        if (x->op == FV_X_CONVERT &&
            (x->type.elem != FV_I64 || !fv_elem_is_int((fv_elem)x->arg[0]->type.elem)))
            return false;
    return x != NULL;
}

/* The condition of the lanes that exist, c of !exists || c, as the last vector of a loop requires
 * it; any other condition as it is. */
static const fv_expr *required(build *b, const fv_expr *cond) {
    const fv_expr *x = meaning(b, cond);
    return x->op == FV_X_OR && meaning(b, x->arg[0])->op == FV_X_NOT ? meaning(b, x->arg[1]) : x;
}

/* Sets `found` to the comparisons t < n in a condition, at most FV_MAX_RANK of them. Returns their
 * number; `n` of them are found already. */
static int comparisons(build *b, const fv_expr *x, const fv_expr **found, int n) {
    x = meaning(b, x);
    if (x->op == FV_X_LT && x->arg[0]->type.elem == FV_I64 && n < FV_MAX_RANK)
        found[n++] = x;
    for (int i = 0; i < x->n && (x->op == FV_X_AND || x->op == FV_X_OR); i++)
        n = comparisons(b, x->arg[i], found, n);
    return n;
}

/* The i of select(i < 0, i + n, i), as an i64; NULL: x has another form. */
static const fv_expr *before_wrapping(build *b, const fv_expr *x) {
    if (x->op != FV_X_SELECT)
        return NULL;
    const fv_expr *c = meaning(b, x->arg[0]), *sum = meaning(b, x->arg[1]);
    return c->op == FV_X_LT && sum->op == FV_X_ADD ? fv_x_convert(b->arena, FV_I64, x->arg[2])
                                                   : NULL;
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
    fv_i_emit(b, fv_i_record_refused)->u.data = q;
}

/* Adds code that describes the index t of the comparison c, t < n. `among`: only if t is out of
 * range, since the condition has other comparisons, which are asked after this one. */
static void ask_index(build *b, const fv_expr *c, uint16_t lanes, uint32_t ok, bool among) {
    question *q = FV_NEW(b->arena, question, 1);
    const fv_expr *plain = before_wrapping(b, meaning(b, c->arg[0]));
    const fv_expr *value = plain ? plain : c->arg[0], *load = first_load(b, value);
    *q = (question){.ok = ok, .lanes = lanes, .wraps = plain != NULL, .among = among};
    q->direct = load && is_element(b, value, load);
    q->value = fv_i_held(b, value);
    q->value_lanes = value->type.lanes > 1;
    q->limit = fv_i_held(b, c->arg[1]);
    q->limit_lanes = c->arg[1]->type.lanes > 1;
    if (load)
        ask_where(b, q, load);
    fv_i_emit(b, fv_i_record_refused)->u.data = q;
}

/* Adds code that is executed if a REQUIRE fails, which finds the index that was out of range. `ok`:
 * the register of the condition. */
static void ask(build *b, const fv_expr *cond, uint32_t ok) {
    const fv_expr *flag = required(b, cond), *c[FV_MAX_RANK];
    int n = comparisons(b, cond, c, 0);
    if (!n && first_load(b, flag) == flag)
        ask_flag(b, flag, cond->type.lanes, ok);
    if (!n && b->by_hand && first_load(b, flag) != flag) {
        question *q = FV_NEW(b->arena, question, 1);
        *q = (question){.why = "what it requires does not hold, or its loops would take too long"};
        fv_i_emit(b, fv_i_record_refused)->u.data = q;
    }
    for (int i = 0; i < n; i++)
        ask_index(b, c[i], cond->type.lanes, ok, i + 1 < n);
}

static void require(build *b, const fv_expr *x, uint32_t d) {
    if (b->host_stmt)
        fv_i_fail(b, "a require outside of kernels");
    fv_i_value_into(b, x->arg[0], d);
    int at = b->n;
    uint32_t top = b->top;
    insn *i = fv_i_emit(b, fv_i_require);
    i->a = d;
    i->lanes = x->type.lanes;
    ask(b, x->arg[0], d);
    fv_i_aim(b, at, b->n);
    b->top = top;
}

/* ---- expressions ---- */

void fv_i_value_into(build *b, const fv_expr *x, uint32_t d) {
    if (b->failed)
        return;
    if (is_leaf(x)) {
        copy(b, x, leaf(b, x), d);
        return;
    }
    switch ((fv_expr_op)x->op) {
    case FV_X_CONST: /* a constant of several lanes */
        copy(b, x, 0, d);
        b->insns[b->n - 1].fn = fv_i_splat(width(x));
        b->insns[b->n - 1].a = constant(b, x);
        break;
    case FV_X_LOAD:
    case FV_X_GUARD: load(b, x, d); break;
    case FV_X_SELECT: select_lanes(b, x, d); break;
    case FV_X_CONVERT:
    case FV_X_CONVSAT: convert(b, x, d); break;
    case FV_X_BITCAST: copy(b, x, fv_i_value(b, x->arg[0]), d); break;
    case FV_X_SPLAT: unary(b, fv_i_splat(width(x)), x, d); break;
    case FV_X_RAMP: unary(b, fv_i_ramp(width(x)), x, d); break;
    case FV_X_EVEN:
    case FV_X_ODD: blocks(b, x, d); break;
    case FV_X_DOT16_I8_I8:
    case FV_X_DOT16_U8_U8: dot16(b, x, d); break;
    case FV_X_REQUIRE: require(b, x, d); break;
    /* elementary functions and operations of definitions are in no table, which is an error */
    default: arithmetic(b, x, d); break;
    }
}
