"""The backends: reachable, logged in, with memory, and with what the workflows need."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence

from chassis.settings import read
from cli.doctor.finding import Finding, ok, warning, wrong
from services.renderer.adapters.places import Backend, Place
from services.renderer.adapters.runpod.hooks import Hooks
from services.renderer.app import read_fleet
from services.renderer.domain.equipment import Inventory, lacks
from services.renderer.domain.troubles import Hopeless, Trouble
from services.renderer.domain.workflows import Workflow, dressed
from services.renderer.settings import FleetSettings

#: Seconds that a backend may take to answer.
PATIENCE = 30.0
#: Embeddings that are named.
NAMED = 5


async def check() -> list[Finding]:
    """Of the fleet in RENDERER_URLS. Raises BadSettings where that, or a workflow, can't be read."""
    settings = read(FleetSettings)
    workflows, _, places = read_fleet(settings, Hooks(settings.renderer_public_url))
    backends = [place.make() for place in places]
    try:
        reasons = await asyncio.gather(*(_trouble(backend) for backend in backends))
    finally:
        await asyncio.gather(*(backend.close() for backend in backends))
    if not places:
        return [
            warning("fleet", "the list of backends is empty", "add a URL to the file; images wait meanwhile")
        ]
    seen = list(zip(places, backends, reasons, strict=True))
    reached = {place.name: backend.inventory or {} for place, backend, why in seen if why is None}
    return [
        *(_backend(place, backend, why) for place, backend, why in seen),
        *(found for workflow in workflows.values() for found in _workflow(workflow, reached)),
    ]


async def _trouble(backend: Backend) -> str | None:
    try:
        async with asyncio.timeout(PATIENCE):
            await backend.probe()
    except Trouble as why:
        return why.detail
    except TimeoutError:
        return f"no answer within {PATIENCE:g} s"
    return None


def _backend(place: Place, backend: Backend, why: str | None) -> Finding:
    if why is not None:
        return wrong(place.name, why, "images go to other backends, or wait, until it answers")
    names = sorted(backend.embeddings)
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ok(place.name, f"{backend.about}; embeddings: {', '.join(names[:NAMED]) or 'none'}{more}")


def _workflow(workflow: Workflow, reached: Mapping[str, Inventory]) -> Iterator[Finding]:
    """What it lacks where; a backend that cannot be asked counts as having everything."""
    subject = f"workflow {workflow.name}"
    missing = {name: _missing(workflow, inventory) for name, inventory in reached.items()}
    everywhere = bool(missing) and all(missing.values())
    for name, reasons in missing.items():
        for reason in reasons:
            if everywhere:
                yield wrong(f"{subject} on {name}", reason, "its images fail until one backend has it")
            else:
                yield warning(f"{subject} on {name}", reason, "its images go to the other backends")
    able = [name for name, reasons in missing.items() if reached[name] and not reasons]
    unasked = [name for name, inventory in reached.items() if not inventory]
    said = [f"can be rendered by {', '.join(able)}"] if able else []
    said += [f"{', '.join(unasked)} cannot be asked"] if unasked else []
    if said:
        yield ok(subject, "; ".join(said))


def _missing(workflow: Workflow, inventory: Inventory) -> Sequence[str]:
    """As it is, and in each of its styles."""
    found: dict[str, None] = {}
    for style in (None, *workflow.styles):
        try:
            graph = dressed(workflow, style, {})
        except Hopeless as why:
            found[why.detail] = None
            continue
        found.update((why.detail, None) for why in lacks(graph, inventory))
    return list(found)
