#!/usr/bin/env python3
"""intrinsics.py FOLDER: writes FOLDER/immintrin.h, with the intrinsics alone that generated C calls.

Tests compile thousands of small C programs for x86, and the immintrin.h of gcc 12 takes three quarters of the
time of such a compilation. The short one has the compiler's own definitions as macros, so that each function
that calls one brings the instruction sets that it needs. Compilers and targets that it is not made for read the
whole header. Set CPATH to FOLDER to use it."""
import itertools
import re
import subprocess
import sys

WIDTHS = ["", "256", "512"]
FLOATS = ["add", "fmadd", "max", "min", "sqrt", "round", "roundscale", "blendv", "maskload", "maskstore",
          "mask_loadu", "mask_storeu", "scalef", "set"]
INTEGERS = ["add", "max", "min", "madd", "maddubs", "maskload", "maskstore", "mask_loadu", "mask_storeu", "set1",
            "dpbusd", "dpbusd_avx", "dpwssd", "dpwssd_avx", "shuffle"]
ELEMENTS = ["ep%s%d" % e for e in itertools.product("iu", (8, 16, 32, 64))]
OTHERS = ["cvtsi128_si64", "cvtsi64_si128", "cvtss_f32", "cvtsd_f64", "cvtph_ps", "cvtps_ph", "dpbf16_ps",
          "movepi32_mask", "movepi64_mask", "set1_epi64x", "cvtsi128_si32", "permutevar8x32_epi32",
          "permute4x64_epi64", "castsi256_si128", "cvtepi32_epi8", "cvtepi32_epi16", "cvtepi16_epi8"]
MARCH = "-march=sapphirerapids"


def names():
    """Those that backend/c and ir/expr/instruction.def may write; of some of them there is no intrinsic."""
    for width in WIDTHS:
        for op, kind in itertools.product(FLOATS, ("ps", "pd", "ss", "sd")):
            yield "_mm%s_%s_%s" % (width, op, kind)
        for op, kind in itertools.product(INTEGERS, ELEMENTS):
            yield "_mm%s_%s_%s" % (width, op, kind)
        for kind, to in itertools.product(("ps", "pd"), ELEMENTS):
            yield "_mm%s_cvtt%s_%s" % (width, kind, to)
        for op in OTHERS:
            yield "_mm%s_%s" % (width, op)
    yield from ("_cvtsh_ss", "_cvtss_sh")


def macro(name, parameters, body):
    """A definition with the values of its parameters in place of their names."""
    known = [re.fullmatch(r"\s*(.*?)\s*(\w+)\s*", p).groups() for p in parameters.split(",") if p.strip() != "void"]
    for kind, parameter in known:
        value = "(%s)" % parameter if kind.startswith("const int") or kind == "int" else "((%s) (%s))" % (kind, parameter)
        body = re.sub(r"\b%s\b" % parameter, lambda _, v=value: v, body)
    body = " ".join(re.sub(r"\breturn\b", "", body).split())
    simple = body.count(";") == 1 and not body.startswith("*")
    text = "(%s)" % body.rstrip("; ") if simple else "__extension__ ({ %s })" % body
    return "#define %s(%s) %s\n" % (name, ", ".join(p for _, p in known), text)


def preprocessed(compiler, option):
    """What the compiler's preprocessor prints of the whole header."""
    return subprocess.run([compiler, "-E", option, "-O2", MARCH, "-xc", "-"], input="#include <immintrin.h>\n",
                          stdout=subprocess.PIPE, check=True, text=True).stdout


def short(compiler):
    """The text of the header."""
    whole = preprocessed(compiler, "-P")
    macros = {m[1]: m[0] for m in re.finditer(r"^#define (_mm\w+)\(.*\n", preprocessed(compiler, "-dM"), re.M)}
    defined = {m[2]: (m[3], m[4]) for m in re.finditer(
        r"extern __inline\s+([\w *]+?)\s*__attribute__\s*\(\(__gnu_inline__[^)]*\)\)\s*(\w+)\s*\(([^)]*)\)\s*\{(.*?)\n\}", whole, re.S)}
    wanted = [n for n in names() if n in defined]
    for name in wanted:  # those that they call, in the end
        wanted += [n for n in re.findall(r"\b_mm\w+", defined[name][1]) if n in defined and n not in wanted]
    texts = [macro(n, *defined[n]) for n in wanted] + [macros[n] for n in names() if n in macros and n not in defined]
    types = re.findall(r"^typedef[^;{]*__(?:vector_size__|mmask)[^;]*;|^typedef \w[\w ]* __mmask\d+;", whole, re.M)
    version = subprocess.run([compiler, "-dumpversion"], stdout=subprocess.PIPE, check=True, text=True).stdout.strip()
    return ("/* Made by tests/scripts/intrinsics.py from the immintrin.h of gcc %s. */\n"
            "#pragma GCC system_header\n#if defined __clang__ || !defined __linux__ || !defined __x86_64__ || __GNUC__ != %s || defined __AMX_TILE__\n"
            "#include_next <immintrin.h>\n#elif !defined FV_SHORT_IMMINTRIN\n#define FV_SHORT_IMMINTRIN\n"
            "%s\n#define _MM_FROUND_TO_NEAREST_INT 0\n#define _MM_FROUND_TO_NEG_INF 1\n"
            "#define _MM_FROUND_TO_POS_INF 2\n#define _MM_FROUND_TO_ZERO 3\n#define _MM_FROUND_NO_EXC 8\n%s#endif\n"
            % (version, version.split(".")[0], "\n".join(types), "".join(texts)))


def main(folder):
    text = short("gcc")  # before the file is there: an empty one would hide the whole header
    with open(folder + "/immintrin.h", "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    main(sys.argv[1])
