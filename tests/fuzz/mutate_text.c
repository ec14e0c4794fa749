/* mutate_text.c - changes of texts by lines and words, so that most of them still parse. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ir/base/text.h"
#include "ir/catalogue/op.h"
#include "tests/fuzz/fuzz.h"

enum { MAX_CHANGES = 4 };

typedef struct editor {
    fv_arena *arena;
    uint64_t random;
    const char *s; /* the text as it is now */
    size_t n;
} editor;

typedef struct piece {
    size_t at, n;
} piece;

static uint64_t below(editor *e, uint64_t n) {
    return fuzz_below(&e->random, n);
}

static bool is_word(char c) {
    return isalnum((unsigned char)c) || c == '_' || c == '.';
}

/* ---- pieces of the text ---- */

static piece some_line(editor *e) {
    size_t at = below(e, e->n), n = 0;
    while (at && e->s[at - 1] != '\n')
        at--;
    while (at + n < e->n && e->s[at + n] != '\n')
        n++;
    return (piece){at, n + (at + n < e->n)};
}

/* A word, or a single character that is in none. */
static piece some_word(editor *e) {
    size_t at = below(e, e->n), n = 1;
    for (int i = 0; i < 8 && isspace((unsigned char)e->s[at]); i++)
        at = below(e, e->n);
    if (!is_word(e->s[at]))
        return (piece){at, 1};
    while (at && is_word(e->s[at - 1]))
        at--;
    while (at + n < e->n && is_word(e->s[at + n]))
        n++;
    return (piece){at, n};
}

static piece some_number(editor *e) {
    piece w = {0, 0};
    for (int i = 0; i < 32; i++) {
        w = some_word(e);
        if (isdigit((unsigned char)e->s[w.at]))
            return w;
    }
    return w;
}

/* ---- changes ---- */

static void replace(editor *e, piece p, const char *with, size_t n) {
    fv_text t = {.arena = e->arena};
    fv_text_putn(&t, e->s, p.at);
    fv_text_putn(&t, with, n);
    fv_text_putn(&t, e->s + p.at + p.n, e->n - p.at - p.n);
    e->s = t.s;
    e->n = t.n;
}

static const char *odd_number(editor *e) {
    static const char *const odd[] = {"0",
                                      "1",
                                      "-1",
                                      "2",
                                      "3",
                                      "7",
                                      "8",
                                      "16",
                                      "17",
                                      "1.0",
                                      "1e30",
                                      "nan",
                                      "inf",
                                      "65536",
                                      "2147483648",
                                      "1099511627776",
                                      "4611686018427387904",
                                      "9223372036854775807",
                                      "-9223372036854775808",
                                      "18446744073709551615"};
    return odd[below(e, sizeof odd / sizeof *odd)];
}

/* An operator, an attribute or an element type of the languages. */
static const char *known_word(editor *e) {
    const fv_opdef *op = fv_op_at((int)below(e, (uint64_t)fv_op_count()));
    const char *attr = op->attrs[below(e, 4)].name;
    switch (below(e, 4)) {
    case 0: return fv_opdef_qualified(e->arena, op);
    case 1: return fv_expr_op_text((fv_expr_op)below(e, FV_X_END));
    case 2: return fv_elem_name((fv_elem)(1 + below(e, FV_ELEM_END - 1)));
    default: return attr ? attr : op->name;
    }
}

static void change(editor *e) {
    piece p = some_word(e), q = some_word(e);
    const char *with;
    switch (below(e, 10)) {
    case 0:
        p = some_line(e);
        replace(e, p, "", 0);
        return;
    case 1:
        p = some_line(e);
        q = some_line(e);
        replace(e, (piece){p.at, 0}, e->s + q.at, q.n);
        return;
    case 2:
    case 3:
        p = some_number(e);
        with = odd_number(e);
        replace(e, p, with, strlen(with));
        return;
    case 4: replace(e, p, "", 0); return;
    case 5: replace(e, (piece){p.at, 0}, e->s + q.at, q.n); return;
    case 6:
        with = known_word(e);
        if (with)
            replace(e, p, with, strlen(with));
        return;
    default: replace(e, p, e->s + q.at, q.n); return;
    }
}

size_t fuzz_mutate_text(fv_session *s, uint8_t *data, size_t size, size_t max, uint64_t seed) {
    editor e = {.arena = fv_arena_new(s), .random = seed};
    e.s = fuzz_text(e.arena, data, size);
    e.n = size;
    if (!e.s)
        return 0;
    for (uint64_t i = 0, n = 1 + below(&e, MAX_CHANGES); i < n && e.n; i++)
        change(&e);
    if (e.n > max)
        return 0;
    memcpy(data, e.s, e.n);
    return e.n;
}
