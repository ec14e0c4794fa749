/* lacking.h - which features of a target this machine lacks. libfovea-run contains feature.c, which
 * implements this, so both need libc only. */
#ifndef FV_IR_TARGET_LACKING_H
#define FV_IR_TARGET_LACKING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ir/base/answer.h"

enum { FV_FEATURES_TEXT = 500 }; /* room for the names of all features of an architecture */

/* The features of a target from its text, LEVEL or LEVEL+FEATURE+...; false: the text has another
 * form, or names a level or a feature that target.def and feature.def do not have. */
bool fv_features_read(const char *target, uint64_t *features) FV_MUST_USE;
/* The names of the features of a set that this machine lacks, "avx512f, avx512bw"; truncated if
 * they do not fit. If the CPU has some of them, but the system does not save their registers, the
 * text says so after the names, in parentheses. Returns `text`. */
char *fv_features_lacking(uint64_t features, char *text, size_t size);
/* fv_features_lacking for the features in the text of a target. Returns "" if this machine lacks
 * none of them, or if the text is not that of a target. */
char *fv_target_lacking(const char *target, char *text, size_t size);
/* Has the target features whose registers a process may use only after it has asked the system for
 * them? */
bool fv_target_asks(const char *target) FV_MUST_USE;
/* Asks the system for these registers. Returns the names of the features for which it refuses them,
 * and that it does, in `text`; "": this process may use them, or the target has no such features.
 */
char *fv_target_refused(const char *target, char *text, size_t size);

#endif
