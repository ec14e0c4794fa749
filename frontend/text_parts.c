/* text_parts.c - converts tensors of strings to the text and ends that inputs and outputs of models
 * have (ops/text/text.h), and back. */
#include <string.h>

#include "frontend/data.h"
#include "ops/text/text.h"

bool fv_text_from_strings(fv_arena *a, const fv_tensor *strings, const fv_tensor **parts) {
    const fv_string *from = strings->data;
    size_t bytes = 0, at = 0;
    for (size_t i = 0; i < strings->count; i++)
        if (!fv_add_size(bytes, from[i].n, &bytes))
            return false;
    fv_tensor *text = fv_tensor_new(a, FV_U8, 1, (int64_t[]){(int64_t)bytes}),
              *ends = fv_tensor_new(a, FV_I64, strings->rank, strings->dims);
    if (!text || !ends)
        return false;
    /* the cast is legal: this tensor was allocated here */
    char *to = (char *)(uintptr_t)text->data;
    for (size_t i = 0; i < strings->count; at += from[i++].n) {
        if (from[i].n)
            memcpy(to + at, from[i].s, from[i].n);
        fv_tensor_set_int(ends, i, (int64_t)(at + from[i].n));
    }
    parts[FV_PART_TEXT] = text;
    parts[FV_PART_ENDS] = ends;
    return true;
}

const fv_tensor *fv_strings_from_text(fv_arena *a, const fv_tensor *text, const fv_tensor *ends) {
    fv_tensor *t = fv_tensor_new(a, FV_STRING, ends->rank, ends->dims);
    /* the cast is legal: this tensor was allocated here */
    fv_string *to = t ? (fv_string *)(uintptr_t)t->data : NULL;
    int64_t at = 0;
    for (size_t i = 0; t && i < t->count; i++) {
        int64_t end = fv_tensor_int(ends, i);
        if (end < at || end > (int64_t)text->count)
            return NULL;
        to[i] = (fv_string){(const char *)text->data + at, (size_t)(end - at)};
        at = end;
    }
    return t;
}
