/* table.c - the table of a model (fv_model) as constant data, and the function that returns it. */
#include <llvm-c/Target.h>
#include <string.h>

#include "backend/llvm/emit.h"

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
    return LLVMConstInt(m->i32, (unsigned long long)value, 1);
}

/* An array of n values of that type; NULL where there are none. */
static LLVMValueRef list(fv_ll_module *m, LLVMTypeRef type, LLVMValueRef *values, int n) {
    if (n == 0)
        return LLVMConstNull(m->ptr);
    return data(m, LLVMConstArray(type, values, (unsigned)n), "list");
}

static LLVMValueRef ports(fv_ll_module *m, const fv_port_info *info, int n) {
    LLVMTypeRef fields[] = {m->ptr, m->i32, m->i32, m->ptr, m->i32, m->i32, m->i32};
    enum { N = sizeof fields / sizeof *fields };
    LLVMTypeRef type = LLVMStructTypeInContext(m->context, fields, N, 0);
    LLVMValueRef *all = FV_NEW(m->arena, LLVMValueRef, n);
    for (int i = 0; i < n; i++) {
        LLVMValueRef *dims = FV_NEW(m->arena, LLVMValueRef, info[i].rank);
        for (int d = 0; d < info[i].rank; d++)
            dims[d] = text(m, info[i].dims[d]);
        LLVMValueRef name = text(m, info[i].name);
        LLVMValueRef values[N] = {name,
                                 number(m, info[i].type),
                                 number(m, info[i].rank),
                                 list(m, m->ptr, dims, info[i].rank),
                                 number(m, info[i].depends_on_data),
                                 number(m, info[i].state_of),
                                 number(m, info[i].in_place)};
        all[i] = LLVMConstStructInContext(m->context, values, N, 0);
    }
    return list(m, type, all, n);
}

static LLVMValueRef symbols(fv_ll_module *m, const fv_symbol_info *info, int n) {
    LLVMTypeRef fields[] = {m->ptr, m->i64, m->i64};
    LLVMTypeRef type = LLVMStructTypeInContext(m->context, fields, 3, 0);
    LLVMValueRef *all = FV_NEW(m->arena, LLVMValueRef, n);
    for (int i = 0; i < n; i++) {
        LLVMValueRef values[] = {text(m, info[i].name), fv_ll_int(m, info[i].lo),
                                 fv_ll_int(m, info[i].hi)};
        all[i] = LLVMConstStructInContext(m->context, values, 3, 0);
    }
    return list(m, type, all, n);
}

static LLVMValueRef launches(fv_ll_module *m, const fv_launch_info *info, int n) {
    LLVMTypeRef fields[] = {m->ptr, m->ptr, m->ptr};
    LLVMTypeRef type = LLVMStructTypeInContext(m->context, fields, 3, 0);
    LLVMValueRef *all = FV_NEW(m->arena, LLVMValueRef, n);
    for (int i = 0; i < n; i++) {
        LLVMValueRef values[] = {text(m, info[i].kernel), text(m, info[i].nodes), text(m, info[i].indexes)};
        all[i] = LLVMConstStructInContext(m->context, values, 3, 0);
    }
    return list(m, type, all, n);
}

static LLVMValueRef relations(fv_ll_module *m, const fv_relation_info *info, int n) {
    LLVMTypeRef fields[] = {m->ptr, m->ptr, m->ptr};
    LLVMTypeRef type = LLVMStructTypeInContext(m->context, fields, 3, 0);
    LLVMValueRef *all = FV_NEW(m->arena, LLVMValueRef, n);
    for (int i = 0; i < n; i++) {
        LLVMValueRef values[] = {text(m, info[i].left), text(m, info[i].right), text(m, info[i].why)};
        all[i] = LLVMConstStructInContext(m->context, values, 3, 0);
    }
    return list(m, type, all, n);
}

static LLVMValueRef table(fv_ll_module *m, const fv_model *t, LLVMValueRef plan, LLVMValueRef run) {
    LLVMTypeRef fields[] = {m->i32, m->i32, m->ptr, m->ptr, m->ptr, m->ptr, m->i32, m->i32,
                            m->i32, m->i32, m->ptr, m->ptr, m->ptr, m->ptr, m->ptr,
                            m->i32, m->ptr, m->ptr, m->i32, m->ptr, m->i64};
    enum { N = sizeof fields / sizeof *fields };
    LLVMTypeRef type = LLVMStructTypeInContext(m->context, fields, N, 0);
    LLVMValueRef v[N] = {number(m, t->abi)};
    v[1] = number(m, (int64_t)LLVMABISizeOfType(LLVMGetModuleDataLayout(m->module), type));
    const char *texts[] = {t->name, t->target, t->source_hash, t->producer};
    for (int i = 0; i < 4; i++)
        v[2 + i] = text(m, texts[i]);
    const int32_t numbers[] = {t->nsymbols, t->ninputs, t->noutputs, t->uses_allocator};
    for (int i = 0; i < 4; i++)
        v[6 + i] = number(m, numbers[i]);
    v[10] = symbols(m, t->symbols, t->nsymbols);
    v[11] = ports(m, t->inputs, t->ninputs);
    v[12] = ports(m, t->outputs, t->noutputs);
    v[13] = plan;
    v[14] = run;
    v[15] = number(m, t->nlaunches);
    v[16] = launches(m, t->launches, t->nlaunches);
    v[17] = t->weights_file ? text(m, t->weights_file) : LLVMConstNull(m->ptr);
    v[18] = number(m, t->nrelations);
    v[19] = relations(m, t->relations, t->nrelations);
    v[20] = fv_ll_int(m, (int64_t)t->checksum);
    return data(m, LLVMConstStructInContext(m->context, v, N, 0), "model");
}

/* const fv_model *NAME_model(void) */
void fv_ll_table(fv_ll_module *m, LLVMValueRef plan, LLVMValueRef run) {
    const fv_program *p = m->program;
    LLVMValueRef t = table(m, fv_program_model(m->arena, p, m->weights_file), plan, run);
    LLVMValueRef fn = fv_ll_function(m, fv_printf(m->arena, "%s_model", p->name),
                                     LLVMFunctionType(m->ptr, NULL, 0, 0), FV_LL_EXPORTED, true);
    fv_ll_fn f;
    fv_ll_begin(&f, m, fn);
    LLVMBuildRet(f.b, t);
    fv_ll_finish(&f);
}
