"""What a page can do with a session, message by message, and what it is told.

`handle` takes the messages of `experiments.play.messages`; all that is told goes into one pipe, to
every page alike.
"""

import json
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from experiments.play import messages
from experiments.play.frames import frame
from experiments.play.judge import N_DRAWS
from experiments.play.plan import SETTINGS
from experiments.play.presets import PRESETS
from experiments.play.session import Session, preset_config
from urn.errors import InputError, is_out_of_memory
from urn.runs.run import has_exact_zeros
from urn.settings.config import TrainConfig

FIRST = "layered"
"""The preset that a page opens with: its data are drawn, which takes no time."""
VERDICT_SECONDS = 2.0
"""Between verdicts, at least. By judgement: a network changes little in less."""
SAMPLES_JUDGED = 500
"""Validation samples that verdicts rest on, as `urn inspect` takes them."""
PAUSE = 2.5
"""Times that a verdict took, from one to the next: it leaves something of a processor."""
MOST_WEIGHTS = 60_000
"""Connections of a network that is judged. By judgement: of so many it takes some seconds."""
MOST_POINTS = 400
"""Points of the curves of loss and accuracy."""
DIALS = {
    "weight": (-6, -1),
    "bias": (-6, 0),
    "activity": (-6, -1),
    "depth": (-6, 1),
    "self": (-6, 1),
    "locality": (-6, 0),
    "symmetry": (-6, 0),
    "outgoing": (-6, -1),
}
"""Powers of ten between which a strength is turned; 0 is below them."""
SMALL = {"w0": (0.0, 1.0), "q": (0.25, 8.0)}
"""Dials that are turned evenly."""


class Studio:
    """A session, what is told of it, and what is asked of it.

    Parameters
    ----------
    pipe, judge : Connection
        To the server, and to the process that gives verdicts.
    out : path
        Folder for run folders.
    """

    def __init__(self, pipe: Connection, judge: Connection, out: Path) -> None:
        self.pipe = pipe
        self.judge = judge
        self.out = out
        self.by = "layers"
        self.running = False
        self.until: int | None = None
        self.changed = False
        self.asked = False  # a verdict is on its way
        self.asked_at = 0.0
        self.serial = 0  # counts networks: a verdict on an earlier one is not this one's
        self.judged_step: int | None = None
        self.verdict: dict[str, Any] | None = None
        self.before: bytes | None = None  # the last frame of the network before
        self.session: Session
        self._begin(preset_config(FIRST, 0), FIRST)

    # ---- what is told

    def send(self, kind: str, **fields: Any) -> None:
        """Send an object to every page."""
        text = json.dumps({"kind": kind, **fields}, separators=(",", ":"))
        self.pipe.send_bytes(b"J" + text.encode())

    def show(self) -> None:
        """Send a frame."""
        self.changed = False
        if not self.session.alive:
            self.running = False
            self.send("error", text="Training diverged. Go back to an earlier moment.")
            self.send_session()
            return

        # The point first: the frame reads the same accuracy, which is measured once a step.
        self._note_point()
        self.pipe.send_bytes(b"F" + frame(self.session, self.by))

    def _note_point(self) -> None:
        """A point of the curves, now and then; every second goes where there are too many."""
        step = self.session.step
        self.points = [point for point in self.points if point[0] < step]
        self.points.append([step, self.session.accuracy()])
        if len(self.points) > MOST_POINTS:
            self.points = self.points[::2]

    def send_session(self) -> None:
        """Send all that pages show beside frames."""
        session = self.session
        config = session.config
        preset = PRESETS.get(session.preset or "")

        self.send(
            "session",
            serial=self.serial,
            preset=session.preset,
            origin=session.origin,
            rate_is_plain=session.planned.learning_rate.constant,
            presets=[[name, p.title, p.why] for name, p in PRESETS.items()],
            why=preset.why if preset else None,
            task=base_task(config)[0],
            tasks=list(messages.TASKS),
            twins=[kind for kind in messages.TWINS if self._can(kind)],
            twin=config.task_options["kind"] if config.task == "twin" else None,
            n_neurons=config.n_neurons,
            n_iterations=config.n_iterations,
            seed=config.seed,
            rate=config.learning_rate.value,
            places=config.hidden_positions,
            growth=config.growth is not None,
            score="R2" if session.data.kind == "regression" else "accuracy",
            dials=[self._dial(name) for name in (*DIALS, *SMALL)],
            turns=[list(turn) for turn in session.turns[-MOST_POINTS:]],
            step=session.step,
            latest=session.latest,
            steps=config.steps,
            running=self.running,
            by=self.by,
            silenced=list(session.silenced),
            points=self.points,
        )

    def _dial(self, name: str) -> dict[str, Any]:
        """A dial: where it stands, and between what it is turned."""
        value = self.session.value(name)
        even = name in SMALL

        if name in SMALL:
            low, high = SMALL[name]
            needs = {"w0": "self", "q": "locality"}[name]
            usable = needs in self.session.config.strengths
        else:
            low, high = DIALS[name]
            usable = value is not None

        return {
            "name": name,
            "value": value,
            "low": low,
            "high": high,
            "even": even,
            "usable": usable,
        }

    def _can(self, kind: str) -> bool:
        """Whether the data of now have a twin of a kind."""
        return kind != "shuffled_positions" or self.session.data.positions is not None

    # ---- verdicts

    def ask_verdict(self) -> None:
        """Have the network judged, if it changed and the last verdict is there."""
        session = self.session
        now = time.monotonic()
        took = self.verdict["seconds"] if self.verdict else 0.0
        if self.asked or now < self.asked_at + max(VERDICT_SECONDS, PAUSE * took):
            return
        if not session.alive or self.judged_step == session.step:
            return
        # A dense matrix has no structure yet, and takes minutes to say so.
        n_weights = int(torch.count_nonzero(session.trainer.net.weight))
        if n_weights > MOST_WEIGHTS:
            return
        self.asked = True
        self.asked_at = now
        self.judged_step = session.step
        self.judge.send({"network": self._network(), "step": session.step, "serial": self.serial})

    def _network(self) -> dict[str, Any]:
        """The arguments of `analyse`, as a run gives them."""
        session = self.session
        net = session.trainer.net
        W, b = net.full()
        positions = session.trainer.population.snapshot(0).positions
        exact = has_exact_zeros(session.config, session.step)
        return {
            "weights": W[0].numpy(),
            "biases": b[0].numpy(),
            "positions": None if positions is None else positions.numpy(),
            "positions_learned": session.config.hidden_positions == "learned",
            "threshold": 0.0 if exact and session.step else None,
            "inputs": session.data.validation[0][:SAMPLES_JUDGED].numpy().astype(float),
            **net.wiring.to_dict(),
        }

    def send_verdict(self, verdict: dict[str, Any]) -> None:
        """Pass a verdict on, if it is on the network of now."""
        self.asked = False
        if verdict["serial"] != self.serial:
            return
        self.verdict = {**verdict, "draws": N_DRAWS}
        self.send(**self.verdict)

    # ---- what is asked

    def handle(self, fields: dict[str, Any]) -> None:
        """Do what a page asks for, or say in a line to it why not."""
        client = fields.pop("client", None)
        try:
            message = messages.read(fields)
            HANDLERS[fields["do"]](self, message)
        except InputError as error:
            self.send("error", client=client, text=str(error))
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            self.send("error", client=client, text="This does not fit into memory.")

    def train(self, stop: Any) -> None:
        """Train until `stop` says so, or to where it was told to pause."""
        self.session.advance(self.until, stop)
        self.changed = True
        reached = self.until is not None and self.session.step >= self.until
        if reached or self.session.done:
            self.running = False
            self.until = None
            self.send_session()

    def _begin(
        self, config: TrainConfig, preset: str | None = None, origin: str | None = None
    ) -> None:
        """Start another network, and keep a picture of the one before."""
        session = Session(config, preset, origin)  # raises before anything has changed

        # The first network of all has none before it.
        if self.serial and self.session.alive:
            summary = self.verdict["summary"] if self.verdict else "not judged yet"
            self.before = b"B" + frame(self.session, self.by)
            self.told_before = {"summary": summary, **self._short()}
        self.session = session
        self.serial += 1
        self.verdict = None
        self.judged_step = None
        self.points: list[list[float]] = []
        self.until = None
        self.changed = True

    def _short(self) -> dict[str, Any]:
        """What tells a network from the one beside it."""
        config = self.session.config
        return {
            "preset": self.session.preset,
            "task": base_task(config)[0],
            "n_neurons": config.n_neurons,
            "n_iterations": config.n_iterations,
            "seed": config.seed,
            "step": self.session.step,
        }

    def _anew(self) -> None:
        """Tell everything about a network that was just started, and train it."""
        self.running = True
        self._hello(None)

    def _hello(self, _: Any) -> None:
        self.send_session()
        if self.before is not None:
            self.send("before", **self.told_before)
            self.pipe.send_bytes(self.before)
        self.show()
        if self.verdict is not None:
            self.send(**self.verdict)

    def _run(self, _: messages.Run) -> None:
        self.running = not self.session.done
        self.until = None
        self.send_session()

    def _pause(self, _: messages.Pause) -> None:
        self.running = False
        self.until = None
        self.send_session()

    def _step(self, message: messages.Step) -> None:
        self.until = self.session.step + message.n
        self.running = True

    def _back(self, message: messages.Back) -> None:
        self.session.back(message.step)
        self.running = False
        self.until = None
        self.changed = True
        self.send_session()

    def _dial_turned(self, message: messages.Turned) -> None:
        self.session.turn(message.name, message.value)
        self.changed = True
        self.send_session()

    def _preset(self, message: messages.FromPreset) -> None:
        self._begin(preset_config(message.name, message.seed), message.name)
        self._anew()

    def _start(self, message: messages.Start) -> None:
        origin = message.preset or self.session.origin
        self._begin(self._asked_for(message), origin=origin)
        self._anew()

    def _asked_for(self, message: messages.Start) -> TrainConfig:
        """The configuration of a new network; a preset is what it begins from, if one is named."""
        if message.preset is not None:
            session = Session(preset_config(message.preset, 0), message.preset)
        else:
            session = self.session
        names = ("task", "n_neurons", "n_iterations", "seed")
        fields = {name: getattr(message, name) for name in names}
        fields = {name: value for name, value in fields.items() if value is not None}
        if message.rate is not None:
            fields["learning_rate"] = message.rate

        planned = session.planned
        # The same task stays a twin; another one is taken as it is.
        if fields.get("task", base_task(planned)[0]) == base_task(planned)[0]:
            fields.pop("task", None)
        else:
            fields["task_options"] = {}

        # w0 and q are fields of the configuration, all other dials are strengths.
        given = dict(message.dials)
        for dial in SETTINGS.keys() & given.keys():
            fields[SETTINGS[dial]] = given.pop(dial)
        fields["strengths"] = given
        if message.places is not None and planned.hidden_positions != "lattice":
            fields["hidden_positions"] = "learned" if message.places else "none"
        return session.changed(**fields)

    def _whatif(self, message: messages.WhatIf) -> None:
        task, options = base_task(self.session.planned)
        if not self._can(message.kind):
            raise InputError(f"kind: the inputs of task {task} have no places to shuffle")
        if message.on:
            task, options = "twin", {"of": task, "options": options, "kind": message.kind}
        changed = self.session.changed(task=task, task_options=options)
        self._begin(changed, self.session.preset)
        self._anew()

    def _silence(self, message: messages.Silence) -> None:
        self.session.lesion(message.neurons)
        self.send_session()
        self.show()

    def _order(self, message: messages.Order) -> None:
        self.by = message.by
        self.send_session()
        self.show()

    def _save(self, message: messages.Save) -> None:
        folder = self.out / message.name
        if not self.session.alive:
            raise InputError("save: the network diverged; go back to an earlier moment first")
        self.out.mkdir(parents=True, exist_ok=True)
        run = self.session.save(folder)
        self.send("saved", folder=str(folder), step=run.steps_done, accuracy=run.test_accuracy)


HANDLERS = {
    "hello": Studio._hello,
    "run": Studio._run,
    "pause": Studio._pause,
    "step": Studio._step,
    "back": Studio._back,
    "dial": Studio._dial_turned,
    "preset": Studio._preset,
    "start": Studio._start,
    "whatif": Studio._whatif,
    "silence": Studio._silence,
    "order": Studio._order,
    "save": Studio._save,
}
"""What is done for each message, by what it says in `do`."""


def base_task(config: TrainConfig) -> tuple[str, dict[str, Any]]:
    """The task of a configuration and its options; of a twin, the task that it is a twin of."""
    options = config.to_dict()["task_options"]
    if config.task == "twin":
        return options["of"], options.get("options", {})
    return config.task, options
