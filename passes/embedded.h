/* embedded.h - rule files as strings, made at build time. */
#ifndef FV_PASSES_EMBEDDED_H
#define FV_PASSES_EMBEDDED_H

extern const char *const fv_simplify_rules, *const fv_strength_rules;

#endif
