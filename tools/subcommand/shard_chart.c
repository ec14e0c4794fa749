/* shard_chart.c - the simulated times over the numbers of ranks, as an SVG file. Both axes are
 * logarithmic. */
#include <math.h>
#include <string.h>

#include "frontend/file.h"
#include "ir/base/text.h"
#include "tools/subcommand/shard.h"

/* Sizes in pixels. */
enum { WIDTH = 720, HEIGHT = 400, LEFT = 70, RIGHT = 130, TOP = 50, BOTTOM = 62 };

typedef struct frame {
    double x0, x1; /* logarithms to the base 2 of the numbers of ranks */
    double y0, y1; /* logarithms to the base 10 of the times, in milliseconds */
} frame;

static double x_of(const frame *f, double ranks) {
    double span = f->x1 > f->x0 ? f->x1 - f->x0 : 1;
    return (double)LEFT + (log2(ranks) - f->x0) / span * (double)(WIDTH - LEFT - RIGHT);
}

/* The height of a time; times below the frame are at its lower edge. */
static double y_of(const frame *f, double ms) {
    double at = ms > 0 ? log10(ms) : f->y0;
    at = at < f->y0 ? f->y0 : at;
    return (double)(HEIGHT - BOTTOM) -
           (at - f->y0) / (f->y1 - f->y0) * (double)(HEIGHT - TOP - BOTTOM);
}

/* Whole powers of ten around all times, at most six of them. */
static frame frame_of(int n, const fv_shard_point *points) {
    frame f = {log2(points[0].ranks), log2(points[n - 1].ranks), 0, 0};
    double least = points[0].time, most = least;
    for (int i = 0; i < n; i++) {
        const fv_shard_point *p = &points[i];
        least = p->exchanging > 0 ? fmin(least, p->exchanging) : least;
        least = p->computing > 0 ? fmin(least, p->computing) : least;
        most = fmax(most, p->time);
    }
    f.y1 = most > 0 ? ceil(log10(most)) : 1;
    f.y0 = least > 0 ? floor(log10(least)) : f.y1 - 1;
    f.y0 = f.y0 >= f.y1 ? f.y1 - 1 : f.y1 - f.y0 > 6 ? f.y1 - 6 : f.y0;
    return f;
}

static void put_axes(fv_text *t, const frame *f, int n, const fv_shard_point *points) {
    for (int p = (int)f->y0; p <= (int)f->y1; p++)
        fv_text_printf(t,
                       "<line x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\" stroke=\"#ddd\"/>"
                       "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%g ms</text>\n",
                       LEFT, y_of(f, pow(10, p)), WIDTH - RIGHT, y_of(f, pow(10, p)), LEFT - 8,
                       y_of(f, pow(10, p)) + 4, pow(10, p));
    for (int i = 0; i < n; i++)
        fv_text_printf(t,
                       "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%d</text>"
                       "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\" fill=\"#666\">%.0f%%"
                       "</text>\n",
                       x_of(f, points[i].ranks), HEIGHT - BOTTOM + 18, points[i].ranks,
                       x_of(f, points[i].ranks), HEIGHT - BOTTOM + 36, 100 * points[i].efficiency);
    fv_text_printf(t,
                   "<text x=\"%d\" y=\"%d\">ranks</text><text x=\"%d\" y=\"%d\" fill=\"#666\">"
                   "efficiency</text>\n",
                   WIDTH - RIGHT + 26, HEIGHT - BOTTOM + 18, WIDTH - RIGHT + 26,
                   HEIGHT - BOTTOM + 36);
}

/* One of the three lines. */
typedef enum { TIME, COMPUTING, EXCHANGING } series;

static double value_of(const fv_shard_point *p, series s) {
    return s == TIME ? p->time : s == COMPUTING ? p->computing : p->exchanging;
}

static void put_line(fv_text *t, const frame *f, int n, const fv_shard_point *points, series s) {
    static const char *const names[] = {"time", "computing", "exchanging"};
    static const char *const colours[] = {"#222", "#4c78a8", "#e45756"};
    double x = 0, y = 0;
    bool begun = false;
    fv_text_printf(t, "<path fill=\"none\" stroke=\"%s\" stroke-width=\"2\" d=\"", colours[s]);
    for (int i = 0; i < n; i++) {
        if (value_of(&points[i], s) <= 0)
            continue;
        x = x_of(f, points[i].ranks);
        y = y_of(f, value_of(&points[i], s));
        fv_text_printf(t, "%s%.1f %.1f", begun ? " L" : "M", x, y);
        begun = true;
    }
    fv_text_printf(t, "\"/>\n");
    int row = TOP + 14 + 18 * (int)s;
    if (begun)
        fv_text_printf(t,
                       "<line x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\" stroke=\"%s\" "
                       "stroke-width=\"2\"/><text x=\"%d\" y=\"%d\">%s</text>\n",
                       WIDTH - RIGHT + 14, row - 4, WIDTH - RIGHT + 34, row - 4, colours[s],
                       WIDTH - RIGHT + 40, row, names[s]);
}

const char *fv_shard_chart(fv_context *c, int n, const fv_shard_point *points,
                           const fv_network *network) {
    fv_text t = {.arena = c->arena};
    frame f = frame_of(n, points);
    fv_text_printf(&t,
                   "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
                   "viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"11\">\n"
                   "<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n"
                   "<text x=\"%d\" y=\"22\" font-size=\"14\">Time of a run, simulated: %s</text>\n",
                   WIDTH, HEIGHT, WIDTH, HEIGHT, WIDTH, HEIGHT, LEFT,
                   fv_network_str(c->arena, network));
    put_axes(&t, &f, n, points);
    put_line(&t, &f, n, points, COMPUTING);
    put_line(&t, &f, n, points, EXCHANGING);
    put_line(&t, &f, n, points, TIME);
    fv_text_put(&t, "</svg>\n");
    return t.s;
}

bool fv_shard_write_chart(fv_context *c, int n, const fv_shard_point *points,
                          const fv_network *network, const char *path) {
    const char *chart = fv_shard_chart(c, n, points, network);
    return fv_spares_models(c, "--chart=", path) &&
           fv_file_write(c->session, path, chart, strlen(chart));
}
