/* dims.c - values for the symbolic dims of a run. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ir/dim/option.h"
#include "tools/model/model.h"

static bool says(const char *name, const char *const *words) {
    for (int i = 0; words[i]; i++)
        if (strcasestr(name, words[i]))
            return true;
    return false;
}

typedef enum { OTHER, BATCH, SEQUENCE, PAST, TOTAL, IMAGE, VOLUME } role;

/* The role of a symbol, derived from its name. For a symbol that is named after an input's axis
 * (INPUT_AXIS) the role is OTHER, since the input's name is not considered. */
static role role_of_name(const char *name) {
    static const char *const past[] = {"past", NULL}, *const total[] = {"total", NULL},
                             *const batch[] = {"batch", NULL}, *const sequence[] = {"seq",  "len",
                                                                                    "time", "token",
                                                                                    "step", "frame",
                                                                                    NULL};
    size_t n = strlen(name);
    while (n && name[n - 1] >= '0' && name[n - 1] <= '9')
        n--;
    bool is_axis = n && name[n] && name[n - 1] == '_';
    return is_axis                ? OTHER
           : says(name, batch)    ? BATCH
           : says(name, total)    ? TOTAL
           : says(name, past)     ? PAST
           : says(name, sequence) ? SEQUENCE
                                  : OTHER;
}

/* The role of symbol s: by its name, or else by what the graph uses it for. */
static role role_of(const fv_subject *m, int s) {
    const char *name = m->table->symbols[s].name;
    unsigned place = 0;
    for (int i = 0; i < m->implied.nplaces; i++)
        if (!strcmp(m->implied.places[i].name, name))
            place = m->implied.places[i].place;
    role r = role_of_name(name);
    if (r != OTHER)
        return r;
    return place & FV_SYMBOL_IMAGE      ? IMAGE
           : place & FV_SYMBOL_VOLUME   ? VOLUME
           : place & FV_SYMBOL_CACHE    ? PAST
           : place & FV_SYMBOL_SEQUENCE ? SEQUENCE
                                        : OTHER;
}

/* The usual value of a total length: the sum of the past and the new length, if exactly two symbols
 * are such lengths and have values; otherwise 128. */
static int64_t usual_total(const fv_subject *m) {
    int64_t sum = 0;
    int parts = 0;
    for (int i = 0; i < m->table->nsymbols; i++) {
        role r = role_of(m, i);
        if ((r != PAST && r != SEQUENCE) || !m->data.known[i] ||
            __builtin_add_overflow(sum, m->data.dims[i], &sum))
            continue;
        parts++;
    }
    return parts == 2 ? sum : 128;
}

/* Is symbol s the capacity of a state? *need: the size of the output for which the capacity must
 * suffice. */
static bool is_capacity(const fv_subject *m, int s, int64_t *need) {
    const fv_model *t = m->table;
    bool found = false;
    *need = 0;
    for (int i = 0; i < t->noutputs; i++) {
        const fv_port_info *p = &t->outputs[i];
        int64_t n;
        if (!p->in_place || fv_dim_text_symbol(t, p->capacity) != s)
            continue;
        found = true;
        if (fv_eval_dim_text(t, m->data.dims, p->dims[p->in_place - 1], &n) && n > *need)
            *need = n;
    }
    return found;
}

/* The usual length for a role, `doubled` times doubled; if that is negative, sides are halved. */
static int64_t scaled(role r, int64_t length, int doubled) {
    bool side = r == IMAGE || r == VOLUME;
    if (doubled >= 0)
        return side || r == SEQUENCE ? length << doubled : length;
    return side && length >> -doubled > 0 ? length >> -doubled : length;
}

static int64_t usual(const fv_subject *m, int s, int doubled) {
    static const int64_t values[] = {
        [OTHER] = 1, [BATCH] = 1, [SEQUENCE] = 128, [PAST] = 0, [IMAGE] = 224, [VOLUME] = 64};
    const fv_symbol_info *y = &m->table->symbols[s];
    role r = role_of(m, s);
    int64_t v = r == TOTAL ? usual_total(m) : scaled(r, values[r], doubled), need;
    v = is_capacity(m, s, &need) ? need : v;
    return v < y->lo ? y->lo : v > y->hi ? y->hi : v;
}

static int find(const fv_model *t, const char *name, size_t n) {
    for (int i = 0; i < t->nsymbols; i++)
        if (strlen(t->symbols[i].name) == n && !memcmp(t->symbols[i].name, name, n))
            return i;
    return -1;
}

/* ---- --at, and --dim for kernels and compiled libraries, whose reader does not take it ---- */

/* The text of the dim at INPUT:AXIS; "": there is no such input or axis. */
static const char *symbol_at(const fv_model *t, const fv_dim_option *o) {
    for (int i = 0; i < t->ninputs; i++)
        if (!strcmp(t->inputs[i].name, o->input))
            return o->axis < t->inputs[i].rank ? t->inputs[i].dims[o->axis] : "";
    return "";
}

static bool is_size(const char *dim, int64_t n) {
    char *end;
    return strtoll(dim, &end, 10) == n && *dim && !*end;
}

static bool take_argument(fv_context *c, fv_subject *m, const char *flag, const char *arg) {
    fv_dim_option o;
    /* errors of syntax were reported before: by fv_args_check_lists, or by the call of a script */
    if (fv_dim_option_parse(c->arena, arg, &o))
        return false;
    o.flag = flag;
    int s = find(m->table, o.name, strlen(o.name));
    const char *dim = s < 0 && o.input ? symbol_at(m->table, &o) : "";
    if (*dim)
        s = fv_dim_text_symbol(m->table, dim);
    if (s < 0 && is_size(dim, o.lo) && o.lo == o.hi)
        return true;
    if (s < 0 && *dim)
        return fv_dim_option_error(c->session, &o, fv_printf(c->arena, "that dim is %s", dim));
    if (s < 0) {
        const char **names = FV_NEW(c->arena, const char *, m->table->nsymbols + 1);
        for (int i = 0; i < m->table->nsymbols; i++)
            names[i] = m->table->symbols[i].name;
        return fv_dim_option_unknown(c->session, c->arena, &o, names);
    }
    if (o.lo != o.hi)
        return fv_dim_option_error(c->session, &o, "a run takes one value");
    m->data.dims[s] = o.lo;
    m->data.known[s] = 1;
    return true;
}

/* ---- assumptions of the model, such as total = past + seq ---- */

typedef struct chooser {
    fv_context *c;
    fv_subject *m;
    /* bounds of the symbols; NULL: only the table is known, or the given values contradict the
     * relations */
    fv_bounds *bounds;
    int *taken; /* the symbols that took their usual value, in that order */
    int ntaken;
} chooser;

/* Symbol s of the table as a dim of the graph; NULL: the graph does not have it. */
static const fv_dim *in_graph(const fv_subject *m, int s) {
    return fv_dim_find(m->source.module->dims, m->table->symbols[s].name);
}

fv_bounds *fv_subject_bounds(fv_context *c, const fv_subject *m) {
    fv_module *g = m->source.module;
    fv_bounds *b = g ? fv_bounds_new(c->arena, g) : NULL;
    for (int i = 0; i < m->implied.nlacks && b; i++)
        fv_bounds_assume(b, m->implied.lacks[i], fv_dim_const(g->dims, 0));
    for (int s = 0; b && s < m->table->nsymbols; s++) {
        const fv_symbol_info *y = &m->table->symbols[s];
        const fv_dim *d = in_graph(m, s);
        if (d && !fv_bounds_within(b, d, m->data.known[s] ? m->data.dims[s] : y->lo,
                                   m->data.known[s] ? m->data.dims[s] : y->hi))
            return NULL; /* the values contradict the relations; the run will report that */
    }
    return b;
}

/* Sets symbols for which the relations leave only one value. */
static void derive(const chooser *h) {
    const fv_subject *m = h->m;
    for (int s = 0; h->bounds && s < m->table->nsymbols; s++) {
        const fv_dim *d = in_graph(m, s);
        int64_t lo, hi;
        if (!d || m->data.known[s])
            continue;
        fv_bounds_get(h->bounds, d, &lo, &hi);
        m->data.dims[s] = lo;
        m->data.known[s] = lo == hi;
    }
}

static bool is_alone(const fv_subject *m, const fv_dim *side, int s) {
    return side->kind == FV_DIM_SYMBOL && !strcmp(side->name, m->table->symbols[s].name);
}

/* The round in which a symbol is chosen: first past lengths, from which others follow (0 if
 * possible); then symbols that are not one side of a relation by themselves; then the others;
 * capacities last. */
enum { ROUNDS = 4 };

static int round_of(const fv_subject *m, int s) {
    const fv_module *g = m->source.module;
    role r = role_of(m, s);
    int64_t need;
    if (is_capacity(m, s, &need))
        return ROUNDS - 1;
    if (r == PAST || r == TOTAL)
        return r == PAST ? 0 : 2;
    for (int i = 0; g && i < g->nrelations; i++)
        if (is_alone(m, g->relations[i].a, s) || is_alone(m, g->relations[i].b, s))
            return 2;
    return 1;
}

/* ---- all ---- */

/* Chooses the allowed value nearest to the wish; 0, with which a model computes nothing, only if it
 * is the wish or no other is allowed. */
static bool choose(const chooser *h, const fv_dim *d, int64_t wish, int64_t *out) {
    /* a choice narrows the bounds for good, so the one that may fail has its own */
    fv_bounds *own = wish > 0 ? fv_subject_bounds(h->c, h->m) : NULL;
    if (own && fv_bounds_within(own, d, 1, FV_DIM_MAX) && fv_bounds_choose(own, d, wish, out) &&
        fv_bounds_within(h->bounds, d, *out, *out))
        return true;
    return fv_bounds_choose(h->bounds, d, wish, out);
}

static void take_usual(chooser *h, int s, int doubled) {
    const fv_subject *m = h->m;
    const fv_dim *d = h->bounds ? in_graph(m, s) : NULL;
    int64_t wish = usual(m, s, doubled);
    if (!d || !choose(h, d, wish, &m->data.dims[s]))
        m->data.dims[s] = wish;
    m->data.known[s] = 1;
    h->taken[h->ntaken++] = s;
}

static bool is_all_known(const fv_subject *m) {
    int n = 0;
    while (n < m->table->nsymbols && m->data.known[n])
        n++;
    return n == m->table->nsymbols;
}

/* Chooses all dims that are not known. Returns the number of those that take their usual value,
 * which are in `taken`. */
static int choose_others(fv_context *c, fv_subject *m, int doubled, int *taken) {
    chooser h = {c, m, fv_subject_bounds(c, m), taken, 0};
    derive(&h);
    for (int round = 0; round < ROUNDS; round++)
        for (int s = 0; s < m->table->nsymbols; s++)
            if (!m->data.known[s] && round_of(m, s) == round) {
                take_usual(&h, s, doubled);
                derive(&h);
            }
    return h.ntaken;
}

/* Has output i an element? Dims that data decide count as such that may have. */
static bool has_elements(const fv_subject *m, int i) {
    const fv_port_info *p = &m->table->outputs[i];
    int64_t n;
    for (int k = 0; k < p->rank && !p->depends_on_data; k++)
        if (fv_eval_dim_text(m->table, m->data.dims, p->dims[k], &n) && n <= 0)
            return false;
    return true;
}

static int number_empty(const fv_subject *m) {
    int n = 0;
    for (int i = 0; i < m->table->noutputs; i++)
        n += !has_elements(m, i);
    return n;
}

static bool chosen(void *subject, const fv_dim *symbol, int64_t *out) {
    const fv_subject *m = subject;
    int s = find(m->table, symbol->name, strlen(symbol->name));
    *out = s < 0 ? 0 : m->data.dims[s];
    return s >= 0;
}

/* Has a value of the graph so many elements that a run takes long, as the scores of an attention
 * between all pixels of an image have? */
static bool is_large(fv_subject *m) {
    enum { MOST_ELEMENTS = 1 << 26 };
    int64_t n;
    for (int i = 0; i < m->implied.nsizes; i++)
        if (fv_dim_eval(m->implied.sizes[i], chosen, m, &n) && n > MOST_ELEMENTS)
            return true;
    return false;
}

/* Chooses all dims that are not known. Signals and images may have to be longer than usual before
 * windows leave something of them: takes the least doubling for which fewest outputs are empty. */
static void choose_all(fv_context *c, fv_subject *m, bool quietly) {
    enum { MOST_HALVED = 4, MOST_DOUBLED = 10 };
    const size_t n = (size_t)m->table->nsymbols;
    unsigned char *given = FV_NEW(c->arena, unsigned char, n + 1);
    int *taken = FV_NEW(c->arena, int, n + 1), ntaken, doubled = 0, best = 0;
    fv_subject_graph(c, m); /* reads the graph, which has relations, and says what symbols are */
    memcpy(given, m->data.known, n);
    ntaken = choose_others(c, m, 0, taken);
    int fewest = number_empty(m);
    int step = is_large(m) ? -1 : fewest ? 1 : 0;
    while (step && doubled > -MOST_HALVED && doubled < MOST_DOUBLED) {
        memcpy(m->data.known, given, n);
        ntaken = choose_others(c, m, doubled += step, taken);
        int empty = number_empty(m);
        if (empty < fewest || (step < 0 && empty == fewest)) {
            fewest = empty;
            best = doubled;
        }
        if (step < 0 ? !is_large(m) : !fewest)
            break;
    }
    if (doubled != best) {
        memcpy(m->data.known, given, n);
        ntaken = choose_others(c, m, best, taken);
    }
    for (int i = 0; i < ntaken && !quietly; i++) {
        const char *name = m->table->symbols[taken[i]].name;
        fv_note(c, "dim '%s' is not given, %" PRId64 " is taken; --dim %s=N sets it", name,
                m->data.dims[taken[i]], fv_option_name(c->arena, name));
    }
}

bool fv_has_work(fv_context *c, const fv_subject *m, const char *what) {
    if (!m->table->noutputs || number_empty(m) < m->table->noutputs)
        return true;
    fv_diag_file(c->session, m->path);
    const char *where = fv_dims_str(c->arena, m->table, m->data.dims);
    return fv_error(c->session,
                    "there is nothing to %s: no output has an element%s%s; --dim NAME=N sets a dim",
                    what, *where ? " where " : "", where);
}

bool fv_choose_dims(fv_context *c, fv_subject *m, bool quietly) {
    const fv_model *t = m->table;
    fv_log *log = fv_log_new();
    bool ok = true;
    for (int i = 0; i < c->args->code.dims.n && !fv_file_is_graph(m->source.kind) && ok; i++)
        ok = take_argument(c, m, "--dim", c->args->code.dims.at[i]);
    for (int i = 0; i < c->args->data.at.n && ok; i++)
        ok = take_argument(c, m, "--at", c->args->data.at.at[i]);
    if (ok && fv_find_dims(t, m->data.inputs, m->data.given, m->data.dims, m->data.known, log))
        ok = fv_say_log(c, log);
    if (ok && !is_all_known(m))
        choose_all(c, m, quietly);
    if (ok && fv_check_dims(t, m->data.inputs, m->data.given, m->data.dims, log))
        ok = fv_say_log(c, log);
    fv_log_free(log);
    return ok;
}

const char *fv_dims_str(fv_arena *a, const fv_model *table, const int64_t *dims) {
    fv_text t = {.arena = a};
    fv_text_put(&t, "");
    for (int i = 0; i < table->nsymbols; i++)
        fv_text_printf(&t, "%s%s = %" PRId64, i ? ", " : "", table->symbols[i].name, dims[i]);
    return t.s;
}

json_t *fv_json_symbols(const fv_model *table, const int64_t *dims) {
    json_t *o = json_object();
    for (int i = 0; i < table->nsymbols; i++)
        fv_json_set_int(o, table->symbols[i].name, dims[i]);
    return o;
}
