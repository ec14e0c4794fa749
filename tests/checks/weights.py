"""Writes graphs whose weights are dequantized, in DIR: weights.py DIR

Each multiplies x [n, K] by a weight of K x N that is stored in 8 or 4 bits: large ones, which are not folded for their
size, and small ones. x is whole numbers and scales are powers of two, so that every order of a sum gives the same bits.
Prints a line for each graph: its name, K, N, the bytes of what it stores of the weight, and those that another kernel writes
of a row."""
import os
import struct
import sys

LARGE, SMALL = (384, 448), ((32, 8), (64, 24), (48, 48), (96, 100), (256, 64))
ROWS = 20
NUMBERS = [(i * 1103515245 + 12345) >> 8 & 0xff for i in range(LARGE[0] * LARGE[1])]


def scaling(scales, k, n):
    """Shape of scale and zero point, attributes."""
    block = min(32, k // 2)
    return {
        "tensor": ([], ""),
        "column": ([n], "axis = 1"),
        "block": ([k // block, n], f"axis = 0, block_size = {block}"),
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


def graph(folder, elem, scales, zero, transposed, k, n):
    name = f"{elem}-{scales}" + ("-zero" if zero else "") + ("-transposed" if transposed else "") + f"-{k}x{n}"
    bits = int(elem[1:])
    shape, attributes = scaling(scales, k, n)
    w = [k, n]
    if transposed:
        w, shape = [n, k], list(reversed(shape))
        attributes = attributes.replace("axis = 1", "axis = -1").replace("axis = 0", "axis = 1").replace("axis = -1", "axis = 0")
    scale = b"".join(struct.pack("<f", 2.0 ** (i % 5 - 7)) for i in range(count(shape)))
    parts = [const(f"{name}.q", elem, w, stored(NUMBERS[:k * n], bits), folder), const(f"{name}.s", "f32", shape, scale, folder)]
    operands = "@q, @s"
    size = k * n * bits // 8 + len(scale)
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
        f.write(f"func @main(%x: f32[n, {k}]) -> (%y) {{\n" + "\n".join(lines) + "\n  return %y\n}\n")
    print(name, k, n, size, 0)


def bnb4(folder, k, n):
    """A product with codes of 4 bits for 16 numbers, in blocks of 64."""
    name = f"bnb4-{k}x{n}"
    scale = b"".join(struct.pack("<f", 2.0 ** (i % 5 - 7)) for i in range(n * k // 64))
    parts = [const(f"{name}.q", "u8", [n * k // 2], bytes(NUMBERS[:n * k // 2]), folder),
             const(f"{name}.s", "f32", [n * k // 64], scale, folder)]
    with open(os.path.join(folder, name + ".fvir"), "w", encoding="utf-8") as f:
        f.write(f'fovea-ir 1\nmodule "m"\nsymbol n 0..1000\n{"".join(parts)}')
        f.write(f"func @main(%x: f32[n, {k}]) -> (%y) {{\n  %y = com.microsoft.MatMulBnb4(%x, @q, @s) "
                f"{{K = {k}, N = {n}, block_size = 64, quant_type = 1}}\n  return %y\n}}\n")
    print(name, k, n, n * k // 2 + len(scale), 0)


def columns_of_blocks(k, block):
    """The number of each column's block: neighbours are in different ones."""
    blocks = -(-k // block)
    return [b for i in range(block) for b in range(blocks) if b * block + i < k]


def nbits(folder, bits, zero, level, k, n, index=False):
    """A product with blobs of blocks, as exporters write language models; with level 4 another kernel writes the rows as bytes,
    and a scale and a sum for each block of them."""
    name = f"nbits{bits}" + "-zero" * zero + "-bytes" * (level == 4) + "-index" * index + f"-{k}x{n}"
    block = min(32, k)
    blocks = -(-k // block)
    blob = bytes(NUMBERS[:n * blocks * block * bits // 8])
    scale = b"".join(struct.pack("<f", 2.0 ** (i % 5 - 7)) for i in range(n * blocks))
    parts = [const(f"{name}.q", "u8", [n, blocks, block * bits // 8], blob, folder),
             const(f"{name}.s", "f32", [n, blocks], scale, folder)]
    operands, size = "%x, @q, @s", len(blob) + len(scale)
    if zero:
        row = -(-blocks * bits // 8)
        parts.append(const(f"{name}.z", "u8", [n, row], bytes(NUMBERS[7:7 + n * row]), folder))
        operands += ", @z"
        size += n * blocks  # in panels, a zero point of a block has a byte
    if index:
        operands += ", @g" if zero else ", _, @g"
        parts.append(const(f"{name}.g", "i32", [k], struct.pack(f"<{k}i", *columns_of_blocks(k, block)), folder))
        size += 8 * k  # the order of the row's elements
    with open(os.path.join(folder, name + ".fvir"), "w", encoding="utf-8") as f:
        f.write(f'fovea-ir 1\nmodule "m"\nsymbol n 0..1000\n{"".join(parts)}')
        f.write(f"func @main(%x: f32[n, {k}]) -> (%y) {{\n  %y = com.microsoft.MatMulNBits({operands}) "
                f"{{K = {k}, N = {n}, bits = {bits}, block_size = {block}, accuracy_level = {level}}}\n  return %y\n}}\n")
    print(name, k, n, size, blocks * (block + 8) if level == 4 else 4 * k if index else 0)


def inputs(folder, k):
    head = "{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }" % (ROWS, k)
    head += " " * (63 - (10 + len(head)) % 64) + "\n"
    with open(os.path.join(folder, f"x{k}.npy"), "wb") as f:
        f.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode())
        f.write(b"".join(struct.pack("<f", n % 7 - 3) for n in NUMBERS[:ROWS * k]))


def main():
    folder = sys.argv[1]
    for k, n in (LARGE, *SMALL):
        inputs(folder, k)
        for elem in "i8", "u8", "i4", "u4":
            for scales in "tensor", "column", "block":
                for zero in False, True:
                    for transposed in False, True:
                        if (k, n) == LARGE or (zero and elem in ("i8", "u4") and transposed == (k == 64)):
                            graph(folder, elem, scales, zero, transposed, k, n)
        for bits in 2, 4, 8:
            for zero in False, True:
                # Level 4 where rows are whole blocks, and several: of one block, more kernels write the row's scale, bytes and
                # sum, and a row that ends within a block is padded first. That is traffic of rows, not of weights.
                for level in (0, 4) if k > 32 and k % 32 == 0 else (0,):
                    nbits(folder, bits, zero, level, k, n)
                if k > 32:
                    nbits(folder, bits, zero, 0, k, n, True)
        if k * n > 1 << 14:  # smaller ones are folded to floats
            bnb4(folder, k, n)


main()
