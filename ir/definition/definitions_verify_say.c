/* definitions_verify_say.c - messages of the verifier of definitions. */
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

/* The axes with which b sees its value, if those are not its own. */
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
    p.put_view = put_view;
    p.user = v;
    p.end = 200;
    fv_kp_expr(&p, x);
    return t.s;
}
