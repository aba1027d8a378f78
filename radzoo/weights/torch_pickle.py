"""The pickle inside a torch checkpoint, read as data: nothing that it names is imported, built or called.

Pickle is a language for a small stack machine, two of whose words import and call whatever they are told. This machine
knows only the words that a file of tensors needs, and the few names below stand for values of its own.
"""

from __future__ import annotations

import pickletools

from radzoo.errors import BadInput
from radzoo.weights.torch_tensors import BUILDERS, TYPES, Name, built, storage_of

_PLAIN = (  # opcodes that push their own argument
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING",
    "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES",
    "BINBYTES8",
)  # fmt: skip
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_KEYS = (str, int, float, bool, bytes, type(None))  # others may nest as deep as a file likes, and hashing them recurses
_DICTIONARY = "collections.OrderedDict"
LIMIT = 8 << 20  # bytes; the names and shapes of five thousand tensors take one megabyte
_MARK = object()


def unpickle(stream, what: str):
    """The value of the pickle that begins at the position of `stream`, and all storages it names, by key.

    The value is made of plain containers, numbers, texts, and `Tensor`s.

    Args:
        stream: a binary file whose `read(n)` never gives more than there is.
        what: the file's name, for messages.

    Raises:
        BadInput: a name or an opcode that no file of tensors needs, a tensor outside its storage, or damage.
    """
    machine = _Machine(what)
    try:
        begin = stream.tell()
        for opcode, argument, position in pickletools.genops(stream):
            if opcode.name == "STOP":
                return machine.pop(), machine.storages
            if position - begin > LIMIT:
                raise BadInput(
                    f"{what} has a pickle of more than {LIMIT >> 20} MiB: that is more than a list of tensors"
                )
            machine.step(opcode.name, argument)
    except BadInput:
        raise
    except (ValueError, IndexError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise BadInput(f"{what} is damaged: its pickle cannot be read ({_short(error)})") from None
    raise BadInput(f"{what} is damaged: its pickle has no end")


class Part:
    """A part of a mapped file as a binary file; unlike `io.BytesIO`, without a copy."""

    def __init__(self, data: memoryview):
        self.data, self.at = data, 0

    def tell(self) -> int:
        return self.at

    def read(self, count: int) -> bytes:
        part = bytes(self.data[self.at : self.at + count])
        self.at += len(part)
        return part

    def readline(self) -> bytes:
        rest = bytes(self.data[self.at : self.at + 4096])  # no line of a pickle is longer
        return self.read(rest.find(b"\n") + 1 or len(rest))


class _Machine:
    def __init__(self, what: str):
        self.what, self.stack, self.memo, self.storages = what, [], {}, {}

    def step(self, code: str, argument) -> None:
        stack = self.stack
        if code in _PLAIN:
            stack.append(argument)
        elif code in _CONSTANTS:
            stack.append(_CONSTANTS[code])
        elif code in ("PROTO", "FRAME"):
            pass
        elif code == "MARK":
            stack.append(_MARK)
        elif code in ("PUT", "BINPUT", "LONG_BINPUT"):
            self.memo[argument] = stack[-1]
        elif code == "MEMOIZE":
            self.memo[len(self.memo)] = stack[-1]
        elif code in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(self.memo[argument])
        elif code in ("GLOBAL", "INST", "STACK_GLOBAL"):
            stack.append(self.name(code, argument))
        elif code == "BINPERSID":
            stack.append(storage_of(self.pop(), self.storages))
        elif code == "REDUCE":
            arguments, called = self.pop(), self.pop()
            stack.append(_called(called, arguments))
        elif code == "BUILD":
            self.pop()
            if not isinstance(stack[-1], dict):  # an OrderedDict's `_metadata`, of no use here
                raise ValueError(f"a state for {type(stack[-1]).__name__}")
        else:
            self.contain(code)

    def contain(self, code: str) -> None:
        """Opcodes of containers."""
        stack = self.stack
        if code in ("EMPTY_TUPLE", "EMPTY_LIST", "EMPTY_DICT"):
            stack.append({"T": (), "L": [], "D": {}}[code[6]])
        elif code in ("TUPLE1", "TUPLE2", "TUPLE3"):
            stack.append(tuple(reversed([self.pop() for _ in range(int(code[-1]))])))
        elif code in ("TUPLE", "LIST"):
            stack.append((tuple if code == "TUPLE" else list)(self.marked()))
        elif code == "DICT":
            stack.append(_filled({}, self.marked()))
        elif code in ("APPEND", "APPENDS"):
            items = self.marked() if code == "APPENDS" else [self.pop()]
            if not isinstance(stack[-1], list):
                raise ValueError(f"items for {type(stack[-1]).__name__}")
            stack[-1].extend(items)
        elif code in ("SETITEM", "SETITEMS"):
            items = self.marked() if code == "SETITEMS" else [self.pop(), self.pop()][::-1]
            _filled(stack[-1], items)
        elif code == "POP":
            stack.pop()
        else:
            raise BadInput(
                f"{self.what} uses the pickle opcode {code}, which no file of tensors needs: it was not read"
            )

    def pop(self):
        value = self.stack.pop()
        if value is _MARK:
            raise ValueError("a mark where a value should be")
        return value

    def marked(self) -> list:
        """Everything above the last mark."""
        items = []
        while (value := self.stack.pop()) is not _MARK:
            items.append(value)
        return items[::-1]

    def name(self, code: str, argument) -> Name:
        if code == "STACK_GLOBAL":
            last, first = self.pop(), self.pop()
            argument = f"{first} {last}" if isinstance(first, str) and isinstance(last, str) else "what is no name"
        text = argument.replace(" ", ".", 1)
        if code == "INST" or text not in (*TYPES, *BUILDERS, _DICTIONARY):
            raise BadInput(
                f"{self.what} asks for {_short(text)}, which no file of tensors needs: nothing of it was run; "
                "save it anew from torch as torch.save(model.state_dict(), FILE) if you trust its origin"
            )
        return Name(text)


def _filled(target, items: list) -> dict:
    """`target` with keys and values in turn; keys are plain, because deep ones are hashed recursively."""
    if not isinstance(target, dict) or len(items) % 2:
        raise ValueError(f"keys and values for {type(target).__name__}")
    for key, value in zip(items[::2], items[1::2], strict=True):
        if type(key) not in _KEYS:
            raise ValueError(f"a {type(key).__name__} as a key")
        target[key] = value
    return target


def _called(called, arguments):
    """What the call would have made, as data."""
    name = called.text if isinstance(called, Name) else type(called).__name__
    if name not in (*BUILDERS, _DICTIONARY) or not isinstance(arguments, tuple):
        raise ValueError(f"a call of {name}")
    return _filled({}, _pairs(*arguments)) if name == _DICTIONARY else built(name, arguments)


def _pairs(listed=None) -> list:
    """`[[key, value], …]` of Python 2 in one row; emptied, so that a list used many times cannot multiply."""
    if not isinstance(listed, list | None):
        raise ValueError(f"an OrderedDict of {type(listed).__name__}")
    row = []
    for key, value in listed or ():
        row += [key, value]
    if listed:
        listed.clear()
    return row


def _short(text) -> str:
    """One line of plain characters, whatever a hostile file says."""
    return ascii(str(text))[1:-1][:120]
