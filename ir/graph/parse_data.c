/* parse_data.c - parses dims, types, numbers and contents of tensors. */
#include "ir/graph/parse_data.h"

#include "ir/base/limits.h"
#include "ir/dim/text.h"

#include <math.h>
#include <string.h>

/* ---- dims and types ---- */

/* Reads a dim after the current token; the token after the dim becomes the current one. */
const fv_dim *fv_read_dim(fv_graph_reader *r) {
    const char *s = r->l.tok.start + r->l.tok.n, *error = NULL;
    const fv_dim *d = fv_dim_parse(r->m->dims, &s, &error);
    /* set the lexer to the place of the error */
    for (const char *c = r->l.tok.start; !d && c < s; c++) {
        r->l.tok.column = *c == '\n' ? 1 : r->l.tok.column + 1;
        r->l.tok.line += *c == '\n';
    }
    if (!d) {
        fv_lex_error(&r->l, "%s", error);
        return NULL;
    }
    fv_lex_resume(&r->l, s);
    bool fixed = r->nchosen && d->kind == FV_DIM_SYMBOL && d->lo == d->hi && !d->from_data;
    return fixed ? fv_dim_const(r->m->dims, d->lo) : d;
}

/* Parses [DIM, ...]. */
bool fv_read_dims(fv_graph_reader *r, int *n, const fv_dim *const **out) {
    const fv_dim **dims = NULL;
    int count = 0, cap = 0;
    if (!fv_lex_is(&r->l, "["))
        return fv_lex_expect(&r->l, "[");
    const char *next = r->l.tok.start + 1;
    if (next[strspn(next, " \t\r\n")] == ']') {
        fv_lex_next(&r->l);
    } else {
        do {
            const fv_dim *d = fv_read_dim(r);
            if (!d)
                return false;
            FV_PUSH(r->m->arena, dims, count, cap, d);
        } while (fv_lex_is(&r->l, ",") && count < FV_MAX_OPERANDS);
    }
    *n = count;
    *out = dims;
    return fv_lex_expect(&r->l, "]");
}

/* Parses ELEM, the name of an element type. */
static bool parse_elem(fv_graph_reader *r, fv_elem *out) {
    const char *name = r->l.tok.s;
    if (r->l.tok.kind != FV_TOK_NAME)
        return fv_lex_error(&r->l, "expected a type, found %s", fv_lex_found(&r->l));
    if (!fv_elem_parse(name, strlen(name), out))
        return fv_lex_error(&r->l, "'%s' is no element type", name);
    fv_lex_next(&r->l);
    return true;
}

/* Is the token after the current one `mark`, followed by `,` or `]`? */
static bool stands_alone(const fv_graph_reader *r, char mark) {
    static const char spaces[] = " \t\r\n";
    const char *next = r->l.tok.start + r->l.tok.n;
    next += strspn(next, spaces);
    if (*next != mark)
        return false;
    next += 1 + strspn(next + 1, spaces);
    return *next == ',' || *next == ']';
}

/* Parses DIM or `_`, which gives NULL, after the current token. */
static bool parse_axis(fv_graph_reader *r, const fv_dim **out) {
    if (!stands_alone(r, '_'))
        return (*out = fv_read_dim(r)) != NULL;
    *out = NULL;
    fv_lex_next(&r->l);
    fv_lex_next(&r->l);
    return true;
}

/* Parses the dims of a tensor in a sequence or optional: [DIM | _, ...] or [*]. */
static const fv_type *parse_element_dims(fv_graph_reader *r, fv_elem e) {
    const fv_dim *dims[FV_MAX_ELEMENT_RANK];
    const char *next = r->l.tok.start + 1;
    int n = 0;
    if (stands_alone(r, '*')) {
        fv_lex_next(&r->l);
        fv_lex_next(&r->l);
        n = FV_ANY_RANK;
    } else if (next[strspn(next, " \t\r\n")] == ']') {
        fv_lex_next(&r->l);
    } else {
        do {
            if (n == FV_MAX_ELEMENT_RANK) {
                fv_lex_error(&r->l, "an element of a sequence has more than %d axes",
                             FV_MAX_ELEMENT_RANK);
                return NULL;
            }
            if (!parse_axis(r, &dims[n++]))
                return NULL;
        } while (fv_lex_is(&r->l, ","));
    }
    return fv_lex_expect(&r->l, "]") ? fv_tensor_type(r->m->arena, e, n, dims) : NULL;
}

const fv_type *fv_read_held_type(fv_graph_reader *r) {
    fv_elem e;
    if (fv_lex_is(&r->l, "seq") || fv_lex_is(&r->l, "optional") || fv_lex_is(&r->l, "map"))
        return fv_read_type(r);
    if (!parse_elem(r, &e))
        return NULL;
    return fv_lex_is(&r->l, "[") ? parse_element_dims(r, e)
                                 : fv_tensor_type(r->m->arena, e, FV_NO_RANK, NULL);
}

static const fv_type *parse_wrapped(fv_graph_reader *r, fv_type_kind kind) {
    if (!fv_lex_expect(&r->l, "("))
        return NULL;
    const fv_type *of = fv_read_held_type(r);
    if (of && !fv_type_may_hold(kind, of)) {
        fv_lex_error(&r->l,
                     "a sequence holds tensors or maps, an optional a tensor or a sequence of "
                     "tensors, found %s",
                     fv_type_str(r->m->arena, of));
        return NULL;
    }
    return of && fv_lex_expect(&r->l, ")") ? fv_wrap_type(r->m->arena, kind, of) : NULL;
}

static const fv_type *parse_map(fv_graph_reader *r) {
    fv_elem key;
    if (!fv_lex_expect(&r->l, "(") || !parse_elem(r, &key) || !fv_lex_expect(&r->l, ","))
        return NULL;
    const fv_type *of = fv_read_type(r);
    if (of && !fv_type_may_be_map(key, of)) {
        fv_lex_error(&r->l,
                     "a map has keys that are integers or strings, and values of rank 0, found %s",
                     fv_type_str(r->m->arena, fv_map_type(r->m->arena, key, of)));
        return NULL;
    }
    return of && fv_lex_expect(&r->l, ")") ? fv_map_type(r->m->arena, key, of) : NULL;
}

static const fv_type *parse_tensor_type(fv_graph_reader *r) {
    fv_elem e;
    int n;
    const fv_dim *const *dims;
    if (!parse_elem(r, &e) || !fv_read_dims(r, &n, &dims))
        return NULL;
    if (n > FV_MAX_RANK) {
        fv_lex_error(&r->l, "rank %d is more than %d", n, FV_MAX_RANK);
        return NULL;
    }
    return fv_tensor_type(r->m->arena, e, n, dims);
}

const fv_type *fv_read_type(fv_graph_reader *r) {
    const fv_type *t;
    if (++r->depth > FV_MAX_DEPTH) {
        fv_lex_error(&r->l, "types and blocks nest more than %d deep", FV_MAX_DEPTH);
        return NULL;
    }
    if (fv_lex_accept(&r->l, "seq"))
        t = parse_wrapped(r, FV_SEQUENCE);
    else if (fv_lex_accept(&r->l, "optional"))
        t = parse_wrapped(r, FV_OPTIONAL);
    else if (fv_lex_accept(&r->l, "map"))
        t = parse_map(r);
    else
        t = parse_tensor_type(r);
    r->depth--;
    return t;
}

bool fv_read_declared(fv_graph_reader *r, fv_declared *d) {
    *d = (fv_declared){.type = fv_read_type(r)};
    if (!d->type || !fv_lex_accept(&r->l, "="))
        return d->type != NULL;
    const fv_type *t = d->type;
    bool small =
        t->kind == FV_TENSOR && t->rank <= 1 && (fv_elem_is_int(t->elem) || t->elem == FV_BOOL);
    if (!small)
        return fv_lex_error(&r->l, "elements are given of %s, which is no small integer tensor",
                            fv_type_str(r->m->arena, t));
    if (!fv_read_dims(r, &d->nelems, &d->elems))
        return false;
    bool fits = t->rank == 0 ? d->nelems == 1
                             : fv_dim_is_const(t->dims[0]) && t->dims[0]->value == d->nelems;
    if (!fits || d->nelems > FV_MAX_ELEMS)
        return fv_lex_error(&r->l, "%d elements are given of %s", d->nelems,
                            fv_type_str(r->m->arena, t));
    static const fv_dim *const none[1] = {NULL};
    if (!d->elems)
        d->elems = none;
    return true;
}

/* ---- numbers and tensors ---- */

bool fv_read_number(fv_graph_reader *r, fv_number *out) {
    fv_lexer *l = &r->l;
    *out = (fv_number){0};
    bool minus = fv_lex_accept(l, "-");
    if (l->tok.kind == FV_TOK_INT) {
        out->i = minus ? (int64_t)(0 - (uint64_t)l->tok.i) : l->tok.i;
        out->f = (double)out->i;
    } else if (l->tok.kind == FV_TOK_FLOAT || fv_lex_is(l, "inf") || fv_lex_is(l, "nan")) {
        double f = l->tok.kind == FV_TOK_FLOAT ? l->tok.f
                   : fv_lex_is(l, "inf")       ? (double)INFINITY
                                               : (double)NAN;
        out->is_float = true;
        out->f = minus ? -f : f;
    } else {
        return fv_lex_error(l, "expected a number, found %s", fv_lex_found(l));
    }
    fv_lex_next(l);
    return true;
}

static bool parse_integer_element(fv_graph_reader *r, fv_tensor *t, size_t i) {
    fv_number v = {0};
    if (t->elem == FV_BOOL && (fv_lex_is(&r->l, "true") || fv_lex_is(&r->l, "false"))) {
        v.i = fv_lex_is(&r->l, "true");
        fv_lex_next(&r->l);
    } else if (!fv_read_number(r, &v)) {
        return false;
    }
    if (!v.is_float)
        fv_tensor_set_int(t, i, v.i);
    if (v.is_float || fv_tensor_int(t, i) != v.i)
        return fv_lex_error(&r->l, "element %zu is no %s", i, fv_elem_name(t->elem));
    return true;
}

static bool parse_element(fv_graph_reader *r, fv_tensor *t, size_t i) {
    fv_number v;
    if (t->elem == FV_STRING) {
        /* the tensor's own new array, so it may be written */
        fv_string *strings = (fv_string *)(uintptr_t)t->data;
        if (r->l.tok.kind != FV_TOK_STRING)
            return fv_lex_error(&r->l, "expected a string, found %s", fv_lex_found(&r->l));
        strings[i] = (fv_string){fv_strndup(r->m->arena, r->l.tok.s, r->l.tok.n), r->l.tok.n};
        fv_lex_next(&r->l);
        return true;
    }
    if (!fv_elem_is_float(t->elem))
        return parse_integer_element(r, t, i);
    if (!fv_read_number(r, &v))
        return false;
    fv_tensor_set_float(t, i, v.f);
    return true;
}

/* Parses one element, or a flat list of all elements. */
static bool parse_elements(fv_graph_reader *r, fv_tensor *t) {
    bool list = fv_lex_accept(&r->l, "[");
    size_t n = 0;
    if (!list && t->rank)
        return fv_lex_expect(&r->l, "[");
    while (!list || !fv_lex_is(&r->l, "]")) {
        if (n == t->count)
            return fv_lex_error(&r->l, "more elements than the %zu of the type", t->count);
        if (!parse_element(r, t, n++))
            return false;
        if (!list || !fv_lex_accept(&r->l, ","))
            break;
    }
    if (list && !fv_lex_expect(&r->l, "]"))
        return false;
    return n == t->count || fv_lex_error(&r->l, "%zu elements, the type has %zu", n, t->count);
}

static const fv_tensor *parse_inline(fv_graph_reader *r, const fv_tensor *shape) {
    bool complex = shape->elem == FV_C64 || shape->elem == FV_C128;
    /* checked before allocating, since each element takes at least one character of text */
    if (shape->count > (size_t)(r->end - r->l.tok.start)) {
        fv_lex_error(&r->l, "the type has %zu elements, the text does not", shape->count);
        return NULL;
    }
    fv_tensor *t = fv_tensor_new(r->m->arena, shape->elem, shape->rank, shape->dims);
    fv_tensor parts = *t;
    if (complex) { /* a complex number is a pair of floats */
        parts.elem = shape->elem == FV_C64 ? FV_F32 : FV_F64;
        parts.count *= 2;
        parts.rank = 1;
    }
    return parse_elements(r, &parts) ? t : NULL;
}

/* Parses file "NAME" OFFSET BYTES. */
static const fv_tensor *parse_side(fv_graph_reader *r, fv_tensor *t) {
    fv_lexer *l = &r->l;
    const char *error, *name = l->tok.s;
    int64_t offset, bytes;
    if (l->tok.kind != FV_TOK_STRING || t->elem == FV_STRING) {
        fv_lex_error(l, "expected %s, found %s",
                     t->elem == FV_STRING ? "strings" : "the name of a file", fv_lex_found(l));
        return NULL;
    }
    int line = l->tok.line, column = l->tok.column;
    fv_lex_next(l);
    if (!fv_lex_int(l, &offset) || !fv_lex_int(l, &bytes))
        return NULL;
    l->tok.line = line;
    l->tok.column = column;
    if (bytes < 0 || (uint64_t)bytes != t->bytes)
        fv_lex_error(l, "%lld bytes in the file, the type has %zu", (long long)bytes, t->bytes);
    else if (!fv_side_read(&r->side, t, name, offset, &error))
        fv_lex_error(l, "%s", error);
    return l->failed ? NULL : t;
}

/* Parses hex "...". */
static const fv_tensor *parse_hex(fv_graph_reader *r, const fv_tensor *shape) {
    size_t bytes, unit = fv_elem_unit(shape->elem);
    int line = r->l.tok.line, column = r->l.tok.column;
    if (shape->elem == FV_STRING) {
        fv_lex_error(&r->l, "expected strings, found bytes");
        return NULL;
    }
    const void *data = fv_lex_hex(&r->l, r->m->arena, &bytes);
    if (!data)
        return NULL;
    if (bytes != shape->bytes) {
        r->l.tok.line = line;
        r->l.tok.column = column;
        fv_lex_error(&r->l, "%zu bytes in the text, the type has %zu", bytes, shape->bytes);
        return NULL;
    }
    fv_tensor *t = fv_tensor_new(r->m->arena, shape->elem, shape->rank, shape->dims);
    fv_copy_units((void *)(uintptr_t)t->data, data, bytes / unit, unit, fv_host_is_big_endian());
    return t;
}

/* Parses lent N. */
static const fv_tensor *parse_lent(fv_graph_reader *r, const fv_tensor *shape) {
    int64_t i;
    if (!fv_lex_int(&r->l, &i))
        return NULL;
    if (i < 0 || i >= r->lent->n || r->lent->at[i]->elem != shape->elem ||
        r->lent->at[i]->bytes != shape->bytes) {
        fv_lex_error(&r->l, "no tensor of that type is lent as %lld", (long long)i);
        return NULL;
    }
    return r->lent->at[i];
}

/* Parses the content of a tensor of that type. */
const fv_tensor *fv_read_content(fv_graph_reader *r, const fv_type *type) {
    fv_lexer *l = &r->l;
    fv_tensor *t = FV_NEW(r->m->arena, fv_tensor, 1);
    int64_t *dims = FV_NEW(r->m->arena, int64_t, FV_MAX_RANK);
    bool fixed = type->kind == FV_TENSOR;
    for (int i = 0; fixed && i < type->rank; i++) {
        fixed = fv_dim_is_const(type->dims[i]);
        dims[i] = type->dims[i]->value;
    }
    if (!fixed) {
        fv_lex_error(l, "a constant cannot be %s", fv_type_str(r->m->arena, type));
        return NULL;
    }
    *t = (fv_tensor){.elem = type->elem, .rank = type->rank, .dims = dims};
    if (!fv_tensor_size(t->elem, t->rank, dims, &t->count, &t->bytes)) {
        fv_lex_error(l, "%s is too large", fv_type_str(r->m->arena, type));
        return NULL;
    }
    if (fv_lex_is(l, "...")) {
        fv_lex_error(l, "the content of this constant was left out when the text was written; "
                        "`fovea opt -o FILE.fvir` "
                        "keeps it, and `-o -` on standard output");
        return NULL;
    }
    if (fv_lex_accept(l, "hex"))
        return parse_hex(r, t);
    if (r->lent && fv_lex_accept(l, "lent"))
        return parse_lent(r, t);
    return fv_lex_accept(l, "file") ? parse_side(r, t) : parse_inline(r, t);
}
