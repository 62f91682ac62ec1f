"""Learns to invent constellations: a character-level model on the names of the 88 real ones.

Shows the three ideas of melix on something small: arrays are lazy, `value_and_grad` turns a loss into gradients, and
`compile` turns the whole training step into one plan. Run it with `./dev demo`.
"""

import argparse
import sys
import time

import melix.core as mx

TEXT = """
andromeda antlia apus aquarius aquila ara aries auriga bootes caelum camelopardalis cancer canes canis
capricornus carina cassiopeia centaurus cepheus cetus chamaeleon circinus columba coma corona corvus crater
crux cygnus delphinus dorado draco equuleus eridanus fornax gemini grus hercules horologium hydra hydrus
indus lacerta leo lepus libra lupus lynx lyra mensa microscopium monoceros musca norma octans ophiuchus
orion pavo pegasus perseus phoenix pictor pisces piscis puppis pyxis reticulum sagitta sagittarius scorpius
sculptor scutum serpens sextans taurus telescopium triangulum tucana ursa vela virgo volans vulpecula
berenices borealis australis venatici major minor
"""
NAMES = TEXT.split()
LETTERS = "." + "abcdefghijklmnopqrstuvwxyz"  # the dot starts and ends a name
CONTEXT = 3


def examples():
    """Every (letters before, next letter) of the names, as two integer arrays."""
    contexts, targets = [], []
    for name in NAMES:
        codes = [0] * CONTEXT + [LETTERS.index(c) for c in name] + [0]
        for i in range(len(codes) - CONTEXT):
            contexts.append(codes[i : i + CONTEXT])
            targets.append(codes[i + CONTEXT])
    return mx.array(contexts), mx.array(targets)


def make_parameters(width=48, embedding=12):
    def normal(*shape):
        return mx.random.normal(shape) * shape[0] ** -0.5

    n = len(LETTERS)
    return {
        "embedding": mx.random.normal((n, embedding)),
        "hidden": normal(CONTEXT * embedding, width),
        "bias": mx.zeros(width),
        "out": normal(width, n),
    }


def logits(p, contexts):
    x = mx.take(p["embedding"], contexts, axis=0).reshape(contexts.shape[0], -1)
    return mx.tanh(x @ p["hidden"] + p["bias"]) @ p["out"]


def loss_fn(p, contexts, targets):
    z = logits(p, contexts)
    picked = mx.take_along_axis(z, targets[:, None], axis=-1).squeeze(-1)
    return (mx.logsumexp(z, axis=-1) - picked).mean()


def adam(p, grads, moments, step, rate=0.01):
    """New parameters and moments. The step is an array, so that one compiled plan serves every step."""
    new_p, new_m = {}, {}
    for name, g in grads.items():
        m, v = moments[name]
        m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g * g
        update = (m / (1 - 0.9**step)) / (mx.sqrt(v / (1 - 0.99**step)) + 1e-8)
        new_p[name], new_m[name] = p[name] - rate * update, (m, v)
    return new_p, new_m


def invent(p, key):
    name, context = "", [0] * CONTEXT
    while len(name) < 16:
        key, draw = mx.random.split(key)
        code = mx.random.categorical(logits(p, mx.array([context])), key=draw).item()
        if code == 0:
            break
        name += LETTERS[code]
        context = context[1:] + [code]
    return name


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=100, help="training steps (default: 100)")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers (default: 0)")
    parser.add_argument("--names", type=int, default=10, help="names to invent at the end (default: 10)")
    options = parser.parse_args()

    mx.random.seed(options.seed)
    contexts, targets = examples()
    p = make_parameters()
    moments = {name: (mx.zeros_like(a), mx.zeros_like(a)) for name, a in p.items()}
    print(f"{len(NAMES)} names, {targets.size} letters, {sum(a.size for a in p.values())} parameters")
    print("arrays are lazy: so far nothing was computed;", mx.default_device())

    @mx.compile
    def train(p, moments, step):
        loss, grads = mx.value_and_grad(loss_fn)(p, contexts, targets)
        p, moments = adam(p, grads, moments, step)
        return loss, p, moments

    start = time.perf_counter()
    for step in range(1, options.steps + 1):
        loss, p, moments = train(p, moments, mx.array(float(step)))
        mx.eval(loss, p, moments)
        if step % max(options.steps // 10, 1) == 0:
            rate = step / (time.perf_counter() - start)
            bar = "#" * (20 * step // options.steps)
            end = "\r" if sys.stdout.isatty() and step < options.steps else "\n"
            print(f"[{bar:20s}] step {step}: loss {loss.item():.3f}, {rate:.0f} steps/s", end=end, flush=True)

    names = [invent(p, mx.random.key(options.seed + i)) for i in range(options.names)]
    print("invented:", ", ".join(name.capitalize() for name in names))


if __name__ == "__main__":
    main()
