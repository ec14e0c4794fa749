/* support.h - functions that the tests of kernels share: texts in and out, golden
 * files. */
#ifndef FV_TESTS_KERNEL_SUPPORT_H
#define FV_TESTS_KERNEL_SUPPORT_H

#include "ir/kernel/kernel.h"
#include "ir/kernel/program.h"
#include "tests/session.h"

const char *kernel_text(const fv_kernel *k);
const char *program_text(const fv_program *p);

/* Checks a golden file. Each case begins with a line `=== title`, followed by its input, a line
 * that begins with `---` (the rest of the line are options), and the expected text. With
 * FOVEA_UPDATE_GOLDENS set, the file is rewritten with the actual text. */
typedef const char *(*golden_fn)(const char *options, const char *input);
void check_golden(const char *file, golden_fn run);

#endif
