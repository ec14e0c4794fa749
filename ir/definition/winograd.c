#include "ir/definition/winograd.h"

#include <string.h>

enum { MOST_REACH = 6, LINE = 16 };

#define SQRT2 1.41421356237309504880

/* Row i is f (1, p, p^2) for the point p of row i, where 1 / f is the product of the differences of
 * p from all other finite points; the row of infinity is (0, 0, 1). */
static const double of_two[][3] = {{-1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}};
static const double of_four[][3] = {{1, 0, 0},
                                    {-2.0 / 3, -SQRT2 / 3, -1.0 / 3},
                                    {-2.0 / 3, SQRT2 / 3, -1.0 / 3},
                                    {1.0 / 6, SQRT2 / 6, 1.0 / 3},
                                    {1.0 / 6, -SQRT2 / 6, 1.0 / 3},
                                    {0, 0, 1}};

/* u = G g G^T, n x n, for the 3 x 3 filter g; `rows` is G, which has n rows. */
static void transform(int n, const double rows[][3], double g[3][3], double *u) {
    double half[MOST_REACH][3];
    for (int a = 0; a < n; a++)
        for (int j = 0; j < 3; j++)
            half[a][j] = rows[a][0] * g[0][j] + rows[a][1] * g[1][j] + rows[a][2] * g[2][j];
    for (int a = 0; a < n; a++)
        for (int b = 0; b < n; b++)
            u[a * n + b] =
                half[a][0] * rows[b][0] + half[a][1] * rows[b][1] + half[a][2] * rows[b][2];
}

/* Transforms the filters of `count` output channels from `first` on, and input channel `c`. */
static void transform_some(const fv_tensor *w, int size, int64_t c, int64_t first, int64_t count,
                           float *to) {
    const int64_t k = w->dims[0], channels = w->dims[1], n = fv_winograd_reach(size);
    double g[3][3], u[MOST_REACH * MOST_REACH];
    float taps[9]; /* a copy, because data of a file may be at any address */
    for (int64_t o = first; o < first + count; o++) {
        memcpy(taps, (const char *)w->data + (size_t)(o * channels + c) * sizeof taps, sizeof taps);
        for (int j = 0; j < 9; j++)
            g[j / 3][j % 3] = (double)taps[j];
        transform((int)n, size == 2 ? of_two : of_four, g, u);
        for (int64_t j = 0; j < n * n; j++)
            to[(j * channels + c) * k + o] = (float)u[j];
    }
}

fv_tensor *fv_winograd_filters(fv_arena *a, const fv_tensor *w, int size) {
    int n = fv_winograd_reach(size);
    const int64_t k = w->dims[0], c = w->dims[1], dims[3] = {(int64_t)n * n, c, k};
    fv_tensor *t = fv_tensor_new(a, FV_F32, 3, dims);
    for (int64_t o = 0; t && o < k; o += LINE) /* reads and writes whole lines of a cache */
        for (int64_t i = 0; i < c; i++)
            transform_some(w, size, i, o, k - o < LINE ? k - o : LINE, (float *)t->data);
    return t;
}
