"""Classifies images in batches of any size, which are given as arrays of bytes.

usage: classify_images.py MODEL, a classifier with one input f32[batch, 3, height, width]"""
# %% the batch stays open; a bound lets the compiler know the largest one
import sys

import fovea
import numpy as np

classify = fovea.Session(sys.argv[1], dims={"batch": (1, 16)})
print(classify.get_inputs(), classify.get_outputs())

# %% pictures as libraries decode them: u8[image, height, width, channel]
_, _, height, width = classify.get_inputs()[0].shape
pictures = np.random.default_rng(0).integers(0, 256, (11, height, width, 3), dtype=np.uint8)
mean, std = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])


def scores(batch):
    x = (batch.astype(np.float32) / 255 - mean) / std
    return classify(x.transpose(0, 3, 1, 2))  # another order of the axes is copied for the model


# %% batches of 4, and the rest
found = np.concatenate([scores(pictures[i:i + 4]) for i in range(0, len(pictures), 4)])
print("scores", found.shape, "classes", found.argmax(axis=1).tolist())

# %% the size of a batch changes no bit
print("same bits in one batch:", np.array_equal(scores(pictures), found))
print("same bits one by one:", np.array_equal(np.concatenate([scores(p[None]) for p in pictures]), found))

# %% a batch above the bound
try:
    scores(np.concatenate([pictures, pictures]))
except fovea.FoveaError as e:
    print(e)
