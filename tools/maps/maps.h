/* maps.h - `run --attention-maps`: the weights of attentions, as files and as a page to look at. */
#ifndef FV_TOOLS_MAPS_MAPS_H
#define FV_TOOLS_MAPS_MAPS_H

#include "passes/attention/attention.h"
#include "tools/model/model.h"

/* ---- labels.c ---- */

/* Labels of an axis: of each entry of a batch (nentries of n), or the same for all (nentries is
 * 1). */
typedef struct fv_label_list {
    const char *const *at; /* NULL: there are none */
    int64_t nentries, n;
    bool used;
} fv_label_list;

typedef struct fv_labels {
    const char *path;
    fv_label_list own[2]; /* of queries, of keys */
} fv_labels;

/* Reads --labels (docs/attention.md has the format), or none. False after a message. */
bool fv_labels_read(fv_context *c, fv_labels *out) FV_MUST_USE;
enum { FV_OF_QUERIES, FV_OF_KEYS };
/* Labels of an axis of n queries or keys, for one of so many entries of a batch: its own where they
 * are as many, else those of the other axis, as queries and keys of one sequence have the same.
 * NULL: none fit. */
const char *const *fv_labels_of(fv_labels *l, int axis, int64_t n, int64_t nentries, int64_t entry);

/* ---- maps.c ---- */

/* Runs the model of `base` again on its inputs, with the weights of each attention as results, and
 * writes them and the page to --attention-maps. Prints the files, or adds them to `list` where that
 * is not NULL. Returns the exit status; not FV_EXIT_OK: after messages, and what was written before
 * stays. */
int fv_maps_write(fv_context *c, const fv_subject *base, fv_backend_kind backend, fv_labels *labels,
                  json_t *list) FV_MUST_USE;

/* ---- maps_page.c ---- */

/* The weights of an attention. Its axes but those of queries and keys are a batch and, behind it,
 * heads. */
typedef struct fv_map {
    const fv_attention_site *site;
    const char *name, *file; /* of the softmax; of its weights, beside the page */
    fv_tensor weights;
    int64_t nentries, nheads, nqueries, nkeys;
    int row_axis; /* -1: there is one row */
} fv_map;

fv_map fv_map_new(fv_arena *a, const fv_attention_site *s, const fv_tensor *weights,
                  const char *file);
/* HTML that needs nothing but itself. */
void fv_maps_page(fv_text *out, const char *title, const char *dims, const fv_map *maps, int n,
                  fv_labels *labels);

/* ---- png.c ---- */

typedef struct fv_palette {
    uint8_t rgb[256][3];
} fv_palette;
/* A picture of width x height pixels, which are indices of the palette, as base64 of a PNG file.
 * Both sizes are at least 1, and at most 4096. */
void fv_png_base64(fv_text *out, int width, int height, const uint8_t *pixels,
                   const fv_palette *palette);

#endif
