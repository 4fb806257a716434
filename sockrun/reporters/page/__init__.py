"""A run as one page of HTML that needs no network: `--html`.

Lives here: what the page is told of a run (`telling`), the page itself (`page.html`, `page.css`, `page.js`), and how
they become one file (`writing`). Must not live here: what a diagram is (`pictures/`), and what is said of a failure
(`failures.py`).

The one theory: the page is a program that shows data. So nothing of a run ever becomes markup, and what nobody looks at
costs no more than its data.
"""
