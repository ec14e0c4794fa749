/* model_text.h - ONNX models written as text, for tests.
 *
 *   ir 8                                   without it: 8
 *   opset 13                               without any: 13; `opset DOMAIN N`
 *   input x f32[batch, 4, ?]               ? has neither number nor name; f32: no shape;
 *                                          sparse(f32[4, 2])
 *   output y f32[batch, 4]                 value: value_info; the type may be left out
 *   init w f32[2] = 1 2                    raw_data; `init w i64[2] typed 1 2`: in its typed field
 *   sparse s f32[2, 3] at 0 4 = 1.5 2
 *   y, z = "node" com.custom.Op(x, , w) axis=1 alpha=0.5 mode="text" axes=[1, 2] scales=[0.5]
 *          value=f32[2]{1 2} sparse_value=sparse s f32[2, 3] at 0 4 = 1.5 2 body={ ...lines of a
 *     graph... } k=@outer
 *          type=type seq(f32[2])
 *   function com.custom.F(a, b) -> (c) attrs k alpha=1.0 { ...lines; opset lines... }
 *
 * Names with other characters than letters, digits, _ . / : are quoted. # starts a comment. */
#ifndef FV_TESTS_MODEL_TEXT_H
#define FV_TESTS_MODEL_TEXT_H

#include "ir/base/arena.h"
#include "ir/base/text.h"

/* The bytes of a model; asserts on text that is at fault. */
fv_text model_of_text(fv_arena *a, const char *text);

/* Writers of protobuf bytes, for models that no text can say. */
void put_varint(fv_text *out, uint64_t v);
void put_int(fv_text *out, unsigned field, int64_t v);
void put_bytes(fv_text *out, unsigned field, const void *bytes, size_t n);
void put_text(fv_text *out, unsigned field, const char *s);
void put_message(fv_text *out, unsigned field, const fv_text *message);

#endif
