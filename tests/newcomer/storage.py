"""What storage.fvir computes, by Python's exact numbers: storage.py MODEL FOLDER writes FOLDER/x.npy;
storage.py MODEL FOLDER/x.npy RESULTS compares RESULTS/y.npy and r.npy with it, bit for bit."""
import re
import struct
import sys
from fractions import Fraction


def numbers(model, name):
    return [Fraction(v) for v in re.search(rf"const @{name}: [^=]*= \[([^\]]*)\]", model).group(1).split(",")]


def read(path):
    with open(path, "rb") as f:
        data = f.read()
    start = 10 + struct.unpack_from("<H", data, 8)[0]
    return [Fraction(v) for v in struct.unpack(f"<{(len(data) - start) // 4}f", data[start:])]


def write(path, values, columns):
    head = "{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }" % (len(values) // columns, columns)
    head += " " * (63 - (10 + len(head)) % 64) + "\n"
    with open(path, "wb") as f:
        f.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode())
        f.write(struct.pack(f"<{len(values)}f", *values))


def nearest(v):
    """Of a sign, one bit of exponent and two of fraction: the multiples of 1/4 up to 7/4; ties to even, beyond clipped."""
    return max(-Fraction(7, 4), min(Fraction(7, 4), Fraction(round(v * 4), 4)))


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        model = f.read()
    weights, scales = numbers(model, "q"), numbers(model, "s")
    rows, columns = 32, 16
    if len(sys.argv) == 3:  # eighths lie halfway between two numbers of the type
        write(sys.argv[2] + "/x.npy", [(i * 37 % 41 - 20) / 8 for i in range(7 * rows)], rows)
        return
    x = read(sys.argv[2])
    y = [sum(x[n * rows + k] * weights[k * columns + j] * scales[k // 8 * columns + j] for k in range(rows))
         for n in range(len(x) // rows) for j in range(columns)]
    good = read(sys.argv[3] + "/y.npy") == y and read(sys.argv[3] + "/r.npy") == [nearest(v) for v in x]
    sys.exit(0 if good else 1)


main()
