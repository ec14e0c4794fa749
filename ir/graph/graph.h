/* graph.h - graph IR: modules, functions, ops, values.
 *
 * SSA. A module owns functions and constants; a function owns one block; a block has parameters and
 * an ordered list of ops, the last of which is a `return` whose operands are the block's results.
 * So every use of a value is an operand. An If or a Loop holds blocks as regions, which may use
 * values from outside.
 *
 *   fovea-ir 1
 *   module "dense"
 *   symbol batch 0..1099511627776
 *   const @w: f32[768, 768] = file "model.bin" 0 2359296
 *   func @main(%x: f32[batch, 768]) -> (%y) {
 *     %h = MatMul(%x, @w) : f32[batch, 768]    loc("/dense/MatMul")
 *     %y = Relu(%h) : f32[batch, 768]
 *     return %y
 *   } */
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
    int index; /* number of the operand */
} fv_use;

struct fv_value {
    fv_value_kind kind;
    const char *name; /* interned name without sigil; unique in its module; stable across passes */
    const fv_type *type;
    fv_op *def;              /* RESULT: the op that computes it */
    fv_region *block;        /* PARAM: the block that has the parameter */
    int index;               /* number of the result or parameter */
    const fv_tensor *tensor; /* CONST */
    /* in a recurrence (ir/definition/recurrence.h): if not NULL, this value is the state `now`
     * before a step */
    const fv_value *now;
    /* for small integer and bool tensors (rank 0 or 1, at most FV_MAX_ELEMS elements): each element
     * as a dim; NULL: not known */
    const fv_dim *const *elems;
    int nelems;
    fv_use *uses;
    int nuses, cap_uses;
};

/* Attributes. Names are interned. */
typedef struct fv_attr {
    const char *name;
    fv_attr_kind kind;
    int n; /* length of a list */
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

/* The names of the ONNX nodes from which an op was made, joined when ops are fused. */
typedef struct fv_origin {
    int n;
    /* names of the nodes; for a node without a name "OpType(first output)" */
    const char *const *nodes;
} fv_origin;

struct fv_op {
    const fv_opdef *def;
    fv_region *block; /* the block that contains the op */
    fv_op *prev, *next;
    int nin, nout, nattrs;
    fv_value **in;  /* the operands; NULL where an optional operand is left out */
    fv_value **out; /* the results; NULL where an optional result is left out */
    fv_attr *attrs;
    const fv_origin *origin; /* the nodes from which the op was made; never NULL */
    /* whether the op was removed from its block, for code that kept a pointer to it */
    bool erased;
    int mark; /* a number that a pass may use, not preserved between passes */
};

struct fv_region {
    fv_func *func;
    fv_op *parent; /* the op that contains the block; NULL: it is the body of a function */
    int nparams;
    fv_value **params;
    fv_op *first, *last; /* the ops; once the block is complete, `last` is the `return` */
};

struct fv_func {
    fv_module *module;
    const char *name;
    fv_region *body;
    /* the names of the outputs in the model; NULL: those of the returned values */
    const char *const *result_names;
    /* for each result: the parameter to which it is passed in the next run, or NULL
     * (ir/graph/state.h); the array is NULL if no result is a state */
    const fv_value **states;
    /* for each result that is stored in the memory of its state's parameter, the size of that
     * memory along the axis that fv_state_writer finds, or NULL; the array is NULL if there is no
     * such result */
    const fv_dim **capacity;
    fv_func *next;
};

/* The origin of a module. */
typedef struct fv_module_source {
    /* a hash of the bytes of the ONNX model, in hexadecimal; "": there is none, as in most texts */
    const char *hash;
    /* whether parts of the module were written by hand or by a script, so that an error in it may
     * be the author's mistake */
    bool is_written;
} fv_module_source;

struct fv_module {
    fv_session *session;
    fv_arena *arena;
    fv_dims *dims;
    const char *name;  /* the model's file name without folder and suffix */
    fv_func *funcs;    /* the functions; the first one is main */
    fv_value **consts; /* the constants, in order of creation */
    int nconsts, cap_consts;
    /* Equalities of dims that the model assumes and that are not proved; they are checked at run
     * time as soon as their symbols are known. */
    struct fv_relation {
        const fv_dim *a, *b;
        const char *why; /* the reason, "inner dims of a matrix product, node 'fc1'" */
        /* the condition in words for users; NULL: the text a == b is clear enough */
        const char *says;
    } *relations;
    int nrelations, cap_relations;
    /* Where new assumptions hold: in a block (as an fv.Assume before the op `before`, or at the end
     * of the block); block NULL: everywhere. */
    struct fv_within {
        fv_region *block;
        fv_op *before;
    } within;
    fv_module_source source;
    /* the definitions, after lowering has begun (definitions.h); NULL: the module is a graph */
    struct fv_definitions *definitions;
    struct fv_names *names; /* the names that values have */
};

/* ---- building and changing ---- */

fv_module *fv_module_new(fv_session *s, const char *name);
void fv_module_free(fv_module *m);
fv_func *fv_func_new(fv_module *m, const char *name);
fv_region *fv_region_new(fv_func *f, fv_op *parent);
/* A new parameter of r. Its name is `stem`, made unique by a suffix _1, _2, ... where needed. */
fv_value *fv_param_new(fv_region *r, const char *stem, const fv_type *type);
/* Makes these values, all parameters of r, its parameters in this order. The other parameters are
 * removed; asserts that they have no uses. */
void fv_region_set_params(fv_region *r, int n, fv_value *const *params);
fv_value *fv_const_new(fv_module *m, const char *stem, const fv_tensor *t);
/* a constant integer of rank 0; fv_const_ints makes one of rank 1 */
fv_value *fv_const_int(fv_module *m, const char *stem, int64_t v);
fv_value *fv_const_ints(fv_module *m, const char *stem, int n, const int64_t *v);
/* a constant of rank 0 */
fv_value *fv_const_float(fv_module *m, const char *stem, fv_elem e, double v);

/* A new op before `before` (NULL: at the end of r). Operands may be NULL. `outs`: names of the
 * results, made unique; a NULL name leaves that optional result out. The types of the results are
 * set by fv_op_infer or by the caller. */
fv_op *fv_op_new(fv_region *r, fv_op *before, const fv_opdef *def, int nin, fv_value *const *in,
                 int nout, const char *const *outs, const fv_origin *origin);
void fv_op_attr(fv_op *op, const fv_attr *attr); /* sets or replaces an attribute */
/* the attribute of that name; NULL: op does not have it */
const fv_attr *fv_op_find_attr(const fv_op *op, const char *name);
/* Have two attributes the same kind and value? Names are not compared. Regions and lists of strings
 * are never equal. */
bool fv_attr_equal(const fv_attr *a, const fv_attr *b) FV_MUST_USE;
/* Moves all attributes, regions included, from `from` to `to`, which has none. */
void fv_op_move_attrs(fv_op *from, fv_op *to);
/* removes an attribute; a region is erased with its ops */
void fv_op_drop_attr(fv_op *op, const char *name);
/* The value of an attribute, or the default of its entry. Asserts that the entry declares the
 * attribute with that kind and a default, or as required. A required attribute that is missing,
 * which fv_op_check reports, is 0 or "". */
int64_t fv_op_int(const fv_op *op, const char *name);
float fv_op_float(const fv_op *op, const char *name);
fv_string fv_op_string(const fv_op *op, const char *name);
/* fv_op_int, fv_op_float and fv_op_string with the entry for an older version, whose attributes op
 * has: for .upgrade. */
int64_t fv_op_int_of(const fv_op *op, const char *name, int version);
float fv_op_float_of(const fv_op *op, const char *name, int version);
fv_string fv_op_string_of(const fv_op *op, const char *name, int version);
/* The value of an attribute, or `otherwise`. Asserts that the entry has no default, because the
 * meaning of a missing attribute depends on more than the entry. */
int64_t fv_op_int_or(const fv_op *op, const char *name, int64_t otherwise);
float fv_op_float_or(const fv_op *op, const char *name, float otherwise);
fv_string fv_op_string_or(const fv_op *op, const char *name, const char *otherwise);
/* A list of integers, of length *n; NULL: the attribute is missing. */
const int64_t *fv_op_ints(const fv_op *op, const char *name, int *n);
void fv_op_set_int(fv_op *op, const char *name, int64_t v);
void fv_op_set_float(fv_op *op, const char *name, float v);
void fv_op_set_string(fv_op *op, const char *name, const char *v);
void fv_op_set_ints(fv_op *op, const char *name, int n, const int64_t *v);
void fv_op_set_dims(fv_op *op, const char *name, int n, const fv_dim *const *v);
/* Is op the operator with that identity, for instance FV_OP_MatMul or FV_OP_fv_Slice
 * (ir/catalogue/named.def)? */
bool fv_op_is(const fv_op *op, fv_op_id id) FV_MUST_USE;
/* Is the op one that binds the symbols in its attribute `symbols`: fv.Bind, fv.Let or fv.Seed? */
bool fv_op_binds(const fv_op *op) FV_MUST_USE;

/* Does result i exist and have a use, or is it an output of the graph? Models may list more results
 * than an operator has. */
bool fv_op_is_read(const fv_op *op, int i) FV_MUST_USE;
/* operand i; NULL if it is left out or beyond the last operand */
fv_value *fv_op_in(const fv_op *op, int i);
const fv_type *fv_in_type(const fv_op *op, int i); /* the type of operand i, or NULL */
fv_module *fv_op_module(const fv_op *op);
/* sets operand i, and keeps lists of uses correct */
void fv_op_set_in(fv_op *op, int i, fv_value *v);
void fv_replace_uses(fv_value *old, fv_value *with);
/* Removes an op; asserts that none of its results has a use. */
void fv_op_erase(fv_op *op);
void fv_op_move_before(fv_op *op, fv_op *before);
/* Makes v, a result of another op, the next result of op; the other op loses it. */
void fv_op_take_result(fv_op *op, fv_value *v);
/* adds the `return` to the block; one that the block has already is replaced */
fv_op *fv_region_return(fv_region *r, int n, fv_value *const *results);
/* Adds n results after those that the function has, which keep their positions; none of the new
 * ones is a state. */
void fv_func_add_results(fv_func *f, int n, fv_value *const *values, const char *const *names);
/* the op "fv.return", which ends every block; not in the catalogue */
extern const fv_opdef fv_return_def;
fv_value *fv_value_find(fv_module *m, const char *name);
/* Gives v another name, made unique; the old name becomes free. */
void fv_value_rename(fv_module *m, fv_value *v, const char *stem);
/* Gives v the name of `old`, which gets another name: used when v replaces `old`. */
void fv_value_take_name(fv_module *m, fv_value *v, fv_value *old);
fv_module *fv_region_module(const fv_region *r);
const fv_origin *fv_origin_of(fv_module *m, const char *node);
const fv_origin *fv_origin_join(fv_module *m, const fv_origin *a, const fv_origin *b);
const char *fv_origin_str(fv_arena *a, const fv_origin *o);

/* Assumes a == b from now on, unless it is proved or assumed already. Returns false, without a
 * diagnostic, if a and b are proved to differ. Within a block of another op (m->within) the
 * assumption holds there only, and is checked only where the run executes that block. */
bool fv_module_assume(fv_module *m, const fv_dim *a, const fv_dim *b, const char *why) FV_MUST_USE;
/* fv_module_assume for a condition that is hard to read, such as one built from min and max;
 * messages print `says` instead of a == b. */
bool fv_module_require(fv_module *m, const fv_dim *a, const fv_dim *b, const char *why,
                       const char *says) FV_MUST_USE;
/* Makes later assumptions hold where op is, if that is in a block of another op. Returns the former
 * m->within, to be restored by the caller. */
struct fv_within fv_module_enter(const fv_op *op) FV_MUST_USE;
/* Do both ops, which are fv.Assume, state the same equality? */
bool fv_assume_same(const fv_op *op, const fv_op *other) FV_MUST_USE;
/* Are a and b proved to be equal, or equal by a relation of the module? An fv.Assume in a block
 * does not count. */
bool fv_module_equal(const fv_module *m, const fv_dim *a, const fv_dim *b) FV_MUST_USE;
/* The reason with the op's node, "WHY, node 'fc1'"; only WHY if op has no nodes. */
const char *fv_op_why(const fv_op *op, const char *why);
/* The condition of a relation and its reason, for messages. */
const char *fv_relation_str(fv_arena *a, const struct fv_relation *r);

/* These functions report messages about an op, with the name of its ONNX node. Those with the
 * result bool return false. */
bool fv_op_error(const fv_op *op, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool fv_op_warning(const fv_op *op, const char *format, ...) __attribute__((format(printf, 2, 3)));
void fv_op_note(const fv_op *op, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
