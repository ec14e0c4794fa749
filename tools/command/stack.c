/* stack.c - see stack.h. */
#include "tools/command/stack.h"

#include <pthread.h>
#include <string.h>
#include <sys/resource.h>

#include "tools/command/command.h"

enum { NEEDED = 8 << 20 }; /* bytes, the usual limit */

typedef struct call {
    int (*work)(int argc, char **argv);
    int argc;
    char **argv;
    int status;
} call;

static void *begin(void *arg) {
    call *c = arg;
    c->status = c->work(c->argc, c->argv);
    return NULL;
}

/* Calls it on a thread of its own. The result is 0 or an errno. */
static int on_thread(call *c) {
    pthread_attr_t attributes;
    pthread_t thread;
    int error = pthread_attr_init(&attributes);
    if (error)
        return error;
    error = pthread_attr_setstacksize(&attributes, NEEDED);
    if (!error)
        error = pthread_setattr_default_np(&attributes);
    if (!error)
        error = pthread_create(&thread, &attributes, begin, c);
    pthread_attr_destroy(&attributes);
    return error ? error : pthread_join(thread, NULL);
}

int fv_with_stack(int (*work)(int argc, char **argv), int argc, char **argv) {
    call c = {work, argc, argv, FV_EXIT_MODEL};
    struct rlimit limit;
    if (getrlimit(RLIMIT_STACK, &limit) || limit.rlim_cur >= NEEDED)
        return work(argc, argv);
    int error = on_thread(&c);
    if (error)
        fv_err(
            "fovea: error: the limit of the stack is %llu kB (ulimit -s), and there is no thread "
            "with the %d kB that are needed: %s\n",
            (unsigned long long)limit.rlim_cur >> 10, NEEDED >> 10, strerror(error));
    return c.status;
}
