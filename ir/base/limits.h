/* limits.h - bounds on what a model or a text may contain, in one place. */
#ifndef FV_IR_BASE_LIMITS_H
#define FV_IR_BASE_LIMITS_H

#define FV_MAX_RANK         32              /* axes of a tensor */
#define FV_MAX_ELEMENT_RANK 8               /* axes of a tensor in a sequence or optional */
#define FV_MAX_STRING       ((1 << 23) - 1) /* bytes of a string in a tensor */
#define FV_MAX_PIXELS       (1 << 28)       /* pixels of an image that a model decodes */
#define FV_MAX_OPERANDS     65536           /* operands of one op */
#define FV_MAX_ELEMS        256 /* elements of an integer tensor whose values are tracked as dims */
/* nodes of a dim, shared ones counted for each use; a larger dim counts as out of memory */
#define FV_MAX_DIM_SIZE    1024
#define FV_MAX_DEPTH       64   /* nesting of regions, functions, parentheses and sequence types */
#define FV_MAX_EXPR_DEPTH  200  /* nesting of parentheses in an expression */
#define FV_MAX_EXPR_HEIGHT 1000 /* height of an expression's tree, as a sum of so many terms has */
/* height of a definition's expression, from the result to the last load */
#define FV_MAX_DEFINITION_HEIGHT 2000
/* nodes of that expression, shared ones counted for each use: passes may walk it as a tree */
#define FV_MAX_DEFINITION_TREE 65536
/* iterations of all loops in one launch of a kernel that a script contributes */
#define FV_MAX_CONFINED_ITERATIONS (INT64_C(1) << 40)
#define FV_MAX_NODES               10000000 /* nodes of a model */
/* nodes that inlined functions and repeated bodies add to a model */
#define FV_MAX_INLINED    250000
#define FV_MAX_ATTRIBUTES 256 /* attributes of one node or function; opset imports of a model */
/* nesting of messages in a model file; a graph within a graph takes three */
#define FV_MAX_MESSAGE_DEPTH 200
#define FV_MAX_TUNED         16384      /* kernels that a tuning file lists */
#define FV_MAX_STRUCTURE     (1u << 30) /* bytes of a model file without its tensors */
/* bytes of all sparse tensors of a model together, in dense form */
#define FV_MAX_SPARSE_BYTES (1u << 28)
/* bytes that a loop allocates at its start for the rows that its iterations return; rows that may
 * need more are allocated while the iterations run */
#define FV_MOST_ROOM (1 << 28)
/* bytes of workspace up to which offsets are constants; where bounds of dims allow more, the run
 * computes offsets */
#define FV_FIXED_WORKSPACE (1 << 28)
/* the interpreter does not fold constants of more bytes */
#define FV_FOLD_BYTES 65536

#endif
