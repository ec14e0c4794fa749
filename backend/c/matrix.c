/* matrix.c - writes products of matrices (ir/kernel/matrix.h) as calls of a function of intrinsics
 * on tile registers of x86. The registers are configured where a product has another number of rows
 * or words than the one before it: a variable of the kernel has what they are configured for. A
 * kernel releases them where it returns. */
#include "ir/kernel/matrix.h"
#include "backend/c/internal.h"
#include "ir/base/limits.h"
#include "ir/expr/fold.h"
#include "ir/expr/rewrite.h"

/* The intrinsics of some compilers do not state which memory they access, so the code around them
 * does. */
static const char configuration[] =
    "/* Configures tile registers, each of up to 16 rows of 64 bytes: 2 x 2 of sums, then 2 of "
    "`rows`\n"
    " * rows of words, then 2 of columns. */\n"
    "static @NAME@_NOINLINE void @0@(int rows, int words) {\n"
    "    uint8_t config[64] = {1}; /* the palette; bytes of a row; rows */\n"
    "    int first = rows < 16 ? rows : 16, second = rows > 16 ? rows - 16 : 1;\n"
    "    for (int i = 0; i < 8; i++) {\n"
    "        config[16 + 2 * i] = (uint8_t)(i == 4 || i == 5 ? 4 * words : 64);\n"
    "        config[48 + i] =\n"
    "            (uint8_t)(i > 5 ? words : i == 2 || i == 3 || i == 5 ? second : first);\n"
    "    }\n"
    "    __asm__ volatile(\"\" : : \"r\"(config) : \"memory\");\n"
    "    _tile_loadconfig(config);\n"
    "    __asm__ volatile(\"\" : : \"r\"(config) : \"memory\");\n"
    "}\n\n";
/* @0@ the name, @1@ the intrinsic, @2@ the function that configures */
static const char product[] =
    "/* Sums of products of words, s[r][j] = (adds ? s[r][j] : 0) + a[r] * b[j], of 1 to 32 rows\n"
    " * and one or two groups of 16 columns; distances are in bytes, a step has 16 words. *tiles: "
    "for\n"
    " * which rows and words the registers are configured; 0: they are not. streams: rows are not\n"
    " * kept in the first-level cache. The steps prefetch `lines` lines from `next` on. */\n"
    "static @NAME@_NOINLINE void @0@(int *tiles, int rows, int words, bool two, bool adds,\n"
    "        bool streams, int64_t steps, int32_t *s0, int32_t *s1, int64_t ss, const void *a,\n"
    "        int64_t as, const void *b0, const void *b1, int64_t bs, const void *next,\n"
    "        int64_t ns, int64_t lines) {\n"
    "    const bool more = rows > 16;\n"
    "    const int64_t share = (lines + steps - 1) / steps;\n"
    "    if (*tiles != 32 * rows + words)\n"
    "        @2@(rows, words);\n"
    "    *tiles = 32 * rows + words;\n"
    "    const char *row = a, *left = b0, *right = b1, *line = next;\n"
    "    char *sum0 = (char *)s0, *sum1 = (char *)s1;\n"
    "    __asm__ volatile(\"\" : : : \"memory\");\n"
    "    _tile_zero(0);\n"
    "    _tile_zero(1);\n"
    "    _tile_zero(2);\n"
    "    _tile_zero(3);\n"
    "    if (adds) {\n"
    "        _tile_loadd(0, sum0, ss);\n"
    "        if (two)\n"
    "            _tile_loadd(1, sum1, ss);\n"
    "        if (more)\n"
    "            _tile_loadd(2, sum0 + 16 * ss, ss);\n"
    "        if (more && two)\n"
    "            _tile_loadd(3, sum1 + 16 * ss, ss);\n"
    "    }\n"
    "    for (int64_t i = 0; i < steps; i++) {\n"
    "        for (int64_t n = 0; n < share && n < lines - share * i; n++)\n"
    "            @NAME@_PREFETCH(line + (share * i + n) * ns, 2);\n"
    "        if (streams)\n"
    "            _tile_stream_loadd(4, row + 64 * i, as);\n"
    "        else\n"
    "            _tile_loadd(4, row + 64 * i, as);\n"
    "        _tile_loadd(6, left + 16 * bs * i, bs);\n"
    "        @1@(0, 4, 6);\n"
    "        if (two) {\n"
    "            _tile_loadd(7, right + 16 * bs * i, bs);\n"
    "            @1@(1, 4, 7);\n"
    "        }\n"
    "        if (more) {\n"
    "            if (streams)\n"
    "                _tile_stream_loadd(5, row + 16 * as + 64 * i, as);\n"
    "            else\n"
    "                _tile_loadd(5, row + 16 * as + 64 * i, as);\n"
    "            @1@(2, 5, 6);\n"
    "            if (two)\n"
    "                @1@(3, 5, 7);\n"
    "        }\n"
    "    }\n"
    "    _tile_stored(0, sum0, ss);\n"
    "    if (two)\n"
    "        _tile_stored(1, sum1, ss);\n"
    "    if (more)\n"
    "        _tile_stored(2, sum0 + 16 * ss, ss);\n"
    "    if (more && two)\n"
    "        _tile_stored(3, sum1 + 16 * ss, ss);\n"
    "    __asm__ volatile(\"\" : : : \"memory\");\n"
    "}\n\n";

static const char *configuring(fv_cg *g) {
    const char *name = "configure_tiles";
    if (fv_c_helper_new(g, name))
        fv_c_fill(g, &g->prelude.helpers, configuration, name, NULL);
    return name;
}

static const char *multiplying(fv_cg *g, const fv_matrix_instruction *row) {
    const char *name = fv_printf(g->arena, "multiply_%s", row->name), *by = configuring(g);
    if (fv_c_helper_new(g, name))
        fv_c_fill(g, &g->prelude.helpers, product, name, row->c, by, NULL);
    return name;
}

static const fv_matrix_instruction *instruction_for(fv_cg *g, const fv_stmt *s, fv_matrix *m) {
    return fv_matrix_read(s, m) ? NULL : fv_matrix_find(g->p->target, m->op, m->operand);
}

/* Does the block multiply matrices by instructions outside outlines, whose functions have variables
 * of their own? */
static bool multiplies_here(fv_cg *g, const fv_block *b) {
    fv_matrix m;
    bool here = false;
    for (const fv_stmt *s = b->first; s && !here; s = s->next)
        if (s->kind == FV_S_MATRIX)
            here = instruction_for(g, s, &m) != NULL;
        else if (s->kind != FV_S_OUTLINE)
            here = multiplies_here(g, &s->body) || multiplies_here(g, &s->other);
    return here;
}

void fv_c_matrix_begin(fv_cg *g, const fv_block *body) {
    const fv_stmt *first = fv_matrix_first(body);
    fv_matrix m;
    g->fn.tiles = NULL;
    if (!first || !instruction_for(g, first, &m))
        return;
    g->fn.tiles = "";
    if (multiplies_here(g, body)) {
        g->fn.tiles = fv_c_name(&g->naming.scope, "tiles", "tiles");
        fv_c_line(g, "int %s = 0;", g->fn.tiles);
    }
}

void fv_c_matrix_called(fv_cg *g) {
    if (g->fn.tiles && *g->fn.tiles)
        fv_c_line(g, "%s = 0;", g->fn.tiles);
}

void fv_c_matrix_end(fv_cg *g) {
    if (g->fn.tiles)
        fv_c_line(g, "_tile_release();");
}

/* The address of the element for row, column and word 0 of the g-th group, or of the first
 * prefetch. */
static const char *address_of(fv_cg *g, const fv_matrix *m, const fv_buf *b, fv_expr *const *index,
                              int group) {
    enum { MOST = 6 };
    const fv_var *all[MOST] = {m->vars.group, m->vars.row,   m->vars.column,
                               m->vars.step,  m->vars.block, m->prefetch.line};
    fv_expr *at[FV_MAX_RANK], *values[MOST];
    fv_var *vars[MOST];
    int n = 0;
    for (int i = 0; i < MOST; i++)
        if (all[i]) {
            vars[n] = (fv_var *)all[i];
            values[n++] = fv_x_int(g->arena, i ? 0 : group);
        }
    for (int i = 0; i < b->rank; i++)
        at[i] = fv_x_replace_vars(g->arena, index[i], n, vars, values);
    return fv_c_address(g, b, at);
}

/* The distance of elements for consecutive values of v, in bytes. */
static const char *distance(fv_cg *g, const fv_buf *b, fv_expr *const *index, const fv_var *v) {
    fv_expr *n = fv_matrix_stride(g->arena, b, index, v);
    return fv_c_str(
        g, fv_x_bin(g->arena, FV_X_MUL, n, fv_x_int(g->arena, fv_elem_storage_bytes(b->elem))));
}

/* The arguments of a call for the prefetches: the first address, their distance and number. */
static const char *prefetches(fv_cg *g, const fv_matrix *m) {
    const fv_stmt *of = m->prefetch.of;
    if (!of)
        return "0, 0, 0";
    return fv_printf(g->arena, "%s, %s, %s", address_of(g, m, of->buf, of->index, 0),
                     distance(g, of->buf, of->index, m->prefetch.line),
                     fv_c_str(g, m->prefetch.lines));
}

bool fv_c_matrix(fv_cg *g, const fv_stmt *s) {
    fv_matrix m;
    const fv_matrix_instruction *row = instruction_for(g, s, &m);
    if (!row || !g->fn.tiles || !*g->fn.tiles)
        return false;
    const fv_stmt *to = m.store;
    const fv_buf *a = m.a->u.buf, *b = m.b->u.buf;
    const int last = m.groups - 1;
    int64_t least, most;
    fv_x_range(m.rows, &least, &most);
    const char *rows = fv_c_at(g, m.rows, FV_C_UNARY);
    const char *cast = fv_x_is_int(m.rows, &most) && most > 0 ? "" : "(int)"; /* of 1 to 32 */
    /* without rows, the addresses may be outside of the buffers */
    const bool asks = least < 1;
    if (asks)
        fv_c_line(g, "if (%s > 0)", rows);
    g->indent += asks;
    fv_c_line(g, "%s(&%s, %s%s, %d, %s, %s, %s, %lld, %s, %s, %s, %s, %s, %s, %s, %s, %s);",
              multiplying(g, row), g->fn.tiles, cast, rows, fv_matrix_words(&m),
              m.groups > 1 ? "true" : "false", m.adds ? "true" : "false",
              fv_matrix_rows_evict(&m, &g->p->target->caches) ? "true" : "false",
              (long long)fv_matrix_instructions(&m), address_of(g, &m, to->buf, to->index, 0),
              address_of(g, &m, to->buf, to->index, last),
              distance(g, to->buf, to->index, m.vars.row), address_of(g, &m, a, m.a->arg, 0),
              distance(g, a, m.a->arg, m.vars.row), address_of(g, &m, b, m.b->arg, 0),
              address_of(g, &m, b, m.b->arg, last), distance(g, b, m.b->arg, m.vars.step),
              prefetches(g, &m));
    g->indent -= asks;
    return true;
}
