"""When work was accepted, began and ended, also where a client sends it twice under one id."""

from sandbox.timeline import Timeline


def test_work_that_is_accepted_again_while_it_runs_ends_as_what_began() -> None:
    """As ComfyUI takes a prompt twice; a stand-in that stumbled here would never run anything again."""
    timeline = Timeline()
    timeline.accepted("a", ["first"])
    timeline.started("a")
    timeline.accepted("a", ["second"])
    timeline.ended("a")
    timeline.started("a")
    timeline.ended("a")
    runs = [(entry["labels"], [len(run) for run in entry["runs"]]) for entry in timeline.shown()["entries"]]
    assert runs == [(("first",), [2]), (("second",), [2])]
