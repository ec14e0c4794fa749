/* layer.c - the vector layer of generated C.
 *
 * Values are GNU vectors; + - * / & | ^ ~ << >> and comparisons are written with operators. Other
 * operations are helper functions: an intrinsic if the target has one for that width, for each part
 * of a wider vector if it has one for a part, else vector arithmetic, else a loop over lanes with
 * the scalar helper. A mask has one signed integer for each lane, 0 or -1.
 *
 * Helpers for vectors wider than a register are macros with a block, since GCC would warn about the
 * ABI of functions with such arguments. */
#include "backend/c/layer.h"

#include <string.h>

#include "backend/c/helium.h"
#include "backend/c/narrow.h"
#include "ir/expr/instruction.h"

/* ---- types ---- */

static const char *vector(fv_cg *g, fv_elem e, int lanes) {
    return fv_c_type(g, fv_kt(e, lanes));
}

const char *fv_c_layer_widen(fv_cg *g, const char *m, fv_elem e, int lanes) {
    fv_elem to = fv_c_signed_elem(e);
    if (to == fv_c_mask_elem(lanes))
        return m;
    return fv_printf(g->arena, "__builtin_convertvector(%s, %s)", m, fv_c_vtype(g, to, lanes));
}

const char *fv_c_layer_includes(const fv_cg *g) {
    if (g->machine.windows && g->machine.isa == FV_ISA_AARCH64)
        return "#include <arm_neon.h>\n";
    if (g->machine.windows)
        return "#ifdef _MSC_VER\n#include <intrin.h>\n#else\n#include <cpuid.h>\n"
               "#include <immintrin.h>\n#endif\n";
    if (g->machine.isa == FV_ISA_X86)
        return "#include <immintrin.h>\n";
    if (g->machine.isa == FV_ISA_AARCH64 && g->machine.native)
        return "#include <arm_neon.h>\n";
    return "";
}

/* ---- writing one helper ---- */

typedef enum { WHOLE, LANES, PARTS, DO, DO_LANES } mode;
typedef struct def {
    /* name of the helper function and its result type; "void" for DO and DO_LANES */
    const char *name, *result;
    const char *param[4]; /* types of the parameters, ended by NULL */
    mode mode;
    /* the expression, with $a $b $c $d for the parameters; LANES and DO_LANES: for lane l; PARTS:
     * not used */
    const char *expr;
    int lanes;
    bool wide;
    /* PARTS: type and helper of a part; part_in: type of the operands' parts if it differs; number
     * of parts */
    const char *part, *part_op, *part_in;
    int nparts;
} def;

static void put_expr(fv_text *t, const char *expr, const char *prefix) {
    for (const char *s = expr; *s; s++)
        if (*s == '$')
            fv_text_put(t, prefix);
        else
            fv_text_putn(t, s, 1);
}

static void put_loop(fv_text *t, const def *d, const char *pad, const char *prefix) {
    int n = d->mode == PARTS ? d->nparts : d->lanes;
    fv_text_printf(t, "%sfor (int l = 0; l < %d; l++)%s\n%s    ", pad, n, d->wide ? " \\" : "",
                   pad);
    if (d->mode == PARTS) {
        fv_text_printf(t, "%sr.part[l] = %s(", prefix, d->part_op);
        for (int i = 0; i < 4 && d->param[i]; i++)
            fv_text_printf(t, "%s%s%c.part[l]", i ? ", " : "", prefix, 'a' + i);
        fv_text_put(t, ")");
    } else {
        if (d->mode == LANES)
            fv_text_printf(t, "%sr[l] = ", prefix);
        put_expr(t, d->expr, prefix);
    }
    fv_text_put(t, ";");
}

static void put_function(fv_cg *g, fv_text *t, const def *d) {
    fv_text_printf(t, "static %s_INLINE %s %s(", g->NAME, d->result, d->name);
    for (int i = 0; i < 4 && d->param[i]; i++) {
        const char *space = d->param[i][strlen(d->param[i]) - 1] == '*' ? "" : " ";
        fv_text_printf(t, "%s%s%s%c", i ? ", " : "", d->param[i], space, 'a' + i);
    }
    fv_text_put(t, ") {\n");
    if (d->mode == WHOLE || d->mode == DO) {
        fv_text_put(t, d->mode == WHOLE ? "    return " : "    ");
        put_expr(t, d->expr, "");
        fv_text_put(t, ";\n}\n\n");
        return;
    }
    if (d->mode == LANES)
        fv_text_printf(t, "    %s r = {0};\n", d->result);
    put_loop(t, d, "    ", "");
    fv_text_put(t, d->mode == LANES ? "\n    return r;\n}\n\n" : "\n}\n\n");
}

static void put_macro(fv_text *t, const def *d) {
    /* names of variables contain the macro's name, since its operands may be calls of others */
    const char *own = fv_printf(t->arena, "fv_%s_", d->name);
    fv_text_printf(t, "#define %s(", d->name);
    for (int i = 0; i < 4 && d->param[i]; i++)
        fv_text_printf(t, "%s%c", i ? ", " : "", 'a' + i);
    fv_text_put(t, ") \\\n    __extension__({ \\\n");
    for (int i = 0; i < 4 && d->param[i]; i++) {
        if (d->mode == PARTS)
            fv_text_printf(t, "        union { %s whole; %s part[%d]; } %s%c = {(%c)}; \\\n",
                           d->param[i], d->part_in ? d->part_in : d->part, d->nparts, own, 'a' + i,
                           'a' + i);
        else
            fv_text_printf(t, "        %s %s%c = (%c); \\\n", d->param[i], own, 'a' + i, 'a' + i);
    }
    if (d->mode == PARTS)
        fv_text_printf(t, "        union { %s whole; %s part[%d]; } %sr; \\\n", d->result, d->part,
                       d->nparts, own);
    if (d->mode == LANES)
        fv_text_printf(t, "        %s %sr = {0}; \\\n", d->result, own);
    if (d->mode == WHOLE || d->mode == DO) {
        fv_text_put(t, "        ");
        put_expr(t, d->expr, own);
    } else {
        put_loop(t, d, "        ", own);
        if (d->mode != DO_LANES)
            fv_text_printf(t, " \\\n        %sr%s", own, d->mode == PARTS ? ".whole" : "");
    }
    fv_text_put(t, d->mode == DO_LANES ? " \\\n    })\n\n" : "; \\\n    })\n\n");
}

static void put_wide(fv_cg *g, const def *d) {
    fv_text t = {.arena = g->arena};
    put_macro(&t, d);
    fv_text_put(&g->prelude.helpers, t.s);
    *fv_ptrmap_at(&g->prelude.macros, fv_intern(g->session, d->name)) = (void *)(uintptr_t)t.s;
}

static void put(fv_cg *g, const def *d) {
    if (d->wide) {
        put_wide(g, d);
        return;
    }
    fv_text t = {.arena = g->arena};
    put_function(g, &t, d);
    fv_text_put(&g->prelude.helpers, t.s);
}

/* Is a vector of that many bytes wider than a register of the target? */
static bool too_wide(const fv_cg *g, int bytes) {
    return bytes > (g->machine.native ? g->machine.native : 16);
}

static bool any_wide(const fv_cg *g, fv_elem e, int lanes) {
    return too_wide(g, fv_c_vector_bytes(e, lanes)) ||
           too_wide(g, fv_c_vector_bytes(FV_BOOL, lanes));
}

/* ---- intrinsics ---- */

typedef struct x86 {
    /* parts of names of intrinsics and types: for example _mm256, __m256, ps */
    const char *prefix, *reg, *ps;
    char ireg[12];
} x86;

static bool x86_of(const fv_cg *g, fv_elem e, int bytes, x86 *m) {
    if (g->machine.isa != FV_ISA_X86 || bytes < 16 || bytes > g->machine.native)
        return false;
    static const char *const regs[3][3] = {{"__m128", "__m128d", "__m128i"},
                                           {"__m256", "__m256d", "__m256i"},
                                           {"__m512", "__m512d", "__m512i"}};
    int width = bytes == 16 ? 0 : bytes == 32 ? 1 : 2;
    m->prefix = width == 0 ? "_mm" : width == 1 ? "_mm256" : "_mm512";
    m->reg = regs[width][e == FV_F32 ? 0 : e == FV_F64 ? 1 : 2];
    m->ps = e == FV_F32 ? "ps" : "pd";
    strcpy(m->ireg, regs[width][2]);
    return true;
}

static const char *x86_float(fv_cg *g, fv_expr_op op, fv_elem e, int lanes) {
    x86 m;
    int bytes = fv_c_vector_bytes(e, lanes);
    if (!x86_of(g, e, bytes, &m))
        return NULL;
    fv_arena *a = g->arena;
    const char *v = vector(g, e, lanes), *iv = fv_c_vtype(g, fv_c_signed_elem(e), lanes);
    const char *p = m.prefix, *r = m.reg, *s = m.ps;
    const char *round = bytes == 64 ? "roundscale" : "round";
    switch (op) {
    case FV_X_FMA: return fv_printf(a, "(%s)%s_fmadd_%s((%s)$a, (%s)$b, (%s)$c)", v, p, s, r, r, r);
    case FV_X_SQRT: return fv_printf(a, "(%s)%s_sqrt_%s((%s)$a)", v, p, s, r);
    case FV_X_FLOOR:
    case FV_X_CEIL:
    case FV_X_TRUNC:
    case FV_X_RINT:
        return fv_printf(a, "(%s)%s_%s_%s((%s)$a, %s | _MM_FROUND_NO_EXC)", v, p, round, s, r,
                         op == FV_X_FLOOR   ? "_MM_FROUND_TO_NEG_INF"
                         : op == FV_X_CEIL  ? "_MM_FROUND_TO_POS_INF"
                         : op == FV_X_TRUNC ? "_MM_FROUND_TO_ZERO"
                                            : "_MM_FROUND_TO_NEAREST_INT");
    /* the instruction returns its second operand for two zeros and for NaN, so both orders are
     * combined */
    case FV_X_MIN:
        return fv_printf(a, "(%s)((%s)%s_min_%s((%s)$a, (%s)$b) | (%s)%s_min_%s((%s)$b, (%s)$a))",
                         v, iv, p, s, r, r, iv, p, s, r, r);
    case FV_X_MAX:
        return fv_printf(a,
                         "(%s)(((%s)%s_max_%s((%s)$a, (%s)$b) & (%s)%s_max_%s((%s)$b, (%s)$a)) |\n"
                         "        (%s)($a != $a) | (%s)($b != $b))",
                         v, iv, p, s, r, r, iv, p, s, r, r, iv, iv);
    default: return NULL;
    }
}

static const char *x86_int(fv_cg *g, fv_expr_op op, fv_elem e, int lanes) {
    x86 m;
    if (!g->machine.sse41 || !x86_of(g, e, fv_c_vector_bytes(e, lanes), &m) ||
        (op != FV_X_MIN && op != FV_X_MAX) || fv_elem_bits(e) == 64)
        return NULL;
    return fv_printf(g->arena, "(%s)%s_%s_ep%c%d((%s)$a, (%s)$b)", vector(g, e, lanes), m.prefix,
                     op == FV_X_MIN ? "min" : "max", fv_elem_is_signed(e) ? 'i' : 'u',
                     fv_elem_bits(e), m.reg, m.reg);
}

static const char *neon_float(fv_cg *g, fv_expr_op op, fv_elem e, int lanes) {
    if (g->machine.isa != FV_ISA_AARCH64 || fv_c_vector_bytes(e, lanes) != 16)
        return NULL;
    const char *v = vector(g, e, lanes), *r = e == FV_F32 ? "float32x4_t" : "float64x2_t";
    const char *s = fv_elem_name(e);
    switch (op) {
    case FV_X_FMA:
        return fv_printf(g->arena, "(%s)vfmaq_%s((%s)$c, (%s)$a, (%s)$b)", v, s, r, r, r);
    case FV_X_MIN: return fv_printf(g->arena, "(%s)vminq_%s((%s)$a, (%s)$b)", v, s, r, r);
    case FV_X_MAX: return fv_printf(g->arena, "(%s)vmaxq_%s((%s)$a, (%s)$b)", v, s, r, r);
    case FV_X_SQRT: return fv_printf(g->arena, "(%s)vsqrtq_%s((%s)$a)", v, s, r);
    case FV_X_FLOOR: return fv_printf(g->arena, "(%s)vrndmq_%s((%s)$a)", v, s, r);
    case FV_X_CEIL: return fv_printf(g->arena, "(%s)vrndpq_%s((%s)$a)", v, s, r);
    case FV_X_TRUNC: return fv_printf(g->arena, "(%s)vrndq_%s((%s)$a)", v, s, r);
    case FV_X_RINT: return fv_printf(g->arena, "(%s)vrndnq_%s((%s)$a)", v, s, r);
    default: return NULL;
    }
}

/* The instruction of the table; NULL: the target has none for that number of lanes. */
static const char *of_table(fv_cg *g, fv_expr_op op, fv_elem e, int lanes) {
    const fv_instruction *row = fv_instruction_find(g->p->target, op, e, e, lanes);
    return row ? fv_printf(g->arena, "(%s)%s", vector(g, e, lanes), row->c) : NULL;
}

static const char *intrinsic(fv_cg *g, fv_expr_op op, fv_elem e, int lanes) {
    if (fv_expr_op_is_instruction(op))
        return of_table(g, op, e, lanes);
    const char *s = fv_elem_is_float(e) ? x86_float(g, op, e, lanes) : x86_int(g, op, e, lanes);
    return s || !fv_elem_is_float(e) ? s : neon_float(g, op, e, lanes);
}

/* The operation in vector arithmetic of GNU C; NULL: it cannot be expressed. */
static const char *plain(fv_cg *g, fv_expr_op op, fv_elem e, int lanes) {
    fv_arena *a = g->arena;
    const char *v = vector(g, e, lanes), *iv = fv_c_vtype(g, fv_c_signed_elem(e), lanes);
    if (op == FV_X_ABS && fv_elem_is_float(e))
        return fv_printf(a, "(%s)((%s)$a & %s)", v, iv, e == FV_F32 ? "INT32_MAX" : "INT64_MAX");
    if (fv_elem_is_float(e))
        return NULL;
    if (op == FV_X_MIN || op == FV_X_MAX) {
        const char *sign = op == FV_X_MIN ? "<" : ">";
        return fv_printf(a, "(%s)(((%s)$a & (%s)($a %s $b)) | ((%s)$b & ~(%s)($a %s $b)))", v, iv,
                         iv, sign, iv, iv, sign);
    }
    if (op == FV_X_ABS) {
        const char *uv = fv_c_vtype(g, fv_c_unsigned_elem(e), lanes);
        return fv_printf(a, "(%s)(((%s)$a ^ (%s)($a < 0)) - (%s)($a < 0))", v, uv, uv, uv);
    }
    return NULL;
}

const char *fv_c_layer_op(fv_cg *g, fv_expr_op op, fv_elem e, int lanes) {
    const char *helium = fv_c_helium_op(g, op, e, e, lanes);
    if (helium)
        return helium;
    const char *text = op == FV_X_DIV ? "div" : op == FV_X_REM ? "rem" : fv_expr_op_text(op);
    const char *v = vector(g, e, lanes);
    const char *name = fv_printf(g->arena, "%s_%s", text, v);
    int bytes = fv_c_vector_bytes(e, lanes), n = fv_expr_op_info(op)->nargs;
    if (!fv_c_helper_new(g, name))
        return name;
    def d = {.name = name, .result = v, .lanes = lanes, .wide = too_wide(g, bytes)};
    for (int i = 0; i < n; i++)
        d.param[i] = v;
    int part_lanes = d.wide ? lanes * g->machine.native / bytes : 0;
    d.expr = intrinsic(g, op, e, lanes);
    if (part_lanes > 1 && intrinsic(g, op, e, part_lanes)) {
        d.mode = PARTS;
        d.part = vector(g, e, part_lanes);
        d.part_op = fv_c_layer_op(g, op, e, part_lanes);
        d.nparts = lanes / part_lanes;
    } else if (!d.expr && !(d.expr = plain(g, op, e, lanes))) {
        static const char *const args[] = {"", "$a[l]", "$a[l], $b[l]", "$a[l], $b[l], $c[l]"};
        d.mode = LANES;
        d.expr = fv_printf(g->arena, "%s(%s)", fv_c_helper(g, op, e), args[n]);
    }
    put(g, &d);
    return name;
}

const char *fv_c_layer_clamp(fv_cg *g, fv_expr_op op, fv_elem e, int lanes, double c) {
    x86 m;
    bool max = op == FV_X_MAX, zero = c == 0, minus = __builtin_signbit(c) != 0;
    if (!fv_elem_is_float(e) || c != c || !x86_of(g, e, fv_c_vector_bytes(e, lanes), &m) ||
        (zero && !max && minus))
        return NULL;
    const char *v = vector(g, e, lanes), *iv = fv_c_vtype(g, fv_c_signed_elem(e), lanes);
    if (zero && max && !minus) { /* of -0 and +0 the instruction would return -0 */
        const char *name = fv_printf(g->arena, "positive_%s", v);
        if (fv_c_helper_new(g, name))
            put(g,
                &(def){.name = name,
                       .result = v,
                       .param = {v, v},
                       .mode = WHOLE,
                       .lanes = lanes,
                       .expr = fv_printf(g->arena, "(%s)((%s)$a & ~(%s)($a <= $b))", v, iv, iv)});
        return name;
    }
    const char *name = fv_printf(g->arena, "%s_%s", max ? "at_least" : "at_most", v);
    if (fv_c_helper_new(g, name))
        put(g, &(def){.name = name,
                      .result = v,
                      .param = {v, v},
                      .mode = WHOLE,
                      .lanes = lanes,
                      .expr = fv_printf(g->arena, "(%s)%s_%s_%s((%s)$b, (%s)$a)", v, m.prefix,
                                        max ? "max" : "min", m.ps, m.reg, m.reg)});
    return name;
}

/* ---- masks ---- */

const char *fv_c_layer_select(fv_cg *g, fv_elem e, int lanes) {
    const char *v = vector(g, e, lanes), *m = fv_c_mask(g, lanes);
    const char *name = fv_printf(g->arena, "select_%s", v);
    if (!fv_c_helper_new(g, name))
        return name;
    fv_elem as = e == FV_BOOL ? fv_c_mask_elem(lanes) : e;
    const char *iv = fv_c_vtype(g, fv_c_signed_elem(as), lanes);
    const char *wide = fv_c_layer_widen(g, "$a", as, lanes);
    def d = {.name = name,
             .result = v,
             .param = {m, v, v},
             .lanes = lanes,
             .wide = any_wide(g, e, lanes)};
    x86 r;
    bool single = fv_elem_storage_bytes(as) == 4,
         ok = g->machine.sse41 && fv_elem_storage_bytes(as) >= 4;
    fv_elem f = single ? FV_F32 : FV_F64;
    if (ok && !d.wide && x86_of(g, f, fv_c_vector_bytes(as, lanes), &r) &&
        fv_c_vector_bytes(as, lanes) <= 32)
        d.expr = fv_printf(g->arena, "(%s)%s_blendv_%s((%s)$c, (%s)$b, (%s)%s)", v, r.prefix, r.ps,
                           r.reg, r.reg, r.reg, wide);
    else
        d.expr = fv_printf(g->arena, "(%s)(((%s)$b & %s) | ((%s)$c & ~%s))", v, iv, wide, iv, wide);
    put(g, &d);
    return name;
}

static const char *list(fv_cg *g, const char *v, const char *item, int lanes) {
    fv_text t = {.arena = g->arena};
    fv_text_printf(&t, "(%s){", v);
    for (int l = 0; l < lanes; l++) {
        fv_text_put(&t, l == 0 ? "" : ", ");
        if (item)
            fv_text_put(&t, item);
        else
            fv_text_printf(&t, "%d", l);
    }
    fv_text_put(&t, "}");
    return t.s;
}

const char *fv_c_layer_splat(fv_cg *g, fv_elem e, int lanes) {
    const char *helium = fv_c_helium_op(g, FV_X_SPLAT, e, e, lanes);
    if (helium)
        return helium;
    const char *v = vector(g, e, lanes);
    const char *name = fv_printf(g->arena, "splat_%s", v);
    if (fv_c_helper_new(g, name))
        put(g, &(def){.name = name,
                      .result = v,
                      .param = {e == FV_BOOL ? "bool" : fv_c_elem(e)},
                      .mode = WHOLE,
                      .lanes = lanes,
                      .wide = too_wide(g, fv_c_vector_bytes(e, lanes)),
                      .expr = list(g, v, e == FV_BOOL ? "-$a" : "$a", lanes)});
    return name;
}

const char *fv_c_layer_ramp(fv_cg *g, fv_elem e, int lanes) {
    const char *v = vector(g, e, lanes), *uv = fv_c_vtype(g, fv_c_unsigned_elem(e), lanes);
    const char *name = fv_printf(g->arena, "ramp_%s", v);
    if (fv_c_helper_new(g, name))
        put(g,
            &(def){.name = name,
                   .result = v,
                   .param = {fv_c_elem(e)},
                   .mode = WHOLE,
                   .lanes = lanes,
                   .wide = too_wide(g, fv_c_vector_bytes(e, lanes)),
                   .expr = fv_printf(g->arena, "(%s)((%s)$a + %s)", v,
                                     fv_c_elem(fv_c_unsigned_elem(e)), list(g, uv, NULL, lanes))});
    return name;
}

const char *fv_c_layer_blocks(fv_cg *g, fv_expr_op op, int block, fv_elem e, int lanes) {
    const char *v = vector(g, e, lanes);
    const char *name = fv_printf(g->arena, "%s%d_%s", op == FV_X_EVEN ? "even" : "odd", block, v);
    if (!fv_c_helper_new(g, name))
        return name;
    fv_text t = {.arena = g->arena};
    fv_elem index = fv_c_signed_elem(e == FV_BOOL ? fv_c_mask_elem(lanes) : e);
    fv_text_printf(&t, "(%s)%s(%s, $a, $b", v, fv_c_helper_fixed(g, "shuffle"),
                   fv_c_vtype(g, index, lanes));
    for (int l = 0; l < lanes; l++)
        fv_text_printf(&t, ", %d",
                       (op == FV_X_EVEN ? 0 : block) + (l / block % 2 ? lanes + l - block : l));
    fv_text_put(&t, ")");
    put(g, &(def){.name = name,
                  .result = v,
                  .param = {v, v},
                  .mode = WHOLE,
                  .lanes = lanes,
                  .expr = t.s,
                  .wide = any_wide(g, e, lanes)});
    return name;
}

const char *fv_c_layer_below(fv_cg *g, int lanes) {
    const char *v = fv_c_mask(g, lanes);
    const char *name = fv_printf(g->arena, "first_%s", v);
    if (fv_c_helper_new(g, name))
        put(g, &(def){.name = name,
                      .result = v,
                      .param = {"int64_t"},
                      .mode = WHOLE,
                      .lanes = lanes,
                      .wide = too_wide(g, fv_c_vector_bytes(FV_BOOL, lanes)),
                      .expr = fv_printf(g->arena, "(%s)(%s < (%s)($a < 0 ? 0 : $a > %d ? %d : $a))",
                                        v, list(g, v, NULL, lanes),
                                        fv_c_elem(fv_c_mask_elem(lanes)), lanes, lanes)});
    return name;
}

/* The name of the helper that compares vectors of floats for equality. For vectors wider than a
 * register it is a macro without ==, since compilers would warn of == where it is used. */
const char *fv_c_layer_equal(fv_cg *g, fv_elem e, int lanes) {
    const char *v = vector(g, e, lanes), *mask = fv_c_vtype(g, fv_c_signed_elem(e), lanes);
    const char *name = fv_printf(g->arena, "equal_%s", v);
    bool wide = any_wide(g, e, lanes);
    def d = {.name = name,
             .result = mask,
             .param = {v, v},
             .lanes = lanes,
             .wide = wide,
             .expr = fv_printf(g->arena, wide ? "(%s)(($a <= $b) & ($b <= $a))" : "(%s)($a == $b)",
                               mask)};
    if (!fv_c_helper_new(g, name))
        return name;
    if (wide) {
        put_wide(g, &d);
        return name;
    }
    fv_text t = {.arena = g->arena};
    put_function(g, &t, &d);
    fv_c_put_exact(g, t.s);
    return name;
}

const char *fv_c_layer_require(fv_cg *g, int lanes) {
    const char *v = fv_c_mask(g, lanes);
    const char *name = fv_printf(g->arena, "require_%s", v);
    const char *one = fv_c_helper_fixed(g, "require_bool");
    if (fv_c_helper_new(g, name))
        put(g, &(def){.name = name,
                      .result = v,
                      .param = {v, "int32_t *"},
                      .mode = LANES,
                      .lanes = lanes,
                      .wide = too_wide(g, fv_c_vector_bytes(FV_BOOL, lanes)),
                      .expr = fv_printf(g->arena, "(%s)-%s($a[l] != 0, $b)",
                                        fv_c_elem(fv_c_mask_elem(lanes)), one)});
    return name;
}

/* An expression that converts by an x86 instruction, and corrects what this gives out of range:
 * INT_MIN for signed types, all bits set for unsigned ones. NULL: there is no instruction. The
 * instructions are needed for AVX-512, since gcc 12 fails with internal errors otherwise. */
static const char *x86_convert(fv_cg *g, fv_elem from, fv_elem to, int lanes) {
    x86 x, y;
    bool first = from == FV_F32 && to == FV_I32,
         others = to == FV_I64 || to == FV_U64 || to == FV_U32;
    if (!(first || (g->machine.native == 64 && others)) ||
        !x86_of(g, from, fv_c_vector_bytes(from, lanes), &x) ||
        !x86_of(g, to, fv_c_vector_bytes(to, lanes), &y))
        return NULL;
    int bits = fv_elem_bits(to);
    bool widens = bits > fv_elem_bits(from), narrows = bits < fv_elem_bits(from),
         is_signed = fv_elem_is_signed(to);
    const char *v = vector(g, to, lanes), *mask_close = ")",
               *mask = fv_printf(g->arena, "(%s)(", v);
    if (widens || narrows) {
        mask = "__builtin_convertvector(";
        mask_close = fv_printf(g->arena, ", %s)", v);
    }
    const char *call =
        fv_printf(g->arena, "(%s)%s_cvtt%s_ep%c%d((%s)$a)", v, narrows ? x.prefix : y.prefix, x.ps,
                  is_signed ? 'i' : 'u', bits, x.reg);
    if (!is_signed)
        return fv_printf(g->arena, "%s & %s$a >= 0%s", call, mask, mask_close);
    const char *limit = bits == 32 ? "2147483648.0" : "9223372036854775808.0";
    return fv_printf(g->arena, "(%s ^ %s$a >= %s%s%s) & %s$a <= $a%s", call, mask, limit,
                     from == FV_F32 ? "f" : "", mask_close, mask, mask_close);
}

/* The widest instruction of the target for this conversion with at most `lanes` lanes; NULL: it has
 * none for several lanes. */
static const fv_instruction *widest(const fv_cg *g, fv_elem from, fv_elem to, int lanes) {
    const fv_instruction *row = NULL;
    for (; !row && lanes > 1; lanes /= 2)
        row = fv_instruction_find(g->p->target, FV_X_CONVERT, from, to, lanes);
    return row;
}

/* The helper of a conversion for which fv_c_converts_by_call holds, or that narrows integers by
 * instructions (narrow.h); others are written without a helper (vector.c). */
const char *fv_c_layer_convert(fv_cg *g, fv_elem from, fv_elem to, int lanes) {
    const char *v = vector(g, to, lanes), *w = vector(g, from, lanes);
    const char *name =
        fv_printf(g->arena, "to_%sx%d_%sx%d", fv_elem_name(to), lanes, fv_elem_name(from), lanes);
    if (!fv_c_helper_new(g, name))
        return name;
    def d = {.name = name,
             .result = v,
             .param = {w},
             .lanes = lanes,
             .wide = too_wide(g, fv_c_vector_bytes(from, lanes)) ||
                     too_wide(g, fv_c_vector_bytes(to, lanes))};
    d.expr = fv_c_narrowing(g, from, to, lanes);
    if (!d.expr)
        d.expr = x86_convert(g, from, to, lanes);
    const fv_instruction *row = widest(g, from, to, lanes);
    if (row && row->out.lanes == lanes) {
        d.expr = fv_printf(g->arena, "(%s)%s", v, row->c);
    } else if (row) {
        d.mode = PARTS;
        d.part = vector(g, to, row->out.lanes);
        d.part_in = vector(g, from, row->in.lanes);
        d.part_op = fv_c_layer_convert(g, from, to, row->out.lanes);
        d.nparts = lanes / row->out.lanes;
    } else if (!d.expr) {
        d.mode = LANES;
        d.expr = fv_printf(g->arena, "%s($a[l])", fv_c_helper_convert(g, from, to));
    }
    put(g, &d);
    return name;
}

/* ---- memory ---- */

static const char *pointer(fv_cg *g, fv_elem e, bool is_const) {
    return fv_printf(g->arena, "%s%s *", is_const ? "const " : "", fv_c_elem(e));
}

const char *fv_c_layer_load(fv_cg *g, fv_elem e, int lanes) {
    const char *v = vector(g, e, lanes), *u = fv_c_unaligned(g, e, lanes);
    const char *name = fv_printf(g->arena, "load_%s", e == FV_BOOL ? v : fv_c_vtype(g, e, lanes));
    if (!fv_c_helper_new(g, name))
        return name;
    const char *expr = fv_printf(g->arena, "*(const %s *)$a", u);
    if (e == FV_BOOL)
        expr = fv_printf(g->arena, "__builtin_convertvector((%s)(%s != 0), %s)",
                         fv_c_vtype(g, FV_I8, lanes), expr, v);
    /* a macro has a value of the type with the lower alignment, and ?: needs operands of one type,
     * so the value is cast */
    else if (any_wide(g, e, lanes))
        expr = fv_printf(g->arena, "(%s)%s", v, expr);
    put(g, &(def){.name = name,
                  .result = v,
                  .param = {pointer(g, e, true)},
                  .lanes = lanes,
                  .expr = expr,
                  .wide = any_wide(g, e, lanes)});
    return name;
}

/* The text of the lanes that are in vectors 0 to `part` of consecutive elements. */
static const char *lanes_of_parts(fv_cg *g, fv_elem e, const fv_picked *p, int part) {
    const char *v = vector(g, e, p->lanes);
    const char *load = fv_printf(g->arena, "(%s)*(const %s *)($a + %d)", v,
                                 fv_c_unaligned(g, e, p->lanes), p->from[part]);
    if (!part && p->parts > 1)
        return load;
    fv_text t = {.arena = g->arena};
    fv_text_printf(&t, "(%s)%s(%s, %s, %s", v, fv_c_helper_fixed(g, "shuffle"),
                   fv_c_vtype(g, fv_c_signed_elem(e), p->lanes),
                   part ? lanes_of_parts(g, e, p, part - 1) : load, load);
    for (int l = 0; l < p->lanes; l++) {
        const int in = p->at[l] - p->from[part], before = part > 1 ? l : p->at[l];
        fv_text_printf(&t, ", %d",
                       p->part[l] > part    ? 0
                       : p->part[l] == part ? (part ? p->lanes : 0) + in
                                            : before);
    }
    fv_text_put(&t, ")");
    return t.s;
}

/* The text of the lanes one by one, of fewer different elements than lanes. */
static const char *lanes_one_by_one(fv_cg *g, fv_elem e, const fv_picked *p) {
    fv_text t = {.arena = g->arena};
    fv_text_printf(&t, "(%s){", vector(g, e, p->lanes));
    for (int l = 0; l < p->lanes; l++)
        fv_text_printf(&t, "%s$a[%d]", l ? ", " : "", p->at[l]);
    fv_text_put(&t, "}");
    return t.s;
}

/* A name for the elements of the lanes, which is different for different ones. */
static const char *name_of_picks(fv_cg *g, const fv_picked *p) {
    const int step = p->at[1] - p->at[0];
    int repeated = 1;
    while (repeated < p->lanes && p->at[repeated] == 0)
        repeated++;
    bool same = step > 0, repeats = true;
    fv_text t = {.arena = g->arena};
    fv_text_put(&t, "pick");
    for (int l = 0; l < p->lanes; l++) {
        same &= p->at[l] == l * step;
        repeats &= p->at[l] == l / repeated;
        fv_text_printf(&t, "_%d", p->at[l]);
    }
    return same      ? fv_printf(g->arena, "every%d", step)
           : repeats ? fv_printf(g->arena, "repeat%d", repeated)
                     : t.s;
}

const char *fv_c_layer_pick(fv_cg *g, fv_elem e, const fv_picked *p) {
    const char *v = vector(g, e, p->lanes);
    const char *name = fv_printf(g->arena, "%s_%s", name_of_picks(g, p), v);
    if (fv_c_helper_new(g, name))
        put(g, &(def){.name = name,
                      .result = v,
                      .param = {pointer(g, e, true)},
                      .lanes = p->lanes,
                      .expr = p->length < p->lanes ? lanes_one_by_one(g, e, p)
                                                   : lanes_of_parts(g, e, p, p->parts - 1),
                      .wide = any_wide(g, e, p->lanes)});
    return name;
}

const char *fv_c_layer_store(fv_cg *g, fv_elem e, int lanes) {
    const char *v = vector(g, e, lanes), *u = fv_c_unaligned(g, e, lanes);
    const char *name = fv_printf(g->arena, "store_%s", v);
    if (!fv_c_helper_new(g, name))
        return name;
    const char *value = "$b";
    if (e == FV_BOOL)
        value =
            fv_printf(g->arena, "__builtin_convertvector(-$b, %s)", fv_c_vtype(g, FV_U8, lanes));
    put(g, &(def){.name = name,
                  .result = "void",
                  .param = {pointer(g, e, false), v},
                  .mode = DO,
                  .lanes = lanes,
                  .expr = fv_printf(g->arena, "*(%s *)$a = %s", u, value),
                  .wide = any_wide(g, e, lanes)});
    return name;
}

/* Masked loads and stores. Those of AVX-512 take bit masks, so those of AVX2 are used up to 32
 * bytes; for 64 bytes the mask is converted to bits. */
static const char *x86_masked(fv_cg *g, fv_elem e, int lanes, bool store) {
    x86 m;
    int bytes = fv_c_vector_bytes(e, lanes), size = fv_elem_storage_bytes(e);
    if (size < 4 || g->machine.native < 32 || !x86_of(g, e, bytes, &m))
        return NULL;
    fv_arena *a = g->arena;
    bool is_float = fv_elem_is_float(e);
    const char *v = vector(g, e, lanes), *wide = fv_c_layer_widen(g, "$a", e, lanes);
    if (bytes == 64) {
        const char *s = is_float ? m.ps : size == 4 ? "epi32" : "epi64";
        const char *bits = fv_printf(a, "_mm%s_movepi32_mask((__m%si)$a)",
                                     size == 4 ? "512" : "256", size == 4 ? "512" : "256");
        return store ? fv_printf(a, "_mm512_mask_storeu_%s($b, %s, (%s)$c)", s, bits, m.reg)
                     : fv_printf(a, "(%s)_mm512_mask_loadu_%s((%s)$c, %s, $b)", v, s, m.reg, bits);
    }
    const char *s = is_float ? m.ps : size == 4 ? "epi32" : "epi64";
    const char *as = is_float ? "" : size == 4 ? "(int *)" : "(long long *)";
    const char *from = is_float ? "" : size == 4 ? "(const int *)" : "(const long long *)";
    if (store)
        return fv_printf(a, "%s_maskstore_%s(%s$b, (%s)%s, (%s)$c)", m.prefix, s, as, m.ireg, wide,
                         m.reg);
    return fv_printf(a, "%s($a, (%s)%s_maskload_%s(%s$b, (%s)%s), $c)",
                     fv_c_layer_select(g, e, lanes), v, m.prefix, s, from, m.ireg, wide);
}

const char *fv_c_layer_load_if(fv_cg *g, fv_elem e, int lanes) {
    const char *v = vector(g, e, lanes), *m = fv_c_mask(g, lanes);
    const char *name = fv_printf(g->arena, "load_%s_if", v);
    if (!fv_c_helper_new(g, name))
        return name;
    def d = {.name = name,
             .result = v,
             .param = {m, pointer(g, e, true), v},
             .lanes = lanes,
             .wide = any_wide(g, e, lanes)};
    if (d.wide || !(d.expr = x86_masked(g, e, lanes, false))) {
        d.mode = LANES;
        d.expr = e == FV_BOOL ? "$a[l] ? -($b[l] != 0) : $c[l]" : "$a[l] ? $b[l] : $c[l]";
    }
    put(g, &d);
    return name;
}

const char *fv_c_layer_store_if(fv_cg *g, fv_elem e, int lanes) {
    const char *v = vector(g, e, lanes), *m = fv_c_mask(g, lanes);
    const char *name = fv_printf(g->arena, "store_%s_if", v);
    if (!fv_c_helper_new(g, name))
        return name;
    def d = {.name = name,
             .result = "void",
             .param = {m, pointer(g, e, false), v},
             .mode = DO,
             .lanes = lanes,
             .wide = any_wide(g, e, lanes)};
    if (d.wide || !(d.expr = x86_masked(g, e, lanes, true))) {
        d.mode = DO_LANES;
        d.expr = e == FV_BOOL ? "if ($a[l]) $b[l] = $c[l] != 0" : "if ($a[l]) $b[l] = $c[l]";
    }
    put(g, &d);
    return name;
}

/* A load or store of lanes at the indices of another vector; `masked`: of those lanes whose mask is
 * set. A load with a mask takes the lanes of its last operand elsewhere. */
static const char *indexed(fv_cg *g, fv_elem e, int lanes, bool stores, bool masked) {
    static const char *const exprs[2][2][2] = {
        {{"$a[$b[l]]", "$a[l] ? $b[$c[l]] : $d[l]"},
         {"$a[$b[l]] = $c[l]", "if ($a[l]) $b[$c[l]] = $d[l]"}},
        {{"-($a[$b[l]] != 0)", "$a[l] ? -($b[$c[l]] != 0) : $d[l]"},
         {"$a[$b[l]] = $c[l] != 0", "if ($a[l]) $b[$c[l]] = $d[l] != 0"}}};
    const char *v = vector(g, e, lanes), *i = fv_c_vtype(g, FV_I64, lanes),
               *m = masked ? fv_c_mask(g, lanes) : NULL, *memory = pointer(g, e, !stores),
               *value = stores || masked ? v : NULL;
    const char *name =
        fv_printf(g->arena, "%s_%s%s", stores ? "scatter" : "gather", v, masked ? "_if" : "");
    if (!fv_c_helper_new(g, name))
        return name;
    def d = {.name = name,
             .result = stores ? "void" : v,
             .param = {memory, i, value},
             .mode = stores ? DO_LANES : LANES,
             .lanes = lanes,
             .expr = exprs[e == FV_BOOL][stores][masked],
             .wide = any_wide(g, e, lanes) || too_wide(g, 8 * lanes)};
    if (masked) {
        d.param[0] = m;
        d.param[1] = memory;
        d.param[2] = i;
        d.param[3] = value;
    }
    put(g, &d);
    return name;
}

const char *fv_c_layer_gather(fv_cg *g, fv_elem e, int lanes) {
    return indexed(g, e, lanes, false, false);
}

const char *fv_c_layer_gather_if(fv_cg *g, fv_elem e, int lanes) {
    return indexed(g, e, lanes, false, true);
}

const char *fv_c_layer_scatter(fv_cg *g, fv_elem e, int lanes) {
    return indexed(g, e, lanes, true, false);
}

const char *fv_c_layer_scatter_if(fv_cg *g, fv_elem e, int lanes) {
    return indexed(g, e, lanes, true, true);
}
