/* jit.c - code in memory: an object that is passed to ORC instead of being written to a file.
 *
 * Constants are used at their addresses in memory; small ones with insufficient alignment are
 * copied once. The object refers to them through a table of addresses, which is set after loading,
 * so that the object can be stored and loaded again when the constants have other addresses.
 *
 * The contents of large constants are made last (ir/kernel/constant.h): at that time the memory
 * that LLVM needed for its work is free again. */
#include <stdlib.h>
#include <string.h>

#include "backend/library/library.h"
#include "backend/llvm/emit.h"
#include "ir/base/clock.h"
#include "ir/base/heap.h"
#include "ir/base/mapping.h"

struct fv_jit {
    LLVMOrcLLJITRef jit;
    const fv_model *model;
    void **copies; /* copies of constants; NULL: the constant is used at its own address */
    int ncopies;
    void *object; /* the object, if the JIT owns it; NULL: the caller does */
    size_t object_bytes;
    fv_jit_times times;
};

const fv_model *fv_jit_model(const fv_jit *j) {
    return j->model;
}

const void *fv_jit_object(const fv_jit *j, size_t *bytes) {
    *bytes = j->object_bytes;
    return j->object;
}

fv_jit_times fv_jit_times_of(const fv_jit *j) {
    return j->times;
}

void fv_jit_free(fv_jit *j) {
    if (!j)
        return;
    if (j->jit)
        LLVMConsumeError(LLVMOrcDisposeLLJIT(j->jit));
    for (int i = 0; i < j->ncopies; i++)
        free(j->copies[i]);
    free(j->copies);
    free(j->object);
    free(j);
}

/* ---- constants ---- */

/* The address of a constant. Small constants are copied to an aligned address, where vectors of
 * them do not cross cache lines, and out of mapped files, where the system may map 2 MB for
 * each. */
static const void *copy_constant(fv_session *s, const fv_constant *c, void **copy) {
    const void *data = fv_constant_data(c);
    bool fits = (uintptr_t)data % FV_BUFFER_ALIGN == 0 && !fv_mapping_of(s, data);
    if (c->bytes == 0 || c->bytes >= FV_LARGE_CONSTANT || fits)
        return data;
    size_t bytes;
    if (!fv_add_size(c->bytes, FV_BUFFER_ALIGN, &bytes))
        fv_out_of_memory(s);
    *copy = aligned_alloc(FV_BUFFER_ALIGN, bytes & ~(size_t)(FV_BUFFER_ALIGN - 1));
    if (!*copy)
        fv_out_of_memory(s);
    memcpy(*copy, data, c->bytes);
    return *copy;
}

/* Gives the pages of the files back that contain constants, as those from which small constants
 * were copied. */
static void drop_files(fv_session *s, const fv_program *p) {
    const fv_mapping *last = NULL;
    for (int i = 0; i < p->memory.nconstants; i++) {
        const fv_constant *c = &p->memory.constants[i];
        const fv_mapping *m =
            fv_constant_is_pending(c) ? NULL : fv_mapping_of(s, fv_constant_data(c));
        if (m && m != last)
            fv_mapping_drop_file(last = m);
    }
}

static const void **place_constants(fv_jit *j, fv_session *s, fv_arena *a, const fv_program *p) {
    const void **at = FV_NEW(a, const void *, p->memory.nconstants + 1);
    j->copies = calloc((size_t)p->memory.nconstants + 1, sizeof *j->copies);
    if (!j->copies)
        fv_out_of_memory(s);
    j->ncopies = p->memory.nconstants;
    for (int i = 0; i < p->memory.nconstants; i++)
        at[i] = copy_constant(s, &p->memory.constants[i], &j->copies[i]);
    drop_files(s, p);
    return at;
}

/* ---- ORC ---- */

static bool jit_error(fv_session *s, const char *name, LLVMErrorRef error) {
    if (!error)
        return true;
    char *text = LLVMGetErrorMessage(error);
    fv_error(s, "program %s: the code cannot be loaded: %s", name, text);
    LLVMDisposeErrorMessage(text);
    return false;
}

/* Finds the address of the symbol "NAME_what". */
static bool look_up(fv_jit *j, fv_session *s, fv_arena *a, const char *name, const char *what,
                    uintptr_t *at) {
    LLVMOrcExecutorAddress found = 0;
    const char *symbol = fv_printf(a, "%s_%s", name, what);
    bool ok = jit_error(s, name, LLVMOrcLLJITLookup(j->jit, &found, symbol));
    *at = (uintptr_t)found;
    return ok;
}

static bool make_lljit(fv_jit *j, fv_session *s, const char *name) {
    fv_llvm_prepare_native();
    LLVMErrorRef error = LLVMOrcCreateLLJIT(&j->jit, LLVMOrcCreateLLJITBuilder());
    if (error)
        j->jit = NULL;
    return jit_error(s, name, error);
}

/* Defines the library functions that kernels may call. */
static bool define_library(fv_jit *j, fv_session *s, fv_arena *a, const char *name) {
    LLVMOrcCSymbolMapPair pairs[FV_LIBRARY_FNS];
    size_t n = 0;
    for (int i = 0; i < FV_LIBRARY_FNS; i++) {
        const fv_library_fn *fn = fv_library_fn_of((fv_library_id)i);
        fv_library_call call = fv_library_look(fn);
        LLVMJITEvaluatedSymbol at = {
            (LLVMOrcExecutorAddress)(uintptr_t)call,
            {LLVMJITSymbolGenericFlagsExported | LLVMJITSymbolGenericFlagsCallable, 0}};
        if (call)
            pairs[n++] = (LLVMOrcCSymbolMapPair){
                LLVMOrcLLJITMangleAndIntern(j->jit, fv_library_symbol(a, fn)), at};
    }
    LLVMOrcJITDylibRef lib = LLVMOrcLLJITGetMainJITDylib(j->jit);
    return !n || jit_error(s, name, LLVMOrcJITDylibDefine(lib, LLVMOrcAbsoluteSymbols(pairs, n)));
}

/* ---- objects in a row: of each its size, then its bytes, up to a multiple of 8 ---- */

typedef uint64_t object_size;

static size_t padded(size_t n) {
    return (n + sizeof(object_size) - 1) / sizeof(object_size) * sizeof(object_size);
}

static void keep_objects(fv_jit *j, fv_session *s, const fv_ll_parts *ps) {
    for (int i = 0; i < ps->n; i++)
        j->object_bytes += sizeof(object_size) + padded(LLVMGetBufferSize(ps->object[i]));
    char *at = j->object = calloc(1, j->object_bytes);
    if (!at)
        fv_out_of_memory(s);
    for (int i = 0; i < ps->n; i++) {
        object_size n = LLVMGetBufferSize(ps->object[i]);
        memcpy(at, &n, sizeof n);
        memcpy(at + sizeof n, LLVMGetBufferStart(ps->object[i]), n);
        at += sizeof n + padded(n);
    }
}

static bool add_objects(fv_jit *j, fv_session *s, const char *name, const char *objects,
                        size_t bytes) {
    LLVMOrcJITDylibRef lib = LLVMOrcLLJITGetMainJITDylib(j->jit);
    for (const char *at = objects; at < objects + bytes;) {
        object_size n;
        memcpy(&n, at, sizeof n);
        LLVMMemoryBufferRef copy =
            LLVMCreateMemoryBufferWithMemoryRangeCopy(at + sizeof n, n, name);
        if (!jit_error(s, name, LLVMOrcLLJITAddObjectFile(j->jit, lib, copy)))
            return false;
        at += sizeof n + padded(n);
    }
    return true;
}

/* Loads the objects. *table: the address of the table with the addresses of the constants, which
 * must be set before the code runs; NULL: there are no constants. */
static bool load(fv_jit *j, fv_session *s, fv_arena *a, const char *name, const void *objects,
                 size_t bytes, int nconstants, void **table) {
    uintptr_t model, constants = 0;
    if (!make_lljit(j, s, name) || !define_library(j, s, a, name) ||
        !add_objects(j, s, name, objects, bytes) || !look_up(j, s, a, name, "model", &model) ||
        (nconstants && !look_up(j, s, a, name, "constants", &constants)))
        return false;
    *table = (void *)constants;
    j->model = ((const fv_model *(*)(void))model)();
    return true;
}

/* Sets the table to the addresses of the constants. */
static void set_constants(void *table, const void *const *constants, int n) {
    if (n)
        memcpy(table, constants, (size_t)n * sizeof *constants);
}

/* ---- making one ---- */

static bool compile(fv_jit *j, fv_ll_parts *ps, fv_session *s, const fv_program *p,
                    const fv_llvm_options *o, fv_arena *scratch) {
    struct timespec mark = {0};
    void *table;
    fv_lap(&mark);
    if (!fv_ll_parts_emit(ps, s, p, o))
        return false;
    drop_files(s, p); /* what was read of small constants */
    j->times.parts = ps->n;
    j->times.emit = fv_lap(&mark);
    if (!fv_ll_parts_compile(ps))
        return false;
    j->times.code = fv_lap(&mark);
    keep_objects(j, s, ps);
    const int n = p->memory.nconstants;
    if (!load(j, s, scratch, p->name, j->object, j->object_bytes, n, &table))
        return false;
    fv_ll_parts_close(ps);
    fv_heap_trim(s);
    fv_llvm_release_pages();
    j->times.load = fv_lap(&mark);
    set_constants(table, place_constants(j, s, scratch, p), n);
    j->times.weights = fv_lap(&mark);
    return true;
}

static fv_jit *new_jit(fv_session *s) {
    fv_jit *j = calloc(1, sizeof *j);
    if (!j)
        fv_out_of_memory(s);
    return j;
}

static fv_jit *only_if(bool ok, fv_jit *j) {
    if (ok)
        return j;
    fv_jit_free(j);
    return NULL;
}

fv_jit *fv_jit_new(fv_session *s, const fv_program *p, const fv_llvm_options *o) {
    if (!fv_target_runs_here(p->target)) {
        fv_error(s, "this machine cannot run code for %s; choose --target=native", p->target->name);
        return NULL;
    }
    if (!fv_library_has(s, p) || !fv_llvm_load(s))
        return NULL;
    fv_jit *volatile j = new_jit(s);
    fv_ll_parts parts = {0};
    fv_door door;
    if (FV_DOOR_OPEN(s, &door)) {
        fv_ll_parts_close(&parts);
        fv_jit_free(j);
        fv_out_of_memory(s);
    }
    fv_arena *scratch = fv_arena_new(s);
    bool ok = compile(j, &parts, s, p, o, scratch);
    fv_door_close(s, &door);
    fv_ll_parts_close(&parts);
    fv_arena_free(scratch);
    fv_llvm_release_pages();
    return only_if(ok, j);
}

fv_jit *fv_jit_load(fv_session *s, const char *name, const void *object, size_t bytes,
                    const void *const *constants, int nconstants) {
    if (!fv_llvm_load(s))
        return NULL;
    fv_jit *volatile j = new_jit(s);
    fv_door door;
    if (FV_DOOR_OPEN(s, &door)) {
        fv_jit_free(j);
        fv_out_of_memory(s);
    }
    struct timespec mark = {0};
    fv_lap(&mark);
    fv_arena *scratch = fv_arena_new(s);
    void *table = NULL;
    bool ok = load(j, s, scratch, name, object, bytes, nconstants, &table);
    if (ok)
        set_constants(table, constants, nconstants);
    ((fv_jit *)j)->times.load = fv_lap(&mark);
    fv_door_close(s, &door);
    fv_arena_free(scratch);
    fv_llvm_release_pages();
    return only_if(ok, j);
}
