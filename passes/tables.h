/* tables.h - constant tables that a run reads, where memory is to be saved.
 *
 *     Gather(table, distances)      a bias for each distance, for all pairs of positions
 *
 * A constant that repeats the elements of a table, as relative positions of an attention do, takes
 * many times the bytes of the table. Where memory is to be saved, the run reads the table, at
 * indices that are stored in the narrowest type. */
#ifndef FV_PASSES_TABLES_H
#define FV_PASSES_TABLES_H

#include "passes/passes.h"

/* Is the op left to the run so that constants take fewer bytes? Always false where memory is not to
 * be saved (r->options->saves_memory). True for
 * - an fv.Gather whose result takes more bytes than the table and its indices do: as bytes if the
 *   axis has up to 256 elements, as u16 up to 65536, else as they are; unless an index is known to
 *   be out of range;
 * - a Cast of constant indices of those types, all readers of which are such Gathers. */
bool fv_is_left_to_run(const fv_pass_run *r, const fv_op *op) FV_MUST_USE;

/* Replaces constant indices of Gathers that are left to the run by a Cast of a constant of u8 or
 * u16. Negative ones become those that they stand for. */
void fv_narrow_indices(fv_pass_run *r);

#endif
