/* check.c - runs instances of a rule's pattern with and without the rule, and compares the
 * results. */
#include "passes/check.h"

#include <math.h>
#include <string.h>

#include "backend/expand/expand.h"
#include "backend/interp/interp.h"
#include "backend/lower.h"
#include "ir/catalogue/own.h"
#include "ir/graph/parse.h"
#include "ir/graph/print.h"
#include "ir/graph/verify.h"
#include "passes/check_case.h"
#include "passes/passes.h"

enum { MAX_PORTS = 64, TRIES_PER_INSTANCE = 200 };

/* A random instance of the pattern, and the seed of its inputs. */
typedef struct instance {
    fv_session *session;
    fv_arena *arena; /* the arena of this instance */
    const fv_rule *rule;
    const char *text;
    int64_t symbols[FV_CASE_SYMBOLS];
    uint64_t data; /* seed of the instance's inputs */
} instance;

/* The inputs and outputs of a run. */
typedef struct outcome {
    int status;
    int ninputs, noutputs;
    const char *names[MAX_PORTS];
    fv_tensor *inputs[MAX_PORTS], *outputs[MAX_PORTS];
} outcome;

/* ---- running ---- */

static int64_t symbol_value(const instance *c, const char *name) {
    for (int i = 0; i < FV_CASE_SYMBOLS; i++)
        if (!strcmp(name, fv_case_symbols[i]))
            return c->symbols[i];
    return 0;
}

static bool get_symbol(void *ctx, const fv_dim *symbol, int64_t *out) {
    *out = symbol_value(ctx, symbol->name);
    return true;
}

static fv_tensor *tensor_for(instance *c, const fv_port *port) {
    int64_t dims[FV_MAX_RANK];
    for (int i = 0; i < port->rank; i++)
        if (!fv_dim_eval(port->dims[i], get_symbol, c, &dims[i]))
            return NULL;
    return fv_tensor_new(c->arena, port->elem, port->rank, dims);
}

/* The seed of the data for an input; inputs of the same name get the same data, in whatever order
 * they are filled. */
static uint64_t seed_of(const instance *c, const char *name) {
    uint64_t h = c->data;
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
    return h;
}

static bool make_ports(instance *c, const fv_program *p, outcome *o) {
    if (p->ninputs > MAX_PORTS || p->noutputs > MAX_PORTS)
        return false;
    o->ninputs = p->ninputs;
    o->noutputs = p->noutputs;
    for (int i = 0; i < p->ninputs; i++) {
        fv_random r = {seed_of(c, p->inputs[i].name)};
        o->names[i] = fv_strdup(c->arena, p->inputs[i].name);
        if (!(o->inputs[i] = tensor_for(c, &p->inputs[i])))
            return false;
        fv_random_fill(&r, o->inputs[i]);
    }
    for (int i = 0; i < p->noutputs; i++)
        if (!(o->outputs[i] = tensor_for(c, &p->outputs[i])))
            return false;
    return true;
}

static int run(instance *c, const fv_program *p, outcome *o) {
    int64_t *dims = FV_NEW(c->arena, int64_t, p->symbols.n + 1);
    int64_t *out_dims = FV_NEW(c->arena, int64_t, fv_out_dims_size(p) + 1);
    const void *in[MAX_PORTS];
    void *out[MAX_PORTS];
    size_t bytes = 0;
    for (int i = 0; i < p->symbols.n; i++)
        dims[i] = symbol_value(c, p->symbols.all[i]->name);
    fv_interp *interp = fv_interp_new(p->arena, p);
    if (!interp || !make_ports(c, p, o))
        return FV_INTERNAL;
    for (int i = 0; i < p->ninputs; i++)
        in[i] = o->inputs[i]->data;
    for (int i = 0; i < p->noutputs; i++)
        out[i] = (void *)(uintptr_t)o->outputs[i]->data;
    int status = fv_interp_plan(interp, dims, &bytes, out_dims);
    void *work = fv_alloc_aligned(c->arena, bytes + 64, 64);
    return status ? status : fv_interp_run(interp, dims, in, out, out_dims, work, bytes, NULL);
}

/* Makes the results of all ops with one result additional results of the function, up to MAX_PORTS
 * in all. */
static void return_all(fv_module *m) {
    fv_region *body = m->funcs->body;
    fv_value *results[MAX_PORTS] = {body->last->in[0]};
    int n = 1;
    for (fv_op *op = body->first; op != body->last; op = op->next)
        if (op->nout == 1 && op->out[0] && op->out[0] != results[0] && n < MAX_PORTS)
            results[n++] = op->out[0];
    fv_op_erase(body->last);
    fv_region_return(body, n, results);
    m->funcs->result_names = NULL;
}

static bool lower_and_run(instance *c, fv_module *m, outcome *o) {
    static const char *const passes[] = {"legalise", "remove-dead", NULL};
    fv_lower_options options = {.target = fv_target_find("generic"), .naive = true};
    if (!fv_run_passes(m, passes, NULL))
        return false;
    fv_program *p = fv_lower(m, &options);
    if (!p)
        return false;
    fv_program_expand(p);
    o->status = run(c, p, o);
    if (o->status == FV_INTERNAL)
        fv_error(c->session, "the interpreter failed");
    fv_arena_free(p->arena);
    return o->status != FV_INTERNAL;
}

/* Runs the instance without the rule. False: it cannot be run. */
static bool run_left(instance *c, outcome *o) {
    fv_module *m = fv_module_parse(c->session, c->text, NULL);
    bool ok = m != NULL;
    if (ok && c->rule->exactness != FV_EXACT)
        return_all(m);
    ok = ok && lower_and_run(c, m, o);
    fv_module_free(m);
    return ok;
}

typedef enum { APPLIED, NO_MATCH, ILLEGAL } applied;

/* Runs the instance with the rule applied where the result of the pattern is computed. */
static applied run_right(instance *c, fv_arena *a, outcome *o, const char **why) {
    fv_module *m = fv_module_parse(c->session, c->text, NULL);
    fv_mismatch miss = {0, NULL};
    applied done = ILLEGAL;
    if (m && !fv_rule_apply(c->rule, m->funcs->body->last->in[0]->def, &miss)) {
        *why = fv_strdup(a, miss.why);
        done = fv_error_count(c->session) ? ILLEGAL : NO_MATCH;
    } else if (m && !fv_module_verify(m, NULL)) {
        (void)fv_error(c->session, "rule '%s' broke the module, see above", c->rule->name);
    } else if (m && lower_and_run(c, m, o))
        done = APPLIED;
    fv_module_free(m);
    return done;
}

/* ---- comparing ---- */

/* The distance between neighbouring floats of magnitude v. */
static double ulp(fv_elem e, double v) {
    static const struct {
        fv_elem elem;
        int digits, least;
    } types[] = {{FV_F32, 23, -126}, {FV_F64, 52, -1022}, {FV_F16, 10, -14}, {FV_BF16, 7, -126}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].elem == e) {
            int exponent = v == 0 ? types[i].least : ilogb(v);
            return ldexp(1,
                         (exponent < types[i].least ? types[i].least : exponent) - types[i].digits);
        }
    return 0;
}

static double element(const fv_tensor *t, size_t i) {
    return fv_elem_is_float(t->elem) ? fv_tensor_float(t, i) : (double)fv_tensor_int(t, i);
}

static bool same_bits(const fv_tensor *a, const fv_tensor *b, size_t i) {
    size_t size = (size_t)fv_elem_storage_bytes(a->elem);
    const char *p = a->data, *q = b->data;
    if (fv_elem_is_float(a->elem) && isnan(fv_tensor_float(a, i)) && isnan(fv_tensor_float(b, i)))
        return true;
    return !memcmp(p + i * size, q + i * size, size);
}

/* The largest magnitude among the values from which element i of the result is computed: element i
 * of each tensor of that size, any element of other tensors. NaNs are skipped; *finite becomes
 * false if one is NaN or infinite. */
static double largest(const fv_tensor *const *t, int n, size_t count, size_t i, bool *finite) {
    double most = 0;
    *finite = true;
    for (int k = 0; k < n; k++) {
        bool own = t[k]->count == count;
        for (size_t j = own ? i : 0; j < (own ? i + 1 : t[k]->count); j++) {
            double v = fabs(element(t[k], j));
            *finite &= isfinite(v) != 0;
            most = v > most ? v : most;
        }
    }
    return most;
}

/* Are the results equal enough for the rule's effect on numbers? Integers may differ by 1 if the
 * rule rounds elsewhere, because a number between two integers may be rounded to either. If all
 * inputs are finite and an intermediate value is not, any result is accepted. Otherwise a result
 * that is NaN or infinite must be the same on both sides. */
static bool close_enough(const fv_rule *r, const outcome *left, const fv_tensor *b, size_t i) {
    const fv_tensor *a = left->outputs[0];
    bool inputs_finite, all_finite;
    if (same_bits(a, b, i))
        return true;
    if (!fv_elem_is_float(a->elem))
        return fv_elem_is_int(a->elem) && r->exactness <= FV_ROUNDING &&
               fabs(element(a, i) - element(b, i)) <= 1;
    double in =
        largest((const fv_tensor *const *)left->inputs, left->ninputs, a->count, i, &inputs_finite);
    double most =
        largest((const fv_tensor *const *)left->outputs, left->noutputs, a->count, i, &all_finite);
    double x = element(a, i), y = element(b, i);
    if (inputs_finite && !all_finite)
        return true;
    if (!isfinite(x) || !isfinite(y))
        return false;
    most = fmax(fmax(most, in), fabs(y));
    return fabs(x - y) <= (r->exactness <= FV_ROUNDING ? FV_ROUNDING_ULPS * ulp(a->elem, most)
                                                       : r->tolerance * most);
}

/* The index of the first element whose results differ by more than the rule's effect on numbers
 * allows; 0 as well if types or shapes differ; -1: there is none. */
static int64_t difference(const fv_rule *r, const outcome *left, const outcome *right) {
    const fv_tensor *a = left->outputs[0], *b = right->outputs[0];
    if (a->elem != b->elem || a->count != b->count || a->rank != b->rank ||
        (a->rank && memcmp(a->dims, b->dims, (size_t)a->rank * sizeof *a->dims)))
        return 0;
    for (size_t i = 0; i < a->count; i++)
        if (r->exactness == FV_EXACT ? !same_bits(a, b, i) : !close_enough(r, left, b, i))
            return (int64_t)i;
    return -1;
}

/* ---- the text of a counterexample ---- */

static void put_tensor(fv_text *t, const char *name, const fv_tensor *x) {
    fv_text_printf(t, "%s[", name);
    for (int i = 0; i < x->rank; i++)
        fv_text_printf(t, "%s%lld", i ? ", " : "", (long long)x->dims[i]);
    fv_text_put(t, "] =");
    for (size_t i = 0; i < x->count && i < 16; i++)
        if (fv_elem_is_float(x->elem))
            fv_text_printf(t, " %.*g", x->elem == FV_F64 ? 17 : 9, fv_tensor_float(x, i));
        else
            fv_text_printf(t, " %lld", (long long)fv_tensor_int(x, i));
    fv_text_put(t, x->count > 16 ? " ...\n" : "\n");
}

static const char *tell(fv_arena *a, const instance *c, const outcome *left, const outcome *right,
                        int64_t at) {
    fv_text t = {.arena = a};
    fv_rule_print(&t, c->rule);
    fv_text_printf(&t, "\n%s", c->text);
    for (int i = 0; i < left->ninputs; i++)
        put_tensor(&t, left->names[i], left->inputs[i]);
    if (left->status || right->status)
        fv_text_printf(&t, "as it is: status %d; by the rule: status %d\n", left->status,
                       right->status);
    else {
        put_tensor(&t, "as it is", left->outputs[0]);
        put_tensor(&t, "by the rule", right->outputs[0]);
        fv_text_printf(&t, "element %lld differs\n", (long long)at);
    }
    return t.s;
}

static const char *tell_illegal(fv_arena *a, const instance *c) {
    fv_text t = {.arena = a};
    fv_rule_print(&t, c->rule);
    fv_text_printf(&t, "\n%sby the rule it cannot be compiled:\n", c->text);
    for (const fv_message *m = fv_messages(c->session); m; m = m->next)
        fv_text_printf(&t, "%s\n", fv_message_str(a, m));
    return t.s;
}

/* ---- the check ---- */

typedef struct check {
    fv_arena *arena; /* the arena of the report */
    fv_session *session;
    fv_rule_report *report;
    size_t smallest; /* size of the smallest counterexample so far: elements and characters */
} check;

static void note(check *k, size_t size, const char *text) {
    if (k->report->counterexample && size >= k->smallest)
        return;
    k->smallest = size;
    k->report->counterexample = text;
}

static size_t size_of(const instance *c, const outcome *o) {
    size_t n = strlen(c->text);
    for (int i = 0; i < o->ninputs; i++)
        n += o->inputs[i]->count * 16;
    return n;
}

/* Compares the results of both sides. An instance that cannot be run without the rule, or that the
 * rule does not match, is not counted; one that cannot be run with the rule is a counterexample. */
static void compare(check *k, instance *c) {
    outcome left = {0}, right = {0};
    if (!run_left(c, &left) || left.status == FV_BAD_DIM)
        return;
    applied done = run_right(c, k->arena, &right, &k->report->declined);
    if (done == NO_MATCH)
        return;
    k->report->compared++;
    if (done == ILLEGAL) {
        note(k, strlen(c->text), tell_illegal(k->arena, c));
        return;
    }
    int64_t at = left.status || right.status ? -1 : difference(c->rule, &left, &right);
    k->report->elements += left.status ? 0 : (int64_t)left.outputs[0]->count;
    if (left.status != right.status || at >= 0)
        note(k, size_of(c, &left), tell(k->arena, c, &left, &right, at));
}

static const char *first_message(fv_arena *a, fv_session *s) {
    const fv_message *m = fv_messages(s);
    return m ? fv_strdup(a, m->text) : NULL;
}

static void try_one(check *k, const fv_rule *r, fv_random *random, int size) {
    fv_module *m = fv_rule_instance(k->session, r, random, size);
    k->report->tried++;
    if (!m) {
        k->report->declined = first_message(k->arena, k->session);
        fv_messages_clear(k->session);
        return;
    }
    instance c = {k->session, fv_arena_new(k->session), r, .data = fv_random_next(random)};
    fv_text t = {.arena = c.arena};
    fv_module_print(&t, m, NULL, NULL);
    c.text = t.s;
    for (int i = 0; i < FV_CASE_SYMBOLS; i++)
        c.symbols[i] = fv_dim_symbol(m->dims, fv_case_symbols[i])->lo + fv_random_below(random, 4);
    fv_module_free(m);
    compare(k, &c);
    fv_arena_free(c.arena);
    fv_messages_clear(k->session);
}

static void try_all(check *k, const fv_rule *r, uint64_t seed, int instances) {
    fv_random random = {seed};
    fv_rule_report *report = k->report;
    int most =
        instances > INT32_MAX / TRIES_PER_INSTANCE ? INT32_MAX : instances * TRIES_PER_INSTANCE;
    for (int failed = 0; report->compared < instances && report->tried < most;) {
        int before = report->compared, size = 4 * before / instances + failed / 16;
        try_one(k, r, &random, size < 3 ? size : 3);
        failed = report->compared == before ? failed + 1 : 0;
    }
    if (report->compared == instances)
        report->declined = NULL;
}

bool fv_rule_check(fv_arena *a, const fv_rule *r, uint64_t seed, int instances,
                   fv_rule_report *report) {
    /* a session of its own, so that messages about instances that cannot be run do not reach the
     * caller */
    fv_session *session = fv_session_new();
    fv_door door;
    *report = (fv_rule_report){0};
    if (!session)
        fv_out_of_memory(fv_arena_session(a));
    if (FV_DOOR_OPEN(session, &door))
        fv_leave_too(fv_arena_session(a), session);
    fv_ops_lend(session, fv_arena_session(a));
    check k = {.arena = a, .session = session, .report = report};
    try_all(&k, r, seed, instances);
    fv_door_close(session, &door);
    fv_session_free(session);
    return !report->counterexample && report->compared == instances;
}
