/* image_webp.c - WebP, by libwebp; the first frame of an animation. */
#include <limits.h>

#include <webp/decode.h>
#include <webp/demux.h>

#include "backend/library/image.h"

static const char *problem_of(VP8StatusCode status) {
    switch (status) {
    case VP8_STATUS_OK: return NULL;
    case VP8_STATUS_OUT_OF_MEMORY: return fv_image_no_memory;
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED: return fv_image_ends;
    default: return "the WebP is damaged";
    }
}

static const char *decode_still(fv_bytes file, WebPDecoderConfig *c, fv_image *image) {
    c->output.colorspace = MODE_RGB;
    c->output.is_external_memory = 1;
    c->output.u.RGBA = (WebPRGBABuffer){image->pixels, (int)fv_image_row(image),
                                        fv_image_row(image) * (size_t)image->height};
    const char *problem = problem_of(WebPDecode(file.at, file.n, c));
    WebPFreeDecBuffer(&c->output);
    return problem;
}

static const char *decode_first(fv_bytes file, fv_image *image) {
    WebPAnimDecoderOptions options;
    WebPData data = {file.at, file.n};
    uint8_t *pixels;
    int time;
    if (!WebPAnimDecoderOptionsInit(&options))
        return "the WebP is for another version of its library";
    WebPAnimDecoder *d = WebPAnimDecoderNew(&data, &options);
    if (!d)
        return "the WebP is damaged";
    WebPAnimInfo info;
    bool ok = WebPAnimDecoderGetInfo(d, &info) && info.canvas_width == image->width &&
              info.canvas_height == image->height && WebPAnimDecoderGetNext(d, &pixels, &time);
    for (int64_t i = 0; ok && i < image->width * image->height; i++)
        for (int k = 0; k < 3; k++)
            image->pixels[3 * i + k] = pixels[4 * i + k];
    WebPAnimDecoderDelete(d);
    return ok ? NULL : "the WebP is damaged";
}

const char *fv_decode_webp(fv_bytes file, bool whole, fv_image *image) {
    WebPDecoderConfig c;
    if (!WebPInitDecoderConfig(&c))
        return "the WebP is for another version of its library";
    const char *problem = problem_of(WebPGetFeatures(file.at, file.n, &c.input));
    if (problem || (problem = fv_image_begin(image, c.input.width, c.input.height, 3, whole)) ||
        !whole)
        return problem;
    return c.input.has_animation ? decode_first(file, image) : decode_still(file, &c, image);
}
