"""Joins source, stages and store: the way of a batch through the engine.

(a) `Pipeline` runs the stages over the batches of a source, in one thread or several, and gives
    the batches back in their order, or as they are done. Kernels release the GIL, so threads are
    enough.
(b) `scan` is that, as an iterator for callers who want the columns.
(c) `triage` puts a store behind it and counts.

A stage that raises does not lose its batch: the batch is halved until the failing message stands
alone; that message is kept without columns and counted as an error.
"""

from __future__ import annotations

import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from atlas_fast import limits
from atlas_fast.batch import Batch
from atlas_fast.cache.counts import Since
from atlas_fast.errors import UsageError, extra
from atlas_fast.observe.counters import StageClock
from atlas_fast.observe.counting import count
from atlas_fast.observe.live import LiveFile, as_json, live_folder, with_memory
from atlas_fast.observe.report import Report
from atlas_fast.observe.trace import Trace
from atlas_fast.sources import Source, open_source
from atlas_fast.store import Run, Store, open_store
from atlas_fast.store.base import ErrorRow, Mark
from atlas_fast.store.grouping import GroupedWrites
from atlas_fast.store.rows import RowBlock, clean, row_block
from atlas_fast.store.sqlite import SqliteStore, local_now
from atlas_fast.store.writer import Writer

if TYPE_CHECKING:
    from atlas_fast.stages.enrich import Enricher
    from atlas_fast.stages.judge import Judge

__all__ = ["Interrupted", "Pipeline", "make_enricher", "scan", "triage"]

Stage = tuple[str, Callable[[Batch], None]]
HEADERS_ONLY = "headers "
"""What the state of a mark begins with where bodies were left aside and keys tell so."""

SourceLike = str | Path | Source
Progress = Callable[[int, int], None]
Known = Callable[[Sequence[bytes]], set[bytes]]


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during `triage`; `report` tells what was done, and what is committed stays."""

    def __init__(self, report: Report):
        super().__init__("interrupted")
        self.report = report


@dataclass(slots=True)
class Done:
    """A batch whose stages have run, in parts where a stage failed on a message of it.

    `mark` is where its source goes on, `known` how many messages of it were stored before and so
    are in no part. `finish` of a pipeline may put what it makes of the parts into `blocks`
    (rows) and `counts`, and drop them.
    """

    mark: str = ""
    known: int = 0
    parts: list[Batch] = field(default_factory=list)
    failures: list[ErrorRow] = field(default_factory=list)
    blocks: list[RowBlock] = field(default_factory=list)
    counts: Report = field(default_factory=Report)
    clock: StageClock = field(default_factory=StageClock)


class Pipeline:
    """The stages, and how many threads run them.

    Batches have at most `max_messages` messages (by default as `limits` says) and `max_bytes`
    bytes, unless one message is longer. `enrich`: look up origins, domains and authentication, as
    an Enricher says or as one by default does. `keys`: make message keys while a batch is with its
    worker, for a store. `known`: asked which keys are stored; these messages take no part. `finish`
    is the last step of a worker. `model`: a path; with one, the models and the rollout of a store
    are left aside. `judge` decides in the default stages. `headers_only`: bodies are left aside,
    and where the source can, unread. `ordered`: batches come in the order of their source;
    otherwise as they are done, which never waits for a slow one. `trace` gets every stretch of
    every stage.
    Raises UsageError when `workers` is below 1.
    """

    def __init__(
        self,
        stages: Sequence[Stage] | None = None,
        *,
        workers: int = 1,
        model: str | Path | None = None,
        enrich: Enricher | bool = True,
        max_messages: int | None = None,
        max_bytes: int = limits.BATCH_BYTES,
        headers_only: bool = False,
        ordered: bool = True,
        trace: Trace | None = None,
    ):
        if workers < 1:
            raise UsageError(f"workers is {workers}; at least one is needed")
        self.enricher: Enricher | None = None
        self.judge: Judge | None = None
        self.given_model = False
        if stages is None:
            self.enricher = make_enricher() if enrich is True else enrich or None
            self.judge = make_judge(model)
            self.given_model = model is not None
            stages = default_stages(self.judge, self.enricher)
        self.stages = list(stages)
        self.keys = False
        self.known: Known | None = None
        self.finish: Callable[[Done], None] | None = None
        self.headers_only = headers_only
        self.ordered = ordered
        self.workers = workers
        usual = limits.HEADERS_ONLY_BATCH_MESSAGES if headers_only else limits.BATCH_MESSAGES
        self.max_messages = max_messages or usual
        self.max_bytes = max_bytes
        self.trace = trace

    def run(self, source: Source, clock: StageClock, after: str = "") -> Iterator[Done]:
        """Batches of the source behind the mark `after`, stages done; reading time goes to `clock`.

        At most twice as many batches as workers are read ahead of the caller, and at most two of
        them wait for a worker: what a batch was read into is more than what becomes of it.
        """
        if hasattr(source, "headers_only"):
            source.headers_only = self.headers_only
        batches = clock.each("source", source.batches(self.max_messages, self.max_bytes, after))
        if self.workers == 1:
            yield from map(self.process, batches)
            return
        pending: deque[Future[Done]] = deque()
        with ThreadPoolExecutor(self.workers, thread_name_prefix="atlas-fast") as pool:
            try:
                for batch in batches:
                    pending.append(pool.submit(self.process, batch))
                    del batch  # its memory goes with its worker
                    waiting = [future for future in pending if not future.done()]
                    if len(waiting) > self.workers + 1:
                        wait(waiting, return_when=FIRST_COMPLETED)
                    if len(pending) >= 2 * self.workers:
                        yield self._next(pending).result()
                while pending:
                    yield self._next(pending).result()
            finally:
                for future in pending:
                    future.cancel()

    def _next(self, pending: deque[Future[Done]]) -> Future[Done]:
        """Take out the oldest, or one that is done."""
        if self.ordered:
            return pending.popleft()
        first = wait(pending, return_when=FIRST_COMPLETED).done.pop()
        pending.remove(first)
        return first

    def process(self, batch: Batch) -> Done:
        """Run the stages over one batch, and what `keys`, `known` and `finish` say."""
        done = Done(batch.mark, clock=StageClock(self.trace))
        if self.headers_only:
            with done.clock.measure("headers"):
                batch.leave_bodies()
        if self.keys:
            with done.clock.measure("keys"):
                _ = batch.keys
        if self.known is not None:
            with done.clock.measure("known"):
                batch, done.known = _without_known(batch, self.known)
        waiting = [batch] if len(batch) else []
        while waiting:
            part = waiting.pop()
            try:
                for name, stage in self.stages:
                    with done.clock.measure(name):
                        stage(part)
            except Exception as error:
                if len(part) > 1:
                    middle = len(part) // 2
                    waiting.append(part.take(np.arange(middle, len(part))))
                    waiting.append(part.take(np.arange(middle)))
                    continue
                part = part.take(np.arange(len(part)))  # without what the stages left in it
                done.failures += [_failure(place, error) for place in part.places]
            done.parts.append(part)
        if self.finish is not None:
            self.finish(done)
        return done


def make_enricher(**settings: Any) -> Enricher:
    """The enrichment of a pipeline; `settings` are those of stages.enrich.Enricher. Raises
    UsageError, SettingsError."""
    from atlas_fast.stages.enrich import Enricher

    try:
        return Enricher(**settings)
    except ImportError as error:
        raise UsageError(
            f"checking authentication needs {error.name}: {extra('verify')}"
        ) from error


def make_judge(model: str | Path | None = None) -> Judge:
    """The decision of a pipeline: a model, by default the shipped one, and the policy."""
    from atlas_fast import decision

    return decision.make_judge(model)


def default_stages(judge: Judge, enricher: Enricher | None = None) -> list[Stage]:
    """parse, those of the enricher, features, decide, policy."""
    from atlas_fast.stages import features, parse

    return [
        ("parse", parse.run),
        *([] if enricher is None else enricher.stages),
        ("features", features.run),
        ("decide", judge.decide),
        ("policy", judge.rule),
    ]


def scan(
    source: SourceLike | Sequence[SourceLike],
    *,
    workers: int = 1,
    model: str | Path | None = None,
    headers_only: bool = False,
    pipeline: Pipeline | None = None,
) -> Iterator[Batch]:
    """Batches with `headers`, `mime`, `enrichment`, `features` and `verdict` filled; nothing is
    stored. `headers_only`: bodies are left aside; a `pipeline` says so for itself.

    A message on which a stage failed comes as a batch of one whose columns are None.
    """
    pipeline = pipeline or Pipeline(workers=workers, model=model, headers_only=headers_only)
    for opened in open_all(source):
        for done in pipeline.run(opened, StageClock()):
            yield from done.parts


def triage(
    source: SourceLike | Sequence[SourceLike],
    store: str | Path | Store | None = None,
    workers: int = 1,
    *,
    resume: bool = True,
    progress: Progress | None = None,
    model: str | Path | None = None,
    headers_only: bool = False,
    pipeline: Pipeline | None = None,
) -> Report:
    """Read, classify and store every message of the sources.

    `store` is a path, an open store, or None for none. Messages that it has are not looked at
    again, unless `resume` is False; even then none is stored twice. `progress(messages, bytes)` is
    called after each batch with the totals so far. `headers_only`: bodies are left aside; a
    `pipeline` says so for itself. Raises the errors of `atlas_fast.errors`, and Interrupted on
    Ctrl-C, after what was done has been committed.
    """
    begin = time.perf_counter()
    sources = open_all(source)
    pipeline = pipeline or Pipeline(workers=workers, model=model, headers_only=headers_only)
    if store is not None and not pipeline.ordered:
        raise UsageError("a store's resume marks need batches in their order")
    pipeline.keys, pipeline.finish = store is not None, _finish
    report = Report(sources=[opened.identity for opened in sources], workers=pipeline.workers)
    clock = StageClock(pipeline.trace)
    enricher = pipeline.enricher
    counters = Since(None if enricher is None else enricher.cache.counters)
    with ExitStack() as stack:
        stack.callback(_forget, pipeline)
        sink = _Sink(stack, store, report, pipeline, resume)
        if sink.store is not None:
            from atlas_fast import decision

            if pipeline.judge is not None:
                decision.use_store(pipeline.judge, sink.store, models=not pipeline.given_model)
            if pipeline.enricher is not None:
                decision.use_relays(pipeline.enricher, sink.store)
        live = sink.live()
        stack.callback(live.close)
        try:
            for opened in sources:
                after, pipeline.known = sink.begin(opened)
                for done in pipeline.run(opened, clock, after):
                    report.add(done.counts, opened.identity)
                    clock.merge(done.clock)
                    sink.put(done)
                    live.tick(lambda: sink.figures(clock, counters))
                    if progress is not None:
                        progress(report.messages, report.bytes)
                _count_source(report, opened)
        except KeyboardInterrupt:
            report.interrupted = True

        def figures() -> dict[str, Any]:
            if enricher is not None:
                enricher.cache.flush()
                report.notes += enricher.notes
                report.caches = counters.now()
            report.stages = clock.seconds
            report.seconds = time.perf_counter() - begin
            return with_memory(report.to_dict()) | {"series": live.series}

        sink.close(clock, figures)
    report.seconds = time.perf_counter() - begin
    if report.interrupted:
        raise Interrupted(report)
    return report


def open_all(source: SourceLike | Iterable[SourceLike]) -> list[Source]:
    """Open one source or several; a name is opened by `open_source`."""
    if isinstance(source, str | Path):
        return [open_source(str(source))]
    several: list[Any] = [source] if hasattr(source, "batches") else list(source)
    if not several:
        raise UsageError("no source was given")
    return [open_source(str(one)) if isinstance(one, str | Path) else one for one in several]


class _Sink:
    """Behind the pipeline: rows into the store, in a thread of its own when workers have theirs."""

    def __init__(
        self,
        stack: ExitStack,
        where: str | Path | Store | None,
        report: Report,
        pipeline: Pipeline,
        resume: bool,
    ):
        self._clock = StageClock(pipeline.trace)
        self._report = report
        self._resume = resume
        self._headers_only = pipeline.headers_only
        self._writer: Writer[tuple[list[RowBlock], list[ErrorRow], Mark]] | None = None
        self._mark = Mark("", "")
        if where is None:
            self.store: Store | None = None
            return
        if isinstance(where, str | Path):
            self.store = stack.enter_context(closing(open_store(where, wait=True)))
        else:
            self.store = where
        report.store = self.store.name
        self._run: Run = self.store.begin_run(report.sources)
        pipeline.finish = partial(_finish, session_id=self._run.session_id)
        self._group = GroupedWrites(self.store, self._run)
        stack.callback(self._group.close)
        if pipeline.workers > 1:
            self._writer = Writer(lambda item: self._write(*item))
            stack.callback(self._writer.stop)

    def begin(self, source: Source) -> tuple[str, Known | None]:
        """Where a source is to start, and whom to ask for messages that are stored.

        Only the source's own proof that nothing has changed up to the mark lets the run start
        there. Otherwise the source is read from its start, and the keys tell what is new.
        """
        if self.store is None:
            return "", None
        state = source.state() if hasattr(source, "state") else ""
        proof = bool(state)
        content = getattr(source, "content_in_keys", True)
        if self._headers_only and content:
            state = HEADERS_ONLY + state
        self._mark = Mark(source.identity, "", state)
        there = self._look_up(source.identity)
        if there is not None and there.mark and content:
            self._check_same_way(there)
        if there is None or not self._resume:
            return "", None
        if proof and state == there.state:
            self._mark = there
            self._report.messages += there.messages
            self._report.known += there.messages
            return there.mark, None
        return "", self.store.known

    def _check_same_way(self, there: Mark) -> None:
        """Keys have the content of what was read: the other way each message would be stored
        twice."""
        with_bodies = not there.state.startswith(HEADERS_ONLY)
        if with_bodies == self._headers_only:
            ways = ("with bodies", "by headers only")
            raise UsageError(
                f"{there.source}: this store has its messages {ways[not with_bodies]}; "
                f"reading it {ways[with_bodies]} needs another store"
            )

    def _look_up(self, identity: str) -> Mark | None:
        """The mark of a source; what waits of an earlier source of this run is written first."""
        assert self.store is not None
        if self._writer is not None:
            self._writer.drain()
        self._group.close()
        return self.store.mark(identity)

    def put(self, done: Done) -> None:
        if self.store is None:
            return
        seen = self._mark.messages + done.counts.messages
        self._mark = replace(self._mark, mark=done.mark, messages=seen)
        if self._writer is not None:
            self._writer.put((done.blocks, done.failures, self._mark))
        else:
            self._write(done.blocks, done.failures, self._mark)

    def _write(self, blocks: list[RowBlock], failures: list[ErrorRow], mark: Mark) -> None:
        with self._clock.measure("store"):
            self._group.write(blocks, failures, mark)

    def live(self) -> LiveFile:
        """Where the run says how it is; nowhere without a store in a file."""
        if not isinstance(self.store, SqliteStore):
            return LiveFile(None, 0)
        return LiveFile(live_folder(self.store.path), self._run.session_id)

    def figures(self, clock: StageClock, counters: Since) -> dict[str, Any]:
        """The report so far, and what waits."""
        so_far = with_memory(self._report.to_dict())
        so_far["stages"] = {
            stage: round(seconds, 6)
            for stage, seconds in {**clock.seconds, **self._clock.seconds}.items()
        }
        so_far["caches"] = counters.now()
        so_far["stored"] = self._group.stored
        so_far["queue"] = 0 if self._writer is None else self._writer.waiting
        so_far["grouped"] = self._group.rows
        return so_far

    def close(self, clock: StageClock, figures: Callable[[], dict[str, Any]]) -> None:
        """Write what waits; a run that was not interrupted gets its end time."""
        if self.store is None:
            figures()
            return
        if self._writer is not None:
            self._writer.close()
        with self._clock.measure("store"):
            self._group.close()
        self._report.stored = self.store.totals(self._run).stored
        clock.merge(self._clock)
        said = as_json(figures()).decode()
        self.store.finish_run(self._run, said, ended=not self._report.interrupted)


def _forget(pipeline: Pipeline) -> None:
    """What a run told its pipeline is not for the next."""
    pipeline.known = pipeline.finish = None


def _finish(done: Done, session_id: int | None = None) -> None:
    """Counts, and the rows of a run; then the columns go, as a batch may wait long to be stored."""
    if session_id is not None:
        with done.clock.measure("rows"):
            now = local_now()
            done.blocks = [row_block(part, session_id, now) for part in done.parts]
    count(done.counts, done)
    done.parts.clear()


def _without_known(batch: Batch, known: Known) -> tuple[Batch, int]:
    """The messages that are not stored yet, and how many are."""
    keys = batch.keys.view(f"V{batch.keys.shape[1]}").ravel().tolist()
    there = known(keys)
    if not there:
        return batch, 0
    new = np.array([i for i, key in enumerate(keys) if key not in there], np.int64)
    return batch.take(new), len(batch) - len(new)


def _failure(place: str, error: Exception) -> ErrorRow:
    trace = "".join(traceback.format_exception(error))
    return ErrorRow(*map(clean, (place, type(error).__name__, str(error), trace)))


def _count_source(report: Report, source: Source) -> None:
    """Places that the source could not read."""
    for text in getattr(source, "problems", ()):
        report.errors += 1
        report.problem(text, source.identity)
