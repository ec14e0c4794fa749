#!/usr/bin/env bash
# What is installed is divided into packages, by the tags of Meson.
# Usage: parts.sh ROOT BUILD
. "$(dirname "$0")/lib.sh"
DESTDIR=$work/all try 'install all' meson install -C "$build" --no-rebuild --quiet || ends
(cd all && find . ! -type d | sort) >all.list
for tag in runtime devel man doc; do
    DESTDIR=$work/$tag try "install $tag" meson install -C "$build" --no-rebuild --quiet --tags $tag
    (cd "$tag" && find . ! -type d | sort) >$tag.list
    try "$tag has files" test -s $tag.list
done
sort runtime.list devel.list man.list doc.list >sum.list
try 'each file is in one part' diff sum.list all.list
version=$(sed -n "s/.*version: '\([0-9.]*\)', license.*/\1/p" "$root/meson.build")
for library in libfovea libfovea-run; do
    file=$(find runtime -name "$library.so.$version")
    try "$library: the file is part of the run time" test -n "$file" || continue
    try "$library: the soname" prints "SONAME.*\[$library\.so\.0\]" readelf -d "$file"
    try "$library: the soname is a link" test "$(readlink "$(dirname "$file")/$library.so.0")" = "$library.so.$version"
    try "$library: the link of the linker is for development" test -L "$(dirname "${file/runtime/devel}")/$library.so"
    try "$library: not of the run time" test ! -e "$(dirname "$file")/$library.so"
    try "$library: pkg-config" prints "^Version: $version$" cat "$(find devel -name "${library#lib}.pc")"
done
try 'headers' prints 'fovea.h' find devel -name 'fovea*.h*'
try 'the command' prints "^fovea $version" env LD_LIBRARY_PATH="$(dirname "$file")" "$(find "$work/runtime" -name fovea -path '*/bin/*')" --version
for file in share/doc/fovea/LICENSE share/doc/fovea/README.md share/doc/fovea/docs/building.md share/doc/fovea/examples/dates/dates.c; do
    try "a document: $file" prints . grep "/$file$" doc.list
done
try 'declarations for editors' prints . grep '/share/fovea/stubs/fv.lua$' devel.list
ends
