/* dates.c - reads a line and prints its date as 1979-05-03; or ?, and exits 1, where it sees none.
 * Relies on dates.h, which Fovea generates from dates.onnx. */
#include "dates.h"
#include <stdint.h>
#include <stdio.h>

enum { LENGTH = 40, UNKNOWN = 127, DIGITS = 10, SYMBOLS = 11 };
static const char symbols[SYMBOLS + 1] = "0123456789-";
static const float certain = 0.9f;
static unsigned char workspace[DATES_WORKSPACE_BYTES + 64];

/* Fills `text` from the line; false if the line is longer. */
static int read_line(FILE *file, int32_t text[LENGTH]) {
    int n = 0, c;
    while ((c = getc(file)) != EOF && c != '\n') {
        if (n == LENGTH)
            return 0;
        if (c == '\t' || c == '\r')
            c = ' ';
        text[n++] = c >= ' ' && c < UNKNOWN ? c : UNKNOWN;
    }
    return 1;
}

/* Writes the likeliest symbol of each position; returns the mean of their probabilities. */
static float choose(float probs[DIGITS][SYMBOLS], char date[DIGITS + 1]) {
    float sum = 0;
    int i, k, best;
    for (i = 0; i < DIGITS; i++) {
        for (best = 0, k = 1; k < SYMBOLS; k++)
            best = probs[i][k] > probs[i][best] ? k : best;
        date[i] = symbols[best];
        sum += probs[i][best];
    }
    date[DIGITS] = '\0';
    return sum / DIGITS;
}

int main(void) {
    int32_t text[1][LENGTH] = {{0}};
    float probs[1][DIGITS][SYMBOLS];
    char date[DIGITS + 1];
    void *work = workspace + (64 - (uintptr_t)workspace % 64) % 64; /* aligned to 64 */
    int is_date = read_line(stdin, text[0]) &&
                  dates_run((const int32_t(*)[LENGTH])text, probs, work) == 0 &&
                  choose(probs[0], date) >= certain;
    puts(is_date ? date : "?");
    return !is_date;
}
