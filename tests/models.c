/* models.c - see models.h. */
#include "tests/models.h"

#include <stdio.h>
#include <string.h>

#include "ir/base/diag.h"

models_outcome models_failed(const char *path, const char *fault) {
    printf("FAILED %s: %s\n", path, fault);
    return MODELS_BAD;
}

bool models_is_refused(const fv_session *s) {
    for (const fv_message *m = fv_messages(s); m; m = m->next)
        if (m->severity == FV_ERROR && strstr(m->text, "not in the catalogue"))
            return true;
    return false;
}

static models_outcome look_alone(const char *path, const fv_target *t,
                                 models_outcome (*look)(fv_session *s, const char *path,
                                                        const fv_target *t)) {
    fv_session *s = fv_session_new();
    fv_door door;
    if (!s)
        return models_failed(path, "out of memory");
    if (FV_DOOR_OPEN(s, &door)) {
        fv_session_free(s);
        return models_failed(path, "out of memory");
    }
    models_outcome o = look(s, path, t);
    fv_door_close(s, &door);
    fv_session_free(s);
    return o;
}

int models_main(int argc, char **argv,
                models_outcome (*look)(fv_session *s, const char *path, const fv_target *t)) {
    int n[3] = {0};
    const fv_target *t = argc > 1 ? fv_target_find(argv[1]) : NULL;
    if (!t) {
        fprintf(stderr, "usage: %s TARGET MODEL...\n", argv[0]);
        return 2;
    }
    for (int i = 2; i < argc; i++)
        n[look_alone(argv[i], t, look)]++;
    printf("%d passed, %d failed\n", n[MODELS_GOOD], n[MODELS_BAD]);
    return n[MODELS_BAD] > 0;
}
