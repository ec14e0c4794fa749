/* embed_pipeline.c - a build step: a pipeline, which is a Lua table of texts, as an
 * fv_pipeline_table.
 *
 *     embed_pipeline NAME INPUT OUTPUT
 *
 * Reads `return {..}` with texts in double quotes, `name = "text"`, `name = {"text", ..}` and
 * comments, which is all that a table of texts needs. Entries without a name are passes; the name
 * of any other entry must be a member of the struct, which the C compiler checks. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TEXT = 1 << 16 };

static const char *path, *text, *at;

static void fail(const char *expected) {
    int line = 1;
    for (const char *p = text; p < at; p++)
        line += *p == '\n';
    fprintf(stderr, "%s:%d: expected %s\n", path, line, expected);
    exit(1);
}

static void skip(void) {
    while (isspace((unsigned char)*at) || !strncmp(at, "--", 2))
        at += *at == '-' ? strcspn(at, "\n") : 1;
}

static int takes(const char *token) {
    size_t n = strlen(token);
    skip();
    if (strncmp(at, token, n))
        return 0;
    at += n;
    return 1;
}

static void take(const char *token) {
    if (!takes(token))
        fail(token);
}

/* Copies a text in quotes. It must have no escapes, so that it is also a string of C. */
static void copy_text(FILE *to) {
    take("\"");
    size_t n = strcspn(at, "\"\\\n");
    if (at[n] != '"')
        fail("the end of the text, which has no escapes");
    fprintf(to, "\"%.*s\"", (int)n, at);
    at += n + 1;
}

static void copy_value(FILE *to) {
    if (!takes("{")) {
        copy_text(to);
        return;
    }
    fprintf(to, "(const char *const[]){");
    do {
        skip();
        if (*at == '}')
            break;
        copy_text(to);
        fprintf(to, ", ");
    } while (takes(","));
    take("}");
    fprintf(to, "NULL}");
}

/* Copies a table: entries without names become the member `passes`, which ends with a NULL; named
 * entries follow it. */
static void copy_table(FILE *to) {
    char *named;
    size_t size;
    FILE *rest = open_memstream(&named, &size);
    take("return");
    take("{");
    fprintf(to, "    .passes = (const char *const[]){");
    do {
        skip();
        if (*at == '"') {
            copy_text(to);
            fprintf(to, ", ");
        } else if (isalpha((unsigned char)*at)) {
            size_t n = strspn(at, "abcdefghijklmnopqrstuvwxyz_");
            fprintf(rest, "    .%.*s = ", (int)n, at);
            at += n;
            take("=");
            copy_value(rest);
            fprintf(rest, ",\n");
        } else {
            break;
        }
    } while (takes(","));
    take("}");
    skip();
    if (*at)
        fail("the end of the file");
    fclose(rest);
    fprintf(to, "NULL},\n%s", named);
    free(named);
}

int main(int argc, char **argv) {
    static char content[MAX_TEXT];
    if (argc != 4)
        return fprintf(stderr, "usage: embed_pipeline NAME INPUT OUTPUT\n"), 2;
    FILE *in = fopen(argv[2], "rb"), *out = in ? fopen(argv[3], "wb") : NULL;
    if (!out)
        return perror(in ? argv[3] : argv[2]), 1;
    size_t n = fread(content, 1, sizeof content - 1, in);
    path = argv[2];
    text = at = content;
    if (n == sizeof content - 1)
        fail("a file of less than 64 KiB");
    fprintf(out, "#include \"passes/embedded.h\"\n\nconst fv_pipeline_table %s = {\n", argv[1]);
    copy_table(out);
    fprintf(out, "};\n");
    return ferror(in) || fclose(out) ? 1 : 0;
}
