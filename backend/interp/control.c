/* control.c - jumps, loops, and the loop that executes instructions. */
#include <stdio.h>

#include "backend/interp/code.h"

int fv_i_exec(frame *f, const insn *at) {
    while (at)
        at = at->fn(f, at);
    return f->status;
}

const insn *fv_i_end(frame *f, const insn *i) {
    (void)f;
    (void)i;
    return NULL;
}

/* What an iteration of a long body, such as that of an unrolled loop, counts besides 1. */
static int64_t length_of(const insn *next, const insn *body) {
    return next > body ? (next - body) / 64 : 0;
}

const insn *fv_i_jump(frame *f, const insn *i) {
    f->left -= length_of(i, i->u.to); /* fv_i_poll, where a loop begins, counts the iteration */
    return i->u.to;
}

const insn *fv_i_jump_if_not(frame *f, const insn *i) {
    return *AS(reg_u8, f, i->a) ? i + 1 : i->u.to;
}

const insn *fv_i_enter(frame *f, const insn *i) {
    int64_t lo = reg_int(f, i->a);
    *AS(reg_i64, f, i->d) = lo;
    return lo < reg_int(f, i->b) ? i + 1 : i->u.to;
}

static const insn *cancelled(frame *f) {
    f->status = FV_CANCELLED;
    return NULL;
}

/* Since d < b, their difference does not overflow, although d + a might. */
const insn *fv_i_next(frame *f, const insn *i) {
    int64_t at = reg_int(f, i->d), step = reg_int(f, i->a);
    if ((uint64_t)reg_int(f, i->b) - (uint64_t)at <= (uint64_t)step)
        return i + 1;
    *AS(reg_i64, f, i->d) = at + step;
    f->left -= 1 + length_of(i, i->u.to);
    return f->left < 0 ? cancelled(f) : i->u.to;
}

const insn *fv_i_poll(frame *f, const insn *i) {
    bool stop = (f->cancel && *f->cancel) || --f->left < 0;
    return stop ? cancelled(f) : i + 1;
}

const insn *fv_i_require(frame *f, const insn *i) {
    for (uint32_t l = 0; l < i->lanes; l++)
        if (!AS(reg_u8, f, i->a)[l])
            f->required = true;
    return f->required ? i + 1 : i->u.to;
}

/* A launch has checked that the memory of each parameter is large enough for its extents. */
const insn *fv_i_call(frame *f, const insn *i) {
    const call *c = i->u.data;
    void *buffers[FV_LIBRARY_PARAMS];
    int64_t extents[FV_LIBRARY_PARAMS * FV_MAX_RANK];
    const char *why = NULL;
    int none = 0;
    for (int k = 0; k < c->nargs; k++)
        buffers[k] = f->slots[c->slots[k]].base;
    for (int k = 0; k < c->nextents; k++)
        extents[k] = reg_int(f, c->extents[k]);
    f->status = c->function(buffers, extents, &why);
    if (f->status == FV_OK)
        return i + 1;
    if (f->status == FV_INTERNAL)
        return fv_i_fault(f, "%s takes no arguments of these extents", c->name);
    if (f->refused && why && atomic_compare_exchange_strong(&f->refused->taken, &none, 1)) {
        f->refused->why = why;
        f->refused->from = c->from;
        atomic_store(&f->refused->taken, 2);
    }
    return NULL;
}

static void note(fault_text *t, const char *format, va_list args) {
    int none = 0;
    if (!t || !atomic_compare_exchange_strong(&t->taken, &none, 1))
        return;
    vsnprintf(t->text, sizeof t->text, format, args);
    atomic_store(&t->taken, 2);
}

void fv_i_note(fault_text *t, const char *format, ...) {
    va_list args;
    va_start(args, format);
    note(t, format, args);
    va_end(args);
}

const insn *fv_i_fault(frame *f, const char *format, ...) {
    char what[300];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    fv_i_note(f->fault, "%s: %s", f->code->name, what);
    f->status = FV_INTERNAL;
    return NULL;
}
