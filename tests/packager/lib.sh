#!/usr/bin/env bash
# lib.sh - sourced by the tasks, which are called as SCRIPT ROOT BUILD: a temporary folder with a program that compiles a
# model in memory and runs it.
# shellcheck disable=SC2034 # the tasks use the names
set -u
root=$(realpath "$1") build=$(realpath "$2")
unset PKG_CONFIG_PATH LD_LIBRARY_PATH CFLAGS LDFLAGS FOVEA_LIBRARY
# Only some sources include headers of LLVM, whose content ccache compares; the folder of these headers makes no other objects.
export FOVEA_CACHE_DIR='' FOVEA_PROCESSOR='' CCACHE_NOHASHDIR=1 CCACHE_IGNOREOPTIONS='-ffile-prefix-map=* -isystem /usr/lib/llvm-*' PYTHONDONTWRITEBYTECODE=1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
passed=0 failed=0
# try NAME COMMAND...: it succeeds
try() {
    if "${@:2}" >"$work/log" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED $(basename "$0"): $1"
        tail -n 20 "$work/log"
        return 1
    fi
}
# prints PATTERN COMMAND...: it succeeds and prints a line that matches
prints() { "${@:2}" >"$work/printed" 2>&1 && grep -Eq -- "$1" "$work/printed" || { cat "$work/printed"; return 1; }; }
ends() {
    echo "$passed passed, $failed failed"
    [ $failed = 0 ]
    exit
}
# sources FOLDER: a copy of the sources, as of an archive
sources() {
    mkdir -p "$1"
    (cd "$root" && git ls-files -z | xargs -0 cp --parents -t "$work/$1")
}
# setup FOLDER OPTION...: configures the sources in that folder of $work, in FOLDER/build, without optimization, which the tasks do not
# need. All of them compile alike, as does tests/checks/extending.sh, so objects that one has compiled are those of the others, too,
# through ccache.
setup() {
    meson setup "$1/build" "$1" -Dwerror=true --buildtype=plain -Dtests=disabled -Dc_args="-O0 -g1 -ffile-prefix-map=$work/$1/=" \
        -Dc_link_args=-fuse-ld=lld "${@:2}"
}
dates=$root/examples/dates
cat >use.c <<'C'
#include <fovea.h>
#include <stdio.h>
int main(int argc, char **argv) {
    fv_log *log = fv_log_new();
    fv_artifact *model = NULL;
    int32_t text[40] = {'3', ' ', 'M', 'a', 'y', ' ', '1', '9', '7', '9'};
    fv_array in = {.type = 6, .rank = 2, .dims = {1, 40}, .data = text}, out = {0};
    int status = fv_compile(argv[argc - 1], NULL, log, &model);
    if (status == FV_OK)
        status = fv_artifact_run(model, &in, &out, NULL, log);
    for (int i = 0; status == FV_OK && i < 10; i++) {
        const float *p = (const float *)out.data + 11 * i;
        int best = 0;
        for (int k = 1; k < 11; k++)
            best = p[k] > p[best] ? k : best;
        putchar("0123456789-"[best]);
    }
    putchar('\n');
    fputs(fv_log_text(log), stderr);
    fv_array_free(&out);
    fv_artifact_free(model);
    fv_log_free(log);
    return status;
}
C
cat >CMakeLists.txt <<'C'
cmake_minimum_required(VERSION 3.16)
project(use C)
find_package(fovea 0.1 REQUIRED COMPONENTS fovea)
add_executable(use use.c)
target_link_libraries(use PRIVATE fovea::fovea)
C
