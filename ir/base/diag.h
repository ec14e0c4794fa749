/* diag.h - messages to the user: errors, warnings, notes.
 *
 * A diagnostic is one factual line in lower case: what, found, expected; then what to do. It is
 * reported once, where the problem is found; callers only return false. The command prints messages
 * to stderr as `FILE: error: node 'NAME' (OP): TEXT`. */
#ifndef FV_IR_BASE_DIAG_H
#define FV_IR_BASE_DIAG_H

#include "ir/base/arena.h"

typedef enum { FV_NOTE, FV_WARNING, FV_ERROR } fv_severity;

typedef struct fv_message {
    fv_severity severity;
    const char *file; /* the file of the model or script; NULL: the message concerns no file */
    /* position in a text file, counted from 1; 0: not known (the column may be unknown although the
     * line is known) */
    int line, column;
    /* name of the ONNX node that the message concerns, "" if it has no name; of an op that was made
     * from no node, the name of its first result, "%NAME"; NULL: neither is known */
    const char *node;
    /* the operator that the message concerns, "Name" or "domain.Name"; NULL: none */
    const char *op;
    const char *text;
    struct fv_message *next;
} fv_message;

/* The messages of the session so far, in order of their creation. */
const fv_message *fv_messages(const fv_session *s);
/* the last message of the session; NULL: there are no messages */
const fv_message *fv_messages_last(const fv_session *s);
int fv_error_count(const fv_session *s);
void fv_messages_clear(fv_session *s);
/* Removes all messages that were reported after `last`; NULL: removes all messages. */
void fv_messages_drop(fv_session *s, const fv_message *last);
/* Of the messages after `last` (NULL: of all), removes those that are equal to a message up to
 * `last`, and adds " (WHERE)" to the texts of the others. */
void fv_messages_merge(fv_session *s, const fv_message *last, const char *where);
/* Sets the file that is recorded with all later messages (interned); NULL: none. */
void fv_diag_file(fv_session *s, const char *file);
const char *fv_diag_file_get(const fv_session *s);

/* These functions report a message, and return false, so that `return fv_error(...)` reads well. */
bool fv_error(fv_session *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool fv_error_at(fv_session *s, int line, int column, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
bool fv_error_node(fv_session *s, const char *node, const char *op, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
bool fv_warning(fv_session *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool fv_warning_at(fv_session *s, int line, int column, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Reports a note, of something that is no fault. */
void fv_notice(fv_session *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Stores a copy of *m with the formatted text and the current file; the other functions use this
 * one. */
bool fv_say(fv_session *s, const fv_message *m, const char *format, va_list args);

/* A message as the line that the command prints, without the newline. */
const char *fv_message_str(fv_arena *a, const fv_message *m);

/* The entry of `names` (NULL-terminated) closest to a misspelt word; NULL if no entry is close. */
const char *fv_nearest(const char *word, const char *const *names);

#endif
