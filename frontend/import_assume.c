/* import_assume.c - assumes a rank for inputs without a shape if neither their uses nor --dim
 * determine it: one with which the model is legal.
 *
 * The model is imported on trial with several ranks. The cost of a trial is the number of errors
 * and of nodes that could not be made because of them; declarations that contradict what is
 * computed cost less. First all inputs get the same rank, the most usual one first; then, beginning
 * with the best of these, the rank of one input at a time is varied. */
#include <limits.h>

#include "frontend/import.h"

#include "ir/base/text.h"

enum {
    MOST_INPUTS = 16, /* limit for inputs without a rank */
    SWEEPS = 2,       /* passes over the inputs, in which the rank of each is varied alone */
    AN_ERROR = 1024, /* cost of an error; that of all contradicting declarations together is less */
    A_RANK = 16      /* cost of a contradicting declaration with another rank; of others it is 1 */
};

/* usual ranks first: 2 is a row of features for each sample */
static const int usual[] = {2, 3, 4, 1, 0, 5, 6, 7, 8};
enum { RANKS = sizeof usual / sizeof *usual };

typedef struct search {
    fv_importer *im;
    const fv_import_options *options;
    int n;
    Onnx__ValueInfoProto *inputs[MOST_INPUTS];
    int ranks[MOST_INPUTS]; /* the best ranks so far, and their cost */
    int cost;
} search;

/* The cost of importing the model if its inputs have these ranks. */
static int cost_of(search *s, const int *ranks) {
    fv_session *session = s->im->s;
    const fv_message *last = fv_messages_last(session);
    int errors = fv_error_count(session);
    fv_faults f = fv_import_trial(s->im, s->options, (fv_ranks){s->n, ranks});
    int declared = f.ranks * A_RANK + (f.declared < A_RANK ? f.declared : A_RANK - 1);
    int wrong = fv_error_count(session) - errors + f.nodes;
    int cost = (wrong < INT_MAX / AN_ERROR - 1 ? wrong * AN_ERROR : INT_MAX - AN_ERROR) +
               (declared < AN_ERROR ? declared : AN_ERROR - 1);
    fv_messages_drop(session, last);
    return cost;
}

static bool is_better(search *s, const int *ranks) {
    int cost = cost_of(s, ranks);
    if (s->cost >= 0 && cost >= s->cost)
        return false;
    s->cost = cost;
    for (int i = 0; i < s->n; i++)
        s->ranks[i] = ranks[i];
    return true;
}

static void try_alike(search *s) {
    for (int r = 0; r < RANKS && s->cost != 0; r++) {
        int ranks[MOST_INPUTS];
        for (int i = 0; i < s->n; i++)
            ranks[i] = usual[r];
        (void)is_better(s, ranks);
    }
}

static bool vary_each(search *s) {
    bool better = false;
    for (int i = 0; i < s->n; i++)
        for (int r = 0; r < RANKS && s->cost != 0; r++) {
            int ranks[MOST_INPUTS];
            for (int k = 0; k < s->n; k++)
                ranks[k] = k == i ? usual[r] : s->ranks[k];
            if (usual[r] != s->ranks[i])
                better |= is_better(s, ranks);
        }
    return better;
}

/* A text that names the more usual ranks of input i with which the cost would be higher, the other
 * inputs unchanged. */
static const char *others(search *s, int i) {
    fv_text t = {.arena = s->im->tmp};
    int ranks[MOST_INPUTS];
    for (int k = 0; k < s->n; k++)
        ranks[k] = s->ranks[k];
    for (int r = 0; r < RANKS && usual[r] != s->ranks[i]; r++) {
        ranks[i] = usual[r];
        if (cost_of(s, ranks) > s->cost)
            fv_text_printf(&t, "%s%d", t.n ? ", " : ", unlike with ", usual[r]);
    }
    return t.n ? t.s : "";
}

static void take(search *s) {
    for (int i = 0; i < s->n; i++) {
        const char *name = fv_text_of(s->inputs[i]->name);
        fv_import_departs(
            s->im, FV_LENIENT_RANK, s->inputs[i], NULL,
            fv_printf(s->im->tmp, "--dim %s:AXIS=N of its last axis says another", name),
            "input '%s' has no shape: rank %d is assumed, with which the model is legal%s", name,
            s->ranks[i], others(s, i));
    }
    for (int i = 0; i < s->n; i++)
        fv_import_set_rank(s->im, s->inputs[i], s->ranks[i]);
}

void fv_import_assume_ranks(fv_importer *im, const fv_import_options *o) {
    search s = {.im = im, .options = o, .cost = -1};
    const Onnx__GraphProto *g = im->model->graph;
    for (size_t i = 0; i < g->n_input; i++) {
        if (!fv_import_is_open(im, g->input[i]))
            continue;
        if (s.n == MOST_INPUTS)
            return;
        s.inputs[s.n++] = g->input[i];
    }
    if (!s.n)
        return;
    try_alike(&s);
    for (int k = 0; k < SWEEPS && s.n > 1 && s.cost != 0 && vary_each(&s); k++)
        ;
    if (s.cost < AN_ERROR)
        take(&s);
}
