/* view.h - `fovea view`: the content of its page. view_graph.c stores the graphs before and after
 * the passes; view_scopes.c and view_layers.c find the parts that can be folded; view_place.c
 * computes where they are drawn; view_kernels.c finds the kernels that compute them,
 * view_library.c those of a compiled library; view_shards.c finds how the model is cut into parts;
 * view_json.c writes all as JSON, which
 * tools/view/view.js and graph.js draw. */
#ifndef FV_TOOLS_VIEW_VIEW_H
#define FV_TOOLS_VIEW_VIEW_H

#include "backend/lowering/why.h"
#include "tools/model/estimate.h"
#include "tools/model/footprint.h"
#include "tools/model/model.h"
#include "tools/view/layout.h"

/* ---- graphs ---- */

typedef struct fv_view_value {
    const fv_value *value;
    const char *name, *type; /* stored as texts, because lowering changes the graph afterwards */
} fv_view_value;

typedef struct fv_view_op {
    const fv_op *op;
    const fv_opdef *def;
    const char *attrs; /* the attributes except regions as text; "": there are none */
    const fv_origin *origin;
    int nin, nout;
    int *in, *out; /* indices of the operands and results in the list of values; -1: left out */
    int scope;     /* index of the scope that contains the op */
    int inner;     /* index of the scope of the op's regions; -1: it has no regions */
    int item;      /* index of the op's item in its scope */
    /* the definition as text; NULL: it has none, or definitions are not shown */
    const char *definition;
    int nlaunches, cap_launches;
    int *launches; /* indices of the launches that compute the op */
} fv_view_op;

/* The kind of an item of a scope: an op, a nested scope, an input port or an output port. */
typedef enum { FV_ITEM_OP, FV_ITEM_SCOPE, FV_ITEM_IN, FV_ITEM_OUT } fv_item_kind;
typedef struct fv_view_item {
    fv_item_kind kind;
    int ref; /* index of the op, scope or value that is the item */
} fv_view_item;

/* The items of a scope, which are the nodes of its layout that are not bends. */
typedef struct fv_view_items {
    fv_view_item *all;
    int n, cap;
} fv_view_items;

/* A part of the graph that can be folded: ops whose nodes have a common path, all regions of an op,
 * or one region. Scope 0 is the whole graph. */
typedef struct fv_view_scope {
    /* name of the scope; path that identifies the scope, also in the other graph */
    const char *name, *path;
    int parent; /* index of the scope around this one; -1 for scope 0 */
    int op;     /* index of the op whose regions the scope contains; -1: there is none */
    bool region;
    int nops; /* number of ops in the scope and in all nested scopes */
    /* whether the scope has few ops, or all ops of its parent, so that its items are shown in its
     * parent */
    bool dropped;
    int item; /* index of the scope's item in its parent */
    fv_view_items items;
    int *values; /* index of the value of each net */
    int cap_values;
    fv_page_layout layout;
    /* the identity of a net or port -> 1 + its index; ports by kind - FV_ITEM_IN */
    fv_ptrmap nets, ports[2];
} fv_view_scope;

/* The layer of a node whose own path does not name it: a part `name` that is inserted into the path
 * at position `depth`. */
typedef struct fv_view_layer {
    int depth;
    const char *name;
} fv_view_layer;

/* Maps from fv_op, fv_value, fv_region or interned path to 1 + the index in the list of these. */
typedef struct fv_view_places {
    fv_ptrmap op, value, region, scope;
} fv_view_places;

typedef struct fv_view_graph {
    fv_arena *arena;
    int nops, cap_ops, nvalues, cap_values, nscopes, cap_scopes;
    /* the ops in the order of the graph; ops of a region follow the op that owns it */
    fv_view_op *ops;
    fv_view_value *values;
    fv_view_scope *scopes; /* the scopes; parents precede nested scopes */
    fv_view_places place_of;
    const fv_func *func;
    const fv_ptrmap *layers; /* interned name of a node -> its fv_view_layer */
} fv_view_graph;

/* Stores the ops, values and scopes of the main function of m, as it is now, in g. */
void fv_view_graph_take(fv_view_graph *g, fv_arena *a, const fv_module *m, const fv_ptrmap *layers);
/* The index of the value in the list of values if an op or region of the graph has it; -1: none
 * has. */
int fv_view_value_of(const fv_view_graph *g, const fv_value *v);

/* ---- view_scopes.c ---- */

/* The scope to which the op belongs, created if necessary; must be called before the layout is
 * computed. */
int fv_view_scope_of(fv_view_graph *g, int within, const fv_op *op);
int fv_view_scope_new(fv_view_graph *g, int parent, const char *name, size_t n, int op);
void fv_view_drop_scopes(fv_view_graph *g);

/* ---- view_layers.c ---- */

/* Adds layers for nodes in scopes without inner structure to `layers`. */
void fv_view_find_layers(const fv_view_graph *g, fv_ptrmap *layers);

/* ---- view_place.c ---- */

/* Makes items and nets of each scope, and computes its layout. */
void fv_view_place(fv_view_graph *g);

/* ---- kernels ---- */

typedef struct fv_view_kernel {
    const fv_kernel *kernel; /* NULL: it is one of a compiled library */
    const char *name;
    /* the kernel as lowering made it; the kernel in C, NULL: there is no C code. "" for a kernel of
     * a compiled library, as the schedule */
    const char *schedule, *text, *c;
    int launches;
    fv_estimate estimate; /* of all launches of a kernel of a model */
    double ms; /* milliseconds in one run, from a profile; -1: the kernel is not in the profile */
} fv_view_kernel;

/* What a compiled library states about its memory, in bytes; -1: not known. */
typedef struct fv_view_stored {
    int64_t weights, workspace;
} fv_view_stored;

typedef struct fv_view {
    fv_context *c;
    fv_subject m; /* the model, which is not run */
    /* layers of the nodes, found in the graph before the passes and used for both graphs */
    fv_ptrmap layers;
    fv_view_graph before, after;
    fv_reasons reasons;
    int nkernels, nlaunches;
    fv_view_kernel *kernels; /* the kernels in the order of the program */
    int *launches;           /* launch -> index of its kernel */
    fv_launch_cost *costs;   /* costs of each launch; NULL: they are not known */
    const char **nodes;      /* for each launch the nodes of the model that it computes */
    fv_view_stored stored;   /* of a compiled library */
    double run_ms;           /* milliseconds of a run in the profile; 0: there is no profile */
    json_t *shards;          /* how the model is cut; NULL: --ranks is not given */
} fv_view;

/* Stores the definition of each result of an op, from the first definitions that lowering makes. */
void fv_view_take_definitions(fv_view *v, const fv_module *m, const fv_definitions *d);
/* Finds the launches that compute each op of the graph after the passes. */
void fv_view_find_launches(fv_view *v);
/* Stores the kernels as text, their costs, and their C code. Expands the program. False after a
 * diagnostic. */
bool fv_view_find_kernels(fv_view *v) FV_MUST_USE;

/* ---- view_library.c ---- */

/* Loads a compiled library to describe it, with its kernels and launches. False after a message. */
bool fv_view_open_library(fv_view *v) FV_MUST_USE;

/* ---- view_profile.c ---- */

/* Sets dims to the values with which --profile=F was measured, before others are chosen. False
 * after a message. */
bool fv_view_take_dims(fv_view *v) FV_MUST_USE;
/* Reads the times of --profile=F, a trace that `fovea bench --profile=F` wrote, which must be of
 * the target and the dims of the page. False after a message. */
bool fv_view_read_profile(fv_view *v) FV_MUST_USE;

/* ---- view_shards.c ---- */

/* Finds how the model is cut into as many parts as --ranks says, if it is given, and with --link
 * how long runs take. False after messages. */
bool fv_view_find_shards(fv_view *v) FV_MUST_USE;

/* ---- view_json.c ---- */

/* The data of the page as JSON, with the memory of the program; NULL: of a compiled library. */
json_t *fv_view_json(const fv_view *v, const fv_footprint *f);

#endif
