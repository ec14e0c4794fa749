/* write_stories.c - reads how stories begin, a line each, and writes each to its end, a character
 * at a time. Relies on stories.h, which Fovea generates from stories.onnx with its caches in place
 * (README.md). */
#include "stories.h"
#include <stdio.h>

enum {
    CACHES = 6, /* keys and values of three layers, all of one size */
    ENTRY = 48, /* floats that one has of a character: three heads of 16 */
    CAPACITY = STORIES_PAST_KEY_VALUES_0_KEY_SIZE / ENTRY,
    PIECE = 16, /* characters that are read at once: the bound of s */
    END = 0,    /* the line's end, before and after a story */
    UNKNOWN = -1
};
/* train.py has it, too */
static const char alphabet[STORIES_LOGITS_SIZE + 1] = "\n .ABCDHIMNSTabcdefghiklmnoprstuvwxy";

static float caches[CACHES][CAPACITY * ENTRY];
static STORIES_ALIGNED unsigned char workspace[STORIES_WORKSPACE_BYTES];
static int64_t past; /* characters that are in the caches */

/* ---- the model ---- */

static int64_t likeliest(const float logits[STORIES_LOGITS_SIZE]) {
    int i, best = 0;
    for (i = 1; i < STORIES_LOGITS_SIZE; i++)
        best = logits[i] > logits[best] ? i : best;
    return best;
}

/* Reads n characters, at most PIECE, after those in the caches; *next: the one that follows them.
 * Returns the status of the run: FV_TOO_SMALL, with the caches unchanged, if they have no room. */
static int read_piece(const int64_t *ids, int n, int64_t *next) {
    float logits[STORIES_LOGITS_SIZE];
    const void *inputs[1 + CACHES];
    void *outputs[1 + CACHES] = {NULL}; /* that of a cache is its input's memory */
    stories_dims dims;
    int i, status;
    inputs[0] = ids;
    outputs[0] = logits;
    for (i = 0; i < CACHES; i++)
        inputs[1 + i] = caches[i];
    dims.s = n;
    dims.past = past;
    status = stories_run(&dims, inputs, outputs, NULL, workspace, sizeof workspace, NULL);
    if (status == FV_OK) {
        past += n;
        *next = likeliest(logits);
    }
    return status;
}

static void write_character(int64_t id) {
    putchar(alphabet[id]);
    fflush(stdout);
}

/* Reads how a story begins, and writes it with all that follows. FV_OK, or the status of the run
 * that failed. */
static int write_story(const int64_t *ids, int n) {
    int64_t next = END;
    int i, status = FV_OK;
    past = 0; /* what the caches have is forgotten */
    for (i = 1; i < n; i++)
        write_character(ids[i]);
    for (i = 0; status == FV_OK && i < n; i += PIECE)
        status = read_piece(ids + i, n - i < PIECE ? n - i : PIECE, &next);
    while (status == FV_OK && next != END) {
        write_character(next);
        status = read_piece(&next, 1, &next);
    }
    write_character(END);
    return status;
}

/* ---- lines ---- */

static int64_t id_of(int c) {
    int i;
    for (i = 0; i < STORIES_LOGITS_SIZE; i++)
        if (alphabet[i] == c)
            return i;
    return UNKNOWN;
}

/* Fills `ids` with END and a line; how many they are, CAPACITY + 1 where it is too long. 0: there
 * are no more lines. */
static int read_line(FILE *file, int64_t ids[CAPACITY]) {
    static int last; /* "\r\n" is one end */
    int n = 1, c = getc(file);
    if (c == '\n' && last == '\r')
        c = getc(file);
    ids[0] = END;
    for (; c != EOF && c != '\n' && c != '\r'; c = getc(file)) {
        if (n < CAPACITY)
            ids[n] = id_of(c);
        n += n <= CAPACITY;
    }
    last = c;
    return c == EOF && n == 1 ? 0 : n;
}

/* The place of the first character that is not in the alphabet; 0: there is none. */
static int first_unknown(const int64_t *ids, int n) {
    int i;
    for (i = 1; i < n; i++)
        if (ids[i] == UNKNOWN)
            return i;
    return 0;
}

/* Is the story of a line written to its end? False after a message. */
static int answer(int line, const int64_t *ids, int n) {
    int unknown = n <= CAPACITY ? first_unknown(ids, n) : 0;
    int status = n <= CAPACITY && !unknown ? write_story(ids, n) : FV_OK;
    if (n > CAPACITY)
        fprintf(stderr, "line %d: it has more than %d characters\n", line, CAPACITY - 1);
    else if (unknown)
        fprintf(stderr, "line %d: character %d is not in the alphabet\n", line, unknown);
    else if (status == FV_TOO_SMALL)
        fprintf(stderr, "line %d: the story does not end within %d characters\n", line,
                CAPACITY - 1);
    else if (status != FV_OK)
        fprintf(stderr, "line %d: the run after character %d gives status %d\n", line, (int)past,
                status);
    else
        return 1;
    return 0;
}

int main(void) {
    static int64_t ids[CAPACITY];
    int n, line, failed = 0;
    for (line = 1; (n = read_line(stdin, ids)) > 0; line++)
        failed |= !answer(line, ids, n);
    return failed;
}
