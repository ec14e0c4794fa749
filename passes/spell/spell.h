/* spell.h - writing ops of our own as operators of the standard, for ONNX models.
 *
 * Passes leave ops with dims as attributes: `fv.Reshape(x) {dims = [batch, seq, 12, 64]}`. The
 * operator of the standard takes a tensor of dims; those that are not numbers are computed in the
 * model, from the shapes of its inputs or from the elements that an fv.Bind binds. The table
 * spellings.def says how each op is written. */
#ifndef FV_PASSES_SPELL_SPELL_H
#define FV_PASSES_SPELL_SPELL_H

#include "ir/base/ptrmap.h"
#include "ir/graph/rewriter.h"

/* Where the values of symbols can be read in the part of a function that has been visited. */
typedef struct fv_spelling {
    fv_arena *arena; /* scratch memory that lives as long as this struct */
    fv_ptrmap sources;
} fv_spelling;

/* Passed to functions of the table: `w` builds ops before the op that is written. */
typedef struct fv_speller {
    fv_rewriter w;
    fv_spelling *all;
} fv_speller;

/* At the beginning of a function: symbols can be read from its inputs. */
fv_spelling fv_spelling_of(fv_arena *a, fv_func *f);
/* At the beginning of a block of an op: symbols can also be read from its parameters, as the number
 * of an iteration and dims of states. */
void fv_spelling_enter(fv_spelling *all, fv_region *block);
/* Must be called for each op that the model contains, in order: symbols that it binds, or that are
 * dims of its results, can be read after it. */
void fv_spelling_saw(fv_spelling *all, fv_op *op);

/* Is it an op that an ONNX model cannot contain: one of our own, or an experimental operator that
 * has no expansion? False for ops that only state facts about symbols (fv_spell_is_silent). */
bool fv_spell_must(const fv_op *op) FV_MUST_USE;
/* Is it fv.Bind, fv.Let or fv.Assume, which an ONNX model leaves out? */
bool fv_spell_is_silent(const fv_op *op) FV_MUST_USE;
/* Does the table have a row for the op that says why it cannot be written? */
bool fv_spell_has_none(const fv_op *op) FV_MUST_USE;
/* Must it be rewritten (ir/rule/rewrite.h) before it is written: is it an operator of the standard
 * with an attribute of our own, one that the standard has removed, or an experimental operator that
 * has an expansion? */
bool fv_spell_must_rewrite(const fv_op *op) FV_MUST_USE;
/* Replaces the op by operators of the standard. It has no uses afterwards, unless its reader writes
 * both together. False after a diagnostic with the reason if it cannot be written. */
bool fv_op_spell(fv_spelling *all, fv_op *op) FV_MUST_USE;
/* How the table writes an operator, for tests: the text of its rule, "built" by a function,
 * "silent" for an op that is left out, or the reason why it cannot be written; NULL: the table has
 * no row for it. */
const char *fv_spelling_str(const fv_opdef *def);

/* ---- for functions of the table ---- */

/* An op of the standard before the op that is written, whose result has that type (types are not
 * inferred). NULL if a required operand is NULL. */
fv_value *fv_spell_op(fv_speller *s, fv_op_id id, const fv_type *type, int nin, fv_value *const *in,
                      int nattrs, const fv_attr *attrs);
fv_value *fv_spell_def(fv_speller *s, const fv_opdef *def, const fv_type *type, int nin,
                       fv_value *const *in, int nattrs, const fv_attr *attrs);
/* fv_spell_def with several results; a NULL type leaves a result out. */
fv_op *fv_spell_ops(fv_speller *s, const fv_opdef *def, int nin, fv_value *const *in, int nattrs,
                    const fv_attr *attrs, int nout, const fv_type *const *types);
/* Makes v result i of the op that is written. */
bool fv_spell_result(fv_speller *s, int i, fv_value *v) FV_MUST_USE;
/* Tensors i64[n] and i64[] with the values of dims; NULL after a diagnostic if a symbol cannot be
 * read from any shape. */
fv_value *fv_spell_dims(fv_speller *s, int n, const fv_dim *const *dims);
fv_value *fv_spell_dim(fv_speller *s, const fv_dim *d);
fv_value *fv_spell_cast(fv_speller *s, fv_value *x, fv_elem to);
/* A Reshape to these numbers, where 0 and -1 have the meaning of the standard; `type` is the type
 * of the result. */
fv_value *fv_spell_reshape(fv_speller *s, fv_value *x, const fv_type *type, const int64_t *shape);
/* The type of a tensor of these dims. */
const fv_type *fv_spell_type(fv_speller *s, fv_elem e, int rank, const fv_dim *const *dims);
/* Reports "fv.Conv cannot be written: WHY" and returns false. */
bool fv_spell_refuse(const fv_op *op, const char *format, ...)
    __attribute__((format(printf, 2, 3))) FV_MUST_USE;
/* The dims of a required attribute. */
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
