/* stop.c - see stop.h. */
#include "tools/command/stop.h"

#include <errno.h>
#include <string.h>

#include "ir/graph/gate.h"
#include "tools/command/named.h"

typedef struct counter {
    fv_context *c;
    int done;
    bool stopped;
    FILE *list;       /* the file of --changes; NULL: no list is written */
    const char *node; /* the node of --only-node; NULL: ops of all nodes may be changed */
    const fv_pass *const *own;
} counter;

static void close_list(void *list) {
    fclose(list);
}

/* describes a change: "simplify: mul-one at %y (Mul)", "schedule at %y (Relu)", "share" */
static const char *change_str(fv_arena *a, const char *stage, const char *what, const fv_op *op) {
    return fv_printf(a, "%s%s%s%s%s", stage, what ? ": " : "", what ? what : "", op ? " at " : "",
                     op ? fv_op_place(a, op) : "");
}

/* Decides whether an optional change is made. It is written to the list before it is made, so that
 * the list is complete if the change crashes. */
static bool may(void *user, const char *stage, const char *what, const fv_op *op) {
    counter *n = user;
    fv_arena *a = n->c->arena;
    const int limit = n->c->args->rewrite.stop_after;
    if (n->node && op && what && fv_pass_find_own(n->own, stage) && !fv_op_is_called(op, n->node))
        return false;
    if (limit >= 0 && n->done == limit) {
        if (!n->stopped && n->c->args->print.verbose)
            fv_err("stopped before %s\n", change_str(a, stage, what, op));
        n->stopped = true;
        return false;
    }
    n->done++;
    if (n->list) {
        fv_print(n->list, "%s\n", change_str(a, stage, what, op));
        fflush(n->list);
    }
    return true;
}

bool fv_stop_begin(fv_context *c, fv_driver_options *o) {
    const fv_args *a = c->args;
    if (a->rewrite.stop_after < 0 && !a->rewrite.changes && !a->rewrite.only_node)
        return true;
    counter *n = FV_NEW(c->arena, counter, 1);
    fv_gate *gate = FV_NEW(c->arena, fv_gate, 1);
    fv_pipeline_options *p = FV_NEW(c->arena, fv_pipeline_options, 1);
    *n = (counter){.c = c,
                   .node =
                       a->rewrite.only_node ? fv_name_given(c->arena, a->rewrite.only_node) : NULL,
                   .own = o->work.pipeline->own};
    if (a->rewrite.changes) {
        if (!fv_spares_models(c, "--changes=", a->rewrite.changes))
            return false;
        if (!(n->list = fopen(a->rewrite.changes, "w")))
            return fv_usage(a, "--changes=%s: %s", a->rewrite.changes, strerror(errno)) ==
                   FV_EXIT_OK;
        fv_arena_at_free(c->arena, close_list, n->list);
    }
    *gate = (fv_gate){n, may};
    *p = *o->work.pipeline;
    p->gate = gate;
    o->work.pipeline = p;
    return true;
}
