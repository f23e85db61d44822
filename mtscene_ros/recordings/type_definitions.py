"""The message types of a recording, one by one: what cannot be used costs its own topics only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rosbags.interfaces import Connection, MessageDefinition, MessageDefinitionFormat, Nodetype
from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

Types = dict[str, Any]  # name of a type → its constants and fields
Rule = tuple[str, MessageDefinition]
IDL_SEPARATOR = '=' * 80 + '\n'


def full_name(kind: str) -> str:
    """'sensor_msgs/Image' → 'sensor_msgs/msg/Image', as older writers and bridges leave it out."""
    parts = kind.split('/')
    return f'{parts[0]}/msg/{parts[1]}' if len(parts) == 2 else kind


def typestore_of(
    connections: Iterable[Connection], known: Typestore
) -> tuple[Typestore, dict[Rule, str]]:
    """Registers the types of a recording's topics.

    known: the types of this package, for those that the recording does not define.

    Returns:
        The types, and (type, definition) → why it cannot be used.
    """
    all_types: Types = {}
    unusable: dict[Rule, str] = {}
    distinct = dict.fromkeys((c.msgtype, c.msgdef) for c in connections)
    for kind, rule in distinct:
        try:
            found = types_of(kind, rule, known)
            add(all_types, found)
        except Exception as error:  # the parser passes on errors of several kinds
            is_ours = isinstance(error, DefinitionError)
            unusable[kind, rule] = str(error) if is_ours else 'its definition cannot be parsed'
    store = registered(all_types)
    for kind, rule in distinct:
        if kind not in store.types:
            unusable.setdefault((kind, rule), 'its definition cannot be used')
    return store, unusable


class DefinitionError(ValueError):
    """A type cannot be used; the message says why, without a full stop."""


def types_of(kind: str, rule: MessageDefinition, known: Typestore) -> Types:
    """Parses a definition; a missing one, or the missing type of a field, is taken from `known`.

    Raises DefinitionError where both lack a type, and the parser's errors.
    """
    found: Types = {}
    if rule.format == MessageDefinitionFormat.MSG:
        found = dict(get_types_from_msg(rule.data, kind))
    elif rule.format == MessageDefinitionFormat.IDL:
        for part in idl_parts(rule.data):
            found.update(get_types_from_idl(part))
    missing = [kind] if kind not in found else list(nested(found, found))
    while missing:
        name = missing.pop()
        if name in found:
            continue
        if name not in known.fielddefs:
            what = f'type {name or "(none)"}'
            raise DefinitionError(f'its {what} is unknown here and the recording lacks it')
        found[name] = known.fielddefs[name]
        missing += nested({name: found[name]}, found)
    return found


def idl_parts(text: str) -> list[str]:
    """Splits concatenated IDL files as rosbag2 stores them."""
    if not text.startswith(f'{IDL_SEPARATOR}IDL: '):
        return [text]
    return [part.partition('\n')[2] for part in text.split(IDL_SEPARATOR)[1:]]


def nested(types: Types, there: Types) -> set[str]:
    """Returns the types of fields that `there` lacks."""
    names = set()
    for _, fields in types.values():
        for _, (nodetype, about) in fields:
            if nodetype in (Nodetype.ARRAY, Nodetype.SEQUENCE):
                nodetype, about = about[0]
            if nodetype == Nodetype.NAME and about not in there:
                names.add(about)
    return names


def add(all_types: Types, found: Types) -> None:
    """Adds types. Raises DefinitionError for a name that has other fields already."""
    for name, (_, fields) in found.items():
        if name in all_types and signature(all_types[name][1]) != signature(fields):
            raise DefinitionError(f'the recording has two definitions of {name}')
    all_types.update(found)


def signature(fields: Any) -> list[tuple[str, Any]]:
    return [(name.lower(), about) for name, about in fields]


def registered(all_types: Types) -> Typestore:
    """Registers types at once, or one by one where that fails, without those that fail."""
    store = get_typestore(Stores.EMPTY)
    try:
        store.register(all_types)
        return store
    except Exception:  # code made of a strange definition
        store = get_typestore(Stores.EMPTY)
    for name, about in all_types.items():
        try:
            store.register({name: about})
        except Exception:
            continue
    return store
