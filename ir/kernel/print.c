/* print.c - prints statements and kernels; print_expr.c prints expressions. A printed text can be
 * parsed, and then prints the same again. */
#include "ir/kernel/print.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ir/expr/visit.h"
#include "ir/kernel/printer.h"
#include "ir/kernel/program_print.h"
#include "ir/kernel/words.h"

/* ---- statements ---- */

static void indent(fv_kprinter *p) {
    for (int i = 0; i < p->indent; i++)
        fv_text_put(p->t, "  ");
}

void fv_kp_line(fv_kprinter *p, const char *format, ...) {
    indent(p);
    va_list args;
    va_start(args, format);
    char text[256]; /* a buffer for short texts of limited length; names are printed separately */
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fv_text_put(p->t, text);
}

static bool is_declared(const fv_kprinter *p, const fv_expr *root) {
    const fv_expr *x;
    for (fv_x_visitor v = fv_x_visit(p->arena, root); (x = fv_x_next(&v));)
        if (x->op == FV_X_VAR && !fv_ptrmap_get(&p->names, x->u.var))
            return false;
    return true;
}

/* Prints an extent; `?` stands for one that becomes known only at run time. */
static void put_extent(fv_kprinter *p, const fv_expr *x) {
    if (x && is_declared(p, x))
        fv_kp_expr(p, x);
    else
        fv_text_put(p->t, "?");
}

void fv_kp_type(fv_kprinter *p, const fv_buf *b) {
    fv_text_put(p->t, fv_elem_name(b->elem));
    if (b->lanes > 1)
        fv_text_printf(p->t, "x%d", b->lanes);
    if (b->role == FV_BUF_TILE && b->rank == 0)
        return;
    fv_text_put(p->t, "[");
    for (int i = 0; i < b->rank; i++) {
        if (i)
            fv_text_put(p->t, ", ");
        put_extent(p, b->extent[i]);
    }
    fv_text_put(p->t, "]");
}

void fv_kp_body(fv_kprinter *p, const fv_block *block, const fv_program *program) {
    fv_text_put(p->t, " {\n");
    int mark = p->nscope;
    p->indent++;
    fv_kp_block(p, block, program);
    p->indent--;
    fv_kp_close_scope(p, mark);
    fv_kp_line(p, "}");
}

static void put_store(fv_kprinter *p, const fv_stmt *s) {
    indent(p);
    fv_kp_index(p, s->buf, s->index, s->x->type.lanes);
    fv_text_put(p->t, " = ");
    fv_kp_stored(p, s->x);
    if (s->mask) {
        fv_text_put(p->t, " if ");
        fv_kp_condition(p, s->mask);
    }
    fv_text_put(p->t, "\n");
}

static void put_tile(fv_kprinter *p, const fv_stmt *s) {
    fv_kp_line(p, "tile ");
    fv_kp_declare(p, s->buf, s->buf->name, 't');
    fv_text_put(p->t, ": ");
    fv_kp_type(p, s->buf);
    if (s->x) {
        fv_text_put(p->t, " = ");
        fv_kp_stored(p, s->x);
    }
    fv_text_put(p->t, "\n");
}

/* Prints a loop. Its bounds are printed before its variable is declared, since they cannot refer to
 * it. */
static void put_loop(fv_kprinter *p, const fv_stmt *s, const fv_program *program) {
    static const char *const kinds[] = {"for", "parallel", "vector", "unroll"};
    fv_text bounds = {.arena = p->arena};
    fv_text *t = p->t;
    p->t = &bounds;
    int64_t lo;
    bool short_form = fv_x_is_int(s->loop.lo, &lo) && lo == 0 && s->loop.step == 1;
    fv_text_put(p->t, short_form ? " < " : " = ");
    if (!short_form) {
        fv_kp_expr(p, s->loop.lo);
        fv_text_put(p->t, " to ");
    }
    fv_kp_expr(p, s->loop.hi);
    if (s->loop.step != 1)
        fv_text_printf(p->t, " step %" PRId64, s->loop.step);
    p->t = t;
    fv_kp_line(p, "%s ", kinds[s->loop.kind]);
    int mark = p->nscope;
    fv_kp_declare(p, s->var, s->var->name, 'v');
    fv_text_put(p->t, bounds.s);
    fv_kp_body(p, &s->body, program);
    fv_kp_close_scope(p, mark);
    fv_text_put(p->t, "\n");
}

static void put_if(fv_kprinter *p, const fv_stmt *s, const fv_program *program) {
    fv_kp_line(p, "if ");
    fv_kp_expr(p, s->x);
    fv_kp_body(p, &s->body, program);
    if (s->other.first) {
        fv_text_put(p->t, " else");
        fv_kp_body(p, &s->other, program);
    }
    fv_text_put(p->t, "\n");
}

static void put_launch(fv_kprinter *p, const fv_stmt *s) {
    fv_kp_line(p, "launch ");
    fv_kp_name(p, s->call.kernel->name);
    fv_text_put(p->t, "(");
    for (int i = 0; i < s->call.kernel->nbufs; i++) {
        if (i)
            fv_text_put(p->t, ", ");
        fv_kp_put_name(p, s->call.args[i], s->call.args[i]->name);
    }
    if (s->call.kernel->ndims) {
        fv_text_put(p->t, "; ");
        fv_kp_exprs(p, s->call.kernel->ndims, s->call.dims);
    }
    fv_text_put(p->t, s->call.descending ? ") descending\n" : ")\n");
}

static void put_buffer_of(fv_kprinter *p, const fv_port *port) {
    fv_kp_put_name(p, port->buf, port->buf->name);
}

/* Prints an argument of the caller: dims[n], inputs[x], env.alloc, bytes. */
static void put_argument(fv_kprinter *p, const fv_read *r, const fv_program *program) {
    bool input = r->of == FV_ARG_INPUTS, output = r->of == FV_ARG_OUTPUTS || r->of == FV_ARG_ACTUAL;
    fv_text_put(p->t, fv_argument_text((fv_argument)r->of));
    if (r->at < 0)
        return;
    if (r->of == FV_ARG_ENV) {
        fv_text_printf(p->t, ".%s", fv_env_text(r->at));
        return;
    }
    fv_text_put(p->t, "[");
    if (r->of == FV_ARG_DIMS)
        fv_kp_put_name(p, program->symbols.vars[r->at], program->symbols.vars[r->at]->name);
    else if (input || output)
        put_buffer_of(p, input ? &program->inputs[r->at] : &program->outputs[r->at]);
    else
        fv_text_printf(p->t, "%d", r->at);
    fv_text_put(p->t, "]");
}

static void put_read(fv_kprinter *p, const fv_stmt *s, const fv_program *program) {
    const char *how = fv_read_how_text((fv_read_how)s->read.how);
    fv_kp_line(p, "read ");
    fv_kp_declare(p, s->var, s->var->name, 'v');
    fv_text_printf(p->t, " = %s%s", how, *how ? " " : "");
    put_argument(p, &s->read, program);
    if (s->read.how == FV_READ_ALIGNED)
        fv_text_printf(p->t, " %d", s->read.align);
    fv_text_put(p->t, "\n");
}

/* Prints a statement that reports a size to the caller: setdim y[1] = n, setcapacity y = n,
 * setworkspace n. */
static void put_told(fv_kprinter *p, const fv_stmt *s, const fv_program *program) {
    const fv_buf *b = program && s->size.output >= 0 ? program->outputs[s->size.output].buf : NULL;
    fv_kp_line(p, s->size.output < 0 ? "setworkspace "
                  : s->size.axis < 0 ? "setcapacity "
                                     : "setdim ");
    if (s->size.output >= 0) {
        fv_kp_put_name(p, b, b ? b->name : "?");
        if (s->size.axis >= 0)
            fv_text_printf(p->t, "[%d]", s->size.axis);
        fv_text_put(p->t, " = ");
    }
    fv_kp_expr(p, s->x);
    fv_text_put(p->t, "\n");
}

static void put_host(fv_kprinter *p, const fv_stmt *s, const fv_program *program) {
    switch (s->kind) {
    case FV_S_READ: put_read(p, s, program); break;
    case FV_S_PLAN: fv_kp_line(p, "plan\n"); break;
    case FV_S_MEMORY: fv_kp_line(p, "memory\n"); break;
    case FV_S_CHECK:
        fv_kp_line(p, "check ");
        fv_kp_expr(p, s->x);
        fv_text_printf(p->t, ", %s, ", fv_status_word(s->note.status));
        fv_text_string(p->t, s->note.text ? s->note.text : "",
                       s->note.text ? strlen(s->note.text) : 0);
        fv_text_put(p->t, "\n");
        break;
    case FV_S_LAUNCH: put_launch(p, s); break;
    /* declares the buffer if this is its only allocation, and not in a nested block */
    case FV_S_ALLOC:
        fv_kp_line(p, "alloc ");
        if (!fv_program_declares(program, s->buf)) {
            fv_kp_put_name(p, s->buf, s->buf->name);
        } else {
            fv_kp_declare(p, s->buf, s->buf->name, 'b');
            fv_text_put(p->t, ": ");
            fv_kp_type(p, s->buf);
        }
        fv_text_put(p->t, " bytes ");
        fv_kp_expr(p, s->x);
        fv_text_put(p->t, "\n");
        break;
    case FV_S_FREE:
        fv_kp_line(p, "free ");
        fv_kp_put_name(p, s->buf, s->buf->name);
        fv_text_put(p->t, "\n");
        break;
    case FV_S_SETDIM: put_told(p, s, program); break;
    default: break;
    }
}

/* Prints a call such as `call image_size(file, size)`, or `call send(x) rank 1 of 2`. */
static void put_library_call(fv_kprinter *p, const fv_stmt *s) {
    fv_kp_line(p, "%s %s(", fv_call_mode_names[s->call.mode], s->call.library->name);
    for (int i = 0; i < s->call.library->nparams; i++) {
        fv_text_put(p->t, i ? ", " : "");
        fv_kp_put_name(p, s->call.args[i], s->call.args[i]->name);
    }
    fv_text_put(p->t, ")");
    if (s->call.library->addressed)
        fv_text_printf(p->t, " rank %lld of %lld", (long long)s->call.rank,
                       (long long)s->call.ranks);
    fv_text_put(p->t, "\n");
}

static void put_stmt(fv_kprinter *p, const fv_stmt *s, const fv_program *program) {
    switch (s->kind) {
    case FV_S_LET: {
        int i;
        if (program &&
            (fv_program_symbol(program, s->var, &i) || fv_program_capacity(program, s->var, &i))) {
            fv_kp_line(p, "bind ");
            fv_kp_put_name(p, s->var, s->var->name);
            fv_text_put(p->t, " = ");
            fv_kp_expr(p, s->x);
            fv_text_put(p->t, "\n");
            break;
        }
        fv_kp_line(p, "let ");
        /* printed before the variable is declared, since the value cannot refer to it */
        fv_text value = {.arena = p->arena};
        fv_text *t = p->t;
        p->t = &value;
        fv_kp_expr(p, s->x);
        p->t = t;
        fv_kp_declare(p, s->var, s->var->name, 'v');
        fv_text_printf(p->t, " = %s\n", value.s);
        break;
    }
    case FV_S_STORE: put_store(p, s); break;
    case FV_S_PREFETCH:
        fv_kp_line(p, "prefetch ");
        fv_kp_index(p, s->buf, s->index, 1);
        if (s->cache != 1)
            fv_text_printf(p->t, " to %d", s->cache);
        fv_text_put(p->t, "\n");
        break;
    case FV_S_TRANSPOSE:
        fv_kp_line(p, "transpose ");
        fv_kp_put_name(p, s->buf, s->buf->name);
        fv_text_put(p->t, "\n");
        break;
    case FV_S_TILE: put_tile(p, s); break;
    case FV_S_FOR: put_loop(p, s, program); break;
    case FV_S_IF: put_if(p, s, program); break;
    case FV_S_WHILE:
        fv_kp_line(p, "while ");
        fv_kp_expr(p, s->x);
        fv_kp_body(p, &s->body, program);
        fv_text_put(p->t, "\n");
        break;
    case FV_S_OUTLINE:
        fv_kp_line(p, "outline");
        fv_kp_body(p, &s->body, program);
        fv_text_put(p->t, "\n");
        break;
    case FV_S_MATRIX:
        fv_kp_line(p, "matrix");
        fv_kp_body(p, &s->body, program);
        fv_text_put(p->t, "\n");
        break;
    case FV_S_CALL: put_library_call(p, s); break;
    case FV_S_COMMENT:
        if (p->canonical)
            break;
        fv_kp_line(p, "comment ");
        fv_text_string(p->t, s->note.text, strlen(s->note.text));
        fv_text_put(p->t, "\n");
        break;
    case FV_S_READ:
    case FV_S_PLAN:
    case FV_S_MEMORY:
    case FV_S_CHECK:
    case FV_S_LAUNCH:
    case FV_S_ALLOC:
    case FV_S_FREE:
    case FV_S_SETDIM: put_host(p, s, program); break;
    }
}

void fv_kp_block(fv_kprinter *p, const fv_block *block, const fv_program *program) {
    for (const fv_stmt *s = block->first; s; s = s->next)
        put_stmt(p, s, program);
}

/* ---- kernels ---- */

static void put_param(fv_kprinter *p, const fv_buf *b) {
    if (b->role != FV_BUF_IN)
        fv_text_put(p->t, b->role == FV_BUF_OUT ? "out " : "inout ");
    fv_kp_put_name(p, b, b->name);
    fv_text_put(p->t, ": ");
    fv_kp_type(p, b);
}

void fv_kp_bounds(fv_kprinter *p, int64_t lo, int64_t hi) {
    fv_text_put(p->t, " in ");
    fv_kp_int(p, lo);
    fv_text_put(p->t, "..");
    fv_kp_int(p, hi);
}

static void put_kernel_dim(fv_kprinter *p, const fv_var *v) {
    fv_kp_put_name(p, v, v->name);
    if (v->lo != 0 || v->hi != FV_DIM_MAX)
        fv_kp_bounds(p, v->lo, v->hi);
}

/* Declares the names of all parameters before anything is printed, since extents refer to dims. */
static void declare_params(fv_kprinter *p, const fv_kernel *k) {
    fv_text nowhere = {.arena = p->arena};
    fv_text *t = p->t;
    p->t = &nowhere;
    for (int i = 0; i < k->nbufs; i++)
        fv_kp_declare(p, k->bufs[i], k->bufs[i]->name, 'b');
    for (int i = 0; i < k->ndims; i++)
        fv_kp_declare(p, k->dims[i], k->dims[i]->name, 'd');
    if (k->task)
        fv_kp_declare(p, k->task, k->task->name, 'd');
    p->t = t;
}

static void put_for_people(fv_kprinter *p, const char *what, const char *text) {
    if (!text || p->canonical)
        return;
    fv_text_printf(p->t, "\n    %s ", what);
    fv_text_string(p->t, text, strlen(text));
}

void fv_kp_kernel(fv_kprinter *p, const fv_kernel *k) {
    int mark = p->nscope;
    declare_params(p, k);
    fv_text_put(p->t, "kernel ");
    if (p->canonical)
        fv_text_put(p->t, "k");
    else
        fv_kp_name(p, k->name);
    fv_text_put(p->t, "(");
    for (int i = 0; i < k->nbufs; i++) {
        if (i)
            fv_text_put(p->t, ", ");
        put_param(p, k->bufs[i]);
    }
    for (int i = 0; i < k->ndims; i++) {
        fv_text_put(p->t, i ? ", " : "; ");
        put_kernel_dim(p, k->dims[i]);
    }
    fv_text_put(p->t, ")");
    put_for_people(p, "origin", k->origin);
    put_for_people(p, "formula", k->formula);
    if (k->schedule && !p->canonical) {
        fv_text_put(p->t, "\n    schedule ");
        fv_schedule_print(p->t, k->schedule);
    }
    if (k->task) {
        fv_text_put(p->t, "\n    task ");
        fv_kp_put_name(p, k->task, k->task->name);
        fv_text_put(p->t, " < ");
        fv_kp_expr(p, k->tasks);
        fv_text_put(p->t, k->requires_ ? " requires" : "");
    }
    fv_kp_body(p, &k->body, NULL);
    fv_text_put(p->t, "\n");
    fv_kp_close_scope(p, mark);
}

void fv_kernel_print(fv_text *t, const fv_kernel *k) {
    fv_kprinter p;
    fv_kprinter_init(&p, t, false);
    fv_kp_kernel(&p, k);
}

const char *fv_kernel_key(fv_arena *a, const fv_kernel *k) {
    fv_text t = {.arena = a};
    fv_kprinter p;
    fv_kprinter_init(&p, &t, true);
    fv_kp_kernel(&p, k);
    return t.s;
}
