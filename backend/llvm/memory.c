/* memory.c - buffers and tiles: strides, LOAD, GUARD, STORE, TILE.
 *
 * Buffers are row-major and aligned to their element; a bool in a buffer is a byte. Addresses are
 * computed with wrapping arithmetic, since the address of a guarded element may be invalid if it is
 * not used. */
#include "backend/consumer/consumer.h"
#include "backend/llvm/host.h"
#include "ir/expr/picks.h"

/* Tiles of at most STRAIGHT_FILL elements are filled without a loop, so that they can become
 * registers, and tiles of at most STRAIGHT_ZEROS bytes with zeros, by one intrinsic that LLVM
 * divides among registers of any type. */
enum { STRAIGHT_FILL = 256, STRAIGHT_ZEROS = 4096 };

/* ---- buffers ---- */

static LLVMValueRef constant_address(fv_ll_fn *f, int index) {
    fv_ll_module *m = f->m;
    if (f->host->weights)
        return fv_ll_offset(f, f->host->weights, fv_ll_int(m, (int64_t)m->weights.offset[index]));
    LLVMValueRef offset = LLVMConstInt(
        m->types.i64, m->mode.resident ? (unsigned)index : m->weights.offset[index], 0);
    LLVMValueRef at =
        LLVMConstGEP2(m->mode.resident ? m->types.ptr : m->types.i8, m->weights.at, &offset, 1);
    return m->mode.resident ? LLVMBuildLoad2(f->b, m->types.ptr, at, "") : at;
}

LLVMValueRef fv_ll_host_buf(fv_ll_fn *f, const fv_buf *b) {
    fv_ll_host *h = f->host;
    switch ((fv_buf_role)b->role) {
    case FV_BUF_INPUT:
    case FV_BUF_OUTPUT: return fv_ptrmap_get(&h->places, b);
    case FV_BUF_CONST: return constant_address(f, b->index);
    case FV_BUF_WORK:
        return fv_ll_offset(f, h->argument[FV_ARG_WORKSPACE], fv_ll_expr(f, b->offset));
    case FV_BUF_HEAP:
        return LLVMBuildLoad2(f->b, f->m->types.ptr, fv_ptrmap_get(&h->places, b), "");
    case FV_BUF_IN:
    case FV_BUF_OUT:
    case FV_BUF_INOUT:
    case FV_BUF_TILE: break;
    }
    fv_ll_fault(f->m, "buffer %s has no place in the host program", b->name);
    return LLVMGetPoison(f->m->types.ptr);
}

static fv_ll_buf *describe(fv_ll_fn *f, const fv_buf *b, LLVMValueRef ptr) {
    fv_ll_buf *known = FV_NEW(f->m->arena, fv_ll_buf, 1);
    known->ptr = ptr;
    known->stride = FV_NEW(f->m->arena, LLVMValueRef, b->rank);
    LLVMValueRef step = fv_ll_int(f->m, 1);
    for (int i = b->rank - 1; i >= 0; i--) {
        known->stride[i] = step;
        if (i > 0)
            step = LLVMBuildMul(f->b, step, fv_ll_expr(f, b->extent[i]), "");
    }
    return known;
}

void fv_ll_add_buf(fv_ll_fn *f, const fv_buf *b, LLVMValueRef ptr) {
    *fv_ptrmap_at(&f->bufs, b) = describe(f, b, ptr);
}

/* The addresses and strides of b. Host programs seldom access buffers, so their strides are
 * computed at each access. */
static const fv_ll_buf *find_buf(fv_ll_fn *f, const fv_buf *b) {
    const fv_ll_buf *known = fv_ptrmap_get(&f->bufs, b);
    if (known)
        return known;
    if (f->host)
        return describe(f, b, fv_ll_host_buf(f, b));
    fv_ll_fault(f->m, "buffer %s is not known", b->name);
    return describe(f, b, LLVMGetPoison(f->m->types.ptr));
}

/* ---- addresses ---- */

/* The integer without the constants on the right of its additions, which are added to *sum. */
static LLVMValueRef without_constants(LLVMValueRef x, int64_t *sum) {
    while (LLVMIsAInstruction(x) && LLVMGetInstructionOpcode(x) == LLVMAdd &&
           LLVMIsAConstantInt(LLVMGetOperand(x, 1))) {
        *sum += LLVMConstIntGetSExtValue(LLVMGetOperand(x, 1));
        x = LLVMGetOperand(x, 0);
    }
    return x;
}

/* The offset of the element from the first one, counted in elements; a vector if an index is one.
 * Constants that are added to indices are left out, and added to *apart. */
static LLVMValueRef linear_index(fv_ll_fn *f, const fv_buf *b, const fv_ll_buf *known,
                                 fv_expr *const *index, int64_t *apart) {
    LLVMValueRef sum = NULL;
    for (int i = 0; i < b->rank; i++) {
        LLVMValueRef at = fv_ll_expr(f, index[i]);
        int lanes = fv_ll_lanes_of(at);
        if (lanes == 1 && LLVMIsAConstantInt(known->stride[i])) {
            int64_t more = 0;
            at = without_constants(at, &more);
            *apart += more * LLVMConstIntGetSExtValue(known->stride[i]);
        }
        LLVMValueRef part = at;
        if (i < b->rank - 1)
            part = LLVMBuildMul(f->b, at, fv_ll_splat(f, known->stride[i], lanes), "");
        if (!sum) {
            sum = part;
            continue;
        }
        int wide = fv_ll_lanes_of(sum) > lanes ? fv_ll_lanes_of(sum) : lanes;
        if (fv_ll_lanes_of(sum) < wide)
            sum = fv_ll_splat(f, sum, wide);
        if (lanes < wide)
            part = fv_ll_splat(f, part, wide);
        sum = LLVMBuildAdd(f->b, sum, part, "");
    }
    return sum ? sum : fv_ll_int(f->m, 0);
}

/* Adds constants last, so that elements at a constant distance, as the pixels of a tile, have one
 * address in registers. LLVM would make one for each of 14 pixels: VGG-19 would take 1.05 of its
 * time, ResNet-50 1.03 (Granite Rapids). */
LLVMValueRef fv_ll_address(fv_ll_fn *f, const fv_buf *b, fv_expr *const *index) {
    const fv_ll_buf *known = find_buf(f, b);
    LLVMTypeRef step = fv_ll_mem_type(f->m, (fv_elem)b->elem, b->lanes);
    int64_t apart = 0;
    LLVMValueRef at = linear_index(f, b, known, index, &apart);
    LLVMValueRef p = LLVMBuildGEP2(f->b, step, known->ptr, &at, 1, "");
    if (!apart)
        return p;
    at = fv_ll_int(f->m, apart);
    return LLVMBuildGEP2(f->b, step, p, &at, 1, "");
}

/* The alignment of an access in bytes. Vectors of tiles are aligned as a whole, since we allocate
 * them. */
static unsigned alignment(const fv_buf *b, int lanes) {
    unsigned bytes = (unsigned)fv_elem_storage_bytes((fv_elem)b->elem);
    return b->role == FV_BUF_TILE && lanes == b->lanes ? bytes * b->lanes : bytes;
}

/* The alignment of a load. In code for constants at any address, a buffer that the kernel only
 * reads may be such a constant, so nothing is assumed about its address. */
static unsigned load_alignment(const fv_ll_fn *f, const fv_buf *b, int lanes) {
    bool constant = b->role == FV_BUF_IN || b->role == FV_BUF_CONST;
    return constant && f->m->mode.unaligned ? 1 : alignment(b, lanes);
}

/* ---- values in memory ---- */

static LLVMValueRef from_memory(fv_ll_fn *f, fv_elem e, LLVMValueRef x) {
    if (e != FV_BOOL)
        return x;
    return LLVMBuildICmp(f->b, LLVMIntNE, x, LLVMConstNull(LLVMTypeOf(x)), "");
}

static LLVMValueRef to_memory(fv_ll_fn *f, fv_elem e, LLVMValueRef x) {
    if (e != FV_BOOL)
        return x;
    return LLVMBuildZExt(f->b, x, fv_ll_lanes(f->m->types.i8, fv_ll_lanes_of(x)), "");
}

static LLVMValueRef load_at(fv_ll_fn *f, const fv_buf *b, LLVMValueRef ptr, int lanes) {
    LLVMTypeRef type = fv_ll_mem_type(f->m, (fv_elem)b->elem, lanes);
    LLVMValueRef v = LLVMBuildLoad2(f->b, type, ptr, "");
    LLVMSetAlignment(v, load_alignment(f, b, lanes));
    return from_memory(f, (fv_elem)b->elem, v);
}

static void store_at(fv_ll_fn *f, const fv_buf *b, LLVMValueRef ptr, LLVMValueRef x) {
    unsigned align = alignment(b, fv_ll_lanes_of(x));
    LLVMValueRef s = LLVMBuildStore(f->b, to_memory(f, (fv_elem)b->elem, x), ptr);
    LLVMSetAlignment(s, align);
}

/* A masked intrinsic; argument `at` is the address, which is a multiple of `align`. Before LLVM 22
 * the alignment is a separate argument, after the address. */
static LLVMValueRef masked(fv_ll_fn *f, unsigned align, const char *name, LLVMTypeRef *types,
                           int at, LLVMValueRef *args) {
#if LLVM_VERSION_MAJOR >= 22
    LLVMValueRef call = fv_ll_intrinsic(f, name, 2, types, 3, args);
    LLVMSetInstrParamAlignment(call, (LLVMAttributeIndex)at + 1, align);
    return call;
#else
    LLVMValueRef all[4];
    for (int i = 0; i < 3; i++)
        all[i <= at ? i : i + 1] = args[i];
    all[at + 1] = LLVMConstInt(f->m->types.i32, align, 0);
    return fv_ll_intrinsic(f, name, 2, types, 4, all);
#endif
}

/* ---- loads ---- */

static LLVMValueRef masked_load(fv_ll_fn *f, const fv_buf *b, LLVMValueRef ptr, LLVMValueRef mask,
                                LLVMValueRef otherwise) {
    bool gathers = fv_ll_lanes_of(ptr) > 1;
    LLVMValueRef other = to_memory(f, (fv_elem)b->elem, otherwise);
    LLVMTypeRef types[] = {LLVMTypeOf(other), LLVMTypeOf(ptr)};
    LLVMValueRef args[] = {ptr, mask, other};
    const char *name = gathers ? "llvm.masked.gather" : "llvm.masked.load";
    return from_memory(f, (fv_elem)b->elem,
                       masked(f, load_alignment(f, b, 1), name, types, 0, args));
}

/* ---- loads of elements at constant distances ---- */

/* The lanes of two vectors, or of one and NULL, as `lane` says: those of b follow those of a. */
static LLVMValueRef shuffled(fv_ll_fn *f, LLVMValueRef a, LLVMValueRef b, int n, const int *lane) {
    LLVMValueRef at[256];
    for (int i = 0; i < n; i++)
        at[i] = lane[i] < 0 ? LLVMGetUndef(f->m->types.i32)
                            : LLVMConstInt(f->m->types.i32, (unsigned)lane[i], 0);
    return LLVMBuildShuffleVector(f->b, a, b ? b : LLVMGetUndef(LLVMTypeOf(a)),
                                  LLVMConstVector(at, (unsigned)n), "");
}

/* The mask for vector `part`: c for the elements that are lanes of the gather, false for others. */
static LLVMValueRef mask_of_part(fv_ll_fn *f, const fv_picked *p, int part, LLVMValueRef c) {
    int lane[256];
    for (int i = 0; i < p->length; i++)
        lane[i] = p->lanes;
    for (int i = 0; i < p->lanes; i++)
        if (p->part[i] == part)
            lane[p->at[i] - p->from[part]] = i;
    return shuffled(f, c, LLVMConstNull(LLVMTypeOf(c)), p->length, lane);
}

/* Emits the load x as vectors of consecutive elements, from which the lanes are taken. c: the lanes
 * that may be accessed; NULL: all. */
static LLVMValueRef picked(fv_ll_fn *f, const fv_expr *x, const fv_picked *p, LLVMValueRef c) {
    const fv_buf *b = x->u.buf;
    LLVMTypeRef step = fv_ll_mem_type(f->m, (fv_elem)b->elem, 1);
    LLVMValueRef first = fv_ll_address(f, b, p->index), all = NULL;
    for (int part = 0; part < p->parts; part++) {
        LLVMValueRef at = fv_ll_int(f->m, p->from[part]), v;
        LLVMValueRef ptr = LLVMBuildGEP2(f->b, step, first, &at, 1, "");
        LLVMTypeRef type = fv_ll_type(f->m, fv_kt((fv_elem)x->type.elem, p->length));
        v = c ? masked_load(f, b, ptr, mask_of_part(f, p, part, c), LLVMGetUndef(type))
              : load_at(f, b, ptr, p->length);
        int lane[256];
        for (int i = 0; i < p->lanes; i++) {
            const int in = p->at[i] - p->from[part], before = part > 1 ? i : p->at[i];
            lane[i] = p->part[i] > part    ? -1
                      : p->part[i] == part ? (part ? p->length : 0) + in
                                           : before;
        }
        if (part || p->parts == 1)
            all = shuffled(f, part ? all : v, part ? v : NULL, p->lanes, lane);
        else
            all = v;
    }
    return all;
}

/* Emits a load under a scalar condition as a branch, so that memory is not accessed if the
 * condition is false. */
static LLVMValueRef branched_load(fv_ll_fn *f, const fv_buf *b, LLVMValueRef ptr, LLVMValueRef c,
                                  LLVMValueRef otherwise, int lanes) {
    LLVMBasicBlockRef from = LLVMGetInsertBlock(f->b);
    LLVMBasicBlockRef inside = fv_ll_block(f, "inside"), next = fv_ll_block(f, "guarded");
    fv_ll_branch(f, c, inside, next);
    fv_ll_at(f, inside);
    LLVMValueRef v = load_at(f, b, ptr, lanes);
    LLVMBuildBr(f->b, next);
    fv_ll_at(f, next);
    LLVMValueRef phi = LLVMBuildPhi(f->b, LLVMTypeOf(v), "");
    LLVMAddIncoming(phi, &v, &inside, 1);
    LLVMAddIncoming(phi, &otherwise, &from, 1);
    return phi;
}

static LLVMValueRef all_true(fv_ll_fn *f, int lanes) {
    return LLVMConstAllOnes(fv_ll_lanes(f->m->types.i1, lanes));
}

static LLVMValueRef gather(fv_ll_fn *f, const fv_expr *x, LLVMValueRef ptr) {
    int lanes = x->type.lanes;
    return masked_load(f, x->u.buf, ptr, all_true(f, lanes),
                       LLVMGetUndef(fv_ll_type(f->m, x->type)));
}

static LLVMValueRef guarded(fv_ll_fn *f, const fv_expr *x, LLVMValueRef ptr) {
    const fv_buf *b = x->u.buf;
    /* one condition for all lanes becomes a branch; a masked load from an invalid address would be
     * very slow */
    const fv_expr *cond = x->arg[b->rank];
    LLVMValueRef c = fv_ll_expr(f, cond->op == FV_X_SPLAT ? cond->arg[0] : cond);
    LLVMValueRef otherwise = fv_ll_expr(f, x->arg[b->rank + 1]);
    if (fv_ll_lanes_of(otherwise) < x->type.lanes)
        otherwise = fv_ll_splat(f, otherwise, x->type.lanes);
    if (fv_ll_lanes_of(c) > 1)
        return masked_load(f, b, ptr, c, otherwise);
    if (fv_ll_lanes_of(ptr) > 1)
        return masked_load(f, b, ptr, fv_ll_splat(f, c, x->type.lanes), otherwise);
    return branched_load(f, b, ptr, c, otherwise, x->type.lanes);
}

/* Has the target loads under a mask? Elsewhere each lane would be a branch. */
static bool has_masked_loads(const fv_ll_fn *f, const fv_buf *b) {
    const bool bytes = fv_elem_storage_bytes((fv_elem)b->elem) < 4;
    return fv_target_has(f->m->target, FV_FEATURE_avx2) &&
           (!bytes || f->m->target->vector_bits > 256);
}

/* Emits a guarded load of such elements; lanes whose condition is false get the alternative. */
static LLVMValueRef guarded_picks(fv_ll_fn *f, const fv_expr *x, const fv_picked *p) {
    LLVMValueRef c = fv_ll_expr(f, x->arg[x->u.buf->rank]);
    LLVMValueRef otherwise = fv_ll_expr(f, x->arg[x->u.buf->rank + 1]);
    if (fv_ll_lanes_of(c) < x->type.lanes)
        c = fv_ll_splat(f, c, x->type.lanes);
    if (fv_ll_lanes_of(otherwise) < x->type.lanes)
        otherwise = fv_ll_splat(f, otherwise, x->type.lanes);
    return LLVMBuildSelect(f->b, c, picked(f, x, p, c), otherwise, "");
}

LLVMValueRef fv_ll_load(fv_ll_fn *f, const fv_expr *x) {
    fv_picked p;
    if (x->type.lanes > 1 && fv_x_picks(f->m->arena, x, &p)) {
        if (x->op == FV_X_LOAD)
            return picked(f, x, &p, NULL);
        if (p.ascends && has_masked_loads(f, x->u.buf))
            return guarded_picks(f, x, &p);
    }
    LLVMValueRef ptr = fv_ll_address(f, x->u.buf, x->arg);
    if (x->op == FV_X_GUARD)
        return guarded(f, x, ptr);
    if (fv_ll_lanes_of(ptr) > 1)
        return gather(f, x, ptr);
    return load_at(f, x->u.buf, ptr, x->type.lanes);
}

/* ---- stores ---- */

static void masked_store(fv_ll_fn *f, const fv_buf *b, LLVMValueRef ptr, LLVMValueRef x,
                         LLVMValueRef mask) {
    bool scatters = fv_ll_lanes_of(ptr) > 1; /* lanes are stored in order */
    LLVMValueRef v = to_memory(f, (fv_elem)b->elem, x);
    LLVMTypeRef types[] = {LLVMTypeOf(v), LLVMTypeOf(ptr)};
    LLVMValueRef args[] = {v, ptr, mask};
    masked(f, alignment(b, 1), scatters ? "llvm.masked.scatter" : "llvm.masked.store", types, 1,
           args);
}

static void branched_store(fv_ll_fn *f, const fv_buf *b, LLVMValueRef ptr, LLVMValueRef x,
                           LLVMValueRef c) {
    LLVMBasicBlockRef inside = fv_ll_block(f, "store"), next = fv_ll_block(f, "stored");
    fv_ll_branch(f, c, inside, next);
    fv_ll_at(f, inside);
    store_at(f, b, ptr, x);
    LLVMBuildBr(f->b, next);
    fv_ll_at(f, next);
}

void fv_ll_store(fv_ll_fn *f, const fv_stmt *s) {
    const fv_buf *b = s->buf;
    LLVMValueRef ptr = fv_ll_address(f, b, s->index);
    LLVMValueRef x = fv_ll_expr(f, s->x);
    LLVMValueRef mask = s->mask ? fv_ll_expr(f, s->mask) : NULL;
    int lanes = fv_ll_lanes_of(ptr);
    if (lanes > 1) {
        if (fv_ll_lanes_of(x) < lanes)
            x = fv_ll_splat(f, x, lanes);
        if (mask && fv_ll_lanes_of(mask) < lanes)
            mask = fv_ll_splat(f, mask, lanes);
        masked_store(f, b, ptr, x, mask ? mask : all_true(f, lanes));
        return;
    }
    if (!mask)
        store_at(f, b, ptr, x);
    else if (fv_ll_lanes_of(mask) > 1)
        masked_store(f, b, ptr, x, mask);
    else
        branched_store(f, b, ptr, x, mask);
}

void fv_ll_prefetch_at(fv_ll_fn *f, LLVMValueRef ptr, int cache) {
    LLVMTypeRef type = LLVMTypeOf(ptr);
    LLVMValueRef args[] = {ptr, LLVMConstInt(f->m->types.i32, 0, 0),
                           /* 0: for reading; the locality; 1: the data cache */
                           LLVMConstInt(f->m->types.i32, 4 - (unsigned)cache, 0),
                           LLVMConstInt(f->m->types.i32, 1, 0)};
    fv_ll_intrinsic(f, "llvm.prefetch", 1, &type, 4, args);
}

void fv_ll_prefetch(fv_ll_fn *f, const fv_stmt *s) {
    fv_ll_prefetch_at(f, fv_ll_address(f, s->buf, s->index), s->cache);
}

/* ---- tiles ---- */

static void fill_at(fv_ll_fn *f, const fv_buf *b, LLVMValueRef base, LLVMValueRef at,
                    LLVMValueRef x) {
    LLVMTypeRef step = fv_ll_mem_type(f->m, (fv_elem)b->elem, b->lanes);
    store_at(f, b, LLVMBuildGEP2(f->b, step, base, &at, 1, ""), x);
}

/* The number of elements of a tile of n elements that an iteration of fill_loop stores together. */
static int filled_together(const fv_ll_fn *f, const fv_buf *b, int64_t n) {
    int lanes = f->m->target->vector_bits / (8 * fv_elem_storage_bytes((fv_elem)b->elem));
    return b->lanes == 1 && lanes > 1 && n % lanes == 0 ? lanes : 1;
}

static void fill_loop(fv_ll_fn *f, const fv_buf *b, LLVMValueRef base, int64_t n, LLVMValueRef x) {
    const int together = filled_together(f, b, n);
    LLVMBasicBlockRef from = LLVMGetInsertBlock(f->b);
    LLVMBasicBlockRef body = fv_ll_block(f, "fill"), next = fv_ll_block(f, "filled");
    if (together > 1)
        x = fv_ll_splat(f, x, together);
    LLVMBuildBr(f->b, body);
    fv_ll_at(f, body);
    LLVMValueRef at = LLVMBuildPhi(f->b, f->m->types.i64, ""), zero = fv_ll_int(f->m, 0);
    fill_at(f, b, base, at, x);
    LLVMValueRef up = LLVMBuildAdd(f->b, at, fv_ll_int(f->m, together), "");
    LLVMAddIncoming(at, &zero, &from, 1);
    LLVMAddIncoming(at, &up, &body, 1);
    LLVMValueRef more = LLVMBuildICmp(f->b, LLVMIntSLT, up, fv_ll_int(f->m, n), "");
    fv_ll_branch(f, more, body, next);
    fv_ll_at(f, next);
}

/* Sets `bytes` bytes to 0, without a call of memset. */
static void zero_bytes(fv_ll_fn *f, LLVMValueRef base, int64_t bytes) {
    LLVMTypeRef types[] = {f->m->types.ptr, f->m->types.i64};
    LLVMValueRef args[] = {base, LLVMConstInt(f->m->types.i8, 0, 0), fv_ll_int(f->m, bytes),
                           LLVMConstInt(f->m->types.i1, 0, 0)};
    fv_ll_intrinsic(f, "llvm.memset.inline", 2, types, 4, args);
}

void fv_ll_tile(fv_ll_fn *f, const fv_stmt *s) {
    const fv_buf *b = s->buf;
    int64_t n = 1, extent;
    for (int i = 0; i < b->rank; i++)
        n *= fv_x_is_int(b->extent[i], &extent) ? extent : 0;
    LLVMTypeRef elem = fv_ll_mem_type(f->m, (fv_elem)b->elem, b->lanes);
    LLVMTypeRef type = b->rank ? LLVMArrayType(elem, (unsigned)n) : elem;
    LLVMValueRef base = fv_ll_alloca(f, type, b->name);
    const int64_t bytes = n * fv_elem_storage_bytes((fv_elem)b->elem) * b->lanes;
    bool runs = bytes >= FV_BUFFER_ALIGN;
    LLVMSetAlignment(base, runs ? FV_BUFFER_ALIGN : alignment(b, b->lanes));
    fv_ll_add_buf(f, b, base);
    if (!s->x || n == 0)
        return;
    LLVMValueRef x = fv_ll_expr(f, s->x);
    if (fv_ll_lanes_of(x) < b->lanes)
        x = fv_ll_splat(f, x, b->lanes);
    if (LLVMIsNull(x) && bytes <= STRAIGHT_ZEROS) {
        zero_bytes(f, base, bytes);
        return;
    }
    if (n > STRAIGHT_FILL) {
        fill_loop(f, b, base, n, x);
        return;
    }
    for (int64_t i = 0; i < n; i++)
        fill_at(f, b, base, fv_ll_int(f->m, i), x);
}
