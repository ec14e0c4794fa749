#!/usr/bin/env python3
"""Trains a small transformer that reads dates as people write them, and exports it as dates.onnx.

    python3 train.py [-v]       trains, prints what it measured, writes dates.onnx and test/

Needs PyTorch and the onnx package (python3-torch and python3-onnx on Debian). The data is made up
here, from a fixed seed: a spelling is drawn for a date of the years 1900 to 2099, beside it much
that is no date. One date in ten is kept back in all its spellings; accuracy is measured on those,
and -v prints what was misread.

An encoder of two layers runs over the characters. Ten learned queries, one for each character of
"1979-05-03", then look at what it has found: twice cross-attention and a feed-forward layer.
"""

import calendar
import datetime
import math
import os
import random
import sys
import time

os.environ["OPENBLAS_NUM_THREADS"] = "1"        # the matrices are small: more threads are slower
import numpy as np
import onnx
from onnx import numpy_helper
import torch
from torch import nn

HERE = os.path.dirname(os.path.abspath(__file__))
LENGTH = 40                 # characters of input, padded with 0
SYMBOLS = "0123456789-"
UNKNOWN = 127               # stands for every byte that is not printable ASCII
PIVOT = 69                  # two-digit years: 69..99 are 19xx, 00..68 are 20xx, as POSIX has it
CERTAIN = 0.9               # a mean probability below this means: no date

SEED = 1979
STEPS = int(os.environ.get("STEPS", 6000))
BATCH = 256
RATE = 3e-3
NEGATIVES = 0.3             # share of the training data that is no date
LEAP_DAYS = 0.06            # share that is made from a 29 February


# ---- spellings ----------------------------------------------------------------------------------

MONTHS = list(calendar.month_name)[1:]
DAYS = list(calendar.day_name)
SHORT_DAYS = ["Mon", "Tue", "Tues", "Wed", "Thu", "Thur", "Thurs", "Fri", "Sat", "Sun"]
WORDS = """hello world today tomorrow yesterday never soon yes no maybe date day month year week
    noon the and of at on to by summer winter spring autumn easter monday morning evening price
    page room version total invoice phone call me later ok test null none unknown foo bar spam
    eggs""".split()


def ordinal(d):
    return f"{d}{'th' if 11 <= d <= 13 else {1: 'st', 2: 'nd', 3: 'rd'}.get(d % 10, 'th')}"


def month_name(r, m):
    full = MONTHS[m - 1]
    short = "Sept" if m == 9 and r.random() < 0.5 else full[:3]
    return r.choices([full, short, short + "."], [5, 4, 1])[0]


def number(r, n):
    """A day or a month: 3 or 03."""
    return f"{n:02d}" if r.random() < 0.5 else str(n)


def year_number(r, y, apostrophe):
    """1979, and 79 or '79 where that means the same."""
    if not 1900 + PIVOT <= y < 2000 + PIVOT or r.random() < 0.55:
        return str(y)
    return ("'" if apostrophe and r.random() < 0.5 else "") + f"{y % 100:02d}"


def day_word(r, d):
    return r.choice([str(d), str(d), f"{d:02d}", ordinal(d), ordinal(d), f"{d}."])


def day_month_year(r, y, m, d):             # 3 May 1979, 3rd of May '79, 3-May-1979, 03MAY1979
    style = r.random()
    if style < 0.15:
        return "-".join([number(r, d), month_name(r, m).rstrip("."), year_number(r, y, False)])
    if style < 0.2:
        return f"{number(r, d)}{MONTHS[m - 1][:3]}{y}"
    if style < 0.5:
        day = r.choice(["", "", "the "]) + ordinal(d) + " of"
    else:
        day = day_word(r, d)
    return f"{day} {month_name(r, m)}{r.choice(['', '', ','])} {year_number(r, y, True)}"


def month_day_year(r, y, m, d):             # May 3, 1979, may 3rd '79
    day = r.choice([str(d), str(d), f"{d:02d}", ordinal(d), ordinal(d)])
    return f"{month_name(r, m)} {day}{r.choice(['', ',', ','])} {year_number(r, y, True)}"


def year_month_day(r, y, m, d):             # 1979 May 3
    return f"{y}{r.choice(['', '', ','])} {month_name(r, m)} {day_word(r, d).rstrip('.')}"


def slashes(r, y, m, d):                    # 05/03/79: the month first
    return "/".join([number(r, m), number(r, d), year_number(r, y, False)])


def dots(r, y, m, d):                       # 3.5.1979: the day first
    gap = r.choice([".", ".", ".", ". "])
    return gap.join([number(r, d), number(r, m), year_number(r, y, False)])


def iso(r, y, m, d):                        # 1979-05-03, 1979/5/3, 1979.05.03, 19790503
    style = r.random()
    if style < 0.5:
        return f"{y}-{m:02d}-{d:02d}"
    if style < 0.65:
        return f"{y}{m:02d}{d:02d}"
    return r.choice("-/.").join([str(y), number(r, m), number(r, d)])


FORMS = {day_month_year: 5, month_day_year: 5, slashes: 4, dots: 3, iso: 3, year_month_day: 1}


def with_weekday(r, text):
    """Any weekday, so that nothing is read from it."""
    day = r.choice([r.choice(DAYS), r.choice(SHORT_DAYS), r.choice(SHORT_DAYS) + "."])
    return day + r.choice([", ", ", ", " ", ","]) + text


def with_stray_spaces(r, text):
    out = []
    for c in text:
        if c in " ,/.-" and r.random() < 0.25:
            c = r.choice([c + " ", " " + c, " " + c + " "])
        out.append(c)
    text = "".join(out)
    if r.random() < 0.3:
        text = text.replace(", ", ",")
    return " " * r.choice([0, 0, 1, 2, 3]) + text + " " * r.choice([0, 0, 1, 2])


def with_case(r, text):
    style = r.random()
    if style < 0.5:
        return text
    if style < 0.75:
        return text.lower()
    if style < 0.9:
        return text.upper()
    return "".join(r.choice([c.lower(), c.upper()]) for c in text)


def spell(r, y, m, d, form=None):
    """One of the ways to write a date, in at most LENGTH characters."""
    while True:
        write = form or r.choices(list(FORMS), FORMS.values())[0]
        text = write(r, y, m, d)
        if r.random() < 0.25:
            text = with_weekday(r, text)
        if r.random() < 0.2:
            text = with_stray_spaces(r, text)
        text = with_case(r, text)
        if len(text) <= LENGTH:
            return text


# ---- what is no date ----------------------------------------------------------------------------

COMMON_YEARS = [y for y in range(1900, 2100) if not calendar.isleap(y)]


def nonsense(r, date):
    n = r.randrange(LENGTH + 1)
    style = r.random()
    if style < 0.1:
        return " " * r.randrange(8)
    if style < 0.3:
        return "".join(chr(r.randrange(1, 128)) for _ in range(n))
    if style < 0.5:
        return "".join(r.choice("0123456789/.- ") for _ in range(n // r.choice([1, 2, 4])))
    if style < 0.6:
        return "".join(r.choice("abcdefghijklmnopqrstuvwxyz ") for _ in range(n))
    if style < 0.7:
        return r.choice("/.-").join(r.choice(["99", "00", str(r.randrange(100))]) for _ in range(3))
    pool = WORDS + MONTHS + DAYS + [str(r.randrange(3000)), str(r.randrange(32))]
    return with_case(r, " ".join(r.choice(pool) for _ in range(r.randrange(1, 6))))


def day_that_is_not(r, date):               # 31 June, 29 February 1979, month 13, day 0
    y, m, d = date
    last = calendar.monthrange(y, m)[1]
    style = r.random()
    if style < 0.3:
        return spell(r, r.choice(COMMON_YEARS), 2, 29)
    if style < 0.5:
        return spell(r, y, m, r.choice([0, last + 1, r.randrange(last + 1, 100)]))
    if style < 0.65:
        m = r.choice([2, 4, 6, 9, 11])
        return spell(r, y, m, r.randrange(calendar.monthrange(y, m)[1] + 1, 32))
    form = r.choice([slashes, dots, iso])
    return spell(r, y, r.choice([0, r.randrange(13, 32), r.randrange(13, 100)]), d, form)


def year_that_is_not(r, date):              # outside 1900..2099, or of one, three or five digits
    y, m, d = date
    y = r.choice([r.randrange(1000, 1900), r.randrange(2100, 10000), r.randrange(1850, 1900),
                  r.randrange(2100, 2150), r.randrange(100, 1000), r.randrange(10000, 25000)])
    return spell(r, y, m, d, r.choice([day_month_year, month_day_year, slashes, dots]))


def part_of_a_date(r, date):                # May 1979, 3 May, 1979
    y, m, d = date
    name = month_name(r, m)
    text = r.choice([f"{name} {y}", f"{day_word(r, d)} {name}", f"{name} {day_word(r, d)}", str(y),
                     f"{d} {y}", f"{number(r, m)}/{number(r, d)}", f"{number(r, m)}/{y}",
                     f"{y}-{m:02d}", f"{number(r, d)}.{number(r, m)}.", f"{d}, {y}", name])
    return with_case(r, with_weekday(r, text) if r.random() < 0.3 else text)


def dashes_year_last(r, date):              # 05-03-1979: no telling which is the month
    y, m, d = date
    return "-".join([number(r, r.choice([m, d])), number(r, r.choice([m, d])),
                     str(r.choice([y, y, f"{y % 100:02d}"]))])


def other_month(r, date):                   # 3 Foo 1979
    y, m, d = date
    text = spell(r, y, m, d, r.choice([day_month_year, month_day_year]))
    word = "".join(r.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(r.randrange(1, 9)))
    word = r.choice([word, r.choice(WORDS)])
    low = text.lower()
    for name in [MONTHS[m - 1].lower(), "sept", MONTHS[m - 1][:3].lower()]:
        if name in low:
            at = low.index(name)
            return (text[:at] + word + text[at + len(name):])[:LENGTH]
    return text[:4]


def damaged(r, date):                       # a letter or digit overwritten, or a number too long
    text = spell(r, *date)
    places = [i for i, c in enumerate(text) if c.isalnum()]
    i = r.choice(places)
    if r.random() < 0.5:
        return text[:i] + r.choice("!#$%&*+:;<=>?@[]_{}|~\x7f\x01") + text[i + 1:]
    digits = [i for i in places if text[i].isdigit()]
    i = r.choice(digits)
    return (text[:i] + r.choice(["000", "123", "77777"]) + text[i:])[:LENGTH]


NO_DATES = {nonsense: 5, day_that_is_not: 6, year_that_is_not: 3, part_of_a_date: 3,
            dashes_year_last: 1, other_month: 3, damaged: 2}


def no_date(r, date):
    kind = r.choices(list(NO_DATES), NO_DATES.values())[0]
    while True:
        text = kind(r, date)[:LENGTH]
        if not could_be_a_date(text):
            return text


def could_be_a_date(text):
    """Digits drawn by chance can be a date; a sample that might be one is not called nonsense."""
    digits = text.strip()
    if len(digits) == 8 and digits.isdigit():
        return is_day(digits[:4], digits[4:6], digits[6:])
    for mark, order in (("/", "mdy"), (".", "dmy"), ("-", "ymd"), ("/", "ymd"), (".", "ymd")):
        parts = [p.strip() for p in text.split(mark)]
        if len(parts) == 3 and all(p.isdigit() for p in parts):
            named = dict(zip(order, parts))
            if is_day(named["y"], named["m"], named["d"]):
                return True
    return False


def is_day(y, m, d):
    if len(y) == 2:
        y = int(y) + (1900 if int(y) >= PIVOT else 2000)
    try:
        return 1900 <= datetime.date(int(y), int(m), int(d)).year <= 2099
    except (ValueError, OverflowError):
        return False


# ---- tensors ------------------------------------------------------------------------------------

def encode(texts):
    out = np.zeros((len(texts), LENGTH), np.int32)
    for row, text in zip(out, texts):
        row[:len(text)] = [ord(c) if 32 <= ord(c) < 127 else UNKNOWN for c in text]
    return torch.from_numpy(out)


def answer(date):
    return "%04d-%02d-%02d" % date


def targets(dates):
    """Wanted symbol for each position; -1 throughout for what is no date."""
    none = [-1] * 10
    return torch.tensor([[SYMBOLS.index(c) for c in answer(d)] if d else none for d in dates])


def all_dates(r):
    """Every day of 1900 to 2099, shuffled: (nine tenths to learn from, one tenth kept back)."""
    first = datetime.date(1900, 1, 1).toordinal()
    last = datetime.date(2099, 12, 31).toordinal()
    days = [datetime.date.fromordinal(n) for n in range(first, last + 1)]
    dates = [(t.year, t.month, t.day) for t in days]
    r.shuffle(dates)
    cut = len(dates) // 10
    return dates[cut:], dates[:cut]


def batches(r, dates):
    """Without end: (text, wanted). Texts of like length share a batch, cut to the longest. Leap
    days are drawn often: which years have one is the hardest thing to learn."""
    leap_days = [d for d in dates if d[1:] == (2, 29)]
    while True:
        samples = []
        for _ in range(16 * BATCH):
            date = r.choice(leap_days if r.random() < LEAP_DAYS else dates)
            is_date = r.random() >= NEGATIVES
            samples.append((spell(r, *date), date) if is_date else (no_date(r, date), None))
        samples.sort(key=lambda sample: len(sample[0]))
        parts = [samples[i:i + BATCH] for i in range(0, len(samples), BATCH)]
        r.shuffle(parts)
        for part in parts:
            texts, wanted = zip(*part)
            longest = max(1, len(texts[-1]))
            yield encode(texts)[:, :longest], targets(wanted)


# ---- the model ----------------------------------------------------------------------------------

WIDTH, HEADS, HIDDEN = 48, 3, 96
HEAD = WIDTH // HEADS


def heads_apart(x):                         # [batch, n, WIDTH] -> [batch, HEADS, n, HEAD]
    return x.reshape(x.shape[0], -1, HEADS, HEAD).transpose(1, 2)


def attend(q, k, v, is_padding, bias=None):
    """softmax(q k' / sqrt(HEAD) + bias) v; keys that are padding weigh nothing. Where all is
    padding the fill value, being finite, leaves the mean of v."""
    scores = q @ k.transpose(2, 3) / math.sqrt(HEAD)
    if bias is not None:
        scores = scores + bias
    weights = scores.masked_fill(is_padding, -10000.0).softmax(3)
    return (weights @ v).transpose(1, 2).reshape(v.shape[0], -1, WIDTH)


def mlp():
    return nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, HIDDEN), nn.GELU(),
                         nn.Linear(HIDDEN, WIDTH))


class EncoderLayer(nn.Module):
    """Self-attention among the characters, with a learned bias for each distance."""

    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)
        self.by_distance = nn.Parameter(torch.zeros(HEADS, 2 * LENGTH - 1))
        self.mlp = mlp()

    def forward(self, x, is_padding, distance):
        q, k, v = (heads_apart(t) for t in self.qkv(self.norm(x)).split(WIDTH, 2))
        x = x + self.out(attend(q, k, v, is_padding, self.by_distance[:, distance]))
        return x + self.mlp(x)


class ReaderLayer(nn.Module):
    """Cross-attention: ten queries look at the characters."""

    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.q = nn.Linear(WIDTH, WIDTH)
        self.kv = nn.Linear(WIDTH, 2 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)
        self.mlp = mlp()

    def forward(self, x, characters, is_padding):
        q = heads_apart(self.q(self.norm(x)))
        k, v = (heads_apart(t) for t in self.kv(characters).split(WIDTH, 2))
        x = x + self.out(attend(q, k, v, is_padding))
        return x + self.mlp(x)


class Dates(nn.Module):
    """text [batch, n] of characters, n at most LENGTH -> scores [batch, 10, len(SYMBOLS)]."""

    def __init__(self):
        super().__init__()
        self.character = nn.Embedding(128, WIDTH)
        self.position = nn.Parameter(0.1 * torch.randn(LENGTH, WIDTH))
        at = torch.arange(LENGTH)
        self.register_buffer("distance", at[None, :] - at[:, None] + LENGTH - 1)
        self.encoder = nn.ModuleList(EncoderLayer() for _ in range(2))
        self.characters_norm = nn.LayerNorm(WIDTH)
        self.queries = nn.Parameter(torch.randn(1, 10, WIDTH))
        self.reader = nn.ModuleList(ReaderLayer() for _ in range(2))
        self.norm = nn.LayerNorm(WIDTH)
        self.symbols = nn.Linear(WIDTH, len(SYMBOLS))

    def forward(self, text):
        text = text.masked_fill(text < 0, UNKNOWN).masked_fill(text > UNKNOWN, UNKNOWN)
        is_padding = (text == 0)[:, None, None, :]
        n = text.shape[1]
        x = self.character(text) + self.position[:n]
        for layer in self.encoder:
            x = layer(x, is_padding, self.distance[:n, :n])
        characters = self.characters_norm(x)
        y = self.queries
        for layer in self.reader:
            y = layer(y, characters, is_padding)
        return self.symbols(self.norm(y))


class Probabilities(nn.Module):
    """What is exported: the model with a softmax over the symbols."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, text):
        return self.model(text).softmax(2)


# ---- training and measuring ---------------------------------------------------------------------

def loss_of(scores, wanted):
    """Cross entropy; what is no date should give every symbol the same probability."""
    logs = scores.log_softmax(2)
    right = -logs.gather(2, wanted.clamp(min=0)[:, :, None]).squeeze(2)
    return torch.where(wanted >= 0, right, -logs.mean(2)).mean()


def train(model, r, dates):
    decay = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() <= 1]
    optimizer = torch.optim.AdamW([{"params": decay, "weight_decay": 0.01},
                                   {"params": others, "weight_decay": 0.0}], lr=RATE,
                                  betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, STEPS, pct_start=0.1,
                                                   cycle_momentum=False)
    start, total = time.time(), 0.0
    for step, (text, wanted) in zip(range(1, STEPS + 1), batches(r, dates)):
        loss = loss_of(model(text), wanted)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        total += loss.item()
        if step % 250 == 0:
            seconds = time.time() - start
            print(f"step {step:5d}  loss {total / 250:.4f}  {seconds:.0f} s", flush=True)
            total = 0.0


def read(model, texts):
    """For each text: (what the model reads, mean probability of the ten symbols)."""
    out = []
    with torch.no_grad():
        for i in range(0, len(texts), 512):
            best, symbol = model(encode(texts[i:i + 512])).max(2)
            for p, s in zip(best.mean(1).tolist(), symbol.tolist()):
                out.append(("".join(SYMBOLS[k] for k in s), p))
    return out


def measure(model, r, dates):
    """Each date kept back, in four random spellings."""
    dates = dates * 4
    texts = [spell(r, *d) for d in dates]
    found = read(model, texts)
    right = [f[0] == answer(d) for f, d in zip(found, dates)]
    sure = [f[1] >= CERTAIN for f in found]
    n = len(dates)
    accepted_right = sum(a and b for a, b in zip(right, sure))
    accepted_wrong = sum(not a and b for a, b in zip(right, sure))
    print(f"dates never seen, {n} spellings: {100 * sum(right) / n:.2f} % right; "
          f"{100 * accepted_right / n:.2f} % right and accepted, "
          f"{100 * accepted_wrong / n:.2f} % wrong and accepted, "
          f"{100 * (n - sum(sure)) / n:.2f} % refused")
    for text, f, d, a, b in zip(texts, found, dates, right, sure):
        if not (a and b) and "-v" in sys.argv:
            print(f"  {text!r}: {answer(d)} read as {f[0]} ({f[1]:.2f})")
    for form in FORMS:
        found = read(model, [spell(r, *d, form) for d in dates[:n // 4]])
        good = sum(f[0] == answer(d) and f[1] >= CERTAIN for f, d in zip(found, dates))
        print(f"  {form.__name__:16s} {100 * good / (n // 4):6.2f} % right and accepted")
    leap_days = [d for d in dates if d[1:] == (2, 29)] * 50
    found = read(model, [spell(r, *d) for d in leap_days])
    good = sum(f[0] == answer(d) and f[1] >= CERTAIN for f, d in zip(found, leap_days))
    print(f"  29 February      {100 * good / len(leap_days):6.2f} % right and accepted")


def measure_no_dates(model, r, dates):
    print("no dates, refused:")
    found = read(model, [spell(r, y, 2, 29) for y in COMMON_YEARS * 10])
    refused = sum(f[1] < CERTAIN for f in found)
    print(f"  29 February      {100 * refused / len(found):6.2f} %")
    for kind in NO_DATES:
        texts = []
        while len(texts) < 2000:
            text = kind(r, r.choice(dates))[:LENGTH]
            if not could_be_a_date(text):
                texts.append(text)
        found = read(model, texts)
        refused = sum(f[1] < CERTAIN for f in found)
        print(f"  {kind.__name__:16s} {100 * refused / 2000:6.2f} %")
        if "-v" in sys.argv:
            for t, f in [(t, f) for t, f in zip(texts, found) if f[1] >= CERTAIN][:10]:
                print(f"    {t!r} read as {f[0]} ({f[1]:.2f})")


EXAMPLES = ["3 May 1979", "05/03/79", "Thursday, May 3rd 1979", "1979-05-03", "3.5.1979",
            "May 3, 1979", "3rd of May 1979", "Sept 3 '79", "THE 3RD OF MAY, 1979",
            "  3   may  79 ", "29 February 2000", "29 February 1979", "31/12/1999", "12/31/1999",
            "31 June 1980", "hello", "", "99/99/99", "May 1979", "3 May", "3 May 1879", "03-05-1979",
            "May"]
TEST_SETS = ["Thursday, May 3rd 1979", "05/03/79", "hello"]


# ---- export -------------------------------------------------------------------------------------

def export(model, path):
    text = encode(["3 May 1979"])
    torch.onnx.export(model, (text,), path, opset_version=14, input_names=["text"],
                      output_names=["probs"], do_constant_folding=True)
    onnx_model = onnx.load(path)
    onnx.checker.check_model(onnx_model, full_check=True)
    ops = {}
    for node in onnx_model.graph.node:
        ops[node.op_type] = ops.get(node.op_type, 0) + 1
    print(f"{os.path.basename(path)}: {os.path.getsize(path)} bytes, "
          f"{len(onnx_model.graph.node)} nodes:",
          " ".join(f"{op} {n}" for op, n in sorted(ops.items())))


def save_tensor(array, name, path):
    with open(path, "wb") as f:
        f.write(numpy_helper.from_array(array, name).SerializeToString())


def write_test_sets(model):
    """The layout of ONNX's backend tests; the model beside them is dates.onnx itself."""
    for i, text in enumerate(TEST_SETS):
        folder = os.path.join(HERE, "test", f"test_data_set_{i}")
        os.makedirs(folder, exist_ok=True)
        x = encode([text])
        with torch.no_grad():
            y = model(x)
        save_tensor(x.numpy(), "text", os.path.join(folder, "input_0.pb"))
        save_tensor(y.numpy(), "probs", os.path.join(folder, "output_0.pb"))


def main():
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    r = random.Random(SEED)
    seen, kept_back = all_dates(r)
    model = Dates()
    print(f"{sum(p.numel() for p in model.parameters())} parameters, "
          f"{len(seen)} dates to learn from, {len(kept_back)} kept back")
    train(model, r, seen)

    model = Probabilities(model).eval()
    measure(model, r, kept_back)
    measure_no_dates(model, r, kept_back)
    for text, (date, p) in zip(EXAMPLES, read(model, EXAMPLES)):
        print(f"  {text!r:26} {date if p >= CERTAIN else '?':12} {p:.3f}")
    export(model, os.path.join(HERE, "dates.onnx"))
    write_test_sets(model)


if __name__ == "__main__":
    main()
