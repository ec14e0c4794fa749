/* text_file.h - reads a whole file, for tests that compare with one. */
#ifndef FV_TESTS_TEXT_FILE_H
#define FV_TESTS_TEXT_FILE_H

#include <criterion/criterion.h>
#include <stdio.h>

#include "ir/base/arena.h"

static inline char *read_text_file(fv_arena *a, const char *path) {
    FILE *f = fopen(path, "rb");
    cr_assert(f, "cannot read %s", path);
    fseek(f, 0, SEEK_END);
    size_t n = (size_t)ftell(f);
    rewind(f);
    char *s = fv_alloc(a, n + 1, 1);
    cr_assert_eq(fread(s, 1, n, f), n);
    fclose(f);
    return s;
}

#endif
