"""Writes graphs whose weights are dequantized, in DIR: weights.py DIR

Each multiplies x [n, 384] by a weight of 384 x 400 that is stored in 8 or 4 bits. x is whole numbers and scales are
powers of two, so that every order of a sum gives the same bits. Prints a line for each graph: its name, its columns, and the
bytes of what it stores of the weight."""
import os
import struct
import sys

K, BLOCK = 384, 32
NUMBERS = [(i * 1103515245 + 12345) >> 8 & 0xff for i in range(K * 448)]


def scaling(scales, n):
    """Shape of scale and zero point, attributes."""
    return {
        "tensor": ([], ""),
        "column": ([n], "axis = 1"),
        "block": ([K // BLOCK, n], f"axis = 0, block_size = {BLOCK}"),
    }[scales]



def count(shape):
    n = 1
    for d in shape:
        n *= d
    return n


def stored(numbers, bits):
    if bits == 8:
        return bytes(numbers)
    return bytes(a & 15 | (b & 15) << 4 for a, b in zip(numbers[0::2], numbers[1::2] + [0]))


def const(name, elem, shape, data, folder):
    with open(os.path.join(folder, name + ".bin"), "wb") as f:
        f.write(data)
    return f'const @{name.split(".")[1]}: {elem}[{", ".join(map(str, shape))}] = file "{name}.bin" 0 {len(data)}\n'


def graph(folder, elem, scales, zero, transposed, n=448):
    name = f"{elem}-{scales}" + ("-zero" if zero else "") + ("-transposed" if transposed else "") + (f"-{n}" if n != 448 else "")
    bits = int(elem[1:])
    shape, attributes = scaling(scales, n)
    w = [K, n]
    if transposed:
        w, shape = [n, K], list(reversed(shape))
        attributes = attributes.replace("axis = 1", "axis = -1").replace("axis = 0", "axis = 1").replace("axis = -1", "axis = 0")
    scale = b"".join(struct.pack("<f", 2.0 ** (i % 5 - 7)) for i in range(count(shape)))
    parts = [const(f"{name}.q", elem, w, stored(NUMBERS[:K * n], bits), folder), const(f"{name}.s", "f32", shape, scale, folder)]
    operands = "@q, @s"
    size = K * n * bits // 8 + len(scale)
    if zero:
        parts.append(const(f"{name}.z", elem, shape, stored(NUMBERS[7:7 + count(shape)], bits), folder))
        operands += ", @z"
        size += count(shape) * bits // 8
    lines = [f"  %d = DequantizeLinear({operands})" + (f" {{{attributes}}}" if attributes else "")]
    if transposed:
        lines.append("  %t = Transpose(%d) {perm = [1, 0]}")
    lines.append(f"  %y = MatMul(%x, %{'t' if transposed else 'd'})")
    with open(os.path.join(folder, name + ".fvir"), "w", encoding="utf-8") as f:
        f.write(f'fovea-ir 1\nmodule "m"\nsymbol n 0..1000\n{"".join(parts)}')
        f.write(f"func @main(%x: f32[n, {K}]) -> (%y) {{\n" + "\n".join(lines) + "\n  return %y\n}\n")
    print(name, n, size)


def main():
    folder = sys.argv[1]
    head = "{'descr': '<f4', 'fortran_order': False, 'shape': (20, %d), }" % K
    head += " " * (63 - (10 + len(head)) % 64) + "\n"
    with open(os.path.join(folder, "x.npy"), "wb") as f:
        f.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode())
        f.write(b"".join(struct.pack("<f", n % 7 - 3) for n in NUMBERS[:20 * K]))
    for elem in "i8", "u8", "i4", "u4":
        for scales in "tensor", "column", "block":
            for zero in False, True:
                for transposed in False, True:
                    graph(folder, elem, scales, zero, transposed)


main()
