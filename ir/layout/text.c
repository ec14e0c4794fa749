/* text.c - prints layouts as text, and parses them. */
#include <string.h>

#include "ir/layout/layout.h"

/* ---- printing ---- */

static void print_level(fv_text *t, const fv_layout *l, int i, int64_t packed) {
    const fv_layout_level *v = &l->level[i];
    fv_text_put(t, " ");
    fv_text_name(t, l->axis[v->axis].name);
    if (v->modulus)
        fv_text_printf(t, "%%%lld", (long long)v->modulus);
    if (v->divisor != 1)
        fv_text_printf(t, "/%lld", (long long)v->divisor);
    if (v->stride != packed)
        fv_text_printf(t, " stride %lld", (long long)v->stride);
}

static void print_levels(fv_text *t, const fv_layout *l) {
    /* compared with l, to print only strides that differ from those of a layout without gaps */
    fv_layout packed = *l;
    for (int i = 0; i < l->nlevels; i++) {
        packed.level[i].stride = FV_STRIDE_PACKED;
        packed = fv_layout_pack(&packed) ? packed : *l;
        print_level(t, l, i, packed.level[i].stride);
        packed = *l;
    }
    fv_text_printf(t, " bits %d", l->bits);
}

void fv_layout_print(fv_text *t, const fv_layout *l) {
    fv_text_put(t, "layout");
    for (int i = 0; i < l->rank; i++) {
        fv_text_put(t, i ? ", " : " ");
        fv_text_name(t, l->axis[i].name);
        fv_text_printf(t, " %lld", (long long)l->axis[i].extent);
    }
    fv_text_put(t, ":");
    print_levels(t, l);
    for (const fv_layout *c = l->companion; c; c = c->companion) {
        fv_text_put(t, "; ");
        fv_text_name(t, c->name);
        print_levels(t, c);
    }
}

/* ---- reading ---- */

static bool parse_axes(fv_lexer *x, fv_layout *l) {
    while (!fv_lex_is(x, ":")) {
        int64_t extent;
        if (l->rank == FV_MAX_RANK)
            return fv_lex_error(x, "there are more than %d axes", FV_MAX_RANK);
        if (l->rank && !fv_lex_expect(x, ","))
            return false;
        const char *name = fv_lex_name(x, "an axis");
        if (!name || !fv_lex_int(x, &extent))
            return false;
        fv_layout_add_axis(l, name, extent);
    }
    return fv_lex_expect(x, ":");
}

static int axis_named(const fv_layout *l, const char *name) {
    int i = 0;
    while (i < l->rank && strcmp(l->axis[i].name, name))
        i++;
    return i;
}

static bool parse_level(fv_lexer *x, fv_layout *l) {
    int64_t divisor = 1, modulus = 0, stride = FV_STRIDE_PACKED;
    const char *name = fv_lex_name(x, "an axis");
    if (!name)
        return false;
    int axis = axis_named(l, name);
    if (axis == l->rank)
        return fv_lex_error(x, "the layout has no axis '%.60s'", name);
    if (l->nlevels == FV_LAYOUT_LEVELS)
        return fv_lex_error(x, "there are more than %d levels", FV_LAYOUT_LEVELS);
    if (fv_lex_accept(x, "%") && !fv_lex_int(x, &modulus))
        return false;
    if (fv_lex_accept(x, "/") && !fv_lex_int(x, &divisor))
        return false;
    if (fv_lex_accept(x, "stride") && !fv_lex_int(x, &stride))
        return false;
    if (divisor < 1 || modulus < 0 || stride < FV_STRIDE_PACKED)
        return fv_lex_error(x, "axis '%.60s': a divisor, modulus or stride is below its range",
                            name);
    fv_layout_add_level(l, axis, divisor, modulus, stride);
    return true;
}

static bool parse_levels(fv_lexer *x, fv_layout *l) {
    int64_t bits;
    while (!fv_lex_is(x, "bits") || x->tok.quoted)
        if (!parse_level(x, l))
            return false;
    if (!fv_lex_expect(x, "bits") || !fv_lex_int(x, &bits))
        return false;
    l->bits = bits < 0 || bits > 64 ? 0 : (int)bits;
    for (int i = 0; i < l->rank; i++)
        if (l->axis[i].extent < 0)
            return fv_lex_error(x, "axis '%.60s' has extent %lld", l->axis[i].name,
                                (long long)l->axis[i].extent);
    return fv_layout_pack(l) || fv_lex_error(x, "a stride of the layout is too large");
}

static bool parse_companion(fv_lexer *x, fv_arena *a, const fv_layout *of, fv_layout **out) {
    fv_layout *c = FV_NEW(a, fv_layout, 1);
    c->rank = of->rank;
    memcpy(c->axis, of->axis, sizeof c->axis);
    c->name = fv_lex_name(x, "a companion");
    *out = c;
    return c->name && parse_levels(x, c);
}

fv_layout *fv_layout_parse(fv_lexer *x, fv_arena *a) {
    fv_layout *l = FV_NEW(a, fv_layout, 1), *last = l;
    if (!fv_lex_expect(x, "layout") || !parse_axes(x, l) || !parse_levels(x, l))
        return NULL;
    while (fv_lex_accept(x, ";")) {
        fv_layout *c;
        if (!parse_companion(x, a, l, &c))
            return NULL;
        last->companion = c;
        last = c;
    }
    const char *wrong = fv_layout_wrong(a, l);
    if (wrong)
        fv_lex_error(x, "the layout is not legal: %s", wrong);
    return wrong ? NULL : l;
}
