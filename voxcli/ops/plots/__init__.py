"""Plots of scores and of trainings, for people: SVG, PNG, and pages that ask no network.

`drawing.py` has marks and what they become, `charts.py` the charts, `scores.py` and `runs.py` what is read and shown of metric records and
of run folders, `report.py` the sheet and the page (`report.html`, `report.css`).
"""
