"""Errors that a user reads."""

from __future__ import annotations

# ComfyUI loads a pack by its path as a module name, and shows an error with its module: a path before every sentence.
_SHOWN_MODULE = __name__ if all(part.isidentifier() for part in __name__.split(".")) else "attention_drag.errors"


class InputError(ValueError):
    """A value that the pack can't work with, told so that the user can mend it.

    Args:
        input: name of the input at fault, as the user sees it ("points", "mask", "budget_mb").
        problem: what is wrong, with the value in it.
        mend: what to do about it.

    The node that let the value in puts its own name in front (see ``named``).
    """

    __module__ = _SHOWN_MODULE

    def __init__(self, input: str, problem: str, mend: str):
        self.input = input
        self.problem = problem
        self.mend = mend
        super().__init__(input, problem, mend)

    def __str__(self) -> str:
        return f"{self.input}: {self.problem} {self.mend}"

    def named(self, node: str) -> InputError:
        """The same error with the node's name in front of the input's."""
        return type(self)(f"{node}, input '{self.input}'", self.problem, self.mend)


class UnsupportedModelError(InputError):
    """The model has no U-Net self-attention that could be read."""

    __module__ = _SHOWN_MODULE
