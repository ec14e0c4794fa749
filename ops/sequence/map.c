/* map.c - maps as the vectors that represent them. The operators on maps are in ml_maps.c. */
#include "ops/sequence/map.h"

#include "ir/base/limits.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ops/common/assemble.h"
#include "ops/common/dims.h"
#include "ops/sequence/sequence.h"

const char *fv_map_part_name(fv_arena *a, const char *name, int part) {
    static const char *const names[FV_MAP_PARTS] = {"keys", "values", "ends"};
    return fv_printf(a, "%s.%s", name, names[part]);
}

int fv_map_parts(const fv_type *t) {
    return t->kind == FV_MAP ? FV_PART_MAP_ENDS : FV_MAP_PARTS;
}

const fv_type *fv_type_of_maps(const fv_type *t) {
    return t->kind == FV_MAP ? t : t->of;
}

bool fv_map_of(const fv_op *op, const fv_value *v, fv_value **parts) {
    return fv_joined_parts(op, v, FV_OP_fv_Map, parts);
}

fv_value *fv_w_map(fv_rewriter *w, const fv_type *t, fv_value *const *parts) {
    return fv_w_join(w, FV_OP_fv_Map, t, fv_map_parts(t), parts);
}

/* The number of entries of each map: the difference between its end and the previous one. */
static fv_value *sizes(fv_rewriter *w, fv_value *ends) {
    fv_dims *t = w->module->dims;
    const fv_dim *zero = fv_dim_const(t, 0), *n = ends->type->dims[0];
    fv_value *all[] = {fv_w_ints(w, FV_I64, 1, 1, &zero), ends};
    fv_value *starts = fv_w_cut(w, fv_w_concat(w, 0, 2, all), 0, zero, n);
    return FV_W2(w, FV_OP_Sub, ends, starts);
}

/* The least or largest element of n vectors, which may be empty, and of 0. */
static const fv_dim *extreme(fv_rewriter *w, const char *stem, fv_op_id kind, int n, fv_value **x) {
    const fv_dim *zero = fv_dim_const(w->module->dims, 0);
    x[n] = fv_w_ints(w, FV_I64, 1, 1, &zero);
    return fv_w_bound(w, stem, -FV_DIM_MAX, fv_w_reduce(w, kind, fv_w_concat(w, 0, n + 1, x), 0));
}

/* If all ends are between 0 and the number of entries, the differences cannot overflow. */
void fv_w_check_map_ends(fv_rewriter *w, const char *name, fv_value *const *parts) {
    fv_module *m = w->module;
    const fv_dim *zero = fv_dim_const(m->dims, 0), *entries = parts[FV_PART_KEYS]->type->dims[0];
    const char *why = fv_printf(m->arena, "ends of '%s'", name);
    fv_value *ends = parts[FV_PART_MAP_ENDS], *size = sizes(w, ends);
    const fv_dim *least = extreme(w, "least", FV_OP_ReduceMin, 2, (fv_value *[3]){ends, size});
    const fv_dim *most = extreme(w, "most", FV_OP_ReduceMax, 1, (fv_value *[2]){ends});
    const fv_dim *sum =
        fv_w_bound(w, "entries", -FV_DIM_MAX, fv_w_reduce(w, FV_OP_ReduceSum, size, 0));
    if (w->failed ||
        !fv_module_require(m, fv_dim_min(m->dims, least, zero), zero, why,
                           "no map ends before it begins") ||
        !fv_module_require(m, fv_dim_max(m->dims, most, entries), entries, why,
                           "no map ends after the last entry") ||
        !fv_module_require(m, sum, entries, why, "the last map ends where the entries do"))
        w->failed = true;
}

/* ---- fv.Map ---- */

static bool infer_map(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *t = fv_op_find_attr(op, "type")->u.type, *keys = fv_in_type(op, FV_PART_KEYS),
                  *values = fv_in_type(op, FV_PART_VALUES);
    bool whole = fv_type_has_maps(t) && op->nin == fv_map_parts(t) &&
                 fv_type_of_maps(t)->elem == keys->elem && fv_type_tensor(t)->elem == values->elem;
    if (!whole)
        return fv_op_error(op, "%d parts, keys of %s and values of %s, do not make %s", op->nin,
                           fv_elem_name(keys->elem), fv_elem_name(values->elem),
                           fv_type_str(m->arena, t));
    if (!fv_module_assume(m, keys->dims[0], values->dims[0], fv_op_why(op, "a value for each key")))
        return fv_op_error(op, "has %s keys, and %s values", fv_dim_str(m->arena, keys->dims[0]),
                           fv_dim_str(m->arena, values->dims[0]));
    if (op->out[0])
        op->out[0]->type = t;
    return true;
}

const fv_opdef fv_ops_map[] = {
    {.domain = "fv",
     .name = "Map",
     .id = FV_OP_fv_Map,
     .since = {1},
     .doc = "a map or a sequence of maps, from the vectors that represent it: keys, values, and "
            "for a sequence the position at which each map ends",
     .in = {{"keys", "K", .rank = FV_RANK(1)},
            {"values", "V", .rank = FV_RANK(1)},
            {"ends", "I", FV_OPTIONAL_OPERAND, .rank = FV_RANK(1)}},
     .out = {{"Y", "M"}},
     .attrs = {FV_A_REQUIRED("type", TYPE)},
     .types = {{"K", FV_SET_INT | FV_SET(STRING)},
               {"V", FV_SET_MOVED},
               {"I", FV_SET(I64)},
               {"M", FV_SET_MOVED, FV_KIND(MAP) | FV_KIND(SEQUENCE)}},
     .infer = infer_map},

    {0}};
