/* expr.h - expressions over buffers: of kernels and host programs, of definitions and formulas. The
 * interpreter is their meaning. */
#ifndef FV_IR_EXPR_EXPR_H
#define FV_IR_EXPR_EXPR_H

#include "ir/base/ptrmap.h"
#include "ir/type/type.h"

typedef enum fv_expr_op {
#define EXPR(id, nargs, result, flags, text, doc) FV_X_##id,
#include "ir/expr/expr.def"
#undef EXPR
    FV_X_END
} fv_expr_op;

/* An element type and a number of lanes (1: scalar). Storage types (f16, f8, packed ints, ...) are
 * values too, but only load, store, select, convert and bit casts take them: their bits lie in an
 * unsigned integer of that width (packed types: one byte an element, in the low bits; memory inside
 * a program is unpacked). */
typedef struct fv_ktype {
    uint8_t elem; /* fv_elem */
    uint8_t lanes;
} fv_ktype;
static inline fv_ktype fv_kt(fv_elem e, int lanes) {
    return (fv_ktype){(uint8_t)e, (uint8_t)lanes};
}
int fv_elem_storage_bytes(fv_elem e); /* of one element in a buffer: 1 for i4, bool */
/* no arithmetic on it: f16, bf16, f8, f4, packed integers */
bool fv_elem_is_storage(fv_elem e) FV_MUST_USE;
/* the unsigned type that its bits lie in: u16 for f16, u8 for i4 */
fv_elem fv_elem_bits_elem(fv_elem e);

typedef struct fv_expr fv_expr;
typedef struct fv_buf fv_buf;

/* A named immutable integer or value: a let, a loop variable, a dim of a kernel, an index of a
 * definition. */
typedef struct fv_var {
    const char *name;
    fv_ktype type;
    /* unique within a kernel or program once it is numbered (fv_kernel_number) */
    int id;
    int64_t lo, hi;    /* bounds known of an i64; INT64_MIN, INT64_MAX: none */
    const fv_dim *dim; /* of a dim variable, or the extent of an index variable; else NULL */
} fv_var;

typedef enum { FV_SUM, FV_PROD, FV_REDUCE_MIN, FV_REDUCE_MAX, FV_ANY, FV_ALL } fv_reduce_kind;

enum { FV_CHAINS = 16, FV_PART = 512 };
/* In which order the terms of a reduction are taken: what decides its bits. */
typedef enum fv_order {
    FV_ORDER_OPEN,  /* nothing is decided; or it is the same in any (fv_x_is_ordered) */
    FV_ORDER_CHAIN, /* one chain, the last variable fastest, ascending */
    /* 16 chains along the last `along` variables together: term i of a row goes to chain i mod 16,
     * the rows are those of the other variables; then chains c and c + 8, c + 4, c + 2, c + 1 are
     * added */
    FV_ORDER_CHAINS,
    /* terms in the order of CHAIN, 512 after the other a chain each; then the parts are added, in
     * one chain */
    FV_ORDER_PARTS
} fv_order;

struct fv_expr {
    uint16_t op; /* fv_expr_op */
    fv_ktype type;
    uint8_t n;     /* arguments */
    uint8_t has;   /* FV_HAS_: what is in it, itself and below */
    uint16_t size; /* nodes of its tree, at most FV_X_MOST */
    /* bits of the variables that occur in it, and of those that reductions in it bind */
    uint32_t vars, binds;
    union {
        /* CONST of integers and bool (u64 by its bits); EVEN, ODD: lanes of a block */
        int64_t i;
        double f;          /* CONST of f32 and f64; f32 constants are exact floats */
        fv_var *var;       /* VAR */
        fv_buf *buf;       /* LOAD, GUARD: arguments are rank indices, then (GUARD) cond and else */
        const fv_dim *dim; /* DIM */
        struct {           /* REDUCE: arg[0] is the body */
            fv_var **vars; /* extents are in var->dim */
            uint8_t nvars, kind;
            uint8_t order; /* fv_order */
            uint8_t along; /* FV_ORDER_CHAINS: how many of the last variables */
            /* which reduction of a definition it comes from, while one that is rewritten is looked
             * at; else 0 */
            uint16_t label;
        } red;
    } u;
    fv_expr *arg[];
};

enum { FV_X_MOST = UINT16_MAX };

/* What an expression has: it reads memory (LOAD, GUARD), checks (REQUIRE), reduces, has elementary
 * functions (fv_expr_op_is_math), vectors. */
enum { FV_HAS_LOAD = 1, FV_HAS_REQUIRE = 2, FV_HAS_REDUCE = 4, FV_HAS_MATH = 8, FV_HAS_LANES = 16 };
/* Has it all of these? */
static inline bool fv_x_has(const fv_expr *x, int what) {
    return (x->has & what) == what;
}

enum { FV_XR_SAME, FV_XR_BOOL, FV_XR_GIVEN };
enum { FV_XF_COMMUTES = 1, FV_XF_FLOATS = 2, FV_XF_INTS = 4, FV_XF_MATH = 8, FV_XF_DEF = 16 };
typedef struct fv_expr_info {
    const char *id;   /* "ADD" */
    int nargs;        /* -1: it depends */
    uint8_t result;   /* FV_XR_ */
    uint8_t flags;    /* FV_XF_ */
    const char *text; /* "+", "min" */
    const char *doc;
} fv_expr_info;
const fv_expr_info *fv_expr_op_info(fv_expr_op op);
const char *fv_expr_op_text(fv_expr_op op);
bool fv_expr_op_is_math(fv_expr_op op) FV_MUST_USE;
/* may the arguments of this arithmetic be of that type? */
bool fv_x_allows(fv_expr_op op, fv_elem e) FV_MUST_USE;
bool fv_x_can_cast(fv_expr_op op, fv_elem from, fv_elem to) FV_MUST_USE;

/* Constructors. They check types with assert, and fold integer identities (x + 0, x * 1,
 * constants); floats are never folded. A scalar beside a vector is splat. == and != of bools become
 * ^ and !. */
fv_expr *fv_x_int(fv_arena *a, int64_t value);              /* i64 */
fv_expr *fv_x_const_int(fv_arena *a, fv_elem e, int64_t v); /* of integer type or bool */
fv_expr *fv_x_const(fv_arena *a, fv_elem e, double value);  /* of any arithmetic type; inf
                                                                of an integer: its largest value */
fv_expr *fv_x_zero(fv_arena *a, fv_elem e);                 /* zero bits, of any type */
fv_expr *fv_x_var(fv_arena *a, fv_var *v);
fv_expr *fv_x_dim(fv_arena *a, const fv_dim *d); /* CONST where it is one */
fv_expr *fv_x_un(fv_arena *a, fv_expr_op op, fv_expr *x);
fv_expr *fv_x_bin(fv_arena *a, fv_expr_op op, fv_expr *x, fv_expr *y);
fv_expr *fv_x_fma(fv_arena *a, fv_expr *x, fv_expr *y, fv_expr *z);
fv_expr *fv_x_select(fv_arena *a, fv_expr *c, fv_expr *x, fv_expr *y);
fv_expr *fv_x_convert(fv_arena *a, fv_elem e, fv_expr *x); /* x itself where the type is equal */
/* CONVERT, CONVSAT, BITCAST */
fv_expr *fv_x_cast(fv_arena *a, fv_expr_op op, fv_elem e, fv_expr *x);
fv_expr *fv_x_load(fv_arena *a, fv_buf *b, fv_expr *const *index);
fv_expr *fv_x_guard(fv_arena *a, fv_buf *b, fv_expr *const *index, fv_expr *c, fv_expr *otherwise);
/* `lanes` consecutive elements from scalar indices on, along the last one. */
fv_expr *fv_x_load_n(fv_arena *a, fv_buf *b, fv_expr *const *index, int lanes);
fv_expr *fv_x_guard_n(fv_arena *a, fv_buf *b, fv_expr *const *index, fv_expr *c, fv_expr *otherwise,
                      int lanes);
fv_expr *fv_x_splat(fv_arena *a, int lanes, fv_expr *x);
fv_expr *fv_x_ramp(fv_arena *a, int lanes, fv_expr *x);
/* EVEN, ODD */
fv_expr *fv_x_blocks(fv_arena *a, fv_expr_op op, int64_t block, fv_expr *x, fv_expr *y);
fv_expr *fv_x_reduce(fv_arena *a, fv_reduce_kind kind, int n, fv_var *const *vars, fv_expr *body);
/* The reduction with other variables and another body, of its kind and order. */
fv_expr *fv_x_reduce_like(fv_arena *a, const fv_expr *x, int n, fv_var *const *vars, fv_expr *body);
fv_expr *fv_x_reduce_in(fv_arena *a, const fv_expr *x, fv_order order, int along);
/* with other arguments and rewritten, it keeps it */
fv_expr *fv_x_reduce_labelled(fv_arena *a, const fv_expr *x, int label);
/* Is it a reduction whose order shows in its bits: a sum or product of floats? */
bool fv_x_is_ordered(const fv_expr *x) FV_MUST_USE;
/* Is that reduction one chain, or may it be? */
bool fv_x_is_one_chain(const fv_expr *x) FV_MUST_USE;
/* A node like x with other arguments (x itself if none differs). */
fv_expr *fv_x_with_args(fv_arena *a, const fv_expr *x, fv_expr *const *args);
/* The same expression by structure; buffers and variables by identity. */
bool fv_x_equal(const fv_expr *a, const fv_expr *b) FV_MUST_USE;
static inline bool fv_x_has_load(const fv_expr *x) {
    return fv_x_has(x, FV_HAS_LOAD);
}
/* Does the variable occur free in x? */
bool fv_x_uses(const fv_expr *x, const fv_var *v) FV_MUST_USE;
/* Is it an i64 constant? */
bool fv_x_is_int(const fv_expr *x, int64_t *value) FV_MUST_USE;
/* The value of what is one: of the extent of a tile (assert). */
int64_t fv_x_int_value(const fv_expr *x);

/* ---- buffers ---- */

typedef enum {
    FV_BUF_IN,    /* kernel parameter, only read */
    FV_BUF_OUT,   /* kernel parameter, only written */
    FV_BUF_INOUT, /* kernel parameter, read and written: in place */
    FV_BUF_TILE,  /* local to a kernel; constant extents; a scalar variable where rank is 0 */
    FV_BUF_INPUT,
    FV_BUF_OUTPUT,
    FV_BUF_CONST,
    FV_BUF_WORK,
    FV_BUF_HEAP /* of a host program */
} fv_buf_role;

struct fv_buf {
    const char *name;
    fv_elem elem;
    uint8_t lanes; /* of each element: tiles after expansion; else 1 */
    uint8_t role;
    int rank;
    /* rank of them, i64, over dims and constants; in programs for people only, and NULL where it
     * becomes known in the run */
    fv_expr **extent;
    /* position among the kernel's parameters, or in the program's buffers; tiles follow the
     * parameters once the kernel is numbered */
    int id;
    /* host programs: */
    int index; /* INPUT, OUTPUT, CONST: which one */
    /* INPUT: 1 + the output that lies in it too, which is the same along all axes but `along`; 0:
     * none */
    int output;
    int along;
    fv_expr *offset; /* WORK: in bytes, over variables of the plan */
    fv_expr *bytes;  /* WORK, HEAP: size */
    /* for people: values whose memory it took over when they died, the last one first; */
    int nover, nparts;
    const char **over, **parts; /* ... and values that are parts of it, as those of a Concat */
    const void *value; /* what it stands for while lowering (a graph value); consumers ignore it */
};

#endif
