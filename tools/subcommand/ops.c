/* ops.c - `fovea ops`: prints the catalogue of operators as a table, as JSON or as
 * docs/operators.md, or all about one operator. */
#include <stdio.h>
#include <string.h>

#include "ir/catalogue/op.h"
#include "ir/graph/check.h"
#include "ir/rule/body.h"
#include "tools/model/model.h"

/* ---- the text of an entry ---- */

/* The kind of an operator's meaning: "formula", "expansion", ... */
static const char *meaning(const fv_opdef *d) {
    return d->formula     ? "formula"
           : d->rule      ? "rule"
           : d->body      ? "expansion"
           : d->decompose ? "expansion"
           : d->define    ? "definition"
           : d->recur     ? "recurrence"
           : d->kernel    ? "kernel"
           : d->strings   ? "expansion"
                          : "structure";
}

/* The text that defines the operator's meaning; NULL: it is defined by C code. */
static const char *text_of(fv_arena *a, const fv_opdef *d) {
    const char *body = d->body ? fv_body_text(d->body) : NULL;
    return d->formula ? d->formula : body ? fv_strndup(a, body, fv_body_bytes(body) - 1) : d->rule;
}

/* the opsets that changed the operator, "1, 6, 13" */
static const char *versions(fv_arena *a, const fv_opdef *d) {
    fv_text t = {.arena = a};
    fv_text_put(&t, "");
    for (int i = 0; i < FV_MAX_VERSIONS && d->since[i]; i++)
        fv_text_printf(&t, "%s%d", i ? ", " : "", d->since[i]);
    return t.s;
}

static bool may_be(const fv_typevar *v, fv_type_kind k) {
    return v->kinds ? v->kinds >> k & 1 : k == FV_TENSOR;
}

/* the types of one type variable, "float, i32" or "float or seq(float)" */
static const char *type_of(fv_arena *a, const fv_typevar *v) {
    const char *set = fv_elem_set_str(a, v->set);
    fv_text t = {.arena = a};
    if (may_be(v, FV_TENSOR))
        fv_text_put(&t, set);
    if (may_be(v, FV_SEQUENCE) && may_be(v, FV_MAP))
        fv_text_printf(&t, "seq(map(..., %s))", set);
    else if (may_be(v, FV_SEQUENCE))
        fv_text_printf(&t, "%sseq(%s)", t.n ? " or " : "", set);
    else if (may_be(v, FV_MAP))
        fv_text_printf(&t, "%smap(..., %s)", t.n ? " or " : "", set);
    if (may_be(v, FV_OPTIONAL))
        fv_text_printf(&t, "%soptional(%s)", t.n ? " or " : "", set);
    return t.s;
}

/* the types of all type variables, "T: float; Tind: i32, i64" */
static const char *all_types(fv_arena *a, const fv_opdef *d) {
    fv_text t = {.arena = a};
    fv_text_put(&t, "");
    for (int i = 0; i < FV_MAX_TYPEVARS && d->types[i].name; i++)
        fv_text_printf(&t, "%s%s: %s", i ? "; " : "", d->types[i].name, type_of(a, &d->types[i]));
    return t.s;
}

static const char *domain(const fv_opdef *d) {
    return *d->domain ? d->domain : "ai.onnx";
}

/* ---- tables ---- */

static void print_table(fv_context *c) {
    int n = fv_op_count();
    for (int i = 0; i < n; i++) {
        const fv_opdef *d = fv_op_at(i);
        fv_out("%-24s %-10s %-28s %s\n", fv_opdef_qualified(c->arena, d), meaning(d),
               versions(c->arena, d), all_types(c->arena, d));
    }
    fv_out("%d operators, up to opset %d\n", n, FV_NEWEST_OPSET);
}

static int count_of(const char *dom, bool experimental) {
    int n = 0;
    for (int i = 0; i < fv_op_count(); i++)
        n += !strcmp(fv_op_at(i)->domain, dom) && fv_op_at(i)->experimental == experimental;
    return n;
}

/* Prints text of a cell: characters with a meaning in Markdown are escaped; `|` would end it. */
static void print_cell(const char *text) {
    for (const char *p = text; *p; p++)
        fv_out(*p == '|' || *p == '*' || *p == '_' || *p == '<' ? "\\%c" : "%c", *p);
}

static void print_domain(fv_context *c, const char *dom) {
    fv_out("| operator | versions | types | meaning | |\n| --- | --- | --- | --- | --- |\n");
    for (int i = 0; i < fv_op_count(); i++) {
        const fv_opdef *d = fv_op_at(i);
        if (strcmp(d->domain, dom))
            continue;
        fv_out("| %s | %s | %s | %s | ", d->name, versions(c->arena, d), all_types(c->arena, d),
               meaning(d));
        print_cell(d->doc ? d->doc : "");
        fv_out(" |\n");
    }
}

static void print_departures(fv_context *c) {
    fv_out("\n## Where ONNX Runtime is followed\n\n"
           "These operators differ from the standard's text or from its reference functions, as "
           "they do in ONNX\nRuntime.\n\n"
           "| operator | how |\n| --- | --- |\n");
    for (int i = 0; i < fv_op_count(); i++) {
        const fv_opdef *d = fv_op_at(i);
        if (!d->departs)
            continue;
        fv_out("| %s | ", fv_opdef_qualified(c->arena, d));
        print_cell(d->departs);
        fv_out(" |\n");
    }
}

static void print_refused(void) {
    fv_out("\n## Refused\n\n"
           "| operator | because |\n| --- | --- |\n");
    for (const fv_refusal *r = fv_refusals; r->name; r++)
        fv_out("| %s%s%s | %s |\n", r->domain, *r->domain ? "." : "", r->name, r->reason);
}

static void print_markdown(fv_context *c) {
    fv_out(
        "# Operators\n\n"
        "What Fovea supports, up to opset %d: %d operators of the standard, and %d that only its "
        "first\n"
        "opsets had, as experiments. Interpreter, JIT, objects and generated C support the same, "
        "but for\n"
        "ImageDecoder: it calls libraries, which the interpreter and the JIT have alone. This text "
        "is the output of\n"
        "`fovea ops --markdown`; `fovea ops NAME` shows one operator with its attributes and what "
        "it means.\n\n"
        "*Versions* are the opsets in which the standard changed the operator: a model of any "
        "opset\n"
        "from the first on is read. *Types*: float is f16, bf16, f32, f64; signed is i8 to i64, "
        "unsigned\n"
        "u8 to u64, int both; number is int and float; f8 are the five 8-bit floats; packed is u4, "
        "i4,\n"
        "u2, i2, f4e2m1; data is all of these and bool; any is data, string and complex numbers.\n"
        "*Meaning*: a formula for each output element, a rule or expansion into simpler operators, "
        "a\n"
        "definition built in C, or a kernel.\n\n## The standard\n\n",
        FV_NEWEST_OPSET, count_of("", false), count_of("", true));
    print_domain(c, "");
    fv_out(
        "\n## `ai.onnx.ml`: classic models, over numbers\n\n"
        "Where the standard does not define how scores are computed, they are as in ONNX "
        "Runtime, with three\n"
        "exceptions. If both classes of a TreeEnsembleClassifier with two classes have weights, "
        "the label is that of\n"
        "the higher score. Base values are added to the scores of their classes, with two classes "
        "only to those that\n"
        "have weights. post\\_transform is applied to a single score of a regressor, too, and that "
        "of a TreeEnsemble\n"
        "has the numbers of the standard. Labels, keys and categories are numbers or "
        "strings.\n\n");
    print_domain(c, "ai.onnx.ml");
    fv_out("\n## `ai.onnx.preview.training`: steps of optimizers\n\n");
    print_domain(c, "ai.onnx.preview.training");
    fv_out("\n## `ai.onnx.preview`: what the standard tries\n\n");
    print_domain(c, "ai.onnx.preview");
    fv_out("\n## `com.microsoft`: ONNX Runtime's\n\n");
    print_domain(c, "com.microsoft");
    fv_out("\n## `fv`: Fovea's own, inside graphs\n\n");
    print_domain(c, "fv");
    print_departures(c);
    print_refused();
    fv_out(
        "\n## Other random numbers\n\n"
        "The expected outputs of these tests of the standard come from another random number "
        "generator, which\n"
        "the standard does not require: test_bernoulli_double and test_bernoulli_seed, both also "
        "expanded;\n"
        "test_training_dropout, test_training_dropout_default, test_training_dropout_mask. Fovea's "
        "generator is\n"
        "Philox 4x32 with ten rounds. Its key is made from the attribute seed and the name of the "
        "result, and its\n"
        "counter from the position of an element and the iterations of loops around the operator, "
        "so the numbers are\n"
        "the same on every target, with any number of threads. Without the attribute seed each run "
        "draws other\n"
        "numbers: the counter then includes the seed of the run (`--seed`, `fv_env.seed`).\n\n"
        "## The standard's tests that are refused\n\n"
        "test_gradient_of_add_and_mul has Gradient, see above.\n"
        "Generated C has no\n"
        "libraries that decode images: test_image_decoder_decode_bmp_rgb, jpeg2k_rgb, jpeg_bgr,\n"
        "jpeg_grayscale, jpeg_rgb, png_rgb and webp_rgb.\n");
}

/* ---- JSON ---- */

static json_t *operands_json(const fv_operand_def *list, int max) {
    json_t *a = json_array();
    for (int i = 0; i < max && list[i].name; i++) {
        json_t *o = json_object();
        fv_json_set_text(o, "name", list[i].name);
        fv_json_set_text(o, "type", list[i].type);
        if (list[i].arity != FV_REQUIRED)
            fv_json_set_bool(o, list[i].arity == FV_VARIADIC ? "variadic" : "optional", true);
        fv_json_append(a, o);
    }
    return a;
}

static json_t *types_json(const fv_opdef *d) {
    json_t *o = json_object();
    for (int i = 0; i < FV_MAX_TYPEVARS && d->types[i].name; i++) {
        json_t *list = json_array();
        for (int e = 1; e < FV_ELEM_END; e++)
            if (d->types[i].set >> e & 1)
                fv_json_append(list, fv_json_text(fv_elem_name((fv_elem)e)));
        fv_json_set(o, d->types[i].name, list);
    }
    return o;
}

static json_t *op_json(const fv_opdef *d) {
    json_t *o = json_object(), *since = json_array(), *attrs = json_array();
    for (int i = 0; i < FV_MAX_VERSIONS && d->since[i]; i++)
        fv_json_append(since, json_integer(d->since[i]));
    for (int i = 0; i < FV_MAX_ATTRS && d->attrs[i].name; i++)
        fv_json_append(attrs, fv_json_text(d->attrs[i].name));
    fv_json_set_text(o, "domain", domain(d));
    fv_json_set_text(o, "name", d->name);
    fv_json_set(o, "versions", since);
    fv_json_set_text(o, "meaning", meaning(d));
    fv_json_set_text(o, "doc", d->doc ? d->doc : "");
    if (d->departs)
        fv_json_set_text(o, "departs", d->departs);
    fv_json_set(o, "inputs", operands_json(d->in, FV_MAX_IN));
    fv_json_set(o, "outputs", operands_json(d->out, FV_MAX_OUT));
    fv_json_set(o, "attributes", attrs);
    fv_json_set(o, "types", types_json(d));
    if (d->formula || d->rule)
        fv_json_set_text(o, d->formula ? "formula" : "rule", d->formula ? d->formula : d->rule);
    return o;
}

/* ---- one op ---- */

static void print_list(const fv_length_def *l) {
    fv_out(", a list");
    switch (l->kind) {
    case FV_ANY_LENGTH: break;
    case FV_FIXED_LENGTH: fv_out(" of %d", l->times); break;
    case FV_RESULTS_LENGTH: fv_out(" of one for each output"); break;
    case FV_AXES_LENGTH:
        fv_out(" of %s for each axis", l->times == 1 ? "one" : "two");
        if (l->less)
            fv_out(" but the first %d", l->less);
        break;
    }
}

static void print_rank(fv_context *c, const fv_rank_def *r) {
    const char *text = fv_rank_str(c->arena, r);
    if (r->scalar)
        fv_out(", a scalar");
    else if (r->single)
        fv_out(", a single element");
    else if (r->list)
        print_list(&r->length);
    else if (text)
        fv_out(", rank %s", text);
    if (r->as)
        fv_out(", rank as %s", r->as);
}

static void print_operands(fv_context *c, const char *what, const fv_operand_def *list, int max) {
    for (int i = 0; i < max && list[i].name; i++) {
        fv_out("%-10s %s: %s%s", i ? "" : what, list[i].name, list[i].type,
               list[i].arity == FV_VARIADIC           ? ", any number"
               : list[i].arity == FV_OPTIONAL_OPERAND ? ", optional"
                                                      : "");
        print_rank(c, &list[i].rank);
        fv_out("\n");
    }
}

static void print_default(const fv_attr_def *d) {
    if (d->required)
        fv_out(", required");
    else if (d->has_default && d->kind == FV_ATTR_INT)
        fv_out(" = %lld", (long long)d->i);
    else if (d->has_default && d->kind == FV_ATTR_FLOAT)
        fv_out(" = %.9g", (double)d->f);
    else if (d->has_default && d->kind == FV_ATTR_STRING && d->s)
        fv_out(" = \"%s\"", d->s);
}

static void print_attrs(const fv_opdef *d) {
    static const char *const kinds[] = {
        [FV_ATTR_INT] = "int",       [FV_ATTR_FLOAT] = "float",   [FV_ATTR_STRING] = "string",
        [FV_ATTR_INTS] = "ints",     [FV_ATTR_FLOATS] = "floats", [FV_ATTR_STRINGS] = "strings",
        [FV_ATTR_TENSOR] = "tensor", [FV_ATTR_TYPE] = "type",     [FV_ATTR_DIMS] = "dims",
        [FV_ATTR_REGION] = "graph"};
    for (int i = 0; i < FV_MAX_ATTRS && d->attrs[i].name; i++) {
        const fv_attr_def *t = &d->attrs[i];
        fv_out("%-10s %s: %s", i ? "" : "attributes", t->name, kinds[t->kind]);
        print_default(t);
        if (t->until)
            fv_out(", up to version %d", t->until);
        fv_out("\n");
    }
}

static void print_meaning(fv_context *c, const fv_opdef *d) {
    const char *text = text_of(c->arena, d);
    fv_out("%-10s ", meaning(d));
    for (const char *p = text ? text : "in C"; *p; p++)
        fv_out(*p == '\n' ? "\n           " : "%c", *p);
    fv_out("\n");
}

static void print_op(fv_context *c, const fv_opdef *d) {
    fv_out("%s%s%s\n", fv_opdef_qualified(c->arena, d), d->doc ? ": " : "", d->doc ? d->doc : "");
    fv_out("versions   %s\n", versions(c->arena, d));
    print_operands(c, "inputs", d->in, FV_MAX_IN);
    print_operands(c, "outputs", d->out, FV_MAX_OUT);
    print_attrs(d);
    for (int i = 0; i < FV_MAX_TYPEVARS && d->types[i].name; i++)
        fv_out("%-10s %s: %s\n", i ? "" : "types", d->types[i].name,
               type_of(c->arena, &d->types[i]));
    print_meaning(c, d);
    if (d->departs)
        fv_out("departs    %s\n", d->departs);
}

/* finds an operator by its name: "MatMul", "fv.Slice", "ai.onnx.MatMul" */
static const fv_opdef *find(fv_context *c, const char *name) {
    int n = fv_op_count();
    const char **names = FV_NEW(c->arena, const char *, n + 1);
    for (int i = 0; i < n; i++) {
        const fv_opdef *d = fv_op_at(i);
        names[i] = fv_opdef_qualified(c->arena, d);
        if (!strcmp(names[i], name) ||
            !strcmp(fv_printf(c->arena, "%s.%s", domain(d), d->name), name))
            return d;
    }
    for (const fv_refusal *r = fv_refusals; r->name; r++)
        if (!strcmp(*r->domain ? fv_printf(c->arena, "%s.%s", r->domain, r->name) : r->name,
                    name)) {
            fv_error(c->session, "operator not in the catalogue: '%s': %s", name, r->reason);
            return NULL;
        }
    const char *near = fv_nearest(name, names);
    fv_error(c->session, "operator not in the catalogue: '%s'%s%s%s", name,
             near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    return NULL;
}

static int show_some(fv_context *c, json_t *list) {
    for (int i = 0; i < c->args->n; i++) {
        const fv_opdef *d = find(c, c->args->operand[i]);
        if (!d)
            return FV_EXIT_MODEL;
        if (list)
            fv_json_append(list, op_json(d));
        else
            print_op(c, d);
    }
    return FV_EXIT_OK;
}

int fv_cmd_ops(fv_context *c) {
    if (c->args->inspect.markdown && (c->args->n || c->args->print.json))
        return fv_usage(c->args,
                        "--markdown prints the whole table: it takes neither names nor --json");
    json_t *list = c->args->print.json ? json_array() : NULL;
    int status = show_some(c, list);
    if (status) {
        json_decref(list);
        return status;
    }
    if (!list && !c->args->n)
        (c->args->inspect.markdown ? print_markdown : print_table)(c);
    if (!list)
        return FV_EXIT_OK;
    for (int i = 0; i < fv_op_count() && !c->args->n; i++)
        fv_json_append(list, op_json(fv_op_at(i)));
    json_t *d = fv_json_document();
    fv_json_set_int(d, "newest_opset", FV_NEWEST_OPSET);
    fv_json_set(d, "operators", list);
    return fv_json_print(c->session, d) ? FV_EXIT_OK : FV_EXIT_MODEL;
}
