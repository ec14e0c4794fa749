/* func.c - inlines functions of the kernel language. */
#include "ir/kernel/func.h"

#include "ir/expr/rewrite.h"
#include "ir/kernel/copy.h"

fv_expr *fv_kfunc_inline(fv_kbuilder *b, const fv_kfunc *f, fv_expr *const *args) {
    fv_ptrmap map = fv_ptrmap_in(b->arena), memo = fv_ptrmap_in(b->arena);
    for (int i = 0; i < f->nparams; i++)
        *fv_ptrmap_at(&map, f->params[i]) = fv_kb_let(b, f->params[i]->name, args[i]);
    fv_kb_copy(b, &f->body, &map);
    return fv_x_subst(b->arena, f->result, &map, &memo);
}
