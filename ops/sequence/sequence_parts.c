/* sequence_parts.c - expands operators on sequences and optionals to operators on the tensors that
 * represent them (sequence.h). A position outside of the sequence is reported as an index out of
 * range, as by Gather; other conditions are checked when the run binds its symbols. */
#include "ops/sequence/sequence_parts.h"

#include "ir/base/limits.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ir/graph/settle.h"
#include "ir/graph/symbols.h"
#include "ops/common/assemble.h"
#include "ops/common/dims.h"
#include "ops/sequence/sequence.h"

/* ---- fv.Ragged ---- */

const char *fv_part_name(fv_arena *a, const char *name, int part) {
    static const char *const names[FV_MAX_PARTS] = {"data", "shapes", "there"};
    return fv_printf(a, "%s.%s", name, names[part]);
}

int fv_ragged_parts(const fv_type *t) {
    return t->kind == FV_OPTIONAL && t->of->kind == FV_SEQUENCE ? FV_MAX_PARTS : FV_PART_THERE;
}

bool fv_joined_parts(const fv_op *op, const fv_value *v, fv_op_id join, fv_value **parts) {
    if (v->kind != FV_VALUE_RESULT || !fv_op_is(v->def, join))
        /* if there was an error, the op that makes the value may be missing */
        return fv_error_count(fv_op_module(op)->session) == 0 &&
               fv_op_error(op,
                           "reads %%%s, which is not taken apart: the pass 'legalise' does that "
                           "with a whole module",
                           v->name);
    for (int i = 0; i < v->def->nin; i++)
        parts[i] = v->def->in[i];
    return true;
}

fv_value *fv_w_join(fv_rewriter *w, fv_op_id join, const fv_type *t, int n,
                    fv_value *const *parts) {
    fv_attr type = {
        .name = fv_intern(w->module->session, "type"), .kind = FV_ATTR_TYPE, .u.type = t};
    return fv_w_op(w, join, n, parts, 1, &type);
}

bool fv_ragged_of(const fv_op *op, const fv_value *v, fv_value **parts) {
    return fv_joined_parts(op, v, FV_OP_fv_Ragged, parts);
}

fv_value *fv_w_ragged(fv_rewriter *w, const fv_type *t, fv_value *const *parts) {
    return fv_w_join(w, FV_OP_fv_Ragged, t, fv_ragged_parts(t), parts);
}

/* The parts of operand 0, a sequence, or an optional as the sequence that represents it. */
typedef struct ragged {
    fv_value *part[FV_MAX_PARTS];
    /* number of rows of the table of shapes, and of elements in the data */
    const fv_dim *length, *elements;
} ragged;

static bool take_apart(const fv_op *op, ragged *r) {
    if (!fv_ragged_of(op, op->in[0], r->part))
        return false;
    r->length = r->part[FV_PART_SHAPES]->type->dims[0];
    r->elements = r->part[FV_PART_DATA]->type->dims[0];
    return true;
}

static bool put_together(fv_rewriter *w, fv_op *op, fv_value *data, fv_value *shapes) {
    fv_value *parts[] = {data, shapes};
    fv_w_result(w, 0, fv_w_ragged(w, op->out[0]->type, parts));
    return true;
}

/* ---- tensors of integers ---- */

static const fv_dim *constant(const fv_rewriter *w, int64_t v) {
    return fv_dim_const(w->module->dims, v);
}

static fv_value *column(fv_rewriter *w, fv_value *table, int i) {
    fv_value *x = fv_w_cut(w, table, 1, constant(w, i), constant(w, 1));
    return x ? fv_w_reshape(w, x, 1, table->type->dims) : NULL;
}

static fv_value *as_column(fv_rewriter *w, fv_value *x) {
    return x ? fv_w_reshape(w, x, 2, (const fv_dim *[]){x->type->dims[0], constant(w, 1)}) : NULL;
}

static fv_value *count_up(fv_rewriter *w, const fv_dim *n) {
    fv_attr a = fv_attr_dims(w->module, "dims", 1, &n);
    return fv_w_op(w, FV_OP_fv_Range, 2,
                   (fv_value *[]){fv_w_int(w, FV_I64, 0), fv_w_int(w, FV_I64, 1)}, 1, &a);
}

/* ---- shapes ---- */

/* n equal rows of a table of shapes, for elements of these dims. */
static fv_value *rows(fv_rewriter *w, int rank, const fv_dim *const *dims, const fv_dim *n) {
    const fv_dim *row[FV_SHAPE_COLUMNS], *shape[] = {n, constant(w, FV_SHAPE_COLUMNS)};
    for (int i = 0; i < FV_SHAPE_COLUMNS; i++)
        row[i] = i == 0 ? constant(w, rank) : i <= rank ? dims[i - 1] : constant(w, 1);
    fv_value *v = fv_w_ints(w, FV_I64, 1, FV_SHAPE_COLUMNS, row);
    return v ? fv_w_expand(w, v, 2, shape) : NULL;
}

static fv_value *row_of(fv_rewriter *w, const fv_value *x) {
    return rows(w, x->type->rank, x->type->dims, constant(w, 1));
}

/* The number of elements of each tensor. */
static fv_value *sizes(fv_rewriter *w, fv_value *shapes) {
    return fv_w_reduce(w, FV_OP_ReduceProd,
                       fv_w_cut(w, shapes, 1, constant(w, 1), constant(w, FV_MAX_ELEMENT_RANK)), 1);
}

/* Requires that a and b are equal: if that is not proved, the run checks it. False after a
 * diagnostic. */
static bool hold(fv_rewriter *w, fv_op *op, const fv_dim *a, const fv_dim *b, const char *says) {
    if (fv_module_require(w->module, a, b, fv_op_why(op, op->def->name), says))
        return true;
    return fv_op_error(op, "does not hold: %s", says);
}

static const fv_dim *fresh(const fv_rewriter *w, const char *stem) {
    return fv_dim_fresh(w->module->dims, stem, 0, FV_DIM_MAX, true);
}

void fv_w_check_parts(fv_rewriter *w, const char *name, fv_value *const *parts) {
    fv_module *m = w->module;
    const fv_dim *zero = constant(w, 0), *elements = parts[FV_PART_DATA]->type->dims[0];
    fv_value *all[] = {fv_w_flat(w, parts[FV_PART_SHAPES]), fv_w_ints(w, FV_I64, 1, 1, &zero)};
    const fv_dim *least = fv_w_bound(w, "least", -FV_DIM_MAX,
                                     fv_w_reduce(w, FV_OP_ReduceMin, fv_w_concat(w, 0, 2, all), 0));
    const fv_dim *sum =
        fv_w_bound(w, "elements", -FV_DIM_MAX,
                   fv_w_reduce(w, FV_OP_ReduceSum, sizes(w, parts[FV_PART_SHAPES]), 0));
    const char *why = fv_printf(m->arena, "shapes of '%s'", name);
    if (w->failed ||
        !fv_module_require(m, fv_dim_min(m->dims, least, zero), zero, why, "no size is negative") ||
        !fv_module_require(m, sum, elements, why, "there are as many elements as the shapes say"))
        w->failed = true;
}

/* ---- elements of one shape ---- */

/* The row of which the whole table consists; NULL: rows may differ. */
static const fv_dim *const *row_of_all(const ragged *r) {
    const fv_value *shapes = r->part[FV_PART_SHAPES];
    const fv_dim *const *row;
    int n;
    bool repeats = shapes->kind == FV_VALUE_RESULT && fv_op_is(shapes->def, FV_OP_fv_Expand) &&
                   shapes->def->in[0]->type->rank == 1;
    return repeats && fv_elems(shapes->def, 0, &n, &row) && n == FV_SHAPE_COLUMNS ? row : NULL;
}

/* Requires that the dims of the result's type are these; a symbol that has no value yet is
 * replaced. */
static bool are_dims(fv_rewriter *w, fv_op *op, int rank, const fv_dim *const *dims) {
    for (int i = 0; i < rank; i++) {
        const fv_dim *said = op->out[0]->type->dims[i];
        if (said != dims[i] && fv_unknown_above(op, said) == said)
            fv_module_replace_dim(w->module, said, dims[i]);
        else if (!hold(w, op, said, dims[i],
                       "all elements of the sequence have the declared shape"))
            return false;
    }
    return true;
}

static bool is_rank(fv_rewriter *w, fv_op *op, const fv_dim *const *row, int rank) {
    return hold(w, op, row[0], constant(w, rank),
                fv_printf(w->module->arena, "the elements have rank %d", rank));
}

/* ---- lookups ---- */

static fv_value *position(fv_rewriter *w, fv_op *op, int in) {
    return fv_w_reshape(w, fv_w_cast(w, op->in[in], FV_I64), 0, NULL);
}

/* Binds `found` to the elements of a table's row at a position, which may be counted from the
 * end. */
static void look_up(fv_rewriter *w, fv_value *table, fv_value *at, int n,
                    const fv_dim *const *found) {
    fv_attr axis = fv_attr_int(w->module, "axis", 0);
    if (table && at)
        fv_w_bind(w, fv_w_op(w, FV_OP_Gather, 2, (fv_value *[]){table, at}, 1, &axis), n, found);
}

/* The element of a sequence whose elements all have the same shape, by a Gather, which checks the
 * position. */
static fv_value *element_of_stack(fv_rewriter *w, fv_op *op, const ragged *r,
                                  const fv_dim *const *row, fv_value *at) {
    int rank = op->out[0]->type->rank;
    const fv_dim *dims[FV_MAX_ELEMENT_RANK + 1] = {r->length};
    for (int i = 0; i < rank; i++)
        dims[1 + i] = row[1 + i];
    fv_attr axis = fv_attr_int(w->module, "axis", 0);
    fv_value *all = fv_w_reshape(w, r->part[FV_PART_DATA], rank + 1, dims);
    return is_rank(w, op, row, rank) && are_dims(w, op, rank, row + 1) && all && at
               ? fv_w_op(w, FV_OP_Gather, 2, (fv_value *[]){all, at}, 1, &axis)
               : NULL;
}

/* The tensor at a position, with the type of result 0. */
static fv_value *element_at(fv_rewriter *w, fv_op *op, const ragged *r, fv_value *at) {
    const fv_type *t = op->out[0]->type;
    const fv_dim *found[2 + FV_MAX_ELEMENT_RANK] = {fresh(w, "start"), fresh(w, "rank")};
    const fv_dim *const *row = row_of_all(r);
    if (row)
        return element_of_stack(w, op, r, row, at);
    fv_value *shapes =
        fv_w_cut(w, r->part[FV_PART_SHAPES], 1, constant(w, 0), constant(w, 1 + t->rank));
    fv_value *starts = as_column(w, fv_w_sums_before(w, sizes(w, r->part[FV_PART_SHAPES])));
    for (int i = 0; i < t->rank; i++)
        found[2 + i] = t->dims[i];
    look_up(w, fv_w_concat(w, 1, 2, (fv_value *[]){starts, shapes}), at, 2 + t->rank, found);
    if (w->failed || !hold(w, op, found[1], constant(w, t->rank),
                           fv_printf(w->module->arena, "the element has rank %d", t->rank)))
        return NULL;
    /* the sequence is empty, so the lookup fails in the run */
    if (r->elements == constant(w, 0))
        return fv_w_zeros(w, t);
    fv_value *x = fv_w_cut(w, r->part[FV_PART_DATA], 0, found[0],
                           fv_dim_product(w->module->dims, t->rank, t->dims));
    return x ? fv_w_reshape(w, x, t->rank, t->dims) : NULL;
}

bool fv_decompose_sequence_at(fv_rewriter *w, fv_op *op) {
    ragged r;
    if (!take_apart(op, &r))
        return false;
    fv_w_result(w, 0, element_at(w, op, &r, position(w, op, 1)));
    return true;
}

/* ---- sequences ---- */

static bool make_empty(fv_rewriter *w, fv_elem e, fv_value **parts) {
    const fv_dim *none[] = {constant(w, 0), constant(w, FV_SHAPE_COLUMNS)};
    parts[FV_PART_DATA] = fv_w_zeros(w, fv_tensor_type(w->module->arena, e, 1, none));
    parts[FV_PART_SHAPES] = fv_w_zeros(w, fv_tensor_type(w->module->arena, FV_I64, 2, none));
    return parts[FV_PART_DATA] && parts[FV_PART_SHAPES];
}

bool fv_decompose_sequence_empty(fv_rewriter *w, fv_op *op) {
    fv_value *parts[FV_MAX_PARTS];
    return make_empty(w, op->out[0]->type->of->elem, parts) &&
           put_together(w, op, parts[FV_PART_DATA], parts[FV_PART_SHAPES]);
}

bool fv_decompose_sequence_construct(fv_rewriter *w, fv_op *op) {
    fv_value **data = FV_NEW(w->module->arena, fv_value *, op->nin),
             **shapes = FV_NEW(w->module->arena, fv_value *, op->nin);
    for (int i = 0; i < op->nin; i++) {
        data[i] = fv_w_flat(w, op->in[i]);
        shapes[i] = row_of(w, op->in[i]);
    }
    return put_together(w, op, fv_w_concat(w, 0, op->nin, data),
                        fv_w_concat(w, 0, op->nin, shapes));
}

/* The elements of `all` along axis 0 with x inserted at position `at`. */
static fv_value *between(fv_rewriter *w, fv_value *all, const fv_dim *at, fv_value *x) {
    fv_value *parts[] = {
        fv_w_cut(w, all, 0, constant(w, 0), at), x,
        fv_w_cut(w, all, 0, at, fv_dim_sub(w->module->dims, all->type->dims[0], at))};
    return fv_w_concat(w, 0, 3, parts);
}

/* Inserting accepts the positions -n .. n, where -1 is the one before the last element: for
 * negative ones, 1 is subtracted to index a table of n + 1 rows. */
static fv_value *place(fv_rewriter *w, fv_op *op) {
    fv_value *p = position(w, op, 2);
    fv_value *before = FV_W2(w, FV_OP_Sub, p, fv_w_int(w, FV_I64, 1));
    return FV_W3(w, FV_OP_Where, FV_W2(w, FV_OP_Less, p, fv_w_int(w, FV_I64, 0)), before, p);
}

bool fv_decompose_sequence_insert(fv_rewriter *w, fv_op *op) {
    ragged r;
    if (!take_apart(op, &r))
        return false;
    fv_value *data = r.part[FV_PART_DATA], *shapes = r.part[FV_PART_SHAPES],
             *x = fv_w_flat(w, op->in[1]), *row = row_of(w, op->in[1]);
    if (!fv_op_in(op, 2))
        return put_together(w, op, fv_w_concat(w, 0, 2, (fv_value *[]){data, x}),
                            fv_w_concat(w, 0, 2, (fv_value *[]){shapes, row}));
    const fv_dim *found[] = {fresh(w, "place"), fresh(w, "start")};
    fv_value *starts =
        fv_w_concat(w, 0, 2,
                    (fv_value *[]){fv_w_sums_before(w, sizes(w, r.part[FV_PART_SHAPES])),
                                   fv_w_ints(w, FV_I64, 1, 1, &r.elements)});
    fv_value *places = count_up(w, fv_dim_add(w->module->dims, r.length, constant(w, 1)));
    look_up(w, fv_w_concat(w, 1, 2, (fv_value *[]){as_column(w, places), as_column(w, starts)}),
            place(w, op), 2, found);
    return !w->failed &&
           put_together(w, op, between(w, data, found[1], x), between(w, shapes, found[0], row));
}

/* The elements along axis 0 without the n elements at `at`. */
static fv_value *without(fv_rewriter *w, fv_value *all, const fv_dim *at, const fv_dim *n) {
    fv_dims *t = w->module->dims;
    const fv_dim *behind = fv_dim_add(t, at, n);
    fv_value *parts[] = {fv_w_cut(w, all, 0, constant(w, 0), at),
                         fv_w_cut(w, all, 0, behind, fv_dim_sub(t, all->type->dims[0], behind))};
    return fv_w_concat(w, 0, 2, parts);
}

/* The result of removing an element from an empty sequence. The run fails at the lookup; this is no
 * error of the compilation, since the body of a loop that never runs may contain it. */
static fv_value *nothing_of(fv_rewriter *w, const fv_value *all, const fv_dim *found) {
    const fv_dim *dims[] = {found, constant(w, FV_SHAPE_COLUMNS)};
    return fv_w_zeros(w, fv_tensor_type(w->module->arena, all->type->elem, all->type->rank, dims));
}

bool fv_decompose_sequence_erase(fv_rewriter *w, fv_op *op) {
    ragged r;
    if (!take_apart(op, &r))
        return false;
    const fv_dim *found[] = {fresh(w, "place"), fresh(w, "start"), fresh(w, "size")};
    fv_value *size = sizes(w, r.part[FV_PART_SHAPES]);
    fv_value *columns[] = {as_column(w, count_up(w, r.length)),
                           as_column(w, fv_w_sums_before(w, size)), as_column(w, size)};
    look_up(w, fv_w_concat(w, 1, 3, columns),
            fv_op_in(op, 1) ? position(w, op, 1) : fv_w_int(w, FV_I64, -1), 3, found);
    fv_value **part = r.part;
    if (r.length == constant(w, 0))
        return put_together(w, op, nothing_of(w, part[FV_PART_DATA], found[1]),
                            nothing_of(w, part[FV_PART_SHAPES], found[0]));
    return !w->failed && put_together(w, op, without(w, part[FV_PART_DATA], found[1], found[2]),
                                      without(w, part[FV_PART_SHAPES], found[0], constant(w, 1)));
}

bool fv_decompose_sequence_length(fv_rewriter *w, fv_op *op) {
    ragged r;
    if (!take_apart(op, &r))
        return false;
    fv_w_result(w, 0, fv_w_ints(w, FV_I64, 0, 1, &r.length));
    return true;
}

/* ---- SplitToSequence ---- */

typedef struct pieces {
    fv_value **data, **shapes; /* parts to be concatenated */
    int n;
} pieces;

static pieces pieces_new(const fv_rewriter *w, int n) {
    return (pieces){FV_NEW(w->module->arena, fv_value *, n),
                    FV_NEW(w->module->arena, fv_value *, n), 0};
}

/* Adds `count` parts of `size` along an axis of x, beginning at `first`; `squeezed`: the parts do
 * not have the axis. */
static void add_parts(fv_rewriter *w, pieces *p, fv_value *x, int axis, const fv_dim *first,
                      const fv_dim *size, const fv_dim *count, bool squeezed) {
    fv_dims *t = w->module->dims;
    const fv_dim *dims[FV_MAX_RANK + 1], *part[FV_MAX_ELEMENT_RANK];
    int rank = x->type->rank, perm[FV_MAX_RANK + 1], n = 0;
    fv_value *taken = fv_w_cut(w, x, axis, first, fv_dim_mul(t, size, count));
    /* the axis is split into two, of which the first one is moved to the front */
    for (int i = 0; i <= rank; i++) {
        dims[i] = i < axis        ? x->type->dims[i]
                  : i == axis     ? count
                  : i == axis + 1 ? size
                                  : x->type->dims[i - 1];
        perm[i] = i == 0 ? axis : i <= axis ? i - 1 : i;
    }
    for (int i = 0; i < rank; i++)
        if (i != axis || !squeezed)
            part[n++] = i == axis ? size : x->type->dims[i];
    p->data[p->n] = fv_w_flat(
        w, fv_w_transpose(w, taken ? fv_w_reshape(w, taken, rank + 1, dims) : NULL, perm));
    p->shapes[p->n++] = rows(w, n, part, count);
}

/* Adds as many parts of equal size as fit, and the rest. */
static bool split_evenly(fv_rewriter *w, fv_op *op, int axis, pieces *p) {
    fv_dims *t = w->module->dims;
    const fv_dim *all = fv_in_type(op, 0)->dims[axis], *zero = constant(w, 0),
                 *one = constant(w, 1), *const * given;
    int n;
    *p = pieces_new(w, 2);
    if (!fv_op_in(op, 1)) {
        add_parts(w, p, op->in[0], axis, zero, one, all, !fv_op_int(op, "keepdims"));
        return true;
    }
    if (!fv_int_operand(op, 1, &n, &given) ||
        !fv_infer_at_least(op, given[0], 1, "elements in a part"))
        return false;
    const fv_dim *size = fv_dim_max(t, given[0], one), *count = fv_dim_floordiv(t, all, size),
                 *whole = fv_dim_mul(t, count, size);
    const fv_dim *rest = fv_dim_sub(t, all, whole);
    add_parts(w, p, op->in[0], axis, zero, size, count, false);
    if (rest != zero)
        add_parts(w, p, op->in[0], axis, whole, rest,
                  fv_dim_sub(t, fv_dim_ceildiv(t, all, size), count), false);
    return true;
}

static bool split_by_sizes(fv_rewriter *w, fv_op *op, int axis, pieces *p) {
    fv_dims *t = w->module->dims;
    const fv_dim *all = fv_in_type(op, 0)->dims[axis], *at = constant(w, 0), *const * size;
    int n;
    if (!fv_int_operand(op, 1, &n, &size))
        return false;
    *p = pieces_new(w, n + 1);
    for (int i = 0; i < n; i++) {
        if (!fv_infer_at_least(op, size[i], 0, "elements in a part"))
            return false;
        const fv_dim *part = fv_dim_max(t, size[i], constant(w, 0));
        add_parts(w, p, op->in[0], axis, at, part, constant(w, 1), false);
        at = fv_dim_add(t, at, part);
    }
    return fv_module_assume(w->module, at, all, fv_op_why(op, "sizes of all parts")) ||
           fv_op_error(op, "its parts have %s elements, the axis has %s",
                       fv_dim_str(w->module->arena, at), fv_dim_str(w->module->arena, all));
}

bool fv_decompose_split_to_sequence(fv_rewriter *w, fv_op *op) {
    pieces p;
    int axis;
    bool sized = fv_op_in(op, 1) && fv_in_type(op, 1)->rank;
    if (!fv_infer_axis(op, fv_op_int(op, "axis"), fv_in_type(op, 0)->rank, &axis) ||
        !(sized ? split_by_sizes(w, op, axis, &p) : split_evenly(w, op, axis, &p)))
        return false;
    if (!p.n) {
        fv_value *parts[FV_MAX_PARTS];
        return make_empty(w, fv_in_type(op, 0)->elem, parts) &&
               put_together(w, op, parts[FV_PART_DATA], parts[FV_PART_SHAPES]);
    }
    return put_together(w, op, fv_w_concat(w, 0, p.n, p.data), fv_w_concat(w, 0, p.n, p.shapes));
}

/* ---- ConcatFromSequence ---- */

/* Requires that all elements have these dims, except along `axis` (-1: no exception): binds their
 * symbols, and lets the run check equality. */
static bool agree(fv_rewriter *w, fv_op *op, const ragged *r, int rank, const fv_dim *const *dims,
                  int axis) {
    fv_value *most = fv_w_reduce(w, FV_OP_ReduceMax, r->part[FV_PART_SHAPES], 0),
             *least = fv_w_reduce(w, FV_OP_ReduceMin, r->part[FV_PART_SHAPES], 0);
    const fv_dim *high[FV_SHAPE_COLUMNS], *low[FV_SHAPE_COLUMNS];
    for (int i = 0; i <= rank; i++) {
        bool asked = i && (axis < 0 || i != axis + 1);
        high[i] = asked ? dims[i - 1] : fresh(w, "most");
        low[i] = fresh(w, "least");
    }
    fv_w_bind(w, most ? fv_w_cut(w, most, 0, constant(w, 0), constant(w, 1 + rank)) : NULL,
              1 + rank, high);
    fv_w_bind(w, least ? fv_w_cut(w, least, 0, constant(w, 0), constant(w, 1 + rank)) : NULL,
              1 + rank, low);
    for (int i = 0; i <= rank; i++)
        if (i != axis + 1 || axis < 0)
            if (!hold(w, op, low[i], high[i], "all elements of the sequence have the same shape"))
                return false;
    return !w->failed &&
           hold(w, op, high[0], constant(w, rank),
                fv_printf(w->module->arena, "the elements have rank %d", rank)) &&
           fv_infer_at_least(op, r->length, 1, "elements in the sequence");
}

static bool stack(fv_rewriter *w, fv_op *op, const ragged *r, int axis) {
    const fv_type *t = op->out[0]->type;
    const fv_dim *dims[FV_MAX_ELEMENT_RANK + 1] = {r->length};
    int perm[FV_MAX_ELEMENT_RANK + 1];
    for (int i = 0; i < t->rank; i++) {
        if (i != axis)
            dims[i < axis ? i + 1 : i] = t->dims[i];
        perm[i] = i < axis ? i + 1 : i == axis ? 0 : i;
    }
    if (!agree(w, op, r, t->rank - 1, dims + 1, -1))
        return false;
    fv_w_bind(w, fv_w_ints(w, FV_I64, 1, 1, &r->length), 1, &t->dims[axis]);
    dims[0] = t->dims[axis];
    fv_w_result(w, 0,
                fv_w_transpose(w, fv_w_reshape(w, r->part[FV_PART_DATA], t->rank, dims), perm));
    return true;
}

/* For each of `all` positions along the axis, the index of the element that it belongs to. */
static fv_value *owners(fv_rewriter *w, fv_value *ends, const fv_dim *all) {
    fv_value *at = as_column(w, count_up(w, all));
    return fv_w_reduce(w, FV_OP_ReduceSum,
                       fv_w_cast(w, FV_W2(w, FV_OP_LessOrEqual, ends, at), FV_I64), 1);
}

/* Concatenates elements of different sizes: row (p, j) of [before, all, after] is row before *
 * start + p * size + (j - start) of the data, which has `behind` columns; the element that j
 * belongs to has `size` positions along the axis, beginning at `start`. */
static bool chain(fv_rewriter *w, fv_op *op, const ragged *r, int axis) {
    const fv_type *t = op->out[0]->type;
    fv_dims *table = w->module->dims;
    const fv_dim *before = fv_dim_product(table, axis, t->dims), *all = t->dims[axis];
    const fv_dim *behind = fv_dim_product(table, t->rank - axis - 1, t->dims + axis + 1);
    if (!agree(w, op, r, t->rank, t->dims, axis))
        return false;
    fv_value *size = column(w, r->part[FV_PART_SHAPES], 1 + axis),
             *start = size ? fv_w_sums_before(w, size) : NULL;
    if (!start)
        return false;
    fv_w_bind(w,
              fv_w_reshape(w, fv_w_reduce(w, FV_OP_ReduceSum, size, 0), 1,
                           (const fv_dim *[]){constant(w, 1)}),
              1, &all);
    const fv_dim *matrix[] = {fv_dim_mul(table, before, all), behind};
    fv_value *data = fv_w_reshape(w, r->part[FV_PART_DATA], 2, matrix);
    if (fv_dim_is_one(before)) { /* the data is in the right order already */
        fv_w_result(w, 0, data ? fv_w_reshape(w, data, t->rank, t->dims) : NULL);
        return true;
    }
    fv_value *owner = owners(w, FV_W2(w, FV_OP_Add, start, size), all);
    fv_value *first = FV_W2(w, FV_OP_Gather, start, owner),
             *step = FV_W2(w, FV_OP_Gather, size, owner);
    const fv_dim *fewer = fv_dim_sub(table, before, constant(w, 1));
    fv_value *offset =
        FV_W2(w, FV_OP_Add, FV_W2(w, FV_OP_Mul, first, fv_w_ints(w, FV_I64, 0, 1, &fewer)),
              count_up(w, all));
    fv_value *row =
        FV_W2(w, FV_OP_Add, FV_W2(w, FV_OP_Mul, as_column(w, count_up(w, before)), step), offset);
    fv_value *y = FV_W2(w, FV_OP_Gather, data, row);
    fv_w_result(w, 0, y ? fv_w_reshape(w, y, t->rank, t->dims) : NULL);
    return true;
}

/* Concatenates elements of the same shape: transposes the data from [length, before, at, behind] to
 * [before, length, at, behind]. */
static bool lay_beside(fv_rewriter *w, fv_op *op, const ragged *r, const fv_dim *const *row,
                       int axis, bool anew) {
    fv_dims *t = w->module->dims;
    int rank = op->out[0]->type->rank;
    const fv_dim *dims[FV_MAX_ELEMENT_RANK + 1], *at = anew ? constant(w, 1) : row[1 + axis],
                                                 *all = fv_dim_mul(t, r->length, at);
    for (int i = 0; i < rank; i++)
        dims[i] = i == axis ? all : row[1 + i - (anew && i > axis)];
    const fv_dim *apart[] = {r->length, fv_dim_product(t, axis, dims), at,
                             fv_dim_product(t, rank - axis - 1, dims + axis + 1)};
    if (!is_rank(w, op, row, rank - anew) || !are_dims(w, op, rank, dims) ||
        !fv_infer_at_least(op, r->length, 1, "elements in the sequence"))
        return false;
    fv_value *y =
        fv_w_transpose(w, fv_w_reshape(w, r->part[FV_PART_DATA], 4, apart), (int[]){1, 0, 2, 3});
    fv_w_result(w, 0, y ? fv_w_reshape(w, y, rank, dims) : NULL);
    return true;
}

bool fv_decompose_concat_from_sequence(fv_rewriter *w, fv_op *op) {
    ragged r;
    int axis;
    if (!take_apart(op, &r) ||
        !fv_infer_axis(op, fv_op_int(op, "axis"), op->out[0]->type->rank, &axis))
        return false;
    const fv_dim *const *row = row_of_all(&r);
    if (row)
        return lay_beside(w, op, &r, row, axis, fv_op_int(op, "new_axis"));
    return fv_op_int(op, "new_axis") ? stack(w, op, &r, axis) : chain(w, op, &r, axis);
}

/* ---- optionals ---- */

bool fv_decompose_optional(fv_rewriter *w, fv_op *op) {
    const fv_type *t = op->out[0]->type;
    fv_value *x = fv_op_in(op, 0), *parts[FV_MAX_PARTS] = {0};
    if (!x) {
        if (!make_empty(w, fv_type_tensor(t)->elem, parts))
            return false;
    } else if (x->type->kind == FV_SEQUENCE) {
        if (!fv_ragged_of(op, x, parts))
            return false;
    } else {
        parts[FV_PART_DATA] = fv_w_flat(w, x);
        parts[FV_PART_SHAPES] = row_of(w, x);
    }
    parts[FV_PART_THERE] = fv_w_int(w, FV_BOOL, x != NULL);
    fv_w_result(w, 0, fv_w_ragged(w, t, parts));
    return true;
}

bool fv_decompose_optional_has_element(fv_rewriter *w, fv_op *op) {
    const fv_value *x = fv_op_in(op, 0);
    const fv_dim *there = constant(w, x != NULL);
    ragged r;
    if (!x || x->type->kind != FV_OPTIONAL) {
        fv_w_result(w, 0, fv_w_ints(w, FV_BOOL, 0, 1, &there));
        return true;
    }
    if (!take_apart(op, &r))
        return false;
    there = fv_dim_min(w->module->dims, r.length, there);
    bool sequence = x->type->of->kind == FV_SEQUENCE;
    fv_w_result(w, 0,
                sequence ? fv_w_reshape(w, r.part[FV_PART_THERE], 0, NULL)
                         : fv_w_ints(w, FV_BOOL, 0, 1, &there));
    return true;
}

bool fv_decompose_optional_get_element(fv_rewriter *w, fv_op *op) {
    const fv_type *t = fv_in_type(op, 0);
    ragged r;
    if (t->kind != FV_OPTIONAL) {
        fv_w_result(w, 0, op->in[0]);
        return true;
    }
    if (!take_apart(op, &r))
        return false;
    if (t->of->kind == FV_TENSOR) {
        if (!fv_infer_at_least(op, r.length, 1, "elements"))
            return false;
        fv_w_result(w, 0, element_at(w, op, &r, fv_w_int(w, FV_I64, 0)));
        return true;
    }
    const fv_dim *there = fv_w_bound(w, "there", 0, r.part[FV_PART_THERE]);
    return hold(w, op, there, constant(w, 1), "the optional holds a sequence") &&
           put_together(w, op, r.part[FV_PART_DATA], r.part[FV_PART_SHAPES]);
}
