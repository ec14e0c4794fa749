/* load.h - LLVM's library, loaded when code is made for the first time.
 *
 * Loading it takes longer than most commands that need no code, and a program that runs compiled
 * models only does not need it at all. Therefore all calls use a table of pointers. The build
 * writes a header, calls.h, with a macro for each function that replaces its name by its pointer,
 * as loaders of OpenGL do. So files that include this file, instead of LLVM's headers, call LLVM as
 * usual.
 *
 * If LLVM is linked statically, the table is complete from the start. */
#ifndef FV_BACKEND_LLVM_LOAD_H
#define FV_BACKEND_LLVM_LOAD_H

#include <llvm-c/Analysis.h>
#include <llvm-c/Core.h>
#include <llvm-c/Error.h>
#include <llvm-c/LLJIT.h>
#include <llvm-c/Object.h>
#include <llvm-c/Target.h>
#include <llvm-c/TargetMachine.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include <llvm-c/blake3.h>
#include <llvm/Config/llvm-config.h>
#include <stdbool.h>

typedef struct fv_llvm_calls {
#define CALL(name) __typeof__(name) *name;
#include "backend/llvm/calls.def"
#undef CALL
} fv_llvm_calls;

/* The functions; NULL until fv_llvm_load returned true. */
extern fv_llvm_calls fv_llvm;

/* Prepares LLVM for code of this machine only, or of all targets, which takes longer and makes
 * 20 MB of LLVM's library resident. Later calls do nothing. LLVM must be loaded. */
void fv_llvm_prepare_native(void);
void fv_llvm_prepare_all(void);

/* Returns the resident pages of LLVM's library to the system, which maps them again when they are
 * used. It is called before other parts of LLVM are used, and when LLVM is no longer used, so that
 * at most 30 MB of the library are resident at a time; without these calls, 60 MB are. Any thread
 * may call it, also while others execute LLVM. */
void fv_llvm_release_pages(void);

#ifndef FV_LLVM_OWN_NAMES /* defined in load.c only */
#include "backend/llvm/calls.h"
#endif

#endif
