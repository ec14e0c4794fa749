/* table.c - emits the table of a model (fv_model) as constant data, and the function that returns
 * it. */
#include <string.h>

#include "backend/llvm/emit.h"
#include "runtime/table_members.h"

static LLVMValueRef data(fv_ll_module *m, LLVMValueRef value, const char *name) {
    LLVMValueRef g = LLVMAddGlobal(m->module, LLVMTypeOf(value), name);
    LLVMSetInitializer(g, value);
    LLVMSetLinkage(g, LLVMPrivateLinkage);
    LLVMSetGlobalConstant(g, 1);
    LLVMSetUnnamedAddress(g, LLVMGlobalUnnamedAddr);
    return g;
}

static LLVMValueRef text(fv_ll_module *m, const char *s) {
    if (!s)
        s = "";
    return data(m, LLVMConstStringInContext(m->context, s, (unsigned)strlen(s), 0), "text");
}

static LLVMValueRef number(fv_ll_module *m, int64_t value) {
    return LLVMConstInt(m->types.i32, (unsigned long long)value, 1);
}

/* An array of n values of one type; NULL if n is 0. */
static LLVMValueRef list(fv_ll_module *m, LLVMValueRef *values, int n) {
    if (n == 0)
        return LLVMConstNull(m->types.ptr);
    return data(m, LLVMConstArray(LLVMTypeOf(values[0]), values, (unsigned)n), "list");
}

static LLVMValueRef structure(fv_ll_module *m, const fv_structure *type, const void *s,
                              const LLVMValueRef *code);

static LLVMValueRef texts(fv_ll_module *m, const void *s, const fv_member *x) {
    int n = fv_member_count(s, x);
    LLVMValueRef *all = FV_NEW(m->arena, LLVMValueRef, n);
    for (int i = 0; i < n; i++)
        all[i] = text(m, fv_member_text(s, x, i));
    return list(m, all, n);
}

static LLVMValueRef structures(fv_ll_module *m, const void *s, const fv_member *x) {
    int n = fv_member_count(s, x);
    LLVMValueRef *all = FV_NEW(m->arena, LLVMValueRef, n);
    for (int i = 0; i < n; i++)
        all[i] = structure(m, x->of, fv_member_element(s, x, i), NULL);
    return list(m, all, n);
}

/* The initialiser of a member. code: the next function; advanced when it is used. */
static LLVMValueRef member(fv_ll_module *m, const void *s, const fv_member *x,
                           const LLVMValueRef **code) {
    switch (x->kind) {
    case FV_MEMBER_NUMBER: return number(m, fv_member_number(s, x));
    case FV_MEMBER_WIDE:
    case FV_MEMBER_SUM: return fv_ll_int(m, fv_member_wide(s, x));
    case FV_MEMBER_TEXT: return text(m, fv_member_pointer(s, x));
    case FV_MEMBER_MAYBE:
        return fv_member_pointer(s, x) ? text(m, fv_member_pointer(s, x))
                                       : LLVMConstNull(m->types.ptr);
    case FV_MEMBER_TEXTS: return texts(m, s, x);
    case FV_MEMBER_LIST: return structures(m, s, x);
    case FV_MEMBER_CODE: return *(*code)++;
    case FV_MEMBER_SIZE: break;
    }
    return number(m, 0); /* a value that is set when all members are known */
}

static LLVMValueRef structure(fv_ll_module *m, const fv_structure *type, const void *s,
                              const LLVMValueRef *code) {
    LLVMValueRef *v = FV_NEW(m->arena, LLVMValueRef, type->n);
    for (int i = 0; i < type->n; i++)
        v[i] = member(m, s, &type->members[i], &code);
    LLVMTypeRef whole = LLVMTypeOf(LLVMConstStructInContext(m->context, v, (unsigned)type->n, 0));
    for (int i = 0; i < type->n; i++)
        if (type->members[i].kind == FV_MEMBER_SIZE)
            v[i] = number(m, (int64_t)LLVMABISizeOfType(LLVMGetModuleDataLayout(m->module), whole));
    return LLVMConstStructInContext(m->context, v, (unsigned)type->n, 0);
}

LLVMValueRef fv_ll_table(fv_ll_module *m, LLVMValueRef plan, LLVMValueRef run) {
    const fv_model *model = fv_program_model(m->arena, m->program, m->weights.file);
    return data(m, structure(m, &fv_model_structure, model, (LLVMValueRef[]){plan, run}), "model");
}

/* Emits the function const fv_model *NAME_model(void). */
void fv_ll_model(fv_ll_module *m, LLVMValueRef table) {
    LLVMValueRef fn =
        fv_ll_function(m, fv_printf(m->arena, "%s_model", m->program->name),
                       LLVMFunctionType(m->types.ptr, NULL, 0, 0), FV_LL_EXPORTED, true);
    fv_ll_fn f;
    fv_ll_begin(&f, m, fn);
    LLVMBuildRet(f.b, table);
    fv_ll_finish(&f);
}
