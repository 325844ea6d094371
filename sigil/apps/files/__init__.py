"""`sigil files`: a folder as a site, and a page of live figures beside it.

`app` answers requests and publishes the figures; `figures.html` is the page. The handler of the
folder is `sigil.static_files`, which any program can have.
"""
