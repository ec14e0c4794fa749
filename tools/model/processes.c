/* processes.c - loads libfovea-mpi and calls it. */
#include "tools/model/processes.h"

#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "runtime/fovea_mpi.h"

struct fv_processes {
    fv_mpi *mpi;
    fv_mpi *(*open)(double timeout);
    const fv_communicator *(*communicator)(const fv_mpi *m);
    const char *(*error)(const fv_mpi *m);
    void (*abort)(fv_mpi *m);
    void (*close)(fv_mpi *m);
};

bool fv_processes_started(void) {
    return getenv("OMPI_COMM_WORLD_SIZE") || getenv("PMI_SIZE") || getenv("PMIX_RANK");
}

static bool find(fv_processes *p, void *library) {
    *(void **)&p->open = dlsym(library, "fv_mpi_open");
    *(void **)&p->communicator = dlsym(library, "fv_mpi_communicator");
    *(void **)&p->error = dlsym(library, "fv_mpi_error");
    *(void **)&p->abort = dlsym(library, "fv_mpi_abort");
    *(void **)&p->close = dlsym(library, "fv_mpi_close");
    return p->open && p->communicator && p->error && p->abort && p->close;
}

static void give_up(int signal) {
    static const char text[] = "fovea: error: other processes that mpirun has started do not "
                               "connect within --timeout\n";
    (void)signal;
    ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
    _exit(written > 0 ? FV_EXIT_MODEL : FV_EXIT_INTERNAL); /* mpirun then ends all processes */
}

/* MPI's initialization waits for all processes without a limit of time, so a signal ends it. */
static fv_mpi *open_in_time(const fv_processes *p, double timeout) {
    struct sigaction wait = {.sa_handler = give_up}, before;
    unsigned seconds = timeout < 1 ? 1 : (unsigned)timeout; /* at most FV_MAX_TIMEOUT */
    sigaction(SIGALRM, &wait, &before);
    alarm(seconds);
    fv_mpi *m = p->open(timeout);
    alarm(0);
    sigaction(SIGALRM, &before, NULL);
    return m;
}

fv_processes *fv_processes_open(fv_context *c, double timeout) {
    static const char name[] = "libfovea-mpi.so.0";
    fv_processes *p = FV_NEW(c->arena, fv_processes, 1);
    /* one write for each line, because all processes have one stderr */
    setvbuf(stderr, NULL, _IOLBF, BUFSIZ);
    /* RTLD_GLOBAL, since MPI loads parts of itself later, which need its symbols */
    void *library = dlopen(name, RTLD_NOW | RTLD_GLOBAL);
    if (!library || !find(p, library)) {
        fv_error(c->session,
                 "mpirun has started this process, and %s is needed to connect it with others: %s",
                 name, library ? "it lacks functions" : dlerror());
        return NULL;
    }
    if (!(p->mpi = open_in_time(p, timeout)))
        fv_error(c->session, "MPI cannot be initialized");
    return p->mpi ? p : NULL;
}

const fv_communicator *fv_processes_communicator(const fv_processes *p) {
    return p->communicator(p->mpi);
}

const char *fv_processes_error(const fv_processes *p) {
    return p->error(p->mpi);
}

void fv_processes_close(fv_processes *p, bool failed) {
    fflush(NULL);
    if (failed)
        p->abort(p->mpi);
    p->close(p->mpi);
}
