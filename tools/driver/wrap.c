/* wrap.c - makes a program of a single kernel: buffers that it reads become inputs, those that it
 * writes become outputs, and its dims become symbols. The program is written as text and parsed.
 *
 *   kernel add(A: f32[n], B: f32[n], out C: f32[n]; n) { ... }
 *
 * A parameter that is both read and written is an input NAME and an output NAME: an additional
 * kernel first copies the input to the output. */
#include <string.h>

#include "backend/c/names.h"
#include "driver.h"
#include "ir/base/limits.h"
#include "ir/kernel/parse.h"
#include "ir/kernel/print.h"
#include "ir/kernel/verify.h"

static void put_type(fv_text *t, const fv_buf *b) {
    fv_text_printf(t, "%s[", fv_elem_name(b->elem));
    for (int i = 0; i < b->rank; i++) {
        fv_text_put(t, i ? ", " : "");
        fv_expr_print(t, b->extent[i]);
    }
    fv_text_put(t, "]");
}

static void put_extents(fv_text *t, const fv_buf *b) {
    fv_text_put(t, " extents [");
    for (int i = 0; i < b->rank; i++) {
        fv_text_put(t, i ? ", " : "");
        fv_expr_print(t, b->extent[i]);
    }
    fv_text_put(t, "]\n");
}

static const char *port_name(fv_arena *a, const fv_buf *b, bool output) {
    bool both = b->role == FV_BUF_INOUT;
    return both && output ? fv_printf(a, "%s_out", b->name) : b->name;
}

static void put_buffer(fv_text *t, const fv_buf *b, bool output, int index) {
    fv_text_put(t, "buffer ");
    fv_text_name(t, port_name(t->arena, b, output));
    fv_text_put(t, ": ");
    put_type(t, b);
    fv_text_printf(t, " %s %d\n", output ? "output" : "input", index);
}

/* The name of a parameter, or a new name if it is not valid in C, as `w.panels`. */
static const char *safe_name(fv_arena *a, const char *name, int index) {
    return fv_c_name_is_fit(name) ? name : fv_printf(a, "parameter_%d", index);
}

static void put_port(fv_text *t, const fv_buf *b, bool output, int index) {
    const char *name = port_name(t->arena, b, output);
    fv_text_put(t, output ? "output " : "input ");
    fv_text_name(t, name);
    fv_text_put(t, " = ");
    fv_text_string(t, b->name, strlen(b->name));
    fv_text_printf(t, " as %s: ", safe_name(t->arena, name, index));
    put_type(t, b);
    put_extents(t, b);
}

static bool is_port(const fv_buf *b, bool output) {
    return b->role == FV_BUF_INOUT || b->role == (output ? FV_BUF_OUT : FV_BUF_IN);
}

static void put_dim(fv_text *t, const char *before, const fv_var *dim) {
    fv_text_put(t, before);
    fv_text_name(t, dim->name);
}

static void put_dims(fv_text *t, const fv_kernel *k) {
    for (int i = 0; i < k->ndims; i++)
        put_dim(t, i ? ", " : "; ", k->dims[i]);
}

static const char *copy_name(fv_arena *a, const fv_buf *b) {
    return fv_printf(a, "copy_to_%s", b->name);
}

/* Writes kernel copy_to_X(from: T, out to: T; dims) { for axis0 < e0 { .. } }, with to[..] =
 * from[..] in the loops. */
static void put_copy(fv_text *t, const fv_kernel *k, const fv_buf *b) {
    fv_text index = {.arena = t->arena};
    fv_text_put(t, "kernel ");
    fv_text_name(t, copy_name(t->arena, b));
    fv_text_put(t, "(from: ");
    put_type(t, b);
    fv_text_put(t, ", out to: ");
    put_type(t, b);
    put_dims(t, k);
    fv_text_put(t, ") {\n");
    for (int i = 0; i < b->rank; i++) {
        fv_text_printf(t, "for axis%d < ", i);
        fv_expr_print(t, b->extent[i]);
        fv_text_put(t, " {\n");
        fv_text_printf(&index, "%saxis%d", i ? ", " : "", i);
    }
    fv_text_printf(t, "to[%s] = from[%s]\n", b->rank ? index.s : "", b->rank ? index.s : "");
    for (int i = 0; i <= b->rank; i++)
        fv_text_put(t, "}\n");
}

static void put_run(fv_text *t, const fv_kernel *k) {
    fv_text_put(t, "run {\n");
    for (int i = 0; i < k->nbufs; i++)
        if (k->bufs[i]->role == FV_BUF_INOUT) {
            fv_text_put(t, "launch ");
            fv_text_name(t, copy_name(t->arena, k->bufs[i]));
            fv_text_put(t, "(");
            fv_text_name(t, port_name(t->arena, k->bufs[i], false));
            fv_text_put(t, ", ");
            fv_text_name(t, port_name(t->arena, k->bufs[i], true));
            put_dims(t, k);
            fv_text_put(t, ")\n");
        }
    fv_text_put(t, "launch ");
    fv_text_name(t, k->name);
    fv_text_put(t, "(");
    for (int i = 0; i < k->nbufs; i++) {
        fv_text_put(t, i ? ", " : "");
        fv_text_name(t, port_name(t->arena, k->bufs[i], k->bufs[i]->role != FV_BUF_IN));
    }
    put_dims(t, k);
    fv_text_put(t, ")\n}\n");
}

static void put_program(fv_text *t, const fv_kernel *k) {
    fv_text_put(t, "fovea-program 1\nname ");
    fv_text_name(t, k->name);
    fv_text_put(t, "\n");
    for (int i = 0; i < k->ndims; i++) {
        int64_t lo = k->dims[i]->lo < 0 ? 0 : k->dims[i]->lo;
        int64_t hi = k->dims[i]->hi > FV_DIM_MAX ? FV_DIM_MAX : k->dims[i]->hi;
        fv_text_put(t, "symbol ");
        fv_text_name(t, k->dims[i]->name);
        fv_text_printf(t, " in %lld..%lld\n", (long long)lo, (long long)hi);
    }
    fv_text_put(t, "plan {\n}\nworkspace 0\n");
    for (int output = 0; output < 2; output++)
        for (int i = 0, index = 0; i < k->nbufs; i++)
            if (is_port(k->bufs[i], output))
                put_buffer(t, k->bufs[i], output, index++);
    for (int output = 0; output < 2; output++)
        for (int i = 0; i < k->nbufs; i++)
            if (is_port(k->bufs[i], output))
                put_port(t, k->bufs[i], output, i);
    for (int i = 0; i < k->nbufs; i++)
        if (k->bufs[i]->role == FV_BUF_INOUT)
            put_copy(t, k, k->bufs[i]);
    fv_kernel_print(t, k);
    put_run(t, k);
}

fv_program *fv_driver_wrap_kernel(fv_session *s, const char *text, const fv_target *target) {
    fv_arena *a = fv_arena_new(s);
    fv_kernel *k = fv_kernel_parse(a, text);
    if (!k || !fv_kernel_verify(s, k))
        return NULL;
    fv_text t = {.arena = a};
    put_program(&t, k);
    fv_program *p = fv_program_parse(a, t.s, NULL);
    if (p)
        p->target = target;
    return p;
}
