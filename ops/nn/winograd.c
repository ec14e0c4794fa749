/* winograd.c - the two transforms of a convolution by Winograd's algorithm F(m x m, 3 x 3), m = 2
 * or 4 (ir/definition/winograd.h has the algorithm). Between them is a batch of n x n matrix
 * products, n = m + 2, of tiles with transformed filters. The step `define` makes these operators
 * of convolutions if --relax=winograd allows it (backend/steps/winograd.c).
 *
 * Images have their channels last, so that a vector has neighbouring channels of one pixel. Each
 * transform is applied to the columns of a tile first, and then to the rows of the result. */
#include "ir/definition/custom.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"

enum { MOST = 6 }; /* largest n */

/* ---- transforms of a row or a column ---- */

static fv_expr *number(fv_arena *a, double x) {
    return fv_x_const(a, FV_F32, x);
}

static fv_expr *add(fv_arena *a, fv_expr *x, fv_expr *y) {
    return fv_x_bin(a, FV_X_ADD, x, y);
}

static fv_expr *sub(fv_arena *a, fv_expr *x, fv_expr *y) {
    return fv_x_bin(a, FV_X_SUB, x, y);
}

/* by * x + y, rounded once */
static fv_expr *fma_of(fv_arena *a, double by, fv_expr *x, fv_expr *y) {
    return fv_x_fma(a, number(a, by), x, y);
}

static fv_expr *times(fv_arena *a, double by, fv_expr *x) {
    return fv_x_bin(a, FV_X_MUL, number(a, by), x);
}

#define SQRT2 1.41421356237309504880

/* r = B^T d. Appends lets for what several elements share. */
static void transform_tile(fv_custom *c, int size, fv_expr *const *d, fv_expr **r) {
    fv_arena *a = c->arena;
    if (size == 2) {
        r[0] = sub(a, d[2], d[0]);
        r[1] = add(a, d[1], d[2]);
        r[2] = sub(a, d[2], d[1]);
        r[3] = sub(a, d[3], d[1]);
        return;
    }
    fv_expr *p = fv_kb_let(&c->b, "p", fma_of(a, -2.0, d[2], d[4]));
    fv_expr *q = fv_kb_let(&c->b, "q", fma_of(a, SQRT2 / 2, d[3], times(a, -SQRT2, d[1])));
    fv_expr *s = fv_kb_let(&c->b, "s", fma_of(a, -0.5, d[2], d[4]));
    fv_expr *t = fv_kb_let(&c->b, "t", fma_of(a, SQRT2, d[3], times(a, -SQRT2 / 2, d[1])));
    r[0] = fma_of(a, -2.5, d[2], add(a, d[0], d[4]));
    r[1] = add(a, p, q);
    r[2] = sub(a, p, q);
    r[3] = add(a, s, t);
    r[4] = sub(a, s, t);
    r[5] = fma_of(a, -2.5, d[3], add(a, d[1], d[5]));
}

/* y = A^T p. Appends lets for what several elements share. */
static void transform_products(fv_custom *c, int size, fv_expr *const *p, fv_expr **y) {
    fv_arena *a = c->arena;
    fv_expr *s = fv_kb_let(&c->b, "s", add(a, p[1], p[2]));
    fv_expr *d = fv_kb_let(&c->b, "d", sub(a, p[1], p[2]));
    if (size == 2) {
        y[0] = add(a, p[0], s);
        y[1] = add(a, d, p[3]);
        return;
    }
    fv_expr *t = fv_kb_let(&c->b, "t", add(a, p[3], p[4]));
    fv_expr *e = fv_kb_let(&c->b, "e", sub(a, p[3], p[4]));
    y[0] = add(a, p[0], add(a, s, t));
    y[1] = fma_of(a, SQRT2, e, times(a, SQRT2 / 2, d));
    y[2] = fma_of(a, 2.0, t, times(a, 0.5, s));
    y[3] = add(a, p[5], fma_of(a, 2 * SQRT2, e, times(a, SQRT2 / 4, d)));
}

typedef void one_axis(fv_custom *c, int size, fv_expr *const *from, fv_expr **to);

/* Applies a transform from n to m elements to all columns of x [n][n], and then to the rows of the
 * result. y [m][m] are variables. */
static void along_both(fv_custom *c, int size, int n, int m, one_axis *apply, fv_expr *x[][MOST],
                       fv_expr *y[][MOST]) {
    fv_expr *half[MOST][MOST], *from[MOST], *to[MOST];
    for (int j = 0; j < n; j++) {
        for (int i = 0; i < n; i++)
            from[i] = x[i][j];
        apply(c, size, from, to);
        for (int i = 0; i < m; i++)
            half[i][j] = fv_kb_let(&c->b, "h", to[i]);
    }
    for (int i = 0; i < m; i++) {
        apply(c, size, half[i], to);
        for (int j = 0; j < m; j++)
            y[i][j] = fv_kb_let(&c->b, "y", to[j]);
    }
}

/* ---- tiles ---- */

/* The index of a pixel: i pixels after the first one of a tile. */
static fv_expr *pixel(fv_arena *a, fv_expr *first, int i) {
    return add(a, first, fv_x_int(a, i));
}

static fv_expr *both(fv_arena *a, fv_expr *x, fv_expr *y) {
    return !x ? y : fv_x_bin(a, FV_X_AND, x, y);
}

static fv_expr *is_less(fv_arena *a, fv_expr *x, fv_expr *y) {
    return fv_x_bin(a, FV_X_LT, x, y);
}

/* The conditions that pixels `first` + i, 0 <= i < n, are within an axis of `extent` pixels. */
static void within(fv_custom *c, int n, fv_expr *first, fv_expr *extent, fv_expr **is) {
    fv_arena *a = c->arena;
    for (int i = 0; i < n; i++) {
        fv_expr *p = pixel(a, first, i), *low = is_less(a, p, fv_x_int(a, 0));
        is[i] =
            fv_kb_let(&c->b, "within", both(a, fv_x_un(a, FV_X_NOT, low), is_less(a, p, extent)));
    }
}

/* A tile: the number of its image, its number among all tiles, and its first pixel. */
typedef struct tile {
    fv_expr *image, *number, *top, *left;
} tile;

/* Stores the transform of a tile of x = bufs[0] to bufs[1], for all channels. */
static void store_tile(fv_custom *c, const tile *at, fv_buf *const *bufs,
                       fv_expr *const *const *inside) {
    fv_arena *a = c->arena;
    fv_expr *d[MOST][MOST], *r[MOST][MOST];
    int size = (int)fv_op_int(c->op, "size"), n = size + 2;
    fv_expr *ch = fv_custom_for(c, FV_VECTOR, "c", fv_in_type(c->op, 0)->dims[3]);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            fv_expr *index[4] = {at->image, pixel(a, at->top, i), pixel(a, at->left, j), ch};
            fv_expr *load = !inside ? fv_x_load(a, bufs[0], index)
                                    : fv_x_guard(a, bufs[0], index,
                                                 both(a, inside[0][i], inside[1][j]), number(a, 0));
            d[i][j] = fv_kb_let(&c->b, "d", load);
        }
    along_both(c, size, n, n, transform_tile, d, r);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            fv_expr *index[3] = {fv_x_int(a, (int64_t)i * n + j), at->number, ch};
            fv_kb_store(&c->b, bufs[1], index, r[i][j], NULL);
        }
    fv_kb_end(&c->b);
}

static fv_expr *first_pixel(fv_custom *c, int size, const char *name, fv_expr *number_of,
                            const fv_dim *pad) {
    fv_arena *a = c->arena;
    fv_expr *first = fv_x_bin(a, FV_X_MUL, number_of, fv_x_int(a, size));
    return fv_kb_let(&c->b, name, pad ? sub(a, first, fv_custom_dim(c, pad)) : first);
}

/* Do all n pixels from `first` on lie on an axis of `extent` pixels? */
static fv_expr *is_inside(fv_arena *a, fv_expr *first, int n, fv_expr *extent) {
    fv_expr *before = is_less(a, first, fv_x_int(a, 0));
    return both(a, fv_x_un(a, FV_X_NOT, before), fv_x_bin(a, FV_X_LE, pixel(a, first, n), extent));
}

/* All tiles of a number of images, and what a kernel does with each. */
typedef struct tiling {
    int size, reach; /* distance of tiles, and number of pixels of a tile, along an axis */
    const fv_dim *images, *tiles[2], *pads[2], *extent[2]; /* pads NULL: 0; extent: of an image */
    /* inside[0], inside[1]: whether a row or a column of the tile is inside of the image; NULL: all
     * are */
    void (*store)(fv_custom *c, const tile *at, fv_buf *const *bufs, fv_expr *const *const *inside);
} tiling;

/* Appends loops over all tiles, in which a tile that is inside of the image is handled apart. */
static void each_tile(fv_custom *c, const tiling *t, fv_buf *const *bufs) {
    fv_arena *a = c->arena;
    fv_expr *h = fv_custom_dim(c, t->extent[0]), *w = fv_custom_dim(c, t->extent[1]);
    fv_expr *rows[MOST], *columns[MOST], *const *inside[2] = {rows, columns};
    tile at;
    at.image = fv_custom_for(c, FV_PARALLEL, "image", t->images);
    fv_expr *row = fv_custom_for(c, FV_PARALLEL, "row", t->tiles[0]);
    at.top = first_pixel(c, t->size, "top", row, t->pads[0]);
    within(c, t->reach, at.top, h, rows);
    fv_expr *whole = fv_kb_let(&c->b, "whole", is_inside(a, at.top, t->reach, h));
    fv_expr *line = add(a, fv_x_bin(a, FV_X_MUL, at.image, fv_custom_dim(c, t->tiles[0])), row);
    fv_expr *column = fv_custom_for(c, FV_SERIAL, "column", t->tiles[1]);
    at.left = first_pixel(c, t->size, "left", column, t->pads[1]);
    at.number = add(a, fv_x_bin(a, FV_X_MUL, line, fv_custom_dim(c, t->tiles[1])), column);
    fv_kb_if(&c->b, both(a, whole, is_inside(a, at.left, t->reach, w)));
    t->store(c, &at, bufs, NULL);
    fv_kb_else(&c->b);
    within(c, t->reach, at.left, w, columns);
    t->store(c, &at, bufs, inside);
    for (int i = 0; i < 4; i++) /* the if and the loops */
        fv_kb_end(&c->b);
}

static bool kernel_tiles(fv_custom *c, fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    const fv_dim *const *pads = fv_op_find_attr(op, "pads")->u.dims;
    const fv_dim *const *tiles = fv_op_find_attr(op, "dims")->u.dims;
    int size = (int)fv_op_int(op, "size");
    tiling t = {size,
                size + 2,
                x->dims[0],
                {tiles[0], tiles[1]},
                {pads[0], pads[1]},
                {x->dims[1], x->dims[2]},
                store_tile};
    fv_custom_begin(c, "tiles");
    fv_buf *bufs[2] = {fv_custom_in(c, 0), fv_custom_out(c, 0)};
    each_tile(c, &t, bufs);
    fv_custom_end(c);
    return true;
}

static bool has_size(fv_op *op) {
    int64_t size = fv_op_int(op, "size");
    return size == 2 || size == 4 ||
           fv_op_error(op, "size is %lld, expected 2 or 4", (long long)size);
}

static bool has_dims(fv_op *op, const char *name, int n) {
    int found = fv_op_find_attr(op, name)->n;
    return found == n || fv_op_error(op, "has %d %s, expected %d", found, name, n);
}

static bool infer_tiles(fv_op *op) {
    fv_dims *t = fv_op_module(op)->dims;
    const fv_type *x = fv_in_type(op, 0);
    const fv_dim *const *tiles = fv_op_find_attr(op, "dims")->u.dims;
    int64_t n = fv_op_int(op, "size") + 2;
    if (!has_size(op) || !has_dims(op, "pads", 2) || !has_dims(op, "dims", 2))
        return false;
    if (fv_op_int(op, "spare") < 0)
        return fv_op_error(op, "spare is %lld, expected at least 0",
                           (long long)fv_op_int(op, "spare"));
    const fv_dim *all[3] = {x->dims[0], tiles[0], tiles[1]};
    const fv_dim *rows =
        fv_dim_add(t, fv_dim_product(t, 3, all), fv_dim_const(t, fv_op_int(op, "spare")));
    const fv_dim *dims[3] = {fv_dim_const(t, n * n), rows, x->dims[3]};
    fv_infer_out(op, 0, x->elem, 3, dims);
    return true;
}

/* ---- images ---- */

/* Stores the pixels of a tile of products bufs[0] and a bias bufs[1], which may be NULL, to
 * bufs[2], for all channels. */
static void store_pixels(fv_custom *c, const tile *at, fv_buf *const *bufs,
                         fv_expr *const *const *inside) {
    fv_arena *a = c->arena;
    const fv_op *op = c->op;
    fv_buf *from = bufs[0], *bias = bufs[1], *to = bufs[2];
    fv_expr *p[MOST][MOST], *y[MOST][MOST];
    int size = (int)fv_op_int(op, "size"), n = size + 2;
    fv_expr *ch = fv_custom_for(c, FV_VECTOR, "c", op->out[0]->type->dims[3]);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            fv_expr *index[3] = {fv_x_int(a, (int64_t)i * n + j), at->number, ch};
            p[i][j] = fv_kb_let(&c->b, "p", fv_x_load(a, from, index));
        }
    along_both(c, size, n, size, transform_products, p, y);
    fv_expr *b = bias ? fv_kb_let(&c->b, "bias", fv_x_load(a, bias, &ch)) : NULL;
    for (int i = 0; i < size; i++)
        for (int j = 0; j < size; j++) {
            fv_expr *index[4] = {at->image, pixel(a, at->top, i), pixel(a, at->left, j), ch};
            fv_expr *x = b ? add(a, y[i][j], b) : y[i][j];
            if (fv_op_int(op, "relu"))
                x = fv_x_bin(a, FV_X_MAX, x, number(a, 0));
            fv_kb_store(&c->b, to, index, x, inside ? both(a, inside[0][i], inside[1][j]) : NULL);
        }
    fv_kb_end(&c->b);
}

static const fv_dim *tiles_along(fv_dims *t, const fv_dim *pixels, int64_t size) {
    return fv_dim_ceildiv(t, pixels, fv_dim_const(t, size));
}

static bool kernel_image(fv_custom *c, fv_op *op) {
    const fv_dim *const *y = op->out[0]->type->dims;
    int size = (int)fv_op_int(op, "size");
    tiling t = {.size = size, .reach = size, .images = y[0], .store = store_pixels};
    for (int i = 0; i < 2; i++) {
        t.extent[i] = y[i + 1];
        t.tiles[i] = tiles_along(c->module->dims, y[i + 1], size);
    }
    fv_custom_begin(c, "image");
    fv_buf *bufs[3] = {fv_custom_in(c, 0), fv_op_in(op, 1) ? fv_custom_in(c, 1) : NULL,
                       fv_custom_out(c, 0)};
    each_tile(c, &t, bufs);
    fv_custom_end(c);
    return true;
}

static bool infer_image(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *p = fv_in_type(op, 0);
    if (!has_size(op) || !has_dims(op, "dims", 3))
        return false;
    const fv_dim *const *y = fv_op_find_attr(op, "dims")->u.dims;
    int64_t size = fv_op_int(op, "size"), n = size + 2;
    const fv_dim *all[3] = {y[0], tiles_along(m->dims, y[1], size),
                            tiles_along(m->dims, y[2], size)};
    if (!fv_module_assume(m, p->dims[0], fv_dim_const(m->dims, n * n), "products of a tile"))
        return fv_op_error(op, "P has %s products of a tile, expected %lld",
                           fv_dim_str(m->arena, p->dims[0]), (long long)(n * n));
    if (!fv_module_assume(m, p->dims[1], fv_dim_product(m->dims, 3, all), "tiles of images"))
        return fv_op_error(op, "P has %s tiles, the images have %s",
                           fv_dim_str(m->arena, p->dims[1]),
                           fv_dim_str(m->arena, fv_dim_product(m->dims, 3, all)));
    const fv_dim *dims[4] = {y[0], y[1], y[2], p->dims[2]};
    fv_infer_out(op, 0, p->elem, 4, dims);
    return !fv_op_in(op, 1) || fv_infer_per_channel(op, 1, p->dims[2]);
}

const fv_opdef fv_ops_winograd[] = {
    {.domain = "fv",
     .name = "WinogradTiles",
     .id = FV_OP_fv_WinogradTiles,
     .since = {1},
     .doc =
         "overlapping tiles of n x n pixels, n = size + 2, of images whose channels are last, as "
         "Winograd's algorithm transforms them; zero outside of the image; then `spare` rows that "
         "are not written",
     .in = {{"X", "T", .rank = FV_RANK(4)}},
     .out = {{"V", "T"}},
     .attrs = {FV_A_REQUIRED("size", INT), FV_A_REQUIRED("pads", DIMS), FV_A_REQUIRED("dims", DIMS),
               FV_A_INT("spare", 0)},
     .types = {{"T", FV_SET(F32)}},
     .infer = infer_tiles,
     .kernel = kernel_tiles},
    {.domain = "fv",
     .name = "WinogradImage",
     .id = FV_OP_fv_WinogradImage,
     .since = {1},
     .doc = "images whose channels are last, from products of the tiles of fv.WinogradTiles with "
            "filters; with a bias, and their maximum with 0 if `relu` is 1",
     .in = {{"P", "T", .rank = FV_RANK(3)}, {"B", "T", FV_OPTIONAL_OPERAND, .rank = FV_RANK(1)}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_REQUIRED("size", INT), FV_A_INT("relu", 0), FV_A_REQUIRED("dims", DIMS)},
     .types = {{"T", FV_SET(F32)}},
     .infer = infer_image,
     .kernel = kernel_image},
    {0}};
