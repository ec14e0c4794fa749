/* limits.h - bounds on what a model or a text may contain, in one place. */
#ifndef FV_IR_BASE_LIMITS_H
#define FV_IR_BASE_LIMITS_H

#define FV_MAX_RANK         32              /* of a tensor */
#define FV_MAX_ELEMENT_RANK 8               /* of a tensor in a sequence or optional */
#define FV_MAX_STRING       ((1 << 23) - 1) /* bytes of a string in a tensor */
#define FV_MAX_PIXELS       (1 << 28)       /* of an image that a model decodes */
#define FV_MAX_OPERANDS     65536           /* of one op */
#define FV_MAX_ELEMS        256  /* elements of an integer tensor that are tracked symbolically */
#define FV_MAX_DIM_SIZE     1024 /* nodes of a dim, written out as a tree; more is out of memory */
#define FV_MAX_DEPTH        64   /* nested regions, functions, parentheses, sequence types */
#define FV_MAX_EXPR_DEPTH   200  /* nested parentheses of an expression */
#define FV_MAX_EXPR_HEIGHT  1000 /* of an expression's tree: a sum of so many terms */
#define FV_MAX_DEFINITION_HEIGHT                                                                   \
    2000 /* of a definition's expression, from its element to its last load */
#define FV_MAX_DEFINITION_TREE                                                                     \
    65536 /* nodes of it, written out as a tree: who looks at definitions may walk them so */
#define FV_MAX_CONFINED_TURNS                                                                      \
    (INT64_C(1) << 40) /* iterations of all loops in a launch of a kernel that a script brings */
#define FV_MAX_NODES         10000000 /* of a model */
#define FV_MAX_INLINED       250000   /* nodes that functions and repeated bodies add to a model */
#define FV_MAX_ATTRIBUTES    256      /* of one node or function; opset imports of a model */
#define FV_MAX_MESSAGE_DEPTH 200      /* nested messages of a model file: three a graph */
#define FV_MAX_TUNED         16384    /* kernels that a tuning file speaks of */
#define FV_MAX_STRUCTURE     (1u << 30) /* bytes of a model without its tensors */
#define FV_MAX_SPARSE_BYTES  (1u << 28) /* of all sparse tensors of a model, made dense */
#define FV_MOST_ROOM                                                                               \
    (1 << 28) /* bytes for rows of turns that a loop may take; more are got as turns are taken */
#define FV_FIXED_WORKSPACE                                                                         \
    (1 << 28)               /* bounds of dims that allow more bytes leave offsets to the run */
#define FV_FOLD_BYTES 65536 /* larger constants are not folded by the interpreter */

#endif
