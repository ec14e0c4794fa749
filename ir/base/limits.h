/* limits.h - bounds on what a model or a text may contain, in one place. */
#ifndef FV_IR_BASE_LIMITS_H
#define FV_IR_BASE_LIMITS_H

#define FV_MAX_RANK         32 /* largest number of axes of a tensor */
#define FV_MAX_ELEMENT_RANK 8  /* largest number of axes of a tensor in a sequence or optional */
#define FV_MAX_STRING       ((1 << 23) - 1) /* largest number of bytes of a string in a tensor */
/* largest number of pixels of an image that a model decodes */
#define FV_MAX_PIXELS   (1 << 28)
#define FV_MAX_OPERANDS 65536 /* largest number of operands of one op */
/* largest number of elements of an integer or bool tensor whose elements are tracked as dims */
#define FV_MAX_ELEMS 256
/* largest number of nodes of a dim, shared ones counted for each use; a larger dim counts as out of
 * memory */
#define FV_MAX_DIM_SIZE 1024
/* greatest nesting of regions, of inlined functions, of types of sequences and optionals, and of
 * groups of a regular expression */
#define FV_MAX_DEPTH 64
/* greatest nesting of statements in kernels and host programs, in which a region becomes up to
 * three statements; in a text, FV_OWN_STATEMENTS less, which lowering may add around them */
#define FV_MAX_STATEMENT_DEPTH (4 * FV_MAX_DEPTH)
#define FV_OWN_STATEMENTS      4
/* greatest nesting of parentheses, brackets and unary operators in the text of an expression */
#define FV_MAX_EXPR_DEPTH 200
/* greatest height of the tree of an expression in a text; a sum of n terms has height n - 1 */
#define FV_MAX_EXPR_HEIGHT 1000
/* greatest height of a definition's expression in a text, from the result to the last load */
#define FV_MAX_DEFINITION_HEIGHT 2000
/* largest number of nodes of a definition's expression in a text, shared ones counted for each use:
 * passes may walk it as a tree */
#define FV_MAX_DEFINITION_TREE 65536
/* largest number of iterations of all loops in one launch of a kernel that a script contributes */
#define FV_MAX_CONFINED_ITERATIONS (INT64_C(1) << 40)
#define FV_MAX_NODES               10000000 /* largest number of nodes of a model */
/* largest number of nodes that inlined functions and repeated bodies add to a model */
#define FV_MAX_INLINED 250000
/* largest number of attributes of one node or function, and of opset imports of a model */
#define FV_MAX_ATTRIBUTES 256
/* greatest nesting of messages in a model file; a graph within a graph takes three */
#define FV_MAX_MESSAGE_DEPTH 200
#define FV_MAX_TUNED         16384 /* largest number of kernels that a tuning file lists */
/* largest number of bytes that the structure of a model file takes in memory, without its tensors;
 * and largest number of bytes of the strings in a .npy file */
#define FV_MAX_STRUCTURE (1u << 30)
/* largest size in bytes of all sparse tensors of a model together, in dense form */
#define FV_MAX_SPARSE_BYTES (1u << 28)
/* bytes that a loop allocates at its start for the rows that its iterations return; rows that may
 * need more are allocated while the iterations run */
#define FV_MOST_ROOM (1 << 28)
/* bytes of workspace up to which offsets are constants; where bounds of dims allow more, offsets
 * are computed at run time */
#define FV_FIXED_WORKSPACE (1 << 28)
/* number of bytes of a constant up to which passes compute it when the model is compiled, share it
 * with equal ones, and match it by its elements (exceptions: passes/fold.c) */
#define FV_FOLD_BYTES 65536

#endif
