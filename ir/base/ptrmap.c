/* ptrmap.c - see ptrmap.h. */
#include "ir/base/session.h"

static size_t slot_of(const fv_ptrmap *m, const void *key) {
    uint64_t h = (uint64_t)(uintptr_t)key * UINT64_C(0x9e3779b97f4a7c15);
    size_t i = (size_t)(h >> 32) & (m->cap - 1);
    while (m->keys[i] && m->keys[i] != key)
        i = (i + 1) & (m->cap - 1);
    return i;
}

static void grow(fv_ptrmap *m) {
    fv_ptrmap old = *m;
    /* allocate both arrays before the map changes, so that running out of memory leaves it
     * intact */
    size_t cap = old.cap ? old.cap * 2 : 16;
    if (cap > SIZE_MAX / sizeof(void *))
        fv_out_of_memory(fv_arena_session(m->arena));
    const void **keys = fv_table_new(m->arena, cap * sizeof *keys);
    void **values = fv_table_new(m->arena, cap * sizeof *values);
    m->cap = cap;
    m->keys = keys;
    m->values = values;
    for (size_t i = 0; i < old.cap; i++) {
        if (!old.keys[i])
            continue;
        size_t to = slot_of(m, old.keys[i]);
        m->keys[to] = old.keys[i];
        m->values[to] = old.values[i];
    }
    fv_ptrmap_free(&old);
}

void fv_ptrmap_free(fv_ptrmap *m) {
    fv_table_free(m->arena, m->keys, m->cap * sizeof *m->keys);
    fv_table_free(m->arena, m->values, m->cap * sizeof *m->values);
    *m = fv_ptrmap_in(m->arena);
}

void **fv_ptrmap_at(fv_ptrmap *m, const void *key) {
    if (m->n * 2 >= m->cap)
        grow(m);
    size_t i = slot_of(m, key);
    if (!m->keys[i]) {
        m->keys[i] = key;
        m->n++;
    }
    return &m->values[i];
}

void *fv_ptrmap_get(const fv_ptrmap *m, const void *key) {
    if (m->cap == 0)
        return NULL;
    size_t i = slot_of(m, key);
    return m->keys[i] ? m->values[i] : NULL;
}

void **fv_session_slot(fv_session *s, const void *key) {
    if (!s->slots.arena)
        s->slots.arena = fv_arena_new(s);
    return fv_ptrmap_at(&s->slots, key);
}
