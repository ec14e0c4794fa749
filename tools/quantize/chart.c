/* chart.c - `fovea quantize --chart`: the errors of layers as bars, an SVG file. */
#include <math.h>
#include <string.h>

#include "frontend/file.h"
#include "tools/quantize/quantize.h"

/* Sizes in pixels. */
enum { ROW = 16, NAME = 330, BARS = 420, TOP = 56, MARGIN = 12, VALUE = 170, MOST_NAME = 48 };

static const char *const colours[FV_QUANT_TYPES] = {"#9a9a9a", "#4c78a8", "#72b7b2", "#54a24b",
                                                    "#e45756"};

/* Appends text with the characters escaped that XML reserves; bytes that are no ASCII text become
 * `?`, since a name of a model may contain any. */
static void put_escaped(fv_text *t, const char *s, size_t most) {
    for (size_t i = 0; s[i]; i++) {
        if (i == most) {
            fv_text_put(t, "...");
            return;
        }
        switch (s[i]) {
        case '<': fv_text_put(t, "&lt;"); break;
        case '>': fv_text_put(t, "&gt;"); break;
        case '&': fv_text_put(t, "&amp;"); break;
        default: fv_text_printf(t, "%c", s[i] >= ' ' && s[i] <= '~' ? s[i] : '?');
        }
    }
}

/* Powers of ten that enclose all errors, at most twelve of them. */
typedef struct scale {
    int lo, hi;
} scale;

static bool is_drawn(double e) {
    return e > 0 && isfinite(e);
}

static scale scale_of(const fv_quantizing *q) {
    enum { MOST = 12 };
    double least = 1, largest = 0;
    for (int i = 0; i < q->n; i++) {
        double e = fv_quant_shown_error(q, i);
        if (is_drawn(e)) {
            least = fmin(least, e);
            largest = fmax(largest, e);
        }
    }
    if (largest == 0)
        return (scale){-3, 0};
    scale s = {(int)floor(log10(least)), (int)ceil(log10(largest))};
    s.hi += s.hi <= s.lo;
    s.lo = s.hi - s.lo > MOST ? s.hi - MOST : s.lo;
    return s;
}

static double x_of(const scale *s, double e) {
    double at = (log10(e) - s->lo) / (s->hi - s->lo);
    return at < 0.005 ? 2 : (at > 1 ? 1 : at) * (double)BARS;
}

static void put_axis(fv_text *t, const scale *s, int height) {
    for (int p = s->lo; p <= s->hi; p++) {
        double x = (double)NAME + (double)BARS * (p - s->lo) / (s->hi - s->lo);
        fv_text_printf(t,
                       "<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\" stroke=\"#ddd\"/>"
                       "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">1e%d</text>\n",
                       x, TOP - 4, x, height - MARGIN, x, TOP - 8, p);
    }
}

static void put_layer(fv_text *t, const fv_quantizing *q, const scale *s, int i) {
    const fv_quant_item *it = &q->items[i];
    fv_quant_type type = q->plan.types[i];
    double e = fv_quant_shown_error(q, i);
    int y = TOP + i * ROW;
    fv_text_printf(t, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">", NAME - 8, y + 11);
    put_escaped(t, it->name, MOST_NAME);
    fv_text_put(t, "</text>");
    if (is_drawn(e))
        fv_text_printf(t, "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>",
                       NAME, y + 2, x_of(s, e), ROW - 4, colours[type]);
    fv_text_printf(t, "<text x=\"%.1f\" y=\"%d\">%s", NAME + 6 + (is_drawn(e) ? x_of(s, e) : 0),
                   y + 11, fv_quant_type_name(type));
    if (e >= 0)
        fv_text_printf(t, " %.3g", e);
    fv_text_put(t, "</text>\n");
}

bool fv_quant_write_chart(const fv_quantizing *q, const char *path) {
    fv_text t = {.arena = q->c->arena};
    scale s = scale_of(q);
    int width = NAME + BARS + VALUE, height = TOP + q->n * ROW + MARGIN;
    fv_text_printf(&t,
                   "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
                   "viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"11\">\n"
                   "<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n<text x=\"%d\" y=\"20\" "
                   "font-size=\"14\">",
                   width, height, width, height, width, height, MARGIN);
    put_escaped(&t, q->path, 100);
    fv_text_printf(&t, ": relative error of %s",
                   q->wanted.budget >= 0 ? "the outputs by one layer alone" : "results of layers");
    if (q->plan.error >= 0)
        fv_text_printf(&t, "; all outputs: %.3g", q->plan.error);
    fv_text_put(&t, "</text>\n");
    put_axis(&t, &s, height);
    for (int i = 0; i < q->n; i++)
        put_layer(&t, q, &s, i);
    fv_text_put(&t, "</svg>\n");
    return fv_spares_models(q->c, "--chart=", path) && fv_file_write(q->c->session, path, t.s, t.n);
}
