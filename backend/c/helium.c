/* helium.c - see helium.h. */
#include "backend/c/helium.h"

#include "ir/expr/helium.h"

/* @0@ the type of the result, @1@ that of operands, @2@ name, @3@ instruction */
static const char *const values[] = {"static @NAME@_INLINE @0@ @2@(@1@ a) {\n"
                                     "    @0@ r;\n"
                                     "    __asm__(\"@3@\" : \"=w\"(r) : \"w\"(a));\n"
                                     "    return r;\n"
                                     "}\n\n",
                                     "static @NAME@_INLINE @0@ @2@(@1@ a, @1@ b) {\n"
                                     "    @0@ r;\n"
                                     "    __asm__(\"@3@\" : \"=w\"(r) : \"w\"(a), \"w\"(b));\n"
                                     "    return r;\n"
                                     "}\n\n"};
/* @4@ the type of b, @5@ its constraint */
static const char adds[] = "static @NAME@_INLINE @0@ @2@(@1@ a, @4@ b, @0@ c) { /* c + a * b */\n"
                           "    __asm__(\"@3@\" : \"+w\"(c) : \"w\"(a), \"@5@\"(b));\n"
                           "    return c;\n"
                           "}\n\n";
/* @1@ the type of an element */
static const char copies[] = "static @NAME@_INLINE @0@ @2@(@1@ a) {\n"
                             "    @0@ r;\n"
                             "    __asm__(\"@3@\" : \"=w\"(r) : \"r\"(a));\n"
                             "    return r;\n"
                             "}\n\n";
/* @0@ the type of the vector, @1@ that of an element in memory, @4@ that of all of them */
static const char loads[] = "static @NAME@_INLINE @0@ @2@(const @1@ *a) {\n"
                            "    @0@ r;\n"
                            "    __asm__(\"@3@\" : \"=w\"(r) : \"l\"(a), \"m\"(*(const @4@ *)a));\n"
                            "    return r;\n"
                            "}\n\n";
static const char stores[] = "static @NAME@_INLINE void @2@(@1@ *a, @0@ b) {\n"
                             "    __asm__(\"@3@\" : \"=m\"(*(@4@ *)a) : \"w\"(b), \"l\"(a));\n"
                             "}\n\n";

static const char *name_of(fv_cg *g, const fv_helium *row) {
    const char *in = fv_c_vtype(g, row->in, row->lanes), *out = fv_c_vtype(g, row->out, row->lanes),
               *op = fv_expr_op_text(row->op);
    if (row->form == FV_HELIUM_SCALAR)
        return fv_printf(g->arena, "multiply_add_%s", out);
    if (row->form == FV_HELIUM_COPIES)
        return fv_printf(g->arena, "splat_%s", out);
    if (row->op == FV_X_RINT)
        return fv_printf(g->arena, "nearest_%s_%s", out, in);
    if (row->op == FV_X_CONVERT)
        return fv_printf(g->arena, "to_%s_%s", out, in);
    /* operators of C have no text that is a name */
    op = row->op == FV_X_ADD   ? "add"
         : row->op == FV_X_SUB ? "sub"
         : row->op == FV_X_MUL ? "mul"
                               : op;
    return fv_printf(g->arena, "%s_%s", op, out);
}

const char *fv_c_helium_op(fv_cg *g, fv_expr_op op, fv_elem in, fv_elem out, int lanes) {
    const fv_helium *row = fv_has_helium(g->p->target) ? fv_helium_find(op, in, out, lanes) : NULL;
    if (!row)
        return NULL;
    const char *name = name_of(g, row), *result = fv_c_vtype(g, out, lanes),
               *operand = fv_c_vtype(g, in, lanes);
    const bool scalar = row->form == FV_HELIUM_SCALAR;
    if (!fv_c_helper_new(g, name))
        return name;
    fv_text *t = &g->prelude.helpers;
    if (row->form == FV_HELIUM_COPIES)
        fv_c_fill(g, t, copies, result, fv_c_elem(in), name, row->text, NULL);
    else if (row->form == FV_HELIUM_VALUES)
        fv_c_fill(g, t, values[fv_expr_op_info(op)->nargs > 1], result, operand, name, row->text,
                  NULL);
    else
        fv_c_fill(g, t, adds, result, operand, name, row->text, scalar ? fv_c_elem(in) : operand,
                  scalar ? "r" : "w", NULL);
    return name;
}

/* The helper function of a row that loads (stores), which is named after its verb. */
static const char *access(fv_cg *g, fv_helium_form form, fv_elem memory, fv_elem e, int lanes) {
    const bool is_load = form == FV_HELIUM_LOADS;
    const fv_helium *row =
        fv_has_helium(g->p->target)
            ? fv_helium_find_access(form, is_load ? memory : e, is_load ? e : memory, lanes)
            : NULL;
    if (!row)
        return NULL;
    const char *vector = fv_c_vtype(g, e, lanes),
               *name = fv_printf(g->arena, is_load ? "load_%s_%s" : "store_%s_%s", vector,
                                 fv_c_short(memory));
    if (fv_c_helper_new(g, name))
        fv_c_fill(g, &g->prelude.helpers, is_load ? loads : stores, vector, fv_c_elem(memory), name,
                  row->text, fv_c_unaligned(g, memory, lanes), NULL);
    return name;
}

const char *fv_c_helium_load(fv_cg *g, fv_elem memory, fv_elem e, int lanes) {
    return access(g, FV_HELIUM_LOADS, memory, e, lanes);
}

const char *fv_c_helium_store(fv_cg *g, fv_elem memory, fv_elem e, int lanes) {
    return access(g, FV_HELIUM_STORES, memory, e, lanes);
}
