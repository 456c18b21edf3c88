#!/usr/bin/env bash
# idx2numpy 1.2.3, six 1.17.0, numpy 2.4.6, Python 3.11
#
# idx2numpy cannot write the arrays that it reads. The numbers of an IDX file are big-endian, and so are the arrays that
# it returns, except those of single bytes. Its writer takes the byte order of the machine only, and refuses the others
# as a type that the format does not have. An array that was read, or changed in place after a copy, has to be converted
# before it is written: array.astype(array.dtype.newbyteorder("=")). Only the bytes of MNIST need nothing, so that code
# that was tried on MNIST fails on the first file of integers or floats.
#
# Guessed: arrays of the machine's byte order, which are written as they are.
#
# Output seen:
#     uint8: read as uint8, written
#     int8: read as int8, written
#     int16: read as >i2, FormatError: numpy ndarray type not supported by IDX format.
#     int32: read as >i4, FormatError: numpy ndarray type not supported by IDX format.
#     float32: read as >f4, FormatError: numpy ndarray type not supported by IDX format.
#     float64: read as >f8, FormatError: numpy ndarray type not supported by IDX format.
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/python -m pip install -qq --no-compile --disable-pip-version-check numpy==2.4.6 six==1.17.0 idx2numpy==1.2.3
venv/bin/python - <<'PYTHON'
import sys

import numpy as np
from idx2numpy import FormatError, convert_from_file, convert_to_file


def written(array):
    with open("again", "wb") as file:
        convert_to_file(file, array)
    return np.array_equal(convert_from_file("again"), array)


assert sys.byteorder == "little"
for name in ("uint8", "int8", "int16", "int32", "float32", "float64"):
    with open("file", "wb") as file:
        convert_to_file(file, np.arange(6, dtype=name).reshape(2, 3))
    array = convert_from_file("file")
    try:
        assert written(array)
        outcome = "written"
    except FormatError as error:
        outcome = f"FormatError: {error}"
    shown = array.dtype.str if array.dtype.byteorder == ">" else array.dtype.name
    print(f"{name}: read as {shown}, {outcome}")
    assert (outcome == "written") == (array.dtype.itemsize == 1)
    assert written(array.astype(array.dtype.newbyteorder("=")))
PYTHON
