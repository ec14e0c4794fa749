"""Does `inspect --why` tell of a model what it promises? Usage: reasons.py FOVEA WHY.DEF TARGET MODEL...

Of each kernel there are decisions; each has the name, step, verdict and condition of one of the table, and its sentence with
what stands there filled in. The text says the same as the document of --json. What a report names is found when --why asks for
it: so many names of each model as FOVEA_WHY_NAMES says, 0 all, which takes a while. Ends with `N passed, N failed`."""
import concurrent.futures
import json
import os
import re
import subprocess
import sys
import zlib

STRING = r'"(?:[^"\\]|\\.)*"'
ENTRY = re.compile(r"^WHY\((\w+),\s*(%s),\s*(TAKEN|DECLINED),\s*((?:%s\s*)+),\s*((?:%s\s*)+)\)" % (STRING, STRING, STRING), re.M)


class Fault(Exception):
    pass


def hold(condition, *what):
    if not condition:
        raise Fault(" ".join(str(w) for w in what))


def joined(strings):
    return "".join(json.loads(s) for s in re.findall(STRING, strings))


def read_table(path):
    with open(path) as f:  # of which a part may be in another file
        text = re.sub(r'^#include "(.*)"', lambda m: open(m.group(1)).read(), f.read(), flags=re.M)
    found = ENTRY.findall(text)
    hold(len(found) == len(re.findall(r"^WHY\(", text, re.M)), "a line of", path, "cannot be read")
    return {name: (joined(step), verdict == "TAKEN", joined(sentence), joined(condition))
            for name, step, verdict, sentence, condition in found}


class Model:
    def __init__(self, fovea, target, path):
        self.command = [fovea, "inspect", path, "--target=" + target]

    def inspect(self, *options):
        done = subprocess.run(self.command + list(options), text=True, errors="surrogateescape", stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300)
        return done.returncode, done.stdout, done.stderr

    def document(self, *options):
        status, out, err = self.inspect("--json", *options)
        hold(status == 0, "status", status, "of", *options, err.strip())
        return json.loads(out)


# ---- decisions ----

def check_decision(table, about, d):
    hold(d["code"] in table, about, "has a reason that is not in the table:", d["code"])
    step, taken, sentence, condition = table[d["code"]]
    hold((d["step"], d["taken"], d["condition"]) == (step, taken, condition), about, d["code"], "is not as in the table")
    names = re.findall(r"\{(\w+)\}", sentence)
    hold(list(d["values"]) == names, about, d["code"], "has values", list(d["values"]), "for", names)
    parts = re.split(r"\{\w+\}", sentence)
    says = re.escape(parts[0])
    for name, part in zip(names, parts[1:]):  # of names the text has quotes, and dots where a kernel is of several nodes
        value = "very many" if d["values"][name] is None else str(d["values"][name])
        hold(value, about, d["code"], "has nothing for", name)
        says += "(?:'%s'(?: \\.\\.)?|%s)%s" % (re.escape(value), re.escape(value), re.escape(part))
    hold(re.fullmatch(says, d["says"]), about, d["code"], "says", repr(d["says"]), "for", repr(sentence), d["values"])


def check_document(table, doc):
    kernels = {k["kernel"]: k["launches"] for k in doc["schedules"]}
    shares = {}
    hold({v["kernel"] for v in doc["why"]} == set(kernels), "kernels with decisions are others than those of the schedules")
    for v in doc["why"]:
        hold(v["decisions"], v["value"], "has no decisions")
        hold(v["launches"] == kernels[v["kernel"]], v["kernel"], "has", v["launches"], "launches")
        shares[v["kernel"]] = v["share"]
        for d in v["decisions"]:
            check_decision(table, v["value"], d)
    known = [s for s in shares.values() if s is not None]
    hold(not known or sum(known) < 1.001, "kernels take", sum(known), "of the time")
    hold(len(known) < len(shares) or not known or sum(known) > 0.999, "kernels take", sum(known), "of the time")


def text_of(doc):
    """The lines of `--why -v`; heads as what they have to match."""
    lines = []
    for v in doc["why"]:
        time = "; %d launch%s, " % (v["launches"], "" if v["launches"] == 1 else "es")
        time += "whose cost data decides" if v["share"] is None else "%.3g %% of the estimated time" % (100 * v["share"])
        brief = v["schedule"].split(" ")[0]
        lines += ["", re.compile(re.escape(v["value"]) + ":(?: of .*,)? kernel " + re.escape(v["kernel"]) + ", " +
                                 re.escape(brief) + "[^;]*" + re.escape(time) + "$")]
        for d in v["decisions"]:
            lines.append("  %-9s %-4s %s" % (d["step"], "yes" if d["taken"] else "no", d["says"]))
            lines.append("  %-9s %-4s   %s: %s" % ("", "", d["code"], d["condition"]))
    return lines


def check_text(doc, out):
    expected, lines = text_of(doc), out.split("\n")[:-1]
    lines = lines[lines.index(""):]
    for want, line in zip(expected, lines):
        hold(want.match(line) if isinstance(want, re.Pattern) else want == line, "the text has", repr(line), "for", want)
    hold(len(expected) == len(lines), "the text has", len(lines), "lines, of", len(expected))


# ---- names ----

def names_of(table, doc):
    """Values, nodes and kernels that the report names, with a number that is as good as random, and always the same."""
    names = set()
    for v in doc["why"]:
        names.update([v["value"], v["kernel"], *v["nodes"]])
        for d in v["decisions"]:
            names.update(x for x in d["values"].values() if isinstance(x, str) and "'%s'" % x in d["says"])
    return sorted(names, key=lambda n: zlib.crc32(n.encode(errors="surrogateescape")))


def check_name(model, table, name):
    doc = model.document("--why=" + name)
    if "why_nothing" in doc:  # an input, or a constant
        hold(not doc["why"] and doc["why_nothing"].startswith(("a constant", "an input")), name + ":", doc["why_nothing"])
        return
    told = lambda v: [v["value"], v["kernel"], *v["nodes"], *(x for d in v["decisions"] for x in d["values"].values())]
    hold(any(name in told(v) for v in doc["why"]), "--why finds others for", name)  # memory of a kernel has no value of its own
    for v in doc["why"]:
        hold(v["decisions"], v["value"], "has no decisions for", name)
        hold(v["kernel"] or v["in"] is not None, v["value"], "is made nowhere")
        for d in v["decisions"]:
            check_decision(table, v["value"], d)


def check_model(model, table, most):
    status, out, err = model.inspect("--why", "-v")
    if status == 1 and "not in the catalogue" in err:
        return 0
    hold(status == 0, "status", status, err.strip())
    doc = model.document("--why", "-v", "--schedules")
    check_document(table, doc)
    check_text(doc, out)
    names = names_of(table, doc)
    for name in names[:most] if most else names:
        check_name(model, table, name)
    return 1


def main():
    fovea, table, target, models = sys.argv[1], read_table(sys.argv[2]), sys.argv[3], sys.argv[4:]
    most = int(os.environ.get("FOVEA_WHY_NAMES", "2"))
    passed = failed = 0

    def run(path):
        try:
            return check_model(Model(fovea, target, path), table, most)
        except (Fault, KeyError, ValueError, subprocess.TimeoutExpired) as e:
            return "%s: %s" % (path, e if isinstance(e, Fault) else repr(e))

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for answer in pool.map(run, models):
            if isinstance(answer, int):
                passed += answer
            else:
                failed += 1
                print("FAILED", answer)
    print("%d passed, %d failed" % (passed, failed))
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
