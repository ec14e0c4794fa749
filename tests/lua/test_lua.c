/* test_lua.c - scripts and their output: every case of errors.txt and results.txt; and scripts that
 * run out of memory.
 *
 * A case is a line `# what it shows`, a script, a line `---`, and the expected output: printed
 * lines, then messages as the command prints them. Blank lines separate cases.
 * FOVEA_UPDATE_GOLDENS=1 rewrites the expected output. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ir/graph/parse.h"
#include "passes/lua/lua.h"
#include "tests/text_file.h"

static fv_session *session;
static fv_arena *arena;
static fv_door door;
static char folder[] = "/tmp/fovea-lua-XXXXXX";

static void open_session(void) {
    session = fv_session_new();
    cr_assert(session);
    if (FV_DOOR_OPEN(session, &door))
        cr_assert(false, "out of memory");
    arena = fv_arena_new(session);
    cr_assert(mkdtemp(folder));
    cr_assert_eq(chdir(folder), 0);
}

static void close_session(void) {
    fv_session_free(session);
    unlink("s.lua");
    cr_assert_eq(chdir("/"), 0);
    rmdir(folder);
}

static void print(void *user, fv_lua_stream to, const char *text, size_t n) {
    (void)to;
    if (user)
        fv_text_putn(user, text, n);
}

static void write_script(const char *text) {
    FILE *f = fopen("s.lua", "wb");
    cr_assert(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static const char model[] =
    "fovea-ir 1\nmodule \"m\"\nsymbol n 0..100\nconst @w: f32[2, 2] = [1, 2, 3, 4]\n"
    "func @main(%x: f32[n, 2]) -> (%y) {\n"
    "  %h = MatMul(%x, @w) loc(\"fc\")\n  %r = Relu(%h) loc(\"act\")\n  %y = Softmax(%r) "
    "loc(\"soft\")\n"
    "  return %y\n}\n";

static fv_lua_options limits(fv_text *out) {
    return (fv_lua_options){
        .host = {.user = out, .write = print}, .memory = 16 << 20, .steps = 5000000};
}

/* The main chunk, and then its passes over the model. */
static bool run_script(fv_session *s, fv_text *out) {
    fv_lua_options o = limits(out);
    fv_lua *l = fv_lua_open(s, "s.lua", &o);
    if (!l)
        return false;
    fv_pipeline_options p = {.own = fv_lua_passes(l)};
    const char *names[64] = {0};
    for (int i = 0; p.own[i] && i < 63; i++)
        names[i] = p.own[i]->name;
    fv_diag_file(s, "m.fvir");
    fv_module *m = names[0] ? fv_module_parse(s, model, ".") : NULL;
    return !names[0] || (m && fv_run_passes(m, names, &p));
}

static const char *outcome(const char *script) {
    fv_text out = {.arena = arena};
    fv_text_put(&out, "");
    write_script(script);
    bool ok = run_script(session, &out);
    cr_expect_eq(ok, fv_error_count(session) == 0, "the answer and the messages differ: %s",
                 script);
    for (const fv_message *m = fv_messages(session); m; m = m->next)
        fv_text_printf(&out, "%s\n", fv_message_str(arena, m));
    fv_messages_clear(session);
    fv_diag_file(session, NULL);
    return out.s;
}

static const char *without_blank_end(const char *s, size_t n) {
    while (n > 0 && s[n - 1] == '\n')
        n--;
    return fv_printf(arena, "%.*s\n", (int)n, s);
}

/* One case from `at`; returns where the next one begins. */
static const char *check_case(const char *file, const char *at, fv_text *now) {
    const char *title = fv_strndup(arena, at, strcspn(at, "\n")), *body = strchr(at, '\n'),
               *rule = strstr(at, "\n---\n");
    cr_assert(body && rule, "%s: %s: no line ---", file, title);
    const char *script = fv_strndup(arena, body + 1, (size_t)(rule - body)), *expected = rule + 5,
               *next = strstr(expected, "\n# ");
    size_t n = next ? (size_t)(next + 1 - expected) : strlen(expected);
    const char *got = outcome(script);
    got = without_blank_end(got, strlen(got));
    if (!getenv("FOVEA_UPDATE_GOLDENS"))
        cr_expect_str_eq(got, without_blank_end(expected, n), "%s: %s:\n%s", file, title, got);
    fv_text_printf(now, "%s%s\n%s---\n%s", now->s ? "\n" : "", title, script, got);
    return next ? next + 1 : expected + strlen(expected);
}

static void check_file(const char *name) {
    const char *path = fv_printf(arena, FV_SOURCE_ROOT "/tests/lua/%s", name),
               *at = read_text_file(arena, path);
    fv_text now = {.arena = arena};
    while (*at)
        at = check_case(name, at, &now);
    if (!getenv("FOVEA_UPDATE_GOLDENS"))
        return;
    FILE *f = fopen(path, "wb");
    cr_assert(f && fputs(now.s, f) >= 0 && fclose(f) == 0, "cannot write %s", path);
}

Test(lua, errors, .init = open_session, .fini = close_session) {
    check_file("errors.txt");
}

Test(lua, results, .init = open_session, .fini = close_session) {
    check_file("results.txt");
}

/* Of everything that allocates something. */
static const char greedy[] =
    "local o = fv.options{a = {default = 1, doc = 'x'}}\n"
    "fv.op{name = 'A', domain = 'd', attributes = {k = 2}, formula = 'Y = X * k', check = false}\n"
    "fv.op{name = 'B', domain = 'd', rule = 'B(X) => d.A(Neg(X), k=3)', check = false}\n"
    "local twice = fv.rule('rule a: Relu(Relu(x)) => Relu(x) exact', {check = false})\n"
    "local w = fv.rule('rule b: Relu(x) => Abs(x) exact', function(c) return c.x.op.name == "
    "'MatMul' end)\n"
    "fv.rules{name = 'rules', ends = 'x', twice, w}\n"
    "local inner inner = fv.pass{name = 'inner', run = function(m, p)\n"
    "  pcall(m.const, m, 'e', 'f32', {4}, 1) pcall(m.run, m, {'simplify'}) p:count 'x'\n"
    "end}\n"
    "local m = fv.parse[[fovea-ir 1 module \"t\" symbol n 0..9 func @main(%x: f32[n, 2]) -> (%y) { "
    "%y = Neg(%x) return %y }]]\n"
    "m:run{'legalise'} local t = m:copy().text m:const('k', fv.tensor('f32', {2}, 1))\n"
    "local n = fv.parse(t) pcall(n.run, n, {inner}) pcall(inner.count, inner, 'y')\n"
    "fv.pass{name = 'p', purpose = 'q', options = {b = 'c'}, run = function(m, p)\n"
    "  local op = m:find('h').op\n"
    "  local y = op:before('Softmax', op.inputs[1], {axis = 0}, {'soft'})\n"
    "  op:before('Slice', {m.main.params[1], m:const('a', 'i64', {1}, {0}), m:const('b', 'i64', "
    "{1}, 1)}):rename 'z'\n"
    "  pcall(op.before, op, 'MatMul', {y, y})\n"
    "  local r = m:find('r').op\n"
    "  r:replace(r:before('Identity', r.inputs[1]))\n"
    "  op:set_input(1, y)\n"
    "  local d = y.type:dim(0) * 2 + 1\n"
    "  print(d, y.type, op, m:dim 'n + 1', #m.text)\n"
    "  local b = m:buffer('f32', {4}) b[1] = 2 m:const('d', b)\n"
    "  print(twice:explain(m:find('y').op), w:explain(op), twice.text)\n"
    "  p:count 'thing' m:verify() m:run{'simplify'}\n"
    "end}\n";

/* What runs in a session of its own, with less and less in its way; false: it failed, with a
 * word. */
typedef bool attempt(fv_session *s, size_t n);

static bool alone(attempt *try, size_t n) {
    fv_session *s = fv_session_new();
    fv_door inner;
    cr_assert(s);
    if (FV_DOOR_OPEN(s, &inner)) {
        fv_session_free(s);
        return false;
    }
    bool ok = try(s, n);
    cr_expect(ok || fv_error_count(s), "%zu: no word", n);
    fv_door_close(s, &inner);
    fv_session_free(s);
    return ok;
}

static bool fail_at(fv_session *s, size_t n) {
    fv_session_fail_at(s, (int64_t)n);
    bool ok = run_script(s, NULL);
    fv_session_fail_at(s, 0);
    return ok;
}

/* The nth allocation of Fovea's own fails, for every n: the script fails, or has caught it, and
 * nothing else happens. */
Test(lua, without_memory, .init = open_session, .fini = close_session) {
    int failed = 0;
    size_t n = 1;
    write_script(greedy);
    for (; n < 1000000 && !alone(fail_at, n); n += 1 + n / 30)
        failed++;
    cr_expect_lt(n, 1000000, "the script never runs");
    cr_expect_gt(failed, 60);
}

static bool limited(fv_session *s, size_t limit) {
    fv_lua_options o = limits(NULL);
    o.memory = limit;
    fv_lua *l = fv_lua_open(s, "s.lua", &o);
    fv_pipeline_options p = {.own = l ? fv_lua_passes(l) : NULL};
    fv_module *m = l ? fv_module_parse(s, model, ".") : NULL;
    return m && fv_run_passes(m, (const char *[]){"p", "rules", NULL}, &p);
}

/* The same of Lua's memory, by ever higher limits. */
Test(lua, within_limits, .init = open_session, .fini = close_session) {
    int failed = 0;
    size_t limit = 1000;
    write_script(greedy);
    for (; limit < 100000000 && !alone(limited, limit); limit += 1 + limit / 20)
        failed++;
    cr_expect_lt(limit, 100000000, "the script never runs");
    cr_expect_gt(failed, 20);
}
