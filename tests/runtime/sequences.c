/* sequences.c - tensors as the parts of a sequence, and back. */
#include <criterion/criterion.h>
#include <string.h>

#include "runtime/internal.h"

/* Fails unless the call returns `status` and the log contains the text. */
#define REFUSED(call, status, says)                                                                \
    fv_log_clear(log);                                                                             \
    cr_expect_eq(call, status);                                                                    \
    cr_expect(strstr(fv_log_text(log), says), "%s", fv_log_text(log))

Test(sequences, there_and_back) {
    int16_t a[] = {1, 2, 3, 4, 5, 6}, b[] = {7};
    const fv_array all[] = {{FV_TYPE_INT16, 2, {2, 3}, a},
                            {FV_TYPE_INT16, 0, {0}, b},
                            {FV_TYPE_INT16, 3, {4, 0, 2}, NULL},
                            {FV_TYPE_INT16, 1, {2}, a + 2}};
    fv_array data, shapes, back[4];
    cr_assert_eq(fv_sequence_pack(all, 4, FV_TYPE_INT16, &data, &shapes, NULL), FV_OK);
    cr_expect(data.type == FV_TYPE_INT16 && data.rank == 1 && data.dims[0] == 9);
    cr_expect_arr_eq(data.data, ((int16_t[]){1, 2, 3, 4, 5, 6, 7, 3, 4}), 9 * sizeof(int16_t));
    cr_expect(shapes.type == FV_TYPE_INT64 && shapes.rank == 2 && shapes.dims[0] == 4 &&
              shapes.dims[1] == 9);
    const int64_t rows[4][9] = {{2, 2, 3, 1, 1, 1, 1, 1, 1},
                                {0, 1, 1, 1, 1, 1, 1, 1, 1},
                                {3, 4, 0, 2, 1, 1, 1, 1, 1},
                                {1, 2, 1, 1, 1, 1, 1, 1, 1}};
    cr_expect_arr_eq(shapes.data, rows, sizeof rows);
    cr_assert_eq(fv_sequence_unpack(&data, &shapes, 4, back, NULL), FV_OK);
    for (int i = 0; i < 4; i++) {
        cr_expect(back[i].type == FV_TYPE_INT16 && back[i].rank == all[i].rank && !back[i].owner);
        for (int k = 0; k < back[i].rank; k++)
            cr_expect_eq(back[i].dims[k], all[i].dims[k]);
    }
    cr_expect_eq((int16_t *)back[3].data - (int16_t *)data.data, 7);
    fv_array_free(&data);
    fv_array_free(&shapes);
}

Test(sequences, none) {
    fv_array data, shapes;
    cr_assert_eq(fv_sequence_pack(NULL, 0, FV_TYPE_DOUBLE, &data, &shapes, NULL), FV_OK);
    cr_expect(data.type == FV_TYPE_DOUBLE && data.rank == 1 && data.dims[0] == 0);
    cr_expect(shapes.dims[0] == 0 && shapes.dims[1] == 9);
    cr_expect_eq(fv_sequence_unpack(&data, &shapes, 0, NULL, NULL), FV_OK);
    fv_array_free(&data);
    fv_array_free(&shapes);
}

/* The shapes alone, as for tensors of strings, whose elements are in two other tensors. */
Test(sequences, without_data) {
    const fv_array all[] = {{FV_TYPE_STRING, 1, {3}}, {.rank = 2, .dims = {1, 2}, .capacity = 4}};
    fv_array shapes;
    cr_assert_eq(fv_sequence_pack(all, 2, FV_TYPE_STRING, NULL, &shapes, NULL), FV_OK);
    cr_expect_arr_eq((int64_t *)shapes.data + 9, ((int64_t[]){2, 1, 2, 1, 1, 1, 1, 1, 1}), 72);
    fv_array_free(&shapes);
}

Test(sequences, that_are_not_packed) {
    float x[4] = {0};
    fv_array all[] = {{FV_TYPE_FLOAT, 1, {4}, x}, {FV_TYPE_FLOAT, 1, {2}, x}};
    fv_array data = {0}, shapes = {0};
    fv_log *log = fv_log_new();
#define PACK(type) fv_sequence_pack(all, 2, type, &data, &shapes, log)
    REFUSED(PACK(FV_TYPE_INT32), FV_BAD_ARGUMENT,
            "error: tensor 0 is f32[4], of another type than the sequence");
    REFUSED(PACK(FV_TYPE_INT4), FV_BAD_ARGUMENT, "error: tensors of type i4 (22) are not packed");
    REFUSED(PACK(FV_TYPE_STRING), FV_BAD_ARGUMENT, "(8) are not packed");
    REFUSED(PACK(99), FV_BAD_ARGUMENT, "(99) are not packed");
    all[1].rank = 9;
    REFUSED(PACK(FV_TYPE_FLOAT), FV_BAD_ARGUMENT, "tensor 1 has rank 9, may be 0 to 8");
    all[1].rank = 1;
    all[1].dims[0] = -2;
    REFUSED(PACK(FV_TYPE_FLOAT), FV_BAD_ARGUMENT, "tensor 1 is f32[-2], its dims are not valid");
    all[1].dims[0] = 2;
    all[1].capacity = 4;
    REFUSED(PACK(FV_TYPE_FLOAT), FV_BAD_ARGUMENT, "tensor 1 is f32[2], and has a capacity");
    all[1].capacity = 0;
    all[1].data = NULL;
    REFUSED(PACK(FV_TYPE_FLOAT), FV_BAD_ARGUMENT, "tensor 1 is f32[2], its data is NULL");
    REFUSED(fv_sequence_pack(all, -1, 1, &data, &shapes, log), FV_BAD_ARGUMENT,
            "the sequence has -1 tensors");
    REFUSED(fv_sequence_pack(NULL, 1, 1, &data, &shapes, log), FV_BAD_ARGUMENT, "'tensors'");
    REFUSED(fv_sequence_pack(all, 1, 1, &data, NULL, log), FV_BAD_ARGUMENT, "'shapes'");
    all[0].data = all[1].data = x;
    all[0].dims[0] = all[1].dims[0] = INT64_MAX;
    REFUSED(PACK(FV_TYPE_FLOAT), FV_TOO_LARGE, "error: ");
    all[1].dims[0] = 0;
    REFUSED(PACK(FV_TYPE_FLOAT), FV_TOO_LARGE, "error: ");
    cr_expect(!data.data && !shapes.data);
    /* no elements, although the product of its first two dims is too large */
    all[0].rank = 3;
    all[0].dims[1] = INT64_MAX;
    all[0].dims[2] = 0;
    all[0].data = NULL;
    cr_expect_eq(fv_array_bytes(&all[0]), 0);
    cr_assert_eq(PACK(FV_TYPE_FLOAT), FV_OK);
    cr_expect(data.dims[0] == 0 && shapes.dims[0] == 2);
    fv_array_free(&data);
    fv_array_free(&shapes);
    fv_log_free(log);
}

Test(sequences, that_are_not_unpacked) {
    float x[4] = {0};
    int64_t rows[2][9] = {{1, 3, 1, 1, 1, 1, 1, 1, 1}, {0, 1, 1, 1, 1, 1, 1, 1, 1}};
    fv_array data = {FV_TYPE_FLOAT, 1, {4}, x}, shapes = {FV_TYPE_INT64, 2, {2, 9}, rows};
    fv_array out[2] = {{0}};
    fv_log *log = fv_log_new();
#define UNPACK() fv_sequence_unpack(&data, &shapes, 2, out, log)
    rows[1][0] = 9;
    REFUSED(UNPACK(), FV_BAD_DIM, "tensor 1 has rank 9, may be 0 to 8");
    rows[1][0] = -1;
    REFUSED(UNPACK(), FV_BAD_DIM, "tensor 1 has rank -1, may be 0 to 8");
    rows[1][0] = 1;
    rows[1][1] = 2;
    REFUSED(UNPACK(), FV_BAD_DIM, "tensor 1 is f32[2], 1 elements are left");
    rows[1][1] = -1;
    REFUSED(UNPACK(), FV_BAD_DIM, "tensor 1 is f32[-1], 1 elements are left");
    rows[1][1] = 0;
    REFUSED(UNPACK(), FV_BAD_DIM, "the tensors have 3 elements, data has 4");
    rows[1][1] = 1;
    REFUSED(fv_sequence_unpack(&data, &shapes, 3, out, log), FV_BAD_ARGUMENT,
            "data is f32[4] and shapes i64[2, 9], expected rank 1 and i64[3, 9]");
    REFUSED(fv_sequence_unpack(&shapes, &data, 2, out, log), FV_BAD_ARGUMENT,
            "shapes is no dense array of i64");
    REFUSED(fv_sequence_unpack(NULL, &shapes, 2, out, log), FV_BAD_ARGUMENT, "'data'");
    REFUSED(fv_sequence_unpack(&data, NULL, 2, out, log), FV_BAD_ARGUMENT, "'shapes'");
    REFUSED(fv_sequence_unpack(&data, &shapes, 2, NULL, log), FV_BAD_ARGUMENT, "'tensors'");
    data.type = FV_TYPE_STRING;
    REFUSED(UNPACK(), FV_BAD_ARGUMENT, "data has type");
    data.type = FV_TYPE_FLOAT;
    data.data = NULL;
    REFUSED(UNPACK(), FV_BAD_ARGUMENT, "data is f32[4], its data is NULL");
    cr_expect(!out[0].type && !out[1].type, "nothing is written after a failure");
    data.data = x;
    cr_expect_eq(UNPACK(), FV_OK);
    fv_log_free(log);
}
