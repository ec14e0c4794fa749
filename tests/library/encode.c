/* encode.c - writes image files, with the libraries that also decode them. */
#include "tests/library/encode.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jpeglib.h>
#include <openjpeg.h>
#include <png.h>
#include <tiffio.h>
#include <webp/encode.h>

void add(file *f, const void *bytes, size_t n) {
    f->at = realloc(f->at, f->n + n + 1);
    cr_assert(f->at);
    memcpy(f->at + f->n, bytes, n);
    f->n += n;
}

void add_little(file *f, uint64_t v, int bytes) {
    for (int i = 0; i < bytes; i++)
        add(f, &(uint8_t){(uint8_t)(v >> (8 * i))}, 1);
}

static file read_path(const char *path) {
    FILE *in = fopen(path, "rb");
    file f = {0};
    char some[4096];
    cr_assert(in);
    for (size_t n; (n = fread(some, 1, sizeof some, in)) > 0;)
        add(&f, some, n);
    fclose(in);
    unlink(path);
    return f;
}

static const char *new_path(char *path) {
    int fd = mkstemp(path);
    cr_assert(fd >= 0);
    close(fd);
    return path;
}

/* ---- PNG ---- */

static void put_png(png_structp png, png_bytep from, size_t n) {
    add(png_get_io_ptr(png), from, n);
}
static void flush_png(png_structp png) {
    (void)png;
}

static int channels_of(int colour) {
    return colour == PNG_COLOR_TYPE_RGB          ? 3
           : colour == PNG_COLOR_TYPE_RGB_ALPHA  ? 4
           : colour == PNG_COLOR_TYPE_GRAY_ALPHA ? 2
                                                 : 1;
}

static void png_row(uint8_t *row, int y, int channels, int bits) {
    memset(row, 0, 8 * WIDTH);
    for (int x = 0; x < WIDTH; x++)
        for (int k = 0; k < channels; k++) {
            int at = x * channels + k, v = sample(x, y, k);
            if (bits == 16) {
                row[2 * at] = (uint8_t)v;
                row[2 * at + 1] = (uint8_t)(255 - v);
            } else if (bits == 8) {
                row[at] = (uint8_t)v;
            } else {
                row[at * bits / 8] |= (uint8_t)(v >> (8 - bits) << (8 - bits - at * bits % 8));
            }
        }
}

file make_png(int colour, int bits, bool interlaced) {
    file f = {0};
    uint8_t rows[HEIGHT][8 * WIDTH], *at[HEIGHT];
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_set_write_fn(png, &f, put_png, flush_png);
    png_set_IHDR(png, info, WIDTH, HEIGHT, bits, colour,
                 interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_color palette[256];
    for (int i = 0; i < 256; i++)
        palette[i] = (png_color){(png_byte)(255 - i), (png_byte)(i * 7), (png_byte)(i * 3)};
    if (colour == PNG_COLOR_TYPE_PALETTE) {
        png_byte alpha[2] = {0, 128}; /* is left out */
        png_set_PLTE(png, info, palette, 1 << bits);
        png_set_tRNS(png, info, alpha, 2, NULL);
    }
    for (int y = 0; y < HEIGHT; y++) {
        png_row(rows[y], y, channels_of(colour), bits);
        at[y] = rows[y];
    }
    png_write_info(png, info);
    png_write_image(png, at);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    return f;
}

/* ---- JPEG ---- */

file make_jpeg(int channels, bool progressive) {
    struct jpeg_compress_struct j;
    struct jpeg_error_mgr errors;
    unsigned char *made = NULL;
    unsigned long n = 0;
    j.err = jpeg_std_error(&errors);
    jpeg_create_compress(&j);
    jpeg_mem_dest(&j, &made, &n);
    j.image_width = WIDTH;
    j.image_height = HEIGHT;
    j.input_components = channels;
    j.in_color_space = channels == 1 ? JCS_GRAYSCALE : channels == 3 ? JCS_RGB : JCS_CMYK;
    jpeg_set_defaults(&j);
    jpeg_set_quality(&j, 100, TRUE);
    for (int k = 0; k < channels; k++)
        j.comp_info[k].h_samp_factor = j.comp_info[k].v_samp_factor = 1;
    if (progressive)
        jpeg_simple_progression(&j);
    jpeg_start_compress(&j, TRUE);
    for (int y = 0; y < HEIGHT; y++) {
        JSAMPLE row[4 * WIDTH];
        for (int i = 0; i < WIDTH * channels; i++) /* smooth, so that little is lost */
            row[i] = (JSAMPLE)(10 * (i / channels) + 3 * y + 5 * (i % channels));
        jpeg_write_scanlines(&j, &(JSAMPROW){row}, 1);
    }
    jpeg_finish_compress(&j);
    jpeg_destroy_compress(&j);
    file f = {0};
    add(&f, made, n);
    free(made);
    return f;
}

/* ---- WebP ---- */

static file lossless(int channels, int add_to) {
    uint8_t pixels[HEIGHT][WIDTH][4], *made = NULL;
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++)
            for (int k = 0; k < channels; k++)
                (&pixels[0][0][0])[(y * WIDTH + x) * channels + k] =
                    (uint8_t)(k == 3 ? 255 - (x & 1) * 100 : sample(x, y, k) + add_to);
    size_t n = channels == 4
                   ? WebPEncodeLosslessRGBA(&pixels[0][0][0], WIDTH, HEIGHT, 4 * WIDTH, &made)
                   : WebPEncodeLosslessRGB(&pixels[0][0][0], WIDTH, HEIGHT, 3 * WIDTH, &made);
    file f = {0};
    cr_assert(n);
    add(&f, made, n);
    WebPFree(made);
    return f;
}

file make_webp(int channels) {
    return lossless(channels, 0);
}

static void add_chunk(file *f, const char *name, const file *body) {
    add(f, name, 4);
    add_little(f, (uint32_t)body->n, 4);
    add(f, body->at, body->n);
    if (body->n % 2)
        add(f, "", 1);
}

file make_webp_of_frames(void) {
    file whole = {0}, all = {0}, head = {0}, loop = {0};
    add_little(&head, 2, 4); /* it is an animation */
    add_little(&head, WIDTH - 1, 3);
    add_little(&head, HEIGHT - 1, 3);
    add(&all, "WEBP", 4);
    add_chunk(&all, "VP8X", &head);
    add_little(&loop, 0, 6);
    add_chunk(&all, "ANIM", &loop);
    for (int i = 0; i < 2; i++) {
        file one = lossless(3, i), frame = {0};
        add_little(&frame, 0, 6);
        add_little(&frame, WIDTH - 1, 3);
        add_little(&frame, HEIGHT - 1, 3);
        add_little(&frame, 100, 3);
        add_little(&frame, 2, 1);
        add(&frame, one.at + 12, one.n - 12);
        add_chunk(&all, "ANMF", &frame);
        free(one.at);
        free(frame.at);
    }
    add(&whole, "RIFF", 4);
    add_little(&whole, (uint32_t)all.n, 4);
    add(&whole, all.at, all.n);
    free(all.at);
    free(head.at);
    free(loop.at);
    return whole;
}

/* ---- TIFF ---- */

static void tiff_samples(const tiff_kind *k, int x, int y, int plane, uint8_t *to) {
    int first = k->apart ? plane : 0, count = k->apart ? 1 : k->samples;
    for (int i = 0; i < count; i++) {
        int v = x < WIDTH && y < HEIGHT ? sample(x, y, first + i) : 0;
        uint16_t wide = (uint16_t)(v << 8 | 77);
        if (k->bits == 16)
            memcpy(to + 2 * i, &wide, 2);
        else
            to[i] = (uint8_t)v;
    }
}

static void write_tiff(TIFF *t, const tiff_kind *k) {
    enum { TILE = 16 };
    uint8_t line[TILE * TILE * 16 + 64 * WIDTH];
    int size = (k->apart ? 1 : k->samples) * k->bits / 8;
    for (int plane = 0; plane < (k->apart ? k->samples : 1); plane++) {
        for (int y = 0; !k->tiled && y < HEIGHT; y++) {
            for (int x = 0; x < WIDTH; x++)
                tiff_samples(k, x, y, plane, line + x * size);
            cr_assert(TIFFWriteScanline(t, line, (uint32_t)y, (uint16_t)plane) >= 0);
        }
        for (int at = 0; k->tiled && at < WIDTH; at += TILE) {
            for (int i = 0; i < TILE * TILE; i++)
                tiff_samples(k, at + i % TILE, i / TILE, plane, line + i * size);
            cr_assert(TIFFWriteTile(t, line, (uint32_t)at, 0, 0, (uint16_t)plane) >= 0);
        }
    }
}

file make_tiff(tiff_kind k) {
    char path[] = "/tmp/fovea-image-XXXXXX";
    TIFF *t = TIFFOpen(new_path(path), k.big ? "w8" : "w");
    uint16_t extra[4] = {EXTRASAMPLE_UNASSALPHA}, colours[3][256];
    int own = k.photometric == PHOTOMETRIC_RGB ? 3 : k.photometric == PHOTOMETRIC_SEPARATED ? 4 : 1;
    cr_assert(t);
    TIFFSetField(t, TIFFTAG_IMAGEWIDTH, WIDTH);
    TIFFSetField(t, TIFFTAG_IMAGELENGTH, HEIGHT);
    TIFFSetField(t, TIFFTAG_BITSPERSAMPLE, k.bits);
    TIFFSetField(t, TIFFTAG_SAMPLESPERPIXEL, k.samples);
    TIFFSetField(t, TIFFTAG_PHOTOMETRIC, k.photometric);
    TIFFSetField(t, TIFFTAG_PLANARCONFIG, k.apart ? PLANARCONFIG_SEPARATE : PLANARCONFIG_CONTIG);
    TIFFSetField(t, TIFFTAG_COMPRESSION, k.compression ? k.compression : COMPRESSION_NONE);
    if (k.orientation)
        TIFFSetField(t, TIFFTAG_ORIENTATION, k.orientation);
    if (k.samples > own)
        TIFFSetField(t, TIFFTAG_EXTRASAMPLES, k.samples - own, extra);
    for (int i = 0; i < 256; i++) {
        colours[0][i] = (uint16_t)((255 - i) << 8);
        colours[1][i] = (uint16_t)((i * 7 & 255) << 8);
        colours[2][i] = (uint16_t)((i * 3 & 255) << 8);
    }
    if (k.photometric == PHOTOMETRIC_PALETTE)
        TIFFSetField(t, TIFFTAG_COLORMAP, colours[0], colours[1], colours[2]);
    if (k.tiled) {
        TIFFSetField(t, TIFFTAG_TILEWIDTH, 16);
        TIFFSetField(t, TIFFTAG_TILELENGTH, 16);
    } else {
        TIFFSetField(t, TIFFTAG_ROWSPERSTRIP, 5);
    }
    write_tiff(t, &k);
    TIFFClose(t);
    return read_path(path);
}

/* ---- JPEG 2000 ---- */

file make_jpeg2000(int channels, int bits, bool bare, bool half) {
    char path[] = "/tmp/fovea-image-XXXXXX";
    opj_image_cmptparm_t part[4] = {0};
    opj_cparameters_t parameters;
    opj_set_default_encoder_parameters(&parameters);
    parameters.tcp_numlayers = 1;
    parameters.cp_disto_alloc = 1;
    parameters.numresolution = 3;
    for (int k = 0; k < channels; k++) {
        unsigned step = half && k ? 2 : 1;
        part[k] = (opj_image_cmptparm_t){.dx = step,
                                         .dy = step,
                                         .w = (WIDTH + step - 1) / step,
                                         .h = (HEIGHT + step - 1) / step,
                                         .prec = (OPJ_UINT32)bits,
                                         .bpp = (OPJ_UINT32)bits};
    }
    opj_image_t *image = opj_image_create((OPJ_UINT32)channels, part,
                                          half           ? OPJ_CLRSPC_SYCC
                                          : channels < 3 ? OPJ_CLRSPC_GRAY
                                                         : OPJ_CLRSPC_SRGB);
    image->x1 = WIDTH;
    image->y1 = HEIGHT;
    for (int k = 0; k < channels; k++)
        for (unsigned i = 0; i < part[k].w * part[k].h; i++) {
            int x = (int)(i % part[k].w * part[k].dx), y = (int)(i / part[k].w * part[k].dy),
                v = sample(x, y, k);
            image->comps[k].data[i] = bits >= 8 ? v << (bits - 8) : v >> (8 - bits);
        }
    opj_codec_t *codec = opj_create_compress(bare ? OPJ_CODEC_J2K : OPJ_CODEC_JP2);
    cr_assert(opj_setup_encoder(codec, &parameters, image));
    opj_stream_t *stream = opj_stream_create_default_file_stream(new_path(path), OPJ_FALSE);
    cr_assert(opj_start_compress(codec, image, stream) && opj_encode(codec, stream) &&
              opj_end_compress(codec, stream));
    opj_stream_destroy(stream);
    opj_destroy_codec(codec);
    opj_image_destroy(image);
    return read_path(path);
}
