/* model_text.c - see model_text.h. */
#include "model_text.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/data.h"
#include "ir/base/limits.h"

typedef struct parser {
    const char *at;
    fv_arena *a;
} parser;

/* ---- protobuf ---- */

void put_varint(fv_text *out, uint64_t v) {
    for (; v > 127; v >>= 7)
        fv_text_putn(out, &(char){(char)(v | 128)}, 1);
    fv_text_putn(out, &(char){(char)v}, 1);
}

void put_int(fv_text *out, unsigned field, int64_t v) {
    put_varint(out, field << 3);
    put_varint(out, (uint64_t)v);
}

void put_bytes(fv_text *out, unsigned field, const void *bytes, size_t n) {
    put_varint(out, field << 3 | 2);
    put_varint(out, n);
    fv_text_putn(out, bytes, n);
}

void put_text(fv_text *out, unsigned field, const char *s) {
    put_bytes(out, field, s, strlen(s));
}

void put_message(fv_text *out, unsigned field, const fv_text *message) {
    put_bytes(out, field, message->n ? message->s : "", message->n);
}

static void put_float(fv_text *out, unsigned field, float f) {
    put_varint(out, field << 3 | 5);
    fv_text_putn(out, (const char *)&f, 4); /* tests run on little-endian hosts */
}

/* ---- tokens ---- */

static void skip(parser *p) {
    while (isspace((unsigned char)*p->at) || *p->at == '#') {
        if (*p->at == '#')
            p->at += strcspn(p->at, "\n");
        else
            p->at++;
    }
}

static bool try(parser *p, const char *token) {
    skip(p);
    size_t n = strlen(token);
    if (strncmp(p->at, token, n) != 0)
        return false;
    if (isalpha((unsigned char)token[n - 1]) &&
        (isalnum((unsigned char)p->at[n]) || p->at[n] == '_'))
        return false;
    p->at += n;
    return true;
}

static _Noreturn void fail(const parser *p, const char *expected) {
    fprintf(stderr, "model text: expected %s at '%.40s'\n", expected, p->at);
    abort();
}

static void expect(parser *p, const char *token) {
    if (!try(p, token))
        fail(p, token);
}

static const char *name(parser *p) {
    skip(p);
    const char *start = p->at;
    if (*start == '"') {
        size_t n = strcspn(start + 1, "\"");
        p->at = start + n + 2;
        return fv_strndup(p->a, start + 1, n);
    }
    while (isalnum((unsigned char)*p->at) || (*p->at && strchr("_./:", *p->at)))
        p->at++;
    return fv_strndup(p->a, start, (size_t)(p->at - start));
}

static int64_t integer(parser *p) {
    char *end;
    skip(p);
    int64_t v = strtoll(p->at, &end, 10);
    if (end == p->at)
        fail(p, "an integer");
    p->at = end;
    return v;
}

/* Is one of the numbers before one of `ends` written as a float: 1.5, -inf, -nan? */
static bool at_float(parser *p, const char *ends) {
    skip(p);
    size_t n = strcspn(p->at, ends);
    return memchr(p->at, '.', n) || memchr(p->at, 'n', n);
}

static bool at_number(parser *p) {
    skip(p);
    return isdigit((unsigned char)*p->at) || *p->at == '-';
}

static double number(parser *p) {
    char *end;
    skip(p);
    double v = strtod(p->at, &end);
    if (end == p->at)
        fail(p, "a number");
    p->at = end;
    return v;
}

/* ---- types and tensors ---- */

typedef struct type {
    fv_text bytes; /* TypeProto */
    fv_elem elem;
    int rank;
    int64_t dims[2 * FV_MAX_RANK]; /* models may have too many */
} type;

static void parse_dim(parser *p, type *t, fv_text *shape) {
    fv_text dim = {.arena = p->a};
    if (t->rank == 2 * FV_MAX_RANK)
        fail(p, "fewer axes");
    if (at_number(p)) {
        t->dims[t->rank] = integer(p);
        put_int(&dim, 1, t->dims[t->rank]);
    } else if (!try(p, "?")) {
        put_text(&dim, 2, name(p));
    }
    t->rank++;
    put_message(shape, 1, &dim);
}

static type parse_type(parser *p);

/* map(KEY, TYPE) */
static void parse_map(parser *p, fv_text *map) {
    const char *key = name(p);
    fv_elem e;
    if (!fv_elem_parse(key, strlen(key), &e))
        fail(p, "an element type");
    put_int(map, 1, e);
    expect(p, ",");
    type of = parse_type(p);
    put_message(map, 2, &of.bytes);
    expect(p, ")");
}

static type parse_type(parser *p) {
    type t = {.bytes = {.arena = p->a}};
    fv_text tensor = {.arena = p->a}, shape = {.arena = p->a};
    if (try(p, "seq(") || try(p, "optional(")) {
        unsigned field = p->at[-2] == 'q' ? 4 : 9;
        type of = parse_type(p);
        expect(p, ")");
        put_message(&tensor, 1, &of.bytes);
        put_message(&t.bytes, field, &tensor);
        return t;
    }
    if (try(p, "map(")) {
        parse_map(p, &tensor);
        put_message(&t.bytes, 5, &tensor);
        return t;
    }
    bool sparse = try(p, "sparse(");
    const char *elem = name(p);
    if (!fv_elem_parse(elem, strlen(elem), &t.elem))
        fail(p, "an element type");
    put_int(&tensor, 1, t.elem);
    if (*p->at == '[') {
        expect(p, "[");
        while (!try(p, "]")) {
            parse_dim(p, &t, &shape);
            (void)try(p, ",");
        }
        put_message(&tensor, 2, &shape);
    }
    if (sparse)
        expect(p, ")");
    put_message(&t.bytes, sparse ? 8 : 1, &tensor);
    return t;
}

static void put_dims(fv_text *out, const type *t, unsigned field) {
    for (int i = 0; i < t->rank; i++)
        put_int(out, field, t->dims[i]);
}

/* Numbers as the typed fields hold them. */
static void put_typed(parser *p, fv_text *out, fv_elem e) {
    while (at_number(p) || *p->at == '"') {
        if (e == FV_STRING)
            put_text(out, 6, name(p));
        else if (e == FV_F32)
            put_float(out, 4, (float)number(p));
        else
            put_int(out, e == FV_I64 ? 7 : e == FV_U32 || e == FV_U64 ? 11 : 5, integer(p));
    }
}

static void put_raw(parser *p, fv_text *out, const type *t) {
    fv_tensor *content = fv_tensor_new(p->a, t->elem, t->rank, t->dims);
    for (size_t i = 0; i < content->count; i++) {
        if (fv_elem_is_float(t->elem))
            fv_tensor_set_float(content, i, number(p));
        else
            fv_tensor_set_int(content, i, integer(p));
    }
    put_bytes(out, 9, content->data, content->bytes);
}

/* TYPE = numbers | TYPE typed numbers | TYPE { numbers } */
static fv_text parse_tensor(parser *p, const char *called) {
    fv_text out = {.arena = p->a};
    type t = parse_type(p);
    put_dims(&out, &t, 1);
    put_int(&out, 2, t.elem);
    if (called)
        put_text(&out, 8, called);
    if (try(p, "typed")) {
        put_typed(p, &out, t.elem);
    } else if (try(p, "=")) {
        put_raw(p, &out, &t);
    } else {
        expect(p, "{");
        put_raw(p, &out, &t);
        expect(p, "}");
    }
    return out;
}

/* sparse NAME TYPE at INDICES = VALUES */
static fv_text parse_sparse(parser *p) {
    fv_text out = {.arena = p->a}, values = {.arena = p->a}, indices = {.arena = p->a};
    const char *called = name(p);
    type t = parse_type(p), list = {.elem = t.elem, .rank = 1}, at = {.elem = FV_I64, .rank = 1};
    int64_t where[64];
    expect(p, "at");
    while (at_number(p))
        where[list.dims[0]++] = integer(p);
    expect(p, "=");
    at.dims[0] = list.dims[0];
    put_dims(&values, &list, 1);
    put_int(&values, 2, t.elem);
    put_text(&values, 8, called);
    put_raw(p, &values, &list);
    put_dims(&indices, &at, 1);
    put_int(&indices, 2, FV_I64);
    put_bytes(&indices, 9, where, (size_t)at.dims[0] * 8);
    put_message(&out, 1, &values);
    put_message(&out, 2, &indices);
    put_dims(&out, &t, 3);
    return out;
}

/* ---- attributes and nodes ---- */

enum { FLOAT = 1, INT, STRING, TENSOR, GRAPH, FLOATS, INTS, STRINGS, SPARSE = 11, TYPE = 13 };

static void parse_line(parser *p, fv_text *graph);

static void parse_list(parser *p, fv_text *attr) {
    int kind = INTS;
    skip(p);
    if (*p->at == '"')
        kind = STRINGS;
    else if (at_float(p, "]"))
        kind = FLOATS;
    while (!try(p, "]")) {
        if (kind == STRINGS)
            put_text(attr, 9, name(p));
        else if (kind == FLOATS)
            put_float(attr, 7, (float)number(p));
        else
            put_int(attr, 8, integer(p));
        (void)try(p, ",");
        skip(p);
    }
    put_int(attr, 20, kind);
}

static void parse_number(parser *p, fv_text *attr) {
    bool is_float = at_float(p, " \n})");
    if (is_float)
        put_float(attr, 2, (float)number(p));
    else
        put_int(attr, 3, integer(p));
    put_int(attr, 20, is_float ? FLOAT : INT);
}

static fv_text parse_graph(parser *p) {
    fv_text graph = {.arena = p->a};
    put_text(&graph, 2, "body");
    while (!try(p, "}"))
        parse_line(p, &graph);
    return graph;
}

/* Behind `name=`. */
static fv_text parse_attr(parser *p, const char *called) {
    fv_text attr = {.arena = p->a};
    put_text(&attr, 1, called);
    skip(p);
    if (try(p, "@")) {
        put_text(&attr, 21, name(p));
    } else if (try(p, "[")) {
        parse_list(p, &attr);
    } else if (try(p, "{")) {
        fv_text g = parse_graph(p);
        put_message(&attr, 6, &g);
        put_int(&attr, 20, GRAPH);
    } else if (*p->at == '"') {
        put_text(&attr, 4, name(p));
        put_int(&attr, 20, STRING);
    } else if (at_number(p)) {
        parse_number(p, &attr);
    } else if (try(p, "sparse")) {
        fv_text t = parse_sparse(p);
        put_message(&attr, 22, &t);
        put_int(&attr, 20, SPARSE);
    } else if (try(p, "type")) {
        type t = parse_type(p);
        put_message(&attr, 14, &t.bytes);
        put_int(&attr, 20, TYPE);
    } else {
        fv_text t = parse_tensor(p, NULL);
        put_message(&attr, 5, &t);
        put_int(&attr, 20, TENSOR);
    }
    return attr;
}

/* Puts domain and name of an operator. */
static void put_operator(parser *p, fv_text *out, unsigned domain, unsigned op,
                         const char *qualified) {
    const char *dot = strrchr(qualified, '.');
    if (dot)
        put_text(out, domain, fv_strndup(p->a, qualified, (size_t)(dot - qualified)));
    put_text(out, op, dot ? dot + 1 : qualified);
}

static bool at_attr(parser *p) {
    parser ahead = *p;
    skip(&ahead);
    const char *start = ahead.at;
    (void)name(&ahead);
    return ahead.at > start && *ahead.at == '=' && *start != '"';
}

static void parse_node(parser *p, fv_text *out, unsigned field) {
    fv_text node = {.arena = p->a};
    do
        put_text(&node, 2, name(p));
    while (try(p, ","));
    expect(p, "=");
    skip(p);
    if (*p->at == '"')
        put_text(&node, 3, name(p));
    put_operator(p, &node, 7, 4, name(p));
    expect(p, "(");
    while (!try(p, ")")) {
        put_text(&node, 1, name(p));
        (void)try(p, ",");
    }
    while (at_attr(p)) {
        const char *called = name(p);
        expect(p, "=");
        fv_text attr = parse_attr(p, called);
        put_message(&node, 5, &attr);
    }
    put_message(out, field, &node);
}

/* ---- lines ---- */

static void parse_value(parser *p, fv_text *graph, unsigned field) {
    fv_text info = {.arena = p->a};
    put_text(&info, 1, name(p));
    const char *line = p->at + strspn(p->at, " ");
    if (*line && *line != '\n' && *line != '}') {
        type t = parse_type(p);
        put_message(&info, 2, &t.bytes);
    }
    put_message(graph, field, &info);
}

static void parse_line(parser *p, fv_text *graph) {
    if (try(p, "input")) {
        parse_value(p, graph, 11);
    } else if (try(p, "output")) {
        parse_value(p, graph, 12);
    } else if (try(p, "value")) {
        parse_value(p, graph, 13);
    } else if (try(p, "init")) {
        const char *called = name(p);
        fv_text t = parse_tensor(p, called);
        put_message(graph, 5, &t);
    } else if (try(p, "sparse")) {
        fv_text t = parse_sparse(p);
        put_message(graph, 15, &t);
    } else {
        parse_node(p, graph, 1);
    }
}

static void put_opset(parser *p, fv_text *out, unsigned field) {
    fv_text set = {.arena = p->a};
    put_text(&set, 1, at_number(p) ? "" : name(p));
    put_int(&set, 2, integer(p));
    put_message(out, field, &set);
}

static void parse_function(parser *p, fv_text *model) {
    fv_text f = {.arena = p->a};
    put_operator(p, &f, 10, 1, name(p));
    expect(p, "(");
    while (!try(p, ")")) {
        put_text(&f, 4, name(p));
        (void)try(p, ",");
    }
    expect(p, "->");
    expect(p, "(");
    while (!try(p, ")")) {
        put_text(&f, 5, name(p));
        (void)try(p, ",");
    }
    if (try(p, "attrs"))
        while (skip(p), *p->at != '{') {
            const char *called = name(p);
            if (try(p, "=")) {
                fv_text attr = parse_attr(p, called);
                put_message(&f, 11, &attr);
            } else {
                put_text(&f, 6, called);
            }
        }
    expect(p, "{");
    while (!try(p, "}"))
        if (try(p, "opset"))
            put_opset(p, &f, 9);
        else
            parse_node(p, &f, 7);
    put_message(model, 25, &f);
}

fv_text model_of_text(fv_arena *a, const char *text) {
    parser p = {text, a};
    fv_text model = {.arena = a}, graph = {.arena = a};
    bool opset = false, ir = false;
    put_text(&graph, 2, "test");
    for (skip(&p); *p.at; skip(&p)) {
        if (try(&p, "ir")) {
            put_int(&model, 1, integer(&p));
            ir = true;
        } else if (try(&p, "opset")) {
            put_opset(&p, &model, 8);
            opset = true;
        } else if (try(&p, "function")) {
            parse_function(&p, &model);
        } else {
            parse_line(&p, &graph);
        }
    }
    if (!ir)
        put_int(&model, 1, 8);
    if (!opset)
        put_opset(&(parser){"13", a}, &model, 8);
    put_message(&model, 7, &graph);
    return model;
}
