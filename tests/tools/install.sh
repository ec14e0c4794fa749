# Tests what `meson install` installs: the command, both libraries, headers and pkg-config files, and programs that use
# them.
# Usage: SCRIPT FOVEA ROOT PROTOC BUILD
. "$(dirname "$0")/lib.sh"
build=$4
DESTDIR=$work/i meson install -C "$build" --no-rebuild --quiet >out 2>err && tell install yes || tell install no
pc=$(dirname "$(find i -name fovea.pc)")
export PKG_CONFIG_PATH=$work/$pc PKG_CONFIG_SYSROOT_DIR=$work/i
lib=$work/$(dirname "$pc") # beside pkgconfig/
export LD_LIBRARY_PATH=$lib
[ -e "$lib/libfovea.so.0" ] && [ -e "$lib/libfovea-run.so.0" ] && tell sonames yes || tell sonames no

man=$(dirname "$(find "$work/i" -name fovea.1)")
"$fovea" --manual | cmp - "$man/fovea.1" >out 2>err && tell 'the manual page of fovea' yes || tell 'the manual page of fovea' no
commands=$("$fovea" --help | sed -n '/^commands:/,/^$/s/^  \([a-z]*\) .*/\1/p')
for c in $commands; do
    "$fovea" --manual "$c" | cmp - "$man/fovea-$c.1" >out 2>err && tell "the manual page of fovea $c" yes || tell "the manual page of fovea $c" no
done
[ "$(ls "$man" | wc -l)" = $(($(echo "$commands" | wc -l) + 1)) ] && tell 'no other page' yes || tell 'no other page' no

for file in bash-completion/completions/fovea zsh/site-functions/_fovea fish/vendor_completions.d/fovea.fish fovea/stubs/fv.lua; do
    [ -s "$man/../../$file" ] && tell "$file" yes || tell "$file" no
done

# public: the names of exported symbols that other programs may use, of what nm -D prints
public() { awk '$2 != "A" && $3 !~ /@FOVEA_PRIVATE_/ {sub(/@.*/, "", $3); print $3}'; }
version=$("$fovea" --version | sed -n '1s/^fovea //p')
nm -D --defined-only "$lib/libfovea.so" | grep '@@FOVEA_PRIVATE_' >out
grep -vq "@@FOVEA_PRIVATE_$version\$" out && tell 'private symbols name the version' no || tell 'private symbols name the version' yes
command=$(find i -path '*/bin/fovea')
check 'the installed command finds libfovea' 0 "^fovea $version" env -u LD_LIBRARY_PATH "$command" --version
# the loader refuses the command with the library of another version
other=$(echo "$version" | sed 's/^./9/')
mkdir other && LC_ALL=C sed "s/FOVEA_PRIVATE_$version/FOVEA_PRIVATE_$other/g" "$lib/libfovea.so.0" >other/libfovea.so.0
check 'a library of another version' 1 "FOVEA_PRIVATE_$version. not found" env LD_LIBRARY_PATH="$work/other" "$command" --version
readelf -d "$command" >out
grep -q 'NEEDED.*libfovea.so.0' out && tell 'the command uses libfovea' yes || tell 'the command uses libfovea' no
strip -o command "$command"
bytes=$(stat -c %s command)
[ "$bytes" -lt 2000000 ] && tell "the command is small: $bytes" yes || tell "the command is small: $bytes" no

cp "$lib/libfovea-run.so" run.so && strip run.so
bytes=$(stat -L -c %s run.so)
[ "$bytes" -lt 100000 ] && tell "libfovea-run is small: $bytes" yes || tell "libfovea-run is small: $bytes" no
for l in libfovea libfovea-run; do
    # the API only, and for the command of the same version the rest of libfovea
    nm -D --defined-only "$lib/$l.so" | public | sort >out
    grep -o 'fv_[a-z_]*(' "$root/runtime/fovea.h" | tr -d '(' | sort -u >api
    comm -23 out api >err
    [ -s err ] && tell "$l exports no more than fovea.h" no || tell "$l exports no more than fovea.h" yes
done
grep -vx 'fv_\(compile\|generator\)[a-z_]*' api >run_api
nm -D --defined-only "$lib/libfovea.so" | public >out
[ -z "$(grep -vxFf out api)" ] && tell 'libfovea has all of it' yes || tell 'libfovea has all of it' no
nm -D --defined-only "$lib/libfovea-run.so" | public >out
[ -z "$(grep -vxFf out run_api)" ] && tell 'libfovea-run has its part' yes || tell 'libfovea-run has its part' no
readelf -d "$lib/libfovea-run.so" | grep NEEDED >out
grep -q LLVM out && tell 'no LLVM in libfovea-run' no || tell 'no LLVM in libfovea-run' yes

cat >use.c <<'T'
#include <fovea.h>
#include <stdio.h>
int main(int argc, char **argv) {
    fv_log *log = fv_log_new();
    fv_artifact *a = NULL;
#ifdef COMPILE
    fv_compile_options o = {0};
    o.size = sizeof o;
    o.backend = FV_BACKEND_INTERP;
    int status = fv_compile(argv[argc - 1], &o, log, &a);
#else
    int status = fv_load(argv[argc - 1], log, &a);
#endif
    float x[6] = {1, 2, 3, 4, 5, 6}, z[2] = {10, 20};
    fv_array in[2] = {{.type = 1, .rank = 2, .dims = {3, 2}, .data = x}, {.type = 1, .rank = 1, .dims = {2}, .data = z}}, out = {0};
    if (status == FV_OK)
        status = fv_artifact_run(a, in, &out, NULL, log);
    if (status == FV_OK)
        printf("%g %g of %lld\n", ((float *)out.data)[0], ((float *)out.data)[5], (long long)out.dims[0]);
    fputs(fv_log_text(log), stderr);
    fv_array_free(&out);
    fv_artifact_free(a);
    fv_log_free(log);
    return status;
}
T
cat >add.fvir <<'T'
fovea-ir 1
module "add"
symbol n 0..1000
func @main(%x: f32[n, 2], %z: f32[2]) -> (%y) {
  %y = Add(%x, %z) : f32[n, 2]
  return %y
}
T
flags='-Wall -Wextra -Wpedantic -Wconversion -Werror'
check 'build against libfovea' 0 '^$' sh -c "cc -std=c99 $flags -DCOMPILE use.c -o whole \$(pkg-config --cflags --libs fovea) && echo"
check 'build against libfovea-run' 0 '^$' sh -c "cc -std=c99 $flags use.c -o small \$(pkg-config --cflags --libs fovea-run) && echo"
if command -v c++ >/dev/null; then
    echo '#include <fovea.h>
int main() { return fv_status_name(FV_OK) == 0; }' >use.cc
    echo '#include <fovea.hpp>
int main() { fovea::artifact a; return a.try_load("none") != FV_BAD_FILE; }' >wrapped.cc
    check 'fovea.hpp' 0 '^$' sh -c "c++ -std=c++17 $flags wrapped.cc -o wrapped \$(pkg-config --cflags --libs fovea-run) && ./wrapped && echo"
    check 'headers in C++' 0 '^$' sh -c "c++ -std=c++11 $flags use.cc -o plus \$(pkg-config --cflags --libs fovea-run) && ./plus && echo"
fi
check 'compile and run' 0 '^11 26 of 3$' ./whole add.fvir
check 'a failure' 10 'none: error' ./whole none
if "$fovea" compile add.fvir -o add.so >out 2>err; then
    check 'load and run' 0 '^11 26 of 3$' ./small "$work/add.so"
fi
check 'nothing to load' 10 'none: error: cannot be loaded: No such file' ./small none
finish
