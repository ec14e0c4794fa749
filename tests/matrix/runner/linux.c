/* linux.c - the runner on Linux: runner JOB RESULT LIBRARY... */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/matrix/runner/runner.h"

enum { MAX_THREADS = 8 };
static int result;

static void write_all(const void *data, size_t bytes) {
    const char *p = data;
    while (bytes) {
        ssize_t n = write(result, p, bytes);
        if (n <= 0)
            _exit(3);
        p += n;
        bytes -= (size_t)n;
    }
}

typedef struct worker {
    void (*task)(void *arg, int64_t i);
    void *arg;
    int64_t first, n, step;
} worker;

static void *work(void *arg) {
    const worker *w = arg;
    for (int64_t i = w->first; i < w->n; i += w->step)
        w->task(w->arg, i);
    return NULL;
}

/* New threads for every loop: slow, and simple. */
static void parallel_for(void *user, void (*task)(void *arg, int64_t i), void *arg, int64_t n) {
    int threads = *(const int *)user;
    pthread_t thread[MAX_THREADS];
    worker workers[MAX_THREADS];
    for (int i = 0; i < threads && i < MAX_THREADS; i++) {
        workers[i] = (worker){task, arg, i, n, threads};
        if (pthread_create(&thread[i], NULL, work, &workers[i]))
            _exit(4);
    }
    for (int i = 0; i < threads && i < MAX_THREADS; i++)
        pthread_join(thread[i], NULL);
}

static const int64_t *read_job(const char *path) {
    struct stat st;
    int f = open(path, O_RDONLY);
    if (f < 0 || fstat(f, &st))
        return NULL;
    void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, f, 0);
    return p == MAP_FAILED ? NULL : p;
}

int main(int argc, char **argv) {
    size_t heap = (size_t)1 << 30;
    runner_port port = {NULL, heap, parallel_for, write_all};
    port.heap = mmap(NULL, heap, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    const int64_t *job = argc > 2 ? read_job(argv[1]) : NULL;
    result = argc > 2 ? open(argv[2], O_WRONLY | O_CREAT | O_TRUNC, 0666) : -1;
    if (!job || result < 0 || port.heap == MAP_FAILED)
        return 2;
    for (int i = 3; i < argc; i++) {
        void *library = dlopen(argv[i], RTLD_NOW | RTLD_LOCAL);
        const fv_model *(*table)(void) = NULL;
        if (library)
            *(void **)&table = dlsym(library, "m_model");
        if (!table) {
            fprintf(stderr, "%s\n", dlerror());
            return 2;
        }
        runner_run(&port, job, table());
    }
    return close(result) ? 3 : 0;
}
