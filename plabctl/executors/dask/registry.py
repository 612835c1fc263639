"""What the scheduler keeps between monitors and workers: which test is where, and the reports nobody has fetched yet.

Pure: told of messages and of the time, it lists the messages to send. The network stands in `scheduler`, and what the
messages say in `protocol`.

No test is begun twice. A worker asks for each one that it is offered before it begins, the answer is yes to one worker
only, and no once the test would begin too late. So a test that was offered and not begun may go to another worker, and
one that was begun never does, whatever becomes of its worker.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plabctl.core.probe import Cause
from plabctl.executors.dask.protocol import GRANT_S, PROTOCOL, Message
from plabctl.executors.dask.registry_rows import ENDS, Job, Phase, Worker, choose_from, pick_worker

OFFER_S = 5.0
"""How long a worker has to ask for a test that it was offered; then the test is offered to another."""
NO_WORKER_S = 10.0
"""How long tests wait for a worker where there is none: after a restart of the scheduler they come back in a second."""
KEEP_S = 86_400.0
"""How long a report is kept that no monitor fetches."""
MAX_KEPT = 10_000
"""Of more such reports the oldest are dropped."""
PAST_S = 60.0
"""How long a test is remembered after its end."""
_SILENT = "it does not answer"
SURE_S = 1.0
"""The registry must be that much older than a test to know that it was never handed in."""


class Registry:
    """The tests, workers and monitors of one scheduler; all instants are seconds of one clock that is never set."""

    def __init__(self, now: float) -> None:
        self._since = now
        self._jobs: dict[str, Job] = {}
        self._workers: dict[str, Worker] = {}
        self._clients: dict[str, str] = {}
        self._no_worker_since = now
        self._out: list[tuple[str, Message]] = []

    def take(self) -> list[tuple[str, Message]]:
        """Return the messages to send, each with its connection or the address of its worker, once."""
        out, self._out = self._out, []
        return out

    def add_worker(self, address: str, hello: Mapping[str, Any], now: float) -> None:
        """Note a worker, with the tests that it is running and the reports that it still has."""
        worker = Worker(address, str(hello["name"]), str(hello["site"]), int(hello["slots"]), str(hello["version"]))
        if hello["protocol"] != PROTOCOL:
            worker.problem = f"it runs plabctl {worker.version}, of another version than the scheduler"
        self._workers[address] = worker
        self._out.append((address, {"op": "plabctl-welcome", "problem": worker.problem}))
        for token, (monitor, end_in_s) in hello["running"].items():
            job = self._jobs.setdefault(token, Job(token, monitor, "", Phase.AWAITED, end_by=now + end_in_s))
            if job.phase in {Phase.AWAITED, Phase.LOST, Phase.BEGUN}:
                self._begin(job, worker, now)
        for token, (monitor, document) in hello["reports"].items():
            self.report(address, token, monitor, document, now)
        self._dispatch(now)

    def remove_worker(self, address: str, now: float) -> None:
        """Note that a worker is not connected any more: what it has not begun goes to others, the rest is in doubt."""
        if not (worker := self._workers.pop(address, None)):
            return
        if all(each.problem for each in self._workers.values()):
            self._no_worker_since = now
        for job in [self._jobs[token] for token in worker.tokens if token in self._jobs]:
            if job.phase is Phase.OFFERED:
                self._take_back(job)
            elif job.phase is Phase.BEGUN:
                job.phase = Phase.LOST
                self._tell(job, "doubt", reason=f"{worker.describe()} was lost while it made this test")
        self._dispatch(now)

    def accept(self, address: str, token: str, now: float) -> None:
        """Let the worker begin what it was offered, or not: answer `run` or `drop`."""
        if not (worker := self._workers.get(address)):
            return
        job = self._jobs.get(token)
        if worker.problem == _SILENT:
            worker.problem = ""
        is_offered = job is not None and job.phase is Phase.OFFERED and job.worker == address
        if job is None or not is_offered or now >= job.begin_by:
            if job and is_offered:
                self._take_back(job)  # for the next sweep to refuse
            if not (job and job.phase is Phase.BEGUN and job.worker == address):  # or it was offered twice, and runs
                worker.tokens.discard(token)
            self._out.append((address, {"op": "plabctl-drop", "token": token}))
            self._dispatch(now)
            return
        message = {"op": "plabctl-run", "token": token, "monitor": job.monitor, "document": job.document}
        times = {"begin_in_s": min(job.begin_by - now, GRANT_S), "end_in_s": job.end_by - now}
        self._out.append((address, message | times))
        self._begin(job, worker, now)

    def report(self, address: str, token: str, monitor: str, document: str, now: float) -> None:
        """Keep a report until its monitor has it; a second one of the same test is dropped."""
        self._out.append((address, {"op": "plabctl-ack", "token": token}))
        worker = self._workers.get(address)
        job = self._jobs.setdefault(token, Job(token, monitor, "", Phase.AWAITED))
        if job.phase is not Phase.DONE:
            self._leave(job)
            job.phase, job.document, job.since = Phase.DONE, document, now
            if worker:
                job.vantage = worker.site
                worker.tokens.discard(token)
            self._tell_report(job)
        self._dispatch(now)

    def attach(self, client: str, monitor: str, now: float) -> None:
        """Note a connection of a monitor, and send it the reports that no connection of it waits for."""
        self._clients[client] = monitor
        workers = [worker.to_message() for worker in self._workers.values()]
        self._out.append((client, {"op": "welcome", "now": now, "workers": workers}))
        for job in self._jobs.values():
            if job.phase is Phase.DONE and job.monitor == monitor and not job.client:
                job.client = client
                self._tell_report(job)

    def detach(self, client: str) -> None:
        """Note that a connection is gone; its tests go on."""
        self._clients.pop(client, None)
        for job in self._jobs.values():
            if job.client == client:
                job.client = ""

    def submit(self, client: str, message: Mapping[str, Any], now: float) -> None:
        """Take a test in and offer it to a worker; one that is known already is left as it is."""
        token = str(message["token"])
        if token in self._jobs:
            return
        self._jobs[token] = Job(
            token,
            self._clients[client],
            client,
            Phase.QUEUED,
            begin_by=float(message["begin_by"]),
            end_by=float(message["end_by"]),
            site=str(message["site"]),
            away_from=tuple(message["away_from"]),
            document=str(message["document"]),
            since=now,
        )
        self._dispatch(now)

    def adopt(self, client: str, token: str, age_s: float, end_by: float, now: float) -> None:
        """Let this connection have what comes of a test that was handed in `age_s` ago, maybe by another one.

        What this registry must have seen and has not is refused for ever.
        """
        if not (job := self._jobs.get(token)):
            job = self._jobs[token] = Job(token, self._clients[client], client, Phase.AWAITED, end_by=end_by)
            if now - self._since > age_s + SURE_S:
                self._refuse(job, "its tick ended before it was begun", Cause.INTERRUPTED)
            return
        job.client = client
        if job.phase is Phase.DONE:
            self._tell_report(job)
        elif job.phase in {Phase.BEGUN, Phase.LOST}:
            self._tell(job, "begun", ago_s=now - job.since)
        elif job.phase is Phase.REFUSED:
            self._refuse(job, "its tick ended before it was begun", Cause.INTERRUPTED)

    def cancel(self, token: str) -> None:
        """End a test early; its report says so, if it was begun."""
        job = self._jobs.get(token)
        if job and job.phase in {Phase.QUEUED, Phase.OFFERED}:
            self._leave(job)
            self._refuse(job, "interrupted", Cause.INTERRUPTED)
        elif job and job.phase is Phase.BEGUN:
            self._out.append((job.worker, {"op": "plabctl-cancel", "token": token}))

    def acknowledge(self, token: str) -> None:
        """Forget a report that its monitor has recorded."""
        if token in self._jobs and self._jobs[token].phase is Phase.DONE:
            del self._jobs[token]  # what is refused stays so: it might still be handed in

    def sweep(self, now: float) -> None:
        """Do what time brings: refuse what no worker took, take back offers, forget what is over. Once a second."""
        for job in list(self._jobs.values()):
            if job.phase is Phase.OFFERED and now - job.since > OFFER_S:
                if worker := self._workers.get(job.worker):
                    worker.problem = _SILENT
                self._take_back(job)
            if job.phase is Phase.QUEUED and (reason := self._find_refusal(job, now)):
                self._refuse(job, reason)
            elif job.phase is Phase.DONE and now - job.since > KEEP_S:
                del self._jobs[job.token]
            elif job.phase in ENDS and now > job.end_by + PAST_S:
                self._leave(job)
                del self._jobs[job.token]
        kept = [job.token for job in self._jobs.values() if job.phase is Phase.DONE]
        for token in kept[:-MAX_KEPT]:
            del self._jobs[token]
        self._dispatch(now)

    def _find_refusal(self, job: Job, now: float) -> str:
        """Return why a test will not be begun, in words; nothing while it may be."""
        usable = [worker for worker in self._workers.values() if not worker.problem]
        if not usable and now - max(self._no_worker_since, job.since) > NO_WORKER_S:
            unusable = next(iter(self._workers.values()), None)
            why = f"; {unusable.describe()} gets no tests: {unusable.problem}" if unusable else ""
            return f"no worker is connected to the scheduler{why}"
        if now < job.begin_by:
            return ""
        sites = sorted({worker.site for worker in choose_from(job, self._workers.values())})
        return f"all slots of the workers at {', '.join(sites) or 'any site'} were taken until it was too late to begin"

    def _dispatch(self, now: float) -> None:
        if not any(worker.has_room for worker in self._workers.values()):
            return
        for job in self._jobs.values():
            if (
                job.phase is Phase.QUEUED
                and now < job.begin_by
                and (worker := pick_worker(job, self._workers.values()))
            ):
                job.phase, job.worker, job.since = Phase.OFFERED, worker.address, now
                worker.tokens.add(job.token)
                self._out.append((worker.address, {"op": "plabctl-offer", "token": job.token}))

    def _begin(self, job: Job, worker: Worker, now: float) -> None:
        job.phase, job.worker, job.vantage, job.since, job.document = Phase.BEGUN, worker.address, worker.site, now, ""
        worker.tokens.add(job.token)
        self._tell(job, "begun", ago_s=0.0)

    def _take_back(self, job: Job) -> None:
        self._leave(job)
        job.phase, job.worker = Phase.QUEUED, ""

    def _leave(self, job: Job) -> None:
        """Take a test from the worker that has it, which has room again."""
        if worker := self._workers.get(job.worker):
            worker.tokens.discard(job.token)

    def _refuse(self, job: Job, reason: str, cause: Cause = Cause.EXECUTOR) -> None:
        job.phase, job.document = Phase.REFUSED, ""
        self._tell(job, "refused", reason=reason, cause=str(cause))

    def _tell_report(self, job: Job) -> None:
        self._tell(job, "report", document=job.document, vantage=job.vantage)

    def _tell(self, job: Job, op: str, **more: object) -> None:
        if job.client:
            self._out.append((job.client, {"op": op, "token": job.token, **more}))
