"""The yardstick of growth: the network of Miconi 2016 as one would write it in NumPy, one network,
one symbol at a time.

Written from the algorithm's description (the numbers are those of the paper's program). Not used by
the package: it is raced against, and its sizes and losses are what `growth` with the paper's rule
must agree with."""

from collections.abc import Callable

import numpy as np

# All numbers are those of the paper's program (Miconi 2016, DiffRNN), or of the paper's text.
RATE = 0.01
"""Learning rate of RMSProp."""
DECAY = 0.99
"""Of the mean of squared gradients."""
EPSILON = 1e-8
"""Added to that mean under the root."""
CLIP = 0.01
"""Largest change of a weight in an update."""
PRICE = 1e-4
"""What every outgoing weight loses in an update."""
THRESHOLD = 0.05
"""T_D: the outgoing norm at or below which a neuron is in reserve."""
RESERVE = 1
"""k: neurons in reserve that are kept."""
P_DELETE = 0.05
"""With which a neuron beyond the reserve dies."""
P_ADD = 0.01
"""With which a neuron is born while the reserve is too small."""
P_SPONTANEOUS = 1e-4
"""With which one is born at any time."""
CAP = 99
"""Most hidden neurons."""
STRETCH = 40
"""Symbols in an update."""
FIRST_SQUARE = 0.01
"""The mean of squared gradients that a newborn starts with."""


class GrowingRNN:
    """h = tanh(Wx x + Wh h + bh), y = Wy h + by; trained on stretches of 40 symbols, its size
    follows the weights.

    Args:
        symbols: `(T,)` whole numbers below `n_symbols`, read again from the start when they end.
        size: neurons at the start.
        grows: whether neurons are born and die.
    """

    def __init__(
        self, symbols: np.ndarray, seed: int, size: int = 1, grows: bool = True, n_symbols: int = 4
    ):
        self.random = np.random.default_rng(seed)
        self.symbols = symbols
        self.grows = grows
        self.V = n_symbols
        draw = lambda *shape: 0.01 * self.random.standard_normal(shape)  # noqa: E731
        self.weights = {
            "Wx": draw(size, n_symbols),
            "Wh": draw(size, size),
            "Wy": draw(n_symbols, size),
            "bh": np.zeros(size),
            "by": np.zeros(n_symbols),
        }

        self.squares = {name: np.zeros_like(w) for name, w in self.weights.items()}
        self.h = np.zeros(size)
        self.at = 0
        self.one_hot = np.eye(n_symbols)
        self.loss_mean = STRETCH * np.log(n_symbols)

    @property
    def size(self) -> int:
        """Hidden neurons."""
        return len(self.h)

    def update(self) -> float:
        """One stretch: gradient, step, price, deaths and births. Returns the loss summed over the
        stretch, in nats."""
        if self.at + STRETCH + 1 > len(self.symbols):
            self.at = 0
            self.h = np.zeros(self.size)

        loss, gradients = self.gradients(self.symbols[self.at : self.at + STRETCH + 1])
        self.at += STRETCH
        self.loss_mean += 0.01 * (loss - self.loss_mean)

        for name, g in gradients.items():
            v = self.squares[name]
            v += (1 - DECAY) * (g * g - v)
            self.weights[name] -= np.clip(RATE * g / np.sqrt(v + EPSILON), -CLIP, CLIP)

        for name in ("Wh", "Wy"):
            self.weights[name] -= PRICE * np.sign(self.weights[name])

        if self.grows:
            self.live_and_die()

        return loss

    def gradients(self, symbols: np.ndarray) -> tuple[float, dict[str, np.ndarray]]:
        """Backpropagation through the stretch `(41,)`; leaves the state that is carried on."""
        w = self.weights
        loss = 0.0
        h = [self.h]
        p = []

        for t in range(STRETCH):
            h.append(np.tanh(w["Wx"] @ self.one_hot[symbols[t]] + w["Wh"] @ h[-1] + w["bh"]))
            e = np.exp(w["Wy"] @ h[-1] + w["by"])
            p.append(e / e.sum())
            loss -= np.log(p[-1][symbols[t + 1]])

        g = {name: np.zeros_like(value) for name, value in w.items()}
        later = np.zeros(self.size)

        for t in reversed(range(STRETCH)):
            dy = p[t]
            dy[symbols[t + 1]] -= 1
            g["Wy"] += np.outer(dy, h[t + 1])
            g["by"] += dy
            dP = (1 - h[t + 1] ** 2) * (w["Wy"].T @ dy + later)
            g["Wx"][:, symbols[t]] += dP
            g["Wh"] += np.outer(dP, h[t])
            g["bh"] += dP
            later = w["Wh"].T @ dP

        self.h = h[-1]
        return loss, g

    def live_and_die(self) -> None:
        """Beyond the reserve each weak neuron dies with some probability; when the reserve runs
        out, one may be born."""
        w = self.weights
        random = self.random
        norm = (np.abs(w["Wy"]).sum(0) + self.V * np.abs(w["Wh"]).sum(0) / self.size) / 2
        weak = np.flatnonzero(norm <= THRESHOLD)
        extra = random.permutation(weak)[RESERVE:]
        dead = extra[random.random(len(extra)) < P_DELETE]

        if len(dead):
            self.each(lambda T, axis: np.delete(T, dead, axis))
            self.h = np.delete(self.h, dead)
        if self.size < CAP and (
            (len(weak) < RESERVE and random.random() < P_ADD) or random.random() < P_SPONTANEOUS
        ):
            self.bear()

    def bear(self) -> None:
        """One more neuron, faintly wired, whose outgoing norm is half the threshold."""
        random = self.random
        n = self.size
        self.each(lambda T, axis: np.insert(T, n, 0, axis))
        self.h = np.append(self.h, 0)
        w = self.weights
        v = self.squares
        w["Wx"][n] = 0.01 * random.standard_normal(self.V)
        w["Wh"][n] = 0.01 * random.standard_normal(n + 1)
        out = random.standard_normal(self.V)
        within = random.standard_normal(n + 1)
        w["Wy"][:, n] = out * THRESHOLD / 2 / np.abs(out).sum()
        w["Wh"][:, n] = within * THRESHOLD / 2 * n / self.V / np.abs(within).sum()

        v["Wx"][n] = v["Wh"][n] = v["Wh"][:, n] = v["Wy"][:, n] = v["bh"][n] = FIRST_SQUARE

    def each(self, change: Callable[[np.ndarray, int], np.ndarray]) -> None:
        """Apply `change(T, axis)` along every axis that counts hidden neurons."""
        for tensors in (self.weights, self.squares):
            for name, axes in {"Wx": (0,), "Wh": (0, 1), "Wy": (1,), "bh": (0,)}.items():
                for axis in axes:
                    tensors[name] = change(tensors[name], axis)
