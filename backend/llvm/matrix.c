/* matrix.c - translates products of matrices (ir/kernel/matrix.h) to instructions on tile registers
 * of x86, each of which has up to 16 rows of 64 bytes.
 *
 * A product has up to 2 x 2 tiles of sums, so each tile of words that is loaded is used twice:
 *
 *     sums[i][g] = 0, or loaded
 *     for 16 words at a time: a part of the prefetches;
 *                             rows[i], columns[g] loaded; sums[i][g] += rows[i] * columns[g]
 *     sums[i][g] stored
 *
 * The registers are configured for a number of rows and words in a row where a product has others
 * than the one before it: a variable of the function has what they are configured for. That takes
 * as long as about 10 multiplications. A kernel releases them where it returns, because code
 * outside of it expects them unused. */
#include <string.h>

#include "backend/llvm/emit.h"
#include "ir/kernel/matrix.h"

/* The numbers of registers: of the first sum, where sums [i][g] follow as 2 * i + g; of the first
 * tile of rows and the first one of columns. */
enum { SUMS = 0, ROWS = 4, COLUMNS = 6, CONFIG_WORDS = 8 };

/* How a product is executed, which is part of the name of its function. */
typedef struct shape {
    const fv_matrix_instruction *row;
    int tiles, groups; /* tiles of rows, groups of columns */
    bool adds, prefetches;
    bool streams; /* whether rows are loaded without being kept in the first-level cache */
} shape;

/* Where the operands of a product are, as arguments of its function. */
enum {
    SUMS_AT,
    SUMS_AT_1,
    SUMS_STRIDE,
    ROWS_AT,
    ROWS_STRIDE,
    COLUMNS_AT,
    COLUMNS_AT_1,
    COLUMNS_STRIDE,
    COUNT,
    PREFETCH_AT, /* of a shape with prefetches: the first one, their distance and number */
    PREFETCH_STRIDE,
    PREFETCH_LINES,
    NARGS
};

/* The number of arguments of the function of a product of that shape. */
static unsigned arguments_of(const shape *s) {
    return s->prefetches ? NARGS : PREFETCH_AT;
}

static LLVMValueRef tile(fv_ll_fn *f, int number) {
    return LLVMConstInt(f->m->types.i8, (unsigned)number, 0);
}

static void emit(fv_ll_fn *f, const char *name, int n, LLVMValueRef *args) {
    fv_ll_intrinsic(f, name, 0, NULL, n, args);
}

static void move(fv_ll_fn *f, const char *name, int number, LLVMValueRef at, LLVMValueRef stride) {
    emit(f, name, 3, (LLVMValueRef[]){tile(f, number), at, stride});
}

/* ---- the function of a product ---- */

/* The address of the i-th tile of rows that begin at `at`. */
static LLVMValueRef rows_at(fv_ll_fn *f, LLVMValueRef at, LLVMValueRef stride, int i) {
    LLVMValueRef rows = fv_ll_int(f->m, i * FV_MATRIX_SIDE);
    return i ? fv_ll_offset(f, at, LLVMBuildMul(f->b, stride, rows, "")) : at;
}

static void each_sum(fv_ll_fn *f, const shape *s, const char *name) {
    LLVMValueRef stride = LLVMGetParam(f->fn, SUMS_STRIDE);
    for (int i = 0; i < s->tiles; i++)
        for (int g = 0; g < s->groups; g++) {
            int number = SUMS + FV_MATRIX_TILES * i + g;
            LLVMValueRef at = LLVMGetParam(f->fn, (unsigned)(SUMS_AT + g));
            if (name)
                move(f, name, number, rows_at(f, at, stride, i), stride);
            else
                emit(f, "llvm.x86.tilezero", 1, (LLVMValueRef[]){tile(f, number)});
        }
}

/* Multiplies the words of one step; at[0]: the address of the rows; at[1 + g]: of the columns. */
static void multiply(fv_ll_fn *f, const shape *s, LLVMValueRef *at) {
    LLVMValueRef rows = LLVMGetParam(f->fn, ROWS_STRIDE),
                 columns = LLVMGetParam(f->fn, COLUMNS_STRIDE);
    for (int i = 0; i < s->tiles; i++) {
        move(f, s->streams ? "llvm.x86.tileloaddt164" : "llvm.x86.tileloadd64", ROWS + i,
             rows_at(f, at[0], rows, i), rows);
        for (int g = 0; g < s->groups; g++) {
            if (i == 0)
                move(f, "llvm.x86.tileloadd64", COLUMNS + g, at[1 + g], columns);
            emit(f, s->row->llvm, 3,
                 (LLVMValueRef[]){tile(f, SUMS + FV_MATRIX_TILES * i + g), tile(f, ROWS + i),
                                  tile(f, COLUMNS + g)});
        }
    }
}

/* Emits the prefetches of one step, at most `most` lines: now[0]: the address of the next line;
 * now[1]: the number of lines that are left. Sets then[0] and then[1] to those after the step. */
static void prefetch(fv_ll_fn *f, LLVMValueRef most, LLVMValueRef *now, LLVMValueRef *then) {
    LLVMBasicBlockRef from = LLVMGetInsertBlock(f->b), body = fv_ll_block(f, "line"),
                      next = fv_ll_block(f, "lines");
    LLVMValueRef fewer = LLVMBuildICmp(f->b, LLVMIntSLT, now[1], most, ""),
                 n = LLVMBuildSelect(f->b, fewer, now[1], most, ""), none = fv_ll_int(f->m, 0),
                 any = LLVMBuildICmp(f->b, LLVMIntSGT, n, none, "");
    then[1] = LLVMBuildSub(f->b, now[1], n, "");
    fv_ll_branch(f, any, body, next);
    fv_ll_at(f, body);
    LLVMValueRef at = LLVMBuildPhi(f->b, f->m->types.ptr, ""),
                 left = LLVMBuildPhi(f->b, f->m->types.i64, "");
    fv_ll_prefetch_at(f, at, 2);
    LLVMValueRef after = fv_ll_offset(f, at, LLVMGetParam(f->fn, PREFETCH_STRIDE)),
                 less = LLVMBuildSub(f->b, left, fv_ll_int(f->m, 1), "");
    LLVMAddIncoming(at, (LLVMValueRef[]){now[0], after}, (LLVMBasicBlockRef[]){from, body}, 2);
    LLVMAddIncoming(left, (LLVMValueRef[]){n, less}, (LLVMBasicBlockRef[]){from, body}, 2);
    fv_ll_branch(f, LLVMBuildIsNotNull(f->b, less, ""), body, next);
    fv_ll_at(f, next);
    then[0] = LLVMBuildPhi(f->b, f->m->types.ptr, "");
    LLVMAddIncoming(then[0], (LLVMValueRef[]){now[0], after}, (LLVMBasicBlockRef[]){from, body}, 2);
}

/* The number of lines that each of `steps` steps prefetches. */
static LLVMValueRef lines_of_step(fv_ll_fn *f, LLVMValueRef steps) {
    LLVMValueRef less = LLVMBuildSub(f->b, steps, fv_ll_int(f->m, 1), ""),
                 up = LLVMBuildAdd(f->b, LLVMGetParam(f->fn, PREFETCH_LINES), less, "");
    return LLVMBuildSDiv(f->b, up, steps, "");
}

/* The loop over steps of 16 words each, of which there is at least one. */
static void multiply_all(fv_ll_fn *f, const shape *s) {
    enum { MOST = 6 };
    const int n = s->prefetches ? MOST : MOST - 2;
    LLVMValueRef most = s->prefetches ? lines_of_step(f, LLVMGetParam(f->fn, COUNT)) : NULL;
    LLVMBasicBlockRef from = LLVMGetInsertBlock(f->b), body = fv_ll_block(f, "words"),
                      next = fv_ll_block(f, "sums");
    LLVMValueRef bytes = fv_ll_int(f->m, FV_MATRIX_SIDE * 4),
                 rows = LLVMBuildMul(f->b, LLVMGetParam(f->fn, COLUMNS_STRIDE),
                                     fv_ll_int(f->m, FV_MATRIX_SIDE), "");
    const int params[MOST] = {ROWS_AT, COLUMNS_AT,  COLUMNS_AT_1,
                              COUNT,   PREFETCH_AT, PREFETCH_LINES};
    LLVMValueRef first[MOST], now[MOST], then[MOST];
    for (int i = 0; i < n; i++)
        first[i] = LLVMGetParam(f->fn, (unsigned)params[i]);
    LLVMBuildBr(f->b, body);
    fv_ll_at(f, body);
    for (int i = 0; i < n; i++)
        now[i] = LLVMBuildPhi(f->b, LLVMTypeOf(first[i]), "");
    if (s->prefetches)
        prefetch(f, most, &now[4], &then[4]);
    multiply(f, s, now);
    then[0] = fv_ll_offset(f, now[0], bytes);
    then[1] = fv_ll_offset(f, now[1], rows);
    then[2] = fv_ll_offset(f, now[2], rows);
    then[3] = LLVMBuildSub(f->b, now[3], fv_ll_int(f->m, 1), "");
    LLVMBasicBlockRef end = LLVMGetInsertBlock(f->b);
    for (int i = 0; i < n; i++) {
        LLVMAddIncoming(now[i], &first[i], &from, 1);
        LLVMAddIncoming(now[i], &then[i], &end, 1);
    }
    fv_ll_branch(f, LLVMBuildIsNotNull(f->b, then[3], ""), body, next);
    fv_ll_at(f, next);
}

static LLVMTypeRef type_of_function(fv_ll_module *m, const shape *s) {
    static const bool is_number[NARGS] = {
        [SUMS_STRIDE] = true, [ROWS_STRIDE] = true,     [COLUMNS_STRIDE] = true,
        [COUNT] = true,       [PREFETCH_STRIDE] = true, [PREFETCH_LINES] = true};
    LLVMTypeRef types[NARGS];
    for (int i = 0; i < NARGS; i++)
        types[i] = is_number[i] ? m->types.i64 : m->types.ptr;
    return LLVMFunctionType(m->types.none, types, arguments_of(s), 0);
}

/* Calls the function of a product of that shape, which is made when it is first called. */
static void call(fv_ll_fn *f, const shape *s, LLVMValueRef *args) {
    fv_ll_module *m = f->m;
    LLVMTypeRef type = type_of_function(m, s);
    const char *name = fv_ll_name_of_level(
        m, fv_printf(m->arena, "%s.%s.%dx%d%s%s%s", m->program->name, s->row->name,
                     s->tiles * FV_MATRIX_SIDE, s->groups * FV_MATRIX_SIDE, s->adds ? ".add" : "",
                     s->prefetches ? ".prefetch" : "", s->streams ? ".stream" : ""));
    LLVMValueRef fn = LLVMGetNamedFunction(m->module, name);
    if (!fn) {
        fv_ll_fn of;
        fn = fv_ll_function(m, name, type, FV_LL_INTERNAL, false);
        fv_ll_attr(m, fn, (unsigned)LLVMAttributeFunctionIndex, "noinline");
        fv_ll_begin(&of, m, fn);
        each_sum(&of, s, s->adds ? "llvm.x86.tileloadd64" : NULL);
        multiply_all(&of, s);
        each_sum(&of, s, "llvm.x86.tilestored64");
        LLVMBuildRetVoid(of.b);
        fv_ll_finish(&of);
    }
    LLVMBuildCall2(f->b, type, fn, args, arguments_of(s), "");
}

/* ---- configuration ---- */

/* The rows of each register, a byte for each: `rows` rows divided among two tiles, and as many rows
 * of columns as words. A second tile without rows gets one, since registers have at least one. */
static LLVMValueRef rows_of_tiles(fv_ll_fn *f, LLVMValueRef rows, int words) {
    LLVMValueRef side = fv_ll_int(f->m, FV_MATRIX_SIDE), one = fv_ll_int(f->m, 1),
                 more = LLVMBuildSub(f->b, rows, side, "");
    LLVMValueRef first = LLVMBuildSelect(f->b, LLVMBuildICmp(f->b, LLVMIntSLT, rows, side, ""),
                                         rows, side, ""),
                 second = LLVMBuildSelect(f->b, LLVMBuildICmp(f->b, LLVMIntSLT, more, one, ""), one,
                                          more, "");
    first = LLVMBuildMul(f->b, first, fv_ll_int(f->m, 0x0000000100000101), "");
    second = LLVMBuildMul(f->b, second, fv_ll_int(f->m, 0x0000010001010000), "");
    return LLVMBuildAdd(f->b, LLVMBuildAdd(f->b, first, second, ""),
                        fv_ll_int(f->m, words * 0x0101000000000000), "");
}

/* Configures the registers for that many rows and words in a row (Intel SDM volume 1, chapter 18:
 * the palette; for each register the bytes of a row, and the number of rows). */
static void configure(fv_ll_fn *f, LLVMValueRef rows, int words) {
    const int64_t whole = 0x0040004000400040, part = words * 4 * INT64_C(0x0000000000010001);
    LLVMValueRef word[CONFIG_WORDS] = {
        fv_ll_int(f->m, 1), [2] = fv_ll_int(f->m, whole),
        fv_ll_int(f->m, part | INT64_C(0x0040004000000000)), [6] = rows_of_tiles(f, rows, words)};
    LLVMTypeRef type = LLVMArrayType2(f->m->types.i64, CONFIG_WORDS);
    LLVMValueRef at = fv_ll_alloca(f, type, "tiles");
    for (int i = 0; i < CONFIG_WORDS; i++)
        LLVMBuildStore(f->b, word[i] ? word[i] : fv_ll_int(f->m, 0),
                       fv_ll_element(f, f->m->types.i64, at, i));
    emit(f, "llvm.x86.ldtilecfg", 1, &at);
}

void fv_ll_matrix_begin(fv_ll_fn *f, const fv_block *body) {
    const fv_stmt *first = fv_matrix_first(body);
    fv_matrix m;
    if (!first || fv_matrix_read(first, &m) || !fv_matrix_find(f->m->target, m.op, m.operand))
        return;
    f->tiles = fv_ll_alloca(f, f->m->types.i64, "configured");
    fv_ll_matrix_called(f);
}

void fv_ll_matrix_called(fv_ll_fn *f) {
    if (f->tiles)
        LLVMBuildStore(f->b, fv_ll_int(f->m, 0), f->tiles);
}

void fv_ll_matrix_end(fv_ll_fn *f) {
    if (f->tiles)
        emit(f, "llvm.x86.tilerelease", 0, NULL);
}

/* Configures the registers for that many rows and words in a row, unless they are. */
static void configure_if_other(fv_ll_fn *f, LLVMValueRef rows, int words) {
    LLVMBasicBlockRef other = fv_ll_block(f, "other"), next = fv_ll_block(f, "configured");
    LLVMValueRef now = LLVMBuildLoad2(f->b, f->m->types.i64, f->tiles, ""),
                 want = LLVMBuildAdd(f->b, LLVMBuildMul(f->b, rows, fv_ll_int(f->m, 32), ""),
                                     fv_ll_int(f->m, words), "");
    fv_ll_branch(f, LLVMBuildICmp(f->b, LLVMIntEQ, now, want, ""), next, other);
    fv_ll_at(f, other);
    configure(f, rows, words);
    LLVMBuildStore(f->b, want, f->tiles);
    LLVMBuildBr(f->b, next);
    fv_ll_at(f, next);
}

/* ---- the statement ---- */

static void bind(fv_ll_fn *f, const fv_var *v, int64_t value) {
    *fv_ptrmap_at(&f->vars, v) = fv_ll_int(f->m, value);
}

/* fv_matrix_stride in bytes */
static LLVMValueRef stride_of(fv_ll_fn *f, const fv_buf *b, fv_expr *const *index,
                              const fv_var *v) {
    fv_expr *n = fv_matrix_stride(f->m->arena, b, index, v);
    return LLVMBuildMul(f->b, fv_ll_expr(f, n), fv_ll_int(f->m, fv_elem_storage_bytes(b->elem)),
                        "");
}

static void find_operands(fv_ll_fn *f, const fv_matrix *m, LLVMValueRef *args) {
    const fv_stmt *s = m->store;
    bind(f, m->vars.row, 0);
    bind(f, m->vars.group, 0);
    bind(f, m->vars.column, 0);
    bind(f, m->vars.step, 0);
    if (m->vars.block)
        bind(f, m->vars.block, 0);
    args[SUMS_STRIDE] = stride_of(f, s->buf, s->index, m->vars.row);
    args[ROWS_STRIDE] = stride_of(f, m->a->u.buf, m->a->arg, m->vars.row);
    args[COLUMNS_STRIDE] = stride_of(f, m->b->u.buf, m->b->arg, m->vars.step);
    args[COUNT] = fv_ll_int(f->m, fv_matrix_instructions(m));
    args[ROWS_AT] = fv_ll_address(f, m->a->u.buf, m->a->arg);
    for (int g = 0; g < FV_MATRIX_TILES; g++) {
        bind(f, m->vars.group, g < m->groups ? g : 0);
        args[SUMS_AT + g] = fv_ll_address(f, s->buf, s->index);
        args[COLUMNS_AT + g] = fv_ll_address(f, m->b->u.buf, m->b->arg);
    }
    const fv_stmt *of = m->prefetch.of;
    if (!of)
        return;
    bind(f, m->prefetch.line, 0);
    args[PREFETCH_AT] = fv_ll_address(f, of->buf, of->index);
    args[PREFETCH_STRIDE] = stride_of(f, of->buf, of->index, m->prefetch.line);
    args[PREFETCH_LINES] = fv_ll_expr(f, m->prefetch.lines);
}

/* Emits the call for tiles of `rows` rows, at least one: of one tile, or of two. */
static void call_for_rows(fv_ll_fn *f, const fv_matrix *m, shape s, LLVMValueRef rows,
                          LLVMValueRef *args) {
    if (m->most_rows <= FV_MATRIX_SIDE) {
        call(f, &s, args);
        return;
    }
    LLVMBasicBlockRef of[] = {fv_ll_block(f, "one"), fv_ll_block(f, "two")},
                      next = fv_ll_block(f, "multiplied");
    LLVMValueRef more = LLVMBuildICmp(f->b, LLVMIntSGT, rows, fv_ll_int(f->m, FV_MATRIX_SIDE), "");
    fv_ll_branch(f, more, of[1], of[0]);
    for (int i = 0; i < FV_MATRIX_TILES; i++) {
        fv_ll_at(f, of[i]);
        s.tiles = i + 1;
        call(f, &s, args);
        LLVMBuildBr(f->b, next);
    }
    fv_ll_at(f, next);
}

bool fv_ll_matrix(fv_ll_fn *f, const fv_stmt *s) {
    fv_matrix m;
    const char *wrong = fv_matrix_read(s, &m);
    const fv_matrix_instruction *row = wrong ? NULL : fv_matrix_find(f->m->target, m.op, m.operand);
    LLVMValueRef args[NARGS];
    if (!row || !f->tiles)
        return false;
    LLVMValueRef rows = fv_ll_expr(f, m.rows);
    LLVMBasicBlockRef some = fv_ll_block(f, "some"), next = fv_ll_block(f, "product");
    LLVMValueRef any = LLVMBuildICmp(f->b, LLVMIntSGT, rows, fv_ll_int(f->m, 0), "");
    fv_ll_branch(f, any, some, next);
    fv_ll_at(f, some);
    find_operands(f, &m, args);
    configure_if_other(f, rows, fv_matrix_words(&m));
    shape of = {.row = row, .tiles = 1, .groups = m.groups, .adds = m.adds};
    of.prefetches = m.prefetch.of != NULL;
    of.streams = fv_matrix_rows_evict(&m, &f->m->target->caches);
    call_for_rows(f, &m, of, rows, args);
    LLVMBuildBr(f->b, next);
    fv_ll_at(f, next);
    return true;
}
