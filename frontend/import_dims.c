/* import_dims.c - types of inputs, their symbols, the option --dim, declared shapes.
 *
 * Symbols are the open dims of the main graph's inputs, under the model's name or else as
 * INPUT_AXIS. A name that is an expression over names of other dims ("past + seq", as some
 * exporters write) becomes that expression. */
#include <ctype.h>
#include <string.h>

#include "frontend/import.h"
#include "ir/base/limits.h"
#include "ir/base/text.h"
#include "ir/dim/option.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"

/* A dim of an input that is a symbol. */
typedef struct symbol {
    const char *name; /* interned */
    bool named;       /* whether the model names it */
    int64_t lo, hi;
} symbol;

/* A dim of an input, and its symbol. */
typedef struct place {
    const char *input;
    int axis;
    symbol *symbol; /* NULL: the dim is `fixed`, or an expression */
    int64_t fixed;  /* -1: not fixed */
} place;

typedef struct table {
    fv_importer *im;
    fv_ptrmap by_name;
    symbol **symbols;
    int nsymbols, cap_symbols;
    place *places;
    int nplaces, cap_places;
} table;

/* ---- which symbols there are ---- */

static const Onnx__TensorShapeProto *shape_of(const Onnx__TypeProto *t) {
    for (int depth = 0; t && depth < FV_MAX_MESSAGE_DEPTH; depth++)
        switch (t->value_case) {
        case ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE: return t->tensor_type->shape;
        case ONNX__TYPE_PROTO__VALUE_SPARSE_TENSOR_TYPE: return t->sparse_tensor_type->shape;
        case ONNX__TYPE_PROTO__VALUE_MAP_TYPE: t = t->map_type->value_type; break;
        default: return NULL;
        }
    return NULL;
}

static const char *param_of(const Onnx__TensorShapeProto__Dimension *d) {
    bool named = d->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
    return named && *d->dim_param ? d->dim_param : NULL;
}

/* The fixed size of a dim, or -1. Some exporters write -1 for a dim that is not known. */
static int64_t value_of(const Onnx__TensorShapeProto__Dimension *d) {
    bool fixed = d->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
    return fixed && d->dim_value >= 0 ? d->dim_value : -1;
}

static symbol *add_symbol(table *t, const char *name, bool named) {
    name = fv_intern(t->im->s, name);
    symbol *y = fv_ptrmap_get(&t->by_name, name);
    if (y)
        return y;
    y = FV_NEW(t->im->tmp, symbol, 1);
    *y = (symbol){name, named, 0, FV_DIM_MAX};
    fv_import_map(&t->by_name, name, y);
    FV_PUSH(t->im->tmp, t->symbols, t->nsymbols, t->cap_symbols, y);
    return y;
}

static bool is_word(char c) {
    return isalnum((unsigned char)c) || c == '_' || c == '.';
}

static bool is_keyword(const char *w, size_t n) {
    static const char *const words[] = {"floordiv", "ceildiv", "mod", "min", "max"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i]) == n && !memcmp(words[i], w, n))
            return true;
    return false;
}

/* longer texts are not taken for expressions, since products of sums grow */
enum { LONGEST_EXPRESSION = 128 };

/* Whether it consists of several words, each of which is the name of a dim of some input. */
static bool is_expression(const table *t, const char *text) {
    bool joins = false, name = false;
    if (strlen(text) > LONGEST_EXPRESSION)
        return false;
    for (const char *c = text; *c;) {
        size_t n = 0;
        while (is_word(c[n]))
            n++;
        if (!n) {
            joins |= *c != ' ';
            if (!strchr(" +-*(),", *c))
                return false;
            c++;
            continue;
        }
        if (!isdigit((unsigned char)*c) && !is_keyword(c, n)) {
            if (!fv_ptrmap_get(&t->by_name, fv_internn(t->im->s, c, n)))
                return false;
            name = true;
        }
        joins |= is_keyword(c, n);
        c += n;
    }
    return joins && name;
}

static bool looks_plain(const char *text) {
    for (; *text; text++)
        if (!is_word(*text))
            return false;
    return true;
}

static bool is_real_input(const fv_importer *im, const Onnx__ValueInfoProto *v) {
    return !fv_ptrmap_get(&im->found.is_initializer, fv_intern(im->s, fv_text_of(v->name)));
}

/* Visits the dims of all inputs once: first (`plain`) those named by plain words, so that the
 * others can be recognized as expressions over them. */
static void collect(table *t, bool plain) {
    const Onnx__GraphProto *g = t->im->model->graph;
    for (size_t i = 0; i < g->n_input; i++) {
        const Onnx__TensorShapeProto *shape = shape_of(g->input[i]->type);
        if (!is_real_input(t->im, g->input[i]))
            continue;
        for (size_t k = 0; shape && k < shape->n_dim && k < FV_MAX_RANK; k++) {
            const char *param = param_of(shape->dim[k]), *input = fv_text_of(g->input[i]->name);
            if (plain && param && looks_plain(param))
                add_symbol(t, param, true);
            if (plain)
                continue;
            place p = {input, (int)k, NULL, value_of(shape->dim[k])};
            if (param && !is_expression(t, param))
                p.symbol = add_symbol(t, param, true);
            if (!param && p.fixed < 0)
                p.symbol = add_symbol(t, fv_printf(t->im->tmp, "%s_%d", input, (int)k), false);
            FV_PUSH(t->im->tmp, t->places, t->nplaces, t->cap_places, p);
        }
    }
}

/* ---- settings of the user (--dim) ---- */

static const char *const *symbol_names(const table *t) {
    const char **names = FV_NEW(t->im->tmp, const char *, t->nsymbols + 1);
    for (int i = 0; i < t->nsymbols; i++)
        names[i] = t->symbols[i]->name;
    return names;
}

static const place *find_place(const table *t, const fv_dim_option *o) {
    for (int i = 0; o->input && i < t->nplaces; i++)
        if (t->places[i].axis == o->axis && !strcmp(t->places[i].input, o->input))
            return &t->places[i];
    return NULL;
}

static bool apply_option(table *t, const char *text) {
    fv_importer *im = t->im;
    fv_dim_option o;
    const char *problem = fv_dim_option_parse(im->tmp, text, &o);
    if (problem)
        return fv_dim_option_error(im->s, &o, problem);
    symbol *y = fv_ptrmap_get(&t->by_name, fv_intern(im->s, o.name));
    const place *p = y ? NULL : find_place(t, &o);
    if (p && p->symbol)
        y = p->symbol;
    if (y)
        return fv_dim_option_apply(im->s, &o, &y->lo, &y->hi);
    if (!p)
        return fv_dim_option_unknown(im->s, im->tmp, &o, symbol_names(t));
    if (p->fixed < 0)
        return fv_dim_option_error(im->s, &o, "that dim is an expression over others: give those");
    int64_t lo = p->fixed, hi = p->fixed;
    return fv_dim_option_apply(im->s, &o, &lo, &hi);
}

/* ---- symbols as dims ---- */

static void make_dims(table *t) {
    fv_importer *im = t->im;
    fv_dims *dims = im->m->dims;
    for (int i = 0; i < t->nsymbols; i++) {
        const symbol *y = t->symbols[i];
        const fv_dim *d;
        if (y->lo == y->hi)
            d = fv_dim_const(dims, y->lo);
        else if (y->named)
            d = fv_dim_symbol(dims, y->name);
        else
            d = fv_dim_fresh(dims, y->name, y->lo, y->hi, false);
        if (!fv_dim_is_const(d) && y->named && (y->lo > 0 || y->hi < FV_DIM_MAX))
            if (!fv_dim_bound(dims, d, y->lo, y->hi))
                fv_error(im->s, "dim '%s' has no value within %lld..%lld", y->name,
                         (long long)y->lo, (long long)y->hi);
        fv_import_map(&im->found.symbols, y->name, d);
    }
}

bool fv_import_symbols(fv_importer *im, const fv_import_options *o) {
    table t = {.im = im, .by_name = {.arena = im->tmp}};
    bool ok = true;
    collect(&t, true);
    collect(&t, false);
    for (int i = 0; o && i < o->ndims; i++)
        ok &= apply_option(&t, o->dims[i]);
    make_dims(&t);
    return ok;
}

/* The value of an expression over known symbols; NULL if a name in it is not known. */
static const fv_dim *parse_expression(fv_importer *im, const char *text) {
    fv_text t = {.arena = im->tmp};
    if (strlen(text) > LONGEST_EXPRESSION)
        return NULL;
    for (const char *c = text; *c;) {
        size_t n = 0;
        while (is_word(c[n]))
            n++;
        const fv_dim *d = NULL;
        if (n && !isdigit((unsigned char)*c) && !is_keyword(c, n)) {
            d = fv_ptrmap_get(&im->found.symbols, fv_internn(im->s, c, n));
            if (!d)
                return NULL;
        }
        if (d)
            fv_text_put(&t, fv_dim_str(im->tmp, d));
        else
            fv_text_putn(&t, c, n ? n : 1);
        c += n ? n : 1;
    }
    const char *at = t.s, *error;
    const fv_dim *d = t.n ? fv_dim_parse(im->m->dims, &at, &error) : NULL;
    return d && !*at ? d : NULL;
}

/* A declared dim in terms of the inputs' symbols; NULL if it cannot be expressed by them. */
static const fv_dim *known_dim(fv_importer *im, const Onnx__TensorShapeProto__Dimension *d) {
    const char *param = param_of(d);
    int64_t value = value_of(d);
    if (value >= 0 && value <= FV_DIM_MAX)
        return fv_dim_const(im->m->dims, value);
    if (!param)
        return NULL;
    const fv_dim *known = fv_ptrmap_get(&im->found.symbols, fv_intern(im->s, param));
    return known ? known : parse_expression(im, param);
}

/* ---- types ---- */

static bool is_elem(int32_t number) {
    return number > FV_NO_ELEM && number < FV_ELEM_END;
}

static bool elem_of(fv_importer *im, int32_t number, const char *what, fv_elem *out) {
    *out = (fv_elem)number;
    return is_elem(number) || fv_error(im->s, "%s: element type %d is not known", what, number);
}

static const fv_dim *input_dim(fv_importer *im, const Onnx__TensorShapeProto__Dimension *d,
                               const char *stem, size_t axis) {
    const fv_dim *known = known_dim(im, d);
    const char *name = fv_printf(im->tmp, "%s_%d", stem, (int)axis);
    if (!known)
        known = fv_ptrmap_get(&im->found.symbols, fv_intern(im->s, name));
    if (known)
        return known;
    return param_of(d) ? fv_dim_symbol(im->m->dims, param_of(d))
                       : fv_dim_fresh(im->m->dims, name, 0, FV_DIM_MAX, false);
}

static const fv_type *tensor_type(fv_importer *im, const Onnx__TypeProto__Tensor *t,
                                  const char *stem, const char *what) {
    const fv_dim *dims[FV_MAX_RANK];
    fv_elem e;
    if (!elem_of(im, t->elem_type, what, &e))
        return NULL;
    if (!t->shape)
        return fv_error(im->s,
                        "%s has no shape, and its rank follows neither from its uses nor from what "
                        "is legal: "
                        "give it one in the "
                        "model, or the size of each axis by --dim %s:AXIS=N",
                        what, stem),
               NULL;
    if (t->shape->n_dim > FV_MAX_RANK)
        return fv_error(im->s, "%s has rank %zu, at most %d is supported", what, t->shape->n_dim,
                        FV_MAX_RANK),
               NULL;
    for (size_t i = 0; i < t->shape->n_dim; i++) {
        if (value_of(t->shape->dim[i]) > FV_DIM_MAX)
            return fv_error(im->s, "%s: dim %zu is too large", what, i), NULL;
        dims[i] = input_dim(im, t->shape->dim[i], stem, i);
    }
    return fv_tensor_type(im->m->arena, e, (int)t->shape->n_dim, dims);
}

/* Checks that a map's value for a key is one element. Exporters declare it without a shape, or as a
 * vector of one element. */
static bool is_one_element(fv_importer *im, const Onnx__TensorShapeProto *shape, const char *what) {
    for (size_t i = 0; shape && i < shape->n_dim; i++)
        if (value_of(shape->dim[i]) >= 0 && value_of(shape->dim[i]) != 1)
            return fv_error(im->s, "%s is a map to tensors of %lld elements, expected one", what,
                            (long long)value_of(shape->dim[i]));
    return true;
}

static const fv_type *map_type(fv_importer *im, const Onnx__TypeProto__Map *t, const char *what) {
    const Onnx__TypeProto *of = t->value_type;
    fv_elem key, value;
    if (!of || of->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE)
        return fv_error(im->s, "%s is a map to something else than tensors, which is not supported",
                        what),
               NULL;
    if (!elem_of(im, t->key_type, what, &key) ||
        !elem_of(im, of->tensor_type->elem_type, what, &value) ||
        !is_one_element(im, of->tensor_type->shape, what))
        return NULL;
    const fv_type *values = fv_tensor_type(im->m->arena, value, 0, NULL);
    if (!fv_type_may_be_map(key, values))
        return fv_error(im->s,
                        "%s is %s, which is not supported: keys are integers or strings, values no "
                        "complex numbers",
                        what, fv_type_str(im->tmp, fv_map_type(im->tmp, key, values))),
               NULL;
    return fv_map_type(im->m->arena, key, values);
}

/* The type of the tensors in a sequence or optional; each may have another size along an axis whose
 * size is not declared. */
static const fv_type *element_type(fv_importer *im, const Onnx__TypeProto__Tensor *t,
                                   const char *what) {
    const fv_dim *dims[FV_MAX_ELEMENT_RANK];
    fv_elem e;
    if (!elem_of(im, t->elem_type, what, &e))
        return NULL;
    if (!t->shape)
        return fv_tensor_type(im->m->arena, e, FV_ANY_RANK, NULL);
    if (t->shape->n_dim > FV_MAX_ELEMENT_RANK)
        return fv_error(im->s, "%s holds tensors of rank %zu, at most %d is supported there", what,
                        t->shape->n_dim, FV_MAX_ELEMENT_RANK),
               NULL;
    for (size_t i = 0; i < t->shape->n_dim; i++) {
        int64_t size = value_of(t->shape->dim[i]);
        if (size > FV_DIM_MAX)
            return fv_error(im->s, "%s: dim %zu is too large", what, i), NULL;
        dims[i] = size < 0 ? NULL : fv_dim_const(im->m->dims, size);
    }
    return fv_tensor_type(im->m->arena, e, (int)t->shape->n_dim, dims);
}

const fv_type *fv_import_held_type(fv_importer *im, const Onnx__TypeProto *t, const char *what) {
    bool tensor = t && t->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    return tensor ? element_type(im, t->tensor_type, what) : fv_import_type(im, t, what, what);
}

static const fv_type *wrapped_type(fv_importer *im, fv_type_kind kind, const Onnx__TypeProto *t,
                                   const char *what) {
    const fv_type *of = fv_import_held_type(im, t, what);
    if (of && !fv_type_may_hold(kind, of))
        return fv_error(im->s,
                        "%s is %s, which is not supported: a sequence holds tensors or maps, an "
                        "optional a tensor or a sequence of tensors",
                        what, fv_type_str(im->tmp, fv_wrap_type(im->tmp, kind, of))),
               NULL;
    return of ? fv_wrap_type(im->m->arena, kind, of) : NULL;
}

/* This recurses, but nesting is bounded by the check of the protobuf structure. */
const fv_type *fv_import_type(fv_importer *im, const Onnx__TypeProto *t, const char *stem,
                              const char *what) {
    if (!t)
        return fv_error(im->s, "%s has no type", what), NULL;
    switch (t->value_case) {
    case ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE: return tensor_type(im, t->tensor_type, stem, what);
    case ONNX__TYPE_PROTO__VALUE_MAP_TYPE: return map_type(im, t->map_type, what);
    case ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE:
        return wrapped_type(im, FV_SEQUENCE, t->sequence_type->elem_type, what);
    case ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE:
        return wrapped_type(im, FV_OPTIONAL, t->optional_type->elem_type, what);
    case ONNX__TYPE_PROTO__VALUE_SPARSE_TENSOR_TYPE:
        return fv_error(im->s,
                        "%s is a sparse tensor: these are not supported but as inputs of the model",
                        what),
               NULL;
    case ONNX__TYPE_PROTO__VALUE_OPAQUE_TYPE:
        return fv_error(im->s, "%s is of an opaque type: these are not supported", what), NULL;
    default: return fv_error(im->s, "%s has no type", what), NULL;
    }
}

/* ---- declared shapes ---- */

static const char *declared_str(fv_importer *im, const Onnx__TypeProto *declared) {
    fv_text t = {.arena = im->tmp};
    if (declared->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE)
        return "something else than a tensor";
    int32_t elem = declared->tensor_type->elem_type;
    const Onnx__TensorShapeProto *shape = declared->tensor_type->shape;
    if (is_elem(elem))
        fv_text_put(&t, fv_elem_name((fv_elem)elem));
    else
        fv_text_printf(&t, "element type %d", elem);
    fv_text_put(&t, shape ? "[" : "");
    for (size_t i = 0; shape && i < shape->n_dim; i++) {
        const char *param = param_of(shape->dim[i]), *comma = i ? ", " : "";
        int64_t value = value_of(shape->dim[i]);
        if (param)
            fv_text_printf(&t, "%s%s", comma, param);
        else if (value < 0)
            fv_text_printf(&t, "%s?", comma);
        else
            fv_text_printf(&t, "%s%lld", comma, (long long)value);
    }
    fv_text_put(&t, shape ? "]" : "");
    return t.s;
}

int fv_import_declared_rank(const Onnx__ValueInfoProto *declared) {
    const Onnx__TypeProto *t = declared->type;
    bool tensor = t && t->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    return tensor && t->tensor_type->shape && t->tensor_type->shape->n_dim <= FV_MAX_RANK
               ? (int)t->tensor_type->shape->n_dim
               : -1;
}

/* Whether a dim cannot be equal to the declared one. A dim that depends on data contradicts a
 * declaration only if equality is impossible. */
static bool contradicts(fv_importer *im, const fv_dim *dim, const fv_dim *declared) {
    if (!declared)
        return false;
    fv_dim_order order = fv_dim_compare(im->m->dims, dim, declared);
    return order == FV_DIM_DIFFERENT ||
           (order == FV_DIM_UNKNOWN && fv_dim_is_const(declared) && !dim->from_data);
}

static bool shape_contradicts(fv_importer *im, const fv_type *t,
                              const Onnx__TensorShapeProto *shape) {
    if (shape->n_dim != (size_t)t->rank)
        return true;
    for (int i = 0; i < t->rank; i++)
        if (contradicts(im, t->dims[i], known_dim(im, shape->dim[i])))
            return true;
    return false;
}

static void say_contradiction(fv_importer *im, const fv_value *v,
                              const Onnx__ValueInfoProto *declared) {
    const char *what = v->kind == FV_VALUE_RESULT ? "result" : "value";
    int rank = fv_import_declared_rank(declared);
    im->faults.declared++;
    im->faults.ranks += rank >= 0 && rank != v->type->rank;
    fv_message about = {0};
    if (v->kind == FV_VALUE_RESULT)
        about = (fv_message){.node = fv_origin_str(im->tmp, v->def->origin),
                             .op = fv_opdef_qualified(im->tmp, v->def->def)};
    fv_import_departs(im, FV_LENIENT_DECLARED, declared, &about, "the declaration is ignored",
                      "%s '%s' is declared as %s, but is %s", what, v->name,
                      declared_str(im, declared->type), fv_type_str(im->tmp, v->type));
}

void fv_import_note_loop(fv_importer *im, const fv_op *loop) {
    const fv_dim *const *symbols;
    int n = fv_dim_symbols(im->m->dims, &symbols);
    for (int i = 0; i < loop->nout; i++) {
        const fv_type *t = loop->out[i] ? loop->out[i]->type : NULL;
        for (int k = 0; t && t->kind == FV_TENSOR && k < t->rank; k++)
            for (int j = 0; t->dims[k]->from_data && j < n; j++)
                if (symbols[j]->from_data && fv_dim_mentions(t->dims[k], symbols[j]))
                    FV_PUSH(im->tmp, im->turned.all, im->turned.n, im->turned.cap, symbols[j]);
    }
}

/* Whether the number of iterations of a loop decides a dim of v. Not for a vector of integers that
 * is no output: it may be a shape or axes, whose length operators have to know, and the declaration
 * is all that is known of it. */
static bool turns_decide(const fv_importer *im, const fv_value *v, const fv_dim *d, bool output) {
    if (v->type->rank == 1 && !output && (v->type->elem == FV_I64 || v->type->elem == FV_I32))
        return false;
    for (int i = 0; i < im->turned.n; i++)
        if (fv_dim_mentions(d, im->turned.all[i]))
            return true;
    return false;
}

static bool is_output(const fv_importer *im, const Onnx__ValueInfoProto *declared) {
    const Onnx__GraphProto *g = im->model->graph;
    for (size_t i = 0; i < g->n_output; i++)
        if (g->output[i] == declared)
            return true;
    return false;
}

static void say_turns(fv_importer *im, const fv_value *v, const Onnx__ValueInfoProto *declared) {
    fv_import_departs(
        im, FV_LENIENT_ITERATIONS, declared, NULL, "the declared size is not relied on",
        "output '%s' is declared as %s, but how often a loop is taken decides its size", v->name,
        declared_str(im, declared->type));
}

/* Replaces dims that depend on data by the declared ones and records that they must be equal. If
 * other ops already use the value, its type stays and only the equality is recorded. Conditions of
 * the op that made it are checked again for the new dims. */
static void take_declared(fv_importer *im, fv_value *v, const Onnx__ValueInfoProto *declared) {
    const Onnx__TensorShapeProto *shape = declared->type->tensor_type->shape;
    const fv_type *t = v->type;
    const fv_dim *dims[FV_MAX_RANK];
    const char *why = fv_printf(im->tmp, "declared shape of '%s'", v->name);
    bool changed = false, output = is_output(im, declared);
    /* a declaration of no elements is not relied on: data decide the size */
    for (int i = 0; i < t->rank; i++) {
        const fv_dim *d = known_dim(im, shape->dim[i]);
        if (d && d->hi <= 0)
            return;
    }
    for (int i = 0; i < t->rank; i++) {
        const fv_dim *d = known_dim(im, shape->dim[i]);
        if (d && d != t->dims[i] && t->dims[i]->from_data &&
            turns_decide(im, v, t->dims[i], output)) {
            if (output)
                say_turns(im, v, declared);
            d = NULL;
        }
        bool taken =
            d && t->dims[i]->from_data && fv_module_assume(im->m, t->dims[i], d, why) && !v->nuses;
        dims[i] = taken ? d : t->dims[i];
        changed |= taken;
    }
    if (!changed)
        return;
    v->type = fv_tensor_type(im->m->arena, t->elem, t->rank, dims);
    if (v->kind == FV_VALUE_RESULT && !fv_op_settle(v->def))
        v->type = t; /* fv_op_settle has reported why */
}

void fv_import_declared(fv_importer *im, fv_value *v, const Onnx__ValueInfoProto *declared) {
    const Onnx__TypeProto *d = declared->type;
    const fv_type *t = v->type;
    if (!d || d->value_case == ONNX__TYPE_PROTO__VALUE__NOT_SET || !t || t->kind != FV_TENSOR)
        return;
    bool tensor = d->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    const Onnx__TensorShapeProto *shape = tensor ? d->tensor_type->shape : NULL;
    int32_t elem = tensor ? d->tensor_type->elem_type : FV_NO_ELEM;
    if (tensor && elem == FV_NO_ELEM)
        return;
    if (elem != (int32_t)t->elem || (shape && shape_contradicts(im, t, shape)))
        say_contradiction(im, v, declared);
    else if (shape)
        take_declared(im, v, declared);
}
