"""`view -o FILE.html`: one page that shows a thing, or a prediction beside its truth, in any browser and without a network.

`panes.py` makes of a scene type what the page draws, `differences.py` hits and misses of two grids, `beside.py` the picture that belongs
to a file, `page.py` the page: the HTML, CSS and JavaScript files here and the library in `three/`, in one.
"""
