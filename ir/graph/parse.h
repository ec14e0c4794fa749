/* parse.h - graph IR from text. Its grammar is in the head of parse.c. */
#ifndef FV_IR_GRAPH_PARSE_H
#define FV_IR_GRAPH_PARSE_H

#include "ir/graph/graph.h"
#include "ir/graph/lent.h"

#define FV_IR_FORMAT 1
/* Parses a module. `folder`: the folder of side files; NULL: there are none. NULL after
 * diagnostics. */
fv_module *fv_module_parse(fv_session *s, const char *text, const char *folder);
/* The same; `dims`: settings of dims as --dim has them (ir/dim/option.h), NULL-terminated; NULL:
 * none. */
fv_module *fv_module_parse_dims(fv_session *s, const char *text, const char *folder,
                                const char *const *dims);

/* Parses the text of fv_module_print_lent. The tensors in `lent` must outlive the module. */
fv_module *fv_module_parse_lent(fv_session *s, const char *text, const fv_lent *lent,
                                const char *const *dims);

/* ---- texts that extend graph IR ---- */

struct fv_graph_reader;

/* A language that extends graph IR. Its functions return false after a diagnostic. */
typedef struct fv_graph_dialect {
    const char *word;                         /* the text begins with fovea-WORD N */
    int format;                               /* N */
    bool (*begin)(struct fv_graph_reader *r); /* called after N is read */
    /* reads a line other than symbol, assume, const and func; *taken: it was one of the
     * dialect's */
    bool (*line)(struct fv_graph_reader *r, bool *taken);
    /* finds an op that is not in the catalogue; NULL: there is none */
    const fv_opdef *(*op)(const char *name);
    bool (*behind)(struct fv_graph_reader *r, fv_op *op); /* reads what follows loc(..) of an op */
    bool (*end)(struct fv_graph_reader *r);               /* called after the whole text is read */
} fv_graph_dialect;

/* fv_module_parse_dims for the text of a dialect. */
fv_module *fv_module_parse_as(fv_session *s, const char *text, const char *folder,
                              const char *const *dims, const fv_graph_dialect *dialect);
/* Reads WORD("NODE", ...) if the current token is that word. */
bool fv_read_nodes(struct fv_graph_reader *r, const char *word, int *n,
                   const char *const **out) FV_MUST_USE;

#endif
