/* fold.c - the pass `fold-constants`: ops whose operands are constants are computed by the
 * interpreter, all of them in one program, on the naive schedule for the generic target. The result
 * therefore depends neither on the target nor on the schedule.
 *
 * A result of more than FV_FOLD_BYTES is not folded, with four exceptions. A constant in another
 * shape, and one whose bytes are taken as elements of less than a byte, has the same bytes. A
 * constant that the model quantizes gets fewer (quantized.h). And a concatenation of constants and
 * of parts of constants may have up to MOST_JOINED bytes: PyTorch, for instance, reorders the gates
 * of a GRU so; a layer whose weights are one constant can pack them when the model is compiled. The
 * same limit has the weight that an LSTM, GRU or RNN multiplies with its state, after ops that
 * convert, transpose or reshape a constant, such as a dequantization: each step reads all of it as
 * floats, so a run would convert and pack it first. Where memory is to be saved, it stays as it is
 * stored.
 *
 * A result that a contraction reads as it is stored, with the columns of its result or as a factor
 * of products of integers, and that takes more bytes than the constants it is computed from, is not
 * folded either, whatever its size: the kernel computes its elements in registers (packed.h). What
 * no contraction reads so, such as scales, biases and tables, is folded up to FV_FOLD_BYTES, also
 * where it grows. Where memory is to be saved, neither is a quantized table that a sum or a product
 * reads element by element, nor one whose elements a Gather repeats (tables.h). */
#include <string.h>

#include "backend/expand/expand.h"
#include "backend/interp/interp.h"
#include "backend/lower.h"
#include "ir/base/limits.h"
#include "ir/base/ptrmap.h"
#include "ir/catalogue/op.h"
#include "ir/graph/rewriter.h"
#include "ir/rule/constant.h"
#include "passes/internal.h"
#include "passes/packed.h"
#include "passes/quantized.h"
#include "passes/tables.h"

/* Visits each op of the block. Ops in a region are visited before the op that owns the region. */
static void each(const fv_region *block, void (*visit)(void *user, fv_op *op), void *user) {
    for (fv_op *op = block->first; op; op = op->next) {
        for (int i = 0; i < op->nattrs; i++)
            if (op->attrs[i].kind == FV_ATTR_REGION)
                each(op->attrs[i].u.region, visit, user);
        visit(user, op);
    }
}

/* largest size in bytes of a Concat or a weight of states that is folded, and of slices that are
 * operands of such a Concat */
enum { MOST_JOINED = 1 << 24 };

/* Does the op convert each element of operand 0, in its place? */
static bool converts_elements(const fv_op *op) {
    if (!fv_op_is(op, FV_OP_fv_Dequantize) && !fv_op_is(op, FV_OP_Cast))
        return false;
    const fv_type *y = op->out[0]->type, *x = op->in[0]->type;
    bool same = y->rank == x->rank;
    for (int i = 0; same && i < y->rank; i++)
        same = y->dims[i] == x->dims[i];
    return same;
}

/* Does the op convert the elements of a weight, or arrange them in another order or shape? Its
 * result then has as many elements as the weight. */
static bool prepares_weight(const fv_op *op) {
    return converts_elements(op) || fv_op_is(op, FV_OP_Transpose) || fv_op_is(op, FV_OP_fv_Reshape);
}

static bool is_recurrence(const fv_op *op) {
    return fv_op_is(op, FV_OP_fv_LSTM) || fv_op_is(op, FV_OP_fv_GRU) || fv_op_is(op, FV_OP_fv_RNN);
}

/* Is v nothing but the weight of states of recurrences, perhaps after up to `most` ops that prepare
 * it? */
static bool is_weight_of_states(const fv_value *v, int most) {
    enum { R = 1 }; /* the number of that operand of each of the operators */
    for (int i = 0; i < v->nuses; i++) {
        const fv_op *use = v->uses[i].op;
        bool states = is_recurrence(use) && v->uses[i].index == R;
        bool prepared = most && v->uses[i].index == 0 && prepares_weight(use) &&
                        is_weight_of_states(use->out[0], most - 1);
        if (!states && !prepared)
            return false;
    }
    return v->nuses > 0;
}

/* Does the op prepare a weight of states, and is that done when the model is compiled? A constant
 * of floats has more bytes than the integers of the model, so it is not where memory is to be
 * saved. */
static bool prepares_states(const fv_pass_run *r, const fv_op *op) {
    enum { MOST_OPS = 4 }; /* between the op and the recurrence */
    return !(r->options && r->options->saves_memory) && prepares_weight(op) &&
           is_weight_of_states(op->out[0], MOST_OPS);
}

/* The largest number of bytes of a result of op with which it is computed. A slice of more than
 * FV_FOLD_BYTES is only computed as an operand of a Concat that is folded. */
static size_t most_of(const fv_pass_run *r, const fv_op *op) {
    bool large =
        fv_op_is(op, FV_OP_Concat) || fv_op_is(op, FV_OP_fv_Slice) || prepares_states(r, op);
    return large ? MOST_JOINED : FV_FOLD_BYTES;
}

/* The bytes of a tensor whose dims are constants; SIZE_MAX: a dim is not constant, the type is no
 * tensor of data, or the tensor is too large. */
static size_t static_bytes(const fv_type *t) {
    size_t n = 1, bytes;
    if (t->kind != FV_TENSOR || !(FV_SET_DATA >> t->elem & 1))
        return SIZE_MAX;
    for (int i = 0; i < t->rank; i++)
        if (!fv_dim_is_const(t->dims[i]) || !fv_mul_size(n, (size_t)t->dims[i]->value, &n))
            return SIZE_MAX;
    return fv_elem_bytes(t->elem, n, &bytes) ? bytes : SIZE_MAX;
}

static bool static_and_small(const fv_type *t, size_t most) {
    return static_bytes(t) <= most;
}

static bool mentions_symbols(const fv_op *op) {
    for (int i = 0; i < op->nattrs; i++)
        for (int k = 0; op->attrs[i].kind == FV_ATTR_DIMS && k < op->attrs[i].n; k++)
            if (!fv_dim_is_const(op->attrs[i].u.dims[k]))
                return true;
    return false;
}

typedef struct folder {
    fv_pass_run *r;
    fv_module *temp;
    fv_region *body;
    fv_ptrmap copies;        /* value -> its copy in temp */
    fv_ptrmap sources;       /* op of temp -> the op of the module that it copies */
    const fv_ptrmap *spoilt; /* the set of ops that cannot be computed */
    fv_elements elements;
    /* factors that are not folded */
    struct {
        fv_ptrmap ops; /* the set of the ops that compute the factors */
        int n;
        /* bytes of the constants from which factors that are not folded are computed; bytes that
         * these factors would have as constants */
        size_t bytes, whole;
    } packed;
    fv_value **results, **originals;
    int n, cap, capo;
} folder;

static bool is_folded(folder *f, const fv_value *v) {
    return v->kind == FV_VALUE_CONST || fv_ptrmap_get(&f->copies, v);
}

static bool foldable(folder *f, const fv_op *op) {
    bool computes = op->def->formula || op->def->define || op->def->recur || op->def->kernel;
    if (!computes || op->def->has_effect || op->def->distinct == FV_COMMUNICATES || !op->nout ||
        mentions_symbols(op) || fv_ptrmap_get(f->spoilt, op))
        return false;
    for (int i = 0; i < op->nattrs; i++)
        if (op->attrs[i].kind == FV_ATTR_REGION)
            return false;
    if (fv_is_left_to_run(f->r, op))
        return false;
    const size_t most = most_of(f->r, op);
    for (int i = 0; i < op->nin; i++)
        if (op->in[i] && (!is_folded(f, op->in[i]) ||
                          (op->in[i]->kind == FV_VALUE_CONST && op->in[i]->tensor->bytes > most)))
            return false;
    for (int i = 0; i < op->nout; i++)
        if (op->out[i] && !static_and_small(op->out[i]->type, most))
            return false;
    return true;
}

static fv_value *copy_of(folder *f, fv_value *v) {
    if (!v)
        return NULL;
    void **at = fv_ptrmap_at(&f->copies, v);
    if (!*at)
        *at = fv_const_new(f->temp, v->name, v->tensor);
    return *at;
}

static const fv_type *copy_type(fv_module *m, const fv_type *t) {
    const fv_dim *dims[FV_MAX_RANK];
    for (int i = 0; i < t->rank; i++)
        dims[i] = fv_dim_const(m->dims, t->dims[i]->value);
    return fv_tensor_type(m->arena, t->elem, t->rank, dims);
}

static fv_attr copy_attr(fv_module *m, const fv_attr *a) {
    if (a->kind != FV_ATTR_DIMS)
        return *a;
    const fv_dim **dims = FV_NEW(m->arena, const fv_dim *, a->n + 1);
    for (int i = 0; i < a->n; i++)
        dims[i] = fv_dim_const(m->dims, a->u.dims[i]->value);
    return fv_attr_dims(m, a->name, a->n, dims);
}

static void copy_op(folder *f, fv_op *op) {
    fv_value **in = FV_NEW(f->r->arena, fv_value *, op->nin + 1);
    const char **outs = FV_NEW(f->r->arena, const char *, op->nout + 1);
    for (int i = 0; i < op->nin; i++)
        in[i] = copy_of(f, op->in[i]);
    for (int i = 0; i < op->nout; i++)
        outs[i] = op->out[i] ? op->out[i]->name : NULL;
    fv_op *c = fv_op_new(f->body, NULL, op->def, op->nin, in, op->nout, outs, NULL);
    *fv_ptrmap_at(&f->sources, c) = op;
    for (int i = 0; i < op->nattrs; i++) {
        fv_attr a = copy_attr(f->temp, &op->attrs[i]);
        fv_op_attr(c, &a);
    }
    for (int i = 0; i < op->nout; i++)
        if (op->out[i]) {
            c->out[i]->type = copy_type(f->temp, op->out[i]->type);
            *fv_ptrmap_at(&f->copies, op->out[i]) = c->out[i];
            /* the origin is used to find the op at which a run stopped */
            c->origin = fv_origin_of(f->temp, c->out[i]->name);
        }
}

static void take(void *user, fv_op *op) {
    if (foldable(user, op))
        copy_op(user, op);
}

/* ---- factors that stay packed ---- */

static bool is_taken(folder *f, const fv_op *op) {
    return op->nout && op->out[0] && fv_ptrmap_get(&f->copies, op->out[0]);
}

static bool stays(folder *f, const fv_op *op) {
    return fv_ptrmap_get(&f->packed.ops, op);
}

/* Is it another form of a constant whose elements are all 0? It is folded, so that the rules that
 * leave out a zero point of 0 match. */
static bool is_of_zeros(const fv_op *op) {
    double v;
    return op->nin == 1 && fv_rule_uniform(op->in[0], &v) && v == 0;
}

/* Excludes the op from folding, and those ops before it that would grow if they were folded. */
static void keep(folder *f, fv_op *op) {
    *fv_ptrmap_at(&f->packed.ops, op) = op;
    for (int i = 0; i < op->nin; i++) {
        fv_op *def = op->in[i] && op->in[i]->kind == FV_VALUE_RESULT ? op->in[i]->def : NULL;
        bool whole;
        if (def && !stays(f, def) && !is_of_zeros(def) &&
            fv_packed_bytes(&f->elements, op->in[i], &whole))
            keep(f, def);
    }
}

static bool is_stored_factor(folder *f, const fv_value *v) {
    for (int i = 0; i < v->nuses; i++)
        if (!is_taken(f, v->uses[i].op) && fv_is_stored_factor(&f->elements, v->uses[i].op, v))
            return true;
    return false;
}

/* Is v nothing but an operand of sums, differences and products that have as many elements? Each
 * element of v is then read once, unless a kernel reads the result several times. */
static bool is_read_by_element(const fv_value *v) {
    size_t bytes = static_bytes(v->type);
    for (int i = 0; i < v->nuses; i++) {
        const fv_op *use = v->uses[i].op;
        bool is = fv_op_is(use, FV_OP_Add) || fv_op_is(use, FV_OP_Sub) || fv_op_is(use, FV_OP_Mul);
        if (!is || static_bytes(use->out[0]->type) != bytes)
            return false;
    }
    return v->nuses > 0;
}

/* Do kernels compute v from smaller constants as they read it? */
static bool is_computed_by_readers(folder *f, const fv_value *v) {
    bool saves_memory = f->r->options && f->r->options->saves_memory;
    return is_stored_factor(f, v) || (saves_memory && is_read_by_element(v));
}

/* Excludes the op from folding if a contraction can compute its result from smaller constants as it
 * reads them, or, where memory is to be saved, if an operator that works element by element can. An
 * op whose result is too large to be folded is excluded in the same way, for the sake of its
 * operands: scales for blocks, for example, would otherwise be folded to one for each element. */
static void keep_packed(void *user, fv_op *op) {
    folder *f = user;
    size_t packed = 0;
    bool whole = false;
    if (op->nout == 1 && static_bytes(op->out[0]->type) < SIZE_MAX &&
        is_computed_by_readers(f, op->out[0]))
        packed = fv_packed_bytes(&f->elements, op->out[0], &whole);
    if (!packed || !whole)
        return;
    bool would_fold = is_taken(f, op);
    keep(f, op);
    if (!would_fold)
        return;
    f->packed.n++;
    f->packed.bytes += packed;
    f->packed.whole += static_bytes(op->out[0]->type);
}

/* ---- computing ---- */

/* Makes the values that remaining ops read results of the program of constants. */
static void add_results(void *user, fv_op *op) {
    folder *f = user;
    bool folds = is_taken(f, op) && !stays(f, op);
    for (int i = 0; folds && i < op->nout; i++) {
        fv_value *v = op->out[i];
        bool outside = false;
        for (int k = 0; v && k < v->nuses && !outside; k++)
            outside = !is_taken(f, v->uses[k].op) || stays(f, v->uses[k].op);
        bool large = fv_op_is(op, FV_OP_Concat) || prepares_states(f->r, op);
        if (!outside || (!large && !static_and_small(v->type, FV_FOLD_BYTES)))
            continue;
        FV_PUSH(f->r->arena, f->results, f->n, f->cap, fv_ptrmap_get(&f->copies, v));
        f->n--;
        FV_PUSH(f->r->arena, f->originals, f->n, f->capo, v);
    }
}

static fv_tensor *tensor_for(fv_module *m, const fv_type *t) {
    int64_t dims[FV_MAX_RANK];
    for (int i = 0; i < t->rank; i++)
        dims[i] = t->dims[i]->value;
    return fv_tensor_new(m->arena, t->elem, t->rank, dims);
}

/* The op at which the run stopped, because its index is out of range or because a library function
 * refused its operand; NULL: there is none. */
static fv_op *bad_operand(folder *f, const fv_interp *interp, int status) {
    const char *at =
        status == FV_BAD_INDEX || status == FV_BAD_FILE ? fv_interp_stopped(interp) : NULL;
    fv_value *v = at ? fv_value_find(f->temp, fv_intern(f->temp->session, at)) : NULL;
    return v && v->def ? fv_ptrmap_get(&f->sources, v->def) : NULL;
}

/* Removes ops without users: parts of a Concat that is not folded, which may be large, do not
 * become results. */
static void drop_unused(fv_region *body) {
    for (fv_op *op = body->last->prev, *before; op; op = before) {
        bool used = false;
        before = op->prev;
        for (int i = 0; i < op->nout; i++)
            used |= op->out[i] && op->out[i]->nuses;
        if (!used)
            fv_op_erase(op);
    }
}

static bool compute(folder *f, fv_op **bad, bool *index) {
    fv_region_return(f->body, f->n, f->results);
    drop_unused(f->body);
    fv_lower_options o = {.target = fv_target_find("x86-64-v3")};
    fv_program *p = fv_lower(f->temp, &o);
    if (!p)
        return false;
    fv_program_expand(p);
    fv_interp *interp = fv_interp_new(p->arena, p);
    if (!interp)
        return false; /* a diagnostic was reported */
    void **outputs = FV_NEW(f->r->arena, void *, f->n + 1);
    fv_tensor **tensors = FV_NEW(f->r->arena, fv_tensor *, f->n + 1);
    for (int i = 0; i < f->n; i++) {
        tensors[i] = tensor_for(f->r->module, f->originals[i]->type);
        outputs[i] = (void *)(uintptr_t)tensors[i]->data;
    }
    size_t bytes = 0;
    int status = fv_interp_plan(interp, NULL, &bytes, NULL);
    void *work = fv_alloc_aligned(f->r->arena, bytes + 64, 64);
    if (status == FV_OK)
        status = fv_interp_run(interp, NULL, NULL, outputs, NULL, work, bytes, NULL);
    if (status == FV_INTERNAL)
        return fv_error(f->temp->session, "internal error: folding constants: %s",
                        fv_interp_fault(interp));
    for (int i = 0; status == FV_OK && i < f->n; i++) {
        if (!fv_pass_may(f->r, f->originals[i]->def->def->name, f->originals[i]->def))
            continue;
        fv_value *c = fv_const_new(f->r->module, f->originals[i]->name, tensors[i]);
        fv_replace_known(f->originals[i], c);
        fv_value_take_name(f->r->module, c, f->originals[i]);
        fv_pass_count_one(f->r, f->originals[i]->def->def->name);
    }
    *bad = status == FV_OK ? NULL : bad_operand(f, interp, status);
    *index = status == FV_BAD_INDEX;
    fv_arena_free(p->arena);
    return true;
}

static bool fold(fv_pass_run *r, const fv_ptrmap *spoilt, fv_op **bad, bool *index) {
    folder f = {.r = r,
                .copies = fv_ptrmap_in(r->arena),
                .sources = fv_ptrmap_in(r->arena),
                .spoilt = spoilt,
                .elements = fv_elements_new(r->module->session),
                .packed.ops = fv_ptrmap_in(r->arena)};
    f.temp = fv_module_new(r->module->session, "fold");
    fv_func *func = fv_func_new(f.temp, "main");
    f.body = func->body;
    each(r->module->funcs->body, take, &f);
    each(r->module->funcs->body, keep_packed, &f);
    each(r->module->funcs->body, add_results, &f);
    bool ok = !f.n || compute(&f, bad, index);
    if (ok && !*bad && f.packed.n)
        fv_pass_declined(r, f.packed.n,
                         fv_printf(r->arena, "left packed (%zu bytes, %zu if folded)",
                                   f.packed.bytes, f.packed.whole));
    fv_elements_free(&f.elements);
    fv_module_free(f.temp);
    return ok;
}

typedef struct reshaper {
    fv_pass_run *r;
    fv_ptrmap made; /* key of the bytes, the element type and the shape -> the constant */
} reshaper;

/* The bytes of x as a constant of type t; equal requests return the same constant. NULL: a dim of t
 * is not constant, or t has more bytes than x. */
static fv_value *of_type(reshaper *s, const fv_value *x, const fv_type *t, const char *name) {
    fv_pass_run *r = s->r;
    fv_arena *a = r->module->arena;
    int64_t *dims = FV_NEW(a, int64_t, t->rank + 1);
    const char *key = fv_printf(r->arena, "%p %s", x->tensor->data, fv_elem_name(t->elem));
    for (int i = 0; i < t->rank; i++) {
        if (!fv_dim_is_const(t->dims[i]))
            return NULL;
        dims[i] = t->dims[i]->value;
        key = fv_printf(r->arena, "%s %lld", key, (long long)dims[i]);
    }
    void **at = fv_ptrmap_at(&s->made, fv_intern(r->module->session, key));
    if (*at)
        return *at;
    fv_tensor *c = FV_NEW(a, fv_tensor, 1);
    *c = *x->tensor;
    c->elem = t->elem;
    c->rank = t->rank;
    c->dims = dims;
    if (!fv_tensor_size(c->elem, c->rank, c->dims, &c->count, &c->bytes) ||
        c->bytes > x->tensor->bytes)
        return NULL;
    return *at = fv_const_new(r->module, name, c);
}

/* Does the result have the bytes of operand 0? */
static bool has_same_bytes(const fv_op *op) {
    return fv_op_is(op, FV_OP_fv_Reshape) || fv_op_is(op, FV_OP_fv_Unpack);
}

/* Replaces another shape or type of the bytes of a constant by a constant, of any size. */
static void share_reshaped(void *user, fv_op *op) {
    reshaper *s = user;
    fv_pass_run *r = s->r;
    fv_value *y = op->nout ? op->out[0] : NULL;
    bool may = has_same_bytes(op) && op->in[0]->kind == FV_VALUE_CONST &&
               fv_pass_may(r, op->def->name, op);
    fv_value *c = may ? of_type(s, op->in[0], y->type, y->name) : NULL;
    if (!c)
        return;
    if (!c->nuses)
        fv_value_take_name(r->module, c, y);
    fv_replace_uses(y, c);
    fv_pass_count_one(r, op->def->name);
}

/* An op whose constant operands stop every run (an index out of range, a damaged file, a string
 * that is no number) is reported and not folded; the other ops are folded. */
bool fv_pass_fold_constants(fv_pass_run *r) {
    fv_ptrmap spoilt = fv_ptrmap_in(r->arena);
    reshaper s = {r, fv_ptrmap_in(r->arena)};
    fv_op *bad;
    fv_fold_quantized(r);
    each(r->module->funcs->body, share_reshaped, &s);
    do {
        bad = NULL;
        bool index = true;
        if (!fold(r, &spoilt, &bad, &index))
            return false;
        if (bad) {
            const char *what = !index ? "this is no file that can be decoded"
                               : fv_op_is(bad, FV_OP_fv_Checked)
                                   ? "a string is no number of that type"
                                   : "an index is out of range";
            fv_op_warning(bad, "%s, and all operands are constants: every run %sstops here with %s",
                          what, bad->block->parent ? "that gets here " : "",
                          index ? "FV_BAD_INDEX" : "FV_BAD_FILE");
            *fv_ptrmap_at(&spoilt, bad) = bad;
        }
    } while (bad);
    fv_narrow_indices(r);
    return true;
}
