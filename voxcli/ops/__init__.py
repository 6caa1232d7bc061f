"""Operations on scene types that commands and the Python interface share: conversion, framing, filling, rendering, fusing, segmenting.

Plain functions: nothing here prints, parses arguments or imports `cli`. Errors are VoxcliErrors.
"""
