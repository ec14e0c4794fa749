/* maps.c - maps as the vectors of a sequence of them, and back. */
#include <criterion/criterion.h>
#include <string.h>

#include "runtime/internal.h"

/* Fails unless the call returns `status` and the log contains the text. */
#define REFUSED(call, status, says)                                                                \
    fv_log_clear(log);                                                                             \
    cr_expect_eq(call, status);                                                                    \
    cr_expect(strstr(fv_log_text(log), says), "%s", fv_log_text(log))

static int64_t a_keys[] = {7, 5}, b_keys[] = {9};
static float a_values[] = {0.5f, 1.5f}, b_values[] = {2.5f};
static const fv_map all[] = {{{FV_TYPE_INT64, 1, {2}, a_keys}, {FV_TYPE_FLOAT, 1, {2}, a_values}},
                             {{FV_TYPE_INT64, 1, {0}, NULL}, {FV_TYPE_FLOAT, 1, {0}, NULL}},
                             {{FV_TYPE_INT64, 1, {1}, b_keys}, {FV_TYPE_FLOAT, 1, {1}, b_values}}};

Test(maps, there_and_back) {
    fv_array keys, values, ends;
    fv_map back[3];
    cr_assert_eq(fv_maps_pack(all, 3, FV_TYPE_INT64, FV_TYPE_FLOAT, &keys, &values, &ends, NULL),
                 FV_OK);
    cr_expect(keys.type == FV_TYPE_INT64 && keys.rank == 1 && keys.dims[0] == 3);
    cr_expect_arr_eq(keys.data, ((int64_t[]){7, 5, 9}), 24);
    cr_expect(values.type == FV_TYPE_FLOAT && values.rank == 1 && values.dims[0] == 3);
    cr_expect_arr_eq(values.data, ((float[]){0.5f, 1.5f, 2.5f}), 12);
    cr_expect(ends.type == FV_TYPE_INT64 && ends.rank == 1 && ends.dims[0] == 3);
    cr_expect_arr_eq(ends.data, ((int64_t[]){2, 2, 3}), 24);
    cr_assert_eq(fv_maps_unpack(&keys, &values, &ends, 3, back, NULL), FV_OK);
    for (int i = 0; i < 3; i++) {
        cr_expect_eq(back[i].keys.dims[0], all[i].keys.dims[0]);
        cr_expect_eq(back[i].values.dims[0], all[i].values.dims[0]);
        cr_expect(!back[i].keys.owner && !back[i].values.owner);
    }
    cr_expect_eq(*(int64_t *)back[2].keys.data, 9);
    cr_expect_eq(*(float *)back[2].values.data, 2.5f);
    fv_array_free(&keys);
    fv_array_free(&values);
    fv_array_free(&ends);
}

/* One map has no ends; strings are packed by fv_strings_pack. */
Test(maps, parts) {
    fv_array keys, values, ends;
    fv_map back[2];
    cr_assert_eq(fv_maps_pack(all, 1, FV_TYPE_INT64, FV_TYPE_FLOAT, &keys, &values, NULL, NULL),
                 FV_OK);
    cr_expect(keys.dims[0] == 2 && values.dims[0] == 2);
    fv_array_free(&keys);
    fv_array_free(&values);
    const fv_map named[] = {{{FV_TYPE_STRING, 1, {2}}, all[0].values},
                            {{FV_TYPE_STRING, 1, {1}}, all[2].values}};
    cr_assert_eq(fv_maps_pack(named, 2, FV_TYPE_STRING, FV_TYPE_FLOAT, NULL, &values, &ends, NULL),
                 FV_OK);
    cr_assert_eq(fv_maps_unpack(NULL, &values, &ends, 2, back, NULL), FV_OK);
    cr_expect(back[1].keys.dims[0] == 1 && !back[1].keys.data);
    cr_expect_eq(*(float *)back[1].values.data, 2.5f);
    fv_array_free(&values);
    fv_array_free(&ends);
    cr_assert_eq(fv_maps_pack(NULL, 0, FV_TYPE_INT64, FV_TYPE_FLOAT, &keys, &values, &ends, NULL),
                 FV_OK);
    cr_expect(keys.dims[0] == 0 && ends.dims[0] == 0);
    cr_expect_eq(fv_maps_unpack(&keys, &values, &ends, 0, NULL, NULL), FV_OK);
    fv_array_free(&keys);
    fv_array_free(&values);
    fv_array_free(&ends);
}

Test(maps, that_are_not_packed) {
    fv_log *log = fv_log_new();
    fv_array k = {0}, v = {0}, e = {0};
    fv_map bad = all[0];
    const int32_t i64 = FV_TYPE_INT64, f32 = FV_TYPE_FLOAT;
    REFUSED(fv_maps_pack(NULL, 1, i64, f32, &k, &v, &e, log), FV_BAD_ARGUMENT, "maps");
    REFUSED(fv_maps_pack(all, -1, i64, f32, &k, &v, &e, log), FV_BAD_ARGUMENT, "-1 maps");
    REFUSED(fv_maps_pack(all, 3, i64, f32, &k, &v, NULL, log), FV_BAD_ARGUMENT, "no ends");
    REFUSED(fv_maps_pack(all, 3, FV_TYPE_STRING, f32, &k, &v, &e, log), FV_BAD_ARGUMENT,
            "keys of type string (8) are not packed");
    REFUSED(fv_maps_pack(all, 3, i64, FV_TYPE_INT4, &k, &v, &e, log), FV_BAD_ARGUMENT,
            "values of type");
    REFUSED(fv_maps_pack(all, 3, i64, i64, &k, &v, &e, log), FV_BAD_ARGUMENT,
            "the values of map 0 are f32[2], of another type");
    bad.values.dims[0] = 1;
    REFUSED(fv_maps_pack(&bad, 1, i64, f32, &k, &v, &e, log), FV_BAD_ARGUMENT,
            "map 0 has 2 keys and 1 values");
    bad = all[0];
    bad.keys.rank = 2;
    REFUSED(fv_maps_pack(&bad, 1, i64, f32, &k, &v, &e, log), FV_BAD_ARGUMENT, "expected a vector");
    bad.keys.rank = 1000000;
    REFUSED(fv_maps_pack(&bad, 1, i64, f32, &k, &v, &e, log), FV_BAD_ARGUMENT,
            "i64 of rank 1000000");
    bad = all[0];
    bad.keys.data = NULL;
    REFUSED(fv_maps_pack(&bad, 1, i64, f32, &k, &v, &e, log), FV_BAD_ARGUMENT, "data is NULL");
    bad = all[0];
    bad.keys.capacity = 4;
    REFUSED(fv_maps_pack(&bad, 1, i64, f32, &k, &v, &e, log), FV_BAD_ARGUMENT, "a capacity");
    bad = all[0];
    bad.keys.dims[0] = bad.values.dims[0] = INT64_MAX;
    REFUSED(fv_maps_pack(&bad, 1, i64, f32, &k, &v, &e, log), FV_TOO_LARGE, "");
    cr_expect(!k.data && !v.data && !e.data);
    fv_log_free(log);
}

Test(maps, that_are_not_unpacked) {
    fv_log *log = fv_log_new();
    int64_t stops[] = {1, 3};
    fv_map back[2] = {{{0}, {0}}};
    int64_t numbers[3] = {1, 2, 3};
    fv_array keys = {FV_TYPE_INT64, 1, {3}, numbers}, values = {FV_TYPE_INT64, 1, {3}, numbers},
             ends = {FV_TYPE_INT64, 1, {2}, stops}, matrix = {FV_TYPE_INT64, 2, {3, 1}, numbers};
    REFUSED(fv_maps_unpack(&keys, &values, NULL, 2, back, log), FV_BAD_ARGUMENT, "ends");
    REFUSED(fv_maps_unpack(&keys, &values, &ends, 2, NULL, log), FV_BAD_ARGUMENT, "maps");
    REFUSED(fv_maps_unpack(&keys, &values, &ends, 1, back, log), FV_BAD_ARGUMENT,
            "ends is i64[2], expected i64[1]");
    REFUSED(fv_maps_unpack(&matrix, &values, &ends, 2, back, log), FV_BAD_ARGUMENT,
            "keys is i64[3, 1], expected a vector");
    values.dims[0] = 2;
    REFUSED(fv_maps_unpack(&keys, &values, &ends, 2, back, log), FV_BAD_ARGUMENT, "values is");
    values.dims[0] = 3;
    stops[1] = 2;
    REFUSED(fv_maps_unpack(&keys, &values, &ends, 2, back, log), FV_BAD_DIM,
            "the maps have 2 entries, the vectors 3");
    stops[1] = 4;
    REFUSED(fv_maps_unpack(&keys, &values, &ends, 2, back, log), FV_BAD_DIM,
            "map 1 ends at entry 4, expected 1 to 3");
    stops[1] = 0;
    REFUSED(fv_maps_unpack(NULL, NULL, &ends, 2, back, log), FV_BAD_DIM, "map 1 ends at entry 0");
    keys.type = FV_TYPE_INT4;
    REFUSED(fv_maps_unpack(&keys, NULL, &ends, 2, back, log), FV_BAD_ARGUMENT, "keys of type");
    cr_expect(!back[0].keys.type && !back[1].values.type);
    fv_log_free(log);
}
