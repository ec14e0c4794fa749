/* by_hand.c - see by_hand.h. To compare a handwritten kernel with the one that it replaces, a
 * program of its own is made of each. */
#include "by_hand.h"

#include <stdlib.h>
#include <string.h>

#include "backend/interp/interp.h"
#include "driver.h"
#include "ir/expr/rewrite.h"
#include "ir/expr/visit.h"
#include "ir/kernel/confine.h"
#include "ir/kernel/parse.h"
#include "ir/kernel/print.h"
#include "ir/kernel/verify.h"
#include "ir/type/float_bits.h"
#include "ir/type/tensor.h"
#include "runtime/pool.h"

/* The values of dims in trials, moved into the bounds of each dim. With odd values the last tasks,
 * tiles and vectors are incomplete. */
static const int64_t odd[] = {1, 7, 0, 3, 33, 2, 17, 13, 5, 129};
enum { TRIALS = sizeof odd / sizeof *odd, TRIAL_TURNS = 1 << 28 };

/* ---- one kernel as a program ---- */

typedef struct party {
    fv_artifact *artifact;
    void **outputs;
    int64_t *out_dims;
    int status;
} party;

static void free_artifact(void *artifact) {
    fv_artifact_free(artifact);
}

/* Opens a kernel as a program. The interpreter runs it, since it checks each index and limits the
 * number of iterations: a handwritten kernel may contain any index and an endless loop. A trusted
 * kernel runs as code in memory where that is possible. */
static bool open_party(fv_session *s, fv_arena *a, const char *text, const fv_target *target,
                       bool trusted, party *out) {
    fv_program *p = fv_driver_wrap_kernel(s, text, target);
    if (!p || !fv_program_verify(s, p))
        return false;
    bool here = trusted && fv_driver_may_run(p) && !fv_llvm_missing();
    if (!(out->artifact = fv_driver_artifact(s, p, here ? FV_BACKEND_JIT : FV_BACKEND_INTERP, '1')))
        return false;
    fv_arena_at_free(a, free_artifact, out->artifact);
    if (!here && !trusted)
        fv_interp_limit(out->artifact->ctx, TRIAL_TURNS);
    return true;
}

/* ---- one run of both ---- */

typedef struct trial {
    fv_arena *arena;
    const fv_model *model;
    int64_t *dims;
    const fv_tensor **inputs;
    const void **data;
} trial;

static void fill(fv_tensor *t, uint64_t *state) {
    for (size_t i = 0; i < t->count; i++) {
        *state = *state * 6364136223846793005u + 1442695040888963407u;
        int64_t x = (int64_t)(*state >> 33) % 4001 - 2000;
        if (fv_elem_is_float(t->elem))
            fv_tensor_set_float(t, i, (double)x / 1000);
        else
            fv_tensor_set_int(t, i, x & 3);
    }
}

/* A new tensor with the type and dims of a port in this trial; NULL: a dim has no value, or the
 * tensor would be too large. */
static fv_tensor *tensor_of(trial *t, const fv_port_info *port) {
    int64_t dims[FV_ARRAY_RANK];
    if (port->rank > FV_ARRAY_RANK)
        return NULL;
    for (int i = 0; i < port->rank; i++)
        if (!fv_eval_dim_text(t->model, t->dims, port->dims[i], &dims[i]) || dims[i] < 0)
            return NULL;
    return fv_tensor_new(t->arena, (fv_elem)port->type, port->rank, dims);
}

static bool make_inputs(trial *t, int seed) {
    uint64_t state = (uint64_t)seed;
    for (int i = 0; i < t->model->ninputs; i++) {
        fv_tensor *x = tensor_of(t, &t->model->inputs[i]);
        if (!x)
            return false;
        fill(x, &state);
        t->inputs[i] = x;
        t->data[i] = x->data;
    }
    return true;
}

/* Runs a program. Outputs are filled with random numbers before, so that a kernel that leaves
 * elements unwritten is found. */
static bool run(trial *t, party *p, fv_tensor **outputs) {
    uint64_t state = TRIALS;
    fv_env env = fv_pool_env(NULL);
    size_t bytes;
    int at = 0;
    for (int i = 0; i < t->model->noutputs; at += 1 + t->model->outputs[i++].rank) {
        if (!(outputs[i] = tensor_of(t, &t->model->outputs[i])))
            return false;
        fill(outputs[i], &state);
        p->outputs[i] = (void *)outputs[i]->data;
        p->out_dims[at] = (int64_t)outputs[i]->count;
    }
    p->status = p->artifact->plan(p->artifact, t->dims, &bytes, NULL);
    void *workspace = p->status ? NULL : env.alloc(env.user, bytes);
    if (!p->status)
        p->status = workspace ? p->artifact->run(p->artifact, t->dims, t->data, p->outputs,
                                                 p->out_dims, workspace, bytes, &env)
                              : FV_NO_MEMORY;
    env.free(env.user, workspace);
    return p->status != FV_NO_MEMORY;
}

/* The index of the first element whose bits differ, where all NaNs are equal; -1: there is none. */
static int64_t differing(const fv_tensor *a, const fv_tensor *b) {
    size_t bytes;
    if (!fv_elem_bytes(a->elem, a->count, &bytes) || !memcmp(a->data, b->data, bytes))
        return -1;
    size_t each = fv_elem_is_packed(a->elem) ? 0 : bytes / a->count;
    for (size_t i = 0; i < a->count; i++) {
        const char *x = (const char *)a->data + i * each, *y = (const char *)b->data + i * each;
        bool nan = fv_elem_is_float(a->elem) && fv_tensor_float(a, i) != fv_tensor_float(a, i) &&
                   fv_tensor_float(b, i) != fv_tensor_float(b, i);
        if (!nan && (!each ? fv_tensor_int(a, i) != fv_tensor_int(b, i) : memcmp(x, y, each) != 0))
            return (int64_t)i;
    }
    return -1;
}

/* ---- the check ---- */

/* The location of the declaration of the handwritten kernel, for messages. */
typedef struct place {
    fv_session *s;
    int line;
} place;

static const char *dims_str(fv_arena *a, const trial *t) {
    fv_text s = {.arena = a};
    fv_text_put(&s, "");
    for (int i = 0; i < t->model->nsymbols; i++)
        fv_text_printf(&s, "%s%s = %lld", i ? ", " : " where ", t->model->symbols[i].name,
                       (long long)t->dims[i]);
    return s.s;
}

static bool compare(const place *at, trial *t, party *made, party *hand, const char *name) {
    int n = t->model->noutputs;
    fv_tensor **want = FV_NEW(t->arena, fv_tensor *, n + 1),
              **got = FV_NEW(t->arena, fv_tensor *, n + 1);
    if (!run(t, made, want) || !run(t, hand, got))
        return fv_error_at(at->s, at->line, 0, "kernel '%s': out of memory while it is tried%s",
                           name, dims_str(t->arena, t));
    if (hand->status == FV_CANCELLED)
        return fv_error_at(at->s, at->line, 0,
                           "kernel '%s' does not end after %d iterations of its loops%s", name,
                           TRIAL_TURNS, dims_str(t->arena, t));
    /* FV_INTERNAL: the interpreter found an access outside of a buffer. FV_BAD_INDEX: so did a
     * check that fv_kernel_confine has inserted into the kernel */
    if (hand->status == FV_INTERNAL || (hand->status == FV_BAD_INDEX && !made->status))
        return fv_error_at(at->s, at->line, 0, "kernel '%s' reaches outside of what it is given%s",
                           name, dims_str(t->arena, t));
    if (made->status != hand->status)
        return fv_error_at(at->s, at->line, 0,
                           "kernel '%s' ends with %s%s, the one that it replaces with %s", name,
                           fv_status_name(hand->status), dims_str(t->arena, t),
                           fv_status_name(made->status));
    for (int i = 0; i < n && !made->status; i++) {
        int64_t k = differing(want[i], got[i]);
        if (k >= 0)
            return fv_error_at(at->s, at->line, 0,
                               "kernel '%s' gives other bits than the one that it replaces: %s%s: "
                               "element %lld is %.9g, expected %.9g",
                               name, t->model->outputs[i].name, dims_str(t->arena, t), (long long)k,
                               fv_tensor_float(got[i], (size_t)k),
                               fv_tensor_float(want[i], (size_t)k));
    }
    return true;
}

/* ---- dims ---- */

static const fv_stmt *launch_of(const fv_block *b, const fv_kernel *k) {
    const fv_stmt *found = NULL;
    for (const fv_stmt *s = b->first; s && !found; s = s->next) {
        found = s->kind == FV_S_LAUNCH && s->call.kernel == k ? s : launch_of(&s->body, k);
        found = found ? found : launch_of(&s->other, k);
    }
    return found;
}

/* Variables of the host program, and the values that one trial gives them. In each trial the
 * handwritten kernel and the one that it replaces run with the same inputs and dims. */
typedef struct values {
    fv_arena *arena;
    fv_var **var;
    fv_expr **is;
    int n, cap[2], number; /* number: that of the trial, 0 <= number < TRIALS */
} values;

/* The value of the i-th variable in a trial: one of the list `odd`, moved into the variable's
 * bounds. */
static int64_t value_of(const fv_var *v, int number, int i) {
    int64_t x = odd[(number + 3 * i) % TRIALS];
    return x < v->lo ? v->lo : x > v->hi ? v->hi : x;
}

static void give_value(values *v, fv_var *var) {
    int i = 0, n = v->n;
    while (i < v->n && v->var[i] != var)
        i++;
    if (i < v->n)
        return;
    FV_PUSH(v->arena, v->var, n, v->cap[0], var);
    FV_PUSH(v->arena, v->is, v->n, v->cap[1], fv_x_int(v->arena, value_of(var, v->number, i)));
}

static void give_values(values *v, const fv_expr *root) {
    const fv_expr *x;
    for (fv_x_visitor nodes = fv_x_visit(v->arena, root); (x = fv_x_next(&nodes));)
        if (x->op == FV_X_VAR)
            give_value(v, x->u.var);
}

/* Computes the dims of a launch in a trial. Dims depend on each other (the number of panels follows
 * from that of columns), so they are computed from symbols as in the program. */
static bool dims_of_trial(fv_arena *a, const fv_stmt *launch, int n, int64_t *dims) {
    values v = {.arena = a, .number = n};
    bool known = true;
    for (int i = 0; i < launch->call.kernel->ndims; i++)
        give_values(&v, launch->call.dims[i]);
    for (int i = 0; i < launch->call.kernel->ndims && known; i++)
        known = fv_x_is_int(fv_x_replace_vars(a, launch->call.dims[i], v.n, v.var, v.is), &dims[i]);
    return known;
}

static bool try_dims(const place *at, fv_arena *a, party *made, party *hand, const fv_stmt *launch,
                     int n) {
    const char *name = launch->call.kernel->name;
    const fv_model *m = fv_artifact_model(made->artifact);
    trial t = {.arena = a,
               .model = m,
               .dims = FV_NEW(a, int64_t, m->nsymbols + 1),
               .inputs = FV_NEW(a, const fv_tensor *, m->ninputs + 1),
               .data = FV_NEW(a, const void *, m->ninputs + 1)};
    int size = 1;
    for (int i = 0; i < m->noutputs; i++)
        size += 1 + m->outputs[i].rank;
    if (!dims_of_trial(a, launch, n, t.dims))
        return fv_error_at(at->s, at->line, 0,
                           "kernel '%s' cannot be tried: its dims depend on data", name);
    party *both[] = {made, hand};
    for (int k = 0; k < 2; k++) {
        both[k]->outputs = FV_NEW(a, void *, m->noutputs + 1);
        both[k]->out_dims = FV_NEW(a, int64_t, size);
    }
    if (!make_inputs(&t, n))
        return fv_error_at(at->s, at->line, 0,
                           "kernel '%s' cannot be tried: its parameters are too large%s", name,
                           dims_str(a, &t));
    return compare(at, &t, made, hand, name);
}

static bool gives_the_same(const place *at, const fv_program *p, const fv_kernel *made,
                           const char *text) {
    const fv_stmt *launch = launch_of(&p->host.body, made);
    fv_session *s = at->s;
    fv_arena *a = fv_arena_new(s);
    fv_text t = {.arena = a};
    party first = {0}, second = {0};
    fv_kernel_print(&t, made);
    bool ok = open_party(s, a, t.s, p->target, true, &first) &&
              open_party(s, a, text, p->target, false, &second);
    for (int n = 0; n < TRIALS && ok && launch; n++) {
        fv_arena *one = fv_arena_new(s);
        ok = try_dims(at, one, &first, &second, launch, n);
        fv_arena_free(one);
    }
    fv_arena_free(a);
    return ok;
}

/* ---- replacing ---- */

/* The name and the parameters of the kernel as text, which must be the same for a handwritten
 * kernel and the one that it replaces. */
static const char *parameters(fv_arena *a, const fv_kernel *k) {
    fv_kernel bare = *k;
    fv_text t = {.arena = a};
    bare.origin = bare.formula = NULL;
    bare.schedule = NULL;
    bare.body = (fv_block){0};
    fv_kernel_print(&t, &bare);
    size_t n = strcspn(t.s, "{");
    while (n && t.s[n - 1] == ' ')
        n--;
    return fv_strndup(a, t.s, n);
}

static fv_kernel *find(const fv_program *p, const char *name) {
    for (int i = 0; i < p->nkernels; i++)
        if (!strcmp(p->kernels[i]->name, name))
            return p->kernels[i];
    return NULL;
}

static bool no_kernel(const place *at, const fv_program *p, const char *name) {
    const char **names = FV_NEW(p->arena, const char *, p->nkernels + 1);
    for (int i = 0; i < p->nkernels; i++)
        names[i] = p->kernels[i]->name;
    const char *near = fv_nearest(name, names);
    return near ? fv_error_at(at->s, at->line, 0, "there is no kernel '%s'; did you mean '%s'?",
                              name, near)
                : fv_error_at(at->s, at->line, 0,
                              "there is no kernel '%s'; `fovea compile --emit=kernels` shows which "
                              "there are",
                              name);
}

static bool is_read(const fv_block *b, const fv_buf *buf) {
    bool found = false;
    for (const fv_stmt *s = b->first; s && !found; s = s->next) {
        for (int i = 0; s->kind == FV_S_LAUNCH && i < s->call.kernel->nbufs; i++)
            found |= s->call.args[i] == buf && s->call.kernel->bufs[i]->role != FV_BUF_OUT;
        found = found || is_read(&s->body, buf) || is_read(&s->other, buf);
    }
    return found;
}

/* Do other kernels use, without checking them, values that kernel k writes? The kernels of one
 * operator do, and so do kernels that read integers which k writes. (An index that a definition
 * loads is checked where it is loaded.) */
static bool is_relied_on(const fv_program *p, const fv_block *b, const fv_kernel *k) {
    bool found = k->schedule && k->schedule->kind == FV_SCHEDULE_custom;
    for (const fv_stmt *s = b->first; s && !found; s = s->next) {
        for (int i = 0; s->kind == FV_S_LAUNCH && s->call.kernel == k && i < k->nbufs; i++)
            found |=
                k->bufs[i]->role != FV_BUF_IN && !fv_elem_is_float(k->bufs[i]->elem) &&
                (s->call.args[i]->role != FV_BUF_OUTPUT || is_read(&p->host.body, s->call.args[i]));
        found = found || is_relied_on(p, &s->body, k) || is_relied_on(p, &s->other, k);
    }
    return found;
}

/* Confines the kernel (ir/kernel/confine.h) and returns its text, from which it is tried and later
 * run; NULL after a diagnostic. */
static const char *confine(const place *at, const fv_program *p, fv_kernel *hand,
                           const fv_kernel *made, int64_t turns) {
    fv_text t = {.arena = p->arena};
    if (is_relied_on(p, &p->host.body, made)) {
        fv_error_at(
            at->s, at->line, 0,
            "kernel '%s' makes what others find elements by: --unsafe-lua lets a script replace it",
            made->name);
        return NULL;
    }
    if (!fv_kernel_confine(at->s, hand, turns))
        return NULL;
    fv_kernel_print(&t, hand);
    return t.s;
}

static bool replace(const place *at, fv_program *p, const char *text, int64_t turns) {
    fv_kernel *hand = fv_kernel_parse(p->arena, text);
    if (!hand || !fv_kernel_verify(at->s, hand))
        return false;
    fv_kernel *made = find(p, hand->name);
    if (!made)
        return no_kernel(at, p, hand->name);
    const char *theirs = parameters(p->arena, hand), *ours = parameters(p->arena, made);
    if (strcmp(theirs, ours))
        return fv_error_at(at->s, at->line, 0, "it is `%s`, the kernel that it replaces `%s`",
                           theirs, ours);
    if ((turns && !(text = confine(at, p, hand, made, turns))) ||
        !gives_the_same(at, p, made, text))
        return false;
    hand->schedule = NULL;
    hand->origin = made->origin;
    hand->formula = made->formula;
    *made = *hand;
    return true;
}

bool fv_driver_replace_kernels(fv_session *s, fv_program *p, const fv_hand_kernels *list) {
    const char *before = fv_diag_file_get(s);
    bool ok = true;
    for (int i = 0; i < list->n && ok; i++) {
        fv_diag_file(s, list->at[i].path);
        ok = replace(&(place){s, list->at[i].line}, p, list->at[i].text, list->turns);
    }
    fv_diag_file(s, before);
    return ok;
}
