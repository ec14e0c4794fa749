/* state.c - the Lua state of a script: memory, limits, protected calls, and diagnostics of
 * errors. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ir/base/mapping.h"
#include "passes/lua/internal.h"

fv_lua *fv_lua_of(lua_State *L) {
    return *(fv_lua **)lua_getextraspace(L);
}

/* ---- limits ---- */

#define INTERRUPTED "interrupted"
static const char too_long[] =
    "the script has run as many instructions as it may; --script-steps=N allows more";

/* set by the handler of SIGINT, which has no argument; hence global */
static volatile sig_atomic_t interrupted;

static void note_interrupt(int signal) {
    (void)signal;
    interrupted = 1;
}

#ifdef __SANITIZE_ADDRESS__
enum { SLOWER = 10 }; /* by how much AddressSanitizer can slow a script down */
#else
enum { SLOWER = 1 };
#endif
/* LARGE: allocations from this size on count as steps. OFTEN: states from this size on are checked
 * more often. The others are times in nanoseconds: of one step of long instructions, of one step of
 * work in Fovea, and of the shortest pause for which the processor time is read, too. */
enum { LARGE = 4096, OFTEN = 16 << 20 };
enum { LONG_STEP = 100 * SLOWER, WORK_STEP = 1000 * SLOWER, PAUSE = 1000000 };

/* An allocation of this size will be filled, possibly by one instruction, so it counts as steps,
 * and fails at the limit. No other error can be raised here. */
static bool may_grow(fv_lua *l, size_t bytes) {
    l->use.steps += (int64_t)(bytes / 256);
    /* the coroutine that ran may no longer exist */
    if (l->main && l->use.bytes + bytes > OFTEN && lua_gethookcount(l->main) > 1) {
        /* as many instructions may have run since the last check */
        l->use.steps += lua_gethookcount(l->main);
        fv_lua_look_soon(l->main);
    }
    if (!l->closing && (l->use.steps >= l->o.steps || interrupted))
        l->use.starved = l->use.late = true;
    return !l->use.late || l->closing;
}

static void *allocate(void *user, void *old, size_t old_size, size_t size) {
    fv_lua *l = user;
    size_t had = old ? old_size : 0; /* for a new object old_size is its kind */
    if (size > had + LARGE && !may_grow(l, size - had))
        return NULL;
    if (!size) {
        l->use.bytes -= had;
        free(old);
        return NULL;
    }
    if (size > had && size - had > l->o.memory - l->use.bytes) {
        l->use.starved = true;
        return NULL;
    }
    void *now = realloc(old, size);
    if (!now && size <= had) /* Lua relies on shrinking to succeed */
        now = old;
    if (now)
        l->use.bytes = l->use.bytes - had + size;
    else
        l->use.starved = false;
    return now;
}

/* The instructions between two checks. A single instruction, such as a comparison of texts, can
 * take the longer the more memory there is. */
static int interval(const fv_lua *l) {
    return l->use.bytes < OFTEN ? FV_LUA_INTERVAL
                                : (int)((size_t)FV_LUA_INTERVAL * OFTEN / l->use.bytes) + 1;
}

static int64_t clock_read(clockid_t clock) {
    struct timespec t = {0};
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The nanoseconds since the last call. Of a longer time, such as that of a stopped process, at most
 * the processor time counts. The processor time alone would be too slow to read often. */
static int64_t elapsed(fv_lua *l) {
    int64_t now = clock_read(CLOCK_MONOTONIC), took = now - l->use.clock;
    l->use.clock = now;
    if (took < PAUSE)
        return took;
    now = clock_read(CLOCK_PROCESS_CPUTIME_ID);
    int64_t ran = now - l->use.ran;
    l->use.ran = now;
    return took < ran ? took : ran;
}

/* Counts the time since the last count as work of Fovea. The error for too many steps is raised by
 * the next instruction of the script. */
static void count_work(fv_lua *l, lua_State *L) {
    l->use.steps += elapsed(l) / WORK_STEP;
    if (l->use.steps >= l->o.steps)
        fv_lua_look_soon(L);
}

/* The steps that n instructions count as. Where they took over ten times LONG_STEP on average, as
 * functions of C and searches of metatables can, they count as the number of steps of LONG_STEP
 * that fit into the time they took. */
static int64_t long_steps(fv_lua *l, int n) {
    int64_t took = (l->use.script + elapsed(l)) / LONG_STEP;
    l->use.script = 0;
    return took > 10 * (int64_t)n ? took : n;
}

static void look(lua_State *L, lua_Debug *ar) {
    fv_lua *l = fv_lua_of(L);
    int n = lua_gethookcount(L), now = interval(l);
    (void)ar;
    fv_lua_count(L, long_steps(l, n));
    if (now != n)
        lua_sethook(L, look, LUA_MASKCOUNT, now);
}

void fv_lua_look_soon(lua_State *L) {
    if (lua_gethookcount(L) > 1)
        lua_sethook(L, look, LUA_MASKCOUNT, 1);
}

/* After a limit is exceeded, every further instruction fails, in all coroutines, so that no pcall
 * can continue. */
void fv_lua_count(lua_State *L, int64_t steps) {
    fv_lua *l = fv_lua_of(L);
    l->use.steps += steps;
    if (!l->use.stop && interrupted)
        l->use.stop = INTERRUPTED;
    else if (!l->use.stop && fv_session_taken(l->session) > l->use.base &&
             fv_session_taken(l->session) - l->use.base > l->o.memory)
        l->use.stop =
            "what the script makes needs more memory than it may; --script-memory=N allows more";
    else if (!l->use.stop && l->use.steps >= l->o.steps)
        l->use.stop = too_long;
    if (!l->use.stop)
        return;
    lua_sethook(l->main, look, LUA_MASKCOUNT, 1);
    lua_sethook(L, look, LUA_MASKCOUNT, 1);
    luaL_where(L, 0);
    lua_pushstring(L, l->use.stop);
    lua_concat(L, 2);
    lua_error(L);
}

_Static_assert(sizeof(sig_atomic_t) == sizeof(int32_t), "a run is cancelled by what a signal sets");
const volatile int32_t *fv_lua_interrupt(void) {
    return (const volatile int32_t *)&interrupted;
}

double fv_lua_seconds(lua_State *L) {
    const fv_lua *l = fv_lua_of(L);
    return 1e-9 * (double)WORK_STEP * (double)(l->o.steps - l->use.steps);
}

size_t fv_lua_room(lua_State *L) {
    const fv_lua *l = fv_lua_of(L);
    size_t taken = fv_session_taken(l->session),
           made = taken > l->use.base ? taken - l->use.base : 0;
    return made < l->o.memory ? l->o.memory - made : 0;
}

static void close_state(void *arg) {
    fv_lua *l = arg;
    l->closing = true;
    if (l->main)
        lua_close(l->main);
    l->main = l->L = NULL;
}

void fv_lua_state_new(fv_lua *l) {
    fv_arena_at_free(l->arena, close_state, l);
    l->main = l->L = lua_newstate(allocate, l);
    if (!l->L)
        fv_out_of_memory(l->session);
    *(fv_lua **)lua_getextraspace(l->L) = l;
    lua_sethook(l->L, look, LUA_MASKCOUNT, FV_LUA_INTERVAL);
}

/* ---- errors ---- */

static void note_frame(fv_lua *l, const lua_Debug *ar) {
    fv_lua_frame *f = &l->error.frames[l->error.nframes++];
    const char *source = *ar->source == '@' ? ar->source + 1 : ar->short_src;
    snprintf(f->source, sizeof f->source, "%s", source);
    f->line = ar->currentline;
    if (*ar->what == 'm')
        snprintf(f->name, sizeof f->name, "in the main chunk");
    else if (ar->name)
        snprintf(f->name, sizeof f->name, "in function '%s'", ar->name);
    else
        snprintf(f->name, sizeof f->name, "in the function of line %d", ar->linedefined);
}

/* Removes the prefix "SOURCE:LINE: " that Lua puts before most errors; the diagnostic has it as its
 * position. */
static const char *without_place(fv_lua *l, const lua_Debug *ar, const char *text) {
    char place[LUA_IDSIZE + 20];
    int n = snprintf(place, sizeof place, "%s:%d: ", ar->short_src, ar->currentline);
    if (l->error.at >= 0)
        return text;
    for (; !strncmp(text, place, (size_t)n); text += n) /* coroutine.wrap adds another prefix */
        l->error.at = l->error.nframes - 1;
    return text;
}

/* The handler of errors: records the message and the frames while the stack exists. */
static int keep(lua_State *L) {
    fv_lua *l = fv_lua_of(L);
    lua_Debug ar;
    const char *text = lua_type(L, 1) == LUA_TSTRING ? lua_tostring(L, 1) : NULL;
    l->error.nframes = 0;
    l->error.at = -1;
    for (int level = 1; l->error.nframes < FV_LUA_FRAMES && lua_getstack(L, level, &ar); level++) {
        lua_getinfo(L, "Sln", &ar);
        if (ar.currentline <= 0)
            continue;
        note_frame(l, &ar);
        if (text)
            text = without_place(l, &ar, text);
    }
    snprintf(l->error.message, sizeof l->error.message,
             text ? "%s" : "the error is a %s, and no text", text ? text : luaL_typename(L, 1));
    return 1;
}

static void say_at(fv_lua *l, fv_severity severity, const fv_lua_frame *at, int column,
                   const char *format, ...) __attribute__((format(printf, 5, 6)));
static void say_at(fv_lua *l, fv_severity severity, const fv_lua_frame *at, int column,
                   const char *format, ...) {
    const char *before = fv_diag_file_get(l->session);
    fv_message m = {.severity = severity, .line = at ? at->line : 0, .column = column};
    va_list args;
    fv_diag_file(l->session, at ? at->source : l->path);
    va_start(args, format);
    fv_say(l->session, &m, format, args);
    va_end(args);
    fv_diag_file(l->session, before);
}

void fv_lua_note_lines(fv_lua *l, const char *text) {
    for (size_t n; *text; text += n + (text[n] == '\n')) {
        n = strcspn(text, "\n");
        if (n)
            say_at(l, FV_NOTE, NULL, 0, "%.*s", (int)n, text);
    }
}

/* The column of TOKEN, if the message is "... near 'TOKEN'" and the line contains it once. The
 * compiler of Lua reports lines only. */
static int column_of(fv_lua *l, const fv_lua_frame *at, const char *message) {
    const char *near = strstr(message, " near '"), *why;
    if (!near || !at->line)
        return 0;
    const char *token = near + 7, *end = strrchr(token, '\'');
    const fv_mapping *file =
        end && end > token ? fv_map_file(l->session, l->arena, at->source, O_NONBLOCK, &why) : NULL;
    const char *s = file ? file->start : NULL, *stop = s ? s + file->size : NULL;
    for (int line = 1; s && line < at->line; line++)
        if ((s = memchr(s, '\n', (size_t)(stop - s))))
            s++;
    if (!s)
        return 0;
    const char *eol = memchr(s, '\n', (size_t)(stop - s));
    size_t n = (size_t)((eol ? eol : stop) - s), length = (size_t)(end - token);
    const char *found = memmem(s, n, token, length);
    if (!found || memmem(found + 1, n - (size_t)(found + 1 - s), token, length))
        return 0;
    return (int)(found - s) + 1;
}

/* Is it the name of a script that was read, possibly shortened by Lua? */
static bool has_read(const fv_lua *l, const char *name, size_t n) {
    bool found = n > 3 && !strncmp(name, "...", 3);
    for (int i = 0; i < l->reads.nfiles && !found; i++)
        found = strlen(l->reads.files[i]) == n && !memcmp(l->reads.files[i], name, n);
    return found;
}

/* Errors of the compiler have no stack; their position is only in their text. */
static const fv_lua_frame *place_of_syntax(fv_lua *l, const char **text, fv_lua_frame *at) {
    const char *colon = *text;
    while ((colon = strchr(colon, ':')) && !(colon[1] >= '0' && colon[1] <= '9'))
        colon++;
    if (!colon)
        return NULL;
    char *end;
    long line = strtol(colon + 1, &end, 10);
    if (*end != ':' || !has_read(l, *text, (size_t)(colon - *text)))
        return NULL;
    snprintf(at->source, sizeof at->source, "%.*s", (int)(colon - *text), *text);
    if (strncmp(*text, "...", 3) == 0) /* Lua shortens long names */
        snprintf(at->source, sizeof at->source, "%s", l->path);
    at->line = (int)line;
    *text = end + 1 + (end[1] == ' ');
    return at;
}

static void report(fv_lua *l, int status, const char *what) {
    const char *text = l->error.message;
    fv_lua_frame place;
    if (status == LUA_ERRMEM && l->use.late) {
        say_at(l, FV_ERROR, NULL, 0, "%s%s%s", what ? what : "", what ? ": " : "",
               interrupted ? INTERRUPTED : too_long);
        return;
    }
    if (status == LUA_ERRMEM && !l->use.starved)
        fv_out_of_memory(l->session);
    if (status == LUA_ERRMEM) {
        say_at(l, FV_ERROR, NULL, 0,
               "%s%sthe script needs more memory than the %zu MiB that it may; --script-memory=N "
               "allows more",
               what ? what : "", what ? ": " : "", l->o.memory >> 20);
        return;
    }
    if (status == LUA_ERRERR)
        text = "an error came while another one was handled";
    const fv_lua_frame *at =
        l->error.at >= 0 ? &l->error.frames[l->error.at] : place_of_syntax(l, &text, &place);
    say_at(l, FV_ERROR, at, at ? column_of(l, at, text) : 0, "%s%s%.*s", what ? what : "",
           what ? ": " : "", (int)strcspn(text, "\n"), text);
    fv_lua_note_lines(l, text + strcspn(text, "\n"));
    for (int i = 0; i < l->error.nframes; i++)
        say_at(l, FV_NOTE, &l->error.frames[i], 0, "%s", l->error.frames[i].name);
}

/* ---- protected calls ---- */

static int call(fv_lua *l, lua_CFunction f, void *arg) {
    lua_State *L = l->L;
    if (!lua_checkstack(L, LUA_MINSTACK))
        return LUA_ERRMEM;
    lua_pushcfunction(L, keep); /* these three calls allocate nothing, so they raise no error */
    lua_pushcfunction(L, f);
    lua_pushlightuserdata(L, arg);
    int status = lua_pcall(L, 1, 0, -3);
    lua_pop(L, status == LUA_OK ? 1 : 2);
    return status;
}

bool fv_lua_protected(fv_lua *l, const char *what, lua_CFunction f, void *arg) {
    struct sigaction mine = {.sa_handler = note_interrupt, .sa_flags = (int)SA_RESETHAND}, before;
    bool outermost = l->calls.depth++ == 0;
    l->error.message[0] = 0;
    l->error.nframes = 0;
    l->error.at = -1;
    if (outermost) {
        elapsed(l); /* what the command did since the last call is no work of the script */
        interrupted = 0;
        l->use.base = fv_session_taken(l->session);
        sigaction(SIGINT, &mine, &before);
    } else {
        count_work(l, l->L);
    }
    int status = call(l, f, arg);
    l->use.script += elapsed(l);
    if (outermost)
        sigaction(SIGINT, &before, NULL);
    l->calls.depth--;
    /* the limit ended a coroutine, and nothing ran after that */
    if (status == LUA_OK && outermost && l->use.stop) {
        snprintf(l->error.message, sizeof l->error.message, "%s", l->use.stop);
        status = LUA_ERRRUN;
    }
    if (status != LUA_OK)
        report(l, status, what);
    return status == LUA_OK;
}

/* ---- calls into Fovea ---- */

/* Collects the errors since `before` into one text, with their positions. Notes follow them as
 * lines of their own; warnings are left out. */
static void gather(fv_lua *l, const fv_message *before, char *out, size_t size) {
    fv_arena *a = fv_arena_new(l->session);
    size_t n = 0;
    *out = 0;
    for (const fv_message *m = before ? before->next : fv_messages(l->session); m && n < size;
         m = m->next) {
        if (m->severity == FV_WARNING)
            continue;
        if (m->severity == FV_NOTE) {
            n += (size_t)snprintf(out + n, size - n, "\n%s", m->text);
            continue;
        }
        fv_message plain = *m;
        /* the position of the file that is being processed is omitted */
        if (m->file == fv_diag_file_get(l->session))
            plain.file = NULL;
        const char *text = fv_message_str(a, &plain), *error = strstr(text, "error: ");
        size_t head = error ? (size_t)(error - text) : 0; /* FILE:LINE:COLUMN:, if known */
        n += (size_t)snprintf(out + n, size - n, "%s%.*s%s", n ? "; " : "", (int)head, text,
                              error ? error + 7 : text);
    }
    fv_arena_free(a);
}

static _Noreturn void raise_messages(lua_State *L, const fv_message *before) {
    fv_lua *l = fv_lua_of(L);
    char text[FV_LUA_TEXT];
    fv_door door;
    if (FV_DOOR_OPEN(l->session, &door)) {
        luaL_error(L, "out of memory");
        abort(); /* luaL_error does not return */
    }
    gather(l, before, text, sizeof text);
    fv_messages_drop(l->session, before);
    fv_door_close(l->session, &door);
    luaL_error(L, "%s", *text ? text : "failed");
    abort();
}

/* Did the last message cause the jump to the door, as for a dim with too many terms? */
static bool is_said(const fv_lua *l, const fv_message *before) {
    const fv_message *last = fv_messages_last(l->session);
    return last && last != before && last->severity == FV_ERROR;
}

void fv_lua_end_passes(fv_lua *l, const fv_lua_pass *outer) {
    for (; l->calls.running != outer; l->calls.running = l->calls.running->outer)
        l->calls.running->now = NULL;
}

static void enter(lua_State *L, fv_lua_box *changed, bool dims_only, bool (*work)(void *arg),
                  void *arg) {
    fv_lua *l = fv_lua_of(L);
    lua_State *const outer = l->L; /* the running thread may be a coroutine */
    const fv_lua_pass *const around = l->calls.running;
    const bool matching = l->calls.matching;
    const int depth = l->calls.depth;
    const fv_message *before = fv_messages_last(l->session);
    fv_door door;
    if (FV_DOOR_OPEN(l->session, &door)) {
        l->L = outer; /* restores the thread that ran before the call */
        l->calls.matching = matching;
        l->calls.depth = depth;
        count_work(l, L);
        fv_lua_end_passes(l, around);
        const bool said = is_said(l, before);
        if (changed && !(said && dims_only))
            changed->poisoned = true;
        if (said)
            raise_messages(L, before);
        luaL_error(L, "%s", fv_session_left(l->session, &(fv_left){0}));
    }
    l->L = L;
    l->use.script += elapsed(l);
    bool ok = work(arg);
    l->L = outer;
    count_work(l, L);
    fv_door_close(l->session, &door);
    if (!ok)
        raise_messages(L, before);
}

void fv_lua_try(lua_State *L, fv_lua_box *changed, bool (*work)(void *arg), void *arg) {
    enter(L, changed, false, work, arg);
}
void fv_lua_try_dims(lua_State *L, fv_lua_box *box, bool (*work)(void *arg), void *arg) {
    enter(L, box, true, work, arg);
}

void fv_lua_change(lua_State *L, fv_lua_box *changed, bool (*work)(void *arg), void *arg) {
    if (fv_lua_of(L)->calls.matching)
        luaL_error(L, "a condition of a rule changes nothing");
    fv_lua_try(L, changed, work, arg);
}

typedef struct printing {
    fv_session *session;
    const char *(*str)(fv_arena *a, const void *x);
    const void *x;
    fv_arena *arena;
    const char *text;
} printing;

static bool print(void *arg) {
    printing *p = arg;
    p->arena = fv_arena_new(p->session);
    p->text = p->str(p->arena, p->x);
    return true;
}

int fv_lua_push_text(lua_State *L, const char *(*str)(fv_arena *a, const void *x), const void *x) {
    printing p = {.session = fv_lua_of(L)->session, .str = str, .x = x};
    fv_lua_try(L, NULL, print, &p);
    lua_pushstring(L, p.text);
    fv_arena_free(p.arena);
    return 1;
}

void *fv_lua_scratch(lua_State *L, size_t n, size_t size) {
    if (size && n > SIZE_MAX / 2 / size)
        luaL_error(L, "out of memory");
    void *p = lua_newuserdatauv(L, n * size + 1, 0);
    memset(p, 0, n * size + 1);
    return p;
}

static int free_arena(lua_State *L) {
    fv_arena **a = lua_touserdata(L, 1);
    if (*a && !fv_lua_of(L)->closing) /* when the state is closed the session frees it */
        fv_arena_free(*a);
    *a = NULL;
    return 0;
}

/* The object has a finalizer, so that its arena is freed whatever error is raised. */
fv_arena **fv_lua_push_arena(lua_State *L) {
    fv_arena **a = lua_newuserdatauv(L, sizeof *a, 0);
    *a = NULL;
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, free_arena);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    return a;
}

void fv_lua_free_arena(fv_arena **a) {
    fv_arena_free(*a);
    *a = NULL;
}

const char *fv_lua_nearest(fv_lua *l, const char *word, const char *const *names) {
    static const char question[] = "; did you mean '%s'?";
    const char *near = fv_nearest(word, names);
    if (!near)
        return "";
    snprintf(l->error.message, sizeof l->error.message, question, near);
    return l->error.message;
}

/* ---- files ---- */

typedef struct reading {
    fv_lua *l;
    const char *path;
    const char *text;
    size_t n;
} reading;

static bool read_file(void *arg) {
    reading *r = arg;
    fv_lua *l = r->l;
    const char *why;
    const fv_mapping *m = fv_map_file(l->session, l->arena, r->path, O_NONBLOCK, &why);
    if (!m)
        return fv_error(l->session, "%s", why);
    r->text = m->start ? m->start : "";
    r->n = m->size;
    if (memchr(r->text, 0, r->n))
        return fv_error(l->session, "%s: holds a byte 0, and is no script", r->path);
    FV_PUSH(l->arena, l->reads.files, l->reads.nfiles, l->reads.cap_files,
            fv_strdup(l->arena, r->path));
    fv_text_printf(&l->reads.key, "%zu:", r->n);
    fv_text_putn(&l->reads.key, r->text, r->n);
    return true;
}

const char *fv_lua_read(lua_State *L, const char *path, size_t *n) {
    reading r = {fv_lua_of(L), path, NULL, 0};
    fv_lua_try(L, NULL, read_file, &r);
    *n = r.n;
    return r.text;
}
