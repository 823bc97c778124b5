"""Networks whose size follows the gradient: hidden neurons are born and die while training runs (Miconi 2016).

A price on outgoing weights makes neurons that nobody listens to fade. Below a threshold they are the reserve: a few are
kept, each further one dies with some probability; when the reserve runs out, one is born. In a flat matrix a birth is a row
and a column in a free slot, a death is emptying them. Empty slots take part in every product and get no gradient, so they stay
empty, and members of different size share one tensor; slots are added and taken away in blocks.

Everything that happens is a function of weights, seed and step, so nothing but the ages of neurons need be saved to resume.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from urn.errors import InputError
from urn.network.module import URN
from urn.optimiser.adam import ProximalAdam
from urn.population import dead as compaction
from urn.settings.fields import Amount, Count, Number, Positive, Strict

Chance = Annotated[Number, Field(ge=0, le=1)]
SPARE_SLOTS = 8
"""Free slots made when none is left, so that tensors change their size now and then only."""


class Growth(Strict):
    """The `growth` table of a configuration. As it stands: the rule and the numbers of Miconi 2016.

    The outgoing norm of neuron j is (sum_i |W_ij| over outputs + d_out mean_i |W_ij| over living others) / 2.
    """

    start: Positive = Field(1, description="hidden neurons at the beginning")
    cap: Positive | None = Field(
        None, description="most hidden neurons (default: all that S holds)"
    )
    reserve: Count = Field(1, description="k: neurons below the threshold that are kept")
    threshold: Amount = Field(
        0.05, description="T_D: outgoing norm at or below which a neuron is in reserve"
    )
    delete_probability: Chance = Field(
        0.05, description="with which a neuron beyond the reserve dies, at each decision"
    )
    add_probability: Chance = Field(
        0.01, description="with which one is born while the reserve is too small"
    )
    spontaneous_probability: Chance = Field(1e-4, description="with which one is born at any time")
    every: Positive = Field(1, description="updates between decisions")
    spare: Literal["chance", "young", "old", "gradient"] = Field(
        "chance",
        description="who stays when the reserve is too large; gradient: those whose outgoing weights are asked for most",
    )
    youth: Count = Field(0, description="updates in which a newborn cannot die")
    inherit: bool = Field(False, description="newborns hear what the last dead neuron heard")
    newborn_scale: Amount = Field(
        0.01, description="standard deviation of a newborn's incoming weights"
    )
    newborn_norm: Amount = Field(0.5, description="outgoing norm of a newborn, in thresholds")
    newborn_second_moment: Amount = Field(
        0.0, description="what the optimiser remembers of a newborn's squared gradients"
    )


class Growing:
    """Which hidden neurons of a population live, and the births and deaths among them.

    Args:
        rule: what decides.
        seeds: of the members.
        net, optimiser: the population at full size; it is cut down to `rule.start` hidden neurons.
        kept: `(K, S)` boolean, the neurons to start with when the network is a trained one.

    Raises:
        InputError: when more are to live than S holds.
    """

    def __init__(
        self,
        rule: Growth,
        seeds: Sequence[int],
        net: URN,
        optimiser: ProximalAdam,
        kept: Tensor | None = None,
    ):
        self.rule, self.seeds, self.d_in, self.d_out = (
            rule,
            list(seeds),
            net.n_inputs,
            net.n_outputs,
        )
        K, S = len(self.seeds), net.n_neurons
        room = S - self.d_in - self.d_out
        self.cap = room if rule.cap is None else rule.cap
        for name, value in (("cap", self.cap), ("start", rule.start)):
            if value > min(room, self.cap):
                raise InputError(
                    f"growth.{name}: {value} hidden neurons where n_neurons leaves {min(room, self.cap)}"
                )
        self.birthplaces = (
            None if net.positions is None else net.positions.data.clone()
        )  # (K, S, dim)
        self.born = torch.full(
            (K, S), -1
        )  # the update a hidden neuron was born after; -1: it does not live
        self.will = (
            torch.zeros(K, S, dtype=net.weight.dtype) if rule.inherit else None
        )  # incoming weights of the last dead
        self._drawn: tuple[object, np.ndarray | None] = (None, None)
        first = torch.zeros(K, S, dtype=torch.bool)
        first[:, self.d_in : self.d_in + rule.start] = True
        hidden = torch.zeros(S, dtype=torch.bool)
        hidden[self.d_in : S - self.d_out] = True
        lives = (first if kept is None else kept.cpu()) & hidden
        if (most := int(lives.sum(1).max())) > self.cap:
            raise InputError(
                f"growth.cap: {self.cap} hidden neurons where the network to start from has {most}"
            )
        empty = (hidden.expand(K, S) if kept is None else hidden & ~lives).to(net.ids.device)
        net.weight.data.masked_fill_(empty[:, :, None] | empty[:, None], 0)
        net.bias.data.masked_fill_(empty, 0)
        self.born[lives] = 0
        self._resize(net, optimiser, most + 1, None)
        if kept is None:
            self._bear(net, optimiser, self.living(net), 0)

    def living(self, net: URN) -> Tensor:
        """Which of the neurons held are living hidden ones, `(K, n)` boolean."""
        return self.born.to(net.ids.device).gather(1, net.ids) >= 0

    @torch.no_grad()
    def act(
        self, net: URN, optimiser: ProximalAdam, carried: Tensor | None, step: int
    ) -> Tensor | None:
        """Deaths and births after `step` updates. Returns the state of streams `(K, B, n)`, fitted to the new slots."""
        rule = self.rule
        if step % rule.every:
            return carried
        living = self.living(net)
        weak = (
            (living & (self.outgoing(net, net.weight.data, living) <= rule.threshold)).cpu().numpy()
        )
        count, chance = weak.sum(1), self._chance(step, net.n_neurons)
        births = ((count < rule.reserve) & (chance[:, 0] < rule.add_probability)) | (
            chance[:, 1] < rule.spontaneous_probability
        )
        if (count > rule.reserve).any():
            dead = torch.from_numpy(self._dying(net, optimiser, weak, chance[:, 2:], step)).to(
                net.ids.device
            )
            if dead.any():
                carried = self.bury(net, optimiser, carried, dead)
        if births.any():
            births &= ((self.born >= 0).sum(1) < self.cap).numpy()
        if births.any():
            hidden = self.born[:, self.d_in : net.n_neurons - self.d_out]
            wanted = (hidden < 0).int().argmax(
                1
            ) + self.d_in  # of every member the first id that is free
            absent = ~(net.ids.cpu() == wanted[:, None]).any(1).numpy()
            if (absent & births).any():
                carried = self._resize(net, optimiser, int((hidden >= 0).sum(1).max()) + 1, carried)
            newborn = (net.ids == wanted.to(net.ids.device)[:, None]) & torch.from_numpy(births).to(
                net.ids.device
            )[:, None]
            self._bear(net, optimiser, newborn, step)
        return carried

    def outgoing(self, net: URN, T: Tensor, living: Tensor) -> Tensor:
        """Outgoing norm of every neuron held, of weights (or of anything of their shape), `(K, n)`."""
        others, T = slice(min(net.acting.start, self.d_in), net.hidden.stop), T.abs()
        n = living.sum(1, keepdim=True) + self.d_in - others.start
        return (T[:, net.outputs].sum(1) + self.d_out * T[:, others].sum(1) / n) / 2

    def _dying(
        self, net: URN, optimiser: ProximalAdam, weak: np.ndarray, chance: np.ndarray, step: int
    ) -> np.ndarray:
        """Who of the weak dies, `(K, n)` boolean. Chance holds two numbers in [0, 1) for each of the S neurons."""
        rule, ids, S = self.rule, net.ids.cpu().numpy(), net.n_neurons
        born = np.take_along_axis(self.born.numpy(), ids, 1)
        key = np.take_along_axis(
            chance[:, :S], ids, 1
        )  # who has a small one is spared first; chance decides among equals
        if rule.spare in ("young", "old"):
            key = key + (step - born if rule.spare == "young" else born)
        elif rule.spare == "gradient" and optimiser.state:
            asked = self.outgoing(net, optimiser.state[net.weight]["exp_avg"], self.living(net))
            key = -asked.cpu().numpy()
        rank = np.argsort(np.argsort(np.where(weak, key, np.inf), 1), 1)
        drawn = np.take_along_axis(chance[:, S:], ids, 1) < rule.delete_probability
        return weak & (rank >= rule.reserve) & drawn & (step - born >= rule.youth)

    @torch.no_grad()
    def bury(
        self, net: URN, optimiser: ProximalAdam, carried: Tensor | None, dead: Tensor
    ) -> Tensor | None:
        """Empty the slots of `dead` `(K, n)`. Returns the state of streams."""
        if self.will is not None:
            for k, j in dead.nonzero().tolist():
                self.will[k] = 0
                self.will[k, net.ids[k].cpu()] = net.weight.data[k, j].cpu()
        for T in _of(net, optimiser, "weight"):
            T.masked_fill_(dead[:, :, None] | dead[:, None], 0)
        for T in _of(net, optimiser, "bias"):
            T.masked_fill_(dead, 0)
        gone = dead.cpu()
        self.born[gone.nonzero()[:, 0], net.ids.cpu()[gone]] = -1
        return None if carried is None else carried.masked_fill(dead[:, None], 0)

    def _bear(self, net: URN, optimiser: ProximalAdam, newborn: Tensor, step: int) -> None:
        """Wire up the neurons in `newborn` `(K, n)`, which sit in empty slots."""
        rule, W = self.rule, net.weight.data
        places = newborn.nonzero().tolist()
        for k, j in places:
            self.born[k, net.ids[k, j]] = step
        others = self.living(net)
        others[:, : self.d_in] = True
        n, first = others.sum(1).tolist(), min(net.acting.start, self.d_in)
        draws = {
            (k, j): self._wiring(
                self.seeds[k], step, net.ids[k].cpu(), int(net.ids[k, j]), net.n_neurons
            ).to(W)
            for k, j in places
        }
        for k, j in places:
            W[k, j] = rule.newborn_scale * draws[k, j][0] * others[k]
            if self.will is not None:
                W[k, j] += self.will[k, net.ids[k].cpu()].to(W) * others[k]
        for k, j in places:
            norm, z = rule.newborn_norm * rule.threshold, draws[k, j][1]
            within, out = z * others[k], z[net.outputs]
            within[:first] = 0
            W[k, first : net.hidden.stop, j] = (
                within * (norm * (n[k] - first) / self.d_out / within.abs().sum())
            )[first : net.hidden.stop]
            W[k, net.outputs, j] = out * (norm / out.abs().sum())
        if rule.newborn_second_moment and optimiser.state:
            fill = rule.newborn_second_moment
            optimiser.state[net.weight]["exp_avg_sq"].masked_fill_(
                newborn[:, :, None] | newborn[:, None], fill
            )
            optimiser.state[net.bias]["exp_avg_sq"].masked_fill_(newborn, fill)
        self._place(net, optimiser, newborn)

    def _place(self, net: URN, optimiser: ProximalAdam, newborn: Tensor) -> None:
        """Give neurons the positions they were given at the beginning."""
        if self.birthplaces is None:
            return
        places = self.birthplaces.gather(
            1, net.ids[..., None].expand(-1, -1, self.birthplaces.shape[-1])
        )
        position, *moments = _of(net, optimiser, "positions")
        position[newborn] = places[newborn]
        for T in moments:
            T[newborn] = 0

    def trim(self, net: URN, optimiser: ProximalAdam, carried: Tensor | None) -> Tensor | None:
        """Take slots away when many are free. Returns the state of streams."""
        most = int((self.born >= 0).sum(1).max())
        if net.hidden.stop - net.hidden.start > most + 1 + 3 * SPARE_SLOTS:
            return self._resize(net, optimiser, most + 1, carried)
        return carried

    def _resize(
        self, net: URN, optimiser: ProximalAdam, least: int, carried: Tensor | None
    ) -> Tensor | None:
        """Hold at least so many hidden slots: the living neurons' and the first free ones."""
        S = net.n_neurons
        size = min(least + SPARE_SLOTS, S - self.d_in - self.d_out)
        free = (self.born[:, self.d_in : S - self.d_out] < 0).to(torch.int8)
        hidden = torch.argsort(free, dim=1, stable=True)[:, :size].sort(1).values + self.d_in
        ends = torch.arange(S).expand(len(free), S)
        ids = torch.cat([ends[:, : self.d_in], hidden, ends[:, S - self.d_out :]], 1).to(
            net.ids.device
        )
        carried, new = compaction.rearrange(net, optimiser, carried, ids)
        self._place(net, optimiser, new)
        return carried

    def dismiss(self, finite: Tensor) -> None:
        """Only these members go on."""
        finite = finite.cpu()
        self.born, self.seeds = (
            self.born[finite],
            [s for s, keep in zip(self.seeds, finite.tolist(), strict=True) if keep],
        )
        self.will = None if self.will is None else self.will[finite]
        self.birthplaces = (
            None
            if self.birthplaces is None
            else self.birthplaces[finite.to(self.birthplaces.device)]
        )

    # ---- chance: a function of seed and step alone

    def _chance(self, step: int, S: int) -> np.ndarray:
        """Numbers in [0, 1) of every member, `(K, 2 + 2 S)`; drawn for many updates at once."""
        rows = max(1, (1 << 15) // (2 + 2 * S))
        block, row = divmod(step, rows)
        key = (block, tuple(self.seeds))
        if self._drawn[0] != key:
            draws = [
                np.random.default_rng([seed, block, 0]).random((rows, 2 + 2 * S))
                for seed in self.seeds
            ]
            self._drawn = key, np.stack(draws, 1)
        return self._drawn[1][row]

    @staticmethod
    def _wiring(seed: int, step: int, ids: Tensor, neuron: int, S: int) -> Tensor:
        """Normal numbers for what a newborn hears from and says to the neurons held, `(2, n)`."""
        draws = np.random.default_rng([seed, step, 1 + neuron]).standard_normal((2, S))
        return torch.from_numpy(draws)[:, ids]


def _of(net: URN, optimiser: ProximalAdam, name: str) -> list[Tensor]:
    """A parameter's values and what the optimiser remembers of it."""
    parameter = getattr(net, name)
    return [
        parameter.data,
        *(T for T in optimiser.state.get(parameter, {}).values() if isinstance(T, Tensor)),
    ]
