/* board_stories.c - a microcontroller writes stories to their ends, a character at a time, and
 * counts the instructions: README.md. Relies on stories.h, which Fovea generates from stories.onnx
 * with its caches in place, and on bare.h instead of a C library. */
#include "bare.h"
#include "stories.h"

enum {
    CACHES = 6, /* keys and values of three layers, all of one size */
    CACHE = STORIES_PAST_KEY_VALUES_0_KEY_SIZE,
    ALPHABET = STORIES_LOGITS_SIZE,
    PIECE = 16, /* characters of a beginning that one run reads: the bound of s */
    END = 0     /* the character before a story and after it */
};
/* the same as in train.py */
static const char alphabet[ALPHABET + 1] = "\n .ABCDHIMNSTabcdefghiklmnoprstuvwxy";

static float caches[CACHES][CACHE];
static STORIES_ALIGNED unsigned char workspace[STORIES_WORKSPACE_BYTES];
static int64_t past; /* number of characters of which the caches have keys and values */
static uint32_t bits_of_scores = 2166136261u; /* FNV-1a of all scores: equal on all targets */

/* Instructions of the runs of one kind, and the number of characters that these runs read. */
typedef struct work {
    uint32_t instructions, characters;
} work;
static work for_beginnings, for_stories;

/* ---- the model ---- */

static void add_bits(float score) {
    union {
        float f;
        uint32_t u;
    } bits = {score};
    for (int i = 0; i < 32; i += 8)
        bits_of_scores = (bits_of_scores ^ (bits.u >> i & 255)) * 16777619u;
}

static int64_t most_probable(const float scores[ALPHABET]) {
    int best = 0;
    for (int i = 0; i < ALPHABET; i++) {
        best = scores[i] > scores[best] ? i : best;
        add_bits(scores[i]);
    }
    return best;
}

/* Reads n characters, at most PIECE, that follow those in the caches. *next becomes the character
 * that the model expects then. Returns the status of the run; FV_TOO_SMALL: the caches are full. */
static int read_piece(const int64_t *ids, int n, work *counts, int64_t *next) {
    float scores[ALPHABET];
    const void *inputs[1 + CACHES] = {ids};
    void *outputs[1 + CACHES] = {scores}; /* that of a cache is the memory of the input */
    stories_dims dims = {.s = n, .past = past};
    for (int i = 0; i < CACHES; i++)
        inputs[1 + i] = caches[i];
    count_from_here();
    int status = stories_run(&dims, inputs, outputs, (stories_out_dims *)0, workspace,
                             sizeof workspace, (const fv_env *)0);
    counts->instructions += counted();
    counts->characters += (uint32_t)n;
    past += n;
    *next = status ? END : most_probable(scores);
    return status;
}

static int64_t id_of(char c) {
    int64_t i = 0;
    while (i < ALPHABET - 1 && alphabet[i] != c)
        i++;
    return i;
}

/* Writes the story that begins with `text`, to its end; returns the status of the runs. */
static int write_story(const char *text) {
    int64_t ids[PIECE] = {END}, next = END;
    int n = 1, status = FV_OK;
    past = 0; /* another story has nothing of those before it */
    print(text);
    for (; status == FV_OK && *text; text++) {
        ids[n++] = id_of(*text);
        if (n == PIECE || !text[1]) {
            status = read_piece(ids, n, &for_beginnings, &next);
            n = 0;
        }
    }
    while (status == FV_OK && next != END) {
        print((char[]){alphabet[next], 0});
        status = read_piece(&next, 1, &for_stories, &next);
    }
    print("\n");
    return status;
}

/* ---- the program ---- */

static void print_work(const work *w, const char *of) {
    print_number(w->instructions / w->characters, 9);
    print(" instructions for a character of ");
    print(of);
    print("\n");
}

int main(void) {
    static const char *const beginnings[] = {"Max has a white boat.", "Ida has"};
    for (unsigned i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
        if (write_story(beginnings[i]) != FV_OK)
            return 1;
    print("bits of the scores ");
    print_number(bits_of_scores, 0);
    print("\n");
    if (for_stories.instructions) {
        print_work(&for_beginnings, "a beginning");
        print_work(&for_stories, "a story");
    }
    return 0;
}
