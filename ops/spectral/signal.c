/* signal.c - windows for signals, and the matrix that sums spectra by mel bands. All are computed
 * in f64, and rounded once to the requested type. */
#include "ops/common/dims.h"

#include "ir/base/limits.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"

/* Reads the attribute output_datatype, a numeric type. */
static bool read_type(fv_op *op, fv_elem *e) {
    int64_t type = fv_op_int(op, "output_datatype");
    *e = FV_F32;
    if (type <= FV_NO_ELEM || type >= FV_ELEM_END || !(FV_SET_NUMBER >> type & 1))
        return fv_op_error(op, "attribute 'output_datatype' is %lld, which is no type of numbers",
                           (long long)type);
    *e = (fv_elem)type;
    return true;
}

/* Reads the element of operand `in`, which must be at least `least`. */
static bool read_count(fv_op *op, int in, int64_t least, const fv_dim **count) {
    fv_module *m = fv_op_module(op);
    const fv_dim *const *e;
    const char *name = op->def->in[in].name;
    int n;
    if (!fv_int_operand(op, in, &n, &e))
        return false;
    *count = e[0];
    const fv_dim *enough = fv_dim_max(m->dims, e[0], fv_dim_const(m->dims, least));
    const char *says =
        fv_printf(m->arena, "%lld <= %s", (long long)least, fv_dim_str(m->arena, e[0]));
    return (e[0]->hi >= least && e[0]->lo <= FV_DIM_MAX &&
            fv_module_require(m, enough, e[0], fv_printf(m->arena, "'%s'", name), says)) ||
           fv_op_error(op, "input '%s' is %s, expected %lld to %lld", name,
                       fv_dim_str(m->arena, e[0]), (long long)least, (long long)FV_DIM_MAX);
}

static bool infer_window(fv_op *op) {
    const fv_dim *n;
    fv_elem e;
    if (!read_type(op, &e) || !read_count(op, 0, 0, &n))
        return false;
    fv_infer_out(op, 0, e, 1, &n);
    return true;
}

enum { BANDS, LENGTH, RATE };

static bool infer_mel(fv_op *op) {
    fv_dims *t = fv_op_module(op)->dims;
    const fv_dim *bands, *length, *rate;
    fv_elem e;
    if (!read_type(op, &e) || !read_count(op, BANDS, 0, &bands) ||
        !read_count(op, LENGTH, 1, &length) || !read_count(op, RATE, 1, &rate))
        return false;
    const fv_dim *dims[2] = {
        fv_dim_add(t, fv_dim_floordiv(t, length, fv_dim_const(t, 2)), fv_dim_const(t, 1)), bands};
    fv_infer_out(op, 0, e, 2, dims);
    return true;
}

/* a0 - a1 cos(angle) + a2 cos(2 angle); the angle makes one turn over the window, or up to its last
 * element. With one element and no period it is 0 / 0, as in the standard. */
#define WINDOW(NAME, WHAT, BODY)                                                                   \
    {.domain = "",                                                                                 \
     .name = NAME,                                                                                 \
     .since = {17},                                                                                \
     .doc = WHAT,                                                                                  \
     .in = {{"size", "T1", .rank = FV_SCALAR}},                                                    \
     .out = {{"output", "T2"}},                                                                    \
     .attrs = {FV_A_INT("output_datatype", FV_F32), FV_A_INT("periodic", 1)},                      \
     .types = {{"T1", FV_SET(I32) | FV_SET(I64)}, {"T2", FV_SET_NUMBER}},                          \
     .infer = infer_window,                                                                        \
     .formula =                                                                                    \
         "n = f64(dim(output, 0)); a = 2.0 * pi * f64(i) / select(periodic != 0, n, n - 1.0); "    \
         "output[i] = T2(" BODY ")"}

/* The bin of the spectrum that contains point `k`; points are equidistant in mels: 2595 log10(1 +
 * hertz / 700). As in the standard, the distance is divided by the number of points. */
#define MEL(v) "2595.0 * log(1.0 + f64(" v ") / 700.0) / ln10"
#define BIN(k)                                                                                     \
    "i64(floor((f64(dft_length) + 1.0) * (700.0 * (pow(10.0, (f64(" k                              \
    ") * step + low) / 2595.0) - 1.0)) / "                                                         \
    "f64(sample_rate)))"

const fv_opdef fv_ops_signal[] = {
    WINDOW("HannWindow", "a window of 0.5 - 0.5 cos: one period of it, or from end to end",
           "0.5 - 0.5 * cos(a)"),
    WINDOW("HammingWindow",
           "a window of 25 / 46 - 21 / 46 cos: one period of it, or from end to end",
           "25.0 / 46.0 - 21.0 / 46.0 * cos(a)"),
    WINDOW("BlackmanWindow",
           "a window of 0.42 - 0.5 cos + 0.08 cos of twice the angle: one period of it, or from "
           "end to end",
           "0.42 - 0.5 * cos(a) + 0.08 * cos(2.0 * a)"),
    {.domain = "",
     .name = "MelWeightMatrix",
     .since = {17},
     .decides = true,
     .doc = "the weight of each bin of a spectrum in each mel band: "
            "triangles that overlap with the neighbouring bands",
     .in = {{"num_mel_bins", "T1", .rank = FV_SCALAR},
            {"dft_length", "T1", .rank = FV_SCALAR},
            {"sample_rate", "T1", .rank = FV_SCALAR},
            {"lower_edge_hertz", "T2", .rank = FV_SCALAR},
            {"upper_edge_hertz", "T2", .rank = FV_SCALAR}},
     .out = {{"output", "T3"}},
     .attrs = {FV_A_INT("output_datatype", FV_F32)},
     .types = {{"T1", FV_SET(I32) | FV_SET(I64)}, {"T2", FV_SET_FLOAT}, {"T3", FV_SET_NUMBER}},
     .infer = infer_mel,
     .formula = "ln10 = 2.302585092994045684; low = " MEL(
         "lower_edge_hertz") "; "
                             "step = (" MEL(
                                 "upper_edge_hertz") " - low) / f64(dim(output, 1) + 2); "
                                                     "l = " BIN("m") "; c = " BIN(
                                                         "m + 1") "; h = " BIN("m + 2") "; "
                                                                                        "up = "
                                                                                        "select(c "
                                                                                        "== l, "
                                                                                        "select(f "
                                                                                        "== c, "
                                                                                        "f64(1), "
                                                                                        "f64(0)), "
                                                                                        "select(l "
                                                                                        "<= f & f "
                                                                                        "<= c, "
                                                                                        "f64(f - "
                                                                                        "l) / "
                                                                                        "f64(c - "
                                                                                        "l), "
                                                                                        "0.0)); "
                                                                                        "output[f, "
                                                                                        "m] = "
                                                                                        "T3(select("
                                                                                        "c <= f & "
                                                                                        "f < h, "
                                                                                        "f64(h - "
                                                                                        "f) / "
                                                                                        "f64(h - "
                                                                                        "c), up))"},

    {0}};
