/* measure.c - compares compiled modules: times, differences, and costs by the cost model. */
#include <math.h>
#include <string.h>

#include "passes/lua/internal.h"

static void set_number(lua_State *L, const char *name, double v) {
    lua_pushnumber(L, v);
    lua_setfield(L, -2, name);
}

/* NaN: the field stays nil */
static void set_defined(lua_State *L, const char *name, double v) {
    if (!isnan(v))
        set_number(L, name, v);
}

static void set_integer(lua_State *L, const char *name, lua_Integer v) {
    lua_pushinteger(L, v);
    lua_setfield(L, -2, name);
}

static void set_bool(lua_State *L, const char *name, bool v) {
    lua_pushboolean(L, v);
    lua_setfield(L, -2, name);
}

static void set_text(lua_State *L, const char *name, const char *v) {
    lua_pushstring(L, v);
    lua_setfield(L, -2, name);
}

/* Pushes a copy of the table without the entries of its list, for fv_lua_check_fields. */
static int push_without_list(lua_State *L, int table, lua_Integer n) {
    lua_newtable(L);
    int copy = lua_gettop(L);
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
        if (lua_isinteger(L, -2) && lua_tointeger(L, -2) >= 1 && lua_tointeger(L, -2) <= n)
            continue;
        lua_pushvalue(L, -2);
        lua_pushvalue(L, -2);
        lua_rawset(L, copy);
    }
    return copy;
}

/* ---- fv.time ---- */

typedef struct timing {
    const fv_lua_host *host;
    fv_lua_compiled **list;
    int n, rounds;
    double seconds;
    fv_lua_inputs in;
    fv_session *session;
    fv_arena **arena;
    fv_lua_timing *out;
} timing;

static bool measure(void *arg) {
    const timing *t = arg;
    *t->arena = fv_arena_new(t->session);
    return t->host->time(t->host->user, t->list, t->n, &t->in, t->rounds, t->seconds, *t->arena,
                         t->out);
}

static void push_timing(lua_State *L, const fv_lua_timing *t) {
    lua_createtable(L, 0, 8);
    set_number(L, "min", t->min);
    set_number(L, "q1", t->q1);
    set_number(L, "median", t->median);
    set_number(L, "q3", t->q3);
    set_number(L, "max", t->max);
    set_number(L, "ratio", t->ratio);
    set_integer(L, "runs", t->runs);
    set_integer(L, "won", t->won);
}

/* time{A, B, ..., inputs=, dims=, seed=, threads=, rounds=, seconds=} */
int fv_lua_time(lua_State *L) {
    static const char *const fields[] = {"dims", "inputs",  "rounds", "seconds",
                                         "seed", "threads", NULL};
    enum { MOST = 64, MOST_ROUNDS = 10000 };
    luaL_checktype(L, 1, LUA_TTABLE);
    timing t = {.host = &fv_lua_of(L)->o.host, .n = fv_lua_length(L, 1)};
    if (t.n < 1 || t.n > MOST)
        return luaL_error(L, "fv.time takes 1 to %d compiled modules, found %d", MOST, t.n);
    fv_lua_check_fields(L, push_without_list(L, 1, t.n), "fv.time", fields);
    t.list = fv_lua_scratch(L, (size_t)t.n, sizeof(fv_lua_compiled *));
    t.out = fv_lua_scratch(L, (size_t)t.n, sizeof *t.out);
    lua_createtable(L, t.n, 0); /* keeps them alive, which a table of weak values does not */
    for (int i = 0; i < t.n; i++) {
        lua_rawgeti(L, 1, i + 1);
        if (!luaL_testudata(L, -1, FV_LUA_COMPILED))
            return luaL_error(L, "entry %d is a %s, expected a compiled module", i + 1,
                              luaL_typename(L, -1));
        t.list[i] = fv_lua_compiled_at(L, lua_gettop(L));
        lua_rawseti(L, -2, i + 1);
    }
    t.rounds = (int)fv_lua_integer_field(L, 1, "rounds", 10, 1, MOST_ROUNDS);
    t.seconds = fv_lua_number_field(L, 1, "seconds", 1);
    if (!(t.seconds > 0))
        return luaL_error(L, "seconds is %f, expected more than 0", t.seconds);
    if (t.seconds > fv_lua_seconds(L))
        return luaL_error(L, "seconds is %f, more than the %f that --script-steps leaves",
                          t.seconds, fv_lua_seconds(L));
    t.in = fv_lua_read_inputs(L, 1);
    t.session = fv_lua_of(L)->session;
    t.arena = fv_lua_push_arena(L);
    fv_lua_try(L, NULL, measure, &t);
    fv_lua_free_arena(t.arena);
    lua_createtable(L, t.n, 0);
    for (int i = 0; i < t.n; i++) {
        push_timing(L, &t.out[i]);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

/* ---- fv.diff ---- */

typedef struct comparing {
    const fv_lua *l;
    const fv_tensor *got, *want;
    double atol, rtol;
    fv_arena **arena;
    fv_lua_difference d;
} comparing;

static bool compare(void *arg) {
    comparing *c = arg;
    *c->arena = fv_arena_new(c->l->session);
    c->l->o.host.differ(*c->arena, c->got, c->want, c->atol, c->rtol, &c->d);
    return true;
}

static void push_difference(lua_State *L, const char *name, const fv_lua_difference *d) {
    lua_createtable(L, 0, 17);
    set_text(L, "name", name);
    set_bool(L, "differs", d->shape || d->differing);
    if (d->shape) {
        set_text(L, "shape", d->shape);
        return;
    }
    set_integer(L, "count", (lua_Integer)d->count);
    set_integer(L, "differing", (lua_Integer)d->differing);
    set_number(L, "absolute", d->absolute);
    if (d->relative >= 0)
        set_number(L, "relative", d->relative);
    set_defined(L, "rms", d->rms);
    set_defined(L, "of_range", d->of_range);
    set_defined(L, "cosine", d->cosine);
    set_integer(L, "ulp", d->ulp > INT64_MAX ? INT64_MAX : (lua_Integer)d->ulp);
    if (d->count) {
        set_integer(L, "at", (lua_Integer)d->at + 1);
        set_number(L, "a", d->want);
        set_number(L, "b", d->got);
    }
    set_bool(L, "nan_in_a", d->nan[1]);
    set_bool(L, "nan_in_b", d->nan[0]);
    set_bool(L, "inf_in_a", d->inf[1]);
    set_bool(L, "inf_in_b", d->inf[0]);
}

/* The argument has to be a table of tensors by name, or a compiled module, which is run and
 * replaced by the table of its outputs. */
static void make_outputs(lua_State *L, int arg, const fv_lua_inputs *in) {
    if (luaL_testudata(L, arg, FV_LUA_COMPILED)) {
        fv_lua_push_outputs(L, fv_lua_compiled_at(L, arg), in);
        lua_replace(L, arg);
    } else if (!lua_istable(L, arg)) {
        luaL_error(L, "fv.diff compares compiled modules, or tables of tensors by name, and no %s",
                   luaL_typename(L, arg));
    }
}

/* Pushes the row of one name; false, and nothing is pushed: only one side has it. */
static bool push_row(lua_State *L, const char *name, comparing *c) {
    fv_lua_field(L, 1, name);
    fv_lua_field(L, 2, name);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 2);
        return false;
    }
    for (int i = -2; i < 0; i++)
        if (!luaL_testudata(L, i, FV_LUA_TENSOR))
            luaL_error(L, "'%s' is a %s, expected a tensor", name, luaL_typename(L, i));
    c->want = fv_lua_tensor_at(L, -2);
    c->got = fv_lua_tensor_at(L, -1);
    c->arena = fv_lua_push_arena(L);
    fv_lua_try(L, NULL, compare, c);
    push_difference(L, name, &c->d);
    fv_lua_free_arena(c->arena);
    lua_replace(L, -4);
    lua_pop(L, 2);
    return true;
}

/* diff(A, B, {inputs=, dims=, seed=, threads=, atol=, rtol=}): a list of rows, and whether all
 * agree */
int fv_lua_diff(lua_State *L) {
    static const char *const fields[] = {"atol", "dims", "inputs", "rtol", "seed", "threads", NULL};
    comparing c = {.l = fv_lua_of(L), .atol = -1, .rtol = -1};
    fv_lua_inputs in = {0};
    lua_settop(L, 3);
    if (!c.l->o.host.differ)
        return luaL_error(L, "fv.diff: only `fovea lua` and `fovea test` compare");
    if (!lua_isnil(L, 3)) {
        luaL_checktype(L, 3, LUA_TTABLE);
        fv_lua_check_fields(L, 3, "fv.diff", fields);
        c.atol = fv_lua_number_field(L, 3, "atol", -1);
        c.rtol = fv_lua_number_field(L, 3, "rtol", -1);
        in = fv_lua_read_inputs(L, 3);
    }
    make_outputs(L, 1, &in);
    make_outputs(L, 2, &in);
    const char *const *names = fv_lua_keys(L, 1, "fv.diff: A");
    bool agree = true;
    lua_Integer n = 0;
    lua_newtable(L);
    for (; *names; names++) {
        if (!push_row(L, *names, &c))
            continue;
        agree &= !c.d.shape && !c.d.differing;
        lua_rawseti(L, -2, ++n);
    }
    if (!n)
        return luaL_error(L, "fv.diff: nothing of A is called as something of B");
    lua_pushboolean(L, agree);
    return 2;
}

/* ---- the cost model ---- */

typedef struct costing {
    const fv_lua *l;
    fv_lua_compiled *c;
    fv_lua_inputs in;
    fv_arena **arena;
    fv_lua_cost cost;
} costing;

static bool count(void *arg) {
    costing *k = arg;
    const fv_lua_host *host = &k->l->o.host;
    *k->arena = fv_arena_new(k->l->session);
    return host->cost(host->user, k->c, &k->in, *k->arena, &k->cost);
}

/* Pushes a table that identifies a launch; four numbers about the launch follow. */
static void push_launch(lua_State *L, const char *kernel, const char *origin,
                        const char *schedule) {
    lua_createtable(L, 0, 7);
    set_text(L, "kernel", kernel);
    set_text(L, "origin", origin);
    set_text(L, "schedule", schedule);
}

static void push_cost(lua_State *L, const fv_lua_cost *c) {
    lua_createtable(L, 0, 8);
    set_bool(L, "known", c->known);
    set_number(L, "operations", c->operations);
    set_number(L, "bytes", c->bytes);
    set_number(L, "cycles", c->cycles);
    set_number(L, "traffic", c->traffic);
    set_number(L, "memory", c->memory);
    lua_createtable(L, c->nlaunches, 0);
    for (int i = 0; i < c->nlaunches; i++) {
        const fv_lua_launch *k = &c->launches[i];
        push_launch(L, k->kernel, k->origin, k->schedule);
        set_bool(L, "known", k->known);
        set_number(L, "operations", k->operations);
        set_number(L, "bytes", k->bytes);
        set_number(L, "cycles", k->cycles);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "launches");
}

/* The compiled module at 1, and the inputs in the table at 2, if there is one. */
static void read_call(lua_State *L, const char *function, const char *const *fields,
                      fv_lua_compiled **c, fv_lua_inputs *in) {
    *c = fv_lua_compiled_at(L, 1);
    lua_settop(L, 2);
    if (lua_isnil(L, 2))
        return;
    luaL_checktype(L, 2, LUA_TTABLE);
    fv_lua_check_fields(L, 2, function, fields);
    *in = fv_lua_read_inputs(L, 2);
}

/* compiled:cost{dims=}, or with inputs, of which only the dims are used */
int fv_lua_compiled_cost(lua_State *L) {
    static const char *const fields[] = {"dims", "inputs", NULL};
    costing k = {.l = fv_lua_of(L)};
    read_call(L, "compiled:cost", fields, &k.c, &k.in);
    k.arena = fv_lua_push_arena(L);
    fv_lua_try(L, NULL, count, &k);
    push_cost(L, &k.cost);
    fv_lua_free_arena(k.arena);
    return 1;
}

/* ---- measured launches ---- */

typedef struct profiling {
    const fv_lua *l;
    fv_lua_compiled *c;
    fv_lua_inputs in;
    fv_arena **arena;
    fv_lua_profile profile;
} profiling;

static bool trace(void *arg) {
    profiling *k = arg;
    const fv_lua_host *host = &k->l->o.host;
    *k->arena = fv_arena_new(k->l->session);
    return host->profile(host->user, k->c, &k->in, *k->arena, &k->profile);
}

static void push_profile(lua_State *L, const fv_lua_profile *p) {
    lua_createtable(L, 0, 3);
    set_integer(L, "runs", p->runs);
    set_number(L, "median", p->median);
    lua_createtable(L, p->nlaunches, 0);
    for (int i = 0; i < p->nlaunches; i++) {
        const fv_lua_measured *k = &p->launches[i];
        push_launch(L, k->kernel, k->origin, k->schedule);
        set_number(L, "calls", k->calls);
        set_number(L, "median", k->median);
        set_number(L, "min", k->min);
        if (k->predicted >= 0)
            set_number(L, "predicted", k->predicted);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "launches");
}

/* compiled:profile{inputs=, dims=, seed=, threads=} */
int fv_lua_compiled_profile(lua_State *L) {
    static const char *const fields[] = {"dims", "inputs", "seed", "threads", NULL};
    profiling k = {.l = fv_lua_of(L)};
    read_call(L, "compiled:profile", fields, &k.c, &k.in);
    k.arena = fv_lua_push_arena(L);
    fv_lua_try(L, NULL, trace, &k);
    push_profile(L, &k.profile);
    fv_lua_free_arena(k.arena);
    return 1;
}
