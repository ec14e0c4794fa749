/* import.h - declarations shared by the files of the importer.
 *
 * import.c           the stages: bytes, opsets, inputs, initializers, nodes, outputs
 * import_lenient.c   departures from the standard that are accepted
 * import_survey.c    all operators that are not supported, before anything is built
 * import_operator.c  the operator that a node means
 * import_rank.c      inputs without a shape: their rank
 * import_assume.c    the remaining ones: a rank with which the model is legal
 * import_dims.c      types, symbols, --dim, declared shapes
 * import_sparse.c    sparse tensors that are inputs
 * import_order.c     nodes in an order in which operands come first
 * import_attr.c      attributes and Constant nodes
 * import_node.c      one node: operands, upgrade, inference; functions inlined
 * import_region.c    branches of If, bodies of Loop, other graphs in nodes
 *
 * All faults are reported, not only the first. So a value that could not be made is defined as
 * im->poison, and its users are skipped without further messages. The module is discarded at the
 * end if any error was reported; before that its ops may be incomplete. */
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
    bool surveyed, active; /* active: the survey is visiting its nodes */
} fv_function;

/* Kinds of departures from the standard that are accepted without --strict, and of declarations in
 * legal models that are not relied on. */
typedef enum {
    FV_LENIENT_OPSET,     /* a domain is not imported, or twice */
    FV_LENIENT_DECLARED,  /* a declared type or shape differs from the value's */
    FV_LENIENT_ATTRIBUTE, /* the operator has no such attribute, in any version */
    FV_LENIENT_OUTPUT,    /* the graph has an output twice */
    /* legal: a size is declared that depends on the number of iterations of a loop */
    FV_LENIENT_ITERATIONS,
    FV_LENIENT_RANK, /* legal: an input has no shape, and a rank is assumed */
    FV_LENIENT_KINDS
} fv_lenient_kind;

/* Ranks of the inputs that have no shape, in the order of inputs. */
typedef struct fv_ranks {
    int n;
    const int *at;
} fv_ranks;

/* Numbers of faults of a model: nodes that could not be made, declarations that contradict what is
 * computed, and those among them with another rank. */
typedef struct fv_faults {
    int nodes, declared, ranks;
} fv_faults;

/* A sparse tensor: the stored elements, a row of coordinates for each, and the dims of the
 * tensor. */
typedef struct fv_sparse {
    fv_value *values, *places;
    int rank;
    const fv_dim *const *dims;
} fv_sparse;

/* Things found in the model, by name or by protobuf message. */
typedef struct fv_import_index {
    fv_ptrmap functions;      /* by fv_import_function_key: fv_function */
    fv_ptrmap symbols;        /* dims of inputs by name: const fv_dim */
    fv_ptrmap is_initializer; /* names in the main graph */
    /* by their message, since a message may be imported several times: fv_value */
    fv_ptrmap constants;
    /* inputs that are sparse tensors: fv_sparse by its `values`, which has the input's name */
    fv_ptrmap sparse;
} fv_import_index;

/* The size of the model, against which the number of nodes is checked. */
typedef struct fv_import_size {
    size_t bytes;    /* size of the model's bytes, which `tensors` has */
    size_t nodes;    /* nodes in the model, each function counted once */
    size_t imported; /* nodes imported so far, those of functions and bodies counted each time */
    bool too_many;   /* too many were imported, and that was reported */
} fv_import_size;

/* Departures from the standard that the import has met. */
typedef struct fv_departures {
    bool strict;             /* whether departures are errors */
    int n[FV_LENIENT_KINDS]; /* how many there are of each kind */
    fv_ptrmap met;           /* what departed, as a set, so that each is counted once */
} fv_departures;

/* Symbols for sizes that depend on the number of iterations of a loop. */
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
        int relations; /* number of relations when the module was settled last */
        int times;     /* how often the module was settled */
    } settled;
    fv_departures departures;
    fv_faults faults;
    fv_ranks trial; /* the ranks of a trial import; n = 0: it is none */
    fv_loop_sizes turned;
} fv_importer;

typedef struct fv_import_scope fv_import_scope;

/* An attribute of a call, and the scope of the names that graphs in it use. */
typedef struct fv_bound_attr {
    const Onnx__AttributeProto *attr; /* NULL: not given */
    const fv_import_scope *scope;
} fv_bound_attr;

/* A function that is being inlined. */
typedef struct fv_call {
    const fv_function *function;
    fv_ptrmap attrs; /* by name: fv_bound_attr */
} fv_call;

/* The names that nodes can use while their graph is imported. */
struct fv_import_scope {
    /* the scope of the enclosing graph; NULL: none, as in a function */
    const fv_import_scope *outer;
    fv_ptrmap values; /* by interned name */
    fv_ptrmap stems;  /* of a function: the names of its outputs -> the caller's names for them */
    /* of the main graph, or of a function's outputs there: Onnx__ValueInfoProto by name */
    fv_ptrmap declared;
    /* declarations in a body, of which only the ranks are used: types differ between iterations, so
     * a declared size proves nothing */
    fv_ptrmap in_body;
    fv_region *region;
    const fv_opsets *opsets;
    const fv_call *call; /* NULL: in the model's graph */
    const char *prefix;  /* prefix for names in an inlined function, such as "call/"; else "" */
    int depth;
};

typedef struct fv_nodes {
    size_t n;
    Onnx__NodeProto **at;
} fv_nodes;

/* ---- import.c ---- */

/* Imports the model with these ranks into a module that is discarded, without reading weights.
 * Reports the faults and returns their numbers. */
fv_faults fv_import_trial(const fv_importer *im, const fv_import_options *o, fv_ranks ranks);

/* ---- import_scope.c ---- */

fv_value *fv_import_find(const fv_importer *im, const fv_import_scope *sc, const char *name);
/* Adds the types that the graph declares for results of nodes, by interned name. For an output,
 * its declaration as an output precedes one in value_info. */
void fv_import_note_declared(fv_importer *im, const Onnx__GraphProto *g, fv_ptrmap *declared);
/* Defines a name; a diagnostic if the scope has it already. */
void fv_import_define(fv_importer *im, fv_import_scope *sc, const char *name, fv_value *v);
/* The constant made from a message (an initializer or a Constant node): the same one each time,
 * although functions are inlined and bodies imported several times. `t`: its content the first
 * time; NULL: it could not be decoded. */
fv_value *fv_import_shared(fv_importer *im, const void *message, const char *stem,
                           const fv_tensor *t);
/* Defines the initializers of a graph, sparse ones included, as constants in its scope. */
void fv_import_initializers(fv_importer *im, fv_import_scope *sc, const Onnx__GraphProto *g);
/* The results of a graph become the operands of its `return`. */
bool fv_import_outputs(fv_importer *im, fv_import_scope *sc, const Onnx__GraphProto *g) FV_MUST_USE;
static inline void fv_import_map(fv_ptrmap *m, const void *key, const void *value) {
    *fv_ptrmap_at(m, key) = (void *)(uintptr_t)value;
}
/* "" for NULL, by which protobuf-c represents an absent string. */
static inline const char *fv_text_of(const char *s) {
    return s ? s : "";
}

/* ---- import_lenient.c ---- */

/* Reports that the model departs from the standard, a few times for each kind. `what` identifies
 * the departure, which is counted once though functions are inlined and bodies imported again.
 * `about`: the node, or NULL. `taken`: how it is imported, such as "it is ignored". False if it is
 * an error. */
bool fv_import_departs(fv_importer *im, fv_lenient_kind kind, const void *what,
                       const fv_message *about, const char *taken, const char *format, ...)
    __attribute__((format(printf, 6, 7)));
/* Reports, at the end, how many departures were not reported one by one. */
void fv_import_count_departures(fv_importer *im);

/* ---- import_operator.c ---- */

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
bool fv_import_opsets(fv_importer *im, size_t n, Onnx__OperatorSetIdProto **imports,
                      fv_opsets *out) FV_MUST_USE;
const char *fv_import_domain(const char *domain); /* "ai.onnx" and NULL are "" */
const char *fv_import_qualified(fv_arena *a, const Onnx__NodeProto *node); /* "domain.Op", "Op" */
/* The node's name, or OpType(first_output). */
const char *fv_import_label(fv_arena *a, const char *prefix, const Onnx__NodeProto *node);

/* ---- import_survey.c ---- */

/* Finds all operators that are not supported. False if the model cannot be visited at all:
 * functions that call themselves, or graphs nested too deeply. */
bool fv_import_survey(fv_importer *im) FV_MUST_USE;

/* ---- import_rank.c ---- */

/* Gives each input without a shape a shape of open dims if its rank can be determined; in a trial
 * import, each such input. */
void fv_import_ranks(fv_importer *im, const fv_import_options *o);
/* The rank that nodes of the main graph require of a value, or -1. */
int fv_import_rank_by_use(fv_importer *im, const char *value) FV_MUST_USE;
/* Is it an input that has no shape yet? */
bool fv_import_is_open(const fv_importer *im, const Onnx__ValueInfoProto *input) FV_MUST_USE;
void fv_import_set_rank(fv_importer *im, const Onnx__ValueInfoProto *input, int rank);

/* ---- import_assume.c ---- */

/* Gives the remaining inputs without a shape a rank with which the model is legal, and reports
 * it. */
void fv_import_assume_ranks(fv_importer *im, const fv_import_options *o);

/* ---- import_dims.c ---- */

bool fv_import_symbols(fv_importer *im, const fv_import_options *o) FV_MUST_USE;
/* The type of a graph's input, whose open dims become symbols. `what` names it in errors: "input
 * 'x'". */
const fv_type *fv_import_type(fv_importer *im, const Onnx__TypeProto *t, const char *stem,
                              const char *what);
/* The type of the elements of a sequence or optional; the rank and dims of a tensor may be open. */
const fv_type *fv_import_held_type(fv_importer *im, const Onnx__TypeProto *t, const char *what);
/* The declared rank; -1 if there is none. */
int fv_import_declared_rank(const Onnx__ValueInfoProto *declared);
/* Notes that sizes of the loop's results depend on its iterations. Declarations of them, and of
 * what is computed from them, are not relied on, since exporters declare the sizes of one run. */
void fv_import_note_loop(fv_importer *im, const fv_op *loop);
/* Compares a value's type with the declared one. A contradicting declaration is reported and
 * ignored. Otherwise dims that depend on data become the declared ones, and the run checks them. */
void fv_import_declared(fv_importer *im, fv_value *v, const Onnx__ValueInfoProto *declared);

/* ---- import_sparse.c ---- */

/* An input that is a sparse tensor becomes two, NAME.values and NAME.indices; NULL after a
 * diagnostic. */
fv_value *fv_import_sparse_input(fv_importer *im, fv_region *r, const Onnx__TypeProto *t,
                                 const char *name, const char *what);
/* A diagnostic if a dim of a sparse input cannot be known in the run, since no dense input has
 * it. */
void fv_import_check_sparse(fv_importer *im, const fv_region *r);
/* The sparse tensor that v is, or one made of the constant v; NULL: v is neither. */
const fv_sparse *fv_import_sparse_of(fv_importer *im, fv_value *v);

/* ---- import_order.c ---- */

/* Indices of the nodes, operands first, otherwise in the model's order; NULL after a diagnostic. */
const size_t *fv_import_order(fv_importer *im, const fv_import_scope *sc, fv_nodes nodes);

/* ---- import_attr.c ---- */

/* The attribute itself, or what it refers to in the call. .attr NULL: not given. */
fv_bound_attr fv_import_bound(fv_importer *im, const fv_import_scope *sc,
                              const Onnx__NodeProto *node, const Onnx__AttributeProto *attr,
                              bool *ok);
/* All attributes but graphs, checked against the catalogue. False after diagnostics. */
bool fv_import_attrs(fv_importer *im, const fv_import_scope *sc, const Onnx__NodeProto *node,
                     const fv_operator *what, fv_attr **out, int *n) FV_MUST_USE;
bool fv_import_is_graph(const Onnx__AttributeProto *attr) FV_MUST_USE;
/* The value of a Constant node, called `stem` if it is new; NULL after a diagnostic. */
fv_value *fv_import_constant(fv_importer *im, const fv_import_scope *sc,
                             const Onnx__NodeProto *node, const char *stem);
bool fv_import_node_error(fv_importer *im, const fv_import_scope *sc, const Onnx__NodeProto *node,
                          const char *format, ...) __attribute__((format(printf, 4, 5)));

/* ---- import_node.c ---- */

/* Imports the nodes, operands first. False: there are too many, or they have no order. */
bool fv_import_nodes(fv_importer *im, fv_import_scope *sc, fv_nodes nodes) FV_MUST_USE;

/* ---- import_region.c ---- */

bool fv_import_has_graphs(const Onnx__NodeProto *node) FV_MUST_USE;
/* Imports the graphs in the node's attributes as regions of `op`, whose operands are those of that
 * version. */
bool fv_import_regions(fv_importer *im, const fv_import_scope *sc, const Onnx__NodeProto *node,
                       fv_op *op, int version) FV_MUST_USE;

#endif
