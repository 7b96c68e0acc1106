"""Tasks run by a Dask cluster. Each way in which a cluster can be lost ends in one clear error, within a minute or so.

joblib's Dask backend does not serve here: it waits for ever when a task fails or the scheduler is gone (joblib 1.6).
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from socket import create_connection
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

ANSWER = 10.0  # seconds within which a scheduler has to answer
PATIENCE = 60.0  # seconds without any worker after which the cluster counts as lost
LOGGERS = "distributed", "distributed.client", "tornado.application", "asyncio"  # what Dask says of a lost cluster


def on_cluster(tasks: Sequence[Callable[[], Any]], address: str) -> Iterator[tuple[int, Any]]:
    """The number and result of each task as it is done, by the workers of the Dask scheduler at `address`.

    Dask gives a lost worker's tasks to another one. Only as many tasks are sent as keep every worker busy. ValueError:
    no scheduler answers there. TimeoutError: it answers no more, or has had no worker for a minute.
    """
    try:
        from distributed import Client, wait
    except ImportError:
        raise ValueError("a cluster needs dask.distributed: pip install 'minnet-nn[cluster]'") from None
    _expect_scheduler(address)
    waiting: dict[Any, int] = {}
    sent, last_seen = 0, time.monotonic()
    with _quiet(), Client(address, set_as_default=False, timeout=ANSWER) as client:
        while sent < len(tasks) or waiting:
            threads = _threads(client, address)
            if threads:
                last_seen = time.monotonic()
            elif time.monotonic() > last_seen + PATIENCE:
                raise TimeoutError(f"the Dask scheduler at {address!r} has had no worker for {PATIENCE:g} seconds")
            with _lost_is_said(address):
                while sent < len(tasks) and len(waiting) < 2 * threads:
                    waiting[client.submit(tasks[sent], pure=False)] = sent
                    sent += 1
            if not waiting:
                time.sleep(0.1)
                continue
            try:
                with _lost_is_said(address), client.as_current():
                    done = wait(list(waiting), timeout=1, return_when="FIRST_COMPLETED").done
            except NotYet:
                continue
            for future in done:
                if future.status == "error":
                    future.result()  # raises what the task raised
                try:
                    with _lost_is_said(address):
                        result = future.result(timeout=PATIENCE)
                except NotYet:  # its worker is gone: Dask runs the task again
                    continue
                yield waiting.pop(future), result


class NotYet(Exception):
    """What is asked for takes longer."""


@contextmanager
def _lost_is_said(address: str) -> Iterator[None]:
    """TimeoutError for whatever Dask raises when it has lost the scheduler, NotYet when it has not."""
    try:
        yield
    except TimeoutError:
        raise NotYet from None
    except (OSError, RuntimeError, CancelledError, asyncio.CancelledError):
        raise _lost(address) from None


def _threads(client: Any, address: str) -> int:
    """How many tasks the workers that are there now can run at once."""
    try:
        with _lost_is_said(address):
            return sum(client.sync(client.scheduler.ncores, callback_timeout=ANSWER).values())
    except NotYet:
        raise _lost(address) from None


def _lost(address: str) -> TimeoutError:
    return TimeoutError(f"the Dask scheduler at {address!r} no longer answers")


def _expect_scheduler(address: str) -> None:
    """ValueError unless a Dask scheduler answers there, whatever else may listen. Takes at most three times ANSWER."""
    from distributed import Security, rpc

    async def ask() -> Any:
        async with rpc(address, connection_args=Security().get_connection_args("client")) as scheduler:
            return await scheduler.identity()

    answers: list[Any] = []

    def run() -> None:
        try:
            answers.append(asyncio.run(asyncio.wait_for(ask(), ANSWER)))
        except Exception as error:  # what is no scheduler can send anything
            answers.append(error)

    try:
        url = urlsplit(address)
        create_connection((url.hostname, url.port), timeout=ANSWER).close()  # Dask tries again and again
        with _quiet():
            asking = Thread(target=run, daemon=True)  # the caller's thread may have a loop of its own, as in a notebook
            asking.start()
            asking.join(2 * ANSWER)
        kind = answers[0].get("type") if answers and isinstance(answers[0], dict) else None
        if kind != "Scheduler":
            silent = not answers or isinstance(answers[0], TimeoutError)
            why = f"nothing came within {ANSWER:g} seconds" if silent else f"there is {kind or 'something else'}"
            raise ValueError(why)
    except (OSError, TypeError, ValueError) as error:
        raise ValueError(
            f"no Dask scheduler answers at {address!r}, expected one as at tcp://host:8786: {error}"
        ) from None


@contextmanager
def _quiet() -> Iterator[None]:
    """Within it Dask logs nothing: a cluster that is lost is said in one line, not in a hundred."""
    loggers = [logging.getLogger(name) for name in LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
