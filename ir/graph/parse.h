/* parse.h - parses graph IR. The grammar is in the head of parse.c. */
#ifndef FV_IR_GRAPH_PARSE_H
#define FV_IR_GRAPH_PARSE_H

#include "ir/graph/graph.h"
#include "ir/graph/lent.h"

#define FV_IR_FORMAT 1
/* Parses a module. `folder`: the folder of side files; NULL: there are none. NULL after
 * diagnostics. */
fv_module *fv_module_parse(fv_session *s, const char *text, const char *folder);
/* fv_module_parse with settings of dims, as --dim has them (ir/dim/option.h), NULL-terminated;
 * `dims` NULL: none. */
fv_module *fv_module_parse_dims(fv_session *s, const char *text, const char *folder,
                                const char *const *dims);

/* Parses the text of fv_module_print_lent. The tensors in `lent` must outlive the module. */
fv_module *fv_module_parse_lent(fv_session *s, const char *text, const fv_lent *lent,
                                const char *const *dims);

/* ---- texts that extend graph IR ---- */

struct fv_graph_reader;

/* A language whose texts extend graph IR. Its functions return false after a diagnostic. */
typedef struct fv_graph_dialect {
    const char *word;                         /* the text begins with `fovea-WORD N` */
    int format;                               /* N */
    bool (*begin)(struct fv_graph_reader *r); /* called after the version N was parsed */
    /* called at the beginning of each line of the module: parses it if it is one that graph IR does
     * not have; *taken: whether it was */
    bool (*line)(struct fv_graph_reader *r, bool *taken);
    /* finds an op that is not in the catalogue; NULL: there is none */
    const fv_opdef *(*op)(const char *name);
    /* parses the text of an op after its types and loc(..), of which both may be left out */
    bool (*after_op)(struct fv_graph_reader *r, fv_op *op);
    bool (*end)(struct fv_graph_reader *r); /* called after the whole text was parsed */
} fv_graph_dialect;

/* fv_module_parse_dims for the text of a dialect. */
fv_module *fv_module_parse_as(fv_session *s, const char *text, const char *folder,
                              const char *const *dims, const fv_graph_dialect *dialect);
/* Reads WORD("NODE", ...) if the current token is that word. */
bool fv_read_nodes(struct fv_graph_reader *r, const char *word, int *n,
                   const char *const **out) FV_MUST_USE;

#endif
