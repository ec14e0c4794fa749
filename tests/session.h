/* session.h - the session and arena of the running test, and its messages. */
#ifndef FV_TESTS_SESSION_H
#define FV_TESTS_SESSION_H

#include "ir/base/diag.h"

extern fv_session *session;
extern fv_arena *arena;

/* for .init and .fini of a TestSuite */
void open_session(void);
void close_session(void);

/* All messages, one a line, "LINE:COLUMN: text" where a place is known; cleared. */
const char *said(void);
/* The text of the last message; "" if there is none. */
const char *last_message(void);

#endif
