/* fovea.h - the library: compile ONNX models, load what was compiled, run it.
 *
 * Two libraries share this header. libfovea-run loads and runs compiled models and needs nothing
 * but libc; libfovea adds the compiler (fv_compile and kin) and generators of ids (fv_generator).
 * Nothing aborts, and a model may be run by any number of threads at the same time. There is no
 * global state except the threads that runs share. (While native code is made, LLVM ends the
 * process where it gets no memory. All other allocations that fail are FV_NO_MEMORY.)
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

#ifdef __GNUC__ /* warns if a status is ignored */
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

/* A tensor in memory: row-major, host byte order; packed types (4 and 2 bits) are packed from the
 * low bits of each byte on, as in ONNX. It is dense, unless it has a capacity: then its elements
 * are the first dims[axis] along that axis of a tensor that has `capacity` there, and else the same
 * dims. Such are the states that a model updates in place, fv_port_info.in_place. */
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
/* The size of its memory in bytes, capacity included; SIZE_MAX if that overflows or the type has no
 * fixed size. */
size_t fv_array_bytes(const fv_array *a);
/* sizeof(fv_array) of this library: programs in other languages compare it with their own
 * declaration. Later versions of the library with the same soname have the same layout. */
size_t fv_array_size(void);

/* The version of the library, such as "0.1.0"; fv_model.producer has that of a model's compiler. */
const char *fv_version(void);

/* The name of a status: "FV_BAD_DIM"; and what it means in a few words. */
const char *fv_status_name(int status);
const char *fv_status_text(int status);

/* ---- messages ---- */

/* Collects the messages of a call, one per line, in the form `model.onnx: error: node 'MatMul_12'
 * (MatMul): ...`. If a function is passed NULL, its messages are dropped. */
typedef struct fv_log fv_log;
fv_log *fv_log_new(void); /* NULL: no memory */
/* all lines, "" if there are none; valid until the log changes or is freed */
const char *fv_log_text(const fv_log *l);
void fv_log_clear(fv_log *l);
void fv_log_free(fv_log *l);

/* How serious a message is. */
enum { FV_LOG_NOTE, FV_LOG_WARNING, FV_LOG_ERROR };
/* How serious the message in a line of fv_log_text is, counted from 0: FV_LOG_; -1: there is no
 * such line. */
int fv_log_severity(const fv_log *l, size_t line) FV_ANSWER;

/* Receives a message.
 *  severity  FV_LOG_
 *  text      the line, without newline; valid until the function returns */
typedef void (*fv_log_fn)(void *user, int severity, const char *text);
/* Has the log pass each message on to `fn` when it gets it; NULL: to none, as in a new log. The log
 * collects the messages as well.
 *
 * A log must be used by one call at a time. The thread of that call calls `fn`, before the call
 * returns; fv_compile does so when it has finished. Logs of several threads may have the same
 * function, which must then be able to run on these threads at once. It must return, and may call
 * fv_log_clear, but no other function of this header. */
void fv_log_watch(fv_log *l, fv_log_fn fn, void *user);

/* ---- artifacts: models that can run ---- */

typedef struct fv_artifact fv_artifact;

/* Loads a compiled shared library (`fovea compile -o x.so`). A file that was replaced since it was
 * loaded is another library; artifacts of the one before stay as they are.
 *  Returns FV_OK; FV_BAD_FILE: not there, no compiled model of this ABI, or its table is damaged;
 * FV_BAD_CPU: it needs features that this CPU lacks, which the log names; FV_NO_MEMORY.
 *
 * For a library that multiplies matrices with amx-int8 or amx-bf16, this asks Linux for tile
 * registers, and so does fv_compile of a model with integers of at most 8 bits, or with bf16 whose
 * sums are in tiles (--relax=bf16-tiles), for a CPU that has them. Linux refuses them if a thread
 * of the process has an alternate signal stack of 8192 bytes (SIGSTKSZ), and after it has permitted
 * them, sigaltstack fails for one (ENOMEM): such stacks need sysconf(_SC_SIGSTKSZ) bytes. */
int fv_load(const char *path, fv_log *log, fv_artifact **out) FV_ANSWER;
/* The table of names, types, dims and entry points; lives as long as the artifact. */
const fv_model *fv_artifact_model(const fv_artifact *a);
void fv_artifact_free(fv_artifact *a); /* NULL is allowed; no run may be in progress */

/* The index of the input, the output or the symbol with this name in the table's lists; -1: there
 * is none, or an argument is NULL. */
int fv_model_find_input(const fv_model *m, const char *name) FV_ANSWER;
int fv_model_find_output(const fv_model *m, const char *name) FV_ANSWER;
int fv_model_find_symbol(const fv_model *m, const char *name) FV_ANSWER;
/* The value of a dim of the table: of fv_port_info.dims[axis] or capacity, or of a side of a
 * relation.
 *  symbols  a value for each symbol, m->nsymbols in the order of the table; NULL: they are not
 *           known, and only dims that are numbers have a value
 *  out      0 or more; untouched on failure
 * Returns FV_OK; FV_BAD_DIM: the dim depends on a symbol without a value or on the data of a run,
 * is negative, or exceeds an int64_t; FV_BAD_ARGUMENT: m, text or out is NULL. Any thread. */
int fv_model_dim(const fv_model *m, const char *text, const int64_t *symbols,
                 int64_t *out) FV_ANSWER;
/* The bytes of the largest array that an input or an output can be while all symbols are within
 * their bounds. An array of the caller of that size is large enough for all runs.
 *  port   of m->inputs or m->outputs
 *  bytes  out: for a state in place, those of its memory; untouched on failure
 * Returns FV_OK; FV_BAD_DIM: a dim has no bound, or depends on the data of a run; FV_TOO_LARGE:
 * size_t cannot hold the number; FV_BAD_ARGUMENT: an argument is NULL. Any thread. */
int fv_model_max_bytes(const fv_model *m, const fv_port_info *port, size_t *bytes) FV_ANSWER;

/* Threads that runs use. Without a pool, runs that request the same number of threads share the
 * threads that the library starts: runs of all artifacts, one after the other, use the same ones;
 * runs at the same time use others as well, up to the number of threads that this process may use.
 * They end when the last artifact that has used them is freed.
 *
 * A pool is for programs that decide which runs share threads. Any number of artifacts and
 * generators may use it, and any number of threads may run models with it at the same time: one
 * parallel region is executed at a time, and a thread that waits for it helps with its tasks. */
typedef struct fv_pool fv_pool;
/* threads: how many take part in a run, the calling thread included, at most 1024; 0: as many as
 * this process may use, by its affinity and its cgroup. If the system refuses to start as many, the
 * pool has fewer. NULL: no memory, or `threads` is negative. */
fv_pool *fv_pool_new(int threads);
/* How many threads take part; p NULL: how many this process may use. */
int fv_pool_size(const fv_pool *p) FV_ANSWER;
/* For generated C and fv_model.run: parallel_for of the pool (NULL for p NULL and for a pool of one
 * thread), and memory from malloc. */
fv_env fv_pool_env(fv_pool *p);
void fv_pool_free(fv_pool *p); /* NULL is allowed; no run may be using it */

/* What the thread that calls a run calls about every 50 ms while it lasts, between tasks of
 * kernels: `call` may set the flag `cancel` of the run, and may do what takes longer, for instance
 * handle signals, but not run models on the threads of this run. */
typedef struct fv_poll {
    void (*call)(void *user);
    void *user;
} fv_poll;

/* How to run; a member that is zero means the default. */
typedef struct fv_run_options {
    size_t size; /* sizeof(fv_run_options) */
    int threads; /* 0: as many as this process may use; 1: the calling thread only */
    /* if it becomes nonzero, the run ends before the next task of a kernel, with FV_CANCELLED. It
     * must then stay so until the run returns */
    const volatile int32_t *cancel;
    fv_pool *pool; /* the threads of the run; then `threads` must be 0 */
    /* What generated C gets from its caller, here too; members that are NULL mean the default.
     * parallel_for: runs the tasks instead of a pool; then `threads` must be 0. alloc and free,
     * both or neither: the memory of everything whose size depends on the model, which are
     * intermediate values, the workspace, copies of inputs, and outputs without data. Such an
     * output has no owner: the caller frees its data, fv_array_free does not. Weights are
     * ignored. */
    const fv_env *env;
    /* memory that the run may overwrite, aligned to 64; fv_artifact_plan computes how many bytes a
     * run needs. Runs at the same time need one each. NULL: the run allocates it */
    void *workspace;
    size_t workspace_bytes;
    /* for each input NULL (it is dense), or the distances in bytes between neighbouring elements
     * along each of its axes, which may be 0 or negative: the run copies its elements to a dense
     * array first. Inputs that are updated in place, and those of packed types, must be dense.
     * NULL: all inputs are dense */
    const int64_t *const *strides;
    const fv_poll *poll; /* needs `cancel`; NULL: none */
} fv_run_options;

/* Computes what a run with inputs of these dims needs, and allocates nothing that stays.
 *  inputs     model->ninputs arrays as for a run, whose data is not read and may be NULL
 *  outputs    model->noutputs arrays, which get type, rank and dims, and no data: an output with
 *             these dims fits a buffer of fv_array_bytes. A dim that depends on data gets an upper
 *             bound, or -1 if there is none; then the bytes are SIZE_MAX. NULL: not wanted
 *  workspace  bytes of workspace; NULL: not wanted
 *  Returns FV_OK; FV_BAD_ARGUMENT, FV_BAD_DIM, FV_NO_MEMORY as for a run, FV_TOO_LARGE. Outputs and
 *  workspace are untouched after a failure. Any thread. */
int fv_artifact_plan(fv_artifact *a, const fv_array *inputs, fv_array *outputs, size_t *workspace,
                     fv_log *log) FV_ANSWER;

/* Runs a model once. Finds the values of symbolic dims from the shapes of the inputs, and allocates
 * workspace and outputs; a workspace from malloc is kept for the next run until the artifact is
 * freed. Any number of threads may run one artifact at the same time.
 *  inputs   model->ninputs arrays, in order; types and ranks must be the model's
 *  outputs  model->noutputs arrays, zeroed by the caller, or with data and dims of a buffer to use;
 *           those without data are allocated, and freed by fv_array_free. One that is in_place has
 *           the memory of its input: its data must be NULL or the same pointer; after the run it
 *           has dims and capacity, and can be the input of the next run
 *  Returns FV_OK, or what fv_model.run returned; FV_BAD_ARGUMENT: an input's type or rank does not
 *  fit, its capacity is along another axis, a list is NULL though the model has members of it, or
 *  options have another size or contradict each other; FV_BAD_DIM: dims are out of bounds or
 *  contradict each other; FV_TOO_SMALL: a buffer or the workspace of the caller is too small, or a
 *  state's capacity for the new elements. After a failure nothing is left allocated, and the log
 *  names the input, dim or node. */
int fv_artifact_run(fv_artifact *a, const fv_array *inputs, fv_array *outputs,
                    const fv_run_options *o, fv_log *log) FV_ANSWER;

/* fv_artifact_run for programs in other languages: no struct is passed. Types and ranks are the
 * model's; elements of packed types are packed.
 *  inputs           model->ninputs pointers, as data of fv_array
 *  input_dims       the dims of all inputs, one after another
 *  outputs          model->noutputs pointers to memory of the caller, none NULL
 *  output_elements  how many elements each of these has room for
 *  output_dims      out: the dims of all outputs, one after another; NULL: not wanted
 *  Returns as fv_artifact_run; FV_BAD_ARGUMENT: also if a list is NULL that has members, or an
 *  output is NULL. Uses as many threads as this process may. Any thread. */
int fv_run_flat(fv_artifact *a, const void *const *inputs, const int64_t *input_dims,
                void *const *outputs, const int64_t *output_elements, int64_t *output_dims,
                fv_log *log) FV_ANSWER;

/* ---- ranks: models that run together ---- */

/* Connects threads of one process that run models with collective operators, such as AllReduce of
 * com.microsoft: each thread is a rank, and passes its communicator in the env of its runs. Other
 * ways to connect ranks are tables of the same kind, as fv_communicator describes. */
typedef struct fv_ranks fv_ranks;
/* ranks: their number, 1 to 1024
 * timeout: how long a rank waits for the others, in seconds, more than 0, at most 1e6
 * NULL: no memory, or an argument is out of range. */
fv_ranks *fv_ranks_new(int ranks, double timeout);
/* The communicator of a rank, for one thread at a time; it lives as long as r. NULL: r is NULL, or
 * there is no such rank. */
const fv_communicator *fv_ranks_communicator(const fv_ranks *r, int rank);
/* States that this rank makes no more calls, for instance because its run has failed: then calls
 * that wait for it fail at once. Any thread. */
void fv_ranks_stop(fv_ranks *r, int rank);
/* Why calls have failed: which ranks differ, are late or have ended, and in which exchange, counted
 * from 1. NULL: none has failed, or r is NULL. Not during a call. */
const char *fv_ranks_error(const fv_ranks *r);
void fv_ranks_free(fv_ranks *r); /* NULL is allowed; no call may be in progress */

/* ---- strings ---- */

/* Makes the two tensors that models have for a tensor of strings: the bytes of all strings, and the
 * position at which each string ends.
 *  strings    as many as the product of the dims; UTF-8, each ends with a zero byte
 *  dims       `rank` dims; NULL is allowed for rank 0, which is one string
 *  text, ends out: u8[bytes] and i64[dims], freed by fv_array_free; untouched on failure
 * Returns FV_OK; FV_BAD_ARGUMENT: an argument or a string is NULL, or the rank is out of range;
 * FV_BAD_DIM: a dim is negative, or a string is longer than 8388607 bytes; FV_TOO_LARGE;
 * FV_NO_MEMORY. The log has the number of the string. A run checks that they are UTF-8. */
int fv_strings_pack(const char *const *strings, int rank, const int64_t *dims, fv_array *text,
                    fv_array *ends, fv_log *log) FV_ANSWER;
/* The reverse: strings that end with a zero byte, as many as `ends` has elements, and a NULL after
 * the last one, in one block of memory for fv_strings_free.
 * Returns FV_OK; FV_BAD_ARGUMENT: an argument or the data is NULL, has another type, or is not
 * aligned; FV_BAD_DIM: the ends decrease or are not those of the text, or a string has a zero byte;
 * FV_NO_MEMORY. */
int fv_strings_unpack(const fv_array *text, const fv_array *ends, char ***out,
                      fv_log *log) FV_ANSWER;
void fv_strings_free(char **strings); /* NULL is allowed */

/* ---- sequences ---- */

/* Makes the two tensors that models have for a sequence or an optional of tensors: the elements of
 * all of them, and a row of nine numbers for each.
 *  tensors  n dense arrays of one type whose elements have whole bytes, of at most 8 axes
 *  type     FV_TYPE_ of the tensors, which is that of the sequence also if n is 0
 *  data     out: the elements, of rank 1; NULL: not wanted. Then the type and the data of tensors
 *           are not read, as for tensors of strings, which have text and ends instead
 *  shapes   out: i64[n, 9], with rank, dims and ones. Both are freed by fv_array_free, and
 *           untouched on failure
 * Returns FV_OK; FV_BAD_ARGUMENT: an argument is NULL, n is negative, or a tensor is not as above;
 * FV_TOO_LARGE; FV_NO_MEMORY. The log has the number of the tensor. */
int fv_sequence_pack(const fv_array *tensors, int64_t n, int32_t type, fv_array *data,
                     fv_array *shapes, fv_log *log) FV_ANSWER;
/* The reverse, which copies no elements.
 *  n        shapes->dims[0]
 *  tensors  out: n arrays without an owner, whose data is a part of that of `data`; untouched on
 *           failure
 * Returns FV_OK; FV_BAD_ARGUMENT: an argument or its data is NULL, has another type or rank, or is
 * not aligned, or n is another number; FV_BAD_DIM: a row of shapes is not valid, or the tensors
 * have more or fewer elements than the data. */
int fv_sequence_unpack(const fv_array *data, const fv_array *shapes, int64_t n, fv_array *tensors,
                       fv_log *log) FV_ANSWER;

/* ---- maps ---- */

/* A map: a value for each key. Both are vectors of the same length, in the same order. */
typedef struct fv_map {
    fv_array keys, values;
} fv_map;

/* Makes the vectors that models have for maps: the keys and the values of all maps, and where each
 * map ends.
 *  maps        n maps, whose vectors are dense
 *  key_type    FV_TYPE_ of all keys, value_type that of all values, also if n is 0; their elements
 *              have whole bytes
 *  keys, values  out: vectors with an element for each entry; NULL: not wanted. Then the type and
 *              the data of the maps' keys or values are not read: if these are strings,
 *              fv_strings_pack makes text and ends of those of all maps
 *  ends        out: i64[n], the number of entries of the maps up to and with this one; NULL: n is
 *              1, for a model that takes a map and no sequence of maps. The three are freed by
 *              fv_array_free, and untouched on failure
 * Returns FV_OK; FV_BAD_ARGUMENT: maps is NULL, n is negative, or a map is not as above;
 * FV_TOO_LARGE; FV_NO_MEMORY. The log has the number of the map. */
int fv_maps_pack(const fv_map *maps, int64_t n, int32_t key_type, int32_t value_type,
                 fv_array *keys, fv_array *values, fv_array *ends, fv_log *log) FV_ANSWER;
/* The reverse, which copies no elements.
 *  keys, values  the vectors; NULL for those that are strings: the maps then have the lengths, but
 *              no data
 *  n           ends->dims[0]
 *  maps        out: n maps of arrays without an owner, whose data is a part of that of the vectors;
 *              untouched on failure
 * Returns FV_OK; FV_BAD_ARGUMENT: ends or maps is NULL, or an argument has another type or rank, is
 * not aligned, or has another length; FV_BAD_DIM: the ends decrease, or are not those of the
 * vectors. */
int fv_maps_unpack(const fv_array *keys, const fv_array *values, const fv_array *ends, int64_t n,
                   fv_map *maps, fv_log *log) FV_ANSWER;

/* ---- states: outputs that are inputs of the next run ---- */

/* Keeps the values of a model's states (fv_port_info.state_of) from run to run, for one series of
 * runs. Any number of them may belong to one artifact; none changes the values of another. All
 * their memory is allocated when they are made: one buffer for a state that is in_place, and two,
 * used alternately, for any other.
 *
 * One call at a time may use an fv_states. Calls with different ones may run at the same time, also
 * if they belong to one artifact. */
typedef struct fv_states fv_states;

/* Makes them, with the values that fv_states_reset gives.
 *  a     must live until the last call but fv_states_free
 *  dims  "batch=2", "room=1024": the values of the symbols on which the sizes of states depend; of
 *        a symbol that is an axis along which a state grows, the largest. A symbol that can have
 *        one value only may be left out. NULL terminated; NULL: none
 *  out   NULL after a failure
 * Returns FV_OK; FV_BAD_ARGUMENT: a or out is NULL, or an entry of dims is no symbol and number;
 * FV_BAD_DIM: a number is out of the bounds of its symbol, or a symbol is missing; FV_TOO_LARGE;
 * FV_NO_MEMORY. The log names the entry, or the state and the dim. */
int fv_states_new(fv_artifact *a, const char *const *dims, fv_log *log, fv_states **out) FV_ANSWER;
/* Runs the model as fv_artifact_run does, with the kept values, which the run replaces.
 *  inputs   model->ninputs arrays. Those of states have type 0, and the kept values are taken; or
 *           they are values to take instead, as by fv_states_set
 *  outputs  model->noutputs arrays. Those of states must have no data, or the data that an earlier
 *           run gave; the run sets them to the kept values, as fv_states_get does
 *  Returns as fv_artifact_run. FV_TOO_SMALL: a new value does not fit the memory of its state; the
 *  log names input, axis, capacity and the size that is needed. After a failure the states have the
 *  values with which the run began, but elements of a state that is in_place may have been
 *  replaced, as fv_run_fn describes. */
int fv_states_run(fv_states *s, const fv_array *inputs, fv_array *outputs, const fv_run_options *o,
                  fv_log *log) FV_ANSWER;
/* The kept value of the input with this index. *out has no owner: its data is that of the states,
 * and is valid until the next run, set, reset or free. If the state is in_place, it has a capacity.
 * Returns FV_OK; FV_BAD_ARGUMENT: s or out is NULL, or the input is no state. */
int fv_states_get(const fv_states *s, int input, fv_array *out) FV_ANSWER;
/* Replaces the kept value of the input with this index by a copy.
 *  value  dense, or with a capacity. It may be a part of the value that fv_states_get gives: with a
 *         smaller dims[axis], the last elements are removed
 * Returns FV_OK; FV_BAD_ARGUMENT: s, value or its data is NULL, the input is no state, or the value
 * has another type or rank; FV_BAD_DIM: it has other dims; FV_TOO_SMALL: it does not fit. The kept
 * value is unchanged after a failure. */
int fv_states_set(fv_states *s, int input, const fv_array *value, fv_log *log) FV_ANSWER;
/* Sets all states to zeros; along an axis along which a state grows, it is empty. */
void fv_states_reset(fv_states *s); /* NULL is allowed */
void fv_states_free(fv_states *s);  /* NULL is allowed */

/* ---- adapters: values of inputs from a file ---- */

/* The values in a file of ONNX Runtime (.onnx_adapter): weights that a fine-tuning (LoRA) has
 * learned, for a model that has them as inputs. Any number of runs may use an adapter at the same
 * time. */
typedef struct fv_adapter fv_adapter;

/* Reads a file.
 *  out  NULL after a failure
 * Returns FV_OK; FV_BAD_ARGUMENT: path or out is NULL; FV_BAD_FILE: it cannot be read, is no
 * adapter, is damaged, or has another version of the format; FV_NO_MEMORY. */
int fv_adapter_load(const char *path, fv_log *log, fv_adapter **out) FV_ANSWER;
/* How many values it has; NULL: 0. */
int fv_adapter_count(const fv_adapter *a) FV_ANSWER;
/* The name and the value with this number, from 0 on, in the order of names. *name and the data of
 * *out belong to the adapter, and are valid until fv_adapter_free.
 * Returns FV_OK; FV_BAD_ARGUMENT: a pointer is NULL, or there is no such number. */
int fv_adapter_get(const fv_adapter *a, int i, const char **name, fv_array *out) FV_ANSWER;
/* Sets the inputs of a run for which the adapter has values.
 *  inputs  model->ninputs arrays; those without a value have type 0. Their data is that of the
 *          adapter
 * Returns FV_OK; FV_BAD_ARGUMENT: a pointer other than log is NULL, a name is no input of the
 * model, a value has another type or rank than its input, or the input has a value already, such
 * as that of another adapter. No input is changed after a failure. */
int fv_adapter_apply(const fv_adapter *a, const fv_model *model, fv_array *inputs,
                     fv_log *log) FV_ANSWER;
void fv_adapter_free(fv_adapter *a); /* NULL is allowed */

/* ---- compiling: libfovea only ---- */

typedef enum { FV_BACKEND_JIT, FV_BACKEND_INTERP, FV_BACKEND_C } fv_backend_kind;

typedef struct fv_compile_options {
    size_t size; /* sizeof(fv_compile_options) */
    /* "x86-64-v3", "x86-64-v4+vnni"; NULL: native for a JIT, x86-64-v3 or the architecture's
     * baseline for files. For libraries and objects also a list with commas, whose code chooses
     * when it is loaded */
    const char *target;
    /* "seq=128", "seq=1..512", "INPUT:AXIS=N"; NULL terminated; NULL: none */
    const char *const *dims;
    /* '0' to '3', 's'; 0: '2'. '0' runs the necessary passes, '1' those that are exact, the others
     * all; with that level for code */
    char level;
    int naive;        /* whether to use the reference schedule, without fusion */
    const char *name; /* prefix of C names; NULL: made from the file's name */
    /* passes that run instead of the level's pipeline; NULL terminated */
    const char *const *passes;
    fv_backend_kind backend;
    int verify; /* whether the IR is verified after every pass */
    /* outputs that are inputs of the next run, fv_port_info.state_of: "past=present" is
     * INPUT=OUTPUT; "past=present:1024" is INPUT=OUTPUT:CAPACITY, a number or a name, and makes
     * them in_place as well; a '*' in both names stands for the same text: "past.*=present.*:1024";
     * NULL terminated */
    const char *const *states;
    /* for files: where weights are stored: "object", "file", "incbin", "text"; NULL: see
     * docs/cli.md */
    const char *weights;
    /* whether departures from the ONNX standard are errors instead of a few warnings */
    int strict;
    /* path of a file that `fovea tune` has written for this model; NULL: none */
    const char *tuning;
    /* passes that are off by default and shall run; NULL terminated; NULL: none */
    const char *const *enable;
    /* passes, steps of lowering and rules that shall not run; NULL terminated; NULL: none. `fovea
     * opt --list-passes` lists passes and steps */
    const char *const *disable;
    /* departures from what operators say, which change bits: names with commas, as --relax takes
     * them; NULL: none */
    const char *relax;
    /* for libraries and objects in files: whether no C header is written next to them */
    int no_header;
    /* what matters more, the time of a run or the size of its workspace: "time" or "ram"; NULL:
     * "time". No bit of a result depends on it */
    const char *prefer;
} fv_compile_options;

/* Compiles to an artifact in memory that can be run. If FV_BACKEND_JIT did the same compilation
 * before, loads its result from the cache on disk: in the folder FOVEA_CACHE_DIR; if that is empty,
 * there is no cache; if it is unset, in $XDG_CACHE_HOME/fovea or ~/.cache/fovea. LLVM's library is
 * loaded for FV_BACKEND_JIT; if it is not found, or in a build without LLVM, the model is
 * interpreted, and the log has a warning.
 *  path  an ONNX model, graph IR text or kernel IR text (distinguished by content). The file, and
 *        files of its external data, may stay mapped until the artifact is freed: they may be
 *        replaced, as by rename, but must not be written to or shortened
 * Afterwards the pages of these files, and of LLVM's code, are not resident until they are used
 * again. What the compiler has freed stays in the heap of the process: malloc_trim(0) of glibc
 * returns it to the system.
 * Returns FV_OK; FV_BAD_MODEL, FV_BAD_FILE, FV_BAD_ARGUMENT, FV_BAD_CPU, FV_NO_MEMORY. */
int fv_compile(const char *path, const fv_compile_options *o, fv_log *log,
               fv_artifact **out) FV_ANSWER;

/* Compiles a model in memory, as fv_compile does.
 *  data    what a file for fv_compile would contain, `size` bytes. They are not copied: they must
 *          stay as they are until the artifact is freed
 *  name    a name for messages, such as "model.onnx"; the name of an ONNX model is derived from it
 *  folder  the folder of the files with external data, which must be in it; NULL: a model that has
 *          external data is refused
 * Returns as fv_compile; FV_BAD_ARGUMENT: data, name or out is NULL. */
int fv_compile_bytes(const void *data, size_t size, const char *name, const char *folder,
                     const fv_compile_options *o, fv_log *log, fv_artifact **out) FV_ANSWER;

/* Compiles to files. The suffix of `out` decides the kind: .so .o .a .c .ll .s; a folder (ends in
 * `/`): C with Makefile and self-test; .fvir: graph IR; .fvk: kernels and host program. The last
 * two have their larger constants in a second file, `out`.bin. .so .o .a have a C header in the
 * same folder, NAME.h for NAME.o and libNAME.so, unless `o->no_header` is set. If another file has
 * that name, it stays as it is, and the log has a warning. `o->backend` is ignored.
 * The model's files must not be written to or shortened until it returns.
 *  Returns as fv_compile. After a failure no new file is left, and no old file is lost. */
int fv_compile_file(const char *path, const char *out, const fv_compile_options *o,
                    fv_log *log) FV_ANSWER;

/* Compiles a model in memory to files: as fv_compile_file, with the model as for fv_compile_bytes.
 * The bytes are not used any more when it returns. */
int fv_compile_bytes_file(const void *data, size_t size, const char *name, const char *folder,
                          const char *out, const fv_compile_options *o, fv_log *log) FV_ANSWER;

/* ---- generating: libfovea only ---- */

/* The ids of a prompt. */
typedef struct fv_prompt {
    const int64_t *ids;
    int64_t n; /* at least 1 */
} fv_prompt;

typedef struct fv_generate_options {
    size_t size;         /* sizeof(fv_generate_options) */
    int64_t tokens;      /* the number of ids after which a sequence ends, at least 1 */
    const int64_t *stop; /* ids with which a sequence ends before that; NULL: none */
    int nstop;
    /* 0: the id with the largest logit is taken; otherwise one is drawn, with a probability
     * proportional to exp(logit / temperature) */
    double temperature;
    int64_t top_k; /* draws from the most probable top_k ids; 0: all */
    /* draws from the most probable ids that together have this share of the probability, at most
     * 1; 0: all */
    double top_p;
    uint64_t seed; /* of the ids that are drawn; the nth sequence has the nth series of this seed */
    int64_t chunk; /* ids of a prompt that one run takes, if the model has caches; 0: 512 */
    /* one array for each input of the model: values that are the same in each run, as of an
     * encoder's inputs; an array with type 0 is not given. NULL: none */
    const fv_array *given;
    int threads; /* as in fv_run_options */
    const volatile int32_t *cancel;
    fv_pool *pool; /* as in fv_run_options; must live until the last call of fv_generator_next */
    /* as in fv_run_options; the ranks of a model in parts each have a generator with their
     * communicator, and get the same ids. It must live until the last call of fv_generator_next */
    const fv_env *env;
    /* as in fv_run_options; must live until the last call of fv_generator_next */
    const fv_poll *poll;
} fv_generate_options;

/* What a generator has done so far. */
typedef struct fv_generate_report {
    /* states that the model passes from run to run; those in_place are not copied. 0: each run
     * computes the whole sequence */
    int caches, in_place;
    int64_t prompt_ids, ids; /* ids of prompts that were read; ids that runs after these gave */
    double prompt_ms, ms;    /* the times of these runs */
} fv_generate_report;

/* Generates ids with a decoder: a model whose output of logits says which id follows those of an
 * input. Inputs and outputs are found by names: ids, attention_mask, position_ids, past_key_values
 * and present, and others that exporters use. Prompts of equal length are run together if the model
 * has a batch. */
typedef struct fv_generator fv_generator;

/* Compiles like fv_compile, with the states of a decoder in addition to those of the options: the
 * caches that are found by their names, in one memory if the model allows that; a note says why it
 * does not. */
int fv_compile_decoder(const char *path, const fv_compile_options *o, fv_log *log,
                       fv_artifact **out) FV_ANSWER;
/* Checks the arguments and begins. The artifact and the data of o->given must live until the last
 * call of fv_generator_next; the generator may be freed later. Nothing else of the arguments must.
 *  Returns FV_OK; FV_BAD_MODEL: it is no decoder, or an input cannot be filled; FV_BAD_ARGUMENT: a
 * prompt is empty, ids are NULL, an id is not in the vocabulary, there are more ids than the model
 * has positions, or an option is out of range; FV_NO_MEMORY. */
int fv_generator_new(fv_artifact *a, int nprompts, const fv_prompt *prompts,
                     const fv_generate_options *o, fv_log *log, fv_generator **out) FV_ANSWER;
/* The next id, and the sequence to which it belongs, a number from 0 to below nprompts; -1: all
 * sequences have ended. Returns FV_OK, or what fv_artifact_run returned; FV_BAD_MODEL: the
 * logits have another shape than expected, or are NaN. After a failure there is no next id. */
int fv_generator_next(fv_generator *g, int *sequence, int64_t *id, fv_log *log) FV_ANSWER;
void fv_generator_report(const fv_generator *g, fv_generate_report *out); /* g NULL: zeros */
void fv_generator_free(fv_generator *g);                                  /* NULL is allowed */

#ifdef __cplusplus
}
#endif
#endif
