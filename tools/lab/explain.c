/* explain.c - see explain.h. After a pass, when its rules change nothing any more, the rule that is
 * explained is tried again on all ops that are left. */
#include "tools/lab/explain.h"

#include <stdlib.h>
#include <string.h>

#include "tools/command/named.h"

enum { MOST = 5 }; /* ops that are reported without -v */

/* An op to which the rule was not applied. */
typedef struct attempt {
    const char *place;
    fv_mismatch why; /* why.why NULL: the rule matches, but is not applied */
    int order;
} attempt;

typedef struct explanation {
    fv_context *c;
    const fv_gate *outer;    /* the gate of --stop-after; NULL: there is none */
    const char *rule, *node; /* the rule and the node of --explain; node NULL: any node */
    fv_name_list names;      /* the names of all rules of the passes that ran */
    fv_name_list nodes;      /* the names of nodes and values of the model as it was read */
    const char *text;        /* the text of the rule; NULL: there is no rule of that name */
    fv_name_list said;       /* the lines of the report, in the order in which they are printed */
    bool applied;            /* whether the rule was applied in the current pass */
    bool matches; /* whether the rule matches the op that was tried last (set by ask_only) */
    attempt *all;
    int n, cap;
} explanation;

static void say(explanation *e, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(explanation *e, const char *format, ...) {
    va_list args;
    va_start(args, format);
    FV_PUSH(e->c->arena, e->said.at, e->said.n, e->said.cap, fv_vprintf(e->c->arena, format, args));
    va_end(args);
}

static bool is_asked_about(const explanation *e, const fv_op *op) {
    return !e->node || fv_op_is_called(op, e->node);
}

/* A gate that reports changes: applications of the rule and, if --explain names a node (RULE@NODE),
 * all changes of that node. */
static bool tell_change(void *user, const char *pass, const char *what, const fv_op *op) {
    explanation *e = user;
    if (e->outer && !e->outer->may(e->outer->user, pass, what, op))
        return false;
    bool is_rule = what && !strcmp(what, e->rule);
    if (op && what && is_asked_about(e, op) && (is_rule || e->node)) {
        e->applied |= is_rule;
        say(e, "%s: %s at %s", pass, is_rule ? "applied" : what, fv_op_place(e->c->arena, op));
    }
    return true;
}

/* ---- parts of patterns that did not match ---- */

/* Does the op have the operator at the root of the rule's pattern? */
static bool is_root(const fv_rule *r, const fv_op *op, fv_arena *a) {
    return !strcmp(fv_rule_root(r)->name, fv_opdef_qualified(a, op->def));
}

static bool ask_only(void *user, const fv_rule *r, const fv_op *op) {
    explanation *e = user;
    (void)r;
    (void)op;
    e->matches = true;
    return false;
}

/* Marks the ops on which results depend; ops that rules have replaced may still exist. Goes
 * backwards, since users follow the ops whose results they use. */
static void mark_live(const fv_region *block) {
    for (fv_op *op = block->last; op; op = op->prev) {
        op->mark =
            op->def == &fv_return_def ? !block->parent || block->parent->mark : op->def->has_effect;
        for (int i = 0; i < op->nout; i++)
            for (int k = 0; op->out[i] && k < op->out[i]->nuses; k++)
                op->mark |= op->out[i]->uses[k].op->mark;
        for (int i = 0; i < op->nattrs; i++)
            if (op->attrs[i].kind == FV_ATTR_REGION)
                mark_live(op->attrs[i].u.region);
    }
}

static void try_block(explanation *e, const fv_rule *r, const fv_region *block) {
    fv_arena *a = e->c->arena;
    for (fv_op *op = block->first; op; op = op->next) {
        for (int i = 0; i < op->nattrs; i++)
            if (op->attrs[i].kind == FV_ATTR_REGION)
                try_block(e, r, op->attrs[i].u.region);
        /* if a node was given, its ops of other operators are tried, too, unless the rule was
         * applied to it, which may have replaced its operator */
        bool worth = is_root(r, op, a) || (e->node && !e->applied);
        if (!worth || !op->mark || !is_asked_about(e, op))
            continue;
        attempt t = {.place = fv_op_place(a, op), .order = e->n};
        e->matches = false;
        if (fv_rule_apply_if(r, op, ask_only, e, &t.why) || e->matches)
            t.why.why = NULL;
        FV_PUSH(a, e->all, e->n, e->cap, t);
    }
}

/* Orders attempts by how much of the pattern matched, the largest part first. */
static int by_parts(const void *x, const void *y) {
    const attempt *a = x, *b = y;
    return a->why.parts != b->why.parts ? b->why.parts - a->why.parts : a->order - b->order;
}

static void tell_attempt(explanation *e, const attempt *t, const char *pass, const fv_rule *r,
                         fv_exactness most) {
    if (!t->why.why) {
        say(e, "%s: matches at %s%s", pass, t->place,
            r->exactness > most ? ", but the pass applies no approximate rules" : "");
        return;
    }
    say(e, "%s: not at %s: %d of %d parts match; %s", pass, t->place, t->why.parts,
        fv_rule_parts(r), t->why.why);
    if (*t->why.captured)
        say(e, "  there %s", t->why.captured);
}

static void explain(explanation *e, const fv_pass_run *p, const fv_rule *r, fv_exactness most) {
    e->n = 0;
    for (const fv_func *f = p->module->funcs; f; f = f->next) {
        mark_live(f->body);
        try_block(e, r, f->body);
    }
    if (e->n)
        qsort(e->all, (size_t)e->n, sizeof *e->all, by_parts);
    for (int i = 0; i < e->n && (i < MOST || e->c->args->print.verbose); i++)
        tell_attempt(e, &e->all[i], p->pass->name, r, most);
    if (e->n > MOST && !e->c->args->print.verbose)
        say(e, "%s: not at %d more, which have less of it; -v lists them", p->pass->name,
            e->n - MOST);
    if (!e->n && !e->applied)
        say(e, "%s: it leaves no %s%s", p->pass->name, e->node ? "op of " : fv_rule_root(r)->name,
            e->node ? e->node : "");
    e->applied = false;
}

static void settled(void *user, const fv_pass_run *p, const fv_rule *rules, int n,
                    fv_exactness most) {
    explanation *e = user;
    for (int i = 0; i < n; i++) {
        FV_PUSH(e->c->arena, e->names.at, e->names.n, e->names.cap, rules[i].name);
        if (strcmp(rules[i].name, e->rule))
            continue;
        fv_text t = {.arena = e->c->arena};
        fv_rule_print(&t, &rules[i]);
        e->text = t.s;
        explain(e, p, &rules[i], most);
    }
}

/* ---- names ---- */

static void split(explanation *e, const char *asked) {
    size_t n = strcspn(asked, "@");
    e->rule = fv_strndup(e->c->arena, asked, n);
    e->node = asked[n] ? fv_name_given(e->c->arena, asked + n + 1) : NULL;
}

static int no_rule(const explanation *e) {
    const fv_args *a = e->c->args;
    const char *near = e->names.n ? fv_nearest(e->rule, e->names.at) : NULL;
    if (!e->names.n)
        return fv_usage(a, "--explain %s: none of the passes that run has rules",
                        a->rewrite.explain);
    if (near)
        return fv_usage(
            a, "--explain %s: there is no rule '%s' in the passes that run; did you mean '%s'?",
            a->rewrite.explain, e->rule, near);
    return fv_usage(a, "--explain %s: there is no rule '%s' in the passes that run",
                    a->rewrite.explain, e->rule);
}

static int no_node(const explanation *e) {
    const char *near = fv_nearest(e->node, e->nodes.at);
    if (near)
        return fv_usage(e->c->args,
                        "--explain %s: there is no node or value '%s'; did you mean '%s'?",
                        e->c->args->rewrite.explain, e->node, near);
    return fv_usage(e->c->args, "--explain %s: there is no node or value '%s'",
                    e->c->args->rewrite.explain, e->node);
}

/* ---- all ---- */

static bool read_graph(fv_context *c, const fv_driver_options *o, fv_source *source) {
    if (!fv_driver_read(c->session, c->args->operand[0], o, source))
        return false;
    if (source->module && !source->module->definitions)
        return true;
    return fv_error(c->session, "holds %s; passes are for graphs",
                    source->module ? "definitions" : "kernels");
}

int fv_explain_rule(fv_context *c, const fv_driver_options *o) {
    explanation e = {.c = c, .outer = o->work.pipeline->gate};
    const fv_gate gate = {&e, tell_change};
    const fv_rule_watch watch = {&e, settled};
    fv_pipeline_options pipeline = *o->work.pipeline;
    fv_driver_options with = *o;
    fv_source source;
    if (c->args->result.output || c->args->result.emit || c->args->print.json)
        return fv_usage(c->args, "--explain prints no graph: %s does not apply",
                        c->args->result.output ? "--output"
                        : c->args->result.emit ? "--emit"
                                               : "--json");
    split(&e, c->args->rewrite.explain);
    pipeline.gate = &gate;
    pipeline.rules = &watch;
    with.work.pipeline = &pipeline;
    if (!read_graph(c, o, &source))
        return fv_failed(c);
    fv_list_names(c->arena, &e.nodes, source.module);
    FV_PUSH(c->arena, e.nodes.at, e.nodes.n, e.nodes.cap, NULL);
    if (e.node && !fv_module_has_name(source.module, e.node))
        return no_node(&e);
    if (!fv_driver_passes(source.module, &with))
        return fv_failed(c);
    FV_PUSH(c->arena, e.names.at, e.names.n, e.names.cap, NULL);
    e.names.n--;
    if (!e.text)
        return no_rule(&e);
    fv_out("%s\n", e.text);
    for (int i = 0; i < e.said.n; i++)
        fv_out("%s\n", e.said.at[i]);
    return FV_EXIT_OK;
}
