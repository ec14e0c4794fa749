/* distributed.c - the operators of ONNX Runtime on shares of tensors: their results are those of
 * the same operators on whole tensors, which the models gather. The numbers are small integers, so
 * that the order of sums does not matter. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/have.h"
#include "runtime/fovea.h"

enum { MOST = 3, ELEMENTS = 4 * 6 * 12 };

static char model[] = "/tmp/fovea-distributed-XXXXXX";

static void begin(void) {
    int file = mkstemp(model);
    cr_assert(file >= 0);
    setenv("FOVEA_CACHE_DIR", "", 1);
}

static void end(void) {
    remove(model);
}

TestSuite(distributed, .init = begin, .fini = end, .timeout = 200);

/* An operator on x, of which a rank has [4, 6, 12], and the other way to compute the same. In
 * both, %X0, %X1, %X2 are what is gathered along an axis. */
typedef struct example {
    const char *name, *operands, *specs, *result, *more; /* specs: of the operands */
    const char *device;                                  /* the mesh of operand 0; "": all ranks */
    const char *result_device;
    const char *plain;
} example;

static const example examples[] = {
    /* factors: rows, columns, terms of the sum, the batch; if they do not agree, both are
     * gathered */
    {"MatMul", "%x, %B", "RS[0]R RRR", "RS[0]R", "", "", "", "MatMul(%X1, %B)"},
    {"MatMul", "%x, %B", "RS[0]R RRR", "RRR", "", "", "", "MatMul(%X1, %B)"},
    {"MatMul", "%x, %xt", "RRS[0] RS[0]R", "RRR", "", "", "", "MatMul(%X2, %XT1)"},
    {"MatMul", "%x, %xt", "RRS[0] RS[0]R", "RS[0]R", "", "", "", "MatMul(%X2, %XT1)"},
    {"MatMul", "%x, %xt", "S[0]RR S[0]RR", "S[0]RR", "", "", "", "MatMul(%X0, %XT0)"},
    {"MatMul", "%x, %xt", "RRR RRS[0]", "RRS[0]", "", "", "", "MatMul(%x, %XT2)"},
    {"MatMul", "%x, %xt", "RS[0]R RRS[0]", "RRR", "", "", "", "MatMul(%X1, %XT2)"},
    {"MatMul", "%x, %xt", "RRS[0] RS[0]R", "S[0]RR", "", "[0,1,0,1]", "", "MatMul(%X2, %XT1)"},
    {"MatMul", "%x, %v", "S[0]RR R", "S[0]R", "", "", "", "MatMul(%X0, %v)"},
    {"MatMul", "%v, %xt", "R RRS[0]", "RS[0]", "", "", "", "MatMul(%v, %XT2)"},
    {"MatMul", "%one, %x", "RRRR RRS[0]", "RRRS[0]", "", "", "", "MatMul(%one, %X2)"},
    {"Slice", "%x, %at0, %at3, %axis1", "S[0]RR R R R", "S[0]RR", "", "", "",
     "Slice(%X0, %at0, %at3, %axis1)"},
    {"Slice", "%x, %at0, %at6, %axis2, %at2", "RRS[0] R R R R", "RRR", "", "", "",
     "Slice(%X2, %at0, %at6, %axis2, %at2)"},
    {"Slice", "%x, %at0, %at3", "RS[0]R R R", "RS[0]R", "", "", "", "Slice(%X1, %at0, %at3)"},
    {"Reshape", "%x, %flat", "S[0]RR R", "S[0]", "", "", "", "Reshape(%X0, %flat)"},
    {"Reshape", "%x, %pairs", "RS[0]R R", "RS[0]", "", "", "", "Reshape(%X1, %pairs)"},
    {"Reshape", "%x, %flat", "RRS[0] R", "R", "", "", "", "Reshape(%X2, %flat)"},
    {"Reshape", "%x, %keep", "S[0]RR R", "RRS[0]", "allowzero = 0, ", "", "",
     "Reshape(%X0, %keep)"},
    {"Expand", "%f, %wide", "S[0]RRR R", "S[0]RRR", "", "", "", "Expand(%F0, %wide)"},
    {"Squeeze", "%f, %axis1", "RRS[0]R R", "RS[0]R", "", "", "", "Squeeze(%F2, %axis1)"},
    {"Unsqueeze", "%x, %axis1", "RRS[0] R", "RRRS[0]", "", "", "", "Unsqueeze(%X2, %axis1)"},
    {"ReduceSum", "%x, %axis1", "S[0]RR R", "S[0]RR", "", "", "", "ReduceSum(%X0, %axis1)"},
    {"ReduceSum", "%x, %axis1", "RS[0]R R", "RRR", "", "", "", "ReduceSum(%X1, %axis1)"},
    {"ReduceMax", "%x, %axis1", "RS[0]R R", "RS[0]", "keepdims = 0, ", "", "",
     "ReduceMax(%X1, %axis1) {keepdims = 0}"},
    {"ReduceMean", "%x, %axis2", "RRS[0] R", "RRR", "", "", "", "ReduceMean(%X2, %axis2)"},
    {"ReduceMean", "%x, %axis1", "RRS[0] R", "RS[0]", "keepdims = 0, ", "", "",
     "ReduceMean(%X2, %axis1) {keepdims = 0}"},
    /* means of f16, whose sums are none */
    {"ReduceMean", "%h, %axis1", "RS[0]R R", "RRR", "", "", "", "ReduceMean(%H1, %axis1)"},
    {"ReduceMean", "%h, %axis1", "RS[0]R R", "S[0]RR", "", "[1, 0, 1, 0]", "",
     "ReduceMean(%H1, %axis1)"},
    /* shares of a shape, whose elements the compiler knows: the whole one has others, too */
    {"Slice", "%shape, %at0, %at6", "S[0] R R", "S[0]", "", "", "", "Slice(%S0, %at0, %at6)"},
    {"Reshape", "%shape, %flat", "S[0] R", "S[0]", "", "", "", "Reshape(%S0, %flat)"},
    {"Unsqueeze", "%shape, %axis1", "S[0] R", "S[0]R", "", "", "", "Unsqueeze(%S0, %axis1)"},
};
enum { EXAMPLES = sizeof examples / sizeof *examples };

/* Writes a list of texts, that text for each operand of the specifications. */
static void write_list(FILE *f, const char *name, const char *specs, const char *text,
                       const char *others) {
    fprintf(f, "%s = [", name);
    for (const char *p = specs; p; p = strchr(p, ' ') ? strchr(p, ' ') + 1 : NULL)
        fprintf(f, "%s\"%s\"", p == specs ? "" : ", ", !text ? "" : p == specs ? text : others);
    fprintf(f, "], ");
}

static void write_specs(FILE *f, const char *name, const char *specs) {
    fprintf(f, "%s = [\"", name);
    for (; *specs; specs++)
        fprintf(f, *specs == ' ' ? "\", \"" : "%c", *specs);
    fprintf(f, "\"]");
}

static const char *all_of(int ranks) {
    return ranks == 2 ? "[0, 1]" : "[0,1,2]";
}

static const char *shape_of(const char *mesh) {
    static const char *const shapes[] = {"[1]", "[2]", "[3]", "[4]", "[5]", "[6]"};
    int n = 0;
    for (const char *p = mesh; *p; p++)
        n += *p == ',';
    return shapes[n];
}

static void write_op(FILE *f, const example *e, int ranks) {
    const char *all = all_of(ranks), *own = *e->device ? e->device : all,
               *result = *e->result_device ? e->result_device : all;
    fprintf(f, "  %%d = com.microsoft.Distributed%s(%s) {%s", e->name, e->operands, e->more);
    write_list(f, "input_device_mesh_elements", e->specs, own, *e->device ? own : all);
    write_list(f, "input_device_mesh_shapes", e->specs, shape_of(own), shape_of(own));
    write_list(f, "output_device_mesh_elements", "R", result, result);
    write_list(f, "output_device_mesh_shapes", "R", shape_of(result), shape_of(result));
    write_specs(f, "input_shard_specs", e->specs);
    fprintf(f, ", ");
    write_specs(f, "output_shard_specs", e->result);
    fprintf(f, "}    loc(\"shared\")\n");
}

/* The axis that a specification divides; -1: none. */
static int axis_of(const char *spec) {
    int axis = 0;
    for (; *spec && *spec != 'S'; spec++)
        axis++;
    return *spec ? axis : -1;
}

static void write_model(const example *e, int ranks) {
    FILE *f = fopen(model, "w");
    cr_assert(f);
    fprintf(f,
            "fovea-ir 1\nmodule \"m\"\nconst @at0: i64[1] = [0]\nconst @at2: i64[1] = [2]\n"
            "const @at3: i64[1] = [3]\nconst @at6: i64[1] = [6]\nconst @axis1: i64[1] = [1]\n"
            "const @axis2: i64[1] = [2]\nconst @flat: i64[1] = [-1]\n"
            "const @pairs: i64[2] = [4, -1]\nconst @keep: i64[3] = [0, 6, 12]\n"
            "const @wide: i64[4] = [1, 3, 6, 12]\nconst @v: f32[12] = [1,2,3,4,5,6,5,4,3,2,1,0]\n"
            "const @split: i64[4] = [4, 1, 6, 12]\nconst @full: i64[3] = [4, 6, 12]\n"
            "const @many: f32[] = 8192\n"
            "func @main(%%x: f32[4, 6, 12]) -> (%%y) {\n"
            "  %%xt = Transpose(%%x) {perm = [0, 2, 1]}\n  %%f = Reshape(%%x, @split)\n"
            "  %%B = Slice(%%xt, @at0, @at3, @axis2)\n  %%one = Unsqueeze(%%xt, @at0)\n"
            "  %%row = Slice(%%x, @at0, @axis1, @axis1)\n  %%big = Mul(%%row, @many)\n"
            "  %%half = Cast(%%big) {to = 10}\n  %%h = Expand(%%half, @full)\n"
            "  %%H1 = com.microsoft.AllGather(%%h) {axis = 1, group_size = %d}\n"
            "  %%shape = Shape(%%f)\n"
            "  %%S0 = com.microsoft.AllGather(%%shape) {axis = 0, group_size = %d}\n",
            ranks, ranks);
    for (int i = 0; i < 3; i++)
        fprintf(f,
                "  %%X%d = com.microsoft.AllGather(%%x) {axis = %d, group_size = %d}\n"
                "  %%XT%d = com.microsoft.AllGather(%%xt) {axis = %d, group_size = %d}\n"
                "  %%F%d = com.microsoft.AllGather(%%f) {axis = %d, group_size = %d}\n",
                i, i, ranks, i, i, ranks, i, i, ranks);
    example local = *e;
    char text[2][300];
    for (int k = 0; k < 2; k++) { /* constants are written with @ */
        const char *from = k ? e->plain : e->operands;
        static const char *const constants[] = {"at0",  "at2",   "at3",  "at6",  "axis1", "axis2",
                                                "flat", "pairs", "keep", "wide", "v"};
        snprintf(text[k], sizeof text[k], "%s", from);
        for (char *p = text[k]; (p = strchr(p, '%')); p++)
            for (size_t i = 0; i < sizeof constants / sizeof *constants; i++) {
                size_t n = strlen(constants[i]);
                if (!strncmp(p + 1, constants[i], n) &&
                    (p[1 + n] == ',' || p[1 + n] == ')' || !p[1 + n]))
                    *p = '@';
            }
    }
    local.operands = text[0];
    write_op(f, &local, ranks);
    int axis = axis_of(e->result);
    if (axis >= 0)
        fprintf(f, "  %%whole = com.microsoft.AllGather(%%d) {axis = %d, group_size = %d}\n", axis,
                ranks);
    fprintf(f,
            "  %%p = %s\n  %%same = Equal(%%p, %%%s)\n  %%ones = Cast(%%same) {to = 1}\n"
            "  %%y = ReduceMin(%%ones) {keepdims = 0}\n  return %%y\n}\n",
            text[1], axis >= 0 ? "whole" : "d");
    fclose(f);
}

typedef struct job {
    const fv_artifact *a;
    const fv_communicator *communicator;
    fv_ranks *ranks;
    int rank, status;
    bool whole; /* do all ranks have the same x? */
    float y;
    char text[300];
} job;

static void *run(void *arg) {
    job *j = arg;
    float x[ELEMENTS];
    for (int i = 0; i < ELEMENTS; i++)
        x[i] = (float)((i * 3 + (j->whole ? 0 : j->rank * 7)) % 11 - 5);
    fv_array in = {.type = FV_TYPE_FLOAT, .rank = 3, .dims = {4, 6, 12}, .data = x}, out = {0};
    fv_env env = {.size = sizeof env, .communicator = j->communicator};
    fv_run_options o = {.size = sizeof o, .threads = 1, .env = &env};
    fv_log *log = fv_log_new();
    j->status = fv_artifact_run((fv_artifact *)(uintptr_t)j->a, &in, &out, &o, log);
    snprintf(j->text, sizeof j->text, "%s", fv_log_text(log));
    j->y = j->status ? 0 : *(float *)out.data;
    fv_array_free(&out);
    fv_log_free(log);
    fv_ranks_stop(j->ranks, j->rank);
    return NULL;
}

/* Does an operand that is whole on each rank come from x? Then all ranks need the same one. */
static bool needs_one(const example *e) {
    return strstr(e->operands, "%B") || strstr(e->operands, "%one") ||
           !strncmp(e->specs, "RRR ", 4);
}

static void gives(const example *e, int ranks, fv_compile_options o) {
    fv_artifact *a = NULL;
    fv_log *log = fv_log_new();
    job jobs[MOST];
    pthread_t threads[MOST];
    fv_ranks *r = fv_ranks_new(ranks, 60);
    o.size = sizeof o;
    write_model(e, ranks);
    cr_assert_eq(fv_compile(model, &o, log, &a), FV_OK, "%s(%s): %s", e->name, e->specs,
                 fv_log_text(log));
    for (int i = 0; i < ranks; i++) {
        jobs[i] = (job){.a = a,
                        .ranks = r,
                        .communicator = fv_ranks_communicator(r, i),
                        .rank = i,
                        .whole = needs_one(e)};
        cr_assert_eq(pthread_create(&threads[i], NULL, run, &jobs[i]), 0);
    }
    for (int i = 0; i < ranks; i++) {
        pthread_join(threads[i], NULL);
        cr_expect(jobs[i].status == FV_OK && jobs[i].y == 1, "%s(%s) -> %s, rank %d of %d: %d %s",
                  e->name, e->specs, e->result, i, ranks, jobs[i].status, jobs[i].text);
    }
    fv_ranks_free(r);
    fv_artifact_free(a);
    fv_log_free(log);
}

static void computes(fv_compile_options o) {
    for (int i = 0; i < EXAMPLES; i++)
        for (int ranks = 2; ranks <= MOST; ranks++)
            if (ranks == 2 || !*examples[i].device)
                gives(&examples[i], ranks, o);
}

Test(distributed, interpreter) {
    computes((fv_compile_options){.backend = FV_BACKEND_INTERP, .verify = 1});
}

Test(distributed, code_in_memory) {
    if (!FV_HAVE_LLVM)
        cr_skip();
    computes((fv_compile_options){.backend = FV_BACKEND_JIT});
}

/* ---- what is refused: with the node and the attribute ---- */

/* Compiles what is written, with a diagnostic that has both texts; NULL: it compiles. */
static void compiles(const char *node, const char *why) {
    fv_artifact *a = NULL;
    fv_log *log = fv_log_new();
    fv_compile_options o = {.size = sizeof o, .backend = FV_BACKEND_INTERP};
    int status = fv_compile(model, &o, log, &a);
    const char *said = fv_log_text(log);
    cr_expect_eq(status, why ? FV_BAD_MODEL : FV_OK, "%s: %s", why ? why : "compiles", said);
    if (why)
        cr_expect(strstr(said, node) && strstr(said, why), "%s: %s", why, said);
    fv_artifact_free(a);
    fv_log_free(log);
}

/* Compiles a sum along axis 1 of x [4, 6, 12], with these attributes of the input and output. */
static void sum_is_refused(const char *spec, const char *shape, const char *devices,
                           const char *result, const char *result_shape, const char *result_devices,
                           const char *why) {
    FILE *f = fopen(model, "w");
    cr_assert(f);
    fprintf(f,
            "fovea-ir 1\nmodule \"m\"\nconst @axis: i64[1] = [1]\n"
            "func @main(%%x: f32[4, 6, 12]) -> (%%y) {\n"
            "  %%y = com.microsoft.DistributedReduceSum(%%x, @axis) {input_shard_specs = [%s], "
            "input_device_mesh_shapes = [\"%s\", \"[1]\"], input_device_mesh_elements = [\"%s\", "
            "\"[0]\"], output_shard_specs = [\"%s\"], output_device_mesh_shapes = [\"%s\"], "
            "output_device_mesh_elements = [\"%s\"]}    loc(\"sum\")\n  return %%y\n}\n",
            spec, shape, devices, result, result_shape, result_devices);
    fclose(f);
    compiles("node 'sum' (com.microsoft.DistributedReduceSum)", why);
}

static void refused(const char *spec, const char *shape, const char *devices, const char *result,
                    const char *why) {
    sum_is_refused(spec, shape, devices, result, "[2]", "[0, 1]", why);
}

Test(distributed, shares_that_are_refused) {
    refused("\"S[0]RR\"", "[2]", "[0,1]", "RRR",
            "input_shard_specs has 1 entries, expected one for each input");
    refused("\"S[0RR\", \"R\"", "[2]", "[0,1]", "RRR",
            "input_shard_specs[0] is 'S[0RR', expected R or S[0] for each axis");
    refused("\"SRR\", \"R\"", "[2]", "[0,1]", "RRR", "expected R or S[0] for each axis");
    refused("\"S[0]R\", \"R\"", "[2]", "[0,1]", "RRR",
            "input_shard_specs[0] is 'S[0]R', and the tensor has 3 axes");
    refused("\"S[0]S[0]R\", \"R\"", "[2]", "[0,1]", "RRR",
            "which divides two axes; one can be divided");
    refused("\"S[1]RR\", \"R\"", "[2]", "[0,1]", "RRR", "an axis of the mesh of devices");
    refused("\"S[0]RR\", \"S[0]\"", "[2]", "[0,1]", "RRR",
            "input_shard_specs[1] divides input 'shape', which each rank needs");
    refused("\"S[0]RR\", \"R\"", "[2", "[0,1]", "RRR",
            "input_device_mesh_shapes[0] is '[2', expected a list of numbers such as [0, 1]");
    refused("\"S[0]RR\", \"R\"", "[2]", "[0,,1]", "RRR",
            "input_device_mesh_elements[0] is '[0,,1]', expected a list of numbers");
    refused("\"S[0]RR\", \"R\"", "[2]", "[0,99999999999]", "RRR", "expected a list of numbers");
    refused("\"S[0]RR\", \"R\"", "[2,1]", "[0,1]", "RRR", "input_device_mesh_shapes[0]");
    refused("\"S[0]RR\", \"R\"", "[3]", "[0,1]", "RRR",
            "input_device_mesh_elements[0] is '[0,1]', which are not 3 devices, as the shape says");
    refused("\"S[0]RR\", \"R\"", "[2]", "[0,2]", "RRR",
            "expected all devices from 0 on, each as often");
    refused("\"S[0]RR\", \"R\"", "[3]", "[0,1,1]", "RRR", "each as often");
    refused("\"S[0]RR\", \"R\"", "[3]", "[0,1,2]", "S[0]RR",
            "output_device_mesh_elements has a mesh of 2 devices, the inputs of 3");
    refused("\"RRR\", \"R\"", "[2]", "[0,1]", "RS[0]R",
            "output_shard_specs[0]: axis 1 has 1 elements, expected a multiple of its 2 shards");
    refused("\"RS[0]R\", \"R\"", "[8]", "[0,1,0,1,0,1,0,1]", "RRR",
            "input_shard_specs[0]: axis 1 has 12 elements, expected a multiple of its 8 shards");
    refused("\"RS[0]R\", \"R\"", "[1]", "[0]", "RS[0]R",
            "output_device_mesh_elements has a mesh of 2 devices, the inputs of 1");
    sum_is_refused("\"RS[0]R\", \"R\"", "[2]", "[0, 1]", "S[0]RR", "[1]", "[0]",
                   "output_device_mesh_elements has a mesh of 1 devices, the inputs of 2");
    refused("\"S[0]RR\", \"R\"", "[]", "[]", "RRR", "input_device_mesh_shapes[0]");
    refused("\"S[0]RR\", \"R\"", "[0]", "[]", "RRR", "which is no number of devices that can run");
    refused("\"S[0]RR\", \"R\"", "[1]", "[65535]", "RRR",
            "expected all devices from 0 on, each as often");
    refused("\"S[0]RR\", \"R\"", "[1]", "[65536]", "RRR",
            "which is no number of devices that can run");
}

/* Products of f32[4, 6, 12] and of f32[5, 12, 4], which have other meshes. */
static void write_product(const char *specs, const char *shapes, const char *elements) {
    FILE *f = fopen(model, "w");
    cr_assert(f);
    fprintf(f,
            "fovea-ir 1\nmodule \"m\"\nfunc @main(%%x: f32[4, 6, 12], %%w: f32[5, 12, 4]) -> "
            "(%%y) {\n  %%y = com.microsoft.DistributedMatMul(%%x, %%w) {input_shard_specs = [%s], "
            "input_device_mesh_shapes = [%s], input_device_mesh_elements = [%s], "
            "output_shard_specs = [\"RRR\"], output_device_mesh_shapes = [\"[2]\"], "
            "output_device_mesh_elements = [\"[0, 1]\"]}    loc(\"product\")\n"
            "  return %%y\n}\n",
            specs, shapes, elements);
    fclose(f);
}

Test(distributed, factors_that_are_refused) {
    const char *node = "node 'product' (com.microsoft.DistributedMatMul)";
    write_product("\"RS[0]R\", \"RRS[0]\"", "\"[1]\", \"[2]\"", "\"[0]\", \"[0, 1]\"");
    compiles(node, "input_device_mesh_elements has meshes of 1 and of 2 devices");
    write_product("\"RS[0]R\", \"RRS[0]\"", "\"[2]\", \"[1]\"", "\"[0, 1]\", \"[0]\"");
    compiles(node, "input_device_mesh_elements has meshes of 2 and of 1 devices");
    write_product("\"RS[0]R\", \"RRS[0]\"", "\"[2]\", \"[2]\"", "\"[0, 1]\", \"[0, 1]\"");
    compiles(node, "cannot compute MatMul of the whole tensors, whose types are f32[4, 12, 12], "
                   "f32[5, 12, 8]");
}

/* ---- meshes of many devices ---- */

/* Writes an operator on x or its shape s, divided along axis 0 into shards of which each of the
 * ranks has `each` neighbours, the last rank first. The other operands and the result are whole. */
static void write_mesh(const char *type, const char *op, const char *spec, const char *result,
                       int ranks, int each) {
    FILE *f = fopen(model, "w");
    int others = 0, last = ranks * each - 1;
    cr_assert(f);
    fprintf(f,
            "fovea-ir 1\nmodule \"m\"\nconst @one: i64[1] = [1]\nconst @many: i64[1] = [99999]\n"
            "func @main(%%x: %s) -> (%%y) {\n  %%s = Shape(%%x)\n  %%y = com.microsoft.%s {"
            "input_shard_specs = [%s], input_device_mesh_elements = [\"",
            type, op, spec);
    for (const char *p = spec; *p; p++)
        others += *p == ',';
    for (int i = last; i >= 0; i--)
        fprintf(f, "%c%d", i == last ? '[' : ',', i / each);
    fprintf(f, "]\"");
    for (int i = 0; i < others; i++)
        fprintf(f, ", \"[0]\"");
    fprintf(f, "], input_device_mesh_shapes = [\"[%d]\"", ranks * each);
    for (int i = 0; i < others; i++)
        fprintf(f, ", \"[1]\"");
    fprintf(f,
            "], output_shard_specs = [\"%s\"], output_device_mesh_shapes = [\"[1]\"], "
            "output_device_mesh_elements = [\"[0]\"]}\n  return %%y\n}\n",
            result);
    fclose(f);
}

/* The compiler knows the elements of the share, not those of the whole shape. */
Test(distributed, shares_of_a_shape) {
    write_mesh("f32[5, 6, 12, 1]", "DistributedSlice(%s, @one, @many)", "\"S[0]\", \"R\", \"R\"",
               "R", 1024, 1);
    compiles("", NULL);
}

/* A walk over all pairs of shards, or over all shards for each rank, would take minutes. */
Test(distributed, many_devices, .timeout = 60) {
    write_mesh("f32[500000, 3]", "DistributedReduceSum(%x, @one)", "\"S[0]R\", \"R\"", "RR", 2,
               500000);
    compiles("", NULL);
    write_mesh("f32[15, 3]", "DistributedReduceSum(%x, @one)", "\"S[0]R\", \"R\"", "RR", 65536, 15);
    compiles("", NULL);
}
