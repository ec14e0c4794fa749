/* unpack.c - see unpack.h. */
#include "passes/unpack.h"

#include <assert.h>
#include <string.h>

#include "ir/base/limits.h"
#include "ir/catalogue/op.h"
#include "ir/graph/branch.h"
#include "ir/graph/infer.h"
#include "ops/sequence/map.h"
#include "ops/sequence/sequence.h"
#include "ops/text/text.h"

/* ---- parts ---- */

/* The tensors that represent a value: for a sequence its elements and their shapes, for an optional
 * sequence also whether it is there; for a map its keys and values, for a sequence of maps also
 * where each map ends. Each tensor of strings is represented by two parts, its text and its places,
 * and any other tensor is one part. */
enum { MOST_TENSORS = 3, MOST = MOST_TENSORS + 2 * (FV_TEXT_PARTS - 1) };

_Static_assert((int)FV_MAX_PARTS == (int)MOST_TENSORS, "a sequence has as many tensors");
_Static_assert((int)FV_MAP_PARTS == (int)MOST_TENSORS, "so have maps, of which two may be strings");

static bool has_tensors(const fv_type *t) {
    return t->kind != FV_TENSOR;
}

static bool is_packed(const fv_value *v) {
    return v && (has_tensors(v->type) || fv_type_is_strings(v->type));
}

static int tensors_of(const fv_type *t) {
    return !has_tensors(t) ? 1 : fv_type_has_maps(t) ? fv_map_parts(t) : fv_ragged_parts(t);
}

/* The element type of tensor i. */
static fv_elem elem_of(const fv_type *t, int i) {
    if (fv_type_has_maps(t))
        return i == FV_PART_KEYS     ? fv_type_of_maps(t)->elem
               : i == FV_PART_VALUES ? fv_type_tensor(t)->elem
                                     : FV_I64;
    return i == FV_PART_DATA ? fv_type_tensor(t)->elem : i == FV_PART_SHAPES ? FV_I64 : FV_BOOL;
}

static int parts_of_tensor(const fv_type *t, int i) {
    return elem_of(t, i) == FV_STRING ? FV_TEXT_PARTS : 1;
}

static int parts_of(const fv_value *v) {
    int n = v ? 0 : 1;
    for (int i = 0; v && i < tensors_of(v->type); i++)
        n += parts_of_tensor(v->type, i);
    return n;
}

static int parts_of_all(int n, fv_value *const *values) {
    int parts = 0;
    for (int i = 0; i < n; i++)
        parts += parts_of(values[i]);
    return parts;
}

/* The name of tensor i of the value `name`: "s.data", "s.keys". For strings it is the common prefix
 * of the names of text and ends. */
static const char *tensor_name(fv_arena *a, const fv_type *t, const char *name, int i) {
    if (fv_type_has_maps(t))
        return fv_map_part_name(a, name, i);
    return elem_of(t, i) == FV_STRING ? name : fv_part_name(a, name, i);
}

/* The name of a part of v: "s.text", "s.ends", "s.shapes", "s.keys.text". */
static const char *part_name(fv_arena *a, const fv_value *v, const char *name, int part) {
    int i = 0;
    for (; part >= parts_of_tensor(v->type, i); i++)
        part -= parts_of_tensor(v->type, i);
    const char *tensor = tensor_name(a, v->type, name, i);
    return elem_of(v->type, i) == FV_STRING ? fv_text_part_name(a, tensor, part) : tensor;
}

static fv_value *new_op(fv_op *before, fv_op_id id, int n, fv_value *const *in, const char *name,
                        const fv_attr *attr) {
    fv_op *op = fv_op_new(before->block, before, fv_op_def(id), n, in, 1, &name, before->origin);
    if (attr)
        fv_op_attr(op, attr);
    bool fits = fv_op_infer(op);
    FV_HOLDS(fv_op_module(op)->session, fits);
    return op->out[0];
}

/* An op that makes the value of type t from its parts. */
static fv_value *pack(fv_op *before, const fv_type *t, fv_value *const *parts, const char *name) {
    fv_value *tensor[MOST_TENSORS] = {NULL};
    for (int i = 0; i < tensors_of(t); parts += parts_of_tensor(t, i++))
        tensor[i] = elem_of(t, i) == FV_STRING
                        ? new_op(before, FV_OP_fv_Strings, FV_TEXT_PARTS, parts, name, NULL)
                        : *parts;
    if (!has_tensors(t))
        return tensor[0];
    fv_attr type = {.name = fv_intern(fv_op_module(before)->session, "type"),
                    .kind = FV_ATTR_TYPE,
                    .u.type = t};
    return new_op(before, fv_type_has_maps(t) ? FV_OP_fv_Map : FV_OP_fv_Ragged, tensors_of(t),
                  tensor, name, &type);
}

/* ---- parameters of blocks ---- */

/* A dim for the number of elements. For the function of a model it is a symbol whose value the
 * caller gives; in a loop each iteration has its own. */
static const fv_dim *count_of(const fv_region *block, const char *name, const char *what) {
    fv_module *m = fv_region_module(block);
    return fv_dim_fresh(m->dims, fv_printf(m->arena, "%s.%s", name, what), 0, FV_DIM_MAX,
                        block->parent != NULL);
}

/* The types of the tensors that represent a sequence, an optional or a map. */
static void type_tensors(fv_region *block, const fv_value *v, const fv_type **types) {
    fv_module *m = fv_region_module(block);
    bool maps = fv_type_has_maps(v->type), several = v->type->kind != FV_MAP;
    const fv_dim *all = count_of(block, v->name, maps ? "entries" : "elements");
    const fv_dim *table[] = {several ? count_of(block, v->name, "length") : NULL,
                             fv_dim_const(m->dims, FV_SHAPE_COLUMNS)};
    for (int i = 0; i < tensors_of(v->type); i++) {
        bool counted = maps ? i == FV_PART_MAP_ENDS : i == FV_PART_SHAPES;
        int rank = maps ? 1 : i == FV_PART_DATA ? 1 : i == FV_PART_SHAPES ? 2 : 0;
        types[i] = fv_tensor_type(m->arena, elem_of(v->type, i), rank, counted ? table : &all);
    }
}

/* A tensor of strings becomes its text and its places. */
static void type_text(fv_region *block, const char *name, const fv_type *strings,
                      const fv_type **types) {
    fv_module *m = fv_region_module(block);
    const fv_dim *bytes = count_of(block, name, "bytes");
    types[FV_PART_TEXT] = fv_tensor_type(m->arena, FV_U8, 1, &bytes);
    types[FV_PART_SPANS] = fv_tensor_type(m->arena, FV_I64, strings->rank, strings->dims);
}

static void add_parts(fv_region *block, const fv_value *v, fv_value **parts) {
    fv_arena *a = fv_region_module(block)->arena;
    const fv_type *types[MOST], *tensors[MOST_TENSORS] = {v->type}, **to = types;
    if (has_tensors(v->type))
        type_tensors(block, v, tensors);
    for (int i = 0; i < tensors_of(v->type); to += parts_of_tensor(v->type, i++))
        if (elem_of(v->type, i) == FV_STRING)
            type_text(block, tensor_name(a, v->type, v->name, i), tensors[i], to);
        else
            *to = tensors[i];
    for (int i = 0; i < parts_of(v); i++)
        parts[i] = fv_param_new(block, part_name(a, v, v->name, i), types[i]);
}

/* The parts that a caller passes have ends of strings where `parts` needs places. They are checked,
 * and places are computed. */
static void check(fv_op *before, const fv_value *v, fv_value **parts) {
    fv_rewriter w = fv_rewriter_at(before);
    const fv_type *t = v->type;
    /* a tensor of strings is represented by its places here, which have the same shape */
    fv_value *tensor[MOST_TENSORS] = {NULL};
    for (int i = 0; i < tensors_of(t); parts += parts_of_tensor(t, i++)) {
        tensor[i] = *parts;
        if (elem_of(t, i) != FV_STRING)
            continue;
        const char *name = tensor_name(w.module->arena, t, v->name, i);
        tensor[i] = parts[FV_PART_SPANS] =
            fv_w_strings_given(&w, name, parts[FV_PART_TEXT], parts[FV_PART_ENDS]).spans;
    }
    if (fv_type_has_maps(t) && t->kind == FV_SEQUENCE)
        fv_w_check_map_ends(&w, v->name, tensor);
    else if (has_tensors(t) && !fv_type_has_maps(t))
        fv_w_check_parts(&w, v->name, tensor);
    FV_HOLDS(w.module->session, !w.failed && "of symbols all of it may be true");
}

void fv_unpack_params(fv_region *block) {
    fv_module *m = fv_region_module(block);
    int before = block->nparams, n = 0;
    fv_value **params = FV_NEW(m->arena, fv_value *, parts_of_all(before, block->params) + 1);
    fv_op *first = block->first;
    for (int i = 0; i < before; i++) {
        fv_value *v = block->params[i];
        if (is_packed(v)) {
            fv_value *parts[MOST];
            add_parts(block, v, params + n);
            memcpy(parts, params + n, (size_t)parts_of(v) * sizeof *parts);
            if (!block->parent)
                check(first, v, parts);
            fv_value *whole = pack(first, v->type, parts, v->name);
            fv_replace_uses(v, whole);
            fv_value_take_name(m, whole, v);
        } else {
            params[n] = v;
        }
        n += parts_of(v);
    }
    if (n > before)
        fv_region_set_params(block, n, params);
}

/* ---- results of blocks ---- */

static bool tensors_apart(const fv_op *op, const fv_value *v, fv_value **tensor) {
    tensor[0] = (fv_value *)(uintptr_t)v;
    if (fv_type_has_maps(v->type))
        return fv_map_of(op, v, tensor);
    return !has_tensors(v->type) || fv_ragged_of(op, v, tensor);
}

static bool take_one_apart(const fv_op *op, const fv_value *v, fv_value **parts) {
    fv_value *tensor[MOST_TENSORS];
    fv_strings s;
    if (!tensors_apart(op, v, tensor))
        return false;
    for (int i = 0; i < tensors_of(v->type); parts += parts_of_tensor(v->type, i++)) {
        if (elem_of(v->type, i) != FV_STRING) {
            *parts = tensor[i];
            continue;
        }
        if (!fv_strings_of(op, tensor[i], &s))
            return false;
        parts[FV_PART_TEXT] = s.text;
        parts[FV_PART_SPANS] = s.spans;
    }
    return true;
}

/* Replaces values by their parts; false after a diagnostic about op, which reads them. */
static bool take_apart(const fv_op *op, int n, fv_value *const *values, fv_value **parts) {
    for (int i = 0; i < n; parts += parts_of(values[i]), i++) {
        if (!is_packed(values[i]))
            *parts = values[i];
        else if (!take_one_apart(op, values[i], parts))
            return false;
    }
    return true;
}

/* Replaces places of strings by ends, which callers of a model get. */
static void give_ends_of(fv_rewriter *w, const fv_type *t, const char *name, fv_value **parts) {
    for (int i = 0; i < tensors_of(t) && !w->failed; parts += parts_of_tensor(t, i++)) {
        if (elem_of(t, i) != FV_STRING)
            continue;
        const char *tensor = tensor_name(w->module->arena, t, name, i);
        fv_strings s = fv_w_strings_returned(
            w, tensor, (fv_strings){parts[FV_PART_TEXT], parts[FV_PART_SPANS]});
        parts[FV_PART_TEXT] = s.text;
        parts[FV_PART_ENDS] = s.spans;
        for (int k = 0; k < FV_TEXT_PARTS && !w->failed; k++)
            fv_value_rename(w->module, parts[k], fv_text_part_name(w->module->arena, tensor, k));
    }
}

static bool give_ends(fv_func *f, int n, fv_value *const *values, fv_value **parts) {
    fv_rewriter w = fv_rewriter_at(f->body->last);
    for (int i = 0; i < n; parts += parts_of(values[i]), i++)
        if (is_packed(values[i]))
            give_ends_of(&w, values[i]->type,
                         f->result_names ? f->result_names[i] : values[i]->name, parts);
    return !w.failed;
}

static bool unpack_returned(fv_region *block) {
    const fv_op *end = block->last;
    int n = parts_of_all(end->nin, end->in);
    fv_value **parts = FV_NEW(fv_region_module(block)->arena, fv_value *, n + 1);
    if (n == end->nin)
        return true;
    if (!take_apart(end, end->nin, end->in, parts))
        return false;
    if (!block->parent && !give_ends(block->func, end->nin, end->in, parts))
        return false;
    fv_region_return(block, n, parts);
    return true;
}

bool fv_unpack_results(fv_func *f) {
    fv_arena *a = f->module->arena;
    const fv_op *end = f->body->last;
    int before = end->nin, all = parts_of_all(before, end->in), n = 0;
    const char **names = FV_NEW(a, const char *, all + 1);
    const fv_value **states = f->states ? FV_NEW(a, const fv_value *, all + 1) : NULL;
    const fv_dim **capacity = f->capacity ? FV_NEW(a, const fv_dim *, all + 1) : NULL;
    if (all == before)
        return true;
    for (int i = 0; i < before; i++)
        for (int k = 0; k < parts_of(end->in[i]); k++, n++) {
            const char *name = f->result_names ? f->result_names[i] : end->in[i]->name;
            names[n] = is_packed(end->in[i]) ? part_name(a, end->in[i], name, k) : name;
            if (states)
                states[n] = is_packed(end->in[i]) ? NULL : f->states[i];
            if (capacity)
                capacity[n] = is_packed(end->in[i]) ? NULL : f->capacity[i];
        }
    if (!unpack_returned(f->body))
        return false;
    f->result_names = names;
    f->states = states;
    f->capacity = capacity;
    return true;
}

/* ---- Loop and If ---- */

bool fv_unpack_must(const fv_op *op) {
    bool found = false;
    if (!fv_op_is(op, FV_OP_Loop) &&
        !(fv_op_is(op, FV_OP_If) && fv_branch_taken(op) == FV_BRANCH_EITHER))
        return false;
    for (int i = 0; i < op->nin; i++)
        found |= is_packed(op->in[i]);
    for (int i = 0; i < op->nout; i++)
        found |= is_packed(op->out[i]);
    return found;
}

static bool unpack_bodies(const fv_op *op) {
    for (int i = 0; i < op->nattrs; i++)
        if (op->attrs[i].kind == FV_ATTR_REGION && !unpack_returned(op->attrs[i].u.region))
            return false;
    return true;
}

/* The names for the results of the op that replaces `op`: names of its results or of their
 * parts. */
static void name_results(fv_arena *a, const fv_op *op, const char **names) {
    for (int i = 0; i < op->nout; i++)
        for (int k = 0; k < parts_of(op->out[i]); k++)
            *names++ = !op->out[i]             ? NULL
                       : is_packed(op->out[i]) ? part_name(a, op->out[i], op->out[i]->name, k)
                                               : op->out[i]->name;
}

static void hand_over(fv_module *m, fv_op *op, fv_op *made) {
    fv_value **part = made->out;
    for (int i = 0; i < op->nout; part += parts_of(op->out[i]), i++) {
        fv_value *v = op->out[i];
        if (!v)
            continue;
        fv_value *now = is_packed(v) ? pack(op, v->type, part, v->name) : *part;
        fv_replace_uses(v, now);
        fv_value_take_name(m, now, v);
    }
}

/* Refuses results with a row of strings per iteration, since each row would have a text of its
 * own. */
static bool check_rows(const fv_op *op) {
    for (int i = op->nin - 2; fv_op_is(op, FV_OP_Loop) && i < op->nout; i++)
        if (op->out[i] && fv_type_is_strings(op->out[i]->type))
            return fv_op_error(
                op,
                "each iteration returns a row of strings for '%s', which is not supported: "
                "a state or a sequence may have them",
                op->out[i]->name);
    return true;
}

fv_op *fv_unpack_op(fv_op *op) {
    fv_module *m = fv_op_module(op);
    if (!check_rows(op))
        return NULL;
    int nin = parts_of_all(op->nin, op->in), nout = parts_of_all(op->nout, op->out);
    fv_value **in = FV_NEW(m->arena, fv_value *, nin + 1);
    const char **names = FV_NEW(m->arena, const char *, nout + 1);
    if (!unpack_bodies(op) || !take_apart(op, op->nin, op->in, in))
        return NULL;
    name_results(m->arena, op, names);
    fv_op *made = fv_op_new(op->block, op, op->def, nin, in, nout, names, op->origin);
    fv_op_move_attrs(op, made);
    for (int i = 0, k = 0; i < op->nout; k += parts_of(op->out[i]), i++)
        if (op->out[i] && !is_packed(op->out[i])) {
            made->out[k]->type = op->out[i]->type;
            made->out[k]->elems = op->out[i]->elems;
            made->out[k]->nelems = op->out[i]->nelems;
        }
    if (!fv_op_infer(made))
        return NULL;
    hand_over(m, op, made);
    fv_op_erase(op);
    return made;
}
