/* internal.h - what the files of the C emitter share. */
#ifndef FV_BACKEND_C_INTERNAL_H
#define FV_BACKEND_C_INTERNAL_H

#include "backend/c/emit.h"
#include "backend/c/files.h"
#include "backend/c/names.h"
#include "backend/consumer/consumer.h"
#include "ir/base/text.h"

typedef enum { FV_C_PORTABLE, FV_C_CORTEX_M, FV_C_RISCV, FV_C_AARCH64, FV_C_X86 } fv_c_isa;

/* How the output contains weights. */
typedef struct fv_c_weights {
    fv_weights_kind kind; /* decided: not AUTO; TEXT where there are none */
    bool apart;           /* the text of weights is in a file of its own */
    /* the variable with the beginning of the file of weights, once the run has checked it; NULL:
     * not yet */
    const char *head;
} fv_c_weights;

/* The machine that the output is for. */
typedef struct fv_c_machine {
    fv_c_isa isa;
    int native;  /* bytes of a vector register; 0: scalar code */
    bool sse41;  /* x86: beyond the baseline */
    bool narrow; /* pointers of 32 bits: small integers are int32_t */
} fv_c_machine;

/* Vector types and helper functions, in order of first use. */
typedef struct fv_c_prelude {
    fv_text types, helpers;
    fv_ptrmap made; /* interned names of those that exist */
} fv_c_prelude;

/* The function that is being written: a kernel, or a function of the host program. */
typedef struct fv_c_function {
    fv_text outlines; /* of a kernel: the functions of its outlines, which precede it */
    fv_ptrmap used;   /* fv_var, fv_buf: something reads it */
    bool in_kernel;
    fv_ptrmap pointers; /* variables of READs: the pointer that they ask for */
    /* the run is given the result of the check of the CPU: its caller has made it */
    const fv_var *cpu;
    bool has_heap; /* failures of the host program leave through `done` */
} fv_c_function;

/* Names in the output. */
typedef struct fv_c_naming {
    fv_c_scope scope;
    fv_ptrmap names; /* fv_var, fv_buf, fv_kernel, fv_constant -> C name or expression */
} fv_c_naming;

/* One output: the names that are visible, and texts that grow while the program is walked. */
typedef struct fv_cg {
    fv_session *session;
    fv_arena *arena;
    const fv_program *p;
    const fv_c_options *o;
    const char *name, *NAME; /* the prefix, and in capitals */
    const char *file;        /* of the sources, without .c */
    fv_c_weights weights;
    fv_c_machine machine;
    fv_c_prelude prelude;
    fv_c_naming naming;
    fv_text *out; /* where statements go */
    int indent;
    fv_c_function fn;
    bool failed;
} fv_cg;

/* What a variable, buffer, kernel or constant is called; "?" where there is none, of code that has
 * failed. */
static inline const char *fv_c_name_of(const fv_cg *g, const void *p) {
    const char *name = fv_ptrmap_get(&g->naming.names, p);
    return name ? name : "?";
}
static inline void fv_c_set_name(fv_cg *g, const void *p, const char *name) {
    *fv_ptrmap_at(&g->naming.names, p) = (void *)(uintptr_t)name;
}

/* ---- text ---- */

/* A line of code at the current indent, wrapped at 100 columns. */
void fv_c_line(fv_cg *g, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The text with each of the n words replaced by the other word of its pair. */
void fv_c_replace(fv_text *t, const char *text, int n, const char *const (*words)[2]);
/* The same lines with `@name@` and `@NAME@` replaced, and @0@ ... by the arguments (NULL ends). */
void fv_c_fill(fv_cg *g, fv_text *t, const char *text, ...);

/* ---- expressions ---- */

/* C precedences of what an expression is made of, tightest highest. */
enum {
    FV_C_COND = 2,
    FV_C_OROR,
    FV_C_ANDAND,
    FV_C_OR,
    FV_C_XOR,
    FV_C_AND,
    FV_C_EQUAL,
    FV_C_LESS,
    FV_C_SHIFT,
    FV_C_ADD,
    FV_C_MUL,
    FV_C_UNARY,
    FV_C_PRIMARY
};
typedef struct fv_c_piece {
    const char *s;
    int prec;
    bool is_int; /* an i64 whose C type is int or int32_t: its value fits */
} fv_c_piece;

fv_c_piece fv_c_expr(fv_cg *g, const fv_expr *x);          /* any */
fv_c_piece fv_c_vector(fv_cg *g, const fv_expr *x);        /* lanes > 1 */
const char *fv_c_str(fv_cg *g, const fv_expr *x);          /* the whole text */
const char *fv_c_at(fv_cg *g, const fv_expr *x, int prec); /* in parentheses if it binds looser */
const char *fv_c_paren(fv_cg *g, fv_c_piece p, int prec);
/* In front of `?`: compilers remark on a & b ? c : d. */
const char *fv_c_condition(fv_cg *g, const fv_expr *x);
fv_c_piece fv_c_call(fv_cg *g, const char *name, int n, fv_expr *const *arg); /* name(arg, ...) */
/* `buf[index]` with the index made flat. */
fv_c_piece fv_c_element(fv_cg *g, const fv_buf *b, fv_expr *const *index);
const char *fv_c_index(fv_cg *g, const fv_buf *b, fv_expr *const *index);
const char *fv_c_address(fv_cg *g, const fv_buf *b, fv_expr *const *index); /* `&buf[index]` */
const char *fv_c_float(fv_arena *a, fv_elem e, double v);                   /* exact; finite */
bool fv_c_is_narrow(const fv_cg *g, const fv_expr *x) FV_MUST_USE; /* may it be an int32_t? */

/* ---- types ---- */

const char *fv_c_elem(fv_elem e);            /* in memory: uint8_t for bool, uint16_t for f16 */
const char *fv_c_type(fv_cg *g, fv_ktype t); /* of a value: bool, float, f32x8, mask8 */
const char *fv_c_short(fv_elem e);           /* f32, i64, u16 for f16: in names */
const char *fv_c_vtype(fv_cg *g, fv_elem e, int lanes);
const char *fv_c_mask(fv_cg *g, int lanes);
fv_elem fv_c_mask_elem(int lanes);

/* Is the conversion a helper? Float to integer, and what the target has an instruction for. */
bool fv_c_converts_by_call(const fv_cg *g, fv_elem from, fv_elem to) FV_MUST_USE;

/* ---- helpers: each makes the function if it is not there yet, and returns its name ---- */

/* Opens a definition: false if it was made before. Then `helpers` takes it. */
bool fv_c_helper_new(fv_cg *g, const char *name) FV_MUST_USE;
const char *fv_c_helper(fv_cg *g, fv_expr_op op, fv_elem e);         /* min_f32 */
const char *fv_c_helper_convert(fv_cg *g, fv_elem from, fv_elem to); /* fv_c_converts_by_call */
const char *fv_c_helper_bits(fv_cg *g, fv_elem from, fv_elem to);
/* min or max with a constant; strict: with max -0, min +0 */
const char *fv_c_helper_clamp(fv_cg *g, fv_elem e, bool max, bool strict);
const char *fv_c_helper_fixed(fv_cg *g, const char *name); /* require, cancelled, ... */

/* ---- parts ---- */

/* Finds what is read; what is not is left out. */
void fv_c_mark_used(fv_cg *g, const fv_block *b);
void fv_c_mark_expr(fv_cg *g, const fv_expr *x);
void fv_c_mark(fv_cg *g, const void *var_or_buf);
bool fv_c_is_used(const fv_cg *g, const void *var_or_buf) FV_MUST_USE;
void fv_c_block(fv_cg *g, const fv_block *b);
/* `line {` */
void fv_c_open(fv_cg *g, const char *format, ...) __attribute__((format(printf, 2, 3)));
void fv_c_close(fv_cg *g);
/* Gives a variable its name, and returns its declaration: "int64_t i". */
const char *fv_c_declare(fv_cg *g, const fv_var *v);
const char *fv_c_var_type(fv_cg *g, const fv_var *v);
/* "float acc[6][16]" */
const char *fv_c_tile(fv_cg *g, const fv_buf *tile);
/* "const float *restrict x" */
const char *fv_c_parameter(fv_cg *g, const fv_buf *b, bool with_restrict);
/* Functions made from OUTLINE statements of a kernel; they are numbered before the kernel is
 * written. */
void fv_c_name_outlines(fv_cg *g, const char *kernel, const fv_block *b);
void fv_c_outline(fv_cg *g, const fv_stmt *s);
void fv_c_kernel(fv_cg *g, fv_kernel *k);
/* its number where constant, else NULL */
const char *fv_c_kernel_tasks(fv_cg *g, const fv_kernel *k);
bool fv_c_kernel_polls(const fv_kernel *k) FV_MUST_USE; /* has a while */
void fv_c_host_stmt(fv_cg *g, const fv_stmt *s);
void fv_c_constants(fv_cg *g); /* definitions, or declarations of those that lie elsewhere */
const char *fv_c_test(fv_cg *g, const fv_expr *x); /* a condition of the host program, for `if` */
void fv_c_run(fv_cg *g);                           /* plan and run with the types of fv_model */
void fv_c_public(fv_cg *g);                        /* the functions of the header */
void fv_c_table(fv_cg *g);                         /* ... and the last of them, NAME_model */
void fv_c_header(fv_cg *g, fv_text *t);
const char *fv_c_maker(fv_cg *g); /* "Fovea 1.0" */
/* Is there something to ask of the CPU? */
bool fv_c_checks_cpu(const fv_cg *g) FV_MUST_USE;
void fv_c_unit(fv_cg *g, fv_text *t);                 /* NAME.c; the header comes after it */
bool fv_c_selftest(fv_cg *g, fv_text *t) FV_MUST_USE; /* NAME_selftest.c */
bool fv_c_write_folder(fv_cg *g, const char *path) FV_MUST_USE;
/* the files with weights, in the folder of NAME.c */
void fv_c_add_weights(fv_cg *g, fv_c_files *f);
const char *fv_c_weights_file(const fv_cg *g);        /* NAME.weights; NULL: there is none */
bool fv_c_is_direct(const fv_program *p) FV_MUST_USE; /* one call with arrays as arguments */

#endif
