/* image_jpeg2000.c - JPEG 2000, files and bare codestreams, by OpenJPEG. */
#include <stdlib.h>
#include <string.h>

#include <openjpeg.h>

#include "backend/library/image.h"

static const char damaged[] = "the JPEG 2000 is damaged";

/* ---- bytes in memory as a stream ---- */

typedef struct source {
    fv_bytes file;
    size_t at;
} source;

static OPJ_SIZE_T take(void *to, OPJ_SIZE_T n, void *user) {
    source *s = user;
    size_t left = s->file.n - s->at;
    if (left == 0)
        return (OPJ_SIZE_T)-1;
    n = n < left ? n : left;
    memcpy(to, s->file.at + s->at, n);
    s->at += n;
    return n;
}

static OPJ_OFF_T pass(OPJ_OFF_T n, void *user) {
    source *s = user;
    if (n < 0)
        return -1;
    size_t left = s->file.n - s->at, over = (size_t)n < left ? (size_t)n : left;
    s->at += over;
    return (OPJ_OFF_T)over;
}

static OPJ_BOOL seek(OPJ_OFF_T to, void *user) {
    source *s = user;
    if (to < 0 || (size_t)to > s->file.n)
        return OPJ_FALSE;
    s->at = (size_t)to;
    return OPJ_TRUE;
}

static opj_stream_t *open_stream(source *s) {
    opj_stream_t *stream = opj_stream_create(1 << 16, OPJ_TRUE);
    if (!stream)
        return NULL;
    opj_stream_set_read_function(stream, take);
    opj_stream_set_skip_function(stream, pass);
    opj_stream_set_seek_function(stream, seek);
    opj_stream_set_user_data(stream, s, NULL);
    opj_stream_set_user_data_length(stream, s->file.n);
    return stream;
}

/* ---- components ---- */

/* The upper eight bits of a component at a pixel; a component may have one sample for dx * dy
 * pixels. */
static int sample(const opj_image_comp_t *c, const opj_image_comp_t *first, int64_t x, int64_t y) {
    int64_t w = c->w, h = c->h, sx = x * first->dx / c->dx, sy = y * first->dy / c->dy;
    int64_t value = c->data[(sy < h ? sy : h - 1) * w + (sx < w ? sx : w - 1)];
    int shift = 8 - (int)c->prec;
    value += c->sgnd ? (int64_t)1 << (c->prec - 1) : 0;
    value = shift < 0 ? value >> -shift : value << shift;
    return (int)(value < 0 ? 0 : value > 255 ? 255 : value);
}

static uint8_t clipped(double v) {
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v + 0.5);
}

static void ycc_to_rgb(const uint8_t *ycc, uint8_t *rgb) {
    double y = ycc[0], cb = ycc[1] - 128.0, cr = ycc[2] - 128.0;
    rgb[0] = clipped(y + 1.402 * cr);
    rgb[1] = clipped(y - 0.344136 * cb - 0.714136 * cr);
    rgb[2] = clipped(y + 1.772 * cb);
}

static const char *put_pixels(const opj_image_t *j, fv_image *image) {
    int n = image->channels;
    bool ycc = j->color_space == OPJ_CLRSPC_SYCC,
         cmyk = j->color_space == OPJ_CLRSPC_CMYK && j->numcomps >= 4;
    for (int k = 0; k < (cmyk ? 4 : n); k++)
        if (!j->comps[k].data || !j->comps[k].w || !j->comps[k].h || j->comps[k].prec < 1 ||
            j->comps[k].prec > 31)
            return damaged;
    for (int64_t i = 0; i < image->width * image->height; i++) {
        uint8_t all[4], *to = image->pixels + n * i;
        for (int k = 0; k < (cmyk ? 4 : n); k++)
            all[k] =
                (uint8_t)sample(&j->comps[k], &j->comps[0], i % image->width, i / image->width);
        if (cmyk)
            fv_cmyk_to_rgb(all, to);
        else if (ycc && n == 3)
            ycc_to_rgb(all, to);
        else
            memcpy(to, all, (size_t)n);
    }
    return NULL;
}

/* ---- all ---- */

static const char *decode(opj_codec_t *codec, opj_stream_t *stream, bool whole, fv_image *image,
                          opj_image_t **j) {
    opj_dparameters_t parameters;
    opj_set_default_decoder_parameters(&parameters);
    if (!opj_setup_decoder(codec, &parameters) || !opj_read_header(stream, codec, j))
        return damaged;
    const opj_image_t *head = *j;
    if (head->numcomps < 1 || head->x1 <= head->x0 || head->y1 <= head->y0 || !head->comps[0].dx ||
        !head->comps[0].dy)
        return damaged;
    int64_t width = head->comps[0].w, height = head->comps[0].h;
    const char *problem = fv_image_begin(image, width, height, 3, false);
    if (problem || !whole)
        return problem;
    if (!opj_decode(codec, stream, *j) || !opj_end_decompress(codec, stream))
        return damaged;
    /* decoding a palette makes three components of one, so compare sizes again */
    if ((*j)->comps[0].w != width || (*j)->comps[0].h != height)
        return damaged;
    problem = fv_image_begin(image, width, height, (*j)->numcomps < 3 ? 1 : 3, true);
    return problem ? problem : put_pixels(*j, image);
}

const char *fv_decode_jpeg2000(fv_bytes file, bool whole, fv_image *image) {
    source s = {file, 0};
    opj_codec_t *codec = opj_create_decompress(file.at[0] == 0xff ? OPJ_CODEC_J2K : OPJ_CODEC_JP2);
    opj_stream_t *stream = open_stream(&s);
    opj_image_t *j = NULL;
    const char *problem =
        codec && stream ? decode(codec, stream, whole, image, &j) : fv_image_no_memory;
    if (j)
        opj_image_destroy(j);
    if (stream)
        opj_stream_destroy(stream);
    if (codec)
        opj_destroy_codec(codec);
    return problem;
}
