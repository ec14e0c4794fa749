/* import_sparse.c - imports inputs that are sparse tensors as two inputs: the values, and their
 * coordinates.
 *
 * For operators that only take dense tensors, a sparse initializer is made dense (tensor_proto.c).
 * An operator that takes a sparse tensor gets the elements that are not zero. */
#include <string.h>

#include "frontend/import.h"

#include "ir/base/limits.h"
#include "ir/dim/text.h"
#include "ir/type/tensor.h"

static const fv_sparse *add(fv_importer *im, fv_value *values, fv_value *places, int rank,
                            const fv_dim *const *dims) {
    fv_sparse *s = FV_NEW(im->tmp, fv_sparse, 1);
    *s = (fv_sparse){values, places, rank, dims};
    return s;
}

fv_value *fv_import_sparse_input(fv_importer *im, fv_region *r, const Onnx__TypeProto *t,
                                 const char *name, const char *what) {
    Onnx__TypeProto__Tensor dense = ONNX__TYPE_PROTO__TENSOR__INIT;
    Onnx__TypeProto whole = ONNX__TYPE_PROTO__INIT;
    dense.has_elem_type = 1;
    dense.elem_type = t->sparse_tensor_type->elem_type;
    dense.shape = t->sparse_tensor_type->shape;
    whole.value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    whole.tensor_type = &dense;
    if (!dense.shape)
        return fv_error(im->s, "%s is a sparse tensor without a shape", what), NULL;
    const fv_type *type = fv_import_type(im, &whole, name, what);
    if (!type)
        return NULL;
    fv_module *m = im->m;
    const fv_dim *n =
        fv_dim_fresh(m->dims, fv_printf(im->tmp, "%s.nnz", name), 0, FV_DIM_MAX, false);
    const fv_dim *dims[2] = {n, fv_dim_const(m->dims, type->rank)};
    fv_value *values = fv_param_new(r, fv_printf(im->tmp, "%s.values", name),
                                    fv_tensor_type(m->arena, type->elem, 1, &n));
    fv_value *places = fv_param_new(r, fv_printf(im->tmp, "%s.indices", name),
                                    fv_tensor_type(m->arena, FV_I64, 2, dims));
    fv_import_map(&im->found.sparse, values, add(im, values, places, type->rank, type->dims));
    return values;
}

static bool is_dim_of_param(const fv_region *r, const fv_dim *d) {
    for (int i = 0; i < r->nparams; i++) {
        const fv_type *t = r->params[i]->type;
        for (int k = 0; t->kind == FV_TENSOR && k < t->rank; k++)
            if (t->dims[k] == d)
                return true;
    }
    return fv_dim_is_const(d);
}

void fv_import_check_sparse(fv_importer *im, const fv_region *r) {
    for (int i = 0; i < r->nparams; i++) {
        const fv_sparse *s = fv_ptrmap_get(&im->found.sparse, r->params[i]);
        for (int k = 0; s && k < s->rank; k++)
            if (!is_dim_of_param(r, s->dims[k]))
                fv_error(im->s,
                         "axis %d of the sparse tensor of '%s' has %s, which follows from no "
                         "array that is given: --dim NAME=N sets it",
                         k, r->params[i]->name, fv_dim_str(im->tmp, s->dims[k]));
    }
}

static bool is_zero(const fv_tensor *t, size_t i) {
    size_t size = fv_elem_bits(t->elem) / 8;
    const unsigned char *at = (const unsigned char *)t->data + i * size;
    for (size_t k = 0; k < size; k++)
        if (at[k])
            return false;
    return true;
}

static const fv_sparse *of_matrix(fv_importer *im, const fv_value *v) {
    fv_module *m = im->m;
    const fv_tensor *t = v->tensor;
    size_t size = fv_elem_bits(t->elem) / 8, n = 0;
    for (size_t i = 0; i < t->count; i++)
        n += !is_zero(t, i);
    int64_t count = (int64_t)n, dims[2] = {count, 2};
    fv_tensor *values = fv_tensor_new(m->arena, t->elem, 1, &count),
              *places = fv_tensor_new(m->arena, FV_I64, 2, dims);
    n = 0;
    for (size_t i = 0; i < t->count; i++) {
        if (is_zero(t, i))
            continue;
        /* the cast is legal: this tensor was allocated here */
        memcpy((char *)(uintptr_t)values->data + n * size, (const char *)t->data + i * size, size);
        fv_tensor_set_int(places, 2 * n, (int64_t)i / t->dims[1]);
        fv_tensor_set_int(places, 2 * n++ + 1, (int64_t)i % t->dims[1]);
    }
    return add(im, fv_const_new(m, fv_printf(im->tmp, "%s.values", v->name), values),
               fv_const_new(m, fv_printf(im->tmp, "%s.indices", v->name), places), 2,
               v->type->dims);
}

const fv_sparse *fv_import_sparse_of(fv_importer *im, fv_value *v) {
    const fv_sparse *s = fv_ptrmap_get(&im->found.sparse, v);
    bool known = !s && v->kind == FV_VALUE_CONST && v->type->rank == 2 &&
                 v->type->elem != FV_STRING && fv_elem_bits(v->type->elem) >= 8;
    return known ? of_matrix(im, v) : s;
}
