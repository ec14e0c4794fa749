/* session.c - see session.h. */
#include "tests/session.h"

#include <criterion/criterion.h>

#include "ir/base/text.h"

fv_session *session;
fv_arena *arena;

void open_session(void) {
    session = fv_session_new();
    cr_assert(session);
    arena = fv_arena_new(session);
}

void close_session(void) {
    fv_session_free(session);
}

const char *said(void) {
    fv_text t = {.arena = arena};
    fv_text_put(&t, "");
    for (const fv_message *m = fv_messages(session); m; m = m->next) {
        if (m->line)
            fv_text_printf(&t, "%d:%d: ", m->line, m->column);
        fv_text_printf(&t, "%s\n", m->text);
    }
    fv_messages_clear(session);
    return t.s ? t.s : "";
}

const char *last_message(void) {
    const fv_message *m = fv_messages(session);
    while (m && m->next)
        m = m->next;
    return m ? m->text : "";
}
