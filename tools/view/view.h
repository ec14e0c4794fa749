/* view.h - `fovea view`: what its page holds. view_graph.c takes graphs as they are before and
 * after the passes, view_scopes.c and view_layers.c find what of them can be folded, view_place.c
 * where it is drawn, view_kernels.c what computes it; view_json.c writes it down, and view/page.js
 * draws that. */
#ifndef FV_TOOLS_VIEW_VIEW_H
#define FV_TOOLS_VIEW_VIEW_H

#include "backend/lowering/why.h"
#include "tools/model/footprint.h"
#include "tools/model/model.h"
#include "tools/view/layout.h"

/* ---- graphs ---- */

typedef struct fv_view_value {
    const fv_value *value;
    const char *name, *type; /* texts are as they were then: lowering changes the graph */
} fv_view_value;

typedef struct fv_view_op {
    const fv_op *op;
    const fv_opdef *def;
    const char *attrs; /* without regions; "" */
    const fv_origin *origin;
    int nin, nout;
    int *in, *out;          /* values; -1: left out */
    int scope;              /* the scope in which it is */
    int inner;              /* the scope of its regions; -1: it has none */
    int item;               /* in its scope */
    const char *definition; /* NULL: it has none, or none was asked for */
    int nlaunches, cap_launches;
    int *launches; /* of the program, that compute it */
} fv_view_op;

/* What a scope shows. BEND: lines only. */
typedef enum { FV_ITEM_OP, FV_ITEM_SCOPE, FV_ITEM_IN, FV_ITEM_OUT } fv_item_kind;
typedef struct fv_view_item {
    fv_item_kind kind;
    int ref; /* the op, the scope, the value */
} fv_view_item;

/* Nodes of a layout, before its bends. */
typedef struct fv_view_items {
    fv_view_item *all;
    int n, cap;
} fv_view_items;

/* What can be folded: ops whose nodes have a path in common, the regions of an op, a region. Scope
 * 0 is all. */
typedef struct fv_view_scope {
    /* the path tells it from all others, and is that of the same in another graph */
    const char *name, *path;
    int parent; /* -1: of scope 0 */
    int op;     /* whose regions are in it, or -1 */
    bool region;
    int nops;     /* in it and in all within */
    bool dropped; /* it holds too little to be one: its parent shows what is in it */
    int item;     /* in its parent */
    fv_view_items items;
    int *values; /* of each net */
    int cap_values;
    fv_page_layout layout;
    /* what makes one -> 1 + its place; ports by fv_item_kind - FV_ITEM_IN */
    fv_ptrmap nets, ports[2];
} fv_view_scope;

/* A layer of nodes whose path does not name one: a part of the path, after so many others. */
typedef struct fv_view_layer {
    int depth;
    const char *name;
} fv_view_layer;

/* fv_op, fv_value, fv_region, interned path -> 1 + place. */
typedef struct fv_view_places {
    fv_ptrmap op, value, region, scope;
} fv_view_places;

typedef struct fv_view_graph {
    fv_arena *arena;
    int nops, cap_ops, nvalues, cap_values, nscopes, cap_scopes;
    /* in the order of the graph, those of a region after the op that has it */
    fv_view_op *ops;
    fv_view_value *values;
    fv_view_scope *scopes; /* parents first */
    fv_view_places place_of;
    const fv_func *func;
    const fv_ptrmap *layers; /* interned node -> its fv_view_layer */
} fv_view_graph;

/* The main function of m as it is now: ops and scopes. */
void fv_view_graph_take(fv_view_graph *g, fv_arena *a, const fv_module *m, const fv_ptrmap *layers);
/* The index of a value that some op of the graph has, or a region; -1: none. */
int fv_view_value_of(const fv_view_graph *g, const fv_value *v);

/* ---- view_scopes.c ---- */

/* Puts ops into scopes; before the layout. */
int fv_view_scope_of(fv_view_graph *g, int within, const fv_op *op);
int fv_view_scope_new(fv_view_graph *g, int parent, const char *name, size_t n, int op);
void fv_view_drop_scopes(fv_view_graph *g);

/* ---- view_layers.c ---- */

/* Adds layers of scopes that are flat to those of nodes. */
void fv_view_find_layers(const fv_view_graph *g, fv_ptrmap *layers);

/* ---- view_place.c ---- */

/* Items, nets and the layout of each scope. */
void fv_view_place(fv_view_graph *g);

/* ---- kernels ---- */

typedef struct fv_view_kernel {
    const fv_kernel *kernel;
    const char *schedule, *text, *c; /* as lowering wrote it; in C, NULL: there is none */
    int launches;
    double ms; /* of a profile, of one run; -1: it has none */
} fv_view_kernel;

typedef struct fv_view {
    fv_context *c;
    fv_subject m;     /* never run */
    fv_ptrmap layers; /* as the model has them before the passes: of both graphs */
    fv_view_graph before, after;
    fv_reasons reasons;
    int nkernels, nlaunches;
    fv_view_kernel *kernels; /* as the program has them */
    int *launches;           /* -> the kernel */
    fv_launch_cost *costs;   /* of each launch */
    double run_ms;           /* of the profile; 0: there is none */
} fv_view;

/* What each element of a result of an op after the passes is; of the first state of definitions. */
void fv_view_take_definitions(fv_view *v, const fv_module *m, const fv_definitions *d);
/* Which launches compute each op after the passes. */
void fv_view_find_launches(fv_view *v);
/* Kernels as text, their costs, and C. False after a diagnostic. Expands the program. */
bool fv_view_find_kernels(fv_view *v) FV_MUST_USE;

/* ---- view_profile.c ---- */

/* Times of --profile=F, a trace that `fovea bench --profile=F` wrote. False after a message. */
bool fv_view_read_profile(fv_view *v) FV_MUST_USE;

/* ---- view_json.c ---- */

/* What the page shows, with what its memory takes. */
json_t *fv_view_json(const fv_view *v, const fv_footprint *f);

#endif
