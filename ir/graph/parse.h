/* parse.h - graph IR from text. Its grammar is in the head of parse.c. */
#ifndef FV_IR_GRAPH_PARSE_H
#define FV_IR_GRAPH_PARSE_H

#include "ir/graph/graph.h"
#include "ir/graph/lent.h"

#define FV_IR_FORMAT 1
/* `folder`: where side files are looked for (NULL: there are none). NULL after diagnostics. */
fv_module *fv_module_parse(fv_session *s, const char *text, const char *folder);
/* With dims fixed or bounded, as --dim says it (ir/dim/option.h); NULL terminated, or NULL. */
fv_module *fv_module_parse_dims(fv_session *s, const char *text, const char *folder,
                                const char *const *dims);

/* The text of fv_module_print_lent; the tensors have to outlive the module. */
fv_module *fv_module_parse_lent(fv_session *s, const char *text, const fv_lent *lent,
                                const char *const *dims);

/* ---- texts that are more than graph IR ---- */

struct fv_graph_reader;

/* A text that is graph IR with more in it. Answers are false after a diagnostic. */
typedef struct fv_graph_dialect {
    const char *word;                         /* fovea-WORD N: what the text begins with */
    int format;                               /* N */
    bool (*begin)(struct fv_graph_reader *r); /* behind N */
    bool (*line)(struct fv_graph_reader *r, bool *taken); /* besides symbol, assume, const, func */
    /* besides the catalogue's; NULL: it is none */
    const fv_opdef *(*op)(const char *name);
    bool (*behind)(struct fv_graph_reader *r, fv_op *op); /* what follows an op's loc(..) */
    bool (*end)(struct fv_graph_reader *r);               /* all is read */
} fv_graph_dialect;

/* fv_module_parse_dims of a dialect's text. */
fv_module *fv_module_parse_as(fv_session *s, const char *text, const char *folder,
                              const char *const *dims, const fv_graph_dialect *dialect);
/* WORD("NODE", ...), if the word is there. */
bool fv_read_nodes(struct fv_graph_reader *r, const char *word, int *n,
                   const char *const **out) FV_MUST_USE;

#endif
