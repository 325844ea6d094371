"""`sigil demo`: a page that draws this machine's load and this server's ring, live.

Theory: `machine` reads the kernel's counters, `handler` records samples and answers requests,
`live` publishes what changes and has the loop, `slow_readers` decides who may read slowly and for
how long. `demo.html` is the page.

Rules: every figure shown is measured; a figure that is not known is null.
"""
