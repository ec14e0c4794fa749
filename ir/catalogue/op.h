/* op.h - the catalogue of operators: one declaration an op.
 *
 * To add an op is to write one entry, in the file of its family in ir/ops/. The importer, verifier,
 * printer, `fovea ops` and the tables in docs/ all read that entry. Its meaning is one of
 *   .formula  text: a scalar expression per output element (ir/definition/formula.h)
 *   .rule     text: a rewriting into simpler ops (ir/rule/rule.h)
 *   .expand   C: the same where the rewriting depends on attributes or shapes
 *   .define   C: builds the definitions where formula text cannot say it
 *   .kernel   C: kernels written with the builder (ir/definition/custom.h), for what is none of these
 * Graph IR speaks the newest version of each op; an older one is upgraded at import. */
#ifndef FV_IR_CATALOGUE_OP_H
#define FV_IR_CATALOGUE_OP_H

#include "ir/graph/graph.h"

#define FV_MAX_VERSIONS 12
#define FV_MAX_IN 16
#define FV_MAX_OUT 8
#define FV_MAX_ATTRS 24
#define FV_MAX_TYPEVARS 6

typedef enum { FV_REQUIRED = 0, FV_OPTIONAL_OPERAND = 1, FV_VARIADIC = 2 } fv_arity;

/* Which ranks an operand may have; nothing of it: any. */
typedef struct fv_rank_def {
    int least, most; /* most 0: no limit */
    bool scalar;     /* rank 0, or rank 1 with one element */
    bool list;       /* rank 1; where a model has rank 0, its element is the only one (fv_op_adopt_lists) */
    const char *as;  /* the rank of the operand of that name, where it is there */
} fv_rank_def;
#define FV_RANK(n) {.least = (n), .most = (n)}
#define FV_RANK_FROM(n) {.least = (n)}
#define FV_RANKS(n, m) {.least = (n), .most = (m)}
#define FV_RANK_AS(nm) {.as = (nm)}
#define FV_SCALAR {.most = 1, .scalar = true}
#define FV_LIST {.least = 1, .most = 1, .list = true}

typedef struct fv_operand_def {
    const char *name;
    const char *type; /* a type variable of the entry: "T" */
    fv_arity arity;   /* only OPTIONAL ones may be left out; VARIADIC: the last one, at least `min` times */
    int min;
    fv_rank_def rank;
} fv_operand_def;

typedef struct fv_attr_def {
    const char *name;
    fv_attr_kind kind;
    bool required;
    union {               /* the default; lists default to absent */
        int64_t i;
        float f;
        const char *s;
    };
    bool has_default;
    int until;            /* only in versions <= until, gone by .upgrade; 0: also in the newest */
    int from;             /* only in versions >= from; 0: always. Presence decides, not the version,
                             where the standard changed a schema within an opset */
} fv_attr_def;
#define FV_A_INT(nm, def) {.name = nm, .kind = FV_ATTR_INT, .i = (def), .has_default = true}
#define FV_A_FLOAT(nm, def) {.name = nm, .kind = FV_ATTR_FLOAT, .f = (def), .has_default = true}
#define FV_A_STRING(nm, def) {.name = nm, .kind = FV_ATTR_STRING, .s = (def), .has_default = true}
#define FV_A_OPTIONAL(nm, k) {.name = nm, .kind = FV_ATTR_##k}
#define FV_A_REQUIRED(nm, k) {.name = nm, .kind = FV_ATTR_##k, .required = true}

typedef struct fv_typevar {
    const char *name;
    fv_elem_set set;
} fv_typevar;

struct fv_rewriter; /* below */
struct fv_definer;  /* ir/definition/definition.h */
struct fv_custom;   /* ir/definition/custom.h */

struct fv_opdef {
    const char *domain; /* "" the standard's; "fv" ours */
    const char *name;
    int since[FV_MAX_VERSIONS]; /* versions, ascending, 0 ends; the last is what the IR speaks */
    const char *doc;
    fv_operand_def in[FV_MAX_IN];
    fv_operand_def out[FV_MAX_OUT];
    fv_attr_def attrs[FV_MAX_ATTRS];
    fv_typevar types[FV_MAX_TYPEVARS];
    /* Older versions: turns an op with the operands and attributes of `version` into the newest
     * form, in place (it may add ops before it). NULL: nothing but attributes that are gone. Trusts
     * the operands that are there to be what the entry says, but in versions up to `moved`, whose
     * operands stood elsewhere. */
    bool (*upgrade)(fv_op *op, int version);
    int moved;
    /* Types (and elems, where small integers) of the results: fv_infer_* below. False after a
     * diagnostic. NULL: every result is like the first operand. */
    bool (*infer)(fv_op *op);
    const char *formula;
    const char *rule;
    bool (*expand)(struct fv_rewriter *w, fv_op *op);
    bool (*define)(struct fv_definer *d, fv_op *op);
    bool (*kernel)(struct fv_custom *c, fv_op *op);
    bool experimental; /* the standard tried it in its first opsets, and has it no more */
    bool has_effect;   /* kept even if no result is used */
    bool associates;   /* f(a, b, c, d) may be f(f(a, b), f(c, d)): that is how very many are done */
    bool commutes;     /* of two operands: f(a, b) is f(b, a), to the bit */
    bool rounding;     /* its rule or expansion rounds differently from the standard's own function */
    const void *parsed; /* formula or rule after parsing; NULL in entries (see fv_catalogue) */
};

/* ---- the catalogue ---- */

/* The op, or NULL. Domain "ai.onnx" is "". */
const fv_opdef *fv_op_find(const char *domain, const char *name);
/* "MatMul", "fv.Slice": asserts that it is there. */
const fv_opdef *fv_op_get(const char *qualified);
bool fv_op_has_domain(const char *domain) FV_MUST_USE; /* any op of it */
int fv_op_count(void);
const fv_opdef *fv_op_at(int i); /* sorted by domain, name */
/* The version of the op that a model of this opset means; 0: it did not exist yet. */
int fv_op_version(const fv_opdef *d, int opset);
const char *fv_opdef_qualified(fv_arena *a, const fv_opdef *d);
/* As in the newest version (older ones' that are gone come last), or as in version `version`: Cast's
 * `to` was a string once. */
const fv_attr_def *fv_opdef_attr(const fv_opdef *d, const char *name);
const fv_attr_def *fv_opdef_attr_of(const fv_opdef *d, const char *name, int version);
#define FV_NEWEST_OPSET 28

/* Arities, attribute names and kinds, types and ranks as the entry says; sets no types. What comes
 * after -- infer, expand, define, kernel -- trusts them. */
bool fv_op_check(fv_op *op) FV_MUST_USE;
/* The same of the operands that are there alone: before .upgrade, which adds others. */
bool fv_op_check_operands(fv_op *op) FV_MUST_USE;
/* Operands that are lists, but of rank 0, become vectors of one element: PyTorch exports axes so, and
 * ONNX Runtime takes them. False after a diagnostic. */
bool fv_op_adopt_lists(fv_op *op) FV_MUST_USE;
/* "at least 2", "1", "1 to 3"; NULL: any. */
const char *fv_rank_str(fv_arena *a, const fv_rank_def *r);
/* check + infer: sets types (and elems) of the results. A result that has a type already keeps the
 * more specific dims; a conflict is an error. */
bool fv_op_infer(fv_op *op) FV_MUST_USE;
/* The same where results have types or elements that were written or declared: these stay as they are, and the
 * relations under which they hold are assumed. False after a diagnostic. */
bool fv_op_settle(fv_op *op) FV_MUST_USE;

/* ---- for infer functions ---- */

fv_module *fv_op_module(const fv_op *op);
const fv_type *fv_in_type(const fv_op *op, int i); /* of operand i */
void fv_infer_out(fv_op *op, int i, fv_elem e, int rank, const fv_dim *const *dims);
void fv_infer_like(fv_op *op, int out, int in);
/* The common shape of all of `in` (broadcast); false after a diagnostic naming both. */
bool fv_infer_broadcast(fv_op *op, int n, const fv_type *const *types, int *rank,
                        const fv_dim **dims /* FV_MAX_RANK */) FV_MUST_USE;
/* Does operand `in` (if it is there) broadcast to these dims, which it does not change? False after
 * a diagnostic. */
bool fv_infer_fits(fv_op *op, int in, int rank, const fv_dim *const *dims) FV_MUST_USE;
/* Is operand `in`, if it is there, a vector of n elements? False after a diagnostic. */
bool fv_infer_length(fv_op *op, int in, int n) FV_MUST_USE;
/* Are elements start, start + step, .. of an axis of `size`, `count` of them, all there? What is not
 * proved the run checks. False, without a diagnostic: they never are. */
bool fv_infer_inside(fv_op *op, const fv_dim *size, const fv_dim *start, const fv_dim *step,
                     const fv_dim *count) FV_MUST_USE;
/* Is operand `in`, a vector, one number for each of so many channels? False after a diagnostic. */
bool fv_infer_per_channel(fv_op *op, int in, const fv_dim *channels) FV_MUST_USE;
/* Axis normalised to [0, rank); false after a diagnostic. */
bool fv_infer_axis(fv_op *op, int64_t axis, int rank, int *out) FV_MUST_USE;
/* Contents of an integer operand as dims: a constant's, what was inferred, or -- for a tensor of
 * known small size whose elements nobody knows -- fresh symbols bound by an fv.Bind op that is put
 * behind the definition of the value. False: no such operand, or not small. */
bool fv_elems(const fv_op *op, int in, int *n, const fv_dim *const **elems) FV_MUST_USE;
/* The operand whose elements are the shape of result 0, so that its length is that result's rank; -1:
 * there is none. */
int fv_shape_operand(const fv_op *op);
/* Where the model leaves the length of a list open: it is this, which the run checks. False after a
 * diagnostic, where it cannot be. */
bool fv_fix_length(fv_op *op, int in, int length) FV_MUST_USE;
/* The only element of an integer or bool tensor, where it is known. */
bool fv_known_int(const fv_value *v, int64_t *out) FV_MUST_USE;
/* A symbol for a dim that data decides, bound by an fv.Let before op, which is made if there is none;
 * others are returned as they are. Expressions over such a symbol stay small where those over d would multiply out. */
const fv_dim *fv_name_dim(fv_op *op, const char *stem, const fv_dim *d);
void fv_set_elems(fv_value *v, int n, const fv_dim *const *elems);

/* infer functions that serve many */
bool fv_infer_same(fv_op *op) FV_MUST_USE;       /* every result like operand 0 */
bool fv_infer_along(fv_op *op) FV_MUST_USE;      /* the same; `axis`, the last by default, is one of its axes */
bool fv_infer_elementwise(fv_op *op) FV_MUST_USE;/* broadcast of all operands; element type of operand 0 */
bool fv_infer_compare(fv_op *op) FV_MUST_USE;    /* broadcast of all operands; bool */

/* ---- for expand functions ---- */

/* Builds ops before the one that is replaced, with its origin; infers their types. A builder call
 * that fails returns NULL and every later call given NULL for a required operand does too, so that
 * errors need testing once, at the end. */
typedef struct fv_rewriter {
    fv_module *module;
    fv_op *at;
    fv_op *before; /* what stood before `at`: ops between them are new */
    bool failed;
} fv_rewriter;
fv_rewriter fv_rewriter_at(fv_op *op);
fv_value *fv_w_op(fv_rewriter *w, const char *op, int nin, fv_value *const *in, int nattrs,
                  const fv_attr *attrs);
fv_op *fv_w_op_n(fv_rewriter *w, const char *op, int nin, fv_value *const *in, int nattrs,
                 const fv_attr *attrs, int nout); /* several results */
#define FV_W1(w, op, x) fv_w_op((w), (op), 1, (fv_value *[]){(x)}, 0, NULL)
#define FV_W2(w, op, x, y) fv_w_op((w), (op), 2, (fv_value *[]){(x), (y)}, 0, NULL)
#define FV_W3(w, op, x, y, z) fv_w_op((w), (op), 3, (fv_value *[]){(x), (y), (z)}, 0, NULL)
fv_value *fv_w_cast(fv_rewriter *w, fv_value *x, fv_elem to);
fv_value *fv_w_float(fv_rewriter *w, fv_elem e, double v);  /* rank 0 constant */
fv_value *fv_w_int(fv_rewriter *w, fv_elem e, int64_t v);
fv_value *fv_w_reshape(fv_rewriter *w, fv_value *x, int rank, const fv_dim *const *dims);
fv_value *fv_w_transpose(fv_rewriter *w, fv_value *x, const int *perm);
fv_value *fv_w_expand(fv_rewriter *w, fv_value *x, int rank, const fv_dim *const *dims);
/* Elements start[i] + k * step[i], k < dims[i]; the start may be symbolic, steps are dims too */
fv_value *fv_w_slice(fv_rewriter *w, fv_value *x, const fv_dim *const *start,
                     const fv_dim *const *step, const fv_dim *const *dims);
fv_attr fv_attr_int(fv_module *m, const char *name, int64_t v);
fv_attr fv_attr_float(fv_module *m, const char *name, float v);
fv_attr fv_attr_ints(fv_module *m, const char *name, int n, const int64_t *v);
fv_attr fv_attr_dims(fv_module *m, const char *name, int n, const fv_dim *const *v);
fv_attr fv_attr_string(fv_module *m, const char *name, const char *v);
fv_attr fv_attr_elem(fv_module *m, const char *name, fv_elem e); /* TYPE: a rank 0 tensor of e */
/* Replaces result i of the op being expanded; a value that is new takes over its name. */
void fv_w_result(fv_rewriter *w, int i, fv_value *v);

/* Has it a .rule or an .expand, or too many operands for one kernel? */
bool fv_op_must_rewrite(const fv_op *op) FV_MUST_USE;
/* Rewrites such an op, and erases it; false after a diagnostic. */
bool fv_op_rewrite(fv_op *op) FV_MUST_USE;

#endif
