/* cover.c - chooses few of many models, so that every operator still occurs. */
#include <string.h>

#include "frontend/frontend.h"
#include "tests/matrix/cover.h"

struct cover {
    fv_arena *arena;
    bool types;
    const char **keys; /* interned */
    int n, cap;
};

cover *cover_new(fv_arena *a, bool types) {
    cover *c = FV_NEW(a, cover, 1);
    c->arena = a;
    c->types = types;
    return c;
}

static bool add(cover *c, const char *key) {
    for (int i = 0; i < c->n; i++)
        if (!strcmp(c->keys[i], key))
            return false;
    FV_PUSH(c->arena, c->keys, c->n, c->cap, fv_strdup(c->arena, key));
    return true;
}

/* "Add", or "Add f32": with the element types of first operand and result. */
static const char *key_of(const cover *c, fv_arena *a, const fv_op *op) {
    const char *name = fv_opdef_qualified(a, op->def);
    if (!c->types)
        return name;
    const fv_value *in = fv_op_in(op, 0), *out = op->nout ? op->out[0] : NULL;
    return fv_printf(a, "%s %s %s", name, in ? fv_elem_name(in->type->elem) : "-",
                     out ? fv_elem_name(out->type->elem) : "-");
}

bool cover_adds(cover *c, const char *model) {
    fv_session *s = fv_session_new();
    fv_door door;
    bool adds = false;
    if (!s)
        return false;
    if (FV_DOOR_OPEN(s, &door)) {
        fv_session_free(s);
        return false;
    }
    fv_arena *a = fv_arena_new(s);
    fv_module *m = fv_onnx_import(s, model, NULL);
    for (fv_op *op = m ? m->funcs->body->first : NULL; op; op = op->next)
        if (op->def != &fv_return_def && add(c, key_of(c, a, op)))
            adds = true;
    fv_door_close(s, &door);
    fv_session_free(s);
    return adds;
}
