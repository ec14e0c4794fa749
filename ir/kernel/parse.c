/* parse.c - parses kernels and their statements. */
#include "ir/kernel/parse.h"

#include <assert.h>
#include <string.h>

#include "ir/expr/fold.h"
#include "ir/kernel/parser.h"
#include "ir/syntax/ast.h"

/* ---- types ---- */

bool fv_kp_parse_elem(fv_kparser *p, fv_elem *e, int *lanes) {
    fv_lexer *l = &p->l;
    *lanes = 1;
    if (l->tok.kind != FV_TOK_NAME)
        return fv_lex_error(l, "expected an element type, found %s", fv_lex_found(l));
    const char *s = l->tok.s, *x = strrchr(s, 'x');
    size_t n = strlen(s);
    if (x && x > s && x[1] >= '1' && x[1] <= '9' && strlen(x) <= 3) {
        *lanes = x[1] - '0';
        if (x[2])
            *lanes = *lanes * 10 + x[2] - '0';
        n = (size_t)(x - s);
    }
    bool known = fv_elem_parse(s, n, e) && *e != FV_STRING && *e != FV_C64 && *e != FV_C128;
    if (!known || *lanes > 64 || (*lanes & (*lanes - 1)) != 0)
        return fv_lex_error(l, "expected an element type, found %s", fv_lex_found(l));
    fv_lex_next(l);
    return true;
}

bool fv_kp_parse_bounds(fv_kparser *p, int64_t *lo, int64_t *hi) {
    return fv_lex_int(&p->l, lo) && fv_lex_expect(&p->l, "..") && fv_lex_int(&p->l, hi);
}

const char *fv_kp_parse_string(fv_kparser *p, const char *what) {
    if (p->l.tok.kind != FV_TOK_STRING) {
        fv_lex_error(&p->l, "expected %s in quotes, found %s", what, fv_lex_found(&p->l));
        return NULL;
    }
    const char *s = p->l.tok.s;
    fv_lex_next(&p->l);
    return s;
}

static bool parse_extent_asts(fv_kparser *p, int *n, fv_ast **asts) {
    *n = 0;
    if (!fv_lex_expect(&p->l, "["))
        return false;
    if (fv_lex_accept(&p->l, "]"))
        return true;
    do {
        if (*n == FV_MAX_RANK)
            return fv_lex_error(&p->l, "more than %d axes", FV_MAX_RANK);
        /* `?`: an extent that is known only at run time */
        bool unknown = p->program && fv_lex_accept(&p->l, "?");
        asts[*n] = unknown ? NULL : fv_ast_parse(&p->l);
        if (!asts[*n] && !unknown)
            return false;
        ++*n;
    } while (fv_lex_accept(&p->l, ","));
    return fv_lex_expect(&p->l, "]");
}

static bool build_extents(fv_kparser *p, int n, fv_ast *const *asts, fv_expr **out) {
    for (int i = 0; i < n; i++) {
        out[i] = asts[i] ? fv_kx_build(p, asts[i], FV_I64) : NULL;
        if (!asts[i])
            continue;
        if (!out[i])
            return false;
        if (out[i]->type.elem != FV_I64 || out[i]->type.lanes != 1)
            return fv_kx_error(p, asts[i], "an extent must be an i64");
    }
    return true;
}

bool fv_kp_parse_extents(fv_kparser *p, int *rank, fv_expr ***out) {
    fv_ast *asts[FV_MAX_RANK];
    if (!parse_extent_asts(p, rank, asts))
        return false;
    *out = FV_NEW(p->arena, fv_expr *, *rank + 1);
    return build_extents(p, *rank, asts, *out);
}

/* ---- statements ---- */

static bool parse_let(fv_kparser *p) {
    const char *name = fv_lex_name(&p->l, "a name");
    if (!name || !fv_lex_expect(&p->l, "="))
        return false;
    fv_expr *x = fv_kx_parse(p, FV_NO_ELEM);
    if (!x)
        return false;
    fv_stmt *s = fv_kb_add(&p->b, FV_S_LET);
    s->x = x;
    s->var = fv_var_new(p->arena, name, x->type);
    fv_x_range(x, &s->var->lo, &s->var->hi);
    fv_scope_var(p, name, s->var);
    return true;
}

static bool parse_tile(fv_kparser *p) {
    fv_elem e;
    int lanes, rank = 0;
    fv_expr **extent = NULL;
    const char *name = fv_lex_name(&p->l, "the tile's name");
    if (!name || !fv_lex_expect(&p->l, ":") || !fv_kp_parse_elem(p, &e, &lanes))
        return false;
    if (fv_lex_is(&p->l, "[") && !fv_kp_parse_extents(p, &rank, &extent))
        return false;
    for (int i = 0; i < rank; i++)
        if (extent[i]->op != FV_X_CONST)
            return fv_lex_error(&p->l, "the extents of a tile must be constants");
    fv_stmt *s = fv_kb_add(&p->b, FV_S_TILE);
    s->buf = fv_buf_new(p->arena, name, FV_BUF_TILE, e, rank, extent);
    s->buf->lanes = (uint8_t)lanes;
    if (fv_lex_accept(&p->l, "=")) {
        s->x = fv_kx_parse(p, e);
        if (!s->x)
            return false;
        if (s->x->type.lanes != lanes)
            s->x = s->x->type.lanes == 1 ? fv_x_splat(p->arena, lanes, s->x) : s->x;
        if (s->x->type.lanes != lanes)
            return fv_lex_error(&p->l, "tile and initial value have different numbers of lanes");
    }
    fv_scope_buf(p, name, s->buf);
    return true;
}

static bool check_stored_lanes(fv_kparser *p, const fv_ast *at, const fv_buf *b,
                               fv_expr *const *index, int lanes, const fv_expr *x,
                               const fv_expr *mask) {
    for (int i = 0; i < b->rank; i++)
        lanes = index[i]->type.lanes > lanes ? index[i]->type.lanes : lanes;
    if (b->lanes > 1)
        lanes = b->lanes;
    if (lanes != x->type.lanes)
        return fv_kx_error(p, at, "the place has %d lanes, the value %d", lanes, x->type.lanes);
    if (mask && mask->type.lanes != lanes)
        return fv_kx_error(p, at, "the place has %d lanes, the mask %d", lanes, mask->type.lanes);
    return true;
}

/* Parses an element of a buffer, or `lanes` consecutive ones; NULL after a diagnostic. */
static fv_buf *parse_place(fv_kparser *p, const char *expected, fv_ast **place, fv_expr **index,
                           int *lanes) {
    fv_ast *a = *place = fv_ast_parse(&p->l);
    if (!a)
        return NULL;
    if (a->kind != FV_AST_NAME && (a->kind != FV_AST_INDEX || a->otherwise)) {
        fv_kx_error(p, a, "expected %s", expected);
        return NULL;
    }
    fv_buf *b = fv_kx_buffer(p, a);
    return b && fv_kx_index(p, a, b, index, lanes) ? b : NULL;
}

/* Parses `to 2`: the level of cache into which a prefetch loads. */
static bool parse_cache(fv_kparser *p, int *cache) {
    int64_t level = 1;
    if (fv_lex_accept(&p->l, "to") && !fv_lex_int(&p->l, &level))
        return false;
    if (level < 1 || level > 3)
        return fv_lex_error(&p->l, "a prefetch goes to a cache of level 1, 2 or 3, not %lld",
                            (long long)level);
    *cache = (int)level;
    return true;
}

static bool parse_prefetch(fv_kparser *p) {
    fv_expr *index[FV_MAX_RANK];
    int lanes = 1;
    fv_ast *place;
    fv_buf *b = parse_place(p, "an element of a buffer", &place, index, &lanes);
    if (!b)
        return false;
    if (lanes != 1)
        return fv_kx_error(p, place, "one element is prefetched, not %d", lanes);
    int cache = 1;
    if (!parse_cache(p, &cache))
        return false;
    fv_kb_prefetch(&p->b, b, index, cache);
    return true;
}

static bool parse_transpose(fv_kparser *p) {
    fv_ast *e = fv_ast_parse(&p->l);
    if (!e)
        return false;
    if (e->kind != FV_AST_NAME)
        return fv_kx_error(p, e, "expected a tile");
    fv_buf *b = fv_kx_buffer(p, e);
    if (!b)
        return false;
    int64_t n, m;
    bool square = b->role == FV_BUF_TILE && b->rank == 2 && b->lanes <= 1 &&
                  fv_x_is_int(b->extent[0], &n) && fv_x_is_int(b->extent[1], &m) && n == m;
    if (!square)
        return fv_kx_error(p, e, "'%.60s' is no square tile", b->name);
    fv_kb_transpose(&p->b, b);
    return true;
}

static bool parse_store(fv_kparser *p) {
    fv_expr *index[FV_MAX_RANK];
    fv_expr *x, *mask = NULL;
    int lanes = 1;
    fv_ast *place;
    fv_buf *b = parse_place(p, "a statement", &place, index, &lanes);
    if (!b || !fv_lex_expect(&p->l, "="))
        return false;
    x = fv_kx_parse(p, b->elem);
    if (!x)
        return false;
    if (fv_lex_is(&p->l, "if") && !p->l.tok.newline_before) {
        fv_lex_next(&p->l);
        mask = fv_kx_parse(p, FV_BOOL);
        if (!mask)
            return false;
    }
    if (!check_stored_lanes(p, place, b, index, lanes, x, mask))
        return false;
    fv_kb_store(&p->b, b, index, x, mask);
    return true;
}

static bool parse_body(fv_kparser *p) {
    bool ok = fv_kp_parse_block(p);
    fv_kb_end(&p->b);
    return ok;
}

static bool parse_for(fv_kparser *p, fv_loop_kind kind) {
    fv_expr *lo, *hi;
    int64_t step = 1;
    const char *name = fv_lex_name(&p->l, "the loop's variable");
    if (!name)
        return false;
    if (fv_lex_accept(&p->l, "<")) {
        lo = fv_x_int(p->arena, 0);
    } else {
        if (!fv_lex_expect(&p->l, "=") || !(lo = fv_kx_parse(p, FV_I64)) ||
            !fv_lex_expect(&p->l, "to"))
            return false;
    }
    if (!(hi = fv_kx_parse(p, FV_I64)))
        return false;
    if (fv_lex_accept(&p->l, "step") && !fv_lex_int(&p->l, &step))
        return false;
    if (step <= 0 || lo->type.lanes > 1 || hi->type.lanes > 1)
        return fv_lex_error(&p->l, "the step must be a positive constant, the bounds scalars");
    fv_expr *v = fv_kb_for(&p->b, kind, name, lo, hi, step);
    int mark = fv_scope_open(p);
    fv_scope_var(p, name, v->u.var);
    bool ok = parse_body(p);
    fv_scope_close(p, mark);
    return ok;
}

static fv_expr *parse_condition(fv_kparser *p) {
    fv_expr *c = fv_kx_parse(p, FV_BOOL);
    if (c && c->type.lanes > 1) {
        fv_lex_error(&p->l, "the condition must be a scalar");
        return NULL;
    }
    return c;
}

static bool parse_if(fv_kparser *p) {
    fv_expr *c = parse_condition(p);
    if (!c)
        return false;
    fv_kb_if(&p->b, c);
    bool ok = fv_kp_parse_block(p);
    if (ok && fv_lex_accept(&p->l, "else")) {
        fv_kb_else(&p->b);
        ok = fv_kp_parse_block(p);
    }
    fv_kb_end(&p->b);
    return ok;
}

static bool parse_while(fv_kparser *p) {
    fv_expr *c = parse_condition(p);
    if (!c)
        return false;
    fv_kb_while(&p->b, c);
    return parse_body(p);
}

/* Parses the end of the call of an addressed function, `rank 1 of 2`. */
static bool parse_rank(fv_kparser *p, int64_t *rank, int64_t *ranks) {
    return fv_lex_expect(&p->l, "rank") && fv_lex_int(&p->l, rank) && fv_lex_expect(&p->l, "of") &&
           fv_lex_int(&p->l, ranks);
}

/* Parses a call such as `call image_size(file, size)`, or `start send(x) rank 1 of 2`. */
static bool parse_call(fv_kparser *p, fv_call_mode mode) {
    fv_buf *args[FV_LIBRARY_PARAMS];
    int64_t rank = 0, ranks = 0;
    const char *name = fv_lex_name(&p->l, "a function");
    const fv_library_fn *fn = name ? fv_library_fn_called(name) : NULL;
    if (!fn)
        return fv_lex_error(&p->l, "no library has a function '%.60s'", name ? name : "");
    for (int i = 0; i < fn->nparams; i++) {
        if (!fv_lex_expect(&p->l, i ? "," : "(") || !(name = fv_lex_name(&p->l, "a buffer")))
            return false;
        const fv_binding *b = fv_scope_find(p, name);
        if (!b || !b->buf)
            return fv_lex_error(&p->l, "'%.60s' is no buffer", name);
        args[i] = b->buf;
    }
    if (!fv_lex_expect(&p->l, ")") || (fn->addressed && !parse_rank(p, &rank, &ranks)))
        return false;
    fv_kb_call_rank(&p->b, fn, args, rank, ranks);
    p->b.block->last->call.mode = mode;
    return true;
}

/* Does a call begin, by a word and the name of a function? Buffers may have the names `start` and
 * `wait`. Takes the word. */
static bool accept_call(fv_kparser *p, fv_call_mode mode) {
    fv_lexer ahead = p->l;
    bool follows = fv_lex_accept(&ahead, fv_call_mode_names[mode]) && !fv_lex_is(&ahead, "[") &&
                   !fv_lex_is(&ahead, "=");
    return (follows || mode == FV_CALL) && fv_lex_accept(&p->l, fv_call_mode_names[mode]);
}

/* `matrix` is a keyword only before a block, because buffers may have this name. */
static bool begins_matrix(const fv_kparser *p) {
    fv_lexer ahead = p->l;
    return fv_lex_accept(&ahead, "matrix") && fv_lex_is(&ahead, "{");
}

bool fv_kp_parse_stmt(fv_kparser *p) {
    static const char *const loops[] = {"for", "parallel", "vector", "unroll"};
    for (int i = 0; i < 4; i++)
        if (fv_lex_accept(&p->l, loops[i]))
            return parse_for(p, (fv_loop_kind)i);
    if (fv_lex_accept(&p->l, "let"))
        return parse_let(p);
    if (fv_lex_accept(&p->l, "tile"))
        return parse_tile(p);
    if (fv_lex_accept(&p->l, "prefetch"))
        return parse_prefetch(p);
    if (fv_lex_accept(&p->l, "transpose"))
        return parse_transpose(p);
    if (fv_lex_accept(&p->l, "if"))
        return parse_if(p);
    if (fv_lex_accept(&p->l, "while"))
        return parse_while(p);
    if (fv_lex_accept(&p->l, "outline")) {
        fv_kb_outline(&p->b);
        return parse_body(p);
    }
    if (begins_matrix(p)) {
        fv_lex_next(&p->l);
        fv_kb_matrix(&p->b);
        return parse_body(p);
    }
    for (int mode = FV_CALL; mode <= FV_CALL_WAIT; mode++)
        if (accept_call(p, (fv_call_mode)mode))
            return parse_call(p, (fv_call_mode)mode);
    if (fv_lex_accept(&p->l, "comment")) {
        const char *text = fv_kp_parse_string(p, "a comment");
        if (text)
            fv_kb_comment(&p->b, text);
        return text != NULL;
    }
    bool taken = false;
    if (p->program && !fv_kp_parse_host(p, &taken))
        return false;
    return taken || parse_store(p);
}

bool fv_kp_parse_statements(fv_kparser *p) {
    enum { MOST = FV_MAX_STATEMENT_DEPTH - FV_OWN_STATEMENTS };
    if (p->depth >= MOST)
        return fv_lex_error(&p->l, "statements are nested deeper than %d", MOST);
    if (!fv_lex_expect(&p->l, "{"))
        return false;
    p->depth++;
    bool ok = true;
    while (ok && !fv_lex_is(&p->l, "}") && p->l.tok.kind != FV_TOK_END)
        ok = fv_kp_parse_stmt(p);
    p->depth--;
    return ok && !p->l.failed && fv_lex_expect(&p->l, "}");
}

bool fv_kp_parse_block(fv_kparser *p) {
    int mark = fv_scope_open(p);
    bool ok = fv_kp_parse_statements(p);
    fv_scope_close(p, mark);
    return ok;
}

/* ---- kernels ---- */

typedef struct param { /* a parameter whose extents are parsed after the dims that they use */
    const char *name;
    fv_buf_role role;
    fv_elem elem;
    int rank;
    fv_ast *extent[FV_MAX_RANK];
} param;

typedef struct param_list {
    param *at;
    int n, cap;
} param_list;

static bool parse_param(fv_kparser *p, param_list *list) {
    param one = {.role = FV_BUF_IN};
    int lanes;
    if (fv_lex_accept(&p->l, "out"))
        one.role = FV_BUF_OUT;
    else if (fv_lex_accept(&p->l, "inout"))
        one.role = FV_BUF_INOUT;
    one.name = fv_lex_name(&p->l, "a buffer");
    if (!one.name || !fv_lex_expect(&p->l, ":") || !fv_kp_parse_elem(p, &one.elem, &lanes) ||
        !parse_extent_asts(p, &one.rank, one.extent))
        return false;
    if (lanes != 1)
        return fv_lex_error(&p->l, "only tiles have vectors as elements");
    FV_PUSH(p->arena, list->at, list->n, list->cap, one);
    return true;
}

static bool parse_dim(fv_kparser *p, fv_kernel *k) {
    int64_t lo = 0, hi = FV_DIM_MAX;
    const char *name = fv_lex_name(&p->l, "a dim");
    if (!name)
        return false;
    if (fv_lex_accept(&p->l, "in") && !fv_kp_parse_bounds(p, &lo, &hi))
        return false;
    fv_scope_var(p, name, fv_kernel_dim(k, name, lo, hi)->u.var);
    return true;
}

static bool parse_params(fv_kparser *p, fv_kernel *k) {
    param_list list = {0};
    if (!fv_lex_expect(&p->l, "("))
        return false;
    if (!fv_lex_is(&p->l, ")") && !fv_lex_is(&p->l, ";"))
        do
            if (!parse_param(p, &list))
                return false;
        while (fv_lex_accept(&p->l, ","));
    if (fv_lex_accept(&p->l, ";"))
        do
            if (!parse_dim(p, k))
                return false;
        while (fv_lex_accept(&p->l, ","));
    for (int i = 0; i < list.n; i++) {
        fv_expr *extent[FV_MAX_RANK];
        const param *one = &list.at[i];
        if (!build_extents(p, one->rank, one->extent, extent))
            return false;
        fv_buf *b = fv_kernel_buf(k, one->name, one->role, one->elem, one->rank, extent);
        fv_scope_buf(p, one->name, b);
    }
    return fv_lex_expect(&p->l, ")");
}

static bool parse_task(fv_kparser *p, fv_kernel *k) {
    const char *name = fv_lex_name(&p->l, "the task's name");
    if (!name || !fv_lex_expect(&p->l, "<") || !(k->tasks = fv_kx_parse(p, FV_I64)))
        return false;
    k->task = fv_var_new(p->arena, name, fv_kt(FV_I64, 1));
    fv_task_bounds(k);
    fv_scope_var(p, name, k->task);
    k->requires_ = fv_lex_accept(&p->l, "requires");
    return true;
}

static bool parse_head(fv_kparser *p, fv_kernel *k) {
    for (;;) {
        const char **text = fv_lex_is(&p->l, "origin")    ? &k->origin
                            : fv_lex_is(&p->l, "formula") ? &k->formula
                                                          : NULL;
        if (text) {
            fv_lex_next(&p->l);
            *text = fv_kp_parse_string(p, "a text");
            if (!*text)
                return false;
        } else if (fv_lex_accept(&p->l, "schedule")) {
            fv_schedule *s = FV_NEW(p->arena, fv_schedule, 1);
            k->schedule = s;
            if (!fv_schedule_parse(&p->l, s, NULL, false))
                return false;
        } else if (fv_lex_accept(&p->l, "task")) {
            if (!parse_task(p, k))
                return false;
        } else {
            return true;
        }
    }
}

fv_kernel *fv_kp_parse_kernel(fv_kparser *p) {
    if (!fv_lex_expect(&p->l, "kernel"))
        return NULL;
    const char *name = fv_lex_name(&p->l, "the kernel's name");
    if (!name)
        return NULL;
    fv_kernel *k = fv_kernel_new(p->arena, name);
    /* kernels are parsed without the program, since they cannot refer to names of the host
     * program */
    fv_program *program = p->program;
    fv_ptrmap around = p->bindings;
    p->program = NULL;
    p->bindings = fv_ptrmap_in(p->arena);
    int mark = fv_scope_open(p);
    bool ok = parse_params(p, k) && parse_head(p, k);
    fv_kb_init(&p->b, p->arena, k, &k->body);
    ok = ok && fv_kp_parse_block(p);
    fv_scope_close(p, mark);
    p->program = program;
    p->bindings = around;
    if (ok)
        fv_kernel_number(k);
    return ok ? k : NULL;
}

fv_kernel *fv_kernel_parse(fv_arena *a, const char *text) {
    fv_kparser p;
    fv_kparser_init(&p, a, text);
    fv_kernel *k = fv_kp_parse_kernel(&p);
    if (k && p.l.tok.kind != FV_TOK_END)
        fv_lex_error(&p.l, "expected the end of the text, found %s", fv_lex_found(&p.l));
    return p.l.failed ? NULL : k;
}

fv_kernel *fv_kernel_parse_called(fv_arena *a, const char *text, const char *name) {
    const char *head = fv_printf(a, "\nkernel %s(", name), *at = strstr(text, head);
    fv_kparser p;
    FV_HOLDS(fv_arena_session(a), at);
    fv_kparser_init(&p, a, at);
    fv_kernel *k = fv_kp_parse_kernel(&p);
    return p.l.failed ? NULL : k;
}
