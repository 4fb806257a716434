"""What an `expect` wants, compiled from the file into matchers of bytes.

Lives here: every form of a matcher, told from unread bytes of a stream or from a whole message. Must not live
here: where messages come from (`framing.py`), and what happens when a matcher has decided (`interpreter.py`).

The theory of reading stands in `commands.py`: take exactly these bytes, or leave the buffer alone, or say
that nothing can match any more, and never let the verdict depend on how the bytes were split. Each module has
one family of forms; `forms.py` has the table of them.
"""

from sockrun.matching.expectation import Expectation
from sockrun.matching.forms import FORMS, compile_matcher

__all__ = ["FORMS", "Expectation", "compile_matcher"]
