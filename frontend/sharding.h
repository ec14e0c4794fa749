/* sharding.h - how the tensors of an ONNX model are shared among devices: the annotations
 * `configuration` and `device_configurations` of IR version 11. They change no result, and the
 * importer (frontend.h) ignores them. */
#ifndef FV_FRONTEND_SHARDING_H
#define FV_FRONTEND_SHARDING_H

#include "ir/base/arena.h"
#include "ir/dim/dim.h"

/* A tensor of which each device has a share of one axis. The axis consists of `outer` blocks of
 * `extent` elements, and a device has one of `shards` shares of each block. */
typedef struct fv_sharding {
    const char *tensor; /* its name in the module */
    int axis;
    const fv_dim *outer; /* usually 1 */
    int64_t extent, shards;
} fv_sharding;

/* What a model that is written states. */
typedef struct fv_shardings {
    int ndevices;
    int n;
    const fv_sharding *all;
} fv_shardings;

/* An operand of a matrix product of which each device has a share, as a model states it. */
typedef struct fv_sharded_factor {
    const char *node; /* the label of the node, as messages have it; nodes may have the same one */
    int number;       /* of the node among those of the main graph, from 0 on */
    bool right;       /* is it the right factor? */
    bool transposed;  /* are rows and columns of the factor exchanged? */
    int rank, axis;   /* axis: 0 to rank - 1; -1: the product has no factor with shares */
} fv_sharded_factor;

typedef struct fv_sharded_factors {
    int ndevices; /* of the first configuration; 0: the model has none */
    int n, cap;
    fv_sharded_factor *all; /* in the order of nodes: those of each product, or one with axis -1 */
} fv_sharded_factors;

/* Reads from the ONNX model at `path` how factors of MatMul, Gemm, MatMulInteger, QLinearMatMul and
 * MatMulNBits in its main graph are shared, in its first configuration. The shares of other tensors
 * follow from these. Warns if there are several devices, and no factor is shared. All results are
 * in the arena. False after a diagnostic: share i of an axis is not that of device i alone, or a
 * factor has two axes with shares, an axis that it lacks, or another number of shares than there
 * are devices. */
bool fv_onnx_shardings(fv_session *s, fv_arena *a, const char *path,
                       fv_sharded_factors *out) FV_MUST_USE;

#endif
