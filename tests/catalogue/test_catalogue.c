/* Runs every operator of the catalogue, in every version, with illegal operands and attributes:
 * left out, empty, of other ranks and types, huge, undecodable. Each instance is refused with a
 * message about the node when types are inferred, or it compiles and runs: it must not crash, loop
 * forever, be refused by a later stage, or cause a finding of a sanitizer.
 *
 * A small valid instance of each operator is derived from its signature, or is in cases.txt; it
 * must compile. FV_OP=NAME tries one operator, FV_SHOW=1 prints every instance before it is
 * tried. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "backend/expand/expand.h"
#include "backend/interp/interp.h"
#include "backend/library/library.h"
#include "backend/lower.h"
#include "frontend/frontend.h"
#include "instance.h"
#include "ir/base/limits.h"
#include "ir/graph/parse.h"
#include "ir/graph/verify.h"
#include "ir/kernel/verify.h"
#include "passes/passes.h"
#include "tests/frontend/model_text.h"
#include "tests/sample.h"
#include "tests/text_file.h"

enum {
    MEMORY = 1 << 30,
    RUN_BYTES = 1 << 16,    /* a workspace of more is not run */
    RUN_ELEMENTS = 4096,    /* nor operands or results of so many elements */
    RUN_MILLISECONDS = 200, /* a run that takes longer is stopped */
#if SAMPLE_HAS_ASAN
    COMPILE_MILLISECONDS = 20000
#else
    COMPILE_MILLISECONDS = 4000
#endif
};

/* ---- what is tried, for whoever finds it fallen ---- */

static char tried[8192];
static volatile int32_t cancel;

static void die(int signal_number) {
    ssize_t n = write(2, tried, strlen(tried));
    (void)n;
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static void stop(int signal_number) {
    (void)signal_number;
    cancel = 1;
}

static void prepare(void) {
#if !SAMPLE_HAS_ASAN
    setrlimit(RLIMIT_AS, &(struct rlimit){MEMORY, MEMORY});
    signal(SIGSEGV, die);
    signal(SIGFPE, die);
#endif
    signal(SIGABRT, die);
    signal(SIGALRM, stop);
}

static void alarm_in(long milliseconds) {
    struct itimerval t = {.it_value = {milliseconds / 1000, milliseconds % 1000 * 1000}};
    setitimer(ITIMER_REAL, &t, NULL);
}

/* ---- running ---- */

static void *allocate(void *user, size_t bytes) {
    return bytes > RUN_BYTES * 16 ? NULL : fv_alloc_aligned(user, bytes + 64, 64);
}

static void forget(void *user, void *p) {
    (void)user;
    (void)p;
}

static int64_t count_of(const fv_program *p, const fv_port *port, const int64_t *symbols) {
    int64_t n = 1;
    for (int i = 0; i < port->rank; i++) {
        int64_t d = port->dims[i]->value;
        for (int k = 0; k < p->symbols.n; k++)
            d = port->dims[i] == p->symbols.all[k] ? symbols[k] : d;
        n = d < RUN_ELEMENTS && n * d < RUN_ELEMENTS ? n * d : RUN_ELEMENTS;
    }
    return n;
}

/* Ones, of whatever type; NULL: too many. */
static const void *ones(fv_arena *a, fv_elem e, int64_t n) {
    fv_tensor *t = n < RUN_ELEMENTS ? fv_tensor_new(a, e, 1, &n) : NULL;
    for (int64_t i = 0; t && i < n; i++)
        if (fv_elem_is_float(e))
            fv_tensor_set_float(t, (size_t)i, 1);
        else
            fv_tensor_set_int(t, (size_t)i, 1);
    return t ? t->data : NULL;
}

/* Runs the program, unless it needs much memory. Returns NULL, or what went wrong. */
static const char *run(fv_arena *a, const fv_program *p) {
    int64_t symbols[64], *dims = FV_NEW(a, int64_t, fv_out_dims_size(p) + 1);
    const void *in[MAX_OPERANDS + 1];
    void *out[MAX_OPERANDS];
    size_t bytes = 0;
    if (p->symbols.n > 64 || p->ninputs > MAX_OPERANDS || p->noutputs > MAX_OPERANDS)
        return "more symbols or ports than are tried";
    for (int i = 0; i < p->symbols.n; i++)
        symbols[i] = p->symbols.all[i]->lo > 2   ? p->symbols.all[i]->lo
                     : p->symbols.all[i]->hi < 2 ? p->symbols.all[i]->hi
                                                 : 2;
    for (int i = 0; i < p->ninputs; i++)
        if (!(in[i] = ones(a, p->inputs[i].elem, count_of(p, &p->inputs[i], symbols))))
            return NULL;
    for (int i = 0; i < p->nkernels; i++)
        for (const fv_stmt *s = p->kernels[i]->body.first; s; s = s->next)
            if (s->kind == FV_S_CALL && !fv_library_look(s->call.library))
                return NULL; /* this build has no such library */
    fv_interp *interp = fv_interp_new(a, p);
    if (!interp)
        return "the interpreter refuses it";
    if (fv_interp_plan(interp, symbols, &bytes, dims) != FV_OK || bytes > RUN_BYTES)
        return NULL;
    for (int i = 0; i < p->noutputs; i++) {
        int64_t n = 1, *d = dims + fv_out_dims_at(p, i);
        /* the dims follow the capacity; -1: known only in the run */
        for (int k = 0; k < p->outputs[i].rank; k++)
            n = d[k + 1] >= 0 && d[k + 1] < RUN_ELEMENTS && n * d[k + 1] < RUN_ELEMENTS
                    ? n * d[k + 1]
                    : RUN_ELEMENTS;
        if (n >= RUN_ELEMENTS && !fv_port_depends_on_data(&p->outputs[i]))
            return NULL;
        d[0] = RUN_ELEMENTS;
        out[i] = fv_alloc_aligned(a, RUN_ELEMENTS * 8, 64);
    }
    fv_env env = {
        .size = sizeof env, .user = a, .alloc = allocate, .free = forget, .cancel = &cancel};
    cancel = 0;
    alarm_in(RUN_MILLISECONDS);
    int status = fv_interp_run(interp, symbols, in, out, dims, fv_alloc_aligned(a, bytes + 64, 64),
                               bytes, &env);
    alarm_in(0);
    return status == FV_INTERNAL ? fv_printf(a, "internal error: %s", fv_interp_fault(interp))
                                 : NULL;
}

/* ---- compiling ---- */

static const char *messages(fv_session *s, fv_arena *a) {
    fv_text t = {.arena = a};
    fv_text_put(&t, "");
    for (const fv_message *m = fv_messages(s); m; m = m->next)
        fv_text_printf(&t, "%s; ", fv_message_str(a, m));
    return t.s;
}

typedef enum { REFUSED, WORKS, FAILED } outcome;

/* How far an instance is taken. Older versions become the newest on import, which is tried with the
 * newest version: they end with simple ops. The reference schedule is for what is valid. */
typedef enum { LEGALISED, OPTIMIZED, REFERENCE } stage;

/* Is it the message of a limit that only lowering can check? Everything else must be refused
 * before. Lowering may also refuse an op of ours that only graph text can have, since its formula
 * determines which dims are legal. */
static bool is_limit(const char *said) {
    static const char *const limits[] = {"can be compiled", "too large", "not in the catalogue",
                                         "dims have no values"};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        if (strstr(said, limits[i]))
            return true;
    return false;
}

static outcome compile(fv_session *s, fv_arena *a, const instance *x, const char *text, stage last,
                       const char **why) {
    fv_pipeline_options po = {.verify = true};
    fv_lower_options lo = {.target = fv_target_find("x86-64-v3"), .naive = last == REFERENCE};
    fv_text model = instance_is_onnx(x) ? model_of_text(a, text) : (fv_text){0};
    fv_module *m = instance_is_onnx(x) ? fv_onnx_import_bytes(s, model.s, model.n, NULL, "m", NULL)
                                       : fv_module_parse(s, text, NULL);
    if (!m && !fv_error_count(s))
        return *why = "refused without a message", FAILED;
    if (!m)
        return *why = messages(s, a), REFUSED;
    if (fv_error_count(s) || !fv_module_verify(m, NULL))
        return *why = fv_printf(a, "not legal: %s", messages(s, a)), FAILED;
    fv_program *p = NULL;
    bool ok = fv_run_passes(m, fv_pipeline(last == OPTIMIZED ? '2' : '0'), &po) &&
              (last == LEGALISED || ((p = fv_lower(m, &lo)) != NULL && fv_program_verify(s, p)));
    if (!ok && (*why = messages(s, a), is_limit(*why) || !instance_is_onnx(x)))
        return REFUSED;
    if (!ok)
        return *why = fv_printf(a, "accepted, but refused later: %s", *why), FAILED;
    if (last == LEGALISED)
        return WORKS;
    fv_program_expand(p);
    /* An instance that only graph text can have is not run, because its author has to ensure, for
     * example, that an fv.Slice is within its operand. */
    *why = instance_is_onnx(x) ? run(a, p) : NULL;
    return *why ? FAILED : WORKS;
}

static long milliseconds(void) {
    return (long)(clock() / (CLOCKS_PER_SEC / 1000));
}

static outcome try_to(const instance *x, stage last) {
    fv_session *s = fv_session_new();
    fv_arena *a = fv_arena_new(s);
    fv_door door;
    const char *text = instance_text(a, x), *why = NULL;
    snprintf(tried, sizeof tried, "---- fell over:\n%s\n", text);
    if (getenv("FV_SHOW"))
        fprintf(stderr, "%s", text);
    if (FV_DOOR_OPEN(s, &door)) {
        cr_expect(false, "takes too much memory:\n%s", tried);
        fv_session_free(s);
        return FAILED;
    }
    long start = milliseconds();
    outcome how = compile(s, a, x, text, last, &why);
    long took = milliseconds() - start;
    cr_expect(how != FAILED, "%s\n%s", why, text);
    cr_expect(took < COMPILE_MILLISECONDS, "takes %ld ms:\n%s", took, text);
    if (getenv("FV_SHOW"))
        fprintf(stderr, "=> %s\n", how == WORKS ? "works" : why ? why : "");
    fv_door_close(s, &door);
    fv_session_free(s);
    return how;
}

static int newest(const fv_opdef *d) {
    return fv_op_version(d, FV_NEWEST_OPSET);
}

/* A change of a case; some of those of an operator, which have a process of their own, are
 * taken. */
static void try_instance(const instance *x) {
    static size_t nth;
    if (sample_has(x->def->name, nth++, 16, 240))
        try_to(x, x->version == newest(x->def) ? OPTIMIZED : LEGALISED);
}

/* ---- changes to operands ---- */

static const char *repeat(fv_arena *a, const char *what, int64_t n) {
    fv_text t = {.arena = a};
    fv_text_put(&t, "");
    for (int64_t i = 0; i < n; i++)
        fv_text_printf(&t, "%s%s", i ? " " : "", what);
    return t.s;
}

static bool is_number(const char *s) {
    return *s >= '0' && *s <= '9';
}

/* How many elements; named dims are 2. */
static int64_t elements(const operand *o) {
    int64_t n = 1;
    for (int i = 0; i < o->rank; i++)
        n *= is_number(o->dims[i]) ? strtoll(o->dims[i], NULL, 10) : 2;
    return n;
}

static operand with_content(fv_arena *a, operand o, const char *what) {
    for (int i = 0; i < o.rank; i++)
        if (!is_number(o.dims[i]))
            o.dims[i] = "2";
    o.content = repeat(a, what, elements(&o));
    return o;
}

/* The operand with another rank: additional dims are 1; a constant keeps its elements. */
static operand with_rank(fv_arena *a, operand o, int rank) {
    for (int i = o.rank; i < rank; i++)
        o.dims[i] = "1";
    o.rank = rank;
    if (rank > FV_MAX_RANK)
        o.content = NULL; /* no tensor is so */
    if (o.content) {
        const char *first = fv_strndup(a, o.content, strcspn(o.content, " "));
        o.content = repeat(a, *first ? first : "1", elements(&o));
    }
    return o;
}

static void try_operand(instance x, int i, operand o) {
    x.in[i] = o;
    try_instance(&x);
}

static void try_contents(fv_arena *a, const instance *x, int i) {
    static const char *const ints[] = {"0",
                                       "-1",
                                       "3",
                                       "4611686018427387904",
                                       "-4611686018427387904",
                                       "9223372036854775807",
                                       "-9223372036854775808"};
    static const char *const floats[] = {"0", "-1", "1e30", "-1e30", "0.3", "-inf", "-nan"};
    operand o = x->in[i];
    bool is_float = strchr("f", *o.elem) || !strncmp(o.elem, "bf", 2);
    for (int k = 0; k < 7; k++)
        try_operand(*x, i, with_content(a, o, is_float ? floats[k] : ints[k]));
}

static void try_dims(fv_arena *a, const instance *x, int i) {
    for (int k = 0; k < x->in[i].rank; k++) {
        static const char *const dims[] = {"0", "1", "7", "1099511627776", "a", NULL};
        for (int j = 0; dims[j]; j++) {
            operand o = x->in[i];
            o.dims[k] = dims[j];
            if (o.content && (j == 3 || j == 4))
                o.content = NULL; /* no constant is so large */
            try_operand(*x, i, o.content ? with_content(a, o, "1") : o);
        }
    }
}

static void change_operand(fv_arena *a, const instance *x, int i) {
    operand o = x->in[i], changed = o;
    try_operand(*x, i, (operand){.absent = true});
    if (o.absent)
        return;
    for (int constant = 0; constant < 2; constant++) {
        if (constant == (o.content != NULL))
            continue;
        changed = constant ? with_content(a, o, "1") : o; /* the other way round */
        if (!constant)
            changed.content = NULL;
        try_operand(*x, i, changed);
        for (int rank = 0; rank < 2; rank++)
            try_operand(*x, i, with_rank(a, changed, rank));
    }
    static const int more[] = {1, 2, 9, 14, 20};
    for (int rank = 0; rank < o.rank; rank++)
        try_operand(*x, i, with_rank(a, o, rank));
    for (size_t k = 0; k < sizeof more / sizeof *more; k++)
        try_operand(*x, i, with_rank(a, o, o.rank + more[k]));
    static const char *const elems[] = {"f32", "f16", "i64", "i32", "u8", "bool", "i4"};
    for (size_t k = 0; k < sizeof elems / sizeof *elems; k++) {
        changed = o;
        changed.elem = elems[k];
        try_operand(*x, i, o.content ? with_content(a, changed, "1") : changed);
    }
    changed = o;
    changed.elem = "string";
    if (instance_is_onnx(x) || !o.content)
        try_operand(*x, i, o.content ? with_content(a, changed, "\"s\"") : changed);
    changed = with_content(a, o, "1");
    changed.undecodable = true;
    try_operand(*x, i, changed);
    try_dims(a, x, i);
    try_contents(a, x, i);
}

/* ---- changes to attributes ---- */

static void try_value(instance x, const char *name, const char *value) {
    instance_set(&x, name, value);
    try_instance(&x);
}

static const char *const huge[] = {"0",
                                   "-1",
                                   "1",
                                   "2",
                                   "1000",
                                   "4611686018427387904",
                                   "-4611686018427387904",
                                   "9223372036854775807",
                                   "-9223372036854775808"};
enum { NHUGE = sizeof huge / sizeof *huge };

/* A list of n that are `usual`, but the first (last 0) or last one. */
static const char *list_of(fv_arena *a, int n, const char *usual, const char *one, bool last) {
    fv_text t = {.arena = a};
    fv_text_put(&t, "[");
    for (int i = 0; i < n; i++)
        fv_text_printf(&t, "%s%s", i ? ", " : "", i == (last ? n - 1 : 0) ? one : usual);
    fv_text_put(&t, "]");
    return t.s;
}

static void try_lists(fv_arena *a, const instance *x, const char *name, const char *const *values,
                      int n, const char *usual) {
    static const int lengths[] = {0, 1, 2, 3, 4, 6, 9, 17, 34};
    for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++)
        try_value(*x, name, list_of(a, lengths[k], usual, usual, false));
    for (int k = 0; k < n; k++)
        for (int length = 1; length <= 4; length++) {
            try_value(*x, name, list_of(a, length, usual, values[k], false));
            if (length > 1)
                try_value(*x, name, list_of(a, length, usual, values[k], true));
        }
}

/* The list that it has, with one more, one less, and each entry replaced. */
static void try_own_list(fv_arena *a, const instance *x, const char *name, const char *own,
                         const char *const *values, int n) {
    const char *item[64];
    int count = 0;
    for (const char *p = own + 1; *p && *p != ']' && count < 62; count++) {
        p += strspn(p, " ");
        size_t length = strcspn(p, ",]");
        item[count] = fv_strndup(a, p, length);
        p += length + (p[length] == ',');
    }
    for (int k = -2; k < count * n; k++) {
        fv_text t = {.arena = a};
        fv_text_put(&t, "[");
        for (int i = 0; i < count - (k == -2); i++)
            fv_text_printf(&t, "%s%s", i ? ", " : "",
                           k >= 0 && i == k / n ? values[k % n] : item[i]);
        fv_text_put(&t, k == -1 && count ? ", 1]" : "]");
        try_value(*x, name, t.s);
    }
}

static void try_tensors(const instance *x, const char *name) {
    static const char *const onnx[] = {"f32[2] typed",
                                       "f32[0]{}",
                                       "f32[2]{1 2}",
                                       "i64[]{4611686018427387904}",
                                       "string[1] typed \"s\"",
                                       "f32[]{1}",
                                       "bool[1]{1}",
                                       "i4[1]{1}",
                                       "f32[1]{-nan}",
                                       "f32[1099511627776, 1099511627776] typed",
                                       "f32[-1] typed"};
    for (size_t k = 0; k < sizeof onnx / sizeof *onnx; k++)
        try_value(*x, name, onnx[k]);
}

static void change_attr(fv_arena *a, const instance *base, const fv_attr_def *d) {
    static const char *const floats[] = {"0.0",  "-1.5", "0.3",
                                         "-nan", "-inf", "340000000000000000000.0"};
    static const char *const names[] = {"\"\"", "\"nonsense\"", "\"mean\"", "\"linear\"",
                                        "\"é\n\""};
    static const char *const kinds[] = {"1",     "1.5",     "\"text\"", "[1, 2]",
                                        "[0.5]", "[\"a\"]", "f32[1]{1}"};
    instance x = *base;
    const attribute *own = instance_attr(&x, d->name);
    bool onnx = instance_is_onnx(base);
    if (own)
        try_value(x, d->name, NULL);
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds && d->kind != FV_ATTR_REGION; k++)
        if (onnx || k + 1 < sizeof kinds / sizeof *kinds)
            try_value(x, d->name, kinds[k]);
    switch (d->kind) {
    case FV_ATTR_INT:
        for (int k = 0; k < NHUGE; k++)
            try_value(x, d->name, huge[k]);
        for (int k = 0; k < 32 && onnx; k++) /* element types, modes */
            try_value(x, d->name, fv_printf(a, "%d", k));
        break;
    case FV_ATTR_FLOAT:
        for (size_t k = 0; k < sizeof floats / sizeof *floats; k++)
            try_value(x, d->name, floats[k]);
        break;
    case FV_ATTR_STRING:
        for (size_t k = 0; k < sizeof names / sizeof *names; k++)
            try_value(x, d->name, names[k]);
        break;
    case FV_ATTR_INTS:
    case FV_ATTR_DIMS:
        try_lists(a, &x, d->name, huge, NHUGE, "1");
        if (own && own->value)
            try_own_list(a, &x, d->name, own->value, huge, NHUGE);
        break;
    case FV_ATTR_FLOATS: try_lists(a, &x, d->name, floats, 6, "1.0"); break;
    case FV_ATTR_STRINGS: try_lists(a, &x, d->name, names, 4, "\"Tanh\""); break;
    case FV_ATTR_TENSOR:
        if (onnx)
            try_tensors(&x, d->name);
        break;
    case FV_ATTR_TYPE:
        for (int k = 0; k < 32 && onnx; k++)
            try_value(x, d->name, fv_printf(a, "%d", k));
        break;
    case FV_ATTR_REGION: break;
    }
}

/* ---- in a branch ---- */

/* Constants are inputs, and of dims only the run knows how large they are. */
static instance loosened(fv_arena *a, instance x) {
    for (int i = 0; i < x.nin; i++) {
        x.in[i].content = NULL;
        for (int k = 0; k < x.in[i].rank && x.in[i].rank > 1; k++)
            if (is_number(x.in[i].dims[k]))
                x.in[i].dims[k] = fv_printf(a, "d%s", x.in[i].dims[k]);
    }
    return x;
}

/* An instance that works outside of a branch must work in a branch, where the assumptions of the
 * operator and the dims that data decide belong to the branch alone. */
static void try_in_branch(instance x) {
    x.in_branch = true;
    cr_expect(try_to(&x, OPTIMIZED) == WORKS, "%s is refused in a branch only", x.def->name);
}

/* ---- all of it ---- */

static void change(fv_arena *a, const instance *base) {
    const fv_opdef *d = base->def;
    instance x = *base;
    for (int i = 0; i < base->nin; i++)
        change_operand(a, base, i);
    for (int n = 0; n < base->nin; n++) { /* those behind are not there */
        x.nin = n;
        try_instance(&x);
    }
    x = *base;
    for (int more = 1; more <= 6 && base->nin + more <= MAX_OPERANDS; more++) {
        x.in[x.nin++] = base->nin ? base->in[0] : (operand){.elem = "f32"};
        try_instance(&x);
    }
    for (int i = 0; i < FV_MAX_ATTRS && d->attrs[i].name; i++)
        if (!d->attrs[i].until || base->version <= d->attrs[i].until)
            change_attr(a, base, &d->attrs[i]);
}

ParameterizedTestParameters(catalogue, operators) {
    static int at[1024];
    int n = fv_op_count();
    cr_assert(n <= 1024);
    for (int i = 0; i < n; i++)
        at[i] = i;
    return cr_make_param_array(int, at, (size_t)n);
}

Test(catalogue, what_is_refused_is_not_there) {
    for (const fv_refusal *r = fv_refusals; r->name; r++) {
        cr_expect_null(fv_op_find(r->domain, r->name), "%s.%s is in the catalogue", r->domain,
                       r->name);
        cr_expect_str_eq(fv_op_refusal(r->domain, r->name), r->reason);
    }
    cr_expect_null(fv_op_refusal("", "Add"));
}

ParameterizedTest(int *which, catalogue, operators, .init = prepare, .timeout = 900) {
    enum { MAX_LINES = 16 };
    const fv_opdef *d = fv_op_at(*which);
    fv_session *s = fv_session_new();
    fv_arena *a = fv_arena_new(s);
    const char *only = getenv("FV_OP");
    if (only && strcmp(only, fv_opdef_qualified(a, d)) != 0)
        cr_skip_test("not asked for");
    const char *cases = read_text_file(a, FV_SOURCE_ROOT "/tests/catalogue/cases.txt");
    for (int v = 0; v < FV_MAX_VERSIONS && d->since[v]; v++) {
        instance lines[MAX_LINES];
        int n = instance_lines(a, cases, d, d->since[v], lines, MAX_LINES);
        for (int i = 0; i < n; i++) {
            bool works =
                try_to(&lines[i], OPTIMIZED) == WORKS && try_to(&lines[i], REFERENCE) == WORKS;
            cr_expect(works, "cases.txt needs a valid %s of version %d:\n%s",
                      fv_opdef_qualified(a, d), d->since[v], instance_text(a, &lines[i]));
            if (instance_is_onnx(&lines[i]) && lines[i].version == newest(d)) {
                instance loose = loosened(a, lines[i]);
                if (works)
                    try_in_branch(lines[i]);
                if (try_to(&loose, OPTIMIZED) == WORKS)
                    try_in_branch(loose);
            }
            change(a, &lines[i]);
        }
    }
    fv_session_free(s);
}
