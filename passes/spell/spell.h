/* spell.h - ops of ours in the standard's operators, as an ONNX model has them.
 *
 * What passes leave speaks of dims: `fv.Reshape(x) {dims = [batch, seq, 12, 64]}`. The standard's
 * operator takes them as a tensor, so whatever is no number is computed by the model itself, from
 * the shapes of its inputs, or from the elements that an fv.Bind names. How each op is spelled is a
 * table, spellings.def. */
#ifndef FV_PASSES_SPELL_SPELL_H
#define FV_PASSES_SPELL_SPELL_H

#include "ir/base/ptrmap.h"
#include "ir/graph/rewriter.h"

/* Where symbols of dims can be read: what has been seen of a function, in its order. */
typedef struct fv_spelling {
    fv_arena *arena; /* scratch, as long as this */
    fv_ptrmap sources;
} fv_spelling;

/* What a function spells an op with: `w` stands at it. */
typedef struct fv_speller {
    fv_rewriter w;
    fv_spelling *all;
} fv_speller;

/* Nothing is known yet but the inputs of the function. */
fv_spelling fv_spelling_of(fv_arena *a, fv_func *f);
/* The same of what a block of an op takes: the number of a turn, dims of states. */
void fv_spelling_enter(fv_spelling *all, fv_region *block);
/* Symbols that the op binds, or that stand as dims of its results, can be read behind it. Asked of
 * each op, in order. */
void fv_spelling_saw(fv_spelling *all, fv_op *op);

/* Is it an op of ours that an ONNX model cannot have? Not of one that only speaks of symbols
 * (fv_spell_is_silent). */
bool fv_spell_must(const fv_op *op) FV_MUST_USE;
/* fv.Bind, fv.Let, fv.Assume: an ONNX model goes without. */
bool fv_spell_is_silent(const fv_op *op) FV_MUST_USE;
/* Has it an attribute that is ours, in an operator of the standard's, or is it one that the
 * standard has no more? Then it is written as what it is rewritten to (ir/rule/rewrite.h). */
bool fv_spell_must_rewrite(const fv_op *op) FV_MUST_USE;
/* Puts the standard's operators before the op, in its place; it has no uses then, unless it is left
 * to who reads it, which is spelled with it. False after a diagnostic: there is no spelling, and
 * why. */
bool fv_op_spell(fv_spelling *all, fv_op *op) FV_MUST_USE;
/* How an op of another domain, or of ours, that has one is spelled: for the tests. NULL: it is no
 * row of the table. */
const char *fv_spelling_str(const fv_opdef *def);

/* ---- for functions of the table ---- */

/* An op of the standard before the one that is spelled, whose result has that type: nothing is
 * inferred, dims are what they were. NULL where a required operand is. */
fv_value *fv_spell_op(fv_speller *s, fv_op_id id, const fv_type *type, int nin, fv_value *const *in,
                      int nattrs, const fv_attr *attrs);
fv_value *fv_spell_def(fv_speller *s, const fv_opdef *def, const fv_type *type, int nin,
                       fv_value *const *in, int nattrs, const fv_attr *attrs);
/* The same with several results; a NULL type leaves one out. */
fv_op *fv_spell_ops(fv_speller *s, const fv_opdef *def, int nin, fv_value *const *in, int nattrs,
                    const fv_attr *attrs, int nout, const fv_type *const *types);
/* v is result i of the op that is spelled. */
bool fv_spell_result(fv_speller *s, int i, fv_value *v) FV_MUST_USE;
/* i64[n]; i64[]. NULL after a diagnostic: a symbol stands in no shape that could be read. */
fv_value *fv_spell_dims(fv_speller *s, int n, const fv_dim *const *dims);
fv_value *fv_spell_dim(fv_speller *s, const fv_dim *d);
fv_value *fv_spell_cast(fv_speller *s, fv_value *x, fv_elem to);
/* Reshape to numbers, where 0 and -1 are what the standard makes of them; the type is that of the
 * result. */
fv_value *fv_spell_reshape(fv_speller *s, fv_value *x, const fv_type *type, const int64_t *shape);
/* The type of a tensor of these dims. */
const fv_type *fv_spell_type(fv_speller *s, fv_elem e, int rank, const fv_dim *const *dims);
/* "fv.Conv cannot be written: WHY": false. */
bool fv_spell_refuse(const fv_op *op, const char *format, ...)
    __attribute__((format(printf, 2, 3))) FV_MUST_USE;
/* Dims of an attribute that is required. */
const fv_dim *const *fv_spell_attr(const fv_op *op, const char *name, int *n);

/* ---- the table ---- */

#define AS(name, text)
#define BY(name, function) bool function(fv_speller *s, fv_op *op);
#define NONE(name, why)
#define SILENT(name)
#define OURS(name, attribute)
#define GONE(name)
#include "passes/spell/spellings.def"
#undef AS
#undef BY
#undef NONE
#undef SILENT
#undef OURS
#undef GONE

#endif
