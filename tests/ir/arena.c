/* Sessions, doors, arenas, texts, names, messages; and running out of memory. */
#include "ir/base/diag.h"
#include "ir/base/ptrmap.h"
#include "ir/graph/graph.h"
#include "ir/graph/parse.h"
#include "ir/graph/print.h"
#include "ir/graph/verify.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static fv_session *session;
static fv_arena *arena;

static void setup(void) {
    session = fv_session_new();
    arena = fv_arena_new(session);
}
static void teardown(void) {
    fv_session_free(session);
}
TestSuite(arena, .init = setup, .fini = teardown);

static bool all_zero(const char *p, size_t n) {
    while (n && !*p)
        p++, n--;
    return n == 0;
}

Test(arena, memory_is_zeroed_aligned_and_apart) {
    char *last = NULL;
    for (size_t n = 0; n < 3000; n++) {
        char *p = fv_alloc(arena, n, 7);
        cr_assert((uintptr_t)p % 16 == 0 && all_zero(p, n * 7));
        memset(p, 0xff, n * 7);
        cr_assert(p != last);
        last = p;
    }
    for (size_t align = 1; align <= 1 << 16; align *= 2) {
        char *p = fv_alloc_aligned(arena, 100, align);
        cr_assert((uintptr_t)p % align == 0 && all_zero(p, 100));
        memset(p, 0xff, 100);
    }
}

Test(arena, large_requests) {
    char *p = fv_alloc(arena, 1, 64 << 20);
    cr_expect(p[0] == 0 && p[(64 << 20) - 1] == 0);
    p[(64 << 20) - 1] = 1;
    cr_expect_neq(fv_alloc(arena, 1, 1), p);
}

/* The first request of a chunk of huge pages begins behind the head of the chunk, and the next one
 * behind it. */
Test(arena, large_arenas_have_chunks_for_smaller_requests) {
    enum { REQUEST = 100000, MANY = 40 << 20, HUGE_PAGE = 2 << 20, HEAD = 64 };
    fv_alloc(arena, 1, MANY);
    char *first = fv_alloc(arena, 1, REQUEST), *next = fv_alloc(arena, 1, REQUEST);
    cr_expect_leq((uintptr_t)first % HUGE_PAGE, HEAD);
    cr_expect(next >= first + REQUEST && next <= first + REQUEST + HEAD);
    cr_expect(all_zero(first, REQUEST) && all_zero(next, REQUEST));
}

/* An arena that is expected to hold many bytes has such a chunk from the start. */
Test(arena, expected_bytes_have_chunks_from_the_start) {
    enum { REQUEST = 100000, MANY = 40 << 20, HUGE_PAGE = 2 << 20, HEAD = 64 };
    fv_arena_expect(arena, MANY);
    char *first = fv_alloc(arena, 1, REQUEST), *next = fv_alloc(arena, 1, REQUEST);
    cr_expect_leq((uintptr_t)first % HUGE_PAGE, HEAD);
    cr_expect(next >= first + REQUEST && next <= first + REQUEST + HEAD);
    cr_expect(all_zero(first, REQUEST) && all_zero(next, REQUEST));
}

Test(arena, has_what_it_handed_out) {
    fv_arena *other = fv_arena_new(fv_arena_session(arena));
    char outside;
    for (size_t n = 1; n <= 8 << 20; n *= 8) {
        const char *p = fv_alloc(arena, n, 1), *q = fv_alloc(other, n, 1);
        cr_expect(fv_arena_has(arena, p) && fv_arena_has(arena, p + n - 1));
        cr_expect(fv_arena_has(other, q) && !fv_arena_has(arena, q) && !fv_arena_has(other, p));
    }
    cr_expect(!fv_arena_has(arena, &outside) && !fv_arena_has(arena, NULL));
    fv_arena_free(other);
}

Test(arena, a_table_that_is_given_back_is_the_next_of_its_size) {
    char *first = fv_table_new(arena, 128), *other = fv_table_new(arena, 256);
    memset(first, 0xff, 128);
    fv_table_free(arena, first, 128);
    cr_expect_neq(fv_table_new(arena, 256), first);
    char *again = fv_table_new(arena, 128);
    cr_expect_eq(again, first);
    cr_expect(all_zero(again, 128));
    cr_expect_neq(fv_table_new(arena, 128), again);
    fv_table_free(arena, other, 256);
    fv_table_free(arena, again, 128);
    fv_table_free(arena, NULL, 128);
    cr_expect_eq(fv_table_new(arena, 256), other);
}

/* Maps that are filled and freed one after the other take the memory of one. */
Test(arena, maps_that_are_freed_take_no_more_memory) {
    static char keys[5000];
    size_t most = 0;
    for (int round = 0; round < 10; round++) {
        fv_ptrmap m = fv_ptrmap_in(arena);
        for (size_t i = 0; i < sizeof keys; i++)
            *fv_ptrmap_at(&m, &keys[i]) = &keys[sizeof keys - 1 - i];
        for (size_t i = 0; i < sizeof keys; i++)
            cr_assert_eq(fv_ptrmap_get(&m, &keys[i]), &keys[sizeof keys - 1 - i]);
        fv_ptrmap_free(&m);
        cr_assert_null(fv_ptrmap_get(&m, &keys[0]));
        if (round == 0)
            most = fv_session_taken(session);
        cr_expect_eq(fv_session_taken(session), most);
    }
}

static bool overflows(size_t n, size_t size) {
    fv_door door;
    if (FV_DOOR_OPEN(session, &door))
        return true;
    fv_alloc(arena, n, size);
    fv_door_close(session, &door);
    return false;
}

Test(arena, sizes_that_overflow_leave_by_the_door) {
    cr_expect(overflows(SIZE_MAX, 2));
    cr_expect(overflows(SIZE_MAX / 2, 2));
    cr_expect(overflows(1, SIZE_MAX));
    cr_expect(overflows((size_t)-1, sizeof(int)));
    cr_expect(!overflows(0, 8));
    cr_expect(!overflows(8, 0));
}

static const char *left_with(void (*work)(void)) {
    static fv_left text;
    fv_door door;
    if (FV_DOOR_OPEN(session, &door))
        return fv_session_left(session, &text);
    work();
    fv_door_close(session, &door);
    return "not at all";
}

static void run_out(void) {
    fv_alloc(arena, SIZE_MAX / 2, 2);
}
static void breaks_a_rule(void) {
    fv_broken(session, "rank == 2");
}

static void breaks_a_rule_in_a_session_of_its_own(void) {
    fv_session *inner = fv_session_new();
    fv_door door;
    if (FV_DOOR_OPEN(inner, &door))
        fv_leave_too(session, inner);
    fv_broken(inner, "n > 0");
}

static void has_no_session(void) {
    fv_leave_same(session, NULL);
}

Test(arena, out_of_memory_says_so) {
    cr_expect_str_eq(left_with(run_out), "out of memory");
    cr_expect(!fv_session_is_broken(session));
    cr_expect_str_eq(left_with(has_no_session), "out of memory");
}

Test(arena, a_rule_that_does_not_hold_leaves_by_the_door) {
    cr_expect_str_eq(left_with(breaks_a_rule), "internal error: 'rank == 2' does not hold");
    cr_expect(fv_session_is_broken(session));
}

Test(arena, and_by_the_outer_one) {
    cr_expect_str_eq(left_with(breaks_a_rule_in_a_session_of_its_own),
                     "internal error: 'n > 0' does not hold");
}

Test(arena, doors_nest) {
    fv_door outer;
    volatile int passed = 0;
    if (FV_DOOR_OPEN(session, &outer)) {
        passed += 10;
    } else {
        passed += overflows(SIZE_MAX, 2); /* leaves by the inner one */
        fv_out_of_memory(session);        /* by the outer one */
    }
    cr_expect_eq(passed, 11);
}

static char order[8];
static void note(void *what) {
    strcat(order, what);
}

Test(arena, closers_run_last_first) {
    fv_arena *inner = fv_arena_new(session);
    fv_arena_at_free(inner, note, "a");
    fv_arena_at_free(inner, note, "b");
    fv_arena_at_free(arena, note, "c");
    fv_arena_free(inner);
    cr_expect_str_eq(order, "ba");
    fv_session_free(session);
    cr_expect_str_eq(order, "bac");
    session = fv_session_new();
}

Test(arena, growing_arrays_and_texts) {
    int *p = NULL, n = 0, cap = 0;
    for (int i = 0; i < 1000; i++)
        FV_PUSH(arena, p, n, cap, i * i);
    cr_expect(n == 1000 && p[0] == 0 && p[999] == 998001);
    fv_text t = {.arena = arena};
    fv_text_put(&t, "");
    cr_expect_str_eq(t.s, "");
    for (int i = 0; i < 500; i++)
        fv_text_printf(&t, "%d,", i);
    fv_text_putn(&t, "abc", 2);
    cr_expect(t.n == strlen(t.s) && strcmp(t.s + t.n - 6, "499,ab") == 0);
    cr_expect_str_eq(fv_printf(arena, "%s-%d", fv_strndup(arena, "hello", 4), 7), "hell-7");
}

Test(arena, names_are_interned) {
    char other[] = "seq";
    const char *seq = fv_intern(session, "seq");
    cr_expect_eq(fv_intern(session, other), seq);
    cr_expect_eq(fv_internn(session, "sequence", 3), seq);
    cr_expect_neq(fv_intern(session, "sequence"), seq);
    const char *names[2000];
    for (int i = 0; i < 2000; i++)
        names[i] = fv_intern(session, fv_printf(arena, "n%d", i));
    for (int i = 0; i < 2000; i++)
        cr_assert_eq(fv_intern(session, fv_printf(arena, "n%d", i)), names[i]);
}

Test(arena, messages) {
    cr_expect(!fv_error(session, "no %s", "reason"));
    fv_diag_file(session, "m.onnx");
    fv_warning(session, "odd");
    fv_error_at(session, 3, 7, "expected '%c'", ')');
    fv_error_node(session, "/a/MatMul", "MatMul", "shapes");
    fv_error_node(session, "", "ai.x.Foo", "unknown");
    cr_expect_eq(fv_error_count(session), 4);
    static const char *const expected[] = {
        "error: no reason",
        "m.onnx: warning: odd",
        "m.onnx:3:7: error: expected ')'",
        "m.onnx: error: node '/a/MatMul' (MatMul): shapes",
        "m.onnx: error: unnamed node (ai.x.Foo): unknown",
    };
    const fv_message *m = fv_messages(session);
    for (int i = 0; i < 5; i++, m = m->next)
        cr_expect_str_eq(fv_message_str(arena, m), expected[i]);
    fv_messages_clear(session);
    cr_expect(fv_error_count(session) == 0 && !fv_messages(session));
    fv_error(session, "again");
    cr_expect_eq(fv_error_count(session), 1);
}

/* Messages that repeat earlier ones are removed, others get a place; errors are counted anew. */
Test(arena, messages_are_merged) {
    fv_warning(session, "slow");
    const fv_message *last = fv_messages_last(session);
    fv_warning(session, "slow");
    fv_warning(session, "large");
    fv_error(session, "wrong");
    fv_warning(session, "slow");
    fv_messages_merge(session, last, "for b");
    const fv_message *m = last->next;
    cr_assert(fv_messages(session) == last && m && m->next && !m->next->next);
    cr_expect_str_eq(m->text, "large (for b)");
    cr_expect_str_eq(m->next->text, "wrong (for b)");
    cr_expect_eq(fv_error_count(session), 1);
    fv_warning(session, "more");
    cr_expect_str_eq(m->next->next->text, "more");
    fv_messages_clear(session);
    fv_messages_merge(session, NULL, "for b");
    cr_expect(!fv_messages(session));
    fv_warning(session, "first");
    fv_messages_merge(session, NULL, "for c");
    cr_expect_str_eq(fv_messages(session)->text, "first (for c)");
    fv_messages_clear(session);
}

Test(arena, nearest_word) {
    static const char *const words[] = {"Softmax", "Softplus", "Add", "ReduceMean", NULL};
    cr_expect_str_eq(fv_nearest("softmax", words), "Softmax");
    cr_expect_str_eq(fv_nearest("Sotfmax", words), "Softmax");
    cr_expect_str_eq(fv_nearest("ReducMean", words), "ReduceMean");
    cr_expect_str_eq(fv_nearest("Ad", (const char *[]){"ad", NULL}), "ad");
    cr_expect_null(fv_nearest("Gelu", words));
    cr_expect_null(fv_nearest("", words));
}

/* ---- the 1st allocation fails, the 2nd, ... until a run succeeds ---- */

static const char model[] = "fovea-ir 1\n"
                            "symbol n 1..8\n"
                            "const @w: f32[4, 3] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]\n"
                            "func @main(%x: f32[n * 2, 4]) -> (%z) {\n"
                            "  %y = MatMul(%x, @w) loc(\"node\")\n"
                            "  %z = fv.Reshape(%y) {dims = [n, 6]}\n"
                            "  return %z\n"
                            "}\n";

/* Reads, checks and prints a model; NULL: out of memory. */
static const char *use_all(void) {
    fv_door door;
    if (FV_DOOR_OPEN(session, &door))
        return NULL;
    fv_module *m = fv_module_parse(session, model, NULL);
    fv_text t = {.arena = arena};
    if (m && fv_module_verify(m, NULL))
        fv_module_print(&t, m, NULL, NULL);
    else
        fv_error(session, "refused");
    fv_module_free(m);
    fv_door_close(session, &door);
    return t.s ? t.s : "";
}

Test(arena, any_allocation_may_fail) {
    const char *printed = NULL;
    int64_t nth = 0;
    while (!printed) {
        cr_assert_lt(nth, 100000);
        if (nth % 7 == 0) { /* a new session now and then: the first use of one is special */
            fv_session_free(session);
            setup();
        }
        fv_session_fail_at(session, ++nth);
        printed = use_all();
    }
    fv_session_fail_at(session, 0);
    cr_expect(nth > 100, "%lld allocations", (long long)nth);
    cr_expect_eq(fv_error_count(session), 0);
    const char *again = use_all(); /* and the session is as good as new */
    cr_assert(again != NULL);
    cr_expect_str_eq(printed, again);
}
