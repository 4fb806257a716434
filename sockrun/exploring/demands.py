"""What is demanded of a run under other conditions than the plain one.

Lives here: each demand, and the sentence for a run that does not meet it. Must not live here: how it is played.

The one theory: what networks and systems may do must not change the verdict; what they must not do, such as ending a
connection early, may well change it, but must not go unnoticed.

- `split`, `order`, `loss`: the verdict is the plain one. A scenario that is expected to fail still fails so.
- `end`: a run may fail. But one that passes must not have taken less, or something else, than the plain one without
  any of its steps having been told of an end (bytes were lost, and nobody has noticed); and one whose connection was
  ended must not go on until a time is over.
- Always: no bug of sockrun's, and an end.
"""

from __future__ import annotations

from collections.abc import Sequence

from sockrun.exploring.decisions import Ends
from sockrun.exploring.trials import Stream, Trial
from sockrun.hexdump import size_text
from sockrun.results import Status


def broken(trial: Trial, plain: Trial) -> str | None:
    """What is wrong with the run, in a sentence; None: nothing is."""
    result = trial.result
    if result.status is Status.INTERRUPTED:
        return None
    if result.status is Status.BUG:
        return "a bug in sockrun shows"
    ends = [one for one in trial.decisions if isinstance(one, Ends)]
    if not ends:
        return None if result.status is plain.result.status else _turned(trial, plain)
    if result.status is Status.PASSED:
        return None if plain.result.reason else _unnoticed(trial, plain, ends)
    timeout = result.failure is not None and result.failure.kind == "timeout"
    if timeout and all(one.how != "silence" for one in ends):
        return "the connection has ended, and somebody waits until a time is over"
    return None


def _turned(trial: Trial, plain: Trial) -> str:
    """The verdict is not that of the plain run."""
    if plain.result.reason:
        return "it does not fail as it is expected to, as it does where nothing happens"
    return "it fails, and passes where nothing happens"


def _unnoticed(trial: Trial, plain: Trial, ends: Sequence[Ends]) -> str | None:
    """Bytes that the plain run took are lost, and no step was told of an end instead."""
    damaged = {one.stream for one in ends}
    for stream in trial.streams:
        if stream.number in damaged and stream.lost and not stream.to_proxy:
            what = _taken(stream, trial, plain)
            if what is not None:
                return f"it passes, though {size_text(stream.lost)} from {stream.sender} never came: {what}"
    return None


def _taken(stream: Stream, trial: Trial, plain: Trial) -> str | None:
    """What the receiver took instead of what it took in the plain run, if that went unnoticed."""
    who = stream.receiver
    wanted, took = plain.took.get(who, ()), trial.took.get(who, ())
    for before, now in zip(wanted, took, strict=False):
        if before != now:
            return f"{who} took {plain.shown(now)} for {plain.shown(before)}"
    if len(took) < len(wanted) and trial.told.get(who, 0) <= plain.told.get(who, 0):
        return f"{who} took {len(took):,} of {len(wanted):,} messages and was told of no end"
    return None
