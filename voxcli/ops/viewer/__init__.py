"""`view -o FILE.html`: one page that shows a thing, or a prediction beside its truth, in any browser and without a network.

`panes.py` makes of a scene type what the page draws, `differences.py` hits and misses of two grids, `beside.py` the picture that belongs
to a file, `page.py` the page: `template.html`, `theme.css`, `style.css`, `viewer.js` and its parts, and the library in `three/`, in one.
"""
