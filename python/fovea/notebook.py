"""What a notebook shows of a session and of the reports of the command: tables and bars, as HTML
without scripts. A report is a dict; only how it is shown is added here."""
import math
from typing import Any, Dict, Iterable, List, Optional, Sequence

_ROWS = 50  # of a table; the others are counted in its last line
_CELL = 'style="text-align: left; padding: 0.1em 0.8em"'


class Markup(str):
    """A text that is HTML already."""


def _escaped(value: Any) -> str:
    import html

    return value if isinstance(value, Markup) else html.escape(str(value))


def bar(fraction: float) -> Markup:
    """A bar of this part, 0 to 1, of the width of its cell."""
    width = 100 * min(max(fraction, 0.0), 1.0) if math.isfinite(fraction) else 100.0
    return Markup('<div style="width: 12em"><div style="width: %.1f%%; height: 0.8em; background: #4878a8"></div></div>' % width)


def table(title: str, heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table of at most _ROWS rows; cells are texts, numbers or bars."""
    found = list(rows)
    lines = ["<table><caption>%s</caption>" % _escaped(title)]
    lines += ["<thead><tr>%s</tr></thead>" % "".join("<th %s>%s</th>" % (_CELL, _escaped(h)) for h in heads), "<tbody>"]
    for row in found[:_ROWS]:
        lines.append("<tr>%s</tr>" % "".join("<td %s>%s</td>" % (_CELL, _escaped(cell)) for cell in row))
    if len(found) > _ROWS:
        lines.append('<tr><td %s colspan="%d">and %d more</td></tr>' % (_CELL, len(heads), len(found) - _ROWS))
    return "\n".join(lines + ["</tbody></table>"])


def _bytes(n: Any) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n >= size:
            return "%.3g %s" % (n / size, unit)
    return "%d bytes" % n


def _number(x: Optional[float]) -> str:
    return "" if x is None else "%.3g" % x


def _ports(ports: List[Dict[str, Any]]) -> str:
    return ", ".join("%s: %s[%s]" % (p["name"], p["type"], ", ".join(str(d) for d in p["dims"])) for p in ports)


class Inspection(Dict[str, Any]):
    """What `fovea inspect --json` prints, as a dict."""

    def _facts(self) -> List[Sequence[Any]]:
        memory, schedules = self.get("memory") or {}, self.get("schedules") or []
        facts: List[Sequence[Any]] = [("inputs", _ports(self.get("inputs") or [])),
                                      ("outputs", _ports(self.get("outputs") or [])),
                                      ("kernels", "%d, %d launches" % (len(schedules), sum(s["launches"] for s in schedules)))]
        facts += [(name, _bytes(memory[name + "_bytes"])) for name in ("weights", "workspace") if name + "_bytes" in memory]
        if self.get("softmax_total"):
            facts.append(("attentions", "%d of %d softmaxes fused" % (self["softmax_fused"], self["softmax_total"])))
        return facts + [("target", self.get("target", ""))]

    def _repr_html_(self) -> str:
        shown = table(self.get("model", "model"), ("", ""), self._facts())
        ops = self.get("ops") or []  # a compiled library does not say
        most = max([o["model"] for o in ops], default=0) or 1
        if ops:
            shown += table("operators", ("operator", "in the model", "after the passes", ""),
                           ((o["operator"], o["model"], o["after_passes"], bar(o["model"] / most)) for o in ops))
        return shown


class Differences(Dict[str, Any]):
    """What `fovea diff --json` prints, as a dict."""

    def _repr_html_(self) -> str:
        def error(v: Dict[str, Any]) -> float:
            return math.inf if v["differs"] and v.get("absolute") is None else v.get("absolute") or 0.0

        def part(x: float) -> float:  # on a scale of logarithms from 1e-10 to 100
            return (math.log10(x) + 10) / 12 if 0 < x < math.inf else float(x > 0)

        values = sorted(self.get("values") or [], key=lambda v: (not v["differs"], -error(v)))
        title = "A: %s; B: %s: %d values compared, %d differ" % (self["a"], self["b"], self["compared"], self["differing"])
        return table(title, ("value", "operator", "differs", "greatest error", "relative", ""),
                     ((v["name"], v["op"], "yes" if v["differs"] else "no", _number(v.get("absolute")),
                       _number(v.get("relative")), bar(part(error(v)))) for v in values))


class Quantization(Dict[str, Any]):
    """What `fovea quantize --json` prints, as a dict."""

    def _repr_html_(self) -> str:
        title = "%s: %s of weights, %s before" % (self["model"], _bytes(self["bytes"]), _bytes(self["bytes_before"]))
        if self.get("error") is not None:
            title += "; error of the outputs %s" % _number(self["error"])
        layers = self.get("layers") or []
        worst = max([x["error"] or 0.0 for x in layers] or [0.0]) or 1.0
        return table(title, ("layer", "weight", "type", "bytes before", "bytes", "error", ""),
                     ((x["layer"], x["weight"], x["type"], x["bytes_before"], x["bytes"], _number(x["error"]),
                       bar((x["error"] or 0.0) / worst)) for x in layers))


def of_session(name: str, target: str, inputs: Sequence[Any], outputs: Sequence[Any], states: Sequence[Any]) -> str:
    """The table of a session."""
    rows = [(kind, v.name, v.type, "[%s]" % ", ".join(str(d) for d in v.shape))
            for kind, values in (("input", inputs), ("state", states), ("output", outputs)) for v in values]
    return table("%s, for %s" % (name, target), ("", "name", "type", "shape"), rows)
