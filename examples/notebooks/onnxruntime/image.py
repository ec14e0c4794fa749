"""Classifies images, in batches of different sizes: the script is written for ONNX Runtime.

usage: image.py MODEL, a classifier with one input f32[batch, 3, height, width]."""
import sys

import numpy as np
import onnxruntime as ort

session = ort.InferenceSession(sys.argv[1])
image = session.get_inputs()[0]
label = session.get_outputs()[0].name
height, width = image.shape[2:]
print(image.name, image.type, image.shape, "->", label)

# bytes as a decoder of pictures returns them: a gradient for each image, [image, height, width, channel]
y, x = np.mgrid[0:height, 0:width]
pictures = np.stack([np.stack([y * 8 + 16 * i, x * 8, (x + y) * 4], axis=-1) % 256 for i in range(5)]).astype(np.uint8)
mean, std = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
for batch in (pictures[:1], pictures[1:4], pictures):
    normal = (batch.astype(np.float32) / 255 - mean) / std
    logits = session.run([label], {image.name: normal.transpose(0, 3, 1, 2)})[0]
    print("logits", logits.shape, "classes", logits.argmax(axis=1).tolist())
