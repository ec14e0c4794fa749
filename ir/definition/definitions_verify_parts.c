/* definitions_verify_parts.c - what the files of the verifier of definitions share: messages, the
 * memory and the number of elements of a value, and which values are computed so far. */
#include "ir/definition/definitions_verify_parts.h"

#include <stdarg.h>
#include <stdio.h>

#include "ir/definition/view.h"
#include "ir/kernel/printer.h"

int fv_dv_last(const fv_verifier *v, const fv_value *x) {
    const fv_defined *d = fv_ptrmap_get(&v->defined, x);
    return d ? d->last : -1;
}

bool fv_dv_illegal(fv_verifier *v, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    v->errors++;
    return fv_error(v->session, "illegal definition of %%%s: %s", v->at->value->name, text);
}

/* Prints the axes with which b represents its value, if they are not the value's own. */
static void put_view(void *user, fv_text *t, const fv_buf *b) {
    const fv_verifier *v = user;
    const fv_dim *dims[FV_MAX_RANK];
    fv_buf_dims(v->m->dims, b, dims);
    if (b->value && ((const fv_value *)b->value)->type->kind == FV_TENSOR)
        fv_view_put(t, ((const fv_value *)b->value)->type, fv_dv_last(v, b->value), b->rank, dims);
}

const char *fv_dv_text(fv_verifier *v, const fv_expr *x) {
    fv_text t = {.arena = v->a};
    fv_kprinter p;
    fv_kprinter_init(&p, &t, false);
    p.values = true;
    p.view.put = put_view;
    p.view.user = v;
    p.end = 200;
    fv_kp_expr(&p, x);
    return t.s;
}

/* Are a and b equal? A text must state a relation that proves it; between steps, it is enough that
 * it is not refuted, since operators know more. */
bool fv_dv_are_as_many(fv_verifier *v, const fv_dim *a, const fv_dim *b) {
    return v->is_text ? fv_module_equal(v->m, a, b)
                      : fv_dim_compare(v->m->dims, a, b) != FV_DIM_DIFFERENT;
}

const fv_dim *fv_dv_elements(fv_verifier *v, const fv_type *t) {
    return fv_dim_product(v->m->dims, t->rank, t->dims);
}

void fv_dv_note_made(fv_verifier *v, const fv_value *x) {
    *fv_ptrmap_at(&v->made, x) = (void *)(uintptr_t)x;
}

/* The value of which x is a view; x itself if it is no view, even if it is a part of another
 * value. */
const fv_value *fv_dv_memory(const fv_verifier *v, const fv_value *x) {
    const fv_defined *d = fv_ptrmap_get(&v->defined, x);
    return d && d->fate == FV_FATE_VIEW ? d->of : x;
}
