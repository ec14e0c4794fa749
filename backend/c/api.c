/* api.c - writes the header of generated C, and the functions that it declares. */
#include <ctype.h>
#include <string.h>

#include "backend/c/internal.h"
#include "ir/dim/poly.h"
#include "ir/dim/text.h"

extern const char *const fv_c_abi_text; /* the text of runtime/fovea_model.h */
extern const char *const fv_c_model_h_text,
    *const fv_c_general_h_text, *const fv_c_general_c_text,
                                    *const fv_c_entry_c_text,
                                        *const fv_c_weights_open_h_text; /* a file of text/ */

static bool has_known_size(const fv_port *port, int64_t *elements) {
    /* the number of elements is that of the input's memory, which the output shares */
    bool memory = port->buf->role == FV_BUF_INPUT && port->buf->output;
    *elements = 1;
    for (int i = 0; i < port->rank; i++) {
        int64_t n = port->dims[i]->value;
        if (memory ? !fv_x_is_int(port->buf->extent[i], &n) : !fv_dim_is_const(port->dims[i]))
            return false;
        if (__builtin_mul_overflow(*elements, n, elements))
            return false;
    }
    return true;
}

/* The range of a dim, from the bounds of the program's symbols. */
static fv_range range_of(const fv_program *p, const fv_dim *d) {
    int symbol;
    if (d->kind == FV_DIM_CONST)
        return (fv_range){d->value, d->value};
    if (d->kind == FV_DIM_SYMBOL) {
        for (symbol = 0; symbol < p->symbols.n && p->symbols.all[symbol] != d;)
            symbol++;
        const fv_var *v = symbol < p->symbols.n ? p->symbols.vars[symbol] : NULL;
        return v ? (fv_range){v->lo, v->hi} : (fv_range){d->lo, d->hi};
    }
    fv_range r = range_of(p, d->arg[0]);
    for (int i = 1; i < d->n; i++)
        r = fv_range_of(d->kind, r, range_of(p, d->arg[i]));
    return r;
}

/* Is the largest value of a dim that of a symbol which has no upper bound? fv_model_max_bytes has
 * the same rules. */
static bool is_open(const fv_program *p, const fv_dim *d) {
    int n = 0, i = d->kind == FV_DIM_MOD, end = d->n;
    switch (d->kind) {
    case FV_DIM_CONST: return false;
    case FV_DIM_SYMBOL: return range_of(p, d).hi >= FV_DIM_MAX;
    case FV_DIM_FLOORDIV:
    case FV_DIM_CEILDIV: end = 1; break;
    default: break;
    }
    for (; i < end; i++)
        n += is_open(p, d->arg[i]);
    return d->kind == FV_DIM_MIN ? n == d->n : n > 0;
}

/* Has the dim a quotient whose divisor may be 0, and is not a constant? It has no bound then, which
 * fv_model_max_bytes reports, too. */
static bool divides_by_0(const fv_program *p, const fv_dim *d) {
    if (d->kind == FV_DIM_FLOORDIV || d->kind == FV_DIM_CEILDIV || d->kind == FV_DIM_MOD) {
        const fv_range by = range_of(p, d->arg[1]);
        if (by.lo <= 0 && by.lo != by.hi)
            return true;
    }
    for (int i = 0; i < d->n; i++)
        if (divides_by_0(p, d->arg[i]))
            return true;
    return false;
}

/* The largest extent of an axis; of a state in the memory of its input, that of the memory. */
static int64_t most_extent(const fv_program *p, const fv_port *port, int axis) {
    const fv_buf *b = port->buf;
    if (!fv_port_is_shared(port) || b->along != axis)
        return is_open(p, port->dims[axis]) || divides_by_0(p, port->dims[axis])
                   ? FV_DIM_MAX
                   : range_of(p, port->dims[axis]).hi;
    int64_t n = FV_DIM_MAX;
    return fv_x_is_int(b->extent[axis], &n) || b->extent[axis]->op != FV_X_VAR
               ? n
               : b->extent[axis]->u.var->hi;
}

/* The largest number of elements of a port; false: a dim has no bound. */
static bool has_bounded_size(const fv_program *p, const fv_port *port, int64_t *elements) {
    *elements = 1;
    for (int i = 0; i < port->rank; i++) {
        int64_t n = most_extent(p, port, i);
        if (n >= FV_DIM_MAX || __builtin_mul_overflow(*elements, n > 0 ? n : 0, elements))
            return false;
    }
    return true;
}

static const char *port_elem(const fv_port *port) {
    return fv_elem_is_packed(port->elem) ? "uint8_t" : fv_c_elem(port->elem);
}

/* The number of array elements of the C type; for packed types, of bytes. */
static int64_t array_size(const fv_port *port, int64_t elements) {
    int bits = fv_elem_bits(port->elem);
    return bits >= 8 ? elements : elements / (8 / bits) + (elements % (8 / bits) != 0);
}

/* ---- text of the header ---- */

/* The capacity of an output that is stored in the memory of its input, which the verifier has
 * checked to be a number or a symbol. */
static const char *capacity_of(const fv_cg *g, const fv_buf *b) {
    int64_t number;
    int symbol = 0;
    if (fv_x_is_int(b->extent[b->along], &number))
        return fv_printf(g->arena, "%lld", (long long)number);
    return fv_program_symbol(g->p, b->extent[b->along]->u.var, &symbol)
               ? g->p->symbols.all[symbol]->name
               : "?";
}

static void put_port_line(fv_cg *g, fv_text *t, const fv_port *port) {
    fv_text dims = {.arena = g->arena};
    fv_text_put(&dims, "[");
    for (int i = 0; i < port->rank; i++)
        fv_text_printf(&dims, "%s%s", i ? ", " : "", fv_dim_str(g->arena, port->dims[i]));
    fv_text_put(&dims, "]");
    fv_text_printf(t, " *   %-16s %s %s", fv_c_comment(g->arena, port->name),
                   fv_elem_name(port->elem), fv_c_comment(g->arena, dims.s));
    if (fv_elem_is_packed(port->elem))
        fv_text_printf(t, ", %d elements a byte, lowest bits first", 8 / fv_elem_bits(port->elem));
    else if (fv_elem_is_storage(port->elem))
        fv_text_printf(t, ", bits in %s", fv_c_elem(port->elem));
    if (fv_port_depends_on_data(port))
        fv_text_put(t, ", size known after the run");
    if (port->state_of)
        fv_text_printf(t, "; %s of the next run%s",
                       fv_c_comment(g->arena, g->p->inputs[port->state_of - 1].name),
                       fv_port_is_shared(port) ? ", in its memory: the same pointer, or NULL" : "");
    else if (fv_port_is_shared(port))
        fv_text_printf(t, "; in memory of %s on axis %d",
                       fv_c_comment(g->arena, capacity_of(g, port->buf)), port->buf->along);
    fv_text_put(t, "\n");
}

static int64_t tile_bytes(const fv_block *b) {
    int64_t sum = 0, inner = 0;
    for (const fv_stmt *s = b->first; s; s = s->next) {
        if (s->kind == FV_S_TILE) {
            int64_t n = s->buf->lanes * fv_elem_storage_bytes(s->buf->elem), extent = 1;
            for (int i = 0; i < s->buf->rank; i++)
                n *= fv_x_is_int(s->buf->extent[i], &extent) ? extent : 1;
            sum += n;
        }
        int64_t a = tile_bytes(&s->body), c = tile_bytes(&s->other);
        inner = a > inner ? a : inner;
        inner = c > inner ? c : inner;
    }
    return sum + inner;
}

static int64_t stack_bytes(const fv_program *p) {
    int64_t most = 0;
    for (int i = 0; i < p->nkernels; i++) {
        int64_t n = tile_bytes(&p->kernels[i]->body);
        most = n > most ? n : most;
    }
    return most;
}

/* The number of programs whose code the header describes: one for each target. */
static int nprograms(const fv_cg *g) {
    return g->o->library && g->o->library->nlevels ? g->o->library->nlevels : 1;
}

static const fv_program *program(const fv_cg *g, int i) {
    return nprograms(g) > 1 ? g->o->library->levels[i] : g->p;
}

static int64_t most_stack_bytes(const fv_cg *g) {
    int64_t most = 0;
    for (int i = 0; i < nprograms(g); i++) {
        int64_t n = stack_bytes(program(g, i));
        most = n > most ? n : most;
    }
    return most;
}

static bool uses_allocator(const fv_cg *g) {
    bool any = false;
    for (int i = 0; i < nprograms(g); i++)
        any = any || program(g, i)->memory.uses_allocator;
    return any;
}

static const char *target_line(const fv_cg *g) {
    const char *flags = g->p->target->c.flags;
    fv_text t = {.arena = g->arena};
    fv_text_put(&t, nprograms(g) > 1 ? "one of the targets\n *   " : "target ");
    for (int i = 0; i < nprograms(g); i++)
        fv_text_printf(&t, "%s%s", i ? ", " : "", program(g, i)->target->name);
    if (!g->o->library && *flags)
        fv_text_printf(&t, ", compiled with %s", flags);
    return t.s;
}

static const char *port_lines(fv_cg *g, const fv_port *ports, int n) {
    fv_text t = {.arena = g->arena};
    fv_text_put(&t, "");
    for (int i = 0; i < n; i++)
        put_port_line(g, &t, &ports[i]);
    return t.s;
}

/* Has the model functions of the direct form? Objects and libraries of LLVM always have those of
 * the general form. */
static bool is_direct(const fv_cg *g) {
    return !g->o->library && fv_c_is_direct(g->p);
}

/* The name of the file of weights; NULL: there is none. */
static const char *weights_file(const fv_cg *g) {
    return g->o->library ? g->o->library->weights_file : fv_c_weights_file(g);
}

static const char *weights_note(fv_cg *g) {
    if (g->o->library)
        return fv_printf(
            g->arena,
            " * Weights: in %s. A program that calls %s_run gives the content of that file\n"
            " * in env->weights, aligned to 64, and its size in env->weights_bytes. FV_BAD_FILE: "
            "it\n"
            " * is not there, or is not the one of this code. fv_load of fovea.h maps the file.\n",
            weights_file(g), g->name);
    return fv_printf(
        g->arena,
        " * Weights: in %s, which must be in memory; its address and size are given in env, which\n"
        " * %s_weights_open does. FV_BAD_FILE: it is not there, or is not the one of this code.\n",
        weights_file(g), g->name);
}

/* ---- sizes ---- */

static const char *workspace_bytes(fv_cg *g) {
    int64_t need = 0, n = 0;
    for (int i = 0; i < nprograms(g); i++) {
        const fv_expr *workspace = program(g, i)->memory.workspace;
        if (workspace && !fv_x_is_int(workspace, &n))
            return "";
        need = workspace && n > need ? n : need;
    }
    return fv_printf(g->arena, "#define %s_WORKSPACE_BYTES %lld%s\n", g->NAME,
                     need > 0 ? (long long)need : 1,
                     need > 0 ? "" : " /* none is needed; an array must not be empty */");
}

/* A macro for the size of a port: NAME_SIZE or NAME_MAX_SIZE. */
typedef struct size_macro {
    const char *port, *name; /* name NULL: the size has no bound */
    int64_t size;
} size_macro;

static size_macro size_macro_of(fv_cg *g, fv_c_scope *names, const fv_port *port) {
    int64_t n = 0;
    const char *name = fv_c_name(names, fv_printf(g->arena, "%s_v", port->cname), "port");
    size_t length = strlen(name);
    length -= strcmp(name + length - 2, "_v") ? 0 : 2;
    name = fv_c_upper(g->arena, fv_strndup(g->arena, name, length));
    const char *kind = has_known_size(port, &n)           ? "SIZE"
                       : has_bounded_size(g->p, port, &n) ? "MAX_SIZE"
                                                          : NULL;
    return (size_macro){.port = name,
                        .name = kind ? fv_printf(g->arena, "%s_%s", name, kind) : NULL,
                        .size = kind ? array_size(port, n) : 0};
}

/* Might a reader take one macro for that of the other port? Ports `x` and `X` do not differ in
 * upper case, and a port `x_max` may have the macro that `x` has. */
static bool are_alike(const size_macro *a, const size_macro *b) {
    return !strcmp(a->port, b->port) || (a->name && b->name && !strcmp(a->name, b->name));
}

static const char *port_sizes(fv_cg *g) {
    const fv_program *p = g->p;
    int n = p->ninputs + p->noutputs;
    size_macro *macro = FV_NEW(g->arena, size_macro, n + 1);
    fv_text t = {.arena = g->arena};
    fv_c_scope names;
    fv_c_scope_init(&names, g->arena);
    fv_text_put(&t, "");
    for (int i = 0; i < n; i++)
        macro[i] =
            size_macro_of(g, &names, i < p->ninputs ? &p->inputs[i] : &p->outputs[i - p->ninputs]);
    for (int i = 0; i < n; i++) {
        bool is_unique = macro[i].name != NULL;
        for (int k = 0; k < n && is_unique; k++)
            is_unique = k == i || !are_alike(&macro[i], &macro[k]);
        if (is_unique)
            fv_text_printf(
                &t, "#define %s_%s %lld%s\n", g->NAME, macro[i].name,
                macro[i].size > 0 ? (long long)macro[i].size : 1,
                macro[i].size > 0 ? "" : " /* it has no elements; an array must not be empty */");
    }
    return t.s;
}

/* ---- the general form ---- */

static const char *dims_struct(fv_cg *g) {
    const fv_program *p = g->p;
    fv_text t = {.arena = g->arena};
    fv_c_scope names;
    fv_c_scope_init(&names, g->arena);
    if (p->symbols.n == 0)
        return fv_printf(g->arena,
                         "typedef struct %s_dims %s_dims; /* there are none: give NULL */\n",
                         g->name, g->name);
    fv_text_printf(&t, "typedef struct %s_dims {\n", g->name);
    for (int i = 0; i < p->symbols.n; i++)
        fv_text_printf(&t, "    int64_t %s; /* %s: %lld to %lld */\n",
                       fv_c_name(&names, p->symbols.all[i]->name, "dim"),
                       fv_c_comment(g->arena, p->symbols.all[i]->name),
                       (long long)p->symbols.vars[i]->lo, (long long)p->symbols.vars[i]->hi);
    fv_text_printf(&t, "} %s_dims;\n", g->name);
    return t.s;
}

static const char *out_dims_struct(fv_cg *g) {
    const fv_program *p = g->p;
    fv_text t = {.arena = g->arena};
    fv_c_scope names;
    fv_c_scope_init(&names, g->arena);
    if (p->noutputs == 0)
        return fv_printf(g->arena, "typedef struct %s_out_dims %s_out_dims;\n", g->name, g->name);
    fv_text_printf(
        &t,
        "/* capacity: elements that fit; read for outputs whose size is known after the run.\n"
        " * dim: written. */\ntypedef struct %s_out_dims {\n",
        g->name);
    for (int i = 0; i < p->noutputs; i++) {
        const char *dim =
            p->outputs[i].rank ? fv_printf(g->arena, ", dim[%d]", p->outputs[i].rank) : "";
        fv_text_printf(&t, "    struct {\n        int64_t capacity%s;\n    } %s;\n", dim,
                       fv_c_name(&names, p->outputs[i].cname, "output"));
    }
    fv_text_printf(&t, "} %s_out_dims;\n", g->name);
    return t.s;
}

/* The words separated by commas: "a, b, c". */
static const char *listed(fv_cg *g, const char *const *words, int n) {
    fv_text t = {.arena = g->arena};
    fv_text_put(&t, "");
    for (int i = 0; i < n; i++)
        fv_text_printf(&t, "%s%s", i ? ", " : "", words[i]);
    return t.s;
}

static const char *port_list(fv_cg *g, const fv_port *ports, int n) {
    const char **names = FV_NEW(g->arena, const char *, n + 1);
    for (int i = 0; i < n; i++)
        names[i] = fv_c_comment(g->arena, ports[i].cname);
    return n ? listed(g, names, n) : "none";
}

static void put_general(fv_cg *g, fv_text *t) {
    const fv_program *p = g->p;
    fv_c_fill(
        g, t, fv_c_general_h_text, dims_struct(g), out_dims_struct(g),
        port_list(g, p->inputs, p->ninputs), port_list(g, p->outputs, p->noutputs),
        weights_file(g) ? g->o->library ? "the weights; threads, allocator, cancelling"
                                        : "the weights, see below; threads, allocator, cancelling"
                        : "threads, allocator, cancelling; NULL: one thread, no allocator",
        g->machine.checks_cpu ? ";\n * FV_BAD_CPU" : "", g->machine.narrow ? "8" : "64", NULL);
}

/* ---- the direct form ---- */

static const char *array_parameter(fv_cg *g, const fv_port *port, const char *name, bool is_const) {
    fv_text t = {.arena = g->arena};
    int64_t n = 0;
    bool whole = has_known_size(port, &n) && n > 0 && !fv_elem_is_packed(port->elem);
    fv_text_printf(&t, "%s%s ", is_const ? "const " : "", port_elem(port));
    if (!whole && n == 0) {
        fv_text_printf(&t, "*%s", name);
        return t.s;
    }
    fv_text_put(&t, name);
    if (port->rank == 0 || !whole)
        fv_text_printf(&t, "[%lld]", (long long)array_size(port, n));
    for (int i = 0; whole && i < port->rank; i++)
        fv_text_printf(&t, "[%lld]", (long long)port->dims[i]->value);
    return t.s;
}

/* "const float x[1][10], float y[1][12], void *work", and the names of the parameters. */
static const char *direct_parameters(fv_cg *g, const char **names) {
    const fv_program *p = g->p;
    fv_text t = {.arena = g->arena};
    fv_c_scope scope;
    fv_c_scope_init(&scope, g->arena);
    for (int k = 0; k < p->ninputs + p->noutputs; k++) {
        const fv_port *port = k < p->ninputs ? &p->inputs[k] : &p->outputs[k - p->ninputs];
        names[k] = fv_c_name(&scope, port->cname, k < p->ninputs ? "x" : "y");
        fv_text_printf(&t, "%s, ", array_parameter(g, port, names[k], k < p->ninputs));
    }
    fv_text_put(&t, fv_c_weights_file(g) ? "void *work, const fv_env *env" : "void *work");
    return t.s;
}

static void put_direct(fv_cg *g, fv_text *t) {
    const char **names = FV_NEW(g->arena, const char *, g->p->ninputs + g->p->noutputs + 1);
    fv_c_fill(g, t,
              "/* Runs the model. work: @NAME@_WORKSPACE_BYTES bytes, aligned to "
              "@NAME@_WORKSPACE_ALIGN.\n"
              " * @1@ */\n"
              "int @name@_run(@0@);\n",
              direct_parameters(g, names),
              fv_c_weights_file(g)
                  ? "env: the weights, see below; threads and cancelling, if wanted."
                  : fv_printf(g->arena, "With threads or cancelling: %s_model()->run.", g->name),
              NULL);
}

const char *fv_c_maker(fv_cg *g) {
    const char *producer =
        g->p->source.producer ? fv_c_comment(g->arena, g->p->source.producer) : "";
    return !*producer || isdigit((unsigned char)*producer)
               ? fv_printf(g->arena, "Fovea %s", producer)
               : producer;
}

void fv_c_header(fv_cg *g, fv_text *t) {
    const fv_program *p = g->p;
    const char *hash = p->source.hash && *p->source.hash ? p->source.hash : "(none)";
    fv_text calls = {.arena = g->arena};
    if (is_direct(g))
        put_direct(g, &calls);
    else
        put_general(g, &calls);
    if (weights_file(g) && !g->o->library)
        fv_c_fill(g, &calls, fv_c_weights_open_h_text, fv_c_weights_file(g), g->file, NULL);
    const char *const words[][2] = {
        {"@name@", g->name},
        {"@NAME@", g->NAME},
        {"@file@", g->file},
        {"@inputs@", port_lines(g, p->inputs, p->ninputs)},
        {"@outputs@", port_lines(g, p->outputs, p->noutputs)},
        {"@what@", g->o->library ? FV_C_LIBRARY_HEADER : "a compiled model."},
        {"@target@", target_line(g)},
        {"@compiler@",
         g->o->library
             ? "compiler adds."
             : "C compiler adds\n * for registers and calls, which GCC states by -fstack-usage."},
        {"@memory@", uses_allocator(g)
                         ? "Values without a bound come from env->alloc, which must be given."
                         : "Nothing is allocated; env->alloc is never called."},
        {"@weights@", weights_file(g) ? weights_note(g) : ""},
        {"@stack@", fv_printf(g->arena, "%lld", (long long)most_stack_bytes(g))},
        {"@maker@", fv_c_maker(g)},
        {"@hash@", fv_c_comment(g->arena, hash)},
        {"@abi@", fv_c_abi_text},
        {"@workspace@", workspace_bytes(g)},
        {"@sizes@", port_sizes(g)},
        {"@calls@", calls.s},
    };
    fv_c_replace(t, fv_c_model_h_text, sizeof words / sizeof *words, words);
}

/* ---- definitions ---- */

static void put_direct_run(fv_cg *g) {
    const fv_program *p = g->p;
    int n = p->ninputs + p->noutputs;
    bool asks = g->machine.checks_cpu;
    const char **names = FV_NEW(g->arena, const char *, n + 2),
               *parameters = direct_parameters(g, names);
    const char *env = fv_c_weights_file(g) ? "env" : "NULL";
    names[n] = "work";
    names[n + 1] = "env";
    fv_c_open(g, asks ? "static %s_NOINLINE int %s_direct(%s)" : "%sint %s_run(%s)",
              asks ? g->NAME : "", g->name, parameters);
    if (p->ninputs)
        fv_c_line(g, "const void *const inputs[] = {%s};", listed(g, names, p->ninputs));
    if (p->noutputs)
        fv_c_line(g, "void *const outputs[] = {%s};", listed(g, names + p->ninputs, p->noutputs));
    fv_c_line(g, "return %s_%s(NULL, %s, %s, NULL, work, %s_WORKSPACE_BYTES, %s);", g->name,
              asks || fv_c_inlines_run(g) ? "run_flat" : "run_entry",
              p->ninputs ? "inputs" : "NULL", p->noutputs ? "outputs" : "NULL", g->NAME, env);
    fv_c_close(g);
    fv_c_line(g, "%s", "");
    if (!asks)
        return;
    /* code before the check of the CPU must run on every CPU, so the rest is a function of its own;
     * otherwise compilers might use vector instructions for the addresses */
    fv_c_open(g, "int %s_run(%s)", g->name, parameters);
    fv_c_line(g, "return %s_cpu_is_bad() ? FV_BAD_CPU : %s_direct(%s);", g->name, g->name,
              listed(g, names, n + 1 + (fv_c_weights_file(g) != NULL)));
    fv_c_close(g);
    fv_c_line(g, "%s", "");
}

void fv_c_public(fv_cg *g) {
    bool asks = g->machine.checks_cpu;
    fv_c_fill(g, g->out, fv_c_entry_c_text,
              asks ? fv_printf(g->arena, "    if (%s_cpu_is_bad())\n        return FV_BAD_CPU;\n",
                               g->name)
                   : "",
              NULL);
    if (asks)
        fv_c_fill(g, g->out,
                  "static int @name@_plan_entry(const int64_t *dims, size_t *workspace, "
                  "int64_t *out_dims) {\n"
                  "    return @name@_cpu_is_bad() ? FV_BAD_CPU : @name@_plan_flat(dims, "
                  "workspace, out_dims);\n"
                  "}\n\n",
                  NULL);
    if (fv_c_is_direct(g->p))
        put_direct_run(g);
    else
        fv_c_fill(g, g->out, fv_c_general_c_text, asks ? "plan_entry" : "plan_flat", NULL);
    fv_c_table(g);
}
