/* expr.h - expressions over buffers, for kernels, host programs, definitions and formulas. The
 * interpreter defines their meaning. */
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

/* An element type and a number of lanes (1: scalar). Values of storage types (f16, f8, packed
 * integers, ...) can only be loaded, stored, selected, converted, bit-cast, and moved between
 * lanes: a register holds their bits as an unsigned integer of that width; a packed type takes one
 * byte per element, in its low bits, because the memory within a program is unpacked. */
typedef struct fv_ktype {
    uint8_t elem; /* an fv_elem */
    uint8_t lanes;
} fv_ktype;
static inline fv_ktype fv_kt(fv_elem e, int lanes) {
    return (fv_ktype){(uint8_t)e, (uint8_t)lanes};
}
/* number of bytes of one element in a buffer: 1 for i4 and bool */
int fv_elem_storage_bytes(fv_elem e);
/* Is e a type without arithmetic: f16, bf16, f8, f4, packed integers? */
bool fv_elem_is_storage(fv_elem e) FV_MUST_USE;
/* The unsigned type of the same width, which holds its bits: u16 for f16, u8 for i4. */
fv_elem fv_elem_bits_elem(fv_elem e);

typedef struct fv_expr fv_expr;
typedef struct fv_buf fv_buf;

/* An immutable value with a name: a let, which may be a vector, a loop variable, a dim of a kernel,
 * or an index or reduction variable of a definition. */
typedef struct fv_var {
    const char *name;
    fv_ktype type;
    /* number of the variable, unique within a kernel or program after numbering
     * (fv_kernel_number) */
    int id;
    int64_t lo, hi; /* bounds of an i64 variable; INT64_MIN, INT64_MAX: unbounded */
    /* for a dim of a kernel that dim; for an index or reduction variable its extent; otherwise
     * NULL */
    const fv_dim *dim;
} fv_var;

typedef enum { FV_SUM, FV_PROD, FV_REDUCE_MIN, FV_REDUCE_MAX, FV_ANY, FV_ALL } fv_reduce_kind;

enum { FV_CHAINS = 16, FV_PART = 512, FV_TILE_WORDS = 16 };
/* The order in which the terms of a reduction are added, which decides the bits of the result. */
typedef enum fv_order {
    FV_ORDER_OPEN, /* the order is not decided yet, or irrelevant (see fv_x_is_ordered) */
    /* one chain of additions in ascending order; the last variable varies fastest */
    FV_ORDER_CHAIN,
    /* 16 chains: the last `along` variables together count the terms of a row, of which term i is
     * added to chain i mod 16; the other variables count rows. At the end chains c and c + 8 are
     * added, then c + 4, c + 2, c + 1 */
    FV_ORDER_CHAINS,
    /* the terms in the order of CHAIN are divided into parts of 512 terms; each part is one chain,
     * and the results of the parts are added in order */
    FV_ORDER_PARTS,
    /* products of bf16, an even number, in the order of CHAIN: DOT_BF16 adds terms 2q and 2q + 1 */
    FV_ORDER_PAIRS,
    /* such products in blocks of 16 words of two terms, the last of which may be shorter: in each
     * block, DOT_BF16_EVEN adds the first terms of words and DOT_BF16_ODD the second ones, each in
     * a chain that begins with 0; ADD_FLUSHED adds both chains, and then adds the block to the sum
     * of the blocks before it, which begins with 0 */
    FV_ORDER_TILES
} fv_order;

struct fv_expr {
    uint16_t op; /* an fv_expr_op */
    fv_ktype type;
    uint8_t n;     /* number of arguments */
    uint8_t has;   /* properties of the expression and all its subexpressions, as bits FV_HAS_ */
    uint16_t size; /* number of nodes of the expression as a tree, at most FV_X_MOST */
    /* hashes (fv_var_bit) of the variables that occur in the expression, and of those that its
     * reductions bind */
    uint32_t vars, binds;
    union {
        /* CONST of integers and bool: the value (a u64 by its bits); EVEN, ODD: number of lanes of
         * a block */
        int64_t i;
        double f;    /* CONST of f32 and f64: the value; f32 constants are represented exactly */
        fv_var *var; /* VAR */
        /* LOAD, GUARD: the buffer; its `rank` indices are the arguments, for GUARD followed by the
         * condition and the alternative */
        fv_buf *buf;
        const fv_dim *dim; /* DIM */
        struct {           /* REDUCE: arg[0] is the body */
            fv_var **vars; /* the variables of the reduction; their extents are in var->dim */
            uint8_t nvars, kind;
            uint8_t order; /* an fv_order */
            /* FV_ORDER_CHAINS: how many of the last variables count the terms of a row */
            uint8_t along;
            /* while a definition is rewritten: number of the reduction of that definition from
             * which this one was made; otherwise 0 */
            uint16_t label;
        } red;
    } u;
    fv_expr *arg[];
};

enum { FV_X_MOST = UINT16_MAX };

/* Properties of an expression: it reads memory (LOAD, GUARD), checks a condition (REQUIRE),
 * contains a reduction, calls elementary functions (fv_expr_op_is_math), uses vectors. */
enum { FV_HAS_LOAD = 1, FV_HAS_REQUIRE = 2, FV_HAS_REDUCE = 4, FV_HAS_MATH = 8, FV_HAS_LANES = 16 };
/* Does x have all properties in `what`, a set of FV_HAS_ bits? */
static inline bool fv_x_has(const fv_expr *x, int what) {
    return (x->has & what) == what;
}

/* The type of the result of an operation, and its flags: expr.def. */
enum { FV_XR_SAME, FV_XR_BOOL, FV_XR_GIVEN };
enum { FV_XF_COMMUTES = 1, FV_XF_FLOATS = 2, FV_XF_INTS = 4, FV_XF_MATH = 8, FV_XF_DEF = 16 };
typedef struct fv_expr_info {
    const char *id;   /* name of the operation, such as "ADD" */
    int nargs;        /* number of arguments; -1: variable */
    uint8_t result;   /* FV_XR_ */
    uint8_t flags;    /* FV_XF_ */
    const char *text; /* notation, such as "+" or "min" */
    const char *doc;
} fv_expr_info;
const fv_expr_info *fv_expr_op_info(fv_expr_op op);
const char *fv_expr_op_text(fv_expr_op op);
bool fv_expr_op_is_math(fv_expr_op op) FV_MUST_USE;
/* May the arguments of this arithmetic operation have type e? */
bool fv_x_allows(fv_expr_op op, fv_elem e) FV_MUST_USE;
bool fv_x_can_cast(fv_expr_op op, fv_ktype from, fv_elem to) FV_MUST_USE;
/* Is op one of the sums of products DOT_U8_I8 to DOT_BF16_ODD? */
static inline bool fv_expr_op_is_dot(fv_expr_op op) {
    return op >= FV_X_DOT_U8_I8 && op <= FV_X_DOT_BF16_ODD;
}
/* Do C and LLVM express op by no operation of their own, but only by an instruction of the target's
 * table? Where the table has none, op is expanded. */
static inline bool fv_expr_op_is_instruction(fv_expr_op op) {
    return fv_expr_op_is_dot(op) || op == FV_X_ADD_FLUSHED || op == FV_X_SCALEB;
}
/* Is it a sum of products of 16 bytes, DOT16_I8_I8 or DOT16_U8_U8? */
static inline bool fv_expr_op_is_dot16(fv_expr_op op) {
    return op == FV_X_DOT16_I8_I8 || op == FV_X_DOT16_U8_U8;
}
enum { FV_DOT16 = 16 }; /* the number of products of a DOT16_ operation */
/* The type of the bytes that the DOT16_ operation multiplies. */
static inline fv_elem fv_dot16_elem(fv_expr_op op) {
    return op == FV_X_DOT16_I8_I8 ? FV_I8 : FV_U8;
}

/* Constructors of nodes. They assert that types fit, and simplify integer expressions (x + 0, x *
 * 1, constants); floats are not simplified, except as ir/expr/fold.h says; a select or guard whose
 * condition is constant becomes the alternative that it chooses. If one operand is a vector, a
 * scalar operand is copied to all lanes. == and != of bools become ^ and !. */
fv_expr *fv_x_int(fv_arena *a, int64_t value); /* a constant of type i64 */
/* a constant of an integer type or bool */
fv_expr *fv_x_const_int(fv_arena *a, fv_elem e, int64_t v);
/* a constant of any arithmetic type; for an integer type, infinity is its largest value and
 * -infinity its smallest */
fv_expr *fv_x_const(fv_arena *a, fv_elem e, double value);
/* the value of any type whose bits are all zero: a constant, or a bit cast of one for a storage
 * type */
fv_expr *fv_x_zero(fv_arena *a, fv_elem e);
fv_expr *fv_x_var(fv_arena *a, fv_var *v);
/* the dim as an expression; a CONST if d is constant */
fv_expr *fv_x_dim(fv_arena *a, const fv_dim *d);
fv_expr *fv_x_un(fv_arena *a, fv_expr_op op, fv_expr *x);
fv_expr *fv_x_bin(fv_arena *a, fv_expr_op op, fv_expr *x, fv_expr *y);
fv_expr *fv_x_fma(fv_arena *a, fv_expr *x, fv_expr *y, fv_expr *z);
/* op must be DOT_U8_I8, DOT_I8_I8, DOT_U8_U8, DOT_U8_I8_SAT, DOT_I16_I16, DOT_I16_I8_EVEN,
 * DOT_I16_I8_ODD, DOT_BF16, DOT_BF16_EVEN or DOT_BF16_ODD */
fv_expr *fv_x_dot(fv_arena *a, fv_expr_op op, fv_expr *x, fv_expr *y, fv_expr *z);
/* op must be DOT16_I8_I8 or DOT16_U8_U8; x and y: loads of FV_DOT16 elements of fv_dot16_elem(op);
 * z: an i32, the sum so far */
fv_expr *fv_x_dot16(fv_arena *a, fv_expr_op op, fv_expr *x, fv_expr *y, fv_expr *z);
fv_expr *fv_x_select(fv_arena *a, fv_expr *c, fv_expr *x, fv_expr *y);
/* x converted to type e; x itself if it has that type */
fv_expr *fv_x_convert(fv_arena *a, fv_elem e, fv_expr *x);
/* op must be CONVERT, CONVSAT or BITCAST */
fv_expr *fv_x_cast(fv_arena *a, fv_expr_op op, fv_elem e, fv_expr *x);
fv_expr *fv_x_load(fv_arena *a, fv_buf *b, fv_expr *const *index);
fv_expr *fv_x_guard(fv_arena *a, fv_buf *b, fv_expr *const *index, fv_expr *c, fv_expr *otherwise);
/* A load of `lanes` consecutive elements along the last axis, beginning at the given scalar
 * indices. */
fv_expr *fv_x_load_n(fv_arena *a, fv_buf *b, fv_expr *const *index, int lanes);
fv_expr *fv_x_guard_n(fv_arena *a, fv_buf *b, fv_expr *const *index, fv_expr *c, fv_expr *otherwise,
                      int lanes);
fv_expr *fv_x_splat(fv_arena *a, int lanes, fv_expr *x);
fv_expr *fv_x_ramp(fv_arena *a, int lanes, fv_expr *x);
/* op is EVEN or ODD */
fv_expr *fv_x_blocks(fv_arena *a, fv_expr_op op, int64_t block, fv_expr *x, fv_expr *y);
fv_expr *fv_x_reduce(fv_arena *a, fv_reduce_kind kind, int n, fv_var *const *vars, fv_expr *body);
/* A reduction of the same kind and order as x with other variables and another body. */
fv_expr *fv_x_reduce_like(fv_arena *a, const fv_expr *x, int n, fv_var *const *vars, fv_expr *body);
/* The reduction x with that order of its terms. */
fv_expr *fv_x_reduce_in(fv_arena *a, const fv_expr *x, fv_order order, int along);
/* The reduction x with that label, which rewriting preserves. */
fv_expr *fv_x_reduce_labelled(fv_arena *a, const fv_expr *x, int label);
/* Do the bits of the result depend on the order of terms: is it a sum or product of floats? */
bool fv_x_is_ordered(const fv_expr *x) FV_MUST_USE;
/* Is x a sum of products of bf16 whose terms are added in words of two, PAIRS or TILES? */
static inline bool fv_x_adds_words(const fv_expr *x) {
    return x->op == FV_X_REDUCE &&
           (x->u.red.order == FV_ORDER_PAIRS || x->u.red.order == FV_ORDER_TILES);
}
/* Is the order of the reduction x one chain, or undecided? */
bool fv_x_is_one_chain(const fv_expr *x) FV_MUST_USE;
/* The node x with other arguments; x itself if none differs. */
fv_expr *fv_x_with_args(fv_arena *a, const fv_expr *x, fv_expr *const *args);
/* Are the expressions equal in structure? Buffers and variables are compared by identity. */
bool fv_x_equal(const fv_expr *a, const fv_expr *b) FV_MUST_USE;
static inline bool fv_x_has_load(const fv_expr *x) {
    return fv_x_has(x, FV_HAS_LOAD);
}
/* Does the variable occur free in x? */
bool fv_x_uses(const fv_expr *x, const fv_var *v) FV_MUST_USE;
/* Is x an i64 constant? If so, sets *value. */
bool fv_x_is_int(const fv_expr *x, int64_t *value) FV_MUST_USE;
/* The value of an i64 constant, such as the extent of a tile; asserts that x is one. */
int64_t fv_x_int_value(const fv_expr *x);

/* ---- buffers ---- */

typedef enum {
    FV_BUF_IN,    /* kernel parameter that is only read */
    FV_BUF_OUT,   /* kernel parameter that is only written */
    FV_BUF_INOUT, /* kernel parameter that is read and written in place */
    /* small array within a kernel, with constant extents; with rank 0 it is a scalar variable */
    FV_BUF_TILE,
    FV_BUF_INPUT,
    FV_BUF_OUTPUT,
    FV_BUF_CONST,
    FV_BUF_WORK,
    FV_BUF_HEAP /* memory that is allocated during the run of a host program */
} fv_buf_role;

/* For dumps: other values that are stored in the memory of a buffer. */
typedef struct fv_buf_sharing {
    const char **over; /* values whose memory the buffer reuses, the latest first */
    /* values that are stored in parts of the buffer, such as operands of a Concat */
    const char **parts;
    int nover, nparts;
} fv_buf_sharing;

struct fv_buf {
    const char *name;
    fv_elem elem;
    uint8_t lanes; /* number of lanes of each element; above 1 only for tiles after expansion */
    uint8_t role;
    int rank;
    /* `rank` extents of type i64, expressions over dims and constants. The run of a program does
     * not read those of its buffers, except tiles; the verifier, the interface in C and reports do.
     * An extent that is known only at run time is NULL */
    fv_expr **extent;
    /* index among the kernel's parameters, or among the program's buffers; tiles have the numbers
     * after the parameters once the kernel is numbered */
    int id;
    /* members for host programs: */
    int index; /* INPUT, OUTPUT, CONST: number of the input, output or constant */
    /* INPUT: 1 + the number of the output that is stored in the same memory and has the same
     * extents except along the axis `along`; 0: there is none */
    int output;
    int along;
    fv_expr *offset; /* WORK: offset in the workspace in bytes, over variables of the plan */
    fv_expr *bytes;  /* WORK, HEAP: size in bytes */
    fv_buf_sharing sharing;
    const void *value; /* during lowering: the graph value of the buffer; consumers ignore it */
};

#endif
