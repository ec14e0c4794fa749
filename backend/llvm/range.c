/* range.c - which numbers an expression can have, so that conversions to integers need no
 * saturation where they cannot exceed the integers.
 *
 * Ranges follow from types, from literals and from the constants that all launches pass to a
 * kernel. Those of f32 are a little wider than computed, since sums and products are rounded. An
 * infinity or NaN is never in a range: an expression that may have one has no range. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "backend/llvm/emit.h"

/* constants with more elements than this are not read */
enum { MOST_ELEMENTS = 1 << 16 };
/* nothing is known of the constants of a kernel with more launches */
enum { MOST_LAUNCHES = 256 };
/* the depth, through values of lets, beyond which an expression has the range of its type: lets of
 * a kernel that is given as text may be a chain of any length, and the stack has an end */
enum { MOST_DEPTH = 256 };
/* the same of limits, which are not kept: a conversion looks for them again */
enum { MOST_LIMITS = 16 };

/* the least positive f32, which a smaller result of arithmetic may become */
#define DENORMAL 0x1p-149

static const fv_ll_range unknown = {0};

static double least(double a, double b) {
    return a < b ? a : b;
}
static double most(double a, double b) {
    return a > b ? a : b;
}

/* The range of all integers of a type of at most 32 bits. */
static fv_ll_range of_type(fv_elem e) {
    int64_t lo, hi;
    if (!fv_elem_is_int(e) || fv_elem_bits(e) > 32 || !fv_elem_range(e, &lo, &hi))
        return unknown;
    return (fv_ll_range){(double)lo, (double)hi, true, true};
}

/* [lo, hi] as a range of that type: rounded to f32; of integers, which wrap, all of the type if it
 * is exceeded. */
static fv_ll_range range(fv_elem e, double lo, double hi, bool whole) {
    if (e != FV_F32) {
        fv_ll_range all = of_type(e);
        return all.known && lo >= all.lo && hi <= all.hi ? (fv_ll_range){lo, hi, true, true} : all;
    }
    lo -= fabs(lo) * FLT_EPSILON + DENORMAL;
    hi += fabs(hi) * FLT_EPSILON + DENORMAL;
    return lo >= -FLT_MAX && hi <= FLT_MAX ? (fv_ll_range){lo, hi, true, whole} : unknown;
}

/* ---- constants ---- */

/* Extends *r by the element of a constant at `at`, in bytes; false: it is no number. */
static bool add_element(fv_ll_range *r, const fv_constant *c, fv_elem e, size_t at) {
    float x;
    int32_t i;
    memcpy(e == FV_F32 ? (void *)&x : (void *)&i, (const char *)fv_constant_data(c) + at, sizeof i);
    const double value = e == FV_F32 ? (double)x : (double)i;
    *r = r->known ? (fv_ll_range){least(r->lo, value), most(r->hi, value), true, r->whole}
                  : (fv_ll_range){value, value, true, true};
    r->whole &= value == rint(value);
    return isfinite(value);
}

/* The range of the elements of a constant, or of the one that `load` reads if its index is a
 * number. */
static fv_ll_range of_constant(const fv_program *p, const fv_buf *b, const fv_expr *load) {
    const fv_constant *c = b->role == FV_BUF_CONST ? &p->memory.constants[b->index] : NULL;
    const size_t size = sizeof(int32_t);
    fv_ll_range r = unknown;
    if (!c || p->memory.is_replaceable || !fv_constant_has_data(c) ||
        (b->elem != FV_F32 && b->elem != FV_I32) || c->bytes % size)
        return unknown;
    size_t at = 0, end = c->bytes;
    if (load->n == 1 && load->type.lanes == 1 && load->arg[0]->op == FV_X_CONST &&
        load->arg[0]->u.i >= 0 && (uint64_t)load->arg[0]->u.i < c->bytes / size) {
        at = (size_t)load->arg[0]->u.i * size;
        end = at + size;
    }
    if (end - at > MOST_ELEMENTS * size)
        return unknown;
    for (; at < end; at += size)
        if (!add_element(&r, c, b->elem, at))
            return unknown;
    return r;
}

static int count_launches(const fv_block *block, const fv_kernel *k, const fv_stmt **out) {
    int n = 0;
    for (const fv_stmt *s = block->first; s; s = s->next) {
        if (s->kind == FV_S_LAUNCH && s->call.kernel == k) {
            if (out)
                out[n] = s;
            n++;
        }
        n += count_launches(&s->body, k, out ? out + n : NULL);
        n += count_launches(&s->other, k, out ? out + n : NULL);
    }
    return n;
}

void fv_ll_find_launches(fv_ll_fn *f, const fv_kernel *k) {
    const fv_block *run = &f->m->program->host.body;
    fv_ll_known *known = &f->known;
    const int n = count_launches(run, k, NULL);
    if (n < 1 || n > MOST_LAUNCHES)
        return;
    known->launches = FV_NEW(f->m->arena, const fv_stmt *, n);
    known->ranges = FV_NEW(f->m->arena, fv_ptrmap, n);
    for (int i = 0; i < n; i++)
        known->ranges[i] = fv_ptrmap_in(f->m->arena);
    known->nlaunches = count_launches(run, k, known->launches);
}

static fv_ll_range of_load(const fv_ll_fn *f, int launch, const fv_expr *x) {
    const fv_stmt *s = f->known.nlaunches ? f->known.launches[launch] : NULL;
    fv_ll_range r = unknown;
    for (int i = 0; s && i < s->call.kernel->nbufs; i++)
        if (s->call.kernel->bufs[i] == x->u.buf)
            r = of_constant(f->m->program, s->call.args[i], x);
    return r.known ? r : of_type((fv_elem)x->u.buf->elem);
}

/* ---- expressions ---- */

static bool is_same(const fv_expr *x, const fv_expr *y) {
    if (x == y)
        return true;
    if (x->op != y->op || x->type.elem != y->type.elem)
        return false;
    return x->op == FV_X_SPLAT ? is_same(x->arg[0], y->arg[0])
                               : x->op == FV_X_VAR && x->u.var == y->u.var;
}

bool fv_ll_is_limit(const fv_expr *x, bool *max) {
    if (x->op != FV_X_SELECT || x->arg[0]->op != FV_X_LT)
        return false;
    const fv_expr *c = x->arg[0];
    *max = is_same(x->arg[1], c->arg[1]) && is_same(x->arg[2], c->arg[0]);
    return *max || (is_same(x->arg[1], c->arg[0]) && is_same(x->arg[2], c->arg[1]));
}

static fv_ll_range range_in(fv_ll_fn *f, int launch, const fv_expr *x);

static fv_ll_range of_limits(bool max, fv_ll_range a, fv_ll_range b) {
    if (!a.known || !b.known)
        return unknown;
    return (fv_ll_range){max ? most(a.lo, b.lo) : least(a.lo, b.lo),
                         max ? most(a.hi, b.hi) : least(a.hi, b.hi), true, a.whole && b.whole};
}

static fv_ll_range of_choice(fv_ll_fn *f, int launch, const fv_expr *x) {
    bool max;
    fv_ll_range a = range_in(f, launch, x->arg[1]), b = range_in(f, launch, x->arg[2]);
    if (!a.known || !b.known)
        return unknown;
    if (fv_ll_is_limit(x, &max))
        return of_limits(max, a, b);
    return (fv_ll_range){least(a.lo, b.lo), most(a.hi, b.hi), true, a.whole && b.whole};
}

/* The range of a * b, exactly. */
static fv_ll_range product(fv_ll_range a, fv_ll_range b) {
    double x[] = {a.lo * b.lo, a.lo * b.hi, a.hi * b.lo, a.hi * b.hi};
    return (fv_ll_range){least(least(x[0], x[1]), least(x[2], x[3])),
                         most(most(x[0], x[1]), most(x[2], x[3])), true, a.whole && b.whole};
}

static fv_ll_range of_arithmetic(fv_ll_fn *f, int launch, const fv_expr *x) {
    const fv_elem e = (fv_elem)x->type.elem;
    fv_ll_range r[3];
    for (int i = 0; i < x->n; i++) {
        r[i] = range_in(f, launch, x->arg[i]);
        if (!r[i].known)
            return of_type(e);
    }
    const bool whole = r[0].whole && r[1].whole;
    if (x->op == FV_X_SUB)
        return range(e, r[0].lo - r[1].hi, r[0].hi - r[1].lo, whole);
    fv_ll_range a = x->op == FV_X_ADD ? r[0] : product(r[0], r[1]);
    if (x->op == FV_X_MUL)
        return range(e, a.lo, a.hi, whole);
    fv_ll_range b = x->op == FV_X_ADD ? r[1] : r[2];
    return range(e, a.lo + b.lo, a.hi + b.hi, whole && b.whole);
}

static fv_ll_range of_conversion(fv_ll_fn *f, int launch, const fv_expr *x) {
    const fv_elem to = (fv_elem)x->type.elem, from = (fv_elem)x->arg[0]->type.elem;
    fv_ll_range r = range_in(f, launch, x->arg[0]);
    if (!r.known || (to != FV_F32 && !fv_elem_is_int(to)))
        return of_type(to);
    if (from == FV_F32 && to != FV_F32)
        r = (fv_ll_range){trunc(r.lo), trunc(r.hi), true, true};
    return range(to, r.lo, r.hi, r.whole);
}

static fv_ll_range of_variable(fv_ll_fn *f, int launch, const fv_expr *x) {
    const fv_expr *value = fv_ptrmap_get(&f->known.lets, x->u.var);
    return value ? range_in(f, launch, value) : of_type((fv_elem)x->type.elem);
}

static fv_ll_range find(fv_ll_fn *f, int launch, const fv_expr *x) {
    const fv_elem e = (fv_elem)x->type.elem;
    fv_ll_range r;
    switch (x->op) {
    case FV_X_CONST:
        return e == FV_F32 && isfinite(x->u.f)
                   ? (fv_ll_range){x->u.f, x->u.f, true, x->u.f == rint(x->u.f)}
               : of_type(e).known ? (fv_ll_range){(double)x->u.i, (double)x->u.i, true, true}
                                  : unknown;
    case FV_X_VAR: return of_variable(f, launch, x);
    case FV_X_LOAD: return of_load(f, launch, x);
    case FV_X_SPLAT: return range_in(f, launch, x->arg[0]);
    case FV_X_CONVERT: return of_conversion(f, launch, x);
    case FV_X_SELECT: return of_choice(f, launch, x);
    case FV_X_ADD:
    case FV_X_SUB:
    case FV_X_MUL:
    case FV_X_FMA: return of_arithmetic(f, launch, x);
    case FV_X_MIN:
    case FV_X_MAX:
        return of_limits(x->op == FV_X_MAX, range_in(f, launch, x->arg[0]),
                         range_in(f, launch, x->arg[1]));
    case FV_X_RINT:
        r = range_in(f, launch, x->arg[0]);
        return (fv_ll_range){rint(r.lo), rint(r.hi), r.known, r.known};
    default: return of_type(e);
    }
}

/* The range of x where that launch has called the kernel. */
static fv_ll_range range_in(fv_ll_fn *f, int launch, const fv_expr *x) {
    fv_ptrmap *ranges = f->known.nlaunches ? &f->known.ranges[launch] : &f->known.any;
    fv_ll_range *r = fv_ptrmap_get(ranges, x);
    if (r)
        return *r;
    if (f->known.depth == MOST_DEPTH)
        return of_type((fv_elem)x->type.elem);
    r = FV_NEW(f->m->arena, fv_ll_range, 1);
    f->known.depth++;
    *r = find(f, launch, x);
    f->known.depth--;
    *fv_ptrmap_at(ranges, x) = r;
    return *r;
}

fv_ll_range fv_ll_range_of(fv_ll_fn *f, const fv_expr *x) {
    fv_ll_range all = range_in(f, 0, x);
    for (int i = 1; i < f->known.nlaunches && all.known; i++) {
        fv_ll_range r = range_in(f, i, x);
        all = (fv_ll_range){least(all.lo, r.lo), most(all.hi, r.hi), r.known, all.whole && r.whole};
    }
    return all;
}

static fv_ll_range limits_in(fv_ll_fn *f, int launch, const fv_expr *x, int steps);

/* The limits of a * b or a * b + c, if the operands have limits, so that the result is NaN only
 * where one of them is. */
static fv_ll_range limits_of_products(fv_ll_fn *f, int launch, const fv_expr *x, int steps) {
    fv_ll_range r[3] = {0};
    for (int i = 0; i < x->n; i++) {
        r[i] = limits_in(f, launch, x->arg[i], steps);
        if (!isfinite(r[i].hi - r[i].lo))
            return (fv_ll_range){-INFINITY, INFINITY, false, false};
    }
    const fv_ll_range p = product(r[0], r[1]),
                      all = range(FV_F32, p.lo + r[2].lo, p.hi + r[2].hi, false);
    return all.known ? (fv_ll_range){all.lo, all.hi, false, false}
                     : (fv_ll_range){-INFINITY, INFINITY, false, false};
}

/* The limits of x where it is not NaN, found in that many steps; an infinity means that there is
 * none. A minimum of a value with a range and of any other value has an upper limit, a maximum a
 * lower one. A selection of two values without ranges has none: where one of them is NaN, it may be
 * the other one. */
static fv_ll_range limits_in(fv_ll_fn *f, int launch, const fv_expr *x, int steps) {
    const fv_ll_range none = {-INFINITY, INFINITY, false, false};
    const fv_ll_range all = range_in(f, launch, x);
    if (all.known || !steps)
        return all.known ? all : none;
    const fv_expr *value = x->op == FV_X_VAR ? fv_ptrmap_get(&f->known.lets, x->u.var) : NULL;
    bool max = x->op == FV_X_MAX;
    fv_ll_range r = none;
    if (value || x->op == FV_X_SPLAT)
        r = limits_in(f, launch, value ? value : x->arg[0], steps - 1);
    else if (x->op == FV_X_RINT) {
        r = limits_in(f, launch, x->arg[0], steps - 1);
        r = (fv_ll_range){rint(r.lo), rint(r.hi), false, false};
    } else if (x->type.elem == FV_F32 && (x->op == FV_X_MUL || x->op == FV_X_FMA))
        r = limits_of_products(f, launch, x, steps > 4 ? steps - 4 : 0); /* three operands each */
    else if (max || x->op == FV_X_MIN || fv_ll_is_limit(x, &max)) {
        const fv_expr *a = x->arg[x->n - 2], *b = x->arg[x->n - 1];
        const fv_ll_range of_a = range_in(f, launch, a),
                          known = of_a.known ? of_a : range_in(f, launch, b);
        if (known.known) {
            r = limits_in(f, launch, of_a.known ? b : a, steps - 1);
            r = max ? (fv_ll_range){known.lo, most(known.hi, r.hi), false, false}
                    : (fv_ll_range){least(known.lo, r.lo), known.hi, false, false};
        }
    }
    return r;
}

fv_ll_range fv_ll_limits_of(fv_ll_fn *f, const fv_expr *x) {
    fv_ll_range all = limits_in(f, 0, x, MOST_LIMITS);
    for (int i = 1; i < f->known.nlaunches && isfinite(all.hi - all.lo); i++) {
        fv_ll_range r = limits_in(f, i, x, MOST_LIMITS);
        all = (fv_ll_range){least(all.lo, r.lo), most(all.hi, r.hi), false, false};
    }
    all.known = isfinite(all.hi - all.lo);
    return all;
}

/* ---- rounding ---- */

/* The instruction of x86 that converts that many lanes of f32 to the nearest integers; NULL: there
 * is none. */
static const char *instruction(const fv_ll_fn *f, int lanes) {
    const int bits = f->m->target->vector_bits;
    if (f->m->machine.isa != FV_ISA_X86 || 32 * lanes > bits)
        return NULL;
    return lanes == 16  ? "llvm.x86.avx512.mask.cvtps2dq.512"
           : lanes == 8 ? "llvm.x86.avx.cvt.ps2dq.256"
           : lanes == 4 ? "llvm.x86.sse2.cvtps2dq"
                        : NULL;
}

void fv_ll_note_rounded(fv_ll_fn *f, LLVMValueRef rounded, LLVMValueRef v) {
    if (instruction(f, fv_ll_lanes_of(v)))
        *fv_ptrmap_at(&f->known.unrounded, rounded) = v;
}

LLVMValueRef fv_ll_unrounded(const fv_ll_fn *f, LLVMValueRef v) {
    return fv_ptrmap_get(&f->known.unrounded, v);
}

void fv_ll_note_limit(fv_ll_fn *f, const fv_expr *x, LLVMValueRef limited, LLVMValueRef a,
                      LLVMValueRef b) {
    bool max;
    LLVMValueRef u = fv_ll_unrounded(f, a), v = fv_ll_unrounded(f, b);
    if (!u == !v || !fv_ll_is_limit(x, &max) || !fv_ll_range_of(f, x->arg[u ? 2 : 1]).whole)
        return;
    u = u ? u : a;
    v = v ? v : b;
    LLVMValueRef c = max ? LLVMBuildFCmp(f->b, LLVMRealOLT, v, u, "")
                         : LLVMBuildFCmp(f->b, LLVMRealOLT, u, v, "");
    fv_ll_note_rounded(f, limited, LLVMBuildSelect(f->b, c, u, v, ""));
}

LLVMValueRef fv_ll_nearest(fv_ll_fn *f, LLVMValueRef v) {
    const int lanes = fv_ll_lanes_of(v);
    const char *name = instruction(f, lanes);
    LLVMTypeRef ints = fv_ll_lanes(f->m->types.i32, lanes);
    LLVMTypeRef mask = LLVMIntTypeInContext(f->m->context, (unsigned)lanes);
    enum { AS_SET = 4 }; /* the rounding of the control register, which is to nearest */
    LLVMValueRef args[] = {v, LLVMGetUndef(ints), LLVMConstAllOnes(mask),
                           LLVMConstInt(f->m->types.i32, AS_SET, 0)};
    return fv_ll_intrinsic(f, name, 0, NULL, lanes == 16 ? 4 : 1, args);
}
