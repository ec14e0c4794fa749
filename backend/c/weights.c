/* weights.c - writes the constants of the program: as array initialisers, which read back exactly,
 * or as one block of bytes that an assembler file includes, an object contains, or a file holds
 * that is mapped. */
#include <math.h>
#include <string.h>

#include "backend/c/internal.h"

extern const char *const fv_c_weights_c_text; /* a file of text/ */
extern const char *const fv_c_weights_h_text; /* the text of runtime/weights_file.h */

static fv_elem elem_of(const fv_constant *c) {
    fv_elem e = c->buf ? c->buf->elem : FV_U8;
    return e == FV_BOOL ? FV_U8 : fv_elem_is_storage(e) ? fv_elem_bits_elem(e) : e;
}

static size_t count_of(const fv_constant *c) {
    return c->bytes / (size_t)fv_elem_storage_bytes(elem_of(c));
}

static double float_at(const fv_constant *c, fv_elem e, size_t i) {
    float f;
    double d;
    if (e == FV_F64) {
        memcpy(&d, (const char *)fv_constant_data(c) + i * 8, 8);
        return d;
    }
    memcpy(&f, (const char *)fv_constant_data(c) + i * 4, 4);
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
        return snprintf(s, n, i64 > INT32_MAX || i64 <= INT32_MIN ? "INT64_C(%lld)" : "%lld",
                        (long long)i64);
    default: memcpy(&u64, at, 8); return snprintf(s, n, "UINT64_C(%llu)", (unsigned long long)u64);
    }
}

static void put_values(fv_text *t, const fv_constant *c, fv_elem e, int indent) {
    char s[48];
    int size = fv_elem_storage_bytes(e), column = 0;
    fv_arena *scratch = fv_arena_new(fv_arena_session(t->arena));
    for (size_t i = 0; i < count_of(c); i++) {
        int n;
        if (fv_elem_is_float(e)) {
            if (i % 4096 == 4095) { /* frees the texts of the numbers written so far */
                fv_arena_free(scratch);
                scratch = fv_arena_new(fv_arena_session(t->arena));
            }
            n = snprintf(s, sizeof s, "%s", fv_c_float(scratch, e, float_at(c, e, i)));
        } else {
            n = put_number(s, sizeof s, e, (const char *)fv_constant_data(c) + i * (size_t)size);
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

/* The declaration of a constant, "float w[768]". A constant with infinities or NaN, which C99 has
 * no literals for, is a union with its bits. */
static const char *declarator(fv_cg *g, const fv_constant *c, const char *name) {
    fv_elem e = elem_of(c);
    unsigned long long n = count_of(c) ? count_of(c) : 1;
    if (is_finite(c))
        return fv_printf(g->arena, "%s %s[%llu]", fv_c_elem(e), name, n);
    return fv_printf(g->arena, "union { uint%d_t bits[%llu]; %s value[%llu]; } %s", fv_elem_bits(e),
                     n, fv_c_elem(e), n, name);
}

static void define(fv_cg *g, fv_text *t, const fv_constant *c, const char *name,
                   const char *storage) {
    bool finite = is_finite(c);
    fv_elem e = elem_of(c);
    if (!finite)
        e = fv_elem_bits_elem(e);
    fv_text_printf(t, "/* %s */\n%s%s_CONST const %s = {%s\n",
                   fv_c_comment(g->arena, c->name ? c->name : ""), storage, g->NAME,
                   declarator(g, c, name), finite ? "" : "{");
    put_values(t, c, e, 4);
    fv_text_put(t, finite ? "};\n\n" : "}};\n\n");
}

static bool is_missing(fv_cg *g, const fv_constant *c) {
    if (fv_constant_has_data(c) || c->bytes == 0)
        return false;
    g->failed = !fv_error(g->session, "constant '%s' has no data", c->name ? c->name : "?");
    return true;
}

void fv_c_constants(fv_cg *g) {
    const fv_program *p = g->p;
    bool linked = g->weights.kind == FV_WEIGHTS_INCBIN || g->weights.kind == FV_WEIGHTS_OBJECT;
    if (linked)
        fv_c_line(g, "extern const unsigned char %s_weights[]; /* %s_weights.%s */\n", g->name,
                  g->file, g->weights.kind == FV_WEIGHTS_OBJECT ? "o" : "S");
    for (int i = 0; i < p->memory.nconstants; i++) {
        const fv_constant *c = &p->memory.constants[i];
        if (!c->buf || is_missing(g, c))
            continue;
        const char *name;
        if (g->weights.kind != FV_WEIGHTS_TEXT) {
            name = fv_printf(g->arena, "(const %s *)(const void *)(%s_weights + %zu)",
                             fv_c_elem(c->buf->elem), g->name, fv_weights_at(p, i));
        } else if (g->weights.apart) {
            name = fv_printf(g->arena, "%s_constant_%d", g->name, i);
            fv_c_line(g, "extern const %s; /* %s */\n", declarator(g, c, name),
                      fv_c_comment(g->arena, c->name ? c->name : ""));
        } else {
            name = fv_c_file_name(g, c->name, "constant");
            define(g, g->out, c, name, "static ");
        }
        if (g->weights.kind == FV_WEIGHTS_TEXT && !is_finite(c))
            name = fv_printf(g->arena, "%s.value", name);
        fv_c_set_name(g, c->buf, name);
    }
}

const char *fv_c_alignment(const fv_cg *g) {
    enum { LINE = 64, WORD = 4 };
    const int vector = g->machine.native;
    return fv_printf(g->arena, "%d",
                     g->p->target->kind != FV_TARGET_MICRO ? LINE
                     : vector > WORD                       ? vector
                                                           : WORD);
}

static void put_weights_text(fv_cg *g, fv_text *t) {
    fv_c_fill(g, t,
              "/* @name@_weights.c - the constants of @name@.c.\n"
              " * SPDX-License-Identifier: MIT-0 */\n"
              "#include <stdint.h>\n\n"
              "#ifndef @NAME@_CONST\n"
              "#ifdef __GNUC__\n"
              "#define @NAME@_CONST __attribute__((aligned(@0@)))\n"
              "#else\n"
              "#define @NAME@_CONST\n"
              "#endif\n"
              "#endif\n\n",
              fv_c_alignment(g), NULL);
    for (int i = 0; i < g->p->memory.nconstants; i++) {
        const fv_constant *c = &g->p->memory.constants[i];
        const char *name = fv_printf(g->arena, "%s_constant_%d", g->name, i);
        if (!c->buf || is_missing(g, c))
            continue;
        define(g, t, c, name, "");
    }
}

/* ---- files next to the code ---- */

static const char assembler[] =
    "/* @0@_weights.S - the constants of @0@.c, which are the file @0@_weights.bin.\n"
    " * SPDX-License-Identifier: MIT-0 */\n"
    "    .section .rodata\n"
    "    .balign 64\n"
    "    .globl @name@_weights\n"
    "@name@_weights:\n"
    "    .incbin \"@0@_weights.bin\"\n"
    "    .section .note.GNU-stack,\"\",%progbits\n";

static bool put_blob(const void *program, FILE *f) {
    return fv_weights_put(program, f);
}

static bool put_file(const void *program, FILE *f) {
    return fv_weights_put_file(program, f);
}

static bool put_object(const void *object, FILE *f) {
    return fv_weights_put_object(object, f);
}

static void add_text(fv_cg *g, fv_c_files *f, const char *suffix, const fv_text *t) {
    fv_c_files_add(f, fv_printf(g->arena, "%s%s", g->file, suffix), t->s, t->n);
}

static void add_object(fv_cg *g, fv_c_files *f) {
    fv_weights_object *o = FV_NEW(g->arena, fv_weights_object, 1);
    *o = fv_weights_object_of(g->arena, g->p);
    fv_c_files_add_put(f, fv_printf(g->arena, "%s_weights.o", g->file), o, put_object);
}

const char *fv_c_weights_file(const fv_cg *g) {
    return g->weights.kind == FV_WEIGHTS_FILE ? fv_printf(g->arena, "%s.weights", g->file) : NULL;
}

/* Adds the source that maps the file of weights. It is a file of its own, because it needs POSIX
 * and the model needs nothing. */
static void add_mapped(fv_cg *g, fv_c_files *f) {
    fv_text t = {.arena = g->arena};
    const char *contract = strstr(fv_c_weights_h_text, "#ifndef");
    fv_c_fill(g, &t, fv_c_weights_c_text, g->file, contract, NULL);
    add_text(g, f, "_weights.c", &t);
    fv_c_files_add_put(f, fv_c_weights_file(g), g->p, put_file);
}

void fv_c_add_weights(fv_cg *g, fv_c_files *f) {
    fv_text t = {.arena = g->arena};
    switch (g->weights.kind) {
    case FV_WEIGHTS_OBJECT: add_object(g, f); break;
    case FV_WEIGHTS_FILE: add_mapped(g, f); break;
    case FV_WEIGHTS_INCBIN:
        fv_c_fill(g, &t, assembler, g->file, NULL);
        add_text(g, f, "_weights.S", &t);
        fv_c_files_add_put(f, fv_printf(g->arena, "%s_weights.bin", g->file), g->p, put_blob);
        break;
    case FV_WEIGHTS_TEXT:
        if (!g->weights.apart)
            break;
        put_weights_text(g, &t);
        add_text(g, f, "_weights.c", &t);
        break;
    case FV_WEIGHTS_AUTO: break;
    }
}
