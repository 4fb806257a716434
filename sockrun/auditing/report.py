"""What `sockrun audit` prints: for each file its holes and its score, or all of them as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sockrun.auditing.auditor import Audit, Progress, Tally
from sockrun.diagnostics import as_dict, render_all, visible


def of_file(audit: Audit, *, color: bool = False) -> str:
    """The file's block: its holes, then its score."""
    return "\n".join([*render_all(audit.holes, color=color), *map(visible, _lines(audit))])


def summary(audits: Sequence[Audit], of: int) -> str:
    """The last line: all files together. `of`: so many there are, all of which are audited but for an interruption."""
    audited = [audit for audit in audits if audit.audited]
    left = len(audits) - len(audited)
    parts = [f"{len(audited):,} file{'' if len(audited) == 1 else 's'} audited"]
    parts += [f"{left:,} not audited"] if left else []
    parts += [f"{of - len(audits):,} not begun"] if of > len(audits) else []
    if not audited:
        return ", ".join(parts)
    expected = _together(audit.expectations for audit in audited)
    return f"{', '.join(parts)}: {_expectations(expected)}{_bytes(_together(audit.bytes for audit in audited))}"


def _together(tallies: Iterable[Tally]) -> Tally:
    return Tally(*map(sum, zip(*tallies, strict=True)))


def progress(far: Progress, place: int, of: int) -> str:
    """How far it is, for a line that is written over."""
    return f"[{place} of {of}] {visible(far.path)}: {far.done:,} of {far.total:,} changes"


def _lines(audit: Audit) -> Iterator[str]:
    for identity, reason in audit.reasons:
        yield f"{identity}: not audited: {reason}"
    if not audit.audited:
        return
    if audit.cut_short:
        why = "it was interrupted" if audit.interrupted else "the budget is used up"
        tried = audit.expectations.tried + audit.bytes.tried
        total = audit.expectations.total + audit.bytes.total
        yield f"{audit.path}: only {tried:,} of {total:,} changes were tried, at random: {why}"
    yield from (f"{audit.path}: only {words} were tried: they are too many" for words in audit.untried)
    yield f"{audit.path}: {_expectations(audit.expectations)}{_bytes(audit.bytes)}"


def _expectations(tally: Tally) -> str:
    if not tally.total:
        return "it expects nothing that could be changed"
    changes = f"{tally.tried:,} change{'' if tally.tried == 1 else 's'} of what is expected"
    return f"{tally.noticed:,} of {changes} {'was' if tally.noticed == 1 else 'were'} noticed ({_percent(tally)}%)"


def _bytes(tally: Tally) -> str:
    if not tally.tried:
        return ""
    looked_at = f"{tally.noticed:,} of {tally.tried:,} byte{'' if tally.tried == 1 else 's'} sent"
    return f", {looked_at} {'is' if tally.noticed == 1 else 'are'} looked at ({_percent(tally)}%)"


def _percent(tally: Tally) -> int:
    """Rounded down, so that only what is whole is 100."""
    return 100 * tally.noticed // tally.tried if tally.tried else 0


def as_json(audits: Sequence[Audit]) -> str:
    """Everything, for other programs; shares are from 0 to 1."""
    import json

    return json.dumps({"files": [_as_dict(audit) for audit in audits]}, indent=2)


def _as_dict(audit: Audit) -> dict[str, Any]:
    return {
        "file": audit.path,
        "audited": audit.audited,
        "score": round(audit.score, 4) if audit.audited else None,
        "expectations": audit.expectations._asdict(),
        "bytes": audit.bytes._asdict(),
        "interrupted": audit.interrupted,
        "holes": [as_dict(hole) for hole in audit.holes],
        "untried": list(audit.untried),
        "not_audited": [{"id": identity, "reason": reason} for identity, reason in audit.reasons],
    }
