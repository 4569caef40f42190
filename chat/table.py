"""A model's table as hand-written statements see it: its rows read as objects, several of them written in one.

For what every turn does: Django's compiler costs several times what Postgres has to do, and a statement for each row is
a round trip for each. Everything else speaks to its rows as Django has it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Generic, NamedTuple, TypeVar

from django.db import connection, models

from chat import db

M = TypeVar("M", bound=models.Model)


class Table(Generic[M]):
    """One model's table, for the columns of a SELECT and for the objects that they become."""

    def __init__(self, model: type[M]) -> None:
        fields = model._meta.concrete_fields
        self._model = model
        self._columns = [str(field.column) for field in fields]
        self._names = [field.attname for field in fields]
        self._json = [at for at, field in enumerate(fields) if isinstance(field, models.JSONField)]
        self.width = len(fields)

    def columns(self, alias: str) -> str:
        """All of them, as a SELECT names them where the table has this alias."""
        return ", ".join(f"{alias}.{column}" for column in self._columns)

    def load(self, values: Sequence[Any]) -> M | None:
        """The object that these columns are; None where an outer join found none."""
        if values[0] is None:  # the primary key
            return None
        given = list(values)
        for at in self._json:
            if given[at] is not None:
                given[at] = json.loads(given[at])
        return self._model.from_db(connection.alias, self._names, given)


def statement(sql: str, **parts: Table[Any] | str) -> str:
    """The statement, with all columns of a table in the place of its alias in braces, other SQL in that of its name."""
    texts = {
        name: part.columns(name) if isinstance(part, Table) else part.strip() for name, part in parts.items()
    }
    return sql.format(**texts)


def read(sql: str, args: Sequence[Any], *tables: Table[Any]) -> list[tuple[Any, ...]]:
    """The statement's rows, in the caller's transaction: an object for each table, then the columns behind theirs."""
    with db.cursor() as cursor:
        rows = cursor.execute(sql.encode(), args).fetchall()
    return [_objects(row, tables) for row in rows]


def _objects(row: Sequence[Any], tables: Sequence[Table[Any]]) -> tuple[Any, ...]:
    found: list[Any] = []
    at = 0
    for table in tables:
        found.append(table.load(row[at : at + table.width]))
        at += table.width
    return (*found, *row[at:])


class Insert(NamedTuple):
    """A new row."""

    row: models.Model


class Update(NamedTuple):
    """Fields of a row that is there, as its object now has them."""

    row: models.Model
    fields: tuple[str, ...]


def write(*changes: Insert | Update) -> None:
    """Make the changes in one statement, in the caller's transaction. No row may be in two of them."""
    statements: list[str] = []
    args: list[Any] = []
    for change in changes:
        add = isinstance(change, Insert)
        model = type(change.row)
        sql, fields = _insert(model) if isinstance(change, Insert) else _update(model, change.fields)
        statements.append(sql)
        args += [field.get_db_prep_save(field.pre_save(change.row, add), connection) for field in fields]
    *before, last = statements
    parts = ", ".join(f"part_{at} AS ({sql})" for at, sql in enumerate(before))
    sql = f"WITH {parts} {last}" if parts else last
    with db.cursor() as cursor:
        cursor.execute(sql.encode(), args)
    for change in changes:
        change.row._state.adding = False
        change.row._state.db = connection.alias


_Statement = tuple[str, tuple[Any, ...]]


@lru_cache
def _insert(model: type[models.Model]) -> _Statement:
    fields = tuple(field for field in model._meta.concrete_fields if not isinstance(field, models.AutoField))
    columns = ", ".join(str(field.column) for field in fields)
    places = ", ".join(["%s"] * len(fields))
    return f"INSERT INTO {model._meta.db_table} ({columns}) VALUES ({places})", fields  # noqa: S608


@lru_cache
def _update(model: type[models.Model], names: tuple[str, ...]) -> _Statement:
    fields = [field for name in names for field in model._meta.concrete_fields if field.name == name]
    columns = ", ".join(f"{field.column} = %s" for field in fields)
    sql = f"UPDATE {model._meta.db_table} SET {columns} WHERE id = %s"  # noqa: S608
    return sql, (*fields, model._meta.pk)
