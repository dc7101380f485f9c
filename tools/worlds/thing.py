"""Things and where they stand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from .mesh import Part, rotation, scaling, translation

Array = np.ndarray
State = dict[str, float]
OWN = "drawn by rule"


@dataclass(frozen=True, eq=False)
class Thing:
    """Something that can stand in a world: its base centred at the origin, z up, front towards -y.

    Attributes:
        name, kind: for the record; ``kind`` is "package", "solid", "jointed" or "opening".
        build: parts for a state; the topology is the same for every state.
        rest: the state it is in when nothing is done to it.
        ranges: (lowest, highest) of every value of the state, angles in radians.
        author, licence: of the model.
        shows_turn: whether a turn about its axis can be seen.
    """

    name: str
    kind: str
    build: Callable[[State], list[Part]]
    rest: State = field(default_factory=dict)
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    author: str = OWN
    licence: str = "MIT"
    shows_turn: bool = True


@dataclass(frozen=True)
class Pose:
    """Where and how a thing stands: place on the ground, height of its base, turn about z, lean, size, state.

    Angles in radians; ``stretch`` by axis about the middle of the base, before turning.
    """

    place: tuple[float, float] = (0.0, 0.0)
    height: float = 0.0
    turn: float = 0.0
    lean: float = 0.0
    stretch: tuple[float, float, float] = (1.0, 1.0, 1.0)
    state: tuple[tuple[str, float], ...] = ()

    def matrix(self) -> Array:
        """(4, 4) from the thing's own metres to the world's."""
        turned = rotation((0, 0, 1), self.turn) @ rotation((0, 1, 0), self.lean) @ scaling(*self.stretch)
        return translation(*self.place, self.height) @ turned

    def having(self, **values: float) -> Pose:
        """With some values of the state changed."""
        return replace(self, state=tuple(sorted({**dict(self.state), **values}.items())))


@dataclass(frozen=True, eq=False)
class Body:
    """A thing in a scene, before and after."""

    thing: Thing
    before: Pose
    after: Pose

    @property
    def moves(self) -> bool:
        return self.before != self.after

    def parts(self, pose: Pose) -> list[Part]:
        """In the world; a leaning or lifted thing is set on the ground's height plus its own."""
        parts = self.thing.build({**self.thing.rest, **dict(pose.state)})
        return [part.transformed(pose.matrix()) for part in parts]
