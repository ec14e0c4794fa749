/* print.c - prints graph IR. The grammar is in the head of parse.c. */
#include "ir/graph/print.h"

#include "ir/base/ptrmap.h"
#include "ir/catalogue/op.h"
#include "ir/dim/text.h"
#include "ir/graph/graph.h"
#include "ir/graph/parse.h"
#include "ir/syntax/ast.h"

#include <stdio.h>
#include <string.h>

enum { INLINE_ELEMENTS = 16, SIDE_ALIGN = 64 };

typedef fv_graph_printer printer;

/* ---- numbers and names ---- */

/* Prints an integer. INT64_MIN is printed in hex, because its decimal digits without the minus are
 * out of range. */
static void put_int(fv_text *t, int64_t v) {
    if (v == INT64_MIN)
        fv_text_put(t, "-0x8000000000000000");
    else
        fv_text_printf(t, "%lld", (long long)v);
}

void fv_put_value(fv_text *t, const fv_value *v) {
    if (!v) {
        fv_text_put(t, "_");
        return;
    }
    fv_text_put(t, v->kind == FV_VALUE_CONST ? "@" : "%");
    fv_text_name(t, v->name);
}

static void put_values(fv_text *t, int n, fv_value *const *values) {
    for (int i = 0; i < n; i++) {
        fv_text_put(t, i ? ", " : "");
        fv_put_value(t, values[i]);
    }
}

static void put_dims(fv_text *t, int n, const fv_dim *const *dims) {
    fv_text_put(t, "[");
    for (int i = 0; i < n; i++)
        fv_text_printf(t, "%s%s", i ? ", " : "", fv_dim_str(t->arena, dims[i]));
    fv_text_put(t, "]");
}

/* Prints the type of a value, and its elements if they are known. */
void fv_put_type_of(fv_text *t, const fv_value *v) {
    fv_text_put(t, fv_type_str(t->arena, v->type));
    if (!v->elems)
        return;
    fv_text_put(t, " = ");
    put_dims(t, v->nelems, v->elems);
}

/* ---- tensors ---- */

static void put_element(fv_text *t, const fv_tensor *x, size_t i) {
    if (x->elem == FV_BOOL)
        fv_text_put(t, fv_tensor_int(x, i) ? "true" : "false");
    else if (x->elem == FV_U64 && fv_tensor_int(x, i) < 0)
        fv_text_printf(t, "0x%llx", (unsigned long long)fv_tensor_int(x, i));
    else if (fv_elem_is_int(x->elem))
        put_int(t, fv_tensor_int(x, i));
    else if (x->elem == FV_F64)
        fv_text_double(t, fv_tensor_float(x, i));
    else
        fv_text_float(t, (float)fv_tensor_float(x, i));
}

/* Prints elements; a complex number is a pair of floats, strings are quoted. */
static void put_elements(fv_text *t, const fv_tensor *x) {
    fv_tensor parts = *x;
    if (x->elem == FV_C64 || x->elem == FV_C128) {
        parts.elem = x->elem == FV_C64 ? FV_F32 : FV_F64;
        parts.count *= 2;
    }
    bool list = x->rank || parts.count != 1;
    fv_text_put(t, list ? "[" : "");
    for (size_t i = 0; i < parts.count; i++) {
        const fv_string *strings = x->elem == FV_STRING ? x->data : NULL;
        fv_text_put(t, i ? ", " : "");
        if (strings)
            fv_text_string(t, strings[i].s, strings[i].n);
        else
            put_element(t, &parts, i);
    }
    fv_text_put(t, list ? "]" : "");
}

/* The offset rounded up to the alignment of tensors in the side file. */
static size_t aligned(size_t bytes) {
    return (bytes + SIDE_ALIGN - 1) / SIDE_ALIGN * SIDE_ALIGN;
}

static void put_in_side(printer *p, const fv_tensor *x) {
    fv_graph_side *s = p->side;
    size_t at = aligned(s->bytes);
    fv_text_put(p->t, "file ");
    fv_text_string(p->t, p->side_name, strlen(p->side_name));
    fv_text_printf(p->t, " %zu %zu", at, x->bytes);
    FV_PUSH(s->arena, s->all, s->n, s->cap, x);
    s->bytes = at + x->bytes;
}

bool fv_graph_side_write(const fv_graph_side *s, FILE *f) {
    static const char zeros[SIDE_ALIGN] = {0};
    size_t at = 0;
    for (int i = 0; i < s->n; i++) {
        const fv_tensor *x = s->all[i];
        size_t space = aligned(at) - at;
        if (fwrite(zeros, 1, space, f) != space ||
            !fv_tensor_write_bytes(s->session, x, f)) /* side files are little-endian */
            return false;
        at += space + x->bytes;
    }
    return true;
}

static void lend(printer *p, const fv_tensor *x) {
    fv_text_printf(p->t, "lent %d", p->lent->n);
    FV_PUSH(p->lent->arena, p->lent->at, p->lent->n, p->lent->cap, x);
}

static bool is_short(const fv_tensor *x) {
    return x->count <= INLINE_ELEMENTS || x->elem == FV_STRING;
}

static void put_content(printer *p, const fv_tensor *x) {
    if (is_short(x))
        put_elements(p->t, x);
    else if (p->lent)
        lend(p, x);
    else if (p->side)
        put_in_side(p, x);
    else if (p->whole)
        fv_text_hex(p->t, fv_tensor_little_endian(p->t->arena, x), x->bytes);
    else
        fv_text_put(p->t, "...");
}

static void put_tensor_type(fv_text *t, const fv_tensor *x) {
    fv_text_printf(t, "%s[", fv_elem_name(x->elem));
    for (int i = 0; i < x->rank; i++)
        fv_text_printf(t, "%s%lld", i ? ", " : "", (long long)x->dims[i]);
    fv_text_put(t, "]");
}

/* ---- ops ---- */

static void put_region(printer *p, const fv_region *r);

static void put_list(fv_text *t, const fv_attr *a) {
    fv_text_put(t, "[");
    for (int i = 0; i < a->n; i++) {
        fv_text_put(t, i ? ", " : "");
        if (a->kind == FV_ATTR_INTS)
            put_int(t, a->u.ints[i]);
        else if (a->kind == FV_ATTR_FLOATS)
            fv_text_float(t, a->u.floats[i]);
        else
            fv_text_string(t, a->u.strings[i].s, a->u.strings[i].n);
    }
    fv_text_put(t, "]");
}

void fv_put_attr(printer *p, const fv_attr *a) {
    fv_text *t = p->t;
    switch (a->kind) {
    case FV_ATTR_INT: put_int(t, a->u.i); return;
    case FV_ATTR_FLOAT: fv_text_float(t, a->u.f); return;
    case FV_ATTR_STRING: fv_text_string(t, a->u.s.s, a->u.s.n); return;
    case FV_ATTR_INTS:
    case FV_ATTR_FLOATS:
    case FV_ATTR_STRINGS: put_list(t, a); return;
    case FV_ATTR_TENSOR:
        fv_text_put(t, "tensor ");
        put_tensor_type(t, a->u.tensor);
        fv_text_put(t, " ");
        put_content(p, a->u.tensor);
        return;
    case FV_ATTR_TYPE: fv_text_put(t, fv_type_str(t->arena, a->u.type)); return;
    case FV_ATTR_DIMS: put_dims(t, a->n, a->u.dims); return;
    case FV_ATTR_REGION: put_region(p, a->u.region); return;
    }
}

static void put_attrs(printer *p, const fv_op *op) {
    if (!op->nattrs)
        return;
    fv_text_put(p->t, " {");
    for (int i = 0; i < op->nattrs; i++) {
        fv_text_put(p->t, i ? ", " : "");
        fv_text_name(p->t, op->attrs[i].name);
        fv_text_put(p->t, " = ");
        fv_put_attr(p, &op->attrs[i]);
    }
    fv_text_put(p->t, "}");
}

static void put_results(fv_text *t, const fv_op *op) {
    const char *before = " : ";
    for (int i = 0; i < op->nout; i++) {
        if (!op->out[i])
            continue;
        fv_text_put(t, before);
        fv_put_type_of(t, op->out[i]);
        before = ", ";
    }
}

void fv_put_nodes(fv_text *t, const char *word, int n, const char *const *nodes) {
    for (int i = 0; i < n; i++) {
        fv_text_put(t, i ? ", " : word);
        fv_text_string(t, nodes[i], strlen(nodes[i]));
    }
    fv_text_put(t, n ? ")" : "");
}

void fv_put_op(printer *p, const fv_op *op) {
    fv_text *t = p->t;
    if (op->def == &fv_return_def) {
        fv_text_put(t, op->nin ? "return " : "return");
        put_values(t, op->nin, op->in);
        return;
    }
    put_values(t, op->nout, op->out);
    fv_text_printf(t, "%s%s(", op->nout ? " = " : "", fv_opdef_qualified(t->arena, op->def));
    put_values(t, op->nin, op->in);
    fv_text_put(t, ")");
    put_attrs(p, op);
    put_results(t, op);
    fv_put_nodes(t, "    loc(", op->origin->n, op->origin->nodes);
}

static void put_indent(printer *p) {
    fv_text_printf(p->t, "%*s", 2 * p->indent, "");
}

static void put_block(printer *p, const fv_region *r) {
    fv_text_put(p->t, "{\n");
    p->indent++;
    for (const fv_op *op = r->first; op; op = op->next) {
        put_indent(p);
        fv_put_op(p, op);
        fv_text_put(p->t, "\n");
    }
    p->indent--;
    put_indent(p);
    fv_text_put(p->t, "}");
}

static void put_params(fv_text *t, const fv_region *r) {
    fv_text_put(t, "(");
    for (int i = 0; i < r->nparams; i++) {
        fv_text_put(t, i ? ", " : "");
        fv_put_value(t, r->params[i]);
        fv_text_put(t, ": ");
        fv_put_type_of(t, r->params[i]);
    }
    fv_text_put(t, ")");
}

static void put_region(printer *p, const fv_region *r) {
    fv_text_put(p->t, "^");
    put_params(p->t, r);
    fv_text_put(p->t, " ");
    if (p->elide)
        fv_text_put(p->t, "{...}");
    else
        put_block(p, r);
}

/* ---- functions and modules ---- */

void fv_put_func_head(printer *p, const fv_func *f) {
    const fv_op *last = f->body->last;
    fv_text_put(p->t, "func @");
    fv_text_name(p->t, f->name);
    put_params(p->t, f->body);
    if (f->result_names && last && last->def == &fv_return_def) {
        fv_text_put(p->t, " -> (");
        for (int i = 0; i < last->nin; i++) {
            fv_text_put(p->t, i ? ", %" : "%");
            fv_text_name(p->t, f->result_names[i]);
            if (f->states && f->states[i]) {
                fv_text_put(p->t, " state ");
                fv_put_value(p->t, f->states[i]);
                if (f->capacity && f->capacity[i])
                    fv_text_printf(p->t, " capacity %s", fv_dim_str(p->t->arena, f->capacity[i]));
            }
        }
        fv_text_put(p->t, ")");
    }
    fv_text_put(p->t, " ");
}

static void put_func(printer *p, const fv_func *f) {
    fv_put_func_head(p, f);
    put_block(p, f->body);
    fv_text_put(p->t, "\n");
}

/* Adds the symbols of d to the set `seen`. */
void fv_note_dim(fv_ptrmap *seen, const fv_dim *d) {
    void **at = fv_ptrmap_at(seen, d);
    if (*at)
        return;
    *at = seen;
    for (int i = 0; i < d->n; i++)
        fv_note_dim(seen, d->arg[i]);
}

static void note_dims(fv_ptrmap *seen, int n, const fv_dim *const *dims) {
    for (int i = 0; i < n; i++)
        if (dims[i])
            fv_note_dim(seen, dims[i]);
}

void fv_note_type(fv_ptrmap *seen, const fv_type *t) {
    for (; t; t = t->of)
        note_dims(seen, t->kind == FV_TENSOR ? t->rank : 0, t->dims);
}

static void note_value(fv_ptrmap *seen, const fv_value *v) {
    if (!v)
        return;
    fv_note_type(seen, v->type);
    note_dims(seen, v->elems ? v->nelems : 0, v->elems);
}

static void note_block(fv_ptrmap *seen, const fv_region *r) {
    for (int i = 0; i < r->nparams; i++)
        note_value(seen, r->params[i]);
    for (const fv_op *op = r->first; op; op = op->next) {
        for (int i = 0; i < op->nout; i++)
            note_value(seen, op->out[i]);
        for (int i = 0; i < op->nattrs; i++) {
            const fv_attr *a = &op->attrs[i];
            if (a->kind == FV_ATTR_DIMS)
                note_dims(seen, a->n, a->u.dims);
            else if (a->kind == FV_ATTR_TYPE)
                fv_note_type(seen, a->u.type);
            else if (a->kind == FV_ATTR_REGION)
                note_block(seen, a->u.region);
        }
    }
}

/* Declares the symbols that occur in the module. */
static void put_symbols(fv_text *t, const fv_module *m, fv_ptrmap *seen) {
    for (const fv_func *f = m->funcs; f; f = f->next) {
        note_block(seen, f->body);
        for (int i = 0; f->capacity && i < f->body->last->nin; i++)
            if (f->capacity[i])
                fv_note_dim(seen, f->capacity[i]);
    }
    for (int i = 0; i < m->nrelations; i++) {
        fv_note_dim(seen, m->relations[i].a);
        fv_note_dim(seen, m->relations[i].b);
    }
    const fv_dim *const *symbols;
    int n = fv_dim_symbols(m->dims, &symbols);
    for (int i = 0; i < n; i++) {
        if (!fv_ptrmap_get(seen, symbols[i]))
            continue;
        fv_text_printf(t, "symbol %s ", fv_dim_str(t->arena, symbols[i]));
        put_int(t, symbols[i]->lo);
        fv_text_put(t, "..");
        put_int(t, symbols[i]->hi);
        fv_text_put(t, symbols[i]->from_data ? " data\n" : "\n");
    }
}

void fv_put_module_head(fv_text *t, const fv_module *m, fv_ptrmap *seen) {
    fv_text_put(t, "module ");
    fv_text_string(t, m->name, strlen(m->name));
    if (*m->source.hash) {
        fv_text_put(t, " ");
        fv_text_string(t, m->source.hash, strlen(m->source.hash));
    }
    fv_text_put(t, "\n");
    put_symbols(t, m, seen);
    for (int i = 0; i < m->nrelations; i++) {
        const struct fv_relation *r = &m->relations[i];
        fv_text_printf(t, "assume %s == ", fv_dim_str(t->arena, r->a));
        fv_text_printf(t, "%s ", fv_dim_str(t->arena, r->b));
        fv_text_string(t, r->why, strlen(r->why));
        if (r->says) {
            fv_text_put(t, " ");
            fv_text_string(t, r->says, strlen(r->says));
        }
        fv_text_put(t, "\n");
    }
}

void fv_put_const(printer *p, const fv_value *v) {
    fv_text_put(p->t, "const ");
    fv_put_value(p->t, v);
    fv_text_put(p->t, ": ");
    put_tensor_type(p->t, v->tensor);
    fv_text_put(p->t, " = ");
    put_content(p, v->tensor);
    fv_text_put(p->t, "\n");
}

static void print_module(printer *p, const fv_module *m) {
    fv_text_printf(p->t, "fovea-ir %d\n", FV_IR_FORMAT);
    fv_ptrmap seen = fv_ptrmap_in(p->t->arena);
    fv_put_module_head(p->t, m, &seen);
    for (int i = 0; i < m->nconsts; i++)
        fv_put_const(p, m->consts[i]);
    for (const fv_func *f = m->funcs; f; f = f->next)
        put_func(p, f);
}

void fv_module_print(fv_text *t, const fv_module *m, const char *side_name, fv_graph_side *side) {
    print_module(&(printer){.t = t, .side_name = side_name, .side = side_name ? side : NULL}, m);
}

void fv_module_print_whole(fv_text *t, const fv_module *m) {
    print_module(&(printer){.t = t, .whole = true}, m);
}

void fv_module_print_lent(fv_text *t, const fv_module *m, fv_lent *lent) {
    print_module(&(printer){.t = t, .lent = lent}, m);
}

bool fv_module_is_elided(const fv_module *m) {
    for (int i = 0; i < m->nconsts; i++)
        if (!is_short(m->consts[i]->tensor))
            return true;
    return false;
}

const char *fv_op_str(fv_arena *a, const fv_op *op) {
    fv_text t = {.arena = a};
    fv_put_op(&(printer){.t = &t, .elide = true}, op);
    return t.s;
}

void fv_dump(const fv_op *op) {
    fv_arena *a = fv_arena_new(fv_region_module(op->block)->session);
    fprintf(stderr, "%s\n", fv_op_str(a, op));
    fv_arena_free(a);
}
