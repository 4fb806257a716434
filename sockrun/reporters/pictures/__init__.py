"""A run as a sequence diagram: who said what to whom, and where each was waiting.

Lives here: the diagram as data (`diagram`), how it comes from a trace (`tracing`, with `peers`: who is at the other
end, and `flows`: which bytes of a receive are those of which send) or from the steps of what is not played
(`planning`), and the ways to write it (`text`, `mermaid`).

The one theory: everybody tells only what they did themselves, so an arrow is two entries of the trace, a send and a
receive, joined. What cannot be joined without guessing stays two.
"""
