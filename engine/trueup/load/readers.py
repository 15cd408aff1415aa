"""Many files read at once: by processes of their own, while this one does something else before it helps them.

Called by `cli/quick.py`, which lets them begin before it imports what judges, and by `validate/validation.py`. What a file holds is the
same whoever reads it: the processes give the values of files that are right, and whatever is out of the ordinary (a file with a problem,
one that cannot be read, a process that ended) is read here again.
"""

from __future__ import annotations

import os
import select
import signal
import struct
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import msgspec

from trueup.load.specs import Specs, specs_in
from trueup.load.trees import Tree, WorkingTree
from trueup.load.yaml import Read, read

FEWEST = 1500
"""Files below which another process costs more than it saves."""
CHUNK = 64
"""Files that are read and handed over together."""
_MOST_CHUNKS = 8000
"""So that their numbers fit into a pipe that nobody has begun to read."""
_NUMBER = struct.Struct("=H")
_DONE = struct.Struct("=HHQQ")
"""A reader, a chunk, and where its values lie in the reader's memory file: offset and length. A pipe takes it as a whole."""
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode
_Values = tuple[Any, ...]


class Readers:
    """Some files of a tree, by path in the repository, being read by so many processes, this one counted."""

    def __init__(self, tree: Tree, paths: Mapping[str, str], processes: int) -> None:
        files = list(paths.items())
        size = max(CHUNK, -(-len(files) // _MOST_CHUNKS))
        self._chunks = [files[i : i + size] for i in range(0, len(files), size)]
        self._tree = tree
        self._children: list[int] = []
        self._memories: list[int] = []
        many = sys.platform == "linux" and processes > 1 and len(files) >= FEWEST
        # One process of Git gives all files of a revision; those of a working tree are opened by whoever reads them.
        self._contents = None if many and isinstance(tree, WorkingTree) else tree.read(paths.values())
        if many:
            self._begin(processes - 1)

    def __iter__(self) -> Iterator[tuple[str, Read]]:
        """Each file that is there with what it holds, in no order."""
        if not self._children:
            for number in range(len(self._chunks)):
                yield from self._read(number)
            return
        left = set(range(len(self._chunks)))
        try:
            while left:
                number, found = self._next() or (min(left), None)
                left.remove(number)
                yield from self._read(number) if found is None else self._given(number, found)
        finally:
            self._end(unfinished=bool(left))

    def content(self, path: str) -> bytes | None:
        """The bytes of a file by its path in the workspace, for whoever looks for a place in it."""
        if self._contents is not None and path in self._contents:
            return self._contents[path]
        return self._tree.read([path]).get(path)

    def _read(self, number: int) -> Iterator[tuple[str, Read]]:
        chunk = self._chunks[number]
        contents = self._contents if self._contents is not None else self._tree.read(path for _, path in chunk)
        return ((file, read(file, contents[path])) for file, path in chunk if path in contents)

    def _given(self, number: int, found: list[_Values | None]) -> Iterator[tuple[str, Read]]:
        for (file, path), values in zip(self._chunks[number], found, strict=True):
            if values is not None:
                yield file, Read(tuple(values))
            elif (content := self.content(path)) is not None:
                yield file, read(file, content)

    def _begin(self, number: int) -> None:
        self._waiting, adding = os.pipe()
        os.write(adding, b"".join(map(_NUMBER.pack, range(len(self._chunks)))))
        os.close(adding)
        self._ready, telling = os.pipe()
        for reader in range(number):
            self._memories.append(os.memfd_create("values"))
            try:
                child = os.fork()
            except OSError:
                break
            if child == 0:
                self._work(reader, telling)
            self._children.append(child)
        os.close(telling)
        self._poll = select.poll()
        self._poll.register(self._ready, select.POLLIN)

    def _work(self, reader: int, telling: int) -> NoReturn:
        """What a reader does: it takes a chunk, reads it, tells where its values lie, and goes on to the next."""
        code, offset = 1, 0
        try:
            while (number := self._taken()) is not None:
                known = {file: found.values for file, found in self._read(number) if not found.diagnostics}
                data = _encoded([known.get(file) for file, _ in self._chunks[number]])
                if os.write(self._memories[reader], data) != len(data):
                    break
                os.write(telling, _DONE.pack(reader, number, offset, len(data)))
                offset += len(data)
            else:
                code = 0
        finally:
            os._exit(code)

    def _taken(self) -> int | None:
        """The number of a chunk that nobody reads yet, which is this process's from now on."""
        data = os.read(self._waiting, _NUMBER.size)
        return _NUMBER.unpack(data)[0] if data else None

    def _next(self) -> tuple[int, list[_Values | None] | None] | None:
        """A chunk that a reader has read, or one to be read here; None where the readers ended without having read all."""
        number = None if self._poll.poll(0) else self._taken()
        if number is not None:
            return number, None
        data = os.read(self._ready, _DONE.size)
        if not data:
            return None
        reader, number, offset, length = _DONE.unpack(data)
        return number, _decode(os.pread(self._memories[reader], length, offset))

    def _end(self, unfinished: bool) -> None:
        for child in self._children:
            if unfinished:
                os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        for opened in (self._waiting, self._ready, *self._memories):
            os.close(opened)


def _encoded(values: list[_Values | None]) -> bytes:
    try:
        return _encode(values)
    except OverflowError:  # an integer of more than 64 bits in one of them
        return _encode([_small(v) for v in values])


def _small(values: _Values | None) -> _Values | None:
    try:
        _encode(values)
    except OverflowError:
        return None
    return values


@dataclass(frozen=True)
class Reading:
    """The specs of a tree, of which reading has begun."""

    specs: Specs
    readers: Readers


def begun(tree: Tree, processes: int) -> Reading:
    """Begins to read the specs of a tree in so many processes, this one counted, which helps when it asks for them."""
    specs = specs_in(tree)
    return Reading(specs, Readers(tree, specs.paths, processes))
