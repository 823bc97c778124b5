"""What came out, in plain sentences."""

from experiments.discover.confirm import LEVEL, Outcome
from experiments.discover.differences import Difference


def paragraph(outcomes: list[Outcome], is_learned: bool) -> str:
    """All that the dials bring, as one paragraph; what pays comes first.

    Parameters
    ----------
    outcomes : list of Outcome
    is_learned : bool
        Whether any network answers better than the best constant.
    """
    if not is_learned:
        return "Nothing pays: no network is shown to answer better than the best constant answer."
    pay = [outcome for outcome in outcomes if outcome.pays]
    rest = [outcome for outcome in outcomes if not outcome.pays]
    said = [sentence(outcome) for outcome in (*pay, *rest)]
    if not pay:
        said.insert(0, "Nothing pays: no network is shown to do better than a linear one.")
    return " ".join(said)


def sentence(outcome: Outcome) -> str:
    """What a dial brings."""
    # From the strongest statement to the weakest: pays, costs, brings what does not count, nothing.
    gain = outcome.gain
    words = outcome.dial.words
    if outcome.pays:
        assert outcome.on_twin is not None
        twin = _on_twin(outcome.on_twin)
        return f"{words} brings {_with_interval(gain)}; {outcome.dial.twin_words} it {twin}."
    if gain.p < LEVEL and gain.mean < 0:
        return f"{words} costs {_with_interval(_turned(gain))}."
    if gain.p < LEVEL and outcome.on_twin is not None:
        return f"{words} brings {_with_interval(gain)}, {_why_not(outcome)}."
    if gain.low > 0:
        return f"{words} may bring {_with_interval(gain)}: that is not settled."
    return f"{words} brings nothing ({_signed(gain)})."


def points(score: float) -> str:
    """A difference in score as points: 0.142 is 14.2."""
    # Minus zero is zero.
    return f"{100 * score:.1f}".replace("-0.0", "0.0")


def _why_not(outcome: Outcome) -> str:
    """Why a gain that is there does not count."""
    assert outcome.on_twin is not None
    if outcome.learned.low <= 0:
        return "but answers no better than the best constant answer"
    if outcome.on_twin.p < LEVEL and outcome.on_twin.mean > 0:
        return f"but {outcome.dial.twin_words} it brings {points(outcome.on_twin.mean)} too"
    return "which is too little, or too uncertain, to count"


def _on_twin(twin: Difference) -> str:
    if twin.p < LEVEL:
        return f"{'brings' if twin.mean > 0 else 'costs'} {points(abs(twin.mean))}"
    return "brings none"


def _with_interval(gain: Difference) -> str:
    return f"{points(gain.mean)} points ({points(gain.low)} to {points(gain.high)})"


def _signed(gain: Difference) -> str:
    return f"{points(gain.mean)} points, {points(gain.low)} to {points(gain.high)}"


def _turned(gain: Difference) -> Difference:
    return Difference(-gain.mean, -gain.high, -gain.low, gain.p)
