"""The Python interface: what `import voxcli` offers, one small file a function. Each is imported when it is first used.

Frames and units are those of the commands: world +y up, metres where units are known; camera x right, y down, z forward. Wrong input raises
a VoxcliError with `expected`, `actual` and `hint`.
"""
