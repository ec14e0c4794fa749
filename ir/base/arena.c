/* arena.c - sessions, doors, arenas, strings, growing arrays, interned names.
 *
 * An arena is a list of blocks. Small requests are cut from the newest chunk, which is a block;
 * larger ones get a block of their own; very large ones share chunks of huge pages, unless they are
 * larger than half of such a chunk. Under AddressSanitizer the memory of a chunk is poisoned until
 * it is handed out, and a gap after every request stays poisoned. */
#include "ir/base/session.h"

#include <assert.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define HAVE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAVE_ASAN 1
#endif
#endif
#ifdef HAVE_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, n)   __asan_poison_memory_region((p), (n))
#define UNPOISON(p, n) __asan_unpoison_memory_region((p), (n))
enum { REDZONE = 16 };
#else
#define POISON(p, n)   ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
enum { REDZONE = 0 };
#endif

enum { ALIGN = 16, FIRST_CHUNK = 4096, LAST_CHUNK = 1 << 20 };

/* Requests of LARGE to LARGE_CHUNK / 2 bytes share chunks of LARGE_CHUNK bytes, which the operating
 * system backs with huge pages: weights are read faster from there, and writing them causes a five
 * hundredth of the page faults. The untouched rest of a chunk takes no memory, but its first page
 * may be larger than what is requested; so an arena that has many bytes anyway, or is expected to
 * have them, shares chunks among smaller requests, from MEDIUM bytes on. */
enum { LARGE = 1 << 20, MEDIUM = 1 << 16, LARGE_CHUNK = 64 << 20, HUGE_PAGE = 2 << 20 };
enum { MANY = 8 * HUGE_PAGE };

typedef struct block {
    alignas(ALIGN) struct block *next;
    size_t bytes; /* size of the block in bytes, without this header */
    /* size in bytes of the memory mapping that is the block; 0: the block was allocated by
     * malloc */
    size_t mapped;
} block;
static_assert(sizeof(block) % ALIGN == 0, "what follows the head is aligned");

typedef struct closer {
    struct closer *next;
    void (*fn)(void *);
    void *arg;
} closer;

/* A table that was given back; its memory contains the link to the next one. */
typedef struct free_table {
    struct free_table *next;
} free_table;

struct fv_arena {
    fv_session *session;
    fv_arena *prev, *next; /* neighbours in the session's list of arenas */
    block *blocks;
    char *at, *end;             /* the unused rest of the newest chunk */
    char *large_at, *large_end; /* the unused rest of the newest chunk for large requests */
    size_t chunk;               /* size of the next chunk in bytes */
    size_t taken;               /* sum of the bytes of all requests */
    size_t expected;            /* the same sum at the end, if it is known */
    /* functions to call when the arena is freed; the one registered last comes first */
    closer *closers;
    void *slot;
    struct free_table *tables[64]; /* at k: tables of 2^k bytes that were given back */
};

/* ---- sessions and doors ---- */

fv_session *fv_session_new(void) {
    return calloc(1, sizeof(fv_session));
}

void fv_session_free(fv_session *s) {
    if (!s)
        return;
    while (s->arenas)
        fv_arena_free(s->arenas);
    free(s);
}

void fv_session_fail_at(fv_session *s, int64_t nth) {
    s->memory.fail_in = nth;
}

size_t fv_session_taken(const fv_session *s) {
    return s->memory.taken;
}

void fv_session_limit(fv_session *s, size_t bytes) {
    s->memory.limit = bytes;
}

void fv_door_push(fv_session *s, fv_door *d) {
    d->outer = s->door;
    s->door = d;
}

void fv_door_close(fv_session *s, fv_door *d) {
    assert(s->door == d);
    s->door = d->outer;
}

_Noreturn void fv_out_of_memory(fv_session *s) {
    fv_door *d = s->door;
    if (!d) { /* no door is open, which is a bug: functions of the public interface open one */
        fprintf(stderr, "fovea: %s\n", fv_session_left(s, &(fv_left){0}));
        abort();
    }
    s->door = d->outer;
    longjmp(d->jump, 1);
}

_Noreturn void fv_broken(fv_session *s, const char *rule) {
    s->broken = rule;
    fv_out_of_memory(s);
}

bool fv_session_is_broken(const fv_session *s) {
    return s->broken != NULL;
}

const char *fv_session_left(const fv_session *s, fv_left *text) {
    if (s && s->broken)
        snprintf(text->text, sizeof text->text, "internal error: '%s' does not hold", s->broken);
    else
        snprintf(text->text, sizeof text->text, "out of memory");
    return text->text;
}

static _Noreturn void leave(fv_session *s, const char *broken) {
    if (broken)
        fv_broken(s, broken);
    fv_out_of_memory(s);
}

_Noreturn void fv_leave_same(fv_session *outer, const fv_session *inner) {
    leave(outer, inner ? inner->broken : NULL);
}

_Noreturn void fv_leave_too(fv_session *outer, fv_session *inner) {
    const char *broken = inner ? inner->broken : NULL;
    fv_session_free(inner);
    leave(outer, broken);
}

/* Fails the allocation whose number a test chose with fv_session_fail_at. */
static void maybe_fail(fv_session *s) {
    if (s->memory.fail_in > 0 && --s->memory.fail_in == 0)
        fv_out_of_memory(s);
}

/* Adds the bytes of a request to those of the session. What blocks reserve beyond requests is not
 * counted. */
static void count_bytes(fv_arena *a, size_t bytes) {
    fv_session *s = a->session;
    if (s->memory.limit &&
        (s->memory.taken > s->memory.limit || bytes > s->memory.limit - s->memory.taken))
        fv_out_of_memory(s);
    s->memory.taken += bytes;
    a->taken += bytes;
}

/* ---- arenas ---- */

fv_arena *fv_arena_new(fv_session *s) {
    maybe_fail(s);
    fv_arena *a = calloc(1, sizeof *a);
    if (!a)
        fv_out_of_memory(s);
    a->session = s;
    a->chunk = FIRST_CHUNK;
    a->next = s->arenas;
    if (a->next)
        a->next->prev = a;
    s->arenas = a;
    return a;
}

void fv_arena_free(fv_arena *a) {
    if (!a)
        return;
    while (a->closers) {
        closer *c = a->closers;
        a->closers = c->next;
        c->fn(c->arg);
    }
    fv_session *s = a->session;
    if (a == s->own) { /* the session's own arena is freed only together with the session */
        s->own = NULL;
        s->names = NULL;
    }
    if (a->prev)
        a->prev->next = a->next;
    else
        s->arenas = a->next;
    if (a->next)
        a->next->prev = a->prev;
    s->memory.taken -= a->taken;
    for (block *b = a->blocks, *next; b; b = next) {
        next = b->next;
        UNPOISON(b + 1, b->bytes);
        if (b->mapped)
            munmap(b, b->mapped);
        else
            free(b);
    }
    free(a);
}

fv_session *fv_arena_session(const fv_arena *a) {
    return a->session;
}

void **fv_arena_slot(fv_arena *a) {
    return &a->slot;
}

void fv_arena_at_free(fv_arena *a, void (*fn)(void *), void *arg) {
    closer *c = FV_NEW(a, closer, 1);
    *c = (closer){a->closers, fn, arg};
    a->closers = c;
}

static char *align_up(char *p, size_t align) {
    return p + (-(uintptr_t)p & (align - 1));
}

static block *add_block(fv_arena *a, block *b, size_t bytes, size_t mapped) {
    if (!b)
        fv_out_of_memory(a->session);
    *b = (block){a->blocks, bytes, mapped};
    a->blocks = b;
    POISON(b + 1, bytes);
    return b;
}

static block *new_block(fv_arena *a, size_t bytes) {
    return add_block(a, bytes <= SIZE_MAX - sizeof(block) ? calloc(1, sizeof(block) + bytes) : NULL,
                     bytes, 0);
}

/* Maps zeroed memory that begins at a multiple of HUGE_PAGE and asks for huge pages, if the system
 * has them. NULL: there is no memory. */
static void *map_pages(size_t bytes) {
    char *from =
        mmap(NULL, bytes + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (from == MAP_FAILED)
        return NULL;
    char *p = align_up(from, HUGE_PAGE), *end = from + bytes + HUGE_PAGE;
    if (p > from)
        munmap(from, (size_t)(p - from));
    if (end > p + bytes)
        munmap(p + bytes, (size_t)(end - p) - bytes);
#ifdef MADV_HUGEPAGE
    madvise(p, bytes, MADV_HUGEPAGE);
#endif
    return p;
}

/* A block of `most` bytes, or of `least` bytes if the address space has no room for `most`. */
static block *new_large_block(fv_arena *a, size_t least, size_t most) {
    if (most > SIZE_MAX / 2)
        fv_out_of_memory(a->session);
    size_t all = (most + sizeof(block) + HUGE_PAGE - 1) & ~(size_t)(HUGE_PAGE - 1);
    void *pages = map_pages(all);
    if (!pages && least < most)
        return new_large_block(a, least, least);
    return add_block(a, pages, all - sizeof(block), all);
}

/* Memory for a large request: cut from the newest large chunk or from a new one, or a block of its
 * own if it is larger than half a chunk. */
static char *from_large(fv_arena *a, size_t need, size_t align) {
    if (need > LARGE_CHUNK / 2)
        return align_up((char *)(new_large_block(a, need, need) + 1), align);
    if (!a->large_at || (size_t)(a->large_end - a->large_at) < need) {
        block *b = new_large_block(a, need, LARGE_CHUNK - sizeof(block));
        a->large_at = (char *)(b + 1);
        a->large_end = a->large_at + b->bytes;
    }
    char *p = align_up(a->large_at, align);
    a->large_at += need;
    return p;
}

/* Memory for a request that the newest chunk cannot serve. */
static char *from_new_block(fv_arena *a, size_t need, size_t align) {
    if (need >= a->chunk / 4)
        return align_up((char *)(new_block(a, need) + 1), align);
    size_t chunk = a->chunk;
    char *p = (char *)(new_block(a, chunk) + 1);
    a->end = p + chunk;
    if (a->chunk < LAST_CHUNK)
        a->chunk *= 2;
    p = align_up(p, align);
    a->at = p + need - (align - ALIGN);
    return p;
}

void *fv_alloc_aligned(fv_arena *a, size_t bytes, size_t align) {
    FV_HOLDS(a->session, align && (align & (align - 1)) == 0);
    if (align < ALIGN)
        align = ALIGN;
    maybe_fail(a->session);
    if (bytes > SIZE_MAX / 2 || align > SIZE_MAX / 4)
        fv_out_of_memory(a->session);
    size_t taken = ((bytes ? bytes : 1) + REDZONE + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    /* blocks are aligned to ALIGN; a larger alignment needs up to align - ALIGN bytes more */
    size_t need = taken + (align - ALIGN);
    count_bytes(a, need);
    char *p;
    if (need >= (a->taken < MANY && a->expected < MANY ? LARGE : MEDIUM)) {
        p = from_large(a, need, align);
    } else if (a->at && (size_t)(a->end - a->at) >= need) {
        p = align_up(a->at, align);
        a->at = p + taken;
    } else {
        p = from_new_block(a, need, align);
    }
    UNPOISON(p, bytes);
    return p;
}

void fv_arena_expect(fv_arena *a, size_t bytes) {
    a->expected = bytes;
}

bool fv_arena_has(const fv_arena *a, const void *p) {
    const uintptr_t at = (uintptr_t)p;
    for (const block *b = a->blocks; b; b = b->next) {
        const uintptr_t from = (uintptr_t)(b + 1);
        if (at >= from && at - from < b->bytes)
            return true;
    }
    return false;
}

void *fv_alloc(fv_arena *a, size_t n, size_t size) {
    if (size && n > SIZE_MAX / size)
        fv_out_of_memory(a->session);
    return fv_alloc_aligned(a, n * size, ALIGN);
}

/* ---- tables ---- */

static int exponent(size_t bytes) {
    int k = 0;
    while ((size_t)1 << k < bytes)
        k++;
    return k;
}

void *fv_table_new(fv_arena *a, size_t bytes) {
    FV_HOLDS(a->session, bytes >= ALIGN && (bytes & (bytes - 1)) == 0);
    free_table **first = &a->tables[exponent(bytes)], *t = *first;
    if (!t)
        return fv_alloc(a, bytes, 1);
    UNPOISON(t, bytes);
    *first = t->next;
    return memset(t, 0, bytes);
}

void fv_table_free(fv_arena *a, void *table, size_t bytes) {
    if (!table)
        return;
    free_table **first = &a->tables[exponent(bytes)], *t = table;
    t->next = *first;
    *first = t;
    POISON(t, bytes);
}

/* ---- strings and growing arrays ---- */

char *fv_strndup(fv_arena *a, const char *s, size_t n) {
    if (n == SIZE_MAX)
        fv_out_of_memory(a->session);
    char *copy = fv_alloc(a, n + 1, 1);
    memcpy(copy, s, n);
    return copy;
}

char *fv_strdup(fv_arena *a, const char *s) {
    return fv_strndup(a, s, strlen(s));
}

char *fv_vprintf(fv_arena *a, const char *format, va_list args) {
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    char *s = fv_alloc(a, (size_t)(n < 0 ? 0 : n) + 1, 1);
    vsnprintf(s, (size_t)(n < 0 ? 0 : n) + 1, format, again);
    va_end(again);
    return s;
}

char *fv_printf(fv_arena *a, const char *format, ...) {
    va_list args;
    va_start(args, format);
    char *s = fv_vprintf(a, format, args);
    va_end(args);
    return s;
}

void *fv_grow(fv_arena *a, const void *old, size_t size, size_t n, int *cap) {
    if (*cap > INT32_MAX / 2)
        fv_out_of_memory(a->session);
    int wider = *cap ? *cap * 2 : 8;
    void *p = fv_alloc(a, (size_t)wider, size);
    if (n)
        memcpy(p, old, n * size);
    *cap = wider;
    return p;
}

/* ---- interned names ---- */

static uint64_t hash_bytes(const char *s, size_t n) { /* the hash function FNV-1a */
    uint64_t h = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)s[i]) * UINT64_C(1099511628211);
    return h ^ h >> 32;
}

static fv_intern_slot *find_slot(fv_intern_slot *slots, size_t cap, const char *s, size_t n,
                                 uint64_t hash) {
    size_t i = (size_t)hash & (cap - 1);
    while (slots[i].s &&
           (slots[i].hash != hash || slots[i].n != n || memcmp(slots[i].s, s, n) != 0))
        i = (i + 1) & (cap - 1);
    return &slots[i];
}

static void grow_names(fv_session *s) {
    size_t cap = s->cap_names ? s->cap_names * 2 : 256;
    fv_intern_slot *wider = FV_NEW(s->own, fv_intern_slot, cap);
    for (size_t i = 0; i < s->cap_names; i++) {
        const fv_intern_slot *o = &s->names[i];
        if (o->s)
            *find_slot(wider, cap, o->s, o->n, o->hash) = *o;
    }
    s->names = wider;
    s->cap_names = cap;
}

const char *fv_internn(fv_session *s, const char *name, size_t n) {
    if (!s->own)
        s->own = fv_arena_new(s);
    if (s->nnames * 4 >= s->cap_names * 3)
        grow_names(s);
    uint64_t hash = hash_bytes(name, n);
    fv_intern_slot *slot = find_slot(s->names, s->cap_names, name, n, hash);
    if (slot->s)
        return slot->s;
    const char *copy = fv_strndup(s->own, name, n);
    *slot = (fv_intern_slot){copy, n, hash};
    s->nnames++;
    return copy;
}

const char *fv_intern(fv_session *s, const char *name) {
    return fv_internn(s, name, strlen(name));
}
