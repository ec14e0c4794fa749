/* machine.c - see machine.h. */
#include "machine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "driver.h"
#include "folder.h"
#include "frontend/file.h"
#include "ir/base/diag.h"
#include "ir/target/lacking.h"

const char *fv_machine_lack(fv_arena *a, const fv_target *t) {
    char names[FV_FEATURES_TEXT];
    const bool lacks = *fv_target_lacking(t->entry, names, sizeof names) ||
                       *fv_target_refused(t->entry, names, sizeof names);
    return lacks ? fv_printf(a, "it lacks %s", names) : "it is of another kind";
}

const char *fv_machine_path(fv_arena *a) {
    const char *given = secure_getenv("FOVEA_PROCESSOR");
    if (given)
        return *given ? given : NULL;
    const char *folder = fv_user_folder(a, "XDG_CONFIG_HOME", ".config");
    return folder ? fv_printf(a, "%s/processor", folder) : NULL;
}

bool fv_machine_make_folder(fv_session *s, fv_arena *a, const char *path) {
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path)
        return true;
    const char *folder = fv_strndup(a, path, (size_t)(slash - path));
    return fv_make_folders(a, folder) ||
           fv_error(s, "cannot make the folder '%s': %s", folder, strerror(errno));
}

static const fv_machine *read_file(fv_session *s, fv_arena *a, const char *path) {
    const char *text = fv_file_text(s, a, path);
    return text ? fv_machine_parse(s, a, text) : NULL;
}

const fv_machine *fv_machine_read(fv_session *s, fv_arena *a, const char *path) {
    const char *file = fv_diag_file_get(s);
    fv_diag_file(s, path);
    const fv_machine *p = read_file(s, a, path);
    fv_diag_file(s, file);
    return p;
}

/* The profile at the path if it is of this CPU; NULL after a note. */
static const fv_machine *own(fv_session *s, fv_arena *a, const char *path) {
    const fv_message *last = fv_messages_last(s);
    const fv_machine *p = fv_machine_read(s, a, path);
    const char *here = fv_cpu_str(a);
    const char *file = fv_diag_file_get(s), *why = NULL;
    if (!p) {
        const fv_message *m = fv_messages_last(s);
        why = fv_printf(a,
                        "the profile is damaged and not used: %d:%d: %s; `fovea calibrate` makes "
                        "another",
                        m->line, m->column, m->text);
        fv_messages_drop(s, last);
    } else if (strcmp(p->cpu, here)) {
        why = fv_printf(a,
                        "the profile is of another CPU and not used: \"%.100s\", this is "
                        "\"%.100s\"",
                        p->cpu, here);
    }
    if (!why)
        return p;
    fv_diag_file(s, path);
    fv_notice(s, "%s", why);
    fv_diag_file(s, file);
    return NULL;
}

const fv_target *fv_machine_native(fv_session *s, fv_arena *a, const fv_target *t) {
    const char *path = fv_machine_path(a);
    if (!path || access(path, F_OK))
        return t;
    const fv_machine *p = own(s, a, path);
    const fv_target *with = p ? fv_target_with_machine(a, t, p) : NULL;
    return with ? with : t;
}

/* Has a value of this type elements whose products tile registers hold: of at most 8 bits, or bf16
 * if sums may be in tiles? */
static bool has_elements(const fv_type *t, bool tiles) {
    return t && t->kind == FV_TENSOR &&
           ((fv_elem_is_int(t->elem) && fv_elem_bits(t->elem) <= 8) ||
            (tiles && t->elem == FV_BF16));
}

static bool computes_products(const fv_region *r, bool tiles) {
    for (int i = 0; i < r->nparams; i++)
        if (has_elements(r->params[i]->type, tiles))
            return true;
    for (const fv_op *op = r->first; op; op = op->next) {
        for (int i = 0; i < op->nout; i++)
            if (op->out[i] && has_elements(op->out[i]->type, tiles))
                return true;
        for (int i = 0; i < op->nattrs; i++)
            if (op->attrs[i].kind == FV_ATTR_REGION &&
                computes_products(op->attrs[i].u.region, tiles))
                return true;
    }
    return false;
}

/* Has the module a constant, parameter or result with such elements? */
static bool may_multiply_matrices(const fv_module *m, bool tiles) {
    for (int i = 0; i < m->nconsts; i++)
        if (has_elements(m->consts[i]->type, tiles))
            return true;
    for (const fv_func *f = m->funcs; f; f = f->next)
        if (computes_products(f->body, tiles))
            return true;
    return false;
}

const fv_target *fv_machine_permitted(const fv_module *m, const fv_target *t, bool tiles) {
    char names[FV_FEATURES_TEXT];
    if (strcmp(t->name, "native") || !fv_target_asks(t->entry) ||
        !may_multiply_matrices(m, tiles) || !*fv_target_refused(t->entry, names, sizeof names))
        return t;
    fv_notice(m->session, "target native is without %s", names);
    return fv_target_without(m->arena, t, fv_features_refused(fv_target_features(t)));
}

static const fv_target *from_file(fv_session *s, fv_arena *a, const fv_target *t, const char *path,
                                  const char **why) {
    const fv_machine *p = fv_machine_read(s, a, path);
    *why = "";
    if (!p)
        return NULL;
    const fv_target *with = fv_target_with_machine(a, t, p);
    if (!with)
        *why = fv_printf(a, "the profile '%.200s' is of a processor of %s, the target %s is not",
                         path, p->processor.architecture, fv_target_str(a, t));
    return with;
}

const fv_target *fv_driver_processor(fv_session *s, fv_arena *a, const fv_target *t,
                                     const char *name, const char **why) {
    fv_processor_id id;
    if (strpbrk(name, "/."))
        return from_file(s, a, t, name, why);
    if (!fv_processor_find(name, &id)) {
        const char *near = fv_nearest(name, fv_processor_names());
        *why = near ? fv_printf(a, "there is no processor '%.60s'; did you mean '%s'?", name, near)
                    : fv_printf(a, "there is no processor '%.60s'; there are %s", name,
                                fv_names_str(a, fv_processor_names()));
        return NULL;
    }
    const fv_target *made = fv_target_for(a, t, id);
    if (!made)
        *why = fv_printf(a, "processor '%s' is %s, the target %s is not", name,
                         fv_processor_at(id)->architecture, fv_target_str(a, t));
    return made;
}
