/* embed.c - build tool: a text file becomes a C string. Usage: embed NAME FILE OUT.c */
#include <stdio.h>

int main(int argc, char **argv) {
    FILE *in = argc == 4 ? fopen(argv[2], "rb") : NULL, *out = in ? fopen(argv[3], "w") : NULL;
    if (!out) {
        fprintf(stderr, "usage: embed NAME FILE OUT.c\n");
        return 1;
    }
    fprintf(out, "extern const char %s[];\nconst char %s[] = {", argv[1], argv[1]);
    int c, n = 0;
    while ((c = getc(in)) != EOF)
        fprintf(out, "%s%d,", n++ % 20 ? "" : "\n", (signed char)c);
    fprintf(out, "0};\n");
    int failed = ferror(in) | ferror(out);
    fclose(in);
    return fclose(out) || failed;
}
