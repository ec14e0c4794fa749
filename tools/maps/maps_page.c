/* maps_page.c - writes the HTML page of attention maps. Each map is an image in an SVG, with one
 * pixel for a weight or a block of weights. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/base/quoted.h"
#include "tools/maps/maps.h"
#include "tools/model/attention.h"

enum {
    /* largest number of pixels along a side of an image; for more weights, a pixel shows the
     * largest weight of a block */
    SIDE = 256,
    MAPS = 64,         /* largest number of images for an attention */
    ALL_LABELS = 64,   /* axes with up to this many entries have a label for each */
    LONGEST_LABEL = 16 /* number of characters after which labels are cut */
};

/* ---- text ---- */

static void put_byte(fv_text *t, char c) {
    switch (c) {
    case '&': fv_text_put(t, "&amp;"); break;
    case '<': fv_text_put(t, "&lt;"); break;
    case '>': fv_text_put(t, "&gt;"); break;
    case '"': fv_text_put(t, "&quot;"); break;
    case '\'': fv_text_put(t, "&#39;"); break;
    default: fv_text_putn(t, &c, 1);
    }
}

static void put_characters(fv_text *t, const char *s, int most) {
    size_t n = strlen(s);
    bool shows;
    for (size_t bytes; n > 0; s += bytes, n -= bytes) {
        char escaped[FV_LONGEST_ESCAPE];
        bytes = fv_char_bytes(s, n, &shows);
        if (most-- == 0) {
            fv_text_put(t, "…");
            return;
        }
        size_t long_as = fv_char_escape(escaped, s, bytes, shows, 0);
        for (size_t i = 0; i < long_as; i++)
            put_byte(t, escaped[i]);
    }
}

/* Writes a text from the model, escaped for HTML text and attributes. */
static void put_shown(fv_text *t, const char *s) {
    put_characters(t, s, -1);
}

static void put_label(fv_text *t, const char *s) {
    put_characters(t, strcmp(s, " ") ? s : "␣", LONGEST_LABEL);
}

/* The width of a label, in character cells. Characters of three or four bytes, such as East Asian
 * ones, count as two cells. */
static int width_of(const char *s) {
    size_t n = strlen(s);
    int width = 0, count = 0;
    bool shows;
    for (size_t bytes; n > 0 && count <= LONGEST_LABEL; s += bytes, n -= bytes, count++) {
        char escaped[FV_LONGEST_ESCAPE];
        bytes = fv_char_bytes(s, n, &shows);
        width += !shows ? (int)fv_char_escape(escaped, s, bytes, shows, 0) : bytes > 2 ? 2 : 1;
    }
    return width;
}

/* ---- content of a map ---- */

fv_heat_map fv_map_new(fv_arena *a, const fv_attention_site *s, const fv_tensor *weights,
                       const char *file) {
    fv_heat_map m = {.site = s,
                     .name = fv_attention_name(s),
                     .file = fv_strdup(a, file),
                     .weights = *weights,
                     .nentries = 1,
                     .nheads = 1,
                     .row_axis = s->query_axis};
    /* without an axis of queries, rows are the last other axis with several entries */
    for (int i = weights->rank; i-- > 0 && m.row_axis < 0;)
        if (i != s->axis && weights->dims[i] > 1)
            m.row_axis = i;
    m.nkeys = weights->dims[s->axis];
    m.nqueries = m.row_axis < 0 ? 1 : weights->dims[m.row_axis];
    /* the last axes are heads, if their dims multiply to the number of heads */
    for (int i = weights->rank; i-- > 0;) {
        int64_t n = i == s->axis || i == m.row_axis ? 1 : weights->dims[i];
        *(m.nheads < s->heads.query && m.nheads * n <= s->heads.query ? &m.nheads : &m.nentries) *=
            n;
    }
    return m;
}

/* The index of the first weight of map i, and the distances between rows and between columns, in
 * elements. */
typedef struct place {
    int64_t at, row, column;
} place;

static place place_of(const fv_heat_map *m, int64_t i) {
    place p = {0, 0, 0};
    int64_t stride = 1;
    for (int k = m->weights.rank; k-- > 0;) {
        int64_t n = m->weights.dims[k];
        if (k == m->site->axis) {
            p.column = stride;
        } else if (k == m->row_axis) {
            p.row = stride;
        } else {
            p.at += i % n * stride;
            i /= n;
        }
        stride *= n;
    }
    return p;
}

/* ---- the picture ---- */

enum {
    /* palette: indices 0 to 254 are weights from 0 to the largest, index 255 is NaN */
    LEVELS = 255,
    NO_NUMBER = 255
};

typedef struct picture {
    int rows, columns;
    /* number of weights that a pixel covers along rows and along columns */
    int64_t row_block, column_block;
    uint8_t *pixels;
    double most; /* the weight that the last colour represents */
    bool no_numbers;
} picture;

/* The red component decreases evenly from 255 to 8, so that the script of the page can compute
 * weights from colours. */
static const uint8_t stops[5][3] = {
    {255, 255, 255}, {193, 220, 242}, {132, 176, 219}, {70, 120, 180}, {8, 48, 107}};
static const uint8_t no_number[3] = {250, 160, 40};

static fv_palette make_palette(void) {
    fv_palette p;
    for (int i = 0; i < LEVELS; i++)
        for (int k = 0; k < 3; k++) {
            double at = 4.0 * i / (LEVELS - 1);
            int stop = at < 3 ? (int)at : 3;
            p.rgb[i][k] = (uint8_t)lround(stops[stop][k] +
                                          (at - stop) * (stops[stop + 1][k] - stops[stop][k]));
        }
    memcpy(p.rgb[NO_NUMBER], no_number, 3);
    return p;
}

/* The number of weights that a pixel covers along an axis of n entries; 1 if the axis is not too
 * long for an image. If both axes are too long, it is the same for both, so that a diagonal remains
 * a diagonal. */
static int64_t block_of(const fv_heat_map *m, int64_t n) {
    int64_t longest = m->nqueries > m->nkeys ? m->nqueries : m->nkeys;
    return n > SIDE ? (longest + SIDE - 1) / SIDE : 1;
}

/* The largest weight of the block that a pixel covers; NaN if the block contains a NaN or an
 * infinity. */
static double largest(const fv_heat_map *m, const place *p, const picture *q, int row, int column) {
    int64_t first_row = row * q->row_block, first_column = column * q->column_block;
    double most = -INFINITY;
    for (int64_t i = first_row; i < first_row + q->row_block && i < m->nqueries; i++)
        for (int64_t k = first_column; k < first_column + q->column_block && k < m->nkeys; k++) {
            double w = fv_tensor_float(&m->weights, (size_t)(p->at + i * p->row + k * p->column));
            if (!isfinite(w))
                return NAN;
            most = w > most ? w : most;
        }
    return most;
}

static picture make_picture(fv_arena *a, const fv_heat_map *m, int64_t i) {
    picture q = {.row_block = block_of(m, m->nqueries), .column_block = block_of(m, m->nkeys)};
    place p = place_of(m, i);
    q.rows = (int)((m->nqueries + q.row_block - 1) / q.row_block);
    q.columns = (int)((m->nkeys + q.column_block - 1) / q.column_block);
    int n = q.rows * q.columns;
    double *weights = FV_NEW(a, double, n);
    q.pixels = FV_NEW(a, uint8_t, n);
    for (int k = 0; k < n; k++) {
        weights[k] = largest(m, &p, &q, k / q.columns, k % q.columns);
        q.most = weights[k] > q.most ? weights[k] : q.most;
        q.no_numbers |= isnan(weights[k]) != 0;
    }
    for (int k = 0; k < n; k++)
        q.pixels[k] = isnan(weights[k]) ? NO_NUMBER
                      : q.most > 0 && weights[k] > 0
                          ? (uint8_t)lround(weights[k] / q.most * (LEVELS - 1))
                          : 0;
    return q;
}

/* The entropy of a row in bits, of its weights divided by their sum; NaN: it has a weight that is
 * negative or no number, or only zeros. */
static double row_entropy(const fv_heat_map *m, int64_t at, int64_t stride) {
    double sum = 0, logs = 0;
    for (int64_t k = 0; k < m->nkeys; k++) {
        double w = fv_tensor_float(&m->weights, (size_t)(at + k * stride));
        if (!isfinite(w) || w < 0)
            return NAN;
        sum += w;
        logs += w > 0 ? w * log2(w) : 0;
    }
    return sum > 0 ? log2(sum) - logs / sum : NAN;
}

/* The mean of the entropies of a map's rows, without those that have none; NaN: no row has one. */
static double mean_entropy(const fv_heat_map *m, int64_t i) {
    place p = place_of(m, i);
    double sum = 0;
    int64_t n = 0;
    for (int64_t row = 0; row < m->nqueries; row++) {
        double e = row_entropy(m, p.at + row * p.row, p.column);
        sum += isnan(e) ? 0 : e;
        n += !isnan(e);
    }
    /* rounding may make that of one weight smaller than 0 */
    return n ? fmax(sum / (double)n, 0) : NAN;
}

/* ---- its frame ---- */

/* width of a character, gap, and height of a line of labels, in CSS pixels */
enum { CHARACTER = 6, GAP = 4, LINE = 11 };
/* length of an image's longer side, and greatest length of a pixel's side, in CSS pixels */
static const double SIDE_SHOWN = 260, LARGEST_CELL = 16;

typedef struct axis {
    const char *const *labels; /* the labels; NULL: there are none */
    int64_t n, block; /* number of entries of the axis, and number of entries that a pixel covers */
    double cell;      /* length of a pixel's side in CSS pixels */
    bool all;         /* whether every entry has its label */
    int step;         /* if not: every `step`-th entry has its number as label */
    int widest;       /* width of the widest label, in characters */
} axis;

static axis make_axis(const char *const *labels, int64_t n, int64_t block, double cell) {
    axis x = {.labels = labels,
              .n = n,
              .block = block,
              .cell = cell,
              .all = labels && n <= ALL_LABELS,
              .step = 1};
    static const int steps[] = {2, 5, 10};
    for (int ten = 1; !x.all && x.step * cell / (double)block < 30 && x.step < 1 << 24; ten *= 10)
        for (int i = 0; i < 3 && x.step * cell / (double)block < 30; i++)
            x.step = ten * steps[i];
    for (int64_t i = 0; x.all && i < n; i++)
        x.widest = width_of(labels[i]) > x.widest ? width_of(labels[i]) : x.widest;
    if (!x.all)
        x.widest = (int)log10((double)(n > 1 ? n - 1 : 1)) + 1;
    return x;
}

static double middle(const axis *x, int64_t i) {
    return ((double)i + 0.5) / (double)x->block * x->cell;
}

static void put_row_labels(fv_text *t, const axis *x, int left, int top) {
    for (int64_t i = 0; i < x->n; i += x->all ? 1 : x->step) {
        fv_text_printf(t, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">", left - GAP,
                       top + middle(x, i) + 3.5);
        if (x->all)
            put_label(t, x->labels[i]);
        else
            fv_text_printf(t, "%" PRId64, i);
        fv_text_put(t, "</text>");
    }
}

/* Are the labels of columns written vertically? They are if one has more than two characters. */
static bool is_turned(const axis *x) {
    return x->all && x->widest > 2;
}

static void put_column_labels(fv_text *t, const axis *x, int left, int top) {
    for (int64_t i = 0; i < x->n; i += x->all ? 1 : x->step) {
        if (is_turned(x))
            fv_text_printf(t, "<text transform=\"translate(%.1f %d) rotate(-90)\">",
                           left + middle(x, i) + 3.5, top - GAP);
        else
            fv_text_printf(t, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">",
                           left + middle(x, i), top - GAP);
        if (x->all)
            put_label(t, x->labels[i]);
        else
            fv_text_printf(t, "%" PRId64, i);
        fv_text_put(t, "</text>");
    }
}

/* Writes labels for the script of the page, as a list of strings in JSON, in an attribute. */
static void put_labels(fv_text *t, const char *name, const axis *x) {
    if (!x->labels)
        return;
    json_t *list = json_array();
    for (int64_t i = 0; i < x->n; i++)
        fv_json_append(list, fv_json_text(x->labels[i]));
    char *text = json_dumps(list, JSON_COMPACT | JSON_ENSURE_ASCII);
    fv_text_printf(t, " data-%s=\"", name);
    for (const char *c = text; c && *c; c++)
        put_byte(t, *c);
    fv_text_put(t, "\"");
    free(text);
    json_decref(list);
}

static double cell_of(const picture *q, const char *const *rows, const char *const *columns,
                      const fv_heat_map *m) {
    int most = q->rows > q->columns ? q->rows : q->columns;
    double cell = SIDE_SHOWN / most;
    bool labelled = (rows && m->nqueries <= ALL_LABELS) || (columns && m->nkeys <= ALL_LABELS);
    cell = cell < 1 ? 1 : cell > LARGEST_CELL ? LARGEST_CELL : cell;
    return labelled && cell < (double)LINE ? (double)LINE : cell;
}

static void put_svg(fv_text *t, const fv_heat_map *m, const picture *q, const char *const *rows,
                    const char *const *columns, const fv_palette *palette) {
    double cell = cell_of(q, rows, columns, m);
    axis y = make_axis(rows, m->nqueries, q->row_block, cell),
         x = make_axis(columns, m->nkeys, q->column_block, cell);
    int left = y.widest * CHARACTER + 2 * GAP,
        top = is_turned(&x) ? x.widest * CHARACTER + 2 * GAP : LINE + GAP;
    double width = cell * q->columns, height = cell * q->rows;
    fv_text_printf(
        t,
        "<svg width=\"%.0f\" height=\"%.0f\" role=\"img\" data-most=\"%.9g\" data-nrows=\"%" PRId64
        "\" data-ncolumns=\"%" PRId64 "\" data-row-block=\"%" PRId64
        "\" data-column-block=\"%" PRId64 "\"",
        left + CHARACTER + width, top + GAP + height, q->most, m->nqueries, m->nkeys, q->row_block,
        q->column_block);
    put_labels(t, "rows", &y);
    put_labels(t, "columns", &x);
    fv_text_printf(t,
                   "><image x=\"%d\" y=\"%d\" width=\"%.4f\" height=\"%.4f\" "
                   "preserveAspectRatio=\"none\" href=\"data:image/png;base64,",
                   left, top, width, height);
    fv_png_base64(t, q->columns, q->rows, q->pixels, palette);
    fv_text_printf(t, "\"/><rect x=\"%d\" y=\"%d\" width=\"%.4f\" height=\"%.4f\"/>", left, top,
                   width, height);
    put_row_labels(t, &y, left, top);
    put_column_labels(t, &x, left, top);
    fv_text_put(t, "</svg>");
}

/* ---- an attention ---- */

static void put_figure(fv_text *t, const fv_heat_map *m, int64_t i, fv_labels *labels,
                       const fv_palette *palette) {
    fv_arena *a = fv_arena_new(fv_arena_session(t->arena));
    picture q = make_picture(a, m, i);
    int64_t entry = i / m->nheads, head = i % m->nheads;
    const char *const *rows =
        m->site->query_axis < 0
            ? NULL
            : fv_labels_of(labels, FV_OF_QUERIES, m->nqueries, m->nentries, entry);
    const char *const *columns = fv_labels_of(labels, FV_OF_KEYS, m->nkeys, m->nentries, entry);
    fv_text_put(t, "<figure>");
    put_svg(t, m, &q, rows, columns, palette);
    fv_text_put(t, "<figcaption>");
    if (m->nentries > 1)
        fv_text_printf(t, "entry %" PRId64 "%s", entry, m->nheads > 1 ? ", " : "");
    if (m->nheads > 1)
        fv_text_printf(t, "head %" PRId64, head);
    fv_text_printf(t, " <span>0 to %.3g%s", q.most, q.no_numbers ? ", and what is no number" : "");
    double entropy = mean_entropy(m, i);
    if (!isnan(entropy))
        fv_text_printf(t, "; entropy %.2f of at most %.2f bits", entropy, log2((double)m->nkeys));
    fv_text_put(t, "</span></figcaption></figure>\n");
    fv_arena_free(a);
}

static void put_meaning(fv_text *t, const fv_heat_map *m) {
    const fv_attention_site *s = m->site;
    fv_arena *a = t->arena;
    int64_t row_block = block_of(m, m->nqueries), column_block = block_of(m, m->nkeys);
    fv_text_printf(t, "<p>%s attention, %s; mask: %s. ", fv_attention_kind_name(s->kind),
                   fv_attention_heads_str(a, s), fv_attention_masks_str(a, s->traits.mask));
    if (s->query_axis >= 0)
        fv_text_printf(t, "Rows are queries (%" PRId64 "), columns keys (%" PRId64 "). ",
                       m->nqueries, m->nkeys);
    else if (m->row_axis >= 0)
        fv_text_printf(
            t, "Columns are keys (%" PRId64 "); each row has one query, and is of axis %d. ",
            m->nkeys, m->row_axis);
    else
        fv_text_printf(t, "Columns are keys (%" PRId64 ") of one query. ", m->nkeys);
    if (row_block > 1 || column_block > 1)
        fv_text_printf(t, "<b>Each pixel is the largest of %" PRId64 " x %" PRId64 " weights.</b> ",
                       row_block, column_block);
    fv_text_printf(t, "All weights: <a href=\"%s\">%s</a></p>\n", m->file, m->file);
}

static void put_attention(fv_text *t, const fv_heat_map *m, int number, fv_labels *labels,
                          const fv_palette *palette) {
    int64_t n = m->nentries * m->nheads;
    bool empty = !m->weights.count;
    fv_text_printf(t, "<section id=\"a%d\"><h2>", number);
    put_shown(t, m->name);
    fv_text_put(t, "</h2>\n");
    put_meaning(t, m);
    for (int64_t i = 0; !empty && i < n && i < MAPS; i++) {
        if (i % m->nheads == 0)
            fv_text_put(t, i ? "</div>\n<div>\n" : "<div>\n");
        put_figure(t, m, i, labels, palette);
    }
    fv_text_put(t, empty ? "" : "</div>\n");
    if (empty)
        fv_text_put(t, "<p>It has no weights.</p>\n");
    if (!empty && n > MAPS)
        fv_text_printf(t, "<p>%" PRId64 " more maps are in the file alone.</p>\n", n - MAPS);
    fv_text_put(t, "</section>\n");
}

/* ---- the page ---- */

static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; "
    "style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n<style>\n"
    ":root { color-scheme: light dark }\n"
    "body { font: 14px/1.45 system-ui, sans-serif; color: #223; background: #fff; margin: 1.5em "
    "auto; padding: 0 1.5em; max-width: 1640px }\n"
    "h1 { font-size: 1.5em; margin: 0 } h2 { font-size: 1.1em; margin: 0; overflow-wrap: anywhere "
    "} p { margin: .2em 0 .8em; color: #556 }\n"
    "nav { columns: 22em; margin: 1em 0 } nav a { display: block; overflow-wrap: anywhere } a { "
    "color: #1a5a9e; text-decoration: none }\n"
    "section { border-top: 1px solid #dde; padding: 1.2em 0 } div { display: flex; flex-wrap: "
    "wrap; gap: 1.2em 1.6em; margin-bottom: 1.2em }\n"
    "figure { margin: 0; max-width: 100%; overflow-x: auto } figcaption { font-weight: 600 } span "
    "{ font-weight: 400; color: #778 }\n"
    "svg { display: block; overflow: visible; font: 10px ui-monospace, monospace; fill: #445 } svg "
    "text { white-space: pre }\n"
    "svg image { image-rendering: pixelated } svg rect { fill: none; stroke: #99a; stroke-width: "
    ".75 }\n"
    "#scale { display: inline-block; width: 12em; height: .9em; vertical-align: -.1em; border: 1px "
    "solid #99a }\n"
    "#tip { position: fixed; padding: .2em .6em; border-radius: 4px; background: #223; color: "
    "#fff; font-size: 13px; "
    "white-space: pre; pointer-events: none }\n"
    /* inverts the colours of images, too: a weight of 0, otherwise white, is black */
    "@media (prefers-color-scheme: dark) {\n"
    "body { color: #dde; background: #14161c } p { color: #a6abba } a { color: #7fb2f0 } section { "
    "border-color: #333845 }\n"
    "span { color: #9298a8 } svg { fill: #b6bbc9 } svg rect, #scale { border-color: #667; stroke: "
    "#667 }\n"
    "#tip { background: #dde; color: #14161c }\n"
    "svg image, #scale, #none { filter: invert(1) hue-rotate(180deg) }\n"
    "}\n";

/* The script of the page. It computes weights from the red component of an image's pixels. */
static const char script[] =
    "<script>\n"
    "const tip = document.getElementById('tip'), pixels = new Map();\n"
    "function read(svg) {\n"
    "  const image = new Image(), canvas = document.createElement('canvas');\n"
    "  image.onload = () => {\n"
    "    canvas.width = image.width; canvas.height = image.height;\n"
    "    const context = canvas.getContext('2d');\n"
    "    context.drawImage(image, 0, 0);\n"
    "    pixels.set(svg, context.getImageData(0, 0, image.width, image.height));\n"
    "  };\n"
    "  image.src = svg.querySelector('image').getAttribute('href');\n"
    "}\n"
    "function entries(list, i, block, n) {\n"
    "  const name = k => list ? JSON.stringify(JSON.parse(list)[k]) + ' (' + k + ')' : k, last = "
    "Math.min((i + 1) * block, n) - 1;\n"
    "  return i * block < last ? name(i * block) + ' to ' + name(last) : name(last);\n"
    "}\n"
    "function show(svg, event) {\n"
    "  const box = svg.querySelector('image').getBoundingClientRect(), d = svg.dataset, p = "
    "pixels.get(svg);\n"
    "  const x = (event.clientX - box.left) / box.width, y = (event.clientY - box.top) / "
    "box.height;\n"
    "  tip.hidden = !p || x < 0 || y < 0 || x >= 1 || y >= 1;\n"
    "  if (tip.hidden) return;\n"
    "  const column = Math.floor(x * p.width), row = Math.floor(y * p.height), at = 4 * (row * "
    "p.width + column);\n"
    "  const number = p.data[at] > p.data[at + 2] ? 'no number' : (d.most * (255 - p.data[at]) / "
    "247).toPrecision(2);\n"
    "  tip.textContent = entries(d.rows, row, d.rowBlock, d.nrows) + ' \\u2192 ' +\n"
    "      entries(d.columns, column, d.columnBlock, d.ncolumns) + ': ' + number;\n"
    "  tip.style.left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8) + 'px';\n"
    "  tip.style.top = Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 8) + 'px';\n"
    "}\n"
    "for (const svg of document.querySelectorAll('svg')) {\n"
    "  svg.addEventListener('pointerenter', () => pixels.has(svg) || read(svg));\n"
    "  svg.addEventListener('pointermove', event => show(svg, event));\n"
    "  svg.addEventListener('pointerleave', () => tip.hidden = true);\n"
    "}\n"
    "</script>\n";

static void put_scale(fv_text *t) {
    fv_text_put(t, "#scale { background: linear-gradient(to right");
    for (int i = 0; i < 5; i++)
        fv_text_printf(t, ", rgb(%d %d %d)", stops[i][0], stops[i][1], stops[i][2]);
    fv_text_printf(t,
                   ") }\n#none { display: inline-block; width: .9em; height: .9em; vertical-align: "
                   "-.1em; background: rgb(%d %d %d) }\n",
                   no_number[0], no_number[1], no_number[2]);
}

void fv_maps_page(fv_text *out, const char *title, const char *dims, const fv_heat_map *maps, int n,
                  fv_labels *labels) {
    const fv_palette palette = make_palette();
    fv_text_put(out, head);
    put_scale(out);
    fv_text_put(out, "</style>\n<title>Attention of ");
    put_shown(out, title);
    fv_text_put(out, "</title></head><body>\n<h1>Attention of ");
    put_shown(out, title);
    fv_text_put(out, "</h1>\n");
    if (*dims) {
        fv_text_put(out, "<p>");
        put_shown(out, dims);
        fv_text_put(out, "</p>\n");
    }
    fv_text_put(out,
                "<p>Weight: 0 <i id=\"scale\"></i> the largest of the map, which is given below "
                "it; <i id=\"none\"></i> no number. "
                "The weight under the pointer is shown, to two digits.</p>\n<nav>\n");
    for (int i = 0; i < n; i++) {
        fv_text_printf(out, "<a href=\"#a%d\">", i);
        put_shown(out, maps[i].name);
        fv_text_put(out, "</a>\n");
    }
    fv_text_put(out, "</nav>\n");
    for (int i = 0; i < n; i++)
        put_attention(out, &maps[i], i, labels, &palette);
    fv_text_put(out, "<b id=\"tip\" hidden></b>\n");
    fv_text_put(out, script);
    fv_text_put(out, "</body></html>\n");
}
