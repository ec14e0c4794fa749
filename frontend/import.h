/* import.h - what the files of the importer share.
 *
 * import.c         the way of a model: bytes, opsets, inputs, initializers, nodes, outputs
 * import_lenient.c what departs from the standard and is taken nevertheless
 * import_survey.c  all operators that are not supported, before anything is built
 * import_rank.c    inputs without a shape: their rank
 * import_assume.c  the others: one with which the model is legal
 * import_dims.c    types, symbols, --dim, declared shapes
 * import_sparse.c  sparse tensors that are inputs
 * import_order.c   nodes in an order in which operands come first
 * import_attr.c    attributes and Constant nodes
 * import_node.c    one node: operands, upgrade, inference; functions inlined
 * import_region.c  branches of If, bodies of Loop, other graphs in nodes
 *
 * Everything that is wrong is said, not only the first fault. So a value that could not be made is
 * defined as im->poison, and who uses it is skipped in silence. The module is thrown away at the
 * end if any error was said; till then its ops may be incomplete. */
#ifndef FV_FRONTEND_IMPORT_H
#define FV_FRONTEND_IMPORT_H

#include "frontend/frontend.h"
#include "frontend/tensor_proto.h"
#include "frontend/wire.h"
#include "ir/base/ptrmap.h"
#include "ir/catalogue/op.h"

/* Opset imports of a model or a function. */
typedef struct fv_opset {
    const char *domain; /* "" for the standard's */
    int64_t version;
} fv_opset;
typedef struct fv_opsets {
    int n;
    fv_opset *at;
} fv_opsets;

typedef struct fv_function {
    const Onnx__FunctionProto *proto;
    const char *qualified; /* "domain.name" */
    fv_opsets opsets;
    bool surveyed, active; /* active: it is being walked through */
} fv_function;

/* In what a model may depart from the standard, without --strict, or is not taken as it is
 * written. */
typedef enum {
    FV_LENIENT_OPSET,      /* a domain is not imported, or twice */
    FV_LENIENT_DECLARED,   /* a declared type or shape is not the value's */
    FV_LENIENT_ATTRIBUTE,  /* the operator has no such attribute, in any version */
    FV_LENIENT_OUTPUT,     /* the graph has an output twice */
    FV_LENIENT_ITERATIONS, /* legal: a size is declared, and how often a loop is taken decides it */
    FV_LENIENT_RANK,       /* legal: an input has no shape, and a rank is assumed */
    FV_LENIENT_KINDS
} fv_lenient_kind;

/* Ranks of inputs that have no shape, in order. */
typedef struct fv_ranks {
    int n;
    const int *at;
} fv_ranks;

/* What is wrong with a model: nodes that could not be made, declarations that contradict what is
 * computed, and those of them that say another rank. */
typedef struct fv_faults {
    int nodes, declared, ranks;
} fv_faults;

/* A sparse tensor: its elements that are there, a row of coordinates for each, and the dims of the
 * whole. */
typedef struct fv_sparse {
    fv_value *values, *places;
    int rank;
    const fv_dim *const *dims;
} fv_sparse;

/* What was found in the model, by name or message. */
typedef struct fv_import_index {
    fv_ptrmap functions;      /* by fv_import_function_key: fv_function */
    fv_ptrmap symbols;        /* names of dims of inputs: const fv_dim */
    fv_ptrmap is_initializer; /* names in the main graph */
    fv_ptrmap constants;      /* by their message, which may be imported several times: fv_value */
    /* of inputs that are sparse tensors: fv_sparse by `values`, which has the name */
    fv_ptrmap sparse;
} fv_import_index;

/* The size of the model, against which the number of nodes is checked. */
typedef struct fv_import_size {
    size_t bytes;    /* of the model, which `tensors` has */
    size_t nodes;    /* of the model; functions counted once */
    size_t imported; /* nodes so far; functions and repeated bodies count each time */
    bool too_many;   /* too many were imported, and that was reported */
} fv_import_size;

/* Departures from the standard. */
typedef struct fv_departures {
    bool strict;             /* they are errors */
    int n[FV_LENIENT_KINDS]; /* how many there are of each kind */
    fv_ptrmap met;           /* which were met: what departs */
} fv_departures;

/* Symbols of the sizes that results of loops have. */
typedef struct fv_loop_sizes {
    const fv_dim **all;
    int n, cap;
} fv_loop_sizes;

typedef struct fv_importer {
    fv_session *s;
    fv_arena *tmp; /* freed when the import is done */
    fv_module *m;
    fv_func *func;
    const Onnx__ModelProto *model;
    fv_opsets opsets;
    fv_import_index found;
    fv_tensor_reader tensors;
    fv_import_size size;
    struct {
        fv_value *poison; /* replaces a value that could not be made */
        fv_value *absent; /* replaces one that the caller of a function left out */
    } instead;
    struct {
        int relations; /* relations that the module had when it was settled last */
        int times;     /* how often it was */
    } settled;
    fv_departures departures;
    fv_faults faults;
    fv_ranks trial; /* what is tried; n = 0: nothing is */
    fv_loop_sizes turned;
} fv_importer;

typedef struct fv_import_scope fv_import_scope;

/* An attribute of a call, and whose names its graphs see. */
typedef struct fv_bound_attr {
    const Onnx__AttributeProto *attr; /* NULL: not given */
    const fv_import_scope *scope;
} fv_bound_attr;

/* A function that is being inlined. */
typedef struct fv_call {
    const fv_function *function;
    fv_ptrmap attrs; /* by name: fv_bound_attr */
} fv_call;

/* The names that nodes see while their graph is imported. */
struct fv_import_scope {
    const fv_import_scope *outer; /* of the graph around; NULL: none, as in a function */
    fv_ptrmap values;             /* by interned name */
    fv_ptrmap stems;              /* of a function: its outputs are called as the caller does */
    /* of the main graph, or of a function's outputs there: Onnx__ValueInfoProto by name */
    fv_ptrmap declared;
    /* of a body of which only ranks are needed: types differ between its iterations, so one size
     * says nothing */
    fv_ptrmap in_body;
    fv_region *region;
    const fv_opsets *opsets;
    const fv_call *call; /* NULL: in the model's graph */
    const char *prefix;  /* of names in an inlined function: "call/"; "" */
    int depth;
};

typedef struct fv_nodes {
    size_t n;
    Onnx__NodeProto **at;
} fv_nodes;

/* ---- import.c ---- */

/* Imports the model with these ranks into a module that is thrown away: says what is wrong with it
 * then, and counts it. No weights are read. */
fv_faults fv_import_trial(const fv_importer *im, const fv_import_options *o, fv_ranks ranks);

fv_value *fv_import_find(const fv_importer *im, const fv_import_scope *sc, const char *name);
/* Types that the graph declares for what nodes make, by interned name; an output's word counts
 * most. */
void fv_import_note_declared(fv_importer *im, const Onnx__GraphProto *g, fv_ptrmap *declared);
/* Says so where the name is taken. */
void fv_import_define(fv_importer *im, fv_import_scope *sc, const char *name, fv_value *v);
bool fv_import_opsets(fv_importer *im, size_t n, Onnx__OperatorSetIdProto **imports,
                      fv_opsets *out) FV_MUST_USE;
/* The constant of an initializer of the model: the same one each time, although functions are
 * inlined and bodies imported several times. `t`: its content if it is new; NULL: it had an
 * error. */
fv_value *fv_import_shared(fv_importer *im, const void *message, const char *stem,
                           const fv_tensor *t);
/* Initializers of a graph, the sparse ones too, as constants of its scope. */
void fv_import_initializers(fv_importer *im, fv_import_scope *sc, const Onnx__GraphProto *g);
bool fv_import_nodes(fv_importer *im, fv_import_scope *sc, fv_nodes nodes) FV_MUST_USE;
/* The results of a graph, as operands of its `return`. */
bool fv_import_outputs(fv_importer *im, fv_import_scope *sc, const Onnx__GraphProto *g) FV_MUST_USE;
static inline void fv_import_map(fv_ptrmap *m, const void *key, const void *value) {
    *fv_ptrmap_at(m, key) = (void *)(uintptr_t)value;
}
/* "" for NULL, which is what protobuf-c has for a string that is not there. */
static inline const char *fv_text_of(const char *s) {
    return s ? s : "";
}

/* ---- import_lenient.c ---- */

/* Says that the model departs from the standard, a few times for each kind. `what` departs: it is
 * counted once, though functions are inlined and bodies imported again. `about`: the node, or NULL;
 * `taken`: what is made of it: "it is ignored". False where it is an error. */
bool fv_import_departs(fv_importer *im, fv_lenient_kind kind, const void *what,
                       const fv_message *about, const char *taken, const char *format, ...)
    __attribute__((format(printf, 6, 7)));
/* At the end: how many were not said. */
void fv_import_count_departures(fv_importer *im);

/* ---- import_survey.c ---- */

/* What a node's operator is. */
typedef struct fv_operator {
    fv_function *function;
    const fv_opdef *def;
    int version;
    bool is_constant;
    const char *problem; /* why it is not supported, else NULL */
} fv_operator;
fv_operator fv_import_operator(fv_importer *im, const fv_opsets *opsets,
                               const Onnx__NodeProto *node);
const char *fv_import_function_key(fv_importer *im, const char *domain, const char *name,
                                   const char *overload);
const char *fv_import_domain(const char *domain); /* "ai.onnx" and NULL are "" */
const char *fv_import_qualified(fv_arena *a, const Onnx__NodeProto *node); /* "domain.Op", "Op" */
/* The node's name, or OpType(first_output). */
const char *fv_import_label(fv_arena *a, const char *prefix, const Onnx__NodeProto *node);
/* False where the model cannot be walked at all: functions that call themselves, too deep. */
bool fv_import_survey(fv_importer *im) FV_MUST_USE;

/* ---- import_rank.c ---- */

/* Gives inputs without a shape one with open dims, if their rank can be determined; in a trial
 * import, all such inputs. */
void fv_import_ranks(fv_importer *im, const fv_import_options *o);
/* The rank that nodes of the model's graph take a value to have, or -1. */
int fv_import_rank_by_use(fv_importer *im, const char *value) FV_MUST_USE;
/* Is it an input that has no shape yet? */
bool fv_import_is_open(const fv_importer *im, const Onnx__ValueInfoProto *input) FV_MUST_USE;
void fv_import_set_rank(fv_importer *im, const Onnx__ValueInfoProto *input, int rank);

/* ---- import_assume.c ---- */

/* Gives those that are left a rank with which the model is legal, and says so. */
void fv_import_assume_ranks(fv_importer *im, const fv_import_options *o);

/* ---- import_dims.c ---- */

bool fv_import_symbols(fv_importer *im, const fv_import_options *o) FV_MUST_USE;
/* The type of a graph's input; its dims are symbols. `what` for errors: "input 'x'". */
const fv_type *fv_import_type(fv_importer *im, const Onnx__TypeProto *t, const char *stem,
                              const char *what);
/* The type of what a sequence or optional holds: a tensor's rank and dims may be open. */
const fv_type *fv_import_held_type(fv_importer *im, const Onnx__TypeProto *t, const char *what);
/* The rank that is declared; -1: none. */
int fv_import_declared_rank(const Onnx__ValueInfoProto *declared);
/* Sizes of results of a loop do not depend on what is declared for them or computed from them,
 * since exporters declare the sizes of one run. */
void fv_import_note_loop(fv_importer *im, const fv_op *loop);
/* Compares a value's type with what the model declares. A declaration that contradicts it is said,
 * and does not count; one that does not is taken for dims that data decides, and checked when the
 * model runs. */
void fv_import_declared(fv_importer *im, fv_value *v, const Onnx__ValueInfoProto *declared);

/* ---- import_sparse.c ---- */

/* An input that is a sparse tensor becomes two, NAME.values and NAME.indices; NULL after a
 * diagnostic. */
fv_value *fv_import_sparse_input(fv_importer *im, fv_region *r, const Onnx__TypeProto *t,
                                 const char *name, const char *what);
/* Says it where a dim of a sparse input is one that the run could not know: of no dense input. */
void fv_import_check_sparse(fv_importer *im, const fv_region *r);
/* The sparse tensor that this is, or that is made of a constant; NULL: neither. */
const fv_sparse *fv_import_sparse_of(fv_importer *im, fv_value *v);

/* ---- import_order.c ---- */

/* Indices of the nodes, operands first, otherwise in the model's order; NULL after a diagnostic. */
const size_t *fv_import_order(fv_importer *im, const fv_import_scope *sc, fv_nodes nodes);

/* ---- import_attr.c ---- */

/* The attribute itself, or what it refers to in the call. .attr NULL: not given. */
fv_bound_attr fv_import_bound(fv_importer *im, const fv_import_scope *sc,
                              const Onnx__NodeProto *node, const Onnx__AttributeProto *attr,
                              bool *ok);
/* All but graphs, checked against the catalogue. False after diagnostics. */
bool fv_import_attrs(fv_importer *im, const fv_import_scope *sc, const Onnx__NodeProto *node,
                     const fv_operator *what, fv_attr **out, int *n) FV_MUST_USE;
bool fv_import_is_graph(const Onnx__AttributeProto *attr) FV_MUST_USE;
/* The value of a Constant node, called `stem` if it is new; NULL after a diagnostic. */
fv_value *fv_import_constant(fv_importer *im, const fv_import_scope *sc,
                             const Onnx__NodeProto *node, const char *stem);
bool fv_import_node_error(fv_importer *im, const fv_import_scope *sc, const Onnx__NodeProto *node,
                          const char *format, ...) __attribute__((format(printf, 4, 5)));

/* ---- import_node.c ---- */

void fv_import_node(fv_importer *im, fv_import_scope *sc, const Onnx__NodeProto *node);

/* ---- import_region.c ---- */

bool fv_import_has_graphs(const Onnx__NodeProto *node) FV_MUST_USE;
/* The graphs of `op`, which has the operands of that version, set as its attributes. */
bool fv_import_regions(fv_importer *im, const fv_import_scope *sc, const Onnx__NodeProto *node,
                       fv_op *op, int version) FV_MUST_USE;

#endif
