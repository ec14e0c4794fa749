/* graph.c - random graphs: values, dims, lines, and which results have to agree. */
#include "tests/matrix/graph.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ir/dim/text.h"
#include "ir/graph/parse.h"
#include "ir/graph/verify.h"
#include "tests/matrix/graph_data.h"

/* ---- grids ---- */

static int significant_bits(fv_elem e) {
    switch (e) {
    case FV_F64: return 53;
    case FV_F32: return 24;
    case FV_F16: return 11;
    case FV_BF16: return 8;
    default: return 0;
    }
}

/* Nor subnormal, nor infinite. */
bool grid_fits(grid x, fv_elem e) {
    int range = e == FV_F64 ? 1000 : e == FV_F16 ? 14 : 120;
    return x.on && x.bound - x.unit <= significant_bits(e) && x.bound <= range && x.unit >= -range;
}

grid grid_join(int n, gvalue *const *values) {
    grid all = {0};
    for (int i = 0; i < n; i++) {
        if (!values[i] || !fv_elem_is_float(values[i]->elem))
            continue;
        grid x = values[i]->grid;
        if (!x.on)
            return x;
        all = !all.on ? x
                      : (grid){true, x.unit < all.unit ? x.unit : all.unit,
                               x.bound > all.bound ? x.bound : all.bound};
    }
    return all;
}

grid grid_of_sum(grid x, int64_t terms) {
    while (terms > 1) {
        x.bound++;
        terms = (terms + 1) / 2;
    }
    return x;
}

grid grid_of_product(grid x, grid y) {
    return (grid){x.on && y.on, x.unit + y.unit, x.bound + y.bound};
}

/* ---- values ---- */

static gvalue *value_new(graph *g, const char *name, fv_elem e, int rank) {
    gvalue *v = FV_NEW(g->arena, gvalue, 1);
    *v = (gvalue){.name = name, .elem = e, .rank = rank, .known = true, .count = 1};
    if (g->nvalues < GRAPH_VALUES)
        g->values[g->nvalues++] = v;
    return v;
}

const gvalue *graph_find(const graph *g, const char *name) {
    for (int i = 0; i < g->nvalues; i++)
        if (!strcmp(g->values[i]->name + 1, name))
            return g->values[i];
    return NULL;
}

const char *graph_dim_text(graph *g, int64_t n) {
    return fv_printf(g->arena, "%" PRId64, n);
}

int graph_pool_dim(graph *g, const char **text, int64_t *n) {
    int i = rng_below(&g->r, GRAPH_POOL);
    *text = g->pool[i].text;
    *n = g->pool[i].n;
    return i;
}

static void set_dims(gvalue *v, const char *const *dims, const int64_t *n) {
    for (int i = 0; i < v->rank; i++) {
        v->dim[i] = dims[i];
        v->n[i] = n[i];
        v->count *= n[i];
    }
}

static const char *type_text(graph *g, const gvalue *v) {
    fv_text t = {.arena = g->arena};
    fv_text_printf(&t, "%s[", fv_elem_name(v->elem));
    for (int i = 0; i < v->rank; i++)
        fv_text_printf(&t, "%s%s", i ? ", " : "", v->dim[i]);
    fv_text_put(&t, "]");
    return t.s;
}

static void set_agreement(const graph *g, gvalue *v) {
    v->agree = SAME;
    if (g->flavour == GRID && fv_elem_is_float(v->elem) && v->data == DATA_PLAIN)
        v->grid = (grid){true, 0, GRID_BOUND};
}

gvalue *graph_param(graph *g, fv_elem e, int rank, const char *const *dims, const int64_t *n) {
    gvalue *v = value_new(g, fv_printf(g->arena, "%%p%d", g->nnames++), e, rank);
    v->is_param = true;
    set_dims(v, dims, n);
    set_agreement(g, v);
    v->declared = fv_printf(g->arena, "%s: %s", v->name, type_text(g, v));
    return v;
}

gvalue *graph_index(graph *g, fv_elem e, int rank, const char *const *dims, const int64_t *n,
                    data_kind kind, int64_t range) {
    gvalue *v = graph_param(g, e, rank, dims, n);
    v->data = kind;
    v->range = range;
    return v;
}

static gvalue *constant(graph *g, fv_elem e, int rank, const int64_t *n, data_kind kind,
                        const int64_t *content) {
    const char *dims[FV_ARRAY_RANK];
    gvalue *v = value_new(g, fv_printf(g->arena, "@c%d", g->nnames++), e, rank);
    for (int i = 0; i < rank; i++)
        dims[i] = graph_dim_text(g, n[i]);
    set_dims(v, dims, n);
    v->data = kind;
    v->content = content;
    set_agreement(g, v);
    fv_array x;
    graph_data(g, v, 0, rng_next(&g->r), &x);
    fv_text t = {.arena = g->arena};
    fv_text_printf(&t, "const %s: %s = ", v->name, type_text(g, v));
    graph_data_print(&t, &x);
    v->declared = t.s;
    return v;
}

gvalue *graph_ints(graph *g, int n, const int64_t *list) {
    int64_t *copy = FV_NEW(g->arena, int64_t, n + 1), dims = n;
    for (int i = 0; i < n; i++)
        copy[i] = list[i];
    return constant(g, FV_I64, 1, &dims, DATA_EXACTLY, copy);
}

gvalue *graph_int(graph *g, int64_t n) {
    int64_t *copy = FV_NEW(g->arena, int64_t, 1);
    *copy = n;
    return constant(g, FV_I64, 0, NULL, DATA_EXACTLY, copy);
}

gvalue *graph_constant(graph *g, fv_elem e, int rank, const int64_t *n) {
    return constant(g, e, rank, n, DATA_PLAIN, NULL);
}

gvalue *graph_weight(graph *g, fv_elem e, int rank, const int64_t *n) {
    const char *dims[FV_ARRAY_RANK] = {NULL}; /* rank 0 reads none, which gcc does not see */
    int64_t count = 1;
    for (int i = 0; i < rank; i++) {
        dims[i] = graph_dim_text(g, n[i]);
        count *= n[i];
    }
    if (rng_chance(&g->r, 70) && count <= 4096 && !fv_elem_is_packed(e))
        return constant(g, e, rank, n, DATA_PLAIN, NULL);
    return graph_param(g, e, rank, dims, n);
}

/* ---- operands ---- */

static bool fits_pick(const gvalue *v, fv_elem_set set, int min_rank, int max_rank) {
    return v->known && (set >> v->elem & 1) && v->rank >= min_rank && v->rank <= max_rank &&
           v->data != DATA_EXACTLY && v->data != DATA_INDEX;
}

static fv_elem elem_of(graph *g, fv_elem_set set) {
    if ((set >> g->elem & 1) && rng_chance(&g->r, 85))
        return g->elem;
    for (;;) {
        fv_elem e = (fv_elem)rng_below(&g->r, FV_ELEM_END);
        if ((set & FV_SET_DATA) >> e & 1)
            return e;
    }
}

static gvalue *fresh(graph *g, fv_elem_set set, int min_rank, int max_rank) {
    const char *dims[FV_ARRAY_RANK];
    int64_t n[FV_ARRAY_RANK], count = 1;
    int top = max_rank > 4 ? 4 : max_rank;
    int rank = min_rank >= top ? min_rank : min_rank + rng_below(&g->r, top - min_rank + 1);
    fv_elem e = elem_of(g, set);
    for (int i = 0; i < rank; i++) {
        graph_pool_dim(g, &dims[i], &n[i]);
        if (count * n[i] > GRAPH_ELEMENTS) {
            dims[i] = "1";
            n[i] = 1;
        }
        count *= n[i];
    }
    return graph_param(g, e, rank, dims, n);
}

/* The later ones more often, so that graphs get deep. */
gvalue *graph_pick(graph *g, fv_elem_set set, int min_rank, int max_rank) {
    for (int tries = 0; tries < 12 && g->nvalues && !rng_chance(&g->r, 8); tries++) {
        int back = rng_below(&g->r, g->nvalues) * rng_below(&g->r, 100) / 100;
        gvalue *v = g->values[g->nvalues - 1 - back];
        if (fits_pick(v, set, min_rank, max_rank))
            return v;
    }
    return fresh(g, set, min_rank, max_rank);
}

static bool same_shape(const gvalue *x, const gvalue *y) {
    bool same = x->rank == y->rank && y->known;
    for (int i = 0; same && i < x->rank; i++)
        same = !strcmp(x->dim[i], y->dim[i]);
    return same;
}

gvalue *graph_like(graph *g, const gvalue *v, fv_elem e) {
    int start = rng_below(&g->r, g->nvalues);
    for (int i = 0; i < g->nvalues && rng_chance(&g->r, 97); i++) {
        gvalue *x = g->values[(start + i) % g->nvalues];
        if (x != v && x->elem == e && same_shape(v, x) && fits_pick(x, ~(fv_elem_set)0, 0, 99))
            return x;
    }
    return graph_param(g, e, v->rank, v->dim, v->n);
}

/* Do they meet axis by axis, as text or as numbers? */
static bool broadcasts(const gvalue *x, const gvalue *y) {
    bool good = y->known;
    for (int i = 1; good && i <= x->rank && i <= y->rank; i++) {
        int64_t a = x->n[x->rank - i], b = y->n[y->rank - i];
        good = a == b || a == 1 || b == 1;
    }
    return good;
}

gvalue *graph_broadcast(graph *g, const gvalue *v, fv_elem e) {
    const char *dims[FV_ARRAY_RANK];
    int64_t n[FV_ARRAY_RANK];
    int start = rng_below(&g->r, g->nvalues);
    for (int i = 0; i < g->nvalues && rng_chance(&g->r, 97); i++) {
        gvalue *x = g->values[(start + i) % g->nvalues];
        if (x->elem == e && broadcasts(v, x) && fits_pick(x, ~(fv_elem_set)0, 0, 99))
            return x;
    }
    int drop = rng_chance(&g->r, 40) ? rng_below(&g->r, v->rank + 1) : 0;
    for (int i = drop; i < v->rank; i++) {
        bool one = rng_chance(&g->r, 30);
        dims[i - drop] = one ? "1" : v->dim[i];
        n[i - drop] = one ? 1 : v->n[i];
    }
    if (rng_chance(&g->r, 20) && v->rank - drop == 0)
        return graph_weight(g, e, 0, NULL);
    return graph_param(g, e, v->rank - drop, dims, n);
}

/* ---- lines ---- */

static bool occurs(const char *text, const char *name) {
    size_t n = strlen(name);
    for (const char *p = text; (p = strstr(p, name)); p += n)
        if (p[n] < '0' || p[n] > '9')
            return true;
    return false;
}

/* Constants and parameters that the lines or results use. */
static void declare(graph *g, fv_text *t, const char *used, bool params) {
    int n = 0;
    for (int i = 0; i < g->nvalues; i++) {
        const gvalue *v = g->values[i];
        if (v->declared && v->is_param == params && occurs(used, v->name))
            fv_text_printf(t, "%s%s%s", params && n++ ? ", " : "", v->declared, params ? "" : "\n");
    }
}

static const char *whole_text(graph *g, const char *last, const char *results) {
    fv_text t = {.arena = g->arena};
    const char *lines =
        fv_printf(g->arena, "%s%s  return %s\n", g->body.s ? g->body.s : "", last, results);
    fv_text_printf(&t, "fovea-ir 1\nmodule \"graph\"\n%s", g->symbols.s);
    declare(g, &t, lines, false);
    fv_text_put(&t, "func @main(");
    declare(g, &t, lines, true);
    fv_text_put(&t, ") -> (");
    int n = 1;
    for (const char *p = results; *p; p++)
        n += *p == ',';
    for (int i = 0; i < n && *results; i++)
        fv_text_printf(&t, "%s%%y%d", i ? ", " : "", i);
    fv_text_printf(&t, ") {\n%s}\n", lines);
    return t.s;
}

static bool symbol_value(void *ctx, const fv_dim *symbol, int64_t *out) {
    const graph *g = ctx;
    int i = symbol->name[1] - '0';
    if (symbol->from_data || symbol->name[0] != 'n' || i < 0 || i >= GRAPH_SYMBOLS)
        return false;
    *out = g->symbol[i];
    return true;
}

/* Takes over what the parser inferred. False: too large to be of use. */
static bool adopt(graph *g, gvalue *v, const fv_value *from) {
    const fv_type *t = from->type;
    v->elem = t->elem;
    v->rank = t->rank;
    for (int i = 0; i < t->rank && i < FV_ARRAY_RANK; i++) {
        v->known = v->known && fv_dim_eval(t->dims[i], symbol_value, g, &v->n[i]);
        v->dim[i] = fv_dim_str(g->arena, t->dims[i]);
        v->count *= v->known ? v->n[i] : 1;
    }
    return t->kind == FV_TENSOR && t->rank <= GRAPH_RANK && v->count <= GRAPH_ELEMENTS &&
           (FV_SET_DATA >> t->elem & 1);
}

static agreement worst(int n, gvalue *const *operands) {
    agreement all = SAME;
    for (int i = 0; i < n; i++)
        if (operands[i] && operands[i]->agree > all)
            all = operands[i]->agree;
    return all;
}

/* On the grid of a sum, if the operands are on theirs. */
static grid grid_of_line(const line *l, int n, gvalue *const *operands) {
    grid x = grid_join(n, operands), all = x;
    for (int i = 1; i < (l->squares ? 2 : l->factors); i++)
        all = grid_of_product(all, x);
    return grid_of_sum(all, l->terms > 0 ? l->terms : 1);
}

static void judge(const graph *g, gvalue *v, const line *l, int n, gvalue *const *operands) {
    agreement operands_agree = worst(n, operands);
    bool floats = fv_elem_is_float(v->elem);
    fv_elem arith = fv_elem_arith(v->elem);
    grid sum = grid_of_line(l, n, operands);
    v->agree = operands_agree;
    switch (l->effect) {
    case MOVES: v->grid = l->grid.on ? l->grid : grid_join(n, operands); break;
    case SMOOTHLY: v->grid = l->grid; break;
    case STEPS:
        v->grid = l->grid;
        v->agree = operands_agree == SAME ? SAME : ANY;
        break;
    case ADDS:
    case AVERAGES:
        if (floats && !(operands_agree == SAME && grid_fits(sum, arith)))
            v->agree = operands_agree == ANY || g->flavour == WILD ? ANY : CLOSE;
        v->grid = sum;
        v->grid.on = sum.on && l->effect == ADDS;
        break;
    case BLURS:
        v->agree = !floats || operands_agree == ANY || g->flavour == WILD ? ANY : CLOSE;
        break;
    }
    if (!floats && v->agree == CLOSE && l->effect != MOVES)
        v->agree = ANY;
    v->grid.on = v->grid.on && v->agree == SAME && grid_fits(v->grid, v->elem);
}

/* Parses the graph with one line more; results in `out` get their types. */
static bool infer(graph *g, const char *text, int nout, gvalue **out) {
    fv_session *s = fv_session_new();
    fv_door door;
    bool good = false;
    if (!s)
        fv_out_of_memory(g->session);
    if (FV_DOOR_OPEN(s, &door)) {
        fv_session_free(s);
        fv_out_of_memory(g->session);
    }
    fv_module *m = fv_module_parse(s, text, NULL);
    good = m && fv_module_verify(m, "parsing");
    for (int i = 0; i < nout && good; i++)
        if (out[i])
            good = adopt(g, out[i], fv_value_find(m, out[i]->name + 1));
    if (!good && fv_messages(s))
        g->refused = fv_strdup(g->arena, fv_messages(s)->text);
    else if (!good)
        g->refused = NULL;
    fv_door_close(s, &door);
    fv_session_free(s);
    return good;
}

bool graph_lines(graph *g, line l, int n, gvalue *const *operands, int nout, gvalue **out,
                 const char *format, ...) {
    va_list args;
    char body[4096];
    fv_text t = {.arena = g->arena};
    int mark = g->nvalues;
    va_start(args, format);
    vsnprintf(body, sizeof body, format, args);
    va_end(args);
    for (int i = 0; i < nout; i++) {
        out[i] = value_new(g, fv_printf(g->arena, "%%v%d", g->nnames++), FV_NO_ELEM, 0);
        fv_text_printf(&t, "%s%s", i ? ", " : "  ", out[i]->name);
    }
    fv_text_printf(&t, " = %s\n", body);
    if (mark + nout > GRAPH_VALUES || !infer(g, whole_text(g, t.s, out[0]->name), nout, out)) {
        g->nvalues = mark;
        return false;
    }
    fv_text_put(&g->body, t.s);
    g->nlines++;
    for (int i = 0; i < n; i++)
        if (operands[i])
            operands[i]->used = true;
    for (int i = 0; i < nout; i++)
        judge(g, out[i], &l, n, operands);
    return true;
}

/* ---- graphs ---- */

static void choose_dims(graph *g) {
    static const int sizes[] = {1, 2, 3, 4, 5, 7, 8, 12, 16, 17, 24, 33};
    for (int i = 0; i < GRAPH_SYMBOLS; i++) {
        g->symbol[i] = rng_chance(&g->r, 8) ? 0 : CHOOSE(g, sizes);
        fv_text_printf(&g->symbols, "symbol n%d 0..%d # %" PRId64 " in the runs\n", i,
                       rng_chance(&g->r, 50) ? 64 : 1000000, g->symbol[i]);
    }
    for (int i = 0; i < GRAPH_POOL; i++) {
        int symbol = rng_below(&g->r, GRAPH_SYMBOLS);
        bool is_symbol = rng_chance(&g->r, 50);
        int64_t n = rng_chance(&g->r, 4) ? 0 : rng_chance(&g->r, 12) ? 1 : CHOOSE(g, sizes);
        g->pool[i].n = is_symbol ? g->symbol[symbol] : n;
        g->pool[i].text = is_symbol ? fv_printf(g->arena, "n%d", symbol) : graph_dim_text(g, n);
    }
}

static const struct family {
    const char *name;
    const graph_op *list;
    int percent;
} families[] = {{"pointwise", graph_pointwise, 35},
                {"moves", graph_moves, 20},
                {"picks", graph_picks, 10},
                {"joins", graph_joins, 10},
                {"sums", graph_sums, 18},
                {"attention", graph_attention, 3},
                {"images", graph_images, 4},
                /* used only if --family names them */
                {"products", graph_products, 0},
                {"branches", graph_branches, 0}};
enum { FAMILIES = sizeof families / sizeof *families };

int graph_family(const char *name) {
    int f = 0;
    while (f < FAMILIES && strcmp(families[f].name, name) != 0)
        f++;
    return f < FAMILIES ? f : -1;
}

static const graph_op *choose_maker(graph *g, int family) {
    int at = rng_below(&g->r, 100), f = 0;
    while (f < FAMILIES - 1 && at >= families[f].percent) /* all are 100 */
        at -= families[f++].percent;
    const graph_op *list = families[family < 0 ? f : family].list;
    int all = 0;
    for (int i = 0; list[i].make; i++)
        all += list[i].weight;
    int which = rng_below(&g->r, all);
    while (which >= list->weight)
        which -= (list++)->weight;
    return list;
}

graph *graph_new(fv_session *s, uint64_t seed, int lines, int family) {
    static const fv_elem elems[] = {FV_F32, FV_F32, FV_F32,  FV_F32, FV_F32,
                                    FV_F64, FV_F16, FV_BF16, FV_I32, FV_I64};
    fv_arena *a = fv_arena_new(s);
    graph *g = FV_NEW(a, graph, 1);
    g->session = s;
    g->arena = a;
    g->r.state = seed;
    g->symbols.arena = g->body.arena = a;
    g->flavour = (flavour)rng_below(&g->r, 3);
    g->elem = CHOOSE(g, elems);
    choose_dims(g);
    for (int tries = 0; tries < 4 * lines + 8 && g->nlines < lines; tries++) {
        const graph_op *maker = choose_maker(g, family);
        g->op = maker->name;
        maker->make(g);
    }
    return g;
}

bool graph_returns(const gvalue *v, const gvalue *only) {
    bool computed = !v->is_param && *v->name != '@';
    return computed && (only ? v == only : v->kept || !v->used);
}

const char *graph_text(graph *g, const gvalue *only) {
    fv_text t = {.arena = g->arena};
    for (int i = 0; i < g->nvalues; i++) {
        const gvalue *v = g->values[i];
        if (!graph_returns(v, only))
            continue;
        fv_text_printf(&t, "%s%s", t.n ? ", " : "", v->name);
    }
    return t.n ? whole_text(g, "", t.s) : NULL;
}

/* ---- printing what is needed ---- */

/* Is one of the results of a line (its end: the newline) used in `below`? */
static bool is_needed(graph *g, const char *defines, const char *below) {
    const char *end = strstr(defines, " = ");
    char *names = fv_strndup(g->arena, defines, (size_t)(end - defines)), *save = NULL;
    for (char *name = strtok_r(names, ", ", &save); name; name = strtok_r(NULL, ", ", &save))
        if (occurs(below, name))
            return true;
    return false;
}

const char *graph_text_without_dead(graph *g, const gvalue *only) {
    fv_text all = g->body;
    const char *kept = "", *results = only ? fv_printf(g->arena, "%s\n", only->name) : NULL;
    if (only && all.n) {
        const char *end = all.s + all.n;
        while (end > all.s) { /* from the last line to the first */
            const char *start = end - 1;
            while (start > all.s && start[-1] != '\n')
                start--;
            const char *one = fv_strndup(g->arena, start, (size_t)(end - start));
            if (is_needed(g, one, fv_printf(g->arena, "%s%s", kept, results)))
                kept = fv_printf(g->arena, "%s%s", one, kept);
            end = start;
        }
        g->body = (fv_text){.arena = g->arena};
        fv_text_put(&g->body, kept);
    }
    const char *text = graph_text(g, only);
    g->body = all;
    return text;
}
