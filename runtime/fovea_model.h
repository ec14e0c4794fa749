/* fovea_model.h - the binary interface of compiled models, ABI 2.
 *
 * Generated headers repeat these declarations with the same include guard, so that generated C
 * depends on nothing and several models link into one program. Everything here is C99 and C++11. */
#ifndef FOVEA_ABI_2
#define FOVEA_ABI_2

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Statuses that calls return. */
enum {
    FV_OK = 0,
    FV_BAD_DIM = 1,   /* a dim is out of its bounds, or dims contradict each other */
    FV_BAD_INDEX = 2, /* an index in the data is out of range; outputs are unspecified */
    FV_BAD_CPU = 3,   /* this CPU lacks an instruction that the code was compiled for */
    /* the workspace, an output's capacity or that of a state is too small; out_dims have the sizes
     * that are needed */
    FV_TOO_SMALL = 4,
    FV_TOO_LARGE = 5,    /* sizes exceed what the machine can address */
    FV_NO_MEMORY = 6,    /* the allocator returned NULL, or there is none */
    FV_CANCELLED = 7,    /* the cancel flag was set */
    FV_BAD_ARGUMENT = 8, /* a pointer is NULL or misaligned, or an fv_env has no size */
    FV_BAD_MODEL = 9,    /* only from the compiler: the model has an error; see the messages */
    /* a file cannot be read or written, or is not valid; env->weights is not the model's */
    FV_BAD_FILE = 10,
    FV_INTERNAL = 11, /* a bug in Fovea */
    /* env->communicator is missing or incomplete, has another number of ranks than the model was
     * cut for, or one of its functions failed */
    FV_BAD_COMMUNICATOR = 12
};

/* Which function of a communicator makes an exchange. */
typedef enum fv_exchange_kind {
    FV_ALL_GATHER,
    FV_ALL_TO_ALL,
    FV_SEND,
    FV_RECEIVE,
    FV_GROUP_ALL_GATHER
} fv_exchange_kind;

/* The connection of a process, or thread, to the other ones that run the same model at the same
 * time, each on its own part: its ranks. The functions only move bytes, so no result depends on
 * how; sums are computed by the model, in an order that it fixes. All ranks that belong to a call,
 * such as every rank of the run, make it; two ranks make the calls to which both belong in the same
 * order, from the threads of their runs. A call returns when what is received is complete and what
 * is sent may change, and may wait for the other ranks until then; 0: done, anything else ends the
 * run with FV_BAD_COMMUNICATOR. `bytes` may be 0; then the pointers may be NULL. `send` and
 * `receive` do not overlap. */
typedef struct fv_communicator {
    size_t size; /* sizeof(fv_communicator), of the caller's version */
    void *user;
    size_t rank, ranks; /* 0 <= rank < ranks */
    /* Every rank sends `bytes` bytes to all ranks, itself included. receive: ranks * bytes bytes,
     * those of rank 0 first. */
    int (*all_gather)(void *user, const void *send, void *receive, size_t bytes);
    /* Every rank sends part j of `send`, `bytes` bytes, to rank j. send, receive: ranks * bytes
     * bytes; part i of `receive` is from rank i. */
    int (*all_to_all)(void *user, const void *send, void *receive, size_t bytes);
    /* Members from here on are needed by parts of models that are cut into stages; for other models
     * they may be NULL, or `size` may leave them out. */
    /* Sends `bytes` bytes to another rank `to`, which calls `receive` for as many bytes. */
    int (*send)(void *user, size_t to, const void *data, size_t bytes);
    /* Receives what another rank `from` sends to this one, which is `bytes` bytes. */
    int (*receive)(void *user, size_t from, void *data, size_t bytes);
    /* all_gather among `n` ranks from rank `first` on, to which this one belongs: receive: n *
     * bytes bytes, those of rank `first` first. */
    int (*group_all_gather)(void *user, size_t first, size_t n, const void *send, void *receive,
                            size_t bytes);
    /* The last two may both be NULL, or left out by `size`: then each exchange is made by one of
     * the functions above, where it would be started. */
    /* Starts an exchange and may return before it is complete: until the call of `wait` for it, the
     * model leaves what is sent as it is, and does not use what is received. kind: the function
     * above that would make it, an fv_exchange_kind. rank: `to`, `from` or `first`; n: of a group;
     * 0 where there is none. send, receive: NULL where there is none. */
    int (*start)(void *user, int kind, size_t rank, size_t n, const void *send, void *receive,
                 size_t bytes);
    /* Waits until the exchange is complete that was started first, of those that were not waited
     * for. A run that fails waits for all exchanges that it has started, and ignores the answers:
     * after it, the caller may free the memory from which others receive. */
    int (*wait)(void *user);
} fv_communicator;

/* What the caller may provide for a run. Members may be zero: then there is one thread, no
 * allocator (only models whose uses_allocator is 0 run), no cancelling. Later versions have more
 * members at the end: members beyond `size` count as zero, and members that the model does not know
 * are ignored. */
typedef struct fv_env {
    size_t size; /* sizeof(fv_env), of the caller's version */
    void *user;
    /* Calls task(arg, i) for 0 <= i < n, in any order, on any threads, and returns when all are
     * done. */
    void (*parallel_for)(void *user, void (*task)(void *arg, int64_t i), void *arg, int64_t n);
    void *(*alloc)(void *user, size_t bytes); /* aligned to 64; NULL: no memory */
    void (*free)(void *user, void *p);
    const volatile int32_t *cancel; /* if it becomes nonzero, the run stops soon */
    /* Called on the thread of the run before (end 0) and after (end 1) each launch of a kernel,
     * with its number in fv_model.launches. Generated C calls it only if it was compiled with
     * traces. */
    void (*trace)(void *user, int32_t launch, int32_t end);
    /* For models whose fv_model.weights_file is not NULL: the content of that file in memory,
     * aligned to 64. Otherwise ignored. */
    const void *weights;
    size_t weights_bytes; /* size of that file */
    /* For models that are one of several parts, each of which is run by a rank. Otherwise
     * ignored. */
    const fv_communicator *communicator;
    /* What generators of random numbers without a seed of their own draw from: the same value, of
     * which the low 40 bits count, gives the same numbers on every target. If it is 0,
     * fv_artifact_run chooses another one for each run, except for ranks, which must agree. */
    size_t seed;
} fv_env;

/* One input or output. */
typedef struct fv_port_info {
    const char *name; /* as in the model */
    int32_t type;     /* ONNX TensorProto.DataType */
    int32_t rank;
    const char *const *dims; /* rank expressions over the model's symbols, as text */
    int32_t depends_on_data; /* outputs: whether some dim is known only after the run */
    /* outputs: 1 + the input that takes this output in the next run (a cache: past and present); 0:
     * it is no state */
    int32_t state_of;
    /* of a state, input and output: 0: they are two buffers. Otherwise they are one buffer, in
     * which the output appends to what is there, or replaces some of it: 1 + the axis of its
     * capacity */
    int32_t in_place;
    /* in_place: the extent of the buffer along that axis, a number or a symbol of the model, as
     * text. The buffer has the dims of the port with this extent along that axis, row-major; else
     * NULL */
    const char *capacity;
} fv_port_info;

typedef struct fv_symbol_info {
    const char *name;
    int64_t lo, hi; /* bounds */
} fv_symbol_info;

/* A launch of a kernel, for traces. */
typedef struct fv_launch_info {
    const char *kernel; /* its name */
    const char *nodes;  /* the model's nodes that it computes; "": not known */
    /* those of them that check an index from the data, which may cause FV_BAD_INDEX; "": none */
    const char *indexes;
} fv_launch_info;

/* Dims that must be equal, or a run returns FV_BAD_DIM. */
typedef struct fv_relation_info {
    const char *left, *right; /* expressions over the model's symbols, as text */
    const char *why;          /* the node that requires it */
} fv_relation_info;

/* Runs the model.
 * dims: nsymbols values, in order of the table.
 * inputs, outputs: one pointer each, aligned to the element type; row-major; packed types as ONNX
 *   packs them; a tensor of no elements may be NULL. Inputs and outputs must not overlap, except
 *   for a state that is in_place: its input points to the buffer of `capacity`, and its output is
 *   the same pointer, or NULL. The elements of the input stay, those that the output has in
 *   addition are written after them, and the rest of the buffer is neither read nor written. If
 *   the output does not fit the capacity, the run returns FV_TOO_SMALL, and only out_dims are
 *   written. If the output is as large as its input, the elements that differ are written. A run
 *   that fails later may have written some of them.
 * out_dims: for every output one capacity (in elements; read for outputs that depend on data, else
 *   ignored), then `rank` actual dims, written by the run. NULL is allowed if no output depends on
 *   data.
 * workspace: at least as many bytes as plan returns, aligned to 64. */
typedef int (*fv_run_fn)(const int64_t *dims, const void *const *inputs, void *const *outputs,
                         int64_t *out_dims, void *workspace, size_t bytes, const fv_env *env);
/* Computes the bytes of workspace, and the dims of the outputs in the layout of out_dims (capacity:
 * elements needed; for a dim that depends on data its upper bound; the capacity is INT64_MAX if it
 * has none). Either pointer may be NULL. Returns FV_OK, FV_BAD_DIM, FV_TOO_LARGE; FV_BAD_CPU if the
 * run would (generated C only: the C compiler defines its target). */
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
    int32_t nlaunches; /* 0: the launches are not traced */
    const fv_launch_info *launches;
    /* the name of a file next to the code that contains the weights, which a run needs as
     * env->weights; NULL: the weights are in the code */
    const char *weights_file;
    int32_t nrelations;
    const fv_relation_info *relations; /* relations between dims that the caller passes */
    uint64_t checksum; /* checksum of the table, verified when it is loaded from a file */
} fv_model;

#ifdef __cplusplus
}
#endif
#endif
