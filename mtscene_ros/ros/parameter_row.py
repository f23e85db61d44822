"""One row of the table of the node's parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Parameter:
    """One row of the table.

    unit: '-' where there is none; values: the allowed choices; limits: inclusive; dynamic: the
    value may change while the node runs.
    """

    name: str
    default: str | int | float | bool | list[str]
    unit: str
    doc: str
    values: tuple[str, ...] = ()
    limits: tuple[float, float] | None = None
    dynamic: bool = False

    @property
    def type_name(self) -> str:
        """The type's name in ROS."""
        names = {str: 'string', bool: 'bool', int: 'int', float: 'double', list: 'string_array'}
        return names[type(self.default)]

    def plain(self, value: Any) -> Any:
        """Returns a value in the type of the row: YAML reads the words true and false as bool."""
        is_word = isinstance(value, bool) and 'true' in self.values
        return str(value).lower() if is_word else value

    @property
    def default_yaml(self) -> str:
        """The default as YAML writes it."""
        if isinstance(self.default, bool):
            return str(self.default).lower()
        return f"'{self.default}'" if isinstance(self.default, str) else str(self.default)

    @property
    def allowed(self) -> str:
        """The allowed values, in words."""
        if self.values:
            return ', '.join(self.values)
        if isinstance(self.default, bool):
            return 'true, false'
        return f'{self.limits[0]:g} to {self.limits[1]:g}' if self.limits else 'any'
