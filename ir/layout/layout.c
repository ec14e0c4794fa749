/* layout.c - layouts: construction, verification, addresses. */
#include "ir/layout/layout.h"

#include <string.h>

/* ---- building ---- */

int fv_layout_add_axis(fv_layout *l, const char *name, int64_t extent) {
    l->axis[l->rank] = (fv_layout_axis){name, extent};
    return l->rank++;
}

void fv_layout_add_level(fv_layout *l, int axis, int64_t divisor, int64_t modulus, int64_t stride) {
    l->level[l->nlevels++] = (fv_layout_level){axis, divisor, modulus, stride};
}

int64_t fv_layout_count(const fv_layout *l, int i) {
    const fv_layout_level *v = &l->level[i];
    int64_t all = v->modulus ? v->modulus : l->axis[v->axis].extent;
    return all / v->divisor + (all % v->divisor != 0);
}

bool fv_layout_pack(fv_layout *l) {
    int64_t stride = 1;
    for (int i = l->nlevels; i-- > 0;) {
        fv_layout_level *v = &l->level[i];
        if (v->stride == FV_STRIDE_PACKED)
            v->stride = stride;
        if (v->stride && __builtin_mul_overflow(v->stride, fv_layout_count(l, i), &stride))
            return false;
    }
    return true;
}

/* ---- validation ---- */

static const char *wrong_axes(fv_arena *a, const fv_layout *l) {
    for (int i = 0; i < l->rank; i++) {
        if (l->axis[i].extent < 0)
            return fv_printf(a, "axis '%.60s' has extent %lld", l->axis[i].name,
                             (long long)l->axis[i].extent);
        for (int k = 0; k < i; k++)
            if (!strcmp(l->axis[i].name, l->axis[k].name))
                return fv_printf(a, "there are two axes '%.60s'", l->axis[i].name);
    }
    return NULL;
}

/* States why the levels of an axis are illegal: each must split the part of the index that the next
 * outer level of this axis leaves. NULL: they are legal. */
static const char *wrong_levels(fv_arena *a, const fv_layout *l, int axis) {
    const char *name = l->axis[axis].name;
    int64_t rest = 0;
    bool any = false;
    for (int i = 0; i < l->nlevels; i++) {
        const fv_layout_level *v = &l->level[i];
        if (v->axis != axis)
            continue;
        if (v->divisor < 1 || v->modulus < 0 || v->modulus % v->divisor)
            return fv_printf(a, "axis '%.60s': %lld is no multiple of %lld", name,
                             (long long)v->modulus, (long long)v->divisor);
        if (any ? v->modulus != rest : v->modulus != 0)
            return fv_printf(a, "axis '%.60s': a level is of the index modulo %lld, expected %lld",
                             name, (long long)v->modulus, (long long)rest);
        if (v->stride < 0)
            return fv_printf(a, "axis '%.60s': stride %lld", name, (long long)v->stride);
        rest = v->divisor;
        any = true;
    }
    if (!any)
        return fv_printf(a, "axis '%.60s' has no level", name);
    return rest == 1 ? NULL
                     : fv_printf(a, "axis '%.60s': its levels end with groups of %lld", name,
                                 (long long)rest);
}

static const char *wrong_one(fv_arena *a, const fv_layout *l) {
    size_t bytes;
    if (l->bits < 1 || l->bits > 64 || (l->bits & (l->bits - 1)))
        return fv_printf(a, "elements of %d bits; expected 1, 2, 4, 8, 16, 32 or 64", l->bits);
    for (int i = 0; i < l->rank; i++) {
        const char *wrong = wrong_levels(a, l, i);
        if (wrong)
            return wrong;
    }
    return fv_layout_bytes(l, &bytes) ? NULL : "it takes more bytes than memory has addresses";
}

static bool has_axes_of(const fv_layout *a, const fv_layout *b) {
    bool same = a->rank == b->rank;
    for (int i = 0; same && i < a->rank; i++)
        same = !strcmp(a->axis[i].name, b->axis[i].name) && a->axis[i].extent == b->axis[i].extent;
    return same;
}

const char *fv_layout_wrong(fv_arena *a, const fv_layout *l) {
    const char *wrong = wrong_axes(a, l);
    for (const fv_layout *c = l; c && !wrong; c = c->companion) {
        wrong = wrong_one(a, c);
        if (!wrong && c != l && (!c->name || !has_axes_of(c, l)))
            wrong = "a companion has no name, or other axes";
        for (const fv_layout *d = l->companion; d != c && c != l && !wrong; d = d->companion)
            if (!strcmp(c->name, d->name))
                wrong = fv_printf(a, "there are two companions '%.60s'", c->name);
    }
    return wrong;
}

/* ---- properties of a layout ---- */

bool fv_layout_bytes(const fv_layout *l, size_t *bytes) {
    int64_t last = 0, more, count;
    bool empty = false;
    for (int i = 0; i < l->nlevels; i++) {
        count = fv_layout_count(l, i);
        empty |= !count;
        if (count && (__builtin_mul_overflow(count - 1, l->level[i].stride, &more) ||
                      __builtin_add_overflow(last, more, &last)))
            return false;
    }
    if (last > (INT64_MAX - 7) / l->bits - 1)
        return false;
    *bytes = empty ? 0 : ((size_t)(last + 1) * (size_t)l->bits + 7) / 8;
    return true;
}

static int64_t index_of(const fv_layout_level *v, int64_t x) {
    return (v->modulus ? x % v->modulus : x) / v->divisor;
}

int64_t fv_layout_element(const fv_layout *l, const int64_t *index) {
    int64_t at = 0;
    for (int i = 0; i < l->nlevels; i++)
        at += index_of(&l->level[i], index[l->level[i].axis]) * l->level[i].stride;
    return at;
}

int fv_layout_first_in_byte(const fv_layout *l) {
    int i = l->nlevels, bits = l->bits;
    while (i > 0 && bits < 8 && bits * fv_layout_count(l, i - 1) <= 8)
        bits *= (int)fv_layout_count(l, --i);
    return i;
}

bool fv_layout_is_packed(const fv_layout *l) {
    int64_t stride = 1;
    bool packed = true;
    for (int i = l->nlevels; packed && i-- > 0;) {
        packed = l->level[i].stride == stride;
        stride *= fv_layout_count(l, i);
    }
    return packed;
}

static bool is_name(const char *a, const char *b) {
    return a == b || (a && b && !strcmp(a, b));
}

bool fv_layout_equal(const fv_layout *a, const fv_layout *b) {
    for (; a && b; a = a->companion, b = b->companion) {
        bool same = has_axes_of(a, b) && a->nlevels == b->nlevels && a->bits == b->bits &&
                    is_name(a->name, b->name);
        for (int i = 0; same && i < a->nlevels; i++)
            same = !memcmp(&a->level[i], &b->level[i], sizeof a->level[i]);
        if (!same)
            return false;
    }
    return a == b;
}

/* a step of the hash function FNV-1a (Fowler, Noll, Vo) */
static uint64_t mix(uint64_t h, const void *data, size_t n) {
    const unsigned char *p = data;
    for (size_t i = 0; i < n; i++)
        h = (h ^ p[i]) * UINT64_C(0x100000001b3);
    return h;
}

uint64_t fv_layout_hash(const fv_layout *l) {
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (; l; l = l->companion) {
        h = mix(h, &l->bits, sizeof l->bits);
        for (int i = 0; i < l->rank; i++)
            h = mix(h, &l->axis[i].extent, sizeof l->axis[i].extent);
        for (int i = 0; i < l->nlevels; i++) {
            const fv_layout_level *v = &l->level[i];
            int64_t parts[4] = {v->axis, v->divisor, v->modulus, v->stride};
            h = mix(h, parts, sizeof parts);
        }
    }
    return h;
}
