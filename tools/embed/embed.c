/* embed.c - a program that the build runs as `embed NAME INPUT OUTPUT`: writes a text file as a
 * string in C source. */
#include <stdio.h>

int main(int argc, char **argv) {
    if (argc != 4)
        return fprintf(stderr, "usage: embed NAME INPUT OUTPUT\n"), 2;
    FILE *in = fopen(argv[2], "rb");
    FILE *out = in ? fopen(argv[3], "wb") : NULL;
    if (!out)
        return perror(in ? argv[3] : argv[2]), 1;
    fprintf(out, "static const unsigned char bytes[] = {");
    int n = 0;
    for (int c = getc(in); c != EOF; c = getc(in))
        fprintf(out, "%s%d,", n++ % 20 ? "" : "\n", c);
    fprintf(out, "0};\nextern const char *const %s;\n", argv[1]);
    fprintf(out, "const char *const %s = (const char *)bytes;\n", argv[1]);
    return ferror(in) || fclose(out) ? 1 : 0;
}
