#!/usr/bin/env python3
"""Trains a small seq2seq that reads numbers spelled in English, and exports it as numbers.onnx.

    python3 train.py [-v]       trains, prints what it measured, writes numbers.onnx and test/

Needs PyTorch and the onnx package (python3-torch and python3-onnx on Debian). The data is made up
here, from a fixed seed: a spelling is drawn for a number of 0 to 999,999. One number in ten is kept
back in all its spellings; accuracy is measured on those, and -v prints what was misread.

An encoder reads the characters in both directions (GRU). A decoder (GRU) writes a digit at a time,
each after a look at the characters: Bahdanau's attention, v' tanh(W state + U character). What is
exported holds the greedy loop, which ends where the decoder says so: an ONNX Loop of as many turns.
"""

import os
import random
import sys
import time
from typing import List, Tuple

os.environ["OPENBLAS_NUM_THREADS"] = "1"        # the matrices are small: more threads are slower
import onnx
from onnx import numpy_helper
import torch
from torch import Tensor, nn
from torch.nn import functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
LARGEST = 999999
END, START = 10, 11         # symbols beside the ten digits
MOST_DIGITS = 6

SEED = 1234
STEPS = int(os.environ.get("STEPS", 4000))
BATCH = 128
RATE = 4e-3


# ---- spellings ----------------------------------------------------------------------------------

ONES = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
    sixteen seventeen eighteen nineteen""".split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()


def below_hundred(n, hyphen):
    if n < 20:
        return ONES[n]
    tens = TENS[n // 10 - 2]
    return tens + hyphen + ONES[n % 10] if n % 10 else tens


def below_thousand(n, style):
    if n < 100:
        return below_hundred(n, style["hyphen"])
    text = ("a" if n < 200 and style["a"] else ONES[n // 100]) + " hundred"
    return text + style["and"] + below_hundred(n % 100, style["hyphen"]) if n % 100 else text


def spell(r, n):
    """One of the ways to spell n: `twelve hundred`, `one thousand, two hundred`, `A THOUSAND TWO HUNDRED`."""
    style = {"hyphen": r.choice("--- "), "and": r.choice([" and ", " and ", " "]), "a": r.random() < 0.3,
             "comma": r.choice(["", "", ","])}
    thousands, rest = divmod(n, 1000)
    if 11 <= n // 100 <= 99 and n // 100 % 10 and r.random() < 0.3:       # twelve hundred and five
        text = below_hundred(n // 100, style["hyphen"]) + " hundred"
        if n % 100:
            text += style["and"] + below_hundred(n % 100, style["hyphen"])
    elif thousands:
        text = ("a" if thousands == 1 and style["a"] else below_thousand(thousands, dict(style, a=False))) + " thousand"
        if rest >= 100:
            text += style["comma"] + " " + below_thousand(rest, dict(style, a=False))
        elif rest:
            text += style["and"] + below_hundred(rest, style["hyphen"])
    else:
        text = below_thousand(n, style)
    case = r.random()
    return text.upper() if case < 0.1 else text.capitalize() if case < 0.25 else text


def draw(r):
    """A number of one to six digits, each length as likely as the others; shorter ones are fewer, so they come often."""
    digits = r.choice([1, 2, 3, 4, 5, 6, 6, 6])
    n = r.randrange(10 ** digits)
    if digits > 3 and r.random() < 0.3:         # zeros within: a thousand and five
        at = r.randrange(1, digits)
        n = n // 10 ** at * 10 ** at + r.randrange(10 ** r.randrange(at + 1))
    return min(n, LARGEST)


def is_kept_back(n):
    """One number in ten of more than two digits is never seen in training."""
    return n >= 100 and random.Random(n * 7919 + SEED).random() < 0.1


# ---- tensors ------------------------------------------------------------------------------------

def encode(text):
    return [ord(c) if ord(c) < 128 else 127 for c in text]


def batches(r):
    """Without end: (text i64[batch, n], wanted i64[batch, 7]). Texts of one length share a batch, so nothing is padded;
    what follows END in `wanted` is -1."""
    groups = {}
    while True:
        n = draw(r)
        if is_kept_back(n):
            continue
        text = spell(r, n)
        group = groups.setdefault(len(text), [])
        group.append((encode(text), [int(c) for c in str(n)] + [END]))
        if len(group) == BATCH:
            del groups[len(text)]
            wanted = [w + [-1] * (MOST_DIGITS + 1 - len(w)) for _, w in group]
            yield torch.tensor([t for t, _ in group]), torch.tensor(wanted)


# ---- the model ----------------------------------------------------------------------------------

WIDTH = 48


class Encoder(nn.Module):
    """text [batch, n] -> (what is at each character [batch, n, 2 WIDTH], the decoder's first state [1, batch, WIDTH])."""

    def __init__(self):
        super().__init__()
        self.character = nn.Embedding(128, 24)
        self.read = nn.GRU(24, WIDTH, batch_first=True, bidirectional=True)
        self.first = nn.Linear(2 * WIDTH, WIDTH)

    def forward(self, text: Tensor) -> Tuple[Tensor, Tensor]:
        at, last = self.read(self.character(text))
        return at, torch.tanh(self.first(torch.cat([last[0], last[1]], 1)))[None]


class Decoder(nn.Module):
    """One symbol: (symbol [batch], state [1, batch, WIDTH], characters, keys) -> (scores [batch, 11], state, weights [batch, n])."""

    def __init__(self):
        super().__init__()
        self.symbol = nn.Embedding(12, 16)
        self.query = nn.Linear(WIDTH, WIDTH)
        self.score = nn.Linear(WIDTH, 1, bias=False)
        self.step = nn.GRU(16 + 2 * WIDTH, WIDTH, batch_first=True)
        self.choose = nn.Linear(WIDTH + 2 * WIDTH, 11)

    def forward(self, symbol: Tensor, state: Tensor, characters: Tensor, keys: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
        scores = self.score(torch.tanh(self.query(state[0])[:, None, :] + keys)).squeeze(2)
        weights = scores.softmax(1)
        seen = torch.bmm(weights[:, None, :], characters)
        x, state = self.step(torch.cat([self.symbol(symbol)[:, None, :], seen], 2), state)
        return self.choose(torch.cat([x, seen], 2)).squeeze(1), state, weights


class Seq2seq(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = Encoder()
        self.keys = nn.Linear(2 * WIDTH, WIDTH)
        self.decoder = Decoder()

    def forward(self, text, wanted):
        """Scores [batch, 7, 11] where each symbol follows the one that is wanted before it."""
        characters, state = self.encoder(text)
        keys = self.keys(characters)
        symbol, out = torch.full_like(wanted[:, 0], START), []
        for i in range(wanted.shape[1]):
            scores, state, _ = self.decoder(symbol, state, characters, keys)
            out.append(scores)
            symbol = wanted[:, i].clamp(min=0)
        return torch.stack(out, 1)


class Greedy(nn.Module):
    """What is exported: text i32[n] -> (symbols i64[m], weights f32[m, n]): END is the last of the symbols."""

    def __init__(self, model):
        super().__init__()
        self.encoder = model.encoder
        self.keys = model.keys
        self.decoder = model.decoder

    def forward(self, text: Tensor) -> Tuple[Tensor, Tensor]:
        characters, state = self.encoder(text.long()[None])
        keys = self.keys(characters)
        symbol = torch.full([1], 11, dtype=torch.int64)     # START
        symbols = torch.jit.annotate(List[Tensor], [])
        looks = torch.jit.annotate(List[Tensor], [])
        for _ in range(7):                  # MOST_DIGITS, and END
            scores, state, weights = self.decoder(symbol, state, characters, keys)
            symbol = scores.argmax(1)
            symbols.append(symbol)
            looks.append(weights)
            if bool(symbol[0] == 10):       # END
                break
        return torch.cat(symbols), torch.cat(looks)


# ---- training and measuring ---------------------------------------------------------------------

def train(model, r):
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, STEPS, pct_start=0.1, cycle_momentum=False)
    start, total = time.time(), 0.0
    for step, (text, wanted) in zip(range(1, STEPS + 1), batches(r)):
        loss = F.cross_entropy(model(text, wanted).flatten(0, 1), wanted.flatten(), ignore_index=-1)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        total += loss.item()
        if step % 250 == 0:
            print(f"step {step:5d}  loss {total / 250:.4f}  {time.time() - start:.0f} s", flush=True)
            total = 0.0


def read(model, text):
    with torch.no_grad():
        symbols, _ = model(torch.tensor(encode(text), dtype=torch.int32))
    return "".join(str(d) for d in symbols.tolist() if d != END)


def measure(model, r):
    wrong = []
    numbers = [n for n in (draw(r) for _ in range(40000)) if is_kept_back(n)][:2000]
    for n in numbers:
        text = spell(r, n)
        found = read(model, text)
        if found != str(n):
            wrong.append((text, n, found))
    print(f"numbers never seen, a spelling each: {100 * (1 - len(wrong) / len(numbers)):.2f} % of {len(numbers)} right")
    if "-v" in sys.argv:
        for text, n, found in wrong:
            print(f"  {text!r}: {n} read as {found}")


TEST_SETS = ["two hundred and forty-seven thousand and twelve", "Twelve hundred", "seven"]


# ---- export -------------------------------------------------------------------------------------

def export(model, path):
    text = torch.tensor(encode(TEST_SETS[0]), dtype=torch.int32)
    torch.onnx.export(model, (text,), path, opset_version=14, input_names=["text"], output_names=["symbols", "weights"],
                      dynamic_axes={"text": {0: "n"}, "symbols": {0: "m"}, "weights": {0: "m", 1: "n"}})
    onnx_model = onnx.load(path)
    onnx.checker.check_model(onnx_model, full_check=True)
    print(f"{os.path.basename(path)}: {os.path.getsize(path)} bytes, {len(onnx_model.graph.node)} nodes:",
          " ".join(n.op_type for n in onnx_model.graph.node))


def save_tensor(array, name, path):
    with open(path, "wb") as f:
        f.write(numpy_helper.from_array(array, name).SerializeToString())


def write_test_sets(model):
    """The layout of ONNX's backend tests; the model beside them is numbers.onnx itself."""
    for i, text in enumerate(TEST_SETS):
        folder = os.path.join(HERE, "test", f"test_data_set_{i}")
        os.makedirs(folder, exist_ok=True)
        x = torch.tensor(encode(text), dtype=torch.int32)
        with torch.no_grad():
            symbols, weights = model(x)
        save_tensor(x.numpy(), "text", os.path.join(folder, "input_0.pb"))
        save_tensor(symbols.numpy(), "symbols", os.path.join(folder, "output_0.pb"))
        save_tensor(weights.numpy(), "weights", os.path.join(folder, "output_1.pb"))


def main():
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    r = random.Random(SEED)
    model = Seq2seq()
    print(f"{sum(p.numel() for p in model.parameters())} parameters")
    train(model, r)

    model = torch.jit.script(Greedy(model).eval())
    export(model, os.path.join(HERE, "numbers.onnx"))
    write_test_sets(model)
    measure(model, r)
    for text in TEST_SETS:
        print(f"  {text!r:50} {read(model, text)}")


if __name__ == "__main__":
    main()
