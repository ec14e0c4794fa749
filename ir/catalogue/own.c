/* own.c - operators that a session has in addition to the catalogue, in an array. */
#include "ir/catalogue/own.h"

#include <string.h>

#include "ir/base/diag.h"
#include "ir/base/session.h"

typedef struct own {
    fv_arena *arena;
    const fv_opdef **at;
    int n, cap;
} own;

static const char key;

static const own *declared_in(const fv_session *s) {
    static const own none = {0};
    const own *o = fv_ptrmap_get(&s->slots, &key);
    return o ? o : &none;
}

static own *own_of(fv_session *s) {
    void **slot = fv_session_slot(s, &key);
    if (!*slot) {
        fv_arena *a = fv_arena_new(s);
        own *o = FV_NEW(a, own, 1);
        o->arena = a;
        *slot = o;
    }
    return *slot;
}

int fv_op_all(const fv_session *s, const fv_opdef **out) {
    const own *o = declared_in(s);
    int n = 0;
    for (int f = 0; fv_op_families[f]; f++)
        for (const fv_opdef *d = fv_op_families[f]; d->name; d++, n++)
            if (out)
                out[n] = d;
    for (int i = 0; i < o->n; i++, n++)
        if (out)
            out[n] = o->at[i];
    return n;
}

const fv_opdef *fv_op_find_in(const fv_session *s, const char *domain, const char *name) {
    const own *o = declared_in(s);
    for (int i = 0; i < o->n; i++)
        if (!strcmp(o->at[i]->name, name) && !strcmp(o->at[i]->domain, domain))
            return o->at[i];
    return fv_op_find(domain, name);
}

const fv_opdef *fv_op_get_in(const fv_session *s, const char *qualified) {
    const own *o = declared_in(s);
    const char *dot = strrchr(qualified, '.');
    for (int i = 0; dot && i < o->n; i++) {
        size_t n = strlen(o->at[i]->domain);
        if (n == (size_t)(dot - qualified) && !memcmp(o->at[i]->domain, qualified, n) &&
            !strcmp(o->at[i]->name, dot + 1))
            return o->at[i];
    }
    return fv_op_get(qualified);
}

bool fv_op_has_domain_in(const fv_session *s, const char *domain) {
    const own *o = declared_in(s);
    for (int i = 0; i < o->n; i++)
        if (!strcmp(o->at[i]->domain, domain))
            return true;
    return fv_op_has_domain(domain);
}

bool fv_op_declare(fv_session *s, const fv_opdef *d) {
    own *o = own_of(s);
    if (fv_op_find_in(s, d->domain, d->name))
        return fv_error(s, "there is an operator '%s' already", fv_opdef_qualified(o->arena, d));
    FV_PUSH(o->arena, o->at, o->n, o->cap, d);
    return true;
}

void fv_ops_lend(fv_session *s, const fv_session *from) {
    const own *o = declared_in(from);
    own *to = o->n ? own_of(s) : NULL;
    for (int i = 0; i < o->n; i++)
        if (!fv_op_find_in(s, o->at[i]->domain, o->at[i]->name))
            FV_PUSH(to->arena, to->at, to->n, to->cap, o->at[i]);
}
