/* write_corpus.c - the corpus as files: OUT/TARGET/HASH, and OUT/TARGET.dict with its words.
 * Usage: write_corpus OUT SOURCE [SHARED] */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ir/base/ptrmap.h"
#include "tests/fuzz/corpus.h"

enum { OFTEN = 6, LONGEST = 24, MAX_TARGETS = 8 };

typedef struct words {
    fv_ptrmap seen; /* interned word -> how often */
    FILE *file;     /* of those that come often */
    int inputs;
} words;

typedef struct writer {
    const char *folder;
    fv_session *session;
    words of[MAX_TARGETS];
} writer;

static _Noreturn void fail(const char *path) {
    fprintf(stderr, "%s: %s\n", path, strerror(errno));
    exit(1);
}

static void write_file(const char *path, const void *data, size_t size) {
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(data, 1, size, f) != size || fclose(f) != 0)
        fail(path);
}

static bool is_word(uint8_t c) {
    return isalnum(c) || c == '_' || c == '.' || c == '<' || c == '>' || c == '=';
}

/* What comes often is a word of the format rather than of one input. */
static void count_word(writer *w, words *of, const char *s, size_t n) {
    if (n < 2 || n > LONGEST || isdigit((unsigned char)*s))
        return;
    const char *word = fv_internn(w->session, s, n);
    void **slot = fv_ptrmap_at(&of->seen, word);
    uintptr_t times = (uintptr_t)*slot + 1;
    *slot = (void *)times;
    if (times == OFTEN)
        fprintf(of->file, "\"%s\"\n", word);
}

static void count_words(writer *w, words *of, const uint8_t *data, size_t size) {
    for (size_t i = 0, n; i < size; i += n + 1) {
        for (n = 0; i + n < size && is_word(data[i + n]);)
            n++;
        count_word(w, of, (const char *)data + i, n);
    }
}

static void add(corpus *c, const char *target, const uint8_t *data, size_t size) {
    writer *w = c->user;
    words *of = &w->of[fuzz_find(target) - fuzz_targets];
    char path[1024];
    snprintf(path, sizeof path, "%s/%s/%016" PRIx64, w->folder, target, fuzz_hash(data, size));
    write_file(path, data, size);
    count_words(w, of, data, size);
    of->inputs++;
}

static void make_folder(const char *path) {
    if (mkdir(path, 0777) != 0 && errno != EEXIST)
        fail(path);
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: %s OUT SOURCE [SHARED]\n", argv[0]);
        return 2;
    }
    writer w = {.folder = argv[1], .session = fv_session_new()};
    corpus c = {.root = argv[2], .shared = argc > 3 ? argv[3] : NULL, .add = add, .user = &w};
    make_folder(w.folder);
    for (int i = 0; fuzz_targets[i].name; i++) {
        char path[1024];
        snprintf(path, sizeof path, "%s/%s", w.folder, fuzz_targets[i].name);
        make_folder(path);
        snprintf(path, sizeof path, "%s/%s.dict", w.folder, fuzz_targets[i].name);
        w.of[i] = (words){.seen = fv_ptrmap_in(fv_arena_new(w.session)), .file = fopen(path, "w")};
        if (!w.of[i].file)
            fail(path);
    }
    corpus_walk(&c);
    for (int i = 0; fuzz_targets[i].name; i++) {
        if (fclose(w.of[i].file) != 0)
            fail(w.folder);
        printf("%-11s %d inputs\n", fuzz_targets[i].name, w.of[i].inputs);
    }
    fv_session_free(w.session);
    return 0;
}
