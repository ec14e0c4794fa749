/* mask.c - finds which keys a query does not see, and what is added to its scores.
 *
 * It does not matter how a mask is computed, because it is evaluated: the operand of the softmax is
 * computed on a small instance of the model, with scores of 0, and with data that are masks of
 * ones, of zeros, lengths, and numbers that change from key to key. */
#include <math.h>

#include "passes/attention/parts.h"

#define FAR_BELOW 80      /* exp(-80) is negligible compared to 1 */
#define STEP      0x1p-10 /* size of a change of a score whose effect is observed */
/* The negative value that sums get in one of the trials: a mask may add sums to the scores, or test
 * their sign. */
#define NEGATIVE -30
enum { ENOUGH = 6, LARGEST = 96, LONG = 16384, MOST = 48, TRIES = 8 };

/* The evaluated mask, as a matrix of queries and keys. For long sequences only some rows and
 * columns are evaluated, at even distances. If all rows are evaluated, the first and last columns
 * are among them, because the diagonal may start with the first column or end with the last. */
typedef struct picture {
    int rows, columns, hidden;
    int64_t queries, keys;
    bool hides[MOST][MOST];
    bool varies; /* whether the visible elements of some row differ */
} picture;

static void set_extents(picture *p, fv_sample *s, const fv_scores *x) {
    p->queries = x->query ? fv_sample_dim(s, x->query->dim) : 1;
    p->keys = fv_sample_dim(s, x->product.summed->dim);
    p->rows = p->queries < MOST ? (int)p->queries : MOST;
    p->columns = p->keys < MOST ? (int)p->keys : MOST;
}

/* The position of sample number `at` of `count` samples that are evenly spread over 0 to n - 1.
 * Avoids a product with n, which may be large. */
static int64_t spread(int at, int count, int64_t n) {
    return at * (n / count) + at * (n % count) / count;
}

static int64_t query_of(const picture *p, int row) {
    return spread(row, p->rows, p->queries);
}
static int64_t key_of(const picture *p, int column) {
    int edge =
        p->queries == p->rows && p->keys > p->columns ? p->rows < MOST / 3 ? p->rows : MOST / 3 : 0;
    if (column < edge)
        return column;
    if (column >= p->columns - edge)
        return p->keys - (p->columns - column);
    return edge + spread(column - edge, p->columns - 2 * edge, p->keys - 2 * edge);
}

/* Sets the other variables (heads, batches, windows) to their last value, for which a mask most
 * likely hides keys. */
static void set_others(fv_sample *s, const fv_scores *x) {
    for (int i = 0; i < x->rank; i++)
        if (x->index[i] != x->key && x->index[i] != x->query)
            fv_sample_set(s, x->index[i], fv_sample_dim(s, x->index[i]->dim) - 1);
}

static void note_row(picture *p, int i, const double *row) {
    double most = -INFINITY, least = INFINITY;
    for (int j = 0; j < p->columns; j++)
        most = row[j] > most ? row[j] : most;
    for (int j = 0; j < p->columns; j++) {
        bool hidden = !(row[j] > most - FAR_BELOW) || row[j] < -1e30;
        p->hides[i][j] |= hidden;
        p->hidden += hidden;
        least = !hidden && row[j] < least ? row[j] : least;
    }
    p->varies |= least < INFINITY && most - least > 1e-6;
}

/* Evaluates x for the sampled queries and keys. */
static void draw(fv_sample *s, const fv_scores *x, picture *p) {
    double row[MOST];
    set_extents(p, s, x);
    for (int i = 0; i < p->rows; i++) {
        if (x->query)
            fv_sample_set(s, x->query, query_of(p, i));
        for (int j = 0; j < p->columns; j++) {
            fv_sample_set(s, x->key, key_of(p, j));
            row[j] = fv_sample_number(s, x->x);
        }
        note_row(p, i, row);
    }
}

/* Adds the keys that are hidden by a factor of the weights, after the softmax. */
static void draw_weights(fv_finder *f, const fv_attention_site *s, fv_sample *sample,
                         const fv_scores *x, picture *p) {
    const fv_value *product = s->of.product;
    const fv_definition *d = fv_element_definition(&f->e, product);
    int axis = -1;
    for (int i = 0; x->query && i < x->rank && i < x->product.weight_load->u.buf->rank; i++)
        if (x->index[i] == x->query && fv_loaded(x->product.weight_load) == s->weights &&
            x->product.weight_load->arg[i]->op == FV_X_VAR)
            axis = fv_definition_axis(d, x->product.weight_load->arg[i]->u.var);
    if (axis < 0 || axis == d->rank)
        return;
    sample->score = fv_loaded(x->product.weight_load);
    sample->of_score = 1;
    for (int i = 0; i < p->rows; i++)
        for (int j = 0; j < p->columns; j++) {
            fv_sample_set(sample, d->index[axis], query_of(p, i));
            fv_sample_set(sample, x->product.summed, key_of(p, j));
            bool hidden = fv_sample_number(sample, x->product.weight) == 0 && !p->hides[i][j];
            p->hides[i][j] |= hidden;
            p->hidden += hidden;
        }
}

/* The bits of the mask's shape: whether the first visible key, or the last one, advances with the
 * rows. *whole becomes false if keys between the two are hidden, or if rows differ although neither
 * advances. */
static unsigned shape_of(const picture *p, bool *whole) {
    int first[MOST], last[MOST];
    bool ends = p->rows > 1, starts = p->rows > 1;
    *whole = true;
    for (int i = 0; i < p->rows; i++) {
        first[i] = p->columns;
        last[i] = -1;
        for (int j = 0; j < p->columns; j++)
            if (!p->hides[i][j]) {
                first[i] = first[i] < j ? first[i] : j;
                last[i] = j;
            }
        for (int j = first[i]; j < last[i]; j++)
            *whole &= !p->hides[i][j];
        if (i > 0) {
            int e = last[i] - last[i - 1], s = first[i] - first[i - 1];
            ends &= e == 0 || e == 1;
            starts &= s == 0 || s == 1;
        }
    }
    ends &= p->rows > 2 && last[0] >= 0 && last[p->rows - 1] > last[0] + 1;
    starts &= p->rows > 2 && first[p->rows - 1] > first[0] + 1 && first[p->rows - 1] < p->columns;
    bool even = true; /* whether all rows hide the same keys, when neither advances */
    for (int i = 1; i < p->rows; i++)
        even &= first[i] == first[0] && last[i] == last[0];
    *whole &= ends || starts || even;
    return (ends ? FV_MASK_CAUSAL : 0) | (starts ? FV_MASK_WINDOW : 0);
}

static bool differ(const picture *a, const picture *b) {
    for (int i = 0; i < a->rows; i++)
        for (int j = 0; j < a->columns; j++)
            if (a->hides[i][j] != b->hides[i][j])
                return true;
    return false;
}

typedef struct mask_data {
    bool both; /* some loads depend on the query and the key */
    bool rows; /* some loads depend on the query only */
    bool rest; /* some loads do not depend on the query */
} mask_data;

/* Records in *d on which data the expression `in` depends. Sums of products or of floats count as
 * numbers, not as masks; they are added to s->sums. */
static void look_at_data(fv_finder *f, fv_sample *s, const fv_scores *x, fv_expr *in,
                         mask_data *d) {
    fv_expr *loads[FV_SOME_LOADS];
    int n = fv_element_loads(f->e.arena, in, loads, FV_SOME_LOADS);
    for (int i = 0; i < n; i++) {
        const fv_value *v = fv_loaded(loads[i]);
        fv_summed sum;
        if (v->kind == FV_VALUE_CONST || (x->top && v == fv_loaded(x->top)))
            continue;
        bool row = x->query && fv_load_uses(loads[i], x->query);
        if (fv_element_sum(&f->e, v, &sum) && (sum.g || fv_elem_is_float(v->type->elem)))
            *fv_ptrmap_at(&s->sums, v) = (void *)v;
        else
            *(!row ? &d->rest : fv_load_uses(loads[i], x->key) ? &d->both : &d->rows) = true;
    }
}

static double scale_of(fv_sample *s, const fv_scores *x) {
    s->of_score = 0;
    fv_sample_forget(s);
    double at = fv_sample_number(s, x->x);
    s->of_score = STEP;
    fv_sample_forget(s);
    double slope = (fv_sample_number(s, x->x) - at) / STEP;
    return isfinite(slope) && slope != 0 ? (double)(float)slope : (double)NAN;
}

/* If the softmax is written as separate operators, a mask may be applied to the exponentials before
 * they are summed. Returns an element of the weights, over the variables `index`, as an expression
 * of the exponentials; NULL: the softmax is not written in this way. */
static fv_expr *exponentials(fv_finder *f, const fv_attention_site *s, fv_var **index) {
    if (!fv_op_is(s->softmax, FV_OP_Exp) || s->weights == s->softmax->out[0] ||
        s->weights->type->rank != s->weighted->type->rank)
        return NULL;
    fv_elements_stop(&f->e, s->softmax->out[0]);
    fv_expr *x = fv_element(&f->e, s->weights, index);
    fv_elements_stop(&f->e, NULL);
    return x;
}

static void draw_exponentials(const fv_attention_site *s, fv_sample *sample, const fv_scores *x,
                              fv_expr *e, fv_var *const *index, picture *p) {
    sample->score = s->softmax->out[0];
    sample->of_score = 1;
    for (int i = 0; i < p->rows; i++)
        for (int j = 0; j < p->columns; j++) {
            for (int k = 0; k < x->rank; k++)
                fv_sample_set(sample, index[k],
                              x->index[k] == x->key     ? key_of(p, j)
                              : x->index[k] == x->query ? query_of(p, i)
                                                        : fv_sample_dim(sample, index[k]->dim) - 1);
            bool hidden = fv_sample_number(sample, e) == 0 && !p->hides[i][j];
            p->hides[i][j] |= hidden;
            p->hidden += hidden;
        }
}

/* Is there a window that is wider than the small instance? Evaluates the mask for a sequence of
 * length LONG. */
static unsigned far_window(fv_finder *f, const fv_scores *x, double data, fv_arena *a) {
    fv_sample sample = fv_sample_new(a, f->module, LONG);
    picture *p = FV_NEW(a, picture, 1);
    bool whole;
    for (int i = 0; i < x->rank; i++)
        fv_sample_fit(&sample, x->index[i]->dim);
    sample.of_data = data;
    sample.score = x->load ? fv_loaded(x->top) : NULL;
    set_others(&sample, x);
    draw(&sample, x, p);
    unsigned shape = shape_of(p, &whole);
    return whole && (shape & FV_MASK_CAUSAL) ? shape & FV_MASK_WINDOW : 0;
}

typedef struct trial {
    double data;
    int kind;
} trial;

void fv_find_mask(fv_finder *f, fv_attention_site *s, const fv_scores *x) {
    fv_arena *a = fv_arena_new(fv_arena_session(f->arena));
    picture *all = FV_NEW(a, picture, TRIES);
    fv_sample sample;
    /* models that reduce feature maps need larger sizes, since only few of 12 positions are left */
    for (int64_t size = FV_SAMPLE; size <= LARGEST; size *= 2) {
        sample = fv_sample_new(a, f->module, size);
        if (fv_sample_dim(&sample, x->product.summed->dim) >= ENOUGH ||
            fv_dim_is_const(x->product.summed->dim))
            break;
    }
    sample.of_sum = NEGATIVE;
    fv_var *index[FV_MAX_RANK];
    fv_expr *e = exponentials(f, s, index);
    for (int i = 0; i < x->rank; i++)
        fv_sample_fit(&sample, x->index[i]->dim);
    fv_sample_fit(&sample, x->product.summed->dim);
    int best = 0;
    double most = (double)fv_sample_dim(&sample, x->product.summed->dim) - 1;
    const trial trials[TRIES] = {{1, FV_DATA_EVEN},        {0, FV_DATA_EVEN},
                                 {1000, FV_DATA_EVEN},     {most, FV_DATA_EVEN},
                                 {most + 1, FV_DATA_EVEN}, {1, FV_DATA_ALTERNATES},
                                 {1, FV_DATA_RISES},       {1, FV_SUMS_ALTERNATE}};
    bool data_hide = false, varies = false, whole;
    mask_data from = {0}, of_weights = {0};
    look_at_data(f, &sample, x, x->x, &from);
    if (e)
        look_at_data(f, &sample, x, e, &from);
    look_at_data(f, &sample, x, x->product.weight, &of_weights);
    unsigned shape = 0;
    for (int t = 0; t < TRIES; t++) {
        sample.score = x->load ? fv_loaded(x->top) : NULL;
        sample.of_score = 0;
        sample.of_data = trials[t].kind == FV_SUMS_ALTERNATE ? trials[best].data : trials[t].data;
        sample.data = trials[t].kind;
        set_others(&sample, x);
        draw(&sample, x, &all[t]);
        draw_weights(f, s, &sample, x, &all[t]);
        if (e)
            draw_exponentials(s, &sample, x, e, index, &all[t]);
        best = all[t].hidden < all[best].hidden ? t : best;
        shape |= trials[t].kind == FV_DATA_EVEN ? shape_of(&all[t], &whole) : 0;
        varies |= all[t].varies;
    }
    for (int t = 1; t < TRIES - 1; t++)
        data_hide |= differ(&all[t], &all[0]);
    shape_of(&all[best], &whole);
    bool both = data_hide && (from.both || (from.rows && !from.rest));
    bool by_sums = trials[best].kind == FV_DATA_EVEN && differ(&all[TRIES - 1], &all[best]);
    if (shape & FV_MASK_CAUSAL)
        shape |= far_window(f, x, trials[best].data, a);
    s->traits.mask = shape | (!whole || both || by_sums ? FV_MASK_FORMULA : 0) |
                     (data_hide && !both ? FV_MASK_PADDING : 0) |
                     (x->load && varies ? FV_MASK_BIAS : 0);
    sample.of_data = trials[best].data;
    sample.data = trials[best].kind;
    sample.score = x->load ? fv_loaded(x->top) : NULL;
    fv_sample_set(&sample, x->key, 0);
    if (x->query)
        fv_sample_set(&sample, x->query, fv_sample_dim(&sample, x->query->dim) - 1);
    s->scale = x->load && !(s->traits.mask & FV_MASK_WINDOW) ? scale_of(&sample, x) : (double)NAN;
    fv_arena_free(a);
}
