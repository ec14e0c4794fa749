/* kernel.c - kernels that a script wrote by hand; the host replaces the kernels of the same names
 * by them. */
#include "ir/kernel/parse.h"
#include "ir/kernel/verify.h"
#include "passes/lua/internal.h"

typedef struct adding {
    fv_lua *l;
    const char *text;
    int line;
    const char *name;
} adding;

static bool parse(void *arg) {
    adding *d = arg;
    fv_lua *l = d->l;
    const char *before = fv_diag_file_get(l->session);
    fv_diag_file(l->session, "the kernel's text");
    const fv_kernel *k = fv_kernel_parse(l->arena, d->text);
    bool ok = k && fv_kernel_verify(l->session, k);
    fv_diag_file(l->session, before);
    if (!ok)
        return false;
    d->name = k->name;
    FV_PUSH(l->arena, l->declared.kernels, l->declared.nkernels, l->declared.cap_kernels,
            ((fv_lua_kernel){fv_strdup(l->arena, d->text), l->path, d->line}));
    return true;
}

/* kernel(TEXT): its name */
int fv_lua_kernel_new(lua_State *L) {
    adding d = {fv_lua_of(L), fv_lua_text(L, 1), fv_lua_line(L), NULL};
    if (d.l->loaded)
        return luaL_error(L, "fv.kernel: kernels are declared while the script is read");
    fv_lua_try(L, NULL, parse, &d);
    lua_pushstring(L, d.name);
    return 1;
}

const fv_lua_kernel *fv_lua_kernel_at(const fv_lua *l, int i) {
    return i >= 0 && i < l->declared.nkernels ? &l->declared.kernels[i] : NULL;
}
