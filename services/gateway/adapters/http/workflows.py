"""`/v1/workflows`: what a batch may ask for."""

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from contracts.forms import Allowed, Form
from contracts.limits import MAX_QUANTITY, MAX_SIDE, MIN_SIDE, SIDE_STEP
from services.gateway.adapters.http import examples
from services.gateway.adapters.http.codes import answers
from services.gateway.adapters.http.desk import AtDesk, ByCaller, Guarded, needs

router = APIRouter(prefix="/v1/workflows", tags=["workflows"], route_class=Guarded)

_WORDS: dict[type, Literal["string", "int", "number", "bool"]] = {
    str: "string",
    int: "int",
    float: "number",
    bool: "bool",
}


class ParameterShape(BaseModel):
    name: str = Field(examples=["steps"])
    type: Literal["string", "int", "number", "bool"]
    min: float | None
    max: float | None
    choices: list[str | bool | int | float] = Field(description="empty: anything that fits")


class SizesShape(BaseModel):
    min: int = Field(description="pixels of a side")
    max: int
    multiple_of: int


class WorkflowShape(BaseModel):
    name: str = Field(examples=["portrait"])
    title: str = Field(examples=["Text to image with an SDXL checkpoint"])
    parameters: list[ParameterShape]
    styles: list[str] = Field(examples=[["anime", "noir"]])
    sizes: SizesShape
    max_quantity: int = Field(description="images of one batch")


class WorkflowList(BaseModel):
    items: list[WorkflowShape]


@router.get(
    "",
    operation_id="listWorkflows",
    dependencies=[needs("batches:read")],
    summary="List workflows",
    responses={200: examples.answer("All of them", "workflows"), **answers()},
)
async def listed(desk: AtDesk, _caller: ByCaller) -> WorkflowList:
    """What `workflow`, `style`, `parameters`, `width` and `height` of a batch may be. What is not here is
    refused before anything is reserved."""
    return WorkflowList(items=[_shown(name, form) for name, form in sorted(desk.workflows.items())])


def _shown(name: str, form: Form) -> WorkflowShape:
    return WorkflowShape(
        name=name,
        title=form.title,
        parameters=[_parameter(each, allowed) for each, allowed in sorted(form.parameters.items())],
        styles=sorted(form.styles),
        sizes=SizesShape(min=MIN_SIDE, max=MAX_SIDE, multiple_of=SIDE_STEP),
        max_quantity=MAX_QUANTITY,
    )


def _parameter(name: str, allowed: Allowed) -> ParameterShape:
    told: dict[str, Any] = {"min": allowed.least, "max": allowed.most, "choices": list(allowed.choices)}
    return ParameterShape(name=name, type=_WORDS[allowed.type], **told)
