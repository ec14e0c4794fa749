/* graph.c - builds and changes graph IR. Keeps names unique and lists of uses exact. */
#include "ir/graph/graph.h"

#include "ir/base/text.h"
#include "ir/catalogue/op.h"
#include "ir/dim/text.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

const fv_opdef fv_return_def = {
    .domain = "fv",
    .name = "return",
    .since = {1},
    .doc = "the results of a block",
    .in = {{"results", "T", FV_VARIADIC, 0}},
    .types = {{"T", FV_SET_ANY}},
    .has_effect = true,
};

/* ---- names ---- */

/* An entry of the table of names. A name without value was used before and is free. `next` is the
 * first suffix to try for a new name, so that many values made from one name do not try all
 * suffixes each time. */
typedef struct name_slot {
    const char *name; /* the interned name; NULL: an unused slot */
    fv_value *value;
    int64_t next;
} name_slot;

struct fv_names {
    name_slot *slots; /* hash table with open addressing; the number of slots is a power of two */
    size_t n, cap;
};

static name_slot *probe(name_slot *slots, size_t cap, const char *name) {
    size_t i = ((uintptr_t)name >> 4) * UINT64_C(0x9E3779B97F4A7C15) >> 20 & (cap - 1);
    while (slots[i].name && slots[i].name != name)
        i = (i + 1) & (cap - 1);
    return &slots[i];
}

static name_slot *name_slot_of(fv_module *m, const char *name) {
    struct fv_names *t = m->names;
    if (t->n * 4 >= t->cap * 3) {
        size_t cap = t->cap ? t->cap * 2 : 256;
        name_slot *wider = FV_NEW(m->arena, name_slot, cap);
        for (size_t i = 0; i < t->cap; i++)
            if (t->slots[i].name)
                *probe(wider, cap, t->slots[i].name) = t->slots[i];
        t->slots = wider;
        t->cap = cap;
    }
    name_slot *slot = probe(t->slots, t->cap, name);
    if (!slot->name) {
        slot->name = name;
        slot->next = 1;
        t->n++;
    }
    return slot;
}

static void name_value(fv_module *m, fv_value *v, const char *stem) {
    stem = fv_intern(m->session, stem && *stem ? stem : "v");
    name_slot *slot = name_slot_of(m, stem);
    const char *name = stem;
    while (slot->value) {
        /* look the slot up again, since the table may have moved */
        int64_t next = name_slot_of(m, stem)->next++;
        name = fv_intern(m->session, fv_printf(m->arena, "%s_%lld", stem, (long long)next));
        slot = name_slot_of(m, name);
    }
    slot->value = v;
    v->name = name;
}

static void free_name(fv_module *m, const fv_value *v) {
    if (v)
        name_slot_of(m, v->name)->value = NULL;
}

fv_value *fv_value_find(fv_module *m, const char *name) {
    const struct fv_names *t = m->names;
    return t->cap ? probe(t->slots, t->cap, fv_intern(m->session, name))->value : NULL;
}

void fv_value_rename(fv_module *m, fv_value *v, const char *stem) {
    free_name(m, v);
    name_value(m, v, stem);
}

void fv_value_take_name(fv_module *m, fv_value *v, fv_value *old) {
    const char *name = old->name;
    free_name(m, v);
    name_slot_of(m, name)->value = v;
    v->name = name;
    name_value(m, old, name);
}

/* ---- modules, functions, blocks ---- */

fv_module *fv_module_new(fv_session *s, const char *name) {
    fv_arena *a = fv_arena_new(s);
    fv_module *m = FV_NEW(a, fv_module, 1);
    m->session = s;
    m->arena = a;
    m->dims = fv_dims_new(a);
    m->name = fv_strdup(a, name);
    m->source.hash = "";
    m->names = FV_NEW(a, struct fv_names, 1);
    return m;
}

void fv_module_free(fv_module *m) {
    if (m)
        fv_arena_free(m->arena);
}

fv_func *fv_func_new(fv_module *m, const char *name) {
    fv_func *f = FV_NEW(m->arena, fv_func, 1);
    f->module = m;
    f->name = fv_intern(m->session, name);
    f->body = fv_region_new(f, NULL);
    fv_func **end = &m->funcs;
    while (*end)
        end = &(*end)->next;
    *end = f;
    return f;
}

fv_region *fv_region_new(fv_func *f, fv_op *parent) {
    fv_region *r = FV_NEW(f->module->arena, fv_region, 1);
    r->func = f;
    r->parent = parent;
    return r;
}

fv_module *fv_region_module(const fv_region *r) {
    return r->func->module;
}

static fv_value *new_value(fv_module *m, fv_value_kind kind, const char *stem,
                           const fv_type *type) {
    fv_value *v = FV_NEW(m->arena, fv_value, 1);
    v->kind = kind;
    v->type = type;
    name_value(m, v, stem);
    return v;
}

fv_value *fv_param_new(fv_region *r, const char *stem, const fv_type *type) {
    fv_module *m = fv_region_module(r);
    /* the array is full when its length is a power of two, and doubles then */
    if ((r->nparams & (r->nparams - 1)) == 0) {
        fv_value **wider = FV_NEW(m->arena, fv_value *, r->nparams ? 2 * r->nparams : 1);
        for (int i = 0; i < r->nparams; i++)
            wider[i] = r->params[i];
        r->params = wider;
    }
    fv_value *v = new_value(m, FV_VALUE_PARAM, stem, type);
    v->block = r;
    v->index = r->nparams;
    r->params[r->nparams++] = v;
    return v;
}

void fv_region_set_params(fv_region *r, int n, fv_value *const *params) {
    fv_module *m = fv_region_module(r);
    fv_value **old = r->params;
    int all = r->nparams;
    r->params = FV_NEW(m->arena, fv_value *, 2 * n + 1);
    for (int i = 0; i < all; i++)
        old[i]->index = -1;
    for (r->nparams = 0; r->nparams < n; r->nparams++) {
        r->params[r->nparams] = params[r->nparams];
        params[r->nparams]->index = r->nparams;
    }
    for (int i = 0; i < all; i++) {
        FV_HOLDS(m->session, old[i]->index >= 0 || !old[i]->nuses);
        if (old[i]->index < 0)
            free_name(m, old[i]);
    }
}

/* ---- constants ---- */

fv_value *fv_const_new(fv_module *m, const char *stem, const fv_tensor *t) {
    const fv_dim **dims = FV_NEW(m->arena, const fv_dim *, t->rank);
    for (int i = 0; i < t->rank; i++)
        dims[i] = fv_dim_const(m->dims, t->dims[i]);
    const fv_type *type = fv_tensor_type(m->arena, t->elem, t->rank, dims);
    fv_value *v = new_value(m, FV_VALUE_CONST, stem, type);
    v->tensor = t;
    FV_PUSH(m->arena, m->consts, m->nconsts, m->cap_consts, v);
    return v;
}

fv_value *fv_const_int(fv_module *m, const char *stem, int64_t v) {
    fv_tensor *t = fv_tensor_new(m->arena, FV_I64, 0, NULL);
    fv_tensor_set_int(t, 0, v);
    return fv_const_new(m, stem, t);
}

fv_value *fv_const_ints(fv_module *m, const char *stem, int n, const int64_t *v) {
    fv_tensor *t = fv_tensor_new(m->arena, FV_I64, 1, (int64_t[]){n});
    for (int i = 0; i < n; i++)
        fv_tensor_set_int(t, (size_t)i, v[i]);
    return fv_const_new(m, stem, t);
}

fv_value *fv_const_float(fv_module *m, const char *stem, fv_elem e, double v) {
    FV_HOLDS(m->session, fv_elem_is_float(e));
    fv_tensor *t = fv_tensor_new(m->arena, e, 0, NULL);
    fv_tensor_set_float(t, 0, v);
    return fv_const_new(m, stem, t);
}

/* ---- uses ---- */

static void add_use(fv_op *op, int index) {
    fv_value *v = op->in[index];
    if (v)
        FV_PUSH(fv_region_module(op->block)->arena, v->uses, v->nuses, v->cap_uses,
                (fv_use){op, index});
}

static void drop_use(fv_op *op, int index) {
    fv_value *v = op->in[index];
    if (!v)
        return;
    int i = v->nuses - 1;
    while (v->uses[i].op != op || v->uses[i].index != index)
        i--; /* always found, since the list of uses is exact */
    memmove(&v->uses[i], &v->uses[i + 1], (size_t)(v->nuses - 1 - i) * sizeof *v->uses);
    v->nuses--;
}

bool fv_op_is_read(const fv_op *op, int i) {
    return i < op->nout && op->out[i] && op->out[i]->nuses;
}

fv_value *fv_op_in(const fv_op *op, int i) {
    return i >= 0 && i < op->nin ? op->in[i] : NULL;
}

const fv_type *fv_in_type(const fv_op *op, int i) {
    const fv_value *v = fv_op_in(op, i);
    return v ? v->type : NULL;
}

fv_module *fv_op_module(const fv_op *op) {
    return op->block->func->module;
}

void fv_op_set_in(fv_op *op, int i, fv_value *v) {
    fv_module *m = fv_region_module(op->block);
    FV_HOLDS(m->session, i >= 0);
    if (i >= op->nin) { /* a trailing operand that the op does not have yet */
        fv_value **wider = FV_NEW(m->arena, fv_value *, i + 1);
        for (int k = 0; k < op->nin; k++)
            wider[k] = op->in[k];
        op->in = wider;
        op->nin = i + 1;
    }
    if (op->in[i] == v)
        return;
    drop_use(op, i);
    op->in[i] = v;
    add_use(op, i);
}

void fv_replace_uses(fv_value *old, fv_value *with) {
    if (old == with)
        return;
    int n = old->nuses;
    /* drops all uses at once, since dropping them one by one would take quadratic time */
    old->nuses = 0;
    for (int i = 0; i < n; i++) {
        fv_use u = old->uses[i];
        u.op->in[u.index] = with;
        add_use(u.op, u.index);
    }
}

/* ---- ops ---- */

static void link_op(fv_op *op, fv_region *r, fv_op *before) {
    op->block = r;
    op->next = before;
    op->prev = before ? before->prev : r->last;
    *(op->prev ? &op->prev->next : &r->first) = op;
    *(before ? &before->prev : &r->last) = op;
}

static void unlink_op(fv_op *op) {
    *(op->prev ? &op->prev->next : &op->block->first) = op->next;
    *(op->next ? &op->next->prev : &op->block->last) = op->prev;
    op->prev = op->next = NULL;
}

fv_op *fv_op_new(fv_region *r, fv_op *before, const fv_opdef *def, int nin, fv_value *const *in,
                 int nout, const char *const *outs, const fv_origin *origin) {
    static const fv_origin nowhere = {0};
    fv_module *m = fv_region_module(r);
    fv_op *op = FV_NEW(m->arena, fv_op, 1);
    op->def = def;
    op->origin = origin ? origin : &nowhere;
    op->nin = nin;
    op->in = FV_NEW(m->arena, fv_value *, nin);
    op->nout = nout;
    op->out = FV_NEW(m->arena, fv_value *, nout);
    for (int i = 0; i < nout; i++) {
        if (!outs[i])
            continue;
        op->out[i] = new_value(m, FV_VALUE_RESULT, outs[i], NULL);
        op->out[i]->def = op;
        op->out[i]->index = i;
    }
    link_op(op, r, before);
    for (int i = 0; i < nin; i++) {
        op->in[i] = in[i];
        add_use(op, i);
    }
    return op;
}

/* Removes the uses by op and by the ops in its regions from the lists of uses. */
static void drop_uses(fv_op *op);

static void drop_uses_in(fv_region *r) {
    for (fv_op *inner = r->first; inner; inner = inner->next)
        drop_uses(inner);
}

static void drop_uses(fv_op *op) {
    for (int i = 0; i < op->nattrs; i++)
        if (op->attrs[i].kind == FV_ATTR_REGION)
            drop_uses_in(op->attrs[i].u.region);
    for (int i = 0; i < op->nin; i++) {
        drop_use(op, i);
        op->in[i] = NULL;
    }
}

/* Frees the names of the results of op and of the ops in its regions, after all uses are dropped.
 * This is a separate walk because in a graph that is being changed, a use may precede the op that
 * makes the value. */
static void free_names(fv_module *m, fv_op *op);

static void free_names_in(fv_module *m, fv_region *r) {
    for (fv_op *inner = r->first; inner; inner = inner->next)
        free_names(m, inner);
    for (int k = 0; k < r->nparams; k++)
        free_name(m, r->params[k]);
}

static void free_names(fv_module *m, fv_op *op) {
    for (int i = 0; i < op->nattrs; i++)
        if (op->attrs[i].kind == FV_ATTR_REGION)
            free_names_in(m, op->attrs[i].u.region);
    for (int i = 0; i < op->nout; i++) {
        FV_HOLDS(m->session, !op->out[i] || op->out[i]->nuses == 0);
        free_name(m, op->out[i]);
    }
}

static void forget_region(fv_module *m, fv_region *r) {
    drop_uses_in(r);
    free_names_in(m, r);
}

void fv_op_erase(fv_op *op) {
    drop_uses(op);
    free_names(fv_region_module(op->block), op);
    unlink_op(op);
    op->erased = true;
}

void fv_op_move_before(fv_op *op, fv_op *before) {
    if (op == before)
        return;
    unlink_op(op);
    link_op(op, before->block, before);
}

void fv_op_take_result(fv_op *op, fv_value *v) {
    fv_value **out = FV_NEW(fv_region_module(op->block)->arena, fv_value *, op->nout + 1);
    for (int i = 0; i < op->nout; i++)
        out[i] = op->out[i];
    v->def->out[v->index] = NULL;
    v->def = op;
    v->index = op->nout;
    out[op->nout++] = v;
    op->out = out;
}

fv_op *fv_region_return(fv_region *r, int n, fv_value *const *results) {
    if (r->last && r->last->def == &fv_return_def)
        fv_op_erase(r->last);
    return fv_op_new(r, NULL, &fv_return_def, n, results, 0, NULL, NULL);
}

void fv_func_add_results(fv_func *f, int n, fv_value *const *values, const char *const *names) {
    const fv_op *ret = f->body->last;
    fv_arena *a = f->module->arena;
    int before = ret->nin, all = before + n;
    fv_value **results = FV_NEW(a, fv_value *, all + 1);
    const char **of_results = FV_NEW(a, const char *, all + 1);
    const fv_value **states = f->states ? FV_NEW(a, const fv_value *, all + 1) : NULL;
    const fv_dim **capacity = f->capacity ? FV_NEW(a, const fv_dim *, all + 1) : NULL;
    for (int i = 0; i < all; i++) {
        results[i] = i < before ? ret->in[i] : values[i - before];
        of_results[i] = i < before ? f->result_names[i] : names[i - before];
        if (states && i < before)
            states[i] = f->states[i];
        if (capacity && i < before)
            capacity[i] = f->capacity[i];
    }
    fv_region_return(f->body, all, results);
    f->result_names = of_results;
    f->states = states;
    f->capacity = capacity;
}

bool fv_op_is(const fv_op *op, fv_op_id id) {
    return op->def->id == id;
}

bool fv_op_binds(const fv_op *op) {
    return fv_op_is(op, FV_OP_fv_Bind) || fv_op_is(op, FV_OP_fv_Let) || fv_op_is(op, FV_OP_fv_Seed);
}

/* ---- attributes ---- */

static fv_attr *find_attr(const fv_op *op, const char *name) {
    for (int i = 0; i < op->nattrs; i++)
        if (op->attrs[i].name == name || strcmp(op->attrs[i].name, name) == 0)
            return &op->attrs[i];
    return NULL;
}

void fv_op_move_attrs(fv_op *from, fv_op *to) {
    to->attrs = from->attrs;
    to->nattrs = from->nattrs;
    from->attrs = NULL;
    from->nattrs = 0;
    for (int i = 0; i < to->nattrs; i++)
        if (to->attrs[i].kind == FV_ATTR_REGION)
            to->attrs[i].u.region->parent = to;
}

const fv_attr *fv_op_find_attr(const fv_op *op, const char *name) {
    return find_attr(op, name);
}

void fv_op_attr(fv_op *op, const fv_attr *attr) {
    fv_module *m = fv_region_module(op->block);
    fv_attr *at = find_attr(op, attr->name);
    if (!at) {
        fv_attr *wider = FV_NEW(m->arena, fv_attr, op->nattrs + 1);
        for (int i = 0; i < op->nattrs; i++)
            wider[i] = op->attrs[i];
        op->attrs = wider;
        at = &wider[op->nattrs++];
    }
    *at = *attr;
    at->name = fv_intern(m->session, attr->name);
    if (attr->kind == FV_ATTR_REGION)
        attr->u.region->parent = op;
}

void fv_op_drop_attr(fv_op *op, const char *name) {
    fv_attr *a = find_attr(op, name);
    if (!a)
        return;
    if (a->kind == FV_ATTR_REGION)
        forget_region(fv_region_module(op->block), a->u.region);
    int i = (int)(a - op->attrs);
    memmove(a, a + 1, (size_t)(op->nattrs - 1 - i) * sizeof *a);
    op->nattrs--;
}

/* The attribute of that name if the op has it with that kind; NULL otherwise. */
static const fv_attr *attr_of(const fv_op *op, const char *name, fv_attr_kind kind) {
    const fv_attr *a = find_attr(op, name);
    return a && a->kind == kind ? a : NULL;
}

/* The declaration of an attribute for `version`, which has its default. Asserts that the attribute
 * has a default or is required. Defaults are taken from here only. */
static const fv_attr_def *entry_of(const fv_op *op, const char *name, fv_attr_kind kind,
                                   int version) {
    const fv_attr_def *d = fv_opdef_attr_of(op->def, name, version);
    FV_HOLDS(fv_region_module(op->block)->session,
             d && d->kind == kind && "the entry has this attribute");
    FV_HOLDS(fv_region_module(op->block)->session,
             (d->has_default || d->required) && "the entry says what it is when it is left out");
    return d;
}

/* The declaration of an attribute in the newest version. */
static const fv_attr_def *newest_entry_of(const fv_op *op, const char *name, fv_attr_kind kind) {
    const fv_attr_def *d = entry_of(op, name, kind, INT_MAX);
    FV_HOLDS(fv_region_module(op->block)->session,
             !d->until && "an attribute of older versions is read of a version");
    return d;
}

static void hold_no_default(const fv_op *op, const char *name, fv_attr_kind kind) {
    const fv_attr_def *d = fv_opdef_attr(op->def, name);
    FV_HOLDS(fv_region_module(op->block)->session,
             d && d->kind == kind && !d->has_default && !d->required &&
                 "the entry states no default of this attribute");
}

static fv_string string_from(const char *s) {
    return (fv_string){s, s ? strlen(s) : 0};
}

int64_t fv_op_int(const fv_op *op, const char *name) {
    const fv_attr *a = attr_of(op, name, FV_ATTR_INT);
    const fv_attr_def *d = newest_entry_of(op, name, FV_ATTR_INT);
    return a ? a->u.i : d->i;
}

float fv_op_float(const fv_op *op, const char *name) {
    const fv_attr *a = attr_of(op, name, FV_ATTR_FLOAT);
    const fv_attr_def *d = newest_entry_of(op, name, FV_ATTR_FLOAT);
    return a ? a->u.f : d->f;
}

fv_string fv_op_string(const fv_op *op, const char *name) {
    const fv_attr *a = attr_of(op, name, FV_ATTR_STRING);
    const fv_attr_def *d = newest_entry_of(op, name, FV_ATTR_STRING);
    return a ? a->u.s : string_from(d->s ? d->s : "");
}

int64_t fv_op_int_of(const fv_op *op, const char *name, int version) {
    const fv_attr *a = attr_of(op, name, FV_ATTR_INT);
    const fv_attr_def *d = entry_of(op, name, FV_ATTR_INT, version);
    return a ? a->u.i : d->i;
}

float fv_op_float_of(const fv_op *op, const char *name, int version) {
    const fv_attr *a = attr_of(op, name, FV_ATTR_FLOAT);
    const fv_attr_def *d = entry_of(op, name, FV_ATTR_FLOAT, version);
    return a ? a->u.f : d->f;
}

fv_string fv_op_string_of(const fv_op *op, const char *name, int version) {
    const fv_attr *a = attr_of(op, name, FV_ATTR_STRING);
    const fv_attr_def *d = entry_of(op, name, FV_ATTR_STRING, version);
    return a ? a->u.s : string_from(d->s ? d->s : "");
}

int64_t fv_op_int_or(const fv_op *op, const char *name, int64_t otherwise) {
    const fv_attr *a = attr_of(op, name, FV_ATTR_INT);
    hold_no_default(op, name, FV_ATTR_INT);
    return a ? a->u.i : otherwise;
}

float fv_op_float_or(const fv_op *op, const char *name, float otherwise) {
    const fv_attr *a = attr_of(op, name, FV_ATTR_FLOAT);
    hold_no_default(op, name, FV_ATTR_FLOAT);
    return a ? a->u.f : otherwise;
}

fv_string fv_op_string_or(const fv_op *op, const char *name, const char *otherwise) {
    const fv_attr *a = attr_of(op, name, FV_ATTR_STRING);
    hold_no_default(op, name, FV_ATTR_STRING);
    return a ? a->u.s : string_from(otherwise);
}

const int64_t *fv_op_ints(const fv_op *op, const char *name, int *n) {
    static const int64_t none[1] = {0};
    const fv_attr *a = attr_of(op, name, FV_ATTR_INTS);
    *n = a ? a->n : 0;
    return !a ? NULL : a->u.ints ? a->u.ints : none;
}

void fv_op_set_int(fv_op *op, const char *name, int64_t v) {
    fv_op_attr(op, &(fv_attr){.name = name, .kind = FV_ATTR_INT, .u.i = v});
}

void fv_op_set_float(fv_op *op, const char *name, float v) {
    fv_op_attr(op, &(fv_attr){.name = name, .kind = FV_ATTR_FLOAT, .u.f = v});
}

void fv_op_set_string(fv_op *op, const char *name, const char *v) {
    fv_string s = {fv_strdup(fv_region_module(op->block)->arena, v), strlen(v)};
    fv_op_attr(op, &(fv_attr){.name = name, .kind = FV_ATTR_STRING, .u.s = s});
}

void fv_op_set_ints(fv_op *op, const char *name, int n, const int64_t *v) {
    int64_t *copy = FV_NEW(fv_region_module(op->block)->arena, int64_t, n);
    if (n)
        memcpy(copy, v, (size_t)n * sizeof *v);
    fv_op_attr(op, &(fv_attr){.name = name, .kind = FV_ATTR_INTS, .n = n, .u.ints = copy});
}

void fv_op_set_dims(fv_op *op, const char *name, int n, const fv_dim *const *v) {
    const fv_dim **copy = FV_NEW(fv_region_module(op->block)->arena, const fv_dim *, n);
    for (int i = 0; i < n; i++)
        copy[i] = v[i];
    fv_op_attr(op, &(fv_attr){.name = name, .kind = FV_ATTR_DIMS, .n = n, .u.dims = copy});
}

bool fv_attr_equal(const fv_attr *a, const fv_attr *b) {
    if (a->kind != b->kind || a->n != b->n)
        return false;
    switch (a->kind) {
    case FV_ATTR_INT: return a->u.i == b->u.i;
    case FV_ATTR_FLOAT: return !memcmp(&a->u.f, &b->u.f, sizeof a->u.f);
    case FV_ATTR_STRING: return a->u.s.n == b->u.s.n && !memcmp(a->u.s.s, b->u.s.s, a->u.s.n);
    case FV_ATTR_INTS:
        return !a->n || !memcmp(a->u.ints, b->u.ints, (size_t)a->n * sizeof(int64_t));
    case FV_ATTR_FLOATS:
        return !a->n || !memcmp(a->u.floats, b->u.floats, (size_t)a->n * sizeof(float));
    case FV_ATTR_DIMS:
        return !a->n || !memcmp(a->u.dims, b->u.dims, (size_t)a->n * sizeof(fv_dim *));
    case FV_ATTR_TENSOR: return fv_tensor_equal(a->u.tensor, b->u.tensor);
    case FV_ATTR_TYPE: return fv_type_equal(a->u.type, b->u.type);
    case FV_ATTR_STRINGS:
    case FV_ATTR_REGION: return false;
    }
    return false;
}

/* ---- origins ---- */

const fv_origin *fv_origin_of(fv_module *m, const char *node) {
    fv_origin *o = FV_NEW(m->arena, fv_origin, 1);
    const char **nodes = FV_NEW(m->arena, const char *, 1);
    nodes[0] = fv_intern(m->session, node);
    *o = (fv_origin){1, nodes};
    return o;
}

static bool comes_from(const fv_origin *o, const char *node) {
    for (int i = 0; i < o->n; i++)
        if (o->nodes[i] == node)
            return true;
    return false;
}

const fv_origin *fv_origin_join(fv_module *m, const fv_origin *a, const fv_origin *b) {
    if (a == b || b->n == 0)
        return a;
    if (a->n == 0)
        return b;
    const char **nodes = FV_NEW(m->arena, const char *, a->n + b->n);
    int n = a->n;
    memcpy(nodes, a->nodes, (size_t)n * sizeof *nodes);
    for (int i = 0; i < b->n; i++)
        if (!comes_from(a, b->nodes[i]))
            nodes[n++] = b->nodes[i];
    if (n == a->n)
        return a;
    fv_origin *o = FV_NEW(m->arena, fv_origin, 1);
    *o = (fv_origin){n, nodes};
    return o;
}

const char *fv_origin_str(fv_arena *a, const fv_origin *o) {
    fv_text t = {.arena = a};
    fv_text_put(&t, "");
    for (int i = 0; i < o->n; i++)
        fv_text_printf(&t, "%s%s", i ? ", " : "", o->nodes[i]);
    return t.s;
}

/* ---- diagnostics ---- */

const char *fv_op_why(const fv_op *op, const char *why) {
    fv_arena *a = fv_region_module(op->block)->arena;
    return op->origin->n ? fv_printf(a, "%s, node '%s'", why, fv_origin_str(a, op->origin)) : why;
}

static bool say(const fv_op *op, fv_severity severity, const char *format, va_list args) {
    fv_module *m = fv_region_module(op->block);
    fv_message about = {.severity = severity};
    if (op->origin->n)
        about.node = fv_origin_str(m->arena, op->origin);
    /* a text without loc: the name of the first result tells the user which op is meant */
    else if (op->nout && op->out[0])
        about.node = fv_printf(m->arena, "%%%s", op->out[0]->name);
    about.op = *op->def->domain ? fv_printf(m->arena, "%s.%s", op->def->domain, op->def->name)
                                : op->def->name;
    fv_say(m->session, &about, format, args);
    return false;
}

bool fv_op_error(const fv_op *op, const char *format, ...) {
    va_list args;
    va_start(args, format);
    say(op, FV_ERROR, format, args);
    va_end(args);
    return false;
}

bool fv_op_warning(const fv_op *op, const char *format, ...) {
    va_list args;
    va_start(args, format);
    say(op, FV_WARNING, format, args);
    va_end(args);
    return false;
}

void fv_op_note(const fv_op *op, const char *format, ...) {
    va_list args;
    va_start(args, format);
    say(op, FV_NOTE, format, args);
    va_end(args);
}
