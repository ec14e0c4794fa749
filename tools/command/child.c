/* child.c - see child.h. */
#include "tools/command/child.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>

#include "ir/base/text.h"

extern char **environ;
const char fv_child_self[] = "/proc/self/exe";

int fv_child_run(const fv_context *c, const char *program, const char *const *words,
                 const char *said) {
    posix_spawn_file_actions_t to;
    pid_t pid;
    int status;
    fflush(NULL);
    if (posix_spawn_file_actions_init(&to))
        fv_out_of_memory(c->session);
    int e = posix_spawn_file_actions_addopen(&to, 0, "/dev/null", O_RDONLY, 0);
    e = e ? e : posix_spawn_file_actions_addopen(&to, 1, said, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    e = e ? e : posix_spawn_file_actions_adddup2(&to, 1, 2);
    e = e ? e : posix_spawn(&pid, program, &to, NULL, (char **)(uintptr_t)words, environ);
    posix_spawn_file_actions_destroy(&to);
    if (e) {
        fv_error(c->session, "cannot run '%s' with its output in '%s': %s", program, said,
                 strerror(e));
        return -1;
    }
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return 255;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void put_word(fv_text *t, const char *word) {
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-+=./:,@%";
    if (*word && strspn(word, plain) == strlen(word)) {
        fv_text_put(t, word);
        return;
    }
    fv_text_put(t, "'");
    for (const char *p = word; *p; p++)
        if (*p == '\'')
            fv_text_put(t, "'\\''");
        else
            fv_text_putn(t, p, 1);
    fv_text_put(t, "'");
}

const char *fv_child_line(fv_arena *a, const char *const *words) {
    fv_text t = {.arena = a};
    fv_text_put(&t, "");
    for (int i = 0; words[i]; i++) {
        fv_text_put(&t, i ? " " : "");
        put_word(&t, words[i]);
    }
    return t.s;
}
