/* internal.h - declarations shared by the files of the C emitter. */
#ifndef FV_BACKEND_C_INTERNAL_H
#define FV_BACKEND_C_INTERNAL_H

#include "backend/c/emit.h"
#include "backend/c/files.h"
#include "backend/c/names.h"
#include "backend/consumer/consumer.h"
#include "ir/base/text.h"

/* How the generated code stores the weights. */
typedef struct fv_c_weights {
    /* the kind of storage that was decided, never AUTO; TEXT if there are no weights */
    fv_weights_kind kind;
    bool apart; /* whether initialisers of weights are written to a separate file */
    /* the generated variable through which the run reads the head of the file of weights; NULL: it
     * has not been declared yet */
    const char *head;
} fv_c_weights;

/* Properties of the target machine. */
typedef struct fv_c_machine {
    fv_isa isa;
    int native;  /* bytes of a vector register; 0: the code is scalar */
    bool sse41;  /* whether the target has SSE4.1 (x86) */
    bool narrow; /* whether pointers have 32 bits, so that small integers are int32_t */
    /* whether the target's system is Windows: the code uses no extension of GNU C where _MSC_VER is
     * defined */
    bool windows;
    bool checks_cpu; /* whether the target needs features that are checked on the CPU */
} fv_c_machine;

/* Vector types and helper functions, in order of first use. */
typedef struct fv_c_prelude {
    fv_text types, helpers;
    fv_ptrmap made;   /* interned names of the types and helper functions that have been written */
    const char **all; /* these names in the order of their first use */
    int n, cap;
    fv_ptrmap macros; /* interned names of the helpers that are macros -> their definitions */
} fv_c_prelude;

/* The function that is being written: a kernel, or a function of the host program. */
typedef struct fv_c_function {
    fv_text outlines; /* the functions of a kernel's outlines, which precede the kernel */
    fv_ptrmap used;   /* set of fv_var and fv_buf that the code needs (fv_c_mark_used) */
    bool in_kernel;
    /* variable of a READ that tests a pointer -> the expression of that pointer */
    fv_ptrmap pointers;
    /* variable with the result of the check of the CPU, which the function that calls the run has
     * made */
    const fv_var *cpu;
    /* the variable that says for which rows and words tile registers are configured now
     * (matrix.c); NULL: the kernel does not use them; "": only functions of outlines do */
    const char *tiles;
    /* whether the host program has HEAP buffers, so that failures leave through the label `done` */
    bool has_heap;
    int started; /* exchanges that were started before this place, and not waited for */
} fv_c_function;

/* Names in the output. */
typedef struct fv_c_naming {
    fv_c_scope scope;
    fv_ptrmap names; /* fv_var, fv_buf, fv_kernel, fv_constant -> C name or expression */
} fv_c_naming;

/* The state of writing one program: the names in scope, and texts that grow while the program is
 * walked. */
typedef struct fv_cg {
    fv_session *session;
    fv_arena *arena;
    const fv_program *p;
    const fv_c_options *o;
    const char *name, *NAME; /* the prefix of all names, as it is and in capitals */
    const char *file;        /* name of the source files, without .c */
    fv_c_weights weights;
    fv_c_machine machine;
    fv_c_prelude prelude;
    fv_c_naming naming;
    fv_text *out; /* the text to which statements are appended */
    int indent;
    fv_c_function fn;
    bool failed;
} fv_cg;

/* A new name of a function or object of the whole file, which begins with the model's prefix. */
const char *fv_c_file_name(fv_cg *g, const char *want, const char *otherwise);
/* The name of a variable, buffer, kernel or constant; "?" if it has none, which happens only after
 * a failure. */
static inline const char *fv_c_name_of(const fv_cg *g, const void *p) {
    const char *name = fv_ptrmap_get(&g->naming.names, p);
    return name ? name : "?";
}
static inline void fv_c_set_name(fv_cg *g, const void *p, const char *name) {
    *fv_ptrmap_at(&g->naming.names, p) = (void *)(uintptr_t)name;
}

/* ---- text ---- */

/* Appends a line of code with the current indentation, wrapped at 100 columns. */
void fv_c_line(fv_cg *g, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Appends the text with each of n words replaced by the other word of its pair. */
void fv_c_replace(fv_text *t, const char *text, int n, const char *const (*words)[2]);
/* Appends the text of a file of C, in which the names that it declares for itself, at the left
 * margin, have got the model's prefix and the name of the part, such as "pool". */
void fv_c_put_own(fv_cg *g, fv_text *t, const char *part, const char *text);
/* Writes the lines that give the types and helpers of the file names with the model's prefix, by
 * which several models can be compiled in one translation unit, and those that end the use of the
 * short names, at the end of the file. */
void fv_c_short_names(fv_cg *g, fv_text *t);
void fv_c_short_names_end(fv_cg *g, fv_text *t);
/* Appends lines of a template: `@name@` and `@NAME@` are replaced by the prefix, @0@, @1@, ... by
 * the arguments, which end with NULL. */
void fv_c_fill(fv_cg *g, fv_text *t, const char *text, ...);

/* ---- expressions ---- */

/* Precedences of C operators; larger numbers bind tighter. */
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
    /* whether the value is an i64 that is written as int or int32_t, because it fits */
    bool is_int;
} fv_c_piece;

/* translates an expression with any number of lanes */
fv_c_piece fv_c_expr(fv_cg *g, const fv_expr *x);
/* translates an expression with several lanes */
fv_c_piece fv_c_vector(fv_cg *g, const fv_expr *x);
/* The call that stores the vector x at the elements `index` of b, whose indices have lanes; `mask`:
 * lanes that are stored; NULL: all. */
const char *fv_c_scatter(fv_cg *g, const fv_buf *b, fv_expr *const *index, const fv_expr *x,
                         const fv_expr *mask);
const char *fv_c_str(fv_cg *g, const fv_expr *x); /* the C text of an expression */
/* the C text of an expression, in parentheses if it binds looser than `prec` */
const char *fv_c_at(fv_cg *g, const fv_expr *x, int prec);
const char *fv_c_paren(fv_cg *g, fv_c_piece p, int prec);
/* The text of a condition before `?`: in parentheses if compilers would warn, as of a & b ? c :
 * d. */
const char *fv_c_condition(fv_cg *g, const fv_expr *x);
/* A call of a helper, whose arguments the format gives. A macro declares variables: for arguments
 * that contain a call of the same macro, a copy of it is made, with names of its own. */
const char *fv_c_apply(fv_cg *g, const char *helper, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* a call `name(arg, ...)` */
fv_c_piece fv_c_call(fv_cg *g, const char *name, int n, fv_expr *const *arg);
/* fv_c_element: an element, `buf[i]` with all indices combined to one, or `tile[i][j]`. fv_c_index:
 * the combined index. */
fv_c_piece fv_c_element(fv_cg *g, const fv_buf *b, fv_expr *const *index);
const char *fv_c_index(fv_cg *g, const fv_buf *b, fv_expr *const *index);
/* the address of an element, `&buf[index]` */
const char *fv_c_address(fv_cg *g, const fv_buf *b, fv_expr *const *index);
/* can the value be declared as int32_t? */
bool fv_c_is_narrow(const fv_cg *g, const fv_expr *x) FV_MUST_USE;

/* ---- types: types.c ---- */

/* the C type of an element in memory: uint8_t for bool, uint16_t for f16 */
const char *fv_c_elem(fv_elem e);
const char *fv_c_type(fv_cg *g, fv_ktype t); /* the C type of a value: bool, float, f32x8, mask8 */
/* the abbreviation of a type in names of helper functions: f32, i64; u16 for f16 */
const char *fv_c_short(fv_elem e);
const char *fv_c_vtype(fv_cg *g, fv_elem e, int lanes);
const char *fv_c_mask(fv_cg *g, int lanes);
/* the type of a vector that is aligned to its elements only */
const char *fv_c_unaligned(fv_cg *g, fv_elem e, int lanes);
int fv_c_vector_bytes(fv_elem e, int lanes);
fv_elem fv_c_mask_elem(int lanes);
/* the signed and the unsigned integer as wide as an element */
fv_elem fv_c_signed_elem(fv_elem e);
fv_elem fv_c_unsigned_elem(fv_elem e);
/* a literal that reads back to exactly v; v must be finite */
const char *fv_c_float(fv_arena *a, fv_elem e, double v);
/* Begins the definition of a function or type, which the caller then appends to the prelude. False:
 * it has been written already. */
bool fv_c_helper_new(fv_cg *g, const char *name) FV_MUST_USE;

/* Is the conversion written as a call of a helper? It is for floats to integers, and if the target
 * has an instruction for it. */
bool fv_c_converts_by_call(const fv_cg *g, fv_elem from, fv_elem to) FV_MUST_USE;

/* ---- helpers: each makes the function if it is not there yet, and returns its name ---- */

/* the name of the helper function of an operation, such as min_f32 */
const char *fv_c_helper(fv_cg *g, fv_expr_op op, fv_elem e);
/* the name of the helper function that compares two floats for equality */
const char *fv_c_helper_equal(fv_cg *g, fv_elem e);
/* the name of the helper function for c + a * b of i32, which wraps, by one instruction; NULL: the
 * target has none */
const char *fv_c_helper_multiply_add(fv_cg *g);
const char *fv_c_helper_dot16(fv_cg *g, fv_expr_op op); /* a DOT16_ operation */
/* Appends the definition of a function that compares floats by ==, which is meant to be exact, and
 * switches the warning of compilers about it off within this function. */
void fv_c_put_exact(fv_cg *g, const char *definition);
/* the name of the helper function of a conversion for which fv_c_converts_by_call holds */
const char *fv_c_helper_convert(fv_cg *g, fv_elem from, fv_elem to);
const char *fv_c_helper_bits(fv_cg *g, fv_elem from, fv_elem to);
/* the name of the helper function for min or max with a constant; strict: for max with -0 and min
 * with +0 */
const char *fv_c_helper_clamp(fv_cg *g, fv_elem e, bool max, bool strict);
/* the name of a helper function that does not depend on a type: require_bool, cancelled, ... */
const char *fv_c_helper_fixed(fv_cg *g, const char *name);
bool fv_c_is_fixed_helper(const char *name) FV_MUST_USE;

/* ---- parts ---- */

/* Marks the variables and buffers that the block reads, and the buffers other than tiles to which
 * it stores. Lets and tiles that are not marked are left out of the C code. */
void fv_c_mark_used(fv_cg *g, const fv_block *b);
void fv_c_mark_expr(fv_cg *g, const fv_expr *x);
void fv_c_mark(fv_cg *g, const void *var_or_buf);
bool fv_c_is_used(const fv_cg *g, const void *var_or_buf) FV_MUST_USE;
void fv_c_block(fv_cg *g, const fv_block *b);
/* writes the line, followed by ` {`, and indents the following lines */
void fv_c_open(fv_cg *g, const char *format, ...) __attribute__((format(printf, 2, 3)));
void fv_c_close(fv_cg *g);
/* Gives the variable a name, and returns its declaration: "int64_t i". */
const char *fv_c_declare(fv_cg *g, const fv_var *v);
const char *fv_c_var_type(fv_cg *g, const fv_var *v);
/* the C text of an expression that initialises the variable, converted to the variable's type */
const char *fv_c_value_of(fv_cg *g, const fv_var *v, const fv_expr *x);
/* the declaration of a tile, such as "float acc[6][16]" */
const char *fv_c_tile(fv_cg *g, const fv_buf *tile);
/* the declaration of a parameter, such as "const float *restrict x" */
const char *fv_c_parameter(fv_cg *g, const fv_buf *b, bool with_restrict);
/* Outlined blocks of a kernel become functions. They get names before the kernel is written. */
void fv_c_name_outlines(fv_cg *g, const char *kernel, const fv_block *b);
void fv_c_outline(fv_cg *g, const fv_stmt *s);
/* Writes a product of matrices. False: the target has no instruction for it, and nothing was
 * written. */
bool fv_c_matrix(fv_cg *g, const fv_stmt *s) FV_MUST_USE;
/* Called where a kernel or a function of an outline begins, with its body: writes a variable if it
 * multiplies matrices by instructions. */
void fv_c_matrix_begin(fv_cg *g, const fv_block *body);
/* Called after the call of the function of an outline, which may have configured tile registers. */
void fv_c_matrix_called(fv_cg *g);
/* Writes the release of tile registers; called before each return of a kernel. */
void fv_c_matrix_end(fv_cg *g);
void fv_c_kernel(fv_cg *g, fv_kernel *k);
/* the number of tasks as text if it is constant, otherwise NULL */
const char *fv_c_kernel_tasks(fv_cg *g, const fv_kernel *k);
/* Does the kernel check the cancel flag? It does if it has a while loop. */
bool fv_c_kernel_polls(const fv_kernel *k) FV_MUST_USE;
void fv_c_host_stmt(fv_cg *g, const fv_stmt *s);
/* writes definitions of constants, or declarations if these are in other files */
void fv_c_constants(fv_cg *g);
/* the text of a condition of the host program, for `if` */
const char *fv_c_test(fv_cg *g, const fv_expr *x);
/* writes plan and run, which have the types of the functions in fv_model */
void fv_c_run(fv_cg *g);
void fv_c_public(fv_cg *g); /* writes the functions of the header */
void fv_c_table(fv_cg *g);  /* writes the last function of the header, NAME_model */
void fv_c_header(fv_cg *g, fv_text *t);
const char *fv_c_maker(fv_cg *g); /* name and version of the compiler, "Fovea 1.0" */
/* writes NAME.c; must be called before the header is written */
void fv_c_unit(fv_cg *g, fv_text *t);
bool fv_c_selftest(fv_cg *g, fv_text *t) FV_MUST_USE; /* writes NAME_selftest.c */
bool fv_c_write_folder(fv_cg *g, const char *path) FV_MUST_USE;
/* adds the files with weights, which belong to the folder of NAME.c */
void fv_c_add_weights(fv_cg *g, fv_c_files *f);
/* name of the file of weights, NAME.weights; NULL: there is none */
const char *fv_c_weights_file(const fv_cg *g);
/* Can the model be called by one function with arrays as arguments? */
bool fv_c_is_direct(const fv_program *p) FV_MUST_USE;
/* Is the run part of NAME_run, and again of the function in the table? Without operating system,
 * programs are linked without functions that they do not call (--gc-sections), and most call
 * NAME_run only, in which the compiler then leaves out what an environment asks for. */
bool fv_c_inlines_run(const fv_cg *g) FV_MUST_USE;
/* The bytes to which constants are aligned: a line of a cache; on microcontrollers, whose flash is
 * small, a vector or a word. */
const char *fv_c_alignment(const fv_cg *g);

#endif
