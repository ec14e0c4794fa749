/* decode.c - continues a prompt by a decoder that `fovea shard` has cut: each process of mpirun
 * runs the part of its rank, and keeps the caches of its own heads and layers in one memory, to
 * which each step appends. The part may be a library that `fovea compile` has made of it.
 *
 *   mpirun -n 2 ./decode parts 0,20,12 8 */
#include <fovea.h>
#include <fovea_mpi.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST_IDS = 256 };

/* Parses "0,20,12"; returns how many ids there are, 0: it is no such list. */
static int parse(const char *text, int64_t *ids) {
    int n = 0;
    for (char *end; n < MOST_IDS; text = end + 1) {
        ids[n++] = strtoll(text, &end, 10);
        if (end == text || (*end && *end != ','))
            return 0;
        if (!*end)
            return n;
    }
    return 0;
}

/* Loads the library of a rank, or compiles its model, which is graph IR if it is of a stage. */
static int open_part(const char *folder, size_t rank, fv_log *log, fv_artifact **part) {
    static const char *const suffixes[] = {".so", ".fvir", ".onnx"};
    char path[4096];
    int i = 0;
    FILE *f;
    for (; i < 3; i++) {
        snprintf(path, sizeof path, "%s/rank%zu%s", folder, rank, suffixes[i]);
        if (i == 2 || (f = fopen(path, "rb")) != NULL)
            break;
    }
    if (i < 2)
        fclose(f);
    return i == 0 ? fv_load(path, log, part) : fv_compile_decoder(path, NULL, log, part);
}

/* The number of caches of the part that share one memory with their next value. */
static int caches_of(const fv_model *part) {
    int n = 0;
    for (int i = 0; i < part->ninputs; i++)
        n += part->inputs[i].in_place != 0;
    return n;
}

/* Generates ids; all ranks get the same ones, and rank 0 prints them. */
static int decode(fv_artifact *part, const fv_communicator *ranks, const fv_prompt *prompt,
                  int64_t tokens, fv_log *log) {
    fv_env env = {.size = sizeof env, .communicator = ranks};
    fv_generate_options o = {.size = sizeof o, .tokens = tokens, .threads = 1, .env = &env};
    fv_generator *g;
    int sequence, status, n = 0;
    int64_t id;
    status = fv_generator_new(part, 1, prompt, &o, log, &g);
    while (status == FV_OK && (status = fv_generator_next(g, &sequence, &id, log)) == FV_OK) {
        if (sequence < 0)
            break;
        if (ranks->rank == 0)
            printf("%s%lld", n++ ? "," : "", (long long)id);
    }
    if (ranks->rank == 0)
        printf("\n");
    fv_generator_free(g);
    return status;
}

int main(int argc, char **argv) {
    int64_t ids[MOST_IDS];
    int n = argc == 4 ? parse(argv[2], ids) : 0;
    if (!n) {
        fprintf(stderr, "usage: mpirun -n RANKS decode FOLDER ID,ID.. TOKENS\n");
        return 2;
    }
    fv_mpi *mpi = fv_mpi_open(60); /* seconds that a rank waits for another one */
    if (!mpi)
        return 1;
    const fv_communicator *ranks = fv_mpi_communicator(mpi);
    fv_prompt prompt = {ids, n};
    fv_log *log = fv_log_new();
    fv_artifact *part = NULL;
    int status = open_part(argv[1], ranks->rank, log, &part);
    if (status == FV_OK) {
        const fv_model *model = fv_artifact_model(part);
        fprintf(stderr, "rank %zu of %zu: %d caches in place\n", ranks->rank, ranks->ranks,
                caches_of(model));
        status = decode(part, ranks, &prompt, atoll(argv[3]), log);
    }
    if (status != FV_OK) {
        fprintf(stderr, "rank %zu: %s%s\n", ranks->rank, fv_log_text(log),
                fv_mpi_error(mpi) ? fv_mpi_error(mpi) : "");
        fv_mpi_abort(mpi); /* the other ranks do not wait for this one */
    }
    fv_artifact_free(part);
    fv_log_free(log);
    fv_mpi_close(mpi);
    return 0;
}
