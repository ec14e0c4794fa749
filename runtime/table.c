/* table.c - is the table of a library that was opened fit to be read? A file that was damaged on a disk or on its
 * way may open all the same. Before anything is read through a pointer of the table, it has to lead into the
 * library; then its checksum tells what else has changed. What this cannot see: other code, other weights. */
#include <dlfcn.h>
#include <link.h>
#include <stdbool.h>
#include <string.h>

#include "internal.h"
#include "table_sum.h"

enum { MOST_SEGMENTS = 32, MOST_RANK = 255, LAST_TYPE = FV_TYPE_INT2 };

/* What of the library is in memory. */
typedef struct segment {
    uintptr_t start, end;
    unsigned flags; /* PF_R, PF_X */
} segment;

typedef struct image {
    uintptr_t base;
    int n;
    segment segments[MOST_SEGMENTS];
} image;

static int note_segments(struct dl_phdr_info *info, size_t size, void *arg) {
    image *m = arg;
    (void)size;
    if (info->dlpi_addr != m->base)
        return 0;
    for (int i = 0; i < info->dlpi_phnum && m->n < MOST_SEGMENTS; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        uintptr_t start = m->base + p->p_vaddr;
        if (p->p_type == PT_LOAD)
            m->segments[m->n++] = (segment){start, start + p->p_memsz, p->p_flags};
    }
    return 1;
}

static bool find_image(void *lib, image *m) {
    struct link_map *map;
    *m = (image){0};
    if (dlinfo(lib, RTLD_DI_LINKMAP, &map))
        return false;
    m->base = map->l_addr;
    return dl_iterate_phdr(note_segments, m) && m->n > 0;
}

/* Bytes of a segment with these flags from `at` on. */
static size_t room_at(const image *m, uintptr_t at, unsigned flags) {
    for (int i = 0; i < m->n; i++)
        if (at >= m->segments[i].start && at < m->segments[i].end && (m->segments[i].flags & flags) == flags)
            return m->segments[i].end - at;
    return 0;
}

static bool is_text(const image *m, const char *s) {
    size_t room = room_at(m, (uintptr_t)s, PF_R);
    return room && memchr(s, 0, room);
}

static bool is_text_or_null(const image *m, const char *s) {
    return !s || is_text(m, s);
}

static bool is_list(const image *m, const void *list, int32_t n, size_t size) {
    return n == 0 || (n > 0 && (uintptr_t)list % _Alignof(void *) == 0 &&
                      (size_t)n <= room_at(m, (uintptr_t)list, PF_R) / size);
}

static bool is_port(const image *m, const fv_model *t, const fv_port_info *p) {
    if (!is_text(m, p->name) || p->type < 1 || p->type > LAST_TYPE || p->rank > MOST_RANK || p->state_of < 0 ||
        p->state_of > t->ninputs || !is_list(m, p->dims, p->rank, sizeof *p->dims))
        return false;
    for (int k = 0; k < p->rank; k++)
        if (!is_text(m, p->dims[k]))
            return false;
    return true;
}

static bool are_ports(const image *m, const fv_model *t, const fv_port_info *ports, int32_t n) {
    if (!is_list(m, ports, n, sizeof *ports))
        return false;
    for (int i = 0; i < n; i++)
        if (!is_port(m, t, &ports[i]))
            return false;
    return true;
}

static bool are_symbols(const image *m, const fv_symbol_info *symbols, int32_t n) {
    if (!is_list(m, symbols, n, sizeof *symbols))
        return false;
    for (int i = 0; i < n; i++)
        if (!is_text(m, symbols[i].name) || symbols[i].lo > symbols[i].hi)
            return false;
    return true;
}

static bool are_launches(const image *m, const fv_launch_info *launches, int32_t n) {
    if (!is_list(m, launches, n, sizeof *launches))
        return false;
    for (int i = 0; i < n; i++)
        if (!is_text(m, launches[i].kernel) || !is_text(m, launches[i].nodes) || !is_text(m, launches[i].indexes))
            return false;
    return true;
}

static bool are_relations(const image *m, const fv_relation_info *relations, int32_t n) {
    if (!is_list(m, relations, n, sizeof *relations))
        return false;
    for (int i = 0; i < n; i++)
        if (!is_text(m, relations[i].left) || !is_text(m, relations[i].right) || !is_text(m, relations[i].why))
            return false;
    return true;
}

static bool is_code(const image *m, uintptr_t at) { return room_at(m, at, PF_X) > 0; }

bool fv_table_is_in(void *lib, const fv_model *t, size_t bytes) {
    image m;
    return find_image(lib, &m) && (uintptr_t)t % _Alignof(fv_model) == 0 && room_at(&m, (uintptr_t)t, PF_R) >= bytes;
}

const char *fv_table_fault(void *lib, const fv_model *t) {
    image m;
    if (!find_image(lib, &m))
        return "the loader does not tell where it lies";
    if (!is_text_or_null(&m, t->name) || !is_text_or_null(&m, t->target) || !is_text_or_null(&m, t->source_hash) ||
        !is_text_or_null(&m, t->producer) || !is_text_or_null(&m, t->weights_file))
        return "its names";
    if (!are_symbols(&m, t->symbols, t->nsymbols))
        return "its dims";
    if (!are_ports(&m, t, t->inputs, t->ninputs))
        return "its inputs";
    if (!are_ports(&m, t, t->outputs, t->noutputs))
        return "its outputs";
    if (!are_launches(&m, t->launches, t->nlaunches))
        return "its launches";
    if (!are_relations(&m, t->relations, t->nrelations))
        return "its relations";
    if (!is_code(&m, (uintptr_t)t->plan) || !is_code(&m, (uintptr_t)t->run))
        return "its functions";
    return fv_table_sum(t) == t->checksum ? NULL : "its content, which has changed,";
}
