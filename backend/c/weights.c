/* weights.c - constants of the program: array initialisers, or places in a blob that an assembler
 * includes. The numbers read back exactly. */
#include <math.h>
#include <string.h>

#include "backend/c/internal.h"

static size_t align_up(size_t n) { return (n + FV_C_WEIGHTS_ALIGN - 1) / FV_C_WEIGHTS_ALIGN * FV_C_WEIGHTS_ALIGN; }

size_t fv_c_weights_at(const fv_program *p, int index) {
    size_t at = 0;
    for (int i = 0; i < index; i++)
        at += align_up(p->constants[i].bytes);
    return at;
}

size_t fv_c_weights_bytes(const fv_program *p) { return fv_c_weights_at(p, p->nconstants); }

static fv_elem elem_of(const fv_constant *c) {
    fv_elem e = c->buf ? c->buf->elem : FV_U8;
    return e == FV_BOOL ? FV_U8 : fv_elem_is_storage(e) ? fv_elem_bits_elem(e) : e;
}

static size_t count_of(const fv_constant *c) { return c->bytes / (size_t)fv_elem_storage_bytes(elem_of(c)); }

static double float_at(const fv_constant *c, fv_elem e, size_t i) {
    float f;
    double d;
    if (e == FV_F64) {
        memcpy(&d, (const char *)c->data + i * 8, 8);
        return d;
    }
    memcpy(&f, (const char *)c->data + i * 4, 4);
    return f;
}

static bool is_finite(const fv_constant *c) {
    fv_elem e = elem_of(c);
    for (size_t i = 0; fv_elem_is_float(e) && i < count_of(c); i++)
        if (!isfinite(float_at(c, e, i)))
            return false;
    return true;
}

static int put_number(char *s, size_t n, fv_elem e, const char *at) {
    int8_t i8;
    int16_t i16;
    uint16_t u16;
    int32_t i32;
    uint32_t u32;
    int64_t i64;
    uint64_t u64;
    switch (e) {
    case FV_I8: memcpy(&i8, at, 1); return snprintf(s, n, "%d", i8);
    case FV_U8: return snprintf(s, n, "%u", (unsigned char)*at);
    case FV_I16: memcpy(&i16, at, 2); return snprintf(s, n, "%d", i16);
    case FV_U16: memcpy(&u16, at, 2); return snprintf(s, n, "%u", u16);
    case FV_I32:
        memcpy(&i32, at, 4);
        return i32 == INT32_MIN ? snprintf(s, n, "INT32_MIN") : snprintf(s, n, "%d", i32);
    case FV_U32: memcpy(&u32, at, 4); return snprintf(s, n, "%uu", u32);
    case FV_I64:
        memcpy(&i64, at, 8);
        if (i64 == INT64_MIN)
            return snprintf(s, n, "INT64_MIN");
        return snprintf(s, n, i64 > INT32_MAX || i64 <= INT32_MIN ? "INT64_C(%lld)" : "%lld", (long long)i64);
    default:
        memcpy(&u64, at, 8);
        return snprintf(s, n, "UINT64_C(%llu)", (unsigned long long)u64);
    }
}

static void put_values(fv_text *t, const fv_constant *c, fv_elem e, int indent) {
    char s[48];
    int size = fv_elem_storage_bytes(e), column = 0;
    fv_arena *scratch = fv_arena_new(fv_arena_session(t->arena));
    for (size_t i = 0; i < count_of(c); i++) {
        int n;
        if (fv_elem_is_float(e)) {
            if (i % 4096 == 4095) { /* nothing of it is kept */
                fv_arena_free(scratch);
                scratch = fv_arena_new(fv_arena_session(t->arena));
            }
            n = snprintf(s, sizeof s, "%s", fv_c_float(scratch, e, float_at(c, e, i)));
        } else {
            n = put_number(s, sizeof s, e, (const char *)c->data + i * (size_t)size);
        }
        if (column == 0 || column + n + 2 > 100) {
            fv_text_printf(t, "%s%*s", column ? "\n" : "", indent, "");
            column = indent;
        } else {
            fv_text_put(t, " ");
            column++;
        }
        fv_text_putn(t, s, (size_t)n);
        fv_text_put(t, ",");
        column += n + 1;
    }
    fv_arena_free(scratch);
    fv_text_put(t, count_of(c) ? "\n" : "    0\n");
}

/* "float w[768]"; what holds inf or NaN, which C99 cannot write, is a union with the bits. */
static const char *declarator(fv_cg *g, const fv_constant *c, const char *name) {
    fv_elem e = elem_of(c);
    unsigned long long n = count_of(c) ? count_of(c) : 1;
    if (is_finite(c))
        return fv_printf(g->arena, "%s %s[%llu]", fv_c_elem(e), name, n);
    return fv_printf(g->arena, "union { uint%d_t bits[%llu]; %s value[%llu]; } %s", fv_elem_bits(e), n, fv_c_elem(e),
                     n, name);
}

static void define(fv_cg *g, fv_text *t, const fv_constant *c, const char *name, const char *storage) {
    bool finite = is_finite(c);
    fv_elem e = elem_of(c);
    if (!finite)
        e = fv_elem_bits_elem(e);
    fv_text_printf(t, "/* %s */\n%s%s_CONST const %s = {%s\n", fv_c_comment(g->arena, c->name ? c->name : ""),
                   storage, g->NAME, declarator(g, c, name), finite ? "" : "{");
    put_values(t, c, e, 4);
    fv_text_put(t, finite ? "};\n\n" : "}};\n\n");
}

static bool is_missing(fv_cg *g, const fv_constant *c) {
    if (c->data || c->bytes == 0)
        return false;
    g->failed = !fv_error(g->session, "constant '%s' has no data", c->name ? c->name : "?");
    return true;
}

void fv_c_constants(fv_cg *g) {
    const fv_program *p = g->p;
    if (g->weights == FV_C_WEIGHTS_INCBIN && p->nconstants)
        fv_c_line(g, "extern const unsigned char %s_weights[]; /* %s_weights.S */\n", g->name, g->name);
    for (int i = 0; i < p->nconstants; i++) {
        const fv_constant *c = &p->constants[i];
        if (!c->buf || is_missing(g, c))
            continue;
        const char *name;
        if (g->weights == FV_C_WEIGHTS_INCBIN) {
            name = fv_printf(g->arena, "(const %s *)(%s_weights + %zu)", fv_c_elem(c->buf->elem), g->name,
                             fv_c_weights_at(p, i));
        } else if (g->apart) {
            name = fv_printf(g->arena, "%s_constant_%d", g->name, i);
            fv_c_line(g, "extern const %s; /* %s */\n", declarator(g, c, name),
                      fv_c_comment(g->arena, c->name ? c->name : ""));
        } else {
            name = fv_c_name(&g->scope, c->name, "constant");
            define(g, g->out, c, name, "static ");
        }
        if (g->weights == FV_C_WEIGHTS_TEXT && !is_finite(c))
            name = fv_printf(g->arena, "%s.value", name);
        *fv_ptrmap_at(&g->names, c->buf) = (void *)(uintptr_t)name;
    }
}

void fv_c_weights_text(fv_cg *g, fv_text *t) {
    fv_c_fill(g, t,
              "/* @name@_weights.c - the constants of @name@.c.\n"
              " * SPDX-License-Identifier: MIT-0 */\n"
              "#include <stdint.h>\n\n"
              "#ifndef @NAME@_CONST\n"
              "#ifdef __GNUC__\n"
              "#define @NAME@_CONST __attribute__((aligned(64)))\n"
              "#else\n"
              "#define @NAME@_CONST\n"
              "#endif\n"
              "#endif\n\n", NULL);
    for (int i = 0; i < g->p->nconstants; i++) {
        const fv_constant *c = &g->p->constants[i];
        const char *name = fv_printf(g->arena, "%s_constant_%d", g->name, i);
        if (!c->buf || is_missing(g, c))
            continue;
        define(g, t, c, name, "");
    }
}
