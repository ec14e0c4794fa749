/* image_jpeg.c - JPEG, by libjpeg, which leaves by longjmp if a file is damaged. */
#include <setjmp.h>
#include <stdio.h>

#include <jpeglib.h>

#include <jerror.h>

#include "backend/library/image.h"

/* largest number of scans of a progressive file, each of which passes over the whole image */
enum { MOST_SCANS = 200 };

typedef struct decoding {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf out;
    bool ends;           /* whether the file ends before the image */
    const char *problem; /* text of the error for which libjpeg left */
    uint8_t *row;        /* memory for a row of a CMYK image */
    fv_image *image;
} decoding;

static decoding *of(j_common_ptr jpeg) {
    return jpeg->client_data;
}

static void leave(j_common_ptr jpeg) {
    decoding *d = of(jpeg);
    if (!d->problem)
        d->problem = jpeg->err->msg_code == JERR_OUT_OF_MEMORY
                         ? fv_image_no_memory
                         : "the JPEG is damaged, or of a kind that is not supported";
    longjmp(d->out, 1);
}

/* Handles a warning: records that a file ends early, in which case libjpeg fills up the image.
 * Other warnings concern data that can be decoded. */
static void take_message(j_common_ptr jpeg, int level) {
    if (level < 0 && jpeg->err->msg_code == JWRN_JPEG_EOF)
        of(jpeg)->ends = true;
}

static void say_nothing(j_common_ptr jpeg) {
    (void)jpeg;
}

static void count_scans(j_common_ptr jpeg) {
    decoding *d = of(jpeg);
    if (d->jpeg.input_scan_number <= MOST_SCANS)
        return;
    d->problem = "the JPEG has more than 200 scans";
    leave(jpeg);
}

/* Reads a row of CMYK pixels, which are stored inverted, as programs of Adobe write them. */
static void read_cmyk(decoding *d, uint8_t *to) {
    JSAMPROW row = d->row;
    jpeg_read_scanlines(&d->jpeg, &row, 1);
    for (JDIMENSION x = 0; x < d->jpeg.output_width; x++) {
        uint8_t *cmyk = d->row + 4 * (size_t)x;
        for (int k = 0; k < 4; k++)
            cmyk[k] = (uint8_t)(255 - cmyk[k]);
        fv_cmyk_to_rgb(cmyk, to + 3 * (size_t)x);
    }
}

static const char *decode(decoding *d, fv_bytes file, bool whole) {
    struct jpeg_decompress_struct *j = &d->jpeg;
    jpeg_mem_src(j, file.at, file.n);
    jpeg_read_header(j, TRUE);
    int n = j->num_components;
    if (n != 1 && n != 3 && n != 4)
        return "the JPEG has neither 1, 3 nor 4 components";
    const char *problem =
        fv_image_begin(d->image, j->image_width, j->image_height, n == 1 ? 1 : 3, whole);
    if (problem || !whole)
        return problem;
    j->out_color_space = n == 1 ? JCS_GRAYSCALE : n == 3 ? JCS_RGB : JCS_CMYK;
    jpeg_start_decompress(j);
    if (n == 4)
        d->row = j->mem->alloc_large((j_common_ptr)j, JPOOL_IMAGE, 4 * (size_t)j->output_width);
    while (j->output_scanline < j->output_height && !d->ends) {
        JSAMPROW to = d->image->pixels + fv_image_row(d->image) * j->output_scanline;
        if (n == 4)
            read_cmyk(d, to);
        else
            jpeg_read_scanlines(j, &to, 1);
    }
    return d->ends ? fv_image_ends : NULL;
}

const char *fv_decode_jpeg(fv_bytes file, bool whole, fv_image *image) {
    /* libjpeg has the address of d, so members of d that change after setjmp are in memory */
    decoding d = {.image = image};
    d.jpeg.err = jpeg_std_error(&d.errors);
    d.errors.error_exit = leave;
    d.errors.emit_message = take_message;
    d.errors.output_message = say_nothing;
    d.progress.progress_monitor = count_scans;
    d.jpeg.client_data = &d;
    const char *volatile problem;
    if (setjmp(d.out)) {
        problem = d.problem;
    } else {
        jpeg_create_decompress(&d.jpeg);
        d.jpeg.progress = &d.progress;
        problem = decode(&d, file, whole);
    }
    jpeg_destroy_decompress(&d.jpeg);
    return problem;
}
