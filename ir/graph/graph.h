/* graph.h - graph IR: modules, functions, ops, values.
 *
 * SSA. A module owns functions and constants; a function owns one block; a block has parameters,
 * ops in order, and ends with a `return` op whose operands are its results, so every use of a value
 * is an operand. An If or a Loop holds blocks as regions, which may use values from outside.
 *
 *   fovea-ir 1
 *   module "dense"
 *   symbol batch 0..1099511627776
 *   const @w: f32[768, 768] = file "model.bin" 0 2359296
 *   func @main(%x: f32[batch, 768]) -> (%y) {
 *     %h = MatMul(%x, @w) : f32[batch, 768]    loc("/dense/MatMul")
 *     %y = Relu(%h) : f32[batch, 768]
 *     return %y
 *   }
 */
#ifndef FV_IR_GRAPH_GRAPH_H
#define FV_IR_GRAPH_GRAPH_H

#include "ir/base/diag.h"
#include "ir/catalogue/op.h"
#include "ir/type/tensor.h"

typedef struct fv_module fv_module;
typedef struct fv_func fv_func;
typedef struct fv_region fv_region;
typedef struct fv_op fv_op;
typedef struct fv_value fv_value;

typedef enum { FV_VALUE_PARAM, FV_VALUE_RESULT, FV_VALUE_CONST } fv_value_kind;

typedef struct fv_use {
    fv_op *op;
    int index; /* operand number */
} fv_use;

struct fv_value {
    fv_value_kind kind;
    const char *name; /* interned, without sigil; unique in its module; stable across passes */
    const fv_type *type;
    fv_op *def;              /* RESULT: the op */
    fv_region *block;        /* PARAM: whose parameter */
    int index;               /* which result or parameter */
    const fv_tensor *tensor; /* CONST */
    /* of a recurrence (ir/definition/recurrence.h): this is that state before a step; else NULL */
    const fv_value *now;
    /* Small integer and bool tensors (rank 0 or 1, at most FV_MAX_ELEMS elements): what each
     * element is, or NULL */
    const fv_dim *const *elems;
    int nelems;
    fv_use *uses;
    int nuses, cap_uses;
};

/* Attributes. Names are interned. */
typedef struct fv_attr {
    const char *name;
    fv_attr_kind kind;
    int n; /* of the list kinds */
    union {
        int64_t i;
        float f;
        fv_string s;
        const int64_t *ints;
        const float *floats;
        const fv_string *strings;
        const fv_tensor *tensor;
        const fv_type *type;
        const fv_dim *const *dims;
        fv_region *region;
    } u;
} fv_attr;

/* Where an op comes from: names of ONNX nodes, joined when ops are fused. */
typedef struct fv_origin {
    int n;
    const char *const *nodes; /* a node without name: "OpType(first output)" */
} fv_origin;

struct fv_op {
    const fv_opdef *def;
    fv_region *block; /* where it stands */
    fv_op *prev, *next;
    int nin, nout, nattrs;
    fv_value **in;  /* NULL where an optional operand is left out */
    fv_value **out; /* NULL where an optional result is left out */
    fv_attr *attrs;
    const fv_origin *origin; /* never NULL */
    bool erased;             /* it stands nowhere any more: for whoever kept a pointer to it */
    int mark;                /* scratch of whoever walks; meaningless between passes */
};

struct fv_region {
    fv_func *func;
    fv_op *parent; /* the op that holds it; NULL: the body of a function */
    int nparams;
    fv_value **params;
    fv_op *first, *last; /* last is the `return`, once the block is complete */
};

struct fv_func {
    fv_module *module;
    const char *name;
    fv_region *body;
    const char *const *result_names; /* the model's names of the outputs */
    const fv_value **states; /* of every result the parameter that takes it at the next run, or NULL
                                (ir/graph/state.h); NULL: of none */
    /* of every result that is added to the memory of its state's parameter how many that holds
     * along the axis, or NULL; NULL: of none */
    const fv_dim **capacity;
    fv_func *next;
};

struct fv_module {
    fv_session *session;
    fv_arena *arena;
    fv_dims *dims;
    const char *name;  /* of the model's file, without folder and suffix */
    fv_func *funcs;    /* the first is main */
    fv_value **consts; /* in order of creation */
    int nconsts, cap_consts;
    /* Equalities between dims that the model assumes and nobody proved: checked at run time, where
     * their symbols are known. */
    struct fv_relation {
        const fv_dim *a, *b;
        const char *why;  /* "inner dims of a matrix product, node 'fc1'" */
        const char *says; /* the condition in a user's words; NULL: a == b says it */
    } *relations;
    int nrelations, cap_relations;
    /* Where what is assumed right now holds: in a branch, as fv.Assume before that op, or at the
     * end of its block; no block: everywhere. */
    struct fv_within {
        fv_region *block;
        fv_op *before;
    } within;
    const char *source_hash; /* of the model's bytes, hex; "" for text */
    /* by hand or by a script, all of it or some: what is wrong with it may be their mistake */
    bool is_written;
    /* of a module that lowering has begun with (definitions.h); NULL: a graph */
    struct fv_definitions *definitions;
    struct fv_names *names; /* which value names are taken */
};

/* ---- building and changing ---- */

fv_module *fv_module_new(fv_session *s, const char *name);
void fv_module_free(fv_module *m);
fv_func *fv_func_new(fv_module *m, const char *name);
fv_region *fv_region_new(fv_func *f, fv_op *parent);
/* `stem` is made unique by a suffix _1, _2, ... */
fv_value *fv_param_new(fv_region *r, const char *stem, const fv_type *type);
/* The block's parameters are these, of its own, in this order; the others, which nobody uses
 * (assert), are gone. */
void fv_region_set_params(fv_region *r, int n, fv_value *const *params);
fv_value *fv_const_new(fv_module *m, const char *stem, const fv_tensor *t);
/* A constant of rank 0 or 1. */
fv_value *fv_const_int(fv_module *m, const char *stem, int64_t v);
fv_value *fv_const_ints(fv_module *m, const char *stem, int n, const int64_t *v);
fv_value *fv_const_float(fv_module *m, const char *stem, fv_elem e, double v); /* rank 0 */

/* An op before `before` (NULL: at the end of r). Operands may be NULL. `outs` are names of the
 * results (stems, made unique; a NULL name leaves that optional result out). Types of the results
 * are set by fv_op_infer (ir/catalogue/op.h), or by the caller. */
fv_op *fv_op_new(fv_region *r, fv_op *before, const fv_opdef *def, int nin, fv_value *const *in,
                 int nout, const char *const *outs, const fv_origin *origin);
void fv_op_attr(fv_op *op, const fv_attr *attr);                   /* sets or replaces */
const fv_attr *fv_op_find_attr(const fv_op *op, const char *name); /* NULL: not there */
/* The same kind and content, whatever they are called; regions and lists of texts never are. */
bool fv_attr_equal(const fv_attr *a, const fv_attr *b) FV_MUST_USE;
/* `to`, which has none, gets the attributes of `from`, regions too; that has none then. */
void fv_op_move_attrs(fv_op *from, fv_op *to);
void fv_op_drop_attr(fv_op *op, const char *name); /* a region's ops with it */
/* An attribute, or the default that its entry states. Asserts that the entry has one of that name
 * and kind, with a default or required; a required one that is left out, which fv_op_check refuses,
 * is 0 or "". */
int64_t fv_op_int(const fv_op *op, const char *name);
float fv_op_float(const fv_op *op, const char *name);
fv_string fv_op_string(const fv_op *op, const char *name);
/* As the entry says it for an older version, of which op has the attributes: for .upgrade. */
int64_t fv_op_int_of(const fv_op *op, const char *name, int version);
float fv_op_float_of(const fv_op *op, const char *name, int version);
fv_string fv_op_string_of(const fv_op *op, const char *name, int version);
/* An attribute whose entry states no default (asserted), because more than the entry decides what
 * is meant without it. */
int64_t fv_op_int_or(const fv_op *op, const char *name, int64_t otherwise);
float fv_op_float_or(const fv_op *op, const char *name, float otherwise);
fv_string fv_op_string_or(const fv_op *op, const char *name, const char *otherwise);
/* A list of ints, or NULL; *n is its length. */
const int64_t *fv_op_ints(const fv_op *op, const char *name, int *n);
void fv_op_set_int(fv_op *op, const char *name, int64_t v);
void fv_op_set_float(fv_op *op, const char *name, float v);
void fv_op_set_string(fv_op *op, const char *name, const char *v);
void fv_op_set_ints(fv_op *op, const char *name, int n, const int64_t *v);
void fv_op_set_dims(fv_op *op, const char *name, int n, const fv_dim *const *v);
/* FV_OP_MatMul, FV_OP_fv_Slice: ir/catalogue/named.def */
bool fv_op_is(const fv_op *op, fv_op_id id) FV_MUST_USE;

/* Is result i there, and read by an op or given by the graph? Models list results that an operator
 * does not have. */
bool fv_op_is_read(const fv_op *op, int i) FV_MUST_USE;
fv_value *fv_op_in(const fv_op *op, int i);       /* NULL where left out or beyond the last */
void fv_op_set_in(fv_op *op, int i, fv_value *v); /* keeps uses right */
void fv_replace_uses(fv_value *old, fv_value *with);
/* Removes an op none of whose results is used (assert). */
void fv_op_erase(fv_op *op);
void fv_op_move_before(fv_op *op, fv_op *before);
/* v, a result of another op, is the next one of op; there it is left out. */
void fv_op_take_result(fv_op *op, fv_value *v);
fv_op *fv_region_return(fv_region *r, int n, fv_value *const *results); /* the terminator */
/* n more results behind those that the function has, which stay what they are; none of them is a
 * state. */
void fv_func_add_results(fv_func *f, int n, fv_value *const *values, const char *const *names);
extern const fv_opdef fv_return_def; /* "fv.return": not in the catalogue, one ends every block */
fv_value *fv_value_find(fv_module *m, const char *name);
/* Gives v another name, made unique; its old one is free again. */
void fv_value_rename(fv_module *m, fv_value *v, const char *stem);
/* v takes over the name of `old`, which gets another: for a replacement. */
void fv_value_take_name(fv_module *m, fv_value *v, fv_value *old);
fv_module *fv_region_module(const fv_region *r);
const fv_origin *fv_origin_of(fv_module *m, const char *node);
const fv_origin *fv_origin_join(fv_module *m, const fv_origin *a, const fv_origin *b);
const char *fv_origin_str(fv_arena *a, const fv_origin *o);

/* Adds an assumed equality, unless it is proved, or there. DIFFERENT dims: false, no diagnostic.
 * Within a branch it is a statement there: a run that takes the other one is not asked. */
bool fv_module_assume(fv_module *m, const fv_dim *a, const fv_dim *b, const char *why) FV_MUST_USE;
/* The same where a == b is a condition that nobody could read, made of min and max: `says` is what
 * messages print instead. */
bool fv_module_require(fv_module *m, const fv_dim *a, const fv_dim *b, const char *why,
                       const char *says) FV_MUST_USE;
/* What is assumed from now on holds where op stands, if that is a branch; the answer is what
 * `within` was. */
struct fv_within fv_module_enter(const fv_op *op) FV_MUST_USE;
/* Does op state what `other`, a fv.Assume, states? */
bool fv_assume_same(const fv_op *op, const fv_op *other) FV_MUST_USE;
/* Are they equal, by proof or because the module assumes it? */
bool fv_module_equal(const fv_module *m, const fv_dim *a, const fv_dim *b) FV_MUST_USE;
/* "WHY, node 'fc1'", where op has nodes. */
const char *fv_op_why(const fv_op *op, const char *why);
/* What must hold, and why, for a message. */
const char *fv_relation_str(fv_arena *a, const struct fv_relation *r);

/* Diagnostics about an op: names its ONNX node. Return false. */
bool fv_op_error(const fv_op *op, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool fv_op_warning(const fv_op *op, const char *format, ...) __attribute__((format(printf, 2, 3)));
void fv_op_note(const fv_op *op, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
