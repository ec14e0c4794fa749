/* layout.c - the files by which other build systems take a folder of C as a library: CMake, the
 * Arduino builder, Zephyr and ESP-IDF. */
#include "backend/c/layout.h"

#include <string.h>

#include "backend/c/board.h"

static const char *const names[] = {"plain", "cmake", "arduino", "zephyr", "esp-idf", NULL};

const char *const *fv_c_layout_names(void) {
    return names;
}

bool fv_c_layout_by_name(const char *name, fv_c_layout *layout) {
    int i = 0;
    while (names[i] && strcmp(names[i], name))
        i++;
    *layout = names[i] ? (fv_c_layout)i : FV_C_PLAIN;
    return names[i] != NULL;
}

/* Names of targets that CMake has itself, or makes for tests and packages. */
static const char *const cmake_names[] = {
    "all",       "ALL_BUILD",      "clean",      "edit_cache",
    "help",      "install",        "INSTALL",    "package",
    "PACKAGE",   "package_source", "preinstall", "rebuild_cache",
    "RUN_TESTS", "test",           "ZERO_CHECK", NULL};

bool fv_c_layout_takes(fv_c_layout layout, const char *name) {
    return (layout != FV_C_CMAKE && layout != FV_C_ZEPHYR) || !fv_is_in(cmake_names, name);
}

/* @0@ the name of the model and of the library, @1@ its sources, @2@ options of the compiler,
 * @3@ further languages, @4@ the self-test, @5@ what precedes the check of the compiler */
static const char cmake[] =
    "# The model as the library @0@: add_subdirectory(@0@), target_link_libraries(app @0@).\n"
    "cmake_minimum_required(VERSION 3.13)\n"
    "@5@"
    "project(@0@ C@3@)\n"
    "add_library(@0@ STATIC @1@)\n"
    "target_include_directories(@0@ PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})\n"
    "target_compile_options(@0@ PRIVATE -ffreestanding@2@)\n"
    "set_target_properties(@0@ PROPERTIES C_STANDARD 99)\n"
    "@4@";
static const char cmake_test[] =
    "if(CMAKE_SOURCE_DIR STREQUAL CMAKE_CURRENT_SOURCE_DIR)\n"
    "    enable_testing()\n"
    "    find_package(Threads REQUIRED)\n"
    "    add_executable(@0@_selftest @0@_selftest_main.c @0@_selftest.c@1@)\n"
    "    target_link_libraries(@0@_selftest @0@ Threads::Threads m)\n"
    "    set_target_properties(@0@_selftest PROPERTIES UNITY_BUILD OFF)\n"
    "    add_test(NAME @0@ COMMAND @0@_selftest WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})\n"
    "endif()\n";
/* CMake checks a compiler by a program, which needs start code and a script for the linker on a
 * target without an operating system; a library needs neither. */
static const char cmake_generic[] = "if(CMAKE_SYSTEM_NAME STREQUAL Generic)\n"
                                    "    set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)\n"
                                    "endif()\n";
/* @0@ the name, @1@ options of the compiler, @2@ the command of the emulator, @3@ the prefix of the
 * toolchain */
static const char cmake_board[] =
    "if(CMAKE_SOURCE_DIR STREQUAL CMAKE_CURRENT_SOURCE_DIR)\n"
    "    # ctest runs the self-test on an emulated board; options of cmake for that:\n"
    "    # -D CMAKE_SYSTEM_NAME=Generic -D CMAKE_C_COMPILER=@3@gcc\n"
    "    enable_testing()\n"
    "    add_executable(@0@_selftest @0@_board.c @0@_selftest.c)\n"
    "    target_compile_options(@0@_selftest PRIVATE -ffreestanding @1@)\n"
    "    set_target_properties(@0@_selftest PROPERTIES C_STANDARD 99\n"
    "        LINK_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/@0@_board.ld)\n"
    "    target_link_libraries(@0@_selftest @0@ @1@ -nostdlib\n"
    "        -T ${CMAKE_CURRENT_SOURCE_DIR}/@0@_board.ld gcc)\n"
    "    add_test(NAME @0@ COMMAND @2@ $<TARGET_FILE:@0@_selftest>)\n"
    "endif()\n";
static const char zephyr[] =
    "# The model as a library of a Zephyr application: add_subdirectory(@0@) in its "
    "CMakeLists.txt.\n"
    "zephyr_library_named(@0@)\n"
    "zephyr_library_sources(@1@)\n"
    "zephyr_library_include_directories(${CMAKE_CURRENT_SOURCE_DIR})\n"
    "zephyr_include_directories(${CMAKE_CURRENT_SOURCE_DIR})\n";
static const char esp_idf[] =
    "# The model as a component of ESP-IDF: put this folder into `components` of a project.\n"
    "idf_component_register(SRCS @1@ INCLUDE_DIRS \".\")\n";
static const char esp_idf_manifest[] = "version: \"1.0.0\"\n"
                                       "description: the model @0@, compiled by Fovea\n"
                                       "license: MIT-0\n";
static const char arduino[] = "name=@0@\n"
                              "version=1.0.0\n"
                              "author=Fovea\n"
                              "maintainer=Fovea\n"
                              "sentence=The model @0@, compiled to C.\n"
                              "paragraph=Include @0@.h, which describes the functions.\n"
                              "category=Data Processing\n"
                              "url=https://onnx.ai\n"
                              "architectures=*\n"
                              "includes=@0@.h\n";

static bool ends(const char *name, const char *suffix) {
    size_t n = strlen(name), m = strlen(suffix);
    return n >= m && !strcmp(name + n - m, suffix);
}

/* The sources of the library: not those of the self-test, its board and the thread pool. */
static const char *sources(fv_cg *g, const fv_c_files *f, bool *assembly) {
    static const char *const others[] = {"_selftest.c", "_selftest_main.c", "_board.c",
                                         "_threads.c"};
    fv_text t = {.arena = g->arena};
    for (int i = 0; i < f->n; i++) {
        const char *name = f->file[i].name;
        bool other = !ends(name, ".c") && !ends(name, ".S");
        for (size_t k = 0; k < sizeof others / sizeof *others; k++)
            other |= !strcmp(name, fv_printf(g->arena, "%s%s", g->file, others[k]));
        if (!other)
            fv_text_printf(&t, "%s%s", t.n ? " " : "", name);
        *assembly |= ends(name, ".S");
    }
    return t.s;
}

static void add(fv_cg *g, fv_c_files *f, const char *name, const char *text, const char *list) {
    fv_text t = {.arena = g->arena};
    fv_c_fill(g, &t, text, g->file, list, NULL);
    fv_c_files_add(f, name, t.s, t.n);
}

/* The self-test: on a board, or by the operating system; none for other targets. */
static const char *cmake_selftest(fv_cg *g) {
    fv_text t = {.arena = g->arena};
    const fv_c_board *board = fv_c_board_of(g);
    fv_text_put(&t, "");
    if (board)
        fv_c_fill(g, &t, cmake_board, g->file, g->p->target->c.flags, fv_c_board_command(g, board),
                  g->p->target->c.tools, NULL);
    else if (g->p->target->kind != FV_TARGET_MICRO)
        fv_c_fill(g, &t, cmake_test, g->file,
                  g->o->threads ? fv_printf(g->arena, " %s_threads.c", g->file) : "", NULL);
    return t.s;
}

static void add_cmake(fv_cg *g, fv_c_files *f, const char *list, bool assembly) {
    fv_text t = {.arena = g->arena};
    const char *flags = g->p->target->c.flags;
    fv_c_fill(g, &t, cmake, g->file, list, *flags ? fv_printf(g->arena, " %s", flags) : "",
              assembly ? " ASM" : "", cmake_selftest(g), fv_c_board_of(g) ? cmake_generic : "",
              NULL);
    fv_c_files_add(f, "CMakeLists.txt", t.s, t.n);
}

void fv_c_add_layout(fv_cg *g, fv_c_files *f) {
    bool assembly = false;
    const char *list = sources(g, f, &assembly);
    switch (g->o->layout) {
    case FV_C_PLAIN: break;
    case FV_C_CMAKE: add_cmake(g, f, list, assembly); break;
    case FV_C_ZEPHYR: add(g, f, "CMakeLists.txt", zephyr, list); break;
    case FV_C_ESP_IDF:
        add(g, f, "CMakeLists.txt", esp_idf, list);
        add(g, f, "idf_component.yml", esp_idf_manifest, list);
        break;
    case FV_C_ARDUINO: add(g, f, "library.properties", arduino, list); break;
    }
}
