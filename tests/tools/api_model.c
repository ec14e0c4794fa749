/* api_model.c - what api.h declares. */
#include "tests/tools/api.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char api_text[] = "fovea-ir 1\nmodule \"m\"\nsymbol n 0..100\n"
                        "const @w: f32[2, 3] = [1, 2, 3, 4, 5, 6]\n"
                        "func @main(%x: f32[n, 2]) -> (%y) {\n"
                        "  %h = MatMul(%x, @w) : f32[n, 3]\n"
                        "  %y = Relu(%h) : f32[n, 3]\n  return %y\n}\n";
static char folder[] = "/tmp/fovea-api-XXXXXX";
static char place[80];
char api_model[64];

void api_put(const char *path, const char *what) {
    FILE *f = fopen(path, "w");
    cr_assert(f);
    fputs(what, f);
    fclose(f);
}

void api_begin(void) {
    cr_assert(mkdtemp(folder));
    setenv("FOVEA_CACHE_DIR", "", 1); /* tests/tools/cache.c has one */
    snprintf(api_model, sizeof api_model, "%s/m.fvir", folder);
    api_put(api_model, api_text);
}

void api_end(void) {
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    cr_assert_eq(system(command), 0);
}

const char *api_in_folder(const char *name) {
    snprintf(place, sizeof place, "%s/%s", folder, name);
    return place;
}

void api_gives(fv_artifact *a) {
    float x[4] = {1, 1, 1, -1};
    fv_array in = {1, 2, {2, 2}, x, NULL}, out = {0};
    const float want[] = {5, 7, 9, 0, 0, 0};
    cr_assert_eq(fv_artifact_run(a, &in, &out, NULL, NULL), FV_OK);
    cr_assert(out.rank == 2 && out.dims[0] == 2 && out.dims[1] == 3);
    for (int i = 0; i < 6; i++)
        cr_expect_eq(((float *)out.data)[i], want[i]);
    fv_array_free(&out);
}

void api_is_refused(int status, fv_log *log, const char *what) {
    cr_expect_eq(status, FV_BAD_ARGUMENT, "%s: %s", what, fv_status_name(status));
    cr_expect(strstr(fv_log_text(log), "error: ") != NULL, "%s: nothing is said", what);
    fv_log_clear(log);
}
