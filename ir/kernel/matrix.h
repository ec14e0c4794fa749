/* matrix.h - the statement `matrix`: a product of matrices of bytes or bf16, as loops.
 *
 *     matrix {
 *       for line < lines {                  may be left out
 *         prefetch B[n, 0, first + 64 * line] to 2
 *       }
 *       for r < rows {                      at most 32; the largest value of rows is known
 *         for g < 2 {                       1 or 2 groups of columns
 *           for c < 16 {
 *             tile sum: i32 = 0             or = S[r, 16 * g + c], the element that is stored below
 *             for q < 96 {                  at most 16, or a multiple of 16
 *               sum = dot_u8_i8(bits_i32(A[i + r, 4 * q:4]), bits_i32(B[g, q, 4 * c:4]), sum)
 *             }
 *             S[r, 16 * g + c] = sum
 *           }
 *         }
 *       }
 *     }
 *
 * Sums of products of bf16 have a loop over blocks, each of which is what an instruction computes
 * (FV_ORDER_TILES):
 *
 *             tile sum: i32 = 0
 *             for block < 12 {
 *               tile even: i32 = 0
 *               tile odd: i32 = 0
 *               for q < 16 {              at most 16; 16 if there are several blocks
 *                 even = dot_bf16_even(bits_i32(A[i + r, 32 * block + 2 * q:2]), .., even)
 *                 odd = dot_bf16_odd(bits_i32(A[i + r, 32 * block + 2 * q:2]), .., odd)
 *               }
 *               sum = add_flushed(sum, add_flushed(even, odd))
 *             }
 *
 * A word is four bytes, two bf16, or an i32 as in `W[q, 16 * g + c]`, whose elements are multiplied
 * in the order of memory of a little-endian machine. The loops are the meaning. Because they have
 * this form, consumers can execute them by instructions that read 16 words of each of 16 rows at a
 * time (matrix.def): the words of a row of A are contiguous along block and q, those of B and the
 * sums along c; rows of A and S, and steps of B, have constant distances in memory. Where the words
 * of B begin may depend on g in any way.
 *
 * The loop of prefetches, of elements at a constant distance of any buffer, is executed while the
 * words are multiplied: each step of 16 words prefetches as many lines as every other one. If all
 * were prefetched before the product, the words of the product would arrive after them. */
#ifndef FV_IR_KERNEL_MATRIX_H
#define FV_IR_KERNEL_MATRIX_H

#include "ir/kernel/program.h"
#include "ir/target/target.h"

/* The largest numbers of rows, columns and words of a row that an instruction multiplies, and of
 * tiles of rows and groups of columns in a statement. */
enum {
    FV_MATRIX_SIDE = 16,
    FV_MATRIX_TILES = 2,
    FV_MATRIX_ROWS = FV_MATRIX_SIDE * FV_MATRIX_TILES
};

typedef struct fv_matrix_instruction {
    const char *name;
    fv_expr_op op;
    int rows; /* which operand of op has the words of rows, 0 or 1 */
    fv_feature_id feature;
    const char *llvm, *c;
} fv_matrix_instruction;

/* The prefetches of a statement. */
typedef struct fv_matrix_prefetch {
    const fv_stmt *of; /* the prefetch of one line; NULL: nothing is prefetched */
    const fv_var *line;
    fv_expr *lines; /* the number of prefetches, of type i64 */
} fv_matrix_prefetch;

/* The variables of the loops of a statement. block: of the blocks of products of bf16; NULL: it has
 * products of bytes. */
typedef struct fv_matrix_vars {
    const fv_var *row, *group, *column, *block, *step;
} fv_matrix_vars;

/* The parts of a statement. */
typedef struct fv_matrix {
    fv_matrix_vars vars;
    fv_expr *rows; /* the number of rows */
    int most_rows; /* its largest value */
    int groups;    /* 1 or 2 */
    int64_t steps; /* the number of words of a row, of all blocks */
    fv_expr_op op; /* the sum of products of two words; DOT_BF16_EVEN stands for both chains */
    int operand;   /* which operand of op has the words of rows, 0 or 1 */
    const fv_expr *a, *b; /* loads of a word, as its elements or an i32: of a row, of a column */
    const fv_stmt *store; /* stores a sum */
    bool adds;            /* whether the products are added to the sums in memory */
    fv_matrix_prefetch prefetch;
} fv_matrix;

/* Number of words of a row that one instruction multiplies. */
static inline int fv_matrix_words(const fv_matrix *m) {
    return m->steps < FV_MATRIX_SIDE ? (int)m->steps : FV_MATRIX_SIDE;
}
/* Number of instructions, one after the other, that multiply all words of a row. */
static inline int64_t fv_matrix_instructions(const fv_matrix *m) {
    return (m->steps + FV_MATRIX_SIDE - 1) / FV_MATRIX_SIDE;
}
/* Reads the statement s, of kind MATRIX. Returns NULL, or what is wrong with its form. */
const char *fv_matrix_read(const fv_stmt *s, fv_matrix *out);
/* Would the rows evict the columns from the first-level cache, where the next tile of rows could
 * find them? Instructions that load rows can then ask not to keep them in that cache. */
bool fv_matrix_rows_evict(const fv_matrix *m, const fv_caches *caches) FV_MUST_USE;
/* Do the numbers of rows and prefetches, and the indices, consist of operations on integers that
 * need no expansion for any target, and whose only effect is their value? */
bool fv_matrix_is_plain(fv_arena *a, const fv_matrix *m) FV_MUST_USE;
/* The distance, in elements, of the element at `index` from the one for the next value of v, one of
 * the variables of a matrix. */
fv_expr *fv_matrix_stride(fv_arena *a, const fv_buf *b, fv_expr *const *index, const fv_var *v);
/* The instruction of the target for a product whose words of rows are that operand of op; NULL: the
 * target has none. */
const fv_matrix_instruction *fv_matrix_find(const fv_target *t, fv_expr_op op, int rows);
/* The first statement of kind MATRIX in the block; NULL: there is none. */
const fv_stmt *fv_matrix_first(const fv_block *b);
/* Does a kernel of the program have such a statement? In an expanded program only those are left
 * that become instructions of its target. */
bool fv_matrix_is_used(const fv_program *p) FV_MUST_USE;

#endif
