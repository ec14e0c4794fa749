/* Bytes that are no valid protobuf message, and the position of a tensor's elements in a
 * message. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "frontend/frontend.h"
#include "frontend/wire.h"
#include "ir/base/limits.h"
#include "ir/base/text.h"
#include "model_text.h"
#include "tests/session.h"

TestSuite(wire, .init = open_session, .fini = close_session);

#define BYTES(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

static void refused(const uint8_t *bytes, size_t n, const char *why) {
    void *m = fv_wire_unpack(session, arena, &onnx__model_proto__descriptor, bytes, n, "a model");
    cr_expect(!m, "accepted, though %s", why);
    cr_expect(strstr(last_message(), why), "is       %s\nexpected %s", last_message(), why);
}

Test(wire, faults) {
    refused(BYTES(0x08), "a field is cut off at offset 0, in ModelProto");
    refused(BYTES(0x08, 0x80), "a number is cut off");
    refused(BYTES(0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F), "64 bits");
    refused(BYTES(0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01),
            "64 bits");
    refused(BYTES(0x3A, 0x05, 0x0A), "a field is longer than what holds it");
    refused(BYTES(0x3A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01), "longer");
    refused(BYTES(0x3A, 0x02, 0x0A, 0x05), "in GraphProto");
    refused(BYTES(0x0B, 0x0C), "no legal wire type");
    refused(BYTES(0x0E, 0x00), "no legal wire type");
    refused(BYTES(0x00, 0x00), "no legal number");
    refused(BYTES(0x0A, 0x00), "a field has the wrong wire type at offset 0, in "
                               "ModelProto.ir_version");
    refused(BYTES(0x12, 0x02, 'a', 0), "a NUL byte at offset 0, in ModelProto.producer_name");
    refused(BYTES(0x12, 0x02, 0xC3, 'a'), "not UTF-8");
    refused(BYTES(0x12, 0x02, 0xC0, 0x80), "not UTF-8");
    refused(BYTES(0x12, 0x03, 0xED, 0xA0, 0x80), "not UTF-8");
    refused(BYTES(0x3A, 0x00, 0x3A, 0x00), "twice at offset 2, in ModelProto.graph");
    refused(BYTES(0x3A, 0x05, 0x2A, 0x03, 0x22, 0x01, 0x00), "a list of numbers is cut off");
    refused(BYTES(0x3A, 0x05, 0x2A, 0x03, 0x3A, 0x01, 0x80), "a number is cut off");
}

Test(wire, numbers) {
    /* padded to ten bytes, negative, and lists with and without packing are all legal */
    const uint8_t bytes[] = {0x08, 0x88, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00,
                             0x28, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01};
    const Onnx__ModelProto *m = (const void *)fv_wire_unpack(
        session, arena, &onnx__model_proto__descriptor, bytes, sizeof bytes, "a model");
    cr_assert(m);
    cr_expect(m->ir_version == 8 && m->model_version == -1);
    const uint8_t dims[] = {0x08, 0x02, 0x0A, 0x02, 0x03, 0x04, 0x10, 0x01};
    const Onnx__TensorProto *t = (const void *)fv_wire_unpack(
        session, arena, &onnx__tensor_proto__descriptor, dims, sizeof dims, "a tensor");
    cr_assert(t);
    cr_expect(t->n_dims == 3 && t->dims[0] == 2 && t->dims[1] == 3 && t->dims[2] == 4);
}

Test(wire, unknown_fields_are_left_out) {
    const uint8_t bytes[] = {0x08, 0x08, 0x98, 0x06, 0x07};
    const Onnx__ModelProto *m = (const void *)fv_wire_unpack(
        session, arena, &onnx__model_proto__descriptor, bytes, sizeof bytes, "a model");
    cr_assert(m);
    cr_expect(m->base.n_unknown_fields == 0);
    cr_expect_str_eq(last_message(), "field 99 of ModelProto is not known, and ignored");
}

Test(wire, nesting) {
    fv_text inner = {.arena = arena};
    put_int(&inner, 1, 1);
    for (int i = 0; i < FV_MAX_MESSAGE_DEPTH + 8; i++) { /* sequence of sequence of ... */
        fv_text outer = {.arena = arena};
        put_message(&outer, 5, &inner);
        inner = outer;
    }
    cr_expect(!fv_wire_matches(&onnx__sequence_proto__descriptor, (uint8_t *)inner.s, inner.n));
}

/* Elements are not copied, doc strings are left out, names are kept. */
Test(wire, skeleton) {
    fv_text tensor = {.arena = arena}, graph = {.arena = arena}, model = {.arena = arena};
    char *elements = fv_alloc(arena, 1000000, 1);
    put_text(&tensor, 8, "weight");
    put_text(&tensor, 12, "a remark");
    put_bytes(&tensor, 9, elements, 1000000);
    put_message(&graph, 5, &tensor);
    put_message(&model, 7, &graph);
    put_text(&model, 2, "producer");
    const Onnx__ModelProto *m = (const void *)fv_wire_unpack(
        session, arena, &onnx__model_proto__descriptor, (uint8_t *)model.s, model.n, "a model");
    cr_assert(m && m->graph && m->graph->n_initializer == 1);
    const Onnx__TensorProto *t = m->graph->initializer[0];
    fv_wire_place place = fv_wire_place_of(t);
    cr_expect_str_eq(t->name, "weight");
    cr_expect_str_eq(m->producer_name, "producer");
    cr_expect(!t->doc_string);
    cr_expect(place.size == tensor.n);
    cr_expect(memcmp(model.s + place.offset, tensor.s, tensor.n) == 0);
}

/* Empty tensors take more room in the skeleton than in the file. */
Test(wire, many_empty_tensors) {
    fv_text graph = {.arena = arena}, empty = {.arena = arena};
    for (int i = 0; i < 1000; i++)
        put_message(&graph, 5, &empty);
    const Onnx__GraphProto *g = (const void *)fv_wire_unpack(
        session, arena, &onnx__graph_proto__descriptor, (uint8_t *)graph.s, graph.n, "a graph");
    cr_assert(g && g->n_initializer == 1000);
    cr_expect(fv_wire_place_of(g->initializer[999]).offset == graph.n);
}

/* Many small messages decode to much more than they are. */
Test(wire, structure_is_bounded) {
    size_t n = 24u << 20;
    uint8_t *bytes = fv_alloc(arena, n, 1);
    for (size_t i = 0; i < n; i += 2)
        bytes[i] = 0x0A; /* a node without anything */
    ProtobufCMessage *m =
        fv_wire_unpack(session, arena, &onnx__graph_proto__descriptor, bytes, n, "a graph");
    cr_expect(!m);
    cr_expect(strstr(last_message(), "too much memory"), "%s", last_message());
}

Test(wire, no_model_at_all) {
    static const char *const texts[] = {"", "hello", "\x08\x08"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        cr_expect(!fv_onnx_import_bytes(session, texts[i], strlen(texts[i]), NULL, "m", NULL));
    cr_expect_str_eq(last_message(), "not an ONNX model: it has no graph");
    cr_expect(!fv_onnx_import(session, "/nowhere/at/all.onnx", NULL));
    cr_expect(!fv_onnx_import(session, "/", NULL));
}
