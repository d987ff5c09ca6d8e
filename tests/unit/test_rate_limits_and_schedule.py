"""How fast AWS is called and which jobs are looked at when, decided without a clock."""

from __future__ import annotations

import itertools

from covalent_awsbatch_plugin.aws.calls.rate_limits import LONGEST_WAIT, RateLimiter, backoff
from covalent_awsbatch_plugin.aws.jobs.poll_schedule import Schedule
from covalent_awsbatch_plugin.aws.model.description import JobDescription


def turns(limiter: RateLimiter, count: int, now: float) -> list[float]:
    return [now + limiter.wait(now) for _ in range(count)]


def test_turns_come_at_the_ceiling_after_those_saved():
    taken = turns(RateLimiter(50.0), 125, now=100.0)
    assert taken[24] == 100.0, "half a second of turns may be taken at once"
    assert abs(taken[-1] - 102.0) < 0.05


def test_a_burst_of_refusals_halves_once_and_the_rate_grows_back():
    limiter = RateLimiter(50.0)
    for _ in range(30):
        limiter.refused(100.0)
    assert limiter.rate == 25.0
    limiter.refused(101.5)
    assert limiter.rate == 12.5
    limiter.wait(105.5)
    assert 20 < limiter.rate < 25
    limiter.wait(200.0)
    assert limiter.rate == 50.0


def test_the_rate_never_ends():
    limiter = RateLimiter(50.0)
    for second in range(100):
        limiter.refused(100.0 + 2 * second)
    assert limiter.rate > 0


def test_backoff_doubles_jitters_and_is_bounded():
    assert backoff(1, 0.0) < backoff(2, 0.0) < backoff(3, 0.0)
    assert backoff(3, 1.0) == 2 * backoff(3, 0.0)
    assert backoff(1000, 1.0) == LONGEST_WAIT


def looks(status: str, poll_freq: float, until: float) -> list[float]:
    """Return when a job that stays in a status is looked at."""
    schedule, now, seen = Schedule(), 0.0, []
    schedule.add("job", poll_freq, now)
    while (now := schedule.next_due() or until) < until:
        assert schedule.take(now) == ["job"]
        assert schedule.take(now) == [], "it is asked for already"
        schedule.described(JobDescription("job", status), now)
        seen.append(now)
    return seen


def test_looks_begin_after_a_second_and_grow_up_to_poll_freq():
    seen = looks("RUNNING", poll_freq=10, until=200)
    gaps = [later - earlier for earlier, later in itertools.pairwise(seen)]
    assert seen[0] == 1.0
    assert gaps == sorted(gaps)
    assert gaps[-1] == 10


def test_waiting_jobs_are_looked_at_less_often():
    assert len(looks("RUNNABLE", 30, 60)) < len(looks("RUNNING", 30, 60))


def test_poll_freq_bounds_even_the_first_look():
    assert looks("RUNNING", poll_freq=0.5, until=2)[0] == 0.5


def test_a_call_has_a_hundred_ids_the_least_recently_described_first():
    schedule = Schedule()
    for number in range(250):
        schedule.add(f"{number}", 10, now=number / 1000)
    first = schedule.take(now=50.0)
    assert first == [f"{number}" for number in range(100)]
    assert len(schedule.take(50.0)) == 100
    assert len(schedule.take(50.0)) == 50
    assert schedule.take(50.0) == []


def test_a_call_with_room_takes_along_those_that_are_due_next():
    schedule = Schedule()
    schedule.add("due", 10, now=0.0)
    schedule.add("soon", 10, now=0.3)
    schedule.add("late", 10, now=0.9)
    assert schedule.take(now=1.0) == ["due", "soon"]


def test_a_job_that_starts_is_looked_at_often_again():
    schedule = Schedule()
    schedule.add("job", 60, 0.0)
    for now in range(1, 200, 10):
        schedule.take(float(now))
        schedule.described(JobDescription("job", "RUNNABLE"), float(now))
    waiting = schedule.watches["job"].interval
    schedule.described(JobDescription("job", "RUNNING"), 200.0)
    assert schedule.watches["job"].interval == 0.5 < waiting


def test_a_job_left_out_is_gone_after_a_bounded_time_only():
    schedule = Schedule()
    schedule.add("job", 10, 0.0)
    assert not schedule.left_out("job", 1.0)
    assert not schedule.left_out("job", 30.0)
    assert schedule.left_out("job", 37.0)
    schedule.described(JobDescription("job", "RUNNING"), 38.0)
    assert not schedule.left_out("job", 39.0), "it was seen again"
    assert not schedule.left_out("unknown", 1000.0)
