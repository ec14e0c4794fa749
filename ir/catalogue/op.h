/* op.h - the catalogue of operators: one declaration per operator.
 *
 * To add an operator is to write one entry, in the file of its family in ops/. The importer, the
 * verifier, the printer, `fovea ops` and the tables in docs/ read that entry. The meaning of the
 * operator is given by one of
 *   .formula   text: a scalar expression per element of the result (ir/definition/formula.h)
 *   .rule      text: a rewrite into simpler ops (ir/rule/rule.h)
 *   .body      the same, by the name of a definition in a text of the family (ir/rule/body.h)
 *   .decompose C: the same, where the rewrite depends on attributes or shapes
 *   .define    C: builds definitions that formula text cannot express
 *   .recur     C: builds the recurrence of an operator that computes in steps
 *   .kernel    C: kernels written with the builder (ir/definition/custom.h), where none of the
 *              others can express it
 * Graph IR contains the newest version of each operator only; the importer upgrades older ones. */
#ifndef FV_IR_CATALOGUE_OP_H
#define FV_IR_CATALOGUE_OP_H

#include "ir/type/type.h"

#define FV_MAX_VERSIONS 12
#define FV_MAX_IN       21
#define FV_MAX_OUT      8
#define FV_MAX_ATTRS    24
#define FV_MAX_TYPEVARS 6

typedef enum { FV_REQUIRED = 0, FV_OPTIONAL_OPERAND = 1, FV_VARIADIC = 2 } fv_arity;

/* What determines how many elements a list has. */
typedef enum {
    FV_ANY_LENGTH,    /* nothing but its type, or another attribute that .infer reads */
    FV_FIXED_LENGTH,  /* it has `times` elements */
    FV_AXES_LENGTH,   /* it has `times` elements for each of some axes (see fv_length_def) */
    FV_RESULTS_LENGTH /* it has an element for each result of the op */
} fv_length_kind;

/* The length of a list. All lists of an op that are FV_AXES_LENGTH are about the same axes: those
 * of the attribute or the operand `axes`, if the op has it, and otherwise all axes of the operand
 * `of`. A length that a type leaves open is set accordingly, and the run checks it; a type with
 * another length is refused (fv_op_fit_operands). */
typedef struct fv_length_def {
    fv_length_kind kind;
    int times;
    /* AXES: the operand whose axes are meant, but for the first `less`; NULL: it follows from the
     * other lists of the op alone */
    const char *of;
    int less;
    bool fewer; /* AXES: without `axes`, lists that are shorter are about the first axes */
    bool none;  /* an empty list is accepted and means that the operand is left out */
} fv_length_def;

/* The ranks that an operand may have; all zero: any rank. */
typedef struct fv_rank_def {
    int least, most; /* smallest and largest rank; most 0: there is no limit */
    bool scalar;     /* whether a tensor of rank 1 with a single element is accepted as a scalar */
    bool single;     /* whether a tensor with a single element is accepted, of any rank */
    /* whether the operand is a list, a tensor of rank 1; a tensor of rank 0 is accepted and becomes
     * a vector of one element (fv_op_fit_operands of ir/graph/infer.h) */
    bool list;
    /* scalar: models usually have a tensor of rank 1, so this is the rank of an input without a
     * shape; otherwise that is 0 */
    bool vector;
    fv_length_def length;
    /* the operand has the same rank as the operand of that name, if that is present */
    const char *as;
} fv_rank_def;
#define FV_RANK(n)      {.least = (n), .most = (n)}
#define FV_RANK_FROM(n) {.least = (n)}
#define FV_RANKS(n, m)  {.least = (n), .most = (m)}
#define FV_RANK_AS(nm)  {.as = (nm)}
#define FV_SCALAR       {.most = 1, .scalar = true}
#define FV_SINGLE       {.single = true}
#define FV_VECTOR_OF_1  {.most = 1, .scalar = true, .vector = true}
#define FV_LIST         {.least = 1, .most = 1, .list = true}
#define FV_LIST_OF(...)                                                                            \
    {                                                                                              \
        .least = 1, .most = 1, .list = true, .length = { __VA_ARGS__ }                             \
    }
#define FV_ONE FV_LIST_OF(FV_FIXED_LENGTH, 1)
/* n elements for each axis of operand nm, or for each of `axes` */
#define FV_PER_AXIS(n, nm) FV_LIST_OF(FV_AXES_LENGTH, .times = (n), .of = (nm))
/* the same with one element; without `axes` the list may be shorter */
#define FV_FIRST_AXES(nm) FV_LIST_OF(FV_AXES_LENGTH, .times = 1, .of = (nm), .fewer = true)

typedef struct fv_operand_def {
    const char *name;
    const char *type; /* the name of a type variable of the entry, such as "T" */
    /* only OPTIONAL operands may be left out; a VARIADIC one is the last and occurs at least `min`
     * times; min -1: any number of times, and the element types may differ from each other */
    fv_arity arity;
    int min;
    fv_rank_def rank;
} fv_operand_def;

/* The kind of an attribute's value. */
typedef enum {
    FV_ATTR_INT,
    FV_ATTR_FLOAT,
    FV_ATTR_STRING,
    FV_ATTR_INTS,
    FV_ATTR_FLOATS,
    FV_ATTR_STRINGS,
    FV_ATTR_TENSOR,
    FV_ATTR_TYPE,
    FV_ATTR_DIMS,
    FV_ATTR_REGION
} fv_attr_kind;

typedef struct fv_attr_def {
    const char *name;
    fv_attr_kind kind;
    bool required;
    union { /* the default; a list has no default */
        int64_t i;
        float f;
        const char *s;
        /* for a REGION: the name of another attribute, whose graph is used, with the parameters of
         * this attribute, if a model leaves this attribute out */
        const char *like;
    };
    bool has_default;
    /* the last version that has the attribute; the importer removes it after .upgrade. 0: the
     * newest version has it, too */
    int until;
} fv_attr_def;
#define FV_A_INT(nm, def)    {.name = nm, .kind = FV_ATTR_INT, .i = (def), .has_default = true}
#define FV_A_FLOAT(nm, def)  {.name = nm, .kind = FV_ATTR_FLOAT, .f = (def), .has_default = true}
#define FV_A_STRING(nm, def) {.name = nm, .kind = FV_ATTR_STRING, .s = (def), .has_default = true}
/* Attributes that only versions up to `last` have, or have with this meaning. */
#define FV_A_INT_UNTIL(last, nm, def)                                                              \
    {.name = nm, .kind = FV_ATTR_INT, .i = (def), .has_default = true, .until = (last)}
#define FV_A_FLOAT_UNTIL(last, nm, def)                                                            \
    {.name = nm, .kind = FV_ATTR_FLOAT, .f = (def), .has_default = true, .until = (last)}
#define FV_A_REQUIRED_UNTIL(last, nm, k)                                                           \
    {.name = nm, .kind = FV_ATTR_##k, .required = true, .until = (last)}
#define FV_A_OPTIONAL(nm, k) {.name = nm, .kind = FV_ATTR_##k}
#define FV_A_REGION_LIKE(nm, of)                                                                   \
    {.name = nm, .kind = FV_ATTR_REGION, .like = (of), .required = true}
#define FV_A_REQUIRED(nm, k) {.name = nm, .kind = FV_ATTR_##k, .required = true}

typedef struct fv_typevar {
    const char *name;
    /* the element types that a tensor may have, or the tensors in a value of another kind */
    fv_elem_set set;
    fv_kind_set kinds; /* the kinds of types that are allowed; 0: tensors only */
} fv_typevar;

/* The operators that C code refers to by name, so that a misspelt name does not compile. */
typedef enum {
    FV_OP_NONE, /* no operator, or one that ir/catalogue/named.def does not list */
#define NAMED(name) FV_OP_##name,
#include "ir/catalogue/named.def"
#undef NAMED
    FV_OP_END
} fv_op_id;

/* Why two ops of an operator with equal operands are different values, if they are: they draw
 * random numbers; or the ranks of a run exchange data, and operands that are equal on one rank may
 * differ on another one. */
typedef enum fv_distinct { FV_NOT_DISTINCT, FV_DRAWS, FV_COMMUNICATES } fv_distinct;

struct fv_op;         /* declared in ir/graph/graph.h */
struct fv_rewriter;   /* declared in ir/graph/rewriter.h */
struct fv_definer;    /* declared in ir/definition/definition.h */
struct fv_recurrence; /* declared in ir/definition/recurrence.h */
struct fv_custom;     /* declared in ir/definition/custom.h */

typedef struct fv_opdef {
    const char *domain; /* the domain of the operator; "": that of the standard; "fv": our own */
    const char *name;
    /* the identity of the operator; FV_OP_NONE if ir/catalogue/named.def does not list it */
    fv_op_id id;
    /* the versions in ascending order, ended by 0; the last one is the version that graph IR
     * uses */
    int since[FV_MAX_VERSIONS];
    const char *doc;
    /* how the operator differs from the standard's text or reference, where ONNX Runtime differs
     * from it in the same way, as whole sentences; NULL: nowhere */
    const char *departs;
    fv_operand_def in[FV_MAX_IN];
    fv_operand_def out[FV_MAX_OUT];
    fv_attr_def attrs[FV_MAX_ATTRS];
    fv_typevar types[FV_MAX_TYPEVARS];
    /* Changes an op with the operands and attributes of `version` to the newest form in place; may
     * add ops before it. NULL: it is enough to remove attributes that no longer exist. Operands
     * conform to the entry, except in versions up to `moved`, which had them in other positions.
     * False after a diagnostic. */
    bool (*upgrade)(struct fv_op *op, int version);
    int moved;
    /* Sets the types of the results, and `elems` of small integer results: with fv_infer_* of
     * ir/graph/infer.h. False after a diagnostic. NULL: every result has the type of the first
     * operand. */
    bool (*infer)(struct fv_op *op);
    /* Sets types[0..n) to the types of the n parameters of a region, derived from operands and
     * attributes, which conform to the entry. `declared`: the types that the model states; rank
     * (FV_ANY_RANK) and dims (NULL) of a tensor may be open, an element may be NULL. False after a
     * diagnostic. (For Loop, Scan and SequenceMap see ir/graph/loop.h.) */
    bool (*handed)(struct fv_op *op, const char *region, int n, const fv_type *const *declared,
                   const fv_type **types);
    /* Does this op use the region of that name, which the entry requires? Depends on attributes and
     * on regions earlier in the entry. NULL: all required regions are used. */
    bool (*needs)(const struct fv_op *op, const char *region);
    const char *formula;
    const char *rule;
    const char *body;
    bool (*decompose)(struct fv_rewriter *w, struct fv_op *op);
    bool (*define)(struct fv_definer *d, struct fv_op *op);
    /* builds the recurrence that is the meaning of the operator (ir/definition/recurrence.h) */
    bool (*recur)(struct fv_definer *d, struct fv_recurrence *r);
    bool (*kernel)(struct fv_custom *c, struct fv_op *op);
    /* An expansion for operands or results that are tensors of strings (ops/text/text.h). NULL: the
     * operator only moves elements, and moves references to strings like numbers. */
    bool (*strings)(struct fv_rewriter *w, struct fv_op *op);
    /* an experimental operator of the standard's first opsets, which was removed later */
    bool experimental;
    bool has_effect;      /* ops are kept even if no result is used */
    fv_distinct distinct; /* whether ops with equal operands are different values */
    /* f(a, b, c, d) equals f(f(a, b), f(c, d)); ops with very many operands are split like this */
    bool associates;
    /* a result of floats changes abruptly with an operand of floats, which is rounded to a whole
     * number, compared, or taken for an index (passes/decides.h); what has other results than
     * floats needs no mark */
    bool decides;
    bool commutes; /* the operator has two operands, and f(a, b) equals f(b, a) in every bit */
    /* the rule or expansion rounds differently from the standard's reference function */
    bool rounding;
    /* the file that contains the formula or rule, for messages; NULL: the catalogue */
    const char *source;
} fv_opdef;

/* ---- the catalogue ---- */

/* The families: arrays of entries, each ended by an entry without name; the list is ended by NULL
 * (ops/families.c). */
extern const fv_opdef *const fv_op_families[];

/* The entry of that name; NULL: there is none. The domain "ai.onnx" equals "". */
const fv_opdef *fv_op_find(const char *domain, const char *name);
/* The entry by its qualified name, "MatMul" or "fv.Slice"; asserts that it exists. */
const fv_opdef *fv_op_get(const char *qualified);
/* the entry with the identity `id`, which must not be NONE */
const fv_opdef *fv_op_def(fv_op_id id);
bool fv_op_has_domain(const char *domain) FV_MUST_USE; /* Has any entry this domain? */
int fv_op_count(void);
const fv_opdef *fv_op_at(int i); /* entry number i, sorted by domain and name */
/* Operators that are left out of the catalogue on purpose (refused.def); the last one has a NULL
 * name. */
typedef struct fv_refusal {
    const char *domain, *name, *reason;
} fv_refusal;
extern const fv_refusal fv_refusals[];
/* The reason for which an operator was left out; NULL: it is not in that list. */
const char *fv_op_refusal(const char *domain, const char *name);
/* The version of the operator in a model of this opset; 0: the opset does not have it. */
int fv_op_version(const fv_opdef *d, int opset);
/* the file that contains the formula or rule of d; by default "the catalogue" */
const char *fv_opdef_source(const fv_opdef *d);
const char *fv_opdef_qualified(fv_arena *a, const fv_opdef *d);
/* Is `qualified` the name of d, prefixed by the domain unless that is the standard's? */
bool fv_opdef_is_called(const fv_opdef *d, const char *qualified) FV_MUST_USE;
/* The declaration of operand or result i, i >= 0, in an array of `max` declarations; the last
 * declaration may be variadic and apply to all further operands. NULL: there are fewer operands. */
const fv_operand_def *fv_opdef_operand(const fv_operand_def *defs, int max, int i);
/* The declaration of an attribute in the newest version, or in version `version`: an early `to` of
 * Cast was a string, for instance. If that version does not have the attribute, but an older one
 * has, the declaration of the older version (its `until` is the last version that has it; such
 * attributes come last in an entry). NULL: no version has the attribute. */
const fv_attr_def *fv_opdef_attr(const fv_opdef *d, const char *name);
const fv_attr_def *fv_opdef_attr_of(const fv_opdef *d, const char *name, int version);
#define FV_NEWEST_OPSET 28

#endif
