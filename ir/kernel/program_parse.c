/* program_parse.c - parses host programs, in the order that program_print.c states. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ir/dim/text.h"
#include "ir/kernel/parse.h"
#include "ir/kernel/parser.h"
#include "ir/kernel/words.h"
#include "ir/syntax/ast.h"

/* The state of the parser: lists of the program, which grow, and the side file. */
typedef struct reader {
    fv_kparser k;
    fv_program *program;
    const char *side;   /* path of the side file, or NULL */
    const char *memory; /* content of the side file in memory, or NULL */
    size_t memory_bytes;
    int cap_symbols, cap_vars, cap_constants, cap_buffers, cap_inputs, cap_outputs, cap_capacity,
        cap_kernels;
} reader;

/* ---- symbols and dims ---- */

static const fv_dim *parse_dim(reader *r) {
    fv_lexer *l = &r->k.l;
    const char *s = l->tok.start, *error = NULL;
    if (l->failed)
        return NULL;
    const fv_dim *d = fv_dim_parse(r->program->symbols.table, &s, &error);
    if (!d) {
        fv_lex_error(l, "%s", error);
        return NULL;
    }
    fv_lex_resume(l, s);
    return d;
}

/* Parses a symbol: symbol batch as batch in 0..64. */
static bool parse_symbol(reader *r, bool given, bool from_data) {
    fv_program *pr = r->program;
    int64_t lo, hi;
    const char *var = NULL, *name = fv_lex_name(&r->k.l, "a symbol");
    if (!name || (fv_lex_accept(&r->k.l, "as") && !(var = fv_lex_name(&r->k.l, "a name"))))
        return false;
    if (!fv_lex_expect(&r->k.l, "in") || !fv_kp_parse_bounds(&r->k, &lo, &hi))
        return false;
    const fv_dim *d = fv_dim_fresh(pr->symbols.table, name, lo, hi, from_data);
    if (strcmp(d->name, name) != 0)
        return fv_lex_error(&r->k.l, "symbol '%.60s' is declared twice", name);
    if (!given)
        return true;
    fv_var *v = fv_var_new(r->k.arena, var ? var : name, fv_kt(FV_I64, 1));
    int nvars = pr->symbols.n;
    v->lo = lo;
    v->hi = hi;
    v->dim = d;
    FV_PUSH(r->k.arena, pr->symbols.vars, nvars, r->cap_vars, v);
    FV_PUSH(r->k.arena, pr->symbols.all, pr->symbols.n, r->cap_symbols, d);
    fv_scope_var(&r->k, v->name, v);
    return true;
}

/* ---- constants ---- */

/* Opens the side file; NULL: it cannot be opened or is no regular file. O_NONBLOCK, because opening
 * a pipe would block. */
static FILE *open_side(const char *path) {
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    FILE *f = fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode) ? fdopen(fd, "rb") : NULL;
    if (!f && fd >= 0)
        close(fd);
    return f;
}

static bool read_side(const char *path, int64_t offset, void *data, size_t bytes) {
    FILE *f = open_side(path);
    if (!f)
        return false;
    bool ok = fseek(f, 0, SEEK_END) == 0 && offset <= ftell(f) &&
              (int64_t)bytes <= ftell(f) - offset && fseek(f, (long)offset, SEEK_SET) == 0 &&
              fread(data, 1, bytes, f) == bytes;
    fclose(f);
    return ok;
}

static bool side_size(const char *path, int64_t *size) {
    FILE *f = open_side(path);
    if (!f)
        return false;
    bool ok = fseek(f, 0, SEEK_END) == 0;
    *size = ok ? (int64_t)ftell(f) : 0;
    fclose(f);
    return ok;
}

static bool parse_side(reader *r, fv_constant *c, const fv_ast *at) {
    int64_t offset, bytes, size = (int64_t)r->memory_bytes;
    if (!fv_lex_int(&r->k.l, &offset) || !fv_lex_int(&r->k.l, &bytes))
        return false;
    if (!r->side && !r->memory)
        return fv_kx_error(&r->k, at, "constant '%.60s' is in a side file; none is given", c->name);
    if (!r->memory && !side_size(r->side, &size))
        return fv_kx_error(&r->k, at, "cannot read '%.200s'", r->side);
    if (offset < 0 || bytes < 0 || offset > size || bytes > size - offset)
        return fv_kx_error(&r->k, at, "constant '%.60s' is outside of its file of %lld bytes",
                           c->name, (long long)size);
    if (r->memory) {
        c->contents = fv_contents_at(r->k.arena, r->memory + offset);
        c->bytes = (size_t)bytes;
        return true;
    }
    void *data = fv_alloc_aligned(r->k.arena, bytes ? (size_t)bytes : 1, FV_SIDE_ALIGN);
    if (!read_side(r->side, offset, data, (size_t)bytes))
        return fv_kx_error(&r->k, at, "cannot read '%.200s'", r->side);
    c->contents = fv_contents_at(r->k.arena, data);
    c->bytes = (size_t)bytes;
    return true;
}

static bool parse_constant(reader *r) {
    fv_ast at = {.line = r->k.l.tok.line, .column = r->k.l.tok.column};
    fv_constant c = {.name = fv_kp_parse_string(&r->k, "the constant's name")};
    if (!c.name)
        return false;
    const void *data = NULL;
    bool ok;
    if (fv_lex_accept(&r->k.l, "hex"))
        ok = (data = fv_lex_hex(&r->k.l, r->k.arena, &c.bytes)) != NULL;
    else
        ok = fv_lex_expect(&r->k.l, "side") && parse_side(r, &c, &at);
    if (data)
        c.contents = fv_contents_at(r->k.arena, data);
    if (ok)
        FV_PUSH(r->k.arena, r->program->memory.constants, r->program->memory.nconstants,
                r->cap_constants, c);
    return ok;
}

/* ---- buffers ---- */

/* Parses `: f32[n, 4]`, the type of a new buffer of that name, which is in scope from here on. NULL
 * after a diagnostic. */
static fv_buf *parse_type_of(fv_kparser *k, const char *name) {
    fv_elem e;
    int lanes, rank;
    fv_expr **extent;
    if (!fv_lex_expect(&k->l, ":") || !fv_kp_parse_elem(k, &e, &lanes) ||
        !fv_kp_parse_extents(k, &rank, &extent))
        return NULL;
    fv_buf *b = fv_buf_new(k->arena, name, FV_BUF_WORK, e, rank, extent);
    fv_scope_buf(k, name, b);
    return b;
}

static fv_buf *parse_declared(fv_kparser *k) {
    const char *name = fv_lex_name(&k->l, "a buffer");
    return name ? parse_type_of(k, name) : NULL;
}

static bool add_buffer(reader *r, fv_buf *b) {
    b->id = r->program->memory.nbuffers;
    FV_PUSH(r->k.arena, r->program->memory.buffers, r->program->memory.nbuffers, r->cap_buffers, b);
    return true;
}

static bool parse_place(reader *r, fv_buf *b) {
    return fv_lex_expect(&r->k.l, "at") && (b->offset = fv_kx_parse(&r->k, FV_I64)) &&
           fv_lex_expect(&r->k.l, "bytes") && (b->bytes = fv_kx_parse(&r->k, FV_I64));
}

/* Parses the values that are stored in the memory of b besides its own. */
static bool parse_held(reader *r, fv_buf *b) {
    int over = 0, parts = 0; /* numbers of elements for which the arrays have room */
    const char *name;
    for (;;) {
        if (fv_lex_accept(&r->k.l, "over")) {
            if (!(name = fv_kp_parse_string(&r->k, "a value")))
                return false;
            FV_PUSH(r->k.arena, b->sharing.over, b->sharing.nover, over, name);
        } else if (fv_lex_accept(&r->k.l, "part")) {
            if (!(name = fv_kp_parse_string(&r->k, "a value")))
                return false;
            FV_PUSH(r->k.arena, b->sharing.parts, b->sharing.nparts, parts, name);
        } else
            return true;
    }
}

/* Parses the end of `input 0 output 1 along 2`, from `output` on, if it is there: the buffer is the
 * memory of both ports, and the output may be longer along that axis. */
static bool parse_shared(reader *r, fv_buf *b) {
    int64_t output, along;
    if (!fv_lex_accept(&r->k.l, fv_role_text(FV_BUF_OUTPUT)))
        return true;
    if (!fv_lex_int(&r->k.l, &output) || !fv_lex_expect(&r->k.l, "along") ||
        !fv_lex_int(&r->k.l, &along))
        return false;
    if (output < 0 || output > FV_MAX_OPERANDS)
        return fv_lex_error(&r->k.l, "no such %s", fv_role_text(FV_BUF_OUTPUT));
    if (along < 0 || along >= b->rank)
        return fv_lex_error(&r->k.l, "'%.60s' has no axis %lld", b->name, (long long)along);
    b->output = 1 + (int)output;
    b->along = (int)along;
    return true;
}

static bool parse_buffer(reader *r) {
    static const fv_buf_role with_index[] = {FV_BUF_INPUT, FV_BUF_OUTPUT, FV_BUF_CONST};
    fv_buf *b = parse_declared(&r->k);
    if (!b)
        return false;
    if (fv_lex_accept(&r->k.l, "work"))
        return parse_place(r, b) && parse_held(r, b) && add_buffer(r, b);
    if (fv_lex_accept(&r->k.l, "heap")) {
        b->role = FV_BUF_HEAP;
        return parse_held(r, b) && add_buffer(r, b);
    }
    for (int i = 0; i < 3; i++) {
        int64_t index;
        if (!fv_lex_accept(&r->k.l, fv_role_text(with_index[i])))
            continue;
        b->role = (uint8_t)with_index[i];
        if (!fv_lex_int(&r->k.l, &index))
            return false;
        if (index < 0 || index > FV_MAX_OPERANDS)
            return fv_lex_error(&r->k.l, "no such %s", fv_role_text(with_index[i]));
        b->index = (int)index;
        if (b->role == FV_BUF_CONST && index < r->program->memory.nconstants)
            r->program->memory.constants[index].buf = b;
        return (b->role != FV_BUF_INPUT || parse_shared(r, b)) && parse_held(r, b) &&
               add_buffer(r, b);
    }
    return fv_lex_error(&r->k.l, "expected input, output, const, work or heap, found %s",
                        fv_lex_found(&r->k.l));
}

/* ---- ports ---- */

static bool parse_port_dims(reader *r, fv_port *port) {
    const fv_dim *dims[FV_MAX_RANK];
    if (!fv_lex_expect(&r->k.l, "["))
        return false;
    while (!fv_lex_accept(&r->k.l, "]")) {
        if (port->rank == FV_MAX_RANK)
            return fv_lex_error(&r->k.l, "more than %d axes", FV_MAX_RANK);
        if (port->rank > 0 && !fv_lex_expect(&r->k.l, ","))
            return false;
        dims[port->rank] = parse_dim(r);
        if (!dims[port->rank])
            return false;
        port->rank++;
    }
    const fv_dim **copy = FV_NEW(r->k.arena, const fv_dim *, port->rank + 1);
    memcpy(copy, dims, (size_t)port->rank * sizeof *copy);
    port->dims = copy;
    return true;
}

static bool parse_port_extents(reader *r, fv_port *port) {
    port->extent = FV_NEW(r->k.arena, fv_expr *, port->rank + 1);
    if (!fv_lex_expect(&r->k.l, "extents") || !fv_lex_expect(&r->k.l, "["))
        return false;
    for (int i = 0; i < port->rank; i++) {
        if (i && !fv_lex_expect(&r->k.l, ","))
            return false;
        if (fv_lex_accept(&r->k.l, "?"))
            continue;
        port->extent[i] = fv_kx_parse(&r->k, FV_I64);
        if (!port->extent[i])
            return false;
    }
    return fv_lex_expect(&r->k.l, "]");
}

static bool parse_port_head(reader *r, fv_port *port) {
    int lanes;
    const char *name = fv_lex_name(&r->k.l, "a buffer");
    if (!name)
        return false;
    fv_binding *b = fv_scope_find(&r->k, name);
    if (!b || !b->buf)
        return fv_lex_error(&r->k.l, "no buffer is called '%.60s'", name);
    port->buf = b->buf;
    return fv_lex_expect(&r->k.l, "=") && (port->name = fv_kp_parse_string(&r->k, "a name")) &&
           fv_lex_expect(&r->k.l, "as") && (port->cname = fv_lex_name(&r->k.l, "a name")) &&
           fv_lex_expect(&r->k.l, ":") && fv_kp_parse_elem(&r->k, &port->elem, &lanes) &&
           parse_port_dims(r, port) && parse_port_extents(r, port);
}

static bool parse_input(reader *r) {
    fv_port port = {0};
    if (!parse_port_head(r, &port))
        return false;
    FV_PUSH(r->k.arena, r->program->inputs, r->program->ninputs, r->cap_inputs, port);
    return true;
}

static bool parse_output(reader *r) {
    fv_program *pr = r->program;
    fv_port port = {0};
    fv_var *capacity = NULL;
    int n = pr->noutputs;
    if (!parse_port_head(r, &port))
        return false;
    if (fv_lex_accept(&r->k.l, "capacity")) {
        const char *name = fv_lex_name(&r->k.l, "a name");
        if (!name)
            return false;
        capacity = fv_var_new(r->k.arena, name, fv_kt(FV_I64, 1));
        capacity->lo = 0;
        fv_scope_var(&r->k, name, capacity);
    }
    if (fv_lex_accept(&r->k.l, "state")) {
        const char *name = fv_lex_name(&r->k.l, "the buffer of an input");
        fv_binding *b = name ? fv_scope_find(&r->k, name) : NULL;
        if (!b || !b->buf || b->buf->role != FV_BUF_INPUT)
            return fv_lex_error(&r->k.l, "'%.60s' is no buffer of an input", name ? name : "");
        port.state_of = 1 + b->buf->index;
    }
    FV_PUSH(r->k.arena, pr->capacity, n, r->cap_capacity, capacity);
    FV_PUSH(r->k.arena, pr->outputs, pr->noutputs, r->cap_outputs, port);
    return true;
}

/* ---- statements of the run ---- */

static fv_kernel *find_kernel(fv_kparser *p, const char *name) {
    for (int i = 0; i < p->program->nkernels; i++)
        if (strcmp(p->program->kernels[i]->name, name) == 0)
            return p->program->kernels[i];
    return NULL;
}

static fv_buf *parse_buffer_name(fv_kparser *p) {
    const char *name = fv_lex_name(&p->l, "a buffer");
    fv_binding *b = name ? fv_scope_find(p, name) : NULL;
    if (name && (!b || !b->buf))
        fv_lex_error(&p->l, "no buffer is called '%.60s'", name);
    return b ? b->buf : NULL;
}

static bool parse_launch(fv_kparser *p) {
    const char *name = fv_lex_name(&p->l, "a kernel");
    fv_kernel *k = name ? find_kernel(p, name) : NULL;
    if (!k)
        return fv_lex_error(&p->l, "no kernel is called '%.60s'", name ? name : "");
    fv_buf **args = FV_NEW(p->arena, fv_buf *, k->nbufs + 1);
    fv_expr **dims = FV_NEW(p->arena, fv_expr *, k->ndims + 1);
    if (!fv_lex_expect(&p->l, "("))
        return false;
    for (int i = 0; i < k->nbufs; i++) {
        if ((i && !fv_lex_expect(&p->l, ",")) || !(args[i] = parse_buffer_name(p)))
            return false;
    }
    for (int i = 0; i < k->ndims; i++) {
        if (!fv_lex_expect(&p->l, i ? "," : ";") || !(dims[i] = fv_kx_parse(p, FV_I64)))
            return false;
    }
    fv_stmt *s = fv_kb_add(&p->b, FV_S_LAUNCH);
    s->call.kernel = k;
    s->call.args = args;
    s->call.dims = dims;
    if (!fv_lex_expect(&p->l, ")"))
        return false;
    s->call.descending = fv_lex_accept(&p->l, "descending");
    return true;
}

static bool parse_check(fv_kparser *p) {
    fv_expr *x = fv_kx_parse(p, FV_BOOL);
    if (!x || !fv_lex_expect(&p->l, ","))
        return false;
    const char *status = fv_lex_name(&p->l, "a status");
    if (!status)
        return false;
    if (fv_status_from_word(status) < 0)
        return fv_lex_error(&p->l, "'%.60s' is no status", status);
    fv_stmt *s = fv_kb_add(&p->b, FV_S_CHECK);
    s->x = x;
    s->note.status = fv_status_from_word(status);
    return fv_lex_expect(&p->l, ",") && (s->note.text = fv_kp_parse_string(p, "what is wrong"));
}

/* Parses `alloc y: f32[n] bytes 4 * n`, or `alloc y bytes 4 * n` of a buffer that is declared
 * above. */
static bool parse_alloc(fv_kparser *p) {
    const char *name = fv_lex_name(&p->l, "a buffer");
    fv_binding *known = name && fv_lex_is(&p->l, "bytes") ? fv_scope_find(p, name) : NULL;
    if (known && (!known->buf || known->buf->role != FV_BUF_HEAP))
        return fv_lex_error(&p->l, "'%.60s' is no buffer that is allocated", name);
    if (name && !known && p->b.depth)
        return fv_lex_error(
            &p->l,
            "'%.60s' is allocated in a block: it is declared above, by 'buffer %.60s: TYPE heap'",
            name, name);
    fv_buf *b = known ? known->buf : name ? parse_type_of(p, name) : NULL;
    if (!b || !fv_lex_expect(&p->l, "bytes"))
        return false;
    fv_expr *bytes = fv_kx_parse(p, FV_I64);
    if (!bytes)
        return false;
    fv_stmt *s = fv_kb_add(&p->b, FV_S_ALLOC);
    s->buf = b;
    s->x = b->bytes = bytes;
    b->role = FV_BUF_HEAP;
    return known || add_buffer((reader *)p, b);
}

/* Parses the name of an output's buffer; returns the number of the output, -1 after a
 * diagnostic. */
static int parse_output_name(fv_kparser *p) {
    fv_buf *b = parse_buffer_name(p);
    for (int i = 0; b && i < p->program->noutputs; i++)
        if (p->program->outputs[i].buf == b)
            return i;
    if (b)
        fv_lex_error(&p->l, "'%.60s' is no output", b->name);
    return -1;
}

static bool add_told(fv_kparser *p, int output, int axis) {
    fv_expr *x = fv_kx_parse(p, FV_I64);
    if (!x)
        return false;
    fv_stmt *s = fv_kb_add(&p->b, FV_S_SETDIM);
    s->size.output = output;
    s->size.axis = axis;
    s->x = x;
    return true;
}

/* Parses setdim y[1] = n. */
static bool parse_setdim(fv_kparser *p) {
    int64_t axis;
    int output = parse_output_name(p);
    if (output < 0 || !fv_lex_expect(&p->l, "[") || !fv_lex_int(&p->l, &axis) ||
        !fv_lex_expect(&p->l, "]") || !fv_lex_expect(&p->l, "="))
        return false;
    if (axis < 0 || axis >= p->program->outputs[output].rank)
        return fv_lex_error(&p->l, "output '%.60s' has no axis %lld",
                            p->program->outputs[output].buf->name, (long long)axis);
    return add_told(p, output, (int)axis);
}

/* Parses setcapacity y = n. */
static bool parse_setcapacity(fv_kparser *p) {
    int output = parse_output_name(p);
    return output >= 0 && fv_lex_expect(&p->l, "=") && add_told(p, output, -1);
}

/* ---- ports, symbols and members of env, which the caller passes ---- */

/* Parses the name of a port's buffer and sets *at to the port's number. */
static bool parse_port_name(fv_kparser *p, const fv_port *ports, int n, int *at) {
    fv_buf *b = parse_buffer_name(p);
    for (*at = 0; b && *at < n; ++*at)
        if (ports[*at].buf == b)
            return true;
    return b && fv_lex_error(&p->l, "'%.60s' is no buffer of these", b->name);
}

static bool parse_symbol_name(fv_kparser *p, int *at) {
    const char *name = fv_lex_name(&p->l, "a symbol");
    fv_binding *b = name ? fv_scope_find(p, name) : NULL;
    return (b && b->var && fv_program_symbol(p->program, b->var, at)) ||
           fv_lex_error(&p->l, "'%.60s' is no symbol", name ? name : "");
}

static bool parse_env_name(fv_kparser *p, int *at) {
    const char *name = fv_lex_expect(&p->l, ".") ? fv_lex_name(&p->l, "a member of env") : NULL;
    return name && ((*at = fv_env_from_text(name)) >= 0 ||
                    fv_lex_error(&p->l, "env has no member '%.60s'", name));
}

/* Parses an argument of the caller: dims[n], inputs[x], env.alloc, bytes. */
static bool parse_argument(fv_kparser *p, fv_read *r) {
    const fv_program *pr = p->program;
    const char *name = fv_lex_name(&p->l, "an argument");
    int64_t word = 0;
    bool ok = true;
    r->at = -1;
    if (!name)
        return false;
    r->of = (uint8_t)fv_argument_from_text(name);
    if (r->of == FV_ARGS)
        return fv_lex_error(&p->l, "'%.60s' is nothing that a caller gives", name);
    if (r->of == FV_ARG_ENV)
        return !fv_lex_is(&p->l, ".") || parse_env_name(p, &r->at);
    if (!fv_lex_accept(&p->l, "["))
        return true;
    if (r->of == FV_ARG_DIMS)
        ok = parse_symbol_name(p, &r->at);
    else if (r->of == FV_ARG_INPUTS)
        ok = parse_port_name(p, pr->inputs, pr->ninputs, &r->at);
    else if (r->of == FV_ARG_OUTPUTS || r->of == FV_ARG_ACTUAL)
        ok = parse_port_name(p, pr->outputs, pr->noutputs, &r->at);
    else
        ok = fv_lex_int(&p->l, &word);
    if (ok && (word < 0 || word > INT32_MAX))
        return fv_lex_error(&p->l, "there is no word %lld", (long long)word);
    r->at = r->at < 0 ? (int)word : r->at;
    return ok && fv_lex_expect(&p->l, "]");
}

/* Parses read there = aligned inputs[x] 4. */
static bool parse_read(fv_kparser *p) {
    fv_read r = {.how = FV_READ_VALUE};
    int64_t align = 0;
    const char *name = fv_lex_name(&p->l, "a name");
    if (!name || !fv_lex_expect(&p->l, "="))
        return false;
    if (fv_lex_accept(&p->l, "given"))
        r.how = FV_READ_GIVEN;
    else if (fv_lex_accept(&p->l, "aligned"))
        r.how = FV_READ_ALIGNED;
    else if (fv_lex_accept(&p->l, "same"))
        r.how = FV_READ_SAME;
    if (!parse_argument(p, &r) || (r.how == FV_READ_ALIGNED && !fv_lex_int(&p->l, &align)))
        return false;
    r.align = align < 0 || align > INT32_MAX ? 0 : (int)align;
    fv_var *v = fv_kb_read(&p->b, &r, name)->u.var;
    fv_scope_var(p, name, v);
    return true;
}

/* Parses bind n = n_given, which gives a symbol or capacity its value. */
static bool parse_bind(fv_kparser *p) {
    int i;
    const char *name = fv_lex_name(&p->l, "a symbol or capacity");
    fv_binding *b = name ? fv_scope_find(p, name) : NULL;
    if (!b || !b->var ||
        !(fv_program_symbol(p->program, b->var, &i) || fv_program_capacity(p->program, b->var, &i)))
        return fv_lex_error(&p->l, "'%.60s' is no symbol or capacity", name ? name : "");
    fv_expr *x = fv_lex_expect(&p->l, "=") ? fv_kx_parse(p, FV_I64) : NULL;
    if (!x)
        return false;
    fv_stmt *s = fv_kb_add(&p->b, FV_S_LET);
    s->var = b->var;
    s->x = x;
    return true;
}

static bool add_mark(fv_kparser *p, fv_stmt_kind kind) {
    fv_kb_add(&p->b, kind);
    return true;
}

static bool parse_free(fv_kparser *p) {
    fv_buf *b = parse_buffer_name(p);
    if (b)
        fv_kb_add(&p->b, FV_S_FREE)->buf = b;
    return b != NULL;
}

bool fv_kp_parse_host(fv_kparser *p, bool *taken) {
    *taken = true;
    if (fv_lex_accept(&p->l, "check"))
        return parse_check(p);
    if (fv_lex_accept(&p->l, "launch"))
        return parse_launch(p);
    if (fv_lex_accept(&p->l, "alloc"))
        return parse_alloc(p);
    if (fv_lex_accept(&p->l, "free"))
        return parse_free(p);
    if (fv_lex_accept(&p->l, "read"))
        return parse_read(p);
    if (fv_lex_accept(&p->l, "bind"))
        return parse_bind(p);
    if (fv_lex_accept(&p->l, "plan"))
        return add_mark(p, FV_S_PLAN);
    if (fv_lex_accept(&p->l, "memory"))
        return add_mark(p, FV_S_MEMORY);
    if (fv_lex_accept(&p->l, "setdim"))
        return parse_setdim(p);
    if (fv_lex_accept(&p->l, "setcapacity"))
        return parse_setcapacity(p);
    if (fv_lex_accept(&p->l, "setworkspace"))
        return add_told(p, -1, -1);
    *taken = false;
    return true;
}

/* ---- the program ---- */

static bool parse_target(reader *r) {
    const char *text = fv_kp_parse_string(&r->k, "a target"), *why;
    if (!text)
        return false;
    r->program->target = fv_target_read(r->k.arena, text, &why);
    return r->program->target || fv_lex_error(&r->k.l, "%s", why);
}

static bool parse_kernel(reader *r) {
    fv_kernel *k = fv_kp_parse_kernel(&r->k);
    if (!k)
        return false;
    if (find_kernel(&r->k, k->name))
        return fv_lex_error(&r->k.l, "kernel '%.60s' is defined twice", k->name);
    FV_PUSH(r->k.arena, r->program->kernels, r->program->nkernels, r->cap_kernels, k);
    return true;
}

/* Parses the plan. Its names stay in scope, since buffers, ports and the run use them. */
static bool parse_plan(reader *r) {
    fv_kb_init(&r->k.b, r->k.arena, NULL, &r->program->host.plan);
    return fv_kp_parse_statements(&r->k);
}

static bool parse_query(reader *r) {
    fv_kb_init(&r->k.b, r->k.arena, NULL, &r->program->host.query);
    return fv_kp_parse_block(&r->k);
}

static bool parse_part(reader *r) {
    fv_lexer *l = &r->k.l;
    fv_program *pr = r->program;
    if (fv_lex_is(l, "kernel"))
        return parse_kernel(r);
    if (fv_lex_accept(l, "symbol"))
        return parse_symbol(r, true, false);
    if (fv_lex_accept(l, "unknown"))
        return parse_symbol(r, false, true);
    if (fv_lex_accept(l, "other"))
        return parse_symbol(r, false, false);
    if (fv_lex_accept(l, "constant"))
        return parse_constant(r);
    if (fv_lex_accept(l, "buffer"))
        return parse_buffer(r);
    if (fv_lex_accept(l, "input"))
        return parse_input(r);
    if (fv_lex_accept(l, "output"))
        return parse_output(r);
    if (fv_lex_accept(l, "plan"))
        return parse_plan(r);
    if (fv_lex_accept(l, "query"))
        return parse_query(r);
    if (fv_lex_accept(l, "workspace"))
        return (pr->memory.workspace = fv_kx_parse(&r->k, FV_I64)) != NULL;
    if (fv_lex_accept(l, "name"))
        return (pr->name = fv_lex_name(l, "the program's name")) != NULL;
    if (fv_lex_accept(l, "target"))
        return parse_target(r);
    if (fv_lex_accept(l, "source"))
        return (pr->source.hash = fv_kp_parse_string(&r->k, "a hash")) != NULL;
    if (fv_lex_accept(l, "producer"))
        return (pr->source.producer = fv_kp_parse_string(&r->k, "a version")) != NULL;
    if (fv_lex_accept(l, "allocator"))
        return pr->memory.uses_allocator = true;
    return fv_lex_error(l, "expected a part of a program, found %s", fv_lex_found(l));
}

static bool parse_run(reader *r) {
    fv_kb_init(&r->k.b, r->k.arena, NULL, &r->program->host.body);
    return fv_kp_parse_statements(&r->k);
}

static fv_program *parse_program(reader *r, fv_arena *a, const char *text) {
    fv_kparser_init(&r->k, a, text);
    fv_program *pr = r->program = r->k.program = FV_NEW(a, fv_program, 1);
    fv_lexer *l = &r->k.l;
    pr->arena = a;
    pr->symbols.table = fv_dims_new(a);
    pr->memory.least_alive = -1;
    bool ok = fv_lex_format(l, "program", FV_KERNEL_FORMAT);
    while (ok && !fv_lex_is(l, "run"))
        ok = parse_part(r);
    ok = ok && fv_lex_expect(l, "run") && parse_run(r);
    if (ok && l->tok.kind != FV_TOK_END)
        ok = fv_lex_error(l, "expected the end of the text, found %s", fv_lex_found(l));
    if (ok && !pr->name)
        ok = fv_lex_error(l, "the program has no name");
    if (ok)
        fv_program_number(pr);
    return ok && !l->failed ? pr : NULL;
}

fv_program *fv_program_parse(fv_arena *a, const char *text, const char *side) {
    reader r = {.side = side};
    return parse_program(&r, a, text);
}

fv_program *fv_program_parse_over(fv_arena *a, const char *text, const void *side, size_t bytes) {
    reader r = {.memory = side, .memory_bytes = bytes};
    return parse_program(&r, a, text);
}
