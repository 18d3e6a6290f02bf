"""Many who want the same at once, against bare MongoDB; suggestions and searches while the network grows.

Contests, all in one run, in turn, 32 requests in flight, each sent once, on the same MongoDB with the same collections
and indexes. Every transaction is durable on a majority's journals when it is answered. What is right is counted after
each round, on both sides: seats, places in line, quantities, what is open, what was announced.

* registrations: accounts that register for one convening; a third gets seats, the others wait in line.
* acceptances: of matches of one need, each accepted by whoever offers, until all of the need is promised.

Ours goes through the gateway, which verifies a token for each account, and so does the service again; both check the
contract. `bare_mongo` (bench/peers/bare_mongo.py) is a process without any of it, which runs the same reads and writes
in one transaction each: the answer to its request_id and the outbox's entries among them.

Growth: GET /v1/needs/{id}/suggestions with ever more open offers, and GET /v1/records:search with ever more published
records, through the gateway, one after the other; each question is asked once. The texts are made up (bench/words.py).

`search/tantivy`: the largest bank again, without the gateway on either side: our use case in this process, with its
queries to MongoDB, against tantivy's index in this process, which is given the same stems of the same records. Both
analyse the question and find the first 20 records that have all its words, and how many have them; tantivy those that
it ranks best, by their ids alone. Ours ranks by where a word stands and by age, counts the values of all filters, and
reads and cuts out of each record what answers the question.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pymongo

from bench import contests, data, growth, load
from bench.load import Each, percentile
from bench.report import finish, in_turn, median, ratio, table
from bench.stack import Stack
from chassis import mongo, settings
from chassis.ids import new_id
from chassis.tx import Tx
from participants.model import MEMBER
from services.events import store as events_store
from services.matching import store as matching_store
from services.matching.usecases import postings
from services.members.config import Config
from services.resources import store as resources_store
from services.resources.usecases import records

SERVICES = ("members", "events", "matching", "resources")
OFFERS, RECORDS = (1_000, 10_000, 100_000), (2_000, 20_000, 200_000)
CONTEST_TARGET, SUGGEST_TARGET, SEARCH_TARGET = 0.5, 150, 100  # ours over theirs; p95 in ms at the largest size
WARM_UP = 20  # of the questions of each size
GROWS = {
    "suggest": f"""
  what grows is how many lines fit, up to the {matching_store.CANDIDATES:,} nearest in kind and place: only these are
  read and ranked, so beyond that an answer takes no longer. The index that finds them grows with the offers. What does
  not grow is the answer: {postings.SUGGESTED} suggestions.""",
    "search": f"""
  what grows is how many records have a word: each word's are counted up to {resources_store.FREQUENT:,}, and the newest
  {resources_store.SEEN:,} with the rarest word are looked at, so beyond that an answer takes no longer. What does not
  grow is the rest of the work: {records.DEFAULT_FOUND} records are read, and what answers is cut out of them. The index
  grows with the bank, by some 100 keys a record, and has to stay in memory.""",
}
Growth = dict[int, list[float]]  # milliseconds by how much there is


def main(*, quick: bool) -> None:
    accounts, rounds, sizes = (150, 2, 2) if quick else (600, 4, 3)
    with Stack() as stack:
        stack.start_servers()
        for service in SERVICES:
            stack.migrate(service)
        account_ids = [new_id() for _ in range(accounts)]
        tokens = asyncio.run(_prepare(stack, account_ids))
        url = stack.gateway(**{service: stack.service(service, "api")[1] for service in SERVICES})
        client: pymongo.MongoClient[mongo.Document] = stack.enter_context(
            pymongo.MongoClient(stack.mongo.uri, tz_aware=True)
        )
        several: dict[str, contests.Contest] = {
            "registrations": contests.Registrations(account_ids),
            "acceptances": contests.Acceptances(account_ids),
        }
        contested = {
            name: _contest(name, stack, url, client, contest, tokens, rounds) for name, contest in several.items()
        }
        offers = growth.Offers(client["wasl_matching"])
        bank = growth.Bank(client["wasl_resources"], stack.folder / "tantivy")
        token = tokens[account_ids[0]]
        print("\ngrowth, one question after the other")
        grown = {
            "suggest": _grow("open offers", stack, url, OFFERS[:sizes], offers.grow, offers.requests(token)),
            "search": _grow("records", stack, url, RECORDS[:sizes], bank.grow, bank.requests()),
        }
        compared = _compare(stack, bank, rounds)
    _tell(contested, grown, compared)


async def _prepare(stack: Stack, account_ids: list[str]) -> dict[str, str]:
    """The peer's databases; an access token for each account."""
    config = settings.load(Config, "members", stack.environment)
    client = mongo.client(config.mongo_uri)
    await events_store.migrate(client["bench_events"])
    await matching_store.migrate(client["bench_matching"])
    tokens = await data.access_tokens(client[config.database], config, MEMBER, account_ids)
    client.close()
    return dict(zip(account_ids, tokens, strict=True))


# -- contests ------------------------------------------------------------------------------------------------------
def _contest(
    name: str, stack: Stack, url: str, client: Any, contest: contests.Contest, tokens: dict[str, str], rounds: int
) -> dict[str, list[Each]]:
    file = stack.folder / f"{name}.json"
    our, their = (client[f"{whose}_{contest.service}"] for whose in ("wasl", "bench"))

    def ours() -> Each:
        wanted = contest.begin(our)
        came = load.each(url, [contest.request(one, tokens[one["account_id"]]) for one in wanted], file)
        contest.check(our, wanted)
        return came

    def theirs() -> Each:
        """Each time a process of its own, which is to be as warm as our service is."""
        both = [contest.begin(their), contest.begin(their)]
        file.write_text(json.dumps(both))
        command = [sys.executable, "-m", "bench.peers.bare_mongo", contest.peer, their.name, str(file)]
        came = msgspec.json.decode(load.last_line(command, stack.environment), type=Each)
        for wanted in both:
            contest.check(their, wanted)
        return came

    print(f"\n{name}, {len(tokens)} of them, {load.CONNECTIONS} in flight")
    ours()
    theirs()
    contests.check_same_documents(contest, [our, their])
    return in_turn({"wasl": ours, "bare_mongo": theirs}, rounds)


# -- growth --------------------------------------------------------------------------------------------------------
def _grow(
    what: str,
    stack: Stack,
    url: str,
    sizes: Sequence[int],
    grow: Callable[[int], None],
    requests: Sequence[load.Request],
) -> Growth:
    found = {}
    for size in sizes:
        began = time.perf_counter()
        grow(size)
        filled = time.perf_counter() - began
        came = load.each(url, requests, stack.folder / "questions.json", connections=1)
        found[size] = came.took_ms[WARM_UP:]
        print(f"  {size:7,} {what:11}  filled in {filled:5.1f} s   {came}", flush=True)
    return found


def _compare(stack: Stack, bank: growth.Bank, rounds: int) -> dict[str, list[Each]]:
    """All questions in each round. Raises AssertionError when the two do not find equally many."""
    with asyncio.Runner() as runner:
        client = mongo.client(stack.mongo.uri, loop=runner.get_loop())
        tx = Tx(client["wasl_resources"], None)

        async def ours() -> Each:
            began, took = time.perf_counter(), []
            for question in bank.questions:
                at = time.perf_counter()
                await records.search_records(tx, q=question, page_size=0, page_token="")
                took.append((time.perf_counter() - at) * 1000)
            return Each(time.perf_counter() - began, took)

        def theirs() -> Each:
            began, took = time.perf_counter(), []
            for question in bank.questions:
                at = time.perf_counter()
                bank.peer.search(question)
                took.append((time.perf_counter() - at) * 1000)
            return Each(time.perf_counter() - began, took)

        async def check_same_counts() -> None:
            for question in bank.questions:
                mine = await records.search_records(tx, q=question, page_size=0, page_token="")
                _, count = bank.peer.search(question)
                assert mine.total_size == count or not mine.is_complete, (question, mine.total_size, count)

        runner.run(check_same_counts())
        print(f"\nsearches of {bank.count:,} records, in this process")
        found = in_turn({"wasl": lambda: runner.run(ours()), "tantivy": theirs}, rounds)
        client.close()
    return found


# -- the result ----------------------------------------------------------------------------------------------------
def _tell(
    contested: dict[str, dict[str, list[Each]]], grown: dict[str, Growth], compared: dict[str, list[Each]]
) -> None:
    ratios: dict[str, float] = {}
    figures: dict[str, float] = {}
    for name, sides in {**contested, "search": compared}.items():
        rates = {side: [one.per_second for one in rounds] for side, rounds in sides.items()}
        rows = {}
        for side, rounds in sides.items():
            p50, p95 = (median([percentile(one.took_ms, which) for one in rounds]) for which in (50, 95))
            better = ratio(rates["wasl"], rates[side])
            rows[side] = [median(rates[side]), p50, p95, better]
            figures |= {f"{name}/{side}_per_s": median(rates[side]), f"{name}/{side}_p50_ms": p50}
            if side != "wasl":
                ratios[f"{name}/{side}"] = better
        table(name, ["per second", "p50 ms", "p95 ms", "wasl / it"], rows)
    for name, sizes in grown.items():
        rows = {}
        for size, took in sizes.items():
            rows[f"{size:,}"] = cuts = [percentile(took, which) for which in (50, 95)]
            figures |= {f"{name}_p50_ms_{size // 1000}k": cuts[0], f"{name}_p95_ms_{size // 1000}k": cuts[1]}
        table(name, ["p50 ms", "p95 ms"], rows)
        print(_grows(name, sizes))
    for name, least in {f"{name}/bare_mongo": CONTEST_TARGET for name in contested}.items():
        _judge(name, ratios[name], ratios[name] >= least, f"at least {least}")
    for name, most in {"suggest": SUGGEST_TARGET, "search": SEARCH_TARGET}.items():
        size, took = list(grown[name].items())[-1]
        p95 = percentile(took, 95)
        _judge(f"{name} with {size:,}, p95 ms", p95, p95 <= most, f"at most {most}")
    finish("journeys", ratios, figures)


def _grows(name: str, sizes: Growth) -> str:
    """What grows with the data and what does not, in words."""
    (least, before), *_, (most, after) = sizes.items()
    times = percentile(after, 50) / percentile(before, 50)
    return f"{most // least} times as much takes {times:.1f} times as long:{GROWS[name]}"


def _judge(name: str, value: float, reached: bool, target: str) -> None:
    print(f"{name:34} {value:8.2f}   {'reached' if reached else 'MISSED'}: {target}")
