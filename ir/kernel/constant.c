/* constant.c - see constant.h. */
#include "ir/kernel/constant.h"

struct fv_contents {
    const void *data;
    fv_contents_maker *make; /* writes the bytes to `data`; NULL: they are made */
    void *user;
};

fv_contents *fv_contents_at(fv_arena *a, const void *data) {
    fv_contents *c = FV_NEW(a, fv_contents, 1);
    c->data = data;
    return c;
}

fv_contents *fv_contents_later(fv_arena *a, void *room, fv_contents_maker *make, void *user) {
    fv_contents *c = FV_NEW(a, fv_contents, 1);
    *c = (fv_contents){.data = room, .make = make, .user = user};
    return c;
}

const void *fv_constant_data(const fv_constant *c) {
    fv_contents *x = c->contents;
    if (!x)
        return NULL;
    if (x->make) {
        x->make(x->user, (void *)(uintptr_t)x->data);
        x->make = NULL;
    }
    return x->data;
}

bool fv_constant_has_data(const fv_constant *c) {
    return c->contents && c->contents->data;
}

bool fv_constant_is_pending(const fv_constant *c) {
    return c->contents && c->contents->make;
}

fv_contents_maker *fv_constant_maker(const fv_constant *c, void **user) {
    if (!fv_constant_is_pending(c))
        return NULL;
    *user = c->contents->user;
    return c->contents->make;
}

bool fv_constant_is_aligned(const fv_constant *c, size_t align) {
    return !c->contents || (uintptr_t)c->contents->data % align == 0;
}

bool fv_constants_are_one(const fv_constant *a, const fv_constant *b) {
    return a->bytes == b->bytes &&
           (a->contents == b->contents || (fv_constant_has_data(a) && fv_constant_has_data(b) &&
                                           a->contents->data == b->contents->data));
}
