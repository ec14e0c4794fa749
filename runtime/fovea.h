/* fovea.h - the library: compile ONNX models, load what was compiled, run it.
 *
 * Two libraries share this header. libfovea-run loads and runs compiled models and needs nothing
 * but libc; libfovea adds the compiler. There is no global state, nothing aborts, and a model may
 * be run by any number of threads at the same time. (One exception: while native code is made, LLVM
 * ends the process where it gets no memory. All other allocations that fail are FV_NO_MEMORY.)
 *
 *   fv_artifact *a;
 *   fv_log *log = fv_log_new();
 *   if (fv_compile("model.onnx", NULL, log, &a) != FV_OK)
 *       fputs(fv_log_text(log), stderr);
 *   fv_array in = {.type = FV_TYPE_FLOAT, .rank = 2, .dims = {4, 768}, .data = x}, out = {0};
 *   int status = fv_artifact_run(a, &in, &out, NULL, log);
 *   ... out.data, out.dims ...
 *   fv_array_free(&out);
 *   fv_artifact_free(a); */
#ifndef FOVEA_H
#define FOVEA_H

#include "fovea_model.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FV_ARRAY_RANK 32

#ifdef __GNUC__ /* a status is to be looked at */
#define FV_ANSWER __attribute__((warn_unused_result))
#else
#define FV_ANSWER
#endif

/* Element types, by the numbers of ONNX's TensorProto.DataType: fv_array.type,
 * fv_port_info.type. */
enum {
    FV_TYPE_FLOAT = 1,
    FV_TYPE_UINT8,
    FV_TYPE_INT8,
    FV_TYPE_UINT16,
    FV_TYPE_INT16,
    FV_TYPE_INT32,
    FV_TYPE_INT64,
    FV_TYPE_STRING,
    FV_TYPE_BOOL,
    FV_TYPE_FLOAT16,
    FV_TYPE_DOUBLE,
    FV_TYPE_UINT32,
    FV_TYPE_UINT64,
    FV_TYPE_COMPLEX64,
    FV_TYPE_COMPLEX128,
    FV_TYPE_BFLOAT16,
    FV_TYPE_FLOAT8E4M3FN,
    FV_TYPE_FLOAT8E4M3FNUZ,
    FV_TYPE_FLOAT8E5M2,
    FV_TYPE_FLOAT8E5M2FNUZ,
    FV_TYPE_UINT4,
    FV_TYPE_INT4,
    FV_TYPE_FLOAT4E2M1,
    FV_TYPE_FLOAT8E8M0,
    FV_TYPE_UINT2,
    FV_TYPE_INT2
};

/* A tensor in memory: row-major, host byte order; packed types (4 and 2 bits) packed from the low
 * bits of each byte on, as ONNX does. It is dense, unless it has a capacity: then its elements are
 * the first dims[axis] along that axis of a tensor that has `capacity` there, and else the same
 * dims. So is what a model adds to in place, fv_port_info.in_place. */
typedef struct fv_array {
    int32_t type; /* FV_TYPE_ */
    int32_t rank;
    int64_t dims[FV_ARRAY_RANK];
    void *data;
    void *owner;      /* what fv_array_free frees; NULL: the data belongs to the caller */
    int64_t capacity; /* along `axis`; 0: it is dense */
    int32_t axis;
} fv_array;
void fv_array_free(fv_array *a);
/* Bytes of its memory, with its capacity; SIZE_MAX where that overflows or the type has no fixed
 * size. */
size_t fv_array_bytes(const fv_array *a);

/* The name of a status: "FV_BAD_DIM"; and what it means in a few words. */
const char *fv_status_name(int status);
const char *fv_status_text(int status);

/* ---- messages ---- */

/* Collects what a call has to say, one line a message, in the form
 * `model.onnx: error: node 'MatMul_12' (MatMul): ...`. NULL where a log is taken: silence. */
typedef struct fv_log fv_log;
fv_log *fv_log_new(void); /* NULL: no memory */
/* all lines; "" if there are none; lives as long as the log */
const char *fv_log_text(const fv_log *l);
void fv_log_clear(fv_log *l);
void fv_log_free(fv_log *l);

/* ---- artifacts: models that can run ---- */

typedef struct fv_artifact fv_artifact;

/* Loads a compiled shared library (`fovea compile -o x.so`).
 *  Returns FV_OK; FV_BAD_FILE: not there, no compiled model of this ABI, or its table is damaged;
 * FV_NO_MEMORY. */
int fv_load(const char *path, fv_log *log, fv_artifact **out) FV_ANSWER;
/* The table of names, types, dims and entry points; lives as long as the artifact. */
const fv_model *fv_artifact_model(const fv_artifact *a);
void fv_artifact_free(fv_artifact *a); /* NULL is allowed; no run may be going on */

/* How to run: zero members mean the defaults. */
typedef struct fv_run_options {
    size_t size; /* sizeof(fv_run_options) */
    int threads; /* 0: as many as this process may use; 1: the calling thread only */
    const volatile int32_t *cancel;
} fv_run_options;

/* Runs once. Finds the values of symbolic dims from the shapes of the inputs, allocates workspace
 * and outputs; the workspace is kept for the next run until the artifact is freed. Any number of
 * threads may run one artifact at the same time.
 *  inputs   model->ninputs arrays, in order; types and ranks must be the model's
 *  outputs  model->noutputs arrays, zeroed by the caller, or with data and dims of a buffer to use;
 *           those without data are allocated, and freed by fv_array_free. One that is in_place is
 *     its input's
 *           memory: its data is NULL or the same pointer; after the run it has dims and capacity,
 *     and can be the
 *           input of the next one
 *  Returns FV_OK, or what fv_model.run returned; FV_BAD_ARGUMENT: an input's type
 *  or rank does not fit, or its capacity stands at another axis, a list is NULL though the model
 *     has members of it, options of another size; FV_BAD_DIM: dims are out of bounds or contradict
 *     each other; FV_TOO_SMALL: a
 *  buffer of the caller does not hold the output, or a state has no room for what is new. Then
 *     nothing is left allocated, and the log says
 *  which input, dim or node it was. */
int fv_artifact_run(fv_artifact *a, const fv_array *inputs, fv_array *outputs,
                    const fv_run_options *o, fv_log *log) FV_ANSWER;

/* ---- compiling: libfovea only ---- */

typedef enum { FV_BACKEND_JIT, FV_BACKEND_INTERP, FV_BACKEND_C } fv_backend_kind;

typedef struct fv_compile_options {
    size_t size; /* sizeof(fv_compile_options) */
    /* "x86-64-v3", "x86-64-v4+vnni"; NULL: native for a JIT, x86-64-v3 or the architecture's
     * baseline for files */
    const char *target;
    /* "seq=128", "seq=1..512", "INPUT:AXIS=N"; NULL terminated; NULL: none */
    const char *const *dims;
    /* '0' to '3', 's'; 0: '2'. '0' runs few passes; the others all, with that level for code */
    char level;
    int naive;                 /* the reference schedule: each op alone */
    const char *name;          /* prefix of C names; NULL: from the file's */
    const char *const *passes; /* instead of the level's pipeline; NULL terminated */
    fv_backend_kind backend;
    int verify; /* check the IR after every pass */
    /* "past=present", INPUT=OUTPUT: fv_port_info.state_of; "past=present:1024",
     * INPUT=OUTPUT:CAPACITY, a number or a name: in_place besides; a '*' in both names stands for
     * the same text: "past.*=present.*:1024"; NULL terminated */
    const char *const *states;
    /* files: where weights go: "object", "file", "incbin", "text"; NULL: as docs/cli.md says */
    const char *weights;
    /* an ONNX model that departs from the standard is an error, not a few warnings */
    int strict;
    const char *tuning; /* path of what `fovea tune` has written for this model; NULL: none */
    /* passes that run only where they are asked for; NULL terminated; NULL: none */
    const char *const *enable;
    /* passes, steps of lowering and rules that are left out; the same. `fovea opt --list-passes`
     * lists the first two */
    const char *const *disable;
} fv_compile_options;

/* Compiles to something that runs at once; or loads it, where that has been done before: from the
 * cache on disk, whose folder FOVEA_CACHE_DIR names. Empty, there is none; unset, it is
 * $XDG_CACHE_HOME/fovea or ~/.cache/fovea.
 *  path  an ONNX model, graph IR text or kernel IR text (told apart by content)
 *  Returns FV_OK; FV_BAD_MODEL, FV_BAD_FILE, FV_BAD_ARGUMENT after messages; FV_NO_MEMORY. */
int fv_compile(const char *path, const fv_compile_options *o, fv_log *log,
               fv_artifact **out) FV_ANSWER;

/* Compiles to files: the kind follows from the suffix of `out`: .so .o .a .c .ll .s, a folder
 * (ends in `/`): C with Makefile and self-test, .fvir graph IR, .fvk kernels and host program; the
 * last two have their larger constants beside them, in `out`.bin. `o->backend` has no meaning here.
 *  Returns as fv_compile. Nothing is left behind on failure, nothing old is lost. */
int fv_compile_file(const char *path, const char *out, const fv_compile_options *o,
                    fv_log *log) FV_ANSWER;

#ifdef __cplusplus
}
#endif
#endif
