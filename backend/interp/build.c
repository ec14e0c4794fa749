/* build.c - registers, constants and jumps of bytecode; used by build_expr.c and build_stmt.c,
 * which translate expressions and statements. */
#include "backend/interp/build.h"

#include <stdio.h>
#include <string.h>

#include "ir/base/diag.h"

/* Marks the register of a constant, whose final position is set when the code is complete. */
#define CONSTANT 0x80000000u

void fv_i_build_init(build *b, fv_arena *a, const char *name) {
    *b = (build){.arena = a,
                 .name = name,
                 .at.vars = fv_ptrmap_in(a),
                 .at.lets = fv_ptrmap_in(a),
                 .at.bufs = fv_ptrmap_in(a),
                 .at.extents = fv_ptrmap_in(a)};
}

void fv_i_fail(build *b, const char *format, ...) {
    if (b->failed)
        return;
    b->failed = true;
    char what[300];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    fv_error(fv_arena_session(b->arena), "internal error: interpreter: %s: %s", b->name, what);
}

uint32_t fv_i_reg_bytes(build *b, uint32_t bytes, uint32_t align) {
    uint32_t at = (b->top + align - 1) / align * align;
    if (bytes > CONSTANT / 2 - at) {
        fv_i_fail(b, "more than a gigabyte of tiles");
        return 0;
    }
    b->top = at + bytes;
    if (b->top > b->peak)
        b->peak = b->top;
    return at;
}

uint32_t fv_i_reg(build *b, fv_ktype type) {
    uint32_t bytes = (uint32_t)fv_elem_storage_bytes((fv_elem)type.elem) * type.lanes;
    return fv_i_reg_bytes(b, bytes, type.lanes > 1 ? 16 : 8);
}

uint32_t fv_i_const(build *b, const void *value, uint32_t bytes) {
    for (int at = 0; at + (int)bytes <= b->image.n; at += 8)
        if (memcmp(b->image.bytes + at, value, bytes) == 0)
            return (uint32_t)at | CONSTANT;
    int at = b->image.n;
    for (uint32_t i = 0; i < (bytes + 7) / 8 * 8; i++)
        FV_PUSH(b->arena, b->image.bytes, b->image.n, b->image.cap,
                i < bytes ? ((const unsigned char *)value)[i] : 0);
    return (uint32_t)at | CONSTANT;
}

uint32_t fv_i_const_int(build *b, int64_t value) {
    return fv_i_const(b, &value, sizeof value);
}

/* Sets the register of a variable. The map has registers plus one, so that register 0 is not
 * NULL. */
void fv_i_set_var(build *b, const fv_var *v, uint32_t at) {
    *fv_ptrmap_at(&b->at.vars, v) = (void *)((uintptr_t)at + 1);
}

uint32_t fv_i_var(build *b, const fv_var *v) {
    uintptr_t at = (uintptr_t)fv_ptrmap_get(&b->at.vars, v);
    if (!at)
        fv_i_fail(b, "variable '%s' is used where it has no value", v->name);
    return at ? (uint32_t)(at - 1) : 0;
}

int fv_i_new_slot(build *b, const fv_buf *buf) {
    *fv_ptrmap_at(&b->at.bufs, buf) = (void *)((uintptr_t)b->nslots + 1);
    return b->nslots++;
}

int fv_i_slot(build *b, const fv_buf *buf) {
    uintptr_t at = (uintptr_t)fv_ptrmap_get(&b->at.bufs, buf);
    if (!at)
        fv_i_fail(b, "buffer '%s' is used where it does not exist", buf->name);
    return at ? (int)(at - 1) : 0;
}

insn *fv_i_emit(build *b, insn_fn fn) {
    FV_PUSH(b->arena, b->insns, b->n, b->cap, (insn){.fn = fn});
    return &b->insns[b->n - 1];
}

void fv_i_aim(build *b, int jump, int target) {
    b->insns[jump].u.imm = target;
}

static bool is_jump(insn_fn fn) {
    return fn == fv_i_jump || fn == fv_i_jump_if_not || fn == fv_i_enter || fn == fv_i_next ||
           fn == fv_i_require;
}

static void settle(uint32_t *at, uint32_t image_at) {
    if (*at & CONSTANT)
        *at = (*at & ~CONSTANT) + image_at;
}

static void settle_access(const access *m, uint32_t image_at) {
    for (int i = 0; i < m->rank; i++) {
        settle(&m->index[i], image_at);
        settle(&m->extent[i], image_at);
    }
}

void fv_i_finish(build *b, bytecode *c, int task) {
    uint32_t image_at = (b->peak + 63) / 64 * 64;
    for (int i = 0; i < b->n; i++) {
        insn *in = &b->insns[i];
        settle(&in->d, image_at);
        settle(&in->a, image_at);
        settle(&in->b, image_at);
        settle(&in->c, image_at);
        if (in->is_access)
            settle_access(in->u.access, image_at);
        if (is_jump(in->fn))
            in->u.to = &b->insns[in->u.imm];
    }
    for (int i = 0; i < c->nparams; i++)
        for (int k = 0; k < c->params[i].rank; k++)
            settle(&c->params[i].extent[k], image_at);
    settle(&c->tasks_at, image_at);
    c->name = b->name;
    c->by_hand = b->by_hand;
    c->insns = b->insns;
    c->ninsns = b->n;
    c->task = b->insns + task;
    c->file.image = b->image.bytes;
    c->file.image_at = image_at;
    c->file.image_bytes = (size_t)b->image.n;
    c->file.bytes = image_at + (size_t)b->image.n;
    c->nslots = b->nslots;
    c->tiles = b->tiles.all;
    c->ntiles = b->tiles.n;
}
