/* fovea_model.h - the binary interface of compiled models, ABI 2.
 *
 * Generated headers repeat these declarations behind the same guard, so that generated C depends on
 * nothing and several models link into one program. Everything here is C99 and C++11. */
#ifndef FOVEA_ABI_2
#define FOVEA_ABI_2

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What calls return. */
enum {
    FV_OK = 0,
    FV_BAD_DIM = 1,   /* a dim is out of its bounds, or dims contradict each other */
    FV_BAD_INDEX = 2, /* an index in the data is out of range; outputs are unspecified */
    FV_BAD_CPU = 3,   /* this CPU lacks what the code was compiled for */
    /* workspace, an output's capacity or that of a state; out_dims tell the need */
    FV_TOO_SMALL = 4,
    FV_TOO_LARGE = 5,    /* sizes overflow what the machine can address */
    FV_NO_MEMORY = 6,    /* the allocator returned NULL, or there is none */
    FV_CANCELLED = 7,    /* the cancel flag was set */
    FV_BAD_ARGUMENT = 8, /* a NULL or misaligned pointer, an fv_env of no size */
    FV_BAD_MODEL = 9,    /* the compiler: the model is at fault; see the messages */
    /* a file cannot be read, written or understood; env->weights is not the model's */
    FV_BAD_FILE = 10,
    FV_INTERNAL = 11 /* a bug in Fovea */
};

/* What the caller may give a run. Zero members are allowed: then there is one thread, no allocator
 * (only models whose uses_allocator is 0 run), no cancelling. Later versions have more members at
 * the end: those that lie beyond `size` are as if they were zero, those that the model does not
 * know are not read. */
typedef struct fv_env {
    size_t size; /* sizeof(fv_env), of the caller's version */
    void *user;
    /* Calls task(arg, i) for 0 <= i < n, in any order, on any threads, and returns when all are
     * done. */
    void (*parallel_for)(void *user, void (*task)(void *arg, int64_t i), void *arg, int64_t n);
    void *(*alloc)(void *user, size_t bytes); /* aligned to 64; NULL: no memory */
    void (*free)(void *user, void *p);
    const volatile int32_t *cancel; /* not 0: stop soon */
    /* Called on the thread of the run before (end 0) and after (end 1) each launch of a kernel, by
     * its number in fv_model.launches. Generated C calls it only where it was compiled for that. */
    void (*trace)(void *user, int32_t launch, int32_t end);
    /* For models whose fv_model.weights_file is not NULL: that file, in memory, aligned to 64. Else
     * not read. */
    const void *weights;
    size_t weights_bytes; /* of the file */
} fv_env;

/* One input or output. */
typedef struct fv_port_info {
    const char *name; /* as in the model */
    int32_t type;     /* ONNX TensorProto.DataType */
    int32_t rank;
    const char *const *dims; /* rank expressions over the model's symbols, as text */
    int32_t depends_on_data; /* outputs: some dim is known only after the run */
    int32_t state_of;        /* outputs: 1 + the input that takes this output at the next run (a
                                 cache: past and present); 0: it is no state */
    /* of a state, input and output: 0, they are two buffers; else they are one, in which the output
     * adds to what is there, or replaces some of it: 1 + the axis of its capacity */
    int32_t in_place;
    /* in_place: how many the buffer has along that axis, a number or a symbol of the model, as
     * text: its dims are those of the port, with this in the place of that one, and its elements
     * lie row-major in these dims; else NULL */
    const char *capacity;
} fv_port_info;

typedef struct fv_symbol_info {
    const char *name;
    int64_t lo, hi; /* bounds */
} fv_symbol_info;

/* A launch of a kernel, for whoever traces. */
typedef struct fv_launch_info {
    const char *kernel; /* its name */
    const char *nodes;  /* the model's nodes that it computes; "" where nobody knows */
    /* those of them whose indices data tells: FV_BAD_INDEX is theirs; "": none */
    const char *indexes;
} fv_launch_info;

/* Dims that must be equal, or a run returns FV_BAD_DIM. */
typedef struct fv_relation_info {
    const char *left, *right; /* expressions over the model's symbols, as text */
    const char *why;          /* the node that asks for it */
} fv_relation_info;

/* dims: nsymbols values, in order of the table.
 * inputs, outputs: one pointer each, aligned to the element type; row-major; packed types as ONNX
 *   packs them; a tensor of no elements may be NULL. Inputs and outputs must not overlap,
 *   but for a state that is in_place: its input points to the buffer, of `capacity`, and its output
 *     is
 *   the same pointer, or NULL. What the input has stays; what the output has besides is written
 *     behind it,
 *   and the rest of the buffer is neither read nor written. Where the output has more than the
 *     capacity, the
 *   run returns FV_TOO_SMALL, and nothing is written but out_dims. Of an output as large as its
 *     input, the
 *   elements that differ are written. A run that fails later than this may have written some of it.
 * out_dims: for every output in turn one capacity (in elements; read for outputs that depend on
 *   data, else ignored), then `rank` actual dims, written by the run. NULL is allowed where no
 *   output depends on data.
 * workspace: at least the bytes that plan tells, aligned to 64. */
typedef int (*fv_run_fn)(const int64_t *dims, const void *const *inputs, void *const *outputs,
                         int64_t *out_dims, void *workspace, size_t bytes, const fv_env *env);
/* Bytes of workspace, and the dims of the outputs in the layout of out_dims (capacity: elements
 * needed; of a dim that depends on data its upper bound, capacity then INT64_MAX where it has
 * none). Either pointer may be NULL. Returns FV_OK, FV_BAD_DIM, FV_TOO_LARGE; FV_BAD_CPU where the
 * run would (generated C only: its compiler makes of this what the target has). */
typedef int (*fv_plan_fn)(const int64_t *dims, size_t *workspace, int64_t *out_dims);

typedef struct fv_model {
    uint32_t abi;  /* 2 */
    uint32_t size; /* sizeof(fv_model) */
    const char *name, *target, *source_hash, *producer;
    int32_t nsymbols, ninputs, noutputs;
    int32_t uses_allocator; /* needs env->alloc and env->free */
    const fv_symbol_info *symbols;
    const fv_port_info *inputs, *outputs;
    fv_plan_fn plan;
    fv_run_fn run;
    int32_t nlaunches; /* 0: not traced */
    const fv_launch_info *launches;
    /* the weights lie in a file of this name, beside the code, and a run needs env->weights; NULL:
     * they are in the code */
    const char *weights_file;
    int32_t nrelations;
    const fv_relation_info *relations; /* of dims that the caller gives */
    uint64_t checksum;                 /* of the table: who opens it from a file compares */
} fv_model;

#ifdef __cplusplus
}
#endif
#endif
