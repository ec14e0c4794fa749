/* outline.c - makes a function of an outlined block of a kernel, which can then use all registers.
 * Within the kernel, values of the surrounding code, such as constants of an epilogue, would occupy
 * some, and the innermost loop would spill vectors. */
#include <string.h>

#include "backend/consumer/outline.h"
#include "backend/llvm/emit.h"
#include "ir/kernel/matrix.h"

typedef struct outliner {
    fv_ll_fn *around, inside;
    fv_outline takes;
    /* arguments: buffers, the error word if it is needed, and variables that are not constants */
    LLVMValueRef *args;
    unsigned n;
} outliner;

static LLVMValueRef value_of(const outliner *o, int var) {
    return fv_ptrmap_get(&o->around->vars, o->takes.vars[var]);
}

static void collect_args(outliner *o) {
    fv_ll_fn *f = o->around;
    o->args = FV_NEW(f->m->arena, LLVMValueRef, o->takes.nbufs + o->takes.nvars + 1);
    for (int i = 0; i < o->takes.nbufs; i++)
        o->args[o->n++] = ((const fv_ll_buf *)fv_ptrmap_get(&f->bufs, o->takes.bufs[i]))->ptr;
    if (o->takes.requires_)
        o->args[o->n++] = f->error;
    for (int i = 0; i < o->takes.nvars; i++)
        if (!LLVMIsConstant(value_of(o, i)))
            o->args[o->n++] = value_of(o, i);
}

static LLVMTypeRef type_of(const outliner *o) {
    LLVMTypeRef *types = FV_NEW(o->around->m->arena, LLVMTypeRef, o->n + 1);
    for (unsigned i = 0; i < o->n; i++)
        types[i] = LLVMTypeOf(o->args[i]);
    return LLVMFunctionType(o->around->m->types.none, types, o->n, 0);
}

/* Binds the parameters; variables before buffers, because strides of buffers are computed from
 * variables. */
static void bind_params(outliner *o, LLVMValueRef fn) {
    fv_ll_fn *in = &o->inside;
    unsigned at = (unsigned)o->takes.nbufs;
    if (o->takes.requires_)
        in->error = LLVMGetParam(fn, at++);
    for (int i = 0; i < o->takes.nvars; i++) {
        LLVMValueRef v = value_of(o, i);
        *fv_ptrmap_at(&in->vars, o->takes.vars[i]) = LLVMIsConstant(v) ? v : LLVMGetParam(fn, at++);
    }
    for (int i = 0; i < o->takes.nbufs; i++) {
        const fv_buf *b = o->takes.bufs[i];
        fv_ll_buf_attrs(in->m, fn, (unsigned)i, b);
        fv_ll_add_buf(in, b, LLVMGetParam(fn, (unsigned)i));
    }
}

void fv_ll_outline(fv_ll_fn *f, const fv_stmt *s) {
    fv_ll_module *m = f->m;
    outliner o = {.around = f, .takes = fv_outline_of(m->arena, s)};
    collect_args(&o);
    LLVMTypeRef type = type_of(&o);
    size_t n;
    const char *name = fv_printf(m->arena, "%s.tile", LLVMGetValueName2(f->fn, &n));
    LLVMValueRef fn = fv_ll_function(m, name, type, FV_LL_INTERNAL, false);
    fv_ll_attr(m, fn, (unsigned)LLVMAttributeFunctionIndex, "noinline");
    fv_ll_begin(&o.inside, m, fn);
    bind_params(&o, fn);
    fv_ll_matrix_begin(&o.inside, &s->body);
    fv_ll_stmts(&o.inside, &s->body);
    LLVMBuildRetVoid(o.inside.b);
    fv_ll_finish(&o.inside);
    LLVMBuildCall2(f->b, type, fn, o.args, o.n, "");
    if (fv_matrix_first(&s->body))
        fv_ll_matrix_called(f);
}
