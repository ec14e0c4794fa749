/* build.h - building kernels and programs, statement by statement. */
#ifndef FV_IR_KERNEL_BUILD_H
#define FV_IR_KERNEL_BUILD_H

#include "ir/kernel/program.h"

typedef struct fv_kbuilder {
    fv_arena *arena;
    fv_kernel *kernel;   /* or NULL: a host program's block */
    fv_block *block;     /* where statements go */
    fv_block *stack[64]; /* open blocks */
    fv_stmt *open[64];
    int depth;
} fv_kbuilder;

fv_var *fv_var_new(fv_arena *a, const char *name, fv_ktype type); /* without bounds */
fv_kernel *fv_kernel_new(fv_arena *a, const char *name);
fv_buf *fv_buf_new(fv_arena *a, const char *name, fv_buf_role role, fv_elem e, int rank,
                   fv_expr *const *extent);
fv_expr **fv_x_copy_list(fv_arena *a, int n, fv_expr *const *list);
void fv_block_append(fv_block *block, fv_stmt *s);
fv_buf *fv_kernel_buf(fv_kernel *k, const char *name, fv_buf_role role, fv_elem e, int rank,
                      fv_expr *const *extent);
fv_expr *fv_kernel_dim(fv_kernel *k, const char *name, int64_t lo, int64_t hi);
void fv_kb_init(fv_kbuilder *b, fv_arena *a, fv_kernel *k, fv_block *block);
#define FV_STMT_EXPRS 36 /* no more expressions in a store: FV_MAX_RANK indices, value, mask */
/* Statements hold trees: what one uses twice becomes a let before it (these verbs see to it, but
 * for the condition of a while). Short index arithmetic is written out instead. */
void fv_kb_share(fv_kbuilder *b, int n, fv_expr **list);
fv_expr *fv_kb_let(fv_kbuilder *b, const char *name, fv_expr *x); /* constants and vars: x itself */
void fv_kb_store(fv_kbuilder *b, fv_buf *buf, fv_expr *const *index, fv_expr *x, fv_expr *mask);
/* scalar indices */
void fv_kb_prefetch(fv_kbuilder *b, fv_buf *buf, fv_expr *const *index, int cache);
void fv_kb_transpose(fv_kbuilder *b, fv_buf *tile);
void fv_kb_call(fv_kbuilder *b, const fv_library_fn *fn, fv_buf *const *args);
fv_buf *fv_kb_tile(fv_kbuilder *b, const char *name, fv_elem e, int rank, const int64_t *extent,
                   fv_expr *init);
/* Opens a loop, returns its variable; fv_kb_end closes what was opened last: a loop, if, while or
 * outline. */
fv_expr *fv_kb_for(fv_kbuilder *b, fv_loop_kind kind, const char *name, fv_expr *lo, fv_expr *hi,
                   int64_t step);
void fv_loop_bounds(fv_stmt *loop); /* sets the bounds of its variable */
/* has it a CALL? These stand in no block of another statement */
bool fv_kernel_calls(const fv_kernel *k) FV_MUST_USE;
void fv_task_bounds(fv_kernel *k); /* ... of k->task */
void fv_kb_if(fv_kbuilder *b, fv_expr *cond);
void fv_kb_else(fv_kbuilder *b);
void fv_kb_while(fv_kbuilder *b, fv_expr *cond);
void fv_kb_outline(fv_kbuilder *b);
void fv_kb_end(fv_kbuilder *b);
void fv_kb_comment(fv_kbuilder *b, const char *text);
fv_expr *fv_kb_read(fv_kbuilder *b, const fv_read *r, const char *name); /* the variable */
fv_stmt *fv_kb_add(fv_kbuilder *b, fv_stmt_kind kind); /* host statements: fill in the fields */

/* Numbers every variable from 0 on (dims, then task, then in order of the text) and every tile from
 * nbufs on; sets nvars and ntiles, returns nvars. fv_kernel_expand does it. */
int fv_kernel_number(fv_kernel *k);

/* The same for a program's variables (symbols, capacities, plan, body; all share one count) and its
 * kernels; buffers get their position. */
int fv_program_number(fv_program *p);

#endif
