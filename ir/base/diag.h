/* diag.h - what a user is told: errors, warnings, notes, declines.
 *
 * A diagnostic is one factual line in lower case: what, found, expected; then what to do. It is
 * said once, where it is found; callers just return false. The command prints them to stderr as
 * `FILE: error: node 'NAME' (OP): TEXT`. */
#ifndef FV_IR_BASE_DIAG_H
#define FV_IR_BASE_DIAG_H

#include "ir/base/arena.h"

typedef enum { FV_NOTE, FV_WARNING, FV_ERROR } fv_severity;

typedef struct fv_message {
    fv_severity severity;
    const char *file; /* the model or script; NULL: none */
    int line, column; /* of a text; 0: not known, the column alone too */
    const char *node; /* name of the ONNX node, "" where it has none; NULL: not about a node */
    const char *op;   /* operator of that node, "domain.Name"; NULL: none */
    const char *text;
    struct fv_message *next;
} fv_message;

/* The sink of a session keeps all messages in order. */
const fv_message *fv_messages(const fv_session *s);
const fv_message *fv_messages_last(const fv_session *s); /* NULL: there is none */
int fv_error_count(const fv_session *s);
void fv_messages_clear(fv_session *s);
/* The messages behind `last` are gone, as if nobody had said them; NULL: all. */
void fv_messages_drop(fv_session *s, const fv_message *last);
/* Sets the file that following messages speak of (interned); NULL: none. */
void fv_diag_file(fv_session *s, const char *file);
const char *fv_diag_file_get(const fv_session *s);

/* All return false, so that `return fv_error(...)` reads well. */
bool fv_error(fv_session *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool fv_error_at(fv_session *s, int line, int column, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
bool fv_error_node(fv_session *s, const char *node, const char *op, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
bool fv_warning(fv_session *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool fv_warning_at(fv_session *s, int line, int column, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* What they all call: keeps a copy of *m with the text formatted and the file filled in. */
bool fv_say(fv_session *s, const fv_message *m, const char *format, va_list args);

/* One message as the line that the command prints, without newline. */
const char *fv_message_str(fv_arena *a, const fv_message *m);

/* The nearest of `names` (NULL terminated) to a misspelt word, or NULL where none is near. */
const char *fv_nearest(const char *word, const char *const *names);

#endif
