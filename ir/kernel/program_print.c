/* program_print.c - prints host programs, and writes the side file of their constants.
 *
 * Order of the text: attributes of the model, symbols, plan, constants, buffers, ports, kernels,
 * size query, run. Every name is declared before it is used. A buffer of the caller's allocator is
 * declared by its `alloc` in the run if that is the only one and is not in a nested block. */
#include "ir/kernel/program_print.h"

#include <inttypes.h>
#include <string.h>

#include "ir/dim/text.h"
#include "ir/kernel/print.h"
#include "ir/kernel/printer.h"
#include "ir/kernel/words.h"

static void put_quoted(fv_kprinter *p, const char *what, const char *text) {
    if (!text)
        return;
    fv_kp_line(p, "%s ", what);
    fv_text_string(p->t, text, strlen(text));
    fv_text_put(p->t, "\n");
}

/* ---- symbols ---- */

static bool is_symbol_of(const fv_program *pr, const fv_dim *d) {
    for (int i = 0; i < pr->symbols.n; i++)
        if (pr->symbols.all[i] == d)
            return true;
    return false;
}

static void put_symbol(fv_kprinter *p, const char *what, const fv_dim *d, const fv_var *v) {
    fv_kp_line(p, "%s ", what);
    fv_text_put(p->t, fv_dim_str(p->arena, d));
    if (v) { /* prints the variable of the symbol, which usually has the same name */
        fv_text_put(p->t, " as ");
        fv_kp_declare(p, v, v->name, 'd');
    }
    fv_kp_bounds(p, v ? v->lo : d->lo, v ? v->hi : d->hi);
    fv_text_put(p->t, "\n");
}

static void put_symbols(fv_kprinter *p, const fv_program *pr) {
    const fv_dim *const *all;
    int n = pr->symbols.table ? fv_dim_symbols(pr->symbols.table, &all) : 0;
    for (int i = 0; i < pr->symbols.n; i++)
        put_symbol(p, "symbol", pr->symbols.all[i], pr->symbols.vars[i]);
    for (int i = 0; i < n; i++)
        if (!is_symbol_of(pr, all[i]))
            put_symbol(p, all[i]->from_data ? "unknown" : "other", all[i], NULL);
}

/* ---- constants, buffers, ports ---- */

static uint64_t align_side(uint64_t offset) {
    return (offset + FV_SIDE_ALIGN - 1) / FV_SIDE_ALIGN * FV_SIDE_ALIGN;
}

static bool is_inline(const fv_constant *c) {
    return c->bytes <= FV_INLINE_BYTES;
}

/* Where the elements of constants are printed. */
typedef enum {
    SIDE,
    WHOLE,
    LAYOUT
} elements; /* large ones to the side file; in the text; nowhere */

static void put_constants(fv_kprinter *p, const fv_program *pr, elements where) {
    uint64_t offset = 0;
    for (int i = 0; i < pr->memory.nconstants; i++) {
        const fv_constant *c = &pr->memory.constants[i];
        fv_kp_line(p, "constant ");
        fv_text_string(p->t, c->name, strlen(c->name));
        fv_text_put(p->t, " ");
        if (where == LAYOUT) {
            fv_text_printf(p->t, "bytes %zu", c->bytes);
        } else if (where == WHOLE || is_inline(c)) {
            fv_text_hex(p->t, fv_constant_data(c), c->bytes);
        } else {
            fv_text_printf(p->t, "side %" PRIu64 " %zu", offset, c->bytes);
            offset = align_side(offset + c->bytes);
        }
        fv_text_put(p->t, "\n");
    }
}

bool fv_program_has_side(const fv_program *pr) {
    for (int i = 0; i < pr->memory.nconstants; i++)
        if (!is_inline(&pr->memory.constants[i]))
            return true;
    return false;
}

bool fv_program_write_side(const fv_program *pr, FILE *f) {
    static const char zeros[FV_SIDE_ALIGN];
    for (int i = 0; i < pr->memory.nconstants; i++) {
        const fv_constant *c = &pr->memory.constants[i];
        if (is_inline(c))
            continue;
        size_t pad = (size_t)(align_side(c->bytes) - c->bytes);
        if (fwrite(fv_constant_data(c), 1, c->bytes, f) != c->bytes ||
            fwrite(zeros, 1, pad, f) != pad)
            return false;
    }
    return true;
}

static void put_names(fv_kprinter *p, const char *what, int n, const char *const *names) {
    for (int i = 0; i < n; i++) {
        fv_text_printf(p->t, " %s ", what);
        fv_text_string(p->t, names[i], strlen(names[i]));
    }
}

static void put_buffer(fv_kprinter *p, const fv_buf *b) {
    fv_kp_line(p, "buffer ");
    fv_kp_declare(p, b, b->name, 'b');
    fv_text_put(p->t, ": ");
    fv_kp_type(p, b);
    fv_text_printf(p->t, " %s", fv_role_text((fv_buf_role)b->role));
    if (b->role == FV_BUF_WORK) {
        fv_text_put(p->t, " at ");
        fv_kp_expr(p, b->offset);
        fv_text_put(p->t, " bytes ");
        fv_kp_expr(p, b->bytes);
    } else if (b->role != FV_BUF_HEAP) {
        fv_text_printf(p->t, " %d", b->index);
        if (b->output)
            fv_text_printf(p->t, " %s %d along %d", fv_role_text(FV_BUF_OUTPUT), b->output - 1,
                           b->along);
    }
    put_names(p, "over", b->sharing.nover, b->sharing.over);
    put_names(p, "part", b->sharing.nparts, b->sharing.parts);
    fv_text_put(p->t, "\n");
}

static void put_port_extents(fv_kprinter *p, const fv_port *port) {
    fv_text_put(p->t, " extents [");
    for (int i = 0; i < port->rank; i++) {
        if (i)
            fv_text_put(p->t, ", ");
        if (port->extent[i])
            fv_kp_expr(p, port->extent[i]);
        else
            fv_text_put(p->t, "?");
    }
    fv_text_put(p->t, "]");
}

static void put_port(fv_kprinter *p, const char *what, const fv_port *port, const fv_var *capacity,
                     const fv_port *state_of) {
    fv_kp_line(p, "%s ", what);
    fv_kp_name(p, fv_kp_name_of(p, port->buf, port->buf->name));
    fv_text_put(p->t, " = ");
    fv_text_string(p->t, port->name, strlen(port->name));
    fv_text_put(p->t, " as ");
    fv_kp_name(p, port->cname);
    fv_text_printf(p->t, ": %s[", fv_elem_name(port->elem));
    for (int i = 0; i < port->rank; i++)
        fv_text_printf(p->t, "%s%s", i ? ", " : "", fv_dim_str(p->arena, port->dims[i]));
    fv_text_put(p->t, "]");
    put_port_extents(p, port);
    if (capacity) {
        fv_text_put(p->t, " capacity ");
        fv_kp_declare(p, capacity, capacity->name, 'd');
    }
    if (state_of) {
        fv_text_put(p->t, " state ");
        fv_kp_name(p, fv_kp_name_of(p, state_of->buf, state_of->buf->name));
    }
    fv_text_put(p->t, "\n");
}

/* ---- the program ---- */

static void put_head(fv_kprinter *p, const fv_program *pr, elements where) {
    fv_text_printf(p->t, "fovea-program %d\n", FV_KERNEL_FORMAT);
    if (where != LAYOUT) {
        fv_text_put(p->t, "name ");
        fv_kp_name(p, pr->name);
        fv_text_put(p->t, "\n");
    }
    put_quoted(p, "target", pr->target ? pr->target->name : NULL);
    if (where != LAYOUT)
        put_quoted(p, "source", pr->source.hash);
    put_quoted(p, "producer", pr->source.producer);
    if (pr->memory.uses_allocator)
        fv_text_put(p->t, "allocator\n");
    put_symbols(p, pr);
    fv_text_put(p->t, "\n");
}

static void put_plan(fv_kprinter *p, const fv_program *pr) {
    fv_text_put(p->t, "plan {\n");
    p->indent++;
    fv_kp_block(p, &pr->host.plan, pr); /* the names of the plan stay in scope */
    p->indent--;
    fv_text_put(p->t, "}\n");
    if (pr->memory.workspace) {
        fv_text_put(p->t, "workspace ");
        fv_kp_expr(p, pr->memory.workspace);
        fv_text_put(p->t, "\n");
    }
    fv_text_put(p->t, "\n");
}

static void print_program(fv_text *t, const fv_program *pr, elements where) {
    fv_kprinter p;
    fv_kprinter_init(&p, t, false);
    put_head(&p, pr, where);
    put_plan(&p, pr);
    put_constants(&p, pr, where);
    for (int i = 0; i < pr->memory.nbuffers; i++)
        if (pr->memory.buffers[i]->role != FV_BUF_HEAP ||
            !fv_program_declares(pr, pr->memory.buffers[i]))
            put_buffer(&p, pr->memory.buffers[i]);
    for (int i = 0; i < pr->ninputs; i++)
        put_port(&p, "input", &pr->inputs[i], NULL, NULL);
    for (int i = 0; i < pr->noutputs; i++)
        put_port(&p, "output", &pr->outputs[i], pr->capacity ? pr->capacity[i] : NULL,
                 pr->outputs[i].state_of ? &pr->inputs[pr->outputs[i].state_of - 1] : NULL);
    for (int i = 0; i < pr->nkernels; i++) {
        fv_text_put(t, "\n");
        fv_kernel_print(t, pr->kernels[i]);
    }
    if (pr->host.query.first) {
        fv_text_put(t, "\nquery");
        fv_kp_body(&p, &pr->host.query, pr);
        fv_text_put(t, "\n");
    }
    fv_text_put(t, "\nrun");
    fv_kp_body(&p, &pr->host.body, pr);
    fv_text_put(t, "\n");
}

void fv_program_print(fv_text *t, const fv_program *pr) {
    print_program(t, pr, SIDE);
}

void fv_program_print_whole(fv_text *t, const fv_program *pr) {
    print_program(t, pr, WHOLE);
}

void fv_program_print_layout(fv_text *t, const fv_program *pr) {
    print_program(t, pr, LAYOUT);
}
