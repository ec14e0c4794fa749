/* parser.h - interface between the files of the parser of kernels and programs. */
#ifndef FV_IR_KERNEL_PARSER_H
#define FV_IR_KERNEL_PARSER_H

#include "ir/kernel/scope.h"
#include "ir/syntax/ast.h"

bool fv_kx_error(fv_kparser *p, const fv_ast *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Builds an expression from its tree. `hint`: the type of literals whose type nothing else
 * determines; 0: none. */
fv_expr *fv_kx_build(fv_kparser *p, const fv_ast *e, fv_elem hint);
fv_buf *fv_kx_buffer(fv_kparser *p, const fv_ast *e);
/* The element of b with the indices and the guard of e. */
fv_expr *fv_kx_element(fv_kparser *p, const fv_ast *e, fv_buf *b);
/* Parses the indices of an element x[...]; *lanes: 8 for x[i, j:8], otherwise 1. */
bool fv_kx_index(fv_kparser *p, const fv_ast *e, const fv_buf *b, fv_expr **index,
                 int *lanes) FV_MUST_USE;
/* Parses and builds an expression; NULL after a diagnostic. `want`: its type; FV_NO_ELEM: any. */
fv_expr *fv_kx_parse(fv_kparser *p, fv_elem want);
/* Parses an element type with lanes: f32, f32x8. */
bool fv_kp_parse_elem(fv_kparser *p, fv_elem *e, int *lanes) FV_MUST_USE;
/* Parses bounds: 0..64. */
bool fv_kp_parse_bounds(fv_kparser *p, int64_t *lo, int64_t *hi) FV_MUST_USE;
/* Parses a list of i64 expressions in brackets, which is allocated in the arena. */
bool fv_kp_parse_extents(fv_kparser *p, int *rank, fv_expr ***out) FV_MUST_USE;
/* Parses a string; NULL after a diagnostic. */
const char *fv_kp_parse_string(fv_kparser *p, const char *what);
bool fv_kp_parse_stmt(fv_kparser *p) FV_MUST_USE;
/* Parses a block with both braces; its statements are appended to the block of p->b. */
bool fv_kp_parse_block(fv_kparser *p) FV_MUST_USE;
/* Parses a block whose names stay in scope after it. */
bool fv_kp_parse_statements(fv_kparser *p) FV_MUST_USE;
/* Parses a statement of host programs; *taken: false if it is not one. */
bool fv_kp_parse_host(fv_kparser *p, bool *taken) FV_MUST_USE;
fv_kernel *fv_kp_parse_kernel(fv_kparser *p);

#endif
