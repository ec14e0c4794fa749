"""Writes stories with a GPT that has caches: the most probable one, drawn ones, and one that is shown while it is written."""
# %% a story begins after a newline and ends with one
from pathlib import Path

import fovea

STORIES = Path(__file__).parents[1] / "stories/stories.onnx"
ALPHABET = "\n .ABCDHIMNSTabcdefghiklmnoprstuvwxy"


def ids_of(text):
    return [0] + [ALPHABET.index(c) for c in text]


def text_of(ids):
    return "".join(ALPHABET[i] for i in ids).rstrip("\n")


# %% one prompt: the most probable ids, until the id that ends a story
gpt = fovea.Decoder(STORIES)
prompt = "Max has a white boat."
print(prompt + text_of(fovea.generate(gpt, ids_of(prompt), tokens=150, stop=[0])))

# %% several prompts, drawn: the same seed writes the same stories
prompts = ["Ida", "Ben has a"]
drawn = dict(tokens=190, stop=[0], temperature=0.9, top_p=0.95, seed=7)
first = fovea.generate(gpt, [ids_of(p) for p in prompts], **drawn)
for p, ids in zip(prompts, first):
    print(p + text_of(ids))
print("again the same:", fovea.generate(gpt, [ids_of(p) for p in prompts], **drawn) == first)

# %% ids as soon as they are known; the loop may be left early
with fovea.generate_stream(gpt, ids_of("Nora"), tokens=150, stop=[0]) as stream:
    written = "Nora"
    for _, i in stream:
        written += ALPHABET[i]
        if written.endswith("."):
            break
    print(written)
    report = stream.report()
print("a prompt of %d ids, %d ids after it, %d caches in place" % (
    report["prefill_ids"], report["decode_ids"] + 1, report["caches_in_place"]))
