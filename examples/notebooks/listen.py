"""Listens for speech, chunk by chunk: the session keeps the state of a recurrent network between the runs.

usage: listen.py MODEL, Silero's VAD (input f32[batch, samples], state f32[2, batch, 128], sr -> output, stateN)"""
# %% the model takes a state and returns a new one; with `states` the session keeps it
import sys

import fovea
import numpy as np

vad = fovea.Session(sys.argv[1], states={"state": "stateN"}, dims={"input:0": 1, "state:1": 1}, threads=1)
print("inputs", [i.name for i in vad.get_inputs()], "outputs", [o.name for o in vad.get_outputs()])

# %% two seconds of sound: silence, then a voice-like tone with noise, in chunks of 512 samples
rate, chunk = 16000, 512
t = np.arange(2 * rate) / rate
voice = sum(np.sin(2 * np.pi * 140 * k * t) / k for k in range(1, 12)) * (1 + np.sin(2 * np.pi * 4 * t)) * 0.1
sound = (voice * (t > 1) + 0.001 * np.random.default_rng(0).standard_normal(t.size)).astype(np.float32)
chunks = sound[:t.size // chunk * chunk].reshape(-1, 1, chunk)


def listen():
    return np.array([vad(c, sr=rate)[0, 0] for c in chunks])


first = listen()
for second in (0, 1):
    part = first[second * 31:(second + 1) * 31]
    print("second %d: speech %.2f to %.2f" % (second, part.min(), part.max()))

# %% another sound begins with a state of zeros
vad.reset_states()
print("the same again:", np.array_equal(listen(), first))
print("without the reset:", np.array_equal(listen(), first))
print({name: state.shape for name, state in vad.get_states().items()})
