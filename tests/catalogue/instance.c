/* instance.c - see instance.h. */
#include "instance.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "ir/base/text.h"
#include "ir/catalogue/op.h"

/* ---- from the signature ---- */

static const char *elem_of(const fv_opdef *d, const char *var) {
    static const fv_elem usual[] = {FV_F32, FV_I64, FV_BOOL, FV_I32, FV_U8, FV_I8, FV_I4};
    for (int i = 0; i < FV_MAX_TYPEVARS && d->types[i].name; i++)
        for (size_t k = 0; k < sizeof usual / sizeof *usual && !strcmp(d->types[i].name, var); k++)
            if (d->types[i].set >> usual[k] & 1)
                return fv_elem_name(usual[k]);
    return "f32";
}

/* What operands of that type are, if not tensors. */
static const char *holder_of(const fv_opdef *d, const char *var) {
    for (int i = 0; i < FV_MAX_TYPEVARS && d->types[i].name; i++)
        if (!strcmp(d->types[i].name, var) && d->types[i].kinds &&
            !(d->types[i].kinds >> FV_TENSOR & 1))
            return d->types[i].kinds >> FV_SEQUENCE & 1 ? "seq"
                   : d->types[i].kinds >> FV_MAP & 1    ? "map"
                                                        : "optional";
    return NULL;
}

static bool is_map(const operand *o) {
    return o->holder && !strcmp(o->holder, "map");
}

static int rank_of(const instance *x, const fv_rank_def *r) {
    for (int i = 0; r->as && i < x->nin; i++)
        if (!strcmp(x->def->in[i].name, r->as))
            return x->in[i].rank;
    if (r->scalar || r->single)
        return 0;
    int rank = r->least > 2 ? r->least : 2;
    return r->most && r->most < rank ? r->most : rank;
}

instance instance_derive(fv_arena *a, const fv_opdef *def, int version) {
    static const char *const dims[] = {"2", "3", "4", "5"};
    instance x = {.def = def, .version = version};
    (void)a;
    for (int i = 0; i < FV_MAX_IN && def->in[i].name; i++) {
        const fv_operand_def *d = &def->in[i];
        if (d->arity == FV_OPTIONAL_OPERAND)
            continue;
        for (int copies = d->arity == FV_VARIADIC ? 2 : 1; copies > 0; copies--) {
            operand o = {.holder = holder_of(def, d->type),
                         .elem = elem_of(def, d->type),
                         .rank = rank_of(&x, &d->rank)};
            if (is_map(&o)) {
                o.key = "i64";
                o.rank = 0;
            }
            for (int k = 0; k < o.rank; k++)
                o.dims[k] = o.rank == 1 ? "3" : dims[k % 4];
            if (d->rank.list) {
                o.dims[0] = "1";
                o.content = "1";
            }
            x.in[x.nin++] = o;
        }
    }
    for (int i = 0; i < FV_MAX_OUT && def->out[i].name; i++)
        x.nout += def->out[i].arity != FV_OPTIONAL_OPERAND;
    return x;
}

/* ---- from a line ---- */

/* The text up to the first character of `ends` that is outside of brackets and quotes. */
static const char *take(fv_arena *a, const char **at, const char *ends) {
    *at += strspn(*at, " ");
    const char *start = *at, *p = start;
    bool text = false;
    for (int depth = 0; *p && (depth || text || !strchr(ends, *p)); p++) {
        text ^= *p == '"';
        depth += !text && strchr("[{(", *p);
        depth -= !text && strchr("]})", *p);
    }
    *at = p;
    while (p > start && p[-1] == ' ')
        p--;
    return fv_strndup(a, start, (size_t)(p - start));
}

static operand parse_operand(fv_arena *a, const char *s) {
    operand o = {.absent = !strcmp(s, "_")};
    if (o.absent)
        return o;
    o.holder = !strncmp(s, "seq(", 4)        ? "seq"
               : !strncmp(s, "optional(", 9) ? "optional"
               : !strncmp(s, "map(", 4)      ? "map"
                                             : NULL;
    s += o.holder ? strlen(o.holder) + 1 : 0;
    if (is_map(&o)) {
        o.key = take(a, &s, ",");
        s += strspn(s, ", ");
    }
    o.elem = take(a, &s, "[");
    assert(*s == '[');
    for (s++; *s != ']'; s += *s == ',') {
        o.dims[o.rank++] = take(a, &s, ",]");
        assert(*s);
    }
    s++;
    if (*s == '{')
        o.content = fv_strndup(a, s + 1, strcspn(s, "}") - 1);
    return o;
}

instance instance_parse(fv_arena *a, const char *line) {
    const char *at = line, *name = take(a, &at, "@("), *dot = strrchr(name, '.');
    const char *domain = dot ? fv_strndup(a, name, (size_t)(dot - name)) : "";
    instance x = {.def = fv_op_find(domain, dot ? dot + 1 : name), .version = 1};
    assert(x.def && "an operator of the catalogue");
    x.nout = instance_derive(a, x.def, 1).nout;
    if (*at == '@')
        x.version = (int)strtol(at + 1, (char **)&at, 10);
    assert(*at == '(');
    for (at++; *at != ')'; at += *at == ',') {
        x.in[x.nin++] = parse_operand(a, take(a, &at, ",)"));
        assert(*at);
    }
    for (at++; *(at += strspn(at, " "));) {
        if (!strncmp(at, "->", 2)) {
            x.nout = (int)strtol(at + 2, (char **)&at, 10);
            continue;
        }
        const char *attr = take(a, &at, "=");
        at += *at == '=';
        x.attrs[x.nattrs++] = (attribute){attr, take(a, &at, " ")};
    }
    return x;
}

int instance_lines(fv_arena *a, const char *cases, const fv_opdef *d, int version, instance *out,
                   int max) {
    int n = 0, best = 0;
    const char *name = fv_opdef_qualified(a, d);
    for (const char *p = cases; *p; p += strcspn(p, "\n"), p += *p == '\n') {
        size_t length = strcspn(p, "@(\n");
        if (*p == '#' || length != strlen(name) || strncmp(p, name, length) != 0)
            continue;
        instance x = instance_parse(a, fv_strndup(a, p, strcspn(p, "\n")));
        if (x.version > version || x.version < best || n == max)
            continue;
        n = x.version > best ? 0 : n;
        best = x.version;
        out[n] = x;
        out[n++].version = version;
    }
    if (!n)
        out[n++] = instance_derive(a, d, version);
    return n;
}

/* ---- changes ---- */

attribute *instance_attr(instance *x, const char *name) {
    for (int i = 0; i < x->nattrs; i++)
        if (!strcmp(x->attrs[i].name, name))
            return &x->attrs[i];
    return NULL;
}

void instance_set(instance *x, const char *name, const char *value) {
    attribute *at = instance_attr(x, name);
    if (!at) {
        assert(x->nattrs < FV_MAX_ATTRS);
        at = &x->attrs[x->nattrs++];
    }
    *at = (attribute){name, value};
}

/* ---- text ---- */

bool instance_is_onnx(const instance *x) {
    for (int i = 0; i < FV_MAX_ATTRS && x->def->attrs[i].name; i++)
        if (x->def->attrs[i].kind == FV_ATTR_DIMS)
            return false; /* no model has such an attribute, which the importer makes */
    return strcmp(x->def->domain, "fv") != 0;
}

/* A constant is a tensor, whatever is wanted. */
static void put_type(fv_text *t, const operand *o) {
    bool held = o->holder && !o->content;
    if (o->shapeless) {
        fv_text_put(t, o->elem);
        return;
    }
    if (held)
        fv_text_printf(t, "%s(", o->holder);
    if (held && o->key)
        fv_text_printf(t, "%s, ", o->key);
    fv_text_printf(t, "%s[", o->elem);
    for (int k = 0; k < o->rank; k++)
        fv_text_printf(t, "%s%s", k ? ", " : "", o->dims[k]);
    fv_text_put(t, held ? "])" : "]");
}

static bool is_string(const operand *o) {
    return !strcmp(o->elem, "string");
}

/* Words, of which strings are put in quotes where they have none. */
static void put_content(fv_text *t, const operand *o) {
    const char *quote = is_string(o) && *o->content != '"' ? "\"" : "";
    for (const char *p = o->content; *p; p += strspn(p, " ")) {
        int n = (int)strcspn(p, " ");
        fv_text_printf(t, " %s%.*s%s", quote, n, p, quote);
        p += n;
    }
}

static void put_operand(fv_text *t, const operand *o, int i) {
    fv_text_printf(t, "%s in%d ", o->content ? "init" : "input", i);
    put_type(t, o);
    if (o->undecodable)
        fv_text_put(t, " typed\n"); /* its elements are missing */
    else if (o->content) {
        fv_text_put(t, is_string(o) ? " typed" : " =");
        put_content(t, o);
        fv_text_put(t, "\n");
    } else
        fv_text_put(t, "\n");
}

static void put_results(fv_text *t, const instance *x, const char *stem) {
    for (int i = 0; i < x->nout; i++)
        fv_text_printf(t, "%s%s%d", i ? ", " : "", stem, i);
}

static void put_node(fv_text *t, const instance *x, const char *stem) {
    put_results(t, x, stem);
    fv_text_printf(t, " = %s(", fv_opdef_qualified(t->arena, x->def));
    for (int i = 0; i < x->nin; i++)
        fv_text_printf(t, "%s%s", i ? ", " : "",
                       x->in[i].absent ? "" : fv_printf(t->arena, "in%d", i));
    fv_text_put(t, ")");
    for (int i = 0; i < x->nattrs; i++)
        if (x->attrs[i].value)
            fv_text_printf(t, " %s=%s", x->attrs[i].name, x->attrs[i].value);
    fv_text_put(t, "\n");
}

static const char *onnx_text(fv_arena *a, const instance *x) {
    fv_text t = {.arena = a};
    if (*x->def->domain)
        fv_text_printf(&t, "ir 10\nopset 21\nopset %s %d\n", x->def->domain, x->version);
    else
        fv_text_printf(&t, "ir 10\nopset %d\n", x->version);
    for (int i = 0; i < x->nin; i++)
        if (!x->in[i].absent)
            put_operand(&t, &x->in[i], i);
    for (int i = 0; i < x->nout; i++)
        fv_text_printf(&t, "output out%d\n", i);
    if (!x->in_branch) {
        put_node(&t, x, "out");
        return t.s;
    }
    fv_text_put(&t, "input decides bool[]\n");
    put_results(&t, x, "out");
    fv_text_put(&t, " = If(decides)");
    for (int k = 0; k < 2; k++) {
        fv_text_printf(&t, " %s_branch={\n", k ? "else" : "then");
        put_node(&t, x, k ? "no" : "yes");
        for (int i = 0; i < x->nout; i++)
            fv_text_printf(&t, "output %s%d\n", k ? "no" : "yes", i);
        fv_text_put(&t, "}");
    }
    fv_text_put(&t, "\n");
    return t.s;
}

static void put_symbols(fv_text *t, const instance *x) {
    for (int i = 0; i < x->nin; i++)
        for (int k = 0; k < x->in[i].rank; k++) {
            bool named = isalpha((unsigned char)*x->in[i].dims[k]);
            for (int j = 0; j < i * MAX_DIMS + k && named; j++) {
                const operand *o = &x->in[j / MAX_DIMS];
                named = j % MAX_DIMS >= o->rank || strcmp(o->dims[j % MAX_DIMS], x->in[i].dims[k]);
            }
            if (named)
                fv_text_printf(t, "symbol %s 0..1024\n", x->in[i].dims[k]);
        }
    if (fv_opdef_attr(x->def, "symbols"))
        fv_text_put(t, "symbol k 0..1024 data\n"); /* what it binds */
}

static void put_constant(fv_text *t, const operand *o, int i) {
    fv_text_printf(t, "const @in%d: ", i);
    put_type(t, o);
    fv_text_put(t, " = [");
    for (const char *p = o->content; *p && !o->undecodable; p++)
        fv_text_printf(t, *p == ' ' ? ", " : "%c", *p);
    fv_text_put(t, "]\n");
}

static const char *graph_text(fv_arena *a, const instance *x) {
    fv_text t = {.arena = a};
    fv_text_put(&t, "fovea-ir 1\nmodule \"m\"\n");
    put_symbols(&t, x);
    for (int i = 0; i < x->nin; i++)
        if (!x->in[i].absent && x->in[i].content)
            put_constant(&t, &x->in[i], i);
    fv_text_put(&t, "func @main(%x: f32[2]");
    for (int i = 0; i < x->nin; i++)
        if (!x->in[i].absent && !x->in[i].content) {
            fv_text_printf(&t, ", %%in%d: ", i);
            put_type(&t, &x->in[i]);
        }
    fv_text_put(&t, ") {\n  ");
    for (int i = 0; i < x->nout; i++)
        fv_text_printf(&t, "%s%%out%d", i ? ", " : "", i);
    fv_text_printf(&t, "%s%s(", x->nout ? " = " : "", fv_opdef_qualified(a, x->def));
    for (int i = 0; i < x->nin; i++)
        fv_text_printf(&t, "%s%s", i ? ", " : "",
                       x->in[i].absent ? "_"
                                       : fv_printf(a, "%sin%d", x->in[i].content ? "@" : "%", i));
    fv_text_put(&t, ") {");
    for (int i = 0, n = 0; i < x->nattrs; i++)
        if (x->attrs[i].value)
            fv_text_printf(&t, "%s%s = %s", n++ ? ", " : "", x->attrs[i].name, x->attrs[i].value);
    fv_text_put(&t, "}\n  return %x");
    for (int i = 0; i < x->nout; i++)
        fv_text_printf(&t, ", %%out%d", i);
    fv_text_put(&t, "\n}\n");
    return t.s;
}

const char *instance_text(fv_arena *a, const instance *x) {
    return instance_is_onnx(x) ? onnx_text(a, x) : graph_text(a, x);
}
