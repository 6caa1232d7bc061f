"""Tables of papers and benchmarks on a user's own copy of the data: what `voxcli evaluate` does.

How the data flow:

1. `protocol.py` reads a protocol, one YAML file: which data, which options of the model, which metrics, which tables with which published
   numbers. `protocols/` has those that come with voxcli.
2. `readers/` opens the data: one class a layout, which gives each sample its pictures, its truth and its category.
3. `samples.py` makes a sample's prediction, by a model or from a file, and scores it. A sample is one line of `samples.jsonl`.
   `retrieval.py` is a method without a model; `timing.py` measures a network itself.
4. `results.py` keeps the lines, so that an interrupted evaluation goes on, and summarises them by the rules of `metrics/summaries.py`.
5. `tables.py` sets the summaries beside the published numbers; `pictures.py` draws the sheet and the plot.

The package knows no command. `cli/commands/evaluate.py` runs the loop.
"""
