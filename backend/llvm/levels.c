/* levels.c - code for several targets in one module. Each function has the features of its own
 * target, and is named after it. The entry points choose the highest level that the CPU has:
 *
 *     NAME_run(...)     call run.LEVEL(...) of the level that NAME.level() returns
 *     NAME_model()      the table of that level, whose functions need no further choice
 *     NAME_targets      a text: the targets of all levels, the lowest first, with commas
 *
 * The lowest level checks the CPU before each run, as code for one target does. */
#include "backend/consumer/levels.h"
#include "backend/llvm/emit.h"

enum { MOST_ARGUMENTS = 7 }; /* number of arguments of a run, which has more than a plan */

/* Opens a function that callers see, which continues in the block of the level of this CPU. */
static void open_choice(fv_ll_fn *f, fv_ll_module *m, LLVMValueRef fn, LLVMValueRef level,
                        LLVMBasicBlockRef *blocks) {
    fv_ll_begin(f, m, fn);
    for (int i = 0; i < m->levels.n; i++)
        blocks[i] = fv_ll_block(f, m->levels.all[i]->target->name);
    LLVMValueRef number = LLVMBuildCall2(f->b, LLVMGlobalGetValueType(level), level, NULL, 0, "");
    for (int i = 1; i < m->levels.n; i++) {
        LLVMBasicBlockRef other = i + 1 < m->levels.n ? fv_ll_block(f, "other") : blocks[0];
        LLVMValueRef is =
            LLVMBuildICmp(f->b, LLVMIntEQ, number, LLVMConstInt(m->types.i32, (unsigned)i, 0), "");
        fv_ll_branch(f, is, blocks[i], other);
        fv_ll_at(f, other);
    }
}

/* Emits NAME_run or NAME_plan, which passes its arguments to that function of a level. */
static void emit_forward(fv_ll_module *m, const char *name, LLVMValueRef level,
                         LLVMValueRef const *of) {
    LLVMTypeRef type = LLVMGlobalGetValueType(of[0]);
    LLVMValueRef fn = fv_ll_function(m, name, type, FV_LL_EXPORTED, true);
    LLVMBasicBlockRef blocks[FV_MAX_LEVELS];
    LLVMValueRef args[MOST_ARGUMENTS];
    fv_ll_fn f;
    open_choice(&f, m, fn, level, blocks);
    LLVMGetParams(fn, args);
    for (int i = 0; i < m->levels.n; i++) {
        fv_ll_at(&f, blocks[i]);
        LLVMValueRef call = LLVMBuildCall2(f.b, type, of[i], args, LLVMCountParams(fn), "");
        LLVMSetTailCall(call, 1);
        LLVMBuildRet(f.b, call);
    }
    fv_ll_finish(&f);
}

static void emit_model(fv_ll_module *m, LLVMValueRef level, LLVMValueRef const *tables) {
    LLVMValueRef fn =
        fv_ll_function(m, fv_printf(m->arena, "%s_model", m->program->name),
                       LLVMFunctionType(m->types.ptr, NULL, 0, 0), FV_LL_EXPORTED, true);
    LLVMBasicBlockRef blocks[FV_MAX_LEVELS];
    fv_ll_fn f;
    open_choice(&f, m, fn, level, blocks);
    for (int i = 0; i < m->levels.n; i++) {
        fv_ll_at(&f, blocks[i]);
        LLVMBuildRet(f.b, tables[i]);
    }
    fv_ll_finish(&f);
}

static void emit_targets(fv_ll_module *m) {
    fv_text t = {.arena = m->arena};
    for (int i = 0; i < m->levels.n; i++)
        fv_text_printf(&t, "%s%s", i ? "," : "", m->levels.all[i]->target->entry);
    LLVMValueRef value = LLVMConstStringInContext(m->context, t.s, (unsigned)t.n, 0);
    LLVMValueRef g = LLVMAddGlobal(m->module, LLVMTypeOf(value),
                                   fv_printf(m->arena, "%s_targets", m->program->name));
    LLVMSetInitializer(g, value);
    LLVMSetGlobalConstant(g, 1);
}

/* Makes a level the one whose functions are emitted. */
static void enter_level(fv_ll_module *m, int i) {
    const fv_program *p = m->levels.all[i];
    m->levels.now = i;
    m->program = p;
    m->target = p->target;
    size_t *offset = FV_NEW(m->arena, size_t, p->memory.nconstants + 1);
    for (int k = 0; k < p->memory.nconstants; k++)
        offset[k] = fv_weights_at(m->levels.whole, fv_level_constant(m->levels.whole, p, k));
    m->weights.offset = offset;
}

bool fv_ll_levels_emit(fv_ll_module *m) {
    size_t *offset = m->weights.offset;
    LLVMValueRef plan[FV_MAX_LEVELS], run[FV_MAX_LEVELS], table[FV_MAX_LEVELS];
    const char *name = m->program->name;
    for (int i = 0; i < m->levels.n; i++) {
        enter_level(m, i);
        fv_ll_kernels(m);
        fv_ll_entry e = fv_ll_entry_points(m);
        plan[i] = e.plan;
        run[i] = e.run;
        table[i] = e.table;
    }
    m->program = m->levels.whole;
    m->target = m->program->target;
    m->weights.offset = offset;
    LLVMValueRef level = fv_ll_cpu_level(m);
    emit_forward(m, fv_printf(m->arena, "%s_plan", name), level, plan);
    emit_forward(m, fv_printf(m->arena, "%s_run", name), level, run);
    emit_model(m, level, table);
    emit_targets(m);
    return fv_ll_verify(m);
}
