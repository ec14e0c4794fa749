/* Predictions of times: instructions and transfers of small kernels, computed by hand and by the
 * model, for a core with simple numbers. */
#include <criterion/criterion.h>

#include "backend/cost/instructions.h"
#include "backend/cost/predict.h"
#include "backend/cost/transfers.h"
#include "ir/kernel/parse.h"
#include "tests/kernel/support.h"

TestSuite(predict, .init = open_session, .fini = close_session);

static const fv_speeds core = {.vector.bytes = 32,
                               .ghz = 1,
                               .multiplies = 2,
                               .vectors = 4,
                               .loads = 2,
                               .stores = 1,
                               .instructions = 6,
                               .divider = {4, 5},
                               .beyond = {32, 16, 4},
                               .misses = 6,
                               .latency = {12, 60, 300},
                               .capacity = {32 << 10, 512 << 10, 32 << 20},
                               .memory_all = 6,
                               .region = 1000};

static fv_prediction predict_for(const char *target, const char *text, int64_t n, int threads,
                                 fv_residence is) {
    const char *why = "";
    fv_kernel *k = fv_kernel_parse(arena, text);
    const fv_target *t = fv_target_read(arena, target, &why);
    cr_assert(k && t, "%s%s", said(), why);
    int64_t dims[] = {n, n};
    fv_residence where[] = {is, is, is, is};
    return fv_predict_kernel(arena, k, dims, t, &core, threads, where);
}

static fv_prediction predict(const char *text, int64_t n, int threads, fv_residence is) {
    return predict_for("x86-64-v3", text, n, threads, is);
}

/* Cycles of all instructions of the first loop of an expanded kernel, and of its chain. */
static double chain_of(const char *text) {
    fv_kernel *k = fv_kernel_parse(arena, text);
    cr_assert(k, "%s", said());
    fv_instruction_counter c = fv_instruction_counter_new(arena, fv_target_find("x86-64-v3"), k);
    const fv_stmt *s = k->body.first;
    while (s->kind != FV_S_FOR)
        s = s->next;
    return fv_chain_cycles(&c, &s->body);
}

/* The instructions inside the innermost loop of a kernel that has one loop. */
static fv_instructions inside_of(const char *text, const fv_target *t) {
    fv_kernel *k = fv_kernel_parse(arena, text);
    cr_assert(k, "%s", said());
    fv_instruction_counter c = fv_instruction_counter_new(arena, t, k);
    fv_instructions inside = {0}, before = {0};
    const fv_stmt *s = k->body.first;
    while (s->kind != FV_S_FOR)
        s = s->next;
    c.depth = 1;
    c.loop = s;
    fv_instruction_bind(&c, s->var, 1);
    for (s = s->body.first; s; s = s->next)
        fv_count_instructions(&c, s, &inside, &before);
    return inside;
}

static const char sum[] = "kernel f(A: f32[n], out C: f32[1]; n) {\n  tile s: f32 = 0.0\n"
                          "  for k < n {\n    s = s + A[k]\n  }\n  C[0] = s\n}";
static const char copy[] = "kernel f(A: f32[n], out C: f32[n]; n) {\n  parallel i < n floordiv 512 "
                           "{\n    vector j < 512 {\n      C[i * 512 + j] = A[i * 512 + j] * 2.0\n"
                           "    }\n  }\n}";

Test(predict, a_chain_takes_its_latency) {
    cr_expect_eq(chain_of(sum), 3);
    cr_expect_eq(
        chain_of("kernel f(A: f32[n], out C: f32[1]; n) {\n  tile s: f32 = 0.0\n  for k < n "
                 "{\n    s = fma(A[k], 2.0, s)\n    s = s + 1.0\n  }\n  C[0] = s\n}"),
        7);
    cr_expect_eq(
        chain_of("kernel f(A: f32[n], out C: f32[n]; n) {\n  for k < n {\n    tile s: f32 = "
                 "0.0\n    s = s + A[k]\n    C[k] = s\n  }\n}"),
        0, "the sum begins anew in each iteration");
}

/* The upper half of a register is moved before it can be added: 3 cycles, or 1 within 16 bytes. */
Test(predict, parts_of_registers_are_moved) {
    cr_expect_eq(chain_of("kernel f(A: f32[n], out C: f32[8]; n) {\n  tile s: f32[8] = 0.0\n"
                          "  for k < n {\n    s[0:4] = s[0:4] + s[4:4]\n  }\n"
                          "  C[0:8] = s[0:8]\n}"),
                 6);
    cr_expect_eq(chain_of("kernel f(A: f32[n], out C: f32[8]; n) {\n  tile s: f32[8] = 0.0\n"
                          "  for k < n {\n    s[0:2] = s[0:2] + s[2:2]\n  }\n"
                          "  C[0:8] = s[0:8]\n}"),
                 4);
}

/* Where a unit works on half of a vector at a time, loads, operations and stores of halves and of
 * elements take half of its time, and are whole instructions all the same. */
Test(predict, halves_of_vectors) {
    static const char text[] = "kernel f(A: f32[n], out C: f32[n]; n) {\n  for k < n {\n"
                               "    C[k] = A[k] * 2.0\n  }\n}";
    const fv_target *v4 = fv_target_find("x86-64-v4");
    fv_instructions one = inside_of(text, fv_target_for(arena, v4, FV_PROCESSOR_zen5)),
                    half = inside_of(text, fv_target_for(arena, v4, FV_PROCESSOR_zen4));
    cr_expect(one.loads == 1 && one.stores == 1 && one.multiplies == 1 && one.vectors == 1);
    cr_expect(half.loads == 0.5 && half.stores == 0.5);
    cr_expect(half.multiplies == 0.5 && half.vectors == 0.5);
    cr_expect_eq(half.vectors + half.loads / 2 + half.stores + half.integers,
                 one.vectors + one.loads / 2 + one.stores + one.integers);
}

/* A word of four bytes is copied to all lanes by the load that reads it, as an f32 is. */
Test(predict, loads_copy_words_to_all_lanes) {
    fv_instructions n =
        inside_of("kernel f(A: u8[n], B: i32[n], out C: i32[n]; n) {\n  for k < n {\n"
                  "    let a = bits_i32(A[k * 4:4])\n"
                  "    C[k * 8:8] = B[k * 8:8] + splat8(a)\n  }\n}",
                  fv_target_find("x86-64-v3"));
    cr_expect_eq(n.vectors, 1);
    cr_expect_eq(n.loads, 2);
}

/* What a loop does not store is loaded, and divided, once before the loop. */
Test(predict, a_loop_computes_only_what_varies) {
    const fv_target *v3 = fv_target_find("x86-64-v3");
    cr_expect_eq(inside_of("kernel f(A: f32[n], out C: f32[n]; n, m) {\n  tile s: f32[4] = 2.0\n"
                           "  for k < n {\n    C[k] = A[k] * (1.0 / s[m])\n  }\n}",
                           v3)
                     .divisions,
                 0);
    cr_expect_eq(inside_of("kernel f(A: f32[n], out C: f32[n]; n, m) {\n  tile s: f32[4] = 2.0\n"
                           "  for k < n {\n    C[k] = A[k] * (1.0 / s[m])\n"
                           "    s[m] = C[k]\n  }\n}",
                           v3)
                     .divisions,
                 1);
}

Test(predict, the_busiest_unit_decides) {
    fv_instructions n = {.vectors = 12, .multiplies = 8, .loads = 4, .stores = 1};
    cr_expect_eq(fv_instruction_cycles(&n, &core), 4); /* 12 of at most 3 a cycle */
    n.loads = 10;
    cr_expect_eq(fv_instruction_cycles(&n, &core), 5);
    n.divisions = 2;
    cr_expect_eq(fv_instruction_cycles(&n, &core), 8);
    n.integers = 60;
    cr_expect_eq(fv_instruction_cycles(&n, &core), (12 + 5 + 1 + 60) / 6.0);
}

Test(predict, computing_is_proportional) {
    fv_prediction one = predict(sum, 1000, 1, FV_IN_L2), ten = predict(sum, 10000, 1, FV_IN_L2);
    cr_assert(one.known && ten.known);
    cr_expect(ten.computing > 9 * one.computing && ten.computing < 10.5 * one.computing);
    cr_expect_float_eq(ten.computing, 1e-6 * 30000, 1e-6 * 100);
}

/* A product of 64 rows by panels of 8 columns: tasks are panels of a block of 16 rows. */
static const char blocks[] =
    "kernel f(A: f32[64, 256], B: f32[n, 256, 8], out C: f32[64, n, 8]; n) {\n"
    "  parallel t < n * 4 {\n    for i < 16 {\n      tile s: f32[8] = 0.0\n"
    "      for k < 256 {\n        vector j < 8 {\n"
    "          s[j] = fma(A[t floordiv n * 16 + i, k], B[t mod n, k, j], s[j])\n        }\n"
    "      }\n      vector j < 8 {\n        C[t floordiv n * 16 + i, t mod n, j] = s[j]\n"
    "      }\n    }\n  }\n}";

/* Each thread reads the panels of its tasks into the cache of its core; memory is read once. */
Test(predict, threads_move_their_own_copies) {
    const double panel = 8192, rows = 64 * 1024;
    fv_prediction one = predict(blocks, 4, 1, FV_IN_MEMORY),
                  two = predict(blocks, 4, 2, FV_IN_MEMORY),
                  all = predict(blocks, 4, 16, FV_IN_MEMORY);
    const double result = 64 * 4 * 32;
    cr_assert(one.known && all.known);
    cr_expect_float_eq(one.into_cores, 4 * panel + rows + result, 1);
    cr_expect_float_eq(two.into_cores, 2 * 4 * panel + rows + result, 1);
    cr_expect_float_eq(all.into_cores, 16 * panel + 4 * rows + result, 1);
    cr_expect_float_eq(all.from_memory, one.from_memory, 1);
}

Test(predict, waiting_for_memory) {
    const int64_t n = 1 << 20; /* 4 MiB are read; as many are written, which are read before */
    double cycles = (double)n * (4 / 4.0 + 8 / 6.0); /* 4 bytes a cycle, 6 in both directions */
    fv_prediction far = predict(copy, n, 1, FV_IN_MEMORY), near = predict(copy, n, 1, FV_IN_L3);
    cr_expect_float_eq(far.computing + far.waiting, 1e-6 * cycles, 0.1 * far.ms);
    cr_expect(near.ms < far.ms / 2);
    cr_expect_eq(near.computing, far.computing);
    cr_expect(predict(copy, 4096, 1, FV_IN_L2).ms < predict(copy, 4096, 1, FV_IN_MEMORY).ms);
}

Test(predict, threads_share_tasks_and_memory) {
    const int64_t n = 1 << 20;
    fv_prediction one = predict(copy, n, 1, FV_IN_MEMORY), two = predict(copy, n, 2, FV_IN_MEMORY);
    cr_expect_float_eq(two.computing, one.computing / 2, 1e-3 * one.computing);
    cr_expect(two.ms > 0.6 * one.ms, "memory is not twice as fast");
    cr_expect(predict(copy, 512, 2, FV_IN_L2).ms > 1e-6 * core.region, "a region begins");
}

Test(predict, what_a_cache_holds_is_moved_once) {
    fv_moved body = {0}, loop = {0};
    fv_moved_access(&body, &(fv_cost_access){.bytes = 1024, .loops = 2}); /* of loop 1 only */
    body.during[0] = body.during[1] = body.during[2] = 10;
    fv_moved_repeat(&loop, &body, 100, 1, 64 << 10, -1, &core);
    cr_expect_eq(loop.touched, 1024);
    cr_expect_eq(loop.bytes[0], 102400, "the first cache does not hold 64 KiB");
    cr_expect_eq(loop.during[0], 1000);
    cr_expect_eq(loop.bytes[1], 1024);
    cr_expect_eq(loop.during[1], 10);
    fv_moved_repeat(&loop, &body, 100, 2, 64 << 10, 50000, &core);
    cr_expect_eq(loop.touched, 50000, "the size of the buffer");
    cr_expect_eq(loop.bytes[1], 1024 + 102400);
    fv_moved_end(&loop, 50000, 1, 50000, &core);
    cr_expect_eq(loop.bytes[1], 50000);
}

/* 100 iterations that access 50000 bytes together, 1024 each, and are so many bytes apart. */
Test(predict, iterations_that_overlap) {
    const double apart[] = {64 << 10, 1 << 20}, moved[] = {50000, 102400};
    for (int i = 0; i < 2; i++) {
        fv_moved body = {0}, loop = {0};
        fv_moved_access(&body, &(fv_cost_access){.bytes = 1024, .loops = 2});
        fv_moved_repeat(&loop, &body, 100, 2, apart[i], 50000, &core);
        fv_moved_end(&loop, 100 * apart[i], 1, 50000, &core);
        cr_expect_float_eq(loop.bytes[1], moved[i], 1e-6, "%g apart", apart[i]);
    }
}

/* The bytes that 40 tasks move into the second-level cache, of a buffer of `size` bytes of which a
 * task accesses 1 KiB, and 100 KiB of all buffers. */
static double moved_by_tasks(fv_task_order order, double size) {
    fv_moved body = {0}, loop = {0};
    fv_moved_access(&body, &(fv_cost_access){.bytes = 1024, .loops = 1, .order = order});
    for (int i = 0; i < 4; i++) /* a walk that follows the number of the task adds parts */
        fv_moved_repeat(&loop, &body, 10, 1, 100 << 10, size, &core);
    fv_moved_end(&loop, 4000 << 10, 1, size, &core);
    return loop.bytes[1];
}

Test(predict, tasks_find_what_earlier_ones_moved) {
    const fv_task_order quotient = {10, 10, false}, remainder = {1, 1, true}, each = {1, 1, false};
    cr_expect_eq(moved_by_tasks(quotient, 4 << 10), 4 << 10, "task floordiv 10");
    cr_expect_eq(moved_by_tasks(remainder, 4 << 10), 4 << 10, "task mod 4: 400 KiB later");
    cr_expect_eq(moved_by_tasks(remainder, 10 << 10), 40 << 10, "task mod 10: 1000 KiB later");
    cr_expect_eq(moved_by_tasks(each, 40 << 10), 40 << 10);
}

/* Rows of an image whose windows overlap: the next row finds what the one before it moved, if the
 * cache holds a row, although it does not hold the image. */
Test(predict, neighbouring_rows_overlap) {
    const fv_task_order near = {1, 5, true}, far = {1, 6, true};
    cr_expect_eq(moved_by_tasks(near, 10 << 10), 10 << 10, "5 tasks of 100 KiB");
    cr_expect_eq(moved_by_tasks(far, 10 << 10), 40 << 10, "6 tasks of 100 KiB");
    cr_expect_eq(fv_order_of_both((fv_task_order){1, 1, true}, (fv_task_order){5, 5, false}).most,
                 5);
}

/* Panels of 128 bytes a step are consecutive memory, although a step is longer than a line. */
Test(predict, rows_of_two_lines_are_one_run) {
    static const char panels[] =
        "kernel f(A: f32[n, 32], out C: f32[1]; n) {\n  tile s: f32 = 0.0\n"
        "  for k < n {\n    s = s + A[k, 0] + A[k, 16]\n  }\n"
        "  C[0] = s\n}";
    fv_moved body = {0}, part = {0}, loop = {0};
    fv_moved_access(&body, &(fv_cost_access){.bytes = 128, .loops = 1, .along = {0, 1, 1, 1}});
    fv_moved_access(&part, &(fv_cost_access){.bytes = 64, .loops = 1, .along = {0, 1, 1, 1}});
    fv_moved_repeat(&loop, &body, 100, 1, 128, -1, &core);
    cr_expect_eq(loop.run, 12800);
    loop = (fv_moved){0};
    fv_moved_repeat(&loop, &part, 100, 1, 64, -1, &core);
    cr_expect_eq(loop.run, 64, "every second line");
    cr_expect(predict(panels, 4096, 1, FV_IN_MEMORY).known);
}

Test(predict, what_is_changed_in_place_is_moved_once) {
    fv_moved body = {0};
    fv_moved_access(&body, &(fv_cost_access){.bytes = 64});
    fv_moved_access(&body, &(fv_cost_access){.bytes = 64, .is_store = true});
    cr_expect_eq(body.bytes[1], 64);
    cr_expect(body.stored && body.loaded);
}

/* A loop that stores a line per 1000 multiplications stores while it multiplies. */
Test(predict, stores_overlap_with_the_next_iteration) {
    static const char rare[] = "kernel f(A: f32[64], out C: f32[n, 16]; n) {\n  for i < n {\n"
                               "    tile s: f32 = 0.0\n    for k < 64 {\n      s = fma(A[k], s, "
                               "2.0)\n    }\n    for j < 16 {\n      C[i, j] = s\n    }\n  }\n}";
    fv_prediction far = predict(rare, 4096, 1, FV_IN_L3), near = predict(rare, 4096, 1, FV_IN_L2);
    cr_expect(far.ms < 1.02 * near.ms, "%g and %g", far.ms, near.ms);
}

Test(predict, loads_delay_multiplications) {
    fv_speeds slow = core;
    fv_instructions n = {.vectors = 24, .multiplies = 24, .loads = 14};
    double before = fv_instruction_cycles(&n, &core);
    slow.load_delay = 0.25;
    cr_expect_eq(before, 12);
    cr_expect_eq(fv_instruction_cycles(&n, &slow), 12 + 14 * 0.25);
    n.multiplies = 0;
    cr_expect_eq(fv_instruction_cycles(&n, &slow), fv_instruction_cycles(&n, &core));
}

/* The delay is found from the loop of a tile, with eight loads for twelve multiplications. */
Test(predict, speeds_of_a_profile) {
    const char *why = "";
    const fv_target *t = fv_target_read(arena, "x86-64-v4", &why);
    fv_machine m = {.base = FV_PROCESSOR_sapphire_rapids,
                    .processor = *fv_processor_at(FV_PROCESSOR_sapphire_rapids)};
    m.measures[FV_MEASURE_vector_multiplies] = (fv_measure){.value = 2, .known = true};
    m.measures[FV_MEASURE_tile_multiplies] = (fv_measure){.value = 1.5, .known = true};
    m.measures[FV_MEASURE_last_level] = (fv_measure){.value = 1e8, .known = true};
    m.measures[FV_MEASURE_misses] = (fv_measure){.value = 20, .known = true};
    fv_speeds s = fv_speeds_of(fv_target_with_machine(arena, t, &m));
    cr_expect_float_eq(s.load_delay, 0.25, 1e-9);
    cr_expect_eq(s.capacity[2], 1e8);
    cr_expect_eq(s.misses, 20);
    fv_speeds plain = fv_speeds_of(fv_target_for(arena, t, FV_PROCESSOR_zen3));
    cr_expect_eq(plain.load_delay, 0, "the family does not state the loop of a tile");
    cr_expect_eq(plain.capacity[2], 16 << 20, "half of the cache");
}

/* Units of Zen 4 execute a vector of 64 bytes in two passes, those of Zen 5 in one. */
Test(predict, narrower_vectors) {
    const fv_target *v4 = fv_target_find("x86-64-v4"), *v3 = fv_target_find("x86-64-v3");
    fv_speeds wide = fv_speeds_of(fv_target_for(arena, v4, FV_PROCESSOR_zen4)),
              narrow = fv_speeds_of(fv_target_for(arena, v3, FV_PROCESSOR_zen4));
    cr_expect_eq(wide.multiplies, 1);
    cr_expect_eq(narrow.multiplies, 2);
    cr_expect_eq(narrow.loads, 2 * wide.loads);
    cr_expect_eq(narrow.stores, 2 * wide.stores);
    cr_expect_eq(narrow.vectors, 2 * wide.vectors);
    cr_expect_eq(narrow.divider.division, wide.divider.division / 2);
    cr_expect_eq(narrow.instructions, wide.instructions);
    fv_speeds scalar =
        fv_speeds_of(fv_target_for(arena, fv_target_find("x86-64"), FV_PROCESSOR_zen4));
    cr_expect_eq(scalar.multiplies, 2, "vectors of 16 bytes take a pass, too");
    fv_speeds other = fv_speeds_of(fv_target_for(arena, v3, FV_PROCESSOR_zen5));
    cr_expect_eq(other.multiplies, 2);
    cr_expect_eq(fv_speeds_of(fv_target_for(arena, v4, FV_PROCESSOR_zen5)).multiplies, 2);
    cr_expect_eq(fv_speeds_of(fv_target_for(arena, v4, FV_PROCESSOR_zen5_mobile)).multiplies, 1);
    /* the clock follows from the multiply-adds of vectors of 64 bytes, whatever the target is */
    cr_expect_float_eq(fv_speeds_at(&wide, 2 * 16 * 3.5, 16, 0).ghz, 3.5, 1e-9);
    cr_expect_float_eq(fv_speeds_at(&narrow, 2 * 16 * 3.5, 16, 0).ghz, 3.5, 1e-9);
}

Test(predict, what_data_decide) {
    /* a search for the last position below 100, and a repair that is not needed */
    static const char search[] =
        "kernel f(A: f32[n], out C: f32[n]; n) {\n  tile last: i64 = 0\n  tile wrong: i64 = 0\n"
        "  for k = 0 to n step 64 {\n    tile seen: f32[1] = 0.0\n    if k < 100 {\n"
        "      seen[0] = 1.0\n    }\n    if A[k] < 0.0 {\n      wrong = 1\n    }\n"
        "    if 0.0 < seen[0] {\n      last = k + 64\n    }\n  }\n"
        "  if wrong == 0 {\n    for k < last {\n      C[k] = A[k] * A[k]\n    }\n  } else {\n"
        "    for k < n {\n      C[k] = exp(A[k])\n    }\n  }\n}";
    fv_prediction few = predict(search, 640, 1, FV_IN_L2), all = predict(search, 128, 1, FV_IN_L2);
    cr_assert(few.known);
    cr_expect(few.computing < 2 * all.computing, "128 elements are computed, not 640");
    cr_expect(predict(sum, 640, 1, FV_IN_L2).computing > 2 * few.computing);
}

/* A mask hides nothing, whichever of its values is the one that hides: so the maximum of a row is
 * not -inf, and the row is not computed again. */
Test(predict, masks_hide_nothing) {
    static const char *masks[] = {"select(M[k], f32(-inf), 0.0)", "select(M[k], 0.0, f32(-inf))",
                                  "select(!M[k], f32(-inf), 0.0)"};
    for (int i = 0; i < 3; i++) {
        const char *text = fv_printf(
            arena,
            "kernel f(A: f32[n], out C: f32[n], M: bool[n]; n) {\n  tile top: f32 = f32(-inf)\n"
            "  for k < n {\n    let x = %s\n    top = select(top < x, x, top)\n  }\n"
            "  if !(f32(-inf) < top) {\n    for k < n {\n      C[k] = exp(A[k])\n    }\n  }\n}",
            masks[i]);
        cr_expect_lt(predict(text, 640, 1, FV_IN_L2).computing, 640 * 5e-6, "%s %g", text,
                     predict(text, 640, 1, FV_IN_L2).computing / 640e-6);
    }
}

/* Where the condition of a guarded load is known to be false, its value is the other operand. */
Test(predict, guarded_loads) {
    static const char text[] =
        "kernel f(A: f32[n], out C: f32[n], S: i64[n]; n) {\n"
        "  if (S[0] if n < 100 else 0) != 0 {\n    for k < n {\n      C[k] = A[k]\n    }\n"
        "  } else {\n    for k < n {\n      C[k] = exp(A[k]) / A[k]\n    }\n  }\n}";
    double few = predict(text, 96, 1, FV_IN_L2).computing,
           many = predict(text, 960, 1, FV_IN_L2).computing;
    cr_expect_gt(many, 20 * few, "%g, %g", few, many);
}

/* Iterations that wait for their own results overlap, as many as the window of the core holds: a
 * sum of a few elements takes its latency only once. */
Test(predict, short_iterations_overlap) {
    static const char rows[] =
        "kernel f(A: f32[n, 8], out C: f32[n]; n) {\n  for i < n {\n    tile s: f32[1] = 0.0\n"
        "    for k < 8 {\n      s[0] = s[0] + A[i, k]\n    }\n    C[i] = s[0]\n  }\n}";
    static const char chained[] =
        "kernel f(A: f32[n, 8], out C: f32[n]; n) {\n  tile s: f32[1] = 0.0\n  for i < n {\n"
        "    for k < 8 {\n      s[0] = s[0] + A[i, k]\n    }\n    C[i] = s[0]\n  }\n}";
    double rows_ms = predict(rows, 1000, 1, FV_IN_L2).computing,
           chained_ms = predict(chained, 1000, 1, FV_IN_L2).computing;
    cr_expect_lt(rows_ms, 1000 * 8 * 3e-6, "less than the latency of 8 additions each: %g",
                 rows_ms);
    cr_expect_geq(chained_ms, 1000 * 8 * 3e-6, "each sum continues the one before: %g", chained_ms);
}

/* A load of more than what the iteration has just stored waits for the store to end. */
Test(predict, loads_wait_for_parts_that_were_stored) {
    static const char text[] =
        "kernel f(A: f32[n, 8], inout B: f32[n, 8], out C: f32[n, 8]; n) {\n  for i < n {\n"
        "    B[i, 0:%d] = A[i, 0:%d]\n    C[i, 0:8] = B[i, 0:8] * B[i, 0:8]\n  }\n}";
    double whole = predict(fv_printf(arena, text, 8, 8), 1000, 1, FV_IN_L2).computing,
           part = predict(fv_printf(arena, text, 4, 4), 1000, 1, FV_IN_L2).computing;
    cr_expect_gt(part, 5 * whole, "%g, %g", part, whole);
}

/* A load of 32 bytes at a multiple of 4 accesses two lines in 28 of 64 cases: four of them take
 * 5.75 accesses, two in a cycle. */
Test(predict, loads_of_two_lines) {
    static const char text[] =
        "kernel f(A: i32[n, %d], out C: i32[8]; n) {\n  tile s: i32x8[4] = splat8(0)\n"
        "  for i < n {\n    s[0] = max(s[0], A[i, 0:8])\n    s[1] = max(s[1], A[i, 8:8])\n"
        "    s[2] = max(s[2], A[i, 16:8])\n    s[3] = max(s[3], A[i, 24:8])\n  }\n"
        "  C[0:8] = s[0]\n}";
    double aligned = predict(fv_printf(arena, text, 32), 10000, 1, FV_IN_L2).computing,
           others = predict(fv_printf(arena, text, 33), 10000, 1, FV_IN_L2).computing;
    cr_expect_float_eq(others / aligned, 5.75 / 4, 0.01, "%g, %g", aligned, others);
}

/* What a block computes twice from the same values is computed once; not what it loads again from a
 * buffer to which it stores. */
Test(predict, repeated_operations) {
    static const char text[] = "kernel f(%s A: f32[n], out C: f32[n]; n) {\n  for k < n {\n"
                               "    let a = sqrt(A[k]) * 2.0\n    C[k] = a\n"
                               "    let b = sqrt(A[k]) * %s\n    C[k] = a + b\n  }\n}";
    const fv_target *t = fv_target_find("x86-64-v3");
    fv_instructions same = inside_of(fv_printf(arena, text, "", "2.0"), t),
                    half = inside_of(fv_printf(arena, text, "", "3.0"), t),
                    none = inside_of(fv_printf(arena, text, "inout", "2.0"), t);
    cr_expect(same.roots == 1 && same.multiplies == 1 && same.loads == 1);
    cr_expect(half.roots == 1 && half.multiplies == 2 && half.loads == 1);
    cr_expect(none.roots == 2 && none.multiplies == 2 && none.loads == 2);
}

Test(predict, a_slower_clock) {
    fv_speeds v3 =
        fv_speeds_of(fv_target_for(arena, fv_target_find("x86-64-v3"), FV_PROCESSOR_zen3));
    fv_speeds slow = fv_speeds_at(&v3, 16 * v3.multiplies, 8, 0);
    cr_expect_eq(slow.ghz, 1);
    cr_expect_float_eq(slow.beyond[2], v3.beyond[2] * v3.ghz, 1e-9, "memory is as fast as before");
    cr_expect_eq(slow.beyond[0], v3.beyond[0]);
}

/* A product of 32 rows, 32 columns and 1024 words: 2 x 2 instructions of 16 cycles for 16 words,
 * where the target has them; otherwise its loops. */
Test(predict, a_matrix_takes_the_time_of_its_instructions) {
    static const char matrix[] =
        "kernel f(A: u8[32, 4096], B: i8[1024, 128], out S: i32[32, 32]; n) {\n"
        "  for i < n { matrix { for r < 32 { for g < 2 { for c < 16 {\n"
        "    tile acc: i32 = 0\n"
        "    for q < 1024 { acc = dot_u8_i8(bits_i32(A[r, q * 4:4]), bits_i32(B[q, (g * 16 + c) * "
        "4:4]), "
        "acc) }\n"
        "    S[r, g * 16 + c] = acc\n"
        "  } } } } }\n"
        "}";
    fv_prediction one = predict_for("x86-64-v4+vnni+amx-int8", matrix, 1, 1, FV_IN_L2),
                  ten = predict_for("x86-64-v4+vnni+amx-int8", matrix, 10, 1, FV_IN_L2),
                  loops = predict_for("x86-64-v4+vnni", matrix, 1, 1, FV_IN_L2);
    cr_assert(one.known && ten.known && loops.known);
    cr_expect_float_eq(one.computing, 1e-6 * 4 * 16 * 64, 1e-6 * 200);
    cr_expect_float_eq(ten.computing, 10 * one.computing, 1e-6 * 500);
    cr_expect(loops.computing > 20 * one.computing, "scalar loops: %g", loops.computing);
}

/* The cycles of a statement whose number of rows is negative are those of its call. */
Test(predict, a_matrix_without_rows_takes_no_negative_time) {
    static const char matrix[] = "kernel f(A: u8[32, 64], B: i8[16, 64], out S: i32[32, 16]; n) {\n"
                                 "  matrix { for r < min(32, 10 - n) { for g < 1 { for c < 16 {\n"
                                 "    tile acc: i32 = 0\n"
                                 "    for q < 16 { acc = dot_u8_i8(bits_i32(A[r, q * 4:4]), "
                                 "bits_i32(B[q, c * 4:4]), acc) }\n"
                                 "    S[r, c] = acc\n"
                                 "  } } } }\n"
                                 "}";
    fv_prediction none = predict_for("x86-64-v4+amx-int8", matrix, 10, 1, FV_IN_L2),
                  below = predict_for("x86-64-v4+amx-int8", matrix, 100000, 1, FV_IN_L2);
    cr_assert(none.known && below.known);
    cr_expect(none.computing > 0);
    cr_expect_float_eq(below.computing, none.computing, 1e-9);
}

/* The bound of a launch: what it touches once, at the rate of the cache or of the memory. */
Test(predict, least_transfers) {
    const int64_t n = 1 << 20;
    const double bytes = 8.0 * (double)n;
    cr_expect_float_eq(predict(copy, n, 1, FV_IN_MEMORY).transfers, 1e-6 * bytes / 4, 1e-9);
    cr_expect_float_eq(predict(copy, n, 1, FV_IN_L3).transfers, 1e-6 * bytes / 16, 1e-9);
    cr_expect_eq(predict(copy, n, 1, FV_IN_L2).transfers, 0);
}

/* A filter of three taps over a tile of four rows: iterations of the taps access rows that the ones
 * before them did, and move the new row only. */
static const char taps[] =
    "kernel f(A: f32[n, 512], out C: f32[n, 512]; n) {\n  for i = 0 to n - 2 {\n"
    "    for k < 3 {\n      vector j < 512 {\n"
    "        C[i, j] = C[i, j] + A[i + k, j]\n      }\n    }\n  }\n}";

static fv_windows window(int64_t from, int64_t to, int64_t gap, int64_t step) {
    fv_windows w = {.are = FV_WINDOWS_KNOWN, .rank = 1, .axis = {{from, to, gap}}};
    cr_assert(fv_window_add(&w.axis[0], 1, step));
    return w;
}

Test(predict, windows_of_a_filter_overlap) {
    fv_windows w = window(0, 11, 1, 1), all = {0};
    cr_expect_eq(12 * fv_windows_trips(&w, 1, 0, 3), 14);
    cr_expect_eq(12 * fv_windows_trips(&w, 1, 3, 1), 1, "a further iteration");
    cr_expect_eq(fv_windows_trips(&w, 2, 0, 3), 3, "another loop");
    fv_windows_repeat(&all, &w, 1, 0, 3);
    cr_expect(all.axis[0].to == 13 && all.axis[0].gap == 1 && !all.axis[0].nterms);

    w = window(0, 22, 2, 1); /* strides of 2: even rows, odd ones, and even ones again */
    cr_expect_float_eq(12 * fv_windows_trips(&w, 1, 0, 3), 25, 1e-9);
    w = window(0, 11, 1, 12);
    cr_expect_eq(fv_windows_trips(&w, 1, 0, 5), 5, "tiles do not overlap");
    w = window(0, 11, 1, -1);
    all = (fv_windows){0};
    fv_windows_repeat(&all, &w, 1, 0, 3);
    cr_expect(all.axis[0].from == -2 && all.axis[0].to == 11, "a loop that goes down");
}

Test(predict, windows_of_parts_of_a_block) {
    fv_windows a = window(0, 0, 0, 1), b = window(6, 6, 0, 1);
    fv_windows_add(&a, &b);
    cr_expect(a.are == FV_WINDOWS_KNOWN && a.axis[0].to == 6 && a.axis[0].gap == 6);
    b = window(0, 0, 0, 2);
    fv_windows_add(&a, &b);
    cr_expect_eq(a.are, FV_WINDOWS_UNKNOWN, "another step");
    cr_expect_eq(fv_windows_trips(&a, 1, 0, 9), 9);
    a = window(0, 0, 0, 1);
    a.axis[0].rest = 5;
    b = window(0, 0, 0, 1);
    fv_windows_add(&a, &b);
    cr_expect_eq(a.are, FV_WINDOWS_UNKNOWN, "another base");
    for (uint64_t i = 0; i < FV_WINDOW_TERMS; i++)
        cr_expect(fv_window_add(&b.axis[0], 1ull << i, 1));
    cr_expect(!fv_window_add(&b.axis[0], 1ull << FV_WINDOW_TERMS, 1), "more terms than fit");
}

/* Each row of A is moved once, although three iterations read it; what is in the first-level cache
 * when a row is read again has to be what an iteration accesses. */
Test(predict, rows_that_windows_share_are_moved_once) {
    double mb = 1 << 20, rows = 4096, row = 2048;
    fv_prediction is = predict(taps, 4096, 1, FV_IN_MEMORY);
    cr_expect(is.known);
    cr_expect_float_eq(is.from_memory / mb, 2 * rows * row / mb, 0.2, "%g MB", is.from_memory / mb);
    cr_expect_float_eq(is.into_cores / mb, 2 * rows * row / mb, 0.2, "%g MB", is.into_cores / mb);
}
