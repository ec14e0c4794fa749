/* stages.c - finds the places at which a graph is cut into stages. */
#include "passes/shard/stages.h"

#include <stdlib.h>
#include <string.h>

#include "ir/graph/symbols.h"
#include "passes/shard/parts.h"
#include "passes/shard/stage_marks.h"

/* Constants of more bytes than this, with several long axes, are weights, so ops that read them are
 * not repeated by other stages. */
enum { FEW_BYTES = 4096 };

/* A place where the graph may be cut: before an op. */
typedef struct place {
    fv_op *op;
    const char *node;   /* that the op belongs to */
    double bytes;       /* that are sent if it is cut here */
    uint64_t weights;   /* bytes of weights of all ops before it */
    int next_state_end; /* of the states that begin here or later, the first place where one ends */
} place;

/* The best division of the places before one of them into some stages. */
typedef struct division {
    double bytes;   /* that are sent */
    double squares; /* the sum of the squares of the weights of stages: least if they are equal */
    int from;       /* the place at which the last stage begins */
} division;

typedef struct search {
    fv_module *m;
    fv_arena *a;
    const int *states;
    fv_stage_marks *marks;
    fv_ptrmap constant; /* results that constants determine -> the bytes of these, as a pointer */
    fv_ptrmap at;       /* op -> 1 + its number in the block */
    int n;              /* ops, the return not counted */
    fv_op **ops;
    double *bytes;     /* for each op, the bytes that are sent if the graph is cut before it */
    uint64_t *weights; /* for each op, the bytes of its weights */
    int nplaces;
    place *places;       /* ascending; the last one is the end of the graph */
    division *divisions; /* for t stages, and all places before place k: [t * (nplaces + 1) + k] */
} search;

/* ---- ops that each stage repeats ---- */

static uint64_t constant_bytes(const search *s, const fv_value *v) {
    return v->kind == FV_VALUE_CONST ? v->tensor->bytes
                                     : (uint64_t)(uintptr_t)fv_ptrmap_get(&s->constant, v);
}

/* Is an operand that constants determine a weight: has it several axes of more than one element? */
static bool is_weight(const fv_value *v) {
    int axes = 0;
    for (int i = 0; v->type->kind == FV_TENSOR && i < v->type->rank; i++)
        axes += !fv_dim_is_one(v->type->dims[i]);
    return axes > 1;
}

static bool is_state(const search *s, const fv_value *v) {
    for (int i = 0; i < s->m->funcs->body->last->nin; i++)
        if (s->states[i] >= 0 && s->m->funcs->body->params[s->states[i]] == v)
            return true;
    return false;
}

/* Can other stages compute the operand, or have it as an input? */
static bool is_everywhere(const search *s, const fv_value *v) {
    return v->kind == FV_VALUE_CONST ||
           (v->kind == FV_VALUE_PARAM ? !is_state(s, v) : fv_stage_is_free(s->marks, v->def));
}

static bool has_region(const fv_op *op) {
    for (int i = 0; i < op->nattrs; i++)
        if (op->attrs[i].kind == FV_ATTR_REGION)
            return true;
    return false;
}

/* Is the op computed from constants alone? Records their bytes. */
static bool find_constant(search *s, const fv_op *op) {
    uint64_t bytes = 0;
    for (int i = 0; i < op->nin; i++) {
        uint64_t of_operand = op->in[i] ? constant_bytes(s, op->in[i]) : 0;
        if (op->in[i] && !of_operand)
            return false;
        bytes += of_operand;
    }
    for (int i = 0; i < op->nout; i++)
        if (bytes && op->out[i])
            *fv_ptrmap_at(&s->constant, op->out[i]) = (void *)(uintptr_t)bytes;
    return bytes > 0;
}

/* Does each stage that needs its results repeat the op? It must cost little: it is no product with
 * a weight, and reads no large constant; and what it reads must be everywhere. */
static bool is_repeated(search *s, const fv_op *op) {
    if (op->def->has_effect || op->def->distinct || op->def->recur || has_region(op))
        return false;
    if (find_constant(s, op))
        return true;
    bool product = fv_shard_is_contraction(op), vector = false;
    for (int i = 0; i < op->nin; i++) {
        const fv_value *v = op->in[i];
        uint64_t bytes = v ? constant_bytes(s, v) : 0;
        if (v && !is_everywhere(s, v))
            return false;
        if (bytes && is_weight(v) && (product || bytes > FEW_BYTES))
            return false;
        vector |= bytes > 0;
    }
    return !product || vector;
}

/* ---- what is sent ---- */

static bool nominal(void *ctx, const fv_dim *symbol, int64_t *out) {
    enum { NOMINAL = 64 };
    (void)ctx;
    *out = symbol->lo > NOMINAL ? symbol->lo : symbol->hi < NOMINAL ? symbol->hi : NOMINAL;
    return true;
}

/* Can the value be sent: is it a tensor of numbers, whose size does not depend on data? */
static bool can_send(const fv_type *t) {
    if (t->kind != FV_TENSOR || !(((fv_elem_set)1 << t->elem) & (FV_SET_NUMBER | FV_SET(BOOL))) ||
        fv_elem_bits(t->elem) < 8)
        return false;
    for (int i = 0; i < t->rank; i++)
        if (t->dims[i]->from_data)
            return false;
    return true;
}

static const fv_dim *bytes_of(const fv_module *m, const fv_type *t) {
    return fv_dim_mul(m->dims, fv_dim_product(m->dims, t->rank, t->dims),
                      fv_dim_const(m->dims, (fv_elem_bits(t->elem) + 7) / 8));
}

static const double never = 1e300; /* the bytes of what cannot be sent */

static double nominal_bytes(const search *s, const fv_type *t) {
    int64_t bytes;
    if (!can_send(t))
        return never;
    return fv_dim_eval(bytes_of(s->m, t), nominal, NULL, &bytes) ? (double)bytes : 1e30;
}

static int number_of(const search *s, const fv_op *op) {
    return (int)(intptr_t)fv_ptrmap_get(&s->at, op) - 1;
}

/* The number of the op of the body that contains the use; -1: it is the return. */
static int place_of_use(const search *s, const fv_use *use) {
    const fv_op *op = use->op;
    while (op->block->parent)
        op = op->block->parent;
    return number_of(s, op);
}

/* Cutting the graph after op `first`, up to before op `last`, sends so many bytes more. */
static void add_bytes(search *s, int first, int last, double bytes) {
    for (int i = first + 1; i <= last; i++)
        s->bytes[i] = s->bytes[i] + bytes > never ? never : s->bytes[i] + bytes;
}

static void add_result(search *s, int at, const fv_value *v) {
    int last = at;
    for (int k = 0; k < v->nuses; k++) {
        int user = place_of_use(s, &v->uses[k]);
        last = user > last ? user : last;
    }
    if (last > at)
        add_bytes(s, at, last, nominal_bytes(s, v->type));
}

/* Does the type mention a symbol that the run binds to data? */
static bool depends_on_data(const fv_type *t) {
    bool found = false;
    for (int i = 0; t->kind == FV_TENSOR && i < t->rank; i++)
        found |= t->dims[i]->from_data;
    return found;
}

/* Symbols of data are bound in one stage, so all ops that may mention them are in it. */
static void keep_data_together(search *s) {
    int first = -1, last = -1;
    for (int i = 0; i < s->n; i++) {
        const fv_op *op = s->ops[i];
        bool found = op->def->has_effect;
        for (int k = 0; k < op->nout && !found; k++)
            found = op->out[k] && depends_on_data(op->out[k]->type);
        for (int k = 0; k < op->nattrs && !found; k++)
            for (int d = 0; op->attrs[k].kind == FV_ATTR_DIMS && d < op->attrs[k].n; d++)
                found |= op->attrs[k].u.dims[d]->from_data;
        first = found && first < 0 ? i : first;
        last = found ? i : last;
    }
    if (first >= 0)
        add_bytes(s, first, last, never);
}

/* ---- states ---- */

/* The ops from the first to the last one that belong to the state of result i. False: it cannot
 * belong to one stage alone. */
static bool span_of(const search *s, int i, int *first, int *last) {
    const fv_region *body = s->m->funcs->body;
    const fv_value *in = body->params[s->states[i]], *out = body->last->in[i];
    if (out->kind != FV_VALUE_RESULT || fv_stage_is_free(s->marks, out->def))
        return false;
    *first = *last = number_of(s, out->def);
    for (int k = 0; k < in->nuses; k++) {
        int user = place_of_use(s, &in->uses[k]);
        if (user < 0)
            return false;
        *first = user < *first ? user : *first;
        *last = user > *last ? user : *last;
    }
    return true;
}

/* A state that is cut becomes an output of all stages. */
static void add_states(search *s) {
    const fv_region *body = s->m->funcs->body;
    for (int i = 0, first, last; i < body->last->nin; i++)
        if (s->states[i] >= 0 && span_of(s, i, &first, &last))
            add_bytes(s, first, last, 2 * nominal_bytes(s, body->last->in[i]->type));
}

/* Of the states that begin at op `at` or later, the number after the last op of the one that ends
 * first; INT_MAX: there is none. */
static int first_end_of_state(const search *s, int at) {
    int end = INT32_MAX;
    for (int i = 0, first, last; i < s->m->funcs->body->last->nin; i++)
        if (s->states[i] >= 0 && span_of(s, i, &first, &last) && first >= at && last + 1 < end)
            end = last + 1;
    return end;
}

/* ---- reading the graph ---- */

/* The bytes of the weights that the op reads, in its regions as well. */
static uint64_t weights_of(const search *s, const fv_op *op) {
    uint64_t bytes = 0;
    for (int i = 0; i < op->nin; i++)
        bytes += op->in[i] && is_weight(op->in[i]) ? constant_bytes(s, op->in[i]) : 0;
    for (int i = 0; i < op->nattrs; i++)
        if (op->attrs[i].kind == FV_ATTR_REGION)
            for (const fv_op *inner = op->attrs[i].u.region->first; inner; inner = inner->next)
                bytes += weights_of(s, inner);
    return bytes;
}

static void read_graph(search *s) {
    fv_region *body = s->m->funcs->body;
    for (const fv_op *op = body->first; op != body->last; op = op->next)
        s->n++;
    s->ops = FV_NEW(s->a, fv_op *, s->n + 1);
    s->bytes = FV_NEW(s->a, double, s->n + 1);
    s->weights = FV_NEW(s->a, uint64_t, s->n + 1);
    s->n = 0;
    for (fv_op *op = body->first; op != body->last; op = op->next) {
        s->ops[s->n++] = op;
        *fv_ptrmap_at(&s->at, op) = (void *)(intptr_t)s->n;
        fv_stage_mark *mark = fv_stage_mark_new(s->marks, op);
        mark->free = is_repeated(s, op);
    }
    for (int i = 0; i < s->n; i++) {
        bool free = fv_stage_is_free(s->marks, s->ops[i]);
        s->weights[i] = free ? 0 : weights_of(s, s->ops[i]);
        for (int k = 0; k < s->ops[i]->nout && !free; k++)
            if (s->ops[i]->out[k])
                add_result(s, i, s->ops[i]->out[k]);
    }
    keep_data_together(s);
    add_states(s);
}

/* Collects the places: before the first op of each node, of those that stages do not repeat. */
static void find_places(search *s) {
    fv_ptrmap seen = fv_ptrmap_in(s->a);
    uint64_t weights = 0;
    s->places = FV_NEW(s->a, place, s->n + 2);
    for (int i = 0; i < s->n; i++) {
        fv_op *op = s->ops[i];
        bool free = fv_stage_is_free(s->marks, op);
        const char *node = op->nout && op->out[0] && !free ? fv_shard_node(s->a, op) : NULL;
        void **known = node ? fv_ptrmap_at(&seen, fv_intern(s->m->session, node)) : NULL;
        if (known && !*known && (s->nplaces == 0 || s->bytes[i] < never))
            s->places[s->nplaces++] =
                (place){op, node, s->bytes[i], weights, first_end_of_state(s, i)};
        if (known)
            *known = op;
        weights += s->weights[i];
    }
    s->places[s->nplaces] = (place){NULL, NULL, 0, weights, INT32_MAX};
}

/* ---- dividing ---- */

/* The number of the op at a place. */
static int op_at(const search *s, int i) {
    return s->places[i].op ? number_of(s, s->places[i].op) : s->n;
}

/* Can the ops from place i up to place k be a stage? If the graph has states, it must have one: a
 * program that continues a sequence could not tell what is left to do without one. */
static bool is_stage(const search *s, int i, int k) {
    return s->places[0].next_state_end == INT32_MAX || s->places[i].next_state_end <= op_at(s, k);
}

static bool is_better(const division *a, const division *b) {
    return a->bytes < b->bytes || (a->bytes == b->bytes && a->squares < b->squares);
}

/* Finds the best division of the places before place k into t stages of at most `most` bytes of
 * weights, from those into a stage less. */
static division best_of(const search *s, const division *before, int k, uint64_t most) {
    division best = {never, never, 0};
    for (int i = k - 1; i >= 0 && s->places[k].weights - s->places[i].weights <= most; i--) {
        double weights = (double)(s->places[k].weights - s->places[i].weights);
        division d = {before[i].bytes + (i ? s->places[i].bytes : 0),
                      before[i].squares + weights * weights, i};
        if (is_better(&d, &best) && is_stage(s, i, k))
            best = d;
    }
    return best;
}

/* Divides the places into stages of at most `most` bytes of weights, sending the fewest bytes, and
 * among such divisions as evenly as possible. The places at which stages begin are set in `begins`.
 * False: that is not possible. */
static bool divide(const search *s, int stages, uint64_t most, int *begins) {
    int n = s->nplaces + 1;
    division *all = s->divisions;
    for (int k = 0; k < n; k++)
        all[k] = k ? (division){never, never, 0} : (division){0};
    for (int t = 1; t <= stages; t++)
        for (int k = 0; k < n; k++)
            all[t * n + k] = best_of(s, all + (t - 1) * n, k, most);
    if (all[stages * n + n - 1].bytes >= never)
        return false;
    for (int t = stages, k = n - 1; t > 0; t--)
        begins[t - 1] = k = all[t * n + k].from;
    return true;
}

/* The fewest bytes of weights that the largest stage can have. */
static uint64_t least_weights(const search *s, int stages, int *begins) {
    uint64_t low = 0, high = s->places[s->nplaces].weights;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (divide(s, stages, middle, begins))
            high = middle;
        else
            low = middle + 1;
    }
    return high;
}

static bool choose(search *s, int stages, int *begins) {
    uint64_t all = s->places[s->nplaces].weights;
    bool states = s->places[0].next_state_end != INT32_MAX;
    s->divisions = FV_NEW(s->a, division, (size_t)(stages + 1) * (size_t)(s->nplaces + 1));
    if (!s->nplaces || !divide(s, stages, all, begins))
        return fv_error(s->m->session,
                        "cannot be cut into %d stages: there are not so many places where %s",
                        stages,
                        states ? "tensors can be sent, with a state of the model in each stage"
                               : "tensors can be sent");
    uint64_t least = least_weights(s, stages, begins);
    return divide(s, stages, least + least / 4, begins);
}

/* The places that the caller has chosen. */
static bool take_begins(search *s, int stages, const char *const *names, int *begins) {
    for (int t = 1; t < stages; t++) {
        int i = 0;
        while (i < s->nplaces && strcmp(s->places[i].node, names[t - 1]))
            i++;
        if (i == s->nplaces)
            return fv_error(s->m->session,
                            "the plan begins a stage with node '%s': the model has none, or none "
                            "before which it can be cut",
                            names[t - 1]);
        if (i <= begins[t - 1])
            return fv_error(s->m->session,
                            "the plan begins stage %d with node '%s', which is not after those of "
                            "the stage before",
                            t, names[t - 1]);
        if (!is_stage(s, begins[t - 1], i))
            return fv_error(s->m->session, "stage %d of the plan has no state of the model", t - 1);
        begins[t] = i;
    }
    return is_stage(s, begins[stages - 1], s->nplaces) ||
           fv_error(s->m->session, "stage %d of the plan has no state of the model", stages - 1);
}

/* ---- the plan ---- */

static void set_stages(search *s, int stages, const int *begins, fv_stage_plan *out) {
    int stage = 0;
    out->begins = FV_NEW(s->a, const char *, stages);
    out->weights = FV_NEW(s->a, uint64_t, stages);
    for (int t = 1; t < stages; t++)
        out->begins[t - 1] = s->places[begins[t]].node;
    for (int i = 0; i < s->n; i++) {
        while (stage + 1 < stages && i >= op_at(s, begins[stage + 1]))
            stage++;
        fv_stage_mark_of(s->marks, s->ops[i])->stage = stage;
        out->weights[stage] += s->weights[i];
    }
}

static void set_states(search *s, fv_stage_plan *out) {
    for (int i = 0, first, last; i < s->m->funcs->body->last->nin; i++) {
        if (s->states[i] < 0 || !span_of(s, i, &first, &last))
            continue;
        fv_stage_state state = {fv_stage_mark_of(s->marks, s->ops[first])->stage, s->states[i], i};
        if (fv_stage_mark_of(s->marks, s->ops[last])->stage == state.stage)
            FV_PUSH(s->a, out->states, out->nstates, out->cap_states, state);
    }
}

static void add_transfer(search *s, fv_stage_plan *out, const fv_value *v, int to, bool is_output) {
    fv_stage_transfer t = {.name = fv_shard_node(s->a, v->def),
                           .from = fv_stage_mark_of(s->marks, v->def)->stage,
                           .to = to,
                           .is_output = is_output,
                           .bytes = bytes_of(s->m, v->type)};
    FV_PUSH(s->a, out->transfers, out->ntransfers, out->cap_transfers, t);
}

static bool set_transfers(search *s, fv_stage_plan *out) {
    const fv_op *end = s->m->funcs->body->last;
    for (int i = 0; i < s->n; i++)
        for (int k = 0; k < s->ops[i]->nout; k++)
            for (int t = 0; s->ops[i]->out[k] && t < out->stages; t++)
                if (fv_stage_is_sent(s->marks, s->ops[i]->out[k], t))
                    add_transfer(s, out, s->ops[i]->out[k], t, false);
    for (int i = 0; i < end->nin; i++)
        for (int t = 0; t < out->stages; t++) {
            if (!fv_stage_is_sent_as_output(s->marks, out, s->m, i, t))
                continue;
            if (!can_send(end->in[i]->type))
                return fv_error(s->m->session,
                                "output '%s' cannot be sent to all stages: its size depends on "
                                "data, or it is no tensor of numbers of 8 bits or more",
                                s->m->funcs->result_names ? s->m->funcs->result_names[i]
                                                          : end->in[i]->name);
            add_transfer(s, out, end->in[i], t, true);
        }
    return true;
}

/* Has a stage an input with the symbol in its dims? */
static bool has_symbol(const search *s, const fv_stage_plan *plan, int stage,
                       const fv_dim *symbol) {
    const fv_region *body = s->m->funcs->body;
    for (int i = 0; i < body->nparams; i++) {
        bool other = false;
        for (int k = 0; k < plan->nstates && !other; k++)
            other = plan->states[k].input == i && plan->states[k].stage != stage;
        if (!other && fv_value_mentions(body->params[i], symbol))
            return true;
    }
    return false;
}

/* Checks that every stage can compute the dims of all states. All symbols that depend on no data
 * are in dims of inputs, so each stage has a value for every symbol then. */
static bool check_symbols(const search *s, const fv_stage_plan *plan) {
    const fv_dim *const *symbols;
    int n = fv_dim_symbols(s->m->dims, &symbols);
    for (int k = 0; k < plan->nstates; k++) {
        const fv_stage_state *state = &plan->states[k];
        const fv_value *v = s->m->funcs->body->params[state->input];
        for (int i = 0; i < n; i++)
            for (int t = 0; t < plan->stages && fv_value_mentions(v, symbols[i]); t++)
                if (!has_symbol(s, plan, t, symbols[i]))
                    return fv_error(s->m->session,
                                    "cannot be cut into these %d stages: state '%s' of stage %d "
                                    "has the dim '%s', and no input of stage %d gives it a value; "
                                    "--dim %s=N makes it a number",
                                    plan->stages, v->name, state->stage, symbols[i]->name, t,
                                    symbols[i]->name);
    }
    return true;
}

bool fv_stages_find(fv_module *m, int stages, const int *states, const char *const *begins,
                    fv_stage_plan *out) {
    search s = {.m = m,
                .a = m->arena,
                .states = states,
                .marks = fv_stage_marks_new(m),
                .constant = fv_ptrmap_in(m->arena),
                .at = fv_ptrmap_in(m->arena)};
    int *places = FV_NEW(m->arena, int, stages + 1);
    *out = (fv_stage_plan){.stages = stages, .marks = s.marks};
    if (stages == 1)
        return true;
    read_graph(&s);
    find_places(&s);
    if (begins ? !take_begins(&s, stages, begins, places) : !choose(&s, stages, places))
        return false;
    set_stages(&s, stages, places, out);
    set_states(&s, out);
    return check_symbols(&s, out) && set_transfers(&s, out);
}
