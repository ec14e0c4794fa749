/* host.c - the host program as C: sizes and offsets, argument checks, the run. The order of the checks
 * is that of backend/consumer/consumer.h. */
#include <string.h>

#include "backend/c/internal.h"
#include "ir/expr/fold.h"

bool fv_c_is_direct(const fv_program *p) {
    bool capacities = false;
    for (int i = 0; i < p->noutputs; i++)
        capacities |= p->capacity && p->capacity[i];
    return p->nsymbols == 0 && !capacities && !p->uses_allocator;
}

bool fv_c_has_layout(const fv_program *p) {
    int64_t need;
    bool is_small = fv_x_is_int(p->workspace, &need) && need < INT32_MAX - FV_BUFFER_ALIGN;
    return p->nsymbols > 0 || p->plan.first || !is_small; /* a large one may be too large for the machine */
}

static bool has_capacity(const fv_program *p, int i) { return p->capacity && p->capacity[i]; }

static const char *name_of(const fv_cg *g, const void *p) {
    const char *name = fv_ptrmap_get(&g->names, p);
    return name ? name : "?";
}

static void set_name(fv_cg *g, const void *p, const char *name) {
    *fv_ptrmap_at(&g->names, p) = (void *)(uintptr_t)name;
}

static fv_expr *extent_of(fv_cg *g, const fv_port *port, int axis) {
    bool known = port->extent && port->extent[axis];
    return known ? port->extent[axis] : fv_x_int(g->arena, fv_port_bound(port, axis));
}

/* Can the elements of the port, times 8, overflow for some dims within bounds? */
static bool may_overflow(fv_cg *g, const fv_port *port) {
    int64_t most = 8, lo, hi;
    for (int i = 0; i < port->rank; i++) {
        fv_x_range(extent_of(g, port, i), &lo, &hi);
        if (lo < 0 || __builtin_mul_overflow(most, hi > 1 ? hi : 1, &most))
            return true;
    }
    return most >= (g->narrow ? INT32_MAX : INT64_MAX);
}

fv_expr *fv_c_elements(fv_cg *g, const fv_port *port) {
    fv_expr_op times = may_overflow(g, port) ? FV_X_MULSAT : FV_X_MUL;
    fv_expr *n = NULL;
    for (int i = 0; i < port->rank; i++)
        n = n ? fv_x_bin(g->arena, times, n, extent_of(g, port, i)) : extent_of(g, port, i);
    return n ? n : fv_x_int(g->arena, 1);
}

/* Packed types: two or more elements a byte; rounding up is within one byte a row of nothing. */
static fv_expr *port_bytes(fv_cg *g, const fv_port *port) {
    fv_expr *n = fv_c_elements(g, port);
    int bits = fv_elem_bits(port->elem);
    if (bits >= 8)
        return fv_x_bin(g->arena, FV_X_MULSAT, n, fv_x_int(g->arena, bits / 8));
    return fv_x_bin(g->arena, FV_X_FLOORDIV, n, fv_x_int(g->arena, 8 / bits));
}

/* ---- layout ---- */

static void mark_extents(fv_cg *g) {
    for (int i = 0; i < g->p->noutputs; i++)
        for (int k = 0; k < g->p->outputs[i].rank; k++)
            if (g->p->outputs[i].extent)
                fv_c_mark_expr(g, g->p->outputs[i].extent[k]);
}

static void mark_layout_uses(fv_cg *g) {
    const fv_program *p = g->p;
    g->used = fv_ptrmap_in(g->arena);
    fv_c_mark_used(g, &p->body);
    for (int i = 0; i < p->nbuffers; i++)
        if (fv_c_is_used(g, p->buffers[i])) {
            fv_c_mark_expr(g, p->buffers[i]->offset);
            fv_c_mark_expr(g, p->buffers[i]->bytes);
        }
    for (int i = 0; i < p->ninputs; i++)
        fv_c_mark_expr(g, fv_c_elements(g, &p->inputs[i]));
    mark_extents(g);
}

static void put_symbols(fv_cg *g) {
    for (int i = 0; i < g->p->nsymbols; i++)
        if (fv_c_is_used(g, g->p->symbol_vars[i]))
            fv_c_line(g, "%s = dims[%d];", fv_c_declare(g, g->p->symbol_vars[i]), i);
}

static void put_bounds(fv_cg *g) {
    for (int i = 0; i < g->p->nsymbols; i++) {
        const fv_var *d = g->p->symbol_vars[i];
        fv_c_line(g, "if (dims[%d] < %lld || dims[%d] > %s) /* %s */", i, (long long)d->lo, i,
                  fv_c_str(g, fv_x_int(g->arena, d->hi)), fv_c_comment(g->arena, d->dim->name));
        fv_c_line(g, "    return FV_BAD_DIM;");
    }
}

/* Nothing where the bounds of the dims exclude it, or it was asked before. */
static void put_too_large(fv_cg *g, const fv_port *port) {
    if (!may_overflow(g, port))
        return;
    const char *bytes = fv_c_at(g, port_bytes(g, port), FV_C_ADD);
    if (!fv_c_helper_new(g, fv_printf(g->arena, "check %s", bytes)))
        return;
    fv_c_line(g, "if (%s >= PTRDIFF_MAX)", bytes);
    fv_c_line(g, "    return FV_TOO_LARGE;");
}

/* Extents that some dims within bounds make negative. */
static void each_doubtful_extent(fv_cg *g, void (*visit)(fv_cg *g, const fv_expr *x)) {
    const fv_program *p = g->p;
    for (int i = 0; i < p->ninputs + p->noutputs; i++) {
        const fv_port *port = i < p->ninputs ? &p->inputs[i] : &p->outputs[i - p->ninputs];
        for (int k = 0; k < port->rank; k++) {
            int64_t lo, hi;
            fv_x_range(extent_of(g, port, k), &lo, &hi);
            if (lo < 0)
                visit(g, extent_of(g, port, k));
        }
    }
}

static void put_negative(fv_cg *g, const fv_expr *x) {
    const char *extent = fv_c_at(g, x, FV_C_ADD);
    if (!fv_c_helper_new(g, fv_printf(g->arena, "negative %s", extent)))
        return;
    fv_c_line(g, "if (%s < 0)", extent);
    fv_c_line(g, "    return FV_BAD_DIM;");
}

static void mark_layout_itself(fv_cg *g, const fv_ptrmap *members) {
    const fv_program *p = g->p;
    g->used = fv_ptrmap_in(g->arena);
    for (const fv_stmt *s = p->plan.first; s; s = s->next)
        if (s->kind == FV_S_LET && fv_ptrmap_get(members, s->var))
            *fv_ptrmap_at(&g->used, s->var) = (void *)1;
    for (int i = 0; i < p->ninputs; i++)
        if (may_overflow(g, &p->inputs[i]))
            fv_c_mark_expr(g, port_bytes(g, &p->inputs[i]));
    for (int i = 0; i < p->noutputs; i++)
        if (!has_capacity(p, i) && may_overflow(g, &p->outputs[i]))
            fv_c_mark_expr(g, port_bytes(g, &p->outputs[i]));
    each_doubtful_extent(g, fv_c_mark_expr);
    fv_c_mark_expr(g, p->workspace);
    fv_c_mark_used(g, &p->plan);
}

void fv_c_layout(fv_cg *g) {
    const fv_program *p = g->p;
    if (!fv_c_has_layout(p))
        return;
    mark_layout_uses(g);
    fv_ptrmap outside = g->used; /* members; then what is needed to compute them */
    int mark_at = g->scope.n;
    fv_c_line(g, "/* Sizes, and offsets in the workspace. */");
    fv_c_open(g, "struct layout");
    for (const fv_stmt *s = p->plan.first; s; s = s->next)
        if (s->kind == FV_S_LET && fv_ptrmap_get(&outside, s->var))
            fv_c_line(g, "%s;", fv_c_declare(g, s->var));
    fv_c_line(g, "int64_t workspace;");
    g->indent--;
    fv_c_line(g, "};");
    fv_c_line(g, "%s", "");
    fv_ptrmap members = g->names;
    g->names = fv_ptrmap_in(g->arena);
    mark_layout_itself(g, &outside);
    fv_c_scope_leave(&g->scope, mark_at);
    fv_c_open(g, "static int layout(const int64_t *dims, struct layout *at)");
    if (p->nsymbols == 0)
        fv_c_line(g, "(void)dims;");
    put_bounds(g);
    put_symbols(g);
    fv_c_block(g, &p->plan);
    each_doubtful_extent(g, put_negative);
    fv_c_line(g, "at->workspace = %s;", fv_c_str(g, p->workspace));
    fv_c_line(g, "if (at->workspace > PTRDIFF_MAX - %d)", FV_BUFFER_ALIGN);
    fv_c_line(g, "    return FV_TOO_LARGE;");
    for (int i = 0; i < p->ninputs; i++)
        put_too_large(g, &p->inputs[i]);
    for (int i = 0; i < p->noutputs; i++)
        if (!has_capacity(p, i))
            put_too_large(g, &p->outputs[i]);
    for (const fv_stmt *s = p->plan.first; s; s = s->next)
        if (s->kind == FV_S_LET && fv_ptrmap_get(&outside, s->var))
            fv_c_line(g, "at->%s = %s;", (const char *)fv_ptrmap_get(&members, s->var), name_of(g, s->var));
    fv_c_line(g, "return FV_OK;");
    fv_c_close(g);
    fv_c_line(g, "%s", "");
    fv_c_scope_leave(&g->scope, mark_at);
    g->names = members;
    for (const fv_stmt *s = p->plan.first; s; s = s->next)
        if (s->kind == FV_S_LET && fv_ptrmap_get(&outside, s->var))
            set_name(g, s->var, fv_printf(g->arena, "at.%s", name_of(g, s->var)));
    g->used = outside;
}

static const char *workspace_bytes(fv_cg *g) {
    return fv_c_has_layout(g->p) ? "at.workspace" : fv_c_str(g, g->p->workspace);
}

/* ---- plan ---- */

static void put_plan_outputs(fv_cg *g) {
    const fv_program *p = g->p;
    for (int i = 0; i < p->noutputs; i++) {
        const fv_port *port = &p->outputs[i];
        int at = fv_out_dims_at(p, i);
        bool unknown = has_capacity(p, i) && !fv_port_is_bounded(port);
        fv_c_line(g, "out_dims[%d] = %s; /* %s */", at, unknown ? "INT64_MAX" : fv_c_str(g, fv_c_elements(g, port)),
                  fv_c_comment(g->arena, port->name));
        for (int k = 0; k < port->rank; k++)
            fv_c_line(g, "out_dims[%d] = %s;", at + 1 + k, fv_c_str(g, extent_of(g, port, k)));
    }
}

static void put_plan(fv_cg *g) {
    const fv_program *p = g->p;
    int mark_at = g->scope.n;
    fv_c_open(g, "static %s_NOINLINE int plan(const int64_t *dims, size_t *workspace, int64_t *out_dims)", g->NAME);
    if (fv_c_has_layout(p)) {
        fv_c_line(g, "struct layout at;");
        if (p->nsymbols) {
            fv_c_line(g, "if (!dims)");
            fv_c_line(g, "    return FV_BAD_ARGUMENT;");
        }
        fv_c_line(g, "int status = layout(dims, &at);");
        fv_c_line(g, "if (status != FV_OK)");
        fv_c_line(g, "    return status;");
    } else {
        fv_c_line(g, "(void)dims;");
    }
    fv_ptrmap all = g->used;
    g->used = fv_ptrmap_in(g->arena);
    mark_extents(g);
    put_symbols(g);
    g->used = all;
    fv_c_line(g, "if (workspace)");
    fv_c_line(g, "    *workspace = %s%s;", fv_c_has_layout(p) ? "(size_t)" : "", workspace_bytes(g));
    fv_c_line(g, "if (!out_dims)");
    fv_c_line(g, "    return FV_OK;");
    put_plan_outputs(g);
    fv_c_line(g, "return FV_OK;");
    fv_c_close(g);
    fv_c_line(g, "%s", "");
    fv_c_scope_leave(&g->scope, mark_at);
}

/* ---- run: before the body ---- */

static void put_return(fv_cg *g, const char *condition, const char *status) {
    fv_c_line(g, "if (%s)", condition);
    fv_c_line(g, "    return %s;", status);
}

static void put_out_dims(fv_cg *g) {
    const fv_program *p = g->p;
    bool any = false, all = false;
    for (int i = 0; i < p->noutputs; i++) {
        all |= has_capacity(p, i);
        any |= p->outputs[i].rank > 0;
    }
    if (all)
        put_return(g, "!out_dims", "FV_BAD_ARGUMENT");
    for (int i = 0; i < p->noutputs; i++)
        if (has_capacity(p, i)) {
            int at = fv_out_dims_at(p, i);
            fv_c_line(g, "%s = out_dims[%d] < 0 ? 0 : out_dims[%d];", fv_c_declare(g, p->capacity[i]), at, at);
        }
    if (!any) {
        fv_c_line(g, "(void)out_dims;");
        return;
    }
    fv_c_open(g, "if (out_dims)");
    for (int i = 0; i < p->noutputs; i++)
        for (int k = 0; k < p->outputs[i].rank; k++)
            if (p->outputs[i].extent && p->outputs[i].extent[k])
                fv_c_line(g, "out_dims[%d] = %s;", fv_out_dims_at(p, i) + 1 + k,
                          fv_c_str(g, p->outputs[i].extent[k]));
    fv_c_close(g);
}

static void put_pointer_check(fv_cg *g, const fv_port *port, const char *pointer, const char *elements) {
    const char *bad = fv_c_helper_fixed(g, "bad_pointer");
    fv_c_line(g, "if (%s(%s, %s, %d)) /* %s */", bad, pointer, elements, fv_elem_storage_bytes(port->elem),
              fv_c_comment(g->arena, port->name));
    fv_c_line(g, "    return FV_BAD_ARGUMENT;");
}

static void put_checks(fv_cg *g) {
    const fv_program *p = g->p;
    put_return(g, "env && env->size != sizeof *env", "FV_BAD_ARGUMENT");
    if (fv_c_weights_file(g))
        put_return(g, "check_weights(env) != FV_OK", "check_weights(env)");
    if (p->nsymbols)
        put_return(g, "!dims", "FV_BAD_ARGUMENT");
    else
        fv_c_line(g, "(void)dims;");
    if (fv_c_has_layout(p)) {
        fv_c_line(g, "struct layout at;");
        fv_c_line(g, "int status = layout(dims, &at);");
        put_return(g, "status != FV_OK", "status");
    } else if (g->has_heap) {
        fv_c_line(g, "int status = FV_OK;");
    }
    put_symbols(g);
    put_out_dims(g);
    if (p->ninputs)
        put_return(g, "!inputs", "FV_BAD_ARGUMENT");
    if (p->noutputs)
        put_return(g, "!outputs", "FV_BAD_ARGUMENT");
    for (int i = 0; i < p->ninputs; i++)
        put_pointer_check(g, &p->inputs[i], fv_printf(g->arena, "inputs[%d]", i),
                          fv_c_str(g, fv_c_elements(g, &p->inputs[i])));
    for (int i = 0; i < p->noutputs; i++)
        put_pointer_check(g, &p->outputs[i], fv_printf(g->arena, "outputs[%d]", i),
                          has_capacity(p, i) ? name_of(g, p->capacity[i])
                                             : fv_c_str(g, fv_c_elements(g, &p->outputs[i])));
    int64_t need;
    bool none = fv_x_is_int(p->workspace, &need) && need == 0;
    if (none) {
        fv_c_line(g, "(void)workspace;");
        fv_c_line(g, "(void)bytes;");
    } else {
        const char *w = workspace_bytes(g);
        bool is_number = !fv_c_has_layout(p) && fv_x_is_int(p->workspace, &need);
        put_return(g, fv_printf(g->arena, "bytes < %s%s", is_number ? "" : "(size_t)", w), "FV_TOO_SMALL");
        put_return(g, fv_printf(g->arena, "%s(workspace, %s, %d)", fv_c_helper_fixed(g, "bad_pointer"), w,
                                FV_BUFFER_ALIGN), "FV_BAD_ARGUMENT");
    }
    if (p->uses_allocator)
        put_return(g, "!env || !env->alloc || !env->free", "FV_NO_MEMORY");
}

/* ---- run: where buffers are ---- */

static void put_buffer(fv_cg *g, const fv_buf *b, bool *has_work) {
    const char *type = fv_c_elem(b->elem);
    if (b->role == FV_BUF_CONST)
        return; /* has its name from fv_c_constants */
    const char *name = fv_c_name(&g->scope, b->name, "buffer");
    set_name(g, b, name);
    switch ((fv_buf_role)b->role) {
    case FV_BUF_INPUT: fv_c_line(g, "const %s *%s = inputs[%d];", type, name, b->index); break;
    case FV_BUF_OUTPUT: fv_c_line(g, "%s *%s = outputs[%d];", type, name, b->index); break;
    case FV_BUF_HEAP: fv_c_line(g, "%s *%s = NULL;", type, name); break;
    case FV_BUF_WORK: {
        int64_t offset;
        bool zero = fv_x_is_int(b->offset, &offset) && offset == 0;
        if (!*has_work)
            fv_c_line(g, "unsigned char *work = workspace;");
        *has_work = true;
        if (zero)
            fv_c_line(g, "%s *%s = (%s *)work;", type, name, type);
        else
            fv_c_line(g, "%s *%s = (%s *)(work + %s);", type, name, type, fv_c_at(g, b->offset, FV_C_ADD));
        break;
    }
    case FV_BUF_IN: case FV_BUF_OUT: case FV_BUF_INOUT: case FV_BUF_TILE: case FV_BUF_CONST: break;
    }
}

static bool any_requires(const fv_program *p) {
    for (int i = 0; i < p->nkernels; i++)
        if (p->kernels[i]->requires_)
            return true;
    return false;
}

static bool block_uses_env(const fv_block *b) {
    for (const fv_stmt *s = b->first; s; s = s->next)
        if (s->kind == FV_S_LAUNCH || s->kind == FV_S_WHILE || s->kind == FV_S_ALLOC ||
            block_uses_env(&s->body) || block_uses_env(&s->other))
            return true;
    return false;
}

static bool uses_constants(const fv_cg *g) {
    for (int i = 0; i < g->p->nbuffers; i++)
        if (g->p->buffers[i]->role == FV_BUF_CONST && fv_c_is_used(g, g->p->buffers[i]))
            return true;
    return false;
}

/* The file of weights is known by its head. */
static const char check_weights[] =
    "static int check_weights(const fv_env *env) {\n"
    "    static const uint64_t head[] = {\n"
    "        UINT64_C(@0@), UINT64_C(@1@), UINT64_C(@2@), UINT64_C(@3@)\n"
    "    };\n"
    "    if (!env || !env->weights)\n"
    "        return FV_BAD_FILE;\n"
    "    if ((uintptr_t)env->weights % 64)\n"
    "        return FV_BAD_ARGUMENT;\n"
    "    if (env->weights_bytes < sizeof head)\n"
    "        return FV_BAD_FILE;\n"
    "    const uint64_t *found = (const uint64_t *)env->weights;\n"
    "    bool good = env->weights_bytes == head[1];\n"
    "    for (int i = 0; i < 4; i++)\n"
    "        good = good && found[i] == head[i];\n"
    "    return good ? FV_OK : FV_BAD_FILE;\n"
    "}\n\n";

static void put_check_weights(fv_cg *g) {
    if (!fv_c_weights_file(g) || g->failed) /* then a constant has no data */
        return;
    fv_weights_head head = fv_weights_head_of(g->p);
    const uint64_t words[] = {head.magic, head.bytes, head.id[0], head.id[1]};
    const char *text[4];
    for (int i = 0; i < 4; i++)
        text[i] = fv_printf(g->arena, "0x%llx", (unsigned long long)words[i]);
    fv_c_fill(g, g->out, check_weights, text[0], text[1], text[2], text[3], NULL);
}

void fv_c_run(fv_cg *g) {
    const fv_program *p = g->p;
    put_check_weights(g);
    g->has_heap = p->uses_allocator;
    if (!fv_c_has_layout(p))
        mark_layout_uses(g);
    put_plan(g);
    int mark_at = g->scope.n;
    fv_c_open(g, "static %s_NOINLINE int run(const int64_t *dims, const void *const *inputs, void *const *outputs, "
              "int64_t *out_dims, void *workspace, size_t bytes, const fv_env *env)", g->NAME);
    put_checks(g);
    if (p->ninputs == 0)
        fv_c_line(g, "(void)inputs;");
    if (p->noutputs == 0)
        fv_c_line(g, "(void)outputs;");
    fv_c_line(g, "%s", "");
    if (fv_c_weights_file(g) && uses_constants(g))
        fv_c_line(g, "const unsigned char *%s_weights = (const unsigned char *)env->weights + %d;", g->name,
                  FV_WEIGHTS_HEAD);
    bool has_work = false;
    for (int i = 0; i < p->nbuffers; i++)
        if (fv_c_is_used(g, p->buffers[i]))
            put_buffer(g, p->buffers[i], &has_work);
    int64_t need;
    if (!has_work && !(fv_x_is_int(p->workspace, &need) && need == 0))
        fv_c_line(g, "(void)workspace;");
    if (any_requires(p))
        fv_c_line(g, "int32_t error = FV_OK;");
    if (!block_uses_env(&p->body) && !fv_c_weights_file(g))
        fv_c_line(g, "(void)env;");
    fv_c_line(g, "%s", "");
    fv_c_block(g, &p->body);
    if (g->has_heap) {
        fv_text_put(g->out, "done:\n");
        for (int i = 0; i < p->nbuffers; i++)
            if (p->buffers[i]->role == FV_BUF_HEAP && fv_c_is_used(g, p->buffers[i]))
                fv_c_line(g, "%s(env, %s);", fv_c_helper_fixed(g, "release"), name_of(g, p->buffers[i]));
        fv_c_line(g, "return status;");
    } else {
        fv_c_line(g, "return FV_OK;");
    }
    fv_c_close(g);
    fv_c_line(g, "%s", "");
    fv_c_scope_leave(&g->scope, mark_at);
}

/* ---- statements ---- */

static void put_fail(fv_cg *g, const char *condition, const char *status) {
    if (!g->has_heap) {
        put_return(g, condition, status);
        return;
    }
    fv_c_open(g, "if (%s)", condition);
    fv_c_line(g, "status = %s;", status);
    fv_c_line(g, "goto done;");
    fv_c_close(g);
}

static const char *const status_names[] = {
    "FV_OK", "FV_BAD_DIM", "FV_BAD_INDEX", "FV_BAD_CPU", "FV_TOO_SMALL", "FV_TOO_LARGE",
    "FV_NO_MEMORY", "FV_CANCELLED", "FV_BAD_ARGUMENT", "FV_BAD_MODEL", "FV_BAD_FILE", "FV_INTERNAL"};

/* The text of "not x". */
static const char *negation(fv_cg *g, const fv_expr *x) {
    bool swaps = (x->op == FV_X_LT || x->op == FV_X_LE) && x->arg[0]->type.elem == FV_I64;
    if (swaps || x->op == FV_X_EQ || x->op == FV_X_NE) {
        fv_expr_op op = x->op == FV_X_LT ? FV_X_LE : x->op == FV_X_LE ? FV_X_LT : x->op == FV_X_EQ ? FV_X_NE : FV_X_EQ;
        return fv_c_str(g, fv_x_bin(g->arena, op, x->arg[swaps], x->arg[!swaps]));
    }
    return fv_printf(g->arena, "!%s", fv_c_at(g, x, FV_C_UNARY));
}

static void put_check(fv_cg *g, const fv_stmt *s) {
    const char *status = s->status >= 0 && s->status < (int)(sizeof status_names / sizeof *status_names)
                             ? status_names[s->status] : "FV_INTERNAL";
    if (s->text && *s->text)
        fv_c_line(g, "/* %s */", fv_c_comment(g->arena, s->text));
    put_fail(g, negation(g, s->x), status);
}

static const char *argument(fv_cg *g, const fv_stmt *s, int i) {
    const fv_buf *b = s->args[i], *parameter = s->kernel->bufs[i];
    const char *name = name_of(g, b), *type = fv_c_elem(parameter->elem);
    if (!strcmp(fv_c_elem(b->elem), type))
        return name;
    return fv_printf(g->arena, "(%s%s *)%s", parameter->role == FV_BUF_IN ? "const " : "", type, name);
}

static void put_launch(fv_cg *g, const fv_stmt *s) {
    const fv_kernel *k = s->kernel;
    const char *name = name_of(g, k), *tasks = fv_c_kernel_tasks(g, k);
    const char *origin = s->text ? s->text : k->origin && *k->origin ? k->origin : k->name;
    put_fail(g, fv_printf(g->arena, "%s(env)", fv_c_helper_fixed(g, "cancelled")), "FV_CANCELLED");
    fv_c_line(g, "%s_TRACE(%d, %s, %s);", g->NAME, s->launch, fv_c_string(g->arena, name),
              fv_c_strings(g->arena, origin));
    fv_text args = {.arena = g->arena}, dims = {.arena = g->arena};
    const char *sep = "";
    fv_text_put(&args, "");
    fv_text_put(&dims, "");
    for (int i = 0; i < k->nbufs; i++, sep = ", ")
        fv_text_printf(&args, "%s%s", sep, argument(g, s, i));
    for (int i = 0; i < k->ndims; i++, sep = ", ") {
        const char *d = fv_c_str(g, s->dims[i]);
        fv_text_printf(&args, "%s%s", sep, d);
        fv_text_printf(&dims, "%s%s", i ? ", " : "", d);
    }
    if (tasks && !strcmp(tasks, "1")) {
        const char *more = fv_printf(g->arena, "%s%s%s%s", k->requires_ ? sep : "", k->requires_ ? "&error" : "",
                                     fv_c_kernel_polls(k) ? (k->requires_ ? ", " : sep) : "",
                                     fv_c_kernel_polls(k) ? "env ? env->cancel : NULL" : "");
        fv_c_line(g, "%s(%s%s);", name, args.s, more);
    } else {
        const char *launch = fv_c_helper_fixed(g, "launch");
        fv_c_open(g, "%s", "");
        fv_c_line(g, "struct %s_args args = {%s%s%s};", name, args.s, k->requires_ ? ", &error" : "",
                  fv_c_kernel_polls(k) ? ", env ? env->cancel : NULL" : "");
        if (!tasks)
            tasks = fv_printf(g->arena, "%s_tasks(%s)", name, dims.s);
        fv_c_line(g, "%s(env, %s_task, &args, %s);", launch, name, tasks);
        fv_c_close(g);
    }
    fv_c_line(g, "%s_TRACE_END(%d);", g->NAME, s->launch);
    if (fv_c_kernel_polls(k))
        put_fail(g, "cancelled(env)", "FV_CANCELLED");
    if (k->requires_)
        put_fail(g, "error != FV_OK", "FV_BAD_INDEX");
}

void fv_c_host_stmt(fv_cg *g, const fv_stmt *s) {
    switch (s->kind) {
    case FV_S_WHILE: put_fail(g, fv_printf(g->arena, "%s(env)", fv_c_helper_fixed(g, "cancelled")), "FV_CANCELLED"); break;
    case FV_S_CHECK: put_check(g, s); break;
    case FV_S_LAUNCH: put_launch(g, s); break;
    case FV_S_ALLOC:
        fv_c_line(g, "%s = %s(env, %s, &status);", name_of(g, s->buf), fv_c_helper_fixed(g, "allocate"),
                  fv_c_str(g, s->x));
        fv_c_line(g, "if (status != FV_OK)");
        fv_c_line(g, "    goto done;");
        break;
    case FV_S_FREE:
        fv_c_line(g, "%s(env, %s);", fv_c_helper_fixed(g, "release"), name_of(g, s->buf));
        fv_c_line(g, "%s = NULL;", name_of(g, s->buf));
        break;
    case FV_S_SETDIM:
        fv_c_line(g, "out_dims[%d] = %s;", fv_out_dims_at(g->p, s->output) + 1 + s->axis, fv_c_str(g, s->x));
        break;
    case FV_S_LET: case FV_S_STORE: case FV_S_PREFETCH: case FV_S_TRANSPOSE: case FV_S_TILE: case FV_S_FOR: case FV_S_IF: case FV_S_OUTLINE: case FV_S_COMMENT: break;
    }
}
