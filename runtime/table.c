/* table.c - checks the table of a library that was opened. A file that was damaged may still open.
 * Before anything is read through a pointer of the table, the pointer is checked to be within the
 * library; after that the checksum detects other changes. Changed code and weights are not
 * detected. */
#include <stdbool.h>
#include <string.h>

#include "internal.h"
#include "library.h"
#include "table_sum.h"

typedef struct image {
    int n;
    fv_segment segments[FV_MOST_SEGMENTS];
} image;

static bool find_image(void *lib, image *m) {
    m->n = fv_dl_segments(lib, m->segments);
    return m->n > 0;
}

/* The number of bytes from `at` to the end of the segment, if that has these flags; 0: there is
 * none. */
static size_t room_at(const image *m, uintptr_t at, unsigned flags) {
    for (int i = 0; i < m->n; i++)
        if (at >= m->segments[i].start && at < m->segments[i].end &&
            (m->segments[i].flags & flags) == flags)
            return m->segments[i].end - at;
    return 0;
}

static bool is_text(const image *m, const char *s) {
    size_t room = room_at(m, (uintptr_t)s, FV_SEGMENT_READ);
    return room && memchr(s, 0, room);
}

static bool is_list(const image *m, const void *list, int32_t n, size_t size) {
    return n == 0 || (n > 0 && (uintptr_t)list % _Alignof(void *) == 0 &&
                      (size_t)n <= room_at(m, (uintptr_t)list, FV_SEGMENT_READ) / size);
}

static bool is_code(const image *m, uintptr_t at) {
    return room_at(m, at, FV_SEGMENT_CODE) > 0;
}

static bool are_texts(const image *m, const char *const *texts, int32_t n) {
    if (!is_list(m, texts, n, sizeof *texts))
        return false;
    for (int32_t i = 0; i < n; i++)
        if (!is_text(m, texts[i]))
            return false;
    return true;
}

static const char *structure_fault(const image *m, const fv_structure *type, const void *s);

static bool is_member(const image *m, const void *s, const fv_member *x) {
    const void *p =
        x->kind >= FV_MEMBER_TEXT && x->kind <= FV_MEMBER_CODE ? fv_member_pointer(s, x) : NULL;
    switch (x->kind) {
    case FV_MEMBER_NUMBER:
        return fv_member_number(s, x) >= x->least && fv_member_number(s, x) <= x->most;
    case FV_MEMBER_TEXT: return is_text(m, p);
    case FV_MEMBER_MAYBE: return !p || is_text(m, p);
    case FV_MEMBER_TEXTS: return are_texts(m, p, fv_member_count(s, x));
    case FV_MEMBER_CODE: return is_code(m, (uintptr_t)p);
    case FV_MEMBER_WIDE:
    case FV_MEMBER_SIZE:
    case FV_MEMBER_SUM: return true;
    case FV_MEMBER_LIST: break;
    }
    bool fits = is_list(m, p, fv_member_count(s, x), x->of->size);
    for (int32_t i = 0; fits && i < fv_member_count(s, x); i++)
        fits = !structure_fault(m, x->of, fv_member_element(s, x, i));
    return fits;
}

/* The name of the first member that may not be read, or whose value is invalid; NULL: there is
 * none. */
static const char *structure_fault(const image *m, const fv_structure *type, const void *s) {
    for (int i = 0; i < type->n; i++)
        if (!is_member(m, s, &type->members[i]))
            return type->members[i].name;
    return NULL;
}

/* Whether members of a port are consistent with each other. */
static bool are_ports(const fv_model *t, const fv_port_info *ports, int32_t n) {
    for (int32_t i = 0; i < n; i++)
        if (ports[i].state_of > t->ninputs || ports[i].in_place > ports[i].rank ||
            !ports[i].in_place != !ports[i].capacity)
            return false;
    return true;
}

static bool are_symbols(const fv_symbol_info *symbols, int32_t n) {
    for (int32_t i = 0; i < n; i++)
        if (symbols[i].lo > symbols[i].hi)
            return false;
    return true;
}

bool fv_table_is_in(void *lib, const fv_model *t, size_t bytes) {
    image m;
    return find_image(lib, &m) && (uintptr_t)t % _Alignof(fv_model) == 0 &&
           room_at(&m, (uintptr_t)t, FV_SEGMENT_READ) >= bytes;
}

bool fv_text_is_in(void *lib, const char *text) {
    image m;
    return find_image(lib, &m) && is_text(&m, text);
}

const char *fv_table_fault(void *lib, const fv_model *t) {
    image m;
    if (!find_image(lib, &m))
        return "place";
    const char *fault = structure_fault(&m, &fv_model_structure, t);
    if (fault)
        return fault;
    if (!are_symbols(t->symbols, t->nsymbols))
        return "symbols";
    if (!are_ports(t, t->inputs, t->ninputs))
        return "inputs";
    if (!are_ports(t, t->outputs, t->noutputs))
        return "outputs";
    return fv_table_sum(t) == t->checksum ? NULL : "checksum";
}
