"""Embeds sentences with MiniLM, in batches of any size and length, and ranks them by their cosine with a question.

usage: rank_sentences.py MODEL (input_ids, attention_mask, token_type_ids -> sentence_embedding)"""
# %% the model: batch and length stay open, so one session serves all batches
import sys

import fovea
import numpy as np

minilm = fovea.Session(sys.argv[1], threads=2)
print(minilm.get_inputs())


# %% a stand-in for the tokenizer: an id for each word
def tokenize(sentences, vocabulary=50):
    rows = [[1] + [3 + sum(map(ord, w)) % (vocabulary - 3) for w in s.lower().split()] + [2] for s in sentences]
    longest = max(map(len, rows))
    ids = np.array([r + [0] * (longest - len(r)) for r in rows])
    mask = np.array([[1] * len(r) + [0] * (longest - len(r)) for r in rows])
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}


def embed(sentences):
    vectors, = minilm.run(None, tokenize(sentences))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


# %% rank
texts = ["the cat sat on the mat", "how to bake bread", "a cat on a mat", "stock prices fell sharply today after the news"]
found = embed(texts)
asked = embed(["the cat sat on a mat"])
for i in np.argsort(-(found @ asked[0])):
    print("%.3f  %s" % (found[i] @ asked[0], texts[i]))

# %% a sentence has the same embedding alone and in a batch
alone = embed(texts[1:2])
print("largest difference alone / in a batch: %.0e" % abs(alone[0] - found[1]).max())
