/* build.h - building kernels and programs statement by statement. */
#ifndef FV_IR_KERNEL_BUILD_H
#define FV_IR_KERNEL_BUILD_H

#include "ir/base/limits.h"
#include "ir/kernel/program.h"

typedef struct fv_kbuilder {
    fv_arena *arena;
    fv_kernel *kernel; /* the kernel that is built; NULL: a block of a host program */
    fv_block *block;   /* the block to which statements are appended */
    /* the blocks that are open, the outermost first */
    fv_block *stack[FV_MAX_STATEMENT_DEPTH];
    fv_stmt *open[FV_MAX_STATEMENT_DEPTH];
    int depth;
} fv_kbuilder;

/* a new variable without bounds */
fv_var *fv_var_new(fv_arena *a, const char *name, fv_ktype type);
fv_kernel *fv_kernel_new(fv_arena *a, const char *name);
fv_buf *fv_buf_new(fv_arena *a, const char *name, fv_buf_role role, fv_elem e, int rank,
                   fv_expr *const *extent);
fv_expr **fv_x_copy_list(fv_arena *a, int n, fv_expr *const *list);
void fv_block_append(fv_block *block, fv_stmt *s);
fv_buf *fv_kernel_buf(fv_kernel *k, const char *name, fv_buf_role role, fv_elem e, int rank,
                      fv_expr *const *extent);
fv_expr *fv_kernel_dim(fv_kernel *k, const char *name, int64_t lo, int64_t hi);
void fv_kb_init(fv_kbuilder *b, fv_arena *a, fv_kernel *k, fv_block *block);
/* largest number of expressions in a store: FV_MAX_RANK indices, the value and the mask */
#define FV_STMT_EXPRS 36
/* Appends lets for subexpressions that occur twice in the n expressions of a statement, because
 * expressions of statements are trees, and for deeply nested ones, and replaces the expressions in
 * `list` by those that use the lets; entries may be NULL. The functions below call it for the
 * expressions that they are given, except for the condition of a while. Short index arithmetic is
 * repeated instead. */
void fv_kb_share(fv_kbuilder *b, int n, fv_expr **list);
/* appends a LET of x and returns its variable; returns x itself if it is a constant or variable */
fv_expr *fv_kb_let(fv_kbuilder *b, const char *name, fv_expr *x);
void fv_kb_store(fv_kbuilder *b, fv_buf *buf, fv_expr *const *index, fv_expr *x, fv_expr *mask);
/* Appends a PREFETCH; indices are scalars. */
void fv_kb_prefetch(fv_kbuilder *b, fv_buf *buf, fv_expr *const *index, int cache);
void fv_kb_transpose(fv_kbuilder *b, fv_buf *tile);
void fv_kb_call(fv_kbuilder *b, const fv_library_fn *fn, fv_buf *const *args);
/* fv_kb_call of an addressed function, with that rank of so many. */
void fv_kb_call_rank(fv_kbuilder *b, const fv_library_fn *fn, fv_buf *const *args, int64_t rank,
                     int64_t ranks);
fv_buf *fv_kb_tile(fv_kbuilder *b, const char *name, fv_elem e, int rank, const int64_t *extent,
                   fv_expr *init);
/* Opens a loop and returns its variable. fv_kb_end closes the loop, if, while, outline or matrix
 * that was opened last. */
fv_expr *fv_kb_for(fv_kbuilder *b, fv_loop_kind kind, const char *name, fv_expr *lo, fv_expr *hi,
                   int64_t step);
void fv_loop_bounds(fv_stmt *loop); /* sets the bounds of the loop's variable */
/* Does the kernel contain a CALL? Calls are never within another statement. */
bool fv_kernel_calls(const fv_kernel *k) FV_MUST_USE;
/* The collective that the kernel consists of; NULL: the kernel calls no collective. */
const fv_library_fn *fv_kernel_collective(const fv_kernel *k);
/* The call of that function. */
const fv_stmt *fv_kernel_exchange(const fv_kernel *k);
void fv_task_bounds(fv_kernel *k); /* sets the bounds of the variable k->task */
void fv_kb_if(fv_kbuilder *b, fv_expr *cond);
void fv_kb_else(fv_kbuilder *b);
void fv_kb_while(fv_kbuilder *b, fv_expr *cond);
void fv_kb_outline(fv_kbuilder *b);
void fv_kb_matrix(fv_kbuilder *b);
void fv_kb_end(fv_kbuilder *b);
/* Closes all that was opened since b->depth had that value. */
void fv_kb_end_to(fv_kbuilder *b, int depth);
void fv_kb_comment(fv_kbuilder *b, const char *text);
/* appends a READ and returns its variable */
fv_expr *fv_kb_read(fv_kbuilder *b, const fv_read *r, const char *name);
/* appends a host statement whose members the caller sets */
fv_stmt *fv_kb_add(fv_kbuilder *b, fv_stmt_kind kind);

/* Numbers all variables from 0 (dims, then the task, then in order of the text) and all tiles from
 * nbufs; sets nvars and ntiles and returns nvars. fv_kernel_expand calls it. */
int fv_kernel_number(fv_kernel *k);

/* fv_kernel_number for the variables of a program (symbols, capacities, plan, size query and body
 * share one sequence) and its kernels; buffers get their index in the program. */
int fv_program_number(fv_program *p);

#endif
