/* instance.h - a small instance of an operator, with operands and attributes, which the tests of
 * the catalogue run and change. It is read from a line of cases.txt or derived from the
 * signature, and written as ONNX (see model_text.h) or, for operators that only graph IR has, as
 * graph text. */
#ifndef FV_TESTS_CATALOGUE_INSTANCE_H
#define FV_TESTS_CATALOGUE_INSTANCE_H

#include "ir/catalogue/op.h"

enum { MAX_DIMS = 40, MAX_OPERANDS = 20 };

typedef struct operand {
    bool absent, undecodable;
    bool shapeless; /* an input of which the model declares the element type alone */
    /* "seq", "optional", "map": it holds such tensors; NULL: it is one */
    const char *holder;
    const char *key;  /* of a map: "i64" */
    const char *elem; /* "f32" */
    int rank;
    const char *dims[MAX_DIMS]; /* numbers, or names of symbols */
    const char *content;        /* numbers with blanks between; NULL: an input of the graph */
} operand;

typedef struct attribute {
    const char *name, *value; /* as the texts have it; value NULL: left out */
} attribute;

typedef struct instance {
    const fv_opdef *def;
    int version;
    operand in[MAX_OPERANDS];
    int nin;
    attribute attrs[FV_MAX_ATTRS];
    int nattrs;
    int nout;
    /* of an If that an input decides, and of which both branches are the same; in ONNX only */
    bool in_branch;
} instance;

/* The instance of this version that the signature suffices for: required operands, of rank 2 where
 * any may be, and no attributes. */
instance instance_derive(fv_arena *a, const fv_opdef *def, int version);

/* Parses `Op@V(f32[2, n], i64[1]{5}, seq(f32[2]), _) name=value name=[1, 2] -> 2`: an instance of
 * version V, and of newer versions up to the next line of the operator. _ is an operand that is
 * left out, {} has the content of a constant, and -> the number of results if it is not that of the
 * required ones. Asserts that the line is correct. */
instance instance_parse(fv_arena *a, const char *line);

/* The lines of cases.txt for this operator that apply to this version: those with the newest
 * version up to it; if there are none, the instance that is derived from the signature. Returns
 * their number, at most max. */
int instance_lines(fv_arena *a, const char *cases, const fv_opdef *d, int version, instance *out,
                   int max);

attribute *instance_attr(instance *x, const char *name); /* NULL: it has none */
void instance_set(instance *x, const char *name, const char *value);

/* Is it in ONNX? Else it is graph text: operators of ours, and those of which the importer makes an
 * attribute. */
bool instance_is_onnx(const instance *x);
const char *instance_text(fv_arena *a, const instance *x);

#endif
