#!/usr/bin/env python3
"""Trains a small GPT that writes stories, and exports it as stories.onnx.

    python3 train.py [-v]       trains, prints what it measured, writes stories.onnx and test/

Needs PyTorch and the onnx package (python3-torch and python3-onnx on Debian). The data is made up here, from a fixed
seed: stories of a thing that changes hands. Who has it, what it is called, and where it was lost has to be kept in
mind to write the next sentence, so a story can be checked: `is_right` says whether it is right. One first
sentence in ten is kept back; what follows those is measured, and -v prints what went wrong.

A decoder of three layers reads characters and predicts the next one. Each layer has keys and values of what was read
before as inputs, and with those of the new characters appended as outputs: a prompt is read, and each further
character written, by the same model.
"""

import math
import os
import random
import re
import sys
import time

os.environ["OPENBLAS_NUM_THREADS"] = "1"        # the matrices are small: more threads are slower
import onnx
from onnx import numpy_helper
import torch
from torch import nn
from torch.nn import functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
CONTEXT = 200               # characters that a story may have, with the line's end before and after it

SEED = 200
STEPS = int(os.environ.get("STEPS", 3000))
BATCH = 48
RATE = 4e-3


# ---- stories ------------------------------------------------------------------------------------

PEOPLE = {"Anna": "She", "Ben": "He", "Clara": "She", "Dan": "He", "Ida": "She", "Max": "He", "Nora": "She", "Tom": "He"}
COLOURS = "red blue green black white".split()
THINGS = "kite boat drum hat lamp coin bell key".split()
PLACES = "forest garden kitchen cellar meadow harbour".split()


def first_sentence(r):
    return f"{r.choice(list(PEOPLE))} has a {r.choice(COLOURS)} {r.choice(THINGS)}."


def is_kept_back(sentence):
    return random.Random(f"{sentence} {SEED}").random() < 0.1


def tell(r, first):
    """A story that begins with this sentence: once or twice the thing is given away, or lost and found."""
    owner, _, _, colour, thing = first.rstrip(".").split()
    it = f"{colour} {thing}"
    said = [first]
    for _ in range(r.choice([1, 2, 2])):
        other = r.choice([p for p in PEOPLE if p != owner])
        if r.random() < 0.5:
            said.append(f"{PEOPLE[owner]} gives it to {other}.")
        else:
            place = r.choice(PLACES)
            said.append(f"{PEOPLE[owner]} loses it in the {place}.")
            said.append(f"{other} finds the {it} in the {place}.")
        owner = other
    said.append(f"Now {owner} has the {it}.")
    return " ".join(said)


def is_right(story):
    """Whether a story is one that `tell` could have told."""
    m = re.fullmatch(r"(\w+) has a (\w+ \w+)\.((?: [^.]+\.)*) Now (\w+) has the (\w+ \w+)\.", story)
    if not m or m[1] not in PEOPLE or m[2] != m[5] or not set(m[2].split()) <= set(COLOURS + THINGS):
        return False
    owner, lost_in, changes = m[1], None, 0
    for sentence in re.findall(r" ([^.]+)\.", m[3]):
        given = re.fullmatch(r"(\w+) gives it to (\w+)", sentence)
        lost = re.fullmatch(r"(\w+) loses it in the (\w+)", sentence)
        found = re.fullmatch(r"(\w+) finds the (\w+ \w+) in the (\w+)", sentence)
        if lost and not lost_in and lost[1] == PEOPLE[owner] and lost[2] in PLACES:
            lost_in = lost[2]
        elif given and not lost_in and given[1] == PEOPLE[owner] and given[2] in PEOPLE and given[2] != owner:
            owner, changes = given[2], changes + 1
        elif found and lost_in == found[3] and found[2] == m[2] and found[1] in PEOPLE and found[1] != owner:
            owner, lost_in, changes = found[1], None, changes + 1
        else:
            return False
    return not lost_in and owner == m[4] and 1 <= changes <= 2


# ---- tensors ------------------------------------------------------------------------------------

END = "\n"                  # precedes a story, and follows it
ALPHABET = END + " ." + "ABCDHIMNST" + "abcdefghiklmnoprstuvwxy"


def encode(text):
    return [ALPHABET.index(c) for c in text]


def batches(r):
    """Without end: (ids i64[batch, n], the next ones i64[batch, n], -1 after a story's end)."""
    while True:
        stories = []
        while len(stories) < BATCH:
            first = first_sentence(r)
            if not is_kept_back(first):
                stories.append(encode(END + tell(r, first) + END))
        n = max(map(len, stories)) - 1
        assert n < CONTEXT
        yield (torch.tensor([(s + [0] * n)[:n] for s in stories]),
               torch.tensor([(s[1:] + [-1] * n)[:n] for s in stories]))


# ---- the model ----------------------------------------------------------------------------------

LAYERS, WIDTH, HEADS, HIDDEN = 3, 48, 3, 128
HEAD = WIDTH // HEADS


class Layer(nn.Module):
    """x [batch, s, WIDTH], keys and values of the past [batch, HEADS, past, HEAD] -> the same with s more of them."""

    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)
        self.mlp = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, WIDTH))

    def forward(self, x, sees, past_k, past_v):
        q, k, v = (t.reshape(x.shape[0], -1, HEADS, HEAD).transpose(1, 2) for t in self.qkv(self.norm(x)).split(WIDTH, 2))
        k, v = torch.cat([past_k, k], 2), torch.cat([past_v, v], 2)
        scores = (q @ k.transpose(2, 3) / math.sqrt(HEAD)).masked_fill(~sees, -math.inf)
        x = x + self.out((scores.softmax(3) @ v).transpose(1, 2).reshape(x.shape))
        return x + self.mlp(x), k, v


class GPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.character = nn.Embedding(len(ALPHABET), WIDTH)
        self.position = nn.Embedding(CONTEXT, WIDTH)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, len(ALPHABET))
        for table in (self.character, self.position):
            nn.init.normal_(table.weight, std=0.1)

    def forward(self, ids, past):
        """ids [batch, s] and 2 LAYERS caches -> what is known at each character [batch, s, WIDTH], the caches with them appended."""
        before, s = past[0].shape[2], ids.shape[1]
        at = torch.arange(before, before + s)
        sees = torch.arange(before + s)[None, :] <= at[:, None]
        x = self.character(ids) + self.position(at)
        present = []
        for i, layer in enumerate(self.layers):
            x, k, v = layer(x, sees, past[2 * i], past[2 * i + 1])
            present += [k, v]
        return self.norm(x), present


class Next(nn.Module):
    """What is exported: (input_ids i64[batch, s], past...) -> (logits f32[batch, len(ALPHABET)] of what follows them, present...).
    Of a prompt nothing else is asked, so logits of its other characters are not computed."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, *past):
        x, present = self.model(input_ids, past)
        return (self.model.head(x[:, -1]), *present)


def empty_caches(batch):
    return [torch.zeros(batch, HEADS, 0, HEAD) for _ in range(2 * LAYERS)]


# ---- training and measuring ---------------------------------------------------------------------

def train(model, r):
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, STEPS, pct_start=0.1, cycle_momentum=False)
    start, total = time.time(), 0.0
    for step, (ids, following) in zip(range(1, STEPS + 1), batches(r)):
        x, _ = model(ids, empty_caches(len(ids)))
        loss = F.cross_entropy(model.head(x).flatten(0, 1), following.flatten(), ignore_index=-1)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        total += loss.item()
        if step % 100 == 0:
            print(f"step {step:5d}  loss {total / 100:.4f}  {time.time() - start:.0f} s", flush=True)
            total = 0.0


def write(model, prompt, choose=lambda logits: int(logits.argmax())):
    """The prompt and what the model writes after it, up to the line's end."""
    ids, caches, story = encode(END + prompt), empty_caches(1), prompt
    with torch.no_grad():
        while len(story) + 1 < CONTEXT:
            logits, *caches = model(torch.tensor([ids]), *caches)
            ids = [choose(logits[0])]
            if ALPHABET[ids[0]] == END:
                break
            story += ALPHABET[ids[0]]
    return story


def measure(model, r):
    def draw(logits):
        return int(torch.multinomial(logits.softmax(0), 1))

    firsts = [f"{p} has a {c} {t}." for p in PEOPLE for c in COLOURS for t in THINGS]
    kept_back = [f for f in firsts if is_kept_back(f)]
    for what, prompts, choose in (("the likeliest story of each first sentence kept back", kept_back, None),
                                  ("stories drawn by their probabilities, first sentences kept back", kept_back * 10, draw),
                                  ("stories drawn by their probabilities, from nothing", [""] * 300, draw)):
        stories = [write(model, p, choose) if choose else write(model, p) for p in prompts]
        wrong = [s for s in stories if not is_right(s)]
        print(f"{what}: {100 * (1 - len(wrong) / len(stories)):.1f} % of {len(stories)} right", flush=True)
        if "-v" in sys.argv:
            for story in wrong:
                print(f"  {story}")


# ---- export -------------------------------------------------------------------------------------

def names(of):
    return [f"{of}.{i}.{what}" for i in range(LAYERS) for what in ("key", "value")]


def export(model, path):
    past, present = names("past_key_values"), names("present")
    caches = [torch.zeros(1, HEADS, 5, HEAD) for _ in past]
    axes = {"input_ids": {0: "batch", 1: "s"}, "logits": {0: "batch"}}
    axes.update({n: {0: "batch", 2: "past"} for n in past})
    axes.update({n: {0: "batch", 2: "past + s"} for n in present})
    torch.onnx.export(model, (torch.tensor([encode("Anna")]), *caches), path, opset_version=14,
                      input_names=["input_ids"] + past, output_names=["logits"] + present, dynamic_axes=axes)
    onnx_model = onnx.load(path)
    onnx.checker.check_model(onnx_model, full_check=True)
    print(f"{os.path.basename(path)}: {os.path.getsize(path)} bytes, {len(onnx_model.graph.node)} nodes:",
          " ".join(n.op_type for n in onnx_model.graph.node))


def save_tensor(tensor, name, path):
    with open(path, "wb") as f:
        f.write(numpy_helper.from_array(tensor.numpy(), name).SerializeToString())


def write_test_sets(model):
    """The layout of ONNX's backend tests; the model in their folder is stories.onnx itself. First a prompt is read, then one
    more character."""
    ids, caches = encode(END + "Anna has"), empty_caches(1)
    for i in range(2):
        folder = os.path.join(HERE, "test", f"test_data_set_{i}")
        os.makedirs(folder, exist_ok=True)
        inputs = [torch.tensor([ids]), *caches]
        with torch.no_grad():
            outputs = model(*inputs)
        for k, (name, t) in enumerate(zip(["input_ids"] + names("past_key_values"), inputs)):
            save_tensor(t, name, os.path.join(folder, f"input_{k}.pb"))
        for k, (name, t) in enumerate(zip(["logits"] + names("present"), outputs)):
            save_tensor(t, name, os.path.join(folder, f"output_{k}.pb"))
        ids, caches = [int(outputs[0].argmax())], outputs[1:]


def main():
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    r = random.Random(SEED)
    assert all(is_right(tell(r, first_sentence(r))) for _ in range(1000))
    gpt = GPT()
    print(f"{sum(p.numel() for p in gpt.parameters())} parameters")
    train(gpt, r)

    model = Next(gpt).eval()
    export(model, os.path.join(HERE, "stories.onnx"))
    write_test_sets(model)
    for prompt in ["", "Tom has a white lamp. He loses it in"]:
        print(f"  {prompt!r}: {write(model, prompt)}")
    measure(model, r)


if __name__ == "__main__":
    main()
