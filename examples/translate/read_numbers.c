/* read_numbers.c - reads numbers spelled in English, a line each, and prints their digits.
 * Relies on numbers.h, which Fovea generates from numbers.onnx with --dim n=1..80. */
#include "numbers.h"
#include <stdio.h>

enum { LONGEST = 80, MOST_SYMBOLS = 7, END = 10, UNKNOWN = 127 };
static NUMBERS_ALIGNED unsigned char workspace[NUMBERS_WORKSPACE_BYTES];

/* Fills `text` from a line, whose length it returns: 0 is an empty one, -1 the end, LONGEST + 1 too
 * long. */
static int read_line(FILE *file, int32_t text[LONGEST]) {
    int n = 0, c;
    while ((c = getc(file)) != EOF && c != '\n' && c != '\r') {
        if (n < LONGEST)
            text[n] = c > 0 && c < UNKNOWN ? c : UNKNOWN;
        n += n <= LONGEST;
    }
    return c == EOF && !n ? -1 : n;
}

/* The digits of a text of n characters; the status of the run. */
static int read_number(const int32_t *text, int n, char digits[MOST_SYMBOLS]) {
    static float weights[MOST_SYMBOLS * LONGEST]; /* what each digit was read from */
    int64_t symbols[MOST_SYMBOLS];
    numbers_dims dims;
    numbers_out_dims actual;
    const void *inputs[1];
    void *outputs[2];
    int i, status;
    dims.n = n;
    inputs[0] = text;
    outputs[0] = symbols;
    outputs[1] = weights;
    actual.symbols.capacity = MOST_SYMBOLS;
    actual.weights.capacity = MOST_SYMBOLS * LONGEST;
    status = numbers_run(&dims, inputs, outputs, &actual, workspace, sizeof workspace, NULL);
    for (i = 0;
         status == FV_OK && i < actual.symbols.dim[0] && i < MOST_SYMBOLS - 1 && symbols[i] != END;
         i++)
        digits[i] = (char)('0' + symbols[i]);
    digits[i] = '\0';
    return status;
}

int main(void) {
    int32_t text[LONGEST];
    char digits[MOST_SYMBOLS];
    int n, failed = 0;
    while ((n = read_line(stdin, text)) >= 0) {
        if (!n)
            continue;
        if (n <= LONGEST && read_number(text, n, digits) == FV_OK) {
            puts(digits);
        } else {
            puts("?");
            failed = 1;
        }
    }
    return failed;
}
