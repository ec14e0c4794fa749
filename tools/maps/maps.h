/* maps.h - `run --attention-maps`: the weights of attentions, as files and as a page to look at. */
#ifndef FV_TOOLS_MAPS_MAPS_H
#define FV_TOOLS_MAPS_MAPS_H

#include "passes/attention/attention.h"
#include "tools/model/model.h"

/* ---- labels.c ---- */

/* Labels of an axis: nentries lists of n labels, one for each entry of a batch, or nentries 1: one
 * list for all entries. */
typedef struct fv_label_list {
    const char *const *at; /* the labels; NULL: there are none */
    int64_t nentries, n;
    bool used;
} fv_label_list;

typedef struct fv_labels {
    const char *path;
    fv_label_list own[2]; /* the labels of each axis, with index FV_OF_QUERIES or FV_OF_KEYS */
} fv_labels;

/* Reads the file of --labels (docs/attention.md describes its format); without the option there are
 * no labels. False after a message. */
bool fv_labels_read(fv_context *c, fv_labels *out) FV_MUST_USE;
enum { FV_OF_QUERIES, FV_OF_KEYS };
/* The labels of an axis with n queries or keys, for one of `nentries` entries of a batch: those of
 * the axis if there are n of them, otherwise those of the other axis, since queries and keys of one
 * sequence have the same labels. NULL: neither fits. */
const char *const *fv_labels_of(fv_labels *l, int axis, int64_t n, int64_t nentries, int64_t entry);

/* ---- maps.c ---- */

/* Runs the model of `base` once more on its inputs, with the weights of its attentions as
 * additional results; a note names the attentions of which there can be no map. Writes the weights
 * and the page into the folder of --attention-maps; prints the names of the files, or adds them to
 * `list` if that is not NULL. Returns the exit status. After a failure there are messages, and
 * files that were written before stay. */
int fv_maps_write(fv_context *c, const fv_subject *base, fv_backend_kind backend, fv_labels *labels,
                  json_t *list) FV_MUST_USE;

/* ---- maps_page.c ---- */

/* The weights of an attention. Their axes, apart from those of queries and keys, are those of a
 * batch, followed by those of heads. */
typedef struct fv_heat_map {
    const fv_attention_site *site;
    /* name of the softmax; name of the file with its weights, in the folder of the page */
    const char *name, *file;
    fv_tensor weights;
    int64_t nentries, nheads, nqueries, nkeys;
    /* axis of the rows: that of the queries, or, without one, the last other axis with several
     * entries; -1: there is one row */
    int row_axis;
} fv_heat_map;

fv_heat_map fv_map_new(fv_arena *a, const fv_attention_site *s, const fv_tensor *weights,
                       const char *file);
/* Writes an HTML page that needs no other files. */
void fv_maps_page(fv_text *out, const char *title, const char *dims, const fv_heat_map *maps, int n,
                  fv_labels *labels);

/* ---- png.c ---- */

typedef struct fv_palette {
    uint8_t rgb[256][3];
} fv_palette;
/* Writes an image of width x height pixels, each an index of the palette, as base64 of a PNG file.
 * Width and height are from 1 to 4096. */
void fv_png_base64(fv_text *out, int width, int height, const uint8_t *pixels,
                   const fv_palette *palette);

#endif
