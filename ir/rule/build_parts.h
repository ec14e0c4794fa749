/* build_parts.h - declarations shared by the files that build what the texts of rules and of
 * definitions describe: terms, and the names that are known. */
#ifndef FV_IR_RULE_BUILD_PARTS_H
#define FV_IR_RULE_BUILD_PARTS_H

#include <string.h>

#include "ir/rule/parts.h"

typedef enum fv_term_kind {
    FV_TERM_NOTHING, /* an operand or attribute that is left out */
    FV_TERM_VALUE,
    FV_TERM_VALUES, /* the captured operands `xs..` */
    FV_TERM_DIM,
    FV_TERM_NUMBER,
    FV_TERM_STRING,
    FV_TERM_ELEM,
    FV_TERM_LIST, /* a list of dims */
    FV_TERM_ATTR  /* an attribute of a kind that can only be passed on */
} fv_term_kind;

/* What an expression evaluates to. */
typedef struct fv_term {
    fv_term_kind kind;
    int n; /* number of entries of a list or of several operands, number of bytes of a string */
    union {
        fv_value *value;
        fv_value *const *values;
        const fv_dim *dim;
        double number;
        const char *text;
        fv_elem elem;
        const fv_dim *const *dims;
        const fv_attr *attr;
    };
} fv_term;

typedef struct fv_build_name {
    const char *name;
    const fv_body_let *let; /* the let that defines the name; NULL: the term is known */
    bool entered;           /* whether the evaluation of the let has begun */
    fv_term term;
} fv_build_name;

/* The names that expressions refer to. */
typedef struct fv_build {
    fv_rewriter *w;
    fv_dims *t;
    const char *of; /* the name of the definition; NULL: a rule */
    int depth;      /* nesting of definitions that use other definitions */
    int n;
    fv_build_name names[FV_MAX_BODY_NAMES];
} fv_build;

static inline fv_term fv_term_value(fv_value *v) {
    return (fv_term){.kind = v ? FV_TERM_VALUE : FV_TERM_NOTHING, .value = v};
}

static inline fv_term fv_term_dim(const fv_dim *d) {
    return (fv_term){.kind = FV_TERM_DIM, .dim = d};
}

static inline fv_term fv_term_int(const fv_build *e, int64_t v) {
    return fv_term_dim(fv_dim_const(e->t, v));
}

static inline fv_term fv_term_list(int n, const fv_dim *const *dims) {
    return (fv_term){.kind = FV_TERM_LIST, .n = n, .dims = dims};
}

static inline fv_term fv_term_string(const char *s) {
    return (fv_term){.kind = FV_TERM_STRING, .n = (int)strlen(s), .text = s};
}

static inline fv_term fv_term_elem(fv_elem of) {
    return (fv_term){.kind = FV_TERM_ELEM, .elem = of};
}

fv_term fv_term_attr(const fv_build *e, const fv_attr *a);
/* Reports an error that is found only when a definition is used, unless one was reported before,
 * and fails; a rule fails without a message. Returns the term of kind NOTHING. */
fv_term fv_term_wrong(fv_build *e, const fv_ast *x, fv_term found, const char *expected);
/* Is t a number? *out: the number. */
bool fv_term_as_number(fv_term t, double *out) FV_MUST_USE;
/* The dim or whole number t; NULL: t is neither. */
const fv_dim *fv_term_as_dim(const fv_build *e, fv_term t);
/* Makes an operand of t, to which x was evaluated; a number becomes a constant of type `of`. NULL:
 * the operand is left out, or after an error. */
fv_value *fv_term_as_operand(fv_build *e, const fv_ast *x, fv_term t, fv_elem of);
/* The element type of the first of the names that is a tensor: a captured value, operand or
 * argument; FV_F32: there is none. */
fv_elem fv_build_first_type(const fv_build *e);

/* Builds an op of n operands; numbers get the type that the other operands determine. NULL after an
 * error. x: the expression. */
fv_op *fv_build_op(fv_build *e, const fv_ast *x, const fv_opdef *def, int n, const fv_term *in,
                   int nattrs, const fv_attr *attrs, int nout);
/* Makes *out, an attribute that is declared as d, of t. False: t is of another kind. If t is
 * NOTHING, *out is left as it is. */
bool fv_term_as_attr(fv_build *e, const fv_attr_def *d, fv_term t, fv_attr *out) FV_MUST_USE;
/* Are two terms, neither of which is a value or a number, equal? Dims are equal if that is proved
 * for all values of the symbols. */
bool fv_term_equal(const fv_build *e, fv_term a, fv_term b) FV_MUST_USE;

#endif
