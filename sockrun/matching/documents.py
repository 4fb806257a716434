"""`json`: a message that parses, and holds at least what is wanted of it.

Lives here: JSON (RFC 8259) compared by meaning. An object may have more members than are wanted; a list has
exactly as many elements, each of which is compared the same way.
"""

from __future__ import annotations

from collections.abc import Iterator

from sockrun.commands import Match, Mismatch
from sockrun.matching.expectation import (
    Expectation,
    MessageOnly,
    Request,
    expectation,
    mismatch,
    needs_message,
)
from sockrun.wire.deferred import combine
from sockrun.wire.packing import Json
from sockrun.wire.payloads import json_value


class Document(MessageOnly):
    """A JSON text that holds at least `wanted`."""

    summary = "JSON"

    def __init__(self, wanted: Json) -> None:
        self.wanted = wanted

    def judge(self, message: bytes) -> Match | Mismatch:
        import json  # start-up

        try:
            found = json.loads(message, parse_constant=_refuse)
        except RecursionError:
            return mismatch("is not JSON: it is nested too deeply", message)
        except json.JSONDecodeError as error:
            offset = len(error.doc[: error.pos].encode("utf-8", "surrogatepass"))
            return mismatch(f"is not JSON: {error.msg}", message, offset)
        except UnicodeDecodeError as error:
            return mismatch("is not JSON: it is not UTF-8 text", message, error.start)
        except ValueError as error:
            return mismatch(f"is not JSON: {error}", message)
        wrong = next(_differences("", found, self.wanted), None)
        return Match(message) if wrong is None else mismatch(wrong, message)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON")


def _differences(path: str, found: Json, wanted: Json) -> Iterator[str]:
    """What is not as wanted at `path`, in order, as sentences without their subject."""
    if _kind(found) != _kind(wanted):
        yield f"{_at(path)} {_written(found)}, not {_written(wanted)}"
    elif isinstance(wanted, dict) and isinstance(found, dict):
        for key, value in wanted.items():
            inner = f"{path}.{key}" if path else key
            if key in found:
                yield from _differences(inner, found[key], value)
            else:
                yield f"has no member {inner}"
    elif isinstance(wanted, list) and isinstance(found, list):
        if len(found) != len(wanted):
            yield f"{_at(path)} a list of {len(found)}, not of {len(wanted)}"
        for at, (one, other) in enumerate(zip(found, wanted, strict=False)):
            yield from _differences(f"{path}[{at}]", one, other)
    elif found != wanted:
        yield f"{_at(path)} {_written(found)}, not {_written(wanted)}"


def _kind(value: Json) -> str:
    """Numbers are one kind (1 and 1.0 are the same), and true is none of them."""
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def _at(path: str) -> str:
    return f"member {path} is" if path else "is"


def _written(value: Json) -> str:
    import json

    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


def document(request: Request) -> Expectation | None:
    if needs_message("json", request):
        return None
    inner = request.entry("json")
    return expectation("JSON", combine(request.context, inner, Document, json_value(inner, request.context)))
