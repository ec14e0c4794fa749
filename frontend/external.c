/* external.c - reads tensor data from separate files, which must be inside the model's folder. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sha1.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "frontend/tensor_proto.h"
#include "ir/base/mapping.h"

static bool bad(fv_tensor_reader *r, const Onnx__TensorProto *t, const char *what,
                const char *about) {
    return fv_error(r->session, "tensor '%s': external data: %s '%s'", t->name ? t->name : "", what,
                    about);
}

static const char *entry(const Onnx__TensorProto *t, const char *key) {
    for (size_t i = 0; i < t->n_external_data; i++) {
        const Onnx__StringStringEntryProto *e = t->external_data[i];
        if (e->key && !strcmp(e->key, key))
            return e->value ? e->value : "";
    }
    return NULL;
}

/* Reads an entry that is a number of bytes in decimal. If it is absent: returns false without a
 * diagnostic, *out is unchanged. */
static bool number(fv_tensor_reader *r, const Onnx__TensorProto *t, const char *key, uint64_t *out,
                   bool *ok) {
    const char *text = entry(t, key);
    if (!text)
        return false;
    uint64_t v = 0;
    *ok = *text != 0;
    for (const char *c = text; *c && *ok; c++) {
        *ok = *c >= '0' && *c <= '9' && v <= (UINT64_MAX - 9) / 10;
        if (*ok)
            v = v * 10 + (uint64_t)(*c - '0');
    }
    if (!*ok)
        bad(r, t, fv_printf(r->arena, "'%s' is no number:", key), text);
    *out = v;
    return *ok;
}

/* Whether it is a relative path without `..`. Links in it are followed later, when it is opened. */
static bool is_inside(const char *location) {
    if (!*location || *location == '/' || strchr(location, '\\'))
        return false;
    for (const char *part = location; part; part = strchr(part, '/')) {
        part += *part == '/';
        size_t n = strcspn(part, "/");
        if (n == 2 && part[0] == '.' && part[1] == '.')
            return false;
    }
    return true;
}

/* The file's real path, which must be inside the real path of the folder. */
static const char *resolve(fv_tensor_reader *r, const Onnx__TensorProto *t, const char *location) {
    char folder[PATH_MAX], file[PATH_MAX];
    if (!is_inside(location)) {
        bad(r, t, "must be a path inside the model's folder:", location);
        return NULL;
    }
    if (!r->folder) {
        bad(r, t, "a model in memory has no folder to read from; say the folder of", location);
        return NULL;
    }
    if (!realpath(r->folder, folder)) {
        bad(r, t, fv_printf(r->arena, "%s: the folder", strerror(errno)), r->folder);
        return NULL;
    }
    if (!realpath(fv_printf(r->arena, "%s/%s", folder, location), file)) {
        bad(r, t, fv_printf(r->arena, "%s:", strerror(errno)), location);
        return NULL;
    }
    size_t n = strlen(folder);
    if (strncmp(file, folder, n) != 0 || (n > 1 && file[n] != '/')) {
        bad(r, t, "a link leads outside the model's folder:", location);
        return NULL;
    }
    return fv_strdup(r->arena, file);
}

/* Maps a file that has no other hard link. A hard link cannot be resolved as a path, and the same
 * file may have another name anywhere, for instance that of a secret. onnx.checker refuses it as
 * well (document ExternalDataSecurity). The check is made on the opened file. */
static bool map_only_name(fv_tensor_reader *r, const Onnx__TensorProto *t, const char *path,
                          const char *location, fv_file *out) {
    static const uint8_t empty[1];
    const char *why;
    /* O_NONBLOCK: opening a pipe must not block */
    const fv_mapping *m = fv_map_file(r->session, r->arena, path, O_NONBLOCK, &why);
    if (!m)
        return fv_error(r->session, "%s", why);
    if (m->stat.st_nlink > 1)
        return bad(r, t,
                   "the file has other hard links, which may be anywhere; copy it:", location);
    *out = (fv_file){m->start ? m->start : empty, m->size};
    return true;
}

static fv_external_file *open_external(fv_tensor_reader *r, const Onnx__TensorProto *t,
                                       const char *location) {
    for (fv_external_file *f = r->files; f; f = f->next)
        if (!strcmp(f->location, location))
            return f;
    const char *path = resolve(r, t, location);
    fv_external_file *f = FV_NEW(r->arena, fv_external_file, 1);
    if (!path || !map_only_name(r, t, path, location, &f->file))
        return NULL;
    f->location = fv_strdup(r->arena, location);
    fv_mapping_rename(r->session, f->file.data, fv_printf(r->arena, "%s/%s", r->folder, location));
    f->next = r->files;
    r->files = f;
    return f;
}

/* Compares the `checksum` of a tensor, the SHA-1 of its whole file in hex. The file is read once
 * for this, at the speed of a disk: about two seconds for a gigabyte. Not called when the model is
 * only inspected. */
static bool checksum_holds(fv_tensor_reader *r, const Onnx__TensorProto *t, fv_external_file *f) {
    const char *want = entry(t, "checksum");
    if (!want)
        return true;
    if (strlen(want) != SHA1_DIGEST_STRING_LENGTH - 1 ||
        strspn(want, "0123456789abcdefABCDEF") != strlen(want))
        return bad(r, t, "the checksum is no SHA-1 in hex:", want);
    if (r->without_weights)
        return true;
    if (!f->sha1) {
        char *hex = fv_alloc(r->arena, SHA1_DIGEST_STRING_LENGTH, 1);
        f->sha1 = SHA1Data(f->file.data, f->file.size, hex);
    }
    return !strcasecmp(f->sha1, want) ||
           fv_error(r->session,
                    "tensor '%s': external data: '%s' has the SHA-1 %s, the model expects %s",
                    t->name ? t->name : "", f->location, f->sha1, want);
}

const uint8_t *fv_tensor_external(fv_tensor_reader *r, const Onnx__TensorProto *t, size_t need) {
    const char *location = entry(t, "location");
    uint64_t offset = 0, length = need;
    bool ok = true;
    if (!location) {
        bad(r, t, "has no", "location");
        return NULL;
    }
    number(r, t, "offset", &offset, &ok);
    if (!ok)
        return NULL;
    bool has_length = number(r, t, "length", &length, &ok);
    if (!ok)
        return NULL;
    if (has_length && length != need) {
        fv_error(r->session,
                 "tensor '%s': external data has %llu bytes, its type and dims need %zu",
                 t->name ? t->name : "", (unsigned long long)length, need);
        return NULL;
    }
    fv_external_file *external = open_external(r, t, location);
    if (!external || !checksum_holds(r, t, external))
        return NULL;
    const fv_file *f = &external->file;
    if (offset > f->size || need > f->size - offset) {
        fv_error(r->session,
                 "tensor '%s': external data of %zu bytes at offset %llu is outside of '%s', which "
                 "has %zu bytes",
                 t->name ? t->name : "", need, (unsigned long long)offset, location, f->size);
        return NULL;
    }
    if (r->seen && need)
        r->seen(r->ctx, f->data + offset, need);
    return f->data + offset;
}
