"""How does SQLAlchemy reach the reviews, under the same rules as reviewlab itself?  Needs the extra ``sqlalchemy``."""

import functools
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from reviewlab.connections import open_connection
from reviewlab.database import MAX_AGE
from reviewlab.errors import ConfigError, ReadOnlyError
from reviewlab.settings import Settings, Target, load_settings
from reviewlab.transactions import assignments, session_preamble
from reviewlab.translation import disarm, translate

try:
    from sqlalchemy import URL, Connection, ExceptionContext, Text, event
    from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
except ImportError:
    raise ConfigError("reviewlab.contrib.sqlalchemy needs a package: pip install 'reviewlab[sqlalchemy]'") from None

if TYPE_CHECKING:
    import asyncpg


class Base(DeclarativeBase):
    """What `Review` is mapped by; models of one's own may join it."""


class Review(Base):
    """A row of the table ``reviews``; its repr shows no text.

    `private_review` is not read with the others: it is there after ``undefer(Review.private_review)``, or by a select
    that names it, and an error otherwise.  What was not read is not written either.
    """

    __tablename__ = "reviews"

    review_id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    public_review: Mapped[str] = mapped_column(Text)
    private_review: Mapped[str | None] = mapped_column(Text, deferred=True, deferred_raiseload=True)
    rating: Mapped[int]
    submitted_at: Mapped[datetime]

    def __repr__(self) -> str:
        loaded = vars(self)  # asking for what is not loaded would query
        shown = [f"{name}={loaded[name]!r}" for name in ("review_id", "rating", "submitted_at") if name in loaded]
        return f"Review({', '.join(shown)})"


def engine(settings: Settings | None = None, *, write: bool = False) -> AsyncEngine:
    """Return an engine whose connections are opened, secured and limited as reviewlab's own.

    Parameters
    ----------
    settings : Settings, optional
        As those of `connect`; else they are read from the environment and ``.env``.
    write : bool
        True to allow writing; transactions are READ ONLY and see one moment otherwise.

    Returns
    -------
    AsyncEngine
        With at most ``max_connections``, opened when first needed; ``await engine.dispose()`` closes them.  Errors
        have SQLAlchemy's classes and reviewlab's words, without values; writing where only reading is allowed is a
        `ReadOnlyError`, and no connection a `ConnectError`.

    Raises
    ------
    ConfigError
        If nothing says where the database is, or a setting cannot be honoured.
    """
    settings = load_settings() if settings is None else settings
    target = settings.target()
    pooler = target.transaction_pooler

    async def connect() -> "asyncpg.Connection":
        connection = await open_connection(settings, target, pooler=pooler)
        if not pooler:
            await connection.execute(session_preamble(settings, write=write))
        return connection

    made = create_async_engine(
        URL.create("postgresql+asyncpg", username=target.user, database=target.database),
        async_creator=connect,
        pool_size=settings.max_connections,
        max_overflow=0,
        pool_timeout=settings.acquire_timeout,
        pool_recycle=int(MAX_AGE),
        pool_pre_ping=True,
        hide_parameters=True,
        execution_options={} if write else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
    )
    event.listen(made.sync_engine, "handle_error", functools.partial(_say_plainly, target), retval=True)
    if pooler:
        event.listen(made.sync_engine, "begin", functools.partial(_limit, settings))
    return made


def _limit(settings: Settings, connection: Connection) -> None:
    """Through a pooler limits end with the transaction."""
    for each in assignments(settings, settings.statement_timeout):
        connection.exec_driver_sql(f"set local {each}")


def _say_plainly(target: Target, context: ExceptionContext) -> Exception | None:
    """Put reviewlab's words for PostgreSQL's, which quote rows; the class of an error stays SQLAlchemy's."""
    adapted: Any = context.original_exception
    driver = adapted.__cause__ or adapted
    said = translate(driver, doing="sqlalchemy", where=target.where) if isinstance(driver, Exception) else None
    if said is None:
        return None
    disarm(driver)
    adapted.args, adapted.detail = (str(said),), None
    if isinstance(said, ReadOnlyError):
        return ReadOnlyError("this engine only reads; to write, make one by engine(write=True)", sqlstate=said.sqlstate)
    if context.sqlalchemy_exception is None:  # no error of a DBAPI, such as that of a network that stands still
        return said
    context.sqlalchemy_exception.args = (str(said),)
    context.sqlalchemy_exception.params = None
    return None
