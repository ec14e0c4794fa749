"""Generating ids, compared with runs of the whole sequence and with the command."""
import os
import subprocess
import tempfile
import threading

import fovea
import numpy as np
from fovea import command
from graphs import ROOT, SHARED, TWO, Case, needs_shared

STORIES = os.path.join(ROOT, "examples/stories/stories.onnx")
NEXT = b"""fovea-ir 1
module "next"
symbol b 1..4
symbol s 1..8
const @table: f32[3, 3] = [0, 1, 0, 0, 0, 1, 1, 0, 0]
func @main(%ids: i64[b, s], %bias: f32[3]) -> (%logits) {
  %rows = Gather(@table, %ids)
  %logits = Add(%rows, %bias)
  return %logits
}
"""
# models whose ids are found by their names; these take the inputs besides
CACHED = ["dec_gemma2_softcap", "dec_gpt2_mini_past_192", "dec_gpt2_past", "dec_gptj_full_rotary",
          "dec_gptj_interleaved", "dec_llama_gqa_past", "dec_mistral_sliding", "dec_qwen3_qknorm",
          "dec_stablelm_partial_rotary", "ms_genai_llama_gqa", "ms_genai_mha_window", "ortopt_dec_llama_gqa_past"]
WHOLE = ["dec_bloom_alibi", "dec_gpt2_min_nopast", "dec_gpt2_old_muladd", "dec_gpt2_static",
         "dec_gptneox_partial_rotary", "dec_llama_prefill_static", "dec_mingpt_static_op17",
         "dec_mistral_sliding_bool", "dec_nanogpt", "ortopt_dec_gpt2_static"]
PROMPT, TOKENS = [1, 2, 3], 5
STEP = 1 if os.environ.get("FOVEA_ALL", "0") != "0" else 3  # a third of the models of each list


def model(name):
    return os.path.join(SHARED, "models", name, "model.onnx")


def size(dim, ids):
    """The value of a dim where all ids are one run."""
    if isinstance(dim, int):
        return dim
    return 1 if "batch" in dim else 0 if "past" in dim else len(ids)


def feeds_of(session, ids):
    """The inputs for one run of all ids, with empty caches."""
    feeds = {}
    for x in session.get_inputs():
        shape = [size(d, ids) for d in x.shape]
        if x.name.startswith("past"):
            feeds[x.name] = np.zeros(shape, np.float32)
            continue
        n = shape[-1]  # a fixed length is filled up with ids that come after the last one
        row = (np.arange(n) if "position" in x.name else np.arange(n) < len(ids) if "mask" in x.name else
               np.array((ids + [0] * n)[:n]))
        feeds[x.name] = np.broadcast_to(row.astype(np.int64), shape)
    return feeds


def greedy(session, ids, tokens, more=()):
    """The ids that follow, each from one run of the whole sequence."""
    ids = list(ids)
    start = len(ids)
    for _ in range(tokens):
        logits, = session.run(["logits"], {**feeds_of(session, ids), **dict(more)})
        rows = logits[0]
        ids.append(int(rows[len(ids) - 1 if len(rows) > 1 else 0].argmax()))
    return ids[start:]


class Generate(Case):
    @needs_shared
    def test_models_with_caches(self):
        for name in CACHED[::STEP]:
            with self.subTest(name):
                want = greedy(fovea.Session(model(name), backend="interp"), PROMPT, TOKENS)
                with fovea.Decoder(model(name)) as d:
                    self.assertEqual(fovea.generate(d, PROMPT, tokens=TOKENS), want)
                    self.assertEqual(fovea.generate(d, PROMPT, tokens=TOKENS, chunk=2), want)
                    both = fovea.generate(d, [PROMPT, PROMPT[:2], PROMPT[::-1]], tokens=TOKENS)
                    alone = [fovea.generate(d, p, tokens=TOKENS) for p in (PROMPT[:2], PROMPT[::-1])]
                    self.assertEqual(both, [want] + alone)
                    with fovea.generate_stream(d, PROMPT, tokens=TOKENS) as stream:
                        self.assertEqual([i for _, i in stream], want)
                        report = stream.report()
                    self.assertGreaterEqual(report["caches"], 2)
                    self.assertEqual(report["caches_in_place"], 0 if "gptj" in name else report["caches"])
                    self.assertEqual((report["prefill_ids"], report["decode_ids"]), (3, TOKENS - 1))

    @needs_shared
    def test_models_without_caches(self):
        for name in WHOLE[::STEP]:
            with self.subTest(name), fovea.Session(model(name), backend="interp") as s:
                want = greedy(s, PROMPT, TOKENS)
                self.assertEqual(fovea.generate(model(name), PROMPT, tokens=TOKENS), want)

    @needs_shared
    def test_logits_of_chunks_have_the_same_bits(self):
        for name in CACHED[::STEP]:
            with self.subTest(name), fovea.Session(model(name)) as s:
                ids = [3, 1, 4, 1, 5, 9, 2, 6]
                whole = s.run(["logits"], feeds_of(s, ids))[0]
                past = {x.name: np.zeros([size(d, ids) for d in x.shape], np.float32)
                        for x in s.get_inputs() if x.name.startswith("past")}
                outs = [v.name for v in s.get_outputs()]
                rows, at = [], 0
                for n in (3, 1, 2, 2):
                    feeds = {}
                    for x in s.get_inputs():
                        if x.name in past:
                            feeds[x.name] = past[x.name]
                        elif "mask" in x.name:
                            feeds[x.name] = np.ones((1, at + n), np.int64)
                        else:
                            row = range(at, at + n) if "position" in x.name else ids[at:at + n]
                            feeds[x.name] = np.array([row], np.int64)
                    found = dict(zip(outs, s.run(outs, feeds)))
                    rows.append(found["logits"][0])
                    past = {k: found[k.replace("past_key_values", "present").replace("past", "present")] for k in past}
                    at += n
                np.testing.assert_array_equal(np.concatenate(rows), whole[0])

    @needs_shared
    def test_inputs_of_an_encoder(self):
        mel = np.random.default_rng(1).standard_normal((1, 20, 24)).astype(np.float32)
        want = greedy(fovea.Session(model("dec_whisper_openai"), backend="interp"), PROMPT, TOKENS, {"mel": mel}.items())
        self.assertEqual(fovea.generate(model("dec_whisper_openai"), PROMPT, tokens=TOKENS, inputs={"mel": mel}), want)
        self.refuses("FV_BAD_MODEL", "input 'mel' (f32[batch, 20, frames]) cannot be filled", fovea.generate,
                     model("dec_whisper_openai"), PROMPT)
        ids = np.array([[5, 6, 7]], np.int64)
        given = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        found = fovea.generate(model("trf_bart_bmm"), PROMPT, tokens=2, inputs=given)
        s = fovea.Session(model("trf_bart_bmm"), backend="interp")
        ids = list(PROMPT)
        for i in found:
            logits, = s.run(["logits"], {**given, "decoder_input_ids": np.array([ids])})
            self.assertEqual(int(logits[0, -1].argmax()), i)
            ids.append(i)

    def test_same_as_the_command(self):
        with fovea.Decoder(STORIES) as d:
            for options, arguments in (
                    ({}, []), ({"temperature": 1.2, "seed": 5}, ["--temperature=1.2", "--seed=5"]),
                    ({"temperature": 0.9, "top_k": 4, "top_p": 0.8, "seed": 6, "stop": [1]},
                     ["--temperature=0.9", "--top-k=4", "--top-p=0.8", "--seed=6", "--stop=1"])):
                found = fovea.generate(d, [[0, 20, 12], [0, 7], [3, 2, 1]], tokens=20, **options)
                said = subprocess.run([command.find(), "generate", STORIES, "--ids=0,20,12;0,7;3,2,1", "--tokens=20",
                                       "-q"] + arguments, stdout=subprocess.PIPE, check=True).stdout.decode()
                self.assertEqual([[int(i) for i in line.split(",")] for line in said.splitlines()], found)

    def test_sessions(self):
        want = fovea.generate(STORIES, [0, 20, 12], tokens=9)
        self.assertEqual(len(want), 9)
        self.assertEqual(fovea.generate(STORIES, np.array([0, 20, 12]), tokens=9), want)
        self.assertEqual(fovea.generate(STORIES, np.array([[0, 20, 12]]), tokens=9, backend="interp"), [want])
        for ids in (iter([0, 20, 12]), (i for i in [0, 20, 12])):
            self.assertEqual(fovea.generate(STORIES, ids, tokens=9), want)
        self.assertEqual(fovea.generate(STORIES, iter([iter([0, 20, 12])]), tokens=9), [want])
        with fovea.generate_stream(STORIES, iter([0, 20, 12]), tokens=9) as stream:
            self.assertEqual([i for _, i in stream], want)
        with open(STORIES, "rb") as f:
            self.assertEqual(fovea.generate(f.read(), [0, 20, 12], tokens=9, threads=1), want)
        for states in (None, {"past_key_values.*": "present.*"}, {"past_key_values.*": ("present.*", 12)}):
            library = fovea.Decoder(STORIES)  # so that the compiler is loaded
            session = fovea.Session(STORIES, states=states, backend="interp")
            self.assertEqual(fovea.generate(session, [0, 20, 12], tokens=9), want)
            self.assertEqual(fovea.generate(session, [0, 20, 12], tokens=9), want)
            with tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "stories.so")
                fovea.compile(STORIES, path, states=states)
                self.assertEqual(fovea.generate(path, [0, 20, 12], tokens=9), want)
            library.close()

    def test_stop(self):
        want = fovea.generate(STORIES, [0, 20, 12], tokens=9)
        self.assertEqual(fovea.generate(STORIES, [0, 20, 12], tokens=9, stop=[want[0]]), want[:1])
        with fovea.Decoder(STORIES) as d:
            stream = fovea.generate_stream(d, [0, 20], tokens=9)
            stream.close()  # before the first id
            self.assertEqual(list(stream), [])
            stream.close()
            self.assertEqual(stream.report()["prefill_ids"], 0)
            stream = fovea.generate_stream(d, [0, 20, 12], tokens=9)
            self.assertEqual(next(stream), (0, want[0]))
            d.close()
            self.refuses("FV_BAD_ARGUMENT", "the session is closed", next, stream)
        self.refuses("FV_BAD_ARGUMENT", "the session is closed", fovea.generate, d, [0])

    def test_a_decoder_runs_as_a_session(self):
        ids = np.random.default_rng(1).integers(0, 36, (2, 190))
        with fovea.Decoder(STORIES) as d, fovea.Session(STORIES, states={"past_key_values.*": "present.*"}) as copies:
            self.assertEqual([v.name for v in d.get_inputs()], ["input_ids"])
            at = 0
            for n in (2, 1, 80, 1, 100, 1):  # more than the caches hold at first
                feeds = {"input_ids": ids[:, at:at + n]}
                np.testing.assert_array_equal(d.run(None, feeds)[0], copies.run(None, feeds)[0])
                at += n
            for name, kept in copies.get_states().items():
                np.testing.assert_array_equal(d.get_states()[name], kept)
            self.assertEqual(fovea.generate(d, [0, 20, 12], tokens=2), [26, 13])  # with caches of its own
            d.reset_states()
            self.assertEqual(int(d.run(None, {"input_ids": np.array([[0, 20, 12]])})[0].argmax()), 26)

    def test_the_end_before_and_at_the_first_id(self):
        with fovea.Decoder(STORIES) as d:
            self.assertEqual(fovea.generate(d, [0, 20], stop=[12]), [12])
            self.assertEqual(fovea.generate(d, [[0, 20], [0]], stop=list(range(36))), [[12], [10]])
            with fovea.generate_stream(d, [0, 20]) as stream:
                found = stream.report()
            self.assertEqual((found["caches"], found["prefill_ids"], found["decode_ids"]), (6, 0, 0))
            self.assertIsNone(found["tokens_per_second"])
            self.assertEqual(list(stream), [])
            self.assertEqual(stream.report(), {**found, "decode_ids": 0})

    def test_no_positions_left(self):
        with fovea.Decoder(STORIES) as d:
            found = []
            with self.assertRaises(fovea.FoveaError) as caught, fovea.generate_stream(d, [0, 20], tokens=500) as stream:
                for _, i in stream:
                    found.append(i)
            self.assertEqual(len(found), 199)
            self.assertIn("the run up to position 200 failed, after 199 ids were generated", str(caught.exception))
            self.assertIn("/model/position/Gather", caught.exception.node)

    def test_several_threads_share_a_stream(self):
        with fovea.Decoder(STORIES) as d:
            want, found = fovea.generate(d, [0, 20], tokens=40), []
            with fovea.generate_stream(d, [[0, 20]] * 3, tokens=40) as stream:
                threads = [threading.Thread(target=lambda: found.extend(stream)) for _ in range(4)]
                for t in threads:
                    t.start()
                for t in threads:
                    t.join()
            for prompt in range(3):
                self.assertEqual(sorted(i for p, i in found if p == prompt), sorted(want))

    def test_bad_arguments(self):
        with fovea.Decoder(NEXT, backend="interp") as d:
            bias = {"bias": np.zeros(3, np.float32)}
            self.assertEqual(fovea.generate(d, [0], tokens=3, inputs=bias), [1, 2, 0])
            self.assertEqual(fovea.generate(d, [0], tokens=2, inputs={"bias": np.float32([9, 0, 0])}), [0, 0])

            def refuses(text, ids, status="FV_BAD_ARGUMENT", **options):
                self.refuses(status, text, fovea.generate, d, ids, **{"inputs": bias, **options})
            refuses("prompt 1 has no ids", [])
            refuses("prompt 2 has no ids", [[0], []])
            refuses("prompt 1: id 3 is not in the vocabulary, of 0 to 2", [0, 3])
            refuses("id -1 is not in the vocabulary", [-1])
            refuses("expected an integer", [0.5])
            refuses("expected an integer", ["0"])
            refuses("expected an integer", np.zeros((1, 1, 1), np.int64))
            refuses("expected an integer of 64 bits", [2**63])
            refuses("the prompt is 7, expected a list of ids", 7)
            refuses("the prompt is 'a', expected a list of ids", "a")
            refuses("prompt 2 is 1, expected a list of ids", [[0], 1])
            refuses("is 0, expected at least 1", [0], tokens=0)
            refuses("expected an integer", [0], tokens=1.5)
            refuses("at most 8 positions", [0], tokens=9)
            refuses("temperature", [0], temperature=-1)
            refuses("expected a number", [0], temperature="hot")
            refuses("temperature 0", [0], top_k=1)
            refuses("top_k is -1, expected at least 1", [0], top_k=-1, temperature=1)
            refuses("expected a number above 0", [0], top_p=0, temperature=1)
            refuses("stop: id 3", [0], stop=[3])
            refuses("stop is 3, expected a list", [0], stop=3)
            refuses("has -1 ids", [0], chunk=-1)
            refuses("there is no input 'mel'", [0], inputs={"mel": 1})
            refuses("cannot be filled", [0], status="FV_BAD_MODEL", inputs=None)
            refuses("axis 0", [0], status="FV_BAD_DIM", tokens=1, inputs={"bias": np.zeros(2, np.float32)})
            refuses("'level' is an option of the session", [0], level=1)
            refuses("'threads' is an option of the session", [0], threads=1)
            self.assertRaises(TypeError, fovea.generate, d, [0], stops=[1])
        self.refuses("FV_BAD_MODEL", "the model is no decoder", fovea.generate, TWO, [0])
        self.refuses("FV_BAD_FILE", "none.onnx", fovea.generate, "none.onnx", [0])
