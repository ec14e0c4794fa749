/* layout.h - the files by which other build systems take a folder of C as a library. */
#ifndef FV_BACKEND_C_LAYOUT_H
#define FV_BACKEND_C_LAYOUT_H

#include "backend/c/internal.h"

/* Adds the files of the layout that the options choose. Must be called when all sources were added,
 * which it lists. */
void fv_c_add_layout(fv_cg *g, fv_c_files *f);

#endif
