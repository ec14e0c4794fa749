#!/usr/bin/env bash
# Each optional dependency installed in part: what names it to Meson is there, and its header is not, or its library. It is then not
# used, and an option that demands it says so. Each case configures, and compiles nothing.
# Usage: partly.sh ROOT BUILD
# shellcheck disable=SC2317 # try calls the functions
. "$(dirname "$0")/lib.sh"
sources s
mkdir pc tools empty
# half PACKAGE VERSION: a file of pkg-config without a header and a library
half() { printf 'Name: %s\nDescription: half\nVersion: %s\nLibs: -lno-such-%s\nCflags: -I%s/empty -nostdinc\n' "$1" "$2" "$1" "$work" >"pc/$1.pc"; }
# configured OPTION...: a fresh configuration that finds the halves first
configured() {
    rm -rf s/build
    PKG_CONFIG_PATH=$work/pc PATH=$work/tools:$PATH meson setup s/build s -Dtests=disabled -Dllvm=disabled "$@" >configured 2>&1
}
# refused OPTION WORDS: with the option enabled there is no configuration, and the reason
refused() { ! configured "-D$1=enabled" && grep -q "$2" configured; }
# unused OPTION: without it there is one
unused() { configured "-D$1=auto" -Dlua=auto && grep -Eq "^ +$1 +: NO" configured; }
for case in libelf:libelf:0.190 images:libjpeg:2.1 images:libpng:1.6.40 images:libwebp:1.3 images:libwebpdemux:1.3 images:libtiff-4:4.6 \
    images:libopenjp2:2.5 lua:lua5.4:5.4.6 mpi:ompi-c:4.1; do
    IFS=: read -r option package version <<<"$case"
    half "$package" "$version"
    try "$package without a header is not used" unused "$option"
    try "-D$option=enabled says that $package is installed in part" refused "$option" 'installed in part'
    rm -f pc/*
done
half criterion 2.4.1
try 'criterion without a header is not used' configured -Dtests=auto
try '-Dtests=enabled says so' refused tests 'criterion is installed in part'
rm -f pc/*
# a llvm-config without headers, and one without libraries
real=$(command -v llvm-config-19 || command -v llvm-config)
if [ -n "$real" ]; then
    for lacks in --includedir --libfiles; do
        printf '#!/bin/sh\ncase "$*" in *%s*|*%s*) echo "%s/empty"; exit %d;; esac\nexec %s "$@"\n' "$lacks" \
            "$([ $lacks = --libfiles ] && echo --libs || echo --includedir)" "$work" "$([ $lacks = --libfiles ] && echo 1 || echo 0)" "$real" >tools/llvm-config-19
        chmod +x tools/llvm-config-19
        try "llvm-config without what $lacks names is not used" unused llvm
        try "-Dllvm=enabled says that LLVM is installed in part ($lacks)" refused llvm 'LLVM is installed in part'
    done
fi
ends
