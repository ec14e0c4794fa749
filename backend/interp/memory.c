/* memory.c - loads and stores. All are checked: each index against its extent, and the element
 * against the memory of the buffer. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "backend/interp/code.h"

/* ---- where an element is ---- */

static int64_t index_at(const frame *f, const access *m, int axis, uint32_t lane) {
    int64_t i = AS(reg_i64, f, m->index[axis])[m->vector[axis] ? lane : 0];
    return m->run && axis == m->rank - 1 ? (int64_t)((uint64_t)i + lane) : i;
}

/* Reports an access outside of a buffer: "C[3, 64] of f32[4, 64]". */
static const insn *outside(frame *f, const access *m, uint32_t lane, const char *what) {
    char index[160] = "", extent[160] = "";
    size_t n = 0, k = 0;
    for (int i = 0; i < m->rank && n < 120 && k < 120; i++) {
        n += (size_t)snprintf(index + n, sizeof index - n, "%s%" PRId64, i ? ", " : "",
                              index_at(f, m, i, lane));
        k += (size_t)snprintf(extent + k, sizeof extent - k, "%s%" PRId64, i ? ", " : "",
                              reg_int(f, m->extent[i]));
    }
    return fv_i_fault(f, "%s: %s[%s] is outside %s[%s], %zu bytes of memory", what, m->buf->name,
                      index, fv_elem_name(m->buf->elem), extent, f->slots[m->slot].bytes);
}

static inline unsigned char *in_memory(const slot *s, const access *m, uint64_t at,
                                       uint32_t count) {
    size_t bytes = (size_t)count * m->size, offset;
    if (__builtin_mul_overflow(at, m->size, &offset) || bytes > s->bytes ||
        offset > s->bytes - bytes)
        return NULL;
    return s->base + offset;
}

/* The address of the element of a lane; NULL: it is outside, or fewer than `count` elements
 * follow. */
static unsigned char *element(const frame *f, const access *m, uint32_t lane, uint32_t count) {
    uint64_t at = 0;
    for (int k = 0; k < m->rank; k++) {
        int64_t index = index_at(f, m, k, lane), extent = reg_int(f, m->extent[k]);
        int64_t n = k == m->rank - 1 ? count : 1;
        if (index < 0 || extent < n || index > extent - n ||
            __builtin_mul_overflow(at, (uint64_t)extent, &at))
            return NULL;
        at += (uint64_t)index;
    }
    return in_memory(&f->slots[m->slot], m, at, count);
}

/* element() for accesses without lanes, which are the most frequent ones. */
static inline unsigned char *scalar_element(const frame *f, const access *m) {
    uint64_t at = 0;
    for (int k = 0; k < m->rank; k++) {
        int64_t index = reg_int(f, m->index[k]), extent = reg_int(f, m->extent[k]);
        if (index < 0 || index >= extent || __builtin_mul_overflow(at, (uint64_t)extent, &at))
            return NULL;
        at += (uint64_t)index;
    }
    return in_memory(&f->slots[m->slot], m, at, 1);
}

/* ---- loads: d = element; where masked, c is the guard and b the other value ---- */

/* loads an element of any size, such as an element with lanes of a tile */
static const insn *load_bytes(frame *f, const insn *i) {
    const unsigned char *p = scalar_element(f, i->u.access);
    if (!p)
        return outside(f, i->u.access, 0, "load");
    memcpy(f->r + i->d, p, i->u.access->size);
    return i + 1;
}

#define LOAD(bytes)                                                                                \
    static const insn *load_##bytes(frame *f, const insn *i) {                                     \
        const unsigned char *p = scalar_element(f, i->u.access);                                   \
        if (!p)                                                                                    \
            return outside(f, i->u.access, 0, "load");                                             \
        memcpy(f->r + i->d, p, bytes);                                                             \
        return i + 1;                                                                              \
    }
LOAD(1)
LOAD(2)
LOAD(4)
LOAD(8)

static const insn *load_guarded(frame *f, const insn *i) {
    const access *m = i->u.access;
    if (!*AS(reg_u8, f, i->c)) {
        memcpy(f->r + i->d, f->r + i->b, m->size);
        return i + 1;
    }
    return load_bytes(f, i);
}

static const insn *load_run(frame *f, const insn *i) {
    const access *m = i->u.access;
    const unsigned char *p = element(f, m, 0, i->lanes);
    if (!p)
        return outside(f, m, i->lanes - 1, "load");
    memcpy(f->r + i->d, p, (size_t)i->lanes * m->size);
    return i + 1;
}

static bool active(const frame *f, const insn *i, uint32_t lane) {
    const access *m = i->u.access;
    return !m->masked || AS(reg_u8, f, i->c)[m->mask_vector ? lane : 0];
}

/* Loads lane by lane: gathers, and consecutive elements under a guard. */
static const insn *load_lanes(frame *f, const insn *i) {
    const access *m = i->u.access;
    for (uint32_t l = 0; l < i->lanes; l++) {
        const unsigned char *p = f->r + i->b + l * m->size;
        if (active(f, i, l) && !(p = element(f, m, l, 1)))
            return outside(f, m, l, "load");
        memcpy(f->r + i->d + l * m->size, p, m->size);
    }
    return i + 1;
}

/* A loaded bool is true if its byte is not 0, since memory of the caller may contain any byte. */
#define BOOLS(name)                                                                                \
    static const insn *name##_bool(frame *f, const insn *i) {                                      \
        const insn *next = name(f, i);                                                             \
        for (uint32_t l = 0; next && l < i->lanes; l++)                                            \
            AS(reg_u8, f, i->d)[l] = AS(reg_u8, f, i->d)[l] != 0;                                  \
        return next;                                                                               \
    }
BOOLS(load_bytes)
BOOLS(load_guarded)
BOOLS(load_run)
BOOLS(load_lanes)

insn_fn fv_i_load(const access *m, fv_elem e, int lanes) {
    bool is_bool = e == FV_BOOL, one = !m->run && (lanes == 1 || m->buf->lanes == lanes);
    for (int i = 0; i < m->rank; i++)
        one = one && !m->vector[i];
    if (one && m->masked && (lanes == 1 || !m->mask_vector))
        return is_bool ? load_guarded_bool : load_guarded;
    if (!one && m->run && !m->masked)
        return is_bool ? load_run_bool : load_run;
    if (!one || m->masked)
        return is_bool ? load_lanes_bool : load_lanes;
    if (is_bool)
        return load_bytes_bool;
    return m->size == 1   ? load_1
           : m->size == 2 ? load_2
           : m->size == 4 ? load_4
           : m->size == 8 ? load_8
                          : load_bytes;
}

/* ---- stores: element = a; where masked, c is the mask ---- */

static const insn *store_bytes(frame *f, const insn *i) {
    const access *m = i->u.access;
    if (m->masked && !*AS(reg_u8, f, i->c))
        return i + 1;
    unsigned char *p = scalar_element(f, m);
    if (!p)
        return outside(f, m, 0, "store");
    memcpy(p, f->r + i->a, m->size);
    return i + 1;
}

#define STORE(bytes)                                                                               \
    static const insn *store_##bytes(frame *f, const insn *i) {                                    \
        unsigned char *p = scalar_element(f, i->u.access);                                         \
        if (!p)                                                                                    \
            return outside(f, i->u.access, 0, "store");                                            \
        memcpy(p, f->r + i->a, bytes);                                                             \
        return i + 1;                                                                              \
    }
STORE(1)
STORE(2)
STORE(4)
STORE(8)

static const insn *store_run(frame *f, const insn *i) {
    const access *m = i->u.access;
    unsigned char *p = element(f, m, 0, i->lanes);
    if (!p)
        return outside(f, m, i->lanes - 1, "store");
    memcpy(p, f->r + i->a, (size_t)i->lanes * m->size);
    return i + 1;
}

static const insn *store_lanes(frame *f, const insn *i) {
    const access *m = i->u.access;
    for (uint32_t l = 0; l < i->lanes; l++) {
        if (!active(f, i, l))
            continue;
        unsigned char *p = element(f, m, l, 1);
        if (!p)
            return outside(f, m, l, "store");
        memcpy(p, f->r + i->a + l * m->size, m->size);
    }
    return i + 1;
}

/* Stores some lanes of an element of a tile whose elements are vectors. */
static const insn *store_blend(frame *f, const insn *i) {
    const access *m = i->u.access;
    unsigned char *p = scalar_element(f, m);
    if (!p)
        return outside(f, m, 0, "store");
    uint32_t size = m->size / i->lanes;
    for (uint32_t l = 0; l < i->lanes; l++)
        if (active(f, i, l))
            memcpy(p + l * size, f->r + i->a + l * size, size);
    return i + 1;
}

insn_fn fv_i_store(const access *m, int lanes) {
    bool one = !m->run && (lanes == 1 || m->buf->lanes == lanes);
    for (int i = 0; i < m->rank; i++)
        one = one && !m->vector[i];
    if (one && m->masked)
        return m->mask_vector ? store_blend : store_bytes;
    if (!one)
        return m->run && !m->masked ? store_run : store_lanes;
    return m->size == 1   ? store_1
           : m->size == 2 ? store_2
           : m->size == 4 ? store_4
           : m->size == 8 ? store_8
                          : store_bytes;
}

/* ---- tiles ---- */

const insn *fv_i_fill(frame *f, const insn *i) {
    for (uint32_t l = 0; l < i->b; l++)
        memcpy(f->r + i->d + (size_t)l * i->c, f->r + i->a, i->c);
    return i + 1;
}

/* Fills a tile without initial value with a pattern, so that code that reads it before storing
 * gives other results than the other consumers. */
const insn *fv_i_poison(frame *f, const insn *i) {
    memset(f->r + i->d, 0xa5, i->c);
    return i + 1;
}
