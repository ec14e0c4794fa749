/* limits.h - bounds on what a model or a text may contain, in one place. */
#ifndef FV_IR_LIMITS_H
#define FV_IR_LIMITS_H

#define FV_MAX_RANK 16        /* of a tensor */
#define FV_MAX_OPERANDS 65536 /* of one op */
#define FV_MAX_ELEMS 256      /* elements of an integer tensor that are tracked symbolically */
#define FV_MAX_DEPTH 64       /* nested regions, functions, parentheses, sequence types */
#define FV_MAX_NODES 10000000 /* of a model */
#define FV_FOLD_BYTES 65536   /* larger constants are not folded by the interpreter */

#endif
