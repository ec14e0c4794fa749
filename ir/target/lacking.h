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
 * they do not fit. If the CPU has some of them, and lacks only the permission of the system to use
 * their registers, the text says so after the names, in parentheses. Returns `text`. */
char *fv_features_lacking(uint64_t features, char *text, size_t size);
/* fv_features_lacking for the features in the text of a target. Returns "" if this machine lacks
 * none of them, or if the text is not that of a target. */
char *fv_target_lacking(const char *target, char *text, size_t size);

#endif
