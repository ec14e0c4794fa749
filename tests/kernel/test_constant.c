/* test_constant.c - constants whose bytes are made when they are first read. */
#include <criterion/criterion.h>
#include <string.h>

#include "ir/kernel/constant.h"
#include "tests/kernel/support.h"

TestSuite(constant, .init = open_session, .fini = close_session);

enum { BYTES = 64 };

/* Counts the calls in *user. */
static void make(void *user, void *room) {
    ++*(int *)user;
    memset(room, 7, BYTES);
}

Test(constant, bytes_are_made_once_when_they_are_read) {
    int calls = 0;
    uint8_t *room = fv_alloc_aligned(arena, BYTES, 64);
    fv_constant c = {"w", fv_contents_later(arena, room, make, &calls), BYTES, NULL}, same = c;
    cr_expect(fv_constant_is_pending(&c) && fv_constant_has_data(&c));
    cr_expect(fv_constant_is_aligned(&c, 64) && fv_constants_are_one(&c, &same));
    cr_expect(calls == 0 && room[0] == 0, "no question makes them");
    void *user;
    fv_contents_maker *maker = fv_constant_maker(&c, &user);
    cr_assert(maker == make && user == &calls);
    uint8_t other[BYTES] = {0};
    maker(user, other);
    cr_expect(other[0] == 7 && room[0] == 0 && fv_constant_is_pending(&c), "a copy");
    calls = 0;
    for (int i = 0; i < 2; i++) {
        const uint8_t *data = fv_constant_data(i ? &same : &c);
        cr_expect(data == room && data[BYTES - 1] == 7);
        cr_expect(!fv_constant_maker(&c, &user));
        cr_expect(calls == 1 && !fv_constant_is_pending(&c) && !fv_constant_is_pending(&same));
    }
}

Test(constant, bytes_that_exist) {
    static const char bytes[] = "abc", others[] = "abc";
    fv_constant c = {"w", fv_contents_at(arena, bytes), 3, NULL}, at_same = c, at_other = c;
    at_same.contents = fv_contents_at(arena, bytes);
    at_other.contents = fv_contents_at(arena, others);
    cr_expect(!fv_constant_is_pending(&c) && fv_constant_data(&c) == bytes);
    cr_expect(fv_constants_are_one(&c, &at_same) && !fv_constants_are_one(&c, &at_other));
    at_same.bytes = 2;
    cr_expect(!fv_constants_are_one(&c, &at_same));
    at_same.contents = fv_contents_at(arena, bytes + ((uintptr_t)bytes % 2 ? 2 : 1));
    cr_expect(!fv_constant_is_aligned(&at_same, 2));
}

Test(constant, bytes_that_are_left_out) {
    fv_constant c = {"w", NULL, 3, NULL}, other = c;
    cr_expect(!fv_constant_has_data(&c) && !fv_constant_is_pending(&c) && !fv_constant_data(&c));
    cr_expect(fv_constant_is_aligned(&c, 64) && fv_constants_are_one(&c, &other));
}
