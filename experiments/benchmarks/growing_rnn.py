"""The yardstick of growth: the network of Miconi 2016 as one would write it in NumPy, one network,
one symbol at a time.

Written from the algorithm's description (the numbers are those of the paper's program). Not used by
the package: it is raced against, and its sizes and losses are what `growth` with the paper's rule
must agree with.
"""

from collections.abc import Callable

import numpy as np

# All numbers are those of the paper's program.
RATE = 0.01  # of learning
DECAY = 0.99  # of the mean square of the gradient
EPSILON = 1e-8  # under the root of that mean square
CLIP = 0.01  # largest change of a weight in an update
PRICE = 1e-4  # taken off each outgoing weight in an update
THRESHOLD = 0.05  # outgoing norm up to which a neuron is weak
RESERVE = 1  # weak neurons that are spared
P_DELETE = 0.05  # for each further weak neuron to die in an update
P_ADD = 0.01  # for a neuron to be born in an update while the reserve is not full
P_SPONTANEOUS = 1e-4  # for a neuron to be born at any time
CAP = 99  # most neurons
STRETCH = 40  # symbols in an update
FIRST_SQUARE = 0.01  # mean square of the gradient that a newborn starts with
SMALL = 0.01  # standard deviation of first weights


class GrowingRNN:
    """h = tanh(Wx x + Wh h + bh), y = Wy h + by; its size follows the weights.

    Trained on stretches of 40 symbols.

    Parameters
    ----------
    symbols : (T,) array
        Whole numbers below `n_symbols`, read again from the start when they end.
    seed : int
        Of weights, births and deaths.
    size : int
        Neurons at the start.
    grows : bool
        Whether neurons are born and die.
    n_symbols : int
        Letters of the grammar.
    """

    def __init__(
        self, symbols: np.ndarray, seed: int, size: int = 1, grows: bool = True, n_symbols: int = 4
    ) -> None:
        self.rng = np.random.default_rng(seed)
        self.symbols = symbols
        self.grows = grows
        self.V = n_symbols

        self.weights = {
            "Wx": self._small(size, n_symbols),
            "Wh": self._small(size, size),
            "Wy": self._small(n_symbols, size),
            "bh": np.zeros(size),
            "by": np.zeros(n_symbols),
        }
        self.squares = {name: np.zeros_like(w) for name, w in self.weights.items()}
        self.h = np.zeros(size)
        self.at = 0
        self.one_hot = np.eye(n_symbols)
        self.loss_mean = STRETCH * np.log(n_symbols)

    def _small(self, *shape: int) -> np.ndarray:
        """First weights."""
        return SMALL * self.rng.standard_normal(shape)

    @property
    def size(self) -> int:
        """Hidden neurons."""
        return len(self.h)

    def update(self) -> float:
        """Train on one stretch: gradient, step, price, deaths and births.

        Returns
        -------
        float
            The loss summed over the stretch, in nats.
        """
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
        """Backpropagation through a stretch `(41,)`; leaves the state that is carried on."""
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
        later = np.zeros(self.size)  # what later symbols pass back to h(t)
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
        """Let weak neurons die and, when the reserve runs out, a neuron be born.

        Beyond the reserve each weak neuron dies with some probability.
        """
        w = self.weights
        norm = (np.abs(w["Wy"]).sum(0) + self.V * np.abs(w["Wh"]).sum(0) / self.size) / 2
        weak = np.flatnonzero(norm <= THRESHOLD)
        extra = self.rng.permutation(weak)[RESERVE:]
        dead = extra[self.rng.random(len(extra)) < P_DELETE]
        if len(dead):
            self.each(lambda T, axis: np.delete(T, dead, axis))
            self.h = np.delete(self.h, dead)

        if self.size < CAP and (
            (len(weak) < RESERVE and self.rng.random() < P_ADD) or self.rng.random() < P_SPONTANEOUS
        ):
            self.bear()

    def bear(self) -> None:
        """Add a neuron, faintly wired, whose outgoing norm is half the threshold."""
        n = self.size
        self.each(lambda T, axis: np.insert(T, n, 0, axis))
        self.h = np.append(self.h, 0)

        w = self.weights
        w["Wx"][n] = self._small(self.V)
        w["Wh"][n] = self._small(n + 1)
        out = self.rng.standard_normal(self.V)
        within = self.rng.standard_normal(n + 1)
        w["Wy"][:, n] = out * THRESHOLD / 2 / np.abs(out).sum()
        w["Wh"][:, n] = within * THRESHOLD / 2 * n / self.V / np.abs(within).sum()

        v = self.squares
        v["Wx"][n] = v["Wh"][n] = v["Wh"][:, n] = v["Wy"][:, n] = v["bh"][n] = FIRST_SQUARE

    def each(self, change: Callable[[np.ndarray, int], np.ndarray]) -> None:
        """Apply `change(T, axis)` along every axis that counts hidden neurons."""
        for tensors in (self.weights, self.squares):
            for name, axes in {"Wx": (0,), "Wh": (0, 1), "Wy": (1,), "bh": (0,)}.items():
                for axis in axes:
                    tensors[name] = change(tensors[name], axis)
