/* op.h - the catalogue of operators: one declaration an op.
 *
 * To add an op is to write one entry, in the file of its family in ops/. The importer, verifier,
 * printer, `fovea ops` and the tables in docs/ all read that entry. Its meaning is one of
 *   .formula  text: a scalar expression per output element (ir/definition/formula.h)
 *   .rule     text: a rewriting into simpler ops (ir/rule/rule.h)
 *   .decompose C: the same where the rewriting depends on attributes or shapes
 *   .define   C: builds the definitions where formula text cannot say it
 *   .kernel   C: kernels written with the builder (ir/definition/custom.h), for what is none of
 *             these
 * Graph IR speaks the newest version of each op; an older one is upgraded at import. */
#ifndef FV_IR_CATALOGUE_OP_H
#define FV_IR_CATALOGUE_OP_H

#include "ir/type/type.h"

#define FV_MAX_VERSIONS 12
#define FV_MAX_IN       18
#define FV_MAX_OUT      8
#define FV_MAX_ATTRS    24
#define FV_MAX_TYPEVARS 6

typedef enum { FV_REQUIRED = 0, FV_OPTIONAL_OPERAND = 1, FV_VARIADIC = 2 } fv_arity;

/* Which ranks an operand may have; nothing of it: any. */
typedef struct fv_rank_def {
    int least, most; /* most 0: no limit */
    bool scalar;     /* rank 0, or rank 1 with one element */
    /* rank 1; where a model has rank 0, its element is the only one (fv_op_adopt_lists) */
    bool list;
    const char *as; /* the rank of the operand of that name, where it is there */
} fv_rank_def;
#define FV_RANK(n)      {.least = (n), .most = (n)}
#define FV_RANK_FROM(n) {.least = (n)}
#define FV_RANKS(n, m)  {.least = (n), .most = (m)}
#define FV_RANK_AS(nm)  {.as = (nm)}
#define FV_SCALAR       {.most = 1, .scalar = true}
#define FV_LIST         {.least = 1, .most = 1, .list = true}

typedef struct fv_operand_def {
    const char *name;
    const char *type; /* a type variable of the entry: "T" */
    /* only OPTIONAL ones may be left out; VARIADIC: the last one, at least `min` times */
    fv_arity arity;
    int min;
    fv_rank_def rank;
} fv_operand_def;

/* What an attribute holds. */
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
    union { /* the default; lists default to absent */
        int64_t i;
        float f;
        const char *s;
        /* of a REGION that a model leaves out: the graph of that attribute, with what this one
         * takes */
        const char *like;
    };
    bool has_default;
    int until; /* only in versions <= until, gone by .upgrade; 0: also in the newest */
    int from;  /* only in versions >= from; 0: always. Presence decides, not the version,
                             where the standard changed a schema within an opset */
} fv_attr_def;
#define FV_A_INT(nm, def)    {.name = nm, .kind = FV_ATTR_INT, .i = (def), .has_default = true}
#define FV_A_FLOAT(nm, def)  {.name = nm, .kind = FV_ATTR_FLOAT, .f = (def), .has_default = true}
#define FV_A_STRING(nm, def) {.name = nm, .kind = FV_ATTR_STRING, .s = (def), .has_default = true}
/* what versions up to `last` had, or had otherwise */
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
    fv_elem_set set;   /* of a tensor, or of the tensors in what else it may be */
    fv_kind_set kinds; /* 0: tensors alone */
} fv_typevar;

/* The operators that C code speaks of: what is misspelt does not compile. */
typedef enum {
    FV_OP_NONE, /* and of an entry that only texts name */
#define NAMED(name) FV_OP_##name,
#include "ir/catalogue/named.def"
#undef NAMED
    FV_OP_END
} fv_op_id;

struct fv_op;         /* ir/graph/graph.h */
struct fv_rewriter;   /* ir/graph/rewriter.h */
struct fv_definer;    /* ir/definition/definition.h */
struct fv_recurrence; /* ir/definition/recurrence.h */
struct fv_custom;     /* ir/definition/custom.h */

typedef struct fv_opdef {
    const char *domain; /* "" the standard's; "fv" ours */
    const char *name;
    fv_op_id id;                /* where ir/catalogue/named.def has it */
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
    bool (*upgrade)(struct fv_op *op, int version);
    int moved;
    /* Types (and elems, where small integers) of the results: fv_infer_* of ir/graph/infer.h. False
     * after a diagnostic. NULL: every result is like the first operand. */
    bool (*infer)(struct fv_op *op);
    /* The types of the n values that a region takes, by operands and attributes that are as the
     * entry says. `declared`: what the model says of each, a tensor whose rank (FV_ANY_RANK) and
     * dims (NULL) may be open; an element that is NULL: nothing. False after a diagnostic. (What
     * Loop, Scan and SequenceMap hand to their bodies is in ir/graph/loop.h.) */
    bool (*handed)(struct fv_op *op, const char *region, int n, const fv_type *const *declared,
                   const fv_type **types);
    /* Does the operator need this region, which the entry requires? By its attributes and the
     * regions that stand before it in the entry. NULL: it needs all that are required. */
    bool (*needs)(const struct fv_op *op, const char *region);
    const char *formula;
    const char *rule;
    bool (*decompose)(struct fv_rewriter *w, struct fv_op *op);
    bool (*define)(struct fv_definer *d, struct fv_op *op);
    bool (*recur)(struct fv_definer *d, struct fv_recurrence *r); /* ir/definition/recurrence.h */
    bool (*kernel)(struct fv_custom *c, struct fv_op *op);
    /* An expansion of its own where an operand or result is a tensor of strings (ops/text/text.h).
     * NULL: it moves elements, so it does with the places of strings what it does with numbers. */
    bool (*strings)(struct fv_rewriter *w, struct fv_op *op);
    bool experimental; /* the standard tried it in its first opsets, and has it no more */
    bool has_effect;   /* kept even if no result is used */
    /* random numbers, other ones for each op: two that are written alike are not one */
    bool draws;
    /* f(a, b, c, d) may be f(f(a, b), f(c, d)): that is how very many are done */
    bool associates;
    bool commutes; /* of two operands: f(a, b) is f(b, a), to the bit */
    /* its rule or expansion rounds differently from the standard's own function */
    bool rounding;
    const char *source; /* where its formula or rule stands, for messages; NULL: the catalogue */
} fv_opdef;

/* ---- the catalogue ---- */

/* The families, arrays of entries that end with one without name; NULL ends them
 * (ops/families.c). */
extern const fv_opdef *const fv_op_families[];

/* The op, or NULL. Domain "ai.onnx" is "". */
const fv_opdef *fv_op_find(const char *domain, const char *name);
/* By the name that a text has, "MatMul", "fv.Slice": asserts that it is there. */
const fv_opdef *fv_op_get(const char *qualified);
const fv_opdef *fv_op_def(fv_op_id id);                /* the entry of that identity, not of NONE */
bool fv_op_has_domain(const char *domain) FV_MUST_USE; /* any op of it */
int fv_op_count(void);
const fv_opdef *fv_op_at(int i); /* sorted by domain, name */
/* Operators that the catalogue will not have (refused.def), NULL name behind the last. */
typedef struct fv_refusal {
    const char *domain, *name, *reason;
} fv_refusal;
extern const fv_refusal fv_refusals[];
/* Why the operator is none of the catalogue, or NULL: nobody decided that. */
const char *fv_op_refusal(const char *domain, const char *name);
/* The version of the op that a model of this opset means; 0: it did not exist yet. */
int fv_op_version(const fv_opdef *d, int opset);
const char *fv_opdef_source(const fv_opdef *d); /* "the catalogue" */
const char *fv_opdef_qualified(fv_arena *a, const fv_opdef *d);
/* Is that its name, with its domain in front if it is not the standard's? */
bool fv_opdef_is_called(const fv_opdef *d, const char *qualified) FV_MUST_USE;
/* The declaration of operand or result i of at most `max`, seeing through a variadic last one;
 * NULL: there are not so many. */
const fv_operand_def *fv_opdef_operand(const fv_operand_def *defs, int max, int i);
/* As in the newest version (older ones' that are gone come last), or as in version `version`:
 * Cast's `to` was a string once. */
const fv_attr_def *fv_opdef_attr(const fv_opdef *d, const char *name);
const fv_attr_def *fv_opdef_attr_of(const fv_opdef *d, const char *name, int version);
#define FV_NEWEST_OPSET 28

#endif
