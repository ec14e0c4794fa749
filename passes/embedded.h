/* embedded.h - the files of rules as strings, and the pipelines as tables; the build generates them
 * from the folder passes. */
#ifndef FV_PASSES_EMBEDDED_H
#define FV_PASSES_EMBEDDED_H

#include "passes/passes.h"

extern const char *const fv_integers_rules, *const fv_simplify_rules, *const fv_strength_rules;
/* the pipelines of the levels, from passes/pipelines */
extern const fv_pipeline_table fv_pipeline_O0, fv_pipeline_O1, fv_pipeline_O2, fv_pipeline_O3,
    fv_pipeline_Os;

#endif
