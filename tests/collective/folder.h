/* folder.h - a temporary folder for the models of a suite. */
#ifndef FV_TESTS_COLLECTIVE_FOLDER_H
#define FV_TESTS_COLLECTIVE_FOLDER_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static char folder[] = "/tmp/fovea-collective-XXXXXX", place[80];

/* Makes the folder; what is compiled does not come from the cache. */
static void begin(void) {
    cr_assert(mkdtemp(folder));
    setenv("FOVEA_CACHE_DIR", "", 1);
}

static void end(void) {
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    cr_assert_eq(system(command), 0);
}

/* The path of a file in the folder, until the next call. */
static const char *in_folder(const char *name) {
    snprintf(place, sizeof place, "%s/%s", folder, name);
    return place;
}

#endif
